/* What a heap tells about itself: statistics, and events to its listener.
 *
 * Counters are kept where things happen; here they are put together. What was made in the blocks
 * that are in use is counted when somebody asks.
 */
#include "gc/heap.h"
#include "runtime/callbacks.h"
#include "runtime/platform/platform.h"

/* What was handed out of the span and the blocks that are in use. */
static void stats_add_current(const GooGcHeap *heap, GooGcStats *s) {
    s->allocated_bytes += heap->mutator.fast.cursor - heap->mutator.span_start;
    s->allocated_objects += gooi_region_objects(heap->small) + gooi_region_objects(heap->medium);
}

GooGcStats goo_gc_get_stats(const GooGcHeap *heap) {
    GooGcStats s = heap->stats;
    const GooiHistogram *pauses = &heap->pauses;
    stats_add_current(heap, &s);
    s.pauses = pauses->count;
    s.pause_ns_min = pauses->min;
    s.pause_ns_max = pauses->max;
    s.pause_ns_total = pauses->total;
    s.pause_ns_p50 = gooi_histogram_quantile(pauses, 0.5);
    s.pause_ns_p99 = gooi_histogram_quantile(pauses, 0.99);
    s.pause_ns_p999 = gooi_histogram_quantile(pauses, 0.999);
    s.heap_bytes = heap->used_bytes;
    s.metadata_bytes = heap->metadata_bytes;
    s.external_bytes = atomic_load_explicit(&heap->external_bytes, memory_order_relaxed);
    s.peak_bytes = atomic_load_explicit(&heap->peak_bytes, memory_order_relaxed);
    s.limit_hits = (size_t)atomic_load_explicit(&heap->limit_hits, memory_order_relaxed);
    s.live_bytes = heap->live_bytes;
    if (s.collections_full == 0) {
        s.live_bytes = (size_t)s.allocated_bytes;
        s.objects_live = (size_t)s.allocated_objects;
    }
    return s;
}

GooStatus goo_gc_set_listener(GooGcHeap *heap, const GooGcListener *listener) {
    if (heap == NULL || (listener != NULL && listener->event == NULL)) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    heap->listener = listener != NULL ? *listener : (GooGcListener){0};
    return GOO_OK;
}

/* The process's observers hear of cycles, under the same rule as a listener. */
static void stats_tell_observers(GooGcHeap *heap, GooGcEventKind kind) {
    bool begins = kind == GOO_GC_EVENT_CYCLE_BEGIN;
    if ((!begins && kind != GOO_GC_EVENT_CYCLE_END) || !gooi_callbacks_active()) {
        return;
    }
    bool collecting = heap->collecting;
    heap->collecting = true;
    gooi_alloc_hide_span(&heap->mutator);
    gooi_callbacks_notify(begins ? GOO_EVENT_GC_BEGIN : GOO_EVENT_GC_END, NULL,
                          begins ? heap->used_bytes : heap->live_bytes, 0);
    heap->collecting = collecting;
}

void gooi_notify(GooGcHeap *heap, GooGcEventKind kind, size_t bytes) {
    stats_tell_observers(heap, kind);
    if (heap->listener.event == NULL) {
        return;
    }
    GooGcEvent event = {.kind = kind,
                        .collection = GOO_GC_FULL,
                        .time_ns = gooi_platform_time_ns(),
                        .bytes = bytes,
                        .mutator = heap->attached ? &heap->mutator : NULL};
    bool collecting = heap->collecting;
    heap->collecting = true; /* the listener must not allocate */
    gooi_alloc_hide_span(&heap->mutator);
    heap->listener.event(heap, &event, heap->listener.user);
    heap->collecting = collecting;
}
