/* Handlers and observers of a parent that use the child which is waiting for it: an out-of-memory
 * handler frees what it can spare, an observer allocates, and both may do it through any call. */
#include "goo/allocators.h"
#include "goo/runtime/callbacks.h"
#include "goo/runtime/memory.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

enum { OBJECT_SIZE = 32, LARGE_SIZE = 5000 };

/* What the handler of the parent works on. */
static Mock mock;
static GooAllocator *child;
static void *spare[4]; /* blocks of the child, NULL: none */
static size_t spare_size;
static bool takes_one, resets;
static void *taken;
static size_t times;

static void handler(void) {
    times++;
    for (size_t i = 0; i < 4; i++) {
        goo_memory_free_with(child, spare[i], spare_size);
        spare[i] = NULL;
    }
    if (resets) {
        goo_allocator_reset(child);
    }
    if (takes_one) {
        takes_one = false;
        taken = goo_memory_alloc_with(child, spare_size);
    }
}

static GooAllocator *parent_begin(size_t size) {
    GooAllocator *parent = mock_init(&mock);
    parent->strategy = GOO_ALLOC_STRATEGY_RETRY;
    parent->out_of_mem_fn = handler;
    memset(spare, 0, sizeof spare);
    spare_size = size;
    takes_one = resets = false;
    taken = NULL;
    times = 0;
    return parent;
}

static void pool_is_used_by_its_parents_handler(bool thread_safe) {
    GooAllocator *parent = parent_begin(OBJECT_SIZE);
    GooPoolOptions options = {
        .object_size = OBJECT_SIZE, .objects_per_block = 4, .thread_safe = thread_safe};
    child = goo_pool_allocator_create_with(parent, &options);
    void *objects[36];
    for (size_t i = 0; i < 32; i++) { /* 8 blocks: the list of them is full as well */
        objects[i] = goo_memory_alloc_with(child, OBJECT_SIZE);
        CHECK(objects[i] != NULL);
    }
    for (size_t i = 0; i < 4; i++) {
        spare[i] = objects[i];
    }
    mock.failures = 1;
    takes_one = true;
    objects[32] = goo_memory_alloc_with(child, OBJECT_SIZE);
    CHECK(objects[32] != NULL);
    CHECK(taken != NULL && taken != objects[32]);
    CHECK_EQ(times, 1);
    for (size_t i = 4; i < 33; i++) {
        memset(objects[i], 1, OBJECT_SIZE);
        goo_memory_free_with(child, objects[i], OBJECT_SIZE);
    }
    goo_memory_free_with(child, taken, OBJECT_SIZE);
    size_t free_count, total;
    goo_pool_get_stats(child, &free_count, &total);
    CHECK_EQ(free_count, total);
    CHECK(goo_pool_trim(child) != 0);
    goo_allocator_destroy(child);
    CHECK_EQ(mock.live, 0);
}

GOO_TEST(reentry, a_pool_is_used_by_its_parents_handler) {
    pool_is_used_by_its_parents_handler(false);
}

GOO_TEST(reentry, a_thread_safe_pool_is_used_by_its_parents_handler) {
    pool_is_used_by_its_parents_handler(true);
}

/* What the handler takes may be what the request wanted: max_objects holds all the same. */
GOO_TEST(reentry, a_pool_keeps_to_its_limit) {
    GooAllocator *parent = parent_begin(OBJECT_SIZE);
    GooPoolOptions options = {.object_size = OBJECT_SIZE,
                              .objects_per_block = 2,
                              .max_objects = 2,
                              .thread_safe = true};
    child = goo_pool_allocator_create_with(parent, &options);
    mock.failures = 1;
    takes_one = true;
    void *p = goo_memory_alloc_with(child, OBJECT_SIZE);
    CHECK(p != NULL && taken != NULL && p != taken);
    CHECK_PTR_EQ(goo_memory_alloc_with(child, OBJECT_SIZE), NULL);
    goo_allocator_destroy(child);
    CHECK_EQ(mock.live, 0);
}

static void observe_by_taking(const GooMemoryEvent *event, void *user) {
    (void)user;
    if (event->allocator == &mock.allocator) {
        goo_memory_free_with(child, goo_memory_alloc_with(child, spare_size), spare_size);
        times++;
    }
}

/* The parent's events come while the pool waits for it: when it grows and when it is trimmed. */
GOO_TEST(reentry, a_thread_safe_pool_is_used_by_its_parents_observer) {
    GooAllocator *parent = parent_begin(OBJECT_SIZE);
    GooPoolOptions options = {
        .object_size = OBJECT_SIZE, .objects_per_block = 4, .thread_safe = true};
    child = goo_pool_allocator_create_with(parent, &options);
    void *first = goo_memory_alloc_with(child, OBJECT_SIZE);
    uint32_t kinds = 1u << GOO_EVENT_ALLOC | 1u << GOO_EVENT_FREE;
    int id = goo_callback_add_observer(observe_by_taking, NULL, kinds);
    void *objects[8];
    for (size_t i = 0; i < 8; i++) {
        objects[i] = goo_memory_alloc_with(child, OBJECT_SIZE);
        CHECK(objects[i] != NULL);
    }
    for (size_t i = 0; i < 8; i++) {
        goo_memory_free_with(child, objects[i], OBJECT_SIZE);
    }
    CHECK(goo_pool_trim(child) != 0);
    CHECK(times >= 2);
    goo_memory_free_with(child, first, OBJECT_SIZE);
    CHECK_EQ(goo_callback_remove(id), GOO_OK);
    goo_allocator_destroy(child);
    CHECK_EQ(mock.live, 0);
}

/* --- arenas --- */

/* The stub of the new block names its predecessor, which the handler frees. */
GOO_TEST(reentry, an_arenas_large_block_is_freed_while_it_gets_another) {
    GooAllocator *parent = parent_begin(LARGE_SIZE);
    GooArenaOptions options = {.block_size = 1024};
    child = goo_arena_allocator_create_with(parent, &options);
    spare[0] = goo_memory_alloc_with(child, LARGE_SIZE);
    mock.failures = 1;
    takes_one = true;
    char *p = goo_memory_alloc_with(child, LARGE_SIZE);
    CHECK(p != NULL && taken != NULL);
    CHECK_EQ(times, 1);
    memset(p, 1, LARGE_SIZE);
    memset(taken, 2, LARGE_SIZE);
    CHECK(goo_allocator_owns(child, p) && goo_allocator_owns(child, taken));
    goo_arena_reset(child, GOO_ARENA_FREE_ALL);
    CHECK_EQ(mock.live, 1); /* the arena itself */
    goo_allocator_destroy(child);
    CHECK_EQ(mock.live, 0);
}

/* Beyond the limit once more has been taken than there was. */
GOO_TEST(reentry, an_arena_keeps_to_its_limit) {
    GooAllocator *parent = parent_begin(LARGE_SIZE);
    GooArenaOptions options = {.block_size = 1024, .max_bytes = 1024 + LARGE_SIZE + 100};
    child = goo_arena_allocator_create_with(parent, &options);
    CHECK(goo_memory_alloc_with(child, 16) != NULL);
    mock.failures = 1;
    takes_one = true;
    CHECK_PTR_EQ(goo_memory_alloc_with(child, LARGE_SIZE), NULL);
    CHECK(taken != NULL);
    CHECK_PTR_EQ(goo_memory_alloc_with(child, LARGE_SIZE), NULL);
    goo_allocator_destroy(child);
    CHECK_EQ(mock.live, 0);
}

GOO_TEST(reentry, an_arena_is_reset_while_it_waits) {
    GooAllocator *parent = parent_begin(LARGE_SIZE);
    GooArenaOptions options = {.block_size = 1024};
    child = goo_arena_allocator_create_with(parent, &options);
    for (size_t i = 0; i < 10; i++) {
        CHECK(goo_memory_alloc_with(child, 300) != NULL);
    }
    mock.failures = 1;
    resets = true;
    char *p = goo_memory_alloc_with(child, LARGE_SIZE);
    CHECK(p != NULL);
    memset(p, 1, LARGE_SIZE);
    char *q = goo_memory_alloc_with(child, 300);
    CHECK(q != NULL);
    memset(q, 2, 300);
    CHECK(goo_allocator_owns(child, p) && goo_allocator_owns(child, q));
    goo_allocator_destroy(child);
    CHECK_EQ(mock.live, 0);
}

/* Each chunk that a reset gives back is an event. */
GOO_TEST(reentry, an_arena_is_used_by_an_observer_of_its_reset) {
    GooAllocator *parent = parent_begin(40);
    GooArenaOptions options = {.block_size = 1024};
    child = goo_arena_allocator_create_with(parent, &options);
    for (size_t i = 0; i < 20; i++) {
        CHECK(goo_memory_alloc_with(child, 300) != NULL);
    }
    int id = goo_callback_add_observer(observe_by_taking, NULL, 1u << GOO_EVENT_FREE);
    goo_arena_reset(child, GOO_ARENA_FREE_ALL);
    CHECK_EQ(goo_callback_remove(id), GOO_OK);
    CHECK(times >= 2);
    char *p = goo_memory_alloc_with(child, 300);
    CHECK(p != NULL);
    memset(p, 1, 300);
    goo_allocator_destroy(child);
    CHECK_EQ(mock.live, 0);
}
