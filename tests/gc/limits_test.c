/* Limits of a heap: the hard one holds and is survived, the soft one makes collections frequent.
 *
 * Public headers only. Invariants: SPACE-2.
 */
#include <errno.h>
#include <stdio.h>

#include "goo/gc/intern.h"
#include "tests/gc/support.h"

typedef struct LimitsHeard {
    size_t out_of_memory, bytes;
} LimitsHeard;

static void limits_listen(GooGcHeap *heap, const GooGcEvent *event, void *user) {
    LimitsHeard *heard = user;
    (void)heap;
    if (event->kind == GOO_GC_EVENT_OUT_OF_MEMORY) {
        heard->out_of_memory++;
        heard->bytes = event->bytes;
    }
}

static size_t limits_accounted(const GooGcHeap *heap) {
    GooGcStats s = goo_gc_get_stats(heap);
    CHECK(s.peak_bytes >= s.heap_bytes + s.metadata_bytes + s.external_bytes);
    return s.peak_bytes;
}

/* Fills the heap with a list of objects of `size` bytes, head in *list, until an allocation fails.
 * The first word after the header leads to the next one. */
static size_t limits_fill(GooGcHeap *heap, GooGcMutator *m, void **list, size_t size, size_t hard) {
    static const uint64_t link_bitmap[] = {2};
    static const GooGcType link_type = {.name = "link",
                                        .size = 16,
                                        .layout = GOO_GC_LAYOUT_BITMAP,
                                        .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                        .bitmap = link_bitmap,
                                        .bitmap_words = 1};
    for (size_t count = 0;; count++) {
        errno = 0;
        void **link = goo_gc_alloc(m, &link_type, size);
        if (link == NULL) {
            CHECK_EQ(errno, ENOMEM);
            return count;
        }
        link[1] = *list;
        *list = link;
        CHECK(count <= hard / size);
        if (size > 1000 || count % 64 == 0) {
            CHECK_MSG(limits_accounted(heap) <= hard, "%zu objects of %zu bytes: %zu in use", count,
                      size, limits_accounted(heap));
        }
    }
}

/* Full, emptied, full again: each time about as much fits, and the share of the limit that objects
 * get is at least `percent`. */
static void limits_check_size(size_t size, size_t hard, size_t percent) {
    GooGcHeap *heap = heap_of("");
    CHECK_EQ(goo_gc_set_limits(heap, 0, hard), GOO_OK);
    GooGcMutator *m = goo_gc_attach(heap);
    LimitsHeard heard = {0};
    CHECK_EQ(goo_gc_set_listener(heap, &(GooGcListener){limits_listen, &heard}), GOO_OK);
    void *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    size_t first = 0;
    for (size_t round = 1; round <= 3; round++) {
        size_t count = limits_fill(heap, m, &list, size, hard);
        CHECK_MSG(count * size >= hard / 100 * percent, "%zu objects of %zu bytes in %zu", count,
                  size, hard);
        first = round == 1 ? count : first;
        CHECK_MSG(count >= first - first / 20, "round %zu: %zu objects, first %zu", round, count,
                  first);
        CHECK_EQ(heard.out_of_memory, round);
        CHECK_EQ(heard.bytes, size);
        CHECK_EQ(goo_gc_get_stats(heap).limit_hits, round);
        CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
        /* Every other one goes: there is room again at once, in the holes. */
        for (void **link = list; link != NULL && link[1] != NULL; link = link[1]) {
            goo_gc_write_pointer(m, link, &link[1], ((void **)link[1])[1]);
        }
        CHECK(goo_gc_alloc_leaf(m, size) != NULL);
        list = NULL;
    }
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_limits, hard_limit_small) {
    limits_check_size(16, 8 << 20, 80);
    limits_check_size(48, 16 << 20, 80);
    limits_check_size(256, 16 << 20, 80);
}

GOO_TEST(gc_limits, hard_limit_medium) {
    limits_check_size(272, 16 << 20, 80);
    limits_check_size(1000, 16 << 20, 80);
    limits_check_size(5000, 16 << 20, 65); /* the last 3,000 bytes of a hole stay empty */
    limits_check_size(8192, 16 << 20, 75);
}

GOO_TEST(gc_limits, hard_limit_large) {
    limits_check_size(8208, 16 << 20, 60);
    limits_check_size(40000, 16 << 20, 80);
    limits_check_size(500000, 32 << 20, 80);
}

GOO_TEST(gc_limits, hard_limit_huge) {
    limits_check_size(5 << 20, 64 << 20, 90);
    limits_check_size(13 << 20, 64 << 20, 75);
}

/* All sizes at once at random, for long: never above, never dead. */
GOO_TEST(gc_limits, hard_limit_mixed) {
    enum { KEPT = 256 };
    static const size_t hard = 16 << 20;
    GooGcHeap *heap = heap_of("hard=16M");
    GooGcMutator *m = goo_gc_attach(heap);
    void *kept[KEPT] = {0};
    for (size_t i = 0; i < KEPT; i++) {
        CHECK_EQ(goo_gc_root_add_pointer(heap, &kept[i]), GOO_OK);
    }
    uint64_t random = 17;
    size_t refused = 0, in_a_row = 0;
    for (size_t step = 0; step < 30000; step++) {
        uint64_t die = random_next(&random) % 100;
        size_t size = random_next(&random) % (die < 80   ? 300
                                              : die < 95 ? 9000
                                              : die < 99 ? 200000
                                                         : 6000000) +
                      1;
        void *leaf = goo_gc_alloc_leaf(m, size);
        refused += leaf == NULL;
        in_a_row = leaf == NULL ? in_a_row + 1 : 0;
        CHECK(in_a_row < 200);
        kept[random_next(&random) % KEPT] = leaf;
        CHECK(limits_accounted(heap) <= hard);
        if (leaf == NULL) {
            memset(kept, 0, sizeof kept / 2);
        }
    }
    CHECK(refused > 0);
    CHECK_EQ(goo_gc_get_stats(heap).limit_hits, refused);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
}

/* Memory given back in the middle of the heap must not hide the holes that lie behind it. */
GOO_TEST(gc_limits, holes_behind_released_blocks) {
    GooGcHeap *heap = heap_of("hard=16M,spare=0,initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    void **first = NULL, **second = NULL;
    void *filler = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &first), GOO_OK);
    CHECK_EQ(goo_gc_root_add_pointer(heap, &second), GOO_OK);
    CHECK_EQ(goo_gc_root_add_pointer(heap, &filler), GOO_OK);
    enum { COUNT = 30000 };
    first = goo_gc_alloc(m, &pointers_type, (COUNT + 1) * sizeof(void *));
    second = goo_gc_alloc(m, &pointers_type, (COUNT + 1) * sizeof(void *));
    for (size_t i = 1; i <= COUNT; i++) {
        goo_gc_write_pointer(m, first, &first[i], goo_gc_alloc_leaf(m, 128));
    }
    for (size_t i = 1; i <= COUNT; i++) {
        goo_gc_write_pointer(m, second, &second[i], goo_gc_alloc_leaf(m, 128));
    }
    first = NULL; /* its blocks become empty, the other's half empty */
    for (size_t i = 1; i <= COUNT; i += 2) {
        goo_gc_write_pointer(m, second, &second[i], NULL);
    }
    collect(m);
    CHECK(goo_gc_release(heap) > 0);
    /* What is free under the limit goes to one object: only the holes are left. */
    GooGcStats s = goo_gc_get_stats(heap);
    size_t room = ((size_t)16 << 20) - s.heap_bytes - s.metadata_bytes;
    filler = goo_gc_alloc_leaf(m, room - (64 << 10));
    CHECK(filler != NULL);
    for (size_t i = 1; i <= COUNT; i += 2) {
        void *leaf = goo_gc_alloc_leaf(m, 128);
        CHECK_MSG(leaf != NULL, "%zu holes of 128 bytes were used", i / 2);
        goo_gc_write_pointer(m, second, &second[i], leaf);
    }
    goo_gc_heap_destroy(heap);
}

/* One large object survives in each slab, at its end: the rest of the slabs' memory is free under
 * the limit, for small objects too. */
GOO_TEST(gc_limits, memory_between_large_objects) {
    static const size_t hard = 32 << 20;
    GooGcHeap *heap = heap_of("hard=32M");
    GooGcMutator *m = goo_gc_attach(heap);
    void **array = goo_gc_alloc(m, &pointers_type, 400 * sizeof(void *));
    goo_gc_push(m, array);
    size_t count = 1;
    for (void *leaf; (leaf = goo_gc_alloc_leaf(m, 100000)) != NULL; count++) {
        goo_gc_write_pointer(m, array, &array[count], leaf);
    }
    CHECK(count > 250 && count < 400);
    for (size_t i = 1; i < count; i++) {
        if (i % 38 != 37) {
            goo_gc_write_pointer(m, array, &array[i], NULL);
        }
    }
    collect(m);
    CHECK(goo_gc_release(heap) > 24 << 20);
    CHECK(goo_gc_get_stats(heap).heap_bytes < 2 << 20);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    void *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    CHECK(limits_fill(heap, m, &list, 64, hard) * 64 > hard / 100 * 80);
    list = NULL;
    size_t again = 0;
    for (size_t i = 1; i < count; i++) { /* and back again, into the gaps */
        unsigned char *leaf = array[i] == NULL ? goo_gc_alloc_leaf(m, 100000) : NULL;
        if (leaf != NULL) {
            CHECK(leaf[0] == 0 && leaf[50000] == 0 && leaf[99999] == 0);
            memset(leaf, 0xa5, 100000);
            goo_gc_write_pointer(m, array, &array[i], leaf);
            again++;
        }
    }
    CHECK_MSG(again + 20 >= count, "%zu of %zu", again, count);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
}

/* Address space is used for what is wanted now, not for what was wanted once. */
GOO_TEST(gc_limits, reservation_changes_hands) {
    GooGcHeap *heap = heap_of("reserve=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    void *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    static const size_t sizes[] = {64, 20000, 6 << 20, 5000, 1 << 20, 64};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t count = limits_fill(heap, m, &list, sizes[i], SIZE_MAX);
        CHECK_MSG(count * sizes[i] >= 40 << 20, "%zu objects of %zu bytes", count, sizes[i]);
        CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
        list = NULL;
    }
    CHECK_EQ(goo_gc_get_stats(heap).limit_hits, 0);
    goo_gc_heap_destroy(heap);
}

static void limits_count_death(void *object, void *user) {
    (void)object;
    ++*(size_t *)user;
}

/* The table of finalizable objects counts too; when it can't grow that is a full heap like any. */
GOO_TEST(gc_limits, hard_limit_finalizable) {
    size_t deaths = 0;
    GooGcType type = {.name = "finalized", .size = 32, .layout = GOO_GC_LAYOUT_BITMAP,
                      .flags = GOO_GC_TYPE_BITMAP_POINTERS, .bitmap = (const uint64_t[]){2},
                      .bitmap_words = 1, .finalize = limits_count_death, .user = &deaths};
    GooGcHeap *heap = heap_of("hard=8M");
    GooGcMutator *m = goo_gc_attach(heap);
    LimitsHeard heard = {0};
    CHECK_EQ(goo_gc_set_listener(heap, &(GooGcListener){limits_listen, &heard}), GOO_OK);
    void **list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    for (size_t round = 1; round <= 3; round++) {
        size_t count = 0;
        for (void **link; (link = goo_gc_alloc(m, &type, 0)) != NULL; count++) {
            link[1] = list;
            list = link;
            CHECK(goo_gc_get_stats(heap).peak_bytes <= 8 << 20);
        }
        CHECK_EQ(errno, ENOMEM);
        CHECK_EQ(heard.out_of_memory, round);
        CHECK_EQ(goo_gc_get_stats(heap).limit_hits, round);
        CHECK(count > 50000);
        list = NULL;
        size_t before = deaths;
        collect(m);
        CHECK_EQ(deaths - before, count);
    }
    goo_gc_heap_destroy(heap);
}

/* A table that can't grow is made room in by a collection; and when all of it lives, the listener
 * hears what it would for memory. */
GOO_TEST(gc_limits, hard_limit_table_of_finalizable) {
    size_t deaths = 0;
    GooGcType type = {.name = "finalized", .size = 32, .layout = GOO_GC_LAYOUT_LEAF,
                      .finalize = limits_count_death, .user = &deaths};
    for (int alive = 0; alive < 2; alive++) {
        GooGcHeap *heap = heap_of("");
        GooGcMutator *m = goo_gc_attach(heap);
        LimitsHeard heard = {0};
        CHECK_EQ(goo_gc_set_listener(heap, &(GooGcListener){limits_listen, &heard}), GOO_OK);
        for (size_t i = 0; i < 8192; i++) { /* a power of two: the table is full */
            void *object = goo_gc_alloc(m, &type, 0);
            CHECK(object != NULL);
            goo_gc_push(m, alive ? object : NULL);
        }
        GooGcStats s = goo_gc_get_stats(heap);
        CHECK_EQ(goo_gc_set_limits(heap, 0, s.heap_bytes + s.metadata_bytes), GOO_OK);
        errno = 0;
        CHECK((goo_gc_alloc(m, &type, 0) == NULL) == alive);
        CHECK_EQ(errno, alive ? ENOMEM : 0);
        CHECK_EQ(heard.out_of_memory, alive);
        CHECK_EQ(goo_gc_get_stats(heap).limit_hits, alive);
        CHECK_EQ(goo_gc_get_stats(heap).collections_full, s.collections_full + 1);
        goo_gc_heap_destroy(heap);
    }
}

static void *limits_make_key(GooGcMutator *m, const void *bytes, size_t length, uint64_t hash,
                             void *user) {
    (void)hash;
    (void)user;
    void *leaf = goo_gc_alloc_leaf(m, length);
    return leaf == NULL ? NULL : memcpy(leaf, bytes, length);
}

static const void *limits_read_key(const void *object, size_t *out_length, void *user) {
    (void)user;
    *out_length = 8;
    return object;
}

GOO_TEST(gc_limits, hard_limit_intern_tables_and_roots) {
    GooGcHeap *heap = heap_of("hard=4M");
    GooGcMutator *m = goo_gc_attach(heap);
    GooGcInternOps ops = {limits_make_key, limits_read_key, NULL};
    GooGcInternTable *table = goo_gc_intern_table_create(heap, &ops);
    CHECK(table != NULL);
    uint64_t key = 0;
    for (void *object; (object = goo_gc_intern(m, table, &key, sizeof key)) != NULL; key++) {
        goo_gc_push(m, object);
        if (key % 1024 == 0) {
            CHECK(limits_accounted(heap) <= 4 << 20);
        }
    }
    CHECK_EQ(errno, ENOMEM);
    CHECK(key > 20000);
    for (uint64_t other = 0; other < key; other += 97) {
        CHECK(goo_gc_intern_find(m, table, &other, sizeof other) != NULL);
    }
    static void *roots[100000];
    size_t added = 0;
    while (added < 100000 && goo_gc_root_add_pointer(heap, &roots[added]) == GOO_OK) {
        added++;
    }
    CHECK(added < 100000);
    goo_gc_pop(m, (size_t)key);
    collect(m);
    CHECK_EQ(goo_gc_intern_count(table), 0);
    CHECK(goo_gc_intern(m, table, &key, sizeof key) != NULL);
    while (added > 0) {
        CHECK_EQ(goo_gc_root_remove(heap, &roots[--added]), GOO_OK);
    }
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_limits, set_limits) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    void *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    CHECK_EQ(goo_gc_set_limits(heap, 0, 16 << 20), GOO_OK);
    limits_fill(heap, m, &list, 64, 16 << 20);
    size_t collections = (size_t)goo_gc_get_stats(heap).collections_full;
    CHECK_EQ(goo_gc_set_limits(heap, 0, 8 << 20), GOO_ERR_LIMIT); /* all of it lives */
    CHECK(goo_gc_get_stats(heap).collections_full > collections);
    CHECK_PTR_EQ(goo_gc_alloc_leaf(m, 1 << 20), NULL); /* the old limit stands */
    CHECK_EQ(goo_gc_set_limits(heap, 0, 32 << 20), GOO_OK);
    CHECK(goo_gc_alloc_leaf(m, 1 << 20) != NULL);
    list = NULL;
    CHECK_EQ(goo_gc_set_limits(heap, 0, 8 << 20), GOO_OK); /* collects to get there */
    CHECK_PTR_EQ(goo_gc_alloc_leaf(m, 8 << 20), NULL);
    CHECK_EQ(goo_gc_set_limits(heap, 0, 0), GOO_OK);
    CHECK(goo_gc_alloc_leaf(m, 8 << 20) != NULL);
    goo_gc_heap_destroy(heap);
}

/* Creation with a limit that leaves nothing to live on. */
GOO_TEST(gc_limits, hard_limit_below_a_heap) {
    GooGcOptions options = options_of("hard=1K");
    errno = 0;
    CHECK_PTR_EQ(goo_gc_heap_create(&options), NULL);
    CHECK_EQ(errno, ENOMEM);
    options = options_of("hard=128K");
    GooGcHeap *heap = goo_gc_heap_create(&options);
    CHECK(heap != NULL);
    CHECK_PTR_EQ(goo_gc_alloc_leaf(goo_gc_attach(heap), 16), NULL);
    CHECK_EQ(errno, ENOMEM);
    goo_gc_heap_destroy(heap);
}

/* Collections while the same garbage is made over `live` bytes. */
static uint64_t limits_collections(const char *text) {
    GooGcHeap *heap = heap_of(text);
    GooGcMutator *m = goo_gc_attach(heap);
    goo_gc_push(m, goo_gc_alloc_leaf(m, 8 << 20));
    for (size_t i = 0; i < 400000; i++) {
        CHECK(goo_gc_alloc_leaf(m, 256) != NULL);
    }
    GooGcStats s = goo_gc_get_stats(heap);
    goo_gc_heap_destroy(heap);
    return s.collections_full;
}

GOO_TEST(gc_limits, soft_limit) {
    /* 100 MB of garbage over 8 MB live: target 16 without a limit, 12 and 9 (live and an eighth)
     * with one. */
    uint64_t without = limits_collections("soft=0"), at_12 = limits_collections("soft=12M");
    uint64_t below_live = limits_collections("soft=4M");
    CHECK_MSG(without >= 11 && without <= 14, "%llu", (unsigned long long)without);
    CHECK_MSG(at_12 >= 23 && at_12 <= 28, "%llu", (unsigned long long)at_12);
    CHECK_MSG(below_live >= 90 && below_live <= 110, "%llu", (unsigned long long)below_live);
}

GOO_TEST(gc_limits, sizing_and_growth) {
    uint64_t twice = limits_collections("growth=2"), half = limits_collections("growth=1.5");
    CHECK(half >= 2 * twice - 2 && half <= 2 * twice + 2);
    uint64_t fixed = limits_collections("sizing=fixed,initial=24M");
    CHECK_MSG(fixed >= 5 && fixed <= 7, "%llu", (unsigned long long)fixed);
    CHECK_EQ(limits_collections("initial=200M"), 0);
}

GOO_TEST(gc_limits, disable_and_enable) {
    GooGcHeap *heap = heap_of("hard=16M,spare=0,initial=1M");
    GooGcMutator *m = goo_gc_attach(heap);
    goo_gc_disable(heap);
    goo_gc_disable(heap);
    size_t made = 0;
    while (goo_gc_alloc_leaf(m, 100) != NULL) {
        made++;
    }
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(goo_gc_get_stats(heap).collections_full, 0);
    CHECK(goo_gc_pressure(heap) == 1.0);
    CHECK(!goo_gc_step(m, 1000));
    goo_gc_enable(heap);
    CHECK_PTR_EQ(goo_gc_alloc_leaf(m, 100), NULL); /* nests */
    CHECK_EQ(goo_gc_collect(m, GOO_GC_MINOR), GOO_OK);
    CHECK_EQ(goo_gc_get_stats(heap).collections_full, 1);
    goo_gc_enable(heap);
    for (size_t i = 0; i < made * 2; i++) {
        CHECK(goo_gc_alloc_leaf(m, 100) != NULL);
    }
    CHECK_PANICS(goo_gc_enable(heap), "not disabled");
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_limits, release_gives_bytes_back) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    void *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    goo_gc_set_limits(heap, 0, 40 << 20);
    limits_fill(heap, m, &list, 500, 40 << 20);
    list = NULL;
    goo_gc_set_limits(heap, 0, 80 << 20);
    collect(m);
    for (int i = 0; i < 4; i++) {
        CHECK(goo_gc_alloc_leaf(m, 1 << 20) != NULL);
    }
    collect(m);
    size_t before = goo_gc_get_stats(heap).heap_bytes;
    size_t released = goo_gc_release(heap);
    size_t after = goo_gc_get_stats(heap).heap_bytes;
    CHECK(released >= 35 << 20);
    CHECK_EQ(before - after, released);
    CHECK_EQ(after, 0);
    CHECK(goo_gc_get_stats(heap).metadata_bytes <= 1 << 20);
    CHECK_EQ(goo_gc_release(heap), 0);
    CHECK(limits_fill(heap, m, &list, 500, 80 << 20) > 120000);
    goo_gc_heap_destroy(heap);
}
