/* Owned blocks: explicit memory that lives as long as a collected object. Not in this version
 * (goo/gc.h says so): every call answers that, and does nothing. A type's `finalize` that frees is
 * the way until then.
 */
#include <errno.h>

#include "gc/heap.h"

void *goo_gc_owned_alloc(GooGcMutator *m, void *owner, GooAllocator *a, size_t size) {
    (void)m;
    (void)owner;
    (void)a;
    (void)size;
    errno = ENOTSUP;
    return NULL;
}

void *goo_gc_owned_realloc(GooGcMutator *m, void *owner, void *ptr, size_t new_size) {
    (void)m;
    (void)owner;
    (void)ptr;
    (void)new_size;
    errno = ENOTSUP;
    return NULL;
}

void goo_gc_owned_free(GooGcMutator *m, void *owner, void *ptr) {
    (void)m;
    (void)owner;
    GOO_REQUIRE(ptr == NULL, "goo_gc_owned_free: %p is no owned block", ptr);
}

GooStatus goo_gc_owner_adjust(GooGcMutator *m, void *owner, ptrdiff_t bytes) {
    (void)m;
    (void)owner;
    (void)bytes;
    return GOO_ERR_UNSUPPORTED;
}

size_t goo_gc_owner_bytes(GooGcHeap *heap, const void *owner) {
    (void)heap;
    (void)owner;
    return 0;
}
