/* The life of one request: asked, reserved, performed, recorded, counted and told of.
 *
 *     interceptors ──▶ budgets ──▶ mechanism ──▶ table of blocks ──▶ counters ──▶ observers
 *                         └─────── failed ──▶ policy.c, which may come back to the budgets
 *
 * The public calls (memory.c, legacy.c) describe what is wanted as a GooiRequest and come here when
 * their shortest way does not do: somebody watches, or the first attempt failed.
 *
 *   invariants FRONT-1 to FRONT-3: runtime/memory.h
 *
 * Threads: any, as far as the allocator at hand allows it. No state of its own.
 */
#include "runtime/blocks.h"
#include "runtime/budget.h"
#include "runtime/callbacks.h"
#include "runtime/counters.h"
#include "runtime/memory.h"
#include "runtime/pages.h"
#include "runtime/stats.h"

#include <errno.h>
#include <string.h>

/* The mechanism's work, with the options and the notes that it may look at. */
static void *request_perform(const GooiRequest *request) {
    GooAllocator *a = request->allocator;
    GooAllocOptions options = request->options & (GOOI_ALLOC_PUBLIC | GOOI_ALLOC_CLAIM);
    bool watched = gooi_memory_watched(a);
    bool headers = watched || (a->capabilities & GOOI_ALLOCATOR_HEADERS) != 0;
    options |= watched ? GOOI_ALLOC_COUNTED : 0u;
    options |= headers && request->header != 0 ? GOOI_ALLOC_HEADER : 0u;
    if (request->ptr == NULL) {
        return a->alloc(a->context, request->size + request->padding, request->alignment, options);
    }
    return a->realloc(a->context, request->ptr, request->old_size + request->old_padding,
                      request->size + request->padding, request->alignment, options);
}

/* --- the table of blocks --- */

static bool request_recorded(const GooAllocator *a) {
    return (atomic_load_explicit(&gooi_watch, memory_order_relaxed) & GOOI_WATCH_BLOCKS) != 0 &&
           gooi_allocator_is_root(a);
}

static bool request_tracked(const GooAllocator *a) {
    return (atomic_load_explicit(&gooi_watch, memory_order_relaxed) & GOOI_WATCH_TRACKING) != 0 &&
           gooi_allocator_is_root(a);
}

/* A block that may not be reused: the new one is always another one. */
static void *request_move_kept(const GooiRequest *request, GooiBlock *old) {
    GooiRequest fresh = *request;
    fresh.ptr = NULL;
    fresh.old_size = fresh.old_padding = 0;
    GooiBlock *block = gooi_blocks_new();
    void *p = block != NULL ? request_perform(&fresh) : NULL;
    if (p == NULL) {
        gooi_blocks_drop(block);
        gooi_blocks_restore(old);
        errno = ENOMEM;
        return NULL;
    }
    memcpy(p, request->ptr, request->old_size < request->size ? request->old_size : request->size);
    gooi_blocks_add(block, request, p);
    gooi_blocks_retire(old);
    return p;
}

/* The mechanism's work with the table of blocks kept (BLOCKS-2). */
static void *request_perform_recorded(const GooiRequest *request) {
    GooAllocator *a = request->allocator;
    GooiBlock *block = NULL;
    if (request->ptr != NULL) {
        block =
            gooi_blocks_take(request->call, a, request->ptr, request->old_size, request->alignment);
        if (block != NULL && (gooi_blocks_modes() & GOOI_BLOCKS_KEEP) != 0) {
            return request_move_kept(request, block);
        }
    }
    bool known = block != NULL;
    if (!known && (block = gooi_blocks_new()) == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = request_perform(request);
    if (p != NULL) {
        gooi_blocks_add(block, request, p);
    } else if (known) {
        gooi_blocks_restore(block);
    } else {
        gooi_blocks_drop(block);
    }
    return p;
}

/* One attempt, with budgets reserved before and settled after. */
static void *request_attempt(const GooiRequest *request) {
    GooAllocator *a = request->allocator;
    size_t old_size = request->ptr != NULL ? request->old_size : 0;
    size_t growth = request->size > old_size ? request->size - old_size : 0;
    size_t shrink = request->size < old_size ? old_size - request->size : 0;
    GooiBudget budget;
    if (!gooi_budget_take(&budget, a, growth)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = request_recorded(a) ? request_perform_recorded(request) : request_perform(request);
    gooi_budget_settle(&budget, p != NULL, shrink);
    return p;
}

/* --- counting and telling --- */

static GOOI_ALWAYS_INLINE void request_count_alloc(GooAllocator *a, size_t size, size_t header) {
    if (a->track_stats) {
        gooi_stats_count_alloc(a, size - header, header);
    }
    if (request_tracked(a)) {
        gooi_counters_allocated(GOOI_SLOT_PROCESS, size - header, header);
    }
}

static void request_count_resized(GooAllocator *a, size_t old_size, size_t new_size) {
    if (a->track_stats) {
        gooi_stats_resized(a, old_size, new_size);
    }
    if (request_tracked(a)) {
        gooi_counters_resized(GOOI_SLOT_PROCESS, old_size, new_size);
    }
}

static GOOI_ALWAYS_INLINE void request_count_freed(GooAllocator *a, size_t size, size_t header,
                                                   size_t count) {
    if (a->track_stats) {
        gooi_stats_count_freed(a, size - header, header, count);
    }
    if (request_tracked(a)) {
        gooi_counters_freed(GOOI_SLOT_PROCESS, size - header, header, count);
    }
}

void gooi_memory_count_failed(GooAllocator *a) {
    if (a->track_stats) {
        gooi_stats_failed(a);
    }
    if (request_tracked(a)) {
        gooi_counters_failed(GOOI_SLOT_PROCESS);
    }
}

static void request_count(const GooiRequest *request) {
    if (request->ptr == NULL) {
        request_count_alloc(request->allocator, request->size, request->header);
    } else {
        request_count_resized(request->allocator, request->old_size, request->size);
    }
}

/* The event of a request; `p`: the block that came of it, NULL before. */
static GooMemoryEvent request_event(const GooiRequest *request, void *p) {
    size_t header = request->header;
    bool fresh = request->ptr == NULL;
    return (GooMemoryEvent){
        .kind = fresh ? GOO_EVENT_ALLOC : GOO_EVENT_REALLOC,
        .allocator = request->allocator,
        .ptr = p != NULL ? (uint8_t *)p + header : NULL,
        .old_ptr = fresh ? NULL : (uint8_t *)request->ptr + header,
        .size = request->size - header,
        .old_size = fresh ? 0 : request->old_size - header,
        .alignment = request->alignment,
        .file = gooi_site.file,
        .line = gooi_site.line,
    };
}

/* --- one request, in full --- */

/* Does what the strategy says about a failed attempt; counts and tells what came of it. */
static void *request_finish(const GooiRequest *request, void *p) {
    if (p == NULL) {
        p = gooi_policy_failed(request, request_attempt);
    }
    if (p != NULL) {
        request_count(request);
        if (GOOI_UNLIKELY(gooi_callbacks_active())) {
            GooMemoryEvent event = request_event(request, p);
            gooi_callbacks_deliver(&event);
        }
    }
    GOO_ASSERT(((uintptr_t)p & (request->alignment - 1)) == 0, "%s: %p is not aligned to %zu",
               request->call, p, request->alignment);
    return p;
}

void *gooi_memory_serve(const GooiRequest *request) {
    if (GOOI_UNLIKELY(gooi_callbacks_active())) {
        GooMemoryEvent event = request_event(request, NULL);
        if (!gooi_callbacks_permit(&event)) {
            return gooi_policy_veto(request);
        }
    }
    return request_finish(request, request_attempt(request));
}

void *gooi_memory_retry(const GooiRequest *request) {
    return request_finish(request, NULL);
}

/* The first attempt of a counted request failed. */
GOOI_COLD static void *request_retry_counted(GooAllocator *a, size_t size, size_t header,
                                             size_t alignment, GooAllocOptions options,
                                             const char *call) {
    GooiRequest request = {
        .call = call,
        .allocator = a,
        .size = size,
        .header = header,
        .alignment = alignment,
        .options = options,
    };
    return gooi_memory_retry(&request);
}

static GOOI_NEVER_INLINE void *request_alloc_counted(GooAllocator *a, size_t size, size_t header,
                                                     size_t alignment, GooAllocOptions options,
                                                     const char *call) {
    GooAllocOptions seen = options & (GOOI_ALLOC_PUBLIC | GOOI_ALLOC_CLAIM);
    if (a->track_stats) {
        seen |= GOOI_ALLOC_COUNTED | (header != 0 ? GOOI_ALLOC_HEADER : 0u);
    }
    void *p = a->alloc(a->context, size, alignment, seen);
    if (GOOI_UNLIKELY(p == NULL)) {
        return request_retry_counted(a, size, header, alignment, options, call);
    }
    GOO_ASSERT(((uintptr_t)p & (alignment - 1)) == 0, "%s: %p is not aligned to %zu", call, p,
               alignment);
    request_count_alloc(a, size, header);
    return p;
}

/* A new peak of this thread's: tells the totals if it is time. Returns p. */
static GOOI_NEVER_INLINE void *request_alloc_rose(void *p) {
    gooi_counters_rose(&gooi_shard->counters[GOOI_SLOT_PROCESS], GOOI_SLOT_PROCESS);
    return p;
}

void *gooi_memory_alloc_counted(GooAllocator *a, size_t size, size_t header, size_t alignment,
                                GooAllocOptions options, const char *call) {
    if (GOO_CHECK_LEVEL >= 2 || a->track_stats || gooi_shard == NULL ||
        !gooi_allocator_is_root(a)) {
        return request_alloc_counted(a, size, header, alignment, options, call);
    }
    void *p =
        a->alloc(a->context, size, alignment, options & (GOOI_ALLOC_PUBLIC | GOOI_ALLOC_CLAIM));
    if (GOOI_UNLIKELY(p == NULL)) {
        return request_retry_counted(a, size, header, alignment, options, call);
    }
    return GOOI_LIKELY(
               !gooi_counters_allocated_in(gooi_shard, GOOI_SLOT_PROCESS, size - header, header))
               ? p
               : request_alloc_rose(p);
}

/* --- resize in place --- */

/* The mechanism's work, with the record of the block kept. */
static bool request_resize_here(const GooiRequest *request) {
    GooAllocator *a = request->allocator;
    GooiBlock *block = request_recorded(a) ? gooi_blocks_take(request->call, a, request->ptr,
                                                              request->old_size, request->alignment)
                                           : NULL;
    bool resized = a->resize(a->context, request->ptr, request->old_size + request->old_padding,
                             request->size + request->padding, request->alignment);
    if (block != NULL && resized) {
        block->size = request->size;
        block->padding = request->padding;
    }
    if (block != NULL) {
        gooi_blocks_restore(block);
    }
    return resized;
}

/* Arguments are good and the allocator can resize: ask, reserve, do it, settle, count and tell. */
bool gooi_memory_resize(const GooiRequest *request) {
    GooAllocator *a = request->allocator;
    size_t growth = request->size > request->old_size ? request->size - request->old_size : 0;
    size_t shrink = request->size < request->old_size ? request->old_size - request->size : 0;
    bool told = gooi_callbacks_active();
    GooMemoryEvent event = request_event(request, request->ptr);
    GooiBudget budget;
    if ((told && !gooi_callbacks_permit(&event)) || !gooi_budget_take(&budget, a, growth)) {
        return false;
    }
    bool resized = request_resize_here(request);
    gooi_budget_settle(&budget, resized, shrink);
    if (resized) {
        request_count_resized(a, request->old_size, request->size);
        if (told) {
            gooi_callbacks_deliver(&event);
        }
    }
    return resized;
}

/* --- free --- */

/* A free that more than counters watch. */
static GOOI_NEVER_INLINE void request_release_in_full(GooAllocator *a, void *ptr, size_t size,
                                                      size_t header, size_t alignment,
                                                      const char *call) {
    size_t known = size; /* to the mechanism */
    if (header == 0) {
        gooi_pages_release(a, ptr, &known, &alignment);
    }
    if (gooi_callbacks_active()) {
        GooMemoryEvent event = {
            .kind = GOO_EVENT_FREE,
            .allocator = a,
            .ptr = (uint8_t *)ptr + header,
            .size = size - header,
            .alignment = alignment,
            .file = gooi_site.file,
            .line = gooi_site.line,
        };
        gooi_callbacks_deliver(&event);
    }
    bool kept = false;
    if (request_recorded(a)) {
        GooiBlock *block = gooi_blocks_take(call, a, ptr, size, alignment);
        kept = block != NULL && gooi_blocks_retire(block);
    }
    request_count_freed(a, size, header, 1);
    if (!kept) {
        gooi_hidden = (a->capabilities & GOOI_ALLOCATOR_HEADERS) != 0 ? header : 0;
        a->free(a->context, ptr, known, alignment);
    }
    gooi_budget_release(a, size);
}

/* A free that the process's counters alone watch, and that they want to settle for. */
static GOOI_NEVER_INLINE void request_release_settled(GooAllocator *a, void *ptr, size_t size,
                                                      size_t alignment) {
    gooi_counters_fell(&gooi_shard->counters[GOOI_SLOT_PROCESS], GOOI_SLOT_PROCESS);
    a->free(a->context, ptr, size, alignment);
}

static GOOI_NEVER_INLINE void request_release_counted(GooAllocator *a, void *ptr, size_t size,
                                                      size_t header, size_t alignment) {
    request_count_freed(a, size, header, 1);
    a->free(a->context, ptr, size, alignment);
}

void gooi_memory_release_watched(GooAllocator *a, void *ptr, size_t size, size_t header,
                                 size_t alignment, const char *call) {
    uint32_t watch = gooi_memory_watch(a, header);
    GooiShard *shard = gooi_shard;
    if (GOOI_LIKELY(watch == GOOI_WATCH_TRACKING && shard != NULL && gooi_allocator_is_root(a))) {
        if (GOOI_LIKELY(
                !gooi_counters_freed_in(shard, GOOI_SLOT_PROCESS, size - header, header, 1))) {
            a->free(a->context, ptr, size, alignment);
        } else {
            request_release_settled(a, ptr, size, alignment);
        }
    } else if (gooi_memory_only_counted(watch)) {
        request_release_counted(a, ptr, size, header, alignment);
    } else {
        request_release_in_full(a, ptr, size, header, alignment, call);
    }
}

void gooi_memory_settle(GooAllocator *a, size_t size, size_t header, size_t count) {
    if (a->track_stats) {
        gooi_stats_settled(a, size - header, header, count);
    }
    if ((a->capabilities & GOOI_ALLOCATOR_ATTACHED) != 0 && size != 0) {
        GOOI_HOOK(pressure_release)(a, size);
    }
}

void gooi_memory_settle_all_but(GooAllocator *a, size_t bytes_left, size_t count_left) {
    if (a->track_stats) {
        GooAllocStats s = gooi_stats_counted(a);
        gooi_stats_settled(a, s.bytes_allocated - bytes_left, s.bytes_reserved - s.bytes_allocated,
                           s.allocation_count - count_left);
    }
    if ((a->capabilities & GOOI_ALLOCATOR_ATTACHED) != 0) {
        GOOI_HOOK(pressure_release_all_but)(a, bytes_left);
    }
}
