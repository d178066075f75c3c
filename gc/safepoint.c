/* Stopping the world, under the heap's lock (gc/lock.h).
 *
 * Whoever needs every thread to stand still takes the lock, says so, and waits until no mutator but
 * its own is RUNNING. Mutators stop by themselves: at a safepoint, in the slow path of an
 * allocation (every 8 KiB at most), at both ends of a blocking region, when they attach or detach.
 * There are no signals. A thread that does neither is named by GOO_GC_EVENT_LATE_THREAD after
 * 100 ms.
 *
 *   collector   lock ── stopping, poll = 1 ── wait(parked) ──── cycle ──── broadcast(resumed)
 *   mutator     runs … sees poll ── lock ── PARKED, signal ── wait(resumed) ── RUNNING …
 *
 * The lock is held from the stop to the end, so that threads which are not attached, and calls that
 * need no mutator, wait as well.
 *
 * A thread that is attached to several heaps stands still in all of them before it waits for one:
 * else two threads, each waiting for the other in another heap, would do so for ever. It goes on in
 * all at once. Whoever has stopped a world goes on in its other heaps first, as callbacks may use
 * them; where one of these stands still, it lets the world go and tries again after that.
 *
 * WORLD-1  while `stopping` holds and its owner has returned from world_stop, no mutator is
 *          RUNNING but the owner's.
 * WORLD-2  a mutator's `poll` is set only while `stopping` is.
 * WORLD-3  nobody waits for a condition with the lock taken more than once.
 * WORLD-4  who waits for a world to stop or to go on is RUNNING in no other heap, but for those in
 *          whose callback it is.
 */
#include "gc/fake_stack.h"
#include "gc/lock.h"
#include "runtime/globals.h"

#define GOOI_LATE_NS ((uint64_t)100000000)

/* --- the mutator's side --- */

/* Under the lock, by a thread that is not RUNNING on this heap. */
void gooi_safepoint_wait(GooGcHeap *heap) {
    while (heap->stopping) {
        gooi_heap_wait(heap, &heap->resumed, 0);
    }
}

/* Its frames, and the registers that they spilled, stay where they are until this returns. */
static void safepoint_park_here(const void *stack_pointer, void *mutator) {
    GooGcMutator *m = mutator;
    GooGcHeap *heap = m->heap;
    m->stack_pointer = stack_pointer;
    m->fake_stack = gooi_fake_stack_here();
    m->state = GOOI_MUTATOR_PARKED;
    gooi_heap_broadcast(heap, &heap->parked);
    gooi_safepoint_wait(heap);
    m->state = GOOI_MUTATOR_RUNNING;
}

/* Under the lock. */
static void safepoint_park(GooGcMutator *m) {
    if (m->heap->stopping) {
        gooi_platform_with_spilled_registers(safepoint_park_here, m);
    }
}

/* --- threads of several heaps --- */

static bool thread_has_one_heap(void) {
    return gooi_thread_mutators == NULL || gooi_thread_mutators->next_of_thread == NULL;
}

/* A heap whose lock this thread has is one whose callback it is in: that goes on. */
static bool thread_rests_in(const GooGcMutator *m) {
    return m->state == GOOI_MUTATOR_BLOCKING && m->blocking_depth == 0 &&
           !gooi_heap_is_mine(m->heap);
}

GOOI_NEVER_INLINE void gooi_thread_rest(const GooGcHeap *but) {
    for (GooGcMutator *m = gooi_thread_mutators; m != NULL; m = m->next_of_thread) {
        if (m->heap != but && m->state == GOOI_MUTATOR_RUNNING && !gooi_heap_is_mine(m->heap)) {
            gooi_mutator_save_stack(m, __builtin_dwarf_cfa());
            gooi_heap_lock(m->heap);
            m->state = GOOI_MUTATOR_BLOCKING;
            gooi_heap_broadcast(m->heap, &m->heap->parked);
            gooi_heap_unlock(m->heap);
        }
    }
}

/* False: its world is being stopped, or somebody has its lock. Never waits. */
static bool thread_try_rise_in(GooGcMutator *m) {
    if (!gooi_heap_try_lock(m->heap)) {
        return false;
    }
    bool free = !m->heap->stopping;
    if (free) {
        m->state = GOOI_MUTATOR_RUNNING;
    }
    gooi_heap_unlock(m->heap);
    return free;
}

/* Goes on in the heaps in which it rests; the one that it found standing still, or NULL. */
static GooGcHeap *thread_try_rise(void) {
    GooGcMutator *m = gooi_thread_mutators;
    while (m != NULL && (!thread_rests_in(m) || thread_try_rise_in(m))) {
        m = m->next_of_thread;
    }
    return m != NULL ? m->heap : NULL;
}

/* Until the heap may be used; in all heaps, so that nobody waits for this thread. */
static void thread_rest_for(GooGcHeap *heap) {
    gooi_thread_rest(NULL);
    gooi_heap_lock(heap);
    gooi_safepoint_wait(heap);
    gooi_heap_unlock(heap);
}

static void thread_rise_in_one(GooGcMutator *m) {
    gooi_heap_lock(m->heap);
    gooi_safepoint_wait(m->heap);
    m->state = GOOI_MUTATOR_RUNNING;
    gooi_heap_unlock(m->heap);
}

/* Goes on in all heaps at once (WORLD-4). */
void gooi_thread_rise(void) {
    GooGcHeap *still;
    GooGcMutator *only = thread_has_one_heap() ? gooi_thread_mutators : NULL;
    if (only != NULL && thread_rests_in(only)) {
        thread_rise_in_one(only);
    }
    while ((still = thread_try_rise()) != NULL) {
        thread_rest_for(still);
    }
}

/* Stands still for as long as somebody wants that. */
void gooi_safepoint_park(GooGcMutator *m) {
    if (thread_has_one_heap()) {
        gooi_heap_lock(m->heap);
        safepoint_park(m);
        gooi_heap_unlock(m->heap);
    } else {
        gooi_thread_rest(NULL);
        gooi_thread_rise();
    }
}

/* --- the collector's side --- */

static void world_set_polls(GooGcHeap *heap, const GooGcMutator *self, uintptr_t poll) {
    for (GooGcMutator *m = heap->mutators; m != NULL; m = m->next) {
        if (m != self) {
            __atomic_store_n(&m->fast.poll, poll, __ATOMIC_RELAXED);
            m->late = false;
        }
    }
}

static GooGcMutator *world_running(const GooGcHeap *heap, const GooGcMutator *self) {
    GooGcMutator *m = heap->mutators;
    while (m != NULL && (m == self || m->state != GOOI_MUTATOR_RUNNING)) {
        m = m->next;
    }
    return m;
}

static void world_name_late(GooGcHeap *heap, const GooGcMutator *self) {
    for (GooGcMutator *m = heap->mutators; m != NULL; m = m->next) {
        if (m != self && m->state == GOOI_MUTATOR_RUNNING && !m->late) {
            m->late = true;
            gooi_notify_of(heap, GOO_GC_EVENT_LATE_THREAD, 0, m);
        }
    }
}

/* Stops every mutator but `self`, the calling thread's or NULL, under the lock taken once. Where
 * another thread was about to do the same, that comes first. False: a collection ran meanwhile. */
static bool world_stop(GooGcHeap *heap, GooGcMutator *self) {
    uint64_t cycles = heap->stats.collections_full;
    if (self != NULL && self->state == GOOI_MUTATOR_RUNNING) {
        safepoint_park(self);
    } else {
        gooi_safepoint_wait(heap);
    }
    if (heap->stats.collections_full != cycles) {
        return false;
    }
    heap->stopping = true;
    world_set_polls(heap, self, 1);
    uint64_t late_at = gooi_platform_time_ns() + GOOI_LATE_NS;
    while (world_running(heap, self) != NULL) {
        uint64_t now = gooi_platform_time_ns();
        if (now >= late_at) {
            world_name_late(heap, self);
            gooi_heap_wait(heap, &heap->parked, 0);
        } else {
            gooi_heap_wait(heap, &heap->parked, late_at - now);
        }
    }
    return true;
}

void gooi_world_resume(GooGcHeap *heap) {
    heap->stopping = false;
    world_set_polls(heap, NULL, 0);
    gooi_heap_broadcast(heap, &heap->resumed);
}

/* Takes the lock and stops the world, the calling thread RUNNING in its other heaps. The lock is
 * taken in any case. False: a collection ran meanwhile. */
bool gooi_world_lock_and_stop(GooGcHeap *heap, GooGcMutator *self) {
    for (;;) {
        gooi_thread_rest(heap);
        gooi_heap_lock(heap);
        if (!world_stop(heap, self)) {
            return false;
        }
        GooGcHeap *still = thread_try_rise();
        if (still == NULL) {
            return true;
        }
        gooi_world_resume(heap);
        gooi_heap_unlock(heap);
        thread_rest_for(still);
        gooi_thread_rise();
    }
}

/* For what looks at the whole heap: the calling thread's own memory is taken off the fast path, so
 * that a callback which allocates is told. */
bool gooi_world_enter(GooGcHeap *heap) {
    if (gooi_heap_is_mine(heap)) {
        return false;
    }
    GooGcMutator *self = gooi_mutator_here(heap);
    while (!gooi_world_lock_and_stop(heap, self)) {
        gooi_heap_unlock(heap);
        gooi_thread_rise();
    }
    heap->collecting = true;
    gooi_alloc_hide_here(heap);
    return true;
}

void gooi_world_leave(GooGcHeap *heap) {
    heap->collecting = false;
    gooi_world_resume(heap);
    gooi_heap_unlock(heap);
}
