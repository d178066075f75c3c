/* The pool: double frees, memory written after a free, limits, trimming, reset, inline forms. */
#include "allocators/pool.h" /* private: the check */
#include "goo/allocators/pool.h"
#include "goo/allocators/pool_inline.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/conformance/parent.h"
#include "tests/harness.h"

static GooAllocator *make(Parent *parent, GooPoolOptions options) {
    GooAllocator *a = goo_pool_allocator_create_with(parent_init(parent), &options);
    CHECK(a != NULL);
    return a;
}

static void finish(GooAllocator *a, const Parent *parent) {
    goo_allocator_destroy(a);
    CHECK_EQ(parent->live, 0);
    CHECK_EQ(parent->faults, 0);
}

static size_t free_count(GooAllocator *a) {
    size_t free_objects;
    goo_pool_get_stats(a, &free_objects, NULL);
    return free_objects;
}

static size_t total_count(GooAllocator *a) {
    size_t total;
    goo_pool_get_stats(a, NULL, &total);
    return total;
}

GOO_TEST(pool, objects_are_aligned_and_packed) {
    Parent parent;
    static const struct {
        size_t size, alignment, stride;
    } cases[] = {{8, 0, 16}, {8, 8, 8}, {1, 8, 8}, {24, 8, 24}, {24, 0, 32}, {100, 64, 128}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        GooPoolOptions options = {.object_size = cases[i].size, .alignment = cases[i].alignment};
        GooAllocator *a = make(&parent, options);
        uint8_t *first = goo_pool_take(a), *second = goo_pool_take(a);
        CHECK_EQ(second - first, cases[i].stride);
        CHECK_EQ((uintptr_t)first % (cases[i].alignment != 0 ? cases[i].alignment : 16), 0);
        finish(a, &parent);
    }
}

GOO_TEST(pool, larger_or_stricter_requests_are_einval) {
    GooAllocator *a = goo_pool_allocator_create(32, 10);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 33), NULL);
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_options(a, 8, 32, 0), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK(goo_memory_alloc_with(a, 1) != NULL);
    goo_allocator_destroy(a);
}

GOO_TEST(pool, options_that_make_no_pool) {
    Parent parent;
    GooAllocator *p = parent_init(&parent);
    errno = 0;
    CHECK_PTR_EQ(goo_pool_allocator_create(0, 10), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_PTR_EQ(goo_pool_allocator_create_with(p, NULL), NULL);
    GooPoolOptions options = {.object_size = 8, .alignment = 24};
    errno = 0;
    CHECK_PTR_EQ(goo_pool_allocator_create_with(p, &options), NULL);
    CHECK_EQ(errno, EINVAL);
    static const GooPoolOptions huge[] = {
        {.object_size = SIZE_MAX},
        {.object_size = SIZE_MAX / 2},
        {.object_size = 1000, .objects_per_block = SIZE_MAX / 1000},
        {.object_size = 16, .objects_per_block = SIZE_MAX},
        {.object_size = 16, .alignment = SIZE_MAX / 2 + 1},
    };
    for (unsigned i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        errno = 0;
        CHECK_PTR_EQ(goo_pool_allocator_create_with(p, &huge[i]), NULL);
        CHECK_EQ(errno, ENOMEM);
    }
    CHECK_EQ(parent.live, 0);
}

GOO_TEST(pool, double_free_panics) {
    for (unsigned variant = 0; variant < 3; variant++) {
        Parent parent;
        GooPoolOptions options = {.object_size = variant == 1 ? 8 : 64,
                                  .alignment = variant == 1 ? 8 : 0};
        GooAllocator *a = make(&parent, options);
        void *p[5];
        for (unsigned i = 0; i < 5; i++) {
            p[i] = goo_memory_alloc_options(a, 8, 8, 0);
        }
        goo_memory_free_options(a, p[1], 8, 8);
        CHECK_PANICS(goo_memory_free_options(a, p[1], 8, 8), "double free");
        goo_memory_free_options(a, p[3], 8, 8);
        goo_pool_give(a, p[4]);
        for (unsigned i = 1; i < 5; i += i == 1 ? 2 : 1) { /* also when it is not the latest */
            CHECK_PANICS(goo_memory_free_options(a, p[i], 8, 8), "double free");
            CHECK_PANICS(goo_pool_give(a, p[i]), "double free");
        }
        CHECK_PTR_EQ(goo_memory_alloc_options(a, 8, 8, 0), p[4]); /* the list is as it was */
        CHECK_PTR_EQ(goo_pool_take(a), p[3]);
        CHECK_PTR_EQ(goo_pool_take(a), p[1]);
        finish(a, &parent);
    }
}

GOO_TEST(pool, the_first_object_freed_into_an_empty_list_is_known_too) {
    Parent parent;
    GooPoolOptions options = {.object_size = 64, .objects_per_block = 1};
    GooAllocator *a = make(&parent, options);
    void *p = goo_pool_take(a);
    goo_pool_give(a, p);
    CHECK_PANICS(goo_pool_give(a, p), "double free");
    CHECK_EQ(free_count(a), 1);
    finish(a, &parent);
}

GOO_TEST(pool, an_untouched_object_is_freed_without_suspicion) {
    Parent parent;
    GooPoolOptions options = {.object_size = 8, .alignment = 8};
    GooAllocator *a = make(&parent, options);
    for (unsigned i = 0; i < 1000; i++) {
        void *p = goo_pool_take(a), *q = goo_pool_take(a);
        if (i % 2 != 0) {
            memcpy(p, &q, sizeof q); /* pointers to objects are the likeliest contents */
        }
        goo_pool_give(a, q);
        goo_pool_give(a, p);
    }
    CHECK_EQ(free_count(a), total_count(a));
    goo_pool_give(a, NULL);
    finish(a, &parent);
}

GOO_TEST(pool, writing_to_a_freed_object_is_found_at_the_next_request) {
    if (GOO_TEST_ADDRESS_SANITIZER || goo_test_under_valgrind()) {
        SKIP("the tool finds the write itself");
    }
    Parent parent;
    GooPoolOptions options = {.object_size = 64};
    GooAllocator *a = make(&parent, options);
    uint64_t *p = goo_pool_take(a);
    goo_pool_give(a, p);
    uint64_t link = *p;
    *p = 1;
    CHECK_PANICS(goo_pool_take(a), "written after it was freed");
    CHECK_PANICS(goo_memory_alloc_with(a, 64), "written after it was freed");
    *p = link;
    CHECK_PTR_EQ(goo_pool_take(a), p);
    finish(a, &parent);
}

GOO_TEST(pool, free_with_a_size_that_no_object_has_panics) {
    GooAllocator *a = goo_pool_allocator_create(32, 10);
    void *p = goo_memory_alloc_with(a, 32);
    CHECK_PANICS(goo_memory_free_with(a, p, 33), "objects have 32");
    goo_memory_free_with(a, p, 32);
    goo_allocator_destroy(a);
}

GOO_TEST(pool, max_objects_holds_and_stats_count) {
    Parent parent;
    GooPoolOptions options = {.object_size = 40, .objects_per_block = 8, .max_objects = 20};
    GooAllocator *a = make(&parent, options);
    void *p[20];
    for (unsigned i = 0; i < 20; i++) {
        p[i] = i % 2 != 0 ? goo_pool_take(a) : goo_memory_alloc_with(a, 40);
        CHECK(p[i] != NULL);
        CHECK_EQ(total_count(a) - free_count(a), i + 1);
    }
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 40), NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_PTR_EQ(goo_pool_take(a), NULL);
    CHECK_EQ(total_count(a), 20);
    CHECK_EQ(free_count(a), 0);
    goo_memory_free_with(a, p[7], 40);
    CHECK_PTR_EQ(goo_pool_take(a), p[7]);
    finish(a, &parent);
}

GOO_TEST(pool, trim_gives_back_what_is_all_free_and_only_on_request) {
    Parent parent;
    GooPoolOptions options = {.object_size = 64, .objects_per_block = 10};
    GooAllocator *a = make(&parent, options);
    void *p[100];
    for (unsigned i = 0; i < 100; i++) {
        p[i] = goo_memory_alloc_with(a, 64);
    }
    for (unsigned i = 0; i < 100; i++) {
        if (i != 55) {
            goo_memory_free_with(a, p[i * 37 % 100 == 55 ? 55 : i], 64);
        }
    }
    size_t live = parent.live_bytes;
    CHECK_EQ(free_count(a), 99);
    size_t bytes = goo_pool_trim(a);
    CHECK(bytes >= 90 * 64);
    CHECK_EQ(parent.live_bytes, live - bytes);
    CHECK_EQ(total_count(a), 10);
    CHECK_EQ(free_count(a), 9);
    CHECK_EQ(goo_pool_trim(a), 0);
    for (unsigned i = 0; i < 30; i++) { /* refilled from what is left, then anew */
        void *q = goo_memory_alloc_with(a, 64);
        CHECK(q != NULL && q != p[55]);
    }
    CHECK_EQ(total_count(a), 40);
    finish(a, &parent);
}

GOO_TEST(pool, reset_orphans_no_block) {
    Parent parent;
    GooPoolOptions options = {.object_size = 64, .objects_per_block = 10};
    GooAllocator *a = make(&parent, options);
    a->track_stats = true;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 100; i++) {
            void *p = i % 3 == 0 ? goo_pool_take(a) : goo_memory_alloc_with(a, 50);
            CHECK(p != NULL);
        }
        CHECK_EQ(total_count(a), 100);
        CHECK(goo_allocator_reset(a));
        CHECK_EQ(free_count(a), 100);
        CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
    }
    CHECK(goo_pool_trim(a) >= 100 * 64);
    CHECK_EQ(total_count(a), 0);
    finish(a, &parent);
}

GOO_TEST(pool, either_form_frees_what_the_other_gave) {
    Parent parent;
    GooPoolOptions options = {.object_size = 48, .objects_per_block = 7};
    GooAllocator *a = make(&parent, options);
    void *live[50] = {NULL};
    uint32_t random = 1;
    for (unsigned i = 0; i < 20000; i++) {
        random = random * 1664525 + 1013904223;
        void **slot = &live[random >> 16 & 31];
        if (*slot == NULL) {
            *slot = (random & 0x100) != 0 ? goo_pool_take(a) : goo_memory_alloc_with(a, 48);
            CHECK(*slot != NULL);
            memset(*slot, (int)(random >> 24), 48);
        } else if ((random & 0x200) != 0) {
            goo_pool_give(a, *slot);
            *slot = NULL;
        } else {
            goo_memory_free_with(a, *slot, 48);
            *slot = NULL;
        }
    }
    CHECK(total_count(a) <= 35);
    finish(a, &parent);
}

GOO_TEST(pool, calls_on_what_is_no_pool_panic) {
    CHECK_PANICS(goo_pool_trim(goo_get_default_allocator()), "no pool");
    CHECK_PANICS(goo_pool_get_stats(NULL, NULL, NULL), "no pool");
}

GOO_TEST(pool, what_is_no_object_is_not_resized) {
    for (int shared = 0; shared < 2; shared++) {
        GooPoolOptions options = {.object_size = 64, .thread_safe = shared != 0};
        GooAllocator *a = goo_pool_allocator_create_with(NULL, &options);
        uint8_t *far = goo_memory_alloc(1 << 20);
        memset(far, 0x5a, 1 << 20);
        void *p = goo_memory_alloc_with(a, 8);
        CHECK_PANICS(goo_memory_realloc_with(a, far + 4096, 8, 16), "no object of this pool");
        CHECK_PANICS(goo_memory_resize_options(a, far + 4096, 8, 16, 0), "no object of this pool");
        CHECK_PTR_EQ(goo_memory_realloc_with(a, p, 8, 64), p);
        goo_memory_free_with(a, p, 64);
        CHECK_PANICS(goo_memory_realloc_with(a, p, 8, 16), "freed before");
        CHECK_PANICS(goo_memory_resize_options(a, p, 8, 16, 0), "freed before");
        CHECK_PTR_EQ(goo_memory_alloc_with(a, 64), p); /* the list is whole */
        goo_memory_free(far, 1 << 20);
        goo_allocator_destroy(a);
    }
}

/* In every build: no address outside of the pool's blocks is taken for an object. */
GOO_TEST(pool, foreign_pointers_panic_and_change_nothing) {
    for (int shared = 0; shared < 2; shared++) {
        GooPoolOptions options = {.object_size = 64, .thread_safe = shared != 0};
        GooAllocator *a = goo_pool_allocator_create_with(NULL, &options);
        uint8_t *far = goo_memory_alloc(1 << 20); /* a mapping of its own */
        memset(far, 0x5a, 1 << 20);
        CHECK_PANICS(goo_memory_free_with(a, far + 4096, 64), "no object of this pool");
        void *p = goo_memory_alloc_with(a, 64);
        CHECK_PANICS(goo_memory_free_with(a, far + 4096, 64), "no object of this pool");
        CHECK_EQ(far[4096], 0x5a);
        size_t before = free_count(a);
        goo_memory_free_with(a, p, 64);
        CHECK_EQ(free_count(a), before + 1);
        goo_memory_free(far, 1 << 20);
        goo_allocator_destroy(a);
    }
}

/* --- the check (private) --- */

static void expect_wrong(Pool *pool, const char *text) {
    const char *wrong = gooi_pool_check(pool);
    CHECK_MSG(wrong != NULL && strstr(wrong, text) != NULL, "said: %s", wrong);
}

GOO_TEST(pool, the_check_finds_each_broken_invariant) {
    GooPoolOptions options = {.object_size = 32, .objects_per_block = 8, .max_objects = 64};
    GooAllocator *a = goo_pool_allocator_create_with(NULL, &options);
    Pool *pool = (Pool *)(void *)a;
    CHECK_PTR_EQ(gooi_pool_check(pool), NULL);
    void *objects[12];
    for (size_t i = 0; i < 12; i++) {
        objects[i] = goo_memory_alloc_with(a, 32);
    }
    goo_memory_free_with(a, objects[3], 32);
    CHECK_PTR_EQ(gooi_pool_check(pool), NULL);
    pool->total++;
    expect_wrong(pool, "POOL-2");
    pool->total--;
    pool->span -= 8;
    expect_wrong(pool, "POOL-4");
    pool->span += 8;
    PoolBlock *first = pool->blocks[0];
    pool->blocks[0] = pool->blocks[1];
    pool->blocks[1] = first;
    expect_wrong(pool, "POOL-2");
    pool->blocks[1] = pool->blocks[0];
    pool->blocks[0] = first;
    first->carved++;
    expect_wrong(pool, "carved");
    first->carved--;
    PoolBlock *fresh = pool->fresh;
    pool->fresh = first;
    first->next_fresh = fresh;
    expect_wrong(pool, "POOL-3");
    pool->fresh = fresh;
    void **list = pool_list(pool);
    void *top = *list;
    *list = (uint8_t *)top + 8;
    expect_wrong(pool, "POOL-1");
    *list = top;
    CHECK_PTR_EQ(gooi_pool_check(pool), NULL);
    goo_allocator_destroy(a);
}
