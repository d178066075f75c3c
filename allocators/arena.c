/* The arena: a lane of blocks that die together, and another one for those that persist.
 *
 *     arena ──▶ lane     marks, rewind and reset act on it
 *           ──▶ persist  GOO_ALLOC_PERSIST; used up to destroy
 *           ──▶ source   parent, spare chunks, the limit; of both
 *
 * A mark is a node in the lane (LANE-6), and a serial number that the node has as well. A rewind to
 * an earlier place, or a reset, takes the node away, so a mark is good exactly as long as its node
 * is in the list with its number. Marks of one place share a node, so a loop that marks and rewinds
 * does not grow. An empty arena has no node to give: the mark is NULL then, good until a reset.
 *
 *   ARENA-1  serial numbers begin at a random number and are never used twice, so that a mark of
 *            another arena, or of a node that was there before, is none here
 *   ARENA-2  no mark that is good lies above the cursor
 *
 * Threads: one at a time.
 */
#include "goo/allocators/arena.h"

#include "allocators/impl.h"
#include "goo/allocators/arena_inline.h"
#include "runtime/callbacks.h"
#include "runtime/platform/platform.h"

#include <errno.h>

typedef struct Arena {
    GooiExtendedAllocator head;
    GooiLane lane; /* its first two members are the window of goo_arena_take */
    GooiLane persist;
    GooiChunkSource source;
    bool keep_last_block;
    uint64_t serial, serial_base; /* ARENA-1; the latest one, and the last of before the reset */
} Arena;

_Static_assert(offsetof(GooArenaFast, cursor) == offsetof(Arena, lane.cursor), "arena_inline.h");
_Static_assert(offsetof(GooArenaFast, limit) == offsetof(Arena, lane.limit), "arena_inline.h");

static void *arena_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                           GooAllocOptions options);

static Arena *arena_of(GooAllocator *a, const char *call) {
    GOO_REQUIRE(a != NULL && a->realloc == arena_realloc, "%s: %p is no arena", call, (void *)a);
    return (Arena *)(void *)a;
}

/* --- the mechanism --- */

/* What a bump of the cursor does not settle: PERSIST, ZERO, blocks that are counted, no room. */
static GOOI_NEVER_INLINE void *arena_alloc_rest(Arena *arena, size_t size, size_t alignment,
                                                GooAllocOptions options) {
    bool persist = (options & GOO_ALLOC_PERSIST) != 0;
    GooiLane *lane = persist ? &arena->persist : &arena->lane;
    void *p;
    if ((options & GOOI_LANE_SPECIAL) == GOO_ALLOC_ZERO &&
        gooi_lane_bump(lane, size, alignment, &p)) {
        gooi_lane_zero(lane, p, size);
        return p;
    }
    return gooi_lane_alloc(lane, size, alignment, options);
}

static void *arena_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    Arena *arena = ctx;
    void *p;
    if (GOOI_LIKELY((options & (GOO_ALLOC_PERSIST | GOOI_LANE_SPECIAL)) == 0 &&
                    gooi_lane_bump(&arena->lane, size, alignment, &p))) {
        return p;
    }
    return arena_alloc_rest(arena, size, alignment, options);
}

/* The lane that a block lies in. */
static GooiLane *arena_lane_of(Arena *arena, const void *ptr) {
    return arena->persist.newest != NULL && gooi_lane_owns(&arena->persist, ptr) ? &arena->persist
                                                                                 : &arena->lane;
}

static void *arena_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                           GooAllocOptions options) {
    Arena *arena = ctx;
    return gooi_lane_realloc(arena_lane_of(arena, ptr), ptr, old_size, new_size, alignment,
                             options);
}

static void arena_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    (void)alignment;
    gooi_lane_free(arena_lane_of(ctx, ptr), ptr, size);
}

static bool arena_resize(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment) {
    (void)alignment;
    return gooi_lane_resize(arena_lane_of(ctx, ptr), ptr, old_size, new_size);
}

static bool arena_owns(GooAllocator *a, const void *ptr) {
    Arena *arena = (Arena *)(void *)a;
    return gooi_lane_owns(&arena->lane, ptr) || gooi_lane_owns(&arena->persist, ptr);
}

static bool arena_persists(GooAllocator *a, const void *ptr) {
    return gooi_lane_owns(&((Arena *)(void *)a)->persist, ptr);
}

void *goo_arena_take_slow(GooAllocator *a, size_t size, size_t alignment) {
    Arena *arena = arena_of(a, "goo_arena_take");
    alignment = alignment == 0 ? GOO_DEFAULT_ALIGNMENT : alignment;
    if (size == 0) {
        return NULL;
    }
    if (!gooi_is_power_of_two(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    if (gooi_memory_too_large(size, alignment)) {
        errno = ENOMEM;
        return NULL;
    }
    return gooi_lane_alloc(&arena->lane, size, alignment, GOO_ALLOC_DEFAULT);
}

/* --- marks --- */

GooArenaMark goo_arena_mark(GooAllocator *a) {
    Arena *arena = arena_of(a, __func__);
    uint64_t serial = ++arena->serial;
    const GooiMark *mark = gooi_lane_mark(&arena->lane, serial);
    if (mark == NULL) {
        return (GooArenaMark){.serial = serial};
    }
    return (GooArenaMark){(void *)(uintptr_t)mark, mark->position, mark->serial};
}

/* Whether a mark is good; stores its position. The memory it points to may be gone. */
static bool arena_check_mark(const Arena *arena, GooArenaMark mark, size_t *out_position) {
    *out_position = 0;
    if (mark.block == NULL) {
        return mark.offset == 0 &&
               mark.serial - arena->serial_base - 1 < arena->serial - arena->serial_base;
    }
    const GooiMark *node = arena->lane.marks;
    while (node != NULL && node != mark.block) {
        node = node->older;
    }
    if (node == NULL || node->serial != mark.serial || node->position != mark.offset) {
        return false;
    }
    *out_position = node->position;
    return true;
}

void goo_arena_rewind(GooAllocator *a, GooArenaMark mark) {
    Arena *arena = arena_of(a, __func__);
    size_t position = 0;
    GOO_REQUIRE(arena_check_mark(arena, mark, &position),
                "goo_arena_rewind: the mark at %p, offset %zu, is stale or another arena's",
                mark.block, mark.offset);
    gooi_lane_settle(a, gooi_lane_rewind(&arena->lane, position, GOOI_KEEP_SPARE));
    gooi_callbacks_notify(GOO_EVENT_RESET, a, 0, 0);
}

/* --- reset --- */

static void arena_clear(Arena *arena, GooArenaResetMode mode) {
    GooiKeep keep = mode == GOO_ARENA_RETAIN_ALL ? GOOI_KEEP_ALL : GOOI_KEEP_NONE;
    if (mode == GOO_ARENA_RETAIN_ONE && arena->source.spare_count == 0) {
        size_t spare_max = arena->source.spare_max;
        arena->source.spare_max = 1;
        gooi_lane_settle(&arena->head.allocator, gooi_lane_clear(&arena->lane, GOOI_KEEP_SPARE));
        arena->source.spare_max = spare_max;
    } else {
        gooi_lane_settle(&arena->head.allocator, gooi_lane_clear(&arena->lane, keep));
    }
    if (mode != GOO_ARENA_RETAIN_ALL) {
        gooi_source_trim(&arena->source, mode == GOO_ARENA_RETAIN_ONE ? 1 : 0, false);
    }
    arena->serial_base = ++arena->serial;
}

void goo_arena_reset(GooAllocator *a, GooArenaResetMode mode) {
    GOO_REQUIRE((unsigned)mode <= GOO_ARENA_FREE_ALL, "goo_arena_reset: %d is no mode", (int)mode);
    arena_clear(arena_of(a, __func__), mode);
    gooi_callbacks_notify(GOO_EVENT_RESET, a, 0, 0); /* as goo_allocator_reset does */
}

static void arena_reset(GooAllocator *a) {
    Arena *arena = (Arena *)(void *)a;
    arena_clear(arena, arena->keep_last_block ? GOO_ARENA_RETAIN_ONE : GOO_ARENA_FREE_ALL);
}

/* --- create and destroy --- */

static const GooiAllocatorOps arena_ops = {
    .reset = arena_reset, .owns = arena_owns, .persists = arena_persists};

static void arena_destroy(void *self) {
    Arena *arena = self;
    gooi_lane_clear(&arena->lane, GOOI_KEEP_NONE);
    gooi_lane_clear(&arena->persist, GOOI_KEEP_NONE);
    gooi_source_trim(&arena->source, 0, false);
    GOO_ASSERT(arena->source.reserved == 0, "arena: %zu bytes of its parent's left (LANE-5)",
               arena->source.reserved);
    GooAllocator *parent = arena->source.parent;
    *arena = (Arena){0};
    goo_memory_free_with(parent, arena, sizeof *arena);
}

GooAllocator *goo_arena_allocator_create_with(GooAllocator *parent,
                                              const GooArenaOptions *options) {
    static const GooArenaOptions none = {0};
    options = options != NULL ? options : &none;
    parent = gooi_parent(parent);
    if (options->block_size > GOOI_SIZE_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    Arena *arena = gooi_parent_new(parent, sizeof *arena);
    if (arena == NULL) {
        return NULL;
    }
    gooi_source_init(&arena->source, &arena->head.allocator, parent, options->block_size,
                     options->max_bytes);
    arena->source.spare_max = options->keep_last_block ? 1 : 0;
    gooi_lane_init(&arena->lane, &arena->source);
    gooi_lane_init(&arena->persist, &arena->source);
    arena->keep_last_block = options->keep_last_block;
    arena->serial = arena->serial_base = gooi_platform_random() >> 1;
    arena->head.ops = &arena_ops;
    arena->head.allocator = (GooAllocator){
        .alloc = arena_alloc,
        .realloc = arena_realloc,
        .free = arena_free,
        .destroy = arena_destroy,
        .context = arena,
        .resize = arena_resize,
        .name = "arena",
        .capabilities = GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS | GOO_ALLOCATOR_OWNS |
                        GOOI_ALLOCATOR_EXTENDED | GOOI_ALLOCATOR_PAGES | GOOI_ALLOCATOR_CLAIMS |
                        GOOI_ALLOCATOR_DIRECT,
    };
    return &arena->head.allocator;
}

GooAllocator *goo_arena_allocator_create(size_t block_size) {
    GooArenaOptions options = {.block_size = block_size, .keep_last_block = true};
    return goo_arena_allocator_create_with(NULL, &options);
}
