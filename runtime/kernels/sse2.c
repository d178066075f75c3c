/* 16 bytes at a time, with what every x86-64 has.
 *
 * Four vectors make one 64-bit word of the carry formula of kernels.h: S is a comparison gathered
 * by movemask, X the comparison of the end bits with 0. F goes back to bytes 16 bits at a time:
 * each of its two bytes is copied to eight lanes, each lane picks its bit and compares.
 *
 * Holes are listed in two passes over the caller's array, as in avx512.c: edges as a stream of
 * 16-bit numbers, eight bits of the map at a time through gooi_bit_positions, then pairs of edges
 * into holes.
 *
 * Left out: filter_references. There is no comparison of 64-bit lanes, so word64's stays.
 *
 * Threads: any; no state.
 */
#include "runtime/kernels/kernels.h"

#include <emmintrin.h>
#include <string.h>

typedef struct Sse2Masks {
    __m128i start_mask, start_value, end_bit;
} Sse2Masks;

static inline Sse2Masks sse2_masks(uint8_t start_mask, uint8_t start_value, uint8_t end_bit) {
    return (Sse2Masks){_mm_set1_epi8((char)start_mask), _mm_set1_epi8((char)start_value),
                       _mm_set1_epi8((char)end_bit)};
}

static inline __m128i sse2_load(const uint8_t *bytes) {
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

/* Bit j set where (byte j & mask) == value, of 64 bytes. */
static inline uint64_t sse2_equal(const uint8_t *bytes, __m128i mask, __m128i value) {
    uint64_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        __m128i some = _mm_and_si128(sse2_load(bytes + 16 * i), mask);
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(some, value)) << 16 * i;
    }
    return bits;
}

/* F for 64 granules; `carry` is 0 or 1, in and out. */
static inline uint64_t sse2_covered(const uint8_t *bytes, Sse2Masks m, uint64_t *carry) {
    uint64_t starts = sse2_equal(bytes, m.start_mask, m.start_value);
    uint64_t inner = sse2_equal(bytes, m.end_bit, _mm_setzero_si128());
    uint64_t sum = (starts & inner) + inner;
    uint64_t total = sum + *carry;
    *carry = (uint64_t)(sum < inner) | (uint64_t)(total < sum);
    return (total ^ inner) | starts;
}

/* How many bits are set in each byte and all bytes below it; popcnt is not part of this instruction
 * set. The top byte is the sum. */
static inline uint64_t sse2_count_bytes(uint64_t x) {
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return x * UINT64_C(0x0101010101010101);
}

static inline size_t sse2_count_ones(uint64_t x) {
    return (size_t)(sse2_count_bytes(x) >> 56);
}

/* The low 16 bits of `bits` spread over 16 bytes: 0xff where the bit is set. */
static inline __m128i sse2_spread(uint64_t bits) {
    __m128i v = _mm_cvtsi32_si128((int)(uint32_t)bits);
    v = _mm_unpacklo_epi8(v, v);
    v = _mm_shufflelo_epi16(v, _MM_SHUFFLE(1, 1, 0, 0));
    v = _mm_unpacklo_epi32(v, v);
    __m128i lanes = _mm_set1_epi64x((long long)0x8040201008040201);
    return _mm_cmpeq_epi8(_mm_and_si128(v, lanes), lanes);
}

static size_t sse2_sweep(uint8_t *table, size_t granules, uint8_t start_mask, uint8_t start_value,
                         uint8_t end_bit, uint64_t *occupied) {
    Sse2Masks masks = sse2_masks(start_mask, start_value, end_bit);
    uint64_t carry = 0;
    size_t count = 0;
    for (size_t i = 0; i < granules; i += 64) {
        uint64_t covered = sse2_covered(table + i, masks, &carry);
        for (size_t j = 0; j < 64; j += 16) {
            __m128i kept = _mm_and_si128(sse2_load(table + i + j), sse2_spread(covered >> j));
            _mm_storeu_si128((__m128i *)(void *)(table + i + j), kept);
        }
        occupied[i / 64] = covered;
        count += sse2_count_ones(covered);
    }
    return count;
}

static size_t sse2_occupancy(const uint8_t *table, size_t granules, uint8_t start_mask,
                             uint8_t start_value, uint8_t end_bit, uint64_t *occupied) {
    Sse2Masks masks = sse2_masks(start_mask, start_value, end_bit);
    uint64_t carry = 0;
    size_t count = 0;
    for (size_t i = 0; i < granules; i += 64) {
        uint64_t covered = sse2_covered(table + i, masks, &carry);
        occupied[i / 64] = covered;
        count += sse2_count_ones(covered);
    }
    return count;
}

/* Up to this many edges of a word are taken one by one. */
enum { SSE2_FEW = 4 };

/* Writes SSE2_FEW entries, of which the first are the edges. */
static inline void sse2_list_few(uint64_t edge, size_t base, uint16_t *edges) {
    for (size_t i = 0; i < SSE2_FEW; i++) {
        edges[i] = (uint16_t)(base + (size_t)__builtin_ctzll(edge | UINT64_C(1) << 63));
        edge &= edge - 1;
    }
}

/* Writes the positions of the set bits of `edge`, eight at a time. `ends` has, byte by byte, how
 * many there are up to the end of that byte. */
static inline void sse2_list_many(uint64_t edge, uint64_t ends, size_t base, uint16_t *edges) {
    uint64_t starts = ends << 8;
    __m128i bases = _mm_set1_epi16((short)base);
    for (size_t j = 0; j < 64; j += 8) {
        const void *positions = &gooi_bit_positions[edge >> j & 0xff];
        __m128i found = _mm_unpacklo_epi8(_mm_loadl_epi64(positions), _mm_setzero_si128());
        _mm_storeu_si128((__m128i *)(void *)(edges + (starts >> j & 0xff)),
                         _mm_add_epi16(found, bases));
        bases = _mm_add_epi16(bases, _mm_set1_epi16(8));
    }
}

/* Writes the edges of the map to `edges`, in order; returns how many. At most eight for each eight
 * bits, so what is written stays inside the first `granules` entries. */
static size_t sse2_list_edges(const uint64_t *occupied, size_t granules, uint16_t *edges) {
    size_t count = 0;
    uint64_t open = 0;
    for (size_t i = 0; i < granules; i += 64) {
        uint64_t clear = ~occupied[i / 64];
        uint64_t edge = clear ^ (clear << 1 | open);
        open = clear >> 63;
        uint64_t ends = sse2_count_bytes(edge);
        if (ends >> 56 <= SSE2_FEW) {
            sse2_list_few(edge, i, edges + count);
        } else {
            sse2_list_many(edge, ends, i, edges + count);
        }
        count += (size_t)(ends >> 56);
    }
    if (open != 0) {
        edges[count++] = (uint16_t)granules;
    }
    return count;
}

static size_t sse2_list_holes(const uint64_t *occupied, size_t granules, size_t min_count,
                              GooiHole *holes) {
    size_t pairs = sse2_list_edges(occupied, granules, (uint16_t *)(void *)holes) / 2;
    size_t count = 0;
    for (size_t i = 0; i < pairs; i++) {
        uint16_t first = holes[i].first;
        uint16_t length = (uint16_t)(holes[i].count - first);
        holes[count].first = first;
        holes[count].count = length;
        count += length >= min_count;
    }
    return count;
}

/* Bit j set where byte j of 16 has none of the mask's bits. */
static inline uint32_t sse2_misses(const uint8_t *bytes, __m128i masks) {
    __m128i some = _mm_and_si128(sse2_load(bytes), masks);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(some, _mm_setzero_si128()));
}

/* Misses are subtracted lane by lane as -1; a lane holds 255 of them. */
static size_t sse2_count_nonzero(const uint8_t *bytes, size_t count, uint8_t mask) {
    __m128i masks = _mm_set1_epi8((char)mask);
    __m128i zero = _mm_setzero_si128();
    size_t misses = 0;
    size_t i = 0;
    while (i + 16 <= count) {
        __m128i lanes = zero;
        for (size_t round = 0; round < 255 && i + 16 <= count; round++, i += 16) {
            __m128i some = _mm_and_si128(sse2_load(bytes + i), masks);
            lanes = _mm_sub_epi8(lanes, _mm_cmpeq_epi8(some, zero));
        }
        __m128i sums = _mm_sad_epu8(lanes, zero);
        misses += (size_t)_mm_cvtsi128_si32(sums) + (size_t)_mm_extract_epi16(sums, 4);
    }
    size_t found = i - misses;
    for (; i < count; i++) {
        found += (bytes[i] & mask) != 0;
    }
    return found;
}

static size_t sse2_find_last(const uint8_t *bytes, size_t count, uint8_t mask) {
    __m128i masks = _mm_set1_epi8((char)mask);
    size_t i = count;
    for (; i >= 16; i -= 16) {
        uint32_t hits = sse2_misses(bytes + i - 16, masks) ^ 0xffff;
        if (hits != 0) {
            return i - 16 + (31 - (size_t)__builtin_clz(hits));
        }
    }
    for (; i > 0; i--) {
        if ((bytes[i - 1] & mask) != 0) {
            return i - 1;
        }
    }
    return SIZE_MAX;
}

static inline bool sse2_all_zero(__m128i v) {
    return _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_setzero_si128())) == 0xffff;
}

/* Less than a vector. */
static bool sse2_is_zero_short(const uint8_t *p, size_t size) {
    uint8_t all = 0;
    for (size_t i = 0; i < size; i++) {
        all |= p[i];
    }
    return all == 0;
}

/* How far it is to the next multiple of 16 behind `p`: 1 to 16. */
static inline size_t sse2_to_aligned(const uint8_t *p) {
    return 16 - ((uintptr_t)p & 15);
}

/* The first vector, four at a time from an aligned address on, single ones, and the last, which
 * overlaps what was seen. */
static bool sse2_is_zero(const void *bytes, size_t size) {
    const uint8_t *p = bytes;
    if (size < 16) {
        return sse2_is_zero_short(p, size);
    }
    __m128i all = _mm_or_si128(sse2_load(p), sse2_load(p + size - 16));
    size_t i = sse2_to_aligned(p);
    for (; i + 64 <= size; i += 64) {
        __m128i four = _mm_or_si128(_mm_or_si128(sse2_load(p + i), sse2_load(p + i + 16)),
                                    _mm_or_si128(sse2_load(p + i + 32), sse2_load(p + i + 48)));
        if (!sse2_all_zero(four)) {
            return false;
        }
    }
    for (; i + 16 <= size; i += 16) {
        all = _mm_or_si128(all, sse2_load(p + i));
    }
    return sse2_all_zero(all);
}

/* Bit i: byte i differs. */
static inline unsigned sse2_different(const uint8_t *left, const uint8_t *right) {
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(sse2_load(left), sse2_load(right))) ^ 0xffff;
}

static inline __m128i sse2_same(const uint8_t *left, const uint8_t *right) {
    return _mm_cmpeq_epi8(sse2_load(left), sse2_load(right));
}

static size_t sse2_first_difference_short(const uint8_t *left, const uint8_t *right, size_t size) {
    size_t i = 0;
    while (i < size && left[i] == right[i]) {
        i++;
    }
    return i;
}

/* In the order of is_zero; where four vectors differ, single ones find the place. */
static size_t sse2_first_difference(const void *a, const void *b, size_t size) {
    const uint8_t *left = a, *right = b;
    if (size < 16) {
        return sse2_first_difference_short(left, right, size);
    }
    unsigned different = sse2_different(left, right);
    if (different != 0) {
        return (size_t)__builtin_ctz(different);
    }
    size_t i = sse2_to_aligned(left);
    for (; i + 64 <= size; i += 64) {
        __m128i same = _mm_and_si128(
            _mm_and_si128(sse2_same(left + i, right + i), sse2_same(left + i + 16, right + i + 16)),
            _mm_and_si128(sse2_same(left + i + 32, right + i + 32),
                          sse2_same(left + i + 48, right + i + 48)));
        if (_mm_movemask_epi8(same) != 0xffff) {
            break;
        }
    }
    for (; i + 16 <= size; i += 16) {
        different = sse2_different(left + i, right + i);
        if (different != 0) {
            return i + (size_t)__builtin_ctz(different);
        }
    }
    i = size - 16;
    different = sse2_different(left + i, right + i);
    return different != 0 ? i + (size_t)__builtin_ctz(different) : size;
}

static inline void sse2_store(uint8_t *bytes, __m128i v) {
    _mm_storeu_si128((__m128i *)(void *)bytes, v);
}

/* Up to 15 bytes of the pattern. */
static void sse2_fill_short(uint8_t *p, uint64_t first, uint64_t second, size_t size) {
    if ((size & 8) != 0) {
        memcpy(p, &first, 8);
        p += 8;
        first = second;
    }
    if ((size & 4) != 0) {
        memcpy(p, &first, 4);
        p += 4;
        first >>= 32;
    }
    if ((size & 2) != 0) {
        memcpy(p, &first, 2);
        p += 2;
        first >>= 16;
    }
    if ((size & 1) != 0) {
        memcpy(p, &first, 1);
    }
}

/* Long enough to align: the first vector, and from an aligned address on the pattern as it stands
 * there, read out of two of it in a row. The last bytes are pieces of the pattern again. */
static void sse2_fill(void *dest, uint64_t first, uint64_t second, size_t size) {
    uint8_t *p = dest;
    __m128i v = _mm_set_epi64x((long long)second, (long long)first);
    size_t i = 0;
    if (size >= 256) {
        uint8_t twice[32];
        sse2_store(twice, v);
        sse2_store(twice + 16, v);
        sse2_store(p, v);
        i = sse2_to_aligned(p);
        v = sse2_load(twice + (i & 15));
        for (; i + 64 <= size; i += 64) {
            sse2_store(p + i, v);
            sse2_store(p + i + 16, v);
            sse2_store(p + i + 32, v);
            sse2_store(p + i + 48, v);
        }
    }
    for (; i + 16 <= size; i += 16) {
        sse2_store(p + i, v);
    }
    sse2_fill_short(p + i, (uint64_t)_mm_cvtsi128_si64(v),
                    (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(v, v)), size - i);
}

void gooi_kernels_sse2(GooiKernels *table) {
    table->sweep = sse2_sweep;
    table->occupancy = sse2_occupancy;
    table->list_holes = sse2_list_holes;
    table->count_nonzero = sse2_count_nonzero;
    table->find_last = sse2_find_last;
    table->is_zero = sse2_is_zero;
    table->first_difference = sse2_first_difference;
    table->fill = sse2_fill;
}
