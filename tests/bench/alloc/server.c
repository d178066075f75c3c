/* server: threads that replace blocks of their own and end; the next thread takes the blocks over.
 *
 * The server of Larson and Krishnan ("Memory allocation for long-running server applications",
 * ISMM 1998). A line is an array of 4,000 live blocks of 16 to 1,024 bytes and a chain of threads:
 * each replaces 16,000 of them at random, then a new one goes on with the same array. So about a
 * quarter of all frees are of blocks whose thread is gone, and what a thread kept to itself has to
 * find its way to others. One, two and four lines at once.
 *
 *     line 0   thread ----> thread ----> thread ---->      4,000 blocks
 *     line 1   thread ------> thread ---> thread --->      4,000 others
 *
 * An operation is a block replaced. Processor time of the whole process is what can be compared on
 * a machine that others use, and on one with fewer processors than lines; the clock shows beside it
 * what waits for a lock. A thread's start and end is part of both, the same for all, some 20 us
 * in 16,000 operations. Arrays are filled and emptied outside of the time.
 */
#include "tests/bench/alloc/way.h"

#include <pthread.h>

#include "goo/runtime/stats.h"

enum { SERVER_LINES_MAX = 4, SERVER_LIVE = 4000, SERVER_LIFE = 16000 };

typedef struct ServerBlock {
    void *ptr;
    size_t size;
} ServerBlock;

typedef struct Line {
    ServerBlock blocks[SERVER_LIVE];
    uint64_t seed, found;
    GooAllocator *a;
    void *(*life)(void *line); /* one thread's */
    size_t lives;
    bool failed;
} Line;

static Line server_lines[SERVER_LINES_MAX];

ALWAYS_INLINE void server_take(Line *line, ServerBlock *block, uint64_t bits, TakeFn *take) {
    block->size = 16 + (uint32_t)bits % 1009;
    touch(block->ptr = take(line->a, block->size), (uint32_t)bits);
}

ALWAYS_INLINE void server_give(Line *line, ServerBlock *block, GiveFn *give) {
    uintptr_t word;
    memcpy(&word, block->ptr, sizeof word);
    line->found += word;
    give(line->a, block->ptr, block->size);
}

ALWAYS_INLINE void *server_live(Line *line, TakeFn *take, GiveFn *give) {
    for (size_t i = 0; i < SERVER_LIFE; i++) {
        uint64_t bits = next_random(&line->seed);
        ServerBlock *block = &line->blocks[random_index(bits, SERVER_LIVE)];
        server_give(line, block, give);
        server_take(line, block, bits, take);
    }
    return NULL;
}

/* One thread after the other. */
static void *server_keep(void *arg) {
    Line *line = arg;
    for (size_t i = 0; i < line->lives && !line->failed; i++) {
        pthread_t thread;
        line->failed = pthread_create(&thread, NULL, line->life, line) != 0;
        if (!line->failed) {
            pthread_join(thread, NULL);
        }
    }
    return NULL;
}

/* All lines at once. */
static size_t server_run(size_t count, void *(*life)(void *line)) {
    pthread_t keepers[SERVER_LINES_MAX];
    size_t lines = way_size, lives = count / (lines * SERVER_LIFE) + 1, started = 0;
    bool failed = false;
    for (size_t i = 0; i < lines; i++) {
        server_lines[i].life = life;
        server_lines[i].lives = lives;
    }
    while (started < lines &&
           pthread_create(&keepers[started], NULL, server_keep, &server_lines[started]) == 0) {
        started++;
    }
    for (size_t i = 0; i < started; i++) {
        pthread_join(keepers[i], NULL);
        failed = failed || server_lines[i].failed;
    }
    return started == lines && !failed ? lines * lives * SERVER_LIFE : 0;
}

ALWAYS_INLINE void server_fill(GooAllocator *a, TakeFn *take) {
    for (size_t i = 0; i < way_size; i++) {
        Line *line = &server_lines[i];
        line->a = a;
        line->seed = RANDOM_SEED + i;
        line->found = 0;
        line->failed = false;
        for (size_t k = 0; k < SERVER_LIVE; k++) {
            server_take(line, &line->blocks[k], next_random(&line->seed), take);
        }
    }
}

ALWAYS_INLINE void server_empty(GiveFn *give) {
    for (size_t i = 0; i < way_size; i++) {
        Line *line = &server_lines[i];
        for (size_t k = 0; k < SERVER_LIVE; k++) {
            server_give(line, &line->blocks[k], give);
        }
        way_found += line->found;
    }
}

#define SERVER_WAY(name, take, give)                                                               \
    static void server_fill_##name(GooAllocator *a) {                                              \
        server_fill(a, take);                                                                      \
    }                                                                                              \
    static void *server_live_##name(void *line) {                                                  \
        return server_live(line, take, give);                                                      \
    }                                                                                              \
    static size_t server_##name(GooAllocator *a, size_t count) {                                   \
        (void)a;                                                                                   \
        return server_run(count, server_live_##name);                                              \
    }                                                                                              \
    static void server_empty_##name(GooAllocator *a) {                                             \
        (void)a;                                                                                   \
        server_empty(give);                                                                        \
    }

SERVER_WAY(malloc, take_malloc, give_malloc)
SERVER_WAY(front_door, take_front_door, give_front_door)
SERVER_WAY(legacy, take_legacy, give_legacy)

static void server_fill_tracked(GooAllocator *a) {
    goo_memory_set_tracking(true);
    server_fill_front_door(a);
}

static void server_empty_tracked(GooAllocator *a) {
    server_empty_front_door(a);
    goo_memory_set_tracking(false);
}

static const Way server_ways[] = {
    {.side = WAY_MALLOC,
     .run = server_malloc,
     .prepare = server_fill_malloc,
     .finish = server_empty_malloc},
    {.name = WAY_SYSTEM,
     .side = WAY_GOO,
     .run = server_front_door,
     .prepare = server_fill_front_door,
     .finish = server_empty_front_door,
     .open = open_system},
    {.name = "goo legacy",
     .side = WAY_GOO,
     .run = server_legacy,
     .prepare = server_fill_legacy,
     .finish = server_empty_legacy},
    {.name = "goo system, tracking on",
     .side = WAY_GOO,
     .run = server_front_door,
     .prepare = server_fill_tracked,
     .finish = server_empty_tracked,
     .open = open_system},
    {.name = "goo tracking allocator",
     .side = WAY_GOO,
     .run = server_front_door,
     .prepare = server_fill_front_door,
     .finish = server_empty_front_door,
     .open = open_tracking_allocator},
};

static const Figure server_figures[] = {{NULL, "ns"}, {"by the clock", "ns"}};

const Workload workload_server = {
    .name = "server",
    .what = "threads replace 4,000 blocks of 16 to 1,024 bytes, end and hand them on (ns of "
            "processor time per block)",
    .ways = server_ways,
    .way_count = COUNT_OF(server_ways),
    .figures = server_figures,
    .figure_count = COUNT_OF(server_figures),
    .size_unit = "lines",
    .sizes = {1, 2, SERVER_LINES_MAX},
    .quick_sizes = 3,
    .check_size = 2,
    .least_count = 4 * SERVER_LIFE,
};
