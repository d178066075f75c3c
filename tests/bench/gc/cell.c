/* Measuring a cell: sides take turns within a round, and begin with another one each time.
 *
 * No more memory: both sides are told the same heap size, but what a process takes is the kernel's
 * word. Where Goo's took more than Boehm's its heap is made smaller by as much, until it does not.
 */
#include "tests/bench/gc/cell.h"

enum { SQUEEZES_MAX = 4 };
#define CELL_SQUEEZE_MORE 65536 /* beyond the difference: a run is not like another to the page */

static const char *const side_names[CELL_SIDES] = {"goo", "boehm", "goo", "boehm", "malloc"};

static WorkerResult cell_run(const Cell *cell, CellSide side, size_t heap_bytes) {
    WorkerPlan plan = {
        .side = side_names[side],
        .preload = side == CELL_MIMALLOC ? "libmimalloc.so.2" : NULL,
        .workload = cell->workload,
        .size = cell->size,
        .heap_bytes = heap_bytes,
        .markers = side == CELL_GOO_MORE || side == CELL_BOEHM_MORE ? 0 : 1,
    };
    if (side == CELL_MIMALLOC && !cell->explicit_frees) {
        return (WorkerResult){.end = WORKER_ABSENT};
    }
    WorkerResult result = worker_run(&plan);
    if (side == CELL_MIMALLOC && strncmp(result.name, "mimalloc", 8) != 0) {
        result.end = WORKER_ABSENT; /* the library is not there */
    }
    return result;
}

bool cell_has(const Cell *cell, CellSide side) {
    return cell->last[side].end == WORKER_DONE;
}

static bool cell_note(Cell *cell, CellSide side, const WorkerResult *result) {
    if (result->end == WORKER_FAILED) {
        fprintf(stderr, "bench_gc: %s %zu on side %s failed\n", cell->workload, cell->size,
                side_names[side]);
        return false;
    }
    cell->last[side] = *result;
    if (result->end == WORKER_DONE && result->checksum != cell->last[CELL_GOO].checksum &&
        cell_has(cell, CELL_GOO)) {
        fprintf(stderr, "bench_gc: %s %zu: side %s found something else\n", cell->workload,
                cell->size, side_names[side]);
        return false;
    }
    if (result->peak_bytes > cell->peak[side]) {
        cell->peak[side] = result->peak_bytes;
    }
    return true;
}

/* Makes Goo's heap so small that its process takes no more than the other one. */
static bool cell_squeeze(Cell *cell, CellSide goo, CellSide boehm, size_t *heap_bytes) {
    for (int i = 0; i < SQUEEZES_MAX && cell_has(cell, goo) && cell_has(cell, boehm) &&
                    cell->peak[goo] > cell->peak[boehm];
         i++) {
        *heap_bytes -= (size_t)(cell->peak[goo] - cell->peak[boehm]) + CELL_SQUEEZE_MORE;
        cell->peak[goo] = 0;
        WorkerResult result = cell_run(cell, goo, *heap_bytes);
        if (!cell_note(cell, goo, &result)) {
            return false;
        }
    }
    return true;
}

bool cell_measure(Cell *cell) {
    size_t heap[CELL_SIDES];
    for (CellSide side = 0; side < CELL_SIDES; side++) {
        heap[side] = cell->heap_bytes;
        WorkerResult result = cell_run(cell, side, heap[side]);
        if (!cell_note(cell, side, &result)) {
            return false;
        }
    }
    if (!cell_squeeze(cell, CELL_GOO, CELL_BOEHM, &heap[CELL_GOO]) ||
        !cell_squeeze(cell, CELL_GOO_MORE, CELL_BOEHM_MORE, &heap[CELL_GOO_MORE])) {
        return false;
    }
    for (unsigned round = 0; round < cell->rounds; round++) {
        for (unsigned turn = 0; turn < CELL_SIDES; turn++) {
            CellSide side = (CellSide)((round + turn) % CELL_SIDES);
            if (!cell_has(cell, side)) {
                continue;
            }
            WorkerResult result = cell_run(cell, side, heap[side]);
            if (!cell_note(cell, side, &result)) {
                return false;
            }
            cell->wall[side][round] = result.wall_ns;
            cell->cpu[side][round] = result.cpu_ns;
        }
    }
    return true;
}

double cell_median(const double *samples, unsigned rounds) {
    double copy[CELL_ROUNDS_MAX];
    memcpy(copy, samples, rounds * sizeof *copy);
    return bench_spread(copy, rounds).median;
}

BenchSpread cell_ratio(const double *a, const double *b, unsigned rounds) {
    double ratios[CELL_ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++) {
        ratios[i] = a[i] / b[i];
    }
    return bench_spread(ratios, rounds);
}
