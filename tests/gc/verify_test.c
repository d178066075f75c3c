/* The verifier: it finds each corruption that is planted, and names what it found.
 *
 * Uses private headers: gc/heap.h, to break metadata by hand. Invariants: GC-1, GC-3, GC-5, GC-6,
 * ALLOC-1, BLOCK-2, LARGE-1, FIN-1, SPACE-2.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>

#include "gc/heap.h"
#include "tests/gc/support.h"

typedef struct VerifyFixture {
    GooGcHeap *heap;
    GooGcMutator *m;
    Pair *root, *child; /* root->first is child, which has 64 bytes; both survived a collection */
    char *hole;         /* an address in swept memory where nothing lives */
    char report[8192];
} VerifyFixture;

static void verify_begin_fixture(VerifyFixture *f) {
    f->heap = heap_of("");
    f->m = goo_gc_attach(f->heap);
    f->root = f->child = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(f->heap, &f->root), GOO_OK);
    f->child = goo_gc_alloc(f->m, &pair_type, 64);
    f->root = pair_new(f->m, f->child, NULL, 1);
    f->hole = goo_gc_alloc_leaf(f->m, 4000);
    f->hole += 2000;
    goo_gc_push(f->m, goo_gc_alloc_leaf(f->m, 512)); /* so that the hole has an end */
    collect(f->m);
    CHECK_EQ(goo_gc_verify(f->heap, stderr), GOO_OK);
}

static void verify_end_fixture(VerifyFixture *f) {
    CHECK_EQ(goo_gc_verify(f->heap, stderr), GOO_OK); /* what was planted is undone */
    collect(f->m);
    goo_gc_heap_destroy(f->heap);
}

static GooStatus verify_report(VerifyFixture *f, bool after_marking) {
    memset(f->report, 0, sizeof f->report);
    FILE *file = fmemopen(f->report, sizeof f->report - 1, "w");
    CHECK(file != NULL);
    GooStatus status = after_marking ? gooi_verify(f->heap, true, file, NULL, 0)
                                     : goo_gc_verify(f->heap, file);
    fclose(file);
    return status;
}

static void verify_expect(VerifyFixture *f, bool after_marking, const char *text) {
    CHECK_EQ(verify_report(f, after_marking), GOO_ERR_CORRUPT);
    CHECK_MSG(strstr(f->report, text) != NULL, "\"%s\" is not in: %s", text, f->report);
    CHECK_EQ(goo_gc_verify(f->heap, NULL), after_marking ? GOO_OK : GOO_ERR_CORRUPT);
}

/* --- references --- */

static void verify_check_reference(VerifyFixture *f, void *target) {
    char text[256];
    snprintf(text, sizeof text, "GC-6: slot %p of pair (%p) refers to %p", (void *)&f->root->second,
             (void *)f->root, target);
    f->root->second = target;
    verify_expect(f, false, text);
    f->root->second = NULL;
}

GOO_TEST(gc_verify, dangling_references) {
    VerifyFixture f;
    verify_begin_fixture(&f);
    verify_check_reference(&f, f.hole);                              /* into a hole */
    verify_check_reference(&f, (char *)f.child + 16);                /* into the middle */
    verify_check_reference(&f, (char *)f.child + 8);                 /* misaligned */
    verify_check_reference(&f, (char *)gooi_slab_base((uintptr_t)f.child)); /* into the tables */
    verify_check_reference(&f, (char *)f.heap->base + f.heap->size - 16);   /* past every slab */
    verify_end_fixture(&f);
}

GOO_TEST(gc_verify, dangling_roots) {
    VerifyFixture f;
    verify_begin_fixture(&f);
    void *root = f.hole;
    CHECK_EQ(goo_gc_root_add_pointer(f.heap, &root), GOO_OK);
    verify_expect(&f, false, "of a root");
    CHECK_EQ(goo_gc_root_remove(f.heap, &root), GOO_OK);
    goo_gc_push(f.m, f.hole);
    verify_expect(&f, false, "of a root");
    goo_gc_pop(f.m, 1);
    verify_end_fixture(&f);
}

static void verify_trace_embedder(void *object, GooGcVisitor *v, void *user) {
    (void)user;
    goo_gc_visit(v, object);
}

GOO_TEST(gc_verify, dangling_references_of_untyped_objects) {
    VerifyFixture f;
    verify_begin_fixture(&f);
    f.heap->options.trace_embedder = verify_trace_embedder;
    f.m->fast.embedder_least = 0;
    void **object = goo_gc_alloc_embedder(f.m, 32);
    goo_gc_push(f.m, object);
    *object = f.hole;
    verify_expect(&f, false, "of an object without a type");
    *object = NULL;
    /* A conservative word may be anything. */
    void **words = goo_gc_alloc_conservative(f.m, 32);
    goo_gc_push(f.m, words);
    words[0] = f.hole;
    words[1] = (char *)f.child + 5;
    verify_end_fixture(&f);
}

/* At most 32 lines, the status all the same. */
GOO_TEST(gc_verify, reports_are_bounded) {
    VerifyFixture f;
    verify_begin_fixture(&f);
    void **array = goo_gc_alloc(f.m, &pointers_type, 101 * sizeof(void *));
    goo_gc_push(f.m, array);
    for (size_t i = 1; i <= 100; i++) {
        array[i] = f.hole;
    }
    CHECK_EQ(verify_report(&f, false), GOO_ERR_CORRUPT);
    size_t lines = 0;
    for (const char *p = f.report; (p = strchr(p, '\n')) != NULL; p++) {
        lines++;
    }
    CHECK_EQ(lines, 32);
    memset(array + 1, 0, 100 * sizeof(void *));
    verify_end_fixture(&f);
}

/* --- shape --- */

/* Plants `value` in the metadata of `at`. */
static void verify_check_byte(VerifyFixture *f, const void *at, uint8_t value, const char *text) {
    uint8_t *byte = gooi_metadata_of((uintptr_t)at), before = *byte;
    *byte = value;
    verify_expect(f, false, text);
    *byte = before;
}

GOO_TEST(gc_verify, broken_extents) {
    VerifyFixture f;
    verify_begin_fixture(&f);
    const char *child = (const char *)f.child; /* four granules */
    uint8_t colour = f.heap->colour;
    uint8_t other = colour == GOOI_COLOUR_FIRST_MARK ? colour + GOOI_COLOUR_STEP
                                                      : colour - GOOI_COLOUR_STEP;
    verify_check_byte(&f, child + 16, GOO_GC_COLOUR_YOUNG, "starts inside another");
    verify_check_byte(&f, child + 16, GOO_GC_COLOUR_YOUNG | GOO_GC_END, "starts inside another");
    verify_check_byte(&f, child + 16, GOO_GC_END, "ends at");
    verify_check_byte(&f, child + 48, 0, "starts inside another"); /* no end, and the next begins */
    verify_check_byte(&f, child, 0, "ends at");
    verify_check_byte(&f, child, other, "which is neither young nor current");
    verify_check_byte(&f, child, 7, "which is neither young nor current");
    verify_check_byte(&f, child + 16, GOO_GC_LOGGED, "where no object starts or ends");
    verify_check_byte(&f, f.hole, GOO_GC_ATTENTION, "where no object starts or ends");
    verify_check_byte(&f, f.hole, GOO_GC_END, "none started");
    verify_check_byte(&f, f.hole, GOO_GC_COLOUR_YOUNG, "starts inside another");
    verify_end_fixture(&f);
}

GOO_TEST(gc_verify, object_that_runs_out_of_its_block) {
    VerifyFixture f;
    verify_begin_fixture(&f);
    char *last = (char *)f.child;
    for (int i = 0; i < 20000 && ((uintptr_t)last + 64) % GOOI_BLOCK_SIZE != 0; i++) {
        last = goo_gc_alloc_leaf(f.m, 64);
        goo_gc_push(f.m, last);
    }
    CHECK_EQ(((uintptr_t)last + 64) % GOOI_BLOCK_SIZE, 0);
    verify_check_byte(&f, last + 48, 0, "runs out of the block");
    verify_end_fixture(&f);
}

GOO_TEST(gc_verify, free_block_with_metadata) {
    VerifyFixture f;
    verify_begin_fixture(&f);
    char *far = (char *)gooi_slab_base((uintptr_t)f.child) + GOOI_SLAB_SIZE - 64;
    CHECK_EQ(gooi_block_of((uintptr_t)far)->state, GOOI_BLOCK_FREE);
    verify_check_byte(&f, far, GOO_GC_COLOUR_YOUNG | GOO_GC_END, "BLOCK-2");
    verify_end_fixture(&f);
}

GOO_TEST(gc_verify, large_objects) {
    VerifyFixture f;
    verify_begin_fixture(&f);
    char *large = goo_gc_alloc_leaf(f.m, 50000);
    char *huge = goo_gc_alloc_leaf(f.m, 9 << 20);
    goo_gc_push(f.m, large);
    goo_gc_push(f.m, huge);
    verify_check_byte(&f, large + 4096, GOO_GC_COLOUR_YOUNG | GOO_GC_END, "LARGE-1");
    verify_check_byte(&f, large, 7 | GOO_GC_END, "which is neither young nor current");
    verify_check_byte(&f, huge, 7 | GOO_GC_END, "which is neither young nor current");
    verify_end_fixture(&f);
}

GOO_TEST(gc_verify, dirty_span) {
    VerifyFixture f;
    verify_begin_fixture(&f);
    char *leaf = goo_gc_alloc_leaf(f.m, 16);
    GooGcMutator *m = f.m;
    CHECK_PTR_EQ(leaf + 16, (void *)m->fast.cursor);
    CHECK(m->span_limit - m->fast.cursor >= 64);
    leaf[16] = 1; /* a write past the object's end */
    verify_expect(&f, false, "ALLOC-1");
    leaf[16] = 0;
    ((char *)m->span_limit)[-1] = 1;
    verify_expect(&f, false, "ALLOC-1");
    ((char *)m->span_limit)[-1] = 0;
    verify_end_fixture(&f);
}

/* --- after marking --- */

GOO_TEST(gc_verify, unmarked_objects) {
    VerifyFixture f;
    verify_begin_fixture(&f);
    char text[256];
    uint8_t *byte = gooi_metadata_of((uintptr_t)f.child), before = *byte;
    collect(f.m);
    before = *byte;
    CHECK_EQ(verify_report(&f, true), GOO_OK);
    *byte = (uint8_t)((before & ~GOO_GC_COLOUR_MASK) | GOO_GC_COLOUR_YOUNG);
    snprintf(text, sizeof text,
             "GC-1: object %p, referred to by slot %p of pair (%p), is not marked", (void *)f.child,
             (void *)&f.root->first, (void *)f.root);
    verify_expect(&f, true, text);
    *byte = before;
    f.heap->live_bytes += 16;
    verify_expect(&f, true, "GC-5");
    f.heap->live_bytes -= 16;
    f.heap->stats.objects_live--;
    verify_expect(&f, true, "GC-5");
    f.heap->stats.objects_live++;
    verify_end_fixture(&f);
}

/* A callback that forgets its child while its heap is marked first. */
static void verify_trace_sometimes(void *object, GooGcVisitor *v) {
    static int calls;
    if (calls++ != 1) {
        goo_gc_visit_pointer(v, &((Pair *)object)->first);
    }
}

static GooGcHeap *volatile verify_given_up; /* its panic left it in the midst of something */

GOO_TEST(gc_verify, option_panics) {
    static const GooGcType type = {.name = "forgetful",
                                   .size = sizeof(Pair),
                                   .layout = GOO_GC_LAYOUT_TRACE,
                                   .trace = verify_trace_sometimes};
    GooGcHeap *heap = heap_of("verify");
    verify_given_up = heap;
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *object = goo_gc_alloc(m, &type, 0);
    goo_gc_push(m, object);
    object->first = pair_new(m, NULL, NULL, 0);
    CHECK_PANICS(goo_gc_collect(m, GOO_GC_FULL), "of forgetful");
    CHECK(strstr(goo_test_panic_message(), "after collection 1") != NULL);
}

/* Without the option marking would go where nothing is. */
GOO_TEST(gc_verify, option_tells_of_a_missing_root) {
    GooGcHeap *heap = heap_of("verify,poison");
    verify_given_up = heap;
    GooGcMutator *m = goo_gc_attach(heap);
    void *kept = goo_gc_alloc_leaf(m, 32);
    goo_gc_push(m, pair_new(m, NULL, NULL, 0));
    collect(m);
    goo_gc_push(m, kept); /* which nothing held */
    CHECK_PANICS(goo_gc_collect(m, GOO_GC_FULL), "where no object starts");
    CHECK(strstr(goo_test_panic_message(), "before collection 2: GC-6") != NULL);
}

static void verify_expect_type(GooGcType type, const char *text) {
    GooGcHeap *heap = heap_of("verify");
    verify_given_up = heap;
    GooGcMutator *m = goo_gc_attach(heap);
    type.name = "odd";
    type.size = 32;
    GooGcType *lasting = malloc(sizeof type);
    *lasting = type;
    goo_gc_push(m, goo_gc_alloc(m, lasting, 0));
    CHECK_PANICS(goo_gc_collect(m, GOO_GC_FULL), text);
    CHECK(strstr(goo_test_panic_message(), "GC-3: the type of odd") != NULL);
    free(lasting);
}

GOO_TEST(gc_verify, option_tells_of_types_that_cannot_be) {
    verify_expect_type((GooGcType){.layout = GOO_GC_LAYOUT_TRACE}, "has no trace");
    verify_expect_type((GooGcType){.layout = GOO_GC_LAYOUT_BITMAP, .bitmap_words = 1},
                       "has no bitmap");
    verify_expect_type((GooGcType){.layout = GOO_GC_LAYOUT_ARRAY, .array_offset = 12},
                       "no multiple");
    verify_expect_type((GooGcType){.layout = (GooGcLayout)77}, "a layout that is none");
}

/* --- tables --- */

GOO_TEST(gc_verify, table_of_finalizable_objects) {
    VerifyFixture f;
    verify_begin_fixture(&f);
    int deaths = 0;
    Mortal *mortal = mortal_new(f.m, &deaths);
    goo_gc_push(f.m, mortal);
    uint8_t *byte = gooi_metadata_of((uintptr_t)mortal);
    *byte &= (uint8_t)~GOO_GC_ATTENTION;
    verify_expect(&f, false, "FIN-1");
    *byte |= GOO_GC_ATTENTION;
    f.heap->finalizables.count--;
    verify_expect(&f, false, "FIN-1");
    f.heap->finalizables.count++;
    verify_end_fixture(&f);
}

GOO_TEST(gc_verify, bytes_in_use) {
    VerifyFixture f;
    verify_begin_fixture(&f);
    goo_gc_push(f.m, goo_gc_alloc_leaf(f.m, 100000));
    goo_gc_push(f.m, goo_gc_alloc_leaf(f.m, 5 << 20));
    f.heap->used_bytes += 4096;
    verify_expect(&f, false, "SPACE-2");
    f.heap->used_bytes -= 4096;
    verify_end_fixture(&f);
}

/* --- where it may be called --- */

static GooStatus verify_status_inside;

static void verify_in_callback(GooGcVisitor *v, void *user) {
    (void)v;
    verify_status_inside = goo_gc_verify(user, NULL);
}

GOO_TEST(gc_verify, not_inside_a_collection) {
    GooGcHeap *heap = heap_of("");
    CHECK_EQ(goo_gc_roots_add(heap, verify_in_callback, heap), GOO_OK);
    collect(goo_gc_attach(heap));
    CHECK_EQ(verify_status_inside, GOO_ERR_BUSY);
    CHECK_EQ(goo_gc_verify(NULL, NULL), GOO_ERR_INVALID_ARGUMENT);
    goo_gc_heap_destroy(heap);
}

/* LARGE-1: the side tables of page runs, each broken in turn. */
GOO_TEST(gc_verify, broken_page_runs) {
    VerifyFixture f;
    verify_begin_fixture(&f);
    char *large = goo_gc_alloc_leaf(f.m, 50000);
    goo_gc_push(f.m, large);
    GooiSlab *slab = gooi_slab_of((uintptr_t)large);
    size_t page = ((uintptr_t)large & GOOI_SLAB_MASK) >> GOOI_PAGE_LOG2;
    slab->run_first[page + 1]++;
    verify_expect(&f, false, "is not what its run says");
    slab->run_first[page + 1]--;
    slab->page_map[(page + 2) / 64] ^= (uint64_t)1 << ((page + 2) % 64);
    verify_expect(&f, false, "is not what its run says");
    slab->page_map[(page + 2) / 64] ^= (uint64_t)1 << ((page + 2) % 64);
    slab->pages_used++;
    verify_expect(&f, false, "pages in use");
    slab->pages_used--;
    verify_end_fixture(&f);
}
