/* The region: begin and end, blocks that stay at their depth, failing begins, large blocks. */
#include "goo/allocators/region.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/conformance/parent.h"
#include "tests/harness.h"

static GooAllocator *make(Parent *parent) {
    GooRegionOptions options = {.region_size = 4096, .allow_large = true};
    GooAllocator *a = goo_region_allocator_create_with(parent_init(parent), &options);
    CHECK(a != NULL);
    a->track_stats = true;
    return a;
}

static void finish(GooAllocator *a, const Parent *parent) {
    goo_allocator_destroy(a);
    CHECK_EQ(parent->live, 0);
    CHECK_EQ(parent->faults, 0);
}

static size_t live_bytes(GooAllocator *a) {
    return goo_get_alloc_stats(a).bytes_allocated;
}

GOO_TEST(region, an_end_frees_its_own_depth_only) {
    Parent parent;
    GooAllocator *a = make(&parent);
    for (unsigned depth = 1; depth <= 20; depth++) {
        CHECK_EQ(goo_region_begin(a), GOO_OK);
        CHECK_EQ(goo_region_depth(a), depth);
        for (unsigned i = 0; i < depth; i++) {
            CHECK(goo_memory_alloc_with(a, 1000) != NULL);
        }
        CHECK(goo_memory_alloc_with(a, 10000) != NULL);
    }
    for (unsigned depth = 20; depth > 0; depth--) {
        CHECK_EQ(live_bytes(a), depth * (depth + 1) / 2 * 1000 + depth * 10000);
        CHECK_EQ(goo_region_end(a), GOO_OK);
    }
    CHECK_EQ(live_bytes(a), 0);
    CHECK_EQ(goo_get_alloc_stats(a).total_frees, goo_get_alloc_stats(a).total_allocations);
    finish(a, &parent);
}

GOO_TEST(region, an_end_without_a_begin_is_an_error_and_frees_nothing) {
    Parent parent;
    GooAllocator *a = make(&parent);
    char *p = goo_memory_strdup_with(a, "outer");
    CHECK_EQ(goo_region_end(a), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_region_depth(a), 0);
    CHECK_STR_EQ(p, "outer");
    CHECK_EQ(live_bytes(a), 6);
    finish(a, &parent);
}

GOO_TEST(region, a_failed_begin_changes_nothing_so_that_no_end_closes_the_outer_region) {
    Parent parent;
    GooAllocator *a = make(&parent);
    CHECK_EQ(goo_region_begin(a), GOO_OK);
    char *p = goo_memory_strdup_with(a, "outer");
    parent.fail_at = parent.requests + 1;
    parent.fail_on = true;
    CHECK_EQ(goo_region_begin(a), GOO_ERR_NO_MEMORY);
    CHECK_EQ(goo_region_depth(a), 1);
    CHECK_STR_EQ(p, "outer");
    parent.fail_at = 0;
    CHECK_EQ(goo_region_begin(a), GOO_OK);
    CHECK_EQ(goo_region_end(a), GOO_OK);
    CHECK_STR_EQ(p, "outer");
    CHECK_EQ(goo_region_end(a), GOO_OK);
    CHECK_EQ(goo_region_end(a), GOO_ERR_INVALID_ARGUMENT);
    finish(a, &parent);
}

GOO_TEST(region, an_outer_block_grown_inside_stays_outer) {
    Parent parent;
    GooAllocator *a = make(&parent);
    uint8_t *base = goo_memory_alloc_with(a, 100);
    CHECK_EQ(goo_region_begin(a), GOO_OK);
    uint8_t *outer = goo_memory_alloc_with(a, 100);
    memset(base, 'b', 100);
    memset(outer, 'o', 100);
    CHECK_EQ(goo_region_begin(a), GOO_OK);
    CHECK(goo_memory_alloc_with(a, 200) != NULL);
    size_t size = 100;
    while (size < 40000) { /* in place, moved, and at last large */
        base = goo_memory_realloc_with(a, base, size, size + 700);
        outer = goo_memory_realloc_with(a, outer, size, size + 700);
        size += 700;
        CHECK(base != NULL && outer != NULL && goo_memory_alloc_with(a, 50) != NULL);
    }
    CHECK_EQ(goo_region_end(a), GOO_OK);
    CHECK(goo_memory_alloc_zeroed_with(a, 3000) != NULL);
    CHECK(base[0] == 'b' && base[99] == 'b' && outer[0] == 'o' && outer[99] == 'o');
    CHECK_EQ(live_bytes(a), 2 * size + 3000);
    CHECK_EQ(goo_region_end(a), GOO_OK);
    CHECK(base[0] == 'b' && base[99] == 'b');
    CHECK_EQ(live_bytes(a), size);
    goo_memory_free_with(a, base, size);
    finish(a, &parent);
}

GOO_TEST(region, outer_blocks_freed_inside_are_counted_once) {
    Parent parent;
    GooAllocator *a = make(&parent);
    void *x = goo_memory_alloc_with(a, 100), *y = goo_memory_alloc_with(a, 20000);
    CHECK_EQ(goo_region_begin(a), GOO_OK);
    CHECK(goo_memory_alloc_with(a, 30) != NULL);
    goo_memory_free_with(a, x, 100);
    goo_memory_free_with(a, y, 20000);
    CHECK_EQ(live_bytes(a), 30);
    CHECK_EQ(goo_region_end(a), GOO_OK);
    CHECK_EQ(live_bytes(a), 0);
    CHECK(goo_allocator_reset(a));
    CHECK_EQ(goo_get_alloc_stats(a).total_frees, 3);
    finish(a, &parent);
}

GOO_TEST(region, persistent_blocks_outlive_their_depth_and_a_reset) {
    Parent parent;
    GooAllocator *a = make(&parent);
    CHECK_EQ(goo_region_begin(a), GOO_OK);
    uint8_t *p = goo_memory_alloc_options(a, 500, 0, GOO_ALLOC_PERSIST);
    memset(p, 0x33, 500);
    CHECK_EQ(goo_region_end(a), GOO_OK);
    CHECK(goo_memory_alloc_zeroed_with(a, 4000) != NULL);
    CHECK_EQ(goo_region_begin(a), GOO_OK);
    CHECK(goo_allocator_reset(a));
    CHECK_EQ(goo_region_depth(a), 0);
    CHECK(goo_memory_alloc_zeroed_with(a, 4000) != NULL);
    CHECK(p[0] == 0x33 && p[499] == 0x33);
    finish(a, &parent);
}

GOO_TEST(region, without_allow_large_what_does_not_fit_is_einval) {
    Parent parent;
    GooRegionOptions options = {.region_size = 4096};
    GooAllocator *a = goo_region_allocator_create_with(parent_init(&parent), &options);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 4097), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_PTR_EQ(goo_memory_alloc_options(a, 100, 8192, 0), NULL);
    uint8_t *p = goo_memory_alloc_with(a, 4000);
    CHECK(p != NULL);
    memset(p, 5, 4000);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 4000, 5000), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(p[3999], 5);
    finish(a, &parent);
}

GOO_TEST(region, a_loop_of_begin_and_end_settles_in_warm_memory) {
    Parent parent;
    GooAllocator *a = make(&parent);
    size_t requests = 0;
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQ(goo_region_begin(a), GOO_OK);
        for (unsigned k = 0; k < 30; k++) {
            CHECK(goo_memory_alloc_with(a, 1000) != NULL);
        }
        CHECK_EQ(goo_region_end(a), GOO_OK);
        CHECK(i < 2 || parent.requests == requests);
        requests = parent.requests;
    }
    CHECK(goo_allocator_reset(a)); /* gives all but one piece back */
    CHECK_EQ(parent.live, 2);
    finish(a, &parent);
}

GOO_TEST(region, a_block_of_a_depth_that_ended_panics) {
    Parent parent;
    GooAllocator *a = make(&parent);
    CHECK_EQ(goo_region_begin(a), GOO_OK);
    void *p = goo_memory_alloc_with(a, 100);
    CHECK_EQ(goo_region_end(a), GOO_OK);
    a->track_stats = false;
    CHECK_PANICS(goo_memory_free_with(a, p, 100), "depth that ended");
    CHECK_PANICS(goo_region_begin(goo_get_default_allocator()), "no region");
    finish(a, &parent);
}
