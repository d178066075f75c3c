/* The legacy API: malloc's shape, no sizes at free.
 *
 * Choose it for code that is written against malloc, and for blocks whose size nobody remembers.
 * Choose goo/runtime/memory.h elsewhere: it saves the 16 bytes that each block here carries in
 * front of it to know its owner and its size.
 *
 *     char *name = goo_strdup("granule");
 *     name = goo_realloc(name, 100);
 *     goo_free(name);
 *
 * What holds for every call here, unless it says otherwise:
 * - Blocks come from this thread's allocator (goo/runtime/memory.h) and are aligned to 16. Each
 *   goes back to the allocator that it came from, whatever the thread's or the default allocator is
 *   by then; that allocator must outlive its blocks.
 * - Fails: NULL with errno ENOMEM; the owning allocator's strategy may panic, retry or collect
 *   first. Size 0 gives NULL, leaves errno alone and is no failure.
 * - A pointer that is no live block of this API (foreign, or freed before) is reported through the
 *   panic handler; a check word in front of the block makes that all but certain, as long as that
 *   memory can be read at all.
 * - Owner: the caller, until goo_free. Threads: any, where the block's allocator is thread-safe as
 *   the system allocator is. Cost: a few nanoseconds above the allocator's own.
 */
#ifndef GOO_MEMORY_H
#define GOO_MEMORY_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* Names that compiled Goo programs call; the same as goo_alloc, goo_realloc and goo_free. */
GOO_API void *goo_runtime_alloc(size_t size);
GOO_API void *goo_runtime_realloc(void *ptr, size_t new_size);
GOO_API void goo_runtime_free(void *ptr);

/* Allocates `size` bytes; contents indeterminate. */
GOO_API void *goo_alloc(size_t size);
/* Makes a block `size` bytes long, moving it within its own allocator if need be; its first bytes
 * stay. `ptr` NULL allocates; `size` 0 frees and gives NULL. A failure leaves the block as it was.
 */
GOO_API void *goo_realloc(void *ptr, size_t size);
/* Frees a block of this API; NULL does nothing. */
GOO_API void goo_free(void *ptr);
/* Allocates `size` bytes that read zero. */
GOO_API void *goo_alloc_zero(size_t size);
/* How many bytes of a block may be used: the size that was asked for. 0 for NULL. */
GOO_API size_t goo_usable_size(const void *ptr);
/* Allocates `size` bytes, or calls the panic handler. NULL for size 0 only. */
GOO_API void *goo_alloc_or_panic(size_t size);

/* Allocates a copy of a string. EINVAL for NULL. */
GOO_API char *goo_strdup(const char *text);
/* Allocates a copy of at most `max` bytes of a string, and a final 0. EINVAL for NULL. */
GOO_API char *goo_strndup(const char *text, size_t max);

/* Allocates from this thread's scratch memory: aligned to 16, contents indeterminate, valid until
 * the thread's next goo_temp_reset or its end, never freed singly. Takes no allocator's strategy
 * and is counted by none. Cost: an addition, and now and then a chunk from malloc. */
GOO_API void *goo_temp_alloc(size_t size);
/* Ends all of the calling thread's scratch blocks; keeps up to 1 MiB for the next ones. */
GOO_API void goo_temp_reset(void);

/* Frees the legacy block that *ptr refers to and sets *ptr to NULL: for cleanup attributes. */
GOO_API void goo_memory_cleanup_ptr(void **ptr);

/* Goo's older spellings of goo_memory_alloc_with and its relatives: sized blocks without a hidden
 * header, which goo_free does not take. */
GOO_API void *goo_alloc_with_allocator(GooAllocator *a, size_t size);
GOO_API void *goo_alloc_zero_with_allocator(GooAllocator *a, size_t size);
GOO_API void *goo_realloc_with_allocator(GooAllocator *a, void *ptr, size_t old_size,
                                         size_t new_size);
GOO_API void goo_free_with_allocator(GooAllocator *a, void *ptr, size_t size);
GOO_API GooAllocStats goo_get_allocator_stats(GooAllocator *a);

GOO_END_DECLS

#endif
