/* The system allocator: its own struct, growth in place, alignments, refusals. */
#include "goo/allocators/system.h"
#include "goo/runtime/memory.h"
#include "tests/harness.h"

#include <errno.h>

GOO_TEST(system, create_sets_strategy_null_and_no_statistics) {
    GooAllocator *a = goo_system_allocator_create();
    GooAllocator *b = goo_system_allocator_create();
    CHECK(a != NULL && b != NULL && a != b);
    CHECK_EQ(a->strategy, GOO_ALLOC_STRATEGY_NULL);
    CHECK(!a->track_stats);
    CHECK((a->capabilities & GOO_ALLOCATOR_THREAD_SAFE) != 0);
    a->strategy = GOO_ALLOC_STRATEGY_PANIC;
    CHECK_EQ(b->strategy, GOO_ALLOC_STRATEGY_NULL);
    a->destroy(a);
    goo_allocator_destroy(b);
}

GOO_TEST(system, growable_blocks_grow_in_place) {
    for (size_t size = 100; size < 100000; size *= 3) {
        uint8_t *p = goo_memory_alloc_options(NULL, size, 0, GOO_ALLOC_GROWABLE | GOO_ALLOC_ZERO);
        CHECK(p != NULL);
        CHECK(goo_memory_is_zero(p, size));
        CHECK(goo_memory_resize(p, size, size + size / 4));
        memset(p, 1, size + size / 4);
        CHECK(!goo_memory_resize(p, size + size / 4, size * 100));
        goo_memory_free(p, size + size / 4);
    }
}

GOO_TEST(system, shrinking_happens_in_place) {
    uint8_t *p = goo_memory_alloc(1000);
    CHECK(goo_memory_resize(p, 1000, 10));
    goo_memory_free(p, 10);
}

GOO_TEST(system, realloc_keeps_every_alignment) {
    for (size_t alignment = 1; alignment <= 65536; alignment *= 2) {
        uint8_t *p = goo_memory_alloc_options(NULL, 10, alignment, 0);
        memset(p, 9, 10);
        for (size_t size = 10; size < 100000; size *= 5) {
            p = goo_memory_realloc_options(NULL, p, size, size * 5, alignment, 0);
            CHECK(p != NULL);
            CHECK_EQ((uintptr_t)p % alignment, 0);
            CHECK_EQ(p[9], 9);
        }
        goo_memory_free_options(NULL, p, 156250, alignment);
    }
}

GOO_TEST(system, sizes_beyond_the_machine) {
    if (GOO_TEST_ADDRESS_SANITIZER || goo_test_under_valgrind()) {
        SKIP("the checker ends the process on such requests");
    }
    GooAllocator *a = goo_system_allocator_create();
    static const size_t alignments[] = {16, 64, 65536};
    for (size_t i = 0; i < 3; i++) {
        errno = 0;
        CHECK_PTR_EQ(goo_memory_alloc_options(a, SIZE_MAX / 2 - 100000, alignments[i], 0), NULL);
        CHECK_EQ(errno, ENOMEM);
        errno = 0;
        CHECK_PTR_EQ(goo_memory_alloc_options(a, SIZE_MAX / 2 - 100000, alignments[i],
                                              GOO_ALLOC_GROWABLE | GOO_ALLOC_PAGE),
                     NULL);
        CHECK_EQ(errno, ENOMEM);
    }
    goo_allocator_destroy(a);
}
