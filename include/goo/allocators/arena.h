/* The arena: blocks that die together, placed by moving a pointer.
 *
 * Choose it for work that allocates much and ends at once: parsing a file, one request, one frame.
 * Choose a region where such work nests and ends in order, a scope where something must be called
 * at the end, a pool where blocks of one size come and go.
 *
 *     GooAllocator *arena = goo_arena_allocator_create(64 * 1024);
 *     char *name = goo_memory_strdup_with(arena, "Ada");
 *     GooArenaMark mark = goo_arena_mark(arena);
 *     void *scratch = goo_memory_alloc_with(arena, 1000);
 *     goo_arena_rewind(arena, mark);                       scratch is gone, name is not
 *     goo_allocator_destroy(arena);
 *
 * A free of the last block gives its room back, and the last block grows in place; any other free
 * leaves the room until a rewind or reset. A request too large for a block has memory of its own,
 * which a free returns to the parent. GOO_ALLOC_PERSIST places a block apart: it survives rewinds
 * and resets, also when it is reallocated, and ends with the arena or with its own free.
 *
 * Foreign pointers, double frees and wrong sizes are not noticed here: to look for them put the
 * debug allocator over the arena.
 *
 * While `track_stats` is on, or an allocator that counts lies over the arena (tracking, limit,
 * debug), each block has a record of 32 bytes in front of it, so that a reset knows what it frees;
 * blocks then do not lie side by side.
 */
#ifndef GOO_ALLOCATORS_ARENA_H
#define GOO_ALLOCATORS_ARENA_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

typedef struct GooArenaOptions {
    size_t block_size;    /* bytes that it takes from its parent at a time; 0: 64 KiB; least 256 */
    size_t max_bytes;     /* the most that it ever holds of its parent, its own struct aside; 0: no
                             limit */
    bool keep_last_block; /* a rewind, and goo_allocator_reset, keep one block for what comes */
} GooArenaOptions;

/* A place in an arena's history. Its members are the arena's business. */
typedef struct GooArenaMark {
    void *block;
    size_t offset;
    uint64_t serial;
} GooArenaMark;

typedef enum GooArenaResetMode {
    GOO_ARENA_RETAIN_ALL, /* keeps all memory for the next round */
    GOO_ARENA_RETAIN_ONE, /* keeps one block */
    GOO_ARENA_FREE_ALL    /* gives everything back to the parent */
} GooArenaResetMode;

/* Makes an arena over this thread's allocator, which keeps its last block; strategy NULL,
 * statistics off. `block_size` as in the options.
 * Returns: the arena. Fails: NULL, ENOMEM. Owner: the caller, until goo_allocator_destroy, which
 * frees every block. Threads: one at a time. Cost: one allocation; blocks come with the first
 * requests, each in constant time but for getting a block. */
GOO_API GooAllocator *goo_arena_allocator_create(size_t block_size);

/* The same over a parent (NULL: this thread's allocator), which must outlive it, and with options
 * (NULL: all zero). */
GOO_API GooAllocator *goo_arena_allocator_create_with(GooAllocator *parent,
                                                      const GooArenaOptions *options);

/* Notes where the arena is. Blocks from before the mark keep their place until it is rewound or the
 * arena reset: a free of theirs gives no room back, and growing moves them behind the mark.
 * Returns: the mark; it owns nothing. Never fails. Threads: the arena's. Cost: constant. */
GOO_API GooArenaMark goo_arena_mark(GooAllocator *arena);

/* Frees everything that was allocated after a mark, but persistent blocks. The mark stays good for
 * another rewind; marks made after it are stale. A mark of another arena, or one made stale by a
 * reset or by a rewind to an earlier mark, panics and changes nothing.
 * Threads: the arena's. Cost: linear in the blocks and large requests given up. */
GOO_API void goo_arena_rewind(GooAllocator *arena, GooArenaMark mark);

/* Frees everything but persistent blocks; all marks are stale. goo_allocator_reset does the same
 * with RETAIN_ONE where the arena keeps its last block, else FREE_ALL.
 * Threads: the arena's. Cost: linear in blocks and large requests. */
GOO_API void goo_arena_reset(GooAllocator *arena, GooArenaResetMode mode);

GOO_END_DECLS

#endif
