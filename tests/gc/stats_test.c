/* What a heap says about itself: exact counts, percentiles, events in their order, and the same
 * program twice.
 *
 * Uses private headers: gc/heap.h, for the histogram. Invariants: GC-5.
 */
#include <stdlib.h>

#include "gc/heap.h"
#include "tests/gc/support.h"

/* Every allocation shows at once, those in the span that is being filled too. */
GOO_TEST(gc_stats, allocations_are_counted_exactly) {
    static const char *const texts[] = {"", "initial=128K", "stress=3", "initial=64K,poison"};
    for (size_t t = 0; t < GOOI_COUNT(texts); t++) {
        GooGcHeap *heap = heap_of(texts[t]);
        GooGcMutator *m = goo_gc_attach(heap);
        uint64_t random = t, bytes = 0, objects = 0;
        for (int i = 0; i < 4000; i++) {
            uint64_t die = random_next(&random) % 100;
            size_t size = 1 + random_next(&random) % (die < 80 ? 200 : die < 98 ? 8192 : 300000);
            bool inlined = random_next(&random) % 2 == 0;
            CHECK((inlined ? goo_gc_alloc_leaf_inline(m, size) : (goo_gc_alloc_leaf)(m, size)) !=
                  NULL);
            bytes += (size + 15) & ~(size_t)15;
            objects++;
            if (i % 5 == 0) {
                GooGcStats s = goo_gc_get_stats(heap);
                CHECK_EQ(s.allocated_bytes, bytes);
                CHECK_EQ(s.allocated_objects, objects);
            }
            if (i % 777 == 0) {
                collect(m);
            }
        }
        goo_gc_heap_destroy(heap);
    }
}

GOO_TEST(gc_stats, live_before_and_after_a_collection) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    GooGcStats s = goo_gc_get_stats(heap);
    CHECK_EQ(s.live_bytes + s.objects_live + s.collections_full + s.pauses + s.heap_bytes, 0);
    CHECK_EQ(s.pause_ns_min | s.pause_ns_max | s.pause_ns_p50 | s.pause_ns_total, 0);
    goo_gc_push(m, goo_gc_alloc_leaf(m, 100));
    goo_gc_push(m, goo_gc_alloc_leaf(m, 100000));
    goo_gc_alloc_leaf(m, 1000);
    s = goo_gc_get_stats(heap); /* before the first collection: all of it */
    CHECK_EQ(s.live_bytes, 112 + 100000 + 1008);
    CHECK_EQ(s.objects_live, 3);
    collect(m);
    goo_gc_alloc_leaf(m, 1000);
    s = goo_gc_get_stats(heap);
    CHECK_EQ(s.live_bytes, 112 + 100000);
    CHECK_EQ(s.objects_live, 2);
    CHECK_EQ(s.objects_marked, 2);
    collect(m);
    CHECK_EQ(goo_gc_get_stats(heap).objects_marked, 4);
    CHECK(s.heap_bytes >= s.live_bytes && s.metadata_bytes > 0);
    CHECK(s.peak_bytes >= s.heap_bytes + s.metadata_bytes);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_stats, pauses) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    for (int i = 0; i < 200; i++) {
        for (int j = 0; j < i * 10; j++) {
            goo_gc_push(m, goo_gc_alloc_leaf(m, 16));
        }
        collect(m);
        goo_gc_pop(m, (size_t)i * 10);
    }
    GooGcStats s = goo_gc_get_stats(heap);
    CHECK_EQ(s.collections_full, 200);
    CHECK_EQ(s.pauses, 200);
    CHECK(s.pause_ns_min > 0 && s.pause_ns_min <= s.pause_ns_p50);
    CHECK(s.pause_ns_p50 <= s.pause_ns_p99 && s.pause_ns_p99 <= s.pause_ns_p999);
    CHECK(s.pause_ns_p999 <= s.pause_ns_max && s.pause_ns_max <= s.pause_ns_total);
    CHECK(s.mark_ns > 0 && s.mark_ns <= s.pause_ns_total);
    goo_gc_heap_destroy(heap);
}

/* --- the histogram --- */

static int stats_compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* A quantile is never below the value at its rank among the sorted, and at most 6.25 % above. */
GOO_TEST(gc_stats, percentiles) {
    enum { COUNT = 5000 };
    static GooiHistogram h;
    static uint64_t values[COUNT];
    static const double quantiles[] = {0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0};
    for (unsigned spread = 1; spread <= 62; spread += 3) { /* up to 2^62: 146 years in ns */
        h = (GooiHistogram){0};
        uint64_t random = spread, total = 0;
        for (size_t i = 0; i < COUNT; i++) {
            values[i] = random_next(&random) >> (64 - spread + random_next(&random) % spread);
            values[i] = i == 17 ? 0 : values[i];
            gooi_histogram_add(&h, values[i]);
            total += values[i];
        }
        qsort(values, COUNT, sizeof *values, stats_compare);
        CHECK_EQ(h.count, COUNT);
        CHECK_EQ(h.total, total);
        CHECK_EQ(h.min, values[0]);
        CHECK_EQ(h.max, values[COUNT - 1]);
        for (size_t q = 0; q < GOOI_COUNT(quantiles); q++) {
            size_t rank = (size_t)(quantiles[q] * COUNT);
            uint64_t exact = values[rank < COUNT ? rank : COUNT - 1];
            uint64_t got = gooi_histogram_quantile(&h, quantiles[q]);
            CHECK_MSG(got >= exact && got - exact <= exact / 16,
                      "spread %u, quantile %g: %llu, not %llu", spread, quantiles[q],
                      (unsigned long long)got, (unsigned long long)exact);
        }
    }
}

GOO_TEST(gc_stats, histogram_of_one_and_none) {
    static GooiHistogram h;
    CHECK_EQ(gooi_histogram_quantile(&h, 0.5), 0);
    gooi_histogram_add(&h, 1000003);
    CHECK_EQ(gooi_histogram_quantile(&h, 0.5), 1000003);
    CHECK_EQ(gooi_histogram_quantile(&h, 0.999), 1000003);
    CHECK_EQ(h.min, 1000003);
    gooi_histogram_add(&h, UINT64_MAX);
    CHECK_EQ(h.max, UINT64_MAX);
}

/* --- events --- */

typedef struct EventLog {
    GooGcEvent events[4096];
    size_t count;
    GooGcMutator *m;
} EventLog;

static void stats_record(GooGcHeap *heap, const GooGcEvent *event, void *user) {
    EventLog *log = user;
    CHECK_PTR_EQ(event->mutator, log->m);
    CHECK_PTR_EQ(goo_gc_heap_of(log->m), heap);
    CHECK(log->count < GOOI_COUNT(log->events));
    log->events[log->count++] = *event;
}

/* CYCLE_BEGIN PAUSE_BEGIN MARKED RESIZED PAUSE_END CYCLE_END, with SWEPT once for each cycle: after
 * its MARKED and before the next one's. */
static void stats_check_order(const EventLog *log, uint64_t cycles) {
    static const GooGcEventKind order[] = {GOO_GC_EVENT_CYCLE_BEGIN, GOO_GC_EVENT_PAUSE_BEGIN,
                                           GOO_GC_EVENT_MARKED,      GOO_GC_EVENT_RESIZED,
                                           GOO_GC_EVENT_PAUSE_END,   GOO_GC_EVENT_CYCLE_END};
    uint64_t place = 0, swept = 0, marked = 0, time = 0;
    for (size_t i = 0; i < log->count; i++) {
        const GooGcEvent *event = &log->events[i];
        CHECK(event->time_ns >= time);
        time = event->time_ns;
        if (event->kind == GOO_GC_EVENT_SWEPT) {
            swept++;
            CHECK_EQ(swept, marked);
            continue;
        }
        CHECK_MSG(event->kind == order[place % GOOI_COUNT(order)], "event %zu is of kind %d", i,
                  (int)event->kind);
        marked += event->kind == GOO_GC_EVENT_MARKED;
        CHECK(marked - swept <= 1);
        place++;
    }
    CHECK_EQ(place, cycles * GOOI_COUNT(order));
}

GOO_TEST(gc_stats, events_are_ordered_and_balanced) {
    static const char *const texts[] = {"initial=256K", "initial=256K,poison", "stress=500,verify"};
    static EventLog log;
    for (size_t t = 0; t < GOOI_COUNT(texts); t++) {
        GooGcHeap *heap = heap_of(texts[t]);
        log = (EventLog){.m = goo_gc_attach(heap)};
        GooGcListener listener = {stats_record, &log};
        CHECK_EQ(goo_gc_set_listener(heap, &listener), GOO_OK);
        uint64_t random = 1;
        for (int i = 0; i < 40000; i++) {
            CHECK(goo_gc_alloc_leaf(log.m, 1 + random_next(&random) % 300) != NULL);
        }
        CHECK(goo_gc_get_stats(heap).collections_full > 10);
        stats_check_order(&log, goo_gc_get_stats(heap).collections_full);
        goo_gc_heap_destroy(heap);
    }
}

/* The numbers that events carry. */
GOO_TEST(gc_stats, events_tell_bytes) {
    static EventLog log;
    GooGcHeap *heap = heap_of("hard=32M,initial=2M");
    log = (EventLog){.m = goo_gc_attach(heap)};
    GooGcListener listener = {stats_record, &log};
    CHECK_EQ(goo_gc_set_listener(heap, &listener), GOO_OK);
    goo_gc_push(log.m, goo_gc_alloc_leaf(log.m, 3 << 20));
    goo_gc_push(log.m, goo_gc_alloc_leaf(log.m, 5000));
    CHECK_EQ(goo_gc_adjust_external(heap, 1 << 20), GOO_OK);
    log.count = 0;
    collect(log.m);
    size_t live = (3 << 20) + 5008;
    for (size_t i = 0; i < log.count; i++) {
        const GooGcEvent *event = &log.events[i];
        CHECK_EQ(event->collection, GOO_GC_FULL);
        if (event->kind == GOO_GC_EVENT_MARKED || event->kind == GOO_GC_EVENT_CYCLE_END) {
            CHECK_EQ(event->bytes, live);
        } else if (event->kind == GOO_GC_EVENT_RESIZED) { /* heap and external, twice over */
            CHECK_EQ(event->bytes, 2 * (live + (1 << 20)));
        }
    }
    log.count = 0;
    CHECK_PTR_EQ(goo_gc_alloc_leaf(log.m, 31 << 20), NULL);
    CHECK_EQ(log.events[log.count - 1].kind, GOO_GC_EVENT_OUT_OF_MEMORY);
    CHECK_EQ(log.events[log.count - 1].bytes, 31 << 20);
    log.count = 0;
    CHECK_EQ(goo_gc_set_listener(heap, NULL), GOO_OK);
    collect(log.m);
    CHECK_EQ(log.count, 0);
    CHECK_EQ(goo_gc_set_listener(heap, &(GooGcListener){NULL, NULL}), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_set_listener(NULL, NULL), GOO_ERR_INVALID_ARGUMENT);
    goo_gc_heap_destroy(heap);
}

/* SWEPT tells how much is free in swept blocks: of a block half of whose objects died, half. */
GOO_TEST(gc_stats, swept_tells_what_is_free) {
    static EventLog log;
    GooGcHeap *heap = heap_of("poison");
    log = (EventLog){.m = goo_gc_attach(heap)};
    for (int i = 0; i < 65536 / 64; i++) {
        void *leaf = goo_gc_alloc_leaf(log.m, 64);
        if (i % 2 == 0) {
            goo_gc_push(log.m, leaf);
        }
    }
    GooGcListener listener = {stats_record, &log};
    CHECK_EQ(goo_gc_set_listener(heap, &listener), GOO_OK);
    collect(log.m);
    size_t heap_bytes = goo_gc_get_stats(heap).heap_bytes;
    bool seen = false;
    for (size_t i = 0; i < log.count; i++) {
        if (log.events[i].kind == GOO_GC_EVENT_SWEPT) {
            CHECK_EQ(log.events[i].bytes, heap_bytes - 32768);
            seen = true;
        }
    }
    CHECK(seen);
    goo_gc_heap_destroy(heap);
}

/* --- walking --- */

typedef struct StatsWalk {
    GooGcMutator *m;
    uintptr_t last;
    size_t count, bytes;
    bool allocates;
} StatsWalk;

static void stats_walked(void *object, size_t size, const GooGcType *type, void *user) {
    StatsWalk *w = user;
    uintptr_t address = (uintptr_t)object;
    if (gooi_slab_base(address) == gooi_slab_base(w->last)) {
        CHECK(address > w->last);
    }
    CHECK_EQ(goo_gc_size_of(goo_gc_heap_of(w->m), object), size);
    CHECK_PTR_EQ(type, NULL);
    w->last = address;
    w->count++;
    w->bytes += size;
    if (w->allocates) {
        (goo_gc_alloc_leaf)(w->m, 16);
    }
}

static GooGcHeap *volatile stats_given_up;

/* Everything that is there, in order: what died since the last collection too, but nothing that
 * died before it. */
GOO_TEST(gc_stats, walks) {
    GooGcHeap *heap = heap_of("initial=64M");
    StatsWalk w = {.m = goo_gc_attach(heap)};
    goo_gc_walk(heap, stats_walked, &w);
    CHECK_EQ(w.count, 0);
    size_t bytes = 0;
    uint64_t random = 31;
    for (int i = 0; i < 3000; i++) {
        size_t size = 16 * (1 + random_next(&random) % (i % 100 == 0 ? 20000 : 30));
        CHECK(goo_gc_alloc_leaf(w.m, size) != NULL);
        bytes += size;
    }
    goo_gc_walk(heap, stats_walked, &w);
    CHECK_EQ(w.count, 3000);
    CHECK_EQ(w.bytes, bytes);
    collect(w.m); /* and nothing is swept yet */
    goo_gc_push(w.m, goo_gc_alloc_leaf(w.m, 48));
    w = (StatsWalk){.m = w.m};
    goo_gc_walk(heap, stats_walked, &w);
    CHECK_EQ(w.count, 1);
    CHECK_EQ(w.bytes, 48);
    w = (StatsWalk){.m = w.m, .allocates = true};
    stats_given_up = heap; /* the panic leaves it in the midst of a walk */
    CHECK_PANICS(goo_gc_walk(heap, stats_walked, &w), "inside a collection");
}

/* --- determinism --- */

static uint64_t stats_run_program(const char *text, uint64_t *marked) {
    GooGcHeap *heap = heap_of(text);
    GooGcMutator *m = goo_gc_attach(heap);
    uint64_t random = 99, digest = 0;
    void *kept[64] = {0};
    for (size_t i = 0; i < 64; i++) {
        CHECK_EQ(goo_gc_root_add_pointer(heap, &kept[i]), GOO_OK);
    }
    uint64_t last = 0;
    for (uint64_t i = 0; i < 60000; i++) {
        uint64_t draw = random_next(&random);
        void *leaf = goo_gc_alloc_leaf(m, 1 + draw % (draw % 50 == 0 ? 20000 : 400));
        CHECK(leaf != NULL);
        kept[draw >> 58] = leaf;
        GooGcStats s = goo_gc_get_stats(heap);
        if (s.collections_full != last) { /* when, and with what outcome */
            last = s.collections_full;
            digest = (digest ^ i) * 31 + s.live_bytes;
        }
    }
    *marked = goo_gc_get_stats(heap).objects_marked;
    goo_gc_heap_destroy(heap);
    return digest ^ last;
}

GOO_TEST(gc_stats, same_program_same_collections) {
    static const char *const texts[] = {"initial=256K", "initial=1M,growth=1.2", "stress=101",
                                        "soft=1M,initial=64K"};
    for (size_t t = 0; t < GOOI_COUNT(texts); t++) {
        uint64_t marked, marked_again;
        uint64_t once = stats_run_program(texts[t], &marked);
        uint64_t again = stats_run_program(texts[t], &marked_again);
        CHECK_EQ(once, again);
        CHECK_EQ(marked, marked_again);
        CHECK(marked > 0);
    }
}
