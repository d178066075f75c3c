/* Roots: what is alive without anybody in the heap referring to it.
 *
 * In the order in which they are visited: slots and pointers, callbacks, handles, precise frames,
 * temporaries, and conservatively the attached thread's stack with its registers and every stack
 * that was added. A program may use one kind, or mix them.
 *
 * Roots are few beside objects, so nothing here is tuned; removal looks from the newest backwards,
 * as roots mostly come and go like a stack.
 */
#include "gc/heap.h"
#include "runtime/platform/platform.h"

/* --- slots, pointers, callbacks --- */

static GooStatus roots_add(GooGcHeap *heap, void *address, bool is_pointer) {
    if (heap == NULL || address == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (!gooi_vector_reserve(heap, &heap->roots, 1, sizeof(GooiRoot))) {
        return GOO_ERR_NO_MEMORY;
    }
    ((GooiRoot *)heap->roots.items)[heap->roots.count++] = (GooiRoot){address, is_pointer};
    return GOO_OK;
}

GooStatus goo_gc_root_add(GooGcHeap *heap, void *slot) {
    return roots_add(heap, slot, false);
}

GooStatus goo_gc_root_add_pointer(GooGcHeap *heap, void *pointer) {
    return roots_add(heap, pointer, true);
}

GooStatus goo_gc_root_remove(GooGcHeap *heap, void *slot_or_pointer) {
    if (heap == NULL || slot_or_pointer == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    GooiRoot *roots = heap->roots.items;
    for (size_t i = heap->roots.count; i-- > 0;) {
        if (roots[i].address == slot_or_pointer) {
            roots[i] = roots[--heap->roots.count];
            return GOO_OK;
        }
    }
    return GOO_ERR_INVALID_ARGUMENT;
}

GooStatus goo_gc_roots_add(GooGcHeap *heap, void (*trace)(GooGcVisitor *v, void *user),
                           void *user) {
    if (heap == NULL || trace == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (!gooi_vector_reserve(heap, &heap->root_callbacks, 1, sizeof(GooiRootCallback))) {
        return GOO_ERR_NO_MEMORY;
    }
    GooiRootCallback *callbacks = heap->root_callbacks.items;
    callbacks[heap->root_callbacks.count++] = (GooiRootCallback){trace, user};
    return GOO_OK;
}

GooStatus goo_gc_roots_remove(GooGcHeap *heap, void (*trace)(GooGcVisitor *v, void *user),
                              void *user) {
    if (heap == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    GooiRootCallback *callbacks = heap->root_callbacks.items;
    for (size_t i = heap->root_callbacks.count; i-- > 0;) {
        if (callbacks[i].trace == trace && callbacks[i].user == user) {
            callbacks[i] = callbacks[--heap->root_callbacks.count];
            return GOO_OK;
        }
    }
    return GOO_ERR_INVALID_ARGUMENT;
}

/* --- visiting --- */

static void roots_visit_registered(GooGcHeap *heap, GooGcVisitor *v) {
    const GooiRoot *roots = heap->roots.items;
    for (size_t i = 0; i < heap->roots.count; i++) {
        if (roots[i].is_pointer) {
            goo_gc_visit_pointer(v, roots[i].address);
        } else {
            goo_gc_visit(v, roots[i].address);
        }
    }
    const GooiRootCallback *callbacks = heap->root_callbacks.items;
    for (size_t i = 0; i < heap->root_callbacks.count; i++) {
        callbacks[i].trace(v, callbacks[i].user);
    }
}

static void roots_visit_handles(GooGcHeap *heap, GooGcVisitor *v) {
    GooiHandleEntry *handles = heap->handles.items;
    for (size_t i = 0; i < heap->handles.count; i++) {
        goo_gc_visit_pointer(v, &handles[i].object);
    }
}

static void roots_visit_mutator(GooGcMutator *m, GooGcVisitor *v) {
    for (GooGcFrame *frame = m->frames; frame != NULL; frame = frame->previous) {
        for (size_t i = 0; i < frame->count; i++) {
            goo_gc_visit_pointer(v, frame->locals[i]);
        }
    }
    goo_gc_visit_pointers(v, m->temporaries.items, m->temporaries.count);
}

/* The registers stand at and above stack_pointer by now: on the thread's own stack, or on one that
 * was added, where a fiber is running. */
static void roots_visit_stacks(const void *stack_pointer, void *visitor) {
    GooGcVisitor *v = visitor;
    const GooGcMutator *m = &v->heap->mutator;
    const GooiStack *stacks = m->stacks.items;
    bool on_added_stack = false;
    for (size_t i = 0; i < m->stacks.count; i++) {
        goo_gc_visit_conservative(v, stacks[i].low, stacks[i].high);
        on_added_stack |= stack_pointer >= stacks[i].low && stack_pointer < stacks[i].high;
    }
    const void *low, *high;
    if (on_added_stack || !v->heap->options.scan_stacks ||
        !gooi_platform_stack_bounds(&low, &high)) {
        return;
    }
    GOO_REQUIRE(stack_pointer >= low && stack_pointer < high,
                "gc: this thread runs on the stack around %p, which was not added", stack_pointer);
    goo_gc_visit_conservative(v, stack_pointer, high);
}

void gooi_roots_visit(GooGcHeap *heap, GooGcVisitor *v) {
    roots_visit_registered(heap, v);
    roots_visit_handles(heap, v);
    if (heap->attached) {
        roots_visit_mutator(&heap->mutator, v);
        if (heap->options.scan_stacks || heap->mutator.stacks.count != 0) {
            gooi_platform_with_spilled_registers(roots_visit_stacks, v);
        }
    }
}

void gooi_roots_deinit(GooGcHeap *heap) {
    gooi_vector_free(heap, &heap->roots, sizeof(GooiRoot));
    gooi_vector_free(heap, &heap->root_callbacks, sizeof(GooiRootCallback));
    gooi_vector_free(heap, &heap->handles, sizeof(GooiHandleEntry));
    gooi_vector_free(heap, &heap->mutator.temporaries, sizeof(void *));
    gooi_vector_free(heap, &heap->mutator.stacks, sizeof(GooiStack));
}
