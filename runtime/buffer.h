/* What an owned buffer remembers beyond the public struct. Private.
 *
 *     base                       data - 32        data
 *     | room for the alignment … | GooiBufferHead | capacity bytes |
 *
 *   BUFFER-1  an owned buffer's data has a head in front of it, whose mark verifies
 *   BUFFER-2  length * element_size <= capacity
 */
#ifndef GOO_RUNTIME_BUFFER_H
#define GOO_RUNTIME_BUFFER_H

#include "goo/runtime/buffer.h"
#include "runtime/base.h"

typedef struct GooiBufferHead {
    size_t capacity; /* bytes behind the head */
    size_t position; /* where a memory reader is; bytes */
    uint32_t offset; /* from the block's start to data */
    uint32_t mark;
    GooAllocOptions options;
    uint32_t unused;
} GooiBufferHead;

/* The head of an owned buffer; panics if there is none (BUFFER-1). */
GooiBufferHead *gooi_buffer_head(const GooBuffer *b, const char *call);

#endif
