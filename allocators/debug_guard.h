/* The debug allocator's guards: where a block lies in its parent's, and what is written around it.
 * Private to allocators/debug*.c.
 *
 *     | pad | front canary | size bytes | back canary | pad |      the parent's block
 *     base                 ptr = base + front                      from size, alignment and flags
 *
 * Where a parent's block begins and how large it is follows from the record, so nothing in the
 * block has to be believed. A canary repeats one word that depends on the allocator and the place,
 * so that neither zeros nor a copy of another block's canary pass for it. What nearly every block
 * is, plain, with canaries of 16 bytes, is inline.
 *
 * Threads: under the allocator's lock, but for blocks that nobody else knows.
 */
#ifndef GOOI_ALLOCATORS_DEBUG_GUARD_H
#define GOOI_ALLOCATORS_DEBUG_GUARD_H

#include "allocators/debug.h"

#include <string.h>

/* --- where a block lies --- */

typedef struct DebugLayout {
    size_t front, total, alignment; /* of the parent's block */
} DebugLayout;

/* Any block. False: the sum does not fit. */
bool gooi_debug_lay_out_any(const DebugAllocator *d, size_t size, size_t alignment, uint64_t flags,
                            DebugLayout *out);

static inline bool gooi_debug_lay_out(const DebugAllocator *d, size_t size, size_t alignment,
                                      uint64_t flags, DebugLayout *out) {
    if (GOOI_LIKELY(alignment <= GOO_DEFAULT_ALIGNMENT && size < SIZE_MAX / 4 &&
                    (flags & (DEBUG_PAGED | DEBUG_WHOLE_PAGES)) == 0)) {
        *out = (DebugLayout){d->front, size + d->around, GOO_DEFAULT_ALIGNMENT};
        return true;
    }
    return gooi_debug_lay_out_any(d, size, alignment, flags, out);
}

/* Of a block that there is. */
static inline DebugLayout gooi_debug_layout(const DebugAllocator *d, const DebugRecord *record) {
    DebugLayout layout = {0, 0, 0};
    gooi_debug_lay_out(d, gooi_debug_size(record), gooi_debug_alignment(record), record->shape,
                       &layout);
    return layout;
}

/* Whether the parent still has this block, as far as it can say. */
bool gooi_debug_is_held(const DebugAllocator *d, const DebugRecord *record);

/* --- canaries --- */

/* The word of a canary. */
static inline uint64_t gooi_debug_canary(const DebugAllocator *d, const void *ptr) {
    return (d->secret ^ (uint64_t)(uintptr_t)ptr) * UINT64_C(0x9e3779b97f4a7c15) |
           UINT64_C(0x8080808080808080);
}

void gooi_debug_guard_any(const DebugAllocator *d, uint8_t *ptr, size_t size);
bool gooi_debug_is_guarded_any(const DebugAllocator *d, const uint8_t *ptr, size_t size);

/* Writes both canaries. */
static inline void gooi_debug_guard(const DebugAllocator *d, uint8_t *ptr, size_t size) {
    if (GOOI_UNLIKELY(d->options.canary_bytes != 16)) {
        gooi_debug_guard_any(d, ptr, size);
        return;
    }
    uint64_t word = gooi_debug_canary(d, ptr);
    uint64_t words[2] = {word, word};
    memcpy(ptr - sizeof words, words, sizeof words);
    memcpy(ptr + size, words, sizeof words);
}

static inline bool gooi_debug_is_guarded(const DebugAllocator *d, const uint8_t *ptr, size_t size) {
    if (GOOI_UNLIKELY(d->options.canary_bytes != 16)) {
        return gooi_debug_is_guarded_any(d, ptr, size);
    }
    uint64_t word = gooi_debug_canary(d, ptr);
    uint64_t front[2], back[2];
    memcpy(front, ptr - sizeof front, sizeof front);
    memcpy(back, ptr + size, sizeof back);
    return ((front[0] ^ word) | (front[1] ^ word) | (back[0] ^ word) | (back[1] ^ word)) == 0;
}

/* --- poison --- */

enum { DEBUG_POISON = 0xdf, DEBUG_POISON_SHORT = 256 };

/* Fills a freed block. */
static inline void gooi_debug_poison(uint8_t *ptr, size_t size) {
    memset(ptr, DEBUG_POISON, size);
}

/* Whether it still is as it was filled; of another size than those below. */
bool gooi_debug_is_poisoned_any(const uint8_t *ptr, size_t size);

static inline uint64_t gooi_debug_poison_differs(const uint8_t *ptr) {
    uint64_t word;
    memcpy(&word, ptr, sizeof word);
    return word ^ UINT64_C(0x0101010101010101) * DEBUG_POISON;
}

static inline bool gooi_debug_is_poisoned(const uint8_t *ptr, size_t size) {
    if (GOOI_UNLIKELY(size - 16 > DEBUG_POISON_SHORT)) {
        return gooi_debug_is_poisoned_any(ptr, size);
    }
    const uint8_t *last = ptr + size - 16;
    uint64_t differs = gooi_debug_poison_differs(last) | gooi_debug_poison_differs(last + 8);
    for (; ptr < last; ptr += 16) {
        differs |= gooi_debug_poison_differs(ptr) | gooi_debug_poison_differs(ptr + 8);
    }
    return differs == 0;
}

/* What is wrong with a block's canaries or poison. The record's copy, ptr and offset are filled
 * in. */
DebugFault gooi_debug_damage(const DebugAllocator *d, const DebugRecord *record);

#endif
