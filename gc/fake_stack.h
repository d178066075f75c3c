/* Stacks under the address sanitizer, which may keep a function's variables in a frame of its own
 * making, away from the stack, so as to catch their use after return. The stack then holds the
 * frame's address only, and what the variables refer to would be missed.
 *
 *   stack word ──▶ is it in the thread's fake stack? ──▶ [low, high) of a frame, scanned as well
 *
 * Without the sanitizer, or with that option off, there is no fake stack: NULL, and nothing here.
 *
 * Threads: gooi_fake_stack_here the thread's own; the search while that thread stands still.
 */
#ifndef GOO_GC_FAKE_STACK_H
#define GOO_GC_FAKE_STACK_H

#include "runtime/base.h"

#if defined(__SANITIZE_ADDRESS__)
#define GOOI_HAS_FAKE_STACKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GOOI_HAS_FAKE_STACKS 1
#endif
#endif

#if defined(GOOI_HAS_FAKE_STACKS)

#include <sanitizer/asan_interface.h>

static inline void *gooi_fake_stack_here(void) {
    return __asan_get_current_fake_stack();
}

/* Whether `address` lies in a frame of the fake stack that is in use; which. */
static inline bool gooi_fake_stack_frame(void *fake_stack, void *address, void **out_low,
                                         void **out_high) {
    return __asan_addr_is_in_fake_stack(fake_stack, address, out_low, out_high) != NULL;
}

#else

static inline void *gooi_fake_stack_here(void) {
    return NULL;
}

static inline bool gooi_fake_stack_frame(void *fake_stack, void *address, void **out_low,
                                         void **out_high) {
    (void)fake_stack;
    (void)address;
    (void)out_low;
    (void)out_high;
    return false;
}

#endif

#endif
