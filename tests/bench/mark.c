/* bench_mark: what marking costs per object, in ordered and in shuffled heaps.
 *
 * The heap is a ternary tree of equal objects with three plain pointers each. Ordered: its nodes
 * lie in memory in the order of a walk from the root, as a program that builds a tree top down
 * leaves them. Shuffled: every node at a random place. Each round is one full collection of the
 * whole, living tree; the figure is the collector's own marking time divided by the number of
 * objects. One heap is marked by one thread, its twin by two, in turns.
 *
 *     order[0 … n)  objects in memory order, or shuffled
 *     link(n)       takes nodes from `order` in the order of the walk
 */
#define _DEFAULT_SOURCE
#include "tests/bench/bench.h"

#include "goo/gc/inline.h"
#include "goo/gc/inspect.h"

enum { ROUNDS_MAX = 15, DEPTH_MAX = 64 };

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
    double samples[ROUNDS_MAX];
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

static void mark_once(Grown *g, size_t count, size_t round) {
    uint64_t before = goo_gc_get_stats(g->heap).mark_ns;
    goo_gc_collect(g->m, GOO_GC_FULL);
    uint64_t spent = goo_gc_get_stats(g->heap).mark_ns - before;
    g->samples[round] = (double)spent / (double)count;
}

static bool finish(Grown *g, const Case *c, size_t rounds, BenchSpread *out) {
    bool complete = goo_gc_get_stats(g->heap).objects_live == c->count;
    *out = bench_spread(g->samples, rounds);
    goo_gc_heap_destroy(g->heap);
    if (!complete) {
        fprintf(stderr, "bench_mark: %s: objects were lost\n", c->name);
    }
    return complete;
}

static void report_rows(const Case *c, size_t rounds, BenchSpread one, BenchSpread two) {
    BenchRow row = {.workload = c->shuffled ? "mark, shuffled" : "mark, ordered",
                    .subject = "goo, 1 marker",
                    .unit = "ns per object",
                    .value = one,
                    .rounds = rounds,
                    .size = (double)c->count,
                    .size_unit = "objects"};
    bench_row(&row);
    row.subject = "goo, 2 markers";
    row.value = two;
    bench_row(&row);
}

static bool measure(const Case *c, size_t rounds) {
    static Grown one, two;
    BenchSpread s, t;
    if (!grow(&one, c, 1) || !grow(&two, c, 2)) {
        return false;
    }
    for (size_t i = 0; i < rounds; i++) {
        mark_once(&one, c->count, i);
        mark_once(&two, c->count, i);
    }
    bool complete = finish(&one, c, rounds, &s);
    complete &= finish(&two, c, rounds, &t);
    printf("%-34s %7.2f %7.2f %7.2f  %7.2f %7.2f %7.2f  %6.2f\n", c->name, s.median, s.least,
           s.most, t.median, t.least, t.most, s.median / t.median);
    report_rows(c, rounds, s, t);
    return complete;
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
    printf("%-34s %7s %7s %7s  %7s %7s %7s  %6s\n", "living tree, ns per object", "1 thread",
           "least", "most", "2", "least", "most", "gain");
    size_t count = sizeof cases / sizeof cases[0] - (quick ? 2 : 0);
    for (size_t i = 0; i < count; i++) {
        if (!measure(&cases[i], quick ? 5 : 11)) {
            return 1;
        }
        bench_progress(i + 1, count);
    }
    return 0;
}
