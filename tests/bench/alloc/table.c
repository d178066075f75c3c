/* Measures a table (table.h): starts the processes of its rows, and asks them in turns.
 *
 * Each row runs in a process of its own (process.h), started afresh for every table and after every
 * three rounds, so that none finds a heap that another left, and the luck of where things lie in
 * memory is part of the spread; for some workloads every sample is a process. A round asks every
 * row for a sample, one after the other and beginning with another one each time, so that a slow
 * spell of the machine meets all of them.
 *
 * Threads: one here; the processes as their workload says.
 */
#include "tests/bench/alloc/table.h"

enum { ROUNDS_OF_PROCESS = 3 };

static bool place_start(Place *place, const ProcessJob *job) {
    return process_start(&place->process, place->preload, place->side, job);
}

/* Starts a process for each malloc and each of Goo's ways; absent peers have no place. */
static void table_start(Table *table, const Preloads *preloads) {
    const Workload *workload = table->job.workload;
    Place *next = table->places;
    for (size_t i = 0; i <= preloads->count; i++) {
        *next = (Place){.preload = i == 0 ? NULL : preloads->paths[i - 1], .side = WAY_MALLOC};
        next += place_start(next, &table->job);
    }
    for (size_t i = 0; i < workload->way_count; i++) {
        if (workload->ways[i].side == WAY_GOO) {
            *next = (Place){.side = WAY_GOO, .way = i};
            next += place_start(next, &table->job);
        }
    }
    table->place_count = (size_t)(next - table->places);
}

static void table_end(Table *table) {
    for (size_t i = 0; i < table->place_count; i++) {
        process_end(&table->places[i].process);
    }
}

/* A row for each way and process that belong together. */
static void table_lay_out(Table *table) {
    const Workload *workload = table->job.workload;
    table->row_count = 0;
    for (size_t w = 0; w < workload->way_count; w++) {
        const Way *way = &workload->ways[w];
        const char *name = way->name == NULL ? "" : way->name;
        for (size_t p = 0; p < table->place_count && table->row_count < ROWS_MAX; p++) {
            Place *place = &table->places[p];
            if (place->side == way->side && (way->side == WAY_MALLOC || place->way == w)) {
                Row *row = &table->rows[table->row_count++];
                row->place = p;
                row->way = w;
                snprintf(row->name, sizeof row->name, "%s%s",
                         way->side == WAY_MALLOC ? place->process.name : "", name);
            }
        }
    }
}

static bool table_sample(Table *table, size_t index, Sample *out) {
    const Row *row = &table->rows[index];
    bool good = process_ask(&table->places[row->place].process, &table->job, row->way, out);
    if (!good) {
        table->failed = table->places[row->place].preload;
        fprintf(stderr, "bench_alloc: %s, %s: its process failed\n", table->job.workload->name,
                row->name);
    }
    return good;
}

/* The same from a process that is started for it. */
static bool table_sample_afresh(Table *table, size_t index, Sample *out) {
    Place *place = &table->places[table->rows[index].place];
    bool good = place_start(place, &table->job) && table_sample(table, index, out);
    process_end(&place->process);
    return good;
}

/* Rounds from `first` to below `end`. */
static bool table_measure(Table *table, size_t first, size_t end) {
    for (size_t round = first; round < end; round++) {
        for (size_t i = 0; i < table->row_count; i++) {
            size_t index = (i + round) % table->row_count;
            Sample sample;
            if (!(table->job.workload->is_fresh ? table_sample_afresh : table_sample)(table, index,
                                                                                      &sample)) {
                return false;
            }
            for (size_t f = 0; f < table->figure_count; f++) {
                table->rows[index].samples[f][round] = sample.figures[f];
            }
        }
    }
    return true;
}

/* The first answer of each row calibrates it, and is not kept. */
static bool table_calibrate(Table *table) {
    Sample sample;
    for (size_t i = 0; i < table->row_count; i++) {
        if (!table_sample(table, i, &sample)) {
            return false;
        }
    }
    return true;
}

/* All rounds, with processes that are started anew every few rounds. */
static bool table_run_in_groups(Table *table, const Preloads *preloads) {
    size_t places = 0;
    bool good = true;
    for (size_t first = 0; first < table->rounds && good; first += ROUNDS_OF_PROCESS) {
        size_t end = first + ROUNDS_OF_PROCESS;
        table_start(table, preloads);
        if (first == 0) {
            table_lay_out(table);
            places = table->place_count;
        }
        good = table->row_count > 0 && table->place_count == places && table_calibrate(table) &&
               table_measure(table, first, end < table->rounds ? end : table->rounds);
        table_end(table);
    }
    return good;
}

/* All rounds, with a process for each sample. */
static bool table_run_afresh(Table *table, const Preloads *preloads) {
    table_start(table, preloads);
    table_lay_out(table);
    table_end(table);
    return table->row_count > 0 && table_measure(table, 0, table->rounds);
}

bool table_run(Table *table, const Preloads *preloads) {
    table->figures = workload_figures(table->job.workload, &table->figure_count);
    table->failed = NULL;
    return table->job.workload->is_fresh ? table_run_afresh(table, preloads)
                                         : table_run_in_groups(table, preloads);
}
