/* The side of explicit allocation, the part that is called: whose malloc it is. */
#define _GNU_SOURCE
#include "tests/bench/gc/side.h"

#include <dlfcn.h>
#include <stdio.h>

bool side_open(const SidePlan *plan) {
    (void)plan;
    return true;
}

uint64_t side_collections(void) {
    return 0;
}

const char *side_name(void) {
    static char name[32] = "malloc";
    void *symbol = dlsym(RTLD_DEFAULT, "mi_version");
    if (symbol != NULL) {
        int (*version)(void);
        memcpy(&version, &symbol, sizeof version);
        snprintf(name, sizeof name, "mimalloc-%d", version());
    }
    return name;
}

void side_close(void) {
}

/* --- the table --- */

typedef struct Entry {
    struct Entry *next;
    const void *key;
    void *value;
} Entry;

struct SideTable {
    Entry **buckets;
    size_t bucket_count, count;
};

enum { BUCKETS_LEAST = 1024 };

static void *table_zeroed(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL) {
        side_exhausted();
    }
    return memory;
}

static size_t table_hash(const void *key) {
    return (size_t)(((uint64_t)(uintptr_t)key >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20);
}

/* Where the reference to the key's entry is, or would be. */
static Entry **table_find(SideTable *table, const void *key) {
    Entry **link = &table->buckets[table_hash(key) & (table->bucket_count - 1)];
    while (*link != NULL && (*link)->key != key) {
        link = &(*link)->next;
    }
    return link;
}

static void table_grow(SideTable *table) {
    Entry **old = table->buckets;
    size_t old_count = table->bucket_count;
    table->bucket_count *= 2;
    table->buckets = table_zeroed(table->bucket_count, sizeof *old);
    for (size_t i = 0; i < old_count; i++) {
        for (Entry *entry = old[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            Entry **bucket = &table->buckets[table_hash(entry->key) & (table->bucket_count - 1)];
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(old);
}

SideTable *side_table_new(void) {
    SideTable *table = table_zeroed(1, sizeof *table);
    table->bucket_count = BUCKETS_LEAST;
    table->buckets = table_zeroed(BUCKETS_LEAST, sizeof *table->buckets);
    return table;
}

void side_table_set(SideTable *table, void *key, void *value) {
    Entry **link = table_find(table, key);
    if (*link != NULL) {
        (*link)->value = value;
        return;
    }
    if (table->count >= table->bucket_count) {
        table_grow(table);
        link = table_find(table, key);
    }
    Entry *entry = side_leaf(sizeof *entry);
    *entry = (Entry){NULL, key, value};
    *link = entry;
    table->count++;
}

void *side_table_get(SideTable *table, const void *key) {
    const Entry *entry = *table_find(table, key);
    return entry == NULL ? NULL : entry->value;
}

void *side_table_remove(SideTable *table, const void *key) {
    Entry **link = table_find(table, key), *entry = *link;
    if (entry == NULL) {
        return NULL;
    }
    void *value = entry->value;
    *link = entry->next;
    table->count--;
    free(entry);
    return value;
}

void side_table_free(SideTable *table) {
    free(table->buckets);
    free(table);
}
