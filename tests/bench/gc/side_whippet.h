/* Whippet's side: its inline allocation, its barrier where the library collects by generations,
 * objects as side_whippet_embedder.h says. Built with its marking collector and the stack scanned
 * conservatively; the definitions that such a library was compiled with come from meson.build.
 *
 * Whippet may move objects that the stack does not refer to, so a table by address pins its keys.
 */
#ifndef GOO_TESTS_BENCH_GC_SIDE_WHIPPET_H
#define GOO_TESTS_BENCH_GC_SIDE_WHIPPET_H

#include <sys/types.h> /* Whippet's headers use it */

#include <gc-api.h>

#include <gc-allocate.h>
#include <gc-barrier.h>

#include "tests/bench/gc/side_whippet_embedder.h"

extern struct gc_mutator *side_mutator;

static inline void *side_node(size_t size) {
    return gc_allocate(side_mutator, size, GC_ALLOCATION_TAGGED);
}

static inline void *side_leaf(size_t size) {
    return gc_allocate(side_mutator, size, GC_ALLOCATION_UNTAGGED_POINTERLESS);
}

static inline size_t side_array_size(size_t count) {
    return sizeof(SideArray) + count * sizeof(void *);
}

static inline SideArray *side_array(size_t count) {
    SideArray *array = gc_allocate(side_mutator, side_array_size(count), GC_ALLOCATION_TAGGED);
    array->head = (const void *)(count << WHIPPET_COUNT_SHIFT | WHIPPET_ARRAY);
    return array;
}

/* The barrier wants to know whether an object is a large one: arrays alone may be. */
static inline void side_link(void *object, void *slot, void *value) {
    if (GC_GENERATIONAL) {
        uintptr_t head = *(const uintptr_t *)object;
        bool is_array = (head & WHIPPET_TAG_MASK) == WHIPPET_ARRAY;
        size_t size = is_array ? side_array_size(head >> WHIPPET_COUNT_SHIFT) : sizeof(void *);
        gc_write_barrier(side_mutator, gc_ref_from_heap_object(object), size, gc_edge(slot),
                         gc_ref_from_heap_object_or_null(value));
    }
    *(void **)slot = value;
}

/* Freed when a finalizer of its owner is found ready. */
void *side_owned(void *owner, size_t size);

SideTable *side_table_new(void);
void side_table_set(SideTable *table, void *key, void *value);
void *side_table_get(SideTable *table, const void *key);

#endif
