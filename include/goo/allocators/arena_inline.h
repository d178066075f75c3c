/* goo_arena_take: an arena's fast path as an inline function.
 *
 * Choose it in the innermost loop of code that knows its allocator is an arena. Choose the front
 * door elsewhere: what is taken here is the same memory, freed, reallocated and reset like any
 * other, but nobody counts it, no strategy acts on a failure, and no observer hears of it.
 *
 *     struct Node *node = goo_arena_take(arena, sizeof *node, 0);
 *
 * What is shown of the arena is for this function only and may change with any version that the
 * program is compiled anew for. Hidden from Zig's translator.
 */
#ifndef GOO_ALLOCATORS_ARENA_INLINE_H
#define GOO_ALLOCATORS_ARENA_INLINE_H

#include "goo/allocators/arena.h"

#if !defined(__ARO_EMULATE__)

GOO_BEGIN_DECLS

/* The head of every arena: [cursor, limit) may be handed out. */
typedef struct GooArenaFast {
    GooAllocator allocator;
    const void *ops;
    uint8_t *cursor, *limit;
} GooArenaFast;

/* What goo_arena_take leaves to a call. */
GOO_API void *goo_arena_take_slow(GooAllocator *arena, size_t size, size_t alignment);

#if defined(__GNUC__) || defined(__clang__)
#define GOO_ARENA_LIKELY_(x) __builtin_expect(!!(x), 1)
/* Keeps a branch a branch: predicted, it shortens the way from one cursor to the next. */
#define GOO_ARENA_BRANCH_(x) __asm__("" : "+r"(x))
#else
#define GOO_ARENA_LIKELY_(x) (x)
#define GOO_ARENA_BRANCH_(x) ((void)0)
#endif

/* Allocates `size` bytes at a multiple of `alignment` (a power of two; 0: 16) from an arena.
 * Returns: the block, contents indeterminate; NULL for size 0. Fails: NULL, ENOMEM or EINVAL.
 * Owner, threads: as for goo_memory_alloc_options. Cost: align, compare, add. */
static inline void *goo_arena_take(GooAllocator *arena, size_t size, size_t alignment) {
    GooArenaFast *fast = (GooArenaFast *)(void *)arena;
    size_t step = alignment != 0 ? alignment : GOO_DEFAULT_ALIGNMENT;
    uintptr_t start = (uintptr_t)fast->cursor;
    if (!GOO_ARENA_LIKELY_((start & (step - 1)) == 0)) {
        start = (start + (step - 1)) & ~(uintptr_t)(step - 1);
        GOO_ARENA_BRANCH_(start);
    }
    uintptr_t limit = (uintptr_t)fast->limit;
    if (GOO_ARENA_LIKELY_((step & (step - 1)) == 0 && start <= limit &&
                          size - 1 < limit - start)) { /* size 0 is not */
        fast->cursor = (uint8_t *)(start + size);
        return (void *)start;
    }
    return goo_arena_take_slow(arena, size, alignment);
}

GOO_END_DECLS

#endif
#endif
