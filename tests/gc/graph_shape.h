/* Shapes of the objects in a random graph: their types, and what each word of an object is. */
#ifndef GOO_TESTS_GC_GRAPH_SHAPE_H
#define GOO_TESTS_GC_GRAPH_SHAPE_H

#include "tests/gc/graph_model.h"

typedef enum ShapeRole {
    SHAPE_HEADER,
    SHAPE_ID,
    SHAPE_DATA,
    SHAPE_SLOT,        /* a value under the heap's encoding */
    SHAPE_POINTER,     /* a plain pointer */
    SHAPE_CONSERVATIVE /* an address in an object, or something small */
} ShapeRole;

typedef struct Shape {
    const char *name;
    unsigned kind; /* GOO_GC_KIND_* */
    GooGcLayout layout;
    uint32_t flags;
    size_t words_min;  /* what the bitmap and the array offset need */
    size_t array_from; /* word; 0: no array */
    uint64_t bitmap[2];
    bool finalized, has_references;
} Shape;

extern const Shape model_shapes[MODEL_SHAPES];

static inline uint64_t model_mix(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline bool shape_is_reference(ShapeRole role) {
    return role >= SHAPE_SLOT;
}

ShapeRole shape_role(const ModelObject *object, size_t word);
uint64_t shape_encode(const Model *model, const void *address);
/* What word `word` of object `id` must hold. */
uint64_t shape_expected(const Model *model, uint32_t id, size_t word);
void shape_make_types(Model *model);
void shape_trace_embedder(void *object, GooGcVisitor *v, void *user);

#endif
