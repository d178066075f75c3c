/* Limits that are set while other threads use the heap: from when the call has succeeded on, not
 * one accounted byte is above them, and what fits after a full collection is always accepted.
 *
 * Private header: the account itself. Invariants: ACC-1, ACC-2, LIMIT-1.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "gc/heap.h"
#include "tests/gc/owned_fixture.h"

enum { GROWERS = 3, GROWN_BLOCKS = 20000, GROWN_SIZE = 256 };

typedef struct Grower {
    GooGcHeap *heap;
    GooAllocator *allocator;
    bool owned;
    atomic_size_t *ready;
    atomic_bool *go;
    void *blocks[GROWN_BLOCKS];
    size_t count;
    pthread_t thread;
} Grower;

/* --- external bytes, which threads add without the heap's lock --- */

static void *grower_run(void *arg) {
    Grower *g = arg;
    GooGcMutator *m = g->owned ? goo_gc_attach(g->heap) : NULL;
    void *owner = g->owned ? goo_gc_alloc_leaf(m, 16) : NULL;
    if (g->owned) {
        goo_gc_push(m, owner);
    }
    atomic_fetch_add(g->ready, 1);
    while (!atomic_load(g->go)) {
        sched_yield();
    }
    for (g->count = 0; g->count < GROWN_BLOCKS; g->count++) {
        void *block = g->owned ? goo_gc_owned_alloc(m, owner, g->allocator, GROWN_SIZE)
                               : goo_memory_alloc_with(g->allocator, GROWN_SIZE);
        if (block == NULL) {
            break;
        }
        g->blocks[g->count] = block;
    }
    return NULL; /* detached by the thread's end */
}

/* Lowers the limit to just above what is in use, while the threads add to it. */
static void grow_while_lowered(bool owned, bool attached) {
    static Grower growers[GROWERS];
    static atomic_size_t ready;
    static atomic_bool go;
    atomic_store(&ready, 0);
    atomic_store(&go, false);
    GooGcHeap *heap = heap_of("hard=256M,spare=0,initial=1G");
    GooAllocator *a = counting_allocator();
    if (attached) {
        CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    }
    for (size_t i = 0; i < GROWERS; i++) {
        growers[i].heap = heap;
        growers[i].allocator = a;
        growers[i].owned = owned;
        growers[i].ready = &ready;
        growers[i].go = &go;
        CHECK_EQ(pthread_create(&growers[i].thread, NULL, grower_run, &growers[i]), 0);
    }
    while (atomic_load(&ready) < GROWERS) {
        sched_yield();
    }
    size_t start = gooi_accounted(heap), limit = 0;
    atomic_store(&go, true);
    while (gooi_accounted(heap) < start + (512 << 10)) {
        sched_yield();
    }
    for (size_t lowered = 0; lowered == 0;) {
        limit = gooi_accounted(heap) + 1024;
        lowered = goo_gc_set_limits(heap, 0, limit) == GOO_OK;
    }
    for (size_t i = 0; i < GROWERS; i++) {
        CHECK_EQ(pthread_join(growers[i].thread, NULL), 0);
    }
    CHECK_MSG(gooi_accounted(heap) <= limit, "%zu accounted, the limit is %zu",
              gooi_accounted(heap), limit);
    GooGcStats s = goo_gc_get_stats(heap);
    CHECK_EQ(s.heap_bytes + s.metadata_bytes + s.external_bytes, gooi_accounted(heap));
    CHECK_EQ(s.external_bytes, held_by(a));
    for (size_t i = 0; i < GROWERS; i++) {
        for (size_t b = 0; !owned && b < growers[i].count; b++) {
            goo_memory_free_with(a, growers[i].blocks[b], GROWN_SIZE);
        }
    }
    goo_gc_heap_destroy(heap);
    CHECK_EQ(held_by(a), 0);
    goo_allocator_destroy(a);
}

GOO_TEST(gc_limits_threads, lowered_while_attached_allocators_grow) {
    for (size_t round = 0; round < 60; round++) {
        grow_while_lowered(false, true);
    }
}

GOO_TEST(gc_limits_threads, lowered_while_owned_blocks_are_made) {
    for (size_t round = 0; round < 20; round++) {
        grow_while_lowered(true, round % 2 == 0);
    }
}

/* --- garbage, which threads make all the time --- */

enum { CHURNERS = 3, CHURN_LIVE = 300, CHURN_ROUNDS = 60 };

typedef struct Churner {
    GooGcHeap *heap;
    atomic_bool *stop;
    atomic_size_t *made;
    size_t wrong;
    pthread_t thread;
} Churner;

static void *churner_run(void *arg) {
    Churner *c = arg;
    GooGcMutator *m = goo_gc_attach(c->heap);
    void **live = goo_gc_alloc(m, &pointers_type, (CHURN_LIVE + 1) * sizeof(void *));
    goo_gc_push(m, live);
    for (size_t i = 0; !atomic_load(c->stop); i++) {
        void *leaf = goo_gc_alloc_leaf(m, i % 64 == 0 ? 20000 : 1000);
        c->wrong += leaf == NULL; /* there is always enough garbage */
        if (i % 64 != 0) {
            goo_gc_write_pointer(m, live, &live[1 + i % CHURN_LIVE], leaf);
        }
        atomic_fetch_add(c->made, 1);
    }
    goo_gc_pop(m, 1);
    goo_gc_detach(m);
    return NULL;
}

static void churn_let_make(atomic_size_t *made, size_t count) {
    for (size_t before = atomic_load(made); atomic_load(made) < before + count;) {
        sched_yield();
    }
}

GOO_TEST(gc_limits_threads, lowered_while_threads_make_garbage) {
    enum { HIGH = 64 << 20, LOW = 12 << 20 };
    GooGcHeap *heap = heap_of("hard=64M,initial=48M,sizing=fixed");
    atomic_bool stop = false;
    atomic_size_t made = 0;
    Churner churners[CHURNERS];
    for (size_t i = 0; i < CHURNERS; i++) {
        churners[i] = (Churner){.heap = heap, .stop = &stop, .made = &made};
        CHECK_EQ(pthread_create(&churners[i].thread, NULL, churner_run, &churners[i]), 0);
    }
    size_t refused = 0, above = 0, needed = 0;
    for (size_t round = 0; round < CHURN_ROUNDS; round++) {
        churn_let_make(&made, 10000);
        needed += gooi_accounted(heap) > LOW;
        refused += goo_gc_set_limits(heap, 0, LOW) != GOO_OK;
        for (int look = 0; look < 20; look++) {
            churn_let_make(&made, 50);
            above += gooi_accounted(heap) > LOW;
        }
        refused += goo_gc_set_limits(heap, 0, 100000) != GOO_ERR_LIMIT; /* what lives is more */
        above += gooi_accounted(heap) > LOW;                           /* the old ones hold */
        refused += goo_gc_set_limits(heap, 0, HIGH) != GOO_OK;
    }
    atomic_store(&stop, true);
    size_t wrong = 0;
    for (size_t i = 0; i < CHURNERS; i++) {
        pthread_join(churners[i].thread, NULL);
        wrong += churners[i].wrong;
    }
    CHECK_EQ(wrong, 0);
    CHECK_EQ(refused, 0);
    CHECK_EQ(above, 0);
    CHECK_MSG(needed > CHURN_ROUNDS / 2, "%zu", needed); /* else nothing was tested */
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
}

/* A limit that asks for a collection where none may run. */
GOO_TEST(gc_limits_threads, lowered_where_none_may_collect) {
    GooGcHeap *heap = heap_of("hard=64M,initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    for (size_t i = 0; i < 10000; i++) {
        CHECK(goo_gc_alloc_leaf(m, 1000) != NULL);
    }
    goo_gc_disable(heap);
    CHECK_EQ(goo_gc_set_limits(heap, 0, 4 << 20), GOO_ERR_LIMIT);
    goo_gc_enable(heap);
    goo_gc_blocking_begin(m);
    CHECK_EQ(goo_gc_set_limits(heap, 0, 4 << 20), GOO_ERR_LIMIT);
    goo_gc_blocking_end(m);
    CHECK_EQ(goo_gc_get_stats(heap).collections_full, 0);
    CHECK_EQ(goo_gc_set_limits(heap, 0, 4 << 20), GOO_OK);
    CHECK_EQ(goo_gc_get_stats(heap).collections_full, 1);
    CHECK(gooi_accounted(heap) <= 4 << 20);
    CHECK(goo_gc_alloc_leaf(m, 1000) != NULL);
    goo_gc_heap_destroy(heap);
}
