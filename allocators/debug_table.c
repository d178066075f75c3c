/* The debug allocator's records by address: an open-addressing table of pointers, and the filter.
 *
 * Linear probing; a removal moves later entries of the run back instead of leaving a mark, so that
 * lookups stay short however many blocks came and went. At most half of the slots are used. The
 * filter answers "has no record" without the lock and mostly without a cache miss: that is what
 * makes sampling cheap.
 *
 * Threads: under the allocator's lock, but for gooi_debug_table_may_have.
 */
#include "allocators/debug.h"

#include "runtime/check.h"
#include "runtime/system.h"

#include <string.h>

enum {
    TABLE_CAPACITY_FIRST = 1024, /* a power of two */
    TABLE_RECORDS_PER_CHUNK = 256,
    TABLE_FILTER_PER_SLOT = 4,
    TABLE_FILTER_STUCK = 255 /* stays: nobody knows how many there are */
};

typedef struct TableChunk {
    void *older;
    DebugRecord records[TABLE_RECORDS_PER_CHUNK];
} TableChunk;

static inline uint64_t table_hash(const void *ptr) {
    uint64_t x = ((uint64_t)(uintptr_t)ptr >> 4) * UINT64_C(0x9e3779b97f4a7c15);
    return (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93); /* strides leave runs after one step */
}

static inline unsigned table_shift(size_t capacity) {
    unsigned shift = 64;
    while (capacity > 1) {
        capacity /= 2;
        shift--;
    }
    return shift;
}

static void *table_zeroed(size_t size) {
    return gooi_system_alloc(NULL, size, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_ZERO);
}

static void table_release(void *ptr) {
    gooi_system_free(NULL, ptr, 0, GOO_DEFAULT_ALIGNMENT); /* SYSTEM-1: no size needed */
}

/* --- the filter --- */

static void filter_count(DebugFilter *f, const void *ptr, int step) {
    _Atomic uint8_t *count = &f->counts[table_hash(ptr) >> f->shift];
    uint8_t value = atomic_load_explicit(count, memory_order_relaxed);
    if (value != TABLE_FILTER_STUCK) {
        atomic_store_explicit(count, (uint8_t)(value + step), memory_order_relaxed);
    }
}

/* Release: pairs with the acquire in gooi_debug_table_may_have. */
static bool filter_replace(DebugTable *t, const DebugSlot *slots, size_t capacity) {
    size_t size = capacity * TABLE_FILTER_PER_SLOT;
    DebugFilter *f = table_zeroed(sizeof *f + size);
    if (f == NULL) {
        return false;
    }
    f->older = atomic_load_explicit(&t->filter, memory_order_relaxed);
    f->shift = table_shift(size);
    f->size = size;
    for (size_t i = 0; i < capacity; i++) {
        if (slots[i].record != NULL) {
            filter_count(f, slots[i].ptr, 1);
        }
    }
    atomic_store_explicit(&t->filter, f, memory_order_release);
    return true;
}

bool gooi_debug_table_may_have(const DebugTable *t, const void *ptr) {
    const DebugFilter *f = atomic_load_explicit(&t->filter, memory_order_acquire);
    return f == NULL ||
           atomic_load_explicit(&f->counts[table_hash(ptr) >> f->shift], memory_order_relaxed) != 0;
}

/* --- the table --- */

/* The slot of an address, or the empty one where it would be. */
static size_t table_probe(const DebugTable *t, const void *ptr) {
    size_t i = table_hash(ptr) >> t->shift;
    while (t->slots[i].record != NULL && t->slots[i].ptr != ptr) {
        i = (i + 1) & (t->capacity - 1);
    }
    return i;
}

DebugRecord *gooi_debug_table_find(const DebugTable *t, const void *ptr) {
    return t->slots[table_probe(t, ptr)].record;
}

static bool table_grow(DebugTable *t) {
    size_t capacity = 2 * t->capacity;
    DebugSlot *old = t->slots;
    size_t old_capacity = t->capacity;
    DebugSlot *slots = table_zeroed(capacity * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    t->slots = slots;
    t->capacity = capacity;
    t->shift = table_shift(capacity);
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].record != NULL) {
            slots[table_probe(t, old[i].ptr)] = old[i];
        }
    }
    table_release(old);
    if (atomic_load_explicit(&t->filter, memory_order_relaxed) != NULL) {
        filter_replace(t, slots, capacity); /* without it the old one just gets fuller */
    }
    return true;
}

static DebugRecord *table_new_record(DebugTable *t) {
    if (t->unused == NULL) {
        TableChunk *chunk = table_zeroed(sizeof *chunk);
        if (chunk == NULL) {
            return NULL;
        }
        chunk->older = t->chunks;
        t->chunks = chunk;
        for (size_t i = TABLE_RECORDS_PER_CHUNK; i-- != 0;) {
            chunk->records[i].next = t->unused;
            t->unused = &chunk->records[i];
        }
    }
    DebugRecord *record = t->unused;
    t->unused = record->next;
    return record;
}

DebugRecord *gooi_debug_table_add(DebugTable *t, void *ptr) {
    if (2 * (t->count + 1) > t->capacity && !table_grow(t)) {
        return NULL;
    }
    DebugRecord *record = table_new_record(t);
    if (record == NULL) {
        return NULL;
    }
    size_t i = table_probe(t, ptr);
    GOO_ASSERT(t->slots[i].record == NULL, "debug allocator: %p has two records (DEBUG-1)", ptr);
    *record = (DebugRecord){.ptr = ptr};
    t->slots[i] = (DebugSlot){ptr, record};
    t->count++;
    DebugFilter *f = atomic_load_explicit(&t->filter, memory_order_relaxed);
    if (f != NULL) {
        filter_count(f, ptr, 1);
    }
    return record;
}

void gooi_debug_table_remove(DebugTable *t, DebugRecord *record) {
    size_t hole = table_probe(t, record->ptr);
    size_t mask = t->capacity - 1;
    DebugFilter *f = atomic_load_explicit(&t->filter, memory_order_relaxed);
    if (f != NULL) {
        filter_count(f, record->ptr, -1);
    }
    for (size_t i = (hole + 1) & mask; t->slots[i].record != NULL; i = (i + 1) & mask) {
        size_t home = table_hash(t->slots[i].ptr) >> t->shift;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole] = (DebugSlot){NULL, NULL};
    t->count--;
    record->next = t->unused;
    t->unused = record;
}

bool gooi_debug_table_init(DebugTable *t, bool filtered) {
    t->capacity = TABLE_CAPACITY_FIRST;
    t->shift = table_shift(t->capacity);
    t->slots = table_zeroed(t->capacity * sizeof *t->slots);
    return t->slots != NULL && (!filtered || filter_replace(t, t->slots, t->capacity));
}

void gooi_debug_table_deinit(DebugTable *t) {
    table_release(t->slots);
    while (t->chunks != NULL) {
        TableChunk *chunk = t->chunks;
        t->chunks = chunk->older;
        table_release(chunk);
    }
    DebugFilter *f = atomic_load_explicit(&t->filter, memory_order_relaxed);
    while (f != NULL) {
        DebugFilter *older = f->older;
        table_release(f);
        f = older;
    }
}
