/* Arithmetic that must not go wrong: checked sums and products, alignment, bit scans, byte order.
 *
 * Layer 0. Everything here is a small pure function; portable C where the compiler has no builtin.
 * The checked forms answer true when the result did not fit, and store nothing then.
 */
#ifndef GOO_RUNTIME_BITS_H
#define GOO_RUNTIME_BITS_H

#include <string.h>

#include "runtime/base.h"

static inline bool gooi_add_overflows(size_t a, size_t b, size_t *out_sum) {
    if (a > SIZE_MAX - b) {
        return true;
    }
    *out_sum = a + b;
    return false;
}

static inline bool gooi_multiply_overflows(size_t a, size_t b, size_t *out_product) {
    if (b != 0 && a > SIZE_MAX / b) {
        return true;
    }
    *out_product = a * b;
    return false;
}

static inline bool gooi_is_power_of_two(size_t x) {
    return x != 0 && (x & (x - 1)) == 0;
}

static inline size_t gooi_align_down(size_t x, size_t alignment) {
    return x & ~(alignment - 1);
}

/* x must be at most SIZE_MAX - alignment + 1; numbers from outside: gooi_align_up_overflows. */
static inline size_t gooi_align_up(size_t x, size_t alignment) {
    return (x + (alignment - 1)) & ~(alignment - 1);
}

static inline bool gooi_align_up_overflows(size_t x, size_t alignment, size_t *out_aligned) {
    size_t sum;
    if (gooi_add_overflows(x, alignment - 1, &sum)) {
        return true;
    }
    *out_aligned = sum & ~(alignment - 1);
    return false;
}

/* Index of the lowest set bit; x must not be 0. */
static inline unsigned gooi_count_trailing_zeros(uint64_t x) {
#if defined(__GNUC__) || defined(__clang__)
    return (unsigned)__builtin_ctzll(x);
#else
    unsigned n = 0;
    while ((x & 1) == 0) {
        x >>= 1;
        n++;
    }
    return n;
#endif
}

/* 63 minus the index of the highest set bit; x must not be 0. */
static inline unsigned gooi_count_leading_zeros(uint64_t x) {
#if defined(__GNUC__) || defined(__clang__)
    return (unsigned)__builtin_clzll(x);
#else
    unsigned n = 0;
    while ((x >> 63) == 0) {
        x <<= 1;
        n++;
    }
    return n;
#endif
}

static inline unsigned gooi_count_ones(uint64_t x) {
#if defined(__GNUC__) || defined(__clang__)
    return (unsigned)__builtin_popcountll(x);
#else
    unsigned n = 0;
    for (; x != 0; x &= x - 1) {
        n++;
    }
    return n;
#endif
}

/* Eight bytes from any address, the first one in the lowest bits. */
static inline uint64_t gooi_load_little_endian(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

#endif
