/* What a debug allocator knows of threads: one DebugThread for each that allocated through it.
 *
 *     gooi_debug_seat (thread-local): which allocator was used last, and its DebugThread
 *     DebugAllocator.threads: all of them, by the thread's id, for when another allocator sat there
 *
 * A thread that ends leaves its DebugThread to the next one with the same id; what the shadow says
 * of a stack is compared with the stack before it is believed, whoever it was.
 *
 *   THREAD-1  a seat with an allocator's secret has a DebugThread of that allocator, which lives as
 *             long as it does; no other allocator ever has that secret
 *
 * Threads: any.
 */
#include "allocators/debug.h"

#include "runtime/poison.h"
#include "runtime/system.h"

static DebugThread *thread_find(DebugAllocator *d, uintptr_t id) {
    /* Acquire: pairs with the release in thread_add. */
    DebugThread *t = atomic_load_explicit(&d->threads, memory_order_acquire);
    while (t != NULL && t->id != id) {
        t = t->next;
    }
    return t;
}

static DebugThread *thread_add(DebugAllocator *d, uintptr_t id) {
    DebugThread *t = gooi_system_alloc(NULL, sizeof *t, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_ZERO);
    if (t != NULL) {
        t->id = id;
        t->frames[0].slot = UINTPTR_MAX;
        t->next = atomic_load_explicit(&d->threads, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&d->threads, &t->next, t,
                                                      memory_order_release, memory_order_relaxed)) {
        }
    }
    return t;
}

DebugThread *gooi_debug_take_seat(DebugAllocator *d) {
    uintptr_t id = gooi_platform_thread_id();
    DebugThread *t = thread_find(d, id);
    t = t != NULL ? t : thread_add(d, id);
    if (t == NULL) {
        return NULL;
    }
    const void *low = NULL;
    const void *high = NULL;
    gooi_platform_stack_bounds(&low, &high);
    uintptr_t size = (uintptr_t)high - (uintptr_t)low;
    if (t->low != (uintptr_t)low || t->size != size) { /* a dead one had this id */
        t->low = (uintptr_t)low;
        t->size = size;
        t->count = 0;
    }
    gooi_debug_seat = (GooiDebugSeat){d->secret, t};
    return t;
}

DebugOrigin gooi_debug_here_watched(DebugAllocator *d, const void *return_address,
                                    uintptr_t stack_pointer) {
    DebugThread *t = gooi_debug_thread(d);
    if (d->options.stack_depth == 0 || t == NULL) {
        return 0;
    }
    gooi_poison_pause();
    DebugOrigin origin = gooi_debug_stack_find(&d->origins, t, d->options.stack_depth,
                                               (uintptr_t)return_address, stack_pointer);
    gooi_unpoison(t, sizeof *t, true);
    gooi_unpoison(&origin, sizeof origin, true);
    gooi_poison_resume();
    return origin;
}

void gooi_debug_threads_deinit(DebugAllocator *d) {
    DebugThread *t = atomic_load_explicit(&d->threads, memory_order_acquire);
    while (t != NULL) {
        DebugThread *next = t->next;
        gooi_system_free(NULL, t, sizeof *t, GOO_DEFAULT_ALIGNMENT);
        t = next;
    }
}
