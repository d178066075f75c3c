/* Running one side's program once, in a process of its own: main.c is its other end.
 */
#ifndef GOO_TESTS_BENCH_GC_WORKER_H
#define GOO_TESTS_BENCH_GC_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct WorkerPlan {
    const char *side;    /* goo, boehm, malloc */
    const char *preload; /* a library to load first, or NULL */
    const char *workload;
    size_t size, heap_bytes;
    unsigned markers; /* 0: the side's default */
} WorkerPlan;

typedef enum WorkerEnd {
    WORKER_DONE,
    WORKER_EXHAUSTED, /* the heap was too small for it */
    WORKER_ABSENT,    /* it was not built, or its library is not there */
    WORKER_FAILED     /* a crash, a leak, or longer than WORKER_SECONDS_MAX */
} WorkerEnd;

enum { WORKER_SECONDS_MAX = 120 };

typedef struct WorkerResult {
    WorkerEnd end;
    char name[32];
    uint64_t checksum, collections;
    double wall_ns, cpu_ns, peak_bytes;
} WorkerResult;

WorkerResult worker_run(const WorkerPlan *plan);

/* The bytes that a workload's living objects take at most, or 0 on failure. */
size_t worker_live(const char *workload, size_t size);

#endif
