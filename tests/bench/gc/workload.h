/* The programs of `bench gc`, by name. A size says how large the live set is; `live` gives it in
 * bytes, as the objects alone need them with sizes rounded up to 16, at the program's worst moment.
 * `run` gives a checksum that depends on what the program found in its objects, and on nothing
 * else: it is the same on every side.
 */
#ifndef GOO_TESTS_BENCH_GC_WORKLOAD_H
#define GOO_TESTS_BENCH_GC_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Workload {
    const char *name;
    size_t links;
    size_t (*live)(size_t size);
    uint64_t (*run)(size_t size);
} Workload;

extern const Workload workload_trees, workload_gcbench, workload_quads, workload_splay,
    workload_lists, workload_arrays, workload_stack, workload_deeplist, workload_strings,
    workload_ephemerons, workload_bomb;

/* The same numbers on every side and machine. */
static inline uint64_t workload_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545F4914F6CDD1D) >> 16;
}

#endif
