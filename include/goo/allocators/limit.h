/* The limit allocator: at most so many bytes at a time.
 *
 * Choose it to give a part of a program, a script or a request, a budget that it can't exceed.
 * Limits nest: put a limit for each client over one for all of them, and what one client frees
 * another may use. Choose GooMemoryConfig.limit_bytes for the process as a whole.
 *
 *     GooAllocator *all = goo_limit_allocator_create(NULL, 64 << 20);
 *     GooAllocator *client = goo_limit_allocator_create(all, 16 << 20);
 *     void *p = goo_memory_alloc_with(client, 20 << 20);     // NULL, ENOMEM
 *     goo_allocator_destroy(client);
 *     goo_allocator_destroy(all);
 */
#ifndef GOO_ALLOCATORS_LIMIT_H
#define GOO_ALLOCATORS_LIMIT_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* Makes an allocator that passes requests to `parent` (NULL: this thread's allocator) as long as
 * the sizes of its live blocks add up to at most `max_bytes`; with 0 it gives nothing. Strategy
 * NULL, statistics off.
 * Returns: the allocator. It can do what the parent can. A request beyond the budget is NULL with
 * ENOMEM, or false for a resize, and changes nothing; one that the parent refuses takes nothing
 * from the budget. A realloc takes what it adds. goo_allocator_reset resets the parent, where it
 * can. Blocks that the parent takes back by a reset, rewind, end or unwind, whoever began it, give
 * their budget back.
 * Fails: NULL, ENOMEM.
 * Owner: the caller, until goo_allocator_destroy, which frees the allocator only. The parent must
 * outlive it; blocks are the parent's.
 * Threads: any over a thread-safe parent, and then never over budget; else one at a time.
 * Cost: above the parent's, one atomic operation. */
GOO_API GooAllocator *goo_limit_allocator_create(GooAllocator *parent, size_t max_bytes);

/* Returns how many bytes of the budget are in use. `limit` is a limit allocator; another panics.
 * Threads: any. Cost: constant. */
GOO_API size_t goo_limit_used(const GooAllocator *limit);

GOO_END_DECLS

#endif
