/* Processes of bench_alloc: each malloc that is compared is one, and each of Goo's rows.
 *
 * A process is this program again, started with the peer's library in LD_PRELOAD, so that the peer
 * is called as `malloc` and `free` through the linker like the C library's own; jemalloc can't be
 * loaded later at all, since it wants static thread-local storage. The parent tells it over a pipe
 * which row to run a pass of, and reads how long that took, so that the passes of all processes
 * take turns and none runs beside another.
 *
 *     parent                              process (--serve WORKLOAD SIZE [check])
 *       <- "mimalloc 2.0.9\t/usr/lib/...so\n"   who it is, once
 *       -> "3\n"                                run row 3 of the workload
 *       <- "4.7215 4.8001 91827\n"              its figures, and what it found; no number: failed
 *       -> end of file                          end
 *
 * Time is processor time of the process, so that what the scheduler gives to others is left out.
 * A process that checks makes one pass of the workload's least count, so that what it finds can be
 * compared with what others find.
 *
 * Threads: one at a time.
 */
#ifndef GOO_TESTS_BENCH_ALLOC_PROCESS_H
#define GOO_TESTS_BENCH_ALLOC_PROCESS_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "tests/bench/alloc/way.h"

typedef struct Process {
    char name[64];  /* "mimalloc 2.0.9" */
    char path[256]; /* the file that its malloc is in */
    WaySide side;   /* which rows are its */
    pid_t pid;
    FILE *to, *from;
} Process;

/* What a process is for. */
typedef struct ProcessJob {
    const Workload *workload;
    size_t size; /* of the workload; 0 where it has none */
    bool checks;
} ProcessJob;

/* What a row answers. */
typedef struct Sample {
    double figures[FIGURES_MAX];
    uint64_t found;
} Sample;

/* Starts a process for a job; `preload` NULL: the C library's malloc. False: it could not be
 * started, or its malloc is the C library's although a library was to be preloaded. */
bool process_start(Process *process, const char *preload, WaySide side, const ProcessJob *job);

/* One answer of a row. False: it failed, for want of memory or threads. */
bool process_ask(Process *process, const ProcessJob *job, size_t way, Sample *out);

/* Whether it ended well; a sanitizer ends one otherwise in which it found something. */
bool process_end(Process *process);

/* The other side (serve.c): serves asks until end of file; the program's exit status. */
int process_serve(const ProcessJob *job);

/* The figures of a workload. */
const Figure *workload_figures(const Workload *workload, size_t *out_count);

#endif
