/* Queued finalizers: once, whole, on the mutator's thread; resurrection; order; what else settles.
 *
 * Public headers only. Invariants: FINQ-1 … FINQ-3, by verify.
 */
#include <stdint.h>

#include "goo/gc/intern.h"
#include "goo/gc/weak.h"
#include "tests/gc/roots_fixture.h"

typedef struct Log {
    GooGcMutator *m;
    uint64_t values[64]; /* of the pairs whose finalizers ran, in order */
    size_t count;
    void *resurrected; /* a root; the finalizer stores its object here */
    GooGcWeak *weak;
    GooGcWeakMap *map;
    bool resurrects, sets_again, collects, allocates, runs_others;
} Log;

static void log_finalizer(void *object, void *user) {
    Log *log = user;
    Pair *pair = object;
    CHECK(log->count < 64);
    log->values[log->count++] = pair->value;
    if (log->resurrects) {
        log->resurrected = pair;
    }
    if (log->sets_again) {
        CHECK_EQ(goo_gc_set_finalizer(log->m, pair, log_finalizer, log), GOO_OK);
    }
    if (log->collects) {
        collect(log->m);
        collect(log->m);
    }
    if (log->allocates) {
        for (int i = 0; i < 2000; i++) {
            CHECK(goo_gc_alloc_leaf(log->m, 64) != NULL);
        }
    }
    if (log->runs_others) {
        goo_gc_run_finalizers(log->m, 1);
    }
    CHECK_EQ(goo_gc_type_of(pair) == &pair_type, true);
}

typedef struct FinalizerFixture {
    RootsFixture base;
    Log log;
} FinalizerFixture;

static void finalizer_begin(FinalizerFixture *f, const char *options) {
    *f = (FinalizerFixture){0};
    roots_begin(&f->base, options);
    f->log.m = f->base.m;
    CHECK_EQ(goo_gc_root_add_pointer(f->base.heap, &f->log.resurrected), GOO_OK);
    CHECK_EQ(goo_gc_root_add_pointer(f->base.heap, &f->log.weak), GOO_OK);
    CHECK_EQ(goo_gc_root_add_pointer(f->base.heap, &f->log.map), GOO_OK);
}

static Pair *finalizer_pair(FinalizerFixture *f, Pair *first, uint64_t value) {
    Pair *pair = pair_new(f->base.m, first, NULL, value);
    CHECK_EQ(goo_gc_set_finalizer(f->base.m, pair, log_finalizer, &f->log), GOO_OK);
    return pair;
}

static Pair *finalizer_ordered(FinalizerFixture *f, Pair *first, uint64_t value) {
    Pair *pair = pair_new(f->base.m, first, NULL, value);
    CHECK_EQ(goo_gc_set_finalizer_ordered(f->base.m, pair, log_finalizer, &f->log), GOO_OK);
    return pair;
}

GOO_TEST(gc_finalizer, runs_once_when_asked) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    Pair *pair = finalizer_pair(&f, (Pair *)mortal_new(f.base.m, &f.base.deaths), 3);
    goo_gc_push(f.base.m, pair);
    roots_expect(&f.base, 0);
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, SIZE_MAX), 0);
    goo_gc_pop(f.base.m, 1);
    roots_expect(&f.base, 0); /* queued: it and what it refers to are kept whole */
    CHECK_EQ(f.log.count, 0);
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, SIZE_MAX), 1);
    CHECK_EQ(f.log.values[0], 3);
    roots_expect(&f.base, 1);
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, SIZE_MAX), 0);
    CHECK_EQ(f.log.count, 1);
    goo_gc_heap_destroy(f.base.heap);
}

GOO_TEST(gc_finalizer, in_the_order_of_setting) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    for (uint64_t i = 0; i < 50; i++) {
        finalizer_pair(&f, NULL, i);
    }
    collect(f.base.m);
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, 0), 0);
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, 20), 20);
    collect(f.base.m);
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, SIZE_MAX), 30);
    for (uint64_t i = 0; i < 50; i++) {
        CHECK_EQ(f.log.values[i], i);
    }
    goo_gc_heap_destroy(f.base.heap);
}

GOO_TEST(gc_finalizer, replaced_and_taken_back) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    Log other = {.m = f.base.m};
    Pair *replaced = finalizer_pair(&f, NULL, 1), *taken = finalizer_pair(&f, NULL, 2);
    CHECK_EQ(goo_gc_set_finalizer(f.base.m, replaced, log_finalizer, &other), GOO_OK);
    CHECK_EQ(goo_gc_set_finalizer(f.base.m, taken, NULL, NULL), GOO_OK);
    CHECK_EQ(goo_gc_set_finalizer(f.base.m, taken, NULL, NULL), GOO_OK); /* there is none */
    collect(f.base.m);
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, SIZE_MAX), 1);
    CHECK_EQ(f.log.count, 0);
    CHECK_EQ(other.values[0], 1);
    /* Set and taken back for ever: the tables don't grow. */
    Pair *kept = pair_new(f.base.m, NULL, NULL, 0);
    goo_gc_push(f.base.m, kept);
    size_t before = goo_gc_get_stats(f.base.heap).metadata_bytes;
    for (int i = 0; i < 10000; i++) {
        CHECK_EQ(goo_gc_set_finalizer(f.base.m, kept, log_finalizer, &other), GOO_OK);
        CHECK_EQ(goo_gc_set_finalizer(f.base.m, kept, NULL, NULL), GOO_OK);
    }
    CHECK(goo_gc_get_stats(f.base.heap).metadata_bytes < before + 4096);
    goo_gc_heap_destroy(f.base.heap);
}

GOO_TEST(gc_finalizer, bad_arguments) {
    FinalizerFixture f;
    finalizer_begin(&f, "");
    Pair *pair = pair_new(f.base.m, NULL, NULL, 0);
    int outside;
    CHECK_EQ(goo_gc_set_finalizer(NULL, pair, log_finalizer, NULL), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_set_finalizer(f.base.m, NULL, log_finalizer, NULL), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_set_finalizer(f.base.m, &outside, log_finalizer, NULL),
             GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_set_finalizer(f.base.m, &pair->first, log_finalizer, NULL),
             GOO_ERR_INVALID_ARGUMENT);
    goo_gc_heap_destroy(f.base.heap);
}

/* --- what a finalizer may do --- */

GOO_TEST(gc_finalizer, resurrects) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    f.log.resurrects = true;
    Pair *pair = finalizer_pair(&f, (Pair *)mortal_new(f.base.m, &f.base.deaths), 9);
    collect(f.base.m);
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, SIZE_MAX), 1);
    roots_expect(&f.base, 0);
    CHECK_PTR_EQ(f.log.resurrected, pair);
    CHECK_EQ(pair->value, 9);
    f.log.resurrected = NULL; /* dies for good, without being told again */
    roots_expect(&f.base, 1);
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, SIZE_MAX), 0);
    goo_gc_heap_destroy(f.base.heap);
}

GOO_TEST(gc_finalizer, sets_another) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    f.log.sets_again = true;
    finalizer_pair(&f, NULL, 1);
    for (size_t round = 1; round <= 5; round++) {
        collect(f.base.m);
        CHECK_EQ(goo_gc_run_finalizers(f.base.m, SIZE_MAX), 1);
        CHECK_EQ(f.log.count, round);
    }
    goo_gc_heap_destroy(f.base.heap);
}

/* Collections inside finalizers queue more, which wait for the next call: it ends. */
GOO_TEST(gc_finalizer, collects_sets_and_allocates) {
    FinalizerFixture f;
    finalizer_begin(&f, "stress=5,verify,poison");
    f.log.sets_again = f.log.collects = f.log.allocates = true;
    for (uint64_t i = 0; i < 6; i++) {
        finalizer_pair(&f, NULL, i);
    }
    collect(f.base.m);
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, SIZE_MAX), 6);
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, SIZE_MAX), 5); /* the last one was running till now */
    goo_gc_heap_destroy(f.base.heap);
}

GOO_TEST(gc_finalizer, runs_others_inside) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    f.log.runs_others = f.log.collects = true;
    for (uint64_t i = 0; i < 6; i++) {
        finalizer_pair(&f, NULL, i);
    }
    collect(f.base.m);
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, 1), 1); /* and, inside, each runs the next */
    CHECK_EQ(f.log.count, 6);
    for (uint64_t i = 0; i < 6; i++) {
        CHECK_EQ(f.log.values[i], i);
    }
    collect(f.base.m);
    CHECK_EQ(goo_gc_get_stats(f.base.heap).objects_live, 0);
    goo_gc_heap_destroy(f.base.heap);
}

static void panicking_finalizer(void *object, void *user) {
    (void)object;
    goo_gc_pop(user, 1000); /* more than was pushed */
}

/* A panic handler that does not come back leaves the heap usable; the object stays. */
GOO_TEST(gc_finalizer, panics) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    Pair *pair = pair_new(f.base.m, NULL, NULL, 1);
    CHECK_EQ(goo_gc_set_finalizer(f.base.m, pair, panicking_finalizer, f.base.m), GOO_OK);
    finalizer_pair(&f, NULL, 2);
    collect(f.base.m);
    CHECK_PANICS(goo_gc_run_finalizers(f.base.m, SIZE_MAX), "goo_gc_pop");
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, SIZE_MAX), 1);
    CHECK_EQ(f.log.values[0], 2);
    collect(f.base.m);
    CHECK_EQ(goo_gc_get_stats(f.base.heap).objects_live, 1);
    goo_gc_heap_destroy(f.base.heap);
}

GOO_TEST(gc_finalizer, none_runs_when_the_heap_ends) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    finalizer_pair(&f, NULL, 1);
    collect(f.base.m); /* queued */
    goo_gc_push(f.base.m, finalizer_pair(&f, NULL, 2)); /* set */
    goo_gc_heap_destroy(f.base.heap);
    CHECK_EQ(f.log.count, 0);
}

/* --- what is weak lets go before, and what comes back with the object lets go too --- */

GOO_TEST(gc_finalizer, weak_references_and_entries_go_first) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    f.log.resurrects = true;
    f.log.map = goo_gc_weak_map_new(f.base.m);
    Pair *pair = finalizer_pair(&f, NULL, 1);
    goo_gc_push(f.base.m, pair);
    f.log.weak = goo_gc_weak_new(f.base.m, pair);
    CHECK_EQ(goo_gc_weak_map_set(f.base.m, f.log.map, pair,
                                 mortal_new(f.base.m, &f.base.deaths)),
             GOO_OK);
    goo_gc_pop(f.base.m, 1);
    roots_expect(&f.base, 1);
    CHECK_PTR_EQ(goo_gc_weak_get(f.base.m, f.log.weak), NULL);
    CHECK_EQ(goo_gc_weak_map_count(f.base.m, f.log.map), 0);
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, SIZE_MAX), 1);
    roots_collect(&f.base);
    CHECK_PTR_EQ(f.log.resurrected, pair);
    CHECK_PTR_EQ(goo_gc_weak_get(f.base.m, f.log.weak), NULL);
    goo_gc_heap_destroy(f.base.heap);
}

/* The object holds a weak reference to what dies with it, one to what comes back with it, and an
 * ephemeron and a map of each kind. */
GOO_TEST(gc_finalizer, what_comes_back_holds_no_dead) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    GooGcMutator *m = f.base.m;
    f.log.resurrects = true;
    goo_gc_disable(f.base.heap);
    Mortal *back = mortal_new(m, &f.base.deaths), *dead = mortal_new(m, &f.base.deaths);
    GooGcWeakMap *map = goo_gc_weak_map_new(m);
    CHECK_EQ(goo_gc_weak_map_set(m, map, back, dead), GOO_OK); /* `dead` is a value of what lives */
    Mortal *gone = mortal_new(m, &f.base.deaths);
    CHECK_EQ(goo_gc_weak_map_set(m, map, gone, back), GOO_OK);
    void **all = goo_gc_alloc(m, &pointers_type, 8 * sizeof *all);
    all[1] = goo_gc_weak_new(m, back);
    all[2] = goo_gc_weak_new(m, gone);
    all[3] = goo_gc_ephemeron_new(m, back, all[1]);
    all[4] = goo_gc_ephemeron_new(m, gone, mortal_new(m, &f.base.deaths));
    all[5] = map;
    all[6] = back;
    finalizer_pair(&f, (Pair *)all, 1);
    goo_gc_enable(f.base.heap);
    roots_expect(&f.base, 2);
    CHECK_EQ(goo_gc_run_finalizers(m, SIZE_MAX), 1);
    roots_expect(&f.base, 2);
    CHECK_PTR_EQ(goo_gc_weak_get(m, all[1]), back);
    CHECK_PTR_EQ(goo_gc_weak_get(m, all[2]), NULL);
    CHECK_PTR_EQ(goo_gc_ephemeron_value(m, all[3]), all[1]);
    CHECK_PTR_EQ(goo_gc_ephemeron_key(m, all[4]), NULL);
    CHECK_EQ(goo_gc_weak_map_count(m, map), 1);
    CHECK_PTR_EQ(goo_gc_weak_map_get(m, map, back), dead);
    goo_gc_heap_destroy(f.base.heap);
}

static void *intern_make(GooGcMutator *m, const void *bytes, size_t length, uint64_t hash,
                         void *user) {
    (void)hash;
    (void)user;
    char *text = goo_gc_alloc_leaf(m, 16);
    memcpy(text, bytes, length);
    return text;
}

static const void *intern_read(const void *object, size_t *out_length, void *user) {
    (void)user;
    *out_length = strlen(object);
    return object;
}

/* A string that a finalizer's object brings back is still the one for its bytes. */
GOO_TEST(gc_finalizer, interned_strings_come_back_too) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    f.log.resurrects = true;
    GooGcInternOps ops = {intern_make, intern_read, NULL};
    GooGcInternTable *table = goo_gc_intern_table_create(f.base.heap, &ops);
    char *text = goo_gc_intern(f.base.m, table, "name", 4);
    finalizer_pair(&f, (Pair *)(void *)text, 1);
    collect(f.base.m);
    CHECK_EQ(goo_gc_intern_count(table), 1);
    CHECK_PTR_EQ(goo_gc_intern(f.base.m, table, "name", 4), text);
    goo_gc_heap_destroy(f.base.heap);
}

/* An object with a finalizer of each kind: the plain one waits until it is dead for good. */
GOO_TEST(gc_finalizer, plain_after_queued) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    Mortal *mortal = mortal_new(f.base.m, &f.base.deaths);
    f.log.resurrects = true;
    finalizer_pair(&f, (Pair *)mortal, 1);
    finalizer_pair(&f, (Pair *)mortal, 2);
    roots_expect(&f.base, 0);
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, 1), 1);
    roots_expect(&f.base, 0);
    CHECK_EQ(goo_gc_run_finalizers(f.base.m, 1), 1);
    roots_expect(&f.base, 0); /* the second one resurrected its object */
    f.log.resurrected = NULL;
    roots_expect(&f.base, 1);
    goo_gc_heap_destroy(f.base.heap);
}

/* --- order --- */

static void finalizer_settle(FinalizerFixture *f, size_t collections) {
    for (size_t i = 0; i < collections; i++) {
        collect(f->base.m);
        goo_gc_run_finalizers(f->base.m, SIZE_MAX);
    }
}

GOO_TEST(gc_finalizer, ordered_parents_before_children) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    Pair *pair = NULL;
    for (uint64_t i = 0; i < 5; i++) {
        pair = finalizer_ordered(&f, pair_new(f.base.m, pair, NULL, 100), i);
    }
    for (size_t round = 1; round <= 5; round++) {
        finalizer_settle(&f, 1);
        CHECK_EQ(f.log.count, round); /* one each time: its child waits */
        CHECK_EQ(f.log.values[round - 1], 5 - round);
    }
    collect(f.base.m);
    CHECK_EQ(goo_gc_get_stats(f.base.heap).objects_live, 0);
    goo_gc_heap_destroy(f.base.heap);
}

GOO_TEST(gc_finalizer, ordered_waits_for_unordered) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    Pair *child = finalizer_ordered(&f, NULL, 1);
    Pair *parent = finalizer_pair(&f, child, 2);
    goo_gc_push(f.base.m, parent);
    collect(f.base.m);
    goo_gc_pop(f.base.m, 1);
    finalizer_ordered(&f, NULL, 3); /* alone: need not wait */
    finalizer_settle(&f, 1);
    CHECK_EQ(f.log.count, 2);
    CHECK_EQ(f.log.values[0], 2);
    CHECK_EQ(f.log.values[1], 3);
    finalizer_settle(&f, 1);
    CHECK_EQ(f.log.values[2], 1);
    goo_gc_heap_destroy(f.base.heap);
}

/* A path by way of an ephemeron is a path. */
GOO_TEST(gc_finalizer, ordered_through_an_ephemeron) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    GooGcMutator *m = f.base.m;
    goo_gc_disable(f.base.heap);
    Pair *child = finalizer_ordered(&f, NULL, 1);
    Pair *key = pair_new(m, NULL, NULL, 0);
    Pair *parent = finalizer_ordered(&f, key, 2);
    parent->second = (Pair *)(void *)goo_gc_ephemeron_new(m, key, child);
    goo_gc_enable(f.base.heap);
    finalizer_settle(&f, 1);
    CHECK_EQ(f.log.count, 1);
    CHECK_EQ(f.log.values[0], 2);
    finalizer_settle(&f, 1);
    CHECK_EQ(f.log.values[1], 1);
    goo_gc_heap_destroy(f.base.heap);
}

/* Two circles, one leading to the other, and one that stands alone behind nothing: all get their
 * turn, the leading circle before the other. */
GOO_TEST(gc_finalizer, ordered_circles_end) {
    FinalizerFixture f;
    finalizer_begin(&f, "verify,poison");
    goo_gc_disable(f.base.heap);
    Pair *a = finalizer_ordered(&f, NULL, 1), *b = finalizer_ordered(&f, a, 2);
    a->first = b;
    Pair *c = finalizer_ordered(&f, a, 3), *d = finalizer_ordered(&f, c, 4);
    c->second = d;
    Pair *self = finalizer_ordered(&f, NULL, 5);
    self->first = self;
    goo_gc_enable(f.base.heap);
    finalizer_settle(&f, 12);
    CHECK_EQ(f.log.count, 5);
    size_t at[6] = {0};
    for (size_t i = 0; i < 5; i++) {
        at[f.log.values[i]] = i;
    }
    CHECK(at[3] < at[1] && at[3] < at[2] && at[4] < at[1] && at[4] < at[2]);
    collect(f.base.m);
    CHECK_EQ(goo_gc_get_stats(f.base.heap).objects_live, 0);
    goo_gc_heap_destroy(f.base.heap);
}
