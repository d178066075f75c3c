/* start: a process that starts, makes its allocator, allocates a block, frees it and ends.
 *
 * What a short program pays for an allocator: its library's loading, what it sets up before main,
 * its first memory. The programs are start/program.c, built once over malloc and once over Goo,
 * linked statically; the peer's library is preloaded in the former, as in this process. Measured
 * from outside, from the fork to the end that was waited for: processor time of the child, the
 * clock, and the peak of its resident memory, which it says itself in a run that is not timed.
 *
 * A sample is the least of 20 runs. "bare process" ends at once.
 */
#define _GNU_SOURCE
#include "tests/bench/alloc/way.h"
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { START_RUNS = 20 };
enum { START_PROCESSOR, START_WALL, START_PEAK };

/* The path of a program that lies beside this one. */
static bool start_path(char *path, size_t room, const char *name) {
    ssize_t length = readlink("/proc/self/exe", path, room - 1);
    if (length <= 0) {
        return false;
    }
    path[length] = '\0';
    char *end = strrchr(path, '/');
    size_t left = room - (size_t)(end + 1 - path);
    return (size_t)snprintf(end + 1, left, "%s", name) < left;
}

/* Starts it with standard output at `out` (-1: this one's), waits; its use of the processor. */
static bool start_run(char **argv, int out, struct rusage *use) {
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status = 1;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return false;
    }
    bool good = (out < 0 || posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO) == 0) &&
                posix_spawn(&child, argv[0], &actions, NULL, argv, environ) == 0 &&
                wait4(child, &status, 0, use) == child && status == 0;
    posix_spawn_file_actions_destroy(&actions);
    return good;
}

static double start_microseconds(struct timeval t) {
    return (double)t.tv_sec * 1e6 + (double)t.tv_usec;
}

static bool start_times(char **argv, double *out) {
    for (size_t i = 0; i < START_RUNS; i++) {
        struct rusage use;
        double start = bench_now_ns();
        if (!start_run(argv, -1, &use)) {
            return false;
        }
        double wall = (bench_now_ns() - start) / 1e3;
        double processor = start_microseconds(use.ru_utime) + start_microseconds(use.ru_stime);
        out[START_PROCESSOR] =
            i == 0 || processor < out[START_PROCESSOR] ? processor : out[START_PROCESSOR];
        out[START_WALL] = i == 0 || wall < out[START_WALL] ? wall : out[START_WALL];
    }
    return true;
}

/* In KiB, from the line that the program writes. */
static bool start_peak(char **argv, double *out) {
    int ends[2];
    struct rusage use;
    char text[64] = "";
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    bool good = start_run(argv, ends[1], &use);
    close(ends[1]);
    good = good && read(ends[0], text, sizeof text - 1) > 0;
    close(ends[0]);
    out[START_PEAK] = strtod(text, NULL);
    return good && out[START_PEAK] > 0;
}

static bool start_measure(const char *program, const char *way, double *out) {
    char path[4096], name[32];
    snprintf(name, sizeof name, "%s", way);
    char *argv[] = {path, name, NULL, NULL};
    if (!start_path(path, sizeof path, program) || !start_times(argv, out)) {
        return false;
    }
    argv[2] = "peak";
    return start_peak(argv, out);
}

#define START_WAY(name, program, way)                                                              \
    static bool start_##name(GooAllocator *a, double *out) {                                       \
        (void)a;                                                                                   \
        return start_measure(program, way, out);                                                   \
    }

START_WAY(malloc, "bench_alloc_start_malloc", "malloc")
START_WAY(bare, "bench_alloc_start_malloc", "nothing")
START_WAY(system, "bench_alloc_start_goo", "system")
START_WAY(legacy, "bench_alloc_start_goo", "legacy")
START_WAY(arena, "bench_alloc_start_goo", "arena")
START_WAY(pool, "bench_alloc_start_goo", "pool")

static const Way start_ways[] = {
    {.side = WAY_MALLOC, .measure = start_malloc},
    {.name = "bare process", .side = WAY_GOO, .measure = start_bare},
    {.name = WAY_SYSTEM, .side = WAY_GOO, .measure = start_system},
    {.name = "goo legacy", .side = WAY_GOO, .measure = start_legacy},
    {.name = "goo arena", .side = WAY_GOO, .measure = start_arena},
    {.name = "goo pool", .side = WAY_GOO, .measure = start_pool},
};

static const Figure start_figures[] = {
    [START_PROCESSOR] = {NULL, "us"},
    [START_WALL] = {"by the clock", "us"},
    [START_PEAK] = {"peak", "KiB"},
};

const Workload workload_start = {
    .name = "start",
    .what = "a process makes its allocator, allocates 64 bytes, frees them, ends (us of processor "
            "time)",
    .ways = start_ways,
    .way_count = COUNT_OF(start_ways),
    .figures = start_figures,
    .figure_count = COUNT_OF(start_figures),
};
