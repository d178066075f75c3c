/* One side's program: runs one workload once in a heap of the size given, and prints what that took
 * on one line.
 *
 *     bench_gc_SIDE live WORKLOAD SIZE                      bytes
 *     bench_gc_SIDE run WORKLOAD SIZE HEAP_BYTES MARKERS    name checksum wall_ns cpu_ns peak_kib
 *                                                           collections
 *
 * Times are of the whole process, the heap's beginning included and its end not; the peak is the
 * kernel's high-water mark of resident memory. MARKERS 0: the side's default. Exit code 3: there
 * was not enough memory. The process is run for this alone, so it starts afresh.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "tests/bench/gc/side.h"
#include "tests/bench/gc/workload.h"

static const Workload *const workloads[] = {
    &workload_trees,   &workload_gcbench,    &workload_quads, &workload_splay,
    &workload_lists,   &workload_arrays,     &workload_stack, &workload_deeplist,
    &workload_strings, &workload_ephemerons, &workload_bomb};

static const Workload *find_workload(const char *name) {
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++) {
        if (strcmp(workloads[i]->name, name) == 0) {
            return workloads[i];
        }
    }
    return NULL;
}

static uint64_t now_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static unsigned long peak_kib(void) {
    char line[256];
    unsigned long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kib = strtoul(line + 6, NULL, 10);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kib;
}

static int run(const Workload *workload, size_t size, size_t heap_bytes, unsigned markers) {
    uint64_t start = now_ns(CLOCK_MONOTONIC);
    SidePlan plan = {heap_bytes, markers, workload->links};
    if (!side_open(&plan)) {
        return SIDE_EXHAUSTED;
    }
    uint64_t checksum = workload->run(size);
    uint64_t cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t wall = now_ns(CLOCK_MONOTONIC) - start;
    printf("%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %lu %" PRIu64 "\n", side_name(), checksum, wall,
           cpu, peak_kib(), side_collections());
    side_close();
    return 0;
}

int main(int argc, char **argv) {
    const Workload *workload = argc > 3 ? find_workload(argv[2]) : NULL;
    if (workload == NULL) {
        fprintf(stderr, "usage: live WORKLOAD SIZE | run WORKLOAD SIZE HEAP_BYTES MARKERS\n");
        return 64;
    }
    size_t size = strtoull(argv[3], NULL, 10);
    if (strcmp(argv[1], "live") == 0) {
        printf("%zu\n", workload->live(size));
        return 0;
    }
    return argc == 6 ? run(workload, size, strtoull(argv[4], NULL, 10),
                           (unsigned)strtoul(argv[5], NULL, 10))
                     : 64;
}
