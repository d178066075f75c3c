/* The suite that every allocator runs. A test names a factory and what the allocator promises:
 *
 *     static GooAllocator *make_arena(GooAllocator *parent) {
 *         return goo_arena_allocator_create_with(parent, NULL);
 *     }
 *     static const Conformance arena = {.make = make_arena, .name = "arena", .has_parent = true,
 *                                       .capabilities = GOO_ALLOCATOR_RESETS};
 *     GOO_CONFORMANCE(arena, &arena)
 *
 * and gets one case for each promise, named arena::zero_sizes and so on. What does not apply to an
 * allocator is not run for it; what it does not promise must fail as API and header say.
 */
#ifndef GOO_TESTS_CONFORMANCE_H
#define GOO_TESTS_CONFORMANCE_H

#include "goo/core/types.h"
#include "tests/harness.h"

typedef struct Conformance {
    GooAllocator *(*make)(GooAllocator *parent); /* parent: NULL where has_parent is false */
    const char *name;                            /* what the allocator must call itself */
    bool has_parent;                             /* takes all its memory from the parent */
    bool holds_blocks;     /* destroy frees what is live (with has_parent: proved by counting) */
    uint32_t capabilities; /* exactly these of GOO_ALLOCATOR_* */
    size_t max_size;       /* the largest request that it can meet; 0: no bound worth testing */
    int too_large_errno;   /* what a request above max_size sets */
    size_t max_alignment;  /* 0: at least 64 KiB */
    size_t room;           /* bytes that live blocks may have in all; 0: plenty */
    bool lifo;             /* frees and moves in reverse order only */
    bool persists;         /* GOO_ALLOC_PERSIST survives a reset */
    bool fails_whole;      /* a parent that fails can only make create fail */
    bool guards;           /* watches what lies right behind the bytes that were asked for */
} Conformance;

void conformance_defaults(const Conformance *c);
void conformance_zero_sizes(const Conformance *c);
void conformance_sizes_fill_and_verify(const Conformance *c);
void conformance_sizes_that_can_not_be(const Conformance *c);
void conformance_alignments(const Conformance *c);
void conformance_zeroed(const Conformance *c);
void conformance_options(const Conformance *c);
void conformance_resize_in_place(const Conformance *c);
void conformance_realloc_keeps_content(const Conformance *c);
void conformance_realloc_from_null_and_to_zero(const Conformance *c);
void conformance_failed_realloc_changes_nothing(const Conformance *c);
void conformance_frees_in_three_orders(const Conformance *c);
void conformance_random_walk(const Conformance *c);
void conformance_statistics_are_exact(const Conformance *c);
void conformance_legacy_blocks(const Conformance *c);
void conformance_owns(const Conformance *c);
void conformance_reset(const Conformance *c);
void conformance_destroy_leaves_nothing(const Conformance *c);
void conformance_parent_fails_at_every_step(const Conformance *c);
void conformance_threads(const Conformance *c);
void conformance_pages(const Conformance *c);
void conformance_strategies(const Conformance *c);
void conformance_events(const Conformance *c);
void conformance_refusals(const Conformance *c);
void conformance_destroyed_by_its_function(const Conformance *c);

#define GOO_CONFORMANCE_CASE_(suite, case_, c)                                                     \
    GOO_TEST(suite, case_) {                                                                       \
        conformance_##case_(c);                                                                    \
    }

/* What the front door promises over any mechanism. */
#define GOO_CONFORMANCE_PROMISES(suite, c)                                                         \
    GOO_CONFORMANCE_CASE_(suite, pages, c)                                                         \
    GOO_CONFORMANCE_CASE_(suite, strategies, c)                                                    \
    GOO_CONFORMANCE_CASE_(suite, events, c)                                                        \
    GOO_CONFORMANCE_CASE_(suite, refusals, c)                                                      \
    GOO_CONFORMANCE_CASE_(suite, destroyed_by_its_function, c)

#define GOO_CONFORMANCE(suite, c)                                                                  \
    GOO_CONFORMANCE_CASE_(suite, defaults, c)                                                      \
    GOO_CONFORMANCE_CASE_(suite, zero_sizes, c)                                                    \
    GOO_CONFORMANCE_CASE_(suite, sizes_fill_and_verify, c)                                         \
    GOO_CONFORMANCE_CASE_(suite, sizes_that_can_not_be, c)                                         \
    GOO_CONFORMANCE_CASE_(suite, alignments, c)                                                    \
    GOO_CONFORMANCE_CASE_(suite, zeroed, c)                                                        \
    GOO_CONFORMANCE_CASE_(suite, options, c)                                                       \
    GOO_CONFORMANCE_CASE_(suite, resize_in_place, c)                                               \
    GOO_CONFORMANCE_CASE_(suite, realloc_keeps_content, c)                                         \
    GOO_CONFORMANCE_CASE_(suite, realloc_from_null_and_to_zero, c)                                 \
    GOO_CONFORMANCE_CASE_(suite, failed_realloc_changes_nothing, c)                                \
    GOO_CONFORMANCE_CASE_(suite, frees_in_three_orders, c)                                         \
    GOO_CONFORMANCE_CASE_(suite, random_walk, c)                                                   \
    GOO_CONFORMANCE_CASE_(suite, statistics_are_exact, c)                                          \
    GOO_CONFORMANCE_CASE_(suite, legacy_blocks, c)                                                 \
    GOO_CONFORMANCE_CASE_(suite, owns, c)                                                          \
    GOO_CONFORMANCE_CASE_(suite, reset, c)                                                         \
    GOO_CONFORMANCE_CASE_(suite, destroy_leaves_nothing, c)                                        \
    GOO_CONFORMANCE_CASE_(suite, parent_fails_at_every_step, c)                                    \
    GOO_CONFORMANCE_CASE_(suite, threads, c)                                                       \
    GOO_CONFORMANCE_PROMISES(suite, c)

#endif
