/* The limit allocator: never a byte over, nothing lost, nested budgets, threads. */
#include "goo/allocators/limit.h"
#include "goo/allocators/page.h"
#include "goo/allocators/tracking.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

GOO_TEST(limit, the_last_byte_fits_and_one_more_does_not) {
    GooAllocator *a = goo_limit_allocator_create(NULL, 1000);
    CHECK_STR_EQ(a->name, "limit");
    CHECK_EQ(a->strategy, GOO_ALLOC_STRATEGY_NULL);
    void *p = goo_memory_alloc_with(a, 600);
    void *q = goo_memory_alloc_with(a, 400);
    CHECK(p != NULL && q != NULL);
    CHECK_EQ(goo_limit_used(a), 1000);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 1), NULL);
    CHECK_EQ(errno, ENOMEM);
    goo_memory_free_with(a, q, 400);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 401), NULL);
    q = goo_memory_alloc_with(a, 400);
    CHECK(q != NULL);
    goo_memory_free_with(a, q, 400);
    goo_memory_free_with(a, p, 600);
    CHECK_EQ(goo_limit_used(a), 0);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, SIZE_MAX / 2 - 100), NULL);
    goo_allocator_destroy(a);
}

GOO_TEST(limit, of_nothing_gives_nothing) {
    GooAllocator *a = goo_limit_allocator_create(NULL, 0);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 1), NULL);
    goo_allocator_destroy(a);
}

GOO_TEST(limit, realloc_takes_what_it_adds) {
    GooAllocator *a = goo_limit_allocator_create(NULL, 1000);
    uint8_t *p = goo_memory_alloc_with(a, 600);
    p[599] = 7;
    p = goo_memory_realloc_with(a, p, 600, 1000); /* 400 more, not 1000 */
    CHECK(p != NULL);
    CHECK_EQ(goo_limit_used(a), 1000);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 1000, 1001), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(p[599], 7);
    CHECK_EQ(goo_limit_used(a), 1000);
    p = goo_memory_realloc_with(a, p, 1000, 300);
    CHECK_EQ(goo_limit_used(a), 300);
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 300, 0), NULL);
    CHECK_EQ(goo_limit_used(a), 0);
    goo_allocator_destroy(a);
}

GOO_TEST(limit, resize_takes_what_it_adds) {
    GooAllocator *pages = goo_page_allocator_create();
    GooAllocator *a = goo_limit_allocator_create(pages, 3000);
    void *p = goo_memory_alloc_with(a, 1000);
    errno = 0;
    CHECK(!goo_memory_resize_options(a, p, 1000, 3001, 0)); /* the page has room, the budget not */
    CHECK_EQ(errno, 0);
    CHECK_EQ(goo_limit_used(a), 1000);
    CHECK(goo_memory_resize_options(a, p, 1000, 3000, 0));
    CHECK_EQ(goo_limit_used(a), 3000);
    CHECK(goo_memory_resize_options(a, p, 3000, 10, 0));
    CHECK_EQ(goo_limit_used(a), 10);
    goo_memory_free_with(a, p, 10);
    goo_allocator_destroy(a);
    a = goo_limit_allocator_create(pages, 100000);
    p = goo_memory_alloc_with(a, 1000);
    CHECK(!goo_memory_resize_options(a, p, 1000, 5000, 0)); /* the budget has room, the page not */
    CHECK_EQ(goo_limit_used(a), 1000);
    goo_memory_free_with(a, p, 1000);
    goo_allocator_destroy(a);
    goo_allocator_destroy(pages);
}

GOO_TEST(limit, a_failed_parent_gives_the_reservation_back) {
    Mock mock;
    GooAllocator *a = goo_limit_allocator_create(mock_init(&mock), 1000);
    void *p = goo_memory_alloc_with(a, 100);
    mock.failures = 2;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 900), NULL);
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 100, 1000), NULL);
    CHECK_EQ(goo_limit_used(a), 100);
    void *q = goo_memory_alloc_with(a, 900);
    CHECK(q != NULL);
    goo_memory_free_with(a, q, 900);
    goo_memory_free_with(a, p, 100);
    CHECK_EQ(mock.live, 0);
    goo_allocator_destroy(a);
}

GOO_TEST(limit, budgets_nest_and_what_one_child_frees_another_may_use) {
    GooAllocator *all = goo_limit_allocator_create(NULL, 1000);
    GooAllocator *one = goo_limit_allocator_create(all, 800);
    GooAllocator *two = goo_limit_allocator_create(all, 800);
    void *p = goo_memory_alloc_with(one, 700);
    CHECK_PTR_EQ(goo_memory_alloc_with(one, 101), NULL); /* its own budget */
    CHECK_PTR_EQ(goo_memory_alloc_with(two, 301), NULL); /* the common one */
    CHECK_EQ(goo_limit_used(two), 0);
    CHECK_EQ(goo_limit_used(all), 700);
    goo_memory_free_with(one, p, 700);
    p = goo_memory_alloc_with(two, 800);
    CHECK(p != NULL);
    CHECK_PTR_EQ(goo_memory_alloc_with(one, 201), NULL);
    void *q = goo_memory_alloc_with(one, 200);
    CHECK(q != NULL);
    CHECK_EQ(goo_limit_used(all), 1000);
    goo_memory_free_with(one, q, 200);
    goo_memory_free_with(two, p, 800);
    CHECK_EQ(goo_limit_used(all), 0);
    goo_allocator_destroy(one);
    goo_allocator_destroy(two);
    goo_allocator_destroy(all);
}

GOO_TEST(limit, over_and_under_a_tracker) {
    GooAllocator *below = goo_tracking_allocator_create(NULL);
    GooAllocator *limit = goo_limit_allocator_create(below, 100);
    GooAllocator *above = goo_tracking_allocator_create(limit);
    void *p = goo_memory_alloc_with(above, 100);
    CHECK_PTR_EQ(goo_memory_alloc_with(above, 1), NULL);
    CHECK_EQ(goo_get_alloc_stats(above).failed_allocations, 1);
    CHECK_EQ(goo_get_alloc_stats(below).failed_allocations, 0); /* it was never asked */
    CHECK_EQ(goo_get_alloc_stats(below).bytes_allocated, 100);
    goo_memory_free_with(above, p, 100);
    goo_allocator_destroy(above);
    goo_allocator_destroy(limit);
    goo_allocator_destroy(below);
}

GOO_TEST(limit, freeing_more_than_there_is_panics) {
    Mock mock;
    GooAllocator *a = goo_limit_allocator_create(mock_init(&mock), 1000);
    void *p = goo_memory_alloc_with(a, 100);
    CHECK_PANICS(goo_memory_free_with(a, p, 101), "101 bytes");
    CHECK_EQ(goo_limit_used(a), 100);
    CHECK_EQ(mock.live, 1);
    goo_memory_free_with(a, p, 100);
    CHECK_PANICS((void)goo_limit_used(&mock.allocator), "no limit allocator");
    goo_allocator_destroy(a);
}

GOO_TEST(limit, a_parent_that_panics_leaves_the_budget_as_it_was) {
    Mock mock;
    GooAllocator *parent = mock_init(&mock);
    parent->strategy = GOO_ALLOC_STRATEGY_PANIC;
    GooAllocator *all = goo_limit_allocator_create(parent, 1000);
    GooAllocator *one = goo_limit_allocator_create(all, 800);
    void *p = goo_memory_alloc_with(one, 100);
    mock.failures = 2;
    CHECK_PANICS(goo_memory_alloc_with(one, 500), "out of memory");
    CHECK_PANICS(goo_memory_realloc_with(one, p, 100, 400), "out of memory");
    CHECK_EQ(goo_limit_used(one), 100);
    CHECK_EQ(goo_limit_used(all), 100);
    p = goo_memory_realloc_with(one, p, 100, 800);
    CHECK(p != NULL);
    CHECK_EQ(goo_limit_used(one), 800);
    CHECK_PTR_EQ(goo_memory_alloc_with(one, 1), NULL);
    goo_memory_free_with(one, p, 800);
    CHECK_EQ(goo_limit_used(all), 0);
    goo_allocator_destroy(one);
    goo_allocator_destroy(all);
}

/* --- threads --- */

enum { THREADS = 4, ROUNDS = 4000, BUDGET = 1000 };
static _Atomic size_t live_bytes;
static _Atomic bool exceeded;

static void *compete(void *arg) {
    GooAllocator *a = arg;
    for (size_t i = 0; i < ROUNDS; i++) {
        size_t size = 200 + i % 300;
        void *p = goo_memory_alloc_with(a, size);
        if (p != NULL) {
            if (atomic_fetch_add(&live_bytes, size) + size > BUDGET) {
                atomic_store(&exceeded, true);
            }
            atomic_fetch_sub(&live_bytes, size);
            goo_memory_free_with(a, p, size);
        }
    }
    return NULL;
}

GOO_TEST(limit, threads_never_exceed_it_and_leave_nothing) {
    GooAllocator *a = goo_limit_allocator_create(NULL, BUDGET);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, compete, a), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(!atomic_load(&exceeded));
    CHECK_EQ(goo_limit_used(a), 0);
    goo_allocator_destroy(a);
}
