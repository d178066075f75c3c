/* Boehm's side, the part that is called: a heap that is expanded to its limit at once, so that it
 * collects when it is full and not before.
 */
#include "tests/bench/gc/side.h"

#include <stdio.h>

void *side_nodes_free[GC_TINY_FREELISTS];

static void *side_oom(size_t bytes) {
    (void)bytes;
    side_exhausted();
    return NULL;
}

static void side_no_warning(char *message, GC_word argument) {
    (void)message;
    (void)argument;
}

bool side_open(const SidePlan *plan) {
    GC_set_all_interior_pointers(0);
    if (plan->markers != 0) {
        GC_set_markers_count(plan->markers);
    }
    GC_INIT();
    GC_set_warn_proc(side_no_warning);
    GC_set_oom_fn(side_oom);
    size_t have = GC_get_heap_size();
    if (plan->markers != 1) {
        GC_start_mark_threads(); /* it would wait for the program's first thread */
    }
    GC_set_max_heap_size(plan->heap_bytes);
    return plan->heap_bytes <= have || GC_expand_hp(plan->heap_bytes - have) != 0;
}

uint64_t side_collections(void) {
    return GC_get_gc_no();
}

const char *side_name(void) {
    static char name[32];
    unsigned version = GC_get_version();
    snprintf(name, sizeof name, "%u.%u.%u", version >> 16, version >> 8 & 255, version & 255);
    return name;
}

void side_close(void) {
}

static void side_free_block(void *owner, void *block) {
    (void)owner;
    free(block);
}

/* Cycles of owners don't matter here, so not in order, which costs less. */
void *side_owned(void *owner, size_t size) {
    void *block = malloc(size);
    if (block == NULL) {
        side_exhausted();
    }
    GC_register_finalizer_no_order(owner, side_free_block, block, NULL, NULL);
    return block;
}

/* --- the table --- */

typedef struct Entry {
    struct Entry *next;
    GC_hidden_pointer key; /* 0: the key has died */
    void *value;
} Entry;

struct SideTable {
    Entry **buckets;
    size_t bucket_count, count;
};

enum { BUCKETS_LEAST = 1024 };

static size_t table_hash(const void *key) {
    return (size_t)(((uint64_t)(uintptr_t)key >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20);
}

static Entry **table_bucket(SideTable *table, const void *key) {
    return &table->buckets[table_hash(key) & (table->bucket_count - 1)];
}

static void table_purge(SideTable *table, Entry **link) {
    while (*link != NULL) {
        Entry *entry = *link;
        if (entry->key == 0) {
            *link = entry->next;
            table->count--;
        } else {
            link = &entry->next;
        }
    }
}

/* Drops the dead entries; doubles the buckets where the living alone fill them. */
static void table_settle(SideTable *table) {
    for (size_t i = 0; i < table->bucket_count; i++) {
        table_purge(table, &table->buckets[i]);
    }
    if (table->count < table->bucket_count / 2) {
        return;
    }
    Entry **old = table->buckets;
    size_t old_count = table->bucket_count;
    table->bucket_count *= 2;
    table->buckets = GC_MALLOC_IGNORE_OFF_PAGE(table->bucket_count * sizeof *old);
    for (size_t i = 0; i < old_count; i++) {
        for (Entry *entry = old[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            void *key = GC_REVEAL_POINTER(entry->key);
            if (entry->key != 0) {
                Entry **bucket = table_bucket(table, key);
                entry->next = *bucket;
                *bucket = entry;
            } else {
                table->count--;
            }
        }
    }
}

SideTable *side_table_new(void) {
    SideTable *table = GC_MALLOC(sizeof *table);
    table->bucket_count = BUCKETS_LEAST;
    table->buckets = GC_MALLOC(BUCKETS_LEAST * sizeof *table->buckets);
    return table;
}

static Entry *table_find(SideTable *table, const void *key) {
    Entry *entry = *table_bucket(table, key);
    while (entry != NULL && entry->key != GC_HIDE_POINTER(key)) {
        entry = entry->next;
    }
    return entry;
}

void side_table_set(SideTable *table, void *key, void *value) {
    Entry *entry = table_find(table, key);
    if (entry != NULL) {
        entry->value = value;
        return;
    }
    if (table->count >= table->bucket_count) {
        table_settle(table);
    }
    Entry **bucket = table_bucket(table, key);
    table_purge(table, bucket);
    GC_MALLOC_WORDS(entry, sizeof *entry / sizeof(GC_word), side_nodes_free);
    *entry = (Entry){*bucket, GC_HIDE_POINTER(key), value};
    *bucket = entry;
    table->count++;
    if (GC_general_register_disappearing_link((void **)&entry->key, key) != GC_SUCCESS) {
        side_exhausted();
    }
}

void *side_table_get(SideTable *table, const void *key) {
    Entry *entry = table_find(table, key);
    return entry == NULL ? NULL : entry->value;
}
