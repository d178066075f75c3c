/* The scope: the order of frees and calls, marks, failing registrations. */
#include "goo/allocators/scoped.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/conformance/parent.h"
#include "tests/harness.h"

#include <stdio.h>

static char log_text[200];
static GooAllocator *current;

static void note(void *arg) {
    strcat(log_text, arg);
}

static void note_live(void *arg) {
    (void)arg;
    char text[32];
    snprintf(text, sizeof text, "[%zu]", goo_get_alloc_stats(current).bytes_allocated);
    strcat(log_text, text);
}

static void use_scope(void *arg) {
    CHECK(goo_memory_alloc_with(current, 3000) != NULL);
    CHECK_EQ(goo_scope_defer(current, note, arg), GOO_OK);
}

static GooAllocator *make(Parent *parent) {
    log_text[0] = '\0';
    current = goo_scoped_allocator_create(parent_init(parent));
    CHECK(current != NULL);
    current->track_stats = true;
    return current;
}

static void finish(GooAllocator *a, const Parent *parent) {
    goo_allocator_destroy(a);
    CHECK_EQ(parent->live, 0);
    CHECK_EQ(parent->faults, 0);
}

GOO_TEST(scoped, calls_run_the_latest_first_between_the_frees) {
    Parent parent;
    GooAllocator *a = make(&parent);
    CHECK(goo_memory_alloc_with(a, 1) != NULL);
    CHECK_EQ(goo_scope_defer(a, note_live, NULL), GOO_OK);
    CHECK(goo_memory_alloc_with(a, 20) != NULL);
    CHECK_EQ(goo_scope_defer(a, note_live, NULL), GOO_OK);
    CHECK_EQ(goo_scope_defer(a, note, "x"), GOO_OK);
    CHECK(goo_memory_alloc_with(a, 300) != NULL);
    CHECK(goo_memory_alloc_with(a, 40000) != NULL);
    CHECK_EQ(goo_scope_defer(a, note_live, NULL), GOO_OK);
    CHECK(goo_memory_alloc_with(a, 5000) != NULL);
    finish(a, &parent);
    CHECK_STR_EQ(log_text, "[40321]x[21][1]");
}

GOO_TEST(scoped, unwind_stops_at_its_mark) {
    Parent parent;
    GooAllocator *a = make(&parent);
    CHECK_EQ(goo_scope_mark(a), 0);
    CHECK_EQ(goo_scope_defer(a, note, "1"), GOO_OK);
    char *kept = goo_memory_strdup_with(a, "kept");
    size_t mark = goo_scope_mark(a);
    for (unsigned round = 0; round < 3; round++) {
        CHECK_EQ(goo_scope_defer(a, note, "2"), GOO_OK);
        for (unsigned i = 0; i < 100; i++) {
            CHECK(goo_memory_alloc_with(a, 999) != NULL);
        }
        CHECK_EQ(goo_scope_defer(a, note, "3"), GOO_OK);
        goo_scope_unwind(a, mark);
        CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 5);
    }
    CHECK_STR_EQ(log_text, "323232");
    CHECK_STR_EQ(kept, "kept");
    goo_scope_unwind(a, 0);
    CHECK_STR_EQ(log_text, "3232321");
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
    CHECK_PANICS(goo_scope_unwind(a, mark), "ahead of the scope");
    finish(a, &parent);
    CHECK_STR_EQ(log_text, "3232321");
}

GOO_TEST(scoped, a_call_may_use_the_scope) {
    Parent parent;
    GooAllocator *a = make(&parent);
    CHECK_EQ(goo_scope_defer(a, use_scope, "b"), GOO_OK);
    CHECK_EQ(goo_scope_defer(a, use_scope, "a"), GOO_OK);
    finish(a, &parent);
    CHECK_STR_EQ(log_text, "ab");
}

GOO_TEST(scoped, a_registration_that_fails_refuses_at_once_and_leaves_nothing) {
    Parent parent;
    GooAllocator *a = make(&parent);
    CHECK_EQ(goo_scope_defer(a, NULL, NULL), GOO_ERR_INVALID_ARGUMENT);
    parent.fail_at = parent.requests + 1;
    CHECK_EQ(goo_scope_defer(a, note, "lost"), GOO_ERR_NO_MEMORY);
    CHECK_STR_EQ(log_text, "");
    CHECK_EQ(goo_scope_mark(a), 0);
    CHECK_EQ(goo_scope_defer(a, note, "made"), GOO_OK);
    finish(a, &parent);
    CHECK_STR_EQ(log_text, "made");
}

GOO_TEST(scoped, single_blocks_go_in_any_order) {
    Parent parent;
    GooAllocator *a = make(&parent);
    enum { COUNT = 500, SIZE = 20000 };
    uint8_t *p[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        p[i] = goo_memory_alloc_with(a, SIZE);
        CHECK(p[i] != NULL);
        p[i][SIZE - 1] = (uint8_t)i;
    }
    size_t before = parent.live;
    for (unsigned i = 0; i < COUNT; i++) {
        unsigned k = i * 17 % COUNT;
        CHECK_EQ(p[k][SIZE - 1], (uint8_t)k);
        goo_memory_free_with(a, p[k], SIZE);
    }
    CHECK_EQ(parent.live, before - COUNT); /* each went back to the parent */
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
    finish(a, &parent);
}

GOO_TEST(scoped, reset_runs_what_was_deferred) {
    Parent parent;
    GooAllocator *a = make(&parent);
    CHECK_EQ(goo_scope_defer(a, note, "r"), GOO_OK);
    CHECK(goo_allocator_reset(a));
    CHECK_STR_EQ(log_text, "r");
    CHECK_PANICS(goo_scope_mark(goo_get_default_allocator()), "no scope");
    finish(a, &parent);
}
