/* The heap and its mutator: every field that more than one file of gc/ touches, in one place, in
 * groups that name the file which changes them. Others read.
 *
 *   GooGcHeap ── mutators  threads, each with its span and regions     mutator.c alloc.c block.c
 *             ── world     the lock, and who is stopped                safepoint.c fork.c
 *             ── space     slabs of blocks, slabs of large objects     space.c block.c large.c
 *             ── roots     slots, callbacks, handles, frames, stacks   roots.c handle.c mutator.c
 *             ── marking   the mark stack and its modes                mark.c layout.c
 *             ── pacing    when the next collection is due             pace.c pressure.c
 *             ── owned     explicit blocks and who they live with      owned.c owned_table.c
 *
 * Thread rule: a mutator's fields are its thread's, or the collector's while that thread stands
 * still; a heap's are read and written under its lock (safepoint.c), except for what is atomic,
 * what never changes after create, and the list of attachments, which threads reach through the
 * front door (account.c, pressure.c). While the world is stopped the collector has the lock.
 */
#ifndef GOO_GC_HEAP_INTERNAL_H
#define GOO_GC_HEAP_INTERNAL_H

#include <stdatomic.h>

#include "gc/metadata.h"
#include "gc/weakness.h"
#include "goo/gc/inspect.h"
#include "goo/gc/intern.h"
#include "runtime/check.h"
#include "runtime/kernels/kernels.h"
#include "runtime/platform/platform.h"

/* The plain names are wanted here, not the inline forms. */
#undef goo_gc_alloc
#undef goo_gc_alloc_leaf
#undef goo_gc_alloc_conservative
#undef goo_gc_alloc_embedder
#undef goo_gc_write
#undef goo_gc_write_pointer
#undef goo_gc_safepoint

/* What the mark stack commits first. It is counted from the heap's beginning, so that a collection
 * at the hard limit has it; what it grows by is counted then. */
#define GOOI_MARK_STACK_MIN ((size_t)64 << 10)

/* Memory that was empty for so many ticks goes back to the OS. */
#define GOOI_DECAY_TICKS 8

#define GOOI_TEAM_HEAP_MIN ((size_t)4 << 20)

#define GOOI_HEAP_MAGIC UINT64_C(0x70616548206f6f47) /* "Goo Heap" */

/* --- space --- */

enum { GOOI_SLAB_FREE, GOOI_SLAB_BLOCKS_OF, GOOI_SLAB_LARGE, GOOI_SLAB_HUGE, GOOI_SLAB_HUGE_TAIL };

/* What an address's slab is, without touching the slab: an element of heap->slabs. */
typedef struct GooiSlabEntry {
    uint32_t kind;
    uint32_t head; /* HUGE_TAIL: index of the slab in which the object starts; LARGE: no run of free
                      pages is longer than this */
} GooiSlabEntry;

/* FREE    no objects, table all zero; may be clean, that is never written since it was committed
 * UNSWEPT holds the last collection's survivors and garbage
 * SWEPT   holds objects, and has been looked through in this cycle; may have holes
 * IN_USE  a region hands its holes out */
enum { GOOI_BLOCK_FREE, GOOI_BLOCK_UNSWEPT, GOOI_BLOCK_SWEPT, GOOI_BLOCK_IN_USE };

typedef struct GooiBlock {
    uint8_t state;
    bool clean;
    bool dropped; /* the mark stack dropped an object of this block: trace its marked ones again */
    bool has_holes; /* SWEPT: given back with holes that a region can still use */
    uint8_t idle_ticks; /* FREE: for how long (decay.c) */
} GooiBlock;

/* The head of a slab, in the part of its table that would describe the table itself. */
typedef struct GooiSlab {
    uint32_t index, kind;
    bool huge_pages; /* advised */
    GooiBlock blocks[GOOI_SLAB_BLOCKS];
    /* of slabs of large objects: */
    bool dropped;
    uint8_t idle_ticks; /* since pages came into use or went out of it (decay.c) */
    uint32_t pages_used;
    uint64_t page_map[GOOI_SLAB_PAGES / 64];    /* set: used */
    uint64_t touched_map[GOOI_SLAB_PAGES / 64]; /* set: written since it was clean, and counted */
    uint16_t run_first[GOOI_SLAB_PAGES];     /* of a used page: the first page of its run */
    uint64_t run_size[GOOI_SLAB_PAGES];      /* of a run's first page: the object's bytes, else 0 */
} GooiSlab;

_Static_assert(sizeof(GooiSlab) <= GOOI_TABLE_SIZE >> GOOI_GRANULE_LOG2,
               "the slab's header must fit the table of the table");

/* What counts for a block that has been written to: its bytes and its page of metadata. */
#define GOOI_BLOCK_TABLE_SIZE GOOI_BLOCK_GRANULES

#define GOOI_HOLES_NEAR 8 /* holes that are looked at together */

/* A source of holes: a block, its hole list, and the hole being used. */
typedef struct GooiRegion {
    uintptr_t block;        /* 0: none */
    uintptr_t cursor, end;  /* what is left of the current hole */
    bool clean;             /* the block's memory is zero already */
    uint32_t next_block;    /* where its search goes on: slab * 64 + block */
    size_t hole_index, hole_count; /* those not entered yet */
    size_t may_lose;        /* granules of short holes that may still be given up */
    size_t young_before;    /* young objects in the block when it was taken */
    GooiHole holes[GOOI_BLOCK_GRANULES / 2 + 8];
} GooiRegion;

/* --- roots --- */

/* A growing array in side memory (vector.c). */
typedef struct GooiVector {
    void *items;
    size_t count, capacity;
} GooiVector;

typedef struct GooiRoot {
    void *address;
    bool is_pointer;
} GooiRoot;

typedef struct GooiRootCallback {
    void (*trace)(GooGcVisitor *v, void *user);
    void *user;
} GooiRootCallback;

typedef struct GooiHandleEntry {
    void *object; /* NULL: free */
    uint32_t generation, next_free;
} GooiHandleEntry;

typedef struct GooiStack {
    const void *low, *high;
} GooiStack;

/* What kind of root is being visited, for whoever looks (graph.h). */
enum {
    GOOI_ROOT_SLOT,
    GOOI_ROOT_POINTER,
    GOOI_ROOT_CALLBACK,
    GOOI_ROOT_HANDLE,
    GOOI_ROOT_FINALIZER, /* queued, or waiting for its order */
    GOOI_ROOT_FRAME,
    GOOI_ROOT_TEMPORARY,
    GOOI_ROOT_STACK,       /* words of threads' own stacks */
    GOOI_ROOT_REGISTER,
    GOOI_ROOT_ADDED_STACK, /* words of goo_gc_add_stack's */
    GOOI_ROOT_KINDS
};

/* --- the visitor: marks, or shows references to somebody (verify.c, graph.c) --- */

typedef void (*GooiObserveFn)(void *ctx, const void *slot, uintptr_t target);

/* Address space of which `committed` bytes can be used; tests make `reserved` less. */
typedef struct GooiMarkStack {
    uintptr_t *entries;
    size_t committed, reserved;
} GooiMarkStack;

typedef struct GooiMarkTeam GooiMarkTeam;

struct GooGcVisitor {
    GooGcHeap *heap;
    uintptr_t base;             /* an address is in the heap iff address - base < size */
    size_t size;
    GooGcValueEncoding encoding; /* with plain pointers written as an address mask of all ones */
    uint8_t colour;              /* what marking sets */
    bool scattered; /* objects are popped far from each other: prefetch through a ring */
    GooiMarkStack *memory;
    uintptr_t *stack, *top, *end; /* entries from stack to top; end: as far as it is committed */
    GooiMarkTeam *team;          /* NULL: marks alone; the rest of this group is team.c's */
    uint64_t phase;
    uint32_t looks, chunks;      /* since the last chunk given; taken */
    size_t objects_before;       /* marked when the last one was taken */
    bool helped;                 /* others marked too: `objects` may count some twice */
    bool backwards;              /* references lie ahead of their objects: visit the last one first,
                                    so that the first is popped first and addresses ascend */
    size_t objects;              /* marked so far */
    GooiObserveFn observe;       /* NULL: mark */
    void *observe_ctx;
    unsigned root_kind;          /* GOOI_ROOT_*, while roots are visited */
};

/* --- the mutator --- */

/* IDLE      no thread is attached; its span waits for the next one
 * RUNNING   its thread may do anything; a collection has to wait for it
 * PARKED    its thread waits at a safepoint until the world goes on
 * BLOCKING  its thread is in a blocking region, or waits in another heap, and touches no object */
enum { GOOI_MUTATOR_IDLE, GOOI_MUTATOR_RUNNING, GOOI_MUTATOR_PARKED, GOOI_MUTATOR_BLOCKING };

#define GOOI_SAVED_WORDS 256 /* room for what a blocking thread's registers held */

struct GooGcMutator {
    GooGcMutatorFast fast; /* first: goo/gc/inline.h */
    uintptr_t span_start;  /* of [fast.cursor, fast.limit) when it was handed out */
    uintptr_t span_limit;  /* the true limit while fast.limit is pulled down to the cursor */
    GooiRegion *small, *medium;
    bool collect_requested;
    uint32_t blocking_depth;
    uint32_t attach_count;
    uint32_t state;        /* under the heap's lock */
    bool late;             /* named by an event of the stop in progress */
    _Atomic uintptr_t thread_id; /* of the thread that is attached; 0: none */
    GooGcHeap *heap;       /* NULL: of the embedded one, before anybody attached */
    GooGcFrame *frames;
    GooiVector temporaries; /* of void * */
    GooiVector stacks;      /* of GooiStack */
    const void *stack_low, *stack_high; /* of its thread's own stack, where it is scanned */
    const void *stack_pointer; /* where the thread stood when it parked or began to block */
    uintptr_t saved[GOOI_SAVED_WORDS]; /* what its registers held when it began to block */
    size_t saved_count;
    void *fake_stack; /* where it stood still, of the address sanitizer's (fake_stack.h), or NULL */
    uint32_t stress_count;
    uint32_t small_misses;  /* alloc.c */
    bool hidden;            /* the fast path is closed: ALLOC-2 */
    size_t since_bytes;     /* handed out, and not counted in the heap's since_bytes yet */
    size_t since_checked;   /* of these when it was last asked whether a collection is due */
    GooGcMutator *next;           /* of heap->mutators */
    GooGcMutator *next_of_thread; /* of gooi_thread_mutators */
};

_Static_assert(offsetof(GooGcMutator, fast) == 0, "goo/gc/inline.h casts the mutator to its head");

/* --- pause histogram (histogram.c): buckets 1/16 apart --- */

#define GOOI_HISTOGRAM_BUCKETS (60 * 16)
typedef struct GooiHistogram {
    uint64_t count, total, min, max;
    uint32_t buckets[GOOI_HISTOGRAM_BUCKETS];
} GooiHistogram;

/* --- owned blocks (gc/owned.h) --- */

typedef struct GooiOwnedTable {
    GooiVector records;    /* of GooiOwnedRecord */
    GooiVector allocators; /* of GooiOwnedAllocator; the first one is never used */
    uint32_t *by_owner;    /* `buckets` chains, by number of the record; a power of two or 0 */
    uint32_t *by_block;    /* the same, or NULL */
    size_t buckets;
    size_t counted_bytes;  /* what no attachment counts */
    size_t promised;       /* records that are about to be added */
    _Atomic size_t pending_bytes; /* external already, but not yet in the table */
    uint32_t last_allocator;
    bool settling;         /* blocks of dead owners are being freed */
} GooiOwnedTable;

/* --- what adaptive sizing measures (pace_adaptive.c) --- */

typedef struct GooiAdaptive {
    uint64_t begin_ns, end_ns; /* of the last collection */
    size_t growth;             /* in bytes, when it began */
    size_t base;               /* live and external bytes, when it ended */
    bool growing;              /* far more than after the one before */
    double allocation_rate, marking_rate; /* bytes a second; 0: not known yet */
} GooiAdaptive;

/* --- the heap --- */

#define GOOI_GROWTH_MAX 1000.0 /* no growth_factor is greater */

struct GooGcHeap {
    uint64_t magic;
    GooGcOptions options;
    GooAllocator *side; /* where side tables come from */
    GooGcListener listener;
    GooGcNamer namer;         /* of snapshots */

    /* lock.h, safepoint.c */
    _Atomic uintptr_t lock_owner; /* gooi_thread_here; 0: nobody */
    uint32_t lock_depth;
    _Atomic uint32_t lock_waiters;
    GooiPlatformMutex sleep;  /* of whoever waits for one of these: */
    GooiPlatformCondition freed;  /* the lock is */
    GooGcHeap *next_heap, *previous_heap; /* of gooi_heaps */
    bool stopping;            /* somebody stops the world, or has stopped it */
    GooiPlatformCondition parked; /* a mutator stopped running */
    GooiPlatformCondition resumed;

    /* space.c */
    uintptr_t base;
    size_t size;              /* reserved for slabs */
    GooiSlabEntry *slabs;     /* one for each slab of the reservation */
    uint32_t slab_count;      /* as far as they have been committed */
    uint32_t slab_limit;
    void *reservation;
    size_t reservation_size;
    _Atomic size_t used_bytes; /* blocks and pages that have been written to */
    _Atomic size_t metadata_bytes; /* tables, slab headers, side tables, mark stack */

    /* account.c */
    _Atomic size_t accounted; /* used, metadata and external bytes */
    _Atomic size_t held_limit; /* what is held to while the spare is closed; 0: no limit */
    _Atomic size_t full_limit; /* and while it is open */
    _Atomic bool spare_open;
    _Atomic size_t peak_bytes;

    /* limit.c */
    uint32_t futile_count;    /* collections for requests that freed little, in a row */
    uint32_t futile_wait;     /* requests that fail at once before the next */
    size_t futile_use;        /* what was in use after the last collection */

    /* block.c, sweep.c */
    size_t unswept_count;

    /* the cycle: gc.c */
    uint8_t colour;           /* the current mark colour */
    bool visiting;            /* roots, or what they lead to: the owner's callbacks add no root */
    bool collecting;          /* the lock's owner collects or runs a callback: no allocation */
    _Atomic bool overflowed;  /* a mark stack dropped something */
    _Atomic bool refused;     /* the last request failed for the hard limit */
    bool tight;               /* memory was short: holes of one granule count, until it is not */
    _Atomic uint32_t disable_depth;
    GooiMarkStack mark_stack;
    size_t team_heap_min;     /* smaller ones are marked before help arrives; tests make it less */

    /* pace.c, pressure.c */
    size_t live_bytes;        /* found by the last collection */
    _Atomic size_t since_bytes; /* heap bytes handed out since */
    _Atomic size_t headroom;  /* heap and external growth at which the next is due */
    _Atomic size_t external_at_cycle;
    size_t container_bytes;   /* soft limit of all heaps together; 0: none */
    uint64_t (*clock)(const GooGcHeap *heap); /* nanoseconds; tests have their own */
    GooiAdaptive adaptive;
    uint64_t decay_ns;        /* up to when idle memory has been looked at; 0: never */
    _Atomic size_t external_bytes;
    _Atomic uint64_t limit_hits;
    size_t adjusted_bytes;    /* of these, by goo_gc_adjust_external */
    GooiOwnedTable owned;     /* owned_table.c */

    /* roots.c, handle.c, finalize.c, intern.c */
    GooiVector roots;         /* of GooiRoot */
    GooiVector root_callbacks;
    GooiVector handles;
    uint32_t handle_free;     /* index + 1 of the first free one */
    GooiVector finalizables;  /* of void *: objects with a finalize */
    size_t finalizables_promised; /* that are about to be added */
    GooGcInternTable *intern_tables;
    uint64_t hash_seed;

    /* weak.c, ephemeron_settle.c, finalize_queue.c */
    GooiWeakness weak;
    GooiWaiting waiting;
    GooiVector weak_hooks;
    GooiVector finalizers;      /* that wait for their object's death */
    size_t finalizers_gone;     /* of these, taken back or queued */
    uint32_t *finalizer_index;
    size_t finalizer_index_capacity; /* 0 or a power of two */
    GooiVector finalizer_queue; /* that wait to run */
    size_t finalizer_queue_head;
    uint64_t finalizer_next_id;

    /* stats.c */
    GooGcStats stats;
    GooiHistogram pauses;

    /* mutator.c */
    GooGcMutator mutator;     /* the first one */
    GooiRegion *first_regions; /* its two */
    GooGcMutator *mutators;   /* all, idle ones too */
    size_t attached_count;
};

/* The slab in which `address` lies; the address must be of a slab that is not a huge one's tail. */
static inline GooiSlab *gooi_slab_of(uintptr_t address) {
    return (GooiSlab *)gooi_slab_base(address);
}

static inline uint32_t gooi_slab_index(const GooGcHeap *heap, uintptr_t address) {
    return (uint32_t)((address - heap->base) >> GOOI_SLAB_LOG2);
}

static inline uintptr_t gooi_slab_address(const GooGcHeap *heap, uint32_t index) {
    return heap->base + ((uintptr_t)index << GOOI_SLAB_LOG2);
}

static inline unsigned gooi_block_index(uintptr_t address) {
    return (unsigned)((address & GOOI_SLAB_MASK) >> GOOI_BLOCK_LOG2);
}

static inline GooiBlock *gooi_block_of(uintptr_t address) {
    return &gooi_slab_of(address)->blocks[gooi_block_index(address)];
}

static inline bool gooi_in_heap(const GooGcHeap *heap, uintptr_t address) {
    return address - heap->base < heap->size;
}

/* heap, metadata and external bytes: what the limits are about */
static inline size_t gooi_accounted(const GooGcHeap *heap) {
    return atomic_load_explicit(&heap->accounted, memory_order_relaxed);
}

/* What the account is held to now; 0: no limit. */
static inline size_t gooi_limit_now(const GooGcHeap *heap) {
    bool open = atomic_load_explicit(&heap->spare_open, memory_order_relaxed);
    return atomic_load_explicit(open ? &heap->full_limit : &heap->held_limit,
                                memory_order_relaxed);
}

static inline bool gooi_mutator_is_polled(const GooGcMutator *m) {
    return __atomic_load_n(&m->fast.poll, __ATOMIC_RELAXED) != 0;
}

/* --- private prototypes, by the file that defines them --- */

/* vector.c */
bool gooi_vector_reserve(GooGcHeap *heap, GooiVector *v, size_t extra, size_t item_size);
bool gooi_vector_reserve_over_limit(GooGcHeap *heap, GooiVector *v, size_t extra, size_t item_size);
void gooi_vector_free(GooGcHeap *heap, GooiVector *v, size_t item_size);
void *gooi_side_alloc(GooGcHeap *heap, size_t size); /* zeroed; counted as metadata */
void gooi_side_free(GooGcHeap *heap, void *ptr, size_t size);

/* account.c; false: hard limit */
bool gooi_account(GooGcHeap *heap, size_t bytes);
bool gooi_account_has_room(const GooGcHeap *heap, size_t bytes);
void gooi_account_over_limit(GooGcHeap *heap, size_t bytes);
void gooi_space_account_over_limit(GooGcHeap *heap, size_t metadata);
void gooi_unaccount(GooGcHeap *heap, size_t bytes);
void gooi_account_settle(GooGcHeap *heap);
bool gooi_space_account(GooGcHeap *heap, size_t used, size_t metadata);
void gooi_space_unaccount(GooGcHeap *heap, size_t used, size_t metadata);

/* space.c */
bool gooi_space_init(GooGcHeap *heap);
void gooi_space_deinit(GooGcHeap *heap);
void gooi_space_zero(uintptr_t start, size_t size);
GooiSlab *gooi_slab_acquire(GooGcHeap *heap, uint32_t count, uint32_t kind);
void gooi_slab_release(GooGcHeap *heap, uint32_t first, uint32_t count);

/* block.c */
size_t gooi_region_objects(const GooiRegion *region); /* made in its block since it was taken */
void gooi_region_enter_hole(GooiRegion *region, GooiHole hole);
bool gooi_region_first_fit(GooiRegion *region, size_t granules);
bool gooi_region_next_block(GooGcMutator *m, GooiRegion *region);
bool gooi_block_at_or_after(const GooGcHeap *heap, uint32_t *index);
uintptr_t gooi_block_address(const GooGcHeap *heap, uint32_t index);
void gooi_region_give_back(GooGcMutator *m, GooiRegion *region);

/* sweep.c */
size_t gooi_sweep_count_live(GooGcHeap *heap);
size_t gooi_sweep_count_marked(const GooGcHeap *heap); /* objects in blocks */
void gooi_sweep_begin(GooGcHeap *heap);
void gooi_sweep_finish(GooGcHeap *heap);
size_t gooi_sweep_block(GooGcHeap *heap, uintptr_t block, uint64_t *occupied);
size_t gooi_sweep_release_empty(GooGcHeap *heap);
size_t gooi_sweep_release_idle(GooGcHeap *heap, uint8_t ticks, size_t most);

/* large.c */
void *gooi_large_alloc(GooGcHeap *heap, size_t size, unsigned metadata);
size_t gooi_large_sweep(GooGcHeap *heap); /* the bytes of those that live */
size_t gooi_large_count_marked(const GooGcHeap *heap);
size_t gooi_large_size(const GooGcHeap *heap, uintptr_t object);
uintptr_t gooi_large_base_of(const GooGcHeap *heap, uintptr_t address);
size_t gooi_large_release_empty(GooGcHeap *heap);
size_t gooi_large_release_idle(GooGcHeap *heap, uint8_t ticks, size_t most);

/* safepoint.c */
bool gooi_world_lock_and_stop(GooGcHeap *heap, GooGcMutator *self);
void gooi_world_resume(GooGcHeap *heap);
bool gooi_world_enter(GooGcHeap *heap); /* lock, stop, forbid allocation; false: busy here */
void gooi_world_leave(GooGcHeap *heap);
void gooi_safepoint_wait(GooGcHeap *heap); /* under the lock: until nobody stops the world */
void gooi_safepoint_park(GooGcMutator *m);
void gooi_thread_rest(const GooGcHeap *but); /* the calling thread, in all its heaps but this one */
void gooi_thread_rise(void);

/* fork.c */
bool gooi_heap_enlist(GooGcHeap *heap);
void gooi_heap_delist(GooGcHeap *heap);
void gooi_heaps_lock_list(void); /* of gooi_heaps */
void gooi_heaps_unlock_list(void);

/* mutator.c */
void gooi_mutator_save_stack(GooGcMutator *m, const void *frames);
void gooi_mutator_make_idle(GooGcMutator *m); /* its thread is gone; under the lock */
GooGcMutator *gooi_mutator_here(const GooGcHeap *heap); /* the calling thread's, or NULL */
void gooi_mutators_check_alone(const GooGcHeap *heap);
void gooi_mutators_deinit(GooGcHeap *heap);
void gooi_mutator_init_hooks(void);

/* object.c */
uintptr_t gooi_object_base_of(const GooGcHeap *heap, uintptr_t address);
size_t gooi_object_granules(const GooGcHeap *heap, uintptr_t object);
bool gooi_object_is_marked(const GooGcHeap *heap, const void *object);

/* alloc.c */
void gooi_alloc_retire_span(GooGcMutator *m);
void gooi_alloc_request_collection(GooGcMutator *m);
void gooi_alloc_hide_span(GooGcMutator *m); /* the next allocation asks whether it may */
void *gooi_alloc_fail(GooGcMutator *m, size_t size); /* tells the listener; NULL with ENOMEM */
void gooi_alloc_hide_here(GooGcHeap *heap); /* of this thread's mutator, if it has one */

/* mark.c */
void gooi_visitor_init(GooGcVisitor *v, GooGcHeap *heap);
void gooi_visitor_use_stack(GooGcVisitor *v, GooiMarkStack *stack);
void gooi_mark_drain(GooGcVisitor *v);
void gooi_mark_drain_shared(GooGcVisitor *v); /* until its team has nothing left */
void gooi_mark_all(GooGcVisitor *v); /* the same as drain, with the help of others */
size_t gooi_mark_stack_release(GooGcHeap *heap); /* to its least; the bytes given back */
size_t gooi_mark_stack_shrink(GooGcHeap *heap, GooiMarkStack *stack);
void gooi_mark_conservative(GooGcVisitor *v, const void *low, const void *high);

/* team.c */
bool gooi_team_drain(GooGcVisitor *v);
bool gooi_team_init(void);
void gooi_team_disband(void);
void gooi_team_fork_begins(void);
void gooi_team_fork_ends(bool in_child);

/* roots.c */
void gooi_roots_visit(GooGcHeap *heap, GooGcVisitor *v);
void gooi_roots_deinit(GooGcHeap *heap);

/* finalize.c */
bool gooi_finalize_reserve(GooGcHeap *heap);
void gooi_finalize_add(GooGcHeap *heap, void *object); /* NULL: it could not be made */
void gooi_finalize_dead(GooGcHeap *heap);
void gooi_finalize_all(GooGcHeap *heap);

/* owned.c, owned_table.c */
void gooi_owned_settle(GooGcHeap *heap);
void gooi_owned_deinit(GooGcHeap *heap);
/* OWN-1 … OWN-3: what is wrong, or NULL. */
const char *gooi_owned_fault(GooGcHeap *heap);

/* intern.c */
void gooi_intern_drop_dead(GooGcHeap *heap);
bool gooi_intern_is_sound(const GooGcHeap *heap); /* INTERN-1, INTERN-2 */
void gooi_intern_deinit(GooGcHeap *heap);

/* pace_adaptive.c */
void gooi_adaptive_measure(GooGcHeap *heap);
double gooi_adaptive_headroom(const GooGcHeap *heap);

/* pace.c */
void gooi_pace_init(GooGcHeap *heap);
void gooi_pace_begin(GooGcHeap *heap);
void gooi_pace_update(GooGcHeap *heap);
void gooi_pace_set_target(GooGcHeap *heap);
bool gooi_pace_is_due(const GooGcHeap *heap);

/* pressure.c */
void gooi_pressure_init(void);
void gooi_pressure_deinit(GooGcHeap *heap);
bool gooi_pressure_count(GooGcHeap *heap, size_t bytes); /* false: hard limit */
void gooi_pressure_discount(GooGcHeap *heap, size_t bytes);
bool gooi_pressure_settle_heap(GooGcHeap *heap);
bool gooi_pressure_is_attached(const GooGcHeap *heap, const GooAllocator *a);
bool gooi_pressure_is_sound(const GooGcHeap *heap); /* PRESS-1 */
void gooi_pressure_fork_begins(void);
void gooi_pressure_fork_ends(void);

/* decay.c */
void gooi_decay_poll(GooGcHeap *heap);

/* gc.c */
GooStatus gooi_collect(GooGcHeap *heap, GooGcCollection kind);
/* limit.c */
void gooi_limit_apply(GooGcHeap *heap);
void gooi_limit_read_container(GooGcHeap *heap, const char *root);
void gooi_limit_hit(GooGcHeap *heap);
size_t gooi_limit_use(const GooGcHeap *heap);
void gooi_limit_collected(GooGcHeap *heap, size_t before);
/* Collects and gives back what is empty, so that a request of `bytes` that failed can be tried
 * again. False: no collection may run here, or it would be futile. */
bool gooi_collect_emergency(GooGcHeap *heap, size_t bytes);
/* The same for an object that a block will hold: empty blocks stay, as far as the limit allows. */
bool gooi_collect_for_block(GooGcHeap *heap, size_t bytes);

/* verify.c */
/* Faults go to `report` unless it is NULL, and the first one to `first` as text unless that is. */
GooStatus gooi_verify(GooGcHeap *heap, bool after_marking, FILE *report, char *first,
                      size_t first_size);

/* stats.c, histogram.c */
void gooi_notify(GooGcHeap *heap, GooGcEventKind kind, size_t bytes);
void gooi_notify_of(GooGcHeap *heap, GooGcEventKind kind, size_t bytes, const GooGcMutator *m);
void gooi_histogram_add(GooiHistogram *h, uint64_t value);
uint64_t gooi_histogram_quantile(const GooiHistogram *h, double quantile);
size_t gooi_histogram_read(const GooiHistogram *h, GooGcPauseBucket *out_buckets, size_t capacity);

#endif
