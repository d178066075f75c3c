/* The pool: objects of one size, a list of the free ones threaded through their first words.
 *
 * A link decodes to an address, any other word most likely does not, so giving an object whose
 * first word decodes to one is suspicious; only then is the list searched, and only an object that
 * is in it makes the pool panic. Taking an object clears that word.
 *
 * A pool behind a lock, or watched by a tool, is closed: its list is in `hidden` and the window
 * stays NULL, so that the inline forms come here as well; its alloc and free are functions of their
 * own, so that those of an open pool test for none of it.
 *
 *   picture, invariants POOL-1 to POOL-4: allocators/pool.h
 *
 * Threads: one at a time; any for a thread_safe pool.
 * Left out on purpose: caches per thread; a program with that much traffic gives each thread a
 * pool. Counting: a reset takes everything back, so the front door's sums are the pool's.
 */
#include "allocators/pool.h"

#include "runtime/platform/platform.h"

#include <errno.h>
#include <threads.h>

enum { POOL_BLOCK_SIZE = 64 * 1024, POOL_COUNT_MIN = 16, POOL_SPIN_LIMIT = 64 };

static void *pool_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                          GooAllocOptions options);

Pool *gooi_pool_of(GooAllocator *a, const char *call) {
    GOO_REQUIRE(a != NULL && a->realloc == pool_realloc, "%s: %p is no pool", call, (void *)a);
    return (Pool *)(void *)a;
}

void gooi_pool_lock(Pool *pool) {
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

void gooi_pool_unlock(Pool *pool) {
    if (pool->thread_safe) {
        atomic_flag_clear_explicit(&pool->lock, memory_order_release);
    }
}

/* --- the list --- */

/* The first word of an object that may be poisoned. */
GOOI_NO_SANITIZE_ADDRESS static uintptr_t pool_peek_poisoned(const void *object) {
    gooi_poison_pause();
    uintptr_t word = *(const uintptr_t *)object;
    gooi_unpoison(&word, sizeof word, true);
    gooi_poison_resume();
    return word;
}

uintptr_t gooi_pool_peek(const Pool *pool, const void *object) {
    return pool->watched_memory ? pool_peek_poisoned(object) : pool_load(object);
}

/* A panic may be left by longjmp: the lock goes first. */
GOOI_NORETURN GOOI_COLD static void pool_panic(const Pool *pool, const char *format,
                                               const void *object) {
    gooi_pool_unlock((Pool *)(uintptr_t)pool);
    gooi_panic(format, object);
}

void *gooi_pool_next(const Pool *pool, const void *object) {
    uintptr_t word = gooi_pool_peek(pool, object);
    if (GOOI_UNLIKELY(!pool_is_link(pool, word))) {
        pool_panic(pool, "pool: the object at %p was written after it was freed", object);
    }
    return (void *)(word ^ pool->key);
}

void gooi_pool_push(Pool *pool, void *object) {
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

void *gooi_pool_pop(Pool *pool) {
    void **list = pool_list(pool);
    void *object = *list;
    *list = gooi_pool_next(pool, object);
    if (pool->watched_memory) {
        gooi_unpoison(object, sizeof(uintptr_t), false);
        pool_store(object, 0);
        gooi_unpoison(object, pool->object_size, false);
    } else {
        pool_store(object, 0);
    }
    return object;
}

/* --- take and give, in full --- */

/* Each turn of the loop but the last is one in which others took a whole new block. */
static void *pool_take(Pool *pool) {
    while (*pool_list(pool) == NULL) {
        if (!gooi_pool_carve(pool)) {
            return NULL;
        }
    }
    return gooi_pool_pop(pool);
}

/* Whether an object whose first word looks like a link is in the list. */
GOOI_COLD static bool pool_is_free(Pool *pool, const void *object, uintptr_t word) {
    const void *next = (const void *)(word ^ pool->key);
    if (next != NULL && gooi_pool_block_of(pool, next) == NULL) {
        return false; /* chance: a link leads to an object */
    }
    const void *item = *pool_list(pool);
    for (size_t i = 0; item != NULL && i < pool->total; i++) {
        if (item == object) {
            return true;
        }
        item = gooi_pool_next(pool, item);
    }
    return false;
}

/* Whether it can be an object at all (POOL-4). */
static inline bool pool_spans(const Pool *pool, const void *object) {
    return (uintptr_t)object - pool->low < pool->span;
}

/* Panics unless it is an object of the pool that is in use. Under the lock. */
static void pool_check(Pool *pool, const void *object, const char *again) {
    if (GOOI_UNLIKELY(!pool_spans(pool, object) ||
                      (GOO_CHECK_LEVEL >= 2 && gooi_pool_block_of(pool, object) == NULL))) {
        pool_panic(pool, "pool: %p is no object of this pool", object);
    }
    uintptr_t word = gooi_pool_peek(pool, object);
    if (GOOI_UNLIKELY(pool_is_link(pool, word) && pool_is_free(pool, object, word))) {
        pool_panic(pool, again, object);
    }
}

/* Under the lock. */
static void pool_give(Pool *pool, void *object) {
    pool_check(pool, object, "pool: the object at %p was freed before (double free)");
    gooi_pool_push(pool, object);
}

static void pool_check_grown(Pool *pool, const void *object) {
    gooi_pool_lock(pool);
    pool_check(pool, object, "pool: the object at %p, to be resized, was freed before");
    gooi_pool_unlock(pool);
}

void *goo_pool_take_slow(GooAllocator *a) {
    Pool *pool = gooi_pool_of(a, "goo_pool_take");
    gooi_pool_lock(pool);
    void *object = pool_take(pool);
    gooi_pool_unlock(pool);
    return object;
}

void goo_pool_give_slow(GooAllocator *a, void *ptr) {
    Pool *pool = gooi_pool_of(a, "goo_pool_give");
    if (ptr != NULL) {
        gooi_pool_lock(pool);
        pool_give(pool, ptr);
        gooi_pool_unlock(pool);
    }
}

/* --- the mechanism --- */

static inline bool pool_fits(const Pool *pool, size_t size, size_t alignment) {
    return size <= pool->object_size && alignment <= pool->alignment;
}

static void *pool_alloc_closed(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    Pool *pool = ctx;
    size_t room = size;
    gooi_round_to_pages(&room, &alignment, options);
    if (!pool_fits(pool, room, alignment)) {
        errno = EINVAL;
        return NULL;
    }
    gooi_pool_lock(pool);
    void *object = pool_take(pool);
    gooi_pool_unlock(pool);
    if (object != NULL && (options & GOO_ALLOC_ZERO) != 0) {
        memset(object, 0, room);
    }
    return object;
}

static GOOI_NEVER_INLINE void *pool_alloc_rest(Pool *pool, size_t size, size_t alignment,
                                               GooAllocOptions options) {
    return pool_alloc_closed(pool, size, alignment, options);
}

static void *pool_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    Pool *pool = ctx;
    void *object = pool->window;
    if (GOOI_LIKELY(object != NULL && pool_fits(pool, size, alignment) &&
                    (options & (GOO_ALLOC_ZERO | GOO_ALLOC_PAGE)) == 0)) {
        uintptr_t word = pool_load(object) ^ pool->key;
        if (GOOI_LIKELY(GOO_POOL_IS_LINK_(word))) {
            pool->window = (void *)word;
            pool_store(object, 0);
            return object;
        }
    }
    return pool_alloc_rest(pool, size, alignment, options);
}

static void pool_free_closed(void *ctx, void *ptr, size_t size, size_t alignment) {
    (void)alignment;
    Pool *pool = ctx;
    GOO_REQUIRE(size <= pool->object_size, "pool: free of %p with %zu bytes; objects have %zu", ptr,
                size, pool->object_size);
    gooi_pool_lock(pool);
    pool_give(pool, ptr);
    gooi_pool_unlock(pool);
}

static GOOI_NEVER_INLINE void pool_free_rest(Pool *pool, void *ptr, size_t size) {
    pool_free_closed(pool, ptr, size, 0);
}

/* An empty window is a link like any other: to NULL. */
static void pool_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    (void)alignment;
    Pool *pool = ctx;
    if (GOO_CHECK_LEVEL < 2 && GOOI_LIKELY(size <= pool->object_size && pool_spans(pool, ptr) &&
                                           !pool_is_link(pool, pool_load(ptr)))) {
        pool_store(ptr, (uintptr_t)pool->window ^ pool->key);
        pool->window = ptr;
        return;
    }
    pool_free_rest(pool, ptr, size);
}

static bool pool_resize(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment) {
    (void)old_size;
    (void)alignment;
    pool_check_grown(ctx, ptr);
    return new_size <= ((const Pool *)ctx)->object_size;
}

static void *pool_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                          GooAllocOptions options) {
    size_t room = new_size;
    pool_check_grown(ctx, ptr);
    gooi_round_to_pages(&room, &alignment, options);
    if (!pool_fits(ctx, room, alignment)) {
        errno = EINVAL;
        return NULL;
    }
    if (new_size > old_size && (options & GOO_ALLOC_ZERO) != 0) {
        memset((uint8_t *)ptr + old_size, 0, new_size - old_size);
    }
    return ptr;
}

/* --- create and destroy --- */

static const GooiAllocatorOps pool_ops = {.reset = gooi_pool_reset, .owns = gooi_pool_owns};

static void pool_destroy(void *self) {
    Pool *pool = self;
    GooAllocator *parent = pool->parent;
    gooi_claims_lost_all(&pool->head.allocator);
    gooi_fork_delist(&pool->fork);
    gooi_pool_free_blocks(pool);
    pool->head.allocator.realloc = NULL; /* as far as the memory shows that: no pool */
    goo_memory_free_with(parent, pool, sizeof *pool);
}

/* Links are words at addresses that are multiples of 8 (GOO_POOL_IS_LINK_ with 32 bits). */
static size_t pool_alignment(const GooPoolOptions *options) {
    size_t alignment = options->alignment != 0 ? options->alignment : GOO_DEFAULT_ALIGNMENT;
    return alignment < 8 ? 8 : alignment;
}

/* A random key that no address can hide (GooPoolFast). */
static uintptr_t pool_key(void) {
    uintptr_t key;
    do {
        key = (uintptr_t)gooi_platform_random() | 1;
    } while (GOO_POOL_IS_LINK_(key));
    return key;
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
        pool->objects_per_block = count > POOL_COUNT_MIN ? count : POOL_COUNT_MIN;
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
        .alloc = pool->closed ? pool_alloc_closed : pool_alloc,
        .realloc = pool_realloc,
        .free = pool->closed ? pool_free_closed : pool_free,
        .destroy = pool_destroy,
        .context = pool,
        .resize = pool_resize,
        .name = "pool",
        .capabilities = GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS |
                        GOO_ALLOCATOR_OWNS | GOOI_ALLOCATOR_EXTENDED | GOOI_ALLOCATOR_PAGES |
                        GOOI_ALLOCATOR_DIRECT |
                        (options->thread_safe ? GOO_ALLOCATOR_THREAD_SAFE : 0u),
    };
    if (pool->thread_safe) {
        gooi_fork_enlist(&pool->fork, &pool->lock);
    }
    return &pool->head.allocator;
}

GooAllocator *goo_pool_allocator_create(size_t object_size, size_t objects_per_block) {
    GooPoolOptions options = {.object_size = object_size, .objects_per_block = objects_per_block};
    return goo_pool_allocator_create_with(NULL, &options);
}
