/* The checker of the table of owned blocks: recomputes everything that it counts, and finds every
 * record again in each way there is (OWN-1 … OWN-3, gc/owned.h).
 *
 * Sums are made up from the records alone, allocator by allocator, so the cost is the number of
 * records times the number of allocators.
 *
 * Threads: the collector's, while the mutator is stopped. After the sweep has finished: dead
 * objects are no objects any more.
 */
#include "gc/owned.h"

/* OWN-1, and the siblings' links in both directions. */
static const char *owned_record_fault(GooGcHeap *heap, uint32_t n) {
    const GooiOwnedRecord *record = gooi_owned_record(heap, n);
    uintptr_t owner = (uintptr_t)gooi_owned_owner(heap, record);
    if (gooi_object_base_of(heap, owner) != owner) {
        return "OWN-1: the owner of a block is no living object";
    }
    if ((*gooi_metadata_of(owner) & GOO_GC_ATTENTION) == 0) {
        return "OWN-1: an owner's metadata does not say so";
    }
    if (record->allocator >= heap->owned.allocators.count &&
        (record->allocator != 0 || record->block != NULL)) {
        return "OWN-3: a block's allocator is not in the table";
    }
    if (record->is_first ? gooi_owned_first(heap, (void *)owner) != n
                         : gooi_owned_record(heap, record->link)->next_sibling != n) {
        return "OWN-2: a record can't be found from its owner";
    }
    if (record->next_sibling != 0 &&
        (gooi_owned_record(heap, record->next_sibling)->link != n ||
         gooi_owned_record(heap, record->next_sibling)->owner != record->owner)) {
        return "OWN-2: an owner's list is broken";
    }
    if (record->block == NULL && !record->is_first) {
        return "OWN-2: an adjustment is not its owner's first record";
    }
    if (heap->owned.by_block != NULL && record->block != NULL &&
        gooi_owned_find(heap, (void *)owner, record->block) != n) {
        return "OWN-2: a record can't be found from its block";
    }
    return NULL;
}

static const char *owned_allocator_fault(GooGcHeap *heap, uint32_t index) {
    const GooiOwnedAllocator *entry = gooi_owned_allocator(heap, index);
    uint32_t records = 0;
    size_t bytes = 0;
    for (uint32_t n = 1; n <= heap->owned.records.count; n++) {
        bool its_own = gooi_owned_record(heap, n)->allocator == index;
        records += its_own;
        bytes += its_own ? gooi_owned_record(heap, n)->size : 0;
    }
    if (records != entry->records || bytes != entry->bytes) {
        return "OWN-3: an allocator's owned blocks are not those that are counted";
    }
    bool attached = entry->allocator != NULL && gooi_pressure_is_attached(heap, entry->allocator);
    return attached == entry->attached ? NULL : "OWN-3: an allocator is not attached as noted";
}

static size_t owned_counted(const GooGcHeap *heap) {
    size_t counted = 0;
    for (uint32_t n = 1; n <= heap->owned.records.count; n++) {
        const GooiOwnedRecord *record = gooi_owned_record(heap, n);
        counted += gooi_owned_counts(heap, record) ? record->size : 0;
    }
    return counted;
}

const char *gooi_owned_fault(GooGcHeap *heap) {
    const char *fault = NULL;
    for (uint32_t n = 1; n <= heap->owned.records.count && fault == NULL; n++) {
        fault = owned_record_fault(heap, n);
    }
    for (uint32_t i = 1; i < heap->owned.allocators.count && fault == NULL; i++) {
        fault = owned_allocator_fault(heap, i);
    }
    if (fault == NULL && owned_counted(heap) != heap->owned.counted_bytes) {
        fault = "OWN-3: owned bytes are not those that are counted";
    }
    return fault;
}
