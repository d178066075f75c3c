/* What only weak maps and ephemerons keep alive, marked by several threads: the same objects as one
 * marker finds, and with the help of others where there are many.
 *
 * Private headers: gc/team.h, to engage helpers on small heaps and to see whether any came.
 * Invariants: WAIT-1, WAIT-2, WEAK-2, WEAK-3, TEAM-1.
 */
#include "gc/team.h"
#include "goo/gc/weak.h"
#include "runtime/globals.h"
#include "tests/gc/support.h"

/* A tree of `count` pairs; every leaf leads to the root. */
static Pair *weak_team_tree(GooGcMutator *m, size_t count) {
    goo_gc_disable(goo_gc_heap_of(m));
    Pair **pairs = (Pair **)goo_gc_alloc(m, &pointers_type, (count + 1) * sizeof(Pair *));
    CHECK(pairs != NULL);
    for (size_t i = 1; i <= count; i++) {
        pairs[i] = pair_new(m, NULL, NULL, i);
    }
    for (size_t i = 1; i <= count; i++) {
        pairs[i]->first = i * 2 <= count ? pairs[i * 2] : pairs[1];
        pairs[i]->second = i * 2 + 1 <= count ? pairs[i * 2 + 1] : pairs[1];
    }
    goo_gc_enable(goo_gc_heap_of(m));
    return pairs[1];
}

/* Phases of the team in one collection. */
static uint64_t weak_team_collect(GooGcMutator *m) {
    uint64_t before = atomic_load(&gooi_mark_team->phase);
    collect(m);
    return (atomic_load(&gooi_mark_team->phase) - before) / 2;
}

typedef struct WeakTeam {
    GooGcHeap *heap;
    GooGcMutator *m;
    GooGcWeakMap *map;
    void **keys;
} WeakTeam;

static WeakTeam weak_team_begin(const char *options, size_t keys) {
    WeakTeam w = {.heap = heap_of(options)};
    w.heap->team_heap_min = 0;
    w.m = goo_gc_attach(w.heap);
    w.keys = goo_gc_alloc(w.m, &pointers_type, (keys + 1) * sizeof(void *));
    goo_gc_push(w.m, w.keys);
    w.map = goo_gc_weak_map_new(w.m);
    goo_gc_push(w.m, w.map);
    return w;
}

static void weak_team_set(WeakTeam *w, size_t key, Pair *value) {
    goo_gc_push(w->m, value);
    void *object = goo_gc_alloc_leaf(w->m, 16);
    goo_gc_write_pointer(w->m, w->keys, &w->keys[key], object);
    CHECK_EQ(goo_gc_weak_map_set(w->m, w->map, object, value), GOO_OK);
    goo_gc_pop(w->m, 1);
}

/* One pair keeps everything: helpers come in the middle of what it leads to. */
static void weak_team_one_pair(const char *options, size_t count, bool helped) {
    WeakTeam w = weak_team_begin(options, 1);
    weak_team_set(&w, 1, weak_team_tree(w.m, count));
    for (int round = 0; round < 4; round++) {
        uint64_t phases = weak_team_collect(w.m);
        CHECK_MSG(!helped || phases >= 2, "%d phases", (int)phases);
        GooGcStats s = goo_gc_get_stats(w.heap);
        CHECK_EQ(s.objects_live, count + 4); /* keys, map, table, key */
        CHECK_EQ(goo_gc_verify(w.heap, stderr), GOO_OK);
    }
    w.keys[1] = NULL;
    collect(w.m);
    CHECK_EQ(goo_gc_get_stats(w.heap).objects_live, 3);
    CHECK_EQ(goo_gc_weak_map_count(w.m, w.map), 0);
    goo_gc_heap_destroy(w.heap);
}

GOO_TEST(gc_weak_team, one_pair_keeps_all) {
    bool two_cores = gooi_platform_core_count() > 1;
    weak_team_one_pair("markers=2", 200000, two_cores);
    weak_team_one_pair("markers=4,verify,poison", 60000, false);
    weak_team_one_pair("markers=1", 20000, false);
}

/* What is little is not worth waking anybody. */
GOO_TEST(gc_weak_team, chains_of_pairs_wake_nobody) {
    enum { CHAIN = 3000 };
    WeakTeam w = weak_team_begin("markers=2,verify", 1);
    goo_gc_write_pointer(w.m, w.keys, &w.keys[1], pair_new(w.m, NULL, NULL, 0));
    void *key = w.keys[1];
    for (size_t i = 0; i < CHAIN; i++) { /* each value is the next one's key */
        Pair *value = pair_new(w.m, NULL, NULL, i);
        CHECK_EQ(goo_gc_weak_map_set(w.m, w.map, key, value), GOO_OK);
        key = value;
        goo_gc_push(w.m, key);
    }
    goo_gc_pop(w.m, CHAIN);
    for (int round = 0; round < 3; round++) {
        uint64_t phases = weak_team_collect(w.m);
        CHECK_MSG(phases <= 1, "%d phases", (int)phases); /* of the roots */
        CHECK_EQ(goo_gc_weak_map_count(w.m, w.map), CHAIN);
    }
    goo_gc_heap_destroy(w.heap);
}

/* Values of all sizes whose trees lead to other pairs' keys: these get marked by several markers at
 * once. Some lie in no reachable tree, and die. */
static void weak_team_crossing(const char *options, size_t pairs, size_t size) {
    WeakTeam w = weak_team_begin(options, pairs);
    goo_gc_disable(w.heap);
    uint64_t random = pairs;
    for (size_t i = 1; i <= pairs; i++) {
        weak_team_set(&w, i, weak_team_tree(w.m, 1 + random_next(&random) % size));
    }
    for (size_t i = 1; i < pairs; i++) { /* its tree leads to the next one's key */
        Pair *tree = goo_gc_weak_map_get(w.m, w.map, w.keys[i]);
        if (i % 10 != 0) {
            tree->second = w.keys[i + 1];
        }
    }
    for (size_t i = 1; i <= pairs; i++) {
        if (i % 20 != 1) { /* of two tens the first is reached */
            w.keys[i] = NULL;
        }
    }
    goo_gc_enable(w.heap);
    for (int round = 0; round < 3; round++) {
        collect(w.m);
        CHECK_EQ(goo_gc_weak_map_count(w.m, w.map), pairs / 2);
        CHECK_EQ(goo_gc_verify(w.heap, stderr), GOO_OK);
    }
    goo_gc_heap_destroy(w.heap);
}

GOO_TEST(gc_weak_team, values_that_lead_to_keys) {
    weak_team_crossing("markers=2", 40, 20000);
    weak_team_crossing("markers=4,verify,poison", 400, 600);
    weak_team_crossing("markers=2,verify", 2000, 8);
}

static void weak_team_forget(void *object, void *user) {
    *(uint64_t *)user += ((Pair *)object)->value;
}

/* What finalizers bring back may be much as well. */
GOO_TEST(gc_weak_team, a_tree_that_a_finalizer_keeps) {
    enum { COUNT = 100000 };
    uint64_t sum = 0;
    WeakTeam w = weak_team_begin("markers=2,verify,poison", 1);
    Pair *tree = weak_team_tree(w.m, COUNT);
    CHECK_EQ(goo_gc_set_finalizer(w.m, tree, weak_team_forget, &sum), GOO_OK);
    uint64_t phases = weak_team_collect(w.m);
    CHECK(gooi_platform_core_count() == 1 || phases >= 2);
    CHECK_EQ(goo_gc_get_stats(w.heap).objects_live, COUNT + 2);
    CHECK_EQ(goo_gc_run_finalizers(w.m, 1), 1);
    CHECK_EQ(sum, 1);
    collect(w.m);
    CHECK_EQ(goo_gc_get_stats(w.heap).objects_live, 2);
    goo_gc_heap_destroy(w.heap);
}
