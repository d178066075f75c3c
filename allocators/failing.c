/* The failing allocator: passes requests on until the n-th, and refuses that one and all after it.
 *
 *     request number 1 … n-1 ──▶ parent          n, n+1, … ──▶ NULL, ENOMEM
 *
 * A request is whatever may need memory: an allocation, a realloc that grows, a resize that grows.
 * Frees, and what shrinks, always pass and are not counted, so that a program which cleans up after
 * a failure can do so. What the strategy RETRY tries again counts again.
 *
 *   FAILING-1  each request takes one number; numbers are given once and in order
 *
 * Threads: as the parent.
 */
#include "goo/allocators/failing.h"

#include "allocators/decorate.h"
#include "runtime/check.h"

#include <errno.h>

typedef struct FailingAllocator {
    GooiDecorator base;
    size_t fail_at; /* 0: none */
    _Atomic size_t requests;
} FailingAllocator;

/* Takes a number (FAILING-1). */
static bool failing_refuses(FailingAllocator *f) {
    size_t number = atomic_fetch_add_explicit(&f->requests, 1, memory_order_relaxed) + 1;
    return f->fail_at != 0 && number >= f->fail_at;
}

static void *failing_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    FailingAllocator *f = ctx;
    if (failing_refuses(f)) {
        errno = ENOMEM;
        return NULL;
    }
    return gooi_decorator_alloc(&f->base, size, alignment, options);
}

static void *failing_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size,
                             size_t alignment, GooAllocOptions options) {
    FailingAllocator *f = ctx;
    if (new_size > old_size && failing_refuses(f)) {
        errno = ENOMEM;
        return NULL;
    }
    return gooi_decorator_realloc(&f->base, ptr, old_size, new_size, alignment, options);
}

static void failing_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    FailingAllocator *f = ctx;
    gooi_decorator_free(&f->base, ptr, size, alignment);
}

static bool failing_resize(void *ctx, void *ptr, size_t old_size, size_t new_size,
                           size_t alignment) {
    FailingAllocator *f = ctx;
    if (new_size > old_size && failing_refuses(f)) {
        return false;
    }
    return gooi_decorator_resize(&f->base, ptr, old_size, new_size, alignment);
}

GooAllocator *goo_failing_allocator_create(GooAllocator *parent, size_t fail_at) {
    GooAllocator functions = {
        .alloc = failing_alloc,
        .realloc = failing_realloc,
        .free = failing_free,
        .resize = failing_resize,
        .name = "failing",
    };
    FailingAllocator *f =
        gooi_decorator_create(sizeof *f, parent, &functions, &gooi_decorator_ops, NULL);
    if (f == NULL) {
        return NULL;
    }
    f->fail_at = fail_at;
    return &f->base.head.allocator;
}

size_t goo_failing_requests(const GooAllocator *failing) {
    GOO_REQUIRE(failing != NULL && failing->alloc == failing_alloc,
                "goo_failing_requests: %p is no failing allocator", (const void *)failing);
    return atomic_load_explicit(&((FailingAllocator *)failing->context)->requests,
                                memory_order_relaxed);
}
