/* goo_gc_why_alive: the shortest path, against a search of the test's own; every kind of root; what
 * is weak; errors.
 *
 * Each path is checked step by step: what lies at a step's offset is the next step's object.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "goo/gc/weak.h"
#include "tests/gc/support.h"

enum { PATH_MAX_STEPS = 4096 };

typedef struct PathSeen {
    GooGcPathStep steps[PATH_MAX_STEPS];
    size_t count;
} PathSeen;

static PathSeen path_seen;

static void path_step(const GooGcPathStep *step, void *user) {
    PathSeen *seen = user;
    if (seen->count < PATH_MAX_STEPS) {
        seen->steps[seen->count] = *step;
    }
    seen->count++;
}

/* The length, and the path in path_seen, whose steps fit each other. */
static size_t path_to(GooGcHeap *heap, void *object) {
    path_seen.count = 0;
    errno = 0;
    size_t length = goo_gc_why_alive(heap, object, path_step, &path_seen);
    CHECK_EQ(errno, 0);
    CHECK_EQ(path_seen.count, length);
    size_t shown = length < PATH_MAX_STEPS ? length : PATH_MAX_STEPS;
    for (size_t i = 0; i < shown; i++) {
        const GooGcPathStep *step = &path_seen.steps[i];
        CHECK_EQ(step->root_kind != NULL, i == 0);
        if (i + 1 < shown && step->offset != GOO_GC_OFFSET_OUTSIDE) {
            void *next;
            memcpy(&next, (char *)step->object + step->offset, sizeof next);
            CHECK_PTR_EQ(goo_gc_base_of(heap, next), step[1].object);
        }
    }
    if (length != 0 && length == shown) {
        CHECK_PTR_EQ(path_seen.steps[length - 1].object, object);
        CHECK_EQ(path_seen.steps[length - 1].offset, 0);
    }
    return length;
}

static const char *path_root(void) {
    return path_seen.count == 0 ? "" : path_seen.steps[0].root_kind;
}

/* --- kinds of roots --- */

static void path_trace_root(GooGcVisitor *v, void *user) {
    goo_gc_visit_pointer(v, user);
}

static void path_finalize(void *object, void *user) {
    (void)object;
    (void)user;
}

GOO_TEST(gc_why_alive, precise_roots) {
    GooGcHeap *heap = heap_of("initial=64M,verify");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *objects[6];
    for (uint64_t i = 0; i < 6; i++) {
        objects[i] = pair_new(m, pair_new(m, NULL, NULL, i), NULL, i);
        CHECK_EQ(path_to(heap, objects[i]), 0);
    }
    void *slot = objects[0], *pointer = objects[1], *traced = objects[2], *local = objects[3];
    CHECK_EQ(goo_gc_root_add(heap, &slot), GOO_OK);
    CHECK_EQ(goo_gc_root_add_pointer(heap, &pointer), GOO_OK);
    CHECK_EQ(goo_gc_roots_add(heap, path_trace_root, &traced), GOO_OK);
    GooGcFrame frame;
    void *const locals[] = {&local};
    goo_gc_frame_begin(m, &frame, locals, 1);
    goo_gc_push(m, objects[4]);
    GooGcHandle handle = goo_gc_handle_new(heap, objects[5]);
    static const char *const kinds[] = {"slot",  "pointer",   "callback",
                                        "frame", "temporary", "handle"};
    for (size_t i = 0; i < 6; i++) {
        CHECK_EQ(path_to(heap, objects[i]), 1);
        CHECK_STR_EQ(path_root(), kinds[i]);
        CHECK_EQ(path_to(heap, objects[i]->first), 2);
        CHECK_STR_EQ(path_root(), kinds[i]);
        CHECK_PTR_EQ(path_seen.steps[0].type, &pair_type);
        CHECK_EQ(path_seen.steps[0].offset, offsetof(Pair, first));
    }
    goo_gc_handle_free(heap, handle);
    CHECK_EQ(path_to(heap, objects[5]), 0);
    CHECK_EQ(goo_gc_set_finalizer(m, objects[5], path_finalize, NULL), GOO_OK);
    collect(m);
    CHECK_EQ(path_to(heap, objects[5]->first), 2);
    CHECK_STR_EQ(path_root(), "finalizer");
    goo_gc_frame_end(m, &frame);
    goo_gc_heap_destroy(heap);
}

/* A slot's encoding is read as marking reads it. */
GOO_TEST(gc_why_alive, encoded_slots) {
    GooGcOptions options = goo_gc_default_options();
    options.encoding = (GooGcValueEncoding)GOO_GC_ENCODING_LOW_TAG(3, 5);
    GooGcHeap *heap = goo_gc_heap_create(&options);
    GooGcMutator *m = goo_gc_attach(heap);
    uint64_t *array = goo_gc_alloc(m, &slots_type, 8 * 10);
    void *leaf = goo_gc_alloc_leaf(m, 16);
    uint64_t root = (uint64_t)(uintptr_t)array | 5;
    CHECK_EQ(goo_gc_root_add(heap, &root), GOO_OK);
    array[3] = (uint64_t)(uintptr_t)leaf; /* no reference */
    CHECK_EQ(path_to(heap, leaf), 0);
    array[7] = (uint64_t)(uintptr_t)leaf | 5;
    path_seen.count = 0;
    CHECK_EQ(goo_gc_why_alive(heap, leaf, path_step, &path_seen), 2);
    CHECK_EQ(path_seen.steps[0].offset, 7 * 8);
    CHECK_PTR_EQ(path_seen.steps[1].type, NULL);
    goo_gc_heap_destroy(heap);
}

/* Where compilers keep variables, and whether they leave copies, is theirs to decide. */
static void path_check_stack(GooGcHeap *heap, void *object, size_t length_max) {
    size_t length = path_to(heap, object);
    CHECK(length >= 1 && length <= length_max);
    CHECK(strcmp(path_root(), "stack word") == 0 || strcmp(path_root(), "register") == 0);
}

/* Words of the stack, of memory that was added as one, and of conservative objects, into the middle
 * of their objects too. */
GOO_TEST(gc_why_alive, conservative_words) {
    GooGcHeap *heap = heap_of("scan_stacks");
    GooGcMutator *m = goo_gc_attach(heap);
    static void *stack[64];
    Pair *volatile pair = pair_new(m, pair_new(m, NULL, NULL, 2), NULL, 1);
    path_check_stack(heap, pair, 1);
    path_check_stack(heap, pair->first, 2);
    goo_gc_heap_destroy(heap);
    heap = heap_of("initial=64M"); /* no stacks but this one */
    m = goo_gc_attach(heap);
    void **words = goo_gc_alloc_conservative(m, 64);
    char *leaf = goo_gc_alloc_leaf(m, 100);
    words[5] = leaf + 50;
    stack[30] = (char *)words + 63;
    CHECK_EQ(path_to(heap, leaf), 0);
    CHECK_EQ(goo_gc_add_stack(m, stack, stack + 64), GOO_OK);
    CHECK_EQ(path_to(heap, leaf), 2);
    CHECK_STR_EQ(path_root(), "added stack word");
    CHECK_EQ(path_seen.steps[0].offset, 40);
    goo_gc_heap_destroy(heap);
}

typedef struct PathOutside {
    const GooGcType *type;
    void **items;
} PathOutside;

static void path_trace_outside(void *object, GooGcVisitor *v) {
    goo_gc_visit_pointers(v, ((PathOutside *)object)->items, 4);
}

GOO_TEST(gc_why_alive, references_outside_the_object) {
    static const GooGcType type = {.name = "outside",
                                   .size = sizeof(PathOutside),
                                   .layout = GOO_GC_LAYOUT_TRACE,
                                   .trace = path_trace_outside};
    void *items[4] = {NULL};
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    PathOutside *object = goo_gc_alloc(m, &type, 0);
    object->items = items;
    goo_gc_push(m, object);
    items[2] = goo_gc_alloc_leaf(m, 16);
    CHECK_EQ(path_to(heap, items[2]), 2);
    CHECK_EQ(path_seen.steps[0].offset, GOO_GC_OFFSET_OUTSIDE);
    goo_gc_heap_destroy(heap);
}

/* --- against a search of our own --- */

enum { NODES = 2000 };

/* Levels of all nodes from a few roots, 0: not reached. */
static void path_levels(Pair *const *nodes, const size_t *roots, size_t root_count,
                        size_t *levels) {
    static size_t queue[NODES];
    size_t count = 0;
    memset(levels, 0, NODES * sizeof *levels);
    for (size_t i = 0; i < root_count; i++) {
        levels[roots[i]] = 1;
        queue[count++] = roots[i];
    }
    for (size_t at = 0; at < count; at++) {
        const Pair *next[] = {nodes[queue[at]]->first, nodes[queue[at]]->second};
        for (size_t k = 0; k < 2; k++) {
            if (next[k] != NULL && levels[next[k]->value] == 0) {
                levels[next[k]->value] = levels[queue[at]] + 1;
                queue[count++] = (size_t)next[k]->value;
            }
        }
    }
}

GOO_TEST(gc_why_alive, shortest_in_random_graphs) {
    static Pair *nodes[NODES];
    static size_t levels[NODES];
    for (uint64_t seed = 0; seed < 6; seed++) {
        GooGcHeap *heap = heap_of("initial=64M");
        GooGcMutator *m = goo_gc_attach(heap);
        uint64_t random = seed;
        size_t roots[3], far = 0;
        for (uint64_t i = 0; i < NODES; i++) {
            nodes[i] = pair_new(m, NULL, NULL, i);
        }
        for (size_t i = 0; i < NODES; i++) { /* near ones mostly, so that paths get long */
            size_t reach = seed % 2 == 0 ? 5 : NODES;
            nodes[i]->first = nodes[(i + 1 + random_next(&random) % reach) % NODES];
            nodes[i]->second =
                random_next(&random) % 2 == 0 ? NULL : nodes[random_next(&random) % (i + 1)];
        }
        for (size_t i = 0; i < 3; i++) {
            roots[i] = random_next(&random) % NODES;
            goo_gc_push(m, nodes[roots[i]]);
        }
        path_levels(nodes, roots, 3, levels);
        for (size_t i = 0; i < NODES; i += 7) {
            CHECK_EQ(path_to(heap, nodes[i]), levels[i]);
            far = levels[i] > far ? levels[i] : far;
        }
        CHECK(far > (seed % 2 == 0 ? 25u : 5u));
        CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
        goo_gc_heap_destroy(heap);
    }
}

/* As long as the heap is deep, and as wide as it is large. */
GOO_TEST(gc_why_alive, long_lists_and_wide_arrays) {
    enum { LENGTH = 100000 };
    GooGcHeap *heap = heap_of("initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *end = pair_new(m, NULL, NULL, 0), *list = end;
    for (size_t i = 1; i < LENGTH; i++) {
        list = pair_new(m, list, NULL, i);
    }
    goo_gc_push(m, list);
    CHECK_EQ(path_to(heap, end), LENGTH);
    CHECK_EQ(goo_gc_why_alive(heap, end, NULL, NULL), LENGTH);
    void **wide = goo_gc_alloc(m, &pointers_type, 8 + 8 * LENGTH);
    goo_gc_push(m, wide);
    for (size_t i = 0; i < LENGTH; i++, list = list->first) {
        wide[1 + i] = list;
    }
    CHECK_EQ(path_to(heap, end), 2);
    CHECK_EQ(path_seen.steps[0].offset, 8 * (size_t)LENGTH);
    goo_gc_heap_destroy(heap);
}

/* --- what is weak --- */

GOO_TEST(gc_why_alive, weak_references_lead_nowhere) {
    GooGcHeap *heap = heap_of("initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *target = pair_new(m, NULL, NULL, 1);
    goo_gc_push(m, goo_gc_weak_new(m, target));
    CHECK_EQ(path_to(heap, target), 0);
    goo_gc_push(m, target);
    CHECK_EQ(path_to(heap, target), 1);
    goo_gc_heap_destroy(heap);
}

/* A chain of ephemerons, each found before its key is; a key that lives only through another. */
GOO_TEST(gc_why_alive, ephemerons) {
    enum { CHAIN = 500 };
    GooGcHeap *heap = heap_of("initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *keys[CHAIN + 1];
    void **ephemerons = goo_gc_alloc(m, &pointers_type, 8 + 8 * CHAIN);
    goo_gc_push(m, ephemerons);
    for (size_t i = 0; i <= CHAIN; i++) {
        keys[i] = pair_new(m, NULL, NULL, i);
    }
    for (size_t i = 0; i < CHAIN; i++) {
        ephemerons[CHAIN - i] = goo_gc_ephemeron_new(m, keys[i], keys[i + 1]);
    }
    CHECK_EQ(path_to(heap, keys[CHAIN]), 0);
    CHECK_EQ(path_to(heap, keys[0]), 0);
    goo_gc_push(m, keys[0]);
    for (size_t i = 1; i <= CHAIN; i++) {
        CHECK_EQ(path_to(heap, keys[i]), 3);
        CHECK_PTR_EQ(path_seen.steps[1].object, ephemerons[CHAIN - i + 1]);
    }
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_why_alive, weak_maps) {
    GooGcHeap *heap = heap_of("initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    GooGcWeakMap *map = goo_gc_weak_map_new(m);
    Pair *key = pair_new(m, NULL, NULL, 1), *value = pair_new(m, NULL, NULL, 2);
    goo_gc_push(m, map);
    for (uint64_t i = 0; i < 100; i++) {
        Pair *other = pair_new(m, NULL, NULL, i);
        CHECK_EQ(goo_gc_weak_map_set(m, map, other, other), GOO_OK);
    }
    CHECK_EQ(goo_gc_weak_map_set(m, map, key, value), GOO_OK);
    CHECK_EQ(path_to(heap, value), 0);
    CHECK_EQ(path_to(heap, key), 0);
    goo_gc_push(m, pair_new(m, key, NULL, 3));
    CHECK_EQ(path_to(heap, value), 3); /* map, table, value */
    CHECK_PTR_EQ(path_seen.steps[0].object, map);
    CHECK_EQ(path_to(heap, key), 2);
    goo_gc_heap_destroy(heap);
}

/* --- what lives --- */

enum { MIXED = 600 };

typedef struct PathMixed {
    void *objects[MIXED];
    size_t lengths[MIXED];
    bool survived[MIXED];
} PathMixed;

static PathMixed path_mixed;

static void path_survivor(void *object, size_t size, const GooGcType *type, void *user) {
    (void)size;
    (void)type;
    (void)user;
    for (size_t i = 0; i < MIXED; i++) {
        path_mixed.survived[i] |= path_mixed.objects[i] == object;
    }
}

static void *path_some_object(GooGcMutator *m, uint64_t *random, size_t made) {
    void *a = made == 0 ? NULL : path_mixed.objects[random_next(random) % made];
    void *b = made == 0 ? NULL : path_mixed.objects[random_next(random) % made];
    GooGcWeakMap *map;
    void **words;
    switch (made < 10 ? 9 : random_next(random) % 8) {
    case 0:
        return goo_gc_weak_new(m, a);
    case 1:
    case 2:
    case 3:
        return goo_gc_ephemeron_new(m, a, b);
    case 4:
        map = goo_gc_weak_map_new(m);
        CHECK_EQ(goo_gc_weak_map_set(m, map, a, b), GOO_OK);
        CHECK_EQ(goo_gc_weak_map_set(m, map, b, path_mixed.objects[0]), GOO_OK);
        return map;
    case 5:
        words = goo_gc_alloc_conservative(m, 32);
        words[2] = (char *)a + 8;
        return words;
    default:
        return pair_new(m, random_next(random) % 3 == 0 ? a : NULL, NULL, made);
    }
}

/* Exactly what has a path survives a collection, whatever is weak about it. */
GOO_TEST(gc_why_alive, what_has_a_path_survives) {
    size_t alive = 0, dead = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        GooGcHeap *heap = heap_of("initial=64M,verify");
        GooGcMutator *m = goo_gc_attach(heap);
        uint64_t random = seed;
        memset(&path_mixed, 0, sizeof path_mixed);
        for (size_t i = 0; i < MIXED; i++) {
            path_mixed.objects[i] = path_some_object(m, &random, i);
        }
        for (size_t i = 0; i < MIXED / 6; i++) {
            goo_gc_push(m, path_mixed.objects[random_next(&random) % MIXED]);
        }
        for (size_t i = 0; i < MIXED; i++) {
            path_mixed.lengths[i] = path_to(heap, path_mixed.objects[i]);
        }
        collect(m);
        goo_gc_walk(heap, path_survivor, NULL);
        for (size_t i = 0; i < MIXED; i++) {
            CHECK_MSG(path_mixed.survived[i] == (path_mixed.lengths[i] != 0),
                      "seed %llu, object %zu: a path of %zu, survived %d", (unsigned long long)seed,
                      i, path_mixed.lengths[i], path_mixed.survived[i]);
            alive += path_mixed.survived[i];
            dead += !path_mixed.survived[i];
        }
        goo_gc_heap_destroy(heap);
    }
    CHECK(alive > MIXED && dead > MIXED);
}

/* --- errors --- */

static void path_ask_inside(GooGcHeap *heap, const GooGcEvent *event, void *user) {
    (void)event;
    errno = 0;
    *(bool *)user |= goo_gc_why_alive(heap, heap, NULL, NULL) != 0 || errno != EBUSY;
}

GOO_TEST(gc_why_alive, errors) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *pair = pair_new(m, NULL, NULL, 1);
    int here = 0;
    void *const bad[] = {NULL, &here, (char *)pair + 8, (char *)pair + sizeof *pair};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        CHECK_EQ(goo_gc_why_alive(heap, bad[i], NULL, NULL), 0);
        CHECK_EQ(errno, EINVAL);
    }
    errno = 0;
    CHECK_EQ(goo_gc_why_alive(NULL, pair, NULL, NULL), 0);
    CHECK_EQ(errno, EINVAL);
    bool wrong = false;
    CHECK_EQ(goo_gc_set_listener(heap, &(GooGcListener){path_ask_inside, &wrong}), GOO_OK);
    collect(m);
    CHECK(!wrong);
    goo_gc_heap_destroy(heap);
}
