/* Fork: a child has one thread, and every heap as it was.
 *
 * Before a fork the forking thread takes the lock of every heap, so that none is in the middle of
 * something; what a lock does not cover is the fast path of allocation on other threads. In the
 * child those threads' mutators are idle, and what they had half made is unmade: an object whose
 * metadata or header is not whole was not handed out yet.
 *
 * All heaps stand in one list for this. Its lock comes before the locks of heaps only by trying:
 * a callback may hold a heap's and create another.
 *
 * FORK-1  in the child no mutator but the forking thread's is attached.
 */
#include <string.h>

#include "gc/heap.h"
#include "gc/lock.h"
#include "runtime/globals.h"

static void fork_lock_list(void) {
    while (atomic_flag_test_and_set_explicit(&gooi_heaps_lock, memory_order_acquire)) {
        gooi_platform_yield();
    }
}

static void fork_unlock_list(void) {
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
    fork_lock_list();
    while (!fork_try_lock_heaps()) {
        fork_unlock_list();
        gooi_platform_yield();
        fork_lock_list();
    }
    gooi_pressure_fork_begins();
    gooi_team_fork_begins();
}

static void fork_unlock_all(bool in_child) {
    gooi_team_fork_ends(in_child);
    gooi_pressure_fork_ends();
    fork_unlock_heaps_until(NULL);
    fork_unlock_list();
}

static void fork_in_parent(void) {
    fork_unlock_all(false);
}

/* --- in the child --- */

static bool fork_is_whole(uintptr_t object, uintptr_t limit, uintptr_t *next) {
    const uint8_t *table = gooi_metadata_of(object);
    size_t granules = 0, most = (limit - object) >> GOOI_GRANULE_LOG2;
    if ((table[0] & GOO_GC_COLOUR_MASK) == 0) {
        return false;
    }
    while (granules < most && (table[granules] & GOO_GC_END) == 0) {
        granules++;
    }
    *next = object + ((granules + 1) << GOOI_GRANULE_LOG2);
    bool typed = (table[0] & GOO_GC_KIND_MASK) == GOO_GC_KIND_TYPED;
    return granules < most && !(typed && goo_gc_type_of((const void *)object) == NULL);
}

static void fork_unmake(uintptr_t low, uintptr_t high) {
    memset(gooi_metadata_of(low), 0, (high - low) >> GOOI_GRANULE_LOG2);
    memset((void *)low, 0, high - low);
}

/* The span up to its first object that is not whole. */
static void fork_repair_span(GooGcMutator *m) {
    uintptr_t object = m->span_start, next;
    while (object < m->span_limit && fork_is_whole(object, m->span_limit, &next)) {
        object = next;
    }
    if (object < m->span_limit) {
        fork_unmake(object, m->span_limit);
    }
    m->fast.cursor = object;
}

/* The medium region's last piece is one object. */
static void fork_repair_medium(const GooiRegion *region) {
    uintptr_t next;
    if (region->cursor < region->end && !fork_is_whole(region->cursor, region->end, &next)) {
        fork_unmake(region->cursor, region->end);
    }
}

static void fork_abandon(GooGcMutator *m) {
    fork_repair_span(m);
    fork_repair_medium(m->medium);
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
    fork_lock_list();
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
    fork_unlock_list();
    return ready;
}

void gooi_heap_delist(GooGcHeap *heap) {
    fork_lock_list();
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
    fork_unlock_list();
}
