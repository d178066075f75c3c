/* bench_fresh: what memory costs that was never used before, and how much of it a heap holds.
 *
 * Fills a new heap with 64-byte leaf objects, writing one byte of each, and next to it touches a
 * plain mapping of the same size, once with 4 KiB pages and once advised for huge pages: the limits
 * between which a heap's fresh memory must lie. Resident memory is what the process gained.
 *
 *     for each size, for each round: heap · small pages · huge pages
 */
#define _DEFAULT_SOURCE
#include "tests/bench/bench.h"

#include <sys/mman.h>
#include <unistd.h>

#include "goo/gc/inline.h"

enum { ROUNDS_MAX = 15, OBJECT = 64, PAGE = 4096 };

static size_t resident_bytes(void) {
    unsigned long long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        if (fscanf(file, "%llu %llu", &pages, &resident) != 2) {
            resident = 0;
        }
        fclose(file);
    }
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* Nanoseconds for `size` bytes; *out_resident: what the process gained. Negative: no memory. */
static double fill_heap(size_t size, size_t *out_resident) {
    size_t before = resident_bytes();
    GooGcHeap *heap = goo_gc_heap_create(NULL);
    GooGcMutator *m = goo_gc_attach(heap);
    if (m == NULL) {
        return -1;
    }
    goo_gc_disable(heap);
    double start = bench_now_ns();
    for (size_t filled = 0; filled < size; filled += OBJECT) {
        char *object = goo_gc_alloc_leaf(m, OBJECT);
        if (object == NULL) {
            goo_gc_heap_destroy(heap);
            return -1;
        }
        object[0] = 1;
    }
    double spent = bench_now_ns() - start;
    size_t after = resident_bytes();
    *out_resident = after > before ? after - before : 0;
    goo_gc_heap_destroy(heap);
    return spent;
}

static double touch_mapping(size_t size, bool huge) {
    size_t huge_page = (size_t)2 << 20, mapped = size + huge_page;
    char *base = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return -1;
    }
    char *start = base + (huge_page - (size_t)base % huge_page) % huge_page;
#if defined(MADV_HUGEPAGE)
    madvise(base, mapped, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
    double begin = bench_now_ns();
    for (size_t i = 0; i < size; i += OBJECT) {
        ((volatile char *)start)[i] = 1;
    }
    double spent = bench_now_ns() - begin;
    munmap(base, mapped);
    return spent;
}

static bool measure(size_t mebibytes, size_t rounds) {
    size_t size = mebibytes << 20, resident = 0;
    double heap[ROUNDS_MAX], small[ROUNDS_MAX], huge[ROUNDS_MAX];
    double pages = (double)(size / PAGE);
    for (size_t i = 0; i < rounds; i++) {
        heap[i] = fill_heap(size, &resident) / pages;
        small[i] = touch_mapping(size, false) / pages;
        huge[i] = touch_mapping(size, true) / pages;
        if (heap[i] < 0 || small[i] < 0 || huge[i] < 0) {
            fprintf(stderr, "bench_fresh: no memory for %zu MiB\n", mebibytes);
            return false;
        }
    }
    const char *const subjects[] = {"goo", "plain mapping", "plain mapping, huge pages"};
    BenchSpread spreads[] = {bench_spread(heap, rounds), bench_spread(small, rounds),
                             bench_spread(huge, rounds)};
    for (size_t i = 0; i < 3; i++) {
        bench_row(&(BenchRow){.workload = "first touch",
                              .subject = subjects[i],
                              .unit = "ns per 4 KiB",
                              .role = i == 0 ? BENCH_GOO : BENCH_BARE,
                              .value = spreads[i],
                              .rounds = rounds,
                              .size = (double)size,
                              .size_unit = "bytes",
                              .peak_bytes = i == 0 ? (double)resident : 0});
    }
    BenchSpread h = spreads[0];
    printf("%5zu MiB  %7.0f (%.0f - %.0f)  %7.0f  %7.0f  %10.2f x\n", mebibytes, h.median, h.least,
           h.most, spreads[1].median, spreads[2].median, (double)resident / (double)size);
    return true;
}

int main(int argc, char **argv) {
    static const size_t sizes[] = {1, 3, 8, 32, 128, 512};
    bool quick;
    int status = 0;
    if (!bench_parse(argc, argv,
                     "usage: bench_fresh [--quick]\n"
                     "Cost of memory never used before, per 4 KiB, and what a heap holds.\n"
                     "  --quick  fewer rounds, up to 32 MiB\n",
                     &quick, &status)) {
        return status;
    }
    bench_print_machine();
    printf("ns per 4 KiB, 64 writes in it:  heap, median (least - most) · plain mapping, 4 KiB "
           "pages · plain mapping, huge pages · resident / size\n");
    size_t count = sizeof sizes / sizeof sizes[0] - (quick ? 2 : 0);
    for (size_t i = 0; i < count; i++) {
        if (!measure(sizes[i], quick ? 5 : 9)) {
            return 1;
        }
        bench_progress(i + 1, count);
    }
    return 0;
}
