/* Roots: each kind alone keeps an object alive, and lets it die when it goes; and what misuse does.
 *
 * Deaths are seen through a finalizer. Public headers only.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "goo/runtime/memory.h"
#include "tests/gc/roots_fixture.h"

/* A panic leaves the heap in the midst of something: it is given up, and not forgotten, so that
 * leak checkers do not call it lost. */
static GooGcMutator *roots_misused;
static GooGcMutator *volatile roots_given_up[3];

GOO_TEST(gc_roots, nothing_keeps_nothing) {
    RootsFixture f;
    roots_begin(&f, "");
    for (int i = 0; i < 10; i++) {
        mortal_new(f.m, &f.deaths);
    }
    roots_expect(&f, 10);
    goo_gc_heap_destroy(f.heap);
    CHECK_EQ(f.deaths, 10); /* once each, not again at the end */
}

GOO_TEST(gc_roots, pointer) {
    RootsFixture f;
    roots_begin(&f, "");
    Mortal *root = mortal_new(f.m, &f.deaths);
    CHECK_EQ(goo_gc_root_add_pointer(f.heap, &root), GOO_OK);
    roots_expect(&f, 0);
    CHECK_PTR_EQ(root->deaths, &f.deaths);
    root = mortal_new(f.m, &f.deaths); /* read anew at each collection */
    roots_expect(&f, 1);
    CHECK_EQ(goo_gc_root_remove(f.heap, &root), GOO_OK);
    roots_expect(&f, 2);
    CHECK_EQ(goo_gc_root_remove(f.heap, &root), GOO_ERR_INVALID_ARGUMENT);
    goo_gc_heap_destroy(f.heap);
}

GOO_TEST(gc_roots, slot) {
    static const GooGcValueEncoding nan = GOO_GC_ENCODING_NAN_BOX(UINT64_C(0xfffe) << 48);
    RootsFixture f = {0};
    GooGcOptions options = goo_gc_default_options();
    options.encoding = nan;
    f.heap = goo_gc_heap_create(&options);
    f.m = goo_gc_attach(f.heap);
    uint64_t slot = 0;
    CHECK_EQ(goo_gc_root_add(f.heap, &slot), GOO_OK);
    slot = (uint64_t)(uintptr_t)mortal_new(f.m, &f.deaths) | nan.tag_value;
    roots_expect(&f, 0);
    slot &= ~nan.tag_mask; /* the bare address is a number under this encoding */
    roots_expect(&f, 1);
    slot = (uint64_t)(uintptr_t)mortal_new(f.m, &f.deaths) | nan.tag_value;
    CHECK_EQ(goo_gc_root_remove(f.heap, &slot), GOO_OK);
    roots_expect(&f, 2);
    goo_gc_heap_destroy(f.heap);
}

GOO_TEST(gc_roots, bad_arguments) {
    RootsFixture f;
    roots_begin(&f, "");
    void *pointer = NULL;
    CHECK_EQ(goo_gc_root_add(f.heap, NULL), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_root_add_pointer(f.heap, NULL), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_root_add_pointer(NULL, &pointer), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_root_remove(f.heap, NULL), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_root_remove(f.heap, &pointer), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_roots_add(f.heap, NULL, NULL), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_roots_remove(f.heap, NULL, NULL), GOO_ERR_INVALID_ARGUMENT);
    errno = 0;
    CHECK_PTR_EQ(goo_gc_attach(NULL), NULL);
    CHECK_EQ(errno, EINVAL);
    goo_gc_heap_destroy(f.heap);
    goo_gc_heap_destroy(NULL);
}

/* Removing from the middle of many roots takes away that one only. */
GOO_TEST(gc_roots, many_pointers) {
    enum { COUNT = 500 };
    RootsFixture f;
    roots_begin(&f, "");
    Mortal *roots[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_EQ(goo_gc_root_add_pointer(f.heap, &roots[i]), GOO_OK);
        roots[i] = NULL;
        roots[i] = mortal_new(f.m, &f.deaths);
    }
    for (size_t i = 0; i < COUNT; i += 2) {
        CHECK_EQ(goo_gc_root_remove(f.heap, &roots[(i * 7) % COUNT]), GOO_OK);
    }
    roots_expect(&f, COUNT / 2);
    for (size_t i = 1; i < COUNT; i += 2) {
        CHECK_PTR_EQ(roots[i]->deaths, &f.deaths);
    }
    goo_gc_heap_destroy(f.heap);
    CHECK_EQ(f.deaths, COUNT);
}

static void roots_trace(GooGcVisitor *v, void *user) {
    goo_gc_visit_pointer(v, user);
}

GOO_TEST(gc_roots, callback) {
    RootsFixture f;
    roots_begin(&f, "");
    Mortal *one = mortal_new(f.m, &f.deaths), *two = NULL;
    CHECK_EQ(goo_gc_roots_add(f.heap, roots_trace, &one), GOO_OK);
    CHECK_EQ(goo_gc_roots_add(f.heap, roots_trace, &two), GOO_OK);
    two = mortal_new(f.m, &f.deaths);
    roots_expect(&f, 0);
    CHECK_EQ(goo_gc_roots_remove(f.heap, roots_trace, &one), GOO_OK);
    CHECK_EQ(goo_gc_roots_remove(f.heap, roots_trace, &one), GOO_ERR_INVALID_ARGUMENT);
    roots_expect(&f, 1);
    CHECK_EQ(goo_gc_roots_remove(f.heap, roots_trace, &two), GOO_OK);
    roots_expect(&f, 2);
    goo_gc_heap_destroy(f.heap);
}

typedef struct RootsWords {
    void *words[5];
} RootsWords;

static void roots_trace_words(GooGcVisitor *v, void *user) {
    RootsWords *w = user;
    goo_gc_visit_conservative(v, &w->words[0], &w->words[2]);
    goo_gc_visit_pointers(v, &w->words[2], 2);
}

/* What a callback shows may be inner addresses or anything, where it says so. */
GOO_TEST(gc_roots, callback_over_foreign_memory) {
    RootsFixture f;
    roots_begin(&f, "verify");
    RootsWords w = {{NULL}};
    CHECK_EQ(goo_gc_roots_add(f.heap, roots_trace_words, &w), GOO_OK);
    w.words[0] = (void *)(uintptr_t)UINT64_C(0xdeadbeefdeadbeef);
    w.words[1] = (char *)mortal_new(f.m, &f.deaths) + 13;
    w.words[2] = mortal_new(f.m, &f.deaths);
    w.words[3] = mortal_new(f.m, &f.deaths);
    w.words[4] = mortal_new(f.m, &f.deaths); /* not shown */
    roots_expect(&f, 1);
    w.words[1] = w.words[3] = NULL;
    roots_expect(&f, 3);
    goo_gc_heap_destroy(f.heap);
}

GOO_TEST(gc_roots, frames) {
    RootsFixture f;
    roots_begin(&f, "");
    void *outer_local = NULL, *inner_local = NULL;
    void *const outer_locals[] = {&outer_local}, *const inner_locals[] = {&inner_local};
    GooGcFrame outer, inner;
    goo_gc_frame_begin(f.m, &outer, outer_locals, 1);
    outer_local = mortal_new(f.m, &f.deaths);
    goo_gc_frame_begin(f.m, &inner, inner_locals, 1);
    inner_local = mortal_new(f.m, &f.deaths);
    roots_expect(&f, 0);
    CHECK_PANICS(goo_gc_frame_end(f.m, &outer), "innermost");
    goo_gc_frame_end(f.m, &inner);
    roots_expect(&f, 1);
    CHECK_PANICS(goo_gc_detach(f.m), "has not ended");
    f.m = goo_gc_attach(f.heap);
    goo_gc_frame_end(f.m, &outer);
    roots_expect(&f, 2);
    CHECK_PANICS(goo_gc_frame_end(f.m, &outer), "innermost");
    goo_gc_heap_destroy(f.heap);
}

GOO_TEST(gc_roots, temporaries) {
    RootsFixture f;
    roots_begin(&f, "");
    for (int i = 0; i < 1000; i++) {
        goo_gc_push(f.m, i % 2 == 0 ? mortal_new(f.m, &f.deaths) : NULL);
    }
    roots_expect(&f, 0);
    goo_gc_pop(f.m, 500);
    roots_expect(&f, 250);
    CHECK_PANICS(goo_gc_pop(f.m, 501), "goo_gc_pop");
    goo_gc_pop(f.m, 500);
    roots_expect(&f, 500);
    CHECK_PANICS(goo_gc_pop(f.m, 1), "goo_gc_pop");
    goo_gc_pop(f.m, 0);
    goo_gc_heap_destroy(f.heap);
}

GOO_TEST(gc_roots, handles) {
    RootsFixture f;
    roots_begin(&f, "");
    CHECK_EQ(goo_gc_handle_new(f.heap, NULL).bits, 0);
    CHECK_PTR_EQ(goo_gc_handle_get(f.heap, (GooGcHandle){0}), NULL);
    goo_gc_handle_free(f.heap, (GooGcHandle){0});
    Mortal *object = mortal_new(f.m, &f.deaths);
    GooGcHandle h = goo_gc_handle_new(f.heap, object), twice = goo_gc_handle_new(f.heap, object);
    CHECK(h.bits != 0 && twice.bits != h.bits);
    roots_expect(&f, 0);
    CHECK_PTR_EQ(goo_gc_handle_get(f.heap, h), object);
    goo_gc_handle_free(f.heap, twice);
    roots_expect(&f, 0); /* counted: the other one still holds it */
    goo_gc_handle_free(f.heap, h);
    CHECK_PTR_EQ(goo_gc_handle_get(f.heap, h), NULL);
    roots_expect(&f, 1);
    CHECK_PANICS(goo_gc_handle_free(f.heap, h), "stale");
    CHECK_PANICS(goo_gc_handle_free(f.heap, (GooGcHandle){99}), "stale");
    CHECK_PTR_EQ(goo_gc_handle_get(f.heap, (GooGcHandle){99}), NULL);
    goo_gc_heap_destroy(f.heap);
}

/* A place that is used again has another generation: old handles to it stay stale. */
GOO_TEST(gc_roots, handles_are_not_confused) {
    enum { COUNT = 300 };
    RootsFixture f;
    roots_begin(&f, "");
    GooGcHandle old[COUNT] = {{0}}, now[COUNT] = {{0}};
    void *objects[COUNT] = {0};
    uint64_t random = 5;
    for (int step = 0; step < 20000; step++) {
        size_t i = (size_t)(random_next(&random) % COUNT);
        CHECK_PTR_EQ(goo_gc_handle_get(f.heap, now[i]), objects[i]);
        CHECK_PTR_EQ(goo_gc_handle_get(f.heap, old[i]), NULL);
        if (now[i].bits != 0) {
            goo_gc_handle_free(f.heap, now[i]);
            old[i] = now[i];
            now[i].bits = 0;
            objects[i] = NULL;
        } else {
            objects[i] = mortal_new(f.m, &f.deaths);
            now[i] = goo_gc_handle_new(f.heap, objects[i]);
            CHECK(now[i].bits != 0 && now[i].bits != old[i].bits);
        }
    }
    collect(f.m);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_PTR_EQ(goo_gc_handle_get(f.heap, now[i]), objects[i]);
        CHECK_PTR_EQ(goo_gc_base_of(f.heap, objects[i]), objects[i]);
    }
    goo_gc_heap_destroy(f.heap);
}

GOO_TEST(gc_roots, added_stack) {
    RootsFixture f;
    roots_begin(&f, "");
    char *words[4] = {0};
    CHECK_EQ(goo_gc_add_stack(f.m, words, words), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_add_stack(f.m, words + 1, words), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_add_stack(f.m, NULL, words), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_add_stack(f.m, (char *)words + 1, words + 4), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_add_stack(f.m, words, words + 4), GOO_OK);
    CHECK_EQ(goo_gc_add_stack(f.m, words, words + 2), GOO_ERR_INVALID_ARGUMENT);
    words[0] = (char *)mortal_new(f.m, &f.deaths);
    words[3] = (char *)mortal_new(f.m, &f.deaths) + 15; /* interior */
    roots_expect(&f, 0);
    words[3] += 1; /* one past: no more, and what lies behind is somebody else's affair */
    roots_expect(&f, 1);
    CHECK_EQ(goo_gc_remove_stack(f.m, words + 1), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_gc_remove_stack(f.m, words), GOO_OK);
    roots_expect(&f, 2);
    CHECK_EQ(goo_gc_remove_stack(f.m, words), GOO_ERR_INVALID_ARGUMENT);
    goo_gc_heap_destroy(f.heap);
}

/* --- the mutator --- */

GOO_TEST(gc_roots, detached_mutators_keep_nothing) {
    RootsFixture f;
    roots_begin(&f, "");
    CHECK_PTR_EQ(goo_gc_attach(f.heap), f.m);
    CHECK_PTR_EQ(goo_gc_heap_of(f.m), f.heap);
    goo_gc_push(f.m, mortal_new(f.m, &f.deaths));
    goo_gc_detach(f.m);
    roots_expect(&f, 0); /* attached twice: still there */
    goo_gc_detach(f.m);
    CHECK_PANICS(goo_gc_alloc_leaf(f.m, 16), "detached");
    CHECK_PANICS(goo_gc_detach(f.m), "not attached");
    f.m = goo_gc_attach(f.heap);
    roots_expect(&f, 1);
    goo_gc_heap_destroy(f.heap);
}

/* A program that attaches for each request loses no memory by it. */
GOO_TEST(gc_roots, attaching_costs_no_memory) {
    RootsFixture f;
    roots_begin(&f, "");
    for (int i = 0; i < 1000; i++) {
        CHECK(goo_gc_alloc_leaf(f.m, 16) != NULL);
        goo_gc_detach(f.m);
        f.m = goo_gc_attach(f.heap);
    }
    CHECK(goo_gc_get_stats(f.heap).heap_bytes <= 65536);
    CHECK_EQ(goo_gc_get_stats(f.heap).allocated_objects, 1000);
    goo_gc_heap_destroy(f.heap);
}

static void roots_allocate_in_finalize(void *object, void *user) {
    (void)object;
    (void)user;
    (goo_gc_alloc_leaf)(roots_misused, 16);
}

static void roots_allocate_in_trace(GooGcVisitor *v, void *user) {
    (void)v;
    (void)user;
    goo_gc_alloc_leaf(roots_misused, 16);
}

GOO_TEST(gc_roots, allocation_where_it_is_forbidden) {
    static const GooGcType type = {.name = "misuse",
                                   .size = 16,
                                   .layout = GOO_GC_LAYOUT_LEAF,
                                   .finalize = roots_allocate_in_finalize};
    RootsFixture f;
    roots_begin(&f, "");
    roots_misused = f.m;
    goo_gc_blocking_begin(f.m);
    CHECK_EQ(goo_gc_collect(f.m, GOO_GC_FULL), GOO_ERR_BUSY);
    CHECK_PANICS((goo_gc_alloc_leaf)(f.m, 16), "blocking");
    CHECK_PANICS(goo_gc_safepoint(f.m), "blocking");
    goo_gc_blocking_end(f.m);
    CHECK_PANICS(goo_gc_blocking_end(f.m), "blocking");
    CHECK(goo_gc_alloc_leaf(f.m, 16) != NULL); /* a span is open now */
    goo_gc_blocking_begin(f.m);
    CHECK_PANICS((goo_gc_alloc_leaf)(f.m, 16), "blocking");
    goo_gc_blocking_end(f.m);
    CHECK(goo_gc_alloc_leaf(f.m, 16) != NULL);
    CHECK(goo_gc_alloc(f.m, &type, 0) != NULL);
    CHECK_PANICS(goo_gc_heap_destroy(f.heap), "inside a collection");
    roots_given_up[0] = f.m;
}

/* --- threads --- */

/* How many of the calls that a foreign thread made were refused. */
static void *roots_use_elsewhere(void *m) {
    static size_t refused;
    errno = 0;
    refused = goo_gc_alloc_leaf(m, 10000) == NULL && errno == EINVAL;
    refused += goo_gc_collect(m, GOO_GC_FULL) == GOO_ERR_INVALID_ARGUMENT;
    return &refused;
}

GOO_TEST(gc_roots, mutator_of_another_thread) {
    RootsFixture f;
    roots_begin(&f, "");
    pthread_t thread;
    void *refused;
    CHECK_EQ(pthread_create(&thread, NULL, roots_use_elsewhere, f.m), 0);
    CHECK_EQ(pthread_join(thread, &refused), 0);
    CHECK_EQ(*(size_t *)refused, 2);
    goo_gc_heap_destroy(f.heap);
}

GOO_TEST(gc_roots, allocation_in_a_finalizer) {
    static const GooGcType type = {.name = "misuse",
                                   .size = 16,
                                   .layout = GOO_GC_LAYOUT_LEAF,
                                   .finalize = roots_allocate_in_finalize};
    RootsFixture f;
    roots_begin(&f, "");
    roots_misused = f.m;
    CHECK(goo_gc_alloc(f.m, &type, 0) != NULL);
    CHECK_PANICS(goo_gc_collect(f.m, GOO_GC_FULL), "inside a collection");
    roots_given_up[1] = f.m;
}

GOO_TEST(gc_roots, allocation_in_a_root_callback) {
    RootsFixture f;
    roots_begin(&f, "");
    roots_misused = f.m;
    CHECK(goo_gc_alloc_leaf(f.m, 16) != NULL);
    CHECK_EQ(goo_gc_roots_add(f.heap, roots_allocate_in_trace, NULL), GOO_OK);
    CHECK_PANICS(goo_gc_verify(f.heap, NULL), "inside a collection");
    roots_given_up[2] = f.m;
}
