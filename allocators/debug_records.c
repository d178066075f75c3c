/* The debug allocator's records and the map from addresses to them; debug_records.h has the picture
 * and RECORDS-1 and RECORDS-2.
 *
 * A chunk of the map is address space from the OS: only pages behind which blocks lie are ever
 * touched, so it costs an eighth of their memory (or a quarter).
 *
 * The filter answers "has no record" without the lock and mostly without a cache miss: that is what
 * makes sampling cheap, where the map would be as cold as the blocks.
 *
 * Threads: under the allocator's lock, but for gooi_debug_records_may_have.
 */
#include "allocators/debug_records.h"

#include "runtime/platform/platform.h"
#include "runtime/system.h"

enum {
    RECORDS_MAX_LOG2 = 27, /* 4 GiB of address space, for blocks of 8 at least */
    RECORDS_MIN_LOG2 = 12,
    RECORDS_STEP = 2048,      /* committed at once: 64 KiB */
    MAP_SLOTS_FIRST = 64,     /* a power of two */
    FILTER_SIZE_FIRST = 4096, /* a power of two */
    FILTER_PER_RECORD = 16,   /* entries at least */
    FILTER_STUCK = 255        /* stays: nobody knows how many there are */
};

static void *records_zeroed(size_t size) {
    return gooi_system_alloc(NULL, size, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_ZERO);
}

static void records_release(void *ptr) {
    gooi_system_free(NULL, ptr, 0, GOO_DEFAULT_ALIGNMENT); /* SYSTEM-1: no size needed */
}

/* --- the filter --- */

static void filter_count(DebugFilter *f, const void *ptr, int step) {
    _Atomic uint8_t *count = &f->counts[gooi_debug_filter_hash(ptr) >> f->shift];
    uint8_t value = atomic_load_explicit(count, memory_order_relaxed);
    if (value != FILTER_STUCK) {
        atomic_store_explicit(count, (uint8_t)(value + step), memory_order_relaxed);
    }
}

/* Release: pairs with the acquire in gooi_debug_records_may_have. */
static bool filter_replace(DebugRecords *r, size_t size) {
    DebugFilter *f = records_zeroed(sizeof *f + size);
    if (f == NULL) {
        return false;
    }
    f->older = atomic_load_explicit(&r->filter, memory_order_relaxed);
    f->shift = gooi_count_leading_zeros(size) + 1;
    f->size = size;
    for (uint32_t i = 1; i < r->limit; i++) {
        if (r->all[i].shape != 0) {
            filter_count(f, r->all[i].ptr, 1);
        }
    }
    atomic_store_explicit(&r->filter, f, memory_order_release);
    return true;
}

/* Without memory for a larger one it just gets fuller. */
void gooi_debug_filter_note(DebugRecords *r, const void *ptr, int step) {
    const DebugFilter *f = atomic_load_explicit(&r->filter, memory_order_relaxed);
    if (step > 0 && FILTER_PER_RECORD * (r->count + 1) > f->size) {
        filter_replace(r, 2 * f->size);
    }
    filter_count(atomic_load_explicit(&r->filter, memory_order_relaxed), ptr, step);
}

/* --- the map --- */

static DebugMapSlot *map_empty_slot(DebugMapSlot *map, size_t mask, uintptr_t key) {
    size_t i = key & mask;
    while (map[i].key != 0) {
        i = (i + 1) & mask;
    }
    return &map[i];
}

static bool map_grow(DebugRecords *r) {
    size_t capacity = 2 * (r->map_mask + 1);
    DebugMapSlot *map = records_zeroed(capacity * sizeof *map);
    if (map == NULL) {
        return false;
    }
    for (size_t i = 0; i <= r->map_mask; i++) {
        if (r->map[i].key != 0) {
            *map_empty_slot(map, capacity - 1, r->map[i].key) = r->map[i];
        }
    }
    records_release(r->map);
    r->map = map;
    r->map_mask = capacity - 1;
    return true;
}

static void *map_reserve_chunk(void) {
    size_t size = DEBUG_MAP_ENTRIES * sizeof(uint32_t);
    void *chunk = gooi_platform_reserve(size, gooi_platform_page_size());
    if (chunk != NULL && !gooi_platform_commit(chunk, size)) {
        gooi_platform_release(chunk, size);
        return NULL;
    }
    return chunk;
}

uint32_t *gooi_debug_map_extend(DebugRecords *r, const void *ptr) {
    if (2 * (r->map_count + 1) > r->map_mask + 1 && !map_grow(r)) {
        return NULL;
    }
    uint32_t *chunk = map_reserve_chunk();
    if (chunk == NULL) {
        return NULL;
    }
    uintptr_t key = gooi_debug_map_key(r, ptr);
    *map_empty_slot(r->map, r->map_mask, key) = (DebugMapSlot){key, chunk};
    r->map_count++;
    return gooi_debug_map_find(r, ptr);
}

static void map_release(DebugRecords *r) {
    for (size_t i = 0; r->map != NULL && i <= r->map_mask; i++) {
        if (r->map[i].key != 0) {
            gooi_platform_release(r->map[i].numbers, DEBUG_MAP_ENTRIES * sizeof(uint32_t));
        }
    }
    records_release(r->map);
}

/* --- records --- */

uint32_t gooi_debug_records_extend(DebugRecords *r) {
    if (r->limit == r->committed) {
        if (r->committed == r->capacity ||
            !gooi_platform_commit(r->all + r->committed, RECORDS_STEP * sizeof *r->all)) {
            return 0;
        }
        r->committed += RECORDS_STEP;
    }
    return r->limit++;
}

/* As many as there is address space for. */
static bool records_reserve(DebugRecords *r) {
    for (unsigned log2 = RECORDS_MAX_LOG2; r->all == NULL && log2 >= RECORDS_MIN_LOG2; log2--) {
        r->capacity = (uint32_t)1 << log2;
        size_t size;
        if (!gooi_multiply_overflows(r->capacity, sizeof *r->all, &size)) {
            r->all = gooi_platform_reserve(size, gooi_platform_page_size());
        }
    }
    r->limit = 1;
    return r->all != NULL;
}

bool gooi_debug_records_init(DebugRecords *r, size_t distance, bool filtered) {
    r->granule_log2 = distance >= 32 ? 5 : 4;
    r->map_mask = MAP_SLOTS_FIRST - 1;
    r->map = records_zeroed(MAP_SLOTS_FIRST * sizeof *r->map);
    if (r->map == NULL || !records_reserve(r) ||
        !gooi_platform_commit(r->all, RECORDS_STEP * sizeof *r->all)) {
        return false;
    }
    r->committed = RECORDS_STEP;
    return !filtered || filter_replace(r, FILTER_SIZE_FIRST);
}

void gooi_debug_records_deinit(DebugRecords *r) {
    map_release(r);
    if (r->all != NULL) {
        gooi_platform_release(r->all, r->capacity * sizeof *r->all);
    }
    DebugFilter *f = atomic_load_explicit(&r->filter, memory_order_relaxed);
    while (f != NULL) {
        DebugFilter *older = f->older;
        records_release(f);
        f = older;
    }
}
