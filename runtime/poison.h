/* Tells the tools that watch memory what is not to be touched: free parts of an allocator's blocks.
 * Private.
 *
 * AddressSanitizer is known when compiling; valgrind shows itself when running, where its header
 * was there to compile with. An allocator asks gooi_poison_active once when it is created, keeps
 * the answer, and calls the rest only if it was true, so nobody else pays for any of it.
 *
 *     not given, freed, reset: gooi_poison       handed out: gooi_unpoison
 *
 * Before memory goes back to a parent it is unpoisoned, since the parent may keep notes in it.
 *
 * Threads: any, for disjoint ranges.
 */
#ifndef GOO_RUNTIME_POISON_H
#define GOO_RUNTIME_POISON_H

#include "runtime/base.h"

#if defined(__SANITIZE_ADDRESS__)
#define GOOI_POISON_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GOOI_POISON_ASAN 1
#endif
#endif

#if defined(GOOI_POISON_ASAN)
#include <sanitizer/asan_interface.h>
#elif defined(__has_include) && !defined(NVALGRIND)
#if __has_include(<valgrind/memcheck.h>)
#define GOOI_POISON_VALGRIND 1
#include <valgrind/memcheck.h>
#endif
#endif

static inline bool gooi_poison_active(void) {
#if defined(GOOI_POISON_ASAN)
    return true;
#elif defined(GOOI_POISON_VALGRIND)
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

static inline void gooi_poison(const void *start, size_t size) {
#if defined(GOOI_POISON_ASAN)
    ASAN_POISON_MEMORY_REGION(start, size);
#elif defined(GOOI_POISON_VALGRIND)
    VALGRIND_MAKE_MEM_NOACCESS(start, size);
#else
    (void)start;
    (void)size;
#endif
}

/* `defined`: the contents count as written. */
static inline void gooi_unpoison(const void *start, size_t size, bool defined) {
#if defined(GOOI_POISON_ASAN)
    (void)defined;
    ASAN_UNPOISON_MEMORY_REGION(start, size);
#elif defined(GOOI_POISON_VALGRIND)
    if (defined) {
        VALGRIND_MAKE_MEM_DEFINED(start, size);
    } else {
        VALGRIND_MAKE_MEM_UNDEFINED(start, size);
    }
#else
    (void)start;
    (void)size;
    (void)defined;
#endif
}

/* Around a look at memory that may be poisoned, by a function with GOOI_NO_SANITIZE_ADDRESS. */
static inline void gooi_poison_pause(void) {
#if defined(GOOI_POISON_VALGRIND)
    VALGRIND_DISABLE_ERROR_REPORTING;
#endif
}

static inline void gooi_poison_resume(void) {
#if defined(GOOI_POISON_VALGRIND)
    VALGRIND_ENABLE_ERROR_REPORTING;
#endif
}

#endif
