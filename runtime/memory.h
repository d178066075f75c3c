/* The front door's own insides, shared by the modern API (memory.c) and the legacy one (legacy.c).
 * Private.
 *
 * One request: check arguments (the public functions) -> one test whether anything watches -> the
 * mechanism -> on failure policy.c. With nothing watching the path is load, test, indirect call.
 *
 *   FRONT-1  the mechanism sees sizes from 1 to GOOI_SIZE_MAX - alignment, so that its own small
 *            additions can't overflow, and alignments that are powers of two
 *   FRONT-2  a request that failed has changed no counter but failed_allocations, and no pressure
 *   FRONT-3  each block's bytes are reserved and released through the hooks with the same size
 */
#ifndef GOO_RUNTIME_MEMORY_H
#define GOO_RUNTIME_MEMORY_H

#include "runtime/base.h"
#include "runtime/bits.h"
#include "runtime/check.h"
#include "runtime/globals.h"
#include "runtime/policy.h"

/* No object is larger: pointer differences within it must fit. */
#define GOOI_SIZE_MAX ((size_t)PTRDIFF_MAX)

/* Whether anything wants to know what this allocator does: one test of two flags. */
static inline bool gooi_memory_watched(const GooAllocator *a) {
    return ((a->capabilities & GOOI_ALLOCATOR_ATTACHED) | (uint32_t)a->track_stats) != 0;
}

static inline bool gooi_memory_too_large(size_t size, size_t alignment) {
    return alignment > GOOI_SIZE_MAX || size > GOOI_SIZE_MAX - alignment;
}

/* Meets a request, watched or not, with everything that belongs to it. */
void *gooi_memory_serve(const GooiRequest *request);

/* The first attempt, made without gooi_memory_serve, has failed. */
GOOI_COLD void *gooi_memory_failed(const GooiRequest *request);

/* Gives a block of a watched allocator back. */
void gooi_memory_release_watched(GooAllocator *a, void *ptr, size_t size, size_t header,
                                 size_t alignment);

/* Allocates a new block: the fast path of every allocation. */
static GOOI_ALWAYS_INLINE void *gooi_memory_obtain(const GooiRequest *request) {
    GooAllocator *a = request->allocator;
    if (GOOI_UNLIKELY(gooi_memory_watched(a))) {
        return gooi_memory_serve(request);
    }
    void *p = a->alloc(a->context, request->size, request->alignment, request->options);
    if (GOOI_UNLIKELY(p == NULL)) {
        return gooi_memory_failed(request);
    }
    GOO_ASSERT(((uintptr_t)p & (request->alignment - 1)) == 0,
               "%s: allocator '%s' returned %p, not aligned to %zu", request->call,
               a->name != NULL ? a->name : "?", p, request->alignment);
    return p;
}

/* Frees a block: the fast path of every free. */
static GOOI_ALWAYS_INLINE void gooi_memory_release(GooAllocator *a, void *ptr, size_t size,
                                                   size_t header, size_t alignment) {
    if (GOOI_UNLIKELY(gooi_memory_watched(a))) {
        gooi_memory_release_watched(a, ptr, size, header, alignment);
    } else {
        a->free(a->context, ptr, size, alignment);
    }
}

#endif
