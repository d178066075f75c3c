/* The table of owned blocks: adding, finding and removing records (gc/owned.h has the picture).
 *
 * Everything but finding one of an owner's very many blocks takes constant time. When a search has
 * passed GOOI_OWNED_FAR siblings, all blocks get a second chain by their address, which is kept
 * from then on; where there is no memory for its buckets, searches stay long.
 *
 * Invariants OWN-1 … OWN-3: gc/owned.h. Threads: any, under the heap's lock.
 */
#include "gc/owned.h"

#include "runtime/bits.h"

#define GOOI_OWNED_BUCKETS_MIN 64u
#define GOOI_OWNED_FAR 32

/* --- buckets --- */

static size_t owned_bucket(const GooiOwnedTable *t, uint64_t key) {
    return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (t->buckets - 1);
}

static uint32_t *owned_owner_bucket(const GooiOwnedTable *t, uint32_t granule) {
    return &t->by_owner[owned_bucket(t, granule)];
}

static uint32_t *owned_block_bucket(const GooiOwnedTable *t, const void *block) {
    return &t->by_block[owned_bucket(t, (uintptr_t)block >> 4)];
}

static void owned_link_block(GooGcHeap *heap, uint32_t number) {
    GooiOwnedRecord *record = gooi_owned_record(heap, number);
    if (heap->owned.by_block != NULL && record->block != NULL) {
        uint32_t *bucket = owned_block_bucket(&heap->owned, record->block);
        record->next_by_block = *bucket;
        *bucket = number;
    }
}

static void owned_link_all_blocks(GooGcHeap *heap) {
    for (uint32_t n = 1; n <= heap->owned.records.count; n++) {
        owned_link_block(heap, n);
    }
}

static void owned_free_buckets(GooGcHeap *heap, uint32_t **buckets) {
    gooi_side_free(heap, *buckets, heap->owned.buckets * sizeof **buckets);
    *buckets = NULL;
}

/* Doubles the buckets, or makes the first ones. */
static bool owned_grow_buckets(GooGcHeap *heap) {
    GooiOwnedTable *t = &heap->owned;
    size_t count = t->buckets == 0 ? GOOI_OWNED_BUCKETS_MIN : t->buckets * 2;
    uint32_t *fresh = gooi_side_alloc(heap, count * sizeof *fresh);
    if (fresh == NULL) {
        return false;
    }
    bool index_blocks = t->by_block != NULL;
    owned_free_buckets(heap, &t->by_owner);
    owned_free_buckets(heap, &t->by_block);
    t->by_owner = fresh;
    t->buckets = count;
    for (uint32_t n = 1; n <= t->records.count; n++) {
        GooiOwnedRecord *record = gooi_owned_record(heap, n);
        if (record->is_first) {
            uint32_t *bucket = owned_owner_bucket(t, record->owner);
            record->link = *bucket;
            *bucket = n;
        }
    }
    if (index_blocks) {
        t->by_block = gooi_side_alloc(heap, count * sizeof *t->by_block);
        owned_link_all_blocks(heap);
    }
    return true;
}

static void owned_index_blocks(GooGcHeap *heap) {
    GooiOwnedTable *t = &heap->owned;
    t->by_block = gooi_side_alloc(heap, t->buckets * sizeof *t->by_block);
    owned_link_all_blocks(heap);
}

bool gooi_owned_reserve_more(GooGcHeap *heap) {
    GooiOwnedTable *t = &heap->owned;
    size_t more = t->promised + 1;
    bool done = t->records.count + more < UINT32_MAX &&
                gooi_vector_reserve(heap, &t->records, more, sizeof(GooiOwnedRecord)) &&
                (t->records.count + more <= t->buckets || owned_grow_buckets(heap));
    t->promised += done;
    return done;
}

/* --- allocators --- */

/* The index of `a`, or 0; the first place that is free, or the number of places, to *out_free. */
static uint32_t owned_find_allocator(const GooGcHeap *heap, const GooAllocator *a,
                                     uint32_t *out_free) {
    const GooiOwnedTable *t = &heap->owned;
    *out_free = (uint32_t)t->allocators.count;
    for (uint32_t i = 1; i < t->allocators.count; i++) {
        const GooAllocator *known = gooi_owned_allocator(heap, i)->allocator;
        if (known == a) {
            return i;
        }
        if (known == NULL && *out_free == t->allocators.count) {
            *out_free = i;
        }
    }
    return 0;
}

static uint32_t owned_new_allocator(GooGcHeap *heap, GooAllocator *a, uint32_t place) {
    GooiOwnedTable *t = &heap->owned;
    if (place == 0) {
        place = 1; /* 0 is never used */
    }
    if (place > GOOI_OWNED_ALLOCATORS_MAX ||
        !gooi_vector_reserve(heap, &t->allocators, 2, sizeof(GooiOwnedAllocator))) {
        return 0;
    }
    t->allocators.count = place < t->allocators.count ? t->allocators.count : place + 1;
    *gooi_owned_allocator(heap, place) =
        (GooiOwnedAllocator){.allocator = a, .attached = gooi_pressure_is_attached(heap, a)};
    return place;
}

uint32_t gooi_owned_hold_other(GooGcHeap *heap, GooAllocator *a) {
    uint32_t place, index = owned_find_allocator(heap, a, &place);
    index = index != 0 ? index : owned_new_allocator(heap, a, place);
    if (index != 0) {
        heap->owned.last_allocator = index;
        gooi_owned_allocator(heap, index)->held++;
    }
    return index;
}

/* Nobody's place is free again. */
static void owned_drop_allocator(GooiOwnedAllocator *entry) {
    if (entry->records == 0 && entry->held == 0) {
        GOO_ASSERT(entry->bytes == 0, "OWN-3: no blocks of allocator %p, but %zu bytes",
                   (void *)entry->allocator, entry->bytes);
        *entry = (GooiOwnedAllocator){0};
    }
}

void gooi_owned_release_allocator(GooGcHeap *heap, uint32_t index) {
    GooiOwnedAllocator *entry = gooi_owned_allocator(heap, index);
    entry->held--;
    owned_drop_allocator(entry);
}

/* --- sums --- */

static void owned_count(GooGcHeap *heap, const GooiOwnedRecord *record) {
    if (record->allocator != 0) {
        gooi_owned_allocator(heap, record->allocator)->bytes += record->size;
    }
    heap->owned.counted_bytes += gooi_owned_counts(heap, record) ? record->size : 0;
}

static void owned_discount(GooGcHeap *heap, const GooiOwnedRecord *record) {
    if (record->allocator != 0) {
        gooi_owned_allocator(heap, record->allocator)->bytes -= record->size;
    }
    heap->owned.counted_bytes -= gooi_owned_counts(heap, record) ? record->size : 0;
}

/* --- an owner's records --- */

static uint32_t owned_granule(const GooGcHeap *heap, const void *owner) {
    return (uint32_t)(((uintptr_t)owner - heap->base) >> GOOI_GRANULE_LOG2);
}

/* The owner's first record in its bucket's chain, or 0. */
static uint32_t owned_first_in(const GooGcHeap *heap, uint32_t number, uint32_t granule) {
    const GooiOwnedRecord *records = (const GooiOwnedRecord *)heap->owned.records.items - 1;
    while (number != 0 && records[number].owner != granule) {
        number = records[number].link;
    }
    return number;
}

uint32_t gooi_owned_first(const GooGcHeap *heap, const void *owner) {
    if (heap->owned.buckets == 0) {
        return 0;
    }
    uint32_t granule = owned_granule(heap, owner);
    return owned_first_in(heap, *owned_owner_bucket(&heap->owned, granule), granule);
}

static uint32_t owned_find_by_block(const GooGcHeap *heap, uint32_t granule, const void *block) {
    uint32_t n = *owned_block_bucket(&heap->owned, block);
    while (n != 0 && (gooi_owned_record(heap, n)->block != block ||
                      gooi_owned_record(heap, n)->owner != granule)) {
        n = gooi_owned_record(heap, n)->next_by_block;
    }
    return n;
}

uint32_t gooi_owned_find(GooGcHeap *heap, const void *owner, const void *block) {
    if (heap->owned.by_block != NULL) {
        return owned_find_by_block(heap, owned_granule(heap, owner), block);
    }
    uint32_t n = gooi_owned_first(heap, owner), steps = 0;
    while (n != 0 && gooi_owned_record(heap, n)->block != block) {
        n = gooi_owned_record(heap, n)->next_sibling;
        steps++;
    }
    if (steps > GOOI_OWNED_FAR) {
        owned_index_blocks(heap);
    }
    return n;
}

/* The link in a bucket's chain that leads to a first record. */
static uint32_t *owned_link_to_first(const GooGcHeap *heap, uint32_t number) {
    uint32_t *link =
        owned_owner_bucket(&heap->owned, gooi_owned_record(heap, number)->owner);
    while (*link != number) {
        GOO_ASSERT(*link != 0, "OWN-2: record %u is not in its bucket", (unsigned)number);
        link = &gooi_owned_record(heap, *link)->link;
    }
    return link;
}

static uint32_t *owned_link_to_block(const GooGcHeap *heap, uint32_t number) {
    uint32_t *link = owned_block_bucket(&heap->owned, gooi_owned_record(heap, number)->block);
    while (*link != number) {
        GOO_ASSERT(*link != 0, "OWN-2: record %u is not found by its block", (unsigned)number);
        link = &gooi_owned_record(heap, *link)->next_by_block;
    }
    return link;
}

static void owned_unlink_block(GooGcHeap *heap, uint32_t number) {
    const GooiOwnedRecord *record = gooi_owned_record(heap, number);
    if (heap->owned.by_block != NULL && record->block != NULL) {
        *owned_link_to_block(heap, number) = record->next_by_block;
    }
}

/* Into its owner's list: as the first one if it is an adjustment, else behind the first. */
static void owned_link_owner(GooGcHeap *heap, uint32_t number, uint32_t first) {
    GooiOwnedRecord *record = gooi_owned_record(heap, number);
    GooiOwnedRecord *head = gooi_owned_record(heap, first);
    if (record->allocator == 0) {
        *owned_link_to_first(heap, first) = number;
        record->is_first = 1;
        record->link = head->link;
        record->next_sibling = first;
        head->is_first = 0;
        head->link = number;
        return;
    }
    record->link = first;
    record->next_sibling = head->next_sibling;
    head->next_sibling = number;
    if (record->next_sibling != 0) {
        gooi_owned_record(heap, record->next_sibling)->link = number;
    }
}

static void owned_unlink_owner(GooGcHeap *heap, uint32_t number) {
    const GooiOwnedRecord *record = gooi_owned_record(heap, number);
    GooiOwnedRecord *next =
        record->next_sibling != 0 ? gooi_owned_record(heap, record->next_sibling) : NULL;
    if (!record->is_first) {
        gooi_owned_record(heap, record->link)->next_sibling = record->next_sibling;
        if (next != NULL) {
            next->link = record->link;
        }
    } else if (next == NULL) {
        *owned_link_to_first(heap, number) = record->link;
    } else {
        *owned_link_to_first(heap, number) = record->next_sibling;
        next->is_first = 1;
        next->link = record->link;
    }
}

/* Gives the last record the number of one that went. */
static void owned_move_last(GooGcHeap *heap, uint32_t to) {
    uint32_t from = (uint32_t)heap->owned.records.count;
    const GooiOwnedRecord *record = gooi_owned_record(heap, from);
    if (record->is_first) {
        *owned_link_to_first(heap, from) = to;
    } else {
        gooi_owned_record(heap, record->link)->next_sibling = to;
    }
    if (record->next_sibling != 0) {
        gooi_owned_record(heap, record->next_sibling)->link = to;
    }
    if (heap->owned.by_block != NULL && record->block != NULL) {
        *owned_link_to_block(heap, from) = to;
    }
    *gooi_owned_record(heap, to) = *record;
}

/* --- records --- */

void gooi_owned_add(GooGcHeap *heap, const void *owner, void *block, size_t size,
                    uint32_t allocator) {
    GooiOwnedTable *t = &heap->owned;
    uint32_t granule = owned_granule(heap, owner), number = (uint32_t)++t->records.count;
    uint32_t *bucket = owned_owner_bucket(t, granule);
    uint32_t first = owned_first_in(heap, *bucket, granule);
    GooiOwnedRecord *record = gooi_owned_record(heap, number);
    *record = (GooiOwnedRecord){.block = block,
                                .size = size & (((uint64_t)1 << GOOI_OWNED_SIZE_BITS) - 1),
                                .is_first = first == 0,
                                .allocator = (uint16_t)allocator,
                                .owner = granule,
                                .link = first == 0 ? *bucket : 0};
    if (first == 0) {
        *bucket = number;
    } else {
        owned_link_owner(heap, number, first);
    }
    owned_link_block(heap, number);
    owned_count(heap, record);
    if (allocator != 0) {
        gooi_owned_allocator(heap, allocator)->records++;
        gooi_owned_allocator(heap, allocator)->held--;
    }
    t->promised--;
    __atomic_fetch_or(gooi_metadata_of((uintptr_t)owner), GOO_GC_ATTENTION, __ATOMIC_RELAXED);
}

void gooi_owned_remove(GooGcHeap *heap, uint32_t number) {
    GooiOwnedTable *t = &heap->owned;
    GooiOwnedRecord *record = gooi_owned_record(heap, number);
    owned_unlink_owner(heap, number);
    owned_unlink_block(heap, number);
    owned_discount(heap, record);
    if (record->allocator != 0) {
        gooi_owned_allocator(heap, record->allocator)->records--;
        owned_drop_allocator(gooi_owned_allocator(heap, record->allocator));
    }
    if (number != t->records.count) {
        owned_move_last(heap, number);
    }
    t->records.count--;
}

void gooi_owned_change(GooGcHeap *heap, uint32_t number, void *block, size_t size) {
    GooiOwnedRecord *record = gooi_owned_record(heap, number);
    owned_discount(heap, record);
    record->size = size & (((uint64_t)1 << GOOI_OWNED_SIZE_BITS) - 1);
    owned_count(heap, record);
    if (record->block != block) {
        owned_unlink_block(heap, number);
        record->block = block;
        owned_link_block(heap, number);
    }
}

void gooi_owned_table_deinit(GooGcHeap *heap) {
    GooiOwnedTable *t = &heap->owned;
    owned_free_buckets(heap, &t->by_owner);
    owned_free_buckets(heap, &t->by_block);
    gooi_vector_free(heap, &t->records, sizeof(GooiOwnedRecord));
    gooi_vector_free(heap, &t->allocators, sizeof(GooiOwnedAllocator));
    t->buckets = 0;
}
