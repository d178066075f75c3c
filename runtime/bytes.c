/* Operations on plain bytes: what libc has is forwarded to libc, the rest stands here.
 *
 * A forwarded call beats any loop of ours at every size, so only size 0 is caught, where libc wants
 * valid pointers and our callers need not have them. The pattern fill doubles what is filled until
 * that is a chunk, and then copies the chunk, which stays in the first cache, so that memcpy does
 * nearly all of it and reads no memory.
 *
 * Threads: any; no state.
 */
#include "goo/runtime/memory.h"
#include "runtime/kernels/kernels.h"

#include <string.h>

void goo_memory_copy(void *dest, const void *src, size_t size) {
    if (size != 0) {
        memcpy(dest, src, size);
    }
}

void goo_memory_set(void *dest, uint8_t value, size_t size) {
    if (size != 0) {
        memset(dest, value, size);
    }
}

int goo_memory_compare(const void *a, const void *b, size_t size) {
    return size == 0 ? 0 : memcmp(a, b, size);
}

bool goo_memory_is_zero(const void *ptr, size_t size) {
    return size == 0 || gooi_kernels->is_zero(ptr, size);
}

enum { BYTES_FILL_CHUNK = 16 * 1024 };

void goo_memory_fill(void *dest, const void *pattern, size_t pattern_size, size_t size) {
    if (pattern_size == 0 || size == 0) {
        return;
    }
    if (pattern_size == 1) {
        memset(dest, *(const uint8_t *)pattern, size);
        return;
    }
    uint8_t *bytes = dest;
    size_t filled = pattern_size < size ? pattern_size : size;
    size_t chunk = filled; /* a multiple of pattern_size: the copies stay in phase */
    memcpy(bytes, pattern, filled);
    while (filled < size) {
        size_t step = chunk < size - filled ? chunk : size - filled;
        memcpy(bytes + filled, bytes, step);
        filled += step;
        chunk = chunk < BYTES_FILL_CHUNK ? filled : chunk;
    }
}

enum { BYTES_KERNEL_MIN = 32 };

/* A few whole words and the bytes of the one that differs; more than that is for the kernel. */
size_t goo_memory_first_difference(const void *a, const void *b, size_t size) {
    if (size >= BYTES_KERNEL_MIN) {
        return gooi_kernels->first_difference(a, b, size);
    }
    const uint8_t *left = a;
    const uint8_t *right = b;
    size_t i = 0;
    for (; size - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t x, y;
        memcpy(&x, left + i, sizeof x);
        memcpy(&y, right + i, sizeof y);
        if (x != y) {
            break;
        }
    }
    while (i < size && left[i] == right[i]) {
        i++;
    }
    return i;
}
