/* Tracing one object inline in the marking loops: no call per object or slot, except for what only
 * a callback, or a long range, can say.
 *
 *   kind, type ──▶ shape: which of the first 64 words are slots ──▶ each slot's reference
 *
 * Most objects have such a shape: a bitmap of one word, a short array, or both. Where the slots are
 * plain pointers side by side they are walked as that; else bit by bit. What has no shape, or finds
 * the stack nearly full, leaves the loop for gooi_trace_object (layout.c), which does the same for
 * any object.
 *
 * A loop keeps the top of its stack in a register; the rest it reads from the visitor, which costs
 * nothing on processors that take operands from memory, and leaves the other registers to slots.
 * Direction and mode are constants of the loop, so that a slot costs no test of either. There is
 * room on the stack for a whole shape before its first push.
 */
#ifndef GOO_GC_TRACE_H
#define GOO_GC_TRACE_H

#include "gc/mark.h"
#include "gc/mark_mode.h"

/* Ordered heaps are gone through in one direction, a few lines at a time between jumps: too few for
 * the processor to notice by itself. So far ahead, in bytes, memory is asked for. */
#define GOOI_OBJECTS_AHEAD 448
#define GOOI_METADATA_AHEAD 128

/* --- shapes --- */

static GOOI_ALWAYS_INLINE GooiShape gooi_shape_of_array(const GooGcVisitor *v, uintptr_t object,
                                                        const GooGcType *type, uint64_t before) {
    enum { BOTH = GOO_GC_TYPE_BITMAP_POINTERS | GOO_GC_TYPE_ARRAY_POINTERS };
    bool pointers = (type->flags & GOO_GC_TYPE_ARRAY_POINTERS) != 0;
    bool alike = before == 0 || (type->flags & BOTH) == 0 || (type->flags & BOTH) == BOTH;
    size_t first = type->array_offset / sizeof(GooiWord);
    size_t end = (gooi_object_end(v, object) - object) / sizeof(GooiWord);
    if (!alike || first >= end || end > GOOI_SHAPE_WORDS) {
        return (GooiShape){.bits = 0};
    }
    uint64_t array = UINT64_MAX >> (GOOI_SHAPE_WORDS - end) & UINT64_MAX << first;
    return (GooiShape){.bits = before | array, .pointers = pointers};
}

static GOOI_ALWAYS_INLINE GooiShape gooi_shape_of_type(const GooGcVisitor *v, uintptr_t object,
                                                       const GooGcType *type) {
    if (type->bitmap_words > 1) {
        return (GooiShape){.bits = 0};
    }
    if (GOOI_LIKELY(type->layout == GOO_GC_LAYOUT_BITMAP)) {
        return (GooiShape){.bits = type->bitmap_words == 0 ? 0 : type->bitmap[0],
                           .pointers = (type->flags & GOO_GC_TYPE_BITMAP_POINTERS) != 0};
    }
    if (type->layout == GOO_GC_LAYOUT_ARRAY) {
        return gooi_shape_of_array(v, object, type, type->bitmap_words == 0 ? 0 : type->bitmap[0]);
    }
    return (GooiShape){.bits = 0};
}

static GOOI_ALWAYS_INLINE GooiShape gooi_shape_of(const GooGcVisitor *v, uintptr_t object,
                                                  unsigned kind) {
    const GooGcType *type = NULL;
    if (kind == GOO_GC_KIND_TYPED) {
        type = (const GooGcType *)*(const GooiPointer *)object;
    } else if (kind == GOO_GC_KIND_EMBEDDER) {
        type = v->heap->options.embedder_layout;
    }
    return type != NULL ? gooi_shape_of_type(v, object, type) : (GooiShape){.bits = 0};
}

/* --- slots --- */

/* A reference of an ordered heap's object. The store goes beyond the top for objects without slots
 * too: whether one has slots is no branch. */
static GOOI_ALWAYS_INLINE uintptr_t *gooi_trace_near(GooGcVisitor *v, uintptr_t *top,
                                                     uintptr_t object, GooiTraceMode mode) {
    uint8_t *table = gooi_metadata_of(object);
    unsigned byte = GOOI_LOAD_RELAXED(table);
    GOOI_PREFETCH(mode.backwards ? table + GOOI_METADATA_AHEAD : table - GOOI_METADATA_AHEAD);
    unsigned change = (byte ^ v->colour) & GOO_GC_COLOUR_MASK;
    if (change == 0) {
        return top;
    }
    GOO_ASSERT((byte & GOO_GC_COLOUR_MASK) != 0, "gc: reference to %p, where no object starts",
               (void *)object);
    GOOI_STORE_RELAXED(table, (uint8_t)(byte ^ change));
    v->objects++;
    if (GOOI_UNLIKELY((byte & GOO_GC_ATTENTION) != 0)) {
        gooi_waiting_key_marked(v->heap, object);
    }
    *top = gooi_mark_entry(object, byte);
    return top + ((byte & GOO_GC_LOGGED) == 0);
}

static GOOI_ALWAYS_INLINE uintptr_t *gooi_trace_reference(GooGcVisitor *v, uintptr_t *top,
                                                          uintptr_t address, GooiTraceMode mode) {
    if (address - v->base >= v->size) {
        return top;
    }
    if (mode.scattered) {
        *top = address;
        return top + 1;
    }
    return gooi_trace_near(v, top, address, mode);
}

/* `count` > 0 plain pointers side by side. */
static GOOI_ALWAYS_INLINE uintptr_t *gooi_trace_pointers(GooGcVisitor *v, uintptr_t *top,
                                                         const GooiWord *words, size_t count,
                                                         GooiTraceMode mode) {
    const GooiWord *word = mode.backwards ? words + count - 1 : words;
    const GooiWord *stop = mode.backwards ? words - 1 : words + count;
    do {
        top = gooi_trace_reference(v, top, (uintptr_t)*word, mode);
        word += mode.backwards ? -1 : 1;
    } while (word != stop);
    return top;
}

static GOOI_ALWAYS_INLINE void gooi_trace_reverse(uintptr_t *low, uintptr_t *high) {
    while (low < --high) {
        uintptr_t entry = *low;
        *low++ = *high;
        *high = entry;
    }
}

/* The words of `bits` in any encoding. */
static GOOI_ALWAYS_INLINE uintptr_t *gooi_trace_bits(GooGcVisitor *v, uintptr_t *top,
                                                     const GooiWord *words, GooiShape shape,
                                                     GooiTraceMode mode) {
    uint64_t tag_mask = shape.pointers ? 0 : v->encoding.tag_mask;
    uint64_t tag_value = shape.pointers ? 0 : v->encoding.tag_value;
    uint64_t address_mask = shape.pointers ? UINT64_MAX : v->encoding.address_mask;
    uintptr_t *bottom = top;
    for (uint64_t bits = shape.bits; bits != 0; bits &= bits - 1) {
        uint64_t word = words[gooi_count_trailing_zeros(bits)];
        if ((word & tag_mask) == tag_value) {
            top = gooi_trace_reference(v, top, (uintptr_t)(word & address_mask), mode);
        }
    }
    if (mode.backwards) {
        gooi_trace_reverse(bottom, top);
    }
    return top;
}

/* How many bits there are from the first on, if they are neighbours and not all; else 0. */
static GOOI_ALWAYS_INLINE unsigned gooi_shape_run(uint64_t bits, unsigned first) {
    uint64_t run = bits >> first, beyond = run + 1;
    return (run & beyond) != 0 || beyond == 0 ? 0 : gooi_count_trailing_zeros(beyond);
}

static GOOI_ALWAYS_INLINE uintptr_t *gooi_trace_shape(GooGcVisitor *v, uintptr_t *top,
                                                      const GooiWord *words, GooiShape shape,
                                                      GooiTraceMode mode) {
    if (shape.pointers) {
        unsigned first = gooi_count_trailing_zeros(shape.bits);
        unsigned run = gooi_shape_run(shape.bits, first);
        if (GOOI_LIKELY(run != 0)) {
            return gooi_trace_pointers(v, top, words + first, run, mode);
        }
    }
    return gooi_trace_bits(v, top, words, shape, mode);
}

/* Takes note of every reference that a marked object with slots holds. Gives the stack's top. */
static GOOI_ALWAYS_INLINE uintptr_t *gooi_trace_inline(GooGcVisitor *v, uintptr_t *top,
                                                       uintptr_t object, unsigned kind,
                                                       GooiTraceMode mode) {
    const GooiWord *words = (const GooiWord *)object;
    if (GOOI_LIKELY((uintptr_t)top <= v->room)) {
        if (kind == GOO_GC_KIND_EMBEDDER && v->links != 0) {
            return gooi_trace_pointers(v, top, words, v->links, mode);
        }
        GooiShape shape = gooi_shape_of(v, object, kind);
        if (GOOI_LIKELY(shape.bits != 0)) {
            return gooi_trace_shape(v, top, words, shape, mode);
        }
    }
    v->top = top;
    gooi_trace_object(v, object, kind);
    return v->top;
}

#endif
