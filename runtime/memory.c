/* The front door: every call of the modern API that allocates, grows, moves or frees a block.
 *
 * Each public function checks its arguments and describes what is wanted as a GooiRequest; the rest
 * is the same for all of them and stands in the first half of this file and in runtime/memory.h.
 * Strategies are in policy.c, counters in stats.c; the collector's accounting is behind gooi_hooks.
 *
 *   invariants FRONT-1 to FRONT-3: runtime/memory.h
 *
 * Threads: any, as far as the allocator at hand allows it. No state of its own.
 */
#include "runtime/memory.h"

#include "goo/runtime/memory.h"
#include "runtime/blocks.h"
#include "runtime/callbacks.h"
#include "runtime/counters.h"
#include "runtime/platform/platform.h"
#include "runtime/stats.h"

#include <errno.h>
#include <string.h>

/* --- one request --- */

/* GOO_ALLOC_PAGE for a mechanism that does not know it. */
static bool memory_emulates_pages(const GooiRequest *request) {
    return (request->options & GOO_ALLOC_PAGE) != 0 &&
           (request->allocator->capabilities & GOOI_ALLOCATOR_PAGES) == 0;
}

static void *memory_call_mechanism(const GooiRequest *request) {
    GooAllocator *a = request->allocator;
    size_t size = request->size;
    if (memory_emulates_pages(request)) {
        size = gooi_align_up(size, gooi_platform_page_size());
    }
    GooAllocOptions options = request->options & (GOOI_ALLOC_PUBLIC | GOOI_ALLOC_CLAIM);
    if (gooi_memory_watched(a)) {
        options |= GOOI_ALLOC_COUNTED | (request->header != 0 ? GOOI_ALLOC_HEADER : 0u);
    }
    if (request->ptr == NULL) {
        return a->alloc(a->context, size, request->alignment, options);
    }
    return a->realloc(a->context, request->ptr, request->old_size, size, request->alignment,
                      options);
}

/* --- what watches: limits, heaps, the table of blocks, callbacks, counters --- */

static bool memory_limited(const GooAllocator *a) {
    return (atomic_load_explicit(&gooi_watch, memory_order_relaxed) & GOOI_WATCH_LIMIT) != 0 &&
           gooi_allocator_is_root(a);
}

static bool memory_recorded(const GooAllocator *a) {
    return (atomic_load_explicit(&gooi_watch, memory_order_relaxed) & GOOI_WATCH_BLOCKS) != 0 &&
           gooi_allocator_is_root(a);
}

static bool memory_tracked(const GooAllocator *a) {
    return (atomic_load_explicit(&gooi_watch, memory_order_relaxed) & GOOI_WATCH_TRACKING) != 0 &&
           gooi_allocator_is_root(a);
}

static void memory_limit_release(size_t bytes) {
    atomic_fetch_sub_explicit(&gooi_limit_used, bytes, memory_order_relaxed);
}

/* How much may still be given. Bytes from before the limit was set may have been freed since: what
 * is used has a sign. */
static size_t memory_limit_room(size_t used) {
    size_t max = atomic_load_explicit(&gooi_limit_max, memory_order_relaxed);
    if ((ptrdiff_t)used > 0) {
        return used < max ? max - used : 0;
    }
    size_t room = max - used;
    return room >= max ? room : SIZE_MAX;
}

static bool memory_limit_reserve(size_t bytes) {
    size_t used = atomic_fetch_add_explicit(&gooi_limit_used, bytes, memory_order_relaxed);
    if (bytes > memory_limit_room(used)) {
        memory_limit_release(bytes);
        return false;
    }
    return true;
}

/* Takes room for growth where somebody holds a budget (FRONT-3). */
static bool memory_reserve(GooAllocator *a, size_t bytes) {
    if (bytes == 0) {
        return true;
    }
    bool limited = memory_limited(a);
    if (limited && !memory_limit_reserve(bytes)) {
        return false;
    }
    if ((a->capabilities & GOOI_ALLOCATOR_ATTACHED) != 0 &&
        !gooi_hooks.pressure_reserve(a, bytes)) {
        if (limited) {
            memory_limit_release(bytes);
        }
        return false;
    }
    return true;
}

static void memory_unreserve(GooAllocator *a, size_t bytes) {
    if (bytes == 0) {
        return;
    }
    int saved_errno = errno;
    if ((a->capabilities & GOOI_ALLOCATOR_ATTACHED) != 0) {
        gooi_hooks.pressure_release(a, bytes);
    }
    if (memory_limited(a)) {
        memory_limit_release(bytes);
    }
    errno = saved_errno;
}

/* The request that `growth` was reserved for is done, or failed. */
static void memory_settle_reservation(GooAllocator *a, bool done, size_t growth, size_t shrink) {
    memory_unreserve(a, done ? shrink : growth);
    if (done && growth != 0 && (a->capabilities & GOOI_ALLOCATOR_ATTACHED) != 0) {
        gooi_hooks.pressure_settle(a);
    }
}

/* A block that may not be reused: the new one is always another one. */
static void *memory_move_kept(const GooiRequest *request, GooiBlock *old) {
    GooiRequest fresh = *request;
    fresh.ptr = NULL;
    fresh.old_size = 0;
    GooiBlock *block = gooi_blocks_new();
    void *p = block != NULL ? memory_call_mechanism(&fresh) : NULL;
    if (p == NULL) {
        gooi_blocks_drop(block);
        gooi_blocks_restore(old);
        errno = ENOMEM;
        return NULL;
    }
    memcpy(p, request->ptr,
           request->old_size < request->size ? request->old_size : request->size);
    gooi_blocks_add(block, request, p);
    gooi_blocks_retire(old);
    return p;
}

/* The mechanism's work with the table of blocks kept (BLOCKS-2). */
static void *memory_perform_recorded(const GooiRequest *request) {
    GooAllocator *a = request->allocator;
    GooiBlock *block = NULL;
    if (request->ptr != NULL) {
        block = gooi_blocks_take(request->call, a, request->ptr, request->old_size,
                                 request->alignment);
        if (block != NULL && (gooi_blocks_modes() & GOOI_BLOCKS_KEEP) != 0) {
            return memory_move_kept(request, block);
        }
    }
    bool known = block != NULL;
    if (!known && (block = gooi_blocks_new()) == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = memory_call_mechanism(request);
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
static void *memory_attempt(const GooiRequest *request) {
    GooAllocator *a = request->allocator;
    size_t old_size = request->ptr != NULL ? request->old_size : 0;
    size_t growth = request->size > old_size ? request->size - old_size : 0;
    size_t shrink = request->size < old_size ? old_size - request->size : 0;
    if (!memory_reserve(a, growth)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = memory_recorded(a) ? memory_perform_recorded(request)
                                 : memory_call_mechanism(request);
    memory_settle_reservation(a, p != NULL, growth, shrink);
    return p;
}

static void memory_count_alloc(GooAllocator *a, size_t size, size_t header) {
    if (a->track_stats) {
        gooi_stats_count_alloc(a, size - header, header);
    }
    if (memory_tracked(a)) {
        gooi_counters_allocated(GOOI_SLOT_PROCESS, size - header, header);
    }
}

static void memory_count_resized(GooAllocator *a, size_t old_size, size_t new_size) {
    if (a->track_stats) {
        gooi_stats_resized(a, old_size, new_size);
    }
    if (memory_tracked(a)) {
        gooi_counters_resized(GOOI_SLOT_PROCESS, old_size, new_size);
    }
}

static void memory_count_freed(GooAllocator *a, size_t size, size_t header, size_t count) {
    if (a->track_stats) {
        gooi_stats_count_freed(a, size - header, header, count);
    }
    if (memory_tracked(a)) {
        gooi_counters_freed(GOOI_SLOT_PROCESS, size - header, header, count);
    }
}

void gooi_memory_count_failed(GooAllocator *a) {
    if (a->track_stats) {
        gooi_stats_failed(a);
    }
    if (memory_tracked(a)) {
        gooi_counters_failed(GOOI_SLOT_PROCESS);
    }
}

static void memory_count(const GooiRequest *request) {
    if (request->ptr == NULL) {
        memory_count_alloc(request->allocator, request->size, request->header);
    } else {
        memory_count_resized(request->allocator, request->old_size, request->size);
    }
}

/* The event of a request; `p`: the block that came of it, NULL before. */
static GooMemoryEvent memory_event(const GooiRequest *request, void *p) {
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
        .file = gooi_site.file != NULL ? gooi_site.file : request->file,
        .line = gooi_site.file != NULL ? gooi_site.line : request->line,
    };
}

/* --- one request, in full --- */

/* Does what the strategy says about a failed attempt; counts and tells what came of it. */
static void *memory_finish(const GooiRequest *request, void *p) {
    if (p == NULL) {
        p = gooi_policy_failed(request, memory_attempt);
    }
    if (p != NULL) {
        memory_count(request);
        if (GOOI_UNLIKELY(gooi_callbacks_active())) {
            GooMemoryEvent event = memory_event(request, p);
            gooi_callbacks_deliver(&event);
        }
    }
    GOO_ASSERT(((uintptr_t)p & (request->alignment - 1)) == 0, "%s: %p is not aligned to %zu",
               request->call, p, request->alignment);
    return p;
}

static void *memory_serve_here(const GooiRequest *request) {
    if (GOOI_UNLIKELY(gooi_callbacks_active())) {
        GooMemoryEvent event = memory_event(request, NULL);
        if (!gooi_callbacks_permit(&event)) {
            return gooi_policy_veto(request);
        }
    }
    return memory_finish(request, memory_attempt(request));
}

/* What an allocator asks of its parent comes from where the program asked the allocator. */
void *gooi_memory_serve(const GooiRequest *request) {
    if (request->file == NULL) {
        return memory_serve_here(request);
    }
    GooiSite outer = gooi_site;
    gooi_site = (GooiSite){request->file, request->line};
    void *p = memory_serve_here(request);
    gooi_site = outer;
    return p;
}

void *gooi_memory_complete(const GooiRequest *request, bool tried) {
    return tried ? memory_finish(request, NULL) : gooi_memory_serve(request);
}

void *gooi_memory_alloc_counted(GooAllocator *a, size_t size, size_t header, size_t alignment,
                                GooAllocOptions options) {
    if (a->track_stats) {
        options |= GOOI_ALLOC_COUNTED | (header != 0 ? GOOI_ALLOC_HEADER : 0u);
    }
    void *p = a->alloc(a->context, size, alignment, options);
    if (GOOI_LIKELY(p != NULL)) {
        memory_count_alloc(a, size, header);
    }
    return p;
}

/* A free that more than counters watch. */
static GOOI_NEVER_INLINE void memory_release_in_full(GooAllocator *a, void *ptr, size_t size,
                                                     size_t header, size_t alignment,
                                                     const char *call) {
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
    if (memory_recorded(a)) {
        GooiBlock *block = gooi_blocks_take(call, a, ptr, size, alignment);
        kept = block != NULL && gooi_blocks_retire(block);
    }
    memory_count_freed(a, size, header, 1);
    if (!kept) {
        a->free(a->context, ptr, size, alignment);
    }
    memory_unreserve(a, size);
}

void gooi_memory_release_watched(GooAllocator *a, void *ptr, size_t size, size_t header,
                                 size_t alignment, const char *call) {
    if (gooi_memory_only_counted(gooi_memory_watch(a))) {
        memory_count_freed(a, size, header, 1);
        a->free(a->context, ptr, size, alignment);
    } else {
        memory_release_in_full(a, ptr, size, header, alignment, call);
    }
}

void gooi_memory_settle(GooAllocator *a, size_t size, size_t header, size_t count) {
    if (a->track_stats) {
        gooi_stats_settled(a, size - header, header, count);
    }
    if ((a->capabilities & GOOI_ALLOCATOR_ATTACHED) != 0 && size != 0) {
        gooi_hooks.pressure_release(a, size);
    }
}

void gooi_memory_settle_all_but(GooAllocator *a, size_t bytes_left, size_t count_left) {
    if (a->track_stats) {
        GooAllocStats s = gooi_stats_counted(a);
        gooi_stats_settled(a, s.bytes_allocated - bytes_left, s.bytes_reserved - s.bytes_allocated,
                           s.allocation_count - count_left);
    }
    if ((a->capabilities & GOOI_ALLOCATOR_ATTACHED) != 0) {
        gooi_hooks.pressure_release_all_but(a, bytes_left);
    }
}

/* --- arguments --- */

static inline GooAllocator *memory_allocator(GooAllocator *a) {
    return GOOI_LIKELY(a != NULL) ? a : gooi_current_allocator();
}

/* Replaces an alignment of 0 by the default; false if the argument is no alignment. */
static inline bool memory_take_alignment(size_t *alignment) {
    if (*alignment == 0) {
        *alignment = GOO_DEFAULT_ALIGNMENT;
    }
    return gooi_is_power_of_two(*alignment);
}

/* Why the request can't even be tried, as errno, or 0. Completes it otherwise. */
static int memory_prepare(GooiRequest *request) {
    if (!memory_take_alignment(&request->alignment)) {
        return EINVAL;
    }
    if (memory_emulates_pages(request)) {
        size_t page_size = gooi_platform_page_size();
        request->alignment = request->alignment < page_size ? page_size : request->alignment;
    }
    return gooi_memory_too_large(request->size, request->alignment) ? ENOMEM : 0;
}

/* --- allocate --- */

/* What the shortest way leaves: the size may be none at all; else `tried` as in memory.h. */
static GOOI_NEVER_INLINE void *memory_alloc_rest(GooAllocator *a, size_t size,
                                                 GooAllocOptions options, bool tried,
                                                 const char *call, const char *file, int line) {
    GooiRequest request = {
        .call = call,
        .allocator = a,
        .size = size,
        .alignment = GOO_DEFAULT_ALIGNMENT,
        .options = options,
        .file = file,
        .line = line,
    };
    if (size == 0) {
        return NULL;
    }
    if (gooi_memory_too_large(size, GOO_DEFAULT_ALIGNMENT)) {
        return gooi_policy_refuse(&request, ENOMEM);
    }
    return gooi_memory_complete(&request, tried);
}

/* `size` bytes with the default alignment: the shortest way. */
static GOOI_ALWAYS_INLINE void *memory_alloc_at(GooAllocator *a, size_t size,
                                                GooAllocOptions options, const char *call,
                                                const char *file, int line) {
    a = memory_allocator(a);
    bool tried = false;
    if (GOOI_LIKELY(size - 1 < GOOI_SIZE_MAX - GOO_DEFAULT_ALIGNMENT)) { /* not 0, not too large */
        void *p = gooi_memory_fast(a, size, 0, GOO_DEFAULT_ALIGNMENT, options, &tried);
        if (GOOI_LIKELY(p != NULL)) {
            return p;
        }
    }
    return memory_alloc_rest(a, size, options, tried, call, file, line);
}

static GOOI_ALWAYS_INLINE void *memory_alloc(GooAllocator *a, size_t size, GooAllocOptions options,
                                             const char *call) {
    return memory_alloc_at(a, size, options, call, NULL, 0);
}

static void *memory_alloc_full(GooAllocator *a, size_t size, size_t alignment,
                               GooAllocOptions options, const char *call) {
    if (size == 0) {
        return NULL;
    }
    GooiRequest request = {
        .call = call,
        .allocator = memory_allocator(a),
        .size = size,
        .alignment = alignment,
        .options = options,
    };
    int refused = memory_prepare(&request);
    if (refused != 0) {
        return gooi_policy_refuse(&request, refused);
    }
    bool tried = false;
    void *p = NULL;
    if (!memory_emulates_pages(&request)) {
        p = gooi_memory_fast(request.allocator, size, 0, request.alignment,
                             options & (GOOI_ALLOC_PUBLIC | GOOI_ALLOC_CLAIM), &tried);
    }
    return p != NULL ? p : gooi_memory_complete(&request, tried);
}

void *goo_memory_alloc(size_t size) {
    return memory_alloc(NULL, size, GOO_ALLOC_DEFAULT, __func__);
}

void *goo_memory_alloc_zeroed(size_t size) {
    return memory_alloc(NULL, size, GOO_ALLOC_ZERO, __func__);
}

void *goo_memory_alloc_aligned(size_t size, size_t alignment) {
    return memory_alloc_full(NULL, size, alignment, GOO_ALLOC_DEFAULT, __func__);
}

void *goo_memory_alloc_with(GooAllocator *a, size_t size) {
    return memory_alloc(a, size, GOO_ALLOC_DEFAULT, __func__);
}

void *goo_memory_alloc_at(GooAllocator *a, size_t size, const char *file, int line) {
    GooiSite outer = gooi_site;
    gooi_site = (GooiSite){file, line}; /* for mechanisms that note it */
    void *p = memory_alloc_at(a, size, GOO_ALLOC_DEFAULT, __func__, file, line);
    gooi_site = outer;
    return p;
}

void *goo_memory_alloc_zeroed_with(GooAllocator *a, size_t size) {
    return memory_alloc(a, size, GOO_ALLOC_ZERO, __func__);
}

void *goo_memory_alloc_options(GooAllocator *a, size_t size, size_t alignment,
                               GooAllocOptions options) {
    return memory_alloc_full(a, size, alignment, options & GOOI_ALLOC_PUBLIC, __func__);
}

void *gooi_memory_alloc_claimed(GooAllocator *a, size_t size, size_t alignment,
                                GooAllocOptions options) {
    return memory_alloc_full(a, size, alignment, options, "goo_memory_alloc_options");
}

void *goo_memory_alloc_array(GooAllocator *a, size_t count, size_t element_size,
                             GooAllocOptions options) {
    size_t size;
    if (gooi_multiply_overflows(count, element_size, &size)) {
        size = SIZE_MAX; /* refused for its size, like any other that can't be met */
    }
    return memory_alloc_full(a, size, 0, options & GOOI_ALLOC_PUBLIC, __func__);
}

void *goo_memory_dup_with(GooAllocator *a, const void *src, size_t size) {
    if (src == NULL && size != 0) {
        errno = EINVAL;
        return NULL;
    }
    void *p = memory_alloc(a, size, GOO_ALLOC_DEFAULT, __func__);
    return p == NULL ? NULL : memcpy(p, src, size);
}

char *goo_memory_strdup_with(GooAllocator *a, const char *text) {
    if (text == NULL) {
        errno = EINVAL;
        return NULL;
    }
    return goo_memory_dup_with(a, text, strlen(text) + 1);
}

/* --- free --- */

static GOOI_ALWAYS_INLINE void memory_free(GooAllocator *a, void *ptr, size_t size,
                                           size_t alignment, const char *call) {
    if (ptr == NULL) {
        return;
    }
    bool aligned = memory_take_alignment(&alignment);
    GOO_REQUIRE(size != 0 && aligned && ((uintptr_t)ptr & (alignment - 1)) == 0,
                "%s: %p can't be a block of %zu bytes aligned to %zu", call, ptr, size, alignment);
    gooi_memory_release(memory_allocator(a), ptr, size, 0, alignment, call);
}

void goo_memory_free(void *ptr, size_t size) {
    memory_free(NULL, ptr, size, GOO_DEFAULT_ALIGNMENT, __func__);
}

void goo_memory_free_aligned(void *ptr, size_t size, size_t alignment) {
    memory_free(NULL, ptr, size, alignment, __func__);
}

void goo_memory_free_with(GooAllocator *a, void *ptr, size_t size) {
    memory_free(a, ptr, size, GOO_DEFAULT_ALIGNMENT, __func__);
}

void goo_memory_free_options(GooAllocator *a, void *ptr, size_t size, size_t alignment) {
    memory_free(a, ptr, size, alignment, __func__);
}

void goo_memory_free_at(GooAllocator *a, void *ptr, size_t size, const char *file, int line) {
    bool aligned = (uintptr_t)ptr % GOO_DEFAULT_ALIGNMENT == 0;
    GOO_REQUIRE(ptr == NULL || (size != 0 && aligned),
                "%s: %p can't be a block of %zu bytes, freed at %s:%d", __func__, ptr, size,
                file != NULL ? file : "?", line);
    GooiSite outer = gooi_site;
    gooi_site = (GooiSite){file, line};
    memory_free(a, ptr, size, GOO_DEFAULT_ALIGNMENT, __func__);
    gooi_site = outer;
}

/* --- realloc and resize --- */

static void *memory_realloc(GooAllocator *a, void *ptr, size_t old_size, size_t new_size,
                            size_t alignment, GooAllocOptions options, const char *call) {
    if (ptr == NULL) {
        return memory_alloc_full(a, new_size, alignment, options, call);
    }
    if (new_size == 0) {
        memory_free(a, ptr, old_size, alignment, call);
        return NULL;
    }
    GooiRequest request = {
        .call = call,
        .allocator = memory_allocator(a),
        .ptr = ptr,
        .old_size = old_size,
        .size = new_size,
        .alignment = alignment,
        .options = options,
    };
    int refused = old_size == 0 ? EINVAL : memory_prepare(&request);
    return refused != 0 ? gooi_policy_refuse(&request, refused) : gooi_memory_serve(&request);
}

void *goo_memory_realloc(void *ptr, size_t old_size, size_t new_size) {
    return memory_realloc(NULL, ptr, old_size, new_size, 0, GOO_ALLOC_DEFAULT, __func__);
}

void *goo_memory_realloc_with(GooAllocator *a, void *ptr, size_t old_size, size_t new_size) {
    return memory_realloc(a, ptr, old_size, new_size, 0, GOO_ALLOC_DEFAULT, __func__);
}

void *goo_memory_realloc_options(GooAllocator *a, void *ptr, size_t old_size, size_t new_size,
                                 size_t alignment, GooAllocOptions options) {
    return memory_realloc(a, ptr, old_size, new_size, alignment, options & GOOI_ALLOC_PUBLIC,
                          __func__);
}

void *gooi_memory_realloc_claimed(GooAllocator *a, void *ptr, size_t old_size, size_t new_size,
                                  size_t alignment, GooAllocOptions options) {
    return memory_realloc(a, ptr, old_size, new_size, alignment, options,
                          "goo_memory_realloc_options");
}

/* The mechanism's work, with the record of the block kept. */
static bool memory_resize_here(const GooiRequest *request) {
    GooAllocator *a = request->allocator;
    GooiBlock *block = memory_recorded(a)
                           ? gooi_blocks_take(request->call, a, request->ptr, request->old_size,
                                              request->alignment)
                           : NULL;
    bool resized =
        a->resize(a->context, request->ptr, request->old_size, request->size, request->alignment);
    if (block != NULL) {
        block->size = resized ? request->size : block->size;
        gooi_blocks_restore(block);
    }
    return resized;
}

/* Arguments are good and the allocator can resize: ask, reserve, do it, settle, count and tell. */
static bool memory_resize_in_place(const GooiRequest *request) {
    GooAllocator *a = request->allocator;
    size_t growth = request->size > request->old_size ? request->size - request->old_size : 0;
    size_t shrink = request->size < request->old_size ? request->old_size - request->size : 0;
    bool told = gooi_callbacks_active();
    GooMemoryEvent event = memory_event(request, request->ptr);
    if ((told && !gooi_callbacks_permit(&event)) || !memory_reserve(a, growth)) {
        return false;
    }
    bool resized = memory_resize_here(request);
    memory_settle_reservation(a, resized, growth, shrink);
    if (resized) {
        memory_count_resized(a, request->old_size, request->size);
        if (told) {
            gooi_callbacks_deliver(&event);
        }
    }
    return resized;
}

bool goo_memory_resize_options(GooAllocator *a, void *ptr, size_t old_size, size_t new_size,
                               size_t alignment) {
    if (ptr == NULL || old_size == 0 || new_size == 0 || !memory_take_alignment(&alignment)) {
        errno = EINVAL;
        return false;
    }
    a = memory_allocator(a);
    if (a->resize == NULL || gooi_memory_too_large(new_size, alignment)) {
        return false;
    }
    GooiRequest request = {
        .call = __func__,
        .allocator = a,
        .ptr = ptr,
        .old_size = old_size,
        .size = new_size,
        .alignment = alignment,
    };
    return memory_resize_in_place(&request);
}

bool goo_memory_resize(void *ptr, size_t old_size, size_t new_size) {
    return goo_memory_resize_options(NULL, ptr, old_size, new_size, GOO_DEFAULT_ALIGNMENT);
}
