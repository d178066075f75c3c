/* What the files of bench_alloc share: ways to do a workload, and the workloads themselves.
 *
 *     Workload   "pair"         one loop of a program
 *       Way      "goo pool"     that loop over one kind of allocation: a row of the table
 *
 * A workload is written once, as a function that is always inlined and takes two functions, one to
 * allocate and one to free; each way is that function with two others, so that every way runs the
 * same program and calls what it measures as a program would: malloc through the linker, Goo's
 * front door as a call, inline forms inline.
 *
 * Threads: each process has one, but for the workload that starts a second itself.
 */
#ifndef GOO_TESTS_BENCH_ALLOC_WAY_H
#define GOO_TESTS_BENCH_ALLOC_WAY_H

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
    const char *name; /* NULL for WAY_MALLOC: the row has the process's name */
    WaySide side;
    size_t (*run)(GooAllocator *a, size_t count); /* at least `count` operations; how many */
    GooAllocator *(*open)(void);                  /* NULL: none is needed */
    Target target;
} Way;

typedef struct Workload {
    const char *name;
    const char *what; /* and what one operation is */
    const Way *ways;
    size_t way_count;
    size_t least_count; /* operations of one pass, at least */
} Workload;

/* Rows that others are compared with: the first process's malloc, and Goo's system allocator. */
#define WAY_LIBC "libc"
#define WAY_SYSTEM "goo system, front door"

extern const Workload workload_bump, workload_pair, workload_batch, workload_random;
extern const Workload workload_threads, workload_phases, workload_bundle;
extern const Workload workload_churn, workload_trees, workload_grow;

/* Allocators that several workloads open. */
GooAllocator *open_system(void);
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

/* A way over malloc, and the open functions of a Goo way. */
#define WAY_OF_MALLOC(run)                                                                         \
    {                                                                                              \
        NULL, WAY_MALLOC, run, NULL, {                                                             \
            TARGET_NONE, 0, NULL, 0                                                                \
        }                                                                                          \
    }
#define NO_TARGET                                                                                  \
    { TARGET_NONE, 0, NULL, 0 }
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
