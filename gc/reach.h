/* The set of objects that have been reached, and pairs that wait for their keys to be.
 *
 *   bits     one for each granule of the committed slabs, set where a reached object starts
 *   waiting  pairs (ephemerons, entries of weak maps) found before their keys: chains by key
 *   awaited  one bit for each granule, set where somebody waits for the object: so that reaching
 *            one costs a look at a bit, and chains of pairs settle in linear time
 *
 * 1 bit for each 16 bytes of heap, and as much again, with 16 to 32 bytes a waiting pair, where
 * pairs wait. The memory is not the heap's: no limit counts it.
 *
 * Threads: world stopped.
 */
#ifndef GOO_GC_REACH_H
#define GOO_GC_REACH_H

#include "gc/graph.h"

typedef struct GooiReach {
    GooGcHeap *heap;
    uint64_t *bits, *awaited; /* awaited: NULL until a pair waits */
    size_t words, bytes;      /* of each; bytes as reserved */
    size_t count;             /* objects reached */
    struct GooiReachPair *pairs;
    uint32_t *buckets;        /* pair + 1; 0: none */
    uint32_t pair_count, pair_capacity; /* capacity: 0 or a power of two, also of buckets */
    bool out_of_memory;       /* a pair was not taken note of */
} GooiReach;

bool gooi_reach_init(GooiReach *r, GooGcHeap *heap); /* false: no memory */
void gooi_reach_deinit(GooiReach *r);

static inline size_t gooi_reach_granule(const GooiReach *r, uintptr_t object) {
    return (object - r->heap->base) >> GOOI_GRANULE_LOG2;
}

static inline uintptr_t gooi_reach_object(const GooiReach *r, size_t granule) {
    return r->heap->base + ((uintptr_t)granule << GOOI_GRANULE_LOG2);
}

static inline bool gooi_reach_has(const GooiReach *r, uintptr_t object) {
    size_t granule = gooi_reach_granule(r, object);
    return (r->bits[granule / 64] >> (granule % 64) & 1) != 0;
}

/* True: it is new. */
static inline bool gooi_reach_add(GooiReach *r, uintptr_t object) {
    size_t granule = gooi_reach_granule(r, object);
    uint64_t bit = (uint64_t)1 << (granule % 64);
    bool is_new = (r->bits[granule / 64] & bit) == 0;
    r->bits[granule / 64] |= bit;
    r->count += is_new;
    return is_new;
}

/* Takes note of a pair of a reached object, whose key is not reached. `tag` is the caller's. */
void gooi_reach_wait(GooiReach *r, const GooiPair *pair, uint32_t tag);

static inline bool gooi_reach_is_awaited(const GooiReach *r, uintptr_t object) {
    size_t granule = gooi_reach_granule(r, object);
    return r->awaited != NULL && (r->awaited[granule / 64] >> (granule % 64) & 1) != 0;
}

/* The next value of a pair that waits for `key`, the pair taken off. False: there is none. */
bool gooi_reach_take(GooiReach *r, uintptr_t key, uintptr_t *out_value, uint32_t *out_tag);

/* Reaches everything from the roots, in bounded memory. False: no memory. */
bool gooi_reach_all(GooiReach *r, const GooiGraphPlace *place);

#endif
