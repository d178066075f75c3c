/* One cell of the table of `bench gc`: a workload in a heap of one size, on every side, with one
 * marking thread and, where that is asked for, with the default number of them.
 */
#ifndef GOO_TESTS_BENCH_GC_CELL_H
#define GOO_TESTS_BENCH_GC_CELL_H

#include "tests/bench/bench.h"
#include "tests/bench/gc/worker.h"

typedef enum CellSide {
    CELL_GOO, /* one marking thread */
    CELL_BOEHM,
    CELL_GOO_MORE, /* the default number of marking threads */
    CELL_BOEHM_MORE,
    CELL_BY_HAND, /* explicit frees: on mimalloc, or the C library's malloc where it is not there */
    CELL_WHIPPET, /* one marking thread */
    CELL_WHIPPET_MORE,
    CELL_SIDES
} CellSide;

enum { CELL_ROUNDS = 5, CELL_ROUNDS_MAX = 31 };

typedef struct Cell {
    const char *workload;
    size_t size, heap_bytes;
    bool more_markers; /* the default number of them as well */
    unsigned rounds;
    /* What was found. */
    WorkerResult last[CELL_SIDES]; /* of the warm-up, or where that failed */
    double wall[CELL_SIDES][CELL_ROUNDS_MAX], cpu[CELL_SIDES][CELL_ROUNDS_MAX];
    double peak[CELL_SIDES]; /* the largest of all rounds */
} Cell;

/* A round of warm-up, in which Goo's heap is made to fit: its process takes as much memory as
 * Boehm's, and no more; then the rounds. False: sides differ in their checksums, or Goo crashed.
 * Where another side crashed, its row says that it failed, and `*out_failed` becomes true. */
bool cell_measure(Cell *cell, bool *out_failed);

bool cell_has(const Cell *cell, CellSide side);
/* What frees by hand, for people. */
const char *cell_hand_name(const Cell *cell);
double cell_median(const double *samples, unsigned rounds);
/* Of the rounds' ratios of two sides. */
BenchSpread cell_ratio(const double *a, const double *b, unsigned rounds);

/* The same for a program to read (bench.h): a row for each side. */
void cell_rows(const Cell *cell, double factor);

#endif
