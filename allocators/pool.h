/* The insides of the pool, shared by its files. Private to allocators/pool*.c.
 *
 *     pool.c         taking and giving, the mechanism, create and destroy
 *     pool_blocks.c  blocks: getting, carving, finding, counting, trimming, reset, the check
 *
 *     window ──▶ free object ──▶ free object ──▶ NULL     (each link xor key)
 *     blocks: [header | object | object | ... carved ... | never touched]   sorted by address
 *
 *   POOL-1  a free object is in the list or not carved yet, exactly one of them
 *   POOL-2  `blocks` rises; the objects in them are `total`, at most max_objects
 *   POOL-3  a block is on the `fresh` list iff it has objects that are not carved
 *   POOL-4  every object lies in [low, low + span), and every block too
 *   POOL-5  while the parent is asked the lock is free and the pool is whole: the parent's handlers
 *           and observers may use the pool, and a panic there may leave by longjmp
 *   POOL-6  of a parent for one thread, one thread of a thread_safe pool asks at a time
 */
#ifndef GOO_ALLOCATORS_POOL_PRIVATE_H
#define GOO_ALLOCATORS_POOL_PRIVATE_H

#include "allocators/impl.h"
#include "goo/allocators/pool.h"
#include "goo/allocators/pool_inline.h"
#include "runtime/fork.h"

#include <stdatomic.h>
#include <string.h>

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
    size_t object_size, alignment;
    uintptr_t low, span; /* POOL-4 */
    void *hidden;
    bool closed, watched_memory, thread_safe;
    atomic_flag lock; /* of a thread_safe pool: everything that changes */
    GooiForkLock fork;
    _Atomic uintptr_t asking; /* POOL-6: the thread that asks the parent; 0: none */
    size_t stride, header_size;
    size_t objects_per_block, max_objects, total;
    PoolBlock **blocks;
    size_t block_count, block_capacity;
    PoolBlock *fresh;
    GooAllocator *parent;
} Pool;

_Static_assert(offsetof(GooPoolFast, free) == offsetof(Pool, window), "pool_inline.h");
_Static_assert(offsetof(GooPoolFast, key) == offsetof(Pool, key), "pool_inline.h");

void gooi_pool_lock(Pool *pool);
void gooi_pool_unlock(Pool *pool);

/* --- the list --- */

static inline void **pool_list(Pool *pool) {
    return pool->closed ? &pool->hidden : &pool->window;
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
    return GOO_POOL_IS_LINK_(word ^ pool->key);
}

/* The first word of an object, which may be poisoned. */
uintptr_t gooi_pool_peek(const Pool *pool, const void *object);
/* The successor of a free object. Panics if the object was written. */
void *gooi_pool_next(const Pool *pool, const void *object);
void gooi_pool_push(Pool *pool, void *object);
/* The first free object; there is one. */
void *gooi_pool_pop(Pool *pool);

/* --- pool_blocks.c --- */

static inline uint8_t *pool_objects(const Pool *pool, const PoolBlock *block) {
    return (uint8_t *)(uintptr_t)block + pool->header_size;
}

/* The block that a carved object lies in, at its start; NULL if it is none. */
PoolBlock *gooi_pool_block_of(const Pool *pool, const void *ptr);
bool gooi_pool_owns(GooAllocator *a, const void *ptr);
/* Puts some objects that were never used on the list, the lowest address first. False: none is
 * left and there is no memory. True: another thread may have been faster and left none (POOL-5). */
bool gooi_pool_carve(Pool *pool);
/* The `reset` of GooiAllocatorOps. */
void gooi_pool_reset(GooAllocator *a);
void gooi_pool_free_blocks(Pool *pool);
/* What of POOL-1 to POOL-4 does not hold, or NULL. */
const char *gooi_pool_check(Pool *pool);

/* --- pool.c --- */
Pool *gooi_pool_of(GooAllocator *a, const char *call);

#endif
