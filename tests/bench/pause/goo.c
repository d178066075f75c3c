/* Goo's side: a heap of fixed size; typed nodes with two references. */
#define _DEFAULT_SOURCE
#include "tests/bench/bench.h"
#include "tests/bench/pause/side.h"

#include "goo/gc/inline.h"
#include "goo/gc/inspect.h"

static const uint64_t node_references[] = {2 | 4};
static const GooGcType node_type = {.name = "node",
                                    .size = PAUSE_NODE_SIZE,
                                    .layout = GOO_GC_LAYOUT_BITMAP,
                                    .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                    .bitmap = node_references,
                                    .bitmap_words = 1};
static GooGcMutator *mutator;

static void goo_event(GooGcHeap *heap, const GooGcEvent *event, void *user) {
    static double began;
    PauseLog *log = user;
    (void)heap;
    if (event->kind == GOO_GC_EVENT_PAUSE_BEGIN) {
        began = bench_now_ns();
    } else if (event->kind == GOO_GC_EVENT_PAUSE_END && log->count < PAUSES_MAX) {
        log->ns[log->count++] = bench_now_ns() - began;
    }
}

static bool goo_open(size_t heap_bytes, unsigned markers, PauseNode **root, PauseLog *log) {
    GooGcOptions options = goo_gc_default_options();
    options.scan_stacks = true;
    options.marker_threads = markers;
    options.sizing = GOO_GC_SIZING_FIXED;
    options.hard_limit_bytes = heap_bytes + heap_bytes / 16;
    options.initial_bytes = heap_bytes;
    GooGcHeap *heap = goo_gc_heap_create(&options);
    GooGcListener listener = {goo_event, log};
    mutator = heap == NULL ? NULL : goo_gc_attach(heap);
    return mutator != NULL && goo_gc_root_add_pointer(heap, root) == GOO_OK &&
           goo_gc_set_listener(heap, &listener) == GOO_OK;
}

static PauseNode *goo_node(void) {
    return goo_gc_alloc(mutator, &node_type, 0);
}

const PauseSide pause_goo = {"goo", goo_open, goo_node};
