/* Regions, scopes, fixed buffers, stacks and fallbacks under the conformance suite. */
#include "goo/allocators/fallback.h"
#include "goo/allocators/fixed.h"
#include "goo/allocators/region.h"
#include "goo/allocators/scoped.h"
#include "goo/allocators/stack.h"
#include "goo/allocators/system.h"
#include "goo/runtime/memory.h"
#include "tests/conformance/conformance.h"

#include <errno.h>

enum { ROOM = 8 << 20 };
#define LANE_CAPABILITIES (GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS | GOO_ALLOCATOR_OWNS)

static GooAllocator *make_region(GooAllocator *parent) {
    GooRegionOptions options = {.region_size = 4096, .allow_large = true};
    return goo_region_allocator_create_with(parent, &options);
}

static GooAllocator *make_inner(GooAllocator *parent) {
    GooAllocator *a = make_region(parent);
    if (a != NULL && goo_region_begin(a) != GOO_OK) {
        goo_allocator_destroy(a);
        errno = ENOMEM;
        return NULL;
    }
    return a;
}

static GooAllocator *make_scope(GooAllocator *parent) {
    return goo_scoped_allocator_create(parent);
}

static GooAllocator *make_fixed(GooAllocator *parent) {
    static uint8_t bytes[ROOM + 1];
    static GooFixedBuffer state;
    (void)parent;
    return goo_fixed_allocator_init(&state, bytes + 1, ROOM);
}

static GooAllocator *make_stack(GooAllocator *parent) {
    return goo_stack_allocator_create(parent, ROOM);
}

static uint8_t first_bytes[50000];
static GooFixedBuffer first_state;

static GooAllocator *make_fallback(GooAllocator *parent) {
    GooAllocator *first = goo_fixed_allocator_init(&first_state, first_bytes, sizeof first_bytes);
    return goo_fallback_allocator_create(first, parent);
}

static const Conformance region = {.make = make_region,
                                   .name = "region",
                                   .has_parent = true,
                                   .holds_blocks = true,
                                   .persists = true,
                                   .capabilities = LANE_CAPABILITIES};
static const Conformance inner_region = {.make = make_inner,
                                         .name = "region",
                                         .has_parent = true,
                                         .holds_blocks = true,
                                         .persists = true,
                                         .capabilities = LANE_CAPABILITIES};
static const Conformance scope = {.make = make_scope,
                                  .name = "scoped",
                                  .has_parent = true,
                                  .holds_blocks = true,
                                  .capabilities = LANE_CAPABILITIES};
static const Conformance fixed = {
    .make = make_fixed, .name = "fixed", .room = ROOM, .capabilities = LANE_CAPABILITIES};
static const Conformance stack = {.make = make_stack,
                                  .name = "stack",
                                  .has_parent = true,
                                  .holds_blocks = true,
                                  .room = ROOM,
                                  .lifo = true,
                                  .capabilities = LANE_CAPABILITIES | GOO_ALLOCATOR_FREES};
static const Conformance fallback = {.make = make_fallback,
                                     .name = "fallback",
                                     .has_parent = true,
                                     .capabilities = GOO_ALLOCATOR_RESIZES};

GOO_CONFORMANCE(region, &region)
GOO_CONFORMANCE(inner_region, &inner_region)
GOO_CONFORMANCE(scope, &scope)
GOO_CONFORMANCE(fixed, &fixed)
GOO_CONFORMANCE(stack, &stack)
GOO_CONFORMANCE(fallback, &fallback)
