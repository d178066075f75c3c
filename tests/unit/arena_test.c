/* The arena: marks, resets, persistent blocks, what a block costs its parent, the inline form. */
#include "goo/allocators/arena.h"
#include "goo/allocators/arena_inline.h"
#include "goo/allocators/page.h"
#include "goo/runtime/callbacks.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/conformance/parent.h"
#include "tests/harness.h"

enum { BLOCK = 4096 };

static GooAllocator *make(Parent *parent, bool keep_last_block) {
    GooArenaOptions options = {.block_size = BLOCK, .keep_last_block = keep_last_block};
    GooAllocator *a = goo_arena_allocator_create_with(parent_init(parent), &options);
    CHECK(a != NULL);
    return a;
}

static void finish(GooAllocator *a, const Parent *parent) {
    goo_allocator_destroy(a);
    CHECK_EQ(parent->live, 0);
    CHECK_EQ(parent->faults, 0);
}

GOO_TEST(arena, blocks_follow_each_other_without_gaps) {
    Parent parent;
    GooAllocator *a = make(&parent, false);
    uint8_t *x = goo_memory_alloc_options(a, 5, 1, GOO_ALLOC_EXACT);
    uint8_t *y = goo_memory_alloc_options(a, 3, 1, GOO_ALLOC_EXACT);
    CHECK_PTR_EQ(y, x + 5);
    uint8_t *z = goo_memory_alloc_with(a, 1);
    CHECK_PTR_EQ(z, x + 16);
    finish(a, &parent);
}

GOO_TEST(arena, rewind_frees_what_came_after_the_mark_and_nothing_else) {
    Parent parent;
    GooAllocator *a = make(&parent, false);
    a->track_stats = true;
    uint8_t *kept = goo_memory_alloc_with(a, 100);
    memset(kept, 7, 100);
    GooArenaMark mark = goo_arena_mark(a);
    uint8_t *first = goo_memory_alloc_with(a, 50);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 1000; i++) {
            CHECK(goo_memory_alloc_with(a, 100 + i % 50 * 200) != NULL);
        }
        goo_arena_rewind(a, mark);
        CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 100);
        CHECK_EQ(goo_get_alloc_stats(a).allocation_count, 1);
        CHECK_EQ(parent.live, 2); /* the arena and one block: nothing is orphaned */
        CHECK_PTR_EQ(goo_memory_alloc_with(a, 50), first);
        CHECK_EQ(kept[0] + kept[99], 14);
    }
    finish(a, &parent);
}

GOO_TEST(arena, a_mark_of_an_empty_arena_is_its_beginning) {
    Parent parent;
    GooAllocator *a = make(&parent, false);
    GooArenaMark mark = goo_arena_mark(a);
    for (unsigned i = 0; i < 100; i++) {
        CHECK(goo_memory_alloc_with(a, 500) != NULL);
    }
    CHECK(goo_memory_alloc_with(a, 50000) != NULL);
    goo_arena_rewind(a, mark);
    CHECK_EQ(parent.live, 1);
    goo_arena_rewind(a, mark);
    finish(a, &parent);
}

GOO_TEST(arena, nested_marks_stay_good_until_a_rewind_passes_them) {
    Parent parent;
    GooAllocator *a = make(&parent, true);
    GooArenaMark marks[50];
    for (unsigned i = 0; i < 50; i++) {
        marks[i] = goo_arena_mark(a);
        CHECK(goo_memory_alloc_with(a, 300) != NULL);
    }
    for (unsigned i = 50; i-- != 0;) {
        goo_arena_rewind(a, marks[i]);
        if (i + 1 < 50) {
            CHECK_PANICS(goo_arena_rewind(a, marks[i + 1]), "stale");
        }
    }
    finish(a, &parent);
}

GOO_TEST(arena, stale_marks_panic_also_when_the_place_is_in_use_again) {
    Parent parent;
    GooAllocator *a = make(&parent, true);
    CHECK(goo_memory_alloc_with(a, 64) != NULL);
    GooArenaMark outer = goo_arena_mark(a);
    CHECK(goo_memory_alloc_with(a, 64) != NULL);
    GooArenaMark inner = goo_arena_mark(a);
    goo_arena_rewind(a, outer);
    CHECK(goo_memory_alloc_with(a, 1000) != NULL);
    CHECK_PANICS(goo_arena_rewind(a, inner), "stale");
    GooArenaMark later = goo_arena_mark(a);
    goo_arena_rewind(a, later);
    goo_arena_rewind(a, outer);
    goo_arena_reset(a, GOO_ARENA_RETAIN_ALL);
    CHECK(goo_memory_alloc_with(a, 1000) != NULL);
    CHECK_PANICS(goo_arena_rewind(a, outer), "stale");
    finish(a, &parent);
}

GOO_TEST(arena, foreign_marks_and_foreign_allocators_panic) {
    Parent one, two;
    GooAllocator *a = make(&one, false), *b = make(&two, false);
    GooArenaMark of_empty = goo_arena_mark(b);
    CHECK(goo_memory_alloc_with(a, 64) != NULL && goo_memory_alloc_with(b, 64) != NULL);
    GooArenaMark of_b = goo_arena_mark(b);
    CHECK_PANICS(goo_arena_rewind(a, of_b), "another arena's");
    CHECK_PANICS(goo_arena_rewind(a, of_empty), "another arena's");
    CHECK_PANICS(goo_arena_rewind(a, (GooArenaMark){0}), "another arena's");
    CHECK_PANICS(goo_arena_mark(goo_get_default_allocator()), "no arena");
    CHECK_PANICS(goo_arena_reset(a, (GooArenaResetMode)3), "no mode");
    goo_arena_rewind(b, of_b);
    finish(a, &one);
    finish(b, &two);
}

GOO_TEST(arena, a_block_from_before_a_mark_does_not_grow_over_it) {
    Parent parent;
    GooAllocator *a = make(&parent, false);
    uint8_t *x = goo_memory_alloc_with(a, 100);
    memset(x, 1, 100);
    GooArenaMark mark = goo_arena_mark(a);
    CHECK(!goo_memory_resize_options(a, x, 100, 200, 0));
    goo_memory_free_with(a, x, 100); /* gives no room back: the mark stays where it is */
    uint8_t *y = goo_memory_alloc_with(a, 100);
    CHECK(y > x);
    goo_arena_rewind(a, mark);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 100), y);
    finish(a, &parent);
}

static size_t fill(GooAllocator *a) {
    for (unsigned i = 0; i < 100; i++) {
        CHECK(goo_memory_alloc_with(a, 1000) != NULL);
    }
    CHECK(goo_memory_alloc_with(a, 3 * BLOCK) != NULL);
    return 0;
}

GOO_TEST(arena, reset_modes_keep_all_one_or_nothing) {
    Parent parent;
    GooAllocator *a = make(&parent, false);
    a->track_stats = true;
    fill(a);
    size_t live = parent.live, requests = parent.requests;
    for (unsigned i = 0; i < 3; i++) {
        goo_arena_reset(a, GOO_ARENA_RETAIN_ALL);
        CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
        CHECK_EQ(parent.live, live);
        fill(a);
        CHECK_EQ(parent.requests, requests); /* all blocks are reused */
    }
    goo_arena_reset(a, GOO_ARENA_RETAIN_ONE);
    CHECK_EQ(parent.live, 2);
    CHECK(goo_memory_alloc_with(a, 1000) != NULL);
    CHECK_EQ(parent.requests, requests);
    fill(a);
    goo_arena_reset(a, GOO_ARENA_FREE_ALL);
    CHECK_EQ(parent.live, 1);
    CHECK_EQ(goo_get_alloc_stats(a).total_frees, goo_get_alloc_stats(a).total_allocations);
    finish(a, &parent);
}

GOO_TEST(arena, keep_last_block_keeps_one_at_rewind_and_reset) {
    for (int keep = 0; keep < 2; keep++) {
        Parent parent;
        GooAllocator *a = make(&parent, keep != 0);
        GooArenaMark mark = goo_arena_mark(a);
        fill(a);
        goo_arena_rewind(a, mark);
        CHECK_EQ(parent.live, 1u + (unsigned)keep);
        fill(a);
        CHECK(goo_allocator_reset(a));
        CHECK_EQ(parent.live, 1u + (unsigned)keep);
        finish(a, &parent);
    }
}

GOO_TEST(arena, max_bytes_holds_and_a_short_block_uses_the_rest) {
    Parent parent;
    GooArenaOptions options = {.block_size = BLOCK, .max_bytes = 2 * BLOCK + 600};
    GooAllocator *a = goo_arena_allocator_create_with(parent_init(&parent), &options);
    size_t overhead = parent.live_bytes;
    unsigned count = 0;
    while (goo_memory_alloc_with(a, 100) != NULL) {
        count++;
    }
    CHECK_EQ(errno, ENOMEM);
    CHECK(parent.live_bytes - overhead <= options.max_bytes);
    CHECK(count >= 2 * (BLOCK / 112 - 1) + 4);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 10 * BLOCK), NULL);
    goo_arena_reset(a, GOO_ARENA_FREE_ALL);
    uint8_t *p = goo_memory_alloc_with(a, BLOCK + 100); /* large, and grown up to the limit */
    CHECK(p != NULL);
    p = goo_memory_realloc_with(a, p, BLOCK + 100, BLOCK + 500);
    CHECK(p != NULL);
    CHECK_PTR_EQ(goo_memory_realloc_with(a, p, BLOCK + 500, 4 * BLOCK), NULL);
    CHECK_EQ(errno, ENOMEM);
    finish(a, &parent);
}

GOO_TEST(arena, the_last_block_grows_in_place_and_goes_back) {
    Parent parent;
    GooAllocator *a = make(&parent, false);
    uint8_t *x = goo_memory_alloc_with(a, 100);
    uint8_t *y = goo_memory_alloc_with(a, 100);
    memset(y, 9, 100);
    CHECK_PTR_EQ(goo_memory_realloc_with(a, y, 100, 1000), y);
    CHECK(goo_memory_resize_options(a, y, 1000, 2000, 0));
    CHECK(!goo_memory_resize_options(a, x, 100, 101, 0));
    CHECK_EQ(y[99], 9);
    goo_memory_free_with(a, y, 2000);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 50), y);
    finish(a, &parent);
}

GOO_TEST(arena, large_blocks_go_back_to_the_parent_when_freed) {
    Parent parent;
    GooAllocator *a = make(&parent, false);
    uint8_t *p[10];
    for (unsigned i = 0; i < 10; i++) {
        p[i] = goo_memory_alloc_with(a, 10 * BLOCK + i);
        CHECK(p[i] != NULL);
    }
    size_t before = parent.live;
    for (unsigned i = 0; i < 10; i++) {
        unsigned k = (i * 7 + 3) % 10;
        goo_memory_free_with(a, p[k], 10 * BLOCK + k);
    }
    CHECK_EQ(parent.live, before - 10);
    finish(a, &parent);
}

GOO_TEST(arena, persistent_blocks_survive_every_reset_and_rewind) {
    Parent parent;
    GooAllocator *a = make(&parent, false);
    a->track_stats = true;
    GooArenaMark mark = goo_arena_mark(a);
    char *small = goo_memory_alloc_options(a, 10, 0, GOO_ALLOC_PERSIST);
    char *large = goo_memory_alloc_options(a, 5 * BLOCK, 0, GOO_ALLOC_PERSIST | GOO_ALLOC_ZERO);
    memset(small, 's', 10);
    memset(large, 'l', 5 * BLOCK);
    fill(a);
    goo_arena_rewind(a, mark);
    fill(a);
    small = goo_memory_realloc_with(a, small, 10, 3000); /* moves, and stays persistent */
    fill(a);
    for (int mode = 0; mode <= GOO_ARENA_FREE_ALL; mode++) {
        goo_arena_reset(a, (GooArenaResetMode)mode);
        fill(a);
        CHECK(small[0] == 's' && small[9] == 's' && large[0] == 'l' && large[5 * BLOCK - 1] == 'l');
    }
    goo_arena_reset(a, GOO_ARENA_FREE_ALL);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 3000 + 5 * BLOCK);
    goo_memory_free_with(a, large, 5 * BLOCK);
    CHECK_EQ(parent.live, 2); /* the arena, and the block of `small` */
    finish(a, &parent);
}

GOO_TEST(arena, take_is_the_same_memory) {
    Parent parent;
    GooAllocator *a = make(&parent, false);
    errno = 0;
    CHECK_PTR_EQ(goo_arena_take(a, 0, 0), NULL);
    CHECK_EQ(errno, 0);
    uint8_t *previous = goo_memory_alloc_with(a, 16);
    for (size_t i = 1; i < 3000; i++) {
        size_t alignment = (size_t)1 << i % 14;
        uint8_t *p = goo_arena_take(a, i, alignment);
        CHECK(p != NULL && p != previous);
        CHECK_EQ((uintptr_t)p % alignment, 0);
        memset(p, 0xee, i);
        CHECK(goo_allocator_owns(a, p));
        previous = p;
    }
    uint8_t *last = goo_arena_take(a, 100, 0);
    goo_memory_free_with(a, last, 100);
    CHECK_PTR_EQ(goo_arena_take(a, 100, 0), last);
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 15, (size_t)PTRDIFF_MAX + 1};
    for (unsigned i = 0; i < 3; i++) {
        errno = 0;
        CHECK_PTR_EQ(goo_arena_take(a, sizes[i], 0), NULL);
        CHECK_EQ(errno, ENOMEM);
        CHECK_PTR_EQ(goo_arena_take(a, sizes[i], 4096), NULL);
    }
    CHECK_PTR_EQ(goo_arena_take(a, 10, 3), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_PTR_EQ(goo_arena_take(a, 10, 48), NULL);
    goo_arena_reset(a, GOO_ARENA_FREE_ALL);
    parent.fail_at = parent.requests + 1;
    CHECK_PTR_EQ(goo_arena_take(a, 10, 0), NULL);
    CHECK_EQ(errno, ENOMEM);
    finish(a, &parent);
}

GOO_TEST(arena, what_is_taken_inline_is_not_settled) {
    Parent parent;
    GooAllocator *a = make(&parent, false);
    a->track_stats = true;
    GooArenaMark mark = goo_arena_mark(a);
    for (unsigned i = 0; i < 200; i++) {
        CHECK(goo_arena_take(a, 100, 0) != NULL);
        CHECK(goo_memory_alloc_with(a, 10) != NULL);
    }
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 2000);
    goo_arena_rewind(a, mark);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
    CHECK_EQ(goo_get_alloc_stats(a).total_frees, 200);
    finish(a, &parent);
}

GOO_TEST(arena, counters_know_which_side_of_a_mark_a_freed_block_was) {
    Parent parent;
    GooAllocator *a = make(&parent, false);
    a->track_stats = true;
    void *before = goo_memory_alloc_with(a, 100);
    GooArenaMark mark = goo_arena_mark(a);
    void *after = goo_memory_alloc_with(a, 30);
    CHECK(goo_memory_alloc_with(a, 7) != NULL);
    CHECK(goo_memory_alloc_with(a, 2 * BLOCK) != NULL);
    goo_memory_free_with(a, before, 100);
    goo_memory_free_with(a, after, 30);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 7 + 2 * BLOCK);
    goo_arena_rewind(a, mark);
    CHECK_EQ(goo_get_alloc_stats(a).bytes_allocated, 0);
    CHECK_EQ(goo_get_alloc_stats(a).total_frees, 4);
    finish(a, &parent);
}

GOO_TEST(arena, over_pages_zeroed_blocks_read_zero_again_and_again) {
    GooAllocator *pages = goo_page_allocator_create();
    GooArenaOptions options = {.block_size = 1 << 20};
    GooAllocator *a = goo_arena_allocator_create_with(pages, &options);
    for (unsigned round = 0; round < 4; round++) {
        GooArenaMark mark = goo_arena_mark(a);
        for (unsigned i = 1; i < 300; i++) {
            uint8_t *p = goo_memory_alloc_options(a, i * 7, 0, i % 3 != 0 ? GOO_ALLOC_ZERO : 0);
            CHECK(i % 3 == 0 || goo_memory_is_zero(p, i * 7));
            memset(p, 0xff, i * 7);
        }
        goo_arena_rewind(a, mark);
        if (round == 2) {
            goo_arena_reset(a, GOO_ARENA_RETAIN_ALL);
        }
    }
    goo_allocator_destroy(a);
    goo_allocator_destroy(pages);
}

static void count_resets(const GooMemoryEvent *event, void *user) {
    *(unsigned *)user += event->kind == GOO_EVENT_RESET;
}

GOO_TEST(arena, observers_hear_of_either_reset_once) {
    Parent parent;
    GooAllocator *a = make(&parent, false);
    unsigned resets = 0;
    int id = goo_callback_add_observer(count_resets, &resets, 1u << GOO_EVENT_RESET);
    CHECK(id > 0);
    goo_arena_reset(a, GOO_ARENA_RETAIN_ALL);
    CHECK_EQ(resets, 1);
    CHECK(goo_allocator_reset(a));
    CHECK_EQ(resets, 2);
    CHECK_EQ(goo_callback_remove(id), GOO_OK);
    finish(a, &parent);
}

GOO_TEST(arena, the_null_parent_is_this_threads_allocator) {
    Parent parent;
    goo_set_thread_allocator(parent_init(&parent));
    GooAllocator *a = goo_arena_allocator_create(BLOCK);
    goo_set_thread_allocator(NULL);
    CHECK_EQ(parent.live, 1);
    CHECK(goo_memory_alloc_with(a, 100) != NULL); /* from the same, whatever the default is now */
    CHECK_EQ(parent.live, 2);
    errno = 0;
    GooArenaOptions huge = {.block_size = SIZE_MAX};
    CHECK_PTR_EQ(goo_arena_allocator_create_with(NULL, &huge), NULL);
    CHECK_EQ(errno, ENOMEM);
    finish(a, &parent);
}

/* --- marks --- */

typedef struct KnownMark {
    GooArenaMark mark;
    bool good;
    size_t depth; /* how many allocations there were */
} KnownMark;

/* Marks of a long random history: each is good exactly until a rewind went below it. */
GOO_TEST(arena, however_many_rewinds_stale_marks_are_known) {
    enum { MARKS = 400, STEPS = 6000 };
    static KnownMark marks[MARKS];
    Parent parent;
    GooArenaOptions options = {.block_size = 512, .keep_last_block = true};
    GooAllocator *a = goo_arena_allocator_create_with(parent_init(&parent), &options);
    size_t count = 0, depth = 0, refused = 0, rewound = 0;
    uint32_t random = 12345;
    for (size_t step = 0; step < STEPS; step++) {
        random = random * 1664525u + 1013904223u;
        uint32_t pick = random >> 16;
        if (pick % 4 == 0 && count < MARKS) {
            marks[count++] = (KnownMark){goo_arena_mark(a), true, depth};
        } else if (pick % 4 == 1 && count != 0) {
            KnownMark *m = &marks[pick / 4 % count];
            if (!m->good) {
                CHECK_PANICS(goo_arena_rewind(a, m->mark), "stale");
                refused++;
                continue;
            }
            goo_arena_rewind(a, m->mark);
            depth = m->depth;
            rewound++;
            for (size_t i = 0; i < count; i++) {
                marks[i].good &= marks[i].depth <= depth;
            }
        } else {
            CHECK(goo_memory_alloc_options(a, 1 + pick % 300, 1, 0) != NULL);
            depth++;
        }
        if (count == MARKS) {
            goo_arena_reset(a, GOO_ARENA_RETAIN_ONE);
            for (size_t i = 0; i < count; i++) {
                CHECK_PANICS(goo_arena_rewind(a, marks[i].mark), "stale");
            }
            count = depth = 0;
        }
    }
    CHECK_MSG(refused > 100 && rewound > 30, "%zu refused, %zu good", refused, rewound);
    goo_allocator_destroy(a);
    CHECK_EQ(parent.live, 0);
}

GOO_TEST(arena, marking_in_a_loop_takes_no_memory) {
    GooAllocator *a = goo_arena_allocator_create_with(
        NULL, &(GooArenaOptions){.block_size = 1024, .max_bytes = 1024, .keep_last_block = true});
    void *first = NULL;
    for (int i = 0; i < 100000; i++) {
        GooArenaMark mark = goo_arena_mark(a);
        void *p = goo_memory_alloc_with(a, 400);
        CHECK(p != NULL && (i < 2 || p == first));
        first = p;
        CHECK(goo_memory_alloc_with(a, 400) != NULL);
        goo_arena_rewind(a, mark);
    }
    goo_allocator_destroy(a);
}

/* A mark needs no memory of the parent's, also at the very end of a full block. */
GOO_TEST(arena, a_full_arena_can_be_marked) {
    GooAllocator *a = goo_arena_allocator_create_with(
        NULL, &(GooArenaOptions){.block_size = 256, .max_bytes = 256, .keep_last_block = true});
    GooArenaMark empty = goo_arena_mark(a);
    for (size_t left = 0; left < 40; left++) {
        size_t used = 0;
        while (goo_memory_alloc_options(a, 1, 1, 0) != NULL) {
            used++;
        }
        goo_arena_rewind(a, empty);
        for (size_t i = 0; i + left < used; i++) {
            CHECK(goo_memory_alloc_options(a, 1, 1, 0) != NULL);
        }
        GooArenaMark here = goo_arena_mark(a), again = goo_arena_mark(a);
        while (goo_memory_alloc_options(a, 1, 1, 0) != NULL) {
        }
        GooArenaMark end = goo_arena_mark(a);
        goo_arena_rewind(a, end);
        goo_arena_rewind(a, again);
        goo_arena_rewind(a, here);
        goo_arena_rewind(a, empty);
        CHECK_PANICS(goo_arena_rewind(a, here), "stale");
    }
    goo_allocator_destroy(a);
}
