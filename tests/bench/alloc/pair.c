/* pair: allocate 64 bytes, free them; batch: 100 of them, freed in the order they came.
 *
 * The pair is what the figures of other allocators are given for, and shows the length of the path:
 * each turn waits for what the one before wrote to the same block. A batch is more like a program,
 * which has several blocks live and frees an old one; it is no chain, so the processor overlaps its
 * steps. Both write the block's first word in between. The bare rows are a list of free objects
 * without any check: the targets are from a machine where it takes 0.48 inline and 1.88 in two
 * calls.
 */
#include "tests/bench/alloc/reference.h"
#include "tests/bench/alloc/way.h"

#include <pthread.h>

#include "goo/allocators/pool_inline.h"
#include "goo/runtime/stats.h"

enum { PAIR_SIZE = 64, PAIR_BATCH = 100 };

ALWAYS_INLINE size_t pair_loop(GooAllocator *a, size_t count, TakeFn *take, GiveFn *give) {
    for (size_t i = 0; i < count; i++) {
        void *block = take(a, PAIR_SIZE);
        touch(block, i);
        give(a, block, PAIR_SIZE);
    }
    return count;
}

ALWAYS_INLINE size_t batch_loop(GooAllocator *a, size_t count, TakeFn *take, GiveFn *give) {
    void *blocks[PAIR_BATCH];
    size_t done = 0;
    for (; done < count; done += PAIR_BATCH) {
        for (size_t i = 0; i < PAIR_BATCH; i++) {
            touch(blocks[i] = take(a, PAIR_SIZE), i);
        }
        for (size_t i = 0; i < PAIR_BATCH; i++) {
            give(a, blocks[i], PAIR_SIZE);
        }
    }
    return done;
}

ALWAYS_INLINE void *pair_take_pool(GooAllocator *a, size_t size) {
    (void)size;
    return goo_pool_take(a);
}

ALWAYS_INLINE void pair_give_pool(GooAllocator *a, void *ptr, size_t size) {
    (void)size;
    goo_pool_give(a, ptr);
}

/* pair_NAME and batch_NAME over a pair of functions and what they are given for an allocator. */
#define PAIR_WAYS(name, handle, take, give)                                                        \
    static size_t pair_##name(GooAllocator *a, size_t count) {                                     \
        (void)a;                                                                                   \
        return pair_loop(handle, count, take, give);                                               \
    }                                                                                              \
    static size_t batch_##name(GooAllocator *a, size_t count) {                                    \
        (void)a;                                                                                   \
        return batch_loop(handle, count, take, give);                                              \
    }

PAIR_WAYS(malloc, a, take_malloc, give_malloc)
PAIR_WAYS(reference, reference_handle(), reference_pop, reference_push)
PAIR_WAYS(reference_called, reference_handle(), reference_pop_called, reference_push_called)
PAIR_WAYS(pool_inline, a, pair_take_pool, pair_give_pool)
PAIR_WAYS(front_door, a, take_front_door, give_front_door)
PAIR_WAYS(legacy, a, take_legacy, give_legacy)

static size_t pair_tracked(GooAllocator *a, size_t count) {
    bool before = goo_memory_set_tracking(true);
    pair_front_door(a, count);
    goo_memory_set_tracking(before);
    return count;
}

static size_t batch_tracked(GooAllocator *a, size_t count) {
    bool before = goo_memory_set_tracking(true);
    size_t done = batch_front_door(a, count);
    goo_memory_set_tracking(before);
    return done;
}

static GooAllocator *pair_open_pool(void) {
    return goo_pool_allocator_create(PAIR_SIZE, 1024);
}

/* The rows of both: pair_ or batch_ before each function's name. The targets are for a pair, and
 * tracking's 3 ns are for each of its two calls. */
#define PAIR_ROWS(prefix)                                                                          \
    WAY_OF_MALLOC(prefix##malloc),                                                                 \
        WAY_OF_GOO("bare free list, inline", prefix##reference, NULL, NO_TARGET),                  \
        WAY_OF_GOO("bare free list, called", prefix##reference_called, NULL, NO_TARGET),           \
        WAY_OF_GOO("goo pool, inline", prefix##pool_inline, pair_open_pool, TARGET_SCALED, 0.7,    \
                   "bare free list, inline", 0.48),                                                \
        WAY_OF_GOO("goo pool, front door", prefix##front_door, pair_open_pool, TARGET_SCALED, 2.4, \
                   "bare free list, called", 1.88),                                                \
        WAY_OF_GOO(WAY_SYSTEM, prefix##front_door, open_system, TARGET_ABOVE, 2.5, WAY_LIBC, 0),   \
        WAY_OF_GOO("goo legacy", prefix##legacy, NULL, TARGET_RATIO, 1.1, WAY_SYSTEM, 0),          \
        WAY_OF_GOO("goo system, tracking on", prefix##tracked, open_system, TARGET_ABOVE, 6,       \
                   WAY_SYSTEM, 0),                                                                 \
        WAY_OF_GOO("goo tracking allocator", prefix##front_door, open_tracking_allocator,          \
                   NO_TARGET),

static const Way pair_ways[] = {PAIR_ROWS(pair_)};
static const Way batch_ways[] = {PAIR_ROWS(batch_)};

const Workload workload_pair = {
    .name = "pair",
    .what = "allocate and free 64 bytes (ns per pair)",
    .ways = pair_ways,
    .way_count = COUNT_OF(pair_ways),
};
const Workload workload_batch = {
    .name = "batch",
    .what = "100 live blocks of 64 bytes, first in first out (ns per alloc and free)",
    .ways = batch_ways,
    .way_count = COUNT_OF(batch_ways),
};

/* --- threads --- */

typedef struct ThreadsPart {
    size_t (*run)(GooAllocator *a, size_t count);
    GooAllocator *a;
    size_t count;
} ThreadsPart;

static void *threads_part(void *arg) {
    ThreadsPart *part = arg;
    part->run(part->a, part->count);
    return NULL;
}

/* Half of the operations here, the other half on a second thread at the same time. */
static size_t threads_run(GooAllocator *a, size_t count,
                          size_t (*run)(GooAllocator *a, size_t count)) {
    ThreadsPart part = {run, a, count / 2};
    pthread_t other;
    if (pthread_create(&other, NULL, threads_part, &part) != 0) {
        return 0;
    }
    run(a, count / 2);
    pthread_join(other, NULL);
    return count / 2 * 2;
}

static size_t threads_malloc(GooAllocator *a, size_t count) {
    return threads_run(a, count, pair_malloc);
}

static size_t threads_front_door(GooAllocator *a, size_t count) {
    return threads_run(a, count, pair_front_door);
}

static size_t threads_tracked(GooAllocator *a, size_t count) {
    bool before = goo_memory_set_tracking(true);
    size_t done = threads_run(a, count, pair_front_door);
    goo_memory_set_tracking(before);
    return done;
}

static const Way threads_ways[] = {
    WAY_OF_MALLOC(threads_malloc),
    WAY_OF_GOO(WAY_SYSTEM, threads_front_door, open_system, TARGET_ABOVE, 2.5, WAY_LIBC, 0),
    WAY_OF_GOO("goo system, tracking on", threads_tracked, open_system, TARGET_ABOVE, 6, WAY_SYSTEM,
               0),
};

const Workload workload_threads = {
    .name = "threads",
    .what = "pairs of 64 bytes on two threads at once (ns of processor time per pair)",
    .ways = threads_ways,
    .way_count = COUNT_OF(threads_ways),
    .least_count = 200000,
};
