/* Tracing one object by its layout, inline in the marking loops: no call per object or slot, except
 * for what only a callback can say.
 *
 * Ranges of GOOI_RANGE_SHORT words and more leave the loop for gooi_trace_range (layout.c), which
 * cuts and filters them.
 */
#ifndef GOO_GC_TRACE_H
#define GOO_GC_TRACE_H

#include "gc/mark.h"

#define GOOI_RANGE_SHORT 16

static GOOI_ALWAYS_INLINE void gooi_trace_words(GooiMarker *k, const GooiWord *words, size_t count,
                                                bool pointers) {
    if (k->backwards) {
        while (count-- > 0) {
            gooi_mark_word(k, words[count], pointers);
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            gooi_mark_word(k, words[i], pointers);
        }
    }
}

/* The words that the bits name. Mostly they are neighbours: then there is no bit to look for. */
static GOOI_ALWAYS_INLINE void gooi_trace_bits(GooiMarker *k, const GooiWord *words, uint64_t bits,
                                               bool pointers) {
    if (bits == 0) {
        return;
    }
    unsigned first = gooi_count_trailing_zeros(bits);
    uint64_t run = bits >> first;
    if (GOOI_LIKELY((run & (run + 1)) == 0)) {
        gooi_trace_words(k, words + first, 64 - gooi_count_leading_zeros(run), pointers);
        return;
    }
    for (unsigned n = 0; n < 64; n++) {
        unsigned i = k->backwards ? 63 - n : n;
        if ((bits >> i & 1) != 0) {
            gooi_mark_word(k, words[i], pointers);
        }
    }
}

static GOOI_ALWAYS_INLINE void gooi_trace_bitmap(GooiMarker *k, uintptr_t object,
                                                 const GooGcType *type) {
    const GooiWord *words = (const GooiWord *)object;
    for (size_t w = 0; w < type->bitmap_words; w++) {
        if ((type->flags & GOO_GC_TYPE_BITMAP_POINTERS) != 0) {
            gooi_trace_bits(k, words + w * 64, type->bitmap[w], true);
        } else {
            gooi_trace_bits(k, words + w * 64, type->bitmap[w], false);
        }
    }
}

static GOOI_ALWAYS_INLINE uintptr_t gooi_object_end(const GooGcVisitor *v, uintptr_t object) {
    const uint8_t *table = gooi_metadata_of(object);
    uint8_t byte = GOOI_LOAD_RELAXED(table);
    return object + (gooi_marked_granules(v->heap, object, table, byte) << GOOI_GRANULE_LOG2);
}

static GOOI_ALWAYS_INLINE void gooi_trace_array(GooiMarker *k, uintptr_t object,
                                                const GooGcType *type) {
    const GooiWord *low = (const GooiWord *)(object + type->array_offset);
    const GooiWord *end = (const GooiWord *)gooi_object_end(k->visitor, object);
    bool pointers = (type->flags & GOO_GC_TYPE_ARRAY_POINTERS) != 0;
    if (end - low < GOOI_RANGE_SHORT) {
        gooi_trace_words(k, low, low < end ? (size_t)(end - low) : 0, pointers);
        return;
    }
    gooi_marker_store(k);
    gooi_trace_range(k->visitor, low, end, pointers);
    gooi_marker_load(k, k->visitor);
}

/* The layouts that call out of the loop, embedders' objects apart. */
static GOOI_NEVER_INLINE void gooi_trace_outside(GooGcVisitor *v, uintptr_t object, bool typed) {
    const GooGcType *type = typed ? goo_gc_type_of((const void *)object) : NULL;
    if (type != NULL && type->layout == GOO_GC_LAYOUT_TRACE) {
        type->trace((void *)object, v);
    } else if (type == NULL || type->layout == GOO_GC_LAYOUT_CONSERVATIVE) {
        gooi_mark_conservative(v, (const void *)object, (const void *)gooi_object_end(v, object));
    }
}

/* An untyped object's first word is not looked at before its callback does: it may be a miss. */
static GOOI_ALWAYS_INLINE void gooi_trace_by_call(GooGcVisitor *v, uintptr_t object, bool typed) {
    unsigned kind = GOOI_LOAD_RELAXED(gooi_metadata_of(object)) & GOO_GC_KIND_MASK;
    if (!typed && GOOI_LIKELY(kind == GOO_GC_KIND_EMBEDDER)) {
        const GooGcOptions *options = &v->heap->options;
        options->trace_embedder((void *)object, v, options->user);
    } else {
        gooi_trace_outside(v, object, typed);
    }
}

/* Takes note of every reference that a marked object with slots holds. */
static GOOI_ALWAYS_INLINE void gooi_trace_object(GooiMarker *k, uintptr_t object, bool typed) {
    if (GOOI_LIKELY(typed)) {
        const GooGcType *type = (const GooGcType *)*(const GooiPointer *)object;
        if (type->layout == GOO_GC_LAYOUT_BITMAP) {
            gooi_trace_bitmap(k, object, type);
            return;
        }
        if (type->layout == GOO_GC_LAYOUT_ARRAY) {
            gooi_trace_array(k, object, type);
            gooi_trace_bitmap(k, object, type);
            return;
        }
    }
    gooi_marker_store(k);
    gooi_trace_by_call(k->visitor, object, typed);
    gooi_marker_reload(k);
}

/* The same out of line, for those who trace seldom. */
void gooi_trace_seldom(GooGcVisitor *v, uintptr_t object, bool typed);

#endif
