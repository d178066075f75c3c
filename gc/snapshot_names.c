/* The table of a snapshot's strings: fixed ones, and each name once. */
#include <string.h>

#include "gc/snapshot.h"
#include "runtime/bits.h"

#define GOOI_NAMES_MIN ((uint32_t)64)

static const char *const names_fixed[GOOI_STRING_OFFSET] = {
    [GOOI_STRING_DUMMY] = "<dummy>",
    [GOOI_STRING_EMPTY] = "",
    [GOOI_STRING_ROOTS] = "(GC roots)",
    [GOOI_STRING_ROOT_KIND + GOOI_ROOT_SLOT] = "(slots)",
    [GOOI_STRING_ROOT_KIND + GOOI_ROOT_POINTER] = "(pointers)",
    [GOOI_STRING_ROOT_KIND + GOOI_ROOT_CALLBACK] = "(root callbacks)",
    [GOOI_STRING_ROOT_KIND + GOOI_ROOT_HANDLE] = "(handles)",
    [GOOI_STRING_ROOT_KIND + GOOI_ROOT_FINALIZER] = "(queued finalizers)",
    [GOOI_STRING_ROOT_KIND + GOOI_ROOT_FRAME] = "(frames)",
    [GOOI_STRING_ROOT_KIND + GOOI_ROOT_TEMPORARY] = "(temporaries)",
    [GOOI_STRING_ROOT_KIND + GOOI_ROOT_STACK] = "(stack words)",
    [GOOI_STRING_ROOT_KIND + GOOI_ROOT_REGISTER] = "(registers)",
    [GOOI_STRING_ROOT_KIND + GOOI_ROOT_ADDED_STACK] = "(added stacks)",
    [GOOI_STRING_EXTERNAL] = "(external memory)",
    [GOOI_STRING_TYPED] = "(typed)",
    [GOOI_STRING_LEAF] = "(leaf)",
    [GOOI_STRING_CONSERVATIVE] = "(conservative)",
    [GOOI_STRING_EMBEDDER] = "(embedder)",
    [GOOI_STRING_OWNED_BLOCK] = "(owned block)",
    [GOOI_STRING_OWNED_BYTES] = "(owned bytes)",
    [GOOI_STRING_OTHER_BYTES] = "(other external bytes)",
    [GOOI_STRING_TARGET] = "target",
    [GOOI_STRING_KEY] = "key",
    [GOOI_STRING_VALUE] = "value",
    [GOOI_STRING_OWNED] = "owned",
};

/* FNV-1a: short texts, few of them. */
static uint32_t names_hash(const char *name) {
    uint32_t hash = UINT32_C(2166136261);
    for (; *name != '\0'; name++) {
        hash = (hash ^ (unsigned char)*name) * UINT32_C(16777619);
    }
    return hash;
}

static uint32_t *names_place(const GooiSnapshotNames *n, const char *name) {
    uint32_t mask = n->capacity * 2 - 1, i = names_hash(name) & mask;
    while (n->places[i] != 0 && strcmp(n->names[n->places[i] - 1], name) != 0) {
        i = (i + 1) & mask;
    }
    return &n->places[i];
}

static void names_free(GooiSnapshotNames *n) {
    GooAllocator *side = n->heap->side;
    if (n->capacity != 0) {
        side->free(side->context, n->names, n->capacity * sizeof *n->names, 16);
        side->free(side->context, n->places, n->capacity * 2 * sizeof *n->places, 16);
    }
}

static bool names_grow(GooiSnapshotNames *n) {
    GooAllocator *side = n->heap->side;
    GooiSnapshotNames old = *n;
    uint32_t capacity = old.capacity == 0 ? GOOI_NAMES_MIN : old.capacity * 2;
    size_t names_size = capacity * sizeof *old.names;
    size_t places_size = capacity * 2 * sizeof *old.places;
    if (capacity > UINT32_MAX / 8) {
        return false;
    }
    const char **names = side->alloc(side->context, names_size, 16, 0);
    if (names == NULL) {
        return false;
    }
    uint32_t *places = side->alloc(side->context, places_size, 16, GOO_ALLOC_ZERO);
    if (places == NULL) {
        side->free(side->context, names, names_size, 16);
        return false;
    }
    n->names = names;
    n->places = places;
    n->capacity = capacity;
    for (uint32_t i = 0; i < old.count; i++) {
        names[i] = old.names[i];
        *names_place(n, names[i]) = i + 1;
    }
    names_free(&old);
    return true;
}

static uint32_t names_look_up(GooiSnapshotNames *n, const char *name) {
    if (n->count == n->capacity && !names_grow(n)) {
        n->out_of_memory = true;
        return GOOI_STRING_DUMMY;
    }
    uint32_t *place = names_place(n, name);
    if (*place == 0) {
        n->names[n->count] = name;
        *place = ++n->count;
    }
    return GOOI_STRING_NAME + *place - 1;
}

uint32_t gooi_snapshot_name(GooiSnapshotNames *n, const char *name) {
    size_t slot = ((uintptr_t)name ^ (uintptr_t)name >> 6) % GOOI_COUNT(n->recent);
    if (n->recent[slot].name != name) {
        n->recent[slot].string = names_look_up(n, name);
        n->recent[slot].name = name;
    }
    return n->recent[slot].string;
}

void gooi_snapshot_put_strings(const GooiSnapshotNames *n, GooiSnapshotText *t) {
    for (size_t i = 0; i < GOOI_STRING_OFFSET; i++) {
        gooi_snapshot_put(t, i == 0 ? "" : ",\n");
        gooi_snapshot_put_string(t, names_fixed[i]);
    }
    for (size_t i = 0; i < GOOI_SNAPSHOT_OFFSETS; i++) {
        gooi_snapshot_put(t, ",\n\"+");
        gooi_snapshot_put_number(t, i * 8);
        gooi_snapshot_put(t, "\"");
    }
    for (size_t i = 0; i < n->count; i++) {
        gooi_snapshot_put(t, ",\n");
        gooi_snapshot_put_string(t, n->names[i]);
    }
}

void gooi_snapshot_names_deinit(GooiSnapshotNames *n) {
    names_free(n);
}
