/* Weak maps: ephemerons by the thousand, in an open-addressing table keyed by identity.
 *
 *   map ── table ──▶ | capacity | key value | – – | key value | …      an object of its own, a leaf
 *       ── count         to marking
 *
 * Map and table are collected objects: a dead map's memory comes back with the sweep. Objects never
 * move, so a key's address is hashed once and stays good. Removal shifts what follows backwards, so
 * there are no tombstones. Between mark and sweep entries of dead keys are dropped and the rest put
 * back in order, without memory; a map whose keys were all marked is gone through once.
 *
 * MAP-1  every entry is reachable from its home without an empty place in between.
 * MAP-2  count is the number of entries; at most 3/4 of capacity.
 *
 * Threads: a map is for one at a time; the collector while the world is stopped.
 */
#include <errno.h>

#include "gc/heap.h"
#include "gc/lock.h"
#include "runtime/bits.h"

#define GOOI_WEAK_MAP_MIN ((size_t)8)

/* --- marking --- */

static void weak_map_observe(GooGcWeakMap *map, GooGcVisitor *v) {
    for (size_t i = 0; map->table != NULL && i < map->table->capacity; i++) {
        if (map->table->pairs[i].key != NULL) {
            goo_gc_visit_pointer(v, &map->table->pairs[i].value);
        }
    }
}

static void weak_map_trace(void *object, GooGcVisitor *v) {
    GooGcWeakMap *map = object;
    goo_gc_visit_pointer(v, &map->table);
    if (v->observe != NULL) {
        weak_map_observe(map, v);
    } else if (map->count != 0) {
        gooi_weak_find(v->heap, &map->head, GOOI_WEAK_MAP);
    } else {
        gooi_weak_claim(v->heap, &map->head, v->colour); /* an older colour must not stay */
    }
}

const GooGcType gooi_weak_map_type = {.name = "weak map",
                                      .size = sizeof(GooGcWeakMap),
                                      .layout = GOO_GC_LAYOUT_TRACE,
                                      .trace = weak_map_trace};
const GooGcType gooi_weak_table_type = {
    .name = "weak map's table", .size = sizeof(GooiWeakTable), .layout = GOO_GC_LAYOUT_LEAF};

/* Looks at the maps found since the last look; whether there were any. */
bool gooi_weak_map_look(GooGcHeap *heap, GooGcVisitor *v) {
    GooiWeakHead *first = gooi_weak_first(heap, GOOI_WEAK_MAP);
    uintptr_t at = first == NULL ? GOOI_WEAK_LIST_END : (uintptr_t)first;
    uintptr_t seen = heap->weak.seen[GOOI_WEAK_MAP];
    heap->weak.seen[GOOI_WEAK_MAP] = at;
    bool any = at != seen;
    while (at != seen) {
        GooGcWeakMap *map = (GooGcWeakMap *)at;
        map->has_unmarked = gooi_waiting_look(heap, v, map->table->pairs, map->table->capacity);
        at = atomic_load_explicit(&map->head.link, memory_order_relaxed);
    }
    return any;
}

/* --- the table --- */

static size_t weak_table_home(const GooiWeakTable *t, const void *key) {
    return (size_t)(gooi_weak_hash(key) >> 32) & (t->capacity - 1);
}

/* The place of `key`, or the empty one where it belongs. */
static GooiPair *weak_table_place(GooiWeakTable *t, const void *key) {
    size_t i = weak_table_home(t, key);
    while (t->pairs[i].key != key && t->pairs[i].key != NULL) {
        i = (i + 1) & (t->capacity - 1);
    }
    return &t->pairs[i];
}

static GooiPair *weak_map_find(const GooGcWeakMap *map, const void *key) {
    if (map->table == NULL || key == NULL) {
        return NULL;
    }
    GooiPair *place = weak_table_place(map->table, key);
    return place->key != NULL ? place : NULL;
}

/* Empties the place `hole` and moves what follows backwards, as far as that brings it nearer to its
 * home. */
static void weak_table_close(GooiWeakTable *t, size_t hole) {
    size_t mask = t->capacity - 1;
    for (size_t i = (hole + 1) & mask; t->pairs[i].key != NULL; i = (i + 1) & mask) {
        size_t from_home = (i - weak_table_home(t, t->pairs[i].key)) & mask;
        if (from_home >= ((i - hole) & mask)) {
            t->pairs[hole] = t->pairs[i];
            hole = i;
        }
    }
    t->pairs[hole] = (GooiPair){NULL, NULL};
}

/* --- after marking --- */

static size_t weak_table_clear_dead(GooiWeakTable *t, uint8_t colour) {
    size_t dropped = 0;
    for (size_t i = 0; i < t->capacity; i++) {
        const void *ahead = t->pairs[(i + 16) & (t->capacity - 1)].key;
        if (ahead != NULL) {
            GOOI_PREFETCH(gooi_metadata_of((uintptr_t)ahead));
        }
        if (t->pairs[i].key != NULL && !gooi_weak_is_marked(t->pairs[i].key, colour)) {
            t->pairs[i] = (GooiPair){NULL, NULL};
            dropped++;
        }
    }
    return dropped;
}

/* Puts every entry back where a lookup finds it, after some were cleared. Beginning behind a place
 * that was empty before, each moves at most backwards, into places already dealt with. */
static void weak_table_restore(GooiWeakTable *t, size_t empty_before) {
    size_t mask = t->capacity - 1;
    for (size_t n = 1; n < t->capacity; n++) {
        size_t i = (empty_before + n) & mask;
        GooiPair pair = t->pairs[i];
        if (pair.key != NULL && weak_table_home(t, pair.key) != i) {
            t->pairs[i] = (GooiPair){NULL, NULL};
            *weak_table_place(t, pair.key) = pair;
        }
    }
}

static void weak_map_drop_dead(GooGcWeakMap *map, uint8_t colour) {
    GooiWeakTable *t = map->table;
    size_t empty_before = 0;
    while (t->pairs[empty_before].key != NULL) {
        empty_before++;
    }
    size_t dropped = weak_table_clear_dead(t, colour);
    map->count -= dropped;
    if (dropped != 0) {
        weak_table_restore(t, empty_before);
    }
}

void gooi_weak_map_clear(GooGcHeap *heap) {
    GooiWeakHead *head = gooi_weak_first(heap, GOOI_WEAK_MAP);
    while (head != NULL) {
        GooGcWeakMap *map = (GooGcWeakMap *)head;
        if (map->has_unmarked) {
            weak_map_drop_dead(map, heap->colour);
            map->has_unmarked = false;
        }
        heap->weak.pairs_live += map->count;
        head = gooi_weak_unlink(head, heap->colour);
    }
}

/* --- size --- */

static GooiWeakTable *weak_table_new(GooGcMutator *m, size_t capacity) {
    size_t size;
    if (gooi_multiply_overflows(capacity, sizeof(GooiPair), &size) ||
        gooi_add_overflows(size, sizeof(GooiWeakTable), &size)) {
        errno = ENOMEM;
        return NULL;
    }
    GooiWeakTable *t = goo_gc_alloc(m, &gooi_weak_table_type, size);
    if (t != NULL) {
        t->capacity = capacity;
    }
    return t;
}

/* Moves the entries to a table of another capacity; may collect, which drops some first. */
static bool weak_map_set_capacity(GooGcMutator *m, GooGcWeakMap *map, size_t capacity) {
    GooiWeakTable *t = weak_table_new(m, capacity);
    if (t == NULL) {
        return false;
    }
    for (size_t i = 0; map->table != NULL && i < map->table->capacity; i++) {
        if (map->table->pairs[i].key != NULL) {
            *weak_table_place(t, map->table->pairs[i].key) = map->table->pairs[i];
        }
    }
    goo_gc_write_pointer(m, map, &map->table, t);
    return true;
}

static bool weak_map_has_room(const GooGcWeakMap *map) {
    return map->table != NULL && map->count + 1 <= map->table->capacity / 4 * 3;
}

/* Twice as large when it is full, smaller when it is nearly empty; where there is no memory for a
 * smaller one, this one still serves. */
static bool weak_map_fit(GooGcMutator *m, GooGcWeakMap *map) {
    size_t capacity = map->table == NULL ? 0 : map->table->capacity;
    if (weak_map_has_room(map)) {
        if (capacity > GOOI_WEAK_MAP_MIN && map->count < capacity / 8) {
            weak_map_set_capacity(m, map, capacity / 4);
        }
        return true;
    }
    bool grown = weak_map_set_capacity(m, map, capacity == 0 ? GOOI_WEAK_MAP_MIN : capacity * 2);
    return grown || weak_map_has_room(map); /* the attempt may have collected */
}

/* --- public calls --- */

GooGcWeakMap *goo_gc_weak_map_new(GooGcMutator *m) {
    return goo_gc_alloc(m, &gooi_weak_map_type, 0);
}

void *goo_gc_weak_map_get(GooGcMutator *m, GooGcWeakMap *map, const void *key) {
    (void)m;
    GooiPair *found = map == NULL ? NULL : weak_map_find(map, key);
    return found == NULL ? NULL : found->value;
}

static bool weak_map_add(GooGcMutator *m, GooGcWeakMap *map, void *key, void *value) {
    GooGcFrame frame;
    void *const locals[] = {&map, &key, &value};
    goo_gc_frame_begin(m, &frame, locals, GOOI_COUNT(locals));
    bool room = weak_map_fit(m, map) && gooi_waiting_count_pair(m);
    goo_gc_frame_end(m, &frame);
    if (room) {
        GooiPair *place = weak_table_place(map->table, key);
        goo_gc_write_pointer(m, map, &place->key, key);
        goo_gc_write_pointer(m, map, &place->value, value);
        map->count++;
    }
    return room;
}

GooStatus goo_gc_weak_map_set(GooGcMutator *m, GooGcWeakMap *map, void *key, void *value) {
    if (!gooi_mutator_is_mine(m) || map == NULL || key == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    GOO_REQUIRE(gooi_in_heap(m->heap, (uintptr_t)key),
                "goo_gc_weak_map_set: key %p is no object of heap %p", key, (void *)m->heap);
    if (gooi_heap_is_busy_here(m->heap)) {
        return GOO_ERR_BUSY;
    }
    GooiPair *found = weak_map_find(map, key);
    if (found != NULL) {
        goo_gc_write_pointer(m, map, &found->value, value);
        return GOO_OK;
    }
    return weak_map_add(m, map, key, value) ? GOO_OK : GOO_ERR_NO_MEMORY;
}

bool goo_gc_weak_map_remove(GooGcMutator *m, GooGcWeakMap *map, const void *key) {
    GooiPair *found = map == NULL ? NULL : weak_map_find(map, key);
    if (found == NULL) {
        return false;
    }
    weak_table_close(map->table, (size_t)(found - map->table->pairs));
    goo_gc_barrier(m, map);
    map->count--;
    gooi_waiting_uncount_pair(m->heap);
    return true;
}

size_t goo_gc_weak_map_count(GooGcMutator *m, GooGcWeakMap *map) {
    (void)m;
    return map == NULL ? 0 : map->count;
}
