/* The parent's end of the pipes (process.h): starts processes, asks them, ends them. The other end
 * is serve.c.
 */
#define _GNU_SOURCE
#include "tests/bench/alloc/process.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- the start --- */

/* In the forked process: becomes the program that serves. Does not return. */
static void process_become(int in, int out, const char *preload, const ProcessJob *job) {
    char size[24];
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0) {
        _exit(127);
    }
    if (preload == NULL) {
        unsetenv("LD_PRELOAD");
    } else {
        /* The linker's complaint of a library that is not there. */
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        setenv("LD_PRELOAD", preload, 1);
    }
    snprintf(size, sizeof size, "%zu", job->size);
    execl("/proc/self/exe", "bench_alloc", "--serve", job->workload->name, size,
          job->checks ? "check" : (char *)NULL, (char *)NULL);
    _exit(127);
}

/* Reads who it is. */
static bool process_greeted(Process *process) {
    char line[sizeof process->name + sizeof process->path + 2];
    if (fgets(line, sizeof line, process->from) == NULL) {
        return false;
    }
    char *tab = strchr(line, '\t');
    if (tab == NULL) {
        return false;
    }
    *tab = '\0';
    tab[1 + strcspn(tab + 1, "\n")] = '\0';
    snprintf(process->name, sizeof process->name, "%.63s", line);
    snprintf(process->path, sizeof process->path, "%.255s", tab + 1);
    return true;
}

bool process_start(Process *process, const char *preload, WaySide side, const ProcessJob *job) {
    int to[2], from[2];
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        process_become(to[0], from[1], preload, job);
    }
    close(to[0]);
    close(from[1]);
    if (pid < 0) {
        close(to[1]);
        close(from[0]);
        return false;
    }
    *process = (Process){.side = side, .pid = pid};
    process->to = fdopen(to[1], "w");
    process->from = fdopen(from[0], "r");
    bool is_libc = true;
    if (process->to != NULL && process->from != NULL && process_greeted(process)) {
        is_libc = strstr(process->path, "/libc.so") != NULL ||
                  strstr(process->path, "/libc-") != NULL || process->path[0] == '\0';
        if (preload == NULL || !is_libc) {
            return true;
        }
    }
    process_end(process);
    return false;
}

/* --- asking --- */

const Figure *workload_figures(const Workload *workload, size_t *out_count) {
    static const Figure nanoseconds = {NULL, "ns"};
    *out_count = workload->figures != NULL ? workload->figure_count : 1;
    return workload->figures != NULL ? workload->figures : &nanoseconds;
}

bool process_ask(Process *process, const ProcessJob *job, size_t way, Sample *out) {
    size_t count;
    workload_figures(job->workload, &count);
    if (fprintf(process->to, "%zu\n", way) < 0 || fflush(process->to) != 0) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (fscanf(process->from, "%lf", &out->figures[i]) != 1) {
            return false;
        }
    }
    return fscanf(process->from, "%" SCNu64, &out->found) == 1;
}

bool process_end(Process *process) {
    int status = 1;
    if (process->to != NULL) {
        fclose(process->to);
    }
    if (process->from != NULL) {
        fclose(process->from);
    }
    pid_t ended = waitpid(process->pid, &status, 0);
    bool good = ended == process->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    *process = (Process){.pid = 0};
    return good;
}
