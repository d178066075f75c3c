/* goo/gc/inspect.h: what a heap has done and what is in it.
 *
 * For a --gc-stats option, a dashboard, a test. Nothing here changes what the program sees.
 *
 *     GooGcStats s = goo_gc_get_stats(heap);
 *     printf("%llu collections, longest pause %llu ns\n",
 *            (unsigned long long)s.collections_full, (unsigned long long)s.pause_ns_max);
 *
 * Threads: any, attached or not; what looks at the whole heap stops its mutators meanwhile.
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
    size_t limit_hits;     /* requests that the hard limit refused; not those beyond the
                              heap's address space, which no limit need refuse */
    uint64_t allocated_bytes, allocated_objects; /* since creation; sizes rounded up to 16 */
} GooGcStats;

/* Cost: O(1), plus a count over the block being filled. */
GOO_API GooGcStats goo_gc_get_stats(const GooGcHeap *heap);

/* The pauses so far as a histogram: how many took from `low_ns` to `high_ns`. */
typedef struct GooGcPauseBucket {
    uint64_t low_ns, high_ns, count;
} GooGcPauseBucket;

/* Gives the buckets that are not empty, in ascending order, each 1/16 wide; the first `capacity` of
 * them are written to `out_buckets`, which may be NULL with capacity 0. Returns how many there are,
 * at most 960. */
GOO_API size_t goo_gc_get_pauses(const GooGcHeap *heap, GooGcPauseBucket *out_buckets,
                                 size_t capacity);

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

/* --- snapshots --- */

/* Writes the heap as it is to `out`: a .heapsnapshot (JSON) of V8's format, which Chrome DevTools
 * opens in its Memory panel. Nodes are the objects that roots reach, the kinds of roots, and owned
 * blocks and other external bytes ("native"); weak references and keys are weak edges. A typed
 * object is called as its type, the others "(leaf)", "(conservative)" and "(embedder)". An object's
 * node id comes from its address, so that two snapshots can be compared. Edges are called by the
 * byte at which the reference lies in its object ("+16"), elements of arrays and references outside
 * of the object's memory by their number. Nothing is collected, and no state of the heap changes.
 * With scan_stacks, what only this call's caller knows counts as referred to by a register.
 *
 * Fails: GOO_ERR_INVALID_ARGUMENT, GOO_ERR_BUSY inside a collection, GOO_ERR_IO when `out` takes no
 * more (what was written stays), GOO_ERR_NO_MEMORY. Owner: the caller, of `out`; it is flushed.
 * Cost: four passes over the heap with every mutator stopped, about 0.5 µs an object of 3
 * references, beside what `out` costs; memory of its own: a bit for each 16 bytes of heap and 0.4
 * MiB, and 16 to 32 bytes for each ephemeron or weak map entry that is found before its key. */
GOO_API GooStatus goo_gc_write_snapshot(GooGcHeap *heap, FILE *out);

/* What an object is called in snapshots, beside what its type says: a class of the script, say.
 * `name` returns NULL for the type's name, or text that does not change before the snapshot is
 * written; it must give the same for an object each time, few names in all, and is called with the
 * world stopped: it may read the heap. One namer for a heap, copied; NULL takes it away.
 * Fails: GOO_ERR_INVALID_ARGUMENT. */
typedef struct GooGcNamer {
    const char *(*name)(const void *object, const GooGcType *type, void *user);
    void *user;
} GooGcNamer;
GOO_API GooStatus goo_gc_set_namer(GooGcHeap *heap, const GooGcNamer *namer);

/* --- why is it alive? --- */

#define GOO_GC_OFFSET_OUTSIDE SIZE_MAX

/* One object of a path. `type` is NULL without a header. `offset` says where in `object` the
 * reference to the next step lies: bytes, or GOO_GC_OFFSET_OUTSIDE where a trace callback visits
 * memory outside the object; 0 in the last step. `root_kind`, of the first step, else NULL: "slot",
 * "pointer", "callback", "handle", "finalizer" (queued), "frame", "temporary", "stack word",
 * "register", "added stack word". */
typedef struct GooGcPathStep {
    void *object;
    const GooGcType *type;
    size_t offset;
    const char *root_kind;
} GooGcPathStep;
typedef void (*GooGcPathFn)(const GooGcPathStep *step, void *user);

/* Shows the shortest path from a root to `object`, the root's object first, `object` last. Returns
 * its length in steps, 0 where nothing leads to it: the next collection may free it. Weak
 * references lead nowhere. The value of an ephemeron, or of a weak map's entry, is one step from it
 * (in a weak map from its table) once the key is reached too. With scan_stacks every word of a
 * stack may be a root; words of this call itself that are the object's address are none, nor is a
 * register that its caller holds it in.
 * `fn` may be NULL; it is called with the world stopped and must not allocate on the heap.
 * Fails: 0 with errno EINVAL (`object` is no start of a living object), EBUSY (inside a
 * collection), ENOMEM; errno is untouched where nothing leads to it.
 * Cost: a search over the heap, as far as it is nearer to the roots than `object`, with every
 * mutator stopped; memory of its own: a bit for each 16 bytes of heap and 8 bytes for each object
 * on the way. */
GOO_API size_t goo_gc_why_alive(GooGcHeap *heap, void *object, GooGcPathFn fn, void *user);

#ifdef __cplusplus
}
#endif

#endif
