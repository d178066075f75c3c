/* The table of blocks: what leak detection, safety, never_unmap and retain_metadata know. Private.
 *
 * While GooMemoryConfig asks for one of them, every block of a root allocator has a record here,
 * found by its address. A record outlives its block if freed blocks are to be told from foreign
 * ones.
 *
 *     no record ──add──▶ live ──take──▶ with the caller ──drop──▶ no record
 *                                              └──retire──▶ freed ──add of a block there──▶ live
 *
 *   BLOCKS-1  an address has at most one record
 *   BLOCKS-2  a record leaves the table before its block may be given back, so that a thread that
 *             is then given the same address finds it free
 *   BLOCKS-3  under never_unmap a freed record keeps its block: poisoned, whole pages of it
 *             inaccessible, and given back only when the table ends; frees look at some
 *             of them each
 */
#ifndef GOO_RUNTIME_BLOCKS_H
#define GOO_RUNTIME_BLOCKS_H

#include "goo/core/types.h"
#include "runtime/base.h"
#include "runtime/globals.h"
#include "runtime/policy.h"

#include <stdatomic.h>

enum {
    GOOI_BLOCKS_LEAKS = 1,   /* enable_leak_detection */
    GOOI_BLOCKS_SAFETY = 2,  /* enable_safety */
    GOOI_BLOCKS_KEEP = 4,    /* never_unmap */
    GOOI_BLOCKS_HISTORY = 8, /* retain_metadata */
    GOOI_BLOCKS_STRIPES = 64
};

typedef struct GooiBlock {
    struct GooiBlock *next;
    void *ptr;
    size_t size;    /* header included */
    size_t padding; /* what the mechanism knows beyond it */
    size_t header, alignment;
    GooAllocator *allocator;
    GooiSite allocated, freed;
    uintptr_t freeing_thread; /* 0: the block is live */
} GooiBlock;

typedef struct GooiBlockStripe {
    atomic_flag lock;
    GooiBlock **buckets; /* NULL: `only` is the one bucket */
    GooiBlock *only;
    size_t bucket_count, count;
} GooiBlockStripe;

struct GooiBlocks {
    _Atomic uint32_t modes;
    _Atomic size_t patrol; /* where kept blocks are looked at next */
    GooiBlockStripe stripes[GOOI_BLOCKS_STRIPES];
};

static inline uint32_t gooi_blocks_modes(void) {
    return atomic_load_explicit(&gooi_blocks.modes, memory_order_relaxed);
}

/* The table begins and ends; under the lock of init. Ending leaves a chain of all records. */
void gooi_blocks_start(uint32_t modes);
GooiBlock *gooi_blocks_stop(void);

/* Freed blocks on a chain go back to their allocators, if they were kept, and records go. Panics
 * if one of them was written. */
void gooi_blocks_give_back(GooiBlock *chain, bool kept);

/* A record for a block to come, or NULL. */
GooiBlock *gooi_blocks_new(void);
void gooi_blocks_drop(GooiBlock *block);

/* The record becomes that of a block that a request was given. */
void gooi_blocks_add(GooiBlock *block, const GooiRequest *request, void *ptr);
/* A taken record goes back as it was. */
void gooi_blocks_restore(GooiBlock *block);

/* Takes the record of a live block out. NULL: none is known, and safety is off. Panics, under
 * safety, if the block is not live or is not what the caller says; a block that was freed before is
 * reported whatever the mode. */
GooiBlock *gooi_blocks_take(const char *call, const GooAllocator *a, void *ptr, size_t size,
                            size_t alignment);

/* A taken block is freed. True: the mechanism must not have it back. */
bool gooi_blocks_retire(GooiBlock *block);

/* An allocator goes: its kept blocks go back to it; live ones stay in the table, as nobody's. */
void gooi_blocks_forget(GooAllocator *a);

/* How many blocks are live, one line each to `report` (may be NULL). Panics if a freed block that
 * was kept has been written. */
size_t gooi_blocks_report(FILE *report);

#endif
