/* The region: arenas that nest. What was allocated since a begin is freed by its end.
 *
 * Choose it for work in phases within phases: a request and its steps, a tree walk that needs
 * memory on the way down. Choose the arena where nothing nests, a scope where calls must be made
 * at the end.
 *
 *     GooAllocator *region = goo_region_allocator_create(64 * 1024, true);
 *     char *result = goo_memory_alloc_with(region, 100);        depth 0: until reset or destroy
 *     if (goo_region_begin(region) == GOO_OK) {
 *         char *scratch = goo_memory_alloc_with(region, 5000);
 *         result = goo_memory_realloc_with(region, result, 100, 200);      stays at depth 0
 *         goo_region_end(region);                               scratch is gone, result is not
 *     }
 *     goo_allocator_destroy(region);
 *
 * A block belongs to the depth at which it was allocated, also when it grows within an inner one.
 * GOO_ALLOC_PERSIST places a block apart from all of them: it lives until destroy, or its own free.
 * A free of the last block of its depth gives its room back, and that block grows in place; other
 * frees leave the room until the end. Blocks that somebody counts have a record of 32 bytes in
 * front, as an arena's.
 */
#ifndef GOO_ALLOCATORS_REGION_H
#define GOO_ALLOCATORS_REGION_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

typedef struct GooRegionOptions {
    size_t region_size; /* bytes that it takes from its parent at a time; 0: 64 KiB; least 256 */
    bool allow_large;   /* what does not fit has memory of its own; else it is NULL with EINVAL */
} GooRegionOptions;

/* Makes a region over this thread's allocator, at depth 0; strategy NULL, statistics off.
 * Returns: the region. Fails: NULL, ENOMEM. Owner: the caller, until goo_allocator_destroy, which
 * frees every block at every depth. Threads: one at a time. Cost: one allocation; memory comes with
 * the first requests, each in constant time but for getting some. Growing or freeing a block that
 * is not of the innermost depth is linear in the pieces that the region holds of its parent. */
GOO_API GooAllocator *goo_region_allocator_create(size_t region_size, bool allow_large);

/* The same over a parent (NULL: this thread's allocator), which must outlive it, and with options
 * (NULL: all zero). */
GOO_API GooAllocator *goo_region_allocator_create_with(GooAllocator *parent,
                                                       const GooRegionOptions *options);

/* Begins an inner region. Returns: GOO_OK. Fails: GOO_ERR_NO_MEMORY, and the depth is as it was: no
 * end is due. Threads: the region's. Cost: constant. */
GOO_API GooStatus goo_region_begin(GooAllocator *region);

/* Ends the innermost region and frees its blocks. Returns: GOO_OK. Fails: GOO_ERR_INVALID_ARGUMENT
 * at depth 0, and nothing is freed. Threads: the region's. Cost: linear in the memory it took from
 * the parent, of which up to 16 pieces are kept. */
GOO_API GooStatus goo_region_end(GooAllocator *region);

/* How many begins have no end yet; 0 at first. goo_allocator_reset makes it 0 again, and frees all
 * blocks of every depth but persistent ones. */
GOO_API size_t goo_region_depth(const GooAllocator *region);

GOO_END_DECLS

#endif
