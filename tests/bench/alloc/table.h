/* A table of bench_alloc: one size of a workload, a row for each malloc and each of Goo's ways, and
 * what every row answered in every round. table.c measures it, report.c prints it, check.c tests
 * the rows of all of them.
 *
 * Threads: one.
 */
#ifndef GOO_TESTS_BENCH_ALLOC_TABLE_H
#define GOO_TESTS_BENCH_ALLOC_TABLE_H

#include "tests/bench/alloc/process.h"
#include "tests/bench/bench.h"

enum { ROUNDS_MAX = 15, ROWS_MAX = 32, PROCESSES_MAX = 28, PRELOADS_MAX = 10 };

typedef struct Row {
    char name[64];
    size_t place; /* of its process */
    size_t way;
    double samples[FIGURES_MAX][ROUNDS_MAX];
} Row;

/* A process that runs now, or the means to start one: for the rows of a malloc, or for one of
 * Goo's. */
typedef struct Place {
    const char *preload;
    WaySide side;
    size_t way; /* the only one; of a malloc it does not count */
    Process process;
} Place;

typedef struct Table {
    ProcessJob job;
    const Figure *figures;
    size_t figure_count;
    Place places[PROCESSES_MAX];
    size_t place_count;
    Row rows[ROWS_MAX];
    size_t row_count;
    size_t rounds;
    const char *failed; /* the library of the peer that failed; NULL: none, or another's process */
} Table;

/* The peers' libraries, in the order of the rows. */
typedef struct Preloads {
    const char *paths[PRELOADS_MAX];
    size_t count;
} Preloads;

/* All rounds of a table, whose job and rounds are set. False: some process failed, which was
 * said. */
bool table_run(Table *table, const Preloads *preloads);

/* `bench_alloc --test` (check.c): all workloads in small, as TAP; the program's exit status. */
int check_workloads(const Workload *const *workloads, size_t count, const Preloads *preloads);

/* Prints it, and its rows for a program to read. */
void table_report(const Table *table);

#endif
