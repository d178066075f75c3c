/* The page allocator: whole pages straight from the operating system.
 *
 * Choose it as the parent of allocators that subdivide large blocks, for blocks that must start on
 * a page, and for big ones that should leave the process when they are freed. Choose another for
 * anything below some tens of KiB: a block costs a system call each way and at least a page.
 *
 *     GooAllocator *pages = goo_page_allocator_create();
 *     void *p = goo_memory_alloc_with(pages, 1 << 20);
 *     goo_memory_free_with(pages, p, 1 << 20);
 *     goo_allocator_destroy(pages);
 */
#ifndef GOO_ALLOCATORS_PAGE_H
#define GOO_ALLOCATORS_PAGE_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* Makes an allocator of pages, with strategy NULL and statistics off.
 * Returns: the allocator. Its blocks are aligned to a page, or to more if asked, read zero, and
 * take their size rounded up to whole pages. Fails: NULL, ENOMEM.
 * Owner: the caller, until goo_allocator_destroy, which frees the allocator only: it keeps no list
 * of its blocks, and what it gave must be freed before.
 * Threads: any; the allocator too. In place: shrinking, which gives the pages behind back at once,
 * and growth within the last page. Cost: system calls, linear in pages when they are touched. */
GOO_API GooAllocator *goo_page_allocator_create(void);

GOO_END_DECLS

#endif
