/* The fixed allocator: a cursor over the caller's bytes.
 *
 *     base [ block | pad | block | ... used ... | free ] size
 *
 *   FIXED-1  used <= size; blocks lie below base + used
 *   FIXED-2  addresses are aligned, not offsets: base may have any alignment
 *   FIXED-3  while it is attached to a heap and track_stats is off, its own stats.bytes_reserved is
 *            what the heap counts of it: nothing else is at hand to hold that
 *
 * The public struct has no room for a list of what it can do beyond the interface, so that stands
 * in gooi_hooks (GOOI_ALLOCATOR_FIXED).
 *
 * Threads: one at a time.
 */
#include "goo/allocators/fixed.h"

#include "allocators/impl.h"

#include <errno.h>
#include <string.h>

/* What a heap counts of the allocator, while the front door's counters don't (FIXED-3). */
static void fixed_count(GooFixedBuffer *f, size_t bytes) {
    if ((f->allocator.capabilities & GOOI_ALLOCATOR_ATTACHED) != 0 && !f->allocator.track_stats) {
        f->allocator.stats.bytes_reserved += bytes;
    }
}

static void *fixed_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    GooFixedBuffer *f = ctx;
    size_t asked = size;
    gooi_round_to_pages(options, &size, &alignment);
    uintptr_t cursor = (uintptr_t)f->base + f->used;
    size_t pad = -cursor & (alignment - 1);
    size_t room = f->size - f->used;
    if (GOOI_UNLIKELY(pad > room || size > room - pad)) {
        errno = ENOMEM;
        return NULL;
    }
    uint8_t *p = f->base + f->used + pad;
    f->used += pad + size;
    if ((options & GOO_ALLOC_ZERO) != 0) {
        memset(p, 0, size);
    }
    fixed_count(f, asked);
    return p;
}

static bool fixed_is_last(const GooFixedBuffer *f, const void *ptr, size_t size) {
    return (const uint8_t *)ptr + size == f->base + f->used;
}

static void fixed_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    (void)alignment;
    GooFixedBuffer *f = ctx;
    if (fixed_is_last(f, ptr, size)) {
        f->used -= size;
    }
    fixed_count(f, (size_t)0 - size);
}

static bool fixed_resize(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment) {
    (void)alignment;
    GooFixedBuffer *f = ctx;
    bool last = fixed_is_last(f, ptr, old_size);
    size_t room = last ? f->size - f->used : 0;
    if (new_size > old_size && new_size - old_size > room) {
        return false;
    }
    f->used += last ? new_size - old_size : 0;
    fixed_count(f, new_size - old_size);
    return true;
}

static void *fixed_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                           GooAllocOptions options) {
    void *p = ptr;
    bool paged = (options & GOO_ALLOC_PAGE) != 0 && new_size > old_size;
    if (paged || !fixed_resize(ctx, ptr, old_size, new_size, alignment)) {
        p = fixed_alloc(ctx, new_size, alignment, options & GOO_ALLOC_PAGE);
        if (p == NULL) {
            return NULL;
        }
        memcpy(p, ptr, old_size); /* only growth gets here */
        fixed_count(ctx, (size_t)0 - old_size);
    }
    if (new_size > old_size && (options & GOO_ALLOC_ZERO) != 0) {
        memset((uint8_t *)p + old_size, 0, new_size - old_size);
    }
    return p;
}

static bool fixed_owns(GooAllocator *a, const void *ptr) {
    const GooFixedBuffer *f = (const GooFixedBuffer *)(const void *)a;
    return (uintptr_t)ptr - (uintptr_t)f->base < f->used;
}

static void fixed_reset(GooAllocator *a) {
    ((GooFixedBuffer *)(void *)a)->used = 0;
    if (a->track_stats) {
        gooi_settle_counted(a);
    } else {
        gooi_memory_settle(a, a->stats.bytes_reserved, 0, 0);
        a->stats.bytes_reserved = 0;
    }
    gooi_claims_lost_all(a);
}

/* Nothing is the allocator's own; what it gave can not be told from what is free any more. */
static void fixed_destroy(void *self) {
    ((GooFixedBuffer *)self)->used = 0;
    gooi_claims_lost_all(&((GooFixedBuffer *)self)->allocator);
}

GooAllocator *goo_fixed_allocator_init(GooFixedBuffer *state, void *buffer, size_t size) {
    static const GooiAllocatorOps fixed_ops = {.reset = fixed_reset, .owns = fixed_owns};
    if (state == NULL || (buffer == NULL && size != 0)) {
        errno = EINVAL;
        return NULL;
    }
    gooi_hooks.fixed_ops = &fixed_ops;
    *state = (GooFixedBuffer){
        .allocator =
            {
                .alloc = fixed_alloc,
                .realloc = fixed_realloc,
                .free = fixed_free,
                .destroy = fixed_destroy,
                .context = state,
                .resize = fixed_resize,
                .name = "fixed",
                .capabilities = GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS | GOO_ALLOCATOR_OWNS |
                                GOOI_ALLOCATOR_FIXED | GOOI_ALLOCATOR_PAGES,
            },
        .base = buffer,
        .size = size,
    };
    return &state->allocator;
}
