/* What the processor and the operating system together allow us to execute.
 *
 * A feature counts only when cpuid reports it AND the operating system saves its registers at a
 * context switch (xgetbv): a kernel that is too old for zmm registers would corrupt them silently.
 * A bit stands for everything that the files built for it may contain, because the compiler uses
 * every instruction that its flags allow, not only those that we name:
 *
 *   GOOI_CPU_SSE2    sse2
 *   GOOI_CPU_AVX2    avx2, bmi1, bmi2, popcnt, lzcnt, and ymm state
 *   GOOI_CPU_AVX512  all of GOOI_CPU_AVX2, avx512 f bw dq vl vbmi vbmi2 bitalg vpopcntdq, and zmm
 *                    and mask state (Ice Lake, Zen 4 and later); less than that is AVX2
 *
 * Layer 1. Read directly rather than by the compiler's builtins, which need a runtime library that
 * not every tool chain links. On processors other than x86 no bit is ever set.
 *
 * Threads: any; asks the processor each time (a few hundred nanoseconds, more in a virtual
 * machine).
 */
#ifndef GOO_RUNTIME_CPU_H
#define GOO_RUNTIME_CPU_H

#include "runtime/base.h"

enum { GOOI_CPU_SSE2 = 1, GOOI_CPU_AVX2 = 2, GOOI_CPU_AVX512 = 4 };

/* The GOOI_CPU_* bits that hold here. */
uint32_t gooi_cpu_features(void);

#endif
