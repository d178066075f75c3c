/* Delivering events to the program's callbacks. Private.
 *
 *   CALLBACK-1  a callback's function and user pointer change only while its state is not its id
 *               and nobody is inside it
 *   CALLBACK-2  whoever calls it has first counted itself inside, and then seen its id; who removes
 *               it first takes the id away, and then waits until nobody is inside: one of the two
 *               sees the other
 *   CALLBACK-3  nothing is delivered on a thread that is inside a callback
 */
#ifndef GOO_RUNTIME_CALLBACKS_H
#define GOO_RUNTIME_CALLBACKS_H

#include "goo/runtime/callbacks.h"
#include "runtime/base.h"
#include "runtime/globals.h"

#include <stdatomic.h>

enum { GOOI_CALLBACK_COUNT = 64 };

typedef struct GooiCallback {
    _Atomic int id;          /* 0: nobody's */
    _Atomic uint32_t inside; /* threads that are, or are about to look whether they may be */
    uint32_t kinds;          /* 0: an interceptor */
    GooObserverFn observe;
    GooInterceptFn intercept;
    void *user;
    int last_id; /* under the lock */
} GooiCallback;
extern GooiCallback gooi_callbacks[GOOI_CALLBACK_COUNT];

/* Whether this thread has to say what it does. */
static inline bool gooi_callbacks_active(void) {
    return (atomic_load_explicit(&gooi_watch, memory_order_relaxed) & GOOI_WATCH_CALLBACKS) != 0 &&
           gooi_callback_running == 0;
}

/* Tells every observer of the event's kind. errno stays. Only if callbacks are active. */
GOOI_COLD void gooi_callbacks_deliver(const GooMemoryEvent *event);

/* Asks every interceptor. False: one refused. Only if callbacks are active. */
GOOI_COLD bool gooi_callbacks_permit(const GooMemoryEvent *event);

/* An event without a block, if anybody listens: resets, collections, pressure. */
static inline void gooi_callbacks_notify(GooMemoryEventKind kind, GooAllocator *a, size_t size,
                                         size_t old_size) {
    if (GOOI_UNLIKELY(gooi_callbacks_active())) {
        GooMemoryEvent event = {
            .kind = kind, .allocator = a, .size = size, .old_size = old_size};
        gooi_callbacks_deliver(&event);
    }
}

#endif
