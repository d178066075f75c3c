/* The limit allocator: a budget of bytes in front of a parent.
 *
 *     request ──▶ take from the budget ──▶ parent ──failed──▶ put back
 *
 * The bytes of a request are taken before the parent is asked, in one compare-and-swap that never
 * takes more than there is, so that no interleaving of threads exceeds the budget for a moment.
 * Where the parent is one thread's there is nobody to race with, and they are taken afterwards.
 * Limits nest: each passes on what it admits, and what a child gives back its siblings may take.
 *
 *   LIMIT-1  used is the sum of the sizes of the live blocks, and of requests that the parent is
 *            busy with; used <= max
 *   LIMIT-2  a request that the parent could not meet has left used as it was, also when the parent
 *            panicked and the handler left by longjmp
 *
 * Threads: as the parent. Left out on purpose: what the parent adds to a block; a budget is about
 * the bytes that are asked for.
 */
#include "goo/allocators/limit.h"

#include "allocators/decorate.h"
#include "runtime/check.h"
#include "runtime/pending.h"

#include <errno.h>

typedef struct LimitAllocator {
    GooiDecorator base;
    size_t max;
    _Atomic size_t used;
} LimitAllocator;

static bool limit_take(LimitAllocator *l, size_t size) {
    size_t used = atomic_load_explicit(&l->used, memory_order_relaxed);
    do {
        if (used > l->max || size > l->max - used) {
            errno = ENOMEM;
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&l->used, &used, used + size,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static void limit_put_back(LimitAllocator *l, size_t size) {
    size_t used = atomic_fetch_sub_explicit(&l->used, size, memory_order_relaxed);
    GOO_ASSERT(used >= size, "limit allocator: %zu bytes put back into %zu (LIMIT-1)", size, used);
    (void)used;
}

/* What a request took, until the parent has answered. */
typedef struct LimitClaim {
    GooiPending pending;
    LimitAllocator *limit;
    size_t size;
} LimitClaim;

static void limit_abandon(GooiPending *pending) {
    const LimitClaim *claim = (const LimitClaim *)(void *)pending;
    limit_put_back(claim->limit, claim->size);
}

static bool limit_begin(LimitClaim *claim, LimitAllocator *l, size_t size) {
    if (!limit_take(l, size)) {
        return false;
    }
    claim->limit = l;
    claim->size = size;
    gooi_pending_begin(&claim->pending, limit_abandon);
    return true;
}

/* `shrink`: what a block that is now smaller gives back. */
static void limit_end(LimitClaim *claim, bool done, size_t shrink) {
    LimitAllocator *l = claim->limit;
    bool held = gooi_pending_end(&claim->pending);
    if (done && !held) {
        atomic_fetch_add_explicit(&l->used, claim->size, memory_order_relaxed);
    }
    limit_put_back(l, done ? shrink : held ? claim->size : 0);
}

/* No block of this budget is larger than what is in use. */
static void limit_check(const LimitAllocator *l, const char *call, const void *ptr, size_t size) {
    size_t used = atomic_load_explicit(&l->used, memory_order_relaxed);
    GOO_REQUIRE(used >= size,
                "%s: %p can't be a block of %zu bytes: this limit allocator's blocks have %zu",
                call, ptr, size, used);
}

/* Over a parent that one thread uses: taken when the parent gave, so that a panic handler which
 * leaves the parent by longjmp leaves nothing behind. */
static bool limit_has_room(const LimitAllocator *l, size_t size) {
    size_t used = atomic_load_explicit(&l->used, memory_order_relaxed);
    bool room = used <= l->max && size <= l->max - used;
    errno = room ? errno : ENOMEM;
    return room;
}

static void *limit_alloc_alone(LimitAllocator *l, size_t size, size_t alignment,
                               GooAllocOptions options) {
    if (!limit_has_room(l, size)) {
        return NULL;
    }
    void *p = gooi_decorator_alloc(&l->base, size, alignment, options);
    if (p != NULL && !limit_take(l, size)) { /* a handler of the parent's took it */
        gooi_decorator_free(&l->base, p, size, alignment);
        errno = ENOMEM;
        return NULL;
    }
    return p;
}

static void *limit_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    LimitAllocator *l = ctx;
    if (!l->base.claimant.shared) {
        return limit_alloc_alone(l, size, alignment, options);
    }
    LimitClaim claim;
    if (!limit_begin(&claim, l, size)) {
        return NULL;
    }
    void *p = gooi_decorator_alloc(&l->base, size, alignment, options);
    limit_end(&claim, p != NULL, 0);
    return p;
}

/* What a handler of the parent's takes meanwhile may be a budget too much, until it is freed. */
static void *limit_realloc_alone(LimitAllocator *l, void *ptr, size_t old_size, size_t new_size,
                                 size_t alignment, GooAllocOptions options) {
    if (new_size > old_size && !limit_has_room(l, new_size - old_size)) {
        return NULL;
    }
    void *p = gooi_decorator_realloc(&l->base, ptr, old_size, new_size, alignment, options);
    if (p != NULL) {
        atomic_fetch_add_explicit(&l->used, new_size - old_size, memory_order_relaxed);
    }
    return p;
}

static void *limit_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                           GooAllocOptions options) {
    LimitAllocator *l = ctx;
    size_t growth = new_size > old_size ? new_size - old_size : 0;
    size_t shrink = new_size < old_size ? old_size - new_size : 0;
    limit_check(l, "goo_memory_realloc", ptr, old_size);
    if (!l->base.claimant.shared) {
        return limit_realloc_alone(l, ptr, old_size, new_size, alignment, options);
    }
    LimitClaim claim;
    if (!limit_begin(&claim, l, growth)) {
        return NULL;
    }
    void *p = gooi_decorator_realloc(&l->base, ptr, old_size, new_size, alignment, options);
    limit_end(&claim, p != NULL, shrink);
    return p;
}

static void limit_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    LimitAllocator *l = ctx;
    limit_check(l, "goo_memory_free", ptr, size);
    gooi_decorator_free(&l->base, ptr, size, alignment);
    limit_put_back(l, size);
}

static bool limit_resize(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment) {
    LimitAllocator *l = ctx;
    size_t growth = new_size > old_size ? new_size - old_size : 0;
    size_t shrink = new_size < old_size ? old_size - new_size : 0;
    int saved_errno = errno; /* a refused resize is no error */
    LimitClaim claim;
    if (!limit_begin(&claim, l, growth)) {
        errno = saved_errno;
        return false;
    }
    bool resized = gooi_decorator_resize(&l->base, ptr, old_size, new_size, alignment);
    limit_end(&claim, resized, shrink);
    return resized;
}

/* Blocks went without a free each. */
static void limit_lost(GooiClaimant *c, const GooiLoss *loss) {
    limit_put_back((LimitAllocator *)(void *)gooi_decorator_of(c), loss->bytes);
}

GooAllocator *goo_limit_allocator_create(GooAllocator *parent, size_t max_bytes) {
    GooAllocator functions = {
        .alloc = limit_alloc,
        .realloc = limit_realloc,
        .free = limit_free,
        .resize = limit_resize,
        .name = "limit",
    };
    LimitAllocator *l =
        gooi_decorator_create(sizeof *l, parent, &functions, &gooi_decorator_ops, limit_lost);
    if (l == NULL) {
        return NULL;
    }
    l->max = max_bytes;
    l->base.head.allocator.capabilities |= GOOI_ALLOCATOR_DIRECT;
    return &l->base.head.allocator;
}

size_t goo_limit_used(const GooAllocator *limit) {
    GOO_REQUIRE(limit != NULL && limit->alloc == limit_alloc,
                "goo_limit_used: %p is no limit allocator", (const void *)limit);
    return atomic_load_explicit(&((LimitAllocator *)limit->context)->used, memory_order_relaxed);
}
