/* Weak references and weak hooks: what they let go of, when, and what they never keep.
 *
 * Uses a private header: gc/heap.h, to force the mark stack to overflow and to break what verify
 * must find. Invariants: WEAK-1, WEAK-2.
 */
#include <errno.h>

#include "gc/heap.h"
#include "goo/gc/weak.h"
#include "tests/gc/roots_fixture.h"

GOO_TEST(gc_weak, keeps_nothing_alive) {
    RootsFixture f;
    roots_begin(&f, "verify,poison");
    GooGcWeak *w = NULL;
    Pair *kept = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(f.heap, &w), GOO_OK);
    CHECK_EQ(goo_gc_root_add_pointer(f.heap, &kept), GOO_OK);
    kept = pair_new(f.m, NULL, NULL, 7);
    w = goo_gc_weak_new(f.m, kept);
    roots_collect(&f);
    CHECK_PTR_EQ(goo_gc_weak_get(f.m, w), kept);
    CHECK_EQ(kept->value, 7);
    kept = NULL;
    CHECK(goo_gc_weak_get(f.m, w) != NULL); /* until somebody collects */
    roots_collect(&f);
    CHECK_PTR_EQ(goo_gc_weak_get(f.m, w), NULL);
    CHECK_EQ(goo_gc_get_stats(f.heap).objects_live, 1);
    goo_gc_heap_destroy(f.heap);
}

/* Targets of every size and kind: blocks, page runs, several slabs. */
GOO_TEST(gc_weak, targets_of_all_sizes) {
    static const size_t sizes[] = {1, 16, 500, 8192, 8193, 100000, 5 << 20};
    GooGcHeap *heap = heap_of("verify,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    for (size_t i = 0; i < GOOI_COUNT(sizes); i++) {
        void *target = goo_gc_alloc_leaf(m, sizes[i]);
        GooGcWeak *w = goo_gc_weak_new(m, target);
        goo_gc_push(m, w);
        goo_gc_push(m, target);
        collect(m);
        CHECK_PTR_EQ(goo_gc_weak_get(m, w), target);
        goo_gc_pop(m, 1);
        collect(m);
        CHECK_PTR_EQ(goo_gc_weak_get(m, w), NULL);
        goo_gc_pop(m, 1);
    }
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_weak, target_survives_its_making) {
    GooGcHeap *heap = heap_of("stress=1,verify,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *target = pair_new(m, NULL, NULL, 5);
    GooGcWeak *w = goo_gc_weak_new(m, target); /* collects, with nobody else to keep the target */
    CHECK_PTR_EQ(goo_gc_weak_get(m, w), target);
    CHECK_EQ(((Pair *)goo_gc_weak_get(m, w))->value, 5);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_weak, references_to_each_other) {
    RootsFixture f;
    roots_begin(&f, "verify,poison");
    GooGcWeak *first = goo_gc_weak_new(f.m, mortal_new(f.m, &f.deaths));
    goo_gc_push(f.m, first);
    GooGcWeak *second = goo_gc_weak_new(f.m, first);
    goo_gc_push(f.m, second);
    goo_gc_push(f.m, goo_gc_weak_new(f.m, second));
    roots_expect(&f, 1);
    CHECK_PTR_EQ(goo_gc_weak_get(f.m, first), NULL);
    CHECK_PTR_EQ(goo_gc_weak_get(f.m, second), first);
    goo_gc_heap_destroy(f.heap);
}

GOO_TEST(gc_weak, bad_arguments) {
    GooGcHeap *heap = heap_of(""), *other = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    errno = 0;
    CHECK_PTR_EQ(goo_gc_weak_new(m, NULL), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_PTR_EQ(goo_gc_weak_get(m, NULL), NULL);
    CHECK_PTR_EQ(goo_gc_ephemeron_key(m, NULL), NULL);
    CHECK_PTR_EQ(goo_gc_ephemeron_value(m, NULL), NULL);
    void *foreign = goo_gc_alloc_leaf(goo_gc_attach(other), 16);
    CHECK_PANICS(goo_gc_weak_new(m, foreign), "no object of heap");
    CHECK_PANICS(goo_gc_ephemeron_new(m, foreign, NULL), "no object of heap");
    goo_gc_heap_destroy(heap);
    goo_gc_heap_destroy(other);
}

/* Many at once, half of which die, while the mark stack can't hold them. */
GOO_TEST(gc_weak, a_hundred_thousand_under_a_small_stack) {
    enum { COUNT = 100000 };
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    size_t whole = heap->mark_stack.reserved;
    heap->mark_stack.reserved = 4096;
    void **all = goo_gc_alloc(m, &pointers_type, (COUNT + 1) * sizeof *all);
    goo_gc_push(m, all);
    void **kept = goo_gc_alloc(m, &pointers_type, (COUNT / 2 + 1) * sizeof *kept);
    goo_gc_push(m, kept);
    for (size_t i = 0; i < COUNT; i++) {
        Pair *target = pair_new(m, NULL, NULL, i);
        goo_gc_write_pointer(m, all, &all[1 + i], goo_gc_weak_new(m, target));
        if (i % 2 == 0) {
            goo_gc_write_pointer(m, kept, &kept[1 + i / 2],
                                 goo_gc_weak_get(m, all[1 + i])); /* making it may have collected */
        }
    }
    for (int round = 0; round < 3; round++) {
        collect(m);
        for (size_t i = 0; i < COUNT; i++) {
            CHECK_PTR_EQ(goo_gc_weak_get(m, all[1 + i]), i % 2 == 0 ? kept[1 + i / 2] : NULL);
        }
    }
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, COUNT + COUNT / 2 + 2);
    CHECK_EQ(goo_gc_verify(heap, NULL), GOO_OK);
    heap->mark_stack.reserved = whole;
    goo_gc_heap_destroy(heap);
}

/* --- hooks --- */

typedef struct HookUser {
    void *objects[3];
    bool live[3];
    int calls, order;
    int *clock;
} HookUser;

static void hook_ask(GooGcHeap *heap, void *user) {
    HookUser *u = user;
    u->calls++;
    u->order = ++*u->clock;
    for (size_t i = 0; i < GOOI_COUNT(u->objects); i++) {
        u->live[i] = goo_gc_is_live(heap, u->objects[i]);
    }
    CHECK(!goo_gc_is_live(heap, u) && !goo_gc_is_live(heap, NULL));
    CHECK(!goo_gc_is_live(heap, (char *)u->objects[0] + 8));
    CHECK_EQ(goo_gc_weak_hook_add(heap, hook_ask, u), GOO_ERR_BUSY);
    CHECK_EQ(goo_gc_weak_hook_remove(heap, hook_ask, u), GOO_ERR_BUSY);
}

GOO_TEST(gc_weak, hooks_know_who_lives) {
    GooGcHeap *heap = heap_of("verify,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    int clock = 0;
    HookUser one = {.clock = &clock}, two = {.clock = &clock};
    CHECK_EQ(goo_gc_weak_hook_add(heap, hook_ask, &one), GOO_OK);
    CHECK_EQ(goo_gc_weak_hook_add(heap, hook_ask, &two), GOO_OK);
    one.objects[0] = pair_new(m, NULL, NULL, 0);
    one.objects[1] = goo_gc_alloc_leaf(m, 40);
    one.objects[2] = goo_gc_alloc_leaf(m, 40000);
    goo_gc_push(m, one.objects[0]);
    goo_gc_push(m, one.objects[2]);
    collect(m);
    CHECK(one.live[0] && !one.live[1] && one.live[2]);
    CHECK_EQ(one.order, 1);
    CHECK_EQ(two.order, 2);
    CHECK_PANICS(goo_gc_is_live(heap, one.objects[0]), "outside of a weak hook");
    CHECK_EQ(goo_gc_weak_hook_remove(heap, hook_ask, &one), GOO_OK);
    CHECK_EQ(goo_gc_weak_hook_remove(heap, hook_ask, &one), GOO_ERR_INVALID_ARGUMENT);
    collect(m);
    CHECK_EQ(one.calls, 1);
    CHECK_EQ(two.calls, 2);
    CHECK_EQ(goo_gc_weak_hook_add(heap, NULL, NULL), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_weak_hook_add(NULL, hook_ask, NULL), GOO_ERR_INVALID_ARGUMENT);
    goo_gc_heap_destroy(heap);
}

/* --- the checker is checked --- */

GOO_TEST(gc_weak, verify_finds_what_is_broken) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *target = pair_new(m, NULL, NULL, 0);
    goo_gc_push(m, target);
    GooGcWeak *w = goo_gc_weak_new(m, target);
    goo_gc_push(m, w);
    GooGcEphemeron *e = goo_gc_ephemeron_new(m, target, target);
    goo_gc_push(m, e);
    CHECK_EQ(goo_gc_verify(heap, NULL), GOO_OK);
    w->target = (char *)target + 16;
    CHECK_EQ(goo_gc_verify(heap, NULL), GOO_ERR_CORRUPT);
    w->target = NULL;
    CHECK_EQ(goo_gc_verify(heap, NULL), GOO_OK);
    w->head.link = GOOI_WEAK_LIST_END;
    CHECK_EQ(goo_gc_verify(heap, NULL), GOO_ERR_CORRUPT);
    w->head.link = 0;
    e->pair.key = (char *)target + 8;
    CHECK_EQ(goo_gc_verify(heap, NULL), GOO_ERR_CORRUPT);
    e->pair.key = target;
    e->pair.value = (char *)target + 8;
    CHECK_EQ(goo_gc_verify(heap, NULL), GOO_ERR_CORRUPT);
    e->pair.value = NULL;
    heap->weak.pairs = 0;
    CHECK_EQ(goo_gc_verify(heap, NULL), GOO_ERR_CORRUPT);
    heap->weak.pairs = 1;
    CHECK_EQ(goo_gc_verify(heap, NULL), GOO_OK);
    goo_gc_heap_destroy(heap);
}
