/* What is counted, and what is not. */
#include "goo/allocators.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>
#include <pthread.h>

static GooAllocStats read_stats(GooAllocator *a) {
    return goo_get_alloc_stats(a);
}

GOO_TEST(stats, nothing_is_counted_while_tracking_is_off) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    void *p = goo_memory_alloc_with(a, 10);
    p = goo_memory_realloc_with(a, p, 10, 20);
    goo_memory_free_with(a, p, 20);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, SIZE_MAX), NULL);
    static const GooAllocStats zero;
    GooAllocStats stats = read_stats(a);
    CHECK_EQ(memcmp(&stats, &zero, sizeof zero), 0);
}

GOO_TEST(stats, a_blocks_life) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->track_stats = true;
    void *p = goo_memory_alloc_with(a, 100);
    void *q = goo_memory_alloc_array(a, 10, 5, 0);
    CHECK_EQ(read_stats(a).bytes_allocated, 150);
    CHECK_EQ(read_stats(a).allocation_count, 2);
    p = goo_memory_realloc_with(a, p, 100, 300);
    CHECK_EQ(read_stats(a).bytes_allocated, 350);
    CHECK_EQ(read_stats(a).max_bytes_allocated, 350);
    p = goo_memory_realloc_with(a, p, 300, 1);
    CHECK_EQ(read_stats(a).bytes_allocated, 51);
    goo_memory_free_with(a, q, 50);
    goo_memory_free_with(a, p, 1);
    GooAllocStats stats = read_stats(a);
    CHECK_EQ(stats.bytes_allocated, 0);
    CHECK_EQ(stats.bytes_reserved, 0);
    CHECK_EQ(stats.max_bytes_allocated, 350);
    CHECK_EQ(stats.allocation_count, 0);
    CHECK_EQ(stats.total_allocations, 2);
    CHECK_EQ(stats.total_frees, 2);
    CHECK_EQ(stats.failed_allocations, 0);
}

GOO_TEST(stats, realloc_of_null_and_to_zero_count_as_what_they_are) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->track_stats = true;
    void *p = goo_memory_realloc_with(a, NULL, 0, 64);
    CHECK_EQ(read_stats(a).total_allocations, 1);
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 64, 0), NULL);
    CHECK_EQ(read_stats(a).total_frees, 1);
    CHECK_EQ(read_stats(a).bytes_allocated, 0);
}

GOO_TEST(stats, failures_count_once_and_as_nothing_else) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->track_stats = true;
    void *p = goo_memory_alloc_with(a, 10);
    GooAllocStats before = read_stats(a);
    mock.failures = 2;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 10), NULL);
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 10, 20), NULL);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, SIZE_MAX), NULL);
    CHECK_PTR_EQ(goo_memory_alloc_options(a, 10, 3, 0), NULL);
    before.failed_allocations = 4;
    GooAllocStats after = read_stats(a);
    CHECK_EQ(memcmp(&before, &after, sizeof after), 0);
    goo_memory_free_with(a, p, 10);
}

GOO_TEST(stats, null_means_the_threads_allocator) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->track_stats = true;
    goo_set_thread_allocator(a);
    void *p = goo_memory_alloc(33);
    CHECK_EQ(goo_get_alloc_stats(NULL).bytes_allocated, 33);
    goo_memory_free(p, 33);
    goo_set_thread_allocator(NULL);
}

enum { THREADS = 4, ROUNDS = 3000, BLOCK = 48 };

static void *thread_allocate(void *arg) {
    GooAllocator *a = arg;
    void *held = goo_memory_alloc_with(a, BLOCK);
    for (int i = 0; i < ROUNDS; i++) {
        void *p = goo_memory_alloc_with(a, BLOCK);
        goo_memory_free_with(a, p, BLOCK);
        if (goo_memory_alloc_with(a, SIZE_MAX) != NULL) {
            return NULL;
        }
    }
    return held;
}

GOO_TEST(stats, threads_lose_no_count) {
    GooAllocator *a = goo_system_allocator_create();
    CHECK(!a->track_stats);
    a->track_stats = true;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, thread_allocate, a), 0);
    }
    void *held[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &held[i]);
        CHECK(held[i] != NULL);
    }
    GooAllocStats stats = read_stats(a);
    CHECK_EQ(stats.bytes_allocated, THREADS * BLOCK);
    CHECK_EQ(stats.allocation_count, THREADS);
    CHECK_EQ(stats.total_allocations, THREADS * (ROUNDS + 1));
    CHECK_EQ(stats.total_frees, THREADS * ROUNDS);
    CHECK_EQ(stats.failed_allocations, THREADS * ROUNDS);
    CHECK(stats.max_bytes_allocated >= THREADS * BLOCK);
    CHECK(stats.max_bytes_allocated <= 2 * THREADS * BLOCK);
    for (size_t i = 0; i < THREADS; i++) {
        goo_memory_free_with(a, held[i], BLOCK);
    }
    CHECK_EQ(read_stats(a).bytes_allocated, 0);
    goo_allocator_destroy(a);
}
