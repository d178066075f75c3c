/* The guards of blocks that are not plain, and what is wrong with a block; debug_guard.h has the
 * picture.
 *
 * Threads: under the allocator's lock.
 */
#include "allocators/debug_guard.h"

#include "goo/runtime/memory.h"
#include "runtime/bits.h"
#include "runtime/poison.h"

/* --- where a block lies --- */

bool gooi_debug_lay_out_any(const DebugAllocator *d, size_t size, size_t alignment, uint64_t flags,
                            DebugLayout *out) {
    size_t page = d->page_size;
    if ((flags & DEBUG_WHOLE_PAGES) != 0 && alignment < page) {
        alignment = page;
    }
    alignment = alignment < GOO_DEFAULT_ALIGNMENT ? GOO_DEFAULT_ALIGNMENT : alignment;
    out->front = gooi_align_up(d->options.canary_bytes, alignment);
    out->alignment = alignment;
    if (gooi_add_overflows(size, out->front + d->options.canary_bytes, &out->total)) {
        return false;
    }
    if ((flags & DEBUG_PAGED) != 0) {
        out->alignment = alignment < page ? page : alignment;
        return !gooi_align_up_overflows(out->total, page, &out->total);
    }
    return true;
}

bool gooi_debug_is_held(const DebugAllocator *d, const DebugRecord *r) {
    bool tells = (d->parent->capabilities & GOO_ALLOCATOR_OWNS) != 0;
    return gooi_debug_state(r) != DEBUG_GONE && (!tells || goo_allocator_owns(d->parent, r->ptr));
}

/* --- canaries --- */

static void guard_fill(uint8_t *to, size_t count, uint64_t word) {
    for (; count >= sizeof word; count -= sizeof word, to += sizeof word) {
        memcpy(to, &word, sizeof word);
    }
    memcpy(to, &word, count);
}

/* The index of the first byte that differs, or count. */
static size_t guard_find_damage(const uint8_t *from, size_t count, uint64_t word) {
    const uint8_t *expected = (const uint8_t *)&word;
    size_t i = 0;
    for (uint64_t seen; count - i >= sizeof seen; i += sizeof seen) {
        memcpy(&seen, from + i, sizeof seen);
        if (seen != word) {
            break;
        }
    }
    while (i < count && from[i] == expected[i % sizeof word]) {
        i++;
    }
    return i;
}

void gooi_debug_guard_any(const DebugAllocator *d, uint8_t *ptr, size_t size) {
    size_t count = d->options.canary_bytes;
    uint64_t word = gooi_debug_canary(d, ptr);
    guard_fill(ptr - count, count, word);
    guard_fill(ptr + size, count, word);
}

bool gooi_debug_is_guarded_any(const DebugAllocator *d, const uint8_t *ptr, size_t size) {
    size_t count = d->options.canary_bytes;
    uint64_t word = gooi_debug_canary(d, ptr);
    return guard_find_damage(ptr - count, count, word) == count &&
           guard_find_damage(ptr + size, count, word) == count;
}

/* --- poison --- */

/* A first word of poison, and each byte equals the one before that word. */
bool gooi_debug_is_poisoned_any(const uint8_t *ptr, size_t size) {
    static const uint64_t poison = UINT64_C(0x0101010101010101) * DEBUG_POISON;
    size_t head = size < sizeof poison ? size : sizeof poison;
    return memcmp(ptr, &poison, head) == 0 && memcmp(ptr, ptr + head, size - head) == 0;
}

/* --- damage --- */

static void guard_check_canaries(const DebugAllocator *d, DebugFault *fault) {
    const uint8_t *ptr = fault->ptr;
    size_t count = d->options.canary_bytes;
    uint64_t word = gooi_debug_canary(d, ptr);
    size_t behind = guard_find_damage(ptr + fault->size, count, word);
    if (behind != count) {
        fault->kind = DEBUG_OVERRUN;
        fault->offset = (ptrdiff_t)(fault->size + behind);
        return;
    }
    size_t before = guard_find_damage(ptr - count, count, word);
    if (before != count) {
        fault->kind = DEBUG_UNDERRUN;
        fault->offset = (ptrdiff_t)before - (ptrdiff_t)count;
    }
}

static void guard_check_poison(const DebugAllocator *d, DebugFault *fault) {
    const uint8_t *ptr = fault->ptr;
    if (d->poisons) {
        gooi_unpoison(ptr, fault->size, true);
    }
    if (!gooi_debug_is_poisoned(ptr, fault->size)) {
        fault->kind = DEBUG_USE_AFTER_FREE;
        while (ptr[fault->offset] == DEBUG_POISON) {
            fault->offset++;
        }
    }
    if (d->poisons) {
        gooi_poison(ptr, fault->size);
    }
}

DebugFault gooi_debug_damage(const DebugAllocator *d, const DebugRecord *r) {
    DebugFault fault = {
        .kind = DEBUG_FAULT_NONE, .ptr = r->ptr, .size = gooi_debug_size(r), .record = *r};
    uint64_t state = gooi_debug_state(r);
    if ((r->shape & (DEBUG_PROTECTED | DEBUG_REPORTED | DEBUG_RESIZING)) != 0 ||
        state == DEBUG_GONE || state == DEBUG_UNUSED) {
        return fault;
    }
    if (state == DEBUG_QUARANTINED) {
        guard_check_poison(d, &fault);
    }
    if (fault.kind == DEBUG_FAULT_NONE) {
        guard_check_canaries(d, &fault);
    }
    return fault;
}
