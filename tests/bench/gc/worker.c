/* The parent's end of a worker: starts the program of a side, which lies beside this one, and reads
 * the line that it prints. */
#define _GNU_SOURCE
#include "tests/bench/gc/worker.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 7, NOT_THERE = 127, EXHAUSTED = 3, NAME_MAX_BYTES = 32 };

/* The program of a side; its folder is this program's. */
static bool worker_path(const char *side, char *path, size_t room) {
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0) {
        return false;
    }
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    int written = snprintf(path, room, "%s/bench_gc_%s", self, side);
    return written > 0 && (size_t)written < room;
}

/* In the forked process: becomes the worker. Does not return. */
static void worker_become(int out, const char *preload, char **arguments) {
    char path[PATH_MAX];
    int null = open("/dev/null", O_WRONLY);
    if (dup2(out, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0 ||
        !worker_path(arguments[0], path, sizeof path)) {
        _exit(NOT_THERE);
    }
    if (preload != NULL) {
        setenv("LD_PRELOAD", preload, 1);
    } else {
        unsetenv("LD_PRELOAD");
    }
    unsetenv("GC_MARKERS"); /* the plan says it */
    alarm(WORKER_SECONDS_MAX);
    execv(path, arguments);
    _exit(NOT_THERE);
}

/* Runs a worker; its line, and its exit status or -1. */
static int worker_ask(const char *preload, char **arguments, char *line, size_t room) {
    int from[2], status;
    line[0] = '\0';
    if (pipe2(from, O_CLOEXEC) != 0) {
        return -1;
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        worker_become(from[1], preload, arguments);
    }
    close(from[1]);
    FILE *file = fdopen(from[0], "r");
    bool said = file != NULL && fgets(line, (int)room, file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        return -1;
    }
    return !said && WEXITSTATUS(status) == 0 ? -1 : WEXITSTATUS(status);
}

static void worker_read(const char *line, WorkerResult *result) {
    unsigned long kib = 0;
    int read =
        sscanf(line, "%31s %" SCNu64 " %lf %lf %lu %" SCNu64, result->name, &result->checksum,
               &result->wall_ns, &result->cpu_ns, &kib, &result->collections);
    result->peak_bytes = (double)kib * 1024;
    result->end = read == 6 ? WORKER_DONE : WORKER_FAILED;
}

WorkerResult worker_run(const WorkerPlan *plan) {
    WorkerResult result = {.end = WORKER_FAILED};
    char size[24], heap[24], markers[24], line[256], side[NAME_MAX_BYTES], name[NAME_MAX_BYTES];
    char verb[] = "run";
    snprintf(side, sizeof side, "%s", plan->side);
    snprintf(name, sizeof name, "%s", plan->workload);
    snprintf(size, sizeof size, "%zu", plan->size);
    snprintf(heap, sizeof heap, "%zu", plan->heap_bytes);
    snprintf(markers, sizeof markers, "%u", plan->markers);
    char *arguments[ARGUMENTS_MAX] = {side, verb, name, size, heap, markers, NULL};
    int status = worker_ask(plan->preload, arguments, line, sizeof line);
    if (status == 0) {
        worker_read(line, &result);
    } else if (status == NOT_THERE) {
        result.end = WORKER_ABSENT;
    } else if (status == EXHAUSTED) {
        result.end = WORKER_EXHAUSTED;
    }
    return result;
}

size_t worker_live(const char *workload, size_t size) {
    char number[24], line[256], name[NAME_MAX_BYTES], side[] = "goo", verb[] = "live";
    snprintf(name, sizeof name, "%s", workload);
    snprintf(number, sizeof number, "%zu", size);
    char *arguments[ARGUMENTS_MAX] = {side, verb, name, number, NULL};
    int status = worker_ask(NULL, arguments, line, sizeof line);
    return status == 0 ? strtoull(line, NULL, 10) : 0;
}
