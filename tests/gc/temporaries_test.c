/* Temporaries at the hard limit: what is pushed stays alive, and not one byte is above the limit.
 *
 * Private header: the account, and the stack's size. Invariants: ACC-2, TEMP-1.
 */
#include <errno.h>

#include "gc/heap.h"
#include "tests/gc/owned_fixture.h"

static void temps_check_account(const GooGcHeap *heap) {
    size_t limit = atomic_load(&heap->full_limit);
    CHECK_MSG(gooi_accounted(heap) <= limit, "%zu accounted, the limit is %zu",
              gooi_accounted(heap), limit);
    CHECK(goo_gc_get_stats(heap).peak_bytes <= limit);
}

/* A heap filled with pairs in *list, the spare used up. */
static GooGcHeap *temps_full(Pair **list) {
    GooGcHeap *heap = heap_of("hard=4M,spare=64k,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, list), GOO_OK);
    for (int episode = 0; episode < 2; episode++) {
        for (Pair *pair; (pair = pair_new(m, NULL, *list, 0)) != NULL;) {
            *list = pair;
        }
        CHECK_EQ(errno, ENOMEM);
    }
    while (goo_gc_adjust_external(heap, 64) == GOO_OK) { /* what is too little for a block */
    }
    temps_check_account(heap);
    return heap;
}

/* Values of the `count` newest temporaries, which nothing else keeps alive. */
static void temps_check_alive(GooGcHeap *heap, GooGcMutator *m, size_t count) {
    collect(m);
    const GooiTemporaries *t = &m->temporaries;
    for (size_t i = 0; i < count; i++) {
        const Pair *pair = t->items[t->count - count + i];
        CHECK_EQ(pair->value, 1000 + i);
    }
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
}

/* After the last allocation there was room for as many pushes as are promised. */
GOO_TEST(gc_temporaries, pushes_at_the_limit_are_kept) {
    for (size_t before = 0; before <= 5000; before = before * 2 + 63) {
        Pair *list;
        GooGcHeap *heap = heap_of("hard=4M,spare=64k,poison");
        GooGcMutator *m = goo_gc_attach(heap);
        for (size_t i = 0; i < before; i++) {
            goo_gc_push(m, NULL);
        }
        CHECK(goo_gc_alloc_leaf(m, 16) != NULL);
        list = NULL;
        CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
        for (int episode = 0; episode < 2; episode++) {
            for (Pair *pair; (pair = pair_new(m, NULL, list, 0)) != NULL;) {
                list = pair;
            }
        }
        size_t more = before < 64 ? 64 : before;
        Pair *next = list;
        for (size_t i = 0; i < more; i++) {
            next->value = 1000 + i;
            goo_gc_push(m, next);
            next = next->second;
            temps_check_account(heap);
        }
        list = NULL;
        temps_check_alive(heap, m, more);
        temps_check_account(heap);
        goo_gc_heap_destroy(heap);
    }
}

/* One push for each object made, until there is no memory for either: an interpreter's way. */
GOO_TEST(gc_temporaries, pushes_between_allocations) {
    GooGcHeap *heap = heap_of("hard=4M,spare=64k,poison,verify,initial=256k");
    GooGcMutator *m = goo_gc_attach(heap);
    size_t count = 0;
    for (int failures = 0; failures < 3;) {
        Pair *pair = pair_new(m, NULL, NULL, 1000 + count);
        if (pair == NULL) {
            CHECK_EQ(errno, ENOMEM);
            failures++;
        } else {
            goo_gc_push(m, pair);
            count++;
        }
        if (count % 1024 == 0 || pair == NULL) {
            temps_check_account(heap);
        }
    }
    CHECK(count > 50000);
    temps_check_alive(heap, m, count);
    goo_gc_pop(m, count);
    CHECK(pair_new(m, NULL, NULL, 0) != NULL);
    goo_gc_heap_destroy(heap);
}

/* Where the stack could not grow the next allocation makes room, out of garbage if there is any. */
GOO_TEST(gc_temporaries, allocations_make_room_for_pushes) {
    for (int garbage = 0; garbage < 2; garbage++) {
        Pair *list;
        GooGcHeap *heap = temps_full(&list);
        GooGcMutator *m = goo_gc_attach(heap);
        Pair *next = list;
        for (size_t i = 0; i < 100; i++) { /* past the half */
            next->value = 1000 + i;
            goo_gc_push(m, next);
            next = next->second;
        }
        CHECK_EQ(m->temporaries.capacity, GOOI_TEMPORARIES_FIRST);
        if (garbage) {
            list = next->second = NULL;
        }
        size_t collections = goo_gc_get_stats(heap).collections_full;
        errno = 0;
        void *leaf = goo_gc_alloc_leaf(m, 16);
        CHECK((leaf != NULL) == garbage);
        CHECK_EQ(errno, garbage ? 0 : ENOMEM);
        CHECK_EQ(m->temporaries.capacity, GOOI_TEMPORARIES_FIRST * (garbage ? 2 : 1));
        CHECK(!garbage || goo_gc_get_stats(heap).collections_full > collections);
        temps_check_account(heap);
        void *block = goo_gc_owned_alloc(m, next, NULL, 16);
        CHECK((block != NULL) == garbage);
        CHECK_EQ(goo_gc_owner_adjust(m, next, 1), garbage ? GOO_OK : GOO_ERR_NO_MEMORY);
        temps_check_alive(heap, m, 100);
        goo_gc_pop(m, 60); /* below the half: only memory counts again */
        CHECK((goo_gc_alloc_leaf(m, 16) != NULL) == garbage);
        goo_gc_heap_destroy(heap);
    }
}

/* More pushes than were promised, and nothing left: told, and nothing is broken. */
GOO_TEST(gc_temporaries, pushes_without_end_panic_at_the_limit) {
    Pair *list;
    GooGcHeap *heap = temps_full(&list);
    GooGcMutator *m = goo_gc_attach(heap);
    for (size_t i = 0; i < GOOI_TEMPORARIES_FIRST; i++) {
        goo_gc_push(m, list);
    }
    CHECK_PANICS(
        {
            for (size_t i = 0; i < 100000; i++) {
                goo_gc_push(m, list);
            }
        },
        "out of memory for temporary number");
    temps_check_account(heap);
    CHECK(goo_gc_get_stats(heap).limit_hits > 0);
    goo_gc_pop(m, m->temporaries.count);
    list = NULL;
    collect(m);
    CHECK(pair_new(m, NULL, NULL, 0) != NULL);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
}

/* The last resort: empty blocks, and the spare that no refusal has opened yet. */
GOO_TEST(gc_temporaries, pushes_use_the_spare_and_empty_memory) {
    GooGcHeap *heap = heap_of("hard=4M,spare=256k,initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *pair = pair_new(m, NULL, NULL, 1);
    size_t held = atomic_load(&heap->held_limit);
    CHECK_EQ(goo_gc_adjust_external(heap, (ptrdiff_t)(held - gooi_accounted(heap))), GOO_OK);
    for (size_t i = 0; i < 20000; i++) { /* 256 KiB */
        goo_gc_push(m, pair);
        temps_check_account(heap);
    }
    CHECK_EQ(goo_gc_get_stats(heap).limit_hits, 1);
    goo_gc_heap_destroy(heap);
}
