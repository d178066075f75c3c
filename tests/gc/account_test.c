/* Requests that fail leave no trace in a heap's figures, and refusals are counted once, with the
 * heap that refused (ACC-3).
 */
#include "goo/allocators.h"
#include "goo/runtime/memory.h"
#include "tests/gc/support.h"

static GooAllocator *attached(GooGcHeap *heap, GooAllocStrategy strategy) {
    GooAllocator *a = goo_system_allocator_create();
    a->strategy = strategy;
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    return a;
}

GOO_TEST(gc_account, a_failed_request_leaves_no_trace) {
    GooGcHeap *heap = heap_of("initial=1M");
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *a = attached(heap, GOO_ALLOC_STRATEGY_NULL);
    CHECK(goo_gc_alloc_leaf(m, 16) != NULL);
    GooGcStats before = goo_gc_get_stats(heap);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, (size_t)1 << 60), NULL);
    goo_gc_safepoint(m);
    GooGcStats after = goo_gc_get_stats(heap);
    CHECK_EQ(after.peak_bytes, before.peak_bytes);
    CHECK_EQ(after.external_bytes, 0);
    CHECK_EQ(after.collections_full, before.collections_full);
    CHECK_EQ(after.limit_hits, 0);
    CHECK_EQ(goo_gc_detach_allocator(heap, a), GOO_OK);
    goo_allocator_destroy(a);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_account, external_bytes_never_wrap) {
    GooGcHeap *heap = goo_gc_heap_create(NULL);
    goo_gc_attach(heap);
    CHECK_EQ(goo_gc_adjust_external(heap, PTRDIFF_MAX), GOO_OK);
    CHECK_EQ(goo_gc_adjust_external(heap, PTRDIFF_MAX), GOO_ERR_LIMIT);
    CHECK_EQ(goo_gc_get_stats(heap).external_bytes, (size_t)PTRDIFF_MAX);
    CHECK_EQ(goo_gc_adjust_external(heap, -PTRDIFF_MAX), GOO_OK);
    CHECK_EQ(goo_gc_get_stats(heap).external_bytes, 0);
    goo_gc_heap_destroy(heap);
}

/* One allocator, two heaps: a refusal by one of them is not held against the other, and takes no
 * earlier hit away from it. */
GOO_TEST(gc_account, hits_are_counted_where_they_happen) {
    GooGcHeap *wide = heap_of("hard=64M"), *narrow = heap_of("hard=2M");
    goo_gc_attach(wide);
    goo_gc_attach(narrow);
    CHECK_EQ(goo_gc_adjust_external(wide, (ptrdiff_t)1 << 30), GOO_ERR_LIMIT);
    CHECK_EQ(goo_gc_get_stats(wide).limit_hits, 1);
    GooAllocator *a = attached(wide, GOO_ALLOC_STRATEGY_GC);
    CHECK_EQ(goo_gc_attach_allocator(narrow, a), GOO_OK);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 8 << 20), NULL);
    CHECK_EQ(goo_gc_get_stats(wide).limit_hits, 1);
    CHECK_EQ(goo_gc_get_stats(narrow).limit_hits, 1);
    CHECK_EQ(goo_gc_get_stats(wide).external_bytes, 0);
    void *p = goo_memory_alloc_with(a, 1 << 20);
    CHECK(p != NULL);
    CHECK_EQ(goo_gc_get_stats(narrow).limit_hits, 1);
    goo_memory_free_with(a, p, 1 << 20);
    goo_gc_heap_destroy(narrow);
    goo_gc_heap_destroy(wide);
    goo_allocator_destroy(a);
}

GOO_TEST(gc_account, limits_leave_the_pressure_alone) {
    GooGcHeap *heap = heap_of("initial=4M");
    goo_gc_attach(heap);
    CHECK_EQ(goo_gc_adjust_external(heap, 2 << 20), GOO_OK);
    double before = goo_gc_pressure(heap);
    CHECK_EQ(goo_gc_set_limits(heap, 0, 0), GOO_OK);
    CHECK_MSG(goo_gc_pressure(heap) == before, "%f became %f", before, goo_gc_pressure(heap));
    CHECK_EQ(goo_gc_set_limits(NULL, 0, 0), GOO_ERR_INVALID_ARGUMENT);
    goo_gc_heap_destroy(heap);
}

/* Without an attached mutator the heap is nobody's: adjusting may collect it, as set_limits may. */
GOO_TEST(gc_account, detached_heaps_collect_for_external_bytes) {
    GooGcHeap *heap = heap_of("hard=8M,initial=1G");
    GooGcMutator *m = goo_gc_attach(heap);
    for (int i = 0; i < 70000; i++) {
        CHECK(goo_gc_alloc_leaf(m, 64) != NULL);
    }
    goo_gc_detach(m);
    CHECK_EQ(goo_gc_adjust_external(heap, 6 << 20), GOO_OK);
    goo_gc_heap_destroy(heap);
}
