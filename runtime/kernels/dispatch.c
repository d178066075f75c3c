/* Which kernels run: scalar first, then each instruction set overlaid, weakest first.
 *
 *     level      scalar   word64   sse2     avx2     avx512
 *     table      all  <-  some  <- some  <- some  <- some      the last writer of a member wins
 *
 * gooi_kernels points to a constant table of scalar forms until gooi_kernels_init, which runs
 * before main where the compiler has constructors, so no caller ever finds it unset. Then it
 * points to gooi_kernels_table, which changes only in goo_simd_set_level (tests).
 *
 *   KERNELS-1  a function of a level is called only where gooi_kernels_available(level)
 *   KERNELS-2  a level is overlaid only if the build has it (meson.build here defines
 *              GOOI_KERNELS_WORD64 and GOOI_KERNELS_X86) and the CPU too
 *
 * On processors other than x86-64 the best level is word64; NEON and WASM128 have no kernels.
 *
 * Threads: gooi_kernels_init and gooi_kernels_fill before a second thread; the rest any.
 */
#include "runtime/kernels/kernels.h"

#include "runtime/cpu.h"

#if defined(__GNUC__) || defined(__clang__)
#define DISPATCH_CONSTRUCTOR __attribute__((constructor))
#else
#define DISPATCH_CONSTRUCTOR
#endif

const GooiKernels gooi_kernels_scalar_table = {
    .sweep = gooi_scalar_sweep,
    .occupancy = gooi_scalar_occupancy,
    .list_holes = gooi_scalar_list_holes,
    .count_nonzero = gooi_scalar_count_nonzero,
    .find_last = gooi_scalar_find_last,
    .filter_references = gooi_scalar_filter_references,
    .is_zero = gooi_scalar_is_zero,
    .first_difference = gooi_scalar_first_difference,
    .fill = gooi_scalar_fill,
    .zero_clear = gooi_scalar_zero_clear,
    .level = GOO_SIMD_SCALAR,
};

/* The highest level that is available, given what the CPU reports. Levels up to AVX512 are ordered,
 * and a CPU that has one has those before it (CPU-2). */
static GooSimdLevel dispatch_best_level(void) {
#if defined(GOOI_KERNELS_X86)
    uint32_t features = gooi_cpu_features();
    if ((features & GOOI_CPU_AVX512) != 0) {
        return GOO_SIMD_AVX512;
    }
    if ((features & GOOI_CPU_AVX2) != 0) {
        return GOO_SIMD_AVX2;
    }
    if ((features & GOOI_CPU_SSE2) != 0) {
        return GOO_SIMD_SSE2;
    }
#endif
#if defined(GOOI_KERNELS_WORD64)
    return GOO_SIMD_WORD64;
#else
    return GOO_SIMD_SCALAR;
#endif
}

bool gooi_kernels_available(GooSimdLevel level) {
    return (int)level >= GOO_SIMD_SCALAR && level <= dispatch_best_level();
}

void gooi_kernels_fill(GooiKernels *table, GooSimdLevel level) {
    GooiKernels filled = gooi_kernels_scalar_table;
#if defined(GOOI_KERNELS_WORD64)
    if (level >= GOO_SIMD_WORD64) {
        gooi_kernels_word64(&filled);
    }
#endif
#if defined(GOOI_KERNELS_X86)
    if (level >= GOO_SIMD_SSE2) {
        gooi_kernels_sse2(&filled);
    }
    if (level >= GOO_SIMD_AVX2) {
        gooi_kernels_avx2(&filled);
    }
    if (level >= GOO_SIMD_AVX512) {
        gooi_kernels_avx512(&filled);
    }
#endif
    filled.level = level;
    *table = filled;
}

DISPATCH_CONSTRUCTOR void gooi_kernels_init(void) {
    if (gooi_kernels == &gooi_kernels_scalar_table) {
        gooi_kernels_fill(&gooi_kernels_table, dispatch_best_level());
        gooi_kernels = &gooi_kernels_table;
    }
}
