/* Ready-made option sets for small, balanced and large hosts.
 *
 * Choose one to begin with, and change the members that a measurement asks for. SMALL is for some
 * megabytes of memory: blocks of 4 KiB, limits, short stacks in reports. BALANCED is for programs
 * among others on a machine; it is what the allocators do by themselves. LARGE is for servers that
 * have the machine: few and large requests to the system, much kept for the next round.
 *
 *     GooHostOptions host = goo_host_options(GOO_HOST_SMALL);
 *     goo_memory_init_with(&host.memory);
 *     GooAllocator *arena = goo_arena_allocator_create_with(NULL, &host.arena);
 *     GooPoolOptions nodes = goo_host_pool_options(GOO_HOST_SMALL, sizeof(Node));
 *     GooAllocator *pool = goo_pool_allocator_create_with(NULL, &nodes);
 *
 * In text the sets are options: goo_allocator_open("arena:host=small,max=64k"); what the text gives
 * besides counts instead of what the set says.
 */
#ifndef GOO_ALLOCATORS_HOST_H
#define GOO_ALLOCATORS_HOST_H

#include "goo/allocators/arena.h"
#include "goo/allocators/debug.h"
#include "goo/allocators/pool.h"
#include "goo/allocators/region.h"
#include "goo/core/types.h"
#include "goo/runtime/memory.h"

GOO_BEGIN_DECLS

typedef enum GooHost { GOO_HOST_SMALL, GOO_HOST_BALANCED, GOO_HOST_LARGE } GooHost;

/*                                     SMALL     BALANCED   LARGE
 *   memory.limit_bytes                16 MiB    none       none
 *   arena.block_size                  4 KiB     64 KiB     1 MiB
 *   arena.max_bytes                   1 MiB     none       none
 *   arena.keep_last_block             no        yes        yes
 *   region.region_size                4 KiB     64 KiB     1 MiB
 *   region.allow_large                yes       yes        yes
 *   pool_block_bytes                  4 KiB     64 KiB     1 MiB
 *   pool_max_bytes                    1 MiB     none       none
 *   stack_capacity                    16 KiB    256 KiB    8 MiB
 *   buffer_size, buffer_count         4 KiB, 8  16 KiB, 64 64 KiB, 512
 *   debug.stack_depth                 4         16         32
 *   debug.quarantine_bytes            8 KiB     64 KiB     16 MiB
 *   debug.sample_every                each      each       100 */
typedef struct GooHostOptions {
    GooMemoryConfig memory; /* for goo_memory_init_with; nothing but the limit is set */
    GooArenaOptions arena;
    GooRegionOptions region;
    size_t pool_block_bytes; /* about what a pool takes at a time; see goo_host_pool_options */
    size_t pool_max_bytes;   /* the most that its objects take; 0: no limit */
    size_t stack_capacity;   /* for goo_stack_allocator_create */
    size_t buffer_size, buffer_count; /* for goo_buffer_pool_create */
    GooDebugOptions debug;
} GooHostOptions;

/* Returns: the set for a host; BALANCED for a number that is none. Threads: any. Cost: constant.
 */
GOO_API GooHostOptions goo_host_options(GooHost host);

/* Returns: the options of a pool of objects of `object_size` bytes, aligned to 16, in blocks of
 * the host's size: at least 8 objects each, at least 8 in all. An object_size of 0 stays one, and
 * no pool is made of it. Threads: any. Cost: constant. */
GOO_API GooPoolOptions goo_host_pool_options(GooHost host, size_t object_size);

GOO_END_DECLS

#endif
