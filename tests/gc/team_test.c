/* Marking by several threads: the same graphs as one marker finds, whatever the number of markers,
 * the shape of the heap and the size of their stacks.
 *
 * Uses private headers: gc/heap.h, gc/mark.h and gc/team.h, to engage helpers on heaps that are too
 * small for them, to keep mark stacks small and to look at what a marker gives. Invariants: TEAM-1,
 * TEAM-2, TEAM-4, MARK-1.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gc/mark.h"
#include "gc/team.h"
#include "runtime/globals.h"
#include "tests/gc/graph_model.h"
#include "tests/gc/support.h"

static const GooGcValueEncoding team_nan = GOO_GC_ENCODING_NAN_BOX(UINT64_C(0xfffc) << 48);

static uint64_t team_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* `count` pairs, each referred to by an earlier one, and crossing references besides. */
static Pair *team_graph(GooGcMutator *m, size_t count, uint64_t seed) {
    Pair **pairs = calloc(count, sizeof *pairs);
    CHECK(pairs != NULL);
    goo_gc_disable(goo_gc_heap_of(m));
    for (size_t i = 0; i < count; i++) {
        pairs[i] = pair_new(m, NULL, NULL, i);
    }
    for (size_t i = 1; i < count; i++) {
        Pair *parent = pairs[(i - 1) / 2];
        Pair **slot = i % 2 == 1 ? &parent->first : &parent->second;
        goo_gc_write_pointer(m, parent, slot, pairs[i]);
    }
    for (size_t i = count / 2; i < count; i++) { /* leaves lead back into the graph */
        goo_gc_write_pointer(m, pairs[i], &pairs[i]->second, pairs[team_random(&seed) % count]);
    }
    Pair *root = pairs[0];
    free(pairs);
    goo_gc_enable(goo_gc_heap_of(m));
    return root;
}

static void team_check_graph(const char *options, size_t count, size_t stack_reserved) {
    GooGcHeap *heap = heap_of(options);
    GooGcMutator *m = goo_gc_attach(heap);
    size_t whole = heap->mark_stack.reserved;
    heap->team_heap_min = 0;
    Pair *root = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &root), GOO_OK);
    root = team_graph(m, count, count);
    if (stack_reserved != 0) {
        heap->mark_stack.reserved = stack_reserved;
    }
    for (int round = 0; round < 8; round++) {
        CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
        CHECK_EQ(goo_gc_get_stats(heap).objects_live, count);
        CHECK_EQ(goo_gc_get_stats(heap).live_bytes, count * sizeof(Pair));
    }
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    root = NULL;
    CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, 0);
    heap->mark_stack.reserved = whole;
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_team, two_markers) {
    team_check_graph("markers=2", 300000, 0);
}

GOO_TEST(gc_team, eight_markers) {
    team_check_graph("markers=8,verify,poison", 60000, 0);
}

/* What one marker has no room for is traced by all of them. */
GOO_TEST(gc_team, small_stacks) {
    team_check_graph("markers=4,verify", 60000, 8192);
}

GOO_TEST(gc_team, tiny_heaps) {
    for (size_t count = 1; count < 40; count += 3) {
        team_check_graph("markers=3,verify", count, 0);
    }
}

/* Every layout, encoding and kind of root. */
GOO_TEST(gc_team, random_graphs) {
    for (uint64_t seed = 1; seed <= 4; seed++) {
        ModelOptions o = {.seed = seed, .heap = options_of("markers=4,verify,poison"),
                          .size_max = 100000, .live_max = 6000};
        o.heap.encoding = team_nan;
        Model *model = model_create(&o);
        model->heap->team_heap_min = 0;
        for (size_t round = 0; round < 6; round++) {
            for (size_t i = 0; i < 3000; i++) {
                model_step(model);
            }
            model_check(model);
        }
        model_destroy(model);
    }
}

/* Ranges are handed on whole (TEAM-2). */
GOO_TEST(gc_team, wide_arrays) {
    enum { ARRAYS = 20, WIDTH = 5000 };
    GooGcHeap *heap = heap_of("markers=4,verify");
    GooGcMutator *m = goo_gc_attach(heap);
    heap->team_heap_min = 0;
    goo_gc_disable(heap);
    void **all = goo_gc_alloc(m, &pointers_type, (ARRAYS + 1) * sizeof *all);
    goo_gc_push(m, all);
    for (size_t a = 1; a <= ARRAYS; a++) {
        void **array = goo_gc_alloc(m, &pointers_type, (WIDTH + 1) * sizeof *array);
        goo_gc_write_pointer(m, all, &all[a], array);
        for (size_t i = 1; i <= WIDTH; i++) {
            goo_gc_write_pointer(m, array, &array[i], pair_new(m, NULL, NULL, i));
        }
    }
    goo_gc_enable(heap);
    for (int round = 0; round < 6; round++) {
        CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
        CHECK_EQ(goo_gc_get_stats(heap).objects_live, 1 + ARRAYS * (WIDTH + 1));
    }
    goo_gc_heap_destroy(heap);
}

/* One array alone: its range is shared by halves (TEAM-2). */
GOO_TEST(gc_team, one_wide_array) {
    enum { WIDTH = 100000 };
    GooGcHeap *heap = heap_of("markers=4,verify");
    GooGcMutator *m = goo_gc_attach(heap);
    heap->team_heap_min = 0;
    goo_gc_disable(heap);
    void **all = goo_gc_alloc(m, &pointers_type, (WIDTH + 1) * sizeof *all);
    goo_gc_push(m, all);
    for (size_t i = 1; i <= WIDTH; i++) {
        goo_gc_write_pointer(m, all, &all[i], pair_new(m, NULL, NULL, i));
    }
    goo_gc_enable(heap);
    for (int round = 0; round < 6; round++) {
        CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
        CHECK_EQ(goo_gc_get_stats(heap).objects_live, 1 + WIDTH);
    }
    goo_gc_heap_destroy(heap);
}

/* What the entries lead to: a number for each object, words of one long array for ranges. */
enum { DEAL_OBJECTS = 3000, DEAL_WORDS = 20000, DEAL_ENTRIES = 2 * DEAL_OBJECTS };

typedef struct Deal {
    uint8_t objects[DEAL_OBJECTS], words[DEAL_WORDS];
    size_t weight; /* words and objects in all */
} Deal;

static _Alignas(16) uint64_t deal_words[DEAL_WORDS];

static void deal_count(Deal *deal, const uintptr_t *entry, const uintptr_t *end) {
    while (entry < end) {
        if (entry + 1 == end || !gooi_entry_is_range(entry[1])) {
            deal->objects[*entry++ / 16]++;
            deal->weight++;
            continue;
        }
        uintptr_t base = (uintptr_t)deal_words, flags = entry[1] & GOOI_ENTRY_RANGE_MASK;
        uintptr_t high = entry[0] - base, low = entry[1] - flags - base;
        CHECK(flags == GOOI_ENTRY_SLOTS && low < high && low % 8 == 0 && high % 8 == 0);
        for (; low < high; low += 8) {
            deal->words[low / 8]++;
            deal->weight++;
        }
        entry += 2;
    }
}

/* A stack of random objects and ranges, dealt out once. */
static void deal_check(uint64_t seed, size_t units, bool ranges) {
    static uintptr_t stack[DEAL_ENTRIES];
    static Deal before, given, kept;
    uintptr_t *top = stack, word = (uintptr_t)deal_words;
    memset(&before, 0, sizeof before);
    memset(&given, 0, sizeof given);
    memset(&kept, 0, sizeof kept);
    for (size_t i = 0; i < units; i++) {
        size_t count = 1 + team_random(&seed) % (DEAL_WORDS / units);
        if (ranges && team_random(&seed) % 3 == 0) {
            *top++ = word + count * 8;
            *top++ = word | GOOI_ENTRY_SLOTS;
            word += count * 8;
        } else {
            *top++ = i * 16 | (i % 2 == 0 ? GOOI_ENTRY_MARKED : 0);
        }
    }
    deal_count(&before, stack, top);
    GooiMarkTeam *team = gooi_mark_team;
    GooGcVisitor v = {.team = team, .stack = stack, .top = top, .backwards = true};
    team->idle = 1;
    gooi_team_give(&v);
    team->idle = 0;
    CHECK_EQ(team->chunk_count, 1);
    team->chunk_count = 0;
    const GooiChunk *chunk = &team->chunks[0];
    CHECK(chunk->count > 0 && chunk->count <= GOOI_CHUNK_ENTRIES + 1 && chunk->backwards);
    CHECK(v.top == top && v.stack < v.top);
    deal_count(&given, chunk->entries, chunk->entries + chunk->count);
    deal_count(&kept, v.stack, v.top);
    CHECK_EQ(given.weight + kept.weight, before.weight);
    for (size_t i = 0; i < DEAL_OBJECTS; i++) {
        CHECK_EQ(given.objects[i] + kept.objects[i], before.objects[i]);
    }
    for (size_t i = 0; i < DEAL_WORDS; i++) {
        CHECK_EQ(given.words[i] + kept.words[i], before.words[i]);
    }
}

/* Nothing is lost or doubled, whatever the stack holds (TEAM-2). */
GOO_TEST(gc_team, stacks_are_dealt_out_whole) {
    GooGcHeap *heap = heap_of("markers=2");
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15);
        size_t units = 4 + team_random(&random) % (seed % 4 == 0 ? DEAL_OBJECTS - 4 : 60);
        deal_check(random, units, seed % 2 == 0);
    }
    goo_gc_heap_destroy(heap);
}

/* Trace callbacks may ask what an object is, on whichever thread they run; they make nothing. */
typedef struct Asker {
    const GooGcType *type;
    struct Asker *left, *right;
} Asker;

static GooGcHeap *team_asked;
static _Atomic size_t team_wrong;

static void team_ask(void *object, GooGcVisitor *v) {
    Asker *asker = object;
    team_wrong += goo_gc_size_of(team_asked, object) != sizeof(Asker) + 8;
    team_wrong += goo_gc_base_of(team_asked, &asker->left) != object;
    team_wrong += goo_gc_roots_add(team_asked, NULL, NULL) == GOO_OK;
    goo_gc_visit_pointer(v, &asker->left);
    goo_gc_visit_pointer(v, &asker->right);
}

static Asker *team_askers(GooGcMutator *m, const GooGcType *type, int depth) {
    Asker *asker = goo_gc_alloc(m, type, 0);
    if (depth > 0) {
        GOO_GC_SET(m, asker, left, team_askers(m, type, depth - 1));
        GOO_GC_SET(m, asker, right, team_askers(m, type, depth - 1));
    }
    return asker;
}

GOO_TEST(gc_team, callbacks_ask_on_every_marker) {
    static const GooGcType type = {.name = "asker", .size = sizeof(Asker),
                                   .layout = GOO_GC_LAYOUT_TRACE, .trace = team_ask};
    GooGcHeap *heap = team_asked = heap_of("markers=4,verify");
    GooGcMutator *m = goo_gc_attach(heap);
    heap->team_heap_min = 0;
    goo_gc_disable(heap);
    goo_gc_push(m, team_askers(m, &type, 14));
    goo_gc_enable(heap);
    for (int round = 0; round < 10; round++) {
        CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
        CHECK_EQ(goo_gc_get_stats(heap).objects_live, (2 << 14) - 1);
    }
    CHECK_EQ(team_wrong, 0);
    goo_gc_heap_destroy(heap);
}

/* Heaps that collect at the same time share one pool: one has helpers, the others do without. */
static void *team_collect_a_lot(void *arg) {
    (void)arg;
    team_check_graph("markers=3", 30000, 0);
    return NULL;
}

GOO_TEST(gc_team, several_heaps) {
    enum { HEAPS = 4 };
    pthread_t threads[HEAPS];
    for (int i = 0; i < HEAPS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, team_collect_a_lot, NULL), 0);
    }
    for (int i = 0; i < HEAPS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_PTR_EQ(gooi_mark_team, NULL); /* gone with the last heap */
}

/* Small heaps start no threads. */
GOO_TEST(gc_team, small_heaps_have_no_helpers) {
    GooGcHeap *heap = heap_of("markers=8");
    GooGcMutator *m = goo_gc_attach(heap);
    CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
    CHECK_EQ(gooi_mark_team->helper_count, 0);
    goo_gc_heap_destroy(heap);
}

/* Nor do large ones in which little lives; the first collection can't know. */
GOO_TEST(gc_team, little_that_lives_has_no_helpers) {
    GooGcHeap *heap = heap_of("markers=2");
    GooGcMutator *m = goo_gc_attach(heap);
    heap->team_heap_min = 1 << 20;
    CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK); /* an empty one */
    goo_gc_push(m, team_graph(m, 1000, 1));
    for (int round = 0; round < 3; round++) {
        goo_gc_disable(heap);
        for (int i = 0; i < 100000; i++) {
            pair_new(m, NULL, NULL, (uintptr_t)i);
        }
        goo_gc_enable(heap);
        CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
        CHECK_EQ(goo_gc_get_stats(heap).objects_live, 1000);
    }
    CHECK_EQ(gooi_mark_team->helper_count, 0);
    goo_gc_heap_destroy(heap);
}

/* A marker without a core of its own would only be in the way. */
GOO_TEST(gc_team, no_more_markers_than_cores) {
    GooGcHeap *heap = heap_of("markers=8");
    GooGcMutator *m = goo_gc_attach(heap);
    heap->team_heap_min = 1;
    goo_gc_push(m, team_graph(m, 1000, 1));
    CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, 1000);
    CHECK(gooi_mark_team->helper_count < gooi_platform_core_count());
    goo_gc_heap_destroy(heap);
}

/* Helpers that were woken for nothing sleep again, mark when there is something after all, and end
 * with the heap in whatever they are at (TEAM-4). */
GOO_TEST(gc_team, roused_for_nothing) {
    for (int life = 0; life < 8; life++) {
        GooGcHeap *heap = heap_of("markers=2,verify");
        GooGcMutator *m = goo_gc_attach(heap);
        heap->team_heap_min = 0;
        goo_gc_push(m, team_graph(m, 3000, 1));
        for (int round = 0; round < 40; round++) {
            gooi_team_rouse(heap);
            if (round % 4 == life % 4) {
                CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
                CHECK_EQ(goo_gc_get_stats(heap).objects_live, 3000);
            }
        }
        CHECK_EQ(gooi_mark_team->helper_count, 1);
        gooi_team_rouse(heap);
        goo_gc_heap_destroy(heap);
        CHECK_PTR_EQ(gooi_mark_team, NULL);
    }
}
