/* The debug allocator's stacks are the program's: on every path, at every depth, on every thread.
 *
 * A function that calls on notes where it will be returned to; what the allocator says of a block
 * must begin with these, but for the frames of the library itself. Frames without a fixed size are
 * in debug_report_test.c.
 */
#include "goo/allocators/debug.h"
#include "goo/runtime/memory.h"
#include "tests/harness.h"

#include <pthread.h>
#include <string.h>

enum { DEPTH_MAX = 1000 };

typedef struct Path {
    GooAllocator *allocator;
    uint64_t seed;
    size_t depth, wrong, seen, told;
    void *returns[DEPTH_MAX]; /* outermost first */
} Path;

static uint64_t path_random(Path *path) {
    path->seed ^= path->seed << 13;
    path->seed ^= path->seed >> 7;
    path->seed ^= path->seed << 17;
    return path->seed;
}

/* Frames of the front door come first; then each must be one that was noted. */
static void compare(const GooLeak *leak, void *user) {
    Path *path = user;
    size_t i = 0;
    while (i < leak->stack_depth && leak->stack[i] != path->returns[path->depth - 1]) {
        i++;
    }
    path->seen++;
    bool right = i < leak->stack_depth;
    for (size_t k = path->depth; i < leak->stack_depth && k != 0; i++, k--) {
        right = right && leak->stack[i] == path->returns[k - 1];
    }
    path->wrong += !right;
    path->told += leak->stack_depth;
}

/* A function does not end with the call, so that it stays on the stack. */
#define STAY() __asm__ volatile("" ::: "memory")
#define NOINLINE __attribute__((noinline))
#define ENTER(path) ((path)->returns[(path)->depth++] = __builtin_return_address(0))
#define LEAVE(path) ((path)->depth--)

NOINLINE static void look(Path *path) {
    ENTER(path);
    void *p = goo_memory_alloc_with(path->allocator, 24);
    goo_debug_report(path->allocator, NULL);
    goo_memory_free_with(path->allocator, p, 24);
    LEAVE(path);
    STAY();
}

static void branch(Path *path, size_t left);

NOINLINE static void small_frame(Path *path, size_t left) {
    ENTER(path);
    branch(path, left);
    LEAVE(path);
    STAY();
}

NOINLINE static void large_frame(Path *path, size_t left) {
    volatile char room[500];
    room[left % 500] = 1;
    ENTER(path);
    branch(path, left);
    path->depth -= (size_t)room[left % 500]; /* LEAVE */
    STAY();
}

NOINLINE static void two_calls(Path *path, size_t left) {
    ENTER(path);
    branch(path, left / 2);
    STAY();
    branch(path, left - left / 2);
    LEAVE(path);
    STAY();
}

NOINLINE static void branch(Path *path, size_t left) {
    ENTER(path);
    uint64_t random = path_random(path);
    if (random % 8 == 0) {
        look(path);
        STAY();
    }
    if (left == 0 || path->depth > DEPTH_MAX - 10) {
        look(path);
    } else if (random >> 8 & 1) {
        small_frame(path, left - 1);
    } else if (random >> 9 & 1) {
        large_frame(path, left - 1);
    } else {
        two_calls(path, left - 1);
    }
    LEAVE(path);
    STAY();
}

static void walk(size_t stack_depth, size_t left, uint64_t seed, int rounds) {
    static Path path;
    path = (Path){.seed = seed};
    GooDebugOptions options = {.leak_mode = GOO_LEAK_CALLBACK,
                               .on_leak = compare,
                               .user = &path,
                               .stack_depth = stack_depth};
    path.allocator = goo_debug_allocator_create(NULL, &options);
    for (int i = 0; i < rounds; i++) {
        branch(&path, left);
        STAY();
    }
    CHECK(path.seen > (size_t)rounds);
    CHECK_EQ(path.wrong, 0);
    CHECK(path.told > path.seen); /* there was something to compare */
    goo_allocator_destroy(path.allocator);
}

GOO_TEST(debug_stack, is_right_on_any_path) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        walk(16, 12, seed, 20);
    }
}

GOO_TEST(debug_stack, is_right_at_any_depth) {
    for (size_t depth = 1; depth <= 56; depth += depth < 5 ? 1 : 13) {
        walk(depth + 8, 30, depth + 1000, 5); /* 8: the front door has some */
    }
}

/* Far beyond what is kept of it, and back. */
NOINLINE static void dive(Path *path, size_t left, size_t every) {
    ENTER(path);
    if (left % every == 0) {
        look(path);
        STAY();
    }
    if (left != 0) {
        dive(path, left - 1, every);
    }
    STAY();
    if (left % 7 == 0) {
        look(path);
    }
    LEAVE(path);
    STAY();
}

GOO_TEST(debug_stack, is_right_far_down) {
    static const size_t every[] = {1, 13, 150, 700};
    for (size_t i = 0; i < sizeof every / sizeof every[0]; i++) {
        static Path path;
        path = (Path){.seed = 1};
        GooDebugOptions options = {
            .leak_mode = GOO_LEAK_CALLBACK, .on_leak = compare, .user = &path};
        path.allocator = goo_debug_allocator_create(NULL, &options);
        dive(&path, 900, every[i]);
        dive(&path, 900, every[i]);
        CHECK(path.seen > 250);
        CHECK_EQ(path.wrong, 0);
        goo_allocator_destroy(path.allocator);
    }
}

GOO_TEST(debug_stack, two_allocators_take_turns) {
    static Path paths[2];
    GooAllocator *allocators[2];
    for (int i = 0; i < 2; i++) {
        paths[i] = (Path){.seed = 5};
        GooDebugOptions options = {
            .leak_mode = GOO_LEAK_CALLBACK, .on_leak = compare, .user = &paths[i]};
        allocators[i] = goo_debug_allocator_create(NULL, &options);
        paths[i].allocator = allocators[i];
    }
    for (int i = 0; i < 100; i++) {
        branch(&paths[i % 2], 5);
        STAY();
    }
    CHECK_EQ(paths[0].wrong + paths[1].wrong, 0);
    goo_allocator_destroy(allocators[0]);
    branch(&paths[1], 5); /* the seat was the other one's */
    CHECK_EQ(paths[1].wrong, 0);
    goo_allocator_destroy(allocators[1]);
}

/* --- threads --- */

typedef struct Worker {
    GooAllocator *allocator;
    uint64_t seed;
    void *kept[64];
} Worker;

NOINLINE static void *keep(Worker *w, int left) {
    void *p = left == 0 ? goo_memory_alloc_with(w->allocator, 32) : keep(w, left - 1);
    STAY();
    return p;
}

static void *work(void *arg) {
    Worker *w = arg;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 64; i++) {
            goo_memory_free_with(w->allocator, w->kept[i], 32);
            w->kept[i] = keep(w, (i + round) % 20);
        }
    }
    return NULL;
}

static void count_deep(const GooLeak *leak, void *user) {
    *(size_t *)user += leak->stack_depth > 1;
}

GOO_TEST(debug_stack, threads_have_their_own) {
    size_t deep = 0;
    GooDebugOptions options = {
        .leak_mode = GOO_LEAK_CALLBACK, .on_leak = count_deep, .user = &deep};
    GooAllocator *a = goo_debug_allocator_create(NULL, &options);
    static Worker workers[4];
    for (int round = 0; round < 2; round++) { /* the second threads find the first ones' traces */
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) {
            workers[i].allocator = a;
            CHECK_EQ(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
        }
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
        }
    }
    CHECK_EQ(goo_debug_report(a, NULL), 4 * 64);
    CHECK_EQ(deep, 4 * 64);
    goo_allocator_destroy(a);
}

GOO_TEST(debug_stack, many_sites_are_told_apart) {
    FILE *file = tmpfile();
    GooAllocator *a = goo_debug_allocator_create(NULL, NULL);
    enum { COUNT = 3000 };
    static void *blocks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = goo_memory_alloc_at(a, 16, i % 2 == 0 ? "even.c" : "odd.c", i + 1);
    }
    for (int i = 0; i < COUNT; i++) {
        if (i % 1000 != 0) {
            goo_memory_free_at(a, blocks[i], 16, "free.c", i + 1);
        }
    }
    CHECK_EQ(goo_debug_report(a, file), 3);
    static char text[20000];
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    CHECK(strstr(text, "even.c:1\n") && strstr(text, "even.c:1001\n") &&
          strstr(text, "even.c:2001\n"));
    goo_memory_free_at(a, blocks[0], 16, "free.c", 1);
    CHECK_PANICS(goo_memory_free_with(a, blocks[0], 16),
                 "allocated at even.c:1; freed at free.c:1");
    goo_allocator_destroy(a);
    fclose(file);
}
