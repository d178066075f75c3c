/* What Whippet must know of the programs' objects. Whippet is a collector to be copied into a
 * program and compiled with a header of that program's, and this is that header: its users name it
 * when they build its library (README.md). The side includes the first half, for the tags.
 *
 *     node    | reference or 0 | ...                  references first, as many as the plan says
 *     array   | count, tag     | reference ...
 *     other   | tag            | Whippet's own: ephemerons, finalizers
 *
 * References are aligned to 16, so the low bits of an object's first word say what it is, and nodes
 * have no header. Leaves are allocated as such and never looked at. Whippet's marking collector
 * (mmc) knows sizes and forwarding from its own table; the copying ones would want them from here,
 * and need precise roots, which the programs don't have.
 */
#ifndef GOO_TESTS_BENCH_GC_SIDE_WHIPPET_EMBEDDER_H
#define GOO_TESTS_BENCH_GC_SIDE_WHIPPET_EMBEDDER_H

#include <stddef.h>
#include <stdint.h>

enum {
    WHIPPET_NODE = 0,
    WHIPPET_ARRAY = 1,
    WHIPPET_EPHEMERON = 2,
    WHIPPET_FINALIZER = 3,
    WHIPPET_TAG_MASK = 7,
    WHIPPET_COUNT_SHIFT = 3
};

/* Defined by the side. */
extern size_t side_whippet_links;

#ifdef GC_IMPL

#include "gc-embedder-api.h"
#include "gc-ephemeron.h"
#include "gc-finalizer.h"

#define GC_EMBEDDER_EPHEMERON_HEADER uintptr_t tag;
#define GC_EMBEDDER_FINALIZER_HEADER uintptr_t tag;

struct gc_mutator_roots {
    char none;
};

struct gc_heap_roots {
    char none;
};

typedef void (*WhippetVisit)(struct gc_edge edge, struct gc_heap *heap, void *data);

#if GC_GENERATIONAL
/* The side asks for it: its stores need the barrier then. */
__attribute__((weak)) char side_whippet_generational = 1;
#endif

static inline size_t gc_finalizer_priority_count(void) {
    return 1;
}

static inline int gc_is_valid_conservative_ref_displacement(uintptr_t displacement) {
    return displacement == 0;
}

static inline int gc_extern_space_visit(struct gc_extern_space *space, struct gc_ref ref) {
    (void)space;
    (void)ref;
    return 0; /* there is none */
}

static inline void gc_extern_space_start_gc(struct gc_extern_space *space, int is_minor_gc) {
    (void)space;
    (void)is_minor_gc;
}

static inline void gc_extern_space_finish_gc(struct gc_extern_space *space, int is_minor_gc) {
    (void)space;
    (void)is_minor_gc;
}

static inline void whippet_trace_words(uintptr_t *words, size_t count, WhippetVisit visit,
                                       struct gc_heap *heap, void *data) {
    for (size_t i = 0; i < count; i++) {
        visit(gc_edge(&words[i]), heap, data);
    }
}

/* The size that it should return is asked for in Whippet's debug build only. */
static inline size_t gc_trace_object(struct gc_ref ref, WhippetVisit visit, struct gc_heap *heap,
                                     void *data) {
    uintptr_t *words = gc_ref_heap_object(ref);
    if (visit == NULL) {
        return 0;
    }
    switch (words[0] & WHIPPET_TAG_MASK) {
    case WHIPPET_NODE:
        whippet_trace_words(words, side_whippet_links, visit, heap, data);
        break;
    case WHIPPET_ARRAY:
        whippet_trace_words(words + 1, words[0] >> WHIPPET_COUNT_SHIFT, visit, heap, data);
        break;
    case WHIPPET_EPHEMERON:
        gc_trace_ephemeron(gc_ref_heap_object(ref), visit, heap, data);
        break;
    case WHIPPET_FINALIZER:
        gc_trace_finalizer(gc_ref_heap_object(ref), visit, heap, data);
        break;
    }
    return 0;
}

/* Roots are what the stack holds. */
static inline void gc_trace_mutator_roots(struct gc_mutator_roots *roots, WhippetVisit visit,
                                          struct gc_heap *heap, void *data) {
    (void)roots;
    (void)visit;
    (void)heap;
    (void)data;
}

static inline void gc_trace_heap_roots(struct gc_heap_roots *roots, WhippetVisit visit,
                                       struct gc_heap *heap, void *data) {
    (void)roots;
    (void)visit;
    (void)heap;
    (void)data;
}

typedef void (*WhippetPinned)(struct gc_ref ref, struct gc_heap *heap, void *data);
typedef void (*WhippetAmbiguous)(uintptr_t start, uintptr_t end, int possibly_interior,
                                 struct gc_heap *heap, void *data);

static inline void gc_trace_mutator_pinned_roots(struct gc_mutator_roots *roots,
                                                 WhippetPinned pinned, WhippetAmbiguous ambiguous,
                                                 struct gc_heap *heap, void *data) {
    (void)roots;
    (void)pinned;
    (void)ambiguous;
    (void)heap;
    (void)data;
}

static inline void gc_trace_heap_pinned_roots(struct gc_heap_roots *roots, WhippetPinned pinned,
                                              WhippetAmbiguous ambiguous, struct gc_heap *heap,
                                              void *data) {
    (void)roots;
    (void)pinned;
    (void)ambiguous;
    (void)heap;
    (void)data;
}

#endif
#endif
