/* The debug allocator's records, and which address has which. Private to allocators/debug*.c.
 *
 *     address ─▶ chunk of the map (1 or 2 MiB of addresses) ─▶ number of the record ─▶ record
 *
 * The map has a number for each 32 bytes of memory in which a block was ever watched (16 where
 * there are no canaries between blocks): neighbours in memory are neighbours there, so it stays in
 * the cache as long as the blocks do, and a pointer is judged without looking at what it points to.
 * Records are reused last in, first out.
 *
 *   RECORDS-1  map[record.ptr] is the record's number for each record that is not UNUSED; all other
 *              numbers in the map are 0
 *   RECORDS-2  records never move
 */
#ifndef GOOI_ALLOCATORS_DEBUG_RECORDS_H
#define GOOI_ALLOCATORS_DEBUG_RECORDS_H

#include "allocators/debug_origin.h"
#include "runtime/bits.h"
#include "runtime/check.h"

/* What a block is, in one word: size, log2 of the alignment, state and flags. */
#define DEBUG_SIZE_BITS 48
#define DEBUG_ALIGNMENT_SHIFT 48
#define DEBUG_STATE_SHIFT 54
#define DEBUG_FLAG(i) (UINT64_C(1) << (56 + (i)))

#define DEBUG_UNUSED UINT64_C(0) /* no record of anything */
#define DEBUG_LIVE (UINT64_C(1) << DEBUG_STATE_SHIFT)
#define DEBUG_QUARANTINED (UINT64_C(2) << DEBUG_STATE_SHIFT)
#define DEBUG_GONE (UINT64_C(3) << DEBUG_STATE_SHIFT)

#define DEBUG_PAGED DEBUG_FLAG(0)     /* has whole pages to itself */
#define DEBUG_PROTECTED DEBUG_FLAG(1) /* and they are inaccessible */
#define DEBUG_REPORTED DEBUG_FLAG(2)  /* its damage was reported (DEBUG-4) */
#define DEBUG_PERSISTS DEBUG_FLAG(3)
#define DEBUG_WHOLE_PAGES DEBUG_FLAG(4) /* GOO_ALLOC_PAGE */
#define DEBUG_RESIZING DEBUG_FLAG(5)    /* its end is about to move */

typedef struct DebugRecord {
    uint8_t *ptr;
    uint64_t shape;
    DebugOrigin origin; /* of an unused record: the next one's number */
    union {
        uint64_t note;           /* LIVE: who counts it above (GOOI_ALLOC_NOTED) */
        DebugOrigin free_origin; /* else */
    };
} DebugRecord;
_Static_assert(sizeof(DebugRecord) == 32, "two in a cache line");

/* Whether a record can have this size; no machine has memory for others. */
static inline bool gooi_debug_fits(size_t size) {
    return (uint64_t)size >> DEBUG_SIZE_BITS == 0;
}

static inline uint64_t gooi_debug_shape(size_t size, size_t alignment, uint64_t state) {
    return size | (uint64_t)gooi_count_trailing_zeros(alignment) << DEBUG_ALIGNMENT_SHIFT | state;
}

/* Without the flags. */
static inline uint64_t gooi_debug_bare_shape(const DebugRecord *record) {
    return record->shape & (DEBUG_FLAG(0) - 1);
}

static inline size_t gooi_debug_size(const DebugRecord *record) {
    return (size_t)(record->shape & ((UINT64_C(1) << DEBUG_SIZE_BITS) - 1));
}

static inline size_t gooi_debug_alignment(const DebugRecord *record) {
    return (size_t)1 << (record->shape >> DEBUG_ALIGNMENT_SHIFT & 63);
}

static inline uint64_t gooi_debug_state(const DebugRecord *record) {
    return record->shape & DEBUG_GONE;
}

/* One byte for some addresses: how many records they have. 0: none. Grows by being replaced; old
 * ones stay for threads that still look at them. */
typedef struct DebugFilter {
    struct DebugFilter *older;
    unsigned shift;
    size_t size;
    _Atomic uint8_t counts[];
} DebugFilter;

enum { DEBUG_MAP_LOG2 = 16, DEBUG_MAP_ENTRIES = 1 << DEBUG_MAP_LOG2 }; /* of a chunk */

typedef struct DebugMapSlot {
    uintptr_t key; /* 1 + the address in units of a chunk; 0: empty */
    uint32_t *numbers;
} DebugMapSlot;

typedef struct DebugRecords {
    DebugRecord *all;  /* reserved for all, committed as they come; the first is none */
    DebugMapSlot *map; /* open addressing, at most half full */
    size_t map_mask, map_count;
    unsigned granule_log2;     /* bytes for each number */
    uint32_t unused;           /* the latest one's number */
    uint32_t limit, committed; /* records 1 … limit - 1 exist */
    uint32_t capacity;
    size_t count;                  /* of those in use */
    _Atomic(DebugFilter *) filter; /* NULL: none is wanted */
} DebugRecords;

/* --- under the lock --- */
/* Blocks are at least `distance` bytes apart: 16, or more. */
bool gooi_debug_records_init(DebugRecords *r, size_t distance, bool filtered);
void gooi_debug_records_deinit(DebugRecords *r);
static inline uintptr_t gooi_debug_map_key(const DebugRecords *r, const void *ptr) {
    return ((uintptr_t)ptr >> r->granule_log2 >> DEBUG_MAP_LOG2) + 1;
}

/* The address's place in the map, or NULL: no block ever was near. */
static inline uint32_t *gooi_debug_map_find(const DebugRecords *r, const void *ptr) {
    uintptr_t key = gooi_debug_map_key(r, ptr);
    for (size_t i = key & r->map_mask;; i = (i + 1) & r->map_mask) {
        const DebugMapSlot *slot = &r->map[i];
        if (GOOI_LIKELY(slot->key == key)) {
            return &slot->numbers[((uintptr_t)ptr >> r->granule_log2) & (DEBUG_MAP_ENTRIES - 1)];
        }
        if (slot->key == 0) {
            return NULL;
        }
    }
}

/* The address's record, or NULL. */
static inline DebugRecord *gooi_debug_records_find(const DebugRecords *r, const void *ptr) {
    const uint32_t *at = gooi_debug_map_find(r, ptr);
    return at != NULL && *at != 0 && r->all[*at].ptr == ptr ? &r->all[*at] : NULL;
}

/* As gooi_debug_map_find, and made if need be; NULL: no memory. */
uint32_t *gooi_debug_map_extend(DebugRecords *r, const void *ptr);

static inline uint32_t *gooi_debug_map_place(DebugRecords *r, const void *ptr) {
    uint32_t *at = gooi_debug_map_find(r, ptr);
    return GOOI_LIKELY(at != NULL) ? at : gooi_debug_map_extend(r, ptr);
}

/* The number of one more record, whose `origin` is 0; 0: no memory. */
uint32_t gooi_debug_records_extend(DebugRecords *r);
/* A record came (step 1), or is about to go (-1). */
void gooi_debug_filter_note(DebugRecords *r, const void *ptr, int step);

static inline bool gooi_debug_is_filtered(const DebugRecords *r) {
    return atomic_load_explicit(&r->filter, memory_order_relaxed) != NULL;
}

/* A record for an address that has none, or NULL: no memory. `at`: its place in the map. The
 * other members are the caller's to fill in, shape not 0. */
static inline DebugRecord *gooi_debug_records_add(DebugRecords *r, uint32_t *at, uint8_t *ptr) {
    uint32_t number = r->unused;
    if (GOOI_UNLIKELY(number == 0)) {
        number = gooi_debug_records_extend(r);
        if (number == 0) {
            return NULL;
        }
    }
    DebugRecord *record = &r->all[number];
    r->unused = (uint32_t)record->origin;
    GOOI_PREFETCH(&r->all[r->unused]);
    if (GOOI_UNLIKELY(gooi_debug_is_filtered(r))) {
        gooi_debug_filter_note(r, ptr, 1);
    }
    *at = number;
    r->count++;
    record->ptr = ptr;
    return record;
}

static inline void gooi_debug_records_remove(DebugRecords *r, DebugRecord *record) {
    uint32_t *at = gooi_debug_map_find(r, record->ptr);
    GOO_ASSERT(at != NULL && &r->all[*at] == record,
               "debug allocator: %p is not in the map (RECORDS-1)", (void *)record->ptr);
    if (GOOI_UNLIKELY(gooi_debug_is_filtered(r))) {
        gooi_debug_filter_note(r, record->ptr, -1);
    }
    record->shape = 0;
    record->origin = r->unused;
    r->unused = *at;
    *at = 0;
    r->count--;
}

/* --- without the lock --- */

static inline uint64_t gooi_debug_filter_hash(const void *ptr) {
    return ((uint64_t)(uintptr_t)ptr >> 4) * UINT64_C(0x9e3779b97f4a7c15);
}

/* False: the address has no record for sure. Acquire: pairs with the release of a new filter. */
static inline bool gooi_debug_records_may_have(const DebugRecords *r, const void *ptr) {
    const DebugFilter *f = atomic_load_explicit(&r->filter, memory_order_acquire);
    return f == NULL || atomic_load_explicit(&f->counts[gooi_debug_filter_hash(ptr) >> f->shift],
                                             memory_order_relaxed) != 0;
}

#endif
