/* The debug allocator's quarantine: freed blocks that are not given back yet, so that their memory
 * is nobody else's and a late write to it shows.
 *
 *     free ─▶ newest … oldest ─▶ looked at once more ─▶ parent
 *
 * A block is filled with a known byte, and hidden from the program by the tools that watch memory,
 * where there is one; a block with whole pages of its own is made inaccessible instead. Its
 * canaries stay. The quarantine is small enough to stay in a cache, since each block is touched
 * again on its way out; the next one to go is fetched when its turn is near.
 *
 *   HELD-1  held[i % held_capacity] for oldest <= i < newest are the numbers of all QUARANTINED
 *           records, in the order in which they came; held_bytes is the sum of their sizes
 *
 * Threads: as debug.h says of each function.
 */
#include "allocators/debug_guard.h"
#include "runtime/poison.h"
#include "runtime/system.h"

enum { QUARANTINE_FIRST = 1024 };

/* --- what may be touched --- */

static void quarantine_protect(const DebugAllocator *d, DebugRecord *r) {
    DebugLayout layout = gooi_debug_layout(d, r);
    uint8_t *base = r->ptr - layout.front;
    if (d->options.never_unmap) {
        gooi_platform_discard(base, layout.total); /* a hint; only the addresses are kept */
    }
    if (gooi_platform_protect(base, layout.total, false)) {
        r->shape |= DEBUG_PROTECTED;
    }
}

/* Of a block that is not protected. */
static inline void quarantine_show(const DebugAllocator *d, const DebugRecord *r) {
    if (GOOI_UNLIKELY(d->poisons)) {
        gooi_unpoison(r->ptr, gooi_debug_size(r), true);
    }
}

static inline void quarantine_hide(const DebugAllocator *d, DebugRecord *r) {
    if (GOOI_UNLIKELY((r->shape & DEBUG_PAGED) != 0)) {
        quarantine_protect(d, r);
        if ((r->shape & DEBUG_PROTECTED) != 0) {
            return;
        }
    }
    size_t size = gooi_debug_size(r);
    gooi_debug_poison(r->ptr, size);
    if (GOOI_UNLIKELY((r->shape & DEBUG_REPORTED) != 0)) {
        gooi_debug_guard(d, r->ptr, size);
        r->shape &= ~DEBUG_REPORTED;
    }
    if (GOOI_UNLIKELY(d->poisons)) {
        gooi_poison(r->ptr, size);
    }
}

void gooi_debug_unhide(const DebugAllocator *d, DebugRecord *r) {
    if ((r->shape & DEBUG_PROTECTED) != 0) {
        DebugLayout layout = gooi_debug_layout(d, r);
        gooi_platform_protect(r->ptr - layout.front, layout.total, true);
        r->shape &= ~DEBUG_PROTECTED;
    } else if (gooi_debug_state(r) == DEBUG_QUARANTINED) {
        quarantine_show(d, r);
    }
}

/* --- the ring --- */

static inline uint32_t *quarantine_at(const DebugAllocator *d, uint32_t i) {
    return &d->held[i & (d->held_capacity - 1)];
}

static GOOI_NEVER_INLINE bool quarantine_grow(DebugAllocator *d) {
    uint32_t capacity = d->held_capacity != 0 ? 2 * d->held_capacity : QUARANTINE_FIRST;
    uint32_t *held = gooi_system_alloc(NULL, capacity * sizeof *held, GOO_DEFAULT_ALIGNMENT, 0);
    if (held == NULL) {
        return false;
    }
    for (uint32_t i = d->oldest; i != d->newest; i++) {
        held[i & (capacity - 1)] = *quarantine_at(d, i);
    }
    gooi_system_free(NULL, d->held, 0, GOO_DEFAULT_ALIGNMENT);
    d->held = held;
    d->held_capacity = capacity;
    return true;
}

/* --- out --- */

static GOOI_NEVER_INLINE void quarantine_note_damage(DebugAllocator *d, const DebugRecord *r,
                                                     DebugFault *fault) {
    if (fault->kind == DEBUG_FAULT_NONE) {
        *fault = gooi_debug_damage(d, r);
        quarantine_show(d, r);
    }
}

/* A record that has left the ring: its memory is the caller's to give back. */
static inline void quarantine_release(DebugAllocator *d, DebugRecord *r, DebugLeavers *out) {
    bool hidden = (r->shape & DEBUG_PROTECTED) != 0;
    size_t size = gooi_debug_size(r);
    if (GOOI_UNLIKELY(hidden)) {
        gooi_debug_unhide(d, r);
    } else {
        quarantine_show(d, r);
        if (GOOI_UNLIKELY(!gooi_debug_is_poisoned(r->ptr, size) ||
                          !gooi_debug_is_guarded(d, r->ptr, size))) {
            quarantine_note_damage(d, r, &out->fault);
        }
    }
    DebugLayout layout = gooi_debug_layout(d, r);
    out->blocks[out->count++] =
        (DebugLeaving){r->ptr - layout.front, layout.total, layout.alignment};
    if (d->options.retain_metadata) {
        r->shape |= DEBUG_GONE;
    } else {
        gooi_debug_records_remove(&d->records, r);
    }
}

/* What will be looked at when the next one goes, and its follower's record. */
static inline void quarantine_prefetch(const DebugAllocator *d) {
    if (GOOI_LIKELY(d->newest - d->oldest > 1)) {
        const DebugRecord *next = &d->records.all[*quarantine_at(d, d->oldest)];
        GOOI_PREFETCH(next->ptr - 1);
        GOOI_PREFETCH(next->ptr + gooi_debug_size(next));
        GOOI_PREFETCH(gooi_debug_map_find(&d->records, next->ptr));
        GOOI_PREFETCH(&d->records.all[*quarantine_at(d, d->oldest + 1)]);
    }
}

void gooi_debug_release_held(DebugAllocator *d, DebugRecord *r) {
    uint32_t number = (uint32_t)(r - d->records.all);
    uint32_t i = d->oldest;
    while (i != d->newest && *quarantine_at(d, i) != number) {
        i++;
    }
    if (i == d->newest) {
        return; /* on its way out */
    }
    for (; i != d->oldest; i--) { /* the older ones move up */
        *quarantine_at(d, i) = *quarantine_at(d, i - 1);
    }
    d->oldest++;
    d->held_bytes -= gooi_debug_size(r);
    gooi_debug_unhide(d, r);
}

static inline void quarantine_let_go(DebugAllocator *d, size_t keep, DebugLeavers *out) {
    while (d->held_bytes > keep && out->count < DEBUG_BATCH) {
        DebugRecord *r = &d->records.all[*quarantine_at(d, d->oldest++)];
        d->held_bytes -= gooi_debug_size(r);
        quarantine_prefetch(d);
        quarantine_release(d, r, out);
    }
}

DebugFault gooi_debug_empty_quarantine(DebugAllocator *d) {
    DebugLeavers leavers;
    leavers.fault = (DebugFault){.kind = DEBUG_FAULT_NONE};
    do {
        leavers.count = 0;
        bool locked = gooi_debug_lock(d);
        quarantine_let_go(d, 0, &leavers);
        gooi_debug_unlock(d, locked);
        gooi_debug_give_back(d, &leavers);
    } while (leavers.count == DEBUG_BATCH);
    return leavers.fault;
}

/* --- in --- */

void gooi_debug_hold(DebugAllocator *d, DebugRecord *r, DebugLeavers *leavers) {
    r->shape ^= DEBUG_LIVE ^ DEBUG_QUARANTINED;
    quarantine_hide(d, r);
    if (GOOI_UNLIKELY(d->newest - d->oldest == d->held_capacity && !quarantine_grow(d))) {
        quarantine_release(d, r, leavers); /* no memory to remember it in */
        return;
    }
    *quarantine_at(d, d->newest++) = (uint32_t)(r - d->records.all);
    d->held_bytes += gooi_debug_size(r);
    if (!d->options.never_unmap) {
        quarantine_let_go(d, d->options.quarantine_bytes, leavers);
    }
}
