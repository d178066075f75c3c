/* What a heap tells about itself: statistics, and events to its listener.
 *
 * Counters are kept where things happen; here they are put together. What was made in the blocks
 * that are in use is counted when somebody asks.
 */
#include "gc/heap.h"
#include "gc/lock.h"
#include "runtime/callbacks.h"
#include "runtime/platform/platform.h"

/* What was handed out of spans and of blocks that are in use. What other threads are doing right
 * now is theirs to know. */
static void stats_add_current(const GooGcHeap *heap, GooGcStats *s) {
    s->allocated_bytes += heap->since_bytes;
    for (const GooGcMutator *m = heap->mutators; m != NULL; m = m->next) {
        if (m->state != GOOI_MUTATOR_RUNNING || m->thread_id == gooi_thread_here()) {
            s->allocated_bytes += m->since_bytes + (m->fast.cursor - m->span_start);
            s->allocated_objects += gooi_region_objects(m->small) + gooi_region_objects(m->medium);
        }
    }
}

static GooGcStats stats_read(const GooGcHeap *heap) {
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

GooGcStats goo_gc_get_stats(const GooGcHeap *heap) {
    GooGcHeap *locked = (GooGcHeap *)(uintptr_t)heap; /* a heap is made by create, never constant */
    gooi_heap_lock(locked);
    GooGcStats s = stats_read(heap);
    gooi_heap_unlock(locked);
    return s;
}

size_t goo_gc_get_pauses(const GooGcHeap *heap, GooGcPauseBucket *out_buckets, size_t capacity) {
    GooGcHeap *locked = (GooGcHeap *)(uintptr_t)heap;
    gooi_heap_lock(locked);
    size_t found = gooi_histogram_read(&heap->pauses, out_buckets, capacity);
    gooi_heap_unlock(locked);
    return found;
}

GooStatus goo_gc_set_listener(GooGcHeap *heap, const GooGcListener *listener) {
    if (heap == NULL || (listener != NULL && listener->event == NULL)) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    gooi_heap_lock(heap);
    heap->listener = listener != NULL ? *listener : (GooGcListener){0};
    gooi_heap_unlock(heap);
    return GOO_OK;
}

GooStatus goo_gc_set_namer(GooGcHeap *heap, const GooGcNamer *namer) {
    if (heap == NULL || (namer != NULL && namer->name == NULL)) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    gooi_heap_lock(heap);
    heap->namer = namer != NULL ? *namer : (GooGcNamer){0};
    gooi_heap_unlock(heap);
    return GOO_OK;
}

/* The process's observers hear of cycles, under the same rule as a listener. */
static void stats_tell_observers(GooGcHeap *heap, GooGcEventKind kind) {
    bool begins = kind == GOO_GC_EVENT_CYCLE_BEGIN;
    if ((begins || kind == GOO_GC_EVENT_CYCLE_END) && gooi_callbacks_active()) {
        gooi_callbacks_notify(begins ? GOO_EVENT_GC_BEGIN : GOO_EVENT_GC_END, NULL,
                              begins ? heap->used_bytes : heap->live_bytes, 0);
    }
}

/* Under the lock, so that listeners hear one event at a time; they must not allocate. */
void gooi_notify_of(GooGcHeap *heap, GooGcEventKind kind, size_t bytes, const GooGcMutator *m) {
    gooi_heap_lock(heap);
    bool collecting = heap->collecting;
    heap->collecting = true;
    gooi_alloc_hide_here(heap);
    stats_tell_observers(heap, kind);
    if (heap->listener.event != NULL) {
        GooGcEvent event = {.kind = kind,
                            .collection = GOO_GC_FULL,
                            .time_ns = gooi_platform_time_ns(),
                            .bytes = bytes,
                            .mutator = m};
        heap->listener.event(heap, &event, heap->listener.user);
    }
    heap->collecting = collecting;
    gooi_heap_unlock(heap);
}

void gooi_notify(GooGcHeap *heap, GooGcEventKind kind, size_t bytes) {
    gooi_notify_of(heap, kind, bytes, gooi_mutator_here(heap));
}
