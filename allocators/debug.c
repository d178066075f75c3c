/* The debug allocator: every block with guards around it and a record apart from it, and freed
 * blocks held back for a while. Picture and invariants DEBUG-1 to DEBUG-4 are in debug.h.
 *
 *     | pad | front canary | size bytes | back canary | pad |      the parent's block
 *     base                 ptr = base + front                      from size, alignment and flags
 *
 * Where a parent's block begins and how large it is follows from the record, so nothing in the
 * block has to be believed. A free checks first and changes then; what it found is raised after
 * the lock is gone. A freed block is poisoned and goes to the end of the quarantine, and the oldest
 * leave it until it is small enough; a block with whole pages of its own is made inaccessible
 * instead.
 *
 * Sampled, allocations that are not watched go straight to the parent, and the filter of the table
 * tells their frees apart without the lock.
 *
 * Threads: as the parent. Left out on purpose: resizing in place (a moved block finds stale
 * pointers); blocks that the parent takes back unseen, but for those that it says are gone.
 */
#include "allocators/debug.h"

#include "goo/runtime/memory.h"
#include "runtime/bits.h"
#include "runtime/check.h"
#include "runtime/memory.h"
#include "runtime/platform/platform.h"
#include "runtime/system.h"

#include <errno.h>
#include <string.h>

enum {
    DEBUG_POISON = 0xdf,
    DEBUG_PAGED_SIZE = 64 * 1024,
    DEBUG_CANARY_MAX = 4096,
    DEBUG_STACK_DEFAULT = 16,
    DEBUG_QUARANTINE_DEFAULT = 64 * 1024,
    DEBUG_CANARY_DEFAULT = 16
};

void gooi_debug_lock(DebugAllocator *d) {
    while (GOOI_UNLIKELY(atomic_flag_test_and_set_explicit(&d->lock, memory_order_acquire))) {
        gooi_platform_yield();
    }
}

void gooi_debug_unlock(DebugAllocator *d) {
    atomic_flag_clear_explicit(&d->lock, memory_order_release);
}

/* --- where a block lies --- */

/* False: the sum does not fit. */
static bool debug_lay_out(const DebugAllocator *d, size_t size, size_t alignment, unsigned flags,
                          DebugLayout *out) {
    size_t page = d->page_size;
    if ((flags & DEBUG_WHOLE_PAGES) != 0 && alignment < page) {
        alignment = page;
    }
    alignment = alignment < GOO_DEFAULT_ALIGNMENT ? GOO_DEFAULT_ALIGNMENT : alignment;
    out->front = gooi_align_up(d->options.canary_bytes, alignment);
    out->alignment = alignment;
    if (gooi_add_overflows(size, out->front + d->options.canary_bytes, &out->total)) {
        return false;
    }
    if ((flags & DEBUG_PAGED) != 0) {
        out->alignment = alignment < page ? page : alignment;
        return !gooi_align_up_overflows(out->total, page, &out->total);
    }
    return true;
}

DebugLayout gooi_debug_layout(const DebugAllocator *d, const DebugRecord *r) {
    DebugLayout layout = {0, 0, 0};
    bool fits = debug_lay_out(d, r->size, (size_t)1 << r->alignment_log2, r->flags, &layout);
    GOO_ASSERT(fits, "debug allocator: a record of %zu bytes", r->size);
    (void)fits;
    return layout;
}

bool gooi_debug_is_held(const DebugAllocator *d, const DebugRecord *r) {
    bool tells = (d->parent->capabilities & GOO_ALLOCATOR_OWNS) != 0;
    return r->state != DEBUG_GONE && (!tells || goo_allocator_owns(d->parent, r->ptr));
}

/* --- canaries and poison --- */

/* The word of a canary: different for each allocator and each place. */
static inline uint64_t debug_canary(const DebugAllocator *d, const void *ptr) {
    return (d->secret ^ (uint64_t)(uintptr_t)ptr) * UINT64_C(0x9e3779b97f4a7c15) |
           UINT64_C(0x8080808080808080);
}

static void debug_fill_canary(uint8_t *to, size_t count, uint64_t word) {
    for (; count >= sizeof word; count -= sizeof word, to += sizeof word) {
        memcpy(to, &word, sizeof word);
    }
    memcpy(to, &word, count);
}

/* The index of the first byte that differs, or count. */
static size_t debug_verify_canary(const uint8_t *from, size_t count, uint64_t word) {
    size_t i = 0;
    for (uint64_t seen; count - i >= sizeof seen; i += sizeof seen) {
        memcpy(&seen, from + i, sizeof seen);
        if (GOOI_UNLIKELY(seen != word)) {
            break; /* found below */
        }
    }
    for (; i < count; i += sizeof word) {
        size_t part = count - i < sizeof word ? count - i : sizeof word;
        if (GOOI_UNLIKELY(memcmp(from + i, &word, part) != 0)) {
            const uint8_t *expected = (const uint8_t *)&word;
            while (from[i] == expected[i % sizeof word]) {
                i++;
            }
            return i;
        }
    }
    return count;
}

static void debug_guard(const DebugAllocator *d, uint8_t *ptr, size_t size) {
    size_t count = d->options.canary_bytes;
    uint64_t word = debug_canary(d, ptr);
    debug_fill_canary(ptr - count, count, word);
    debug_fill_canary(ptr + size, count, word);
}

static inline bool debug_is_guarded(const DebugAllocator *d, const DebugRecord *r) {
    size_t count = d->options.canary_bytes;
    uint64_t word = debug_canary(d, r->ptr);
    return debug_verify_canary(r->ptr + r->size, count, word) == count &&
           debug_verify_canary(r->ptr - count, count, word) == count;
}

static DebugFault debug_check_canaries(const DebugAllocator *d, const DebugRecord *r) {
    DebugFault fault = {.kind = DEBUG_FAULT_NONE, .ptr = r->ptr, .size = r->size, .record = *r};
    size_t count = d->options.canary_bytes;
    uint64_t word = debug_canary(d, r->ptr);
    size_t behind = debug_verify_canary(r->ptr + r->size, count, word);
    if (GOOI_UNLIKELY(behind != count)) {
        fault.kind = DEBUG_OVERRUN;
        fault.offset = (ptrdiff_t)(r->size + behind);
        return fault;
    }
    size_t before = debug_verify_canary(r->ptr - count, count, word);
    if (GOOI_UNLIKELY(before != count)) {
        fault.kind = DEBUG_UNDERRUN;
        fault.offset = (ptrdiff_t)before - (ptrdiff_t)count;
    }
    return fault;
}

/* Whether all bytes are poison: the first is, and each equals the next. */
static bool debug_is_poisoned(const uint8_t *ptr, size_t size) {
    return size == 0 || (ptr[0] == DEBUG_POISON && memcmp(ptr, ptr + 1, size - 1) == 0);
}

DebugFault gooi_debug_damage(const DebugAllocator *d, const DebugRecord *r) {
    DebugFault fault = {.kind = DEBUG_FAULT_NONE, .ptr = r->ptr, .size = r->size, .record = *r};
    if ((r->flags & (DEBUG_PROTECTED | DEBUG_REPORTED)) != 0 || r->state == DEBUG_GONE) {
        return fault;
    }
    if (r->state == DEBUG_QUARANTINED && !debug_is_poisoned(r->ptr, r->size)) {
        fault.kind = DEBUG_USE_AFTER_FREE;
        while (r->ptr[fault.offset] == DEBUG_POISON) {
            fault.offset++;
        }
        return fault;
    }
    return debug_check_canaries(d, r);
}

/* --- the quarantine --- */

static void debug_protect(const DebugAllocator *d, DebugRecord *r) {
    DebugLayout layout = gooi_debug_layout(d, r);
    uint8_t *base = r->ptr - layout.front;
    if (d->options.never_unmap) {
        gooi_platform_discard(base, layout.total); /* a hint; only the addresses are kept */
    }
    if (gooi_platform_protect(base, layout.total, false)) {
        r->flags |= DEBUG_PROTECTED;
    }
}

void gooi_debug_unprotect(const DebugAllocator *d, DebugRecord *r) {
    if ((r->flags & DEBUG_PROTECTED) != 0) {
        DebugLayout layout = gooi_debug_layout(d, r);
        gooi_platform_protect(r->ptr - layout.front, layout.total, true);
        r->flags &= (uint8_t)~DEBUG_PROTECTED;
    }
}

static void debug_hold(DebugAllocator *d, DebugRecord *r) {
    r->state = DEBUG_QUARANTINED;
    if ((r->flags & DEBUG_PAGED) != 0) {
        debug_protect(d, r);
    }
    if ((r->flags & DEBUG_PROTECTED) == 0) {
        memset(r->ptr, DEBUG_POISON, r->size);
        debug_guard(d, r->ptr, r->size);
    }
    r->next = NULL;
    if (d->newest != NULL) {
        d->newest->next = r;
    } else {
        d->oldest = r;
    }
    d->newest = r;
    d->quarantined_bytes += r->size;
}

/* A block that left the quarantine, on its way to the parent. */
typedef struct DebugLeaving {
    void *base;
    size_t size, alignment;
} DebugLeaving;

/* The oldest leaves; its memory is the caller's to free. Under the lock. */
static DebugLeaving debug_leave(DebugAllocator *d, DebugFault *fault) {
    DebugRecord *r = d->oldest;
    d->oldest = r->next;
    d->newest = d->oldest != NULL ? d->newest : NULL;
    d->quarantined_bytes -= r->size;
    bool whole = (r->flags & DEBUG_PROTECTED) != 0 ||
                 (debug_is_poisoned(r->ptr, r->size) && debug_is_guarded(d, r));
    if (GOOI_UNLIKELY(!whole && fault->kind == DEBUG_FAULT_NONE)) {
        *fault = gooi_debug_damage(d, r);
    }
    gooi_debug_unprotect(d, r);
    DebugLayout layout = gooi_debug_layout(d, r);
    DebugLeaving leaving = {r->ptr - layout.front, layout.total, layout.alignment};
    if (d->options.retain_metadata) {
        r->state = DEBUG_GONE;
    } else {
        gooi_debug_table_remove(&d->table, r);
    }
    return leaving;
}

/* Blocks on their way out; more than that wait for the next free. */
enum { DEBUG_BATCH = 16 };
typedef struct DebugLeavers {
    DebugLeaving blocks[DEBUG_BATCH];
    size_t count;
} DebugLeavers;

/* Lets blocks go until at most `keep` bytes are held. Under the lock. */
static void debug_collect_leavers(DebugAllocator *d, size_t keep, DebugLeavers *out,
                                  DebugFault *fault) {
    out->count = 0;
    while (d->oldest != NULL && d->quarantined_bytes > keep && out->count < DEBUG_BATCH) {
        out->blocks[out->count++] = debug_leave(d, fault);
    }
}

/* Without the lock. */
static void debug_free_leavers(DebugAllocator *d, const DebugLeavers *leavers) {
    for (size_t i = 0; i < leavers->count; i++) {
        const DebugLeaving *block = &leavers->blocks[i];
        gooi_claimant_gives(&d->claimant, block->base, block->size);
        goo_memory_free_options(d->parent, block->base, block->size, block->alignment);
    }
}

static void debug_empty_quarantine(DebugAllocator *d, DebugFault *fault) {
    DebugLeavers leavers;
    do {
        gooi_debug_lock(d);
        debug_collect_leavers(d, 0, &leavers, fault);
        gooi_debug_unlock(d);
        debug_free_leavers(d, &leavers);
    } while (leavers.count == DEBUG_BATCH);
}

/* --- alloc --- */

static uint8_t debug_log2(size_t alignment) {
    return (uint8_t)gooi_count_trailing_zeros(alignment);
}

static bool debug_samples(DebugAllocator *d) {
    uint32_t every = d->options.sample_every;
    if (every <= 1) {
        return true;
    }
    /* Not one step: threads at the same time may shift the sample, and lose nothing. */
    uint32_t count = atomic_load_explicit(&d->sample_count, memory_order_relaxed) + 1;
    atomic_store_explicit(&d->sample_count, count < every ? count : 0, memory_order_relaxed);
    return count >= every;
}

/* An old record of an address that the parent hands out again: gone, or taken back unseen. */
static void debug_forget(DebugAllocator *d, const void *ptr) {
    DebugRecord *old = gooi_debug_table_find(&d->table, ptr);
    if (old != NULL) {
        GOO_ASSERT(old->state != DEBUG_QUARANTINED, "debug allocator: %p given twice", ptr);
        d->live_count -= old->state == DEBUG_LIVE;
        gooi_debug_table_remove(&d->table, old);
    }
}

static uint8_t *debug_obtain_laid_out(DebugAllocator *d, const DebugLayout *layout,
                                      GooAllocOptions options) {
    uint8_t *base = gooi_memory_alloc_claimed(d->parent, layout->total, layout->alignment, options);
    if (base != NULL) {
        gooi_claimant_got(&d->claimant, base, layout->total);
    }
    return base;
}

/* A block of the parent with room for the guards; `flags` as it turned out. */
static uint8_t *debug_obtain(DebugAllocator *d, size_t size, size_t alignment,
                             GooAllocOptions options, unsigned *flags) {
    options &= ~(GooAllocOptions)(GOO_ALLOC_NOFAIL | GOO_ALLOC_PAGE | GOO_ALLOC_GROWABLE |
                                  GOOI_ALLOC_CLAIM); /* the record knows whose it is above */
    options = gooi_claimant_options(&d->claimant, options);
    DebugLayout layout;
    if ((*flags & DEBUG_PAGED) != 0 && debug_lay_out(d, size, alignment, *flags, &layout)) {
        uint8_t *base = debug_obtain_laid_out(d, &layout, options);
        if (base != NULL) {
            return base + layout.front;
        }
    }
    *flags &= ~(unsigned)DEBUG_PAGED;
    if (!debug_lay_out(d, size, alignment, *flags, &layout)) {
        errno = ENOMEM;
        return NULL;
    }
    uint8_t *base = debug_obtain_laid_out(d, &layout, options);
    return base != NULL ? base + layout.front : NULL;
}

static void debug_give_back(DebugAllocator *d, uint8_t *ptr, size_t size, size_t alignment,
                            unsigned flags) {
    DebugLayout layout = {0, 0, 0};
    debug_lay_out(d, size, alignment, flags, &layout);
    gooi_claimant_gives(&d->claimant, ptr - layout.front, layout.total);
    goo_memory_free_options(d->parent, ptr - layout.front, layout.total, layout.alignment);
}

static void *debug_alloc_watched(DebugAllocator *d, size_t size, size_t alignment,
                                 GooAllocOptions options, const DebugHere *here, GooiSite site) {
    unsigned flags = (options & GOO_ALLOC_PERSIST) != 0 ? DEBUG_PERSISTS : 0;
    flags |= (options & GOO_ALLOC_PAGE) != 0 ? DEBUG_WHOLE_PAGES : 0;
    if (d->options.never_unmap || (size >= DEBUG_PAGED_SIZE && d->options.quarantine_bytes != 0)) {
        flags |= DEBUG_PAGED;
    }
    uint8_t *ptr = debug_obtain(d, size, alignment, options, &flags);
    if (ptr == NULL) {
        return NULL;
    }
    debug_guard(d, ptr, size);
    gooi_debug_lock(d);
    debug_forget(d, ptr);
    DebugRecord *r = gooi_debug_table_add(&d->table, ptr);
    if (r != NULL) {
        r->size = size;
        r->alignment_log2 = debug_log2(alignment);
        r->flags = (uint8_t)flags;
        r->note = options & GOOI_ALLOC_NOTED;
        r->site = site;
        r->stack = gooi_debug_stack_intern(&d->stacks, here);
        d->live_count++;
    }
    gooi_debug_unlock(d);
    if (r == NULL) {
        debug_give_back(d, ptr, size, alignment, flags);
        errno = ENOMEM;
        return NULL;
    }
    return ptr;
}

static void *debug_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    DebugAllocator *d = ctx;
    bool noted = ((options & GOO_ALLOC_PERSIST) != 0 &&
                  (d->parent->capabilities & GOO_ALLOCATOR_RESETS) != 0) ||
                 (options & GOOI_ALLOC_CLAIM) != 0; /* a reset must know it */
    if (!debug_samples(d) && !noted) {
        return gooi_debug_alloc_unwatched(d, size, alignment, options);
    }
    GooiSite site = gooi_site;
    DebugHere here;
    DEBUG_HERE(d, &here);
    return debug_alloc_watched(d, size, alignment, options, &here, site);
}

/* --- free --- */

/* Whether the block is what the call says; under the lock. The record, or NULL with the fault; no
 * fault either: it is not watched. */
static DebugRecord *debug_verify(DebugAllocator *d, void *ptr, DebugFault *fault) {
    DebugRecord *r = gooi_debug_table_find(&d->table, ptr);
    if (r == NULL) {
        fault->kind = d->options.sample_every > 1 ? DEBUG_FAULT_NONE : DEBUG_FOREIGN;
        fault->record = (DebugRecord){0};
        return NULL;
    }
    if (r->state == DEBUG_GONE && d->options.sample_every > 1) {
        gooi_debug_table_remove(&d->table, r); /* the address is an unwatched block's by now */
        return NULL;
    }
    if (r->state != DEBUG_LIVE) {
        fault->kind = DEBUG_DOUBLE_FREE;
    } else if (r->size != fault->size) {
        fault->kind = DEBUG_WRONG_SIZE;
    } else if (r->alignment_log2 != debug_log2(fault->alignment)) {
        fault->kind = DEBUG_WRONG_ALIGNMENT;
    } else if (GOOI_UNLIKELY((r->flags & DEBUG_REPORTED) == 0 && !debug_is_guarded(d, r))) {
        DebugFault damage = debug_check_canaries(d, r);
        fault->kind = damage.kind;
        fault->offset = damage.offset;
        r->flags |= DEBUG_REPORTED;
    }
    if (GOOI_LIKELY(fault->kind == DEBUG_FAULT_NONE)) {
        return r;
    }
    fault->record = *r;
    return NULL;
}

/* Raises a fault of this call, or one that was found in another block on the way. */
static void debug_raise_if(DebugAllocator *d, DebugFault *fault, const char *call, GooiSite site,
                           const DebugHere *here) {
    if (GOOI_UNLIKELY(fault->kind != DEBUG_FAULT_NONE)) {
        fault->call = call;
        fault->site = site;
        gooi_debug_raise(d, fault, here);
    }
}

static void debug_free_watched(DebugAllocator *d, void *ptr, size_t size, size_t alignment,
                               const char *call, const DebugHere *here, GooiSite site) {
    DebugFault fault;
    fault.kind = DEBUG_FAULT_NONE;
    fault.ptr = ptr;
    fault.size = size;
    fault.alignment = alignment;
    DebugLeavers leavers;
    leavers.count = 0;
    gooi_debug_lock(d);
    DebugRecord *r = debug_verify(d, ptr, &fault);
    if (GOOI_LIKELY(r != NULL)) {
        r->free_site = site;
        r->free_stack = gooi_debug_stack_intern(&d->stacks, here);
        d->live_count--;
        debug_hold(d, r);
        if (!d->options.never_unmap) {
            debug_collect_leavers(d, d->options.quarantine_bytes, &leavers, &fault);
        }
    }
    gooi_debug_unlock(d);
    debug_free_leavers(d, &leavers);
    debug_raise_if(d, &fault, call, site, here);
    if (r == NULL) {
        gooi_debug_free_unwatched(d, ptr, size, alignment);
    }
}

static void debug_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    DebugAllocator *d = ctx;
    if (!gooi_debug_table_may_have(&d->table, ptr)) {
        gooi_debug_free_unwatched(d, ptr, size, alignment);
        return;
    }
    GooiSite site = gooi_site;
    DebugHere here;
    DEBUG_HERE(d, &here);
    debug_free_watched(d, ptr, size, alignment, "goo_memory_free", &here, site);
}

/* --- realloc --- */

/* Always moves: a stale pointer to the old block is then found. */
static void *debug_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                           GooAllocOptions options) {
    static const char call[] = "goo_memory_realloc";
    DebugAllocator *d = ctx;
    GooiSite site = gooi_site;
    DebugHere here;
    DEBUG_HERE(d, &here);
    DebugFault fault = {.ptr = ptr, .size = old_size, .alignment = alignment};
    gooi_debug_lock(d);
    DebugRecord *r = debug_verify(d, ptr, &fault);
    if (r != NULL) {
        options |= (r->flags & DEBUG_PERSISTS) != 0 ? GOO_ALLOC_PERSIST : 0u;
        options |= (r->flags & DEBUG_WHOLE_PAGES) != 0 ? GOO_ALLOC_PAGE : 0u;
        options |= (options & GOOI_ALLOC_CLAIM) == 0 ? r->note & GOOI_ALLOC_CLAIM : 0u;
    }
    gooi_debug_unlock(d);
    debug_raise_if(d, &fault, call, site, &here);
    if (r == NULL) {
        return gooi_debug_realloc_unwatched(d, ptr, old_size, new_size, alignment, options);
    }
    void *moved = debug_alloc_watched(d, new_size, alignment, options, &here, site);
    if (moved != NULL) {
        memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
        debug_free_watched(d, ptr, old_size, alignment, call, &here, site);
    }
    return moved;
}

/* --- reset and owns --- */

/* What a reset of the parent takes: all live blocks that do not persist. Under the lock. */
static void debug_take_all(DebugAllocator *d, const DebugHere *here, GooiSite site,
                           DebugFault *fault, size_t *out_bytes_left, size_t *out_count_left) {
    const DebugStack *stack = gooi_debug_stack_intern(&d->stacks, here);
    for (size_t i = 0; i < d->table.capacity;) {
        DebugRecord *r = d->table.slots[i].record;
        if (r == NULL || r->state != DEBUG_LIVE || (r->flags & DEBUG_PERSISTS) != 0) {
            bool left = r != NULL && r->state == DEBUG_LIVE;
            *out_bytes_left += left ? r->size : 0;
            *out_count_left += left;
            i++;
            continue;
        }
        if (fault->kind == DEBUG_FAULT_NONE && gooi_debug_is_held(d, r)) {
            *fault = gooi_debug_damage(d, r);
        }
        r->free_site = site;
        r->free_stack = stack;
        gooi_debug_lose(d, r); /* may move another one to this slot */
    }
}

static void debug_reset(GooAllocator *a) {
    DebugAllocator *d = (DebugAllocator *)(void *)a;
    GooiSite site = gooi_site;
    DebugHere here;
    DEBUG_HERE(d, &here);
    DebugFault fault = {.kind = DEBUG_FAULT_NONE};
    debug_empty_quarantine(d, &fault);
    size_t bytes_left = 0, count_left = 0;
    gooi_debug_lock(d);
    debug_take_all(d, &here, site, &fault, &bytes_left, &count_left);
    d->resetting = true;
    gooi_debug_unlock(d);
    goo_allocator_reset(d->parent);
    gooi_debug_lock(d);
    d->resetting = false;
    gooi_debug_unlock(d);
    gooi_memory_settle_all_but(a, bytes_left, count_left);
    debug_raise_if(d, &fault, "goo_allocator_reset", site, &here);
}

static bool debug_owns(GooAllocator *a, const void *ptr) {
    return goo_allocator_owns(((DebugAllocator *)(void *)a)->parent, ptr);
}

/* --- create and destroy --- */

static bool debug_persists(GooAllocator *a, const void *ptr) {
    return gooi_block_persists(((DebugAllocator *)(void *)a)->parent, ptr);
}

static const GooiAllocatorOps debug_ops = {
    .reset = debug_reset, .owns = debug_owns, .persists = debug_persists};

bool gooi_debug_is(const GooAllocator *a) {
    return a != NULL && a->alloc == debug_alloc;
}

static void debug_release(DebugAllocator *d) {
    gooi_claimant_deinit(&d->claimant);
    gooi_debug_table_deinit(&d->table);
    gooi_debug_stacks_deinit(&d->stacks);
    gooi_system_free(NULL, d, sizeof *d, GOO_DEFAULT_ALIGNMENT);
}

/* Gives all blocks back, whatever their state. Nobody else uses the allocator. */
static void debug_free_all(DebugAllocator *d) {
    for (size_t i = 0; i < d->table.capacity; i++) {
        DebugRecord *r = d->table.slots[i].record;
        if (r == NULL || r->state == DEBUG_GONE) {
            continue;
        }
        gooi_debug_unprotect(d, r);
        if (gooi_debug_is_held(d, r)) {
            debug_give_back(d, r->ptr, r->size, (size_t)1 << r->alignment_log2, r->flags);
        }
    }
}

static void debug_destroy(void *self) {
    DebugAllocator *d = self;
    char line[DEBUG_LINE_SIZE];
    gooi_debug_final_report(d, line);
    debug_free_all(d);
    debug_release(d);
    if (line[0] != '\0') {
        gooi_panic("%s", line);
    }
}

static size_t debug_choice(size_t wanted, size_t by_default) {
    return wanted == 0 ? by_default : wanted == GOO_DEBUG_NONE ? 0 : wanted;
}

/* Fills the defaults in. False: something is no valid choice. */
static bool debug_choose(GooDebugOptions *o) {
    o->stack_depth = debug_choice(o->stack_depth, DEBUG_STACK_DEFAULT);
    o->quarantine_bytes = debug_choice(o->quarantine_bytes, DEBUG_QUARANTINE_DEFAULT);
    o->canary_bytes = debug_choice(o->canary_bytes, DEBUG_CANARY_DEFAULT);
    o->stack_depth = o->stack_depth > DEBUG_STACK_MAX ? DEBUG_STACK_MAX : o->stack_depth;
    bool known = o->leak_mode >= GOO_LEAK_LOG && o->leak_mode <= GOO_LEAK_CALLBACK;
    return known && o->canary_bytes <= DEBUG_CANARY_MAX &&
           (o->leak_mode != GOO_LEAK_CALLBACK || o->on_leak != NULL);
}

GooAllocator *goo_debug_allocator_create(GooAllocator *parent, const GooDebugOptions *options) {
    GooDebugOptions chosen = {0};
    if (options != NULL) {
        chosen = *options;
    }
    if (!debug_choose(&chosen)) {
        errno = EINVAL;
        return NULL;
    }
    DebugAllocator *d = gooi_system_alloc(NULL, sizeof *d, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_ZERO);
    if (d == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    if (!gooi_debug_table_init(&d->table, chosen.sample_every > 1) ||
        !gooi_debug_stacks_init(&d->stacks, chosen.stack_depth != 0)) {
        debug_release(d);
        errno = ENOMEM;
        return NULL;
    }
    parent = parent != NULL ? parent : gooi_current_allocator();
    d->parent = parent;
    d->options = chosen;
    d->secret = gooi_platform_random();
    d->page_size = gooi_platform_page_size();
    strncpy(d->name, chosen.name != NULL ? chosen.name : "debug", sizeof d->name - 1);
    atomic_flag_clear(&d->lock);
    d->head = (GooiExtendedAllocator){
        {
            .alloc = debug_alloc,
            .realloc = debug_realloc,
            .free = debug_free,
            .destroy = debug_destroy,
            .context = d,
            .name = d->name,
            .capabilities =
                (parent->capabilities & (GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESETS |
                                         GOO_ALLOCATOR_THREAD_SAFE | GOO_ALLOCATOR_OWNS)) |
                GOOI_ALLOCATOR_EXTENDED | GOOI_ALLOCATOR_PAGES,
        },
        &debug_ops,
    };
    if (!gooi_claimant_init(&d->claimant, &d->head.allocator, parent, NULL, gooi_debug_lost)) {
        debug_release(d);
        return NULL;
    }
    d->claimant.translates = true;
    d->head.allocator.capabilities |= d->claimant.id != 0 ? GOOI_ALLOCATOR_CLAIMS : 0u;
    return &d->head.allocator;
}
