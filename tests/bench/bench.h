/* What benchmarks share: the clock, medians, the machine's line, the options --quick and --help,
 * and rows: the same figures for a program to read. Header only.
 *
 * Where the environment names a file in GOO_BENCH_ROWS, each call below appends a line of JSON to
 * it; without it they do nothing. `./goo bench` sets it; tests/bench/README.md says what is in a
 * line. A benchmark prints its table for people itself.
 *
 *     bench_print_machine()   who measured where
 *     bench_progress(2, 9)    2 of 9 parts are done: what the time left is estimated from
 *     bench_absent("a", "b")  peer a can't take part, because of b
 *     bench_row(&row)         one figure
 *     bench_series(&series)   a curve: memory over time, or a histogram
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
    double median = (samples[(count - 1) / 2] + samples[count / 2]) / 2;
    return (BenchSpread){samples[0], median, samples[count - 1]};
}

/* The value in the first line of a file that begins with `key`, or "unknown". */
static inline void bench_file_line(const char *path, const char *key, char *out, size_t room) {
    char line[256];
    FILE *file = fopen(path, "r");
    snprintf(out, room, "unknown");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, key, strlen(key)) == 0 && (key[0] == '\0' || colon != NULL)) {
            const char *value = key[0] == '\0' ? line : colon + 1 + strspn(colon + 1, " \t");
            snprintf(out, room, "%.*s", (int)strcspn(value, "\n"), value);
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

/* --- rows --- */

/* Where lines of JSON go, opened at its end; NULL: nowhere. */
static inline FILE *bench_rows_open(void) {
    const char *path = getenv("GOO_BENCH_ROWS");
    return path == NULL || path[0] == '\0' ? NULL : fopen(path, "a");
}

static inline void bench_json_text(FILE *to, const char *key, const char *text) {
    fprintf(to, "\"%s\": \"", key);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', to);
        }
        fputc((unsigned char)*text < ' ' ? ' ' : *text, to);
    }
    fputc('"', to);
}

static inline void bench_progress(size_t done, size_t of) {
    FILE *to = bench_rows_open();
    if (to != NULL) {
        fprintf(to, "{\"done\": %zu, \"of\": %zu}\n", done, of);
        fclose(to);
    }
}

/* A peer that was named and can't take part. */
static inline void bench_absent(const char *name, const char *why) {
    FILE *to = bench_rows_open();
    if (to != NULL) {
        fputc('{', to);
        bench_json_text(to, "absent", name);
        fputs(", ", to);
        bench_json_text(to, "why", why);
        fputs("}\n", to);
        fclose(to);
    }
}

/* A peer that takes part, though it may have no row: it ran out of memory, or failed. */
static inline void bench_present(const char *name) {
    FILE *to = bench_rows_open();
    if (to != NULL) {
        fputc('{', to);
        bench_json_text(to, "present", name);
        fputs("}\n", to);
        fclose(to);
    }
}

typedef enum BenchRole {
    BENCH_GOO,
    BENCH_PEER, /* what Goo is compared with: the best of them in a workload is the measure */
    BENCH_BARE, /* what is possible at all, without what an allocator promises */
    BENCH_ORACLE /* frees by hand where the others collect: what collection costs is beside it */
} BenchRole;

/* One figure. What a benchmark does not have stays 0 or NULL. */
typedef struct BenchRow {
    const char *workload, *subject, *unit;
    BenchRole role;
    bool more_is_better;
    BenchSpread value;
    size_t rounds;
    double size;          /* what the cost grows with; rows that differ in it alone are a curve */
    const char *size_unit;
    double heap;          /* size of the heap by what lives in it */
    const char *than;     /* the subject that `ratio` is to, taken within each round */
    BenchSpread ratio;    /* of the times: below 1 this subject is faster */
    const char *verdict;  /* "met" or "SHORT" */
    double peak_bytes;    /* of the process */
} BenchRow;

static inline void bench_row(const BenchRow *row) {
    static const char *const roles[] = {"goo", "peer", "bare", "oracle"};
    FILE *to = bench_rows_open();
    if (to == NULL) {
        return;
    }
    fputc('{', to);
    bench_json_text(to, "workload", row->workload);
    fputs(", ", to);
    bench_json_text(to, "subject", row->subject);
    fputs(", ", to);
    bench_json_text(to, "unit", row->unit);
    fprintf(to, ", \"role\": \"%s\", \"more_is_better\": %s, \"median\": %.9g, \"least\": %.9g, "
                "\"most\": %.9g, \"n\": %zu",
            roles[row->role], row->more_is_better ? "true" : "false", row->value.median,
            row->value.least, row->value.most, row->rounds);
    if (row->size != 0) {
        fprintf(to, ", \"size\": %.9g, ", row->size);
        bench_json_text(to, "size_unit", row->size_unit != NULL ? row->size_unit : "objects");
    }
    if (row->heap != 0) {
        fprintf(to, ", \"heap\": %.4g", row->heap);
    }
    if (row->than != NULL) {
        fputs(", ", to);
        bench_json_text(to, "than", row->than);
        fprintf(to, ", \"ratio\": %.6g, \"ratio_least\": %.6g, \"ratio_most\": %.6g",
                row->ratio.median, row->ratio.least, row->ratio.most);
    }
    if (row->verdict != NULL) {
        fputs(", ", to);
        bench_json_text(to, "verdict", row->verdict);
    }
    if (row->peak_bytes != 0) {
        fprintf(to, ", \"peak_bytes\": %.0f", row->peak_bytes);
    }
    fputs("}\n", to);
    fclose(to);
}

/* A curve of `count` points. As "memory", x is milliseconds and y bytes; as "pauses", x is the
 * lower edge of a bucket in nanoseconds and y how many pauses fell into it. */
typedef struct BenchSeries {
    const char *kind, *workload, *subject;
    const double *x, *y;
    size_t count;
} BenchSeries;

static inline void bench_series(const BenchSeries *series) {
    FILE *to = bench_rows_open();
    if (to == NULL) {
        return;
    }
    fputc('{', to);
    bench_json_text(to, "series", series->kind);
    fputs(", ", to);
    bench_json_text(to, "workload", series->workload);
    fputs(", ", to);
    bench_json_text(to, "subject", series->subject);
    fputs(", \"points\": [", to);
    for (size_t i = 0; i < series->count; i++) {
        fprintf(to, "%s[%.9g, %.9g]", i == 0 ? "" : ", ", series->x[i], series->y[i]);
    }
    fputs("]}\n", to);
    fclose(to);
}

/* --- the machine --- */

#if defined(__clang__)
#define BENCH_COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define BENCH_COMPILER "gcc " __VERSION__
#else
#define BENCH_COMPILER "unknown"
#endif

static inline void bench_machine_row(const char *cpu, const char *load) {
    FILE *to = bench_rows_open();
    if (to == NULL) {
        return;
    }
    fputs("{\"machine\": {", to);
    bench_json_text(to, "goo", goo_version());
    fputs(", ", to);
    bench_json_text(to, "cpu", cpu);
    fputs(", ", to);
    bench_json_text(to, "kernels", goo_simd_name(goo_simd_level()));
    fputs(", ", to);
    bench_json_text(to, "compiler", BENCH_COMPILER);
    fputs(", ", to);
    bench_json_text(to, "load", load);
    fputs("}}\n", to);
    fclose(to);
}

/* The first line of every benchmark. */
static inline void bench_print_machine(void) {
    char cpu[128], load[64];
    bench_file_line("/proc/cpuinfo", "model name", cpu, sizeof cpu);
    bench_file_line("/proc/loadavg", "", load, sizeof load);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* each line is seen when it is printed */
    printf("goo %s, %s, kernels %s, compiler %s, load %s\n", goo_version(), cpu,
           goo_simd_name(goo_simd_level()), BENCH_COMPILER, load);
    bench_machine_row(cpu, load);
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
