/* Checked arithmetic, alignment and bit scans at their edges. Uses private headers. */
#include "runtime/bits.h"
#include "tests/harness.h"

GOO_TEST(bits, sums_that_fit_are_stored) {
    size_t sum = 7;
    CHECK(!gooi_add_overflows(SIZE_MAX - 1, 1, &sum));
    CHECK_EQ(sum, SIZE_MAX);
    CHECK(!gooi_add_overflows(0, 0, &sum));
    CHECK_EQ(sum, 0);
}

GOO_TEST(bits, sums_that_do_not_fit_store_nothing) {
    size_t sum = 7;
    CHECK(gooi_add_overflows(SIZE_MAX, 1, &sum));
    CHECK(gooi_add_overflows(SIZE_MAX, SIZE_MAX, &sum));
    CHECK_EQ(sum, 7);
}

GOO_TEST(bits, products) {
    size_t product = 7;
    size_t half = SIZE_MAX / 2 + 1;
    CHECK(!gooi_multiply_overflows(half - 1, 2, &product));
    CHECK_EQ(product, SIZE_MAX - 1);
    CHECK(gooi_multiply_overflows(half, 2, &product));
    CHECK(gooi_multiply_overflows(2, half, &product));
    CHECK_EQ(product, SIZE_MAX - 1);
    CHECK(!gooi_multiply_overflows(SIZE_MAX, 0, &product));
    CHECK_EQ(product, 0);
}

GOO_TEST(bits, powers_of_two) {
    CHECK(!gooi_is_power_of_two(0));
    for (unsigned i = 0; i < sizeof(size_t) * 8; i++) {
        size_t power = (size_t)1 << i;
        CHECK(gooi_is_power_of_two(power));
        CHECK(i < 2 || !gooi_is_power_of_two(power - 1));
        CHECK(i < 1 || !gooi_is_power_of_two(power + 1));
    }
}

GOO_TEST(bits, alignment) {
    CHECK_EQ(gooi_align_up(0, 16), 0);
    CHECK_EQ(gooi_align_up(1, 16), 16);
    CHECK_EQ(gooi_align_up(16, 16), 16);
    CHECK_EQ(gooi_align_up(17, 1), 17);
    CHECK_EQ(gooi_align_down(31, 16), 16);
    size_t aligned = 7;
    CHECK(gooi_align_up_overflows(SIZE_MAX - 14, 16, &aligned));
    CHECK_EQ(aligned, 7);
    CHECK(!gooi_align_up_overflows(SIZE_MAX - 15, 16, &aligned));
    CHECK_EQ(aligned, SIZE_MAX - 15);
}

GOO_TEST(bits, scans) {
    for (unsigned i = 0; i < 64; i++) {
        uint64_t bit = UINT64_C(1) << i;
        CHECK_EQ(gooi_count_trailing_zeros(bit), i);
        CHECK_EQ(gooi_count_trailing_zeros(bit | UINT64_C(1) << 63), i);
        CHECK_EQ(gooi_count_leading_zeros(bit), 63 - i);
        CHECK_EQ(gooi_count_leading_zeros(bit | 1), 63 - i);
        CHECK_EQ(gooi_count_ones(bit - 1), i);
    }
    CHECK_EQ(gooi_count_ones(UINT64_MAX), 64);
    CHECK_EQ(gooi_count_ones(0), 0);
}
