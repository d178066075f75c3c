/* goo/gc/intern.h: a weak table that makes equal byte strings one object.
 *
 * For a runtime's symbols and strings: equality becomes a pointer comparison. An entry goes when
 * its object dies. Not for tables that should keep their contents alive, and not for keys other
 * than bytes.
 *
 *     static void *make(GooGcMutator *m, const void *bytes, size_t n, uint64_t hash, void *user);
 *     static const void *read(const void *object, size_t *out_length, void *user);
 *     GooGcInternOps ops = {.create = make, .bytes = read};
 *     GooGcInternTable *strings = goo_gc_intern_table_create(heap, &ops);
 *     String *s = goo_gc_intern(m, strings, "while", 5);
 *
 * Hashed with XXH3, seeded per heap, so that crafted keys can't make it slow. The hash that
 * `create` is given is the one used inside; an object may keep it.
 *
 * Threads: any that is attached, on its own mutator; one table may serve several. Where two intern
 * the same bytes at once both may make an object, and one of these is the table's. create and
 * destroy of a table: any; nobody else may use it any more when it is destroyed.
 */
#ifndef GOO_GC_INTERN_H
#define GOO_GC_INTERN_H

#include "goo/gc.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct GooGcInternTable GooGcInternTable;

typedef struct GooGcInternOps {
    /* Makes the object for bytes that are not in the table yet, and copies them. It may allocate
     * on the heap, and must not intern. NULL fails the intern. */
    void *(*create)(GooGcMutator *m, const void *bytes, size_t length, uint64_t hash, void *user);
    /* The bytes of an object of the table. */
    const void *(*bytes)(const void *object, size_t *out_length, void *user);
    void *user;
} GooGcInternOps;

/* Owner: the caller until intern_table_destroy; the heap's end ends it too.
 * Fails: NULL with errno ENOMEM or EINVAL, or ENOTSUP for a heap that reserved more than 64 GiB. */
GOO_API GooGcInternTable *goo_gc_intern_table_create(GooGcHeap *heap, const GooGcInternOps *ops);
GOO_API void goo_gc_intern_table_destroy(GooGcInternTable *t);

/* The object whose bytes equal these: the one in the table, or a new one. `bytes` must not lie in
 * an object that could die by this call. Fails: NULL with errno ENOMEM, or as `create` does.
 * May collect. Cost: O(length). */
GOO_API void *goo_gc_intern(GooGcMutator *m, GooGcInternTable *t, const void *bytes, size_t length);
/* The same, but NULL where there is none yet. Never collects. */
GOO_API void *goo_gc_intern_find(GooGcMutator *m, GooGcInternTable *t, const void *bytes,
                                 size_t length);
/* How many entries it has; dead objects count until the next collection. */
GOO_API size_t goo_gc_intern_count(const GooGcInternTable *t);

#ifdef __cplusplus
}
#endif

#endif
