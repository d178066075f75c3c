/* The pool: objects of one size, a list of the free ones threaded through their first words.
 *
 *     window ──▶ free object ──▶ free object ──▶ NULL     (each link xor key)
 *     blocks: [header | object | object | ... carved ... | never touched]   sorted by address
 *
 * A link decodes to an address, any other word most likely does not, so giving an object whose
 * first word decodes to one is suspicious; only then is the list searched, and only an object that
 * is in it makes the pool panic. Taking an object clears that word.
 *
 * A pool behind a lock, or watched by a tool, is closed: its list is in `hidden` and the window
 * stays NULL, so that the inline forms come here as well.
 *
 *   POOL-1  a free object is in the list or not carved yet, exactly one of them
 *   POOL-2  `blocks` rises; the objects in them are `total`, at most max_objects
 *   POOL-3  a block is on the `fresh` list iff it has objects that are not carved
 *   POOL-4  `counted` is what the front door counts as live
 *
 * Threads: one at a time; any for a thread_safe pool.
 * Left out on purpose: caches per thread; a program with that much traffic gives each thread a
 * pool.
 */
#include "goo/allocators/pool.h"

#include "allocators/impl.h"
#include "goo/allocators/pool_inline.h"
#include "runtime/platform/platform.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <threads.h>

enum { POOL_BLOCK_SIZE = 64 * 1024, POOL_CARVE_BATCH = 16, POOL_SPIN_LIMIT = 64 };

typedef struct PoolBlock {
    size_t size; /* as the parent knows it */
    size_t capacity, carved;
    size_t free_count; /* while trimming */
    struct PoolBlock *next_fresh;
} PoolBlock;

typedef struct Pool {
    GooiExtendedAllocator head;
    void *window; /* NULL while closed */
    uintptr_t key;
    void *hidden;
    bool closed, watched_memory, thread_safe;
    atomic_flag lock; /* of a thread_safe pool: all below, and `hidden` */
    size_t object_size, stride, alignment, header_size;
    size_t objects_per_block, max_objects, total;
    PoolBlock **blocks;
    size_t block_count, block_capacity;
    PoolBlock *fresh;
    size_t counted_bytes, counted; /* POOL-4 */
    GooAllocator *parent;
} Pool;

_Static_assert(offsetof(GooPoolFast, free) == offsetof(Pool, window), "pool_inline.h");
_Static_assert(offsetof(GooPoolFast, key) == offsetof(Pool, key), "pool_inline.h");

static void pool_destroy(void *self);

static Pool *pool_of(GooAllocator *a, const char *call) {
    GOO_REQUIRE(a != NULL && a->destroy == pool_destroy, "%s: %p is no pool", call, (void *)a);
    return (Pool *)(void *)a;
}

static void pool_lock(Pool *pool) {
    if (!pool->thread_safe) {
        return;
    }
    for (unsigned tries = 0; atomic_flag_test_and_set_explicit(&pool->lock, memory_order_acquire);
         tries++) {
        if (tries >= POOL_SPIN_LIMIT) {
            thrd_yield();
        }
    }
}

static void pool_unlock(Pool *pool) {
    if (pool->thread_safe) {
        atomic_flag_clear_explicit(&pool->lock, memory_order_release);
    }
}

/* --- the list --- */

static inline void **pool_list(Pool *pool) {
    return pool->closed ? &pool->hidden : &pool->window;
}

/* The first word of an object that may be poisoned. */
GOOI_NO_SANITIZE_ADDRESS static uintptr_t pool_peek(const void *object) {
    gooi_poison_pause();
    uintptr_t word = *(const uintptr_t *)object;
    gooi_unpoison(&word, sizeof word, true);
    gooi_poison_resume();
    return word;
}

static inline uintptr_t pool_load(const void *object) {
    uintptr_t word;
    memcpy(&word, object, sizeof word);
    return word;
}

static inline void pool_store(void *object, uintptr_t word) {
    memcpy(object, &word, sizeof word);
}

static inline bool pool_is_link(const Pool *pool, uintptr_t word) {
    return ((word ^ pool->key) & GOO_POOL_LINK_MASK) == 0;
}

GOOI_COLD static void pool_panic_written(const void *object) {
    gooi_panic("pool: the object at %p was written after it was freed", object);
}

static void *pool_next(const Pool *pool, const void *object) {
    uintptr_t word = pool->watched_memory ? pool_peek(object) : pool_load(object);
    if (GOOI_UNLIKELY(!pool_is_link(pool, word))) {
        pool_panic_written(object);
    }
    return (void *)(word ^ pool->key);
}

static void pool_push(Pool *pool, void *object) {
    void **list = pool_list(pool);
    if (pool->watched_memory) {
        gooi_unpoison(object, sizeof(uintptr_t), false);
    }
    pool_store(object, (uintptr_t)*list ^ pool->key);
    if (pool->watched_memory) {
        gooi_poison(object, pool->stride);
    }
    *list = object;
}

static void *pool_pop(Pool *pool) {
    void **list = pool_list(pool);
    void *object = *list;
    *list = pool_next(pool, object);
    if (pool->watched_memory) {
        gooi_unpoison(object, sizeof(uintptr_t), false);
        pool_store(object, 0);
        gooi_unpoison(object, pool->object_size, false);
    } else {
        pool_store(object, 0);
    }
    return object;
}

/* --- blocks --- */

static inline uint8_t *pool_objects(const Pool *pool, const PoolBlock *block) {
    return (uint8_t *)(uintptr_t)block + pool->header_size;
}

/* How many blocks begin at or below an address. */
static size_t pool_rank(const Pool *pool, const void *ptr) {
    size_t low = 0, high = pool->block_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uintptr_t)pool->blocks[middle] <= (uintptr_t)ptr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The block that a carved object lies in, at its start; NULL if it is none. */
static PoolBlock *pool_block_of(const Pool *pool, const void *ptr) {
    size_t rank = pool_rank(pool, ptr);
    if (rank == 0) {
        return NULL;
    }
    PoolBlock *block = pool->blocks[rank - 1];
    size_t offset = (uintptr_t)ptr - (uintptr_t)pool_objects(pool, block);
    return offset < block->carved * pool->stride && offset % pool->stride == 0 ? block : NULL;
}

/* Room for one more pointer in `blocks`. */
static bool pool_reserve_entry(Pool *pool) {
    if (pool->block_count < pool->block_capacity) {
        return true;
    }
    size_t capacity = pool->block_capacity != 0 ? pool->block_capacity * 2 : 8;
    PoolBlock **blocks =
        goo_memory_realloc_with(pool->parent, pool->blocks, pool->block_capacity * sizeof *blocks,
                                capacity * sizeof *blocks);
    if (blocks == NULL) {
        return false;
    }
    pool->blocks = blocks;
    pool->block_capacity = capacity;
    return true;
}

static bool pool_add_block(Pool *pool) {
    size_t left = pool->max_objects - pool->total;
    size_t capacity = pool->objects_per_block < left ? pool->objects_per_block : left;
    size_t size;
    if (capacity == 0 || gooi_multiply_overflows(capacity, pool->stride, &size) ||
        gooi_add_overflows(size, pool->header_size, &size)) {
        errno = ENOMEM;
        return false;
    }
    if (!pool_reserve_entry(pool)) {
        return false;
    }
    PoolBlock *block = goo_memory_alloc_options(pool->parent, size, pool->alignment, 0);
    if (block == NULL) {
        return false;
    }
    *block = (PoolBlock){.size = size, .capacity = capacity, .next_fresh = pool->fresh};
    if (pool->watched_memory) {
        gooi_poison(pool_objects(pool, block), size - pool->header_size);
    }
    size_t rank = pool_rank(pool, block);
    memmove(pool->blocks + rank + 1, pool->blocks + rank,
            (pool->block_count - rank) * sizeof(PoolBlock *));
    pool->blocks[rank] = block;
    pool->block_count++;
    pool->total += capacity;
    pool->fresh = block;
    return true;
}

/* Puts some objects that were never used on the list, the lowest address first. False: none is
 * left and there is no memory. */
static bool pool_carve(Pool *pool) {
    if (pool->fresh == NULL && !pool_add_block(pool)) {
        return false;
    }
    PoolBlock *block = pool->fresh;
    size_t left = block->capacity - block->carved;
    size_t count = left < POOL_CARVE_BATCH ? left : POOL_CARVE_BATCH;
    uint8_t *first = pool_objects(pool, block) + block->carved * pool->stride;
    block->carved += count;
    if (block->carved == block->capacity) {
        pool->fresh = block->next_fresh;
    }
    for (size_t i = count; i-- != 0;) {
        pool_push(pool, first + i * pool->stride);
    }
    return true;
}

/* --- take and give, in full --- */

static void *pool_take(Pool *pool) {
    return *pool_list(pool) != NULL || pool_carve(pool) ? pool_pop(pool) : NULL;
}

/* Whether an object whose first word looks like a link is in the list. */
GOOI_COLD static bool pool_is_free(Pool *pool, const void *object, uintptr_t word) {
    const void *next = (const void *)(word ^ pool->key);
    if (next != NULL && pool_block_of(pool, next) == NULL) {
        return false; /* chance: a link leads to an object */
    }
    const void *item = *pool_list(pool);
    for (size_t i = 0; item != NULL && i < pool->total; i++) {
        if (item == object) {
            return true;
        }
        item = pool_next(pool, item);
    }
    return false;
}

static void pool_give(Pool *pool, void *object) {
    uintptr_t word = pool->watched_memory ? pool_peek(object) : pool_load(object);
    GOO_REQUIRE(!pool_is_link(pool, word) || !pool_is_free(pool, object, word),
                "pool: the object at %p was freed before (double free)", object);
    GOO_ASSERT(pool_block_of(pool, object) != NULL, "pool: %p is no object of this pool", object);
    pool_push(pool, object);
}

void *goo_pool_take_slow(GooAllocator *a) {
    Pool *pool = pool_of(a, "goo_pool_take");
    pool_lock(pool);
    void *object = pool_take(pool);
    pool_unlock(pool);
    return object;
}

void goo_pool_give_slow(GooAllocator *a, void *ptr) {
    Pool *pool = pool_of(a, "goo_pool_give");
    if (ptr != NULL) {
        pool_lock(pool);
        pool_give(pool, ptr);
        pool_unlock(pool);
    }
}

/* --- the mechanism --- */

static bool pool_fits(const Pool *pool, size_t size, size_t alignment) {
    return size <= pool->object_size && alignment <= pool->alignment;
}

static bool pool_counts(const Pool *pool) {
    return gooi_memory_watched(&pool->head.allocator);
}

static GOOI_NEVER_INLINE void *pool_alloc_rest(Pool *pool, size_t size, size_t alignment,
                                               GooAllocOptions options) {
    size_t room = size;
    gooi_round_to_pages(&room, &alignment, options);
    if (!pool_fits(pool, room, alignment)) {
        errno = EINVAL;
        return NULL;
    }
    pool_lock(pool);
    void *object = pool_take(pool);
    if (object != NULL && (options & GOOI_ALLOC_COUNTED) != 0) {
        pool->counted_bytes += size;
        pool->counted++;
    }
    pool_unlock(pool);
    if (object != NULL && (options & GOO_ALLOC_ZERO) != 0) {
        memset(object, 0, room);
    }
    return object;
}

static void *pool_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    Pool *pool = ctx;
    void *object = pool->window;
    if (GOOI_LIKELY(object != NULL && pool_fits(pool, size, alignment) &&
                    (options & (GOO_ALLOC_ZERO | GOO_ALLOC_PAGE | GOOI_ALLOC_COUNTED)) == 0)) {
        uintptr_t word = pool_load(object);
        if (GOOI_LIKELY(pool_is_link(pool, word))) {
            pool->window = (void *)(word ^ pool->key);
            pool_store(object, 0);
            return object;
        }
    }
    return pool_alloc_rest(pool, size, alignment, options);
}

static GOOI_NEVER_INLINE void pool_free_rest(Pool *pool, void *ptr, size_t size) {
    GOO_REQUIRE(size <= pool->object_size, "pool: free of %p with %zu bytes; objects have %zu", ptr,
                size, pool->object_size);
    pool_lock(pool);
    pool_give(pool, ptr);
    if (pool_counts(pool)) {
        pool->counted_bytes -= size;
        pool->counted--;
    }
    pool_unlock(pool);
}

static void pool_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    (void)alignment;
    Pool *pool = ctx;
    if (GOO_CHECK_LEVEL < 2 &&
        GOOI_LIKELY(pool->window != NULL && pool->counted == 0 && size <= pool->object_size &&
                    !pool_is_link(pool, pool_load(ptr)))) {
        pool_store(ptr, (uintptr_t)pool->window ^ pool->key);
        pool->window = ptr;
        return;
    }
    pool_free_rest(pool, ptr, size);
}

static bool pool_resize(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment) {
    (void)ptr;
    (void)alignment;
    Pool *pool = ctx;
    if (new_size > pool->object_size) {
        return false;
    }
    if (pool_counts(pool)) {
        pool_lock(pool);
        pool->counted_bytes += new_size - old_size;
        pool_unlock(pool);
    }
    return true;
}

static void *pool_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                          GooAllocOptions options) {
    size_t room = new_size;
    gooi_round_to_pages(&room, &alignment, options);
    if (!pool_fits(ctx, room, alignment) || !pool_resize(ctx, ptr, old_size, new_size, alignment)) {
        errno = EINVAL;
        return NULL;
    }
    if (new_size > old_size && (options & GOO_ALLOC_ZERO) != 0) {
        memset((uint8_t *)ptr + old_size, 0, new_size - old_size);
    }
    return ptr;
}

static bool pool_owns(GooAllocator *a, const void *ptr) {
    Pool *pool = (Pool *)(void *)a;
    pool_lock(pool);
    size_t rank = pool_rank(pool, ptr);
    bool owned = false;
    if (rank != 0) {
        const PoolBlock *block = pool->blocks[rank - 1];
        owned =
            (uintptr_t)ptr - (uintptr_t)pool_objects(pool, block) < block->carved * pool->stride;
    }
    pool_unlock(pool);
    return owned;
}

/* --- counting, trimming, reset --- */

static size_t pool_count_free(Pool *pool) {
    size_t count = 0;
    for (size_t i = 0; i < pool->block_count; i++) {
        count += pool->blocks[i]->capacity - pool->blocks[i]->carved;
    }
    const void *object = *pool_list(pool);
    while (object != NULL && count <= pool->total) {
        count++;
        object = pool_next(pool, object);
    }
    GOO_ASSERT(count <= pool->total, "pool: the list of free objects is longer than all (POOL-1)");
    return count;
}

void goo_pool_get_stats(GooAllocator *a, size_t *out_free, size_t *out_total) {
    Pool *pool = pool_of(a, __func__);
    pool_lock(pool);
    if (out_free != NULL) {
        *out_free = pool_count_free(pool);
    }
    if (out_total != NULL) {
        *out_total = pool->total;
    }
    pool_unlock(pool);
}

static void pool_count_free_by_block(Pool *pool) {
    for (size_t i = 0; i < pool->block_count; i++) {
        pool->blocks[i]->free_count = pool->blocks[i]->capacity - pool->blocks[i]->carved;
    }
    for (void *object = *pool_list(pool); object != NULL; object = pool_next(pool, object)) {
        pool_block_of(pool, object)->free_count++;
    }
}

/* Takes the objects of blocks that are all free off the list; the others keep their order. */
static void pool_unlist_empty(Pool *pool) {
    void *object = *pool_list(pool);
    void *kept = NULL;
    *pool_list(pool) = NULL;
    for (int pass = 0; pass < 2; pass++) { /* the second turns the order round again */
        while (object != NULL) {
            void *next = pool_next(pool, object);
            const PoolBlock *block = pool_block_of(pool, object);
            if (block->free_count != block->capacity) {
                pool_push(pool, object);
            }
            object = next;
        }
        kept = *pool_list(pool);
        if (pass == 0) {
            object = kept;
            *pool_list(pool) = NULL;
        }
    }
}

/* The blocks with objects that are not carved, in order of address (POOL-3). */
static void pool_rebuild_fresh(Pool *pool) {
    pool->fresh = NULL;
    for (size_t i = pool->block_count; i-- != 0;) {
        PoolBlock *block = pool->blocks[i];
        if (block->carved < block->capacity) {
            block->next_fresh = pool->fresh;
            pool->fresh = block;
        }
    }
}

static size_t pool_free_block(Pool *pool, PoolBlock *block) {
    size_t size = block->size;
    if (pool->watched_memory) {
        gooi_unpoison(block, size, false);
    }
    goo_memory_free_options(pool->parent, block, size, pool->alignment);
    return size;
}

size_t goo_pool_trim(GooAllocator *a) {
    Pool *pool = pool_of(a, __func__);
    pool_lock(pool);
    pool_count_free_by_block(pool);
    pool_unlist_empty(pool);
    size_t bytes = 0, kept = 0;
    for (size_t i = 0; i < pool->block_count; i++) {
        PoolBlock *block = pool->blocks[i];
        if (block->free_count == block->capacity) {
            pool->total -= block->capacity;
            bytes += pool_free_block(pool, block);
        } else {
            pool->blocks[kept++] = block;
        }
    }
    pool->block_count = kept;
    pool_rebuild_fresh(pool);
    pool_unlock(pool);
    return bytes;
}

static void pool_reset(GooAllocator *a) {
    Pool *pool = (Pool *)(void *)a;
    gooi_claims_lost_all(a);
    pool_lock(pool);
    *pool_list(pool) = NULL;
    for (size_t i = 0; i < pool->block_count; i++) {
        PoolBlock *block = pool->blocks[i];
        block->carved = 0;
        if (pool->watched_memory) {
            gooi_poison(pool_objects(pool, block), block->size - pool->header_size);
        }
    }
    pool_rebuild_fresh(pool);
    size_t bytes = pool->counted_bytes, count = pool->counted;
    pool->counted_bytes = pool->counted = 0;
    pool_unlock(pool);
    gooi_settle_all(a, bytes, count);
}

/* --- create and destroy --- */

static const GooiAllocatorOps pool_ops = {.reset = pool_reset, .owns = pool_owns};

static void pool_destroy(void *self) {
    Pool *pool = self;
    GooAllocator *parent = pool->parent;
    gooi_claims_lost_all(&pool->head.allocator);
    for (size_t i = 0; i < pool->block_count; i++) {
        pool_free_block(pool, pool->blocks[i]);
    }
    if (pool->blocks != NULL) {
        goo_memory_free_with(parent, pool->blocks, pool->block_capacity * sizeof(PoolBlock *));
    }
    pool->head.allocator.destroy = NULL;
    goo_memory_free_with(parent, pool, sizeof *pool);
}

/* Links are words at addresses that are multiples of 8 (GOO_POOL_LINK_MASK). */
static size_t pool_alignment(const GooPoolOptions *options) {
    size_t alignment = options->alignment != 0 ? options->alignment : GOO_DEFAULT_ALIGNMENT;
    return alignment < 8 ? 8 : alignment;
}

/* A random key that no address can hide (GooPoolFast). */
static uintptr_t pool_key(void) {
    return (uintptr_t)gooi_platform_random() | (GOO_POOL_LINK_MASK & ~(GOO_POOL_LINK_MASK << 1)) |
           1;
}

/* The sizes that follow from the options; false: they do not fit. */
static bool pool_measure(Pool *pool, const GooPoolOptions *options) {
    pool->object_size = options->object_size;
    pool->alignment = pool_alignment(options);
    if (pool->alignment > GOOI_SIZE_MAX / 2 || options->object_size > GOOI_SIZE_MAX / 2 ||
        gooi_align_up_overflows(options->object_size, pool->alignment, &pool->stride)) {
        return false;
    }
    pool->header_size = gooi_align_up(sizeof(PoolBlock), pool->alignment);
    pool->objects_per_block = options->objects_per_block;
    if (pool->objects_per_block == 0) {
        size_t count = POOL_BLOCK_SIZE / pool->stride;
        pool->objects_per_block = count > POOL_CARVE_BATCH ? count : POOL_CARVE_BATCH;
    }
    size_t size;
    pool->max_objects = options->max_objects != 0 ? options->max_objects : SIZE_MAX;
    return !gooi_multiply_overflows(pool->objects_per_block, pool->stride, &size) &&
           size <= GOOI_SIZE_MAX - pool->header_size - pool->alignment;
}

GooAllocator *goo_pool_allocator_create_with(GooAllocator *parent, const GooPoolOptions *options) {
    if (options == NULL || options->object_size == 0 ||
        (options->alignment != 0 && !gooi_is_power_of_two(options->alignment))) {
        errno = EINVAL;
        return NULL;
    }
    Pool measured = {0};
    if (!pool_measure(&measured, options)) {
        errno = ENOMEM;
        return NULL;
    }
    parent = gooi_parent(parent);
    Pool *pool = gooi_parent_new(parent, sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    *pool = measured;
    pool->parent = parent;
    pool->thread_safe = options->thread_safe;
    pool->watched_memory = gooi_poison_active();
    pool->closed = pool->thread_safe || pool->watched_memory;
    pool->key = pool_key();
    atomic_flag_clear(&pool->lock);
    pool->head.ops = &pool_ops;
    pool->head.allocator = (GooAllocator){
        .alloc = pool_alloc,
        .realloc = pool_realloc,
        .free = pool_free,
        .destroy = pool_destroy,
        .context = pool,
        .resize = pool_resize,
        .name = "pool",
        .capabilities = GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS |
                        GOO_ALLOCATOR_OWNS | GOOI_ALLOCATOR_EXTENDED | GOOI_ALLOCATOR_PAGES |
                        GOOI_ALLOCATOR_DIRECT |
                        (options->thread_safe ? GOO_ALLOCATOR_THREAD_SAFE : 0u),
    };
    return &pool->head.allocator;
}

GooAllocator *goo_pool_allocator_create(size_t object_size, size_t objects_per_block) {
    GooPoolOptions options = {.object_size = object_size, .objects_per_block = objects_per_block};
    return goo_pool_allocator_create_with(NULL, &options);
}
