/* What allocators share: how they reach a parent, and the bump lane. Private.
 *
 * A lane hands out memory by moving a cursor through chunks that it gets from a source, and takes
 * it back from the end. Arenas, regions and scopes are lanes with different rules about when the
 * end comes.
 *
 *     GooiLane ──newest──▶ chunk ──older──▶ chunk ──older──▶ NULL        GooiChunkSource
 *      cursor, end          [header|blocks ... cursor ... end]            parent, spare chunks
 *      large ──▶ stub ──▶ stub      each stub lies in the lane; its block is the parent's own
 *      records ──▶ record ──▶ …     each lies in front of a block that somebody counts
 *
 * A position is a place in a lane, seen over all its chunks; it only grows while chunks are added.
 *
 *   LANE-1  cursor and end lie in the newest chunk; both NULL when there is none
 *   LANE-2  the window [cursor, limit) is all that inline forms see: limit is end, or cursor while
 *           a tool watches memory, so that every request then comes to the call
 *   LANE-3  bytes of a chunk at or above both `high` and the cursor were never handed out; they are
 *           zero if the chunk was got as zero
 *   LANE-4  nothing below `floor` is taken back or grown in place, so that what was allocated after
 *           a mark lies at or behind its position
 *   LANE-5  source->reserved is the sum of the sizes of all chunks and large blocks, spare ones
 *           included, and never exceeds max_bytes
 *   LANE-6  marks are in falling order of position; each lies in the lane right before its
 *           position, or, where the chunk had no room for it, in the chunk's header, and then its
 *           position is the chunk's end; so what drops the position's memory drops the mark
 *
 * Threads: one at a time. A parent is reached through the front door, so that its counters, limits
 * and strategy hold.
 */
#ifndef GOO_ALLOCATORS_IMPL_H
#define GOO_ALLOCATORS_IMPL_H

#include "allocators/claims.h"
#include "goo/core/types.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "runtime/base.h"
#include "runtime/bits.h"
#include "runtime/check.h"
#include "runtime/globals.h"
#include "runtime/memory.h"
#include "runtime/platform/platform.h"
#include "runtime/poison.h"

/* --- parents --- */

/* The allocator that an argument names: NULL means this thread's. */
static inline GooAllocator *gooi_parent(GooAllocator *a) {
    return a != NULL ? a : gooi_current_allocator();
}

/* Zeroed memory for an allocator's own struct; NULL with errno. */
static inline void *gooi_parent_new(GooAllocator *parent, size_t size) {
    return goo_memory_alloc_options(parent, size, 0, GOO_ALLOC_ZERO);
}

/* Settles everything that an allocator counted: `bytes` and `count` as its mechanism saw them. */
static inline void gooi_settle_all(GooAllocator *a, size_t bytes, size_t count) {
    size_t header = 0;
    if (a->track_stats) {
        GooAllocStats stats = goo_get_alloc_stats(a);
        header = stats.bytes_reserved - stats.bytes_allocated;
    }
    gooi_memory_settle(a, bytes, header, count);
}

/* GOO_ALLOC_PAGE makes whole pages of a size. Who counts a block counts what was asked for, so the
 * mechanisms that keep such counts do the rounding themselves (GOOI_ALLOCATOR_PAGES). FRONT-1: the
 * sum fits. */
static inline void gooi_round_to_pages(size_t *size, size_t *alignment, GooAllocOptions options) {
    if (GOOI_UNLIKELY((options & GOO_ALLOC_PAGE) != 0)) {
        size_t page_size = gooi_platform_page_size();
        *size = gooi_align_up(*size, page_size);
        *alignment = *alignment < page_size ? page_size : *alignment;
    }
}

/* --- the bump lane --- */

enum {
    GOOI_CHUNK_HEADER_SIZE = 64,
    GOOI_RECORD_SIZE = 32,
    GOOI_BLOCK_SIZE_MIN = 256,
    GOOI_BLOCK_SIZE_DEFAULT = 64 * 1024
};

/* A place in a lane that may be gone back to. */
typedef struct GooiMark {
    struct GooiMark *older;
    size_t position; /* right behind this */
    uint64_t serial;
} GooiMark;

typedef struct GooiChunk {
    struct GooiChunk *older;
    size_t size;   /* header included */
    size_t base;   /* position of the header */
    uint8_t *high; /* LANE-3 */
    GooiMark end_mark;
    bool zero;
} GooiChunk;
_Static_assert(sizeof(GooiChunk) <= GOOI_CHUNK_HEADER_SIZE, "a chunk's header holds this");

/* A block with memory of its own. */
typedef struct GooiLarge {
    struct GooiLarge *older;
    void *ptr;
    size_t size, alignment;
    size_t asked;         /* bytes of the request */
    size_t position;      /* of this stub */
    GooAllocOptions note; /* of GOOI_ALLOC_NOTED; 0: nobody wants to know when it goes */
} GooiLarge;

/* A large block kept for later: this lies at its start. */
typedef struct GooiSpareLarge {
    struct GooiSpareLarge *next;
    size_t size, alignment;
} GooiSpareLarge;

/* In front of a block that somebody counts, so that a reset can settle it. */
typedef struct GooiRecord {
    struct GooiRecord *older;
    size_t size; /* 0: it was freed */
    size_t position;
    uint64_t check_and_note; /* the upper bits of a check word, then the note >> GOOI_NOTE_SHIFT */
} GooiRecord;
_Static_assert(sizeof(GooiRecord) <= GOOI_RECORD_SIZE, "the room that a lane leaves for it");

typedef struct GooiChunkSource {
    GooAllocator *owner;
    GooAllocator *parent;
    size_t block_size; /* of a common chunk, header included */
    size_t max_bytes;  /* LANE-5; SIZE_MAX: no limit */
    size_t reserved;
    GooiChunk *spare;
    size_t spare_count, spare_max; /* at most so many spare chunks are kept */
    GooiSpareLarge *spare_large;   /* kept only by GOOI_KEEP_ALL */
    bool refuse_large;             /* what fits no common chunk is EINVAL */
    bool watched_memory;           /* gooi_poison_active */
} GooiChunkSource;

typedef struct GooiLane {
    uint8_t *cursor, *limit; /* LANE-2 */
    uint8_t *end;
    uint8_t *floor; /* LANE-4; compares with cursors of the newest chunk only */
    GooiChunk *newest;
    GooiLarge *large;
    GooiRecord *records;
    GooiMark *marks; /* LANE-6 */
    GooiChunkSource *source;
} GooiLane;

/* Blocks that a lane dropped and its owner's front door counts; claims are settled by then. */
typedef struct GooiDropped {
    size_t bytes, header, count;
} GooiDropped;

/* What becomes of chunks and large blocks that a lane drops. */
typedef enum GooiKeep { GOOI_KEEP_ALL, GOOI_KEEP_SPARE, GOOI_KEEP_NONE } GooiKeep;

/* block_size 0: the default; below the least: the least. max_bytes 0: none. */
void gooi_source_init(GooiChunkSource *source, GooAllocator *owner, GooAllocator *parent,
                      size_t block_size, size_t max_bytes);
/* Gives spare chunks back until `keep` are left, and all spare large blocks unless `keep_large`. */
void gooi_source_trim(GooiChunkSource *source, size_t keep, bool keep_large);

/* For lanes. `need` is without the chunk's header; what is dropped is poisoned by the lane. */
bool gooi_source_has_room(const GooiChunkSource *source, size_t size);
void *gooi_source_obtain(GooiChunkSource *source, size_t size, size_t alignment,
                         GooAllocOptions options);
void gooi_source_give_back(GooiChunkSource *source, void *ptr, size_t size, size_t alignment);
GooiChunk *gooi_source_take(GooiChunkSource *source, size_t need, bool zero);
void gooi_source_put(GooiChunkSource *source, GooiChunk *chunk, GooiKeep keep);
void *gooi_source_take_large(GooiChunkSource *source, size_t size, size_t alignment,
                             size_t *out_size, size_t *out_alignment);
void gooi_source_put_large(GooiChunkSource *source, const GooiLarge *large, GooiKeep keep);

void gooi_lane_init(GooiLane *lane, GooiChunkSource *source);

/* Everything that the fast path below does not do: ZERO, PAGE, blocks that somebody counts.
 * NULL with errno, and nothing changed but spare memory. */
void *gooi_lane_alloc(GooiLane *lane, size_t size, size_t alignment, GooAllocOptions options);
void *gooi_lane_realloc(GooiLane *lane, void *ptr, size_t old_size, size_t new_size,
                        size_t alignment, GooAllocOptions options);
bool gooi_lane_resize(GooiLane *lane, void *ptr, size_t old_size, size_t new_size);
void gooi_lane_free(GooiLane *lane, void *ptr, size_t size);
/* Whether ptr lies in memory that the lane has handed out and not taken back. */
bool gooi_lane_owns(const GooiLane *lane, const void *ptr);

size_t gooi_lane_position(const GooiLane *lane);
/* From now on nothing before this position is taken back singly (LANE-4). */
void gooi_lane_set_floor(GooiLane *lane);
/* The mark of this place, a new one with `serial` if there is none yet; the floor is here. NULL:
 * the lane is empty. Needs no memory of the parent's. */
const GooiMark *gooi_lane_mark(GooiLane *lane, uint64_t serial);
/* Drops everything at or behind a position that gooi_lane_position gave. */
GooiDropped gooi_lane_rewind(GooiLane *lane, size_t position, GooiKeep keep);
/* Drops everything. */
GooiDropped gooi_lane_clear(GooiLane *lane, GooiKeep keep);

/* What of LANE-1 to LANE-6 does not hold, or NULL. Linear in chunks, records and marks. */
const char *gooi_lane_check(const GooiLane *lane);

/* Tells the front door about counted blocks that went without a free each. */
void gooi_lane_settle(GooAllocator *a, GooiDropped dropped);

/* Zeroes a block that was just placed, as far as its memory is not zero yet (LANE-3). */
void gooi_lane_zero(const GooiLane *lane, uint8_t *p, size_t size);

/* Keeps a branch a branch: predicted, it shortens the way from one cursor to the next. */
#if defined(__GNUC__) || defined(__clang__)
#define GOOI_KEEP_BRANCH(x) __asm__("" : "+r"(x))
#else
#define GOOI_KEEP_BRANCH(x) ((void)0)
#endif

/* Where a note stands in a record: it takes the lowest bits of a word. */
enum { GOOI_NOTE_SHIFT = GOOI_ALLOC_CLAIM_SHIFT, GOOI_NOTE_BITS = 32 - GOOI_NOTE_SHIFT };
_Static_assert((GOOI_ALLOC_NOTED & ((1u << GOOI_NOTE_SHIFT) - 1)) == 0, "nothing else is noted");

/* The options that the fast path leaves to gooi_lane_alloc. */
#define GOOI_LANE_SPECIAL (GOO_ALLOC_ZERO | GOO_ALLOC_PAGE | GOOI_ALLOC_NOTED)

/* The fast path: a block from the newest chunk. False: it has no room. */
static GOOI_ALWAYS_INLINE bool gooi_lane_bump(GooiLane *lane, size_t size, size_t alignment,
                                              void **out_block) {
    uintptr_t cursor = (uintptr_t)lane->cursor;
    uintptr_t start = cursor;
    if (GOOI_UNLIKELY((cursor & (alignment - 1)) != 0)) {
        start = (cursor + (alignment - 1)) & ~(uintptr_t)(alignment - 1);
        GOOI_KEEP_BRANCH(start);
    }
    size_t need = start - cursor + size; /* FRONT-1: no overflow */
    if (GOOI_UNLIKELY(need > (uintptr_t)lane->limit - cursor)) {
        return false;
    }
    lane->cursor = (uint8_t *)(start + size);
    *out_block = (void *)start;
    return true;
}

#endif
