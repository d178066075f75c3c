/* A cell's figures as rows for a program to read (bench.h).
 *
 * With one marking thread a row is processor time, with the default number time by the clock, as
 * the verdicts are; explicit frees, which know no heap size and no markers, stand beside both.
 */
#define _DEFAULT_SOURCE
#include "tests/bench/gc/cell.h"

typedef struct RowSide {
    const char *name, *mode; /* no mode: whose malloc it is */
    CellSide side, than;     /* itself: no ratio */
    BenchRole role;
    bool by_clock;
} RowSide;

static const RowSide row_sides[] = {
    {"goo", "1 marker", CELL_GOO, CELL_BOEHM, BENCH_GOO, false},
    {"Boehm", "1 marker", CELL_BOEHM, CELL_BOEHM, BENCH_PEER, false},
    {"Whippet", "1 marker", CELL_WHIPPET, CELL_BOEHM, BENCH_PEER, false},
    {"explicit frees", NULL, CELL_BY_HAND, CELL_BY_HAND, BENCH_ORACLE, false},
    {"goo", "default markers", CELL_GOO_MORE, CELL_BOEHM_MORE, BENCH_GOO, true},
    {"Boehm", "default markers", CELL_BOEHM_MORE, CELL_BOEHM_MORE, BENCH_PEER, true},
    {"Whippet", "default markers", CELL_WHIPPET_MORE, CELL_BOEHM_MORE, BENCH_PEER, true},
    {"explicit frees", NULL, CELL_BY_HAND, CELL_BY_HAND, BENCH_ORACLE, true},
};

/* What frees by hand, as it is called in every run: without its version. */
static const char *row_hand_mode(const Cell *cell) {
    const char *name = cell_hand_name(cell);
    return strncmp(name, "mimalloc", 8) == 0 ? "mimalloc" : name;
}

static const double *row_samples(const Cell *cell, CellSide side, bool by_clock) {
    return by_clock ? cell->wall[side] : cell->cpu[side];
}

static BenchSpread row_spread_ms(const double *ns, unsigned rounds) {
    double ms[CELL_ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++) {
        ms[i] = ns[i] / 1e6;
    }
    return bench_spread(ms, rounds);
}

void cell_rows(const Cell *cell, double factor) {
    if (cell->last[CELL_BOEHM].end != WORKER_ABSENT) {
        bench_present("Boehm");
    }
    if (cell->last[CELL_WHIPPET].end != WORKER_ABSENT) {
        bench_present("Whippet");
    }
    for (size_t i = 0; i < sizeof row_sides / sizeof row_sides[0]; i++) {
        const RowSide *r = &row_sides[i];
        if (!cell_has(cell, r->side) || (r->by_clock && !cell->more_markers)) {
            continue;
        }
        char subject[64];
        snprintf(subject, sizeof subject, "%s, %s", r->name,
                 r->mode != NULL ? r->mode : row_hand_mode(cell));
        const double *ours = row_samples(cell, r->side, r->by_clock);
        BenchRow row = {.workload = cell->workload,
                        .subject = subject,
                        .unit = r->by_clock ? "ms by the clock" : "ms of processor",
                        .role = r->role,
                        .value = row_spread_ms(ours, cell->rounds),
                        .rounds = cell->rounds,
                        .size = (double)cell->heap_bytes / factor,
                        .size_unit = "bytes live",
                        .heap = factor,
                        .peak_bytes = cell->peak[r->side]};
        if (r->than != r->side && cell_has(cell, r->than)) {
            const double *theirs = row_samples(cell, r->than, r->by_clock);
            row.than = "Boehm";
            row.ratio = cell_ratio(ours, theirs, cell->rounds);
        }
        bench_row(&row);
    }
}
