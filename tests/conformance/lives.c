/* The suite's cases on the life of blocks: resize, realloc, frees in three orders, a long random
 * walk, counters, reset, destroy.
 */
#include "goo/runtime/stats.h"
#include "tests/conformance/blocks.h"

void conformance_resize_in_place(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    size_t alignment = blocks_alignment(c, GOO_DEFAULT_ALIGNMENT);
    Block b = block_make(a, blocks_size(c, 1000), alignment, 0, 11);
    CHECK(b.ptr != NULL);
    size_t shrunk = b.size / 2;
    bool resized = goo_memory_resize_options(a, b.ptr, b.size, shrunk, alignment);
    CHECK(resized || (c->capabilities & GOO_ALLOCATOR_RESIZES) == 0);
    b.size = resized ? shrunk : b.size;
    block_verify(&b, b.size);
    size_t grown = b.size + b.size / 4;
    if (goo_memory_resize_options(a, b.ptr, b.size, grown, alignment)) {
        size_t kept = b.size;
        b.size = grown;
        block_verify(&b, kept);
        block_fill(&b);
    }
    CHECK(!goo_memory_resize_options(a, b.ptr, b.size, SIZE_MAX - 5, alignment));
    CHECK(!goo_memory_resize_options(a, b.ptr, b.size, (size_t)PTRDIFF_MAX - 100, alignment));
    block_verify(&b, b.size);
    Block next = block_make(a, blocks_size(c, 100), alignment, 0, 12);
    CHECK(next.ptr != NULL);
    block_verify(&b, b.size);
    block_free(a, &next);
    block_free(a, &b);
    bench_end(&bench);
}

/* Reallocates a block and checks content and grown tail; false: refused, and unchanged. */
static bool block_realloc(GooAllocator *a, Block *b, size_t size, GooAllocOptions options) {
    size_t kept = b->size < size ? b->size : size;
    uint8_t *p = goo_memory_realloc_options(a, b->ptr, b->size, size, b->alignment, options);
    if (p == NULL) {
        block_verify(b, b->size);
        return false;
    }
    CHECK_EQ((uintptr_t)p % b->alignment, 0);
    b->ptr = p;
    b->size = size;
    block_verify(b, kept);
    if ((options & GOO_ALLOC_ZERO) != 0) {
        CHECK(goo_memory_is_zero(p + kept, size - kept));
    }
    block_fill(b);
    return true;
}

/* Every size to every size, last and not last, with and without ZERO. */
void conformance_realloc_keeps_content(const Conformance *c) {
    static const size_t steps[] = {1, 40, 41, 300, 20, 5000, 4999, 70000, 100, 200000, 90000, 1};
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    for (unsigned variant = 0; variant < 8; variant++) {
        size_t alignment = blocks_alignment(c, (variant & 4) != 0 ? 256 : GOO_DEFAULT_ALIGNMENT);
        Block b = block_make(a, blocks_size(c, 30), alignment, 0, (uint8_t)variant);
        CHECK(b.ptr != NULL);
        Blocks between = {.count = 0};
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            size_t size = blocks_size(c, steps[i]);
            if (c->room != 0 && size > c->room / 8) {
                continue;
            }
            bool moved = block_realloc(a, &b, size, (variant & 1) != 0 ? GOO_ALLOC_ZERO : 0);
            CHECK_MSG(moved || c->lifo, "no block of %zu bytes", size);
            if ((variant & 2) != 0) {
                Block barrier = block_make(a, blocks_size(c, 24), alignment, 0, 0x77);
                CHECK(barrier.ptr != NULL);
                blocks_add(&between, barrier);
            }
        }
        blocks_verify(&between);
        blocks_free_all(a, &between);
        block_free(a, &b);
        if (c->room != 0) {
            goo_allocator_reset(a);
        }
    }
    bench_end(&bench);
}

void conformance_realloc_from_null_and_to_zero(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    a->track_stats = true;
    size_t alignment = blocks_alignment(c, GOO_DEFAULT_ALIGNMENT);
    size_t size = blocks_size(c, 120);
    uint8_t *p = goo_memory_realloc_options(a, NULL, 0, size, alignment, GOO_ALLOC_ZERO);
    CHECK(p != NULL);
    CHECK(goo_memory_is_zero(p, size));
    errno = 0;
    /* The other allocator is the default of the moment: the block goes back to its own. */
    CHECK_PTR_EQ(goo_memory_realloc_options(a, p, size, 0, alignment, 0), NULL);
    CHECK_EQ(errno, 0);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
    CHECK_EQ(goo_get_alloc_stats(a).total_frees, 1);
    CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 0);
    bench_end(&bench);
}

void conformance_failed_realloc_changes_nothing(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    a->track_stats = true;
    size_t alignment = blocks_alignment(c, GOO_DEFAULT_ALIGNMENT);
    Block b = block_make(a, blocks_size(c, 300), alignment, 0, 21);
    CHECK(b.ptr != NULL);
    GooAllocStats before = goo_get_alloc_stats(a);
    size_t huge = c->max_size != 0 ? c->max_size + 1 : SIZE_MAX - 100;
    CHECK_PTR_EQ(goo_memory_realloc_options(a, b.ptr, b.size, huge, alignment, 0), NULL);
    if (c->has_parent && c->max_size == 0) {
        bench.parent.fail_at = bench.parent.requests + 1;
        bench.parent.fail_on = true;
        CHECK_PTR_EQ(goo_memory_realloc_options(a, b.ptr, b.size, 10000000, alignment, 0), NULL);
        CHECK_EQ(errno, ENOMEM);
        bench.parent.fail_at = 0;
    }
    block_verify(&b, b.size);
    GooAllocStats after = goo_get_alloc_stats(a);
    CHECK_EQ(after.bytes_allocated, before.bytes_allocated);
    CHECK_EQ(after.max_bytes_allocated, before.max_bytes_allocated);
    CHECK_EQ(after.total_allocations, before.total_allocations);
    CHECK(after.failed_allocations > before.failed_allocations);
    block_free(a, &b);
    bench_end(&bench);
}

void conformance_frees_in_three_orders(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    uint64_t random = 99;
    for (unsigned order = 0; order < (c->lifo ? 1u : 3u); order++) {
        Blocks all = {.count = 0};
        for (size_t i = 0; i < BLOCKS_MAX; i++) {
            size_t size = blocks_size(c, 1 + blocks_random(&random) % (i % 20 == 0 ? 9000 : 200));
            if (c->room != 0 && all.bytes + size > c->room / 4) {
                continue;
            }
            Block b = block_make(a, size, blocks_alignment(c, 16), 0, (uint8_t)i);
            CHECK(b.ptr != NULL);
            blocks_add(&all, b);
        }
        while (all.count != 0) {
            size_t index = order == 0   ? all.count - 1
                           : order == 1 ? 0
                                        : blocks_random(&random) % all.count;
            blocks_free(a, &all, index);
            if (all.count % 16 == 0) {
                blocks_verify(&all);
            }
        }
    }
    bench_end(&bench);
}

/* What the front door should have counted. */
typedef struct Model {
    size_t bytes, peak, count, allocations, frees;
} Model;

static void model_resized(Model *model, size_t old_size, size_t new_size) {
    model->bytes += new_size - old_size;
    model->peak = model->bytes > model->peak ? model->bytes : model->peak;
}

static void model_check(const Model *model, GooAllocator *a) {
    GooAllocStats stats = goo_get_alloc_stats(a);
    CHECK_EQ(stats.bytes_allocated, model->bytes);
    CHECK_EQ(stats.max_bytes_allocated, model->peak);
    CHECK_EQ(stats.allocation_count, model->count);
    CHECK_EQ(stats.total_allocations, model->allocations);
    CHECK_EQ(stats.total_frees, model->frees);
}

static void walk_alloc(const Conformance *c, GooAllocator *a, Blocks *all, Model *model,
                       uint64_t *random) {
    uint32_t dice = blocks_random(random);
    size_t size = blocks_size(c, 1 + blocks_random(random) % (dice % 50 == 0 ? 100000 : 300));
    if (all->count == BLOCKS_MAX || (c->room != 0 && all->bytes + size > c->room / 8)) {
        return;
    }
    size_t alignment = blocks_alignment(c, (size_t)1 << dice % 8);
    GooAllocOptions options = (dice & 256) != 0 ? GOO_ALLOC_ZERO : 0;
    options |= (dice & 0x7000) == 0 && c->persists ? GOO_ALLOC_PERSIST : 0;
    Block b = block_make(a, size, alignment, options, (uint8_t)dice);
    if (b.ptr == NULL) {
        CHECK(c->room != 0);
        return;
    }
    blocks_add(all, b);
    model->allocations++;
    model->count++;
    model_resized(model, 0, size);
}

static void walk_free(const Conformance *c, GooAllocator *a, Blocks *all, Model *model,
                      uint64_t *random) {
    size_t index = c->lifo ? all->count - 1 : blocks_random(random) % all->count;
    model->bytes -= all->at[index].size;
    model->count--;
    model->frees++;
    blocks_free(a, all, index);
}

static void walk_resize(const Conformance *c, GooAllocator *a, Blocks *all, Model *model,
                        uint64_t *random) {
    size_t index = c->lifo ? all->count - 1 : blocks_random(random) % all->count;
    Block *b = &all->at[index];
    size_t old_size = b->size;
    size_t size = blocks_size(c, 1 + blocks_random(random) % (old_size * 2 + 8));
    if (c->room != 0 && size > c->room / 16) {
        return;
    }
    bool done;
    if (blocks_random(random) % 2 == 0) {
        done = goo_memory_resize_options(a, b->ptr, old_size, size, b->alignment);
        b->size = done ? size : old_size;
        block_verify(b, old_size < b->size ? old_size : b->size);
        block_fill(b);
    } else {
        done = block_realloc(a, b, size, blocks_random(random) % 2 == 0 ? GOO_ALLOC_ZERO : 0);
    }
    if (done) {
        all->bytes += size - old_size;
        model_resized(model, old_size, size);
    }
}

static void walk_reset(GooAllocator *a, Blocks *all, Model *model) {
    blocks_verify(all);
    CHECK(goo_allocator_reset(a));
    model->frees += model->count;
    model->bytes = model->count = 0;
    all->count = all->bytes = 0;
}

/* Thousands of random steps; with `counted` the counters must agree after each. */
static void walk(const Conformance *c, bool counted) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    a->track_stats = counted;
    Blocks all = {.count = 0};
    Model model = {0};
    uint64_t random = 4711;
    Conformance resettable = *c;
    resettable.persists = false; /* what persists would stay counted after a reset */
    bool resets = (c->capabilities & GOO_ALLOCATOR_RESETS) != 0;
    for (unsigned step = 0; step < 6000; step++) {
        uint32_t dice = blocks_random(&random) % 100;
        if (dice < 45 || all.count == 0) {
            walk_alloc(resets ? &resettable : c, a, &all, &model, &random);
        } else if (dice < 75) {
            walk_free(c, a, &all, &model, &random);
        } else {
            walk_resize(c, a, &all, &model, &random);
        }
        if (resets && step % 500 == 499) {
            walk_reset(a, &all, &model);
        }
        if (counted) {
            model_check(&model, a);
        }
        if (step % 64 == 0) {
            blocks_verify(&all);
        }
    }
    blocks_free_all(a, &all);
    bench_end(&bench);
}

void conformance_random_walk(const Conformance *c) {
    walk(c, false);
}

void conformance_statistics_are_exact(const Conformance *c) {
    walk(c, true);
}

void conformance_reset(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    if ((c->capabilities & GOO_ALLOCATOR_RESETS) == 0) {
        CHECK(!goo_allocator_reset(a));
        bench_end(&bench);
        return;
    }
    a->track_stats = true;
    size_t alignment = blocks_alignment(c, 16);
    CHECK(goo_allocator_reset(a)); /* of an empty one */
    Block persistent =
        block_make(a, blocks_size(c, 500), alignment, c->persists ? GOO_ALLOC_PERSIST : 0, 33);
    CHECK(persistent.ptr != NULL);
    size_t live = c->persists ? persistent.size : 0;
    size_t held = 0;
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 100; i++) {
            size_t size = blocks_size(c, c->room != 0 ? c->room / 400 : 2000);
            CHECK(block_make(a, size, alignment, 0, (uint8_t)i).ptr != NULL);
        }
        CHECK(goo_allocator_reset(a));
        CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, live);
        CHECK_EQ(goo_get_alloc_stats(a).allocation_count, live != 0 ? 1 : 0);
        CHECK(round < 2 || bench.parent.live_bytes <= held); /* nothing is orphaned */
        held = bench.parent.live_bytes;
    }
    if (c->persists) {
        block_verify(&persistent, persistent.size);
        CHECK(block_realloc(a, &persistent, blocks_size(c, 5000), GOO_ALLOC_ZERO));
        CHECK(block_make(a, blocks_size(c, 6000), alignment, GOO_ALLOC_ZERO, 1).ptr != NULL);
        CHECK(goo_allocator_reset(a)); /* it persists where it was moved to */
        CHECK(block_make(a, blocks_size(c, 60000), alignment, GOO_ALLOC_ZERO, 1).ptr != NULL);
        block_free(a, &persistent);
        CHECK(goo_allocator_reset(a));
    }
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
    CHECK_EQ(goo_get_alloc_stats(a).allocation_count, 0);
    bench_end(&bench);
}

void conformance_destroy_leaves_nothing(const Conformance *c) {
    Bench bench;
    if (!c->has_parent || !c->holds_blocks) {
        bench_begin(&bench, c);
        bench_end(&bench);
        return;
    }
    GooAllocator *a = bench_begin(&bench, c);
    for (size_t i = 0; i < 100; i++) {
        size_t size = blocks_size(c, c->room != 0 ? c->room / 400 : i * 100 + 1);
        Block b = block_make(a, size, blocks_alignment(c, 64), i % 9 == 0 ? GOO_ALLOC_PERSIST : 0,
                             (uint8_t)i);
        CHECK(b.ptr != NULL);
    }
    bench_end(&bench);
}
