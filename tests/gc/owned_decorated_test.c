/* Owned blocks that come through decorators of an attached allocator: their bytes count once,
 * whichever of the chain is attached, and whenever.
 *
 * Public headers only. Invariants: OWN-3, PRESS-1.
 */
#include <errno.h>

#include "tests/gc/owned_fixture.h"

typedef struct Chain {
    GooAllocator *base, *limit, *tracking;
    GooGcHeap *heap;
    GooGcMutator *m;
    void *owner;
} Chain;

static Chain chain_begin(const char *options) {
    Chain c = {.base = counting_allocator(), .heap = heap_of(options)};
    c.limit = goo_limit_allocator_create(c.base, 64 << 20);
    c.tracking = goo_tracking_allocator_create(c.limit);
    CHECK(c.limit != NULL && c.tracking != NULL);
    c.m = goo_gc_attach(c.heap);
    c.owner = goo_gc_alloc_leaf(c.m, 16);
    goo_gc_push(c.m, c.owner);
    return c;
}

/* The heap counts what the base holds, by whatever way. */
static void chain_check(const Chain *c, size_t bytes) {
    CHECK_EQ(held_by(c->base), bytes);
    CHECK_EQ(external(c->heap), bytes);
    CHECK_EQ(goo_gc_owner_bytes(c->heap, c->owner), bytes);
    CHECK_EQ(goo_gc_verify(c->heap, stderr), GOO_OK);
}

static void chain_end(Chain *c) {
    goo_gc_pop(c->m, 1);
    collect(c->m);
    CHECK_EQ(external(c->heap), 0);
    CHECK_EQ(held_by(c->base), 0);
    CHECK_EQ(goo_gc_verify(c->heap, stderr), GOO_OK);
    goo_gc_heap_destroy(c->heap);
    goo_allocator_destroy(c->tracking);
    goo_allocator_destroy(c->limit);
    goo_allocator_destroy(c->base);
}

static void *chain_own(const Chain *c, GooAllocator *a, size_t size) {
    void *block = goo_gc_owned_alloc(c->m, c->owner, a, size);
    CHECK(block != NULL);
    return block;
}

/* One of the chain is attached; blocks come through all three. Decorators above it, and itself,
 * count with it; what lies below counts by itself. */
static void chain_check_attached(unsigned which) {
    Chain c = chain_begin("");
    GooAllocator *chain[] = {c.base, c.limit, c.tracking};
    CHECK_EQ(goo_gc_attach_allocator(c.heap, chain[which]), GOO_OK);
    void *blocks[3];
    size_t bytes = 0;
    for (size_t i = 0; i < 3; i++) {
        blocks[i] = chain_own(&c, chain[i], 1000 + i);
        chain_check(&c, bytes += 1000 + i);
    }
    for (size_t i = 0; i < 3; i++) {
        blocks[i] = goo_gc_owned_realloc(c.m, c.owner, blocks[i], 5000);
        chain_check(&c, bytes += 5000 - 1000 - i);
        blocks[i] = goo_gc_owned_realloc(c.m, c.owner, blocks[i], 300);
        chain_check(&c, bytes -= 4700);
    }
    goo_gc_owned_free(c.m, c.owner, blocks[2]);
    chain_check(&c, 600);
    CHECK_EQ(goo_gc_detach_allocator(c.heap, chain[which]), GOO_OK);
    chain_check(&c, 600);
    chain_end(&c);
}

GOO_TEST(gc_owned_decorated, whichever_is_attached) {
    for (unsigned which = 0; which < 3; which++) {
        chain_check_attached(which);
    }
}

/* Blocks change hands when one of the chain is attached later, and when it is detached. */
GOO_TEST(gc_owned_decorated, attached_and_detached_while_blocks_live) {
    Chain c = chain_begin("");
    GooAllocator *chain[] = {c.base, c.limit, c.tracking};
    size_t bytes = 0;
    for (size_t round = 0; round < 6; round++) {
        GooAllocator *a = chain[round % 3];
        CHECK_EQ(goo_gc_attach_allocator(c.heap, a), GOO_OK);
        chain_check(&c, bytes);
        void *freed = chain_own(&c, c.tracking, 70);
        chain_own(&c, chain[(round + 1) % 3], 100);
        chain_check(&c, bytes += 170);
        goo_gc_owned_free(c.m, c.owner, freed);
        chain_check(&c, bytes -= 70);
        CHECK_EQ(goo_gc_detach_allocator(c.heap, a), GOO_OK);
        chain_check(&c, bytes);
    }
    chain_end(&c);
}

/* Two of a chain would count twice, owned or not. Another heap, or another chain, may have one. */
GOO_TEST(gc_owned_decorated, one_of_a_chain_is_attached) {
    Chain c = chain_begin("");
    GooAllocator *chain[] = {c.base, c.limit, c.tracking};
    GooAllocator *other = goo_tracking_allocator_create(c.base);
    GooGcHeap *heap = heap_of("");
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(goo_gc_attach_allocator(c.heap, chain[i]), GOO_OK);
        for (size_t j = 0; j < 3; j++) {
            CHECK_EQ(goo_gc_attach_allocator(c.heap, chain[j]), GOO_ERR_INVALID_ARGUMENT);
        }
        GooStatus expected = i == 0 ? GOO_ERR_INVALID_ARGUMENT : GOO_OK;
        CHECK_EQ(goo_gc_attach_allocator(c.heap, other), expected);
        CHECK_EQ(goo_gc_attach_allocator(heap, chain[(i + 1) % 3]), GOO_OK);
        chain_own(&c, c.tracking, 10);
        chain_check(&c, 10 * (i + 1));
        CHECK_EQ(goo_gc_detach_allocator(heap, chain[(i + 1) % 3]), GOO_OK);
        CHECK_EQ(goo_gc_detach_allocator(c.heap, chain[i]), GOO_OK);
        CHECK(i == 0 || goo_gc_detach_allocator(c.heap, other) == GOO_OK);
    }
    goo_gc_heap_destroy(heap);
    chain_end(&c);
    goo_allocator_destroy(other);
}

/* At the hard limit: one collection, then the refusal; and bytes that count once fit once. */
GOO_TEST(gc_owned_decorated, hard_limit) {
    Chain c = chain_begin("hard=4M,spare=0");
    CHECK_EQ(goo_gc_attach_allocator(c.heap, c.base), GOO_OK);
    chain_own(&c, c.tracking, 2 << 20); /* counted twice it would not fit */
    errno = 0;
    CHECK_PTR_EQ(goo_gc_owned_alloc(c.m, c.owner, c.tracking, 2 << 20), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(goo_gc_get_stats(c.heap).collections_full, 1);
    chain_check(&c, 2 << 20);
    CHECK(goo_gc_get_stats(c.heap).peak_bytes <= 4 << 20);
    chain_end(&c);
}
