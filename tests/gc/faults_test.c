/* Faults that collectors of this kind had, each by its name: those that no other test is about.
 * tests/README.md has the whole list.
 */
#include "goo/allocators/system.h"
#include "goo/gc/inline.h"
#include "goo/gc/intern.h"
#include "goo/runtime/memory.h"
#include "tests/gc/support.h"

/* --- never triggered, because a caller bypasses the counter --- */

typedef enum Route {
    ROUTE_TYPED,
    ROUTE_LEAF,
    ROUTE_CONSERVATIVE,
    ROUTE_TYPED_CALL,
    ROUTE_LEAF_CALL,
    ROUTE_CONSERVATIVE_CALL,
    ROUTE_REALLOC,
    ROUTE_ALLOCATOR,
    ROUTE_EXTERNAL,
    ROUTE_COUNT
} Route;

/* One piece of garbage by each way there is. The names in parentheses are the calls. */
static void litter(GooGcMutator *m, GooAllocator *leaves, Route route) {
    GooGcHeap *heap = goo_gc_heap_of(m);
    switch (route) {
    case ROUTE_TYPED:
        CHECK(goo_gc_alloc(m, &pair_type, 0) != NULL);
        break;
    case ROUTE_LEAF:
        CHECK(goo_gc_alloc_leaf(m, 100) != NULL);
        break;
    case ROUTE_CONSERVATIVE:
        CHECK(goo_gc_alloc_conservative(m, 100) != NULL);
        break;
    case ROUTE_TYPED_CALL:
        CHECK((goo_gc_alloc)(m, &pair_type, 0) != NULL);
        break;
    case ROUTE_LEAF_CALL:
        CHECK((goo_gc_alloc_leaf)(m, 20000) != NULL);
        break;
    case ROUTE_CONSERVATIVE_CALL:
        CHECK((goo_gc_alloc_conservative)(m, 3000) != NULL);
        break;
    case ROUTE_REALLOC:
        CHECK(goo_gc_realloc_leaf(m, (goo_gc_alloc_leaf)(m, 16), 5000) != NULL);
        break;
    case ROUTE_ALLOCATOR:
        CHECK(goo_memory_alloc_with(leaves, 500) != NULL);
        break;
    default:
        CHECK_EQ(goo_gc_adjust_external(heap, 4000), GOO_OK);
        CHECK_EQ(goo_gc_adjust_external(heap, -4000), GOO_OK);
        CHECK(goo_gc_alloc(m, &pair_type, 0) != NULL);
    }
}

GOO_TEST(gc_faults, every_way_to_allocate_brings_collections) {
    for (int route = 0; route < ROUTE_COUNT; route++) {
        GooGcHeap *heap = heap_of("initial=1M");
        GooGcMutator *m = goo_gc_attach(heap);
        GooAllocator *leaves = goo_gc_allocator(m, GOO_GC_LAYOUT_LEAF);
        size_t most = 0;
        for (int i = 0; i < 400000 && goo_gc_get_stats(heap).collections_full < 3; i++) {
            litter(m, leaves, (Route)route);
            size_t bytes = goo_gc_get_stats(heap).heap_bytes;
            most = bytes > most ? bytes : most;
        }
        CHECK_MSG(goo_gc_get_stats(heap).collections_full >= 3, "route %d never collects", route);
        CHECK_MSG(most <= 8 << 20, "route %d: %zu bytes for garbage", route, most);
        goo_allocator_destroy(leaves);
        goo_gc_detach(m);
        goo_gc_heap_destroy(heap);
    }
}

/* --- sweep without trace --- */

GOO_TEST(gc_faults, nothing_is_swept_that_was_not_traced) {
    GooGcHeap *heap = heap_of("initial=256K,verify,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    Pair *list = NULL;
    CHECK_EQ(goo_gc_root_add_pointer(heap, &list), GOO_OK);
    for (uint64_t i = 0; i < 30000; i++) { /* many collections begin on their own */
        list = pair_new(m, list, NULL, i);
        CHECK(list != NULL);
        CHECK(pair_new(m, list, NULL, ~i) != NULL); /* garbage that refers to what lives */
    }
    CHECK(goo_gc_get_stats(heap).collections_full >= 1);
    uint64_t expected = 30000;
    for (Pair *pair = list; pair != NULL; pair = pair->first) {
        CHECK_EQ(pair->value, --expected);
    }
    CHECK_EQ(expected, 0);
    list = NULL;
    collect(m);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, 0);
    goo_gc_detach(m);
    goo_gc_heap_destroy(heap);
}

/* --- one link field on two lists --- */

static void *shared_create(GooGcMutator *m, const void *bytes, size_t length, uint64_t hash,
                           void *user) {
    (void)bytes, (void)length, (void)hash;
    Mortal *mortal = (goo_gc_alloc)(m, &mortal_type, 20000); /* large, and with a finalizer */
    if (mortal != NULL) {
        mortal->deaths = user;
    }
    return mortal;
}

static const void *shared_bytes(const void *object, size_t *out_length, void *user) {
    (void)object, (void)user;
    *out_length = 3;
    return "key";
}

GOO_TEST(gc_faults, an_object_may_be_on_every_list_at_once) {
    int deaths = 0;
    GooGcHeap *heap = heap_of("verify,poison");
    GooGcMutator *m = goo_gc_attach(heap);
    GooGcInternOps ops = {shared_create, shared_bytes, &deaths};
    GooGcInternTable *table = goo_gc_intern_table_create(heap, &ops);
    void *object = goo_gc_intern(m, table, "key", 3);
    CHECK(object != NULL);
    GooGcHandle handle = goo_gc_handle_new(heap, object);
    CHECK_EQ(goo_gc_root_add_pointer(heap, &object), GOO_OK);
    goo_gc_push(m, object);
    for (int i = 0; i < 200; i++) { /* neighbours of all kinds */
        mortal_new(m, &deaths);
        CHECK(goo_gc_alloc_leaf(m, 30000) != NULL);
    }
    collect(m);
    CHECK_EQ(deaths, 200);
    CHECK_PTR_EQ(goo_gc_intern(m, table, "key", 3), object);
    CHECK_PTR_EQ(goo_gc_handle_get(heap, handle), object);
    goo_gc_handle_free(heap, handle);
    goo_gc_pop(m, 1);
    CHECK_EQ(goo_gc_root_remove(heap, &object), GOO_OK);
    collect(m);
    CHECK_EQ(deaths, 201);
    CHECK_EQ(goo_gc_intern_count(table), 0);
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, 0);
    goo_gc_intern_table_destroy(table);
    goo_gc_detach(m);
    goo_gc_heap_destroy(heap);
}

/* --- a collection nested in the sweep's own frees --- */

typedef struct Nested {
    const GooGcType *type;
    GooGcMutator *m;
    GooAllocator *a;
    void *block;
    size_t *ended;
    GooStatus *status;
} Nested;

static void nested_finalize(void *object, void *user) {
    (void)user;
    Nested *nested = object;
    goo_memory_free_with(nested->a, nested->block, 10000);
    void *p = goo_memory_alloc_with(nested->a, 20000); /* pressure that would bring a collection */
    goo_memory_free_with(nested->a, p, 20000);
    *nested->status = goo_gc_collect(nested->m, GOO_GC_FULL);
    ++*nested->ended;
}

GOO_TEST(gc_faults, what_a_sweep_frees_begins_no_other_collection) {
    static const GooGcType type = {.name = "nested",
                                   .size = sizeof(Nested),
                                   .layout = GOO_GC_LAYOUT_LEAF,
                                   .finalize = nested_finalize};
    enum { COUNT = 500 };
    size_t ended = 0;
    GooStatus status = GOO_OK;
    GooGcHeap *heap = heap_of("initial=1M,hard=32M");
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *a = goo_system_allocator_create();
    a->strategy = GOO_ALLOC_STRATEGY_GC;
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    for (size_t i = 0; i < COUNT; i++) {
        Nested *nested = goo_gc_alloc(m, &type, 0);
        CHECK(nested != NULL);
        nested->m = m;
        nested->a = a;
        nested->ended = &ended;
        nested->status = &status;
        goo_gc_push(m, nested);
        nested->block = goo_memory_alloc_with(a, 10000);
        goo_gc_pop(m, 1);
    }
    collect(m);
    CHECK_EQ(ended, COUNT); /* each once */
    CHECK_EQ(status, GOO_ERR_BUSY);
    CHECK_EQ(goo_gc_get_stats(heap).external_bytes, 0); /* nothing twice */
    CHECK_EQ(goo_gc_detach_allocator(heap, a), GOO_OK);
    goo_allocator_destroy(a);
    goo_gc_detach(m);
    goo_gc_heap_destroy(heap);
}

/* --- survivors dropped from a list --- */

GOO_TEST(gc_faults, survivors_stay_on_their_lists) {
    enum { COUNT = 3000 };
    static int deaths[COUNT];
    static void *kept[COUNT];
    memset(deaths, 0, sizeof deaths);
    GooGcHeap *heap = heap_of("poison");
    GooGcMutator *m = goo_gc_attach(heap);
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i % 10 == 0 ? 10000 : 0; /* small and large */
        Mortal *mortal = (goo_gc_alloc)(m, &mortal_type, size);
        CHECK(mortal != NULL);
        mortal->deaths = &deaths[i];
        kept[i] = mortal;
        CHECK_EQ(goo_gc_root_add_pointer(heap, &kept[i]), GOO_OK);
    }
    for (size_t round = 0; round < 10; round++) { /* every tenth goes, all others live on */
        for (size_t i = round; i < COUNT; i += 10) {
            kept[i] = NULL;
        }
        collect(m);
        for (size_t i = 0; i < COUNT; i++) {
            CHECK_EQ(deaths[i], i % 10 <= round);
        }
    }
    CHECK_EQ(goo_gc_get_stats(heap).objects_live, 0);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_EQ(goo_gc_root_remove(heap, &kept[i]), GOO_OK);
    }
    goo_gc_detach(m);
    goo_gc_heap_destroy(heap);
}
