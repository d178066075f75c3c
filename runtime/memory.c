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
    GooAllocOptions options = request->options & GOOI_ALLOC_PUBLIC;
    if (gooi_memory_watched(a)) {
        options |= GOOI_ALLOC_COUNTED | (request->header != 0 ? GOOI_ALLOC_HEADER : 0u);
    }
    if (request->ptr == NULL) {
        return a->alloc(a->context, size, request->alignment, options);
    }
    return a->realloc(a->context, request->ptr, request->old_size, size, request->alignment,
                      options);
}

/* One attempt, with the bytes of an attached allocator reserved before and settled after. */
static void *memory_attempt(const GooiRequest *request) {
    GooAllocator *a = request->allocator;
    if ((a->capabilities & GOOI_ALLOCATOR_ATTACHED) == 0) {
        return memory_call_mechanism(request);
    }
    size_t old_size = request->ptr != NULL ? request->old_size : 0;
    size_t growth = request->size > old_size ? request->size - old_size : 0;
    size_t shrink = request->size < old_size ? old_size - request->size : 0;
    if (growth != 0 && !gooi_hooks.pressure_reserve(a, growth)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = memory_call_mechanism(request);
    size_t returned = p == NULL ? growth : shrink;
    if (returned != 0) {
        int saved_errno = errno;
        gooi_hooks.pressure_release(a, returned);
        errno = saved_errno;
    } else if (growth != 0) {
        gooi_hooks.pressure_settle(a);
    }
    return p;
}

static void memory_count(const GooiRequest *request) {
    GooAllocator *a = request->allocator;
    if (request->ptr == NULL) {
        gooi_stats_allocated(a, request->size - request->header, request->header);
    } else {
        gooi_stats_resized(a, request->old_size, request->size);
    }
}

/* Does what the strategy says about a failed attempt, and counts what came of it. */
static void *memory_finish(const GooiRequest *request, void *p) {
    if (p == NULL) {
        p = gooi_policy_failed(request, memory_attempt);
    }
    if (p != NULL && request->allocator->track_stats) {
        memory_count(request);
    }
    GOO_ASSERT(((uintptr_t)p & (request->alignment - 1)) == 0, "%s: %p is not aligned to %zu",
               request->call, p, request->alignment);
    return p;
}

void *gooi_memory_serve(const GooiRequest *request) {
    return memory_finish(request, memory_attempt(request));
}

void *gooi_memory_complete(const GooiRequest *request, bool tried) {
    return tried ? memory_finish(request, NULL) : gooi_memory_serve(request);
}

void gooi_memory_release_watched(GooAllocator *a, void *ptr, size_t size, size_t header,
                                 size_t alignment) {
    if (a->track_stats) {
        gooi_stats_freed(a, size - header, header);
    }
    a->free(a->context, ptr, size, alignment);
    if ((a->capabilities & GOOI_ALLOCATOR_ATTACHED) != 0) {
        gooi_hooks.pressure_release(a, size);
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
        void *p = gooi_memory_fast(a, size, GOO_DEFAULT_ALIGNMENT, options, &tried);
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
        p = gooi_memory_fast(request.allocator, size, request.alignment,
                             options & GOOI_ALLOC_PUBLIC, &tried);
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
    return memory_alloc_at(a, size, GOO_ALLOC_DEFAULT, __func__, file, line);
}

void *goo_memory_alloc_zeroed_with(GooAllocator *a, size_t size) {
    return memory_alloc(a, size, GOO_ALLOC_ZERO, __func__);
}

void *goo_memory_alloc_options(GooAllocator *a, size_t size, size_t alignment,
                               GooAllocOptions options) {
    return memory_alloc_full(a, size, alignment, options, __func__);
}

void *goo_memory_alloc_array(GooAllocator *a, size_t count, size_t element_size,
                             GooAllocOptions options) {
    size_t size;
    if (gooi_multiply_overflows(count, element_size, &size)) {
        size = SIZE_MAX; /* refused for its size, like any other that can't be met */
    }
    return memory_alloc_full(a, size, 0, options, __func__);
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
    gooi_memory_release(memory_allocator(a), ptr, size, 0, alignment);
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
    memory_free(a, ptr, size, GOO_DEFAULT_ALIGNMENT, __func__);
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
    return memory_realloc(a, ptr, old_size, new_size, alignment, options, __func__);
}

/* Arguments are good and the allocator can resize: reserve, ask it, settle and count. */
static bool memory_resize_in_place(GooAllocator *a, void *ptr, size_t old_size, size_t new_size,
                                   size_t alignment) {
    bool attached = (a->capabilities & GOOI_ALLOCATOR_ATTACHED) != 0;
    size_t growth = new_size > old_size ? new_size - old_size : 0;
    size_t shrink = new_size < old_size ? old_size - new_size : 0;
    if (attached && growth != 0 && !gooi_hooks.pressure_reserve(a, growth)) {
        return false;
    }
    bool resized = a->resize(a->context, ptr, old_size, new_size, alignment);
    size_t returned = resized ? shrink : growth;
    if (attached && returned != 0) {
        gooi_hooks.pressure_release(a, returned);
    } else if (attached && growth != 0) {
        gooi_hooks.pressure_settle(a);
    }
    if (resized && a->track_stats) {
        gooi_stats_resized(a, old_size, new_size);
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
    return memory_resize_in_place(a, ptr, old_size, new_size, alignment);
}

bool goo_memory_resize(void *ptr, size_t old_size, size_t new_size) {
    return goo_memory_resize_options(NULL, ptr, old_size, new_size, GOO_DEFAULT_ALIGNMENT);
}
