/* What the collector's tests share: heaps from option texts, a pair cell, and objects whose death
 * is counted.
 */
#ifndef GOO_TESTS_GC_SUPPORT_H
#define GOO_TESTS_GC_SUPPORT_H

#include "goo/gc.h"
#include "goo/gc/inspect.h"
#include "tests/harness.h"

typedef struct Pair {
    const GooGcType *type;
    struct Pair *first, *second;
    uint64_t value;
} Pair;

static const uint64_t pair_bitmap[] = {6};
static const GooGcType pair_type = {.name = "pair",
                                    .size = sizeof(Pair),
                                    .layout = GOO_GC_LAYOUT_BITMAP,
                                    .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                    .bitmap = pair_bitmap,
                                    .bitmap_words = 1};

static inline GooGcOptions options_of(const char *text) {
    GooGcOptions options = goo_gc_default_options();
    CHECK_EQ(goo_gc_options_parse(&options, text), GOO_OK);
    return options;
}

static inline GooGcHeap *heap_of(const char *text) {
    GooGcOptions options = options_of(text);
    GooGcHeap *heap = goo_gc_heap_create(&options);
    CHECK(heap != NULL);
    return heap;
}

static inline Pair *pair_new(GooGcMutator *m, Pair *first, Pair *second, uint64_t value) {
    goo_gc_push(m, first);
    goo_gc_push(m, second);
    Pair *pair = goo_gc_alloc(m, &pair_type, 0);
    goo_gc_pop(m, 2);
    if (pair != NULL) {
        pair->first = first;
        pair->second = second;
        pair->value = value;
    }
    return pair;
}

/* An array of plain pointers, or of slots, from word 1 on. */
static const GooGcType pointers_type = {.name = "pointers",
                                        .layout = GOO_GC_LAYOUT_ARRAY,
                                        .flags = GOO_GC_TYPE_ARRAY_POINTERS,
                                        .array_offset = sizeof(void *)};
static const GooGcType slots_type = {
    .name = "slots", .layout = GOO_GC_LAYOUT_ARRAY, .array_offset = sizeof(void *)};

/* An object without references whose death adds 1 to a counter. */
typedef struct Mortal {
    const GooGcType *type;
    int *deaths;
} Mortal;

static inline void mortal_finalize(void *object, void *user) {
    (void)user;
    ++*((Mortal *)object)->deaths;
}

static const GooGcType mortal_type = {.name = "mortal",
                                      .size = sizeof(Mortal),
                                      .layout = GOO_GC_LAYOUT_LEAF,
                                      .finalize = mortal_finalize};

static inline Mortal *mortal_new(GooGcMutator *m, int *deaths) {
    Mortal *mortal = goo_gc_alloc(m, &mortal_type, 0);
    CHECK(mortal != NULL);
    mortal->deaths = deaths;
    return mortal;
}

static inline void collect(GooGcMutator *m) {
    CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
}

static inline uint64_t random_next(uint64_t *state) {
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

#endif
