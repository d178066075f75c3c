/* What the front door tells a collector about attached allocators. Uses private headers: the hooks
 * are set here as the collector sets them, and put back. */
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "goo_memory.h"
#include "runtime/globals.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>

static struct {
    size_t held, limit; /* bytes reserved now, and how many may be */
    size_t peak;        /* the most that was settled */
    size_t refusals, collections;
    size_t freed_by_collection; /* how far a collection lowers `held` */
    bool can_collect;
} room;

static bool room_reserve(GooAllocator *a, size_t bytes) {
    (void)a;
    if (bytes > room.limit - room.held) {
        room.refusals++;
        return false;
    }
    room.held += bytes;
    return true;
}

static void room_settle(GooAllocator *a) {
    (void)a;
    room.peak = room.held > room.peak ? room.held : room.peak;
}

static void room_release(GooAllocator *a, size_t bytes) {
    (void)a;
    room.held -= bytes;
}

static bool room_collect(GooAllocator *a) {
    (void)a;
    if (room.can_collect) {
        room.collections++;
        room.held -= room.freed_by_collection;
    }
    return room.can_collect;
}

typedef struct SavedHooks {
    bool (*reserve)(GooAllocator *a, size_t bytes);
    void (*settle)(GooAllocator *a);
    void (*release)(GooAllocator *a, size_t bytes);
    bool (*collect)(GooAllocator *a);
} SavedHooks;

static SavedHooks hooks_begin(size_t limit) {
    SavedHooks saved = {gooi_hooks.pressure_reserve, gooi_hooks.pressure_settle,
                        gooi_hooks.pressure_release, gooi_hooks.collect};
    gooi_hooks.pressure_reserve = room_reserve;
    gooi_hooks.pressure_settle = room_settle;
    gooi_hooks.pressure_release = room_release;
    gooi_hooks.collect = room_collect;
    memset(&room, 0, sizeof room);
    room.limit = limit;
    return saved;
}

static void hooks_end(SavedHooks saved) {
    gooi_hooks.pressure_reserve = saved.reserve;
    gooi_hooks.pressure_settle = saved.settle;
    gooi_hooks.pressure_release = saved.release;
    gooi_hooks.collect = saved.collect;
}

static GooAllocator *attached_mock(Mock *mock) {
    GooAllocator *a = mock_init(mock);
    a->capabilities |= GOOI_ALLOCATOR_ATTACHED;
    return a;
}

GOO_TEST(pressure_hooks, bytes_balance_over_a_blocks_life) {
    SavedHooks saved = hooks_begin(SIZE_MAX);
    Mock mock;
    GooAllocator *a = attached_mock(&mock);
    void *p = goo_memory_alloc_with(a, 100);
    CHECK_EQ(room.held, 100);
    p = goo_memory_realloc_with(a, p, 100, 350);
    CHECK_EQ(room.held, 350);
    CHECK_EQ(room.peak, 350);
    p = goo_memory_realloc_with(a, p, 350, 20);
    CHECK_EQ(room.held, 20);
    goo_memory_free_with(a, p, 20);
    CHECK_EQ(room.held, 0);
    p = goo_memory_realloc_with(a, NULL, 0, 5);
    CHECK_EQ(room.held, 5);
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 5, 0), NULL);
    CHECK_EQ(room.held, 0);
    p = goo_memory_alloc_options(a, 100, 0, GOO_ALLOC_PAGE);
    CHECK_EQ(room.held, 100);
    goo_memory_free_options(a, p, 100, 0);
    CHECK_EQ(room.held, 0);
    hooks_end(saved);
}

static bool resize_always(void *ctx, void *ptr, size_t old_size, size_t new_size,
                          size_t alignment) {
    (void)ctx;
    (void)ptr;
    (void)old_size;
    (void)alignment;
    return new_size < 1000;
}

GOO_TEST(pressure_hooks, resize_in_place_counts_too) {
    SavedHooks saved = hooks_begin(500);
    Mock mock;
    GooAllocator *a = attached_mock(&mock);
    a->resize = resize_always;
    void *p = goo_memory_alloc_with(a, 100);
    CHECK(goo_memory_resize_options(a, p, 100, 200, 0));
    CHECK_EQ(room.held, 200);
    CHECK(!goo_memory_resize_options(a, p, 200, 600, 0)); /* no room */
    CHECK_EQ(room.held, 200);
    room.limit = SIZE_MAX;
    CHECK(!goo_memory_resize_options(a, p, 200, 2000, 0)); /* the mechanism says no */
    CHECK_EQ(room.held, 200);
    CHECK(goo_memory_resize_options(a, p, 200, 50, 0));
    CHECK_EQ(room.held, 50);
    goo_memory_free_with(a, p, 50);
    CHECK_EQ(room.held, 0);
    hooks_end(saved);
}

GOO_TEST(pressure_hooks, a_failed_mechanism_returns_its_reservation) {
    SavedHooks saved = hooks_begin(SIZE_MAX);
    Mock mock;
    GooAllocator *a = attached_mock(&mock);
    void *p = goo_memory_alloc_with(a, 10);
    mock.failures = 1;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 100), NULL);
    CHECK_EQ(room.held, 10);
    mock.failures = 1;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 10, 100), NULL);
    CHECK_EQ(room.held, 10);
    CHECK_EQ(room.peak, 10); /* what was never there does not show */
    mock.failures = 1;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 10, 5), NULL); /* a shrink that failed */
    CHECK_EQ(room.held, 10);
    goo_memory_free_with(a, p, 10);
    CHECK_EQ(room.held, 0);
    hooks_end(saved);
}

GOO_TEST(pressure_hooks, a_refusal_is_a_failure_like_any_other) {
    SavedHooks saved = hooks_begin(100);
    Mock mock;
    GooAllocator *a = attached_mock(&mock);
    a->track_stats = true;
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 101), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(mock.allocs, 0);
    CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 1);
    CHECK_EQ(room.held, 0);
    CHECK_PANICS(goo_memory_alloc_options(a, 101, 0, GOO_ALLOC_NOFAIL), "out of memory");
    a->strategy = GOO_ALLOC_STRATEGY_RETRY;
    room.refusals = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 101), NULL);
    CHECK_EQ(room.refusals, GOO_RETRY_LIMIT + 1);
    hooks_end(saved);
}

GOO_TEST(pressure_hooks, strategy_gc_collects_and_tries_once_more) {
    SavedHooks saved = hooks_begin(100);
    Mock mock;
    GooAllocator *a = attached_mock(&mock);
    a->strategy = GOO_ALLOC_STRATEGY_GC;
    a->track_stats = true;
    room.can_collect = true;
    room.held = 80;
    room.freed_by_collection = 60;
    void *p = goo_memory_alloc_with(a, 50);
    CHECK(p != NULL);
    CHECK_EQ(room.collections, 1);
    CHECK_EQ(room.held, 70);
    CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 0);
    CHECK_EQ(goo_get_alloc_stats(a).total_allocations, 1);
    room.freed_by_collection = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 50), NULL);
    CHECK_EQ(room.collections, 2);
    room.can_collect = false;
    room.refusals = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 50), NULL);
    CHECK_EQ(room.refusals, 1);
    goo_memory_free_with(a, p, 50);
    CHECK_EQ(room.held, 20);
    hooks_end(saved);
}

GOO_TEST(pressure_hooks, strategy_gc_serves_allocators_that_are_not_attached) {
    SavedHooks saved = hooks_begin(SIZE_MAX);
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->strategy = GOO_ALLOC_STRATEGY_GC;
    room.can_collect = true;
    mock.failures = 1;
    void *p = goo_memory_alloc_with(a, 50);
    CHECK(p != NULL);
    CHECK_EQ(room.collections, 1);
    CHECK_EQ(room.held, 0);
    goo_memory_free_with(a, p, 50);
    hooks_end(saved);
}

GOO_TEST(pressure_hooks, legacy_blocks_count_with_their_header) {
    SavedHooks saved = hooks_begin(SIZE_MAX);
    Mock mock;
    goo_set_default_allocator(attached_mock(&mock));
    void *p = goo_alloc(100);
    CHECK_EQ(room.held, mock.last_size);
    p = goo_realloc(p, 200);
    CHECK_EQ(room.held, mock.last_size);
    p = goo_realloc(p, 50);
    CHECK_EQ(room.held, mock.last_size);
    goo_free(p);
    CHECK_EQ(room.held, 0);
    goo_set_default_allocator(NULL);
    hooks_end(saved);
}

GOO_TEST(pressure_hooks, an_attached_allocator_can_not_be_destroyed) {
    Mock mock;
    GooAllocator *a = attached_mock(&mock);
    a->destroy = free;
    CHECK_PANICS(goo_allocator_destroy(a), "attached");
}
