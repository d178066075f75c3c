/* Arenas under the conformance suite: usual blocks, the smallest, and over pages. */
#include "goo/allocators/arena.h"
#include "tests/conformance/conformance.h"

#define ARENA_CAPABILITIES (GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS | GOO_ALLOCATOR_OWNS)

static GooAllocator *make_arena(GooAllocator *parent) {
    return goo_arena_allocator_create_with(parent, NULL);
}

static GooAllocator *make_tiny(GooAllocator *parent) {
    GooArenaOptions options = {.block_size = 1, .keep_last_block = true};
    return goo_arena_allocator_create_with(parent, &options);
}

static GooAllocator *make_own(GooAllocator *parent) {
    (void)parent;
    return goo_arena_allocator_create(0);
}

static const Conformance arena = {.make = make_arena,
                                  .name = "arena",
                                  .has_parent = true,
                                  .holds_blocks = true,
                                  .persists = true,
                                  .capabilities = ARENA_CAPABILITIES};
static const Conformance tiny_arena = {.make = make_tiny,
                                       .name = "arena",
                                       .has_parent = true,
                                       .holds_blocks = true,
                                       .persists = true,
                                       .capabilities = ARENA_CAPABILITIES};
static const Conformance own_arena = {.make = make_own,
                                      .name = "arena",
                                      .holds_blocks = true,
                                      .persists = true,
                                      .capabilities = ARENA_CAPABILITIES};

GOO_CONFORMANCE(arena, &arena)
GOO_CONFORMANCE(tiny_arena, &tiny_arena)
GOO_CONFORMANCE(own_arena, &own_arena)
