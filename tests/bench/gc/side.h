/* What a program of `bench gc` asks of memory, the same for each side. The programs are written
 * once over these calls and compiled for each side with one of BENCH_SIDE_GOO, _BOEHM, _WHIPPET,
 * _MALLOC, whose header defines them inline:
 *
 *   side_node(size)                a zeroed object that begins with Workload.links references
 *   side_leaf(size)                an object without references, contents indeterminate
 *   side_array(count)              a zeroed array of references
 *   side_link(object, slot, value) stores a reference into an object
 *   side_owned(owner, size)        a block of the C heap that lives as long as an object does
 *   side_table_...                 a table of facts about keys that it does not keep alive
 *   side_forget()                  something large has been dropped
 *
 * What is said where a program knows that something is dead does nothing on the sides that collect:
 * side_free(object), side_owned_free(block), side_table_remove(table, key), which gives back the
 * value that it held, and side_table_free(table). Walks that only free are under SIDE_FREES, which
 * is true on the explicit side; there nothing is left at the end.
 *
 * Sizes are constants where they can be, so that each side's inline form folds. Locals are roots on
 * every side: both collectors scan the stack. Where there is no memory the process ends with
 * SIDE_EXHAUSTED, which the benchmark reports as that side's result.
 */
#ifndef GOO_TESTS_BENCH_GC_SIDE_H
#define GOO_TESTS_BENCH_GC_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_EXHAUSTED = 3 };

/* An array of references; `head` is for sides whose arrays have a header. */
typedef struct SideArray {
    const void *head;
    void *items[];
} SideArray;

typedef struct SidePlan {
    size_t heap_bytes; /* all that the heap may use, its tables included */
    unsigned markers;  /* 0: the side's default */
    size_t links;      /* with which every object of side_node begins */
} SidePlan;

bool side_open(const SidePlan *plan);
uint64_t side_collections(void);
/* Name and version of what serves. */
const char *side_name(void);
void side_close(void);

static inline void side_exhausted(void) {
    _Exit(SIDE_EXHAUSTED);
}

#if defined(__GNUC__)
#define SIDE_UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define SIDE_UNLIKELY(x) (x)
#endif

/* Overwrites what calls left on the stack. Without it the next frames, which do not write all of
 * their words, kept a dropped tree alive while the next one was made, on both collectors. */
#if defined(__GNUC__)
__attribute__((noinline, unused))
#endif
static void
side_forget(void) {
    volatile char below[4096];
    for (size_t i = 0; i < sizeof below; i++) {
        below[i] = 0;
    }
}

#if defined(BENCH_SIDE_GOO) || defined(BENCH_SIDE_BOEHM) || defined(BENCH_SIDE_WHIPPET)
enum { SIDE_FREES = false };

static inline void side_free(void *object) {
    (void)object;
}

static inline void side_owned_free(void *block) {
    (void)block;
}

typedef struct SideTable SideTable;

static inline void *side_table_remove(SideTable *table, const void *key) {
    (void)table;
    (void)key;
    return NULL;
}

static inline void side_table_free(SideTable *table) {
    (void)table;
}
#else
enum { SIDE_FREES = true };
#endif

#if defined(BENCH_SIDE_GOO)
#include "tests/bench/gc/side_goo.h"
#elif defined(BENCH_SIDE_BOEHM)
#include "tests/bench/gc/side_boehm.h"
#elif defined(BENCH_SIDE_WHIPPET)
#include "tests/bench/gc/side_whippet.h"
#else
#include "tests/bench/gc/side_malloc.h"
#endif

#endif
