/* What benchmarks share: the clock, medians, the machine's line, and the options --quick and
 * --help. Header only, each benchmark being one file.
 */
#ifndef GOO_TESTS_BENCH_H
#define GOO_TESTS_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "goo/runtime/features.h"

static inline double bench_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline int bench_compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Least, median and most of `count` samples; sorts them. */
typedef struct BenchSpread {
    double least, median, most;
} BenchSpread;

static inline BenchSpread bench_spread(double *samples, size_t count) {
    qsort(samples, count, sizeof *samples, bench_compare);
    return (BenchSpread){samples[0], samples[count / 2], samples[count - 1]};
}

static inline void bench_print_file_line(const char *path, const char *key) {
    char line[256];
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            const char *value = key[0] == '\0' ? line : strchr(line, ':') + 2;
            printf("%.*s", (int)strcspn(value, "\n"), value);
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

#if defined(__clang__)
#define BENCH_COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define BENCH_COMPILER "gcc " __VERSION__
#else
#define BENCH_COMPILER "unknown"
#endif

static inline void bench_print_machine(void) {
    printf("goo %s, ", goo_version());
    bench_print_file_line("/proc/cpuinfo", "model name");
    printf(", kernels %s, compiler %s, load ", goo_simd_name(goo_simd_level()), BENCH_COMPILER);
    bench_print_file_line("/proc/loadavg", "");
    printf("\n");
}

/* True: run, with *out_quick set. False: leave with *out_status. */
static inline bool bench_parse(int argc, char **argv, const char *usage, bool *out_quick,
                               int *out_status) {
    *out_quick = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            *out_quick = true;
        } else {
            bool help = strcmp(argv[i], "--help") == 0;
            fprintf(help ? stdout : stderr, "%s", usage);
            *out_status = help ? 0 : 64;
            return false;
        }
    }
    return true;
}

#endif
