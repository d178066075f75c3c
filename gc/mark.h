/* Marking one reference: what mark.c and layout.c share, inline because it is the collector's
 * innermost loop.
 *
 * An entry of the mark stack is a word whose three low bits say what it is:
 *
 *   object                unmarked yet: test and mark it when it is popped   (scattered heaps)
 *   object | MARKED       marked when it was pushed: trace it                (ordered heaps)
 *   low | SLOTS, end      a range of slots still to be visited, two entries, `low` on top
 *   low | POINTERS, end   the same of plain pointers
 *
 * Ordered heaps: children lie near their parents, metadata and objects are in cache, so it pays to
 * test before pushing. Scattered heaps: every touch is a miss, so a reference is pushed untouched
 * and goes through a ring that prefetches both its metadata and its first line (PEERS: 3.5 ns
 * ordered for the first, 21 ns shuffled for the second, 34 for the first there).
 *
 * Marks are plain byte stores: markers that race would write the same value.
 */
#ifndef GOO_GC_MARK_H
#define GOO_GC_MARK_H

#include <string.h>

#include "gc/heap.h"
#include "runtime/bits.h"

enum { GOOI_ENTRY_MARKED = 1, GOOI_ENTRY_SLOTS = 2, GOOI_ENTRY_POINTERS = 4, GOOI_ENTRY_MASK = 7 };

#define GOOI_ENDS_OF_8 UINT64_C(0x0808080808080808)

/* The push could not grow the stack: the object is marked, and will be traced again (mark.c). */
GOOI_COLD void gooi_mark_drop(GooGcVisitor *v, uintptr_t entry);
bool gooi_mark_stack_grow(GooGcVisitor *v);
void gooi_trace_object(GooGcVisitor *v, uintptr_t object);
void gooi_trace_range(GooGcVisitor *v, const void *low, const void *end, bool pointers);

static inline uint64_t gooi_load_little_endian(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* The granules of an object whose metadata stands at `table` and begins with `byte`. */
static inline size_t gooi_marked_granules(const GooGcHeap *heap, uintptr_t object,
                                          const uint8_t *table, uint8_t byte) {
    if ((byte & GOO_GC_END) != 0) {
        return (object & (GOOI_PAGE_SIZE - 1)) != 0 ? 1 : gooi_object_granules(heap, object);
    }
    uint64_t ends = gooi_load_little_endian(table + 1) & GOOI_ENDS_OF_8;
    return ends != 0 ? 2 + (gooi_count_trailing_zeros(ends) >> 3)
                     : gooi_object_granules(heap, object);
}

static inline void gooi_mark_push(GooGcVisitor *v, uintptr_t entry) {
    if (GOOI_UNLIKELY(v->top == v->end) && !gooi_mark_stack_grow(v)) {
        gooi_mark_drop(v, entry);
        return;
    }
    *v->top++ = entry;
}

/* Marks the object that starts at `object`. True: it was not marked before, and has slots. */
static inline bool gooi_mark_set(GooGcVisitor *v, uintptr_t object) {
    uint8_t *table = gooi_metadata_of(object);
    uint8_t byte = *table;
    if ((byte & GOO_GC_COLOUR_MASK) == v->colour) {
        return false;
    }
    GOO_ASSERT((byte & GOO_GC_COLOUR_MASK) != 0, "gc: reference to %p, where no object starts",
               (void *)object);
    *table = (uint8_t)((byte & ~GOO_GC_COLOUR_MASK) | v->colour);
    v->objects++;
    v->granules += gooi_marked_granules(v->heap, object, table, byte);
    return (byte & GOO_GC_LOGGED) == 0;
}

/* Takes note of a reference to `address`, which may be anything. */
static inline void gooi_mark_address(GooGcVisitor *v, uintptr_t address) {
    if (address - v->base >= v->size) {
        return;
    }
    if (v->scattered) {
        GOOI_PREFETCH(gooi_metadata_of(address));
        gooi_mark_push(v, address);
    } else if (gooi_mark_set(v, address)) {
        gooi_mark_push(v, address | GOOI_ENTRY_MARKED);
    }
}

/* The same for a slot's value under the heap's encoding. */
static inline void gooi_mark_value(GooGcVisitor *v, uint64_t value) {
    if ((value & v->encoding.tag_mask) == v->encoding.tag_value) {
        gooi_mark_address(v, (uintptr_t)(value & v->encoding.address_mask));
    }
}

#endif
