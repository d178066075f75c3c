/* A parent for allocators under test: counts what is live, checks sizes and alignments at free, and
 * fails from the n-th request on, or once. Over malloc, so that sanitizers watch its blocks.
 *
 *     Parent parent;
 *     GooAllocator *a = goo_arena_allocator_create_with(parent_init(&parent), NULL);
 *     goo_allocator_destroy(a);
 *     CHECK_EQ(parent.live, 0);
 *
 *     | pad | ParentHeader | block ...        the header stands right in front of the block
 */
#ifndef GOO_TESTS_CONFORMANCE_PARENT_H
#define GOO_TESTS_CONFORMANCE_PARENT_H

#include "goo/core/types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct Parent {
    GooAllocator allocator;
    size_t live, live_bytes; /* blocks and bytes */
    size_t requests;         /* allocations and reallocations so far */
    size_t fail_at;          /* this request fails; 0: none */
    bool fail_on;            /* and all after it */
    size_t faults;           /* frees and reallocations with a wrong size or alignment */
} Parent;

typedef struct ParentHeader {
    void *base;
    size_t size, alignment, check;
    bool pages; /* whole pages, of which the caller knows only what it asked for */
} ParentHeader;

static inline bool parent_refuses(Parent *parent) {
    parent->requests++;
    bool refuses =
        parent->fail_at != 0 && (parent->requests == parent->fail_at ||
                                 (parent->fail_on && parent->requests > parent->fail_at));
    if (refuses) {
        errno = ENOMEM;
    }
    return refuses;
}

static inline void *parent_place(Parent *parent, size_t size, size_t alignment,
                                 GooAllocOptions options) {
    uint8_t *base = malloc(size + alignment + sizeof(ParentHeader));
    if (base == NULL) {
        return NULL;
    }
    uintptr_t first = (uintptr_t)base + sizeof(ParentHeader);
    uint8_t *p = base + sizeof(ParentHeader) + (-first & (alignment - 1));
    memset(p, (options & GOO_ALLOC_ZERO) != 0 ? 0 : 0xcd, size);
    bool pages = (options & GOO_ALLOC_PAGE) != 0;
    ParentHeader header = {base, size, alignment, size ^ alignment ^ 0x5a5a5a5a, pages};
    memcpy(p - sizeof header, &header, sizeof header);
    parent->live++;
    parent->live_bytes += size;
    return p;
}

static inline void *parent_alloc(void *ctx, size_t size, size_t alignment,
                                 GooAllocOptions options) {
    Parent *parent = ctx;
    return parent_refuses(parent) ? NULL : parent_place(parent, size, alignment, options);
}

static inline ParentHeader parent_check(Parent *parent, void *ptr, size_t size, size_t alignment) {
    ParentHeader header;
    memcpy(&header, (uint8_t *)ptr - sizeof header, sizeof header);
    bool sound = header.check == (header.size ^ header.alignment ^ 0x5a5a5a5a);
    if (header.pages) {
        sound = sound && header.size - size < 4096 && header.alignment % alignment == 0;
    } else {
        sound = sound && header.size == size && header.alignment == alignment;
    }
    parent->faults += !sound;
    return header;
}

static inline void parent_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    Parent *parent = ctx;
    ParentHeader header = parent_check(parent, ptr, size, alignment);
    parent->live--;
    parent->live_bytes -= header.size;
    memset(ptr, 0xdd, header.size);
    free(header.base);
}

static inline void *parent_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size,
                                   size_t alignment, GooAllocOptions options) {
    Parent *parent = ctx;
    parent_check(parent, ptr, old_size, alignment);
    if (parent_refuses(parent)) {
        return NULL;
    }
    uint8_t *p = parent_place(parent, new_size, alignment, options);
    if (p != NULL) {
        memcpy(p, ptr, old_size < new_size ? old_size : new_size);
        parent_free(parent, ptr, old_size, alignment);
    }
    return p;
}

static inline GooAllocator *parent_init(Parent *parent) {
    *parent = (Parent){.allocator = {.alloc = parent_alloc,
                                     .realloc = parent_realloc,
                                     .free = parent_free,
                                     .name = "parent"}};
    parent->allocator.context = parent;
    return &parent->allocator;
}

#endif
