/* Mutators: the threads that use a heap, each with its memory and frames.
 *
 * A thread finds its mutators in a list of its own (gooi_thread_mutators), a heap all of its own in
 * another. The first mutator lives inside the heap's struct; others are made when more threads are
 * attached at a time than ever before, and none is given back before the heap is: one that is
 * detached keeps its span for the next thread, until a collection takes it.
 *
 * A thread that ends while attached is detached then; its frames and temporaries end with it.
 *
 * MUT-1  frames form a list from the innermost outwards, and end in the reverse order.
 * MUT-2  a mutator is in its thread's list while it is attached, and in no other.
 *
 * Threads: attach any; everything else the mutator's own.
 */
#include <errno.h>
#include <string.h>

#include "gc/fake_stack.h"
#include "gc/heap.h"
#include "gc/lock.h"
#include "runtime/globals.h"
#include "runtime/platform/platform.h"
#include "runtime/thread.h"

/* What gooi_side_alloc gives for a mutator beyond the first. */
typedef struct MutatorSides {
    GooGcMutator mutator;
    GooiRegion regions[2];
} MutatorSides;

/* --- finding one's own --- */

GooGcMutator *gooi_mutator_here(const GooGcHeap *heap) {
    GooGcMutator *m = gooi_thread_mutators;
    while (m != NULL && m->heap != heap) {
        m = m->next_of_thread;
    }
    return m;
}

static void mutator_unlink_here(GooGcMutator *m) {
    GooGcMutator **link = &gooi_thread_mutators;
    while (*link != m) {
        link = &(*link)->next_of_thread;
    }
    *link = m->next_of_thread;
}

/* --- attaching --- */

static size_t mutator_embedder_least(const GooGcOptions *options) {
    if (options->embedder_layout != NULL) {
        return options->embedder_layout->size;
    }
    return options->trace_embedder != NULL ? 0 : SIZE_MAX;
}

static void mutator_add(GooGcHeap *heap, GooGcMutator *m, GooiRegion *regions) {
    m->heap = heap;
    gooi_temporaries_init(m);
    m->small = &regions[0];
    m->medium = &regions[1];
    m->fast.embedder_least = mutator_embedder_least(&heap->options);
    m->next = heap->mutators;
    heap->mutators = m;
}

/* An idle one, or a new one; under the lock. */
static GooGcMutator *mutator_take(GooGcHeap *heap) {
    for (GooGcMutator *m = heap->mutators; m != NULL; m = m->next) {
        if (m->state == GOOI_MUTATOR_IDLE) {
            return m;
        }
    }
    if (heap->mutators == NULL) {
        mutator_add(heap, &heap->mutator, heap->first_regions);
        return &heap->mutator;
    }
    MutatorSides *sides = gooi_side_alloc(heap, sizeof *sides);
    if (sides == NULL) {
        return NULL;
    }
    mutator_add(heap, &sides->mutator, sides->regions);
    return &sides->mutator;
}

static bool mutator_find_stack(GooGcMutator *m) {
    m->stack_low = m->stack_high = NULL;
    return !m->heap->options.scan_stacks ||
           gooi_platform_stack_bounds(&m->stack_low, &m->stack_high);
}

static void attach_to(GooGcMutator *m) {
    m->thread_id = gooi_thread_here();
    m->attach_count = 1;
    m->state = GOOI_MUTATOR_RUNNING;
    m->heap->attached_count++;
    m->next_of_thread = gooi_thread_mutators;
    gooi_thread_mutators = m;
}

static GooGcMutator *attach_new(GooGcHeap *heap) {
    if (!gooi_thread_will_end()) {
        errno = ENOMEM;
        return NULL;
    }
    gooi_thread_rest(heap);
    gooi_heap_lock(heap);
    gooi_safepoint_wait(heap);
    GooGcMutator *m = mutator_take(heap);
    if (m == NULL || !mutator_find_stack(m)) {
        errno = m == NULL ? ENOMEM : ENOTSUP;
        m = NULL;
    } else {
        attach_to(m);
    }
    gooi_heap_unlock(heap);
    gooi_thread_rise();
    return m;
}

GooGcMutator *goo_gc_attach(GooGcHeap *heap) {
    if (heap == NULL || gooi_heap_is_mine(heap)) {
        errno = EINVAL;
        return NULL;
    }
    GooGcMutator *m = gooi_mutator_here(heap);
    if (m == NULL) {
        return attach_new(heap);
    }
    m->attach_count++;
    return m;
}

/* The span stays for who attaches next: its holes would be lost. */
void gooi_mutator_make_idle(GooGcMutator *m) {
    gooi_alloc_hide_span(m);
    m->attach_count = 0;
    m->blocking_depth = 0;
    m->collect_requested = false;
    m->frames = NULL;
    m->temporaries.count = 0;
    m->stacks.count = 0;
    m->thread_id = 0;
    m->state = GOOI_MUTATOR_IDLE;
    m->heap->attached_count--;
}

static void mutator_leave(GooGcMutator *m) {
    GooGcHeap *heap = m->heap;
    mutator_unlink_here(m);
    gooi_heap_lock(heap);
    gooi_mutator_make_idle(m);
    gooi_heap_broadcast(heap, &heap->parked);
    gooi_heap_unlock(heap);
}

void goo_gc_detach(GooGcMutator *m) {
    if (m == NULL) {
        return;
    }
    GOO_REQUIRE(m->thread_id != 0, "goo_gc_detach: mutator %p is not attached", (void *)m);
    GOO_REQUIRE(gooi_mutator_is_mine(m), "goo_gc_detach: mutator %p is another thread's",
                (void *)m);
    if (m->attach_count > 1) {
        m->attach_count--;
        return;
    }
    GOO_REQUIRE(m->frames == NULL, "goo_gc_detach: frame %p has not ended", (void *)m->frames);
    GOO_REQUIRE(m->blocking_depth == 0, "goo_gc_detach: inside a blocking region");
    GOO_REQUIRE(!gooi_heap_is_mine(m->heap), "goo_gc_detach: called inside a collection");
    mutator_leave(m);
}

/* A thread that ends inside a collection has torn it apart: its heap is lost. */
static void mutator_thread_ends(void) {
    GooGcMutator *m;
    while ((m = gooi_thread_mutators) != NULL) {
        if (gooi_lock_is_given_up(m->heap)) {
            mutator_unlink_here(m);
        } else if (gooi_heap_is_mine(m->heap)) {
            mutator_unlink_here(m);
            gooi_lock_lose(m->heap);
        } else {
            mutator_leave(m);
        }
    }
}

void gooi_mutator_init_hooks(void) {
    gooi_hooks.thread_ends = mutator_thread_ends;
    gooi_hooks.thread_panics = gooi_lock_thread_panics;
}

/* At the heap's end only the calling thread may still be attached. */
void gooi_mutators_check_alone(const GooGcHeap *heap) {
    size_t mine = gooi_mutator_here(heap) != NULL ? 1 : 0;
    GOO_REQUIRE(heap->attached_count == mine,
                "goo_gc_heap_destroy: other threads are attached to heap %p: %zu",
                (const void *)heap, heap->attached_count - mine);
}

void gooi_mutators_deinit(GooGcHeap *heap) {
    GooGcMutator *here = gooi_mutator_here(heap), *next;
    if (here != NULL) {
        mutator_unlink_here(here);
    }
    for (GooGcMutator *m = heap->mutators; m != NULL; m = next) {
        next = m->next;
        gooi_temporaries_deinit(m);
        gooi_vector_free(heap, &m->stacks, sizeof(GooiStack));
        if (m != &heap->mutator) {
            gooi_side_free(heap, m, sizeof(MutatorSides));
        }
    }
}

GooGcHeap *goo_gc_heap_of(GooGcMutator *m) {
    return m->heap;
}

/* --- standing still --- */

void goo_gc_safepoint(GooGcMutator *m) {
    GOO_REQUIRE(gooi_mutator_is_mine(m), "goo_gc_safepoint: mutator %p is another thread's",
                (void *)m);
    GOO_REQUIRE(m->blocking_depth == 0, "goo_gc_safepoint: called inside a blocking region");
    if (gooi_heap_is_mine(m->heap)) {
        return;
    }
    if (gooi_mutator_is_polled(m)) {
        gooi_safepoint_park(m);
    }
    if (m->heap->disable_depth == 0 && (m->collect_requested || gooi_pace_is_due(m->heap))) {
        m->collect_requested = false;
        gooi_collect(m->heap, GOO_GC_FULL);
    }
}

/* The end of the stack around `address`, as far as it is known; else `least`. */
static const void *mutator_stack_end(const GooGcMutator *m, const void *address,
                                     const void *least) {
    const GooiStack *stacks = m->stacks.items;
    for (size_t i = 0; i < m->stacks.count; i++) {
        if (address >= stacks[i].low && address < stacks[i].high) {
            return stacks[i].high;
        }
    }
    return address >= m->stack_low && address < m->stack_high ? m->stack_high : least;
}

/* Copies the lowest frames: they are gone when the call that rests has returned, and hold what its
 * caller's registers held. The sanitizer's gaps between variables are read too. */
__attribute__((no_sanitize("address"))) static void mutator_save_frames(const void *stack_pointer,
                                                                        void *mutator) {
    GooGcMutator *m = mutator;
    const uintptr_t *word = stack_pointer;
    const uintptr_t *end = mutator_stack_end(m, stack_pointer, m->stack_pointer);
    size_t least = (size_t)((const uintptr_t *)m->stack_pointer - word);
    size_t count = (size_t)(end - word) < GOOI_SAVED_WORDS ? (size_t)(end - word)
                                                           : GOOI_SAVED_WORDS;
    GOO_REQUIRE(least <= count, "gc: %zu words of frames to save, room for %d", least,
                GOOI_SAVED_WORDS);
    for (size_t i = 0; i < count; i++) {
        m->saved[i] = word[i];
    }
    m->saved_count = count;
    m->fake_stack = gooi_fake_stack_here();
}

/* From here on the thread may be anywhere: what its stack and registers held is kept. `frames`:
 * where those begin that are there until it goes on. */
void gooi_mutator_save_stack(GooGcMutator *m, const void *frames) {
    m->stack_pointer = frames;
    m->saved_count = 0;
    if (m->heap->options.scan_stacks || m->stacks.count != 0) {
        gooi_platform_with_spilled_registers(mutator_save_frames, m);
    }
}

GOOI_NEVER_INLINE void goo_gc_blocking_begin(GooGcMutator *m) {
    GOO_REQUIRE(gooi_mutator_is_mine(m), "goo_gc_blocking_begin: mutator %p is another thread's",
                (void *)m);
    GOO_REQUIRE(!gooi_heap_is_mine(m->heap), "goo_gc_blocking_begin: called inside a collection");
    if (m->blocking_depth++ != 0) {
        return;
    }
    gooi_alloc_hide_span(m);
    gooi_mutator_save_stack(m, __builtin_dwarf_cfa());
    gooi_heap_lock(m->heap);
    m->state = GOOI_MUTATOR_BLOCKING;
    gooi_heap_broadcast(m->heap, &m->heap->parked);
    gooi_heap_unlock(m->heap);
}

void goo_gc_blocking_end(GooGcMutator *m) {
    GOO_REQUIRE(gooi_mutator_is_mine(m), "goo_gc_blocking_end: mutator %p is another thread's",
                (void *)m);
    GOO_REQUIRE(m->blocking_depth > 0, "goo_gc_blocking_end: no blocking region has begun");
    GOO_REQUIRE(!gooi_heap_is_mine(m->heap), "goo_gc_blocking_end: called inside a collection");
    if (--m->blocking_depth == 0) {
        gooi_thread_rise();
    }
}

/* --- stacks and frames --- */

/* What a collection reads of a thread changes only while none can run. */
static bool mutator_may_change(const GooGcMutator *m) {
    return gooi_mutator_is_mine(m) && m->blocking_depth == 0 && !gooi_heap_is_mine(m->heap);
}

GooStatus goo_gc_add_stack(GooGcMutator *m, const void *low, const void *high) {
    uintptr_t misaligned = ((uintptr_t)low | (uintptr_t)high) & (sizeof(void *) - 1);
    if (!mutator_may_change(m) || low == NULL || low >= high || misaligned != 0) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    GooiStack *stacks = m->stacks.items;
    for (size_t i = 0; i < m->stacks.count; i++) {
        if (stacks[i].low == low) {
            return GOO_ERR_INVALID_ARGUMENT;
        }
    }
    gooi_heap_lock(m->heap);
    bool reserved = gooi_vector_reserve(m->heap, &m->stacks, 1, sizeof(GooiStack));
    gooi_heap_unlock(m->heap);
    if (!reserved) {
        return GOO_ERR_NO_MEMORY;
    }
    ((GooiStack *)m->stacks.items)[m->stacks.count++] = (GooiStack){low, high};
    return GOO_OK;
}

GooStatus goo_gc_remove_stack(GooGcMutator *m, const void *low) {
    bool may = mutator_may_change(m);
    GooiStack *stacks = may ? m->stacks.items : NULL;
    for (size_t i = 0; may && i < m->stacks.count; i++) {
        if (stacks[i].low == low) {
            stacks[i] = stacks[--m->stacks.count];
            return GOO_OK;
        }
    }
    return GOO_ERR_INVALID_ARGUMENT;
}

void goo_gc_frame_begin(GooGcMutator *m, GooGcFrame *frame, void *const *locals, size_t count) {
    GOO_ASSERT(gooi_mutator_is_mine(m), "goo_gc_frame_begin: mutator %p is another thread's",
               (void *)m);
    frame->previous = m->frames;
    frame->locals = locals;
    frame->count = count;
    m->frames = frame;
}

void goo_gc_frame_end(GooGcMutator *m, GooGcFrame *frame) {
    GOO_REQUIRE(m->frames == frame, "goo_gc_frame_end: frame %p is not the innermost one (%p is)",
                (void *)frame, (void *)m->frames);
    m->frames = frame->previous;
}
