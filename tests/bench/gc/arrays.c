/* Large arrays: `size` arrays of references, of 4 KiB to 1 MiB, that come and go at random with the
 * small objects in them, eight times all. Each grows as vectors do, by doubling: its halves die on
 * the way. Sixteen references in a row lead to one object, so that most of what a collector reads
 * in an array is a reference to something that it has seen.
 */
#include "tests/bench/gc/side.h"
#include "tests/bench/gc/workload.h"

typedef struct Thing {
    void *unused;
    uint64_t number, more[2];
} Thing;

enum { COUNT_FIRST = 64, COUNT_LEAST = 512, CLASSES = 9, SHARED = 16, TURNOVER = 8 };

/* The references in the array of a place: each place has its size. */
static size_t place_count(size_t place) {
    return (size_t)COUNT_LEAST << place % CLASSES;
}

/* Twice as many references, the old ones first. */
static SideArray *vector_grow(SideArray *old, size_t count) {
    SideArray *vector = side_array(2 * count);
    for (size_t i = 0; i < count; i++) {
        side_link(vector, &vector->items[i], old->items[i]);
    }
    side_free(old);
    return vector;
}

static SideArray *vector_make(size_t wanted, uint64_t number) {
    size_t room = COUNT_FIRST;
    SideArray *vector = side_array(room);
    Thing *thing = NULL;
    for (size_t i = 0; i < wanted; i++) {
        if (i == room) {
            vector = vector_grow(vector, room);
            room *= 2;
        }
        if (i % SHARED == 0) {
            thing = side_node(sizeof *thing);
            thing->number = number + i;
        }
        side_link(vector, &vector->items[i], thing);
    }
    return vector;
}

static uint64_t vector_sum(const SideArray *vector, size_t count) {
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i += SHARED / 2) {
        const Thing *thing = vector->items[i];
        sum = sum * 31 + thing->number;
    }
    return sum;
}

static void vector_free(SideArray *vector, size_t count) {
    for (size_t i = 0; SIDE_FREES && i < count; i += SHARED) {
        side_free(vector->items[i]);
    }
    side_free(vector);
}

static uint64_t arrays_run(size_t size) {
    uint64_t random = 88172645463325252u, sum = 0;
    SideArray *places = side_array(size);
    for (size_t i = 0; i < (1 + TURNOVER) * size; i++) {
        size_t place = i < size ? i : workload_random(&random) % size, count = place_count(place);
        if (places->items[place] != NULL) {
            SideArray *old = places->items[place];
            sum = sum * 31 + vector_sum(old, count);
            side_link(places, &places->items[place], NULL);
            vector_free(old, count);
        }
        side_link(places, &places->items[place], vector_make(count, i));
    }
    for (size_t i = 0; i < size; i++) {
        SideArray *vector = places->items[i];
        sum = sum * 31 + vector_sum(vector, place_count(i));
        vector_free(vector, place_count(i));
    }
    side_free(places);
    return sum;
}

static size_t array_bytes(size_t count) {
    return (sizeof(SideArray) + count * sizeof(void *) + 15) / 16 * 16;
}

/* The half from which the largest one grows lives for a moment more. */
static size_t arrays_live(size_t size) {
    size_t bytes = array_bytes(size) + array_bytes(place_count(CLASSES - 1) / 2);
    for (size_t i = 0; i < size; i++) {
        bytes += array_bytes(place_count(i)) + place_count(i) / SHARED * sizeof(Thing);
    }
    return bytes;
}

const Workload workload_arrays = {"arrays", 1, arrays_live, arrays_run};
