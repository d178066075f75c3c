/* random: live blocks of 16 to 512 bytes; one at random is freed and replaced.
 *
 * What an allocator of all sizes is for, in an order that it can't foresee, with 1,000 to 1,000,000
 * live blocks: from some that stay in the processor's caches to more than 260 MB. Before time is
 * taken the set is made and 200,000 blocks, or as many as there are, are replaced: the heap has its
 * holes.
 */
#include "tests/bench/alloc/way.h"

#include "goo/runtime/stats.h"

enum { RANDOM_LIVE_MAX = 1000000, RANDOM_REPLACED = 200000 };

typedef struct RandomBlock {
    void *ptr;
    size_t size;
} RandomBlock;

static RandomBlock random_blocks[RANDOM_LIVE_MAX];
static uint64_t random_seed;

/* Frees a block and returns the word that it was given. */
ALWAYS_INLINE uintptr_t random_give(GooAllocator *a, RandomBlock *block, GiveFn *give) {
    uintptr_t word;
    memcpy(&word, block->ptr, sizeof word);
    give(a, block->ptr, block->size);
    return word;
}

ALWAYS_INLINE void random_take(GooAllocator *a, RandomBlock *block, uint64_t bits, TakeFn *take) {
    block->size = 16 + (uint32_t)bits % 497;
    touch(block->ptr = take(a, block->size), (uint32_t)bits);
}

ALWAYS_INLINE size_t random_loop(GooAllocator *a, size_t count, TakeFn *take, GiveFn *give) {
    size_t live = way_size;
    uint64_t seed = random_seed, found = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = next_random(&seed);
        RandomBlock *block = &random_blocks[random_index(bits, live)];
        found += random_give(a, block, give);
        random_take(a, block, bits, take);
    }
    random_seed = seed;
    way_found += found;
    return count;
}

ALWAYS_INLINE void random_fill(GooAllocator *a, TakeFn *take, GiveFn *give) {
    random_seed = RANDOM_SEED;
    for (size_t i = 0; i < way_size; i++) {
        random_take(a, &random_blocks[i], next_random(&random_seed), take);
    }
    random_loop(a, way_size < RANDOM_REPLACED ? way_size : RANDOM_REPLACED, take, give);
}

ALWAYS_INLINE void random_empty(GooAllocator *a, GiveFn *give) {
    for (size_t i = 0; i < way_size; i++) {
        way_found += random_give(a, &random_blocks[i], give);
    }
}

/* Ways: the functions of a row over a pair of functions. */
#define RANDOM_WAY(name, take, give)                                                               \
    static void random_fill_##name(GooAllocator *a) {                                              \
        random_fill(a, take, give);                                                                \
    }                                                                                              \
    static size_t random_##name(GooAllocator *a, size_t count) {                                   \
        return random_loop(a, count, take, give);                                                  \
    }                                                                                              \
    static void random_empty_##name(GooAllocator *a) {                                             \
        random_empty(a, give);                                                                     \
    }

RANDOM_WAY(malloc, take_malloc, give_malloc)
RANDOM_WAY(front_door, take_front_door, give_front_door)
RANDOM_WAY(legacy, take_legacy, give_legacy)

static void random_fill_tracked(GooAllocator *a) {
    goo_memory_set_tracking(true);
    random_fill_front_door(a);
}

static void random_empty_tracked(GooAllocator *a) {
    random_empty_front_door(a);
    goo_memory_set_tracking(false);
}

static const Way random_ways[] = {
    {.side = WAY_MALLOC,
     .run = random_malloc,
     .prepare = random_fill_malloc,
     .finish = random_empty_malloc},
    {.name = WAY_SYSTEM,
     .side = WAY_GOO,
     .run = random_front_door,
     .prepare = random_fill_front_door,
     .finish = random_empty_front_door,
     .open = open_system,
     .target = {TARGET_ABOVE, 2.5, WAY_LIBC, 0}},
    {.name = "goo legacy",
     .side = WAY_GOO,
     .run = random_legacy,
     .prepare = random_fill_legacy,
     .finish = random_empty_legacy,
     .target = {TARGET_RATIO, 1.1, WAY_SYSTEM, 0}},
    {.name = "goo system, tracking on",
     .side = WAY_GOO,
     .run = random_front_door,
     .prepare = random_fill_tracked,
     .finish = random_empty_tracked,
     .open = open_system,
     .target = {TARGET_ABOVE, 6, WAY_SYSTEM, 0}},
    {.name = "goo tracking allocator",
     .side = WAY_GOO,
     .run = random_front_door,
     .prepare = random_fill_front_door,
     .finish = random_empty_front_door,
     .open = open_tracking_allocator},
};

const Workload workload_random = {
    .name = "random",
    .what = "16 to 512 bytes, one replaced at random (ns per free and alloc)",
    .ways = random_ways,
    .way_count = COUNT_OF(random_ways),
    .size_unit = "live blocks",
    .sizes = {1000, 10000, 100000, RANDOM_LIVE_MAX},
    .quick_sizes = 3,
    .target_size = 10000,
    .least_count = 50000,
};
