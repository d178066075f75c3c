/* Eight bytes at a time in a 64-bit word, for any processor.
 *
 * A word holds eight bytes as lanes, byte i of memory in bits 8i .. 8i+7 whatever the machine's
 * byte order (word64_load). A truth per byte is written in two ways:
 *
 *   ones   0x01 in the lanes where it holds       (S, E, F below)
 *   full   0xff in the lanes where it holds       (X below): ones * 255
 *
 * The carry formula of kernels.h works on lanes as it does on bits: with X full and S in ones, a
 * start makes its lane 0xff + 1 = 0x00 and carries into the next lane, which passes the carry on as
 * long as it is full. The lowest bit of each lane of (T ^ X) | S is the result, so no mask has to
 * be gathered into bits but the last one.
 *
 * Threads: any; no state.
 */
#include "runtime/kernels/kernels.h"

#include <string.h>

#include "runtime/bits.h"

#define WORD64_ONES UINT64_C(0x0101010101010101)
#define WORD64_LOWS UINT64_C(0x7f7f7f7f7f7f7f7f)
#define WORD64_GATHER                                                                              \
    UINT64_C(0x0102040810204080) /* ones * this: the lanes' bits in the top byte */

/* Byte i of memory in lane i: a no-op on little-endian machines, a swap on the others. */
static inline uint64_t word64_lanes(uint64_t w) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(w);
#else
    return w;
#endif
}

static inline uint64_t word64_load(const uint8_t *bytes) {
    uint64_t w;
    memcpy(&w, bytes, sizeof w);
    return word64_lanes(w);
}

static inline void word64_store(uint8_t *bytes, uint64_t lanes) {
    uint64_t w = word64_lanes(lanes);
    memcpy(bytes, &w, sizeof w);
}

/* Ones where the lane is not 0. The sum can't leave its lane. */
static inline uint64_t word64_nonzero(uint64_t lanes) {
    return (((lanes & WORD64_LOWS) + WORD64_LOWS) | lanes) >> 7 & WORD64_ONES;
}

/* The byte masks of a sweep, in every lane. */
typedef struct Word64Masks {
    uint64_t start_mask, start_value;
    unsigned end_shift;
} Word64Masks;

static inline Word64Masks word64_masks(uint8_t start_mask, uint8_t start_value, uint8_t end_bit) {
    return (Word64Masks){start_mask * WORD64_ONES, start_value * WORD64_ONES,
                         gooi_count_trailing_zeros(end_bit)};
}

/* F in ones for eight granules; `carry` is 0 or 1, in and out. */
static inline uint64_t word64_covered(uint64_t lanes, Word64Masks m, uint64_t *carry) {
    uint64_t starts = word64_nonzero((lanes & m.start_mask) ^ m.start_value) ^ WORD64_ONES;
    uint64_t inner = (lanes >> m.end_shift & WORD64_ONES) ^ WORD64_ONES;
    uint64_t full = inner * 255;
    uint64_t sum = (starts & inner) + full;
    uint64_t total = sum + *carry;
    *carry = (uint64_t)(sum < full) | (uint64_t)(total < sum);
    return ((total ^ full) | starts) & WORD64_ONES;
}

static size_t word64_sweep(uint8_t *table, size_t granules, uint8_t start_mask, uint8_t start_value,
                           uint8_t end_bit, uint64_t *occupied) {
    Word64Masks masks = word64_masks(start_mask, start_value, end_bit);
    uint64_t carry = 0;
    size_t count = 0;
    for (size_t i = 0; i < granules; i += 64) {
        uint64_t map = 0, sums = 0;
        for (size_t j = 0; j < 64; j += 8) {
            uint64_t lanes = word64_load(table + i + j);
            uint64_t covered = word64_covered(lanes, masks, &carry);
            word64_store(table + i + j, lanes & covered * 255);
            map |= (covered * WORD64_GATHER >> 56) << j;
            sums += covered;
        }
        occupied[i / 64] = map;
        count += sums * WORD64_ONES >> 56;
    }
    return count;
}

static size_t word64_occupancy(const uint8_t *table, size_t granules, uint8_t start_mask,
                               uint8_t start_value, uint8_t end_bit, uint64_t *occupied) {
    Word64Masks masks = word64_masks(start_mask, start_value, end_bit);
    uint64_t carry = 0;
    size_t count = 0;
    for (size_t i = 0; i < granules; i += 64) {
        uint64_t map = 0, sums = 0;
        for (size_t j = 0; j < 64; j += 8) {
            uint64_t covered = word64_covered(word64_load(table + i + j), masks, &carry);
            map |= (covered * WORD64_GATHER >> 56) << j;
            sums += covered;
        }
        occupied[i / 64] = map;
        count += sums * WORD64_ONES >> 56;
    }
    return count;
}

/* Walks the edges of the map: bits that differ from the one before them, the one before the first
 * being occupied. Edges alternate between the first granule of a hole and the first after it. */
static size_t word64_list_holes(const uint64_t *occupied, size_t granules, size_t min_count,
                                GooiHole *holes) {
    size_t count = 0;
    size_t first = 0;
    uint64_t open = 0; /* 1 inside a hole */
    for (size_t i = 0; i < granules / 64; i++) {
        uint64_t clear = ~occupied[i];
        for (uint64_t edges = clear ^ (clear << 1 | open); edges != 0; edges &= edges - 1) {
            size_t edge = i * 64 + gooi_count_trailing_zeros(edges);
            if (open != 0) {
                holes[count].first = (uint16_t)first;
                holes[count].count = (uint16_t)(edge - first);
                count += edge - first >= min_count;
            }
            first = edge;
            open ^= 1;
        }
    }
    if (open != 0 && granules - first >= min_count) {
        holes[count].first = (uint16_t)first;
        holes[count].count = (uint16_t)(granules - first);
        count++;
    }
    return count;
}

static size_t word64_count_nonzero(const uint8_t *bytes, size_t count, uint8_t mask) {
    uint64_t masks = mask * WORD64_ONES;
    size_t found = 0;
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        found += word64_nonzero(word64_load(bytes + i) & masks) * WORD64_ONES >> 56;
    }
    for (; i < count; i++) {
        found += (bytes[i] & mask) != 0;
    }
    return found;
}

static size_t word64_find_last(const uint8_t *bytes, size_t count, uint8_t mask) {
    uint64_t masks = mask * WORD64_ONES;
    size_t i = count;
    for (; i >= 8; i -= 8) {
        uint64_t hits = word64_load(bytes + i - 8) & masks;
        if (hits != 0) {
            return i - 1 - gooi_count_leading_zeros(hits) / 8;
        }
    }
    for (; i > 0; i--) {
        if ((bytes[i - 1] & mask) != 0) {
            return i - 1;
        }
    }
    return SIZE_MAX;
}

/* The scalar loop without its branch: every address is written, and kept by moving on. */
static size_t word64_filter_references(const uint64_t *words, size_t count,
                                       const GooiReferenceFilter *filter, uint64_t *out) {
    GooiReferenceFilter f = *filter;
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t address = words[i] & f.address_mask;
        out[found] = address;
        found += (size_t)((words[i] & f.tag_mask) == f.tag_value) & (address - f.base < f.size);
    }
    return found;
}

/* From here on libc's memcmp, which has the vectors that this file does without. */
enum { WORD64_LIBC_MIN = 256, WORD64_LIBC_CHUNK = 1024 };

/* Long ranges: the first word, and then the range against itself a word further on. */
static bool word64_is_zero(const void *bytes, size_t size) {
    const uint8_t *p = bytes;
    if (size >= WORD64_LIBC_MIN) {
        return word64_load(p) == 0 && memcmp(p, p + 8, size - 8) == 0;
    }
    size_t i = 0;
    for (; i + 32 <= size; i += 32) {
        if ((word64_load(p + i) | word64_load(p + i + 8) | word64_load(p + i + 16) |
             word64_load(p + i + 24)) != 0) {
            return false;
        }
    }
    for (; i + 8 <= size; i += 8) {
        if (word64_load(p + i) != 0) {
            return false;
        }
    }
    for (; i < size; i++) {
        if (p[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Whole chunks while they are equal, then whole words, then the bytes of the word that is not. */
static size_t word64_first_difference(const void *a, const void *b, size_t size) {
    const uint8_t *left = a;
    const uint8_t *right = b;
    size_t i = 0;
    while (size - i >= WORD64_LIBC_MIN) {
        size_t chunk = size - i < WORD64_LIBC_CHUNK ? size - i : WORD64_LIBC_CHUNK;
        if (memcmp(left + i, right + i, chunk) != 0) {
            break;
        }
        i += chunk;
    }
    for (; size - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t change = word64_load(left + i) ^ word64_load(right + i);
        if (change != 0) {
            return i + gooi_count_trailing_zeros(change) / 8;
        }
    }
    while (i < size && left[i] == right[i]) {
        i++;
    }
    return i;
}

/* Both words in turn, and what is left from a copy of them. */
static void word64_fill(void *dest, uint64_t first, uint64_t second, size_t size) {
    uint8_t *bytes = dest;
    size_t i = 0;
    for (; size - i >= 16; i += 16) {
        memcpy(bytes + i, &first, sizeof first);
        memcpy(bytes + i + 8, &second, sizeof second);
    }
    if (size - i >= 8) {
        memcpy(bytes + i, &first, sizeof first);
        first = second;
        i += 8;
    }
    uint8_t rest[sizeof first];
    memcpy(rest, &first, sizeof rest);
    for (size_t k = 0; i + k < size; k++) {
        bytes[i + k] = rest[k];
    }
}

void gooi_kernels_word64(GooiKernels *table) {
    table->sweep = word64_sweep;
    table->occupancy = word64_occupancy;
    table->list_holes = word64_list_holes;
    table->count_nonzero = word64_count_nonzero;
    table->find_last = word64_find_last;
    table->filter_references = word64_filter_references;
    table->is_zero = word64_is_zero;
    table->first_difference = word64_first_difference;
    table->fill = word64_fill;
}
