/* What a collection does to weak objects, as sets. */
#include "tests/gc/weak_model.h"

static bool model_mark(Model *model, int id) {
    if (id < 0 || model->objects[id].marked) {
        return false;
    }
    model->objects[id].marked = true;
    return true;
}

/* Marks what one marked object keeps alive; whether that was anything new. */
static bool model_mark_from(Model *model, const ModelObject *object) {
    bool changed = false;
    for (int i = 0; object->kind == MODEL_NODE && i < MODEL_FIELDS; i++) {
        changed |= model_mark(model, object->fields[i]);
    }
    for (size_t i = 0; object->kind != MODEL_WEAK && i < object->pair_count; i++) {
        int key = object->pairs[i].key;
        if (key >= 0 && model->objects[key].marked) {
            changed |= model_mark(model, object->pairs[i].value);
        }
    }
    return changed;
}

static void model_close(Model *model) {
    bool changed = true;
    while (changed) {
        changed = false;
        for (int i = 0; i < model->count; i++) {
            if (model->objects[i].marked || model->objects[i].traced) {
                changed |= model_mark_from(model, &model->objects[i]);
            }
        }
    }
}

static void model_mark_roots(Model *model) {
    for (int i = 0; i < model->count; i++) {
        model->objects[i].marked = model->objects[i].early = model->objects[i].traced = false;
    }
    for (int i = 0; i < MODEL_ROOTS; i++) {
        model_mark(model, model->roots[i]);
    }
    for (int i = 0; i < MODEL_HELD; i++) {
        model_mark(model, model->held[i]);
    }
    for (int i = model->queue_head; i < model->queue_end; i++) {
        model_mark(model, model->queue[i]);
    }
    model_close(model);
}

/* Marked objects that have not let go before let go of what is not marked. */
static void model_let_go(Model *model) {
    for (int i = 0; i < model->count; i++) {
        ModelObject *object = &model->objects[i];
        size_t kept = 0;
        for (size_t p = 0; object->marked && !object->early && p < object->pair_count; p++) {
            if (model->objects[object->pairs[p].key].marked) {
                object->pairs[kept++] = object->pairs[p];
            }
        }
        if (object->marked && !object->early) {
            object->pair_count = kept;
        }
    }
    for (int i = 0; i < model->count; i++) {
        model->objects[i].early = model->objects[i].marked;
    }
}

static void model_queue(Model *model, ModelFinalizer *f) {
    model->queue[model->queue_end++] = f->object;
    model_mark(model, f->object);
    f->object = -1;
}

static bool model_is_dead(const Model *model, const ModelFinalizer *f) {
    return f->object >= 0 && !model->objects[f->object].marked;
}

static void model_queue_unordered(Model *model) {
    for (int i = 0; i < model->finalizer_count; i++) {
        model->finalizers[i].dead = model_is_dead(model, &model->finalizers[i]);
    }
    for (int i = 0; i < model->finalizer_count; i++) {
        if (model->finalizers[i].dead && !model->finalizers[i].ordered) {
            model_queue(model, &model->finalizers[i]);
        }
    }
    model_close(model);
}

static void model_queue_ordered(Model *model) {
    ModelFinalizer *last = NULL;
    int before = model->queue_end;
    for (int i = 0; i < model->finalizer_count; i++) {
        if (model_is_dead(model, &model->finalizers[i])) {
            last = &model->finalizers[i];
            model->objects[last->object].traced = true;
            model_close(model);
        }
    }
    for (int i = 0; i < model->finalizer_count; i++) {
        if (model_is_dead(model, &model->finalizers[i])) {
            model_queue(model, &model->finalizers[i]);
        }
    }
    if (last != NULL && model->queue_end == before) {
        model_queue(model, last);
    }
    model_close(model);
}

void model_collect(Model *model) {
    model_mark_roots(model);
    model_let_go(model);
    model_queue_unordered(model);
    model_queue_ordered(model);
    model_let_go(model);
    int kept = 0;
    for (int i = 0; i < model->finalizer_count; i++) {
        if (model->finalizers[i].object >= 0) {
            model->finalizers[kept++] = model->finalizers[i];
        }
    }
    model->finalizer_count = kept;
    for (int i = 0; i < model->count; i++) {
        model->objects[i].dead |= !model->objects[i].marked;
    }
    model->collections++;
}

size_t model_live_objects(const Model *model) {
    size_t live = 0;
    for (int i = 0; i < model->count; i++) {
        live += model->objects[i].dead ? 0 : 1 + model->objects[i].has_table;
    }
    return live;
}

ModelPair *model_pair_of(ModelObject *map, int key) {
    for (size_t i = 0; i < map->pair_count; i++) {
        if (map->pairs[i].key == key) {
            return &map->pairs[i];
        }
    }
    return NULL;
}

ModelFinalizer *model_finalizer_of(Model *model, int object) {
    for (int i = 0; i < model->finalizer_count; i++) {
        if (model->finalizers[i].object == object) {
            return &model->finalizers[i];
        }
    }
    return NULL;
}
