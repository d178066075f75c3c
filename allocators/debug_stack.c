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
 * Between two allocations most of a stack stays as it is. A thread's shadow holds the frames that
 * were found the last time, with their nodes; a walk ends where it meets the shadow, and what is
 * outside of that is only compared, which is right since strides depend on the addresses alone.
 * The two innermost frames, which hardly ever stay, are no part of it.
 *
 *     shadow:  main … f  g │ h                      stack:  main … f  g  k  l  alloc
 *               compared │ left            walked: k; l and alloc are the origin's own
 *
 * Where a walk meets an address that was never seen, the unwinder is asked again and what it says
 * is learnt. A function whose frame has no fixed size (alloca) shows two strides for one address;
 * it is marked, and stacks through it are left to the unwinder. Before that, where an old return
 * address happens to lie at the first stride, what is outside of such a frame may be told wrong. So
 * is everything left to the unwinder on a machine that does not keep return addresses there: the
 * check for that is made on the way.
 *
 *   STACK-1  a word of `addresses` is 0, or an address above 16 bits of stride in 8-byte words; its
 *            address never changes, its stride only to `varies`; written under the origins' lock
 *   STACK-2  only words between the stack pointer and the end of this thread's stack are read
 *   STACK-3  a shadow of before an address was marked is not used any more (`generation`)
 *   STACK-4  a node may go on beyond the frames that were compared: only as many as were asked for
 *            are told of it
 *
 * Threads: any, each with its own DebugThread.
 */
#include "allocators/debug_origin.h"
#include "runtime/platform/platform.h"

#include <errno.h>
#include <string.h>

enum {
    STACK_PROBES = 64,
    STACK_STRIDE_VARIES = 0,
    STACK_STRIDE_LAST = 0xffff, /* nobody called this frame */
    STACK_WALK_MAX = 128        /* frames that are new at once; must not be below DEBUG_STACK_MAX */
};
_Static_assert(STACK_WALK_MAX + DEBUG_STACK_MAX <= DEBUG_SHADOW_MAX, "what is kept of a shadow");
_Static_assert(DEBUG_ADDRESSES < (int)DEBUG_ADDRESS_UNKNOWN, "numbers");

/* --- addresses and their strides --- */

static inline size_t stack_address_index(uintptr_t address) {
    return (size_t)(address ^ address >> 15) & (DEBUG_ADDRESSES - 1);
}

/* What is known of an address; number 0: nothing. */
typedef struct StackStep {
    uint32_t number, stride;
} StackStep;

static inline StackStep stack_step(const DebugOrigins *o, uintptr_t address) {
    size_t i = stack_address_index(address);
    for (int probe = 0; probe < STACK_PROBES; probe++) {
        uint64_t word = atomic_load_explicit(&o->addresses[i], memory_order_relaxed);
        if (GOOI_LIKELY(word >> 16 == address)) {
            return (StackStep){(uint32_t)i + 1, word & 0xffff};
        }
        if (word == 0) {
            break;
        }
        i = (i + 1) & (DEBUG_ADDRESSES - 1);
    }
    return (StackStep){0, STACK_STRIDE_VARIES};
}

/* Whether it is known where the next frame is. */
static inline bool stack_goes_on(StackStep step) {
    return step.stride - 1 < STACK_STRIDE_LAST - 1;
}
_Static_assert(STACK_STRIDE_VARIES == 0, "stack_goes_on");

static inline uintptr_t stack_next(uintptr_t slot, StackStep step) {
    return slot + (uintptr_t)step.stride * sizeof(uintptr_t);
}

/* Under the lock. Returns the address's number. */
static uint32_t stack_learn(DebugOrigins *o, uintptr_t address, uint64_t stride) {
    size_t i = stack_address_index(address);
    for (int probe = 0; probe < STACK_PROBES && (uint64_t)address >> 48 == 0; probe++) {
        uint64_t word = atomic_load_explicit(&o->addresses[i], memory_order_relaxed);
        if (word == 0 || word >> 16 == address) {
            if (word != 0 && (word & 0xffff) != stride) {
                stride = STACK_STRIDE_VARIES;
                atomic_fetch_add_explicit(&o->generation, 1, memory_order_relaxed);
            }
            atomic_store_explicit(&o->addresses[i], (uint64_t)address << 16 | stride,
                                  memory_order_relaxed);
            return (uint32_t)i + 1;
        }
        i = (i + 1) & (DEBUG_ADDRESSES - 1);
    }
    return DEBUG_ADDRESS_UNKNOWN;
}

void *gooi_debug_stack_address(const DebugOrigins *o, uint32_t number) {
    if (number == DEBUG_ADDRESS_UNKNOWN) {
        return NULL;
    }
    uint64_t word = atomic_load_explicit(&o->addresses[number - 1], memory_order_relaxed);
    return (void *)(uintptr_t)(word >> 16); /* NOLINT: an address that is only told */
}

/* A word of another function's frame, which a sanitizer may not want to be looked at. */
GOOI_NO_SANITIZE_ADDRESS static uintptr_t stack_word(uintptr_t address) {
    return *(const uintptr_t *)address; /* NOLINT: the stack */
}

/* --- by the unwinder --- */

static uint64_t stack_stride_of(const GooiPlatformFrame *found, size_t i, size_t count,
                                size_t capacity) {
    uintptr_t sp = found[i].stack_pointer;
    if (sp % sizeof(uintptr_t) != 0 ||
        stack_word(sp - sizeof(uintptr_t)) != found[i].return_address) {
        return STACK_STRIDE_VARIES;
    }
    if (i + 1 < count) {
        uint64_t stride = (found[i + 1].stack_pointer - sp) / sizeof(uintptr_t);
        return stride > 0 && stride < STACK_STRIDE_LAST ? stride : STACK_STRIDE_VARIES;
    }
    return count < capacity ? STACK_STRIDE_LAST : STACK_STRIDE_VARIES;
}

/* The numbers of the addresses that were found, and what is learnt of them. */
static void stack_learn_all(DebugOrigins *o, const GooiPlatformFrame *found, size_t start,
                            size_t count, size_t capacity, uint32_t *numbers) {
    gooi_debug_origins_lock(o);
    for (size_t i = start; i < count; i++) {
        if (i + 1 < count || count < capacity) {
            numbers[i] =
                stack_learn(o, found[i].return_address, stack_stride_of(found, i, count, capacity));
        } else { /* of the last one of a stack that goes on nothing is known */
            uint32_t number = stack_step(o, found[i].return_address).number;
            numbers[i] = number != 0 ? number : DEBUG_ADDRESS_UNKNOWN;
        }
    }
    gooi_debug_origins_unlock(o);
}

/* Asks the unwinder, and learns. */
static GOOI_NEVER_INLINE DebugOrigin stack_unwind(DebugOrigins *o, size_t depth, uintptr_t first) {
    enum { OWN_FRAMES = 8 };
    GooiPlatformFrame found[DEBUG_STACK_MAX + OWN_FRAMES];
    uint32_t numbers[DEBUG_STACK_MAX + OWN_FRAMES + 1];
    int saved_errno = errno;
    size_t capacity = GOOI_COUNT(found);
    size_t count = gooi_platform_backtrace(found, capacity);
    errno = saved_errno;
    size_t start = 0;
    while (start < count && found[start].return_address != first) {
        start++;
    }
    start = start < count ? start : 0;
    if (start == count) {
        return 0;
    }
    stack_learn_all(o, found, start, count, capacity, numbers);
    numbers[count] = 0; /* instead of an outer address where there is none */
    uint32_t node = 0;
    for (size_t i = count; depth > 2 && i > start + 2; i--) {
        node = gooi_debug_origin_node(o, gooi_debug_origin(node, 0, numbers[i - 1]));
    }
    return gooi_debug_origin(node, depth > 1 ? numbers[start + 1] : 0, numbers[start]);
}

/* --- by strides and the shadow --- */

/* Where the shadow begins; the frame before is the end of all searches. */
static inline DebugShadowFrame *stack_base(DebugThread *t) {
    return &t->frames[1];
}

/* Whether the `count` innermost frames of the shadow are on the stack as they were. */
GOOI_NO_SANITIZE_ADDRESS static bool stack_is_as(const DebugShadowFrame *end, size_t count) {
    uintptr_t differs = 0;
#define STACK_DIFFERS(frame) (*(const uintptr_t *)(frame).slot ^ (frame).address) /* NOLINT */
    for (; count >= 4; count -= 4, end -= 4) {
        differs |= (STACK_DIFFERS(end[-1]) | STACK_DIFFERS(end[-2])) |
                   (STACK_DIFFERS(end[-3]) | STACK_DIFFERS(end[-4]));
    }
    for (; count != 0; count--, end--) {
        differs |= STACK_DIFFERS(end[-1]);
    }
#undef STACK_DIFFERS
    return differs == 0;
}

/* Whether the shadow below `end` tells `need` frames, or all there are. */
static inline bool stack_is_shadow(const DebugThread *t, const DebugShadowFrame *end, size_t need) {
    size_t count = (size_t)(end - (t->frames + 1));
    if (GOOI_UNLIKELY(count < need)) {
        need = count;
        if (!t->whole) {
            return false;
        }
    }
    return stack_word(end[-1].slot) == end[-1].address && stack_is_as(end, need);
}

/* A walk from inside outwards. */
typedef struct StackWalk {
    DebugOrigins *origins;
    DebugThread *thread;
    DebugShadowFrame *kept; /* behind the frames of the shadow that may still be right */
    size_t count;
    DebugShadowFrame found[STACK_WALK_MAX];
} StackWalk;

/* The shadow is at the walk's `slot`, and does not do as it is: what is right of it and inside of
 * the first frame that differs is taken over. Returns the slot to go on at; 0: too many frames. */
static uintptr_t stack_take_over(StackWalk *w, uintptr_t slot) {
    DebugThread *t = w->thread;
    while (w->kept != stack_base(t) && stack_is_as(w->kept, 1)) {
        if (w->count == STACK_WALK_MAX) {
            return 0;
        }
        const DebugShadowFrame *frame = --w->kept;
        w->found[w->count++] = *frame;
        slot = stack_next(frame->slot, stack_step(w->origins, frame->address));
    }
    w->kept -= w->kept != stack_base(t) ? 1 : 0;
    return slot;
}

/* Walks until `depth` frames are sure. False: the unwinder must be asked. */
static bool stack_walk(StackWalk *w, uintptr_t slot, size_t depth) {
    DebugThread *t = w->thread;
    for (;;) {
        while (w->kept[-1].slot < slot) {
            w->kept--;
        }
        if (w->kept[-1].slot == slot && w->kept != stack_base(t)) {
            if (stack_is_shadow(t, w->kept, depth > w->count ? depth - w->count : 0)) {
                return true;
            }
            slot = stack_take_over(w, slot);
        }
        if (w->count == STACK_WALK_MAX || slot == 0) { /* the rest is of no interest */
            w->kept = stack_base(t);
            t->whole = false;
            return true;
        }
        if (slot - t->low >= t->size) {
            return false;
        }
        uintptr_t address = stack_word(slot);
        StackStep step = stack_step(w->origins, address);
        if (step.stride == STACK_STRIDE_VARIES) {
            return false;
        }
        w->found[w->count++] = (DebugShadowFrame){slot, address, 0, step.number};
        if (step.stride == STACK_STRIDE_LAST) {
            w->kept = stack_base(t);
            t->whole = true;
            return true;
        }
        slot = stack_next(slot, step);
    }
}

/* The shadow as the walk found the stack. Returns the node of it. */
static uint32_t stack_settle(StackWalk *w) {
    DebugThread *t = w->thread;
    if (GOOI_UNLIKELY((size_t)(w->kept - stack_base(t)) + w->count > DEBUG_SHADOW_MAX)) {
        memmove(stack_base(t), w->kept - DEBUG_STACK_MAX, DEBUG_STACK_MAX * sizeof t->frames[0]);
        w->kept = stack_base(t) + DEBUG_STACK_MAX;
        t->whole = false;
    }
    DebugShadowFrame *frame = w->kept;
    uint32_t node = frame[-1].node; /* 0 of the end */
    for (size_t i = w->count; i-- != 0; frame++) {
        node = gooi_debug_origin_node(w->origins, gooi_debug_origin(node, 0, w->found[i].number));
        *frame = w->found[i];
        frame->node = node;
    }
    t->count = (size_t)(frame - stack_base(t));
    return node;
}

/* The node of the frame at `slot`; UINT32_MAX: the unwinder must be asked. */
static GOOI_NEVER_INLINE uint32_t stack_find_walking(DebugOrigins *o, DebugThread *t,
                                                     DebugShadowFrame *kept, uintptr_t slot,
                                                     size_t depth) {
    StackWalk w;
    w.origins = o;
    w.thread = t;
    w.kept = kept;
    w.count = 0;
    return stack_walk(&w, slot, depth) ? stack_settle(&w) : UINT32_MAX;
}

/* The same, where it takes no walk: the shadow is as the stack is, or one frame more is. */
static inline uint32_t stack_find_node(DebugOrigins *o, DebugThread *t, uintptr_t slot,
                                       size_t depth) {
    uint32_t generation = atomic_load_explicit(&o->generation, memory_order_relaxed);
    if (GOOI_UNLIKELY(t->generation != generation)) {
        t->generation = generation;
        t->count = 0;
    }
    DebugShadowFrame *kept = stack_base(t) + t->count;
    while (kept[-1].slot < slot) {
        kept--;
    }
    if (kept[-1].slot == slot) {
        if (stack_is_shadow(t, kept, depth)) {
            t->count = (size_t)(kept - stack_base(t));
            return kept[-1].node;
        }
    } else if (slot - t->low < t->size && t->count < DEBUG_SHADOW_MAX) {
        uintptr_t address = stack_word(slot);
        StackStep step = stack_step(o, address);
        if (stack_goes_on(step) && kept[-1].slot == stack_next(slot, step) &&
            stack_is_shadow(t, kept, depth - 1)) {
            uint32_t node =
                gooi_debug_origin_node(o, gooi_debug_origin(kept[-1].node, 0, step.number));
            *kept = (DebugShadowFrame){slot, address, node, step.number};
            t->count = (size_t)(kept - stack_base(t)) + 1;
            return node;
        }
    }
    return stack_find_walking(o, t, kept, slot, depth);
}

DebugOrigin gooi_debug_stack_find(DebugOrigins *o, DebugThread *t, size_t depth,
                                  uintptr_t return_address, uintptr_t stack_pointer) {
    uintptr_t slot = stack_pointer - sizeof(uintptr_t);
    if (t == NULL || slot - t->low >= t->size || stack_word(slot) != return_address) {
        return stack_unwind(o, depth, return_address); /* a fiber, or another kind of machine */
    }
    StackStep inner = stack_step(o, return_address);
    if (!stack_goes_on(inner) || depth == 1) {
        return inner.stride == STACK_STRIDE_VARIES ? stack_unwind(o, depth, return_address)
                                                   : gooi_debug_origin(0, 0, inner.number);
    }
    slot = stack_next(slot, inner);
    if (slot - t->low >= t->size) {
        return stack_unwind(o, depth, return_address);
    }
    StackStep outer = stack_step(o, stack_word(slot));
    if (!stack_goes_on(outer) || depth == 2) {
        return outer.stride == STACK_STRIDE_VARIES
                   ? stack_unwind(o, depth, return_address)
                   : gooi_debug_origin(0, outer.number, inner.number);
    }
    uint32_t node = stack_find_node(o, t, stack_next(slot, outer), depth - 2);
    return GOOI_LIKELY(node != UINT32_MAX) ? gooi_debug_origin(node, outer.number, inner.number)
                                           : stack_unwind(o, depth, return_address);
}
