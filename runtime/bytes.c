/* Operations on plain bytes: what libc has is forwarded to libc, the rest stands here.
 *
 * A forwarded call beats any loop of ours at every size, so only size 0 is caught, where libc wants
 * valid pointers and our callers need not have them; the call is a jump, and not through a stub
 * where the compiler can leave that out.
 *
 * Up to 15 bytes are searched here, as two words that overlap, since a kernel's vectors are longer;
 * the rest is the kernels'. So is filling with a pattern of 2, 4, 8 or 16 bytes. A pattern of any
 * other size starts with what a register holds of it, doubles what is filled until that is a chunk,
 * and then copies the chunk, which stays in the first cache, so that memcpy does nearly all of it
 * and reads no memory.
 *
 * Threads: any; no state.
 */
#include "goo/runtime/memory.h"
#include "runtime/bits.h"
#include "runtime/kernels/kernels.h"

#include <string.h>
#include <wchar.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__ELF__)
/* libc's functions under names that the compiler does not take for its own: it ignores noplt there,
 * and would jump to a stub that jumps. */
void *bytes_libc_copy(void *dest, const void *src, size_t size) __asm__("memcpy")
    __attribute__((noplt));
void *bytes_libc_set(void *dest, int value, size_t size) __asm__("memset") __attribute__((noplt));
int bytes_libc_compare(const void *a, const void *b, size_t size) __asm__("memcmp")
    __attribute__((noplt, pure));
wchar_t *bytes_libc_set_wide(wchar_t *dest, wchar_t value, size_t count) __asm__("wmemset")
    __attribute__((noplt));
#else
#define bytes_libc_copy memcpy
#define bytes_libc_set memset
#define bytes_libc_compare memcmp
#define bytes_libc_set_wide wmemset
#endif

void goo_memory_copy(void *dest, const void *src, size_t size) {
    if (size != 0) {
        bytes_libc_copy(dest, src, size);
    }
}

void goo_memory_set(void *dest, uint8_t value, size_t size) {
    if (size != 0) {
        bytes_libc_set(dest, value, size);
    }
}

int goo_memory_compare(const void *a, const void *b, size_t size) {
    return size == 0 ? 0 : bytes_libc_compare(a, b, size);
}

enum { BYTES_KERNEL_MIN = 16 };

/* A word with the first byte of memory in the lowest bits. */
static inline uint64_t bytes_load4(const uint8_t *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

bool goo_memory_is_zero(const void *ptr, size_t size) {
    const uint8_t *p = ptr;
    if (size >= BYTES_KERNEL_MIN) {
        return gooi_kernels->is_zero(p, size);
    }
    if (size >= 8) {
        return (gooi_load_little_endian(p) | gooi_load_little_endian(p + size - 8)) == 0;
    }
    if (size >= 4) {
        return (bytes_load4(p) | bytes_load4(p + size - 4)) == 0;
    }
    /* The first byte, the one in the middle and the last: all there are. */
    return size == 0 || (p[0] | p[size / 2] | p[size - 1]) == 0;
}

enum {
    BYTES_WIDE_MIN = 128,
    BYTES_FILL_START = 512,
    BYTES_FILL_CHUNK = 4 * 1024,
    BYTES_FILL_WIDEST = 32
};

/* As many of a pattern of 3, 5, 6 or 7 bytes as a word holds, as memory has them. */
static inline uint64_t bytes_word_of(const uint8_t *pattern, size_t pattern_size) {
    uint64_t word =
        pattern_size == 3 ? pattern[0] | (uint64_t)pattern[1] << 8 : bytes_load4(pattern);
    word |= pattern_size == 3 ? (uint64_t)pattern[2] << 16
                              : bytes_load4(pattern + pattern_size - 4) << 8 * (pattern_size - 4);
    word |= word << 8 * pattern_size;
    word |= pattern_size == 3 ? word << 48 : 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Patterns of 3, 5, 6 and 7 bytes: the word at a stride of those that it holds whole. */
static void bytes_fill_narrow(uint8_t *bytes, const uint8_t *pattern, size_t pattern_size,
                              size_t size) {
    uint64_t word = bytes_word_of(pattern, pattern_size);
    size_t stride = pattern_size == 3 ? 6 : pattern_size;
    for (; size >= sizeof word; size -= stride) {
        memcpy(bytes, &word, sizeof word);
        bytes += stride;
    }
    uint8_t rest[sizeof word];
    memcpy(rest, &word, sizeof rest);
    if (size >= 4) {
        memcpy(bytes, rest, 4);
        memcpy(bytes + size - 4, rest + size - 4, 4);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        bytes[i] = rest[i];
    }
}

/* Patterns of 9 to 15 bytes: two words that overlap. */
static void bytes_fill_middle(uint8_t *bytes, const uint8_t *pattern, size_t pattern_size,
                              size_t size) {
    uint64_t first, last;
    memcpy(&first, pattern, sizeof first);
    memcpy(&last, pattern + pattern_size - sizeof last, sizeof last);
    for (; size >= pattern_size; size -= pattern_size) {
        memcpy(bytes, &first, sizeof first);
        memcpy(bytes + pattern_size - sizeof last, &last, sizeof last);
        bytes += pattern_size;
    }
    if (size != 0) {
        memcpy(bytes, pattern, size);
    }
}

typedef struct BytesHalf {
    uint64_t words[2];
} BytesHalf;

/* Patterns of 17 to 32 bytes: two halves that overlap. */
static void bytes_fill_wide(uint8_t *bytes, const uint8_t *pattern, size_t pattern_size,
                            size_t size) {
    BytesHalf first, last;
    memcpy(&first, pattern, sizeof first);
    memcpy(&last, pattern + pattern_size - sizeof last, sizeof last);
    for (; size >= pattern_size; size -= pattern_size) {
        memcpy(bytes, &first, sizeof first);
        memcpy(bytes + pattern_size - sizeof last, &last, sizeof last);
        bytes += pattern_size;
    }
    if (size != 0) {
        memcpy(bytes, pattern, size);
    }
}

/* Patterns of 3 to 32 bytes, where there are not many. */
static void bytes_fill_few(uint8_t *bytes, const uint8_t *pattern, size_t pattern_size,
                           size_t size) {
    if (pattern_size > 16) {
        bytes_fill_wide(bytes, pattern, pattern_size, size);
    } else if (pattern_size > 8) {
        bytes_fill_middle(bytes, pattern, pattern_size, size);
    } else {
        bytes_fill_narrow(bytes, pattern, pattern_size, size);
    }
}

/* A pattern whose size does not divide 16, at least once. */
GOOI_NEVER_INLINE static void bytes_fill_many(uint8_t *bytes, const uint8_t *pattern,
                                              size_t pattern_size, size_t size) {
    size_t filled = pattern_size;
    if (pattern_size <= BYTES_FILL_WIDEST) {
        filled = BYTES_FILL_START / pattern_size * pattern_size;
        bytes_fill_few(bytes, pattern, pattern_size, filled);
    } else {
        memcpy(bytes, pattern, pattern_size);
    }
    size_t chunk = filled; /* a multiple of pattern_size: the copies stay in phase */
    while (filled < size) {
        size_t step = chunk < size - filled ? chunk : size - filled;
        memcpy(bytes + filled, bytes, step);
        filled += step;
        chunk = chunk < BYTES_FILL_CHUNK ? filled : chunk;
    }
}

static void bytes_fill_other(uint8_t *bytes, const uint8_t *pattern, size_t pattern_size,
                             size_t size) {
    if (size < pattern_size) {
        bytes_libc_copy(bytes, pattern, size);
    } else if (pattern_size <= BYTES_FILL_WIDEST && size <= BYTES_FILL_START) {
        bytes_fill_few(bytes, pattern, pattern_size, size);
    } else {
        bytes_fill_many(bytes, pattern, pattern_size, size);
    }
}

static void bytes_fill2(uint8_t *bytes, uint16_t pattern, size_t size) {
    uint64_t four = pattern * UINT64_C(0x0001000100010001);
    gooi_kernels->fill(bytes, four, four, size);
}

static void bytes_fill4(uint8_t *bytes, uint32_t pattern, size_t size) {
    uint64_t two = pattern * UINT64_C(0x0000000100000001);
    gooi_kernels->fill(bytes, two, two, size);
}

static void bytes_fill(uint8_t *bytes, const void *pattern, size_t pattern_size, size_t size) {
    uint64_t first, second;
    uint32_t half;
    uint16_t quarter;
    switch (pattern_size) {
    case 1:
        memset(bytes, *(const uint8_t *)pattern, size);
        return;
    case 2:
        memcpy(&quarter, pattern, 2);
        bytes_fill2(bytes, quarter, size);
        return;
    case 4:
        memcpy(&half, pattern, 4);
        bytes_fill4(bytes, half, size);
        return;
    case 8:
        memcpy(&first, pattern, 8);
        gooi_kernels->fill(bytes, first, first, size);
        return;
    case 16:
        memcpy(&first, pattern, 8);
        memcpy(&second, (const uint8_t *)pattern + 8, 8);
        gooi_kernels->fill(bytes, first, second, size);
        return;
    default:
        bytes_fill_other(bytes, pattern, pattern_size, size);
    }
}

void goo_memory_fill(void *dest, const void *pattern, size_t pattern_size, size_t size) {
    if (size == 0 || pattern_size == 0) {
        return;
    }
#if defined(__GLIBC__) && __SIZEOF_WCHAR_T__ == 4
    /* glibc's wmemset is a long fill with 4 bytes at its best, where it may be used. */
    if (pattern_size == 4 && size >= BYTES_WIDE_MIN && ((uintptr_t)dest | size) % 4 == 0) {
        wchar_t element;
        memcpy(&element, pattern, sizeof element);
        bytes_libc_set_wide(dest, element, size / sizeof element);
        return;
    }
#endif
    bytes_fill(dest, pattern, pattern_size, size);
}

/* Where two words differ, in bytes from the first; they do differ. */
static inline size_t bytes_place(uint64_t change) {
    return gooi_count_trailing_zeros(change) / 8;
}

/* 8 to 15 bytes, or 4 to 7: two words that overlap. */
static size_t bytes_difference8(const uint8_t *left, const uint8_t *right, size_t size) {
    uint64_t change = gooi_load_little_endian(left) ^ gooi_load_little_endian(right);
    if (change != 0) {
        return bytes_place(change);
    }
    change = gooi_load_little_endian(left + size - 8) ^ gooi_load_little_endian(right + size - 8);
    return change != 0 ? size - 8 + bytes_place(change) : size;
}

static size_t bytes_difference4(const uint8_t *left, const uint8_t *right, size_t size) {
    uint64_t change = bytes_load4(left) ^ bytes_load4(right);
    if (change != 0) {
        return bytes_place(change);
    }
    change = bytes_load4(left + size - 4) ^ bytes_load4(right + size - 4);
    return change != 0 ? size - 4 + bytes_place(change) : size;
}

size_t goo_memory_first_difference(const void *a, const void *b, size_t size) {
    const uint8_t *left = a, *right = b;
    if (size >= BYTES_KERNEL_MIN) {
        return gooi_kernels->first_difference(a, b, size);
    }
    if (size >= 4) {
        return size >= 8 ? bytes_difference8(left, right, size)
                         : bytes_difference4(left, right, size);
    }
    size_t i = 0;
    while (i < size && left[i] == right[i]) {
        i++;
    }
    return i;
}
