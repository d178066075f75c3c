/* What the tests of roots share: a heap, its mutator and a count of deaths. */
#ifndef GOO_TESTS_GC_ROOTS_FIXTURE_H
#define GOO_TESTS_GC_ROOTS_FIXTURE_H

#include "tests/gc/support.h"

typedef struct RootsFixture {
    GooGcHeap *heap;
    GooGcMutator *m;
    int deaths;
} RootsFixture;

static inline void roots_begin(RootsFixture *f, const char *text) {
    f->heap = heap_of(text);
    f->m = goo_gc_attach(f->heap);
    f->deaths = 0;
}

/* Collections with something allocated between, so that the place of what died is used again. */
static inline void roots_collect(RootsFixture *f) {
    for (int i = 0; i < 3; i++) {
        collect(f->m);
        for (int j = 0; j < 100; j++) {
            CHECK(goo_gc_alloc_leaf(f->m, 16) != NULL);
        }
    }
}

static inline void roots_expect(RootsFixture *f, int deaths) {
    roots_collect(f);
    CHECK_EQ(f->deaths, deaths);
}

#endif
