/* The fixed allocator: blocks in bytes that the caller has, and never more.
 *
 * Choose it for a buffer on the stack or in static memory, for code that must not enter the
 * operating system, and as the first of a fallback allocator. Choose an arena where memory may
 * grow.
 *
 *     uint8_t bytes[4096];
 *     GooFixedBuffer state;
 *     GooAllocator *a = goo_fixed_allocator_init(&state, bytes, sizeof bytes);
 *     char *name = goo_memory_strdup_with(a, "Ada");
 *     goo_allocator_reset(a);
 *
 * A free of the last block gives its room back, and the last block grows in place; other frees
 * leave the room until a reset.
 */
#ifndef GOO_ALLOCATORS_FIXED_H
#define GOO_ALLOCATORS_FIXED_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* The allocator's state, in the caller's hands: [base, base + used) is allocated. Read only. */
typedef struct GooFixedBuffer {
    GooAllocator allocator;
    uint8_t *base;
    size_t size, used;
} GooFixedBuffer;

/* Makes an allocator over `size` bytes; strategy NULL, statistics off. A request that does not fit
 * is NULL with ENOMEM.
 * Returns: &state->allocator. Fails: NULL with EINVAL for a NULL state, or a NULL buffer with a
 * size above 0. Owner: state and buffer stay the caller's, in place until the last use; there is
 * nothing to free, and goo_allocator_destroy only ends the use. Threads: one at a time. Cost:
 * constant for everything; never allocates or enters the OS. */
GOO_API GooAllocator *goo_fixed_allocator_init(GooFixedBuffer *state, void *buffer, size_t size);

GOO_END_DECLS

#endif
