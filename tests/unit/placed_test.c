/* What is special about the fixed, the stack and the fallback allocator. */
#include "goo/allocators/arena.h"
#include "goo/allocators/fallback.h"
#include "goo/allocators/fixed.h"
#include "goo/allocators/stack.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/conformance/parent.h"
#include "tests/harness.h"

GOO_TEST(fixed, never_more_than_the_bytes_it_was_given) {
    uint8_t bytes[1000];
    memset(bytes, 0x11, sizeof bytes);
    GooFixedBuffer state;
    GooAllocator *a = goo_fixed_allocator_init(&state, bytes + 100, 800);
    CHECK_PTR_EQ(a, &state.allocator);
    size_t count = 0;
    for (uint8_t *p; (p = goo_memory_alloc_options(a, 7, 1, 0)) != NULL; count++) {
        CHECK(p >= bytes + 100 && p + 7 <= bytes + 900);
        memset(p, 0xff, 7);
    }
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(count, 800 / 7);
    CHECK_EQ(state.used, 800 / 7 * 7);
    CHECK_EQ(bytes[99], 0x11);
    CHECK_EQ(bytes[900], 0x11);
    goo_allocator_destroy(a);
    CHECK_EQ(state.used, 0);
}

GOO_TEST(fixed, the_last_block_grows_and_goes_back) {
    uint8_t bytes[256];
    GooFixedBuffer state;
    GooAllocator *a = goo_fixed_allocator_init(&state, bytes, sizeof bytes);
    uint8_t *p = goo_memory_alloc_options(a, 100, 1, 0);
    CHECK_PTR_EQ(goo_memory_realloc_options(a, p, 100, 256, 1, GOO_ALLOC_ZERO), p);
    CHECK(goo_memory_is_zero(p + 100, 156));
    CHECK(!goo_memory_resize_options(a, p, 256, 257, 1));
    goo_memory_free_options(a, p, 256, 1);
    CHECK_EQ(state.used, 0);
    goo_allocator_destroy(a);
}

GOO_TEST(fixed, no_state_and_no_buffer) {
    GooFixedBuffer state;
    errno = 0;
    CHECK_PTR_EQ(goo_fixed_allocator_init(NULL, &state, 4), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_PTR_EQ(goo_fixed_allocator_init(&state, NULL, 4), NULL);
    GooAllocator *a = goo_fixed_allocator_init(&state, NULL, 0);
    CHECK(a != NULL);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 1), NULL);
    CHECK(!goo_allocator_owns(a, &state));
    goo_allocator_destroy(a);
}

GOO_TEST(stack, frees_out_of_order_panic_and_change_nothing) {
    GooAllocator *a = goo_stack_allocator_create(NULL, 4096);
    a->track_stats = false;
    void *x = goo_memory_alloc_with(a, 10), *y = goo_memory_alloc_options(a, 30, 256, 0);
    CHECK_PANICS(goo_memory_free_with(a, x, 10), "not the last block");
    CHECK_PANICS(goo_memory_free_options(a, y, 3000, 256), "it has 30");
    goo_memory_free_options(a, y, 30, 256);
    CHECK_PANICS(goo_memory_free_options(a, y, 30, 256), "not the last block");
    goo_memory_free_with(a, x, 10);
    CHECK_PANICS(goo_memory_free_with(a, x, 10), "not the last block");
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 10), x);
    goo_allocator_destroy(a);
}

GOO_TEST(stack, only_the_last_block_grows) {
    GooAllocator *a = goo_stack_allocator_create(NULL, 1000);
    uint8_t *x = goo_memory_alloc_with(a, 100), *y = goo_memory_alloc_with(a, 100);
    memset(x, 1, 100);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, x, 100, 101), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_PTR_EQ(goo_memory_realloc_with(a, x, 100, 50), x);
    CHECK_PTR_EQ(goo_memory_realloc_with(a, y, 100, 500), y);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, y, 500, 5000), NULL);
    CHECK_EQ(errno, ENOMEM);
    goo_memory_free_with(a, y, 500);
    goo_memory_free_with(a, x, 50);
    goo_allocator_destroy(a);
}

GOO_TEST(stack, its_memory_comes_at_once_and_capacity_is_the_end) {
    Parent parent;
    GooAllocator *a = goo_stack_allocator_create(parent_init(&parent), 1000);
    size_t requests = parent.requests;
    while (goo_memory_alloc_with(a, 84) != NULL) {
    }
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(parent.requests, requests);
    CHECK(goo_allocator_reset(a));
    CHECK(goo_memory_alloc_with(a, 900) != NULL);
    goo_allocator_destroy(a);
    CHECK_EQ(parent.live, 0);
    errno = 0;
    CHECK_PTR_EQ(goo_stack_allocator_create(NULL, 0), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_PTR_EQ(goo_stack_allocator_create(NULL, SIZE_MAX), NULL);
    CHECK_EQ(errno, ENOMEM);
}

GOO_TEST(fallback, the_second_serves_when_the_first_is_full) {
    Parent parent;
    uint8_t bytes[256];
    GooFixedBuffer state;
    GooAllocator *first = goo_fixed_allocator_init(&state, bytes, sizeof bytes);
    GooAllocator *a = goo_fallback_allocator_create(first, parent_init(&parent));
    CHECK(a != NULL);
    first->track_stats = parent.allocator.track_stats = a->track_stats = true;
    uint8_t *x = goo_memory_alloc_with(a, 100);
    CHECK(goo_allocator_owns(first, x));
    uint8_t *y = goo_memory_alloc_with(a, 200);
    CHECK(!goo_allocator_owns(first, y));
    memset(x, 1, 100);
    memset(y, 2, 200);
    x = goo_memory_realloc_options(a, x, 100, 1000, 0, GOO_ALLOC_ZERO); /* moves to the second */
    CHECK(!goo_allocator_owns(first, x));
    CHECK(x[99] == 1 && goo_memory_is_zero(x + 100, 900));
    CHECK_EQ(goo_get_alloc_stats(first).bytes_allocated, 0);
    CHECK_EQ(goo_get_alloc_stats(&parent.allocator).bytes_allocated, 1200);
    parent.fail_at = parent.requests + 1;
    y = goo_memory_realloc_with(a, y, 200, 150); /* and to the first, where the second has none */
    CHECK(goo_allocator_owns(first, y));
    CHECK_EQ(y[149], 2);
    errno = 0;
    parent.fail_at = parent.requests + 1;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 500), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 1150);
    goo_memory_free_with(a, x, 1000);
    goo_memory_free_with(a, y, 150);
    CHECK_EQ(goo_get_alloc_stats(&parent.allocator).bytes_allocated, 0);
    goo_allocator_destroy(a);
    CHECK_EQ(parent.live, 0);
    CHECK_EQ(parent.faults, 0);
}

GOO_TEST(fallback, pages_are_counted_alike_at_both_ends) {
    GooAllocator *first = goo_arena_allocator_create(0);
    Parent parent;
    GooAllocator *a = goo_fallback_allocator_create(first, parent_init(&parent));
    first->track_stats = true;
    void *p = goo_memory_alloc_options(a, 100, 0, GOO_ALLOC_PAGE);
    CHECK_EQ((uintptr_t)p % 4096, 0);
    CHECK_EQ(goo_get_alloc_stats(first).bytes_allocated, 100);
    goo_memory_free_with(a, p, 100);
    CHECK_EQ(goo_get_alloc_stats(first).bytes_allocated, 0);
    goo_allocator_destroy(a);
    goo_allocator_destroy(first);
}

GOO_TEST(fallback, a_first_that_can_not_say_what_it_owns_is_einval) {
    Parent parent;
    GooAllocator *arena = goo_arena_allocator_create(0);
    errno = 0;
    CHECK_PTR_EQ(goo_fallback_allocator_create(parent_init(&parent), arena), NULL);
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK_PTR_EQ(goo_fallback_allocator_create(arena, arena), NULL);
    CHECK_EQ(errno, EINVAL);
    goo_allocator_destroy(arena);
}

GOO_TEST(fallback, two_that_reset_and_own_do_so_together) {
    GooAllocator *one = goo_arena_allocator_create(0), *two = goo_arena_allocator_create(0);
    GooAllocator *a = goo_fallback_allocator_create(one, two);
    a->track_stats = one->track_stats = true;
    void *p = goo_memory_alloc_with(a, 100);
    CHECK(goo_allocator_owns(a, p));
    CHECK(goo_allocator_reset(a));
    CHECK(!goo_allocator_owns(a, p));
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
    CHECK_EQ(goo_get_alloc_stats(one).bytes_allocated, 0);
    CHECK(goo_memory_alloc_with(a, 100) != NULL);
    goo_allocator_destroy(a);
    goo_allocator_destroy(one);
    goo_allocator_destroy(two);
}
