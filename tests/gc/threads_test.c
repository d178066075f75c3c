/* Several threads on one heap: stopping the world, blocking regions, threads that come, go, die,
 * fork or do not poll.
 *
 * What the threads build is checked after every collection by the heap's verifier, and at the end
 * by themselves.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/gc/support.h"

enum { THREADS = 4, LENGTH = 300, ROUNDS = 40 };

typedef struct ThreadsWork {
    GooGcHeap *heap;
    unsigned number;
    size_t wrong;
    pthread_t thread;
} ThreadsWork;

static void *threads_start(ThreadsWork *work, void *(*fn)(void *arg)) {
    CHECK_EQ(pthread_create(&work->thread, NULL, fn, work), 0);
    return work;
}

/* --- building --- */

static Pair *threads_list(GooGcMutator *m, uint64_t tag) {
    Pair *head = NULL;
    for (uint64_t i = 0; i < LENGTH; i++) {
        head = pair_new(m, head, NULL, tag * LENGTH + i);
    }
    return head;
}

static size_t threads_count_wrong(const Pair *head, uint64_t tag) {
    size_t wrong = 0;
    for (uint64_t i = LENGTH; i-- > 0; head = head->first) {
        if (head == NULL) {
            return wrong + (size_t)i + 1;
        }
        wrong += head->value != tag * LENGTH + i;
    }
    return wrong + (head != NULL);
}

/* Lists that live for a while, garbage in between, a large object now and then. */
static void *threads_build(void *arg) {
    ThreadsWork *work = arg;
    GooGcMutator *m = goo_gc_attach(work->heap);
    Pair *kept[4] = {NULL};
    GooGcFrame frame;
    void *const locals[4] = {&kept[0], &kept[1], &kept[2], &kept[3]};
    goo_gc_frame_begin(m, &frame, locals, 4);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t tag = work->number * ROUNDS + round;
        if (round >= 4) {
            work->wrong += threads_count_wrong(kept[round % 4], tag - 4);
        }
        kept[round % 4] = threads_list(m, tag);
        work->wrong += goo_gc_alloc_leaf(m, 20000) == NULL;
        goo_gc_safepoint(m);
    }
    goo_gc_frame_end(m, &frame);
    goo_gc_detach(m);
    return NULL;
}

static void threads_build_together(const char *options) {
    GooGcHeap *heap = heap_of(options);
    ThreadsWork work[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        work[i] = (ThreadsWork){.heap = heap, .number = i};
        threads_start(&work[i], threads_build);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(work[i].thread, NULL);
        CHECK_EQ(work[i].wrong, 0);
    }
    CHECK(goo_gc_get_stats(heap).collections_full > 1);
    CHECK_EQ(goo_gc_get_stats(heap).allocated_objects, THREADS * ROUNDS * (LENGTH + 1));
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_threads, build_together) {
    threads_build_together("initial=256k");
}

GOO_TEST(gc_threads, build_together_checked) {
    threads_build_together("initial=256k,verify,poison");
}

GOO_TEST(gc_threads, build_together_under_stress) {
    threads_build_together("initial=256k,stress=211,verify,poison");
}

/* --- one structure, many threads --- */

typedef struct ThreadsShared {
    GooGcHeap *heap;
    pthread_mutex_t lock;
    Pair *head; /* a root; under the lock */
} ThreadsShared;

static void *threads_push_shared(void *arg) {
    ThreadsShared *shared = arg;
    GooGcMutator *m = goo_gc_attach(shared->heap);
    for (uint64_t i = 0; i < 3000; i++) {
        Pair *pair = pair_new(m, NULL, NULL, i);
        goo_gc_push(m, pair);
        goo_gc_blocking_begin(m); /* whoever has the lock may be collecting */
        pthread_mutex_lock(&shared->lock);
        goo_gc_blocking_end(m);
        GOO_GC_SET(m, pair, first, shared->head);
        shared->head = pair;
        pthread_mutex_unlock(&shared->lock);
        goo_gc_pop(m, 1);
    }
    goo_gc_detach(m);
    return NULL;
}

GOO_TEST(gc_threads, shared_structure) {
    ThreadsShared shared = {.heap = heap_of("initial=256k,stress=501,verify,poison"),
                            .lock = PTHREAD_MUTEX_INITIALIZER};
    CHECK_EQ(goo_gc_root_add_pointer(shared.heap, &shared.head), GOO_OK);
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, threads_push_shared, &shared), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    size_t count = 0;
    uint64_t sum = 0;
    for (const Pair *p = shared.head; p != NULL; p = p->first) {
        count++;
        sum += p->value;
    }
    CHECK_EQ(count, THREADS * 3000);
    CHECK_EQ(sum, THREADS * (UINT64_C(2999) * 3000 / 2));
    goo_gc_heap_destroy(shared.heap);
}

/* --- standing still --- */

typedef struct ThreadsSignals {
    GooGcHeap *heap;
    _Atomic int step;
    GooGcMutator *_Atomic m;
    size_t wrong;
} ThreadsSignals;

static void threads_await(ThreadsSignals *s, int step) {
    while (atomic_load(&s->step) < step) {
        usleep(100);
    }
}

/* Where the only reference may be a register of the caller's. */
static __attribute__((noinline)) void *threads_block_with(ThreadsSignals *s, GooGcMutator *m,
                                                          Pair *pair) {
    goo_gc_blocking_begin(m);
    atomic_store(&s->step, 1);
    threads_await(s, 2);
    goo_gc_blocking_end(m);
    return pair;
}

static void *threads_block(void *arg) {
    ThreadsSignals *s = arg;
    GooGcMutator *m = goo_gc_attach(s->heap);
    Pair *pair = threads_block_with(s, m, pair_new(m, NULL, NULL, 77));
    s->wrong = pair->value != 77;
    goo_gc_detach(m);
    return NULL;
}

/* A thread that blocks holds nobody up, and keeps what its registers and stack hold. */
GOO_TEST(gc_threads, blocking_region) {
    ThreadsSignals s = {.heap = heap_of("scan_stacks,poison,verify")};
    GooGcMutator *m = goo_gc_attach(s.heap);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, threads_block, &s), 0);
    threads_await(&s, 1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
    }
    CHECK_EQ(goo_gc_get_stats(s.heap).objects_live, 1);
    atomic_store(&s.step, 2);
    goo_gc_blocking_begin(m);
    pthread_join(thread, NULL);
    goo_gc_blocking_end(m);
    CHECK_EQ(s.wrong, 0);
    goo_gc_heap_destroy(s.heap);
}

static void *threads_spin(void *arg) {
    ThreadsSignals *s = arg;
    GooGcMutator *m = goo_gc_attach(s->heap);
    atomic_store(&s->m, m);
    Pair *volatile pair = pair_new(m, NULL, NULL, 5); /* on this stack only */
    atomic_store(&s->step, 1);
    while (atomic_load(&s->step) < 2) {
        goo_gc_safepoint(m);
    }
    s->wrong = pair->value != 5;
    goo_gc_detach(m);
    return NULL;
}

/* A thread that only polls is stopped, and its stack is scanned from where it stopped. */
GOO_TEST(gc_threads, parked_at_a_safepoint) {
    ThreadsSignals s = {.heap = heap_of("scan_stacks,poison,verify")};
    GooGcMutator *m = goo_gc_attach(s.heap);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, threads_spin, &s), 0);
    threads_await(&s, 1);
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
    }
    CHECK(goo_gc_get_stats(s.heap).objects_live >= 1);
    atomic_store(&s.step, 2);
    pthread_join(thread, NULL);
    CHECK_EQ(s.wrong, 0);
    goo_gc_heap_destroy(s.heap);
}

static void *threads_be_late(void *arg) {
    ThreadsSignals *s = arg;
    GooGcMutator *m = goo_gc_attach(s->heap);
    atomic_store(&s->m, m);
    atomic_store(&s->step, 1);
    threads_await(s, 2); /* without a blocking region */
    goo_gc_detach(m);
    return NULL;
}

static void threads_hear(GooGcHeap *heap, const GooGcEvent *event, void *user) {
    ThreadsSignals *s = user;
    (void)heap;
    if (event->kind == GOO_GC_EVENT_LATE_THREAD) {
        s->wrong += event->mutator != atomic_load(&s->m);
        atomic_store(&s->step, 2); /* lets it go */
    }
}

GOO_TEST(gc_threads, late_thread_is_named) {
    ThreadsSignals s = {.heap = heap_of("")};
    GooGcListener listener = {threads_hear, &s};
    goo_gc_set_listener(s.heap, &listener);
    GooGcMutator *m = goo_gc_attach(s.heap);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, threads_be_late, &s), 0);
    threads_await(&s, 1);
    CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
    CHECK_EQ(atomic_load(&s.step), 2);
    CHECK_EQ(s.wrong, 0);
    pthread_join(thread, NULL);
    goo_gc_heap_destroy(s.heap);
}

/* --- coming and going --- */

static void *threads_die(void *arg) {
    ThreadsSignals *s = arg;
    GooGcMutator *m = goo_gc_attach(s->heap);
    GooGcFrame *frame = malloc(sizeof *frame); /* as if on a stack that is gone */
    static void *const locals[1] = {NULL};
    goo_gc_frame_begin(m, frame, locals, 0);
    goo_gc_push(m, pair_new(m, NULL, NULL, 1));
    free(frame);
    return NULL; /* attached */
}

GOO_TEST(gc_threads, thread_that_ends_is_detached) {
    ThreadsSignals s = {.heap = heap_of("verify,poison")};
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, threads_die, &s), 0);
        pthread_join(thread, NULL);
    }
    GooGcMutator *m = goo_gc_attach(s.heap);
    CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
    CHECK_EQ(goo_gc_get_stats(s.heap).objects_live, 0);
    goo_gc_heap_destroy(s.heap);
}

static void *threads_come_and_go(void *arg) {
    ThreadsWork *work = arg;
    for (uint64_t i = 0; i < 300; i++) {
        GooGcMutator *m = goo_gc_attach(work->heap);
        Pair *pair = pair_new(m, NULL, NULL, i);
        goo_gc_push(m, pair);
        if (i % 16 == 0) {
            goo_gc_collect(m, GOO_GC_FULL);
        }
        work->wrong += pair->value != i;
        goo_gc_pop(m, 1);
        goo_gc_detach(m);
    }
    return NULL;
}

GOO_TEST(gc_threads, come_and_go) {
    GooGcHeap *heap = heap_of("verify,poison");
    ThreadsWork work[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        work[i] = (ThreadsWork){.heap = heap, .number = i};
        threads_start(&work[i], threads_come_and_go);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(work[i].thread, NULL);
        CHECK_EQ(work[i].wrong, 0);
    }
    goo_gc_heap_destroy(heap);
}

static void *threads_use_handles(void *arg) {
    ThreadsWork *work = arg; /* not attached */
    for (int i = 0; i < 2000; i++) {
        void *slot = NULL;
        work->wrong += goo_gc_root_add_pointer(work->heap, &slot) != GOO_OK;
        work->wrong += goo_gc_handle_get(work->heap, (GooGcHandle){0}) != NULL;
        work->wrong += goo_gc_base_of(work->heap, &slot) != NULL;
        work->wrong += goo_gc_root_remove(work->heap, &slot) != GOO_OK;
    }
    return NULL;
}

/* Calls on the heap itself need no mutator. */
GOO_TEST(gc_threads, unattached_threads) {
    GooGcHeap *heap = heap_of("initial=64k,verify");
    ThreadsWork builder = {.heap = heap}, users[2] = {{.heap = heap}, {.heap = heap}};
    threads_start(&builder, threads_build);
    threads_start(&users[0], threads_use_handles);
    threads_start(&users[1], threads_use_handles);
    pthread_join(builder.thread, NULL);
    for (int i = 0; i < 2; i++) {
        pthread_join(users[i].thread, NULL);
        CHECK_EQ(users[i].wrong, 0);
    }
    CHECK_EQ(builder.wrong, 0);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_threads, heap_with_threads_is_not_destroyed) {
    ThreadsSignals s = {.heap = heap_of("")};
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, threads_be_late, &s), 0);
    threads_await(&s, 1);
    CHECK_PANICS(goo_gc_heap_destroy(s.heap), "other threads are attached");
    atomic_store(&s.step, 2);
    pthread_join(thread, NULL);
    goo_gc_heap_destroy(s.heap);
}

/* --- fork --- */

#if defined(__SANITIZE_THREAD__)
#define THREADS_CAN_FORK false /* its run-time library stops a child that has had threads */
#else
#define THREADS_CAN_FORK true
#endif

static void *threads_churn(void *arg) {
    ThreadsSignals *s = arg;
    GooGcMutator *m = goo_gc_attach(s->heap);
    Pair *list = NULL;
    GooGcFrame frame;
    void *const locals[1] = {&list};
    goo_gc_frame_begin(m, &frame, locals, 1);
    atomic_fetch_add(&s->step, 1);
    while (atomic_load(&s->step) < 100) {
        list = pair_new(m, list, NULL, 1);
        if (list->first != NULL && list->first->value++ > 500) {
            list = NULL;
        }
        goo_gc_alloc_leaf(m, 3000);
    }
    goo_gc_frame_end(m, &frame);
    goo_gc_detach(m);
    return NULL;
}

static int threads_child(GooGcHeap *heap, GooGcMutator *m, const Pair *kept) {
    int wrong = goo_gc_verify(heap, stderr) != GOO_OK;
    for (int i = 0; i < 3; i++) {
        wrong += goo_gc_collect(m, GOO_GC_FULL) != GOO_OK;
        wrong += threads_list(m, 9) == NULL;
    }
    wrong += threads_count_wrong(kept, 3) != 0;
    wrong += goo_gc_verify(heap, stderr) != GOO_OK;
    return wrong;
}

/* The child has one thread; what others had half made when it was born is unmade. */
GOO_TEST(gc_threads, fork_with_other_threads) {
    if (!THREADS_CAN_FORK) {
        SKIP("fork under the thread sanitizer");
    }
    ThreadsSignals s = {.heap = heap_of("initial=256k,poison")};
    GooGcMutator *m = goo_gc_attach(s.heap);
    Pair *kept = threads_list(m, 3);
    goo_gc_push(m, kept);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, threads_churn, &s), 0);
    }
    goo_gc_blocking_begin(m);
    threads_await(&s, 2);
    goo_gc_blocking_end(m);
    for (int i = 0; i < 30; i++) {
        pid_t child = fork();
        if (child == 0) {
            _exit(threads_child(s.heap, m, kept));
        }
        int status = -1;
        goo_gc_blocking_begin(m);
        CHECK_EQ(waitpid(child, &status, 0), child);
        goo_gc_blocking_end(m);
        CHECK_EQ(status, 0);
    }
    atomic_store(&s.step, 100);
    goo_gc_blocking_begin(m);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    goo_gc_blocking_end(m);
    goo_gc_heap_destroy(s.heap);
}
