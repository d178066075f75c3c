/* From an address to its object, and from an object to its size, read off the metadata alone.
 *
 * An interior address belongs to the nearest start at or before it, if no end lies between; else to
 * nothing. Dead objects of blocks that have not been swept yet do not count: their colour is not
 * the current one, and nothing young can be in such a block (BLOCK-1).
 *
 * Threads: the public calls any, under the heap's lock; the others whoever has it, or a marker.
 */
#include "gc/heap.h"
#include "gc/lock.h"
#include "runtime/bits.h"

#define GOOI_SMALL_GRANULES (GOOI_SMALL_MAX >> GOOI_GRANULE_LOG2)

/* The last of `count` metadata bytes at which an object starts or ends; SIZE_MAX: none. Other
 * markers may be changing colours, but none to or from no colour. */
static size_t object_find_last(const uint8_t *first, size_t count) {
#if defined(__SANITIZE_THREAD__) /* the kernel reads bytes that others store, in vectors */
    while (count > 0 &&
           (GOOI_LOAD_RELAXED(first + count - 1) & (GOO_GC_COLOUR_MASK | GOO_GC_END)) == 0) {
        count--;
    }
    return count - 1;
#else
    return gooi_kernels->find_last(first, count, GOO_GC_COLOUR_MASK | GOO_GC_END);
#endif
}

/* The object in a block that `address` points to or into, dead or alive, or 0. */
static uintptr_t object_in_block(uintptr_t address) {
    size_t in_block = (address & (GOOI_BLOCK_SIZE - 1)) >> GOOI_GRANULE_LOG2;
    const uint8_t *here = gooi_metadata_of(address);
    if ((GOOI_LOAD_RELAXED(here) & GOO_GC_COLOUR_MASK) != 0) {
        return address & ~(uintptr_t)(GOOI_GRANULE_SIZE - 1);
    }
    size_t back = in_block < GOOI_SMALL_GRANULES - 1 ? in_block : GOOI_SMALL_GRANULES - 1;
    size_t found = object_find_last(here - back, back);
    if (found == SIZE_MAX) {
        return 0;
    }
    uint8_t byte = GOOI_LOAD_RELAXED(here + (ptrdiff_t)found - (ptrdiff_t)back);
    if ((byte & GOO_GC_END) != 0) {
        return 0;
    }
    return (address & ~(uintptr_t)(GOOI_GRANULE_SIZE - 1)) - ((back - found) << GOOI_GRANULE_LOG2);
}

static bool object_is_swept_away(const GooGcHeap *heap, uintptr_t object) {
    return gooi_block_of(object)->state == GOOI_BLOCK_UNSWEPT &&
           (GOOI_LOAD_RELAXED(gooi_metadata_of(object)) & GOO_GC_COLOUR_MASK) != heap->colour;
}

/* The live object that `address` points to or into, or 0. Any address will do. */
uintptr_t gooi_object_base_of(const GooGcHeap *heap, uintptr_t address) {
    if (!gooi_in_heap(heap, address)) {
        return 0;
    }
    switch (heap->slabs[gooi_slab_index(heap, address)].kind) {
    case GOOI_SLAB_BLOCKS_OF: {
        if ((address & GOOI_SLAB_MASK) < GOOI_TABLE_SIZE) {
            return 0;
        }
        uintptr_t object = object_in_block(address);
        return object == 0 || object_is_swept_away(heap, object) ? 0 : object;
    }
    case GOOI_SLAB_FREE:
        return 0;
    default:
        return gooi_large_base_of(heap, address);
    }
}

/* The number of granules of the object that starts at `object`. mark.h has a fast form of its own
 * for objects of few granules. */
size_t gooi_object_granules(const GooGcHeap *heap, uintptr_t object) {
    size_t large = (object & (GOOI_PAGE_SIZE - 1)) == 0 ? gooi_large_size(heap, object) : 0;
    if (large != 0) {
        return large >> GOOI_GRANULE_LOG2;
    }
    const uint8_t *table = gooi_metadata_of(object);
    size_t n = 0;
    while ((GOOI_LOAD_RELAXED(table + n) & GOO_GC_END) == 0) {
        n++;
        GOO_ASSERT(n < GOOI_SMALL_GRANULES, "gc: the object at %p has no end", (void *)object);
    }
    return n + 1;
}

/* Whether the last marking reached the object that starts here. */
bool gooi_object_is_marked(const GooGcHeap *heap, const void *object) {
    return (*gooi_metadata_of((uintptr_t)object) & GOO_GC_COLOUR_MASK) == heap->colour;
}

void *goo_gc_base_of(GooGcHeap *heap, const void *address) {
    gooi_heap_lock(heap);
    uintptr_t object = gooi_object_base_of(heap, (uintptr_t)address);
    gooi_heap_unlock(heap);
    return (void *)object;
}

size_t goo_gc_size_of(GooGcHeap *heap, const void *object) {
    uintptr_t address = (uintptr_t)object;
    if (address == 0) {
        return 0;
    }
    gooi_heap_lock(heap);
    bool known = gooi_object_base_of(heap, address) == address;
    size_t granules = known ? gooi_object_granules(heap, address) : 0;
    gooi_heap_unlock(heap);
    return granules << GOOI_GRANULE_LOG2;
}

const GooGcType *goo_gc_type_of(const void *object) {
    return (const GooGcType *)*(void *const __attribute__((may_alias)) *)object;
}
