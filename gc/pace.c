/* Pacing: when the next collection is due.
 *
 * After a collection found L live bytes with E external ones hanging on them, the next is due when
 * heap and external bytes together have grown by the headroom:
 *
 *   PROPORTIONAL   max((L + E) * growth_factor, initial_bytes) - (L + E)
 *   FIXED          initial_bytes - (L + E)
 *   soft limit     no further than to the limit
 *   always         at least an eighth of (L + E), and at least 64 KiB: collection costs what it
 *                  marks, so this bounds its share of the work
 *
 * External bytes that were freed again do not count as growth, and never make it negative.
 */
#include "gc/heap.h"

#define GOOI_HEADROOM_MIN ((size_t)64 << 10)

static size_t pace_external(const GooGcHeap *heap) {
    return atomic_load_explicit(&heap->external_bytes, memory_order_relaxed);
}

static size_t pace_target(const GooGcHeap *heap, size_t base) {
    const GooGcOptions *o = &heap->options;
    double grown = (double)base * o->growth_factor;
    size_t target = grown >= (double)(SIZE_MAX / 2) ? SIZE_MAX / 2 : (size_t)grown;
    if (o->sizing == GOO_GC_SIZING_FIXED || target < o->initial_bytes) {
        target = o->initial_bytes;
    }
    if (o->soft_limit_bytes != 0 && target > o->soft_limit_bytes) {
        target = o->soft_limit_bytes;
    }
    return target;
}

/* The headroom for what the last collection found, under the limits of now. */
void gooi_pace_set_target(GooGcHeap *heap) {
    size_t base = heap->live_bytes + heap->external_at_cycle;
    size_t target = pace_target(heap, base);
    size_t least = base / 8 > GOOI_HEADROOM_MIN ? base / 8 : GOOI_HEADROOM_MIN;
    heap->headroom = target > base + least ? target - base : least;
}

/* A collection has ended. */
void gooi_pace_update(GooGcHeap *heap) {
    heap->external_at_cycle = pace_external(heap);
    heap->stats.allocated_bytes += heap->since_bytes;
    heap->since_bytes = 0;
    gooi_pace_set_target(heap);
}

static size_t pace_growth(const GooGcHeap *heap) {
    size_t external = pace_external(heap);
    size_t grown = external > heap->external_at_cycle ? external - heap->external_at_cycle : 0;
    return heap->since_bytes + grown;
}

bool gooi_pace_is_due(const GooGcHeap *heap) {
    return pace_growth(heap) >= heap->headroom;
}

double goo_gc_pressure(const GooGcHeap *heap) {
    double share = (double)pace_growth(heap) / (double)heap->headroom;
    return share < 1.0 ? share : 1.0;
}
