/* Operations on plain bytes, against loops that are obviously right, at every small size and
 * offset. */
#include "goo/runtime/memory.h"
#include "tests/harness.h"

enum { SIZE_MAX_TESTED = 200, OFFSETS = 9 };

static uint8_t left[SIZE_MAX_TESTED + OFFSETS], right[SIZE_MAX_TESTED + OFFSETS];

static void fill_with_pattern(uint8_t *bytes, size_t size, unsigned seed) {
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(seed >> 24);
    }
}

GOO_TEST(bytes, size_zero_touches_nothing) {
    goo_memory_copy(NULL, NULL, 0);
    goo_memory_set(NULL, 1, 0);
    goo_memory_fill(NULL, "ab", 2, 0);
    CHECK_EQ(goo_memory_compare(NULL, NULL, 0), 0);
    CHECK(goo_memory_is_zero(NULL, 0));
    CHECK_EQ(goo_memory_first_difference(NULL, NULL, 0), 0);
}

GOO_TEST(bytes, copy_and_set_and_compare) {
    fill_with_pattern(left, sizeof left, 1);
    goo_memory_set(right, 0xee, sizeof right);
    CHECK_EQ(right[sizeof right - 1], 0xee);
    goo_memory_copy(right + 3, left + 5, 100);
    CHECK_EQ(goo_memory_compare(right + 3, left + 5, 100), 0);
    CHECK_EQ(right[2], 0xee);
    CHECK_EQ(right[103], 0xee);
    CHECK(goo_memory_compare("abc", "abd", 3) < 0);
    CHECK(goo_memory_compare("abd", "abc", 3) > 0);
    CHECK_EQ(goo_memory_compare("abd", "abc", 2), 0);
    CHECK(goo_memory_compare("\xff", "\x01", 1) > 0);
}

GOO_TEST(bytes, is_zero_finds_any_bit) {
    for (size_t offset = 0; offset < OFFSETS; offset++) {
        for (size_t size = 1; size <= SIZE_MAX_TESTED; size++) {
            memset(left, 0xff, sizeof left);
            memset(left + offset, 0, size);
            CHECK(goo_memory_is_zero(left + offset, size));
            for (size_t i = 0; i < size; i += size < 20 ? 1 : 7) {
                left[offset + i] = 0x80;
                CHECK(!goo_memory_is_zero(left + offset, size));
                left[offset + i] = 0;
            }
        }
    }
}

/* Patterns that divide 16 and others, at every offset that changes how they are filled. */
GOO_TEST(bytes, fill_repeats_the_pattern_and_cuts_it) {
    uint8_t pattern[24];
    fill_with_pattern(pattern, sizeof pattern, 5);
    for (size_t pattern_size = 1; pattern_size <= sizeof pattern; pattern_size++) {
        for (size_t size = 0; size <= SIZE_MAX_TESTED; size++) {
            size_t offset = 1 + size % (OFFSETS - 2);
            memset(left, 0xff, sizeof left);
            goo_memory_fill(left + offset, pattern, pattern_size, size);
            CHECK_EQ(left[offset - 1], 0xff);
            for (size_t i = 0; i < size; i++) {
                CHECK_EQ(left[offset + i], pattern[i % pattern_size]);
            }
            CHECK_EQ(left[offset + size], 0xff);
        }
    }
    memset(left, 0xff, sizeof left);
    goo_memory_fill(left, pattern, 0, 50);
    CHECK_EQ(left[0], 0xff);
}

/* More than the chunk that a pattern of any other size is copied by, and than a cache line. */
GOO_TEST(bytes, long_fills_stay_in_phase) {
    static uint8_t bytes[40003];
    uint8_t pattern[24];
    fill_with_pattern(pattern, sizeof pattern, 9);
    static const size_t pattern_sizes[] = {1, 2, 3, 4, 8, 12, 16, 24};
    for (size_t k = 0; k < sizeof pattern_sizes / sizeof pattern_sizes[0]; k++) {
        for (size_t offset = 0; offset < 5; offset++) {
            size_t size = sizeof bytes - offset - 1, wrong = 0;
            memset(bytes, 0xff, sizeof bytes);
            goo_memory_fill(bytes + offset, pattern, pattern_sizes[k], size);
            for (size_t i = 0; i < size; i++) {
                wrong += bytes[offset + i] != pattern[i % pattern_sizes[k]];
            }
            CHECK_EQ(wrong, 0);
            CHECK_EQ(bytes[sizeof bytes - 1], 0xff);
        }
    }
}

GOO_TEST(bytes, first_difference_is_the_first) {
    for (size_t offset = 0; offset < OFFSETS; offset++) {
        for (size_t size = 1; size <= SIZE_MAX_TESTED; size++) {
            fill_with_pattern(left, sizeof left, (unsigned)size);
            memcpy(right + offset, left, size);
            CHECK_EQ(goo_memory_first_difference(left, right + offset, size), size);
            for (size_t i = 0; i < size; i += size < 20 ? 1 : 5) {
                right[offset + i] ^= 1;
                right[offset + size - 1] ^= 2; /* a later one must not matter */
                CHECK_EQ(goo_memory_first_difference(left, right + offset, size), i);
                right[offset + i] ^= 1;
                right[offset + size - 1] ^= 2;
            }
        }
    }
}
