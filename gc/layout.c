/* Tracing objects of any layout, ranges of slots, and the calls that trace callbacks make. Most
 * objects do not come here: gc/trace.h traces them inline in the marking loops.
 *
 * Ranges above GOOI_RANGE_STEP words are cut: the rest goes back on the mark stack, so that an
 * array of ten million slots does not push ten million entries. Longer pieces are filtered by a
 * vector kernel into a small buffer of addresses first; nothing but references then reaches the
 * marking code.
 *
 * Each public visit call either marks, or shows the reference to an observer (verify.c).
 */
#include "gc/heap.h"
#include "gc/mark.h"

#define GOOI_RANGE_STEP 1024 /* words traced at a time */
#define GOOI_FILTER_MIN 16   /* words from which the filter pays */

/* What a type says that can't be, or NULL. */
const char *gooi_layout_fault(const GooGcType *type) {
    bool has_array = type->layout == GOO_GC_LAYOUT_ARRAY;
    if ((unsigned)type->layout > GOO_GC_LAYOUT_CONSERVATIVE) {
        return "has a layout that is none";
    }
    if (type->layout == GOO_GC_LAYOUT_TRACE && type->trace == NULL) {
        return "has no trace";
    }
    if ((has_array || type->layout == GOO_GC_LAYOUT_BITMAP) && type->bitmap == NULL &&
        type->bitmap_words != 0) {
        return "has no bitmap, but bitmap_words";
    }
    return has_array && type->array_offset % sizeof(GooiWord) != 0
               ? "has an array_offset that is no multiple of the word"
               : NULL;
}

/* The bytes that an object must have for what its bitmap, or its array's offset, names. */
size_t gooi_layout_reach(const GooGcType *type) {
    size_t reach = type->layout == GOO_GC_LAYOUT_ARRAY ? type->array_offset : 0;
    for (size_t w = type->bitmap_words; w-- > 0;) {
        if (type->bitmap[w] != 0) {
            size_t words = w * 64 + 64 - gooi_count_leading_zeros(type->bitmap[w]);
            return words * sizeof(GooiWord) > reach ? words * sizeof(GooiWord) : reach;
        }
    }
    return reach;
}

size_t gooi_layout_links(const GooGcType *type) {
    if (type == NULL || type->layout != GOO_GC_LAYOUT_BITMAP || type->bitmap_words != 1 ||
        (type->flags & GOO_GC_TYPE_BITMAP_POINTERS) == 0) {
        return 0;
    }
    uint64_t bits = type->bitmap[0];
    bool from_first_on = (bits & (bits + 1)) == 0;
    return from_first_on && bits != 0 ? 64 - gooi_count_leading_zeros(bits) : 0;
}

/* --- ranges --- */

static GooiReferenceFilter layout_filter(const GooGcVisitor *v, bool pointers) {
    GooiReferenceFilter filter = {.address_mask = UINT64_MAX, .base = v->base, .size = v->size};
    if (!pointers) {
        filter.tag_mask = v->encoding.tag_mask;
        filter.tag_value = v->encoding.tag_value;
        filter.address_mask = v->encoding.address_mask;
    }
    return filter;
}

static void layout_mark_words(GooGcVisitor *v, const GooiWord *words, size_t count, bool pointers) {
    for (size_t i = 0; i < count; i++) {
        gooi_mark_word(v, words[v->backwards ? count - 1 - i : i], pointers);
    }
}

/* Arrays are often filled with one reference over long stretches. */
static void layout_mark_found(GooGcVisitor *v, const uint64_t *found, size_t count) {
    uint64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t address = found[v->backwards ? count - 1 - i : i];
        if (address != last) {
            gooi_mark_address(v, (uintptr_t)address);
        }
        last = address;
    }
}

/* Marks what `count` words refer to. The filter leaves only references into the heap. */
static void layout_trace_words(GooGcVisitor *v, const GooiWord *words, size_t count,
                               bool pointers) {
    if (count < GOOI_FILTER_MIN) {
        layout_mark_words(v, words, count, pointers);
    } else {
        uint64_t found[GOOI_RANGE_STEP + 8];
        GooiReferenceFilter filter = layout_filter(v, pointers);
        size_t n = gooi_kernels->filter_references((const uint64_t *)words, count, &filter, found);
        layout_mark_found(v, found, n);
    }
}

/* Puts the rest of a range on the stack; false when there is no room. */
static bool layout_defer(GooGcVisitor *v, const GooiWord *low, const GooiWord *end, bool pointers) {
    if (v->end - v->top < 2 && (!gooi_mark_stack_grow(v) || v->end - v->top < 2)) {
        return false;
    }
    *v->top++ = (uintptr_t)end;
    *v->top++ = (uintptr_t)low | (pointers ? GOOI_ENTRY_POINTERS : GOOI_ENTRY_SLOTS);
    return true;
}

/* Marks what the words of [low, end) refer to. */
static void layout_trace_pieces(GooGcVisitor *v, const GooiWord *word, const GooiWord *end,
                                bool pointers) {
    for (; (size_t)(end - word) > GOOI_RANGE_STEP; word += GOOI_RANGE_STEP) {
        layout_trace_words(v, word, GOOI_RANGE_STEP, pointers);
    }
    layout_trace_words(v, word, (size_t)(end - word), pointers);
}

/* The same for words of an object, which stay where they are: the first piece now and the rest
 * later, if the stack has room for it. */
void gooi_trace_range(GooGcVisitor *v, const void *low, const void *end_ptr, bool pointers) {
    const GooiWord *word = low, *end = end_ptr;
    if ((size_t)(end - word) > GOOI_RANGE_STEP &&
        layout_defer(v, word + GOOI_RANGE_STEP, end, pointers)) {
        end = word + GOOI_RANGE_STEP;
    }
    layout_trace_pieces(v, word, end, pointers);
}

/* --- objects --- */

/* The words that one word of a bitmap names, in the marker's order. */
static void layout_trace_bits(GooGcVisitor *v, const GooiWord *words, uint64_t bits,
                              bool pointers) {
    while (bits != 0) {
        unsigned i = v->backwards ? 63 ^ gooi_count_leading_zeros(bits)
                                  : gooi_count_trailing_zeros(bits);
        bits ^= (uint64_t)1 << i;
        gooi_mark_word(v, words[i], pointers);
    }
}

static void layout_trace_bitmap(GooGcVisitor *v, uintptr_t object, const GooGcType *type) {
    const GooiWord *words = (const GooiWord *)object;
    bool pointers = (type->flags & GOO_GC_TYPE_BITMAP_POINTERS) != 0;
    for (size_t n = 0; n < type->bitmap_words; n++) {
        size_t w = v->backwards ? type->bitmap_words - 1 - n : n;
        layout_trace_bits(v, words + w * 64, type->bitmap[w], pointers);
    }
}

static void layout_trace_array(GooGcVisitor *v, uintptr_t object, const GooGcType *type) {
    uintptr_t low = object + type->array_offset, end = gooi_object_end(v, object);
    if (low < end) {
        gooi_trace_range(v, (const void *)low, (const void *)end,
                         (type->flags & GOO_GC_TYPE_ARRAY_POINTERS) != 0);
    }
}

static void layout_trace_conservative(GooGcVisitor *v, uintptr_t object) {
    gooi_mark_conservative(v, (const void *)object, (const void *)gooi_object_end(v, object));
}

static void layout_trace_by_type(GooGcVisitor *v, uintptr_t object, const GooGcType *type) {
    switch (type->layout) {
    case GOO_GC_LAYOUT_LEAF:
        break;
    case GOO_GC_LAYOUT_ARRAY:
        layout_trace_array(v, object, type);
        layout_trace_bitmap(v, object, type);
        break;
    case GOO_GC_LAYOUT_BITMAP:
        layout_trace_bitmap(v, object, type);
        break;
    case GOO_GC_LAYOUT_TRACE:
        type->trace((void *)object, v);
        break;
    case GOO_GC_LAYOUT_CONSERVATIVE:
        layout_trace_conservative(v, object);
        break;
    }
}

/* An embedder's object is not looked at before its callback does: it may be a miss. */
void gooi_trace_object(GooGcVisitor *v, uintptr_t object, unsigned kind) {
    const GooGcOptions *options = &v->heap->options;
    if (kind == GOO_GC_KIND_TYPED) {
        layout_trace_by_type(v, object, (const GooGcType *)*(const GooiPointer *)object);
    } else if (kind == GOO_GC_KIND_CONSERVATIVE) {
        layout_trace_conservative(v, object);
    } else if (options->embedder_layout != NULL) {
        layout_trace_by_type(v, object, options->embedder_layout);
    } else {
        options->trace_embedder((void *)object, v, options->user);
    }
}

/* --- what callbacks call --- */

static void visit_observe(GooGcVisitor *v, const void *slot, uintptr_t target) {
    if (target - v->base < v->size) {
        v->observe(v->observe_ctx, slot, target);
    }
}

/* The pointers of [first, last) in the marker's order, whatever they need. */
static GOOI_NEVER_INLINE void visit_mark_pointers(GooGcVisitor *v, const GooiPointer *first,
                                                  const GooiPointer *last) {
    while (first != last) {
        gooi_mark_address(v, (uintptr_t)(v->backwards ? *--last : *first++));
    }
}

void goo_gc_visit(GooGcVisitor *v, void *slot) {
    uint64_t value = *(const GooiWord *)slot;
    if (GOOI_LIKELY(v->observe == NULL)) {
        gooi_mark_word(v, value, false);
    } else if ((value & v->encoding.tag_mask) == v->encoding.tag_value) {
        visit_observe(v, slot, (uintptr_t)(value & v->encoding.address_mask));
    }
}

void goo_gc_visit_pointer(GooGcVisitor *v, void *pointer) {
    uintptr_t target = (uintptr_t) * (const GooiPointer *)pointer;
    if (GOOI_LIKELY(v->observe == NULL)) {
        gooi_mark_address(v, target);
    } else {
        visit_observe(v, pointer, target);
    }
}

void goo_gc_visit_range(GooGcVisitor *v, void *slots, size_t count) {
    GooiWord *words = slots;
    if (GOOI_LIKELY(v->observe == NULL)) {
        /* The words are the callback's, and may be gone when it returns: nothing is put off. */
        layout_trace_pieces(v, words, words + count, false);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        goo_gc_visit(v, &words[i]);
    }
}

static void visit_observe_pointers(GooGcVisitor *v, GooiPointer *first, const GooiPointer *last) {
    for (; first != last; first++) {
        goo_gc_visit_pointer(v, first);
    }
}

/* What heaps of headerless objects spend their marking in. The common case, ordered heaps and
 * objects that nothing else waits for, keeps no state beside the visitor's and calls nothing, so
 * that no register is saved; at the first pointer that needs more the rest goes the general way. */
void goo_gc_visit_pointers(GooGcVisitor *v, void *pointers, size_t count) {
    GooiPointer *first = pointers;
    const GooiPointer *last = first + count;
    if (GOOI_UNLIKELY(v->observe != NULL)) {
        visit_observe_pointers(v, first, last);
        return;
    }
    bool backwards = v->backwards;
    while (first != last) {
        uintptr_t object = (uintptr_t)(backwards ? last[-1] : *first);
        if (object - v->base < v->size) {
            uint8_t *table = gooi_metadata_of(object);
            unsigned byte = GOOI_LOAD_RELAXED(table), colour = byte & GOO_GC_COLOUR_MASK;
            uintptr_t *top = v->top;
            if (GOOI_UNLIKELY(v->scattered || (byte & GOO_GC_ATTENTION) != 0 || top == v->end)) {
                visit_mark_pointers(v, first, last);
                return;
            }
            if (colour != v->colour) {
                GOO_ASSERT(colour != 0, "gc: reference to %p, where no object starts",
                           (void *)object);
                GOOI_STORE_RELAXED(table, (uint8_t)(byte - colour + v->colour));
                v->objects++;
                *top = gooi_mark_entry(object, byte);
                v->top = top + ((byte & GOO_GC_LOGGED) == 0);
            }
        }
        first += !backwards;
        last -= backwards;
    }
}

/* Stacks are read across the gaps that the sanitizer leaves between variables, and while a thread
 * in a blocking region writes there. */
__attribute__((no_sanitize("address"))) __attribute__((no_sanitize("thread"))) static void
visit_observe_conservative(GooGcVisitor *v, uintptr_t low, uintptr_t high) {
    low = gooi_align_up(low, sizeof(void *));
    for (; low < high && high - low >= sizeof(void *); low += sizeof(void *)) {
        const GooiPointer *word = (const GooiPointer *)low;
        uintptr_t object = gooi_object_base_of(v->heap, (uintptr_t)*word);
        if (object != 0) {
            visit_observe(v, word, object);
        }
    }
}

void goo_gc_visit_conservative(GooGcVisitor *v, const void *low, const void *high) {
    if (GOOI_LIKELY(v->observe == NULL)) {
        gooi_mark_conservative(v, low, high);
    } else {
        visit_observe_conservative(v, (uintptr_t)low, (uintptr_t)high);
    }
}
