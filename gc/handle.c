/* Handles: names for objects that stay valid wherever they are kept, and can be told when stale.
 *
 *   bits = generation << 32 | index + 1        0 is no handle
 *
 * A freed entry's generation goes up, so that an old handle finds nothing. Free ones form a list.
 */
#include <errno.h>

#include "gc/heap.h"
#include "gc/lock.h"

static GooiHandleEntry *handle_entry(GooGcHeap *heap, GooGcHandle h) {
    uint32_t index = (uint32_t)h.bits;
    GooiHandleEntry *handles = heap->handles.items;
    if (index == 0 || index > heap->handles.count) {
        return NULL;
    }
    GooiHandleEntry *entry = &handles[index - 1];
    return entry->object != NULL && entry->generation == (uint32_t)(h.bits >> 32) ? entry : NULL;
}

/* The index + 1 of a free entry, or 0. */
static uint32_t handle_take_free(GooGcHeap *heap) {
    if (heap->handle_free != 0) {
        return heap->handle_free;
    }
    if (heap->handles.count == UINT32_MAX - 1 ||
        !gooi_vector_reserve(heap, &heap->handles, 1, sizeof(GooiHandleEntry))) {
        return 0;
    }
    uint32_t index = (uint32_t)++heap->handles.count;
    ((GooiHandleEntry *)heap->handles.items)[index - 1] = (GooiHandleEntry){0};
    return index;
}

GooGcHandle goo_gc_handle_new(GooGcHeap *heap, void *object) {
    GooGcHandle handle = {0};
    if (heap == NULL || object == NULL) {
        return handle;
    }
    gooi_heap_lock(heap);
    uint32_t index = handle_take_free(heap);
    if (index != 0) {
        GooiHandleEntry *entry = &((GooiHandleEntry *)heap->handles.items)[index - 1];
        heap->handle_free = entry->next_free;
        entry->object = object;
        entry->next_free = 0;
        handle.bits = (uint64_t)entry->generation << 32 | index;
    }
    gooi_heap_unlock(heap);
    if (index == 0) {
        errno = ENOMEM;
    }
    return handle;
}

void *goo_gc_handle_get(GooGcHeap *heap, GooGcHandle h) {
    gooi_heap_lock(heap);
    GooiHandleEntry *entry = handle_entry(heap, h);
    void *object = entry == NULL ? NULL : entry->object;
    gooi_heap_unlock(heap);
    return object;
}

static bool handle_give_back(GooGcHeap *heap, GooGcHandle h) {
    GooiHandleEntry *entry = handle_entry(heap, h);
    if (entry != NULL) {
        entry->object = NULL;
        entry->generation++;
        entry->next_free = heap->handle_free;
        heap->handle_free = (uint32_t)h.bits;
    }
    return entry != NULL;
}

void goo_gc_handle_free(GooGcHeap *heap, GooGcHandle h) {
    if (h.bits == 0) {
        return;
    }
    gooi_heap_lock(heap);
    bool known = handle_give_back(heap, h);
    gooi_heap_unlock(heap);
    GOO_REQUIRE(known, "goo_gc_handle_free: handle %llx is stale or of another heap",
                (unsigned long long)h.bits);
}
