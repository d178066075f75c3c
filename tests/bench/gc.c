/* bench_gc: whole programs on the collected heap, beside Boehm's collector and explicit frees.
 *
 * Each program is written once (gc/NAME.c) over a few inline calls and compiled for each side; each
 * run is a process of its own, in a heap that is 1.5, 2 or 3 times as large as what lives. Objects
 * are the same on all sides, without headers. Boehm is told the size of the heap, and Goo's heap is
 * fitted so that its process takes as much memory as Boehm's and no more.
 *
 *     trees 20   2.0   1     1.70 s   1.69 s   133 MB   49     3.41 s ...   0.50  0.49-0.52  met
 *
 * The verdict with one marking thread is by processor time, with more by the clock.
 */
#define _DEFAULT_SOURCE
#include "tests/bench/gc/cell.h"

#define TARGET_BOEHM 0.5
#define TARGET_EXPLICIT 1.0

typedef struct Row {
    const char *workload;
    size_t size, quick_size;
    bool explicit_frees;
} Row;

/* Sizes with which a run takes tenths of a second to seconds. */
static const Row rows[] = {
    {"trees", 16, 14, true},          {"trees", 18, 0, true},
    {"trees", 20, 0, true},           {"gcbench", 18, 13, false},
    {"quads", 10, 6, false},          {"splay", 8000, 500, false},
    {"strings", 100000, 2000, false}, {"ephemerons", 100000, 2000, false},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static const double factors[] = {1.5, 2, 3};
enum { FACTORS = sizeof factors / sizeof factors[0] };

typedef struct Options {
    bool quick, test;
    const char *only;
    double factor; /* 0: all */
    size_t size;   /* 0: all */
    unsigned rounds;
} Options;

static const char usage[] =
    "usage: bench_gc [--quick] [--rounds N] [--factor F] [--size N] [WORKLOAD]\n"
    "Whole programs on the collected heap, beside Boehm's collector in as large a heap, and "
    "beside\n"
    "mimalloc with explicit frees.\n"
    "  trees N       binary trees of depth N, nodes of 16 bytes (Benchmarks Game)\n"
    "  gcbench N     GCBench, nodes of 32 bytes\n"
    "  quads N       a quad-tree of depth N whose branches are replaced\n"
    "  splay N       a splay tree of N keys with payloads (Octane)\n"
    "  strings N     concatenation, and a table of the last N lines\n"
    "  ephemerons N  a table of facts about N living keys (Boehm: disappearing links)\n"
    "Options:\n"
    "  --quick       small sizes, three rounds, heaps of twice what lives: a look, not a figure\n"
    "  --rounds N    5; each side runs once in a round\n"
    "  --factor F    only heaps F times as large as what lives\n"
    "  --size N      only, or another, size of the workload that is named\n"
    "  --test        whether all sides find the same, small and untimed; prints TAP\n";

/* --- options --- */

/* False: leave with *out_status. */
static bool options_parse(int argc, char **argv, Options *o, int *out_status) {
    *o = (Options){.rounds = 5};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(word, "--quick") == 0) {
            o->quick = true;
            o->rounds = 3;
        } else if (strcmp(word, "--test") == 0) {
            o->test = true;
        } else if (strcmp(word, "--rounds") == 0 && atoi(value) > 0) {
            o->rounds =
                (unsigned)atoi(value) < CELL_ROUNDS_MAX ? (unsigned)atoi(value) : CELL_ROUNDS_MAX;
            i++;
        } else if (strcmp(word, "--factor") == 0 && atof(value) > 1) {
            o->factor = atof(value);
            i++;
        } else if (strcmp(word, "--size") == 0 && atoi(value) > 0) {
            o->size = (size_t)atoi(value);
            i++;
        } else if (word[0] != '-' && o->only == NULL) {
            o->only = word;
        } else {
            bool help = strcmp(word, "--help") == 0;
            fprintf(help ? stdout : stderr, "%s", usage);
            *out_status = help ? 0 : 64;
            return false;
        }
    }
    return true;
}

/* The size with which a row runs; 0: it does not. */
static size_t row_size(const Row *row, const Options *o) {
    if (o->only != NULL && strcmp(row->workload, o->only) != 0) {
        return 0;
    }
    if (o->size != 0) { /* another size stands for the workload's first row */
        bool first = row == rows || strcmp(row[-1].workload, row->workload) != 0;
        return first && o->only != NULL ? o->size : 0;
    }
    return o->quick || o->test ? row->quick_size : row->size;
}

/* --- the table --- */

static const char *end_text(WorkerEnd end) {
    switch (end) {
    case WORKER_EXHAUSTED:
        return "no memory";
    case WORKER_ABSENT:
        return "not there";
    default:
        return "";
    }
}

static void print_side(const Cell *cell, CellSide side) {
    if (!cell_has(cell, side)) {
        printf("  %9s %9s %9s %6s", end_text(cell->last[side].end), "", "", "");
        return;
    }
    printf("  %7.0f ms %6.0f ms %6.1f MB %6llu", cell_median(cell->wall[side], cell->rounds) / 1e6,
           cell_median(cell->cpu[side], cell->rounds) / 1e6, cell->peak[side] / 1e6,
           (unsigned long long)cell->last[side].collections);
}

/* Whether ours is at most `target` of the other's time, by the clock or by processor time. */
static void print_verdict(const Cell *cell, CellSide ours, CellSide other, bool by_clock,
                          double target) {
    if (!cell_has(cell, ours) || !cell_has(cell, other)) {
        bool alone = cell_has(cell, ours) && cell->last[other].end == WORKER_EXHAUSTED;
        printf("  %s\n", alone ? "met: runs alone" : "");
        return;
    }
    BenchSpread wall = cell_ratio(cell->wall[ours], cell->wall[other], cell->rounds);
    BenchSpread cpu = cell_ratio(cell->cpu[ours], cell->cpu[other], cell->rounds);
    double ratio = by_clock ? wall.median : cpu.median;
    bool no_more = cell->peak[ours] <= cell->peak[other] || target == TARGET_EXPLICIT;
    printf("  %5.2f %4.2f-%4.2f  %5.2f %4.2f-%4.2f  %s%s\n", wall.median, wall.least, wall.most,
           cpu.median, cpu.least, cpu.most, ratio <= target ? "met" : "SHORT",
           no_more ? "" : ", MORE MEMORY");
}

static void print_head(void) {
    printf("%-17s %4s %7s  %-35s  %-35s  %-16s %-16s\n", "", "", "", "Goo", "Boehm", "by the clock",
           "by processor");
    printf("%-17s %4s %7s  %10s %9s %9s %6s  %10s %9s %9s %6s  %5s %9s  %5s %9s\n", "workload",
           "heap", "markers", "time", "processor", "peak", "cycles", "time", "processor", "peak",
           "cycles", "ratio", "range", "ratio", "range");
}

static void print_pair(const Cell *cell, double factor, CellSide ours, CellSide other,
                       const char *markers) {
    char name[40];
    snprintf(name, sizeof name, "%s %zu", cell->workload, cell->size);
    printf("%-17s %4.1f %7s", name, factor, markers);
    print_side(cell, ours);
    print_side(cell, other);
    print_verdict(cell, ours, other, markers[0] != '1', TARGET_BOEHM);
}

static void print_cell(const Cell *cell, double factor) {
    print_pair(cell, factor, CELL_GOO, CELL_BOEHM, "1");
    print_pair(cell, factor, CELL_GOO_MORE, CELL_BOEHM_MORE, "default");
    if (cell->explicit_frees) {
        char name[48];
        snprintf(name, sizeof name, "  beside %s",
                 cell_has(cell, CELL_MIMALLOC) ? cell->last[CELL_MIMALLOC].name : "mimalloc");
        printf("%-30s", name);
        print_side(cell, CELL_GOO);
        print_side(cell, CELL_MIMALLOC);
        print_verdict(cell, CELL_GOO, CELL_MIMALLOC, false, TARGET_EXPLICIT);
    }
    cell_rows(cell, factor);
    fflush(stdout);
}

static bool run_row(const Row *row, size_t size, const Options *o) {
    size_t live = worker_live(row->workload, size);
    for (size_t i = 0; i < FACTORS && live != 0; i++) {
        double factor = o->factor != 0 ? o->factor : o->quick ? 2 : factors[i];
        Cell cell = {.workload = row->workload,
                     .size = size,
                     .rounds = o->rounds,
                     .heap_bytes = (size_t)((double)live * factor),
                     .explicit_frees = row->explicit_frees};
        if (!cell_measure(&cell)) {
            return false;
        }
        print_cell(&cell, factor);
        if (o->factor != 0 || o->quick) {
            break;
        }
    }
    return live != 0;
}

/* --- the test --- */

/* One result: a side finds what Goo with one marker found. */
static bool test_side(int number, const Row *row, const char *side, unsigned markers,
                      const WorkerResult *wanted) {
    size_t live = worker_live(row->workload, row->quick_size);
    WorkerPlan plan = {.side = side,
                       .workload = row->workload,
                       .size = row->quick_size,
                       .heap_bytes = 4 * live + (1 << 20),
                       .markers = markers};
    WorkerResult result = worker_run(&plan);
    bool absent = result.end == WORKER_ABSENT;
    bool same = result.end == WORKER_DONE && wanted->end == WORKER_DONE &&
                result.checksum == wanted->checksum &&
                (strcmp(side, "malloc") == 0 || result.collections > 0);
    printf("%sok %d - bench_gc::%s_on_%s_with_%u_markers%s\n", same || absent ? "" : "not ", number,
           row->workload, side, markers, absent ? " # SKIP not built" : "");
    return same || absent;
}

/* Goo's heap is half as large again as what lives, so that it collects. */
static WorkerResult test_reference(const Row *row) {
    size_t live = worker_live(row->workload, row->quick_size);
    WorkerPlan plan = {.side = "goo",
                       .workload = row->workload,
                       .size = row->quick_size,
                       .heap_bytes = live + live / 2 + (1 << 20),
                       .markers = 1};
    return worker_run(&plan);
}

static int run_test(void) {
    int number = 0, planned = 0;
    bool good = true;
    for (size_t i = 0; i < ROWS; i++) {
        planned += rows[i].quick_size == 0 ? 0 : 3 + rows[i].explicit_frees;
    }
    printf("1..%d\n", planned);
    for (size_t i = 0; i < ROWS; i++) {
        const Row *row = &rows[i];
        if (row->quick_size == 0) {
            continue;
        }
        WorkerResult wanted = test_reference(row);
        good &= test_side(++number, row, "goo", 1, &wanted);
        good &= test_side(++number, row, "goo", 2, &wanted);
        good &= test_side(++number, row, "boehm", 1, &wanted);
        if (row->explicit_frees) {
            good &= test_side(++number, row, "malloc", 0, &wanted);
        }
    }
    return good ? 0 : 1;
}

int main(int argc, char **argv) {
    Options options;
    int status = 0;
    if (!options_parse(argc, argv, &options, &status)) {
        return status;
    }
    if (options.test) {
        return run_test();
    }
    bench_print_machine();
    print_head();
    bool some = false;
    for (size_t i = 0; i < ROWS; i++) {
        size_t size = row_size(&rows[i], &options);
        if (size != 0 && !run_row(&rows[i], size, &options)) {
            return 1;
        }
        some |= size != 0;
        bench_progress(i + 1, ROWS);
    }
    if (!some) {
        fprintf(stderr, "bench_gc: no such workload; see --help\n");
    }
    return some ? 0 : 64;
}
