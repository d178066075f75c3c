/* Growing arrays for the heap's side tables: roots, handles, finalizable objects.
 *
 * They come from the heap's side allocator and count as metadata. Growth doubles; a failure leaves
 * the array as it was. Nothing shrinks: these tables are small beside the heap they describe.
 *
 * Threads: whoever has the heap's lock, or owns the array: a mutator's stacks are its own.
 */
#include <string.h>

#include "gc/heap.h"
#include "runtime/bits.h"

static size_t vector_next_capacity(size_t capacity, size_t needed) {
    size_t next = capacity != 0 ? capacity : 8;
    while (next < needed && next <= SIZE_MAX / 2) {
        next *= 2;
    }
    return next;
}

/* Makes room for `extra` more items. */
bool gooi_vector_reserve(GooGcHeap *heap, GooiVector *v, size_t extra, size_t item_size) {
    size_t needed, size;
    if (gooi_add_overflows(v->count, extra, &needed)) {
        return false;
    }
    if (needed <= v->capacity) {
        return true;
    }
    size_t capacity = vector_next_capacity(v->capacity, needed);
    if (gooi_multiply_overflows(capacity, item_size, &size)) {
        return false;
    }
    size_t old_size = v->capacity * item_size;
    if (!gooi_space_account(heap, 0, size - old_size)) {
        return false;
    }
    void *items = heap->side->alloc(heap->side->context, size, GOO_DEFAULT_ALIGNMENT, 0);
    if (items == NULL) {
        gooi_space_unaccount(heap, 0, size - old_size);
        return false;
    }
    if (v->items != NULL) {
        memcpy(items, v->items, v->count * item_size);
        heap->side->free(heap->side->context, v->items, old_size, GOO_DEFAULT_ALIGNMENT);
    }
    v->items = items;
    v->capacity = capacity;
    gooi_account_settle(heap);
    return true;
}

void gooi_vector_free(GooGcHeap *heap, GooiVector *v, size_t item_size) {
    if (v->items != NULL) {
        size_t size = v->capacity * item_size;
        heap->side->free(heap->side->context, v->items, size, GOO_DEFAULT_ALIGNMENT);
        gooi_space_unaccount(heap, 0, size);
    }
    *v = (GooiVector){0};
}

void *gooi_side_alloc(GooGcHeap *heap, size_t size) {
    if (!gooi_space_account(heap, 0, size)) {
        return NULL;
    }
    void *ptr = heap->side->alloc(heap->side->context, size, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_ZERO);
    if (ptr == NULL) {
        gooi_space_unaccount(heap, 0, size);
        return NULL;
    }
    gooi_account_settle(heap);
    return ptr;
}

void gooi_side_free(GooGcHeap *heap, void *ptr, size_t size) {
    if (ptr != NULL) {
        heap->side->free(heap->side->context, ptr, size, GOO_DEFAULT_ALIGNMENT);
        gooi_space_unaccount(heap, 0, size);
    }
}
