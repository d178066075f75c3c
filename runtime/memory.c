/* The front door: every call of the modern API that allocates, grows, moves or frees a block.
 *
 * Each public function checks its arguments and asks the mechanism, as long as nobody watches. That
 * is the whole of most calls, and it ends in a jump, so that they need no stack frame. What is left
 * over (nothing to allocate, bad arguments, somebody who watches, an attempt that failed) is in
 * functions of its own, called with what is known so far; they describe the request as a
 * GooiRequest, whose life is in request.c. Strategies are in policy.c, budgets in budget.c.
 *
 *   invariants FRONT-1 to FRONT-3: runtime/memory.h
 *
 * Threads: any, as far as the allocator at hand allows it. No state of its own.
 */
#include "runtime/memory.h"

#include "goo/runtime/memory.h"
#include "runtime/pages.h"

#include <errno.h>
#include <string.h>

/* --- arguments --- */

static GOOI_ALWAYS_INLINE GooAllocator *memory_allocator(GooAllocator *a) {
    return GOOI_LIKELY(a != NULL) ? a : gooi_current_allocator();
}

static inline size_t memory_alignment(size_t alignment) {
    return alignment != 0 ? alignment : GOO_DEFAULT_ALIGNMENT;
}

/* Neither 0 nor too large, at the default alignment. One comparison: the sum of what is too large
 * is negative. */
static inline bool memory_is_size(size_t size) {
    return (ptrdiff_t)(size + GOO_DEFAULT_ALIGNMENT) > GOO_DEFAULT_ALIGNMENT;
}

/* Why the request can't even be tried, as errno, or 0. Completes it otherwise. */
static int memory_prepare(GooiRequest *request) {
    request->alignment = memory_alignment(request->alignment);
    if (!gooi_is_power_of_two(request->alignment)) {
        return EINVAL;
    }
    if (gooi_memory_too_large(request->size, request->alignment)) {
        return ENOMEM;
    }
    return gooi_pages_emulated(request) && !gooi_pages_round(request) ? ENOMEM : 0;
}

/* --- allocate --- */

/* A new block, watched or not; `request` is complete. */
static void *memory_alloc_described(const GooiRequest *request) {
    GooAllocator *a = request->allocator;
    if (gooi_memory_watch(a, 0) != 0) {
        return gooi_memory_serve(request);
    }
    void *p = a->alloc(a->context, request->size, request->alignment,
                       request->options & (GOOI_ALLOC_PUBLIC | GOOI_ALLOC_CLAIM));
    return GOOI_LIKELY(p != NULL) ? p : gooi_memory_retry(request);
}

/* With the default alignment: everything that is neither watched by counters alone nor direct. */
static GOOI_NEVER_INLINE void *memory_alloc_slowly(GooAllocator *a, size_t size,
                                                   GooAllocOptions options, const char *call) {
    if (size == 0) {
        return NULL;
    }
    GooiRequest request = {
        .call = call,
        .allocator = a,
        .size = size,
        .alignment = GOO_DEFAULT_ALIGNMENT,
        .options = options,
    };
    return memory_is_size(size) ? memory_alloc_described(&request)
                                : gooi_policy_refuse(&request, ENOMEM);
}

/* With the default alignment, where the shortest way does not do. */
static GOOI_NEVER_INLINE void *memory_alloc_rest(GooAllocator *a, size_t size,
                                                 GooAllocOptions options, const char *call) {
    uint32_t watch = gooi_memory_watch(a, 0);
    if (watch != 0 && gooi_memory_only_counted(watch) && memory_is_size(size)) {
        return gooi_memory_alloc_counted(a, size, 0, GOO_DEFAULT_ALIGNMENT, options, call);
    }
    return memory_alloc_slowly(a, size, options, call);
}

/* `size` bytes with the default alignment. */
static GOOI_ALWAYS_INLINE void *memory_alloc(GooAllocator *a, size_t size, GooAllocOptions options,
                                             const char *call) {
    a = memory_allocator(a);
    if (GOOI_LIKELY(memory_is_size(size) && gooi_memory_direct(a))) {
        return gooi_memory_ask(a, size, GOO_DEFAULT_ALIGNMENT, options);
    }
    return memory_alloc_rest(a, size, options, call);
}

/* With any alignment and options, where the shortest way does not do. */
static GOOI_NEVER_INLINE void *memory_alloc_whole(GooAllocator *a, size_t size, size_t alignment,
                                                  GooAllocOptions options, const char *call) {
    if (size == 0) {
        return NULL;
    }
    GooiRequest request = {
        .call = call,
        .allocator = a,
        .size = size,
        .alignment = alignment,
        .options = options,
    };
    int refused = memory_prepare(&request);
    if (refused != 0) {
        return gooi_policy_refuse(&request, refused);
    }
    if (gooi_pages_emulated(&request)) {
        return gooi_pages_serve(&request);
    }
    return memory_alloc_described(&request);
}

/* `options`: public ones, and a claim. */
static GOOI_ALWAYS_INLINE void *memory_alloc_full(GooAllocator *a, size_t size, size_t alignment,
                                                  GooAllocOptions options, const char *call) {
    a = memory_allocator(a);
    size_t step = memory_alignment(alignment);
    bool plain = (options & (GOO_ALLOC_PAGE | GOO_ALLOC_NOFAIL)) == 0 &&
                 gooi_is_power_of_two(step) && step <= GOOI_SIZE_MAX &&
                 size - 1 < GOOI_SIZE_MAX - step;
    if (GOOI_LIKELY(plain && gooi_memory_direct(a))) {
        return gooi_memory_ask(a, size, step, options);
    }
    return memory_alloc_whole(a, size, alignment, options, call);
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

/* Who may note the site: a mechanism that is not direct, and an allocator's parent. */
static inline bool memory_notes_site(const GooAllocator *a) {
    return !gooi_allocator_is_root(a) || !gooi_memory_direct(a);
}

static GOOI_NEVER_INLINE void *memory_alloc_noted(GooAllocator *a, size_t size, const char *call,
                                                  const char *file, int line) {
    GooiSite outer = gooi_site;
    gooi_site = (GooiSite){file, line};
    void *p = memory_is_size(size) && gooi_memory_direct(a)
                  ? a->alloc(a->context, size, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_DEFAULT)
                  : memory_alloc_rest(a, size, GOO_ALLOC_DEFAULT, call);
    gooi_site = outer;
    return p;
}

void *goo_memory_alloc_at(GooAllocator *a, size_t size, const char *file, int line) {
    a = memory_allocator(a);
    if (GOOI_LIKELY(memory_is_size(size) && !memory_notes_site(a))) {
        return gooi_memory_ask(a, size, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_DEFAULT);
    }
    return memory_alloc_noted(a, size, __func__, file, line);
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

/* NULL, or what can't be a block. */
static GOOI_NEVER_INLINE void memory_free_odd(const void *ptr, size_t size, size_t alignment,
                                              const char *call) {
    GOO_REQUIRE(ptr == NULL, "%s: %p can't be a block of %zu bytes aligned to %zu", call, ptr, size,
                alignment);
}

/* `alignment` is one. */
static GOOI_ALWAYS_INLINE void memory_free(GooAllocator *a, void *ptr, size_t size,
                                           size_t alignment, const char *call) {
    a = memory_allocator(a);
    if (GOOI_LIKELY(ptr != NULL && size != 0 && ((uintptr_t)ptr & (alignment - 1)) == 0)) {
        gooi_memory_release(a, ptr, size, 0, alignment, call);
    } else {
        memory_free_odd(ptr, size, alignment, call);
    }
}

static GOOI_ALWAYS_INLINE void memory_free_full(GooAllocator *a, void *ptr, size_t size,
                                                size_t alignment, const char *call) {
    size_t step = memory_alignment(alignment);
    if (GOOI_LIKELY(gooi_is_power_of_two(step))) {
        memory_free(a, ptr, size, step, call);
    } else {
        memory_free_odd(ptr, size, alignment, call);
    }
}

void goo_memory_free(void *ptr, size_t size) {
    memory_free(NULL, ptr, size, GOO_DEFAULT_ALIGNMENT, __func__);
}

void goo_memory_free_aligned(void *ptr, size_t size, size_t alignment) {
    memory_free_full(NULL, ptr, size, alignment, __func__);
}

void goo_memory_free_with(GooAllocator *a, void *ptr, size_t size) {
    memory_free(a, ptr, size, GOO_DEFAULT_ALIGNMENT, __func__);
}

void goo_memory_free_options(GooAllocator *a, void *ptr, size_t size, size_t alignment) {
    memory_free_full(a, ptr, size, alignment, __func__);
}

static GOOI_NEVER_INLINE void memory_free_noted(GooAllocator *a, void *ptr, size_t size,
                                                const char *call, const char *file, int line) {
    bool aligned = (uintptr_t)ptr % GOO_DEFAULT_ALIGNMENT == 0;
    GOO_REQUIRE(ptr == NULL || (size != 0 && aligned),
                "%s: %p can't be a block of %zu bytes, freed at %s:%d", call, ptr, size,
                file != NULL ? file : "?", line);
    GooiSite outer = gooi_site;
    gooi_site = (GooiSite){file, line};
    memory_free(a, ptr, size, GOO_DEFAULT_ALIGNMENT, call);
    gooi_site = outer;
}

void goo_memory_free_at(GooAllocator *a, void *ptr, size_t size, const char *file, int line) {
    a = memory_allocator(a);
    if (GOOI_LIKELY(ptr != NULL && size != 0 && (uintptr_t)ptr % GOO_DEFAULT_ALIGNMENT == 0 &&
                    !memory_notes_site(a))) {
        gooi_memory_give(a, ptr, size, GOO_DEFAULT_ALIGNMENT);
    } else {
        memory_free_noted(a, ptr, size, __func__, file, line);
    }
}

/* --- realloc and resize --- */

static void *memory_realloc(GooAllocator *a, void *ptr, size_t old_size, size_t new_size,
                            size_t alignment, GooAllocOptions options, const char *call) {
    a = memory_allocator(a);
    if (ptr == NULL) {
        return memory_alloc_full(a, new_size, alignment, options, call);
    }
    if (new_size == 0) {
        memory_free_full(a, ptr, old_size, alignment, call);
        return NULL;
    }
    GooiRequest request = {
        .call = call,
        .allocator = a,
        .ptr = ptr,
        .old_size = old_size,
        .size = new_size,
        .alignment = alignment,
        .options = options,
    };
    int refused = old_size == 0 ? EINVAL : memory_prepare(&request);
    if (refused != 0) {
        return gooi_policy_refuse(&request, refused);
    }
    return gooi_pages_concern(&request) ? gooi_pages_serve(&request) : gooi_memory_serve(&request);
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

bool goo_memory_resize_options(GooAllocator *a, void *ptr, size_t old_size, size_t new_size,
                               size_t alignment) {
    size_t step = memory_alignment(alignment);
    if (ptr == NULL || old_size == 0 || new_size == 0 || !gooi_is_power_of_two(step)) {
        errno = EINVAL;
        return false;
    }
    a = memory_allocator(a);
    if (a->resize == NULL || gooi_memory_too_large(new_size, step)) {
        return false;
    }
    GooiRequest request = {
        .call = __func__,
        .allocator = a,
        .ptr = ptr,
        .old_size = old_size,
        .size = new_size,
        .alignment = step,
    };
    return gooi_pages_concern(&request) ? gooi_pages_resize(&request)
                                        : gooi_memory_resize(&request);
}

bool goo_memory_resize(void *ptr, size_t old_size, size_t new_size) {
    return goo_memory_resize_options(NULL, ptr, old_size, new_size, GOO_DEFAULT_ALIGNMENT);
}
