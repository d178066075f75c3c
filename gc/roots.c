/* Roots: what is alive without anybody in the heap referring to it.
 *
 * In the order in which they are visited: slots and pointers, callbacks, handles, objects whose
 * finalizers are queued, precise frames, temporaries, and conservatively the attached threads'
 * stacks with their registers and every stack that was added. A program may use one kind, or mix
 * them.
 *
 * Roots are few beside objects, so nothing here is tuned; removal looks from the newest backwards,
 * as roots mostly come and go like a stack.
 */
#include "gc/fake_stack.h"
#include "gc/heap.h"
#include "gc/lock.h"
#include "runtime/platform/platform.h"

#define ROOTS_PIECE ((size_t)4096) /* bytes of a stack at a time */

/* --- slots, pointers, callbacks --- */

/* A root that came now would be missed, and the tables are being walked. */
static bool roots_are_visited_here(const GooGcHeap *heap) {
    return gooi_heap_is_mine(heap) && heap->visiting;
}

static GooStatus roots_add(GooGcHeap *heap, void *address, bool is_pointer) {
    if (heap == NULL || address == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (roots_are_visited_here(heap)) {
        return GOO_ERR_BUSY;
    }
    gooi_heap_lock(heap);
    bool reserved = gooi_vector_reserve(heap, &heap->roots, 1, sizeof(GooiRoot));
    if (reserved) {
        ((GooiRoot *)heap->roots.items)[heap->roots.count++] = (GooiRoot){address, is_pointer};
    }
    gooi_heap_unlock(heap);
    return reserved ? GOO_OK : GOO_ERR_NO_MEMORY;
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
    if (roots_are_visited_here(heap)) {
        return GOO_ERR_BUSY;
    }
    gooi_heap_lock(heap);
    GooiRoot *roots = heap->roots.items;
    size_t i = heap->roots.count;
    while (i > 0 && roots[i - 1].address != slot_or_pointer) {
        i--;
    }
    if (i > 0) {
        roots[i - 1] = roots[--heap->roots.count];
    }
    gooi_heap_unlock(heap);
    return i > 0 ? GOO_OK : GOO_ERR_INVALID_ARGUMENT;
}

GooStatus goo_gc_roots_add(GooGcHeap *heap, void (*trace)(GooGcVisitor *v, void *user),
                           void *user) {
    if (heap == NULL || trace == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (roots_are_visited_here(heap)) {
        return GOO_ERR_BUSY;
    }
    gooi_heap_lock(heap);
    bool reserved = gooi_vector_reserve(heap, &heap->root_callbacks, 1, sizeof(GooiRootCallback));
    if (reserved) {
        GooiRootCallback *callbacks = heap->root_callbacks.items;
        callbacks[heap->root_callbacks.count++] = (GooiRootCallback){trace, user};
    }
    gooi_heap_unlock(heap);
    return reserved ? GOO_OK : GOO_ERR_NO_MEMORY;
}

GooStatus goo_gc_roots_remove(GooGcHeap *heap, void (*trace)(GooGcVisitor *v, void *user),
                              void *user) {
    if (heap == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (roots_are_visited_here(heap)) {
        return GOO_ERR_BUSY;
    }
    gooi_heap_lock(heap);
    GooiRootCallback *callbacks = heap->root_callbacks.items;
    size_t i = heap->root_callbacks.count;
    while (i > 0 && (callbacks[i - 1].trace != trace || callbacks[i - 1].user != user)) {
        i--;
    }
    if (i > 0) {
        callbacks[i - 1] = callbacks[--heap->root_callbacks.count];
    }
    gooi_heap_unlock(heap);
    return i > 0 ? GOO_OK : GOO_ERR_INVALID_ARGUMENT;
}

/* --- visiting --- */

static void roots_visit_registered(GooGcHeap *heap, GooGcVisitor *v) {
    const GooiRoot *roots = heap->roots.items;
    for (size_t i = 0; i < heap->roots.count; i++) {
        if (roots[i].is_pointer) {
            v->root_kind = GOOI_ROOT_POINTER;
            goo_gc_visit_pointer(v, roots[i].address);
        } else {
            v->root_kind = GOOI_ROOT_SLOT;
            goo_gc_visit(v, roots[i].address);
        }
    }
    v->root_kind = GOOI_ROOT_CALLBACK;
    const GooiRootCallback *callbacks = heap->root_callbacks.items;
    for (size_t i = 0; i < heap->root_callbacks.count; i++) {
        callbacks[i].trace(v, callbacks[i].user);
    }
}

static void roots_visit_handles(GooGcHeap *heap, GooGcVisitor *v) {
    GooiHandleEntry *handles = heap->handles.items;
    v->root_kind = GOOI_ROOT_HANDLE;
    for (size_t i = 0; i < heap->handles.count; i++) {
        goo_gc_visit_pointer(v, &handles[i].object);
    }
}

static void roots_visit_frames(const GooGcMutator *m, GooGcVisitor *v) {
    v->root_kind = GOOI_ROOT_FRAME;
    for (GooGcFrame *frame = m->frames; frame != NULL; frame = frame->previous) {
        for (size_t i = 0; i < frame->count; i++) {
            goo_gc_visit_pointer(v, frame->locals[i]);
        }
    }
    v->root_kind = GOOI_ROOT_TEMPORARY;
    goo_gc_visit_pointers(v, m->temporaries.items, m->temporaries.count);
}

/* A deep stack may refer to more objects than the mark stack has room for. */
static void roots_visit_pieces(const char *low, const char *high, GooGcVisitor *v) {
    while (low < high) {
        size_t left = (size_t)(high - low), piece = left < ROOTS_PIECE ? left : ROOTS_PIECE;
        if (v->observe == NULL) {
            gooi_mark_make_room(v, piece / sizeof(void *));
        }
        goo_gc_visit_conservative(v, low, low + piece);
        low += piece;
    }
}

/* Conservative words, and the fake frames that they lead to. A thread in a blocking region may be
 * writing to them: any value will do. */
__attribute__((no_sanitize("address"))) __attribute__((no_sanitize("thread"))) static void
roots_visit_words(const GooGcMutator *m, const void *low, const void *high, GooGcVisitor *v) {
    roots_visit_pieces(low, high, v);
    void *const *word = low, *frame_low = NULL, *frame_high = NULL;
    for (; m->fake_stack != NULL && (const void *)(word + 1) <= high; word++) {
        if (gooi_fake_stack_frame(m->fake_stack, *word, &frame_low, &frame_high)) {
            goo_gc_visit_conservative(v, frame_low, frame_high);
        }
    }
}

/* The registers stand at and above stack_pointer by now: on the thread's own stack, or on one that
 * was added, where a fiber is running. */
static void roots_visit_stacks(const GooGcMutator *m, const void *stack_pointer, GooGcVisitor *v) {
    const GooiStack *stacks = m->stacks.items;
    bool on_added_stack = false;
    v->root_kind = GOOI_ROOT_ADDED_STACK;
    for (size_t i = 0; i < m->stacks.count; i++) {
        roots_visit_words(m, stacks[i].low, stacks[i].high, v);
        on_added_stack |= stack_pointer >= stacks[i].low && stack_pointer < stacks[i].high;
    }
    if (on_added_stack || m->stack_high == NULL) {
        return;
    }
    GOO_REQUIRE(stack_pointer >= m->stack_low && stack_pointer < m->stack_high,
                "gc: this thread runs on the stack around %p, which was not added", stack_pointer);
    v->root_kind = GOOI_ROOT_STACK;
    roots_visit_words(m, stack_pointer, m->stack_high, v);
}

typedef struct RootsHere {
    GooGcMutator *mutator;
    GooGcVisitor *visitor;
} RootsHere;

static void roots_visit_here(const void *stack_pointer, void *arg) {
    const RootsHere *here = arg;
    here->mutator->fake_stack = gooi_fake_stack_here();
    roots_visit_stacks(here->mutator, stack_pointer, here->visitor);
}

/* Other threads stand still; what their registers held lies where they said when they stopped. */
static void roots_visit_mutator(GooGcMutator *m, GooGcVisitor *v) {
    roots_visit_frames(m, v);
    if (m->stack_high == NULL && m->stacks.count == 0) {
        return;
    }
    if (m->state == GOOI_MUTATOR_RUNNING) {
        RootsHere here = {m, v};
        gooi_platform_with_spilled_registers(roots_visit_here, &here);
        return;
    }
    if (m->state == GOOI_MUTATOR_BLOCKING) {
        v->root_kind = GOOI_ROOT_REGISTER;
        roots_visit_words(m, m->saved, m->saved + m->saved_count, v);
    }
    roots_visit_stacks(m, m->stack_pointer, v);
}

void gooi_roots_visit(GooGcHeap *heap, GooGcVisitor *v) {
    bool visiting = heap->visiting;
    heap->visiting = true;
    roots_visit_registered(heap, v);
    roots_visit_handles(heap, v);
    v->root_kind = GOOI_ROOT_FINALIZER;
    gooi_finalize_queue_visit(heap, v);
    for (GooGcMutator *m = heap->mutators; m != NULL; m = m->next) {
        if (m->state != GOOI_MUTATOR_IDLE) {
            roots_visit_mutator(m, v);
        }
    }
    heap->visiting = visiting;
}

void gooi_roots_deinit(GooGcHeap *heap) {
    gooi_vector_free(heap, &heap->roots, sizeof(GooiRoot));
    gooi_vector_free(heap, &heap->root_callbacks, sizeof(GooiRootCallback));
    gooi_vector_free(heap, &heap->handles, sizeof(GooiHandleEntry));
}
