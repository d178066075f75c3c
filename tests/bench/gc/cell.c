/* Measuring a cell: sides take turns within a round, and begin with another one each time.
 *
 * As much memory: all sides are told the same heap size first, but what a process takes is the
 * kernel's word. In the warm-up Goo's heap, and Whippet's, is made larger or smaller until its
 * process takes one per cent less than Boehm's, each with its tables and whatever else it has.
 */
#define _DEFAULT_SOURCE
#include "tests/bench/gc/cell.h"

#include <sys/mman.h>

enum { FITS_MAX = 5, FITS_UP_MAX = 2 };
#define CELL_MARGIN 100 /* one part in so many: a run is not like another to the page */

/* A side's program; the side in whose heap it begins, and whose memory it is to take: itself is
 * nobody's. */
typedef struct SideFacts {
    const char *name;
    bool more_markers;
    CellSide begins_as, takes_as;
} SideFacts;

static const SideFacts sides[CELL_SIDES] = {
    [CELL_GOO] = {"goo", false, CELL_GOO, CELL_BOEHM},
    [CELL_BOEHM] = {"boehm", false, CELL_BOEHM, CELL_BOEHM},
    [CELL_GOO_MORE] = {"goo", true, CELL_GOO, CELL_BOEHM_MORE},
    [CELL_BOEHM_MORE] = {"boehm", true, CELL_BOEHM_MORE, CELL_BOEHM_MORE},
    [CELL_BY_HAND] = {"malloc", false, CELL_BY_HAND, CELL_BY_HAND},
    [CELL_WHIPPET] = {"whippet", false, CELL_WHIPPET, CELL_BOEHM},
    [CELL_WHIPPET_MORE] = {"whippet", true, CELL_WHIPPET, CELL_BOEHM_MORE},
};

static WorkerResult cell_run(const Cell *cell, CellSide side, size_t heap_bytes) {
    WorkerPlan plan = {
        .side = sides[side].name,
        .preload = side == CELL_BY_HAND ? "libmimalloc.so.2" : NULL,
        .workload = cell->workload,
        .size = cell->size,
        .heap_bytes = heap_bytes,
        .markers = sides[side].more_markers ? 0 : 1,
    };
    if (sides[side].more_markers && !cell->more_markers) {
        return (WorkerResult){.end = WORKER_ABSENT};
    }
    return worker_run(&plan);
}

bool cell_has(const Cell *cell, CellSide side) {
    return cell->last[side].end == WORKER_DONE;
}

const char *cell_hand_name(const Cell *cell) {
    const char *name = cell->last[CELL_BY_HAND].name;
    return strcmp(name, "malloc") == 0 ? "the C library" : name;
}

/* False: the benchmark ends. That another side failed is not ours to mend: its row says so. */
static bool cell_note(Cell *cell, CellSide side, const WorkerResult *result) {
    cell->last[side] = *result;
    if (result->end == WORKER_FAILED) {
        fprintf(stderr, "bench_gc: %s %zu on side %s failed\n", cell->workload, cell->size,
                sides[side].name);
        return strcmp(sides[side].name, "goo") != 0;
    }
    if (result->end == WORKER_DONE && result->checksum != cell->last[CELL_GOO].checksum &&
        cell_has(cell, CELL_GOO)) {
        fprintf(stderr, "bench_gc: %s %zu: side %s found something else\n", cell->workload,
                cell->size, sides[side].name);
        return false;
    }
    if (result->peak_bytes > cell->peak[side]) {
        cell->peak[side] = result->peak_bytes;
    }
    return true;
}

/* Runs a side in a heap of another size. Where that is too small the heap stays as it was. */
static bool cell_refit(Cell *cell, CellSide side, double bytes, size_t *heap_bytes) {
    WorkerResult result = cell_run(cell, side, (size_t)bytes);
    if (result.end == WORKER_EXHAUSTED) {
        return true;
    }
    *heap_bytes = (size_t)bytes;
    cell->peak[side] = 0;
    return cell_note(cell, side, &result);
}

/* Makes a side's heap larger a few times, and smaller as often as is needed, so that its process
 * takes as much as the other one, to three per cent, and no more. One that takes less than the
 * heap it was told, because it collects for other reasons, does not make that heap smaller. */
static bool cell_fit(Cell *cell, CellSide side, CellSide boehm, size_t *heap_bytes) {
    for (int i = 0; i < FITS_MAX && cell_has(cell, side) && cell_has(cell, boehm); i++) {
        double told = (double)cell->heap_bytes, theirs = cell->peak[boehm];
        double most = theirs > told ? theirs : told, margin = most / CELL_MARGIN;
        double room = most - margin - cell->peak[side];
        double bytes = (double)*heap_bytes + room;
        if ((room >= 0 && (i >= FITS_UP_MAX || room < 2 * margin)) || bytes < margin) {
            break;
        }
        if (!cell_refit(cell, side, bytes, heap_bytes)) {
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

/* Runs each side once and fits its heap; the Boehm sides come before those that take as much as
 * they do. */
static bool cell_warm_up(Cell *cell, size_t *heap) {
    static const CellSide order[CELL_SIDES] = {CELL_GOO,         CELL_BOEHM,    CELL_BOEHM_MORE,
                                               CELL_BY_HAND,     CELL_GOO_MORE, CELL_WHIPPET,
                                               CELL_WHIPPET_MORE};
    for (size_t i = 0; i < CELL_SIDES; i++) {
        CellSide side = order[i], from = sides[side].begins_as;
        heap[side] = from == side ? cell->heap_bytes : heap[from];
        WorkerResult result = cell_run(cell, side, heap[side]);
        if (!cell_note(cell, side, &result)) {
            return false;
        }
        if (side == CELL_BOEHM && !cell_fit(cell, CELL_GOO, CELL_BOEHM, &heap[CELL_GOO])) {
            return false;
        }
        if (sides[side].takes_as != side && side != CELL_GOO &&
            !cell_fit(cell, side, sides[side].takes_as, &heap[side])) {
            return false;
        }
    }
    return true;
}

static bool cell_round(Cell *cell, unsigned round, const size_t *heap) {
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
    return true;
}

bool cell_measure(Cell *cell, bool *out_failed) {
    size_t heap[CELL_SIDES];
    if (!cell_warm_up(cell, heap)) {
        return false;
    }
    for (unsigned round = 0; round < cell->rounds; round++) {
        if (!cell_round(cell, round, heap)) {
            return false;
        }
    }
    for (CellSide side = 0; side < CELL_SIDES; side++) {
        *out_failed |= cell->last[side].end == WORKER_FAILED;
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
