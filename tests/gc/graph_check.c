/* After a collection: is the heap what the shadow says? */
#include <stdio.h>
#include <stdlib.h>

#include "goo/gc/inline.h"
#include "tests/gc/graph_shape.h"
#include "tests/harness.h"

#define DEMAND(model, id, condition)                                                               \
    CHECK_MSG(condition, "seed %llu, check %u, object %u (%s, %zu bytes): %s",                     \
              (unsigned long long)(model)->options.seed, (model)->check, (id),                     \
              model_shapes[(model)->objects[id].shape].name, (model)->objects[id].size, #condition)

static size_t check_reach(Model *model, int32_t id, size_t depth) {
    if (id >= 0 && model->objects[id].reached != model->check) {
        model->objects[id].reached = model->check;
        model->work[depth++] = (uint32_t)id;
    }
    return depth;
}

static void check_mark_reachable(Model *model) {
    size_t depth = 0;
    for (size_t i = 0; i < MODEL_ROOTS; i++) {
        depth = check_reach(model, model->root_ids[i], depth);
    }
    while (depth != 0) {
        const ModelObject *object = &model->objects[model->work[--depth]];
        for (size_t w = 0; object->refs != NULL && w < object->words; w++) {
            depth = check_reach(model, object->refs[w], depth);
        }
    }
}

static void check_contents(Model *model, uint32_t id) {
    const ModelObject *object = &model->objects[id];
    const uint64_t *words = (const uint64_t *)(const void *)object->address;
    bool typed = model_shapes[object->shape].kind == GOO_GC_KIND_TYPED;
    for (size_t w = typed; w < object->rounded / 8; w++) {
        uint64_t expected = w < object->words ? shape_expected(model, id, w) : 0;
        CHECK_MSG(words[w] == expected,
                  "seed %llu, check %u: word %zu of object %u (%s, %zu bytes) is %llx, not %llx",
                  (unsigned long long)model->options.seed, model->check, w, id,
                  model_shapes[object->shape].name, object->size, (unsigned long long)words[w],
                  (unsigned long long)expected);
    }
}

static void check_live(Model *model, uint32_t id) {
    const ModelObject *object = &model->objects[id];
    GooGcHeap *heap = model->heap;
    char *start = object->address;
    DEMAND(model, id, object->finalized == 0);
    DEMAND(model, id, goo_gc_size_of(heap, start) == object->rounded);
    DEMAND(model, id, goo_gc_base_of(heap, start) == start);
    DEMAND(model, id, goo_gc_base_of(heap, start + 1) == start);
    DEMAND(model, id, goo_gc_base_of(heap, start + model_random(model) % object->rounded) == start);
    DEMAND(model, id, goo_gc_base_of(heap, start + object->rounded - 1) == start);
    char *behind = start + object->rounded;
    void *next = goo_gc_base_of(heap, behind);
    DEMAND(model, id, next == NULL || next == behind);
    DEMAND(model, id, goo_gc_size_of(heap, start + 8) == 0);
    if (model_shapes[object->shape].kind == GOO_GC_KIND_TYPED) {
        DEMAND(model, id, goo_gc_type_of(start) == &model->types[object->shape]);
    }
    check_contents(model, id);
}

/* Its place may have been taken since by an object that lives: the walk tells. */
static void check_dead(Model *model, uint32_t id) {
    ModelObject *object = &model->objects[id];
    uint32_t wanted = model_shapes[object->shape].finalized ? 1 : 0;
    DEMAND(model, id, object->finalized == wanted);
    free(object->refs);
    object->refs = NULL;
    object->address = NULL;
}

static void check_walked(void *start, size_t size, const GooGcType *type, void *user) {
    Model *model = user;
    const uint64_t *words = start;
    uint64_t id = words[type != NULL ? 1 : 0] - 1;
    CHECK_MSG(id < model->object_count, "seed %llu: walk shows %p, which holds no id",
              (unsigned long long)model->options.seed, start);
    ModelObject *object = &model->objects[id];
    DEMAND(model, (uint32_t)id, object->reached == model->check);
    DEMAND(model, (uint32_t)id, object->walked != model->check);
    DEMAND(model, (uint32_t)id, object->address == start && object->rounded == size);
    bool typed = model_shapes[object->shape].kind == GOO_GC_KIND_TYPED;
    DEMAND(model, (uint32_t)id, type == (typed ? &model->types[object->shape] : NULL));
    object->walked = model->check;
}

static void check_every_object(Model *model, size_t *out_bytes) {
    size_t bytes = 0;
    model->live_count = 0;
    bool still_first = true;
    for (uint32_t id = model->first_live; id < model->object_count; id++) {
        ModelObject *object = &model->objects[id];
        if (object->address != NULL && object->reached == model->check) {
            check_live(model, id);
            bytes += object->rounded;
            model->live_count++;
            still_first = false;
        } else if (object->address != NULL) {
            check_dead(model, id);
        }
        model->first_live = still_first ? id + 1 : model->first_live;
    }
    *out_bytes = bytes;
}

void model_check(Model *model) {
    CHECK_EQ(goo_gc_collect(model->m, GOO_GC_FULL), GOO_OK);
    model->check++;
    check_mark_reachable(model);
    size_t bytes;
    check_every_object(model, &bytes);
    GooGcStats stats = goo_gc_get_stats(model->heap);
    CHECK_EQ(stats.live_bytes, bytes);
    CHECK_EQ(stats.objects_live, model->live_count);
    goo_gc_walk(model->heap, check_walked, model);
    for (uint32_t id = model->first_live; id < model->object_count; id++) {
        const ModelObject *object = &model->objects[id];
        DEMAND(model, id, object->address == NULL || object->walked == model->check);
    }
    CHECK_EQ(goo_gc_verify(model->heap, stderr), GOO_OK);
}
