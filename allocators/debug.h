/* The insides of the debug allocator, shared by its files. Private to allocators/debug*.c.
 *
 *     debug.c             the mechanism: alloc, realloc, resize, free, reset, destroy
 *     debug_guard.*       where a block lies in its parent's; canaries, poison, damage
 *     debug_quarantine.c  freed blocks, held back
 *     debug_records.c     records, and which address has which
 *     debug_thread.c      what is known of each thread
 *     debug_stack.c       where a program is: return addresses, found fast
 *     debug_origin.c      each stack and site once
 *     debug_report.c      words about faults and leaks
 *     debug_claims.c      what passes without a record, and what the parent takes back unasked
 *
 *     parent's block:  | front canary | the caller's bytes | back canary |
 *     record:          address, size, alignment, origin of allocation and free
 *
 *     alloc ──▶ LIVE ──free──▶ QUARANTINED (poisoned or inaccessible) ──leaves──▶ GONE or no record
 *
 *   DEBUG-1  an address has at most one record, which is LIVE, QUARANTINED or GONE, and GONE only
 *            with retain_metadata
 *   DEBUG-2  records lie apart from the blocks, in system memory, so that no overrun reaches them
 *   DEBUG-3  no lock is held while the panic handler or a callback runs, or the parent allocates
 *   DEBUG-4  a fault that was found leaves everything as it was, but that its block is not reported
 *            again when it is freed
 */
#ifndef GOOI_ALLOCATORS_DEBUG_H
#define GOOI_ALLOCATORS_DEBUG_H

#include "allocators/claims.h"
#include "allocators/debug_origin.h"
#include "allocators/debug_records.h"
#include "goo/allocators/debug.h"
#include "runtime/base.h"
#include "runtime/fork.h"
#include "runtime/globals.h"
#include "runtime/memory.h"
#include "runtime/platform/platform.h"

#include <stdatomic.h>

enum { DEBUG_NAME_SIZE = 32, DEBUG_LINE_SIZE = 400 };

typedef struct DebugAllocator {
    GooiExtendedAllocator head;
    GooAllocator *parent;
    GooiClaimant claimant;
    GooDebugOptions options; /* with the defaults filled in */
    char name[DEBUG_NAME_SIZE];
    uint64_t secret; /* of canaries; also tells this allocator from all others */
    size_t page_size;
    size_t front, around; /* bytes before a plain block, and in all (debug_guard.h) */
    bool shared;          /* the parent is thread-safe */
    bool poisons;         /* a tool watches memory (runtime/poison.h) */
    DebugOrigins origins;
    _Atomic(DebugThread *) threads; /* grows at the head */
    GooiForkLock fork, origins_fork;
    atomic_flag lock; /* guards what follows */
    size_t live_count;
    DebugRecords records;
    uint32_t *held;                         /* numbers of records in the quarantine, a ring */
    uint32_t held_capacity, oldest, newest; /* a power of two; of those that ever came and left */
    size_t held_bytes;
    bool resetting; /* what the parent takes back is known */
} DebugAllocator;

void gooi_debug_wait(DebugAllocator *d);

/* Not over a parent for one thread, nor in a process with no other thread, which none can enter
 * while the lock would be held. */
static inline bool gooi_debug_must_lock(const DebugAllocator *d) {
    return d->shared && !gooi_platform_single_threaded();
}

/* Whether there is a lock to give back. */
static inline bool gooi_debug_lock(DebugAllocator *d) {
    if (!gooi_debug_must_lock(d)) {
        return false;
    }
    if (GOOI_UNLIKELY(atomic_flag_test_and_set_explicit(&d->lock, memory_order_acquire))) {
        gooi_debug_wait(d);
    }
    return true;
}

static inline void gooi_debug_unlock(DebugAllocator *d, bool locked) {
    if (locked) {
        atomic_flag_clear_explicit(&d->lock, memory_order_release);
    }
}

/* --- debug_thread.c --- */

/* What the allocator knows of the calling thread takes its seat, in which it is found at once. */
GOOI_NEVER_INLINE DebugThread *gooi_debug_take_seat(DebugAllocator *d);
void gooi_debug_threads_deinit(DebugAllocator *d);

/* The calling thread's; NULL: no memory. */
static inline DebugThread *gooi_debug_thread(DebugAllocator *d) {
    return GOOI_LIKELY(gooi_debug_seat.allocator == d->secret) ? gooi_debug_seat.thread
                                                               : gooi_debug_take_seat(d);
}

/* Where a stack goes on may be a word that a tool does not want to be looked at. */
DebugOrigin gooi_debug_here_watched(DebugAllocator *d, const void *return_address,
                                    uintptr_t stack_pointer);

/* Where a mechanism was called from, by its own return address and frame: DEBUG_HERE. */
static inline DebugOrigin gooi_debug_here(DebugAllocator *d, const void *return_address,
                                          uintptr_t stack_pointer) {
    DebugOrigin origin = 0;
    if (GOOI_UNLIKELY(d->poisons)) {
        origin = gooi_debug_here_watched(d, return_address, stack_pointer);
    } else if (d->options.stack_depth != 0) {
        origin = gooi_debug_stack_find(&d->origins, gooi_debug_thread(d), d->options.stack_depth,
                                       (uintptr_t)return_address, stack_pointer);
    }
    GooiSite site = gooi_site;
    return site.file == NULL ? origin : gooi_debug_origin_at(&d->origins, origin, site);
}
#define DEBUG_HERE(d)                                                                              \
    gooi_debug_here((d), __builtin_return_address(0),                                              \
                    (uintptr_t)__builtin_frame_address(0) + 2 * sizeof(void *))

/* --- debug.c --- */
bool gooi_debug_is(const GooAllocator *a);

/* --- faults --- */

typedef enum DebugFaultKind {
    DEBUG_FAULT_NONE,
    DEBUG_DOUBLE_FREE,
    DEBUG_FOREIGN,
    DEBUG_WRONG_SIZE,
    DEBUG_WRONG_ALIGNMENT,
    DEBUG_OVERRUN,
    DEBUG_UNDERRUN,
    DEBUG_USE_AFTER_FREE
} DebugFaultKind;

typedef struct DebugFault {
    DebugFaultKind kind;
    const char *call;
    void *ptr;
    size_t size, alignment; /* as the call had them */
    ptrdiff_t offset;       /* of the first byte that was changed */
    DebugOrigin origin;     /* of the call */
    DebugRecord record;     /* a copy; of the block, if it has one */
} DebugFault;

/* --- debug_claims.c --- */

/* A new block of the parent's, claimed. It fails as the parent does. */
static GOOI_ALWAYS_INLINE void *gooi_debug_obtain(DebugAllocator *d, size_t size, size_t alignment,
                                                  GooAllocOptions options) {
    GooAllocator *parent = d->parent;
    options = gooi_claimant_options(&d->claimant, options) & ~(GooAllocOptions)GOO_ALLOC_NOFAIL;
    void *p = GOOI_LIKELY(gooi_memory_direct(parent) && (options & GOO_ALLOC_PAGE) == 0)
                  ? parent->alloc(parent->context, size, alignment, options)
                  : gooi_memory_alloc_claimed(parent, size, alignment, options);
    if (GOOI_UNLIKELY(d->claimant.keeps_shares) && p != NULL) {
        gooi_claimant_got(&d->claimant, p, size);
    }
    return p;
}

/* Gives a block back to the parent. */
static GOOI_ALWAYS_INLINE void gooi_debug_release(DebugAllocator *d, void *ptr, size_t size,
                                                  size_t alignment) {
    gooi_claimant_gives(&d->claimant, ptr, size);
    gooi_memory_release(d->parent, ptr, size, 0, alignment, "goo_memory_free");
}

void *gooi_debug_realloc_unwatched(DebugAllocator *d, void *ptr, size_t old_size, size_t new_size,
                                   size_t alignment, GooAllocOptions options);
bool gooi_debug_resize_parents(DebugAllocator *d, void *ptr, size_t old_size, size_t new_size,
                               size_t alignment);
/* A block goes with its parent's. Who counts it is told, and its record goes. Under the lock. */
void gooi_debug_lose(DebugAllocator *d, DebugRecord *record, DebugOrigin origin);
/* The parent takes blocks back without a free each. */
void gooi_debug_lost(GooiClaimant *c, const GooiLoss *loss);

/* --- debug_quarantine.c --- */

/* A block that left the quarantine, on its way to the parent. */
typedef struct DebugLeaving {
    void *base;
    size_t size, alignment;
} DebugLeaving;

/* Blocks on their way out, more than that wait for the next free, and damage to one of them. */
enum { DEBUG_BATCH = 16 };
typedef struct DebugLeavers {
    DebugFault fault;
    size_t count;
    DebugLeaving blocks[DEBUG_BATCH];
} DebugLeavers;

/* Under the lock: a live block, whose canaries are sound unless it is REPORTED, is held back, and
 * others leave. */
void gooi_debug_hold(DebugAllocator *d, DebugRecord *record, DebugLeavers *leavers);
/* Without the lock: gives them to the parent. */
static inline void gooi_debug_give_back(DebugAllocator *d, const DebugLeavers *leavers) {
    for (size_t i = 0; i < leavers->count; i++) {
        const DebugLeaving *block = &leavers->blocks[i];
        gooi_debug_release(d, block->base, block->size, block->alignment);
    }
}
/* Without the lock. The fault of the first that was damaged, or NONE. */
DebugFault gooi_debug_empty_quarantine(DebugAllocator *d);
/* Under the lock: a block that is held back leaves without a look; its memory is gone already. */
void gooi_debug_release_held(DebugAllocator *d, DebugRecord *record);
/* Nobody else uses the allocator: a block that is held back can be touched again. */
void gooi_debug_unhide(const DebugAllocator *d, DebugRecord *record);

/* --- debug_report.c --- */

/* Writes all about it to the report, and calls the panic handler with a line. */
GOOI_NORETURN GOOI_COLD void gooi_debug_raise(DebugAllocator *d, const DebugFault *fault);
/* What is said at destroy: leaks and damage; `line`: of a panic that is due, or "". */
void gooi_debug_final_report(DebugAllocator *d, char *line);

#endif
