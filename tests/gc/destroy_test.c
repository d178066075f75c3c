/* The end of heaps: it visits no object, and thousands come and go on several threads at once.
 *
 * Public headers only.
 */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/gc/support.h"

/* --- no object is visited --- */

enum { OBJECTS = 60000 };

static size_t destroy_traced;

static void destroy_trace(void *object, GooGcVisitor *v) {
    destroy_traced++;
    goo_gc_visit_pointer(v, &((Pair *)object)->first);
}

static const GooGcType destroy_type = {
    .name = "traced", .size = sizeof(Pair), .layout = GOO_GC_LAYOUT_TRACE, .trace = destroy_trace};

/* Takes every access to the object's page away. */
static size_t destroy_protect(const void *object) {
    uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE);
    return mprotect((void *)((uintptr_t)object & ~(size - 1)), size, PROT_NONE) == 0;
}

/* Half of them dead, blocks swept and not: a look at any page of objects would be a fault. */
static void destroy_unreadable(bool collected) {
    GooGcHeap *heap = heap_of("initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    static Pair *objects[OBJECTS];
    Pair *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    for (size_t i = 0; i < OBJECTS; i++) {
        objects[i] = goo_gc_alloc(m, &destroy_type, 0);
        CHECK(objects[i] != NULL);
        if (i % 2 == 0) {
            objects[i]->first = list;
            list = objects[i];
        }
    }
    void *large = goo_gc_alloc_leaf(m, 100000);
    if (collected) {
        collect(m);
        CHECK_EQ(goo_gc_get_stats(heap).objects_live, OBJECTS / 2);
    } else {
        CHECK_EQ(destroy_protect(large), 1);
    }
    destroy_traced = 0;
    size_t protected = 0;
    for (size_t i = 0; i < OBJECTS; i++) {
        protected += destroy_protect(objects[i]);
    }
    CHECK_EQ(protected, OBJECTS);
    goo_gc_heap_destroy(heap);
    CHECK_EQ(destroy_traced, 0);
}

GOO_TEST(gc_destroy, visits_no_object) {
    destroy_unreadable(false);
}

GOO_TEST(gc_destroy, visits_no_object_after_a_collection) {
    destroy_unreadable(true);
}

/* --- by the thousand, on several threads --- */

enum { THREADS = 4, ROUNDS = 500, KEPT = 25 };

typedef struct DestroyWork {
    uint64_t number;
    size_t wrong;
    pthread_t thread;
} DestroyWork;

static GooGcHeap *destroy_fill(DestroyWork *work, uint64_t round, Pair **root) {
    GooGcOptions options = goo_gc_default_options();
    options.initial_bytes = 64 << 10;
    GooGcHeap *heap = goo_gc_heap_create(&options);
    GooGcMutator *m = heap == NULL ? NULL : goo_gc_attach(heap);
    if (m == NULL || goo_gc_root_add_pointer(heap, root) != GOO_OK) {
        work->wrong++;
        return heap;
    }
    *root = NULL;
    for (uint64_t i = 0; i < 100; i++) {
        *root = pair_new(m, *root, NULL, round + i);
    }
    if (round % 7 == work->number) {
        work->wrong += goo_gc_collect(m, GOO_GC_FULL) != GOO_OK;
        work->wrong += goo_gc_get_stats(heap).objects_live != 100;
    }
    return heap;
}

static void destroy_check(DestroyWork *work, GooGcHeap *heap, const Pair *list, uint64_t round) {
    uint64_t length = 0;
    for (; list != NULL; list = list->first) {
        length++;
        work->wrong += list->value != round + 100 - length;
    }
    work->wrong += length != 100;
    goo_gc_heap_destroy(heap);
}

static void *destroy_work(void *arg) {
    DestroyWork *work = arg;
    GooGcHeap *heaps[KEPT] = {NULL};
    Pair *roots[KEPT];
    for (uint64_t round = 0; round < ROUNDS; round++) {
        size_t i = round % KEPT;
        if (heaps[i] != NULL) {
            destroy_check(work, heaps[i], roots[i], round - KEPT);
        }
        heaps[i] = destroy_fill(work, round, &roots[i]);
    }
    for (size_t i = 0; i < KEPT; i++) {
        goo_gc_heap_destroy(heaps[i]);
    }
    return NULL;
}

GOO_TEST(gc_destroy, thousands_on_several_threads) {
    DestroyWork work[THREADS];
    for (uint64_t i = 0; i < THREADS; i++) {
        work[i] = (DestroyWork){.number = i};
        CHECK_EQ(pthread_create(&work[i].thread, NULL, destroy_work, &work[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(work[i].thread, NULL);
        CHECK_EQ(work[i].wrong, 0);
    }
}
