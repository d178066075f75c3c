/* Marking: an explicit stack, drained depth first, in one of two modes that follow the heap.
 *
 *   roots ─▶ push ─▶ stack ─▶ pop ─▶ (ring of 16 prefetched) ─▶ mark ─▶ trace ─▶ push …
 *
 * In scattered heaps references go through a prefetch ring; in ordered ones they are marked when
 * they are pushed, and the ring is left out. mark_mode.c chooses.
 *
 * Memory is bounded: the stack grows by committing more of its reservation, and when it can't, the
 * object that found no room is left marked, its block flagged, and after the stack has run empty
 * the marked objects of flagged blocks are traced again, until nothing is dropped. Each drop marked
 * one object more, so that ends.
 *
 * MARK-1 (GC-1)  when gooi_mark_drain returns, every object reachable from what was visited is
 *                marked.
 * MARK-2  when marking begins, `logged` is set only on objects without slots; such objects are
 *         never touched, only their metadata.
 *
 * Several threads may mark at a time (team.c), each with a visitor, a stack and a mode of its own;
 * none of the loops below knows, but that a look may give half of the stack's older part away.
 *
 * Source: the two loops are those measured in DESIGN.md's companion figures; ring prefetching after
 * Cher, Hosking and Vitek, "Software prefetching for mark-sweep garbage collection" (2004).
 */
#include "gc/team.h"
#include "gc/trace.h"

#include "runtime/budget.h"
#include "runtime/platform/platform.h"

#define GOOI_RING_SIZE 16
#define GOOI_PREFETCH_AHEAD 31 /* an object's first words may lie in two cache lines */
#define GOOI_PIECE_MIN 16  /* words from which the filter pays */
#define GOOI_PIECE_MAX 256 /* words filtered at a time: what it finds stays behind on the stack */

static void visitor_set_end(GooGcVisitor *v, uintptr_t *end) {
    size_t shape = GOOI_SHAPE_WORDS * sizeof *end;
    v->end = end;
    v->room = (uintptr_t)end > shape ? (uintptr_t)end - shape : 0;
}

void gooi_visitor_init(GooGcVisitor *v, GooGcHeap *heap, GooiMarkStack *stack) {
    const GooGcValueEncoding *e = &heap->options.encoding;
    *v = (GooGcVisitor){.heap = heap, .base = heap->base, .size = heap->size, .encoding = *e};
    if (e->tag_mask == 0 && e->tag_value == 0 && e->address_mask == 0) {
        v->encoding.address_mask = UINT64_MAX;
    }
    v->colour = heap->colour;
    v->links = gooi_layout_links(heap->options.embedder_layout);
    gooi_mark_modes_take(v);
    v->memory = stack;
    v->stack = v->top = stack->entries;
    visitor_set_end(v, stack->entries + stack->committed / sizeof *stack->entries);
}

/* What is beyond the least is counted; at the hard limit, or the process's, the stack stays as it
 * is. That is no request of the program's: nothing is refused to it. */
static bool mark_stack_account(GooGcHeap *heap, size_t bytes) {
    if (!gooi_limit_take(bytes)) {
        return false;
    }
    if (!gooi_account(heap, bytes)) {
        gooi_limit_give_back(bytes);
        return false;
    }
    heap->metadata_bytes += bytes;
    return true;
}

/* Commits twice as much of the stack's reservation. */
bool gooi_mark_stack_grow(GooGcVisitor *v) {
    GooGcHeap *heap = v->heap;
    GooiMarkStack *stack = v->memory;
    size_t old = stack->committed;
    size_t next = old == 0 ? GOOI_MARK_STACK_MIN : old * 2;
    if (next > stack->reserved) {
        next = stack->reserved;
    }
    size_t counted = old == 0 || next <= old ? 0 : next - old;
    if (next <= old || !mark_stack_account(heap, counted)) {
        return false;
    }
    if (!gooi_platform_commit((char *)stack->entries + old, next - old)) {
        gooi_space_unaccount(heap, 0, counted);
        return false;
    }
    gooi_account_settle(heap);
    stack->committed = next;
    visitor_set_end(v, stack->entries + next / sizeof *stack->entries);
    return true;
}

/* Gives back what the stack grew by. */
size_t gooi_mark_stack_shrink(GooGcHeap *heap, GooiMarkStack *stack) {
    if (stack->committed <= GOOI_MARK_STACK_MIN) {
        return 0;
    }
    size_t bytes = stack->committed - GOOI_MARK_STACK_MIN;
    if (!gooi_platform_decommit((char *)stack->entries + GOOI_MARK_STACK_MIN, bytes)) {
        return 0;
    }
    stack->committed = GOOI_MARK_STACK_MIN;
    gooi_space_unaccount(heap, 0, bytes);
    return bytes;
}

size_t gooi_mark_stack_release(GooGcHeap *heap) {
    return gooi_mark_stack_shrink(heap, &heap->mark_stack);
}

/* --- dropped work --- */

static bool *mark_dropped_flag(GooGcHeap *heap, uintptr_t object) {
    GooiSlab *slab = gooi_slab_of(object);
    return heap->slabs[slab->index].kind == GOOI_SLAB_BLOCKS_OF
               ? &slab->blocks[gooi_block_index(object)].dropped
               : &slab->dropped;
}

/* Pushes what found no room: grows the stack, or leaves the object marked, to be traced again. */
void gooi_mark_push_slow(GooGcVisitor *v, uintptr_t entry) {
    if (gooi_mark_stack_grow(v)) {
        *v->top++ = entry;
        return;
    }
    uintptr_t object = entry & ~(uintptr_t)GOOI_ENTRY_OBJECT_MASK;
    if ((entry & GOOI_ENTRY_MARKED) == 0) {
        if (gooi_mark_set(v, object) == 0) {
            return;
        }
    }
    GOOI_STORE_RELAXED(mark_dropped_flag(v->heap, object), true);
    v->heap->overflowed = true;
}

static void mark_retrace_range(GooGcVisitor *v, uintptr_t low, uintptr_t high) {
    for (uintptr_t a = low; a < high; a += GOOI_GRANULE_SIZE) {
        uint8_t byte = *gooi_metadata_of(a);
        if ((byte & GOO_GC_COLOUR_MASK) == v->colour && (byte & GOO_GC_LOGGED) == 0) {
            gooi_trace_object(v, a, byte & GOO_GC_KIND_MASK);
        }
    }
}

static void mark_retrace_slab(GooGcVisitor *v, GooiSlab *slab) {
    for (size_t b = GOOI_FIRST_BLOCK; b < GOOI_SLAB_BLOCKS; b++) {
        if (slab->blocks[b].dropped) {
            slab->blocks[b].dropped = false;
            uintptr_t block = (uintptr_t)slab + (b << GOOI_BLOCK_LOG2);
            mark_retrace_range(v, block, block + GOOI_BLOCK_SIZE);
        }
    }
    if (slab->dropped) {
        slab->dropped = false;
        mark_retrace_range(v, (uintptr_t)slab + GOOI_TABLE_SIZE,
                           (uintptr_t)slab + GOOI_SLAB_SIZE);
    }
}

static void mark_retrace_dropped(GooGcVisitor *v) {
    GooGcHeap *heap = v->heap;
    for (uint32_t i = 0; i < heap->slab_count; i++) {
        uint32_t kind = heap->slabs[i].kind;
        if (kind != GOOI_SLAB_FREE && kind != GOOI_SLAB_HUGE_TAIL) {
            mark_retrace_slab(v, (GooiSlab *)gooi_slab_address(heap, i));
        }
    }
}

/* --- draining --- */

static uintptr_t mark_child(const uintptr_t *before, const uintptr_t *top) {
    return top > before ? top[-1] : 0;
}

static GOOI_NEVER_INLINE void mark_pop_range(GooGcVisitor *v, uintptr_t entry) {
    uintptr_t end = *--v->top;
    gooi_trace_range(v, (const void *)(entry & ~(uintptr_t)GOOI_ENTRY_RANGE_MASK),
                     (const void *)end, (entry & GOOI_ENTRY_POINTERS) != 0);
}

static GOOI_ALWAYS_INLINE void mark_drain_ordered(GooGcVisitor *v, bool backwards) {
    const GooiTraceMode mode = {.backwards = backwards};
    GooiMarkSample sample = GOOI_MARK_SAMPLE_BEGIN;
    uintptr_t *top = v->top;
    while (top != v->stack) {
        uintptr_t entry = *--top;
        if (GOOI_UNLIKELY((entry & GOOI_ENTRY_MARKED) == 0)) {
            v->top = top;
            if (gooi_entry_is_range(entry)) {
                mark_pop_range(v, entry);
                top = v->top;
                continue;
            }
            entry = gooi_mark_set(v, entry);
            if (entry == 0) {
                continue;
            }
        }
        uintptr_t object = entry & ~(uintptr_t)GOOI_ENTRY_OBJECT_MASK;
        uintptr_t *before = top;
        GOOI_PREFETCH((const void *)(backwards ? object + GOOI_OBJECTS_AHEAD
                                               : object - GOOI_OBJECTS_AHEAD));
        top = gooi_trace_inline(v, top, object, (entry & GOOI_ENTRY_KIND_MASK) << 2, mode);
        GOO_ASSERT(top <= v->end, "gc: the mark stack's end passed by %td", top - v->end);
        if (GOOI_UNLIKELY(--sample.until == 0)) {
            v->top = top;
            gooi_mark_look(v, &sample, object, mark_child(before, top));
            if (!gooi_mark_mode_lasts(v, mode)) {
                return;
            }
        }
    }
    v->top = top;
}

/* The ring is full of prefetched references, oldest first: each pop replaces the oldest. When all
 * is done, or the mode changed and the rest is for another loop, what is in the ring comes out. */
static GOOI_ALWAYS_INLINE void mark_drain_scattered(GooGcVisitor *v, bool backwards) {
    const GooiTraceMode mode = {.backwards = backwards, .scattered = true};
    GooiMarkSample sample = GOOI_MARK_SAMPLE_BEGIN;
    uintptr_t ring[GOOI_RING_SIZE] = {0};
    size_t next = 0, in_ring = 0;
    bool lasts = true;
    uintptr_t *top = v->top;
    for (;;) {
        uintptr_t fresh = 0;
        if (top != v->stack && lasts) {
            fresh = *--top;
            if (GOOI_UNLIKELY(gooi_entry_is_range(fresh))) {
                v->top = top;
                mark_pop_range(v, fresh);
                top = v->top;
                continue;
            }
            GOOI_PREFETCH_WRITE(gooi_metadata_of(fresh));
            GOOI_PREFETCH((const void *)fresh);
            GOOI_PREFETCH((const void *)(fresh + GOOI_PREFETCH_AHEAD));
        } else if (in_ring == 0) {
            break;
        }
        uintptr_t entry = ring[next];
        ring[next] = fresh;
        next = (next + 1) % GOOI_RING_SIZE;
        in_ring += (fresh != 0);
        if (entry == 0) {
            continue;
        }
        in_ring--;
        if ((entry & GOOI_ENTRY_MARKED) == 0) {
            entry = gooi_mark_set(v, entry);
            if (entry == 0) {
                continue;
            }
        }
        uintptr_t object = entry & ~(uintptr_t)GOOI_ENTRY_OBJECT_MASK;
        uintptr_t *before = top;
        top = gooi_trace_inline(v, top, object, (entry & GOOI_ENTRY_KIND_MASK) << 2, mode);
        GOO_ASSERT(top <= v->end, "gc: the mark stack's end passed by %td", top - v->end);
        if (GOOI_UNLIKELY(--sample.until == 0)) {
            v->top = top;
            gooi_mark_look(v, &sample, object, mark_child(before, top));
            lasts = gooi_mark_mode_lasts(v, mode);
        }
    }
    v->top = top;
}

/* Each loop compiled for each direction. */
static GOOI_NEVER_INLINE void mark_drain_ordered_up(GooGcVisitor *v) {
    mark_drain_ordered(v, false);
}

static GOOI_NEVER_INLINE void mark_drain_ordered_down(GooGcVisitor *v) {
    mark_drain_ordered(v, true);
}

static GOOI_NEVER_INLINE void mark_drain_scattered_up(GooGcVisitor *v) {
    mark_drain_scattered(v, false);
}

static GOOI_NEVER_INLINE void mark_drain_scattered_down(GooGcVisitor *v) {
    mark_drain_scattered(v, true);
}

static void mark_drain_stack(GooGcVisitor *v) {
    v->modes.window_began = 0;
    while (v->top != v->stack) {
        if (v->scattered) {
            v->backwards ? mark_drain_scattered_down(v) : mark_drain_scattered_up(v);
        } else {
            v->backwards ? mark_drain_ordered_down(v) : mark_drain_ordered_up(v);
        }
    }
    v->stack = v->top = v->memory->entries; /* what was given away was at its bottom */
}

void gooi_mark_drain_shared(GooGcVisitor *v) {
    do {
        mark_drain_stack(v);
    } while (gooi_team_take(v));
}

/* Puts what was dropped on the stack again. False: nothing was. */
static bool mark_take_dropped(GooGcVisitor *v) {
    if (!v->heap->overflowed) {
        return false;
    }
    v->heap->overflowed = false;
    mark_retrace_dropped(v);
    return true;
}

/* Begins alone; where that takes long others help from then on. */
static void mark_drain_alone(GooGcVisitor *v) {
    v->alone = 0;
    mark_drain_stack(v);
    if (v->team != NULL) {
        if (gooi_team_take(v)) {
            gooi_mark_drain_shared(v);
        }
        gooi_team_leave(v);
    }
}

/* Traces until nothing is left to trace. */
void gooi_mark_drain(GooGcVisitor *v) {
    do {
        mark_drain_alone(v);
    } while (mark_take_dropped(v));
}

void gooi_mark_make_room(GooGcVisitor *v, size_t count) {
    if ((size_t)(v->end - v->top) < count && !gooi_mark_stack_grow(v)) {
        mark_drain_alone(v);
    }
}

/* The same for a whole heap: where that is worth it, other threads help. */
void gooi_mark_all(GooGcVisitor *v) {
    do {
        if (gooi_team_join(v)) {
            gooi_mark_drain_shared(v);
            gooi_team_leave(v);
        } else {
            mark_drain_alone(v);
        }
    } while (mark_take_dropped(v));
    gooi_mark_modes_keep(v);
}

/* --- words that may be anything --- */

static GOOI_ALWAYS_INLINE void mark_anywhere(GooGcVisitor *v, uintptr_t address) {
    uintptr_t object = gooi_object_base_of(v->heap, address);
    if (object != 0) {
        gooi_mark_address(v, object);
    }
}

/* Marks by a vector kernel what pieces of many words point to or into, and returns where the rest
 * begins. A sanitizer would watch what the kernel reads. */
static const GooiPointer *mark_pieces(GooGcVisitor *v, const GooiPointer *word, size_t count) {
#if !defined(GOOI_SANITIZED) && UINTPTR_MAX == UINT64_MAX
    GooiReferenceFilter filter = {.address_mask = UINT64_MAX, .base = v->base, .size = v->size};
    uint64_t found[GOOI_PIECE_MAX + 8];
    while (count >= GOOI_PIECE_MIN) {
        size_t piece = count < GOOI_PIECE_MAX ? count : GOOI_PIECE_MAX;
        size_t n = gooi_kernels->filter_references((const uint64_t *)word, piece, &filter, found);
        for (size_t i = 0; i < n; i++) {
            mark_anywhere(v, (uintptr_t)found[i]);
        }
        word += piece;
        count -= piece;
    }
#else
    (void)v;
    (void)count;
#endif
    return word;
}

/* Marks what the words of [low, high) point to or into. A stack is read across the gaps that the
 * sanitizer leaves between variables, and while its thread, in a blocking region, writes to it. */
__attribute__((no_sanitize("address"))) __attribute__((no_sanitize("thread"))) void
gooi_mark_conservative(GooGcVisitor *v, const void *low, const void *high) {
    uintptr_t first = gooi_align_up((uintptr_t)low, sizeof(void *));
    size_t count = first < (uintptr_t)high ? ((uintptr_t)high - first) / sizeof(void *) : 0;
    const GooiPointer *word = (const GooiPointer *)first, *end = word + count;
    for (word = mark_pieces(v, word, count); word < end; word++) {
        mark_anywhere(v, (uintptr_t)*word);
    }
}
