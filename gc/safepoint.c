/* The heap's lock, and stopping the world.
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
 * need no mutator, wait as well. It nests, because a collection's callbacks may call what locks.
 *
 * WORLD-1  while `stopping` holds and its owner has returned from gooi_world_stop, no mutator is
 *          RUNNING but the owner's.
 * WORLD-2  a mutator's `poll` is set only while `stopping` is.
 * WORLD-3  nobody waits for a condition with the lock taken more than once.
 */
#include "gc/lock.h"

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

/* Stands still for as long as somebody wants that. */
void gooi_safepoint_park(GooGcMutator *m) {
    gooi_heap_lock(m->heap);
    safepoint_park(m);
    gooi_heap_unlock(m->heap);
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
bool gooi_world_stop(GooGcHeap *heap, GooGcMutator *self) {
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

/* For what looks at the whole heap: the calling thread's own memory is taken off the fast path, so
 * that a callback which allocates is told. */
bool gooi_world_enter(GooGcHeap *heap) {
    if (gooi_heap_is_mine(heap)) {
        return false;
    }
    GooGcMutator *self = gooi_mutator_here(heap);
    gooi_heap_lock(heap);
    while (!gooi_world_stop(heap, self)) {
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
