/* Boehm's side: as it comes, its heap as large as it likes. GC_malloc zeroes and its objects are
 * scanned; GC_malloc_atomic does neither. */
#define _DEFAULT_SOURCE
#include "tests/bench/sizes/loop.h"

#define GC_THREADS
#include <gc.h>

static void *boehm_take_atomic(void *state, size_t size, void *old) {
    (void)state;
    (void)old;
    return GC_malloc_atomic(size);
}

static void *boehm_take(void *state, size_t size, void *old) {
    (void)state;
    (void)old;
    return GC_malloc(size);
}

static void **boehm_open(const SizesCase *c) {
    GC_set_all_interior_pointers(0);
    GC_set_markers_count(1);
    GC_INIT();
    return GC_malloc_uncollectable((c->live + 1) * sizeof(void *));
}

SizesResult sizes_boehm_atomic(const SizesCase *c, size_t count) {
    void **table = boehm_open(c);
    double ns = table == NULL ? -1 : sizes_measure(c, table, count, boehm_take_atomic, NULL);
    return (SizesResult){ns, GC_get_heap_size()};
}

SizesResult sizes_boehm(const SizesCase *c, size_t count) {
    void **table = boehm_open(c);
    double ns = table == NULL ? -1 : sizes_measure(c, table, count, boehm_take, NULL);
    return (SizesResult){ns, GC_get_heap_size()};
}
