/* The page allocator: alignment, zeroed and whole pages, resizing, misuse. */
#include "goo/allocators/page.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/harness.h"

#include <errno.h>

enum { PAGE = 4096 };

GOO_TEST(page, blocks_are_pages_and_zero) {
    GooAllocator *a = goo_page_allocator_create();
    CHECK(a != NULL);
    static const size_t sizes[] = {1, 100, PAGE, PAGE + 1, 10 * PAGE, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *p = goo_memory_alloc_with(a, sizes[i]);
        CHECK(p != NULL);
        CHECK_EQ((uintptr_t)p % PAGE, 0);
        CHECK(goo_memory_is_zero(p, sizes[i]));
        memset(p, 0xff, sizes[i]);
        goo_memory_free_with(a, p, sizes[i]);
    }
    goo_allocator_destroy(a);
}

GOO_TEST(page, alignments_beyond_a_page) {
    GooAllocator *a = goo_page_allocator_create();
    for (size_t alignment = 1; alignment <= 8 << 20; alignment *= 2) {
        uint8_t *p = goo_memory_alloc_options(a, 3 * PAGE, alignment, 0);
        CHECK(p != NULL);
        CHECK_EQ((uintptr_t)p % alignment, 0);
        memset(p, 1, 3 * PAGE);
        goo_memory_free_options(a, p, 3 * PAGE, alignment);
    }
    goo_allocator_destroy(a);
}

GOO_TEST(page, resize_shrinks_and_grows_within_the_last_page) {
    GooAllocator *a = goo_page_allocator_create();
    uint8_t *p = goo_memory_alloc_with(a, 10 * PAGE);
    memset(p, 7, 10 * PAGE);
    CHECK(goo_memory_resize_options(a, p, 10 * PAGE, 2 * PAGE + 5, 0));
    CHECK_EQ(p[2 * PAGE + 4], 7);
    CHECK(goo_memory_resize_options(a, p, 2 * PAGE + 5, 3 * PAGE, 0));
    CHECK(!goo_memory_resize_options(a, p, 3 * PAGE, 3 * PAGE + 1, 0));
    goo_memory_free_with(a, p, 3 * PAGE);
    goo_allocator_destroy(a);
}

GOO_TEST(page, realloc_keeps_content_and_zeroes_what_is_new) {
    GooAllocator *a = goo_page_allocator_create();
    uint8_t *p = goo_memory_alloc_with(a, 100);
    memset(p, 7, PAGE); /* the slack of the page is dirty */
    p = goo_memory_realloc_options(a, p, 100, 200, 0, GOO_ALLOC_ZERO);
    CHECK_EQ(p[99], 7);
    CHECK(goo_memory_is_zero(p + 100, 100));
    p = goo_memory_realloc_options(a, p, 200, 50 * PAGE, 0, GOO_ALLOC_ZERO);
    CHECK_EQ(p[99], 7);
    CHECK(goo_memory_is_zero(p + 100, 50 * PAGE - 100));
    p = goo_memory_realloc_options(a, p, 50 * PAGE, 60, 0, 0);
    CHECK_EQ(p[59], 7);
    goo_memory_free_with(a, p, 60);
    goo_allocator_destroy(a);
}

GOO_TEST(page, what_can_not_be_had) {
    GooAllocator *a = goo_page_allocator_create();
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, SIZE_MAX / 2 - 4 * PAGE), NULL);
    CHECK_EQ(errno, ENOMEM);
    void *p = goo_memory_alloc_with(a, 10);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 10, SIZE_MAX / 2 - 4 * PAGE), NULL);
    CHECK_EQ(errno, ENOMEM);
    goo_memory_free_with(a, p, 10);
    goo_allocator_destroy(a);
}

GOO_TEST(page, freeing_what_is_no_page_panics) {
    GooAllocator *a = goo_page_allocator_create();
    uint8_t *p = goo_memory_alloc_with(a, 100);
    CHECK_PANICS(goo_memory_free_with(a, p + 16, 84), "page allocator");
    goo_memory_free_with(a, p, 100);
    goo_allocator_destroy(a);
}

GOO_TEST(page, create_sets_strategy_null_and_no_statistics) {
    GooAllocator *a = goo_page_allocator_create();
    CHECK_EQ(a->strategy, GOO_ALLOC_STRATEGY_NULL);
    CHECK(!a->track_stats);
    CHECK_STR_EQ(a->name, "page");
    a->track_stats = true;
    void *p = goo_memory_alloc_with(a, 100);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 100);
    goo_memory_free_with(a, p, 100);
    a->destroy(a);
}
