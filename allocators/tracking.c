/* The tracking allocator: passes everything on and counts it, exactly and always.
 *
 *     request ──▶ parent ──▶ counters of this allocator        (goo_get_alloc_stats reads these)
 *
 * Over a thread-safe parent the counters are changed by atomic additions, else by plain loads and
 * stores; a snapshot may be taken from any thread in both cases. How many blocks are live is not
 * counted but is what was allocated less what was freed, which saves an addition each way.
 *
 *   TRACKING-1  bytes is the sum of the sizes of the live blocks, as the program asked for them;
 *               headers is the sum of the legacy API's headers in front of them
 *   TRACKING-2  peak is the maximum of all values that bytes ever had
 *   TRACKING-3  frees is read before allocations, so that a snapshot never shows fewer blocks than
 *               none
 *   TRACKING-4  a failure is one request that ended in NULL; the front door says so (`refused`)
 *
 * Threads: as the parent. Left out on purpose: shards; who wants cheap counters sets track_stats.
 */
#include "goo/allocators/tracking.h"

#include "allocators/decorate.h"
#include "runtime/check.h"

typedef struct TrackingAllocator {
    GooiDecorator base;
    bool shared;
    _Atomic size_t bytes, headers, peak, allocations, frees, failures;
} TrackingAllocator;

/* Returns the value after the addition. Release: pairs with the acquire in tracking_stats. */
static inline size_t tracking_add(const TrackingAllocator *t, _Atomic size_t *counter,
                                  size_t amount) {
    if (t->shared) {
        return atomic_fetch_add_explicit(counter, amount, memory_order_release) + amount;
    }
    size_t value = atomic_load_explicit(counter, memory_order_relaxed) + amount;
    atomic_store_explicit(counter, value, memory_order_release);
    return value;
}

static inline void tracking_grow(TrackingAllocator *t, size_t size) {
    size_t now = tracking_add(t, &t->bytes, size);
    size_t seen = atomic_load_explicit(&t->peak, memory_order_relaxed);
    while (seen < now && !atomic_compare_exchange_weak_explicit(
                             &t->peak, &seen, now, memory_order_relaxed, memory_order_relaxed)) {
    }
}

static inline void tracking_shrink(TrackingAllocator *t, size_t size) {
    size_t now = tracking_add(t, &t->bytes, (size_t)0 - size);
    GOO_ASSERT(now <= SIZE_MAX - size,
               "tracking allocator: %zu bytes less than none: a block came with a wrong size",
               size);
    (void)now;
}

static void tracking_resized(TrackingAllocator *t, size_t old_size, size_t new_size) {
    if (new_size > old_size) {
        tracking_grow(t, new_size - old_size);
    } else if (new_size < old_size) {
        tracking_shrink(t, old_size - new_size);
    }
}

static inline void tracking_count_header(TrackingAllocator *t, size_t header) {
    if (header != 0) {
        tracking_add(t, &t->headers, header);
    }
}

static void *tracking_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    TrackingAllocator *t = ctx;
    void *p = gooi_decorator_alloc(&t->base, size, alignment, options);
    if (p != NULL) {
        size_t header = (options & GOOI_ALLOC_HEADER) != 0 ? GOO_DEFAULT_ALIGNMENT : 0;
        tracking_grow(t, size - header);
        tracking_count_header(t, header);
        tracking_add(t, &t->allocations, 1);
    }
    return p;
}

static void *tracking_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size,
                              size_t alignment, GooAllocOptions options) {
    TrackingAllocator *t = ctx;
    void *p = gooi_decorator_realloc(&t->base, ptr, old_size, new_size, alignment, options);
    if (p != NULL) {
        tracking_resized(t, old_size, new_size);
    }
    return p;
}

static void tracking_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    TrackingAllocator *t = ctx;
    size_t header = gooi_take_hidden();
    tracking_shrink(t, size - header);
    tracking_count_header(t, (size_t)0 - header);
    tracking_add(t, &t->frees, 1);
    gooi_decorator_free(&t->base, ptr, size, alignment);
}

static bool tracking_resize(void *ctx, void *ptr, size_t old_size, size_t new_size,
                            size_t alignment) {
    TrackingAllocator *t = ctx;
    bool resized = gooi_decorator_resize(&t->base, ptr, old_size, new_size, alignment);
    if (resized) {
        tracking_resized(t, old_size, new_size);
    }
    return resized;
}

/* Blocks went without a free each. Of many at once nobody noted which have headers: as many as
 * can. */
static void tracking_lost(GooiClaimant *c, const GooiLoss *loss) {
    TrackingAllocator *t = (TrackingAllocator *)(void *)gooi_decorator_of(c);
    size_t header = loss->header;
    if (loss->ptr == NULL) {
        size_t known = atomic_load_explicit(&t->headers, memory_order_relaxed);
        size_t most = loss->count * GOO_DEFAULT_ALIGNMENT;
        header = known < most ? known : most;
    }
    tracking_shrink(t, loss->bytes - header);
    tracking_count_header(t, (size_t)0 - header);
    tracking_add(t, &t->frees, loss->count);
}

/* TRACKING-3. Tries a few times for a moment at which nobody freed, when the three agree. */
static GooAllocStats tracking_stats(GooAllocator *a) {
    enum { ATTEMPTS = 16 };
    TrackingAllocator *t = (TrackingAllocator *)(void *)a;
    size_t frees, allocations, bytes, attempts = 0;
    do {
        frees = atomic_load_explicit(&t->frees, memory_order_acquire);
        allocations = atomic_load_explicit(&t->allocations, memory_order_acquire);
        bytes = atomic_load_explicit(&t->bytes, memory_order_acquire);
    } while (frees != atomic_load_explicit(&t->frees, memory_order_relaxed) &&
             ++attempts < ATTEMPTS);
    return (GooAllocStats){
        .bytes_allocated = bytes,
        .bytes_reserved = bytes + atomic_load_explicit(&t->headers, memory_order_relaxed),
        .max_bytes_allocated = atomic_load_explicit(&t->peak, memory_order_relaxed),
        .allocation_count = allocations - frees,
        .total_allocations = allocations,
        .total_frees = frees,
        .failed_allocations = atomic_load_explicit(&t->failures, memory_order_relaxed),
    };
}

/* TRACKING-4 */
static void tracking_refused(GooAllocator *a) {
    TrackingAllocator *t = (TrackingAllocator *)(void *)a;
    tracking_add(t, &t->failures, 1);
}

GooAllocator *goo_tracking_allocator_create(GooAllocator *parent) {
    static const GooiAllocatorOps ops = {
        .reset = gooi_decorator_reset,
        .owns = gooi_decorator_owns,
        .persists = gooi_decorator_persists,
        .passes_to = gooi_decorator_passes_to,
        .stats = tracking_stats,
        .refused = tracking_refused,
    };
    GooAllocator functions = {
        .alloc = tracking_alloc,
        .realloc = tracking_realloc,
        .free = tracking_free,
        .resize = tracking_resize,
        .name = "tracking",
    };
    TrackingAllocator *t =
        gooi_decorator_create(sizeof *t, parent, &functions, &ops, tracking_lost);
    if (t == NULL) {
        return NULL;
    }
    GooAllocator *a = &t->base.head.allocator;
    a->capabilities |= GOOI_ALLOCATOR_HEADERS;
    t->shared = (a->capabilities & GOO_ALLOCATOR_THREAD_SAFE) != 0;
    return a;
}
