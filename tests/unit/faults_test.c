/* Faults that systems of this kind had, each by its name: those of the explicit half that no other
 * test is about. tests/README.md has the whole list. Uses private headers for the check level.
 */
#include "goo/allocators.h"
#include "goo/allocators/arena_inline.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "goo_memory.h"
#include "runtime/check.h"
#include "tests/conformance/parent.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>

/* --- ownership --- */

GOO_TEST(faults, realloc_to_zero_frees_with_the_allocator_that_was_named) {
    Mock owner, other;
    GooAllocator *a = mock_init(&owner);
    void *p = goo_memory_alloc_with(a, 100);
    goo_set_default_allocator(mock_init(&other));
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 100, 0), NULL);
    goo_set_default_allocator(NULL);
    CHECK_EQ(owner.frees, 1);
    CHECK_EQ(owner.last_size, 100);
    CHECK_EQ(other.frees + other.reallocs + other.allocs, 0);
}

GOO_TEST(faults, legacy_realloc_to_zero_frees_with_the_owner) {
    Mock owner, other;
    goo_set_default_allocator(mock_init(&owner));
    void *p = goo_alloc(100);
    goo_set_default_allocator(mock_init(&other));
    CHECK_PTR_EQ(goo_realloc(p, 0), NULL);
    goo_set_default_allocator(NULL);
    CHECK_EQ(owner.frees, 1);
    CHECK_EQ(owner.live, 0);
    CHECK_EQ(other.frees, 0);
}

GOO_TEST(faults, bytes_before_a_block_say_nothing_about_it) {
    GooAllocator *arena = goo_arena_allocator_create(0);
    arena->track_stats = true;
    uint8_t *counted = goo_memory_alloc_with(arena, 48);
    uint8_t *forged = goo_arena_take(arena, 32, 16);
    memcpy(forged, counted - 32, 32); /* what stands before a block that is counted */
    void *uncounted = goo_arena_take(arena, 48, 16);
    CHECK_PTR_EQ(uncounted, forged + 32);
    arena->track_stats = false;
    goo_memory_free_with(arena, uncounted, 48);
    arena->track_stats = true;
    CHECK_EQ(goo_get_alloc_stats(arena).bytes_allocated, 48);
    CHECK(goo_allocator_reset(arena));
    CHECK_EQ(goo_get_alloc_stats(arena).bytes_allocated, 0);
    goo_allocator_destroy(arena);
}

/* A block is filed by what it has, not by what it was asked for. */
GOO_TEST(faults, a_kept_block_never_serves_a_larger_request) {
    Parent parent;
    GooArenaOptions options = {.block_size = 512};
    GooAllocator *arena = goo_arena_allocator_create_with(parent_init(&parent), &options);
    static const size_t sizes[] = {1000, 3000, 900, 3001, 1001, 2999, 5000, 1};
    for (int round = 0; round < 6; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            size_t size = sizes[(i * 3 + (size_t)round) % 8];
            uint8_t *p = goo_memory_alloc_with(arena, size);
            CHECK(p != NULL);
            memset(p, 0x77, size); /* beyond its block it would hit the next one's header */
        }
        goo_arena_reset(arena, GOO_ARENA_RETAIN_ALL);
    }
    goo_allocator_destroy(arena);
    CHECK_EQ(parent.live, 0);
    CHECK_EQ(parent.faults, 0);
}

/* --- arithmetic --- */

GOO_TEST(faults, padding_is_part_of_a_new_blocks_size) {
    for (size_t alignment = 32; alignment <= 4096; alignment *= 2) {
        for (size_t size = 1; size < 1200; size += 37) {
            Parent parent;
            GooArenaOptions options = {.block_size = 1024};
            GooAllocator *arena = goo_arena_allocator_create_with(parent_init(&parent), &options);
            uint8_t *p = goo_memory_alloc_options(arena, size, alignment, 0);
            CHECK(p != NULL && (uintptr_t)p % alignment == 0);
            memset(p, 0x55, size); /* heap checkers see an end that is too early, and so ... */
            GooAllocator *second = goo_arena_allocator_create_with(&parent.allocator, &options);
            CHECK(goo_memory_alloc_options(second, size, alignment, 0) != NULL);
            goo_allocator_destroy(second);
            goo_allocator_destroy(arena);
            CHECK_EQ(parent.faults, 0); /* ... do the parent's headers */
            CHECK_EQ(parent.live, 0);
        }
    }
}

/* --- options and handlers --- */

static void *noted_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    *(GooAllocOptions *)ctx |= options;
    (void)size, (void)alignment;
    errno = ENOMEM;
    return NULL;
}

GOO_TEST(faults, every_option_arrives_at_the_mechanism) {
    GooAllocOptions seen = 0;
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->alloc = noted_alloc;
    a->context = &seen;
    static const GooAllocOptions options[] = {GOO_ALLOC_ZERO, GOO_ALLOC_GROWABLE, GOO_ALLOC_PERSIST,
                                              GOO_ALLOC_TEMP, GOO_ALLOC_EXACT,    GOO_ALLOC_PAGE};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        seen = 0;
        CHECK_PTR_EQ(goo_memory_alloc_options(a, 10, 0, options[i]), NULL);
        CHECK_EQ(seen, options[i]);
    }
}

/* Decorators hand all of them on but NOFAIL, which is answered above. */
GOO_TEST(faults, every_option_passes_through_decorators) {
    GooAllocOptions seen = 0, all = GOO_ALLOC_ZERO | GOO_ALLOC_GROWABLE | GOO_ALLOC_PERSIST |
                                    GOO_ALLOC_TEMP | GOO_ALLOC_EXACT | GOO_ALLOC_PAGE;
    Mock mock;
    GooAllocator *bottom = mock_init(&mock);
    bottom->alloc = noted_alloc;
    bottom->context = &seen;
    GooAllocator *stack[4] = {goo_limit_allocator_create(bottom, 100000)};
    stack[1] = goo_failing_allocator_create(stack[0], 0);
    stack[2] = goo_tracking_allocator_create(stack[1]);
    static _Alignas(16) uint8_t bytes[16];
    GooFixedBuffer fixed;
    GooAllocator *full = goo_fixed_allocator_init(&fixed, bytes, sizeof bytes);
    stack[3] = goo_fallback_allocator_create(full, stack[2]);
    CHECK_PTR_EQ(goo_memory_alloc_options(stack[3], 5000, 0, all), NULL);
    CHECK_EQ(seen, all);
    for (size_t i = 4; i-- != 0;) {
        goo_allocator_destroy(stack[i]);
    }
}

/* --- statistics --- */

GOO_TEST(faults, no_getter_answers_nothing) {
    GooAllocator *a = goo_system_allocator_create();
    a->track_stats = true;
    bool before = goo_memory_set_tracking(true);
    goo_set_thread_allocator(a);
    void *legacy = goo_alloc(100);
    goo_free(goo_alloc(50));
    goo_set_thread_allocator(NULL);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, SIZE_MAX), NULL);
    GooAllocStats s = goo_get_alloc_stats(a);
    CHECK_EQ(s.bytes_allocated, 100);
    CHECK_EQ(s.bytes_reserved, 116);
    CHECK_EQ(s.max_bytes_allocated, 150);
    CHECK_EQ(s.allocation_count, 1);
    CHECK_EQ(s.total_allocations, 2);
    CHECK_EQ(s.total_frees, 1);
    CHECK_EQ(s.failed_allocations, 1);
    GooMemoryStats p = goo_memory_get_stats();
    CHECK(p.current_bytes >= 100 && p.peak_bytes >= 150 && p.current_allocations >= 1);
    CHECK(p.total_allocations >= 2 && p.total_frees >= 1 && p.failed_allocations >= 1);
    CHECK(p.reserved_bytes >= 116);
    goo_free(legacy);
    goo_memory_set_tracking(before);
    goo_allocator_destroy(a);
}

static size_t current(GooAllocator *a) {
    return goo_get_alloc_stats(a).bytes_allocated;
}

GOO_TEST(faults, current_falls_however_a_block_goes) {
    GooAllocator *region = goo_region_allocator_create(0, true);
    region->track_stats = true;
    void *p = goo_memory_alloc_with(region, 1000);
    CHECK_EQ(current(region), 1000);
    p = goo_memory_realloc_with(region, p, 1000, 800);
    CHECK_EQ(current(region), 800);
    CHECK(goo_memory_resize_options(region, p, 800, 500, 16));
    CHECK_EQ(current(region), 500);
    CHECK_EQ(goo_region_begin(region), GOO_OK);
    CHECK(goo_memory_alloc_with(region, 300) != NULL);
    CHECK_EQ(current(region), 800);
    CHECK_EQ(goo_region_end(region), GOO_OK);
    CHECK_EQ(current(region), 500);
    CHECK_PTR_EQ(goo_memory_realloc_with(region, p, 500, 0), NULL);
    CHECK_EQ(current(region), 0);
    CHECK(goo_memory_alloc_with(region, 70) != NULL);
    CHECK(goo_allocator_reset(region));
    CHECK_EQ(current(region), 0);
    goo_allocator_destroy(region);

    GooAllocator *scope = goo_scoped_allocator_create(NULL);
    scope->track_stats = true;
    size_t mark = goo_scope_mark(scope);
    CHECK(goo_memory_alloc_with(scope, 200) != NULL);
    goo_scope_unwind(scope, mark);
    CHECK_EQ(current(scope), 0);
    goo_allocator_destroy(scope);
}

GOO_TEST(faults, a_counter_that_would_underflow_is_an_assertion) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->track_stats = true;
    void *p = goo_memory_alloc_with(a, 100);
    if (GOO_CHECK_LEVEL >= 2) {
        CHECK_PANICS(goo_memory_free_with(a, p, 101), "STATS-3");
        a->stats = (GooAllocStats){.bytes_allocated = 100,
                                   .bytes_reserved = 100,
                                   .allocation_count = 1,
                                   .total_allocations = 1};
    }
    goo_memory_free_with(a, p, 100);
    CHECK_EQ(current(a), 0);
    CHECK_EQ(mock.live, 0);
}

/* --- pools --- */

GOO_TEST(faults, a_pool_is_filled_again_after_it_was_trimmed_or_reset) {
    Parent parent;
    GooPoolOptions options = {.object_size = 100, .objects_per_block = 5, .max_objects = 10};
    GooAllocator *pool = goo_pool_allocator_create_with(parent_init(&parent), &options);
    for (int round = 0; round < 6; round++) {
        void *objects[10];
        for (int i = 0; i < 10; i++) {
            objects[i] = goo_memory_alloc_with(pool, 100);
            CHECK(objects[i] != NULL);
        }
        CHECK_PTR_EQ(goo_memory_alloc_with(pool, 100), NULL);
        if (round % 2 == 0) {
            CHECK(goo_allocator_reset(pool));
        } else {
            for (int i = 0; i < 10; i++) {
                goo_memory_free_with(pool, objects[i], 100);
            }
        }
        if (round % 3 == 0) {
            CHECK(goo_pool_trim(pool) >= 1000);
            CHECK(parent.live <= 2); /* the pool and its table */
        }
    }
    goo_allocator_destroy(pool);
    CHECK_EQ(parent.live, 0);
    CHECK_EQ(parent.faults, 0);
}
