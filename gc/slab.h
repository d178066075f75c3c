/* Where objects lie: slabs of address space, their blocks and pages, and the regions that hand
 * their holes out to mutators. gc/metadata.h has the sizes, and the way from an address to a slab.
 *
 *   heap->slabs[i] ── what slab i is, without touching it
 *   slab           ── its header: the states of its blocks, or the runs of its pages
 *   region         ── the block that a mutator takes holes from
 *
 * Threads: slabs under the heap's lock, or while the world is stopped; a region is its mutator's.
 */
#ifndef GOO_GC_SLAB_H
#define GOO_GC_SLAB_H

#include "gc/metadata.h"
#include "runtime/kernels/kernels.h"

enum { GOOI_SLAB_FREE, GOOI_SLAB_BLOCKS_OF, GOOI_SLAB_LARGE, GOOI_SLAB_HUGE, GOOI_SLAB_HUGE_TAIL };

/* What an address's slab is, without touching the slab: an element of heap->slabs. */
typedef struct GooiSlabEntry {
    uint32_t kind;
    uint32_t head; /* HUGE_TAIL: index of the slab in which the object starts; LARGE: no run of free
                      pages is longer than this */
} GooiSlabEntry;

/* FREE    no objects, table all zero; may be clean, that is never written since it was committed
 * UNSWEPT holds the last collection's survivors and garbage
 * SWEPT   holds objects, and has been looked through in this cycle; may have holes
 * IN_USE  a region hands its holes out */
enum { GOOI_BLOCK_FREE, GOOI_BLOCK_UNSWEPT, GOOI_BLOCK_SWEPT, GOOI_BLOCK_IN_USE };

typedef struct GooiBlock {
    uint8_t state;
    bool clean;
    bool dropped; /* the mark stack dropped an object of this block: trace its marked ones again */
    bool has_holes; /* SWEPT: given back with holes that a region can still use */
    uint8_t idle_ticks; /* FREE: for how long (decay.c) */
} GooiBlock;

/* The head of a slab, in the part of its table that would describe the table itself. */
typedef struct GooiSlab {
    uint32_t index, kind;
    bool huge_pages; /* advised */
    GooiBlock blocks[GOOI_SLAB_BLOCKS];
    /* of slabs of large objects: */
    bool dropped;
    uint8_t idle_ticks; /* since pages came into use or went out of it (decay.c) */
    uint32_t pages_used;
    uint64_t page_map[GOOI_SLAB_PAGES / 64];    /* set: used */
    uint64_t touched_map[GOOI_SLAB_PAGES / 64]; /* set: written since it was clean, and counted */
    uint16_t run_first[GOOI_SLAB_PAGES];     /* of a used page: the first page of its run */
    uint64_t run_size[GOOI_SLAB_PAGES];      /* of a run's first page: the object's bytes, else 0 */
} GooiSlab;

_Static_assert(sizeof(GooiSlab) <= GOOI_TABLE_SIZE >> GOOI_GRANULE_LOG2,
               "the slab's header must fit the table of the table");

/* What counts for a block that has been written to: its bytes and its page of metadata. */
#define GOOI_BLOCK_TABLE_SIZE GOOI_BLOCK_GRANULES

#define GOOI_HOLES_NEAR 8 /* holes that are looked at together */

/* A source of holes: a block, its hole list, and the hole being used. */
typedef struct GooiRegion {
    uintptr_t block;        /* 0: none */
    uintptr_t cursor, end;  /* what is left of the current hole */
    bool clean;             /* the block's memory is zero already */
    uint32_t next_block;    /* where its search goes on: slab * 64 + block */
    size_t hole_index, hole_count; /* those not entered yet */
    uintptr_t zeroed;       /* what is free of the block before this address is zero; 0: nothing */
    size_t may_lose;        /* granules of short holes that may still be given up */
    size_t young_before;    /* young objects in the block when it was taken */
    uint64_t occupied[GOOI_BLOCK_MAP_WORDS]; /* granules, when it was taken */
    GooiHole holes[GOOI_BLOCK_GRANULES / 2 + 8];
} GooiRegion;

/* Memory that was empty for so many ticks goes back to the OS. */
#define GOOI_DECAY_TICKS 8

/* The slab in which `address` lies; the address must be of a slab that is not a huge one's tail. */
static inline GooiSlab *gooi_slab_of(uintptr_t address) {
    return (GooiSlab *)gooi_slab_base(address);
}

static inline unsigned gooi_block_index(uintptr_t address) {
    return (unsigned)((address & GOOI_SLAB_MASK) >> GOOI_BLOCK_LOG2);
}

static inline GooiBlock *gooi_block_of(uintptr_t address) {
    return &gooi_slab_of(address)->blocks[gooi_block_index(address)];
}

/* --- prototypes, by the file that defines them --- */

/* space.c */
bool gooi_space_init(GooGcHeap *heap);
void gooi_space_deinit(GooGcHeap *heap);
void gooi_space_zero(uintptr_t start, size_t size);
GooiSlab *gooi_slab_acquire(GooGcHeap *heap, uint32_t count, uint32_t kind);
void gooi_slab_release(GooGcHeap *heap, uint32_t first, uint32_t count);

/* block.c */
size_t gooi_region_objects(const GooiRegion *region); /* made in its block since it was taken */
void gooi_region_enter_hole(GooiRegion *region, GooiHole hole);
bool gooi_region_first_fit(GooiRegion *region, size_t granules);
bool gooi_region_next_block(GooGcMutator *m, GooiRegion *region);
bool gooi_block_at_or_after(const GooGcHeap *heap, uint32_t *index);
uintptr_t gooi_block_address(const GooGcHeap *heap, uint32_t index);
void gooi_region_give_back(GooGcMutator *m, GooiRegion *region);

/* sweep.c */
size_t gooi_sweep_count_live(GooGcHeap *heap);
size_t gooi_sweep_count_marked(const GooGcHeap *heap); /* objects in blocks */
void gooi_sweep_begin(GooGcHeap *heap);
void gooi_sweep_finish(GooGcHeap *heap);
size_t gooi_sweep_block(GooGcHeap *heap, uintptr_t block, uint64_t *occupied);
size_t gooi_sweep_release_empty(GooGcHeap *heap);
size_t gooi_sweep_release_idle(GooGcHeap *heap, uint8_t ticks, size_t most);

/* large.c */
void *gooi_large_alloc(GooGcHeap *heap, size_t size, unsigned metadata);
size_t gooi_large_sweep(GooGcHeap *heap); /* the bytes of those that live */
size_t gooi_large_count_marked(const GooGcHeap *heap);
size_t gooi_large_size(const GooGcHeap *heap, uintptr_t object);
uintptr_t gooi_large_base_of(const GooGcHeap *heap, uintptr_t address);
size_t gooi_large_release_empty(GooGcHeap *heap);
size_t gooi_large_release_idle(GooGcHeap *heap, uint8_t ticks, size_t most);

/* object.c */
uintptr_t gooi_object_base_of(const GooGcHeap *heap, uintptr_t address);
size_t gooi_object_granules(const GooGcHeap *heap, uintptr_t object);
bool gooi_object_is_marked(const GooGcHeap *heap, const void *object);

/* decay.c */
void gooi_decay_poll(GooGcHeap *heap);

#endif
