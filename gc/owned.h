/* The table of owned blocks: which explicit blocks, and how many outside bytes, hang on which
 * object. Private to owned.c, owned_table.c and whoever checks or reports.
 *
 *   records, dense             by_owner[hash of the owner]
 *   1 | block, size, owner |◀── the first record of each owner in the bucket
 *   2 | block, size, owner |      │ sibling           by_block[hash of the block]: the same
 *   3 | block, size, owner |◀─────┘                   records again, made when an owner has many
 *
 * A record is 32 bytes, a bucket 4 for each record: nothing is kept per owner, and objects have no
 * word for it. An owner's first record stands in its bucket's chain; its others are a list of
 * siblings behind it, so that an owner of a hundred thousand blocks lengthens nobody else's chain.
 * Records have numbers from 1 on; the last one moves into a gap, so that settling is a walk over
 * the array.
 *
 * Bytes that the library did not allocate (goo_gc_owner_adjust) are a record without a block, which
 * stays its owner's first, so that changing it costs no search.
 *
 * OWN-1  a record's owner is the start of a living object whose metadata says `attention`.
 * OWN-2  every record is found from its owner's bucket, and, where by_block is, from its block's.
 * OWN-3  an allocator's count and bytes are those of its records; counted_bytes are those of the
 *        records that no attachment of this heap counts.
 *
 * Threads: any, under the heap's lock.
 */
#ifndef GOO_GC_OWNED_H
#define GOO_GC_OWNED_H

#include "gc/heap.h"

#define GOOI_OWNED_SIZE_BITS 47
#define GOOI_OWNED_ALLOCATORS_MAX 65535

typedef struct GooiOwnedRecord {
    void *block;                               /* NULL: an adjustment */
    uint64_t size : GOOI_OWNED_SIZE_BITS;      /* bytes */
    uint64_t is_first : 1;                     /* of its owner's */
    uint64_t allocator : 16;                   /* index in `allocators`; 0: an adjustment */
    uint32_t owner;                            /* granule, counted from the heap's base */
    uint32_t next_sibling;                     /* 0: none; so in the others */
    uint32_t link;      /* of a first record: the next in the bucket; else: the sibling before */
    uint32_t next_by_block;
} GooiOwnedRecord;

_Static_assert(sizeof(void *) != 8 || sizeof(GooiOwnedRecord) == 32, "a record is 32 bytes");

typedef struct GooiOwnedAllocator {
    GooAllocator *allocator; /* NULL: the place is free */
    bool attached;           /* to this heap: its attachment counts the bytes */
    uint32_t records, held;  /* blocks; calls that are about to add one */
    size_t bytes;
} GooiOwnedAllocator;

static inline GooiOwnedRecord *gooi_owned_record(const GooGcHeap *heap, uint32_t number) {
    return (GooiOwnedRecord *)heap->owned.records.items + (number - 1);
}

static inline GooiOwnedAllocator *gooi_owned_allocator(const GooGcHeap *heap, uint32_t index) {
    return (GooiOwnedAllocator *)heap->owned.allocators.items + index;
}

static inline void *gooi_owned_owner(const GooGcHeap *heap, const GooiOwnedRecord *record) {
    return (void *)(heap->base + ((uintptr_t)record->owner << GOOI_GRANULE_LOG2));
}

/* Whether the record's bytes count by themselves, and not with an attached allocator. */
static inline bool gooi_owned_counts(const GooGcHeap *heap, const GooiOwnedRecord *record) {
    return record->allocator == 0 || !gooi_owned_allocator(heap, record->allocator)->attached;
}

/* --- owned_table.c --- */

/* Makes room for one more record and promises it: gooi_owned_add then can't fail. Whoever does not
 * add takes one from owned.promised. */
bool gooi_owned_reserve_more(GooGcHeap *heap);
static inline bool gooi_owned_reserve(GooGcHeap *heap) {
    GooiOwnedTable *t = &heap->owned;
    size_t count = t->records.count + t->promised + 1;
    if (GOOI_UNLIKELY(count > t->records.capacity || count > t->buckets)) {
        return gooi_owned_reserve_more(heap);
    }
    t->promised++;
    return true;
}
/* The index of `a`, which keeps it until gooi_owned_add uses it or gooi_owned_release_allocator
 * gives it up. 0: no memory, or too many allocators. */
uint32_t gooi_owned_hold_other(GooGcHeap *heap, GooAllocator *a);
static inline uint32_t gooi_owned_hold_allocator(GooGcHeap *heap, GooAllocator *a) {
    uint32_t last = heap->owned.last_allocator;
    if (GOOI_UNLIKELY(last == 0 || gooi_owned_allocator(heap, last)->allocator != a)) {
        return gooi_owned_hold_other(heap, a);
    }
    gooi_owned_allocator(heap, last)->held++;
    return last;
}
void gooi_owned_release_allocator(GooGcHeap *heap, uint32_t index);
/* Adds a record; a block's allocator was held for it. */
void gooi_owned_add(GooGcHeap *heap, const void *owner, void *block, size_t size,
                    uint32_t allocator);
void gooi_owned_remove(GooGcHeap *heap, uint32_t number);
/* The block has become another one, or another size. */
void gooi_owned_change(GooGcHeap *heap, uint32_t number, void *block, size_t size);
/* The owner's first record; 0: it owns nothing. */
uint32_t gooi_owned_first(const GooGcHeap *heap, const void *owner);
/* The record of a block of the owner, or 0. */
uint32_t gooi_owned_find(GooGcHeap *heap, const void *owner, const void *block);
void gooi_owned_table_deinit(GooGcHeap *heap);

#endif
