/* The least that allocation can cost: a bump pointer and a list of free objects without any check
 * of what the caller does. Rows of bench_alloc, so that figures can be compared across machines.
 *
 * `called` forms go through a pointer to a function, as an allocator behind a handle does.
 *
 * Threads: one; the state is static.
 */
#ifndef GOO_TESTS_BENCH_ALLOC_REFERENCE_H
#define GOO_TESTS_BENCH_ALLOC_REFERENCE_H

#include "tests/bench/alloc/way.h"

enum { REFERENCE_BYTES = 1 << 20 };

typedef struct Reference {
    uint8_t *cursor, *limit;
    void *free;
} Reference;

static uint64_t reference_bytes[REFERENCE_BYTES / sizeof(uint64_t)];
static Reference reference = {(uint8_t *)reference_bytes,
                              (uint8_t *)reference_bytes + REFERENCE_BYTES, NULL};

static inline void reference_reset(void) {
    reference.cursor = (uint8_t *)reference_bytes;
}

/* The state behind a handle, as an allocator's is: the compiler does not know which one. */
ALWAYS_INLINE GooAllocator *reference_handle(void) {
    Reference *handle = &reference;
    __asm__("" : "+r"(handle));
    return (GooAllocator *)(void *)handle;
}

ALWAYS_INLINE void *reference_bump(GooAllocator *a, size_t size) {
    Reference *r = (Reference *)(void *)a;
    uint8_t *start = r->cursor;
    size_t rounded = (size + 15) & ~(size_t)15;
    if ((size_t)(r->limit - start) < rounded) {
        return NULL;
    }
    r->cursor = start + rounded;
    return start;
}

ALWAYS_INLINE void *reference_pop(GooAllocator *a, size_t size) {
    Reference *r = (Reference *)(void *)a;
    void **object = r->free;
    if (object == NULL) {
        return reference_bump(a, size);
    }
    r->free = *object;
    return object;
}

ALWAYS_INLINE void reference_push(GooAllocator *a, void *ptr, size_t size) {
    Reference *r = (Reference *)(void *)a;
    (void)size;
    *(void **)ptr = r->free;
    r->free = ptr;
}

NEVER_INLINE void *reference_bump_out(GooAllocator *a, size_t size) {
    return reference_bump(a, size);
}

NEVER_INLINE void *reference_pop_out(GooAllocator *a, size_t size) {
    return reference_pop(a, size);
}

NEVER_INLINE void reference_push_out(GooAllocator *a, void *ptr, size_t size) {
    reference_push(a, ptr, size);
}

static TakeFn *volatile reference_bump_at = reference_bump_out;
static TakeFn *volatile reference_pop_at = reference_pop_out;
static GiveFn *volatile reference_push_at = reference_push_out;

ALWAYS_INLINE void *reference_bump_called(GooAllocator *a, size_t size) {
    return reference_bump_at(a, size);
}

ALWAYS_INLINE void *reference_pop_called(GooAllocator *a, size_t size) {
    return reference_pop_at(a, size);
}

ALWAYS_INLINE void reference_push_called(GooAllocator *a, void *ptr, size_t size) {
    reference_push_at(a, ptr, size);
}

#endif
