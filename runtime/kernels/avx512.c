/* 64 bytes at a time with mask registers: Ice Lake, Zen 4 and later.
 *
 * A comparison of 64 bytes answers a 64-bit mask, which is exactly the word that the carry formula
 * of kernels.h wants; the sum is one add with carry in an integer register, and F goes back into a
 * mask register to clear the bytes that nothing covers.
 *
 *     64 bytes --cmpeq--> S --+
 *              --testn--> X --+--> T = (S & X) + X + c --> F --maskz--> 64 bytes back
 *                                                          +--> the map
 *
 * Holes are listed in two passes over the caller's array. The first writes the edges of the map (a
 * hole's first granule, the first granule after it, and so on in turn) as a stream of 16-bit
 * numbers, compressed from the counting bytes 0 .. 63 by the mask of edges. The second reads two
 * edges as one 32-bit number and turns the later one into a count, in place.
 *
 * Compressing goes to a register and then to memory: the form that writes memory directly takes a
 * hundred cycles or more on Zen 4. It goes over a register of the same turn: the form that fills up
 * with zeros waits there for what its target held before, one turn after the other. Stores of
 * partial vectors are used only for the last piece, and to zero holes.
 *
 * Left out, because it measured no better (tests/bench/README.md): storing swept bytes only where
 * something changes, going around a store when no reference passes, gathering what passes into
 * whole lines, several streams of references, asking a tag below the address as part of the range.
 *
 * Threads: any; no state.
 */
#include "runtime/kernels/kernels.h"

#include <immintrin.h>
#include <string.h>

/* The smallest that these processors have. */
#define AVX512_PAGE_SIZE 4096

typedef struct Avx512Masks {
    __m512i start_mask, start_value, end_bit;
} Avx512Masks;

static inline Avx512Masks avx512_masks(uint8_t start_mask, uint8_t start_value, uint8_t end_bit) {
    return (Avx512Masks){_mm512_set1_epi8((char)start_mask), _mm512_set1_epi8((char)start_value),
                         _mm512_set1_epi8((char)end_bit)};
}

/* F for 64 granules; `carry` is 0 or 1, in and out. */
static inline uint64_t avx512_covered(__m512i bytes, Avx512Masks m, unsigned char *carry) {
    uint64_t starts = _mm512_cmpeq_epi8_mask(_mm512_and_si512(bytes, m.start_mask), m.start_value);
    uint64_t inner = _mm512_testn_epi8_mask(bytes, m.end_bit);
    unsigned long long total;
    *carry = _addcarry_u64(*carry, starts & inner, inner, &total);
    return (total ^ inner) | starts;
}

static inline size_t avx512_count_ones(uint64_t x) {
    return (size_t)_mm_popcnt_u64(x);
}

/* The lowest `count` bits, count at most 64. */
static inline uint64_t avx512_low_bits(size_t count) {
    return _bzhi_u64(UINT64_MAX, (unsigned)count);
}

static size_t avx512_sweep(uint8_t *table, size_t granules, uint8_t start_mask, uint8_t start_value,
                           uint8_t end_bit, uint64_t *occupied) {
    Avx512Masks masks = avx512_masks(start_mask, start_value, end_bit);
    unsigned char carry = 0;
    size_t count = 0;
    for (size_t i = 0; i < granules; i += 64) {
        __m512i bytes = _mm512_load_si512(table + i);
        uint64_t covered = avx512_covered(bytes, masks, &carry);
        _mm512_store_si512(table + i, _mm512_maskz_mov_epi8(covered, bytes));
        occupied[i / 64] = covered;
        count += avx512_count_ones(covered);
    }
    return count;
}

static size_t avx512_occupancy(const uint8_t *table, size_t granules, uint8_t start_mask,
                               uint8_t start_value, uint8_t end_bit, uint64_t *occupied) {
    Avx512Masks masks = avx512_masks(start_mask, start_value, end_bit);
    unsigned char carry = 0;
    size_t count = 0;
    for (size_t i = 0; i < granules; i += 64) {
        uint64_t covered = avx512_covered(_mm512_load_si512(table + i), masks, &carry);
        occupied[i / 64] = covered;
        count += avx512_count_ones(covered);
    }
    return count;
}

/* The bytes 0 .. 63, from which positions are compressed. */
static inline __m512i avx512_iota(void) {
    __m512i tens = _mm512_set_epi64(0x38, 0x30, 0x28, 0x20, 0x18, 0x10, 0x08, 0x00);
    __m512i spread = _mm512_shuffle_epi8(tens, _mm512_set4_epi32(0x08080808, 0x08080808, 0, 0));
    return _mm512_add_epi8(spread, _mm512_set1_epi64(0x0706050403020100));
}

/* Writes the edges of the map to `edges`, in order; returns how many. At most 64 for each word, so
 * the vectors that are stored stay inside the first `granules` entries. */
static size_t avx512_list_edges(const uint64_t *occupied, size_t granules, uint16_t *edges) {
    __m512i iota = avx512_iota();
    size_t count = 0;
    uint64_t open = 0;
    for (size_t i = 0; i < granules; i += 64) {
        uint64_t clear = ~occupied[i / 64];
        uint64_t edge = clear ^ (clear << 1 | open);
        open = clear >> 63;
        __m512i base = _mm512_set1_epi16((short)i);
        __m512i found = _mm512_mask_compress_epi8(base, edge, iota);
        size_t found_count = avx512_count_ones(edge);
        __m512i low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(found));
        _mm512_storeu_si512(edges + count, _mm512_add_epi16(low, base));
        if (found_count > 32) {
            __m512i high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(found, 1));
            _mm512_storeu_si512(edges + count + 32, _mm512_add_epi16(high, base));
        }
        count += found_count;
    }
    if (open != 0) {
        edges[count++] = (uint16_t)granules;
    }
    return count;
}

/* Turns the later edge of each pair into a count. */
static inline __m512i avx512_holes(__m512i pairs) {
    return _mm512_sub_epi16(pairs, _mm512_slli_epi32(pairs, 16));
}

static size_t avx512_list_holes(const uint64_t *occupied, size_t granules, size_t min_count,
                                GooiHole *holes) {
    if (min_count > UINT16_MAX) {
        return 0;
    }
    size_t pairs = avx512_list_edges(occupied, granules, (uint16_t *)(void *)holes) / 2;
    __m512i least = _mm512_set1_epi32((int)(min_count << 16));
    size_t count = 0;
    size_t i = 0;
    for (; i + 16 <= pairs; i += 16) {
        __m512i found = avx512_holes(_mm512_loadu_si512(holes + i));
        __mmask16 keep = _mm512_cmpge_epu32_mask(found, least);
        _mm512_storeu_si512(holes + count, _mm512_mask_compress_epi32(found, keep, found));
        count += avx512_count_ones(keep);
    }
    __mmask16 rest = (__mmask16)avx512_low_bits(pairs - i);
    __m512i found = avx512_holes(_mm512_maskz_loadu_epi32(rest, holes + i));
    __mmask16 keep = _mm512_mask_cmpge_epu32_mask(rest, found, least);
    size_t keep_count = avx512_count_ones(keep);
    _mm512_mask_storeu_epi32(holes + count, (__mmask16)avx512_low_bits(keep_count),
                             _mm512_maskz_compress_epi32(keep, found));
    return count + keep_count;
}

/* Whether `width` bytes at `p` reach into the next page. A masked vector is not asked for there: it
 * takes 400 ns where its masked part lies in a page that is absent. */
static inline bool avx512_leaves_page(const void *p, size_t width) {
    return ((uintptr_t)p & (AVX512_PAGE_SIZE - 1)) > AVX512_PAGE_SIZE - width;
}

/* Bit i: byte i of 64 has one of the mask's bits. */
static inline uint64_t avx512_hits(const uint8_t *bytes, __m512i masks) {
    return _mm512_test_epi8_mask(_mm512_loadu_si512(bytes), masks);
}

/* The same for `count` bytes, 0 to 63, of which the first is in a page that is there. */
static inline uint64_t avx512_few_hits(const uint8_t *bytes, size_t count, __m512i masks) {
    uint64_t lanes = avx512_low_bits(count);
    if (GOOI_LIKELY(!avx512_leaves_page(bytes, 64))) {
        return _mm512_test_epi8_mask(_mm512_maskz_loadu_epi8(lanes, bytes), masks);
    }
    size_t back = (64 - count) & 63; /* the vector that ends with them lies in their page */
    __m512i some = _mm512_maskz_loadu_epi8(lanes << back, bytes - back);
    return _mm512_test_epi8_mask(some, masks) >> back;
}

/* The last vector overlaps what was counted. */
static size_t avx512_count_nonzero(const uint8_t *bytes, size_t count, uint8_t mask) {
    __m512i masks = _mm512_set1_epi8((char)mask);
    if (count < 64) {
        return count == 0 ? 0 : avx512_count_ones(avx512_few_hits(bytes, count, masks));
    }
    size_t found = 0;
    size_t i = 0;
    for (; i + 64 <= count; i += 64) {
        found += avx512_count_ones(avx512_hits(bytes + i, masks));
    }
    if (i < count) {
        uint64_t counted = avx512_low_bits(i + 64 - count);
        found += avx512_count_ones(avx512_hits(bytes + count - 64, masks) & ~counted);
    }
    return found;
}

static size_t avx512_find_last(const uint8_t *bytes, size_t count, uint8_t mask) {
    __m512i masks = _mm512_set1_epi8((char)mask);
    size_t i = count;
    for (; i >= 64; i -= 64) {
        uint64_t hits = avx512_hits(bytes + i - 64, masks);
        if (hits != 0) {
            return i - 1 - (size_t)_lzcnt_u64(hits);
        }
    }
    uint64_t hits = i == 0 ? 0 : avx512_few_hits(bytes, i, masks);
    return hits == 0 ? SIZE_MAX : 63 - (size_t)_lzcnt_u64(hits);
}

/* What is to be asked of a word. */
typedef enum Avx512Question {
    AVX512_RANGE,    /* its range: it is an address */
    AVX512_HIGH_TAG, /* one range too: its tag fills all bits above the addresses */
    AVX512_ANY_TAG   /* its tag, and the range of its address */
} Avx512Question;

static Avx512Question avx512_question(const GooiReferenceFilter *f) {
    uint64_t mask = f->address_mask;
    if (f->tag_mask != ~mask || (mask & (mask + 1)) != 0 || (f->tag_value & mask) != 0 ||
        f->base > mask || f->size - 1 > mask - f->base) {
        return AVX512_ANY_TAG;
    }
    return mask == UINT64_MAX ? AVX512_RANGE : AVX512_HIGH_TAG;
}

typedef struct Avx512Filter {
    __m512i tag_mask, tag_value, address_mask, base, size;
} Avx512Filter;

static GOOI_ALWAYS_INLINE Avx512Filter avx512_filter(const GooiReferenceFilter *f,
                                                     Avx512Question question) {
    uint64_t base = question == AVX512_HIGH_TAG ? f->tag_value | f->base : f->base;
    return (Avx512Filter){.tag_mask = _mm512_set1_epi64((long long)f->tag_mask),
                          .tag_value = _mm512_set1_epi64((long long)f->tag_value),
                          .address_mask = _mm512_set1_epi64((long long)f->address_mask),
                          .base = _mm512_set1_epi64((long long)base),
                          .size = _mm512_set1_epi64((long long)f->size)};
}

/* Writes the addresses among the `lanes` of eight words that pass, with anything behind them.
 * Returns how many. */
static GOOI_ALWAYS_INLINE size_t avx512_filter_eight(__m512i words, __mmask8 lanes, Avx512Filter f,
                                                     Avx512Question question, uint64_t *out) {
    __m512i address = question == AVX512_RANGE ? words : _mm512_and_si512(words, f.address_mask);
    __m512i offset = _mm512_sub_epi64(question == AVX512_ANY_TAG ? address : words, f.base);
    if (question == AVX512_ANY_TAG) {
        __m512i tag = _mm512_and_si512(words, f.tag_mask);
        lanes = _mm512_mask_cmpeq_epi64_mask(lanes, tag, f.tag_value);
    }
    __mmask8 pass = _mm512_mask_cmplt_epu64_mask(lanes, offset, f.size);
    _mm512_storeu_si512(out, _mm512_mask_compress_epi64(offset, pass, address));
    return avx512_count_ones(pass);
}

/* The last vector overlaps what was filtered. */
static GOOI_ALWAYS_INLINE size_t avx512_filter_words(const uint64_t *words, size_t count,
                                                     const GooiReferenceFilter *filter,
                                                     Avx512Question question, uint64_t *out) {
    Avx512Filter f = avx512_filter(filter, question);
    size_t found = 0;
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m512i eight = _mm512_loadu_si512(words + i);
        found += avx512_filter_eight(eight, 0xff, f, question, out + found);
    }
    size_t rest = count - i;
    if (rest != 0) {
        size_t back = count >= 8 || avx512_leaves_page(words, 64) ? 8 - rest : 0;
        __mmask8 lanes = (__mmask8)(avx512_low_bits(rest) << back);
        __m512i some = _mm512_maskz_loadu_epi64(lanes, words + i - back);
        found += avx512_filter_eight(some, lanes, f, question, out + found);
    }
    return found;
}

static size_t avx512_filter_references(const uint64_t *words, size_t count,
                                       const GooiReferenceFilter *filter, uint64_t *out) {
    switch (avx512_question(filter)) {
    case AVX512_RANGE:
        return avx512_filter_words(words, count, filter, AVX512_RANGE, out);
    case AVX512_HIGH_TAG:
        return avx512_filter_words(words, count, filter, AVX512_HIGH_TAG, out);
    default:
        return avx512_filter_words(words, count, filter, AVX512_ANY_TAG, out);
    }
}

/* How far it is to the next multiple of 64 behind `p`: 1 to 64. */
static inline size_t avx512_to_aligned(const uint8_t *p) {
    return 64 - ((uintptr_t)p & 63);
}

static inline __m256i avx512_load_half(const uint8_t *p) {
    return _mm256_loadu_epi8(p);
}

/* More than is likely to be in a cache. */
enum { AVX512_FAR_MIN = 1024 * 1024 };

/* Vectors of 32 bytes, four at a time: from memory that is up to 10 % faster than vectors of 64,
 * since the prefetcher follows each load instruction by its own stride. */
static bool avx512_is_zero_far(const uint8_t *p, size_t size) {
    size_t i = avx512_to_aligned(p);
    __m256i all = _mm256_or_si256(avx512_load_half(p), avx512_load_half(p + 32));
    for (; i + 128 <= size; i += 128) {
        __m256i some = _mm256_or_si256(avx512_load_half(p + i), avx512_load_half(p + i + 32));
        __m256i more = _mm256_or_si256(avx512_load_half(p + i + 64), avx512_load_half(p + i + 96));
        __m256i four = _mm256_or_si256(some, more);
        if (!_mm256_testz_si256(four, four)) {
            return false;
        }
    }
    for (i = size - 128; i < size; i += 32) {
        all = _mm256_or_si256(all, avx512_load_half(p + i));
    }
    return _mm256_testz_si256(all, all);
}

static inline __m128i avx512_load_quarter(const uint8_t *p) {
    return _mm_loadu_epi8(p);
}

/* Less than a vector: two smaller ones that overlap, or one that is masked. */
static bool avx512_is_zero_short(const uint8_t *p, size_t size) {
    if (size >= 32) {
        __m256i all = _mm256_or_si256(avx512_load_half(p), avx512_load_half(p + size - 32));
        return _mm256_testz_si256(all, all);
    }
    if (size >= 16) {
        __m128i all = _mm_or_si128(avx512_load_quarter(p), avx512_load_quarter(p + size - 16));
        return _mm_testz_si128(all, all);
    }
    return size == 0 || avx512_few_hits(p, size, _mm512_set1_epi8(-1)) == 0;
}

/* The first vector, two at a time from an aligned address on, and the last, which overlaps what was
 * seen. */
static bool avx512_is_zero(const void *bytes, size_t size) {
    const uint8_t *p = bytes;
    if (size < 64) {
        return avx512_is_zero_short(p, size);
    }
    if (size >= AVX512_FAR_MIN) {
        return avx512_is_zero_far(p, size);
    }
    __m512i all = _mm512_or_si512(_mm512_loadu_si512(p), _mm512_loadu_si512(p + size - 64));
    size_t i = avx512_to_aligned(p);
    for (; i + 128 <= size; i += 128) {
        __m512i two = _mm512_or_si512(_mm512_load_si512(p + i), _mm512_load_si512(p + i + 64));
        if (_mm512_test_epi64_mask(two, two) != 0) {
            return false;
        }
    }
    if (i + 64 <= size) {
        all = _mm512_or_si512(all, _mm512_load_si512(p + i));
    }
    return _mm512_test_epi64_mask(all, all) == 0;
}

/* Bit i: byte i of 32 differs. */
static inline uint32_t avx512_different(const uint8_t *left, const uint8_t *right) {
    return _mm256_cmpneq_epi8_mask(avx512_load_half(left), avx512_load_half(right));
}

static inline __m256i avx512_change(const uint8_t *left, const uint8_t *right) {
    return _mm256_xor_si256(avx512_load_half(left), avx512_load_half(right));
}

/* Less than a vector: what differs in either of two smaller ones that overlap, or in one that is
 * masked, and a bit for the end. */
static size_t avx512_first_difference_short(const uint8_t *left, const uint8_t *right,
                                            size_t size) {
    uint64_t different;
    if (size >= 32) {
        size_t last = size - 32;
        different = avx512_different(left, right) |
                    (uint64_t)avx512_different(left + last, right + last) << last;
    } else if (size >= 16) {
        size_t last = size - 16;
        different = _mm_cmpneq_epi8_mask(avx512_load_quarter(left), avx512_load_quarter(right)) |
                    (uint64_t)_mm_cmpneq_epi8_mask(avx512_load_quarter(left + last),
                                                   avx512_load_quarter(right + last))
                        << last;
    } else if (avx512_leaves_page(left, 16) || avx512_leaves_page(right, 16)) {
        size_t i = 0;
        while (i < size && left[i] == right[i]) {
            i++;
        }
        return i;
    } else {
        __mmask16 lanes = (__mmask16)avx512_low_bits(size);
        different = _mm_cmpneq_epi8_mask(_mm_maskz_loadu_epi8(lanes, left),
                                         _mm_maskz_loadu_epi8(lanes, right));
    }
    return _tzcnt_u64(different | UINT64_C(1) << size);
}

/* Whether four vectors are the same. */
static inline bool avx512_same_four(const uint8_t *left, const uint8_t *right) {
    __m256i some =
        _mm256_or_si256(avx512_change(left, right), avx512_change(left + 32, right + 32));
    __m256i more =
        _mm256_or_si256(avx512_change(left + 64, right + 64), avx512_change(left + 96, right + 96));
    __m256i four = _mm256_or_si256(some, more);
    return _mm256_testz_si256(four, four);
}

/* Vectors of 32 bytes, since one of the two ranges is rarely aligned, and every load of 64 would
 * cross a line there: the first, four at a time from an aligned address on, the last four, which
 * overlap what was seen. Single ones find the place. */
static size_t avx512_first_difference(const void *a, const void *b, size_t size) {
    const uint8_t *left = a, *right = b;
    if (size < 64) {
        return avx512_first_difference_short(left, right, size);
    }
    uint32_t different = avx512_different(left, right);
    if (different != 0) {
        return _tzcnt_u32(different);
    }
    size_t i = 32 - ((uintptr_t)left & 31);
    while (i + 128 <= size && avx512_same_four(left + i, right + i)) {
        i += 128;
    }
    if (i + 128 > size && size >= 128 && avx512_same_four(left + size - 128, right + size - 128)) {
        return size;
    }
    for (; i + 32 <= size; i += 32) {
        different = avx512_different(left + i, right + i);
        if (different != 0) {
            return i + _tzcnt_u32(different);
        }
    }
    i = size - 32;
    different = avx512_different(left + i, right + i);
    return different != 0 ? i + _tzcnt_u32(different) : size;
}

/* The 16 bytes that repeat, seen from `by` bytes on. */
static inline __m128i avx512_rotated(__m128i pattern, size_t by) {
    __m128i iota = _mm_set_epi64x(0x0f0e0d0c0b0a0908, 0x0706050403020100);
    __m128i from = _mm_add_epi8(iota, _mm_set1_epi8((char)(by & 15)));
    return _mm_shuffle_epi8(pattern, from); /* of which it looks at the low four bits */
}

/* Less than a vector: two smaller ones that overlap, or pieces. */
static void avx512_fill_short(uint8_t *p, uint64_t first, uint64_t second, size_t size) {
    __m128i pattern = _mm_set_epi64x((long long)second, (long long)first);
    if (size >= 32) {
        __m128i last = avx512_rotated(pattern, size);
        _mm256_storeu_epi8(p, _mm256_broadcastsi128_si256(pattern));
        _mm256_storeu_epi8(p + size - 32, _mm256_broadcastsi128_si256(last));
        return;
    }
    if (size >= 16) {
        _mm_storeu_epi8(p, pattern);
        _mm_storeu_epi8(p + size - 16, avx512_rotated(pattern, size));
        return;
    }
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

/* The first vector, four at a time from an aligned address on with the pattern as it stands there,
 * single ones, and the last. */
static void avx512_fill(void *dest, uint64_t first, uint64_t second, size_t size) {
    uint8_t *p = dest;
    if (size < 64) {
        avx512_fill_short(p, first, second, size);
        return;
    }
    __m128i pattern = _mm_set_epi64x((long long)second, (long long)first);
    _mm512_storeu_si512(p, _mm512_broadcast_i32x4(pattern));
    _mm512_storeu_si512(p + size - 64, _mm512_broadcast_i32x4(avx512_rotated(pattern, size)));
    size_t i = avx512_to_aligned(p);
    __m512i v = _mm512_broadcast_i32x4(avx512_rotated(pattern, i));
    for (; i + 256 <= size; i += 256) {
        _mm512_store_si512(p + i, v);
        _mm512_store_si512(p + i + 64, v);
        _mm512_store_si512(p + i + 128, v);
        _mm512_store_si512(p + i + 192, v);
    }
    for (; i + 64 <= size; i += 64) {
        _mm512_store_si512(p + i, v);
    }
}

/* Each bit twice: the words of eight bytes that 32 granules are made of. */
static inline uint64_t avx512_doubled(uint32_t bits) {
    return _pdep_u64(bits, UINT64_C(0x5555555555555555)) * 3;
}

/* Every cache line by a masked store: no branch depends on the map, and writing lines in order is
 * what the processor fetches ahead best. */
static void avx512_zero_clear(void *memory, const uint64_t *occupied, size_t words) {
    uint8_t *line = memory;
    __m512i zero = _mm512_setzero_si512();
    for (size_t i = 0; i < words; i++) {
        for (unsigned half = 0; half < 64; half += 32, line += 512) {
            uint64_t mask = avx512_doubled((uint32_t)(~occupied[i] >> half));
            for (unsigned k = 0; k < 8; k++) {
                _mm512_mask_store_epi64(line + 64 * k, (__mmask8)(mask >> 8 * k), zero);
            }
        }
    }
}

void gooi_kernels_avx512(GooiKernels *table) {
    table->sweep = avx512_sweep;
    table->occupancy = avx512_occupancy;
    table->list_holes = avx512_list_holes;
    table->count_nonzero = avx512_count_nonzero;
    table->find_last = avx512_find_last;
    table->filter_references = avx512_filter_references;
    table->is_zero = avx512_is_zero;
    table->first_difference = avx512_first_difference;
    table->fill = avx512_fill;
    table->zero_clear = avx512_zero_clear;
    table->zero_clear_is_fast = true;
}
