/* Lazy sweep: turning what marking left into holes, a block at a time.
 *
 * When marking ends every block with objects is UNSWEPT; a region sweeps it when it takes it, and
 * whatever no region took is swept before the next marking begins (otherwise a dead object's colour
 * would come round again). Sweeping is arithmetic on the block's 4 KiB of metadata
 * (runtime/kernels/kernels.h) and never touches object memory, except to poison it on request.
 *
 * SWEEP-1  the memory of an unswept block is intact: dead objects can still be finalized.
 * SWEEP-2  after gooi_sweep_finish no metadata of a dead object is left anywhere.
 */
#include <string.h>

#include "gc/heap.h"
#include "runtime/bits.h"
#include "runtime/platform/platform.h"

#define GOOI_POISON 0xDB

static void sweep_poison(uintptr_t block, const uint64_t *occupied) {
    for (size_t g = 0; g < GOOI_BLOCK_GRANULES; g++) {
        if ((occupied[g / 64] >> (g % 64) & 1) == 0) {
            memset((void *)(block + (g << GOOI_GRANULE_LOG2)), GOOI_POISON, GOOI_GRANULE_SIZE);
        }
    }
}

/* Clears the metadata of the block's dead objects and says which granules the others occupy; the
 * block is SWEPT, or FREE when nothing is left. Returns the number of occupied granules. */
size_t gooi_sweep_block(GooGcHeap *heap, uintptr_t address, uint64_t *occupied) {
    GooiBlock *block = gooi_block_of(address);
    size_t count = gooi_kernels->sweep(gooi_metadata_of(address), GOOI_BLOCK_GRANULES,
                                       GOO_GC_COLOUR_MASK, heap->colour, GOO_GC_END, occupied);
    if (heap->options.poison) {
        sweep_poison(address, occupied);
    }
    block->state = count == 0 ? GOOI_BLOCK_FREE : GOOI_BLOCK_SWEPT;
    block->idle_ticks = 0;
    block->has_holes = count < GOOI_BLOCK_GRANULES;
    GOO_ASSERT(heap->unswept_count > 0, "gc: a block swept twice, at %p", (void *)address);
    if (--heap->unswept_count == 0) {
        gooi_notify(heap, GOO_GC_EVENT_SWEPT,
                    heap->used_bytes - heap->live_bytes - heap->since_bytes);
    }
    return count;
}

/* What marked objects in blocks occupy, in bytes: read off the tables of all blocks at once, which
 * is far cheaper than adding up sizes while marking (0.1 ns an object against about 2). */
size_t gooi_sweep_count_live(GooGcHeap *heap) {
    uint64_t occupied[GOOI_BLOCK_MAP_WORDS];
    size_t granules = 0;
    for (uint32_t i = 0; gooi_block_at_or_after(heap, &i); i++) {
        uintptr_t address = gooi_block_address(heap, i);
        if (gooi_block_of(address)->state != GOOI_BLOCK_FREE) {
            granules += gooi_kernels->occupancy(gooi_metadata_of(address), GOOI_BLOCK_GRANULES,
                                                GOO_GC_COLOUR_MASK, heap->colour, GOO_GC_END,
                                                occupied);
        }
    }
    return granules << GOOI_GRANULE_LOG2;
}

/* The compiler makes vectors of the inner loop. */
static size_t sweep_count_marked(uintptr_t block, uint8_t colour) {
    const uint8_t *table = gooi_metadata_of(block);
    size_t count = 0;
    for (size_t g = 0; g < GOOI_BLOCK_GRANULES; g += 128) {
        uint8_t marked = 0;
        for (size_t i = g; i < g + 128; i++) {
            marked += (table[i] & GOO_GC_COLOUR_MASK) == colour;
        }
        count += marked;
    }
    return count;
}

/* How many marked objects there are in blocks. */
size_t gooi_sweep_count_marked(const GooGcHeap *heap) {
    size_t count = 0;
    for (uint32_t i = 0; gooi_block_at_or_after(heap, &i); i++) {
        uintptr_t address = gooi_block_address(heap, i);
        if (gooi_block_of(address)->state != GOOI_BLOCK_FREE) {
            count += sweep_count_marked(address, heap->colour);
        }
    }
    return count;
}

/* Marking has ended: every block with objects is to be swept, and regions start over. */
void gooi_sweep_begin(GooGcHeap *heap) {
    heap->unswept_count = 0;
    for (uint32_t i = 0; gooi_block_at_or_after(heap, &i); i++) {
        GooiBlock *block = gooi_block_of(gooi_block_address(heap, i));
        if (block->state != GOOI_BLOCK_FREE) {
            block->state = GOOI_BLOCK_UNSWEPT;
            heap->unswept_count++;
        }
    }
    for (GooGcMutator *m = heap->mutators; m != NULL; m = m->next) {
        m->small->next_block = m->medium->next_block = 0;
    }
}

/* Sweeps what no region has taken. */
void gooi_sweep_finish(GooGcHeap *heap) {
    uint64_t occupied[GOOI_BLOCK_MAP_WORDS];
    if (heap->unswept_count == 0) {
        return;
    }
    uint64_t start = gooi_platform_time_ns();
    for (uint32_t i = 0; gooi_block_at_or_after(heap, &i); i++) {
        uintptr_t address = gooi_block_address(heap, i);
        if (gooi_block_of(address)->state == GOOI_BLOCK_UNSWEPT) {
            gooi_sweep_block(heap, address, occupied);
        }
    }
    heap->stats.sweep_ns += gooi_platform_time_ns() - start;
}

static bool sweep_is_idle(const GooiBlock *block) {
    return block->state == GOOI_BLOCK_FREE &&
           (block->clean || block->idle_ticks >= GOOI_DECAY_TICKS);
}

/* Gives the memory of a slab's idle blocks back to the OS; they are clean again. */
static size_t sweep_release_blocks(GooGcHeap *heap, GooiSlab *slab) {
    size_t released = 0;
    for (size_t b = GOOI_FIRST_BLOCK; b < GOOI_SLAB_BLOCKS; b++) {
        GooiBlock *block = &slab->blocks[b];
        void *address = (char *)slab + (b << GOOI_BLOCK_LOG2);
        if (!block->clean && sweep_is_idle(block) &&
            gooi_platform_discard(address, GOOI_BLOCK_SIZE)) {
            block->clean = true;
            gooi_space_unaccount(heap, GOOI_BLOCK_SIZE, GOOI_BLOCK_TABLE_SIZE);
            released += GOOI_BLOCK_SIZE;
        }
    }
    return released;
}

/* Gives a slab without objects back, so that it can serve as any kind. */
static size_t sweep_release_slab(GooGcHeap *heap, GooiSlab *slab) {
    size_t dirty = 0;
    for (size_t b = GOOI_FIRST_BLOCK; b < GOOI_SLAB_BLOCKS; b++) {
        dirty += !slab->blocks[b].clean;
    }
    gooi_space_unaccount(heap, dirty * GOOI_BLOCK_SIZE, dirty * GOOI_BLOCK_TABLE_SIZE);
    gooi_slab_release(heap, slab->index, 1);
    return dirty * GOOI_BLOCK_SIZE;
}

/* The slab's free blocks are `ticks` older; whether all of it is idle. */
static bool sweep_age_slab(GooiSlab *slab, uint8_t ticks) {
    bool idle = true;
    for (size_t b = GOOI_FIRST_BLOCK; b < GOOI_SLAB_BLOCKS; b++) {
        GooiBlock *block = &slab->blocks[b];
        if (block->state == GOOI_BLOCK_FREE && block->idle_ticks < GOOI_DECAY_TICKS) {
            block->idle_ticks = (uint8_t)(block->idle_ticks + ticks);
        }
        idle &= sweep_is_idle(block);
    }
    return idle;
}

/* Free blocks have aged by `ticks`: gives slabs and blocks that are idle by now back to the OS,
 * until `most` bytes are; the bytes of blocks. */
size_t gooi_sweep_release_idle(GooGcHeap *heap, uint8_t ticks, size_t most) {
    size_t released = 0;
    gooi_sweep_finish(heap);
    for (uint32_t i = 0; i < heap->slab_count; i++) {
        GooiSlab *slab = (GooiSlab *)gooi_slab_address(heap, i);
        if (heap->slabs[i].kind == GOOI_SLAB_BLOCKS_OF) {
            bool idle = sweep_age_slab(slab, ticks);
            if (released < most) {
                released += idle ? sweep_release_slab(heap, slab)
                                 : sweep_release_blocks(heap, slab);
            }
        }
    }
    return released;
}

/* Gives all empty slabs and blocks back to the OS; the bytes of blocks. */
size_t gooi_sweep_release_empty(GooGcHeap *heap) {
    return gooi_sweep_release_idle(heap, GOOI_DECAY_TICKS, SIZE_MAX);
}
