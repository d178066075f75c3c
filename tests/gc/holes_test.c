/* Which holes objects are given in a fragmented heap: long objects must not cost short ones theirs,
 * and when memory is short every hole counts. BLOCK-1, alloc.c. Uses private headers to see when
 * holes are zeroed.
 */
#include "gc/heap.h"
#include "goo/runtime/features.h"
#include "runtime/kernels/kernels.h"
#include "tests/gc/support.h"

typedef struct Cell {
    const GooGcType *type;
    struct Cell *next;
} Cell;

static const uint64_t cell_bitmap[] = {2};
static const GooGcType cell_type = {.name = "cell",
                                    .layout = GOO_GC_LAYOUT_BITMAP,
                                    .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                    .bitmap = cell_bitmap,
                                    .bitmap_words = 1};

/* Fills the heap with `count` cells of `size` bytes (fewer if it is full) and drops every other
 * one. Returns how many were made; *list is a root and leads to the others. */
static size_t make_every_other(GooGcMutator *m, Cell **list, size_t size, size_t count) {
    size_t made = 0;
    Cell *cell;
    while (made < count && (cell = goo_gc_alloc(m, &cell_type, size)) != NULL) {
        cell->next = *list;
        *list = cell;
        made++;
    }
    for (cell = *list; cell != NULL && cell->next != NULL; cell = cell->next) {
        cell->next = cell->next->next;
    }
    goo_gc_collect(m, GOO_GC_FULL);
    return made;
}

/* A few 256-byte objects among 48-byte ones leave the 48-byte holes to the others. */
GOO_TEST(gc_holes, few_long_objects_cost_short_ones_nothing) {
    GooGcHeap *heap = heap_of("initial=1G");
    GooGcMutator *m = goo_gc_attach(heap);
    Cell *list = NULL;
    goo_gc_root_add_pointer(heap, &list);
    size_t made = make_every_other(m, &list, 48, 400000);
    size_t before = goo_gc_get_stats(heap).heap_bytes;
    for (size_t i = 0; i < made / 2 - made / 20; i++) {
        CHECK(goo_gc_alloc_leaf(m, 48) != NULL);
        if (i % 50000 == 0) {
            CHECK(goo_gc_alloc_leaf(m, 256) != NULL);
        }
    }
    size_t after = goo_gc_get_stats(heap).heap_bytes;
    CHECK_MSG(after <= before + before / 20, "%zu bytes of heap became %zu", before, after);
    goo_gc_heap_destroy(heap);
}

/* Requests that find no hole in a full heap fail alone: the ones that fit are not even collected
 * for. */
GOO_TEST(gc_holes, a_failed_long_request_leaves_short_holes) {
    GooGcHeap *heap = heap_of("hard=16M,spare=0,initial=1G");
    GooGcMutator *m = goo_gc_attach(heap);
    Cell *list = NULL;
    goo_gc_root_add_pointer(heap, &list);
    make_every_other(m, &list, 48, SIZE_MAX);
    for (int i = 0; i < 100; i++) {
        uint64_t before = goo_gc_get_stats(heap).collections_full;
        CHECK(goo_gc_alloc_leaf(m, 48) != NULL);
        CHECK_EQ(goo_gc_get_stats(heap).collections_full, before);
        CHECK_PTR_EQ(goo_gc_alloc_leaf(m, 4000), NULL);
    }
    goo_gc_heap_destroy(heap);
}

/* Long objects in a row get on, even where every hole is too short for them. */
GOO_TEST(gc_holes, long_objects_in_a_row) {
    GooGcHeap *heap = heap_of("initial=1G");
    GooGcMutator *m = goo_gc_attach(heap);
    Cell *list = NULL;
    goo_gc_root_add_pointer(heap, &list);
    make_every_other(m, &list, 48, 100000);
    size_t before = goo_gc_get_stats(heap).heap_bytes;
    for (size_t i = 0; i < 50000; i++) {
        char *object = goo_gc_alloc_leaf(m, 112);
        CHECK(object != NULL && object[0] == 0 && object[111] == 0);
        memset(object, 7, 112);
    }
    size_t after = goo_gc_get_stats(heap).heap_bytes;
    CHECK_MSG(after - before <= 50000 * 112 + (256 << 10), "%zu bytes for 5.6 MB", after - before);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
}

/* --- what holes contain --- */

enum { TEXTS = 45000, TEXT_MAX = 600 };

static const GooGcType texts_type = {.name = "texts",
                                     .layout = GOO_GC_LAYOUT_ARRAY,
                                     .flags = GOO_GC_TYPE_ARRAY_POINTERS,
                                     .array_offset = sizeof(void *)};

static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* A text is its size in two bytes and bytes that follow from it. */
static bool text_is_intact(const uint8_t *text) {
    size_t size = text[0] + ((size_t)text[1] << 8);
    for (size_t i = 2; i < size; i++) {
        if (text[i] != (uint8_t)(size + i)) {
            return false;
        }
    }
    return true;
}

static uint8_t *text_make(GooGcMutator *m, size_t size) {
    uint8_t *text = goo_gc_alloc_leaf(m, size);
    CHECK(text != NULL);
    for (size_t i = 0; i < size; i++) {
        CHECK_MSG(text[i] == 0, "byte %zu of %zu is %02x", i, size, text[i]);
    }
    text[0] = (uint8_t)size;
    text[1] = (uint8_t)(size >> 8);
    for (size_t i = 2; i < size; i++) {
        text[i] = (uint8_t)(size + i);
    }
    return text;
}

/* Replaces texts of random sizes, each between others that live: what is handed out is zero, and
 * zeroing it leaves its neighbours alone. `count` live ones, and four times as many made. */
static void replace_texts(size_t count, uint64_t seed) {
    GooGcHeap *heap = heap_of("initial=1M");
    GooGcMutator *m = goo_gc_attach(heap);
    uint8_t **texts = goo_gc_alloc(m, &texts_type, (1 + count) * sizeof *texts);
    goo_gc_root_add_pointer(heap, &texts);
    for (size_t i = 0; i < 5 * count; i++) {
        size_t which = 1 + (i < count ? i : next_random(&seed) % count);
        CHECK(texts[which] == NULL || text_is_intact(texts[which]));
        texts[which] = text_make(m, 2 + next_random(&seed) % (TEXT_MAX - 1));
    }
    for (size_t i = 1; i <= count; i++) {
        CHECK(text_is_intact(texts[i]));
    }
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
}

/* GC-4 in both ways of zeroing: a small heap, one larger than caches, and the latter
 * without masked stores. */
GOO_TEST(gc_holes, holes_are_zero_and_neighbours_intact) {
    GooSimdLevel best = goo_simd_level();
    replace_texts(3000, 1);
    replace_texts(TEXTS, 2);
    CHECK_EQ(goo_simd_set_level(GOO_SIMD_SCALAR), GOO_OK);
    replace_texts(TEXTS, 3);
    CHECK_EQ(goo_simd_set_level(best), GOO_OK);
}

/* Holes of 16 bytes between living cells are used before memory is called short. */
GOO_TEST(gc_holes, single_granules_count_at_the_hard_limit) {
    GooGcHeap *heap = heap_of("hard=8M,initial=1G");
    GooGcMutator *m = goo_gc_attach(heap);
    Cell *list = NULL;
    goo_gc_root_add_pointer(heap, &list);
    size_t made = make_every_other(m, &list, 16, SIZE_MAX), more = 0;
    Cell *cell;
    while ((cell = goo_gc_alloc(m, &cell_type, 16)) != NULL) {
        cell->next = list;
        list = cell;
        more++;
    }
    CHECK_MSG(more >= made / 2 - made / 50, "%zu of %zu dropped cells were replaced", more,
              made / 2);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
}

static size_t holes_zeroed;

static void holes_zero_what_is_no_object(void *memory, const uint64_t *occupied, size_t words) {
    for (size_t i = 0; i < words * 64; i++) {
        bool is_free = (occupied[i / 64] >> i % 64 & 1) == 0;
        CHECK(!is_free || *gooi_metadata_of((uintptr_t)memory + i * GOOI_GRANULE_SIZE) == 0);
        holes_zeroed += is_free;
    }
    gooi_scalar_zero_clear(memory, occupied, words);
}

/* A fork on another thread may come at any time, and its child takes whole metadata for an object
 * and word 0 for its type: memory is zero before there is an object. */
GOO_TEST(gc_holes, memory_is_zeroed_before_metadata_says_object) {
    const GooiKernels *usual = gooi_kernels;
    GooiKernels kernels = *usual;
    kernels.zero_clear = holes_zero_what_is_no_object;
    kernels.zero_clear_is_fast = true;
    GooGcHeap *heap = heap_of("initial=1G");
    GooGcMutator *m = goo_gc_attach(heap);
    Cell *list = NULL;
    goo_gc_root_add_pointer(heap, &list);
    make_every_other(m, &list, 512, 40000);
    gooi_kernels = &kernels;
    for (size_t i = 0; i < 10000; i++) {
        CHECK(goo_gc_alloc(m, &cell_type, 512) != NULL);
    }
    gooi_kernels = usual;
    CHECK(holes_zeroed > 10000 * 512 / GOOI_GRANULE_SIZE);
    goo_gc_heap_destroy(heap);
}
