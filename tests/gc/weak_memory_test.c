/* Weakness when memory is short: every request refused in turn, and heaps at their hard limit. A
 * call that fails leaves everything as it was, and nothing that is in a table is lost.
 *
 * Uses a private header: gc/heap.h, to put an allocator that fails under the heap's side tables.
 */
#include <errno.h>

#include "gc/heap.h"
#include "goo/gc/weak.h"
#include "tests/gc/support.h"

/* --- side tables: the n-th request fails, and all after it --- */

typedef struct FailingSide {
    GooAllocator allocator;
    GooAllocator *parent;
    size_t until; /* requests that succeed */
} FailingSide;

static void *failing_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    FailingSide *f = ctx;
    if (f->until == 0) {
        return NULL;
    }
    f->until--;
    return f->parent->alloc(f->parent->context, size, alignment, options);
}

static void failing_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    FailingSide *f = ctx;
    f->parent->free(f->parent->context, ptr, size, alignment);
}

static void memory_finalizer(void *object, void *user) {
    (void)object;
    ++*(size_t *)user;
}

typedef struct MemoryRun {
    GooGcHeap *heap;
    GooGcMutator *m;
    void **keys;       /* in the heap, from word 1 on */
    void **ephemerons; /* the same */
    GooGcWeakMap *map;
    size_t count;     /* keys, each with an entry, an ephemeron and a finalizer */
    size_t finalized;
    GooStatus failure;
} MemoryRun;

static void memory_begin(MemoryRun *r, const char *options, size_t keys) {
    *r = (MemoryRun){0};
    r->heap = heap_of(options);
    r->m = goo_gc_attach(r->heap);
    CHECK_EQ(goo_gc_root_add_pointer(r->heap, &r->keys), GOO_OK);
    CHECK_EQ(goo_gc_root_add_pointer(r->heap, &r->ephemerons), GOO_OK);
    CHECK_EQ(goo_gc_root_add_pointer(r->heap, &r->map), GOO_OK);
    r->keys = goo_gc_alloc(r->m, &pointers_type, (keys + 1) * sizeof *r->keys);
    r->ephemerons = goo_gc_alloc(r->m, &pointers_type, (keys + 1) * sizeof *r->ephemerons);
    r->map = goo_gc_weak_map_new(r->m);
    CHECK(r->keys != NULL && r->ephemerons != NULL && r->map != NULL);
}

/* One more of everything; false when something failed, and then it left no trace. */
static bool memory_add(MemoryRun *r) {
    size_t place = 1 + r->count;
    void *key = goo_gc_alloc_leaf(r->m, 16);
    if (key == NULL) {
        return false;
    }
    goo_gc_write_pointer(r->m, r->keys, &r->keys[place], key);
    errno = 0;
    GooGcEphemeron *e = goo_gc_ephemeron_new(r->m, key, key);
    bool made = e != NULL;
    CHECK(made || errno == ENOMEM);
    if (made) {
        goo_gc_write_pointer(r->m, r->ephemerons, &r->ephemerons[place], e);
        r->failure = goo_gc_weak_map_set(r->m, r->map, key, e);
        made = r->failure == GOO_OK;
        CHECK(made || r->failure == GOO_ERR_NO_MEMORY);
        CHECK_PTR_EQ(goo_gc_weak_map_get(r->m, r->map, key), made ? e : NULL);
    }
    if (made) {
        r->failure = goo_gc_set_finalizer(r->m, key, memory_finalizer, &r->finalized);
        made = r->failure == GOO_OK;
        CHECK(made || r->failure == GOO_ERR_NO_MEMORY);
    }
    if (!made) {
        goo_gc_weak_map_remove(r->m, r->map, key);
        goo_gc_write_pointer(r->m, r->keys, &r->keys[place], NULL);
        goo_gc_write_pointer(r->m, r->ephemerons, &r->ephemerons[place], NULL);
        return false;
    }
    r->count++;
    return true;
}

static void memory_check(MemoryRun *r) {
    CHECK_EQ(goo_gc_weak_map_count(r->m, r->map), r->count);
    for (size_t i = 1; i <= r->count; i++) {
        CHECK_PTR_EQ(goo_gc_weak_map_get(r->m, r->map, r->keys[i]), r->ephemerons[i]);
        CHECK_PTR_EQ(goo_gc_ephemeron_value(r->m, r->ephemerons[i]), r->keys[i]);
    }
}

/* Lets all die; every finalizer must come, and the tables must empty. */
static void memory_end(MemoryRun *r) {
    memset(&r->keys[1], 0, r->count * sizeof *r->keys);
    collect(r->m);
    CHECK_EQ(goo_gc_run_finalizers(r->m, SIZE_MAX), r->count);
    CHECK_EQ(r->finalized, r->count);
    CHECK_EQ(goo_gc_weak_map_count(r->m, r->map), 0);
    for (size_t i = 1; i <= r->count; i++) {
        CHECK_PTR_EQ(goo_gc_ephemeron_key(r->m, r->ephemerons[i]), NULL);
    }
    CHECK_EQ(goo_gc_verify(r->heap, NULL), GOO_OK);
    goo_gc_heap_destroy(r->heap);
}

GOO_TEST(gc_weak_memory, every_side_request_fails_in_turn) {
    enum { KEYS = 300 };
    bool all = false;
    for (size_t n = 0; !all; n++) {
        CHECK(n < 100);
        MemoryRun r;
        memory_begin(&r, "poison", KEYS);
        FailingSide side = {.parent = r.heap->side, .until = n};
        side.allocator = *r.heap->side;
        side.allocator.alloc = failing_alloc;
        side.allocator.free = failing_free;
        side.allocator.context = &side;
        r.heap->side = &side.allocator;
        while (r.count < KEYS && memory_add(&r)) {
        }
        all = r.count == KEYS;
        memory_check(&r);
        r.heap->side = side.parent;
        CHECK_EQ(goo_gc_verify(r.heap, NULL), GOO_OK); /* what failed has left nothing counted */
        r.heap->side = &side.allocator;
        collect(r.m);
        memory_check(&r);
        r.heap->side = side.parent;
        CHECK_EQ(goo_gc_verify(r.heap, NULL), GOO_OK);
        memory_end(&r);
    }
}

static void memory_hook(GooGcHeap *heap, void *user) {
    (void)heap;
    (void)user;
}

GOO_TEST(gc_weak_memory, hook_that_finds_no_memory) {
    GooGcHeap *heap = heap_of("");
    FailingSide side = {.parent = heap->side, .until = 0};
    side.allocator = *heap->side;
    side.allocator.alloc = failing_alloc;
    side.allocator.free = failing_free;
    side.allocator.context = &side;
    heap->side = &side.allocator;
    CHECK_EQ(goo_gc_weak_hook_add(heap, memory_hook, NULL),
             GOO_ERR_NO_MEMORY);
    heap->side = side.parent;
    goo_gc_heap_destroy(heap);
}

/* --- the hard limit: full, half of it dropped, full again --- */

static void memory_fill(const char *options, size_t keys) {
    MemoryRun r;
    memory_begin(&r, options, keys);
    size_t finalized = 0;
    for (int round = 0; round < 3; round++) {
        while (r.count < keys && memory_add(&r)) {
        }
        CHECK(r.count < keys && r.count > 100); /* full */
        CHECK(goo_gc_get_stats(r.heap).peak_bytes <= r.heap->options.hard_limit_bytes);
        memory_check(&r);
        size_t half = r.count / 2;
        finalized += r.count - half;
        memset(&r.keys[1 + half], 0, (r.count - half) * sizeof *r.keys);
        memset(&r.ephemerons[1 + half], 0, (r.count - half) * sizeof *r.ephemerons);
        r.count = half;
        collect(r.m);
        CHECK(goo_gc_run_finalizers(r.m, SIZE_MAX) > 0);
        collect(r.m);
        CHECK_EQ(r.finalized, finalized);
        memory_check(&r);
    }
    r.finalized = 0;
    memory_end(&r);
}

GOO_TEST(gc_weak_memory, at_the_hard_limit) {
    memory_fill("hard=1M", 20000);
    memory_fill("hard=3M,poison", 60000);
    memory_fill("hard=16M", 400000);
}

/* Limits from too little to enough: what fails first differs, and nothing breaks. */
GOO_TEST(gc_weak_memory, limits_in_small_steps) {
    enum { KEYS = 1000 };
    bool all = false;
    for (size_t limit = 320 << 10; !all; limit += 4 << 10) {
        CHECK(limit < 4u << 20);
        MemoryRun r;
        memory_begin(&r, "verify", KEYS);
        if (goo_gc_set_limits(r.heap, 0, limit) != GOO_OK) {
            goo_gc_heap_destroy(r.heap);
            continue;
        }
        while (r.count < KEYS && memory_add(&r)) {
        }
        all = r.count == KEYS;
        CHECK(goo_gc_get_stats(r.heap).peak_bytes <= limit);
        memory_check(&r);
        memory_end(&r);
    }
}
