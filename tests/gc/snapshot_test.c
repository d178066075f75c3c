/* goo_gc_write_snapshot as a call: errors, what it leaves as it was, memory that is short. What the
 * files contain: snapshot_check.py.
 *
 * Uses private headers: gc/heap.h, for the allocator of side tables.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "gc/heap.h"
#include "goo/gc/weak.h"
#include "tests/gc/support.h"

typedef struct SnapshotText {
    char *bytes;
    size_t size;
} SnapshotText;

static SnapshotText snapshot_of(GooGcHeap *heap) {
    SnapshotText text = {NULL, 0};
    FILE *out = open_memstream(&text.bytes, &text.size);
    CHECK(out != NULL);
    CHECK_EQ(goo_gc_write_snapshot(heap, out), GOO_OK);
    fclose(out);
    return text;
}

static Pair *snapshot_build(GooGcMutator *m, size_t count) {
    Pair *list = NULL;
    goo_gc_push(m, NULL);
    for (size_t i = 0; i < count; i++) {
        list = pair_new(m, list, NULL, i);
        goo_gc_pop(m, 1);
        goo_gc_push(m, list);
        pair_new(m, list, NULL, i); /* garbage */
    }
    return list;
}

/* Twice the same, byte for byte; nothing is collected, and nothing counted. */
GOO_TEST(gc_snapshot, changes_nothing) {
    GooGcHeap *heap = heap_of("initial=64K");
    GooGcMutator *m = goo_gc_attach(heap);
    snapshot_build(m, 20000);
    GooGcStats before = goo_gc_get_stats(heap);
    CHECK(before.collections_full > 1);
    SnapshotText one = snapshot_of(heap), two = snapshot_of(heap);
    CHECK_EQ(one.size, two.size);
    CHECK(memcmp(one.bytes, two.bytes, one.size) == 0);
    GooGcStats after = goo_gc_get_stats(heap);
    CHECK_EQ(after.collections_full, before.collections_full);
    CHECK_EQ(after.metadata_bytes, before.metadata_bytes);
    CHECK_EQ(after.allocated_objects, before.allocated_objects);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    collect(m); /* garbage was not there: without it nothing changes */
    SnapshotText three = snapshot_of(heap);
    CHECK_EQ(one.size, three.size);
    CHECK(memcmp(one.bytes, three.bytes, one.size) == 0);
    free(one.bytes);
    free(two.bytes);
    free(three.bytes);
    goo_gc_heap_destroy(heap);
}

/* --- where the stack changes --- */

/* From one place, after calls that left other words where the next one's frames come to lie. */
static void snapshot_repeat(GooGcHeap *heap) {
    for (int i = 0; i < 3; i++) {
        SnapshotText text = snapshot_of(heap);
        CHECK(text.size > 1000);
        free(text.bytes);
        CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    }
}

enum { SNAPSHOT_FIBER_SIZE = 512 << 10 };
static ucontext_t snapshot_main_context, snapshot_fiber_context;
static GooGcHeap *snapshot_fiber_heap;
static size_t snapshot_fiber_length;

static void snapshot_fiber_body(void) {
    GooGcMutator *m = goo_gc_attach(snapshot_fiber_heap);
    Pair *volatile pair = pair_new(m, pair_new(m, NULL, NULL, 1), NULL, 2);
    snapshot_repeat(snapshot_fiber_heap);
    snapshot_fiber_length = goo_gc_why_alive(snapshot_fiber_heap, pair->first, NULL, NULL);
    goo_gc_detach(m);
}

/* All of the fiber's stack is scanned, and below the looking call it changes all the time: each
 * pass has to see the same. */
static void snapshot_run_fiber(const char *options) {
    snapshot_fiber_heap = heap_of(options);
    GooGcMutator *m = goo_gc_attach(snapshot_fiber_heap);
    uint64_t *stack = calloc(1, SNAPSHOT_FIBER_SIZE);
    CHECK(stack != NULL);
    CHECK_EQ(getcontext(&snapshot_fiber_context), 0);
    snapshot_fiber_context.uc_stack.ss_sp = stack;
    snapshot_fiber_context.uc_stack.ss_size = SNAPSHOT_FIBER_SIZE;
    snapshot_fiber_context.uc_link = &snapshot_main_context;
    makecontext(&snapshot_fiber_context, snapshot_fiber_body, 0);
    CHECK_EQ(goo_gc_add_stack(m, stack, stack + SNAPSHOT_FIBER_SIZE / sizeof *stack), GOO_OK);
    snapshot_fiber_length = 0;
    snapshot_build(m, 3000);
    CHECK_EQ(swapcontext(&snapshot_main_context, &snapshot_fiber_context), 0);
    CHECK(snapshot_fiber_length == 1 || snapshot_fiber_length == 2);
    goo_gc_heap_destroy(snapshot_fiber_heap);
    free(stack);
}

GOO_TEST(gc_snapshot, on_a_fiber) {
    if (GOO_TEST_ADDRESS_SANITIZER) {
        SKIP("the sanitizer can't follow a jump from one stack to another");
    }
    snapshot_run_fiber("scan_stacks");
    snapshot_run_fiber("");
}

/* In a blocking region the stack goes on changing where it was when that began. */
GOO_TEST(gc_snapshot, inside_a_blocking_region) {
    GooGcHeap *heap = heap_of("scan_stacks");
    GooGcMutator *m = goo_gc_attach(heap);
    snapshot_build(m, 3000);
    goo_gc_blocking_begin(m);
    snapshot_repeat(heap);
    goo_gc_blocking_end(m);
    goo_gc_heap_destroy(heap);
}

/* --- errors --- */

GOO_TEST(gc_snapshot, files_that_take_no_more) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    snapshot_build(m, 5000);
    static char buffer[1 << 16];
    for (size_t size = 1; size <= sizeof buffer; size *= 4) {
        FILE *out = fmemopen(buffer, size, "w");
        CHECK(out != NULL);
        CHECK_EQ(goo_gc_write_snapshot(heap, out), GOO_ERR_IO);
        fclose(out);
    }
    FILE *full = fopen("/dev/full", "w");
    if (full != NULL) {
        CHECK_EQ(goo_gc_write_snapshot(heap, full), GOO_ERR_IO);
        fclose(full);
    }
    FILE *read_only = fopen("/dev/null", "r");
    CHECK(read_only != NULL);
    CHECK_EQ(goo_gc_write_snapshot(heap, read_only), GOO_ERR_IO);
    fclose(read_only);
    collect(m);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, 5000);
    goo_gc_heap_destroy(heap);
}

static void snapshot_inside(GooGcHeap *heap, const GooGcEvent *event, void *user) {
    (void)event;
    *(bool *)user |= goo_gc_write_snapshot(heap, stderr) != GOO_ERR_BUSY;
}

GOO_TEST(gc_snapshot, refused) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    CHECK_EQ(goo_gc_write_snapshot(NULL, stderr), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_write_snapshot(heap, NULL), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_set_namer(heap, &(GooGcNamer){NULL, NULL}), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_set_namer(NULL, NULL), GOO_ERR_INVALID_ARGUMENT);
    bool wrong = false;
    CHECK_EQ(goo_gc_set_listener(heap, &(GooGcListener){snapshot_inside, &wrong}), GOO_OK);
    collect(m);
    CHECK(!wrong);
    goo_gc_heap_destroy(heap);
}

/* --- names --- */

static const char *snapshot_name(const void *object, const GooGcType *type, void *user) {
    (void)user;
    return type == &pair_type && ((const Pair *)object)->value % 2 == 0 ? "even one" : NULL;
}

static size_t snapshot_occurrences(const SnapshotText *text, const char *word) {
    size_t count = 0;
    for (const char *at = strstr(text->bytes, word); at != NULL; at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

GOO_TEST(gc_snapshot, names_stand_there_once) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    snapshot_build(m, 100);
    CHECK_EQ(goo_gc_set_namer(heap, &(GooGcNamer){snapshot_name, NULL}), GOO_OK);
    SnapshotText text = snapshot_of(heap);
    CHECK_EQ(snapshot_occurrences(&text, "\"even one\""), 1);
    CHECK_EQ(snapshot_occurrences(&text, "\"pair\""), 1);
    free(text.bytes);
    CHECK_EQ(goo_gc_set_namer(heap, NULL), GOO_OK);
    text = snapshot_of(heap);
    CHECK_EQ(snapshot_occurrences(&text, "\"even one\""), 0);
    free(text.bytes);
    goo_gc_heap_destroy(heap);
}

/* --- memory that is short --- */

typedef struct SnapshotSide {
    GooAllocator *inner;
    size_t left, live;
} SnapshotSide;

static void *snapshot_side_alloc(void *ctx, size_t size, size_t alignment,
                                 GooAllocOptions options) {
    SnapshotSide *side = ctx;
    if (side->left == 0) {
        return NULL;
    }
    side->left--;
    void *block = side->inner->alloc(side->inner->context, size, alignment, options);
    side->live += block != NULL;
    return block;
}

static void snapshot_side_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    SnapshotSide *side = ctx;
    side->live -= ptr != NULL;
    side->inner->free(side->inner->context, ptr, size, alignment);
}

/* Ephemerons found before their keys and a hundred types, so that all tables have to grow. */
GOO_TEST(gc_snapshot, every_allocation_fails_in_turn) {
    enum { PAIRS = 600, TYPES = 100 };
    static GooGcType types[TYPES];
    static char names[TYPES][16];
    GooGcHeap *heap = heap_of("initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    void **keep = goo_gc_alloc(m, &pointers_type, 8 + 8 * 2 * PAIRS);
    goo_gc_push(m, keep);
    for (size_t i = 0; i < PAIRS; i++) {
        GooGcType *type = &types[i % TYPES];
        snprintf(names[i % TYPES], sizeof *names, "type %zu", i % TYPES);
        *type = (GooGcType){.name = names[i % TYPES], .size = 16};
        keep[1 + i] = goo_gc_alloc(m, type, 0);
        keep[1 + PAIRS + i] = goo_gc_ephemeron_new(m, keep[1 + i], pair_new(m, NULL, NULL, i));
    }
    SnapshotText whole = snapshot_of(heap);
    SnapshotSide side = {.inner = heap->side};
    GooAllocator failing = {.alloc = snapshot_side_alloc, .free = snapshot_side_free,
                            .context = &side};
    size_t refused = 0;
    for (;; refused++) {
        SnapshotText text = {NULL, 0};
        FILE *out = open_memstream(&text.bytes, &text.size);
        side.left = refused;
        heap->side = &failing;
        GooStatus status = goo_gc_write_snapshot(heap, out);
        errno = 0;
        side.left = refused;
        size_t length = goo_gc_why_alive(heap, keep[1], NULL, NULL);
        CHECK(length == 2 || errno == ENOMEM);
        heap->side = side.inner;
        fclose(out);
        CHECK_EQ(side.live, 0);
        bool good = status == GOO_OK;
        CHECK(good || status == GOO_ERR_NO_MEMORY);
        CHECK(!good || text.size == whole.size);
        CHECK(!good || memcmp(text.bytes, whole.bytes, text.size) == 0);
        free(text.bytes);
        if (good) {
            break;
        }
    }
    CHECK(refused >= 5);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    free(whole.bytes);
    goo_gc_heap_destroy(heap);
}
