/* The buffer pool: a fixed number of equal buffers that any thread borrows and returns.
 *
 * Choose it for buffers of input and output, compression or frames: their number is bounded, none
 * is allocated while the program runs, and a thread may return what another borrowed. Choose the
 * pool allocator where the number of objects is not known or where code wants a GooAllocator.
 *
 *     GooBufferPool *pool = goo_buffer_pool_create(NULL, 64 * 1024, 16);
 *     void *buffer = goo_buffer_pool_acquire(pool);
 *     if (buffer != NULL) {
 *         size_t length = fread(buffer, 1, 64 * 1024, file);
 *         consume(buffer, length);
 *         goo_buffer_pool_release(pool, buffer);
 *     }
 *     goo_buffer_pool_destroy(pool);
 */
#ifndef GOO_ALLOCATORS_BUFFER_POOL_H
#define GOO_ALLOCATORS_BUFFER_POOL_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

typedef struct GooBufferPool GooBufferPool;

/* Makes a pool of `count` buffers of `buffer_size` bytes each, in one block of `parent` (NULL: this
 * thread's allocator).
 * Returns: the pool. Fails: NULL with EINVAL for a size or count of 0, ENOMEM where the block can't
 * be had; nothing is left behind. Owner: the caller, until goo_buffer_pool_destroy; the parent must
 * outlive it. Threads: the parent's. Cost: one allocation, linear in count. */
GOO_API GooBufferPool *goo_buffer_pool_create(GooAllocator *parent, size_t buffer_size,
                                              size_t count);

/* Borrows a buffer, aligned to 64, contents indeterminate.
 * Returns: the buffer. Fails: NULL with ENOMEM while all are out.
 * Owner: the caller, until goo_buffer_pool_release by any thread, or the end of the pool.
 * Threads: any. Cost: constant, no lock; two atomic operations. */
GOO_API void *goo_buffer_pool_acquire(GooBufferPool *pool);

/* Returns a buffer to its pool; NULL does nothing.
 * Returns: GOO_OK. Fails: GOO_ERR_INVALID_ARGUMENT for an address that is no buffer of this pool,
 * or one that is not out (a second release); nothing has changed then.
 * Threads: any. Cost: constant, no lock; three atomic operations. */
GOO_API GooStatus goo_buffer_pool_release(GooBufferPool *pool, void *buffer);

/* Returns how many buffers are not out; other threads may have changed that by the time it returns.
 * Threads: any. Cost: constant. */
GOO_API size_t goo_buffer_pool_available(const GooBufferPool *pool);

/* Ends the pool and frees its buffers, those that are out included. NULL does nothing; a pool that
 * was destroyed before, as far as its memory still shows that, panics. Threads: one, when nobody
 * uses the pool any more. */
GOO_API void goo_buffer_pool_destroy(GooBufferPool *pool);

GOO_END_DECLS

#endif
