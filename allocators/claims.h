/* Claims: how allocators that count hear of blocks that go without a free each. Private.
 *
 * An arena may be reset, rewound or ended by whoever holds it, below the backs of the trackers and
 * limits that lie over it. So each block that passes through one of them is claimed:
 *
 *     tracking ──▶ limit ──▶ arena        claimants: tracking, limit        base: the arena
 *        claim 7 ───────────▶ noted with the block
 *        lost ◀───── lost ◀── rewind: the block of claim 7 goes
 *
 * The outermost decorator puts its number among the options of the request; those below pass it on.
 * A base with GOOI_ALLOCATOR_CLAIMS notes it with the block (lanes: in the block's record), and
 * when it takes the block back without a free, everyone between the claimant and the base is told.
 * Other bases (pool, stack, fixed) take everything back or nothing; of those a claimant keeps a
 * share: the sum of its blocks that lie there.
 *
 *   CLAIM-1  a claimant whose parents can't take blocks back in bulk has no number and does nothing
 *   CLAIM-2  a number is not given again before all others were; a claim is honoured only if its
 *            number's claimant lies over the base that tells
 *   CLAIM-3  a share's sums are those of the claimant's live blocks in that base
 *
 * Threads: claimants come and go on any thread; a base tells on the thread that resets it. A reset
 * while other threads use the claimants over the base is a race, as for the base itself.
 * Left out on purpose: allocators written by hand in between; what lies over one is not seen.
 */
#ifndef GOO_ALLOCATORS_CLAIMS_H
#define GOO_ALLOCATORS_CLAIMS_H

#include "goo/core/types.h"
#include "runtime/globals.h"

#include <stdatomic.h>

/* What is noted with a block that somebody counts. */
#define GOOI_ALLOC_NOTED (GOOI_ALLOC_COUNTED | GOOI_ALLOC_HEADER | GOOI_ALLOC_CLAIM)

/* Blocks that are gone. */
typedef struct GooiLoss {
    GooAllocator *base;
    void *ptr; /* NULL: many, all that it has in this base, which still owns them */
    size_t bytes, count;
    size_t header; /* of the bytes, what only the first claimant's front door knows as hidden */
} GooiLoss;

struct GooiShare {
    GooiShare *next; /* with the same bucket */
    GooiClaimant *owner;
    GooAllocator *base;
    _Atomic size_t bytes, count; /* CLAIM-3; 0 for a base that notes claims */
};

struct GooiClaimant {
    GooiClaimant *next; /* with the same bucket */
    GooAllocator *self;
    GooAllocator *parents[2];
    GooiClaimant *below[2]; /* the claimants that the parents are, or NULL */
    /* Takes a loss off its own figures; the front door's are settled already. May be NULL. */
    void (*lost)(GooiClaimant *c, const GooiLoss *loss);
    uint32_t id;       /* 0: CLAIM-1 */
    bool shared;       /* its allocator is thread-safe */
    bool divided;      /* some of its blocks may lie outside of a base */
    bool keeps_shares; /* some base notes no claims */
    bool translates;   /* its blocks are others than its parents': to those above it is a base, and
                          settles with its front door by itself; set after init */
    GooiShare *shares; /* one for each base */
    size_t share_count;
};

/* Makes `self` a claimant over one or two parents (second NULL). False: ENOMEM. */
bool gooi_claimant_init(GooiClaimant *c, GooAllocator *self, GooAllocator *first,
                        GooAllocator *second, void (*lost)(GooiClaimant *, const GooiLoss *));
void gooi_claimant_deinit(GooiClaimant *c);

/* The options of a request of this claimant to its parent: the claim from above, or its own. */
static inline GooAllocOptions gooi_claimant_options(const GooiClaimant *c,
                                                    GooAllocOptions options) {
    GooAllocOptions passed = options & (GOOI_ALLOC_PUBLIC | GOOI_ALLOC_CLAIM);
    if (c->id == 0) {
        return options & GOOI_ALLOC_PUBLIC;
    }
    if ((options & GOOI_ALLOC_CLAIM_ID) == 0) {
        passed |= c->id << GOOI_ALLOC_CLAIM_SHIFT;
        passed |= (options & GOOI_ALLOC_HEADER) != 0 ? GOOI_ALLOC_CLAIM_HEADER : 0u;
    }
    return passed;
}

/* The share that a live block belongs to; NULL: none. */
GooiShare *gooi_claimant_share(const GooiClaimant *c, const void *ptr);
void gooi_share_add(GooiShare *share, size_t bytes, size_t count);

/* A block came. */
static inline void gooi_claimant_got(const GooiClaimant *c, const void *ptr, size_t size) {
    if (GOOI_UNLIKELY(c->keeps_shares)) {
        gooi_share_add(gooi_claimant_share(c, ptr), size, 1);
    }
}

/* A block is about to go. */
static inline void gooi_claimant_gives(const GooiClaimant *c, const void *ptr, size_t size) {
    if (GOOI_UNLIKELY(c->keeps_shares)) {
        gooi_share_add(gooi_claimant_share(c, ptr), (size_t)0 - size, (size_t)-1);
    }
}

/* Whether an allocator's block survives a reset: what moves it elsewhere has to ask for that. */
static inline bool gooi_block_persists(GooAllocator *a, const void *ptr) {
    const GooiAllocatorOps *ops = gooi_allocator_ops(a);
    return ops->persists != NULL && ops->persists(a, ptr);
}

/* For bases. A claimed block goes without a free; `claim`: the options that it came with. `size` as
 * the mechanism was asked for it. */
void gooi_claims_lost(GooAllocator *base, GooAllocOptions claim, void *ptr, size_t size);
/* All blocks are about to go. */
void gooi_claims_lost_all(GooAllocator *base);

#endif
