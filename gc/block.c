/* Regions and the blocks they take: where the mutator's next memory comes from.
 *
 * Each region goes through the blocks in address order, once per cycle. A block that the last
 * collection left unswept is swept when a region takes it, while its metadata comes into the cache
 * anyway; its holes are then handed out front to back. Free blocks are taken as they come, a fresh
 * slab when the end is reached.
 *
 *   next_block ─▶ | full | holes | free | holes | … | end ─▶ new slab
 *
 * Two regions: `small` feeds the inline fast path, hole after hole (alloc.c). `medium` takes what
 * finds no room in small's block, though that has many holes left; it searches its block's holes
 * first-fit and leaves what it can't use for small. So a long object makes short ones lose few
 * holes, and short holes never make the heap look full to long objects.
 *
 * BLOCK-1  memory is handed out only from holes of blocks swept in this cycle, or never used: so
 *          what is young and unmarked when marking ends is dead.
 * BLOCK-2  a free block's metadata is all zero.
 * BLOCK-3  a block is IN_USE for at most one region.
 *
 * Threads: each mutator has two regions of its own; which block is whose changes under the heap's
 * lock.
 */
#include <string.h>

#include "gc/heap.h"
#include "runtime/platform/platform.h"

/* In granules. A hole of one serves nothing but 16-byte objects: it counts when memory is short. */
static size_t block_min_hole(const GooGcHeap *heap) {
    return heap->tight ? 1 : 2;
}

uintptr_t gooi_block_address(const GooGcHeap *heap, uint32_t index) {
    return heap->base + ((uintptr_t)index << GOOI_BLOCK_LOG2);
}

/* Moves *index to the next block that is in a slab of blocks; false at the end. */
bool gooi_block_at_or_after(const GooGcHeap *heap, uint32_t *index) {
    uint32_t end = heap->slab_count * (uint32_t)GOOI_SLAB_BLOCKS;
    while (*index < end) {
        uint32_t slab = *index / (uint32_t)GOOI_SLAB_BLOCKS;
        uint32_t first = slab * (uint32_t)GOOI_SLAB_BLOCKS;
        if (heap->slabs[slab].kind != GOOI_SLAB_BLOCKS_OF) {
            *index = first + (uint32_t)GOOI_SLAB_BLOCKS;
        } else if (*index < first + GOOI_FIRST_BLOCK) {
            *index = first + (uint32_t)GOOI_FIRST_BLOCK;
        } else {
            return true;
        }
    }
    return false;
}

void gooi_region_enter_hole(GooiRegion *region, GooiHole hole) {
    region->cursor = region->block + ((uintptr_t)hole.first << GOOI_GRANULE_LOG2);
    region->end = region->cursor + ((uintptr_t)hole.count << GOOI_GRANULE_LOG2);
}

/* Cuts `granules` off the first hole of the block that has them: [cursor, end) is exactly that. */
bool gooi_region_first_fit(GooiRegion *region, size_t granules) {
    for (size_t i = region->hole_index; i < region->hole_count; i++) {
        GooiHole *hole = &region->holes[i];
        if (hole->count >= granules) {
            gooi_region_enter_hole(region, (GooiHole){hole->first, (uint16_t)granules});
            hole->first = (uint16_t)(hole->first + granules);
            hole->count = (uint16_t)(hole->count - granules);
            return true;
        }
        if (hole->count == 0 && i == region->hole_index) {
            region->hole_index++;
        }
    }
    return false;
}

static size_t block_young(uintptr_t block) {
    return gooi_kernels->count_nonzero(gooi_metadata_of(block), GOOI_BLOCK_GRANULES,
                                       GOO_GC_COLOUR_YOUNG);
}

/* How many objects were made in the region's block since it took it. */
size_t gooi_region_objects(const GooiRegion *region) {
    return region->block == 0 ? 0 : block_young(region->block) - region->young_before;
}

/* The region has no holes; what is looked at together has no length (small.c). */
static void region_clear_holes(GooiRegion *region) {
    region->hole_index = region->hole_count = 0;
    memset(region->holes, 0, GOOI_HOLES_NEAR * sizeof region->holes[0]);
}

/* Ends the region's use of its block. */
void gooi_region_give_back(GooGcMutator *m, GooiRegion *region) {
    if (region->block == 0) {
        return;
    }
    m->heap->stats.allocated_objects += gooi_region_objects(region);
    GooiBlock *block = gooi_block_of(region->block);
    block->state = GOOI_BLOCK_SWEPT;
    block->has_holes = region == m->medium && region->hole_index < region->hole_count;
    region->block = 0;
    region->cursor = region->end = 0;
    region->may_lose = 0;
    region_clear_holes(region);
}

#define GOOI_ZERO_AHEAD_FROM ((size_t)8 << 20) /* in use: more than caches hold */
#define GOOI_ZERO_AHEAD_HOLE 16                /* granules a hole, on average */
#define GOOI_LOSS_SHARE 4 /* one part in so many of a block's free space may be given up */

/* Counts the free granules of the holes, and ends their list. */
static size_t region_count_holes(GooiRegion *region) {
    size_t granules = 0;
    for (size_t i = 0; i < region->hole_count; i++) {
        granules += region->holes[i].count;
    }
    region->may_lose = granules / GOOI_LOSS_SHARE;
    memset(&region->holes[region->hole_count], 0, GOOI_HOLES_NEAR * sizeof region->holes[0]);
    return granules;
}

/* Whether the block is zeroed some ahead of its use (small.c): where it comes from memory, the
 * kernel takes no branch for each hole, and most lines are free anyway, for all are fetched. */
static bool region_zeroes_ahead(const GooGcHeap *heap, const GooiRegion *region, size_t granules) {
    return gooi_kernels->zero_clear_is_fast && heap->used_bytes >= GOOI_ZERO_AHEAD_FROM &&
           granules >= GOOI_BLOCK_GRANULES * 3 / 8 &&
           granules >= region->hole_count * GOOI_ZERO_AHEAD_HOLE;
}

/* The holes are listed already. */
static void region_use(const GooGcHeap *heap, GooiRegion *region, GooiBlock *block,
                       uintptr_t address, size_t young) {
    block->state = GOOI_BLOCK_IN_USE;
    region->block = address;
    region->cursor = region->end = address;
    region->hole_index = 0;
    region->young_before = young;
    bool ahead = region_zeroes_ahead(heap, region, region_count_holes(region));
    region->zeroed = region->clean ? address + GOOI_BLOCK_SIZE : ahead ? address : 0;
}

/* Takes a fresh block's page faults in one call where pages are small, except for a heap's first
 * block: a heap of a few objects, of which there may be thousands, stays at a few pages. */
static void block_fault_in(const GooGcHeap *heap, uintptr_t address) {
    if (!gooi_slab_of(address)->huge_pages && heap->used_bytes > GOOI_BLOCK_SIZE) {
        gooi_platform_populate((void *)address, GOOI_BLOCK_SIZE);
    }
}

static bool region_take_free(GooGcHeap *heap, GooiRegion *region, GooiBlock *block,
                             uintptr_t address) {
    if (block->clean && !gooi_space_account(heap, GOOI_BLOCK_SIZE, GOOI_BLOCK_TABLE_SIZE)) {
        return false;
    }
    if (block->clean) {
        gooi_account_settle(heap);
        block_fault_in(heap, address);
    }
    memset(region->occupied, 0, sizeof region->occupied);
    region->holes[0] = (GooiHole){0, GOOI_BLOCK_GRANULES};
    region->hole_count = 1;
    region->clean = block->clean;
    region_use(heap, region, block, address, 0);
    block->clean = false;
    return true;
}

/* What lives in a block that was given back: survivors, and objects made since. */
static void block_occupancy(const GooGcHeap *heap, uintptr_t address, uint64_t *occupied) {
    uint64_t young[GOOI_BLOCK_MAP_WORDS];
    const uint8_t *table = gooi_metadata_of(address);
    gooi_kernels->occupancy(table, GOOI_BLOCK_GRANULES, GOO_GC_COLOUR_MASK, heap->colour,
                            GOO_GC_END, occupied);
    gooi_kernels->occupancy(table, GOOI_BLOCK_GRANULES, GOO_GC_COLOUR_MASK, GOO_GC_COLOUR_YOUNG,
                            GOO_GC_END, young);
    for (size_t i = 0; i < GOOI_BLOCK_MAP_WORDS; i++) {
        occupied[i] |= young[i];
    }
}

/* Takes a block that may have objects in it, if it has holes. */
static bool region_take_partial(GooGcHeap *heap, GooiRegion *region, GooiBlock *block,
                                uintptr_t address) {
    uint64_t *occupied = region->occupied;
    size_t young = 0;
    if (block->state == GOOI_BLOCK_UNSWEPT) {
        gooi_sweep_block(heap, address, occupied);
    } else if (block->has_holes) {
        block_occupancy(heap, address, occupied);
        young = block_young(address);
    } else {
        return false;
    }
    region->hole_count = gooi_kernels->list_holes(occupied, GOOI_BLOCK_GRANULES,
                                                  block_min_hole(heap), region->holes);
    block->has_holes = region->hole_count != 0;
    if (!block->has_holes) {
        region_clear_holes(region); /* the kernel has scribbled on them */
        return false;
    }
    region->clean = false;
    region_use(heap, region, block, address, young);
    return true;
}

/* Takes the next block with holes, or makes a new slab. A clean block that the hard limit refuses
 * is passed over: blocks behind it may have holes, which are counted already. False: memory,
 * address space or the hard limit is exhausted; the region then has no block. */
bool gooi_region_next_block(GooGcMutator *m, GooiRegion *region) {
    GooGcHeap *heap = m->heap;
    uint32_t first_refused = UINT32_MAX;
    gooi_region_give_back(m, region);
    gooi_decay_poll(heap);
    for (;;) {
        for (; gooi_block_at_or_after(heap, &region->next_block); region->next_block++) {
            uintptr_t address = gooi_block_address(heap, region->next_block);
            GooiBlock *block = gooi_block_of(address);
            bool taken = false;
            if (block->state == GOOI_BLOCK_FREE) {
                taken = region_take_free(heap, region, block, address);
                if (!taken && first_refused == UINT32_MAX) {
                    first_refused = region->next_block;
                }
            } else if (block->state != GOOI_BLOCK_IN_USE) {
                taken = region_take_partial(heap, region, block, address);
            }
            if (taken) {
                region->next_block++;
                return true;
            }
        }
        if (first_refused != UINT32_MAX) {
            region->next_block = first_refused; /* to be looked at again next time */
            return false;
        }
        const GooiSlab *slab = gooi_slab_acquire(heap, 1, GOOI_SLAB_BLOCKS_OF);
        if (slab == NULL) {
            return false;
        }
        region->next_block = slab->index * (uint32_t)GOOI_SLAB_BLOCKS; /* maybe a step back */
    }
}
