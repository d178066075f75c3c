/* Blocks that objects own: they live as long as their owner, their bytes count once, and a call
 * that fails leaves no trace. Public headers only. Invariants: OWN-1 … OWN-3, PRESS-1, by the
 * verifier after every collection.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "goo/allocators.h"
#include "goo/gc/weak.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/gc/support.h"

static GooAllocator *counting_allocator(void) {
    GooAllocator *a = goo_system_allocator_create();
    CHECK(a != NULL);
    a->track_stats = true;
    return a;
}

static size_t held_by(GooAllocator *a) {
    return goo_get_alloc_stats(a).bytes_allocated;
}

static size_t external(const GooGcHeap *heap) {
    return goo_gc_get_stats(heap).external_bytes;
}

GOO_TEST(gc_owned, a_block_lives_as_long_as_its_owner) {
    GooGcHeap *heap = heap_of("verify,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *a = counting_allocator();
    void *kept = goo_gc_alloc_leaf(m, 16);
    goo_gc_push(m, kept);
    for (size_t i = 0; i < 100; i++) {
        void *dying = goo_gc_alloc_leaf(m, 16);
        goo_gc_push(m, dying);
        CHECK(goo_gc_owned_alloc(m, dying, a, 1000) != NULL);
        goo_gc_pop(m, 1);
    }
    char *block = goo_gc_owned_alloc(m, kept, a, 300), *other = goo_gc_owned_alloc(m, kept, a, 70);
    memset(block, 0x5a, 300);
    CHECK_EQ((uintptr_t)block % GOO_DEFAULT_ALIGNMENT, 0);
    CHECK_EQ(goo_gc_owner_bytes(heap, kept), 370);
    CHECK_EQ(external(heap), 100370);
    CHECK_EQ(held_by(a), 100370);
    collect(m);
    CHECK_EQ(external(heap), 370);
    CHECK_EQ(held_by(a), 370);
    block = goo_gc_owned_realloc(m, kept, block, 100000);
    CHECK(block != NULL);
    for (size_t i = 0; i < 300; i++) {
        CHECK(block[i] == 0x5a);
    }
    CHECK_EQ(goo_gc_owner_bytes(heap, kept), 100070);
    block = goo_gc_owned_realloc(m, kept, block, 30);
    CHECK(block[0] == 0x5a && block[29] == 0x5a);
    CHECK_EQ(external(heap), 100);
    goo_gc_owned_free(m, kept, other);
    goo_gc_owned_free(m, kept, NULL);
    CHECK_EQ(goo_gc_owner_bytes(heap, kept), 30);
    CHECK_PTR_EQ(goo_gc_owned_realloc(m, kept, block, 0), NULL);
    CHECK_EQ(goo_gc_owner_bytes(heap, kept), 0);
    CHECK_EQ(external(heap), 0);
    block = goo_gc_owned_realloc(m, kept, NULL, 40); /* the current allocator's */
    CHECK_EQ(goo_gc_owner_bytes(heap, kept), 40);
    CHECK_EQ(held_by(a), 0);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
    goo_allocator_destroy(a);
}

GOO_TEST(gc_owned, the_end_of_a_heap_frees_all) {
    GooAllocator *a = counting_allocator(), *attached = counting_allocator();
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    CHECK_EQ(goo_gc_attach_allocator(heap, attached), GOO_OK);
    for (size_t i = 0; i < 1000; i++) {
        void *owner = goo_gc_alloc_leaf(m, i % 7 == 0 ? 20000 : 40);
        goo_gc_push(m, owner);
        CHECK(goo_gc_owned_alloc(m, owner, i % 2 == 0 ? a : attached, 1 + i) != NULL);
        CHECK_EQ(goo_gc_owner_adjust(m, owner, 50), GOO_OK);
    }
    CHECK_EQ(held_by(a) + held_by(attached), 1000 * 1001 / 2);
    CHECK_EQ(external(heap), 1000 * 1001 / 2 + 50000);
    goo_gc_heap_destroy(heap);
    CHECK_EQ(held_by(a), 0);
    CHECK_EQ(held_by(attached), 0);
    goo_allocator_destroy(a);
    goo_allocator_destroy(attached);
}

GOO_TEST(gc_owned, who_can_own) {
    GooGcHeap *heap = heap_of("verify"), *another = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap), *other = goo_gc_attach(another);
    GooAllocator *a = counting_allocator();
    char *large = goo_gc_alloc_leaf(m, 100000), *small = goo_gc_alloc_leaf(m, 64);
    goo_gc_push(m, large);
    goo_gc_push(m, small);
    void *dead = goo_gc_alloc_leaf(m, 64), *foreign = goo_gc_alloc_leaf(other, 64);
    goo_gc_push(other, foreign);
    collect(m);
    void *none[] = {NULL, dead, foreign, small + 16, large + 4096, &heap, &a};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        errno = 0;
        CHECK_PTR_EQ(goo_gc_owned_alloc(m, none[i], a, 8), NULL);
        CHECK_EQ(errno, EINVAL);
        CHECK_EQ(goo_gc_owner_adjust(m, none[i], 8), GOO_ERR_INVALID_ARGUMENT);
        CHECK_EQ(goo_gc_owner_adjust(m, none[i], -8), GOO_ERR_INVALID_ARGUMENT);
        CHECK_EQ(goo_gc_owner_bytes(heap, none[i]), 0);
    }
    CHECK_EQ(external(heap), 0);
    errno = 0;
    CHECK_PTR_EQ(goo_gc_owned_alloc(m, small, a, 0), NULL);
    CHECK_EQ(errno, 0);
    void *mine = goo_gc_owned_alloc(m, large, a, 8), *block = malloc(8);
    CHECK(mine != NULL);
    CHECK_PANICS(goo_gc_owned_free(m, large, block), "is no block that");
    CHECK_PANICS(goo_gc_owned_free(m, small, mine), "is no block that");
    CHECK_PANICS(goo_gc_owned_free(m, foreign, mine), "is no block that");
    CHECK_PANICS(goo_gc_owned_free(other, foreign, mine), "is no block that");
    CHECK_PANICS(goo_gc_owned_realloc(m, small, mine, 9), "is no block that");
    CHECK_PANICS(goo_gc_owner_adjust(m, large, -1), "1 bytes taken away, 0 counted");
    CHECK_EQ(goo_gc_owner_bytes(heap, large), 8);
    goo_gc_owned_free(m, large, mine);
    CHECK_PANICS(goo_gc_owned_free(m, large, mine), "is no block that");
    CHECK_EQ(held_by(a), 0);
    free(block);
    goo_gc_heap_destroy(heap);
    goo_gc_heap_destroy(another);
    goo_allocator_destroy(a);
}

/* Bytes of an attached allocator count with the attachment, and change hands with it. */
GOO_TEST(gc_owned, bytes_count_once) {
    GooGcHeap *heap = heap_of("verify");
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *a = counting_allocator();
    void *owner = goo_gc_alloc_leaf(m, 16);
    goo_gc_push(m, owner);
    void *before = goo_gc_owned_alloc(m, owner, a, 100);
    CHECK_EQ(external(heap), 100);
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    CHECK_EQ(external(heap), 100);
    void *during = goo_gc_owned_alloc(m, owner, a, 1000);
    CHECK_EQ(external(heap), 1100);
    before = goo_gc_owned_realloc(m, owner, before, 200);
    CHECK_EQ(external(heap), 1200);
    collect(m);
    void *free_block = goo_memory_alloc_with(a, 5000);
    CHECK_EQ(external(heap), 6200);
    goo_memory_free_with(a, free_block, 5000);
    CHECK_EQ(goo_gc_detach_allocator(heap, a), GOO_OK);
    CHECK_EQ(external(heap), 1200); /* they still hang on the heap */
    collect(m);
    goo_gc_owned_free(m, owner, during);
    CHECK_EQ(external(heap), 200);
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    goo_gc_pop(m, 1);
    collect(m);
    CHECK_EQ(external(heap), 0);
    CHECK_EQ(held_by(a), 0);
    goo_gc_heap_destroy(heap);
    goo_allocator_destroy(a);
}

GOO_TEST(gc_owned, adjustments) {
    GooGcHeap *heap = heap_of("verify,hard=8M,initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    void *owner = goo_gc_alloc_leaf(m, 16);
    goo_gc_push(m, owner);
    CHECK_EQ(goo_gc_owner_adjust(m, owner, 0), GOO_OK);
    CHECK_EQ(goo_gc_owner_bytes(heap, owner), 0);
    void *block = goo_gc_owned_alloc(m, owner, NULL, 500);
    CHECK_EQ(goo_gc_owner_adjust(m, owner, 1000), GOO_OK);
    CHECK_EQ(goo_gc_owner_adjust(m, owner, 1), GOO_OK);
    CHECK_EQ(goo_gc_owner_bytes(heap, owner), 1501);
    CHECK_EQ(goo_gc_owner_adjust(m, owner, 16 << 20), GOO_ERR_LIMIT);
    CHECK_EQ(goo_gc_owner_adjust(m, owner, PTRDIFF_MAX), GOO_ERR_LIMIT);
    CHECK_EQ(goo_gc_owner_bytes(heap, owner), 1501);
    CHECK_EQ(goo_gc_owner_adjust(m, owner, -400), GOO_OK);
    CHECK_PANICS(goo_gc_owner_adjust(m, owner, -602), "602 bytes taken away, 601 counted");
    CHECK_PANICS(goo_gc_owner_adjust(m, owner, PTRDIFF_MIN), "taken away");
    CHECK_PANICS(goo_gc_adjust_external(heap, -1), "taken away");
    CHECK_EQ(goo_gc_owner_adjust(m, owner, -601), GOO_OK);
    CHECK_EQ(goo_gc_owner_bytes(heap, owner), 500);
    goo_gc_owned_free(m, owner, block);
    CHECK_EQ(goo_gc_owner_adjust(m, owner, 7000), GOO_OK);
    collect(m);
    CHECK_EQ(external(heap), 7000);
    goo_gc_pop(m, 1);
    collect(m);
    CHECK_EQ(external(heap), 0);
    goo_gc_heap_destroy(heap);
}

/* --- order: a plain finalize still finds its object's blocks, and may free them --- */

typedef struct OwnedHolder {
    const GooGcType *type;
    GooGcMutator *m;
    char *first, *second;
    int *seen;
} OwnedHolder;

static void holder_finalize(void *object, void *user) {
    OwnedHolder *holder = object;
    (void)user;
    *holder->seen += holder->first[0] == 'x' && holder->second[99] == 'y';
    *holder->seen += goo_gc_owner_bytes(goo_gc_heap_of(holder->m), holder) == 101;
    goo_gc_owned_free(holder->m, holder, holder->first);
}

GOO_TEST(gc_owned, finalizers_come_first) {
    static const GooGcType type = {.name = "holder", .size = sizeof(OwnedHolder),
                                   .layout = GOO_GC_LAYOUT_LEAF, .finalize = holder_finalize};
    GooGcHeap *heap = heap_of("verify,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *a = counting_allocator();
    int seen = 0;
    for (size_t i = 0; i < 40; i++) {
        OwnedHolder *holder = goo_gc_alloc(m, &type, 0);
        goo_gc_push(m, holder);
        *holder = (OwnedHolder){.type = &type, .m = m, .seen = &seen,
                                .first = goo_gc_owned_alloc(m, holder, a, 1),
                                .second = goo_gc_owned_alloc(m, holder, a, 100)};
        holder->first[0] = 'x';
        holder->second[99] = 'y';
    }
    goo_gc_pop(m, 30);
    collect(m);
    CHECK_EQ(seen, 60);
    CHECK_EQ(held_by(a), 10 * 101);
    goo_gc_heap_destroy(heap);
    CHECK_EQ(seen, 80);
    CHECK_EQ(held_by(a), 0);
    goo_allocator_destroy(a);
}

static void queued_look(void *object, void *user) {
    size_t *bytes = user;
    *bytes = goo_gc_owner_bytes((GooGcHeap *)((void **)object)[0], object);
    *bytes += ((const char **)object)[1][0] == 'q' ? 1000 : 0;
}

/* An object whose finalizer is queued lives until that has run, and so do its blocks. */
GOO_TEST(gc_owned, queued_finalizers_find_blocks) {
    GooGcHeap *heap = heap_of("verify,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *a = counting_allocator();
    size_t bytes = 0;
    void **object = goo_gc_alloc_leaf(m, 16);
    goo_gc_push(m, object);
    object[0] = heap;
    object[1] = memset(goo_gc_owned_alloc(m, object, a, 40), 'q', 40);
    CHECK_EQ(goo_gc_set_finalizer(m, object, queued_look, &bytes), GOO_OK);
    goo_gc_pop(m, 1);
    collect(m);
    CHECK_EQ(held_by(a), 40);
    CHECK_EQ(goo_gc_run_finalizers(m, 10), 1);
    CHECK_EQ(bytes, 1040);
    collect(m);
    CHECK_EQ(held_by(a), 0);
    CHECK_EQ(external(heap), 0);
    goo_gc_heap_destroy(heap);
    goo_allocator_destroy(a);
}

/* --- an allocator whose free comes back into the heap --- */

typedef struct Reentrant {
    GooAllocator allocator;
    GooAllocator *hungry; /* attached, strategy GC */
    GooGcHeap *heap;
    void *kept;
    size_t frees, refused, wrong;
    bool asks;
} Reentrant;

static void *reentrant_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    (void)ctx, (void)alignment, (void)options;
    return malloc(size);
}

static void *reentrant_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size,
                               size_t alignment, GooAllocOptions options) {
    (void)ctx, (void)old_size, (void)alignment, (void)options;
    return realloc(ptr, new_size);
}

static void reentrant_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    Reentrant *r = ctx;
    (void)size, (void)alignment;
    r->frees++;
    if (r->asks) {
        uint64_t collections = goo_gc_get_stats(r->heap).collections_full;
        r->refused += goo_memory_alloc_with(r->hungry, 64 << 20) == NULL;
        r->wrong += goo_gc_owner_bytes(r->heap, r->kept) != 77;
        r->wrong += goo_gc_get_stats(r->heap).collections_full != collections;
        r->wrong += goo_gc_adjust_external(r->heap, 10) != GOO_OK;
        r->wrong += goo_gc_adjust_external(r->heap, -10) != GOO_OK;
    }
    free(ptr);
}

static void reentrant_alloc_block(GooGcMutator *m, void *owner, GooAllocator *a) {
    goo_gc_owned_alloc(m, owner, a, 1);
}

static GooGcMutator *reentrant_mutator;
static void reentrant_free_own(void *ctx, void *ptr, size_t size, size_t alignment) {
    Reentrant *r = ctx;
    (void)size, (void)alignment;
    free(ptr);
    r->frees++;
    if (r->frees == 1) {
        CHECK_PANICS(goo_gc_owned_free(reentrant_mutator, r->kept, r), "being freed");
        CHECK_PANICS(reentrant_alloc_block(reentrant_mutator, r->kept, r->hungry), "being freed");
    }
}

GOO_TEST(gc_owned, frees_that_come_back_do_not_collect) {
    for (int kind = 0; kind < 2; kind++) {
        GooGcHeap *heap = heap_of("verify,hard=16M");
        GooGcMutator *m = reentrant_mutator = goo_gc_attach(heap);
        Reentrant r = {.heap = heap, .hungry = goo_system_allocator_create()};
        r.allocator = (GooAllocator){.alloc = reentrant_alloc, .realloc = reentrant_realloc,
                                     .free = kind == 0 ? reentrant_free : reentrant_free_own,
                                     .context = &r};
        r.hungry->strategy = GOO_ALLOC_STRATEGY_GC;
        CHECK_EQ(goo_gc_attach_allocator(heap, r.hungry), GOO_OK);
        r.kept = goo_gc_alloc_leaf(m, 16);
        goo_gc_push(m, r.kept);
        CHECK(goo_gc_owned_alloc(m, r.kept, &r.allocator, 77) != NULL);
        for (size_t i = 0; i < 500; i++) {
            void *owner = goo_gc_alloc_leaf(m, 16);
            CHECK(goo_gc_owned_alloc(m, owner, &r.allocator, 100) != NULL);
        }
        r.asks = true;
        collect(m);
        CHECK_EQ(r.frees, 500);
        CHECK_EQ(r.refused, kind == 0 ? 500 : 0);
        CHECK_EQ(r.wrong, 0);
        r.asks = false;
        CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
        goo_gc_heap_destroy(heap);
        CHECK_EQ(r.frees, 501);
        goo_allocator_destroy(r.hungry);
    }
}

/* --- no memory --- */

/* The allocator fails at every n-th request: content, bytes and blocks stay as they were. */
GOO_TEST(gc_owned, an_allocator_that_fails) {
    GooGcHeap *heap = heap_of("verify");
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *parent = counting_allocator();
    void *owner = goo_gc_alloc_leaf(m, 16);
    goo_gc_push(m, owner);
    for (size_t n = 1; n < 6; n++) {
        GooAllocator *a = goo_failing_allocator_create(parent, n);
        CHECK(a != NULL);
        char *block = goo_gc_owned_alloc(m, owner, a, 100);
        CHECK((block != NULL) == (n > 1));
        CHECK_EQ(goo_gc_owner_bytes(heap, owner), block != NULL ? 100 : 0);
        if (block != NULL) {
            memset(block, 0x77, 100);
            errno = 0;
            char *grown = goo_gc_owned_realloc(m, owner, block, 5000);
            CHECK((grown != NULL) == (n > 2));
            CHECK_EQ(goo_gc_owner_bytes(heap, owner), grown != NULL ? 5000 : 100);
            CHECK_EQ(external(heap), grown != NULL ? 5000 : 100);
            CHECK(grown != NULL || errno == ENOMEM);
            block = grown != NULL ? grown : block;
            for (size_t i = 0; i < 100; i++) {
                CHECK(block[i] == 0x77);
            }
            goo_gc_owned_free(m, owner, block);
        }
        CHECK_EQ(held_by(parent), 0);
        collect(m);
        goo_allocator_destroy(a);
    }
    CHECK_PTR_EQ(goo_gc_owned_alloc(m, owner, parent, SIZE_MAX), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_PTR_EQ(goo_gc_owned_alloc(m, owner, parent, (size_t)1 << 46), NULL);
    CHECK_EQ(external(heap), 0);
    goo_gc_heap_destroy(heap);
    goo_allocator_destroy(parent);
}

/* A small allocator is full of dead owners' blocks: the collection that a failure asks for frees
 * them, attached or not. */
GOO_TEST(gc_owned, failure_collects_owners) {
    GooGcHeap *heap = heap_of("verify,initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *parent = counting_allocator();
    GooAllocator *a = goo_limit_allocator_create(parent, 10000);
    for (size_t i = 0; i < 50; i++) {
        void *owner = goo_gc_alloc_leaf(m, 16);
        CHECK(goo_gc_owned_alloc(m, owner, a, 1000) != NULL);
    }
    CHECK_EQ(goo_gc_get_stats(heap).collections_full, 4);
    goo_gc_heap_destroy(heap);
    CHECK_EQ(held_by(parent), 0);
    goo_allocator_destroy(a);
    goo_allocator_destroy(parent);
}

/* At the hard limit of the heap: never a byte over, whatever hangs on it. */
GOO_TEST(gc_owned, hard_limit) {
    for (int attached = 0; attached < 2; attached++) {
        GooGcHeap *heap = heap_of("hard=4M,initial=64M");
        GooGcMutator *m = goo_gc_attach(heap);
        GooAllocator *a = counting_allocator();
        if (attached) {
            CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
        }
        size_t blocks = 0;
        for (;; blocks++) {
            void *owner = goo_gc_alloc_leaf(m, 16);
            if (owner == NULL) {
                break;
            }
            goo_gc_push(m, owner);
            if (goo_gc_owned_alloc(m, owner, a, 500) == NULL) {
                break;
            }
        }
        GooGcStats s = goo_gc_get_stats(heap);
        CHECK_EQ(errno, ENOMEM);
        CHECK(s.peak_bytes <= 4 << 20);
        CHECK_EQ(s.limit_hits, 1);
        CHECK_MSG(blocks * 500 > 3 << 20, "%zu blocks", blocks);
        CHECK_EQ(held_by(a), blocks * 500);
        CHECK_EQ(s.external_bytes, blocks * 500);
        CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
        goo_gc_pop(m, blocks / 2);
        collect(m);
        for (size_t i = 0; i < 20000; i++) { /* it goes on working */
            void *owner = goo_gc_alloc_leaf(m, 16);
            CHECK(owner != NULL && goo_gc_owned_alloc(m, owner, a, 500) != NULL);
        }
        CHECK(goo_gc_get_stats(heap).peak_bytes <= 4 << 20);
        CHECK_EQ(goo_gc_get_stats(heap).limit_hits, 1); /* what a collection helped is no hit */
        goo_gc_heap_destroy(heap);
        CHECK_EQ(held_by(a), 0);
        goo_allocator_destroy(a);
    }
}

/* The same program under every limit from a heap that can do nothing to one that can do all of it:
 * whatever it is that fails, nothing is over, nothing is lost, and sums hold. */
GOO_TEST(gc_owned, every_limit) {
    GooAllocator *a = counting_allocator(), *attached = counting_allocator();
    bool all_done = false;
    for (size_t hard = 128 << 10; !all_done; hard += 48 << 10) {
        CHECK(hard < 8 << 20);
        GooGcOptions options = options_of("verify,initial=1G");
        options.hard_limit_bytes = hard;
        GooGcHeap *heap = goo_gc_heap_create(&options);
        if (heap == NULL) {
            continue;
        }
        GooGcMutator *m = goo_gc_attach(heap);
        size_t done = 0, expected = 0, attach = goo_gc_attach_allocator(heap, attached) == GOO_OK;
        for (size_t i = 0; i < 600; i++) { /* temporaries may go over the limit: not here */
            goo_gc_push(m, NULL);
        }
        goo_gc_pop(m, 600);
        for (size_t i = 0; i < 1500; i++) {
            void *owner = goo_gc_alloc_leaf(m, 48);
            if (owner != NULL && i % 3 == 0) {
                goo_gc_push(m, owner);
            }
            GooAllocator *from = attach && i % 2 == 0 ? attached : a;
            void *block = owner != NULL ? goo_gc_owned_alloc(m, owner, from, 700) : NULL;
            void *grown = block != NULL ? goo_gc_owned_realloc(m, owner, block, 900) : NULL;
            size_t has = grown != NULL ? 900 : block != NULL ? 700 : 0;
            CHECK_EQ(goo_gc_owner_bytes(heap, owner), has);
            done += grown != NULL && (i % 3 != 0 || goo_gc_owner_adjust(m, owner, 5) == GOO_OK);
            if (owner != NULL && i % 3 == 0) {
                expected += goo_gc_owner_bytes(heap, owner);
            }
            CHECK(goo_gc_get_stats(heap).peak_bytes <= hard);
        }
        all_done = done == 1500;
        collect(m);
        CHECK_EQ(external(heap), expected);
        goo_gc_heap_destroy(heap);
        CHECK_EQ(held_by(a) + held_by(attached), 0);
    }
    goo_allocator_destroy(a);
    goo_allocator_destroy(attached);
}

/* --- many --- */

/* One owner of very many, freed from the oldest on: no search over all of them each time. */
GOO_TEST(gc_owned, an_owner_of_many_blocks) {
    enum { MANY = 200000 };
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    void **blocks = malloc(MANY * sizeof *blocks), *owner = goo_gc_alloc_leaf(m, 16);
    goo_gc_push(m, owner);
    for (size_t i = 0; i < MANY; i++) {
        blocks[i] = goo_gc_owned_alloc(m, owner, NULL, 1 + i % 16);
    }
    for (size_t i = 0; i < MANY / 2; i++) {
        goo_gc_owned_free(m, owner, blocks[i]);
    }
    for (size_t i = MANY / 2; i < MANY; i++) {
        blocks[i] = goo_gc_owned_realloc(m, owner, blocks[i], 30);
    }
    CHECK_EQ(goo_gc_owner_bytes(heap, owner), MANY / 2 * 30);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
    free(blocks);
}

/* A bomb of wrappers, small: `count` objects of 16 bytes come and go over 16 MiB of live ones, each
 * with a block. What hangs outside brings collections, and not many more than the headroom makes
 * necessary; the heap's whole account stays near what it is sized for. */
static void owned_bomb(const char *options, double growth, size_t size, size_t count) {
    GooGcHeap *heap = heap_of(options);
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    size_t live = (size_t)16 << 20;
    for (size_t i = 0; i < live; i += 64) {
        Pair *pair = goo_gc_alloc(m, &pair_type, 64);
        pair->first = list;
        list = pair;
    }
    collect(m);
    GooGcStats base = goo_gc_get_stats(heap);
    for (size_t i = 0; i < count; i++) {
        void *owner = goo_gc_alloc_leaf(m, 16);
        CHECK(goo_gc_owned_alloc(m, owner, NULL, size) != NULL);
    }
    GooGcStats s = goo_gc_get_stats(heap);
    double least = (double)count * (double)(size + 16) / ((double)live * (growth - 1));
    double collections = (double)(s.collections_full - base.collections_full);
    CHECK_MSG(collections <= 1.1 * least + 1 && collections >= least - 2,
              "%.0f collections, %.1f necessary", collections, least);
    double most = (growth + 0.1) * (double)(base.heap_bytes + base.metadata_bytes);
    CHECK_MSG((double)s.peak_bytes <= most, "%zu bytes, %.0f expected", s.peak_bytes, most);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_owned, bomb) {
    owned_bomb("growth=2", 2, 880, 200000);
    owned_bomb("growth=1.25", 1.25, 880, 100000);
    owned_bomb("growth=2", 2, 8800, 20000);
    owned_bomb("growth=1.25", 1.25, 8800, 10000);
}

/* Random owners, blocks and adjustments against a shadow of what each owner has. */
enum { OWNERS = 300, BLOCKS = 12, ALLOCATORS = 4 };

typedef struct Shadow {
    void *owner;
    unsigned char *blocks[BLOCKS];
    size_t sizes[BLOCKS], adjusted;
} Shadow;

static size_t shadow_bytes(const Shadow *s) {
    size_t bytes = s->adjusted;
    for (size_t b = 0; b < BLOCKS; b++) {
        bytes += s->sizes[b];
    }
    return bytes;
}

static void shadow_step(GooGcMutator *m, GooAllocator **allocators, Shadow *s, uint64_t *seed) {
    size_t b = random_next(seed) % BLOCKS, size = 1 + random_next(seed) % 200;
    unsigned char **block = &s->blocks[b];
    switch (random_next(seed) % 8) {
    case 0: /* dies with all it has */
        memset(s, 0, sizeof *s);
        s->owner = goo_gc_alloc_leaf(m, random_next(seed) % 50 == 0 ? 9000 : size);
        break;
    case 1:
        goo_gc_owned_free(m, s->owner, *block);
        *block = NULL;
        s->sizes[b] = 0;
        break;
    case 2:
        CHECK_EQ(goo_gc_owner_adjust(m, s->owner, (ptrdiff_t)size), GOO_OK);
        s->adjusted += size;
        break;
    case 3:
        size = s->adjusted == 0 ? 0 : 1 + random_next(seed) % s->adjusted;
        CHECK_EQ(goo_gc_owner_adjust(m, s->owner, -(ptrdiff_t)size), GOO_OK);
        s->adjusted -= size;
        break;
    default:
        if (*block == NULL) {
            GooAllocator *a = allocators[random_next(seed) % ALLOCATORS];
            *block = goo_gc_owned_alloc(m, s->owner, a, size);
        } else {
            size_t same = size < s->sizes[b] ? size : s->sizes[b];
            *block = goo_gc_owned_realloc(m, s->owner, *block, size);
            for (size_t i = 0; i < same; i++) {
                CHECK_EQ((*block)[i], b);
            }
        }
        CHECK(*block != NULL);
        memset(*block, (int)b, size);
        s->sizes[b] = size;
    }
}

static void owned_random(const char *options, uint64_t seed, size_t steps) {
    GooGcHeap *heap = heap_of(options);
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *allocators[ALLOCATORS];
    static Shadow shadows[OWNERS];
    memset(shadows, 0, sizeof shadows);
    for (size_t i = 0; i < ALLOCATORS; i++) {
        allocators[i] = counting_allocator();
    }
    for (size_t i = 0; i < OWNERS; i++) {
        shadows[i].owner = goo_gc_alloc_leaf(m, 16);
        CHECK_EQ(goo_gc_root_add_pointer(heap, &shadows[i].owner), GOO_OK);
    }
    for (size_t step = 0; step < steps; step++) {
        shadow_step(m, allocators, &shadows[random_next(&seed) % OWNERS], &seed);
        GooAllocator *a = allocators[step / 1000 % ALLOCATORS];
        if (step % 2000 == 999) {
            CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
        } else if (step % 2000 == 1999) {
            CHECK_EQ(goo_gc_detach_allocator(heap, allocators[(step - 1000) / 1000 % ALLOCATORS]),
                     GOO_OK);
        }
        if (step % 1500 == 0) {
            size_t sum = 0;
            collect(m);
            for (size_t i = 0; i < OWNERS; i++) {
                CHECK_EQ(goo_gc_owner_bytes(heap, shadows[i].owner), shadow_bytes(&shadows[i]));
                sum += shadow_bytes(&shadows[i]);
            }
            CHECK_EQ(external(heap), sum);
        }
    }
    goo_gc_heap_destroy(heap);
    for (size_t i = 0; i < ALLOCATORS; i++) {
        CHECK_EQ(held_by(allocators[i]), 0);
        goo_allocator_destroy(allocators[i]);
    }
}

GOO_TEST(gc_owned, random_against_a_shadow) {
    owned_random("verify,poison", 1, 40000);
    owned_random("stress=7,poison", 2, 20000);
    owned_random("verify,initial=256K", 3, 20000);
}

/* --- threads --- */

typedef struct Worker {
    GooGcHeap *heap;
    GooAllocator *allocators[3];
    uint64_t seed;
    size_t wrong;
} Worker;

/* Owners that die at once, and some that stay for a while, with blocks of three allocators. */
static void *owned_work(void *arg) {
    enum { KEPT = 64 };
    Worker *w = arg;
    GooGcMutator *m = goo_gc_attach(w->heap);
    void *owners[KEPT] = {0};
    unsigned char *blocks[KEPT] = {0};
    for (size_t i = 0; i < KEPT; i++) {
        goo_gc_root_add_pointer(w->heap, &owners[i]);
    }
    for (size_t i = 0; i < 8000; i++) {
        size_t k = random_next(&w->seed) % KEPT, size = 1 + random_next(&w->seed) % 900;
        if (i % 3 == 0 && owners[k] != NULL) {
            blocks[k] = goo_gc_owned_realloc(m, owners[k], blocks[k], size);
            w->wrong += blocks[k] == NULL || blocks[k][0] != (unsigned char)k ||
                        goo_gc_owner_bytes(w->heap, owners[k]) != size + 3;
            continue;
        }
        owners[k] = goo_gc_alloc_leaf(m, 16 + size);
        blocks[k] = goo_gc_owned_alloc(m, owners[k], w->allocators[i % 3], size);
        w->wrong += blocks[k] == NULL || goo_gc_owner_adjust(m, owners[k], 3) != GOO_OK;
        blocks[k][0] = (unsigned char)k;
        if (i % 11 == 0) {
            goo_gc_owned_free(m, owners[k], blocks[k]);
            w->wrong += goo_gc_owner_bytes(w->heap, owners[k]) != 3;
            owners[k] = NULL;
        }
    }
    for (size_t i = 0; i < KEPT; i++) {
        goo_gc_root_remove(w->heap, &owners[i]);
    }
    goo_gc_detach(m);
    return NULL;
}

GOO_TEST(gc_owned, threads) {
    enum { THREADS = 4 };
    GooGcHeap *heap = heap_of("verify,initial=512K");
    GooAllocator *a[3] = {counting_allocator(), counting_allocator(), counting_allocator()};
    CHECK_EQ(goo_gc_attach_allocator(heap, a[1]), GOO_OK);
    a[1]->strategy = GOO_ALLOC_STRATEGY_GC;
    pthread_t threads[THREADS];
    Worker work[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        work[i] = (Worker){.heap = heap, .allocators = {a[0], a[1], a[2]}, .seed = i};
        CHECK_EQ(pthread_create(&threads[i], NULL, owned_work, &work[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(work[i].wrong, 0);
    }
    GooGcMutator *m = goo_gc_attach(heap);
    collect(m);
    CHECK(goo_gc_get_stats(heap).collections_full > 10);
    CHECK_EQ(external(heap), 0);
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(held_by(a[i]), 0);
    }
    goo_gc_heap_destroy(heap);
    for (size_t i = 0; i < 3; i++) {
        goo_allocator_destroy(a[i]);
    }
}

static void *owned_misuse(void *arg) {
    void **given = arg, *owner = given[1];
    GooGcMutator *m = given[0];
    size_t *refused = calloc(1, sizeof *refused);
    *refused += goo_gc_owned_alloc(m, owner, NULL, 10) == NULL;
    *refused += goo_gc_owner_adjust(m, owner, 1) == GOO_ERR_INVALID_ARGUMENT;
    *refused += goo_gc_owner_adjust(m, owner, -1) == GOO_ERR_INVALID_ARGUMENT;
    return refused;
}

/* Another thread's mutator is refused. */
GOO_TEST(gc_owned, foreign_mutators) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    pthread_t thread;
    size_t *refused;
    void *given[] = {m, goo_gc_alloc_leaf(m, 16)};
    CHECK_EQ(goo_gc_owner_adjust(m, given[1], 1), GOO_OK);
    CHECK_EQ(pthread_create(&thread, NULL, owned_misuse, given), 0);
    CHECK_EQ(pthread_join(thread, (void **)&refused), 0);
    CHECK_EQ(*refused, 3);
    CHECK_EQ(goo_gc_owner_bytes(heap, given[1]), 1);
    free(refused);
    goo_gc_heap_destroy(heap);
}
