/* Bytes outside the heap that hang on it: attached allocators and goo_gc_adjust_external.
 *
 * Public headers only. Invariants: PRESS-1.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "goo/allocators/system.h"
#include "goo/gc/inline.h"
#include "goo/runtime/memory.h"
#include "tests/gc/support.h"

static size_t pressure_external(const GooGcHeap *heap) {
    return goo_gc_get_stats(heap).external_bytes;
}

/* A wrapper that owns a block of an allocator and frees it when it dies. */
typedef struct Buffer {
    const GooGcType *type;
    GooAllocator *allocator;
    void *block;
    size_t size;
} Buffer;

static void buffer_finalize(void *object, void *user) {
    Buffer *buffer = object;
    (void)user;
    if (buffer->block != NULL) {
        goo_memory_free_with(buffer->allocator, buffer->block, buffer->size);
    }
}

static const GooGcType buffer_type = {.name = "buffer",
                                      .size = sizeof(Buffer),
                                      .layout = GOO_GC_LAYOUT_LEAF,
                                      .finalize = buffer_finalize};

static Buffer *buffer_new(GooGcMutator *m, GooAllocator *a, size_t size) {
    Buffer *buffer = goo_gc_alloc(m, &buffer_type, 0);
    CHECK(buffer != NULL);
    goo_gc_push(m, buffer);
    buffer->allocator = a;
    buffer->size = size;
    buffer->block = goo_memory_alloc_with(a, size);
    goo_gc_pop(m, 1);
    return buffer;
}

GOO_TEST(gc_pressure, attached_bytes_are_counted) {
    GooGcHeap *heap = heap_of("");
    GooAllocator *a = goo_system_allocator_create();
    CHECK(a != NULL);
    CHECK_EQ(goo_gc_attach_allocator(heap, NULL), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_attach_allocator(NULL, a), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_detach_allocator(heap, a), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_ERR_INVALID_ARGUMENT);
    void *one = goo_memory_alloc_with(a, 1000), *two = goo_memory_alloc_zeroed_with(a, 500);
    CHECK_EQ(pressure_external(heap), 1500);
    one = goo_memory_realloc_with(a, one, 1000, 3000);
    CHECK_EQ(pressure_external(heap), 3500);
    one = goo_memory_realloc_with(a, one, 3000, 10);
    CHECK_EQ(pressure_external(heap), 510);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, SIZE_MAX / 2), NULL);
    CHECK_EQ(pressure_external(heap), 510);
    goo_memory_free_with(a, two, 500);
    CHECK_EQ(pressure_external(heap), 10);
    CHECK_EQ(goo_gc_detach_allocator(heap, a), GOO_OK);
    CHECK_EQ(pressure_external(heap), 0);
    goo_memory_free_with(a, one, 10); /* nobody counts any more */
    CHECK_EQ(pressure_external(heap), 0);
    goo_gc_heap_destroy(heap);
    goo_allocator_destroy(a);
}

/* A heap's end detaches: the allocator goes on alone. */
GOO_TEST(gc_pressure, heap_ends_before_its_allocator) {
    GooAllocator *a = goo_system_allocator_create();
    uint32_t capabilities = a->capabilities;
    void *block = NULL;
    for (int i = 0; i < 3; i++) {
        GooGcHeap *heap = heap_of("");
        CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
        block = goo_memory_realloc_with(a, NULL, 0, 100);
        CHECK_EQ(pressure_external(heap), 100);
        goo_gc_heap_destroy(heap);
        CHECK_EQ(a->capabilities, capabilities);
        goo_memory_free_with(a, block, 100);
    }
    goo_allocator_destroy(a);
}

GOO_TEST(gc_pressure, one_allocator_two_heaps) {
    GooGcHeap *wide = heap_of("hard=64M"), *narrow = heap_of("hard=1M");
    GooAllocator *a = goo_system_allocator_create();
    CHECK_EQ(goo_gc_attach_allocator(wide, a), GOO_OK);
    CHECK_EQ(goo_gc_attach_allocator(narrow, a), GOO_OK);
    void *block = goo_memory_alloc_with(a, 400000);
    CHECK_EQ(pressure_external(wide), 400000);
    CHECK_EQ(pressure_external(narrow), 400000);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 1 << 20), NULL); /* one heap refuses: none counts */
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(pressure_external(wide), 400000);
    CHECK_EQ(pressure_external(narrow), 400000);
    CHECK_EQ(goo_gc_detach_allocator(narrow, a), GOO_OK);
    void *more = goo_memory_alloc_with(a, 1 << 20);
    CHECK(more != NULL);
    CHECK_EQ(pressure_external(wide), 400000 + (1 << 20));
    CHECK_EQ(pressure_external(narrow), 0);
    goo_memory_free_with(a, block, 400000);
    goo_memory_free_with(a, more, 1 << 20);
    goo_gc_heap_destroy(wide);
    goo_gc_heap_destroy(narrow);
    goo_allocator_destroy(a);
}

/* At the hard limit: strategy NULL fails, strategy GC collects and then has room. */
GOO_TEST(gc_pressure, strategies_at_the_hard_limit) {
    for (int collecting = 0; collecting < 2; collecting++) {
        GooGcHeap *heap = heap_of("hard=8M,initial=64M");
        GooGcMutator *m = goo_gc_attach(heap);
        GooAllocator *a = goo_system_allocator_create();
        a->strategy = collecting ? GOO_ALLOC_STRATEGY_GC : GOO_ALLOC_STRATEGY_NULL;
        CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
        size_t failed = 0;
        for (int i = 0; i < 40; i++) { /* garbage at once */
            failed += buffer_new(m, a, 1100000)->block == NULL;
            GooGcStats s = goo_gc_get_stats(heap);
            CHECK(s.heap_bytes + s.metadata_bytes + s.external_bytes <= 8 << 20);
        }
        GooGcStats s = goo_gc_get_stats(heap);
        CHECK(s.peak_bytes <= 8 << 20);
        CHECK_EQ(failed, collecting ? 0 : 33);
        CHECK_EQ(s.limit_hits, failed);
        CHECK_MSG(s.collections_full == (collecting ? 5 : 0), "%llu collections",
                  (unsigned long long)s.collections_full);
        /* What lives can't be collected away. */
        Buffer *kept[8];
        for (size_t i = 0; i < 8; i++) {
            kept[i] = buffer_new(m, a, 1100000);
            goo_gc_push(m, kept[i]);
        }
        CHECK_PTR_EQ(kept[7]->block, NULL);
        CHECK_EQ(goo_gc_get_stats(heap).limit_hits, s.limit_hits + (collecting ? 1 : 8));
        goo_gc_pop(m, 8);
        collect(m);
        CHECK_EQ(pressure_external(heap), 0);
        goo_gc_heap_destroy(heap);
        goo_allocator_destroy(a);
    }
}

/* Strategy GC where no collection may run: NULL, not a hang and not a panic. */
static void pressure_allocate_in_finalize(void *object, void *user) {
    GooAllocator *a = ((Buffer *)object)->allocator;
    ((Buffer *)object)->block = goo_memory_alloc_with(a, 1 << 20);
    *(int *)user += ((Buffer *)object)->block == NULL;
}

GOO_TEST(gc_pressure, strategy_gc_where_none_may_run) {
    int refused = 0;
    GooGcType type = {.name = "allocates", .size = sizeof(Buffer), .layout = GOO_GC_LAYOUT_LEAF,
                      .finalize = pressure_allocate_in_finalize, .user = &refused};
    GooGcHeap *heap = heap_of("hard=1M");
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *a = goo_system_allocator_create();
    a->strategy = GOO_ALLOC_STRATEGY_GC;
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    ((Buffer *)goo_gc_alloc(m, &type, 0))->allocator = a;
    collect(m);
    CHECK_EQ(refused, 1);
    goo_gc_disable(heap);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 1 << 20), NULL);
    goo_gc_enable(heap);
    goo_gc_detach(m);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 1 << 20), NULL); /* no mutator on this thread */
    goo_gc_heap_destroy(heap);
    goo_allocator_destroy(a);
}

/* A million dead buffers behind small wrappers: the heap itself would see 32 MB of garbage and
 * wait; the buffers' bytes bring collections forward, so that the peak stays near the headroom. */
static void pressure_check_garbage(size_t size, size_t count) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *a = goo_system_allocator_create();
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    for (size_t i = 0; i < count; i++) {
        CHECK(buffer_new(m, a, size)->block != NULL);
    }
    GooGcStats s = goo_gc_get_stats(heap);
    CHECK_MSG(s.peak_bytes < (7 << 20) + 2 * size, "peak %zu", s.peak_bytes);
    size_t garbage = count * (size + sizeof(Buffer));
    CHECK_MSG(s.collections_full <= garbage / (3 << 20) + 1, "%llu collections",
              (unsigned long long)s.collections_full);
    goo_gc_heap_destroy(heap);
    goo_allocator_destroy(a);
}

GOO_TEST(gc_pressure, external_garbage_brings_collections) {
    pressure_check_garbage(880, 200000);
    pressure_check_garbage(8800, 50000);
    pressure_check_garbage(3000000, 200);
}

/* External bytes that live do not make the collector run without end. */
GOO_TEST(gc_pressure, live_external_bytes_cost_no_collections) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    CHECK_EQ(goo_gc_adjust_external(heap, 128 << 20), GOO_OK);
    for (size_t i = 0; i < 1000000; i++) {
        CHECK(goo_gc_alloc_leaf(m, 128) != NULL);
    }
    /* 128 MB of garbage over 128 MB live: the first sight of it, and one more. */
    CHECK(goo_gc_get_stats(heap).collections_full <= 2);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_pressure, adjust_external) {
    GooGcHeap *heap = heap_of("hard=8M,initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    CHECK_EQ(goo_gc_adjust_external(NULL, 1), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_adjust_external(heap, 0), GOO_OK);
    CHECK_EQ(goo_gc_adjust_external(heap, 1000), GOO_OK);
    CHECK_EQ(goo_gc_adjust_external(heap, -400), GOO_OK);
    CHECK_EQ(pressure_external(heap), 600);
    CHECK_EQ(goo_gc_adjust_external(heap, 8 << 20), GOO_ERR_LIMIT);
    CHECK_EQ(goo_gc_adjust_external(heap, PTRDIFF_MAX), GOO_ERR_LIMIT);
    CHECK_EQ(pressure_external(heap), 600);
    CHECK_EQ(goo_gc_get_stats(heap).limit_hits, 2);
    CHECK_PANICS(goo_gc_adjust_external(heap, -601), "601 bytes taken away, 600 counted");
    CHECK_PANICS(goo_gc_adjust_external(heap, PTRDIFF_MIN), "taken away");
    CHECK_EQ(pressure_external(heap), 600);
    CHECK_EQ(goo_gc_adjust_external(heap, -600), GOO_OK);
    /* Garbage in the heap makes room for it. */
    for (int i = 0; i < 60000; i++) {
        CHECK(goo_gc_alloc_leaf(m, 100) != NULL);
    }
    uint64_t collections = goo_gc_get_stats(heap).collections_full;
    CHECK_EQ(goo_gc_adjust_external(heap, 5 << 20), GOO_OK);
    CHECK_EQ(goo_gc_get_stats(heap).collections_full, collections + 1);
    goo_gc_heap_destroy(heap);
}

/* What an allocator counted can't be taken away by hand, nor the other way round. */
GOO_TEST(gc_pressure, counts_are_kept_apart) {
    GooGcHeap *heap = heap_of("");
    GooAllocator *a = goo_system_allocator_create(), *b = goo_system_allocator_create();
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    void *before = goo_memory_alloc_with(b, 100);
    CHECK_EQ(goo_gc_attach_allocator(heap, b), GOO_OK);
    void *block = goo_memory_alloc_with(a, 100);
    CHECK_PANICS(goo_gc_adjust_external(heap, -1), "taken away");
    CHECK_PANICS(goo_memory_free_with(b, before, 100), "attached with live blocks");
    CHECK_EQ(pressure_external(heap), 100);
    goo_memory_free_with(a, block, 100);
    goo_gc_heap_destroy(heap);
    goo_allocator_destroy(a);
    goo_allocator_destroy(b);
}

/* A loop that allocates nothing on the heap still stops for a collection that outside bytes made
 * due: the inline safepoint sees it too, in the middle of a span. */
GOO_TEST(gc_pressure, safepoints_see_external_bytes) {
    GooGcHeap *heap = heap_of("initial=1M");
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *a = goo_system_allocator_create();
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    for (uint64_t due = 1; due <= 6; due++) {
        CHECK(goo_gc_alloc_leaf(m, 16) != NULL);
        goo_gc_safepoint_inline(m);
        CHECK_EQ(goo_gc_get_stats(heap).collections_full, due - 1);
        void *block = NULL;
        if (due % 2 == 0) {
            block = goo_memory_alloc_with(a, 32 << 20);
            CHECK(block != NULL);
        } else {
            CHECK_EQ(goo_gc_adjust_external(heap, 32 << 20), GOO_OK);
        }
        goo_gc_safepoint_inline(m);
        CHECK_EQ(goo_gc_get_stats(heap).collections_full, due);
        goo_gc_safepoint_inline(m);
        CHECK_EQ(goo_gc_get_stats(heap).collections_full, due);
        if (due % 2 == 0) {
            goo_memory_free_with(a, block, 32 << 20);
        } else {
            CHECK_EQ(goo_gc_adjust_external(heap, -(32 << 20)), GOO_OK);
        }
        collect(m); /* so that the bytes that went are not part of the next target */
        due++;
        CHECK_EQ(goo_gc_get_stats(heap).collections_full, due);
    }
    goo_gc_heap_destroy(heap);
    goo_allocator_destroy(a);
}

/* --- threads --- */

typedef struct PressureThread {
    GooAllocator *allocator;
    uint64_t seed;
    size_t refused;
} PressureThread;

static void *pressure_churn(void *arg) {
    enum { HELD = 32 };
    PressureThread *t = arg;
    void *blocks[HELD] = {0};
    size_t sizes[HELD] = {0};
    for (int i = 0; i < 20000; i++) {
        size_t k = random_next(&t->seed) % HELD;
        if (blocks[k] != NULL) {
            goo_memory_free_with(t->allocator, blocks[k], sizes[k]);
        }
        sizes[k] = 1 + random_next(&t->seed) % 40000;
        blocks[k] = goo_memory_alloc_with(t->allocator, sizes[k]);
        t->refused += blocks[k] == NULL;
    }
    for (size_t k = 0; k < HELD; k++) {
        if (blocks[k] != NULL) {
            goo_memory_free_with(t->allocator, blocks[k], sizes[k]);
        }
    }
    return NULL;
}

/* Other threads use the allocator while the mutator allocates and collects: every byte is counted
 * once and given back once, and each refusal is a limit hit. */
GOO_TEST(gc_pressure, allocator_of_many_threads) {
    enum { THREADS = 4 };
    GooGcHeap *heap = heap_of("hard=6M,initial=64K");
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *a = goo_system_allocator_create();
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    pthread_t threads[THREADS];
    PressureThread work[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        work[i] = (PressureThread){.allocator = a, .seed = i};
        CHECK_EQ(pthread_create(&threads[i], NULL, pressure_churn, &work[i]), 0);
    }
    size_t failed = 0;
    for (int i = 0; i < 30000; i++) {
        failed += goo_gc_alloc_leaf(m, 500) == NULL;
    }
    size_t refused = failed;
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        refused += work[i].refused;
    }
    CHECK_EQ(pressure_external(heap), 0);
    CHECK_EQ(goo_gc_get_stats(heap).limit_hits, refused);
    goo_gc_heap_destroy(heap);
    goo_allocator_destroy(a);
}

GOO_TEST(gc_pressure, pressure_rises_to_one) {
    GooGcHeap *heap = heap_of("initial=1M");
    GooGcMutator *m = goo_gc_attach(heap);
    double last = goo_gc_pressure(heap);
    CHECK(last == 0.0);
    CHECK_EQ(goo_gc_adjust_external(heap, 256 << 10), GOO_OK);
    CHECK(goo_gc_pressure(heap) == 0.25);
    CHECK_EQ(goo_gc_adjust_external(heap, 512 << 10), GOO_OK);
    CHECK(goo_gc_pressure(heap) == 0.75);
    CHECK(!goo_gc_step(m, 100));
    CHECK_EQ(goo_gc_adjust_external(heap, 10 << 20), GOO_OK);
    CHECK(goo_gc_pressure(heap) == 1.0);
    CHECK_EQ(goo_gc_get_stats(heap).collections_full, 0);
    goo_gc_safepoint(m); /* one is due: this is where it runs */
    CHECK_EQ(goo_gc_get_stats(heap).collections_full, 1);
    CHECK(goo_gc_pressure(heap) == 0.0);
    CHECK_EQ(goo_gc_adjust_external(heap, 11 << 20), GOO_OK);
    CHECK(goo_gc_step(m, 100));
    CHECK_EQ(goo_gc_get_stats(heap).collections_full, 2);
    goo_gc_heap_destroy(heap);
}
