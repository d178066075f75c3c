/* Pacing: when the next collection is due.
 *
 * After a collection found L live bytes with E external ones hanging on them, the next is due when
 * heap and external bytes together have grown by the headroom:
 *
 *   PROPORTIONAL   (L + E) * (growth_factor - 1)
 *   ADAPTIVE       what the heap is worth (pace_adaptive.c)
 *   both           at least up to initial_bytes
 *   FIXED          initial_bytes - (L + E)
 *   soft limit     no further than to the limit, or to what other heaps leave of a container's
 *   always         at least an eighth of (L + E), and at least 64 KiB: collection costs what it
 *                  marks, so this bounds its share of the work
 *
 * External bytes that were freed again do not count as growth, and never make it negative. But for
 * ADAPTIVE, which measures time, only bytes decide.
 */
#include "gc/heap.h"
#include "runtime/globals.h"
#include "runtime/platform/platform.h"

#define GOOI_HEADROOM_MIN ((size_t)64 << 10)

static size_t pace_external(const GooGcHeap *heap) {
    return atomic_load_explicit(&heap->external_bytes, memory_order_relaxed);
}

static uint64_t pace_clock(const GooGcHeap *heap) {
    (void)heap;
    return gooi_platform_time_ns();
}

static double pace_wanted_headroom(const GooGcHeap *heap, size_t base) {
    const GooGcOptions *o = &heap->options;
    switch (o->sizing) {
    case GOO_GC_SIZING_FIXED: return 0;
    case GOO_GC_SIZING_ADAPTIVE: return gooi_adaptive_headroom(heap);
    default: return (double)base * (o->growth_factor - 1);
    }
}

/* The heap's own soft limit, or what the other heaps leave of the container's; 0: none. */
static size_t pace_soft_limit(const GooGcHeap *heap) {
    size_t soft = heap->options.soft_limit_bytes;
    if (heap->container_bytes == 0) {
        return soft;
    }
    size_t all = atomic_load_explicit(&gooi_heaps_accounted, memory_order_relaxed);
    size_t others = all - gooi_accounted(heap);
    size_t left = others < heap->container_bytes ? heap->container_bytes - others : 1;
    return soft != 0 && soft < left ? soft : left;
}

static size_t pace_target(const GooGcHeap *heap, size_t base) {
    const GooGcOptions *o = &heap->options;
    double grown = (double)base + pace_wanted_headroom(heap, base);
    size_t target = grown >= (double)(SIZE_MAX / 2) ? SIZE_MAX / 2 : (size_t)grown;
    size_t soft = pace_soft_limit(heap);
    if (o->sizing == GOO_GC_SIZING_FIXED || target < o->initial_bytes) {
        target = o->initial_bytes;
    }
    return soft != 0 && target > soft ? soft : target;
}

/* The headroom for what the last collection found, under the limits of now. */
void gooi_pace_set_target(GooGcHeap *heap) {
    size_t base = heap->live_bytes + heap->external_at_cycle;
    size_t target = pace_target(heap, base);
    size_t least = base / 8 > GOOI_HEADROOM_MIN ? base / 8 : GOOI_HEADROOM_MIN;
    heap->headroom = target > base + least ? target - base : least;
}

/* What other threads handed out of their blocks lately is not known here. */
static size_t pace_growth(const GooGcHeap *heap) {
    size_t external = pace_external(heap);
    size_t grown = external > heap->external_at_cycle ? external - heap->external_at_cycle : 0;
    const GooGcMutator *m = gooi_mutator_here(heap);
    return heap->since_bytes + (m != NULL ? m->since_bytes : 0) + grown;
}

/* A heap begins. */
void gooi_pace_init(GooGcHeap *heap) {
    heap->clock = pace_clock;
    heap->adaptive.end_ns = heap->clock(heap);
    gooi_pace_set_target(heap);
}

/* A collection begins. */
void gooi_pace_begin(GooGcHeap *heap) {
    if (heap->options.sizing == GOO_GC_SIZING_ADAPTIVE) {
        heap->adaptive.begin_ns = heap->clock(heap);
        heap->adaptive.growth = pace_growth(heap);
    }
}

/* A collection has ended. */
void gooi_pace_update(GooGcHeap *heap) {
    heap->external_at_cycle = pace_external(heap);
    heap->stats.allocated_bytes += heap->since_bytes;
    heap->since_bytes = 0;
    if (heap->options.sizing == GOO_GC_SIZING_ADAPTIVE) {
        gooi_adaptive_measure(heap);
    }
    gooi_pace_set_target(heap);
}

bool gooi_pace_is_due(const GooGcHeap *heap) {
    return pace_growth(heap) >= heap->headroom;
}

double goo_gc_pressure(const GooGcHeap *heap) {
    double share = (double)pace_growth(heap) / (double)heap->headroom;
    return share < 1.0 ? share : 1.0;
}
