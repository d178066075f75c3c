/* The pool: objects of one size, handed out and taken back in any order.
 *
 * Choose it for nodes, particles, connections: many objects of one type that come and go. Choose
 * the arena where they all go at once, the system allocator where sizes differ.
 *
 *     typedef struct Particle { float position[3], speed[3]; } Particle;
 *     GooAllocator *pool = goo_pool_allocator_create(sizeof(Particle), 1000);
 *     Particle *particle = GOO_NEW(pool, Particle);
 *     GOO_DELETE(pool, particle);
 *     goo_allocator_destroy(pool);
 *
 * A request may be smaller than an object; it takes one. A larger request, or one aligned more
 * strictly than the pool's objects, is NULL with EINVAL. Freed objects wait in a list for the next
 * request; memory goes back to the parent only by goo_pool_trim, destroy, and not by a reset, after
 * which all objects are free. Freeing an object twice panics, and so does freeing or resizing what
 * is none of the pool's or free, and, at the next request, an object whose first bytes were written
 * after it was freed.
 */
#ifndef GOO_ALLOCATORS_POOL_H
#define GOO_ALLOCATORS_POOL_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

typedef struct GooPoolOptions {
    size_t object_size;       /* bytes; at least 1 */
    size_t alignment;         /* of every object, a power of two; 0: 16 */
    size_t objects_per_block; /* taken from the parent at a time; 0: about 64 KiB of them */
    size_t max_objects;       /* the most that ever exist; 0: no limit */
    bool thread_safe;         /* any thread, behind a lock */
} GooPoolOptions;

/* Makes a pool over this thread's allocator, for one thread; strategy NULL, statistics off.
 * Objects are aligned to 16, so that calls without an alignment work with objects of any size; ask
 * for an alignment of 8 in the options to pack objects of 8 bytes densely.
 * Returns: the pool. Fails: NULL with EINVAL for a size of 0, ENOMEM. Owner: the caller, until
 * goo_allocator_destroy, which frees every object. Threads: one at a time. Cost: one allocation;
 * blocks come with the first requests. A request or free is constant time but for getting a
 * block. */
GOO_API GooAllocator *goo_pool_allocator_create(size_t object_size, size_t objects_per_block);

/* The same over a parent (NULL: this thread's allocator), which must outlive it. Fails also with
 * EINVAL for an alignment that is none or NULL options. Threads: any for a thread_safe pool, which
 * asks its parent without its lock, so that the parent's handlers and observers may use the pool; a
 * parent that is not thread-safe is asked by one thread at a time. */
GOO_API GooAllocator *goo_pool_allocator_create_with(GooAllocator *parent,
                                                     const GooPoolOptions *options);

/* Counts objects: those that are free and those that exist. Out-parameters may be NULL.
 * Threads: the pool's. Cost: linear in the free objects. */
GOO_API void goo_pool_get_stats(GooAllocator *pool, size_t *out_free, size_t *out_total);

/* Gives blocks without an object in use back to the parent.
 * Returns: the bytes given back. Threads: the pool's. Cost: the free objects, each times the
 * logarithm of the number of blocks. */
GOO_API size_t goo_pool_trim(GooAllocator *pool);

GOO_END_DECLS

#endif
