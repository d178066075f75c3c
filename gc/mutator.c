/* The mutator: the thread that uses a heap, its frames and temporaries.
 *
 * In this version a heap has one. It lives inside the heap's struct; attaching fills it in.
 *
 * MUT-1  frames form a list from the innermost outwards, and end in the reverse order.
 */
#include <errno.h>

#include "gc/heap.h"
#include "runtime/platform/platform.h"

GooGcMutator *goo_gc_attach(GooGcHeap *heap) {
    if (heap == NULL) {
        errno = EINVAL;
        return NULL;
    }
    GooGcMutator *m = &heap->mutator;
    uintptr_t thread = gooi_platform_thread_id();
    if (heap->attached && m->thread_id != thread) {
        errno = ENOTSUP;
        return NULL;
    }
    m->heap = heap;
    m->fast.has_embedder = heap->options.trace_embedder != NULL;
    m->thread_id = thread;
    m->attach_count++;
    heap->attached = true;
    return m;
}

void goo_gc_detach(GooGcMutator *m) {
    if (m == NULL) {
        return;
    }
    GooGcHeap *heap = m->heap;
    GOO_REQUIRE(heap->attached && m->attach_count > 0, "goo_gc_detach: mutator %p is not attached",
                (void *)m);
    if (m->attach_count > 1) {
        m->attach_count--;
        return;
    }
    GOO_REQUIRE(m->frames == NULL, "goo_gc_detach: frame %p has not ended", (void *)m->frames);
    GOO_REQUIRE(m->blocking_depth == 0, "goo_gc_detach: inside a blocking region");
    m->attach_count = 0;
    gooi_alloc_hide_span(m); /* it stays for who attaches next: its holes would be lost */
    m->temporaries.count = 0;
    m->stacks.count = 0;
    heap->attached = false;
    m->thread_id = 0;
}

GooGcHeap *goo_gc_heap_of(GooGcMutator *m) {
    return m->heap;
}

void goo_gc_safepoint(GooGcMutator *m) {
    GOO_REQUIRE(m->blocking_depth == 0, "goo_gc_safepoint: called inside a blocking region");
    if (m->heap->disable_depth == 0 && !m->heap->collecting &&
        (m->collect_requested || gooi_pace_is_due(m->heap))) {
        m->collect_requested = false;
        gooi_collect(m->heap, GOO_GC_FULL);
    }
}

void goo_gc_blocking_begin(GooGcMutator *m) {
    m->blocking_depth++;
    gooi_alloc_hide_span(m);
}

void goo_gc_blocking_end(GooGcMutator *m) {
    GOO_REQUIRE(m->blocking_depth > 0, "goo_gc_blocking_end: no blocking region has begun");
    m->blocking_depth--;
}

GooStatus goo_gc_add_stack(GooGcMutator *m, const void *low, const void *high) {
    uintptr_t misaligned = ((uintptr_t)low | (uintptr_t)high) & (sizeof(void *) - 1);
    if (m == NULL || low == NULL || low >= high || misaligned != 0) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    GooiStack *stacks = m->stacks.items;
    for (size_t i = 0; i < m->stacks.count; i++) {
        if (stacks[i].low == low) {
            return GOO_ERR_INVALID_ARGUMENT;
        }
    }
    if (!gooi_vector_reserve(m->heap, &m->stacks, 1, sizeof(GooiStack))) {
        return GOO_ERR_NO_MEMORY;
    }
    ((GooiStack *)m->stacks.items)[m->stacks.count++] = (GooiStack){low, high};
    return GOO_OK;
}

GooStatus goo_gc_remove_stack(GooGcMutator *m, const void *low) {
    GooiStack *stacks = m == NULL ? NULL : m->stacks.items;
    for (size_t i = 0; m != NULL && i < m->stacks.count; i++) {
        if (stacks[i].low == low) {
            stacks[i] = stacks[--m->stacks.count];
            return GOO_OK;
        }
    }
    return GOO_ERR_INVALID_ARGUMENT;
}

void goo_gc_frame_begin(GooGcMutator *m, GooGcFrame *frame, void *const *locals, size_t count) {
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

/* Temporaries are needed most when memory is short: they may go over the hard limit, by their own
 * few bytes. */
static GOOI_COLD void mutator_grow_temporaries(GooGcMutator *m) {
    if (!gooi_vector_reserve_over_limit(m->heap, &m->temporaries, 1, sizeof(void *))) {
        gooi_panic("goo_gc_push: out of memory for temporary number %zu", m->temporaries.count);
    }
}

void goo_gc_push(GooGcMutator *m, void *object) {
    if (GOOI_UNLIKELY(m->temporaries.count == m->temporaries.capacity)) {
        mutator_grow_temporaries(m);
    }
    ((void **)m->temporaries.items)[m->temporaries.count++] = object;
}

void goo_gc_pop(GooGcMutator *m, size_t count) {
    GOO_REQUIRE(count <= m->temporaries.count, "goo_gc_pop: %zu of %zu temporaries", count,
                m->temporaries.count);
    m->temporaries.count -= count;
}
