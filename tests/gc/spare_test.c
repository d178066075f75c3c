/* A full heap: error paths still get memory, and requests that can't be met do not each collect.
 *
 * Public headers only. Invariants: LIMIT-1, ACC-2.
 */
#include <errno.h>

#include "goo/allocators/system.h"
#include "goo/runtime/memory.h"
#include "tests/gc/support.h"

/* Adds pairs to *list until there is no memory; how many. Never above `hard`. */
static size_t spare_fill(GooGcHeap *heap, GooGcMutator *m, Pair **list, size_t hard) {
    size_t count = 0;
    for (Pair *pair; (pair = pair_new(m, NULL, *list, count)) != NULL; count++) {
        *list = pair;
        if (count % 256 == 0) {
            CHECK(goo_gc_get_stats(heap).peak_bytes <= hard);
        }
    }
    CHECK_EQ(errno, ENOMEM);
    CHECK(goo_gc_get_stats(heap).peak_bytes <= hard);
    return count;
}

GOO_TEST(gc_spare, error_paths_get_memory) {
    enum { HARD = 16 << 20, SPARE = 1 << 20 };
    GooGcHeap *heap = heap_of("hard=16M,spare=1M,verify");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *list = NULL, *message = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    CHECK_EQ(goo_gc_root_add_pointer(heap, &message), GOO_OK);
    size_t first = 0;
    for (int episode = 0; episode < 3; episode++) {
        size_t count = spare_fill(heap, m, &list, HARD);
        first = episode == 0 ? count : first;
        CHECK_MSG(count >= first - first / 50 && count <= first + first / 50, "%zu, first %zu",
                  count, first);
        /* The failure is handled: about a mebibyte of it, and no more. */
        size_t handled = spare_fill(heap, m, &message, HARD) * sizeof(Pair);
        CHECK_MSG(handled >= SPARE / 10 * 8 && handled <= SPARE, "%zu bytes", handled);
        collect(m); /* nothing was freed: the episode goes on */
        CHECK_PTR_EQ(pair_new(m, NULL, NULL, 0), NULL);
        list = message = NULL;
    }
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_spare, none_is_kept_where_none_is_wanted) {
    GooGcHeap *heap = heap_of("hard=8M,spare=0");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    CHECK(spare_fill(heap, m, &list, 8 << 20) * sizeof(Pair) > 7 << 20);
    CHECK_EQ(spare_fill(heap, m, &list, 8 << 20), 0);
    goo_gc_heap_destroy(heap);
}

/* Whatever is refused begins an episode: outside bytes too. */
GOO_TEST(gc_spare, opened_by_external_bytes) {
    GooGcHeap *heap = heap_of("hard=16M,spare=1M");
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *a = goo_system_allocator_create();
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    CHECK(goo_gc_alloc_leaf(m, 16) != NULL);
    GooGcStats s = goo_gc_get_stats(heap);
    size_t room = (15u << 20) - (256 << 10) - s.heap_bytes - s.metadata_bytes;
    for (int way = 0; way < 3; way++) {
        CHECK_EQ(goo_gc_adjust_external(heap, (ptrdiff_t)room), GOO_OK);
        void *owner = goo_gc_alloc_leaf(m, 16), *block = NULL;
        CHECK(owner != NULL);
        goo_gc_push(m, owner);
        switch (way) {
        case 0: CHECK_EQ(goo_gc_adjust_external(heap, 700 << 10), GOO_ERR_LIMIT); break;
        case 1: CHECK_PTR_EQ(goo_memory_alloc_with(a, 700 << 10), NULL); break;
        default: CHECK_PTR_EQ(goo_gc_owned_alloc(m, owner, NULL, 700 << 10), NULL);
        }
        block = goo_memory_alloc_with(a, 700 << 10);
        CHECK(block != NULL);
        CHECK_PTR_EQ(goo_memory_alloc_with(a, 700 << 10), NULL);
        goo_memory_free_with(a, block, 700 << 10);
        CHECK_EQ(goo_gc_adjust_external(heap, -(ptrdiff_t)room), GOO_OK);
        goo_gc_pop(m, 1);
        collect(m);
        CHECK(goo_gc_get_stats(heap).peak_bytes <= 16 << 20);
    }
    goo_gc_heap_destroy(heap);
    goo_allocator_destroy(a);
}

/* --- collections that can't help --- */

static uint64_t spare_collections(const GooGcHeap *heap) {
    return goo_gc_get_stats(heap).collections_full;
}

/* `count` requests in a row that fail; the collections that they cost. */
static uint64_t spare_fail(GooGcHeap *heap, GooGcMutator *m, size_t count) {
    uint64_t before = spare_collections(heap);
    for (size_t i = 0; i < count; i++) {
        CHECK_PTR_EQ(goo_gc_alloc_leaf(m, 2 << 20), NULL);
    }
    return spare_collections(heap) - before;
}

static size_t spare_requests_until_success(GooGcMutator *m) {
    size_t refused = 0;
    while (goo_gc_alloc_leaf(m, 2 << 20) == NULL) {
        CHECK(++refused < 100000);
    }
    return refused;
}

GOO_TEST(gc_spare, requests_that_fail_rarely_collect) {
    GooGcHeap *heap = heap_of("hard=16M,initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    for (int ending = 0; ending < 4; ending++) {
        spare_fill(heap, m, &list, 16 << 20);
        uint64_t before = spare_fail(heap, m, 1000), after = spare_fail(heap, m, 1000);
        CHECK_MSG(before >= 5 && before <= 10, "%llu of 1000", (unsigned long long)before);
        CHECK_MSG(after <= 1, "%llu of 1000 more", (unsigned long long)after);
        size_t refused = 0;
        list = NULL;
        switch (ending) {
        case 0: /* nothing tells that there is garbage now: the next one that collects finds it */
            refused = spare_requests_until_success(m);
            CHECK_MSG(refused <= 2000, "%zu refused", refused);
            break;
        case 1: /* a collection that frees tells */
            collect(m);
            CHECK_EQ(spare_requests_until_success(m), 0);
            break;
        case 2: /* other limits tell */
            CHECK_EQ(goo_gc_set_limits(heap, 0, 16 << 20), GOO_OK);
            CHECK_EQ(spare_requests_until_success(m), 0);
            break;
        default:
            collect(m);
        }
        /* It starts over. */
        CHECK_EQ(spare_requests_until_success(m), 0);
    }
    goo_gc_heap_destroy(heap);
}

/* A heap that is nearly full goes on as long as collections find a little: no request fails. */
GOO_TEST(gc_spare, nearly_full_heaps_go_on) {
    GooGcHeap *heap = heap_of("hard=16M,spare=0,initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    size_t count = spare_fill(heap, m, &list, 16 << 20);
    Pair *last = list;
    for (size_t i = 1; i < count - count / 33; i++) {
        last = last->second;
    }
    last->second = NULL; /* the oldest 3 % go */
    uint64_t before = spare_collections(heap);
    for (size_t i = 0; i < 300000; i++) {
        CHECK_MSG(pair_new(m, NULL, NULL, i) != NULL, "%zu of 300000", i);
    }
    uint64_t collections = spare_collections(heap) - before;
    CHECK_MSG(collections >= 10 && collections <= 40, "%llu", (unsigned long long)collections);
    goo_gc_heap_destroy(heap);
}

/* External bytes that were given back are a reason to look again. */
GOO_TEST(gc_spare, freed_external_bytes_are_noticed) {
    GooGcHeap *heap = heap_of("hard=16M,initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    CHECK_EQ(goo_gc_adjust_external(heap, 4 << 20), GOO_OK);
    spare_fill(heap, m, &list, 16 << 20);
    spare_fail(heap, m, 1000);
    list = list->second->second; /* and most of what it kept is garbage */
    list->second = NULL;
    CHECK_EQ(goo_gc_adjust_external(heap, -(1 << 20)), GOO_OK);
    uint64_t before = spare_collections(heap);
    CHECK(goo_gc_alloc_leaf(m, 2 << 20) != NULL);
    CHECK_EQ(spare_collections(heap), before + 1);
    goo_gc_heap_destroy(heap);
}

/* What is larger than the limit is not even collected for. */
GOO_TEST(gc_spare, hopeless_requests_do_not_collect) {
    GooGcHeap *heap = heap_of("hard=16M");
    GooGcMutator *m = goo_gc_attach(heap);
    void *owner = goo_gc_alloc_leaf(m, 16);
    goo_gc_push(m, owner);
    for (int i = 0; i < 3; i++) {
        CHECK_PTR_EQ(goo_gc_alloc_leaf(m, (16 << 20) + 1), NULL);
        CHECK_PTR_EQ(goo_gc_owned_alloc(m, owner, NULL, (16 << 20) + 1), NULL);
        CHECK_EQ(goo_gc_adjust_external(heap, (16 << 20) + 1), GOO_ERR_LIMIT);
        CHECK_EQ(goo_gc_owner_adjust(m, owner, (16 << 20) + 1), GOO_ERR_LIMIT);
    }
    CHECK_EQ(spare_collections(heap), 0);
    goo_gc_heap_destroy(heap);
}
