/* The failing allocator: which requests count, which fail, what always passes. */
#include "goo/allocators/failing.h"
#include "goo/allocators/page.h"
#include "goo/allocators/tracking.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>

GOO_TEST(failing, the_nth_and_all_after_it) {
    for (size_t n = 1; n <= 5; n++) {
        GooAllocator *a = goo_failing_allocator_create(NULL, n);
        void *blocks[7];
        for (size_t i = 1; i <= 7; i++) {
            errno = 0;
            blocks[i - 1] = goo_memory_alloc_with(a, 10);
            CHECK_EQ(blocks[i - 1] != NULL, i < n);
            CHECK_EQ(errno, i < n ? 0 : ENOMEM);
        }
        CHECK_EQ(goo_failing_requests(a), 7);
        for (size_t i = 0; i < 7; i++) {
            goo_memory_free_with(a, blocks[i], 10);
        }
        goo_allocator_destroy(a);
    }
}

GOO_TEST(failing, zero_means_none) {
    GooAllocator *a = goo_failing_allocator_create(NULL, 0);
    CHECK_STR_EQ(a->name, "failing");
    for (int i = 0; i < 100; i++) {
        void *p = goo_memory_alloc_with(a, 10);
        CHECK(p != NULL);
        goo_memory_free_with(a, p, 10);
    }
    CHECK_EQ(goo_failing_requests(a), 100);
    goo_allocator_destroy(a);
}

GOO_TEST(failing, what_grows_counts_and_what_shrinks_passes) {
    GooAllocator *pages = goo_page_allocator_create();
    GooAllocator *a = goo_failing_allocator_create(pages, 4);
    uint8_t *p = goo_memory_alloc_with(a, 5000);           /* 1 */
    p = goo_memory_realloc_with(a, p, 5000, 6000);         /* 2 */
    CHECK(goo_memory_resize_options(a, p, 6000, 7000, 0)); /* 3 */
    CHECK_EQ(goo_failing_requests(a), 3);
    p[4999] = 7;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 7000, 7001), NULL); /* 4 */
    CHECK(!goo_memory_resize_options(a, p, 7000, 7001, 0));        /* 5 */
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 1), NULL);               /* 6 */
    CHECK_EQ(p[4999], 7);
    p = goo_memory_realloc_with(a, p, 7000, 6500);
    CHECK(p != NULL);
    CHECK(goo_memory_resize_options(a, p, 6500, 10, 0));
    CHECK_EQ(goo_failing_requests(a), 6);
    goo_memory_free_with(a, p, 10);
    goo_allocator_destroy(a);
    goo_allocator_destroy(pages);
}

GOO_TEST(failing, the_parent_is_not_asked_for_what_fails) {
    Mock mock;
    GooAllocator *a = goo_failing_allocator_create(mock_init(&mock), 1);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 10), NULL);
    CHECK_EQ(mock.allocs, 0);
    CHECK_PANICS((void)goo_failing_requests(&mock.allocator), "no failing allocator");
    goo_allocator_destroy(a);
}

/* Builds a list of three nodes, or nothing. */
typedef struct Node {
    struct Node *next;
} Node;

static bool build(GooAllocator *a) {
    Node *list = NULL;
    bool built = true;
    for (int i = 0; i < 3 && built; i++) {
        Node *node = GOO_NEW(a, Node);
        built = node != NULL;
        if (built) {
            node->next = list;
            list = node;
        }
    }
    while (list != NULL) {
        Node *next = list->next;
        GOO_DELETE(a, list);
        list = next;
    }
    return built;
}

GOO_TEST(failing, walks_through_every_failure_of_a_program) {
    GooAllocator *tracking = goo_tracking_allocator_create(NULL);
    size_t n = 0;
    bool built = false;
    while (!built) {
        GooAllocator *a = goo_failing_allocator_create(tracking, ++n);
        built = build(a);
        CHECK_EQ(built, goo_failing_requests(a) < n);
        CHECK_EQ(goo_get_alloc_stats(tracking).bytes_allocated, 0);
        goo_allocator_destroy(a);
    }
    CHECK_EQ(n, 4);
    goo_allocator_destroy(tracking);
}
