/* Statistics: what an allocator has given out.
 *
 * Choose `track_stats` for figures about one allocator. It is off after every create call; switch
 * it on, or off, while the allocator holds no blocks, because a block that was not counted when it
 * was allocated is counted when it is freed.
 *
 *     GooAllocator *a = goo_system_allocator_create();
 *     a->track_stats = true;
 *     void *p = goo_memory_alloc_with(a, 100);
 *     printf("%zu bytes live\n", goo_get_alloc_stats(a).bytes_allocated);
 */
#ifndef GOO_STATS_H
#define GOO_STATS_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* Reads an allocator's counters; `a` NULL means this thread's allocator.
 * A realloc is no new allocation, whether it moved or not. A request of size 0 counts as nothing. A
 * request refused for its size or its arguments counts as failed and as nothing else.
 * Returns: a snapshot, exact whenever no other thread is inside a call on this allocator; all zero
 * if it never tracked. Threads: any for a thread-safe allocator, else the owner. Cost: constant. */
GOO_API GooAllocStats goo_get_alloc_stats(GooAllocator *a);

GOO_END_DECLS

#endif
