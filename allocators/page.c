/* The page allocator: each block is its own mapping, reserved, committed and released whole.
 *
 *     | size rounded up to pages |        at a page's alignment or a larger one
 *
 *   PAGE-1  a block's mapping is exactly its size rounded up to pages, so that free and resize can
 *           compute it from the size alone
 *   PAGE-2  the bytes of the last page behind the block's size may hold anything after a resize, so
 *           growth within the page zeroes what was asked to be zero
 *
 * Threads: any. No state: `ctx` is not used.
 * Left out on purpose: a cache of freed mappings; allocators above this one keep their blocks.
 */
#include "goo/allocators/page.h"

#include "runtime/bits.h"
#include "runtime/blocks.h"
#include "runtime/check.h"
#include "runtime/globals.h"
#include "runtime/platform/platform.h"
#include "runtime/system.h"

#include <errno.h>
#include <string.h>

/* The bytes of a block's mapping; false if the sum does not fit. */
static bool page_mapping_size(size_t size, size_t *out_size) {
    return !gooi_align_up_overflows(size, gooi_platform_page_size(), out_size);
}

static void *page_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    (void)ctx;
    (void)options; /* fresh pages are zero, whole, and exactly rounded anyway */
    size_t mapping_size;
    if (!page_mapping_size(size, &mapping_size)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = gooi_platform_reserve(mapping_size, alignment);
    if (p != NULL && !gooi_platform_commit(p, mapping_size)) {
        gooi_platform_release(p, mapping_size);
        p = NULL;
    }
    if (p == NULL) {
        errno = ENOMEM;
    }
    return p;
}

static void page_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    (void)ctx;
    (void)alignment;
    size_t mapping_size;
    bool fits = page_mapping_size(size, &mapping_size);
    GOO_REQUIRE(fits && ((uintptr_t)ptr & (gooi_platform_page_size() - 1)) == 0,
                "page allocator: free of %p, %zu bytes: not a block of whole pages", ptr, size);
    gooi_platform_release(ptr, mapping_size);
}

static bool page_resize(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment) {
    (void)ctx;
    (void)alignment;
    size_t old_mapping, new_mapping;
    if (!page_mapping_size(old_size, &old_mapping) || !page_mapping_size(new_size, &new_mapping) ||
        new_mapping > old_mapping) {
        return false;
    }
    if (new_mapping < old_mapping) {
        gooi_platform_release((uint8_t *)ptr + new_mapping, old_mapping - new_mapping);
    }
    return true;
}

static void *page_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                          GooAllocOptions options) {
    bool zero_tail = new_size > old_size && (options & GOO_ALLOC_ZERO) != 0;
    if (page_resize(ctx, ptr, old_size, new_size, alignment)) {
        if (zero_tail) {
            memset((uint8_t *)ptr + old_size, 0, new_size - old_size);
        }
        return ptr;
    }
    void *p = page_alloc(ctx, new_size, alignment, options);
    if (p != NULL) {
        memcpy(p, ptr, old_size); /* only growth gets here */
        page_free(ctx, ptr, old_size, alignment);
    }
    return p;
}

static void page_destroy(void *self) {
    gooi_blocks_forget(self); /* also when the program calls this by itself */
    gooi_system_free(NULL, self, sizeof(GooAllocator), GOO_DEFAULT_ALIGNMENT);
}

GooAllocator *goo_page_allocator_create(void) {
    GooAllocator *a = gooi_system_alloc(NULL, sizeof *a, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_DEFAULT);
    if (a == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    *a = (GooAllocator){
        .alloc = page_alloc,
        .realloc = page_realloc,
        .free = page_free,
        .destroy = page_destroy,
        .resize = page_resize,
        .name = "page",
        .capabilities = GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_THREAD_SAFE |
                        GOOI_ALLOCATOR_PAGES | GOOI_ALLOCATOR_DIRECT,
    };
    return a;
}
