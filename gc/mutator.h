/* The mutator: a thread as the heap sees it, with the memory it allocates from, its frames and
 * temporaries, and what is known of its stack while it stands still.
 *
 * Threads: a mutator's fields are its thread's, or the collector's while that thread stands still;
 * `state`, and the list, under the heap's lock.
 */
#ifndef GOO_GC_MUTATOR_H
#define GOO_GC_MUTATOR_H

#include <stdatomic.h>

#include "gc/slab.h"
#include "gc/vector.h"

/* IDLE      no thread is attached; its span waits for the next one
 * RUNNING   its thread may do anything; a collection has to wait for it
 * PARKED    its thread waits at a safepoint until the world goes on
 * BLOCKING  its thread is in a blocking region, or waits in another heap, and touches no object */
enum { GOOI_MUTATOR_IDLE, GOOI_MUTATOR_RUNNING, GOOI_MUTATOR_PARKED, GOOI_MUTATOR_BLOCKING };

#define GOOI_SAVED_WORDS 256 /* room for what a blocking thread's registers held */

#define GOOI_TEMPORARIES_FIRST 128

/* Objects that goo_gc_push keeps alive (temporaries.c). */
typedef struct GooiTemporaries {
    void **items; /* `first`, until that is too short */
    size_t count, capacity;
    size_t ask_at; /* so many make the next push try to grow: half of the capacity, or all of it */
    void *first[GOOI_TEMPORARIES_FIRST];
} GooiTemporaries;

struct GooGcMutator {
    GooGcMutatorFast fast; /* first: goo/gc/inline.h */
    uintptr_t span_start;  /* of [fast.cursor, fast.limit) when it was handed out */
    uintptr_t span_limit;  /* the true limit while fast.limit is pulled down to the cursor */
    GooiRegion *small, *medium;
    bool collect_requested;
    uint32_t blocking_depth;
    uint32_t attach_count;
    uint32_t state;        /* under the heap's lock */
    bool late;             /* named by an event of the stop in progress */
    _Atomic uintptr_t thread_id; /* of the thread that is attached; 0: none */
    GooGcHeap *heap;       /* NULL: of the embedded one, before anybody attached */
    GooGcFrame *frames;
    GooiTemporaries temporaries;
    GooiVector stacks;      /* of GooiStack */
    const void *stack_low, *stack_high; /* of its thread's own stack, where it is scanned */
    const void *stack_pointer; /* where the thread stood when it parked or began to block */
    uintptr_t saved[GOOI_SAVED_WORDS]; /* what its registers held when it began to block */
    size_t saved_count;
    void *fake_stack; /* where it stood still, of the address sanitizer's (fake_stack.h), or NULL */
    uint32_t stress_count;
    uint32_t small_misses;  /* alloc.c */
    bool hidden;            /* the fast path is closed: ALLOC-2 */
    size_t since_bytes;     /* handed out, and not counted in the heap's since_bytes yet */
    size_t since_checked;   /* of these when it was last asked whether a collection is due */
    size_t external_unchecked; /* bytes of owned blocks since it was last asked the same */
    GooGcMutator *next;           /* of heap->mutators */
    GooGcMutator *next_of_thread; /* of gooi_thread_mutators */
};

_Static_assert(offsetof(GooGcMutator, fast) == 0, "goo/gc/inline.h casts the mutator to its head");

static inline bool gooi_mutator_is_polled(const GooGcMutator *m) {
    return __atomic_load_n(&m->fast.poll, __ATOMIC_RELAXED) != 0;
}

/* --- prototypes, by the file that defines them --- */

/* mutator.c */
void gooi_mutator_save_stack(GooGcMutator *m, const void *frames);
void gooi_mutator_make_idle(GooGcMutator *m); /* its thread is gone; under the lock */
GooGcMutator *gooi_mutator_here(const GooGcHeap *heap); /* the calling thread's, or NULL */
void gooi_mutators_check_alone(const GooGcHeap *heap);
void gooi_mutators_deinit(GooGcHeap *heap);
void gooi_mutator_init_hooks(void);

/* temporaries.c */
void gooi_temporaries_init(GooGcMutator *m);
void gooi_temporaries_deinit(GooGcMutator *m);
/* Before an allocation: half of the stack is to be empty after it. False: hard limit, even after a
 * collection. */
bool gooi_temporaries_make_room(GooGcMutator *m);
static inline bool gooi_temporaries_have_room(GooGcMutator *m) {
    GooiTemporaries *t = &m->temporaries;
    if (GOOI_UNLIKELY(t->count > t->capacity / 2)) {
        return gooi_temporaries_make_room(m);
    }
    t->ask_at = t->capacity / 2;
    return true;
}

/* safepoint.c */
bool gooi_world_lock_and_stop(GooGcHeap *heap, GooGcMutator *self);
void gooi_world_resume(GooGcHeap *heap);
bool gooi_world_enter(GooGcHeap *heap); /* lock, stop, forbid allocation; false: busy here */
void gooi_world_leave(GooGcHeap *heap);
void gooi_safepoint_wait(GooGcHeap *heap); /* under the lock: until nobody stops the world */
void gooi_safepoint_park(GooGcMutator *m);
void gooi_thread_rest(const GooGcHeap *but); /* the calling thread, in all its heaps but this one */
void gooi_thread_rise(void);

/* fork.c */
bool gooi_heap_enlist(GooGcHeap *heap);
void gooi_heap_delist(GooGcHeap *heap);
void gooi_heaps_lock_list(void); /* of gooi_heaps */
void gooi_heaps_unlock_list(void);

/* small.c */
void gooi_span_settle(GooGcMutator *m);
void gooi_span_begin_block(GooGcMutator *m);
void gooi_span_clear(GooGcMutator *m);
void *gooi_small_alloc(GooGcMutator *m, size_t size, unsigned metadata);

/* alloc.c */
void gooi_alloc_retire_span(GooGcMutator *m);
void gooi_alloc_request_collection(GooGcMutator *m);
void gooi_alloc_hide_span(GooGcMutator *m); /* the next allocation asks whether it may */
void *gooi_alloc_fail(GooGcMutator *m, size_t size); /* tells the listener; NULL with ENOMEM */
void gooi_alloc_hide_here(GooGcHeap *heap); /* of this thread's mutator, if it has one */

#endif
