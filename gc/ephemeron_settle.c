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
 * Threads: counting a pair is for any mutator; gooi_waiting_key_marked is for any marker; the
 * rest is the collector's, between drains.
 *
 * Source: ephemeron tables after Barros and Ierusalimschy, "Eliminating cycles in weak tables"
 * (2008); waiting by key takes the place of their repeated rounds, which chains make quadratic.
 */
#include <errno.h>

#include "gc/mark.h"
#include "gc/lock.h"
#include "runtime/bits.h"

enum {
    GOOI_WAITING_OURS = 1,     /* its key has `attention` because of it */
    GOOI_WAITING_RESOLVED = 2, /* in no bucket any more */
    GOOI_WAITING_BITS = 3
};

#define GOOI_WAITING_MIN ((size_t)64)
#define GOOI_WAITING_MAX ((size_t)1 << 31)
#define GOOI_WAITING_SIZE (sizeof(GooiWaitingNode) + sizeof(uint32_t))
#define GOOI_LOOK_STEP 512 /* pairs looked at between two drains: the mark stack stays short */
#define GOOI_LOOK_AHEAD 12

_Static_assert(_Alignof(GooiPair) > GOOI_WAITING_BITS, "a pair's address must have room for bits");

/* --- room --- */

static bool waiting_set_capacity(GooGcHeap *heap, size_t capacity) {
    GooiWaiting *w = &heap->waiting;
    void *block = gooi_side_alloc(heap, capacity * GOOI_WAITING_SIZE);
    if (block == NULL) {
        return false;
    }
    gooi_side_free(heap, w->nodes, w->capacity * GOOI_WAITING_SIZE);
    w->nodes = block;
    w->buckets = (uint32_t *)(w->nodes + capacity);
    atomic_store_explicit(&w->capacity, (uint32_t)capacity, memory_order_relaxed);
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

static bool waiting_reserve_counted(GooGcHeap *heap) {
    gooi_heap_lock(heap);
    bool room = waiting_reserve(heap, heap->weak.pairs);
    gooi_heap_unlock(heap);
    return room;
}

/* Counted first and room made for all that are counted: so mostly nobody takes the lock. */
static bool waiting_try_count(GooGcHeap *heap) {
    size_t before = atomic_fetch_add_explicit(&heap->weak.pairs, 1, memory_order_relaxed);
    if (before < atomic_load_explicit(&heap->waiting.capacity, memory_order_relaxed) ||
        waiting_reserve_counted(heap)) {
        return true;
    }
    gooi_waiting_uncount_pair(heap);
    return false;
}

/* Counts one pair more, with room to wait. False, errno ENOMEM, when there is none even after a
 * collection. */
bool gooi_waiting_count_pair(GooGcMutator *m) {
    m->heap->refused = false;
    if (waiting_try_count(m->heap) ||
        (gooi_collect_emergency(m->heap, GOOI_WAITING_SIZE) && waiting_try_count(m->heap))) {
        return true;
    }
    gooi_alloc_fail(m, GOOI_WAITING_SIZE);
    return false;
}

void gooi_waiting_uncount_pair(GooGcHeap *heap) {
    atomic_fetch_sub_explicit(&heap->weak.pairs, 1, memory_order_relaxed);
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
    gooi_side_free(heap, heap->waiting.nodes, heap->waiting.capacity * GOOI_WAITING_SIZE);
    heap->waiting.nodes = NULL;
}

/* --- nodes --- */

static GooiPair *waiting_pair(const GooiWaitingNode *node) {
    return (GooiPair *)(node->pair & ~(uintptr_t)GOOI_WAITING_BITS);
}

static uint32_t waiting_hash(const void *key) {
    return (uint32_t)(gooi_weak_hash(key) >> 32);
}

static void waiting_link(GooiWaiting *w, uint32_t index) {
    uint32_t *bucket = &w->buckets[w->nodes[index].hash & (w->bucket_count - 1)];
    w->nodes[index].next = *bucket;
    *bucket = index + 1;
}

/* Twice as many buckets, as the nodes become more. */
static void waiting_grow_buckets(GooiWaiting *w) {
    w->bucket_count = w->bucket_count == 0 ? (uint32_t)GOOI_WAITING_MIN : w->bucket_count * 2;
    memset(w->buckets, 0, w->bucket_count * sizeof *w->buckets);
    for (uint32_t i = 0; i < w->count; i++) {
        if ((w->nodes[i].pair & GOOI_WAITING_RESOLVED) == 0) {
            waiting_link(w, i);
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
    w->nodes[w->count].pair = (uintptr_t)pair | (ours ? GOOI_WAITING_OURS : 0);
    w->nodes[w->count].hash = waiting_hash(pair->key);
    waiting_link(w, w->count++);
    w->pending++;
}

/* --- the marker's side --- */

static void waiting_resolve(GooiWaiting *w, uintptr_t key) {
    uint32_t hash = waiting_hash((const void *)key);
    uint32_t *link = &w->buckets[hash & (w->bucket_count - 1)];
    while (*link != 0) {
        uint32_t index = *link;
        GooiWaitingNode *node = &w->nodes[index - 1];
        if (node->hash != hash || (uintptr_t)waiting_pair(node)->key != key) {
            link = &node->next;
            continue;
        }
        *link = node->next;
        node->pair |= GOOI_WAITING_RESOLVED;
        node->next = w->ready;
        w->ready = index;
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

static bool waiting_is_for(const GooGcVisitor *v, const void *value) {
    uintptr_t address = (uintptr_t)value;
    return address - v->base < v->size && !gooi_weak_is_marked(value, v->colour);
}

/* Marks the values whose keys are marked; the others wait, if there is anything to mark. Returns
 * whether some key is not marked. */
static bool waiting_look(GooGcHeap *heap, GooGcVisitor *v, GooiPair *pairs, size_t count) {
    bool unmarked = false;
    for (size_t i = 0; i < count; i++) {
        if (i + GOOI_LOOK_AHEAD < count && pairs[i + GOOI_LOOK_AHEAD].key != NULL) {
            GOOI_PREFETCH(gooi_metadata_of((uintptr_t)pairs[i + GOOI_LOOK_AHEAD].key));
            GOOI_PREFETCH(gooi_metadata_of((uintptr_t)pairs[i + GOOI_LOOK_AHEAD].value));
        }
        if (pairs[i].key == NULL) {
            continue;
        }
        bool marked = gooi_weak_is_marked(pairs[i].key, v->colour);
        unmarked |= !marked;
        if (marked) {
            gooi_mark_address(v, (uintptr_t)pairs[i].value);
        } else if (waiting_is_for(v, pairs[i].value)) {
            waiting_add(&heap->waiting, &pairs[i]);
        }
    }
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
        const GooiWaitingNode *node = &w->nodes[w->ready - 1];
        w->ready = node->next;
        goo_gc_visit_pointer(v, &waiting_pair(node)->value);
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
    for (uint32_t i = 0; i < w->count; i++) {
        if ((w->nodes[i].pair & GOOI_WAITING_OURS) != 0) {
            uintptr_t key = (uintptr_t)waiting_pair(&w->nodes[i])->key;
            *gooi_metadata_of(key) &= (uint8_t)~GOO_GC_ATTENTION;
        }
    }
    w->count = w->bucket_count = 0;
    atomic_store_explicit(&w->pending, 0, memory_order_relaxed);
}
