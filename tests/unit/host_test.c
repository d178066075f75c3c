/* Option sets for hosts: every value has its effect on the allocators and the configuration. */
#include "goo/allocators.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/conformance/parent.h"
#include "tests/harness.h"

static const GooHost hosts[] = {GOO_HOST_SMALL, GOO_HOST_BALANCED, GOO_HOST_LARGE};
static const char *const names[] = {"small", "balanced", "large"};

GOO_TEST(host, what_the_header_says) {
    static const size_t blocks[] = {4 << 10, 64 << 10, 1 << 20};
    static const size_t stacks[] = {16 << 10, 256 << 10, 8 << 20};
    static const size_t buffers[] = {4 << 10, 16 << 10, 64 << 10}, counts[] = {8, 64, 512};
    static const size_t depths[] = {4, 16, 32}, held[] = {8 << 10, 64 << 10, 16 << 20};
    for (size_t i = 0; i < 3; i++) {
        GooHostOptions h = goo_host_options(hosts[i]);
        CHECK_EQ(h.memory.limit_bytes, i == 0 ? 16 << 20 : 0);
        CHECK_EQ(h.arena.block_size, blocks[i]);
        CHECK_EQ(h.arena.max_bytes, i == 0 ? 1 << 20 : 0);
        CHECK_EQ(h.arena.keep_last_block, i != 0);
        CHECK_EQ(h.region.region_size, blocks[i]);
        CHECK(h.region.allow_large);
        CHECK_EQ(h.pool_block_bytes, blocks[i]);
        CHECK_EQ(h.pool_max_bytes, i == 0 ? 1 << 20 : 0);
        CHECK_EQ(h.stack_capacity, stacks[i]);
        CHECK_EQ(h.buffer_size, buffers[i]);
        CHECK_EQ(h.buffer_count, counts[i]);
        CHECK_EQ(h.debug.stack_depth, depths[i]);
        CHECK_EQ(h.debug.quarantine_bytes, held[i]);
        CHECK_EQ(h.debug.sample_every, i == 2 ? 100 : 0);
    }
    GooHostOptions none = goo_host_options((GooHost)7);
    CHECK_EQ(none.arena.block_size, 64 << 10);
}

GOO_TEST(host, the_memory_limit_holds) {
    GooHostOptions h = goo_host_options(GOO_HOST_SMALL);
    CHECK_EQ(goo_memory_init_with(&h.memory), GOO_OK);
    CHECK_PTR_EQ(goo_memory_alloc((16 << 20) + 1), NULL);
    void *p = goo_memory_alloc(15 << 20);
    CHECK(p != NULL);
    goo_memory_free(p, 15 << 20);
    goo_memory_cleanup();
}

/* By the options and by the word: the same requests to the parent. */
GOO_TEST(host, arenas_and_regions_take_blocks_of_the_hosts_size) {
    for (size_t i = 0; i < 3; i++) {
        GooHostOptions h = goo_host_options(hosts[i]);
        for (int region = 0; region < 2; region++) {
            char text[40];
            snprintf(text, sizeof text, "%s:host=%s", region != 0 ? "region" : "arena", names[i]);
            for (int by_text = 0; by_text < 2; by_text++) {
                Parent parent;
                GooAllocator *below = parent_init(&parent);
                goo_set_thread_allocator(below);
                GooAllocator *a = by_text != 0  ? goo_allocator_open(text)
                                  : region != 0 ? goo_region_allocator_create_with(below, &h.region)
                                                : goo_arena_allocator_create_with(below, &h.arena);
                goo_set_thread_allocator(NULL);
                CHECK(a != NULL);
                size_t before = parent.live_bytes;
                CHECK(goo_memory_alloc_with(a, 10) != NULL);
                CHECK_EQ(parent.live_bytes - before, h.arena.block_size);
                bool large = goo_memory_alloc_with(a, 2 << 20) != NULL;
                CHECK_EQ(large, region != 0 || h.arena.max_bytes == 0);
                CHECK(goo_allocator_reset(a));
                size_t kept = parent.live_bytes - before;
                CHECK_EQ(kept, region != 0 || h.arena.keep_last_block ? h.arena.block_size : 0);
                goo_allocator_destroy(a);
                CHECK_EQ(parent.live, 0);
            }
        }
    }
}

GOO_TEST(host, pools_take_blocks_of_about_the_hosts_size) {
    for (size_t i = 0; i < 3; i++) {
        GooHostOptions h = goo_host_options(hosts[i]);
        GooPoolOptions options = goo_host_pool_options(hosts[i], 40); /* 48 with alignment */
        CHECK_EQ(options.objects_per_block, h.pool_block_bytes / 48);
        CHECK_EQ(options.max_objects, h.pool_max_bytes / 48);
        char text[40];
        snprintf(text, sizeof text, "pool:size=40,host=%s", names[i]);
        GooAllocator *pools[2] = {goo_pool_allocator_create_with(NULL, &options),
                                  goo_allocator_open(text)};
        for (int k = 0; k < 2; k++) {
            size_t total;
            CHECK(goo_memory_alloc_with(pools[k], 40) != NULL);
            goo_pool_get_stats(pools[k], NULL, &total);
            CHECK_EQ(total, h.pool_block_bytes / 48);
            size_t count = 1;
            while (count <= (1 << 20) / 48 && goo_memory_alloc_with(pools[k], 40) != NULL) {
                count++;
            }
            CHECK_EQ(count, h.pool_max_bytes != 0 ? (1 << 20) / 48 : (1 << 20) / 48 + 1);
            goo_allocator_destroy(pools[k]);
        }
    }
    CHECK_EQ(goo_host_pool_options(GOO_HOST_SMALL, 100000).objects_per_block, 8);
    CHECK_EQ(goo_host_pool_options(GOO_HOST_SMALL, SIZE_MAX).objects_per_block, 8);
    GooPoolOptions nothing = goo_host_pool_options(GOO_HOST_LARGE, 0);
    CHECK_PTR_EQ(goo_pool_allocator_create_with(NULL, &nothing), NULL);
}

GOO_TEST(host, stacks_and_buffers) {
    for (size_t i = 0; i < 3; i++) {
        GooHostOptions h = goo_host_options(hosts[i]);
        char text[40];
        snprintf(text, sizeof text, "stack:host=%s", names[i]);
        GooAllocator *a = goo_allocator_open(text);
        CHECK_PTR_EQ(goo_memory_alloc_with(a, h.stack_capacity), NULL);
        CHECK(goo_memory_alloc_with(a, h.stack_capacity - 64) != NULL);
        goo_allocator_destroy(a);
        snprintf(text, sizeof text, "buffer_pool:host=%s", names[i]);
        a = goo_allocator_open(text);
        CHECK_PTR_EQ(goo_memory_alloc_with(a, h.buffer_size + 1), NULL);
        size_t count = 0;
        while (goo_memory_alloc_with(a, h.buffer_size) != NULL) {
            count++;
        }
        CHECK_EQ(count, h.buffer_count);
        goo_allocator_destroy(a);
    }
}

GOO_TEST(host, debug_allocators_sample_hold_back_and_look_as_deep) {
    for (size_t i = 0; i < 3; i++) {
        GooHostOptions h = goo_host_options(hosts[i]);
        char text[40];
        snprintf(text, sizeof text, "debug:host=%s", names[i]);
        GooAllocator *tracked = goo_tracking_allocator_create(NULL);
        goo_set_thread_allocator(tracked);
        GooAllocator *a = goo_allocator_open(text);
        goo_set_thread_allocator(NULL);
        void *blocks[200];
        for (size_t k = 0; k < 200; k++) {
            blocks[k] = goo_memory_alloc_with(a, 1024);
        }
        CHECK_EQ(goo_debug_live_count(a), i == 2 ? 2 : 200);
        for (size_t k = 0; k < 200; k++) {
            goo_memory_free_with(a, blocks[k], 1024);
        }
        size_t held = goo_get_alloc_stats(tracked).allocation_count;
        CHECK_EQ(held, i == 2 ? 2 : h.debug.quarantine_bytes / 1024);
        goo_allocator_destroy(a);
        goo_allocator_destroy(tracked);
    }
}

GOO_TEST(host, what_is_given_counts) {
    Parent parent;
    goo_set_thread_allocator(parent_init(&parent));
    GooAllocator *a = goo_allocator_open("arena:host=large,block=8k,keep=no");
    goo_set_thread_allocator(NULL);
    size_t before = parent.live_bytes;
    CHECK(goo_memory_alloc_with(a, 10) != NULL);
    CHECK_EQ(parent.live_bytes - before, 8192);
    CHECK(goo_allocator_reset(a));
    CHECK_EQ(parent.live_bytes, before);
    goo_allocator_destroy(a);
    CHECK_PTR_EQ(goo_allocator_open("arena:host=huge"), NULL);
    CHECK_PTR_EQ(goo_allocator_open("arena:host=small,host=small"), NULL);
    CHECK_PTR_EQ(goo_allocator_open("system:host=small"), NULL);
    CHECK_PTR_EQ(goo_allocator_open("buffer_pool:size=4k"), NULL);
}
