/* The region: a stack of lanes, one for each depth, and one more for blocks that persist.
 *
 *     current ──▶ level 2 ──outer──▶ level 1 ──outer──▶ level 0 (in the struct)
 *                  lane               lane               lane
 *     spare_levels: structs of levels that ended, for the next begin
 *
 * Every lane has chunks of its own, all from one source, so that a block which grows finds room in
 * the lane that it lies in, however deep the region is by then.
 *
 *   REGION-1  depth is the number of levels above level 0
 *   REGION-2  a begin changes something only when it succeeds, so that an end always ends the level
 *             that its begin made
 *   REGION-3  a block stays in its lane
 *
 * Threads: one at a time.
 */
#include "goo/allocators/region.h"

#include "allocators/impl.h"
#include "runtime/callbacks.h"

#include <errno.h>

enum { REGION_SPARE_CHUNKS = 16 };

typedef struct RegionLevel {
    GooiLane lane;
    struct RegionLevel *outer;
} RegionLevel;

typedef struct Region {
    GooiExtendedAllocator head;
    RegionLevel *current;
    RegionLevel base;
    GooiLane persist;
    GooiChunkSource source;
    size_t depth;
    RegionLevel *spare_levels;
} Region;

static void *region_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size,
                            size_t alignment, GooAllocOptions options);

static Region *region_of(const GooAllocator *a, const char *call) {
    GOO_REQUIRE(a != NULL && a->realloc == region_realloc, "%s: %p is no region", call,
                (const void *)a);
    return (Region *)(uintptr_t)a;
}

/* --- the mechanism --- */

static GOOI_NEVER_INLINE void *region_alloc_rest(Region *region, size_t size, size_t alignment,
                                                 GooAllocOptions options) {
    bool persist = (options & GOO_ALLOC_PERSIST) != 0;
    return gooi_lane_alloc(persist ? &region->persist : &region->current->lane, size, alignment,
                           options);
}

static void *region_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    Region *region = ctx;
    void *p;
    if (GOOI_LIKELY((options & (GOO_ALLOC_PERSIST | GOOI_LANE_SPECIAL)) == 0 &&
                    gooi_lane_bump(&region->current->lane, size, alignment, &p))) {
        return p;
    }
    return region_alloc_rest(region, size, alignment, options);
}

static GooiLane *region_search_lane(Region *region, const void *ptr) {
    for (RegionLevel *level = region->current; level != NULL; level = level->outer) {
        if (gooi_lane_owns(&level->lane, ptr)) {
            return &level->lane;
        }
    }
    return gooi_lane_owns(&region->persist, ptr) ? &region->persist : NULL;
}

/* The lane that a block lies in (REGION-3). */
static GooiLane *region_lane_of(Region *region, const void *ptr, const char *call) {
    GooiLane *lane = &region->current->lane;
    if (lane->newest != NULL && (uintptr_t)ptr - (uintptr_t)lane->newest < lane->newest->size) {
        return lane;
    }
    lane = region_search_lane(region, ptr);
    GOO_REQUIRE(lane != NULL, "region: %s of %p, which is no block of it, or of a depth that ended",
                call, ptr);
    return lane;
}

static void *region_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size,
                            size_t alignment, GooAllocOptions options) {
    return gooi_lane_realloc(region_lane_of(ctx, ptr, "realloc"), ptr, old_size, new_size,
                             alignment, options);
}

static void region_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    (void)alignment;
    gooi_lane_free(region_lane_of(ctx, ptr, "free"), ptr, size);
}

static bool region_resize(void *ctx, void *ptr, size_t old_size, size_t new_size,
                          size_t alignment) {
    (void)alignment;
    return gooi_lane_resize(region_lane_of(ctx, ptr, "resize"), ptr, old_size, new_size);
}

static bool region_owns(GooAllocator *a, const void *ptr) {
    return region_search_lane((Region *)(void *)a, ptr) != NULL;
}

static bool region_persists(GooAllocator *a, const void *ptr) {
    return gooi_lane_owns(&((Region *)(void *)a)->persist, ptr);
}

/* --- begin and end --- */

static RegionLevel *region_new_level(Region *region) {
    RegionLevel *level = region->spare_levels;
    if (level == NULL) {
        return gooi_parent_new(region->source.parent, sizeof *level);
    }
    region->spare_levels = level->outer;
    return level;
}

GooStatus goo_region_begin(GooAllocator *a) {
    Region *region = region_of(a, __func__);
    RegionLevel *level = region_new_level(region);
    if (level == NULL) {
        return GOO_ERR_NO_MEMORY;
    }
    gooi_lane_init(&level->lane, &region->source);
    level->outer = region->current;
    region->current = level;
    region->depth++;
    return GOO_OK;
}

/* The innermost level goes, and what it counted is settled. */
static void region_pop(Region *region, GooiKeep keep) {
    RegionLevel *level = region->current;
    GooiDropped dropped = gooi_lane_clear(&level->lane, keep);
    region->current = level->outer;
    region->depth--;
    level->outer = region->spare_levels;
    region->spare_levels = level;
    gooi_lane_settle(&region->head.allocator, dropped);
}

GooStatus goo_region_end(GooAllocator *a) {
    Region *region = region_of(a, __func__);
    if (region->depth == 0) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    region_pop(region, GOOI_KEEP_SPARE);
    gooi_callbacks_notify(GOO_EVENT_RESET, a, 0, 0);
    return GOO_OK;
}

size_t goo_region_depth(const GooAllocator *a) {
    return region_of(a, __func__)->depth;
}

/* --- reset, create, destroy --- */

static void region_free_spare_levels(Region *region) {
    while (region->spare_levels != NULL) {
        RegionLevel *level = region->spare_levels;
        region->spare_levels = level->outer;
        goo_memory_free_with(region->source.parent, level, sizeof *level);
    }
}

static void region_reset(GooAllocator *a) {
    Region *region = (Region *)(void *)a;
    while (region->depth != 0) {
        region_pop(region, GOOI_KEEP_SPARE);
    }
    gooi_lane_settle(a, gooi_lane_clear(&region->base.lane, GOOI_KEEP_SPARE));
    gooi_source_trim(&region->source, 1, false);
    region_free_spare_levels(region);
}

static const GooiAllocatorOps region_ops = {
    .reset = region_reset, .owns = region_owns, .persists = region_persists};

static void region_destroy(void *self) {
    Region *region = self;
    region->head.allocator.track_stats = false; /* nobody reads the counters any more */
    while (region->depth != 0) {
        region_pop(region, GOOI_KEEP_NONE);
    }
    gooi_lane_clear(&region->base.lane, GOOI_KEEP_NONE);
    gooi_lane_clear(&region->persist, GOOI_KEEP_NONE);
    gooi_source_trim(&region->source, 0, false);
    region_free_spare_levels(region);
    GOO_ASSERT(region->source.reserved == 0, "region: %zu bytes of its parent's left (LANE-5)",
               region->source.reserved);
    GooAllocator *parent = region->source.parent;
    *region = (Region){0};
    goo_memory_free_with(parent, region, sizeof *region);
}

GooAllocator *goo_region_allocator_create_with(GooAllocator *parent,
                                               const GooRegionOptions *options) {
    static const GooRegionOptions none = {0};
    options = options != NULL ? options : &none;
    parent = gooi_parent(parent);
    if (options->region_size > GOOI_SIZE_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    Region *region = gooi_parent_new(parent, sizeof *region);
    if (region == NULL) {
        return NULL;
    }
    gooi_source_init(&region->source, &region->head.allocator, parent, options->region_size, 0);
    region->source.spare_max = REGION_SPARE_CHUNKS;
    region->source.refuse_large = !options->allow_large;
    gooi_lane_init(&region->base.lane, &region->source);
    gooi_lane_init(&region->persist, &region->source);
    region->current = &region->base;
    region->head.ops = &region_ops;
    region->head.allocator = (GooAllocator){
        .alloc = region_alloc,
        .realloc = region_realloc,
        .free = region_free,
        .destroy = region_destroy,
        .context = region,
        .resize = region_resize,
        .name = "region",
        .capabilities = GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS | GOO_ALLOCATOR_OWNS |
                        GOOI_ALLOCATOR_EXTENDED | GOOI_ALLOCATOR_PAGES | GOOI_ALLOCATOR_CLAIMS |
                        GOOI_ALLOCATOR_DIRECT,
    };
    return &region->head.allocator;
}

GooAllocator *goo_region_allocator_create(size_t region_size, bool allow_large) {
    GooRegionOptions options = {.region_size = region_size, .allow_large = allow_large};
    return goo_region_allocator_create_with(NULL, &options);
}
