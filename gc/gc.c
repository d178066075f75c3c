/* The collection cycle, and a heap's beginning and end.
 *
 * collect_cycle reads as the algorithm: finish the last sweep, take the mutator's memory back,
 * rotate the mark colour, mark from the roots, settle what is weak, finalize the dead, free what
 * they own, leave the sweep to the allocator. Invariants GC-1 … GC-7 stand in gc/README.md;
 * goo_gc_verify proves them.
 *
 * Threads: any that is attached; the world is stopped meanwhile (safepoint.c).
 */
#include <errno.h>
#include <string.h>

#include "gc/heap.h"
#include "gc/lock.h"
#include "runtime/globals.h"
#include "runtime/platform/platform.h"

/* --- the cycle --- */

static void collect_prepare(GooGcHeap *heap) {
    for (GooGcMutator *m = heap->mutators; m != NULL; m = m->next) {
        gooi_alloc_retire_span(m);
        m->collect_requested = false;
    }
    gooi_sweep_finish(heap);
    heap->colour = (uint8_t)(heap->colour == GOOI_COLOUR_LAST_MARK
                                 ? GOOI_COLOUR_FIRST_MARK
                                 : heap->colour + GOOI_COLOUR_STEP);
}

/* Values whose keys live are marked; then what is weak lets go of the dead. Finalizers bring some
 * of them back, and weak objects with them, which let go in their turn. */
static void collect_settle_weak(GooGcHeap *heap, GooGcVisitor *v) {
    gooi_waiting_settle(heap, v);
    gooi_weak_clear(heap);
    if (gooi_finalize_queue_dead(heap, v)) {
        gooi_weak_clear(heap);
    }
    gooi_weak_end(heap);
}

static void collect_mark(GooGcHeap *heap) {
    GooGcVisitor visitor;
    gooi_visitor_init(&visitor, heap, &heap->mark_stack);
    gooi_weak_begin(heap);
    heap->visiting = true;
    gooi_roots_visit(heap, &visitor);
    gooi_mark_all(&visitor);
    collect_settle_weak(heap, &visitor);
    heap->visiting = false;
    size_t objects = visitor.objects;
    if (visitor.helped) {
        objects = gooi_sweep_count_marked(heap) + gooi_large_count_marked(heap);
    }
    heap->stats.objects_live = objects;
    heap->stats.objects_marked += objects;
}

static void collect_settle(GooGcHeap *heap) {
    gooi_intern_drop_dead(heap);
    gooi_weak_call_hooks(heap);
    gooi_finalize_dead(heap);
    gooi_owned_settle(heap);
    heap->live_bytes = gooi_large_sweep(heap) + gooi_sweep_count_live(heap);
    gooi_sweep_begin(heap);
}

static void collect_cycle(GooGcHeap *heap) {
    uint64_t start = gooi_platform_time_ns();
    gooi_notify(heap, GOO_GC_EVENT_CYCLE_BEGIN, 0);
    gooi_notify(heap, GOO_GC_EVENT_PAUSE_BEGIN, 0);
    gooi_team_rouse(heap);
    gooi_pace_begin(heap);
    collect_prepare(heap);
    uint64_t mark_start = gooi_platform_time_ns();
    collect_mark(heap);
    heap->stats.mark_ns += gooi_platform_time_ns() - mark_start;
    collect_settle(heap);
    gooi_notify(heap, GOO_GC_EVENT_MARKED, heap->live_bytes);
    gooi_pace_update(heap);
    gooi_notify(heap, GOO_GC_EVENT_RESIZED,
                heap->live_bytes + heap->external_at_cycle + heap->headroom);
    if (heap->options.poison) {
        gooi_sweep_finish(heap);
    }
    heap->stats.collections_full++;
    gooi_histogram_add(&heap->pauses, gooi_platform_time_ns() - start);
    gooi_notify(heap, GOO_GC_EVENT_PAUSE_END, 0);
    gooi_notify(heap, GOO_GC_EVENT_CYCLE_END, heap->live_bytes);
}

/* Before marking, what leads to no object is told; marking would follow it. */
static void collect_verify(GooGcHeap *heap, bool after_marking) {
    char fault[256];
    GooStatus status = gooi_verify(heap, after_marking, NULL, fault, sizeof fault);
    if (status == GOO_ERR_NO_MEMORY) {
        snprintf(fault, sizeof fault, "no memory for the check");
    }
    if (status != GOO_OK) {
        gooi_panic("goo_gc_verify: %s collection %llu: %s", after_marking ? "after" : "before",
                   (unsigned long long)heap->stats.collections_full + !after_marking, fault);
    }
}

void gooi_collect_stopped(GooGcHeap *heap) {
    size_t before = gooi_limit_use(heap);
    heap->collecting = true;
    heap->tight = false;
    if (heap->options.verify) {
        collect_verify(heap, false);
    }
    collect_cycle(heap);
    gooi_limit_collected(heap, before);
    if (heap->options.verify) {
        collect_verify(heap, true);
    }
    heap->collecting = false;
}

/* Generations do not exist in this version: every collection is full. */
GooStatus gooi_collect(GooGcHeap *heap, GooGcCollection kind) {
    (void)kind;
    GooGcMutator *self = gooi_mutator_here(heap);
    if (gooi_heap_is_mine(heap) || (self != NULL && self->blocking_depth != 0)) {
        return GOO_ERR_BUSY;
    }
    if (gooi_world_lock_and_stop(heap, self)) {
        gooi_collect_stopped(heap);
        gooi_world_resume(heap);
        gooi_decay_poll(heap);
    }
    gooi_heap_unlock(heap);
    gooi_thread_rise();
    return GOO_OK;
}

/* --- public calls --- */

GooStatus goo_gc_collect(GooGcMutator *m, GooGcCollection kind) {
    bool mine = m != NULL && m == gooi_mutator_here(m->heap);
    return mine ? gooi_collect(m->heap, kind) : GOO_ERR_INVALID_ARGUMENT;
}

bool goo_gc_step(GooGcMutator *m, uint32_t budget_us) {
    (void)budget_us; /* a collection can't be cut in this version */
    GOO_REQUIRE(gooi_mutator_is_mine(m), "goo_gc_step: mutator %p is another thread's", (void *)m);
    gooi_decay_poll(m->heap);
    return m->heap->disable_depth == 0 && gooi_pace_is_due(m->heap) &&
           gooi_collect(m->heap, GOO_GC_FULL) == GOO_OK;
}

void goo_gc_disable(GooGcHeap *heap) {
    heap->disable_depth++;
}

void goo_gc_enable(GooGcHeap *heap) {
    GOO_REQUIRE(heap->disable_depth > 0, "goo_gc_enable: heap %p is not disabled", (void *)heap);
    heap->disable_depth--;
}

size_t goo_gc_release(GooGcHeap *heap) {
    if (gooi_heap_is_busy_here(heap)) {
        return 0;
    }
    gooi_heap_lock(heap);
    size_t released = gooi_sweep_release_empty(heap) + gooi_large_release_empty(heap) +
                      gooi_mark_stack_release(heap);
    gooi_heap_unlock(heap);
    return released;
}

/* --- beginning and end --- */

static bool create_check_embedder(const GooGcOptions *o) {
    const GooGcType *type = o->embedder_layout;
    if (type == NULL) {
        return true;
    }
    bool lies_still = type->layout == GOO_GC_LAYOUT_BITMAP || type->layout == GOO_GC_LAYOUT_ARRAY;
    return lies_still && gooi_layout_fault(type) == NULL && o->trace_embedder == NULL &&
           type->finalize == NULL && type->size >= gooi_layout_reach(type);
}

static int create_check_options(const GooGcOptions *o) {
    if (o->generational || o->concurrent) {
        return ENOTSUP;
    }
    bool sizing_known = (unsigned)o->sizing <= GOO_GC_SIZING_ADAPTIVE;
    const GooGcValueEncoding *e = &o->encoding;
    bool encoding_known = (e->tag_value & ~e->tag_mask) == 0 &&
                          (e->tag_value & e->address_mask & (GOOI_GRANULE_SIZE - 1)) == 0 &&
                          (e->address_mask != 0 || (e->tag_mask | e->tag_value) == 0);
    bool growth_known = o->growth_factor > 1.0 && o->growth_factor <= GOOI_GROWTH_MAX;
    bool known = sizing_known && encoding_known && growth_known && create_check_embedder(o);
    return known ? 0 : EINVAL;
}

static bool create_init(GooGcHeap *heap) {
    if (!gooi_space_init(heap)) {
        return false;
    }
    size_t sides = sizeof *heap + 2 * offsetof(GooiRegion, holes) + GOOI_MARK_STACK_MIN;
    if (!gooi_space_account(heap, 0, sides)) {
        gooi_space_deinit(heap);
        return false;
    }
    gooi_account_settle(heap);
    heap->colour = GOOI_COLOUR_FIRST_MARK;
    heap->team_heap_min = GOOI_TEAM_HEAP_MIN;
    heap->hash_seed = gooi_platform_random();
    gooi_weak_begin(heap);
    if (heap->options.container) {
        gooi_limit_read_container(heap, "");
    }
    gooi_pace_init(heap);
    heap->magic = GOOI_HEAP_MAGIC;
    return true;
}

GooGcHeap *goo_gc_heap_create(const GooGcOptions *options) {
    GooGcOptions chosen = options != NULL ? *options : goo_gc_default_options();
    int error = create_check_options(&chosen);
    if (error != 0) {
        errno = error;
        return NULL;
    }
    gooi_pressure_init();
    gooi_mutator_init_hooks();
    GooAllocator *side = &gooi_system_allocator;
    GooGcHeap *heap = side->alloc(side->context, sizeof *heap, _Alignof(GooGcHeap), GOO_ALLOC_ZERO);
    if (heap != NULL) {
        heap->options = chosen;
        gooi_limit_apply(heap);
        heap->side = side;
        gooi_lock_init(heap);
        if (create_init(heap)) {
            if (gooi_heap_enlist(heap)) {
                return heap;
            }
            gooi_space_deinit(heap);
        }
        gooi_lock_deinit(heap);
        side->free(side->context, heap, sizeof *heap, _Alignof(GooGcHeap));
    }
    errno = ENOMEM;
    return NULL;
}

static void destroy_lock(GooGcHeap *heap) {
    gooi_heap_lock(heap);
    bool alone = (heap->lock_waiters & ~GOOI_LOCK_DOUBTS) == 0;
    if (!alone) {
        gooi_heap_unlock(heap);
    }
    GOO_REQUIRE(alone, "goo_gc_heap_destroy: other threads wait for heap %p", (void *)heap);
}

void goo_gc_heap_destroy(GooGcHeap *heap) {
    if (heap == NULL) {
        return;
    }
    GOO_REQUIRE(heap->magic == GOOI_HEAP_MAGIC, "goo_gc_heap_destroy: %p is no living heap",
                (void *)heap);
    GOO_REQUIRE(!gooi_heap_is_mine(heap), "goo_gc_heap_destroy: called inside a collection");
    gooi_mutators_check_alone(heap);
    destroy_lock(heap);
    gooi_heap_delist(heap);
    heap->collecting = true; /* finalizers must not allocate */
    gooi_alloc_hide_here(heap);
    gooi_finalize_all(heap);
    gooi_owned_deinit(heap);
    heap->magic = 0;
    gooi_intern_deinit(heap);
    gooi_weak_deinit(heap);
    gooi_finalize_queue_deinit(heap);
    gooi_pressure_deinit(heap);
    gooi_roots_deinit(heap);
    gooi_mutators_deinit(heap);
    gooi_space_deinit(heap);
    gooi_heap_unlock(heap);
    gooi_lock_deinit(heap);
    GooAllocator *side = heap->side;
    side->free(side->context, heap, sizeof *heap, _Alignof(GooGcHeap));
}
