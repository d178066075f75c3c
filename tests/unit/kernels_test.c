/* Sweep, occupancy and the listing of holes: every level this machine has against the scalar one.
 * Uses private headers.
 *
 * Scalar is the reference, and is itself checked against models written another way: tables are
 * made from objects whose extents are known, or a definition is evaluated granule by granule. The
 * others must equal scalar in result, in the bytes they leave, and in the bytes around that they
 * must not touch (guarded.h).
 *
 * The metadata byte is the collector's: bits 0-2 colour (0 none, 1 young, 2 3 4 marks), bit 3 end
 * of object, 4-5 kind, 6 logged, 7 attention. Other masks, and bytes that make no sense, are used
 * too, because a kernel's result is defined for those as well.
 */
#define _DEFAULT_SOURCE
#include "tests/unit/guarded.h"

enum { TABLE_MAX = 65472, COLOUR = 0x07, END = 0x08 };

/* One comparison of the kernels on tables: the source, what scalar makes of it, and the guarded
 * places where the others work. Too large for a stack-> */
static struct Trial {
    Guarded table, map, holes;
    uint8_t source[TABLE_MAX], expected[TABLE_MAX];
    uint64_t expected_map[TABLE_MAX / 64];
    GooiHole expected_holes[TABLE_MAX / 2 + 8];
    uint8_t start_mask, start_value, end_bit;
    uint64_t seed;
} trial;

static void trial_open(void) {
    trial.table = guarded_create(TABLE_MAX);
    trial.map = guarded_create(TABLE_MAX / 8);
    trial.holes = guarded_create(sizeof trial.expected_holes);
    trial.seed = UINT64_C(0x9e3779b97f4a7c15);
    trial.start_mask = COLOUR;
    trial.start_value = 3;
    trial.end_bit = END;
}

static void trial_close(void) {
    guarded_destroy(&trial.table);
    guarded_destroy(&trial.map);
    guarded_destroy(&trial.holes);
}

static bool trial_bit(size_t i) {
    return (trial.expected_map[i / 64] >> i % 64 & 1) != 0;
}

static const char *trial_compare_holes(const GooiKernels *k, size_t granules, bool high) {
    static const size_t minimums[] = {0, 1, 2, 3, 17, 512, 65535, 65536, SIZE_MAX};
    size_t size = (granules / 2 + 8) * sizeof(GooiHole);
    uint64_t *map = guarded_place(&trial.map, granules / 8, high);
    memcpy(map, trial.expected_map, granules / 8);
    for (size_t i = 0; i < GOOI_COUNT(minimums); i++) {
        size_t wanted = gooi_scalar_list_holes(map, granules, minimums[i], trial.expected_holes);
        GooiHole *holes = guarded_place(&trial.holes, size, high);
        if (k->list_holes(map, granules, minimums[i], holes) != wanted) {
            return "number of holes";
        }
        if (memcmp(holes, trial.expected_holes, wanted * sizeof(GooiHole)) != 0) {
            return "holes";
        }
        if (!guarded_intact(&trial.holes, holes, size)) {
            return "bytes around the holes";
        }
    }
    return NULL;
}

/* Compares occupancy, sweep and list_holes on the source; NULL, or what differs. */
static const char *trial_compare(const GooiKernels *k, size_t granules, bool high) {
    uint8_t m = trial.start_mask, v = trial.start_value, e = trial.end_bit;
    memcpy(trial.expected, trial.source, granules);
    size_t wanted = gooi_scalar_sweep(trial.expected, granules, m, v, e, trial.expected_map);

    uint8_t *table = guarded_place(&trial.table, granules, high);
    uint64_t *map = guarded_place(&trial.map, granules / 8, high);
    memcpy(table, trial.source, granules);
    if (k->occupancy(table, granules, m, v, e, map) != wanted ||
        memcmp(map, trial.expected_map, granules / 8) != 0) {
        return "occupancy";
    }
    if (memcmp(table, trial.source, granules) != 0) {
        return "occupancy changed the table";
    }
    memset(map, GUARDED_FILL, granules / 8);
    if (k->sweep(table, granules, m, v, e, map) != wanted ||
        memcmp(map, trial.expected_map, granules / 8) != 0) {
        return "sweep's map";
    }
    if (memcmp(table, trial.expected, granules) != 0) {
        return "swept table";
    }
    if (!guarded_intact(&trial.table, table, granules) ||
        !guarded_intact(&trial.map, map, granules / 8)) {
        return "bytes around table or map";
    }
    return trial_compare_holes(k, granules, high);
}

static void trial_compare_levels(size_t granules, const char *what) {
    for (int level = GOO_SIMD_SCALAR; level <= GOO_SIMD_WASM128; level++) {
        const GooiKernels *k = test_level(level);
        for (int high = 0; high < 2 && k != NULL; high++) {
            const char *difference = trial_compare(k, granules, high != 0);
            CHECK_MSG(difference == NULL, "%s, %s, %zu granules, %s end: %s",
                      test_level_name(level), what, granules, high != 0 ? "high" : "low",
                      difference);
        }
    }
}

/* The definition: a granule is covered when a start lies at or before it, and no end from that
 * start up to the granule before it. */
static bool model_covered(size_t i) {
    for (size_t s = i;; s--) {
        if ((trial.source[s] & trial.start_mask) == trial.start_value) {
            return true;
        }
        if (s == 0 || (trial.source[s - 1] & trial.end_bit) != 0) {
            return false;
        }
    }
}

static size_t model_list_holes(size_t granules, size_t least, GooiHole *out) {
    size_t count = 0;
    for (size_t first = 0, end = 0; first < granules; first = end) {
        for (end = first; end < granules && trial_bit(end) == trial_bit(first); end++) {
        }
        if (!trial_bit(first) && end - first >= least) {
            out[count++] = (GooiHole){(uint16_t)first, (uint16_t)(end - first)};
        }
    }
    return count;
}

/* Checks scalar on the source against the models. */
static void trial_check_scalar(size_t granules) {
    static GooiHole wanted[TABLE_MAX / 2];
    memcpy(trial.expected, trial.source, granules);
    size_t occupied = gooi_scalar_sweep(trial.expected, granules, trial.start_mask,
                                        trial.start_value, trial.end_bit, trial.expected_map);
    for (size_t i = 0; i < granules; i++) {
        bool covered = model_covered(i);
        CHECK_MSG(trial_bit(i) == covered, "granule %zu", i);
        CHECK_MSG(trial.expected[i] == (covered ? trial.source[i] : 0), "granule %zu", i);
        occupied -= covered;
    }
    CHECK_EQ(occupied, 0);
    for (size_t least = 0; least < 5; least++) {
        size_t count =
            gooi_scalar_list_holes(trial.expected_map, granules, least, trial.expected_holes);
        CHECK_EQ(count, model_list_holes(granules, least, wanted));
        CHECK(memcmp(wanted, trial.expected_holes, count * sizeof(GooiHole)) == 0);
    }
}

/* One object's metadata. Bits that the sweep does not look at are random. */
static void put_object(size_t first, size_t count, unsigned colour) {
    for (size_t i = first; i < first + count; i++) {
        trial.source[i] = (uint8_t)(test_random(&trial.seed) & 0xf0);
    }
    trial.source[first] |= (uint8_t)colour;
    trial.source[first + count - 1] |= END;
}

/* Objects of 1 to `max` granules in random order with gaps (in %), of which `live` % are marked.
 * Their extents are known here, so scalar is checked against them. */
static void put_random_objects(size_t granules, size_t max, unsigned live, unsigned gaps) {
    static const uint8_t others[] = {1, 2, 4, 5, 7};
    static bool covered[TABLE_MAX];
    memset(trial.source, 0, granules);
    memset(covered, 0, granules);
    for (size_t i = 0, count; i < granules; i += count) {
        count = 1 + (size_t)(test_random(&trial.seed) % max);
        count = count > granules - i ? granules - i : count;
        if (test_random(&trial.seed) % 100 >= gaps) {
            bool is_live = test_random(&trial.seed) % 100 < live;
            put_object(i, count, is_live ? 3 : others[test_random(&trial.seed) % 5]);
            memset(covered + i, is_live, count);
        }
    }
    memcpy(trial.expected, trial.source, granules);
    gooi_scalar_sweep(trial.expected, granules, COLOUR, 3, END, trial.expected_map);
    for (size_t i = 0; i < granules; i++) {
        CHECK_MSG(trial_bit(i) == covered[i], "granule %zu", i);
    }
}

GOO_TEST(kernels, random_objects_are_swept_as_by_scalar) {
    static const size_t sizes[] = {64, 128, 192, 256, 320, 448, 512, 1024, 4096, 8192};
    static const unsigned shares[] = {0, 5, 50, 95, 100};
    trial_open();
    for (size_t s = 0; s < GOOI_COUNT(sizes); s++) {
        for (size_t share = 0; share < GOOI_COUNT(shares); share++) {
            for (size_t max = 1; max <= 512; max = max * 3 + 1) {
                put_random_objects(sizes[s], max, shares[share], (unsigned)(max % 60));
                trial_compare_levels(sizes[s], "random objects");
            }
        }
    }
    put_random_objects(TABLE_MAX, 40, 50, 20);
    trial_compare_levels(TABLE_MAX, "random objects");
    trial_close();
}

/* Any byte anywhere, and any masks: starts inside objects, objects without an end. */
GOO_TEST(kernels, random_bytes_are_swept_as_by_scalar) {
    trial_open();
    for (size_t round = 0; round < 400; round++) {
        size_t granules = 64 * (1 + round % 20);
        uint64_t r = test_random(&trial.seed);
        trial.start_mask = (uint8_t)r;
        trial.start_value = (uint8_t)(round % 7 == 0 ? r >> 8 : r & r >> 8);
        trial.end_bit = (uint8_t)(1u << (r >> 16 & 7));
        uint8_t bits = (uint8_t)(r >> 24 | r >> 32);
        for (size_t i = 0; i < granules; i++) {
            trial.source[i] = (uint8_t)test_random(&trial.seed) & bits;
        }
        trial_check_scalar(granules);
        trial_compare_levels(granules, "random bytes");
    }
    trial_close();
}

GOO_TEST(kernels, uniform_tables_are_swept_as_by_scalar) {
    trial_open();
    for (size_t granules = 64; granules <= 640; granules += 64) {
        memset(trial.source, 0, granules);
        trial_compare_levels(granules, "empty");
        memset(trial.source, 0xf0, granules);
        trial_compare_levels(granules, "no start, no end");
        memset(trial.source, END | 3, granules);
        trial_compare_levels(granules, "all live, one granule each");
        memset(trial.source, END | 2, granules);
        trial_compare_levels(granules, "all dead, one granule each");
        for (size_t i = 0; i < granules; i++) {
            trial.source[i] = (uint8_t)(END | (i % 2 == 0 ? 3 : 4));
        }
        trial_compare_levels(granules, "live and dead in turn");
        put_object(0, granules, 3);
        trial_check_scalar(granules);
        trial_compare_levels(granules, "one live object");
        put_object(0, granules, 2);
        trial_compare_levels(granules, "one dead object");
        for (size_t i = 0; i + 2 <= granules; i += 2) {
            put_object(i, 2, i % 4 == 0 ? 3 : 1);
        }
        trial_check_scalar(granules);
        trial_compare_levels(granules, "two granules each");
    }
    trial_close();
}

/* A live object at every place around the ends of words, alone and between dead ones. */
GOO_TEST(kernels, objects_at_word_ends_are_swept_as_by_scalar) {
    static const size_t lengths[] = {1, 2, 3, 32, 63, 64, 65, 127, 128, 129, 192, 256};
    enum { GRANULES = 320, NEAR = 3 };
    trial_open();
    for (size_t l = 0; l < GOOI_COUNT(lengths); l++) {
        for (size_t first = 0; first + lengths[l] <= GRANULES; first++) {
            size_t after = first + lengths[l];
            if ((first + NEAR) % 64 > 2 * NEAR && (after + NEAR) % 64 > 2 * NEAR) {
                continue;
            }
            memset(trial.source, 0, GRANULES);
            put_object(first, lengths[l], 3);
            trial_compare_levels(GRANULES, "one object");
            if (first > 0) {
                put_object(0, first, 2);
            }
            if (after < GRANULES) {
                put_object(after, GRANULES - after, 1);
            }
            trial_compare_levels(GRANULES, "one object between dead ones");
        }
    }
    trial_close();
}

/* As many holes as there can be: the caller's array is full to its last entry. */
GOO_TEST(kernels, alternating_holes_fit_their_array) {
    trial_open();
    for (size_t granules = 64; granules <= TABLE_MAX; granules *= 4) {
        for (unsigned parity = 0; parity < 2; parity++) {
            for (size_t i = 0; i < granules; i++) {
                trial.source[i] = i % 2 == parity ? END | 3 : 0;
            }
            trial_compare_levels(granules, "alternating");
            CHECK_EQ(gooi_scalar_list_holes(trial.expected_map, granules, 1, trial.expected_holes),
                     granules / 2);
        }
    }
    trial_close();
}

/* --- zero_clear --- */

enum { CLEAR_WORDS = 9 };

static void compare_zero_clear(Guarded *g, const uint64_t *map, size_t words, bool high) {
    static uint8_t expected[CLEAR_WORDS * 1024];
    size_t size = words * 1024;
    for (size_t i = 0; i < size; i++) {
        bool occupied = (map[i / 1024] >> (i / 16 % 64) & 1) != 0;
        expected[i] = occupied ? (uint8_t)(i * 31 + 1) : 0;
    }
    for (int level = GOO_SIMD_SCALAR; level <= GOO_SIMD_WASM128; level++) {
        const GooiKernels *k = test_level(level);
        if (k == NULL) {
            continue;
        }
        uint8_t *bytes = guarded_place(g, size, high);
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)(i * 31 + 1);
        }
        k->zero_clear(bytes, map, words);
        CHECK_MSG(memcmp(bytes, expected, size) == 0 && guarded_intact(g, bytes, size),
                  "%s, %zu words", test_level_name(level), words);
    }
}

/* All, none, at random, or one run. */
static uint64_t clear_map(uint64_t *seed) {
    uint64_t r = test_random(seed) << 32 ^ test_random(seed);
    uint64_t run = (UINT64_MAX << (r & 63)) & (UINT64_MAX >> (r >> 6 & 63));
    switch (r >> 12 & 7) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return run;
    case 3:
        return ~run;
    default:
        return test_random(seed) << 32 ^ test_random(seed);
    }
}

/* Each number of words at both guard pages; maps with long runs, short ones and none. */
GOO_TEST(kernels, clear_granules_are_zeroed_and_no_others) {
    Guarded g = guarded_create(CLEAR_WORDS * 1024);
    uint64_t seed = 37, map[CLEAR_WORDS];
    for (size_t trial_number = 0; trial_number < 200; trial_number++) {
        size_t words = trial_number % (CLEAR_WORDS + 1);
        for (size_t i = 0; i < words; i++) {
            map[i] = clear_map(&seed);
        }
        compare_zero_clear(&g, map, words, trial_number % 2 != 0);
    }
    guarded_destroy(&g);
}
