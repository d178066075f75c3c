/* Allocation: zero memory, sizes and addresses, both forms of each call, fragmented blocks.
 *
 * Uses private headers: gc/heap.h, for the geometry of slabs and the metadata byte. Invariants:
 * GC-3, GC-4, ALLOC-1, BLOCK-1.
 */
#include <errno.h>
#include <stdlib.h>

#include "gc/heap.h"
#include "tests/gc/support.h"

static bool alloc_is_zero(const void *memory, size_t size) {
    const unsigned char *bytes = memory;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* A leaf that is demanded to be zero and then filled. */
static unsigned char *alloc_dirty_leaf(GooGcMutator *m, size_t size) {
    unsigned char *leaf = goo_gc_alloc_leaf(m, size);
    size_t rounded = (size + 15) & ~(size_t)15;
    CHECK(leaf != NULL);
    CHECK_EQ((uintptr_t)leaf % 16, 0);
    CHECK_MSG(alloc_is_zero(leaf, rounded), "a new leaf of %zu bytes is not zero", size);
    CHECK_EQ(goo_gc_size_of(goo_gc_heap_of(m), leaf), rounded);
    memset(leaf, 0xa5, rounded);
    return leaf;
}

/* GC-4. Every size, many times over the same memory, with some objects kept so that holes of all
 * lengths come up. */
static void alloc_check_zero(const char *text) {
    enum { KEPT = 64, SIZE_MAX_TRIED = 9000 };
    GooGcHeap *heap = heap_of(text);
    GooGcMutator *m = goo_gc_attach(heap);
    void *kept[KEPT] = {0};
    for (size_t i = 0; i < KEPT; i++) {
        CHECK_EQ(goo_gc_root_add_pointer(heap, &kept[i]), GOO_OK);
    }
    uint64_t random = 3;
    for (int round = 0; round < 3; round++) {
        for (size_t size = 1; size <= SIZE_MAX_TRIED; size++) {
            void *leaf = alloc_dirty_leaf(m, size);
            if (random_next(&random) % 8 == 0) {
                kept[random_next(&random) % KEPT] = leaf;
            }
        }
        collect(m);
        for (size_t size = SIZE_MAX_TRIED; size > 0; size -= size < 7 ? 1 : 7) {
            alloc_dirty_leaf(m, size);
        }
    }
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_alloc, memory_is_zero) {
    alloc_check_zero("initial=1M");
}

GOO_TEST(gc_alloc, memory_is_zero_after_poison) {
    alloc_check_zero("initial=1M,poison");
}

GOO_TEST(gc_alloc, large_memory_is_zero) {
    static const size_t sizes[] = {8193,    12288,   12289,   100000,  3932160, 3932161,
                                   8200000, 1 << 20, 5 << 20, 3932159, 16384,   65536};
    GooGcHeap *heap = heap_of("initial=16M");
    GooGcMutator *m = goo_gc_attach(heap);
    void *kept = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &kept), GOO_OK);
    uint64_t random = 11;
    for (int i = 0; i < 120; i++) {
        void *leaf = alloc_dirty_leaf(m, sizes[random_next(&random) % GOOI_COUNT(sizes)]);
        kept = i % 5 == 0 ? leaf : kept;
        if (i % 17 == 0) {
            goo_gc_release(heap);
        }
    }
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_alloc, sizes_that_fail) {
    GooGcHeap *heap = heap_of("reserve=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    static const GooGcType sizeless = {.name = "sizeless", .layout = GOO_GC_LAYOUT_LEAF};
    errno = 0;
    CHECK_PTR_EQ((goo_gc_alloc_leaf)(m, 0), NULL);
    CHECK_PTR_EQ((goo_gc_alloc_conservative)(m, 0), NULL);
    CHECK_PTR_EQ(goo_gc_alloc_leaf_inline(m, 0), NULL);
    CHECK_PTR_EQ(goo_gc_alloc_conservative_inline(m, 0), NULL);
    CHECK_EQ(errno, 0);
    CHECK_PTR_EQ((goo_gc_alloc)(m, &sizeless, 0), NULL);
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK_PTR_EQ(goo_gc_alloc_inline(m, &sizeless, 0), NULL);
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK_PTR_EQ((goo_gc_alloc_embedder)(m, 16), NULL); /* no trace_embedder */
    CHECK_EQ(errno, EINVAL);
    static const size_t too_large[] = {(size_t)64 << 20, SIZE_MAX,     SIZE_MAX - 1, SIZE_MAX - 15,
                                       SIZE_MAX - 16,    SIZE_MAX / 2, SIZE_MAX - 4096,
                                       SIZE_MAX - ((size_t)4 << 20), (size_t)1 << 62};
    for (size_t i = 0; i < GOOI_COUNT(too_large); i++) {
        errno = 0;
        CHECK_PTR_EQ((goo_gc_alloc_leaf)(m, too_large[i]), NULL);
        CHECK_EQ(errno, ENOMEM);
        errno = 0;
        CHECK_PTR_EQ(goo_gc_alloc_inline(m, &pair_type, too_large[i]), NULL);
        CHECK_EQ(errno, ENOMEM);
    }
    CHECK(alloc_dirty_leaf(m, 40) != NULL);
    goo_gc_heap_destroy(heap);
}

/* Success leaves errno alone, whatever had to be done for it. */
GOO_TEST(gc_alloc, errno_is_left_alone) {
    GooGcHeap *heap = heap_of("initial=256K,verify");
    GooGcMutator *m = goo_gc_attach(heap);
    errno = 77;
    for (size_t i = 0; i < 20000; i++) {
        CHECK(goo_gc_alloc_leaf(m, i % 1000 == 0 ? 2000000 : 1 + i % 3000) != NULL);
        CHECK_EQ(errno, 77);
    }
    goo_gc_release(heap);
    CHECK_EQ(errno, 77);
    CHECK(goo_gc_get_stats(heap).collections_full > 10);
    goo_gc_heap_destroy(heap);
}

/* What the inline form and the call leave behind is the same, byte for byte. */
GOO_TEST(gc_alloc, inline_and_call_agree) {
    static const GooGcType leaf_type = {.name = "leaf", .size = 16, .layout = GOO_GC_LAYOUT_LEAF};
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    goo_gc_disable(heap);
    for (size_t size = 16; size <= 8192; size += size < 600 ? 8 : 176) {
        char *objects[8] = {
            (goo_gc_alloc)(m, &pair_type, size),        goo_gc_alloc_inline(m, &pair_type, size),
            (goo_gc_alloc)(m, &leaf_type, size),        goo_gc_alloc_inline(m, &leaf_type, size),
            (goo_gc_alloc_leaf)(m, size),               goo_gc_alloc_leaf_inline(m, size),
            (goo_gc_alloc_conservative)(m, size),       goo_gc_alloc_conservative_inline(m, size)};
        size_t granules = (size + 15) / 16;
        for (size_t i = 0; i < 8; i += 2) {
            const uint8_t *called = gooi_metadata_of((uintptr_t)objects[i]);
            const uint8_t *inlined = gooi_metadata_of((uintptr_t)objects[i + 1]);
            CHECK_MSG(memcmp(called, inlined, granules) == 0, "kind %zu, %zu bytes", i, size);
            CHECK_MSG(memcmp(objects[i], objects[i + 1], granules * 16) == 0, "%zu bytes", size);
            CHECK_EQ(called[0] & GOO_GC_COLOUR_MASK, GOO_GC_COLOUR_YOUNG);
            CHECK_EQ(called[granules - 1] & GOO_GC_END, GOO_GC_END);
            CHECK_EQ((called[0] & GOO_GC_LOGGED) != 0, i == 2 || i == 4);
            CHECK_EQ(called[0] & GOO_GC_KIND_MASK, i < 4    ? GOO_GC_KIND_TYPED
                                                   : i == 4 ? GOO_GC_KIND_LEAF
                                                            : GOO_GC_KIND_CONSERVATIVE);
        }
    }
    goo_gc_heap_destroy(heap);
}

/* A type's own size is what size 0 means; a finalizer sends both forms to the slow path. */
GOO_TEST(gc_alloc, size_of_the_type) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    int deaths = 0;
    void *pairs[] = {(goo_gc_alloc)(m, &pair_type, 0), goo_gc_alloc_inline(m, &pair_type, 0)};
    for (size_t i = 0; i < 2; i++) {
        CHECK_EQ(goo_gc_size_of(heap, pairs[i]), sizeof(Pair));
        CHECK_PTR_EQ(goo_gc_type_of(pairs[i]), &pair_type);
    }
    for (int i = 0; i < 2; i++) {
        Mortal *mortal =
            i == 0 ? (goo_gc_alloc)(m, &mortal_type, 0) : goo_gc_alloc_inline(m, &mortal_type, 0);
        mortal->deaths = &deaths;
        CHECK_EQ(*gooi_metadata_of((uintptr_t)mortal) & GOO_GC_ATTENTION, GOO_GC_ATTENTION);
    }
    goo_gc_heap_destroy(heap);
    CHECK_EQ(deaths, 2);
}

/* --- addresses --- */

GOO_TEST(gc_alloc, addresses_of_every_kind) {
    GooGcHeap *heap = heap_of("");
    GooGcHeap *other = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    int on_stack = 0;
    void *in_malloc = malloc(16);
    char *foreign = goo_gc_alloc_leaf(goo_gc_attach(other), 64);
    char *small = goo_gc_alloc_leaf(m, 100), *medium = goo_gc_alloc_leaf(m, 8192);
    char *large = goo_gc_alloc_leaf(m, 50000), *huge = goo_gc_alloc_leaf(m, 9 << 20);
    char *slab = (char *)gooi_slab_base((uintptr_t)small);
    const void *nothing[] = {NULL, &on_stack, in_malloc, foreign, slab, slab + 100,
                             slab + GOOI_TABLE_SIZE - 1, /* tables and headers are no objects */
                             (char *)gooi_slab_base((uintptr_t)large) + GOOI_TABLE_SIZE - 1,
                             (char *)gooi_slab_base((uintptr_t)huge) + 5000,
                             small + 112 + 8192 * 4, /* never handed out */
                             large + 50016, huge + (9 << 20), (char *)heap->base + heap->size,
                             (char *)heap->base + heap->size - 1, (char *)heap->base - 1,
                             (char *)UINTPTR_MAX, (char *)16};
    for (size_t i = 0; i < GOOI_COUNT(nothing); i++) {
        CHECK_MSG(goo_gc_base_of(heap, nothing[i]) == NULL, "address %zu", i);
        CHECK_MSG(goo_gc_size_of(heap, nothing[i]) == 0, "address %zu", i);
    }
    char *objects[] = {small, medium, large, huge};
    size_t sizes[] = {112, 8192, 50000, 9 << 20};
    for (size_t i = 0; i < 4; i++) {
        CHECK_EQ(goo_gc_size_of(heap, objects[i]), sizes[i]);
        for (size_t offset = 0; offset < sizes[i]; offset += offset < 300 ? 1 : 4093) {
            CHECK_PTR_EQ(goo_gc_base_of(heap, objects[i] + offset), objects[i]);
        }
        CHECK_PTR_EQ(goo_gc_base_of(heap, objects[i] + sizes[i] - 1), objects[i]);
        CHECK_EQ(goo_gc_size_of(heap, objects[i] + 16), 0);
    }
    collect(m); /* all four die; one block is not swept yet, and must not show them all the same */
    for (size_t i = 0; i < 4; i++) {
        CHECK_PTR_EQ(goo_gc_base_of(heap, objects[i]), NULL);
        CHECK_PTR_EQ(goo_gc_base_of(heap, objects[i] + sizes[i] - 1), NULL);
    }
    goo_gc_heap_destroy(heap);
    goo_gc_heap_destroy(other);
    free(in_malloc);
}

/* --- fragmentation --- */

/* Every other object of `size` dies; then as many bytes are wanted as died, in objects of
 * `next_size`. Returns by how much the heap grew for that, in percent of what died. */
static size_t alloc_fragment(size_t size, size_t next_size) {
    enum { BYTES = 16 << 20 };
    GooGcHeap *heap = heap_of("initial=256M");
    GooGcMutator *m = goo_gc_attach(heap);
    size_t count = BYTES / size;
    void **array = goo_gc_alloc(m, &pointers_type, (count + 1) * sizeof(void *));
    goo_gc_push(m, array);
    for (size_t i = 1; i <= count; i++) {
        array[i] = goo_gc_alloc_leaf(m, size);
        CHECK(array[i] != NULL);
    }
    for (size_t i = 1; i <= count; i += 2) {
        goo_gc_write_pointer(m, array, &array[i], NULL);
    }
    collect(m);
    size_t before = goo_gc_get_stats(heap).heap_bytes;
    for (size_t i = 0; i < BYTES / 2 / next_size; i++) {
        CHECK(goo_gc_alloc_leaf(m, next_size) != NULL);
    }
    size_t growth = goo_gc_get_stats(heap).heap_bytes - before;
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
    return growth * 100 / (BYTES / 2);
}

GOO_TEST(gc_alloc, fragmented_blocks_are_used) {
    CHECK(alloc_fragment(48, 48) <= 2);
    CHECK(alloc_fragment(512, 512) <= 2);
    CHECK(alloc_fragment(512, 48) <= 8);      /* ten in each hole: 6 % are left */
    CHECK(alloc_fragment(2048, 300) <= 15);   /* six of 304 in each hole: 11 % are left */
    CHECK(alloc_fragment(8192, 3000) <= 30);  /* two of 3008 in each hole */
    CHECK(alloc_fragment(48, 300) <= 105);    /* no hole has room */
    CHECK(alloc_fragment(48, 8000) <= 130);   /* a block takes eight */
}

/* Longer objects between short ones: short ones must not lose the holes that the long skip. */
GOO_TEST(gc_alloc, mixed_sizes_in_a_fragmented_heap) {
    GooGcHeap *heap = heap_of("initial=64M");
    GooGcMutator *m = goo_gc_attach(heap);
    enum { COUNT = 100000 };
    void **array = goo_gc_alloc(m, &pointers_type, (COUNT + 1) * sizeof(void *));
    goo_gc_push(m, array);
    for (size_t i = 1; i <= COUNT; i++) {
        array[i] = goo_gc_alloc_leaf(m, 64);
    }
    for (size_t i = 1; i <= COUNT; i++) {
        if (i % 8 != 0) {
            goo_gc_write_pointer(m, array, &array[i], NULL);
        }
    }
    collect(m); /* holes of 448 bytes: 5.6 MB of them */
    size_t before = goo_gc_get_stats(heap).heap_bytes;
    for (size_t i = 0; i < 6000; i++) {
        for (size_t j = 0; j < 6; j++) {
            CHECK(goo_gc_alloc_leaf(m, 64) != NULL);
        }
        CHECK(goo_gc_alloc_leaf(m, 300 + i % 100) != NULL);
    }
    size_t wanted = 6000 * (6 * 64 + 358);
    size_t growth = goo_gc_get_stats(heap).heap_bytes - before;
    CHECK_MSG(growth <= wanted / 4, "%zu bytes more for %zu wanted", growth, wanted);
    goo_gc_heap_destroy(heap);
}

/* A slab that became free among others is filled, whatever its index. */
GOO_TEST(gc_alloc, slabs_are_used_again_at_once) {
    GooGcHeap *heap = heap_of("initial=512M");
    GooGcMutator *m = goo_gc_attach(heap);
    enum { FIRST = 6 << 20, HUGE = 30 << 20, SECOND = 20 << 20 };
    for (size_t bytes = 0; bytes < FIRST; bytes += 64) {
        goo_gc_push(m, goo_gc_alloc_leaf(m, 64));
    }
    CHECK(goo_gc_alloc_leaf(m, HUGE) != NULL);
    for (size_t bytes = 0; bytes < FIRST; bytes += 64) { /* behind the huge object */
        goo_gc_push(m, goo_gc_alloc_leaf(m, 64));
    }
    collect(m); /* the huge one dies */
    for (size_t bytes = 0; bytes < SECOND; bytes += 64) {
        CHECK(goo_gc_alloc_leaf(m, 64) != NULL);
    }
    size_t slabs = 0;
    for (uint32_t i = 0; i < heap->slab_count; i++) {
        slabs += heap->slabs[i].kind == GOOI_SLAB_BLOCKS_OF;
    }
    CHECK_EQ(slabs, (2 * FIRST + SECOND) / (GOOI_SLAB_SIZE - GOOI_TABLE_SIZE) + 1);
    goo_gc_heap_destroy(heap);
}

/* Runs of pages that came free are used again, after a search for one failed there (LARGE-4). */
GOO_TEST(gc_alloc, runs_are_used_again) {
    GooGcHeap *heap = heap_of("initial=512M");
    GooGcMutator *m = goo_gc_attach(heap);
    void *kept[20] = {0};
    for (size_t i = 0; i < 20; i++) {
        CHECK_EQ(goo_gc_root_add_pointer(heap, &kept[i]), GOO_OK);
    }
    size_t slabs = 0;
    for (int round = 0; round < 30; round++) {
        for (size_t i = 0; i < 20; i++) { /* six to a slab: the seventh asks in vain */
            kept[i] = goo_gc_alloc_leaf(m, 600000);
            CHECK(kept[i] != NULL);
        }
        slabs = round == 1 ? heap->slab_count : slabs;
        for (size_t i = 0; i < 20; i++) { /* one of each slab stays */
            kept[i] = i % 6 == 0 ? kept[i] : NULL;
        }
        collect(m);
    }
    CHECK_EQ(heap->slab_count, slabs);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
}

/* --- realloc --- */

GOO_TEST(gc_alloc, realloc_of_leaves) {
    GooGcHeap *heap = heap_of("stress=1,verify,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    errno = 0;
    CHECK_PTR_EQ(goo_gc_realloc_leaf(m, NULL, 0), NULL);
    unsigned char *leaf = goo_gc_realloc_leaf(m, NULL, 20);
    CHECK(leaf != NULL && alloc_is_zero(leaf, 32));
    CHECK_PTR_EQ(goo_gc_realloc_leaf(m, leaf, 32), leaf); /* in place: the same granules */
    CHECK_PTR_EQ(goo_gc_realloc_leaf(m, leaf, 17), leaf);
    static const size_t sizes[] = {33, 300, 16, 4000, 8192, 8193, 100000, 5 << 20, 50, 9000, 1};
    size_t old_size = 17;
    for (size_t i = 0; i < old_size; i++) {
        leaf[i] = (unsigned char)(i * 7 + 1);
    }
    for (size_t k = 0; k < GOOI_COUNT(sizes); k++) {
        leaf = goo_gc_realloc_leaf(m, leaf, sizes[k]);
        CHECK(leaf != NULL);
        size_t kept = old_size < sizes[k] ? old_size : sizes[k];
        for (size_t i = 0; i < kept; i++) {
            CHECK_EQ(leaf[i], (unsigned char)(i * 7 + 1));
        }
        for (size_t i = kept; i < sizes[k]; i++) {
            leaf[i] = (unsigned char)(i * 7 + 1);
        }
        old_size = sizes[k];
    }
    CHECK_PTR_EQ(goo_gc_realloc_leaf(m, leaf, 0), NULL);
    CHECK_EQ(errno, 0);
    leaf = goo_gc_alloc_leaf(m, 16);
    goo_gc_push(m, leaf);
    leaf[3] = 9;
    CHECK_PTR_EQ(goo_gc_realloc_leaf(m, leaf, SIZE_MAX), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(leaf[3], 9); /* as it was */
    CHECK_PANICS(goo_gc_realloc_leaf(m, (char *)leaf + 16, 8), "no object");
    goo_gc_heap_destroy(heap);
}

/* goo_gc_allocator: collected objects behind the allocator interface. */
GOO_TEST(gc_alloc, allocator_of_collected_objects) {
    GooGcHeap *heap = heap_of("stress=1,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    errno = 0;
    CHECK_PTR_EQ(goo_gc_allocator(m, GOO_GC_LAYOUT_BITMAP), NULL);
    CHECK_EQ(errno, EINVAL);
    GooAllocator *leaves = goo_gc_allocator(m, GOO_GC_LAYOUT_LEAF);
    GooAllocator *scanned = goo_gc_allocator(m, GOO_GC_LAYOUT_CONSERVATIVE);
    void **table = scanned->alloc(scanned->context, 64, 16, GOO_ALLOC_ZERO);
    CHECK(table != NULL && alloc_is_zero(table, 64));
    goo_gc_push(m, table);
    for (size_t i = 0; i < 8; i++) {
        table[i] = leaves->alloc(leaves->context, 1000 * (i + 1), 8, 0);
        memset(table[i], (int)i + 1, 1000 * (i + 1));
    }
    table[3] = leaves->realloc(leaves->context, table[3], 4000, 9000, 16, 0);
    for (size_t i = 0; i < 8; i++) {
        CHECK_EQ(((unsigned char *)table[i])[999], i + 1);
    }
    void *place = table[3];
    memset((char *)place + 8990, 7, 10);
    CHECK_PTR_EQ(leaves->realloc(leaves->context, place, 9000, 8995, 16, 0), place);
    CHECK_PTR_EQ(leaves->realloc(leaves->context, place, 8995, 9007, 16, GOO_ALLOC_ZERO), place);
    CHECK(((char *)place)[8994] == 7 && alloc_is_zero((char *)place + 8995, 12));
    leaves->free(leaves->context, table[0], 1000, 8);
    CHECK_PTR_EQ(goo_gc_base_of(heap, table[0]), table[0]); /* free is the collector's business */
    errno = 0;
    CHECK_PTR_EQ(leaves->alloc(leaves->context, 64, 64, 0), NULL);
    CHECK_EQ(errno, ENOTSUP);
    leaves->destroy(leaves);
    scanned->destroy(scanned);
    goo_gc_heap_destroy(heap);
}
