/* One run of bench_sizes: a loop over a table, compiled for each side with its own allocation
 * inlined.
 *
 * With live objects each turn replaces a random one of them, so that their lifetimes are as random
 * as their sizes; without, objects are dropped at once. One random number a turn gives both.
 */
#ifndef GOO_TESTS_BENCH_SIZES_LOOP_H
#define GOO_TESTS_BENCH_SIZES_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#if defined(__GNUC__) || defined(__clang__)
#define SIZES_INLINE static inline __attribute__((always_inline))
#else
#define SIZES_INLINE static inline
#endif

enum { SIZES_FIXED = 64 };

typedef struct SizesCase {
    const char *name;
    size_t live;        /* 0: all are dropped */
    size_t least, most; /* bytes; the same: SIZES_FIXED */
    double target_ns;
} SizesCase;

typedef struct SizesResult {
    double ns;         /* of processor time, an object; below 0: no memory */
    size_t heap_bytes; /* what the side holds, where it says so */
} SizesResult;

/* Replaces `old` by a new object of `size` bytes. */
typedef void *(*SizesTake)(void *state, size_t size, void *old);

static inline double sizes_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

SIZES_INLINE uint64_t sizes_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* `count` turns; false: no memory. `fixed` is a constant where this is inlined. */
SIZES_INLINE bool sizes_turns(const SizesCase *c, bool fixed, void **table, size_t count,
                              uint64_t *seed, SizesTake take, void *state) {
    uint64_t r = *seed, range = c->most - c->least + 1, slots = c->live;
    for (size_t i = 0; i < count; i++) {
        sizes_random(&r);
        size_t size = fixed ? SIZES_FIXED : c->least + (size_t)((uint32_t)r * range >> 32);
        void **slot = &table[(r >> 32) * slots >> 32];
        void *object = take(state, size, *slot);
        if (object == NULL) {
            return false;
        }
        *slot = object;
    }
    *seed = r;
    return true;
}

/* Fills the table, replaces each object four times and more, then measures `count` turns. */
SIZES_INLINE double sizes_measure(const SizesCase *c, void **table, size_t count, SizesTake take,
                                  void *state) {
    uint64_t seed = UINT64_C(88172645463325252);
    bool fixed = c->least == c->most;
    size_t warm = 4 * c->live + 400000; /* so that memory was in use before */
    for (size_t i = 0; i < c->live; i++) {
        size_t size = c->least + sizes_random(&seed) % (c->most - c->least + 1);
        if ((table[i] = take(state, size, table[i])) == NULL) {
            return -1;
        }
    }
    double start = 0;
    for (int measured = 0; measured < 2; measured++) {
        size_t turns = measured ? count : warm;
        start = sizes_now_ns();
        if (!(fixed ? sizes_turns(c, true, table, turns, &seed, take, state)
                    : sizes_turns(c, false, table, turns, &seed, take, state))) {
            return -1;
        }
    }
    return (sizes_now_ns() - start) / (double)count;
}

#if defined(BENCH_SIZES_BOEHM)
SizesResult sizes_boehm_atomic(const SizesCase *c, size_t count);
SizesResult sizes_boehm(const SizesCase *c, size_t count);
#endif

#endif
