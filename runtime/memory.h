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

/* What wants to know what this allocator does: its own counters (bit 0), the heap that it is
 * attached to (GOOI_ALLOCATOR_ATTACHED), and GOOI_WATCH_*, in one word. 0: nothing. */
static inline uint32_t gooi_memory_watch(const GooAllocator *a) {
    return (a->capabilities & GOOI_ALLOCATOR_ATTACHED) | (uint32_t)a->track_stats |
           atomic_load_explicit(&gooi_watch, memory_order_relaxed);
}

/* Whether the allocator's own blocks are counted: by its counters, or by a heap. */
static inline bool gooi_memory_watched(const GooAllocator *a) {
    return ((a->capabilities & GOOI_ALLOCATOR_ATTACHED) | (uint32_t)a->track_stats) != 0;
}

/* Whether it is nothing but counting. */
static inline bool gooi_memory_only_counted(uint32_t watch) {
    return (watch & ~(uint32_t)(1 | GOOI_WATCH_TRACKING)) == 0;
}

static inline bool gooi_memory_too_large(size_t size, size_t alignment) {
    return alignment > GOOI_SIZE_MAX || size > GOOI_SIZE_MAX - alignment;
}

/* Meets a request, watched or not, with everything that belongs to it. */
void *gooi_memory_serve(const GooiRequest *request);

/* What gooi_memory_fast left to do; `tried`: the first attempt was made, and failed. */
void *gooi_memory_complete(const GooiRequest *request, bool tried);

/* A new block of an allocator of which only counters want to know. NULL: there is none. */
void *gooi_memory_alloc_counted(GooAllocator *a, size_t size, size_t header, size_t alignment,
                                GooAllocOptions options);

/* Gives a block of a watched allocator back. */
void gooi_memory_release_watched(GooAllocator *a, void *ptr, size_t size, size_t header,
                                 size_t alignment, const char *call);

/* goo_memory_alloc_options and goo_memory_realloc_options, with a claim among the options. */
void *gooi_memory_alloc_claimed(GooAllocator *a, size_t size, size_t alignment,
                                GooAllocOptions options);
void *gooi_memory_realloc_claimed(GooAllocator *a, void *ptr, size_t old_size, size_t new_size,
                                  size_t alignment, GooAllocOptions options);

/* A request failed for good: counts it. */
void gooi_memory_count_failed(GooAllocator *a);

/* A reset, a rewind or the end of a region took `count` counted blocks back without a free each:
 * `size` bytes as the mechanism saw them, `header` of those hidden headers. Counts them as freed
 * and releases them from the heaps that the allocator is attached to. */
void gooi_memory_settle(GooAllocator *a, size_t size, size_t header, size_t count);

/* The same for a reset of an allocator that keeps no such sums: everything went but `count_left`
 * blocks with `bytes_left` bytes. */
void gooi_memory_settle_all_but(GooAllocator *a, size_t bytes_left, size_t count_left);

/* The fast path of every allocation: a new block straight from the mechanism, if nothing watches
 * the allocator, or only counters do. NULL: there is none yet, and *out_tried says whether the
 * mechanism was asked; the caller then describes the request and lets gooi_memory_complete see to
 * it. */
static GOOI_ALWAYS_INLINE void *gooi_memory_fast(GooAllocator *a, size_t size, size_t header,
                                                 size_t alignment, GooAllocOptions options,
                                                 bool *out_tried) {
    uint32_t watch = gooi_memory_watch(a);
    void *p = NULL;
    if (GOOI_LIKELY(watch == 0)) {
        *out_tried = true;
        p = a->alloc(a->context, size, alignment, options);
    } else if (gooi_memory_only_counted(watch)) {
        *out_tried = true;
        p = gooi_memory_alloc_counted(a, size, header, alignment, options);
    } else {
        *out_tried = false;
    }
    GOO_ASSERT(((uintptr_t)p & (alignment - 1)) == 0,
               "allocator '%s' returned %p, not aligned to %zu", a->name != NULL ? a->name : "?", p,
               alignment);
    return p;
}

/* Frees a block: the fast path of every free. */
static GOOI_ALWAYS_INLINE void gooi_memory_release(GooAllocator *a, void *ptr, size_t size,
                                                   size_t header, size_t alignment,
                                                   const char *call) {
    if (GOOI_UNLIKELY(gooi_memory_watch(a) != 0)) {
        gooi_memory_release_watched(a, ptr, size, header, alignment, call);
    } else {
        a->free(a->context, ptr, size, alignment);
    }
}

#endif
