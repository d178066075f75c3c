/* The bridge from C: a foreign allocator behind the front door, blocks for another language, and
 * the layout facts.
 */
#include "goo/bridge.h"
#include "goo/goo.h"
#include "tests/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- a foreign allocator that checks what it is told (BRIDGE-1) --- */

typedef struct Foreign {
    size_t live_bytes, live_blocks, resizes, remaps, mistakes;
    size_t failures; /* how many of the next allocations fail */
    bool stays;      /* resize and remap succeed in place, within the room that each block has */
} Foreign;

enum { FOREIGN_ROOM = 4096 };

typedef struct ForeignHead {
    size_t len;
    uint8_t log2_align;
    void *base;
} ForeignHead;

static ForeignHead *foreign_head(uint8_t *ptr) {
    return (ForeignHead *)(void *)(ptr - sizeof(ForeignHead) - (uintptr_t)ptr % 8);
}

static uint8_t *foreign_alloc(void *ctx, size_t len, uint8_t log2_align, size_t ret_addr) {
    Foreign *f = ctx;
    (void)ret_addr;
    f->mistakes += len == 0;
    if (f->failures > 0) {
        f->failures--;
        return NULL;
    }
    size_t alignment = (size_t)1 << log2_align;
    size_t front = sizeof(ForeignHead) + 16 + alignment;
    uint8_t *base = malloc(front + (len < FOREIGN_ROOM ? FOREIGN_ROOM : len));
    if (base == NULL) {
        return NULL;
    }
    uintptr_t at = ((uintptr_t)base + front) & ~(uintptr_t)(alignment - 1);
    uint8_t *ptr = base + (at - (uintptr_t)base);
    memset(ptr, 0xcd, len);
    *foreign_head(ptr) = (ForeignHead){len, log2_align, base};
    f->live_bytes += len;
    f->live_blocks++;
    return ptr;
}

static ForeignHead *foreign_checked(Foreign *f, uint8_t *ptr, size_t len, uint8_t log2_align) {
    ForeignHead *head = foreign_head(ptr);
    f->mistakes += head->len != len || head->log2_align != log2_align;
    return head;
}

static bool foreign_resize(void *ctx, uint8_t *ptr, size_t len, uint8_t log2_align, size_t new_len,
                           size_t ret_addr) {
    Foreign *f = ctx;
    (void)ret_addr;
    f->resizes++;
    ForeignHead *head = foreign_checked(f, ptr, len, log2_align);
    f->mistakes += new_len == 0;
    if (!f->stays || new_len > FOREIGN_ROOM) {
        return false;
    }
    f->live_bytes += new_len - head->len;
    head->len = new_len;
    return true;
}

static uint8_t *foreign_remap(void *ctx, uint8_t *ptr, size_t len, uint8_t log2_align,
                              size_t new_len, size_t ret_addr) {
    Foreign *f = ctx;
    f->remaps++;
    return foreign_resize(ctx, ptr, len, log2_align, new_len, ret_addr) ? ptr : NULL;
}

static void foreign_free(void *ctx, uint8_t *ptr, size_t len, uint8_t log2_align, size_t ret_addr) {
    Foreign *f = ctx;
    (void)ret_addr;
    ForeignHead *head = foreign_checked(f, ptr, len, log2_align);
    f->live_bytes -= head->len;
    f->live_blocks--;
    free(head->base);
}

static GooAllocator *foreign_wrap(Foreign *f) {
    *f = (Foreign){0};
    GooForeignAllocator calls = {f, foreign_alloc, foreign_resize, foreign_remap, foreign_free};
    GooAllocator *a = goo_bridge_wrap(&calls);
    CHECK(a != NULL);
    return a;
}

static void foreign_end(Foreign *f, GooAllocator *a) {
    goo_allocator_destroy(a);
    CHECK_EQ(f->live_blocks, 0);
    CHECK_EQ(f->live_bytes, 0);
    CHECK_EQ(f->mistakes, 0);
}

GOO_TEST(bridge, a_foreign_allocator_serves_the_front_door) {
    Foreign f;
    GooAllocator *a = foreign_wrap(&f);
    for (size_t alignment = 1; alignment <= 512; alignment *= 2) {
        uint8_t *p = goo_memory_alloc_options(a, 100, alignment, GOO_ALLOC_ZERO);
        CHECK(p != NULL && (uintptr_t)p % alignment == 0);
        CHECK(goo_memory_is_zero(p, 100));
        CHECK_EQ(f.live_bytes, 100);
        goo_memory_free_options(a, p, 100, alignment);
    }
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 0), NULL);
    foreign_end(&f, a);
}

GOO_TEST(bridge, a_foreign_realloc_stays_moves_and_fails) {
    Foreign f;
    GooAllocator *a = foreign_wrap(&f);
    uint8_t *p = goo_memory_alloc_with(a, 100);
    memset(p, 7, 100);
    f.stays = true;
    uint8_t *same = goo_memory_realloc_options(a, p, 100, 200, 0, GOO_ALLOC_ZERO);
    CHECK_PTR_EQ(same, p);
    CHECK_EQ(f.remaps, 1);
    CHECK(p[99] == 7 && goo_memory_is_zero(p + 100, 100));
    f.stays = false;
    uint8_t *moved = goo_memory_realloc_options(a, p, 200, 300, 0, GOO_ALLOC_ZERO);
    CHECK(moved != NULL && moved != p);
    CHECK(moved[99] == 7 && goo_memory_is_zero(moved + 100, 200));
    f.failures = 1;
    errno = 0;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, moved, 300, 400), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(f.live_bytes, 300); /* BRIDGE-2 */
    CHECK_EQ(moved[99], 7);
    goo_memory_free_with(a, moved, 300);
    foreign_end(&f, a);
}

GOO_TEST(bridge, a_foreign_allocator_has_goos_counters_and_strategies) {
    Foreign f;
    GooAllocator *a = foreign_wrap(&f);
    a->track_stats = true;
    f.failures = 1;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 10), NULL);
    f.stays = true;
    uint8_t *p = goo_memory_alloc_with(a, 10);
    CHECK(goo_memory_resize_options(a, p, 10, 20, 0));
    f.stays = false;
    CHECK(!goo_memory_resize_options(a, p, 20, 30, 0));
    GooAllocStats stats;
    goo_bridge_get_alloc_stats(a, &stats);
    goo_bridge_get_alloc_stats(a, NULL);
    CHECK_EQ(stats.bytes_allocated, 20);
    CHECK_EQ(stats.failed_allocations, 1);
    CHECK_EQ(stats.total_allocations, 1);
    a->strategy = GOO_ALLOC_STRATEGY_RETRY;
    f.failures = 2;
    uint8_t *q = goo_memory_alloc_with(a, 10);
    CHECK(q != NULL);
    goo_memory_free_with(a, q, 10);
    goo_memory_free_with(a, p, 20);
    foreign_end(&f, a);
}

GOO_TEST(bridge, goos_allocators_run_over_a_foreign_one) {
    Foreign f;
    GooAllocator *a = foreign_wrap(&f);
    GooAllocator *arena = goo_arena_allocator_create_with(a, NULL);
    for (size_t i = 1; i < 500; i++) {
        CHECK(goo_memory_alloc_with(arena, i) != NULL);
    }
    CHECK(f.live_blocks > 0);
    goo_allocator_destroy(arena);
    foreign_end(&f, a);
}

GOO_TEST(bridge, a_foreign_allocator_without_resize_or_remap) {
    Foreign f;
    GooForeignAllocator calls = {&f, foreign_alloc, NULL, NULL, foreign_free};
    f = (Foreign){0};
    GooAllocator *a = goo_bridge_wrap(&calls);
    CHECK_EQ(a->capabilities & 0xffff, GOO_ALLOCATOR_FREES);
    uint8_t *p = goo_memory_alloc_with(a, 10);
    CHECK(!goo_memory_resize_options(a, p, 10, 20, 0));
    p = goo_memory_realloc_with(a, p, 10, 20);
    CHECK(p != NULL);
    goo_memory_free_with(a, p, 20);
    foreign_end(&f, a);
}

GOO_TEST(bridge, what_can_not_be_wrapped) {
    GooForeignAllocator calls = {NULL, NULL, NULL, NULL, foreign_free};
    errno = 0;
    CHECK_PTR_EQ(goo_bridge_wrap(NULL), NULL);
    CHECK_PTR_EQ(goo_bridge_wrap(&calls), NULL);
    CHECK_EQ(errno, EINVAL);
    GooAllocator *failing = goo_failing_allocator_create(NULL, 1);
    calls.alloc = foreign_alloc;
    goo_set_thread_allocator(failing);
    CHECK_PTR_EQ(goo_bridge_wrap(&calls), NULL);
    CHECK_EQ(errno, ENOMEM);
    goo_set_thread_allocator(NULL);
    goo_allocator_destroy(failing);
}

/* --- blocks for another language --- */

GOO_TEST(bridge, blocks_have_the_alignment_and_no_header) {
    GooAllocator *a = goo_tracking_allocator_create(NULL);
    for (uint8_t log2 = 0; log2 <= 12; log2++) {
        uint8_t *p = goo_bridge_alloc(a, 33, log2, 0);
        CHECK(p != NULL && (uintptr_t)p % ((size_t)1 << log2) == 0);
        GooAllocStats stats = goo_get_alloc_stats(a);
        CHECK_EQ(stats.bytes_allocated, 33);
        CHECK_EQ(stats.bytes_reserved, 33);
        goo_memory_free_options(a, p, 33, (size_t)1 << log2);
        p = goo_memory_alloc_options(a, 40, (size_t)1 << log2, GOO_ALLOC_DEFAULT);
        goo_bridge_free(a, p, 40, log2, 0);
    }
    goo_bridge_free(a, NULL, 10, 4, 0);
    CHECK_EQ(goo_get_alloc_stats(a).allocation_count, 0);
    goo_allocator_destroy(a);
}

GOO_TEST(bridge, alignments_and_sizes_that_do_not_exist) {
    errno = 0;
    CHECK_PTR_EQ(goo_bridge_alloc(NULL, 8, 64, 0), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_PTR_EQ(goo_bridge_alloc(NULL, 8, 255, 0), NULL);
    errno = 0;
    CHECK_PTR_EQ(goo_bridge_alloc(NULL, SIZE_MAX, 4, 0), NULL);
    CHECK_EQ(errno, ENOMEM);
    uint8_t *p = goo_bridge_alloc(NULL, 8, 4, 0);
    CHECK(!goo_bridge_resize(NULL, p, 8, 200, 4, 0));
    CHECK(!goo_bridge_resize(NULL, p, 8, 4, SIZE_MAX, 0));
    CHECK_PTR_EQ(goo_bridge_remap(NULL, p, 8, 200, 16, 0), NULL);
    CHECK_PANICS(goo_bridge_free(NULL, p, 8, 200, 0), "goo_memory_free_options");
    goo_bridge_free(NULL, p, 8, 4, 0);
}

GOO_TEST(bridge, resize_is_in_place_and_remap_is_honest) {
    GooAllocator *arena = goo_arena_allocator_create(1 << 16);
    arena->track_stats = true;
    uint8_t *p = goo_bridge_alloc(arena, 100, 0, 0);
    CHECK(goo_bridge_resize(arena, p, 100, 0, 150, 0)); /* the last block grows */
    CHECK_PTR_EQ(goo_bridge_remap(arena, p, 150, 0, 200, 0), p);
    CHECK(goo_bridge_alloc(arena, 10, 0, 0) != NULL);
    CHECK(!goo_bridge_resize(arena, p, 200, 0, 300, 0));
    CHECK_PTR_EQ(goo_bridge_remap(arena, p, 200, 0, 300, 0), NULL);
    CHECK_EQ(goo_get_alloc_stats(arena).failed_allocations, 0);
    CHECK_EQ(goo_get_alloc_stats(arena).bytes_allocated, 210);
    goo_allocator_destroy(arena);
}

GOO_TEST(bridge, large_blocks_are_moved_by_their_allocator) {
    GooAllocator *pages = goo_page_allocator_create();
    size_t size = 1 << 20;
    uint8_t *p = goo_bridge_alloc(pages, size, 12, 0);
    CHECK(p != NULL);
    p[0] = 1, p[size - 1] = 2;
    uint8_t *q = goo_bridge_remap(pages, p, size, 12, 64 * size, 0);
    CHECK(q != NULL);
    CHECK(q[0] == 1 && q[size - 1] == 2);
    goo_bridge_free(pages, q, 64 * size, 12, 0);
    goo_allocator_destroy(pages);
}

/* --- layout --- */

GOO_TEST(bridge, layout_facts) {
    CHECK_EQ(goo_bridge_layout("sizeof GooAllocator"), sizeof(GooAllocator));
    CHECK_EQ(goo_bridge_layout("offsetof GooAllocator.context"), offsetof(GooAllocator, context));
    CHECK_EQ(goo_bridge_layout("GOO_ALLOC_ZERO"), 1);
    CHECK_EQ(goo_bridge_layout("GOO_ERR_CORRUPT"), (size_t)GOO_ERR_CORRUPT);
    errno = 0;
    CHECK_EQ(goo_bridge_layout("sizeof GooNothing"), PTRDIFF_MAX);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(goo_bridge_layout(NULL), PTRDIFF_MAX);
    size_t count = 0;
    for (const char *name; (name = goo_bridge_layout_name(count)) != NULL; count++) {
        CHECK(goo_bridge_layout(name) != PTRDIFF_MAX);
        CHECK_STR_EQ(goo_bridge_layout_name(count), name);
    }
    CHECK(count > 200);
}
