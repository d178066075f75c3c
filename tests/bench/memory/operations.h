/* The operations of bench_memory: the library's call, its rivals and whether the call is right.
 *
 * Every side is a loop of calls over the same ranges. A new operation is one more entry in
 * operations.c.
 */
#ifndef GOO_TESTS_BENCH_MEMORY_OPERATIONS_H
#define GOO_TESTS_BENCH_MEMORY_OPERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RIVALS_MAX = 3 };

typedef struct Cell {
    uint8_t *a, *b;
    size_t size;
} Cell;

/* Calls an operation `count` times. */
typedef void CallFn(const Cell *cell, size_t count);

typedef struct Rival {
    const char *name;
    CallFn *call;
    bool aligned_only;
} Rival;

typedef struct Operation {
    const char *name;
    const char *what;
    CallFn *call;
    Rival rivals[RIVALS_MAX]; /* as many as have a name */
    size_t ranges;            /* 1: a only; 2: a and b */
    size_t unit;              /* sizes are multiples of it */
    bool (*right)(const Cell *cell);
} Operation;

extern const Operation operations[];
extern const size_t operation_count;

#endif
