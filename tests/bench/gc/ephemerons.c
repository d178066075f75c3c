/* A table of facts about `size` living keys, that keeps no key alive: keys come and go, so that the
 * table turns over ten times, each with a value that only the table holds; in between keys are
 * looked up at random. By hand: the program takes a key out of the table when it drops it, and
 * frees key and value.
 */
#include "tests/bench/gc/side.h"
#include "tests/bench/gc/workload.h"

typedef struct Key {
    void *unused[2];
    uint64_t number;
} Key;

typedef struct Value {
    void *unused[2];
    uint64_t numbers[4];
} Value;

enum { LOOKS = 4, TURNOVER = 10 };

static Key *fact_add(SideTable *table, uint64_t number) {
    Key *key = side_node(sizeof *key);
    key->number = number;
    Value *value = side_node(sizeof *value);
    value->numbers[0] = number * 7;
    side_table_set(table, key, value);
    return key;
}

static void fact_free(SideTable *table, Key *key) {
    if (SIDE_FREES && key != NULL) {
        side_free(side_table_remove(table, key));
        side_free(key);
    }
}

static void facts_free(SideTable *table, SideArray *keys, size_t size) {
    for (size_t i = 0; SIDE_FREES && i < size; i++) {
        fact_free(table, keys->items[i]);
    }
    side_free(keys);
    side_table_free(table);
}

static uint64_t ephemerons_run(size_t size) {
    uint64_t random = 88172645463325252u, sum = 0;
    SideTable *table = side_table_new();
    SideArray *keys = side_array(size);
    for (size_t i = 0; i < (1 + TURNOVER) * size; i++) {
        void **place = &keys->items[i < size ? i : workload_random(&random) % size];
        fact_free(table, *place);
        side_link(keys, place, fact_add(table, i));
        for (size_t look = 0; look < LOOKS; look++) {
            const Key *key = keys->items[workload_random(&random) % (i < size ? i + 1 : size)];
            const Value *value = side_table_get(table, key);
            sum = sum * 31 + (value->numbers[0] - key->number);
        }
    }
    facts_free(table, keys, size);
    return sum;
}

/* Key, value, the key's place; an entry and what the collector needs to know it by. */
static size_t ephemerons_live(size_t size) {
    return size * (32 + 48 + sizeof(void *) + 64 + 32);
}

const Workload workload_ephemerons = {"ephemerons", 2, ephemerons_live, ephemerons_run};
