/* bench_alloc: what explicit allocation costs, beside libc and the peers that are installed.
 *
 * A workload (alloc/way.h) is a table: a row for each malloc and for each of Goo's ways. Each
 * malloc and Goo run in processes of their own (alloc/process.h), started afresh for every
 * workload and after every three rounds, so that the luck of where things lie in memory is part of
 * the spread. A round asks every row for a sample, one after the other and beginning with another
 * one each time, so that a slow spell of the machine meets all of them.
 *
 *     median        ns per operation, over the rounds; least and most beside it
 *     x libc        median over the rounds of this row's sample by the first row's of that round
 *     asked         what the row should reach, and whether it does; differences and ratios are
 *                   also taken within each round, and then their median
 *
 * Threads: one here; the processes as their workload says.
 */
#define _GNU_SOURCE
#include "tests/bench/alloc/process.h"
#include "tests/bench/bench.h"

#include <signal.h>

enum {
    ROUNDS_MAX = 15,
    ROUNDS_QUICK = 3,
    ROUNDS_OF_PROCESS = 3,
    ROWS_MAX = 32,
    PROCESSES_MAX = 12,
    PRELOADS_MAX = 10
};

static const Workload *const workloads[] = {&workload_bump,   &workload_pair,    &workload_batch,
                                            &workload_random, &workload_grow,    &workload_threads,
                                            &workload_phases, &workload_bundle,  &workload_churn,
                                            &workload_trees};

/* --- allocators that several workloads open --- */

GooAllocator *open_system(void) {
    return goo_system_allocator_create();
}

GooAllocator *open_debug(void) {
    return goo_debug_allocator_create(NULL, NULL);
}

GooAllocator *open_debug_sampled(void) {
    GooDebugOptions options = {.sample_every = 100};
    return goo_debug_allocator_create(NULL, &options);
}

/* --- rows --- */

typedef struct Row {
    char name[64];
    Process *process;
    size_t way;
    const Target *target;
    double samples[ROUNDS_MAX];
} Row;

typedef struct Table {
    Process processes[PROCESSES_MAX];
    size_t process_count;
    Row rows[ROWS_MAX];
    size_t row_count;
    size_t rounds;
} Table;

static const char *preloads[PRELOADS_MAX] = {"libmimalloc.so.2", "libjemalloc.so.2",
                                             "libtcmalloc_minimal.so.4"};
static size_t preload_count = 3;

/* Starts the processes of a workload; absent peers have none. */
static void table_start(Table *table, const Workload *workload) {
    Process *next = table->processes;
    next += process_start(next, NULL, WAY_MALLOC, workload->name);
    for (size_t i = 0; i < preload_count; i++) {
        next += process_start(next, preloads[i], WAY_MALLOC, workload->name);
    }
    next += process_start(next, NULL, WAY_GOO, workload->name);
    table->process_count = (size_t)(next - table->processes);
}

static void table_end(Table *table) {
    for (size_t i = 0; i < table->process_count; i++) {
        process_end(&table->processes[i]);
    }
}

/* A row for each way and process that belong together. */
static void table_lay_out(Table *table, const Workload *workload) {
    table->row_count = 0;
    for (size_t w = 0; w < workload->way_count; w++) {
        const Way *way = &workload->ways[w];
        for (size_t p = 0; p < table->process_count && table->row_count < ROWS_MAX; p++) {
            Process *process = &table->processes[p];
            if (process->side == way->side) {
                Row *row = &table->rows[table->row_count++];
                *row = (Row){.process = process, .way = w, .target = &way->target};
                snprintf(row->name, sizeof row->name, "%s",
                         way->name != NULL ? way->name : process->name);
            }
        }
    }
}

static bool table_sample(Table *table, size_t index, double *out) {
    const Row *row = &table->rows[index];
    *out = process_ask(row->process, row->way);
    if (!(*out >= 0)) {
        fprintf(stderr, "bench_alloc: %s: its process failed\n", row->name);
    }
    return *out >= 0;
}

/* Rounds from `first` to below `end`, with the processes that run now. */
static bool table_measure(Table *table, size_t first, size_t end) {
    double warm;
    for (size_t i = 0; i < table->row_count; i++) {
        if (!table_sample(table, i, &warm)) { /* calibrates */
            return false;
        }
    }
    for (size_t round = first; round < end; round++) {
        for (size_t i = 0; i < table->row_count; i++) {
            size_t index = (i + round) % table->row_count;
            if (!table_sample(table, index, &table->rows[index].samples[round])) {
                return false;
            }
        }
    }
    return true;
}

/* --- the report --- */

static const Row *table_row(const Table *table, const char *name) {
    if (strcmp(name, WAY_LIBC) == 0) {
        return &table->rows[0];
    }
    for (size_t i = 0; i < table->row_count; i++) {
        if (strcmp(table->rows[i].name, name) == 0) {
            return &table->rows[i];
        }
    }
    return NULL;
}

static BenchSpread row_spread(const Row *row, size_t rounds) {
    double samples[ROUNDS_MAX];
    memcpy(samples, row->samples, rounds * sizeof *samples);
    return bench_spread(samples, rounds);
}

/* The median over the rounds of row / than, or of row - than. */
static double row_against(const Row *row, const Row *than, size_t rounds, bool as_ratio) {
    double samples[ROUNDS_MAX];
    for (size_t i = 0; i < rounds; i++) {
        samples[i] =
            as_ratio ? row->samples[i] / than->samples[i] : row->samples[i] - than->samples[i];
    }
    return bench_spread(samples, rounds).median;
}

/* What a row should reach and what it does, in words; NULL: nothing was asked of it. */
static const char *report_target(const Table *table, const Row *row, double median, char *text,
                                 size_t room) {
    const Target *target = row->target;
    const Row *than = target->kind == TARGET_NONE ? NULL : table_row(table, target->than);
    text[0] = '\0';
    if (than == NULL) {
        return NULL;
    }
    double ratio = row_against(row, than, table->rounds, true);
    double above = row_against(row, than, table->rounds, false);
    bool met = false;
    if (target->kind == TARGET_SCALED) {
        double here = row_spread(than, table->rounds).median;
        met = median <= target->limit || ratio <= target->limit / target->issued;
        snprintf(text, room, "%.2f ns where %s takes %.2f: %.2f here; ", target->limit, than->name,
                 target->issued, target->limit / target->issued * here);
    } else if (target->kind == TARGET_ABOVE) {
        met = above <= target->limit;
        snprintf(text, room, "%s + %.1f ns: + %.2f; ", than->name, target->limit, above);
    } else {
        met = ratio <= target->limit;
        snprintf(text, room, "%.2f x %s: %.2f; ", target->limit, than->name, ratio);
    }
    return met ? "met" : "SHORT";
}

/* The same for a program to read. */
static void report_row(const Table *table, const Workload *workload, const Row *row,
                       const char *verdict) {
    const Row *libc = &table->rows[0];
    double ratios[ROUNDS_MAX];
    for (size_t i = 0; i < table->rounds; i++) {
        ratios[i] = row->samples[i] / libc->samples[i];
    }
    bool of_malloc = workload->ways[row->way].side == WAY_MALLOC;
    bool bare = strncmp(row->name, "bare", 4) == 0;
    bench_row(&(BenchRow){.workload = workload->name,
                          .subject = row->name,
                          .unit = "ns",
                          .role = of_malloc ? BENCH_PEER : bare ? BENCH_BARE : BENCH_GOO,
                          .value = row_spread(row, table->rounds),
                          .rounds = table->rounds,
                          .than = libc->name,
                          .ratio = bench_spread(ratios, table->rounds),
                          .verdict = verdict});
}

static void report(const Table *table, const Workload *workload) {
    printf("\n%s: %s\n  %-28s %8s  %17s  %7s  %s\n", workload->name, workload->what, "", "median",
           "least - most", "x libc", "asked");
    for (size_t i = 0; i < table->row_count; i++) {
        const Row *row = &table->rows[i];
        BenchSpread s = row_spread(row, table->rounds);
        printf("  %-28s %8.2f  %8.2f-%-8.2f  %7.2f", row->name, s.median, s.least, s.most,
               row_against(row, &table->rows[0], table->rounds, true));
        char asked[160];
        const char *verdict = report_target(table, row, s.median, asked, sizeof asked);
        printf("  %s%s\n", asked, verdict != NULL ? verdict : "");
        report_row(table, workload, row, verdict);
    }
    fflush(stdout);
}

/* Which library each name stands for, and which libraries are absent. */
static void report_processes(void) {
    Process process;
    if (process_start(&process, NULL, WAY_MALLOC, workloads[0]->name)) {
        printf("%s: %s\n", process.name, process.path);
        process_end(&process);
    }
    for (size_t i = 0; i < preload_count; i++) {
        if (process_start(&process, preloads[i], WAY_MALLOC, workloads[0]->name)) {
            printf("%s: %s\n", process.name, process.path);
            process_end(&process);
        } else {
            printf("absent: %s can't be preloaded\n", preloads[i]);
        }
    }
}

static bool run_workload(const Workload *workload, size_t rounds) {
    static Table table;
    bool good = true;
    table.rounds = rounds;
    table.row_count = 0;
    for (size_t first = 0; first < rounds && good; first += ROUNDS_OF_PROCESS) {
        size_t end = first + ROUNDS_OF_PROCESS < rounds ? first + ROUNDS_OF_PROCESS : rounds;
        table_start(&table, workload);
        if (first == 0) {
            table_lay_out(&table, workload);
        }
        good = table.row_count > 0 && table_measure(&table, first, end);
        table_end(&table);
    }
    if (good) {
        report(&table, workload);
    }
    return good;
}

/* --- the command line --- */

static void usage(FILE *to) {
    fprintf(to, "usage: bench_alloc [--quick] [--peer FILE]... [WORKLOAD]...\n"
                "Explicit allocation beside libc, mimalloc, jemalloc and tcmalloc.\n"
                "  --quick      few rounds: a look, not a figure\n"
                "  --peer FILE  another allocator's library to compare with, such as a newer\n"
                "               build; also those in GOO_BENCH_PEERS, separated by ':'\n"
                "Workloads, all if none is named:\n");
    for (size_t i = 0; i < COUNT_OF(workloads); i++) {
        fprintf(to, "  %-10s %s\n", workloads[i]->name, workloads[i]->what);
    }
}

static const Workload *workload_named(const char *name) {
    for (size_t i = 0; i < COUNT_OF(workloads); i++) {
        if (strcmp(workloads[i]->name, name) == 0) {
            return workloads[i];
        }
    }
    return NULL;
}

static bool add_peer(const char *path) {
    if (preload_count == PRELOADS_MAX) {
        return false;
    }
    preloads[preload_count++] = path;
    return true;
}

static void add_peers_of_environment(void) {
    const char *paths = getenv("GOO_BENCH_PEERS");
    char *copy = paths == NULL ? NULL : strdup(paths); /* names live as long as the program */
    for (char *path = copy == NULL ? NULL : strtok(copy, ":"); path != NULL;
         path = strtok(NULL, ":")) {
        add_peer(path);
    }
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--serve") == 0 && workload_named(argv[2]) != NULL) {
        return process_serve(workload_named(argv[2]));
    }
    const Workload *chosen[COUNT_OF(workloads)];
    size_t chosen_count = 0, rounds = ROUNDS_MAX;
    add_peers_of_environment();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            return 0;
        } else if (strcmp(argv[i], "--quick") == 0) {
            rounds = ROUNDS_QUICK;
        } else if (strcmp(argv[i], "--peer") == 0 && i + 1 < argc && add_peer(argv[i + 1])) {
            i++;
        } else if (workload_named(argv[i]) != NULL && chosen_count < COUNT_OF(chosen)) {
            chosen[chosen_count++] = workload_named(argv[i]);
        } else {
            usage(stderr);
            return 64;
        }
    }
    if (chosen_count == 0) {
        memcpy(chosen, workloads, sizeof workloads);
        chosen_count = COUNT_OF(workloads);
    }
    signal(SIGPIPE, SIG_IGN); /* a process that died is an answer that fails */
    bench_print_machine();
    report_processes();
    int status = 0;
    for (size_t i = 0; i < chosen_count; i++) {
        status |= !run_workload(chosen[i], rounds);
        bench_progress(i + 1, chosen_count);
    }
    return status;
}
