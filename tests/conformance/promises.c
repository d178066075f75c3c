/* The suite's cases on what the front door promises over any allocator: strategies when it is
 * full, whole pages and their counts, events, refusals, the two ways to destroy.
 */
#include "goo/runtime/callbacks.h"
#include "goo/runtime/stats.h"
#include "tests/conformance/blocks.h"

enum { PAGE = 4096 };

/* --- whole pages --- */

static bool has_pages(const Conformance *c, size_t size) {
    return (c->max_size == 0 || c->max_size >= size) &&
           (c->max_alignment == 0 || c->max_alignment >= PAGE);
}

static void check_bytes(GooAllocator *a, size_t bytes) {
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, bytes);
    CHECK_EQ(goo_get_alloc_stats(a).allocation_count, bytes != 0 ? 1 : 0);
}

/* The bytes that were asked for count, whatever was added to fill pages. */
void conformance_pages(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    a->track_stats = true;
    if (!has_pages(c, PAGE)) {
        CHECK_PTR_EQ(goo_memory_alloc_options(a, 100, 0, GOO_ALLOC_PAGE), NULL);
        CHECK_EQ(errno, EINVAL);
        bench_end(&bench);
        return;
    }
    Block b = {NULL, 100, GOO_DEFAULT_ALIGNMENT, 3};
    b.ptr = goo_memory_alloc_options(a, 100, 0, GOO_ALLOC_PAGE | GOO_ALLOC_ZERO);
    CHECK(b.ptr != NULL && (uintptr_t)b.ptr % PAGE == 0);
    CHECK(goo_memory_is_zero(b.ptr, 100));
    check_bytes(a, 100);
    block_fill(&b);
    if (has_pages(c, 2 * PAGE)) {
        b.ptr = goo_memory_realloc_options(a, b.ptr, 100, 5000, 0, GOO_ALLOC_PAGE);
        CHECK(b.ptr != NULL && (uintptr_t)b.ptr % PAGE == 0);
        block_verify(&b, 100);
        b.size = 5000;
        if (!c->guards) {
            memset(b.ptr, 0xee, 2 * PAGE); /* the pages are the caller's */
        }
        check_bytes(a, 5000);
    }
    block_fill(&b);
    block_free(a, &b);
    check_bytes(a, 0);
    if ((c->capabilities & GOO_ALLOCATOR_RESETS) != 0) {
        CHECK(goo_memory_alloc_options(a, 100, 0, GOO_ALLOC_PAGE) != NULL);
        CHECK(goo_memory_alloc_options(a, 300, 0, GOO_ALLOC_PAGE) != NULL);
        CHECK(goo_allocator_reset(a));
        check_bytes(a, 0);
    }
    bench_end(&bench);
}

/* --- strategies --- */

static Bench *relief; /* what the handler below helps */
static size_t handler_calls, handler_helps_at;

static void out_of_memory(void) {
    if (++handler_calls == handler_helps_at) {
        relief->parent.fail_at = 0;
    }
}

/* A size that the allocator can't meet now; 0 if there is none that is safe to ask for. */
static size_t size_that_fails(const Conformance *c, Bench *bench) {
    if (c->room != 0) {
        return c->room + 1;
    }
    if (!c->has_parent) {
        return MALLOC_REFUSES && !goo_test_under_valgrind() ? (size_t)PTRDIFF_MAX / 2 : 0;
    }
    bench->parent.fail_at = bench->parent.requests + 1;
    bench->parent.fail_on = true;
    return blocks_size(c, 1 << 20);
}

void conformance_strategies(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    a->track_stats = true;
    size_t alignment = blocks_alignment(c, GOO_DEFAULT_ALIGNMENT);
    size_t size = size_that_fails(c, &bench);
    if (size != 0) {
        errno = 0;
        CHECK_PTR_EQ(goo_memory_alloc_options(a, size, alignment, 0), NULL);
        CHECK_EQ(errno, ENOMEM);
        CHECK_PANICS(goo_memory_alloc_options(a, size, alignment, GOO_ALLOC_NOFAIL),
                     "out of memory");
        a->strategy = GOO_ALLOC_STRATEGY_PANIC;
        CHECK_PANICS(goo_memory_alloc_options(a, size, alignment, 0), c->name);
        a->strategy = GOO_ALLOC_STRATEGY_GC; /* no heap is attached */
        CHECK_PTR_EQ(goo_memory_alloc_options(a, size, alignment, 0), NULL);
        CHECK_EQ(errno, ENOMEM);
        a->strategy = GOO_ALLOC_STRATEGY_RETRY;
        a->out_of_mem_fn = out_of_memory;
        relief = &bench;
        handler_calls = handler_helps_at = 0;
        CHECK_PTR_EQ(goo_memory_alloc_options(a, size, alignment, 0), NULL);
        CHECK_EQ(errno, ENOMEM);
        CHECK_EQ(handler_calls, GOO_RETRY_LIMIT);
        CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 5);
        CHECK_PANICS(goo_memory_alloc_options(a, size, alignment, GOO_ALLOC_NOFAIL),
                     "out of memory");
        handler_calls = 0;
        handler_helps_at = 3;
        if (c->has_parent && c->room == 0) {
            Block b = block_make(a, size, alignment, GOO_ALLOC_NOFAIL, 1);
            CHECK(b.ptr != NULL);
            CHECK_EQ(handler_calls, 3);
            CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 6); /* it did not fail */
            block_free(a, &b);
        }
    }
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
    bench_end(&bench);
}

/* --- callbacks --- */

typedef struct Witness {
    GooAllocator *a;
    size_t counts[GOO_EVENT_PRESSURE + 1];
    GooMemoryEvent last;
} Witness;

static void witness(const GooMemoryEvent *event, void *user) {
    Witness *w = user;
    if (event->allocator == w->a) {
        w->counts[event->kind]++;
        w->last = *event;
    }
}

void conformance_events(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    Witness w = {.a = a};
    int id = goo_callback_add_observer(witness, &w, (2u << GOO_EVENT_PRESSURE) - 1);
    CHECK(id > 0);
    size_t alignment = blocks_alignment(c, 32);
    size_t size = blocks_size(c, 300), half = size / 2;
    uint8_t *p = goo_memory_alloc_options(a, half, alignment, 0);
    CHECK_EQ(w.counts[GOO_EVENT_ALLOC], 1);
    CHECK_PTR_EQ(w.last.ptr, p);
    CHECK_EQ(w.last.size, half);
    CHECK_EQ(w.last.alignment, alignment);
    uint8_t *moved = goo_memory_realloc_options(a, p, half, size, alignment, 0);
    CHECK_EQ(w.counts[GOO_EVENT_REALLOC], 1);
    CHECK_PTR_EQ(w.last.ptr, moved);
    CHECK_PTR_EQ(w.last.old_ptr, p);
    CHECK_EQ(w.last.old_size, half);
    CHECK_EQ(w.last.size, size);
    bool resized = goo_memory_resize_options(a, moved, size, half, alignment);
    CHECK_EQ(w.counts[GOO_EVENT_REALLOC], 1 + resized);
    CHECK_PTR_EQ(goo_memory_alloc_options(a, SIZE_MAX, alignment, 0), NULL);
    CHECK_EQ(w.counts[GOO_EVENT_OUT_OF_MEMORY], 1);
    goo_memory_free_options(a, moved, resized ? half : size, alignment);
    CHECK_EQ(w.counts[GOO_EVENT_FREE], 1);
    CHECK_PTR_EQ(w.last.ptr, moved);
    CHECK_EQ(w.last.size, resized ? half : size);
    bool reset = goo_allocator_reset(a);
    CHECK_EQ(w.counts[GOO_EVENT_RESET], reset);
    CHECK_EQ(w.counts[GOO_EVENT_ALLOC], 1);
    goo_callback_remove(id);
    bench_end(&bench);
}

static bool refuse(const GooMemoryEvent *event, void *user) {
    return event->allocator != user;
}

void conformance_refusals(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    a->track_stats = true;
    size_t alignment = blocks_alignment(c, GOO_DEFAULT_ALIGNMENT);
    Block b = block_make(a, blocks_size(c, 200) / 2, alignment, 0, 9);
    CHECK(b.ptr != NULL);
    size_t live_bytes = bench.parent.live_bytes;
    int id = goo_callback_add_interceptor(refuse, a);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_options(a, 1, alignment, 0), NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_realloc_options(a, b.ptr, b.size, b.size + 1, alignment, 0), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK(!goo_memory_resize_options(a, b.ptr, b.size, b.size - 1, alignment));
    CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 2); /* a resize is none */
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, b.size);
    CHECK_EQ(bench.parent.live_bytes, live_bytes);
    block_free(a, &b); /* can't be refused */
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
    goo_callback_remove(id);
    bench_end(&bench);
}

/* --- the end --- */

void conformance_destroyed_by_its_function(const Conformance *c) {
    Bench bench;
    GooAllocator *a = bench_begin(&bench, c);
    Block b = block_make(a, blocks_size(c, 200), blocks_alignment(c, 16), 0, 1);
    CHECK(b.ptr != NULL);
    if (!c->holds_blocks) {
        block_free(a, &b);
    }
    a->destroy(a); /* as goo_allocator_destroy */
    CHECK_EQ(bench.parent.live, 0);
    CHECK_EQ(bench.parent.live_bytes, 0);
    CHECK_EQ(bench.parent.faults, 0);
}
