/* Ephemerons: a key, and a value that lives as long as the key does.
 *
 * Where the key is marked when the ephemeron is traced, the value is marked at once, and that is
 * all. Else the ephemeron goes on its list; ephemeron_settle.c waits with it for the key.
 *
 * Threads: immutable but for the collector, while the world is stopped.
 *
 * Source: Hayes, "Ephemerons: a new finalization mechanism" (1997).
 */
#include <errno.h>

#include "gc/heap.h"
#include "gc/lock.h"

static void ephemeron_trace(void *object, GooGcVisitor *v) {
    GooGcEphemeron *e = object;
    if (e->pair.key == NULL) {
        return;
    }
    if (v->observe != NULL) { /* between collections every key that is there keeps its value */
        goo_gc_visit_pointer(v, &e->pair.value);
    } else if (gooi_weak_is_marked(e->pair.key, v->colour)) {
        if (gooi_weak_claim(v->heap, &e->head, v->colour)) {
            atomic_fetch_add_explicit(&v->heap->weak.pairs_live, 1, memory_order_relaxed);
        }
        goo_gc_visit_pointer(v, &e->pair.value);
    } else {
        gooi_weak_find(v->heap, &e->head, GOOI_WEAK_EPHEMERON);
    }
}

const GooGcType gooi_weak_ephemeron_type = {.name = "ephemeron",
                                            .size = sizeof(GooGcEphemeron),
                                            .layout = GOO_GC_LAYOUT_TRACE,
                                            .trace = ephemeron_trace};

/* Looks at the ephemerons found since the last look; whether there were any. */
bool gooi_ephemeron_look(GooGcHeap *heap, GooGcVisitor *v) {
    GooiWeakHead *first = gooi_weak_first(heap, GOOI_WEAK_EPHEMERON);
    uintptr_t at = first == NULL ? GOOI_WEAK_LIST_END : (uintptr_t)first;
    uintptr_t seen = heap->weak.seen[GOOI_WEAK_EPHEMERON];
    heap->weak.seen[GOOI_WEAK_EPHEMERON] = at;
    bool any = at != seen;
    while (at != seen) {
        GooGcEphemeron *e = (GooGcEphemeron *)at;
        gooi_waiting_look(heap, v, &e->pair, 1);
        at = atomic_load_explicit(&e->head.link, memory_order_relaxed);
    }
    return any;
}

void gooi_ephemeron_clear(GooGcHeap *heap) {
    GooiWeakHead *head = gooi_weak_first(heap, GOOI_WEAK_EPHEMERON);
    while (head != NULL) {
        GooGcEphemeron *e = (GooGcEphemeron *)head;
        if (gooi_weak_is_marked(e->pair.key, heap->colour)) {
            heap->weak.pairs_live++;
        } else {
            e->pair = (GooiPair){NULL, NULL};
        }
        head = gooi_weak_unlink(head, heap->colour);
    }
}

GooGcEphemeron *goo_gc_ephemeron_new(GooGcMutator *m, void *key, void *value) {
    if (!gooi_mutator_is_mine(m) || key == NULL) {
        errno = EINVAL;
        return NULL;
    }
    GOO_REQUIRE(gooi_in_heap(m->heap, (uintptr_t)key),
                "goo_gc_ephemeron_new: key %p is no object of heap %p", key, (void *)m->heap);
    GooGcEphemeron *e = NULL;
    GooGcFrame frame;
    void *const locals[] = {&key, &value, &e};
    goo_gc_frame_begin(m, &frame, locals, GOOI_COUNT(locals));
    e = goo_gc_alloc(m, &gooi_weak_ephemeron_type, 0);
    bool counted = e != NULL && gooi_waiting_count_pair(m);
    goo_gc_frame_end(m, &frame);
    if (!counted) {
        return NULL;
    }
    e->pair = (GooiPair){key, value};
    return e;
}

void *goo_gc_ephemeron_key(GooGcMutator *m, const GooGcEphemeron *e) {
    (void)m;
    return e == NULL ? NULL : e->pair.key;
}

void *goo_gc_ephemeron_value(GooGcMutator *m, const GooGcEphemeron *e) {
    (void)m;
    return e == NULL ? NULL : e->pair.value;
}
