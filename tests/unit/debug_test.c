/* The debug allocator finds what it promises to find, and changes nothing else. Needs a private
 * header, to write where tools forbid it.
 */
#define _DEFAULT_SOURCE

#include "goo/allocators/arena.h"
#include "goo/allocators/debug.h"
#include "goo/allocators/failing.h"
#include "goo/allocators/pool.h"
#include "goo/allocators/tracking.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "runtime/poison.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static GooAllocator *make(GooDebugOptions options) {
    GooAllocator *a = goo_debug_allocator_create(NULL, &options);
    CHECK(a != NULL);
    return a;
}

/* Writes to a freed block behind the back of the tools that hide it. */
__attribute__((no_sanitize_address, noinline)) static void write_late(volatile uint8_t *p) {
    gooi_poison_pause();
    *p = 1;
    gooi_poison_resume();
}

GOO_TEST(debug, blocks_work_as_any) {
    GooAllocator *tracking = goo_tracking_allocator_create(NULL);
    GooAllocator *a = goo_debug_allocator_create(tracking, NULL);
    CHECK_STR_EQ(a->name, "debug");
    CHECK_EQ(a->strategy, GOO_ALLOC_STRATEGY_NULL);
    CHECK(!a->track_stats);
    for (size_t alignment = 1; alignment <= 65536; alignment *= 2) {
        uint8_t *p = goo_memory_alloc_options(a, 100, alignment, GOO_ALLOC_ZERO);
        CHECK_EQ((uintptr_t)p % alignment, 0);
        CHECK(goo_memory_is_zero(p, 100));
        memset(p, 7, 100);
        p = goo_memory_realloc_options(a, p, 100, 70000, alignment, GOO_ALLOC_ZERO);
        CHECK_EQ((uintptr_t)p % alignment, 0);
        CHECK_EQ(p[99], 7);
        CHECK(goo_memory_is_zero(p + 100, 69900));
        goo_memory_free_options(a, p, 70000, alignment);
    }
    CHECK_EQ(goo_debug_live_count(a), 0);
    CHECK(goo_memory_alloc_with(a, 10) != NULL);
    CHECK_EQ(goo_debug_live_count(a), 1);
    goo_allocator_destroy(a);
    CHECK_EQ(goo_get_alloc_stats(tracking).bytes_allocated, 0); /* the live block included */
    goo_allocator_destroy(tracking);
}

GOO_TEST(debug, double_free_is_found) {
    GooAllocator *a = make((GooDebugOptions){0});
    void *p = goo_memory_alloc_with(a, 40);
    goo_memory_free_with(a, p, 40);
    CHECK_PANICS(goo_memory_free_with(a, p, 40), "double free");
    CHECK_PANICS(goo_memory_realloc_with(a, p, 40, 80), "double free");
    goo_allocator_destroy(a);
}

GOO_TEST(debug, wrong_size_and_alignment_are_found_and_the_block_stays) {
    GooAllocator *a = make((GooDebugOptions){0});
    void *p = goo_memory_alloc_options(a, 40, 64, 0);
    CHECK_PANICS(goo_memory_free_options(a, p, 41, 64), "40 bytes, not 41 (wrong size)");
    CHECK_PANICS(goo_memory_free_options(a, p, 40, 16), "aligned to 64, not 16");
    CHECK_PANICS(goo_memory_realloc_options(a, p, 39, 80, 64, 0), "wrong size");
    CHECK_EQ(goo_debug_live_count(a), 1);
    goo_memory_free_options(a, p, 40, 64);
    CHECK_EQ(goo_debug_live_count(a), 0);
    goo_allocator_destroy(a);
}

GOO_TEST(debug, foreign_pointers_are_found) {
    GooAllocator *a = make((GooDebugOptions){0});
    _Alignas(16) static uint8_t local[64];
    uint8_t *p = goo_memory_alloc_with(a, 64);
    CHECK_PANICS(goo_memory_free_with(a, local, 64), "foreign pointer");
    CHECK_PANICS(goo_memory_free_with(a, p + 16, 48), "foreign pointer");
    goo_memory_free_with(a, p, 64);
    goo_allocator_destroy(a);
}

GOO_TEST(debug, foreign_pointers_are_not_followed) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *closed = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(closed != MAP_FAILED);
    GooDebugOptions options[] = {{0}, {.canary_bytes = GOO_DEBUG_NONE}, {.never_unmap = true}};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        GooAllocator *a = make(options[i]);
        uint8_t *p = goo_memory_alloc_with(a, 64);
        CHECK_PANICS(goo_memory_free_with(a, closed, 64), "foreign pointer");
        CHECK_PANICS(goo_memory_free_with(a, closed + 16, 64), "foreign pointer");
        CHECK_PANICS(goo_memory_realloc_with(a, closed, 64, 128), "foreign pointer");
        CHECK_PANICS(goo_memory_resize_options(a, closed, 64, 32, 0), "foreign pointer");
        CHECK_PANICS(goo_memory_free_with(a, (void *)(uintptr_t)16, 64), "foreign pointer");
        CHECK_PANICS(goo_memory_free_with(a, (void *)(UINTPTR_MAX - 15), 8), "foreign pointer");
        CHECK_PANICS(goo_memory_free_options(a, p + 1, 63, 1), "foreign pointer");
        CHECK_EQ(goo_debug_live_count(a), 1);
        goo_memory_free_with(a, p, 64);
        goo_allocator_destroy(a);
    }
    munmap(closed, page);
}

GOO_TEST(debug, blocks_side_by_side_are_told_apart) {
    GooAllocator *pool = goo_pool_allocator_create(16, 200);
    GooDebugOptions options = {.canary_bytes = GOO_DEBUG_NONE, .quarantine_bytes = GOO_DEBUG_NONE};
    GooAllocator *a = goo_debug_allocator_create(pool, &options);
    uint8_t *blocks[100];
    size_t near = 0;
    for (size_t i = 0; i < 100; i++) { /* 16 bytes apart is the least there is */
        blocks[i] = goo_memory_alloc_with(a, i % 16 + 1);
        near += i != 0 && (blocks[i] == blocks[i - 1] + 16 || blocks[i] + 16 == blocks[i - 1]);
    }
    CHECK(near > 50);
    CHECK_EQ(goo_debug_live_count(a), 100);
    for (size_t i = 0; i < 100; i++) {
        size_t size = i % 16 + 1;
        CHECK_PANICS(goo_memory_free_with(a, blocks[i], size + 1), "wrong size");
        goo_memory_free_with(a, blocks[i], size);
        CHECK_PANICS(goo_memory_free_with(a, blocks[i], size), "foreign pointer");
    }
    CHECK_EQ(goo_debug_live_count(a), 0);
    goo_allocator_destroy(a);
    goo_allocator_destroy(pool);
}

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

GOO_TEST(debug, very_many_blocks_freed_in_any_order) {
    enum { COUNT = 30000 };
    static uint8_t *blocks[COUNT];
    GooAllocator *tracking = goo_tracking_allocator_create(NULL);
    GooDebugOptions options = {.stack_depth = 4};
    GooAllocator *a = goo_debug_allocator_create(tracking, &options);
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = goo_memory_alloc_with(a, i % 100 + 1);
        memset(blocks[i], (int)i, i % 100 + 1);
    }
    CHECK_EQ(goo_debug_live_count(a), COUNT);
    uint64_t seed = 7;
    for (size_t i = 0; i < 4 * COUNT; i++) {
        size_t k = next_random(&seed) % COUNT;
        CHECK_EQ(blocks[k][k % 100], (uint8_t)k);
        goo_memory_free_with(a, blocks[k], k % 100 + 1);
        blocks[k] = goo_memory_alloc_with(a, k % 100 + 1);
        memset(blocks[k], (int)k, k % 100 + 1);
    }
    CHECK_EQ(goo_debug_live_count(a), COUNT);
    CHECK_EQ(goo_debug_check(a, NULL), 0);
    for (size_t i = 0; i < COUNT; i += 2) {
        goo_memory_free_with(a, blocks[i], i % 100 + 1);
    }
    CHECK_EQ(goo_debug_report(a, NULL), COUNT / 2);
    goo_allocator_destroy(a);
    CHECK_EQ(goo_get_alloc_stats(tracking).bytes_allocated, 0);
    goo_allocator_destroy(tracking);
}

/* --- resize --- */

GOO_TEST(debug, resize_in_place_moves_the_canary) {
    GooAllocator *tracking = goo_tracking_allocator_create(NULL);
    GooDebugOptions options = {.quarantine_bytes = 1 << 20};
    GooAllocator *a = goo_debug_allocator_create(tracking, &options);
    CHECK((a->capabilities & GOO_ALLOCATOR_RESIZES) != 0);
    static const size_t sizes[] = {100, 5000, 200000}; /* the last one has pages of its own */
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i];
        size_t half = size / 2;
        uint8_t *p = goo_memory_alloc_with(a, size);
        memset(p, 7, size);
        CHECK(goo_memory_resize_options(a, p, size, half, 0));
        CHECK_EQ(p[half - 1], 7);
        CHECK_EQ(goo_debug_check(a, NULL), 0);
        CHECK_EQ(goo_debug_live_count(a), 1);
        CHECK_PANICS(goo_memory_free_with(a, p, size), "wrong size");
        CHECK_PANICS(goo_memory_resize_options(a, p, size, 8, 0), "wrong size");
        p[half] ^= 1;
        CHECK_PANICS(goo_memory_resize_options(a, p, half, half / 2, 0), "overrun");
        goo_memory_free_with(a, p, half);
        CHECK_PANICS(goo_memory_resize_options(a, p, half, 8, 0), "double free");
    }
    goo_allocator_destroy(a);
    CHECK_EQ(goo_get_alloc_stats(tracking).bytes_allocated, 0);
    goo_allocator_destroy(tracking);
}

GOO_TEST(debug, resize_grows_where_the_parent_can) {
    GooAllocator *arena = goo_arena_allocator_create(1 << 16);
    GooAllocator *a = goo_debug_allocator_create(arena, NULL);
    uint8_t *p = goo_memory_alloc_with(a, 100);
    memset(p, 7, 100);
    CHECK(goo_memory_resize_options(a, p, 100, 5000, 0)); /* an arena's last block */
    CHECK_EQ(p[99], 7);
    memset(p, 8, 5000);
    CHECK_EQ(goo_debug_check(a, NULL), 0);
    p[5000] ^= 1;
    CHECK_EQ(goo_debug_check(a, NULL), 1);
    p[5000] ^= 1;
    uint8_t *q = goo_memory_alloc_with(a, 10);
    CHECK(!goo_memory_resize_options(a, p, 5000, 6000, 0)); /* not the last one any more */
    CHECK_EQ(goo_debug_check(a, NULL), 0);
    goo_memory_free_with(a, p, 5000);
    goo_memory_free_with(a, q, 10);
    goo_allocator_destroy(a);
    goo_allocator_destroy(arena);
    Mock mock; /* can't resize at all */
    a = goo_debug_allocator_create(mock_init(&mock), NULL);
    p = goo_memory_alloc_with(a, 100);
    CHECK(!goo_memory_resize_options(a, p, 100, 50, 0));
    goo_memory_free_with(a, p, 100);
    goo_allocator_destroy(a);
}

GOO_TEST(debug, resize_of_a_block_that_is_not_watched_is_the_parents) {
    GooAllocator *arena = goo_arena_allocator_create(1 << 16);
    GooDebugOptions options = {.sample_every = 1000};
    GooAllocator *a = goo_debug_allocator_create(arena, &options);
    uint8_t *p = goo_memory_alloc_with(a, 100);
    CHECK(goo_memory_resize_options(a, p, 100, 200, 0));
    goo_memory_free_with(a, p, 200);
    goo_allocator_destroy(a);
    goo_allocator_destroy(arena);
}

/* --- damage --- */

GOO_TEST(debug, overrun_and_underrun_are_found_at_free_once) {
    GooAllocator *a = make((GooDebugOptions){0});
    for (size_t size = 1; size <= 40; size++) {
        uint8_t *p = goo_memory_alloc_with(a, size);
        memset(p, 0xff, size);
        p[size] ^= 1; /* the very next byte */
        CHECK_EQ(goo_debug_check(a, NULL), 1);
        CHECK_PANICS(goo_memory_free_with(a, p, size), "overrun");
        goo_memory_free_with(a, p, size);
        p = goo_memory_alloc_with(a, size);
        p[-1] ^= 0x80;
        CHECK_PANICS(goo_memory_realloc_with(a, p, size, 2 * size), "offset -1, before its begin");
        goo_memory_free_with(a, p, size);
        CHECK_EQ(goo_debug_check(a, NULL), 0);
    }
    goo_allocator_destroy(a);
}

GOO_TEST(debug, canaries_are_as_wide_as_asked) {
    GooAllocator *a = make((GooDebugOptions){.canary_bytes = 200});
    uint8_t *p = goo_memory_alloc_with(a, 10);
    p[10 + 199] ^= 1;
    CHECK_PANICS(goo_memory_free_with(a, p, 10), "offset 209");
    goo_memory_free_with(a, p, 10);
    p = goo_memory_alloc_with(a, 10);
    p[-200] ^= 1;
    CHECK_PANICS(goo_memory_free_with(a, p, 10), "offset -200");
    goo_memory_free_with(a, p, 10);
    goo_allocator_destroy(a);
    Mock mock;
    GooDebugOptions none = {.canary_bytes = GOO_DEBUG_NONE};
    a = goo_debug_allocator_create(mock_init(&mock), &none);
    p = goo_memory_alloc_with(a, 10);
    CHECK_EQ(mock.last_size, 10);
    goo_memory_free_with(a, p, 10);
    goo_allocator_destroy(a);
    CHECK_EQ(mock.live, 0);
}

GOO_TEST(debug, a_write_after_free_is_found_when_the_block_leaves) {
    GooAllocator *a = make((GooDebugOptions){.quarantine_bytes = 1000});
    uint8_t *p = goo_memory_alloc_with(a, 100);
    goo_memory_free_with(a, p, 100);
    write_late(p + 42);
    CHECK_EQ(goo_debug_check(a, NULL), 1);
    uint8_t *q = goo_memory_alloc_with(a, 1000);
    CHECK(q != p);
    CHECK_PANICS(goo_memory_free_with(a, q, 1000), "offset 42 after it was freed");
    CHECK_EQ(goo_debug_check(a, NULL), 0);
    goo_allocator_destroy(a);
}

GOO_TEST(debug, a_write_after_free_is_found_at_destroy) {
    GooAllocator *tracking = goo_tracking_allocator_create(NULL);
    GooAllocator *a = goo_debug_allocator_create(tracking, NULL);
    uint8_t *p = goo_memory_alloc_with(a, 100);
    goo_memory_free_with(a, p, 100);
    write_late(p);
    CHECK_PANICS(goo_allocator_destroy(a), "use after free");
    CHECK_EQ(goo_get_alloc_stats(tracking).bytes_allocated, 0);
    goo_allocator_destroy(tracking);
}

GOO_TEST(debug, the_quarantine_is_bounded) {
    GooAllocator *tracking = goo_tracking_allocator_create(NULL);
    GooDebugOptions options = {.quarantine_bytes = 10000};
    GooAllocator *a = goo_debug_allocator_create(tracking, &options);
    for (int i = 0; i < 1000; i++) {
        goo_memory_free_with(a, goo_memory_alloc_with(a, 100), 100);
    }
    GooAllocStats s = goo_get_alloc_stats(tracking);
    CHECK(s.allocation_count >= 90 && s.allocation_count <= 101);
    goo_allocator_destroy(a);
    options.quarantine_bytes = GOO_DEBUG_NONE;
    a = goo_debug_allocator_create(tracking, &options);
    goo_memory_free_with(a, goo_memory_alloc_with(a, 100), 100);
    CHECK_EQ(goo_get_alloc_stats(tracking).allocation_count, 0);
    goo_allocator_destroy(a);
    goo_allocator_destroy(tracking);
}

GOO_TEST(debug, every_byte_of_a_freed_block_is_watched) {
    GooAllocator *a = make((GooDebugOptions){.quarantine_bytes = 1 << 16});
    static const size_t sizes[] = {1, 7, 8, 15, 16, 17, 31, 100, 271, 272, 273, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t at = 0; at < sizes[i]; at += 1 + sizes[i] / 20) {
            uint8_t *p = goo_memory_alloc_with(a, sizes[i]);
            goo_memory_free_with(a, p, sizes[i]);
            CHECK_EQ(goo_debug_check(a, NULL), 0);
            write_late(p + at);
            CHECK_EQ(goo_debug_check(a, NULL), 1);
            CHECK_PANICS(goo_memory_free_with(a, goo_memory_alloc_with(a, 65600), 65600),
                         "after it was freed"); /* everything leaves */
        }
    }
    goo_allocator_destroy(a);
}

/* Touches a byte in another process; whether that process died of it. */
static bool touching_kills(volatile uint8_t *p) {
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        close(2); /* a sanitizer's words */
        (void)*p;
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return child > 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

GOO_TEST(debug, never_unmap_makes_a_read_after_free_stop_the_program) {
    GooAllocator *tracking = goo_tracking_allocator_create(NULL);
    GooDebugOptions options = {.never_unmap = true};
    GooAllocator *a = goo_debug_allocator_create(tracking, &options);
    uint8_t *blocks[50];
    for (int i = 0; i < 50; i++) {
        blocks[i] = goo_memory_alloc_with(a, 24);
        memset(blocks[i], i, 24);
    }
    CHECK(!touching_kills(blocks[3]));
    for (int i = 0; i < 50; i++) {
        goo_memory_free_with(a, blocks[i], 24);
    }
    CHECK(touching_kills(blocks[3]));
    CHECK_PANICS(goo_memory_free_with(a, blocks[3], 24), "double free");
    for (int i = 0; i < 50; i++) {
        uint8_t *fresh = goo_memory_alloc_with(a, 24);
        for (int k = 0; k < 50; k++) {
            CHECK(fresh != blocks[k]); /* never reused */
        }
        goo_memory_free_with(a, fresh, 24);
    }
    goo_allocator_destroy(a);
    CHECK_EQ(goo_get_alloc_stats(tracking).bytes_allocated, 0);
    goo_allocator_destroy(tracking);
}

GOO_TEST(debug, large_blocks_are_inaccessible_in_the_quarantine) {
    GooAllocator *a = make((GooDebugOptions){.quarantine_bytes = 1 << 20});
    uint8_t *p = goo_memory_alloc_with(a, 100000);
    p[100000] ^= 1;
    CHECK_PANICS(goo_memory_free_with(a, p, 100000), "overrun");
    CHECK(!touching_kills(p));
    goo_memory_free_with(a, p, 100000);
    CHECK(touching_kills(p));
    goo_allocator_destroy(a);
}

GOO_TEST(debug, freed_blocks_are_hidden_where_a_tool_watches) {
    if (!GOO_TEST_ADDRESS_SANITIZER) {
        SKIP("needs AddressSanitizer");
    }
    GooAllocator *a = make((GooDebugOptions){0});
    uint8_t *p = goo_memory_alloc_with(a, 96);
    CHECK(!touching_kills(p) && !touching_kills(p + 95));
    goo_memory_free_with(a, p, 96);
    CHECK(touching_kills(p) && touching_kills(p + 95));
    CHECK_EQ(goo_debug_check(a, NULL), 0);
    CHECK(touching_kills(p));
    goo_allocator_destroy(a);
}

GOO_TEST(debug, retained_metadata_tells_who_freed) {
    GooAllocator *a =
        make((GooDebugOptions){.retain_metadata = true, .quarantine_bytes = GOO_DEBUG_NONE});
    void *p = GOO_ALLOC(a, 40);
    int allocated = __LINE__ - 1;
    GOO_FREE(a, p, 40);
    int freed = __LINE__ - 1;
    CHECK_PANICS(goo_memory_free_with(a, p, 40), "double free");
    char expected[100];
    snprintf(expected, sizeof expected, "debug_test.c:%d", allocated);
    CHECK(strstr(goo_test_panic_message(), expected) != NULL);
    snprintf(expected, sizeof expected, "freed at %s:%d", __FILE__, freed);
    CHECK_MSG(strstr(goo_test_panic_message(), expected) != NULL, "%s", goo_test_panic_message());
    goo_allocator_destroy(a);
    a = make((GooDebugOptions){.quarantine_bytes = GOO_DEBUG_NONE});
    p = goo_memory_alloc_with(a, 40);
    goo_memory_free_with(a, p, 40);
    CHECK_PANICS(goo_memory_free_with(a, p, 40), "foreign pointer"); /* nobody remembers */
    goo_allocator_destroy(a);
}

GOO_TEST(debug, sampling_watches_every_nth_and_passes_the_rest) {
    GooAllocator *tracking = goo_tracking_allocator_create(NULL);
    GooDebugOptions options = {.sample_every = 10};
    GooAllocator *a = goo_debug_allocator_create(tracking, &options);
    enum { COUNT = 5000 };
    static uint8_t *blocks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = goo_memory_alloc_with(a, 32);
        memset(blocks[i], i, 32);
    }
    CHECK_EQ(goo_debug_live_count(a), COUNT / 10);
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = goo_memory_realloc_with(a, blocks[i], 32, 64);
        CHECK_EQ(blocks[i][31], (uint8_t)i);
    }
    CHECK_EQ(goo_debug_live_count(a), COUNT / 10);
    for (int i = 0; i < COUNT; i++) {
        goo_memory_free_with(a, blocks[i], 64);
    }
    CHECK_EQ(goo_debug_live_count(a), 0);
    int found = 0;
    for (int i = 0; i < 20; i++) {
        uint8_t *p = goo_memory_alloc_with(a, 32);
        if (goo_debug_live_count(a) == 1) {
            p[-1] ^= 1;
            CHECK_PANICS(goo_memory_free_with(a, p, 32), "underrun");
            found++;
        }
        goo_memory_free_with(a, p, 32);
    }
    CHECK_EQ(found, 2);
    goo_allocator_destroy(a);
    CHECK_EQ(goo_get_alloc_stats(tracking).bytes_allocated, 0);
    goo_allocator_destroy(tracking);
}

GOO_TEST(debug, a_reset_takes_all_but_what_persists) {
    GooAllocator *arena = goo_arena_allocator_create(0);
    GooAllocator *a = goo_debug_allocator_create(arena, NULL);
    uint8_t *kept = goo_memory_alloc_options(a, 100, 0, GOO_ALLOC_PERSIST);
    memset(kept, 7, 100);
    for (int i = 0; i < 100; i++) {
        void *p = goo_memory_alloc_with(a, 50);
        if (i % 2 == 0) {
            goo_memory_free_with(a, p, 50);
        }
    }
    CHECK_EQ(goo_debug_live_count(a), 51);
    CHECK(goo_allocator_reset(a));
    CHECK_EQ(goo_debug_live_count(a), 1);
    CHECK_EQ(goo_debug_report(a, NULL), 1);
    CHECK_EQ(kept[99], 7);
    uint8_t *p = goo_memory_alloc_with(a, 50);
    p[50] ^= 1;
    CHECK_PANICS(goo_allocator_reset(a), "overrun");
    goo_memory_free_with(a, kept, 100);
    CHECK_EQ(goo_debug_live_count(a), 0);
    goo_allocator_destroy(a);
    goo_allocator_destroy(arena);
}

GOO_TEST(debug, a_reset_of_the_parent_itself_confuses_nobody) {
    GooAllocator *arena = goo_arena_allocator_create(0);
    GooAllocator *a = goo_debug_allocator_create(arena, NULL);
    for (int i = 0; i < 100; i++) {
        goo_memory_alloc_with(a, 50);
    }
    goo_arena_reset(arena, GOO_ARENA_FREE_ALL);
    CHECK_EQ(goo_debug_report(a, NULL), 0); /* the parent says that they are gone */
    CHECK_EQ(goo_debug_check(a, NULL), 0);
    void *p = goo_memory_alloc_with(a, 50);
    goo_memory_free_with(a, p, 50);
    goo_allocator_destroy(a);
    goo_allocator_destroy(arena);
}

GOO_TEST(debug, failures_leave_nothing) {
    for (size_t n = 1; n <= 4; n++) {
        GooAllocator *tracking = goo_tracking_allocator_create(NULL);
        GooAllocator *failing = goo_failing_allocator_create(tracking, n);
        GooAllocator *a = goo_debug_allocator_create(failing, NULL);
        uint8_t *p = goo_memory_alloc_with(a, 100);
        CHECK_EQ(p != NULL, n > 1);
        if (p != NULL) {
            p[99] = 7;
            uint8_t *q = goo_memory_realloc_with(a, p, 100, 200);
            CHECK_EQ(q != NULL, n > 2);
            CHECK_EQ((q != NULL ? q : p)[99], 7);
            CHECK_EQ(goo_debug_live_count(a), 1);
        }
        CHECK_PTR_EQ(goo_memory_alloc_with(a, PTRDIFF_MAX - 64), NULL);
        goo_allocator_destroy(a);
        goo_allocator_destroy(failing);
        CHECK_EQ(goo_get_alloc_stats(tracking).bytes_allocated, 0);
        goo_allocator_destroy(tracking);
    }
}

GOO_TEST(debug, options_that_make_no_sense_are_refused) {
    GooDebugOptions none = {.leak_mode = (GooLeakMode)9};
    errno = 0;
    CHECK_PTR_EQ(goo_debug_allocator_create(NULL, &none), NULL);
    CHECK_EQ(errno, EINVAL);
    GooDebugOptions wide = {.canary_bytes = 1 << 20};
    CHECK_PTR_EQ(goo_debug_allocator_create(NULL, &wide), NULL);
    GooDebugOptions no_function = {.leak_mode = GOO_LEAK_CALLBACK};
    CHECK_PTR_EQ(goo_debug_allocator_create(NULL, &no_function), NULL);
    CHECK_PANICS(goo_debug_report(goo_get_default_allocator(), NULL), "no debug allocator");
}

/* --- threads --- */

static void *churn(void *arg) {
    GooAllocator *a = arg;
    uint8_t *blocks[32] = {0};
    for (size_t i = 0; i < 5000; i++) {
        size_t k = i * 7 % 32;
        goo_memory_free_with(a, blocks[k], 50 + k);
        blocks[k] = goo_memory_alloc_with(a, 50 + k);
        memset(blocks[k], (int)i, 50 + k);
    }
    for (size_t k = 0; k < 32; k++) {
        goo_memory_free_with(a, blocks[k], 50 + k);
    }
    return NULL;
}

static void share_between_threads(uint32_t sample_every) {
    GooAllocator *a = make((GooDebugOptions){.sample_every = sample_every});
    CHECK((a->capabilities & GOO_ALLOCATOR_THREAD_SAFE) != 0);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, churn, a), 0);
    }
    for (int i = 0; i < 10; i++) {
        goo_debug_live_count(a);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_EQ(goo_debug_live_count(a), 0);
    CHECK_EQ(goo_debug_check(a, NULL), 0);
    goo_allocator_destroy(a);
}

GOO_TEST(debug, threads_share_it) {
    share_between_threads(0);
}

GOO_TEST(debug, threads_share_a_sampled_one) {
    share_between_threads(5);
}
