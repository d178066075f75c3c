/* Whippet's side, the part that is called: a heap of fixed size, blocks that a finalizer frees, and
 * a table of chains of ephemerons, which Whippet unlinks where they have died.
 */
#include "tests/bench/gc/side.h"

#include <gc-ephemeron.h>
#include <gc-finalizer.h>
#include <gc-null-event-listener.h>

struct gc_mutator *side_mutator;
size_t side_whippet_links;
static uint64_t side_cycles;
static bool side_has_dead; /* finalizers are ready */

static void side_count_cycle(void *data, enum gc_collection_kind kind, uint64_t allocated) {
    (void)data;
    (void)kind;
    (void)allocated;
    side_cycles++;
}

static void *side_no_mutator_data(void *data) {
    return data;
}

static void *side_oom(struct gc_heap *heap, size_t size) {
    (void)heap;
    (void)size;
    side_exhausted();
    return NULL;
}

static void side_note_dead(struct gc_heap *heap, size_t count) {
    (void)heap;
    side_has_dead |= count > 0;
}

bool side_open(const SidePlan *plan) {
    struct gc_options *options = gc_allocate_options();
    struct gc_event_listener listener = GC_NULL_EVENT_LISTENER;
    struct gc_heap *heap;
    side_whippet_links = plan->links;
    listener.prepare_gc = side_count_cycle;
    listener.mutator_added = side_no_mutator_data;
    gc_options_set_int(options, GC_OPTION_HEAP_SIZE_POLICY, GC_HEAP_SIZE_FIXED);
    gc_options_set_size(options, GC_OPTION_HEAP_SIZE, plan->heap_bytes);
    if (plan->markers != 0) {
        gc_options_set_int(options, GC_OPTION_PARALLELISM, (int)plan->markers);
    }
    if (!gc_init(options, gc_empty_stack_addr(), &heap, &side_mutator, listener, NULL)) {
        return false;
    }
    gc_heap_set_allocation_failure_handler(heap, side_oom);
    gc_set_finalizer_callback(heap, side_note_dead);
    return true;
}

uint64_t side_collections(void) {
    return side_cycles;
}

const char *side_name(void) {
    return GC_GENERATIONAL ? "generational" : "whole-heap";
}

void side_close(void) {
}

/* --- blocks --- */

/* A block is kept as an immediate: not a reference, and passed over by the collector. */
static void side_free_dead(void) {
    struct gc_finalizer *finalizer;
    side_has_dead = false;
    while ((finalizer = gc_pop_finalizable(side_mutator)) != NULL) {
        free((void *)(gc_ref_value(gc_finalizer_closure(finalizer)) - 1));
    }
}

void *side_owned(void *owner, size_t size) {
    char *block = malloc(size);
    if (block == NULL) {
        side_exhausted();
    }
    struct gc_finalizer *finalizer = gc_allocate_finalizer(side_mutator);
    *(uintptr_t *)(void *)finalizer = WHIPPET_FINALIZER;
    gc_finalizer_attach(side_mutator, finalizer, 0, gc_ref_from_heap_object(owner),
                        gc_ref_immediate((uintptr_t)block + 1));
    if (side_has_dead) {
        side_free_dead();
    }
    return block;
}

/* --- the table --- */

/* An array of one reference, to the collector; the rest are numbers. */
struct SideTable {
    uintptr_t head;
    SideArray *buckets;
    size_t bucket_count, count;
};

enum { BUCKETS_LEAST = 1024 };

static struct gc_ephemeron **table_bucket(SideArray *buckets, size_t count, const void *key) {
    uint64_t hash = ((uint64_t)(uintptr_t)key >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20;
    return (struct gc_ephemeron **)(void *)&buckets->items[hash & (count - 1)];
}

SideTable *side_table_new(void) {
    SideTable *table = gc_allocate(side_mutator, sizeof *table, GC_ALLOCATION_TAGGED);
    table->head = (uintptr_t)1 << WHIPPET_COUNT_SHIFT | WHIPPET_ARRAY;
    table->bucket_count = BUCKETS_LEAST;
    side_link(table, &table->buckets, side_array(BUCKETS_LEAST));
    return table;
}

static void table_push(SideArray *buckets, size_t count, struct gc_ref key, struct gc_ref value) {
    struct gc_ephemeron *ephemeron = gc_allocate_ephemeron(side_mutator);
    struct gc_ephemeron **bucket = table_bucket(buckets, count, gc_ref_heap_object(key));
    *(uintptr_t *)(void *)ephemeron = WHIPPET_EPHEMERON;
    gc_ephemeron_init(side_mutator, ephemeron, key, value);
    if (GC_GENERATIONAL) {
        gc_write_barrier(side_mutator, gc_ref_from_heap_object(buckets), side_array_size(count),
                         gc_edge(bucket), gc_ref_from_heap_object(ephemeron));
    }
    gc_ephemeron_chain_push(bucket, ephemeron);
}

static size_t table_count_living(SideTable *table) {
    size_t living = 0;
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct gc_ephemeron **bucket = (struct gc_ephemeron **)(void *)&table->buckets->items[i];
        struct gc_ephemeron *entry = gc_ephemeron_chain_head(bucket);
        for (; entry != NULL; entry = gc_ephemeron_chain_next(entry)) {
            living++;
        }
    }
    return living;
}

/* Into buckets that are at most half full of the living, with ephemerons of their own: one that is
 * in a chain stays there. */
static void table_settle(SideTable *table) {
    table->count = table_count_living(table);
    if (table->count < table->bucket_count / 2) {
        return;
    }
    size_t count = 2 * table->bucket_count;
    SideArray *buckets = side_array(count);
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct gc_ephemeron **bucket = (struct gc_ephemeron **)(void *)&table->buckets->items[i];
        struct gc_ephemeron *entry = gc_ephemeron_chain_head(bucket);
        for (; entry != NULL; entry = gc_ephemeron_chain_next(entry)) {
            struct gc_ref key = gc_ephemeron_key(entry), value = gc_ephemeron_value(entry);
            if (!gc_ref_is_null(key)) {
                table_push(buckets, count, key, value);
            }
        }
    }
    table->bucket_count = count;
    side_link(table, &table->buckets, buckets);
}

static struct gc_ephemeron *table_find(SideTable *table, const void *key) {
    struct gc_ephemeron *entry =
        gc_ephemeron_chain_head(table_bucket(table->buckets, table->bucket_count, key));
    while (entry != NULL && gc_ref_value(gc_ephemeron_key(entry)) != (uintptr_t)key) {
        entry = gc_ephemeron_chain_next(entry);
    }
    return entry;
}

void side_table_set(SideTable *table, void *key, void *value) {
    struct gc_ephemeron *entry = table_find(table, key);
    if (entry != NULL) {
        gc_ephemeron_swap_value(side_mutator, entry, gc_ref_from_heap_object(value));
        return;
    }
    if (table->count >= table->bucket_count) {
        table_settle(table);
    }
    gc_pin_object(side_mutator, gc_ref_from_heap_object(key));
    table_push(table->buckets, table->bucket_count, gc_ref_from_heap_object(key),
               gc_ref_from_heap_object(value));
    table->count++;
}

void *side_table_get(SideTable *table, const void *key) {
    struct gc_ephemeron *entry = table_find(table, key);
    return entry == NULL ? NULL : (void *)gc_ref_value(gc_ephemeron_value(entry));
}
