/* Plain finalizers: GooGcType.finalize, called once for each dead object between mark and sweep.
 *
 * Objects with a finalize stand in one table, in the order in which they were made; after marking
 * the table is gone through and split into living and dead. Cost is proportional to the table, not
 * to the heap. Finalizers find the heap as marking left it: every object, dead ones too, is intact.
 *
 * FIN-1  the table has exactly the objects whose metadata says `attention` and whose type has a
 *        finalize.
 */
#include "gc/heap.h"
#include "gc/lock.h"

/* Makes room for one more and promises it, before the object is made: adding then can't fail,
 * whatever other threads add meanwhile. */
bool gooi_finalize_reserve(GooGcHeap *heap) {
    gooi_heap_lock(heap);
    bool room = gooi_vector_reserve(heap, &heap->finalizables, heap->finalizables_promised + 1,
                                    sizeof(void *));
    heap->finalizables_promised += room;
    gooi_heap_unlock(heap);
    return room;
}

void gooi_finalize_add(GooGcHeap *heap, void *object) {
    gooi_heap_lock(heap);
    heap->finalizables_promised--;
    if (object != NULL) {
        ((void **)heap->finalizables.items)[heap->finalizables.count++] = object;
    }
    gooi_heap_unlock(heap);
}

static void finalize_call(void *object) {
    const GooGcType *type = goo_gc_type_of(object);
    type->finalize(object, type->user);
}

void gooi_finalize_dead(GooGcHeap *heap) {
    void **objects = heap->finalizables.items;
    size_t kept = 0;
    for (size_t i = 0; i < heap->finalizables.count; i++) {
        if (gooi_object_is_marked(heap, objects[i])) {
            objects[kept++] = objects[i];
        } else {
            finalize_call(objects[i]);
        }
    }
    heap->finalizables.count = kept;
}

/* At the heap's end all are dead. */
void gooi_finalize_all(GooGcHeap *heap) {
    void **objects = heap->finalizables.items;
    for (size_t i = 0; i < heap->finalizables.count; i++) {
        finalize_call(objects[i]);
    }
    gooi_vector_free(heap, &heap->finalizables, sizeof(void *));
}
