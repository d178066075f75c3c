/* goo/bridge.h: a flat C ABI for languages that bring their own idea of an allocator, Zig first.
 *
 * Choose it from a language whose allocators take a length, the logarithm of an alignment and the
 * caller's return address, and get the same length and alignment back at free. Choose
 * goo/runtime/memory.h from C. The Zig package in bridge/ is made of these calls and goo/gc.h.
 *
 *     GooForeignAllocator zig = {ctx, zig_alloc, zig_resize, zig_remap, zig_free};
 *     GooAllocator *a = goo_bridge_wrap(&zig);
 *     char *text = goo_memory_alloc_with(a, 100);          C code on another language's memory
 *     goo_memory_free_with(a, text, 100);
 *     goo_allocator_destroy(a);
 *
 * There is no macro, inline function, bit field or variadic call here, so that translators take all
 * of it. Blocks have no header: what goo_bridge_alloc gives is a block of the allocator itself, and
 * may be freed by goo_memory_free_options with the same length and alignment, and the reverse.
 *
 * For every call: `a` NULL is this thread's allocator. `len` and `new_len` are bytes. log2_align is
 * the base-2 logarithm of an alignment: 4 stands for 16. `ret_addr` is the address to which the
 * code that asks will return, or 0 where it is not known.
 */
#ifndef GOO_BRIDGE_H
#define GOO_BRIDGE_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* Another language's allocator: Zig's four calls, in Zig's order and meaning. `len` is what the
 * block was last allocated or resized to, never 0. */
typedef struct GooForeignAllocator {
    void *ctx;
    /* NULL: no memory. */
    uint8_t *(*alloc)(void *ctx, size_t len, uint8_t log2_align, size_t ret_addr);
    /* In place, or false. NULL: never. */
    bool (*resize)(void *ctx, uint8_t *ptr, size_t len, uint8_t log2_align, size_t new_len,
                   size_t ret_addr);
    /* As resize, but the block may move when that is cheaper than a copy. NULL: the caller copies.
     * The member may be NULL: the caller always copies. */
    uint8_t *(*remap)(void *ctx, uint8_t *ptr, size_t len, uint8_t log2_align, size_t new_len,
                      size_t ret_addr);
    void (*free)(void *ctx, uint8_t *ptr, size_t len, uint8_t log2_align, size_t ret_addr);
} GooForeignAllocator;

/* Makes an allocator whose mechanism is `foreign`, which is copied; `alloc` and `free` must be set.
 * Everything that takes a GooAllocator works with it. Zeroing, page alignment, strategies, limits
 * and counting are Goo's; the foreign calls get ret_addr 0. It can free, and resize if `resize` is
 * set; its `context` points to the copy. The caller adds GOO_ALLOCATOR_THREAD_SAFE to its
 * capabilities, before it is shared, where the foreign calls are safe from any thread.
 * Returns: the allocator, strategy NULL, statistics off. Fails: NULL with EINVAL, ENOMEM.
 * Owner: the caller, until goo_allocator_destroy, which frees the wrapper only; it lies in this
 * thread's allocator, which, like `ctx`, must outlive it. Threads: any. Cost: one allocation. */
GOO_API GooAllocator *goo_bridge_wrap(const GooForeignAllocator *foreign);

/* Allocates `len` bytes, contents indeterminate. The allocator's strategy may collect or panic.
 * Returns: the block. Fails: NULL with ENOMEM, or EINVAL for an alignment that does not exist; NULL
 * without failure for len 0. Owner: the caller, until goo_bridge_free. Threads: the allocator's.
 * Cost: that of goo_memory_alloc_options and one test. */
GOO_API uint8_t *goo_bridge_alloc(GooAllocator *a, size_t len, uint8_t log2_align, size_t ret_addr);
/* Makes a block longer or shorter in place. False: it would have to move; nothing has changed and
 * nothing is counted as failed. Threads: the allocator's. */
GOO_API bool goo_bridge_resize(GooAllocator *a, uint8_t *ptr, size_t len, uint8_t log2_align,
                               size_t new_len, size_t ret_addr);
/* Makes a block longer or shorter, in place or by letting the allocator move it. A small block that
 * can't stay is NULL at once: the caller copies no more than it uses. From 128 KiB on the allocator
 * is asked to move it, since the system's and the page allocator's move pages instead of bytes.
 * Returns: the block. NULL: allocate, copy and free; it is not out of memory yet, and the block is
 * as it was. Threads: the allocator's. */
GOO_API uint8_t *goo_bridge_remap(GooAllocator *a, uint8_t *ptr, size_t len, uint8_t log2_align,
                                  size_t new_len, size_t ret_addr);
/* Frees a block; NULL does nothing. A length or alignment that is not the block's is misuse.
 * Threads: the allocator's. Cost: that of goo_memory_free_options. */
GOO_API void goo_bridge_free(GooAllocator *a, uint8_t *ptr, size_t len, uint8_t log2_align,
                             size_t ret_addr);

/* goo_get_alloc_stats without a struct by value. `out_stats` NULL does nothing. */
GOO_API void goo_bridge_get_alloc_stats(GooAllocator *a, GooAllocStats *out_stats);

/* What the library was compiled with, for the other side to assert: "sizeof GooAllocator",
 * "offsetof GooAllocator.context", "GOO_ALLOC_ZERO". Negative values are given modulo SIZE_MAX + 1.
 * All structs, members and enumeration constants of goo/goo.h are known.
 * Fails: PTRDIFF_MAX, which is no such value, with errno EINVAL for another name.
 * Threads: any. Cost: linear in the number of names. */
GOO_API size_t goo_bridge_layout(const char *name);
/* The names that goo_bridge_layout knows: index 0 and up, NULL behind the last. Threads: any. */
GOO_API const char *goo_bridge_layout_name(size_t index);

GOO_END_DECLS

#endif
