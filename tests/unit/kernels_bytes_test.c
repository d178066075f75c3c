/* Searches of bytes and filtering of references: every level this machine has against the scalar
 * one, and the choice of levels. Uses private headers.
 *
 * Every size up to a few vectors, at every alignment, once directly behind and once directly before
 * a page that may not be touched (guarded.h); scalar itself is checked against hand-made cases.
 */
#define _DEFAULT_SOURCE
#include "tests/unit/guarded.h"

enum { BYTES_MAX = 700, WORDS_MAX = 90 };

/* Compares count_nonzero, find_last and is_zero; `expected` is scalar's answer to each. */
static void compare_bytes(const uint8_t *bytes, size_t size, uint8_t mask) {
    size_t count = gooi_scalar_count_nonzero(bytes, size, mask);
    size_t last = gooi_scalar_find_last(bytes, size, mask);
    bool zero = gooi_scalar_is_zero(bytes, size);
    CHECK((count == 0) == (last == SIZE_MAX));
    CHECK(!zero || count == 0);
    for (int level = GOO_SIMD_WORD64; level <= GOO_SIMD_WASM128; level++) {
        const GooiKernels *k = test_level(level);
        if (k != NULL) {
            const char *name = test_level_name(level);
            CHECK_MSG(k->count_nonzero(bytes, size, mask) == count, "%s, %zu bytes", name, size);
            CHECK_MSG(k->find_last(bytes, size, mask) == last, "%s, %zu bytes", name, size);
            CHECK_MSG(k->is_zero(bytes, size) == zero, "%s, %zu bytes", name, size);
        }
    }
}

static void compare_difference(const uint8_t *a, const uint8_t *b, size_t size, size_t expected) {
    CHECK_EQ(gooi_scalar_first_difference(a, b, size), expected);
    for (int level = GOO_SIMD_WORD64; level <= GOO_SIMD_WASM128; level++) {
        const GooiKernels *k = test_level(level);
        if (k != NULL) {
            CHECK_MSG(k->first_difference(a, b, size) == expected, "%s, %zu bytes, at %zu",
                      test_level_name(level), size, expected);
        }
    }
}

/* Every size between guard pages; the first of two differences at each place. */
GOO_TEST(kernels, differences_are_found_as_by_scalar) {
    Guarded g = guarded_create(BYTES_MAX), h = guarded_create(BYTES_MAX);
    uint64_t seed = 23;
    for (size_t size = 0; size <= BYTES_MAX; size += size < 300 ? 1 : 37) {
        for (int high = 0; high < 4; high++) {
            uint8_t *a = guarded_place(&g, size, (high & 1) != 0);
            uint8_t *b = guarded_place(&h, size, (high & 2) != 0);
            for (size_t i = 0; i < size; i++) {
                a[i] = b[i] = (uint8_t)test_random(&seed);
            }
            compare_difference(a, b, size, size);
            for (size_t i = 0; i < size; i += 1 + size / 70) {
                b[i] ^= (uint8_t)(1u << test_random(&seed) % 8);
                b[size - 1] ^= 0x55;
                compare_difference(a, b, size, a[i] != b[i] ? i : size);
                memcpy(b, a, size);
            }
        }
    }
    guarded_destroy(&g);
    guarded_destroy(&h);
}

/* Longer than any chunk that a level hands to libc. */
GOO_TEST(kernels, late_differences_are_found_as_by_scalar) {
    static uint8_t a[5003], b[5003];
    uint64_t seed = 29;
    for (size_t i = 0; i < sizeof a; i++) {
        a[i] = b[i] = (uint8_t)test_random(&seed);
    }
    compare_difference(a, b, sizeof a, sizeof a);
    for (size_t i = 0; i < sizeof a; i += i % 1024 < 4 || i % 1024 > 1019 ? 1 : 97) {
        b[i] ^= 1;
        b[sizeof b - 1] ^= 2;
        compare_difference(a, b, sizeof a, i);
        compare_difference(a + 3, b + 3, sizeof a - 3, i < 3 ? sizeof a - 4 : i - 3);
        b[i] ^= 1;
        b[sizeof b - 1] ^= 2;
    }
}

static void compare_fill(Guarded *g, size_t size, bool high, uint64_t *seed) {
    uint8_t expected[BYTES_MAX + 64];
    uint64_t first = test_random(seed) << 32 ^ test_random(seed);
    uint64_t second = test_random(seed) << 32 ^ test_random(seed);
    gooi_scalar_fill(expected, first, second, size);
    for (int level = GOO_SIMD_WORD64; level <= GOO_SIMD_WASM128; level++) {
        const GooiKernels *k = test_level(level);
        if (k != NULL) {
            uint8_t *bytes = guarded_place(g, size, high);
            k->fill(bytes, first, second, size);
            CHECK_MSG(memcmp(bytes, expected, size) == 0 && guarded_intact(g, bytes, size),
                      "%s, %zu bytes", test_level_name(level), size);
        }
    }
}

/* Every size at both guard pages: before the upper one the start takes every alignment. */
GOO_TEST(kernels, fills_are_as_by_scalar) {
    Guarded g = guarded_create(BYTES_MAX);
    uint64_t seed = 31;
    for (size_t size = 0; size <= BYTES_MAX; size++) {
        compare_fill(&g, size, false, &seed);
        compare_fill(&g, size, true, &seed);
    }
    guarded_destroy(&g);
}

GOO_TEST(kernels, scalar_fill_follows_its_definition) {
    uint8_t pattern[16], bytes[40];
    uint64_t first, second;
    for (size_t i = 0; i < 16; i++) {
        pattern[i] = (uint8_t)(i * 7 + 1);
    }
    memcpy(&first, pattern, 8);
    memcpy(&second, pattern + 8, 8);
    memset(bytes, 0xff, sizeof bytes);
    gooi_scalar_fill(bytes, first, second, 37);
    for (size_t i = 0; i < 37; i++) {
        CHECK_EQ(bytes[i], (i % 16) * 7 + 1);
    }
    CHECK_EQ(bytes[37], 0xff);
}

/* Every size, ending at a guard page (so that the start takes every alignment) and starting at one:
 * all zero, one byte set at each place, random. The pages around the bytes are not zero. */
GOO_TEST(kernels, bytes_are_searched_as_by_scalar) {
    Guarded g = guarded_create(BYTES_MAX);
    uint64_t seed = 7;
    for (size_t size = 0; size <= BYTES_MAX; size += size < 300 ? 1 : 37) {
        for (int high = 0; high < 2; high++) {
            uint8_t *bytes = guarded_place(&g, size, high != 0);
            memset(bytes, 0, size);
            compare_bytes(bytes, size, 0xff);
            CHECK(gooi_scalar_is_zero(bytes, size));
            for (size_t i = 0; i < size; i += 1 + size / 70) {
                uint8_t bit = (uint8_t)(1u << test_random(&seed) % 8);
                bytes[i] = bit;
                CHECK_EQ(gooi_scalar_find_last(bytes, size, bit), i);
                compare_bytes(bytes, size, bit);
                compare_bytes(bytes, size, (uint8_t)~bit);
                bytes[i] = 0;
            }
            for (size_t i = 0; i < size; i++) {
                bytes[i] = (uint8_t)test_random(&seed);
            }
            compare_bytes(bytes, size, 0x80);
            compare_bytes(bytes, size, 0x11);
            compare_bytes(bytes, size, 0);
        }
    }
    guarded_destroy(&g);
}

GOO_TEST(kernels, bytes_at_every_alignment_are_searched_as_by_scalar) {
    _Alignas(64) static uint8_t bytes[64 + BYTES_MAX];
    uint64_t seed = 11;
    memset(bytes, 0xff, sizeof bytes);
    for (size_t size = 0; size <= BYTES_MAX; size += size < 70 ? 1 : 97) {
        for (size_t shift = 0; shift < 64; shift++) {
            memset(bytes + shift, 0, size);
            compare_bytes(bytes + shift, size, 0xff);
            for (size_t i = 0; i < size; i++) {
                bytes[shift + i] = test_random(&seed) % 64 == 0 ? (uint8_t)(seed >> 40) : 0;
            }
            compare_bytes(bytes + shift, size, 0x0f);
            memset(bytes + shift, 0xff, size);
            compare_bytes(bytes + shift, size, 0x01);
        }
    }
}

/* Longer than what a counter in one byte of a vector can hold. */
GOO_TEST(kernels, long_runs_are_searched_as_by_scalar) {
    static uint8_t bytes[20003];
    compare_bytes(bytes, sizeof bytes, 0xff);
    CHECK(gooi_scalar_is_zero(bytes, sizeof bytes));
    bytes[0] = 1;
    compare_bytes(bytes, sizeof bytes, 0xff);
    bytes[sizeof bytes - 1] = 1;
    compare_bytes(bytes, sizeof bytes, 0xff);
    memset(bytes, 0x11, sizeof bytes);
    compare_bytes(bytes, sizeof bytes, 0x10);
    compare_bytes(bytes, sizeof bytes, 0x02);
    CHECK_EQ(gooi_scalar_count_nonzero(bytes, sizeof bytes, 0x10), sizeof bytes);
}

/* So large that it may be read in another way: single bits near both ends and at all places of a
 * vector in between. */
GOO_TEST(kernels, far_runs_are_searched_as_by_scalar) {
    size_t size = ((size_t)1 << 20) + 77;
    uint8_t *bytes =
        mmap(NULL, size + 64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(bytes != MAP_FAILED);
    for (int level = GOO_SIMD_WORD64; level <= GOO_SIMD_WASM128; level++) {
        const GooiKernels *k = test_level(level);
        for (size_t shift = 0; k != NULL && shift < 64; shift += 21) {
            uint8_t *at = bytes + shift;
            CHECK(k->is_zero(at, size));
            at[size] = 1; /* behind the end */
            CHECK(k->is_zero(at, size));
            at[size] = 0;
            for (size_t i = 0; i < size; i += i < 300 || i > size - 300 ? 1 : 4099) {
                at[i] = 0x40;
                CHECK_MSG(!k->is_zero(at, size), "%s, byte %zu", test_level_name(level), i);
                at[i] = 0;
            }
        }
    }
    munmap(bytes, size + 64);
}

/* A word of one of these kinds: a reference that passes, one that misses by its tag or its range
 * (by one in half of the cases), or noise. */
static uint64_t random_word(const GooiReferenceFilter *f, unsigned hits, uint64_t *seed) {
    uint64_t inside = f->size == 0 ? 0 : test_random(seed) % f->size;
    if (test_random(seed) % 100 < hits) {
        return ((f->base + inside) & f->address_mask) | f->tag_value;
    }
    switch (test_random(seed) % 6) {
    case 0:
        return f->base | f->tag_value;
    case 1:
        return ((f->base - 1) & f->address_mask) | f->tag_value;
    case 2:
        return ((f->base + f->size) & f->address_mask) | f->tag_value;
    case 3:
        return ((f->base + f->size - 1) & f->address_mask) | f->tag_value;
    case 4:
        return (f->base + inside) ^ (UINT64_C(1) << test_random(seed) % 64);
    default:
        return test_random(seed) << 16 ^ test_random(seed);
    }
}

static void compare_filter(Guarded *words_at, Guarded *out_at, const GooiReferenceFilter *f,
                           size_t count, unsigned hits, uint64_t *seed) {
    uint64_t expected[WORDS_MAX];
    for (int high = 0; high < 2; high++) {
        uint64_t *words = guarded_place(words_at, count * 8, high != 0);
        for (size_t i = 0; i < count; i++) {
            words[i] = random_word(f, hits, seed);
        }
        size_t wanted = gooi_scalar_filter_references(words, count, f, expected);
        for (int level = GOO_SIMD_WORD64; level <= GOO_SIMD_WASM128; level++) {
            const GooiKernels *k = test_level(level);
            if (k != NULL) {
                uint64_t *out = guarded_place(out_at, (count + 8) * 8, high != 0);
                CHECK_MSG(k->filter_references(words, count, f, out) == wanted &&
                              memcmp(out, expected, wanted * 8) == 0 &&
                              guarded_intact(out_at, out, (count + 8) * 8),
                          "%s, %zu words, %u %% hits", test_level_name(level), count, hits);
            }
        }
    }
}

GOO_TEST(kernels, references_are_filtered_as_by_scalar) {
    static const GooiReferenceFilter filters[] = {
        {0, 0, UINT64_MAX, UINT64_C(0x7f1200000000), UINT64_C(1) << 32},
        {7, 1, ~UINT64_C(7), UINT64_C(0x7f1200000000), UINT64_C(1) << 22},
        {UINT64_C(0xffff) << 48, UINT64_C(0xfffc) << 48, (UINT64_C(1) << 48) - 1, UINT64_C(0x10000),
         4096},
        {0, 0, UINT64_MAX, UINT64_C(0x7ffffffffffff000), 0x2000},
        {0, 0, UINT64_MAX, UINT64_C(0x1000), UINT64_MAX - 0x1000},
        {0, 0, UINT64_MAX, UINT64_C(0x1000), 0},
        {1, 2, UINT64_MAX, UINT64_C(0x1000), 0x1000},
        {0, 1, UINT64_MAX, UINT64_C(0x1000), 0x1000},
        {0, 0, UINT64_MAX, UINT64_MAX - 0xfff, 0x2000},
        {UINT64_C(0xffff) << 48, UINT64_C(0xfffc) << 48, (UINT64_C(1) << 48) - 1,
         (UINT64_C(1) << 48) - 0x1000, 0x1000},
        {UINT64_C(0xffff) << 48, UINT64_C(0xfffc) << 48, (UINT64_C(1) << 48) - 1,
         (UINT64_C(1) << 48) - 0x1000, 0x2000},
        {UINT64_C(0xffff) << 48, UINT64_C(0xfffc) << 48, (UINT64_C(1) << 48) - 1, UINT64_C(1) << 48,
         0x1000},
        {UINT64_C(0xffff) << 48, UINT64_C(0xfffc) << 48 | 16, (UINT64_C(1) << 48) - 1, 0x10000,
         4096},
        {UINT64_C(0xffff) << 48, UINT64_C(0xfffc) << 48, (UINT64_C(1) << 48) - 1, 0x10000, 0},
    };
    static const unsigned shares[] = {0, 2, 25, 75, 100};
    Guarded words = guarded_create(WORDS_MAX * 8);
    Guarded out = guarded_create((WORDS_MAX + 8) * 8);
    uint64_t seed = 5;
    for (size_t f = 0; f < GOOI_COUNT(filters); f++) {
        for (size_t count = 0; count <= WORDS_MAX; count++) {
            for (size_t s = 0; s < GOOI_COUNT(shares); s++) {
                compare_filter(&words, &out, &filters[f], count, shares[s], &seed);
            }
        }
    }
    guarded_destroy(&words);
    guarded_destroy(&out);
}

GOO_TEST(kernels, scalar_filter_follows_its_definition) {
    GooiReferenceFilter f = {7, 1, ~UINT64_C(7), 0x1000, 0x100};
    uint64_t words[] = {0x1001, 0xff9, 0x10f9, 0x1101, 0x1000, 0x1009, 0};
    uint64_t out[GOOI_COUNT(words) + 8];
    CHECK_EQ(gooi_scalar_filter_references(words, GOOI_COUNT(words), &f, out), 3);
    CHECK(out[0] == 0x1000 && out[1] == 0x10f8 && out[2] == 0x1008);
}

GOO_TEST(kernels, bit_positions_are_right) {
    for (unsigned b = 0; b < 256; b++) {
        uint64_t rest = gooi_bit_positions[b];
        for (unsigned i = 0; i < 8; i++) {
            if ((b >> i & 1) != 0) {
                CHECK_EQ(rest & 0xff, i);
                rest >>= 8;
            }
        }
        CHECK_EQ(rest, 0);
    }
}

/* The levels are ordered, the best one is in use, a chosen one is kept, another is refused. */
GOO_TEST(features, level_can_be_chosen) {
    GooSimdLevel best = goo_simd_level();
    CHECK(gooi_kernels != &gooi_kernels_scalar_table);
    CHECK(goo_simd_available(best) && goo_simd_available(GOO_SIMD_SCALAR));
    for (int level = -1; level <= GOO_SIMD_WASM128 + 1; level++) {
        bool available = goo_simd_available((GooSimdLevel)level);
        CHECK_EQ(available, level >= 0 && level <= (int)best);
        GooSimdLevel before = goo_simd_level();
        GooStatus status = goo_simd_set_level((GooSimdLevel)level);
        CHECK_EQ(status, available ? GOO_OK : GOO_ERR_UNSUPPORTED);
        CHECK_EQ(goo_simd_level(), available ? (GooSimdLevel)level : before);
        gooi_kernels_init();
        CHECK_EQ(gooi_kernels->level, available ? (GooSimdLevel)level : before);
        CHECK_EQ(gooi_kernels->sweep == gooi_scalar_sweep, goo_simd_level() == GOO_SIMD_SCALAR);
    }
    CHECK_EQ(goo_simd_set_level(best), GOO_OK);
}

GOO_TEST(features, levels_and_version_have_names) {
    CHECK(strcmp(goo_simd_name(GOO_SIMD_SCALAR), "scalar") == 0);
    CHECK(strcmp(goo_simd_name(GOO_SIMD_WORD64), "word64") == 0);
    CHECK(strcmp(goo_simd_name(GOO_SIMD_AVX512), "avx512") == 0);
    CHECK(strcmp(goo_simd_name((GooSimdLevel)77), "unknown") == 0);
    CHECK(goo_version()[0] >= '0' && goo_version()[0] <= '9');
}
