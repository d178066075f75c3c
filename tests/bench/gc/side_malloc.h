/* The side of explicit allocation: malloc, whichever library serves it, and free where a program
 * knows that an object is dead. A table of facts is a plain hash table, from which the program
 * removes a key before it frees it; a block is freed beside its owner.
 */
#ifndef GOO_TESTS_BENCH_GC_SIDE_MALLOC_H
#define GOO_TESTS_BENCH_GC_SIDE_MALLOC_H

typedef struct SideTable SideTable;

static inline void *side_leaf(size_t size) {
    void *leaf = malloc(size);
    if (SIDE_UNLIKELY(leaf == NULL)) {
        side_exhausted();
    }
    return leaf;
}

static inline void *side_node(size_t size) {
    return memset(side_leaf(size), 0, size);
}

static inline SideArray *side_array(size_t count) {
    SideArray *array = calloc(1, sizeof *array + count * sizeof(void *));
    if (SIDE_UNLIKELY(array == NULL)) {
        side_exhausted();
    }
    return array;
}

static inline void side_link(void *object, void *slot, void *value) {
    (void)object;
    memcpy(slot, &value, sizeof value);
}

static inline void side_free(void *object) {
    free(object);
}

static inline void *side_owned(void *owner, size_t size) {
    (void)owner;
    return side_leaf(size);
}

static inline void side_owned_free(void *block) {
    free(block);
}

SideTable *side_table_new(void);
void side_table_set(SideTable *table, void *key, void *value);
void *side_table_get(SideTable *table, const void *key);
void *side_table_remove(SideTable *table, const void *key);
void side_table_free(SideTable *table);

#endif
