/* goo/gc/weak.h: references that keep nothing alive, and what happens when an object dies.
 *
 * Choose a weak reference for a cache or a back pointer; an ephemeron for one fact about one
 * object; a weak map for facts about many (a side table of properties); a finalizer for what must
 * be closed when nobody can reach it any more, if nobody closed it before. A program's own weak
 * tables take a weak hook. For memory that an object owns goo_gc_owned_alloc is simpler than any of
 * them, and for interned strings there is goo/gc/intern.h.
 *
 *     GooGcWeakMap *labels = goo_gc_weak_map_new(m);
 *     goo_gc_root_add_pointer(heap, &labels);
 *     goo_gc_weak_map_set(m, labels, node, label);     // label lives as long as node does
 *     char *label = goo_gc_weak_map_get(m, labels, node);
 *
 * The whole program is examples/weak.c.
 *
 * GooGcWeak, GooGcEphemeron and GooGcWeakMap are collected objects: who holds one keeps it alive
 * like any other, and its memory comes back by itself. Everything here is settled by the collection
 * that finds an object dead, before that collection's call returns, and in this order:
 *
 *   1. values whose keys live are marked, until there are no more of them
 *   2. weak references, ephemerons and weak maps let go of what is dead
 *   3. finalizers of dead objects are queued; those objects, and what they refer to, are alive
 *   again
 *   4. weak references, ephemerons and maps that only step 3 brought back let go of what is still
 *   dead
 *   5. intern tables let go, weak hooks are called, plain finalizers (GooGcType.finalize) run
 *
 * So a weak reference, or a weak map's entry, is gone before the finalizer of its target or key can
 * run, and resurrection does not bring it back. What died together with its own weak references,
 * and is brought back together with them, keeps them.
 *
 * Cost: a collection does work for each weak reference, ephemeron and entry that is alive, none for
 * dead ones. Ephemerons settle in linear time, however long the chains in which the value of one is
 * the key of the next.
 *
 * Keys, targets and values are plain pointers whatever the heap's encoding, and are compared by
 * identity. Unless a call says otherwise: threads: a mutator's own; one object or map is for one
 * thread at a time; cost: O(1).
 */
#ifndef GOO_GC_WEAK_H
#define GOO_GC_WEAK_H

#include "goo/gc.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct GooGcWeak GooGcWeak;
typedef struct GooGcEphemeron GooGcEphemeron;
typedef struct GooGcWeakMap GooGcWeakMap;

/* --- weak references --- */

/* A reference to `target`, an object of this heap, that does not keep it alive. 32 bytes.
 * Fails: NULL with errno EINVAL (NULL) or ENOMEM. May collect. */
GOO_API GooGcWeak *goo_gc_weak_new(GooGcMutator *m, void *target);
/* The target, or NULL once it has died. The caller then holds it like any other object. */
GOO_API void *goo_gc_weak_get(GooGcMutator *m, const GooGcWeak *w);

/* --- ephemerons --- */

/* A pair whose value stays alive, as far as the pair is concerned, only as long as its key does: a
 * value that refers to its own key does not keep it. `key` is an object of this heap; `value` is
 * one, or NULL, or a pointer to anything outside the heap. 32 bytes, and 20 to 40 of side tables.
 * Fails: NULL with errno EINVAL (`key` NULL) or ENOMEM. May collect. */
GOO_API GooGcEphemeron *goo_gc_ephemeron_new(GooGcMutator *m, void *key, void *value);
/* NULL once the key has died. */
GOO_API void *goo_gc_ephemeron_key(GooGcMutator *m, const GooGcEphemeron *e);
GOO_API void *goo_gc_ephemeron_value(GooGcMutator *m, const GooGcEphemeron *e);

/* --- weak maps --- */

/* A map of ephemerons: each entry lives as long as its key does. A map that nobody can reach keeps
 * nothing alive and goes as a whole. Fails: NULL with errno ENOMEM. May collect. */
GOO_API GooGcWeakMap *goo_gc_weak_map_new(GooGcMutator *m);
/* The value stored for `key`, or NULL. */
GOO_API void *goo_gc_weak_map_get(GooGcMutator *m, GooGcWeakMap *map, const void *key);
/* Stores a value for a key, in the place of one stored before. Key and value as for ephemerons.
 * Fails: GOO_ERR_INVALID_ARGUMENT (NULL map or key), GOO_ERR_NO_MEMORY, GOO_ERR_BUSY inside a
 * collection; the map is then as it was. May collect. Cost: O(1) amortised; 22 to 43 bytes an entry
 * in the map, twice that while it grows, and 20 to 40 of side tables. */
GOO_API GooStatus goo_gc_weak_map_set(GooGcMutator *m, GooGcWeakMap *map, void *key, void *value);
/* Whether there was an entry to remove. */
GOO_API bool goo_gc_weak_map_remove(GooGcMutator *m, GooGcWeakMap *map, const void *key);
/* How many entries there are; those of dead keys count until the next collection. */
GOO_API size_t goo_gc_weak_map_count(GooGcMutator *m, GooGcWeakMap *map);

/* --- finalizers that run on a mutator's thread --- */

/* When `object` is found dead, `fn` is queued for it, once. Until the finalizer has run the object
 * and everything it refers to stay alive and whole; fn may use them, allocate, collect, store the
 * object where it can be reached again (it then lives on, without a finalizer unless it sets one)
 * and set another. A finalizer set before is replaced; `fn` NULL removes it. In which order objects
 * that die together are queued: that of setting. Finalizers still set or queued when the heap is
 * destroyed do not run: a program that wants them collects and runs them before.
 * Fails: GOO_ERR_INVALID_ARGUMENT (not the start of an object of this heap; `m` is not the calling
 * thread's), GOO_ERR_NO_MEMORY, GOO_ERR_BUSY inside a collection; nothing changes. May collect.
 * Cost: 80 to 160 bytes of side tables; a collection asks each. */
GOO_API GooStatus goo_gc_set_finalizer(GooGcMutator *m, void *object,
                                       void (*fn)(void *object, void *user), void *user);
/* The same, in order: it is not queued while another dead object with a finalizer leads to this
 * one, so that fn finds what it refers to not finalized yet. An object that waits stays alive with
 * what it refers to, and a later collection asks again. Objects that lead to each other in a circle
 * wait until a collection finds none that may go; then it lets one of them go first. */
GOO_API GooStatus goo_gc_set_finalizer_ordered(GooGcMutator *m, void *object,
                                               void (*fn)(void *object, void *user), void *user);
/* Runs up to `max` of the finalizers that are queued by now, oldest first, on the calling thread;
 * how many ran. Call it where the program's own code may run: after a safepoint, in an idle loop.
 * A finalizer may call it too. 0 where `m` is not the calling thread's. Never collects by itself.
 * Several threads may run finalizers at once. Cost: O(1) when none is queued. */
GOO_API size_t goo_gc_run_finalizers(GooGcMutator *m, size_t max);

/* --- a program's own weak tables --- */

/* Calls `fn` in every collection when it is known which objects live and before any memory is
 * reused: it drops from its tables what goo_gc_is_live says is dead. It must not allocate on the
 * heap, store into objects or run finalizers. Hooks are called in the order of adding.
 * Fails: GOO_ERR_INVALID_ARGUMENT (NULL; remove of what was not added), GOO_ERR_NO_MEMORY,
 * GOO_ERR_BUSY inside a collection. */
GOO_API GooStatus goo_gc_weak_hook_add(GooGcHeap *heap, void (*fn)(GooGcHeap *heap, void *user),
                                       void *user);
GOO_API GooStatus goo_gc_weak_hook_remove(GooGcHeap *heap, void (*fn)(GooGcHeap *heap, void *user),
                                          void *user);
/* Inside a weak hook: whether the object that starts at `object` lives on. NULL and addresses at
 * which no object starts are not live. */
GOO_API bool goo_gc_is_live(GooGcHeap *heap, const void *object);

#ifdef __cplusplus
}
#endif

#endif
