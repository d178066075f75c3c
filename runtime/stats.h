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

void gooi_stats_allocated(GooAllocator *a, size_t size, size_t header);
void gooi_stats_freed(GooAllocator *a, size_t size, size_t header);
void gooi_stats_resized(GooAllocator *a, size_t old_size, size_t new_size);
/* `count` blocks of `size` bytes in all went at once, in a reset. */
void gooi_stats_settled(GooAllocator *a, size_t size, size_t header, size_t count);
void gooi_stats_failed(GooAllocator *a);
/* The allocator is about to be destroyed. */
void gooi_stats_forget(GooAllocator *a);

#endif
