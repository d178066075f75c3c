/* Every mutable global and thread-local of the library, in one place. Private.
 *
 * State hangs off handles; what is left is what a call without a handle needs: the default
 * allocator, this thread's allocator and scratch, the handlers, the kernel table
 * (runtime/kernels/kernels.h), the panic handler (runtime/check.h), and the hooks through which the
 * front door reaches rooms above it. All of it is constant-initialised, so everything works before
 * goo_memory_init and in constructors.
 *
 *   GLOBALS-1  gooi_default_allocator, gooi_panic_handler and gooi_kernels are never NULL
 *
 * Threads: any; what is shared is atomic or says who may write it.
 */
#ifndef GOO_RUNTIME_GLOBALS_H
#define GOO_RUNTIME_GLOBALS_H

#include "goo/core/types.h"
#include "runtime/base.h"

#include <stdatomic.h>

/* Private bit of GooAllocator.capabilities: the allocator is attached to a collected heap, so that
 * the front door reserves and releases its bytes through gooi_hooks. Set and cleared by the
 * collector, by the thread that owns the allocator or while no other thread uses it. */
#define GOOI_ALLOCATOR_ATTACHED 0x80000000u

/* Private bit: the mechanism honours GOO_ALLOC_PAGE itself. For others the front door turns it into
 * an alignment and a rounded size. */
#define GOOI_ALLOCATOR_PAGES 0x40000000u

/* Private bit: the struct is the head of a GooiExtendedAllocator. */
#define GOOI_ALLOCATOR_EXTENDED 0x20000000u

/* Private bit: a mechanism that needs nobody around it. What it returns is the answer: NULL comes
 * with an errno that says why, and it has no `refused` that wants to hear of it. While nothing
 * watches, and the strategy is to return NULL, the front door ends in a jump to it. */
#define GOOI_ALLOCATOR_DIRECT 0x02000000u

/* Private bit: an allocator with counters of its own, which is to know which bytes of a block are a
 * hidden header (GOOI_ALLOC_HEADER, gooi_hidden). */
#define GOOI_ALLOCATOR_HEADERS 0x01000000u

/* Private bit: the struct is the head of a GooFixedBuffer, which has no room for its ops; they are
 * at gooi_hooks.fixed_ops. */
#define GOOI_ALLOCATOR_FIXED 0x10000000u

/* Private bits of GooAllocOptions, set by the front door for allocators that settle counters by
 * themselves (gooi_memory_settle): it counts this block; the block's first 16 bytes are the legacy
 * API's header. The front door takes no private bits from callers. */
#define GOOI_ALLOC_COUNTED 0x40000000u
#define GOOI_ALLOC_HEADER 0x80000000u
#define GOOI_ALLOC_PUBLIC 0xfffu

/* Private bits that decorators hand down with a request: whose block it is (allocators/claims.h),
 * and that it begins with a hidden header there. */
#define GOOI_ALLOC_CLAIM_ID 0x1ffff000u
#define GOOI_ALLOC_CLAIM_HEADER 0x20000000u
#define GOOI_ALLOC_CLAIM (GOOI_ALLOC_CLAIM_ID | GOOI_ALLOC_CLAIM_HEADER)
enum { GOOI_ALLOC_CLAIM_SHIFT = 12, GOOI_ALLOC_CLAIM_ID_MAX = 0x1ffff };

/* Private bit: its memory comes from another allocator through the front door, which counts it
 * there, or from the caller. An extended allocator counts as one of these anyway. */
#define GOOI_ALLOCATOR_DERIVED 0x08000000u

/* Private bit: it notes the claims of requests, and tells of each claimed block that it takes back
 * without a free. */
#define GOOI_ALLOCATOR_CLAIMS 0x04000000u

/* Whether memory enters the process here: what process-wide figures, limits and the table of
 * blocks are about. */
static inline bool gooi_allocator_is_root(const GooAllocator *a) {
    return (a->capabilities &
            (GOOI_ALLOCATOR_EXTENDED | GOOI_ALLOCATOR_DERIVED | GOOI_ALLOCATOR_FIXED)) == 0;
}

/* What an allocator of the library can do beyond the public struct; each may be NULL. */
typedef struct GooiAllocatorOps {
    void (*reset)(GooAllocator *a);
    bool (*owns)(GooAllocator *a, const void *ptr);
    GooAllocStats (*stats)(GooAllocator *a); /* counters of its own, instead of the front door's */
    void (*refused)(GooAllocator *a); /* a request ended in NULL; told once */
    /* Whether a block of it, which may begin before `ptr`, survives its reset. NULL: none does. */
    bool (*persists)(GooAllocator *a, const void *ptr);
    /* The allocator of which each of its blocks is one, of the same size. NULL: there is none. */
    GooAllocator *(*passes_to)(const GooAllocator *a);
} GooiAllocatorOps;
typedef struct GooiExtendedAllocator {
    GooAllocator allocator;
    const GooiAllocatorOps *ops;
} GooiExtendedAllocator;

/* What the front door asks of rooms above. Registered by the collector when its first heap is
 * created, before it sets GOOI_ALLOCATOR_ATTACHED on anything; NULL before.
 *
 * The bytes are those that the mechanism was asked for, hidden headers included. They balance
 * exactly for every block that was allocated while its allocator was attached: what is released is
 * the size that was reserved. A block from before the attachment must not be grown, shrunk or freed
 * while it lasts, so allocators are attached while they hold no blocks. */
typedef struct GooiHooks {
    /* The allocator is about to grow by `bytes`: reserve them. False refuses; the request then
     * counts as failed and the strategy decides. */
    bool (*_Atomic pressure_reserve)(GooAllocator *a, size_t bytes);
    /* The memory that was reserved is there. */
    void (*_Atomic pressure_settle)(GooAllocator *a);
    /* As pressure_reserve, for a block that is there: never refused. */
    void (*_Atomic pressure_restore)(GooAllocator *a, size_t bytes);
    /* It shrank or freed, or the allocation after a reservation failed. */
    void (*_Atomic pressure_release)(GooAllocator *a, size_t bytes);
    /* It was reset: of all that it holds, `bytes_left` are left. */
    void (*_Atomic pressure_release_all_but)(GooAllocator *a, size_t bytes_left);
    /* reset and owns of fixed buffers, set when the first one is made. */
    const GooiAllocatorOps *_Atomic fixed_ops;
    /* Strategy GC: true if a collection ran, so that trying again makes sense. */
    bool (*_Atomic collect)(GooAllocator *a);
    /* A thread ends: the collector detaches it. */
    void (*_Atomic thread_ends)(void);
    /* A thread panics, and may leave by longjmp what it was doing. */
    void (*_Atomic thread_panics)(void);
} GooiHooks;
extern GOOI_HIDDEN GooiHooks gooi_hooks;
/* A hook to be called. Compilers read an atomic member that is called in place like any other, and
 * threads create heaps while others call. */
#define GOOI_HOOK(name) atomic_load_explicit(&gooi_hooks.name, memory_order_relaxed)

/* An allocator's operations; none of the library's: all NULL. */
static inline const GooiAllocatorOps *gooi_allocator_ops(const GooAllocator *a) {
    static const GooiAllocatorOps none = {0};
    if ((a->capabilities & GOOI_ALLOCATOR_FIXED) != 0) {
        return gooi_hooks.fixed_ops;
    }
    return (a->capabilities & GOOI_ALLOCATOR_EXTENDED) != 0
               ? ((const GooiExtendedAllocator *)(const void *)a)->ops
               : &none;
}

/* What of the process the front door has to watch: one word, so that one test finds that it is
 * nothing. Other threads see a change soon, not at once. */
enum {
    GOOI_WATCH_TRACKING = 2,  /* process-wide statistics (process.c) */
    GOOI_WATCH_CALLBACKS = 4, /* observers or interceptors (callbacks.c) */
    GOOI_WATCH_BLOCKS = 8,    /* the table of live blocks (blocks.c) */
    GOOI_WATCH_LIMIT = 16,    /* GooMemoryConfig.limit_bytes (config.c) */
    GOOI_WATCH_PAGES = 32     /* blocks that are freed with other sizes than given (pages.c) */
};
extern GOOI_HIDDEN _Atomic uint32_t gooi_watch;

/* Which allocators are attached to which heaps (gc/pressure.c), under its lock, and how many heaps
 * the process has (gc/space.c). */
typedef struct GooiAttachment GooiAttachment;
extern GooiAttachment *gooi_attachments;
extern atomic_flag gooi_attachments_lock;
extern _Atomic uint32_t gooi_heap_count;

/* All heaps, under their list's lock, and whether a fork is heard of (gc/fork.c). */
typedef struct GooGcHeap GooGcHeap;
extern GooGcHeap *gooi_heaps;
extern atomic_flag gooi_heaps_lock;
extern bool gooi_fork_registered;

/* The threads that help to mark (gc/team.h). */
typedef struct GooiMarkTeam GooiMarkTeam;
extern GooiMarkTeam *gooi_mark_team; /* while there are heaps */
extern GOOI_THREAD_LOCAL const GooGcHeap *gooi_helped_heap; /* that this thread helps to mark */

/* What the accounts of all heaps hold (gc/account.c), and the external part of it. */
extern _Atomic size_t gooi_heaps_accounted;
extern _Atomic size_t gooi_heaps_external;

/* malloc and its relatives behind the allocator interface; mechanism in runtime/system.c. */
extern GOOI_HIDDEN GooAllocator gooi_system_allocator;

extern GOOI_HIDDEN _Atomic(GooAllocator *) gooi_default_allocator;
extern _Atomic(GooOutOfMemFn) gooi_out_of_mem_handler; /* NULL: none */

/* NULL: the default allocator. */
extern GOOI_THREAD_LOCAL GooAllocator *gooi_thread_allocator;

/* Init and cleanup (runtime/config.h). */
typedef struct GooiInit GooiInit;
extern GooiInit gooi_init;

/* The heaps that this thread is attached to (gc/mutator.c), linked by the mutators themselves. */
typedef struct GooGcMutator GooGcMutator;
extern GOOI_THREAD_LOCAL GooGcMutator *gooi_thread_mutators;

/* The counters of threads (runtime/counters.h). */
typedef struct GooiShard GooiShard;
extern GOOI_THREAD_LOCAL GooiShard *gooi_shard; /* NULL: this thread has counted nothing yet */
extern _Atomic(GooiShard *) gooi_shards;        /* the list of all; never freed */
extern GooiShard gooi_common_shard;             /* of threads that have none; under the lock */
extern size_t gooi_shard_count;                 /* under the lock */
extern GOOI_HIDDEN _Atomic size_t gooi_counters_batch;
extern atomic_flag gooi_stats_lock;

/* Callbacks (runtime/callbacks.h). */
extern atomic_flag gooi_callbacks_lock;
extern GOOI_THREAD_LOCAL int gooi_callback_running; /* its id; 0: this thread is in none */

/* The table of blocks (runtime/blocks.h), and where this thread's request came from. */
typedef struct GooiBlocks GooiBlocks;
extern GOOI_HIDDEN GooiBlocks gooi_blocks;
typedef struct GooiSite {
    const char *file; /* NULL: not known */
    int line;
} GooiSite;
extern GOOI_THREAD_LOCAL GooiSite gooi_site;

/* What requests of this thread hold while their mechanisms work (runtime/pending.h). */
typedef struct GooiPending GooiPending;
extern GOOI_THREAD_LOCAL GooiPending *gooi_pending;

/* Bytes of the block that is being freed that are a hidden header: what a mechanism with
 * GOOI_ALLOCATOR_HEADERS takes, with gooi_take_hidden, when its `free` begins. GOOI_ALLOC_HEADER
 * says it of a new block. */
extern GOOI_THREAD_LOCAL size_t gooi_hidden;

static inline size_t gooi_take_hidden(void) {
    size_t header = gooi_hidden;
    gooi_hidden = 0;
    return header;
}

/* How many bytes root allocators and collected heaps may hold, and have taken since that was set:
 * that wraps below 0 when blocks from before are freed. */
extern GOOI_HIDDEN _Atomic size_t gooi_limit_max;
extern GOOI_HIDDEN _Atomic size_t gooi_limit_used;
/* The debug allocator that this thread used last, and what that knows of the thread
 * (allocators/debug_thread.c). */
typedef struct GooiDebugSeat {
    uint64_t allocator; /* its secret; 0: none */
    void *thread;
} GooiDebugSeat;
extern GOOI_THREAD_LOCAL GooiDebugSeat gooi_debug_seat;

/* What a fork waits for (runtime/fork.h). */
typedef struct GooiForkLock GooiForkLock;
extern _Atomic bool gooi_fork_prepared;
extern atomic_flag gooi_fork_list_lock;
extern GooiForkLock *gooi_fork_list; /* under the lock */

/* Allocators by name (runtime/registry.h). */
typedef struct GooiRegistry GooiRegistry;
extern GooiRegistry gooi_registry;

/* What was wrong with the text that this thread opened last; "": nothing. */
enum { GOOI_OPEN_ERROR_SIZE = 160 };
extern GOOI_THREAD_LOCAL char gooi_open_error[GOOI_OPEN_ERROR_SIZE];

/* Who claims blocks in allocators that take many back at once (allocators/claims.h). */
enum { GOOI_CLAIM_BUCKETS = 64 };
typedef struct GooiClaimant GooiClaimant;
typedef struct GooiShare GooiShare;
typedef struct GooiClaims {
    atomic_flag lock;
    uint32_t last_id;
    GooiClaimant *by_id[GOOI_CLAIM_BUCKETS];
    GooiShare *by_base[GOOI_CLAIM_BUCKETS];
} GooiClaims;
extern GooiClaims gooi_claims;

/* The secret in the check words of legacy blocks; 0 until the first such block is made. */
extern GOOI_HIDDEN _Atomic uint64_t gooi_check_key;

/* This thread's scratch arena (runtime/scratch.c). */
typedef struct GooiScratchChunk GooiScratchChunk;
typedef struct GooiScratch {
    uint8_t *cursor, *limit;  /* what is free of the newest chunk */
    GooiScratchChunk *newest; /* NULL: nothing allocated yet */
} GooiScratch;
extern GOOI_THREAD_LOCAL GooiScratch gooi_scratch;

/* The allocator that stands for NULL in a call: this thread's, else the default. */
static inline GooAllocator *gooi_current_allocator(void) {
    GooAllocator *a = gooi_thread_allocator;
    return a != NULL ? a : atomic_load_explicit(&gooi_default_allocator, memory_order_acquire);
}

#endif
