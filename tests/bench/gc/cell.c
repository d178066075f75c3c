/* Measuring a cell: sides take turns within a round, and begin with another one each time.
 *
 * As much memory: both sides are told the same heap size first, but what a process takes is the
 * kernel's word. In the warm-up Goo's heap is made larger or smaller until its process takes one
 * per cent less than Boehm's, each with its tables and whatever else it has.
 */
#define _DEFAULT_SOURCE
#include "tests/bench/gc/cell.h"

#include <sys/mman.h>

enum { FITS_MAX = 5 };
#define CELL_MARGIN 100 /* one part in so many: a run is not like another to the page */

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

/* Makes Goo's heap larger once, and smaller as often as is needed, so that its process takes as
 * much as the other one and no more. */
static bool cell_fit(Cell *cell, CellSide goo, CellSide boehm, size_t *heap_bytes) {
    for (int i = 0; i < FITS_MAX && cell_has(cell, goo) && cell_has(cell, boehm); i++) {
        double margin = cell->peak[boehm] / CELL_MARGIN;
        double room = cell->peak[boehm] - margin - cell->peak[goo];
        if (room >= 0 && (i > 0 || room < margin)) {
            break;
        }
        *heap_bytes = (size_t)((double)*heap_bytes + room);
        cell->peak[goo] = 0;
        WorkerResult result = cell_run(cell, goo, *heap_bytes);
        if (!cell_note(cell, goo, &result)) {
            return false;
        }
    }
    return true;
}

/* Takes memory and gives it back, so that what the next process takes is memory that was in use a
 * moment ago. On virtual machines whose host takes back what is free, the first use of a page costs
 * ten times as much, and whoever ran after a pause paid it for all. */
static void cell_warm_memory(size_t bytes) {
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return;
    }
#ifdef MADV_HUGEPAGE
    madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    for (size_t i = 0; i < bytes; i += 4096) {
        memory[i] = 1;
    }
    munmap(memory, bytes);
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
    if (!cell_fit(cell, CELL_GOO, CELL_BOEHM, &heap[CELL_GOO]) ||
        !cell_fit(cell, CELL_GOO_MORE, CELL_BOEHM_MORE, &heap[CELL_GOO_MORE])) {
        return false;
    }
    for (unsigned round = 0; round < cell->rounds; round++) {
        for (unsigned turn = 0; turn < CELL_SIDES; turn++) {
            CellSide side = (CellSide)((round + turn) % CELL_SIDES);
            if (!cell_has(cell, side)) {
                continue;
            }
            cell_warm_memory(heap[side] + heap[side] / 4);
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
