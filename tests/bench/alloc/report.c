/* Prints a table (table.h), for people and for programs.
 *
 *     median        per operation, over the rounds; least and most beside it
 *     x libc        median over the rounds of this row's sample by the first row's of that round
 *     asked         what the row should reach, and whether it does; differences and ratios are
 *                   also taken within each round, and then their median
 *
 * What a workload measures beside its time (memory, the clock) are further columns.
 *
 * Threads: one.
 */
#include "tests/bench/alloc/table.h"

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

static BenchSpread row_spread(const Row *row, size_t figure, size_t rounds) {
    double samples[ROUNDS_MAX];
    memcpy(samples, row->samples[figure], rounds * sizeof *samples);
    return bench_spread(samples, rounds);
}

/* Over the rounds: row / than, or row - than. */
static BenchSpread row_against(const Row *row, const Row *than, size_t figure, size_t rounds,
                               bool as_ratio) {
    double samples[ROUNDS_MAX];
    for (size_t i = 0; i < rounds; i++) {
        double mine = row->samples[figure][i], other = than->samples[figure][i];
        samples[i] = as_ratio ? mine / other : mine - other;
    }
    return bench_spread(samples, rounds);
}

/* What a row should reach and what it does, in words; NULL: nothing was asked of it. */
static const char *report_target(const Table *table, const Row *row, char *text, size_t room) {
    const Workload *workload = table->job.workload;
    const Target *target = &workload->ways[row->way].target;
    const Row *than = target->kind == TARGET_NONE ? NULL : table_row(table, target->than);
    text[0] = '\0';
    if (than == NULL || (workload->target_size != 0 && workload->target_size != table->job.size)) {
        return NULL;
    }
    double median = row_spread(row, 0, table->rounds).median;
    double ratio = row_against(row, than, 0, table->rounds, true).median;
    double above = row_against(row, than, 0, table->rounds, false).median;
    bool met = false;
    if (target->kind == TARGET_SCALED) {
        double here = row_spread(than, 0, table->rounds).median;
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

/* The same for a program to read: a line for each figure. */
static void report_row(const Table *table, const Row *row, const char *verdict) {
    const Workload *workload = table->job.workload;
    bool of_malloc = workload->ways[row->way].side == WAY_MALLOC;
    bool bare = strncmp(row->name, "bare", 4) == 0;
    for (size_t f = 0; f < table->figure_count; f++) {
        const Figure *figure = &table->figures[f];
        char name[80];
        snprintf(name, sizeof name, "%s%s%s", workload->name, figure->name != NULL ? ", " : "",
                 figure->name != NULL ? figure->name : "");
        bench_row(&(BenchRow){.workload = name,
                              .subject = row->name,
                              .unit = figure->unit,
                              .role = of_malloc ? BENCH_PEER
                                      : bare    ? BENCH_BARE
                                                : BENCH_GOO,
                              .value = row_spread(row, f, table->rounds),
                              .rounds = table->rounds,
                              .size = (double)table->job.size,
                              .size_unit = workload->size_unit,
                              .than = table->rows[0].name,
                              .ratio = row_against(row, &table->rows[0], f, table->rounds, true),
                              .verdict = f == 0 ? verdict : NULL});
    }
}

/* "random, 10,000 live blocks: 16 to 512 bytes, ..." */
static void report_title(const Table *table) {
    const Workload *workload = table->job.workload;
    bool of_bytes = workload->size_unit != NULL && strcmp(workload->size_unit, "bytes") == 0;
    printf("\n%s", workload->name);
    if (of_bytes && table->job.size >= 1 << 20) {
        printf(", %zu MiB", table->job.size >> 20);
    } else if (of_bytes) {
        printf(", %zu KiB", table->job.size >> 10);
    } else if (workload->size_unit != NULL) {
        printf(", %zu %s", table->job.size, workload->size_unit);
    }
    printf(": %s\n", workload->what);
}

/* The heads of the columns; those of several figures have names above them. */
static void report_heads(const Table *table) {
    if (table->figure_count > 1) {
        printf("  %-32s", "");
        for (size_t f = 0; f < table->figure_count; f++) {
            char head[64];
            const Figure *figure = &table->figures[f];
            snprintf(head, sizeof head, "%s, %s",
                     figure->name != NULL ? figure->name : "processor time", figure->unit);
            printf(" %27s", head);
        }
        putchar('\n');
    }
    printf("  %-32s", "");
    for (size_t f = 0; f < table->figure_count; f++) {
        printf(" %9s %17s", "median", "least - most");
    }
    printf("  %7s  %s\n", "x libc", "asked");
}

void table_report(const Table *table) {
    report_title(table);
    report_heads(table);
    for (size_t i = 0; i < table->row_count; i++) {
        const Row *row = &table->rows[i];
        char asked[160];
        const char *verdict = report_target(table, row, asked, sizeof asked);
        printf("  %-32s", row->name);
        for (size_t f = 0; f < table->figure_count; f++) {
            BenchSpread s = row_spread(row, f, table->rounds);
            printf(" %9.2f %8.2f-%-8.2f", s.median, s.least, s.most);
        }
        printf("  %7.2f  %s%s\n", row_against(row, &table->rows[0], 0, table->rounds, true).median,
               asked, verdict != NULL ? verdict : "");
        report_row(table, row, verdict);
    }
    fflush(stdout);
}
