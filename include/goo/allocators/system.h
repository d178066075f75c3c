/* The system allocator: the C library's malloc behind the GooAllocator interface.
 *
 * Choose it when nothing else is known about the blocks: any size, any alignment, any thread, freed
 * in any order. Choose another where blocks die together or have one size. It is also the default
 * allocator, so a program needs one of its own only to give it a strategy, statistics or an
 * attachment of its own.
 *
 *     GooAllocator *a = goo_system_allocator_create();
 *     a->track_stats = true;
 *     void *p = goo_memory_alloc_with(a, 100);
 *     goo_memory_free_with(a, p, 100);
 *     goo_allocator_destroy(a);
 */
#ifndef GOO_ALLOCATORS_SYSTEM_H
#define GOO_ALLOCATORS_SYSTEM_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* Makes an allocator over malloc, with strategy NULL and statistics off.
 * Returns: the allocator. Fails: NULL, ENOMEM.
 * Owner: the caller, until goo_allocator_destroy. It keeps no list of its blocks: destroying it
 * frees the allocator only, and what it gave must be freed before.
 * Threads: any; the allocator too. In place: shrinking, and growth into the slack that malloc left
 * (GOO_ALLOC_GROWABLE asks for a quarter more). Cost: that of malloc, aligned_alloc and free. */
GOO_API GooAllocator *goo_system_allocator_create(void);

GOO_END_DECLS

#endif
