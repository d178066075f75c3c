/* A child of fork finds no lock held and can go on, whatever other threads were doing: it counts,
 * opens by name, adds and removes callbacks, and uses the allocators that they were in. */
#include "goo/allocators.h"
#include "goo/runtime/callbacks.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/harness.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 2, FORKS = 40, CHILD_SECONDS = 10 };

typedef struct World {
    GooAllocator *pool, *debug, *tracked;
    _Atomic bool stop;
    _Atomic size_t rounds;
} World;

static void observe(const GooMemoryEvent *event, void *user) {
    (void)event;
    atomic_fetch_add((_Atomic size_t *)user, 1);
}

static bool use(GooAllocator *a, size_t alignment, GooAllocOptions options) {
    char *p = goo_memory_alloc_options(a, 32, alignment, options);
    if (p == NULL) {
        return false;
    }
    *p = 1;
    goo_memory_free_options(a, p, 32, alignment);
    return true;
}

/* Takes every lock that there is. */
static bool work(World *world) {
    _Atomic size_t seen = 0;
    int id = goo_callback_add_observer(observe, &seen, 1u << GOO_EVENT_ALLOC);
    GooAllocator *arena = goo_allocator_open("arena:block=4k,parent=(limit:max=1m,parent=system)");
    bool good = id > 0 && arena != NULL && use(arena, 0, 0) && use(world->pool, 0, 0) &&
                use(world->debug, 0, 0) && use(world->tracked, 0, 0) &&
                use(NULL, 0, GOO_ALLOC_PAGE) && use(world->debug, 0, GOO_ALLOC_PAGE);
    goo_allocator_destroy(arena);
    GooAllocator *counted = goo_system_allocator_create();
    good = good && counted != NULL;
    counted->track_stats = true;
    good = good && use(counted, 0, 0) && goo_get_alloc_stats(counted).total_frees == 1;
    goo_allocator_destroy(counted);
    goo_memory_check_leaks(NULL);
    goo_pool_trim(world->pool);
    return goo_callback_remove(id) == GOO_OK && good;
}

static void *worker(void *arg) {
    World *world = arg;
    while (!atomic_load(&world->stop)) {
        work(world);
        atomic_fetch_add(&world->rounds, 1);
    }
    return NULL;
}

static int child_status(World *world) {
    pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_SECONDS); /* a lock that is held for ever ends here */
        bool good = true;
        for (size_t i = 0; i < 3; i++) {
            good = work(world) && good;
        }
        _exit(good ? 0 : 1);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child ? status : -1;
}

/* The malloc of sanitizers takes locks that a fork does not find free. */
static bool malloc_can_fork(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
    return false;
#else
    return true;
#endif
#else
    return true;
#endif
}

GOO_TEST(fork, a_child_finds_no_lock_held) {
    if (!malloc_can_fork()) {
        goo_test_skip("this sanitizer's malloc does not survive a fork among threads");
    }
    GooMemoryConfig config = {.enable_leak_detection = true, .enable_tracking = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    GooPoolOptions options = {.object_size = 64, .objects_per_block = 4, .thread_safe = true};
    World world = {.pool = goo_pool_allocator_create_with(NULL, &options),
                   .debug = goo_debug_allocator_create(NULL, NULL)};
    world.tracked = goo_tracking_allocator_create(world.pool);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, worker, &world), 0);
    }
    int wrong = 0;
    for (size_t i = 0; i < FORKS && wrong == 0; i++) {
        wrong = child_status(&world);
    }
    atomic_store(&world.stop, true);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_MSG(wrong == 0, "a child ended with status %#x", (unsigned)wrong);
    CHECK(atomic_load(&world.rounds) != 0);
    CHECK(work(&world));
    goo_allocator_destroy(world.tracked);
    goo_allocator_destroy(world.pool);
    goo_allocator_destroy(world.debug);
    goo_memory_cleanup();
}

/* --- another thread is inside of a callback --- */

static _Atomic int inside, may_leave;

static void wait_inside(const GooMemoryEvent *event, void *user) {
    (void)event;
    (void)user;
    atomic_store(&inside, 1);
    while (!atomic_load(&may_leave)) {
        sched_yield();
    }
}

static void *allocate_once(void *arg) {
    (void)arg;
    goo_memory_free(goo_memory_alloc(10), 10);
    return NULL;
}

GOO_TEST(fork, a_child_removes_a_callback_that_another_thread_was_in) {
    int id = goo_callback_add_observer(wait_inside, NULL, 1u << GOO_EVENT_ALLOC);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, allocate_once, NULL), 0);
    while (!atomic_load(&inside)) {
        sched_yield();
    }
    pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_SECONDS);
        _exit(goo_callback_remove(id) == GOO_OK ? 0 : 1);
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    atomic_store(&may_leave, 1);
    pthread_join(thread, NULL);
    CHECK_EQ(goo_callback_remove(id), GOO_OK);
    CHECK_EQ(status, 0);
}
