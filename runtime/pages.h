/* GOO_ALLOC_PAGE for mechanisms that do not know it: whole pages, given back as they were got.
 * Private.
 *
 * The mechanism is asked for a page's alignment and a size rounded up. The program frees with what
 * it asked for, so that somebody must remember what the mechanism saw: a record for each such
 * block. GOOI_WATCH_PAGES says that there are any.
 *
 *   PAGES-1  while the block lives and its allocator was not reset, its record is found by
 *            allocator, address and the size that was asked for
 *   PAGES-2  budgets, counters and the table of blocks see the size that was asked for, and the
 *            mechanism the rounded one, at both ends
 *
 * Threads: any.
 */
#ifndef GOO_RUNTIME_PAGES_H
#define GOO_RUNTIME_PAGES_H

#include "goo/core/types.h"
#include "runtime/base.h"
#include "runtime/globals.h"
#include "runtime/policy.h"

#include <stdatomic.h>

enum { GOOI_PAGES_BUCKETS = 256 };

typedef struct GooiPageBlock {
    struct GooiPageBlock *next;
    const GooAllocator *allocator;
    void *ptr;
    size_t asked;            /* the size that the program knows */
    size_t known, alignment; /* those that the mechanism knows */
} GooiPageBlock;

typedef struct GooiPages {
    atomic_flag lock;
    size_t count;
    GooiPageBlock *buckets[GOOI_PAGES_BUCKETS];
} GooiPages;
extern GooiPages gooi_pages;

static inline bool gooi_pages_any(void) {
    return (atomic_load_explicit(&gooi_watch, memory_order_relaxed) & GOOI_WATCH_PAGES) != 0;
}

/* Whether the request is for such a block. */
static inline bool gooi_pages_emulated(const GooiRequest *request) {
    return (request->options & GOO_ALLOC_PAGE) != 0 &&
           (request->allocator->capabilities & GOOI_ALLOCATOR_PAGES) == 0;
}

/* Whether it is for such a block, or may be about one. */
static inline bool gooi_pages_concern(const GooiRequest *request) {
    return gooi_pages_emulated(request) || GOOI_UNLIKELY(gooi_pages_any());
}

/* Pads the request to whole pages and aligns it to one. False: that is too large. */
GOOI_COLD bool gooi_pages_round(GooiRequest *request);

/* gooi_memory_serve and gooi_memory_resize for what gooi_pages_concern says. */
GOOI_COLD void *gooi_pages_serve(GooiRequest *request);
GOOI_COLD bool gooi_pages_resize(GooiRequest *request);

/* A block goes: if it is such a one, *size and *alignment become the mechanism's. */
GOOI_COLD void gooi_pages_forget(const GooAllocator *a, const void *ptr, size_t *size,
                                 size_t *alignment);
static inline void gooi_pages_release(const GooAllocator *a, const void *ptr, size_t *size,
                                      size_t *alignment) {
    if (GOOI_UNLIKELY(gooi_pages_any())) {
        gooi_pages_forget(a, ptr, size, alignment);
    }
}

/* Blocks of an allocator went at once: all, or those that it does not own any more. */
GOOI_COLD void gooi_pages_forget_all(GooAllocator *a, bool ended);
static inline void gooi_pages_end(GooAllocator *a, bool ended) {
    if (GOOI_UNLIKELY(gooi_pages_any())) {
        gooi_pages_forget_all(a, ended);
    }
}

#endif
