/* What decorators share: allocators that pass every request to a parent and add one thing. Private.
 *
 *     GooiDecorator ──parent──▶ any allocator, another decorator included
 *      claimant                 hears of blocks that go without a free each (claims.h)
 *
 * A decorator has its parent's capabilities: it resizes, resets, owns and is thread-safe exactly
 * where the parent is. The parent is reached through the front door, so that its counters, limits
 * and strategy hold. NOFAIL stays above: a decorator that can't have a block says so, and whoever
 * asked the decorator decides.
 *
 *   DECORATE-1  the struct lies in system memory, since the parent may be reset, or too small
 *   DECORATE-2  what a decorator counts is settled where blocks go, however they go: a reset of the
 *               decorator only resets the parent
 *
 * Threads: as the parent.
 */
#ifndef GOO_ALLOCATORS_DECORATE_H
#define GOO_ALLOCATORS_DECORATE_H

#include "allocators/claims.h"
#include "goo/core/types.h"
#include "runtime/globals.h"

typedef struct GooiDecorator {
    GooiExtendedAllocator head;
    GooAllocator *parent;
    GooiClaimant claimant;
} GooiDecorator;

static inline GooiDecorator *gooi_decorator_of(GooiClaimant *c) {
    return (GooiDecorator *)(void *)c->self;
}

/* A zeroed struct of `struct_size` bytes that begins with a GooiDecorator, over `parent` (NULL:
 * this thread's allocator). `functions` gives alloc, realloc, free, resize, destroy and name;
 * `lost` may be NULL. NULL with ENOMEM. */
void *gooi_decorator_create(size_t struct_size, GooAllocator *parent, const GooAllocator *functions,
                            const GooiAllocatorOps *ops,
                            void (*lost)(GooiClaimant *, const GooiLoss *));
/* Frees the struct; blocks are the parent's. A GooDestroyFn. */
void gooi_decorator_destroy(void *self);

/* The parent's answers, with the claim kept. */
void *gooi_decorator_alloc(GooiDecorator *d, size_t size, size_t alignment,
                           GooAllocOptions options);
void *gooi_decorator_realloc(GooiDecorator *d, void *ptr, size_t old_size, size_t new_size,
                             size_t alignment, GooAllocOptions options);
void gooi_decorator_free(GooiDecorator *d, void *ptr, size_t size, size_t alignment);
bool gooi_decorator_resize(GooiDecorator *d, void *ptr, size_t old_size, size_t new_size,
                           size_t alignment);
/* For GooiAllocatorOps: the parent's answers. */
void gooi_decorator_reset(GooAllocator *a);
bool gooi_decorator_owns(GooAllocator *a, const void *ptr);
bool gooi_decorator_persists(GooAllocator *a, const void *ptr);
GooAllocator *gooi_decorator_passes_to(const GooAllocator *a);

/* These four: for a decorator that has nothing to add to them. */
extern const GooiAllocatorOps gooi_decorator_ops;

#endif
