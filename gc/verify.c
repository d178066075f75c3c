/* The heap checker: proves the invariants of gc/README.md, or says what is wrong.
 *
 *   shape    GC-3  metadata is a sequence of (start … end) extents and gaps, block by block
 *            BLOCK-2  a free block's metadata is zero · ALLOC-1  what will be handed out is zero
 *            LARGE-1  runs of pages · INTERN-1 and -2  intern tables
 *   tables   FIN-1  of finalizable objects · SPACE-2  of bytes in use · OWN-n  of owned blocks
 *            PRESS-1  of external bytes
 *   trace    every reference, from the roots on, leads to the start of a living object (GC-6), and
 *            right after marking to a marked one (GC-1)
 *   count    GC-5  right after marking, reached objects are exactly the marked ones, and their
 *            sizes add up to live_bytes
 *
 * The trace relies on the shape, so it is left out where that is broken.
 * It is its own: a bitmap, a plain stack, and loops that show each reference to an observer.
 * It shares no code with marking but the way from an address to its metadata.
 */
#include <stdarg.h>
#include <string.h>

#include "gc/heap.h"
#include "runtime/bits.h"
#include "runtime/globals.h"
#include "runtime/platform/platform.h"

#define GOOI_FAULTS_REPORTED 32

typedef struct VerifyList {
    uintptr_t *items;
    size_t count, capacity;
} VerifyList;

typedef struct Verify {
    GooGcHeap *heap;
    FILE *report;
    char *first;
    size_t first_size;
    bool after_marking, out_of_memory;
    size_t faults;
    uint64_t *reached; /* a bit per granule of the committed slabs */
    size_t reached_size;
    VerifyList stack;
    VerifyList waiting; /* pairs whose keys are not reached yet */
    size_t pairs;
    size_t reached_bytes, reached_objects;
    size_t used_bytes, finalizable; /* as found in the slabs */
    uintptr_t holder; /* whose references are being looked at; 0: a root's */
} Verify;

GOOI_PRINTF(2, 3) static void verify_fault(Verify *v, const char *format, ...) {
    char line[256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (v->faults++ == 0 && v->first != NULL) {
        snprintf(v->first, v->first_size, "%s", line);
    }
    if (v->report != NULL && v->faults <= GOOI_FAULTS_REPORTED) {
        fprintf(v->report, "%s\n", line);
    }
}

/* --- shape --- */

static void verify_start(Verify *v, uintptr_t at, uint8_t byte) {
    uint8_t colour = byte & GOO_GC_COLOUR_MASK;
    if (colour != GOO_GC_COLOUR_YOUNG && colour != v->heap->colour) {
        verify_fault(v, "GC-3: object %p has colour %u, which is neither young nor current",
                     (void *)at, colour);
    }
    if ((byte & (GOO_GC_ATTENTION | GOO_GC_KIND_MASK)) == (GOO_GC_ATTENTION | GOO_GC_KIND_TYPED)) {
        v->finalizable += goo_gc_type_of((const void *)at)->finalize != NULL;
    }
}

/* One granule's byte; returns whether an object is open after it. */
static bool verify_granule(Verify *v, uintptr_t at, uint8_t byte, bool open) {
    bool starts = (byte & GOO_GC_COLOUR_MASK) != 0, ends = (byte & GOO_GC_END) != 0;
    if (starts && open) {
        verify_fault(v, "GC-3: object %p starts inside another", (void *)at);
    } else if (ends && !starts && !open) {
        verify_fault(v, "GC-3: an object ends at %p, but none started", (void *)at);
    } else if (!starts && !ends && byte != 0) {
        verify_fault(v, "GC-3: metadata %02x at %p, where no object starts or ends", byte,
                     (void *)at);
    }
    if (starts) {
        verify_start(v, at, byte);
    }
    return (starts || open) && !ends;
}

static void verify_block(Verify *v, uintptr_t block) {
    const uint8_t *table = gooi_metadata_of(block);
    v->used_bytes += gooi_block_of(block)->clean ? 0 : GOOI_BLOCK_SIZE;
    if (gooi_block_of(block)->state == GOOI_BLOCK_FREE) {
        if (!gooi_kernels->is_zero(table, GOOI_BLOCK_GRANULES)) {
            verify_fault(v, "BLOCK-2: the free block %p has metadata", (void *)block);
        }
        return;
    }
    bool open = false;
    for (size_t g = 0; g < GOOI_BLOCK_GRANULES; g++) {
        if (g % 64 == 0 && gooi_kernels->is_zero(table + g, 64)) {
            g += 63;
            continue;
        }
        open = verify_granule(v, block + (g << GOOI_GRANULE_LOG2), table[g], open);
    }
    if (open) {
        verify_fault(v, "GC-3: an object runs out of the block %p", (void *)block);
    }
}

static void verify_huge(Verify *v, GooiSlab *slab) {
    uintptr_t object = (uintptr_t)slab + GOOI_TABLE_SIZE;
    verify_start(v, object, *gooi_metadata_of(object));
    v->used_bytes += gooi_align_up((size_t)slab->run_size[GOOI_FIRST_PAGE], GOOI_PAGE_SIZE);
}

/* LARGE-1: a page is used iff it belongs to a run, and leads to its run's first page. */
static void verify_runs(Verify *v, const GooiSlab *slab) {
    size_t run = 0, run_end = 0, used = 0;
    for (size_t p = GOOI_FIRST_PAGE; p < GOOI_SLAB_PAGES; p++) {
        if (slab->run_size[p] != 0) {
            run = p;
            run_end = p + gooi_align_up((size_t)slab->run_size[p], GOOI_PAGE_SIZE) / GOOI_PAGE_SIZE;
        }
        bool in_run = p < run_end;
        used += in_run;
        if ((slab->page_map[p / 64] >> (p % 64) & 1) != in_run ||
            slab->run_first[p] != (in_run ? run : 0)) {
            verify_fault(v, "LARGE-1: page %zu of slab %p is not what its run says", p,
                         (const void *)slab);
        }
    }
    if (used != slab->pages_used) {
        verify_fault(v, "LARGE-1: slab %p has %zu pages in use, %u counted", (const void *)slab,
                     used, (unsigned)slab->pages_used);
    }
}

static void verify_large_slab(Verify *v, GooiSlab *slab) {
    verify_runs(v, slab);
    for (size_t p = GOOI_FIRST_PAGE; p < GOOI_SLAB_PAGES; p++) {
        v->used_bytes += (slab->touched_map[p / 64] >> (p % 64) & 1) << GOOI_PAGE_LOG2;
        uintptr_t object = (uintptr_t)slab + (p << GOOI_PAGE_LOG2);
        uint8_t byte = *gooi_metadata_of(object);
        if (slab->run_size[p] != 0) {
            verify_start(v, object, byte);
        } else if (byte != 0) {
            verify_fault(v, "LARGE-1: metadata %02x at page %p, where no object starts", byte,
                         (void *)object);
        }
    }
}

static void verify_span(Verify *v, const GooGcMutator *m) {
    size_t size = m->span_limit - m->fast.cursor;
    if (size != 0 &&
        (!gooi_kernels->is_zero((const void *)m->fast.cursor, size) ||
         !gooi_kernels->is_zero(gooi_metadata_of(m->fast.cursor), size >> GOOI_GRANULE_LOG2))) {
        verify_fault(v, "ALLOC-1: the span %p is not zero", (void *)m->fast.cursor);
    }
}

static void verify_shape(Verify *v) {
    GooGcHeap *heap = v->heap;
    for (uint32_t i = 0; gooi_block_at_or_after(heap, &i); i++) {
        verify_block(v, gooi_block_address(heap, i));
    }
    for (uint32_t s = 0; s < heap->slab_count; s++) {
        GooiSlab *slab = (GooiSlab *)gooi_slab_address(heap, s);
        if (heap->slabs[s].kind == GOOI_SLAB_LARGE) {
            verify_large_slab(v, slab);
        } else if (heap->slabs[s].kind == GOOI_SLAB_HUGE) {
            verify_huge(v, slab);
        }
    }
    for (const GooGcMutator *m = heap->mutators; m != NULL; m = m->next) {
        verify_span(v, m);
    }
    if (!gooi_intern_is_sound(heap)) {
        verify_fault(v, "INTERN-1: an entry of an intern table can't be found, or is not counted");
    }
}

/* --- tables --- */

static void verify_outside(Verify *v) {
    const char *fault = gooi_owned_fault(v->heap);
    if (fault != NULL) {
        verify_fault(v, "%s", fault);
    }
    if (!gooi_pressure_is_sound(v->heap)) {
        verify_fault(v, "PRESS-1: %zu external bytes are not the sum of their parts",
                     (size_t)v->heap->external_bytes);
    }
}

static void verify_tables(Verify *v) {
    const GooGcHeap *heap = v->heap;
    const uintptr_t *finalizable = heap->finalizables.items;
    for (size_t i = 0; i < heap->finalizables.count; i++) {
        uintptr_t object = finalizable[i];
        if (gooi_object_base_of(heap, object) != object ||
            (*gooi_metadata_of(object) & GOO_GC_ATTENTION) == 0) {
            verify_fault(v, "FIN-1: %p in the table of finalizable objects is none",
                         (void *)object);
        }
    }
    if (v->finalizable != heap->finalizables.count) {
        verify_fault(v, "FIN-1: %zu objects are finalizable, %zu in the table", v->finalizable,
                     heap->finalizables.count);
    }
    if (v->used_bytes != heap->used_bytes) {
        verify_fault(v, "SPACE-2: %zu bytes are in use, %zu counted", v->used_bytes,
                     heap->used_bytes);
    }
}

/* --- trace --- */

static void verify_list_free(Verify *v, VerifyList *list) {
    GooAllocator *side = v->heap->side;
    if (list->items != NULL) {
        side->free(side->context, list->items, list->capacity * sizeof *list->items, 16);
    }
}

static void verify_list_push(Verify *v, VerifyList *list, uintptr_t item) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 1024 : list->capacity * 2;
        GooAllocator *side = v->heap->side;
        uintptr_t *items = side->alloc(side->context, capacity * sizeof *items, 16, 0);
        if (items == NULL) {
            v->out_of_memory = true;
            return;
        }
        if (list->count != 0) {
            memcpy(items, list->items, list->count * sizeof *items);
        }
        verify_list_free(v, list);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
}

static bool verify_is_reached(const Verify *v, const void *object) {
    size_t granule = ((uintptr_t)object - v->heap->base) >> GOOI_GRANULE_LOG2;
    return (v->reached[granule / 64] >> (granule % 64) & 1) != 0;
}

static const char *verify_holder_name(const Verify *v) {
    if (v->holder == 0) {
        return "a root";
    }
    if ((*gooi_metadata_of(v->holder) & GOO_GC_KIND_MASK) != GOO_GC_KIND_TYPED) {
        return "an object without a type";
    }
    const GooGcType *type = goo_gc_type_of((const void *)v->holder);
    return type->name != NULL ? type->name : "a typed object";
}

static void verify_reference(void *ctx, const void *slot, uintptr_t target) {
    Verify *v = ctx;
    if (gooi_object_base_of(v->heap, target) != target) {
        verify_fault(v, "GC-6: slot %p of %s (%p) refers to %p, where no object starts", slot,
                     verify_holder_name(v), (void *)v->holder, (void *)target);
        return;
    }
    size_t granule = (target - v->heap->base) >> GOOI_GRANULE_LOG2;
    uint64_t bit = (uint64_t)1 << (granule % 64);
    if ((v->reached[granule / 64] & bit) != 0) {
        return;
    }
    v->reached[granule / 64] |= bit;
    v->reached_objects++;
    v->reached_bytes += gooi_object_granules(v->heap, target) << GOOI_GRANULE_LOG2;
    if (v->after_marking && !gooi_object_is_marked(v->heap, (const void *)target)) {
        verify_fault(v, "GC-1: object %p, referred to by slot %p of %s (%p), is not marked",
                     (void *)target, slot, verify_holder_name(v), (void *)v->holder);
    }
    verify_list_push(v, &v->stack, target);
}

static void verify_trace_words(GooGcVisitor *visitor, uintptr_t low, uintptr_t high,
                               bool pointers) {
    for (uintptr_t word = low; word + 8 <= high; word += 8) {
        if (pointers) {
            goo_gc_visit_pointer(visitor, (void *)word);
        } else {
            goo_gc_visit(visitor, (void *)word);
        }
    }
}

static bool verify_type(Verify *v, uintptr_t object, const GooGcType *type) {
    const char *fault = gooi_layout_fault(type);
    if (fault != NULL) {
        verify_fault(v, "GC-3: the type of %s %p %s", verify_holder_name(v), (void *)object, fault);
    }
    return fault == NULL;
}

/* An object that is smaller than its type says would have its neighbour's words traced. */
static bool verify_extent(Verify *v, uintptr_t object, uintptr_t end, const GooGcType *type) {
    size_t reach = gooi_layout_reach(type);
    if (end - object < reach) {
        verify_fault(v, "GC-3: %s %p has %zu bytes, its type describes %zu", verify_holder_name(v),
                     (void *)object, (size_t)(end - object), reach);
        return false;
    }
    return true;
}

/* A pair's value counts as referred to when its key is reached; until then it waits. */
static void verify_pair(Verify *v, GooGcVisitor *visitor, GooiPair *pair) {
    v->pairs += pair->key != NULL;
    if (pair->key != NULL && verify_is_reached(v, pair->key)) {
        goo_gc_visit_pointer(visitor, &pair->value);
    } else if (pair->key != NULL) {
        verify_list_push(v, &v->waiting, (uintptr_t)pair);
    }
}

/* Weak references refer to nothing. */
static void verify_trace_weak(Verify *v, GooGcVisitor *visitor, uintptr_t object) {
    const GooGcType *type = goo_gc_type_of((const void *)object);
    const char *fault = gooi_weak_fault(v->heap, (const void *)object);
    if (fault != NULL) {
        verify_fault(v, "%s: %s %p", fault, type->name, (void *)object);
    } else if (type == &gooi_weak_ephemeron_type) {
        verify_pair(v, visitor, &((GooGcEphemeron *)object)->pair);
    } else if (type == &gooi_weak_map_type) {
        GooGcWeakMap *map = (GooGcWeakMap *)object;
        goo_gc_visit_pointer(visitor, &map->table);
        for (size_t i = 0; map->table != NULL && i < map->table->capacity; i++) {
            verify_pair(v, visitor, &map->table->pairs[i]);
        }
    }
}

static void verify_trace_by_type(Verify *v, GooGcVisitor *visitor, uintptr_t object, uintptr_t end,
                                 const GooGcType *type) {
    if (!verify_type(v, object, type) || !verify_extent(v, object, end, type)) {
        return;
    }
    bool pointers = (type->flags & GOO_GC_TYPE_BITMAP_POINTERS) != 0;
    switch (type->layout) {
    case GOO_GC_LAYOUT_LEAF:
        break;
    case GOO_GC_LAYOUT_BITMAP:
    case GOO_GC_LAYOUT_ARRAY:
        for (size_t i = 0; i < type->bitmap_words * 64; i++) {
            if ((type->bitmap[i / 64] >> (i % 64) & 1) != 0) {
                verify_trace_words(visitor, object + i * 8, object + i * 8 + 8, pointers);
            }
        }
        if (type->layout == GOO_GC_LAYOUT_ARRAY) {
            verify_trace_words(visitor, object + type->array_offset, end,
                               (type->flags & GOO_GC_TYPE_ARRAY_POINTERS) != 0);
        }
        break;
    case GOO_GC_LAYOUT_TRACE:
        type->trace((void *)object, visitor);
        break;
    case GOO_GC_LAYOUT_CONSERVATIVE:
        goo_gc_visit_conservative(visitor, (const void *)object, (const void *)end);
        break;
    }
}

static void verify_trace_typed(Verify *v, GooGcVisitor *visitor, uintptr_t object, uintptr_t end) {
    const GooGcType *type = goo_gc_type_of((const void *)object);
    if (gooi_weak_is_weak(type) && verify_extent(v, object, end, type)) {
        verify_trace_weak(v, visitor, object);
    } else {
        verify_trace_by_type(v, visitor, object, end, type);
    }
}

static void verify_trace_embedder(Verify *v, GooGcVisitor *visitor, uintptr_t object,
                                  uintptr_t end) {
    const GooGcOptions *options = &v->heap->options;
    if (options->embedder_layout != NULL) {
        verify_trace_by_type(v, visitor, object, end, options->embedder_layout);
    } else {
        options->trace_embedder((void *)object, visitor, options->user);
    }
}

static void verify_trace_object(Verify *v, GooGcVisitor *visitor, uintptr_t object) {
    uintptr_t end = object + (gooi_object_granules(v->heap, object) << GOOI_GRANULE_LOG2);
    v->holder = object;
    switch (*gooi_metadata_of(object) & GOO_GC_KIND_MASK) {
    case GOO_GC_KIND_TYPED:
        verify_trace_typed(v, visitor, object, end);
        break;
    case GOO_GC_KIND_CONSERVATIVE:
        goo_gc_visit_conservative(visitor, (const void *)object, (const void *)end);
        break;
    case GOO_GC_KIND_EMBEDDER:
        verify_trace_embedder(v, visitor, object, end);
        break;
    default:
        break;
    }
}

/* Shows the values of waiting pairs whose keys have been reached; whether there were any. Each
 * round is a look at all that wait, every other one backwards: enough for the chains of tests. */
static bool verify_take_reached(Verify *v, GooGcVisitor *visitor) {
    size_t kept = 0, count = v->waiting.count;
    uintptr_t *items = v->waiting.items;
    for (size_t i = 0; i < count; i++) {
        GooiPair *pair = (GooiPair *)items[i];
        if (verify_is_reached(v, pair->key)) {
            v->holder = gooi_object_base_of(v->heap, (uintptr_t)pair);
            goo_gc_visit_pointer(visitor, &pair->value);
        } else {
            items[kept++] = items[i];
        }
    }
    v->waiting.count = kept;
    for (size_t i = 0; i < kept / 2; i++) {
        uintptr_t item = items[i];
        items[i] = items[kept - 1 - i];
        items[kept - 1 - i] = item;
    }
    return kept != count;
}

static void verify_trace(Verify *v) {
    GooGcVisitor visitor;
    gooi_visitor_init(&visitor, v->heap, &v->heap->mark_stack);
    visitor.observe = verify_reference;
    visitor.observe_ctx = v;
    gooi_roots_visit(v->heap, &visitor);
    do {
        while (v->stack.count != 0) {
            verify_trace_object(v, &visitor, v->stack.items[--v->stack.count]);
        }
    } while (verify_take_reached(v, &visitor));
    /* Right after marking a pair has lost its key, or the key lives. */
    if (v->waiting.count != 0 && v->after_marking && !v->heap->options.scan_stacks) {
        const GooiPair *pair = (const GooiPair *)v->waiting.items[0];
        verify_fault(v, "WEAK-1: %zu pairs have keys that nothing leads to, %p is one",
                     v->waiting.count, pair->key);
    }
    const char *fault = gooi_weak_tables_fault(v->heap, v->pairs);
    if (fault != NULL) {
        verify_fault(v, "%s", fault);
    }
}

/* With stack scanning the two traces may see different words on the stack, so only what must hold
 * in both is asked. */
static void verify_count(Verify *v) {
    GooGcHeap *heap = v->heap;
    if (!v->after_marking || heap->options.scan_stacks || v->out_of_memory) {
        return;
    }
    if (v->reached_bytes != heap->live_bytes || v->reached_objects != heap->stats.objects_live) {
        verify_fault(v, "GC-5: %zu objects of %zu bytes are reachable, marking counted %zu of %zu",
                     v->reached_objects, v->reached_bytes, heap->stats.objects_live,
                     heap->live_bytes);
    }
}

/* --- the whole --- */

static bool verify_begin(Verify *v) {
    size_t page = gooi_platform_page_size();
    size_t bits = ((size_t)v->heap->slab_count << GOOI_SLAB_LOG2) >> GOOI_GRANULE_LOG2;
    v->reached_size = gooi_align_up(bits / 8 + 8, page);
    v->reached = gooi_platform_reserve(v->reached_size, page);
    if (v->reached == NULL) {
        return false;
    }
    if (!gooi_platform_commit(v->reached, v->reached_size)) {
        gooi_platform_release(v->reached, v->reached_size);
        return false;
    }
    return true;
}

GooStatus gooi_verify(GooGcHeap *heap, bool after_marking, FILE *report, char *first,
                      size_t first_size) {
    Verify v = {.heap = heap, .report = report, .first = first, .first_size = first_size,
                .after_marking = after_marking};
    if (!verify_begin(&v)) {
        return GOO_ERR_NO_MEMORY;
    }
    gooi_sweep_finish(heap);
    verify_shape(&v);
    if (v.faults == 0) {
        verify_tables(&v);
        verify_outside(&v);
        verify_trace(&v);
        verify_count(&v);
    }
    gooi_platform_release(v.reached, v.reached_size);
    verify_list_free(&v, &v.stack);
    verify_list_free(&v, &v.waiting);
    if (v.faults != 0) {
        return GOO_ERR_CORRUPT;
    }
    return v.out_of_memory ? GOO_ERR_NO_MEMORY : GOO_OK;
}

GooStatus goo_gc_verify(GooGcHeap *heap, FILE *report) {
    if (heap == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (!gooi_world_enter(heap)) {
        return GOO_ERR_BUSY;
    }
    GooStatus status = gooi_verify(heap, false, report, NULL, 0);
    gooi_world_leave(heap);
    return status;
}
