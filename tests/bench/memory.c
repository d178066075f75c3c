/* bench_memory: operations on plain bytes beside libc's, from no bytes to 64 MiB.
 *
 * For each operation, size and alignment the library's call and its rivals take turns: libc's own
 * function where it has one, and else loops as programs write them, compiled with the library's
 * options, of which the fastest in that cell counts. A sample is the least of three batches, each
 * of calls for 20 us or one call; the ratio is taken within each round, and its median over the
 * rounds is shown.
 *
 *     level    which memory the working set fits in: L1, L2, L3 or none, by its size and the
 *              processor's caches. The first three are hot, "memory" is cold: each call evicts what
 *              the next one needs
 *     aligned  both ranges start at a multiple of 64 bytes; unaligned: 1 and 3 bytes behind one
 *
 * A cell is `ok` if the call costs at most 3 % or 0.6 ns more than its rival: a call of a
 * forwarding function is a few tests and a jump more than that of libc's itself. Where the same
 * function of libc does the work on both sides, as for copy, the ratio of large sizes shows how far
 * the machine's noise goes.
 *
 * Threads: one.
 */
#define _GNU_SOURCE
#include "tests/bench/bench.h"
#include "tests/bench/memory/operations.h"

#include <sys/mman.h>

enum { ROUNDS = 21, ROUNDS_QUICK = 5, BATCHES = 3, OPERATIONS_MAX = 32 };
enum { LARGEST = 64 * 1024 * 1024, AREA = LARGEST + 2 * 1024 * 1024 };

#define ALLOWED_RATIO 1.03
#define ALLOWED_NS 0.6
#define BATCH_NS 20000.0

static const size_t sizes[] = {0,       1,       7,        16,      31,       64,
                               100,     256,     1 << 10,  4 << 10, 32 << 10, 256 << 10,
                               1 << 20, 4 << 20, 16 << 20, LARGEST};

enum { SIZES = sizeof sizes / sizeof sizes[0] };

/* --- measuring --- */

static double call_ns(CallFn *call, const Cell *cell, size_t count) {
    double start = bench_now_ns();
    call(cell, count);
    return (bench_now_ns() - start) / (double)count;
}

static double sample_ns(CallFn *call, const Cell *cell, size_t count) {
    double least = call_ns(call, cell, count);
    for (size_t i = 1; i < BATCHES; i++) {
        double ns = call_ns(call, cell, count);
        least = ns < least ? ns : least;
    }
    return least;
}

typedef struct Result {
    BenchSpread goo, rival, ratio;
    const char *rival_name;
} Result;

/* The first of `calls` is the library's; the others' fastest median is the rival. */
static Result measure(CallFn *const *calls, const Rival *rivals, size_t count, const Cell *cell,
                      size_t rounds) {
    double samples[1 + RIVALS_MAX][ROUNDS], sorted[ROUNDS];
    size_t batch = 1;
    while (batch < 100000 && call_ns(calls[0], cell, batch) * (double)batch < BATCH_NS) {
        batch *= 2;
    }
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            size_t c = (i + round) % count;
            samples[c][round] = sample_ns(calls[c], cell, batch);
        }
    }
    Result result = {.rival_name = ""};
    size_t best = 0;
    for (size_t c = 0; c < count; c++) {
        memcpy(sorted, samples[c], sizeof sorted);
        BenchSpread spread = bench_spread(sorted, rounds);
        if (c == 0) {
            result.goo = spread;
        } else if (best == 0 || spread.median < result.rival.median) {
            best = c;
            result.rival = spread;
        }
    }
    for (size_t round = 0; round < rounds; round++) {
        sorted[round] = samples[0][round] / samples[best][round];
    }
    result.ratio = bench_spread(sorted, rounds);
    result.rival_name = rivals[best - 1].name;
    return result;
}

static void read_word(const char *path, const char *format, void *out) {
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fscanf(file, format, out) != 1) {
            fprintf(stderr, "bench_memory: %s is not understood\n", path);
        }
        fclose(file);
    }
}

/* Bytes of the processor's cache of a level, 1 to 3, as this core sees it; 0: not known. */
static size_t cache_size(int level) {
    size_t found = 0;
    for (int index = 0; index < 8; index++) {
        char path[96], type[16] = "";
        int of_level = 0;
        size_t kib = 0;
        const char *folder = "/sys/devices/system/cpu/cpu0/cache/index";
        snprintf(path, sizeof path, "%s%d/level", folder, index);
        read_word(path, "%d", &of_level);
        snprintf(path, sizeof path, "%s%d/type", folder, index);
        read_word(path, "%15s", type);
        snprintf(path, sizeof path, "%s%d/size", folder, index);
        read_word(path, "%zuK", &kib);
        if (of_level == level && strcmp(type, "Instruction") != 0) {
            found = kib * 1024;
        }
    }
    return found;
}

/* Which memory a working set of `bytes` fits in. */
static const char *level_of(size_t bytes) {
    static const char *const levels[] = {"L1", "L2", "L3"};
    static size_t sizes_known[3];
    for (int i = 0; i < 3; i++) {
        sizes_known[i] = sizes_known[i] == 0 ? cache_size(i + 1) : sizes_known[i];
        if (bytes <= sizes_known[i]) {
            return levels[i];
        }
    }
    return "memory";
}

/* The same for a program to read: two rows. Nothing grows from size 0, which has no logarithm. */
static void report_rows(const Operation *operation, const Cell *cell, const Result *r,
                        size_t rounds, bool good) {
    char workload[64];
    snprintf(workload, sizeof workload, "%s, %s", operation->name,
             (uintptr_t)cell->a % 64 == 0 ? "aligned" : "unaligned");
    BenchRow row = {.workload = workload,
                    .subject = "goo",
                    .unit = "ns",
                    .value = r->goo,
                    .rounds = rounds,
                    .size = (double)cell->size,
                    .size_unit = "bytes",
                    .than = "best rival",
                    .ratio = r->ratio,
                    .verdict = good ? "met" : "SHORT"};
    if (cell->size != 0) {
        bench_row(&row);
        row.subject = "best rival";
        row.role = BENCH_PEER;
        row.value = r->rival;
        row.than = row.verdict = NULL;
        bench_row(&row);
    }
}

static void run_cell(const Operation *operation, Cell cell, size_t rounds, size_t *slower) {
    CallFn *calls[1 + RIVALS_MAX] = {operation->call};
    Rival rivals[RIVALS_MAX];
    size_t count = 1;
    for (size_t i = 0; i < RIVALS_MAX && operation->rivals[i].name != NULL; i++) {
        if (!operation->rivals[i].aligned_only || (uintptr_t)cell.a % 64 == 0) {
            rivals[count - 1] = operation->rivals[i];
            calls[count++] = operation->rivals[i].call;
        }
    }
    if (!operation->right(&cell)) {
        fprintf(stderr, "bench_memory: %s of %zu bytes is wrong\n", operation->name, cell.size);
        exit(1);
    }
    Result r = measure(calls, rivals, count, &cell, rounds);
    bool good = r.goo.median - r.rival.median <= ALLOWED_NS || r.ratio.median <= ALLOWED_RATIO;
    *slower += !good;
    printf("  %9zu  %-6s  %12.2f  %12.2f  %7.1f  %-8s %5.2f  %s\n", cell.size,
           level_of(cell.size * operation->ranges), r.goo.median, r.rival.median,
           (double)cell.size / r.goo.median, r.rival_name, r.ratio.median, good ? "ok" : "SLOWER");
    report_rows(operation, &cell, &r, rounds, good);
}

static size_t run_operation(const Operation *operation, uint8_t *area_a, uint8_t *area_b,
                            size_t rounds, size_t largest) {
    size_t slower = 0;
    for (int aligned = 1; aligned >= 0; aligned--) {
        printf("\n%s, %s: %s\n  %9s  %-6s  %12s  %12s  %7s  %-8s %5s\n", operation->name,
               aligned ? "aligned" : "unaligned", operation->what, "bytes", "level", "ns",
               "rival's ns", "GB/s", "rival", "ratio");
        for (size_t s = 0; s < SIZES && sizes[s] <= largest; s++) {
            size_t size = sizes[s] / operation->unit * operation->unit;
            if (size == 0 && sizes[s] != 0) {
                continue;
            }
            /* Not a multiple of 4 KiB apart, where a load waits for a store it does not need. */
            Cell cell = {area_a + (aligned ? 0 : 1), area_b + 2112 + (aligned ? 0 : 3), size};
            run_cell(operation, cell, rounds, &slower);
        }
    }
    return slower;
}

/* Room for the largest size in huge pages, all zero. */
static uint8_t *area(void) {
    uint8_t *bytes = aligned_alloc((size_t)2 << 20, AREA);
    if (bytes == NULL) {
        fprintf(stderr, "bench_memory: no memory\n");
        exit(1);
    }
    madvise(bytes, AREA, MADV_HUGEPAGE);
    memset(bytes, 0, AREA);
    return bytes;
}

/* --- the command line --- */

static void usage(FILE *to) {
    fprintf(to, "usage: bench_memory [--quick] [--level NAME] [OPERATION]...\n"
                "Operations on plain bytes beside libc's.\n"
                "  --quick       few rounds, up to 256 KiB: a look, not a figure\n"
                "  --level NAME  the library's kernels of this level: scalar, word64, sse2...\n"
                "Operations, all if none is named:\n");
    for (size_t i = 0; i < operation_count; i++) {
        fprintf(to, "  %-12s %s\n", operations[i].name, operations[i].what);
    }
}

static bool use_level(const char *name) {
    for (int level = GOO_SIMD_SCALAR; level <= GOO_SIMD_WASM128; level++) {
        if (strcmp(goo_simd_name((GooSimdLevel)level), name) == 0) {
            return goo_simd_set_level((GooSimdLevel)level) == GOO_OK;
        }
    }
    return false;
}

static int misused(void) {
    usage(stderr);
    return 64;
}

int main(int argc, char **argv) {
    bool chosen[OPERATIONS_MAX] = {false}, any = false, quick = false;
    for (int i = 1; i < argc; i++) {
        size_t found = operation_count;
        for (size_t k = 0; k < operation_count; k++) {
            found = strcmp(argv[i], operations[k].name) == 0 ? k : found;
        }
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            return 0;
        } else if (strcmp(argv[i], "--quick") == 0) {
            quick = true;
        } else if (strcmp(argv[i], "--level") == 0 && i + 1 < argc) {
            if (!use_level(argv[++i])) {
                fprintf(stderr, "bench_memory: there is no level '%s' here\n", argv[i]);
                return 64;
            }
        } else if (found < operation_count) {
            chosen[found] = any = true;
        } else {
            return misused();
        }
    }
    bench_print_machine();
    uint8_t *a = area(), *b = area();
    size_t slower = 0;
    for (size_t i = 0; i < operation_count; i++) {
        if (!any || chosen[i]) {
            memset(a, 0, AREA);
            memset(b, 0, AREA);
            slower += run_operation(&operations[i], a, b, quick ? ROUNDS_QUICK : ROUNDS,
                                    quick ? (size_t)256 << 10 : LARGEST);
            bench_progress(i + 1, operation_count);
        }
    }
    printf("\ncells that cost more than %d %% and %.1f ns above their rival: %zu\n",
           (int)((ALLOWED_RATIO - 1) * 100 + 0.5), ALLOWED_NS, slower);
    free(a);
    free(b);
    return 0;
}
