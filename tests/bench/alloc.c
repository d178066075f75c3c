/* bench_alloc: what explicit allocation costs, beside libc and the peers that are installed.
 *
 * Each workload is a function over a `Way` to allocate; a round runs every way of a workload one
 * after the other, so that a slow spell of the machine meets all of them, and begins with another
 * one each time. The figure is nanoseconds per operation, median over the rounds.
 *
 *   bump     64 bytes 500 times, then all gone together (arenas, regions, scopes); 32 KB, so that
 *            the cost of memory itself, which bench_fresh shows, stays out of it
 *   pair     allocate 64 bytes, free them
 *   random   10,000 live blocks of 16 to 512 bytes; one at random is freed and replaced
 *
 * Peers are shared libraries found at run time, called as a program calls them, through a pointer;
 * absent ones are named as absent. Goo is linked statically and called; its inline forms are
 * inline.
 */
#define _DEFAULT_SOURCE
#include "tests/bench/bench.h"

#include <dlfcn.h>

#include "goo/allocators.h"
#include "goo/allocators/arena_inline.h"
#include "goo/allocators/pool_inline.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "goo_memory.h"

enum { ROUNDS_MAX = 15, WAYS_MAX = 16, LIVE = 10000, BLOCK = 64, BATCH = 500 };

typedef struct Way {
    const char *name;
    void (*run)(const struct Way *way, size_t count); /* `count` operations */
    GooAllocator *allocator;
    void *(*malloc_of)(size_t size);
    void (*free_of)(void *ptr);
} Way;

static void *blocks[LIVE];
static size_t sizes[LIVE];
static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static inline uint64_t random_bits(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Keeps a block from being optimised away. */
static inline void touch(void *ptr) {
    *(volatile char *)ptr = 1;
}

/* --- bump --- */

static void bump_malloc_once(const Way *way) {
    void **kept = NULL; /* a list through the blocks, as a program that frees by hand keeps one */
    for (size_t i = 0; i < BATCH; i++) {
        void **block = way->malloc_of(BLOCK);
        *block = kept;
        kept = block;
    }
    while (kept != NULL) {
        void **next = *kept;
        way->free_of(kept);
        kept = next;
    }
}

static void bump_front_door_once(const Way *way) {
    for (size_t i = 0; i < BATCH; i++) {
        touch(goo_memory_alloc_with(way->allocator, BLOCK));
    }
    goo_allocator_reset(way->allocator);
}

static void bump_arena_inline_once(const Way *way) {
    for (size_t i = 0; i < BATCH; i++) {
        touch(goo_arena_take(way->allocator, BLOCK, 0));
    }
    goo_allocator_reset(way->allocator);
}

static void bump_region_once(const Way *way) {
    if (goo_region_begin(way->allocator) != GOO_OK) {
        return;
    }
    for (size_t i = 0; i < BATCH; i++) {
        touch(goo_memory_alloc_with(way->allocator, BLOCK));
    }
    goo_region_end(way->allocator);
}

static void bump_scoped_once(const Way *way) {
    size_t mark = goo_scope_mark(way->allocator);
    for (size_t i = 0; i < BATCH; i++) {
        touch(goo_memory_alloc_with(way->allocator, BLOCK));
    }
    goo_scope_unwind(way->allocator, mark);
}

static void bump_batches(const Way *way, size_t count, void (*once)(const Way *way)) {
    for (size_t done = 0; done < count; done += BATCH) {
        once(way);
    }
}

static void bump_malloc(const Way *way, size_t count) {
    bump_batches(way, count, bump_malloc_once);
}

static void bump_front_door(const Way *way, size_t count) {
    bump_batches(way, count, bump_front_door_once);
}

static void bump_arena_inline(const Way *way, size_t count) {
    bump_batches(way, count, bump_arena_inline_once);
}

static void bump_region(const Way *way, size_t count) {
    bump_batches(way, count, bump_region_once);
}

static void bump_scoped(const Way *way, size_t count) {
    bump_batches(way, count, bump_scoped_once);
}

/* --- pair --- */

static void pair_malloc(const Way *way, size_t count) {
    for (size_t i = 0; i < count; i++) {
        void *block = way->malloc_of(BLOCK);
        touch(block);
        way->free_of(block);
    }
}

static void pair_front_door(const Way *way, size_t count) {
    for (size_t i = 0; i < count; i++) {
        void *block = goo_memory_alloc_with(way->allocator, BLOCK);
        touch(block);
        goo_memory_free_with(way->allocator, block, BLOCK);
    }
}

static void pair_tracked(const Way *way, size_t count) {
    bool before = goo_memory_set_tracking(true);
    pair_front_door(way, count);
    goo_memory_set_tracking(before);
}

static void pair_pool_inline(const Way *way, size_t count) {
    for (size_t i = 0; i < count; i++) {
        void *block = goo_pool_take(way->allocator);
        touch(block);
        goo_pool_give(way->allocator, block);
    }
}

/* --- random --- */

static void random_malloc(const Way *way, size_t count) {
    for (size_t i = 0; i < LIVE; i++) {
        touch(blocks[i] = way->malloc_of(16 + random_bits() % 497));
    }
    for (size_t i = 0; i < count; i++) {
        size_t k = random_bits() % LIVE;
        way->free_of(blocks[k]);
        touch(blocks[k] = way->malloc_of(16 + random_bits() % 497));
    }
    for (size_t i = 0; i < LIVE; i++) {
        way->free_of(blocks[i]);
    }
}

static void random_front_door(const Way *way, size_t count) {
    GooAllocator *a = way->allocator;
    for (size_t i = 0; i < LIVE; i++) {
        sizes[i] = 16 + random_bits() % 497;
        touch(blocks[i] = goo_memory_alloc_with(a, sizes[i]));
    }
    for (size_t i = 0; i < count; i++) {
        size_t k = random_bits() % LIVE;
        goo_memory_free_with(a, blocks[k], sizes[k]);
        sizes[k] = 16 + random_bits() % 497;
        touch(blocks[k] = goo_memory_alloc_with(a, sizes[k]));
    }
    for (size_t i = 0; i < LIVE; i++) {
        goo_memory_free_with(a, blocks[i], sizes[i]);
    }
}

/* --- peers --- */

/* A peer's malloc and free from its shared library; name NULL if it is not installed. */
static Way peer(const char *name, const char *library, const char *alloc, const char *release) {
    Way way = {NULL, NULL, NULL, NULL, NULL};
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    void *alloc_symbol = handle == NULL ? NULL : dlsym(handle, alloc);
    void *free_symbol = handle == NULL ? NULL : dlsym(handle, release);
    if (alloc_symbol == NULL || free_symbol == NULL) {
        printf("%s: absent (%s can't be loaded)\n", name, library);
        return way;
    }
    way.name = name;
    memcpy(&way.malloc_of, &alloc_symbol, sizeof way.malloc_of);
    memcpy(&way.free_of, &free_symbol, sizeof way.free_of);
    return way;
}

/* --- the whole --- */

static void measure(const char *workload, const Way *ways, size_t way_count, size_t rounds,
                    size_t count) {
    static double samples[WAYS_MAX][ROUNDS_MAX];
    for (size_t w = 0; w < way_count; w++) {
        ways[w].run(&ways[w], count / 4); /* warm */
    }
    for (size_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < way_count; i++) {
            size_t w = (i + r) % way_count;
            double start = bench_now_ns();
            ways[w].run(&ways[w], count);
            samples[w][r] = (bench_now_ns() - start) / (double)count;
        }
    }
    printf("\n%s\n", workload);
    double first = 0;
    for (size_t w = 0; w < way_count; w++) {
        BenchSpread s = bench_spread(samples[w], rounds);
        first = w == 0 ? s.median : first;
        printf("  %-36s %8.2f ns   %8.2f - %-8.2f %6.2f x %s\n", ways[w].name, s.median, s.least,
               s.most, s.median / first, ways[0].name);
    }
}

/* The ways of a workload: libc first, then the peers, then Goo's own. */
static size_t with_peers(Way *ways, const Way *peers, size_t peer_count,
                         void (*run)(const Way *way, size_t count), const Way *own,
                         size_t own_count) {
    size_t n = 0;
    ways[n++] = (Way){"libc malloc", run, NULL, malloc, free};
    for (size_t i = 0; i < peer_count; i++) {
        if (peers[i].name != NULL) {
            ways[n] = peers[i];
            ways[n++].run = run;
        }
    }
    for (size_t i = 0; i < own_count; i++) {
        ways[n++] = own[i];
    }
    return n;
}

int main(int argc, char **argv) {
    bool quick;
    int status = 0;
    if (!bench_parse(argc, argv,
                     "usage: bench_alloc [--quick]\n"
                     "Explicit allocation beside libc, mimalloc and jemalloc.\n"
                     "  --quick  fewer rounds\n",
                     &quick, &status)) {
        return status;
    }
    bench_print_machine();
    Way peers[] = {peer("mimalloc", "libmimalloc.so.2", "mi_malloc", "mi_free"),
                   peer("jemalloc", "libjemalloc.so.2", "malloc", "free")};
    GooAllocator *system = goo_system_allocator_create();
    GooAllocator *arena = goo_arena_allocator_create((size_t)1 << 20);
    GooAllocator *region = goo_region_allocator_create((size_t)1 << 20, true);
    GooAllocator *scope = goo_scoped_allocator_create(system);
    GooAllocator *pool = goo_pool_allocator_create(BLOCK, 1024);
    GooAllocator *tracking = goo_tracking_allocator_create(system);
    if (system == NULL || arena == NULL || region == NULL || scope == NULL || pool == NULL ||
        tracking == NULL) {
        fprintf(stderr, "bench_alloc: no memory\n");
        return 1;
    }
    const Way bump[] = {{"goo arena, inline", bump_arena_inline, arena, NULL, NULL},
                        {"goo arena, front door", bump_front_door, arena, NULL, NULL},
                        {"goo region", bump_region, region, NULL, NULL},
                        {"goo scoped", bump_scoped, scope, NULL, NULL}};
    const Way pair[] = {{"goo pool, inline", pair_pool_inline, pool, NULL, NULL},
                        {"goo pool, front door", pair_front_door, pool, NULL, NULL},
                        {"goo system, front door", pair_front_door, system, NULL, NULL},
                        {"goo legacy", pair_malloc, NULL, goo_alloc, goo_free},
                        {"goo system, process-wide tracking", pair_tracked, system, NULL, NULL},
                        {"goo tracking allocator", pair_front_door, tracking, NULL, NULL}};
    const Way random[] = {{"goo system, front door", random_front_door, system, NULL, NULL},
                          {"goo legacy", random_malloc, NULL, goo_alloc, goo_free}};
    size_t rounds = quick ? 3 : 11, count = quick ? 200000 : 1000000, peer_count = 2;
    Way ways[WAYS_MAX];
    size_t n = with_peers(ways, peers, peer_count, bump_malloc, bump, 4);
    measure("bump: 64 bytes 500 times, all gone together", ways, n, rounds, count);
    n = with_peers(ways, peers, peer_count, pair_malloc, pair, 6);
    measure("pair: allocate and free 64 bytes", ways, n, rounds, count);
    n = with_peers(ways, peers, peer_count, random_malloc, random, 2);
    measure("random: 16 to 512 bytes, 10,000 live, free one and allocate one", ways, n, rounds,
            count);
    GooAllocator *all[] = {tracking, pool, scope, region, arena, system};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        goo_allocator_destroy(all[i]);
    }
    return 0;
}
