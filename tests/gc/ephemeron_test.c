/* Ephemerons: values that live as long as their keys, chains of any length and order.
 *
 * Uses a private header: gc/heap.h, to force the mark stack to overflow while chains settle.
 * Invariants: WEAK-1, WEAK-2, WAIT-1, WAIT-2.
 */
#include <stdlib.h>

#include "gc/heap.h"
#include "goo/gc/weak.h"
#include "tests/gc/roots_fixture.h"

GOO_TEST(gc_ephemeron, value_lives_as_long_as_its_key) {
    RootsFixture f;
    roots_begin(&f, "verify,poison");
    Pair *key = pair_new(f.m, NULL, NULL, 1);
    goo_gc_push(f.m, key);
    Mortal *value = mortal_new(f.m, &f.deaths);
    GooGcEphemeron *e = goo_gc_ephemeron_new(f.m, key, value);
    goo_gc_pop(f.m, 1);
    goo_gc_push(f.m, e);
    goo_gc_push(f.m, key);
    roots_expect(&f, 0);
    CHECK_PTR_EQ(goo_gc_ephemeron_key(f.m, e), key);
    CHECK_PTR_EQ(goo_gc_ephemeron_value(f.m, e), value);
    goo_gc_pop(f.m, 1);
    roots_expect(&f, 1);
    CHECK_PTR_EQ(goo_gc_ephemeron_key(f.m, e), NULL);
    CHECK_PTR_EQ(goo_gc_ephemeron_value(f.m, e), NULL);
    goo_gc_heap_destroy(f.heap);
}

/* A value that refers to its own key: the case that a weak key alone gets wrong. */
GOO_TEST(gc_ephemeron, value_that_leads_to_its_key) {
    RootsFixture f;
    roots_begin(&f, "verify,poison");
    Pair *key = pair_new(f.m, (Pair *)mortal_new(f.m, &f.deaths), NULL, 1);
    goo_gc_push(f.m, key);
    GooGcEphemeron *e = goo_gc_ephemeron_new(f.m, key, pair_new(f.m, key, NULL, 2));
    goo_gc_pop(f.m, 1);
    goo_gc_push(f.m, e);
    roots_expect(&f, 1);
    CHECK_PTR_EQ(goo_gc_ephemeron_key(f.m, e), NULL);
    goo_gc_heap_destroy(f.heap);
}

GOO_TEST(gc_ephemeron, dead_ephemeron_keeps_nothing) {
    RootsFixture f;
    roots_begin(&f, "verify,poison");
    Pair *key = pair_new(f.m, NULL, NULL, 1);
    goo_gc_push(f.m, key);
    CHECK(goo_gc_ephemeron_new(f.m, key, mortal_new(f.m, &f.deaths)) != NULL);
    roots_expect(&f, 1);
    goo_gc_heap_destroy(f.heap);
}

GOO_TEST(gc_ephemeron, values_outside_the_heap) {
    GooGcHeap *heap = heap_of("verify,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    static int outside;
    void *key = goo_gc_alloc_leaf(m, 16);
    goo_gc_push(m, key);
    GooGcEphemeron *e = goo_gc_ephemeron_new(m, key, &outside);
    goo_gc_push(m, e);
    GooGcEphemeron *none = goo_gc_ephemeron_new(m, key, NULL);
    goo_gc_push(m, none);
    collect(m);
    CHECK_PTR_EQ(goo_gc_ephemeron_value(m, e), &outside);
    CHECK_PTR_EQ(goo_gc_ephemeron_key(m, none), key);
    CHECK_PTR_EQ(goo_gc_ephemeron_value(m, none), NULL);
    CHECK_PTR_EQ(goo_gc_ephemeron_new(m, NULL, key), NULL);
    goo_gc_heap_destroy(heap);
}

/* --- chains: the value of one is the key of the next --- */

typedef enum ChainOrder { CHAIN_FORWARDS, CHAIN_BACKWARDS, CHAIN_SHUFFLED } ChainOrder;

typedef struct Chain {
    GooGcHeap *heap;
    GooGcMutator *m;
    void *first_key;
    void **ephemerons; /* an array in the heap, from word 1 on */
    size_t count;
} Chain;

/* `count` leaves in a row, made first; then an ephemeron from each to the next, in some order. */
static void chain_begin(Chain *c, const char *options, size_t count, ChainOrder order) {
    c->heap = heap_of(options);
    c->m = goo_gc_attach(c->heap);
    c->count = count;
    goo_gc_disable(c->heap);
    void **keys = malloc((count + 1) * sizeof *keys);
    size_t *places = malloc(count * sizeof *places);
    CHECK(keys != NULL && places != NULL);
    uint64_t random = 7;
    for (size_t i = 0; i <= count; i++) {
        keys[i] = i % 3 == 0 ? goo_gc_alloc_leaf(c->m, 16) : pair_new(c->m, NULL, NULL, i);
    }
    for (size_t i = 0; i < count; i++) {
        size_t j = order == CHAIN_SHUFFLED ? (size_t)(random_next(&random) % (i + 1)) : i;
        places[i] = places[j];
        places[j] = i;
    }
    c->ephemerons = goo_gc_alloc(c->m, &pointers_type, (count + 1) * sizeof *c->ephemerons);
    CHECK_EQ(goo_gc_root_add_pointer(c->heap, &c->ephemerons), GOO_OK);
    CHECK_EQ(goo_gc_root_add_pointer(c->heap, &c->first_key), GOO_OK);
    for (size_t i = 0; i < count; i++) {
        size_t place = order == CHAIN_BACKWARDS ? count - 1 - i : places[i];
        GooGcEphemeron *e = goo_gc_ephemeron_new(c->m, keys[i], keys[i + 1]);
        CHECK(e != NULL);
        goo_gc_write_pointer(c->m, c->ephemerons, &c->ephemerons[1 + place], e);
    }
    c->first_key = keys[0];
    free(keys);
    free(places);
    goo_gc_enable(c->heap);
}

static void chain_check(Chain *c, size_t live) {
    collect(c->m);
    CHECK_EQ(goo_gc_get_stats(c->heap).objects_live, 1 + c->count + live);
    size_t with_keys = 0;
    for (size_t i = 0; i < c->count; i++) {
        void *key = goo_gc_ephemeron_key(c->m, c->ephemerons[1 + i]);
        with_keys += key != NULL; /* and nobody waits for it any more (WEAK-2) */
        CHECK(key == NULL || (*gooi_metadata_of((uintptr_t)key) & GOO_GC_ATTENTION) == 0);
    }
    CHECK_EQ(with_keys, live == 0 ? 0 : live - 1);
}

static void chain_run(const char *options, size_t count, ChainOrder order, size_t stack) {
    Chain c = {0};
    chain_begin(&c, options, count, order);
    size_t whole = c.heap->mark_stack.reserved;
    c.heap->mark_stack.reserved = stack != 0 ? stack : whole;
    for (int round = 0; round < 2; round++) {
        chain_check(&c, count + 1);
    }
    c.first_key = NULL;
    chain_check(&c, 0);
    c.heap->mark_stack.reserved = whole;
    goo_gc_heap_destroy(c.heap);
}

GOO_TEST(gc_ephemeron, chains_under_verify) {
    chain_run("verify,poison", 1, CHAIN_FORWARDS, 0);
    chain_run("verify,poison", 2000, CHAIN_FORWARDS, 0);
    chain_run("verify,poison", 2000, CHAIN_BACKWARDS, 0);
    chain_run("verify,poison", 2000, CHAIN_SHUFFLED, 0);
}

/* In any time but a linear one this would not end. */
GOO_TEST(gc_ephemeron, chains_of_a_million) {
    size_t count = goo_test_under_valgrind() ? 20000 : 1000000;
    chain_run("", count, CHAIN_FORWARDS, 0);
    chain_run("", count, CHAIN_BACKWARDS, 0);
    chain_run("", count, CHAIN_SHUFFLED, 0);
}

GOO_TEST(gc_ephemeron, chains_under_a_small_stack) {
    chain_run("", 100000, CHAIN_BACKWARDS, 4096);
    chain_run("", 100000, CHAIN_SHUFFLED, 4096);
}

/* A hundred thousand values that all wait for one key, and each leads to a tree that the stack
 * can't hold. */
GOO_TEST(gc_ephemeron, many_wait_for_one_key) {
    enum { COUNT = 100000 };
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    goo_gc_disable(heap);
    size_t whole = heap->mark_stack.reserved;
    void **all = goo_gc_alloc(m, &pointers_type, (COUNT + 2) * sizeof *all);
    goo_gc_push(m, all);
    Pair *gate = pair_new(m, NULL, NULL, 0);
    goo_gc_push(m, gate);
    void *key = goo_gc_alloc_leaf(m, 16);
    for (size_t i = 0; i < COUNT; i++) {
        Pair *child = pair_new(m, NULL, NULL, i);
        Pair *value = pair_new(m, child, pair_new(m, child, NULL, 0), i);
        goo_gc_write_pointer(m, all, &all[1 + i], goo_gc_ephemeron_new(m, key, value));
    }
    goo_gc_write_pointer(m, all, &all[1 + COUNT], goo_gc_ephemeron_new(m, gate, key));
    goo_gc_enable(heap);
    heap->mark_stack.reserved = 4096;
    for (int round = 0; round < 2; round++) {
        collect(m);
        CHECK_EQ(goo_gc_get_stats(heap).objects_live, 4 * COUNT + 4);
    }
    CHECK_EQ(goo_gc_verify(heap, NULL), GOO_OK);
    goo_gc_pop(m, 1);
    collect(m);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, COUNT + 2);
    CHECK(goo_gc_get_stats(heap).metadata_bytes < 4u << 20); /* the room was given back */
    heap->mark_stack.reserved = whole;
    goo_gc_heap_destroy(heap);
}

/* Keys that have `attention` of their own, from a plain finalizer, keep it. */
GOO_TEST(gc_ephemeron, keys_with_finalizers) {
    RootsFixture f;
    roots_begin(&f, "verify,poison");
    Pair *gate = pair_new(f.m, NULL, NULL, 0);
    goo_gc_push(f.m, gate);
    Mortal *key = mortal_new(f.m, &f.deaths);
    goo_gc_push(f.m, key);
    Mortal *value = mortal_new(f.m, &f.deaths);
    goo_gc_push(f.m, value);
    GooGcEphemeron *outer = goo_gc_ephemeron_new(f.m, gate, key);
    goo_gc_push(f.m, outer);
    GooGcEphemeron *inner = goo_gc_ephemeron_new(f.m, key, value);
    goo_gc_pop(f.m, 4);
    goo_gc_push(f.m, inner);
    goo_gc_push(f.m, outer);
    goo_gc_push(f.m, gate);
    roots_expect(&f, 0);
    CHECK_PTR_EQ(goo_gc_ephemeron_value(f.m, inner), value);
    CHECK((*gooi_metadata_of((uintptr_t)key) & GOO_GC_ATTENTION) != 0);
    goo_gc_pop(f.m, 1);
    roots_expect(&f, 2);
    goo_gc_heap_destroy(f.heap);
}
