/* Marking one reference: the collector's innermost loop, shared by mark.c and layout.c.
 *
 * An entry of the mark stack is a word whose low bits say what it is; objects are aligned to 16,
 * slots to 8:
 *
 *   object                     unmarked yet: test and mark it when it is popped  (scattered heaps)
 *   object | MARKED            marked when it was pushed: trace it               (ordered heaps)
 *   object | MARKED | UNTYPED  the same, of an object without a type
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
 * the same value. A byte store may alias anything, so the loops work on a GooiMarker whose address
 * never leaves them: the compiler keeps it in registers. It is taken from the visitor before a
 * loop, and put back around every call that may mark by itself.
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
    GOOI_ENTRY_UNTYPED = 8,
    GOOI_ENTRY_OBJECT_MASK = 15
};

_Static_assert(GOO_GC_KIND_CONSERVATIVE / 4 == GOOI_ENTRY_UNTYPED &&
                   (GOO_GC_KIND_EMBEDDER & GOO_GC_KIND_CONSERVATIVE) != 0 &&
                   (GOO_GC_KIND_LEAF & GOO_GC_KIND_CONSERVATIVE) == 0,
               "the kind's upper bit becomes the entry's untyped bit");

static inline bool gooi_entry_is_range(uintptr_t entry) {
    return GOOI_UNLIKELY((entry & (GOOI_ENTRY_SLOTS | GOOI_ENTRY_POINTERS)) != 0);
}

#define GOOI_ENDS_OF_8 UINT64_C(0x0808080808080808)

typedef struct GooiMarker {
    uintptr_t base;
    size_t size;
    uint64_t tag_mask, tag_value, address_mask;
    uintptr_t *bottom, *top, *end;
    size_t objects;
    uint8_t colour;
    bool backwards, scattered;
    GooGcVisitor *visitor;
} GooiMarker;

static GOOI_ALWAYS_INLINE void gooi_marker_load(GooiMarker *k, GooGcVisitor *v) {
    k->visitor = v;
    k->base = v->base;
    k->size = v->size;
    k->tag_mask = v->encoding.tag_mask;
    k->tag_value = v->encoding.tag_value;
    k->address_mask = v->encoding.address_mask;
    k->colour = v->colour;
    k->bottom = v->stack;
    k->top = v->top;
    k->end = v->end;
    k->objects = v->objects;
    k->backwards = v->backwards;
    k->scattered = v->scattered;
}

static GOOI_ALWAYS_INLINE void gooi_marker_store(const GooiMarker *k) {
    GooGcVisitor *v = k->visitor;
    v->top = k->top;
    v->objects = k->objects;
}

/* After a trace callback, which marks and nothing else: what that changes. */
static GOOI_ALWAYS_INLINE void gooi_marker_reload(GooiMarker *k) {
    const GooGcVisitor *v = k->visitor;
    k->top = v->top;
    k->end = v->end;
    k->objects = v->objects;
}

/* Pushes what found no room: grows the stack, or marks the object and flags its block. */
GOOI_COLD void gooi_mark_push_slow(GooGcVisitor *v, uintptr_t entry);
bool gooi_mark_stack_grow(GooGcVisitor *v);
void gooi_trace_range(GooGcVisitor *v, const void *low, const void *end, bool pointers);

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

static GOOI_ALWAYS_INLINE void gooi_mark_push(GooiMarker *k, uintptr_t entry) {
    if (GOOI_UNLIKELY(k->top == k->end)) {
        gooi_marker_store(k);
        gooi_mark_push_slow(k->visitor, entry);
        gooi_marker_load(k, k->visitor);
        return;
    }
    *k->top++ = entry;
}

/* The entry of a marked object with slots: conservative and embedder share the bit that typed and
 * leaf lack. */
static GOOI_ALWAYS_INLINE uintptr_t gooi_mark_entry(uintptr_t object, unsigned byte) {
    return object | GOOI_ENTRY_MARKED | (byte & GOO_GC_KIND_CONSERVATIVE) / 4;
}

/* Marks the object that starts at `object`. Returns its entry for the stack if it was not marked
 * before and has slots, else 0. */
static GOOI_ALWAYS_INLINE uintptr_t gooi_mark_set(GooiMarker *k, uintptr_t object) {
    uint8_t *table = gooi_metadata_of(object);
    unsigned byte = GOOI_LOAD_RELAXED(table);
    if ((byte & GOO_GC_COLOUR_MASK) == k->colour) {
        return 0;
    }
    GOO_ASSERT((byte & GOO_GC_COLOUR_MASK) != 0, "gc: reference to %p, where no object starts",
               (void *)object);
    GOOI_STORE_RELAXED(table, (uint8_t)((byte & ~(unsigned)GOO_GC_COLOUR_MASK) | k->colour));
    k->objects++;
    if ((byte & (GOO_GC_LOGGED | GOO_GC_ATTENTION)) != 0) {
        if (GOOI_UNLIKELY((byte & GOO_GC_ATTENTION) != 0)) {
            gooi_waiting_key_marked(k->visitor->heap, object);
        }
        if ((byte & GOO_GC_LOGGED) != 0) {
            return 0;
        }
    }
    return gooi_mark_entry(object, byte);
}

/* Takes note of a reference to `address`, which may be anything. */
static GOOI_ALWAYS_INLINE void gooi_mark_address(GooiMarker *k, uintptr_t address) {
    if (address - k->base >= k->size) {
        return;
    }
    uintptr_t entry = k->scattered ? address : gooi_mark_set(k, address);
    if (entry != 0) {
        gooi_mark_push(k, entry);
    }
}

/* The same for a slot's value under the heap's encoding, or a plain pointer's. */
static GOOI_ALWAYS_INLINE void gooi_mark_word(GooiMarker *k, uint64_t word, bool pointer) {
    if (pointer) {
        gooi_mark_address(k, (uintptr_t)word);
    } else if ((word & k->tag_mask) == k->tag_value) {
        gooi_mark_address(k, (uintptr_t)(word & k->address_mask));
    }
}

#endif
