/* Buffers: arrays that know their length, their element's size and their allocator.
 *
 * Choose a GooBuffer where an array travels with its length, may grow, or is looked at in parts
 * with every index checked. Choose plain goo_memory_alloc_array where the length stands elsewhere
 * anyway.
 *
 *     GooBuffer numbers = goo_buffer_create(NULL, 100, sizeof(int), GOO_ALLOC_ZERO);
 *     if (numbers.data == NULL) { return GOO_ERR_NO_MEMORY; }
 *     *(int *)goo_buffer_at(&numbers, 99) = 7;
 *     GooBuffer tail = goo_buffer_slice(&numbers, 90, 10);
 *     goo_buffer_free(&numbers);
 *
 * What holds for every call: `data` and `length` may be read at any time; of a buffer with an owner
 * they are written by these calls only. A copy of the struct is another view of the same bytes:
 * only one of them may be resized or freed. Threads: as for any plain data, one at a time while
 * somebody writes. Counts and indices are elements, sizes bytes.
 */
#ifndef GOO_BUFFER_H
#define GOO_BUFFER_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

typedef struct GooBuffer {
    void *data;
    size_t length; /* elements */
    size_t element_size;
    GooAllocator *owner; /* NULL: wrapped, not owned */
} GooBuffer;

/* Creates a buffer of `count` elements; `a` NULL means this thread's allocator. With GOO_ALLOC_ZERO
 * its elements read zero, and so does what a resize adds; without it both are indeterminate. With
 * GOO_ALLOC_EXACT a resize leaves no room for more, with GOO_ALLOC_PAGE data is aligned to a page.
 * Returns: a buffer, aligned to 16; count 0 gives a valid empty one, whose data is not NULL.
 * Fails: data NULL, with errno ENOMEM, or EINVAL for an element_size of 0.
 * Owner: the caller, with goo_buffer_free. Cost: one allocation. */
GOO_API GooBuffer goo_buffer_create(GooAllocator *a, size_t count, size_t element_size,
                                    GooAllocOptions options);

/* A view of the caller's bytes, which must outlive it. */
GOO_API GooBuffer goo_buffer_wrap(void *data, size_t count, size_t element_size);

/* The address of an element. Out of bounds panics. */
GOO_API void *goo_buffer_at(const GooBuffer *b, size_t index);
/* The address of an element, or NULL out of bounds. */
GOO_API void *goo_buffer_try_at(const GooBuffer *b, size_t index);

/* A view of `count` elements from `first` on, not owned; valid until the buffer is resized or
 * freed. Out of bounds panics; an empty slice at the very end is within them. */
GOO_API GooBuffer goo_buffer_slice(const GooBuffer *b, size_t first, size_t count);

/* Makes the length 0 and keeps the memory for reuse. */
GOO_API void goo_buffer_clear(GooBuffer *b);
/* Makes every element a copy of *element. */
GOO_API void goo_buffer_fill(GooBuffer *b, const void *element);
/* Makes length and elements those of `source`, which may be a slice of the same buffer.
 * Fails: GOO_ERR_INVALID_ARGUMENT for another element size; GOO_ERR_NO_MEMORY; GOO_ERR_LIMIT if it
 * is not owned and too short. Nothing has changed then. */
GOO_API GooStatus goo_buffer_copy_from(GooBuffer *b, const GooBuffer *source);

/* Makes the buffer `count` elements long; its first elements stay. Data may move, but not while the
 * length stays within what it was once: shrinking gives nothing back, so growing again is free.
 * Fails: GOO_ERR_NO_MEMORY, also when the product does not fit; GOO_ERR_UNSUPPORTED for growth of a
 * buffer that is not owned. Nothing has changed then. Cost: amortised linear over many growths. */
GOO_API GooStatus goo_buffer_resize(GooBuffer *b, size_t count);

/* Frees an owned buffer's memory and makes any buffer all zero, so that a second call, or NULL,
 * does nothing. */
GOO_API void goo_buffer_free(GooBuffer *b);

GOO_END_DECLS

#endif
