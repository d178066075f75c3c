/* Fork: a child has one thread, and every heap as it was.
 *
 * Before a fork the forking thread takes the lock of every heap, so that none is in the middle of
 * something; what a lock does not cover is the fast path of allocation on other threads. In the
 * child those threads' mutators are idle, their blocks are given back, and what they had half made
 * is unmade: an object whose metadata or header is not whole was not handed out yet.
 *
 * All heaps stand in one list for this. Its lock comes before the locks of heaps only by trying:
 * a callback may hold a heap's and create another.
 *
 * Two threads that fork at once inside callbacks of two heaps wait for each other for ever: a
 * callback of one heap holds its lock, and may not wait for another heap's.
 *
 * FORK-1  in the child no mutator but the forking thread's is attached.
 */
#include "gc/heap.h"
#include "gc/lock.h"
#include "runtime/fork.h"
#include "runtime/globals.h"

void gooi_heaps_lock_list(void) {
    while (atomic_flag_test_and_set_explicit(&gooi_heaps_lock, memory_order_acquire)) {
        gooi_platform_yield();
    }
}

void gooi_heaps_unlock_list(void) {
    atomic_flag_clear_explicit(&gooi_heaps_lock, memory_order_release);
}

/* --- before, and after in the parent --- */

static void fork_unlock_heaps_until(const GooGcHeap *end) {
    for (GooGcHeap *heap = gooi_heaps; heap != end; heap = heap->next_heap) {
        gooi_heap_unlock(heap);
    }
}

static bool fork_try_lock_heaps(void) {
    for (GooGcHeap *heap = gooi_heaps; heap != NULL; heap = heap->next_heap) {
        if (!gooi_heap_try_lock(heap)) {
            fork_unlock_heaps_until(heap);
            return false;
        }
    }
    return true;
}

static void fork_before(void) {
    gooi_heaps_lock_list();
    while (!fork_try_lock_heaps()) {
        gooi_heaps_unlock_list();
        gooi_platform_yield();
        gooi_heaps_lock_list();
    }
    gooi_pressure_fork_begins();
    gooi_team_fork_begins();
}

static void fork_unlock_all(bool in_child) {
    gooi_team_fork_ends(in_child);
    gooi_pressure_fork_ends();
    fork_unlock_heaps_until(NULL);
    gooi_heaps_unlock_list();
}

static void fork_in_parent(void) {
    fork_unlock_all(false);
}

/* --- in the child --- */

/* The length in granules of the object that starts at table[i], or 0: its end was not written. */
static size_t fork_extent(const uint8_t *table, size_t i) {
    for (size_t n = 0; i + n < GOOI_BLOCK_GRANULES; n++) {
        if (n != 0 && (table[i + n] & GOO_GC_COLOUR_MASK) != 0) {
            return 0;
        }
        if ((table[i + n] & GOO_GC_END) != 0) {
            return n + 1;
        }
    }
    return 0;
}

static bool fork_has_no_type(const uint8_t *table, size_t i, uintptr_t block) {
    const void *object = (const void *)(block + (i << GOOI_GRANULE_LOG2));
    return (table[i] & GOO_GC_KIND_MASK) == GOO_GC_KIND_TYPED && goo_gc_type_of(object) == NULL;
}

/* Only the metadata of a block is looked at, not what its thread thought of it: that may have been
 * on its way from one hole to the next. Whatever is whole stays, handed out or not. */
static void fork_repair_block(uintptr_t block) {
    uint8_t *table = gooi_metadata_of(block);
    for (size_t i = 0, extent; i < GOOI_BLOCK_GRANULES; i += extent) {
        extent = 1;
        if ((table[i] & GOO_GC_COLOUR_MASK) == 0) {
            table[i] = 0; /* free, or an end without a start */
            continue;
        }
        size_t found = fork_extent(table, i);
        if (found == 0 || fork_has_no_type(table, i, block)) {
            table[i + (found != 0 ? found - 1 : 0)] = 0;
            table[i] = 0;
        }
        extent = found != 0 ? found : 1;
    }
}

static void fork_abandon(GooGcMutator *m) {
    GooiRegion *regions[] = {m->small, m->medium};
    for (size_t i = 0; i < GOOI_COUNT(regions); i++) {
        if (regions[i]->block != 0) {
            fork_repair_block(regions[i]->block);
        }
    }
    m->span_start = m->fast.cursor; /* what was not counted yet is not known */
    gooi_alloc_retire_span(m);
    gooi_mutator_make_idle(m);
}

static void fork_restore_heap(GooGcHeap *heap) {
    for (GooGcMutator *m = heap->mutators; m != NULL; m = m->next) {
        if (m->state != GOOI_MUTATOR_IDLE && m != gooi_mutator_here(heap)) {
            fork_abandon(m);
        }
        __atomic_store_n(&m->fast.poll, 0, __ATOMIC_RELAXED);
    }
    gooi_lock_forked(heap);
    heap->stopping = heap->stopping && heap->collecting; /* this thread's own collection goes on */
    heap->collecting_for = heap->collecting ? heap->collecting_for : 0; /* not of other threads */
}

static void fork_in_child(void) {
    for (GooGcHeap *heap = gooi_heaps; heap != NULL; heap = heap->next_heap) {
        fork_restore_heap(heap);
    }
    fork_unlock_all(true);
}

/* --- the list --- */

/* False: no memory. */
bool gooi_heap_enlist(GooGcHeap *heap) {
    gooi_fork_prepare(); /* first: what is registered later is locked earlier */
    gooi_heaps_lock_list();
    gooi_fork_registered = gooi_fork_registered ||
                           gooi_platform_at_fork(fork_before, fork_in_parent, fork_in_child);
    bool ready = gooi_fork_registered && gooi_team_init();
    if (ready) {
        heap->next_heap = gooi_heaps;
        if (gooi_heaps != NULL) {
            gooi_heaps->previous_heap = heap;
        }
        gooi_heaps = heap;
    }
    gooi_heaps_unlock_list();
    return ready;
}

void gooi_heap_delist(GooGcHeap *heap) {
    gooi_heaps_lock_list();
    if (heap->previous_heap != NULL) {
        heap->previous_heap->next_heap = heap->next_heap;
    } else {
        gooi_heaps = heap->next_heap;
    }
    if (heap->next_heap != NULL) {
        heap->next_heap->previous_heap = heap->previous_heap;
    }
    if (gooi_heaps == NULL) {
        gooi_team_disband();
    }
    gooi_heaps_unlock_list();
}
