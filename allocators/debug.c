/* The debug allocator: every block with guards around it and a record apart from it, and freed
 * blocks held back for a while. Picture and invariants DEBUG-1 to DEBUG-4 are in debug.h.
 *
 *     alloc:   origin ─▶ parent's block ─▶ canaries ─▶ record
 *     free:    record by address ─▶ is it what the call says? ─▶ quarantine ─▶ the oldest leave
 *
 * A free checks first and changes then; what it found is raised after the lock is gone. A pointer
 * is judged by its record alone, so a foreign one is never followed.
 *
 * Sampled, allocations that are not watched go straight to the parent, and the filter of the
 * records tells their frees apart without the lock. Each thread counts for itself.
 *
 * Threads: as the parent. Left out on purpose: realloc in place (a moved block finds stale
 * pointers; who wants it in place calls resize); blocks that the parent takes back unseen, but for
 * those that it says are gone.
 */
#include "allocators/debug_guard.h"

#include "goo/runtime/memory.h"
#include "runtime/bits.h"
#include "runtime/check.h"
#include "runtime/memory.h"
#include "runtime/poison.h"
#include "runtime/system.h"

#include <errno.h>
#include <string.h>

enum {
    DEBUG_PAGED_SIZE = 64 * 1024,
    DEBUG_CANARY_MAX = 4096,
    DEBUG_STACK_DEFAULT = 16,
    DEBUG_QUARANTINE_DEFAULT = 64 * 1024,
    DEBUG_QUARANTINE_SAMPLED = 16 * 1024,
    DEBUG_CANARY_DEFAULT = 16
};

void gooi_debug_wait(DebugAllocator *d) {
    while (atomic_flag_test_and_set_explicit(&d->lock, memory_order_acquire)) {
        gooi_platform_yield();
    }
}

/* --- alloc --- */

static inline uint8_t *debug_obtain_as(DebugAllocator *d, size_t size, size_t alignment,
                                       GooAllocOptions options, uint64_t flags) {
    DebugLayout layout;
    if (!gooi_debug_lay_out(d, size, alignment, flags, &layout) ||
        gooi_memory_too_large(layout.total, layout.alignment)) {
        errno = ENOMEM;
        return NULL;
    }
    uint8_t *base = gooi_debug_obtain(d, layout.total, layout.alignment, options);
    return base != NULL ? base + layout.front : NULL;
}

/* A block of the parent with room for the guards; `flags` as it turned out. */
static inline uint8_t *debug_obtain(DebugAllocator *d, size_t size, size_t alignment,
                                    GooAllocOptions options, uint64_t *flags) {
    options &= ~(GooAllocOptions)(GOO_ALLOC_PAGE | GOO_ALLOC_GROWABLE |
                                  GOOI_ALLOC_CLAIM); /* the record knows whose it is above */
    if (GOOI_UNLIKELY((*flags & DEBUG_PAGED) != 0)) {
        uint8_t *ptr = debug_obtain_as(d, size, alignment, options, *flags);
        if (ptr != NULL) {
            return ptr;
        }
        *flags &= ~DEBUG_PAGED;
    }
    return debug_obtain_as(d, size, alignment, options, *flags);
}

static void debug_give_up(DebugAllocator *d, uint8_t *ptr, size_t size, size_t alignment,
                          uint64_t flags) {
    DebugLayout layout = {0, 0, 0};
    gooi_debug_lay_out(d, size, alignment, flags, &layout);
    gooi_debug_release(d, ptr - layout.front, layout.total, layout.alignment);
}

/* An old record of an address that the parent hands out again: gone, or taken back unseen. */
static GOOI_NEVER_INLINE void debug_forget(DebugAllocator *d, DebugRecord *old) {
    uint64_t state = gooi_debug_state(old);
    GOO_ASSERT(state != DEBUG_QUARANTINED, "debug allocator: %p given twice", (void *)old->ptr);
    d->live_count -= state == DEBUG_LIVE;
    gooi_debug_records_remove(&d->records, old);
}

/* Under the lock. False: no memory. */
static inline bool debug_record(DebugAllocator *d, uint8_t *ptr, uint64_t shape, DebugOrigin origin,
                                GooAllocOptions options) {
    uint32_t *at = gooi_debug_map_place(&d->records, ptr);
    if (GOOI_UNLIKELY(at == NULL)) {
        return false;
    }
    if (GOOI_UNLIKELY(*at != 0)) {
        debug_forget(d, &d->records.all[*at]);
    }
    DebugRecord *r = gooi_debug_records_add(&d->records, at, ptr);
    if (GOOI_UNLIKELY(r == NULL)) {
        return false;
    }
    r->shape = shape;
    r->origin = origin;
    r->note = options & GOOI_ALLOC_NOTED;
    d->live_count++;
    return true;
}

static GOOI_ALWAYS_INLINE void *debug_alloc_watched(DebugAllocator *d, size_t size,
                                                    size_t alignment, GooAllocOptions options,
                                                    DebugOrigin origin) {
    uint64_t flags = (options & GOO_ALLOC_PERSIST) != 0 ? DEBUG_PERSISTS : 0;
    flags |= (options & GOO_ALLOC_PAGE) != 0 ? DEBUG_WHOLE_PAGES : 0;
    if (d->options.never_unmap || (size >= DEBUG_PAGED_SIZE && d->options.quarantine_bytes != 0)) {
        flags |= DEBUG_PAGED;
    }
    uint8_t *ptr = debug_obtain(d, size, alignment, options, &flags);
    if (ptr == NULL) {
        return NULL;
    }
    gooi_debug_guard(d, ptr, size);
    uint64_t shape = gooi_debug_shape(size, alignment, DEBUG_LIVE) | flags;
    bool locked = gooi_debug_lock(d);
    bool recorded = gooi_debug_fits(size) && debug_record(d, ptr, shape, origin, options);
    gooi_debug_unlock(d, locked);
    if (GOOI_UNLIKELY(!recorded)) {
        debug_give_up(d, ptr, size, alignment, flags);
        errno = ENOMEM;
        return NULL;
    }
    return ptr;
}

static GOOI_NEVER_INLINE void *debug_alloc(void *ctx, size_t size, size_t alignment,
                                           GooAllocOptions options) {
    DebugAllocator *d = ctx;
    return debug_alloc_watched(d, size, alignment, options, DEBUG_HERE(d));
}

/* A reset must know it. */
static inline bool debug_must_watch(const DebugAllocator *d, GooAllocOptions options) {
    return (options & GOOI_ALLOC_CLAIM) != 0 ||
           ((options & GOO_ALLOC_PERSIST) != 0 &&
            (d->parent->capabilities & GOO_ALLOCATOR_RESETS) != 0);
}

/* Every n-th is watched; each thread counts for itself. */
static void *debug_alloc_sampled(void *ctx, size_t size, size_t alignment,
                                 GooAllocOptions options) {
    DebugAllocator *d = ctx;
    DebugThread *t = gooi_debug_thread(d);
    if (GOOI_LIKELY(t == NULL || ++t->passed < d->options.sample_every)) {
        if (GOOI_LIKELY(options == 0 || !debug_must_watch(d, options))) {
            return gooi_debug_obtain(d, size, alignment, options);
        }
    } else {
        t->passed = 0;
    }
    return debug_alloc(ctx, size, alignment, options);
}

/* --- free --- */

/* Whether a block has a record, without a look at it. All blocks are, if none is passed on. */
static bool debug_is_watched(DebugAllocator *d, const void *ptr) {
    if (d->options.sample_every <= 1) {
        return true;
    }
    if (!gooi_debug_records_may_have(&d->records, ptr)) {
        return false;
    }
    bool locked = gooi_debug_lock(d);
    bool watched = gooi_debug_records_find(&d->records, ptr) != NULL;
    gooi_debug_unlock(d, locked);
    return watched;
}

/* Whether the record, or NULL, is of a block as the call says, with all that is around it. */
static inline bool debug_is_sound(const DebugAllocator *d, const DebugRecord *r, size_t size,
                                  size_t alignment) {
    return r != NULL && gooi_debug_bare_shape(r) == gooi_debug_shape(size, alignment, DEBUG_LIVE) &&
           (gooi_debug_is_guarded(d, r->ptr, size) || (r->shape & DEBUG_REPORTED) != 0);
}

/* What is wrong with a call for a block that is not sound; under the lock. NONE: it is not
 * watched. */
static GOOI_NEVER_INLINE DebugFault debug_find_fault(DebugAllocator *d, DebugRecord *r, void *ptr,
                                                     size_t size, size_t alignment) {
    DebugFault fault = {.kind = DEBUG_FAULT_NONE, .ptr = ptr, .size = size, .alignment = alignment};
    bool sampled = d->options.sample_every > 1;
    if (r == NULL) {
        fault.kind = sampled ? DEBUG_FAULT_NONE : DEBUG_FOREIGN;
        return fault;
    }
    if (gooi_debug_state(r) == DEBUG_GONE && sampled) {
        gooi_debug_records_remove(&d->records, r); /* the address is an unwatched block's by now */
        return fault;
    }
    if (gooi_debug_state(r) != DEBUG_LIVE) {
        fault.kind = DEBUG_DOUBLE_FREE;
    } else if (gooi_debug_size(r) != size) {
        fault.kind = DEBUG_WRONG_SIZE;
    } else if (gooi_debug_alignment(r) != alignment) {
        fault.kind = DEBUG_WRONG_ALIGNMENT;
    } else {
        DebugFault damage = gooi_debug_damage(d, r);
        bool found = damage.kind != DEBUG_FAULT_NONE; /* not written once more since */
        fault.kind = found ? damage.kind : DEBUG_OVERRUN;
        fault.offset = found ? damage.offset : (ptrdiff_t)size;
        r->shape |= DEBUG_REPORTED;
    }
    fault.record = *r;
    return fault;
}

/* Raises a fault of this call, or one that was found in another block on the way. */
static inline void debug_raise_if(DebugAllocator *d, DebugFault *fault, const char *call,
                                  DebugOrigin origin) {
    if (GOOI_UNLIKELY(fault->kind != DEBUG_FAULT_NONE)) {
        fault->call = call;
        fault->origin = origin;
        gooi_debug_raise(d, fault);
    }
}

static inline void debug_free_watched(DebugAllocator *d, void *ptr, size_t size, size_t alignment,
                                      const char *call, DebugOrigin origin) {
    DebugLeavers leavers;
    leavers.fault.kind = DEBUG_FAULT_NONE;
    leavers.count = 0;
    bool locked = gooi_debug_lock(d);
    DebugRecord *r = gooi_debug_records_find(&d->records, ptr);
    bool sound = debug_is_sound(d, r, size, alignment);
    if (GOOI_LIKELY(sound)) {
        r->free_origin = origin;
        d->live_count--;
        gooi_debug_hold(d, r, &leavers);
    } else {
        leavers.fault = debug_find_fault(d, r, ptr, size, alignment);
    }
    gooi_debug_unlock(d, locked);
    gooi_debug_give_back(d, &leavers);
    debug_raise_if(d, &leavers.fault, call, origin);
    if (GOOI_UNLIKELY(!sound)) { /* not watched */
        gooi_debug_release(d, ptr, size, alignment);
    }
}

/* While the stack is looked at, the block's ends and its record come into the cache. */
static inline void debug_prefetch(const DebugAllocator *d, const uint8_t *ptr, size_t size) {
    GOOI_PREFETCH(ptr - 1);
    GOOI_PREFETCH(ptr + size);
    if (!gooi_debug_must_lock(d)) {
        const uint32_t *at = gooi_debug_map_find(&d->records, ptr);
        if (GOOI_LIKELY(at != NULL)) {
            GOOI_PREFETCH(&d->records.all[*at]);
        }
    }
}

static void debug_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    DebugAllocator *d = ctx;
    debug_prefetch(d, ptr, size);
    debug_free_watched(d, ptr, size, alignment, "goo_memory_free", DEBUG_HERE(d));
}

/* What the filter says may be watched. */
static GOOI_NEVER_INLINE void debug_free_filtered(void *ctx, void *ptr, size_t size,
                                                  size_t alignment) {
    DebugAllocator *d = ctx;
    if (debug_is_watched(d, ptr)) {
        debug_free(ctx, ptr, size, alignment);
    } else {
        gooi_debug_release(d, ptr, size, alignment);
    }
}

static void debug_free_sampled(void *ctx, void *ptr, size_t size, size_t alignment) {
    DebugAllocator *d = ctx;
    if (GOOI_LIKELY(!gooi_debug_records_may_have(&d->records, ptr))) {
        gooi_debug_release(d, ptr, size, alignment);
    } else {
        debug_free_filtered(ctx, ptr, size, alignment);
    }
}

/* --- realloc and resize --- */

/* Looks at a block that is to change and sets a flag of its record; a fault is raised. The record;
 * NULL: it is not watched. */
static DebugRecord *debug_begin_change(DebugAllocator *d, void *ptr, size_t size, size_t alignment,
                                       uint64_t flag, const char *call, DebugOrigin origin) {
    DebugFault fault;
    fault.kind = DEBUG_FAULT_NONE;
    bool locked = gooi_debug_lock(d);
    DebugRecord *r = gooi_debug_records_find(&d->records, ptr);
    if (debug_is_sound(d, r, size, alignment)) {
        r->shape |= flag;
    } else {
        fault = debug_find_fault(d, r, ptr, size, alignment);
        r = NULL;
    }
    gooi_debug_unlock(d, locked);
    debug_raise_if(d, &fault, call, origin);
    return r;
}

/* Always moves: a stale pointer to the old block is then found. */
static void *debug_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                           GooAllocOptions options) {
    static const char call[] = "goo_memory_realloc";
    DebugAllocator *d = ctx;
    DebugOrigin origin = 0;
    DebugRecord *r = NULL;
    if (debug_is_watched(d, ptr)) {
        origin = DEBUG_HERE(d);
        r = debug_begin_change(d, ptr, old_size, alignment, 0, call, origin);
    }
    if (r == NULL) {
        return gooi_debug_realloc_unwatched(d, ptr, old_size, new_size, alignment, options);
    }
    options |= (r->shape & DEBUG_PERSISTS) != 0 ? GOO_ALLOC_PERSIST : 0u;
    options |= (r->shape & DEBUG_WHOLE_PAGES) != 0 ? GOO_ALLOC_PAGE : 0u;
    options |= (options & GOOI_ALLOC_CLAIM) == 0 ? r->note & GOOI_ALLOC_CLAIM : 0u;
    void *moved = debug_alloc_watched(d, new_size, alignment, options, origin);
    if (moved != NULL) {
        memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
        debug_free_watched(d, ptr, old_size, alignment, call, origin);
    }
    return moved;
}

/* Has the parent move the end of its block. The record is RESIZING, so nobody looks at the end. */
static bool debug_resize_block(DebugAllocator *d, const DebugRecord *r, size_t size) {
    DebugLayout before = gooi_debug_layout(d, r);
    DebugLayout after;
    if (!gooi_debug_fits(size) ||
        !gooi_debug_lay_out(d, size, gooi_debug_alignment(r), r->shape, &after) ||
        gooi_memory_too_large(after.total, after.alignment)) {
        return false;
    }
    return after.total == before.total ||
           gooi_debug_resize_parents(d, r->ptr - before.front, before.total, after.total,
                                     before.alignment);
}

/* Where the parent can: its block gets longer or shorter, and the back canary moves. */
static bool debug_resize(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment) {
    DebugAllocator *d = ctx;
    DebugRecord *r = NULL;
    if (debug_is_watched(d, ptr)) {
        r = debug_begin_change(d, ptr, old_size, alignment, DEBUG_RESIZING, "goo_memory_resize",
                               DEBUG_HERE(d));
    }
    if (r == NULL) {
        return gooi_debug_resize_parents(d, ptr, old_size, new_size, alignment);
    }
    bool resized = debug_resize_block(d, r, new_size);
    bool locked = gooi_debug_lock(d);
    if (resized) {
        r->shape += (uint64_t)new_size - old_size;
        gooi_debug_guard(d, r->ptr, new_size);
    }
    r->shape &= ~DEBUG_RESIZING;
    gooi_debug_unlock(d, locked);
    return resized;
}

/* --- reset and owns --- */

/* What a reset leaves. */
typedef struct DebugLeft {
    size_t bytes, count;
} DebugLeft;

/* What a reset of the parent takes: all live blocks that do not persist. Under the lock. */
static DebugLeft debug_take_all(DebugAllocator *d, DebugOrigin origin, DebugFault *fault) {
    DebugLeft left = {0, 0};
    for (uint32_t i = 1; i < d->records.limit; i++) {
        DebugRecord *r = &d->records.all[i];
        if (gooi_debug_state(r) != DEBUG_LIVE) {
            continue;
        }
        if ((r->shape & DEBUG_PERSISTS) != 0) {
            left.bytes += gooi_debug_size(r);
            left.count++;
            continue;
        }
        if (fault->kind == DEBUG_FAULT_NONE && gooi_debug_is_held(d, r)) {
            *fault = gooi_debug_damage(d, r);
        }
        gooi_debug_lose(d, r, origin);
    }
    return left;
}

static void debug_reset(GooAllocator *a) {
    DebugAllocator *d = (DebugAllocator *)(void *)a;
    DebugOrigin origin = DEBUG_HERE(d);
    DebugFault fault = gooi_debug_empty_quarantine(d);
    bool locked = gooi_debug_lock(d);
    DebugLeft left = debug_take_all(d, origin, &fault);
    d->resetting = true;
    gooi_debug_unlock(d, locked);
    goo_allocator_reset(d->parent);
    locked = gooi_debug_lock(d);
    d->resetting = false;
    gooi_debug_unlock(d, locked);
    gooi_memory_settle_all_but(a, left.bytes, left.count);
    debug_raise_if(d, &fault, "goo_allocator_reset", origin);
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

static void debug_deinit(DebugAllocator *d) {
    gooi_fork_delist(&d->fork);
    gooi_fork_delist(&d->origins_fork);
    gooi_claimant_deinit(&d->claimant);
    gooi_debug_threads_deinit(d);
    gooi_system_free(NULL, d->held, 0, GOO_DEFAULT_ALIGNMENT);
    gooi_debug_records_deinit(&d->records);
    gooi_debug_origins_deinit(&d->origins);
    gooi_system_free(NULL, d, sizeof *d, GOO_DEFAULT_ALIGNMENT);
}

/* Gives all blocks back, whatever their state. Nobody else uses the allocator. */
static void debug_free_all(DebugAllocator *d) {
    for (uint32_t i = 1; i < d->records.limit; i++) {
        DebugRecord *r = &d->records.all[i];
        uint64_t state = gooi_debug_state(r);
        if (state == DEBUG_UNUSED || state == DEBUG_GONE) {
            continue;
        }
        gooi_debug_unhide(d, r);
        if (gooi_debug_is_held(d, r)) {
            debug_give_up(d, r->ptr, gooi_debug_size(r), gooi_debug_alignment(r), r->shape);
        }
    }
}

static void debug_destroy(void *self) {
    DebugAllocator *d = self;
    char line[DEBUG_LINE_SIZE];
    gooi_debug_final_report(d, line);
    debug_free_all(d);
    debug_deinit(d);
    if (line[0] != '\0') {
        gooi_panic("%s", line);
    }
}

bool gooi_debug_is(const GooAllocator *a) {
    return a != NULL && gooi_allocator_ops(a) == &debug_ops;
}

static size_t debug_choice(size_t wanted, size_t by_default) {
    return wanted == 0 ? by_default : wanted == GOO_DEBUG_NONE ? 0 : wanted;
}

/* Fills the defaults in. False: something is no valid choice. */
static bool debug_choose(GooDebugOptions *o) {
    o->stack_depth = debug_choice(o->stack_depth, DEBUG_STACK_DEFAULT);
    o->quarantine_bytes =
        debug_choice(o->quarantine_bytes,
                     o->sample_every > 1 ? DEBUG_QUARANTINE_SAMPLED : DEBUG_QUARANTINE_DEFAULT);
    o->canary_bytes = debug_choice(o->canary_bytes, DEBUG_CANARY_DEFAULT);
    o->stack_depth = o->stack_depth > DEBUG_STACK_MAX ? DEBUG_STACK_MAX : o->stack_depth;
    bool known = o->leak_mode >= GOO_LEAK_LOG && o->leak_mode <= GOO_LEAK_CALLBACK;
    return known && o->canary_bytes <= DEBUG_CANARY_MAX &&
           (o->leak_mode != GOO_LEAK_CALLBACK || o->on_leak != NULL);
}

/* What the parent can do, the debug allocator can. */
static GooiExtendedAllocator debug_head(DebugAllocator *d) {
    const GooAllocator *parent = d->parent;
    bool sampled = d->options.sample_every > 1;
    uint32_t kept = GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS |
                    GOO_ALLOCATOR_THREAD_SAFE | GOO_ALLOCATOR_OWNS;
    return (GooiExtendedAllocator){
        {
            .alloc = sampled ? debug_alloc_sampled : debug_alloc,
            .realloc = debug_realloc,
            .free = sampled ? debug_free_sampled : debug_free,
            .destroy = debug_destroy,
            .resize = parent->resize != NULL ? debug_resize : NULL,
            .context = d,
            .name = d->name,
            .capabilities = (parent->capabilities & kept) | GOOI_ALLOCATOR_EXTENDED |
                            GOOI_ALLOCATOR_PAGES | GOOI_ALLOCATOR_DIRECT,
        },
        &debug_ops,
    };
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
    if (d == NULL ||
        !gooi_debug_records_init(&d->records, 1 + 2 * chosen.canary_bytes,
                                 chosen.sample_every > 1) ||
        !gooi_debug_origins_init(&d->origins)) {
        if (d != NULL) {
            debug_deinit(d);
        }
        errno = ENOMEM;
        return NULL;
    }
    d->parent = parent != NULL ? parent : gooi_current_allocator();
    d->options = chosen;
    d->secret = gooi_platform_random() | 1; /* a seat that nobody took has 0 */
    d->page_size = gooi_platform_page_size();
    d->front = gooi_align_up(chosen.canary_bytes, GOO_DEFAULT_ALIGNMENT);
    d->around = d->front + chosen.canary_bytes;
    d->shared = (d->parent->capabilities & GOO_ALLOCATOR_THREAD_SAFE) != 0;
    d->poisons = gooi_poison_active();
    strncpy(d->name, chosen.name != NULL ? chosen.name : "debug", sizeof d->name - 1);
    atomic_flag_clear(&d->lock);
    d->head = debug_head(d);
    if (!gooi_claimant_init(&d->claimant, &d->head.allocator, d->parent, NULL, gooi_debug_lost)) {
        debug_deinit(d);
        return NULL;
    }
    gooi_fork_enlist(&d->fork, &d->lock);
    gooi_fork_enlist(&d->origins_fork, &d->origins.lock);
    d->claimant.translates = true;
    d->head.allocator.capabilities |= d->claimant.id != 0 ? GOOI_ALLOCATOR_CLAIMS : 0u;
    return &d->head.allocator;
}
