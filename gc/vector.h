/* Side memory: what the collector keeps outside its own heap, and arrays that grow in it.
 *
 * Both come from the heap's side allocator and are counted as metadata: the hard limit holds.
 *
 * Threads: one at a time for each vector; the heap's under its lock.
 */
#ifndef GOO_GC_VECTOR_H
#define GOO_GC_VECTOR_H

#include "goo/gc.h"
#include "runtime/base.h"

/* A growing array in side memory (vector.c). */
typedef struct GooiVector {
    void *items;
    size_t count, capacity;
} GooiVector;

/* --- prototypes, by the file that defines them --- */

/* vector.c */
bool gooi_vector_reserve(GooGcHeap *heap, GooiVector *v, size_t extra, size_t item_size);
void gooi_vector_free(GooGcHeap *heap, GooiVector *v, size_t item_size);
void *gooi_side_alloc(GooGcHeap *heap, size_t size); /* zeroed; counted as metadata */
void gooi_side_free(GooGcHeap *heap, void *ptr, size_t size);

#endif
