/* What must hold of weak objects and their tables: WEAK-1 … WEAK-3 (gc/weakness.h), MAP-1, MAP-2
 * (weak_map.c), FINQ-1 (finalize_queue.c). The checker (verify.c) asks for each object that it
 * reaches, and once for the heap.
 *
 * A fault is told as a sentence. Nothing here shares code with what it checks, but for the hash.
 */
#include "gc/heap.h"
#include "runtime/bits.h"

static bool weak_is_object(const GooGcHeap *heap, const void *object) {
    return gooi_object_base_of(heap, (uintptr_t)object) == (uintptr_t)object;
}

static const char *weak_pair_fault(const GooGcHeap *heap, const GooiPair *pair) {
    if (pair->key == NULL) {
        return pair->value == NULL ? NULL : "WEAK-1: a pair without a key has a value";
    }
    if (!weak_is_object(heap, pair->key)) {
        return "WEAK-1: the key of a pair is no living object";
    }
    if (gooi_in_heap(heap, (uintptr_t)pair->value) && !weak_is_object(heap, pair->value)) {
        return "WEAK-1: the value of a pair is no living object";
    }
    return NULL;
}

static const char *weak_entry_fault(const GooGcHeap *heap, const GooiWeakTable *t, size_t i) {
    size_t mask = t->capacity - 1;
    size_t home = (size_t)(gooi_weak_hash(t->pairs[i].key) >> 32) & mask;
    for (size_t at = home; t->pairs[i].key != NULL && at != i; at = (at + 1) & mask) {
        if (t->pairs[at].key == NULL || t->pairs[at].key == t->pairs[i].key) {
            return "MAP-1: an entry of a weak map can't be found from its home";
        }
    }
    return weak_pair_fault(heap, &t->pairs[i]);
}

static const char *weak_map_fault(const GooGcHeap *heap, const GooGcWeakMap *map) {
    const GooiWeakTable *t = map->table;
    size_t count = 0;
    if (t == NULL) {
        return map->count == 0 ? NULL : "MAP-2: a weak map without a table has entries";
    }
    if (!weak_is_object(heap, t) || !gooi_is_power_of_two(t->capacity) ||
        gooi_object_granules(heap, (uintptr_t)t) <
            (sizeof *t + t->capacity * sizeof(GooiPair)) >> GOOI_GRANULE_LOG2) {
        return "MAP-2: a weak map's table is none";
    }
    for (size_t i = 0; i < t->capacity; i++) {
        const char *fault = weak_entry_fault(heap, t, i);
        if (fault != NULL) {
            return fault;
        }
        count += t->pairs[i].key != NULL;
    }
    return count == map->count && count <= t->capacity / 4 * 3
               ? NULL
               : "MAP-2: a weak map's count is not that of its entries";
}

bool gooi_weak_is_weak(const GooGcType *type) {
    return type == &gooi_weak_reference_type || type == &gooi_weak_ephemeron_type ||
           type == &gooi_weak_map_type;
}

/* What is wrong with a weak object, or NULL. */
const char *gooi_weak_fault(const GooGcHeap *heap, const void *object) {
    const GooiWeakHead *head = object;
    if (GOOI_WEAK_IS_LISTED(head->link)) {
        return "WEAK-2: a weak object is on a list between collections";
    }
    if (head->type == &gooi_weak_reference_type) {
        const void *target = ((const GooGcWeak *)object)->target;
        return target == NULL || weak_is_object(heap, target)
                   ? NULL
                   : "WEAK-1: the target of a weak reference is no living object";
    }
    return head->type == &gooi_weak_map_type
               ? weak_map_fault(heap, object)
               : weak_pair_fault(heap, &((const GooGcEphemeron *)object)->pair);
}

/* What is wrong with the heap's tables, or NULL. `pairs` is how many living objects have. */
const char *gooi_weak_tables_fault(const GooGcHeap *heap, size_t pairs) {
    const GooiWaiting *w = &heap->waiting;
    for (unsigned kind = 0; kind < GOOI_WEAK_KINDS; kind++) {
        if (gooi_weak_first(heap, kind) != NULL) {
            return "WEAK-2: a list of weak objects is not empty between collections";
        }
    }
    if (w->count != 0 || w->pending != 0 || w->ready != 0) {
        return "WEAK-2: pairs wait between collections";
    }
    if (heap->weak.pairs < pairs || heap->weak.pairs > w->capacity) {
        return "WEAK-3: there are more pairs than were counted, or than may wait";
    }
    return gooi_finalize_queue_fault(heap);
}
