/* The buffer pool: a fixed number of equal buffers, lent out and taken back by any thread.
 *
 *     one block of the parent:
 *     | GooBufferPool | next[count] | lent[count] | pad | buffer 0 | buffer 1 | … buffer count-1 |
 *
 *     head ──▶ i ──next[i]──▶ j ──next[j]──▶ … ──▶ BUFFER_POOL_END      the free ones
 *
 * The free buffers are a stack of indices whose head is one 64-bit word: an index and a number that
 * changes with every operation, so that compare-and-swap can't mistake a head that came back for
 * one that never left. A free buffer's memory holds nothing of the pool's. Each buffer has a flag
 * that says whether it is lent; turning it over is what decides which of two releases is the first.
 *
 *   BUFFER_POOL-1  a buffer is on the stack exactly while its flag is clear, but for the moments
 *                  within acquire and release when it is in nobody's hands
 *   BUFFER_POOL-2  buffers start on a cache line, so that threads do not share any
 *   BUFFER_POOL-3  available is the length of the stack when no call is under way; in between it
 *                  may be larger, never smaller
 *
 * Threads: any; no lock. Create and destroy: one.
 */
#include "goo/allocators/buffer_pool.h"

#include "goo/runtime/memory.h"
#include "runtime/bits.h"
#include "runtime/check.h"
#include "runtime/globals.h"
#include "runtime/poison.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

enum { BUFFER_POOL_LINE = 64 };
#define BUFFER_POOL_END UINT32_MAX
#define BUFFER_POOL_MAGIC UINT64_C(0x6275666665727321)

struct GooBufferPool {
    uint64_t magic;
    GooAllocator *parent;
    size_t block_size; /* of all this */
    size_t stride;     /* from a buffer to the next */
    uint32_t count;
    bool watched_memory; /* gooi_poison_active */
    size_t buffer_size;
    uint8_t *buffers;
    _Atomic uint32_t *next;
    _Atomic uint8_t *lent;
    _Alignas(BUFFER_POOL_LINE) _Atomic uint64_t head; /* number << 32 | index */
    _Atomic size_t available;
};

static bool buffer_pool_valid(const GooBufferPool *pool) {
    return pool != NULL && pool->magic == BUFFER_POOL_MAGIC;
}

/* --- the stack of free buffers --- */

static inline uint64_t buffer_pool_head(uint64_t old_head, uint32_t index) {
    return ((old_head >> 32) + 1) << 32 | index;
}

/* Acquire: pairs with the release in buffer_pool_push, so that `next` and what the last user wrote
 * are seen. */
static uint32_t buffer_pool_pop(GooBufferPool *pool) {
    uint64_t head = atomic_load_explicit(&pool->head, memory_order_acquire);
    uint32_t index;
    uint64_t below;
    do {
        index = (uint32_t)head;
        if (index == BUFFER_POOL_END) {
            return index;
        }
        below =
            buffer_pool_head(head, atomic_load_explicit(&pool->next[index], memory_order_relaxed));
    } while (!atomic_compare_exchange_weak_explicit(&pool->head, &head, below, memory_order_acquire,
                                                    memory_order_acquire));
    return index;
}

static void buffer_pool_push(GooBufferPool *pool, uint32_t index) {
    uint64_t head = atomic_load_explicit(&pool->head, memory_order_relaxed);
    do {
        atomic_store_explicit(&pool->next[index], (uint32_t)head, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&pool->head, &head,
                                                    buffer_pool_head(head, index),
                                                    memory_order_release, memory_order_relaxed));
}

/* --- acquire and release --- */

void *goo_buffer_pool_acquire(GooBufferPool *pool) {
    if (!buffer_pool_valid(pool)) {
        errno = EINVAL;
        return NULL;
    }
    uint32_t index = buffer_pool_pop(pool);
    if (index == BUFFER_POOL_END) {
        errno = ENOMEM;
        return NULL;
    }
    atomic_fetch_sub_explicit(&pool->available, 1, memory_order_relaxed);
    uint8_t *buffer = pool->buffers + index * pool->stride;
    if (pool->watched_memory) {
        gooi_unpoison(buffer, pool->buffer_size, false);
    }
    atomic_store_explicit(&pool->lent[index], 1, memory_order_relaxed);
    return buffer;
}

/* The index of a buffer by its address, or BUFFER_POOL_END. */
static uint32_t buffer_pool_index(const GooBufferPool *pool, const void *buffer) {
    uintptr_t offset = (uintptr_t)buffer - (uintptr_t)pool->buffers;
    if (offset >= pool->count * pool->stride || offset % pool->stride != 0) {
        return BUFFER_POOL_END;
    }
    return (uint32_t)(offset / pool->stride);
}

GooStatus goo_buffer_pool_release(GooBufferPool *pool, void *buffer) {
    if (!buffer_pool_valid(pool)) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (buffer == NULL) {
        return GOO_OK;
    }
    uint32_t index = buffer_pool_index(pool, buffer);
    uint8_t lent = 1;
    if (index == BUFFER_POOL_END ||
        !atomic_compare_exchange_strong_explicit(&pool->lent[index], &lent, 0, memory_order_relaxed,
                                                 memory_order_relaxed)) {
        return GOO_ERR_INVALID_ARGUMENT; /* foreign, or released before */
    }
    if (pool->watched_memory) {
        gooi_poison(buffer, pool->buffer_size);
    }
    atomic_fetch_add_explicit(&pool->available, 1, memory_order_relaxed);
    buffer_pool_push(pool, index);
    return GOO_OK;
}

size_t goo_buffer_pool_available(const GooBufferPool *pool) {
    if (!buffer_pool_valid(pool)) {
        return 0;
    }
    return atomic_load_explicit(&pool->available, memory_order_relaxed);
}

/* --- create and destroy --- */

/* Where the parts lie, as offsets from the pool. False: it does not fit. */
typedef struct BufferPoolLayout {
    size_t stride, next, lent, buffers, size;
} BufferPoolLayout;

static bool buffer_pool_lay_out(BufferPoolLayout *out, size_t buffer_size, size_t count) {
    size_t buffers_size;
    if (count >= BUFFER_POOL_END || count > SIZE_MAX / 16 ||
        gooi_align_up_overflows(buffer_size, BUFFER_POOL_LINE, &out->stride) ||
        gooi_multiply_overflows(out->stride, count, &buffers_size)) {
        return false;
    }
    out->next = sizeof(GooBufferPool);
    out->lent = out->next + count * sizeof(uint32_t);
    out->buffers = gooi_align_up(out->lent + count, BUFFER_POOL_LINE);
    return !gooi_add_overflows(out->buffers, buffers_size, &out->size);
}

/* The last one first, so that the first is lent first. */
static void buffer_pool_fill(GooBufferPool *pool) {
    atomic_store_explicit(&pool->head, BUFFER_POOL_END, memory_order_relaxed);
    for (uint32_t index = pool->count; index-- != 0;) {
        buffer_pool_push(pool, index);
    }
    atomic_store_explicit(&pool->available, pool->count, memory_order_relaxed);
    if (pool->watched_memory) {
        gooi_poison(pool->buffers, pool->count * pool->stride);
    }
}

GooBufferPool *goo_buffer_pool_create(GooAllocator *parent, size_t buffer_size, size_t count) {
    BufferPoolLayout layout;
    if (buffer_size == 0 || count == 0) {
        errno = EINVAL;
        return NULL;
    }
    if (!buffer_pool_lay_out(&layout, buffer_size, count)) {
        errno = ENOMEM;
        return NULL;
    }
    parent = parent != NULL ? parent : gooi_current_allocator();
    GooBufferPool *pool =
        goo_memory_alloc_options(parent, layout.size, BUFFER_POOL_LINE, GOO_ALLOC_PERSIST);
    if (pool == NULL) {
        return NULL;
    }
    uint8_t *base = (uint8_t *)pool;
    memset(pool, 0, layout.buffers);
    pool->parent = parent;
    pool->block_size = layout.size;
    pool->stride = layout.stride;
    pool->buffer_size = buffer_size;
    pool->count = (uint32_t)count;
    pool->watched_memory = gooi_poison_active();
    pool->buffers = base + layout.buffers;
    pool->next = (_Atomic uint32_t *)(void *)(base + layout.next);
    pool->lent = (_Atomic uint8_t *)(void *)(base + layout.lent);
    buffer_pool_fill(pool);
    pool->magic = BUFFER_POOL_MAGIC;
    return pool;
}

void goo_buffer_pool_destroy(GooBufferPool *pool) {
    if (pool == NULL) {
        return;
    }
    GOO_REQUIRE(pool->magic == BUFFER_POOL_MAGIC,
                "goo_buffer_pool_destroy: %p is no buffer pool, or was destroyed before",
                (void *)pool);
    pool->magic = 0;
    if (pool->watched_memory) {
        gooi_unpoison(pool->buffers, pool->count * pool->stride, false);
    }
    goo_memory_free_options(pool->parent, pool, pool->block_size, BUFFER_POOL_LINE);
}
