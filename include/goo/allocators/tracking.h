/* The tracking allocator: exact counts of what passes through it.
 *
 * Choose it to know what one part of a program uses, however many threads it has, when the figures
 * must be exact at every moment. Choose `track_stats` of any allocator for figures that cost less,
 * and the debug allocator to learn where blocks came from.
 *
 *     GooAllocator *a = goo_tracking_allocator_create(NULL);
 *     void *p = goo_memory_alloc_with(a, 100);
 *     printf("%zu bytes in %zu blocks\n", goo_get_alloc_stats(a).bytes_allocated,
 *            goo_get_alloc_stats(a).allocation_count);
 *     goo_memory_free_with(a, p, 100);
 *     goo_allocator_destroy(a);
 */
#ifndef GOO_ALLOCATORS_TRACKING_H
#define GOO_ALLOCATORS_TRACKING_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* Makes an allocator that passes every request to `parent` (NULL: this thread's allocator) and
 * counts it, with strategy NULL and `track_stats` off, which makes no difference to its counts.
 * Returns: the allocator. It can do what the parent can. goo_get_alloc_stats reports its counts:
 * current bytes, their peak, live blocks, totals, failed requests. A block of the legacy API counts
 * with its hidden header. goo_allocator_reset resets the parent, where it can. Blocks that the
 * parent takes back by a reset, rewind, end or unwind count as freed, whoever began it; only what
 * lies under an allocator written by hand is not seen.
 * Fails: NULL, ENOMEM.
 * Owner: the caller, until goo_allocator_destroy, which frees the allocator only. The parent must
 * outlive it; blocks are the parent's.
 * Threads: any over a thread-safe parent, else one at a time; a snapshot from any thread in both
 * cases, exact when the others are quiet. Cost: above the parent's, two atomic additions. */
GOO_API GooAllocator *goo_tracking_allocator_create(GooAllocator *parent);

GOO_END_DECLS

#endif
