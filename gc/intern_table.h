/* The shape of a weak intern table, for intern.c and for tests that break one on purpose. */
#ifndef GOO_GC_INTERN_TABLE_H
#define GOO_GC_INTERN_TABLE_H

#include "gc/heap.h"

typedef struct GooiInternEntry {
    uint32_t hash, granule; /* granule 0: empty */
} GooiInternEntry;

struct GooGcInternTable {
    GooGcHeap *heap;
    GooGcInternOps ops;
    GooiInternEntry *entries;
    size_t capacity, count; /* capacity: 0 or a power of two */
    uint64_t entered;       /* how many objects ever were: tells whether a look is out of date */
    GooGcInternTable *next;
};

#endif
