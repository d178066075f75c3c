/* The legacy API: ownership, sizes, contents, misuse. */
#include "goo/allocators.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "goo_memory.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>
#include <pthread.h>

GOO_TEST(legacy, blocks_are_aligned_and_know_their_size) {
    for (size_t size = 1; size < 5000; size = size * 5 / 4 + 1) {
        char *p = goo_alloc(size);
        CHECK(p != NULL);
        CHECK_EQ((uintptr_t)p % GOO_DEFAULT_ALIGNMENT, 0);
        CHECK_EQ(goo_usable_size(p), size);
        memset(p, 0x5a, size);
        CHECK_EQ(goo_usable_size(p), size);
        goo_free(p);
    }
    CHECK_EQ(goo_usable_size(NULL), 0);
}

GOO_TEST(legacy, zero_and_null) {
    errno = EDOM;
    CHECK_PTR_EQ(goo_alloc(0), NULL);
    CHECK_PTR_EQ(goo_alloc_zero(0), NULL);
    CHECK_PTR_EQ(goo_alloc_or_panic(0), NULL);
    CHECK_PTR_EQ(goo_realloc(NULL, 0), NULL);
    goo_free(NULL);
    goo_runtime_free(NULL);
    CHECK_EQ(errno, EDOM);
    char *p = goo_realloc(NULL, 5);
    CHECK_EQ(goo_usable_size(p), 5);
    CHECK_PTR_EQ(goo_realloc(p, 0), NULL);
    CHECK_EQ(errno, EDOM);
}

GOO_TEST(legacy, sizes_that_can_not_be) {
    static const size_t sizes[] = {SIZE_MAX,      SIZE_MAX - 15, SIZE_MAX - 16,
                                   SIZE_MAX - 31, SIZE_MAX / 2,  SIZE_MAX / 2 - 16};
    char *p = goo_alloc(8);
    strcpy(p, "content");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        errno = 0;
        CHECK_PTR_EQ(goo_alloc(sizes[i]), NULL);
        CHECK_EQ(errno, ENOMEM);
        errno = 0;
        CHECK_PTR_EQ(goo_realloc(p, sizes[i]), NULL);
        CHECK_EQ(errno, ENOMEM);
    }
    CHECK_STR_EQ(p, "content");
    goo_free(p);
}

GOO_TEST(legacy, zeroed_blocks_read_zero) {
    for (int round = 0; round < 3; round++) {
        uint8_t *p = goo_alloc_zero(300);
        for (size_t i = 0; i < 300; i++) {
            CHECK_EQ(p[i], 0);
        }
        memset(p, 0xff, 300);
        goo_free(p);
    }
}

GOO_TEST(legacy, realloc_keeps_the_content_without_being_told_the_size) {
    uint8_t *p = goo_alloc(1);
    p[0] = 0;
    size_t size = 1;
    while (size < 100000) {
        size_t larger = size * 3 / 2 + 1;
        p = goo_realloc(p, larger);
        CHECK(p != NULL);
        for (size_t i = 0; i < size; i++) {
            CHECK_EQ(p[i], (uint8_t)i);
        }
        for (size_t i = size; i < larger; i++) {
            p[i] = (uint8_t)i;
        }
        size = larger;
        CHECK_EQ(goo_usable_size(p), size);
    }
    p = goo_realloc(p, 10);
    for (size_t i = 0; i < 10; i++) {
        CHECK_EQ(p[i], (uint8_t)i);
    }
    goo_free(p);
}

GOO_TEST(legacy, a_block_goes_back_where_it_came_from) {
    Mock first, second;
    GooAllocator *a = mock_init(&first);
    GooAllocator *b = mock_init(&second);
    goo_set_default_allocator(a);
    void *p = goo_alloc(100);
    void *q = goo_alloc(100);
    void *r = goo_alloc(100);
    goo_set_default_allocator(b);
    goo_free(p);
    q = goo_realloc(q, 200);
    CHECK_PTR_EQ(goo_realloc(r, 0), NULL);
    CHECK_EQ(first.frees, 2);
    CHECK_EQ(first.reallocs, 1);
    goo_set_default_allocator(NULL);
    goo_free(q);
    CHECK_EQ(first.live, 0);
    CHECK_EQ(second.allocs + second.reallocs + second.frees, 0);
}

GOO_TEST(legacy, the_threads_allocator_comes_before_the_default) {
    Mock mock;
    goo_set_thread_allocator(mock_init(&mock));
    void *p = goo_runtime_alloc(10);
    goo_set_thread_allocator(NULL);
    CHECK_EQ(mock.live, 1);
    p = goo_runtime_realloc(p, 50);
    goo_runtime_free(p);
    CHECK_EQ(mock.live, 0);
}

GOO_TEST(legacy, a_failed_realloc_leaves_a_whole_block) {
    Mock mock;
    goo_set_default_allocator(mock_init(&mock));
    char *p = goo_strdup("content");
    mock.failures = 1;
    errno = 0;
    CHECK_PTR_EQ(goo_realloc(p, 100), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_STR_EQ(p, "content");
    CHECK_EQ(goo_usable_size(p), sizeof "content");
    goo_free(p);
    goo_set_default_allocator(NULL);
    CHECK_EQ(mock.live, 0);
}

GOO_TEST(legacy, the_mechanism_gets_its_sizes_back) {
    Mock mock;
    goo_set_default_allocator(mock_init(&mock));
    void *p = goo_alloc(100);
    size_t outer = mock.last_size;
    CHECK(outer > 100);
    p = goo_realloc(p, 300);
    CHECK_EQ(mock.last_old_size, outer);
    CHECK_EQ(mock.last_size, outer + 200);
    goo_free(p);
    CHECK_EQ(mock.last_size, outer + 200);
    goo_set_default_allocator(NULL);
}

GOO_TEST(legacy, statistics_count_what_was_asked_for) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->track_stats = true;
    goo_set_default_allocator(a);
    void *p = goo_alloc(100);
    GooAllocStats stats = goo_get_allocator_stats(a);
    CHECK_EQ(stats.bytes_allocated, 100);
    CHECK_EQ(stats.bytes_reserved, mock.last_size);
    p = goo_realloc(p, 40);
    stats = goo_get_allocator_stats(a);
    CHECK_EQ(stats.bytes_allocated, 40);
    CHECK_EQ(stats.total_allocations, 1);
    goo_free(p);
    stats = goo_get_allocator_stats(a);
    CHECK_EQ(stats.bytes_allocated, 0);
    CHECK_EQ(stats.bytes_reserved, 0);
    CHECK_EQ(stats.max_bytes_allocated, 100);
    CHECK_EQ(stats.total_frees, 1);
    goo_set_default_allocator(NULL);
}

GOO_TEST(legacy, strings) {
    char *p = goo_strdup("granule");
    CHECK_STR_EQ(p, "granule");
    goo_free(p);
    p = goo_strndup("granule", 4);
    CHECK_STR_EQ(p, "gran");
    CHECK_EQ(goo_usable_size(p), 5);
    goo_free(p);
    p = goo_strndup("granule", 100);
    CHECK_STR_EQ(p, "granule");
    goo_free(p);
    char unterminated[3] = {'a', 'b', 'c'};
    p = goo_strndup(unterminated, 3);
    CHECK_STR_EQ(p, "abc");
    goo_free(p);
    p = goo_strndup("x", 0);
    CHECK_STR_EQ(p, "");
    goo_free(p);
    errno = 0;
    CHECK_PTR_EQ(goo_strdup(NULL), NULL);
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK_PTR_EQ(goo_strndup(NULL, 3), NULL);
    CHECK_EQ(errno, EINVAL);
}

GOO_TEST(legacy, cleanup_frees_and_clears) {
    void *p = goo_alloc(10);
    goo_memory_cleanup_ptr(&p);
    CHECK_PTR_EQ(p, NULL);
    goo_memory_cleanup_ptr(&p);
    goo_memory_cleanup_ptr(NULL);
}

GOO_TEST(legacy, older_spellings_are_sized_blocks) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    uint8_t *p = goo_alloc_zero_with_allocator(a, 20);
    CHECK_EQ(mock.last_size, 20);
    CHECK_EQ(p[19], 0);
    p = goo_realloc_with_allocator(a, p, 20, 30);
    CHECK_EQ(mock.last_size, 30);
    goo_free_with_allocator(a, p, 30);
    p = goo_alloc_with_allocator(a, 7);
    goo_free_with_allocator(a, p, 7);
    CHECK_EQ(mock.live, 0);
}

/* --- misuse --- */

GOO_TEST(legacy, foreign_pointers_panic) {
    _Alignas(16) char outside[64];
    memset(outside, 0x11, sizeof outside);
    CHECK_PANICS(goo_free(outside + 16), "goo_free");
    CHECK_PANICS(goo_free(outside + 17), "goo_free");
    CHECK_PANICS(goo_usable_size(outside + 32), "goo_usable_size");
    CHECK_PANICS(goo_realloc(outside + 32, 10), "goo_realloc");
    memset(outside, 0, sizeof outside);
    CHECK_PANICS(goo_free(outside + 16), "no live block");
    void *sized = goo_memory_alloc_with(NULL, 64);
    memset(sized, 0, 64);
    CHECK_PANICS(goo_free((char *)sized + 32), "no live block");
    goo_memory_free_with(NULL, sized, 64);
}

GOO_TEST(legacy, a_pointer_into_a_block_panics) {
    char *p = goo_alloc_zero(100);
    CHECK_PANICS(goo_free(p + 16), "no live block");
    CHECK_PANICS(goo_free(p + 1), "no live block");
    goo_free(p);
}

GOO_TEST(legacy, a_copied_header_is_no_block) {
    char *p = goo_alloc(48);
    memset(p, 0, 48);
    _Alignas(16) char copy[64];
    memcpy(copy, p - 16, 64);
    CHECK_PANICS(goo_free(copy + 16), "no live block");
    memcpy(p + 16, p - 16, 16);
    CHECK_PANICS(goo_free(p + 32), "no live block");
    goo_free(p);
}

GOO_TEST(legacy, a_header_with_any_byte_written_is_no_block) {
    char *p = goo_alloc(48);
    for (int i = 1; i <= 16; i++) {
        char before = p[-i];
        for (int change = 1; change < 256; change++) {
            p[-i] = (char)(before ^ change);
            CHECK_PANICS(goo_usable_size(p), "no live block");
        }
        p[-i] = before;
    }
    CHECK_EQ(goo_usable_size(p), 48);
    goo_free(p);
}

/* Memory that stays readable after a free, so that the second free is a question of our check. */
static _Alignas(16) char bump_memory[4096];
static size_t bump_used;

static void *bump_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    (void)ctx;
    (void)alignment;
    (void)options;
    void *p = bump_memory + bump_used;
    bump_used += (size + 15) / 16 * 16;
    return p;
}

static void *bump_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                          GooAllocOptions options) {
    void *p = bump_alloc(ctx, new_size, alignment, options);
    return memcpy(p, ptr, old_size < new_size ? old_size : new_size);
}

static void bump_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    (void)ctx;
    (void)ptr;
    (void)size;
    (void)alignment;
}

static GooAllocator bump = {.alloc = bump_alloc, .realloc = bump_realloc, .free = bump_free};

GOO_TEST(legacy, a_double_free_is_named) {
    goo_set_default_allocator(&bump);
    void *p = goo_alloc(10);
    goo_set_default_allocator(NULL);
    goo_free(p);
    CHECK_PANICS(goo_free(p), "double free");
    CHECK_PANICS(goo_realloc(p, 5), "double free");
    CHECK_PANICS(goo_usable_size(p), "double free");
}

GOO_TEST(legacy, the_old_address_of_a_moved_block_is_dead) {
    goo_set_default_allocator(&bump);
    char *p = goo_strdup("content");
    char *q = goo_realloc(p, 100);
    goo_set_default_allocator(NULL);
    CHECK(p != q);
    CHECK_STR_EQ(q, "content");
    CHECK_PANICS(goo_free(p), "double free");
    goo_free(q);
}

GOO_TEST(legacy, a_double_free_over_malloc_panics) {
    if (GOO_TEST_FREED_IS_WATCHED || goo_test_under_valgrind()) {
        SKIP("the tool owns freed memory");
    }
    void *p = goo_alloc(100);
    goo_free(p);
    CHECK_PANICS(goo_free(p), "freed before");
}

/* --- threads --- */

enum { THREADS = 4, ROUNDS = 2000 };

static void *thread_churn(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg;
    char *held[16] = {0};
    for (int i = 0; i < ROUNDS; i++) {
        seed = seed * 1664525u + 1013904223u;
        size_t slot = seed >> 28;
        size_t size = 1 + (seed >> 8) % 500;
        held[slot] = goo_realloc(held[slot], size);
        held[slot][size - 1] = (char)i;
    }
    for (size_t slot = 0; slot < 16; slot++) {
        goo_free(held[slot]);
    }
    return NULL;
}

GOO_TEST(legacy, threads_share_the_system_allocator_and_its_counters) {
    GooAllocator *a = goo_system_allocator_create();
    a->track_stats = true;
    goo_set_default_allocator(a);
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, thread_churn, (void *)(i + 1)), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    GooAllocStats stats = goo_get_alloc_stats(a);
    CHECK_EQ(stats.bytes_allocated, 0);
    CHECK_EQ(stats.bytes_reserved, 0);
    CHECK_EQ(stats.allocation_count, 0);
    CHECK_EQ(stats.total_allocations, stats.total_frees);
    CHECK_EQ(stats.total_allocations, THREADS * 16);
    CHECK(stats.max_bytes_allocated > 0);
    goo_allocator_destroy(a);
    CHECK(goo_get_default_allocator() != a);
}

/* The first block of a process, after some allocator had its counters on. */
GOO_TEST(legacy, nothing_is_counted_unless_somebody_asked) {
    GooAllocator *a = goo_system_allocator_create();
    a->track_stats = true;
    goo_memory_free_with(a, goo_memory_alloc_with(a, 10), 10);
    goo_allocator_destroy(a);
    GooMemoryStats before = goo_memory_get_stats();
    char *text = goo_strdup("text");
    CHECK_EQ(goo_memory_get_stats().current_bytes, before.current_bytes);
    goo_free(text);
    CHECK_EQ(goo_memory_get_stats().current_bytes, before.current_bytes);
}
