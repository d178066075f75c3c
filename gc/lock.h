/* The heap's lock: one word that says whose it is, taken by one atomic instruction when it is free.
 *
 * It nests, because a collection's callbacks may call what locks. Whoever finds it taken sleeps on
 * the heap's mutex, which is never held for longer than it takes to fall asleep or to wake others.
 *
 *   lock    0 ──compare and swap──▶ me        taken: count as a waiter, sleep until it is free
 *   unlock  me ──exchange──▶ 0                waiters: wake them
 *
 * A panic handler may leave by longjmp while its thread has the lock, out of a callback: nobody can
 * go on with that heap. Those who wait for it are told then, and panic when the lock has not been
 * let go a second later: they never sleep for ever. A thread that ends with the lock leaves it to
 * GOOI_LOCK_LOST.
 *
 * LOCK-1  lock_owner is the thread that holds the lock, or 0; only that thread reads or writes
 *         lock_depth.
 * LOCK-2  a waiter counts itself before it tries again, an owner looks for waiters after it has let
 *         go, and all four are sequentially consistent: no waiter sleeps on a free lock.
 * LOCK-3  lock_waiters says GOOI_LOCK_PANICKED from a panic of the owner to its next unlock, and
 *          GOOI_LOCK_GIVEN_UP from when a waiter gave it up.
 */
#ifndef GOO_GC_LOCK_H
#define GOO_GC_LOCK_H

#include "gc/heap.h"
#include "runtime/globals.h"

#define GOOI_LOCK_LOST ((uintptr_t)1) /* no thread's */
#define GOOI_LOCK_PANICKED ((uint32_t)1 << 31)
#define GOOI_LOCK_GIVEN_UP ((uint32_t)1 << 30)
#define GOOI_LOCK_DOUBTS (GOOI_LOCK_PANICKED | GOOI_LOCK_GIVEN_UP)

/* Differs between live threads, and is not 0. */
static inline uintptr_t gooi_thread_here(void) {
    return (uintptr_t)&gooi_thread_mutators;
}

void gooi_heap_lock_slow(GooGcHeap *heap, uintptr_t me);
void gooi_heap_wake_waiters(GooGcHeap *heap);
void gooi_lock_thread_panics(void); /* of every heap that this thread has locked */
bool gooi_lock_is_given_up(GooGcHeap *heap);
void gooi_lock_lose(GooGcHeap *heap); /* this thread ends, and has it */

/* This thread marks for a collector, who has the lock and waits for it: what the lock would keep
 * others from is kept from already. */
static inline bool gooi_heap_is_helped_here(const GooGcHeap *heap) {
    return GOOI_UNLIKELY(gooi_helped_heap == heap);
}

/* False: another thread has it. */
static inline bool gooi_heap_try_lock(GooGcHeap *heap) {
    uintptr_t me = gooi_thread_here(), nobody = 0;
    if (gooi_heap_is_helped_here(heap)) {
        return true;
    }
    if (atomic_load_explicit(&heap->lock_owner, memory_order_relaxed) != me &&
        !atomic_compare_exchange_strong(&heap->lock_owner, &nobody, me)) {
        return false;
    }
    heap->lock_depth++;
    return true;
}

static inline void gooi_heap_lock(GooGcHeap *heap) {
    if (GOOI_UNLIKELY(!gooi_heap_try_lock(heap))) {
        gooi_heap_lock_slow(heap, gooi_thread_here());
    }
}

static inline void gooi_heap_unlock(GooGcHeap *heap) {
    if (!gooi_heap_is_helped_here(heap) && --heap->lock_depth == 0) {
        atomic_exchange(&heap->lock_owner, 0);
        if (GOOI_UNLIKELY(atomic_load(&heap->lock_waiters) != 0)) {
            gooi_heap_wake_waiters(heap);
        }
    }
}

static inline bool gooi_heap_is_mine(const GooGcHeap *heap) {
    return atomic_load_explicit(&heap->lock_owner, memory_order_relaxed) == gooi_thread_here() ||
           gooi_heap_is_helped_here(heap);
}

/* Whether `m` is the calling thread's: any other is a mistake of the caller's. */
static inline bool gooi_mutator_is_mine(const GooGcMutator *m) {
    return m != NULL && m->thread_id == gooi_thread_here();
}

/* In a collection or one of its callbacks. Only the owner may read `collecting`. */
static inline bool gooi_heap_is_busy_here(const GooGcHeap *heap) {
    return gooi_heap_is_mine(heap) && heap->collecting;
}

/* Under the lock taken once: gives it up, waits for a broadcast of `condition`, takes it again.
 * False: `ns` nanoseconds were over; 0 has no end. */
bool gooi_heap_wait(GooGcHeap *heap, GooiPlatformCondition *condition, uint64_t ns);
void gooi_heap_broadcast(GooGcHeap *heap, GooiPlatformCondition *condition);

void gooi_lock_init(GooGcHeap *heap);
void gooi_lock_deinit(GooGcHeap *heap);
void gooi_lock_forked(GooGcHeap *heap); /* nobody waits in this process */

#endif
