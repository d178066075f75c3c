/* goo_pool_take and goo_pool_give: a pool's fast paths as inline functions.
 *
 * Choose them in the innermost loop of code that knows its allocator is a pool. Choose the front
 * door elsewhere: these are the same objects, but nobody counts them, no strategy acts on a
 * failure, and no observer hears of it. Either form may free what the other allocated.
 *
 *     struct Node *node = goo_pool_take(pool);
 *     goo_pool_give(pool, node);
 *
 * What is shown of the pool is for these functions only and may change with any version that the
 * program is compiled anew for. Hidden from Zig's translator.
 */
#ifndef GOO_ALLOCATORS_POOL_INLINE_H
#define GOO_ALLOCATORS_POOL_INLINE_H

#include "goo/allocators/pool.h"

#include <string.h>

#if !defined(__ARO_EMULATE__)

GOO_BEGIN_DECLS

/* The head of every pool. `free` is the first free object, or NULL when a call must see to it; the
 * first word of a free object is its successor's address xor `key`. No address has a bit in its
 * upper byte (with 32 bits: in its lowest three), and `key` has one, so that a word which decodes
 * to an address is most likely a link: the object is free already. */
typedef struct GooPoolFast {
    GooAllocator allocator;
    const void *ops;
    void *free;
    uintptr_t key;
} GooPoolFast;

#if UINTPTR_MAX > 0xffffffffu
#define GOO_POOL_IS_LINK_(x) (((x) >> 56) == 0)
#else
#define GOO_POOL_IS_LINK_(x) (((x)&7) == 0)
#endif

/* What the inline forms leave to a call. */
GOO_API void *goo_pool_take_slow(GooAllocator *pool);
GOO_API void goo_pool_give_slow(GooAllocator *pool, void *ptr);

#if defined(__GNUC__) || defined(__clang__)
#define GOO_POOL_LIKELY_(x) __builtin_expect(!!(x), 1)
#else
#define GOO_POOL_LIKELY_(x) (x)
#endif

/* Takes an object. Returns: the object, contents indeterminate. Fails: NULL, ENOMEM.
 * Owner: the caller, until goo_pool_give or a free of the object's size. Threads: the pool's.
 * Cost: two loads, two stores and two tests. */
static inline void *goo_pool_take(GooAllocator *pool) {
    GooPoolFast *fast = (GooPoolFast *)(void *)pool;
    void *object = fast->free;
    if (GOO_POOL_LIKELY_(object != NULL)) {
        uintptr_t next, nothing = 0;
        memcpy(&next, object, sizeof next); /* an object has any type: these are bytes */
        next ^= fast->key;
        if (GOO_POOL_LIKELY_(GOO_POOL_IS_LINK_(next))) {
            fast->free = (void *)next;
            memcpy(object, &nothing, sizeof nothing);
            return object;
        }
    }
    return goo_pool_take_slow(pool);
}

/* Gives an object back; NULL does nothing. Giving it twice panics. Threads: the pool's. Cost: two
 * loads, two stores and two tests. */
static inline void goo_pool_give(GooAllocator *pool, void *ptr) {
    GooPoolFast *fast = (GooPoolFast *)(void *)pool;
    uintptr_t next = (uintptr_t)fast->free;
    if (GOO_POOL_LIKELY_(next != 0 && ptr != NULL)) {
        uintptr_t word;
        memcpy(&word, ptr, sizeof word);
        if (GOO_POOL_LIKELY_(!GOO_POOL_IS_LINK_(word ^ fast->key))) {
            next ^= fast->key;
            memcpy(ptr, &next, sizeof next);
            fast->free = ptr;
            return;
        }
    }
    goo_pool_give_slow(pool, ptr);
}

GOO_END_DECLS

#endif
#endif
