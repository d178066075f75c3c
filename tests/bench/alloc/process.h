/* Processes of bench_alloc: each malloc that is compared is one, and Goo's rows are another.
 *
 * A process is this program again, started with the peer's library in LD_PRELOAD, so that the peer
 * is called as `malloc` and `free` through the linker like the C library's own; jemalloc can't be
 * loaded later at all, since it wants static thread-local storage. The parent tells it over a pipe
 * which row to run a pass of, and reads how long that took, so that the passes of all processes
 * take turns and none runs beside another.
 *
 *     parent                              process (--serve WORKLOAD)
 *       <- "mimalloc 2.0.9\t/usr/lib/...so\n"   who it is, once
 *       -> "3\n"                                run row 3 of the workload
 *       <- "4.7215\n"                           ns per operation; below 0: no memory
 *       -> end of file                          end
 *
 * Time is processor time of the process, so that what the scheduler gives to others is left out.
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

/* Starts a process for a workload; `preload` NULL: the C library's malloc. False: it could not be
 * started, or its malloc is the C library's although a library was to be preloaded. */
bool process_start(Process *process, const char *preload, WaySide side, const char *workload);

/* One pass of a row; ns per operation, below 0 if it failed. */
double process_ask(Process *process, size_t way);

void process_end(Process *process);

/* The other side: serves asks until end of file; the program's exit status. */
int process_serve(const Workload *workload);

#endif
