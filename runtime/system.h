/* The mechanism of the system allocator: malloc and its relatives. Private.
 *
 * The front door needs it (it is the default allocator), and allocators that need memory of their
 * own for a struct take it from here. Threads: any.
 */
#ifndef GOO_RUNTIME_SYSTEM_H
#define GOO_RUNTIME_SYSTEM_H

#include "goo/core/types.h"
#include "runtime/globals.h"

#define GOOI_SYSTEM_CAPABILITIES                                                                   \
    (GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_THREAD_SAFE |                     \
     GOOI_ALLOCATOR_PAGES | GOOI_ALLOCATOR_DIRECT)

void *gooi_system_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options);
void *gooi_system_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                          GooAllocOptions options);
void gooi_system_free(void *ctx, void *ptr, size_t size, size_t alignment);
bool gooi_system_resize(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment);

#endif
