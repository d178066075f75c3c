/* Private headers: the heap's clock is the test's, so that what time decides comes out the same in
 * every run. Adaptive sizing, decay, and the soft limit of a container.
 */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gc/heap.h"
#include "runtime/platform/platform.h"
#include "tests/gc/support.h"

static uint64_t pace_now; /* nanoseconds */

static uint64_t pace_time(const GooGcHeap *heap) {
    (void)heap;
    return pace_now;
}

static GooGcHeap *timed_heap(const char *options) {
    GooGcHeap *heap = heap_of(options);
    pace_now = 1;
    heap->clock = pace_time;
    heap->adaptive.end_ns = pace_now;
    return heap;
}

/* --- adaptive sizing --- */

/* A program whose speed is given: live bytes, allocated and marked bytes a second. */
typedef struct Load {
    GooGcHeap *heap;
    GooGcMutator *m;
    double allocation_rate, marking_rate;
    double marking_ns;
} Load;

static void load_listen(GooGcHeap *heap, const GooGcEvent *event, void *user) {
    Load *load = user;
    (void)heap;
    if (event->kind == GOO_GC_EVENT_MARKED) {
        double ns = (double)event->bytes / load->marking_rate * 1e9;
        load->marking_ns += ns;
        pace_now += (uint64_t)ns;
    }
}

static void load_begin(Load *load, const char *options, size_t live_mib) {
    load->heap = timed_heap(options);
    load->m = goo_gc_attach(load->heap);
    CHECK_EQ(goo_gc_set_listener(load->heap, &(GooGcListener){load_listen, load}), GOO_OK);
    for (size_t i = 0; i < live_mib; i++) {
        goo_gc_push(load->m, goo_gc_alloc_leaf(load->m, 1 << 20));
    }
    collect(load->m);
}

/* Garbage by the mebibyte: outside bytes, which count the same and take no time to make. */
static void load_run(Load *load, size_t mebibytes) {
    for (size_t i = 0; i < mebibytes; i++) {
        void *owner = goo_gc_alloc_leaf(load->m, 16);
        CHECK(owner != NULL && goo_gc_owner_adjust(load->m, owner, 1 << 20) == GOO_OK);
        goo_gc_safepoint(load->m);
        pace_now += (uint64_t)((1 << 20) / load->allocation_rate * 1e9);
    }
}

/* Collections while `mebibytes` are allocated, after the measurements have settled. */
static uint64_t load_collections(size_t live_mib, double allocation_rate, double marking_rate,
                                 const char *options, size_t mebibytes) {
    Load load = {.allocation_rate = allocation_rate, .marking_rate = marking_rate};
    load_begin(&load, options, live_mib);
    load_run(&load, 1000);
    uint64_t before = goo_gc_get_stats(load.heap).collections_full;
    load_run(&load, mebibytes);
    uint64_t after = goo_gc_get_stats(load.heap).collections_full;
    goo_gc_heap_destroy(load.heap);
    return after - before;
}

static void check_about(uint64_t found, double wanted) {
    CHECK_MSG((double)found >= wanted * 0.9 - 1 && (double)found <= wanted * 1.1 + 1,
              "%llu collections, %.1f wanted", (unsigned long long)found, wanted);
}

GOO_TEST(gc_pace, adaptive_is_the_square_root_rule) {
    /* 64 MiB, allocated an eighth as fast as marked: the headroom is 64 MiB. */
    check_about(load_collections(64, 1e9, 8e9, "sizing=adaptive", 4000), 4000.0 / 64);
    /* Four times the rate, or the live bytes, or a quarter of the speed: twice the headroom. */
    check_about(load_collections(64, 4e9, 8e9, "sizing=adaptive", 4000), 4000.0 / 128);
    check_about(load_collections(64, 1e9, 2e9, "sizing=adaptive", 4000), 4000.0 / 128);
    check_about(load_collections(16, 1e9, 8e9, "sizing=adaptive", 4000), 4000.0 / 32);
    /* A slow program gets little; the constant goes with the square of factor - 1. */
    check_about(load_collections(64, 1e7, 8e9, "sizing=adaptive", 1000), 1000.0 / 8);
    check_about(load_collections(64, 1e9, 8e9, "sizing=adaptive,growth=1.5", 4000), 4000.0 / 32);
}

GOO_TEST(gc_pace, adaptive_runs_are_alike) {
    uint64_t first = load_collections(20, 3e9, 5e9, "sizing=adaptive", 2000);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(load_collections(20, 3e9, 5e9, "sizing=adaptive", 2000), first);
    }
}

/* The heap's own bytes count as outside ones do. */
GOO_TEST(gc_pace, adaptive_counts_the_heaps_bytes) {
    Load load = {.allocation_rate = 1e9, .marking_rate = 8e9};
    load_begin(&load, "sizing=adaptive", 64);
    uint64_t before = 0;
    for (size_t i = 0; i < 2000; i++) {
        if (i == 1000) {
            before = goo_gc_get_stats(load.heap).collections_full;
        }
        CHECK(goo_gc_alloc_leaf(load.m, 1 << 20) != NULL);
        pace_now += (uint64_t)((1 << 20) / load.allocation_rate * 1e9);
    }
    check_about(goo_gc_get_stats(load.heap).collections_full - before, 1000.0 / 64);
    goo_gc_heap_destroy(load.heap);
}

/* While a heap is being built, collections are as few as with proportional sizing, however little
 * was allocated in the time before. */
GOO_TEST(gc_pace, adaptive_ramps_up) {
    uint64_t collections[2];
    for (int adaptive = 0; adaptive < 2; adaptive++) {
        GooGcHeap *heap = timed_heap(adaptive ? "sizing=adaptive" : "");
        Load load = {.heap = heap, .m = goo_gc_attach(heap), .marking_rate = 20e9};
        CHECK_EQ(goo_gc_set_listener(heap, &(GooGcListener){load_listen, &load}), GOO_OK);
        pace_now += 100 * UINT64_C(1000000000); /* a slow start */
        for (size_t i = 0; i < 256; i++) {
            goo_gc_push(load.m, goo_gc_alloc_leaf(load.m, 1 << 20));
            pace_now += 10000000; /* 10 ms: 0.1 GB/s */
        }
        collections[adaptive] = goo_gc_get_stats(heap).collections_full;
        goo_gc_heap_destroy(heap);
    }
    CHECK_MSG(collections[1] <= collections[0] + 3, "%llu, proportional %llu",
              (unsigned long long)collections[1], (unsigned long long)collections[0]);
}

/* Two heaps of one process, one busy and one not, do the same work in the same memory: divided by
 * need, it takes clearly less time to collect than divided by size. */
GOO_TEST(gc_pace, adaptive_heaps_share_memory) {
    double marking_ns[2];
    size_t headroom[2] = {0};
    for (int adaptive = 0; adaptive < 2; adaptive++) {
        Load busy = {.allocation_rate = 4e9, .marking_rate = 8e9};
        Load calm = {.allocation_rate = 0.04e9, .marking_rate = 8e9};
        /* 70 MiB of headroom for each, or 128 and 13. */
        const char *options = adaptive ? "sizing=adaptive,growth=2" : "growth=2.1";
        load_begin(&busy, options, 64);
        load_begin(&calm, options, 64);
        for (size_t second = 0; second < 5; second++) {
            load_run(&busy, 4000);
            load_run(&calm, 40);
        }
        headroom[adaptive] = busy.heap->headroom + calm.heap->headroom;
        marking_ns[adaptive] = busy.marking_ns + calm.marking_ns;
        if (adaptive) {
            CHECK(busy.heap->headroom > 7 * calm.heap->headroom);
        }
        goo_gc_heap_destroy(busy.heap);
        goo_gc_heap_destroy(calm.heap);
    }
    CHECK_MSG(headroom[1] <= headroom[0] + headroom[0] / 50, "%zu and %zu bytes of headroom",
              headroom[1], headroom[0]);
    CHECK_MSG(marking_ns[1] <= 0.65 * marking_ns[0], "%.0f ms of marking, by size %.0f",
              marking_ns[1] / 1e6, marking_ns[0] / 1e6);
}

/* --- decay --- */

static size_t heap_bytes(const GooGcHeap *heap) {
    return goo_gc_get_stats(heap).heap_bytes;
}

static void pass_ms(GooGcMutator *m, uint64_t ms) {
    pace_now += ms * 1000000;
    goo_gc_step(m, 100);
}

GOO_TEST(gc_pace, decay_gives_memory_back) {
    GooGcHeap *heap = timed_heap("decay=800,initial=64M,verify");
    GooGcMutator *m = goo_gc_attach(heap);
    pass_ms(m, 1);
    for (size_t i = 0; i < 30000; i++) { /* 15 MB in blocks, 20 in pages */
        CHECK(goo_gc_alloc_leaf(m, i % 30 == 0 ? 20000 : 500) != NULL);
    }
    void *kept = goo_gc_alloc_leaf(m, 500);
    goo_gc_push(m, kept);
    collect(m);
    size_t all = heap_bytes(heap);
    CHECK(all > 17 << 20);
    for (int i = 0; i < 7; i++) {
        pass_ms(m, 100);
        CHECK_EQ(heap_bytes(heap), all);
    }
    pass_ms(m, 100);
    pass_ms(m, 100);
    CHECK_MSG(heap_bytes(heap) <= 128 << 10, "%zu bytes", heap_bytes(heap));
    CHECK_EQ(goo_gc_release(heap), 0);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    CHECK(goo_gc_alloc_leaf(m, 100000) != NULL);
    goo_gc_heap_destroy(heap);
}

/* Not at once, so that no pause is long; a late look sees how much time has passed. */
GOO_TEST(gc_pace, decay_goes_in_steps) {
    GooGcHeap *heap = timed_heap("decay=8000,initial=1G");
    GooGcMutator *m = goo_gc_attach(heap);
    pass_ms(m, 1);
    for (size_t i = 0; i < 40000; i++) {
        CHECK(goo_gc_alloc_leaf(m, 5000) != NULL);
    }
    collect(m);
    size_t before = heap_bytes(heap);
    CHECK(before > 180 << 20);
    for (int i = 0; heap_bytes(heap) != 0; i++) {
        pass_ms(m, i == 0 ? 60000 : 1000);
        size_t after = heap_bytes(heap);
        CHECK(before - after <= 68 << 20 && after < before && i < 5);
        before = after;
    }
    goo_gc_heap_destroy(heap);
}

/* A heap that uses its memory again and again keeps it; without decay, so does an idle one. */
GOO_TEST(gc_pace, decay_leaves_what_is_used) {
    for (int decays = 0; decays < 2; decays++) {
        GooGcHeap *heap = timed_heap(decays ? "decay=800,initial=8M" : "decay=0,initial=8M");
        GooGcMutator *m = goo_gc_attach(heap);
        size_t most = 0;
        for (size_t i = 0; i < 200000; i++) {
            CHECK(goo_gc_alloc_leaf(m, 500) != NULL);
            pace_now += 10000; /* 8 MiB, a cycle, in 160 ms */
            size_t now = heap_bytes(heap);
            CHECK_MSG(i < 40000 || now + (1 << 20) >= most, "%zu bytes, %zu before", now, most);
            most = now > most ? now : most;
        }
        collect(m);
        pass_ms(m, 1000000);
        pass_ms(m, 1000000);
        CHECK(decays ? heap_bytes(heap) == 0 : heap_bytes(heap) + (1 << 20) >= most);
        goo_gc_heap_destroy(heap);
    }
}

/* --- containers --- */

static void write_file(const char *folder, const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

/* A folder that looks like the root of a container with 32 MiB. */
static void container_create(char *root) {
    static const char *const folders[] = {"proc", "proc/self", "sys", "sys/fs", "sys/fs/cgroup"};
    char path[512];
    CHECK(mkdtemp(root) != NULL);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", root, folders[i]);
        CHECK_EQ(mkdir(path, 0700), 0);
    }
    write_file(root, "proc/self/cgroup", "0::/\n");
    write_file(root, "sys/fs/cgroup/memory.max", "33554432\n");
}

static void container_remove(const char *root) {
    static const char *const parts[] = {"proc/self/cgroup", "sys/fs/cgroup/memory.max",
                                        "sys/fs/cgroup", "sys/fs", "sys", "proc/self", "proc", ""};
    char path[512];
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(path, sizeof path, "%s/%s", root, parts[i]);
        CHECK_EQ(remove(path), 0);
    }
}

/* Collections for 100 MiB of garbage over 8 MiB live, in a container of 32 MiB, while other heaps
 * hold `others` MiB. */
static uint64_t container_collections(const char *root, const char *options, ptrdiff_t others) {
    GooGcHeap *heap = heap_of(options), *other = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    CHECK_EQ(goo_gc_adjust_external(other, others << 20), GOO_OK);
    gooi_limit_read_container(heap, root);
    goo_gc_push(m, goo_gc_alloc_leaf(m, 8 << 20));
    for (size_t i = 0; i < 400000; i++) {
        CHECK(goo_gc_alloc_leaf(m, 256) != NULL);
    }
    uint64_t collections = goo_gc_get_stats(heap).collections_full;
    goo_gc_heap_destroy(heap);
    goo_gc_heap_destroy(other);
    return collections;
}

GOO_TEST(gc_pace, containers_limit_all_heaps_together) {
    char root[] = "/tmp/goo-container-XXXXXX";
    container_create(root);
    /* 28 MiB for heaps. Proportional with factor 5 would go to 40. */
    uint64_t alone = container_collections(root, "growth=5", 0);
    uint64_t shared = container_collections(root, "growth=5", 16);
    uint64_t squeezed = container_collections(root, "growth=5", 1000);
    uint64_t own = container_collections(root, "growth=5,soft=12M", 0);
    container_remove(root);
    CHECK_MSG(alone >= 4 && alone <= 7, "%llu", (unsigned long long)alone);
    CHECK_MSG(shared >= 23 && shared <= 32, "%llu", (unsigned long long)shared);
    CHECK_MSG(squeezed >= 90 && squeezed <= 110, "%llu", (unsigned long long)squeezed);
    CHECK_MSG(own >= 23 && own <= 28, "%llu", (unsigned long long)own);
}

GOO_TEST(gc_pace, containers_by_option) {
    GooGcHeap *heap = heap_of("container"), *not_asked = heap_of("container=0");
    uint64_t limit = gooi_platform_container_memory("");
    CHECK_EQ(heap->container_bytes, limit - limit / 8);
    CHECK_EQ(not_asked->container_bytes, 0);
    goo_gc_heap_destroy(heap);
    goo_gc_heap_destroy(not_asked);
}
