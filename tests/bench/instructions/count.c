/* count_instructions: each fast path in a loop, to be counted under callgrind by instructions.py.
 *
 *     count_instructions          prints the names of the cases
 *     count_instructions CASE N   runs one of them N times
 *
 * Two runs that differ only in N differ in what N turns cost; start and end of the process cancel.
 * The case `empty` is the loop alone, which is taken off the others. Heaps are so large that
 * nothing is collected: a collection is no fast path, and its threads are not the same twice.
 */
#include "tests/bench/alloc/way.h"

#include <stdio.h>

#include "goo/allocators/arena_inline.h"
#include "goo/allocators/pool_inline.h"
#include "goo/gc/inline.h"

enum { BLOCK = 64, BATCH = 100, HEAP_BYTES = 256 << 20 };

typedef struct Node {
    const GooGcType *type;
    struct Node *next;
    uint64_t words[4];
} Node;

static const uint64_t node_references[] = {2};
static const GooGcType node_type = {.name = "node",
                                    .size = sizeof(Node),
                                    .layout = GOO_GC_LAYOUT_BITMAP,
                                    .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                    .bitmap = node_references,
                                    .bitmap_words = 1};

/* What the cases work on; only what a case needs is made. */
static GooAllocator *allocator;
static GooGcMutator *mutator;
static Node *node;

/* The compiler knows nothing of `pointer` and of memory behind it after this. */
ALWAYS_INLINE void seen(const void *pointer) {
    __asm__ volatile("" : : "r"(pointer) : "memory");
}

#define COUNTED(name, step)                                                                        \
    NEVER_INLINE void name(size_t count) {                                                         \
        GooAllocator *a = allocator;                                                               \
        GooGcMutator *m = mutator;                                                                 \
        Node *n = node;                                                                            \
        for (size_t i = 0; i < count; i++) {                                                       \
            step;                                                                                  \
            __asm__ volatile("" : "+r"(a), "+r"(m), "+r"(n) : : "memory");                         \
        }                                                                                          \
    }

/* A batch, then all of it goes at once: what one allocation costs with its share of the reset. */
#define COUNTED_BATCH(name, take)                                                                  \
    NEVER_INLINE void name(size_t count) {                                                         \
        GooAllocator *a = allocator;                                                               \
        for (size_t done = 0; done < count; done += BATCH) {                                       \
            for (size_t i = 0; i < BATCH; i++) {                                                   \
                seen(take);                                                                        \
            }                                                                                      \
            goo_allocator_reset(a);                                                                \
        }                                                                                          \
    }

ALWAYS_INLINE void pair(GooAllocator *a) {
    void *block = goo_memory_alloc_with(a, BLOCK);
    seen(block);
    goo_memory_free_with(a, block, BLOCK);
}

ALWAYS_INLINE void pair_pool(GooAllocator *a) {
    void *block = goo_pool_take(a);
    seen(block);
    goo_pool_give(a, block);
}

ALWAYS_INLINE void pair_legacy(void) {
    void *block = goo_alloc(BLOCK);
    seen(block);
    goo_free(block);
}

COUNTED(count_empty, )
COUNTED(count_pair, pair(a))
COUNTED(count_pair_pool, pair_pool(a))
COUNTED(count_pair_legacy, pair_legacy())
COUNTED_BATCH(count_arena, goo_memory_alloc_with(a, BLOCK))
COUNTED_BATCH(count_arena_inline, goo_arena_take(a, BLOCK, 0))
COUNTED(count_gc_alloc, seen((goo_gc_alloc)(m, &node_type, 0)))
COUNTED(count_gc_alloc_inline, seen(goo_gc_alloc(m, &node_type, 0)))
COUNTED(count_gc_leaf_inline, seen(goo_gc_alloc_leaf(m, 32)))
COUNTED(count_gc_write, (goo_gc_write_pointer)(m, n, &n->next, n))
COUNTED(count_gc_write_inline, goo_gc_write_pointer(m, n, &n->next, n))
COUNTED(count_gc_safepoint, (goo_gc_safepoint)(m))
COUNTED(count_gc_safepoint_inline, goo_gc_safepoint(m))

/* --- what they work on --- */

static bool open_nothing(void) {
    return true;
}

static bool open_front_door(void) {
    allocator = goo_system_allocator_create();
    return allocator != NULL;
}

static bool open_tracking(void) {
    allocator = goo_tracking_allocator_create(NULL);
    return allocator != NULL;
}

static bool open_pool(void) {
    allocator = goo_pool_allocator_create(BLOCK, 1024);
    return allocator != NULL;
}

static bool open_arena(void) {
    allocator = goo_arena_allocator_create((size_t)1 << 20);
    return allocator != NULL;
}

static bool open_heap(void) {
    GooGcOptions options = goo_gc_default_options();
    options.initial_bytes = HEAP_BYTES;
    options.marker_threads = 1;
    GooGcHeap *heap = goo_gc_heap_create(&options);
    mutator = heap == NULL ? NULL : goo_gc_attach(heap);
    node = mutator == NULL ? NULL : goo_gc_alloc(mutator, &node_type, 0);
    return node != NULL;
}

typedef struct Case {
    const char *name;
    bool (*open)(void);
    void (*run)(size_t count);
} Case;

static const Case cases[] = {
    {"empty", open_nothing, count_empty},
    {"pair, system, front door", open_front_door, count_pair},
    {"pair, legacy", open_nothing, count_pair_legacy},
    {"pair, tracking allocator", open_tracking, count_pair},
    {"pair, pool, front door", open_pool, count_pair},
    {"pair, pool, inline", open_pool, count_pair_pool},
    {"alloc, arena, front door", open_arena, count_arena},
    {"alloc, arena, inline", open_arena, count_arena_inline},
    {"gc alloc, called", open_heap, count_gc_alloc},
    {"gc alloc, inline", open_heap, count_gc_alloc_inline},
    {"gc alloc leaf, inline", open_heap, count_gc_leaf_inline},
    {"gc write barrier, called", open_heap, count_gc_write},
    {"gc write barrier, inline", open_heap, count_gc_write_inline},
    {"gc safepoint, called", open_heap, count_gc_safepoint},
    {"gc safepoint, inline", open_heap, count_gc_safepoint_inline},
};

int main(int argc, char **argv) {
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (argc == 1) {
            printf("%s\n", cases[i].name);
        } else if (argc == 3 && strcmp(argv[1], cases[i].name) == 0) {
            if (!cases[i].open()) {
                fprintf(stderr, "count_instructions: no memory for %s\n", argv[1]);
                return 1;
            }
            cases[i].run((size_t)strtoull(argv[2], NULL, 10));
            return 0;
        }
    }
    return argc == 1 ? 0 : 64;
}
