/* An allocator written by hand, as a program would, that records what it is asked and can be told
 * to fail. Over malloc, so that sanitizers watch its blocks. Its functions never touch errno.
 *
 *     Mock mock;
 *     GooAllocator *a = mock_init(&mock);      capabilities 0, no resize, no destroy
 *     mock.failures = 3;                       the next three requests get NULL
 */
#ifndef GOO_TESTS_UNIT_MOCK_H
#define GOO_TESTS_UNIT_MOCK_H

#include "goo/core/types.h"

#include <stdlib.h>
#include <string.h>

typedef struct Mock {
    GooAllocator allocator;
    size_t failures; /* how many of the next requests fail */
    size_t allocs, reallocs, frees;
    size_t live; /* blocks */
    void *last_ptr;
    size_t last_size, last_old_size, last_alignment;
    GooAllocOptions last_options;
} Mock;

static inline bool mock_refuses(Mock *mock) {
    if (mock->failures == 0) {
        return false;
    }
    mock->failures--;
    return true;
}

static inline void *mock_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    Mock *mock = ctx;
    mock->allocs++;
    mock->last_size = size;
    mock->last_alignment = alignment;
    mock->last_options = options;
    if (mock_refuses(mock)) {
        return NULL;
    }
    size_t rounded = (size + alignment - 1) / alignment * alignment;
    void *p = aligned_alloc(alignment, rounded);
    if (p != NULL) {
        mock->live++;
        memset(p, (options & GOO_ALLOC_ZERO) != 0 ? 0 : 0xcd, size);
    }
    return p;
}

static inline void mock_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    Mock *mock = ctx;
    mock->frees++;
    mock->live--;
    mock->last_ptr = ptr;
    mock->last_size = size;
    mock->last_alignment = alignment;
    free(ptr);
}

static inline void *mock_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size,
                                 size_t alignment, GooAllocOptions options) {
    Mock *mock = ctx;
    mock->reallocs++;
    mock->last_ptr = ptr;
    mock->last_old_size = old_size;
    mock->last_size = new_size;
    mock->last_alignment = alignment;
    mock->last_options = options;
    if (mock_refuses(mock)) {
        return NULL;
    }
    size_t rounded = (new_size + alignment - 1) / alignment * alignment;
    uint8_t *p = aligned_alloc(alignment, rounded);
    if (p == NULL) {
        return NULL;
    }
    size_t kept = old_size < new_size ? old_size : new_size;
    memcpy(p, ptr, kept);
    memset(p + kept, (options & GOO_ALLOC_ZERO) != 0 ? 0 : 0xcd, new_size - kept);
    free(ptr);
    return p;
}

static inline GooAllocator *mock_init(Mock *mock) {
    *mock = (Mock){.allocator = {.alloc = mock_alloc, .realloc = mock_realloc, .free = mock_free}};
    mock->allocator.context = mock;
    return &mock->allocator;
}

#endif
