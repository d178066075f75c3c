/* Observers and interceptors: what they see, when they may go, and on which threads. */
#include "goo/allocators.h"
#include "goo/gc.h"
#include "goo/runtime/callbacks.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "goo_memory.h"
#include "runtime/globals.h" /* an allocator that resets */
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#define ALL_KINDS ((2u << GOO_EVENT_PRESSURE) - 1)

typedef struct Seen {
    size_t count;
    GooMemoryEvent last;
} Seen;

static void record(const GooMemoryEvent *event, void *user) {
    Seen *seen = user;
    seen->count++;
    seen->last = *event;
}

GOO_TEST(callbacks, events_of_a_block) {
    Seen seen = {0};
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    int id = goo_callback_add_observer(record, &seen, ALL_KINDS);
    CHECK(id > 0);
    void *p = GOO_ALLOC(a, 100);
    int line = __LINE__ - 1;
    CHECK_EQ(seen.count, 1);
    CHECK_EQ(seen.last.kind, GOO_EVENT_ALLOC);
    CHECK_PTR_EQ(seen.last.allocator, a);
    CHECK_PTR_EQ(seen.last.ptr, p);
    CHECK_EQ(seen.last.size, 100);
    CHECK_EQ(seen.last.alignment, GOO_DEFAULT_ALIGNMENT);
    CHECK_STR_EQ(seen.last.file, __FILE__);
    CHECK_EQ(seen.last.line, line);
    void *old = p;
    p = goo_memory_realloc_options(a, p, 100, 200, 0, 0);
    CHECK_EQ(seen.last.kind, GOO_EVENT_REALLOC);
    CHECK_PTR_EQ(seen.last.ptr, p);
    CHECK_PTR_EQ(seen.last.old_ptr, old);
    CHECK_EQ(seen.last.old_size, 100);
    CHECK_EQ(seen.last.size, 200);
    mock.failures = 1;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 50), NULL);
    CHECK_EQ(seen.last.kind, GOO_EVENT_OUT_OF_MEMORY);
    CHECK_EQ(seen.last.size, 50);
    goo_memory_free_with(a, p, 200);
    CHECK_EQ(seen.last.kind, GOO_EVENT_FREE);
    CHECK_PTR_EQ(seen.last.ptr, p);
    CHECK_EQ(seen.last.size, 200);
    CHECK_EQ(seen.count, 4);
    CHECK_EQ(goo_callback_remove(id), GOO_OK);
    CHECK_EQ(goo_callback_remove(id), GOO_ERR_INVALID_ARGUMENT);
    goo_memory_free_with(a, goo_memory_alloc_with(a, 8), 8);
    CHECK_EQ(seen.count, 4);
}

GOO_TEST(callbacks, legacy_blocks_are_shown_as_the_program_sees_them) {
    Seen seen = {0};
    int id = goo_callback_add_observer(record, &seen, ALL_KINDS);
    void *p = goo_alloc(33);
    CHECK_PTR_EQ(seen.last.ptr, p);
    CHECK_EQ(seen.last.size, 33);
    p = goo_realloc(p, 44);
    CHECK_PTR_EQ(seen.last.ptr, p);
    CHECK_EQ(seen.last.old_size, 33);
    goo_free(p);
    CHECK_EQ(seen.last.kind, GOO_EVENT_FREE);
    CHECK_PTR_EQ(seen.last.ptr, p);
    CHECK_EQ(seen.last.size, 44);
    CHECK_EQ(seen.count, 3);
    goo_callback_remove(id);
}

GOO_TEST(callbacks, kinds_choose) {
    Seen frees = {0}, none = {0};
    int id = goo_callback_add_observer(record, &frees, 1u << GOO_EVENT_FREE);
    int other = goo_callback_add_observer(record, &none, 1u << GOO_EVENT_GC_BEGIN);
    goo_memory_free(goo_memory_alloc(10), 10);
    CHECK_EQ(frees.count, 1);
    CHECK_EQ(none.count, 0);
    goo_callback_remove(id);
    goo_callback_remove(other);
}

static void extended_reset(GooAllocator *a) {
    (void)a;
}

GOO_TEST(callbacks, resets_are_events) {
    static const GooiAllocatorOps ops = {.reset = extended_reset};
    Seen seen = {0};
    Mock mock;
    GooiExtendedAllocator extended = {.allocator = *mock_init(&mock), .ops = &ops};
    extended.allocator.capabilities = GOOI_ALLOCATOR_EXTENDED | GOO_ALLOCATOR_RESETS;
    int id = goo_callback_add_observer(record, &seen, ALL_KINDS);
    CHECK(goo_allocator_reset(&extended.allocator));
    CHECK_EQ(seen.count, 1);
    CHECK_EQ(seen.last.kind, GOO_EVENT_RESET);
    CHECK_PTR_EQ(seen.last.allocator, &extended.allocator);
    goo_callback_remove(id);
}

typedef struct Cycles {
    size_t begins, ends, pressures;
    GooAllocator *allocator;
} Cycles;

static void count_cycles(const GooMemoryEvent *event, void *user) {
    Cycles *cycles = user;
    cycles->begins += event->kind == GOO_EVENT_GC_BEGIN;
    cycles->ends += event->kind == GOO_EVENT_GC_END;
    if (event->kind == GOO_EVENT_PRESSURE) {
        cycles->pressures++;
        cycles->allocator = event->allocator;
    }
}

GOO_TEST(callbacks, collections_and_pressure_are_events) {
    GooGcOptions options = goo_gc_default_options();
    options.initial_bytes = 1 << 20;
    size_t before = goo_memory_get_stats().gc_bytes;
    GooGcHeap *heap = goo_gc_heap_create(&options);
    CHECK(heap != NULL);
    CHECK(goo_memory_get_stats().gc_bytes > before);
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *a = goo_system_allocator_create();
    CHECK_EQ(goo_gc_attach_allocator(heap, a), GOO_OK);
    Cycles cycles = {0};
    int id = goo_callback_add_observer(count_cycles, &cycles,
                                       1u << GOO_EVENT_GC_BEGIN | 1u << GOO_EVENT_GC_END |
                                           1u << GOO_EVENT_PRESSURE);
    CHECK_EQ(goo_gc_collect(m, GOO_GC_FULL), GOO_OK);
    CHECK_EQ(cycles.begins, 1);
    CHECK_EQ(cycles.ends, 1);
    CHECK_EQ(cycles.pressures, 0);
    void *p = goo_memory_alloc_with(a, 8 << 20);
    CHECK_EQ(cycles.pressures, 1);
    CHECK_PTR_EQ(cycles.allocator, a);
    CHECK_EQ(goo_memory_get_stats().external_bytes, 8 << 20);
    goo_memory_free_with(a, p, 8 << 20);
    CHECK_EQ(goo_memory_get_stats().external_bytes, 0);
    goo_callback_remove(id);
    CHECK_EQ(goo_gc_adjust_external(heap, 1000), GOO_OK);
    CHECK_EQ(goo_memory_get_stats().external_bytes, 1000);
    goo_gc_detach_allocator(heap, a);
    goo_allocator_destroy(a);
    goo_gc_detach(m);
    goo_gc_heap_destroy(heap);
    CHECK_EQ(goo_memory_get_stats().gc_bytes, before);
    CHECK_EQ(goo_memory_get_stats().external_bytes, 0);
}

static bool refuse_large(const GooMemoryEvent *event, void *user) {
    Seen *seen = user;
    seen->count++;
    seen->last = *event;
    return event->size < 1000;
}

GOO_TEST(callbacks, an_interceptor_refuses) {
    Seen asked = {0}, seen = {0};
    Mock mock;
    GooAllocator *a = mock_init(&mock);
    a->track_stats = true;
    int id = goo_callback_add_interceptor(refuse_large, &asked);
    int observer = goo_callback_add_observer(record, &seen, ALL_KINDS);
    CHECK(id > 0 && observer > 0 && id != observer);
    void *p = goo_memory_alloc_with(a, 999);
    CHECK(p != NULL);
    size_t allocs = mock.allocs;
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 1000), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 999, 2000), NULL);
    CHECK_EQ(asked.last.kind, GOO_EVENT_REALLOC);
    CHECK_PTR_EQ(asked.last.old_ptr, p);
    CHECK_EQ(mock.allocs, allocs);
    CHECK_EQ(mock.reallocs, 0);
    CHECK_EQ(goo_get_alloc_stats(a).failed_allocations, 2);
    CHECK_EQ(asked.count, 3);
    CHECK_EQ(seen.count, 1);
    CHECK_PANICS(goo_memory_alloc_options(a, 1000, 0, GOO_ALLOC_NOFAIL), "out of memory");
    goo_memory_free_with(a, p, 999);
    CHECK_EQ(asked.count, 4); /* not about frees */
    goo_callback_remove(id);
    goo_callback_remove(observer);
    p = goo_memory_alloc_with(a, 1000);
    CHECK(p != NULL);
    goo_memory_free_with(a, p, 1000);
}

typedef struct Busy {
    size_t count;
    int remove_id, added;
} Busy;

static void allocate_inside(const GooMemoryEvent *event, void *user) {
    (void)event;
    Busy *busy = user;
    busy->count++;
    void *p = goo_memory_alloc(500);
    p = goo_memory_realloc(p, 500, 600);
    goo_memory_free(p, 600);
    errno = 77;
}

GOO_TEST(callbacks, what_a_callback_does_is_no_event) {
    Busy busy = {0};
    int id = goo_callback_add_observer(allocate_inside, &busy, ALL_KINDS);
    errno = 5;
    void *p = goo_memory_alloc(10);
    CHECK_EQ(errno, 5);
    CHECK_EQ(busy.count, 1);
    goo_memory_free(p, 10);
    CHECK_EQ(busy.count, 2);
    goo_callback_remove(id);
}

static void remove_inside(const GooMemoryEvent *event, void *user) {
    (void)event;
    Busy *busy = user;
    busy->count++;
    goo_callback_remove(busy->remove_id);
}

GOO_TEST(callbacks, they_go_while_they_fire) {
    Busy self = {0}, victim = {0}, killer = {0};
    self.remove_id = goo_callback_add_observer(remove_inside, &self, ALL_KINDS);
    killer.remove_id = 0;
    int killer_id = goo_callback_add_observer(remove_inside, &killer, ALL_KINDS);
    killer.remove_id = goo_callback_add_observer(remove_inside, &victim, ALL_KINDS);
    goo_memory_free(goo_memory_alloc(10), 10);
    CHECK_EQ(self.count, 1);
    CHECK_EQ(victim.count, 0); /* comes after its killer */
    CHECK_EQ(killer.count, 2);
    CHECK_EQ(goo_callback_remove(self.remove_id), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_callback_remove(killer_id), GOO_OK);
}

GOO_TEST(callbacks, arguments_and_the_end_of_the_table) {
    Seen seen = {0};
    CHECK_EQ(goo_callback_add_observer(NULL, NULL, 1), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_callback_add_observer(record, NULL, 0), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_callback_add_observer(record, NULL, 1u << 20), GOO_ERR_INVALID_ARGUMENT);
    int all = goo_callback_add_observer(record, NULL, GOO_EVENT_ALL);
    CHECK(all > 0);
    CHECK_EQ(goo_callback_remove(all), GOO_OK);
    CHECK_EQ(goo_callback_add_interceptor(NULL, NULL), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_callback_remove(0), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_callback_remove(-3), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_callback_remove(9), GOO_ERR_INVALID_ARGUMENT);
    int ids[64];
    for (size_t i = 0; i < 64; i++) {
        ids[i] = goo_callback_add_observer(record, &seen, ALL_KINDS);
        CHECK(ids[i] > 0);
    }
    CHECK_EQ(goo_callback_add_observer(record, &seen, ALL_KINDS), GOO_ERR_LIMIT);
    goo_memory_free(goo_memory_alloc(1), 1);
    CHECK_EQ(seen.count, 128);
    for (size_t i = 0; i < 64; i++) {
        CHECK_EQ(goo_callback_remove(ids[i]), GOO_OK);
    }
    int id = goo_callback_add_observer(record, &seen, ALL_KINDS);
    for (size_t i = 0; i < 64; i++) {
        CHECK(ids[i] != id);
    }
    goo_callback_remove(id);
}

typedef struct Shared {
    _Atomic bool alive, stop, wrong;
    _Atomic size_t count;
} Shared;

static void count_alive(const GooMemoryEvent *event, void *user) {
    (void)event;
    Shared *shared = user;
    if (!atomic_load(&shared->alive)) {
        atomic_store(&shared->wrong, true);
    }
    atomic_fetch_add(&shared->count, 1);
}

static void *thread_allocate(void *arg) {
    Shared *shared = arg;
    while (!atomic_load(&shared->stop)) {
        goo_memory_free(goo_memory_alloc(32), 32);
    }
    return NULL;
}

GOO_TEST(callbacks, no_event_comes_after_remove_returned) {
    static Shared shared;
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, thread_allocate, &shared), 0);
    }
    for (int i = 0; i < 300; i++) {
        atomic_store(&shared.alive, true);
        int id = goo_callback_add_observer(count_alive, &shared, ALL_KINDS);
        goo_memory_free(goo_memory_alloc(32), 32);
        CHECK_EQ(goo_callback_remove(id), GOO_OK);
        atomic_store(&shared.alive, false);
    }
    atomic_store(&shared.stop, true);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(!shared.wrong);
    CHECK(shared.count >= 600);
}
