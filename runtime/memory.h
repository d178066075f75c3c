/* The front door's own insides, shared by the modern API (memory.c), the legacy one (legacy.c) and
 * the life of a request (request.c). Private.
 *
 * One request: check arguments (the public functions) -> one test whether anything watches -> the
 * mechanism -> on failure policy.c. With nothing watching the path is load, test, indirect call,
 * which for the library's own allocators is a jump.
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
#include "runtime/system.h"

/* No object is larger: pointer differences within it must fit. */
#define GOOI_SIZE_MAX ((size_t)PTRDIFF_MAX)

/* What wants to know what this allocator does with a block: its own counters (bit 0), the heap that
 * it is attached to (GOOI_ALLOCATOR_ATTACHED), counters that tell the block's `header` apart
 * (GOOI_ALLOCATOR_HEADERS), and GOOI_WATCH_*, in one word. 0: nothing. */
static GOOI_ALWAYS_INLINE uint32_t gooi_memory_watch(const GooAllocator *a, size_t header) {
    uint32_t bits = GOOI_ALLOCATOR_ATTACHED | (header != 0 ? GOOI_ALLOCATOR_HEADERS : 0u);
    return (a->capabilities & bits) | (uint32_t)a->track_stats |
           atomic_load_explicit(&gooi_watch, memory_order_relaxed);
}

/* Whether a new block is nobody's business but the mechanism's (GOOI_ALLOCATOR_DIRECT). Checks of
 * our own invariants want to see what it returns. */
static GOOI_ALWAYS_INLINE bool gooi_memory_direct(const GooAllocator *a) {
    uint32_t bits = GOOI_ALLOCATOR_ATTACHED | GOOI_ALLOCATOR_DIRECT;
    uint32_t other = ((a->capabilities & bits) ^ GOOI_ALLOCATOR_DIRECT) | (uint32_t)a->strategy |
                     (uint32_t)a->track_stats |
                     atomic_load_explicit(&gooi_watch, memory_order_relaxed);
    return GOO_CHECK_LEVEL < 2 && other == 0;
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

/* The mechanism's alloc and free. The system allocator's are called by name: where a program uses
 * several allocators, the processor learns the way to it sooner from a branch than from a jump with
 * many targets. */
static GOOI_ALWAYS_INLINE void *gooi_memory_ask(const GooAllocator *a, size_t size,
                                                size_t alignment, GooAllocOptions options) {
    GooAllocFn alloc = a->alloc;
    return alloc == gooi_system_alloc ? gooi_system_alloc(NULL, size, alignment, options)
                                      : alloc(a->context, size, alignment, options);
}

static GOOI_ALWAYS_INLINE void gooi_memory_give(const GooAllocator *a, void *ptr, size_t size,
                                                size_t alignment) {
    GooFreeFn release = a->free;
    if (release == gooi_system_free) {
        gooi_system_free(NULL, ptr, size, alignment);
    } else {
        release(a->context, ptr, size, alignment);
    }
}

/* Meets a request, watched or not, with everything that belongs to it. */
void *gooi_memory_serve(const GooiRequest *request);

/* The same after a first attempt that failed. */
void *gooi_memory_retry(const GooiRequest *request);

/* Makes a block longer or shorter where it is, through an allocator that can resize. False: it
 * stays as it was. */
bool gooi_memory_resize(const GooiRequest *request);

/* gooi_memory_serve for a new block of an allocator of which only counters want to know. */
void *gooi_memory_alloc_counted(GooAllocator *a, size_t size, size_t header, size_t alignment,
                                GooAllocOptions options, const char *call);

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

/* Frees a block: the fast path of every free. */
static GOOI_ALWAYS_INLINE void gooi_memory_release(GooAllocator *a, void *ptr, size_t size,
                                                   size_t header, size_t alignment,
                                                   const char *call) {
    if (GOOI_UNLIKELY(gooi_memory_watch(a, header) != 0)) {
        gooi_memory_release_watched(a, ptr, size, header, alignment, call);
    } else {
        gooi_memory_give(a, ptr, size, alignment);
    }
}

#endif
