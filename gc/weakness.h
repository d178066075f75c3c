/* What the rooms of weakness share: weak.c, ephemeron.c, ephemeron_settle.c, weak_map.c,
 * finalize_queue.c, weak_verify.c.
 *
 * Marking finds the weak objects: their types have private trace callbacks, which put each one that
 * still has something to settle on the heap's list of its kind. The lists run through the objects
 * themselves, so that finding one needs no memory, and heaps without weakness pay nothing.
 *
 *   heap->weak.found[kind] ──▶ object ──▶ object ──▶ GOOI_WEAK_LIST_END
 *                                link       link
 *
 * A pair is a key and a value that lives as long as the key: in an ephemeron, or one entry of a
 * weak map's table. Pairs whose keys are not marked yet wait in heap->waiting (ephemeron_settle.c),
 * whose size was reserved when the pairs were made: settling can't run out of memory.
 *
 * WEAK-1  a living weak reference's target, and a living pair's key, is NULL or the start of a
 *         living object; its value is one that lives, or no address of the heap.
 * WEAK-2  between collections no object is on a list, lists and waiting table are empty, and no
 *         object has `attention` because of a pair.
 * WEAK-3  heap->weak.pairs is at least the number of pairs in living objects, and right after a
 *         collection just that; the waiting table has room for so many.
 *
 * Threads: as each file says.
 */
#ifndef GOO_GC_WEAKNESS_H
#define GOO_GC_WEAKNESS_H

#include <stdatomic.h>

#include "gc/metadata.h"
#include "goo/gc/weak.h"

enum { GOOI_WEAK_REFERENCE, GOOI_WEAK_EPHEMERON, GOOI_WEAK_MAP, GOOI_WEAK_KINDS };

/* A link is 0, or leads to the next object of a list, or ends it; or, on objects that hold pairs,
 * it is the mark colour of the collection that last counted them: whoever traces the object again
 * has nothing to do. Colours rotate, and each living one gets its colour in every collection, so it
 * is the current one or the one before. */
#define GOOI_WEAK_LIST_END ((uintptr_t)1)
#define GOOI_WEAK_IS_LISTED(link) ((link) == GOOI_WEAK_LIST_END || (link) > GOO_GC_COLOUR_MASK)

typedef struct GooiWeakHead {
    const GooGcType *type;
    _Atomic uintptr_t link;
} GooiWeakHead;

typedef struct GooiPair {
    void *key, *value; /* both NULL: empty */
} GooiPair;

struct GooGcWeak {
    GooiWeakHead head;
    void *target;
};

struct GooGcEphemeron {
    GooiWeakHead head;
    GooiPair pair;
};

/* Open addressing: a pair's home is the hash of its key; collisions go to the next place. An object
 * of its own, without slots as far as marking knows. */
typedef struct GooiWeakTable {
    const GooGcType *type;
    size_t capacity; /* a power of two */
    GooiPair pairs[];
} GooiWeakTable;

struct GooGcWeakMap {
    GooiWeakHead head;
    GooiWeakTable *table; /* NULL: empty */
    size_t count;
    bool has_unmarked; /* while settling: some key was not marked when the map was looked at */
};

typedef struct GooiWaitingNode {
    uintptr_t pair; /* address of a GooiPair | bits of ephemeron_settle.c */
    uint32_t next;  /* of the same bucket, or of the ready list; index + 1, 0 ends */
    uint32_t hash;  /* of the key */
} GooiWaitingNode;

/* A table of pairs by key, empty but while a collection settles. Both arrays are in one block. */
typedef struct GooiWaiting {
    GooiWaitingNode *nodes;
    uint32_t *buckets;          /* index + 1 of a node; 0: empty */
    _Atomic uint32_t capacity;  /* 0 or a power of two, of both arrays; changes under the lock */
    uint32_t count, bucket_count;
    uint32_t ready;             /* nodes whose key was marked while they waited */
    _Atomic uint32_t pending;   /* nodes in buckets */
    atomic_flag lock;           /* of nodes, buckets and ready, against other markers */
} GooiWaiting;

typedef struct GooiWeakness {
    _Atomic uintptr_t found[GOOI_WEAK_KINDS];
    uintptr_t seen[GOOI_WEAK_KINDS]; /* how far down a list was gone through */
    _Atomic size_t pairs;            /* that exist */
    _Atomic size_t pairs_live;       /* found by the collection so far */
    bool in_hooks;
} GooiWeakness;

extern const GooGcType gooi_weak_reference_type, gooi_weak_ephemeron_type, gooi_weak_map_type;
extern const GooGcType gooi_weak_table_type;

/* Other markers may be writing the byte. */
static inline bool gooi_weak_is_marked(const void *object, uint8_t colour) {
    uint8_t byte = __atomic_load_n(gooi_metadata_of((uintptr_t)object), __ATOMIC_RELAXED);
    return (byte & GOO_GC_COLOUR_MASK) == colour;
}

static inline uint64_t gooi_weak_hash(const void *key) {
    return ((uint64_t)(uintptr_t)key >> GOOI_GRANULE_LOG2) * UINT64_C(0x9e3779b97f4a7c15);
}

/* --- prototypes, by the file that defines them --- */

/* weak.c */
void gooi_weak_begin(GooGcHeap *heap);
bool gooi_weak_claim(GooGcHeap *heap, GooiWeakHead *head, uintptr_t link); /* any marker */
void gooi_weak_find(GooGcHeap *heap, GooiWeakHead *head, unsigned kind); /* any marker */
GooiWeakHead *gooi_weak_first(const GooGcHeap *heap, unsigned kind);
GooiWeakHead *gooi_weak_unlink(GooiWeakHead *head, uintptr_t link);
void gooi_weak_clear(GooGcHeap *heap);
void gooi_weak_end(GooGcHeap *heap);
void gooi_weak_call_hooks(GooGcHeap *heap);
void gooi_weak_deinit(GooGcHeap *heap);

/* ephemeron.c */
bool gooi_ephemeron_look(GooGcHeap *heap, GooGcVisitor *v);
void gooi_ephemeron_clear(GooGcHeap *heap);

/* ephemeron_settle.c */
bool gooi_waiting_count_pair(GooGcMutator *m);
void gooi_waiting_uncount_pair(GooGcHeap *heap);
bool gooi_waiting_look(GooGcHeap *heap, GooGcVisitor *v, GooiPair *pairs, size_t count);
void gooi_waiting_settle(GooGcHeap *heap, GooGcVisitor *v);
void gooi_waiting_clear(GooGcHeap *heap);
void gooi_waiting_trim(GooGcHeap *heap);
void gooi_waiting_key_marked(GooGcHeap *heap, uintptr_t key); /* any marker */
void gooi_waiting_deinit(GooGcHeap *heap);

/* weak_map.c */
bool gooi_weak_map_look(GooGcHeap *heap, GooGcVisitor *v);
void gooi_weak_map_clear(GooGcHeap *heap);

/* finalize_queue.c */
bool gooi_finalize_queue_dead(GooGcHeap *heap, GooGcVisitor *v);
void gooi_finalize_queue_visit(GooGcHeap *heap, GooGcVisitor *v);
const char *gooi_finalize_queue_fault(const GooGcHeap *heap);
void gooi_finalize_queue_deinit(GooGcHeap *heap);

/* finalize.c */
bool gooi_finalize_reserve(GooGcHeap *heap);
void gooi_finalize_add(GooGcHeap *heap, void *object); /* NULL: it could not be made */
void gooi_finalize_dead(GooGcHeap *heap);
void gooi_finalize_all(GooGcHeap *heap);

/* intern.c */
void gooi_intern_drop_dead(GooGcHeap *heap);
bool gooi_intern_is_sound(const GooGcHeap *heap); /* INTERN-1, INTERN-2 */
void gooi_intern_deinit(GooGcHeap *heap);

/* weak_verify.c */
bool gooi_weak_is_weak(const GooGcType *type);
const char *gooi_weak_fault(const GooGcHeap *heap, const void *object);
const char *gooi_weak_tables_fault(const GooGcHeap *heap, size_t pairs);

#endif
