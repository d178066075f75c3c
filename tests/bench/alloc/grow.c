/* grow: a block that grows by halves from 64 bytes to 64 KiB by realloc, as a vector or a text that
 * is appended to, with a small block allocated between two steps, as programs do.
 *
 * An operation is one realloc. Each step writes the last word, so that what was grown is there. An
 * allocator that has room behind the block stretches it in place: the C library's does so nearly
 * always here, since the small blocks come from its lists; others copy from class to class.
 */
#include "tests/bench/alloc/way.h"

enum { GROW_FIRST = 64, GROW_LAST = 64 * 1024, GROW_STEPS_MAX = 32 };

typedef void *GrowFn(GooAllocator *a, void *ptr, size_t old_size, size_t new_size);

ALWAYS_INLINE size_t grow_loop(GooAllocator *a, size_t count, TakeFn *take, GrowFn *grow,
                               GiveFn *give) {
    size_t done = 0;
    while (done < count) {
        void *between[GROW_STEPS_MAX];
        size_t steps = 0, size = GROW_FIRST;
        char *block = take(a, size);
        for (; size < GROW_LAST; steps++) {
            size_t larger = size + size / 2;
            between[steps] = take(a, 32);
            block = grow(a, block, size, larger);
            touch(block + larger / 8 * 8 - 8, steps);
            size = larger;
        }
        for (size_t i = 0; i < steps; i++) {
            give(a, between[i], 32);
        }
        give(a, block, size);
        done += steps;
    }
    return done;
}

ALWAYS_INLINE void *grow_by_realloc(GooAllocator *a, void *ptr, size_t old_size, size_t new_size) {
    (void)a;
    (void)old_size;
    return realloc(ptr, new_size);
}

ALWAYS_INLINE void *grow_by_front_door(GooAllocator *a, void *ptr, size_t old_size,
                                       size_t new_size) {
    return goo_memory_realloc_with(a, ptr, old_size, new_size);
}

ALWAYS_INLINE void *grow_by_legacy(GooAllocator *a, void *ptr, size_t old_size, size_t new_size) {
    (void)a;
    (void)old_size;
    return goo_realloc(ptr, new_size);
}

static size_t grow_malloc(GooAllocator *a, size_t count) {
    return grow_loop(a, count, take_malloc, grow_by_realloc, give_malloc);
}

static size_t grow_front_door(GooAllocator *a, size_t count) {
    return grow_loop(a, count, take_front_door, grow_by_front_door, give_front_door);
}

static size_t grow_legacy(GooAllocator *a, size_t count) {
    return grow_loop(a, count, take_legacy, grow_by_legacy, give_legacy);
}

static const Way grow_ways[] = {
    WAY_OF_MALLOC(grow_malloc),
    {WAY_SYSTEM, WAY_GOO, grow_front_door, open_system, NO_TARGET},
    {"goo legacy", WAY_GOO, grow_legacy, NULL, NO_TARGET},
};

const Workload workload_grow = {"grow", "a block grows by halves to 64 KiB (ns per realloc)",
                                grow_ways, COUNT_OF(grow_ways), 0};
