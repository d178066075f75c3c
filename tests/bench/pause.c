/* bench_pause: how long a program stands still, by what lives, beside Boehm's collector.
 *
 * A tree of 64-byte nodes is built that fills half of the heap and stays. Then garbage is made,
 * eight heaps' halves of it, and the collector stops the program whenever the heap is full. Each
 * row is a process of its own: its pauses, the longest first to be read, and what the process held.
 *
 *     live      what stays; a cost that grows, so there are three sizes
 *     mode      all marking inside the pause, by one thread or by the default number of them
 *
 * Events of the collector say when it stops the program (pause/side.h); the histogram has eight
 * buckets for each doubling. Resident memory is read while garbage is made.
 */
#define _DEFAULT_SOURCE
#include "tests/bench/bench.h"
#include "tests/bench/pause/side.h"

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CYCLES = 8, READINGS_MAX = 200, BUCKETS_OF_DOUBLING = 8, BUCKETS_MAX = 512 };

static PauseNode *root;
static PauseLog pauses;

/* A tree of `count` nodes, top down; its depth is the logarithm of count, so it may recurse. */
static PauseNode *pause_tree(const PauseSide *side, size_t count) {
    PauseNode *node = count == 0 ? NULL : side->node();
    if (node != NULL && count > 1) {
        node->kids[0] = pause_tree(side, (count - 1) / 2);
        node->kids[1] = pause_tree(side, count - 1 - (count - 1) / 2);
    }
    return node;
}

static size_t pause_count(const PauseNode *node) {
    return node == NULL ? 0 : 1 + pause_count(node->kids[0]) + pause_count(node->kids[1]);
}

static double pause_resident_bytes(void) {
    char line[64];
    bench_file_line("/proc/self/statm", "", line, sizeof line);
    const char *second = strchr(line, ' ');
    return second == NULL ? 0 : strtod(second, NULL) * (double)sysconf(_SC_PAGESIZE);
}

/* --- one row --- */

typedef struct Curve {
    double x[BUCKETS_MAX], y[BUCKETS_MAX];
    size_t count;
} Curve;

/* Makes garbage of CYCLES times what lives; the curve is resident bytes over milliseconds. */
static bool pause_churn(const PauseSide *side, size_t live_count, Curve *memory) {
    size_t total = live_count * CYCLES, every = total / READINGS_MAX + 1;
    double start = bench_now_ns();
    for (size_t i = 0; i < total; i++) {
        if (side->node() == NULL) {
            return false;
        }
        if (i % every == 0) {
            memory->x[memory->count] = (bench_now_ns() - start) / 1e6;
            memory->y[memory->count++] = pause_resident_bytes();
        }
    }
    return true;
}

/* Of sorted pauses: lower edges of the buckets that have some, and how many. */
static void pause_histogram(Curve *out) {
    for (size_t i = 0; i < pauses.count; i++) {
        double edge = exp2(floor(log2(pauses.ns[i]) * BUCKETS_OF_DOUBLING) / BUCKETS_OF_DOUBLING);
        if ((out->count == 0 || edge > out->x[out->count - 1] * 1.001) &&
            out->count < BUCKETS_MAX) {
            out->x[out->count++] = edge;
        }
        out->y[out->count - 1]++;
    }
}

static void pause_report(const PauseSide *side, const char *mode, size_t live,
                         const Curve *memory) {
    BenchSpread s = bench_spread(pauses.ns, pauses.count);
    char subject[64], workload[64];
    double peak = 0;
    Curve histogram = {.count = 0};
    for (size_t i = 0; i < memory->count; i++) {
        peak = memory->y[i] > peak ? memory->y[i] : peak;
    }
    pause_histogram(&histogram);
    printf("%5zu MiB  %-6s %-16s %4zu  %8.2f  %8.2f  %8.2f  %8.0f MB\n", live >> 20, side->name,
           mode, pauses.count, s.median / 1e6, s.least / 1e6, s.most / 1e6, peak / 1e6);
    snprintf(subject, sizeof subject, "%s, %s", side->name, mode);
    bench_row(&(BenchRow){.workload = "pauses",
                          .subject = subject,
                          .unit = "ns",
                          .role = side == &pause_goo ? BENCH_GOO : BENCH_PEER,
                          .value = s,
                          .rounds = pauses.count,
                          .size = (double)live,
                          .size_unit = "bytes",
                          .heap = 2,
                          .peak_bytes = peak});
    snprintf(workload, sizeof workload, "%zu MiB live", live >> 20);
    bench_series(&(BenchSeries){"pauses", workload, subject, histogram.x, histogram.y,
                                histogram.count});
    bench_series(
        &(BenchSeries){"memory", workload, subject, memory->x, memory->y, memory->count});
}

static bool pause_run(const PauseSide *side, const char *mode, unsigned markers, size_t live) {
    static Curve memory;
    size_t count = live / PAUSE_NODE_SIZE;
    if (!side->open(2 * live, markers, &root, &pauses) ||
        (root = pause_tree(side, count)) == NULL) {
        return false;
    }
    pauses.count = 0;
    bool good = pause_churn(side, count, &memory) && pauses.count > 0;
    if (!good || pause_count(root) != count) {
        fprintf(stderr, "bench_pause: %s: %s\n", side->name,
                good ? "nodes were lost" : "no memory");
        return false;
    }
    pause_report(side, mode, live, &memory);
    return true;
}

static bool pause_run_in_process(const PauseSide *side, const char *mode, unsigned markers,
                                 size_t live) {
    int status = 1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        bool good = pause_run(side, mode, markers, live);
        fflush(stdout);
        _exit(good ? 0 : 1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* --- the command line --- */

static bool pause_run_size(size_t live) {
    bool good = pause_run_in_process(&pause_goo, "1 marker", 1, live) &&
                pause_run_in_process(&pause_goo, "default markers", 0, live);
#if defined(BENCH_PAUSE_BOEHM)
    good = good && pause_run_in_process(&pause_boehm, "1 marker", 1, live) &&
           pause_run_in_process(&pause_boehm, "default markers", 0, live);
#endif
    return good;
}

int main(int argc, char **argv) {
    static const size_t sizes[] = {64, 256, 1024}, quick_sizes[] = {8, 16, 32};
    bool quick;
    int status = 0;
    if (!bench_parse(argc, argv,
                     "usage: bench_pause [--quick]\n"
                     "Pauses by what lives, in a heap of twice as much, beside Boehm's collector.\n"
                     "  --quick  8 to 32 MiB instead of 64 MiB to 1 GiB\n",
                     &quick, &status)) {
        return status;
    }
    bench_print_machine();
    printf("     live  side   mode                n  median ms     least      most   resident\n");
    for (size_t i = 0; i < 3; i++) {
        if (!pause_run_size((quick ? quick_sizes : sizes)[i] << 20)) {
            return 1;
        }
        bench_progress(i + 1, 3);
    }
    return 0;
}
