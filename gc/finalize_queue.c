/* Finalizers that are queued when their object dies and run later, on a mutator's thread.
 *
 *   finalizers | object fn user | …   in the order of setting; found by object through an index
 *        │ a collection finds the object dead
 *        ▼
 *   queue      | object fn user | …   first in, first out; its objects are roots
 *        │ goo_gc_run_finalizers
 *        ▼
 *   fn(object, user); the object is dropped, and dies if nobody holds it
 *
 * Queueing marks the object and what it leads to. An ordered finalizer is queued only if no other
 * dead object with a finalizer leads to its object: unordered ones are queued first, then what each
 * ordered object refers to is traced, but not the object; those still unmarked after that are led
 * to by none. Where none is left so, they all lie on circles or behind them, and the one whose
 * tracing began last goes: had another circle led to its own, that would have been traced before
 * and have marked it, or been traced by it and be the same circle.
 *
 * FINQ-1  the index leads from each finalizer's object to it; no object has two.
 * FINQ-2  the queue has room for all finalizers: a collection never lacks memory to move them.
 * FINQ-3  objects that wait for their order are marked; to observers they count as roots.
 *
 * Cost: a collection asks the metadata of every object with a finalizer; nothing for the others.
 *
 * Threads: any mutator's, under the heap's lock; finalizers run without it.
 *
 * Source: the ordering is that of Boehm, "Destructors, finalizers, and synchronization" (2003); the
 * way out of circles is that every circle would otherwise be a leak.
 */
#include "gc/mark.h"
#include "gc/lock.h"

#define GOOI_FINALIZER_INDEX_MIN ((size_t)32)

typedef struct GooiFinalizer {
    void *object; /* NULL: taken back */
    void (*fn)(void *object, void *user);
    void *user;
    bool ordered;
    bool waits; /* was dead at the last collection, and is kept because it has to wait */
} GooiFinalizer;

typedef struct GooiQueued {
    void *object; /* NULL: has run */
    void (*fn)(void *object, void *user);
    void *user;
    uint64_t id;  /* ascending */
    bool started;
} GooiQueued;

static GooiFinalizer *finalizers_of(const GooGcHeap *heap) {
    return heap->finalizers.items;
}

/* --- the index: open addressing, number of a finalizer + 1 --- */

static void finalizer_index_put(GooGcHeap *heap, size_t finalizer) {
    size_t mask = heap->finalizer_index_capacity - 1;
    size_t i = (size_t)(gooi_weak_hash(finalizers_of(heap)[finalizer].object) >> 32) & mask;
    while (heap->finalizer_index[i] != 0) {
        i = (i + 1) & mask;
    }
    heap->finalizer_index[i] = (uint32_t)finalizer + 1;
}

/* Takes out what was taken back or queued, and indexes the rest anew. */
static void finalizers_compact(GooGcHeap *heap) {
    GooiFinalizer *all = finalizers_of(heap);
    size_t kept = 0;
    memset(heap->finalizer_index, 0, heap->finalizer_index_capacity * sizeof(uint32_t));
    for (size_t i = 0; i < heap->finalizers.count; i++) {
        if (all[i].object != NULL) {
            all[kept] = all[i];
            finalizer_index_put(heap, kept++);
        }
    }
    heap->finalizers.count = kept;
    heap->finalizers_gone = 0;
}

static GooiFinalizer *finalizer_find(const GooGcHeap *heap, const void *object) {
    size_t mask = heap->finalizer_index_capacity - 1;
    if (heap->finalizers.count == 0) {
        return NULL;
    }
    size_t i = (size_t)(gooi_weak_hash(object) >> 32) & mask;
    for (; heap->finalizer_index[i] != 0; i = (i + 1) & mask) {
        GooiFinalizer *found = &finalizers_of(heap)[heap->finalizer_index[i] - 1];
        if (found->object == object) {
            return found;
        }
    }
    return NULL;
}

static bool finalizer_index_reserve(GooGcHeap *heap) {
    size_t capacity = heap->finalizer_index_capacity;
    if (heap->finalizers.count + 1 <= capacity / 4 * 3) {
        return true;
    }
    size_t next = capacity == 0 ? GOOI_FINALIZER_INDEX_MIN : capacity * 2;
    uint32_t *index = next > UINT32_MAX ? NULL : gooi_side_alloc(heap, next * sizeof *index);
    if (index == NULL) {
        return false;
    }
    gooi_side_free(heap, heap->finalizer_index, capacity * sizeof *index);
    heap->finalizer_index = index;
    heap->finalizer_index_capacity = next;
    finalizers_compact(heap);
    return true;
}

/* Room for one more, now and when it is queued (FINQ-2). */
static bool finalizers_reserve(GooGcHeap *heap) {
    if (heap->finalizers_gone > heap->finalizers.count / 2) {
        finalizers_compact(heap);
    }
    return gooi_vector_reserve(heap, &heap->finalizers, 1, sizeof(GooiFinalizer)) &&
           gooi_vector_reserve(heap, &heap->finalizer_queue, heap->finalizers.count + 1,
                               sizeof(GooiQueued)) &&
           finalizer_index_reserve(heap);
}

/* --- the queue --- */

/* Takes out what has run; the order of the rest stays. */
static void queue_compact(GooGcHeap *heap) {
    GooiQueued *queue = heap->finalizer_queue.items;
    size_t kept = 0;
    for (size_t i = 0; i < heap->finalizer_queue.count; i++) {
        if (queue[i].object != NULL) {
            queue[kept++] = queue[i];
        }
    }
    heap->finalizer_queue.count = kept;
    heap->finalizer_queue_head = 0;
}

/* Moves a finalizer to the queue, and marks its object. */
static void queue_put(GooGcHeap *heap, GooGcVisitor *v, GooiFinalizer *f) {
    GooiQueued *queue = heap->finalizer_queue.items;
    GOO_ASSERT(heap->finalizer_queue.count < heap->finalizer_queue.capacity,
               "gc: FINQ-2: no room in the queue of finalizers");
    queue[heap->finalizer_queue.count++] =
        (GooiQueued){f->object, f->fn, f->user, heap->finalizer_next_id++, false};
    goo_gc_visit_pointer(v, &f->object);
    f->object = NULL;
    heap->finalizers_gone++;
}

/* --- after marking --- */

static bool finalizer_is_dead(const GooGcHeap *heap, const GooiFinalizer *f) {
    return f->object != NULL && !gooi_weak_is_marked(f->object, heap->colour);
}

static void queue_unordered(GooGcHeap *heap, GooGcVisitor *v) {
    GooiFinalizer *all = finalizers_of(heap);
    for (size_t i = 0; i < heap->finalizers.count; i++) {
        all[i].waits = finalizer_is_dead(heap, &all[i]);
    }
    /* Marking begins only now, so that all that died together are queued. */
    for (size_t i = 0; i < heap->finalizers.count; i++) {
        if (all[i].waits && !all[i].ordered) {
            queue_put(heap, v, &all[i]);
        }
    }
    gooi_waiting_settle(heap, v);
}

/* Marks what an unmarked object refers to, but not the object. */
static void queue_trace_children(GooGcHeap *heap, GooGcVisitor *v, void *object) {
    uint8_t byte = *gooi_metadata_of((uintptr_t)object);
    if ((byte & GOO_GC_LOGGED) == 0) {
        gooi_trace_object(v, (uintptr_t)object, byte & GOO_GC_KIND_MASK);
        gooi_waiting_settle(heap, v);
    }
}

static void queue_ordered(GooGcHeap *heap, GooGcVisitor *v) {
    GooiFinalizer *all = finalizers_of(heap), *last = NULL;
    size_t queued_before = heap->finalizer_queue.count;
    for (size_t i = 0; i < heap->finalizers.count; i++) {
        if (finalizer_is_dead(heap, &all[i])) {
            last = &all[i];
            queue_trace_children(heap, v, last->object);
        }
    }
    for (size_t i = 0; i < heap->finalizers.count; i++) {
        if (finalizer_is_dead(heap, &all[i])) {
            queue_put(heap, v, &all[i]);
        }
    }
    if (last != NULL && heap->finalizer_queue.count == queued_before) {
        queue_put(heap, v, last);
    }
    gooi_waiting_settle(heap, v);
}

/* Queues the finalizers of the dead and marks what they will see; whether there were any. */
bool gooi_finalize_queue_dead(GooGcHeap *heap, GooGcVisitor *v) {
    if (heap->finalizers.count == 0) {
        return false;
    }
    queue_compact(heap);
    queue_unordered(heap, v);
    queue_ordered(heap, v);
    if (heap->finalizers_gone == 0) {
        return false;
    }
    finalizers_compact(heap);
    return true;
}

/* Queued objects are roots. Those that wait were marked by queueing; whoever looks at the heap is
 * told of them too. */
void gooi_finalize_queue_visit(GooGcHeap *heap, GooGcVisitor *v) {
    GooiQueued *queue = heap->finalizer_queue.items;
    for (size_t i = heap->finalizer_queue_head; i < heap->finalizer_queue.count; i++) {
        goo_gc_visit_pointer(v, &queue[i].object);
    }
    GooiFinalizer *all = finalizers_of(heap);
    for (size_t i = 0; v->observe != NULL && i < heap->finalizers.count; i++) {
        if (all[i].waits) {
            goo_gc_visit_pointer(v, &all[i].object);
        }
    }
}

/* What is wrong with the tables, or NULL. */
const char *gooi_finalize_queue_fault(const GooGcHeap *heap) {
    const GooiFinalizer *all = finalizers_of(heap);
    for (size_t i = 0; i < heap->finalizers.count; i++) {
        uintptr_t object = (uintptr_t)all[i].object;
        if (object != 0 && gooi_object_base_of(heap, object) != object) {
            return "FINQ-1: a finalizer's object is no living one";
        }
        if (object != 0 && finalizer_find(heap, all[i].object) != &all[i]) {
            return "FINQ-1: an object's finalizer can't be found";
        }
    }
    return heap->finalizer_queue.count + heap->finalizers.count <= heap->finalizer_queue.capacity
               ? NULL
               : "FINQ-2: the queue has no room for all finalizers";
}

void gooi_finalize_queue_deinit(GooGcHeap *heap) {
    gooi_vector_free(heap, &heap->finalizers, sizeof(GooiFinalizer));
    gooi_vector_free(heap, &heap->finalizer_queue, sizeof(GooiQueued));
    gooi_side_free(heap, heap->finalizer_index, heap->finalizer_index_capacity * sizeof(uint32_t));
}

/* --- setting --- */

static void finalizer_take_back(GooGcHeap *heap, GooiFinalizer *f) {
    if (f != NULL) {
        f->object = NULL; /* its number stays in the index, where it matches nothing */
        f->waits = false;
        heap->finalizers_gone++;
    }
}

/* Sets, replaces or takes back; GOO_ERR_NO_MEMORY: nothing changed. */
static GooStatus finalizer_change(GooGcHeap *heap, const GooiFinalizer *f) {
    if (gooi_object_base_of(heap, (uintptr_t)f->object) != (uintptr_t)f->object) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    GooiFinalizer *old = finalizer_find(heap, f->object);
    if (f->fn == NULL) {
        finalizer_take_back(heap, old);
    } else if (old != NULL) {
        *old = *f;
    } else if (finalizers_reserve(heap)) {
        finalizers_of(heap)[heap->finalizers.count] = *f;
        finalizer_index_put(heap, heap->finalizers.count++);
    } else {
        return GOO_ERR_NO_MEMORY;
    }
    return GOO_OK;
}

static GooStatus finalizer_try(GooGcHeap *heap, const GooiFinalizer *f) {
    gooi_heap_lock(heap);
    GooStatus status = finalizer_change(heap, f);
    gooi_heap_unlock(heap);
    return status;
}

static GooStatus finalizer_set(GooGcMutator *m, const GooiFinalizer *f) {
    if (m == NULL || f->object == NULL || m != gooi_mutator_here(m->heap)) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (gooi_heap_is_mine(m->heap)) {
        return GOO_ERR_BUSY;
    }
    GooGcFrame frame;
    void *const locals[] = {(void *)&f->object};
    goo_gc_frame_begin(m, &frame, locals, GOOI_COUNT(locals));
    m->heap->refused = false;
    GooStatus status = finalizer_try(m->heap, f);
    if (status == GOO_ERR_NO_MEMORY && gooi_collect_emergency(m->heap, sizeof *f)) {
        status = finalizer_try(m->heap, f);
    }
    goo_gc_frame_end(m, &frame);
    if (status == GOO_ERR_NO_MEMORY) {
        gooi_alloc_fail(m, sizeof *f);
    }
    return status;
}

GooStatus goo_gc_set_finalizer(GooGcMutator *m, void *object, void (*fn)(void *object, void *user),
                               void *user) {
    return finalizer_set(m, &(GooiFinalizer){object, fn, user, false, false});
}

GooStatus goo_gc_set_finalizer_ordered(GooGcMutator *m, void *object,
                                       void (*fn)(void *object, void *user), void *user) {
    return finalizer_set(m, &(GooiFinalizer){object, fn, user, true, false});
}

/* --- running --- */

/* The oldest that nobody has begun, of those queued before `limit`, or NULL. */
static GooiQueued *queue_oldest(const GooGcHeap *heap, uint64_t limit) {
    GooiQueued *queue = heap->finalizer_queue.items;
    size_t i = heap->finalizer_queue_head, count = heap->finalizer_queue.count;
    while (i < count && queue[i].started) {
        i++;
    }
    return i < count && queue[i].id < limit ? &queue[i] : NULL;
}

/* Begins it: from now on nobody else runs it, and its object stays in the queue. */
static bool queue_take(GooGcHeap *heap, uint64_t limit, GooiQueued *out_item) {
    gooi_heap_lock(heap);
    GooiQueued *oldest = queue_oldest(heap, limit);
    if (oldest != NULL) {
        oldest->started = true;
        *out_item = *oldest;
    }
    gooi_heap_unlock(heap);
    return oldest != NULL;
}

/* Until here the object was kept. The queue may have moved meanwhile, so its number finds it. */
static void queue_done(GooGcHeap *heap, uint64_t id) {
    gooi_heap_lock(heap);
    GooiQueued *queue = heap->finalizer_queue.items;
    size_t i = heap->finalizer_queue_head, count = heap->finalizer_queue.count;
    while (queue[i].id != id) {
        i++;
        GOO_ASSERT(i < count, "gc: the finalizer that ran is not in the queue");
    }
    queue[i].object = NULL;
    while (heap->finalizer_queue_head < count &&
           queue[heap->finalizer_queue_head].object == NULL) {
        heap->finalizer_queue_head++;
    }
    if (heap->finalizer_queue_head == count) {
        heap->finalizer_queue.count = heap->finalizer_queue_head = 0;
    }
    gooi_heap_unlock(heap);
}

size_t goo_gc_run_finalizers(GooGcMutator *m, size_t max) {
    GooGcHeap *heap = m->heap;
    if (m != gooi_mutator_here(heap)) {
        return 0;
    }
    GOO_REQUIRE(!gooi_heap_is_mine(heap) && m->blocking_depth == 0,
                "goo_gc_run_finalizers: called inside a collection or a blocking region");
    gooi_heap_lock(heap);
    uint64_t limit = heap->finalizer_next_id;
    gooi_heap_unlock(heap);
    size_t ran = 0;
    GooiQueued item;
    while (ran < max && queue_take(heap, limit, &item)) {
        item.fn(item.object, item.user);
        queue_done(heap, item.id);
        ran++;
    }
    return ran;
}
