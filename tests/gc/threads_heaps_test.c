/* Threads and callbacks that could wait for each other: threads of several heaps, callbacks that
 * call back, panics and ends of threads inside a collection, and what calls by a thread that is not
 * attached do. A fault here is mostly a hang: each case has an alarm.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "goo/allocators/system.h"
#include "goo/gc/intern.h"
#include "goo/gc/weak.h"
#include "goo/runtime/memory.h"
#include "tests/gc/support.h"

enum { HEAPS = 3, THREADS = 4, ALARM_SECONDS = 240 };

/* --- threads of several heaps --- */

typedef struct HeapsWork {
    GooGcHeap **heaps;
    unsigned number;
    size_t wrong;
    pthread_t thread;
} HeapsWork;

/* Keeps a list in each heap; collects them in an order of its own. */
static void *heaps_use_all(void *arg) {
    HeapsWork *work = arg;
    GooGcMutator *m[HEAPS];
    Pair *lists[HEAPS] = {NULL};
    GooGcFrame frames[HEAPS];
    void *locals[HEAPS][1];
    for (unsigned h = 0; h < HEAPS; h++) {
        m[h] = goo_gc_attach(work->heaps[h]);
        locals[h][0] = &lists[h];
        goo_gc_frame_begin(m[h], &frames[h], locals[h], 1);
    }
    for (uint64_t i = 0; i < 6000; i++) {
        unsigned h = (unsigned)(i * (work->number + 1)) % HEAPS;
        lists[h] = pair_new(m[h], i % 50 < HEAPS ? NULL : lists[h], NULL, i);
        if (i % 97 == work->number) {
            work->wrong += goo_gc_collect(m[(h + work->number) % HEAPS], GOO_GC_FULL) != GOO_OK;
        }
        if (i % 31 == 0) {
            goo_gc_blocking_begin(m[h]);
            goo_gc_blocking_end(m[h]);
            goo_gc_detach(goo_gc_attach(work->heaps[(h + 1) % HEAPS]));
        }
        goo_gc_safepoint(m[(h + 1) % HEAPS]);
    }
    for (unsigned h = 0; h < HEAPS; h++) {
        for (const Pair *p = lists[h]; p != NULL && p->first != NULL; p = p->first) {
            work->wrong += p->value <= p->first->value;
        }
        goo_gc_frame_end(m[h], &frames[h]);
        goo_gc_detach(m[h]);
    }
    return NULL;
}

static void heaps_run_threads(GooGcHeap **heaps, void *(*fn)(void *arg)) {
    HeapsWork work[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        work[i] = (HeapsWork){.heaps = heaps, .number = i};
        CHECK_EQ(pthread_create(&work[i].thread, NULL, fn, &work[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(work[i].thread, NULL);
        CHECK_EQ(work[i].wrong, 0);
    }
}

/* Each of several threads, attached to the same heaps, stops one while others stop another. */
static void heaps_stop_across(const char *options) {
    GooGcHeap *heaps[HEAPS];
    alarm(ALARM_SECONDS);
    for (unsigned h = 0; h < HEAPS; h++) {
        heaps[h] = heap_of(options);
    }
    heaps_run_threads(heaps, heaps_use_all);
    for (unsigned h = 0; h < HEAPS; h++) {
        CHECK_EQ(goo_gc_verify(heaps[h], stderr), GOO_OK);
        goo_gc_heap_destroy(heaps[h]);
    }
    alarm(0);
}

GOO_TEST(gc_threads_heaps, stops_across_heaps) {
    heaps_stop_across("initial=64k,verify,poison");
}

GOO_TEST(gc_threads_heaps, stops_across_heaps_with_scanned_stacks) {
    heaps_stop_across("initial=64k,scan_stacks,verify,poison");
}

/* --- an allocator attached to several heaps, used by their threads --- */

static GooAllocator *heaps_allocator;

static void *heaps_press(void *arg) {
    HeapsWork *work = arg;
    GooGcMutator *m[HEAPS];
    for (unsigned h = 0; h < HEAPS; h++) {
        while ((m[h] = goo_gc_attach(work->heaps[h])) == NULL) {
            usleep(1000); /* at its limit just now */
        }
    }
    for (uint64_t i = 0; i < 1500; i++) {
        GooGcMutator *mine = m[(i + work->number) % HEAPS];
        Pair *owner = pair_new(mine, NULL, NULL, i);
        work->wrong += owner == NULL;
        if (owner != NULL && goo_gc_owned_alloc(mine, owner, heaps_allocator, 4000) == NULL) {
            work->wrong += errno != ENOMEM;
        }
        void *block = goo_memory_alloc_with(heaps_allocator, 2000);
        if (block != NULL) {
            goo_memory_free_with(heaps_allocator, block, 2000);
        }
    }
    for (unsigned h = 0; h < HEAPS; h++) {
        goo_gc_detach(m[h]);
    }
    return NULL;
}

/* At the hard limits requests collect every heap, on any thread, and the counts stay exact. */
GOO_TEST(gc_threads_heaps, pressure_across_heaps) {
    GooGcHeap *heaps[HEAPS];
    GooAllocator *allocator = goo_system_allocator_create();
    alarm(ALARM_SECONDS);
    allocator->strategy = GOO_ALLOC_STRATEGY_GC;
    heaps_allocator = allocator;
    for (unsigned h = 0; h < HEAPS; h++) {
        heaps[h] = heap_of("initial=64k,hard=2M");
        CHECK_EQ(goo_gc_attach_allocator(heaps[h], allocator), GOO_OK);
    }
    heaps_run_threads(heaps, heaps_press);
    for (unsigned h = 0; h < HEAPS; h++) {
        GooGcMutator *m = goo_gc_attach(heaps[h]);
        collect(m);
    }
    for (unsigned h = 0; h < HEAPS; h++) {
        CHECK_EQ(goo_gc_get_stats(heaps[h]).external_bytes, 0);
        CHECK_EQ(goo_gc_verify(heaps[h], stderr), GOO_OK);
        goo_gc_heap_destroy(heaps[h]);
    }
    goo_allocator_destroy(allocator);
    alarm(0);
}

/* --- finalizable objects --- */

enum { MORTALS = 4000 };

static _Atomic size_t heaps_deaths;

static void heaps_die(void *object, void *user) {
    (void)object;
    (void)user;
    atomic_fetch_add(&heaps_deaths, 1);
}

static const GooGcType heaps_mortal_type = {
    .name = "mortal", .size = 32, .layout = GOO_GC_LAYOUT_LEAF, .finalize = heaps_die};

static void *heaps_make_mortals(void *arg) {
    HeapsWork *work = arg;
    GooGcMutator *m = goo_gc_attach(work->heaps[0]);
    for (int i = 0; i < MORTALS; i++) {
        work->wrong += goo_gc_alloc(m, &heaps_mortal_type, 0) == NULL;
    }
    goo_gc_detach(m);
    return NULL;
}

/* Made on several threads at once, each is finalized once. */
GOO_TEST(gc_threads_heaps, finalizable_objects) {
    GooGcHeap *heap = heap_of("initial=64k,verify");
    alarm(ALARM_SECONDS);
    atomic_store(&heaps_deaths, 0);
    heaps_run_threads(&heap, heaps_make_mortals);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
    CHECK_EQ(atomic_load(&heaps_deaths), (size_t)THREADS * MORTALS);
    alarm(0);
}

/* --- callbacks that call back --- */

typedef struct HeapsCallback {
    GooGcHeap *heap;
    GooGcMutator *m;
    size_t called, wrong;
    void *slots[64];
} HeapsCallback;

static void heaps_trace_nothing(GooGcVisitor *v, void *user) {
    (void)v;
    (void)user;
}

/* Whatever this thread asks of the heap inside a collection is refused or answered. */
static void heaps_call_everything(HeapsCallback *c, bool roots) {
    c->called++;
    c->wrong += goo_gc_collect(c->m, GOO_GC_FULL) != GOO_ERR_BUSY;
    c->wrong += goo_gc_verify(c->heap, NULL) != GOO_ERR_BUSY;
    c->wrong += goo_gc_release(c->heap) != 0;
    c->wrong += goo_gc_attach(c->heap) != NULL;
    c->wrong += goo_gc_base_of(c->heap, c) != NULL;
    c->wrong += goo_gc_get_stats(c->heap).heap_bytes == 0;
    c->wrong += goo_gc_handle_get(c->heap, (GooGcHandle){0}) != NULL;
    c->wrong += goo_gc_add_stack(c->m, c->slots, c->slots + 64) != GOO_ERR_INVALID_ARGUMENT;
    for (int i = 0; i < 64; i++) {
        GooStatus added = goo_gc_root_add_pointer(c->heap, &c->slots[i]);
        c->wrong += added != (roots ? GOO_ERR_BUSY : GOO_OK);
        GooStatus traced = goo_gc_roots_add(c->heap, heaps_trace_nothing, c);
        c->wrong += traced != (roots ? GOO_ERR_BUSY : GOO_OK);
    }
    for (int i = 0; i < 64 && !roots; i++) {
        c->wrong += goo_gc_root_remove(c->heap, &c->slots[i]) != GOO_OK;
        c->wrong += goo_gc_roots_remove(c->heap, heaps_trace_nothing, c) != GOO_OK;
    }
}

static void heaps_call_from_root(GooGcVisitor *v, void *user) {
    (void)v;
    heaps_call_everything(user, true);
}

static void heaps_call_from_listener(GooGcHeap *heap, const GooGcEvent *event, void *user) {
    (void)heap;
    (void)event;
    heaps_call_everything(user, false);
}

static void heaps_call_from_finalize(void *object, void *user) {
    (void)object;
    heaps_call_everything(user, false);
}

GOO_TEST(gc_threads_heaps, callbacks_that_call_back) {
    HeapsCallback c = {.heap = heap_of("")};
    alarm(ALARM_SECONDS);
    c.m = goo_gc_attach(c.heap);
    GooGcType type = {.name = "caller",
                      .size = 32,
                      .layout = GOO_GC_LAYOUT_LEAF,
                      .finalize = heaps_call_from_finalize,
                      .user = &c};
    CHECK(goo_gc_alloc(c.m, &type, 0) != NULL);
    CHECK_EQ(goo_gc_roots_add(c.heap, heaps_call_from_root, &c), GOO_OK);
    GooGcListener listener = {heaps_call_from_listener, &c};
    CHECK_EQ(goo_gc_set_listener(c.heap, &listener), GOO_OK);
    collect(c.m);
    CHECK(c.called >= 6);
    CHECK_EQ(c.wrong, 0);
    CHECK(goo_gc_alloc_leaf(c.m, 64) != NULL);
    CHECK_EQ(goo_gc_set_listener(c.heap, NULL), GOO_OK);
    CHECK_EQ(goo_gc_roots_remove(c.heap, heaps_call_from_root, &c), GOO_OK);
    CHECK_EQ(goo_gc_verify(c.heap, stderr), GOO_OK);
    goo_gc_heap_destroy(c.heap);
    alarm(0);
}

typedef struct HeapsString {
    const GooGcType *type;
    char byte;
} HeapsString;
static const GooGcType heaps_string_type = {
    .name = "string", .size = sizeof(HeapsString), .layout = GOO_GC_LAYOUT_LEAF};

static void *heaps_string_create(GooGcMutator *m, const void *bytes, size_t length, uint64_t hash,
                                 void *user) {
    (void)hash;
    (void)user;
    HeapsString *s = goo_gc_alloc(m, &heaps_string_type, 0);
    s->byte = length != 0 ? *(const char *)bytes : 0;
    return s;
}

/* Reads under the heap's lock: what would collect is refused. */
static const void *heaps_string_bytes(const void *object, size_t *out_length, void *user) {
    HeapsCallback *c = user;
    c->called++;
    c->wrong += goo_gc_collect(c->m, GOO_GC_FULL) != GOO_ERR_BUSY;
    *out_length = 1;
    return &((const HeapsString *)object)->byte;
}

GOO_TEST(gc_threads_heaps, interned_bytes_that_call_back) {
    HeapsCallback c = {.heap = heap_of("verify")};
    c.m = goo_gc_attach(c.heap);
    GooGcInternOps ops = {.create = heaps_string_create, .bytes = heaps_string_bytes, .user = &c};
    GooGcInternTable *table = goo_gc_intern_table_create(c.heap, &ops);
    void *s = goo_gc_intern(c.m, table, "a", 1);
    goo_gc_push(c.m, s);
    CHECK_PTR_EQ(goo_gc_intern(c.m, table, "a", 1), s);
    CHECK(c.called >= 1);
    CHECK_EQ(c.wrong, 0);
    collect(c.m); /* the lock was let go */
    goo_gc_heap_destroy(c.heap);
}

/* --- threads that leave in the middle --- */

typedef struct HeapsLost {
    GooGcHeap *heap;
    GooGcMutator *m;
    _Atomic int step;
    bool by_end;
} HeapsLost;

static _Thread_local jmp_buf heaps_way_out;
static _Thread_local bool heaps_may_leave;
static _Atomic int heaps_told;

static void heaps_leave(const char *message) {
    (void)message;
    if (heaps_may_leave) {
        longjmp(heaps_way_out, 1);
    }
}

static void heaps_leave_from_root(GooGcVisitor *v, void *user) {
    HeapsLost *lost = user;
    (void)v;
    if (lost->by_end) {
        pthread_exit(NULL);
    }
    (void)goo_gc_alloc_leaf(lost->m, 100000); /* panics, and the handler leaves */
}

static void *heaps_lose(void *arg) {
    HeapsLost *lost = arg;
    lost->m = goo_gc_attach(lost->heap);
    heaps_may_leave = true;
    if (setjmp(heaps_way_out) == 0) {
        goo_gc_collect(lost->m, GOO_GC_FULL);
        atomic_store(&heaps_told, -100);
    }
    atomic_store(&lost->step, 1);
    while (atomic_load(&lost->step) < 2) {
        usleep(1000);
    }
    return NULL;
}

/* Polls until it is told that the heap is lost. */
static void *heaps_be_told(void *arg) {
    HeapsLost *lost = arg;
    heaps_may_leave = true;
    if (setjmp(heaps_way_out) == 0) {
        GooGcMutator *m = goo_gc_attach(lost->heap);
        for (;;) {
            goo_gc_safepoint(m);
            usleep(100);
        }
    }
    atomic_fetch_add(&heaps_told, 1);
    return NULL;
}

static void *heaps_ask(void *arg) {
    HeapsLost *lost = arg;
    heaps_may_leave = true;
    if (setjmp(heaps_way_out) == 0) {
        for (;;) {
            goo_gc_get_stats(lost->heap);
            usleep(100);
        }
    }
    atomic_fetch_add(&heaps_told, 1);
    return NULL;
}

/* The heap can't be used or destroyed afterwards; nobody sleeps on it for ever. */
static void heaps_lose_one(bool by_end) {
    static HeapsLost lost; /* its heap is never destroyed */
    pthread_t loser, others[2];
    alarm(ALARM_SECONDS);
    atomic_store(&heaps_told, 0);
    lost = (HeapsLost){.heap = heap_of(""), .by_end = by_end};
    CHECK_EQ(goo_gc_roots_add(lost.heap, heaps_leave_from_root, &lost), GOO_OK);
    goo_set_panic_handler(heaps_leave);
    CHECK_EQ(pthread_create(&others[0], NULL, heaps_be_told, &lost), 0);
    CHECK_EQ(pthread_create(&others[1], NULL, heaps_ask, &lost), 0);
    usleep(20000);
    CHECK_EQ(pthread_create(&loser, NULL, heaps_lose, &lost), 0);
    pthread_join(others[0], NULL);
    pthread_join(others[1], NULL);
    atomic_store(&lost.step, 2);
    pthread_join(loser, NULL);
    goo_set_panic_handler(NULL);
    CHECK_EQ(atomic_load(&heaps_told), 2);
    alarm(0);
}

#if defined(__SANITIZE_THREAD__)
#define HEAPS_CAN_LOSE 0
#elif defined(__has_feature)
#define HEAPS_CAN_LOSE (!__has_feature(thread_sanitizer) && !GOO_TEST_ADDRESS_SANITIZER)
#else
#define HEAPS_CAN_LOSE (!GOO_TEST_ADDRESS_SANITIZER)
#endif

#if HEAPS_CAN_LOSE
/* On purpose the lost heap is never destroyed, and threads end by longjmp: nothing for the
 * sanitizers. A child does it, so that no fork handler waits for the lost heap's lock later. */
#include <sys/wait.h>

static void heaps_lose_in_child(bool by_end) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        heaps_lose_one(by_end);
        _exit(0);
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

GOO_TEST(gc_threads_heaps, collection_left_by_a_panic) {
    heaps_lose_in_child(false);
}

GOO_TEST(gc_threads_heaps, collection_left_by_the_end_of_its_thread) {
    heaps_lose_in_child(true);
}
#else
GOO_TEST(gc_threads_heaps, collection_left_by_a_panic) {
    (void)heaps_lose_one;
    SKIP("the heap is lost on purpose, for the sanitizer a leak or a lock held");
}
#endif

/* --- threads that are not attached --- */

typedef struct HeapsStranger {
    GooGcMutator *m;
    Pair *pair;
    void *block;
    size_t wrong, panics;
} HeapsStranger;

#define HEAPS_EXPECT_PANIC(stranger, call)                                                         \
    do {                                                                                           \
        heaps_may_leave = true;                                                                    \
        if (setjmp(heaps_way_out) == 0) {                                                          \
            call;                                                                                  \
            (stranger)->wrong++;                                                                   \
        } else {                                                                                   \
            (stranger)->panics++;                                                                  \
        }                                                                                          \
    } while (0)

static void *heaps_call_as_stranger(void *arg) {
    HeapsStranger *s = arg;
    s->wrong += goo_gc_alloc_leaf(s->m, 100000) != NULL || errno != EINVAL;
    s->wrong += goo_gc_realloc_leaf(s->m, s->block, 100000) != NULL || errno != EINVAL;
    s->wrong += goo_gc_collect(s->m, GOO_GC_FULL) != GOO_ERR_INVALID_ARGUMENT;
    s->wrong += goo_gc_weak_new(s->m, s->pair) != NULL || errno != EINVAL;
    s->wrong += goo_gc_ephemeron_new(s->m, s->pair, s->pair) != NULL || errno != EINVAL;
    s->wrong += goo_gc_owned_alloc(s->m, s->pair, NULL, 10) != NULL || errno != EINVAL;
    s->wrong += goo_gc_owner_adjust(s->m, s->pair, 10) != GOO_ERR_INVALID_ARGUMENT;
    s->wrong += goo_gc_add_stack(s->m, s, s + 1) != GOO_ERR_INVALID_ARGUMENT;
    s->wrong += goo_gc_remove_stack(s->m, s) != GOO_ERR_INVALID_ARGUMENT;
    s->wrong += goo_gc_set_finalizer(s->m, s->pair, heaps_die, NULL) != GOO_ERR_INVALID_ARGUMENT;
    s->wrong += goo_gc_run_finalizers(s->m, 1) != 0;
    HEAPS_EXPECT_PANIC(s, (goo_gc_safepoint)(s->m));
    HEAPS_EXPECT_PANIC(s, goo_gc_step(s->m, 0));
    HEAPS_EXPECT_PANIC(s, goo_gc_blocking_begin(s->m));
    HEAPS_EXPECT_PANIC(s, goo_gc_blocking_end(s->m));
    HEAPS_EXPECT_PANIC(s, goo_gc_detach(s->m));
    return NULL;
}

GOO_TEST(gc_threads_heaps, strangers_are_refused) {
    GooGcHeap *heap = heap_of("verify");
    HeapsStranger s = {.m = goo_gc_attach(heap)};
    s.pair = pair_new(s.m, NULL, NULL, 1);
    goo_gc_push(s.m, s.pair);
    s.block = goo_gc_alloc_leaf(s.m, 40);
    goo_gc_push(s.m, s.block);
    goo_set_panic_handler(heaps_leave);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, heaps_call_as_stranger, &s), 0);
    pthread_join(thread, NULL);
    goo_set_panic_handler(NULL);
    CHECK_EQ(s.wrong, 0);
    CHECK_EQ(s.panics, 5);
    collect(s.m);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, 2);
    goo_gc_heap_destroy(heap);
}
