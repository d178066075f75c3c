/* bench_gc: whole programs on the collected heap, beside Boehm's collector and explicit frees.
 *
 * Each program is written once (gc/NAME.c) over a few inline calls and compiled for each side; each
 * run is a process of its own, in a heap that is 1.5, 2, 3 or 5 times as large as what lives.
 * Objects are the same on all sides, without headers. Boehm is told the size of the heap, and the
 * others' heaps are fitted so that their processes take as much memory as Boehm's and no more.
 * Beside each stands the same program with explicit frees: what collection costs. Whippet takes
 * part where it was built (README.md).
 *
 *     trees 20   2.0   1     1.70 s   1.69 s   133 MB   49     3.41 s ...   0.50  0.49-0.52  met
 *
 * The verdict with one marking thread is by processor time, with more by the clock.
 */
#define _DEFAULT_SOURCE
#include "tests/bench/gc/cell.h"

#define TARGET_BOEHM 0.5
#define TARGET_BY_HAND 1.0
#define TARGET_NONE 0.0

/* `seconds`: what the workload takes on an idle machine, all heaps; for the time left. */
typedef struct Row {
    const char *workload;
    size_t size, quick_size, test_size; /* 0: the row is left out */
    unsigned seconds;
    double by_hand; /* the target beside explicit frees */
} Row;

/* Full sizes with which a run takes tenths of a second to seconds. */
static const Row rows[] = {
    {"trees", 16, 15, 14, 14, TARGET_BY_HAND},
    {"trees", 18, 0, 0, 65, TARGET_BY_HAND},
    {"trees", 20, 0, 0, 330, TARGET_BY_HAND},
    {"gcbench", 18, 16, 13, 16, TARGET_NONE},
    {"quads", 10, 8, 6, 30, TARGET_NONE},
    {"splay", 8000, 2000, 500, 35, TARGET_NONE},
    {"lists", 400000, 50000, 4000, 18, TARGET_NONE},
    {"arrays", 72, 27, 12, 11, TARGET_NONE},
    {"stack", 10000, 3000, 300, 11, TARGET_NONE},
    {"deeplist", 2000000, 200000, 20000, 18, TARGET_NONE},
    {"strings", 50000, 10000, 2000, 36, TARGET_NONE},
    {"ephemerons", 50000, 10000, 4000, 24, TARGET_NONE},
    {"bomb", 150000, 40000, 30000, 30, TARGET_NONE},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static const double factors[] = {1.5, 2, 3, 5};
enum { FACTORS = sizeof factors / sizeof factors[0], QUICK_ROUNDS = 3 };
#define FACTOR_USUAL 2.0 /* where the default number of markers is measured as well */

typedef struct Options {
    bool quick, test;
    const char *only;
    double factor;   /* 0: all */
    size_t size;     /* 0: all */
    unsigned rounds; /* 0: not said */
} Options;

static const char usage[] =
    "usage: bench_gc [--quick] [--rounds N] [--factor F] [--size N] [WORKLOAD]\n"
    "Whole programs on the collected heap, beside Boehm's collector in as large a heap, and "
    "beside\n"
    "explicit frees on mimalloc. Whippet takes part where it was built: tests/bench/README.md.\n"
    "  trees N       binary trees of depth N, nodes of 16 bytes (Benchmarks Game)\n"
    "  gcbench N     GCBench, nodes of 32 bytes\n"
    "  quads N       a quad-tree of depth N whose branches are replaced\n"
    "  splay N       a splay tree of N keys with payloads (Octane)\n"
    "  lists N       queues of N nodes that come and go, some of them long\n"
    "  arrays N      N arrays of references, 4 KiB to 1 MiB, that grow, come and go\n"
    "  stack N       N frames that hold what lives, scanned conservatively\n"
    "  deeplist N    one list of N nodes that stays\n"
    "  strings N     string interning: lines by concatenation, a table of the last N\n"
    "  ephemerons N  a table of facts about N living keys (Boehm: disappearing links)\n"
    "  bomb N        4 N small objects that own 880 bytes each, over N nodes of 64 bytes\n"
    "Options:\n"
    "  --quick       smaller, three rounds, heaps of twice what lives: a look, not a figure\n"
    "  --rounds N    5 if not said; each side runs once in a round\n"
    "  --factor F    only heaps F times as large as what lives\n"
    "  --size N      only, or another, size of the workload that is named\n"
    "  --test        whether all sides find the same, small and untimed; prints TAP\n";

/* --- options --- */

/* False: leave with *out_status. */
static bool options_parse(int argc, char **argv, Options *o, int *out_status) {
    *o = (Options){.rounds = 0};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(word, "--quick") == 0) {
            o->quick = true;
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
    return o->quick ? row->quick_size : row->size;
}

/* --- the table --- */

static const char *end_text(WorkerEnd end) {
    switch (end) {
    case WORKER_EXHAUSTED:
        return "no memory";
    case WORKER_ABSENT:
        return "not there";
    case WORKER_FAILED:
        return "failed";
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

/* Ratios, and whether ours is at most `target` of the other's time, by the clock or by processor
 * time. */
static void print_verdict(const Cell *cell, CellSide ours, CellSide other, bool by_clock,
                          double target) {
    if (!cell_has(cell, ours) || !cell_has(cell, other)) {
        bool alone = cell_has(cell, ours) && cell->last[other].end == WORKER_EXHAUSTED &&
                     target != TARGET_NONE;
        printf("  %s\n", alone ? "met: runs alone" : "");
        return;
    }
    BenchSpread wall = cell_ratio(cell->wall[ours], cell->wall[other], cell->rounds);
    BenchSpread cpu = cell_ratio(cell->cpu[ours], cell->cpu[other], cell->rounds);
    double ratio = by_clock ? wall.median : cpu.median;
    bool no_more = cell->peak[ours] <= cell->peak[other] || target != TARGET_BOEHM;
    const char *verdict = target == TARGET_NONE ? "" : ratio <= target ? "met" : "SHORT";
    printf("  %5.2f %4.2f-%4.2f  %5.2f %4.2f-%4.2f  %s%s\n", wall.median, wall.least, wall.most,
           cpu.median, cpu.least, cpu.most, verdict, no_more ? "" : ", MORE MEMORY");
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

static void print_beside(const Cell *cell, const char *name, CellSide ours, CellSide other,
                         double target) {
    char beside[48];
    snprintf(beside, sizeof beside, "  beside %s", name);
    printf("%-30s", beside);
    print_side(cell, ours);
    print_side(cell, other);
    print_verdict(cell, ours, other, ours == CELL_GOO_MORE, target);
}

static void print_cell(const Cell *cell, const Row *row, double factor) {
    print_pair(cell, factor, CELL_GOO, CELL_BOEHM, "1");
    if (cell->last[CELL_WHIPPET].end != WORKER_ABSENT) {
        print_beside(cell, "Whippet", CELL_GOO, CELL_WHIPPET, TARGET_NONE);
    }
    print_beside(cell, cell_hand_name(cell), CELL_GOO, CELL_BY_HAND, row->by_hand);
    if (cell->more_markers) {
        print_pair(cell, factor, CELL_GOO_MORE, CELL_BOEHM_MORE, "default");
    }
    if (cell->last[CELL_WHIPPET_MORE].end != WORKER_ABSENT) {
        print_beside(cell, "Whippet", CELL_GOO_MORE, CELL_WHIPPET_MORE, TARGET_NONE);
    }
    cell_rows(cell, factor);
    fflush(stdout);
}

/* The heaps of a row, from `first` on; how many. */
static size_t row_factors(const Options *o, const double **out_first) {
    static const double usual[] = {FACTOR_USUAL};
    *out_first = o->factor != 0 ? &o->factor : o->quick ? usual : factors;
    return o->factor != 0 || o->quick ? 1 : FACTORS;
}

/* `done` and `of` are seconds by the table. False: the benchmark ends. */
static bool run_row(const Row *row, size_t size, const Options *o, size_t done, size_t of,
                    bool *out_failed) {
    const double *heaps;
    size_t live = worker_live(row->workload, size), count = row_factors(o, &heaps);
    if (live == 0) {
        fprintf(stderr, "bench_gc: %s %zu on side goo failed\n", row->workload, size);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        Cell cell = {.workload = row->workload,
                     .size = size,
                     .rounds = o->rounds != 0 ? o->rounds
                               : o->quick     ? QUICK_ROUNDS
                                              : CELL_ROUNDS,
                     .heap_bytes = (size_t)((double)live * heaps[i]),
                     .more_markers = o->factor != 0 || heaps[i] == FACTOR_USUAL};
        if (!cell_measure(&cell, out_failed)) {
            return false;
        }
        print_cell(&cell, row, heaps[i]);
        bench_progress(done + row->seconds * (i + 1) / count, of);
    }
    return true;
}

/* --- the test --- */

/* One result: a side finds what Goo with one marker found. */
static bool test_side(int number, const Row *row, const char *side, unsigned markers,
                      const WorkerResult *wanted) {
    size_t live = worker_live(row->workload, row->test_size);
    size_t room = strcmp(side, "whippet") == 0 ? 8 : 4; /* it runs out of less now and then */
    WorkerPlan plan = {.side = side,
                       .workload = row->workload,
                       .size = row->test_size,
                       .heap_bytes = room * live + (1 << 20),
                       .markers = markers};
    WorkerResult result = worker_run(&plan);
    bool absent = result.end == WORKER_ABSENT;
    bool same =
        result.end == WORKER_DONE && wanted->end == WORKER_DONE &&
        result.checksum == wanted->checksum &&
        (result.collections > 0 || strcmp(side, "malloc") == 0 || strcmp(side, "whippet") == 0);
    printf("%sok %d - bench_gc::%s_on_%s_with_%u_markers%s\n", same || absent ? "" : "not ", number,
           row->workload, side, markers, absent ? " # SKIP not built" : "");
    return same || absent;
}

/* Goo's heap is half as large again as what lives, so that it collects. */
static WorkerResult test_reference(const Row *row) {
    size_t live = worker_live(row->workload, row->test_size);
    WorkerPlan plan = {.side = "goo",
                       .workload = row->workload,
                       .size = row->test_size,
                       .heap_bytes = live + live / 2 + (1 << 20),
                       .markers = 1};
    return worker_run(&plan);
}

static int run_test(void) {
    int number = 0, planned = 0;
    bool good = true;
    for (size_t i = 0; i < ROWS; i++) {
        planned += rows[i].test_size == 0 ? 0 : 5;
    }
    printf("1..%d\n", planned);
    for (size_t i = 0; i < ROWS; i++) {
        const Row *row = &rows[i];
        if (row->test_size == 0) {
            continue;
        }
        WorkerResult wanted = test_reference(row);
        good &= test_side(++number, row, "goo", 1, &wanted);
        good &= test_side(++number, row, "goo", 2, &wanted);
        good &= test_side(++number, row, "boehm", 1, &wanted);
        good &= test_side(++number, row, "malloc", 0, &wanted);
        good &= test_side(++number, row, "whippet", 1, &wanted);
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
    size_t done = 0, of = 0;
    bool failed = false;
    for (size_t i = 0; i < ROWS; i++) {
        of += row_size(&rows[i], &options) != 0 ? rows[i].seconds : 0;
    }
    for (size_t i = 0; i < ROWS; i++) {
        size_t size = row_size(&rows[i], &options);
        if (size != 0 && !run_row(&rows[i], size, &options, done, of, &failed)) {
            return 1;
        }
        done += size != 0 ? rows[i].seconds : 0;
    }
    if (of == 0) {
        fprintf(stderr, "bench_gc: no such workload; see --help\n");
    }
    return of == 0 ? 64 : failed ? 1 : 0;
}
