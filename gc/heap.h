/* The heap: every field that more than one file of gc/ touches, in one place, in groups that name
 * the file which changes them. Others read. What the fields are made of stands in the headers named
 * on the right, with the private prototypes of the files that each is about.
 *
 *   GooGcHeap ── mutators  threads, each with its span and regions     mutator.h
 *             ── world     the lock, and who is stopped                lock.h
 *             ── space     slabs of blocks, slabs of large objects     slab.h
 *             ── roots     slots, callbacks, handles, frames, stacks   roots.h
 *             ── marking   the mark stack and its modes                visitor.h
 *             ── pressure  bytes, limits, when the next cycle is due   pressure.h
 *             ── owned     explicit blocks and who they live with      pressure.h owned.h
 *             ── weakness  what lets go of the dead                    weakness.h
 *
 * Thread rule: a mutator's fields are its thread's, or the collector's while that thread stands
 * still; a heap's are read and written under its lock (lock.h), except for what is atomic,
 * what never changes after create, and the list of attachments, which threads reach through the
 * front door (account.c, pressure.c). While the world is stopped the collector has the lock.
 */
#ifndef GOO_GC_HEAP_INTERNAL_H
#define GOO_GC_HEAP_INTERNAL_H

#include <stdatomic.h>

#include "gc/metadata.h"
#include "gc/mutator.h"
#include "gc/pressure.h"
#include "gc/roots.h"
#include "gc/slab.h"
#include "gc/stats.h"
#include "gc/vector.h"
#include "gc/visitor.h"
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

#define GOOI_HEAP_MAGIC UINT64_C(0x70616548206f6f47) /* "Goo Heap" */

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
    uint32_t collecting_for;  /* requests whose collection has not ended */

    /* block.c, sweep.c */
    size_t unswept_count;

    /* the cycle: gc.c */
    uint8_t colour;           /* the current mark colour */
    GooiMarkModes mark_modes; /* what the last marking found out */
    bool visiting;            /* roots, or what they lead to: the owner's callbacks add no root */
    bool collecting;          /* the lock's owner collects or runs a callback: no allocation */
    _Atomic bool overflowed;  /* a mark stack dropped something */
    _Atomic bool refused;     /* the last request failed for the hard limit */
    bool tight;               /* memory was short: holes of one granule count, until it is not */
    _Atomic uint32_t disable_depth;
    GooiMarkStack mark_stack;
    size_t team_heap_min;     /* where less is expected to live, marking is over before help comes;
                                 0 in tests: helpers come, also more than there are cores */

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

static inline uint32_t gooi_slab_index(const GooGcHeap *heap, uintptr_t address) {
    return (uint32_t)((address - heap->base) >> GOOI_SLAB_LOG2);
}

static inline uintptr_t gooi_slab_address(const GooGcHeap *heap, uint32_t index) {
    return heap->base + ((uintptr_t)index << GOOI_SLAB_LOG2);
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

/* --- prototypes, by the file that defines them --- */

/* gc.c */
GooStatus gooi_collect(GooGcHeap *heap, GooGcCollection kind);
void gooi_collect_stopped(GooGcHeap *heap); /* the caller has stopped the world */

/* verify.c */
/* Faults go to `report` unless it is NULL, and the first one to `first` as text unless that is. */
GooStatus gooi_verify(GooGcHeap *heap, bool after_marking, FILE *report, char *first,
                      size_t first_size);

#endif
