/* Goo's side: headerless objects traced by the embedder, arrays with a type, leaves, all through
 * the inline fast paths; every store through the barrier.
 */
#ifndef GOO_TESTS_BENCH_GC_SIDE_GOO_H
#define GOO_TESTS_BENCH_GC_SIDE_GOO_H

#include "goo/gc/inline.h"
#include "goo/gc/weak.h"

extern GooGcMutator *side_mutator;
extern const GooGcType side_array_type;

static inline void *side_node(size_t size) {
    void *node = goo_gc_alloc_embedder(side_mutator, size);
    if (SIDE_UNLIKELY(node == NULL)) {
        side_exhausted();
    }
    return node;
}

static inline void *side_leaf(size_t size) {
    void *leaf = goo_gc_alloc_leaf(side_mutator, size);
    if (SIDE_UNLIKELY(leaf == NULL)) {
        side_exhausted();
    }
    return leaf;
}

static inline SideArray *side_array(size_t count) {
    size_t size = sizeof(SideArray) + count * sizeof(void *);
    SideArray *array = goo_gc_alloc(side_mutator, &side_array_type, size);
    if (SIDE_UNLIKELY(array == NULL)) {
        side_exhausted();
    }
    return array;
}

static inline void side_link(void *object, void *slot, void *value) {
    goo_gc_write_pointer(side_mutator, object, slot, value);
}

static inline void *side_owned(void *owner, size_t size) {
    void *block = goo_gc_owned_alloc(side_mutator, owner, NULL, size);
    if (SIDE_UNLIKELY(block == NULL)) {
        side_exhausted();
    }
    return block;
}

static inline SideTable *side_table_new(void) {
    GooGcWeakMap *table = goo_gc_weak_map_new(side_mutator);
    if (table == NULL) {
        side_exhausted();
    }
    return (SideTable *)table;
}

static inline void side_table_set(SideTable *table, void *key, void *value) {
    if (goo_gc_weak_map_set(side_mutator, (GooGcWeakMap *)table, key, value) != GOO_OK) {
        side_exhausted();
    }
}

static inline void *side_table_get(SideTable *table, const void *key) {
    return goo_gc_weak_map_get(side_mutator, (GooGcWeakMap *)table, key);
}

#endif
