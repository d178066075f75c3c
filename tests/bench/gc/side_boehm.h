/* Boehm's side: its own inline allocation for nodes (gc_inline.h; it has none for leaves outside of
 * its thread-local lists), no byte added to objects for pointers past their end.
 *
 * It has no ephemerons. A table of facts is one of disappearing links: the entry's key is hidden
 * and the collector clears it when the key dies; the value is held by the entry until the table
 * comes across it. So values must not lead to their keys, which those of the benchmark do not.
 */
#ifndef GOO_TESTS_BENCH_GC_SIDE_BOEHM_H
#define GOO_TESTS_BENCH_GC_SIDE_BOEHM_H

#define GC_THREADS
#include <gc.h>
#include <gc/gc_inline.h>

extern void *side_nodes_free[GC_TINY_FREELISTS];

static inline void *side_node(size_t size) {
    void *node;
    if (!__builtin_constant_p(size)) {
        return GC_MALLOC(size);
    }
    GC_MALLOC_WORDS(node, (size + sizeof(GC_word) - 1) / sizeof(GC_word), side_nodes_free);
    return node;
}

static inline void *side_leaf(size_t size) {
    return GC_MALLOC_ATOMIC(size);
}

static inline SideArray *side_array(size_t count) {
    size_t size = sizeof(SideArray) + count * sizeof(void *);
    return size < 100000 ? GC_MALLOC(size) : GC_MALLOC_IGNORE_OFF_PAGE(size);
}

static inline void side_link(void *object, void *slot, void *value) {
    (void)object;
    *(void **)slot = value;
}

/* Freed by a finalizer of its owner. */
void *side_owned(void *owner, size_t size);

SideTable *side_table_new(void);
void side_table_set(SideTable *table, void *key, void *value);
void *side_table_get(SideTable *table, const void *key);

#endif
