/* Allocation behind the inline fast path: the three sizes, and what happens when there is no more.
 *
 *   span empty ─▶ collection due? ─▶ this block (small.c) ─▶ next block ─▶ new slab
 *                                    NULL ◀─ collect, try again ◀─┘
 *
 * Within the block that a thread has it takes memory without a lock or a question; what is due is
 * asked every GOOI_SPAN_MAX bytes, and whenever another block is wanted.
 *
 * ALLOC-2  fast.limit is span_limit, or is pulled down to the cursor so that the next allocation
 *          asks in full: a collection was requested, stress counts allocations, or none is allowed.
 * ALLOC-3  the heap's since_bytes and every mutator's together are what was handed out, but for the
 *          spans' own.
 */
#include <errno.h>
#include <string.h>

#include "gc/heap.h"
#include "gc/lock.h"
#include "runtime/bits.h"
#include "runtime/platform/platform.h"

#define GOOI_SMALL_MISSES 64 /* small objects in a row that the medium region had to take */

/* --- spans --- */

static void span_show(GooGcMutator *m) {
    m->fast.limit = m->span_limit;
    m->hidden = false;
}

static void span_hide(GooGcMutator *m) {
    m->fast.limit = m->fast.cursor;
    m->hidden = true;
}

/* Counts what this thread handed out with what others did; under the lock. */
static void alloc_share_count(GooGcMutator *m) {
    m->heap->since_bytes += m->since_bytes;
    m->since_bytes = m->since_checked = 0;
}

/* Takes the mutator's memory away, as a collection needs it: what was not used stays a hole. */
void gooi_alloc_retire_span(GooGcMutator *m) {
    gooi_span_clear(m);
    alloc_share_count(m);
    gooi_region_give_back(m, m->small);
    gooi_region_give_back(m, m->medium);
}

/* Where no allocation is allowed the fast path must not serve one. */
void gooi_alloc_hide_span(GooGcMutator *m) {
    span_hide(m);
}

void gooi_alloc_hide_here(GooGcHeap *heap) {
    GooGcMutator *m = gooi_mutator_here(heap);
    if (m != NULL) {
        span_hide(m);
    }
}

/* Makes the next allocation or safepoint come here. */
void gooi_alloc_request_collection(GooGcMutator *m) {
    m->collect_requested = true;
    span_hide(m);
}

/* --- the three sizes --- */

/* The heap's blocks are shared, so this is what takes the lock. */
static bool alloc_next_block(GooGcMutator *m, GooiRegion *region) {
    gooi_heap_lock(m->heap);
    alloc_share_count(m);
    bool found = gooi_region_next_block(m, region);
    gooi_heap_unlock(m->heap);
    return found;
}

/* An object at [start, start + granules) of the region's block, whose metadata is zero there. */
static void *alloc_place(GooGcMutator *m, const GooiRegion *region, uintptr_t start,
                         size_t granules, unsigned metadata) {
    size_t bytes = granules << GOOI_GRANULE_LOG2;
    uint8_t *table = gooi_metadata_of(start);
    if (!region->clean) {
        gooi_space_zero(start, bytes);
    }
    table[granules - 1] = GOO_GC_END; /* and the start as well, where there is only one */
    table[0] |= (uint8_t)(metadata | GOO_GC_COLOUR_YOUNG);
    m->since_bytes += bytes;
    return (void *)start;
}

static void *alloc_medium(GooGcMutator *m, size_t granules, unsigned metadata) {
    GooiRegion *region = m->medium;
    while (!gooi_region_first_fit(region, granules)) {
        if (!alloc_next_block(m, region)) {
            return NULL;
        }
    }
    return alloc_place(m, region, region->cursor, granules, metadata);
}

/* Goes on to the next block; the span is empty until one of its holes is entered. */
static bool small_next_block(GooGcMutator *m) {
    gooi_span_clear(m);
    if (!alloc_next_block(m, m->small)) {
        return false;
    }
    gooi_span_begin_block(m);
    return true;
}

/* Goes on to the next block, if this one is used up. False: it has many holes, all too short for
 * this object, which is then one for the medium region: so a few long objects never cost short ones
 * their holes. When such come in a row the block is given up after all. */
static bool small_advance(GooGcMutator *m, size_t size) {
    bool used_up = m->small->hole_index >= m->small->hole_count;
    if (!used_up && (size > GOOI_MEDIUM_MIN || ++m->small_misses < GOOI_SMALL_MISSES)) {
        return false;
    }
    m->small_misses = 0;
    return small_next_block(m);
}

static void *alloc_small(GooGcMutator *m, size_t size, unsigned metadata) {
    void *object = goo_gc_bump_inline(m, size, metadata);
    while (object == NULL) {
        object = gooi_small_alloc(m, size, metadata);
        if (object == NULL && !small_advance(m, size)) {
            return alloc_medium(m, gooi_granules_of(size), metadata);
        }
    }
    return object;
}

static void *alloc_try(GooGcMutator *m, size_t size, unsigned metadata) {
    if (size > GOOI_SMALL_MAX) {
        gooi_heap_lock(m->heap);
        void *large = gooi_large_alloc(m->heap, size, metadata);
        gooi_heap_unlock(m->heap);
        return large;
    }
    span_show(m);
    void *object = alloc_small(m, size, metadata);
    if (m->heap->options.stress_interval != 0) {
        span_hide(m);
    }
    return object;
}

/* --- when to collect, and when to give up --- */

static bool alloc_collection_is_due(GooGcMutator *m) {
    GooGcHeap *heap = m->heap;
    if (heap->disable_depth != 0) {
        return false;
    }
    if (heap->options.stress_interval != 0 && ++m->stress_count >= heap->options.stress_interval) {
        m->stress_count = 0;
        return true;
    }
    return gooi_pace_is_due(heap);
}

/* A call on a mutator that is no living thread's is a mistake that can't be reported in its memory;
 * one by a thread that is not the mutator's is refused: false. */
static bool alloc_is_allowed(const GooGcMutator *m) {
    GOO_REQUIRE(m != NULL && m->heap != NULL && m->heap->magic == GOOI_HEAP_MAGIC,
                "goo_gc_alloc: mutator %p of no living heap", (const void *)m);
    GOO_REQUIRE(m->thread_id != 0, "goo_gc_alloc: mutator %p is detached", (const void *)m);
    if (m->thread_id != gooi_thread_here()) {
        errno = EINVAL;
        return false;
    }
    GOO_REQUIRE(!gooi_heap_is_mine(m->heap),
                "goo_gc_alloc: called inside a collection (a trace, a finalize, a listener)");
    GOO_REQUIRE(m->blocking_depth == 0, "goo_gc_alloc: called inside a blocking region");
    return true;
}

GOOI_COLD void *gooi_alloc_fail(GooGcMutator *m, size_t size) {
    if (m->heap->refused) {
        gooi_limit_hit(m->heap);
    }
    m->heap->refused = false;
    gooi_notify(m->heap, GOO_GC_EVENT_OUT_OF_MEMORY, size);
    errno = ENOMEM;
    return NULL;
}

static bool alloc_collect_for(GooGcHeap *heap, size_t size) {
    return size <= GOOI_SMALL_MAX ? gooi_collect_for_block(heap, size)
                                  : size <= heap->size && gooi_collect_emergency(heap, size);
}

/* Every allocation that needs to ask something first. */
static GOOI_NEVER_INLINE void *alloc_in_full(GooGcMutator *m, size_t size, unsigned metadata) {
    if (!alloc_is_allowed(m)) {
        return NULL;
    }
    if (gooi_mutator_is_polled(m)) {
        gooi_safepoint_park(m);
    }
    gooi_span_settle(m);
    m->since_checked = m->since_bytes;
    if (alloc_collection_is_due(m)) {
        gooi_collect(m->heap, GOO_GC_FULL);
    }
    m->collect_requested = false;
    atomic_store_explicit(&m->heap->refused, false, memory_order_relaxed);
    if (!gooi_temporaries_have_room(m)) {
        return gooi_alloc_fail(m, size);
    }
    void *object = alloc_try(m, size, metadata);
    for (unsigned n = 0; object == NULL && gooi_limit_try_again(m->heap, n) &&
                         alloc_collect_for(m->heap, size);
         n++) {
        object = alloc_try(m, size, metadata);
    }
    return object != NULL ? object : gooi_alloc_fail(m, size);
}

/* What the fast path could not serve, but the block that this thread has can: without a lock or a
 * question, for a span's worth of bytes at a time. */
static void *alloc_slow(GooGcMutator *m, size_t size, unsigned metadata) {
    void *object = NULL;
    if (!m->hidden && !gooi_mutator_is_polled(m) && size <= GOOI_SMALL_MAX &&
        m->since_bytes - m->since_checked < GOOI_SPAN_MAX) {
        object = gooi_small_alloc(m, size, metadata);
    }
    return object != NULL ? object : alloc_in_full(m, size, metadata);
}

/* --- the public calls --- */

static void *alloc_with_kind(GooGcMutator *m, size_t size, unsigned metadata) {
    if (GOOI_UNLIKELY(size == 0)) {
        return NULL;
    }
    void *object = goo_gc_bump_inline(m, size, metadata);
    return GOOI_LIKELY(object != NULL) ? object : alloc_slow(m, size, metadata);
}

static void *alloc_finalizable(GooGcMutator *m, const GooGcType *type, size_t size,
                               unsigned metadata) {
    if (!alloc_is_allowed(m)) {
        return NULL;
    }
    m->heap->refused = false;
    if (!gooi_finalize_reserve(m->heap) &&
        !(gooi_collect_emergency(m->heap, size) && gooi_finalize_reserve(m->heap))) {
        return gooi_alloc_fail(m, size);
    }
    void *object = alloc_with_kind(m, size, metadata | GOO_GC_ATTENTION);
    if (object != NULL) {
        *(GooiPointer *)object = (void *)type;
    }
    gooi_finalize_add(m->heap, object);
    return object;
}

void *goo_gc_alloc(GooGcMutator *m, const GooGcType *type, size_t size) {
    size_t bytes = size != 0 ? size : type->size;
    if (GOOI_UNLIKELY(bytes == 0)) {
        errno = EINVAL;
        return NULL;
    }
    unsigned quiet = type->layout == GOO_GC_LAYOUT_LEAF ? GOO_GC_LOGGED : 0;
    if (GOOI_UNLIKELY(type->finalize != NULL)) {
        return alloc_finalizable(m, type, bytes, GOO_GC_KIND_TYPED | quiet);
    }
    void *object = alloc_with_kind(m, bytes, GOO_GC_KIND_TYPED | quiet);
    if (GOOI_LIKELY(object != NULL)) {
        *(GooiPointer *)object = (void *)type;
    }
    return object;
}

void *goo_gc_alloc_leaf(GooGcMutator *m, size_t size) {
    return alloc_with_kind(m, size, GOO_GC_KIND_LEAF | GOO_GC_LOGGED);
}

void *goo_gc_alloc_conservative(GooGcMutator *m, size_t size) {
    return alloc_with_kind(m, size, GOO_GC_KIND_CONSERVATIVE);
}

void *goo_gc_alloc_embedder(GooGcMutator *m, size_t size) {
    if (size < m->fast.embedder_least) {
        errno = EINVAL;
        return NULL;
    }
    return alloc_with_kind(m, size, GOO_GC_KIND_EMBEDDER);
}

void *goo_gc_realloc_leaf(GooGcMutator *m, void *ptr, size_t new_size) {
    if (ptr == NULL || new_size == 0) {
        return goo_gc_alloc_leaf(m, new_size);
    }
    if (!alloc_is_allowed(m)) {
        return NULL;
    }
    size_t old_size = goo_gc_size_of(m->heap, ptr);
    GOO_REQUIRE(old_size != 0, "goo_gc_realloc_leaf: %p is no object of this heap", ptr);
    if (new_size <= old_size && new_size > old_size - GOOI_GRANULE_SIZE) {
        return ptr;
    }
    goo_gc_push(m, ptr);
    void *copy = goo_gc_alloc_leaf(m, new_size);
    goo_gc_pop(m, 1);
    if (copy != NULL) {
        memcpy(copy, ptr, old_size < new_size ? old_size : new_size);
    }
    return copy;
}
