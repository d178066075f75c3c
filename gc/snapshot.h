/* What the files of the snapshot share: text on its way out (snapshot_text.c), and the table of
 * strings (snapshot_names.c).
 *
 * Threads: world stopped.
 */
#ifndef GOO_GC_SNAPSHOT_H
#define GOO_GC_SNAPSHOT_H

#include "gc/reach.h"

/* --- text --- */

#define GOOI_SNAPSHOT_BUFFER ((size_t)64 << 10)

typedef struct GooiSnapshotText {
    FILE *out;
    size_t used;
    bool failed; /* the file took no more: the rest is dropped */
    char buffer[GOOI_SNAPSHOT_BUFFER];
} GooiSnapshotText;

void gooi_snapshot_put(GooiSnapshotText *t, const char *text);
void gooi_snapshot_put_number(GooiSnapshotText *t, uint64_t number);
/* A row of an array of numbers; `is_first`: of the array. */
void gooi_snapshot_put_row(GooiSnapshotText *t, const uint64_t *numbers, size_t count,
                           bool is_first);
/* As a JSON string. What is not UTF-8 is taken for Latin-1. */
void gooi_snapshot_put_string(GooiSnapshotText *t, const char *text);
void gooi_snapshot_flush(GooiSnapshotText *t);

/* --- strings ---
 *
 *   0 "<dummy>" | the fixed ones | "+0" "+8" … of offsets | names of types, allocators, namer
 */

enum {
    GOOI_STRING_DUMMY,
    GOOI_STRING_EMPTY,
    GOOI_STRING_ROOTS,
    GOOI_STRING_ROOT_KIND, /* the first of GOOI_ROOT_KINDS */
    GOOI_STRING_EXTERNAL = GOOI_STRING_ROOT_KIND + GOOI_ROOT_KINDS,
    GOOI_STRING_TYPED, /* a type without a name */
    GOOI_STRING_LEAF,
    GOOI_STRING_CONSERVATIVE,
    GOOI_STRING_EMBEDDER,
    GOOI_STRING_OWNED_BLOCK, /* of an allocator without a name */
    GOOI_STRING_OWNED_BYTES,
    GOOI_STRING_OTHER_BYTES,
    GOOI_STRING_TARGET, /* of edges */
    GOOI_STRING_KEY,
    GOOI_STRING_VALUE,
    GOOI_STRING_OWNED,
    GOOI_STRING_OFFSET, /* the first of GOOI_SNAPSHOT_OFFSETS */
    GOOI_SNAPSHOT_OFFSETS = 64,
    GOOI_STRING_NAME = GOOI_STRING_OFFSET + GOOI_SNAPSHOT_OFFSETS
};

typedef struct GooiSnapshotNames {
    GooGcHeap *heap;
    const char **names;
    uint32_t *places; /* open addressing, name + 1; twice the capacity of names */
    uint32_t count, capacity;
    bool out_of_memory;
    struct {
        const char *name;
        uint32_t string;
    } recent[64];
} GooiSnapshotNames;

/* The string's number; a new one as long as there is memory. */
uint32_t gooi_snapshot_name(GooiSnapshotNames *n, const char *name);
void gooi_snapshot_put_strings(const GooiSnapshotNames *n, GooiSnapshotText *t);
void gooi_snapshot_names_deinit(GooiSnapshotNames *n);

#endif
