/* Settling pairs: every value whose key is marked gets marked, to a fixpoint, in linear time.
 *
 *   pair ─ key marked? ─ yes ─▶ mark the value ─▶ drain ─▶ …
 *              └ no ─▶ waits in its key's bucket ─ key gets marked ─▶ ready list ─▶ mark the value
 *
 * A pair is looked at once. If its key is not marked by then, it waits in a hash table by key, and
 * the key's metadata byte says `attention`; marking, when it sets a colour on a byte with that bit,
 * comes here (gooi_waiting_key_marked), and all that wait for the key move to the ready list. So
 * each pair is put in once and taken out once, whatever the order in which chains were made. What
 * still waits when nothing is ready and nothing left to trace has a dead key.
 *
 * Memory: the table's arrays are reserved when pairs are made, so that a collection never lacks
 * room for them; they stay untouched while no key has to be waited for.
 *
 * WAIT-1  pending is the number of nodes in buckets; each of their keys has `attention`.
 * WAIT-2  when a key had no `attention` before, exactly one of its nodes says so (OURS), and
 *         gooi_waiting_clear takes it away. Not earlier: a marker racing on the same byte might
 *         store it again.
 *
 * Threads: counting a pair takes the heap's lock; gooi_waiting_key_marked is for any marker; the
 * rest is the collector's, between drains.
 *
 * Source: ephemeron tables after Barros and Ierusalimschy, "Eliminating cycles in weak tables"
 * (2008); waiting by key takes the place of their repeated rounds, which chains make quadratic.
 */
#include <errno.h>

#include "gc/mark.h"
#include "runtime/bits.h"

enum {
    GOOI_WAITING_OURS = 1,     /* its key has `attention` because of it */
    GOOI_WAITING_RESOLVED = 2, /* in no bucket any more */
    GOOI_WAITING_BITS = 3
};

#define GOOI_WAITING_MIN ((size_t)64)
#define GOOI_WAITING_MAX ((size_t)1 << 31)
#define GOOI_WAITING_NODE_SIZE (sizeof(uintptr_t) + 2 * sizeof(uint32_t))
#define GOOI_LOOK_STEP 512 /* pairs looked at between two drains: the mark stack stays short */
#define GOOI_LOOK_AHEAD 12

_Static_assert(_Alignof(GooiPair) > GOOI_WAITING_BITS, "a pair's address must have room for bits");

/* --- room --- */

static bool waiting_set_capacity(GooGcHeap *heap, size_t capacity) {
    GooiWaiting *w = &heap->waiting;
    void *block = gooi_side_alloc(heap, capacity * GOOI_WAITING_NODE_SIZE);
    if (block == NULL) {
        return false;
    }
    gooi_side_free(heap, w->pairs, w->capacity * GOOI_WAITING_NODE_SIZE);
    w->pairs = block;
    w->next = (uint32_t *)(w->pairs + capacity);
    w->buckets = w->next + capacity;
    w->capacity = (uint32_t)capacity;
    return true;
}

static bool waiting_reserve(GooGcHeap *heap, size_t needed) {
    size_t capacity = heap->waiting.capacity != 0 ? heap->waiting.capacity : GOOI_WAITING_MIN;
    if (needed <= heap->waiting.capacity) {
        return true;
    }
    while (capacity < needed) {
        capacity *= 2;
    }
    return capacity <= GOOI_WAITING_MAX && waiting_set_capacity(heap, capacity);
}

static bool waiting_try_count(GooGcHeap *heap) {
    gooi_heap_lock(heap);
    bool room = waiting_reserve(heap, heap->weak.pairs + 1);
    heap->weak.pairs += room ? 1 : 0;
    gooi_heap_unlock(heap);
    return room;
}

/* Counts one pair more, with room to wait. False, errno ENOMEM, when there is none even after a
 * collection. */
bool gooi_waiting_count_pair(GooGcMutator *m) {
    m->heap->refused = false;
    if (waiting_try_count(m->heap) ||
        (gooi_collect_emergency(m->heap, GOOI_WAITING_NODE_SIZE) && waiting_try_count(m->heap))) {
        return true;
    }
    gooi_alloc_fail(m, GOOI_WAITING_NODE_SIZE);
    return false;
}

/* Gives back room that is far too much; where there is no memory for less it stays. */
void gooi_waiting_trim(GooGcHeap *heap) {
    size_t capacity = heap->waiting.capacity;
    while (capacity > GOOI_WAITING_MIN && heap->weak.pairs < capacity / 8) {
        capacity /= 2;
    }
    if (capacity != heap->waiting.capacity) {
        waiting_set_capacity(heap, capacity);
    }
}

void gooi_waiting_deinit(GooGcHeap *heap) {
    gooi_side_free(heap, heap->waiting.pairs, heap->waiting.capacity * GOOI_WAITING_NODE_SIZE);
    heap->waiting.pairs = NULL;
}

/* --- nodes --- */

static GooiPair *waiting_pair(const GooiWaiting *w, uint32_t node) {
    return (GooiPair *)(w->pairs[node] & ~(uintptr_t)GOOI_WAITING_BITS);
}

static uint32_t *waiting_bucket(GooiWaiting *w, const void *key) {
    return &w->buckets[(gooi_weak_hash(key) >> 32) & (w->bucket_count - 1)];
}

static void waiting_link(GooiWaiting *w, uint32_t node) {
    uint32_t *bucket = waiting_bucket(w, waiting_pair(w, node)->key);
    w->next[node] = *bucket;
    *bucket = node + 1;
}

/* Twice as many buckets, as the nodes become more. */
static void waiting_grow_buckets(GooiWaiting *w) {
    w->bucket_count = w->bucket_count == 0 ? (uint32_t)GOOI_WAITING_MIN : w->bucket_count * 2;
    memset(w->buckets, 0, w->bucket_count * sizeof *w->buckets);
    for (uint32_t node = 0; node < w->count; node++) {
        if ((w->pairs[node] & GOOI_WAITING_RESOLVED) == 0) {
            waiting_link(w, node);
        }
    }
}

static void waiting_add(GooiWaiting *w, GooiPair *pair) {
    GOO_ASSERT(w->count < w->capacity, "gc: WEAK-3: %u pairs wait, %u were reserved", w->count,
               w->capacity);
    if (w->count == w->bucket_count) {
        waiting_grow_buckets(w);
    }
    uint8_t *byte = gooi_metadata_of((uintptr_t)pair->key);
    bool ours = (*byte & GOO_GC_ATTENTION) == 0;
    *byte |= GOO_GC_ATTENTION;
    w->pairs[w->count] = (uintptr_t)pair | (ours ? GOOI_WAITING_OURS : 0);
    waiting_link(w, w->count++);
    w->pending++;
}

/* --- the marker's side --- */

static void waiting_resolve(GooiWaiting *w, uintptr_t key) {
    uint32_t *link = waiting_bucket(w, (const void *)key);
    while (*link != 0) {
        uint32_t node = *link - 1;
        if ((uintptr_t)waiting_pair(w, node)->key != key) {
            link = &w->next[node];
            continue;
        }
        *link = w->next[node];
        w->pairs[node] |= GOOI_WAITING_RESOLVED;
        w->next[node] = w->ready;
        w->ready = node + 1;
        atomic_fetch_sub_explicit(&w->pending, 1, memory_order_relaxed);
    }
}

/* A byte with `attention` was marked: those that wait for it are ready. */
void gooi_waiting_key_marked(GooGcHeap *heap, uintptr_t key) {
    GooiWaiting *w = &heap->waiting;
    if (atomic_load_explicit(&w->pending, memory_order_relaxed) == 0) {
        return;
    }
    while (atomic_flag_test_and_set_explicit(&w->lock, memory_order_acquire)) {
    }
    waiting_resolve(w, key);
    atomic_flag_clear_explicit(&w->lock, memory_order_release);
}

/* --- the fixpoint --- */

static bool waiting_is_for(const GooiMarker *k, const void *value) {
    uintptr_t address = (uintptr_t)value;
    return address - k->base < k->size && !gooi_weak_is_marked(value, k->colour);
}

/* Marks the values whose keys are marked; the others wait, if there is anything to mark. Returns
 * whether some key is not marked. */
static bool waiting_look(GooGcHeap *heap, GooGcVisitor *v, GooiPair *pairs, size_t count) {
    bool unmarked = false;
    GooiMarker k;
    gooi_marker_load(&k, v);
    for (size_t i = 0; i < count; i++) {
        const void *ahead = i + GOOI_LOOK_AHEAD < count ? pairs[i + GOOI_LOOK_AHEAD].key : NULL;
        if (ahead != NULL) {
            GOOI_PREFETCH(gooi_metadata_of((uintptr_t)ahead));
        }
        if (pairs[i].key == NULL) {
            continue;
        }
        bool marked = gooi_weak_is_marked(pairs[i].key, k.colour);
        unmarked |= !marked;
        if (marked) {
            gooi_mark_address(&k, (uintptr_t)pairs[i].value);
        } else if (waiting_is_for(&k, pairs[i].value)) {
            waiting_add(&heap->waiting, &pairs[i]);
        }
    }
    gooi_marker_store(&k);
    return unmarked;
}

/* The same for any number of pairs, with what it finds traced in between. */
bool gooi_waiting_look(GooGcHeap *heap, GooGcVisitor *v, GooiPair *pairs, size_t count) {
    bool unmarked = false;
    for (; count > GOOI_LOOK_STEP; pairs += GOOI_LOOK_STEP, count -= GOOI_LOOK_STEP) {
        unmarked |= waiting_look(heap, v, pairs, GOOI_LOOK_STEP);
        gooi_mark_drain(v);
    }
    return waiting_look(heap, v, pairs, count) || unmarked;
}

/* Marks the values of what is ready; whether anything was. */
static bool waiting_take_ready(GooGcHeap *heap, GooGcVisitor *v) {
    GooiWaiting *w = &heap->waiting;
    bool any = w->ready != 0;
    while (w->ready != 0) {
        uint32_t node = w->ready - 1;
        w->ready = w->next[node];
        goo_gc_visit_pointer(v, &waiting_pair(w, node)->value);
    }
    return any;
}

/* Drains, and marks values, until nothing is left to do. Linear in the pairs found. */
void gooi_waiting_settle(GooGcHeap *heap, GooGcVisitor *v) {
    bool more = true;
    while (more) {
        gooi_mark_drain(v);
        more = gooi_ephemeron_look(heap, v);
        more |= gooi_weak_map_look(heap, v);
        more |= waiting_take_ready(heap, v);
    }
}

/* What waits now waits in vain. Keys lose the attention that was ours; the table is empty. */
void gooi_waiting_clear(GooGcHeap *heap) {
    GooiWaiting *w = &heap->waiting;
    for (uint32_t node = 0; node < w->count; node++) {
        if ((w->pairs[node] & GOOI_WAITING_OURS) != 0) {
            *gooi_metadata_of((uintptr_t)waiting_pair(w, node)->key) &= (uint8_t)~GOO_GC_ATTENTION;
        }
    }
    w->count = w->bucket_count = 0;
    atomic_store_explicit(&w->pending, 0, memory_order_relaxed);
}
