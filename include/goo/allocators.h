/* Every ready-made allocator, one header each.
 *
 * Choose by how blocks die. In any order: system. As whole pages: page. All together: arena. In
 * nested phases: region. With calls to make at the end: scoped. In reverse order: stack. One size,
 * in any order: pool. Within bytes at hand: fixed, and fallback where that may not do. A library
 * that takes a GooAllocator * and includes goo/core/types.h alone needs none of these.
 *
 *     GooAllocator *a = goo_system_allocator_create();
 *     void *p = goo_memory_alloc_with(a, 100);
 *     goo_memory_free_with(a, p, 100);
 *     goo_allocator_destroy(a);
 */
#ifndef GOO_ALLOCATORS_H
#define GOO_ALLOCATORS_H

#include "goo/allocators/arena.h"
#include "goo/allocators/buffer_pool.h"
#include "goo/allocators/debug.h"
#include "goo/allocators/failing.h"
#include "goo/allocators/fallback.h"
#include "goo/allocators/fixed.h"
#include "goo/allocators/host.h"
#include "goo/allocators/limit.h"
#include "goo/allocators/page.h"
#include "goo/allocators/pool.h"
#include "goo/allocators/region.h"
#include "goo/allocators/scoped.h"
#include "goo/allocators/stack.h"
#include "goo/allocators/system.h"
#include "goo/allocators/tracking.h"

#endif
