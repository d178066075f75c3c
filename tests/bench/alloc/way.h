/* What the files of bench_alloc share: ways to do a workload, and the workloads themselves.
 *
 *     Workload   "pair"         one loop of a program
 *       Way      "goo pool"     that loop over one kind of allocation: a row of the table
 *       Figure   ns             what a row is measured in: one or more columns
 *
 * A workload is written once, as a function that is always inlined and takes two functions, one to
 * allocate and one to free; each way is that function with two others, so that every way runs the
 * same program and calls what it measures as a program would: malloc through the linker, Goo's
 * front door as a call, inline forms inline. What a pass finds in its blocks is summed in
 * `way_found`, which is the same for every way: `bench_alloc --test` compares it.
 *
 * Threads: each process has one, but for workloads that start others themselves.
 */
#ifndef GOO_TESTS_BENCH_ALLOC_WAY_H
#define GOO_TESTS_BENCH_ALLOC_WAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "goo/allocators.h"
#include "goo/runtime/memory.h"
#include "goo_memory.h"

#define ALWAYS_INLINE __attribute__((always_inline)) static inline
#define NEVER_INLINE __attribute__((noinline)) static

/* Who runs a way: every malloc that is compared, each in a process of its own, or one process of
 * Goo's. */
typedef enum WaySide { WAY_MALLOC, WAY_GOO } WaySide;

/* What a row should reach, against the row `than` of its workload: at most
 *   TARGET_SCALED   `limit` ns on a machine where `than` takes `issued` ns
 *   TARGET_ABOVE    `limit` ns more than `than`
 *   TARGET_RATIO    `limit` times `than` */
typedef enum TargetKind { TARGET_NONE, TARGET_SCALED, TARGET_ABOVE, TARGET_RATIO } TargetKind;

typedef struct Target {
    TargetKind kind;
    double limit;
    const char *than;
    double issued;
} Target;

typedef struct Way {
    const char *name; /* of a malloc: what follows the process's name, or NULL */
    WaySide side;
    size_t (*run)(GooAllocator *a, size_t count);  /* at least `count` operations; how many, or 0 */
    bool (*measure)(GooAllocator *a, double *out); /* instead: all figures at once; false: failed */
    void (*prepare)(GooAllocator *a);              /* before passes, not timed; NULL: nothing */
    void (*finish)(GooAllocator *a);               /* after them */
    GooAllocator *(*open)(void);                   /* NULL: no allocator is needed */
    Target target;                                 /* of the first figure */
} Way;

/* A column. Of ways that run, the first is processor time, the second time by the clock. */
typedef struct Figure {
    const char *name; /* NULL: the workload's own */
    const char *unit;
} Figure;

enum { FIGURES_MAX = 6, SIZES_MAX = 6 };

typedef struct Workload {
    const char *name;
    const char *what; /* and what one operation is */
    const Way *ways;
    size_t way_count;
    const Figure *figures; /* NULL: ns of processor time for an operation */
    size_t figure_count;
    const char *size_unit;   /* of what the cost may grow with; NULL: it has one size */
    size_t sizes[SIZES_MAX]; /* least first */
    size_t quick_sizes;      /* how many of them --quick takes */
    size_t check_size;       /* the one that --test takes; 0: the least */
    size_t target_size;      /* the one that targets are for; 0: all */
    size_t least_count;      /* operations of one pass, at least */
    size_t rounds_most;      /* 0: no limit of its own */
    bool is_fresh;           /* each sample is a process of its own */
} Workload;

/* The size that this process serves, and the sum of what the last pass found. */
extern size_t way_size;
extern uint64_t way_found;

/* Rows that others are compared with: the first process's malloc, and Goo's system allocator. */
#define WAY_LIBC "libc"
#define WAY_SYSTEM "goo system, front door"

extern const Workload workload_bump, workload_pair, workload_batch, workload_random;
extern const Workload workload_threads, workload_phases, workload_bundle;
extern const Workload workload_churn, workload_trees, workload_grow;
extern const Workload workload_server, workload_messages;
extern const Workload workload_scatter, workload_large, workload_start;

/* Allocators that several workloads open. */
GooAllocator *open_system(void);
GooAllocator *open_tracking_allocator(void);
GooAllocator *open_debug(void);
GooAllocator *open_debug_sampled(void);

typedef void *TakeFn(GooAllocator *a, size_t size);
typedef void GiveFn(GooAllocator *a, void *ptr, size_t size);

ALWAYS_INLINE void *take_malloc(GooAllocator *a, size_t size) {
    (void)a;
    return malloc(size);
}

ALWAYS_INLINE void give_malloc(GooAllocator *a, void *ptr, size_t size) {
    (void)a;
    (void)size;
    free(ptr);
}

ALWAYS_INLINE void *take_front_door(GooAllocator *a, size_t size) {
    return goo_memory_alloc_with(a, size);
}

ALWAYS_INLINE void give_front_door(GooAllocator *a, void *ptr, size_t size) {
    goo_memory_free_with(a, ptr, size);
}

ALWAYS_INLINE void *take_legacy(GooAllocator *a, size_t size) {
    (void)a;
    return goo_alloc(size);
}

ALWAYS_INLINE void give_legacy(GooAllocator *a, void *ptr, size_t size) {
    (void)a;
    (void)size;
    goo_free(ptr);
}

/* Writes a block's first word, as a program does that fills in what it allocated, and keeps the
 * compiler from seeing through it. A whole word, since a byte that is read back as part of a word
 * stalls the processor for ten times what is measured here. */
ALWAYS_INLINE void touch(void *ptr, uintptr_t word) {
    memcpy(ptr, &word, sizeof word);
    __asm__ volatile("" : : "r"(ptr) : "memory");
}

/* The same sequence of sizes and choices for every way. */
ALWAYS_INLINE uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

#define RANDOM_SEED UINT64_C(0x9e3779b97f4a7c15)

/* One of `count`, by the upper half of random bits. */
ALWAYS_INLINE size_t random_index(uint64_t bits, size_t count) {
    return (size_t)((bits >> 32) * count >> 32);
}

/* Rows: over malloc, and of Goo's process with what is asked of them, if anything. */
#define WAY_OF_MALLOC(run_)                                                                        \
    { .side = WAY_MALLOC, .run = run_ }
#define WAY_OF_GOO(name_, run_, open_, ...)                                                        \
    {                                                                                              \
        .name = name_, .side = WAY_GOO, .run = run_, .open = open_, .target = { __VA_ARGS__ }      \
    }
#define NO_TARGET TARGET_NONE, 0, NULL, 0
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
