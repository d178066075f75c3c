/* What callbacks may visit, and what embedder objects need: memory of the callback's own, words
 * that only look like references, heaps without a tracer.
 */
#include <errno.h>

#include "tests/gc/support.h"

#define COUNT 3000 /* more than is traced in one piece */

static Pair *kept[COUNT];

/* Shows the references from an array that is gone when the callback returns. */
static void visit_copies(GooGcVisitor *v, void *user) {
    void *copies[COUNT];
    (void)user;
    memcpy(copies, kept, sizeof copies);
    goo_gc_visit_range(v, copies, COUNT);
    memset(copies, 0xff, sizeof copies);
}

static void visit_words(GooGcVisitor *v, void *user) {
    goo_gc_visit_conservative(v, user, (char *)user + sizeof kept);
}

static void check_all_kept(GooGcHeap *heap, GooGcMutator *m) {
    for (int i = 0; i < COUNT; i++) {
        kept[i] = pair_new(m, NULL, NULL, (uint64_t)i);
    }
    goo_gc_collect(m, GOO_GC_FULL);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, COUNT);
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ(kept[i]->value, (uint64_t)i);
    }
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
}

GOO_TEST(gc_visit, a_range_may_be_gone_after_the_callback) {
    GooGcHeap *heap = heap_of("initial=1G,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    CHECK_EQ(goo_gc_roots_add(heap, visit_copies, NULL), GOO_OK);
    check_all_kept(heap, m);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_visit, conservative_words_point_to_or_into) {
    GooGcHeap *heap = heap_of("initial=1G,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    CHECK_EQ(goo_gc_roots_add(heap, visit_words, kept), GOO_OK);
    check_all_kept(heap, m);
    memset(kept, 0, sizeof kept);
    Pair *inner = pair_new(m, NULL, NULL, 7);
    kept[0] = (Pair *)(void *)((char *)inner + 24); /* into it */
    kept[1] = (Pair *)(void *)((char *)inner + 33); /* behind it */
    goo_gc_collect(m, GOO_GC_FULL);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, 1);
    CHECK_EQ(inner->value, 7);
    goo_gc_heap_destroy(heap);
}

typedef struct Words {
    const char *low;
    size_t size;
} Words;

static void visit_some_words(GooGcVisitor *v, void *user) {
    const Words *words = user;
    goo_gc_visit_conservative(v, words->low, words->low + words->size);
}

/* Ranges of every length, which may begin and end between words: what lies in them counts, and what
 * lies beside them does not. */
GOO_TEST(gc_visit, conservative_words_are_those_in_range) {
    enum { LENGTH_MAX = 560, BESIDE = 2 };
    static Pair *words[LENGTH_MAX + 2 * BESIDE];
    static Pair *made[LENGTH_MAX + 2 * BESIDE];
    Words range = {NULL, 0};
    GooGcHeap *heap = heap_of("initial=1G,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    CHECK_EQ(goo_gc_roots_add(heap, visit_some_words, &range), GOO_OK);
    for (size_t length = 0; length <= LENGTH_MAX; length += length < 40 ? 1 : 29) {
        size_t step = 1 + length % 5, odd = length % 8, wanted = 0;
        memset(words, 0, sizeof words);
        for (size_t i = 0; i < length + 2 * BESIDE; i += step) {
            bool inside = i >= BESIDE && i < BESIDE + length;
            made[i] = words[i] = pair_new(m, NULL, NULL, i);
            wanted += inside;
        }
        /* A few bytes of the words beside them change nothing. */
        range.low = (const char *)(words + BESIDE) - odd;
        range.size = length * sizeof words[0] + odd + (length * 3 % 8);
        goo_gc_collect(m, GOO_GC_FULL);
        CHECK_MSG(goo_gc_get_stats(heap).objects_live == wanted, "%zu words", length);
        for (size_t i = BESIDE; i < BESIDE + length; i++) {
            CHECK(words[i] == NULL || made[i]->value == i);
        }
    }
    goo_gc_heap_destroy(heap);
}

static void trace_first_word(void *object, GooGcVisitor *v, void *user) {
    (void)user;
    goo_gc_visit_pointer(v, object);
}

GOO_TEST(gc_visit, embedder_objects_need_a_tracer) {
    GooGcHeap *heap = goo_gc_heap_create(NULL);
    GooGcMutator *m = goo_gc_attach(heap);
    CHECK(goo_gc_alloc_leaf(m, 16) != NULL); /* so that the fast path has memory */
    errno = 0;
    CHECK_PTR_EQ(goo_gc_alloc_embedder(m, 16), NULL);
    CHECK_EQ(errno, EINVAL);
    goo_gc_heap_destroy(heap);
}

/* An object that is smaller than its type's bitmap reaches is a fault that verify names. */
GOO_TEST(gc_visit, verify_names_objects_smaller_than_their_type) {
    GooGcHeap *heap = heap_of("initial=1G");
    GooGcMutator *m = goo_gc_attach(heap);
    void *small = goo_gc_alloc(m, &pair_type, 16);
    goo_gc_push(m, small);
    FILE *report = tmpfile();
    char line[256] = "";
    CHECK(report != NULL);
    CHECK_EQ(goo_gc_verify(heap, report), GOO_ERR_CORRUPT);
    rewind(report);
    CHECK(fgets(line, sizeof line, report) != NULL);
    CHECK_MSG(strstr(line, "pair") != NULL && strstr(line, "16 bytes") != NULL, "%s", line);
    fclose(report);
    goo_gc_heap_destroy(heap);
}

/* The inline form keeps the promise too. Last, because it renames the calls. */
#include "goo/gc/inline.h"

GOO_TEST(gc_visit, inline_embedder_objects) {
    GooGcHeap *bare = goo_gc_heap_create(NULL);
    GooGcMutator *m = goo_gc_attach(bare);
    CHECK(goo_gc_alloc_leaf(m, 16) != NULL);
    errno = 0;
    CHECK_PTR_EQ(goo_gc_alloc_embedder(m, 16), NULL);
    CHECK_EQ(errno, EINVAL);
    goo_gc_heap_destroy(bare);

    GooGcOptions options = options_of("initial=1G,poison");
    options.trace_embedder = trace_first_word;
    GooGcHeap *heap = goo_gc_heap_create(&options);
    m = goo_gc_attach(heap);
    void **outer = goo_gc_alloc_embedder(m, 16);
    goo_gc_push(m, outer);
    *outer = goo_gc_alloc_leaf(m, 32);
    goo_gc_collect(m, GOO_GC_FULL);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, 2);
    goo_gc_heap_destroy(heap);
}
