/* Statistics of the whole process, and counters by thread. Uses private headers for the limits of
 * what may be late. */
#include "goo/allocators.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "goo_memory.h"
#include "runtime/counters.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <pthread.h>
#include <stdio.h>

GOO_TEST(process, a_blocks_life) {
    CHECK(!goo_memory_set_tracking(true));
    CHECK(goo_memory_set_tracking(true));
    goo_memory_reset_stats();
    GooMemoryStats before = goo_memory_get_stats();
    CHECK_EQ(before.total_allocations, 0);
    void *p = goo_memory_alloc(1000);
    void *q = goo_alloc(10);
    GooMemoryStats stats = goo_memory_get_stats();
    CHECK_EQ(stats.current_bytes - before.current_bytes, 1010);
    CHECK_EQ(stats.reserved_bytes - before.reserved_bytes, 1026);
    CHECK_EQ(stats.current_allocations - before.current_allocations, 2);
    p = goo_memory_realloc(p, 1000, 3000);
    CHECK(goo_memory_resize(p, 3000, 2000));
    CHECK_PTR_EQ(goo_memory_alloc(SIZE_MAX), NULL);
    stats = goo_memory_get_stats();
    CHECK_EQ(stats.current_bytes - before.current_bytes, 2010);
    CHECK_EQ(stats.peak_bytes - before.current_bytes, 3010);
    CHECK_EQ(stats.total_allocations, 2);
    CHECK_EQ(stats.failed_allocations, 1);
    goo_memory_free(p, 2000);
    goo_free(q);
    stats = goo_memory_get_stats();
    CHECK_EQ(stats.current_bytes, before.current_bytes);
    CHECK_EQ(stats.reserved_bytes, before.reserved_bytes);
    CHECK_EQ(stats.current_allocations, before.current_allocations);
    CHECK_EQ(stats.total_frees, 2);
    CHECK_EQ(stats.peak_bytes - before.current_bytes, 3010);
    goo_memory_reset_stats();
    stats = goo_memory_get_stats();
    CHECK_EQ(stats.peak_bytes, before.current_bytes);
    CHECK_EQ(stats.total_allocations + stats.total_frees + stats.failed_allocations, 0);
    goo_memory_set_tracking(false);
}

GOO_TEST(process, the_peak_of_one_thread_is_exact) {
    goo_memory_set_tracking(true);
    goo_memory_reset_stats();
    size_t base = goo_memory_get_stats().current_bytes;
    size_t live = 0, peak = 0;
    struct { void *ptr; size_t size; } blocks[64] = {{NULL, 0}};
    uint32_t seed = 12345;
    for (int i = 0; i < 4000; i++) {
        seed = seed * 1664525 + 1013904223;
        size_t index = seed >> 26;
        if (blocks[index].ptr != NULL) {
            goo_memory_free(blocks[index].ptr, blocks[index].size);
            live -= blocks[index].size;
            blocks[index].ptr = NULL;
        } else {
            blocks[index].size = (seed >> 8) % (i % 7 == 0 ? 200000 : 500) + 1;
            blocks[index].ptr = goo_memory_alloc(blocks[index].size);
            live += blocks[index].size;
        }
        peak = live > peak ? live : peak;
        GooMemoryStats stats = goo_memory_get_stats();
        CHECK_EQ(stats.current_bytes - base, live);
        CHECK_EQ(stats.peak_bytes - base, peak);
        if (i == 2000) {
            goo_memory_reset_stats();
            peak = live;
        }
    }
    for (size_t i = 0; i < 64; i++) {
        goo_memory_free(blocks[i].ptr, blocks[i].size);
    }
    CHECK_EQ(goo_memory_get_stats().current_bytes, base);
    goo_memory_set_tracking(false);
}

enum { THREADS = 4, ROUNDS = 2000, BLOCK = 100 };

static void *thread_work(void *arg) {
    void **held = arg;
    for (int i = 0; i < ROUNDS; i++) {
        goo_memory_free(goo_memory_alloc(BLOCK), BLOCK);
    }
    *held = goo_memory_alloc(BLOCK);
    return NULL;
}

GOO_TEST(process, threads_lose_no_count_and_blocks_may_be_freed_elsewhere) {
    goo_memory_set_tracking(true);
    goo_memory_reset_stats();
    size_t base = goo_memory_get_stats().current_bytes;
    for (int round = 0; round < 3; round++) { /* later threads take over ended ones' counters */
        pthread_t threads[THREADS];
        void *held[THREADS];
        for (size_t i = 0; i < THREADS; i++) {
            CHECK_EQ(pthread_create(&threads[i], NULL, thread_work, &held[i]), 0);
        }
        for (int i = 0; i < 100; i++) { /* read meanwhile */
            GooMemoryStats stats = goo_memory_get_stats();
            CHECK(stats.current_allocations <= 2 * THREADS);
            CHECK(stats.total_frees <= stats.total_allocations);
        }
        for (size_t i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
        }
        CHECK_EQ(goo_memory_get_stats().current_bytes - base, THREADS * BLOCK);
        for (size_t i = 0; i < THREADS; i++) {
            goo_memory_free(held[i], BLOCK);
        }
    }
    GooMemoryStats stats = goo_memory_get_stats();
    CHECK_EQ(stats.current_bytes, base);
    CHECK_EQ(stats.total_allocations, 3 * THREADS * (ROUNDS + 1));
    CHECK_EQ(stats.total_frees, stats.total_allocations);
    CHECK(stats.peak_bytes - base >= THREADS * BLOCK);
    CHECK(stats.peak_bytes - base <= 2 * THREADS * BLOCK + THREADS * GOOI_BATCH_ALL);
    goo_memory_set_tracking(false);
}

GOO_TEST(process, text_and_json) {
    goo_memory_set_tracking(true);
    void *p = goo_memory_alloc(4321);
    FILE *file = tmpfile();
    goo_memory_print_stats(file);
    CHECK_EQ(goo_memory_write_stats_json(file), GOO_OK);
    rewind(file);
    char text[2048];
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    char expected[64];
    GooMemoryStats stats = goo_memory_get_stats();
    snprintf(expected, sizeof expected, "{\"current_bytes\": %zu, ", stats.current_bytes);
    CHECK(strstr(text, expected) != NULL);
    CHECK(strstr(text, "\"external_bytes\": 0}\n") != NULL);
    CHECK(strstr(text, "bytes allocated") != NULL);
    CHECK_EQ(goo_memory_write_stats_json(NULL), GOO_ERR_INVALID_ARGUMENT);
    FILE *full = fopen("/dev/full", "w");
    if (full != NULL) {
        CHECK_EQ(goo_memory_write_stats_json(full), GOO_ERR_IO);
        fclose(full);
    }
    goo_memory_free(p, 4321);
    goo_memory_set_tracking(false);
}

GOO_TEST(process, more_tracked_allocators_than_slots) {
    enum { COUNT = GOOI_SLOT_COUNT + 10 };
    GooAllocator *allocators[COUNT];
    void *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        allocators[i] = goo_system_allocator_create();
        allocators[i]->track_stats = true;
        blocks[i] = goo_memory_alloc_with(allocators[i], 10 + i);
        CHECK_PTR_EQ(goo_memory_alloc_with(allocators[i], SIZE_MAX), NULL);
    }
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = goo_memory_realloc_with(allocators[i], blocks[i], 10 + i, 20 + i);
        GooAllocStats stats = goo_get_alloc_stats(allocators[i]);
        CHECK_EQ(stats.bytes_allocated, 20 + i);
        CHECK_EQ(stats.bytes_reserved, 20 + i);
        CHECK_EQ(stats.max_bytes_allocated, 20 + i);
        CHECK_EQ(stats.allocation_count, 1);
        CHECK_EQ(stats.failed_allocations, 1);
        goo_memory_free_with(allocators[i], blocks[i], 20 + i);
        stats = goo_get_alloc_stats(allocators[i]);
        CHECK_EQ(stats.bytes_allocated, 0);
        CHECK_EQ(stats.allocation_count, 0);
        CHECK_EQ(stats.total_frees, 1);
        goo_allocator_destroy(allocators[i]);
    }
    GooAllocator *fresh = goo_system_allocator_create(); /* slots were given back, and are empty */
    fresh->track_stats = true;
    goo_memory_free_with(fresh, goo_memory_alloc_with(fresh, 5), 5);
    GooAllocStats stats = goo_get_alloc_stats(fresh);
    CHECK_EQ(stats.total_allocations, 1);
    CHECK_EQ(stats.max_bytes_allocated, 5);
    goo_allocator_destroy(fresh);
}

GOO_TEST(process, an_allocator_at_the_same_address_begins_at_zero) {
    Mock mock;
    for (int i = 0; i < 3; i++) { /* nobody told us that the one before is gone */
        GooAllocator *a = mock_init(&mock);
        a->capabilities = GOO_ALLOCATOR_THREAD_SAFE;
        a->track_stats = true;
        void *p = goo_memory_alloc_with(a, 40);
        CHECK_EQ(goo_get_alloc_stats(a).total_allocations, 1);
        CHECK_EQ(goo_get_alloc_stats(a).max_bytes_allocated, 40);
        goo_memory_free_with(a, p, 40);
    }
}
