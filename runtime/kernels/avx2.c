/* 32 bytes at a time, with bmi1, bmi2, popcnt and lzcnt: Haswell, Zen and later.
 *
 * Two vectors make one 64-bit word of the carry formula of kernels.h: S is a comparison gathered by
 * movemask, X the comparison of the end bits with 0. F goes back to bytes by giving every byte its
 * eighth of F (a shuffle), picking its bit and comparing:
 *
 *     F            8 bytes, broadcast
 *     shuffle      byte j of the vector gets byte j / 8 of F
 *     and, compare byte j is 0xff where bit j % 8 is set
 *
 * Holes are listed in two passes over the caller's array, as in avx512.c: edges as a stream of
 * 16-bit numbers, eight bits of the map at a time through gooi_bit_positions, then pairs of edges
 * into holes; those that are too short are squeezed out by a permutation from the same table.
 *
 * Threads: any; no state.
 */
#include "runtime/kernels/kernels.h"

#include <immintrin.h>
#include <string.h>

typedef struct Avx2Masks {
    __m256i start_mask, start_value, end_bit;
} Avx2Masks;

static inline Avx2Masks avx2_masks(uint8_t start_mask, uint8_t start_value, uint8_t end_bit) {
    return (Avx2Masks){_mm256_set1_epi8((char)start_mask), _mm256_set1_epi8((char)start_value),
                       _mm256_set1_epi8((char)end_bit)};
}

static inline uint64_t avx2_gather(__m256i low, __m256i high) {
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high)
                                                     << 32;
}

/* F for 64 granules; `carry` is 0 or 1, in and out. */
static inline uint64_t avx2_covered(__m256i low, __m256i high, const Avx2Masks *m,
                                    unsigned char *carry) {
    uint64_t starts =
        avx2_gather(_mm256_cmpeq_epi8(_mm256_and_si256(low, m->start_mask), m->start_value),
                    _mm256_cmpeq_epi8(_mm256_and_si256(high, m->start_mask), m->start_value));
    __m256i zero = _mm256_setzero_si256();
    uint64_t inner = avx2_gather(_mm256_cmpeq_epi8(_mm256_and_si256(low, m->end_bit), zero),
                                 _mm256_cmpeq_epi8(_mm256_and_si256(high, m->end_bit), zero));
    unsigned long long total;
    *carry = _addcarry_u64(*carry, starts & inner, inner, &total);
    return (total ^ inner) | starts;
}

static inline size_t avx2_count_ones(uint64_t x) {
    return (size_t)_mm_popcnt_u64(x);
}

/* Bytes 4 * half + (0 .. 3) of `covered` spread over 32 bytes: 0xff where the bit is set. */
static inline __m256i avx2_spread(__m256i covered, long long first_eighth) {
    __m256i eighths = _mm256_add_epi8(
        _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0),
        _mm256_set1_epi8((char)first_eighth));
    __m256i bits = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i spread = _mm256_shuffle_epi8(covered, eighths);
    return _mm256_cmpeq_epi8(_mm256_and_si256(spread, bits), bits);
}

static size_t avx2_sweep(uint8_t *table, size_t granules, uint8_t start_mask, uint8_t start_value,
                         uint8_t end_bit, uint64_t *occupied) {
    Avx2Masks masks = avx2_masks(start_mask, start_value, end_bit);
    unsigned char carry = 0;
    size_t count = 0;
    for (size_t i = 0; i < granules; i += 64) {
        __m256i *at = (__m256i *)(void *)(table + i);
        __m256i low = _mm256_load_si256(at);
        __m256i high = _mm256_load_si256(at + 1);
        uint64_t covered = avx2_covered(low, high, &masks, &carry);
        __m256i all = _mm256_set1_epi64x((long long)covered);
        _mm256_store_si256(at, _mm256_and_si256(low, avx2_spread(all, 0)));
        _mm256_store_si256(at + 1, _mm256_and_si256(high, avx2_spread(all, 4)));
        occupied[i / 64] = covered;
        count += avx2_count_ones(covered);
    }
    return count;
}

static size_t avx2_occupancy(const uint8_t *table, size_t granules, uint8_t start_mask,
                             uint8_t start_value, uint8_t end_bit, uint64_t *occupied) {
    Avx2Masks masks = avx2_masks(start_mask, start_value, end_bit);
    unsigned char carry = 0;
    size_t count = 0;
    for (size_t i = 0; i < granules; i += 64) {
        const __m256i *at = (const __m256i *)(const void *)(table + i);
        uint64_t covered =
            avx2_covered(_mm256_load_si256(at), _mm256_load_si256(at + 1), &masks, &carry);
        occupied[i / 64] = covered;
        count += avx2_count_ones(covered);
    }
    return count;
}

/* Up to this many edges of a word are taken one by one. */
enum { AVX2_FEW = 4 };

/* Writes AVX2_FEW entries, of which the first are the edges; returns how many are. */
static inline size_t avx2_list_few(uint64_t edge, size_t base, uint16_t *edges) {
    size_t count = avx2_count_ones(edge);
    for (size_t i = 0; i < AVX2_FEW; i++) {
        edges[i] = (uint16_t)(base + (size_t)_tzcnt_u64(edge));
        edge = _blsr_u64(edge);
    }
    return count;
}

/* Writes the edges of the map to `edges`, in order; returns how many. At most eight for each eight
 * bits, so the vectors that are stored stay inside the first `granules` entries. */
static size_t avx2_list_edges(const uint64_t *occupied, size_t granules, uint16_t *edges) {
    __m128i eight = _mm_set1_epi16(8);
    size_t count = 0;
    uint64_t open = 0;
    for (size_t i = 0; i < granules / 64; i++) {
        uint64_t clear = ~occupied[i];
        uint64_t edge = clear ^ (clear << 1 | open);
        open = clear >> 63;
        if (avx2_count_ones(edge) <= AVX2_FEW) {
            count += avx2_list_few(edge, i * 64, edges + count);
            continue;
        }
        __m128i base = _mm_set1_epi16((short)(i * 64));
        for (size_t j = 0; j < 8; j++) {
            uint8_t some = (uint8_t)(edge >> 8 * j);
            __m128i found =
                _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)&gooi_bit_positions[some]));
            _mm_storeu_si128((__m128i *)(void *)(edges + count), _mm_add_epi16(found, base));
            base = _mm_add_epi16(base, eight);
            count += avx2_count_ones(some);
        }
    }
    if (open != 0) {
        edges[count++] = (uint16_t)granules;
    }
    return count;
}

static size_t avx2_list_holes(const uint64_t *occupied, size_t granules, size_t min_count,
                              GooiHole *holes) {
    if (min_count > UINT16_MAX) {
        return 0;
    }
    size_t pairs = avx2_list_edges(occupied, granules, (uint16_t *)(void *)holes) / 2;
    __m256i too_few = _mm256_set1_epi32((int)min_count - 1);
    size_t count = 0;
    for (size_t i = 0; i < pairs; i += 8) {
        __m256i edges = _mm256_loadu_si256((const __m256i *)(const void *)(holes + i));
        __m256i found = _mm256_sub_epi16(edges, _mm256_slli_epi32(edges, 16));
        __m256i enough = _mm256_cmpgt_epi32(_mm256_srli_epi32(found, 16), too_few);
        unsigned keep = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(enough));
        keep = _bzhi_u32(keep, pairs - i < 8 ? (unsigned)(pairs - i) : 8);
        __m256i order =
            _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)&gooi_bit_positions[keep]));
        _mm256_storeu_si256((__m256i *)(void *)(holes + count),
                            _mm256_permutevar8x32_epi32(found, order));
        count += avx2_count_ones(keep);
    }
    return count;
}

/* Bit j set where byte j of 32 has none of the mask's bits. */
static inline uint32_t avx2_misses(const uint8_t *bytes, __m256i masks) {
    __m256i some =
        _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(const void *)bytes), masks);
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(some, _mm256_setzero_si256()));
}

static size_t avx2_count_nonzero(const uint8_t *bytes, size_t count, uint8_t mask) {
    __m256i masks = _mm256_set1_epi8((char)mask);
    size_t misses = 0;
    size_t i = 0;
    for (; i + 32 <= count; i += 32) {
        misses += avx2_count_ones(avx2_misses(bytes + i, masks));
    }
    size_t found = i - misses;
    for (; i < count; i++) {
        found += (bytes[i] & mask) != 0;
    }
    return found;
}

static size_t avx2_find_last(const uint8_t *bytes, size_t count, uint8_t mask) {
    __m256i masks = _mm256_set1_epi8((char)mask);
    size_t i = count;
    for (; i >= 32; i -= 32) {
        uint32_t hits = ~avx2_misses(bytes + i - 32, masks);
        if (hits != 0) {
            return i - 1 - (size_t)_lzcnt_u32(hits);
        }
    }
    for (; i > 0; i--) {
        if ((bytes[i - 1] & mask) != 0) {
            return i - 1;
        }
    }
    return SIZE_MAX;
}

/* The lanes of 64 bits that a mask of four selects, moved to the front, as lanes of 32 bits. */
static const uint32_t avx2_pack[16][8] = {
    {0},
    {0, 1},
    {2, 3},
    {0, 1, 2, 3},
    {4, 5},
    {0, 1, 4, 5},
    {2, 3, 4, 5},
    {0, 1, 2, 3, 4, 5},
    {6, 7},
    {0, 1, 6, 7},
    {2, 3, 6, 7},
    {0, 1, 2, 3, 6, 7},
    {4, 5, 6, 7},
    {0, 1, 4, 5, 6, 7},
    {2, 3, 4, 5, 6, 7},
    {0, 1, 2, 3, 4, 5, 6, 7},
};

/* There is no unsigned comparison: base and size are moved by 2^63, which makes the signed one of
 * the differences the same. Plain pointers have no tag to ask for and nothing to mask away. */
static GOOI_ALWAYS_INLINE size_t avx2_filter_words(const uint64_t *words, size_t count,
                                                   GooiReferenceFilter f, bool plain,
                                                   uint64_t *out) {
    uint64_t half = UINT64_C(1) << 63;
    __m256i tag_mask = _mm256_set1_epi64x((long long)f.tag_mask);
    __m256i tag_value = _mm256_set1_epi64x((long long)f.tag_value);
    __m256i address_mask = _mm256_set1_epi64x((long long)f.address_mask);
    __m256i base = _mm256_set1_epi64x((long long)(f.base ^ half));
    __m256i size = _mm256_set1_epi64x((long long)(f.size ^ half));
    size_t found = 0;
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        __m256i four = _mm256_loadu_si256((const __m256i *)(const void *)(words + i));
        __m256i address = plain ? four : _mm256_and_si256(four, address_mask);
        __m256i passes = _mm256_cmpgt_epi64(size, _mm256_sub_epi64(address, base));
        if (!plain) {
            __m256i tagged = _mm256_cmpeq_epi64(_mm256_and_si256(four, tag_mask), tag_value);
            passes = _mm256_and_si256(passes, tagged);
        }
        unsigned pass = (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(passes));
        __m256i order = _mm256_loadu_si256((const __m256i *)(const void *)avx2_pack[pass]);
        _mm256_storeu_si256((__m256i *)(void *)(out + found),
                            _mm256_permutevar8x32_epi32(address, order));
        found += avx2_count_ones(pass);
    }
    for (; i < count; i++) {
        uint64_t address = words[i] & f.address_mask;
        out[found] = address;
        found += (size_t)((words[i] & f.tag_mask) == f.tag_value) & (address - f.base < f.size);
    }
    return found;
}

static size_t avx2_filter_references(const uint64_t *words, size_t count,
                                     const GooiReferenceFilter *filter, uint64_t *out) {
    GooiReferenceFilter f = *filter;
    return (f.tag_mask | f.tag_value | ~f.address_mask) == 0
               ? avx2_filter_words(words, count, f, true, out)
               : avx2_filter_words(words, count, f, false, out);
}

static inline __m256i avx2_load(const uint8_t *bytes) {
    return _mm256_loadu_si256((const __m256i *)(const void *)bytes);
}

static inline __m128i avx2_load_half(const uint8_t *bytes) {
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

/* Less than a vector: two halves that overlap, or bytes. */
static bool avx2_is_zero_short(const uint8_t *p, size_t size) {
    if (size >= 16) {
        __m128i all = _mm_or_si128(avx2_load_half(p), avx2_load_half(p + size - 16));
        return _mm_testz_si128(all, all);
    }
    uint8_t all = 0;
    for (size_t i = 0; i < size; i++) {
        all |= p[i];
    }
    return all == 0;
}

/* How far it is to the next multiple of 32 behind `p`: 1 to 32. */
static inline size_t avx2_to_aligned(const uint8_t *p) {
    return 32 - ((uintptr_t)p & 31);
}

/* The first vector, four at a time from an aligned address on, single ones, and the last, which
 * overlaps what was seen. */
static bool avx2_is_zero(const void *bytes, size_t size) {
    const uint8_t *p = bytes;
    if (size < 32) {
        return avx2_is_zero_short(p, size);
    }
    __m256i all = _mm256_or_si256(avx2_load(p), avx2_load(p + size - 32));
    size_t i = avx2_to_aligned(p);
    for (; i + 128 <= size; i += 128) {
        __m256i four =
            _mm256_or_si256(_mm256_or_si256(avx2_load(p + i), avx2_load(p + i + 32)),
                            _mm256_or_si256(avx2_load(p + i + 64), avx2_load(p + i + 96)));
        if (!_mm256_testz_si256(four, four)) {
            return false;
        }
    }
    for (; i + 32 <= size; i += 32) {
        all = _mm256_or_si256(all, avx2_load(p + i));
    }
    return _mm256_testz_si256(all, all);
}

/* Bytes of 0xff where both are the same. */
static inline __m256i avx2_same(const uint8_t *left, const uint8_t *right) {
    return _mm256_cmpeq_epi8(avx2_load(left), avx2_load(right));
}

/* Bit i: byte i differs. */
static inline uint32_t avx2_different(const uint8_t *left, const uint8_t *right) {
    return ~(uint32_t)_mm256_movemask_epi8(avx2_same(left, right));
}

static size_t avx2_first_difference_short(const uint8_t *left, const uint8_t *right, size_t size) {
    size_t i = 0;
    if (size >= 16) {
        __m128i same = _mm_cmpeq_epi8(avx2_load_half(left), avx2_load_half(right));
        uint32_t different = (uint32_t)_mm_movemask_epi8(same) ^ 0xffff;
        i = size - 16;
        same = _mm_cmpeq_epi8(avx2_load_half(left + i), avx2_load_half(right + i));
        different |= ((uint32_t)_mm_movemask_epi8(same) ^ 0xffff) << i;
        return different != 0 ? (size_t)__builtin_ctz(different) : size;
    }
    while (i < size && left[i] == right[i]) {
        i++;
    }
    return i;
}

/* Whether four vectors are the same. */
static inline bool avx2_same_four(const uint8_t *left, const uint8_t *right) {
    __m256i some = _mm256_and_si256(avx2_same(left, right), avx2_same(left + 32, right + 32));
    __m256i more =
        _mm256_and_si256(avx2_same(left + 64, right + 64), avx2_same(left + 96, right + 96));
    return _mm256_movemask_epi8(_mm256_and_si256(some, more)) == -1;
}

/* The first vector, four at a time from an aligned address on, the last four, which overlap what
 * was seen. Single ones find the place. */
static size_t avx2_first_difference(const void *a, const void *b, size_t size) {
    const uint8_t *left = a, *right = b;
    if (size < 32) {
        return avx2_first_difference_short(left, right, size);
    }
    uint32_t different = avx2_different(left, right);
    if (different != 0) {
        return (size_t)__builtin_ctz(different);
    }
    size_t i = avx2_to_aligned(left);
    while (i + 128 <= size && avx2_same_four(left + i, right + i)) {
        i += 128;
    }
    if (i + 128 > size && size >= 128 && avx2_same_four(left + size - 128, right + size - 128)) {
        return size;
    }
    for (; i + 32 <= size; i += 32) {
        different = avx2_different(left + i, right + i);
        if (different != 0) {
            return i + (size_t)__builtin_ctz(different);
        }
    }
    i = size - 32;
    different = avx2_different(left + i, right + i);
    return different != 0 ? i + (size_t)__builtin_ctz(different) : size;
}

static inline void avx2_store(uint8_t *bytes, __m256i v) {
    _mm256_storeu_si256((__m256i *)(void *)bytes, v);
}

/* The 16 bytes that repeat, seen from `by` bytes on. */
static inline __m128i avx2_rotated(__m128i pattern, size_t by) {
    __m128i iota = _mm_set_epi64x(0x0f0e0d0c0b0a0908, 0x0706050403020100);
    __m128i from = _mm_add_epi8(iota, _mm_set1_epi8((char)(by & 15)));
    return _mm_shuffle_epi8(pattern, from); /* of which it looks at the low four bits */
}

static void avx2_fill_short(uint8_t *p, uint64_t first, uint64_t second, size_t size) {
    if (size >= 16) {
        __m128i pattern = _mm_set_epi64x((long long)second, (long long)first);
        _mm_storeu_si128((__m128i *)(void *)p, pattern);
        _mm_storeu_si128((__m128i *)(void *)(p + size - 16), avx2_rotated(pattern, size));
        return;
    }
    if ((size & 8) != 0) {
        memcpy(p, &first, 8);
        p += 8;
        first = second;
    }
    for (size_t piece = 4; piece != 0; piece /= 2) {
        if ((size & piece) != 0) {
            memcpy(p, &first, piece);
            p += piece;
            first >>= piece * 8;
        }
    }
}

/* The first vector, four at a time from an aligned address on with the pattern as it stands there,
 * single ones, and the last. */
static void avx2_fill(void *dest, uint64_t first, uint64_t second, size_t size) {
    uint8_t *p = dest;
    if (size < 32) {
        avx2_fill_short(p, first, second, size);
        return;
    }
    __m128i pattern = _mm_set_epi64x((long long)second, (long long)first);
    avx2_store(p, _mm256_broadcastsi128_si256(pattern));
    avx2_store(p + size - 32, _mm256_broadcastsi128_si256(avx2_rotated(pattern, size)));
    size_t i = avx2_to_aligned(p);
    __m256i v = _mm256_broadcastsi128_si256(avx2_rotated(pattern, i));
    for (; i + 128 <= size; i += 128) {
        avx2_store(p + i, v);
        avx2_store(p + i + 32, v);
        avx2_store(p + i + 64, v);
        avx2_store(p + i + 96, v);
    }
    for (; i + 32 <= size; i += 32) {
        avx2_store(p + i, v);
    }
}

void gooi_kernels_avx2(GooiKernels *table) {
    table->sweep = avx2_sweep;
    table->occupancy = avx2_occupancy;
    table->list_holes = avx2_list_holes;
    table->count_nonzero = avx2_count_nonzero;
    table->find_last = avx2_find_last;
    table->filter_references = avx2_filter_references;
    table->is_zero = avx2_is_zero;
    table->first_difference = avx2_first_difference;
    table->fill = avx2_fill;
}
