/* random: 10,000 live blocks of 16 to 512 bytes; one at random is freed and replaced.
 *
 * What an allocator of all sizes is for, in an order that it can't foresee. The whole set is
 * allocated and freed in each pass, which a pass is long enough to outweigh.
 */
#include "tests/bench/alloc/way.h"

enum { RANDOM_LIVE = 10000 };

static struct {
    void *ptr;
    size_t size;
} random_blocks[RANDOM_LIVE];

ALWAYS_INLINE size_t random_loop(GooAllocator *a, size_t count, TakeFn *take, GiveFn *give) {
    uint64_t seed = RANDOM_SEED;
    for (size_t i = 0; i < RANDOM_LIVE; i++) {
        random_blocks[i].size = 16 + next_random(&seed) % 497;
        touch(random_blocks[i].ptr = take(a, random_blocks[i].size), i);
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = next_random(&seed);
        size_t k = (bits >> 32) % RANDOM_LIVE;
        give(a, random_blocks[k].ptr, random_blocks[k].size);
        random_blocks[k].size = 16 + (uint32_t)bits % 497;
        touch(random_blocks[k].ptr = take(a, random_blocks[k].size), i);
    }
    for (size_t i = 0; i < RANDOM_LIVE; i++) {
        give(a, random_blocks[i].ptr, random_blocks[i].size);
    }
    return count + RANDOM_LIVE;
}

static size_t random_malloc(GooAllocator *a, size_t count) {
    return random_loop(a, count, take_malloc, give_malloc);
}

static size_t random_front_door(GooAllocator *a, size_t count) {
    return random_loop(a, count, take_front_door, give_front_door);
}

static size_t random_legacy(GooAllocator *a, size_t count) {
    return random_loop(a, count, take_legacy, give_legacy);
}

static const Way random_ways[] = {
    WAY_OF_MALLOC(random_malloc),
    {WAY_SYSTEM, WAY_GOO, random_front_door, open_system, {TARGET_ABOVE, 2.5, WAY_LIBC, 0}},
    {"goo legacy", WAY_GOO, random_legacy, NULL, {TARGET_RATIO, 1.1, WAY_SYSTEM, 0}},
};

const Workload workload_random = {
    "random", "16 to 512 bytes, 10,000 live, one replaced at random (ns per free and alloc)",
    random_ways, COUNT_OF(random_ways), 300000};
