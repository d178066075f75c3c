/* The bridge's calls: another language's allocator as a GooAllocator, and a GooAllocator's blocks
 * for another language.
 *
 *     Zig ──goo_bridge_alloc──▶ front door ──▶ any allocator          a jump, no header, no state
 *     C ──▶ front door ──▶ BridgeWrapper ──GooForeignAllocator──▶ Zig
 *
 * Both directions pass the front door once, so that strategies, limits, counters and observers see
 * each request. A wrapper has no counters and no lock of its own.
 *
 *   BRIDGE-1  a block has the length and the alignment that were last asked for, on both sides
 *   BRIDGE-2  a failed realloc leaves the block: the new one exists before the old one is freed
 *
 * Threads: as the allocator at hand. Left out on purpose: anything that guesses whether a foreign
 * allocator is thread-safe.
 */
#include "goo/bridge.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"

#include <errno.h>
#include <string.h>

enum {
    BRIDGE_SIZE_BITS = (int)(8 * sizeof(size_t)),
    BRIDGE_MOVES_PAGES_SIZE = 128 * 1024 /* where C libraries begin to map blocks */
};

/* --- another language's allocator --- */

typedef struct BridgeWrapper {
    GooAllocator allocator;
    GooForeignAllocator foreign;
    GooAllocator *home; /* this lies there */
} BridgeWrapper;

static uint8_t bridge_log2(size_t alignment) {
    uint8_t log2 = 0;
    while (alignment >> log2 > 1) {
        log2++;
    }
    return log2;
}

static void *wrapper_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    const GooForeignAllocator *f = ctx;
    uint8_t *p = f->alloc(f->ctx, size, bridge_log2(alignment), 0);
    if (p == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    return (options & GOO_ALLOC_ZERO) != 0 ? memset(p, 0, size) : p;
}

static void wrapper_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    const GooForeignAllocator *f = ctx;
    f->free(f->ctx, ptr, size, bridge_log2(alignment), 0);
}

static bool wrapper_resize(void *ctx, void *ptr, size_t old_size, size_t new_size,
                           size_t alignment) {
    const GooForeignAllocator *f = ctx;
    return f->resize(f->ctx, ptr, old_size, bridge_log2(alignment), new_size, 0);
}

/* The block where it is or where the foreign allocator moves it; NULL: copy. */
static uint8_t *wrapper_keep(const GooForeignAllocator *f, uint8_t *ptr, size_t old_size,
                             size_t new_size, uint8_t log2) {
    if (f->remap != NULL) {
        return f->remap(f->ctx, ptr, old_size, log2, new_size, 0);
    }
    bool stays = f->resize != NULL && f->resize(f->ctx, ptr, old_size, log2, new_size, 0);
    return stays ? ptr : NULL;
}

static void *wrapper_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size,
                             size_t alignment, GooAllocOptions options) {
    const GooForeignAllocator *f = ctx;
    uint8_t log2 = bridge_log2(alignment);
    uint8_t *p = wrapper_keep(f, ptr, old_size, new_size, log2);
    if (p == NULL) {
        p = f->alloc(f->ctx, new_size, log2, 0);
        if (p == NULL) { /* BRIDGE-2 */
            errno = ENOMEM;
            return NULL;
        }
        memcpy(p, ptr, old_size < new_size ? old_size : new_size);
        f->free(f->ctx, ptr, old_size, log2, 0);
    }
    if ((options & GOO_ALLOC_ZERO) != 0 && new_size > old_size) {
        memset(p + old_size, 0, new_size - old_size);
    }
    return p;
}

static void wrapper_destroy(void *self) {
    BridgeWrapper *wrapper = self;
    goo_memory_free_with(wrapper->home, wrapper, sizeof *wrapper);
}

GooAllocator *goo_bridge_wrap(const GooForeignAllocator *foreign) {
    if (foreign == NULL || foreign->alloc == NULL || foreign->free == NULL) {
        errno = EINVAL;
        return NULL;
    }
    GooAllocator *home = goo_get_thread_allocator();
    BridgeWrapper *wrapper = goo_memory_alloc_with(home, sizeof *wrapper);
    if (wrapper == NULL) {
        return NULL;
    }
    bool resizes = foreign->resize != NULL;
    *wrapper = (BridgeWrapper){
        .allocator =
            {
                .alloc = wrapper_alloc,
                .realloc = wrapper_realloc,
                .free = wrapper_free,
                .destroy = wrapper_destroy,
                .context = &wrapper->foreign,
                .resize = resizes ? wrapper_resize : NULL,
                .name = "foreign",
                .capabilities = GOO_ALLOCATOR_FREES | (resizes ? GOO_ALLOCATOR_RESIZES : 0u),
            },
        .foreign = *foreign,
        .home = home,
    };
    return &wrapper->allocator;
}

/* --- blocks for another language --- */

/* 0 stands for an alignment that does not exist; the front door's 0 has another meaning. */
static inline size_t bridge_alignment(uint8_t log2_align) {
    return log2_align < BRIDGE_SIZE_BITS ? (size_t)1 << log2_align : 0;
}

uint8_t *goo_bridge_alloc(GooAllocator *a, size_t len, uint8_t log2_align, size_t ret_addr) {
    (void)ret_addr;
    size_t alignment = bridge_alignment(log2_align);
    if (alignment == 0) {
        errno = EINVAL;
        return NULL;
    }
    return goo_memory_alloc_options(a, len, alignment, GOO_ALLOC_DEFAULT);
}

bool goo_bridge_resize(GooAllocator *a, uint8_t *ptr, size_t len, uint8_t log2_align,
                       size_t new_len, size_t ret_addr) {
    (void)ret_addr;
    size_t alignment = bridge_alignment(log2_align);
    return alignment != 0 && goo_memory_resize_options(a, ptr, len, new_len, alignment);
}

uint8_t *goo_bridge_remap(GooAllocator *a, uint8_t *ptr, size_t len, uint8_t log2_align,
                          size_t new_len, size_t ret_addr) {
    if (goo_bridge_resize(a, ptr, len, log2_align, new_len, ret_addr)) {
        return ptr;
    }
    size_t alignment = bridge_alignment(log2_align);
    if (alignment == 0 || ptr == NULL || new_len == 0 || len < BRIDGE_MOVES_PAGES_SIZE) {
        return NULL;
    }
    return goo_memory_realloc_options(a, ptr, len, new_len, alignment, GOO_ALLOC_DEFAULT);
}

void goo_bridge_free(GooAllocator *a, uint8_t *ptr, size_t len, uint8_t log2_align,
                     size_t ret_addr) {
    (void)ret_addr;
    size_t alignment = bridge_alignment(log2_align);
    /* What is no alignment is misuse, and the front door says so: 3 is none. */
    goo_memory_free_options(a, ptr, len, alignment != 0 ? alignment : 3);
}

void goo_bridge_get_alloc_stats(GooAllocator *a, GooAllocStats *out_stats) {
    if (out_stats != NULL) {
        *out_stats = goo_get_alloc_stats(a);
    }
}
