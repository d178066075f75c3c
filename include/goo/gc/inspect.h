/* goo/gc/inspect.h: what a heap has done and what is in it.
 *
 * For a --gc-stats option, a dashboard, a test. Nothing here changes what the program sees.
 *
 *     GooGcStats s = goo_gc_get_stats(heap);
 *     printf("%llu collections, longest pause %llu ns\n",
 *            (unsigned long long)s.collections_full, (unsigned long long)s.pause_ns_max);
 *
 * Threads: the mutator's only.
 */
#ifndef GOO_GC_INSPECT_H
#define GOO_GC_INSPECT_H

#include "goo/gc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Times in nanoseconds. Percentiles come from a histogram whose buckets are 1/16 apart: at most
 * 6.25 % above the true value. collections_minor and concurrent_ns are 0 in this version. */
typedef struct GooGcStats {
    uint64_t collections_full, collections_minor, pauses, pause_ns_min, pause_ns_p50, pause_ns_p99,
        pause_ns_p999, pause_ns_max, pause_ns_total, mark_ns, sweep_ns, concurrent_ns;
    size_t live_bytes;     /* objects found alive by the last collection; before it: all */
    size_t heap_bytes;     /* memory in use for objects: whole blocks and pages */
    size_t metadata_bytes; /* side tables, mark stack, intern tables, roots */
    size_t external_bytes; /* attached allocators and goo_gc_adjust_external */
    size_t peak_bytes;     /* the largest sum of the three above */
    size_t objects_live;   /* objects found alive by the last collection */
    size_t objects_marked; /* in all collections together */
    size_t limit_hits;     /* requests that the hard limit refused */
    uint64_t allocated_bytes, allocated_objects; /* since creation; sizes rounded up to 16 */
} GooGcStats;

/* Cost: O(1), plus a count over the block being filled. */
GOO_API GooGcStats goo_gc_get_stats(const GooGcHeap *heap);

typedef enum GooGcEventKind {
    GOO_GC_EVENT_CYCLE_BEGIN,
    GOO_GC_EVENT_PAUSE_BEGIN,
    GOO_GC_EVENT_PAUSE_END,
    GOO_GC_EVENT_MARKED, /* bytes: found alive */
    GOO_GC_EVENT_SWEPT,  /* the last block of a cycle has been swept; bytes: free in swept blocks */
    GOO_GC_EVENT_CYCLE_END,
    GOO_GC_EVENT_RESIZED,       /* bytes: heap and external bytes at which the next one is due */
    GOO_GC_EVENT_OUT_OF_MEMORY, /* bytes: of the request that is about to fail */
    GOO_GC_EVENT_LATE_THREAD    /* `mutator` has kept a collection waiting for 100 ms */
} GooGcEventKind;

typedef struct GooGcEvent {
    GooGcEventKind kind;
    GooGcCollection collection;
    uint64_t time_ns; /* monotonic */
    size_t bytes;
    const GooGcMutator *mutator;
} GooGcEvent;

typedef struct GooGcListener {
    void (*event)(GooGcHeap *heap, const GooGcEvent *event, void *user);
    void *user;
} GooGcListener;

/* One listener per heap, copied; NULL takes it away. It is called inside collections: it must not
 * allocate on the heap or change it. Fails: GOO_ERR_INVALID_ARGUMENT. */
GOO_API GooStatus goo_gc_set_listener(GooGcHeap *heap, const GooGcListener *listener);

/* Calls fn for every object, in address order within a slab; type is NULL for objects without a
 * header. Objects that died since the last collection are still there. fn allocates nothing on the
 * heap. Cost: O(heap); finishes the sweep first. */
GOO_API void goo_gc_walk(GooGcHeap *heap,
                         void (*fn)(void *object, size_t size, const GooGcType *type, void *user),
                         void *user);

/* Checks the heap's invariants (gc/README.md) and traces it again from its roots. Returns GOO_OK,
 * or GOO_ERR_CORRUPT and a line for each fault (the first 32) on `report`, which may be NULL;
 * GOO_ERR_NO_MEMORY when its own bitmap can't be had; GOO_ERR_BUSY inside a collection.
 * Cost: O(heap), far slower than a collection. */
GOO_API GooStatus goo_gc_verify(GooGcHeap *heap, FILE *report);

#ifdef __cplusplus
}
#endif

#endif
