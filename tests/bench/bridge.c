/* bench_bridge: what an allocation from Zig costs beside the same call in C, and Zig's allocators.
 *
 * This is the C half: loops over the front door and over the bridge's calls. The Zig half is
 * bridge/bench.zig, whose build compiles both with the same optimiser.
 */
#define _POSIX_C_SOURCE 200809L
#include "goo/bridge.h"
#include "goo/runtime/memory.h"

#include "bench.h"

double bench_bridge_now_ns(void);
void bench_bridge_row(const char *allocator, const char *way, int role, double ns);
void bench_bridge_progress(size_t done, size_t of);
void bench_bridge_front_door(GooAllocator *a, void **blocks, size_t batch, size_t rounds,
                             size_t size, size_t alignment);
void bench_bridge_calls(GooAllocator *a, void **blocks, size_t batch, size_t rounds, size_t size,
                        uint8_t log2_align);

double bench_bridge_now_ns(void) {
    return bench_now_ns();
}

/* A figure for a program to read (bench.h). `way` may be empty; `role` is a BenchRole. */
void bench_bridge_row(const char *allocator, const char *way, int role, double ns) {
    char subject[80];
    snprintf(subject, sizeof subject, "%s%s%s%s", role == BENCH_GOO ? "goo " : "", allocator,
             way[0] == '\0' ? "" : ", ", way);
    bench_row(&(BenchRow){.workload = "64-byte blocks from Zig",
                          .subject = subject,
                          .unit = "ns",
                          .role = (BenchRole)role,
                          .value = {ns, ns, ns},
                          .rounds = 1});
}

/* How many of the parts are measured. */
void bench_bridge_progress(size_t done, size_t of) {
    bench_progress(done, of);
}

/* `rounds` times: `batch` allocations, each written to, then their frees. */
void bench_bridge_front_door(GooAllocator *a, void **blocks, size_t batch, size_t rounds,
                             size_t size, size_t alignment) {
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < batch; i++) {
            blocks[i] = goo_memory_alloc_options(a, size, alignment, GOO_ALLOC_DEFAULT);
            *(size_t *)blocks[i] = i;
        }
        for (size_t i = 0; i < batch; i++) {
            goo_memory_free_options(a, blocks[i], size, alignment);
        }
    }
}

/* The same through the calls that Zig makes. */
void bench_bridge_calls(GooAllocator *a, void **blocks, size_t batch, size_t rounds, size_t size,
                        uint8_t log2_align) {
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < batch; i++) {
            blocks[i] = goo_bridge_alloc(a, size, log2_align, 0);
            *(size_t *)blocks[i] = i;
        }
        for (size_t i = 0; i < batch; i++) {
            goo_bridge_free(a, blocks[i], size, log2_align, 0);
        }
    }
}
