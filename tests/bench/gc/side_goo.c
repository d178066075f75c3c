/* Goo's side, the part that is called: a heap of fixed size that scans its thread's stack.
 *
 * The hard limit is the plan's, so that no byte more is used; collections come when objects have
 * filled what the limit leaves beside the metadata of that much heap (a 16th) and the spare.
 */
#include "tests/bench/gc/side.h"

#include "goo/gc/inspect.h"
#include "goo/runtime/features.h"

#define SIDE_SPARE ((size_t)128 << 10)

GooGcMutator *side_mutator;
static GooGcHeap *side_heap;

const GooGcType side_array_type = {.name = "array",
                                   .layout = GOO_GC_LAYOUT_ARRAY,
                                   .flags = GOO_GC_TYPE_ARRAY_POINTERS,
                                   .array_offset = sizeof(SideArray)};

static uint64_t side_links;
static GooGcType side_node_layout = {.name = "node",
                                     .layout = GOO_GC_LAYOUT_BITMAP,
                                     .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                     .bitmap = &side_links,
                                     .bitmap_words = 1};

bool side_open(const SidePlan *plan) {
    GooGcOptions options = goo_gc_default_options();
    side_links = ((uint64_t)1 << plan->links) - 1;
    side_node_layout.size = plan->links * sizeof(void *);
    options.scan_stacks = true;
    options.embedder_layout = &side_node_layout;
    options.marker_threads = plan->markers;
    options.sizing = GOO_GC_SIZING_FIXED;
    options.spare_bytes = SIDE_SPARE;
    options.hard_limit_bytes = plan->heap_bytes;
    options.initial_bytes = (plan->heap_bytes - 3 * SIDE_SPARE) / 17 * 16;
    side_heap = goo_gc_heap_create(&options);
    side_mutator = side_heap != NULL ? goo_gc_attach(side_heap) : NULL;
    return side_mutator != NULL;
}

uint64_t side_collections(void) {
    return goo_gc_get_stats(side_heap).collections_full;
}

const char *side_name(void) {
    return goo_version();
}

void side_close(void) {
    goo_gc_heap_destroy(side_heap);
}
