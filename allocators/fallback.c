/* The fallback allocator: asks the first, then the second; whose a block is, the first can say.
 *
 *   FALLBACK-1  a block belongs to the first iff the first owns its address, so that is not noted
 *   FALLBACK-2  the two are reached through the front door and see sizes, alignments and options as
 *               the caller gave them, so that what they count at the beginning and end of a block
 *               agrees, also when it moved
 *
 * Threads: as for the two; no state of its own that changes.
 */
#include "goo/allocators/fallback.h"

#include "allocators/decorate.h"
#include "allocators/impl.h"
#include "runtime/system.h"

#include <errno.h>
#include <string.h>

typedef struct Fallback {
    GooiDecorator base; /* its parent is not used; blocks that survive a reset are noted in it */
    GooAllocator *first, *second;
} Fallback;

/* Both failed: one that ran out of memory decides, so that a handler which frees some is asked. */
static void fallback_set_reason(int first_reason) {
    errno = first_reason == ENOMEM ? ENOMEM : errno;
}

/* For the two: a failure of theirs is not the end yet. */
static GooAllocOptions fallback_options(GooAllocOptions options) {
    return options & GOOI_ALLOC_PUBLIC & ~(GooAllocOptions)GOO_ALLOC_NOFAIL;
}

static void *fallback_obtain(const Fallback *f, size_t size, size_t alignment,
                             GooAllocOptions options) {
    options = fallback_options(options);
    int saved_errno = errno;
    void *p = goo_memory_alloc_options(f->first, size, alignment, options);
    if (p == NULL) {
        int first_reason = errno;
        errno = saved_errno;
        p = goo_memory_alloc_options(f->second, size, alignment, options);
        if (p == NULL) {
            fallback_set_reason(first_reason);
        }
    }
    return p;
}

static GooAllocator *fallback_owner(const Fallback *f, const void *ptr) {
    return goo_allocator_owns(f->first, ptr) ? f->first : f->second;
}

static void *fallback_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    Fallback *f = ctx;
    void *p = fallback_obtain(f, size, alignment, options);
    bool persists = (options & GOO_ALLOC_PERSIST) != 0 && f->base.head.ops->reset != NULL;
    if (p != NULL && persists && !gooi_decorator_keep(&f->base, p, size)) {
        goo_memory_free_options(fallback_owner(f, p), p, size, alignment);
        errno = ENOMEM;
        return NULL;
    }
    return p;
}

static void fallback_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    Fallback *f = ctx;
    gooi_decorator_changed(&f->base, ptr, NULL, 0);
    goo_memory_free_options(fallback_owner(f, ptr), ptr, size, alignment);
}

static bool fallback_resize(void *ctx, void *ptr, size_t old_size, size_t new_size,
                            size_t alignment) {
    Fallback *f = ctx;
    GooAllocator *owner = fallback_owner(f, ptr);
    bool resized = goo_memory_resize_options(owner, ptr, old_size, new_size, alignment);
    if (resized) {
        gooi_decorator_changed(&f->base, ptr, ptr, new_size);
    }
    return resized;
}

static void *fallback_move(const Fallback *f, void *ptr, size_t old_size, size_t new_size,
                           size_t alignment, GooAllocOptions options) {
    GooAllocator *owner = fallback_owner(f, ptr);
    options = fallback_options(options);
    int saved_errno = errno;
    void *p = goo_memory_realloc_options(owner, ptr, old_size, new_size, alignment, options);
    if (p != NULL) {
        return p;
    }
    GooAllocator *other = owner == f->first ? f->second : f->first;
    int first_reason = errno;
    errno = saved_errno;
    p = goo_memory_alloc_options(other, new_size, alignment, options);
    if (p == NULL) {
        fallback_set_reason(first_reason);
        return NULL;
    }
    memcpy(p, ptr, old_size < new_size ? old_size : new_size);
    goo_memory_free_options(owner, ptr, old_size, alignment);
    return p;
}

static void *fallback_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size,
                              size_t alignment, GooAllocOptions options) {
    Fallback *f = ctx;
    options |= gooi_decorator_keeps(&f->base, ptr) ? GOO_ALLOC_PERSIST : 0u;
    void *p = fallback_move(f, ptr, old_size, new_size, alignment, options);
    if (p != NULL) {
        gooi_decorator_changed(&f->base, ptr, p, new_size);
    }
    return p;
}

static bool fallback_owns(GooAllocator *a, const void *ptr) {
    const Fallback *f = (const Fallback *)(const void *)a;
    return goo_allocator_owns(f->first, ptr) || goo_allocator_owns(f->second, ptr);
}

static void fallback_reset(GooAllocator *a) {
    Fallback *f = (Fallback *)(void *)a;
    goo_allocator_reset(f->first);
    goo_allocator_reset(f->second);
    GooiKeptTotal kept = gooi_decorator_count_kept(&f->base, a);
    gooi_memory_settle_all_but(a, kept.bytes, kept.count);
}

static uint32_t fallback_capabilities(const Fallback *f) {
    uint32_t both = f->first->capabilities & f->second->capabilities;
    uint32_t either = f->first->capabilities | f->second->capabilities;
    return (both & (GOO_ALLOCATOR_RESETS | GOO_ALLOCATOR_THREAD_SAFE | GOO_ALLOCATOR_OWNS)) |
           (either & (GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESIZES)) | GOOI_ALLOCATOR_EXTENDED |
           GOOI_ALLOCATOR_PAGES;
}

GooAllocator *goo_fallback_allocator_create(GooAllocator *first, GooAllocator *second) {
    static const GooiAllocatorOps neither = {.reset = NULL};
    static const GooiAllocatorOps resets = {.reset = fallback_reset};
    static const GooiAllocatorOps owns = {.owns = fallback_owns};
    static const GooiAllocatorOps resets_and_owns = {.reset = fallback_reset,
                                                     .owns = fallback_owns};
    first = gooi_parent(first);
    second = gooi_parent(second);
    if ((first->capabilities & GOO_ALLOCATOR_OWNS) == 0 || first == second) {
        errno = EINVAL;
        return NULL;
    }
    Fallback probe = {.first = first, .second = second};
    uint32_t capabilities = fallback_capabilities(&probe);
    bool can_reset = (capabilities & GOO_ALLOCATOR_RESETS) != 0;
    bool can_own = (capabilities & GOO_ALLOCATOR_OWNS) != 0;
    const GooiAllocatorOps *ops = can_reset && can_own ? &resets_and_owns
                                  : can_reset          ? &resets
                                  : can_own            ? &owns
                                                       : &neither;
    GooAllocator functions = {
        .alloc = fallback_alloc,
        .realloc = fallback_realloc,
        .free = fallback_free,
        .resize = fallback_resize,
        .name = "fallback",
    };
    /* Not from one of the two: a reset of it would take this away (DECORATE-1). */
    Fallback *f = gooi_decorator_create(sizeof *f, first, &functions, ops);
    if (f == NULL) {
        return NULL;
    }
    f->first = first;
    f->second = second;
    f->base.head.allocator.resize = fallback_resize;
    f->base.head.allocator.capabilities = capabilities;
    return &f->base.head.allocator;
}
