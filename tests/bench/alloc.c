/* bench_alloc: what explicit allocation costs, beside libc and the peers that are installed.
 *
 * A workload (alloc/way.h) is a table (alloc/table.h) for each of its sizes: a row for each malloc
 * and for each of Goo's ways, each in a process of its own (alloc/process.h), in turns. Here are
 * the list of workloads, what several of them share, and the command line.
 *
 * Threads: one here; the processes as their workload says.
 */
#define _GNU_SOURCE
#include "tests/bench/alloc/table.h"

#include <signal.h>

enum {
    PEERS_KNOWN = 3, /* whose absence the driver tells */
    ROUNDS_QUICK = 3,
    ROUNDS_LARGE = 6 /* of the sizes that --quick leaves out */
};

static Preloads peers = {
    .paths = {"libmimalloc.so.2", "libjemalloc.so.2", "libtcmalloc_minimal.so.4"},
    .count = PEERS_KNOWN};

static const Workload *const workloads[] = {
    &workload_bump,    &workload_pair,   &workload_batch,    &workload_random, &workload_grow,
    &workload_threads, &workload_server, &workload_messages, &workload_phases, &workload_bundle,
    &workload_churn,   &workload_trees,  &workload_scatter,  &workload_large,  &workload_start};

/* --- allocators that several workloads open --- */

GooAllocator *open_system(void) {
    return goo_system_allocator_create();
}

GooAllocator *open_tracking_allocator(void) {
    return goo_tracking_allocator_create(NULL);
}

GooAllocator *open_debug(void) {
    return goo_debug_allocator_create(NULL, NULL);
}

GooAllocator *open_debug_sampled(void) {
    GooDebugOptions options = {.sample_every = 100};
    return goo_debug_allocator_create(NULL, &options);
}

/* --- runs --- */

/* Which library each name stands for, and which libraries are absent. */
static void report_processes(void) {
    ProcessJob job = {.workload = workloads[0]};
    for (size_t i = 0; i <= peers.count; i++) {
        Process process;
        const char *preload = i == 0 ? NULL : peers.paths[i - 1];
        if (process_start(&process, preload, WAY_MALLOC, &job)) {
            printf("%s: %s\n", process.name, process.path);
            process_end(&process);
        } else if (preload != NULL) {
            printf("absent: %s can't be preloaded\n", preload);
            if (i > PEERS_KNOWN) {
                bench_absent(preload, "can't be preloaded");
            }
        }
    }
}

/* Takes a library out; false: it is none of them. */
static bool preloads_remove(Preloads *preloads, const char *path) {
    for (size_t i = 0; i < preloads->count; i++) {
        if (preloads->paths[i] == path) {
            preloads->count--;
            memmove(&preloads->paths[i], &preloads->paths[i + 1],
                    (preloads->count - i) * sizeof preloads->paths[0]);
            return true;
        }
    }
    return false;
}

/* False: a process failed. A peer's costs the others nothing but a second start. */
static bool run_table(const Workload *workload, size_t size, size_t rounds) {
    static Table table;
    Preloads left = peers;
    table.job = (ProcessJob){.workload = workload, .size = size};
    table.rounds = rounds;
    while (!table_run(&table, &left)) {
        if (!preloads_remove(&left, table.failed)) {
            return false;
        }
    }
    table_report(&table);
    return left.count == peers.count;
}

/* How many sizes of a workload are run; one that has no sizes is run once. */
static size_t sizes_run(const Workload *workload, bool quick) {
    size_t count = 0;
    while (count < SIZES_MAX && workload->sizes[count] != 0) {
        count++;
    }
    return count == 0 ? 1 : quick ? workload->quick_sizes : count;
}

/* --- the command line --- */

static void usage(FILE *to) {
    fprintf(to, "usage: bench_alloc [--quick|--test] [--peer FILE]... [WORKLOAD]...\n"
                "Explicit allocation beside libc, mimalloc, jemalloc and tcmalloc.\n"
                "  --quick      few rounds: a look, not a figure\n"
                "  --test       no figures: whether every side finds the same, as TAP\n"
                "  --peer FILE  another allocator's library to compare with, such as a newer\n"
                "               build; also those in GOO_BENCH_PEERS, separated by ':'\n"
                "Workloads, all if none is named:\n");
    for (size_t i = 0; i < COUNT_OF(workloads); i++) {
        fprintf(to, "  %-10s %s\n", workloads[i]->name, workloads[i]->what);
    }
}

static const Workload *workload_named(const char *name) {
    for (size_t i = 0; i < COUNT_OF(workloads); i++) {
        if (strcmp(workloads[i]->name, name) == 0) {
            return workloads[i];
        }
    }
    return NULL;
}

static bool add_peer(const char *path) {
    if (peers.count == PRELOADS_MAX) {
        return false;
    }
    peers.paths[peers.count++] = path;
    return true;
}

/* False: there are too many. */
static bool add_peers_of_environment(void) {
    const char *paths = getenv("GOO_BENCH_PEERS");
    char *copy = paths == NULL ? NULL : strdup(paths); /* names live as long as the program */
    for (char *path = copy == NULL ? NULL : strtok(copy, ":"); path != NULL;
         path = strtok(NULL, ":")) {
        if (!add_peer(path)) {
            return false;
        }
    }
    return true;
}

/* How many rounds the size number `index` of a workload gets. */
static size_t rounds_run(const Workload *workload, size_t index, bool quick) {
    bool large = workload->size_unit != NULL && index >= workload->quick_sizes;
    size_t rounds = quick ? ROUNDS_QUICK : large ? ROUNDS_LARGE : ROUNDS_MAX;
    bool fewer = workload->rounds_most != 0 && workload->rounds_most < rounds;
    return fewer ? workload->rounds_most : rounds;
}

static bool run_workloads(const Workload *const *chosen, size_t count, bool quick) {
    size_t tables = 0, done = 0;
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        tables += sizes_run(chosen[i], quick);
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < sizes_run(chosen[i], quick); k++) {
            good &= run_table(chosen[i], chosen[i]->sizes[k], rounds_run(chosen[i], k, quick));
            bench_progress(++done, tables);
        }
    }
    return good;
}

/* `--serve WORKLOAD SIZE [check]`: one of the processes (alloc/process.h). */
static int serve(int argc, char **argv) {
    ProcessJob job = {.workload = argc >= 4 ? workload_named(argv[2]) : NULL, .checks = argc == 5};
    if (job.workload == NULL) {
        return 64;
    }
    job.size = (size_t)strtoull(argv[3], NULL, 10);
    return process_serve(&job);
}

int main(int argc, char **argv) {
    const Workload *chosen[COUNT_OF(workloads)];
    size_t chosen_count = 0;
    bool quick = false, test = false;
    if (argc > 1 && strcmp(argv[1], "--serve") == 0) {
        return serve(argc, argv);
    }
    if (!add_peers_of_environment()) {
        fprintf(stderr, "bench_alloc: GOO_BENCH_PEERS names more than %d libraries\n",
                PRELOADS_MAX - PEERS_KNOWN);
        return 64;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            return 0;
        } else if (strcmp(argv[i], "--quick") == 0) {
            quick = true;
        } else if (strcmp(argv[i], "--test") == 0) {
            test = true;
        } else if (strcmp(argv[i], "--peer") == 0 && i + 1 < argc && add_peer(argv[i + 1])) {
            i++;
        } else if (workload_named(argv[i]) != NULL && chosen_count < COUNT_OF(chosen)) {
            chosen[chosen_count++] = workload_named(argv[i]);
        } else {
            usage(stderr);
            return 64;
        }
    }
    if (chosen_count == 0) {
        memcpy(chosen, workloads, sizeof workloads);
        chosen_count = COUNT_OF(workloads);
    }
    signal(SIGPIPE, SIG_IGN); /* a process that died is an answer that fails */
    if (test) {
        return check_workloads(chosen, chosen_count, &peers);
    }
    bench_print_machine();
    report_processes();
    return run_workloads(chosen, chosen_count, quick) ? 0 : 1;
}
