/* A table of facts about `size` living keys, that keeps no key alive: keys come and go, so that the
 * table turns over ten times, each with a value that only the table holds; in between keys are
 * looked up at random.
 */
#include "tests/bench/gc/side.h"
#include "tests/bench/gc/workload.h"

#if !defined(BENCH_SIDE_MALLOC)

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

static uint64_t ephemerons_run(size_t size) {
    uint64_t random = 88172645463325252u, sum = 0;
    SideTable *table = side_table_new();
    SideArray *keys = side_array(size);
    for (size_t i = 0; i < (1 + TURNOVER) * size; i++) {
        side_link(keys, &keys->items[i < size ? i : workload_random(&random) % size],
                  fact_add(table, i));
        for (size_t look = 0; look < LOOKS; look++) {
            const Key *key = keys->items[workload_random(&random) % (i < size ? i + 1 : size)];
            const Value *value = side_table_get(table, key);
            sum = sum * 31 + (value->numbers[0] - key->number);
        }
    }
    return sum;
}

#else

static uint64_t ephemerons_run(size_t size) {
    return size - size;
}

#endif

/* Key, value, the key's place; an entry and what the collector needs to know it by. */
static size_t ephemerons_live(size_t size) {
    return size * (32 + 48 + sizeof(void *) + 64 + 32);
}

const Workload workload_ephemerons = {"ephemerons", 2, false, ephemerons_live, ephemerons_run};
