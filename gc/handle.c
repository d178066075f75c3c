/* Handles: names for objects that stay valid wherever they are kept, and can be told when stale.
 *
 *   bits = generation << 32 | index + 1        0 is no handle
 *
 * A freed entry's generation goes up, so that an old handle finds nothing. Free ones form a list.
 */
#include <errno.h>

#include "gc/heap.h"

static GooiHandleEntry *handle_entry(GooGcHeap *heap, GooGcHandle h) {
    uint32_t index = (uint32_t)h.bits;
    GooiHandleEntry *handles = heap->handles.items;
    if (index == 0 || index > heap->handles.count) {
        return NULL;
    }
    GooiHandleEntry *entry = &handles[index - 1];
    return entry->object != NULL && entry->generation == (uint32_t)(h.bits >> 32) ? entry : NULL;
}

GooGcHandle goo_gc_handle_new(GooGcHeap *heap, void *object) {
    GooGcHandle none = {0};
    if (heap == NULL || object == NULL) {
        return none;
    }
    uint32_t index = heap->handle_free;
    if (index == 0) {
        if (heap->handles.count == UINT32_MAX - 1 ||
            !gooi_vector_reserve(heap, &heap->handles, 1, sizeof(GooiHandleEntry))) {
            errno = ENOMEM;
            return none;
        }
        index = (uint32_t)++heap->handles.count;
        ((GooiHandleEntry *)heap->handles.items)[index - 1] = (GooiHandleEntry){0};
    }
    GooiHandleEntry *entry = &((GooiHandleEntry *)heap->handles.items)[index - 1];
    heap->handle_free = entry->next_free;
    entry->object = object;
    entry->next_free = 0;
    return (GooGcHandle){(uint64_t)entry->generation << 32 | index};
}

void *goo_gc_handle_get(GooGcHeap *heap, GooGcHandle h) {
    GooiHandleEntry *entry = handle_entry(heap, h);
    return entry == NULL ? NULL : entry->object;
}

void goo_gc_handle_free(GooGcHeap *heap, GooGcHandle h) {
    GooiHandleEntry *entry = handle_entry(heap, h);
    if (h.bits == 0) {
        return;
    }
    GOO_REQUIRE(entry != NULL, "goo_gc_handle_free: handle %llx is stale or of another heap",
                (unsigned long long)h.bits);
    entry->object = NULL;
    entry->generation++;
    entry->next_free = heap->handle_free;
    heap->handle_free = (uint32_t)h.bits;
}
