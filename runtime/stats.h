/* Counting for one allocator: what goo_get_alloc_stats says. Private.
 *
 * The front door calls these when `track_stats` is on, after the mechanism did its work, and once
 * per request. `header` is what was asked of the mechanism beyond what the caller asked for.
 *
 *   STATS-1  bytes_allocated is the sum of the sizes, and allocation_count the number, of the
 *            blocks that are live and were allocated while track_stats was on
 *   STATS-2  bytes_reserved is that sum with the headers
 *   STATS-3  nothing saturates: an underflow is a broken invariant or a wrong size at free
 *   STATS-4  the `stats` of a thread-safe allocator is no figure but a note where its counters are:
 *            allocation_count is 0 at first, then its slot, or SIZE_MAX when no slot was left and
 *            the other members are counted by atomics
 */
#ifndef GOO_RUNTIME_STATS_H
#define GOO_RUNTIME_STATS_H

#include "goo/core/types.h"
#include "runtime/base.h"
#include "runtime/counters.h"

#include <stdatomic.h>

void gooi_stats_allocated(GooAllocator *a, size_t size, size_t header);
void gooi_stats_resized(GooAllocator *a, size_t old_size, size_t new_size);
/* `count` blocks of `size` bytes in all went at once, in a reset. */
void gooi_stats_settled(GooAllocator *a, size_t size, size_t header, size_t count);
void gooi_stats_failed(GooAllocator *a);
/* What was counted by these, also for an allocator that shows counters of its own. */
GooAllocStats gooi_stats_counted(GooAllocator *a);
/* The allocator is about to be destroyed. */
void gooi_stats_forget(GooAllocator *a);

/* The slot of a thread-safe allocator that has one (STATS-4), else 0. */
static inline unsigned gooi_stats_known_slot(const GooAllocator *a) {
    if ((a->capabilities & GOO_ALLOCATOR_THREAD_SAFE) == 0) {
        return 0;
    }
    const _Atomic size_t *token = (const _Atomic size_t *)&a->stats.allocation_count;
    size_t slot = atomic_load_explicit(token, memory_order_acquire);
    return slot < GOOI_SLOT_COUNT ? (unsigned)slot : 0;
}

/* The first and the last of the calls above where it is known. */
static GOOI_ALWAYS_INLINE void gooi_stats_count_alloc(GooAllocator *a, size_t size,
                                                      size_t header) {
    unsigned slot = gooi_stats_known_slot(a);
    if (GOOI_LIKELY(slot != 0)) {
        gooi_counters_allocated(slot, size, header);
    } else {
        gooi_stats_allocated(a, size, header);
    }
}

static GOOI_ALWAYS_INLINE void gooi_stats_count_freed(GooAllocator *a, size_t size, size_t header,
                                                      size_t count) {
    unsigned slot = gooi_stats_known_slot(a);
    if (GOOI_LIKELY(slot != 0)) {
        gooi_counters_freed(slot, size, header, count);
    } else {
        gooi_stats_settled(a, size, header, count);
    }
}

#endif
