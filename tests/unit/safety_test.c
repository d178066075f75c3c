/* What every member of GooMemoryConfig does: leaks, safety, never_unmap, metadata, limit. */
#include "goo/allocators.h"
#include "goo/gc.h"
#include "goo/gc/inspect.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "goo_memory.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

static char report_text[4096];

/* What goo_memory_check_leaks writes, and how many it says. */
static size_t leaks(void) {
    FILE *file = tmpfile();
    CHECK(file != NULL);
    size_t count = goo_memory_check_leaks(file);
    rewind(file);
    size_t length = fread(report_text, 1, sizeof report_text - 1, file);
    report_text[length] = '\0';
    fclose(file);
    return count;
}

GOO_TEST(safety, leaks_are_named_with_size_and_site) {
    GooMemoryConfig config = {.enable_leak_detection = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    CHECK_EQ(leaks(), 0);
    CHECK_STR_EQ(report_text, "");
    void *p = GOO_ALLOC(NULL, 321);
    int line = __LINE__ - 1;
    void *q = goo_alloc(77);
    CHECK_EQ(leaks(), 2);
    char site[300];
    snprintf(site, sizeof site, "321 bytes from allocator 'system', allocated at %s:%d", __FILE__,
             line);
    CHECK(strstr(report_text, site) != NULL);
    CHECK(strstr(report_text, "77 bytes") != NULL); /* without its header */
    CHECK_EQ(leaks(), 2);                           /* nothing has changed */
    p = goo_memory_realloc(p, 321, 5000);
    CHECK_EQ(leaks(), 2);
    CHECK(strstr(report_text, "5000 bytes") != NULL);
    GOO_FREE(NULL, p, 5000);
    goo_free(q);
    CHECK_EQ(leaks(), 0);
    goo_memory_cleanup();
}

GOO_TEST(safety, the_table_holds_many_blocks) {
    enum { COUNT = 20000 };
    static void *blocks[COUNT];
    GooMemoryConfig config = {.enable_leak_detection = true, .enable_safety = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = goo_memory_alloc(i % 100 + 1);
    }
    CHECK_EQ(goo_memory_check_leaks(NULL), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        goo_memory_free(blocks[i], i % 100 + 1);
    }
    CHECK_EQ(goo_memory_check_leaks(NULL), 0);
    goo_memory_cleanup();
}

GOO_TEST(safety, wrong_size_alignment_and_allocator) {
    GooMemoryConfig config = {.enable_safety = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    void *p = GOO_ALLOC(NULL, 100);
    CHECK_PANICS(goo_memory_free(p, 101), "wrong size");
    CHECK_PANICS(goo_memory_free(p, 99), __FILE__);
    CHECK_PANICS(goo_memory_free_aligned(p, 100, 8), "wrong size or alignment");
    CHECK_PANICS(goo_memory_realloc(p, 50, 200), "wrong size");
    CHECK_PANICS(goo_memory_resize(p, 50, 20), "wrong size");
    GooAllocator *other = goo_system_allocator_create();
    CHECK_PANICS(goo_memory_free_with(other, p, 100), "foreign");
    char local[64];
    void *foreign = (void *)(((uintptr_t)local + 15) & ~(uintptr_t)15);
    CHECK_PANICS(goo_memory_free(foreign, 16), "foreign");
    memset(p, 1, 100); /* it is still whole */
    goo_memory_free(p, 100);
    goo_allocator_destroy(other);
    goo_memory_cleanup();
}

GOO_TEST(safety, double_free) {
    GooMemoryConfig config = {.enable_safety = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    void *p = goo_memory_alloc(100);
    goo_memory_free(p, 100);
    CHECK_PANICS(goo_memory_free(p, 100), "double free");
    CHECK_PANICS(goo_memory_realloc(p, 100, 200), "double free");
    goo_memory_cleanup();
}

static void *thread_free(void *block) {
    GOO_FREE(NULL, block, 60);
    return NULL;
}

GOO_TEST(safety, metadata_tells_who_freed_a_block) {
    GooMemoryConfig config = {.retain_metadata = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    void *p = GOO_ALLOC(NULL, 60);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, thread_free, p), 0);
    pthread_join(thread, NULL);
    CHECK_PANICS(goo_memory_free(p, 60), "freed at " __FILE__);
    CHECK(strstr(goo_test_panic_message(), "by thread 0x") != NULL);
    goo_memory_cleanup();
}

GOO_TEST(safety, never_unmap_gives_no_block_twice) {
    GooMemoryConfig config = {.never_unmap = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    void *first = goo_memory_alloc(200);
    goo_memory_free(first, 200);
    for (int i = 0; i < 100; i++) {
        void *p = goo_memory_alloc(200);
        CHECK(p != first);
        void *moved = goo_memory_realloc(p, 200, 100);
        CHECK(moved != p && moved != first);
        goo_memory_free(moved, 100);
    }
    CHECK_PANICS(goo_memory_free(first, 200), "double free");
    CHECK_EQ(goo_memory_check_leaks(NULL), 0);
    goo_memory_cleanup();
}

GOO_TEST(safety, never_unmap_catches_use_after_free) {
    if (GOO_TEST_ADDRESS_SANITIZER || goo_test_under_valgrind()) {
        SKIP("the write on purpose is for the tool to find");
    }
    GooMemoryConfig config = {.never_unmap = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    uint8_t *p = GOO_ALLOC(NULL, 64);
    goo_memory_free(p, 64);
    CHECK_EQ(goo_memory_check_leaks(NULL), 0);
    uint8_t *volatile stale = p;
    stale[5] = 1;
    CHECK_PANICS(goo_memory_check_leaks(NULL), "use after free");
    CHECK(strstr(goo_test_panic_message(), "offset 5") != NULL);
    uint8_t *q = goo_memory_alloc(64);
    goo_memory_free(q, 64);
    stale = q;
    stale[0] = 1;
    CHECK_PANICS(goo_memory_cleanup(), "use after free");
}

GOO_TEST(safety, never_unmap_finds_a_write_while_the_program_goes_on) {
    if (GOO_TEST_ADDRESS_SANITIZER || goo_test_under_valgrind()) {
        SKIP("the write on purpose is for the tool to find");
    }
    GooMemoryConfig config = {.never_unmap = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    for (int i = 0; i < 2000; i++) { /* nothing is found where nothing is wrong */
        goo_memory_free(goo_memory_alloc(24 + i), 24 + i);
    }
    uint8_t *p = GOO_ALLOC(NULL, 40);
    goo_memory_free(p, 40);
    uint8_t *volatile stale = p;
    stale[39] = 1;
    void *live = goo_memory_alloc(100);
    CHECK_PANICS(
        for (int i = 0; i < 5000; i++) { goo_memory_free(goo_memory_alloc(8), 8); },
        "use after free");
    CHECK(strstr(goo_test_panic_message(), "offset 39") != NULL);
    goo_memory_free(live, 100);
    goo_memory_cleanup();
}

GOO_TEST(safety, blocks_work_across_an_init_without_safety) {
    void *before = goo_memory_alloc(100);
    GooMemoryConfig config = {.enable_leak_detection = true, .never_unmap = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    void *inside = goo_memory_alloc(100);
    before = goo_memory_realloc(before, 100, 300);
    goo_memory_free(before, 300);
    goo_memory_cleanup();
    goo_memory_free(inside, 100);
}

GOO_TEST(safety, the_limit_holds_for_all_allocators) {
    GooMemoryConfig config = {.limit_bytes = 10000};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    GooAllocator *page = goo_page_allocator_create();
    Mock mock;
    GooAllocator *own = mock_init(&mock);
    void *a = goo_memory_alloc(4000);
    void *b = goo_memory_alloc_with(page, 4000);
    void *c = goo_memory_alloc_with(own, 2000);
    CHECK(a != NULL && b != NULL && c != NULL);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc(1), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_PTR_EQ(goo_memory_realloc_with(own, c, 2000, 2001), NULL);
    CHECK(!goo_memory_resize_options(page, b, 4000, 4001, 0));
    CHECK_PTR_EQ(goo_alloc(1), NULL);
    c = goo_memory_realloc_with(own, c, 2000, 1000); /* what one gives back another may use */
    void *d = goo_alloc(1000 - 16);
    CHECK(d != NULL);
    CHECK_PTR_EQ(goo_memory_alloc(1), NULL);
    goo_free(d);
    goo_memory_free(a, 4000);
    goo_memory_free_with(page, b, 4000);
    goo_memory_free_with(own, c, 1000);
    a = goo_memory_alloc(10000);
    CHECK(a != NULL);
    goo_memory_free(a, 10000);
    goo_memory_cleanup();
    a = goo_memory_alloc(20000);
    CHECK(a != NULL);
    goo_memory_free(a, 20000);
    goo_allocator_destroy(page);
}

GOO_TEST(safety, the_limit_holds_for_collected_heaps) {
    enum { MIB = 1 << 20 };
    GooMemoryConfig config = {.limit_bytes = 16 * MIB};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    GooGcHeap *heap = goo_gc_heap_create(NULL);
    CHECK(heap != NULL);
    GooGcMutator *m = goo_gc_attach(heap);
    for (int i = 0; i < 100000; i++) { /* 100 MB: garbage makes room */
        CHECK(goo_gc_alloc_leaf(m, 1000) != NULL);
    }
    CHECK(goo_gc_get_stats(heap).collections_full != 0);
    size_t held = 0;
    for (void *p; held < 100 && (p = goo_gc_alloc_leaf(m, MIB)) != NULL; held++) {
        goo_gc_push(m, p);
    }
    CHECK(held >= 8 && held < 16);
    CHECK_PTR_EQ(goo_memory_alloc(8 * MIB), NULL); /* the heap has it */
    goo_gc_pop(m, held);
    goo_gc_heap_destroy(heap);
    void *p = goo_memory_alloc(16 * MIB); /* and gave it back, all of it */
    CHECK(p != NULL);
    CHECK_PTR_EQ(goo_gc_heap_create(NULL), NULL);
    goo_memory_free(p, 16 * MIB);
    goo_memory_cleanup();
}

GOO_TEST(safety, the_limit_counts_an_attached_allocator_once) {
    GooMemoryConfig config = {.limit_bytes = 8 << 20};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    GooGcHeap *heap = goo_gc_heap_create(NULL);
    GooAllocator *a = goo_system_allocator_create();
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    void *p = goo_memory_alloc_with(a, 5 << 20);
    CHECK(p != NULL);
    goo_memory_free_with(a, p, 5 << 20);
    goo_gc_heap_destroy(heap);
    goo_allocator_destroy(a);
    p = goo_memory_alloc(8 << 20);
    CHECK(p != NULL);
    goo_memory_free(p, 8 << 20);
    goo_memory_cleanup();
}

GOO_TEST(safety, the_limit_is_not_passed_by_sums_that_wrap) {
    void *before = goo_memory_alloc(5000);
    GooMemoryConfig config = {.limit_bytes = 10000};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    Mock mock;
    GooAllocator *own = mock_init(&mock);
    void *p = goo_memory_alloc_with(own, 4000);
    CHECK_PTR_EQ(goo_memory_alloc_with(own, (size_t)PTRDIFF_MAX - 100), NULL);
    CHECK_EQ(mock.allocs, 1); /* the allocator was not even asked */
    goo_memory_free_with(own, p, 4000);
    goo_memory_free(before, 5000); /* makes room */
    CHECK_PTR_EQ(goo_memory_alloc_with(own, (size_t)PTRDIFF_MAX - 100), NULL);
    CHECK_PTR_EQ(goo_memory_alloc_with(own, 15001), NULL);
    CHECK_EQ(mock.allocs, 1);
    p = goo_memory_alloc_with(own, 15000);
    CHECK(p != NULL);
    goo_memory_free_with(own, p, 15000);
    goo_memory_cleanup();
}

GOO_TEST(safety, tracking_is_on_until_cleanup) {
    GooMemoryConfig config = {.enable_tracking = true};
    CHECK_EQ(goo_memory_init_with(&config), GOO_OK);
    size_t before = goo_memory_get_stats().current_bytes;
    void *p = goo_memory_alloc(123);
    CHECK_EQ(goo_memory_get_stats().current_bytes, before + 123);
    CHECK_EQ(leaks(), 1);
    CHECK(strstr(report_text, "1 blocks live") != NULL);
    goo_memory_free(p, 123);
    goo_memory_cleanup();
    CHECK(!goo_memory_set_tracking(false));
}
