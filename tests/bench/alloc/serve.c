/* The process's end of the pipes (process.h): says whose malloc it has, runs rows, answers.
 *
 * A row that runs passes is calibrated when it is first asked for: the count of operations is
 * doubled until a pass takes 2 ms. An answer is the least of three passes, so that an interruption
 * costs a pass and not a figure. A row that measures answers with what it measured, once.
 *
 * Threads: one, but for what a workload starts.
 */
#define _GNU_SOURCE
#include "tests/bench/alloc/process.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <time.h>

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

enum { PASSES = 3, WAYS_MAX = 16 };

size_t way_size;
uint64_t way_found;

/* --- who it is --- */

/* Name and version of the malloc that this process has, by what it exports beside malloc. */
static void serve_name(char *name, size_t room, const char *path) {
    void *symbol;
    if ((symbol = dlsym(RTLD_DEFAULT, "mi_version")) != NULL) {
        int (*version)(void);
        memcpy(&version, &symbol, sizeof version);
        int v = version();
        if (v < 1000) {
            snprintf(name, room, "mimalloc %d.%d.%d", v / 100, v / 10 % 10, v % 10);
        } else { /* three digits more for each part */
            snprintf(name, room, "mimalloc %d.%d.%d", v / 10000, v / 100 % 100, v % 100);
        }
    } else if ((symbol = dlsym(RTLD_DEFAULT, "mallctl")) != NULL) {
        int (*control)(const char *, void *, size_t *, void *, size_t);
        memcpy(&control, &symbol, sizeof control);
        const char *version = "";
        size_t size = sizeof version;
        control("version", &version, &size, NULL, 0);
        snprintf(name, room, "jemalloc %.*s", (int)strcspn(version, "-"), version);
    } else if ((symbol = dlsym(RTLD_DEFAULT, "tc_version")) != NULL) {
        const char *(*version)(int *, int *, const char **);
        memcpy(&version, &symbol, sizeof version);
        int major = 0, minor = 0;
        version(&major, &minor, NULL);
        snprintf(name, room, "tcmalloc %d.%d", major, minor);
    } else if (strstr(path, "/libc.so") != NULL || strstr(path, "/libc-") != NULL) {
#ifdef __GLIBC__
        snprintf(name, room, "glibc %s", gnu_get_libc_version());
#else
        snprintf(name, room, "libc");
#endif
    } else {
        const char *base = strrchr(path, '/');
        snprintf(name, room, "%s", base == NULL ? path : base + 1);
    }
}

static void serve_greet(void) {
    Dl_info info;
    void *symbol = dlsym(RTLD_DEFAULT, "malloc");
    const char *path = symbol != NULL && dladdr(symbol, &info) != 0 ? info.dli_fname : "";
    char name[64];
    serve_name(name, sizeof name, path);
    printf("%s\t%s\n", name, path);
    fflush(stdout);
}

/* --- passes --- */

typedef struct ServedWay {
    GooAllocator *allocator;
    bool is_open;
    size_t count; /* of operations; 0: not yet calibrated */
} ServedWay;

/* A pass by both clocks, in ns. */
typedef struct Pass {
    double processor, wall;
    size_t done; /* operations; 0: it failed */
} Pass;

static double serve_clock(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static Pass serve_pass(const Way *way, const ServedWay *served) {
    way_found = 0;
    double wall = serve_clock(CLOCK_MONOTONIC), processor = serve_clock(CLOCK_PROCESS_CPUTIME_ID);
    size_t done = way->run(served->allocator, served->count);
    return (Pass){serve_clock(CLOCK_PROCESS_CPUTIME_ID) - processor,
                  serve_clock(CLOCK_MONOTONIC) - wall, done};
}

static bool serve_open(const Way *way, ServedWay *served) {
    if (!served->is_open && way->open != NULL) {
        served->allocator = way->open();
        served->is_open = served->allocator != NULL;
        return served->is_open;
    }
    return true;
}

/* Passes of a row that is prepared: the count that they need, at first, and then the least. */
static bool serve_passes(const Way *way, ServedWay *served, const ProcessJob *job, Sample *out) {
    size_t least_count = job->workload->least_count, passes = job->checks ? 1 : PASSES;
    if (served->count == 0) {
        served->count = least_count > 1000 ? least_count : 1000;
        while (!job->checks && served->count < SIZE_MAX / 4) {
            Pass pass = serve_pass(way, served);
            if (pass.done == 0) {
                return false;
            } else if (pass.processor >= 2e6) {
                break;
            }
            served->count *= 2;
        }
    }
    for (size_t i = 0; i < passes; i++) {
        Pass pass = serve_pass(way, served);
        double processor = pass.processor / (double)pass.done;
        double wall = pass.wall / (double)pass.done;
        if (pass.done == 0) {
            return false;
        }
        out->figures[0] = i == 0 || processor < out->figures[0] ? processor : out->figures[0];
        out->figures[1] = i == 0 || wall < out->figures[1] ? wall : out->figures[1];
    }
    return true;
}

static bool serve_sample(const Way *way, ServedWay *served, const ProcessJob *job, Sample *out) {
    if (!serve_open(way, served)) {
        return false;
    }
    way_found = 0;
    if (way->prepare != NULL) {
        way->prepare(served->allocator);
    }
    bool good = way->measure != NULL ? way->measure(served->allocator, out->figures)
                                     : serve_passes(way, served, job, out);
    if (way->finish != NULL) {
        way->finish(served->allocator);
    }
    out->found = way_found;
    return good;
}

/* --- answers --- */

static void serve_answer(const Workload *workload, const Sample *sample) {
    size_t count;
    workload_figures(workload, &count);
    for (size_t i = 0; i < count; i++) {
        printf("%.5f ", sample->figures[i]);
    }
    printf("%" PRIu64 "\n", sample->found);
    fflush(stdout);
}

int process_serve(const ProcessJob *job) {
    static ServedWay served[WAYS_MAX];
    size_t index;
    way_size = job->size;
    serve_greet();
    while (scanf("%zu", &index) == 1 && index < job->workload->way_count && index < WAYS_MAX) {
        Sample sample = {.found = 0};
        if (!serve_sample(&job->workload->ways[index], &served[index], job, &sample)) {
            return 1;
        }
        serve_answer(job->workload, &sample);
    }
    for (size_t i = 0; i < WAYS_MAX; i++) {
        if (served[i].allocator != NULL) {
            goo_allocator_destroy(served[i].allocator);
        }
    }
    return 0;
}
