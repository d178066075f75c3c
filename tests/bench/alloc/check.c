/* `bench_alloc --test`: every row of every workload runs in small, and finds what others find.
 *
 * A small size of a workload, one pass, in processes like those that are measured, so that the
 * pipes, the preloading and the programs are what is tested. A row's result is good when its
 * process answered with figures that can be (none below 0, none infinite), ended well, and found
 * in its blocks what the C library's malloc found: nothing was lost or written twice. Under a
 * sanitizer the peers are left out, since it brings a malloc of its own.
 *
 * Threads: one at a time; processes as their workload says.
 */
#include "tests/bench/alloc/table.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#ifdef BENCH_SANITIZED
enum { CHECK_PEERS = 0 };
#else
enum { CHECK_PEERS = 1 };
#endif

typedef struct Check {
    int number, failed;
    Sample wanted; /* the C library's */
} Check;

/* "bench_alloc::pair_goo_pool__inline": names of results are one word. */
static void check_print(Check *check, bool good, const ProcessJob *job, const char *row) {
    check->failed += !good;
    printf("%sok %d - bench_alloc::%s_", good ? "" : "not ", ++check->number, job->workload->name);
    for (; *row != '\0'; row++) {
        putchar(isalnum((unsigned char)*row) ? *row : '_');
    }
    putchar('\n');
}

/* Figures that a measurement can have. */
static bool check_figures(const ProcessJob *job, const Sample *sample) {
    size_t count;
    workload_figures(job->workload, &count);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(sample->figures[i]) || sample->figures[i] < 0) {
            return false;
        }
    }
    return true;
}

/* One row in a process of its own. */
static void check_row(Check *check, const ProcessJob *job, size_t index, const char *preload) {
    const Way *way = &job->workload->ways[index];
    Sample sample = {.found = 0};
    Process process;
    if (!process_start(&process, preload, way->side, job)) {
        printf("ok %d - bench_alloc::%s_%s # SKIP can't be preloaded\n", ++check->number,
               job->workload->name, preload == NULL ? "libc" : preload);
        check->failed += preload == NULL;
        return;
    }
    char name[128];
    snprintf(name, sizeof name, "%s%s", way->side == WAY_MALLOC ? process.name : "",
             way->name != NULL ? way->name : "");
    bool answered = process_ask(&process, job, index, &sample);
    bool ended = process_end(&process);
    if (index == 0 && preload == NULL) {
        check->wanted = sample;
    }
    bool same = sample.found == check->wanted.found;
    bool good = answered && ended && same && check_figures(job, &sample);
    check_print(check, good, job, name);
    if (!good) {
        printf("# %s, %s; found %" PRIu64 ", the C library's malloc %" PRIu64 "\n",
               answered ? "answered" : "no answer", ended ? "ended well" : "ended badly",
               sample.found, check->wanted.found);
    }
    fflush(stdout);
}

static size_t check_size(const Workload *workload) {
    return workload->check_size != 0 ? workload->check_size : workload->sizes[0];
}

int check_workloads(const Workload *const *workloads, size_t count, const Preloads *preloads) {
    Check check = {.number = 0};
    for (size_t i = 0; i < count; i++) {
        ProcessJob job = {
            .workload = workloads[i], .size = check_size(workloads[i]), .checks = true};
        for (size_t way = 0; way < workloads[i]->way_count; way++) {
            bool has_peers = CHECK_PEERS && workloads[i]->ways[way].side == WAY_MALLOC;
            check_row(&check, &job, way, NULL);
            for (size_t p = 0; has_peers && p < preloads->count; p++) {
                check_row(&check, &job, way, preloads->paths[p]);
            }
        }
    }
    printf("1..%d\n", check.number);
    return check.failed == 0 ? 0 : 1;
}
