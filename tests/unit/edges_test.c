/* Small promises of single rooms that are easily lost: headers of legacy blocks, slack and pages of
 * the system allocator, callbacks that are removed while they run elsewhere, buffers and contexts
 * at their ends, pools after trimming, decorators and what is foreign to them. Uses private headers
 * for the platform's view of a block.
 */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE /* mincore */
#endif

#include "goo/allocators.h"
#include "goo/allocators/pool_inline.h"
#include "goo/runtime/callbacks.h"
#include "goo/runtime/context.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "goo_memory.h"
#include "runtime/platform/platform.h"
#include "tests/conformance/parent.h"
#include "tests/harness.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

/* --- legacy blocks, strings --- */

GOO_TEST(edges, any_bit_of_a_legacy_header_that_changed_is_noticed) {
    uint8_t *p = goo_alloc(100);
    for (int bit = 0; bit < 128; bit++) {
        volatile uint8_t *byte = p - 16 + bit / 8;
        *byte ^= (uint8_t)(1u << bit % 8);
        CHECK_PANICS(goo_usable_size(p), "no live block");
        *byte ^= (uint8_t)(1u << bit % 8);
    }
    CHECK_EQ(goo_usable_size(p), 100);
    goo_free(p);
}

GOO_TEST(edges, a_short_string_is_copied_as_long_as_it_is) {
    char *p = goo_strndup("ab", 100);
    CHECK_STR_EQ(p, "ab");
    CHECK_EQ(goo_usable_size(p), 3);
    goo_free(p);
    p = goo_strndup("abcdef", 4);
    CHECK_STR_EQ(p, "abcd");
    CHECK_EQ(goo_usable_size(p), 5);
    goo_free(p);
}

/* --- system and pages --- */

GOO_TEST(edges, exact_means_no_slack_and_page_means_whole_pages) {
    void *exact = goo_memory_alloc_options(NULL, 10000, 0, GOO_ALLOC_GROWABLE | GOO_ALLOC_EXACT);
    void *growable = goo_memory_alloc_options(NULL, 10000, 0, GOO_ALLOC_GROWABLE);
    CHECK(gooi_platform_heap_usable_size(exact) < 10100);
    CHECK(gooi_platform_heap_usable_size(growable) >= 12500 || GOO_TEST_FREED_IS_WATCHED ||
          goo_test_under_valgrind());
    goo_memory_free(exact, 10000);
    goo_memory_free(growable, 10000);
    size_t page_size = gooi_platform_page_size();
    uint8_t *pages = goo_memory_alloc_options(NULL, page_size + 1, 0, GOO_ALLOC_PAGE);
    CHECK(gooi_platform_heap_usable_size(pages) >= 2 * page_size);
    pages = goo_memory_realloc_options(NULL, pages, page_size + 1, 2 * page_size + 1, 0,
                                       GOO_ALLOC_PAGE);
    CHECK(gooi_platform_heap_usable_size(pages) >= 3 * page_size);
    CHECK_EQ((uintptr_t)pages % page_size, 0);
    goo_memory_free(pages, 2 * page_size + 1);
}

GOO_TEST(edges, a_page_block_that_shrinks_gives_its_pages_back) {
    GooAllocator *a = goo_page_allocator_create();
    size_t page_size = gooi_platform_page_size();
    uint8_t *p = goo_memory_alloc_with(a, 8 * page_size);
    unsigned char present[8];
    CHECK_EQ(mincore(p, 8 * page_size, present), 0);
    CHECK(goo_memory_resize_options(a, p, 8 * page_size, page_size + 1, 16));
    CHECK_EQ(mincore(p, 2 * page_size, present), 0);
    CHECK_EQ(mincore(p + 2 * page_size, page_size, present), -1); /* not mapped any more */
    goo_memory_free_with(a, p, page_size + 1);
    goo_allocator_destroy(a);
}

/* --- callbacks --- */

typedef struct Gate {
    _Atomic int inside; /* 1: the callback is running, 2: it may return */
    _Atomic bool removed;
    int id;
} Gate;

static void wait_inside(const GooMemoryEvent *event, void *user) {
    (void)event;
    Gate *gate = user;
    atomic_store(&gate->inside, 1);
    while (atomic_load(&gate->inside) == 1) {
        gooi_platform_yield();
    }
}

static void *trigger(void *arg) {
    (void)arg;
    goo_memory_free(goo_memory_alloc(10), 10);
    return NULL;
}

static void *remover(void *arg) {
    Gate *gate = arg;
    goo_callback_remove(gate->id);
    atomic_store(&gate->removed, true);
    return NULL;
}

static void wait_until_inside(Gate *gate) {
    while (atomic_load(&gate->inside) != 1) {
        gooi_platform_yield();
    }
}

GOO_TEST(edges, remove_waits_for_the_callback_to_return_elsewhere) {
    static Gate gate;
    gate = (Gate){.inside = 0};
    gate.id = goo_callback_add_observer(wait_inside, &gate, 1u << GOO_EVENT_ALLOC);
    pthread_t firing, removing;
    CHECK_EQ(pthread_create(&firing, NULL, trigger, NULL), 0);
    wait_until_inside(&gate);
    CHECK_EQ(pthread_create(&removing, NULL, remover, &gate), 0);
    for (int i = 0; i < 20000; i++) {
        gooi_platform_yield();
    }
    bool early = atomic_load(&gate.removed);
    atomic_store(&gate.inside, 2);
    pthread_join(firing, NULL);
    pthread_join(removing, NULL);
    CHECK(!early);
    CHECK(atomic_load(&gate.removed));
}

static int id_beside_a_busy_slot;

/* From inside a callback remove does not wait; the slot stays taken all the same. */
static void remove_and_add(const GooMemoryEvent *event, void *user) {
    Gate *gate = user;
    if (event->kind == GOO_EVENT_FREE && gate->id != 0) {
        goo_callback_remove(gate->id);
        id_beside_a_busy_slot =
            goo_callback_add_observer(wait_inside, gate, 1u << GOO_EVENT_PRESSURE);
        gate->id = 0;
    }
}

GOO_TEST(edges, a_slot_that_somebody_is_inside_is_not_given_out) {
    static Gate gate;
    gate = (Gate){.inside = 0};
    gate.id = goo_callback_add_observer(wait_inside, &gate, 1u << GOO_EVENT_ALLOC);
    int busy = gate.id;
    pthread_t firing;
    CHECK_EQ(pthread_create(&firing, NULL, trigger, NULL), 0);
    wait_until_inside(&gate);
    int other = goo_callback_add_observer(remove_and_add, &gate, 1u << GOO_EVENT_FREE);
    static _Alignas(16) uint8_t bytes[64];
    GooFixedBuffer fixed;
    GooAllocator *a = goo_fixed_allocator_init(&fixed, bytes, sizeof bytes);
    goo_memory_free_with(a, a->alloc(a->context, 16, 16, 0), 16); /* a FREE without an ALLOC */
    bool same_slot = (id_beside_a_busy_slot - 1) % 64 == (busy - 1) % 64;
    atomic_store(&gate.inside, 2);
    pthread_join(firing, NULL);
    goo_callback_remove(other);
    goo_callback_remove(id_beside_a_busy_slot);
    CHECK(id_beside_a_busy_slot > 0);
    CHECK(!same_slot);
}

/* --- buffers and contexts --- */

GOO_TEST(edges, a_cleared_buffer_is_read_from_its_start_again) {
    GooBuffer b = goo_buffer_create(NULL, 4, 1, 0);
    memcpy(b.data, "abcd", 4);
    GooAllocContext c = {NULL, goo_writer_null(), goo_reader_memory(&b)};
    CHECK_EQ(goo_context_read_char(&c), 'a');
    CHECK_EQ(goo_context_read_char(&c), 'b');
    goo_buffer_clear(&b);
    CHECK_EQ(goo_context_read_char(&c), -1);
    CHECK_EQ(goo_buffer_resize(&b, 3), GOO_OK);
    memcpy(b.data, "xyz", 3);
    CHECK_EQ(goo_context_read_char(&c), 'x');
    goo_buffer_free(&b);
}

GOO_TEST(edges, a_copy_of_a_freed_buffer_is_noticed) {
    static _Alignas(16) uint8_t bytes[256];
    GooFixedBuffer fixed;
    GooAllocator *a = goo_fixed_allocator_init(&fixed, bytes, sizeof bytes);
    GooBuffer b = goo_buffer_create(a, 10, 4, 0);
    GooBuffer copy = b;
    goo_buffer_free(&b);
    CHECK_PANICS(goo_buffer_free(&copy), "was freed");
    CHECK_PANICS(goo_buffer_resize(&copy, 20), "was freed");
}

GOO_TEST(edges, wrapped_buffers_take_as_much_as_they_have) {
    int target[4] = {0}, source[5] = {1, 2, 3, 4, 5};
    GooBuffer to = goo_buffer_wrap(target, 4, sizeof(int));
    GooBuffer from = goo_buffer_wrap(source, 4, sizeof(int));
    CHECK_EQ(goo_buffer_copy_from(&to, &from), GOO_OK);
    CHECK_EQ(target[3], 4);
    GooBuffer longer = goo_buffer_wrap(source, 5, sizeof(int));
    CHECK_EQ(goo_buffer_copy_from(&to, &longer), GOO_ERR_LIMIT);
    CHECK_EQ(to.length, 4);
}

GOO_TEST(edges, a_buffer_may_be_copied_from_its_own_slice) {
    enum { COUNT = 70000 };
    GooBuffer b = goo_buffer_create(NULL, COUNT, 1, 0);
    for (size_t i = 0; i < COUNT; i++) {
        ((uint8_t *)b.data)[i] = (uint8_t)(i * i >> 3);
    }
    GooBuffer tail = goo_buffer_slice(&b, 7, COUNT - 7);
    CHECK_EQ(goo_buffer_copy_from(&b, &tail), GOO_OK);
    CHECK_EQ(b.length, COUNT - 7);
    for (size_t i = 0; i < COUNT - 7; i++) {
        CHECK_EQ(((uint8_t *)b.data)[i], (uint8_t)((i + 7) * (i + 7) >> 3));
    }
    goo_buffer_free(&b);
}

/* Says once that it took more than there was, and then what it was given. */
static size_t boastful_write(void *ctx, const void *bytes, size_t size) {
    size_t *calls = ctx;
    (void)bytes;
    return (*calls)++ == 0 ? size + 1 : size;
}

GOO_TEST(edges, a_writer_that_takes_more_than_there_is_fails) {
    size_t calls = 0;
    GooAllocContext c = {.out = {&calls, boastful_write}};
    CHECK_EQ(goo_context_write(&c, "abc", 3), GOO_ERR_IO);
    CHECK_EQ(calls, 1);
    calls = 0;
    CHECK_EQ(goo_context_printf(&c, "%d", 5), GOO_ERR_IO);
    CHECK_EQ(calls, 1);
}

GOO_TEST(edges, printf_of_every_length_around_its_own_buffer) {
    GooBuffer out = goo_buffer_create(NULL, 0, 1, 0);
    GooAllocContext c = {NULL, goo_writer_buffer(&out), {NULL, NULL}};
    for (int length = 508; length <= 516; length++) {
        goo_buffer_clear(&out);
        CHECK_EQ(goo_context_printf(&c, "%*s|", length - 1, "x"), length);
        CHECK_EQ(out.length, length);
        CHECK_EQ(((char *)out.data)[length - 1], '|');
        CHECK_EQ(((char *)out.data)[length - 2], 'x');
    }
    goo_buffer_free(&out);
}

/* --- pools --- */

GOO_TEST(edges, a_trimmed_pool_uses_no_block_that_it_gave_back) {
    Parent parent;
    GooPoolOptions options = {.object_size = 64, .objects_per_block = 100};
    GooAllocator *pool = goo_pool_allocator_create_with(parent_init(&parent), &options);
    for (int round = 0; round < 5; round++) {
        void *p = goo_pool_take(pool); /* most of its block was never touched */
        CHECK(p != NULL);
        CHECK(goo_allocator_owns(pool, p));
        goo_pool_give(pool, p);
        CHECK(goo_pool_trim(pool) >= 6400);
        size_t free_count, total;
        goo_pool_get_stats(pool, &free_count, &total);
        CHECK_EQ(total, 0);
        CHECK_EQ(free_count, 0);
    }
    goo_allocator_destroy(pool);
    CHECK_EQ(parent.live, 0);
}

/* --- decorators, fallbacks, lent buffers --- */

GOO_TEST(edges, a_limit_knows_what_survived_a_reset) {
    GooAllocator *arena = goo_arena_allocator_create(0);
    GooAllocator *a = goo_limit_allocator_create(arena, 10000);
    void *kept = goo_memory_alloc_options(a, 3000, 16, GOO_ALLOC_PERSIST);
    void *freed = goo_memory_alloc_options(a, 500, 16, GOO_ALLOC_PERSIST);
    CHECK(goo_memory_alloc_with(a, 4000) != NULL);
    goo_memory_free_with(a, freed, 500);
    kept = goo_memory_realloc_with(a, kept, 3000, 3500); /* moved, still one of those */
    CHECK(goo_allocator_reset(a));
    CHECK_EQ(goo_limit_used(a), 3500);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 6501), NULL);
    CHECK(goo_memory_alloc_with(a, 6500) != NULL);
    CHECK(goo_allocator_reset(arena)); /* behind its back */
    goo_memory_free_with(a, kept, 3500);
    goo_allocator_destroy(a);
    goo_allocator_destroy(arena);
}

GOO_TEST(edges, a_limit_takes_back_no_more_than_it_gave) {
    GooAllocator *a = goo_limit_allocator_create(NULL, 10000);
    void *p = goo_memory_alloc_with(a, 100);
    void *foreign = goo_memory_alloc(5000);
    CHECK_PANICS(goo_memory_realloc_with(a, foreign, 5000, 200), "can't be a block");
    CHECK_PANICS(goo_memory_free_with(a, foreign, 5000), "can't be a block");
    CHECK_EQ(goo_limit_used(a), 100);
    goo_memory_free(foreign, 5000);
    goo_memory_free_with(a, p, 100);
    goo_allocator_destroy(a);
}

GOO_TEST(edges, a_no_fail_request_goes_to_the_second_first) {
    static _Alignas(16) uint8_t bytes[64];
    GooFixedBuffer fixed;
    GooAllocator *first = goo_fixed_allocator_init(&fixed, bytes, sizeof bytes);
    GooAllocator *a = goo_fallback_allocator_create(first, NULL);
    void *p = goo_memory_alloc_options(a, 1000, 16, GOO_ALLOC_NOFAIL);
    CHECK(p != NULL);
    p = goo_memory_realloc_options(a, p, 1000, 2000, 16, GOO_ALLOC_NOFAIL);
    goo_memory_free_with(a, p, 2000);
    void *small = goo_memory_alloc_with(a, 32); /* of the first */
    CHECK(goo_allocator_owns(first, small));
    small = goo_memory_realloc_options(a, small, 32, 500, 16, GOO_ALLOC_NOFAIL);
    CHECK(!goo_allocator_owns(first, small));
    goo_memory_free_with(a, small, 500);
    goo_allocator_destroy(a);
}

GOO_TEST(edges, a_fallback_says_no_memory_if_either_had_none) {
    Parent parent;
    GooPoolOptions options = {.object_size = 100};
    GooAllocator *pool = goo_pool_allocator_create_with(NULL, &options);
    GooAllocator *a = goo_fallback_allocator_create(pool, parent_init(&parent));
    void *p = goo_memory_alloc_with(a, 300); /* of the second */
    parent.fail_at = parent.requests + 1;
    parent.fail_on = true;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 300, 500), NULL);
    CHECK_EQ(errno, ENOMEM); /* the pool's EINVAL is not why */
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 300), NULL);
    CHECK_EQ(errno, ENOMEM);
    parent.fail_at = 0;
    goo_memory_free_with(a, p, 300);
    goo_allocator_destroy(a);
    goo_allocator_destroy(pool);
    CHECK_EQ(parent.live, 0);
}

GOO_TEST(edges, what_persists_in_a_fallback_survives_also_where_it_moved) {
    GooArenaOptions little = {.max_bytes = 8192};
    GooAllocator *first = goo_arena_allocator_create_with(NULL, &little);
    GooAllocator *second = goo_arena_allocator_create(0);
    GooAllocator *a = goo_fallback_allocator_create(first, second);
    a->track_stats = true;
    uint8_t *p = goo_memory_alloc_options(a, 100, 16, GOO_ALLOC_PERSIST);
    CHECK(goo_allocator_owns(first, p));
    memset(p, 5, 100);
    p = goo_memory_realloc_with(a, p, 100, 20000);
    CHECK(goo_allocator_owns(second, p));
    CHECK(goo_memory_alloc_with(a, 1000) != NULL);
    CHECK(goo_allocator_reset(a));
    CHECK(goo_allocator_owns(second, p));
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 20000);
    CHECK_EQ(goo_get_alloc_stats(a).allocation_count, 1);
    CHECK_EQ(p[99], 5);
    goo_memory_free_with(a, p, 20000);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
    goo_allocator_destroy(a);
    goo_allocator_destroy(first);
    goo_allocator_destroy(second);
}

GOO_TEST(edges, a_buffer_pool_survives_its_parents_reset) {
    GooAllocator *arena = goo_arena_allocator_create(0);
    GooBufferPool *pool = goo_buffer_pool_create(arena, 100, 4);
    CHECK(goo_allocator_reset(arena));
    uint8_t *block = goo_memory_alloc_with(arena, 2000); /* would lie where the pool was */
    memset(block, 0xee, 2000);
    for (int i = 0; i < 4; i++) {
        CHECK(goo_buffer_pool_acquire(pool) != NULL);
    }
    CHECK_PTR_EQ(goo_buffer_pool_acquire(pool), NULL);
    goo_buffer_pool_destroy(pool);
    goo_allocator_destroy(arena);
}

GOO_TEST(edges, buffer_pools_that_can_not_be) {
    static const size_t counts[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 16 + 1, (size_t)1 << 33,
                                    UINT32_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        errno = 0;
        CHECK_PTR_EQ(goo_buffer_pool_create(NULL, (size_t)1 << 40, counts[i]), NULL);
        CHECK_EQ(errno, ENOMEM);
    }
    Parent parent; /* a count that wraps to a small size is not a small pool */
    GooAllocator *a = parent_init(&parent);
    CHECK_PTR_EQ(goo_buffer_pool_create(a, 64, ((size_t)1 << 58) + 1), NULL);
    CHECK_PTR_EQ(goo_buffer_pool_create(a, 1, UINT32_MAX), NULL); /* indices have 32 bits */
    CHECK_EQ(parent.requests, 0);
}
