/* The reference: every kernel as a plain loop over bytes, words or bits.
 *
 * This file decides what the kernels mean. It is written to be read, one element at a time, with no
 * arithmetic that a reader would have to prove; every other form must equal it on every input, and
 * tests/unit/kernels_test.c demands that. It is also what runs where a kernel has no faster form.
 *
 * The sweep is an automaton with one bit of state, `inside`: a start that counts enters an object,
 * the next end (on the same granule for an object of one) leaves it after its own granule.
 *
 * Threads: any; no state.
 */
#include "runtime/kernels/kernels.h"

#include <string.h>

/* One granule: whether a counted object covers it; `inside` is carried to the next. */
static bool scalar_step(uint8_t byte, uint8_t start_mask, uint8_t start_value, uint8_t end_bit,
                        bool *inside) {
    bool covered = *inside || (byte & start_mask) == start_value;
    *inside = covered && (byte & end_bit) == 0;
    return covered;
}

size_t gooi_scalar_sweep(uint8_t *table, size_t granules, uint8_t start_mask, uint8_t start_value,
                         uint8_t end_bit, uint64_t *occupied) {
    size_t count = 0;
    bool inside = false;
    for (size_t i = 0; i < granules; i++) {
        if (i % 64 == 0) {
            occupied[i / 64] = 0;
        }
        if (scalar_step(table[i], start_mask, start_value, end_bit, &inside)) {
            occupied[i / 64] |= UINT64_C(1) << (i % 64);
            count++;
        } else {
            table[i] = 0;
        }
    }
    return count;
}

size_t gooi_scalar_occupancy(const uint8_t *table, size_t granules, uint8_t start_mask,
                             uint8_t start_value, uint8_t end_bit, uint64_t *occupied) {
    size_t count = 0;
    bool inside = false;
    for (size_t i = 0; i < granules; i++) {
        if (i % 64 == 0) {
            occupied[i / 64] = 0;
        }
        if (scalar_step(table[i], start_mask, start_value, end_bit, &inside)) {
            occupied[i / 64] |= UINT64_C(1) << (i % 64);
            count++;
        }
    }
    return count;
}

size_t gooi_scalar_list_holes(const uint64_t *occupied, size_t granules, size_t min_count,
                              GooiHole *holes) {
    size_t hole_count = 0;
    size_t run = 0; /* clear bits directly before bit i */
    for (size_t i = 0; i <= granules; i++) {
        if (i < granules && (occupied[i / 64] >> (i % 64) & 1) == 0) {
            run++;
            continue;
        }
        if (run != 0 && run >= min_count) {
            holes[hole_count].first = (uint16_t)(i - run);
            holes[hole_count].count = (uint16_t)run;
            hole_count++;
        }
        run = 0;
    }
    return hole_count;
}

size_t gooi_scalar_count_nonzero(const uint8_t *bytes, size_t count, uint8_t mask) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if ((bytes[i] & mask) != 0) {
            found++;
        }
    }
    return found;
}

size_t gooi_scalar_find_last(const uint8_t *bytes, size_t count, uint8_t mask) {
    for (size_t i = count; i > 0; i--) {
        if ((bytes[i - 1] & mask) != 0) {
            return i - 1;
        }
    }
    return SIZE_MAX;
}

size_t gooi_scalar_filter_references(const uint64_t *words, size_t count,
                                     const GooiReferenceFilter *filter, uint64_t *out) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t address = words[i] & filter->address_mask;
        if ((words[i] & filter->tag_mask) == filter->tag_value &&
            address - filter->base < filter->size) {
            out[found++] = address;
        }
    }
    return found;
}

bool gooi_scalar_is_zero(const void *bytes, size_t size) {
    const uint8_t *p = bytes;
    for (size_t i = 0; i < size; i++) {
        if (p[i] != 0) {
            return false;
        }
    }
    return true;
}

size_t gooi_scalar_first_difference(const void *a, const void *b, size_t size) {
    const uint8_t *left = a;
    const uint8_t *right = b;
    size_t i = 0;
    while (i < size && left[i] == right[i]) {
        i++;
    }
    return i;
}

void gooi_scalar_fill(void *dest, uint64_t first, uint64_t second, size_t size) {
    uint8_t pattern[16];
    uint8_t *bytes = dest;
    memcpy(pattern, &first, sizeof first);
    memcpy(pattern + 8, &second, sizeof second);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = pattern[i % 16];
    }
}

void gooi_scalar_zero_clear(void *memory, const uint64_t *occupied, size_t words) {
    uint8_t *bytes = memory;
    for (size_t i = 0; i < words * 64; i++) {
        if ((occupied[i / 64] >> i % 64 & 1) == 0) {
            memset(bytes + i * 16, 0, 16);
        }
    }
}
