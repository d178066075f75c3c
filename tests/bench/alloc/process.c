/* Both ends of the pipes (process.h). A row is calibrated when it is first asked for: the count of
 * operations is doubled until a pass takes 2 ms. An answer is the least of three passes, so that an
 * interruption costs a pass and not a figure.
 */
#define _GNU_SOURCE
#include "tests/bench/alloc/process.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

enum { PASSES = 3, WAYS_MAX = 16 };

/* --- the parent's end --- */

/* In the forked process: becomes the program that serves. Does not return. */
static void process_become(int in, int out, const char *preload, const char *workload) {
    int null = open("/dev/null", O_WRONLY);
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0) {
        _exit(127);
    }
    dup2(null, STDERR_FILENO); /* the linker's complaint of a library that is not there */
    if (preload == NULL) {
        unsetenv("LD_PRELOAD");
    } else {
        setenv("LD_PRELOAD", preload, 1);
    }
    execl("/proc/self/exe", "bench_alloc", "--serve", workload, (char *)NULL);
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

bool process_start(Process *process, const char *preload, WaySide side, const char *workload) {
    int to[2], from[2];
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        process_become(to[0], from[1], preload, workload);
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

double process_ask(Process *process, size_t way) {
    double ns = -1;
    if (fprintf(process->to, "%zu\n", way) < 0 || fflush(process->to) != 0 ||
        fscanf(process->from, "%lf", &ns) != 1) {
        return -1;
    }
    return ns;
}

void process_end(Process *process) {
    if (process->to != NULL) {
        fclose(process->to);
    }
    if (process->from != NULL) {
        fclose(process->from);
    }
    waitpid(process->pid, NULL, 0);
    *process = (Process){.pid = 0};
}

/* --- the process's end --- */

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

static double serve_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

typedef struct ServedWay {
    GooAllocator *allocator;
    size_t count; /* 0: not yet asked for */
} ServedWay;

/* ns that a pass takes; *out_done: its operations. */
static double serve_pass(const Way *way, ServedWay *served, size_t *out_done) {
    double start = serve_now_ns();
    *out_done = way->run(served->allocator, served->count);
    return serve_now_ns() - start;
}

static bool serve_open(const Way *way, ServedWay *served, size_t least_count) {
    if (way->open != NULL) {
        served->allocator = way->open();
        if (served->allocator == NULL) {
            return false;
        }
    }
    size_t done;
    served->count = least_count > 1000 ? least_count : 1000;
    while (serve_pass(way, served, &done) < 2e6 && served->count < SIZE_MAX / 4) {
        served->count *= 2;
    }
    return true;
}

static double serve_sample(const Way *way, ServedWay *served, size_t least_count) {
    if (served->count == 0 && !serve_open(way, served, least_count)) {
        return -1;
    }
    double least = -1;
    for (size_t pass = 0; pass < PASSES; pass++) {
        size_t done;
        double ns = serve_pass(way, served, &done) / (double)done;
        least = least < 0 || ns < least ? ns : least;
    }
    return least;
}

int process_serve(const Workload *workload) {
    static ServedWay served[WAYS_MAX];
    size_t index;
    serve_greet();
    while (scanf("%zu", &index) == 1 && index < workload->way_count && index < WAYS_MAX) {
        const Way *way = &workload->ways[index];
        printf("%.5f\n", serve_sample(way, &served[index], workload->least_count));
        fflush(stdout);
    }
    for (size_t i = 0; i < WAYS_MAX; i++) {
        if (served[i].allocator != NULL) {
            goo_allocator_destroy(served[i].allocator);
        }
    }
    return 0;
}
