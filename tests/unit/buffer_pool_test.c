/* The buffer pool: lending, misuse, failure, threads. */
#include "goo/allocators/buffer_pool.h"
#include "goo/allocators/limit.h"
#include "goo/allocators/tracking.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

GOO_TEST(buffer_pool, lends_each_buffer_once_until_none_is_left) {
    enum { COUNT = 5, SIZE = 1000 };
    GooBufferPool *pool = goo_buffer_pool_create(NULL, SIZE, COUNT);
    uint8_t *buffers[COUNT];
    for (int i = 0; i < COUNT; i++) {
        CHECK_EQ(goo_buffer_pool_available(pool), (size_t)(COUNT - i));
        buffers[i] = goo_buffer_pool_acquire(pool);
        CHECK(buffers[i] != NULL);
        CHECK_EQ((uintptr_t)buffers[i] % 64, 0);
        memset(buffers[i], i, SIZE);
    }
    errno = 0;
    CHECK_PTR_EQ(goo_buffer_pool_acquire(pool), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(goo_buffer_pool_available(pool), 0);
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < SIZE; k++) {
            CHECK_EQ(buffers[i][k], i);
        }
    }
    CHECK_EQ(goo_buffer_pool_release(pool, buffers[2]), GOO_OK);
    CHECK_EQ(goo_buffer_pool_available(pool), 1);
    CHECK_PTR_EQ(goo_buffer_pool_acquire(pool), buffers[2]);
    goo_buffer_pool_destroy(pool); /* with all of them out */
}

GOO_TEST(buffer_pool, a_second_release_is_refused) {
    GooBufferPool *pool = goo_buffer_pool_create(NULL, 100, 2);
    void *p = goo_buffer_pool_acquire(pool);
    CHECK_EQ(goo_buffer_pool_release(pool, p), GOO_OK);
    CHECK_EQ(goo_buffer_pool_release(pool, p), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_buffer_pool_available(pool), 2);
    void *q = goo_buffer_pool_acquire(pool);
    void *r = goo_buffer_pool_acquire(pool);
    CHECK(q != r);
    CHECK_PTR_EQ(goo_buffer_pool_acquire(pool), NULL);
    goo_buffer_pool_destroy(pool);
}

GOO_TEST(buffer_pool, foreign_buffers_are_refused) {
    GooBufferPool *pool = goo_buffer_pool_create(NULL, 100, 2);
    GooBufferPool *other = goo_buffer_pool_create(NULL, 100, 2);
    uint8_t *p = goo_buffer_pool_acquire(pool);
    uint8_t *q = goo_buffer_pool_acquire(pool);
    uint8_t *last = p > q ? p : q;
    uint8_t local[100];
    CHECK_EQ(goo_buffer_pool_release(other, p), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_buffer_pool_release(pool, local), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_buffer_pool_release(pool, p + 1), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_buffer_pool_release(pool, p + 64), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_buffer_pool_release(pool, last + 128), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_buffer_pool_release(pool, pool), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_buffer_pool_release(NULL, p), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_buffer_pool_release(pool, NULL), GOO_OK);
    CHECK_EQ(goo_buffer_pool_available(pool), 0);
    CHECK_EQ(goo_buffer_pool_available(other), 2);
    goo_buffer_pool_destroy(pool);
    goo_buffer_pool_destroy(other);
}

GOO_TEST(buffer_pool, a_failed_create_leaves_nothing) {
    errno = 0;
    CHECK_PTR_EQ(goo_buffer_pool_create(NULL, 0, 5), NULL);
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK_PTR_EQ(goo_buffer_pool_create(NULL, 5, 0), NULL);
    CHECK_EQ(errno, EINVAL);
    static const size_t huge[][2] = {{SIZE_MAX, 1},
                                     {1, SIZE_MAX},
                                     {SIZE_MAX / 2, 3},
                                     {SIZE_MAX / 64, 64},
                                     {UINT32_MAX, UINT32_MAX}};
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        errno = 0;
        CHECK_PTR_EQ(goo_buffer_pool_create(NULL, huge[i][0], huge[i][1]), NULL);
        CHECK_EQ(errno, ENOMEM);
    }
    Mock mock;
    mock_init(&mock);
    mock.failures = 1;
    errno = 0;
    CHECK_PTR_EQ(goo_buffer_pool_create(&mock.allocator, 100, 10), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(mock.live, 0);
}

GOO_TEST(buffer_pool, all_memory_is_the_parents_and_goes_back) {
    GooAllocator *tracking = goo_tracking_allocator_create(NULL);
    GooBufferPool *pool = goo_buffer_pool_create(tracking, 100, 10);
    CHECK_EQ(goo_get_alloc_stats(tracking).allocation_count, 1);
    CHECK(goo_get_alloc_stats(tracking).bytes_allocated >= 1000);
    for (int i = 0; i < 100; i++) {
        goo_buffer_pool_release(pool, goo_buffer_pool_acquire(pool));
    }
    CHECK_EQ(goo_get_alloc_stats(tracking).total_allocations, 1);
    goo_buffer_pool_destroy(pool);
    CHECK_EQ(goo_get_alloc_stats(tracking).bytes_allocated, 0);
    goo_buffer_pool_destroy(NULL);
    goo_allocator_destroy(tracking);
}

/* --- threads --- */

enum { THREADS = 4, ROUNDS = 20000, BUFFERS = 3 };
static _Atomic bool shared_buffer;
static GooBufferPool *common;

static void *borrow(void *arg) {
    uintptr_t self = (uintptr_t)arg;
    size_t got = 0;
    for (int i = 0; i < ROUNDS; i++) {
        uintptr_t *buffer = goo_buffer_pool_acquire(common);
        if (buffer == NULL) {
            continue;
        }
        got++;
        *buffer = self; /* a plain store: sanitizers see it when two threads hold one buffer */
        for (int k = 0; k < 10; k++) {
            if (*(volatile uintptr_t *)buffer != self) {
                atomic_store(&shared_buffer, true);
            }
        }
        if (goo_buffer_pool_release(common, buffer) != GOO_OK) {
            atomic_store(&shared_buffer, true);
        }
    }
    return (void *)(uintptr_t)got;
}

GOO_TEST(buffer_pool, no_two_threads_hold_one_buffer) {
    common = goo_buffer_pool_create(NULL, 64, BUFFERS);
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, borrow, (void *)(i + 1)), 0);
    }
    size_t total = 0;
    for (int i = 0; i < THREADS; i++) {
        void *got;
        pthread_join(threads[i], &got);
        total += (uintptr_t)got;
    }
    CHECK(!atomic_load(&shared_buffer));
    CHECK(total > 0);
    CHECK_EQ(goo_buffer_pool_available(common), BUFFERS);
    for (int i = 0; i < BUFFERS; i++) {
        CHECK(goo_buffer_pool_acquire(common) != NULL);
    }
    CHECK_PTR_EQ(goo_buffer_pool_acquire(common), NULL);
    goo_buffer_pool_destroy(common);
}

/* A buffer goes back on another thread than the one that borrowed it. */
static void *give_back(void *buffer) {
    return (void *)(uintptr_t)(goo_buffer_pool_release(common, buffer) == GOO_OK);
}

GOO_TEST(buffer_pool, another_thread_may_release) {
    common = goo_buffer_pool_create(NULL, 64, 1);
    void *buffer = goo_buffer_pool_acquire(common);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, give_back, buffer), 0);
    void *released;
    pthread_join(thread, &released);
    CHECK(released != NULL);
    CHECK_PTR_EQ(goo_buffer_pool_acquire(common), buffer);
    goo_buffer_pool_destroy(common);
}
