/* bump: 64 bytes 500 times, all gone together.
 *
 * What arenas, regions and scopes are for. The blocks are linked through their first words; those
 * who free singly walk that list. A batch is 32 KB, so that the cost of memory itself, which
 * bench_fresh shows, stays out of it.
 */
#include "tests/bench/alloc/reference.h"
#include "tests/bench/alloc/way.h"

#include "goo/allocators/arena_inline.h"

enum { BUMP_BATCH = 500, BUMP_SIZE = 64 };

/* Allocates a batch and returns its last block. */
ALWAYS_INLINE void **bump_batch(GooAllocator *a, TakeFn *take) {
    void **kept = NULL;
    for (size_t i = 0; i < BUMP_BATCH; i++) {
        void **block = take(a, BUMP_SIZE);
        *block = kept;
        kept = block;
    }
    __asm__ volatile("" : : "r"(kept) : "memory");
    return kept;
}

/* Each way: batches until `count`, with what ends a batch. */
#define BUMP_WAY(name, begin, take, end)                                                           \
    static size_t name(GooAllocator *a, size_t count) {                                            \
        size_t done = 0;                                                                           \
        for (; done < count; done += BUMP_BATCH) {                                                 \
            begin;                                                                                 \
            void **kept = bump_batch(a, take);                                                     \
            (void)kept;                                                                            \
            end;                                                                                   \
        }                                                                                          \
        (void)a;                                                                                   \
        return done;                                                                               \
    }

static void bump_free_singly(void **kept) {
    while (kept != NULL) {
        void **next = *kept;
        free(kept);
        kept = next;
    }
}

ALWAYS_INLINE void *bump_take_arena(GooAllocator *a, size_t size) {
    return goo_arena_take(a, size, 0);
}

BUMP_WAY(bump_malloc, , take_malloc, bump_free_singly(kept))
BUMP_WAY(bump_reference, reference_reset(); a = reference_handle(), reference_bump, )
BUMP_WAY(bump_reference_called, reference_reset(); a = reference_handle(), reference_bump_called, )
BUMP_WAY(bump_arena_inline, , bump_take_arena, goo_allocator_reset(a))
BUMP_WAY(bump_arena, , take_front_door, goo_allocator_reset(a))
BUMP_WAY(bump_region, (void)goo_region_begin(a), take_front_door, goo_region_end(a))
BUMP_WAY(bump_scoped, size_t mark = goo_scope_mark(a), take_front_door, goo_scope_unwind(a, mark))

static GooAllocator *bump_open_arena(void) {
    return goo_arena_allocator_create((size_t)1 << 20);
}

static GooAllocator *bump_open_region(void) {
    return goo_region_allocator_create((size_t)1 << 20, true);
}

static GooAllocator *bump_open_scoped(void) {
    return goo_scoped_allocator_create(NULL);
}

static const Way bump_ways[] = {
    WAY_OF_MALLOC(bump_malloc),
    WAY_OF_GOO("bare bump, inline", bump_reference, NULL, NO_TARGET),
    WAY_OF_GOO("bare bump, called", bump_reference_called, NULL, NO_TARGET),
    WAY_OF_GOO("goo arena, inline", bump_arena_inline, bump_open_arena, TARGET_SCALED, 0.7,
               "bare bump, inline", 0.5),
    WAY_OF_GOO("goo arena, front door", bump_arena, bump_open_arena, TARGET_SCALED, 1.6,
               "bare bump, called", 0.9),
    WAY_OF_GOO("goo region", bump_region, bump_open_region, TARGET_RATIO, 1.0, WAY_LIBC, 0),
    WAY_OF_GOO("goo scoped", bump_scoped, bump_open_scoped, TARGET_RATIO, 1.0, WAY_LIBC, 0),
};

const Workload workload_bump = {
    .name = "bump",
    .what = "64 bytes 500 times, all gone together (ns per block)",
    .ways = bump_ways,
    .way_count = COUNT_OF(bump_ways),
};
