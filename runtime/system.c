/* The system allocator: malloc, calloc, realloc and aligned_alloc behind GooAllocator.
 *
 * Alignments up to 16 are what malloc gives anyway; beyond that aligned_alloc, whose blocks free
 * and realloc take back as well, though realloc may lose the alignment: such blocks are moved by
 * hand. Growing in place uses the slack behind a block, as far as malloc_usable_size reports it;
 * under sanitizers and valgrind that is nothing, so they still see every overrun.
 *
 *   SYSTEM-1  every block came from malloc or aligned_alloc, so free needs no size
 *
 * Threads: any. No state: `ctx` is not used.
 * Left out on purpose: Windows has no aligned_alloc; a port brings its own file.
 */
#include "runtime/system.h"

#include "goo/allocators/system.h"
#include "runtime/bits.h"
#include "runtime/blocks.h"
#include "runtime/platform/platform.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What malloc guarantees: enough for any standard type, and 16 on the targets we know. */
#define SYSTEM_MALLOC_ALIGNMENT                                                                    \
    (_Alignof(max_align_t) < GOO_DEFAULT_ALIGNMENT ? _Alignof(max_align_t) : GOO_DEFAULT_ALIGNMENT)

/* The size and alignment that the options make of those asked for. True: it does not fit. */
static bool system_adjust(size_t *size, size_t *alignment, GooAllocOptions options) {
    if ((options & GOO_ALLOC_PAGE) == 0) {
        return false;
    }
    size_t page_size = gooi_platform_page_size();
    *alignment = *alignment < page_size ? page_size : *alignment;
    return gooi_align_up_overflows(*size, page_size, size);
}

static void *system_obtain(size_t size, size_t alignment, bool zero) {
    if (alignment <= SYSTEM_MALLOC_ALIGNMENT) {
        return zero ? calloc(1, size) : malloc(size);
    }
    size_t rounded;
    if (gooi_align_up_overflows(size, alignment, &rounded)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = aligned_alloc(alignment, rounded);
    if (p != NULL && zero) {
        memset(p, 0, size);
    }
    return p;
}

/* What is neither small nor plain. */
static GOOI_NEVER_INLINE void *system_alloc_with(size_t size, size_t alignment,
                                                 GooAllocOptions options) {
    bool zero = (options & GOO_ALLOC_ZERO) != 0;
    if (system_adjust(&size, &alignment, options)) {
        errno = ENOMEM;
        return NULL;
    }
    if ((options & (GOO_ALLOC_GROWABLE | GOO_ALLOC_EXACT)) == GOO_ALLOC_GROWABLE &&
        size <= (size_t)PTRDIFF_MAX / 2) {
        int saved_errno = errno;
        void *p = system_obtain(size + size / 4, alignment, zero);
        if (p != NULL) {
            return p;
        }
        errno = saved_errno;
    }
    return system_obtain(size, alignment, zero);
}

/* Options that change nothing here, and EXACT, TEMP and PERSIST are such, leave it to malloc. */
void *gooi_system_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    (void)ctx;
    GooAllocOptions special = GOO_ALLOC_ZERO | GOO_ALLOC_GROWABLE | GOO_ALLOC_PAGE;
    if (GOOI_LIKELY((options & special) == 0 && alignment <= SYSTEM_MALLOC_ALIGNMENT)) {
        return malloc(size);
    }
    return system_alloc_with(size, alignment, options);
}

/* For alignments that realloc would lose. */
static void *system_move(void *ptr, size_t old_size, size_t new_size, size_t alignment) {
    void *p = system_obtain(new_size, alignment, false);
    if (p != NULL) {
        memcpy(p, ptr, old_size < new_size ? old_size : new_size);
        free(ptr);
    }
    return p;
}

void *gooi_system_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                          GooAllocOptions options) {
    (void)ctx;
    size_t room = new_size;
    if (system_adjust(&room, &alignment, options)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = alignment <= SYSTEM_MALLOC_ALIGNMENT ? realloc(ptr, room)
                                                   : system_move(ptr, old_size, room, alignment);
    if (p != NULL && new_size > old_size && (options & GOO_ALLOC_ZERO) != 0) {
        memset((uint8_t *)p + old_size, 0, new_size - old_size);
    }
    return p;
}

void gooi_system_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    (void)ctx;
    (void)size;
    (void)alignment;
    free(ptr);
}

bool gooi_system_resize(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment) {
    (void)ctx;
    (void)alignment;
    return new_size <= old_size || new_size <= gooi_platform_heap_usable_size(ptr);
}

static void system_destroy(void *self) {
    gooi_blocks_forget(self); /* also when the program calls this by itself */
    free(self);
}

GooAllocator *goo_system_allocator_create(void) {
    GooAllocator *a = malloc(sizeof *a);
    if (a == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    *a = (GooAllocator){
        .alloc = gooi_system_alloc,
        .realloc = gooi_system_realloc,
        .free = gooi_system_free,
        .destroy = system_destroy,
        .resize = gooi_system_resize,
        .name = "system",
        .capabilities = GOOI_SYSTEM_CAPABILITIES,
    };
    return a;
}
