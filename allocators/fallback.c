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

#include "allocators/impl.h"
#include "runtime/system.h"

#include <errno.h>
#include <string.h>

typedef struct Fallback {
    GooiExtendedAllocator head;
    GooAllocator *first, *second;
    GooiClaimant claimant;
} Fallback;

/* Both failed: one that ran out of memory decides, so that a handler which frees some is asked. */
static void fallback_set_reason(int first_reason) {
    errno = first_reason == ENOMEM ? ENOMEM : errno;
}

/* For the two: a failure of theirs is not the end yet. */
static GooAllocOptions fallback_options(const Fallback *f, GooAllocOptions options) {
    return gooi_claimant_options(&f->claimant, options) & ~(GooAllocOptions)GOO_ALLOC_NOFAIL;
}

static void *fallback_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    const Fallback *f = ctx;
    options = fallback_options(f, options);
    int saved_errno = errno;
    void *p = gooi_memory_alloc_claimed(f->first, size, alignment, options);
    if (p == NULL) {
        int first_reason = errno;
        errno = saved_errno;
        p = gooi_memory_alloc_claimed(f->second, size, alignment, options);
        if (p == NULL) {
            fallback_set_reason(first_reason);
            return NULL;
        }
    }
    gooi_claimant_got(&f->claimant, p, size);
    return p;
}

static GooAllocator *fallback_owner(const Fallback *f, const void *ptr) {
    return goo_allocator_owns(f->first, ptr) ? f->first : f->second;
}

static void fallback_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    const Fallback *f = ctx;
    gooi_claimant_gives(&f->claimant, ptr, size);
    goo_memory_free_options(fallback_owner(f, ptr), ptr, size, alignment);
}

static bool fallback_resize(void *ctx, void *ptr, size_t old_size, size_t new_size,
                            size_t alignment) {
    const Fallback *f = ctx;
    GooAllocator *owner = fallback_owner(f, ptr);
    bool resized = goo_memory_resize_options(owner, ptr, old_size, new_size, alignment);
    if (resized && f->claimant.keeps_shares) {
        gooi_share_add(gooi_claimant_share(&f->claimant, ptr), new_size - old_size, 0);
    }
    return resized;
}

/* A block that its owner has no more room for goes to the other one. */
static void *fallback_move(const Fallback *f, GooAllocator *owner, void *ptr, size_t old_size,
                           size_t new_size, size_t alignment, GooAllocOptions options) {
    GooAllocator *other = owner == f->first ? f->second : f->first;
    options |= gooi_block_persists(owner, ptr) ? GOO_ALLOC_PERSIST : 0u;
    void *p = gooi_memory_alloc_claimed(other, new_size, alignment, options);
    if (p != NULL) {
        memcpy(p, ptr, old_size < new_size ? old_size : new_size);
        goo_memory_free_options(owner, ptr, old_size, alignment);
    }
    return p;
}

static void *fallback_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size,
                              size_t alignment, GooAllocOptions options) {
    const Fallback *f = ctx;
    GooAllocator *owner = fallback_owner(f, ptr);
    GooiShare *share = f->claimant.keeps_shares ? gooi_claimant_share(&f->claimant, ptr) : NULL;
    options = fallback_options(f, options);
    int saved_errno = errno;
    void *p = gooi_memory_realloc_claimed(owner, ptr, old_size, new_size, alignment, options);
    if (p == NULL) {
        int first_reason = errno;
        errno = saved_errno;
        p = fallback_move(f, owner, ptr, old_size, new_size, alignment, options);
        if (p == NULL) {
            fallback_set_reason(first_reason);
            return NULL;
        }
    }
    gooi_share_add(share, (size_t)0 - old_size, (size_t)-1);
    gooi_claimant_got(&f->claimant, p, new_size);
    return p;
}

static bool fallback_owns(GooAllocator *a, const void *ptr) {
    const Fallback *f = (const Fallback *)(const void *)a;
    return goo_allocator_owns(f->first, ptr) || goo_allocator_owns(f->second, ptr);
}

static bool fallback_persists(GooAllocator *a, const void *ptr) {
    return gooi_block_persists(fallback_owner((const Fallback *)(const void *)a, ptr), ptr);
}

static void fallback_reset(GooAllocator *a) {
    const Fallback *f = (const Fallback *)(const void *)a;
    goo_allocator_reset(f->first);
    goo_allocator_reset(f->second);
}

static void fallback_destroy(void *self) {
    gooi_claimant_deinit(&((Fallback *)self)->claimant);
    gooi_system_free(NULL, self, sizeof(Fallback), GOO_DEFAULT_ALIGNMENT);
}

static uint32_t fallback_capabilities(const Fallback *f) {
    uint32_t both = f->first->capabilities & f->second->capabilities;
    uint32_t either = f->first->capabilities | f->second->capabilities;
    return (both & (GOO_ALLOCATOR_RESETS | GOO_ALLOCATOR_THREAD_SAFE | GOO_ALLOCATOR_OWNS)) |
           (either & (GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESIZES)) | GOOI_ALLOCATOR_EXTENDED |
           GOOI_ALLOCATOR_PAGES;
}

GooAllocator *goo_fallback_allocator_create(GooAllocator *first, GooAllocator *second) {
    static const GooiAllocatorOps neither = {.persists = fallback_persists};
    static const GooiAllocatorOps resets = {.reset = fallback_reset, .persists = fallback_persists};
    static const GooiAllocatorOps owns = {.owns = fallback_owns, .persists = fallback_persists};
    static const GooiAllocatorOps resets_and_owns = {
        .reset = fallback_reset, .owns = fallback_owns, .persists = fallback_persists};
    first = gooi_parent(first);
    second = gooi_parent(second);
    if ((first->capabilities & GOO_ALLOCATOR_OWNS) == 0 || first == second) {
        errno = EINVAL;
        return NULL;
    }
    /* Not from one of the two: a reset of it would take this away. */
    Fallback *f = gooi_system_alloc(NULL, sizeof *f, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_ZERO);
    if (f == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    f->first = first;
    f->second = second;
    uint32_t capabilities = fallback_capabilities(f);
    bool can_reset = (capabilities & GOO_ALLOCATOR_RESETS) != 0;
    bool can_own = (capabilities & GOO_ALLOCATOR_OWNS) != 0;
    f->head.ops = can_reset && can_own ? &resets_and_owns
                  : can_reset          ? &resets
                  : can_own            ? &owns
                                       : &neither;
    f->head.allocator = (GooAllocator){
        .alloc = fallback_alloc,
        .realloc = fallback_realloc,
        .free = fallback_free,
        .destroy = fallback_destroy,
        .context = f,
        .resize = fallback_resize,
        .name = "fallback",
        .capabilities = capabilities,
    };
    if (!gooi_claimant_init(&f->claimant, &f->head.allocator, first, second, NULL)) {
        gooi_system_free(NULL, f, sizeof *f, GOO_DEFAULT_ALIGNMENT);
        return NULL;
    }
    return &f->head.allocator;
}
