/* Allocators over allocators under the conformance suite: decorators over what resets, owns or has
 * objects of one size, what subdivides over decorators, debug around all of them.
 *
 *     "tracking:parent=(limit:max=1g,parent=(arena:parent=suite))"
 *                                                          └──── the suite's counting parent
 *
 * Each is opened by its text, so that destroying the top one ends the ones below it, and the suite
 * sees whether anything is left with its parent.
 */
#include "goo/runtime/memory.h"
#include "tests/conformance/conformance.h"

#include <errno.h>

/* More than any request: what is too large for a pool is EINVAL all the same. */
#define BUDGET "9223372036854775807"
enum { POOL_OBJECT_SIZE = 4096, DEBUG_GUARDS = 32, STACK_ROOM = 8 << 20 };

static GooAllocator *suite_parent;

/* Not the registry's to destroy: its struct has no destroy function. */
static GooAllocator *give_suite_parent(const char *options, void *user) {
    (void)options;
    (void)user;
    return suite_parent;
}

static GooAllocator *open_over(GooAllocator *parent, const char *text) {
    GooStatus status = goo_allocator_register("suite", give_suite_parent, NULL);
    CHECK(status == GOO_OK || status == GOO_ERR_BUSY); /* a case before this one did it */
    suite_parent = parent;
    return goo_allocator_open(text);
}

#define FREES GOO_ALLOCATOR_FREES
#define LANE (GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS | GOO_ALLOCATOR_OWNS)
#define DEBUGGED (GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS | GOO_ALLOCATOR_OWNS)
#define SYSTEM (GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_THREAD_SAFE)
#define POOLED .max_size = POOL_OBJECT_SIZE, .max_alignment = 16, .too_large_errno = EINVAL
#define IN_STACK .lifo = true, .room = STACK_ROOM

/* The suite's cases for one text; what follows it are members of Conformance. */
#define COMBINATION(suite_, name_, capabilities_, text_, ...)                                      \
    static GooAllocator *make_##suite_(GooAllocator *parent) {                                     \
        return open_over(parent, text_);                                                           \
    }                                                                                              \
    static const Conformance suite_ = {.make = make_##suite_,                                      \
                                       .name = name_,                                              \
                                       .has_parent = true,                                         \
                                       .holds_blocks = true,                                       \
                                       .capabilities = (capabilities_),                            \
                                       __VA_ARGS__};                                               \
    GOO_CONFORMANCE(suite_, &suite_)

/* Decorators over what resets. */
COMBINATION(tracking_limit_arena, "tracking", LANE,
            "tracking:parent=(limit:max=" BUDGET ",parent=(arena:parent=suite))", .persists = true)
COMBINATION(limit_arena, "limit", LANE, "limit:max=" BUDGET ",parent=(arena:block=4k,parent=suite)",
            .persists = true)
COMBINATION(failing_region, "failing", LANE,
            "failing:parent=(region:block=4k,large=yes,parent=suite)", .persists = true)
COMBINATION(limit_failing_tracking_region, "limit", LANE,
            "limit:max=" BUDGET
            ",parent=(failing:parent=(tracking:parent=(region:large=yes,parent=suite)))",
            .persists = true)
COMBINATION(limit_scoped, "limit", LANE, "limit:max=" BUDGET ",parent=(scoped:parent=suite)",
            .persists = false)
COMBINATION(tracking_stack, "tracking", LANE | FREES,
            "tracking:parent=(stack:size=8m,parent=suite)", IN_STACK)
COMBINATION(limit_pool, "limit", LANE | FREES,
            "limit:max=" BUDGET ",parent=(pool:size=4k,parent=suite)", POOLED)
COMBINATION(tracking_shared_pool, "tracking", LANE | FREES | GOO_ALLOCATOR_THREAD_SAFE,
            "tracking:parent=(pool:size=4k,shared=yes,parent=suite)", POOLED)

/* What subdivides, over decorators and over each other. */
COMBINATION(arena_limit, "arena", LANE,
            "arena:block=4k,keep=yes,parent=(limit:max=" BUDGET ",parent=suite)", .persists = true)
COMBINATION(arena_debug, "arena", LANE, "arena:block=4k,parent=(debug:parent=suite)",
            .persists = true)
COMBINATION(region_tracking, "region", LANE,
            "region:block=4k,large=yes,parent=(tracking:parent=suite)", .persists = true)
COMBINATION(pool_arena_limit, "pool", LANE | FREES,
            "pool:size=4k,block=7,parent=(arena:block=1k,parent=(limit:max=" BUDGET
            ",parent=suite))",
            POOLED)
COMBINATION(scoped_debug, "scoped", LANE, "scoped:parent=(debug:parent=suite)", .persists = false)

/* Two behind one name. */
COMBINATION(fallback_arena_region, "fallback", LANE,
            "fallback:first=(arena:max=40k,parent=suite),second=(region:large=yes,parent=suite)",
            .persists = true)
COMBINATION(fallback_pool, "fallback", FREES | GOO_ALLOCATOR_RESIZES,
            "fallback:first=(pool:size=4k,max=50,parent=suite),second=(debug:parent=suite)",
            .persists = false, .guards = true)

/* Debug around all of them. */
COMBINATION(debug_arena, "debug", DEBUGGED, "debug:parent=(arena:parent=suite)", .persists = true,
            .guards = true)
COMBINATION(debug_region, "debug", DEBUGGED, "debug:parent=(region:large=yes,parent=suite)",
            .persists = true, .guards = true)
COMBINATION(debug_scoped, "debug", DEBUGGED, "debug:parent=(scoped:parent=suite)",
            .persists = false, .guards = true)
COMBINATION(debug_pool, "debug", DEBUGGED | FREES, "debug:parent=(pool:size=4k,parent=suite)",
            .max_size = POOL_OBJECT_SIZE - DEBUG_GUARDS, .max_alignment = 16,
            .too_large_errno = EINVAL)
COMBINATION(debug_tracking_limit_arena, "debug", DEBUGGED,
            "debug:parent=(tracking:parent=(limit:max=" BUDGET ",parent=(arena:parent=suite)))",
            .persists = true, .guards = true)
COMBINATION(tracking_debug_arena, "tracking", DEBUGGED,
            "tracking:parent=(debug:parent=(arena:parent=suite))", .persists = true,
            .guards = true)
COMBINATION(sampled_debug_arena, "debug", DEBUGGED, "debug:sample=3,parent=(arena:parent=suite)",
            .persists = true, .guards = true)
COMBINATION(debug_remembering, "debug", 0, "debug:history=yes,stack=4,parent=suite",
            .persists = false, .guards = true)
