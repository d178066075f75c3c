/* Init and cleanup, the default and the thread's allocator, destroy, reset and owns. Uses private
 * headers for an allocator that can reset. */
#include "goo/allocators.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "goo_memory.h"
#include "runtime/globals.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <pthread.h>

GOO_TEST(config, everything_works_before_init_and_after_cleanup) {
    void *p = goo_memory_alloc(10);
    CHECK(p != NULL);
    CHECK(goo_memory_init());
    goo_memory_cleanup();
    goo_memory_free(p, 10);
    p = goo_alloc(10);
    CHECK(p != NULL);
    goo_free(p);
}

GOO_TEST(config, init_nests_and_the_outermost_cleanup_restores) {
    Mock mock;
    GooMemoryConfig config = {.default_allocator = mock_init(&mock)};
    GooAllocator *before = goo_get_default_allocator();
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    CHECK_PTR_EQ(goo_get_default_allocator(), &mock.allocator);
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    CHECK(goo_memory_init());
    CHECK_EQ(goo_memory_init_with(NULL), GOO_OK);
    for (int i = 0; i < 3; i++) {
        goo_memory_cleanup();
        CHECK_PTR_EQ(goo_get_default_allocator(), &mock.allocator);
    }
    goo_memory_cleanup();
    CHECK_PTR_EQ(goo_get_default_allocator(), before);
    goo_memory_cleanup(); /* one too many does nothing */
    CHECK_PTR_EQ(goo_get_default_allocator(), before);
}

GOO_TEST(config, a_nested_init_can_not_replace_the_default) {
    Mock first, second;
    GooMemoryConfig outer = {.default_allocator = mock_init(&first)};
    GooMemoryConfig inner = {.default_allocator = mock_init(&second)};
    CHECK_EQ(goo_memory_init_with(&outer), GOO_OK);
    CHECK_EQ(goo_memory_init_with(&inner), GOO_ERR_BUSY);
    CHECK_PTR_EQ(goo_get_default_allocator(), &first.allocator);
    goo_memory_cleanup();
    CHECK(goo_get_default_allocator() != &first.allocator);
}

GOO_TEST(config, a_nested_init_may_repeat_but_not_add) {
    GooMemoryConfig outer = {.enable_tracking = true, .limit_bytes = 1000000, .never_unmap = true};
    GooMemoryConfig more[] = {
        {.enable_leak_detection = true},
        {.enable_safety = true},
        {.retain_metadata = true},
        {.limit_bytes = 999},
    };
    CHECK_EQ(goo_memory_init_with(&outer), GOO_OK);
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        CHECK_EQ(goo_memory_init_with(&more[i]), GOO_ERR_BUSY);
    }
    CHECK_EQ(goo_memory_init_with(&outer), GOO_OK);
    goo_memory_cleanup();
    goo_memory_cleanup();
}

GOO_TEST(config, a_failed_init_leaves_nothing) {
    GooAllocator *before = goo_get_default_allocator();
    GooAllocator incomplete = {.alloc = mock_alloc};
    GooMemoryConfig config = {.default_allocator = &incomplete,
                              .enable_tracking = true,
                              .enable_safety = true,
                              .limit_bytes = 1};
    CHECK_EQ(goo_memory_init_with(&config), GOO_ERR_INVALID_ARGUMENT);
    CHECK_PTR_EQ(goo_get_default_allocator(), before);
    CHECK(!goo_memory_set_tracking(false));
    void *p = goo_memory_alloc(100);
    CHECK(p != NULL);
    goo_memory_free(p, 100);
}

GOO_TEST(config, default_and_thread_allocator) {
    Mock mock, own;
    GooAllocator *system = goo_get_default_allocator();
    CHECK(system != NULL);
    CHECK_PTR_EQ(goo_get_thread_allocator(), system);
    goo_set_default_allocator(mock_init(&mock));
    CHECK_PTR_EQ(goo_get_thread_allocator(), &mock.allocator);
    goo_set_thread_allocator(mock_init(&own));
    CHECK_PTR_EQ(goo_get_thread_allocator(), &own.allocator);
    CHECK_PTR_EQ(goo_get_default_allocator(), &mock.allocator);
    void *p = goo_memory_alloc(8);
    CHECK_EQ(own.live, 1);
    goo_memory_free_with(NULL, p, 8);
    CHECK_EQ(own.live, 0);
    goo_set_thread_allocator(NULL);
    CHECK_PTR_EQ(goo_get_thread_allocator(), &mock.allocator);
    goo_set_default_allocator(NULL);
    CHECK_PTR_EQ(goo_get_default_allocator(), system);
}

static void *thread_read_allocator(void *arg) {
    (void)arg;
    return goo_get_thread_allocator();
}

GOO_TEST(config, a_threads_allocator_is_its_own) {
    Mock mock;
    goo_set_thread_allocator(mock_init(&mock));
    pthread_t thread;
    void *seen = NULL;
    CHECK_EQ(pthread_create(&thread, NULL, thread_read_allocator, NULL), 0);
    pthread_join(thread, &seen);
    CHECK_PTR_EQ(seen, goo_get_default_allocator());
    goo_set_thread_allocator(NULL);
}

GOO_TEST(config, an_allocator_without_its_functions_is_refused) {
    GooAllocator incomplete = {.alloc = mock_alloc, .free = mock_free};
    CHECK_PANICS(goo_set_default_allocator(&incomplete), "goo_set_default_allocator");
    CHECK_PANICS(goo_set_thread_allocator(&incomplete), "goo_set_thread_allocator");
}

GOO_TEST(config, destroying_the_default_makes_the_system_allocator_default) {
    GooAllocator *system = goo_get_default_allocator();
    GooAllocator *a = goo_system_allocator_create();
    goo_set_default_allocator(a);
    goo_set_thread_allocator(a);
    goo_allocator_destroy(a);
    CHECK_PTR_EQ(goo_get_default_allocator(), system);
    CHECK_PTR_EQ(goo_get_thread_allocator(), system);
    goo_allocator_destroy(NULL);
    goo_allocator_destroy(system); /* has nothing to end */
    void *p = goo_memory_alloc(10);
    CHECK(p != NULL);
    goo_memory_free(p, 10);
}

/* --- reset and owns --- */

static size_t resets;

static void extended_reset(GooAllocator *a) {
    (void)a;
    resets++;
}

static bool extended_owns(GooAllocator *a, const void *ptr) {
    return ptr == (const void *)a;
}

GOO_TEST(config, reset_and_owns_reach_allocators_that_have_them) {
    static const GooiAllocatorOps ops = {.reset = extended_reset, .owns = extended_owns};
    Mock mock;
    GooiExtendedAllocator extended = {.allocator = *mock_init(&mock), .ops = &ops};
    extended.allocator.capabilities = GOOI_ALLOCATOR_EXTENDED | GOO_ALLOCATOR_RESETS;
    resets = 0;
    CHECK(goo_allocator_reset(&extended.allocator));
    CHECK_EQ(resets, 1);
    CHECK(goo_allocator_owns(&extended.allocator, &extended));
    CHECK(!goo_allocator_owns(&extended.allocator, &ops));
    CHECK(!goo_allocator_owns(&extended.allocator, NULL));
}

GOO_TEST(config, reset_and_owns_are_false_for_others) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    void *p = goo_memory_alloc_with(a, 8);
    CHECK(!goo_allocator_reset(a));
    CHECK(!goo_allocator_reset(NULL));
    CHECK(!goo_allocator_owns(a, p));
    CHECK(!goo_allocator_owns(NULL, p));
    goo_memory_free_with(a, p, 8);
}

GOO_TEST(config, status_messages) {
    CHECK_STR_EQ(goo_status_message(GOO_OK), "ok");
    for (int i = GOO_ERR_CORRUPT; i < 0; i++) {
        const char *text = goo_status_message((GooStatus)i);
        CHECK(strlen(text) > 3 && strcmp(text, "unknown status") != 0);
        for (int j = GOO_ERR_CORRUPT; j < i; j++) {
            CHECK(strcmp(text, goo_status_message((GooStatus)j)) != 0);
        }
    }
    CHECK_STR_EQ(goo_status_message((GooStatus)-100), "unknown status");
}
