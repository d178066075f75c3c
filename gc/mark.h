/* Marking one reference: the collector's innermost loop, shared by mark.c and layout.c.
 *
 * An entry of the mark stack is a word whose low bits say what it is; objects are aligned to 16,
 * slots to 8:
 *
 *   object                     unmarked yet: test and mark it when it is popped  (scattered heaps)
 *   object | MARKED            marked when it was pushed: trace it               (ordered heaps)
 *   object | MARKED | kind     the same, of an object without a type: its metadata's kind, shifted
 *   low | SLOTS, end           a range of slots still to be visited, two entries, `low` on top
 *   low | POINTERS, end        the same of plain pointers
 *
 * Ordered heaps: children lie near their parents, metadata and objects are in cache, so it pays to
 * test before pushing. Scattered heaps: every touch is a miss, so a reference is pushed untouched
 * and goes through a ring that prefetches both its metadata and its first line.
 *
 * Order: the stack reverses what is pushed. Where parents were made before their children, the last
 * reference is pushed first, so that popping goes through memory upwards; where children came first
 * it is the other way round. Which it is, the references seen so far tell.
 *
 * Marks are plain byte stores, which the language calls relaxed atomics: markers that race write
 * the same value.
 */
#ifndef GOO_GC_MARK_H
#define GOO_GC_MARK_H

#include "gc/heap.h"
#include "runtime/bits.h"

enum {
    GOOI_ENTRY_MARKED = 1,
    GOOI_ENTRY_SLOTS = 2,
    GOOI_ENTRY_POINTERS = 4,
    GOOI_ENTRY_RANGE_MASK = 7, /* what is not the address of a range */
    GOOI_ENTRY_KIND_MASK = 12, /* of an object that is marked */
    GOOI_ENTRY_OBJECT_MASK = 15
};

#define GOOI_ENTRY_KIND(kind) ((kind) >> 2)

_Static_assert(GOOI_ENTRY_KIND(GOO_GC_KIND_MASK) == GOOI_ENTRY_KIND_MASK &&
                   GOO_GC_KIND_TYPED == 0,
               "an entry has room for its object's kind");

/* What is not: an object, or a range's end. */
static inline bool gooi_entry_is_range(uintptr_t entry) {
    return (entry & GOOI_ENTRY_MARKED) == 0 &&
           (entry & (GOOI_ENTRY_SLOTS | GOOI_ENTRY_POINTERS)) != 0;
}

#define GOOI_ENDS_OF_8 UINT64_C(0x0808080808080808)

/* Pushes what found no room: grows the stack, or marks the object and flags its block. */
GOOI_COLD void gooi_mark_push_slow(GooGcVisitor *v, uintptr_t entry);
bool gooi_mark_stack_grow(GooGcVisitor *v);
void gooi_trace_range(GooGcVisitor *v, const void *low, const void *end, bool pointers);
/* Takes note of every reference that a marked object with slots holds. */
void gooi_trace_object(GooGcVisitor *v, uintptr_t object, unsigned kind);

/* Eight metadata bytes at once. Other markers may be storing colours into some of them, which the
 * caller does not look at. */
static inline uint64_t gooi_load_metadata(const uint8_t *table) {
#if defined(__SANITIZE_THREAD__)
    uint64_t word = 0;
    for (int i = 0; i < 8; i++) {
        word |= (uint64_t)GOOI_LOAD_RELAXED(table + i) << (8 * i);
    }
    return word;
#else
    return gooi_load_little_endian(table);
#endif
}

/* The granules of an object whose metadata stands at `table` and begins with `byte`. */
static GOOI_ALWAYS_INLINE size_t gooi_marked_granules(const GooGcHeap *heap, uintptr_t object,
                                                      const uint8_t *table, uint8_t byte) {
    if ((byte & GOO_GC_END) != 0) {
        return (object & (GOOI_PAGE_SIZE - 1)) != 0 ? 1 : gooi_object_granules(heap, object);
    }
    uint64_t ends = gooi_load_metadata(table + 1) & GOOI_ENDS_OF_8;
    return GOOI_LIKELY(ends != 0) ? 2 + (gooi_count_trailing_zeros(ends) >> 3)
                                  : gooi_object_granules(heap, object);
}

static GOOI_ALWAYS_INLINE uintptr_t gooi_object_end(const GooGcVisitor *v, uintptr_t object) {
    const uint8_t *table = gooi_metadata_of(object);
    uint8_t byte = GOOI_LOAD_RELAXED(table);
    return object + (gooi_marked_granules(v->heap, object, table, byte) << GOOI_GRANULE_LOG2);
}

static GOOI_ALWAYS_INLINE void gooi_mark_push(GooGcVisitor *v, uintptr_t entry) {
    if (GOOI_UNLIKELY(v->top == v->end)) {
        gooi_mark_push_slow(v, entry);
    } else {
        *v->top++ = entry;
    }
}

/* The entry of a marked object with slots. */
static GOOI_ALWAYS_INLINE uintptr_t gooi_mark_entry(uintptr_t object, unsigned byte) {
    return object | GOOI_ENTRY_MARKED | GOOI_ENTRY_KIND(byte & GOO_GC_KIND_MASK);
}

/* Marks the object that starts at `object`. Returns its entry for the stack if it was not marked
 * before and has slots, else 0. */
static GOOI_ALWAYS_INLINE uintptr_t gooi_mark_set(GooGcVisitor *v, uintptr_t object) {
    uint8_t *table = gooi_metadata_of(object);
    unsigned byte = GOOI_LOAD_RELAXED(table);
    unsigned change = (byte ^ v->colour) & GOO_GC_COLOUR_MASK;
    if (change == 0) {
        return 0;
    }
    GOO_ASSERT((byte & GOO_GC_COLOUR_MASK) != 0, "gc: reference to %p, where no object starts",
               (void *)object);
    GOOI_STORE_RELAXED(table, (uint8_t)(byte ^ change));
    v->objects++;
    if (GOOI_UNLIKELY((byte & GOO_GC_ATTENTION) != 0)) {
        gooi_waiting_key_marked(v->heap, object);
    }
    return (byte & GOO_GC_LOGGED) != 0 ? 0 : gooi_mark_entry(object, byte);
}

/* Takes note of a reference to `address`, which may be anything. */
static GOOI_ALWAYS_INLINE void gooi_mark_address(GooGcVisitor *v, uintptr_t address) {
    if (address - v->base >= v->size) {
        return;
    }
    uintptr_t entry = v->scattered ? address : gooi_mark_set(v, address);
    if (entry != 0) {
        gooi_mark_push(v, entry);
    }
}

/* The same for a slot's value under the heap's encoding, or a plain pointer's. */
static GOOI_ALWAYS_INLINE void gooi_mark_word(GooGcVisitor *v, uint64_t word, bool pointer) {
    if (pointer) {
        gooi_mark_address(v, (uintptr_t)word);
    } else if ((word & v->encoding.tag_mask) == v->encoding.tag_value) {
        gooi_mark_address(v, (uintptr_t)(word & v->encoding.address_mask));
    }
}

#endif
