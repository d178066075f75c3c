/* Showing edges: roots and objects, through the visitor's observer, so that trace callbacks and
 * roots are asked the same way as by marking. What is weak is read from the objects themselves.
 */
#include "gc/graph.h"

#include "runtime/bits.h"
#include "runtime/platform/platform.h"

/* --- where the calling thread stands --- */

typedef struct GraphRun {
    GooGcHeap *heap;
    const void *high;
    void (*fn)(const GooiGraphPlace *place, void *arg);
    void *arg;
} GraphRun;

/* The lowest address of the stack that `address` is on; `address` where that is not scanned. */
static const void *graph_stack_bottom(const GooGcMutator *m, const void *address) {
    const GooiStack *stacks = m->stacks.items;
    for (size_t i = 0; i < m->stacks.count; i++) {
        if (address >= stacks[i].low && address < stacks[i].high) {
            return stacks[i].low;
        }
    }
    return m->stack_low != NULL ? m->stack_low : address;
}

static void graph_run_here(const void *stack_pointer, void *arg) {
    const GraphRun *run = arg;
    const GooGcMutator *self = gooi_mutator_here(run->heap);
    GooiGraphPlace place = {.low = stack_pointer, .high = run->high};
    place.bottom = self != NULL ? graph_stack_bottom(self, stack_pointer) : stack_pointer;
    run->fn(&place, run->arg);
}

void gooi_graph_run(GooGcHeap *heap, const void *high,
                    void (*fn)(const GooiGraphPlace *place, void *arg), void *arg) {
    GraphRun run = {heap, high, fn, arg};
    gooi_platform_with_spilled_registers(graph_run_here, &run);
}

/* --- edges --- */

static bool graph_is_stack_kind(unsigned root_kind) {
    return root_kind == GOOI_ROOT_STACK || root_kind == GOOI_ROOT_ADDED_STACK;
}

/* The kind of a root: words between the two places are what registers held. Words below them change
 * under our feet and are none: GOOI_ROOT_KINDS. */
static unsigned graph_root_kind(const GooiGraph *g, const void *slot) {
    unsigned kind = g->visitor.root_kind;
    if (!graph_is_stack_kind(kind) || slot < g->place.bottom || slot >= g->place.high) {
        return kind;
    }
    return slot >= g->place.low ? GOOI_ROOT_REGISTER : GOOI_ROOT_KINDS;
}

static void graph_observe(void *ctx, const void *slot, uintptr_t target) {
    GooiGraph *g = ctx;
    if (g->edge.holder == 0) {
        g->edge.root_kind = graph_root_kind(g, slot);
        if (g->edge.root_kind == GOOI_ROOT_KINDS) {
            return;
        }
    }
    g->edge.slot = slot;
    g->edge.target = target;
    g->fn(g->ctx, &g->edge);
}

void gooi_graph_init(GooiGraph *g, GooGcHeap *heap, const GooiGraphPlace *place, GooiEdgeFn fn,
                     void *ctx) {
    *g = (GooiGraph){.place = *place, .fn = fn, .ctx = ctx};
    gooi_visitor_init(&g->visitor, heap, &heap->mark_stack);
    g->visitor.observe = graph_observe;
    g->visitor.observe_ctx = g;
}

void gooi_graph_roots(GooiGraph *g) {
    g->edge = (GooiEdge){0};
    gooi_roots_visit(g->visitor.heap, &g->visitor);
}

/* --- objects --- */

static void graph_show(GooiGraph *g, unsigned kind, void *const *slot) {
    uintptr_t target = (uintptr_t)*slot;
    /* A dead map's table may outlive what it refers to, where a word on a stack holds it. */
    if (target != 0 && gooi_object_base_of(g->visitor.heap, target) == target) {
        g->edge.kind = kind;
        graph_observe(g, slot, target);
        g->edge.kind = GOOI_EDGE_STRONG;
    }
}

static void graph_pair(GooiGraph *g, const GooiPair *pair) {
    if (pair->key != NULL) {
        g->edge.pair = pair;
        graph_show(g, GOOI_EDGE_WEAK, &pair->key);
        graph_show(g, GOOI_EDGE_VALUE, &pair->value);
        g->edge.pair = NULL;
    }
}

/* False: nothing about the type is weak. */
static bool graph_weak(GooiGraph *g, uintptr_t object, const GooGcType *type) {
    if (type == &gooi_weak_reference_type) {
        graph_show(g, GOOI_EDGE_WEAK, &((const GooGcWeak *)object)->target);
    } else if (type == &gooi_weak_ephemeron_type) {
        graph_pair(g, &((const GooGcEphemeron *)object)->pair);
    } else if (type == &gooi_weak_map_type) {
        goo_gc_visit_pointer(&g->visitor, &((GooGcWeakMap *)object)->table);
    } else if (type == &gooi_weak_table_type) {
        const GooiWeakTable *table = (const GooiWeakTable *)object;
        for (size_t i = 0; i < table->capacity; i++) {
            graph_pair(g, &table->pairs[i]);
        }
    } else {
        return false;
    }
    return true;
}

static void graph_bitmap(GooiGraph *g, uintptr_t object, const GooGcType *type) {
    bool pointers = (type->flags & GOO_GC_TYPE_BITMAP_POINTERS) != 0;
    for (size_t w = 0; w < type->bitmap_words; w++) {
        for (uint64_t bits = type->bitmap[w]; bits != 0; bits &= bits - 1) {
            void *slot = (void *)(object + (w * 64 + gooi_count_trailing_zeros(bits)) * 8);
            if (pointers) {
                goo_gc_visit_pointer(&g->visitor, slot);
            } else {
                goo_gc_visit(&g->visitor, slot);
            }
        }
    }
}

static void graph_array(GooiGraph *g, uintptr_t object, const GooGcType *type) {
    uintptr_t low = object + type->array_offset;
    uintptr_t end = gooi_graph_end(g->visitor.heap, object);
    size_t count = low < end ? (end - low) / 8 : 0;
    if ((type->flags & GOO_GC_TYPE_ARRAY_POINTERS) != 0) {
        goo_gc_visit_pointers(&g->visitor, (void *)low, count);
    } else {
        goo_gc_visit_range(&g->visitor, (void *)low, count);
    }
}

static void graph_conservative(GooiGraph *g, uintptr_t object) {
    goo_gc_visit_conservative(&g->visitor, (const void *)object,
                              (const void *)gooi_graph_end(g->visitor.heap, object));
}

static void graph_by_type(GooiGraph *g, uintptr_t object, const GooGcType *type) {
    switch (type->layout) {
    case GOO_GC_LAYOUT_LEAF:
        break;
    case GOO_GC_LAYOUT_ARRAY:
        graph_bitmap(g, object, type);
        graph_array(g, object, type);
        break;
    case GOO_GC_LAYOUT_BITMAP:
        graph_bitmap(g, object, type);
        break;
    case GOO_GC_LAYOUT_TRACE:
        type->trace((void *)object, &g->visitor);
        break;
    case GOO_GC_LAYOUT_CONSERVATIVE:
        graph_conservative(g, object);
        break;
    }
}

static void graph_typed(GooiGraph *g, uintptr_t object) {
    const GooGcType *type = goo_gc_type_of((const void *)object);
    if (!graph_weak(g, object, type)) {
        graph_by_type(g, object, type);
    }
}

static void graph_embedder(GooiGraph *g, uintptr_t object) {
    const GooGcOptions *options = &g->visitor.heap->options;
    if (options->embedder_layout != NULL) {
        graph_by_type(g, object, options->embedder_layout);
    } else {
        options->trace_embedder((void *)object, &g->visitor, options->user);
    }
}

void gooi_graph_object(GooiGraph *g, uintptr_t object) {
    g->edge = (GooiEdge){.holder = object};
    switch (*gooi_metadata_of(object) & GOO_GC_KIND_MASK) {
    case GOO_GC_KIND_TYPED:
        graph_typed(g, object);
        break;
    case GOO_GC_KIND_CONSERVATIVE:
        graph_conservative(g, object);
        break;
    case GOO_GC_KIND_EMBEDDER:
        graph_embedder(g, object);
        break;
    default:
        break;
    }
}
