/* bench_sweep: what the kernels cost, level by level. Uses private headers.
 *
 * One measure is one piece of work that every level does on the same data. A round takes one sample
 * of every level, one after the other, starting with another one each time, so that a slow spell of
 * the machine meets all of them.
 *
 *     for each measure
 *         for each round
 *             for each level: restore the data (not timed), run (timed)
 *
 * A sweep destroys what it works on, so each run needs fresh tables. They are copied from pristine
 * ones before the clock starts, a batch at a time: 32 tables of 4 KiB, which then lie in the
 * second-level cache, and the two clock readings are spread over 32 blocks. The pristine tables are
 * 256 different ones, more than a branch predictor remembers.
 *
 * A sample in a cache is the best of four passes, so that an interruption costs a pass and not the
 * sample. The median and the range are over the samples of the rounds.
 *
 * For memory the table is 128 MiB (the metadata of 2 GiB of heap), and after it is restored a
 * buffer as large is read, so that neither the table nor dirty lines of it are left in any cache.
 * It is swept in 64 pieces; the sample is the median piece.
 *
 * tests/bench/README.md says how to read the result.
 */
#define _DEFAULT_SOURCE
#include "runtime/kernels/kernels.h"
#include "tests/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    GRANULES = 4096, /* of a 64 KiB block */
    OBJECT_GRANULES = 3,
    BATCH = 32,
    PRISTINE = 8 * BATCH,
    WORDS = 16384,
    PIECE = 1024,
    COLOUR = 0x07,
    MARK = 3,
    END = 0x08,
    ROUNDS = 15,
    ROUNDS_MAX = 64,
    MEMORY_PIECES = 64,
    LEVELS = GOO_SIMD_WASM128 + 1
};

typedef struct Options {
    size_t rounds, repeats, memory_bytes;
} Options;

/* Everything that samples work on. */
static struct Data {
    Options options;
    uint8_t *pristine, *tables, *memory, *scrub;
    GooiHole holes[GRANULES / 2 + 8];
    uint64_t map[GRANULES / 64];
    uint64_t words[WORDS], out[WORDS + 8];
    const GooiReferenceFilter *filter;
    size_t piece;  /* words filtered at a time */
    uint8_t *edge; /* the end of a page, before one that is absent */
    uint64_t seed;
    unsigned share; /* of words that pass, in % */
    size_t zeros;   /* bytes for is_zero, and before the edge */
} data;

static volatile size_t sink; /* keeps results alive */

typedef struct Measure {
    const char *name, *unit;
    bool higher_is_better;
    size_t member; /* the kernel measured: offset in GooiKernels */
    void (*prepare)(unsigned share);
    double (*sample)(const GooiKernels *k);
    unsigned share; /* live objects or passing words, in %; or bytes */
} Measure;

static uint64_t random_bits(void) {
    data.seed ^= data.seed >> 12;
    data.seed ^= data.seed << 25;
    data.seed ^= data.seed >> 27;
    return data.seed * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

static uint8_t *map_bytes(size_t size) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        fprintf(stderr, "bench_sweep: no memory for %zu bytes\n", size);
        exit(1);
    }
#if defined(MADV_HUGEPAGE)
    madvise(p, size, MADV_HUGEPAGE); /* as the collector does for its slabs; may be refused */
#endif
    memset(p, 1, size);
    return p;
}

/* Tables full of objects of `granules`, `share` % of them marked, the others dead. */
static void prepare_objects(size_t granules, unsigned share) {
    memset(data.pristine, 0, PRISTINE * GRANULES);
    for (size_t b = 0; b < PRISTINE; b++) {
        uint8_t *table = data.pristine + b * GRANULES;
        for (size_t i = 0; i + granules <= GRANULES; i += granules) {
            table[i] = random_bits() % 100 < share ? MARK : 1;
            table[i + granules - 1] = END;
        }
    }
}

static void prepare_tables(unsigned share) {
    prepare_objects(OBJECT_GRANULES, share);
}

static void prepare_large(unsigned share) {
    prepare_objects(64, share);
}

/* Tables for sample_memory: the same ones over and over. */
static void prepare_memory(unsigned share) {
    prepare_tables(share);
    if (data.memory == NULL) {
        data.memory = map_bytes(data.options.memory_bytes);
        data.scrub = map_bytes(data.options.memory_bytes);
    }
}

static void prepare_bytes(unsigned size) {
    data.zeros = size;
    memset(data.tables, 0, BATCH * GRANULES);
}

/* Words of three encodings: a heap of 64 MiB, and what tells its references. */
static const GooiReferenceFilter plain_pointers = {0, 0, UINT64_MAX, UINT64_C(0x7f0000000000),
                                                   1 << 26};
static const GooiReferenceFilter boxed_in_nan = {UINT64_C(0xffff) << 48, UINT64_C(0xfffc) << 48,
                                                 (UINT64_C(1) << 48) - 1, UINT64_C(0x7f0000000000),
                                                 1 << 26};
static const GooiReferenceFilter tagged_below = {7, 1, ~UINT64_C(7), UINT64_C(0x7f0000000000),
                                                 1 << 26};

static void prepare_filter(const GooiReferenceFilter *filter, unsigned share, size_t piece) {
    data.filter = filter;
    data.share = share;
    data.piece = piece;
}

static void prepare_words(unsigned share) {
    prepare_filter(&plain_pointers, share, WORDS);
}

static void prepare_boxed(unsigned share) {
    prepare_filter(&boxed_in_nan, share, WORDS);
}

static void prepare_tagged(unsigned share) {
    prepare_filter(&tagged_below, share, WORDS);
}

/* As the collector traces long ranges: what passes is written to the same place each time. */
static void prepare_pieces(unsigned share) {
    prepare_filter(&plain_pointers, share, PIECE);
}

/* Other words each time: the outcomes of the same ones would be learned by a branch predictor. */
static void refresh_words(void) {
    const GooiReferenceFilter *f = data.filter;
    for (size_t i = 0; i < WORDS; i++) {
        uint64_t offset = random_bits() % f->size & ~UINT64_C(15);
        bool inside = random_bits() % 100 < data.share;
        data.words[i] = inside ? (f->base + offset) | f->tag_value : i % 2 == 0 ? offset : ~offset;
    }
}

static void prepare_edge(unsigned size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    data.zeros = size;
    data.filter = &plain_pointers;
    if (data.edge == NULL) {
        data.edge = map_bytes(2 * page) + page;
        munmap(data.edge, page);
    }
}

static double least(double a, double b) {
    return a < b ? a : b;
}

/* ns per block: `work` on every pristine table, a batch at a time. */
static double sample_blocks(const GooiKernels *k, size_t (*work)(const GooiKernels *, uint8_t *)) {
    double best = HUGE_VAL;
    size_t result = 0;
    for (size_t repeat = 0; repeat < data.options.repeats; repeat++) {
        double total = 0;
        for (size_t b = 0; b < PRISTINE; b += BATCH) {
            memcpy(data.tables, data.pristine + b * GRANULES, BATCH * GRANULES);
            double start = bench_now_ns();
            for (size_t i = 0; i < BATCH; i++) {
                result += work(k, data.tables + i * GRANULES);
            }
            total += bench_now_ns() - start;
        }
        best = least(best, total);
    }
    sink = result;
    return best / PRISTINE;
}

static size_t work_sweep(const GooiKernels *k, uint8_t *table) {
    return k->sweep(table, GRANULES, COLOUR, MARK, END, data.map);
}

static size_t work_sweep_and_list(const GooiKernels *k, uint8_t *table) {
    k->sweep(table, GRANULES, COLOUR, MARK, END, data.map);
    return k->list_holes(data.map, GRANULES, 1, data.holes);
}

static size_t work_occupancy(const GooiKernels *k, uint8_t *table) {
    return k->occupancy(table, GRANULES, COLOUR, MARK, END, data.map);
}

static size_t work_count(const GooiKernels *k, uint8_t *table) {
    return k->count_nonzero(table, GRANULES, COLOUR);
}

/* From every eleventh granule back to the start of its object: 372 searches. */
static size_t work_find_start(const GooiKernels *k, uint8_t *table) {
    size_t sum = 0;
    for (size_t i = OBJECT_GRANULES; i < GRANULES; i += 11) {
        sum += k->find_last(table, i, COLOUR);
    }
    return sum;
}

static double sample_sweep(const GooiKernels *k) {
    return sample_blocks(k, work_sweep);
}

static double sample_sweep_and_list(const GooiKernels *k) {
    return sample_blocks(k, work_sweep_and_list);
}

static double sample_occupancy(const GooiKernels *k) {
    return sample_blocks(k, work_occupancy);
}

static double sample_count(const GooiKernels *k) {
    return sample_blocks(k, work_count);
}

static double sample_find_start(const GooiKernels *k) {
    return sample_blocks(k, work_find_start) / (double)((GRANULES - OBJECT_GRANULES + 10) / 11);
}

/* ms per GiB of heap: 64 MiB of table that is in no cache. */
static double sample_memory(const GooiKernels *k) {
    double pieces[MEMORY_PIECES];
    size_t bytes = data.options.memory_bytes, piece = bytes / MEMORY_PIECES, result = 0;
    for (size_t i = 0; i < bytes; i += PRISTINE * GRANULES) {
        memcpy(data.memory + i, data.pristine, PRISTINE * GRANULES);
    }
    for (size_t i = 0; i < bytes; i += 64) {
        result += data.scrub[i];
    }
    for (size_t p = 0; p < MEMORY_PIECES; p++) {
        double start = bench_now_ns();
        for (size_t i = p * piece; i < (p + 1) * piece; i += GRANULES) {
            result += k->sweep(data.memory + i, GRANULES, COLOUR, MARK, END, data.map);
        }
        pieces[p] = bench_now_ns() - start;
    }
    sink = result;
    qsort(pieces, MEMORY_PIECES, sizeof pieces[0], bench_compare);
    return pieces[MEMORY_PIECES / 2] / 1e6 * (1 << 30) / (16.0 * (double)piece);
}

/* GB/s over zero bytes that stay in a cache. */
static double sample_is_zero(const GooiKernels *k) {
    size_t size = data.zeros, count = (1 << 20) / size;
    double best = HUGE_VAL;
    for (size_t repeat = 0; repeat < data.options.repeats; repeat++) {
        size_t zeros = 0;
        double start = bench_now_ns();
        for (size_t i = 0; i < count; i++) {
            zeros += k->is_zero(data.tables, size);
        }
        best = least(best, bench_now_ns() - start);
        if (zeros != count) {
            fprintf(stderr, "bench_sweep: is_zero is wrong\n");
            exit(1);
        }
    }
    return (double)(size * count) / best;
}

/* GB/s of words read from the second-level cache. */
static double sample_filter(const GooiKernels *k) {
    double best = HUGE_VAL;
    size_t found = 0;
    for (size_t repeat = 0; repeat < data.options.repeats; repeat++) {
        refresh_words();
        double start = bench_now_ns();
        for (size_t i = 0; i < WORDS; i += data.piece) {
            found += k->filter_references(data.words + i, data.piece, data.filter, data.out);
        }
        best = least(best, bench_now_ns() - start);
    }
    sink = found;
    return sizeof data.words / best;
}

/* ns for a call of `work` on the last bytes before a page that is absent. */
static double sample_edge(const GooiKernels *k,
                          size_t (*work)(const GooiKernels *, const uint8_t *)) {
    enum { CALLS = 1000 };
    double best = HUGE_VAL;
    size_t result = 0;
    for (size_t repeat = 0; repeat < data.options.repeats; repeat++) {
        double start = bench_now_ns();
        for (size_t i = 0; i < CALLS; i++) {
            result += work(k, data.edge - data.zeros);
        }
        best = least(best, bench_now_ns() - start);
    }
    sink = result;
    return best / CALLS;
}

static size_t work_edge_count(const GooiKernels *k, const uint8_t *bytes) {
    return k->count_nonzero(bytes, data.zeros, COLOUR);
}

static size_t work_edge_find(const GooiKernels *k, const uint8_t *bytes) {
    return k->find_last(bytes, data.zeros, END);
}

static size_t work_edge_filter(const GooiKernels *k, const uint8_t *bytes) {
    return k->filter_references((const uint64_t *)(const void *)bytes, data.zeros / 8, data.filter,
                                data.out);
}

static double sample_edge_count(const GooiKernels *k) {
    return sample_edge(k, work_edge_count);
}

static double sample_edge_find(const GooiKernels *k) {
    return sample_edge(k, work_edge_find);
}

static double sample_edge_filter(const GooiKernels *k) {
    return sample_edge(k, work_edge_filter);
}

#define KERNEL(member) offsetof(GooiKernels, member)

static const Measure measures[] = {
    {"map and clear, in cache, 5 % live", "ns/block", false, KERNEL(sweep), prepare_tables,
     sample_sweep, 5},
    {"map and clear, in cache, 50 % live", "ns/block", false, KERNEL(sweep), prepare_tables,
     sample_sweep, 50},
    {"map and clear, in cache, 95 % live", "ns/block", false, KERNEL(sweep), prepare_tables,
     sample_sweep, 95},
    {"map and clear, from memory, 50 % live", "ms/GiB", false, KERNEL(sweep), prepare_memory,
     sample_memory, 50},
    {"map and clear, from memory, all live", "ms/GiB", false, KERNEL(sweep), prepare_memory,
     sample_memory, 100},
    {"map, clear and list holes, 5 % live", "ns/block", false, KERNEL(list_holes), prepare_tables,
     sample_sweep_and_list, 5},
    {"map, clear and list holes, 50 % live", "ns/block", false, KERNEL(list_holes), prepare_tables,
     sample_sweep_and_list, 50},
    {"map, clear and list holes, 95 % live", "ns/block", false, KERNEL(list_holes), prepare_tables,
     sample_sweep_and_list, 95},
    {"map only, in cache, 50 % live", "ns/block", false, KERNEL(occupancy), prepare_tables,
     sample_occupancy, 50},
    {"count starts, 4096 bytes", "ns/block", false, KERNEL(count_nonzero), prepare_tables,
     sample_count, 50},
    {"find the start of a 48-byte object", "ns/call", false, KERNEL(find_last), prepare_tables,
     sample_find_start, 50},
    {"find the start of a 1 KiB object", "ns/call", false, KERNEL(find_last), prepare_large,
     sample_find_start, 50},
    {"is_zero, 40 bytes", "GB/s", true, KERNEL(is_zero), prepare_bytes, sample_is_zero, 40},
    {"is_zero, 4 KiB in first-level cache", "GB/s", true, KERNEL(is_zero), prepare_bytes,
     sample_is_zero, GRANULES},
    {"is_zero, 128 KiB in cache", "GB/s", true, KERNEL(is_zero), prepare_bytes, sample_is_zero,
     BATCH *GRANULES},
    {"filter references, 2 % pass", "GB/s", true, KERNEL(filter_references), prepare_words,
     sample_filter, 2},
    {"filter references, 25 % pass", "GB/s", true, KERNEL(filter_references), prepare_words,
     sample_filter, 25},
    {"filter references, 75 % pass", "GB/s", true, KERNEL(filter_references), prepare_words,
     sample_filter, 75},
    {"filter references, 1024 at a time, 2 % pass", "GB/s", true, KERNEL(filter_references),
     prepare_pieces, sample_filter, 2},
    {"filter references, 1024 at a time, 25 % pass", "GB/s", true, KERNEL(filter_references),
     prepare_pieces, sample_filter, 25},
    {"filter references, 1024 at a time, 75 % pass", "GB/s", true, KERNEL(filter_references),
     prepare_pieces, sample_filter, 75},
    {"filter references boxed in NaN, 25 % pass", "GB/s", true, KERNEL(filter_references),
     prepare_boxed, sample_filter, 25},
    {"filter references tagged below, 25 % pass", "GB/s", true, KERNEL(filter_references),
     prepare_tagged, sample_filter, 25},
    {"count 40 bytes before an absent page", "ns/call", false, KERNEL(count_nonzero), prepare_edge,
     sample_edge_count, 40},
    {"search 40 bytes before an absent page", "ns/call", false, KERNEL(find_last), prepare_edge,
     sample_edge_find, 40},
    {"filter 20 words before an absent page", "ns/call", false, KERNEL(filter_references),
     prepare_edge, sample_edge_filter, 160},
};

/* One level's samples of one measure, one for each round. */
typedef struct Result {
    double samples[ROUNDS_MAX];
    bool own; /* not the kernel of the level below */
} Result;

static bool same_kernel(const GooiKernels *a, const GooiKernels *b, size_t member) {
    return memcmp((const char *)a + member, (const char *)b + member, sizeof(void (*)(void))) == 0;
}

static void measure(const Measure *m, const GooiKernels *levels, size_t count, Result *results) {
    size_t rounds = data.options.rounds;
    m->prepare(m->share);
    for (size_t level = 0; level < count; level++) {
        results[level].own =
            level == 0 || !same_kernel(&levels[level], &levels[level - 1], m->member);
        m->sample(&levels[level]);
    }
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            size_t level = (i + round) % count;
            results[level].samples[round] = m->sample(&levels[level]);
        }
    }
}

/* Sorts the samples. */
static void print_measure(const Measure *m, const GooiKernels *levels, size_t count,
                          Result *results) {
    size_t rounds = data.options.rounds;
    double scalar = 0;
    printf("\n%s (%s)\n", m->name, m->unit);
    for (size_t level = 0; level < count; level++) {
        BenchSpread s = bench_spread(results[level].samples, rounds);
        scalar = level == 0 ? s.median : scalar;
        double ratio = s.median / scalar;
        printf("  %-8s %10.4g   %9.4g - %-9.4g %7.2f x scalar%s\n",
               goo_simd_name(levels[level].level), s.median, s.least, s.most,
               m->higher_is_better ? ratio : 1 / ratio,
               results[level].own ? "" : "   (kernel of the level above)");
    }
    fflush(stdout);
}

/* The same for a program to read, each level beside scalar within the round. */
static void report_rows(const Measure *m, const GooiKernels *levels, size_t count,
                        const Result *results) {
    size_t rounds = data.options.rounds;
    for (size_t level = 0; level < count; level++) {
        double sorted[ROUNDS_MAX], ratios[ROUNDS_MAX];
        for (size_t i = 0; i < rounds; i++) {
            double by_scalar = results[level].samples[i] / results[0].samples[i];
            sorted[i] = results[level].samples[i];
            ratios[i] = m->higher_is_better ? 1 / by_scalar : by_scalar;
        }
        bench_row(&(BenchRow){.workload = m->name,
                              .subject = goo_simd_name(levels[level].level),
                              .unit = m->unit,
                              .role = level == 0 ? BENCH_BARE : BENCH_GOO,
                              .more_is_better = m->higher_is_better,
                              .value = bench_spread(sorted, rounds),
                              .rounds = rounds,
                              .than = goo_simd_name(levels[0].level),
                              .ratio = bench_spread(ratios, rounds)});
    }
}

int main(int argc, char **argv) {
    static GooiKernels levels[LEVELS];
    static Result results[LEVELS];
    bool quick;
    int status = 0;
    if (!bench_parse(argc, argv,
                     "usage: bench_sweep [--quick]\n"
                     "Measures the collector's kernels at every level of vector instructions.\n"
                     "  --quick  3 rounds instead of 15, less memory: a look, not a figure\n",
                     &quick, &status)) {
        return status;
    }
    data.options = (Options){.rounds = quick ? 3 : ROUNDS,
                             .repeats = 4,
                             .memory_bytes = (size_t)(quick ? 64 : 128) << 20};
    data.seed = UINT64_C(0x9e3779b97f4a7c15);
    size_t count = 0;
    for (int level = 0; level < LEVELS; level++) {
        if (goo_simd_available((GooSimdLevel)level)) {
            gooi_kernels_fill(&levels[count++], (GooSimdLevel)level);
        }
    }
    data.pristine = map_bytes(PRISTINE * GRANULES);
    data.tables = map_bytes(BATCH * GRANULES);
    bench_print_machine();
    printf("Blocks of 64 KiB (4096 bytes of table) full of 48-byte objects. Median of %zu rounds, "
           "least - most.\n",
           data.options.rounds);
    for (size_t i = 0; i < GOOI_COUNT(measures); i++) {
        measure(&measures[i], levels, count, results);
        report_rows(&measures[i], levels, count, results);
        print_measure(&measures[i], levels, count, results);
        bench_progress(i + 1, GOOI_COUNT(measures));
    }
    return 0;
}
