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
 * PRESS-1  a heap's external_bytes is the sum of its attachments' bytes and of adjusted_bytes.
 *
 * Threads: any may reserve and release; only the mutator's thread collects. No lock is held while
 * a collection runs, because its finalizers free.
 */
#include "gc/heap.h"
#include "goo/runtime/memory.h"
#include "runtime/globals.h"
#include "runtime/platform/platform.h"

struct GooiAttachment {
    GooAllocator *allocator;
    GooGcHeap *heap;
    size_t bytes;
    GooiAttachment *next;
};

static void pressure_lock(void) {
    while (atomic_flag_test_and_set_explicit(&gooi_attachments_lock, memory_order_acquire)) {
    }
}

static void pressure_unlock(void) {
    atomic_flag_clear_explicit(&gooi_attachments_lock, memory_order_release);
}

static bool pressure_is_mutator(const GooGcHeap *heap) {
    return heap->attached && heap->mutator.thread_id == gooi_platform_thread_id();
}

/* --- one heap's count --- */

static bool pressure_count(GooGcHeap *heap, size_t bytes) {
    size_t hard = heap->options.hard_limit_bytes;
    size_t accounted = gooi_accounted(heap) + bytes;
    if (hard != 0 && accounted > hard) {
        heap->external_refused = true;
        heap->stats.limit_hits++;
        return false;
    }
    heap->external_refused = false;
    atomic_fetch_add_explicit(&heap->external_bytes, bytes, memory_order_relaxed);
    if (accounted > heap->peak_bytes) {
        heap->peak_bytes = accounted;
    }
    return true;
}

static void pressure_discount(GooGcHeap *heap, size_t bytes) {
    size_t before = atomic_fetch_sub_explicit(&heap->external_bytes, bytes, memory_order_relaxed);
    GOO_ASSERT(before >= bytes, "gc: %zu external bytes taken away, %zu counted", bytes, before);
    (void)before;
}

/* Collects, so that a request can be tried again: if the heap refused it, it has not yet. */
static bool pressure_collect_heap(GooGcHeap *heap) {
    bool refused = heap->external_refused;
    if (!gooi_collect_emergency(heap)) {
        return false;
    }
    heap->external_refused = false;
    heap->stats.limit_hits -= refused;
    return true;
}

/* --- what the front door calls --- */

static bool pressure_reserve(GooAllocator *a, size_t bytes) {
    bool granted = true;
    GooiAttachment *item;
    pressure_lock();
    for (item = gooi_attachments; item != NULL && granted; item = granted ? item->next : item) {
        if (item->allocator == a) {
            granted = pressure_count(item->heap, bytes);
            item->bytes += granted ? bytes : 0;
            if (granted && pressure_is_mutator(item->heap) && !item->heap->collecting &&
                gooi_pace_is_due(item->heap)) {
                gooi_alloc_request_collection(&item->heap->mutator);
            }
        }
        if (!granted) {
            break;
        }
    }
    /* Refused by one heap: those before it in the list take their count back. */
    for (GooiAttachment *undo = gooi_attachments; !granted && undo != item; undo = undo->next) {
        if (undo->allocator == a) {
            undo->bytes -= bytes;
            pressure_discount(undo->heap, bytes);
        }
    }
    pressure_unlock();
    return granted;
}

static void pressure_release(GooAllocator *a, size_t bytes) {
    bool counted = true;
    pressure_lock();
    for (GooiAttachment *item = gooi_attachments; item != NULL && counted; item = item->next) {
        if (item->allocator == a) {
            counted = item->bytes >= bytes;
            item->bytes -= counted ? bytes : 0;
            pressure_discount(item->heap, counted ? bytes : 0);
        }
    }
    pressure_unlock();
    GOO_REQUIRE(counted,
                "gc: allocator '%s' gave %zu bytes back, more than it counts: was it attached with "
                "live blocks?",
                a->name != NULL ? a->name : "?", bytes);
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

static bool pressure_collect(GooAllocator *a) {
    bool collected = false;
    GooGcHeap *heap;
    for (size_t n = 0; (heap = pressure_nth_heap(a, n)) != NULL; n++) {
        collected |= pressure_collect_heap(heap);
    }
    return collected;
}

void gooi_pressure_init(void) {
    gooi_hooks.pressure_reserve = pressure_reserve;
    gooi_hooks.pressure_release = pressure_release;
    gooi_hooks.collect = pressure_collect;
}

/* --- attaching --- */

/* The link that leads to the attachment, or to the NULL at the list's end. Under the lock. */
static GooiAttachment **pressure_find(const GooGcHeap *heap, const GooAllocator *a) {
    GooiAttachment **link = &gooi_attachments;
    while (*link != NULL && ((*link)->heap != heap || (*link)->allocator != a)) {
        link = &(*link)->next;
    }
    return link;
}

GooStatus goo_gc_attach_allocator(GooGcHeap *heap, GooAllocator *a) {
    if (heap == NULL || a == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    GooiAttachment *item = gooi_side_alloc(heap, sizeof *item);
    if (item == NULL) {
        return GOO_ERR_NO_MEMORY;
    }
    *item = (GooiAttachment){.allocator = a, .heap = heap};
    pressure_lock();
    GooiAttachment **link = pressure_find(heap, a);
    bool fresh = *link == NULL;
    if (fresh) {
        *link = item;
        a->capabilities |= GOOI_ALLOCATOR_ATTACHED;
    }
    pressure_unlock();
    if (!fresh) {
        gooi_side_free(heap, item, sizeof *item);
    }
    return fresh ? GOO_OK : GOO_ERR_INVALID_ARGUMENT;
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
    pressure_discount(item->heap, item->bytes);
}

GooStatus goo_gc_detach_allocator(GooGcHeap *heap, GooAllocator *a) {
    if (heap == NULL || a == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    pressure_lock();
    GooiAttachment **link = pressure_find(heap, a);
    GooiAttachment *item = *link;
    if (item != NULL) {
        pressure_unlink(link);
    }
    pressure_unlock();
    if (item == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    gooi_side_free(heap, item, sizeof *item);
    return GOO_OK;
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

GooStatus goo_gc_adjust_external(GooGcHeap *heap, ptrdiff_t bytes) {
    if (heap == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (bytes < 0) {
        size_t less = (size_t) - (bytes + 1) + 1;
        GOO_REQUIRE(less <= heap->adjusted_bytes,
                    "goo_gc_adjust_external: %zu bytes taken away, %zu counted", less,
                    heap->adjusted_bytes);
        heap->adjusted_bytes -= less;
        pressure_discount(heap, less);
        return GOO_OK;
    }
    size_t more = (size_t)bytes;
    if (!pressure_count(heap, more) &&
        !(pressure_is_mutator(heap) && pressure_collect_heap(heap) && pressure_count(heap, more))) {
        return GOO_ERR_LIMIT;
    }
    heap->adjusted_bytes += more;
    if (pressure_is_mutator(heap) && !heap->collecting && gooi_pace_is_due(heap)) {
        gooi_alloc_request_collection(&heap->mutator);
    }
    return GOO_OK;
}
