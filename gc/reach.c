/* The set of reached objects, waiting pairs, and reaching everything from the roots.
 *
 * gooi_reach_all has a stack of fixed size. What finds no room on it is reached all the same, and
 * its block is flagged: when the stack is empty the reached objects of flagged blocks are looked at
 * again, until nothing is dropped any more.
 *
 * REACH-1  a pair waits in the chain of its key's bucket, and its key is `awaited`.
 * REACH-2  when gooi_reach_all ends with true, what reached objects and pairs with reached holders
 *          and keys refer to is reached.
 */
#include "gc/reach.h"

#include <string.h>

#include "runtime/bits.h"
#include "runtime/platform/platform.h"

#define GOOI_REACH_STACK ((size_t)32768) /* entries */
#define GOOI_REACH_PAIRS_MIN ((uint32_t)256)

typedef struct GooiReachPair {
    uint32_t pair; /* its granule; pairs are aligned to 16 */
    uint32_t next; /* of the bucket; + 1, 0 ends */
    uint32_t tag;
} GooiReachPair;

_Static_assert(offsetof(GooGcEphemeron, pair) % GOOI_GRANULE_SIZE == 0 &&
                   offsetof(GooiWeakTable, pairs) % GOOI_GRANULE_SIZE == 0,
               "a pair has a granule of its own");

/* --- the set --- */

static void *reach_map(size_t bytes) {
    void *memory = gooi_platform_reserve(bytes, gooi_platform_page_size());
    if (memory != NULL && !gooi_platform_commit(memory, bytes)) {
        gooi_platform_release(memory, bytes);
        memory = NULL;
    }
    return memory;
}

bool gooi_reach_init(GooiReach *r, GooGcHeap *heap) {
    size_t bits = ((size_t)heap->slab_count << GOOI_SLAB_LOG2) >> GOOI_GRANULE_LOG2;
    *r = (GooiReach){.heap = heap, .words = bits / 64};
    r->bytes = gooi_align_up(bits / 8 + 8, gooi_platform_page_size());
    r->bits = bits <= UINT32_MAX ? reach_map(r->bytes) : NULL;
    return r->bits != NULL;
}

static void reach_free_pairs(GooiReach *r) {
    GooAllocator *side = r->heap->side;
    if (r->pair_capacity != 0) {
        side->free(side->context, r->pairs, r->pair_capacity * sizeof *r->pairs, 16);
        side->free(side->context, r->buckets, r->pair_capacity * sizeof *r->buckets, 16);
    }
}

void gooi_reach_deinit(GooiReach *r) {
    if (r->bits != NULL) {
        gooi_platform_release(r->bits, r->bytes);
    }
    if (r->awaited != NULL) {
        gooi_platform_release(r->awaited, r->bytes);
    }
    reach_free_pairs(r);
}

/* --- waiting pairs --- */

static const GooiPair *reach_pair_at(const GooiReach *r, uint32_t index) {
    return (const GooiPair *)gooi_reach_object(r, r->pairs[index].pair);
}

static uint32_t *reach_bucket(const GooiReach *r, const void *key) {
    return &r->buckets[(size_t)(gooi_weak_hash(key) >> 32) & (r->pair_capacity - 1)];
}

static void reach_link(GooiReach *r, uint32_t index) {
    uint32_t *bucket = reach_bucket(r, reach_pair_at(r, index)->key);
    r->pairs[index].next = *bucket;
    *bucket = index + 1;
}

/* Those taken off in the meantime are not carried over. */
static void reach_carry_over(GooiReach *r, const GooiReachPair *old, uint32_t count) {
    r->pair_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (old[i].pair != 0) {
            r->pairs[r->pair_count] = old[i];
            reach_link(r, r->pair_count++);
        }
    }
}

static bool reach_grow_pairs(GooiReach *r) {
    GooAllocator *side = r->heap->side;
    GooiReach old = *r;
    uint32_t capacity = old.pair_capacity == 0 ? GOOI_REACH_PAIRS_MIN : old.pair_capacity * 2;
    size_t pairs_size = capacity * sizeof *old.pairs, buckets_size = capacity * sizeof *old.buckets;
    GooiReachPair *pairs = capacity == 0 ? NULL : side->alloc(side->context, pairs_size, 16, 0);
    if (pairs == NULL) {
        return false;
    }
    uint32_t *buckets = side->alloc(side->context, buckets_size, 16, GOO_ALLOC_ZERO);
    if (buckets == NULL) {
        side->free(side->context, pairs, pairs_size, 16);
        return false;
    }
    r->pairs = pairs;
    r->buckets = buckets;
    r->pair_capacity = capacity;
    reach_carry_over(r, old.pairs, old.pair_count);
    reach_free_pairs(&old);
    return true;
}

void gooi_reach_wait(GooiReach *r, const GooiPair *pair, uint32_t tag) {
    if (r->awaited == NULL) {
        r->awaited = reach_map(r->bytes);
    }
    if (r->awaited == NULL || (r->pair_count == r->pair_capacity && !reach_grow_pairs(r))) {
        r->out_of_memory = true;
        return;
    }
    size_t key = gooi_reach_granule(r, (uintptr_t)pair->key);
    r->awaited[key / 64] |= (uint64_t)1 << (key % 64);
    r->pairs[r->pair_count].pair = (uint32_t)gooi_reach_granule(r, (uintptr_t)pair);
    r->pairs[r->pair_count].tag = tag;
    reach_link(r, r->pair_count++);
}

/* A pair without a value is passed over. */
bool gooi_reach_take(GooiReach *r, uintptr_t key, uintptr_t *out_value, uint32_t *out_tag) {
    uint32_t *link = reach_bucket(r, (const void *)key);
    while (*link != 0) {
        GooiReachPair *found = &r->pairs[*link - 1];
        const GooiPair *pair = reach_pair_at(r, *link - 1);
        uintptr_t value = (uintptr_t)pair->value;
        if ((uintptr_t)pair->key != key) {
            link = &found->next;
            continue;
        }
        *link = found->next;
        found->pair = 0; /* no pair lies at a slab's beginning */
        if (value != 0 && gooi_object_base_of(r->heap, value) == value) {
            *out_value = value;
            *out_tag = found->tag;
            return true;
        }
    }
    return false;
}

/* --- everything --- */

typedef struct ReachAll {
    GooiReach *reach;
    GooiGraph graph;
    uintptr_t *stack;
    size_t top;
    uint64_t *dropped; /* a bit for each block */
    size_t dropped_words;
    bool any_dropped;
} ReachAll;

static void reach_push(ReachAll *all, uintptr_t object) {
    if (all->top == GOOI_REACH_STACK) {
        size_t block = (object - all->reach->heap->base) >> GOOI_BLOCK_LOG2;
        all->dropped[block / 64] |= (uint64_t)1 << (block % 64);
        all->any_dropped = true;
        return;
    }
    all->stack[all->top++] = object;
}

static void reach_target(ReachAll *all, uintptr_t target) {
    if (!gooi_reach_add(all->reach, target)) {
        return;
    }
    reach_push(all, target);
}

/* A value whose key waits for others is reached when the key is popped, or here. */
static void reach_edge(void *ctx, const GooiEdge *edge) {
    ReachAll *all = ctx;
    if (edge->kind == GOOI_EDGE_WEAK) {
        return;
    }
    if (edge->kind == GOOI_EDGE_VALUE && !gooi_reach_has(all->reach, (uintptr_t)edge->pair->key)) {
        gooi_reach_wait(all->reach, edge->pair, 0);
        return;
    }
    reach_target(all, edge->target);
}

static void reach_look_at(ReachAll *all, uintptr_t object) {
    if (gooi_reach_is_awaited(all->reach, object)) {
        uintptr_t value;
        uint32_t tag;
        while (gooi_reach_take(all->reach, object, &value, &tag)) {
            reach_target(all, value);
        }
    }
    gooi_graph_object(&all->graph, object);
}

static void reach_drain(ReachAll *all) {
    while (all->top != 0) {
        reach_look_at(all, all->stack[--all->top]);
    }
}

static void reach_look_at_block(ReachAll *all, size_t block) {
    const uint64_t *bits = all->reach->bits + block * GOOI_BLOCK_MAP_WORDS;
    for (size_t w = 0; w < GOOI_BLOCK_MAP_WORDS; w++) {
        for (uint64_t word = bits[w]; word != 0; word &= word - 1) {
            size_t granule =
                block * GOOI_BLOCK_GRANULES + w * 64 + gooi_count_trailing_zeros(word);
            reach_look_at(all, gooi_reach_object(all->reach, granule));
            reach_drain(all);
        }
    }
}

static void reach_look_at_dropped(ReachAll *all) {
    all->any_dropped = false;
    for (size_t block = 0; block < all->dropped_words * 64; block++) {
        uint64_t bit = (uint64_t)1 << (block % 64);
        if ((all->dropped[block / 64] & bit) != 0) {
            all->dropped[block / 64] &= ~bit;
            reach_look_at_block(all, block);
        }
    }
}

bool gooi_reach_all(GooiReach *r, const GooiGraphPlace *place) {
    ReachAll all = {.reach = r};
    all.dropped_words = r->words / (GOOI_BLOCK_GRANULES) + 1;
    size_t stack_bytes = GOOI_REACH_STACK * sizeof *all.stack;
    size_t bytes = gooi_align_up(stack_bytes + all.dropped_words * sizeof *all.dropped,
                                 gooi_platform_page_size());
    all.stack = reach_map(bytes);
    if (all.stack == NULL) {
        return false;
    }
    all.dropped = (uint64_t *)((char *)all.stack + stack_bytes);
    gooi_graph_init(&all.graph, r->heap, place, reach_edge, &all);
    gooi_graph_roots(&all.graph);
    reach_drain(&all);
    while (all.any_dropped) {
        reach_look_at_dropped(&all);
    }
    gooi_platform_release(all.stack, bytes);
    return !r->out_of_memory;
}
