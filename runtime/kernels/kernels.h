/* The kernel table: loops over side tables and slots that a vector unit does faster than the
 * compiler or libc. Filled once with the scalar forms (kernels/scalar.c, the reference), then
 * overlaid by each instruction set that CPU and OS report, weakest first; constant from then on,
 * except for goo_simd_set_level, which tests use.
 *
 * Metadata tables hold one byte per granule. Which bits mean what is the collector's business; a
 * kernel is told by masks:
 *   start   (byte & start_mask) == start_value     first granule of an object that counts
 *   end     (byte & end_bit) != 0                  last granule of any object
 *
 * The sweep of 64 granules is arithmetic (DESIGN.md): with S the starts, E the ends, X = ~E and c
 * the carry from the 64 granules before, T = (S & X) + X + c, and the granules that counted objects
 * occupy are F = (T ^ X) | S. The carry runs from each start through the object's interior and
 * stops at its end; the carry out of a block is 0. An end bit is one bit, so that it can be
 * shifted. The result is defined for every table, well formed or not: it is what kernels/scalar.c
 * does.
 *
 * Threads: any; the functions touch only what they are given.
 */
#ifndef GOO_KERNELS_KERNELS_H
#define GOO_KERNELS_KERNELS_H

#include "goo/runtime/features.h"
#include "runtime/base.h"

/* How a word is recognised as a reference into the heap: the heap's value encoding and range. */
typedef struct GooiReferenceFilter {
    uint64_t tag_mask, tag_value; /* (word & tag_mask) == tag_value */
    uint64_t address_mask;        /* address = word & address_mask */
    uint64_t base, size;          /* address - base < size */
} GooiReferenceFilter;

/* A gap between objects, in granules from the start of the table. */
typedef struct GooiHole {
    uint16_t first, count;
} GooiHole;

typedef struct GooiKernels {
    /* Computes which granules counted objects occupy (bit i of occupied[i / 64], set = occupied),
     * clears every byte of the table that no counted object covers, and returns the number of
     * occupied granules. `granules` is a multiple of 64; `table` is aligned to 64 bytes. */
    size_t (*sweep)(uint8_t *table, size_t granules, uint8_t start_mask, uint8_t start_value,
                    uint8_t end_bit, uint64_t *occupied);

    /* The same map from a table that is not changed. */
    size_t (*occupancy)(const uint8_t *table, size_t granules, uint8_t start_mask,
                        uint8_t start_value, uint8_t end_bit, uint64_t *occupied);

    /* Lists the runs of clear bits of `occupied` (granules / 64 words, at most 1023 words) that are
     * at least `min_count` long, in order; `holes` has room for granules / 2 entries plus 8, and
     * the kernel may scribble on all of them. Returns how many there are. */
    size_t (*list_holes)(const uint64_t *occupied, size_t granules, size_t min_count,
                         GooiHole *holes);

    /* How many of `count` bytes have (byte & mask) != 0. Any alignment, any count. */
    size_t (*count_nonzero)(const uint8_t *bytes, size_t count, uint8_t mask);

    /* Index of the last byte of bytes[0 .. count) with (byte & mask) != 0, or SIZE_MAX. */
    size_t (*find_last)(const uint8_t *bytes, size_t count, uint8_t mask);

    /* Writes the addresses of those of `count` words that pass the filter to `out`, in order, and
     * returns how many. `out` has room for count + 8 entries. `words` is 8-aligned. */
    size_t (*filter_references)(const uint64_t *words, size_t count,
                                const GooiReferenceFilter *filter, uint64_t *out);

    /* Whether all bytes are 0. Any alignment; size 0 is true. */
    bool (*is_zero)(const void *bytes, size_t size);

    /* Index of the first byte in which two ranges differ, or `size`. Any alignments. */
    size_t (*first_difference)(const void *a, const void *b, size_t size);

    /* Fills `size` bytes with repetitions of 16, which are given as the two words that they are in
     * memory; the last repetition is cut off. Any alignment, any size. */
    void (*fill)(void *dest, uint64_t first, uint64_t second, size_t size);

    /* Zeroes those granules of `memory` whose bit in `occupied` is clear; bit i is for the 16 bytes
     * at 16 i. `words` words, 1024 bytes each. Not a byte of the others is written, whoever writes
     * them meanwhile. `memory` is aligned to 64 bytes. */
    void (*zero_clear)(void *memory, const uint64_t *occupied, size_t words);
    bool zero_clear_is_fast; /* no branch of it depends on the map: stores are masked */

    GooSimdLevel level; /* the highest one that was overlaid */
} GooiKernels;

/* The table in use. Never NULL: constant-initialised to the scalar forms in globals.c and filled
 * before main by a constructor, or at the first call of gooi_kernels_init where there is none. */
extern const GooiKernels *gooi_kernels;

/* The scalar forms: what gooi_kernels points to until gooi_kernels_init. */
extern const GooiKernels gooi_kernels_scalar_table;

/* Where gooi_kernels points afterwards; in globals.c, written by dispatch.c only. */
extern GooiKernels gooi_kernels_table;

/* Fills the table for the best level that CPU and OS report. Idempotent; also when
 * goo_simd_set_level chose another level before. Without constructors: before a second thread. */
void gooi_kernels_init(void);

/* Whether the build has the level's kernels and CPU and OS allow them. */
bool gooi_kernels_available(GooSimdLevel level);

/* Fills `table` with the kernels of an available level and all below it. */
void gooi_kernels_fill(GooiKernels *table, GooSimdLevel level);

/* The scalar forms by name: a constant table needs them, and it stands in dispatch.c so that a
 * program which links the static library always gets the constructor there. */
size_t gooi_scalar_sweep(uint8_t *table, size_t granules, uint8_t start_mask, uint8_t start_value,
                         uint8_t end_bit, uint64_t *occupied);
size_t gooi_scalar_occupancy(const uint8_t *table, size_t granules, uint8_t start_mask,
                             uint8_t start_value, uint8_t end_bit, uint64_t *occupied);
size_t gooi_scalar_list_holes(const uint64_t *occupied, size_t granules, size_t min_count,
                              GooiHole *holes);
size_t gooi_scalar_count_nonzero(const uint8_t *bytes, size_t count, uint8_t mask);
size_t gooi_scalar_find_last(const uint8_t *bytes, size_t count, uint8_t mask);
size_t gooi_scalar_filter_references(const uint64_t *words, size_t count,
                                     const GooiReferenceFilter *filter, uint64_t *out);
bool gooi_scalar_is_zero(const void *bytes, size_t size);
size_t gooi_scalar_first_difference(const void *a, const void *b, size_t size);
void gooi_scalar_fill(void *dest, uint64_t first, uint64_t second, size_t size);
void gooi_scalar_zero_clear(void *memory, const uint64_t *occupied, size_t words);

/* Byte k of entry b is the index of the k-th set bit of b (kernels/positions.c). */
extern const uint64_t gooi_bit_positions[256];

/* Each fills in what it has and leaves the rest. */
void gooi_kernels_word64(GooiKernels *table);
void gooi_kernels_sse2(GooiKernels *table);
void gooi_kernels_avx2(GooiKernels *table);
void gooi_kernels_avx512(GooiKernels *table);

#endif
