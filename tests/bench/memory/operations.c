/* What bench_memory measures (operations.h). Loops by hand are functions of their own, as a program
 * has them, compiled with the library's options. The compiler is kept from knowing libc's
 * functions, so that every call is one; the loops' own accesses of a fixed size are builtins, which
 * are none.
 */
#include "tests/bench/memory/operations.h"

#include <string.h>
#include <wchar.h>

#include "goo/runtime/memory.h"

static volatile size_t sink;

/* A loop of calls that the compiler can't move or drop; `result` is a value. */
#define CALLS(name, result)                                                                        \
    static void name(const Cell *cell, size_t count) {                                             \
        uint8_t *a = cell->a, *b = cell->b;                                                        \
        size_t size = cell->size, sum = 0;                                                         \
        for (size_t i = 0; i < count; i++) {                                                       \
            __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(size) : : "memory");                      \
            sum += (size_t)(result);                                                               \
        }                                                                                          \
        sink = sum + (size_t)(a - b);                                                              \
    }

/* --- rivals by hand --- */

#define BY_HAND __attribute__((noinline)) static

BY_HAND bool zero_by_loop(const uint8_t *bytes, size_t size) {
    uint8_t all = 0;
    for (size_t i = 0; i < size; i++) {
        all |= bytes[i];
    }
    return all == 0;
}

/* Words, leaving at the first that is not 0. */
BY_HAND bool zero_by_words(const uint8_t *bytes, size_t size) {
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word;
        __builtin_memcpy(&word, bytes + i, 8);
        if (word != 0) {
            return false;
        }
    }
    for (; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* The range against itself one byte on. */
BY_HAND bool zero_by_memcmp(const uint8_t *bytes, size_t size) {
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Values that the compiler does not know. */
static uint8_t pattern[24] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                              13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24};

/* An array of elements of UNIT bytes, each set to the same value. */
#define FILL_BY_LOOP(unit)                                                                         \
    typedef struct Element##unit {                                                                 \
        uint8_t bytes[unit];                                                                       \
    } Element##unit;                                                                               \
    BY_HAND void fill##unit##_by_loop(uint8_t *bytes, size_t size, const uint8_t *value) {         \
        Element##unit element;                                                                     \
        __builtin_memcpy(&element, value, unit);                                                   \
        for (size_t i = 0; i + (unit) <= size; i += (unit)) {                                      \
            __builtin_memcpy(bytes + i, &element, unit);                                           \
        }                                                                                          \
    }

FILL_BY_LOOP(3)
FILL_BY_LOOP(4)
FILL_BY_LOOP(8)
FILL_BY_LOOP(24)

BY_HAND size_t difference_by_loop(const uint8_t *a, const uint8_t *b, size_t size) {
    size_t i = 0;
    while (i < size && a[i] == b[i]) {
        i++;
    }
    return i;
}

/* Asks first whether there is one. */
BY_HAND size_t difference_by_memcmp(const uint8_t *a, const uint8_t *b, size_t size) {
    return memcmp(a, b, size) == 0 ? size : difference_by_loop(a, b, size);
}

/* --- operations --- */

CALLS(copy_goo, (goo_memory_copy(b, a, size), 0))
CALLS(copy_libc, (memcpy(b, a, size), 0))
CALLS(set_goo, (goo_memory_set(a, 0xab, size), 0))
CALLS(set_libc, (memset(a, 0xab, size), 0))
CALLS(compare_goo, goo_memory_compare(a, b, size))
CALLS(compare_libc, memcmp(a, b, size))
CALLS(zero_goo, goo_memory_is_zero(a, size))
CALLS(zero_loop, zero_by_loop(a, size))
CALLS(zero_words, zero_by_words(a, size))
CALLS(zero_memcmp, zero_by_memcmp(a, size))
static wchar_t pattern_wide(void) {
    wchar_t wide;
    __builtin_memcpy(&wide, pattern, sizeof wide);
    return wide;
}

CALLS(fill3_goo, (goo_memory_fill(a, pattern, 3, size), 0))
CALLS(fill3_loop, (fill3_by_loop(a, size, pattern), 0))
CALLS(fill4_goo, (goo_memory_fill(a, pattern, 4, size), 0))
CALLS(fill4_loop, (fill4_by_loop(a, size, pattern), 0))
CALLS(fill4_wmemset, (wmemset((wchar_t *)(void *)a, pattern_wide(), size / 4), 0))
CALLS(fill8_goo, (goo_memory_fill(a, pattern, 8, size), 0))
CALLS(fill8_loop, (fill8_by_loop(a, size, pattern), 0))
CALLS(fill24_goo, (goo_memory_fill(a, pattern, 24, size), 0))
CALLS(fill24_loop, (fill24_by_loop(a, size, pattern), 0))
CALLS(difference_goo, goo_memory_first_difference(a, b, size))
CALLS(difference_memcmp, difference_by_memcmp(a, b, size))
CALLS(difference_loop, difference_by_loop(a, b, size))

/* Each call is asked for its answer once, beside a loop that is obviously right. */
static bool right_copy(const Cell *cell) {
    copy_goo(cell, 1);
    return difference_by_loop(cell->a, cell->b, cell->size) == cell->size;
}

static bool right_set(const Cell *cell) {
    set_goo(cell, 1);
    size_t wrong = 0;
    for (size_t i = 0; i < cell->size; i++) {
        wrong += cell->a[i] != 0xab;
    }
    return wrong == 0;
}

static bool right_compare(const Cell *cell) {
    return goo_memory_compare(cell->a, cell->b, cell->size) == 0;
}

static bool right_zero(const Cell *cell) {
    return goo_memory_is_zero(cell->a, cell->size);
}

static bool right_difference(const Cell *cell) {
    return goo_memory_first_difference(cell->a, cell->b, cell->size) == cell->size;
}

static bool right_fill(const Cell *cell, CallFn *fill, size_t unit) {
    fill(cell, 1);
    size_t wrong = 0;
    for (size_t i = 0; i < cell->size; i++) {
        wrong += cell->a[i] != pattern[i % unit];
    }
    return wrong == 0;
}

static bool right_fill3(const Cell *cell) {
    return right_fill(cell, fill3_goo, 3);
}

static bool right_fill4(const Cell *cell) {
    return right_fill(cell, fill4_goo, 4);
}

static bool right_fill8(const Cell *cell) {
    return right_fill(cell, fill8_goo, 8);
}

static bool right_fill24(const Cell *cell) {
    return right_fill(cell, fill24_goo, 24);
}

const Operation operations[] = {
    {"copy",
     "goo_memory_copy and memcpy",
     copy_goo,
     {{"memcpy", copy_libc, false}},
     2,
     1,
     right_copy},
    {"set", "goo_memory_set and memset", set_goo, {{"memset", set_libc, false}}, 1, 1, right_set},
    {"compare",
     "goo_memory_compare and memcmp, of equal ranges",
     compare_goo,
     {{"memcmp", compare_libc, false}},
     2,
     1,
     right_compare},
    {"is-zero",
     "goo_memory_is_zero and loops",
     zero_goo,
     {{"loop", zero_loop, false}, {"words", zero_words, false}, {"memcmp", zero_memcmp, false}},
     1,
     1,
     right_zero},
    {"fill3",
     "goo_memory_fill with 3 bytes and a loop",
     fill3_goo,
     {{"loop", fill3_loop, false}},
     1,
     3,
     right_fill3},
    {"fill4",
     "goo_memory_fill with 4 bytes, a loop and wmemset",
     fill4_goo,
     {{"loop", fill4_loop, false}, {"wmemset", fill4_wmemset, true}},
     1,
     4,
     right_fill4},
    {"fill8",
     "goo_memory_fill with 8 bytes and a loop",
     fill8_goo,
     {{"loop", fill8_loop, false}},
     1,
     8,
     right_fill8},
    {"fill24",
     "goo_memory_fill with 24 bytes and a loop",
     fill24_goo,
     {{"loop", fill24_loop, false}},
     1,
     24,
     right_fill24},
    {"difference",
     "goo_memory_first_difference of equal ranges, memcmp first and a loop",
     difference_goo,
     {{"memcmp", difference_memcmp, false}, {"loop", difference_loop, false}},
     2,
     1,
     right_difference},
};

const size_t operation_count = sizeof operations / sizeof operations[0];
