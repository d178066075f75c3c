/* What a panic leaves behind when its handler leaves by longjmp, past requests that hold bytes of
 * budgets or have noted where they come from. */
#include "goo/gc/inspect.h"
#include "goo/goo.h"
#include "goo/runtime/callbacks.h"
#include "goo/runtime/memory.h"
#include "goo_memory.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

/* An allocator by hand over another one. */
typedef struct Wrapper {
    GooAllocator allocator;
    GooAllocator *parent;
    bool recovers; /* from a panic of its parent, with memory from elsewhere */
} Wrapper;

static void *wrapper_recover(Wrapper *w, size_t size) {
    CHECK_PANICS(goo_memory_alloc_with(w->parent, size), "out of memory");
    return malloc(size);
}

static void *wrapper_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    (void)alignment;
    (void)options;
    Wrapper *w = ctx;
    return w->recovers ? wrapper_recover(w, size) : goo_memory_alloc_with(w->parent, size);
}

static void *wrapper_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size,
                             size_t alignment, GooAllocOptions options) {
    (void)alignment;
    (void)options;
    return goo_memory_realloc_with(((Wrapper *)ctx)->parent, ptr, old_size, new_size);
}

static void wrapper_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    (void)ctx;
    (void)size;
    (void)alignment;
    free(ptr);
}

static GooAllocator *wrapper_init(Wrapper *w, GooAllocator *parent) {
    *w = (Wrapper){
        .allocator = {.alloc = wrapper_alloc, .realloc = wrapper_realloc, .free = wrapper_free},
        .parent = parent};
    w->allocator.context = w;
    return &w->allocator;
}

static GooAllocator *panicking_mock(Mock *mock) {
    GooAllocator *a = mock_init(mock);
    a->strategy = GOO_ALLOC_STRATEGY_PANIC;
    return a;
}

GOO_TEST(panics, a_limit_gets_its_bytes_back) {
    Mock mock;
    GooAllocator *parent = panicking_mock(&mock);
    GooAllocator *inner = goo_limit_allocator_create(parent, 1000);
    GooAllocator *outer = goo_limit_allocator_create(inner, 900);
    mock.failures = 1;
    CHECK_PANICS(goo_memory_alloc_with(outer, 600), "out of memory");
    CHECK_EQ(goo_limit_used(outer), 0);
    CHECK_EQ(goo_limit_used(inner), 0);
    void *p = goo_memory_alloc_with(outer, 600);
    CHECK(p != NULL);
    mock.failures = 1;
    CHECK_PANICS(goo_memory_realloc_with(outer, p, 600, 900), "out of memory");
    CHECK_EQ(goo_limit_used(outer), 600);
    CHECK_EQ(goo_limit_used(inner), 600);
    goo_memory_free_with(outer, p, 600);
    CHECK_EQ(goo_limit_used(inner), 0);
    goo_allocator_destroy(outer);
    goo_allocator_destroy(inner);
}

GOO_TEST(panics, a_limit_over_a_thread_safe_parent_gets_its_bytes_back) {
    Mock mock;
    GooAllocator *parent = panicking_mock(&mock);
    parent->capabilities = GOO_ALLOCATOR_THREAD_SAFE | GOO_ALLOCATOR_FREES;
    GooAllocator *limit = goo_limit_allocator_create(parent, 1000);
    CHECK((limit->capabilities & GOO_ALLOCATOR_THREAD_SAFE) != 0);
    mock.failures = 1;
    CHECK_PANICS(goo_memory_alloc_with(limit, 600), "out of memory");
    CHECK_EQ(goo_limit_used(limit), 0);
    void *p = goo_memory_alloc_with(limit, 600);
    mock.failures = 1;
    CHECK_PANICS(goo_memory_realloc_with(limit, p, 600, 900), "out of memory");
    CHECK_EQ(goo_limit_used(limit), 600);
    goo_memory_free_with(limit, p, 600);
    CHECK_EQ(goo_limit_used(limit), 0);
    goo_allocator_destroy(limit);
}

/* The pool's lock would be held for ever. */
GOO_TEST(panics, a_thread_safe_pool_is_not_left_locked) {
    Mock mock;
    GooAllocator *parent = panicking_mock(&mock);
    GooPoolOptions options = {.object_size = 32, .objects_per_block = 4, .thread_safe = true};
    GooAllocator *pool = goo_pool_allocator_create_with(parent, &options);
    mock.failures = 1;
    CHECK_PANICS(goo_memory_alloc_with(pool, 32), "out of memory");
    void *objects[9];
    for (size_t i = 0; i < 8; i++) {
        objects[i] = goo_memory_alloc_with(pool, 32);
        CHECK(objects[i] != NULL);
    }
    mock.failures = 1;
    CHECK_PANICS(goo_memory_alloc_with(pool, 32), "out of memory");
    objects[8] = goo_memory_alloc_with(pool, 32);
    CHECK(objects[8] != NULL);
    goo_memory_free_with(pool, objects[3], 32);
    CHECK_PANICS(goo_memory_free_with(pool, objects[3], 32), "freed before");
    size_t free_count, total;
    goo_pool_get_stats(pool, &free_count, &total);
    CHECK_EQ(free_count, 4);
    CHECK_EQ(total, 12);
    goo_allocator_destroy(pool);
    CHECK_EQ(mock.live, 0);
}

GOO_TEST(panics, the_process_limit_gets_its_bytes_back) {
    GooMemoryConfig config = {.limit_bytes = 10000};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    Mock mock;
    Wrapper wrapper;
    GooAllocator *a = wrapper_init(&wrapper, panicking_mock(&mock));
    CHECK_PANICS(goo_memory_alloc_with(a, 6000), "out of memory"); /* 12,000 with the parent's */
    void *p = goo_memory_alloc(10000);
    CHECK(p != NULL);
    goo_memory_free(p, 10000);
    goo_memory_cleanup();
}

GOO_TEST(panics, who_recovered_below_takes_the_bytes_again) {
    GooMemoryConfig config = {.limit_bytes = 10000};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    Mock mock;
    Wrapper wrapper;
    GooAllocator *a = wrapper_init(&wrapper, panicking_mock(&mock));
    wrapper.recovers = true;
    void *p = goo_memory_alloc_with(a, 6000);
    CHECK(p != NULL);
    CHECK_PTR_EQ(goo_memory_alloc(4001), NULL);
    goo_memory_free_with(a, p, 6000);
    p = goo_memory_alloc(10000);
    CHECK(p != NULL);
    goo_memory_free(p, 10000);
    goo_memory_cleanup();
}

GOO_TEST(panics, a_heap_gets_its_bytes_back) {
    GooGcHeap *heap = goo_gc_heap_create(NULL);
    Mock mock;
    Wrapper wrapper;
    GooAllocator *a = wrapper_init(&wrapper, panicking_mock(&mock));
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    mock.failures = 1;
    CHECK_PANICS(goo_memory_alloc_with(a, 6000), "out of memory");
    CHECK_EQ(goo_gc_get_stats(heap).external_bytes, 0);
    wrapper.recovers = true;
    mock.failures = 1;
    void *p = goo_memory_alloc_with(a, 5000);
    CHECK(p != NULL);
    CHECK_EQ(goo_gc_get_stats(heap).external_bytes, 5000);
    goo_memory_free_with(a, p, 5000);
    CHECK_EQ(goo_gc_get_stats(heap).external_bytes, 0);
    CHECK_EQ(goo_gc_detach_allocator(heap, a), GOO_OK);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(panics, pages_made_up_leave_no_record) {
    Mock mock;
    GooAllocator *a = panicking_mock(&mock);
    mock.failures = 2;
    CHECK_PANICS(goo_memory_alloc_options(a, 100, 0, GOO_ALLOC_PAGE), "out of memory");
    CHECK_PANICS(goo_memory_alloc_options(a, 100, 0, GOO_ALLOC_PAGE), "out of memory");
    void *p = goo_memory_alloc_options(a, 100, 0, GOO_ALLOC_PAGE);
    mock.failures = 1;
    CHECK_PANICS(goo_memory_realloc_options(a, p, 100, 5000, 0, GOO_ALLOC_PAGE), "out of memory");
    goo_memory_free_with(a, p, 100);
    CHECK_EQ(mock.last_size, 4096);
    CHECK_EQ(mock.live, 0);
}

/* --- where a request came from --- */

static const char *seen_file;

static void see_file(const GooMemoryEvent *event, void *user) {
    (void)user;
    seen_file = event->file;
}

static void free_that_panics(void *ctx, void *ptr, size_t size, size_t alignment) {
    static _Alignas(16) char nothing[64];
    (void)ctx;
    (void)ptr;
    (void)size;
    (void)alignment;
    goo_free(nothing + 32);
}

GOO_TEST(panics, no_site_is_left_behind) {
    Mock mock;
    GooAllocator *a = panicking_mock(&mock);
    int id =
        goo_callback_add_observer(see_file, NULL, 1u << GOO_EVENT_ALLOC | 1u << GOO_EVENT_FREE);
    mock.failures = 1;
    CHECK_PANICS(GOO_ALLOC(a, 10), "panics_test.c"); /* the message says where */
    void *p = goo_memory_alloc_with(a, 10);
    CHECK_PTR_EQ(seen_file, NULL);
    a->free = free_that_panics;
    CHECK_PANICS(GOO_FREE(a, p, 10), "no live block");
    CHECK(seen_file != NULL && strstr(seen_file, "panics_test.c") != NULL);
    a->free = mock_free;
    goo_memory_free_with(a, p, 10);
    CHECK_PTR_EQ(seen_file, NULL);
    CHECK_EQ(goo_callback_remove(id), GOO_OK);
}
