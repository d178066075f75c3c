/* Two built-in names for what has no create call of an allocator: a fixed buffer over its parent's
 * memory, and a buffer pool behind the allocator interface.
 *
 *     fixed:        | AdaptFixed | the buffer's bytes ... |       one block of the parent
 *     buffer_pool:  AdaptBuffers ──▶ GooBufferPool                a request takes a buffer
 *
 * Both are used through the public interface only. A buffer pool's allocator is thread-safe, frees
 * in any order, and gives a buffer for each request that fits in one: EINVAL for larger ones and
 * for alignments above 64, ENOMEM when all are out.
 *
 * Threads: fixed one at a time; buffer_pool any.
 */
#include "goo/allocators.h"
#include "runtime/bits.h"
#include "runtime/check.h"
#include "runtime/globals.h"
#include "runtime/registry.h"

#include <errno.h>
#include <string.h>

/* --- fixed --- */

typedef struct AdaptFixed {
    GooFixedBuffer buffer;
    GooAllocator *parent;
    GooDestroyFn destroy; /* the fixed allocator's */
    size_t size;          /* of this and the bytes */
} AdaptFixed;

static void adapt_fixed_destroy(void *self) {
    AdaptFixed *f = self;
    f->destroy(self);
    goo_memory_free_with(f->parent, f, f->size);
}

GooAllocator *gooi_registry_open_fixed(GooAllocator *parent, size_t size) {
    size_t head = gooi_align_up(sizeof(AdaptFixed), GOO_DEFAULT_ALIGNMENT), total;
    parent = parent != NULL ? parent : gooi_current_allocator();
    if (gooi_add_overflows(head, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    AdaptFixed *f = goo_memory_alloc_with(parent, total);
    if (f == NULL) {
        return NULL;
    }
    GooAllocator *a = goo_fixed_allocator_init(&f->buffer, (uint8_t *)f + head, size);
    f->parent = parent;
    f->size = total;
    f->destroy = a->destroy;
    a->destroy = adapt_fixed_destroy;
    return a;
}

/* --- buffer_pool --- */

enum { ADAPT_BUFFER_ALIGNMENT = 64 };

typedef struct AdaptBuffers {
    GooAllocator allocator;
    GooBufferPool *pool;
    size_t buffer_size;
    GooAllocator *parent;
} AdaptBuffers;

static void *adapt_buffers_alloc(void *ctx, size_t size, size_t alignment,
                                 GooAllocOptions options) {
    const AdaptBuffers *b = ctx;
    if (size > b->buffer_size || alignment > ADAPT_BUFFER_ALIGNMENT) {
        errno = EINVAL;
        return NULL;
    }
    void *buffer = goo_buffer_pool_acquire(b->pool);
    if (buffer == NULL) {
        errno = ENOMEM;
    } else if ((options & GOO_ALLOC_ZERO) != 0) {
        memset(buffer, 0, size);
    }
    return buffer;
}

static bool adapt_buffers_resize(void *ctx, void *ptr, size_t old_size, size_t new_size,
                                 size_t alignment) {
    (void)ptr;
    (void)old_size;
    (void)alignment;
    return new_size <= ((const AdaptBuffers *)ctx)->buffer_size;
}

static void *adapt_buffers_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size,
                                   size_t alignment, GooAllocOptions options) {
    if (!adapt_buffers_resize(ctx, ptr, old_size, new_size, alignment)) {
        errno = EINVAL;
        return NULL;
    }
    if (new_size > old_size && (options & GOO_ALLOC_ZERO) != 0) {
        memset((uint8_t *)ptr + old_size, 0, new_size - old_size);
    }
    return ptr;
}

static void adapt_buffers_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    (void)size;
    (void)alignment;
    GooStatus status = goo_buffer_pool_release(((const AdaptBuffers *)ctx)->pool, ptr);
    GOO_REQUIRE(status == GOO_OK, "buffer pool: %p is no buffer that is out", ptr);
}

static void adapt_buffers_destroy(void *self) {
    AdaptBuffers *b = self;
    goo_buffer_pool_destroy(b->pool);
    goo_memory_free_with(b->parent, b, sizeof *b);
}

GooAllocator *gooi_registry_open_buffers(GooAllocator *parent, size_t size, size_t count) {
    parent = parent != NULL ? parent : gooi_current_allocator();
    AdaptBuffers *b = goo_memory_alloc_with(parent, sizeof *b);
    if (b == NULL) {
        return NULL;
    }
    GooBufferPool *pool = goo_buffer_pool_create(parent, size, count);
    if (pool == NULL) {
        int saved_errno = errno;
        goo_memory_free_with(parent, b, sizeof *b);
        errno = saved_errno;
        return NULL;
    }
    *b = (AdaptBuffers){
        .allocator = {.alloc = adapt_buffers_alloc,
                      .realloc = adapt_buffers_realloc,
                      .free = adapt_buffers_free,
                      .destroy = adapt_buffers_destroy,
                      .context = b,
                      .resize = adapt_buffers_resize,
                      .name = "buffer_pool",
                      .capabilities = GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESIZES |
                                      GOO_ALLOCATOR_THREAD_SAFE | GOOI_ALLOCATOR_DERIVED},
        .pool = pool,
        .buffer_size = size,
        .parent = parent,
    };
    return &b->allocator;
}
