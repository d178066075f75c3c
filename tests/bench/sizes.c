/* bench_sizes: what a collected object costs, with its zeroing, its metadata and collections.
 *
 * Leaves of 64 bytes, and of random sizes from 16 to 512, with 0, 10,000 and 100,000 of them alive;
 * the heap grows to twice what lives (sizes/loop.h). Beside it:
 *
 *     program alone    the same turns without an allocation: what is taken off the others
 *     bump, zeroed     a cursor through twice what lives, and memset: nothing less hands out zeroed
 *                      memory an object at a time
 *     libc             malloc, and free of what is replaced; not zeroed
 *     Boehm            GC_malloc_atomic, which does not zero, and GC_malloc, which does and scans
 *
 * Each figure is processor time of a process of its own, with one marker; sides take turns in every
 * round. The verdict is on what is left when the program's time of the same round is taken off.
 */
#define _DEFAULT_SOURCE
#include "tests/bench/bench.h"
#include "tests/bench/sizes/loop.h"

#include <sys/wait.h>
#include <unistd.h>

#include "goo/gc/inline.h"
#include "goo/gc/inspect.h"

enum { ROUNDS_MAX = 15, SIDES_MAX = 8, MEGABYTE = 1 << 20 };

static const SizesCase cases[] = {
    {"64 bytes, dropped", 0, 64, 64, 3},
    {"64 bytes, 10,000 live", 10000, 64, 64, 0},
    {"64 bytes, 100,000 live", 100000, 64, 64, 0},
    {"16-512 bytes, dropped", 0, 16, 512, 12},
    {"16-512 bytes, 10,000 live", 10000, 16, 512, 12},
    {"16-512 bytes, 100,000 live", 100000, 16, 512, 12},
};

static size_t case_live_bytes(const SizesCase *c) {
    return c->live * (c->least + c->most) / 2;
}

/* --- the sides --- */

static void *take_nothing(void *state, size_t size, void *old) {
    (void)state;
    (void)old;
    return (void *)size; /* never followed */
}

static SizesResult side_program(const SizesCase *c, size_t count) {
    void **table = calloc(c->live + 1, sizeof *table);
    double ns = table == NULL ? -1 : sizes_measure(c, table, count, take_nothing, NULL);
    free(table);
    return (SizesResult){ns, 0};
}

typedef struct Bump {
    char *start, *cursor, *end;
} Bump;

static void *take_bump(void *state, size_t size, void *old) {
    Bump *bump = state;
    (void)old;
    size_t rounded = (size + 15) & ~(size_t)15;
    if ((size_t)(bump->end - bump->cursor) < rounded) {
        bump->cursor = bump->start;
    }
    char *object = bump->cursor;
    bump->cursor += rounded;
    return memset(object, 0, size);
}

static SizesResult side_bump(const SizesCase *c, size_t count) {
    size_t bytes = 2 * case_live_bytes(c) + MEGABYTE;
    void **table = calloc(c->live + 1, sizeof *table);
    char *memory = malloc(bytes);
    double ns = -1;
    if (table != NULL && memory != NULL) {
        memset(memory, 1, bytes);
        Bump bump = {memory, memory, memory + bytes};
        ns = sizes_measure(c, table, count, take_bump, &bump);
    }
    free(memory);
    free(table);
    return (SizesResult){ns, bytes};
}

static void *take_libc(void *state, size_t size, void *old) {
    (void)state;
    free(old);
    return malloc(size);
}

static SizesResult side_libc(const SizesCase *c, size_t count) {
    void **table = calloc(c->live + 1, sizeof *table);
    double ns = table == NULL ? -1 : sizes_measure(c, table, count, take_libc, NULL);
    return (SizesResult){ns, 0};
}

static const GooGcType table_type = {.name = "table",
                                     .layout = GOO_GC_LAYOUT_ARRAY,
                                     .flags = GOO_GC_TYPE_ARRAY_POINTERS,
                                     .array_offset = sizeof(void *)};

static void *take_goo(void *state, size_t size, void *old) {
    (void)old;
    return goo_gc_alloc_leaf((GooGcMutator *)state, size);
}

static SizesResult side_goo(const SizesCase *c, size_t count) {
    GooGcOptions options = goo_gc_default_options();
    options.marker_threads = 1;
    GooGcHeap *heap = goo_gc_heap_create(&options);
    GooGcMutator *m = goo_gc_attach(heap);
    void **table = m == NULL ? NULL : goo_gc_alloc(m, &table_type, (c->live + 2) * sizeof *table);
    if (table == NULL || goo_gc_root_add_pointer(heap, &table) != GOO_OK) {
        return (SizesResult){-1, 0};
    }
    double ns = sizes_measure(c, table + 1, count, take_goo, m);
    size_t bytes = goo_gc_get_stats(heap).heap_bytes;
    goo_gc_heap_destroy(heap);
    return (SizesResult){ns, bytes};
}

typedef struct Side {
    const char *name;
    BenchRole role;
    SizesResult (*run)(const SizesCase *c, size_t count);
} Side;

static const Side sides[] = {
    {"program alone", BENCH_BARE, side_program},
    {"bump, zeroed", BENCH_BARE, side_bump},
    {"goo", BENCH_GOO, side_goo},
#if defined(BENCH_SIZES_BOEHM)
    {"Boehm, atomic", BENCH_PEER, sizes_boehm_atomic},
    {"Boehm", BENCH_PEER, sizes_boehm},
#endif
    {"libc", BENCH_PEER, side_libc},
};
enum { SIDES = sizeof sides / sizeof sides[0] };

/* --- a run is a process --- */

static SizesResult run_apart(const Side *side, const SizesCase *c, size_t count) {
    SizesResult result = {-1, 0};
    int ends[2];
    if (pipe(ends) != 0) {
        return result;
    }
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        result = side->run(c, count);
        _exit(write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
    }
    close(ends[1]);
    if (child < 0 || read(ends[0], &result, sizeof result) != sizeof result) {
        result.ns = -1;
    }
    close(ends[0]);
    if (child > 0) {
        waitpid(child, NULL, 0);
    }
    return result;
}

/* --- the table --- */

static void report(const SizesCase *c, const Side *side, double *ns, double *net, size_t rounds,
                   size_t heap_bytes) {
    BenchSpread whole = bench_spread(ns, rounds), rest = bench_spread(net, rounds);
    const char *verdict = NULL;
    if (side->role == BENCH_GOO && c->target_ns != 0) {
        verdict = rest.median <= c->target_ns ? "met" : "SHORT";
    }
    printf("%-28s %-14s %7.2f %7.2f - %7.2f  %7.2f", c->name, side->name, whole.median, whole.least,
           whole.most, rest.median);
    if (heap_bytes != 0 && c->live != 0) {
        printf("  %5.2f", (double)heap_bytes / (double)case_live_bytes(c));
    } else {
        printf("  %5s", "");
    }
    if (verdict != NULL) {
        printf("  %s: %.0f", verdict, c->target_ns);
    }
    putchar('\n');
    bench_row(&(BenchRow){.workload = c->name,
                          .subject = side->name,
                          .unit = "ns per object",
                          .role = side->role,
                          .value = whole,
                          .rounds = rounds,
                          .verdict = verdict});
}

static bool measure(const SizesCase *c, size_t rounds) {
    static double ns[SIDES_MAX][ROUNDS_MAX], net[SIDES_MAX][ROUNDS_MAX];
    size_t heap_bytes[SIDES_MAX] = {0}, count = 400000 + 4 * c->live;
    for (size_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < SIDES; i++) {
            size_t s = (i + r) % SIDES;
            SizesResult result = run_apart(&sides[s], c, count);
            if (result.ns < 0) {
                fprintf(stderr, "bench_sizes: %s, %s: no memory\n", c->name, sides[s].name);
                return false;
            }
            ns[s][r] = result.ns;
            heap_bytes[s] = result.heap_bytes;
        }
        for (size_t s = 0; s < SIDES; s++) {
            net[s][r] = ns[s][r] - ns[0][r];
        }
    }
    for (size_t s = 0; s < SIDES; s++) {
        report(c, &sides[s], ns[s], net[s], rounds, heap_bytes[s]);
    }
    return true;
}

int main(int argc, char **argv) {
    bool quick;
    int status = 0;
    if (!bench_parse(argc, argv,
                     "usage: bench_sizes [--quick]\n"
                     "Leaves of 64 bytes and of 16 to 512, collections included, per object.\n"
                     "  --quick  fewer rounds\n",
                     &quick, &status)) {
        return status;
    }
    bench_print_machine();
    printf("%-28s %-14s %7s %17s  %7s  %5s  %s\n", "ns of processor time per object", "side",
           "median", "least - most", "less", "heap", "verdict: asked, on what is left");
    printf("%-28s %-14s %7s %17s  %7s  %5s\n", "", "", "", "", "program", "/live");
    size_t count = sizeof cases / sizeof cases[0];
    for (size_t i = 0; i < count; i++) {
        if (!measure(&cases[i], quick ? 3 : ROUNDS_MAX)) {
            return 1;
        }
        bench_progress(i + 1, count);
    }
    return 0;
}
