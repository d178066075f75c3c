/* What goo/runtime/features.h promises: names and versions here, the kernel table below it.
 *
 * The level in use is a member of the table in use, so there is no second variable to keep in step.
 *
 * Threads: the queries any; goo_simd_set_level before other threads start, as its header says.
 */
#include "goo/runtime/features.h"

#include "runtime/kernels/kernels.h"

#ifndef GOO_VERSION
#define GOO_VERSION "0.1.0"
#endif

GooSimdLevel goo_simd_level(void) {
    gooi_kernels_init();
    return gooi_kernels->level;
}

bool goo_simd_available(GooSimdLevel level) {
    return gooi_kernels_available(level);
}

const char *goo_simd_name(GooSimdLevel level) {
    switch (level) {
    case GOO_SIMD_SCALAR:
        return "scalar";
    case GOO_SIMD_WORD64:
        return "word64";
    case GOO_SIMD_SSE2:
        return "sse2";
    case GOO_SIMD_AVX2:
        return "avx2";
    case GOO_SIMD_AVX512:
        return "avx512";
    case GOO_SIMD_NEON:
        return "neon";
    case GOO_SIMD_WASM128:
        return "wasm128";
    }
    return "unknown";
}

GooStatus goo_simd_set_level(GooSimdLevel level) {
    if (!gooi_kernels_available(level)) {
        return GOO_ERR_UNSUPPORTED;
    }
    gooi_kernels_fill(&gooi_kernels_table, level);
    gooi_kernels = &gooi_kernels_table;
    return GOO_OK;
}

const char *goo_version(void) {
    return GOO_VERSION;
}
