/* Which vector instructions the library uses on this machine, and which version it is.
 *
 * Choose this header to report the configuration, or in a test that must see the same result from
 * every instruction set. A program need not call anything here: before main the library picks the
 * best level that it was built with and that processor and operating system both report.
 *
 *     #include <goo/runtime/features.h>
 *     #include <stdio.h>
 *
 *     int main(void) {
 *         printf("goo %s, %s\n", goo_version(), goo_simd_name(goo_simd_level()));
 *         for (int level = GOO_SIMD_SCALAR; level <= GOO_SIMD_WASM128; level++) {
 *             if (goo_simd_available((GooSimdLevel)level)) {
 *                 printf("  can use %s\n", goo_simd_name((GooSimdLevel)level));
 *             }
 *         }
 *         return 0;
 *     }
 */
#ifndef GOO_RUNTIME_FEATURES_H
#define GOO_RUNTIME_FEATURES_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* Weakest first; each of the first five includes those before it. NEON and WASM128 are other
 * processors' levels: reserved numbers, for which this version has no kernels (it uses WORD64
 * there). */
typedef enum GooSimdLevel {
    GOO_SIMD_SCALAR, /* one byte at a time: the reference that the others must equal */
    GOO_SIMD_WORD64, /* eight bytes in a 64-bit word: any processor */
    GOO_SIMD_SSE2,   /* every x86-64 */
    GOO_SIMD_AVX2,   /* with bmi1, bmi2, popcnt and lzcnt: Haswell, Zen and later */
    GOO_SIMD_AVX512, /* with bw, dq, vl, vbmi, vbmi2, bitalg, vpopcntdq: Ice Lake, Zen 4 and later
                      */
    GOO_SIMD_NEON,
    GOO_SIMD_WASM128
} GooSimdLevel;

/* Returns the level in use: the best available one, unless goo_simd_set_level chose another.
 * Threads: any. Cost: a load; the first call asks the processor where nothing ran before main. */
GOO_API
GooSimdLevel goo_simd_level(void);

/* Returns whether the library was built with `level` and this machine can execute it. A number that
 * is no level is not available. SCALAR always is.
 * Threads: any. Cost: may ask the processor, a few microseconds in a virtual machine. */
GOO_API
bool goo_simd_available(GooSimdLevel level);

/* Returns the level's name in lower case ("avx512"), or "unknown" for a number that is none.
 * Owner: static text. Threads: any. */
GOO_API
const char *goo_simd_name(GooSimdLevel level);

/* Makes the library use `level` from now on; meant for tests, results do not depend on it.
 * Returns GOO_OK.
 * Fails: GOO_ERR_UNSUPPORTED for a level that is not available; the level in use stays.
 * Threads: only before any other thread starts: calls in progress would see the table change. */
GOO_API
GooStatus goo_simd_set_level(GooSimdLevel level);

/* Returns the library's version, "major.minor.patch". Owner: static text. Threads: any. */
GOO_API
const char *goo_version(void);

GOO_END_DECLS

#endif
