/* Buffers: bounds, views, growth, and what a failure leaves. */
#include "goo/runtime/buffer.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>

GOO_TEST(buffer, create_and_free) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    GooBuffer b = goo_buffer_create(a, 10, sizeof(int), GOO_ALLOC_ZERO);
    CHECK(b.data != NULL);
    CHECK_EQ(b.length, 10);
    CHECK_EQ(b.element_size, sizeof(int));
    CHECK_PTR_EQ(b.owner, a);
    CHECK_EQ((uintptr_t)b.data % GOO_DEFAULT_ALIGNMENT, 0);
    CHECK(goo_memory_is_zero(b.data, 10 * sizeof(int)));
    goo_buffer_free(&b);
    CHECK_EQ(mock.live, 0);
    CHECK_PTR_EQ(b.data, NULL);
    goo_buffer_free(&b); /* once more does nothing */
    goo_buffer_free(NULL);
    b = goo_buffer_create(NULL, 0, 8, 0);
    CHECK(b.data != NULL);
    CHECK_EQ(b.length, 0);
    CHECK_PTR_EQ(b.owner, goo_get_thread_allocator());
    goo_buffer_free(&b);
}

GOO_TEST(buffer, create_fails_without_a_trace) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    errno = 0;
    CHECK_PTR_EQ(goo_buffer_create(a, 1, 0, 0).data, NULL);
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK_PTR_EQ(goo_buffer_create(a, SIZE_MAX / 4, 8, 0).data, NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_PTR_EQ(goo_buffer_create(a, SIZE_MAX, 1, 0).data, NULL);
    mock.failures = 1;
    CHECK_PTR_EQ(goo_buffer_create(a, 1, 1, 0).data, NULL);
    CHECK_EQ(mock.live, 0);
}

GOO_TEST(buffer, bounds) {
    GooBuffer b = goo_buffer_create(NULL, 3, 2, GOO_ALLOC_ZERO);
    CHECK_PTR_EQ(goo_buffer_at(&b, 2), (char *)b.data + 4);
    CHECK_PTR_EQ(goo_buffer_try_at(&b, 2), (char *)b.data + 4);
    CHECK_PTR_EQ(goo_buffer_try_at(&b, 3), NULL);
    CHECK_PTR_EQ(goo_buffer_try_at(&b, SIZE_MAX), NULL);
    CHECK_PANICS(goo_buffer_at(&b, 3), "index 3 of a buffer of 3");
    CHECK_PANICS(goo_buffer_slice(&b, 2, 2), "goo_buffer_slice");
    CHECK_PANICS(goo_buffer_slice(&b, 4, 0), "goo_buffer_slice");
    CHECK_PANICS(goo_buffer_slice(&b, 1, SIZE_MAX), "goo_buffer_slice");
    goo_buffer_free(&b);
}

GOO_TEST(buffer, views) {
    int numbers[5] = {1, 2, 3, 4, 5};
    GooBuffer b = goo_buffer_wrap(numbers, 5, sizeof(int));
    CHECK_PTR_EQ(b.owner, NULL);
    GooBuffer s = goo_buffer_slice(&b, 1, 3);
    CHECK_PTR_EQ(s.data, &numbers[1]);
    CHECK_EQ(s.length, 3);
    CHECK_PTR_EQ(s.owner, NULL);
    int nine = 9;
    goo_buffer_fill(&s, &nine);
    CHECK_EQ(numbers[0] + numbers[4], 6);
    CHECK_EQ(numbers[1] + numbers[2] + numbers[3], 27);
    GooBuffer end = goo_buffer_slice(&b, 5, 0);
    CHECK_EQ(end.length, 0);
    CHECK_EQ(goo_buffer_resize(&s, 4), GOO_ERR_UNSUPPORTED);
    CHECK_EQ(goo_buffer_resize(&s, 2), GOO_OK);
    CHECK_EQ(s.length, 2);
    CHECK_EQ(goo_buffer_copy_from(&s, &b), GOO_ERR_LIMIT);
    goo_buffer_free(&s);
    CHECK_EQ(numbers[2], 9);
    CHECK_PANICS(goo_buffer_wrap(NULL, 1, 1), "goo_buffer_wrap");
}

GOO_TEST(buffer, resize_keeps_elements_and_capacity) {
    GooBuffer b = goo_buffer_create(NULL, 4, sizeof(uint64_t), GOO_ALLOC_ZERO);
    for (size_t i = 0; i < 4; i++) {
        *(uint64_t *)goo_buffer_at(&b, i) = i + 1;
    }
    CHECK_EQ(goo_buffer_resize(&b, 1000), GOO_OK);
    for (size_t i = 0; i < 1000; i++) {
        CHECK_EQ(*(uint64_t *)goo_buffer_at(&b, i), i < 4 ? i + 1 : 0);
    }
    void *data = b.data;
    memset(b.data, 0xff, 8000);
    goo_buffer_clear(&b);
    CHECK_EQ(b.length, 0);
    CHECK_EQ(goo_buffer_resize(&b, 1000), GOO_OK);
    CHECK_PTR_EQ(b.data, data);
    CHECK(goo_memory_is_zero(b.data, 8000)); /* ZERO is about what comes back, too */
    CHECK_EQ(goo_buffer_resize(&b, SIZE_MAX), GOO_ERR_NO_MEMORY);
    CHECK_EQ(goo_buffer_resize(&b, SIZE_MAX / 8), GOO_ERR_NO_MEMORY);
    CHECK_EQ(b.length, 1000);
    goo_buffer_free(&b);
}

GOO_TEST(buffer, appending_is_cheap_and_failure_changes_nothing) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    GooBuffer b = goo_buffer_create(a, 0, 1, 0);
    for (size_t i = 0; i < 10000; i++) {
        CHECK_EQ(goo_buffer_resize(&b, i + 1), GOO_OK);
        *(uint8_t *)goo_buffer_at(&b, i) = (uint8_t)i;
    }
    CHECK(mock.reallocs < 40);
    mock.failures = 2; /* the roomy request, and the exact one */
    void *data = b.data;
    CHECK_EQ(goo_buffer_resize(&b, 100000), GOO_ERR_NO_MEMORY);
    CHECK_PTR_EQ(b.data, data);
    CHECK_EQ(b.length, 10000);
    for (size_t i = 0; i < 10000; i++) {
        CHECK_EQ(*(uint8_t *)goo_buffer_at(&b, i), (uint8_t)i);
    }
    goo_buffer_free(&b);
    CHECK_EQ(mock.live, 0);
    b = goo_buffer_create(a, 10, 1, GOO_ALLOC_EXACT);
    size_t size = mock.last_size;
    CHECK_EQ(goo_buffer_resize(&b, 11), GOO_OK);
    CHECK_EQ(mock.last_size, size + 1);
    goo_buffer_free(&b);
}

GOO_TEST(buffer, pages) {
    GooBuffer b = goo_buffer_create(NULL, 100, 1, GOO_ALLOC_PAGE);
    CHECK_EQ((uintptr_t)b.data % 4096, 0);
    memset(b.data, 7, 100);
    CHECK_EQ(goo_buffer_resize(&b, 100000), GOO_OK);
    CHECK_EQ((uintptr_t)b.data % 4096, 0);
    CHECK_EQ(*(uint8_t *)goo_buffer_at(&b, 99), 7);
    goo_buffer_free(&b);
}

GOO_TEST(buffer, fill_and_copy) {
    uint8_t rgb[3] = {1, 2, 3};
    GooBuffer b = goo_buffer_create(NULL, 5, 3, 0);
    goo_buffer_fill(&b, rgb);
    CHECK_EQ(memcmp(goo_buffer_at(&b, 4), rgb, 3), 0);
    GooBuffer copy = goo_buffer_create(NULL, 0, 3, 0);
    CHECK_EQ(goo_buffer_copy_from(&copy, &b), GOO_OK);
    CHECK_EQ(copy.length, 5);
    CHECK_EQ(memcmp(copy.data, b.data, 15), 0);
    rgb[0] = 50;
    memcpy(goo_buffer_at(&copy, 2), rgb, 3);
    GooBuffer part = goo_buffer_slice(&copy, 2, 3);
    CHECK_EQ(goo_buffer_copy_from(&copy, &part), GOO_OK); /* of itself */
    CHECK_EQ(copy.length, 3);
    CHECK_EQ(*(uint8_t *)goo_buffer_at(&copy, 0), 50);
    GooBuffer other = goo_buffer_create(NULL, 1, 4, 0);
    CHECK_EQ(goo_buffer_copy_from(&other, &b), GOO_ERR_INVALID_ARGUMENT);
    goo_buffer_free(&b);
    goo_buffer_free(&copy);
    goo_buffer_free(&other);
}

GOO_TEST(buffer, a_foreign_owner_is_noticed) {
    uint8_t bytes[64] = {0};
    GooBuffer b = {bytes + 32, 8, 1, goo_get_default_allocator()};
    CHECK_PANICS(goo_buffer_free(&b), "goo_buffer_free");
    CHECK_PANICS(goo_buffer_resize(&b, 100), "goo_buffer_resize");
}
