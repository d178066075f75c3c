/* Stacks under the address sanitizer with detect_stack_use_after_return, which keeps variables in
 * frames of its own making: what they refer to is alive all the same, on a thread that collects,
 * one that is parked and one in a blocking region. Elsewhere the same cases run on plain stacks.
 *
 * Public headers only.
 */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/gc/support.h"

enum { HELD = 64 };

#if GOO_TEST_ADDRESS_SANITIZER
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_stack_use_after_return=1";
}
#endif

typedef struct FakeWork {
    GooGcHeap *heap;
    GooGcMutator *m;
    void (*stand_still)(struct FakeWork *work);
    _Atomic int step;
    size_t wrong;
} FakeWork;

/* The only references stand in an array whose address others know. */
static __attribute__((noinline)) void fake_fill(GooGcMutator *m, Pair *volatile *held) {
    for (uint64_t i = 0; i < HELD; i++) {
        held[i] = pair_new(m, NULL, NULL, i);
    }
}

static __attribute__((noinline)) size_t fake_count_wrong(Pair *volatile *held) {
    size_t wrong = 0;
    for (uint64_t i = 0; i < HELD; i++) {
        wrong += held[i]->value != i;
    }
    return wrong;
}

static __attribute__((noinline)) void fake_hold(FakeWork *work) {
    Pair *volatile held[HELD];
    fake_fill(work->m, held);
    work->stand_still(work);
    work->wrong += fake_count_wrong(held);
}

static void fake_collect(FakeWork *work) {
    for (int i = 0; i < 3; i++) {
        work->wrong += goo_gc_collect(work->m, GOO_GC_FULL) != GOO_OK;
        work->wrong += goo_gc_get_stats(work->heap).objects_live < HELD;
    }
}

static void fake_block(FakeWork *work) {
    goo_gc_blocking_begin(work->m);
    atomic_store(&work->step, 1);
    while (atomic_load(&work->step) == 1) {
        usleep(100);
    }
    goo_gc_blocking_end(work->m);
}

static void fake_poll(FakeWork *work) {
    atomic_store(&work->step, 1);
    while (atomic_load(&work->step) == 1) {
        goo_gc_safepoint(work->m);
    }
}

static void *fake_run(void *arg) {
    FakeWork *work = arg;
    work->m = goo_gc_attach(work->heap);
    fake_hold(work);
    goo_gc_detach(work->m);
    return NULL;
}

GOO_TEST(gc_fake_stacks, on_the_thread_that_collects) {
    FakeWork work = {.heap = heap_of("scan_stacks,poison,verify"), .stand_still = fake_collect};
    fake_run(&work);
    CHECK_EQ(work.wrong, 0);
    goo_gc_heap_destroy(work.heap);
}

static void fake_collect_meanwhile(void (*stand_still)(FakeWork *work)) {
    FakeWork work = {.heap = heap_of("scan_stacks,poison,verify"), .stand_still = stand_still};
    GooGcMutator *m = goo_gc_attach(work.heap);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, fake_run, &work), 0);
    goo_gc_blocking_begin(m);
    while (atomic_load(&work.step) == 0) {
        usleep(100);
    }
    goo_gc_blocking_end(m);
    for (int i = 0; i < 5; i++) {
        collect(m);
        CHECK(goo_gc_get_stats(work.heap).objects_live >= HELD);
    }
    atomic_store(&work.step, 2);
    goo_gc_blocking_begin(m);
    pthread_join(thread, NULL);
    goo_gc_blocking_end(m);
    CHECK_EQ(work.wrong, 0);
    goo_gc_heap_destroy(work.heap);
}

GOO_TEST(gc_fake_stacks, in_a_blocking_region) {
    fake_collect_meanwhile(fake_block);
}

GOO_TEST(gc_fake_stacks, at_a_safepoint) {
    fake_collect_meanwhile(fake_poll);
}
