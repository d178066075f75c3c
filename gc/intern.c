/* The weak intern table: open addressing over 8-byte entries that keep nothing alive.
 *
 *   entry = hash (32 bits) | granule of the object, counted from the heap's base, plus 1 (32 bits)
 *
 * 8 bytes an entry keep a table of a million strings in 16 MiB, and let a lookup decide on the hash
 * before it touches an object. The home of an entry is its hash masked to the capacity; collisions
 * go to the next free place. Between mark and sweep the entries of dead objects are dropped, and
 * the rest is put back in order without further memory.
 *
 * Threads: any that is attached, under the heap's lock; objects are made without it. Two that
 * intern the same bytes at once both make one, and one of these is entered.
 *
 * INTERN-1  every entry is reachable from its home without an empty place in between.
 * INTERN-2  count is the number of entries; at most 3/4 of capacity.
 *
 * Hash: XXH3 (xxhash.com), 64 bits, seeded per heap; the table keeps its low half.
 */
#define XXH_INLINE_ALL
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "gc/heap.h"
#include "gc/lock.h"
#include "gc/intern_table.h"
#include "runtime/bits.h"

#define GOOI_INTERN_MIN ((size_t)64)

/* --- entries --- */

static void *intern_object(const GooGcInternTable *t, GooiInternEntry entry) {
    return (void *)(t->heap->base + ((uintptr_t)(entry.granule - 1) << GOOI_GRANULE_LOG2));
}

static GooiInternEntry intern_entry(const GooGcInternTable *t, const void *object, uint64_t hash) {
    uintptr_t granule = ((uintptr_t)object - t->heap->base) >> GOOI_GRANULE_LOG2;
    return (GooiInternEntry){(uint32_t)hash, (uint32_t)granule + 1};
}

static void intern_put(GooiInternEntry *entries, size_t capacity, GooiInternEntry entry) {
    size_t i = entry.hash & (capacity - 1);
    while (entries[i].granule != 0) {
        i = (i + 1) & (capacity - 1);
    }
    entries[i] = entry;
}

static bool intern_equals(const GooGcInternTable *t, GooiInternEntry entry, const void *bytes,
                          size_t length) {
    size_t other_length;
    const void *other = t->ops.bytes(intern_object(t, entry), &other_length, t->ops.user);
    return other_length == length && (length == 0 || memcmp(other, bytes, length) == 0);
}

static void *intern_lookup(const GooGcInternTable *t, const void *bytes, size_t length,
                           uint64_t hash) {
    if (t->capacity == 0) {
        return NULL;
    }
    size_t mask = t->capacity - 1;
    for (size_t i = hash & mask; t->entries[i].granule != 0; i = (i + 1) & mask) {
        if (t->entries[i].hash == (uint32_t)hash &&
            intern_equals(t, t->entries[i], bytes, length)) {
            return intern_object(t, t->entries[i]);
        }
    }
    return NULL;
}

/* --- size --- */

static bool intern_set_capacity(GooGcInternTable *t, size_t capacity) {
    size_t size;
    if (gooi_multiply_overflows(capacity, sizeof(GooiInternEntry), &size)) {
        return false;
    }
    GooiInternEntry *entries = gooi_side_alloc(t->heap, size);
    if (entries == NULL) {
        return false;
    }
    for (size_t i = 0; i < t->capacity; i++) {
        if (t->entries[i].granule != 0) {
            intern_put(entries, capacity, t->entries[i]);
        }
    }
    gooi_side_free(t->heap, t->entries, t->capacity * sizeof(GooiInternEntry));
    t->entries = entries;
    t->capacity = capacity;
    return true;
}

/* Makes room for one more entry. */
static bool intern_reserve(GooGcInternTable *t) {
    if (t->count + 1 <= t->capacity / 4 * 3) {
        return true;
    }
    size_t capacity = t->capacity == 0 ? GOOI_INTERN_MIN : t->capacity * 2;
    return capacity <= (size_t)UINT32_MAX && intern_set_capacity(t, capacity);
}

/* --- after marking --- */

static size_t intern_clear_dead(GooGcInternTable *t) {
    size_t dropped = 0;
    for (size_t i = 0; i < t->capacity; i++) {
        size_t ahead = (i + 16) & (t->capacity - 1);
        if (t->entries[ahead].granule != 0) {
            GOOI_PREFETCH(gooi_metadata_of((uintptr_t)intern_object(t, t->entries[ahead])));
        }
        GooiInternEntry entry = t->entries[i];
        if (entry.granule != 0 && !gooi_object_is_marked(t->heap, intern_object(t, entry))) {
            t->entries[i].granule = 0;
            dropped++;
        }
    }
    return dropped;
}

/* Puts every entry back where a lookup finds it, after some were cleared. Beginning behind a place
 * that was empty before, each entry moves at most backwards, into places already dealt with. */
static void intern_restore_order(GooGcInternTable *t, size_t empty_before) {
    size_t mask = t->capacity - 1;
    for (size_t n = 1; n < t->capacity; n++) {
        size_t i = (empty_before + n) & mask;
        GooiInternEntry entry = t->entries[i];
        if (entry.granule != 0 && (entry.hash & mask) != i) {
            t->entries[i].granule = 0;
            intern_put(t->entries, t->capacity, entry);
        }
    }
}

static size_t intern_find_empty(const GooGcInternTable *t) {
    size_t i = 0;
    while (t->entries[i].granule != 0) {
        i++;
    }
    return i;
}

static void intern_drop_dead(GooGcInternTable *t) {
    if (t->capacity == 0) {
        return;
    }
    size_t empty_before = intern_find_empty(t);
    size_t dropped = intern_clear_dead(t);
    t->count -= dropped;
    if (dropped != 0) {
        intern_restore_order(t, empty_before);
    }
    size_t wanted = t->capacity;
    while (wanted > GOOI_INTERN_MIN && t->count < wanted / 8) {
        wanted /= 2;
    }
    if (wanted != t->capacity) {
        intern_set_capacity(t, wanted); /* when there is no memory it stays as large as it is */
    }
}

void gooi_intern_drop_dead(GooGcHeap *heap) {
    for (GooGcInternTable *t = heap->intern_tables; t != NULL; t = t->next) {
        intern_drop_dead(t);
    }
}

/* --- check --- */

static bool intern_is_sound(const GooGcInternTable *t) {
    size_t count = 0, mask = t->capacity - 1;
    for (size_t i = 0; i < t->capacity; i++) {
        if (t->entries[i].granule == 0) {
            continue;
        }
        count++;
        for (size_t at = t->entries[i].hash & mask; at != i; at = (at + 1) & mask) {
            if (t->entries[at].granule == 0) {
                return false;
            }
        }
    }
    return count == t->count && count <= t->capacity / 4 * 3;
}

bool gooi_intern_is_sound(const GooGcHeap *heap) {
    bool sound = true;
    for (const GooGcInternTable *t = heap->intern_tables; t != NULL; t = t->next) {
        sound &= intern_is_sound(t);
    }
    return sound;
}

/* --- public calls --- */

GooGcInternTable *goo_gc_intern_table_create(GooGcHeap *heap, const GooGcInternOps *ops) {
    if (heap == NULL || ops == NULL || ops->create == NULL || ops->bytes == NULL) {
        errno = EINVAL;
        return NULL;
    }
    if ((uint64_t)heap->size >> GOOI_GRANULE_LOG2 > UINT32_MAX) {
        errno = ENOTSUP;
        return NULL;
    }
    gooi_heap_lock(heap);
    GooGcInternTable *t = gooi_side_alloc(heap, sizeof *t);
    if (t != NULL) {
        *t = (GooGcInternTable){.heap = heap, .ops = *ops, .next = heap->intern_tables};
        heap->intern_tables = t;
    }
    gooi_heap_unlock(heap);
    if (t == NULL) {
        errno = ENOMEM;
    }
    return t;
}

void goo_gc_intern_table_destroy(GooGcInternTable *t) {
    if (t == NULL) {
        return;
    }
    GooGcHeap *heap = t->heap;
    gooi_heap_lock(heap);
    GooGcInternTable **link = &heap->intern_tables;
    while (*link != t) {
        link = &(*link)->next;
    }
    *link = t->next;
    gooi_side_free(heap, t->entries, t->capacity * sizeof(GooiInternEntry));
    gooi_side_free(heap, t, sizeof *t);
    gooi_heap_unlock(heap);
}

void gooi_intern_deinit(GooGcHeap *heap) {
    while (heap->intern_tables != NULL) {
        goo_gc_intern_table_destroy(heap->intern_tables);
    }
}

static uint64_t intern_hash(const GooGcInternTable *t, const void *bytes, size_t length) {
    return XXH3_64bits_withSeed(bytes, length, t->heap->hash_seed);
}

/* What is being interned, and the state of the table when it was not there. */
typedef struct InternKey {
    const void *bytes;
    size_t length;
    uint64_t hash, entered;
} InternKey;

static void *intern_find(GooGcInternTable *t, InternKey *key) {
    gooi_heap_lock(t->heap);
    void *found = intern_lookup(t, key->bytes, key->length, key->hash);
    key->entered = t->entered;
    gooi_heap_unlock(t->heap);
    return found;
}

/* Enters an object for bytes that nobody entered meanwhile; returns the one in the table, or NULL
 * when there is no room. */
static void *intern_enter(GooGcInternTable *t, void *object, const InternKey *key) {
    void *entered = NULL;
    gooi_heap_lock(t->heap);
    if (key->entered != t->entered) {
        entered = intern_lookup(t, key->bytes, key->length, key->hash);
    }
    if (entered == NULL && intern_reserve(t)) {
        intern_put(t->entries, t->capacity, intern_entry(t, object, key->hash));
        t->count++;
        t->entered++;
        entered = object;
    }
    gooi_heap_unlock(t->heap);
    return entered;
}

void *goo_gc_intern(GooGcMutator *m, GooGcInternTable *t, const void *bytes, size_t length) {
    InternKey key = {bytes, length, intern_hash(t, bytes, length), 0};
    void *found = intern_find(t, &key);
    if (found != NULL) {
        return found;
    }
    void *object = t->ops.create(m, bytes, length, key.hash, t->ops.user);
    if (object == NULL) {
        return NULL;
    }
    void *entered = intern_enter(t, object, &key);
    if (entered == NULL) {
        GooGcFrame frame;
        void *const locals[] = {&object};
        goo_gc_frame_begin(m, &frame, locals, GOOI_COUNT(locals));
        if (gooi_collect_emergency(t->heap, 0)) {
            entered = intern_enter(t, object, &key);
        }
        goo_gc_frame_end(m, &frame);
    }
    if (entered == NULL) {
        errno = ENOMEM;
    }
    return entered;
}

void *goo_gc_intern_find(GooGcMutator *m, GooGcInternTable *t, const void *bytes, size_t length) {
    (void)m;
    InternKey key = {bytes, length, intern_hash(t, bytes, length), 0};
    return intern_find(t, &key);
}

size_t goo_gc_intern_count(const GooGcInternTable *t) {
    gooi_heap_lock(t->heap);
    size_t count = t->count;
    gooi_heap_unlock(t->heap);
    return count;
}
