/* The scope: blocks and calls that end together, the latest first.
 *
 * Choose it for a function with many ways out, or an object that owns a bundle of things: what is
 * allocated is freed and what was deferred is called when the scope ends, or is unwound to a mark.
 * Choose an arena where there is nothing to call.
 *
 *     GooAllocator *scope = goo_scoped_allocator_create(NULL);
 *     char *text = goo_memory_alloc_with(scope, 100);
 *     FILE *file = fopen("data", "rb");
 *     if (file == NULL || goo_scope_defer(scope, close_file, file) != GOO_OK) { ... }
 *     goo_allocator_destroy(scope);                    closes the file, then frees the text
 *
 * Blocks may be freed, grown and shrunk singly in any order. Small ones share memory, which comes
 * back with the scope, or at once for the last; one above some KiB has memory of its own, which a
 * free returns to the parent. Blocks that somebody counts have a record of 32 bytes in front, as an
 * arena's.
 *
 * Foreign pointers, double frees and wrong sizes are not noticed here: to look for them put the
 * debug allocator over the scope.
 */
#ifndef GOO_ALLOCATORS_SCOPED_H
#define GOO_ALLOCATORS_SCOPED_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* Makes a scope; strategy NULL, statistics off.
 * Returns: the scope. Fails: NULL, ENOMEM. Owner: the caller, until goo_allocator_destroy, which
 * unwinds all of it; the parent (NULL: this thread's allocator) must outlive it. Threads: one at a
 * time. Cost: one allocation; memory comes with the first requests. A request is constant time but
 * for getting memory; a free too, but for large blocks, of which it looks at those made since. */
GOO_API GooAllocator *goo_scoped_allocator_create(GooAllocator *parent);

/* Has fn(arg) called when the scope is destroyed, reset or unwound past this point: after what was
 * deferred and allocated later went, before what was allocated earlier goes. fn may use the scope.
 * Returns: GOO_OK. Fails: GOO_ERR_NO_MEMORY, GOO_ERR_INVALID_ARGUMENT for a NULL fn; nothing is
 * registered then, and fn is not called: what it should have ended is the caller's to end now.
 * Threads: the scope's. Cost: that of a small block. */
GOO_API GooStatus goo_scope_defer(GooAllocator *scope, void (*fn)(void *), void *arg);

/* Notes where the scope is. Blocks from before keep their place until it is unwound: a free of
 * theirs gives no room back, and growing moves a small one behind the mark.
 * Returns: the mark; 0 for an empty scope. Threads: the scope's. Cost: constant. */
GOO_API size_t goo_scope_mark(GooAllocator *scope);

/* Frees what was allocated, and calls what was deferred, since a mark, the latest first. The mark
 * stays good. A mark that lies ahead of the scope, which was unwound further since, panics.
 * goo_allocator_reset is an unwind to 0.
 * Threads: the scope's. Cost: the calls, and linear in the memory given up. */
GOO_API void goo_scope_unwind(GooAllocator *scope, size_t mark);

GOO_END_DECLS

#endif
