/* The option sets for hosts: one constant row each, in the order of GooHost.
 *
 * Sizes of blocks follow from what a request to the system costs beside what lies unused: a small
 * host takes pages, a large one takes what the system hands out in one mapping. BALANCED repeats
 * the allocators' own defaults, so that a program may name it without changing anything.
 *
 * Threads: any; constants only.
 */
#include "goo/allocators/host.h"

#include "runtime/bits.h"

enum { HOST_OBJECTS_MIN = 8 };

#define HOST_KIB ((size_t)1024)
#define HOST_MIB (1024 * HOST_KIB)

static const GooHostOptions host_sets[] = {
    [GOO_HOST_SMALL] = {.memory = {.limit_bytes = 16 * HOST_MIB},
                        .arena = {.block_size = 4 * HOST_KIB, .max_bytes = HOST_MIB},
                        .region = {.region_size = 4 * HOST_KIB, .allow_large = true},
                        .pool_block_bytes = 4 * HOST_KIB,
                        .pool_max_bytes = HOST_MIB,
                        .stack_capacity = 16 * HOST_KIB,
                        .buffer_size = 4 * HOST_KIB,
                        .buffer_count = 8,
                        .debug = {.stack_depth = 4, .quarantine_bytes = 8 * HOST_KIB}},
    [GOO_HOST_BALANCED] = {.arena = {.block_size = 64 * HOST_KIB, .keep_last_block = true},
                           .region = {.region_size = 64 * HOST_KIB, .allow_large = true},
                           .pool_block_bytes = 64 * HOST_KIB,
                           .stack_capacity = 256 * HOST_KIB,
                           .buffer_size = 16 * HOST_KIB,
                           .buffer_count = 64,
                           .debug = {.stack_depth = 16, .quarantine_bytes = 64 * HOST_KIB}},
    [GOO_HOST_LARGE] = {.arena = {.block_size = HOST_MIB, .keep_last_block = true},
                        .region = {.region_size = HOST_MIB, .allow_large = true},
                        .pool_block_bytes = HOST_MIB,
                        .stack_capacity = 8 * HOST_MIB,
                        .buffer_size = 64 * HOST_KIB,
                        .buffer_count = 512,
                        .debug = {.stack_depth = 32,
                                  .quarantine_bytes = 16 * HOST_MIB,
                                  .sample_every = 100}},
};

GooHostOptions goo_host_options(GooHost host) {
    size_t row = (size_t)host;
    return host_sets[row < GOOI_COUNT(host_sets) ? row : GOO_HOST_BALANCED];
}

static size_t host_objects(size_t bytes, size_t object_size) {
    size_t stride = object_size <= SIZE_MAX - GOO_DEFAULT_ALIGNMENT
                        ? gooi_align_up(object_size, GOO_DEFAULT_ALIGNMENT)
                        : object_size;
    size_t count = stride != 0 ? bytes / stride : 0;
    return count > HOST_OBJECTS_MIN ? count : HOST_OBJECTS_MIN;
}

GooPoolOptions goo_host_pool_options(GooHost host, size_t object_size) {
    GooHostOptions set = goo_host_options(host);
    return (GooPoolOptions){
        .object_size = object_size,
        .objects_per_block = host_objects(set.pool_block_bytes, object_size),
        .max_objects = set.pool_max_bytes != 0 ? host_objects(set.pool_max_bytes, object_size) : 0,
    };
}
