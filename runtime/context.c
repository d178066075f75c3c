/* Contexts: writers and readers over files and memory, and what is built on them.
 *
 * A writer may take less than it is given and a reader may give less than it is asked for; the
 * loops that make up for it stand here, once. A scope is any allocator that frees what it gave:
 * blocks for it are allocated from it, so nothing has to be registered and no registration can
 * fail.
 *
 * Threads: one at a time for a context and what it refers to.
 */
#include "goo/runtime/context.h"

#include "goo/runtime/memory.h"
#include "runtime/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

enum { CONTEXT_TEXT_SIZE = 512 };

/* --- writers --- */

static size_t writer_file_write(void *ctx, const void *bytes, size_t size) {
    return fwrite(bytes, 1, size, ctx);
}

static size_t writer_buffer_write(void *ctx, const void *bytes, size_t size) {
    GooBuffer *b = ctx;
    size_t length = b->length;
    if (b->element_size != 1 || size > SIZE_MAX - length ||
        goo_buffer_resize(b, length + size) != GOO_OK) {
        return 0;
    }
    memcpy((uint8_t *)b->data + length, bytes, size);
    return size;
}

static size_t writer_null_write(void *ctx, const void *bytes, size_t size) {
    (void)ctx;
    (void)bytes;
    return size;
}

GooWriter goo_writer_file(FILE *file) {
    return (GooWriter){file, file != NULL ? writer_file_write : NULL};
}

GooWriter goo_writer_buffer(GooBuffer *growing) {
    return (GooWriter){growing, growing != NULL ? writer_buffer_write : NULL};
}

GooWriter goo_writer_null(void) {
    return (GooWriter){NULL, writer_null_write};
}

/* --- readers --- */

static size_t reader_file_read(void *ctx, void *bytes, size_t size) {
    return fread(bytes, 1, size, ctx);
}

static size_t reader_owned_read(void *ctx, void *bytes, size_t size) {
    GooBuffer *b = ctx;
    GooiBufferHead *head = gooi_buffer_head(b, "reader");
    size_t end = b->length * b->element_size;
    size_t left = head->position < end ? end - head->position : 0;
    size_t taken = size < left ? size : left;
    memcpy(bytes, (uint8_t *)b->data + head->position, taken);
    head->position += taken;
    return taken;
}

/* The view becomes one of single bytes, so that it can begin anywhere. */
static size_t reader_view_read(void *ctx, void *bytes, size_t size) {
    GooBuffer *b = ctx;
    size_t taken = size < b->length ? size : b->length;
    if (taken != 0) {
        memcpy(bytes, b->data, taken);
        b->data = (uint8_t *)b->data + taken;
        b->length -= taken;
    }
    return taken;
}

GooReader goo_reader_file(FILE *file) {
    return (GooReader){file, file != NULL ? reader_file_read : NULL};
}

GooReader goo_reader_memory(GooBuffer *bytes) {
    if (bytes == NULL) {
        return (GooReader){NULL, NULL};
    }
    if (bytes->owner != NULL) {
        gooi_buffer_head(bytes, __func__)->position = 0;
        return (GooReader){bytes, reader_owned_read};
    }
    bytes->length *= bytes->element_size;
    bytes->element_size = 1;
    return (GooReader){bytes, reader_view_read};
}

/* --- allocate --- */

void *goo_context_alloc(GooAllocContext *c, size_t size) {
    return goo_memory_alloc_with(c->allocator, size);
}

void *goo_context_alloc_deferred(GooAllocContext *c, GooAllocator *scope, size_t size) {
    (void)c;
    return goo_memory_alloc_with(scope, size);
}

/* --- write --- */

GooStatus goo_context_write(GooAllocContext *c, const void *bytes, size_t size) {
    if (c->out.write == NULL) {
        return GOO_ERR_UNSUPPORTED;
    }
    const uint8_t *rest = bytes;
    while (size != 0) {
        size_t written = c->out.write(c->out.ctx, rest, size);
        if (written == 0 || written > size) {
            return GOO_ERR_IO;
        }
        rest += written;
        size -= written;
    }
    return GOO_OK;
}

/* Text longer than the stack's buffer, by way of a block of the allocator. */
static GooStatus context_write_long(GooAllocContext *c, size_t length, const char *format,
                                    va_list arguments) {
    char *text = goo_memory_alloc_with(c->allocator, length + 1);
    if (text == NULL) {
        return GOO_ERR_NO_MEMORY;
    }
    vsnprintf(text, length + 1, format, arguments);
    GooStatus status = goo_context_write(c, text, length);
    goo_memory_free_with(c->allocator, text, length + 1);
    return status;
}

int goo_context_printf(GooAllocContext *c, const char *format, ...) {
    char text[CONTEXT_TEXT_SIZE];
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(text, sizeof text, format, arguments);
    GooStatus status = GOO_ERR_INVALID_ARGUMENT;
    if (length >= 0) {
        status = (size_t)length < sizeof text
                     ? goo_context_write(c, text, (size_t)length)
                     : context_write_long(c, (size_t)length, format, again);
    }
    va_end(again);
    va_end(arguments);
    return status == GOO_OK ? length : (int)status;
}

/* --- read --- */

int goo_context_read_char(GooAllocContext *c) {
    unsigned char byte;
    if (c->in.read == NULL || c->in.read(c->in.ctx, &byte, 1) != 1) {
        return -1;
    }
    return byte;
}

/* Puts a 0 behind the last byte. False: no memory. */
static bool context_terminate(GooBuffer *b) {
    size_t length = b->length;
    if (goo_buffer_resize(b, length + 1) != GOO_OK) {
        return false;
    }
    ((char *)b->data)[length] = '\0';
    return goo_buffer_resize(b, length) == GOO_OK;
}

static bool context_append(GooBuffer *b, int byte) {
    size_t length = b->length;
    if (goo_buffer_resize(b, length + 1) != GOO_OK) {
        return false;
    }
    ((unsigned char *)b->data)[length] = (unsigned char)byte;
    return true;
}

GooBuffer goo_context_read_line(GooAllocContext *c, GooAllocator *scope) {
    GooBuffer none = {0};
    int byte = goo_context_read_char(c);
    if (byte < 0) {
        errno = 0;
        return none;
    }
    GooBuffer line = goo_buffer_create(scope, 64, 1, GOO_ALLOC_DEFAULT);
    bool fits = line.data != NULL;
    line.length = 0;
    for (; fits && byte >= 0 && byte != '\n'; byte = goo_context_read_char(c)) {
        fits = context_append(&line, byte);
    }
    if (!fits || !context_terminate(&line)) {
        goo_buffer_free(&line);
        errno = ENOMEM;
        return none;
    }
    return line;
}

GooBuffer goo_context_format(GooAllocContext *c, GooAllocator *scope, const char *format, ...) {
    (void)c;
    GooBuffer text = {0};
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length < 0) {
        errno = EINVAL;
    } else {
        text = goo_buffer_create(scope, (size_t)length + 1, 1, GOO_ALLOC_EXACT);
    }
    if (text.data != NULL) {
        vsnprintf(text.data, (size_t)length + 1, format, again);
        text.length = (size_t)length;
    }
    va_end(again);
    va_end(arguments);
    return text;
}
