/* The shadow of a random graph: making it, changing it. What is checked stands in graph_check.c. */
#include "tests/gc/graph_model.h"

#include <stdio.h>
#include <stdlib.h>

#include "goo/gc/inline.h"
#include "tests/gc/graph_shape.h"
#include "tests/harness.h"

uint64_t model_random(Model *model) {
    return model_mix(model->random += UINT64_C(0x9e3779b97f4a7c15));
}

static uint64_t model_below(Model *model, uint64_t bound) {
    return model_random(model) % bound;
}

/* --- objects --- */

static uint32_t model_new_id(Model *model) {
    if (model->object_count == model->object_capacity) {
        model->object_capacity = model->object_capacity == 0 ? 1024 : model->object_capacity * 2;
        model->objects =
            realloc(model->objects, model->object_capacity * sizeof *model->objects);
        model->work = realloc(model->work, model->object_capacity * sizeof *model->work);
        CHECK(model->objects != NULL && model->work != NULL);
    }
    return model->object_count++;
}

static void *model_allocate(Model *model, const Shape *shape, const GooGcType *type, size_t size) {
    bool inlined = (model_random(model) & 1) != 0;
    switch (shape->kind) {
    case GOO_GC_KIND_TYPED:
        return inlined ? goo_gc_alloc(model->m, type, size)
                       : (goo_gc_alloc)(model->m, type, size);
    case GOO_GC_KIND_LEAF:
        return inlined ? goo_gc_alloc_leaf(model->m, size) : (goo_gc_alloc_leaf)(model->m, size);
    case GOO_GC_KIND_CONSERVATIVE:
        return inlined ? goo_gc_alloc_conservative(model->m, size)
                       : (goo_gc_alloc_conservative)(model->m, size);
    default:
        return inlined ? goo_gc_alloc_embedder(model->m, size)
                       : (goo_gc_alloc_embedder)(model->m, size);
    }
}

/* Fresh memory is zero (GC-4); data and noise go in before the next allocation, without barrier. */
static void model_fill(Model *model, uint32_t id) {
    ModelObject *object = &model->objects[id];
    const Shape *shape = &model_shapes[object->shape];
    uint64_t *words = (uint64_t *)(void *)object->address;
    for (size_t w = shape->kind == GOO_GC_KIND_TYPED; w < object->rounded / 8; w++) {
        CHECK_MSG(words[w] == 0, "seed %llu: word %zu of new object %u (%zu bytes at %p) is %llx",
                  (unsigned long long)model->options.seed, w, id, object->size,
                  (void *)object->address, (unsigned long long)words[w]);
    }
    for (size_t w = 0; w < object->words; w++) {
        ShapeRole role = shape_role(object, w);
        if (object->refs != NULL) {
            object->refs[w] = MODEL_NONE;
        }
        if (shape_is_reference(role) && model_below(model, 8) == 0) {
            object->refs[w] = MODEL_NOISE;
        }
        if (role != SHAPE_HEADER) {
            words[w] = shape_expected(model, id, w);
        }
    }
}

static uint32_t model_make(Model *model, uint32_t shape_index, size_t size) {
    const Shape *shape = &model_shapes[shape_index];
    uint32_t id = model_new_id(model);
    ModelObject *object = &model->objects[id];
    *object = (ModelObject){.shape = shape_index, .size = size};
    object->rounded = (size + 15) & ~(size_t)15;
    object->words = size / 8;
    char *address = model_allocate(model, shape, &model->types[shape_index], size);
    CHECK_MSG(address != NULL, "seed %llu: no memory for %zu bytes",
              (unsigned long long)model->options.seed, size);
    CHECK_EQ((uintptr_t)address % 16, 0);
    object->address = address;
    if (shape->has_references) {
        object->refs = malloc(object->words * sizeof *object->refs);
        CHECK(object->refs != NULL);
    }
    model_fill(model, id);
    model->live_count++;
    return id;
}

/* --- roots --- */

static void model_push_all(Model *model) {
    for (size_t i = 0; i < MODEL_ROOTS_PER_KIND; i++) {
        int32_t id = model->root_ids[MODEL_ROOT_PUSHED * MODEL_ROOTS_PER_KIND + i];
        goo_gc_push(model->m, id < 0 ? NULL : model->objects[id].address);
    }
}

void model_set_root(Model *model, size_t root, int32_t id) {
    size_t i = root % MODEL_ROOTS_PER_KIND;
    char *address = id < 0 ? NULL : model->objects[id].address;
    model->root_ids[root] = id;
    switch (root / MODEL_ROOTS_PER_KIND) {
    case MODEL_ROOT_SLOT:
        model->slots[i] = shape_encode(model, address);
        break;
    case MODEL_ROOT_POINTER:
        model->pointers[i] = address;
        break;
    case MODEL_ROOT_CALLBACK:
        model->callback_slots[i] = shape_encode(model, address);
        break;
    case MODEL_ROOT_FRAME:
        model->locals[i] = address;
        break;
    case MODEL_ROOT_PUSHED:
        goo_gc_pop(model->m, MODEL_ROOTS_PER_KIND);
        model_push_all(model);
        break;
    case MODEL_ROOT_HANDLE:
        goo_gc_handle_free(model->heap, model->handles[i]);
        model->handles[i] = goo_gc_handle_new(model->heap, address);
        CHECK_PTR_EQ(goo_gc_handle_get(model->heap, model->handles[i]), address);
        break;
    default: /* any address within the object will do for a conservative one */
        model->stack[i] = (uintptr_t)address;
        if (id >= 0) {
            model->stack[i] += model_below(model, model->objects[id].rounded);
        }
        break;
    }
}

/* A reachable object, or -1: a walk from a random root along random references. */
static int32_t model_pick(Model *model) {
    int32_t id = model->root_ids[model_below(model, MODEL_ROOTS)];
    for (uint64_t steps = model_below(model, 8); id >= 0 && steps != 0; steps--) {
        const ModelObject *object = &model->objects[id];
        if (object->refs == NULL) {
            break;
        }
        int32_t next = object->refs[model_below(model, object->words)];
        id = next >= 0 ? next : id;
    }
    return id;
}

/* --- stores --- */

/* Makes a random reference word of `holder` refer to `id`, if the word drawn is one. */
static void model_link(Model *model, int32_t holder, int32_t id) {
    ModelObject *object = &model->objects[holder];
    if (object->refs == NULL) {
        return;
    }
    size_t w = (size_t)model_below(model, object->words);
    ShapeRole role = shape_role(object, w);
    if (!shape_is_reference(role)) {
        return;
    }
    object->refs[w] = id;
    uint64_t value = shape_expected(model, (uint32_t)holder, w);
    uint64_t *word = (uint64_t *)(void *)object->address + w;
    bool inlined = (model_random(model) & 1) != 0;
    if (role == SHAPE_SLOT && inlined) {
        goo_gc_write(model->m, object->address, word, value);
    } else if (role == SHAPE_SLOT) {
        (goo_gc_write)(model->m, object->address, word, value);
    } else if (inlined) {
        goo_gc_write_pointer(model->m, object->address, word, (void *)(uintptr_t)value);
    } else {
        (goo_gc_write_pointer)(model->m, object->address, word, (void *)(uintptr_t)value);
    }
}

/* --- steps --- */

static size_t model_random_size(Model *model) {
    static const size_t edges[] = {16,   256,  272,   4080,  4096,  8176,   8192,
                                   8193, 8208, 12288, 61440, 65536, 131056, 500000};
    uint64_t die = model_below(model, 1000);
    size_t size = die < 700   ? 16 + model_below(model, 112)
                  : die < 900 ? 128 + model_below(model, 900)
                  : die < 960 ? 1024 + model_below(model, 7200)
                  : die < 995 ? edges[model_below(model, sizeof edges / sizeof *edges)]
                              : 8193 + model_below(model, 500000);
    return size <= model->options.size_max ? size : 16 + size % 240;
}

/* Large objects without references or with one kind of them only, as shapes go by size. */
uint32_t model_shape_of_size(Model *model, size_t size) {
    for (;;) {
        uint32_t shape = (uint32_t)model_below(model, MODEL_SHAPES);
        if (size >= model_shapes[shape].words_min * 8) {
            return shape;
        }
    }
}

int32_t model_alloc(Model *model, uint32_t shape, size_t size) {
    int32_t id = (int32_t)model_make(model, shape, size);
    model_set_root(model, model_below(model, MODEL_ROOTS), id);
    return id;
}

static void model_step_alloc(Model *model) {
    size_t size = model_random_size(model);
    int32_t id = (int32_t)model_make(model, model_shape_of_size(model, size), size);
    uint64_t die = model_below(model, 8);
    if (die < 2) {
        model_set_root(model, model_below(model, MODEL_ROOTS), id);
        return; /* die 7: garbage at once */
    }
    for (int tries = 0; die < 7 && tries < 4; tries++) {
        int32_t holder = model_pick(model);
        if (holder >= 0) {
            model_link(model, holder, id);
            model_link(model, id, holder);
        }
    }
}

void model_step(Model *model) {
    uint64_t die = model_below(model, 100);
    if (die < 60) {
        model_step_alloc(model);
        return;
    }
    int32_t target = model_pick(model);
    if (die < 90) {
        int32_t holder = model_pick(model);
        if (holder >= 0) {
            model_link(model, holder, die < 80 ? target : die < 85 ? MODEL_NONE : MODEL_NOISE);
        }
    } else if (die < 98) {
        model_set_root(model, model_below(model, MODEL_ROOTS), die < 96 ? target : MODEL_NONE);
    } else if (model->live_count > model->options.live_max) {
        size_t from = model_below(model, MODEL_ROOTS);
        for (size_t i = 0; i < MODEL_ROOTS * 3 / 4; i++) {
            model_set_root(model, (from + i) % MODEL_ROOTS, MODEL_NONE);
        }
    }
}

/* --- beginning and end --- */

static void model_trace_callback(GooGcVisitor *v, void *user) {
    Model *model = user;
    goo_gc_visit_range(v, model->callback_slots, MODEL_ROOTS_PER_KIND);
}

static void model_add_roots(Model *model) {
    GooGcHeap *heap = model->heap;
    for (size_t i = 0; i < MODEL_ROOTS_PER_KIND; i++) {
        CHECK_EQ(goo_gc_root_add(heap, &model->slots[i]), GOO_OK);
        CHECK_EQ(goo_gc_root_add_pointer(heap, &model->pointers[i]), GOO_OK);
        model->frame_locals[i] = &model->locals[i];
        goo_gc_push(model->m, NULL);
    }
    CHECK_EQ(goo_gc_roots_add(heap, model_trace_callback, model), GOO_OK);
    goo_gc_frame_begin(model->m, &model->frame, model->frame_locals, MODEL_ROOTS_PER_KIND);
    CHECK_EQ(goo_gc_add_stack(model->m, model->stack, model->stack + MODEL_ROOTS_PER_KIND), GOO_OK);
    for (size_t i = 0; i < MODEL_ROOTS; i++) {
        model->root_ids[i] = MODEL_NONE;
    }
}

Model *model_create(const ModelOptions *options) {
    Model *model = calloc(1, sizeof *model);
    CHECK(model != NULL);
    model->options = *options;
    model->random = options->seed;
    model->options.heap.trace_embedder = shape_trace_embedder;
    model->options.heap.user = model;
    model->heap = goo_gc_heap_create(&model->options.heap);
    CHECK(model->heap != NULL);
    model->m = goo_gc_attach(model->heap);
    CHECK(model->m != NULL);
    shape_make_types(model);
    /* Noise looks like addresses of objects: they lie near the first one. */
    model->noise_base = (uintptr_t)goo_gc_alloc_leaf(model->m, 16);
    CHECK(model->noise_base != 0);
    model_add_roots(model);
    return model;
}

void model_destroy(Model *model) {
    goo_gc_frame_end(model->m, &model->frame);
    goo_gc_heap_destroy(model->heap);
    for (uint32_t id = 0; id < model->object_count; id++) {
        ModelObject *object = &model->objects[id];
        CHECK_EQ(object->finalized, model_shapes[object->shape].finalized ? 1 : 0);
        free(object->refs);
    }
    free(model->objects);
    free(model->work);
    free(model);
}
