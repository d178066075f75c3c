/* The stack allocator: blocks in one piece of memory, freed in reverse order, and checked to be.
 *
 * Choose it where the order of frees is known and a mistake in it should be found at once. Choose
 * the fixed allocator or an arena where nothing is freed singly.
 *
 *     GooAllocator *stack = goo_stack_allocator_create(NULL, 64 * 1024);
 *     int *a = GOO_NEW_ARRAY(stack, int, 100);
 *     int *b = GOO_NEW_ARRAY(stack, int, 10);
 *     GOO_DELETE_ARRAY(stack, b, 10);
 *     GOO_DELETE_ARRAY(stack, a, 100);
 *     goo_allocator_destroy(stack);
 */
#ifndef GOO_ALLOCATORS_STACK_H
#define GOO_ALLOCATORS_STACK_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* Makes a stack of `capacity` bytes, of which each block takes its size, 16 bytes and what
 * alignment asks for; strategy NULL, statistics off. A request that does not fit is NULL with
 * ENOMEM. Freeing another block than the last one panics. Only the last block grows, in place:
 * growing another one is NULL with EINVAL; any block shrinks.
 * Returns: the stack. Fails: NULL with EINVAL for a capacity of 0, ENOMEM. Owner: the caller,
 * until goo_allocator_destroy, which frees every block; the parent (NULL: this thread's allocator)
 * must outlive it. Threads: one at a time. Cost: one allocation for the stack and its memory; then
 * constant, and never in the parent. */
GOO_API GooAllocator *goo_stack_allocator_create(GooAllocator *parent, size_t capacity);

GOO_END_DECLS

#endif
