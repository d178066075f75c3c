/* The heap's lock where it is not free, and waiting under it (gc/lock.h has the picture).
 *
 * Who waits for a condition takes the mutex before it gives the lock up, and who broadcasts has the
 * lock when it takes the mutex: so a change made under the lock is never missed.
 */
#include "gc/lock.h"

#define GOOI_LOCK_LOST_NS ((uint64_t)1000000000)

static bool lock_is_in_doubt(GooGcHeap *heap) {
    return (atomic_load(&heap->lock_waiters) & GOOI_LOCK_PANICKED) != 0;
}

bool gooi_lock_is_given_up(GooGcHeap *heap) {
    return (atomic_load(&heap->lock_waiters) & GOOI_LOCK_GIVEN_UP) != 0;
}

/* Sleeps until the lock may be free. False: its owner panicked, and has not let it go since. */
static bool lock_sleep(GooGcHeap *heap) {
    if (gooi_lock_is_given_up(heap)) {
        return false;
    }
    if (!lock_is_in_doubt(heap)) {
        gooi_platform_condition_wait(&heap->freed, &heap->sleep);
        return true;
    }
    return gooi_platform_condition_wait_for(&heap->freed, &heap->sleep, GOOI_LOCK_LOST_NS) ||
           !lock_is_in_doubt(heap) || atomic_load(&heap->lock_owner) == 0;
}

void gooi_heap_lock_slow(GooGcHeap *heap, uintptr_t me) {
    uintptr_t nobody = 0;
    bool there = true;
    gooi_platform_mutex_lock(&heap->sleep);
    atomic_fetch_add(&heap->lock_waiters, 1);
    while (there && !atomic_compare_exchange_strong(&heap->lock_owner, &nobody, me)) {
        nobody = 0;
        there = lock_sleep(heap);
    }
    atomic_fetch_sub(&heap->lock_waiters, 1);
    if (!there) {
        atomic_fetch_or(&heap->lock_waiters, GOOI_LOCK_GIVEN_UP);
    }
    gooi_platform_mutex_unlock(&heap->sleep);
    GOO_REQUIRE(there, "gc: heap %p is lost: a thread left a callback of its collection by a panic "
                "or by its end", (void *)heap);
    heap->lock_depth = 1;
}

void gooi_heap_wake_waiters(GooGcHeap *heap) {
    atomic_fetch_and(&heap->lock_waiters, ~GOOI_LOCK_DOUBTS);
    gooi_heap_broadcast(heap, &heap->freed);
}

/* Everybody who sleeps looks again, and from now on with an end. */
static void lock_wake_all(GooGcHeap *heap) {
    gooi_platform_mutex_lock(&heap->sleep);
    gooi_platform_condition_broadcast(&heap->freed);
    gooi_platform_condition_broadcast(&heap->parked);
    gooi_platform_condition_broadcast(&heap->resumed);
    gooi_platform_mutex_unlock(&heap->sleep);
}

void gooi_lock_thread_panics(void) {
    gooi_heaps_lock_list();
    for (GooGcHeap *heap = gooi_heaps; heap != NULL; heap = heap->next_heap) {
        if (gooi_heap_is_mine(heap)) {
            atomic_fetch_or(&heap->lock_waiters, GOOI_LOCK_PANICKED);
            lock_wake_all(heap);
        }
    }
    gooi_heaps_unlock_list();
}

void gooi_lock_lose(GooGcHeap *heap) {
    atomic_store(&heap->lock_owner, GOOI_LOCK_LOST);
    atomic_fetch_or(&heap->lock_waiters, GOOI_LOCK_GIVEN_UP);
    lock_wake_all(heap);
}

bool gooi_heap_wait(GooGcHeap *heap, GooiPlatformCondition *condition, uint64_t ns) {
    GOO_ASSERT(heap->lock_depth == 1, "gc: a wait with the heap's lock taken %u times",
               heap->lock_depth);
    bool in_time = true;
    gooi_platform_mutex_lock(&heap->sleep);
    heap->lock_depth = 0;
    atomic_exchange(&heap->lock_owner, 0);
    if (atomic_load(&heap->lock_waiters) != 0) {
        atomic_fetch_and(&heap->lock_waiters, ~GOOI_LOCK_DOUBTS);
        gooi_platform_condition_broadcast(&heap->freed);
    }
    if (ns == 0) {
        gooi_platform_condition_wait(condition, &heap->sleep);
    } else {
        in_time = gooi_platform_condition_wait_for(condition, &heap->sleep, ns);
    }
    gooi_platform_mutex_unlock(&heap->sleep);
    gooi_heap_lock(heap);
    return in_time;
}

void gooi_heap_broadcast(GooGcHeap *heap, GooiPlatformCondition *condition) {
    gooi_platform_mutex_lock(&heap->sleep);
    gooi_platform_condition_broadcast(condition);
    gooi_platform_mutex_unlock(&heap->sleep);
}

static void lock_init_conditions(GooGcHeap *heap) {
    gooi_platform_mutex_init(&heap->sleep);
    gooi_platform_condition_init(&heap->freed);
    gooi_platform_condition_init(&heap->parked);
    gooi_platform_condition_init(&heap->resumed);
}

void gooi_lock_init(GooGcHeap *heap) {
    lock_init_conditions(heap);
}

void gooi_lock_deinit(GooGcHeap *heap) {
    gooi_platform_condition_deinit(&heap->resumed);
    gooi_platform_condition_deinit(&heap->parked);
    gooi_platform_condition_deinit(&heap->freed);
    gooi_platform_mutex_deinit(&heap->sleep);
}

void gooi_lock_forked(GooGcHeap *heap) {
    lock_init_conditions(heap);
    atomic_store(&heap->lock_waiters, 0);
}
