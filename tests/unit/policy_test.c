/* Strategies: what happens when an allocator has no memory. */
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "goo_memory.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>

static size_t own_calls, global_calls;

static void count_own(void) {
    own_calls++;
}

static void count_global(void) {
    global_calls++;
}

static void begin(void) {
    own_calls = 0;
    global_calls = 0;
    goo_set_out_of_mem_handler(NULL);
}

GOO_TEST(policy, null_is_the_first_strategy_and_tries_once) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    CHECK_EQ(a->strategy, GOO_ALLOC_STRATEGY_NULL);
    begin();
    a->out_of_mem_fn = count_own;
    mock.failures = 1;
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 10), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(mock.allocs, 1);
    CHECK_EQ(own_calls, 0);
}

GOO_TEST(policy, panic_names_call_size_and_allocator) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->name = "mock";
    a->strategy = GOO_ALLOC_STRATEGY_PANIC;
    mock.failures = 4;
    CHECK_PANICS(goo_memory_alloc_with(a, 4711),
                 "goo_memory_alloc_with: out of memory: 4711 bytes");
    CHECK(strstr(goo_test_panic_message(), "'mock'") != NULL);
    CHECK_PANICS(goo_memory_alloc_with(a, SIZE_MAX), "out of memory");
    CHECK_PANICS(goo_memory_alloc_options(a, 8, 3, 0), "refused");
    CHECK_PANICS(goo_memory_alloc_array(a, SIZE_MAX, 8, 0), "goo_memory_alloc_array");
}

GOO_TEST(policy, nofail_panics_under_every_strategy) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    for (int strategy = GOO_ALLOC_STRATEGY_NULL; strategy <= GOO_ALLOC_STRATEGY_GC; strategy++) {
        a->strategy = (GooAllocStrategy)strategy;
        mock.failures = 100;
        CHECK_PANICS(goo_memory_alloc_options(a, 8, 0, GOO_ALLOC_NOFAIL), "out of memory");
        CHECK_PANICS(goo_memory_alloc_options(a, SIZE_MAX, 0, GOO_ALLOC_NOFAIL), "out of memory");
    }
    mock.failures = 0;
    void *p = goo_memory_alloc_options(a, 8, 0, GOO_ALLOC_NOFAIL);
    mock.failures = 1;
    a->strategy = GOO_ALLOC_STRATEGY_NULL;
    CHECK_PANICS(goo_memory_realloc_options(a, p, 8, 90, 0, GOO_ALLOC_NOFAIL), "unchanged");
    goo_memory_free_with(a, p, 8);
}

GOO_TEST(policy, retry_is_bounded) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    begin();
    a->strategy = GOO_ALLOC_STRATEGY_RETRY;
    a->out_of_mem_fn = count_own;
    a->track_stats = true;
    mock.failures = 1000;
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 10), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(own_calls, GOO_RETRY_LIMIT);
    CHECK_EQ(mock.allocs, GOO_RETRY_LIMIT + 1);
    CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 1);
}

GOO_TEST(policy, retry_ends_with_the_first_success) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    begin();
    a->strategy = GOO_ALLOC_STRATEGY_RETRY;
    a->out_of_mem_fn = count_own;
    a->track_stats = true;
    mock.failures = 3;
    void *p = goo_memory_alloc_with(a, 10);
    CHECK(p != NULL);
    CHECK_EQ(own_calls, 3);
    GooAllocStats stats = goo_get_alloc_stats(a);
    CHECK_EQ(stats.failed_allocations, 0);
    CHECK_EQ(stats.total_allocations, 1);
    mock.failures = 2;
    p = goo_memory_realloc_with(a, p, 10, 20);
    CHECK(p != NULL);
    CHECK_EQ(own_calls, 5);
    goo_memory_free_with(a, p, 20);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
}

GOO_TEST(policy, the_global_handler_serves_allocators_without_their_own) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    begin();
    goo_set_out_of_mem_handler(count_global);
    a->strategy = GOO_ALLOC_STRATEGY_RETRY;
    mock.failures = 2;
    void *p = goo_memory_alloc_with(a, 10);
    CHECK_EQ(global_calls, 2);
    a->out_of_mem_fn = count_own;
    mock.failures = 1;
    void *q = goo_memory_alloc_with(a, 10);
    CHECK_EQ(global_calls, 2);
    CHECK_EQ(own_calls, 1);
    goo_set_out_of_mem_handler(NULL);
    goo_memory_free_with(a, p, 10);
    goo_memory_free_with(a, q, 10);
}

GOO_TEST(policy, a_size_that_can_not_be_is_not_retried) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    begin();
    a->strategy = GOO_ALLOC_STRATEGY_RETRY;
    a->out_of_mem_fn = count_own;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, SIZE_MAX - 3), NULL);
    CHECK_EQ(own_calls, 0);
}

static void *refuse_with_einval(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    (void)ctx;
    (void)size;
    (void)alignment;
    (void)options;
    errno = EINVAL;
    return NULL;
}

GOO_TEST(policy, a_reason_other_than_memory_is_handed_on_and_ends_the_attempts) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    begin();
    a->alloc = refuse_with_einval;
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 10), NULL);
    CHECK_EQ(errno, EINVAL);
    a->strategy = GOO_ALLOC_STRATEGY_RETRY;
    a->out_of_mem_fn = count_own;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 10), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(own_calls, 1);
}

GOO_TEST(policy, gc_without_a_collector_is_null) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->strategy = GOO_ALLOC_STRATEGY_GC;
    mock.failures = 1;
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 10), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(mock.allocs, 1);
}

GOO_TEST(policy, legacy_calls_follow_the_owner) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    begin();
    goo_set_default_allocator(a);
    a->strategy = GOO_ALLOC_STRATEGY_RETRY;
    a->out_of_mem_fn = count_own;
    mock.failures = 2;
    char *p = goo_alloc(10);
    CHECK(p != NULL);
    CHECK_EQ(own_calls, 2);
    mock.failures = 1;
    goo_set_default_allocator(NULL);
    p = goo_realloc(p, 1000);
    CHECK(p != NULL);
    CHECK_EQ(own_calls, 3);
    goo_free(p);
    goo_set_default_allocator(a);
    a->strategy = GOO_ALLOC_STRATEGY_NULL;
    mock.failures = 1;
    CHECK_PANICS(goo_alloc_or_panic(10), "goo_alloc_or_panic: out of memory: 10 bytes");
    goo_set_default_allocator(NULL);
    CHECK_EQ(mock.live, 0);
}
