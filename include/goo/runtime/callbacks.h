/* Callbacks: be told what the front door does, or decide whether it may.
 *
 * Choose an observer for profilers, logs and live views; an interceptor for policies that refuse
 * allocations. Choose goo/runtime/stats.h where figures are enough: counting is much cheaper.
 *
 *     static void on_event(const GooMemoryEvent *event, void *user) { ++*(size_t *)user; }
 *
 *     size_t count = 0;
 *     int id = goo_callback_add_observer(on_event, &count, 1u << GOO_EVENT_ALLOC);
 *     goo_memory_free(goo_memory_alloc(100), 100);
 *     goo_callback_remove(id);
 *
 * What holds for all callbacks:
 * - They run on the thread that made the request, with no lock held, and may be called on several
 *   threads at once. They must return: one that leaves by longjmp can't be removed any more.
 * - They may call anything in Goo, allocate, and add and remove callbacks, themselves included. No
 *   event is delivered for what a callback does.
 * - Every request at the front door is an event, also those that an allocator makes of its parent.
 * - With no callback an allocation pays one flag test, shared with everything else that watches.
 */
#ifndef GOO_CALLBACKS_H
#define GOO_CALLBACKS_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

typedef enum GooMemoryEventKind {
    GOO_EVENT_ALLOC,         /* a new block: ptr, size, alignment */
    GOO_EVENT_REALLOC,       /* also in place: old_ptr, old_size, ptr, size, alignment */
    GOO_EVENT_FREE,          /* about to be freed: ptr, size, alignment */
    GOO_EVENT_OUT_OF_MEMORY, /* a request failed for good, for want of memory and not because an
                                interceptor refused it: size, alignment; old_ptr of a realloc */
    GOO_EVENT_RESET,         /* the allocator took blocks back without a free each: a reset, rewind,
                                end of a region or unwind; which, goo_allocator_owns tells */
    GOO_EVENT_GC_BEGIN,      /* a collection begins: size, bytes in use by the heap */
    GOO_EVENT_GC_END,        /* and ends: size, bytes live in it; no collected object may be made
                                in these two */
    GOO_EVENT_PRESSURE       /* an attached allocator made a collection due: allocator */
} GooMemoryEventKind;

/* For `kinds` of goo_callback_add_observer: every kind, those of later versions too. */
#define GOO_EVENT_ALL UINT32_MAX

/* One event; valid during the call. Members that its kind does not name are 0. */
typedef struct GooMemoryEvent {
    GooMemoryEventKind kind;
    GooAllocator *allocator; /* NULL for what is no allocator's */
    void *ptr;
    void *old_ptr; /* a number only: the block may be gone */
    size_t size, old_size, alignment; /* as the program asked for them, in bytes */
    const char *file; /* where the program asked; NULL: not known */
    int line;
} GooMemoryEvent;

typedef void (*GooObserverFn)(const GooMemoryEvent *event, void *user);

/* False refuses the allocation: NULL, ENOMEM, counted as failed; the strategy does not try it
 * again, NOFAIL and PANIC panic, and no OUT_OF_MEMORY is delivered. Asked before ALLOC and REALLOC,
 * growth and shrinkage in place included; `ptr` of a REALLOC is not yet known. Freeing can't be
 * refused. */
typedef bool (*GooInterceptFn)(const GooMemoryEvent *event, void *user);

/* Adds an observer of the kinds in `kinds`: 1u << kind, or'ed; or GOO_EVENT_ALL.
 * Returns: an id above 0 for goo_callback_remove, or a negative GooStatus.
 * Fails: GOO_ERR_INVALID_ARGUMENT without a function or a kind; GOO_ERR_LIMIT when 64 callbacks
 * are there. Owner: `user` stays the caller's and must live until the callback is removed.
 * Threads: any. Cost: takes a lock; other threads see it soon. */
GOO_API int goo_callback_add_observer(GooObserverFn fn, void *user, uint32_t kinds);

/* Adds an interceptor. All of them are asked until one refuses; otherwise as above. */
GOO_API int goo_callback_add_interceptor(GooInterceptFn fn, void *user);

/* Removes a callback. When it returns no event is delivered to it any more, and no other thread is
 * inside it. From inside a callback it does not wait for other threads that are inside the removed
 * one at that moment, since they might wait for this one.
 * Fails: GOO_ERR_INVALID_ARGUMENT for an id that is none, or was removed before.
 * Threads: any. Cost: takes a lock, and waits for the callback to return on other threads. */
GOO_API GooStatus goo_callback_remove(int id);

GOO_END_DECLS

#endif
