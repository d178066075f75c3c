/* What a heap tells of itself: events, and how long pauses were.
 *
 * Threads: under the heap's lock.
 */
#ifndef GOO_GC_STATS_H
#define GOO_GC_STATS_H

#include "goo/gc/inspect.h"
#include "runtime/base.h"

/* --- pause histogram (histogram.c): buckets 1/16 apart --- */

#define GOOI_HISTOGRAM_BUCKETS (60 * 16)
typedef struct GooiHistogram {
    uint64_t count, total, min, max;
    uint32_t buckets[GOOI_HISTOGRAM_BUCKETS];
} GooiHistogram;

/* --- prototypes, by the file that defines them --- */

/* stats.c, histogram.c */
void gooi_notify(GooGcHeap *heap, GooGcEventKind kind, size_t bytes);
void gooi_notify_of(GooGcHeap *heap, GooGcEventKind kind, size_t bytes, const GooGcMutator *m);
void gooi_histogram_add(GooiHistogram *h, uint64_t value);
uint64_t gooi_histogram_quantile(const GooiHistogram *h, double quantile);
size_t gooi_histogram_read(const GooiHistogram *h, GooGcPauseBucket *out_buckets, size_t capacity);

#endif
