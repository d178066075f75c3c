/* Small objects behind the inline fast path: from hole to hole through a region's block.
 *
 *   span too short ─▶ more of this hole ─▶ one of the next holes ─▶ NULL: another block (alloc.c)
 *
 * A span is the piece of a hole that the mutator may bump through: at most GOOI_SPAN_MAX bytes, so
 * that it stays in the first-level cache while it is zeroed and used, and so that the fast path
 * never makes an object that belongs among the large ones. In a block whose memory is zero already
 * nothing is zeroed.
 *
 * In a half-full block of objects of random sizes every second allocation finds its span too short,
 * and which ones can't be foreseen. So the way from hole to hole is short, and has no branch that
 * depends on sizes but the one that led here.
 *
 * Which hole is next: the first of the next eight with room; what is left of the one before takes
 * its place among them. So sizes that alternate use both up. When all eight are too short they are
 * given up, as long as the block has lost little that way; else the object goes to the medium
 * region.
 *
 * Zeroing has two ways, chosen for each block (block.c). Mostly each span is zeroed when it is
 * opened. In a heap larger than caches, a block with much free space in long holes is zeroed in
 * address order ahead of its use, what is free of a kilobyte with each hole that is entered: so the
 * processor fetches ahead, and nobody waits for a burst of stores.
 *
 *   block  | zero, or handed out                | lead | not zero yet |
 *            ... holes entered so far ... hole^         ^ zeroed
 *
 * ALLOC-1  [fast.cursor, span_limit) is zero, and so is its metadata.
 *          It is so before the metadata of an object in it is written: what a fork finds (fork.c).
 * SMALL-1  what is free of the block and lies before `zeroed` is zero, unless it was handed out.
 *          Where zeroed is 0, only the span is known to be zero.
 *
 * Threads: the mutator's own.
 */
#include <string.h>

#include "gc/heap.h"
#include "runtime/bits.h"

#define GOOI_HOLE_KEEP 4              /* granules; a shorter rest of a hole is given up */
#define GOOI_ZERO_STEP_LOG2 10        /* a word of the block's map, in bytes of the block */
#define GOOI_ZERO_LEAD ((size_t)4096) /* where the steps did not keep up */

/* Counts the bytes handed out of the span so far; the span then starts at the cursor. Objects are
 * counted when their block is given back. */
void gooi_span_settle(GooGcMutator *m) {
    m->since_bytes += m->fast.cursor - m->span_start;
    m->span_start = m->fast.cursor;
}

/* Begins at the start of the region's block, in no hole. */
void gooi_span_begin_block(GooGcMutator *m) {
    uintptr_t block = m->small->block;
    m->fast.cursor = m->span_start = m->span_limit = m->fast.limit = block;
    m->fast.table_bias = gooi_table_bias(block);
}

/* Ends the span: there is nothing to hand out. */
void gooi_span_clear(GooGcMutator *m) {
    gooi_span_settle(m);
    m->fast.cursor = m->fast.limit = m->span_start = m->span_limit = 0;
}

/* --- zeroing --- */

/* Zeroes what is free of the block's next `steps` kilobytes. */
static inline void small_zero_steps(GooiRegion *small, size_t steps) {
    size_t word = (small->zeroed - small->block) >> GOOI_ZERO_STEP_LOG2;
    gooi_kernels->zero_clear((void *)small->zeroed, &small->occupied[word], steps);
    small->zeroed += steps << GOOI_ZERO_STEP_LOG2;
}

/* The span is not known to be zero yet: zeroes it, and some way on where the block is zeroed ahead.
 */
static GOOI_NEVER_INLINE void small_zero_span(const GooGcMutator *m) {
    GooiRegion *small = m->small;
    if (small->zeroed == 0) {
        gooi_space_zero(m->span_start, m->span_limit - m->span_start);
        return;
    }
    size_t wanted = m->span_limit - small->block + GOOI_ZERO_LEAD;
    size_t to = wanted < GOOI_BLOCK_SIZE ? wanted : GOOI_BLOCK_SIZE;
    size_t rest = small->block + to - small->zeroed;
    small_zero_steps(small, (rest + ((size_t)1 << GOOI_ZERO_STEP_LOG2) - 1) >> GOOI_ZERO_STEP_LOG2);
}

/* --- holes --- */

/* Bit i: the i-th of the next holes has no room. No branch: which one it is can't be foreseen. */
static inline unsigned small_too_short(const GooiHole *next, size_t granules) {
    unsigned too_short = 0;
    for (unsigned i = GOOI_HOLES_NEAR; i-- > 0;) {
        too_short = too_short + too_short + (next[i].count < (uint16_t)granules);
    }
    return too_short;
}

/* All of the nearest holes are too short. They are given up, as long as the block has lost little
 * that way. */
static GOOI_NEVER_INLINE bool small_pass_over(GooiRegion *small) {
    size_t lost = 0;
    for (unsigned i = 0; i < GOOI_HOLES_NEAR; i++) {
        lost += small->holes[small->hole_index + i].count;
    }
    if (small->hole_index >= small->hole_count || lost > small->may_lose) {
        return false;
    }
    small->may_lose -= lost;
    small->hole_index += GOOI_HOLES_NEAR;
    if (small->hole_index > small->hole_count) {
        small->hole_index = small->hole_count; /* behind which stand holes of no length */
    }
    return true;
}

/* One of the next holes, with room for so much; NULL: none has, or none may be used up for it. */
static inline GooiHole *small_find(GooiRegion *small, size_t granules) {
    for (;;) {
        GooiHole *next = &small->holes[small->hole_index];
        unsigned too_short = small_too_short(next, granules);
        if (GOOI_LIKELY(too_short != (1u << GOOI_HOLES_NEAR) - 1)) {
            return &next[gooi_count_trailing_zeros(~(uint64_t)too_short)];
        }
        if (!small_pass_over(small)) {
            return NULL;
        }
    }
}

/* What is left of a hole takes the place of the one that was chosen, or, when it is good for
 * nothing, the list's first does. Without a branch, again. */
static inline void small_put_back(GooiRegion *small, GooiHole *chosen, GooiHole left) {
    uint32_t left_bits, first_bits;
    memcpy(&left_bits, &left, sizeof left_bits);
    memcpy(&first_bits, &small->holes[small->hole_index], sizeof first_bits);
    uint32_t keep = left.count >= GOOI_HOLE_KEEP;
    uint32_t bits = first_bits ^ ((first_bits ^ left_bits) & (0 - keep));
    memcpy(chosen, &bits, sizeof bits);
    small->hole_index += 1 - keep;
}

_Static_assert(sizeof(GooiHole) == sizeof(uint32_t), "small_put_back chooses between two words");

/* Opens a span at `start`, in a hole that goes on to `end` and has room for the object, which is
 * its first. */
static inline void *small_open_span(GooGcMutator *m, uintptr_t start, uintptr_t end, size_t size,
                                    unsigned metadata) {
    GooiRegion *small = m->small;
    uintptr_t limit = end - start > GOOI_SPAN_MAX ? start + GOOI_SPAN_MAX : end;
    m->fast.cursor = m->span_start = start;
    m->fast.limit = m->span_limit = limit;
    if (limit > small->zeroed) {
        small_zero_span(m);
    } else if (small->zeroed < small->block + GOOI_BLOCK_SIZE) {
        small_zero_steps(small, 1);
    }
    return goo_gc_bump_inline(m, size, metadata);
}

/* The hole has more room than the span. */
static GOOI_NEVER_INLINE void *small_go_on(GooGcMutator *m, size_t size, unsigned metadata) {
    gooi_span_settle(m);
    return small_open_span(m, m->fast.cursor, m->small->end, size, metadata);
}

/* A small object from the block that the mutator has, when its span is too short for it; NULL: the
 * block has no room, or none that may be used up. */
void *gooi_small_alloc(GooGcMutator *m, size_t size, unsigned metadata) {
    GooiRegion *small = m->small;
    uintptr_t cursor = m->fast.cursor, left = small->end - cursor;
    if (GOOI_UNLIKELY(size <= left)) {
        return small_go_on(m, size, metadata);
    }
    GooiHole *chosen = small_find(small, gooi_granules_of(size));
    if (GOOI_UNLIKELY(chosen == NULL)) {
        return NULL;
    }
    GooiHole hole = *chosen;
    small_put_back(small, chosen,
                   (GooiHole){(uint16_t)((cursor - small->block) >> GOOI_GRANULE_LOG2),
                              (uint16_t)(left >> GOOI_GRANULE_LOG2)});
    m->since_bytes += cursor - m->span_start;
    uintptr_t start = small->block + ((uintptr_t)hole.first << GOOI_GRANULE_LOG2);
    small->end = start + ((uintptr_t)hole.count << GOOI_GRANULE_LOG2);
    return small_open_span(m, start, small->end, size, metadata);
}
