/* What the kernel tests share: buffers between guard pages, the levels to compare, random numbers.
 * Uses private headers.
 *
 *     | no access |      buffer .......... pattern | no access |     placed low
 *     | no access | pattern .......... buffer      | no access |     placed high
 *
 * A kernel that reads or writes one byte too far crashes on one side and, for writes, leaves a
 * trace in the pattern on the other. Included after defining _DEFAULT_SOURCE (for mmap).
 */
#ifndef GOO_TESTS_UNIT_GUARDED_H
#define GOO_TESTS_UNIT_GUARDED_H

#include "runtime/kernels/kernels.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/harness.h"

enum { GUARDED_FILL = 0xa5, GUARDED_REACH = 256 };

/* A deterministic generator (xorshift64*), so that a failure can be repeated. */
static inline uint64_t test_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

/* The kernels of a level, NULL if it is not available. Asking the processor is slow in a virtual
 * machine, so it is asked once. */
static inline const GooiKernels *test_level(int level) {
    static GooiKernels kernels[GOO_SIMD_WASM128 + 1];
    static bool available[GOO_SIMD_WASM128 + 1], known;
    for (int i = 0; i <= GOO_SIMD_WASM128 && !known; i++) {
        available[i] = gooi_kernels_available((GooSimdLevel)i);
        if (available[i]) {
            gooi_kernels_fill(&kernels[i], (GooSimdLevel)i);
        }
    }
    known = true;
    return available[level] ? &kernels[level] : NULL;
}

static inline const char *test_level_name(int level) {
    return goo_simd_name((GooSimdLevel)level);
}

/* Pages between two that may not be touched. */
typedef struct Guarded {
    uint8_t *bytes;
    size_t size;
} Guarded;

static inline Guarded guarded_create(size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size = (size + page - 1) / page * page;
    uint8_t *all = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(all != MAP_FAILED);
    CHECK(mprotect(all + page, size, PROT_READ | PROT_WRITE) == 0);
    return (Guarded){all + page, size};
}

static inline void guarded_destroy(Guarded *g) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    munmap(g->bytes - page, g->size + 2 * page);
}

/* `size` bytes at the low or the high end; the bytes beside them that are not guarded by a page get
 * a pattern, as far as a stray vector could reach. */
static inline void *guarded_place(Guarded *g, size_t size, bool high) {
    CHECK(size <= g->size);
    size_t filled = size + GUARDED_REACH < g->size ? size + GUARDED_REACH : g->size;
    uint8_t *end = g->bytes + g->size;
    memset(high ? end - filled : g->bytes, GUARDED_FILL, filled);
    return high ? end - size : g->bytes;
}

/* Whether the bytes beside those `size` bytes still have the pattern. */
static inline bool guarded_intact(const Guarded *g, const void *kept, size_t size) {
    const uint8_t *low = kept, *high = low + size;
    bool intact = true;
    for (size_t i = 0; i < GUARDED_REACH; i++) {
        intact =
            intact && (low - g->bytes <= (ptrdiff_t)i || low[-1 - (ptrdiff_t)i] == GUARDED_FILL);
        intact = intact && (g->bytes + g->size - high <= (ptrdiff_t)i || high[i] == GUARDED_FILL);
    }
    return intact;
}

#endif
