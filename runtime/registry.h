/* Allocators by name: what programs registered, and which of them own a parent. Private. The
 * functions are in allocators/registry.c. */
#ifndef GOO_RUNTIME_REGISTRY_H
#define GOO_RUNTIME_REGISTRY_H

#include "goo/runtime/memory.h"
#include "runtime/base.h"

#include <stdatomic.h>

enum { GOOI_REGISTRY_NAMES = 64, GOOI_REGISTRY_NAME_SIZE = 32 };

typedef struct GooiRegistryEntry {
    char name[GOOI_REGISTRY_NAME_SIZE]; /* "": free */
    GooAllocatorFactory factory;
    void *user;
} GooiRegistryEntry;

struct GooiRegistry {
    atomic_flag lock;
    GooiRegistryEntry entries[GOOI_REGISTRY_NAMES];
    struct GooiRegistryOwned *owned;
};

/* allocators/registry_adapt.c: NULL with errno. `parent` NULL: this thread's allocator. */
GooAllocator *gooi_registry_open_fixed(GooAllocator *parent, size_t size);
GooAllocator *gooi_registry_open_buffers(GooAllocator *parent, size_t size, size_t count);

#endif
