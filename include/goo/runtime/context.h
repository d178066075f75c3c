/* Contexts: an allocator, a place to write to and one to read from, handed down together.
 *
 * Choose a GooAllocContext for code that should not know whether it works on files or memory, nor
 * where its memory comes from.
 *
 *     GooAllocContext c = {NULL, goo_writer_file(stdout), goo_reader_file(stdin)};
 *     GooAllocator *scope = goo_scoped_allocator_create(NULL);
 *     GooBuffer line;
 *     while ((line = goo_context_read_line(&c, scope)).data != NULL) {
 *         goo_context_printf(&c, "%zu: %s\n", line.length, (char *)line.data);
 *     }
 *     goo_allocator_destroy(scope);
 *
 * What holds for every call: an `allocator` or `scope` that is NULL is this thread's allocator; a
 * writer or reader all zero is one that fails. Threads: one at a time for a context and what it
 * refers to. Nothing is buffered here; files do that.
 */
#ifndef GOO_CONTEXT_H
#define GOO_CONTEXT_H

#include "goo/runtime/buffer.h"

GOO_BEGIN_DECLS

#if (defined(__GNUC__) || defined(__clang__)) && !defined(__ARO_EMULATE__)
#define GOO_PRINTF_(format, first) __attribute__((__format__(__printf__, format, first)))
#else
#define GOO_PRINTF_(format, first)
#endif

/* Where bytes go. `write` takes some or all of `size` bytes, above 0, and returns how many; 0 is a
 * failure. */
typedef struct GooWriter {
    void *ctx;
    size_t (*write)(void *ctx, const void *bytes, size_t size);
} GooWriter;

/* Where bytes come from. `read` gives up to `size` bytes, above 0, and returns how many; 0 at the
 * end. */
typedef struct GooReader {
    void *ctx;
    size_t (*read)(void *ctx, void *bytes, size_t size);
} GooReader;

typedef struct GooAllocContext {
    GooAllocator *allocator;
    GooWriter out;
    GooReader in;
} GooAllocContext;

/* Writes to a file, which stays the caller's. */
GOO_API GooWriter goo_writer_file(FILE *file);
/* Appends to a buffer of bytes (element_size 1) that has an owner and outlives the writer. */
GOO_API GooWriter goo_writer_buffer(GooBuffer *growing);
/* Takes everything and keeps nothing. */
GOO_API GooWriter goo_writer_null(void);

/* Reads a file, which stays the caller's. */
GOO_API GooReader goo_reader_file(FILE *file);
/* Reads a buffer's elements as bytes, from its start. A buffer with an owner stays as it is; of one
 * that is wrapped, `data` and `length` move on to what is left. It must outlive the reader. */
GOO_API GooReader goo_reader_memory(GooBuffer *bytes);

/* Allocates from the context's allocator, as goo_memory_alloc_with. */
GOO_API void *goo_context_alloc(GooAllocContext *c, size_t size);
/* Allocates from `scope`, which frees the block when it unwinds, resets or is destroyed; whoever
 * wants may free it before, to `scope`. */
GOO_API void *goo_context_alloc_deferred(GooAllocContext *c, GooAllocator *scope, size_t size);

/* Writes all bytes, in as many steps as the writer needs.
 * Fails: GOO_ERR_IO; some bytes may have been written. GOO_ERR_UNSUPPORTED without a writer. */
GOO_API GooStatus goo_context_write(GooAllocContext *c, const void *bytes, size_t size);
/* Formats as printf and writes it. Text beyond 512 bytes takes a block of the context's allocator
 * meanwhile.
 * Returns: how many bytes; or a negative GooStatus: GOO_ERR_NO_MEMORY and GOO_ERR_INVALID_ARGUMENT,
 * nothing was written then, or as above. */
GOO_API int goo_context_printf(GooAllocContext *c, const char *format, ...) GOO_PRINTF_(2, 3);

/* The next byte, 0 to 255; -1 at the end, or without a reader. */
GOO_API int goo_context_read_char(GooAllocContext *c);
/* The next line without its '\n', with a 0 behind its last byte that does not count.
 * Returns: bytes that the scope frees; an empty line has data and length 0; data NULL with errno 0
 * at the end. Fails: data NULL with errno ENOMEM; what was read of the line is then lost.
 * Cost: reads byte by byte, so the reader should be one that buffers. */
GOO_API GooBuffer goo_context_read_line(GooAllocContext *c, GooAllocator *scope);
/* Formats as printf into bytes that the scope frees, with a 0 behind the last that does not count.
 * Fails: data NULL, with errno ENOMEM or EINVAL. */
GOO_API GooBuffer goo_context_format(GooAllocContext *c, GooAllocator *scope, const char *format,
                                     ...) GOO_PRINTF_(3, 4);

GOO_END_DECLS

#endif
