/* Random graphs of nodes, weak references, ephemerons, weak maps and finalizers against a shadow
 * (weak_model.h): after every collection each object holds exactly what the shadow says.
 *
 * Uses private headers: gc/heap.h, to force the mark stack to overflow while ephemerons settle.
 * Invariants: WEAK-1 … WEAK-3, MAP-1, MAP-2, FINQ-1, FINQ-2, by verify after each collection.
 */
#include <stdlib.h>

#include "gc/heap.h"
#include "tests/gc/weak_model.h"

typedef struct Node {
    const GooGcType *type;
    ModelObject *shadow; /* for the plain finalizer */
    void *fields[MODEL_FIELDS];
} Node;

static void node_finalize(void *object, void *user) {
    (void)user;
    ((Node *)object)->shadow->deaths++;
}

static const uint64_t node_bitmap[] = {28};
static const GooGcType node_type = {.name = "node",
                                    .size = sizeof(Node),
                                    .layout = GOO_GC_LAYOUT_BITMAP,
                                    .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                    .bitmap = node_bitmap,
                                    .bitmap_words = 1};
static const GooGcType plain_type = {.name = "finalized node",
                                     .size = sizeof(Node),
                                     .layout = GOO_GC_LAYOUT_BITMAP,
                                     .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                     .bitmap = node_bitmap,
                                     .bitmap_words = 1,
                                     .finalize = node_finalize};

static size_t graph_random(Model *model, size_t below) {
    return (size_t)(random_next(&model->random) % below);
}

static void *graph_address(const Model *model, int id) {
    return id < 0 ? NULL : model->objects[id].address;
}

/* --- what the heap says --- */

static void graph_check_pairs(const Model *model, const ModelObject *object) {
    GooGcMutator *m = model->m;
    ModelPair pair = object->pair_count != 0 ? object->pairs[0] : (ModelPair){-1, -1};
    if (object->kind == MODEL_WEAK) {
        CHECK_PTR_EQ(goo_gc_weak_get(m, object->address), graph_address(model, pair.key));
    } else if (object->kind == MODEL_EPHEMERON) {
        CHECK_PTR_EQ(goo_gc_ephemeron_key(m, object->address), graph_address(model, pair.key));
        CHECK_PTR_EQ(goo_gc_ephemeron_value(m, object->address), graph_address(model, pair.value));
    } else if (object->kind == MODEL_MAP) {
        CHECK_EQ(goo_gc_weak_map_count(m, object->address), object->pair_count);
        for (size_t i = 0; i < object->pair_count; i++) {
            void *key = graph_address(model, object->pairs[i].key);
            CHECK_PTR_EQ(goo_gc_weak_map_get(m, object->address, key),
                         graph_address(model, object->pairs[i].value));
        }
    }
}

static void graph_check(const Model *model) {
    for (int i = 0; i < model->count; i++) {
        const ModelObject *object = &model->objects[i];
        CHECK_EQ(object->deaths, object->dead && object->plain);
        if (object->dead) {
            continue;
        }
        CHECK_PTR_EQ(goo_gc_base_of(model->heap, object->address), object->address);
        for (int f = 0; object->kind == MODEL_NODE && f < MODEL_FIELDS; f++) {
            CHECK_PTR_EQ(((Node *)object->address)->fields[f],
                         graph_address(model, object->fields[f]));
        }
        graph_check_pairs(model, object);
    }
}

/* Lets the shadow follow the collections that the last call made. */
static void graph_follow(Model *model) {
    uint64_t collections = goo_gc_get_stats(model->heap).collections_full;
    if (model->collections == collections) {
        return;
    }
    while (model->collections < collections) {
        model_collect(model);
    }
    CHECK_EQ(goo_gc_get_stats(model->heap).objects_live, model_live_objects(model));
}

/* A weak hook sees the end of the collection before it is over: ask only what is sure. */
static void graph_hook(GooGcHeap *heap, void *user) {
    const Model *model = user;
    CHECK(!goo_gc_is_live(heap, NULL) && !goo_gc_is_live(heap, model));
    for (int i = 0; i < MODEL_ROOTS; i++) {
        CHECK(model->roots[i] < 0 || goo_gc_is_live(heap, model->root_pointers[i]));
    }
}

/* --- steps --- */

/* A random object that the program can reach, or -1: a walk from a root, through anything. */
static int graph_pick(Model *model) {
    int at = model->roots[graph_random(model, MODEL_ROOTS)];
    for (size_t steps = graph_random(model, 5); at >= 0 && steps > 0; steps--) {
        const ModelObject *object = &model->objects[at];
        int next = -1;
        if (object->kind == MODEL_NODE) {
            next = object->fields[graph_random(model, MODEL_FIELDS)];
        } else if (object->pair_count != 0) {
            const ModelPair *pair = &object->pairs[graph_random(model, object->pair_count)];
            next = object->kind == MODEL_WEAK || graph_random(model, 2) == 0 ? pair->key
                                                                             : pair->value;
        }
        at = next >= 0 ? next : at;
    }
    return at;
}

/* What the real call keeps alive while it runs, the shadow keeps too. */
static void graph_hold(Model *model, int first, int second, int third) {
    model->held[0] = first;
    model->held[1] = second;
    model->held[2] = third;
}

static void graph_set_root(Model *model, size_t root, int id) {
    model->roots[root] = id;
    model->root_pointers[root] = graph_address(model, id);
}

static void *graph_new(Model *model, ModelKind kind, int first, int second, bool plain) {
    void *a = graph_address(model, first), *b = graph_address(model, second);
    switch (kind) {
    case MODEL_WEAK:
        return goo_gc_weak_new(model->m, a);
    case MODEL_EPHEMERON:
        return goo_gc_ephemeron_new(model->m, a, b);
    case MODEL_MAP:
        return goo_gc_weak_map_new(model->m);
    default:
        return goo_gc_alloc(model->m, plain ? &plain_type : &node_type, 0);
    }
}

static void graph_step_new(Model *model) {
    ModelKind kind = graph_random(model, 2) == 0 ? MODEL_NODE
                                                 : (ModelKind)graph_random(model, MODEL_KINDS);
    int first = graph_pick(model), second = graph_pick(model);
    bool plain = kind == MODEL_NODE && graph_random(model, 4) == 0;
    if (model->count == MODEL_OBJECTS || (first < 0 && kind != MODEL_NODE)) {
        return;
    }
    bool pair = kind == MODEL_WEAK || kind == MODEL_EPHEMERON;
    graph_hold(model, pair ? first : -1, kind == MODEL_EPHEMERON ? second : -1, -1);
    void *address = graph_new(model, kind, first, second, plain);
    CHECK(address != NULL);
    graph_follow(model);
    graph_hold(model, -1, -1, -1);
    ModelObject *object = &model->objects[model->count];
    *object = (ModelObject){.kind = kind, .address = address, .plain = plain};
    for (int f = 0; f < MODEL_FIELDS; f++) {
        object->fields[f] = -1;
    }
    if (kind == MODEL_NODE) {
        ((Node *)address)->shadow = object;
    }
    if (pair) {
        object->pairs[object->pair_count++] =
            (ModelPair){first, kind == MODEL_EPHEMERON ? second : -1};
    }
    graph_set_root(model, graph_random(model, MODEL_ROOTS), model->count++);
}

static void graph_step_store(Model *model) {
    int into = graph_pick(model), value = graph_pick(model);
    if (into < 0 || model->objects[into].kind != MODEL_NODE) {
        return;
    }
    size_t f = graph_random(model, MODEL_FIELDS);
    Node *node = model->objects[into].address;
    value = graph_random(model, 4) == 0 ? -1 : value;
    goo_gc_write_pointer(model->m, node, &node->fields[f], graph_address(model, value));
    model->objects[into].fields[f] = value;
}

static int graph_pick_map(Model *model) {
    for (int tries = 0; tries < 8; tries++) {
        int id = graph_pick(model);
        if (id >= 0 && model->objects[id].kind == MODEL_MAP) {
            return id;
        }
    }
    return -1;
}

static void graph_step_map_set(Model *model) {
    int id = graph_pick_map(model), key = graph_pick(model), value = graph_pick(model);
    if (id < 0 || key < 0) {
        return;
    }
    ModelObject *map = &model->objects[id];
    ModelPair *pair = model_pair_of(map, key);
    if (pair == NULL && map->pair_count == MODEL_PAIRS) {
        return;
    }
    graph_hold(model, id, key, value);
    CHECK_EQ(goo_gc_weak_map_set(model->m, map->address, graph_address(model, key),
                                 graph_address(model, value)),
             GOO_OK);
    graph_follow(model);
    graph_hold(model, -1, -1, -1);
    map->has_table = true;
    pair = model_pair_of(map, key);
    pair = pair != NULL ? pair : &map->pairs[map->pair_count++];
    *pair = (ModelPair){key, value};
}

static void graph_step_map_remove(Model *model) {
    int id = graph_pick_map(model), key = graph_pick(model);
    if (id < 0 || key < 0) {
        return;
    }
    ModelObject *map = &model->objects[id];
    ModelPair *pair = model_pair_of(map, key);
    CHECK_EQ(goo_gc_weak_map_remove(model->m, map->address, graph_address(model, key)),
             pair != NULL);
    if (pair != NULL) {
        *pair = map->pairs[--map->pair_count];
    }
}

/* The oldest of the shadow's queue is what must come. Sometimes it is brought back for good. */
static void graph_finalizer(void *object, void *user) {
    Model *model = user;
    CHECK(model->queue_head < model->queue_end);
    int id = model->queue[model->queue_head];
    CHECK_PTR_EQ(object, graph_address(model, id));
    graph_check_pairs(model, &model->objects[id]);
    if (graph_random(model, 4) == 0) {
        graph_set_root(model, graph_random(model, MODEL_ROOTS), id);
    }
    if (graph_random(model, 8) == 0) {
        collect(model->m);
        graph_follow(model);
    }
    model->queue_head++;
}

static void graph_step_finalizer(Model *model) {
    int id = graph_pick(model);
    if (id < 0) {
        return;
    }
    ModelFinalizer *old = model_finalizer_of(model, id);
    bool ordered = graph_random(model, 2) == 0, none = graph_random(model, 5) == 0;
    void *object = graph_address(model, id);
    CHECK_EQ(ordered ? goo_gc_set_finalizer_ordered(model->m, object,
                                                    none ? NULL : graph_finalizer, model)
                     : goo_gc_set_finalizer(model->m, object, none ? NULL : graph_finalizer,
                                            model),
             GOO_OK);
    graph_follow(model);
    if (none && old != NULL) {
        memmove(old, old + 1,
                (size_t)(&model->finalizers[--model->finalizer_count] - old) * sizeof *old);
    } else if (!none) {
        old = old != NULL ? old : &model->finalizers[model->finalizer_count++];
        *old = (ModelFinalizer){id, ordered, false};
    }
}

static void graph_step_run(Model *model) {
    size_t queued = (size_t)(model->queue_end - model->queue_head);
    size_t max = graph_random(model, 4);
    CHECK_EQ(goo_gc_run_finalizers(model->m, max), queued < max ? queued : max);
}

static void graph_step(Model *model) {
    switch (graph_random(model, 12)) {
    case 0: case 1: case 2:
        graph_step_new(model);
        break;
    case 3: case 4: case 5:
        graph_step_store(model);
        break;
    case 6: case 7:
        graph_step_map_set(model);
        break;
    case 8:
        graph_step_map_remove(model);
        break;
    case 9:
        graph_step_finalizer(model);
        break;
    case 10:
        graph_step_run(model);
        break;
    default:
        graph_set_root(model, graph_random(model, MODEL_ROOTS),
                       graph_random(model, 2) == 0 ? -1 : graph_pick(model));
        break;
    }
}

/* --- runs --- */

static void graph_run(const char *options, uint64_t seed, size_t steps, size_t stack_reserved) {
    Model *model = calloc(1, sizeof *model);
    CHECK(model != NULL);
    model->heap = heap_of(options);
    model->m = goo_gc_attach(model->heap);
    model->random = seed;
    model->heap->team_heap_min = 0; /* where the options ask for helpers, they come */
    size_t whole = model->heap->mark_stack.reserved;
    model->heap->mark_stack.reserved = stack_reserved != 0 ? stack_reserved : whole;
    graph_hold(model, -1, -1, -1);
    model->held[3] = -1;
    CHECK_EQ(goo_gc_weak_hook_add(model->heap, graph_hook, model), GOO_OK);
    for (size_t i = 0; i < MODEL_ROOTS; i++) {
        model->roots[i] = -1;
        CHECK_EQ(goo_gc_root_add_pointer(model->heap, &model->root_pointers[i]), GOO_OK);
    }
    for (size_t i = 0; i < steps; i++) {
        graph_step(model);
        if (i % 40 == 0) {
            collect(model->m);
            graph_follow(model);
            graph_check(model);
        }
    }
    CHECK_EQ(goo_gc_verify(model->heap, NULL), GOO_OK);
    model->heap->mark_stack.reserved = whole;
    goo_gc_heap_destroy(model->heap);
    free(model);
}

GOO_TEST(gc_weak_graph, against_the_shadow) {
    for (uint64_t seed = 1; seed <= 12; seed++) {
        graph_run("verify,poison", seed, 6000, 0);
    }
}

GOO_TEST(gc_weak_graph, collected_at_every_allocation) {
    for (uint64_t seed = 101; seed <= 104; seed++) {
        graph_run("stress=1,verify,poison", seed, 2500, 0);
    }
}

GOO_TEST(gc_weak_graph, marked_by_several_threads) {
    for (uint64_t seed = 401; seed <= 406; seed++) {
        graph_run("markers=3,verify,poison", seed, 4000, 0);
    }
}

GOO_TEST(gc_weak_graph, without_verify) {
    for (uint64_t seed = 201; seed <= 206; seed++) {
        graph_run(seed % 2 == 0 ? "stress=3" : "", seed, 5000, 0);
    }
}

/* A mark stack of 4 KiB that never grows: work is dropped while pairs settle. */
GOO_TEST(gc_weak_graph, overflowing_mark_stack) {
    for (uint64_t seed = 301; seed <= 304; seed++) {
        graph_run("verify,poison", seed, 4000, 4096);
    }
}
