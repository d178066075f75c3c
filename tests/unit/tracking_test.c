/* The tracking allocator: exact counts, with and without track_stats, alone and from threads. */
#include "goo/allocators/failing.h"
#include "goo/allocators/limit.h"
#include "goo/allocators/page.h"
#include "goo/allocators/system.h"
#include "goo/allocators/tracking.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "goo_memory.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>
#include <pthread.h>

static void check_counts(GooAllocator *a, size_t bytes, size_t blocks, size_t total, size_t frees) {
    GooAllocStats s = goo_get_alloc_stats(a);
    CHECK_EQ(s.bytes_allocated, bytes);
    CHECK_EQ(s.bytes_reserved, bytes);
    CHECK_EQ(s.allocation_count, blocks);
    CHECK_EQ(s.total_allocations, total);
    CHECK_EQ(s.total_frees, frees);
}

static void exercise(GooAllocator *a) {
    void *p = goo_memory_alloc_with(a, 100);
    void *q = goo_memory_alloc_options(a, 1000, 256, GOO_ALLOC_ZERO);
    CHECK_EQ((uintptr_t)q % 256, 0);
    CHECK(goo_memory_is_zero(q, 1000));
    check_counts(a, 1100, 2, 2, 0);
    p = goo_memory_realloc_with(a, p, 100, 5000);
    check_counts(a, 6000, 2, 2, 0);
    p = goo_memory_realloc_with(a, p, 5000, 10);
    check_counts(a, 1010, 2, 2, 0);
    CHECK_EQ(goo_get_alloc_stats(a).max_bytes_allocated, 6000);
    goo_memory_free_options(a, q, 1000, 256);
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 10, 0), NULL);
    check_counts(a, 0, 0, 2, 2);
    CHECK_EQ(goo_get_alloc_stats(a).max_bytes_allocated, 6000);
    CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 0);
}

GOO_TEST(tracking, counts_are_exact_without_track_stats) {
    GooAllocator *a = goo_tracking_allocator_create(NULL);
    CHECK(!a->track_stats);
    CHECK_EQ(a->strategy, GOO_ALLOC_STRATEGY_NULL);
    CHECK_STR_EQ(a->name, "tracking");
    exercise(a);
    goo_allocator_destroy(a);
}

GOO_TEST(tracking, track_stats_makes_no_difference) {
    GooAllocator *a = goo_tracking_allocator_create(NULL);
    a->track_stats = true;
    exercise(a);
    goo_allocator_destroy(a);
}

GOO_TEST(tracking, over_a_parent_written_by_hand) {
    Mock mock;
    GooAllocator *a = goo_tracking_allocator_create(mock_init(&mock));
    CHECK_EQ(a->capabilities & GOO_ALLOCATOR_THREAD_SAFE, 0);
    CHECK(!goo_allocator_reset(a));
    exercise(a);
    CHECK(!goo_memory_resize_options(a, &mock, 10, 5, 0)); /* the parent can't either */
    CHECK_EQ(mock.live, 0);
    goo_allocator_destroy(a);
}

GOO_TEST(tracking, a_failure_is_a_failure_and_nothing_else) {
    Mock mock;
    GooAllocator *a = goo_tracking_allocator_create(mock_init(&mock));
    void *p = goo_memory_alloc_with(a, 100);
    mock.failures = 2;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 50), NULL);
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 100, 200), NULL);
    check_counts(a, 100, 1, 1, 0);
    CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 2);
    CHECK_EQ(goo_get_alloc_stats(a).max_bytes_allocated, 100);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, SIZE_MAX), NULL); /* refused for its size */
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 3);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 0), NULL);
    CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 3);
    goo_memory_free_with(a, p, 100);
    goo_allocator_destroy(a);
}

GOO_TEST(tracking, retries_are_one_failure) {
    Mock mock;
    GooAllocator *a = goo_tracking_allocator_create(mock_init(&mock));
    a->strategy = GOO_ALLOC_STRATEGY_RETRY;
    mock.failures = 3;
    void *p = goo_memory_alloc_with(a, 100);
    CHECK(p != NULL);
    CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 0);
    mock.failures = SIZE_MAX;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 100), NULL);
    CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 1);
    check_counts(a, 100, 1, 1, 0);
    goo_memory_free_with(a, p, 100);
    goo_allocator_destroy(a);
}

GOO_TEST(tracking, resizing_in_place_counts) {
    GooAllocator *pages = goo_page_allocator_create();
    GooAllocator *a = goo_tracking_allocator_create(pages);
    void *p = goo_memory_alloc_with(a, 3 * 4096);
    CHECK(goo_memory_resize_options(a, p, 3 * 4096, 100, 0));
    check_counts(a, 100, 1, 1, 0);
    CHECK(!goo_memory_resize_options(a, p, 100, 2 * 4096, 0));
    check_counts(a, 100, 1, 1, 0);
    CHECK(goo_memory_resize_options(a, p, 100, 4096, 0));
    check_counts(a, 4096, 1, 1, 0);
    goo_memory_free_with(a, p, 4096);
    check_counts(a, 0, 0, 1, 1);
    goo_allocator_destroy(a);
    goo_allocator_destroy(pages);
}

GOO_TEST(tracking, whole_pages_count_as_asked_for) {
    Mock mock;
    GooAllocator *a = goo_tracking_allocator_create(mock_init(&mock));
    void *p = goo_memory_alloc_options(a, 100, 0, GOO_ALLOC_PAGE);
    CHECK_EQ((uintptr_t)p % 4096, 0);
    CHECK_EQ(mock.last_size, 4096);
    check_counts(a, 100, 1, 1, 0);
    goo_memory_free_options(a, p, 100, 0);
    check_counts(a, 0, 0, 1, 1);
    goo_allocator_destroy(a);
}

GOO_TEST(tracking, trackers_nest_and_the_parent_counts_too) {
    GooAllocator *outer = goo_tracking_allocator_create(NULL);
    GooAllocator *inner = goo_tracking_allocator_create(outer);
    void *p = goo_memory_alloc_with(outer, 10);
    void *q = goo_memory_alloc_with(inner, 20);
    check_counts(outer, 30, 2, 2, 0);
    check_counts(inner, 20, 1, 1, 0);
    goo_memory_free_with(inner, q, 20);
    goo_memory_free_with(outer, p, 10);
    check_counts(outer, 0, 0, 2, 2);
    goo_allocator_destroy(inner);
    goo_allocator_destroy(outer);
}

GOO_TEST(tracking, a_no_fail_request_panics_and_counts_nothing) {
    GooAllocator *limit = goo_limit_allocator_create(NULL, 100);
    GooAllocator *a = goo_tracking_allocator_create(limit);
    CHECK_PANICS(goo_memory_alloc_options(a, 101, 0, GOO_ALLOC_NOFAIL), "allocator 'tracking'");
    check_counts(a, 0, 0, 0, 0);
    CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 1);
    goo_allocator_destroy(a);
    goo_allocator_destroy(limit);
}

/* --- threads --- */

enum { THREADS = 4, ROUNDS = 2000 };

static void *churn(void *arg) {
    GooAllocator *a = arg;
    for (size_t i = 1; i <= ROUNDS; i++) {
        void *p = goo_memory_alloc_with(a, i % 100 + 1);
        p = goo_memory_realloc_with(a, p, i % 100 + 1, 2 * (i % 100 + 1));
        goo_memory_free_with(a, p, 2 * (i % 100 + 1));
    }
    return goo_memory_alloc_with(a, 1000);
}

GOO_TEST(tracking, threads_lose_no_count) {
    GooAllocator *a = goo_tracking_allocator_create(NULL);
    CHECK((a->capabilities & GOO_ALLOCATOR_THREAD_SAFE) != 0);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, churn, a), 0);
    }
    size_t snapshots = 0;
    GooAllocStats s;
    do {
        s = goo_get_alloc_stats(a);
        CHECK(s.allocation_count <= s.total_allocations); /* never less than none */
        snapshots++;
    } while (snapshots < 1000);
    void *kept[THREADS];
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &kept[i]);
    }
    check_counts(a, 1000 * THREADS, THREADS, THREADS * (ROUNDS + 1), THREADS * ROUNDS);
    CHECK(goo_get_alloc_stats(a).max_bytes_allocated >= 1000 * THREADS);
    for (int i = 0; i < THREADS; i++) {
        goo_memory_free_with(a, kept[i], 1000);
    }
    check_counts(a, 0, 0, THREADS * (ROUNDS + 1), THREADS * (ROUNDS + 1));
    goo_allocator_destroy(a);
}

GOO_TEST(tracking, a_legacy_blocks_header_is_reserved_not_allocated) {
    GooAllocator *a = goo_tracking_allocator_create(NULL);
    goo_set_thread_allocator(a);
    char *p = goo_alloc(100);
    GooAllocStats s = goo_get_alloc_stats(a);
    CHECK_EQ(s.bytes_allocated, 100);
    CHECK_EQ(s.bytes_reserved, 116);
    CHECK_EQ(s.max_bytes_allocated, 100);
    p = goo_realloc(p, 300);
    char *q = goo_alloc_zero(50);
    s = goo_get_alloc_stats(a);
    CHECK_EQ(s.bytes_allocated, 350);
    CHECK_EQ(s.bytes_reserved, 382);
    goo_set_thread_allocator(NULL);
    void *sized = goo_memory_alloc_with(a, 1000);
    goo_free(p);
    goo_free(q);
    check_counts(a, 1000, 1, 3, 2);
    goo_memory_free_with(a, sized, 1000);
    check_counts(a, 0, 0, 3, 3);
    goo_allocator_destroy(a);
}

GOO_TEST(tracking, headers_go_with_a_reset) {
    static const char *const parents[] = {"arena:block=8k", "pool:size=256", "stack:size=64k"};
    for (size_t i = 0; i < sizeof parents / sizeof parents[0]; i++) {
        GooAllocator *parent = goo_allocator_open(parents[i]);
        GooAllocator *a = goo_tracking_allocator_create(parent);
        goo_set_thread_allocator(a);
        CHECK(goo_alloc(100) != NULL && goo_alloc(50) != NULL);
        goo_set_thread_allocator(NULL);
        CHECK(goo_memory_alloc_with(a, 30) != NULL);
        CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 180);
        CHECK_EQ(goo_get_alloc_stats(a).bytes_reserved, 212);
        CHECK(goo_allocator_reset(a));
        check_counts(a, 0, 0, 3, 3);
        goo_allocator_destroy(a);
        goo_allocator_destroy(parent);
    }
}
