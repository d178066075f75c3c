/* grow: a block that grows by halves from 64 bytes by realloc, as a vector or a text that is
 * appended to, with a small block allocated between two steps, as programs do.
 *
 * An operation is one realloc. Each step writes the last word, and all of these are read at the
 * end, so that what was grown is there. It ends at 4 KiB, 64 KiB or 1 MiB. An allocator
 * that has room behind the block stretches it in place: the C library's does so nearly always here,
 * since the small blocks come from its lists, and large blocks it moves by their page tables;
 * others copy from class to class.
 */
#include "tests/bench/alloc/way.h"

enum { GROW_FIRST = 64, GROW_STEPS_MAX = 32 };

typedef void *GrowFn(GooAllocator *a, void *ptr, size_t old_size, size_t new_size);

/* The place of the last whole word. */
ALWAYS_INLINE char *grow_last_word(char *block, size_t size) {
    return block + size / 8 * 8 - 8;
}

static void grow_look(char *block, size_t last) {
    for (size_t size = GROW_FIRST; size < last;) {
        uintptr_t word;
        size += size / 2;
        memcpy(&word, grow_last_word(block, size), sizeof word);
        way_found += word;
    }
}

ALWAYS_INLINE size_t grow_loop(GooAllocator *a, size_t count, TakeFn *take, GrowFn *grow,
                               GiveFn *give) {
    size_t done = 0, last = way_size;
    while (done < count) {
        void *between[GROW_STEPS_MAX];
        size_t steps = 0, size = GROW_FIRST;
        char *block = take(a, size);
        for (; size < last; steps++) {
            size_t larger = size + size / 2;
            between[steps] = take(a, 32);
            block = grow(a, block, size, larger);
            touch(grow_last_word(block, larger), steps + 1);
            size = larger;
        }
        grow_look(block, last);
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

/* A text that is made once and goes with what it belongs to: the last block of an arena grows in
 * place until its room ends, but here a small block lies behind it. */
static size_t grow_arena(GooAllocator *a, size_t count) {
    size_t done = 0;
    while (done < count) {
        done += grow_front_door(a, 1);
        goo_allocator_reset(a);
    }
    return done;
}

static GooAllocator *grow_open_arena(void) {
    return goo_arena_allocator_create((size_t)1 << 20);
}

static const Way grow_ways[] = {
    WAY_OF_MALLOC(grow_malloc),
    WAY_OF_GOO(WAY_SYSTEM, grow_front_door, open_system, NO_TARGET),
    WAY_OF_GOO("goo legacy", grow_legacy, NULL, NO_TARGET),
    WAY_OF_GOO("goo tracking allocator", grow_front_door, open_tracking_allocator, NO_TARGET),
    WAY_OF_GOO("goo arena, reset", grow_arena, grow_open_arena, NO_TARGET),
};

const Workload workload_grow = {
    .name = "grow",
    .what = "a block grows by halves to that size (ns per realloc)",
    .ways = grow_ways,
    .way_count = COUNT_OF(grow_ways),
    .size_unit = "bytes",
    .sizes = {4096, 65536, 1 << 20},
    .quick_sizes = 3,
};
