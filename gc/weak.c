/* Weak references, the lists of weak objects that marking finds, and weak hooks.
 *
 * A weak reference is an object of three words: type, link, target. Its trace callback does not
 * visit the target. If that is marked already there is nothing to settle; else the reference goes
 * on the list of its kind, and when marking has ended the list is gone through: targets that are
 * still unmarked are let go. References whose targets are dead cost nothing more, dead references
 * nothing at all.
 *
 * Invariants: WEAK-1 … WEAK-3 in gc/weakness.h.
 *
 * Threads: marking may trace an object twice, on two threads; the link is claimed by one of them.
 * References themselves are immutable but for the collector, while the world is stopped.
 */
#include <errno.h>
#include <string.h>

#include "gc/heap.h"
#include "gc/lock.h"

typedef struct GooiWeakHook {
    void (*fn)(GooGcHeap *heap, void *user);
    void *user;
} GooiWeakHook;

/* --- the lists --- */

/* Every list is empty between collections (WEAK-2). */
void gooi_weak_begin(GooGcHeap *heap) {
    for (unsigned kind = 0; kind < GOOI_WEAK_KINDS; kind++) {
        atomic_store_explicit(&heap->weak.found[kind], GOOI_WEAK_LIST_END, memory_order_relaxed);
        heap->weak.seen[kind] = GOOI_WEAK_LIST_END;
    }
    atomic_store_explicit(&heap->weak.pairs_live, 0, memory_order_relaxed);
}

/* Gives an object its link of this collection; false if it has one. */
bool gooi_weak_claim(GooGcHeap *heap, GooiWeakHead *head, uintptr_t link) {
    uintptr_t old = atomic_load_explicit(&head->link, memory_order_relaxed);
    return !GOOI_WEAK_IS_LISTED(old) && old != heap->colour &&
           atomic_compare_exchange_strong_explicit(&head->link, &old, link, memory_order_relaxed,
                                                   memory_order_relaxed);
}

/* Puts an object on its list, once a collection. Release pairs with the acquire of who goes through
 * the list. */
void gooi_weak_find(GooGcHeap *heap, GooiWeakHead *head, unsigned kind) {
    if (!gooi_weak_claim(heap, head, GOOI_WEAK_LIST_END)) {
        return;
    }
    _Atomic uintptr_t *list = &heap->weak.found[kind];
    uintptr_t next = atomic_load_explicit(list, memory_order_relaxed);
    do {
        atomic_store_explicit(&head->link, next, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(list, &next, (uintptr_t)head,
                                                    memory_order_release, memory_order_relaxed));
}

/* The first of a list's objects, or NULL. */
GooiWeakHead *gooi_weak_first(const GooGcHeap *heap, unsigned kind) {
    uintptr_t first = atomic_load_explicit(&heap->weak.found[kind], memory_order_acquire);
    return first == GOOI_WEAK_LIST_END ? NULL : (GooiWeakHead *)first;
}

/* The next on a list, or NULL, the one before taken off. `link` is what it has from now on. */
GooiWeakHead *gooi_weak_unlink(GooiWeakHead *head, uintptr_t link) {
    uintptr_t next = atomic_load_explicit(&head->link, memory_order_relaxed);
    atomic_store_explicit(&head->link, link, memory_order_relaxed);
    return next == GOOI_WEAK_LIST_END ? NULL : (GooiWeakHead *)next;
}

/* --- weak references --- */

static void weak_trace(void *object, GooGcVisitor *v) {
    GooGcWeak *w = object;
    if (v->observe == NULL && w->target != NULL && !gooi_weak_is_marked(w->target, v->colour)) {
        gooi_weak_find(v->heap, &w->head, GOOI_WEAK_REFERENCE);
    }
}

const GooGcType gooi_weak_reference_type = {.name = "weak reference",
                                            .size = sizeof(GooGcWeak),
                                            .layout = GOO_GC_LAYOUT_TRACE,
                                            .trace = weak_trace};

static void weak_clear_references(GooGcHeap *heap) {
    GooiWeakHead *head = gooi_weak_first(heap, GOOI_WEAK_REFERENCE);
    while (head != NULL) {
        GooGcWeak *w = (GooGcWeak *)head;
        if (!gooi_weak_is_marked(w->target, heap->colour)) {
            w->target = NULL;
        }
        head = gooi_weak_unlink(head, 0);
    }
}

/* Everything found so far lets go of what is not marked. Lists and waiting table are empty then. */
void gooi_weak_clear(GooGcHeap *heap) {
    gooi_waiting_clear(heap);
    weak_clear_references(heap);
    gooi_ephemeron_clear(heap);
    gooi_weak_map_clear(heap);
    for (unsigned kind = 0; kind < GOOI_WEAK_KINDS; kind++) {
        atomic_store_explicit(&heap->weak.found[kind], GOOI_WEAK_LIST_END, memory_order_relaxed);
        heap->weak.seen[kind] = GOOI_WEAK_LIST_END;
    }
}

/* The pairs found alive are all there are. */
void gooi_weak_end(GooGcHeap *heap) {
    heap->weak.pairs = heap->weak.pairs_live;
    gooi_waiting_trim(heap);
}

GooGcWeak *goo_gc_weak_new(GooGcMutator *m, void *target) {
    if (!gooi_mutator_is_mine(m) || target == NULL) {
        errno = EINVAL;
        return NULL;
    }
    GOO_REQUIRE(gooi_in_heap(m->heap, (uintptr_t)target),
                "goo_gc_weak_new: %p is no object of heap %p", target, (void *)m->heap);
    GooGcFrame frame;
    void *const locals[] = {&target};
    goo_gc_frame_begin(m, &frame, locals, GOOI_COUNT(locals));
    GooGcWeak *w = goo_gc_alloc(m, &gooi_weak_reference_type, 0);
    goo_gc_frame_end(m, &frame);
    if (w != NULL) {
        w->target = target;
    }
    return w;
}

void *goo_gc_weak_get(GooGcMutator *m, const GooGcWeak *w) {
    (void)m; /* marking beside the mutator will want to know of this read */
    return w == NULL ? NULL : w->target;
}

/* --- hooks --- */

GooStatus goo_gc_weak_hook_add(GooGcHeap *heap, void (*fn)(GooGcHeap *heap, void *user),
                               void *user) {
    if (heap == NULL || fn == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (gooi_heap_is_busy_here(heap)) {
        return GOO_ERR_BUSY;
    }
    gooi_heap_lock(heap);
    bool room = gooi_vector_reserve(heap, &heap->weak_hooks, 1, sizeof(GooiWeakHook));
    if (room) {
        GooiWeakHook *hooks = heap->weak_hooks.items;
        hooks[heap->weak_hooks.count++] = (GooiWeakHook){fn, user};
    }
    gooi_heap_unlock(heap);
    return room ? GOO_OK : GOO_ERR_NO_MEMORY;
}

static bool weak_hook_take_out(GooGcHeap *heap, GooiWeakHook hook) {
    GooiWeakHook *hooks = heap->weak_hooks.items;
    for (size_t i = heap->weak_hooks.count; i-- > 0;) {
        if (hooks[i].fn == hook.fn && hooks[i].user == hook.user) {
            heap->weak_hooks.count--;
            memmove(&hooks[i], &hooks[i + 1], (heap->weak_hooks.count - i) * sizeof *hooks);
            return true;
        }
    }
    return false;
}

GooStatus goo_gc_weak_hook_remove(GooGcHeap *heap, void (*fn)(GooGcHeap *heap, void *user),
                                  void *user) {
    if (heap == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (gooi_heap_is_busy_here(heap)) {
        return GOO_ERR_BUSY;
    }
    gooi_heap_lock(heap);
    bool found = weak_hook_take_out(heap, (GooiWeakHook){fn, user});
    gooi_heap_unlock(heap);
    return found ? GOO_OK : GOO_ERR_INVALID_ARGUMENT;
}

void gooi_weak_call_hooks(GooGcHeap *heap) {
    const GooiWeakHook *hooks = heap->weak_hooks.items;
    heap->weak.in_hooks = true;
    for (size_t i = 0; i < heap->weak_hooks.count; i++) {
        hooks[i].fn(heap, hooks[i].user);
    }
    heap->weak.in_hooks = false;
}

bool goo_gc_is_live(GooGcHeap *heap, const void *object) {
    GOO_REQUIRE(heap->weak.in_hooks, "goo_gc_is_live: called outside of a weak hook");
    uintptr_t address = (uintptr_t)object;
    return address != 0 && gooi_object_base_of(heap, address) == address &&
           gooi_weak_is_marked(object, heap->colour);
}

void gooi_weak_deinit(GooGcHeap *heap) {
    gooi_vector_free(heap, &heap->weak_hooks, sizeof(GooiWeakHook));
    gooi_waiting_deinit(heap);
}
