/* Objects of the embedder's kind that lie as options.embedder_layout says: random graphs of one
 * layout each, beside a shadow that says what must live. Words that are no slots hold addresses of
 * objects too, so that whatever marks too much is seen, as is what marks too little.
 */
#include <errno.h>
#include <stdlib.h>

#include "gc/heap.h"
#include "tests/gc/support.h"

enum { OBJECTS = 3000, WORDS_MAX = 140, ROOTS = 8 };

#define NAN_BOX_TAG UINT64_C(0xfffc000000000000)

typedef struct Lay {
    const char *name;
    GooGcLayout layout;
    uint32_t flags;
    size_t words; /* of an object, an array's part included */
    size_t array_from;
    uint64_t bitmap[3];
    size_t bitmap_words;
    bool boxed; /* the heap's slots are NaN boxes */
} Lay;

enum { P = GOO_GC_TYPE_BITMAP_POINTERS, AP = GOO_GC_TYPE_ARRAY_POINTERS };

static const Lay lays[] = {
    {"one pointer", GOO_GC_LAYOUT_BITMAP, P, 2, 0, {1}, 1, false},
    {"two pointers", GOO_GC_LAYOUT_BITMAP, P, 2, 0, {3}, 1, false},
    {"four pointers and data", GOO_GC_LAYOUT_BITMAP, P, 6, 0, {15}, 1, false},
    {"pointers after data", GOO_GC_LAYOUT_BITMAP, P, 6, 0, {60}, 1, false},
    {"pointers here and there", GOO_GC_LAYOUT_BITMAP, P, 10, 0, {0x2a5}, 1, false},
    {"64 pointers", GOO_GC_LAYOUT_BITMAP, P, 64, 0, {UINT64_MAX}, 1, false},
    {"63 pointers", GOO_GC_LAYOUT_BITMAP, P, 64, 0, {UINT64_MAX >> 1}, 1, false},
    {"the last word of 64", GOO_GC_LAYOUT_BITMAP, P, 64, 0, {UINT64_C(1) << 63}, 1, false},
    {"three words of bits", GOO_GC_LAYOUT_BITMAP, P, 130, 0, {5, 0, 2}, 3, false},
    {"values", GOO_GC_LAYOUT_BITMAP, 0, 4, 0, {13}, 1, false},
    {"boxed values", GOO_GC_LAYOUT_BITMAP, 0, 4, 0, {15}, 1, true},
    {"pointers in a heap of boxes", GOO_GC_LAYOUT_BITMAP, P, 4, 0, {7}, 1, true},
    {"array", GOO_GC_LAYOUT_ARRAY, AP, 8, 0, {0}, 0, false},
    {"array after data", GOO_GC_LAYOUT_ARRAY, AP, 10, 3, {0}, 0, false},
    {"array after pointers", GOO_GC_LAYOUT_ARRAY, P | AP, 12, 4, {6}, 1, false},
    {"boxed array after pointers", GOO_GC_LAYOUT_ARRAY, P, 12, 4, {6}, 1, true},
    {"array that ends at the 64th word", GOO_GC_LAYOUT_ARRAY, AP, 64, 1, {0}, 0, false},
    {"array beyond the 64th word", GOO_GC_LAYOUT_ARRAY, AP, 140, 70, {9}, 1, false},
};

typedef struct World {
    const Lay *lay;
    GooGcType type;
    GooGcHeap *heap;
    GooGcMutator *m;
    uint64_t random;
    uint64_t *objects[OBJECTS]; /* not seen by the collector */
    int16_t links[OBJECTS][WORDS_MAX]; /* -1: none */
    bool lives[OBJECTS];
    void *roots[ROOTS];
    void *ballast; /* a heap that is small is always marked as an ordered one */
} World;

static bool lay_is_array(const Lay *lay, size_t word) {
    return lay->layout == GOO_GC_LAYOUT_ARRAY && word >= lay->array_from;
}

static bool lay_is_slot(const Lay *lay, size_t word) {
    bool named = word / 64 < lay->bitmap_words && (lay->bitmap[word / 64] >> word % 64 & 1) != 0;
    return named || lay_is_array(lay, word);
}

static uint64_t world_word(const World *w, size_t word, const void *target) {
    const Lay *lay = w->lay;
    bool pointer = (lay->flags & (lay_is_array(lay, word) ? AP : P)) != 0;
    bool boxed = lay->boxed && !pointer && lay_is_slot(lay, word);
    return (uint64_t)(uintptr_t)target | (boxed ? NAN_BOX_TAG : 0);
}

static World *world_new(const Lay *lay, const char *text) {
    World *w = calloc(1, sizeof *w);
    CHECK(w != NULL);
    w->lay = lay;
    w->random = 7;
    w->type = (GooGcType){.name = lay->name,
                          .size = lay->words * 8,
                          .layout = lay->layout,
                          .flags = lay->flags,
                          .bitmap = lay->bitmap,
                          .bitmap_words = lay->bitmap_words,
                          .array_offset = lay->array_from * 8};
    GooGcOptions options = options_of(text);
    options.embedder_layout = &w->type;
    if (lay->boxed) {
        options.encoding = (GooGcValueEncoding)GOO_GC_ENCODING_NAN_BOX(NAN_BOX_TAG);
    }
    w->heap = goo_gc_heap_create(&options);
    CHECK(w->heap != NULL);
    w->m = goo_gc_attach(w->heap);
    for (size_t i = 0; i < ROOTS; i++) {
        CHECK_EQ(goo_gc_root_add_pointer(w->heap, &w->roots[i]), GOO_OK);
    }
    return w;
}

static void world_free(World *w) {
    goo_gc_heap_destroy(w->heap);
    free(w);
}

/* Each object refers to a few others anywhere, and to one neighbour. */
static void world_link(World *w, size_t object) {
    for (size_t word = 0; word < w->lay->words; word++) {
        uint64_t draw = random_next(&w->random);
        size_t other = draw % 3 == 0 ? (object + 1) % OBJECTS : (size_t)(draw >> 8) % OBJECTS;
        bool slot = lay_is_slot(w->lay, word);
        bool linked = slot && draw % 64 < 64 / w->lay->words + 8;
        w->links[object][word] = linked ? (int16_t)other : -1;
        w->objects[object][word] =
            linked || !slot ? world_word(w, word, w->objects[other]) : 0;
    }
}

static void world_reach(World *w, size_t object, size_t *stack) {
    size_t top = 0;
    if (!w->lives[object]) {
        w->lives[object] = true;
        stack[top++] = object;
    }
    while (top > 0) {
        size_t from = stack[--top];
        for (size_t word = 0; word < w->lay->words; word++) {
            int16_t to = w->links[from][word];
            if (to >= 0 && !w->lives[to]) {
                w->lives[to] = true;
                stack[top++] = (size_t)to;
            }
        }
    }
}

static size_t world_count_live(World *w, size_t roots) {
    static size_t stack[OBJECTS];
    size_t count = 0;
    memset(w->lives, 0, sizeof w->lives);
    for (size_t i = 0; i < ROOTS; i++) {
        size_t object = (size_t)(random_next(&w->random) % OBJECTS);
        w->roots[i] = i < roots ? w->objects[object] : NULL;
        if (i < roots) {
            world_reach(w, object, stack);
        }
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        count += w->lives[i];
    }
    return count;
}

static void world_check_contents(const World *w) {
    for (size_t i = 0; i < OBJECTS; i++) {
        for (size_t word = 0; w->lives[i] && word < w->lay->words; word++) {
            int16_t to = w->links[i][word];
            if (to >= 0) {
                CHECK_EQ(w->objects[i][word], world_word(w, word, w->objects[to]));
            }
        }
    }
}

typedef struct Mode {
    bool scattered, backwards;
} Mode;

static void world_set_mode(World *w, Mode mode) {
    CHECK_EQ(goo_gc_root_add_pointer(w->heap, &w->ballast), GOO_OK);
    w->ballast = goo_gc_alloc_leaf(w->m, (size_t)4 << 20);
    CHECK(w->ballast != NULL);
    w->heap->mark_modes.scattered = mode.scattered;
    w->heap->mark_modes.backwards = mode.backwards;
}

static void world_run(const Lay *lay, const char *text, size_t roots, Mode mode) {
    World *w = world_new(lay, text);
    world_set_mode(w, mode);
    for (size_t i = 0; i < OBJECTS; i++) {
        w->objects[i] = goo_gc_alloc_embedder(w->m, lay->words * 8);
        CHECK(w->objects[i] != NULL);
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        world_link(w, i);
    }
    size_t live = 1 + world_count_live(w, roots);
    CHECK_EQ(goo_gc_collect(w->m, GOO_GC_FULL), GOO_OK);
    CHECK_MSG(goo_gc_get_stats(w->heap).objects_live == live, "%s, %s: %zu objects live, not %zu",
              lay->name, text, goo_gc_get_stats(w->heap).objects_live, live);
    world_check_contents(w);
    CHECK_EQ(goo_gc_verify(w->heap, stderr), GOO_OK);
    world_free(w);
}

static void run_all(const char *text) {
    for (size_t i = 0; i < sizeof lays / sizeof lays[0]; i++) {
        for (size_t roots = 0; roots <= ROOTS; roots += ROOTS / 2) {
            Mode mode = {.scattered = (i + roots / 4) % 2 == 0, .backwards = i / 2 % 2 == 0};
            world_run(&lays[i], text, roots, mode);
            mode.scattered = !mode.scattered;
            world_run(&lays[i], text, roots, mode);
            mode.backwards = !mode.backwards;
            world_run(&lays[i], text, roots, mode);
        }
    }
}

GOO_TEST(gc_embedder_layout, what_the_layout_says_lives) {
    run_all("initial=1G,verify,poison,markers=1");
}

GOO_TEST(gc_embedder_layout, with_several_markers) {
    run_all("initial=1G,verify,markers=3");
}

/* --- what is refused --- */

static void check_refused(GooGcType type, bool traced) {
    GooGcOptions options = goo_gc_default_options();
    options.embedder_layout = &type;
    options.trace_embedder = traced ? (void (*)(void *, GooGcVisitor *, void *))abort : NULL;
    errno = 0;
    CHECK_PTR_EQ(goo_gc_heap_create(&options), NULL);
    CHECK_EQ(errno, EINVAL);
}

static void finalize_nothing(void *object, void *user) {
    (void)object;
    (void)user;
}

static void trace_nothing(void *object, GooGcVisitor *v) {
    (void)object;
    (void)v;
}

GOO_TEST(gc_embedder_layout, layouts_that_say_too_little_or_too_much) {
    static const uint64_t two = 3;
    GooGcType pair = {.name = "pair", .size = 16, .layout = GOO_GC_LAYOUT_BITMAP, .flags = P,
                      .bitmap = &two, .bitmap_words = 1};
    GooGcType type = pair;
    check_refused(pair, true);
    type.size = 8; /* less than its bitmap */
    check_refused(type, false);
    type = pair;
    type.finalize = finalize_nothing;
    check_refused(type, false);
    type = pair;
    type.layout = GOO_GC_LAYOUT_TRACE;
    type.trace = trace_nothing;
    check_refused(type, false);
    type = pair;
    type.layout = GOO_GC_LAYOUT_LEAF;
    check_refused(type, false);
    type = pair;
    type.layout = GOO_GC_LAYOUT_ARRAY;
    type.array_offset = 24; /* behind the object */
    check_refused(type, false);
    type.array_offset = 4; /* in the middle of a word */
    check_refused(type, false);
    type = pair;
    type.bitmap = NULL;
    check_refused(type, false);
}

GOO_TEST(gc_embedder_layout, smaller_objects_are_refused) {
    World *w = world_new(&lays[3], "initial=1G");
    CHECK(goo_gc_alloc_leaf(w->m, 16) != NULL); /* so that the fast path has memory */
    size_t sizes[] = {0, 1, 16, 47};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        errno = 0;
        CHECK_PTR_EQ(goo_gc_alloc_embedder(w->m, sizes[i]), NULL);
        CHECK_EQ(errno, EINVAL);
    }
    CHECK(goo_gc_alloc_embedder(w->m, 48) != NULL);
    CHECK(goo_gc_alloc_embedder(w->m, 20000) != NULL); /* a large one has no more slots */
    world_free(w);
}

/* The inline form keeps the promise too. Last, because it renames the calls. */
#include "goo/gc/inline.h"

GOO_TEST(gc_embedder_layout, smaller_objects_are_refused_inline) {
    World *w = world_new(&lays[3], "initial=1G");
    CHECK(goo_gc_alloc_leaf(w->m, 16) != NULL);
    errno = 0;
    CHECK_PTR_EQ(goo_gc_alloc_embedder(w->m, 47), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK(goo_gc_alloc_embedder(w->m, 48) != NULL);
    world_free(w);
}
