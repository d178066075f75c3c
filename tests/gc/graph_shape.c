/* The shapes: all layouts, all kinds, both flags, with and without finalizer. */
#include "tests/gc/graph_shape.h"

#include <string.h>

#include "goo/gc/inline.h"
#include "tests/harness.h"

#define BIT(n) (UINT64_C(1) << (n))
#define BITMAP_POINTERS GOO_GC_TYPE_BITMAP_POINTERS
#define ARRAY_POINTERS GOO_GC_TYPE_ARRAY_POINTERS

const Shape model_shapes[MODEL_SHAPES] = {
    {"leaf", GOO_GC_KIND_TYPED, GOO_GC_LAYOUT_LEAF, 0, 2, 0, {0, 0}, false, false},
    {"slots", GOO_GC_KIND_TYPED, GOO_GC_LAYOUT_BITMAP, 0, 4, 0, {BIT(2) | BIT(3), 0}, false, true},
    {"pointers", GOO_GC_KIND_TYPED, GOO_GC_LAYOUT_BITMAP, BITMAP_POINTERS, 3, 0, {BIT(2), 0}, false,
     true},
    {"wide", GOO_GC_KIND_TYPED, GOO_GC_LAYOUT_BITMAP, 0, 101, 0,
     {BIT(2) | BIT(5) | BIT(63), BIT(0) | BIT(36)}, false, true},
    {"array", GOO_GC_KIND_TYPED, GOO_GC_LAYOUT_ARRAY, 0, 2, 2, {0, 0}, false, true},
    {"pointer array", GOO_GC_KIND_TYPED, GOO_GC_LAYOUT_ARRAY, ARRAY_POINTERS, 4, 4, {BIT(2), 0},
     false, true},
    {"mixed array", GOO_GC_KIND_TYPED, GOO_GC_LAYOUT_ARRAY, BITMAP_POINTERS, 5, 5,
     {BIT(2) | BIT(4), 0}, false, true},
    {"trace", GOO_GC_KIND_TYPED, GOO_GC_LAYOUT_TRACE, 0, 4, 0, {0, 0}, false, true},
    {"conservative", GOO_GC_KIND_TYPED, GOO_GC_LAYOUT_CONSERVATIVE, 0, 2, 0, {0, 0}, false, true},
    {"finalized slots", GOO_GC_KIND_TYPED, GOO_GC_LAYOUT_BITMAP, 0, 4, 0, {BIT(2) | BIT(3), 0},
     true, true},
    {"finalized leaf", GOO_GC_KIND_TYPED, GOO_GC_LAYOUT_LEAF, 0, 2, 0, {0, 0}, true, false},
    {"finalized array", GOO_GC_KIND_TYPED, GOO_GC_LAYOUT_ARRAY, 0, 3, 3, {BIT(2), 0}, true, true},
    {"bare leaf", GOO_GC_KIND_LEAF, GOO_GC_LAYOUT_LEAF, 0, 2, 0, {0, 0}, false, false},
    {"bare conservative", GOO_GC_KIND_CONSERVATIVE, GOO_GC_LAYOUT_CONSERVATIVE, 0, 2, 0, {0, 0},
     false, true},
    {"embedder", GOO_GC_KIND_EMBEDDER, GOO_GC_LAYOUT_TRACE, 0, 4, 0, {0, 0}, false, true},
};

/* Objects with a trace callback: a header of two words, then slots up to the middle, with every
 * third word data, and from there plain pointers to the end. */
static ShapeRole shape_role_traced(size_t word, size_t words) {
    if (word >= words / 2) {
        return SHAPE_POINTER;
    }
    return word % 3 == 0 ? SHAPE_DATA : SHAPE_SLOT;
}

static ShapeRole shape_role_bitmap(const Shape *shape, size_t word) {
    if (word < 128 && (shape->bitmap[word / 64] >> (word % 64) & 1) != 0) {
        return (shape->flags & BITMAP_POINTERS) != 0 ? SHAPE_POINTER : SHAPE_SLOT;
    }
    return SHAPE_DATA;
}

ShapeRole shape_role(const ModelObject *object, size_t word) {
    const Shape *shape = &model_shapes[object->shape];
    size_t id_word = shape->kind == GOO_GC_KIND_TYPED ? 1 : 0;
    if (word <= id_word) {
        return word == id_word ? SHAPE_ID : SHAPE_HEADER;
    }
    switch (shape->layout) {
    case GOO_GC_LAYOUT_ARRAY:
        if (word >= shape->array_from) {
            return (shape->flags & ARRAY_POINTERS) != 0 ? SHAPE_POINTER : SHAPE_SLOT;
        }
        return shape_role_bitmap(shape, word);
    case GOO_GC_LAYOUT_BITMAP:
        return shape_role_bitmap(shape, word);
    case GOO_GC_LAYOUT_TRACE:
        return shape_role_traced(word, object->words);
    case GOO_GC_LAYOUT_CONSERVATIVE:
        return SHAPE_CONSERVATIVE;
    default:
        return SHAPE_DATA;
    }
}

/* --- values --- */

uint64_t shape_encode(const Model *model, const void *address) {
    const GooGcValueEncoding *e = &model->options.heap.encoding;
    return address == NULL ? 0 : (uint64_t)(uintptr_t)address | e->tag_value;
}

/* Something that is no reference under the encoding, but looks like one where that is possible. */
static uint64_t shape_noise_slot(const Model *model, uint64_t noise) {
    const GooGcValueEncoding *e = &model->options.heap.encoding;
    uint64_t address = model->noise_base + (noise % (8 << 20) & ~UINT64_C(15));
    if (e->tag_mask == 0) {
        return noise >> 40; /* an integer */
    }
    if (e->tag_value == 0) {
        uint64_t lowest_bit = e->tag_mask & (~e->tag_mask + 1);
        return address | lowest_bit << noise % 3; /* tags in tests have three bits or more */
    }
    return noise % 4 == 0 ? e->tag_value : address; /* a tagged zero; an untagged address */
}

uint64_t shape_expected(const Model *model, uint32_t id, size_t word) {
    const ModelObject *object = &model->objects[id];
    ShapeRole role = shape_role(object, word);
    uint64_t noise = model_mix(model->options.seed ^ ((uint64_t)id << 24) ^ word);
    if (role == SHAPE_ID) {
        return (uint64_t)id + 1;
    }
    if (role == SHAPE_DATA) { /* every other one as misleading as can be */
        return noise % 2 == 0 ? shape_encode(model, (void *)(model->noise_base +
                                                             (noise % (8 << 20) & ~UINT64_C(15))))
                              : noise;
    }
    int32_t target = object->refs[word];
    const ModelObject *other = target >= 0 ? &model->objects[target] : NULL;
    switch (role) {
    case SHAPE_SLOT:
        return other != NULL           ? shape_encode(model, other->address)
               : target == MODEL_NOISE ? shape_noise_slot(model, noise)
                                       : 0;
    case SHAPE_POINTER:
        return other != NULL           ? (uint64_t)(uintptr_t)other->address
               : target == MODEL_NOISE ? (uint64_t)(uintptr_t)model
                                       : 0;
    default:
        return other != NULL ? (uint64_t)(uintptr_t)other->address + noise % other->rounded
               : target == MODEL_NOISE ? noise >> 40
                                       : 0;
    }
}

/* --- tracing and finalizing --- */

static void shape_trace_words(uint64_t *words, size_t first, size_t count, GooGcVisitor *v) {
    for (size_t w = first; w < count / 2; w++) {
        if (w % 3 != 0 && w + 1 < count / 2 && (w + 1) % 3 != 0) {
            goo_gc_visit_range(v, &words[w], 2);
        } else if (w % 3 != 0) {
            goo_gc_visit(v, &words[w]);
        }
    }
    size_t half = count / 2;
    goo_gc_visit_pointers(v, &words[half], count - half - 1);
    goo_gc_visit_pointer(v, &words[count - 1]);
}

void shape_trace_embedder(void *object, GooGcVisitor *v, void *user) {
    Model *model = user;
    uint64_t *words = object;
    shape_trace_words(words, 1, model->objects[words[0] - 1].words, v);
}

static void shape_trace(void *object, GooGcVisitor *v) {
    uint64_t *words = object;
    const Model *model = goo_gc_type_of(object)->user;
    shape_trace_words(words, 2, model->objects[words[1] - 1].words, v);
}

static void shape_finalize(void *object, void *user) {
    Model *model = user;
    uint64_t *words = object;
    ModelObject *shadow = &model->objects[words[1] - 1];
    CHECK_PTR_EQ(shadow->address, object);
    CHECK_PTR_EQ(goo_gc_type_of(object), &model->types[shadow->shape]);
    CHECK_EQ(words[shadow->words - 1],
             shape_expected(model, (uint32_t)words[1] - 1, shadow->words - 1));
    shadow->finalized++;
}

void shape_make_types(Model *model) {
    for (size_t i = 0; i < MODEL_SHAPES; i++) {
        const Shape *shape = &model_shapes[i];
        model->types[i] = (GooGcType){
            .name = shape->name,
            .size = shape->words_min * 8,
            .layout = shape->layout,
            .flags = shape->flags,
            .bitmap = shape->bitmap,
            .bitmap_words = shape->bitmap[1] != 0 ? 2 : shape->bitmap[0] != 0,
            .array_offset = shape->array_from * 8,
            .trace = shape_trace,
            .finalize = shape->finalized ? shape_finalize : NULL,
            .user = model,
        };
    }
}
