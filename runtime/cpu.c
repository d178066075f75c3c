/* cpuid and xgetbv, read by hand (cpu.h says what each bit promises).
 *
 * The shape of the data: cpuid takes a leaf and a sub-leaf and answers four registers. Leaf 0 says
 * how many leaves there are, leaf 0x80000000 the same for the extended ones; a leaf beyond that
 * answers garbage on some processors, so it is never asked. xgetbv(0) is the set of register files
 * that the operating system saves, and may be executed only when cpuid reports osxsave.
 *
 *   CPU-1  no bit is reported whose instructions could fault here
 *   CPU-2  AVX512 implies AVX2, AVX2 implies SSE2
 *
 * Left out: NEON and SVE (those kernels do not exist yet), AVX-512 without VBMI2 (Skylake-X slows
 * its clock for it and lacks the byte compress), AVX10.
 */
#include "runtime/cpu.h"

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#else
#include <cpuid.h>
#endif

typedef struct CpuLeaf {
    uint32_t a, b, c, d;
} CpuLeaf;

enum {
    /* leaf 1, c and d */
    CPU_OSXSAVE = 1 << 27,
    CPU_AVX = 1 << 28,
    CPU_POPCNT = 1 << 23,
    CPU_SSE2 = 1 << 26,
    /* leaf 7, sub-leaf 0, b */
    CPU_BMI1 = 1 << 3,
    CPU_AVX2 = 1 << 5,
    CPU_BMI2 = 1 << 8,
    CPU_AVX512F = 1 << 16,
    CPU_AVX512DQ = 1 << 17,
    CPU_AVX512BW = 1 << 30,
    /* leaf 7, sub-leaf 0, c */
    CPU_AVX512VBMI = 1 << 1,
    CPU_AVX512VBMI2 = 1 << 6,
    CPU_AVX512BITALG = 1 << 12,
    CPU_AVX512VPOPCNTDQ = 1 << 14,
    /* leaf 0x80000001, c */
    CPU_LZCNT = 1 << 5,
    /* xgetbv(0): xmm 2, ymm 4; mask registers 0x20, upper halves 0x40, zmm16-31 0x80 */
    CPU_STATE_YMM = 0x06,
    CPU_STATE_ZMM = 0xe6,
};
#define CPU_AVX512VL (UINT32_C(1) << 31) /* leaf 7, b; does not fit an enum constant */

static CpuLeaf cpu_leaf(uint32_t leaf, uint32_t subleaf) {
    CpuLeaf r;
#if defined(_MSC_VER) && !defined(__clang__)
    int registers[4];
    __cpuidex(registers, (int)leaf, (int)subleaf);
    r.a = (uint32_t)registers[0];
    r.b = (uint32_t)registers[1];
    r.c = (uint32_t)registers[2];
    r.d = (uint32_t)registers[3];
#else
    __cpuid_count(leaf, subleaf, r.a, r.b, r.c, r.d);
#endif
    return r;
}

/* The register files that the operating system saves; needs osxsave. */
static uint64_t cpu_saved_state(void) {
#if defined(_MSC_VER) && !defined(__clang__)
    return _xgetbv(0);
#else
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
#endif
}

/* Whether the machine has cpuid at all: every x86-64 does; a 32-bit one may not. */
static bool cpu_has_cpuid(void) {
#if defined(__i386__) && (defined(__GNUC__) || defined(__clang__))
    return __get_cpuid_max(0, NULL) != 0;
#else
    return true;
#endif
}

static bool cpu_has(uint32_t reg, uint32_t bits) {
    return (reg & bits) == bits;
}

uint32_t gooi_cpu_features(void) {
    if (!cpu_has_cpuid()) {
        return 0;
    }
    uint32_t leaf_max = cpu_leaf(0, 0).a;
    CpuLeaf basic = cpu_leaf(1, 0);
    if (!cpu_has(basic.d, CPU_SSE2)) {
        return 0;
    }
    uint32_t features = GOOI_CPU_SSE2;
    if (leaf_max < 7 || cpu_leaf(0x80000000, 0).a < 0x80000001 || !cpu_has(basic.c, CPU_OSXSAVE)) {
        return features;
    }
    CpuLeaf extended = cpu_leaf(7, 0);
    uint64_t state = cpu_saved_state();
    if ((state & CPU_STATE_YMM) != CPU_STATE_YMM || !cpu_has(basic.c, CPU_AVX | CPU_POPCNT) ||
        !cpu_has(extended.b, CPU_AVX2 | CPU_BMI1 | CPU_BMI2) ||
        !cpu_has(cpu_leaf(0x80000001, 0).c, CPU_LZCNT)) {
        return features;
    }
    features |= GOOI_CPU_AVX2;
    if ((state & CPU_STATE_ZMM) == CPU_STATE_ZMM &&
        cpu_has(extended.b, CPU_AVX512F | CPU_AVX512DQ | CPU_AVX512BW | CPU_AVX512VL) &&
        cpu_has(extended.c,
                CPU_AVX512VBMI | CPU_AVX512VBMI2 | CPU_AVX512BITALG | CPU_AVX512VPOPCNTDQ)) {
        features |= GOOI_CPU_AVX512;
    }
    return features;
}

#else

uint32_t gooi_cpu_features(void) {
    return 0;
}

#endif
