/* Walking the heap: every object, in address order within a slab, read off the metadata. */
#include "gc/heap.h"

typedef void (*WalkFn)(void *object, size_t size, const GooGcType *type, void *user);

static void walk_object(GooGcHeap *heap, uintptr_t object, WalkFn fn, void *user) {
    uint8_t byte = *gooi_metadata_of(object);
    bool typed = (byte & GOO_GC_KIND_MASK) == GOO_GC_KIND_TYPED;
    fn((void *)object, gooi_object_granules(heap, object) << GOOI_GRANULE_LOG2,
       typed ? goo_gc_type_of((const void *)object) : NULL, user);
}

static void walk_starts(GooGcHeap *heap, uintptr_t low, uintptr_t high, size_t step, WalkFn fn,
                        void *user) {
    for (uintptr_t a = low; a < high; a += step) {
        if ((*gooi_metadata_of(a) & GOO_GC_COLOUR_MASK) != 0) {
            walk_object(heap, a, fn, user);
        }
    }
}

void goo_gc_walk(GooGcHeap *heap, WalkFn fn, void *user) {
    bool entered = gooi_world_enter(heap);
    GOO_REQUIRE(entered, "goo_gc_walk: called inside a collection");
    gooi_sweep_finish(heap);
    for (uint32_t s = 0; s < heap->slab_count; s++) {
        uintptr_t slab = gooi_slab_address(heap, s), first = slab + GOOI_TABLE_SIZE;
        uint32_t kind = heap->slabs[s].kind;
        if (kind == GOOI_SLAB_BLOCKS_OF) {
            walk_starts(heap, first, slab + GOOI_SLAB_SIZE, GOOI_GRANULE_SIZE, fn, user);
        } else if (kind == GOOI_SLAB_LARGE) {
            walk_starts(heap, first, slab + GOOI_SLAB_SIZE, GOOI_PAGE_SIZE, fn, user);
        } else if (kind == GOOI_SLAB_HUGE) {
            walk_starts(heap, first, first + 1, GOOI_PAGE_SIZE, fn, user);
        }
    }
    gooi_world_leave(heap);
}
