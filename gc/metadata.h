/* Geometry of a heap and its metadata byte, and the way from an address to both.
 *
 * A heap reserves address space once and cuts it into 4 MiB slabs of 64 KiB blocks. One metadata
 * byte describes a granule of 16 bytes; a slab's table of 262,144 bytes stands at its head, so that
 * an address finds its byte with mask, shift and add. The table takes the slab's first four blocks,
 * and the 16 KiB of it that would describe the table itself hold the slab's header instead.
 *
 *   slab   | header 16 KiB | metadata of blocks 4 … 63, 4 KiB each | block 4 | … | block 63 |
 *
 * The byte:   7 attention | 6 logged | 5 4 kind | 3 end | 2 1 0 colour
 *   colour    of an object's first granule only: 0 none, 1 young (made since the last collection
 *             began), 2, 4 and 6 mark colours, one of them current; they rotate, so that survivors
 *             need no clearing
 *   end       on an object's last granule only
 *   logged    the barrier has nothing to do; always set on objects that have no slots, which is how
 *             marking knows without touching them
 *   attention the object stands, or stood, in a side table: of finalizable objects, of owned
 *             blocks; while a collection settles what is weak, also of keys that a value waits for
 *
 * A large object (gc/large.c) has its byte at its first granule, with end set there; its size
 * stands in the slab's header.
 */
#ifndef GOO_GC_METADATA_H
#define GOO_GC_METADATA_H

#include "goo/gc/inline.h"
#include "runtime/base.h"

#define GOOI_GRANULE_LOG2 GOO_GC_GRANULE_LOG2
#define GOOI_GRANULE_SIZE ((size_t)1 << GOOI_GRANULE_LOG2)
#define GOOI_BLOCK_LOG2 16
#define GOOI_BLOCK_SIZE ((size_t)1 << GOOI_BLOCK_LOG2)
#define GOOI_BLOCK_GRANULES (GOOI_BLOCK_SIZE >> GOOI_GRANULE_LOG2)
#define GOOI_BLOCK_MAP_WORDS (GOOI_BLOCK_GRANULES / 64)
#define GOOI_SLAB_LOG2 22
#define GOOI_SLAB_SIZE ((size_t)1 << GOOI_SLAB_LOG2)
#define GOOI_SLAB_MASK (GOOI_SLAB_SIZE - 1)
#define GOOI_SLAB_BLOCKS (GOOI_SLAB_SIZE / GOOI_BLOCK_SIZE)
#define GOOI_TABLE_SIZE (GOOI_SLAB_SIZE >> GOOI_GRANULE_LOG2)
#define GOOI_FIRST_BLOCK (GOOI_TABLE_SIZE / GOOI_BLOCK_SIZE) /* blocks before it hold the table */
#define GOOI_PAGE_LOG2 12 /* the unit of large objects, whatever the OS's page size */
#define GOOI_PAGE_SIZE ((size_t)1 << GOOI_PAGE_LOG2)
#define GOOI_SLAB_PAGES (GOOI_SLAB_SIZE / GOOI_PAGE_SIZE)
#define GOOI_FIRST_PAGE (GOOI_TABLE_SIZE / GOOI_PAGE_SIZE)
#define GOOI_SMALL_MAX ((size_t)8192)  /* larger objects get pages of their own */
#define GOOI_SPAN_MAX GOOI_SMALL_MAX   /* how much a mutator is given at a time */
#define GOOI_MEDIUM_MIN ((size_t)256)  /* objects above never make a hole be given up */

enum { GOOI_COLOUR_FIRST_MARK = 2, GOOI_COLOUR_STEP = 2, GOOI_COLOUR_LAST_MARK = 6 };

/* Memory whose type the collector does not know. */
typedef uint64_t __attribute__((may_alias)) GooiWord;
typedef void *__attribute__((may_alias)) GooiPointer;

static inline uintptr_t gooi_slab_base(uintptr_t address) {
    return address & ~(uintptr_t)GOOI_SLAB_MASK;
}

/* The metadata byte of the granule that `address` lies in. */
static inline uint8_t *gooi_metadata_of(uintptr_t address) {
    return (uint8_t *)(gooi_slab_base(address) +
                       ((address & GOOI_SLAB_MASK) >> GOOI_GRANULE_LOG2));
}

/* What added to (address >> 4) gives the metadata byte, for every address of one slab. */
static inline uintptr_t gooi_table_bias(uintptr_t address) {
    uintptr_t base = gooi_slab_base(address);
    return base - (base >> GOOI_GRANULE_LOG2);
}

static inline size_t gooi_granules_of(size_t size) {
    return (size + GOOI_GRANULE_SIZE - 1) >> GOOI_GRANULE_LOG2;
}

#endif
