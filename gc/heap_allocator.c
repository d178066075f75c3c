/* A GooAllocator whose blocks are collected objects, so that code written against allocators can
 * build collected data. free does nothing: the collector does. realloc copies, in place where the
 * rounded size allows.
 *
 * Threads: the mutator's only.
 */
#include <errno.h>
#include <string.h>

#include "gc/heap.h"
#include "runtime/globals.h"

typedef struct HeapAllocator {
    GooAllocator allocator; /* first: destroy casts back */
    GooGcMutator *mutator;
    GooGcLayout layout;
} HeapAllocator;

static void *heap_allocator_alloc(void *ctx, size_t size, size_t alignment,
                                  GooAllocOptions options) {
    HeapAllocator *self = ctx;
    (void)options; /* memory is zero anyway */
    if (alignment > GOOI_GRANULE_SIZE) {
        errno = ENOTSUP;
        return NULL;
    }
    return self->layout == GOO_GC_LAYOUT_LEAF ? goo_gc_alloc_leaf(self->mutator, size)
                                              : goo_gc_alloc_conservative(self->mutator, size);
}

static void *heap_allocator_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size,
                                    size_t alignment, GooAllocOptions options) {
    HeapAllocator *self = ctx;
    if (ptr != NULL && alignment <= GOOI_GRANULE_SIZE &&
        gooi_granules_of(new_size) == gooi_granules_of(old_size)) {
        if (new_size > old_size) {
            memset((char *)ptr + old_size, 0, new_size - old_size);
        }
        return ptr;
    }
    goo_gc_push(self->mutator, ptr);
    void *copy = heap_allocator_alloc(ctx, new_size, alignment, options);
    goo_gc_pop(self->mutator, 1);
    if (copy != NULL && ptr != NULL) {
        memcpy(copy, ptr, old_size < new_size ? old_size : new_size);
    }
    return copy;
}

static void heap_allocator_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    (void)ctx;
    (void)ptr;
    (void)size;
    (void)alignment;
}

static void heap_allocator_destroy(void *self) {
    gooi_system_allocator.free(gooi_system_allocator.context, self, sizeof(HeapAllocator),
                               GOO_DEFAULT_ALIGNMENT);
}

GooAllocator *goo_gc_allocator(GooGcMutator *m, GooGcLayout layout) {
    if (m == NULL || (layout != GOO_GC_LAYOUT_LEAF && layout != GOO_GC_LAYOUT_CONSERVATIVE)) {
        errno = EINVAL;
        return NULL;
    }
    HeapAllocator *self =
        gooi_system_allocator.alloc(gooi_system_allocator.context, sizeof *self,
                                    GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_ZERO);
    if (self == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    self->allocator = (GooAllocator){.alloc = heap_allocator_alloc,
                                     .realloc = heap_allocator_realloc,
                                     .free = heap_allocator_free,
                                     .destroy = heap_allocator_destroy,
                                     .context = self,
                                     .name = "gc",
                                     .capabilities = GOOI_ALLOCATOR_DERIVED};
    self->mutator = m;
    self->layout = layout;
    return &self->allocator;
}
