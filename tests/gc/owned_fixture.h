/* What the tests of owned blocks share: allocators that count, and what a heap counts as external.
 */
#ifndef GOO_TESTS_GC_OWNED_FIXTURE_H
#define GOO_TESTS_GC_OWNED_FIXTURE_H

#include "goo/allocators.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/gc/support.h"

static inline GooAllocator *counting_allocator(void) {
    GooAllocator *a = goo_system_allocator_create();
    CHECK(a != NULL);
    a->track_stats = true;
    return a;
}

static inline size_t held_by(GooAllocator *a) {
    return goo_get_alloc_stats(a).bytes_allocated;
}

static inline size_t external(const GooGcHeap *heap) {
    return goo_gc_get_stats(heap).external_bytes;
}

#endif
