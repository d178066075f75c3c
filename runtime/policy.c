/* The strategies, and the handlers that they call.
 *
 *            first attempt failed
 *     NULL   ──────────────────────────────────────────────▶ NULL, errno
 *     PANIC  ──────────────────────────────────────────────▶ panic handler
 *     RETRY  ──▶ handler ──▶ attempt, at most GOO_RETRY_LIMIT times ──▶ NULL
 *     GC     ──▶ collect hook ──▶ attempt, once ───────────▶ NULL
 *     GOO_ALLOC_NOFAIL turns the last NULL of any of them into a panic.
 *
 *   POLICY-1  a request that ends in NULL or panic counts as one failure, however often it was
 * tried POLICY-2  errno is 0 before each further attempt, so that a reason other than memory (a
 * pool whose objects are too small: EINVAL) is recognised and ends the attempts
 *
 * Threads: any; handlers are called on the thread that made the request, with no lock held.
 */
#include "runtime/policy.h"

#include "goo/runtime/memory.h"
#include "runtime/callbacks.h"
#include "runtime/check.h"
#include "runtime/globals.h"
#include "runtime/memory.h"
#include "runtime/platform/platform.h"

#include <errno.h>

/* The errno of a failed attempt. Mechanisms written by hand may leave it alone. */
static int policy_reason(void) {
    return errno == EINVAL || errno == ENOTSUP ? errno : ENOMEM;
}

static bool policy_must_not_fail(const GooiRequest *request) {
    return (request->options & GOO_ALLOC_NOFAIL) != 0 ||
           request->allocator->strategy == GOO_ALLOC_STRATEGY_PANIC;
}

/* Counts a request that gave NULL: the allocator's counters, and those of its own where it has any
 * (POLICY-1). */
static void policy_count_failure(GooAllocator *a) {
    gooi_memory_count_failed(a);
    const GooiAllocatorOps *ops = gooi_allocator_ops(a);
    if (ops->refused != NULL) {
        ops->refused(a);
    }
}

/* Where the request was made, for the end of a message; "" when that is not known. */
static const char *policy_place(char *text, size_t size) {
    text[0] = '\0';
    if (gooi_site.file != NULL) {
        snprintf(text, size, ", asked for at %s:%d", gooi_site.file, gooi_site.line);
    }
    return text;
}

/* Counts the failure, and panics or returns NULL. */
static void *policy_end(const GooiRequest *request, int reason) {
    GooAllocator *a = request->allocator;
    policy_count_failure(a);
    if (policy_must_not_fail(request)) {
        char place[256];
        gooi_panic("%s: %s: %zu bytes aligned to %zu from allocator '%s'%s%s",
                   request->call, reason == ENOMEM ? "out of memory" : "request refused",
                   request->size - request->header, request->alignment,
                   a->name != NULL ? a->name : "?",
                   request->ptr != NULL ? " (realloc; the old block is unchanged)" : "",
                   policy_place(place, sizeof place));
    }
    errno = reason;
    return NULL;
}

GOOI_COLD static void policy_tell(const GooiRequest *request) {
    GooMemoryEvent event = {
        .kind = GOO_EVENT_OUT_OF_MEMORY,
        .allocator = request->allocator,
        .old_ptr = request->ptr != NULL ? (uint8_t *)request->ptr + request->header : NULL,
        .size = request->size - request->header,
        .old_size = request->ptr != NULL ? request->old_size - request->header : 0,
        .alignment = request->alignment,
        .file = gooi_site.file,
        .line = gooi_site.line,
    };
    gooi_callbacks_deliver(&event);
}

void *gooi_policy_refuse(const GooiRequest *request, int reason) {
    if (reason == ENOMEM && gooi_callbacks_active()) {
        policy_tell(request);
    }
    return policy_end(request, reason);
}

void *gooi_policy_veto(const GooiRequest *request) {
    return policy_end(request, ENOMEM);
}

/* GOO_ALLOC_STRATEGY_RETRY. Stores the reason of the last failure. */
static void *policy_retry(const GooiRequest *request, GooiAttemptFn attempt, int *reason) {
    for (int i = 0; i < GOO_RETRY_LIMIT; i++) {
        GooOutOfMemFn handler = request->allocator->out_of_mem_fn;
        if (handler == NULL) {
            handler = atomic_load_explicit(&gooi_out_of_mem_handler, memory_order_acquire);
        }
        if (handler != NULL) {
            handler();
        }
        errno = 0;
        void *p = attempt(request);
        if (p != NULL) {
            return p;
        }
        *reason = policy_reason();
        if (*reason != ENOMEM) {
            return NULL;
        }
    }
    return NULL;
}

/* GOO_ALLOC_STRATEGY_GC. */
static void *policy_collect(const GooiRequest *request, GooiAttemptFn attempt, int *reason) {
    bool (*collect)(GooAllocator *) = gooi_hooks.collect;
    if (collect == NULL || !collect(request->allocator)) {
        return NULL;
    }
    errno = 0;
    void *p = attempt(request);
    *reason = policy_reason();
    return p;
}

void *gooi_policy_failed(const GooiRequest *request, GooiAttemptFn attempt) {
    int reason = policy_reason();
    void *p = NULL;
    switch (request->allocator->strategy) {
    case GOO_ALLOC_STRATEGY_NULL:
    case GOO_ALLOC_STRATEGY_PANIC:
        break;
    case GOO_ALLOC_STRATEGY_RETRY:
        p = policy_retry(request, attempt, &reason);
        break;
    case GOO_ALLOC_STRATEGY_GC:
        p = policy_collect(request, attempt, &reason);
        break;
    }
    return p != NULL ? p : gooi_policy_refuse(request, reason);
}

void gooi_policy_default_panic(const char *message) {
    gooi_platform_log(message);
    gooi_platform_abort();
}

void goo_set_out_of_mem_handler(GooOutOfMemFn fn) {
    atomic_store_explicit(&gooi_out_of_mem_handler, fn, memory_order_release);
}

void goo_set_panic_handler(void (*fn)(const char *message)) {
    GooiPanicFn handler = fn != NULL ? fn : gooi_policy_default_panic;
    atomic_store_explicit(&gooi_panic_handler, handler, memory_order_release);
}
