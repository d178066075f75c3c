/* What decorators share: allocators that pass every request to a parent and add one thing. Private.
 *
 *     GooiDecorator ──parent──▶ any allocator, another decorator included
 *      kept ──▶ {block, size} …    blocks with GOO_ALLOC_PERSIST over a parent that resets
 *
 * A decorator has its parent's capabilities: it resizes, resets, owns and is thread-safe exactly
 * where the parent is. The parent is reached through the front door, so that its counters, limits
 * and strategy hold. NOFAIL stays above: a decorator that can't have a block says so, and whoever
 * asked the decorator decides.
 *
 *   DECORATE-1  the struct lies in system memory, since the parent may be reset, or too small
 *   DECORATE-2  `kept` holds exactly the live blocks with PERSIST, if the parent resets; else none
 *
 * Threads: as the parent. A reset of the parent behind a decorator's back is not noticed.
 */
#ifndef GOO_ALLOCATORS_DECORATE_H
#define GOO_ALLOCATORS_DECORATE_H

#include "goo/core/types.h"
#include "runtime/globals.h"

#include <stdatomic.h>

typedef struct GooiKeptBlock {
    void *ptr;
    size_t size;
} GooiKeptBlock;

typedef struct GooiDecorator {
    GooiExtendedAllocator head;
    GooAllocator *parent;
    GooiKeptBlock *kept;
    size_t kept_capacity;
    _Atomic size_t kept_count; /* changes under kept_lock */
    atomic_flag kept_lock;
} GooiDecorator;

/* What survived a reset. */
typedef struct GooiKeptTotal {
    size_t bytes, count;
} GooiKeptTotal;

/* A zeroed struct of `struct_size` bytes that begins with a GooiDecorator, over `parent` (NULL:
 * this thread's allocator). `functions` gives alloc, realloc, free, resize, destroy and name.
 * NULL with ENOMEM. */
void *gooi_decorator_create(size_t struct_size, GooAllocator *parent, const GooAllocator *functions,
                            const GooiAllocatorOps *ops);
/* Frees the struct; blocks are the parent's. A GooDestroyFn. */
void gooi_decorator_destroy(void *self);

/* The parent's answers, DECORATE-2 kept. */
void *gooi_decorator_alloc(GooiDecorator *d, size_t size, size_t alignment,
                           GooAllocOptions options);
void *gooi_decorator_realloc(GooiDecorator *d, void *ptr, size_t old_size, size_t new_size,
                             size_t alignment, GooAllocOptions options);
void gooi_decorator_free(GooiDecorator *d, void *ptr, size_t size, size_t alignment);
bool gooi_decorator_resize(GooiDecorator *d, void *ptr, size_t old_size, size_t new_size,
                           size_t alignment);
/* Resets the parent, which can. */
GooiKeptTotal gooi_decorator_reset(GooiDecorator *d);

/* DECORATE-2 by hand, for who has two parents: a block is to persist (false: no memory to note it);
 * whether it was; a block, noted or not, is now at `ptr` with `size` bytes (0: it is gone); what of
 * them `holder` still has after a reset. */
bool gooi_decorator_keep(GooiDecorator *d, void *ptr, size_t size);
bool gooi_decorator_keeps(GooiDecorator *d, const void *ptr);
void gooi_decorator_changed(GooiDecorator *d, const void *old_ptr, void *ptr, size_t size);
GooiKeptTotal gooi_decorator_count_kept(GooiDecorator *d, GooAllocator *holder);
/* The `owns` of GooiAllocatorOps. */
bool gooi_decorator_owns(GooAllocator *a, const void *ptr);

#endif
