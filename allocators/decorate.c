/* The part of tracking, limit and failing that is the same: passing on, and the claim with it.
 * Picture and invariants DECORATE-1 and DECORATE-2 are in decorate.h.
 *
 * A decorator does nothing for a reset but reset its parent. Each block that went, wherever the
 * reset began, arrives as a loss, so that a rewind of the arena below and a reset of the tracker
 * above settle the same figures in the same place, once.
 *
 * Threads: as the parent.
 */
#include "allocators/decorate.h"

#include "goo/runtime/memory.h"
#include "runtime/memory.h"
#include "runtime/system.h"

#include <errno.h>

/* What the parent gets to see. Bits for counters of the allocator that was called, the front door
 * removes. */
static inline GooAllocOptions decorate_options(const GooiDecorator *d, GooAllocOptions options) {
    return gooi_claimant_options(&d->claimant, options) & ~(GooAllocOptions)GOO_ALLOC_NOFAIL;
}

void *gooi_decorator_alloc(GooiDecorator *d, size_t size, size_t alignment,
                           GooAllocOptions options) {
    void *p = gooi_memory_alloc_claimed(d->parent, size, alignment, decorate_options(d, options));
    if (p != NULL) {
        gooi_claimant_got(&d->claimant, p, size);
    }
    return p;
}

void *gooi_decorator_realloc(GooiDecorator *d, void *ptr, size_t old_size, size_t new_size,
                             size_t alignment, GooAllocOptions options) {
    GooiShare *share = d->claimant.keeps_shares ? gooi_claimant_share(&d->claimant, ptr) : NULL;
    void *p = gooi_memory_realloc_claimed(d->parent, ptr, old_size, new_size, alignment,
                                          decorate_options(d, options));
    if (p != NULL) {
        gooi_share_add(share, (size_t)0 - old_size, (size_t)-1);
        gooi_claimant_got(&d->claimant, p, new_size);
    }
    return p;
}

void gooi_decorator_free(GooiDecorator *d, void *ptr, size_t size, size_t alignment) {
    gooi_claimant_gives(&d->claimant, ptr, size);
    goo_memory_free_options(d->parent, ptr, size, alignment);
}

bool gooi_decorator_resize(GooiDecorator *d, void *ptr, size_t old_size, size_t new_size,
                           size_t alignment) {
    bool resized = goo_memory_resize_options(d->parent, ptr, old_size, new_size, alignment);
    if (resized && d->claimant.keeps_shares) {
        gooi_share_add(gooi_claimant_share(&d->claimant, ptr), new_size - old_size, 0);
    }
    return resized;
}

void gooi_decorator_reset(GooAllocator *a) {
    goo_allocator_reset(((GooiDecorator *)(void *)a)->parent);
}

bool gooi_decorator_owns(GooAllocator *a, const void *ptr) {
    return goo_allocator_owns(((GooiDecorator *)(void *)a)->parent, ptr);
}

bool gooi_decorator_persists(GooAllocator *a, const void *ptr) {
    return gooi_block_persists(((GooiDecorator *)(void *)a)->parent, ptr);
}

GooAllocator *gooi_decorator_passes_to(const GooAllocator *a) {
    return ((const GooiDecorator *)(const void *)a)->parent;
}

const GooiAllocatorOps gooi_decorator_ops = {
    .reset = gooi_decorator_reset,
    .owns = gooi_decorator_owns,
    .persists = gooi_decorator_persists,
    .passes_to = gooi_decorator_passes_to,
};

/* --- create and destroy --- */

void gooi_decorator_destroy(void *self) {
    GooiDecorator *d = self;
    gooi_claimant_deinit(&d->claimant);
    gooi_system_free(NULL, d, sizeof *d, GOO_DEFAULT_ALIGNMENT);
}

static void decorate_fill_in(GooiDecorator *d, GooAllocator *parent, const GooAllocator *functions,
                             const GooiAllocatorOps *ops) {
    d->parent = parent;
    d->head = (GooiExtendedAllocator){*functions, ops};
    GooAllocator *a = &d->head.allocator;
    a->context = d;
    a->resize = parent->resize != NULL ? a->resize : NULL;
    a->destroy = a->destroy != NULL ? a->destroy : gooi_decorator_destroy;
    a->capabilities = (parent->capabilities &
                       (GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS |
                        GOO_ALLOCATOR_THREAD_SAFE | GOO_ALLOCATOR_OWNS)) |
                      GOOI_ALLOCATOR_EXTENDED | GOOI_ALLOCATOR_PAGES;
}

void *gooi_decorator_create(size_t struct_size, GooAllocator *parent, const GooAllocator *functions,
                            const GooiAllocatorOps *ops,
                            void (*lost)(GooiClaimant *, const GooiLoss *)) {
    GooiDecorator *d = gooi_system_alloc(NULL, struct_size, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_ZERO);
    if (d == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    parent = parent != NULL ? parent : gooi_current_allocator();
    decorate_fill_in(d, parent, functions, ops);
    if (!gooi_claimant_init(&d->claimant, &d->head.allocator, parent, NULL, lost)) {
        gooi_system_free(NULL, d, struct_size, GOO_DEFAULT_ALIGNMENT);
        return NULL;
    }
    return d;
}
