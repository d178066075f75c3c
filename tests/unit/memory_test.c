/* The front door: arguments, sizes, options and what reaches the mechanism. Uses private headers:
 * gooi_watch says whether anything is left to look up. */
#include "goo/allocators.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "runtime/globals.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>

static bool all_equal(const void *bytes, uint8_t value, size_t size) {
    const uint8_t *p = bytes;
    for (size_t i = 0; i < size; i++) {
        if (p[i] != value) {
            return false;
        }
    }
    return true;
}

/* --- sizes --- */

GOO_TEST(memory, size_zero_gives_null_and_is_no_failure) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->track_stats = true;
    a->strategy = GOO_ALLOC_STRATEGY_PANIC;
    errno = EDOM;
    CHECK_PTR_EQ(goo_memory_alloc(0), NULL);
    CHECK_PTR_EQ(goo_memory_alloc_zeroed(0), NULL);
    CHECK_PTR_EQ(goo_memory_alloc_aligned(0, 64), NULL);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 0), NULL);
    CHECK_PTR_EQ(goo_memory_alloc_zeroed_with(a, 0), NULL);
    CHECK_PTR_EQ(goo_memory_alloc_options(a, 0, 0, GOO_ALLOC_NOFAIL), NULL);
    CHECK_PTR_EQ(goo_memory_alloc_array(a, 0, 8, 0), NULL);
    CHECK_PTR_EQ(goo_memory_alloc_array(a, 8, 0, 0), NULL);
    CHECK_PTR_EQ(goo_memory_realloc_with(a, NULL, 0, 0), NULL);
    CHECK_PTR_EQ(goo_memory_dup_with(a, "", 0), NULL);
    CHECK_EQ(errno, EDOM);
    CHECK_EQ(mock.allocs, 0);
    CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 0);
}

GOO_TEST(memory, sizes_that_can_not_be_never_reach_the_mechanism) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    static const size_t sizes[] = {
        SIZE_MAX,         SIZE_MAX - 1, SIZE_MAX - 15,   SIZE_MAX - 16,
        SIZE_MAX / 2 + 1, PTRDIFF_MAX,  PTRDIFF_MAX - 1, (size_t)PTRDIFF_MAX - 15};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        errno = 0;
        CHECK_PTR_EQ(goo_memory_alloc_with(a, sizes[i]), NULL);
        CHECK_EQ(errno, ENOMEM);
        errno = 0;
        CHECK_PTR_EQ(goo_memory_alloc_options(a, sizes[i], 4096, GOO_ALLOC_ZERO), NULL);
        CHECK_EQ(errno, ENOMEM);
        errno = 0;
        CHECK_PTR_EQ(goo_memory_alloc_options(a, sizes[i], 0, GOO_ALLOC_PAGE), NULL);
        CHECK_EQ(errno, ENOMEM);
    }
    CHECK_EQ(mock.allocs, 0);
}

GOO_TEST(memory, products_that_do_not_fit) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->track_stats = true;
    size_t half = SIZE_MAX / 2 + 1;
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_array(a, half, 2, 0), NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_array(a, 2, half, 0), NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_array(a, SIZE_MAX, SIZE_MAX, 0), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(mock.allocs, 0);
    GooAllocStats stats = goo_get_alloc_stats(a);
    CHECK_EQ(stats.failed_allocations, 3);
    CHECK_EQ(stats.total_allocations, 0);
    CHECK_EQ(stats.bytes_allocated, 0);
}

/* --- alignments --- */

GOO_TEST(memory, alignment_must_be_a_power_of_two) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    static const size_t bad[] = {3, 5, 6, 7, 9, 12, 24, 100, 4095, SIZE_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        errno = 0;
        CHECK_PTR_EQ(goo_memory_alloc_options(a, 8, bad[i], 0), NULL);
        CHECK_EQ(errno, EINVAL);
        errno = 0;
        CHECK_PTR_EQ(goo_memory_alloc_aligned(8, bad[i]), NULL);
        CHECK_EQ(errno, EINVAL);
    }
    CHECK_EQ(mock.allocs, 0);
}

GOO_TEST(memory, every_alignment_is_honoured) {
    for (size_t alignment = 1; alignment <= 1 << 20; alignment *= 2) {
        for (size_t size = 1; size <= 3 * alignment && size < 100000; size = size * 3 + 1) {
            uint8_t *p = goo_memory_alloc_aligned(size, alignment);
            CHECK(p != NULL);
            CHECK_EQ((uintptr_t)p % alignment, 0);
            memset(p, 1, size);
            goo_memory_free_aligned(p, size, alignment);
        }
    }
}

GOO_TEST(memory, alignment_zero_is_sixteen) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    void *p = goo_memory_alloc_options(a, 5, 0, 0);
    CHECK_EQ(mock.last_alignment, GOO_DEFAULT_ALIGNMENT);
    p = goo_memory_realloc_options(a, p, 5, 50, 0, 0);
    CHECK_EQ(mock.last_alignment, GOO_DEFAULT_ALIGNMENT);
    goo_memory_free_options(a, p, 50, 0);
    CHECK_EQ(mock.last_alignment, GOO_DEFAULT_ALIGNMENT);
    CHECK_EQ(mock.live, 0);
}

GOO_TEST(memory, alignment_larger_than_any_object_is_no_memory) {
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_aligned(8, SIZE_MAX / 2 + 1), NULL);
    CHECK_EQ(errno, ENOMEM);
    if (!goo_test_under_valgrind()) {
        errno = 0;
        CHECK_PTR_EQ(goo_memory_alloc_aligned(8, SIZE_MAX / 4 + 1), NULL);
        CHECK_EQ(errno, ENOMEM);
    }
}

/* --- contents --- */

GOO_TEST(memory, zeroed_memory_reads_zero_when_it_is_reused) {
    for (size_t size = 1; size < 5000; size = size * 2 + 1) {
        for (int round = 0; round < 3; round++) {
            void *p = goo_memory_alloc_zeroed(size);
            CHECK(all_equal(p, 0, size));
            memset(p, 0xff, size);
            goo_memory_free(p, size);
        }
        void *q = goo_memory_alloc_options(NULL, size, 64, GOO_ALLOC_ZERO);
        CHECK(all_equal(q, 0, size));
        goo_memory_free_options(NULL, q, size, 64);
    }
}

GOO_TEST(memory, realloc_keeps_content_and_zeroes_the_tail_when_asked) {
    static const size_t alignments[] = {0, 16, 64, 4096};
    for (size_t i = 0; i < 4; i++) {
        size_t alignment = alignments[i];
        uint8_t *p = goo_memory_alloc_options(NULL, 100, alignment, 0);
        memset(p, 0x77, 100);
        p = goo_memory_realloc_options(NULL, p, 100, 10000, alignment, GOO_ALLOC_ZERO);
        CHECK(p != NULL && all_equal(p, 0x77, 100));
        CHECK(all_equal(p + 100, 0, 9900));
        CHECK_EQ((uintptr_t)p % (alignment == 0 ? 16 : alignment), 0);
        p = goo_memory_realloc_options(NULL, p, 10000, 50, alignment, GOO_ALLOC_ZERO);
        CHECK(p != NULL && all_equal(p, 0x77, 50));
        goo_memory_free_options(NULL, p, 50, alignment);
    }
}

GOO_TEST(memory, copies) {
    char *text = goo_memory_strdup_with(NULL, "granule");
    CHECK_STR_EQ(text, "granule");
    goo_memory_free_with(NULL, text, sizeof "granule");
    char *empty = goo_memory_strdup_with(NULL, "");
    CHECK_STR_EQ(empty, "");
    goo_memory_free_with(NULL, empty, 1);
    uint8_t bytes[5] = {1, 2, 3, 4, 5};
    uint8_t *copy = goo_memory_dup_with(NULL, bytes, 5);
    CHECK_EQ(memcmp(copy, bytes, 5), 0);
    goo_memory_free_with(NULL, copy, 5);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_strdup_with(NULL, NULL), NULL);
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_dup_with(NULL, NULL, 5), NULL);
    CHECK_EQ(errno, EINVAL);
}

/* --- what reaches the mechanism --- */

GOO_TEST(memory, arguments_arrive_unchanged) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    void *p = goo_memory_alloc_options(a, 33, 128, GOO_ALLOC_ZERO | GOO_ALLOC_EXACT);
    CHECK_EQ(mock.last_size, 33);
    CHECK_EQ(mock.last_alignment, 128);
    CHECK_EQ(mock.last_options, GOO_ALLOC_ZERO | GOO_ALLOC_EXACT);
    void *q = goo_memory_realloc_options(a, p, 33, 44, 128, GOO_ALLOC_GROWABLE);
    CHECK_PTR_EQ(mock.last_ptr, p);
    CHECK_EQ(mock.last_old_size, 33);
    CHECK_EQ(mock.last_size, 44);
    CHECK_EQ(mock.last_alignment, 128);
    CHECK_EQ(mock.last_options, GOO_ALLOC_GROWABLE);
    goo_memory_free_options(a, q, 44, 128);
    CHECK_EQ(mock.last_size, 44);
    CHECK_EQ(mock.last_alignment, 128);
}

GOO_TEST(memory, page_option_becomes_pages_for_an_allocator_by_hand) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->track_stats = true;
    uint8_t *p = goo_memory_alloc_options(a, 100, 0, GOO_ALLOC_PAGE);
    CHECK(p != NULL && (uintptr_t)p % 4096 == 0);
    size_t page = mock.last_size;
    CHECK_EQ(page % 4096, 0);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 100);
    goo_memory_free_options(a, p, 100, 0);
    CHECK_EQ(mock.last_size, page);
    CHECK_EQ(mock.last_alignment, page);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
    p = goo_memory_alloc_options(NULL, 5000, 0, GOO_ALLOC_PAGE | GOO_ALLOC_ZERO);
    CHECK(p != NULL && (uintptr_t)p % 4096 == 0 && all_equal(p, 0, 5000));
    memset(p, 1, 8192); /* whole pages */
    goo_memory_free_options(NULL, p, 5000, 0);
}

GOO_TEST(memory, pages_made_up_are_given_back_as_they_were_got) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->track_stats = true;
    uint8_t *p = goo_memory_alloc_options(a, 100, 0, GOO_ALLOC_PAGE);
    size_t page = mock.last_size;
    memset(p, 0x5a, page);
    p = goo_memory_realloc_options(a, p, 100, page + 1, 0, GOO_ALLOC_PAGE);
    CHECK_EQ(mock.last_old_size, page);
    CHECK_EQ(mock.last_size, 2 * page);
    CHECK(all_equal(p, 0x5a, page));
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, page + 1);
    mock.failures = 1; /* the block stays what it is */
    CHECK_PTR_EQ(goo_memory_realloc_options(a, p, page + 1, 4 * page, 0, GOO_ALLOC_PAGE), NULL);
    void *other = goo_memory_alloc_options(a, 100, 0, GOO_ALLOC_PAGE);
    goo_memory_free_with(a, p, page + 1);
    CHECK_EQ(mock.last_size, 2 * page);
    p = goo_memory_realloc_with(a, other, 100, 300); /* a plain block from now on */
    CHECK_EQ(mock.last_old_size, page);
    CHECK_EQ(mock.last_size, 300);
    p = goo_memory_realloc_options(a, p, 300, 200, 0, GOO_ALLOC_PAGE); /* and one of pages again */
    CHECK_EQ(mock.last_old_size, 300);
    CHECK_EQ(mock.last_size, page);
    goo_memory_free_with(a, p, 200);
    CHECK_EQ(mock.last_size, page);
    CHECK_EQ(mock.last_alignment, page);
    CHECK_EQ(mock.live, 0);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
    CHECK_EQ(atomic_load(&gooi_watch) & GOOI_WATCH_PAGES, 0);
}

static bool resize_within_two_pages(void *ctx, void *ptr, size_t old_size, size_t new_size,
                                    size_t alignment) {
    Mock *mock = ctx;
    mock->last_ptr = ptr;
    mock->last_old_size = old_size;
    mock->last_size = new_size;
    mock->last_alignment = alignment;
    return new_size <= 8192;
}

GOO_TEST(memory, pages_made_up_resize_by_pages) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->resize = resize_within_two_pages;
    a->track_stats = true;
    void *p = goo_memory_alloc_options(a, 5000, 0, GOO_ALLOC_PAGE);
    CHECK(goo_memory_resize_options(a, p, 5000, 100, 0));
    CHECK_EQ(mock.last_old_size, 8192);
    CHECK_EQ(mock.last_size, 4096);
    CHECK_EQ(mock.last_alignment, 4096);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 100);
    CHECK(!goo_memory_resize_options(a, p, 100, 9000, 0));
    CHECK(goo_memory_resize_options(a, p, 100, 4097, 0));
    CHECK_EQ(mock.last_old_size, 4096);
    goo_memory_free_options(a, p, 4097, 0);
    CHECK_EQ(mock.last_size, 8192);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
    CHECK_EQ(atomic_load(&gooi_watch) & GOOI_WATCH_PAGES, 0);
}

GOO_TEST(memory, pages_made_up_under_safety_and_never_unmap) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    GooMemoryConfig config = {.enable_safety = true, .never_unmap = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    void *p = goo_memory_alloc_options(a, 100, 0, GOO_ALLOC_PAGE);
    goo_memory_free_options(a, p, 100, 0);
    CHECK_EQ(mock.frees, 0);
    goo_memory_cleanup();
    CHECK_EQ(mock.frees, 1);
    CHECK_EQ(mock.last_size, 4096);
}

GOO_TEST(memory, realloc_of_null_allocates_and_to_zero_frees) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    void *p = goo_memory_realloc_with(a, NULL, 0, 10);
    CHECK(p != NULL);
    CHECK_EQ(mock.allocs, 1);
    errno = EDOM;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 10, 0), NULL);
    CHECK_EQ(errno, EDOM);
    CHECK_EQ(mock.frees, 1);
    CHECK_EQ(mock.last_size, 10);
    CHECK_EQ(mock.live, 0);
}

GOO_TEST(memory, a_failed_realloc_leaves_the_block) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    uint8_t *p = goo_memory_alloc_with(a, 10);
    memset(p, 7, 10);
    mock.failures = 1;
    errno = 0;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 10, 20), NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 10, SIZE_MAX), NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_realloc_options(a, p, 10, 20, 3, 0), NULL);
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 0, 20), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK(all_equal(p, 7, 10));
    CHECK_EQ(mock.live, 1);
    goo_memory_free_with(a, p, 10);
}

/* --- resize --- */

static bool resize_to_at_most_64(void *ctx, void *ptr, size_t old_size, size_t new_size,
                                 size_t alignment) {
    (void)ctx;
    (void)ptr;
    (void)old_size;
    (void)alignment;
    return new_size <= 64;
}

GOO_TEST(memory, resize_happens_in_place_or_not_at_all) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->track_stats = true;
    void *p = goo_memory_alloc_with(a, 40);
    CHECK(!goo_memory_resize_options(a, p, 40, 30, 0)); /* no resize function */
    a->resize = resize_to_at_most_64;
    CHECK(goo_memory_resize_options(a, p, 40, 64, 0));
    CHECK(!goo_memory_resize_options(a, p, 64, 65, 0));
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 64);
    CHECK(goo_memory_resize_options(a, p, 64, 8, 0));
    GooAllocStats stats = goo_get_alloc_stats(a);
    CHECK_EQ(stats.bytes_allocated, 8);
    CHECK_EQ(stats.max_bytes_allocated, 64);
    CHECK_EQ(stats.failed_allocations, 0);
    CHECK_EQ(stats.total_allocations, 1);
    goo_memory_free_with(a, p, 8);
}

GOO_TEST(memory, resize_refuses_bad_arguments) {
    int word;
    errno = 0;
    CHECK(!goo_memory_resize(NULL, 4, 8));
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK(!goo_memory_resize(&word, 0, 8));
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK(!goo_memory_resize(&word, 4, 0));
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK(!goo_memory_resize_options(NULL, &word, 4, 8, 5));
    CHECK_EQ(errno, EINVAL);
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->resize = resize_to_at_most_64;
    CHECK(!goo_memory_resize_options(a, &word, 4, SIZE_MAX, 16));
}

/* --- misuse --- */

GOO_TEST(memory, freeing_null_does_nothing) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    goo_memory_free(NULL, 0);
    goo_memory_free_with(a, NULL, 10);
    goo_memory_free_aligned(NULL, 1, 3);
    goo_memory_free_options(a, NULL, 0, 64);
    CHECK_EQ(mock.frees, 0);
}

GOO_TEST(memory, a_free_that_can_not_be_right_panics) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    uint8_t *p = goo_memory_alloc_with(a, 32);
    CHECK_PANICS(goo_memory_free_with(a, p, 0), "goo_memory_free_with");
    CHECK_PANICS(goo_memory_free_options(a, p, 32, 48), "goo_memory_free_options");
    CHECK_PANICS(goo_memory_free_with(a, p + 1, 31), "goo_memory_free_with");
    CHECK_EQ(mock.live, 1);
    goo_memory_free_with(a, p, 32);
}

GOO_TEST(memory, macros_hand_on_their_place) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    char *p = GOO_ALLOC(a, 40);
    CHECK_EQ(mock.last_size, 40);
    CHECK_PANICS(GOO_FREE(a, p + 1, 40), "memory_test.c:");
    CHECK_PANICS(GOO_FREE(a, p, 0), "memory_test.c:");
    GOO_FREE(a, p, 40);
    GOO_FREE(a, NULL, 0);
    CHECK_EQ(mock.live, 0);
    CHECK_PTR_EQ(GOO_ALLOC(a, 0), NULL);
    a->strategy = GOO_ALLOC_STRATEGY_PANIC;
    mock.failures = 1;
    CHECK_PANICS(GOO_ALLOC(a, 40), "memory_test.c:");
}

/* --- typed forms --- */

typedef struct Point {
    double x, y;
} Point;

GOO_TEST(memory, typed_macros_carry_the_size) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    Point *point = GOO_NEW(a, Point);
    CHECK_EQ(mock.last_size, sizeof(Point));
    point->x = 1;
    GOO_DELETE(a, point);
    CHECK_EQ(mock.last_size, sizeof(Point));
    Point *points = GOO_NEW_ARRAY(a, Point, 7);
    CHECK_EQ(mock.last_size, 7 * sizeof(Point));
    GOO_DELETE_ARRAY(a, points, 7);
    CHECK_EQ(mock.last_size, 7 * sizeof(Point));
    CHECK_EQ(mock.live, 0);
    CHECK_PTR_EQ(GOO_NEW_ARRAY(a, Point, SIZE_MAX / 4), NULL);
}
