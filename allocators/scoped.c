/* The scope: a lane for its blocks, and in the lane, where they were made, the deferred calls.
 *
 *     lane:  | block | call | block | block | call | block ...
 *                      ▲───────older──────────┘ ▲ calls
 *
 * A mark is a position of the lane. Unwinding frees down to the latest call, makes it, and so on,
 * so that order needs no list of its own.
 *
 *   SCOPE-1  `calls` are in falling order of position; those not made yet are exactly the list
 *   SCOPE-2  while a call is made, it and everything behind it are gone already, so it may use the
 *            scope, and an unwind within it starts from a sound state
 *
 * Threads: one at a time.
 */
#include "goo/allocators/scoped.h"

#include "allocators/impl.h"
#include "runtime/callbacks.h"

#include <errno.h>

enum { SCOPE_BLOCK_SIZE = 16 * 1024 };

typedef struct ScopeCall {
    struct ScopeCall *older;
    void (*fn)(void *);
    void *arg;
    size_t position; /* of the lane before this call took its place */
} ScopeCall;

typedef struct Scope {
    GooiExtendedAllocator head;
    GooiLane lane;
    GooiChunkSource source;
    ScopeCall *calls;
} Scope;

static void *scope_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                           GooAllocOptions options);

static Scope *scope_of(GooAllocator *a, const char *call) {
    GOO_REQUIRE(a != NULL && a->realloc == scope_realloc, "%s: %p is no scope", call, (void *)a);
    return (Scope *)(void *)a;
}

static void *scope_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    Scope *scope = ctx;
    void *p;
    if (GOOI_LIKELY((options & GOOI_LANE_SPECIAL) == 0 &&
                    gooi_lane_bump(&scope->lane, size, alignment, &p))) {
        return p;
    }
    return gooi_lane_alloc(&scope->lane, size, alignment, options);
}

static void *scope_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                           GooAllocOptions options) {
    Scope *scope = ctx;
    return gooi_lane_realloc(&scope->lane, ptr, old_size, new_size, alignment, options);
}

static void scope_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    (void)alignment;
    gooi_lane_free(&((Scope *)ctx)->lane, ptr, size);
}

static bool scope_resize(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment) {
    (void)alignment;
    return gooi_lane_resize(&((Scope *)ctx)->lane, ptr, old_size, new_size);
}

static bool scope_owns(GooAllocator *a, const void *ptr) {
    return gooi_lane_owns(&((Scope *)(void *)a)->lane, ptr);
}

/* --- calls, marks --- */

GooStatus goo_scope_defer(GooAllocator *a, void (*fn)(void *), void *arg) {
    Scope *scope = scope_of(a, __func__);
    if (fn == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    size_t position = gooi_lane_position(&scope->lane);
    int saved_errno = errno;
    ScopeCall *call = gooi_lane_alloc(&scope->lane, sizeof *call, _Alignof(ScopeCall), 0);
    if (call == NULL) {
        errno = saved_errno;
        return GOO_ERR_NO_MEMORY;
    }
    *call = (ScopeCall){scope->calls, fn, arg, position};
    scope->calls = call;
    gooi_lane_set_floor(&scope->lane); /* what a free gives back never lies before a call */
    return GOO_OK;
}

size_t goo_scope_mark(GooAllocator *a) {
    Scope *scope = scope_of(a, __func__);
    gooi_lane_set_floor(&scope->lane);
    return gooi_lane_position(&scope->lane);
}

static void scope_rewind(Scope *scope, size_t position) {
    gooi_lane_settle(&scope->head.allocator,
                     gooi_lane_rewind(&scope->lane, position, GOOI_KEEP_SPARE));
}

static void scope_unwind(Scope *scope, size_t mark) {
    while (scope->calls != NULL && scope->calls->position >= mark) {
        ScopeCall call = *scope->calls;
        scope->calls = call.older;
        scope_rewind(scope, call.position);
        call.fn(call.arg);
    }
    if (gooi_lane_position(&scope->lane) > mark) {
        scope_rewind(scope, mark);
    }
}

void goo_scope_unwind(GooAllocator *a, size_t mark) {
    Scope *scope = scope_of(a, __func__);
    GOO_REQUIRE(mark <= gooi_lane_position(&scope->lane),
                "goo_scope_unwind: mark %zu lies ahead of the scope, which is at %zu", mark,
                gooi_lane_position(&scope->lane));
    scope_unwind(scope, mark);
    gooi_callbacks_notify(GOO_EVENT_RESET, a, 0, 0);
}

/* --- create and destroy --- */

static void scope_reset(GooAllocator *a) {
    scope_unwind((Scope *)(void *)a, 0);
}

static const GooiAllocatorOps scope_ops = {.reset = scope_reset, .owns = scope_owns};

static void scope_destroy(void *self) {
    Scope *scope = self;
    scope_unwind(scope, 0);
    gooi_source_trim(&scope->source, 0, false);
    GOO_ASSERT(scope->source.reserved == 0, "scope: %zu bytes of its parent's left (LANE-5)",
               scope->source.reserved);
    GooAllocator *parent = scope->source.parent;
    *scope = (Scope){0};
    goo_memory_free_with(parent, scope, sizeof *scope);
}

GooAllocator *goo_scoped_allocator_create(GooAllocator *parent) {
    parent = gooi_parent(parent);
    Scope *scope = gooi_parent_new(parent, sizeof *scope);
    if (scope == NULL) {
        return NULL;
    }
    gooi_source_init(&scope->source, &scope->head.allocator, parent, SCOPE_BLOCK_SIZE, 0);
    scope->source.spare_max = 1;
    gooi_lane_init(&scope->lane, &scope->source);
    scope->head.ops = &scope_ops;
    scope->head.allocator = (GooAllocator){
        .alloc = scope_alloc,
        .realloc = scope_realloc,
        .free = scope_free,
        .destroy = scope_destroy,
        .context = scope,
        .resize = scope_resize,
        .name = "scoped",
        .capabilities = GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS | GOO_ALLOCATOR_OWNS |
                        GOOI_ALLOCATOR_EXTENDED | GOOI_ALLOCATOR_PAGES | GOOI_ALLOCATOR_CLAIMS |
                        GOOI_ALLOCATOR_DIRECT,
    };
    return &scope->head.allocator;
}
