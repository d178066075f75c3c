/* Counters that every thread keeps for itself and a reader adds up. Private.
 *
 * A thread's counters lie in its shard, by slot: slot 0 counts for the whole process, the others
 * for one thread-safe allocator each. Only the shard's thread writes them, with plain stores that
 * are atomic for readers, so counting costs no locked instruction and serialises nobody.
 *
 *     gooi_shards ──▶ shard of a thread ──▶ shard ──▶ …      gooi_totals[slot]
 *                      counters[slot]                         bytes, peak: settled in batches
 *
 * A peak is of the whole sum, which no thread knows. A shard remembers the highest value of its own
 * net since it last settled, and settles with the totals when it moved by more than a batch. So the
 * peak is exact while one thread allocates; with several it is never more than a batch for each
 * other thread too low. The batches of all threads together are 256 KiB, but at least 4 KiB each.
 *
 *   COUNTERS-1  a counter is written by its shard's thread only, or under gooi_stats_lock while its
 *               slot has no user
 *   COUNTERS-2  bytes_in and allocations are written before the block is handed out, bytes_out and
 *               frees before it is given back; a reader takes the outs first, so it never sees a
 *               free without its allocation
 *   COUNTERS-3  shards are never freed: a thread that ends leaves its shard, with what it counted,
 *               to the next one
 */
#ifndef GOO_RUNTIME_COUNTERS_H
#define GOO_RUNTIME_COUNTERS_H

#include "goo/core/types.h"
#include "runtime/base.h"
#include "runtime/globals.h"

#include <stdatomic.h>

enum {
    GOOI_SLOT_PROCESS = 0,
    GOOI_SLOT_COUNT = 64,
    GOOI_BATCH_ALL = 256 * 1024,
    GOOI_BATCH_MIN = 4 * 1024
};

typedef _Atomic size_t GooiCounter;

typedef struct GooiCounters {
    GooiCounter bytes_in, bytes_out; /* of blocks, what reallocs grew and shrank included */
    GooiCounter allocations, frees, failures;
    GooiCounter headers_in, headers_out; /* bytes of hidden headers */
    GooiCounter peak;    /* the highest bytes_in - bytes_out since it was settled; wraps below 0 */
    GooiCounter settled; /* the bytes_in - bytes_out that the totals know */
} GooiCounters;

struct GooiShard {
    GooiShard *next;   /* constant once it is in the list */
    _Atomic bool used; /* by a live thread */
    GooiCounters counters[GOOI_SLOT_COUNT];
};

typedef struct GooiTotals {
    GooiCounter bytes, peak; /* settled */
    /* What reset subtracts from what shards say; written under gooi_stats_lock. */
    GooiCounter base_allocations, base_frees, base_failures;
    _Atomic(const GooAllocator *) owner; /* NULL: the slot is free; slot 0 has none */
} GooiTotals;

extern GOOI_HIDDEN GooiTotals gooi_totals[GOOI_SLOT_COUNT];

/* The calling thread ends. */
void gooi_counters_leave(void);

/* A new peak of this shard, or a fall by more than a batch: tells the totals if it is time. */
GOOI_NEVER_INLINE void gooi_counters_rose(GooiCounters *c, unsigned slot);
GOOI_COLD void gooi_counters_fell(GooiCounters *c, unsigned slot);

/* A slot for an allocator, all its counters 0; 0 if none is left. Under no lock. */
unsigned gooi_counters_claim(GooAllocator *a, _Atomic size_t *token);
void gooi_counters_release(const GooAllocator *a, unsigned slot);

/* Adds up a slot. `base`: without what was there at the last reset. */
GooAllocStats gooi_counters_read(unsigned slot);
/* Totals begin at 0 again, and the peak at what is live. */
void gooi_counters_reset(unsigned slot);

static inline size_t gooi_counter_get(const GooiCounter *c) {
    return atomic_load_explicit(c, memory_order_relaxed);
}

/* COUNTERS-1 makes this an addition; released for COUNTERS-2. */
static inline size_t gooi_counter_add(GooiCounter *c, size_t amount) {
    size_t sum = gooi_counter_get(c) + amount;
    atomic_store_explicit(c, sum, memory_order_release);
    return sum;
}

/* Net sizes are differences modulo 2^n: compared by sign. */
static inline bool gooi_counters_above(size_t x, size_t y) {
    return (ptrdiff_t)(x - y) > 0;
}

/* Returns whether gooi_counters_rose is to be called. */
static GOOI_ALWAYS_INLINE bool gooi_counters_grow(GooiCounters *c, size_t size) {
    size_t net = gooi_counter_add(&c->bytes_in, size) - gooi_counter_get(&c->bytes_out);
    return gooi_counters_above(net, gooi_counter_get(&c->peak));
}

/* Returns whether gooi_counters_fell is to be called. */
static GOOI_ALWAYS_INLINE bool gooi_counters_shrink(GooiCounters *c, size_t size) {
    size_t out = gooi_counter_add(&c->bytes_out, size);
    size_t net = gooi_counter_get(&c->bytes_in) - out;
    size_t low = net + gooi_counter_get(&gooi_counters_batch);
    return gooi_counters_above(gooi_counter_get(&c->settled), low);
}

/* The same for a whole block. */
static GOOI_ALWAYS_INLINE bool gooi_counters_allocated_in(GooiShard *shard, unsigned slot,
                                                          size_t size, size_t header) {
    GooiCounters *c = &shard->counters[slot];
    gooi_counter_add(&c->allocations, 1);
    if (header != 0) {
        gooi_counter_add(&c->headers_in, header);
    }
    return gooi_counters_grow(c, size);
}

static GOOI_ALWAYS_INLINE bool gooi_counters_freed_in(GooiShard *shard, unsigned slot, size_t size,
                                                      size_t header, size_t count) {
    GooiCounters *c = &shard->counters[slot];
    gooi_counter_add(&c->frees, count);
    if (header != 0) {
        gooi_counter_add(&c->headers_out, header);
    }
    return gooi_counters_shrink(c, size);
}

/* The same on threads that may have no shard yet, or none at all. */
GOOI_COLD void gooi_counters_allocated_slow(unsigned slot, size_t size, size_t header);
GOOI_COLD void gooi_counters_freed_slow(unsigned slot, size_t size, size_t header, size_t count);
void gooi_counters_resized(unsigned slot, size_t old_size, size_t new_size);
void gooi_counters_failed(unsigned slot);

static GOOI_ALWAYS_INLINE void gooi_counters_allocated(unsigned slot, size_t size, size_t header) {
    GooiShard *shard = gooi_shard;
    if (GOOI_LIKELY(shard != NULL)) {
        if (gooi_counters_allocated_in(shard, slot, size, header)) {
            gooi_counters_rose(&shard->counters[slot], slot);
        }
    } else {
        gooi_counters_allocated_slow(slot, size, header);
    }
}

static GOOI_ALWAYS_INLINE void gooi_counters_freed(unsigned slot, size_t size, size_t header,
                                                   size_t count) {
    GooiShard *shard = gooi_shard;
    if (GOOI_LIKELY(shard != NULL)) {
        if (GOOI_UNLIKELY(gooi_counters_freed_in(shard, slot, size, header, count))) {
            gooi_counters_fell(&shard->counters[slot], slot);
        }
    } else {
        gooi_counters_freed_slow(slot, size, header, count);
    }
}

#endif
