/* The fallback allocator: two allocators behind one name, the second when the first is full.
 *
 * Choose it to spend a fast or nearby memory first: a buffer on the stack and then the heap, an
 * arena with a limit and then pages.
 *
 *     uint8_t bytes[1024];
 *     GooFixedBuffer fixed;
 *     GooAllocator *a = goo_fallback_allocator_create(
 *         goo_fixed_allocator_init(&fixed, bytes, sizeof bytes), goo_get_default_allocator());
 *     void *p = goo_memory_alloc_with(a, 5000);
 *     goo_memory_free_with(a, p, 5000);
 *     goo_allocator_destroy(a);
 */
#ifndef GOO_ALLOCATORS_FALLBACK_H
#define GOO_ALLOCATORS_FALLBACK_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* Makes a fallback allocator; strategy NULL, statistics off. A request goes to the first, with that
 * one's strategy, and when it fails to the second. A free, resize or realloc goes to the allocator
 * that owns the block; when that one has no room for a realloc, the block moves to the other.
 * It frees, resizes if either does, and resets, is thread-safe and owns if both do.
 * Returns: the allocator. Fails: NULL with EINVAL where the first can't say what it owns
 * (GOO_ALLOCATOR_OWNS) or is the second; ENOMEM. Owner: the caller, until goo_allocator_destroy;
 * the two (NULL: this thread's allocator) stay their owners', keep what they gave, and must outlive
 * it. Threads: as for the two. Cost: that of the two, and of asking the first what it owns. */
GOO_API GooAllocator *goo_fallback_allocator_create(GooAllocator *first, GooAllocator *second);

GOO_END_DECLS

#endif
