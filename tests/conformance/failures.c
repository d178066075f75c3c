/* The suite's cases on trouble: a parent that fails at each step in turn, and many threads. */
#include "tests/conformance/blocks.h"

#include <pthread.h>

/* A piece of work whose every request may fail; what it got stays intact, and is freed. */
static size_t work(const Conformance *c, GooAllocator *a) {
    Blocks all = {.count = 0};
    size_t failures = 0;
    size_t alignment = blocks_alignment(c, GOO_DEFAULT_ALIGNMENT);
    for (size_t i = 0; i < 60; i++) {
        size_t size = blocks_size(c, i % 15 == 0 ? 70000 : 1000 + 40 * i);
        size = c->room != 0 ? c->room / 200 : size;
        errno = 0;
        Block b = block_make(a, size, i % 4 == 3 ? blocks_alignment(c, 512) : alignment,
                             i % 8 == 5 ? GOO_ALLOC_PERSIST : 0, (uint8_t)i);
        if (b.ptr == NULL) {
            CHECK_EQ(errno, ENOMEM);
            failures++;
            continue;
        }
        blocks_add(&all, b);
        Block *grown = &all.at[all.count - 1 - (c->lifo || all.count < 3 ? 0 : 2)];
        size_t new_size = blocks_size(c, grown->size * 2);
        errno = 0;
        uint8_t *p =
            goo_memory_realloc_options(a, grown->ptr, grown->size, new_size, grown->alignment, 0);
        if (p == NULL) {
            CHECK_EQ(errno, ENOMEM);
            failures++;
        } else {
            all.bytes += new_size - grown->size;
            grown->ptr = p;
            block_verify(grown, grown->size < new_size ? grown->size : new_size);
            grown->size = new_size;
            block_fill(grown);
        }
    }
    blocks_verify(&all);
    blocks_free_all(a, &all);
    return failures;
}

/* Once with one failure, once with all from there on failing. After it, all goes well again. */
static bool fails_at(const Conformance *c, size_t n, bool on) {
    Parent parent;
    GooAllocator *p = parent_init(&parent);
    parent.fail_at = n;
    parent.fail_on = on;
    errno = 0;
    GooAllocator *a = c->make(p);
    if (a == NULL) {
        CHECK_EQ(errno, ENOMEM);
        CHECK_EQ(parent.live, 0);
        return true;
    }
    size_t failures = work(c, a);
    bool reached = parent.requests >= n;
    CHECK(failures == 0 || reached);
    parent.fail_at = 0;
    CHECK_EQ(work(c, a), 0);
    goo_allocator_destroy(a);
    CHECK_EQ(parent.live, 0);
    CHECK_EQ(parent.faults, 0);
    return reached;
}

void conformance_parent_fails_at_every_step(const Conformance *c) {
    if (!c->has_parent) {
        Bench bench;
        CHECK_EQ(work(c, bench_begin(&bench, c)), 0);
        bench_end(&bench);
        return;
    }
    size_t steps = 0;
    for (size_t n = 1; fails_at(c, n, false); n++) {
        steps = n;
        CHECK(steps < 1000);
    }
    for (size_t n = 1; n <= steps; n++) {
        fails_at(c, n, true);
    }
    CHECK(steps >= 1);
}

/* --- threads --- */

enum { THREADS = 4, EXCHANGE = 64, THREAD_STEPS = 4000 };

typedef struct Crew {
    const Conformance *c;
    GooAllocator *a;
    pthread_mutex_t lock;
    Block shared[EXCHANGE]; /* blocks that any thread may take and free */
    unsigned damaged;
    bool refused;
} Crew;

typedef struct Worker {
    Crew *crew;
    uint64_t random;
} Worker;

static bool block_is_whole(const Block *b) {
    for (size_t i = 0; i < b->size; i++) {
        if (b->ptr[i] != (uint8_t)(b->seed + i * 7)) {
            return false;
        }
    }
    return true;
}

static void *worker_run(void *arg) {
    Worker *worker = arg;
    Crew *crew = worker->crew;
    const Conformance *c = crew->c;
    for (unsigned step = 0; step < THREAD_STEPS; step++) {
        uint32_t dice = blocks_random(&worker->random);
        Block mine = {NULL, blocks_size(c, 1 + dice % 500), blocks_alignment(c, 16), (uint8_t)dice};
        mine.ptr = goo_memory_alloc_options(crew->a, mine.size, mine.alignment, 0);
        if (mine.ptr != NULL) {
            block_fill(&mine);
        }
        pthread_mutex_lock(&crew->lock);
        crew->refused |= mine.ptr == NULL;
        Block theirs = crew->shared[dice / 512 % EXCHANGE];
        crew->shared[dice / 512 % EXCHANGE] = mine;
        pthread_mutex_unlock(&crew->lock);
        if (theirs.ptr != NULL) {
            if (!block_is_whole(&theirs)) {
                pthread_mutex_lock(&crew->lock);
                crew->damaged++;
                pthread_mutex_unlock(&crew->lock);
            }
            goo_memory_free_options(crew->a, theirs.ptr, theirs.size, theirs.alignment);
        }
    }
    return NULL;
}

static void crew_run(const Conformance *c, bool counted) {
    Bench bench;
    Crew crew = {.c = c, .a = bench_begin(&bench, c), .lock = PTHREAD_MUTEX_INITIALIZER};
    crew.a->track_stats = counted;
    pthread_t threads[THREADS];
    Worker workers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (Worker){&crew, i + 1};
        CHECK_EQ(pthread_create(&threads[i], NULL, worker_run, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_EQ(crew.damaged, 0);
    CHECK(!crew.refused);
    for (unsigned i = 0; i < EXCHANGE; i++) {
        if (crew.shared[i].ptr != NULL) {
            block_free(crew.a, &crew.shared[i]);
        }
    }
    CHECK_EQ(crew.a->stats.bytes_allocated, 0);
    bench_end(&bench);
}

void conformance_threads(const Conformance *c) {
    if ((c->capabilities & GOO_ALLOCATOR_THREAD_SAFE) != 0) {
        crew_run(c, false);
        crew_run(c, true);
    }
}
