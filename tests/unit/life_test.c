/* The library over the life of a process and of its threads: before main, init and cleanup, threads
 * that end, children of fork, and errno, which a call that succeeds leaves alone. Uses private
 * headers to see what is left.
 */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE /* fork, kill */
#endif

#include "goo/goo.h"
#include "goo_memory.h"
#include "runtime/globals.h"
#include "runtime/stats.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- before main --- */

static char *early_text;
static void *early_block;
static GooAllocator *early_arena;
static bool early_temp;

__attribute__((constructor(101))) static void use_everything_early(void) {
    early_text = goo_strdup("early");
    early_block = goo_memory_alloc_zeroed(100);
    early_arena = goo_arena_allocator_create(0);
    early_temp = goo_temp_alloc(10) != NULL && early_arena != NULL &&
                 goo_memory_alloc_with(early_arena, 10) != NULL;
}

GOO_TEST(life, everything_works_before_main) {
    CHECK_STR_EQ(early_text, "early");
    CHECK(goo_memory_is_zero(early_block, 100));
    CHECK(early_temp);
    goo_free(early_text);
    goo_memory_free(early_block, 100);
    goo_allocator_destroy(early_arena);
    early_text = NULL;
    early_block = early_arena = NULL;
}

/* --- init and cleanup --- */

GOO_TEST(life, cleanup_restores_the_default_that_was_set_before) {
    Mock mine, configured;
    goo_set_default_allocator(mock_init(&mine));
    GooMemoryConfig config = {.default_allocator = mock_init(&configured)};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    CHECK_PTR_EQ(goo_get_default_allocator(), &configured.allocator);
    goo_memory_cleanup();
    CHECK_PTR_EQ(goo_get_default_allocator(), &mine.allocator);
    goo_set_default_allocator(NULL);
}

GOO_TEST(life, tracking_that_was_on_before_stays_on) {
    goo_memory_set_tracking(true);
    GooMemoryConfig config = {.enable_tracking = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    goo_memory_cleanup();
    CHECK(goo_memory_set_tracking(false));
}

GOO_TEST(life, a_nested_init_can_not_add_tracking) {
    GooMemoryConfig inner = {.enable_tracking = true};
    CHECK(goo_memory_init());
    CHECK_EQ(goo_memory_init_with(&inner), GOO_ERR_BUSY);
    goo_memory_cleanup();
    CHECK(!goo_memory_set_tracking(false));
}

GOO_TEST(life, cleanup_frees_this_threads_scratch) {
    CHECK(goo_memory_init());
    CHECK(goo_temp_alloc(1000) != NULL);
    CHECK(gooi_scratch.newest != NULL);
    goo_memory_cleanup();
    CHECK_PTR_EQ(gooi_scratch.newest, NULL);
}

GOO_TEST(life, scratch_keeps_no_more_than_a_mebibyte) {
    for (int i = 0; i < 40; i++) {
        CHECK(goo_temp_alloc(100000) != NULL);
    }
    goo_temp_reset();
    CHECK(gooi_scratch.limit - gooi_scratch.cursor <= 1 << 20);
    CHECK(goo_temp_alloc(8 << 20) != NULL);
    goo_temp_reset();
    CHECK(gooi_scratch.limit - gooi_scratch.cursor <= 1 << 20);
    CHECK(goo_temp_alloc(10) != NULL);
    goo_temp_reset();
}

/* --- threads --- */

static void *count_something(void *arg) {
    GooAllocator *a = arg;
    goo_temp_alloc(1000);
    goo_memory_free_with(a, goo_memory_alloc_with(a, 100), 100);
    return NULL;
}

static void run_thread(void *(*fn)(void *), void *arg) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

GOO_TEST(life, a_thread_that_ends_leaves_its_counters_to_the_next) {
    GooAllocator *a = goo_system_allocator_create();
    a->track_stats = true;
    run_thread(count_something, a);
    size_t shards = gooi_shard_count;
    for (int i = 0; i < 50; i++) {
        run_thread(count_something, a);
    }
    CHECK_EQ(gooi_shard_count, shards);
    CHECK_EQ(goo_get_alloc_stats(a).total_allocations, 51); /* none is lost */
    CHECK_EQ(goo_get_alloc_stats(a).total_frees, 51);
    goo_allocator_destroy(a);
}

static void *hold_and_free(void *arg) {
    GooAllocator *a = arg;
    void *blocks[100];
    for (int i = 0; i < 100; i++) {
        blocks[i] = goo_memory_alloc_with(a, 100000);
    }
    for (int i = 0; i < 100; i++) {
        goo_memory_free_with(a, blocks[i], 100000);
    }
    return NULL;
}

static void *hold_twice(void *arg) {
    pthread_barrier_t **both = arg;
    hold_and_free(both[1]);
    pthread_barrier_wait(both[0]);
    pthread_barrier_wait(both[0]);
    return NULL;
}

/* What one thread had and gave back is not part of what another one reaches. */
GOO_TEST(life, a_peak_is_no_sum_of_peaks_at_different_times) {
    GooAllocator *a = goo_system_allocator_create();
    a->track_stats = true;
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 2);
    void *both[] = {&barrier, a};
    pthread_t first;
    CHECK_EQ(pthread_create(&first, NULL, hold_twice, both), 0);
    pthread_barrier_wait(&barrier); /* it has given all back, and lives on */
    hold_and_free(a);
    pthread_barrier_wait(&barrier);
    pthread_join(first, NULL);
    size_t peak = goo_get_alloc_stats(a).max_bytes_allocated;
    CHECK_MSG(peak >= 10000000 - (256 << 10) && peak <= 10000000 + (256 << 10), "peak %zu", peak);
    goo_allocator_destroy(a);
    pthread_barrier_destroy(&barrier);
}

static void forget_nothing(void *self) {
    (void)self;
}

GOO_TEST(life, allocators_come_and_go_and_slots_come_back) {
    for (int i = 0; i < 200; i++) {
        GooAllocator *a = goo_system_allocator_create();
        a->track_stats = true;
        void *p = goo_memory_alloc_with(a, 50);
        CHECK_MSG(gooi_stats_known_slot(a) != 0, "no slot for allocator %d", i);
        CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 50);
        goo_memory_free_with(a, p, 50);
        goo_allocator_destroy(a);
    }
    static Mock mocks[200]; /* no two at one address */
    for (int i = 0; i < 200; i++) {
        GooAllocator *a = mock_init(&mocks[i]);
        a->capabilities = GOO_ALLOCATOR_THREAD_SAFE;
        a->track_stats = true;
        a->destroy = forget_nothing;
        goo_memory_free_with(a, goo_memory_alloc_with(a, 50), 50);
        CHECK(gooi_stats_known_slot(a) != 0);
        goo_allocator_destroy(a);
    }
    Mock mock; /* one that nobody announces the end of, always at the same address */
    for (int i = 0; i < 200; i++) {
        GooAllocator *a = mock_init(&mock);
        a->capabilities = GOO_ALLOCATOR_THREAD_SAFE;
        a->track_stats = true;
        goo_memory_free_with(a, goo_memory_alloc_with(a, 50), 50);
        CHECK(gooi_stats_known_slot(a) != 0);
        CHECK_EQ(goo_get_alloc_stats(a).total_frees, 1);
    }
}

/* --- figures of the process --- */

GOO_TEST(life, freeing_what_was_never_counted_wraps_no_figure) {
    void *p = goo_alloc(100000);
    goo_memory_reset_stats();
    goo_memory_set_tracking(true);
    size_t before = goo_memory_get_stats().current_bytes;
    goo_free(p);
    GooMemoryStats stats = goo_memory_get_stats();
    CHECK(stats.current_bytes <= before && stats.current_bytes < 100000);
    CHECK(stats.reserved_bytes < 200000);
    CHECK(stats.current_allocations < 1000);
    CHECK(stats.peak_bytes < 200000);
    p = goo_alloc(100000); /* leaves the figures as they were */
    goo_memory_set_tracking(false);
    goo_free(p);
}

GOO_TEST(life, heap_bytes_and_external_bytes_are_told_apart) {
    GooGcHeap *heap = goo_gc_heap_create(NULL);
    GooGcMutator *m = goo_gc_attach(heap);
    CHECK(goo_gc_alloc_leaf(m, 1000) != NULL);
    GooMemoryStats before = goo_memory_get_stats();
    CHECK(before.gc_bytes >= 1000);
    CHECK_EQ(goo_gc_adjust_external(heap, 123456), GOO_OK);
    GooMemoryStats after = goo_memory_get_stats();
    CHECK_EQ(after.external_bytes, before.external_bytes + 123456);
    CHECK_EQ(after.gc_bytes, before.gc_bytes);
    CHECK_EQ(goo_gc_adjust_external(heap, -123456), GOO_OK);
    goo_gc_detach(m);
    goo_gc_heap_destroy(heap);
}

/* An attached allocator that is reset holds nothing any more. */
static void check_reset_releases(GooGcHeap *heap, GooAllocator *a, size_t persistent) {
    CHECK(a != NULL);
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    void *kept = NULL;
    if (persistent != 0) {
        kept = goo_memory_alloc_options(a, persistent, 0, GOO_ALLOC_PERSIST);
        CHECK(kept != NULL);
    }
    for (int i = 0; i < 10; i++) {
        CHECK(goo_memory_alloc_with(a, 300) != NULL);
    }
    CHECK_EQ(goo_gc_get_stats(heap).external_bytes, 3000 + persistent);
    CHECK(goo_allocator_reset(a));
    CHECK_EQ(goo_gc_get_stats(heap).external_bytes, persistent);
    if (persistent != 0) {
        goo_memory_free_with(a, kept, persistent);
    }
    CHECK_EQ(goo_gc_get_stats(heap).external_bytes, 0);
    CHECK_EQ(goo_gc_detach_allocator(heap, a), GOO_OK);
    goo_allocator_destroy(a);
}

GOO_TEST(life, a_reset_of_an_attached_allocator_takes_its_bytes_off_the_heap) {
    static uint8_t bytes[10000];
    GooFixedBuffer fixed;
    GooGcHeap *heap = goo_gc_heap_create(NULL);
    check_reset_releases(heap, goo_fixed_allocator_init(&fixed, bytes, sizeof bytes), 0);
    static const char *const texts[] = {"arena",
                                        "region",
                                        "limit:max=1m,parent=arena",
                                        "failing:parent=arena",
                                        "tracking:parent=(region:large=yes)",
                                        "fallback:first=arena,second=region",
                                        "debug:parent=arena"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        check_reset_releases(heap, goo_allocator_open(texts[i]), 500);
    }
    check_reset_releases(heap, goo_allocator_open("scoped"), 0);
    check_reset_releases(heap, goo_allocator_open("stack:size=64k"), 0);
    check_reset_releases(heap, goo_allocator_open("pool:size=300"), 0);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(life, where_nothing_leaks_nothing_is_written) {
    FILE *file = tmpfile();
    CHECK(file != NULL);
    CHECK_EQ(goo_memory_check_leaks(file), goo_memory_get_stats().current_allocations);
    CHECK_EQ(ftell(file) != 0, goo_memory_get_stats().current_allocations != 0);
    fclose(file);
}

/* --- fork --- */

/* Runs `fn` in a child; how it ended, as waitpid says. */
static int in_child(void (*fn)(void *), void *arg) {
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) {
            _exit(90);
        }
        fn(arg);
        _exit(0);
    }
    int status = 0;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

static void use_in_child(void *arg) {
    void **blocks = arg;
    GooAllocStats stats = goo_get_alloc_stats(blocks[1]);
    bool good = stats.bytes_allocated == 500;
    goo_free(blocks[0]); /* its copy of the parent's block */
    goo_memory_free_with(blocks[1], blocks[2], 500);
    good &= goo_get_alloc_stats(blocks[1]).bytes_allocated == 0;
    good &= goo_temp_alloc(100) != NULL;
    char *text = goo_strdup("child");
    text = goo_realloc(text, 1000);
    good &= strcmp(text, "child") == 0;
    goo_free(text);
    _exit(good ? 0 : 1);
}

GOO_TEST(life, a_forked_child_works_on_with_its_copy) {
    GooAllocator *a = goo_system_allocator_create();
    a->track_stats = true;
    void *blocks[] = {goo_alloc(100), a, goo_memory_alloc_with(a, 500)};
    CHECK_EQ(in_child(use_in_child, blocks), 0);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 500);
    goo_free(blocks[0]);
    goo_memory_free_with(a, blocks[2], 500);
    goo_allocator_destroy(a);
}

static void free_a_local(void *arg) {
    (void)arg;
    goo_set_panic_handler(NULL);
    char local[64] = "";
    goo_free(local + 1);
}

static void returning_handler(const char *message) {
    (void)message;
}

static void free_a_local_quietly(void *arg) {
    (void)arg;
    goo_set_panic_handler(returning_handler);
    char local[64] = "";
    goo_free(local + 1);
}

GOO_TEST(life, a_panic_ends_the_process_unless_the_handler_leaves) {
    int status = in_child(free_a_local, NULL); /* the first handler is there again */
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    status = in_child(free_a_local_quietly, NULL);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void write_after_free(void *block) {
    signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would exit */
    signal(SIGBUS, SIG_DFL);
    ((volatile uint8_t *)block)[8192] = 1;
}

GOO_TEST(life, never_unmap_stays_on_guard_after_a_look) {
    GooMemoryConfig config = {.never_unmap = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    void *p = goo_memory_alloc(100000);
    goo_memory_free(p, 100000);
    CHECK_EQ(goo_memory_check_leaks(NULL), 0);
    if (!GOO_TEST_FREED_IS_WATCHED) {
        CHECK(WIFSIGNALED(in_child(write_after_free, p)));
    }
    goo_memory_cleanup();
}

/* --- errno --- */

/* Every call that succeeds, on every kind of allocator. */
static void check_errno_is_kept(GooAllocator *a) {
    errno = 77;
    void *p = goo_memory_alloc_with(a, 100);
    void *q = goo_memory_alloc_zeroed_with(a, 3000);
    CHECK(p != NULL && q != NULL);
    q = goo_memory_realloc_with(a, q, 3000, 3500);
    goo_memory_resize_options(a, q, 3500, 3000, 16);
    size_t size = goo_memory_resize_options(a, p, 100, 200, 16) ? 200 : 100; /* no failure */
    CHECK_EQ(errno, 77);
    goo_memory_free_with(a, q, 3000);
    goo_memory_free_with(a, p, size);
    CHECK_EQ(errno, 77);
    goo_get_alloc_stats(a);
    goo_allocator_owns(a, q);
    goo_allocator_reset(a);
    CHECK_EQ(errno, 77);
    goo_allocator_destroy(a);
    CHECK_EQ(errno, 77);
}

GOO_TEST(life, calls_that_succeed_leave_errno_alone) {
    static const char *const texts[] = {
        "system",
        "page",
        "arena",
        "arena:block=256",
        "region:large=yes",
        "scoped",
        "stack:size=64k",
        "pool:size=4k",
        "pool:size=4k,shared=yes",
        "tracking",
        "limit:max=10k",
        "failing",
        "fallback:first=(pool:size=200),second=system",
        "fallback:first=(arena:max=1k),second=system",
        "tracking:parent=(limit:max=1m,parent=(arena:parent=page))"};
    for (int watched = 0; watched < 4; watched++) {
        GooMemoryConfig config = {.enable_leak_detection = watched == 2,
                                  .limit_bytes = watched == 3 ? 100 << 20 : 0};
        CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
            errno = 77;
            GooAllocator *a = goo_allocator_open(texts[i]);
            CHECK_MSG(a != NULL && errno == 77, "%s: errno %d", texts[i], errno);
            a->track_stats = watched == 1;
            check_errno_is_kept(a);
        }
        goo_memory_cleanup();
    }
    errno = 77;
    char *text = goo_realloc(goo_strdup("abc"), 5000);
    CHECK(text != NULL);
    goo_free(text);
    CHECK(goo_temp_alloc(1 << 20) != NULL);
    goo_temp_reset();
    GooBuffer buffer = goo_buffer_create(NULL, 10, 4, 0);
    goo_buffer_resize(&buffer, 100);
    goo_buffer_free(&buffer);
    CHECK_EQ(errno, 77);
}
