/* goo/scope_macros.h: frames and blocks that end with their C block. */
#include "goo/scope_macros.h"
#include "tests/gc/support.h"

static size_t live_after_collection(GooGcMutator *m) {
    goo_gc_collect(m, GOO_GC_FULL);
    return goo_gc_get_stats(goo_gc_heap_of(m)).objects_live;
}

/* Leaves from the middle of a block when told to. */
static size_t live_in_a_frame(GooGcMutator *m, bool leave) {
    Pair *a = pair_new(m, NULL, NULL, 1), *b = NULL, *c = NULL;
    GOO_GC_FRAME(m, a, b, c);
    b = pair_new(m, a, NULL, 2);
    if (leave) {
        return live_after_collection(m);
    }
    c = pair_new(m, a, b, 3);
    {
        Pair *d = pair_new(m, c, NULL, 4);
        GOO_GC_FRAME(m, d);
        CHECK_EQ(live_after_collection(m), 4);
    }
    CHECK(a->value + b->value + c->value == 6);
    return live_after_collection(m);
}

GOO_TEST(gc_scope, frames_end_with_their_block) {
    GooGcHeap *heap = heap_of("poison,verify");
    GooGcMutator *m = goo_gc_attach(heap);
    CHECK_EQ(live_in_a_frame(m, false), 3);
    CHECK_EQ(live_after_collection(m), 0);
    CHECK_EQ(live_in_a_frame(m, true), 2);
    CHECK_EQ(live_after_collection(m), 0);
    goo_gc_detach(m); /* panics if a frame has not ended */
    goo_gc_heap_destroy(heap);
}

static void live_in_eight_variables(GooGcMutator *m) {
    Pair *a = NULL, *b = NULL, *c = NULL, *d = NULL, *e = NULL, *f = NULL, *g = NULL, *h = NULL;
    GOO_GC_FRAME(m, a, b, c, d, e, f, g, h);
    a = pair_new(m, NULL, NULL, 1);
    h = pair_new(m, NULL, NULL, 8);
    d = pair_new(m, a, h, 4);
    CHECK_EQ(live_after_collection(m), 3);
    CHECK(d->first->value == 1 && d->second->value == 8);
    CHECK(b == NULL && c == NULL && e == NULL && f == NULL && g == NULL);
}

GOO_TEST(gc_scope, a_frame_takes_eight_variables) {
    GooGcHeap *heap = heap_of("stress=1,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    live_in_eight_variables(m);
    CHECK_EQ(live_after_collection(m), 0);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_scope, blocks_are_freed) {
    for (int i = 0; i < 3; i++) {
        GOO_SCOPED_BLOCK char *text = goo_strdup("text"); /* a leak checker sees it if not */
        GOO_SCOPED_BLOCK char *none = NULL;
        CHECK_STR_EQ(text, "text");
        CHECK(none == NULL);
    }
}
