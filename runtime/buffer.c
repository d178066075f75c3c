/* Buffers: length, bounds and growth over one block of an allocator.
 *
 * The public struct has no room for a capacity, so an owned buffer keeps it in front of its data.
 * Growth takes half as much again as was there, so that appending costs a constant per element.
 *
 *   invariants BUFFER-1 and BUFFER-2: runtime/buffer.h
 *
 * Threads: one at a time for each buffer.
 * Left out on purpose: giving memory back when a buffer shrinks; free and create anew do that.
 */
#include "runtime/buffer.h"

#include "goo/runtime/memory.h"
#include "runtime/bits.h"
#include "runtime/check.h"
#include "runtime/globals.h"
#include "runtime/platform/platform.h"

#include <errno.h>
#include <string.h>

enum { BUFFER_MARK = 0x60f0b0ff, BUFFER_HEAD_SIZE = 32 };
_Static_assert(sizeof(GooiBufferHead) <= BUFFER_HEAD_SIZE, "a head fits in front of the data");

/* --- the head --- */

static GooiBufferHead *buffer_head_at(void *data) {
    return (GooiBufferHead *)(void *)((uint8_t *)data - BUFFER_HEAD_SIZE);
}

GooiBufferHead *gooi_buffer_head(const GooBuffer *b, const char *call) {
    GooiBufferHead *head = b->data != NULL ? buffer_head_at(b->data) : NULL;
    GOO_REQUIRE(head != NULL && head->mark == BUFFER_MARK,
                "%s: %p was not made by goo_buffer_create, or was freed", call, b->data);
    GOO_ASSERT(b->length * b->element_size <= head->capacity, "%s: %zu elements in %zu (BUFFER-2)",
               call, b->length, head->capacity);
    return head;
}

/* The alignment of data, and so the distance from the block's start to it. */
static size_t buffer_alignment(GooAllocOptions options) {
    return (options & GOO_ALLOC_PAGE) != 0 ? gooi_platform_page_size() : GOO_DEFAULT_ALIGNMENT;
}

static size_t buffer_offset(GooAllocOptions options) {
    size_t alignment = buffer_alignment(options);
    return alignment < BUFFER_HEAD_SIZE ? BUFFER_HEAD_SIZE : alignment;
}

/* --- making and ending --- */

GooBuffer goo_buffer_create(GooAllocator *a, size_t count, size_t element_size,
                            GooAllocOptions options) {
    GooBuffer none = {0};
    size_t capacity = 0, size = 0;
    size_t offset = buffer_offset(options);
    if (element_size == 0) {
        errno = EINVAL;
        return none;
    }
    a = a != NULL ? a : gooi_current_allocator();
    if (gooi_multiply_overflows(count, element_size, &capacity) ||
        gooi_add_overflows(capacity, offset, &size)) {
        size = SIZE_MAX; /* refused, and counted, by the front door */
    }
    GooAllocOptions passed = options & ~(GooAllocOptions)GOO_ALLOC_PAGE;
    uint8_t *base = goo_memory_alloc_options(a, size, buffer_alignment(options), passed);
    if (base == NULL) {
        return none;
    }
    uint8_t *data = base + offset;
    *buffer_head_at(data) = (GooiBufferHead){
        .capacity = capacity, .offset = (uint32_t)offset, .mark = BUFFER_MARK, .options = options};
    return (GooBuffer){data, count, element_size, a};
}

GooBuffer goo_buffer_wrap(void *data, size_t count, size_t element_size) {
    GOO_REQUIRE((data != NULL || count == 0) && element_size != 0,
                "goo_buffer_wrap: %zu elements of %zu bytes at %p", count, element_size, data);
    return (GooBuffer){data, count, element_size, NULL};
}

void goo_buffer_free(GooBuffer *b) {
    if (b == NULL) {
        return;
    }
    if (b->owner != NULL) {
        GooiBufferHead *head = gooi_buffer_head(b, __func__);
        head->mark = 0;
        goo_memory_free_options(b->owner, (uint8_t *)b->data - head->offset,
                                head->offset + head->capacity, buffer_alignment(head->options));
    }
    *b = (GooBuffer){0};
}

/* --- elements --- */

void *goo_buffer_try_at(const GooBuffer *b, size_t index) {
    return index < b->length ? (uint8_t *)b->data + index * b->element_size : NULL;
}

void *goo_buffer_at(const GooBuffer *b, size_t index) {
    GOO_REQUIRE(index < b->length, "goo_buffer_at: index %zu of a buffer of %zu elements at %p",
                index, b->length, b->data);
    return (uint8_t *)b->data + index * b->element_size;
}

GooBuffer goo_buffer_slice(const GooBuffer *b, size_t first, size_t count) {
    GOO_REQUIRE(first <= b->length && count <= b->length - first,
                "goo_buffer_slice: %zu elements from %zu of a buffer of %zu at %p", count, first,
                b->length, b->data);
    uint8_t *start = b->data;
    return (GooBuffer){start != NULL ? start + first * b->element_size : NULL, count,
                       b->element_size, NULL};
}

void goo_buffer_clear(GooBuffer *b) {
    if (b->owner != NULL) {
        gooi_buffer_head(b, __func__)->position = 0;
    }
    b->length = 0;
}

void goo_buffer_fill(GooBuffer *b, const void *element) {
    if (b->length != 0) {
        goo_memory_fill(b->data, element, b->element_size, b->length * b->element_size);
    }
}

GooStatus goo_buffer_copy_from(GooBuffer *b, const GooBuffer *source) {
    if (b->element_size != source->element_size) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (b->owner == NULL && source->length > b->length) {
        return GOO_ERR_LIMIT;
    }
    GooBuffer from = *source; /* if it is a slice of b, b is long enough and does not move */
    if (from.length > b->length) {
        GooStatus status = goo_buffer_resize(b, from.length);
        if (status != GOO_OK) {
            return status;
        }
    }
    if (from.length != 0) {
        memmove(b->data, from.data, from.length * b->element_size);
    }
    b->length = from.length;
    return GOO_OK;
}

/* --- growth --- */

/* The capacity that a buffer grows to if it must hold `needed` bytes. */
static size_t buffer_next_capacity(const GooiBufferHead *head, size_t needed) {
    size_t wanted;
    if ((head->options & GOO_ALLOC_EXACT) != 0 ||
        gooi_add_overflows(head->capacity, head->capacity / 2, &wanted) || wanted < needed) {
        return needed;
    }
    return wanted;
}

/* Gives the block room for `capacity` bytes of data. False: errno, and nothing has changed. */
static bool buffer_reserve(GooBuffer *b, size_t capacity) {
    GooiBufferHead *head = buffer_head_at(b->data);
    size_t offset = head->offset;
    size_t new_size;
    if (gooi_add_overflows(capacity, offset, &new_size)) {
        errno = ENOMEM;
        return false;
    }
    GooAllocOptions passed = head->options & ~(GooAllocOptions)GOO_ALLOC_PAGE;
    uint8_t *base = goo_memory_realloc_options(b->owner, (uint8_t *)b->data - offset,
                                               offset + head->capacity, new_size,
                                               buffer_alignment(head->options), passed);
    if (base == NULL) {
        return false;
    }
    b->data = base + offset;
    buffer_head_at(b->data)->capacity = capacity;
    return true;
}

GooStatus goo_buffer_resize(GooBuffer *b, size_t count) {
    if (b->owner == NULL) {
        if (count > b->length) {
            return GOO_ERR_UNSUPPORTED;
        }
        b->length = count;
        return GOO_OK;
    }
    const GooiBufferHead *head = gooi_buffer_head(b, __func__);
    size_t needed;
    if (gooi_multiply_overflows(count, b->element_size, &needed)) {
        return GOO_ERR_NO_MEMORY;
    }
    if (needed > head->capacity && !buffer_reserve(b, buffer_next_capacity(head, needed)) &&
        !buffer_reserve(b, needed)) {
        return GOO_ERR_NO_MEMORY;
    }
    size_t used = b->length * b->element_size;
    if (needed > used && (buffer_head_at(b->data)->options & GOO_ALLOC_ZERO) != 0) {
        memset((uint8_t *)b->data + used, 0, needed - used);
    }
    b->length = count;
    return GOO_OK;
}
