/* bench_mark: what marking costs per object, in ordered and in shuffled heaps.
 *
 * The heap is a ternary tree of equal objects with three plain pointers each. Ordered: its nodes
 * lie in memory in the order of a walk from the root, as a program that builds a tree top down
 * leaves them. Shuffled: every node at a random place. Each round is one full collection of the
 * whole, living tree; the figure is the collector's own marking time divided by the number of
 * objects. One heap is marked by one thread, its twin by two, in turns: first with the process on
 * one core, which shows what a second marker costs there, then with both, where the one thread runs
 * on either core in turn, as cores of a shared machine differ.
 *
 *     gain = 2 / (time of two markers x (1 / time on one core + 1 / time on the other))
 *
 *     order[0 … n)  objects in memory order, or shuffled
 *     link(n)       takes nodes from `order` in the order of the walk
 */
#define _GNU_SOURCE
#include <sched.h>

#include "tests/bench/bench.h"

#include "goo/gc/inline.h"
#include "goo/gc/inspect.h"

enum { ROUNDS = 11, ROUNDS_QUICK = 5, SMALL = 100000, TIMES_SMALL = 4 };
enum { ROUNDS_MAX = ROUNDS * TIMES_SMALL };

typedef struct Node {
    const GooGcType *type;
    struct Node *kids[3];
} Node;

typedef struct Case {
    const char *name;
    size_t count, size;
    bool shuffled;
} Case;

static const Case cases[] = {
    {"100,000 x 48 bytes, ordered", 100000, 48, false},
    {"100,000 x 48 bytes, shuffled", 100000, 48, true},
    {"1.4 million x 48 bytes, ordered", 1400000, 48, false},
    {"1.4 million x 48 bytes, shuffled", 1400000, 48, true},
    {"8 million x 48 bytes, ordered", 8000000, 48, false},
    {"8 million x 48 bytes, shuffled", 8000000, 48, true},
    {"8 million x 64 bytes, ordered", 8000000, 64, false},
    {"8 million x 64 bytes, shuffled", 8000000, 64, true},
};

static const uint64_t node_pointers[] = {2 | 4 | 8};

static uint64_t random_bits(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void shuffle(Node **order, size_t count) {
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = (size_t)(random_bits(&seed) % (i + 1));
        Node *other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
}

/* Links the next `count` nodes of *order into a tree and returns its root. Its depth is the
 * logarithm of count, so it may recurse. */
static Node *link_tree(Node ***order, size_t count) {
    Node *root = *(*order)++;
    count--;
    for (size_t k = 0; k < 3 && count > 0; k++) {
        size_t share = k == 2 ? count : count / (3 - k);
        if (share > 0) {
            root->kids[k] = link_tree(order, share);
            count -= share;
        }
    }
    return root;
}

static Node *build(GooGcMutator *m, const Case *c, const GooGcType *type) {
    Node **order = malloc(c->count * sizeof *order);
    if (order == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < c->count; i++) {
        order[i] = goo_gc_alloc(m, type, c->size);
        if (order[i] == NULL) {
            free(order);
            return NULL;
        }
    }
    if (c->shuffled) {
        shuffle(order, c->count);
    }
    Node **next = order;
    Node *root = link_tree(&next, c->count);
    free(order);
    return root;
}

typedef struct Grown {
    GooGcType type;
    GooGcHeap *heap;
    GooGcMutator *m;
    Node *root;
} Grown;

static bool grow(Grown *g, const Case *c, uint32_t markers) {
    g->type = (GooGcType){.name = "node",
                          .size = c->size,
                          .layout = GOO_GC_LAYOUT_BITMAP,
                          .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                          .bitmap = node_pointers,
                          .bitmap_words = 1};
    GooGcOptions options = goo_gc_default_options();
    options.marker_threads = markers;
    g->heap = goo_gc_heap_create(&options);
    g->m = goo_gc_attach(g->heap);
    goo_gc_disable(g->heap);
    g->root = g->m == NULL ? NULL : build(g->m, c, &g->type);
    if (g->root == NULL || goo_gc_root_add_pointer(g->heap, &g->root) != GOO_OK) {
        fprintf(stderr, "bench_mark: no memory for %s\n", c->name);
        return false;
    }
    goo_gc_collect(g->m, GOO_GC_FULL);
    return true;
}

/* --- cores --- */

enum { EITHER = -1 };

static cpu_set_t all_cores;

/* The calling thread, and those it starts, on the first or second core that there is, or on either.
 * False: there is no such core. */
static bool run_on(int which) {
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int core = 0; which >= 0 && core < CPU_SETSIZE; core++) {
        if (CPU_ISSET(core, &all_cores) && which-- == 0) {
            CPU_SET(core, &one);
        }
    }
    cpu_set_t *cores = CPU_COUNT(&one) == 0 ? &all_cores : &one;
    return which < 0 && sched_setaffinity(0, sizeof *cores, cores) == 0;
}

/* --- measuring --- */

/* Nanoseconds an object. The collection before leaves in the caches what fits of this heap. */
static double mark_once(Grown *g, size_t count) {
    goo_gc_collect(g->m, GOO_GC_FULL);
    uint64_t before = goo_gc_get_stats(g->heap).mark_ns;
    goo_gc_collect(g->m, GOO_GC_FULL);
    return (double)(goo_gc_get_stats(g->heap).mark_ns - before) / (double)count;
}

static bool finish(Grown *g, const Case *c) {
    bool complete = goo_gc_get_stats(g->heap).objects_live == c->count;
    goo_gc_heap_destroy(g->heap);
    if (!complete) {
        fprintf(stderr, "bench_mark: %s: objects were lost\n", c->name);
    }
    return complete;
}

/* One marker and two: on one core, or on both. */
typedef struct Pair {
    double one[2][ROUNDS_MAX]; /* by the core that it ran on */
    double two[ROUNDS_MAX], ratio[ROUNDS_MAX];
    BenchSpread first, second, both, cost;
} Pair;

/* Two neighbours in time are compared, so that others on the machine trouble both alike. */
static void measure_rounds(Pair *p, Grown *one, Grown *two, size_t count, size_t rounds,
                           bool both) {
    for (size_t i = 0; i < rounds; i++) {
        for (int core = 0; core < (both ? 2 : 1); core++) {
            run_on(core);
            p->one[core][i] = mark_once(one, count);
        }
        run_on(both ? EITHER : 0);
        p->two[i] = mark_once(two, count);
        p->ratio[i] = p->two[i] / p->one[0][i];
    }
    p->first = bench_spread(p->one[0], rounds);
    p->second = both ? bench_spread(p->one[1], rounds) : p->first;
    p->both = bench_spread(p->two, rounds);
    p->cost = bench_spread(p->ratio, rounds);
}

/* The heaps are made where they are marked: helpers stay on the cores that started them. */
static bool measure_pair(Pair *p, const Case *c, size_t rounds, bool both) {
    static Grown one, two;
    run_on(both ? EITHER : 0);
    if (!grow(&one, c, 1) || !grow(&two, c, 2)) {
        return false;
    }
    measure_rounds(p, &one, &two, c->count, rounds, both);
    bool complete = finish(&one, c);
    return finish(&two, c) && complete;
}

static void report_row(const Case *c, size_t rounds, const char *subject, BenchSpread value) {
    char name[40];
    const char *order = c->shuffled ? "shuffled" : "ordered";
    snprintf(name, sizeof name, "mark, %zu bytes, %s", c->size, order);
    BenchRow row = {.workload = name,
                    .subject = subject,
                    .unit = "ns per object",
                    .value = value,
                    .rounds = rounds,
                    .size = (double)c->count,
                    .size_unit = "objects"};
    bench_row(&row);
}

static bool measure(const Case *c, size_t rounds, bool two_cores) {
    static Pair alone, together;
    if (!measure_pair(&alone, c, rounds, false) ||
        (two_cores && !measure_pair(&together, c, rounds, true))) {
        return false;
    }
    double cost = (alone.cost.median - 1) * 100;
    if (!two_cores) {
        printf("%-34s %7.2f %7s  %7s %7s %7s  %6s  %+6.1f %%\n", c->name, alone.first.median, "-",
               "-", "-", "-", "-", cost);
        report_row(c, rounds, "goo, 1 marker", alone.first);
        return true;
    }
    double a = together.first.median, b = together.second.median;
    printf("%-34s %7.2f %7.2f  %7.2f %7.2f %7.2f  %6.2f  %+6.1f %%\n", c->name, a, b,
           together.both.median, together.both.least, together.both.most,
           2 / (together.both.median * (1 / a + 1 / b)), cost);
    report_row(c, rounds, "goo, 1 marker", a < b ? together.first : together.second);
    report_row(c, rounds, "goo, 2 markers", together.both);
    report_row(c, rounds, "goo, 2 markers on one core", alone.both);
    return true;
}

int main(int argc, char **argv) {
    bool quick;
    int status = 0;
    if (!bench_parse(argc, argv,
                     "usage: bench_mark [--quick]\n"
                     "Marking time per object of full collections, ordered and shuffled heaps.\n"
                     "  --quick  fewer rounds, and without the largest heaps\n",
                     &quick, &status)) {
        return status;
    }
    bench_print_machine();
    if (sched_getaffinity(0, sizeof all_cores, &all_cores) != 0) {
        fprintf(stderr, "bench_mark: no word on which cores there are\n");
        return 1;
    }
    bool two_cores = run_on(1);
    printf("%-34s %7s %7s  %7s %7s %7s  %6s  %s\n", "living tree, ns per object", "core 1",
           "core 2", "both", "least", "most", "gain", "2 markers on 1");
    size_t count = sizeof cases / sizeof cases[0] - (quick ? 4 : 0);
    for (size_t i = 0; i < count; i++) {
        size_t rounds = quick ? ROUNDS_QUICK : ROUNDS;
        rounds *= cases[i].count <= SMALL ? TIMES_SMALL : 1;
        if (!measure(&cases[i], rounds, two_cores)) {
            return 1;
        }
        bench_progress(i + 1, count);
    }
    return 0;
}
