/* The debug allocator's stacks: return addresses without frame pointers, at a few nanoseconds each.
 *
 * An unwinder that reads tables takes a microsecond for a stack, and most code has no frame
 * pointers. But how far one frame's end lies from the next one's depends, for nearly all code, on
 * the return address alone. So the unwinder is asked once for each return address; the distance it
 * found is kept, and from then on a stack is walked by adding distances:
 *
 *     sp ──▶ | … locals … | return address | … locals … | return address | …
 *              stride of the first address ─────────────▶ the next one, right below sp + stride
 *
 * Where a step meets an address that was never seen, the unwinder is asked again and what it says
 * is learnt. A function whose frame has no fixed size (alloca) shows two strides for one address;
 * it is marked, and stacks through it are left to the unwinder. So is everything on a machine that
 * does not keep return addresses there: the check for that is made on the way.
 *
 *   STACK-1  a word of `strides` is 0, or an address above 16 bits of stride in 8-byte words; words
 *            only ever go from 0 to a value, or to `varies`
 *   STACK-2  only words between the stack pointer and the end of this thread's stack are read
 *
 * Each different stack is kept once, found by its XXH3 hash. Names are looked up when reported.
 *
 * Threads: capture any; the table of stacks under the allocator's lock.
 */
#include "allocators/debug.h"

#include "runtime/bits.h"
#include "runtime/platform/platform.h"
#include "runtime/system.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

enum {
    STACK_STRIDES = 16384, /* a power of two */
    STACK_PROBES = 16,
    STACK_STRIDE_VARIES = 0,
    STACK_STRIDE_LAST = 0xffff, /* nobody called this frame */
    STACK_STRIDE_UNKNOWN = -1,
    STACK_SLOTS_FIRST = 256,
    STACK_CHUNK_SIZE = 64 * 1024
};

/* --- strides --- */

static inline size_t stack_stride_index(uintptr_t address) {
    return (size_t)((uint64_t)address * UINT64_C(0x9e3779b97f4a7c15) >> 50);
}
_Static_assert(STACK_STRIDES == 1 << (64 - 50), "the shift above");

static inline int stack_stride(const DebugStacks *s, uintptr_t address) {
    size_t i = stack_stride_index(address);
    for (int probe = 0; probe < STACK_PROBES; probe++) {
        uint64_t word = atomic_load_explicit(&s->strides[i], memory_order_relaxed);
        if (word >> 16 == address) {
            return (int)(word & 0xffff);
        }
        if (word == 0) {
            return STACK_STRIDE_UNKNOWN;
        }
        i = (i + 1) & (STACK_STRIDES - 1);
    }
    return STACK_STRIDE_UNKNOWN;
}

/* Threads that learn at the same time may lose one of two; it is learnt the next time. */
static void stack_learn(DebugStacks *s, uintptr_t address, uint64_t stride) {
    size_t i = stack_stride_index(address);
    if (address >> 48 != 0) {
        return;
    }
    for (int probe = 0; probe < STACK_PROBES; probe++) {
        uint64_t word = atomic_load_explicit(&s->strides[i], memory_order_relaxed);
        if (word == 0 || word >> 16 == address) {
            stride = word != 0 && (word & 0xffff) != stride ? STACK_STRIDE_VARIES : stride;
            atomic_store_explicit(&s->strides[i], (uint64_t)address << 16 | stride,
                                  memory_order_relaxed);
            return;
        }
        i = (i + 1) & (STACK_STRIDES - 1);
    }
}

/* --- capture --- */

/* A word of another function's frame, which a sanitizer may not want to be looked at. */
GOOI_NO_SANITIZE_ADDRESS static uintptr_t stack_word(uintptr_t address) {
    return *(const uintptr_t *)address; /* NOLINT: the stack */
}

/* Asks the unwinder, and learns. */
static GOOI_NEVER_INLINE size_t stack_unwind(DebugStacks *s, void **frames, size_t depth,
                                             uintptr_t first) {
    enum { OWN_FRAMES = 8 };
    GooiPlatformFrame found[DEBUG_STACK_MAX + OWN_FRAMES];
    int saved_errno = errno;
    size_t capacity = GOOI_COUNT(found);
    size_t count = gooi_platform_backtrace(found, capacity);
    errno = saved_errno;
    size_t start = 0;
    while (start < count && found[start].return_address != first) {
        start++;
    }
    start = start < count ? start : 0;
    size_t taken = 0;
    for (size_t i = start; i < count; i++) {
        uintptr_t sp = found[i].stack_pointer;
        if (taken < depth) {
            frames[taken++] = (void *)found[i].return_address;
        }
        if (sp % sizeof(uintptr_t) != 0 ||
            stack_word(sp - sizeof(uintptr_t)) != found[i].return_address) {
            stack_learn(s, found[i].return_address, STACK_STRIDE_VARIES);
        } else if (i + 1 < count) {
            uint64_t stride = (found[i + 1].stack_pointer - sp) / sizeof(uintptr_t);
            bool fits = stride > 0 && stride < STACK_STRIDE_LAST;
            stack_learn(s, found[i].return_address, fits ? stride : STACK_STRIDE_VARIES);
        } else if (count < capacity) {
            stack_learn(s, found[i].return_address, STACK_STRIDE_LAST);
        }
    }
    return taken;
}

/* Walks by strides; 0: the unwinder must be asked. */
GOOI_NO_SANITIZE_ADDRESS static size_t stack_walk(const DebugStacks *s, void **frames, size_t depth,
                                                  uintptr_t first, uintptr_t sp) {
    const void *low, *high;
    if (!gooi_platform_stack_bounds(&low, &high) ||
        sp - (uintptr_t)low >= (uintptr_t)high - (uintptr_t)low) {
        return 0; /* a fiber */
    }
    uintptr_t address = *(const uintptr_t *)(sp - sizeof(uintptr_t));
    if (address != first) {
        return 0;
    }
    for (size_t count = 0;;) {
        frames[count++] = (void *)address;
        int stride = stack_stride(s, address);
        if (count == depth || stride == STACK_STRIDE_LAST) {
            return count;
        }
        if (stride <= STACK_STRIDE_VARIES) {
            return 0;
        }
        sp += (uintptr_t)stride * sizeof(uintptr_t);
        if (sp > (uintptr_t)high) {
            return 0;
        }
        address = *(const uintptr_t *)(sp - sizeof(uintptr_t));
    }
}

void gooi_debug_stack_capture(DebugAllocator *d, DebugHere *here, void *return_address,
                              uintptr_t stack_pointer) {
    size_t depth = d->options.stack_depth;
    here->depth = 0;
    if (depth == 0) {
        return;
    }
    uintptr_t first = (uintptr_t)return_address;
    here->depth = stack_walk(&d->stacks, here->frames, depth, first, stack_pointer);
    if (GOOI_UNLIKELY(here->depth == 0)) {
        here->depth = stack_unwind(&d->stacks, here->frames, depth, first);
    }
}

/* --- each stack once --- */

static void *stacks_zeroed(size_t size) {
    return gooi_system_alloc(NULL, size, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_ZERO);
}

static void stacks_release(void *ptr) {
    gooi_system_free(NULL, ptr, 0, GOO_DEFAULT_ALIGNMENT);
}

static bool stacks_grow(DebugStacks *s) {
    size_t capacity = s->capacity == 0 ? STACK_SLOTS_FIRST : 2 * s->capacity;
    DebugStack **slots = stacks_zeroed(capacity * sizeof(DebugStack *));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < s->capacity; i++) {
        if (s->slots[i] != NULL) {
            size_t at = s->slots[i]->hash & (capacity - 1);
            while (slots[at] != NULL) {
                at = (at + 1) & (capacity - 1);
            }
            slots[at] = s->slots[i];
        }
    }
    stacks_release(s->slots);
    s->slots = slots;
    s->capacity = capacity;
    return true;
}

static DebugStack *stacks_new(DebugStacks *s, size_t depth) {
    size_t size = gooi_align_up(sizeof(DebugStack) + depth * sizeof(void *), GOO_DEFAULT_ALIGNMENT);
    if ((size_t)(s->limit - s->cursor) < size) {
        uint8_t *chunk = stacks_zeroed(STACK_CHUNK_SIZE);
        if (chunk == NULL) {
            return NULL;
        }
        *(void **)(void *)chunk = s->chunks;
        s->chunks = chunk;
        s->cursor = chunk + GOO_DEFAULT_ALIGNMENT;
        s->limit = chunk + STACK_CHUNK_SIZE;
    }
    DebugStack *stack = (DebugStack *)(void *)s->cursor;
    s->cursor += size;
    return stack;
}

const DebugStack *gooi_debug_stack_intern(DebugStacks *s, const DebugHere *here) {
    size_t bytes = here->depth * sizeof(void *);
    if (bytes == 0 || (2 * (s->count + 1) > s->capacity && !stacks_grow(s))) {
        return NULL;
    }
    uint64_t hash = XXH3_64bits(here->frames, bytes);
    size_t i = hash & (s->capacity - 1);
    for (; s->slots[i] != NULL; i = (i + 1) & (s->capacity - 1)) {
        const DebugStack *stack = s->slots[i];
        if (stack->hash == hash && stack->depth == here->depth &&
            memcmp(stack->frames, here->frames, bytes) == 0) {
            return stack;
        }
    }
    DebugStack *stack = stacks_new(s, here->depth);
    if (stack != NULL) {
        stack->hash = hash;
        stack->depth = here->depth;
        memcpy(stack->frames, here->frames, bytes);
        s->slots[i] = stack;
        s->count++;
    }
    return stack;
}

bool gooi_debug_stacks_init(DebugStacks *s, bool wanted) {
    if (!wanted) {
        return true;
    }
    s->strides = stacks_zeroed(STACK_STRIDES * sizeof *s->strides);
    return s->strides != NULL;
}

void gooi_debug_stacks_deinit(DebugStacks *s) {
    stacks_release((void *)s->strides);
    stacks_release(s->slots);
    while (s->chunks != NULL) {
        void *older = *(void **)s->chunks;
        stacks_release(s->chunks);
        s->chunks = older;
    }
}
