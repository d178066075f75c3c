/* goo/gc/inline.h: the fast paths of goo/gc.h as inline functions.
 *
 * Include it after nothing special, in the files where objects are made: the plain names then mean
 * the inline forms. Everything here is the same call with the same meaning; what is shown of the
 * mutator and of a metadata byte is for these functions only and may change with any version that
 * the program is compiled anew for.
 *
 * An allocation is: compare, add, the metadata of the first and the last granule, the header. When
 * type and size are constants the compiler folds the rest.
 *
 * Hidden from Zig's translator: Zig calls the functions of goo/gc.h.
 */
#ifndef GOO_GC_INLINE_H
#define GOO_GC_INLINE_H

#include "goo/gc.h"

#include <string.h>

#if !defined(__ARO_EMULATE__)

#ifdef __cplusplus
extern "C" {
#endif

/* One byte of metadata describes 16 bytes of heap. */
enum {
    GOO_GC_GRANULE_LOG2 = 4,
    GOO_GC_COLOUR_MASK = 7, /* of an object's first granule: 0 none, 1 young, 2 4 6 mark colours */
    GOO_GC_COLOUR_YOUNG = 1,
    GOO_GC_END = 8, /* an object's last granule */
    GOO_GC_KIND_TYPED = 0,
    GOO_GC_KIND_LEAF = 16,
    GOO_GC_KIND_CONSERVATIVE = 32,
    GOO_GC_KIND_EMBEDDER = 48,
    GOO_GC_KIND_MASK = 48,
    GOO_GC_LOGGED = 64,    /* the barrier has nothing to do; always set on objects without slots */
    GOO_GC_ATTENTION = 128 /* stands in a side table: has a finalize, owns blocks */
};

/* The head of every GooGcMutator. [cursor, limit) is zeroed memory, at most 8 KiB, within one
 * block; the metadata byte of address p is at table_bias + (p >> 4). */
typedef struct GooGcMutatorFast {
    uintptr_t cursor, limit, table_bias;
    uintptr_t embedder_least; /* bytes of an embedder's object; all ones: the heap has none */
    uintptr_t poll;         /* another thread wants this one to stop; written atomically */
} GooGcMutatorFast;

#if defined(__GNUC__) || defined(__clang__)
#define GOO_GC_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define GOO_GC_LOAD_RELAXED(address) __atomic_load_n((address), __ATOMIC_RELAXED)
#else
#define GOO_GC_UNLIKELY(x) (x)
#define GOO_GC_LOAD_RELAXED(address) (*(volatile uintptr_t *)(address))
#endif

/* A new object of `size` > 0 bytes from the mutator's span with the given metadata bits, or NULL
 * when the span is too short. */
static inline void *goo_gc_bump_inline(GooGcMutator *m, size_t size, unsigned metadata) {
    GooGcMutatorFast *fast = (GooGcMutatorFast *)(void *)m;
    uintptr_t start = fast->cursor;
    /* limit - cursor is a multiple of 16: where size fits, so does size rounded up. */
    if (GOO_GC_UNLIKELY(size - 1 >= fast->limit - start)) {
        return NULL;
    }
    size_t granules = (size + 15) >> GOO_GC_GRANULE_LOG2;
    fast->cursor = start + (granules << GOO_GC_GRANULE_LOG2);
    uint8_t *table = (uint8_t *)(fast->table_bias + (start >> GOO_GC_GRANULE_LOG2));
    table[granules - 1] = GOO_GC_END;
    table[0] = (uint8_t)(metadata | GOO_GC_COLOUR_YOUNG | (granules == 1 ? GOO_GC_END : 0));
    return (void *)start;
}

static inline void *goo_gc_alloc_inline(GooGcMutator *m, const GooGcType *type, size_t size) {
    size_t bytes = size != 0 ? size : type->size;
    if (GOO_GC_UNLIKELY(type->finalize != NULL)) {
        return (goo_gc_alloc)(m, type, size);
    }
    unsigned quiet = type->layout == GOO_GC_LAYOUT_LEAF ? GOO_GC_LOGGED : 0;
    void *object = goo_gc_bump_inline(m, bytes, GOO_GC_KIND_TYPED | quiet);
    if (GOO_GC_UNLIKELY(object == NULL)) {
        return (goo_gc_alloc)(m, type, size);
    }
    memcpy(object, &type, sizeof type);
    return object;
}

static inline void *goo_gc_alloc_leaf_inline(GooGcMutator *m, size_t size) {
    void *object = goo_gc_bump_inline(m, size, GOO_GC_KIND_LEAF | GOO_GC_LOGGED);
    return object != NULL ? object : (goo_gc_alloc_leaf)(m, size);
}

static inline void *goo_gc_alloc_conservative_inline(GooGcMutator *m, size_t size) {
    void *object = goo_gc_bump_inline(m, size, GOO_GC_KIND_CONSERVATIVE);
    return object != NULL ? object : (goo_gc_alloc_conservative)(m, size);
}

static inline void *goo_gc_alloc_embedder_inline(GooGcMutator *m, size_t size) {
    void *object = NULL;
    if (size >= ((GooGcMutatorFast *)(void *)m)->embedder_least) {
        object = goo_gc_bump_inline(m, size, GOO_GC_KIND_EMBEDDER);
    }
    return object != NULL ? object : (goo_gc_alloc_embedder)(m, size);
}

/* In this version no mode needs a barrier: the store is all. */
static inline void goo_gc_write_inline(GooGcMutator *m, void *object, void *slot, uint64_t value) {
    (void)m;
    (void)object;
    memcpy(slot, &value, sizeof value);
}

static inline void goo_gc_write_pointer_inline(GooGcMutator *m, void *object, void *pointer,
                                               void *value) {
    (void)m;
    (void)object;
    memcpy(pointer, &value, sizeof value);
}

/* A span of length 0 is how a collection that is due asks for attention, and `poll` how another
 * thread does. */
static inline void goo_gc_safepoint_inline(GooGcMutator *m) {
    GooGcMutatorFast *fast = (GooGcMutatorFast *)(void *)m;
    if (GOO_GC_UNLIKELY(fast->limit == fast->cursor || GOO_GC_LOAD_RELAXED(&fast->poll) != 0)) {
        (goo_gc_safepoint)(m);
    }
}

#define goo_gc_alloc(m, type, size) goo_gc_alloc_inline((m), (type), (size))
#define goo_gc_alloc_leaf(m, size) goo_gc_alloc_leaf_inline((m), (size))
#define goo_gc_alloc_conservative(m, size) goo_gc_alloc_conservative_inline((m), (size))
#define goo_gc_alloc_embedder(m, size) goo_gc_alloc_embedder_inline((m), (size))
#define goo_gc_write(m, object, slot, value) goo_gc_write_inline((m), (object), (slot), (value))
#define goo_gc_write_pointer(m, object, pointer, value)                                            \
    goo_gc_write_pointer_inline((m), (object), (pointer), (value))
#define goo_gc_safepoint(m) goo_gc_safepoint_inline((m))

#ifdef __cplusplus
}
#endif

#endif
#endif
