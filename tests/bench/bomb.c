/* bench_bomb: small objects that own large blocks, by the million, over a heap that stays.
 *
 * A live set of 64-byte objects is made first; the memory that the process then holds is the base.
 * Then a million objects of 16 bytes come and go, each of which owns a block of the C heap. The
 * collector's own garbage is nothing beside the blocks': what counts is whether the blocks' bytes
 * bring collections, and not too many. For comparison the same with the C heap alone, each block
 * freed a thousand later: what the blocks cost without a collector.
 *
 *     rows: block size × growth factor; columns: peak resident memory by base, collections by the
 *     least number possible (garbage of both kinds / headroom), time
 *
 * Each row is a process of its own, so that none starts with another's memory.
 */
#define _DEFAULT_SOURCE
#include "tests/bench/bench.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "goo/allocators/system.h"
#include "goo/gc.h"
#include "goo/gc/inspect.h"
#include "goo/runtime/memory.h"

enum { LIVE_MIB = 128, OBJECTS = 1000000, KEPT = 1000 };

typedef struct Node {
    const GooGcType *type;
    struct Node *next;
    uint64_t words[6];
} Node;

_Static_assert(sizeof(Node) == 64, "the live set is made of 64-byte objects");

static const uint64_t node_bitmap[] = {2};
static const GooGcType node_type = {.name = "node", .size = sizeof(Node),
                                    .layout = GOO_GC_LAYOUT_BITMAP,
                                    .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                    .bitmap = node_bitmap, .bitmap_words = 1};
static const GooGcType wrapper_type = {.name = "wrapper", .size = 16,
                                       .layout = GOO_GC_LAYOUT_LEAF};

/* From /proc/self/status, in bytes. */
static double status_bytes(const char *key) {
    char line[256];
    double bytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            bytes = strtod(line + strlen(key) + 1, NULL) * 1024;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return bytes;
}

/* Of the process, in the system too: what other programs on the machine do not lengthen much. */
static double cpu_seconds(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

typedef struct Outcome {
    double base, peak, seconds, cpu_seconds, pause_max;
    uint64_t collections;
    size_t live, metadata;
} Outcome;

static bool make_live_set(GooGcMutator *m, Node **list) {
    for (size_t made = 0; made < (size_t)LIVE_MIB << 20; made += sizeof(Node)) {
        Node *node = goo_gc_alloc(m, &node_type, 0);
        if (node == NULL) {
            return false;
        }
        node->next = *list;
        *list = node;
    }
    return true;
}

/* Every page of it comes to be. */
static void touch(char *block, size_t size) {
    for (size_t i = 0; i < size; i += 1024) {
        block[i] = 1;
    }
    block[size - 1] = 1;
}

static bool drop_bomb(size_t block_size, double growth, Outcome *out) {
    GooGcOptions options = goo_gc_default_options();
    options.growth_factor = growth;
    GooGcHeap *heap = goo_gc_heap_create(&options);
    GooGcMutator *m = goo_gc_attach(heap);
    GooAllocator *a = goo_system_allocator_create();
    Node *list = NULL;
    if (m == NULL || a == NULL || goo_gc_root_add_pointer(heap, &list) != GOO_OK ||
        !make_live_set(m, &list)) {
        return false;
    }
    out->base = status_bytes("VmRSS:");
    GooGcStats before = goo_gc_get_stats(heap);
    double start = bench_now_ns(), cpu_start = cpu_seconds();
    for (size_t i = 0; i < OBJECTS; i++) {
        void *wrapper = goo_gc_alloc(m, &wrapper_type, 0);
        char *block = wrapper == NULL ? NULL : goo_gc_owned_alloc(m, wrapper, a, block_size);
        if (block == NULL) {
            return false;
        }
        touch(block, block_size);
    }
    out->seconds = (bench_now_ns() - start) / 1e9;
    out->cpu_seconds = cpu_seconds() - cpu_start;
    GooGcStats after = goo_gc_get_stats(heap);
    out->peak = status_bytes("VmHWM:");
    out->collections = after.collections_full - before.collections_full;
    out->pause_max = (double)after.pause_ns_max / 1e6;
    out->live = after.live_bytes;
    out->metadata = after.metadata_bytes;
    goo_gc_heap_destroy(heap);
    goo_allocator_destroy(a);
    return true;
}

/* The blocks alone. */
static double churn_blocks(size_t block_size) {
    static char *blocks[KEPT];
    double start = bench_now_ns();
    for (size_t i = 0; i < OBJECTS; i++) {
        char **block = &blocks[i % KEPT];
        free(*block);
        *block = malloc(block_size);
        if (*block == NULL) {
            return -1;
        }
        touch(*block, block_size);
    }
    return (bench_now_ns() - start) / 1e9;
}

static int row(size_t block_size, double growth) {
    Outcome o;
    if (!drop_bomb(block_size, growth, &o)) {
        fprintf(stderr, "bench_bomb: no memory\n");
        return 1;
    }
    double garbage = (double)OBJECTS * (double)(block_size + 16);
    double least = garbage / ((double)((size_t)LIVE_MIB << 20) * (growth - 1));
    char subject[48];
    snprintf(subject, sizeof subject, "goo, growth %.2f", growth);
    BenchSpread spent = {o.cpu_seconds, o.cpu_seconds, o.cpu_seconds};
    bench_row(&(BenchRow){.workload = block_size == 880 ? "880 bytes" : "8,800 bytes",
                          .subject = subject,
                          .unit = "s",
                          .value = spent,
                          .rounds = 1,
                          .peak_bytes = o.peak});
    printf("%6zu B  %6.2f  %6.0f MB  %6.0f MB  %5.2f x  %6llu  %6.1f  %5.2f x  %6.3f s  %6.3f s  "
           "%6.1f ms  %6.3f s\n",
           block_size, growth, o.base / 1e6, o.peak / 1e6, o.peak / o.base,
           (unsigned long long)o.collections, least, (double)o.collections / least, o.seconds,
           o.cpu_seconds, o.pause_max, churn_blocks(block_size));
    return 0;
}

static bool row_in_process(size_t block_size, double growth) {
    int status = 1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        status = row(block_size, growth);
        fflush(stdout);
        _exit(status);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* What is measured, in this order; --quick: the first two. */
static const struct {
    size_t block_size;
    double growth;
} rows[] = {{880, 2}, {880, 1.25}, {8800, 2}, {8800, 1.25}};

int main(int argc, char **argv) {
    bool quick;
    int status = 0;
    if (!bench_parse(argc, argv,
                     "usage: bench_bomb [--quick]\n"
                     "A million objects that own blocks, over 128 MiB of live objects.\n"
                     "  --quick  only blocks of 880 bytes\n",
                     &quick, &status)) {
        return status;
    }
    bench_print_machine();
    printf(" block  growth       base       peak  by base  cycles   least  by least    time  "
           "processor  longest pause  malloc alone\n");
    size_t count = quick ? 2 : sizeof rows / sizeof rows[0];
    for (size_t i = 0; i < count; i++) {
        if (!row_in_process(rows[i].block_size, rows[i].growth)) {
            return 1;
        }
        bench_progress(i + 1, count);
    }
    return 0;
}
