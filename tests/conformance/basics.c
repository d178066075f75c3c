/* The suite's cases on single requests: sizes, alignments, options, what can not be. */
#include "goo/runtime/stats.h"
#include "goo_memory.h"
#include "tests/conformance/blocks.h"

static const size_t sizes[] = {1,    2,    3,     7,     8,     15,    16,    17,   31,
                               33,   63,   64,    65,    100,   255,   256,   1000, 4095,
                               4096, 4097, 20000, 65000, 65536, 70000, 300000};
enum { SIZE_COUNT = sizeof sizes / sizeof sizes[0] };

void conformance_defaults(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    CHECK_EQ(a->strategy, GOO_ALLOC_STRATEGY_NULL);
    CHECK(!a->track_stats);
    CHECK_STR_EQ(a->name, c->name);
    CHECK_EQ(a->capabilities & 0xffff, c->capabilities);
    CHECK(a->alloc != NULL && a->realloc != NULL && a->free != NULL && a->destroy != NULL);
    CHECK((c->capabilities & GOO_ALLOCATOR_RESIZES) == 0 || a->resize != NULL);
    bench_end(&bench);
}

void conformance_zero_sizes(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    a->track_stats = true;
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 0), NULL);
    CHECK_PTR_EQ(goo_memory_alloc_zeroed_with(a, 0), NULL);
    CHECK_PTR_EQ(goo_memory_alloc_options(a, 0, 64, GOO_ALLOC_ZERO), NULL);
    CHECK_PTR_EQ(goo_memory_alloc_array(a, 0, 8, 0), NULL);
    CHECK_EQ(errno, 0);
    goo_memory_free_with(a, NULL, 0);
    goo_memory_free_with(a, NULL, 100);
    CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 0);
    CHECK_EQ(goo_get_alloc_stats(a).total_allocations, 0);
    bench_end(&bench);
}

void conformance_sizes_fill_and_verify(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    Blocks all = {.count = 0};
    size_t alignment = blocks_alignment(c, GOO_DEFAULT_ALIGNMENT);
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        size_t size = blocks_size(c, sizes[i]);
        if (c->room != 0 && all.bytes + size > c->room / 2) {
            continue;
        }
        Block b = block_make(a, size, alignment, 0, (uint8_t)i);
        CHECK_MSG(b.ptr != NULL, "no block of %zu bytes", size);
        blocks_add(&all, b);
    }
    blocks_verify(&all);
    blocks_free_all(a, &all);
    bench_end(&bench);
}

/* NULL with ENOMEM, also where something is added to the size. */
static void check_refused(GooAllocator *a, size_t size, size_t alignment, int expected) {
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_options(a, size, alignment, 0), NULL);
    CHECK_MSG(errno == expected, "%zu bytes aligned to %zu: errno %d, not %d", size, alignment,
              errno, expected);
}

void conformance_sizes_that_can_not_be(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    a->track_stats = true;
    size_t alignment = blocks_alignment(c, GOO_DEFAULT_ALIGNMENT);
    for (size_t i = 0; i < 70; i++) {
        check_refused(a, SIZE_MAX - i, alignment, ENOMEM);
        check_refused(a, (size_t)PTRDIFF_MAX + 1 - i / 8, alignment, ENOMEM);
    }
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_array(a, SIZE_MAX / 8 + 2, 8, 0), NULL);
    CHECK_EQ(errno, ENOMEM);
    if (MALLOC_REFUSES && !goo_test_under_valgrind()) {
        int expected = c->max_size != 0 ? c->too_large_errno : ENOMEM;
        check_refused(a, (size_t)PTRDIFF_MAX - 100 * alignment, alignment, expected);
        check_refused(a, (size_t)PTRDIFF_MAX / 2, alignment, expected);
    }
    if (c->max_size != 0) {
        check_refused(a, c->max_size + 1, alignment, c->too_large_errno);
        check_refused(a, c->max_size * 3, alignment, c->too_large_errno);
    }
    CHECK_EQ(goo_get_alloc_stats(a).total_allocations, 0);
    CHECK(goo_get_alloc_stats(a).failed_allocations >= 141);
    Block b = block_make(a, blocks_size(c, 100), alignment, 0, 1); /* it works on */
    CHECK(b.ptr != NULL);
    block_free(a, &b);
    bench_end(&bench);
}

/* The address is aligned, not an offset: odd blocks before it push it to odd places. */
void conformance_alignments(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    Blocks all = {.count = 0};
    size_t most = blocks_alignment(c, 64 * 1024);
    for (size_t alignment = 1; alignment <= most; alignment *= 2) {
        for (size_t size = 1; size <= 200; size += 99) {
            if (c->room != 0 && all.bytes + 4 * alignment > c->room / 2) {
                continue;
            }
            Block odd = block_make(a, blocks_size(c, size), 1, 0, 3);
            Block b = block_make(a, blocks_size(c, size), alignment, 0, 5);
            CHECK_MSG(odd.ptr != NULL && b.ptr != NULL, "no block aligned to %zu", alignment);
            blocks_add(&all, odd);
            blocks_add(&all, b);
        }
        Block large = block_make(a, blocks_size(c, alignment / 2 + 1), alignment, 0, 9);
        if (large.ptr != NULL) {
            blocks_add(&all, large);
        }
        CHECK(large.ptr != NULL || c->room != 0);
    }
    blocks_verify(&all);
    blocks_free_all(a, &all);
    static const size_t none[] = {3, 5, 24, 100, SIZE_MAX, SIZE_MAX / 2};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        check_refused(a, 1, none[i], EINVAL);
    }
    if (c->max_alignment != 0) {
        check_refused(a, 1, c->max_alignment * 2, EINVAL);
    }
    bench_end(&bench);
}

/* On memory that was used before. */
void conformance_zeroed(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    size_t alignment = blocks_alignment(c, GOO_DEFAULT_ALIGNMENT);
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < SIZE_COUNT; i++) {
            size_t size = blocks_size(c, sizes[i]);
            if (c->room != 0 && size > c->room / 4) {
                continue;
            }
            Block first = block_make(a, size, alignment, i % 2 != 0 ? GOO_ALLOC_ZERO : 0, 0x5a);
            CHECK(first.ptr != NULL);
            Block second = block_make(a, size, alignment, GOO_ALLOC_ZERO, 0xa5);
            CHECK(second.ptr != NULL);
            block_free(a, &second);
            block_free(a, &first);
            Block third = block_make(a, size, alignment, GOO_ALLOC_ZERO, 0xa5);
            CHECK(third.ptr != NULL);
            block_free(a, &third);
        }
        if (c->room != 0 || round == 2) {
            goo_allocator_reset(a);
        }
    }
    bench_end(&bench);
}

void conformance_options(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    static const GooAllocOptions options[] = {GOO_ALLOC_EXACT,
                                              GOO_ALLOC_GROWABLE,
                                              GOO_ALLOC_TEMP,
                                              GOO_ALLOC_PERSIST,
                                              GOO_ALLOC_NOFAIL,
                                              GOO_ALLOC_EXACT | GOO_ALLOC_ZERO,
                                              GOO_ALLOC_PERSIST | GOO_ALLOC_ZERO};
    Blocks all = {.count = 0};
    size_t alignment = blocks_alignment(c, GOO_DEFAULT_ALIGNMENT);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        Block b = block_make(a, blocks_size(c, 333), alignment, options[i], (uint8_t)i);
        CHECK(b.ptr != NULL);
        blocks_add(&all, b);
    }
    bool pages = (c->max_size == 0 || c->max_size >= 4096) &&
                 (c->max_alignment == 0 || c->max_alignment >= 4096);
    Block page = {goo_memory_alloc_options(a, 100, 0, GOO_ALLOC_PAGE), 100, 16, 77};
    CHECK((page.ptr != NULL) == pages);
    if (pages) {
        CHECK_EQ((uintptr_t)page.ptr % 4096, 0);
        memset(page.ptr, 0xee, c->guards ? page.size : 4096); /* the whole page is the caller's */
        block_fill(&page);
        blocks_add(&all, page);
    }
    blocks_verify(&all);
    blocks_free_all(a, &all);
    bench_end(&bench);
}

void conformance_legacy_blocks(const Conformance *c) {
    if (c->max_alignment != 0 && c->max_alignment < GOO_DEFAULT_ALIGNMENT) {
        return; /* the legacy API's blocks are aligned to 16 */
    }
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    a->track_stats = true;
    size_t small = c->max_size != 0 ? c->max_size / 2 - 8 : 100;
    size_t most = c->max_size != 0 ? c->max_size - 16 : 5000;
    goo_set_thread_allocator(a);
    char *p = goo_alloc(small);
    goo_set_thread_allocator(NULL);
    CHECK(p != NULL);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, small);
    memset(p, 'x', small);
    p = goo_realloc(p, most);
    CHECK(p != NULL);
    CHECK_EQ(goo_usable_size(p), most);
    for (size_t i = 0; i < small; i++) {
        CHECK_EQ(p[i], 'x');
    }
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, most);
    goo_free(p);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
    if ((c->capabilities & GOO_ALLOCATOR_RESETS) != 0) {
        goo_set_thread_allocator(a);
        CHECK(goo_alloc(small) != NULL && goo_alloc(small) != NULL);
        goo_set_thread_allocator(NULL);
        CHECK(goo_memory_alloc_with(a, small) != NULL);
        CHECK(goo_allocator_reset(a));
        CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
        CHECK_EQ(goo_get_alloc_stats(a).bytes_reserved, 0);
        CHECK_EQ(goo_get_alloc_stats(a).allocation_count, 0);
    }
    bench_end(&bench);
}

void conformance_owns(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    bool knows = (c->capabilities & GOO_ALLOCATOR_OWNS) != 0;
    static uint8_t elsewhere[64];
    Blocks all = {.count = 0};
    for (size_t i = 0; i < 50; i++) {
        size_t size = blocks_size(c, i % 10 == 0 && c->room == 0 ? 100000 : 200);
        Block b = block_make(a, size, blocks_alignment(c, 16), i % 7 == 0 ? GOO_ALLOC_PERSIST : 0,
                             (uint8_t)i);
        CHECK(b.ptr != NULL);
        blocks_add(&all, b);
    }
    for (size_t i = 0; i < all.count; i++) {
        CHECK_EQ(goo_allocator_owns(a, all.at[i].ptr), knows);
        CHECK_EQ(goo_allocator_owns(a, all.at[i].ptr + all.at[i].size - 1), knows);
    }
    CHECK(!goo_allocator_owns(a, elsewhere));
    CHECK(!goo_allocator_owns(a, a));
    CHECK(!goo_allocator_owns(a, NULL));
    CHECK(!goo_allocator_owns(a, (void *)(uintptr_t)-1));
    blocks_free_all(a, &all);
    bench_end(&bench);
}
