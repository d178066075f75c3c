/* Tracking, limit, failing and debug under the conformance suite: over the suite's parent, over
 * malloc, over an arena, and over each other. They promise what their parents do. */
#include "goo/allocators/arena.h"
#include "goo/allocators/debug.h"
#include "goo/allocators/failing.h"
#include "goo/allocators/limit.h"
#include "goo/allocators/system.h"
#include "goo/allocators/tracking.h"
#include "goo/runtime/memory.h"
#include "tests/conformance/conformance.h"

#define SYSTEM_CAPABILITIES                                                                        \
    (GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_THREAD_SAFE)
#define BUDGET ((size_t)PTRDIFF_MAX)

static GooAllocator *make_tracking(GooAllocator *parent) {
    return goo_tracking_allocator_create(parent);
}

static GooAllocator *make_limit(GooAllocator *parent) {
    return goo_limit_allocator_create(parent, BUDGET);
}

static GooAllocator *make_failing(GooAllocator *parent) {
    return goo_failing_allocator_create(parent, 0);
}

/* Decorators do not own their parents: these three are the test's, one for each case's process and
 * destroyed with the next one. */
static GooAllocator *lower, *middle;

static void forget_lower(void) {
    goo_allocator_destroy(middle);
    goo_allocator_destroy(lower);
    middle = lower = NULL;
}

static GooAllocator *make_tracking_over_malloc(GooAllocator *parent) {
    (void)parent;
    return goo_tracking_allocator_create(NULL);
}

static GooAllocator *make_limit_over_malloc(GooAllocator *parent) {
    (void)parent;
    return goo_limit_allocator_create(NULL, BUDGET);
}

static GooAllocator *make_tracking_over_arena(GooAllocator *parent) {
    forget_lower();
    lower = goo_arena_allocator_create_with(parent, NULL);
    return goo_tracking_allocator_create(lower);
}

static GooAllocator *make_all_over_malloc(GooAllocator *parent) {
    (void)parent;
    forget_lower();
    lower = goo_limit_allocator_create(NULL, BUDGET);
    middle = goo_failing_allocator_create(lower, 0);
    return goo_tracking_allocator_create(middle);
}

static const Conformance tracking = {.make = make_tracking, .name = "tracking", .has_parent = true};
static const Conformance limit = {.make = make_limit, .name = "limit", .has_parent = true};
static const Conformance failing = {.make = make_failing, .name = "failing", .has_parent = true};
static const Conformance tracking_over_malloc = {
    .make = make_tracking_over_malloc, .name = "tracking", .capabilities = SYSTEM_CAPABILITIES};
static const Conformance limit_over_malloc = {
    .make = make_limit_over_malloc, .name = "limit", .capabilities = SYSTEM_CAPABILITIES};
static const Conformance tracking_over_arena = {
    .make = make_tracking_over_arena,
    .name = "tracking",
    .persists = true,
    .capabilities = GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS | GOO_ALLOCATOR_OWNS};
static const Conformance all_over_malloc = {
    .make = make_all_over_malloc, .name = "tracking", .capabilities = SYSTEM_CAPABILITIES};

/* Promises of a block's mechanism; what is the front door's is tested with the others. */
#define BLOCK_CASES(suite)                                                                         \
    GOO_CONFORMANCE_CASE_(suite, defaults, &suite)                                                 \
    GOO_CONFORMANCE_CASE_(suite, sizes_fill_and_verify, &suite)                                    \
    GOO_CONFORMANCE_CASE_(suite, sizes_that_can_not_be, &suite)                                    \
    GOO_CONFORMANCE_CASE_(suite, alignments, &suite)                                               \
    GOO_CONFORMANCE_CASE_(suite, zeroed, &suite)                                                   \
    GOO_CONFORMANCE_CASE_(suite, resize_in_place, &suite)                                          \
    GOO_CONFORMANCE_CASE_(suite, realloc_keeps_content, &suite)                                    \
    GOO_CONFORMANCE_CASE_(suite, realloc_from_null_and_to_zero, &suite)                            \
    GOO_CONFORMANCE_CASE_(suite, failed_realloc_changes_nothing, &suite)                           \
    GOO_CONFORMANCE_CASE_(suite, frees_in_three_orders, &suite)                                    \
    GOO_CONFORMANCE_CASE_(suite, random_walk, &suite)                                              \
    GOO_CONFORMANCE_CASE_(suite, statistics_are_exact, &suite)                                     \
    GOO_CONFORMANCE_CASE_(suite, owns, &suite)                                                     \
    GOO_CONFORMANCE_CASE_(suite, reset, &suite)                                                    \
    GOO_CONFORMANCE_CASE_(suite, destroy_leaves_nothing, &suite)                                   \
    GOO_CONFORMANCE_CASE_(suite, parent_fails_at_every_step, &suite)                               \
    GOO_CONFORMANCE_CASE_(suite, threads, &suite)                                                  \
    GOO_CONFORMANCE_PROMISES(suite, &suite)

static GooAllocator *make_debug(GooAllocator *parent) {
    return goo_debug_allocator_create(parent, NULL);
}

static GooAllocator *make_debug_over_malloc(GooAllocator *parent) {
    (void)parent;
    return goo_debug_allocator_create(NULL, NULL);
}

static const Conformance debug = {
    .make = make_debug, .name = "debug", .has_parent = true, .holds_blocks = true, .guards = true};
static const Conformance debug_over_malloc = {.make = make_debug_over_malloc,
                                              .name = "debug",
                                              .holds_blocks = true,
                                              .guards = true,
                                              .capabilities = SYSTEM_CAPABILITIES};

BLOCK_CASES(debug)
BLOCK_CASES(debug_over_malloc)
BLOCK_CASES(tracking)
BLOCK_CASES(limit)
BLOCK_CASES(failing)
BLOCK_CASES(tracking_over_malloc)
BLOCK_CASES(tracking_over_arena)
BLOCK_CASES(all_over_malloc)
GOO_CONFORMANCE(limit_over_malloc, &limit_over_malloc)
