/* Blocks that objects own: they live as long as their owner, their bytes count once, and a call
 * that fails leaves no trace. Public headers only. Invariants: OWN-1 … OWN-3, PRESS-1, by the
 * verifier after every collection.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "goo/gc/weak.h"
#include "tests/gc/owned_fixture.h"

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
