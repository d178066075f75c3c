/* The heap as a graph: every reference of an object and every root, one by one, with what it is.
 * For what explains the heap: why_alive.c and the snapshot. Marking does not come here.
 *
 *   edge = holder (0: a root) ── slot ──▶ target
 *
 *   STRONG   keeps its target alive
 *   WEAK     the target of a weak reference, the key of an ephemeron or of a weak map's entry
 *   VALUE    of such a pair; keeps its target alive once holder and key are
 *
 * The entries of a weak map are edges of its table, which is an object of its own.
 *
 * The calling thread's stack changes while somebody looks. What stands still is what lies above the
 * call that looks: gooi_graph_run spills the registers, and words below that place are no roots.
 *
 * GRAPH-1  while the world is stopped, showing the same object or the roots again shows the same
 *          edges in the same order.
 *
 * Threads: world stopped (gooi_world_enter), sweep finished.
 */
#ifndef GOO_GC_GRAPH_H
#define GOO_GC_GRAPH_H

#include "gc/heap.h"

enum { GOOI_EDGE_STRONG, GOOI_EDGE_WEAK, GOOI_EDGE_VALUE };

typedef struct GooiEdge {
    uintptr_t holder;
    const void *slot;
    uintptr_t target;
    unsigned kind;
    unsigned root_kind;   /* GOOI_ROOT_*, of a root */
    const GooiPair *pair; /* of a VALUE */
} GooiEdge;

typedef void (*GooiEdgeFn)(void *ctx, const GooiEdge *edge);

/* Where the calling thread stood when it began to look. */
typedef struct GooiGraphPlace {
    const void *bottom; /* of the stack it runs on */
    const void *low;    /* from here on the stack stands still */
    const void *high;   /* words below are registers, spilled, and the looking call's own */
} GooiGraphPlace;

typedef struct GooiGraph {
    GooGcVisitor visitor;
    GooiGraphPlace place;
    GooiEdge edge; /* what the next reference shown will be */
    GooiEdgeFn fn;
    void *ctx;
} GooiGraph;

/* Calls fn from a place below which nothing of the caller's lies. `high` is the frame address of
 * the public call. */
void gooi_graph_run(GooGcHeap *heap, const void *high,
                    void (*fn)(const GooiGraphPlace *place, void *arg), void *arg);

void gooi_graph_init(GooiGraph *g, GooGcHeap *heap, const GooiGraphPlace *place, GooiEdgeFn fn,
                     void *ctx);
/* Shows the roots, kind by kind in the order of the kinds where kinds are visited together. */
void gooi_graph_roots(GooiGraph *g);
/* Shows what an object refers to. */
void gooi_graph_object(GooiGraph *g, uintptr_t object);

static inline uintptr_t gooi_graph_end(const GooGcHeap *heap, uintptr_t object) {
    return object + (gooi_object_granules(heap, object) << GOOI_GRANULE_LOG2);
}

/* NULL: it has no header. */
static inline const GooGcType *gooi_graph_type(uintptr_t object) {
    bool typed = (*gooi_metadata_of(object) & GOO_GC_KIND_MASK) == GOO_GC_KIND_TYPED;
    return typed ? goo_gc_type_of((const void *)object) : NULL;
}

#endif
