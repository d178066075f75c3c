/* Blocks with contents that can be checked, a table of them, and random numbers: what the cases of
 * the conformance suite are made of.
 */
#ifndef GOO_TESTS_CONFORMANCE_BLOCKS_H
#define GOO_TESTS_CONFORMANCE_BLOCKS_H

#include "goo/runtime/memory.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/parent.h"

/* Whether malloc just refuses a size that can't be, and no tool ends the program for asking. */
#if GOO_TEST_ADDRESS_SANITIZER || defined(__SANITIZE_THREAD__)
enum { MALLOC_REFUSES = 0 };
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
enum { MALLOC_REFUSES = 0 };
#else
enum { MALLOC_REFUSES = 1 };
#endif
#else
enum { MALLOC_REFUSES = 1 };
#endif

enum { BLOCKS_MAX = 200 };

typedef struct Block {
    uint8_t *ptr;
    size_t size, alignment;
    uint8_t seed;
} Block;

typedef struct Blocks {
    Block at[BLOCKS_MAX];
    size_t count, bytes;
} Blocks;

typedef struct Bench {
    Parent parent;
    GooAllocator *a;
} Bench;

static inline uint32_t blocks_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/* `size`, or what the allocator under test can give at most. */
static inline size_t blocks_size(const Conformance *c, size_t size) {
    return c->max_size != 0 && size > c->max_size ? c->max_size : size;
}

static inline size_t blocks_alignment(const Conformance *c, size_t alignment) {
    return c->max_alignment != 0 && alignment > c->max_alignment ? c->max_alignment : alignment;
}

/* Makes the allocator under test, over a fresh parent where it takes one. */
static inline GooAllocator *bench_begin(Bench *bench, const Conformance *c) {
    GooAllocator *parent = parent_init(&bench->parent);
    bench->a = c->make(c->has_parent ? parent : NULL);
    CHECK(bench->a != NULL);
    return bench->a;
}

static inline void bench_end(Bench *bench) {
    goo_allocator_destroy(bench->a);
    CHECK_EQ(bench->parent.live, 0);
    CHECK_EQ(bench->parent.live_bytes, 0);
    CHECK_EQ(bench->parent.faults, 0);
}

static inline void block_fill_from(const Block *b, size_t from) {
    for (size_t i = from; i < b->size; i++) {
        b->ptr[i] = (uint8_t)(b->seed + i * 7);
    }
}

static inline void block_fill(const Block *b) {
    block_fill_from(b, 0);
}

/* The first `size` bytes are as they were filled. */
static inline void block_verify(const Block *b, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (b->ptr[i] != (uint8_t)(b->seed + i * 7)) {
            CHECK_MSG(false, "byte %zu of the %zu at %p is 0x%x, not 0x%x", i, b->size,
                      (void *)b->ptr, b->ptr[i], (uint8_t)(b->seed + i * 7));
        }
    }
}

/* A block of the allocator, filled; NULL ptr if it had none. */
static inline Block block_make(GooAllocator *a, size_t size, size_t alignment,
                               GooAllocOptions options, uint8_t seed) {
    Block b = {NULL, size, alignment, seed};
    b.ptr = goo_memory_alloc_options(a, size, alignment, options);
    if (b.ptr != NULL) {
        CHECK_EQ((uintptr_t)b.ptr % alignment, 0);
        if ((options & GOO_ALLOC_ZERO) != 0) {
            CHECK(goo_memory_is_zero(b.ptr, size));
        }
        block_fill(&b);
    }
    return b;
}

static inline void block_free(GooAllocator *a, const Block *b) {
    block_verify(b, b->size);
    goo_memory_free_options(a, b->ptr, b->size, b->alignment);
}

static inline void blocks_add(Blocks *all, Block b) {
    CHECK(all->count < BLOCKS_MAX);
    all->at[all->count++] = b;
    all->bytes += b.size;
}

/* Frees one and puts the last one in its place. */
static inline void blocks_free(GooAllocator *a, Blocks *all, size_t index) {
    block_free(a, &all->at[index]);
    all->bytes -= all->at[index].size;
    all->at[index] = all->at[--all->count];
}

static inline void blocks_verify(const Blocks *all) {
    for (size_t i = 0; i < all->count; i++) {
        block_verify(&all->at[i], all->at[i].size);
    }
}

/* The latest first. */
static inline void blocks_free_all(GooAllocator *a, Blocks *all) {
    while (all->count != 0) {
        blocks_free(a, all, all->count - 1);
    }
}

#endif
