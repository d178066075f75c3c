/* The hard limit: what is kept back of it, and which refused requests are worth a collection.
 *
 *   0 ──────────────────────────────── held ───────── hard limit
 *      what requests may use              the spare: from the first refusal on, until a
 *                                         collection finds that the heap fits below `held` again
 *
 * The spare makes error paths work. A request that fails for good still fails, but opens the spare,
 * so that whoever handles the failure can make a message, a stack trace, an exception. There is one
 * spare for an episode: it closes when memory has been freed, not before.
 *
 * A heap at its limit in which nearly everything lives would spend its time collecting for nothing.
 * A collection that frees less than one part in 64 of what was in use is futile: the next would
 * cost 64 times what it gains. After the n-th futile one in a row 2^(n-1) - 1 requests that fail do
 * so at once. So k failures in a row cost log2(k) collections, and a program that frees after k
 * failures waits for at most as many more. A collection of any cause that frees more, a changed
 * limit, external bytes that were given back, or one part in 64 allocated since, end the waiting.
 * Only counts decide, no clock.
 *
 * Where several threads are at the limit, what a collection found may be gone before the thread
 * that asked for it runs again. Its request is then worth another one, up to 8 in all; and where
 * one thread's request is about to collect, those of others do not fail at once.
 *
 * LIMIT-1  full_limit is the hard limit, held_limit that less the spare; which of the two counts
 *          is one flag, so that a request that is refused on one thread can't undo the limits that
 *          another sets.
 *
 * Threads: any; what counts futile collections is under the heap's lock.
 */
#include "gc/heap.h"
#include "gc/lock.h"
#include "runtime/bits.h"
#include "runtime/platform/platform.h"

#define GOOI_FUTILE_SHARE 64 /* a collection must free one part in so many */
#define GOOI_FUTILE_MAX 16   /* 2^15 requests wait at most */
#define GOOI_TRIES_MAX 8     /* collections for one request */

/* --- the spare --- */

static size_t limit_spare(const GooGcOptions *o) {
    size_t most = o->hard_limit_bytes / 8;
    return o->spare_bytes < most ? o->spare_bytes : most;
}

static void limit_open_spare(GooGcHeap *heap, bool open) {
    atomic_store_explicit(&heap->spare_open, open, memory_order_relaxed);
}

/* Applies the limits of the options. */
void gooi_limit_apply(GooGcHeap *heap) {
    const GooGcOptions *o = &heap->options;
    atomic_store_explicit(&heap->held_limit, o->hard_limit_bytes - limit_spare(o),
                          memory_order_relaxed);
    atomic_store(&heap->full_limit, o->hard_limit_bytes); /* ACC-2 */
    limit_open_spare(heap, false);
    heap->futile_count = heap->futile_wait = 0;
}

/* Takes the container's limit as the soft limit of all heaps together, less an eighth for what is
 * no heap. */
void gooi_limit_read_container(GooGcHeap *heap, const char *root) {
    uint64_t bytes = gooi_platform_container_memory(root);
    bytes -= bytes / 8;
    heap->container_bytes = bytes < SIZE_MAX / 2 ? (size_t)bytes : SIZE_MAX / 2;
}

/* A request was refused for good. */
void gooi_limit_hit(GooGcHeap *heap) {
    atomic_fetch_add_explicit(&heap->limit_hits, 1, memory_order_relaxed);
    limit_open_spare(heap, true);
}

/* --- collections for a request --- */

static size_t limit_external(const GooGcHeap *heap) {
    return atomic_load_explicit(&heap->external_bytes, memory_order_relaxed);
}

/* Bytes of objects and external ones: live, or garbage not yet found. */
size_t gooi_limit_use(const GooGcHeap *heap) {
    return heap->live_bytes + heap->since_bytes + limit_external(heap);
}

/* A collection of any cause has ended; `before`: what was in use. */
void gooi_limit_collected(GooGcHeap *heap, size_t before) {
    size_t after = gooi_limit_use(heap), hard = heap->options.hard_limit_bytes;
    if (before > after && before - after >= before / GOOI_FUTILE_SHARE) {
        heap->futile_count = heap->futile_wait = 0;
    }
    if (hard != 0 && after + heap->metadata_bytes <= hard - limit_spare(&heap->options)) {
        limit_open_spare(heap, false);
    }
    heap->futile_use = after;
}

static bool limit_must_wait(GooGcHeap *heap) {
    size_t external = limit_external(heap), step = heap->futile_use / GOOI_FUTILE_SHARE;
    bool moved = heap->since_bytes > step || external + step < heap->external_at_cycle;
    if (heap->futile_wait == 0 || moved) {
        return false;
    }
    heap->futile_wait--;
    return true;
}

/* Whether no collection could make room for this many. */
static bool limit_is_hopeless(const GooGcHeap *heap, size_t bytes) {
    size_t hard = heap->options.hard_limit_bytes;
    return bytes > PTRDIFF_MAX || (hard != 0 && bytes > hard);
}

/* Whether a collection may be worth it; the next one that fails has to wait longer, unless
 * gooi_limit_collected finds that this one was not futile. Where another thread's request is about
 * to collect, that is as good. Under the lock. */
static bool limit_try_collection(GooGcHeap *heap, size_t bytes) {
    if (heap->disable_depth != 0 || limit_is_hopeless(heap, bytes)) {
        return false;
    }
    if (heap->collecting_for != 0) {
        return true;
    }
    if (limit_must_wait(heap)) {
        return false;
    }
    if (heap->futile_count < GOOI_FUTILE_MAX) {
        heap->futile_count++;
    }
    heap->futile_wait = ((uint32_t)1 << (heap->futile_count - 1)) - 1;
    return true;
}

/* Whether others have taken most of what the last collection left for requests. */
static bool limit_is_used_up(const GooGcHeap *heap) {
    size_t limit = gooi_limit_now(heap), after = heap->futile_use, now = gooi_limit_use(heap);
    return limit > after + heap->metadata_bytes && now > after &&
           now - after > (limit - after - heap->metadata_bytes) / 2;
}

bool gooi_limit_try_again(GooGcHeap *heap, unsigned collections) {
    if (collections == 0 || collections == GOOI_TRIES_MAX) {
        return collections == 0;
    }
    gooi_heap_lock(heap);
    bool again = limit_is_used_up(heap);
    gooi_heap_unlock(heap);
    return again;
}

static bool limit_collect(GooGcHeap *heap, size_t bytes, size_t (*give_back)(GooGcHeap *heap)) {
    gooi_heap_lock(heap);
    bool worth_it = limit_try_collection(heap, bytes);
    heap->collecting_for += worth_it;
    gooi_heap_unlock(heap);
    bool collected = worth_it && gooi_collect(heap, GOO_GC_FULL) == GOO_OK;
    gooi_heap_lock(heap);
    heap->collecting_for -= worth_it;
    if (collected) {
        heap->tight = true;
        give_back(heap);
    }
    gooi_heap_unlock(heap);
    return collected;
}

bool gooi_collect_emergency(GooGcHeap *heap, size_t bytes) {
    return limit_collect(heap, bytes, goo_gc_release);
}

/* What the heap has beyond the limit that holds now, as after the spare closed. */
static size_t limit_give_back_excess(GooGcHeap *heap) {
    size_t have, held = atomic_load_explicit(&heap->held_limit, memory_order_relaxed);
    gooi_large_release_empty(heap);
    have = gooi_accounted(heap);
    return have <= held ? 0 : gooi_sweep_release_idle(heap, GOOI_DECAY_TICKS, have - held);
}

/* For an object that lies in a block: those that fell empty serve it as they are. Giving them back
 * to the OS only to take them again cost a heap that lives at its limit a third of its time. */
bool gooi_collect_for_block(GooGcHeap *heap, size_t bytes) {
    return limit_collect(heap, bytes, limit_give_back_excess);
}

/* --- other limits --- */

/* Sets them if what is accounted fits; else nothing has changed. Under the lock, which keeps away
 * all who add to the account but those that use allocators: for them ACC-2. */
static bool limit_try_set(GooGcHeap *heap, size_t soft_bytes, size_t hard_bytes) {
    size_t old = atomic_load_explicit(&heap->full_limit, memory_order_relaxed);
    if (hard_bytes != 0 && gooi_accounted(heap) > hard_bytes) {
        return false;
    }
    atomic_store(&heap->full_limit, hard_bytes);
    if (hard_bytes != 0 && atomic_load(&heap->accounted) > hard_bytes) {
        atomic_store(&heap->full_limit, old);
        return false;
    }
    heap->options.soft_limit_bytes = soft_bytes;
    heap->options.hard_limit_bytes = hard_bytes;
    gooi_limit_apply(heap);
    gooi_pace_set_target(heap);
    return true;
}

/* Collects, gives back all that is empty and sets them, before any other thread goes on. */
static bool limit_collect_and_set(GooGcHeap *heap, size_t soft_bytes, size_t hard_bytes) {
    const GooGcMutator *self = gooi_mutator_here(heap);
    if (heap->disable_depth != 0 || (self != NULL && self->blocking_depth != 0) ||
        !gooi_world_enter(heap)) {
        return false;
    }
    gooi_collect_stopped(heap);
    goo_gc_release(heap);
    bool set = limit_try_set(heap, soft_bytes, hard_bytes);
    gooi_world_leave(heap);
    return set;
}

GooStatus goo_gc_set_limits(GooGcHeap *heap, size_t soft_bytes, size_t hard_bytes) {
    if (heap == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    gooi_heap_lock(heap);
    bool set = limit_try_set(heap, soft_bytes, hard_bytes);
    gooi_heap_unlock(heap);
    return set || limit_collect_and_set(heap, soft_bytes, hard_bytes) ? GOO_OK : GOO_ERR_LIMIT;
}
