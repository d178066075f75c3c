/* Private headers: the table of owned blocks when the heap's own side memory runs out at every
 * request, and what the verifier says when the table is broken. Invariants: OWN-1 … OWN-3, PRESS-1.
 */
#include <errno.h>
#include <stdlib.h>

#include "gc/owned.h"
#include "goo/allocators.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/gc/support.h"

/* --- side memory --- */

static size_t side_requests, side_fails_at; /* from this request on; 0: never */
static GooAllocator *side_real;

static void *side_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    (void)ctx;
    side_requests++;
    if (side_fails_at != 0 && side_requests >= side_fails_at) {
        return NULL;
    }
    return side_real->alloc(side_real->context, size, alignment, options);
}

static void side_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    (void)ctx;
    side_real->free(side_real->context, ptr, size, alignment);
}

/* A program that owns; true if nothing failed. Whatever fails leaves the sums as they were. */
static bool owned_program(GooGcHeap *heap, GooGcMutator *m, GooAllocator **allocators) {
    bool all = true;
    for (size_t i = 0; i < 300; i++) {
        void *owner = goo_gc_alloc_leaf(m, 16);
        CHECK(owner != NULL);
        goo_gc_push(m, owner);
        GooGcStats before = goo_gc_get_stats(heap);
        bool made = goo_gc_owned_alloc(m, owner, allocators[i % 20], 100) != NULL;
        CHECK_EQ(goo_gc_owner_bytes(heap, owner), made ? 100 : 0);
        bool adjusted = goo_gc_owner_adjust(m, owner, 7) == GOO_OK;
        size_t owned = (made ? 100 : 0) + (adjusted ? 7 : 0);
        CHECK_EQ(goo_gc_owner_bytes(heap, owner), owned);
        GooGcStats after = goo_gc_get_stats(heap);
        CHECK(after.external_bytes == before.external_bytes + owned ||
              after.collections_full != before.collections_full); /* which freed others' */
        CHECK(made || errno == ENOMEM);
        all &= made && adjusted;
        if (i % 2 == 0) {
            goo_gc_pop(m, 1);
        }
    }
    goo_gc_pop(m, 150);
    return all;
}

GOO_TEST(gc_owned_table, side_memory_fails_at_every_request) {
    GooAllocator *allocators[20];
    for (size_t i = 0; i < 20; i++) {
        allocators[i] = goo_system_allocator_create();
        allocators[i]->track_stats = true;
    }
    bool done = false;
    for (size_t n = 1; !done; n++) {
        CHECK(n < 100);
        GooGcHeap *heap = heap_of("");
        GooGcMutator *m = goo_gc_attach(heap);
        GooAllocator side = *heap->side;
        for (size_t i = 0; i < 200; i++) { /* room for temporaries */
            goo_gc_push(m, NULL);
        }
        goo_gc_pop(m, 200);
        side_real = heap->side;
        side.alloc = side_alloc;
        side.free = side_free;
        side_requests = 0;
        side_fails_at = n;
        heap->side = &side;
        bool all = owned_program(heap, m, allocators); /* maybe thanks to a collection */
        done = side_requests < n;
        CHECK(all || !done);
        CHECK(n > 1 || !all);
        side_fails_at = 0;
        CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
        collect(m);
        CHECK_EQ(goo_gc_get_stats(heap).external_bytes, 0);
        CHECK_EQ(heap->owned.promised, 0);
        CHECK_EQ(heap->owned.pending_bytes, 0);
        heap->side = side_real;
        goo_gc_heap_destroy(heap);
    }
    for (size_t i = 0; i < 20; i++) {
        CHECK_EQ(goo_get_alloc_stats(allocators[i]).bytes_allocated, 0);
        goo_allocator_destroy(allocators[i]);
    }
}

/* The second chain, by block, is a matter of speed: without memory for it everything is found. */
GOO_TEST(gc_owned_table, no_memory_for_the_chain_by_block) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    void *owner = goo_gc_alloc_leaf(m, 16), *blocks[200];
    goo_gc_push(m, owner);
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = goo_gc_owned_alloc(m, owner, NULL, 10);
    }
    GooAllocator side = *heap->side;
    side_real = heap->side;
    side.alloc = side_alloc;
    side.free = side_free;
    heap->side = &side;
    side_fails_at = 1;
    for (size_t i = 0; i < 100; i++) {
        goo_gc_owned_free(m, owner, blocks[i]);
    }
    CHECK_PTR_EQ(heap->owned.by_block, NULL);
    side_fails_at = 0;
    for (size_t i = 100; i < 150; i++) {
        goo_gc_owned_free(m, owner, blocks[i]);
    }
    CHECK(heap->owned.by_block != NULL);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    CHECK_EQ(goo_gc_owner_bytes(heap, owner), 500);
    heap->side = side_real;
    goo_gc_heap_destroy(heap);
}

/* --- the verifier --- */

typedef struct Broken {
    GooGcHeap *heap;
    GooGcMutator *m;
    GooAllocator *a;
    void *owner;
} Broken;

static Broken broken_begin(void) {
    Broken b = {.heap = heap_of(""), .a = goo_system_allocator_create()};
    b.m = goo_gc_attach(b.heap);
    b.owner = goo_gc_alloc_leaf(b.m, 16);
    goo_gc_push(b.m, b.owner);
    for (size_t i = 0; i < 3; i++) {
        CHECK(goo_gc_owned_alloc(b.m, b.owner, b.a, 100) != NULL);
    }
    CHECK_EQ(goo_gc_verify(b.heap, stderr), GOO_OK);
    return b;
}

/* The first fault names `id`. */
static void broken_expect(const Broken *b, const char *id) {
    char fault[256] = "";
    CHECK_EQ(gooi_verify(b->heap, false, NULL, fault, sizeof fault), GOO_ERR_CORRUPT);
    CHECK_MSG(strncmp(fault, id, strlen(id)) == 0, "expected %s, got: %s", id, fault);
}

static void broken_end(const Broken *b) {
    CHECK_EQ(goo_gc_verify(b->heap, stderr), GOO_OK);
    goo_gc_heap_destroy(b->heap);
    goo_allocator_destroy(b->a);
}

GOO_TEST(gc_owned_table, verifier_names_what_is_broken) {
    Broken b = broken_begin();
    GooiOwnedRecord *first = gooi_owned_record(b.heap, 1), saved = *first;
    uint8_t *metadata = gooi_metadata_of((uintptr_t)b.owner), byte = *metadata;

    first->owner++; /* nobody is there */
    broken_expect(&b, "OWN-1");
    *first = saved;
    *metadata = (uint8_t)(byte & ~GOO_GC_ATTENTION);
    broken_expect(&b, "OWN-1");
    *metadata = byte;
    first->next_sibling = 0; /* two blocks are lost */
    broken_expect(&b, "OWN-2");
    *first = saved;
    first->is_first = 0;
    first->link = 2;
    broken_expect(&b, "OWN-2");
    *first = saved;
    first->size++;
    broken_expect(&b, "OWN-3");
    *first = saved;
    first->allocator = 77;
    broken_expect(&b, "OWN-3");
    *first = saved;
    gooi_owned_allocator(b.heap, 1)->records++;
    broken_expect(&b, "OWN-3");
    gooi_owned_allocator(b.heap, 1)->records--;
    gooi_owned_allocator(b.heap, 1)->attached = true;
    broken_expect(&b, "OWN-3");
    gooi_owned_allocator(b.heap, 1)->attached = false;
    b.heap->owned.counted_bytes--;
    broken_expect(&b, "OWN-3");
    b.heap->owned.counted_bytes++;
    b.heap->adjusted_bytes++;
    broken_expect(&b, "PRESS-1");
    b.heap->adjusted_bytes--;
    broken_end(&b);
}
