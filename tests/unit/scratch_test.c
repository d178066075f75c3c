/* The per-thread scratch arena behind goo_temp_alloc. */
#include "goo/runtime/memory.h"
#include "goo_memory.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>
#include <pthread.h>

GOO_TEST(scratch, blocks_are_aligned_and_apart) {
    uint8_t *blocks[200];
    size_t sizes[200];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 200; i++) {
            sizes[i] = i * i % 3001 + 1;
            blocks[i] = goo_temp_alloc(sizes[i]);
            CHECK(blocks[i] != NULL);
            CHECK_EQ((uintptr_t)blocks[i] % GOO_DEFAULT_ALIGNMENT, 0);
            memset(blocks[i], (int)i, sizes[i]);
        }
        for (size_t i = 0; i < 200; i++) {
            for (size_t j = 0; j < sizes[i]; j++) {
                CHECK_EQ(blocks[i][j], (uint8_t)i);
            }
        }
        goo_temp_reset();
    }
}

GOO_TEST(scratch, a_reset_makes_the_same_memory_new_again) {
    void *first = goo_temp_alloc(100);
    goo_temp_reset();
    CHECK_PTR_EQ(goo_temp_alloc(100), first);
    goo_temp_reset();
    goo_temp_reset();
}

GOO_TEST(scratch, large_blocks_and_impossible_ones) {
    uint8_t *p = goo_temp_alloc(5 << 20);
    CHECK(p != NULL);
    memset(p, 1, 5 << 20);
    errno = 0;
    CHECK_PTR_EQ(goo_temp_alloc(SIZE_MAX), NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK_PTR_EQ(goo_temp_alloc(SIZE_MAX - 40), NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = EDOM;
    CHECK_PTR_EQ(goo_temp_alloc(0), NULL);
    CHECK_EQ(errno, EDOM);
    goo_temp_reset();
    p = goo_temp_alloc(10);
    CHECK(p != NULL);
}

GOO_TEST(scratch, does_not_go_through_the_default_allocator) {
    Mock mock;
    goo_set_default_allocator(mock_init(&mock));
    CHECK(goo_temp_alloc(1000) != NULL);
    goo_set_default_allocator(NULL);
    CHECK_EQ(mock.allocs, 0);
    goo_temp_reset();
}

GOO_TEST(scratch, cleanup_frees_it_and_it_can_be_used_again) {
    CHECK(goo_memory_init());
    CHECK(goo_temp_alloc(1000) != NULL);
    goo_memory_cleanup();
    uint8_t *p = goo_temp_alloc(1000);
    CHECK(p != NULL);
    memset(p, 1, 1000);
    goo_temp_reset();
}

static void *thread_use_scratch(void *arg) {
    uint8_t *mine = goo_temp_alloc(64);
    memset(mine, 0x22, 64);
    *(void **)arg = mine;
    return NULL; /* leak checkers see whether the thread's end frees it */
}

GOO_TEST(scratch, threads_have_their_own) {
    uint8_t *here = goo_temp_alloc(64);
    memset(here, 0x11, 64);
    for (int i = 0; i < 50; i++) {
        void *there = NULL;
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, thread_use_scratch, &there), 0);
        pthread_join(thread, NULL);
        CHECK(there != NULL && there != (void *)here);
    }
    CHECK_EQ(here[63], 0x11);
    goo_temp_reset();
}
