/* The fixed allocator: a cursor over the caller's bytes.
 *
 *     base [ block | pad | block | ... used ... | free ] size
 *
 *   FIXED-1  used <= size; blocks lie below base + used
 *   FIXED-2  addresses are aligned, not offsets: base may have any alignment
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

static void *fixed_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    GooFixedBuffer *f = ctx;
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
}

static bool fixed_resize(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment) {
    (void)alignment;
    GooFixedBuffer *f = ctx;
    if (!fixed_is_last(f, ptr, old_size)) {
        return new_size <= old_size;
    }
    if (new_size > old_size && new_size - old_size > f->size - f->used) {
        return false;
    }
    f->used += new_size - old_size;
    return true;
}

static void *fixed_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                           GooAllocOptions options) {
    void *p = ptr;
    if (!fixed_resize(ctx, ptr, old_size, new_size, alignment)) {
        p = fixed_alloc(ctx, new_size, alignment, GOO_ALLOC_DEFAULT);
        if (p == NULL) {
            return NULL;
        }
        memcpy(p, ptr, old_size); /* only growth gets here */
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
    gooi_claims_lost_all(a);
    ((GooFixedBuffer *)(void *)a)->used = 0;
    gooi_memory_settle_all_but(a, 0, 0);
}

/* Nothing is the allocator's own; what it gave can not be told from what is free any more. */
static void fixed_destroy(void *self) {
    GooFixedBuffer *f = self;
    gooi_claims_lost_all(&f->allocator);
    f->used = 0;
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
                                GOOI_ALLOCATOR_FIXED | GOOI_ALLOCATOR_DIRECT,
            },
        .base = buffer,
        .size = size,
    };
    return &state->allocator;
}
