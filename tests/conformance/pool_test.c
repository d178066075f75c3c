/* Pools under the conformance suite: usual, densely packed small objects, aligned ones, behind a
 * lock.
 */
#include "goo/allocators/pool.h"
#include "tests/conformance/conformance.h"

#include <errno.h>

#define POOL_CAPABILITIES                                                                          \
    (GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS | GOO_ALLOCATOR_OWNS)
#define POOL(make_, size_, alignment_, more_)                                                      \
    {                                                                                              \
        .make = make_, .name = "pool", .has_parent = true, .holds_blocks = true,                   \
        .max_size = size_, .max_alignment = alignment_, .too_large_errno = EINVAL,                 \
        .capabilities = POOL_CAPABILITIES | (more_)                                                \
    }

static GooAllocator *make_pool(GooAllocator *parent) {
    GooPoolOptions options = {.object_size = 100, .objects_per_block = 10};
    return goo_pool_allocator_create_with(parent, &options);
}

static GooAllocator *make_dense(GooAllocator *parent) {
    GooPoolOptions options = {.object_size = 8, .alignment = 8};
    return goo_pool_allocator_create_with(parent, &options);
}

static GooAllocator *make_aligned(GooAllocator *parent) {
    GooPoolOptions options = {.object_size = 5000, .alignment = 64 * 1024, .objects_per_block = 3};
    return goo_pool_allocator_create_with(parent, &options);
}

static GooAllocator *make_locked(GooAllocator *parent) {
    GooPoolOptions options = {.object_size = 300, .thread_safe = true};
    return goo_pool_allocator_create_with(parent, &options);
}

static const Conformance pool = POOL(make_pool, 100, 16, 0u);
static const Conformance dense_pool = POOL(make_dense, 8, 8, 0u);
static const Conformance aligned_pool = POOL(make_aligned, 5000, 64 * 1024, 0u);
static const Conformance locked_pool = POOL(make_locked, 300, 16, GOO_ALLOCATOR_THREAD_SAFE);

GOO_CONFORMANCE(pool, &pool)
GOO_CONFORMANCE(dense_pool, &dense_pool)
GOO_CONFORMANCE(aligned_pool, &aligned_pool)
GOO_CONFORMANCE(locked_pool, &locked_pool)
