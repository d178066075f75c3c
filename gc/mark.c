/* Marking: an explicit stack, drained depth first, in one of two modes that follow the heap.
 *
 *   roots ─▶ push ─▶ stack ─▶ pop ─▶ (ring of 16 prefetched) ─▶ mark ─▶ trace ─▶ push …
 *
 * The mode follows what the pops show: where most objects lie far from the one popped before, the
 * references go through a prefetch ring; where they lie near, they are marked when pushed and the
 * ring is left out. It is looked at every GOOI_SAMPLE pops.
 *
 * Memory is bounded: the stack grows by committing more of its reservation, and when it can't, the
 * object that found no room is left marked, its block flagged, and after the stack has run empty the
 * marked objects of flagged blocks are traced again, until nothing is dropped. Each drop marked one
 * object more, so that ends.
 *
 * MARK-1 (GC-1)  when gooi_mark_drain returns, every object reachable from what was visited is
 *                marked.
 * MARK-2  when marking begins, `logged` is set only on objects without slots; such objects are never
 *         touched, only their metadata.
 *
 * Source: the two loops are those measured in DESIGN.md's companion figures; ring prefetching after
 * Cher, Hosking and Vitek, "Software prefetching for mark-sweep garbage collection" (2004).
 */
#include "gc/mark.h"

#include "runtime/platform/platform.h"

#define GOOI_RING_SIZE 16
#define GOOI_SAMPLE 512      /* pops between looks at the mode */
#define GOOI_NEAR ((uintptr_t)1 << 14)
#define GOOI_CACHED_HEAP ((size_t)2 << 20) /* below this a heap's misses are cheap */
#define GOOI_STACK_FIRST_COMMIT ((size_t)64 << 10)

void gooi_visitor_init(GooGcVisitor *v, GooGcHeap *heap) {
    const GooGcValueEncoding *e = &heap->options.encoding;
    *v = (GooGcVisitor){.heap = heap, .base = heap->base, .size = heap->size, .encoding = *e};
    if (e->tag_mask == 0 && e->tag_value == 0 && e->address_mask == 0) {
        v->encoding.address_mask = UINT64_MAX;
    }
    v->colour = heap->colour;
    v->stack = v->top = heap->mark_stack;
    v->end = v->stack + heap->mark_stack_committed / sizeof *v->stack;
}

/* Commits twice as much of the stack's reservation, as far as the limit for tests allows. */
bool gooi_mark_stack_grow(GooGcVisitor *v) {
    GooGcHeap *heap = v->heap;
    size_t old = heap->mark_stack_committed;
    size_t next = old == 0 ? GOOI_STACK_FIRST_COMMIT : old * 2;
    if (next > heap->mark_stack_reserved) {
        next = heap->mark_stack_reserved;
    }
    if (next <= old || (heap->stack_limit_bytes != 0 && old >= heap->stack_limit_bytes)) {
        return false;
    }
    if (!gooi_platform_commit((char *)heap->mark_stack + old, next - old)) {
        return false;
    }
    heap->mark_stack_committed = next;
    v->end = v->stack + next / sizeof *v->stack;
    return true;
}

/* --- dropped work --- */

static bool *mark_dropped_flag(GooGcHeap *heap, uintptr_t object) {
    GooiSlab *slab = gooi_slab_of(object);
    return heap->slabs[slab->index].kind == GOOI_SLAB_BLOCKS_OF
               ? &slab->blocks[gooi_block_index(object)].dropped
               : &slab->dropped;
}

void gooi_mark_drop(GooGcVisitor *v, uintptr_t entry) {
    uintptr_t object = entry & ~(uintptr_t)GOOI_ENTRY_MASK;
    if ((entry & GOOI_ENTRY_MARKED) == 0 && !gooi_mark_set(v, object)) {
        return;
    }
    *mark_dropped_flag(v->heap, object) = true;
    v->heap->overflowed = true;
}

static void mark_retrace_range(GooGcVisitor *v, uintptr_t low, uintptr_t high) {
    for (uintptr_t a = low; a < high; a += GOOI_GRANULE_SIZE) {
        uint8_t byte = *gooi_metadata_of(a);
        if ((byte & GOO_GC_COLOUR_MASK) == v->colour && (byte & GOO_GC_LOGGED) == 0) {
            gooi_trace_object(v, a);
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

/* Takes note of where a popped object lies, and now and then chooses the mode anew. */
static inline void mark_observe_pop(GooGcVisitor *v, uintptr_t object) {
    v->far_pops += object - v->last + GOOI_NEAR > 2 * GOOI_NEAR;
    v->last = object;
    if (GOOI_UNLIKELY(++v->pops == GOOI_SAMPLE)) {
        /* A step of hysteresis, so that a heap in between does not flip at every look. */
        v->scattered = v->heap->used_bytes > GOOI_CACHED_HEAP &&
                       v->far_pops > (v->scattered ? GOOI_SAMPLE / 4 : GOOI_SAMPLE / 2);
        v->pops = v->far_pops = 0;
    }
}

static void mark_pop_range(GooGcVisitor *v, uintptr_t entry) {
    uintptr_t end = *--v->top;
    gooi_trace_range(v, (const void *)(entry & ~(uintptr_t)GOOI_ENTRY_MASK), (const void *)end,
                     (entry & GOOI_ENTRY_POINTERS) != 0);
}

static void mark_drain_ordered(GooGcVisitor *v) {
    while (v->top != v->stack && !v->scattered) {
        uintptr_t entry = *--v->top;
        if ((entry & (GOOI_ENTRY_SLOTS | GOOI_ENTRY_POINTERS)) != 0) {
            mark_pop_range(v, entry);
            continue;
        }
        uintptr_t object = entry & ~(uintptr_t)GOOI_ENTRY_MASK;
        if ((entry & GOOI_ENTRY_MARKED) != 0 || gooi_mark_set(v, object)) {
            gooi_trace_object(v, object);
        }
        mark_observe_pop(v, object);
    }
}

/* The ring is full of prefetched references, oldest first: each pop replaces the oldest. */
static void mark_drain_scattered(GooGcVisitor *v) {
    uintptr_t ring[GOOI_RING_SIZE] = {0};
    size_t next = 0, in_ring = 0;
    while (v->top != v->stack || in_ring != 0) {
        uintptr_t fresh = 0;
        if (v->top != v->stack && v->scattered) {
            fresh = *--v->top;
            if ((fresh & (GOOI_ENTRY_SLOTS | GOOI_ENTRY_POINTERS)) != 0) {
                mark_pop_range(v, fresh);
                continue;
            }
            GOOI_PREFETCH((const void *)(fresh & ~(uintptr_t)GOOI_ENTRY_MASK));
        } else if (in_ring == 0) {
            return; /* the mode changed: the rest is for the other loop */
        }
        uintptr_t entry = ring[next];
        ring[next] = fresh;
        next = (next + 1) % GOOI_RING_SIZE;
        in_ring += (fresh != 0);
        if (entry == 0) {
            continue;
        }
        in_ring--;
        uintptr_t object = entry & ~(uintptr_t)GOOI_ENTRY_MASK;
        if ((entry & GOOI_ENTRY_MARKED) != 0 || gooi_mark_set(v, object)) {
            gooi_trace_object(v, object);
            mark_observe_pop(v, object);
        }
    }
}

/* Traces until nothing is left to trace. */
void gooi_mark_drain(GooGcVisitor *v) {
    for (;;) {
        mark_drain_ordered(v);
        mark_drain_scattered(v);
        if (v->top == v->stack) {
            if (!v->heap->overflowed) {
                return;
            }
            v->heap->overflowed = false;
            mark_retrace_dropped(v);
        }
    }
}

void gooi_mark_object(GooGcVisitor *v, uintptr_t object) {
    gooi_mark_address(v, object);
}

/* Marks what the words of [low, high) point to or into. */
__attribute__((no_sanitize("address"))) void gooi_mark_conservative(GooGcVisitor *v,
                                                                      const void *low,
                                                                      const void *high) {
    const GooiPointer *word = (const GooiPointer *)(((uintptr_t)low + sizeof(void *) - 1) &
                                                    ~(uintptr_t)(sizeof(void *) - 1));
    const GooiPointer *end = high;
    for (; word + 1 <= end; word++) {
        uintptr_t object = gooi_object_base_of(v->heap, (uintptr_t)*word);
        if (object != 0) {
            gooi_mark_address(v, object);
        }
    }
}
