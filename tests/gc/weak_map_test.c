/* Weak maps: set, get, remove, growth; entries that go with their keys; maps in maps.
 *
 * Uses a private header: gc/heap.h, to break a map by hand, and gc/weakness.h for the hash, so that
 * keys that collide can be searched for. Invariants: MAP-1, MAP-2.
 */
#include <stdlib.h>

#include "gc/heap.h"
#include "goo/gc/weak.h"
#include "tests/gc/roots_fixture.h"

typedef struct MapFixture {
    GooGcHeap *heap;
    GooGcMutator *m;
    GooGcWeakMap *map;
    void **keys; /* in the heap, from word 1 on */
} MapFixture;

static void map_begin(MapFixture *f, const char *options, size_t keys) {
    f->heap = heap_of(options);
    f->m = goo_gc_attach(f->heap);
    f->map = NULL;
    f->keys = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(f->heap, &f->map), GOO_OK);
    CHECK_EQ(goo_gc_root_add_pointer(f->heap, &f->keys), GOO_OK);
    f->map = goo_gc_weak_map_new(f->m);
    f->keys = goo_gc_alloc(f->m, &pointers_type, (keys + 1) * sizeof *f->keys);
    CHECK(f->map != NULL && f->keys != NULL);
}

/* A key in its place, with a value whose number is the key's. */
static void map_add(MapFixture *f, size_t i) {
    goo_gc_write_pointer(f->m, f->keys, &f->keys[1 + i], goo_gc_alloc_leaf(f->m, 16));
    Pair *value = pair_new(f->m, NULL, NULL, i);
    CHECK_EQ(goo_gc_weak_map_set(f->m, f->map, f->keys[1 + i], value), GOO_OK);
}

static bool map_has(MapFixture *f, size_t i) {
    const Pair *value = goo_gc_weak_map_get(f->m, f->map, f->keys[1 + i]);
    CHECK(value == NULL || value->value == i);
    return value != NULL;
}

GOO_TEST(gc_weak_map, set_get_remove) {
    MapFixture f;
    map_begin(&f, "verify,poison", 2);
    CHECK_EQ(goo_gc_weak_map_count(f.m, f.map), 0);
    CHECK_PTR_EQ(goo_gc_weak_map_get(f.m, f.map, f.keys), NULL);
    CHECK(!goo_gc_weak_map_remove(f.m, f.map, f.keys));
    map_add(&f, 0);
    map_add(&f, 1);
    CHECK(map_has(&f, 0) && map_has(&f, 1));
    CHECK_EQ(goo_gc_weak_map_set(f.m, f.map, f.keys[1], NULL), GOO_OK); /* another value, none */
    CHECK_EQ(goo_gc_weak_map_count(f.m, f.map), 2);
    CHECK_PTR_EQ(goo_gc_weak_map_get(f.m, f.map, f.keys[1]), NULL);
    CHECK(goo_gc_weak_map_remove(f.m, f.map, f.keys[1]));
    CHECK(!goo_gc_weak_map_remove(f.m, f.map, f.keys[1]));
    CHECK_EQ(goo_gc_weak_map_count(f.m, f.map), 1);
    CHECK(map_has(&f, 1));
    collect(f.m);
    CHECK(map_has(&f, 1));
    goo_gc_heap_destroy(f.heap);
}

GOO_TEST(gc_weak_map, bad_arguments) {
    MapFixture f;
    map_begin(&f, "", 1);
    CHECK_EQ(goo_gc_weak_map_set(f.m, f.map, NULL, f.map), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_weak_map_set(f.m, NULL, f.map, f.map), GOO_ERR_INVALID_ARGUMENT);
    CHECK_PTR_EQ(goo_gc_weak_map_get(f.m, NULL, f.map), NULL);
    CHECK_PTR_EQ(goo_gc_weak_map_get(f.m, f.map, NULL), NULL);
    CHECK(!goo_gc_weak_map_remove(f.m, f.map, NULL));
    int outside;
    CHECK_PANICS((void)goo_gc_weak_map_set(f.m, f.map, &outside, NULL), "no object of heap");
    goo_gc_heap_destroy(f.heap);
}

/* Sets, drops and removes at random beside an array that says what must be there. */
static void map_run(const char *options, size_t keys, size_t steps, size_t collect_every) {
    MapFixture f;
    map_begin(&f, options, keys);
    bool *there = calloc(keys, sizeof *there);
    uint64_t random = 11;
    size_t count = 0;
    for (size_t step = 1; step <= steps; step++) {
        size_t i = (size_t)(random_next(&random) % keys);
        switch (random_next(&random) % 4) {
        case 0: case 1:
            if (f.keys[1 + i] == NULL) {
                map_add(&f, i);
                there[i] = true;
                count++;
            }
            break;
        case 2:
            if (f.keys[1 + i] != NULL) {
                CHECK_EQ(goo_gc_weak_map_remove(f.m, f.map, f.keys[1 + i]), there[i]);
                count -= there[i];
                there[i] = false;
            }
            break;
        default: /* the key dies, and the entry with it */
            goo_gc_write_pointer(f.m, f.keys, &f.keys[1 + i], NULL);
            count -= there[i];
            there[i] = false;
            break;
        }
        if (step % collect_every == 0) {
            collect(f.m);
            CHECK_EQ(goo_gc_weak_map_count(f.m, f.map), count);
            for (size_t k = 0; k < keys; k++) {
                CHECK(f.keys[1 + k] == NULL || map_has(&f, k) == there[k]);
            }
        }
    }
    free(there);
    goo_gc_heap_destroy(f.heap);
}

GOO_TEST(gc_weak_map, random_steps) {
    map_run("verify,poison", 10, 4000, 7);
    map_run("verify,poison", 300, 20000, 250);
    map_run("", 20000, 300000, 30000);
}

GOO_TEST(gc_weak_map, random_steps_under_stress) {
    map_run("stress=1,verify,poison", 40, 1500, 20);
    map_run("stress=7", 300, 8000, 250);
}

/* Keys whose home is the last place: runs go round the end, and removal moves them back. */
GOO_TEST(gc_weak_map, collisions_round_the_end) {
    enum { SAME = 6, CAPACITY = 8 };
    MapFixture f;
    map_begin(&f, "verify,poison", SAME);
    for (int leave = 0; leave < SAME; leave++) {
        for (size_t found = 0; found < SAME;) {
            void *key = goo_gc_alloc_leaf(f.m, 16);
            if ((gooi_weak_hash(key) >> 32 & (CAPACITY - 1)) == CAPACITY - 1 - found % 2) {
                goo_gc_write_pointer(f.m, f.keys, &f.keys[1 + found], key);
                Pair *value = pair_new(f.m, NULL, NULL, found);
                CHECK_EQ(goo_gc_weak_map_set(f.m, f.map, f.keys[1 + found++], value), GOO_OK);
            }
        }
        CHECK_EQ(f.map->table->capacity, CAPACITY);
        CHECK(goo_gc_weak_map_remove(f.m, f.map, f.keys[1 + leave]));
        CHECK_EQ(goo_gc_verify(f.heap, NULL), GOO_OK);
        for (size_t i = 0; i < SAME; i++) {
            CHECK_EQ(map_has(&f, i), i != (size_t)leave);
        }
        f.keys[1 + (leave + 1) % SAME] = NULL; /* and one that dies */
        collect(f.m);
        CHECK_EQ(goo_gc_weak_map_count(f.m, f.map), SAME - 2);
        memset(&f.keys[1], 0, SAME * sizeof *f.keys);
        collect(f.m);
        CHECK_EQ(goo_gc_weak_map_count(f.m, f.map), 0);
    }
    goo_gc_heap_destroy(f.heap);
}

/* A dead map and its table come back with the sweep, entries and all. */
GOO_TEST(gc_weak_map, a_dead_map_is_garbage) {
    MapFixture f;
    map_begin(&f, "verify,poison", 5000);
    for (size_t i = 0; i < 5000; i++) {
        map_add(&f, i);
    }
    collect(f.m);
    CHECK_EQ(goo_gc_get_stats(f.heap).objects_live, 5000 * 2 + 3);
    f.map = NULL;
    collect(f.m);
    CHECK_EQ(goo_gc_get_stats(f.heap).objects_live, 5000 + 1);
    goo_gc_heap_destroy(f.heap);
}

/* A map that empties gives memory back when it is next used. */
GOO_TEST(gc_weak_map, shrinks) {
    MapFixture f;
    map_begin(&f, "", 40000);
    for (size_t i = 0; i < 40000; i++) {
        map_add(&f, i);
    }
    size_t capacity = f.map->table->capacity;
    memset(&f.keys[1], 0, 39990 * sizeof *f.keys);
    collect(f.m);
    CHECK_EQ(goo_gc_weak_map_count(f.m, f.map), 10);
    for (size_t i = 0; i < 20; i++) {
        map_add(&f, i);
    }
    CHECK(f.map->table->capacity <= capacity / 64);
    for (size_t i = 39990; i < 40000; i++) {
        CHECK(map_has(&f, i));
    }
    goo_gc_heap_destroy(f.heap);
}

/* Values that lead to other keys of the same map, and a map that is a value, and a key, of itself.
 * */
GOO_TEST(gc_weak_map, entries_that_lead_to_each_other) {
    RootsFixture f;
    roots_begin(&f, "verify,poison");
    GooGcWeakMap *map = goo_gc_weak_map_new(f.m);
    goo_gc_push(f.m, map);
    Pair *first = pair_new(f.m, NULL, NULL, 0), *key = first;
    goo_gc_push(f.m, first);
    for (uint64_t i = 1; i < 1000; i++) {
        Pair *next = pair_new(f.m, NULL, NULL, i);
        CHECK_EQ(goo_gc_weak_map_set(f.m, map, key, next), GOO_OK);
        key = next;
    }
    CHECK_EQ(goo_gc_weak_map_set(f.m, map, key, mortal_new(f.m, &f.deaths)), GOO_OK);
    CHECK_EQ(goo_gc_weak_map_set(f.m, map, map, map), GOO_OK);
    roots_expect(&f, 0);
    CHECK_EQ(goo_gc_weak_map_count(f.m, map), 1001);
    CHECK_PTR_EQ(goo_gc_weak_map_get(f.m, map, map), map);
    goo_gc_pop(f.m, 1);
    roots_expect(&f, 1);
    CHECK_EQ(goo_gc_weak_map_count(f.m, map), 1);
    goo_gc_heap_destroy(f.heap);
}

/* A single death anywhere in a large table is noticed. */
GOO_TEST(gc_weak_map, one_key_of_many_dies) {
    enum { COUNT = 1500 };
    MapFixture f;
    map_begin(&f, "verify,poison", COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        map_add(&f, i);
    }
    CHECK_EQ(f.map->table->capacity, 2048);
    for (size_t i = 0; i < 60; i++) {
        f.keys[1 + i * 25] = NULL;
        collect(f.m);
        CHECK_EQ(goo_gc_weak_map_count(f.m, f.map), COUNT - 1 - i);
    }
    goo_gc_heap_destroy(f.heap);
}

/* Keys that get marked while the same map is being looked at: some pairs are ready while others are
 * still being put where they wait. */
GOO_TEST(gc_weak_map, ready_while_others_begin_to_wait) {
    enum { COUNT = 2000 };
    MapFixture f;
    map_begin(&f, "verify,poison", COUNT);
    goo_gc_disable(f.heap);
    for (size_t i = 0; i < COUNT; i++) {
        Pair *key = pair_new(f.m, NULL, NULL, i), *middle = pair_new(f.m, NULL, NULL, i);
        goo_gc_write_pointer(f.m, f.keys, &f.keys[1 + i], key);
        CHECK_EQ(goo_gc_weak_map_set(f.m, f.map, key, middle), GOO_OK);
        CHECK_EQ(goo_gc_weak_map_set(f.m, f.map, middle, pair_new(f.m, NULL, NULL, i)), GOO_OK);
    }
    goo_gc_enable(f.heap);
    for (int round = 0; round < 2; round++) {
        collect(f.m);
        CHECK_EQ(goo_gc_weak_map_count(f.m, f.map), 2 * COUNT);
        CHECK_EQ(goo_gc_get_stats(f.heap).objects_live, 3 * COUNT + 3);
    }
    goo_gc_heap_destroy(f.heap);
}

/* Keys and values are plain pointers whatever the encoding of the heap's slots. */
GOO_TEST(gc_weak_map, in_a_heap_of_boxed_values) {
    GooGcOptions options = options_of("verify,poison");
    options.encoding = (GooGcValueEncoding)GOO_GC_ENCODING_NAN_BOX((uint64_t)0xfffc << 48);
    GooGcHeap *heap = goo_gc_heap_create(&options);
    GooGcMutator *m = goo_gc_attach(heap);
    GooGcWeakMap *map = goo_gc_weak_map_new(m);
    goo_gc_push(m, map);
    void *key = goo_gc_alloc_leaf(m, 16);
    goo_gc_push(m, key);
    GooGcWeak *w = goo_gc_weak_new(m, key);
    CHECK_EQ(goo_gc_weak_map_set(m, map, key, goo_gc_ephemeron_new(m, key, w)), GOO_OK);
    collect(m);
    GooGcEphemeron *e = goo_gc_weak_map_get(m, map, key);
    CHECK(goo_gc_ephemeron_value(m, e) != NULL);
    CHECK_PTR_EQ(goo_gc_weak_get(m, goo_gc_ephemeron_value(m, e)), key);
    goo_gc_pop(m, 1);
    collect(m);
    CHECK_EQ(goo_gc_weak_map_count(m, map), 0);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, 2);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_weak_map, verify_finds_a_broken_map) {
    MapFixture f;
    map_begin(&f, "", 4);
    for (size_t i = 0; i < 4; i++) {
        map_add(&f, i);
    }
    CHECK_EQ(goo_gc_verify(f.heap, NULL), GOO_OK);
    f.map->count++;
    CHECK_EQ(goo_gc_verify(f.heap, NULL), GOO_ERR_CORRUPT);
    f.map->count--;
    GooiPair *pairs = f.map->table->pairs, saved[8];
    memcpy(saved, pairs, sizeof saved);
    for (size_t i = 0; i < 8; i++) { /* every entry one place from where it was: some is lost */
        pairs[(i + 1) % 8] = saved[i];
    }
    CHECK_EQ(goo_gc_verify(f.heap, NULL), GOO_ERR_CORRUPT);
    memcpy(pairs, saved, sizeof saved);
    CHECK_EQ(goo_gc_verify(f.heap, NULL), GOO_OK);
    goo_gc_heap_destroy(f.heap);
}
