/* Weakness on a heap that several threads share: each with objects of its own, all with one table
 * of finalizers, one queue, one count of pairs and one intern table.
 *
 * Public headers only. Threads record what is wrong; the case checks it after joining them.
 */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include "goo/gc/intern.h"
#include "goo/gc/weak.h"
#include "tests/gc/support.h"

enum { THREADS = 4, ROUNDS = 60, KEYS = 64, NAMES = 40 };

typedef struct Shared {
    GooGcHeap *heap;
    GooGcInternTable *names;
    void *by_name[NAMES]; /* roots, so that names stay */
    atomic_size_t set, ran, twice;
} Shared;

typedef struct Worker {
    Shared *shared;
    size_t wrong;
    pthread_t thread;
} Worker;

static void worker_finalizer(void *object, void *user) {
    Shared *shared = user;
    Pair *pair = object;
    atomic_fetch_add(&shared->ran, 1);
    atomic_fetch_add(&shared->twice, pair->value != 1);
    pair->value++;
}

static void *worker_name(GooGcMutator *m, const void *bytes, size_t length, uint64_t hash,
                         void *user) {
    (void)hash;
    (void)user;
    char *text = goo_gc_alloc_leaf(m, length + 1);
    if (text != NULL) {
        memcpy(text, bytes, length);
    }
    return text;
}

static const void *worker_bytes(const void *object, size_t *out_length, void *user) {
    (void)user;
    *out_length = strlen(object);
    return object;
}

/* A map, an array of keys and one of ephemerons; every other key dies. */
static void worker_round(Worker *w, GooGcMutator *m) {
    GooGcWeakMap *map = NULL;
    void **keys = NULL, **ephemerons = NULL, *key = NULL;
    GooGcFrame frame;
    void *const locals[] = {&map, &keys, &ephemerons, &key};
    goo_gc_frame_begin(m, &frame, locals, 4);
    map = goo_gc_weak_map_new(m);
    keys = goo_gc_alloc(m, &pointers_type, (KEYS + 1) * sizeof *keys);
    ephemerons = goo_gc_alloc(m, &pointers_type, (KEYS + 1) * sizeof *ephemerons);
    for (size_t i = 1; i <= KEYS; i++) {
        key = pair_new(m, NULL, NULL, 1);
        GooGcEphemeron *e = goo_gc_ephemeron_new(m, key, key);
        goo_gc_write_pointer(m, ephemerons, &ephemerons[i], e);
        w->wrong += goo_gc_weak_map_set(m, map, key, e) != GOO_OK;
        bool ordered = i % 4 == 0;
        w->wrong += (ordered ? goo_gc_set_finalizer_ordered : goo_gc_set_finalizer)(
                        m, key, worker_finalizer, w->shared) != GOO_OK;
        atomic_fetch_add(&w->shared->set, 1);
        goo_gc_write_pointer(m, keys, &keys[i], i % 2 == 0 ? key : NULL);
    }
    key = NULL;
    w->wrong += goo_gc_collect(m, GOO_GC_FULL) != GOO_OK;
    for (size_t i = 1; i <= KEYS; i++) {
        void *expected = i % 2 == 0 ? keys[i] : NULL;
        w->wrong += goo_gc_ephemeron_key(m, ephemerons[i]) != expected;
        w->wrong += expected != NULL && goo_gc_weak_map_get(m, map, expected) != ephemerons[i];
    }
    w->wrong += goo_gc_weak_map_count(m, map) != KEYS / 2;
    goo_gc_run_finalizers(m, 5);
    goo_gc_frame_end(m, &frame);
}

static void *worker_run(void *arg) {
    Worker *w = arg;
    GooGcMutator *m = goo_gc_attach(w->shared->heap);
    for (size_t round = 0; round < ROUNDS; round++) {
        worker_round(w, m);
        for (size_t i = 0; i < NAMES; i++) {
            char name[16];
            int length = snprintf(name, sizeof name, "name%zu", i);
            void *found = goo_gc_intern(m, w->shared->names, name, (size_t)length);
            w->wrong += found != w->shared->by_name[i];
        }
        goo_gc_safepoint(m);
    }
    goo_gc_detach(m);
    return NULL;
}

static void workers_together(const char *options) {
    Shared shared = {.heap = heap_of(options)};
    GooGcInternOps ops = {worker_name, worker_bytes, NULL};
    shared.names = goo_gc_intern_table_create(shared.heap, &ops);
    GooGcMutator *m = goo_gc_attach(shared.heap);
    for (size_t i = 0; i < NAMES; i++) {
        char name[16];
        int length = snprintf(name, sizeof name, "name%zu", i);
        CHECK_EQ(goo_gc_root_add_pointer(shared.heap, &shared.by_name[i]), GOO_OK);
        shared.by_name[i] = goo_gc_intern(m, shared.names, name, (size_t)length);
    }
    Worker workers[THREADS];
    goo_gc_blocking_begin(m);
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (Worker){.shared = &shared};
        CHECK_EQ(pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(workers[i].thread, NULL), 0);
        CHECK_EQ(workers[i].wrong, 0);
    }
    goo_gc_blocking_end(m);
    collect(m);
    goo_gc_run_finalizers(m, SIZE_MAX);
    CHECK_EQ(shared.ran, shared.set);
    CHECK_EQ(shared.set, THREADS * ROUNDS * KEYS);
    CHECK_EQ(shared.twice, 0);
    CHECK_EQ(goo_gc_intern_count(shared.names), NAMES);
    collect(m);
    CHECK_EQ(goo_gc_get_stats(shared.heap).objects_live, NAMES);
    goo_gc_heap_destroy(shared.heap);
}

GOO_TEST(gc_weak_threads, together) {
    workers_together("");
}

GOO_TEST(gc_weak_threads, together_under_verify) {
    workers_together("verify,poison");
}

GOO_TEST(gc_weak_threads, together_under_stress) {
    workers_together("stress=61");
}

/* All intern the same new names at once: one object each, for everybody. */
typedef struct Namer {
    Shared *shared;
    uintptr_t sum;
    pthread_t thread;
} Namer;

static void *namer_run(void *arg) {
    Namer *namer = arg;
    GooGcMutator *m = goo_gc_attach(namer->shared->heap);
    for (size_t i = 0; i < 20000; i++) {
        char name[16];
        int length = snprintf(name, sizeof name, "n%zu", i);
        namer->sum += (uintptr_t)goo_gc_intern(m, namer->shared->names, name, (size_t)length);
    }
    goo_gc_detach(m);
    return NULL;
}

GOO_TEST(gc_weak_threads, one_object_for_equal_bytes) {
    Shared shared = {.heap = heap_of("")};
    GooGcInternOps ops = {worker_name, worker_bytes, NULL};
    shared.names = goo_gc_intern_table_create(shared.heap, &ops);
    goo_gc_disable(shared.heap); /* so that nobody's object dies */
    Namer namers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        namers[i] = (Namer){.shared = &shared};
        CHECK_EQ(pthread_create(&namers[i].thread, NULL, namer_run, &namers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(namers[i].thread, NULL), 0);
        CHECK_EQ(namers[i].sum, namers[0].sum);
    }
    CHECK_EQ(goo_gc_intern_count(shared.names), 20000);
    goo_gc_heap_destroy(shared.heap);
}
