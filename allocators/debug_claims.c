/* What the debug allocator passes on without a record, and what its parent takes back unasked.
 *
 * The parent's blocks are larger than the caller's by their guards. So the debug allocator claims
 * its parent's blocks for itself (claims.h), and for those above it, it is a base: the claim that a
 * request came with stands in the block's record, and is told when the block goes with its memory.
 *
 *     tracking ──▶ debug ──▶ arena        claim of tracking: in the record
 *                     ▲────── lost ───    claim of debug: in the arena
 *
 * Blocks that are not sampled have no record. Their claim is the debug allocator's too, which then
 * settles only what its own front door counted; a request that comes with a claim gets a record.
 * Damage to blocks that go this way is not looked for: a reset of the debug allocator does that.
 */
#include "allocators/debug_guard.h"
#include "goo/runtime/memory.h"
#include "runtime/bits.h"
#include "runtime/memory.h"

/* --- without a record --- */

void *gooi_debug_realloc_unwatched(DebugAllocator *d, void *ptr, size_t old_size, size_t new_size,
                                   size_t alignment, GooAllocOptions options) {
    GooiShare *share = d->claimant.keeps_shares ? gooi_claimant_share(&d->claimant, ptr) : NULL;
    options = gooi_claimant_options(&d->claimant, options) & ~(GooAllocOptions)GOO_ALLOC_NOFAIL;
    void *p = gooi_memory_realloc_claimed(d->parent, ptr, old_size, new_size, alignment, options);
    if (p != NULL) {
        gooi_share_add(share, (size_t)0 - old_size, (size_t)-1);
        gooi_claimant_got(&d->claimant, p, new_size);
    }
    return p;
}

bool gooi_debug_resize_parents(DebugAllocator *d, void *ptr, size_t old_size, size_t new_size,
                               size_t alignment) {
    bool resized = goo_memory_resize_options(d->parent, ptr, old_size, new_size, alignment);
    if (resized && GOOI_UNLIKELY(d->claimant.keeps_shares)) {
        gooi_share_add(gooi_claimant_share(&d->claimant, ptr), new_size - old_size, 0);
    }
    return resized;
}

/* --- taken back --- */

void gooi_debug_lose(DebugAllocator *d, DebugRecord *r, DebugOrigin origin) {
    GooAllocator *a = &d->head.allocator;
    if (gooi_debug_state(r) == DEBUG_LIVE) {
        GooAllocOptions note = (GooAllocOptions)r->note;
        size_t size = gooi_debug_size(r);
        d->live_count--;
        if ((note & GOOI_ALLOC_COUNTED) != 0) {
            size_t header = (note & GOOI_ALLOC_HEADER) != 0 ? GOO_DEFAULT_ALIGNMENT : 0;
            gooi_memory_settle(a, size, header, 1);
        }
        if ((note & GOOI_ALLOC_CLAIM) != 0) {
            gooi_claims_lost(a, note, r->ptr, size);
        }
        r->free_origin = origin;
    }
    r->shape |= DEBUG_GONE;
    if (!d->options.retain_metadata) {
        gooi_debug_records_remove(&d->records, r);
    }
}

/* The record of a block that begins at `base` for the parent. How far the caller's part is from
 * there follows from an alignment that is not known. Under the lock. */
static DebugRecord *debug_find_base(DebugAllocator *d, uint8_t *base, size_t size) {
    for (size_t alignment = GOO_DEFAULT_ALIGNMENT; alignment < size; alignment *= 2) {
        size_t front = gooi_align_up(d->options.canary_bytes, alignment);
        DebugRecord *r = gooi_debug_records_find(&d->records, base + front);
        if (r != NULL && gooi_debug_state(r) != DEBUG_GONE &&
            gooi_debug_layout(d, r).front == front) {
            return r;
        }
    }
    return NULL;
}

static void debug_lose_any(DebugAllocator *d, DebugRecord *r) {
    if (gooi_debug_state(r) == DEBUG_QUARANTINED) {
        gooi_debug_release_held(d, r);
    }
    gooi_debug_lose(d, r, 0);
}

/* All that lie in a base, sampled or not. Of the others only the sum is known. */
static void debug_lose_all_in(DebugAllocator *d, const GooiLoss *loss) {
    GooiLoss rest = *loss;
    for (uint32_t i = 1; i < d->records.limit; i++) {
        DebugRecord *r = &d->records.all[i];
        uint64_t state = gooi_debug_state(r);
        if (state == DEBUG_UNUSED || state == DEBUG_GONE ||
            (d->claimant.divided && !goo_allocator_owns(loss->base, r->ptr))) {
            continue;
        }
        rest.bytes -= gooi_debug_layout(d, r).total;
        rest.count--;
        if (state == DEBUG_LIVE && (r->note & GOOI_ALLOC_HEADER) != 0) {
            rest.header -= GOO_DEFAULT_ALIGNMENT;
        }
        debug_lose_any(d, r);
    }
    if (rest.count != 0 && gooi_memory_watched(&d->head.allocator)) {
        gooi_memory_settle(&d->head.allocator, rest.bytes, rest.header, rest.count);
    }
}

void gooi_debug_lost(GooiClaimant *c, const GooiLoss *loss) {
    DebugAllocator *d = (DebugAllocator *)(void *)c->self;
    bool locked = gooi_debug_lock(d);
    if (loss->ptr == NULL && !d->resetting) {
        debug_lose_all_in(d, loss);
    } else if (!d->resetting) {
        DebugRecord *r = debug_find_base(d, loss->ptr, loss->bytes);
        if (r != NULL) {
            debug_lose_any(d, r);
        } else if (gooi_memory_watched(c->self)) { /* one that was not sampled */
            gooi_memory_settle(c->self, loss->bytes, loss->header, 1);
        }
    }
    gooi_debug_unlock(d, locked);
}
