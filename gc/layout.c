/* Tracing ranges of slots, and the calls that trace callbacks make. Single objects are traced by
 * gc/trace.h, inline in the marking loops.
 *
 * Ranges above GOOI_RANGE_STEP words are cut: the rest goes back on the mark stack, so that an
 * array of ten million slots does not push ten million entries. Longer pieces are filtered by a
 * vector kernel into a small buffer of addresses first; nothing but references then reaches the
 * marking code.
 *
 * Each public visit call either marks, or shows the reference to an observer (verify.c).
 */
#include "gc/trace.h"

#define GOOI_RANGE_STEP 1024 /* words traced at a time */
#define GOOI_FILTER_MIN 16   /* words from which the filter pays */

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

/* Marks what `count` words refer to. The filter leaves only references into the heap. */
static void layout_trace_words(GooGcVisitor *v, const GooiWord *words, size_t count,
                               bool pointers) {
    GooiMarker k;
    gooi_marker_load(&k, v);
    if (count < GOOI_FILTER_MIN) {
        gooi_trace_words(&k, words, count, pointers);
    } else {
        uint64_t found[GOOI_RANGE_STEP + 8];
        GooiReferenceFilter filter = layout_filter(v, pointers);
        size_t n = gooi_kernels->filter_references((const uint64_t *)words, count, &filter, found);
        for (size_t i = 0; i < n; i++) {
            gooi_mark_address(&k, (uintptr_t)found[k.backwards ? n - 1 - i : i]);
        }
    }
    gooi_marker_store(&k);
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

void gooi_trace_seldom(GooGcVisitor *v, uintptr_t object, bool typed) {
    GooiMarker k;
    gooi_marker_load(&k, v);
    gooi_trace_object(&k, object, typed);
    gooi_marker_store(&k);
}

/* --- what callbacks call --- */

static void visit_observe(GooGcVisitor *v, const void *slot, uintptr_t target) {
    if (target - v->base < v->size) {
        v->observe(v->observe_ctx, slot, target);
    }
}

static void visit_mark(GooGcVisitor *v, uint64_t word, bool pointer) {
    GooiMarker k;
    gooi_marker_load(&k, v);
    gooi_mark_word(&k, word, pointer);
    gooi_marker_store(&k);
}

/* The pointers of [first, last) in the marker's order, whatever they need. */
static GOOI_NEVER_INLINE void visit_mark_pointers(GooGcVisitor *v, const GooiPointer *first,
                                                  const GooiPointer *last) {
    GooiMarker k;
    gooi_marker_load(&k, v);
    while (first != last) {
        gooi_mark_address(&k, (uintptr_t)(k.backwards ? *--last : *first++));
    }
    gooi_marker_store(&k);
}

void goo_gc_visit(GooGcVisitor *v, void *slot) {
    uint64_t value = *(const GooiWord *)slot;
    if (GOOI_LIKELY(v->observe == NULL)) {
        visit_mark(v, value, false);
    } else if ((value & v->encoding.tag_mask) == v->encoding.tag_value) {
        visit_observe(v, slot, (uintptr_t)(value & v->encoding.address_mask));
    }
}

void goo_gc_visit_pointer(GooGcVisitor *v, void *pointer) {
    uintptr_t target = (uintptr_t) * (const GooiPointer *)pointer;
    if (GOOI_LIKELY(v->observe == NULL)) {
        visit_mark(v, target, true);
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
