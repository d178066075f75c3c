/* What the front door does around a mechanism when something watches: budgets that fail halfway,
 * records of blocks whose request failed, events, reasons, options. Uses private headers for bits
 * that callers must not be able to pass.
 */
#include "goo/goo.h"
#include "goo/runtime/memory.h"
#include "goo_memory.h"
#include "runtime/globals.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>

/* --- the limit of the process --- */

GOO_TEST(front_door, a_limit_near_the_end_of_numbers_does_not_wrap) {
    void *before = goo_memory_alloc(1000);
    GooMemoryConfig config = {.limit_bytes = SIZE_MAX - 5};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    goo_memory_free(before, 1000); /* what is used is below 0 now */
    void *p = goo_memory_alloc(5000);
    CHECK(p != NULL);
    goo_memory_free(p, 5000);
    goo_memory_cleanup();
}

GOO_TEST(front_door, what_a_heap_refuses_takes_nothing_from_the_limit) {
    GooGcOptions options = goo_gc_default_options();
    options.hard_limit_bytes = 4 << 20;
    GooGcHeap *heap = goo_gc_heap_create(&options);
    GooAllocator *a = goo_system_allocator_create();
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    GooMemoryConfig config = {.limit_bytes = 10 << 20};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    for (int i = 0; i < 3; i++) {
        CHECK_PTR_EQ(goo_memory_alloc_with(a, 9 << 20),
                     NULL); /* within the limit, but not the heap's */
    }
    void *p = goo_memory_alloc(10 << 20); /* all of the limit is there */
    CHECK(p != NULL);
    goo_memory_free(p, 10 << 20);
    goo_memory_cleanup();
    CHECK_EQ(goo_gc_detach_allocator(heap, a), GOO_OK);
    goo_allocator_destroy(a);
    goo_gc_heap_destroy(heap);
}

GOO_TEST(front_door, each_init_counts_its_own_limit_from_nothing) {
    GooMemoryConfig config = {.limit_bytes = 10000};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    void *left = goo_memory_alloc(9000);
    CHECK(left != NULL);
    goo_memory_cleanup();
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    void *p = goo_memory_alloc(9000);
    CHECK(p != NULL);
    goo_memory_free(p, 9000);
    goo_memory_cleanup();
    goo_memory_free(left, 9000);
}

/* --- the table of blocks --- */

static void check_failed_realloc_keeps_the_record(GooMemoryConfig config) {
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    uint8_t *p = goo_memory_alloc_with(a, 100);
    memset(p, 7, 100);
    mock.failures = 1;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 100, 200), NULL);
    CHECK_EQ(goo_memory_check_leaks(NULL), 1);
    CHECK_EQ(p[0], 7);
    CHECK_EQ(p[99], 7);
    if (config.enable_safety) {
        CHECK_PANICS(goo_memory_free_with(a, p, 101), "wrong size");
    }
    goo_memory_free_with(a, p, 100);
    CHECK_EQ(goo_memory_check_leaks(NULL), 0);
    goo_memory_cleanup();
    CHECK_EQ(mock.live, 0);
}

GOO_TEST(front_door, a_realloc_that_failed_leaves_the_block_known) {
    check_failed_realloc_keeps_the_record((GooMemoryConfig){.enable_safety = true});
    check_failed_realloc_keeps_the_record(
        (GooMemoryConfig){.enable_safety = true, .never_unmap = true});
    check_failed_realloc_keeps_the_record((GooMemoryConfig){.enable_leak_detection = true});
}

GOO_TEST(front_door, a_resize_in_place_changes_the_record) {
    GooMemoryConfig config = {.enable_safety = true, .enable_leak_detection = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    void *p = goo_memory_alloc(1000);
    CHECK(goo_memory_resize(p, 1000, 400));
    CHECK_PANICS(goo_memory_free(p, 1000), "wrong size");
    CHECK(!goo_memory_resize(p, 400, (size_t)1 << 40));
    goo_memory_free(p, 400);
    CHECK_EQ(goo_memory_check_leaks(NULL), 0);
    goo_memory_cleanup();
}

static void mock_destroy(void *self) {
    ((Mock *)self)->allocator.alloc = NULL; /* it is no allocator any more */
}

GOO_TEST(front_door, kept_blocks_of_an_allocator_end_with_it) {
    GooMemoryConfig config = {.never_unmap = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->destroy = mock_destroy;
    goo_memory_free_with(a, goo_memory_alloc_with(a, 300), 300);
    CHECK_EQ(mock.live, 1); /* kept */
    goo_allocator_destroy(a);
    CHECK_EQ(mock.live, 0);
    goo_memory_cleanup();
}

/* The other way to end an allocator, which the API names beside goo_allocator_destroy. */
static void check_destroyed_by_its_function(GooAllocator *a) {
    GooMemoryConfig config = {.never_unmap = true, .enable_leak_detection = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    uint8_t *live = goo_memory_alloc_with(a, 200);
    goo_memory_free_with(a, goo_memory_alloc_with(a, 300), 300);
    GooFreeFn free_live = a->free;
    a->destroy(a);
    char text[400] = "";
    FILE *file = tmpfile();
    CHECK(file != NULL);
    CHECK_EQ(goo_memory_check_leaks(file), 1);
    rewind(file);
    CHECK(fgets(text, sizeof text, file) != NULL);
    fclose(file);
    CHECK(strstr(text, "200 bytes from allocator '(destroyed)'") != NULL);
    goo_memory_cleanup();
    free_live(NULL, live, 200, 16);
}

GOO_TEST(front_door, an_allocator_destroyed_by_its_own_function_leaves_no_record) {
    check_destroyed_by_its_function(goo_system_allocator_create());
    check_destroyed_by_its_function(goo_page_allocator_create());
}

/* --- events --- */

typedef struct Heard {
    size_t count, kinds[GOO_EVENT_PRESSURE + 1];
    GooMemoryEvent last;
    bool refuse;
} Heard;

static void hear(const GooMemoryEvent *event, void *user) {
    Heard *heard = user;
    heard->count++;
    heard->kinds[event->kind]++;
    heard->last = *event;
    errno = 1234; /* a callback's errno is its own */
}

static bool permit(const GooMemoryEvent *event, void *user) {
    Heard *heard = user;
    heard->count++;
    heard->last = *event;
    errno = 4321;
    return !heard->refuse;
}

GOO_TEST(front_door, a_moved_legacy_block_is_shown_at_its_old_address) {
    Heard heard = {0};
    int id = goo_callback_add_observer(hear, &heard, 1u << GOO_EVENT_REALLOC);
    void *p = goo_alloc(50);
    void *moved = goo_realloc(p, 100000);
    CHECK_PTR_EQ(heard.last.old_ptr, p);
    CHECK_PTR_EQ(heard.last.ptr, moved);
    goo_free(moved);
    goo_callback_remove(id);
}

GOO_TEST(front_door, resizes_in_place_are_asked_for_and_told) {
    Heard told = {0}, asked = {0};
    void *p = goo_memory_alloc(1000);
    int observer = goo_callback_add_observer(hear, &told, 1u << GOO_EVENT_REALLOC);
    int interceptor = goo_callback_add_interceptor(permit, &asked);
    CHECK(goo_memory_resize(p, 1000, 500));
    CHECK_EQ(asked.count, 1);
    CHECK_EQ(told.count, 1);
    CHECK_EQ(told.last.old_size, 1000);
    CHECK_EQ(told.last.size, 500);
    CHECK_PTR_EQ(told.last.ptr, p);
    asked.refuse = true;
    CHECK(!goo_memory_resize(p, 500, 400));
    CHECK_EQ(told.count, 1);
    goo_callback_remove(interceptor);
    goo_callback_remove(observer);
    goo_memory_free(p, 500);
}

GOO_TEST(front_door, callbacks_leave_errno_alone) {
    Heard heard = {0};
    int observer = goo_callback_add_observer(hear, &heard, (1u << (GOO_EVENT_FREE + 1)) - 1);
    int interceptor = goo_callback_add_interceptor(permit, &heard);
    errno = 77;
    void *p = goo_memory_alloc(100);
    p = goo_memory_realloc(p, 100, 200);
    goo_memory_resize(p, 200, 100);
    goo_memory_free(p, 100);
    CHECK_EQ(errno, 77);
    CHECK(heard.count >= 7);
    goo_callback_remove(interceptor);
    goo_callback_remove(observer);
}

GOO_TEST(front_door, only_what_lacks_memory_is_an_event_of_it) {
    Heard heard = {0};
    int id = goo_callback_add_observer(hear, &heard, 1u << GOO_EVENT_OUT_OF_MEMORY);
    CHECK_PTR_EQ(goo_memory_alloc_aligned(10, 3), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(heard.count, 0);
    CHECK_PTR_EQ(goo_memory_alloc(SIZE_MAX), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(heard.count, 1);
    CHECK_EQ(heard.last.size, SIZE_MAX);
    goo_callback_remove(id);
}

GOO_TEST(front_door, without_a_callback_nothing_watches) {
    Heard heard = {0};
    int ids[3];
    for (int i = 0; i < 3; i++) {
        ids[i] = goo_callback_add_observer(hear, &heard, 1u << GOO_EVENT_FREE);
    }
    CHECK((gooi_watch & GOOI_WATCH_CALLBACKS) != 0);
    for (int i = 0; i < 3; i++) {
        goo_callback_remove(ids[i]);
    }
    CHECK_EQ(gooi_watch & GOOI_WATCH_CALLBACKS, 0);
}

/* --- arguments --- */

GOO_TEST(front_door, no_private_option_comes_in) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    GooAllocOptions private_bits = GOOI_ALLOC_COUNTED | GOOI_ALLOC_HEADER | 0x10000u;
    void *p = goo_memory_alloc_options(a, 10, 16, private_bits | GOO_ALLOC_ZERO);
    CHECK_EQ(mock.last_options, GOO_ALLOC_ZERO);
    p = goo_memory_realloc_options(a, p, 10, 20, 16, private_bits);
    CHECK_EQ(mock.last_options, 0);
    goo_memory_free_with(a, p, 20);
    mock.failures = 1; /* and by the long way */
    a->strategy = GOO_ALLOC_STRATEGY_RETRY;
    p = goo_memory_alloc_options(a, 10, 16, private_bits | GOO_ALLOC_TEMP);
    CHECK_EQ(mock.last_options, GOO_ALLOC_TEMP);
    goo_memory_free_with(a, p, 10);
}

GOO_TEST(front_door, pages_keep_a_stricter_alignment) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    uint8_t *p = goo_memory_alloc_options(a, 5000, 1 << 16, GOO_ALLOC_PAGE);
    CHECK_EQ((uintptr_t)p % (1 << 16), 0);
    CHECK_EQ(mock.last_alignment, 1 << 16);
    CHECK_EQ(mock.last_size % 4096, 0);
    goo_memory_free_options(a, p, 5000, 1 << 16);
}

GOO_TEST(front_door, copies_of_nothing_are_no_failure) {
    errno = 0;
    CHECK_PTR_EQ(goo_memory_dup_with(NULL, NULL, 0), NULL);
    CHECK_EQ(errno, 0);
    CHECK_PTR_EQ(goo_memory_dup_with(NULL, NULL, 1), NULL);
    CHECK_EQ(errno, EINVAL);
}

static size_t resizes;

static bool counting_resize(void *ctx, void *ptr, size_t old_size, size_t new_size,
                            size_t alignment) {
    (void)ctx, (void)ptr, (void)alignment;
    resizes++;
    return new_size <= old_size;
}

GOO_TEST(front_door, sizes_that_can_not_be_never_reach_a_resize) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->resize = counting_resize;
    void *p = goo_memory_alloc_with(a, 100);
    resizes = 0;
    CHECK(!goo_memory_resize_options(a, p, 100, SIZE_MAX, 16));
    CHECK(!goo_memory_resize_options(a, p, 100, (size_t)PTRDIFF_MAX, 16));
    CHECK_EQ(resizes, 0);
    CHECK(goo_memory_resize_options(a, p, 100, 50, 16));
    CHECK_EQ(resizes, 1);
    goo_memory_free_with(a, p, 50);
}

GOO_TEST(front_door, calls_without_an_allocator_use_the_threads) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->resize = counting_resize;
    resizes = 0;
    goo_set_thread_allocator(a);
    void *p = goo_memory_alloc(100);
    CHECK(goo_memory_resize(p, 100, 50));
    p = goo_memory_realloc(p, 50, 80);
    goo_memory_free(p, 80);
    p = goo_memory_alloc_aligned(64, 64);
    goo_memory_free_aligned(p, 64, 64);
    p = goo_memory_alloc_zeroed(10);
    goo_memory_free(p, 10);
    goo_free(goo_strdup("text"));
    goo_set_thread_allocator(NULL);
    CHECK_EQ(resizes, 1);
    CHECK_EQ(mock.allocs, 4);
    CHECK_EQ(mock.reallocs, 1);
    CHECK_EQ(mock.live, 0);
}

/* --- reasons --- */

static int odd_reason;
static size_t odd_calls;

static void *odd_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    (void)ctx, (void)size, (void)alignment, (void)options;
    odd_calls++;
    if (odd_reason != 0) {
        errno = odd_reason;
    }
    return NULL;
}

GOO_TEST(front_door, enotsup_is_handed_on_and_strange_reasons_are_no_memory) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->alloc = odd_alloc;
    odd_reason = ENOTSUP;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 10), NULL);
    CHECK_EQ(errno, ENOTSUP);
    odd_reason = EINTR;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 10), NULL);
    CHECK_EQ(errno, ENOMEM);
}

static void confused_handler(void) {
    errno = EINVAL; /* its own trouble */
}

GOO_TEST(front_door, a_handlers_errno_is_not_the_mechanisms) {
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->alloc = odd_alloc;
    a->strategy = GOO_ALLOC_STRATEGY_RETRY;
    a->out_of_mem_fn = confused_handler;
    odd_reason = 0; /* by hand, and leaves errno alone */
    odd_calls = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 10), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(odd_calls, 1 + GOO_RETRY_LIMIT);
}
