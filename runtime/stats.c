/* Per-allocator counting, by plain arithmetic or, for thread-safe allocators, by atomics.
 *
 * The public struct holds plain size_t members, so that it comes through to other languages whole.
 * A size_t and an _Atomic size_t are one object here, which the static asserts below pin down.
 * Relaxed order is enough: each counter is exact by itself, and the header promises agreement
 * between counters only when the threads are quiet. The peak follows the counter that it is the
 * maximum of, from the value that each addition returned, so no peak is missed.
 *
 *   invariants STATS-1 to STATS-3: runtime/stats.h
 *
 * Threads: any on a thread-safe allocator, else one at a time.
 * Left out on purpose: shards per thread; they come with the counters of the whole process.
 */
#include "runtime/stats.h"

#include "goo/runtime/stats.h"
#include "runtime/check.h"
#include "runtime/globals.h"

#include <stdatomic.h>

typedef _Atomic size_t StatsCounter;
_Static_assert(sizeof(StatsCounter) == sizeof(size_t), "counters are plain words");
_Static_assert(_Alignof(StatsCounter) == _Alignof(size_t), "counters are plain words");

static bool stats_shared(const GooAllocator *a) {
    return (a->capabilities & GOO_ALLOCATOR_THREAD_SAFE) != 0;
}

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

void gooi_stats_allocated(GooAllocator *a, size_t size, size_t header) {
    GooAllocStats *s = &a->stats;
    stats_raise(a, &s->max_bytes_allocated, stats_add(a, &s->bytes_allocated, size));
    stats_add(a, &s->bytes_reserved, size + header);
    stats_add(a, &s->allocation_count, 1);
    stats_add(a, &s->total_allocations, 1);
}

void gooi_stats_freed(GooAllocator *a, size_t size, size_t header) {
    GooAllocStats *s = &a->stats;
    stats_subtract(a, &s->bytes_allocated, size);
    stats_subtract(a, &s->bytes_reserved, size + header);
    stats_subtract(a, &s->allocation_count, 1);
    stats_add(a, &s->total_frees, 1);
}

void gooi_stats_settled(GooAllocator *a, size_t size, size_t header, size_t count) {
    GooAllocStats *s = &a->stats;
    stats_subtract(a, &s->bytes_allocated, size);
    stats_subtract(a, &s->bytes_reserved, size + header);
    stats_subtract(a, &s->allocation_count, count);
    stats_add(a, &s->total_frees, count);
}

void gooi_stats_resized(GooAllocator *a, size_t old_size, size_t new_size) {
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

void gooi_stats_failed(GooAllocator *a) {
    stats_add(a, &a->stats.failed_allocations, 1);
}

static size_t stats_read(const GooAllocator *a, size_t *counter) {
    return stats_shared(a) ? atomic_load_explicit((StatsCounter *)counter, memory_order_relaxed)
                           : *counter;
}

GooAllocStats goo_get_alloc_stats(GooAllocator *a) {
    if (a == NULL) {
        a = gooi_current_allocator();
    }
    if ((a->capabilities & GOOI_ALLOCATOR_EXTENDED) != 0) {
        const GooiAllocatorOps *ops = ((const GooiExtendedAllocator *)(const void *)a)->ops;
        if (ops->stats != NULL) {
            return ops->stats(a);
        }
    }
    GooAllocStats *s = &a->stats;
    return (GooAllocStats){
        .bytes_allocated = stats_read(a, &s->bytes_allocated),
        .bytes_reserved = stats_read(a, &s->bytes_reserved),
        .max_bytes_allocated = stats_read(a, &s->max_bytes_allocated),
        .allocation_count = stats_read(a, &s->allocation_count),
        .total_allocations = stats_read(a, &s->total_allocations),
        .total_frees = stats_read(a, &s->total_frees),
        .failed_allocations = stats_read(a, &s->failed_allocations),
    };
}
