/* Arenas, regions and scopes at their edges: records of counted blocks, large blocks within a
 * limit, spare memory of a fitting size, marks in random histories.
 */
#include "allocators/impl.h"
#include "goo/allocators.h"
#include "goo/allocators/arena_inline.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "goo_memory.h"
#include "tests/conformance/parent.h"
#include "tests/harness.h"

#include <errno.h>

static GooAllocator *arena_over(GooAllocator *parent, size_t block_size, size_t max_bytes) {
    GooArenaOptions options = {.block_size = block_size, .max_bytes = max_bytes};
    GooAllocator *arena = goo_arena_allocator_create_with(parent, &options);
    CHECK(arena != NULL);
    return arena;
}

/* --- counted blocks --- */

GOO_TEST(lanes, a_block_right_behind_a_mark_is_settled_by_its_rewind) {
    GooAllocator *arena = goo_arena_allocator_create(0);
    arena->track_stats = true;
    CHECK(goo_memory_alloc_with(arena, 16) != NULL);
    GooArenaMark mark = goo_arena_mark(arena);
    CHECK(goo_memory_alloc_with(arena, 16) != NULL);
    goo_arena_rewind(arena, mark);
    CHECK_EQ(goo_get_alloc_stats(arena).bytes_allocated, 16);
    CHECK_EQ(goo_get_alloc_stats(arena).allocation_count, 1);
    goo_allocator_destroy(arena);
}

GOO_TEST(lanes, what_a_rewound_record_left_in_memory_is_not_believed) {
    GooAllocator *arena = goo_arena_allocator_create(0);
    arena->track_stats = true;
    CHECK(goo_memory_alloc_with(arena, 16) != NULL); /* the arena has records */
    GooArenaMark mark = goo_arena_mark(arena);
    void *counted = goo_memory_alloc_with(arena, 16);
    goo_arena_rewind(arena, mark);
    uint8_t *behind = goo_arena_take(arena, 16, 16);
    while (behind != NULL && (void *)behind < counted) { /* now old bytes lie before a new block */
        behind = goo_arena_take(arena, 16, 16);
    }
    CHECK_PTR_EQ(behind, counted);
    arena->track_stats = false; /* nobody counted it */
    goo_memory_free_with(arena, behind, 16);
    arena->track_stats = true;
    CHECK(goo_allocator_reset(arena));
    CHECK_EQ(goo_get_alloc_stats(arena).bytes_allocated, 0);
    CHECK_EQ(goo_get_alloc_stats(arena).allocation_count, 0);
    goo_allocator_destroy(arena);
}

static void check_resized_legacy_blocks_settle(GooAllocator *a) {
    a->track_stats = true;
    goo_set_thread_allocator(a);
    char *p = goo_alloc(100);
    p = goo_realloc(p, 60); /* in place */
    p = goo_realloc(p, 90);
    char *large = goo_realloc(goo_alloc(200000), 300000);
    goo_set_thread_allocator(NULL);
    CHECK(p != NULL && large != NULL);
    GooAllocStats stats = goo_get_alloc_stats(a);
    CHECK_EQ(stats.bytes_allocated, 300090);
    CHECK_EQ(stats.bytes_reserved, 300090 + 2 * 16);
    CHECK(goo_allocator_reset(a));
    stats = goo_get_alloc_stats(a);
    CHECK_EQ(stats.bytes_allocated, 0);
    CHECK_EQ(stats.bytes_reserved, 0);
    CHECK_EQ(stats.allocation_count, 0);
    goo_allocator_destroy(a);
}

GOO_TEST(lanes, resized_legacy_blocks_settle_with_their_headers) {
    check_resized_legacy_blocks_settle(goo_arena_allocator_create(0));
    check_resized_legacy_blocks_settle(goo_region_allocator_create(0, true));
    check_resized_legacy_blocks_settle(goo_scoped_allocator_create(NULL));
}

/* --- large blocks --- */

GOO_TEST(lanes, a_large_block_that_grows_in_place_stays_within_the_limit) {
    static uint8_t bytes[40000];
    GooFixedBuffer fixed;
    GooAllocator *parent = goo_fixed_allocator_init(&fixed, bytes, sizeof bytes);
    GooAllocator *arena = arena_over(parent, 512, 10000);
    uint8_t *p = goo_memory_alloc_with(arena, 5000);
    CHECK(p != NULL);
    CHECK(goo_memory_resize_options(arena, p, 5000, 9000, 16)); /* the parent's last block */
    CHECK(!goo_memory_resize_options(arena, p, 9000, 10001, 16));
    CHECK_PTR_EQ(goo_memory_realloc_with(arena, p, 9000, 10001), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_PTR_EQ(goo_memory_alloc_with(arena, 2000), NULL); /* the growth was counted */
    goo_memory_free_with(arena, p, 9000);
    CHECK(goo_memory_alloc_with(arena, 9000) != NULL); /* and given back */
    goo_allocator_destroy(arena);
}

GOO_TEST(lanes, a_limit_can_be_used_up_to_its_last_byte) {
    Parent parent;
    GooAllocator *arena = arena_over(parent_init(&parent), 512, 512 + 4096);
    size_t own = parent.live_bytes;
    CHECK(goo_memory_alloc_with(arena, 100) != NULL);
    CHECK(goo_memory_alloc_with(arena, 4096) != NULL);
    CHECK_EQ(parent.live_bytes - own, 512 + 4096);
    goo_allocator_destroy(arena);
    CHECK_EQ(parent.live, 0);
}

GOO_TEST(lanes, a_large_request_that_fails_leaves_the_arena_where_it_was) {
    Parent parent;
    GooAllocator *arena = arena_over(parent_init(&parent), 512, 0);
    CHECK(goo_memory_alloc_with(arena, 16) != NULL);
    GooArenaMark before = goo_arena_mark(arena);
    parent.fail_at = parent.requests + 1;
    parent.fail_on = true;
    for (int i = 0; i < 50; i++) {
        CHECK_PTR_EQ(goo_memory_alloc_with(arena, 5000), NULL);
    }
    GooArenaMark after = goo_arena_mark(arena);
    CHECK_EQ(after.offset, before.offset);
    CHECK_PTR_EQ(after.block, before.block);
    goo_allocator_destroy(arena);
    CHECK_EQ(parent.live, 0);
}

GOO_TEST(lanes, kept_large_blocks_are_given_out_zeroed_and_aligned_as_asked) {
    GooAllocator *arena = goo_arena_allocator_create(4096);
    for (int round = 0; round < 4; round++) {
        uint8_t *plain = goo_memory_alloc_with(arena, 100000);
        memset(plain, 0xff, 100000);
        goo_arena_reset(arena, GOO_ARENA_RETAIN_ALL);
        uint8_t *zeroed = goo_memory_alloc_zeroed_with(arena, 90000);
        CHECK(goo_memory_is_zero(zeroed, 90000));
        goo_arena_reset(arena, GOO_ARENA_RETAIN_ALL);
        uint8_t *aligned = goo_memory_alloc_options(arena, 80000, 1 << 16, 0);
        CHECK_EQ((uintptr_t)aligned % (1 << 16), 0);
        goo_arena_reset(arena, GOO_ARENA_RETAIN_ALL);
        CHECK_EQ((uintptr_t)goo_memory_alloc_options(arena, 80000, 1 << 16, 0) % (1 << 16), 0);
        goo_arena_reset(arena, GOO_ARENA_RETAIN_ALL);
    }
    goo_allocator_destroy(arena);
}

GOO_TEST(lanes, a_spare_block_that_is_too_short_is_not_used) {
    Parent parent;
    GooAllocator *arena = arena_over(parent_init(&parent), 4096, 4096 + 1024);
    CHECK(goo_memory_alloc_with(arena, 4000) != NULL);
    CHECK(goo_memory_alloc_with(arena, 900) != NULL); /* in what the limit leaves: 1,024 */
    for (int round = 0; round < 3; round++) {
        goo_arena_reset(arena, GOO_ARENA_RETAIN_ALL);
        uint8_t *p = goo_memory_alloc_with(arena, 3900);
        CHECK(p != NULL);
        memset(p, 0x33, 3900);
        errno = 0;
        CHECK_PTR_EQ(goo_memory_alloc_with(arena, 3900), NULL); /* the spare one has 1,024 */
        CHECK_EQ(errno, ENOMEM);
        p = goo_memory_alloc_with(arena, 900); /* it is still there */
        CHECK(p != NULL);
        memset(p, 0x44, 900);
    }
    goo_allocator_destroy(arena);
    CHECK_EQ(parent.live, 0);
    CHECK_EQ(parent.faults, 0);
}

GOO_TEST(lanes, sizes_that_can_not_be_are_refused_by_the_inline_form_too) {
    GooAllocator *arena = goo_arena_allocator_create(0);
    CHECK(goo_arena_take(arena, 100, 0) != NULL);
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX / 2 + 1, SIZE_MAX / 2 - 8};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        errno = 0;
        CHECK_PTR_EQ(goo_arena_take(arena, sizes[i], 16), NULL);
        CHECK_EQ(errno, ENOMEM);
    }
    errno = 0;
    CHECK_PTR_EQ(goo_arena_take(arena, 8, (size_t)1 << 63), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_PTR_EQ(goo_arena_take(arena, 8, 24), NULL);
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK_PTR_EQ(goo_arena_take(arena, 0, 16), NULL);
    CHECK_EQ(errno, 0);
    goo_allocator_destroy(arena);
}

/* --- marks --- */

GOO_TEST(lanes, marks_of_two_empty_arenas_are_told_apart) {
    GooAllocator *first = goo_arena_allocator_create(0);
    GooAllocator *second = goo_arena_allocator_create(0);
    GooArenaMark mark = goo_arena_mark(first);
    goo_arena_mark(second);
    CHECK_PANICS(goo_arena_rewind(second, mark), "stale or another");
    goo_arena_rewind(first, mark);
    goo_allocator_destroy(first);
    goo_allocator_destroy(second);
}

enum { MARKS_MAX = 12 };

/* A history of marks with what each block of the arena holds. */
typedef struct History {
    GooArenaMark marks[MARKS_MAX];
    size_t blocks_at[MARKS_MAX]; /* how many blocks there were */
    bool stale[MARKS_MAX];
    size_t mark_count;
    uint8_t *blocks[400];
    size_t sizes[400];
    size_t block_count;
} History;

static void history_check(const History *h) {
    for (size_t i = 0; i < h->block_count; i++) {
        CHECK_EQ(h->blocks[i][0], (uint8_t)i);
        CHECK_EQ(h->blocks[i][h->sizes[i] - 1], (uint8_t)(i * 3));
    }
}

static void history_alloc(History *h, GooAllocator *arena, uint32_t dice) {
    size_t size = 2 + dice % (dice % 16 == 0 ? 5000 : 90);
    uint8_t *p = goo_memory_alloc_with(arena, size);
    p[0] = (uint8_t)h->block_count;
    p[size - 1] = (uint8_t)(h->block_count * 3);
    h->blocks[h->block_count] = p;
    h->sizes[h->block_count++] = size;
}

static void history_rewind(History *h, GooAllocator *arena, size_t to) {
    if (h->stale[to]) {
        CHECK_PANICS(goo_arena_rewind(arena, h->marks[to]), "stale");
        return;
    }
    goo_arena_rewind(arena, h->marks[to]);
    h->block_count = h->blocks_at[to];
    for (size_t i = to + 1; i < h->mark_count; i++) {
        h->stale[i] |= h->blocks_at[i] > h->block_count; /* made after it, and not in its place */
    }
}

GOO_TEST(lanes, random_histories_of_marks) {
    static History h;
    uint64_t random = 1;
    for (int round = 0; round < 300; round++) {
        GooAllocator *arena = goo_arena_allocator_create(round % 2 == 0 ? 512 : 8192);
        arena->track_stats = true;
        h = (History){.mark_count = 0};
        while (h.mark_count < MARKS_MAX) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            uint32_t dice = (uint32_t)(random >> 33);
            if (dice % 8 < 5 && h.block_count < 400) {
                history_alloc(&h, arena, dice / 8);
            } else if (dice % 8 < 7) {
                h.blocks_at[h.mark_count] = h.block_count;
                h.marks[h.mark_count++] = goo_arena_mark(arena);
            } else if (h.mark_count != 0) {
                history_rewind(&h, arena, dice / 8 % h.mark_count);
            }
            history_check(&h);
            CHECK_EQ(goo_get_alloc_stats(arena).allocation_count, h.block_count);
        }
        goo_allocator_destroy(arena);
    }
}

/* --- spare memory --- */

GOO_TEST(lanes, a_region_keeps_a_bounded_number_of_pieces) {
    Parent parent;
    GooRegionOptions options = {.region_size = 1024};
    GooAllocator *region = goo_region_allocator_create_with(parent_init(&parent), &options);
    CHECK_EQ(goo_region_begin(region), GOO_OK);
    for (int i = 0; i < 100; i++) {
        CHECK(goo_memory_alloc_with(region, 900) != NULL);
    }
    CHECK(parent.live >= 100);
    CHECK_EQ(goo_region_end(region), GOO_OK);
    CHECK_EQ(parent.live, 1 + 1 + 16); /* itself, the struct of a depth, pieces */
    CHECK(goo_allocator_reset(region));
    CHECK_EQ(parent.live, 1 + 1);
    goo_allocator_destroy(region);
    CHECK_EQ(parent.live, 0);
}

GOO_TEST(lanes, a_loop_over_a_scope_settles_in_one_piece) {
    Parent parent;
    GooAllocator *scope = goo_scoped_allocator_create(parent_init(&parent));
    size_t requests = 0;
    for (int i = 0; i < 100; i++) {
        CHECK(goo_memory_alloc_with(scope, 5000) != NULL);
        goo_scope_unwind(scope, 0);
        requests = i == 0 ? parent.requests : requests;
    }
    CHECK_EQ(parent.requests, requests);
    goo_allocator_destroy(scope);
    CHECK_EQ(parent.live, 0);
}

static void nothing(void *arg) {
    (void)arg;
}

GOO_TEST(lanes, a_defer_that_fails_says_so_by_its_status_alone) {
    Parent parent;
    GooAllocator *scope = goo_scoped_allocator_create(parent_init(&parent));
    parent.fail_at = parent.requests + 1;
    parent.fail_on = true;
    errno = 77;
    CHECK_EQ(goo_scope_defer(scope, nothing, NULL), GOO_ERR_NO_MEMORY);
    CHECK_EQ(errno, 77);
    goo_allocator_destroy(scope);
}

/* --- the check (private) --- */

static void expect_wrong(const GooiLane *lane, const char *text) {
    const char *wrong = gooi_lane_check(lane);
    CHECK_MSG(wrong != NULL && strstr(wrong, text) != NULL, "said: %s", wrong);
}

GOO_TEST(lanes, the_check_finds_each_broken_invariant) {
    GooiChunkSource source;
    GooiLane lane;
    GooAllocator owner = {.name = "test"};
    gooi_source_init(&source, &owner, goo_get_default_allocator(), 512, 0);
    gooi_lane_init(&lane, &source);
    CHECK_PTR_EQ(gooi_lane_check(&lane), NULL);
    for (uint64_t i = 0; i < 20; i++) {
        CHECK(gooi_lane_alloc(&lane, 100, 16, GOOI_ALLOC_COUNTED) != NULL);
        CHECK(gooi_lane_mark(&lane, i) != NULL);
        CHECK_PTR_EQ(gooi_lane_check(&lane), NULL);
    }
    CHECK(gooi_lane_alloc(&lane, 5000, 16, GOOI_ALLOC_COUNTED) != NULL);
    CHECK(gooi_lane_alloc(&lane, 6000, 16, GOOI_ALLOC_COUNTED) != NULL);
    CHECK_PTR_EQ(gooi_lane_check(&lane), NULL);
    GooiLane saved = lane;
    lane.cursor = (uint8_t *)lane.newest;
    expect_wrong(&lane, "LANE-1");
    lane = saved;
    lane.limit--;
    expect_wrong(&lane, "LANE-2");
    lane = saved;
    lane.newest->high = lane.end + 1;
    expect_wrong(&lane, "LANE-3");
    lane.newest->high = (uint8_t *)lane.newest + GOOI_CHUNK_HEADER_SIZE;
    lane.floor = lane.end + 1;
    expect_wrong(&lane, "LANE-4");
    lane = saved;
    lane.newest->base++;
    expect_wrong(&lane, "begin where");
    lane.newest->base--;
    lane.marks->position += 100000;
    expect_wrong(&lane, "LANE-6");
    lane.marks->position -= 100000;
    lane.records->position += 100000;
    expect_wrong(&lane, "records");
    lane.records->position -= 100000;
    lane.large->position += 100000;
    expect_wrong(&lane, "stubs");
    lane.large->position -= 100000;
    source.reserved -= 5000;
    expect_wrong(&lane, "LANE-5");
    source.reserved += 5000;
    source.spare_count++;
    expect_wrong(&lane, "spare");
    source.spare_count--;
    CHECK_PTR_EQ(gooi_lane_check(&lane), NULL);
    gooi_lane_clear(&lane, GOOI_KEEP_NONE);
    CHECK_PTR_EQ(gooi_lane_check(&lane), NULL);
    CHECK_EQ(source.reserved, 0);
}
