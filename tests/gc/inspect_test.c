/* Insight with several threads: events of every kind, walks while others build, the histogram of
 * pauses, and the same sequence of collections for the same program.
 */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "goo/allocators.h"
#include "goo/gc/weak.h"
#include "tests/gc/support.h"

/* --- events of every kind --- */

enum { KINDS = GOO_GC_EVENT_LATE_THREAD + 1, THREADS = 3 };

typedef struct InspectEvents {
    GooGcHeap *heap;
    size_t seen[KINDS];
    bool in_cycle, in_pause;
    size_t disorder;
    uint64_t time;
    _Atomic int late_step;
} InspectEvents;

static void inspect_hear(GooGcHeap *heap, const GooGcEvent *event, void *user) {
    InspectEvents *e = user;
    e->disorder += heap != e->heap || event->time_ns < e->time || (size_t)event->kind >= KINDS;
    e->time = event->time_ns;
    e->seen[event->kind]++;
    switch (event->kind) {
    case GOO_GC_EVENT_CYCLE_BEGIN:
        e->disorder += e->in_cycle;
        e->in_cycle = true;
        break;
    case GOO_GC_EVENT_PAUSE_BEGIN:
        e->disorder += !e->in_cycle || e->in_pause;
        e->in_pause = true;
        break;
    case GOO_GC_EVENT_MARKED:
    case GOO_GC_EVENT_RESIZED:
        e->disorder += !e->in_pause;
        break;
    case GOO_GC_EVENT_PAUSE_END:
        e->disorder += !e->in_pause;
        e->in_pause = false;
        break;
    case GOO_GC_EVENT_CYCLE_END:
        e->disorder += !e->in_cycle || e->in_pause;
        e->in_cycle = false;
        break;
    case GOO_GC_EVENT_OUT_OF_MEMORY:
        e->disorder += e->in_cycle || event->bytes == 0;
        break;
    case GOO_GC_EVENT_LATE_THREAD:
        e->disorder += event->mutator == NULL;
        atomic_store(&e->late_step, 2);
        break;
    case GOO_GC_EVENT_SWEPT:
        break;
    }
}

static void *inspect_build(void *arg) {
    GooGcMutator *m = goo_gc_attach(arg);
    for (uint64_t i = 0; i < 20000; i++) {
        pair_new(m, NULL, NULL, i);
    }
    goo_gc_detach(m);
    return NULL;
}

static void *inspect_be_late(void *arg) {
    InspectEvents *e = arg;
    GooGcMutator *m = goo_gc_attach(e->heap);
    atomic_store(&e->late_step, 1);
    while (atomic_load(&e->late_step) < 2) {
        usleep(100);
    }
    goo_gc_detach(m);
    return NULL;
}

GOO_TEST(gc_inspect, events_of_every_kind_in_order) {
    InspectEvents e = {.heap = heap_of("initial=256K,hard=16M")};
    CHECK_EQ(goo_gc_set_listener(e.heap, &(GooGcListener){inspect_hear, &e}), GOO_OK);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, inspect_build, e.heap), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    GooGcMutator *m = goo_gc_attach(e.heap);
    CHECK_PTR_EQ(goo_gc_alloc_leaf(m, 32 << 20), NULL);
    CHECK_EQ(pthread_create(&threads[0], NULL, inspect_be_late, &e), 0);
    while (atomic_load(&e.late_step) < 1) {
        usleep(100);
    }
    collect(m);
    pthread_join(threads[0], NULL);
    collect(m); /* and with it the sweep of the one before */
    CHECK_EQ(e.disorder, 0);
    for (size_t kind = 0; kind < KINDS; kind++) {
        CHECK_MSG(e.seen[kind] != 0, "no event of kind %zu", kind);
    }
    uint64_t cycles = goo_gc_get_stats(e.heap).collections_full;
    CHECK_EQ(e.seen[GOO_GC_EVENT_CYCLE_BEGIN], cycles);
    CHECK_EQ(e.seen[GOO_GC_EVENT_CYCLE_END], cycles);
    CHECK_EQ(e.seen[GOO_GC_EVENT_RESIZED], cycles);
    CHECK(!e.in_cycle && !e.in_pause);
    goo_gc_heap_destroy(e.heap);
}

/* --- walking and looking while others build --- */

typedef struct InspectShared {
    GooGcHeap *heap;
    _Atomic bool done;
    _Atomic size_t wrong;
} InspectShared;

/* Keeps a list of a known length, and lets go of it again. */
static void *inspect_churn(void *arg) {
    InspectShared *s = arg;
    GooGcMutator *m = goo_gc_attach(s->heap);
    for (uint64_t round = 0; round < 40; round++) {
        Pair *list = NULL;
        for (uint64_t i = 0; i < 500; i++) {
            goo_gc_push(m, list);
            list = pair_new(m, list, NULL, i);
            goo_gc_pop(m, 1);
        }
        goo_gc_push(m, list);
        goo_gc_safepoint(m);
        s->wrong += goo_gc_why_alive(s->heap, list, NULL, NULL) != 1;
        goo_gc_pop(m, 1);
    }
    goo_gc_detach(m);
    return NULL;
}

typedef struct InspectWalk {
    InspectShared *shared;
    size_t bytes;
} InspectWalk;

static void inspect_walked(void *object, size_t size, const GooGcType *type, void *user) {
    InspectWalk *walk = user;
    const Pair *pair = object;
    walk->bytes += size;
    walk->shared->wrong += type != &pair_type || size != sizeof(Pair) || pair->value >= 500;
}

static void *inspect_look(void *arg) { /* not attached */
    InspectShared *s = arg;
    while (!atomic_load(&s->done)) {
        InspectWalk walk = {s, 0};
        goo_gc_walk(s->heap, inspect_walked, &walk);
        GooGcStats stats = goo_gc_get_stats(s->heap);
        s->wrong += stats.heap_bytes < stats.live_bytes && stats.collections_full != 0;
        FILE *out = fopen("/dev/null", "w");
        s->wrong += goo_gc_write_snapshot(s->heap, out) != GOO_OK;
        fclose(out);
        s->wrong += goo_gc_verify(s->heap, stderr) != GOO_OK;
        usleep(500);
    }
    return NULL;
}

GOO_TEST(gc_inspect, looking_while_threads_build) {
    InspectShared s = {.heap = heap_of("initial=128K,poison")};
    pthread_t builders[THREADS], looker;
    CHECK_EQ(pthread_create(&looker, NULL, inspect_look, &s), 0);
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&builders[i], NULL, inspect_churn, &s), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(builders[i], NULL);
    }
    atomic_store(&s.done, true);
    pthread_join(looker, NULL);
    CHECK_EQ(s.wrong, 0);
    InspectWalk walk = {&s, 0};
    goo_gc_walk(s.heap, inspect_walked, &walk);
    CHECK(walk.bytes <= goo_gc_get_stats(s.heap).heap_bytes);
    goo_gc_heap_destroy(s.heap);
}

/* --- pauses --- */

GOO_TEST(gc_inspect, histogram_of_pauses) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    CHECK_EQ(goo_gc_get_pauses(heap, NULL, 0), 0);
    for (size_t i = 0; i < 300; i++) {
        goo_gc_push(m, pair_new(m, NULL, NULL, i));
        collect(m);
    }
    static GooGcPauseBucket buckets[960];
    size_t count = goo_gc_get_pauses(heap, buckets, 960);
    GooGcStats stats = goo_gc_get_stats(heap);
    uint64_t total = 0, least = 0, most = 0;
    CHECK(count > 0 && count <= 960);
    CHECK(buckets[0].low_ns <= stats.pause_ns_min && stats.pause_ns_min <= buckets[0].high_ns);
    for (size_t i = 0; i < count; i++) {
        CHECK(buckets[i].count != 0 && buckets[i].low_ns <= buckets[i].high_ns);
        CHECK(i == 0 || buckets[i].low_ns > buckets[i - 1].high_ns);
        CHECK(buckets[i].high_ns - buckets[i].low_ns <= buckets[i].low_ns / 16);
        total += buckets[i].count;
        least += buckets[i].count * buckets[i].low_ns;
        most += buckets[i].count * buckets[i].high_ns;
    }
    CHECK(buckets[count - 1].low_ns <= stats.pause_ns_max);
    CHECK(buckets[count - 1].high_ns >= stats.pause_ns_max);
    CHECK_EQ(total, stats.pauses);
    CHECK(least <= stats.pause_ns_total && stats.pause_ns_total <= most);
    GooGcPauseBucket one;
    CHECK_EQ(goo_gc_get_pauses(heap, &one, 1), count);
    CHECK_EQ(one.low_ns, buckets[0].low_ns);
    goo_gc_heap_destroy(heap);
}

/* --- a schedule that repeats --- */

typedef struct InspectSchedule {
    struct {
        GooGcEventKind kind;
        size_t bytes, at; /* at: which allocation of the program */
    } events[20000];
    size_t count, at;
} InspectSchedule;

static void inspect_record(GooGcHeap *heap, const GooGcEvent *event, void *user) {
    InspectSchedule *s = user;
    (void)heap;
    CHECK(s->count < sizeof s->events / sizeof *s->events);
    s->events[s->count].kind = event->kind;
    s->events[s->count].bytes = event->bytes;
    s->events[s->count++].at = s->at;
}

/* Objects of all sizes, owned blocks, weak references, a weak map, finalizers. */
static void inspect_program(const char *text, InspectSchedule *schedule) {
    GooGcHeap *heap = heap_of(text);
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *a = goo_system_allocator_create();
    void *kept[64] = {0};
    uint64_t random = 5;
    int deaths = 0;
    *schedule = (InspectSchedule){.count = 0};
    CHECK_EQ(goo_gc_set_listener(heap, &(GooGcListener){inspect_record, schedule}), GOO_OK);
    for (size_t i = 0; i < 64; i++) {
        CHECK_EQ(goo_gc_root_add_pointer(heap, &kept[i]), GOO_OK);
    }
    GooGcWeakMap *map = goo_gc_weak_map_new(m);
    goo_gc_push(m, map);
    for (schedule->at = 0; schedule->at < 15000; schedule->at++) {
        uint64_t draw = random_next(&random);
        void **place = &kept[draw >> 58];
        switch (draw % 8) {
        case 0:
            *place = goo_gc_alloc_leaf(m, 1 + draw / 8 % 20000);
            break;
        case 1:
            *place = pair_new(m, NULL, NULL, 1);
            goo_gc_owned_alloc(m, *place, a, 1 + draw / 8 % 3000);
            break;
        case 2:
            *place = goo_gc_weak_new(m, pair_new(m, NULL, NULL, 2));
            break;
        case 3:
            *place = pair_new(m, NULL, NULL, 3);
            CHECK_EQ(goo_gc_weak_map_set(m, map, *place, *place), GOO_OK);
            break;
        case 4:
            *place = mortal_new(m, &deaths);
            break;
        default:
            *place = pair_new(m, NULL, NULL, draw);
        }
    }
    goo_gc_heap_destroy(heap);
    goo_allocator_destroy(a);
}

GOO_TEST(gc_inspect, same_program_same_events) {
    static InspectSchedule one, two;
    static const char *const texts[] = {
        "initial=256K,decay=0",           "initial=256K,decay=0,markers=1",
        "stress=97,decay=0",              "initial=1M,growth=1.3,decay=0,markers=2",
        "sizing=fixed,initial=2M,decay=0", "initial=256K,soft=1M,decay=0,poison"};
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        inspect_program(texts[t], &one);
        inspect_program(texts[t], &two);
        CHECK(one.count > 60);
        CHECK_EQ(one.count, two.count);
        for (size_t i = 0; i < one.count; i++) {
            CHECK_MSG(one.events[i].kind == two.events[i].kind &&
                          one.events[i].bytes == two.events[i].bytes &&
                          one.events[i].at == two.events[i].at,
                      "%s: event %zu: kind %d, %zu bytes at %zu; then kind %d, %zu bytes at %zu",
                      texts[t], i, (int)one.events[i].kind, one.events[i].bytes, one.events[i].at,
                      (int)two.events[i].kind, two.events[i].bytes, two.events[i].at);
        }
    }
}
