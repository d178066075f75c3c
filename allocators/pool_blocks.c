/* The blocks of a pool: where its objects come from, and where they go.
 *
 * A block is got from the parent whole and carved in steps, so that a large one costs nothing until
 * its objects are used. `blocks` is sorted by address: an object's block is found by bisection,
 * which only trimming, owns and checks need.
 *
 *   picture, invariants POOL-1 to POOL-4: allocators/pool.h
 *
 * Threads: under the pool's lock, or by its only thread.
 */
#include "allocators/pool.h"

#include "runtime/pending.h"
#include "runtime/platform/platform.h"

#include <errno.h>

enum { POOL_CARVE_BATCH = 16 };

/* --- getting and finding --- */

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

PoolBlock *gooi_pool_block_of(const Pool *pool, const void *ptr) {
    size_t rank = pool_rank(pool, ptr);
    if (rank == 0) {
        return NULL;
    }
    PoolBlock *block = pool->blocks[rank - 1];
    size_t offset = (uintptr_t)ptr - (uintptr_t)pool_objects(pool, block);
    return offset < block->carved * pool->stride && offset % pool->stride == 0 ? block : NULL;
}

/* --- asking the parent: without the lock (POOL-5) --- */

/* A turn at the parent; lies in the frame of who has it. */
typedef struct PoolTurn {
    GooiPending pending; /* first: recovered from its address */
    Pool *pool;          /* NULL: none is needed, or an outer frame of this thread has it */
} PoolTurn;

static void pool_turn_give_back(GooiPending *pending) {
    atomic_store_explicit(&((PoolTurn *)(void *)pending)->pool->asking, 0, memory_order_release);
}

static void pool_turn_begin(PoolTurn *turn, Pool *pool) {
    uintptr_t self = gooi_platform_thread_id(), nobody = 0;
    bool shared = (pool->parent->capabilities & GOO_ALLOCATOR_THREAD_SAFE) != 0;
    turn->pool = NULL;
    if (!pool->thread_safe || shared ||
        atomic_load_explicit(&pool->asking, memory_order_relaxed) == self) {
        return;
    }
    while (!atomic_compare_exchange_weak_explicit(&pool->asking, &nobody, self,
                                                  memory_order_acquire, memory_order_relaxed)) {
        nobody = 0;
        gooi_platform_yield();
    }
    turn->pool = pool;
    gooi_pending_begin(&turn->pending, pool_turn_give_back);
}

static void pool_turn_end(PoolTurn *turn) {
    if (turn->pool != NULL && gooi_pending_end(&turn->pending)) {
        pool_turn_give_back(&turn->pending);
    }
}

static void *pool_ask(Pool *pool, size_t size, size_t alignment) {
    PoolTurn turn;
    gooi_pool_unlock(pool);
    pool_turn_begin(&turn, pool);
    void *p = goo_memory_alloc_options(pool->parent, size, alignment, GOO_ALLOC_DEFAULT);
    pool_turn_end(&turn);
    gooi_pool_lock(pool);
    return p;
}

/* The lock is not held. */
static void pool_give_up(Pool *pool, void *ptr, size_t size, size_t alignment) {
    PoolTurn turn;
    pool_turn_begin(&turn, pool);
    goo_memory_free_options(pool->parent, ptr, size, alignment);
    pool_turn_end(&turn);
}

static void pool_return(Pool *pool, void *ptr, size_t size, size_t alignment) {
    gooi_pool_unlock(pool);
    pool_give_up(pool, ptr, size, alignment);
    gooi_pool_lock(pool);
}

/* Room for one more pointer in `blocks`, unless somebody fills it meanwhile. */
static bool pool_reserve_entry(Pool *pool) {
    if (pool->block_count < pool->block_capacity) {
        return true;
    }
    size_t capacity = pool->block_capacity != 0 ? pool->block_capacity * 2 : 8;
    PoolBlock **entries = pool_ask(pool, capacity * sizeof *entries, 0);
    if (entries == NULL) {
        return false;
    }
    if (capacity > pool->block_capacity) {
        PoolBlock **outgrown = pool->blocks;
        size_t outgrown_capacity = pool->block_capacity;
        if (outgrown != NULL) {
            memcpy(entries, outgrown, pool->block_count * sizeof *entries);
        }
        pool->blocks = entries;
        pool->block_capacity = capacity;
        entries = outgrown;
        capacity = outgrown_capacity;
    }
    pool_return(pool, entries, capacity * sizeof *entries, 0);
    return true;
}

/* POOL-4 */
static void pool_measure_span(Pool *pool) {
    if (pool->block_count == 0) {
        pool->low = pool->span = 0;
        return;
    }
    const PoolBlock *last = pool->blocks[pool->block_count - 1];
    pool->low = (uintptr_t)pool->blocks[0];
    pool->span = (uintptr_t)last + last->size - pool->low;
}

/* How many objects a new block would hold; 0: max_objects are there. */
static size_t pool_next_capacity(const Pool *pool) {
    size_t left = pool->max_objects - pool->total;
    return pool->objects_per_block < left ? pool->objects_per_block : left;
}

static void pool_insert_block(Pool *pool, PoolBlock *block) {
    if (pool->watched_memory) {
        gooi_poison(pool_objects(pool, block), block->size - pool->header_size);
    }
    size_t rank = pool_rank(pool, block);
    memmove(pool->blocks + rank + 1, pool->blocks + rank,
            (pool->block_count - rank) * sizeof(PoolBlock *));
    pool->blocks[rank] = block;
    pool->block_count++;
    pool->total += block->capacity;
    block->next_fresh = pool->fresh;
    pool->fresh = block;
    pool_measure_span(pool);
}

/* False: there is no memory. True: there is a new block, or somebody else's came first, which may
 * be used up by now. */
static bool pool_add_block(Pool *pool) {
    size_t capacity = pool_next_capacity(pool);
    size_t size;
    if (capacity == 0 || gooi_multiply_overflows(capacity, pool->stride, &size) ||
        gooi_add_overflows(size, pool->header_size, &size)) {
        errno = ENOMEM;
        return false;
    }
    if (!pool_reserve_entry(pool)) {
        return false;
    }
    PoolBlock *block = pool_ask(pool, size, pool->alignment);
    if (block == NULL) {
        return false;
    }
    if (pool->block_count == pool->block_capacity || capacity > pool_next_capacity(pool)) {
        pool_return(pool, block, size, pool->alignment);
        return true;
    }
    *block = (PoolBlock){.size = size, .capacity = capacity};
    pool_insert_block(pool, block);
    return true;
}

bool gooi_pool_carve(Pool *pool) {
    if (pool->fresh == NULL && !pool_add_block(pool)) {
        return false;
    }
    PoolBlock *block = pool->fresh;
    if (block == NULL) {
        return true; /* whoever asked looks again */
    }
    size_t left = block->capacity - block->carved;
    size_t count = left < POOL_CARVE_BATCH ? left : POOL_CARVE_BATCH;
    uint8_t *first = pool_objects(pool, block) + block->carved * pool->stride;
    block->carved += count;
    if (block->carved == block->capacity) {
        pool->fresh = block->next_fresh;
    }
    for (size_t i = count; i-- != 0;) {
        gooi_pool_push(pool, first + i * pool->stride);
    }
    return true;
}

/* --- the check --- */

static const char *pool_check_blocks(const Pool *pool) {
    size_t total = 0, fresh = 0, partly_carved = 0;
    for (size_t i = 0; i < pool->block_count; i++) {
        const PoolBlock *block = pool->blocks[i];
        if (i != 0 && (uintptr_t)pool->blocks[i - 1] >= (uintptr_t)block) {
            return "blocks are not in order of address (POOL-2)";
        }
        if ((uintptr_t)block - pool->low >= pool->span ||
            (uintptr_t)block - pool->low + block->size > pool->span) {
            return "a block lies outside of the span (POOL-4)";
        }
        if (block->carved > block->capacity) {
            return "a block has more objects carved than it holds";
        }
        total += block->capacity;
        partly_carved += block->carved < block->capacity;
    }
    for (const PoolBlock *block = pool->fresh; block != NULL && fresh <= pool->block_count;
         block = block->next_fresh) {
        if (block->carved == block->capacity) {
            return "a block without fresh objects is on the fresh list (POOL-3)";
        }
        fresh++;
    }
    if (fresh != partly_carved) {
        return "a block with fresh objects is not on the fresh list (POOL-3)";
    }
    return total == pool->total && total <= pool->max_objects
               ? NULL
               : "the number of objects is wrong (POOL-2)";
}

/* Every object on the list is carved, and the list is not longer than the objects are many. */
static const char *pool_check_list(Pool *pool) {
    size_t count = 0;
    const void *object = *pool_list(pool);
    while (object != NULL) {
        if (gooi_pool_block_of(pool, object) == NULL) {
            return "the list of free objects leads to what is none (POOL-1)";
        }
        if (++count > pool->total) {
            return "the list of free objects has a ring (POOL-1)";
        }
        uintptr_t word = gooi_pool_peek(pool, object);
        if (!pool_is_link(pool, word)) {
            return "a free object was written";
        }
        object = (const void *)(word ^ pool->key);
    }
    return pool->closed && pool->window != NULL ? "a closed pool has its window open" : NULL;
}

const char *gooi_pool_check(Pool *pool) {
    const char *wrong = pool_check_blocks(pool);
    return wrong != NULL ? wrong : pool_check_list(pool);
}

static void pool_check_deep(Pool *pool) {
    if (GOO_CHECK_LEVEL >= 3) {
        const char *wrong = gooi_pool_check(pool);
        if (wrong != NULL) {
            gooi_pool_unlock(pool); /* a handler may leave by longjmp */
        }
        GOO_DEEP(wrong == NULL, "pool: %s", wrong);
    }
}

bool gooi_pool_owns(GooAllocator *a, const void *ptr) {
    Pool *pool = (Pool *)(void *)a;
    gooi_pool_lock(pool);
    size_t rank = pool_rank(pool, ptr);
    bool owned = false;
    if (rank != 0) {
        const PoolBlock *block = pool->blocks[rank - 1];
        owned =
            (uintptr_t)ptr - (uintptr_t)pool_objects(pool, block) < block->carved * pool->stride;
    }
    gooi_pool_unlock(pool);
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
        object = gooi_pool_next(pool, object);
    }
    GOO_ASSERT(count <= pool->total, "pool: the list of free objects is longer than all (POOL-1)");
    return count;
}

void goo_pool_get_stats(GooAllocator *a, size_t *out_free, size_t *out_total) {
    Pool *pool = gooi_pool_of(a, __func__);
    gooi_pool_lock(pool);
    pool_check_deep(pool);
    if (out_free != NULL) {
        *out_free = pool_count_free(pool);
    }
    if (out_total != NULL) {
        *out_total = pool->total;
    }
    gooi_pool_unlock(pool);
}

static void pool_count_free_by_block(Pool *pool) {
    for (size_t i = 0; i < pool->block_count; i++) {
        pool->blocks[i]->free_count = pool->blocks[i]->capacity - pool->blocks[i]->carved;
    }
    for (void *object = *pool_list(pool); object != NULL; object = gooi_pool_next(pool, object)) {
        PoolBlock *block = gooi_pool_block_of(pool, object);
        if (block == NULL) {
            gooi_pool_unlock(pool);
            gooi_panic("pool: a free object was written: the list leads to %p, which is none",
                       object);
        }
        block->free_count++;
    }
}

/* Takes the objects of blocks that are all free off the list; the others keep their order. */
static void pool_unlist_empty(Pool *pool) {
    void *object = *pool_list(pool);
    void *kept = NULL;
    *pool_list(pool) = NULL;
    for (int pass = 0; pass < 2; pass++) { /* the second turns the order round again */
        while (object != NULL) {
            void *next = gooi_pool_next(pool, object);
            const PoolBlock *block = gooi_pool_block_of(pool, object);
            if (block->free_count != block->capacity) {
                gooi_pool_push(pool, object);
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

static void pool_free_block(Pool *pool, PoolBlock *block) {
    size_t size = block->size;
    if (pool->watched_memory) {
        gooi_unpoison(block, size, false);
    }
    pool_give_up(pool, block, size, pool->alignment);
}

void gooi_pool_free_blocks(Pool *pool) {
    pool_check_deep(pool);
    for (size_t i = 0; i < pool->block_count; i++) {
        pool_free_block(pool, pool->blocks[i]);
    }
    if (pool->blocks != NULL) {
        goo_memory_free_with(pool->parent, pool->blocks,
                             pool->block_capacity * sizeof(PoolBlock *));
    }
}

/* Takes the blocks whose objects are all free out of the pool, as a chain. */
static PoolBlock *pool_take_empty(Pool *pool) {
    pool_count_free_by_block(pool);
    pool_unlist_empty(pool);
    PoolBlock *chain = NULL;
    size_t kept = 0;
    for (size_t i = 0; i < pool->block_count; i++) {
        PoolBlock *block = pool->blocks[i];
        if (block->free_count == block->capacity) {
            pool->total -= block->capacity;
            block->next_fresh = chain;
            chain = block;
        } else {
            pool->blocks[kept++] = block;
        }
    }
    pool->block_count = kept;
    pool_rebuild_fresh(pool);
    pool_measure_span(pool);
    return chain;
}

size_t goo_pool_trim(GooAllocator *a) {
    Pool *pool = gooi_pool_of(a, __func__);
    gooi_pool_lock(pool);
    PoolBlock *chain = pool_take_empty(pool);
    pool_check_deep(pool);
    gooi_pool_unlock(pool);
    size_t bytes = 0;
    while (chain != NULL) { /* POOL-5 */
        PoolBlock *block = chain;
        chain = block->next_fresh;
        bytes += block->size;
        pool_free_block(pool, block);
    }
    return bytes;
}

void gooi_pool_reset(GooAllocator *a) {
    Pool *pool = (Pool *)(void *)a;
    gooi_claims_lost_all(a);
    gooi_pool_lock(pool);
    *pool_list(pool) = NULL;
    for (size_t i = 0; i < pool->block_count; i++) {
        PoolBlock *block = pool->blocks[i];
        block->carved = 0;
        if (pool->watched_memory) {
            gooi_poison(pool_objects(pool, block), block->size - pool->header_size);
        }
    }
    pool_rebuild_fresh(pool);
    pool_check_deep(pool);
    gooi_pool_unlock(pool);
    gooi_memory_settle_all_but(a, 0, 0);
}
