/* Blocks that go without a free each, below the back of whoever counts them: every way in which an
 * allocator takes blocks back in bulk, under every stack of decorators. Claims are in
 * allocators/claims.h. */
#include "goo/allocators.h"
#include "goo/goo.h"
#include "goo_memory.h"
#include "tests/harness.h"

#include <errno.h>

enum { BIG = 200000, BUDGET = 1000000 };

/* --- ways to take back --- */

typedef struct Way {
    const char *name;
    GooAllocator *(*make)(void);
    void (*begin)(GooAllocator *base); /* what comes after it goes */
    void (*take_back)(GooAllocator *base);
    size_t largest; /* block that the base can have */
    bool partial;   /* what was there before `begin` stays */
} Way;

static GooAllocator *make_arena(void) {
    return goo_arena_allocator_create(4096);
}

static GooArenaMark mark;
static void arena_begin(GooAllocator *a) {
    mark = goo_arena_mark(a);
}
static void arena_rewind(GooAllocator *a) {
    goo_arena_rewind(a, mark);
}
static void arena_retain_all(GooAllocator *a) {
    goo_arena_reset(a, GOO_ARENA_RETAIN_ALL);
}
static void arena_retain_one(GooAllocator *a) {
    goo_arena_reset(a, GOO_ARENA_RETAIN_ONE);
}
static void arena_free_all(GooAllocator *a) {
    goo_arena_reset(a, GOO_ARENA_FREE_ALL);
}

static GooAllocator *make_region(void) {
    return goo_region_allocator_create(4096, true);
}
static void region_begin(GooAllocator *a) {
    CHECK_EQ(goo_region_begin(a), GOO_OK);
}
static void region_end(GooAllocator *a) {
    CHECK_EQ(goo_region_end(a), GOO_OK);
}

static GooAllocator *make_scoped(void) {
    return goo_scoped_allocator_create(NULL);
}
static size_t scope_place;
static void scope_begin(GooAllocator *a) {
    scope_place = goo_scope_mark(a);
}
static void scope_unwind(GooAllocator *a) {
    goo_scope_unwind(a, scope_place);
}

static GooAllocator *make_pool(void) {
    return goo_pool_allocator_create(512, 8);
}
static GooAllocator *make_shared_pool(void) {
    GooPoolOptions options = {.object_size = 512, .thread_safe = true};
    return goo_pool_allocator_create_with(NULL, &options);
}

static GooAllocator *make_stack(void) {
    return goo_stack_allocator_create(NULL, 1 << 20);
}

static GooFixedBuffer fixed;
static GooAllocator *make_fixed(void) {
    static uint8_t bytes[1 << 20];
    return goo_fixed_allocator_init(&fixed, bytes, sizeof bytes);
}

static void nothing(GooAllocator *a) {
    (void)a;
}
static void reset(GooAllocator *a) {
    CHECK(goo_allocator_reset(a));
}

static const Way ways[] = {
    {"arena rewind", make_arena, arena_begin, arena_rewind, BIG, true},
    {"arena reset", make_arena, nothing, reset, BIG, false},
    {"arena retain all", make_arena, nothing, arena_retain_all, BIG, false},
    {"arena retain one", make_arena, nothing, arena_retain_one, BIG, false},
    {"arena free all", make_arena, nothing, arena_free_all, BIG, false},
    {"region end", make_region, region_begin, region_end, BIG, true},
    {"region reset", make_region, region_begin, reset, BIG, false},
    {"scope unwind", make_scoped, scope_begin, scope_unwind, BIG, true},
    {"scope reset", make_scoped, nothing, reset, BIG, false},
    {"pool reset", make_pool, nothing, reset, 300, false},
    {"shared pool reset", make_shared_pool, nothing, reset, 300, false},
    {"stack reset", make_stack, nothing, reset, BIG, false},
    {"fixed reset", make_fixed, nothing, reset, BIG, false},
};

/* --- stacks of decorators --- */

/* One letter each, the outermost first: t tracking, l limit, f failing, d debug, b a fallback with
 * malloc behind it. A capital letter also sets track_stats. */
static const char *const stacks[] = {
    "t",   "l",   "f",   "d",  "T",   "L",  "F",   "D",   "tl",    "lt",
    "tft", "LFT", "TLF", "ll", "LLL", "td", "dt",  "TDL", "LDT",   "ldd",
    "b",   "B",   "tb",  "lb", "TB",  "LB", "tbl", "tbt", "LFBTL", "dbl",
};

enum { HEIGHT = 8 };
typedef struct Stack {
    GooAllocator *base;
    GooAllocator *floors[HEIGHT]; /* floors[0] lies on the base */
    char kinds[HEIGHT];
    size_t height;
} Stack;

static GooAllocator *decorate(char kind, GooAllocator *parent) {
    switch (kind | 0x20) {
    case 't':
        return goo_tracking_allocator_create(parent);
    case 'l':
        return goo_limit_allocator_create(parent, BUDGET);
    case 'f':
        return goo_failing_allocator_create(parent, 0);
    case 'b':
        return goo_fallback_allocator_create(parent, goo_get_default_allocator());
    default:
        return goo_debug_allocator_create(parent,
                                          &(GooDebugOptions){.quarantine_bytes = GOO_DEBUG_NONE});
    }
}

static void stack_build(Stack *s, const char *kinds, GooAllocator *base) {
    *s = (Stack){.base = base, .height = strlen(kinds)};
    GooAllocator *parent = base;
    for (size_t i = 0; i < s->height; i++) {
        s->kinds[i] = kinds[s->height - 1 - i];
        parent = s->floors[i] = decorate(s->kinds[i], parent);
        CHECK(parent != NULL);
        parent->track_stats = s->kinds[i] < 'a';
    }
}

static GooAllocator *stack_top(const Stack *s) {
    return s->floors[s->height - 1];
}

static void stack_destroy(Stack *s) {
    while (s->height != 0) {
        goo_allocator_destroy(s->floors[--s->height]);
    }
    goo_allocator_destroy(s->base);
}

/* What each floor says is live: `bytes` in `count` blocks, or under a debug allocator a bit more
 * for its guards. */
static void stack_check(const Stack *s, const char *way, size_t bytes, size_t count) {
    bool guarded = false;
    for (size_t i = s->height; i-- != 0;) {
        const GooAllocator *a = s->floors[i];
        size_t used = bytes, blocks = count;
        char kind = s->kinds[i] | 0x20;
        if (kind == 'l') {
            used = goo_limit_used(a);
        } else if (kind == 'd') {
            blocks = goo_debug_live_count(s->floors[i]);
        }
        if (kind == 't' || a->track_stats) {
            GooAllocStats stats = goo_get_alloc_stats(s->floors[i]);
            used = stats.bytes_allocated;
            blocks = stats.allocation_count;
            CHECK_EQ(stats.total_allocations - stats.total_frees, stats.allocation_count);
        }
        bool good = blocks == count && (used == bytes || (guarded && count != 0 && used > bytes));
        CHECK_MSG(good, "%s: %s, floor %zu: %zu bytes in %zu blocks, not %zu in %zu", way, s->kinds,
                  i, used, blocks, bytes, count);
        guarded |= kind == 'd';
    }
}

/* --- each way under each stack --- */

/* Blocks of many kinds and one kept; they go, and figures are those of the one; then again. */
static void go_through(const Way *way, const char *kinds, bool persist) {
    Stack s;
    stack_build(&s, kinds, way->make());
    GooAllocator *a = stack_top(&s);
    size_t largest = way->largest;
    for (int round = 0; round < 3; round++) {
        void *kept = goo_memory_alloc_options(a, 40, 0, persist ? GOO_ALLOC_PERSIST : 0);
        CHECK(kept != NULL);
        way->begin(s.base);
        uint8_t *p = goo_memory_alloc_with(a, 100);
        CHECK(goo_memory_alloc_with(s.base, 64) != NULL); /* nobody's but the base's */
        void *freed = goo_memory_alloc_options(a, 50, 8, 0);
        goo_memory_free_options(a, freed, 50, 8);
        void *big = goo_memory_alloc_options(a, largest, 0, GOO_ALLOC_ZERO);
        CHECK(p != NULL && big != NULL);
        void *grown = goo_memory_alloc_with(a, 10);
        CHECK(grown != NULL);
        grown = goo_memory_realloc_with(a, grown, 10, 300);
        CHECK(grown != NULL);
        stack_check(&s, way->name, 40 + 100 + largest + 300, 4);
        way->take_back(s.base);
        bool stays = way->partial || persist;
        stack_check(&s, way->name, stays ? 40 : 0, stays);
        if (stays) {
            goo_memory_free_with(a, kept, 40);
        }
        stack_check(&s, way->name, 0, 0);
    }
    stack_destroy(&s);
}

GOO_TEST(claims, every_way_under_every_stack) {
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        for (size_t j = 0; j < sizeof stacks / sizeof stacks[0]; j++) {
            bool moves = strpbrk(stacks[j], "dD") != NULL; /* a debug allocator's realloc does */
            if (ways[i].make != make_stack || !moves) {
                go_through(&ways[i], stacks[j], false);
            }
        }
    }
}

GOO_TEST(claims, persistent_blocks_stay_counted) {
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (ways[i].make == make_arena || ways[i].make == make_region) {
            for (size_t j = 0; j < sizeof stacks / sizeof stacks[0]; j++) {
                go_through(&ways[i], stacks[j], true);
            }
        }
    }
}

/* A reset of the top is a reset of the base. */
GOO_TEST(claims, resetting_the_top_settles_once) {
    static const char *const tops[] = {"t", "tl", "LT", "tft", "LLL", "td", "DT"};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        for (size_t j = 0; j < sizeof tops / sizeof tops[0]; j++) {
            Stack s;
            stack_build(&s, tops[j], ways[i].make());
            for (int round = 0; round < 2; round++) {
                CHECK(goo_memory_alloc_with(stack_top(&s), 100) != NULL);
                CHECK(goo_memory_alloc_with(stack_top(&s), 200) != NULL);
                stack_check(&s, ways[i].name, 300, 2);
                CHECK(goo_allocator_reset(stack_top(&s)));
                stack_check(&s, ways[i].name, 0, 0);
            }
            stack_destroy(&s);
        }
    }
}

GOO_TEST(claims, two_trackers_side_by_side) {
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        GooAllocator *base = ways[i].make();
        GooAllocator *one = goo_tracking_allocator_create(base);
        GooAllocator *two = goo_limit_allocator_create(base, BUDGET);
        CHECK(goo_memory_alloc_with(one, 30) != NULL);
        ways[i].begin(base);
        CHECK(goo_memory_alloc_with(two, 40) != NULL && goo_memory_alloc_with(one, 50) != NULL);
        CHECK_EQ(goo_get_alloc_stats(one).bytes_allocated, 80);
        CHECK_EQ(goo_limit_used(two), 40);
        ways[i].take_back(base);
        CHECK_EQ(goo_get_alloc_stats(one).bytes_allocated, ways[i].partial ? 30 : 0);
        CHECK_EQ(goo_limit_used(two), 0);
        goo_allocator_destroy(one); /* with a block of its own still there: it is the base's */
        ways[i].begin(base);
        CHECK(goo_memory_alloc_with(two, 40) != NULL);
        ways[i].take_back(base);
        CHECK_EQ(goo_limit_used(two), 0);
        goo_allocator_destroy(two);
        goo_allocator_destroy(base);
    }
}

GOO_TEST(claims, a_budget_comes_back_for_the_next_one) {
    GooAllocator *arena = goo_arena_allocator_create(4096);
    GooAllocator *all = goo_limit_allocator_create(arena, 1000);
    GooAllocator *one = goo_limit_allocator_create(all, 800);
    GooAllocator *two = goo_limit_allocator_create(all, 800);
    GooArenaMark start = goo_arena_mark(arena);
    for (int round = 0; round < 10; round++) {
        CHECK(goo_memory_alloc_with(one, 800) != NULL);
        CHECK_PTR_EQ(goo_memory_alloc_with(two, 201), NULL);
        goo_arena_rewind(arena, start);
        CHECK(goo_memory_alloc_with(two, 800) != NULL);
        CHECK_PTR_EQ(goo_memory_alloc_with(one, 201), NULL);
        CHECK_EQ(goo_limit_used(all), 800);
        goo_arena_rewind(arena, start);
        CHECK_EQ(goo_limit_used(all) + goo_limit_used(one) + goo_limit_used(two), 0);
    }
    goo_allocator_destroy(one);
    goo_allocator_destroy(two);
    goo_allocator_destroy(all);
    goo_allocator_destroy(arena);
}

/* A base in each half of a fallback, with a tracker above and limits below. */
GOO_TEST(claims, each_half_of_a_fallback_settles_its_own) {
    GooAllocator *first = goo_stack_allocator_create(NULL, 1024);
    GooAllocator *second = goo_arena_allocator_create(4096);
    GooAllocator *first_limit = goo_limit_allocator_create(first, BUDGET);
    GooAllocator *second_limit = goo_limit_allocator_create(second, BUDGET);
    GooAllocator *both = goo_fallback_allocator_create(first_limit, second_limit);
    both->track_stats = true;
    GooAllocator *top = goo_tracking_allocator_create(both);
    CHECK(goo_memory_alloc_with(top, 500) != NULL);
    CHECK(goo_memory_alloc_with(top, 700) != NULL); /* the second's */
    CHECK_EQ(goo_limit_used(first_limit), 500);
    CHECK_EQ(goo_limit_used(second_limit), 700);
    goo_arena_reset(second, GOO_ARENA_FREE_ALL);
    CHECK_EQ(goo_get_alloc_stats(top).bytes_allocated, 500);
    CHECK_EQ(goo_get_alloc_stats(both).bytes_allocated, 500);
    CHECK_EQ(goo_limit_used(second_limit), 0);
    CHECK(goo_memory_alloc_with(top, 701) != NULL);
    CHECK(goo_allocator_reset(first));
    CHECK_EQ(goo_get_alloc_stats(top).bytes_allocated, 701);
    CHECK_EQ(goo_get_alloc_stats(both).allocation_count, 1);
    CHECK_EQ(goo_limit_used(first_limit), 0);
    CHECK_EQ(goo_limit_used(second_limit), 701);
    CHECK(goo_allocator_reset(top)); /* both */
    CHECK_EQ(goo_get_alloc_stats(top).bytes_allocated, 0);
    CHECK_EQ(goo_limit_used(second_limit), 0);
    goo_allocator_destroy(top);
    goo_allocator_destroy(both);
    goo_allocator_destroy(first_limit);
    goo_allocator_destroy(second_limit);
    goo_allocator_destroy(first);
    goo_allocator_destroy(second);
}

/* Freed blocks that a debug allocator holds back, some on pages made inaccessible, go too. */
GOO_TEST(claims, a_quarantine_is_taken_back) {
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        GooAllocator *base = ways[i].make();
        GooAllocator *below = goo_tracking_allocator_create(base);
        GooDebugOptions options = {.quarantine_bytes = 1 << 20, .retain_metadata = (i & 1) != 0};
        GooAllocator *debug = goo_debug_allocator_create(below, &options);
        for (int round = 0; round < 3; round++) {
            ways[i].begin(base);
            void *p[3];
            size_t sizes[3] = {50, ways[i].largest / 2, 60};
            for (size_t k = 0; k < 3; k++) {
                p[k] = goo_memory_alloc_with(debug, sizes[k]);
                CHECK(p[k] != NULL);
            }
            if (ways[i].make != make_stack) {
                goo_memory_free_with(debug, p[1], sizes[1]);
                goo_memory_free_with(debug, p[0], sizes[0]);
                CHECK_EQ(goo_debug_live_count(debug), 1);
                CHECK_EQ(goo_get_alloc_stats(below).allocation_count, 3); /* two held back */
            }
            ways[i].take_back(base);
            CHECK_EQ(goo_debug_live_count(debug), 0);
            CHECK_EQ(goo_get_alloc_stats(below).allocation_count, 0);
            CHECK_EQ(goo_debug_report(debug, NULL) + goo_debug_check(debug, NULL), 0);
        }
        goo_allocator_destroy(debug);
        goo_allocator_destroy(below);
        goo_allocator_destroy(base);
    }
}

GOO_TEST(claims, blocks_that_are_not_sampled) {
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        GooAllocator *base = ways[i].make();
        GooAllocator *below = goo_limit_allocator_create(base, BUDGET);
        GooAllocator *debug =
            goo_debug_allocator_create(below, &(GooDebugOptions){.sample_every = 4});
        debug->track_stats = true;
        ways[i].begin(base);
        for (size_t k = 1; k <= 10; k++) {
            CHECK(goo_memory_alloc_with(debug, 10 * k) != NULL);
        }
        CHECK_EQ(goo_debug_live_count(debug), 2);
        CHECK_EQ(goo_get_alloc_stats(debug).bytes_allocated, 550);
        ways[i].take_back(base);
        CHECK_EQ(goo_debug_live_count(debug), 0);
        CHECK_EQ(goo_limit_used(below), 0);
        CHECK_EQ(goo_get_alloc_stats(debug).bytes_allocated, 0);
        goo_allocator_destroy(debug);
        goo_allocator_destroy(below);
        goo_allocator_destroy(base);
    }
}

/* Hidden headers and whole pages: what is settled is what was counted. */
GOO_TEST(claims, legacy_blocks_and_whole_pages) {
    static const char *const tops[] = {"L", "LF", "TL", "FB"};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        for (size_t j = 0; j < sizeof tops / sizeof tops[0]; j++) {
            Stack s;
            stack_build(&s, tops[j], ways[i].make());
            ways[i].begin(s.base);
            goo_set_default_allocator(stack_top(&s));
            CHECK(goo_alloc(100) != NULL);
            goo_set_default_allocator(NULL);
            CHECK(goo_memory_alloc_with(stack_top(&s), 60) != NULL);
            size_t pages = ways[i].largest < 4096 ? 0 : 100;
            if (pages != 0) {
                void *p = goo_memory_alloc_options(stack_top(&s), 100, 0, GOO_ALLOC_PAGE);
                CHECK(p != NULL && (uintptr_t)p % 4096 == 0);
            }
            GooAllocStats stats = goo_get_alloc_stats(stack_top(&s));
            if (s.kinds[s.height - 1] != 'T') {
                CHECK_EQ(stats.bytes_allocated, 160 + pages);
                CHECK(stats.bytes_reserved > stats.bytes_allocated);
            }
            ways[i].take_back(s.base);
            for (size_t k = 0; k < s.height; k++) {
                stats = goo_get_alloc_stats(s.floors[k]);
                CHECK_EQ(stats.bytes_allocated + stats.bytes_reserved + stats.allocation_count, 0);
            }
            stack_destroy(&s);
        }
    }
}

/* The base's own counters see the same blocks, and settle them too. */
GOO_TEST(claims, a_base_with_counters_settles_both) {
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        GooAllocator *base = ways[i].make();
        base->track_stats = true;
        GooAllocator *top = goo_tracking_allocator_create(base);
        ways[i].begin(base);
        size_t paged = ways[i].largest < 4096 ? 0 : GOO_ALLOC_PAGE;
        CHECK(goo_memory_alloc_options(top, 100, 0, (GooAllocOptions)paged) != NULL);
        CHECK(goo_memory_alloc_with(base, 10) != NULL);
        CHECK_EQ(goo_get_alloc_stats(base).bytes_allocated, 110);
        ways[i].take_back(base);
        CHECK_EQ(goo_get_alloc_stats(base).bytes_allocated, 0);
        CHECK_EQ(goo_get_alloc_stats(base).allocation_count, 0);
        CHECK_EQ(goo_get_alloc_stats(top).allocation_count, 0);
        goo_allocator_destroy(top);
        goo_allocator_destroy(base);
    }
}

GOO_TEST(claims, the_end_of_a_base_settles_too) {
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        GooAllocator *base = ways[i].make();
        GooAllocator *top = goo_limit_allocator_create(base, BUDGET);
        CHECK(goo_memory_alloc_with(top, 100) != NULL);
        goo_allocator_destroy(base);
        CHECK_EQ(goo_limit_used(top), 0);
        goo_allocator_destroy(top);
    }
}

/* Numbers of claims are used again only after all others; one block outlives its claimant. */
GOO_TEST(claims, numbers_go_round) {
    GooAllocator *arena = goo_arena_allocator_create(4096);
    GooAllocator *first = goo_limit_allocator_create(arena, BUDGET);
    CHECK(goo_memory_alloc_with(first, 100) != NULL);
    goo_allocator_destroy(first);
    for (int i = 0; i < 1000; i++) {
        GooAllocator *a = goo_limit_allocator_create(arena, BUDGET);
        CHECK(goo_memory_alloc_with(a, 10) != NULL);
        CHECK_EQ(goo_limit_used(a), 10);
        goo_allocator_destroy(a);
    }
    GooAllocator *last = goo_limit_allocator_create(arena, BUDGET);
    CHECK(goo_memory_alloc_with(last, 7) != NULL);
    goo_arena_reset(arena, GOO_ARENA_FREE_ALL);
    CHECK_EQ(goo_limit_used(last), 0);
    goo_allocator_destroy(last);
    goo_allocator_destroy(arena);
}

/* --- events --- */

static size_t resets;
static GooAllocator *reset_of;
static void count_resets(const GooMemoryEvent *event, void *user) {
    (void)user;
    resets += event->allocator == reset_of;
}

GOO_TEST(claims, every_way_is_one_event) {
    int id = goo_callback_add_observer(count_resets, NULL, 1u << GOO_EVENT_RESET);
    CHECK(id > 0);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        reset_of = ways[i].make();
        resets = 0;
        ways[i].begin(reset_of);
        ways[i].take_back(reset_of);
        CHECK_MSG(resets == 1, "%s: %zu events", ways[i].name, resets);
        goo_allocator_destroy(reset_of);
    }
    CHECK_EQ(goo_callback_remove(id), GOO_OK);
}
