/* Marking: shapes that are hard on a mark stack, found alive to the last object.
 *
 * Uses private headers: gc/heap.h, to see and to limit the mark stack;
 * runtime/globals.h, for what is used of the process's limit. Invariants: GC-1, MARK-1.
 */
#include <stdlib.h>

#include "gc/heap.h"
#include "goo/runtime/memory.h"
#include "runtime/globals.h"
#include "tests/gc/support.h"

typedef enum ListOrder { LIST_ASCENDING, LIST_DESCENDING, LIST_SHUFFLED } ListOrder;

static void marking_shuffle(size_t *order, size_t count) {
    uint64_t state = 7;
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = (size_t)(random_next(&state) % (i + 1));
        size_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

/* A list of `count` pairs, linked against or along the order of their addresses, or at random. */
static Pair *marking_list(GooGcMutator *m, size_t count, ListOrder order) {
    Pair *array = goo_gc_alloc(m, &pointers_type, (count + 1) * sizeof(void *));
    CHECK(array != NULL);
    Pair **pairs = (Pair **)(void *)array + 1;
    goo_gc_push(m, array);
    size_t *places = malloc(count * sizeof *places);
    CHECK(places != NULL);
    for (size_t i = 0; i < count; i++) {
        Pair *pair = pair_new(m, NULL, NULL, i);
        CHECK(pair != NULL);
        goo_gc_write_pointer(m, array, &pairs[i], pair);
        places[i] = i;
    }
    if (order == LIST_SHUFFLED) {
        marking_shuffle(places, count);
    }
    for (size_t i = 0; i + 1 < count; i++) {
        Pair *here = pairs[places[i]], *next = pairs[places[i + 1]];
        Pair *holder = order == LIST_DESCENDING ? next : here;
        goo_gc_write_pointer(m, holder, &holder->first, order == LIST_DESCENDING ? here : next);
    }
    Pair *head = pairs[places[order == LIST_DESCENDING ? count - 1 : 0]];
    goo_gc_pop(m, 1);
    free(places);
    return head;
}

static size_t marking_list_length(const Pair *list) {
    size_t length = 0;
    for (; list != NULL; list = list->first) {
        length++;
    }
    return length;
}

static void marking_check_list(size_t count, ListOrder order, size_t stack_reserved) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    size_t whole = heap->mark_stack.reserved;
    if (stack_reserved != SIZE_MAX) {
        heap->mark_stack.reserved = stack_reserved;
    }
    Pair *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    list = marking_list(m, count, order);
    for (int round = 0; round < 4; round++) { /* all mark colours */
        collect(m);
        GooGcStats stats = goo_gc_get_stats(heap);
        CHECK_EQ(stats.objects_live, count);
        CHECK_EQ(stats.live_bytes, count * sizeof(Pair));
        CHECK_EQ(marking_list_length(list), count);
    }
    list = NULL;
    collect(m);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, 0);
    heap->mark_stack.reserved = whole;
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_marking, list_of_a_million) {
    marking_check_list(1000000, LIST_ASCENDING, SIZE_MAX);
    marking_check_list(1000000, LIST_DESCENDING, SIZE_MAX);
}

GOO_TEST(gc_marking, shuffled_list) {
    marking_check_list(300000, LIST_SHUFFLED, SIZE_MAX);
}

/* MARK-1 with no stack at all: everything goes by blocks that are looked through again. */
GOO_TEST(gc_marking, lists_without_a_mark_stack) {
    marking_check_list(50000, LIST_ASCENDING, 0);
    marking_check_list(6000, LIST_DESCENDING, 0);
    marking_check_list(3000, LIST_SHUFFLED, 0);
}

/* --- width --- */

static void marking_check_array(const GooGcType *type, const GooGcValueEncoding *encoding,
                                size_t count, bool own_cells) {
    GooGcOptions options = options_of("initial=256M");
    options.encoding = *encoding;
    GooGcHeap *heap = goo_gc_heap_create(&options);
    CHECK(heap != NULL);
    GooGcMutator *m = goo_gc_attach(heap);
    uint64_t *array = goo_gc_alloc(m, type, (count + 1) * 8);
    CHECK(array != NULL);
    goo_gc_push(m, array);
    uint64_t tag = type == &slots_type ? encoding->tag_value : 0;
    Pair *cell = NULL;
    for (size_t i = 1; i <= count; i++) {
        cell = own_cells || cell == NULL ? pair_new(m, NULL, NULL, i) : cell;
        CHECK(cell != NULL);
        goo_gc_write(m, array, &array[i], (uint64_t)(uintptr_t)cell | tag);
    }
    for (int round = 0; round < 2; round++) {
        collect(m);
        CHECK_EQ(goo_gc_get_stats(heap).objects_live, own_cells ? count + 1 : 2);
    }
    /* Ranges are cut: the array never stands on the stack as a million entries. */
    CHECK(heap->mark_stack.committed <= 256 << 10);
    for (size_t i = 1; own_cells && i <= count; i++) {
        CHECK_EQ(((Pair *)(uintptr_t)(array[i] & ~tag))->value, i);
    }
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_marking, array_of_a_million) {
    static const GooGcValueEncoding plain = GOO_GC_ENCODING_POINTER;
    static const GooGcValueEncoding nan = GOO_GC_ENCODING_NAN_BOX(UINT64_C(0xfffc) << 48);
    marking_check_array(&pointers_type, &plain, 1000000, true);
    marking_check_array(&slots_type, &nan, 1000000, true);
    marking_check_array(&pointers_type, &nan, 1000000, false);
}

/* Lengths around the piece that is traced at a time and the one from which the filter pays. */
GOO_TEST(gc_marking, array_lengths) {
    static const GooGcValueEncoding low = GOO_GC_ENCODING_LOW_TAG(1, 1);
    static const size_t lengths[] = {1,  2,  7,    8,    9,    15,   16,   17,   31,  33,
                                     63, 65, 1022, 1023, 1024, 1025, 1026, 2047, 2049, 5000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        marking_check_array(&slots_type, &low, lengths[i], true);
        marking_check_array(&pointers_type, &low, lengths[i], true);
    }
}

static void marking_trace_range(void *object, GooGcVisitor *v) {
    uint64_t *words = object;
    goo_gc_visit_range(v, (void *)(uintptr_t)words[1], (size_t)words[2]);
}

/* A trace callback that visits a long range outside the heap. */
GOO_TEST(gc_marking, range_outside_the_heap) {
    static const GooGcType type = {.name = "table",
                                   .size = 24,
                                   .layout = GOO_GC_LAYOUT_TRACE,
                                   .trace = marking_trace_range};
    enum { COUNT = 100000 };
    GooGcHeap *heap = heap_of("initial=1M,verify");
    GooGcMutator *m = goo_gc_attach(heap);
    uint64_t *slots = calloc(COUNT, sizeof *slots);
    uint64_t *table = goo_gc_alloc(m, &type, 0);
    goo_gc_push(m, table);
    table[1] = (uint64_t)(uintptr_t)slots;
    table[2] = COUNT;
    for (size_t i = 0; i < COUNT; i++) {
        goo_gc_write(m, table, &slots[i], (uint64_t)(uintptr_t)pair_new(m, NULL, NULL, i));
    }
    collect(m);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, COUNT + 1);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_EQ(((Pair *)(uintptr_t)slots[i])->value, i);
    }
    goo_gc_heap_destroy(heap);
    free(slots);
}

/* --- depth and width --- */

static Pair *marking_tree(GooGcMutator *m, unsigned depth) {
    if (depth == 0) {
        return pair_new(m, NULL, NULL, 0);
    }
    Pair *first = marking_tree(m, depth - 1);
    goo_gc_push(m, first);
    Pair *second = marking_tree(m, depth - 1);
    goo_gc_pop(m, 1);
    return pair_new(m, first, second, depth);
}

/* A tree of pairs under a stack of one page, of which every child of a wide array is the root. */
GOO_TEST(gc_marking, forest_under_a_small_stack) {
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    size_t whole = heap->mark_stack.reserved;
    heap->mark_stack.reserved = 4096;
    uint64_t *array = goo_gc_alloc(m, &pointers_type, 4096 * 8);
    goo_gc_push(m, array);
    for (size_t i = 1; i < 4096; i++) {
        goo_gc_write(m, array, &array[i], (uint64_t)(uintptr_t)marking_tree(m, 5));
    }
    for (int round = 0; round < 3; round++) {
        collect(m);
        CHECK_EQ(goo_gc_get_stats(heap).objects_live, 4095 * 63 + 1);
    }
    CHECK_EQ(heap->mark_stack.committed, 4096);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    heap->mark_stack.reserved = whole;
    goo_gc_heap_destroy(heap);
}

/* Random links over 20 MB: the ring is in use, and the mode goes back and forth. */
GOO_TEST(gc_marking, scattered_graph) {
    enum { COUNT = 400000 };
    GooGcHeap *heap = heap_of("");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair **array = goo_gc_alloc(m, &pointers_type, (COUNT + 1) * sizeof *array);
    Pair *root = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &root), GOO_OK);
    goo_gc_push(m, array);
    for (size_t i = 1; i <= COUNT; i++) {
        array[i] = pair_new(m, NULL, NULL, i);
        goo_gc_barrier(m, array);
    }
    /* A binary heap of shuffled pairs, with every tenth run of links in address order. */
    size_t *order = malloc(COUNT * sizeof *order);
    for (size_t i = 0; i < COUNT; i++) {
        order[i] = i + 1;
    }
    marking_shuffle(order, COUNT - COUNT / 10);
    for (size_t i = 1; i < COUNT; i++) {
        Pair *parent = array[order[(i - 1) / 2]];
        goo_gc_write_pointer(m, parent, i % 2 == 1 ? &parent->first : &parent->second,
                             array[order[i]]);
    }
    root = array[order[0]];
    goo_gc_pop(m, 1);
    for (int round = 0; round < 4; round++) {
        collect(m);
        CHECK_EQ(goo_gc_get_stats(heap).objects_live, COUNT);
    }
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    root = NULL;
    collect(m);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, 0);
    free(order);
    goo_gc_heap_destroy(heap);
}

/* Nodes of eight references to random others; from some of them hangs a list in address order. So
 * the mode changes while the stack is full of the other mode's entries, and with `reserved` bytes
 * of stack entries of both kinds are dropped. */
static void marking_check_changing_modes(size_t reserved) {
    enum { NODES = 60000, LISTS = 30, LENGTH = 6000, WIDTH = 8 };
    GooGcHeap *heap = heap_of("initial=256M");
    GooGcMutator *m = goo_gc_attach(heap);
    heap->mark_stack.reserved = reserved != 0 ? reserved : heap->mark_stack.reserved;
    void **array = goo_gc_alloc(m, &pointers_type, (NODES + 1) * sizeof *array);
    goo_gc_push(m, array);
    for (size_t i = 1; i <= NODES; i++) {
        void *node = goo_gc_alloc(m, &pointers_type, (WIDTH + 2) * sizeof(void *));
        goo_gc_write_pointer(m, array, &array[i], node);
    }
    uint64_t random = 23;
    for (size_t i = 1; i <= NODES; i++) {
        void **node = array[i];
        for (size_t w = 1; w <= WIDTH; w++) {
            goo_gc_write_pointer(m, node, &node[w], array[1 + random_next(&random) % NODES]);
        }
        if (i % (NODES / LISTS) == 0) {
            Pair *list = marking_list(m, LENGTH, LIST_DESCENDING);
            goo_gc_write_pointer(m, node, &node[WIDTH + 1], list);
        }
        /* And each leads to the next, so that all hang together. */
        goo_gc_write_pointer(m, node, &node[1 + i % WIDTH], array[i == NODES ? 1 : i + 1]);
    }
    Pair *first = array[1];
    goo_gc_pop(m, 1);
    goo_gc_push(m, first);
    for (int round = 0; round < 4; round++) {
        collect(m);
        CHECK_EQ(goo_gc_get_stats(heap).objects_live, NODES + LISTS * LENGTH);
    }
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(gc_marking, modes_change_with_work_on_the_stack) {
    marking_check_changing_modes(0);
    marking_check_changing_modes(4096);
    marking_check_changing_modes(65536);
}

enum { MARKING_FAN = 400000 };

static void marking_visit_each(void *object, GooGcVisitor *v) {
    void **words = object;
    for (size_t i = 1; i <= MARKING_FAN; i++) {
        goo_gc_visit_pointer(v, &words[i]);
    }
}

static const GooGcType marking_fan_type = {.name = "fan",
                                           .size = (MARKING_FAN + 1) * sizeof(void *),
                                           .layout = GOO_GC_LAYOUT_TRACE,
                                           .trace = marking_visit_each};

/* An object whose callback pushes its children one by one, as no range can be deferred. */
static GooGcHeap *marking_fan(GooGcMutator **out_m) {
    GooGcHeap *heap = heap_of("initial=256M");
    GooGcMutator *m = goo_gc_attach(heap);
    void **fan = goo_gc_alloc(m, &marking_fan_type, 0);
    CHECK(fan != NULL);
    goo_gc_push(m, fan);
    for (size_t i = 1; i <= MARKING_FAN; i++) {
        goo_gc_write_pointer(m, fan, &fan[i], pair_new(m, NULL, NULL, i));
    }
    *out_m = m;
    return heap;
}

/* The stack's memory is metadata like any: it counts, and is given back. */
GOO_TEST(gc_marking, stack_memory_is_counted) {
    GooGcMutator *m;
    GooGcHeap *heap = marking_fan(&m);
    size_t before = goo_gc_get_stats(heap).metadata_bytes;
    collect(m);
    size_t grown = goo_gc_get_stats(heap).metadata_bytes - before;
    CHECK(grown >= (MARKING_FAN - 10000) * sizeof(void *));
    CHECK_EQ(grown, heap->mark_stack.committed - GOOI_MARK_STACK_MIN);
    CHECK(goo_gc_release(heap) >= grown);
    CHECK_EQ(goo_gc_get_stats(heap).metadata_bytes, before);
    collect(m);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, MARKING_FAN + 1);
    goo_gc_heap_destroy(heap);
}

/* SPACE-2: marking at the hard limit does with the stack that it has. */
GOO_TEST(gc_marking, stack_stays_below_the_hard_limit) {
    GooGcMutator *m;
    GooGcHeap *heap = marking_fan(&m);
    GooGcStats s = goo_gc_get_stats(heap);
    size_t hard = s.heap_bytes + s.metadata_bytes + 100000;
    CHECK_EQ(goo_gc_set_limits(heap, 0, hard), GOO_OK);
    for (int round = 0; round < 3; round++) {
        CHECK_PTR_EQ(goo_gc_alloc_leaf(m, 1 << 20), NULL);
        s = goo_gc_get_stats(heap);
        CHECK(s.peak_bytes <= hard);
        CHECK_EQ(s.objects_live, MARKING_FAN + 1);
        CHECK_EQ(s.limit_hits, round + 1);
    }
    CHECK_EQ(heap->mark_stack.committed, GOOI_MARK_STACK_MIN);
    CHECK_EQ(goo_gc_verify(heap, stderr), GOO_OK);
    goo_gc_heap_destroy(heap);
}

/* The process's limit gets back what it gave, and no more: from a stack that shrinks, and from one
 * that goes with its heap. */
GOO_TEST(gc_marking, stack_memory_is_of_the_process_limit) {
    GooMemoryConfig config = {.limit_bytes = (size_t)1 << 30};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    for (int release = 0; release < 2; release++) {
        size_t before = gooi_limit_used;
        GooGcMutator *m;
        GooGcHeap *heap = marking_fan(&m);
        size_t made = gooi_limit_used;
        collect(m);
        size_t grown = heap->mark_stack.committed - GOOI_MARK_STACK_MIN;
        CHECK(grown != 0);
        CHECK_EQ(gooi_limit_used, made + grown);
        if (release != 0) {
            CHECK(goo_gc_release(heap) >= grown);
            CHECK(gooi_limit_used <= made);
        }
        goo_gc_heap_destroy(heap);
        CHECK_EQ(gooi_limit_used, before);
    }
    goo_memory_cleanup();
}

/* A stack that the process's limit leaves as it is drops, and finds again. */
GOO_TEST(gc_marking, stack_stays_below_the_process_limit) {
    GooMemoryConfig config = {.limit_bytes = (size_t)1 << 30};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    GooGcMutator *m;
    GooGcHeap *heap = marking_fan(&m);
    size_t rest = (size_t)(1 << 30) - gooi_limit_used;
    gooi_limit_used += rest;
    collect(m);
    CHECK_EQ(heap->mark_stack.committed, GOOI_MARK_STACK_MIN);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, MARKING_FAN + 1);
    gooi_limit_used -= rest;
    goo_gc_heap_destroy(heap);
    goo_memory_cleanup();
}

GOO_TEST(gc_marking, rings_die_as_a_whole) {
    GooGcHeap *heap = heap_of("verify");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *ring = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &ring), GOO_OK);
    ring = marking_list(m, 100000, LIST_ASCENDING);
    Pair *last = ring;
    while (last->first != NULL) {
        goo_gc_write_pointer(m, last, &last->second, last); /* and each one to itself */
        last = last->first;
    }
    GOO_GC_SET(m, last, first, ring);
    collect(m);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, 100000);
    ring = NULL;
    collect(m);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, 0);
    goo_gc_heap_destroy(heap);
}

/* --- more roots than the stack holds --- */

enum { MARKING_DEEP = 20000 };

static void *marking_deep[MARKING_DEEP];
static size_t marking_traced;

static void marking_count_trace(void *object, GooGcVisitor *v) {
    (void)object;
    (void)v;
    marking_traced++;
}

static const GooGcType marking_counted = {
    .name = "counted", .size = 32, .layout = GOO_GC_LAYOUT_TRACE, .trace = marking_count_trace};

/* What is dropped is traced twice. */
GOO_TEST(gc_marking, a_deep_stack_drops_nothing) {
    GooGcHeap *heap = heap_of("initial=1G,markers=1");
    GooGcMutator *m = goo_gc_attach(heap);
    size_t whole = heap->mark_stack.reserved;
    for (size_t i = 0; i < MARKING_DEEP; i++) {
        void *object = goo_gc_alloc(m, &marking_counted, 0);
        CHECK(object != NULL);
        marking_deep[i * 7 % MARKING_DEEP] = object; /* every block among the first and the last */
    }
    CHECK_EQ(goo_gc_add_stack(m, marking_deep, marking_deep + MARKING_DEEP), GOO_OK);
    heap->mark_stack.reserved = GOOI_MARK_STACK_MIN;
    marking_traced = 0;
    CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
    CHECK_EQ(marking_traced, MARKING_DEEP);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, MARKING_DEEP);
    heap->mark_stack.reserved = whole;
    goo_gc_heap_destroy(heap);
}

/* --- a stack that fills while objects are traced inline --- */

enum { MARKING_WIDE = 62, MARKING_LEVELS = 1200 };

/* A chain of arrays that each hold the next one first and last, so that it is traced before the
 * pairs between, whatever the direction. */
GOO_TEST(gc_marking, shapes_find_no_room) {
    GooGcHeap *heap = heap_of("initial=1G,verify,markers=1");
    GooGcMutator *m = goo_gc_attach(heap);
    size_t whole = heap->mark_stack.reserved;
    void *next = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &next), GOO_OK);
    for (size_t level = 0; level < MARKING_LEVELS; level++) {
        void **wide = goo_gc_alloc(m, &pointers_type, (MARKING_WIDE + 1) * sizeof(void *));
        CHECK(wide != NULL);
        goo_gc_push(m, wide);
        for (size_t i = 2; i < MARKING_WIDE; i++) {
            wide[i] = pair_new(m, NULL, NULL, i);
        }
        wide[1] = wide[MARKING_WIDE] = next;
        next = wide;
        goo_gc_pop(m, 1);
    }
    heap->mark_stack.reserved = heap->mark_stack.committed;
    for (int scattered = 0; scattered < 2; scattered++) {
        heap->mark_modes.scattered = scattered != 0;
        CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
        CHECK_EQ(goo_gc_get_stats(heap).objects_live, MARKING_LEVELS * (MARKING_WIDE - 1));
    }
    heap->mark_stack.reserved = whole;
    goo_gc_heap_destroy(heap);
}
