/* Per-allocator counting: plain arithmetic, or, for thread-safe allocators, counters by thread.
 *
 * The public struct holds plain size_t members, so that it comes through to other languages whole.
 * An allocator that belongs to one thread counts there. One that any thread may use gets a slot in
 * every thread's shard (counters.h) when it first counts, and its struct remembers the slot
 * (STATS-4): found with two loads, written without a locked instruction. When all slots are taken
 * its struct is counted with atomics: a size_t and an _Atomic size_t are one object here, which the
 * static asserts below pin down, and allocation_count is what the totals say.
 *
 *   invariants STATS-1 to STATS-4: runtime/stats.h
 *
 * Threads: any on a thread-safe allocator, else one at a time.
 */
#include "runtime/stats.h"

#include "goo/runtime/stats.h"
#include "runtime/check.h"
#include "runtime/counters.h"
#include "runtime/globals.h"

#include <stdatomic.h>

typedef _Atomic size_t StatsCounter;
_Static_assert(sizeof(StatsCounter) == sizeof(size_t), "counters are plain words");
_Static_assert(_Alignof(StatsCounter) == _Alignof(size_t), "counters are plain words");

static inline bool stats_shared(const GooAllocator *a) {
    return (a->capabilities & GOO_ALLOCATOR_THREAD_SAFE) != 0;
}

/* --- where the counters of a thread-safe allocator are (STATS-4) --- */

static inline StatsCounter *stats_token(GooAllocator *a) {
    return (StatsCounter *)&a->stats.allocation_count;
}

/* Its slot, claimed if need be; 0: it has none, count by atomics. */
static inline unsigned stats_slot(GooAllocator *a) {
    size_t token = atomic_load_explicit(stats_token(a), memory_order_acquire);
    if (GOOI_LIKELY(token - 1 < GOOI_SLOT_COUNT - 1)) {
        return (unsigned)token;
    }
    return token == 0 ? gooi_counters_claim(a, stats_token(a)) : 0;
}

void gooi_stats_forget(GooAllocator *a) {
    if (stats_shared(a)) {
        size_t token = atomic_load_explicit(stats_token(a), memory_order_acquire);
        if (token != 0 && token < GOOI_SLOT_COUNT) {
            gooi_counters_release(a, (unsigned)token);
        }
    }
}

/* --- counters in the struct --- */

/* Returns the value after the addition. */
static size_t stats_add(const GooAllocator *a, size_t *counter, size_t amount) {
    if (stats_shared(a)) {
        return amount +
               atomic_fetch_add_explicit((StatsCounter *)counter, amount, memory_order_relaxed);
    }
    return *counter += amount;
}

static void stats_subtract(const GooAllocator *a, size_t *counter, size_t amount) {
    size_t before;
    if (stats_shared(a)) {
        before = atomic_fetch_sub_explicit((StatsCounter *)counter, amount, memory_order_relaxed);
    } else {
        before = *counter;
        *counter -= amount;
    }
    GOO_ASSERT(before >= amount,
               "stats of allocator '%s': %zu subtracted from %zu: freed with a wrong size, or "
               "track_stats changed while blocks were live (STATS-3)",
               a->name != NULL ? a->name : "?", amount, before);
    (void)before;
}

static void stats_raise(const GooAllocator *a, size_t *peak, size_t value) {
    if (!stats_shared(a)) {
        if (*peak < value) {
            *peak = value;
        }
        return;
    }
    size_t seen = atomic_load_explicit((StatsCounter *)peak, memory_order_relaxed);
    while (seen < value &&
           !atomic_compare_exchange_weak_explicit((StatsCounter *)peak, &seen, value,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

static void stats_count_blocks(GooAllocator *a, bool more, size_t count) {
    if (stats_shared(a)) {
        return; /* the totals say it */
    }
    if (more) {
        stats_add(a, &a->stats.allocation_count, count);
    } else {
        stats_subtract(a, &a->stats.allocation_count, count);
    }
}

static void stats_allocated_here(GooAllocator *a, size_t size, size_t header) {
    GooAllocStats *s = &a->stats;
    stats_raise(a, &s->max_bytes_allocated, stats_add(a, &s->bytes_allocated, size));
    stats_add(a, &s->bytes_reserved, size + header);
    stats_count_blocks(a, true, 1);
    stats_add(a, &s->total_allocations, 1);
}

static void stats_freed_here(GooAllocator *a, size_t size, size_t header, size_t count) {
    GooAllocStats *s = &a->stats;
    stats_subtract(a, &s->bytes_allocated, size);
    stats_subtract(a, &s->bytes_reserved, size + header);
    stats_count_blocks(a, false, count);
    stats_add(a, &s->total_frees, count);
}

static void stats_resized_here(GooAllocator *a, size_t old_size, size_t new_size) {
    GooAllocStats *s = &a->stats;
    if (new_size >= old_size) {
        size_t growth = new_size - old_size;
        stats_raise(a, &s->max_bytes_allocated, stats_add(a, &s->bytes_allocated, growth));
        stats_add(a, &s->bytes_reserved, growth);
    } else {
        stats_subtract(a, &s->bytes_allocated, old_size - new_size);
        stats_subtract(a, &s->bytes_reserved, old_size - new_size);
    }
}

/* --- what happened --- */

void gooi_stats_allocated(GooAllocator *a, size_t size, size_t header) {
    unsigned slot = stats_shared(a) ? stats_slot(a) : 0;
    if (slot != 0) {
        gooi_counters_allocated(slot, size, header);
    } else {
        stats_allocated_here(a, size, header);
    }
}

void gooi_stats_settled(GooAllocator *a, size_t size, size_t header, size_t count) {
    unsigned slot = stats_shared(a) ? stats_slot(a) : 0;
    if (slot != 0) {
        gooi_counters_freed(slot, size, header, count);
    } else {
        stats_freed_here(a, size, header, count);
    }
}

void gooi_stats_resized(GooAllocator *a, size_t old_size, size_t new_size) {
    unsigned slot = stats_shared(a) ? stats_slot(a) : 0;
    if (slot != 0) {
        gooi_counters_resized(slot, old_size, new_size);
    } else {
        stats_resized_here(a, old_size, new_size);
    }
}

void gooi_stats_failed(GooAllocator *a) {
    unsigned slot = stats_shared(a) ? stats_slot(a) : 0;
    if (slot != 0) {
        gooi_counters_failed(slot);
    } else {
        stats_add(a, &a->stats.failed_allocations, 1);
    }
}

/* --- reading --- */

static size_t stats_read(const GooAllocator *a, const size_t *counter) {
    return stats_shared(a)
               ? atomic_load_explicit((const StatsCounter *)counter, memory_order_relaxed)
               : *counter;
}

static GooAllocStats stats_read_here(const GooAllocator *a) {
    const GooAllocStats *s = &a->stats;
    GooAllocStats read = {
        .bytes_allocated = stats_read(a, &s->bytes_allocated),
        .bytes_reserved = stats_read(a, &s->bytes_reserved),
        .max_bytes_allocated = stats_read(a, &s->max_bytes_allocated),
        .total_frees = stats_read(a, &s->total_frees), /* before the allocations */
        .total_allocations = stats_read(a, &s->total_allocations),
        .failed_allocations = stats_read(a, &s->failed_allocations),
    };
    read.allocation_count =
        stats_shared(a) ? read.total_allocations - read.total_frees : s->allocation_count;
    return read;
}

GooAllocStats gooi_stats_counted(GooAllocator *a) {
    if (stats_shared(a)) {
        size_t token = atomic_load_explicit(stats_token(a), memory_order_acquire);
        if (token != 0 && token < GOOI_SLOT_COUNT) {
            return gooi_counters_read((unsigned)token);
        }
    }
    return stats_read_here(a);
}

GooAllocStats goo_get_alloc_stats(GooAllocator *a) {
    a = a != NULL ? a : gooi_current_allocator();
    const GooiAllocatorOps *ops = gooi_allocator_ops(a);
    return ops->stats != NULL ? ops->stats(a) : gooi_stats_counted(a);
}
