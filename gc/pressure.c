/* Pressure: bytes outside the heap that hang on it, and so count towards the next collection and
 * against the limits.
 *
 * An attached allocator's capabilities carry a private bit; the front door then asks
 * pressure_reserve before the allocator grows and tells pressure_release after it shrank. Who is
 * attached to what stands in one list for the process: the front door knows the allocator, not the
 * heap. Attaching is rare, and so is an allocator with more than one heap.
 *
 * At the hard limit a reservation is refused, which the front door treats as a failed allocation:
 * the allocator's strategy then decides, and GC comes back here to collect.
 *
 * A reservation shows in the peak, and brings a collection, only when the front door says that the
 * memory was there too (pressure_settle).
 *
 * Decorators (tracking, limit, failing) hand each block of their parent's on as it is. So blocks
 * that objects own through one are the parent's for its attachment, and of such a chain one
 * allocator is attached to a heap at most: bytes count once. What cuts its parent's blocks up, or
 * chooses between two parents, counts by itself.
 *
 * PRESS-1  a heap's external_bytes is the sum of its attachments' bytes, of adjusted_bytes, and of
 *          what owned blocks count by themselves, or are about to (gc/owned.h).
 *
 * Threads: any may reserve and release; only the mutator's thread collects. No lock is held while
 * a collection runs, because its finalizers free.
 */
#include "gc/owned.h"
#include "gc/lock.h"
#include "goo/runtime/memory.h"
#include "runtime/callbacks.h"
#include "runtime/globals.h"
#include "runtime/platform/platform.h"

struct GooiAttachment {
    GooAllocator *allocator;
    GooGcHeap *heap;
    size_t bytes;
    bool refused_once; /* the last request was refused, and is to come again after a collection */
    GooiAttachment *next;
};

static void pressure_lock(void) {
    while (atomic_flag_test_and_set_explicit(&gooi_attachments_lock, memory_order_acquire)) {
        gooi_platform_yield();
    }
}

static void pressure_unlock(void) {
    atomic_flag_clear_explicit(&gooi_attachments_lock, memory_order_release);
}

/* A fork waits until nobody is changing the list. */
void gooi_pressure_fork_begins(void) {
    pressure_lock();
}

void gooi_pressure_fork_ends(void) {
    pressure_unlock();
}

static bool pressure_is_mutator(const GooGcHeap *heap) {
    return gooi_mutator_here(heap) != NULL;
}

/* --- one heap's count --- */

bool gooi_pressure_count(GooGcHeap *heap, size_t bytes) {
    if (!gooi_account(heap, bytes)) {
        return false;
    }
    atomic_fetch_add_explicit(&heap->external_bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&gooi_heaps_external, bytes, memory_order_relaxed);
    return true;
}

void gooi_pressure_discount(GooGcHeap *heap, size_t bytes) {
    size_t before = atomic_fetch_sub_explicit(&heap->external_bytes, bytes, memory_order_relaxed);
    GOO_ASSERT(before >= bytes, "gc: %zu external bytes taken away, %zu counted", bytes, before);
    (void)before;
    atomic_fetch_sub_explicit(&gooi_heaps_external, bytes, memory_order_relaxed);
    gooi_unaccount(heap, bytes);
}

/* Counts bytes that are there, over the limit if need be. */
void gooi_pressure_restore(GooGcHeap *heap, size_t bytes) {
    gooi_account_over_limit(heap, bytes);
    atomic_fetch_add_explicit(&heap->external_bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&gooi_heaps_external, bytes, memory_order_relaxed);
}

/* What was counted is there: it shows in the peak, and may bring a collection. True: it does. */
bool gooi_pressure_settle_heap(GooGcHeap *heap) {
    gooi_account_settle(heap);
    GooGcMutator *m = gooi_mutator_here(heap);
    bool due = m != NULL && !gooi_heap_is_busy_here(heap) && gooi_pace_is_due(heap);
    bool fresh = due && !m->collect_requested;
    if (due) {
        gooi_alloc_request_collection(m);
    }
    return fresh;
}

/* --- what the front door calls --- */

/* A refusal that the strategy answers with a collection is a hit only if that does not help: when
 * the request comes a second time, or no collection can run. */
static void pressure_refuse(GooiAttachment *item) {
    bool comes_again = item->allocator->strategy == GOO_ALLOC_STRATEGY_GC && !item->refused_once;
    item->refused_once = comes_again;
    if (!comes_again) {
        gooi_limit_hit(item->heap);
    }
}

/* Counts the bytes with every heap that `a` is attached to, or with none. */
static bool pressure_reserve(GooAllocator *a, size_t bytes) {
    GooiAttachment *refused = NULL;
    pressure_lock();
    for (GooiAttachment *item = gooi_attachments; item != NULL; item = item->next) {
        if (item->allocator == a) {
            if (!gooi_pressure_count(item->heap, bytes)) {
                pressure_refuse(item);
                refused = item;
                break;
            }
            item->bytes += bytes;
            item->refused_once = false;
        }
    }
    for (GooiAttachment *undo = gooi_attachments; refused != NULL && undo != refused;
         undo = undo->next) {
        if (undo->allocator == a) {
            undo->bytes -= bytes;
            gooi_pressure_discount(undo->heap, bytes);
        }
    }
    pressure_unlock();
    return refused == NULL;
}

/* Counts the bytes of a block that is there, over the limit if need be. */
static void pressure_restore(GooAllocator *a, size_t bytes) {
    pressure_lock();
    for (GooiAttachment *item = gooi_attachments; item != NULL; item = item->next) {
        if (item->allocator == a) {
            gooi_pressure_restore(item->heap, bytes);
            item->bytes += bytes;
        }
    }
    pressure_unlock();
}

static void pressure_settle(GooAllocator *a) {
    bool due = false;
    pressure_lock();
    for (GooiAttachment *item = gooi_attachments; item != NULL; item = item->next) {
        if (item->allocator == a) {
            due |= gooi_pressure_settle_heap(item->heap);
        }
    }
    pressure_unlock();
    if (due) {
        gooi_callbacks_notify(GOO_EVENT_PRESSURE, a, 0, 0);
    }
}

static void pressure_release(GooAllocator *a, size_t bytes) {
    bool counted = true;
    pressure_lock();
    for (GooiAttachment *item = gooi_attachments; item != NULL && counted; item = item->next) {
        if (item->allocator == a) {
            counted = item->bytes >= bytes;
            item->bytes -= counted ? bytes : 0;
            gooi_pressure_discount(item->heap, counted ? bytes : 0);
        }
    }
    pressure_unlock();
    GOO_REQUIRE(counted,
                "gc: allocator '%s' gave %zu bytes back, more than it counts: was it attached with "
                "live blocks?",
                a->name != NULL ? a->name : "?", bytes);
}

static void pressure_release_all_but(GooAllocator *a, size_t bytes_left) {
    pressure_lock();
    for (GooiAttachment *item = gooi_attachments; item != NULL; item = item->next) {
        if (item->allocator == a && item->bytes > bytes_left) {
            gooi_pressure_discount(item->heap, item->bytes - bytes_left);
            item->bytes = bytes_left;
        }
    }
    pressure_unlock();
}

/* The n-th heap that `a` is attached to and that this thread may collect, or NULL. */
static GooGcHeap *pressure_nth_heap(const GooAllocator *a, size_t n) {
    GooGcHeap *found = NULL;
    pressure_lock();
    for (GooiAttachment *item = gooi_attachments; item != NULL && found == NULL;
         item = item->next) {
        if (item->allocator == a && pressure_is_mutator(item->heap) && n-- == 0) {
            found = item->heap;
        }
    }
    pressure_unlock();
    return found;
}

/* No collection could run: what was refused is not asked for again. */
static void pressure_give_up(const GooAllocator *a) {
    pressure_lock();
    for (GooiAttachment *item = gooi_attachments; item != NULL; item = item->next) {
        if (item->allocator == a && item->refused_once) {
            item->refused_once = false;
            gooi_limit_hit(item->heap);
        }
    }
    pressure_unlock();
}

/* Inside a callback of any heap: to wait for another heap's threads there might be for ever, as one
 * of them may wait for the first. */
static bool pressure_is_in_callback(void) {
    const GooGcMutator *m = gooi_thread_mutators;
    while (m != NULL && !gooi_heap_is_mine(m->heap)) {
        m = m->next_of_thread;
    }
    return m != NULL;
}

static bool pressure_collect(GooAllocator *a) {
    bool collected = false;
    GooGcHeap *heap;
    for (size_t n = 0; !pressure_is_in_callback() && (heap = pressure_nth_heap(a, n)) != NULL;
         n++) {
        collected |= gooi_collect_emergency(heap, 0);
    }
    if (!collected) {
        pressure_give_up(a);
    }
    return collected;
}

void gooi_pressure_init(void) {
    gooi_hooks.pressure_reserve = pressure_reserve;
    gooi_hooks.pressure_settle = pressure_settle;
    gooi_hooks.pressure_restore = pressure_restore;
    gooi_hooks.pressure_release = pressure_release;
    gooi_hooks.pressure_release_all_but = pressure_release_all_but;
    gooi_hooks.collect = pressure_collect;
}

/* --- attaching --- */

static const GooAllocator *pressure_passed_to(const GooAllocator *a) {
    const GooiAllocatorOps *ops = gooi_allocator_ops(a);
    return ops->passes_to != NULL ? ops->passes_to(a) : NULL;
}

/* Whether blocks of `a` are blocks of `base`: they are the same, or decorators lie between. */
static bool pressure_draws_on(const GooAllocator *a, const GooAllocator *base) {
    while (a != NULL && a != base) {
        a = pressure_passed_to(a);
    }
    return a != NULL;
}

/* Blocks of `a` that the heap's objects own change hands with it: from here on the attachment
 * counts them, or no longer does; their bytes stay external. Under the lock. */
static void pressure_hand_over(GooiAttachment *item, bool attached) {
    GooGcHeap *heap = item->heap;
    for (uint32_t i = 1; i < heap->owned.allocators.count; i++) {
        GooiOwnedAllocator *entry = gooi_owned_allocator(heap, i);
        if (entry->allocator != NULL && pressure_draws_on(entry->allocator, item->allocator)) {
            item->bytes = attached ? item->bytes + entry->bytes : item->bytes - entry->bytes;
            heap->owned.counted_bytes = attached ? heap->owned.counted_bytes - entry->bytes
                                                 : heap->owned.counted_bytes + entry->bytes;
            entry->attached = attached;
        }
    }
}

/* The link that leads to the attachment, or to the NULL at the list's end. Under the lock. */
static GooiAttachment **pressure_find(const GooGcHeap *heap, const GooAllocator *a) {
    GooiAttachment **link = &gooi_attachments;
    while (*link != NULL && ((*link)->heap != heap || (*link)->allocator != a)) {
        link = &(*link)->next;
    }
    return link;
}

/* Whether blocks of `a` would count twice. Under the lock. */
static bool pressure_counts(const GooGcHeap *heap, const GooAllocator *a) {
    const GooiAttachment *item = gooi_attachments;
    while (item != NULL && (item->heap != heap || (!pressure_draws_on(a, item->allocator) &&
                                                   !pressure_draws_on(item->allocator, a)))) {
        item = item->next;
    }
    return item != NULL;
}

GooStatus goo_gc_attach_allocator(GooGcHeap *heap, GooAllocator *a) {
    if (heap == NULL || a == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    gooi_heap_lock(heap);
    GooiAttachment *item = gooi_side_alloc(heap, sizeof *item);
    if (item == NULL) {
        gooi_heap_unlock(heap);
        return GOO_ERR_NO_MEMORY;
    }
    *item = (GooiAttachment){.allocator = a, .heap = heap};
    pressure_lock();
    bool fresh = !pressure_counts(heap, a);
    if (fresh) {
        GooiAttachment **link = &gooi_attachments;
        while (*link != NULL) {
            link = &(*link)->next;
        }
        *link = item;
        pressure_hand_over(item, true);
        a->capabilities |= GOOI_ALLOCATOR_ATTACHED;
    }
    pressure_unlock();
    if (!fresh) {
        gooi_side_free(heap, item, sizeof *item);
    }
    gooi_heap_unlock(heap);
    return fresh ? GOO_OK : GOO_ERR_INVALID_ARGUMENT;
}

bool gooi_pressure_is_attached(const GooGcHeap *heap, const GooAllocator *a) {
    while (a != NULL && (a->capabilities & GOOI_ALLOCATOR_ATTACHED) == 0) {
        a = pressure_passed_to(a);
    }
    if (a == NULL) {
        return false;
    }
    pressure_lock();
    GooiAttachment *item = NULL;
    for (; a != NULL && item == NULL; a = pressure_passed_to(a)) {
        item = *pressure_find(heap, a);
    }
    pressure_unlock();
    return item != NULL;
}

/* Whether PRESS-1 holds. Under the heap's lock, while the world stands still. */
bool gooi_pressure_is_sound(const GooGcHeap *heap) {
    size_t sum = heap->adjusted_bytes + heap->owned.counted_bytes +
                 atomic_load_explicit(&heap->owned.pending_bytes, memory_order_relaxed);
    pressure_lock();
    for (const GooiAttachment *item = gooi_attachments; item != NULL; item = item->next) {
        sum += item->heap == heap ? item->bytes : 0;
    }
    bool sound = sum == atomic_load_explicit(&heap->external_bytes, memory_order_relaxed);
    pressure_unlock();
    return sound;
}

/* Takes the attachment out of the list; the allocator's bit goes with its last one. */
static void pressure_unlink(GooiAttachment **link) {
    GooiAttachment *item = *link;
    *link = item->next;
    bool attached_elsewhere = false;
    for (GooiAttachment *other = gooi_attachments; other != NULL; other = other->next) {
        attached_elsewhere |= other->allocator == item->allocator;
    }
    if (!attached_elsewhere) {
        item->allocator->capabilities &= ~GOOI_ALLOCATOR_ATTACHED;
    }
    gooi_pressure_discount(item->heap, item->bytes);
}

GooStatus goo_gc_detach_allocator(GooGcHeap *heap, GooAllocator *a) {
    if (heap == NULL || a == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    gooi_heap_lock(heap);
    pressure_lock();
    GooiAttachment **link = pressure_find(heap, a);
    GooiAttachment *item = *link;
    if (item != NULL) {
        pressure_hand_over(item, false);
        pressure_unlink(link);
    }
    pressure_unlock();
    gooi_side_free(heap, item, sizeof *item);
    gooi_heap_unlock(heap);
    return item != NULL ? GOO_OK : GOO_ERR_INVALID_ARGUMENT;
}

/* At the heap's end its attachments go. */
void gooi_pressure_deinit(GooGcHeap *heap) {
    GooiAttachment *item;
    do {
        pressure_lock();
        GooiAttachment **link = &gooi_attachments;
        while (*link != NULL && (*link)->heap != heap) {
            link = &(*link)->next;
        }
        item = *link;
        if (item != NULL) {
            pressure_unlink(link);
        }
        pressure_unlock();
        gooi_side_free(heap, item, sizeof *item);
    } while (item != NULL);
}

/* --- bytes that no allocator of Goo's made --- */

static bool pressure_adjust_up(GooGcHeap *heap, size_t bytes) {
    gooi_heap_lock(heap);
    bool counted = gooi_pressure_count(heap, bytes);
    heap->adjusted_bytes += counted ? bytes : 0;
    gooi_heap_unlock(heap);
    return counted;
}

static void pressure_adjust_down(GooGcHeap *heap, size_t bytes) {
    gooi_heap_lock(heap);
    size_t counted = heap->adjusted_bytes;
    if (bytes <= counted) {
        heap->adjusted_bytes -= bytes;
        gooi_pressure_discount(heap, bytes);
    }
    gooi_heap_unlock(heap);
    GOO_REQUIRE(bytes <= counted, "goo_gc_adjust_external: %zu bytes taken away, %zu counted",
                bytes, counted);
}

GooStatus goo_gc_adjust_external(GooGcHeap *heap, ptrdiff_t bytes) {
    if (heap == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (bytes < 0) {
        pressure_adjust_down(heap, (size_t) - (bytes + 1) + 1);
        return GOO_OK;
    }
    size_t more = (size_t)bytes;
    bool may_collect = heap->attached_count == 0 || pressure_is_mutator(heap);
    bool counted = pressure_adjust_up(heap, more);
    for (unsigned n = 0; !counted && may_collect && gooi_limit_try_again(heap, n) &&
                         gooi_collect_emergency(heap, more);
         n++) {
        counted = pressure_adjust_up(heap, more);
    }
    if (!counted) {
        gooi_limit_hit(heap);
        return GOO_ERR_LIMIT;
    }
    gooi_pressure_settle_heap(heap);
    return GOO_OK;
}
