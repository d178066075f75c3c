/* goo_gc_write_snapshot: the heap as a .heapsnapshot of V8's format, streamed.
 *
 *   {"snapshot": what the rows mean, how many there are,
 *    "nodes":   [type,name,id,self_size,edge_count,trace_node_id,detachedness, …],
 *    "edges":   [type,name_or_index,to_node, …],      the edges of node 0, of node 1, …
 *    …, "strings": […]}
 *
 *   node 0  the root            ── a shortcut to each group, so that distances count from there
 *   node 1  "(GC roots)"        ── the same groups
 *   node 2… groups: kinds of roots, "(external memory)"
 *   then    reached objects, in address order
 *   then    records of owned blocks and bytes, in the order of their table
 *   last    external bytes that nobody owns
 *
 * No table of objects is kept. The set of reached objects is a bit for each granule; an object's
 * number is how many bits are set before its own, from a count for every 512 of them. Rows are made
 * by going through the set again: once to count, once for nodes, once for edges.
 *
 * SNAP-1  each pass sees the same edges (GRAPH-1); what the head promised is what follows.
 * SNAP-2  every node is reachable from node 0.
 *
 * Threads: any; the world is stopped meanwhile.
 */
#include "gc/snapshot.h"

#include "gc/owned.h"
#include "runtime/bits.h"
#include "runtime/platform/platform.h"

enum {
    GOOI_NODE_ROOT,
    GOOI_NODE_ROOTS,
    GOOI_NODE_GROUP,
    GOOI_NODE_EXTERNAL = GOOI_NODE_GROUP + GOOI_ROOT_KINDS, /* the last group */
    GOOI_NODE_OBJECT,
    GOOI_SNAPSHOT_GROUPS = GOOI_ROOT_KINDS + 1
};
enum { GOOI_NODE_FIELDS = 7, GOOI_EDGE_FIELDS = 3, GOOI_COUNTED_WORDS = 8 };

/* Indices in the lists of types in snapshot_meta. */
enum { GOOI_NODE_TYPE_OBJECT = 3, GOOI_NODE_TYPE_NATIVE = 8, GOOI_NODE_TYPE_SYNTHETIC = 9 };
enum {
    GOOI_EDGE_TYPE_ELEMENT = 1,
    GOOI_EDGE_TYPE_PROPERTY = 2,
    GOOI_EDGE_TYPE_INTERNAL = 3,
    GOOI_EDGE_TYPE_SHORTCUT = 5,
    GOOI_EDGE_TYPE_WEAK = 6
};

static const char snapshot_meta[] =
    "{\"snapshot\":{\"meta\":{"
    "\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\",\"trace_node_id\","
    "\"detachedness\"],"
    "\"node_types\":[[\"hidden\",\"array\",\"string\",\"object\",\"code\",\"closure\",\"regexp\","
    "\"number\",\"native\",\"synthetic\",\"concatenated string\",\"sliced string\",\"symbol\","
    "\"bigint\",\"object shape\"],\"string\",\"number\",\"number\",\"number\",\"number\","
    "\"number\"],"
    "\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],"
    "\"edge_types\":[[\"context\",\"element\",\"property\",\"internal\",\"hidden\",\"shortcut\","
    "\"weak\"],\"string_or_number\",\"node\"],"
    "\"trace_function_info_fields\":[\"function_id\",\"name\",\"script_name\",\"script_id\","
    "\"line\",\"column\"],"
    "\"trace_node_fields\":[\"id\",\"function_info_index\",\"count\",\"size\",\"children\"],"
    "\"sample_fields\":[\"timestamp_us\",\"last_assigned_id\"],"
    "\"location_fields\":[\"object_index\",\"script_id\",\"line\",\"column\"]}";

typedef struct Snapshot {
    GooGcHeap *heap;
    GooiReach reach;
    GooiGraph graph;
    GooiSnapshotNames names;
    GooiSnapshotText text;
    uint32_t *before; /* how many objects lie before each GOOI_COUNTED_WORDS words of the set */
    size_t before_bytes;
    size_t records; /* of owned blocks and bytes */
    size_t edges, edges_written;
    size_t group_edges[GOOI_SNAPSHOT_GROUPS];
    bool writing_edges;
    /* while an object, or a group, is gone through: */
    uintptr_t object, end;
    const GooGcType *type;
    unsigned group;
    size_t edge_count;
    size_t outside; /* references in memory outside the object, so far */
} Snapshot;

/* --- numbers of nodes --- */

static bool snapshot_begin_counts(Snapshot *s) {
    size_t page = gooi_platform_page_size();
    s->before_bytes =
        gooi_align_up((s->reach.words / GOOI_COUNTED_WORDS + 1) * sizeof *s->before, page);
    s->before = gooi_platform_reserve(s->before_bytes, page);
    if (s->before == NULL) {
        return false;
    }
    if (!gooi_platform_commit(s->before, s->before_bytes)) {
        return false;
    }
    uint32_t count = 0;
    for (size_t w = 0; w < s->reach.words; w++) {
        if (w % GOOI_COUNTED_WORDS == 0) {
            s->before[w / GOOI_COUNTED_WORDS] = count;
        }
        count += gooi_count_ones(s->reach.bits[w]);
    }
    return true;
}

static uint64_t snapshot_number_of(const Snapshot *s, uintptr_t object) {
    size_t granule = gooi_reach_granule(&s->reach, object), word = granule / 64;
    uint64_t number = s->before[word / GOOI_COUNTED_WORDS];
    for (size_t w = word & ~(size_t)(GOOI_COUNTED_WORDS - 1); w < word; w++) {
        number += gooi_count_ones(s->reach.bits[w]);
    }
    uint64_t below = ((uint64_t)1 << (granule % 64)) - 1;
    return GOOI_NODE_OBJECT + number + gooi_count_ones(s->reach.bits[word] & below);
}

static uint64_t snapshot_number_of_record(const Snapshot *s, uint32_t record) {
    return GOOI_NODE_OBJECT + s->reach.count + (record - 1);
}

static uint64_t snapshot_number_of_other(const Snapshot *s) {
    return GOOI_NODE_OBJECT + s->reach.count + s->records;
}

/* --- edges --- */

/* Counts an edge of the node at hand, or writes it. */
static void snapshot_edge(Snapshot *s, uint64_t type, uint64_t name_or_index, uint64_t to) {
    s->edge_count++;
    if (s->writing_edges) {
        uint64_t row[GOOI_EDGE_FIELDS] = {type, name_or_index, to * GOOI_NODE_FIELDS};
        gooi_snapshot_put_row(&s->text, row, GOOI_EDGE_FIELDS, s->edges_written++ == 0);
    }
}

/* A reference that the object at hand holds. */
static void snapshot_strong_edge(Snapshot *s, const GooiEdge *edge) {
    uintptr_t slot = (uintptr_t)edge->slot;
    uint64_t to = snapshot_number_of(s, edge->target);
    if (slot < s->object || slot >= s->end) {
        snapshot_edge(s, GOOI_EDGE_TYPE_ELEMENT, s->outside++, to);
        return;
    }
    size_t offset = slot - s->object;
    bool has_array = s->type != NULL && s->type->layout == GOO_GC_LAYOUT_ARRAY;
    if (has_array && offset >= s->type->array_offset) {
        snapshot_edge(s, GOOI_EDGE_TYPE_ELEMENT, (offset - s->type->array_offset) / 8, to);
    } else if (offset % 8 == 0 && offset / 8 < GOOI_SNAPSHOT_OFFSETS) {
        snapshot_edge(s, GOOI_EDGE_TYPE_PROPERTY, GOOI_STRING_OFFSET + offset / 8, to);
    } else {
        snapshot_edge(s, GOOI_EDGE_TYPE_ELEMENT, offset, to);
    }
}

static void snapshot_object_edge(void *ctx, const GooiEdge *edge) {
    Snapshot *s = ctx;
    bool key_reached = edge->pair == NULL || gooi_reach_has(&s->reach, (uintptr_t)edge->pair->key);
    if (!gooi_reach_has(&s->reach, edge->target) || !key_reached) {
        return; /* only a weak reference leads there */
    }
    if (edge->kind == GOOI_EDGE_STRONG) {
        snapshot_strong_edge(s, edge);
    } else if (edge->kind == GOOI_EDGE_VALUE) {
        snapshot_edge(s, GOOI_EDGE_TYPE_INTERNAL, GOOI_STRING_VALUE,
                      snapshot_number_of(s, edge->target));
    } else {
        snapshot_edge(s, GOOI_EDGE_TYPE_WEAK,
                      edge->pair != NULL ? GOOI_STRING_KEY : GOOI_STRING_TARGET,
                      snapshot_number_of(s, edge->target));
    }
}

static void snapshot_owned_edges(Snapshot *s, uintptr_t object) {
    if ((*gooi_metadata_of(object) & GOO_GC_ATTENTION) == 0) {
        return;
    }
    uint32_t record = gooi_owned_first(s->heap, (const void *)object);
    for (; record != 0; record = gooi_owned_record(s->heap, record)->next_sibling) {
        snapshot_edge(s, GOOI_EDGE_TYPE_INTERNAL, GOOI_STRING_OWNED,
                      snapshot_number_of_record(s, record));
    }
}

/* Counts the object's edges into edge_count, or writes them. */
static void snapshot_object_edges(Snapshot *s, uintptr_t object) {
    s->object = object;
    s->end = gooi_graph_end(s->heap, object);
    s->type = gooi_graph_type(object);
    s->edge_count = s->outside = 0;
    s->graph.fn = snapshot_object_edge;
    gooi_graph_object(&s->graph, object);
    snapshot_owned_edges(s, object);
}

static void snapshot_root_edge(void *ctx, const GooiEdge *edge) {
    Snapshot *s = ctx;
    GOO_ASSERT(gooi_reach_has(&s->reach, edge->target), "gc: SNAP-1: a root was not one before: %p",
               (void *)edge->target);
    if (edge->root_kind == s->group) {
        snapshot_edge(s, GOOI_EDGE_TYPE_ELEMENT, s->edge_count,
                      snapshot_number_of(s, edge->target));
    }
}

/* Records whose owners are garbage, and what nobody owns. */
static void snapshot_external_edges(Snapshot *s) {
    for (uint32_t record = 1; record <= s->records; record++) {
        void *owner = gooi_owned_owner(s->heap, gooi_owned_record(s->heap, record));
        if (!gooi_reach_has(&s->reach, (uintptr_t)owner)) {
            snapshot_edge(s, GOOI_EDGE_TYPE_ELEMENT, s->edge_count,
                          snapshot_number_of_record(s, record));
        }
    }
    snapshot_edge(s, GOOI_EDGE_TYPE_ELEMENT, s->edge_count, snapshot_number_of_other(s));
}

static void snapshot_group_edges(Snapshot *s, unsigned group) {
    s->group = group;
    s->edge_count = 0;
    if (group == GOOI_ROOT_KINDS) {
        snapshot_external_edges(s);
    } else {
        s->graph.fn = snapshot_root_edge;
        gooi_graph_roots(&s->graph);
    }
}

static void snapshot_write_root_edges(Snapshot *s) {
    snapshot_edge(s, GOOI_EDGE_TYPE_ELEMENT, 1, GOOI_NODE_ROOTS);
    for (unsigned g = 0; g < GOOI_SNAPSHOT_GROUPS; g++) {
        snapshot_edge(s, GOOI_EDGE_TYPE_SHORTCUT, GOOI_STRING_ROOT_KIND + g, GOOI_NODE_GROUP + g);
    }
    for (unsigned g = 0; g < GOOI_SNAPSHOT_GROUPS; g++) {
        snapshot_edge(s, GOOI_EDGE_TYPE_ELEMENT, g + 1, GOOI_NODE_GROUP + g);
    }
}

/* --- nodes --- */

static uint64_t snapshot_object_name(Snapshot *s, uintptr_t object, const GooGcType *type) {
    const GooGcNamer *namer = &s->heap->namer;
    const char *name = NULL;
    if (namer->name != NULL) {
        name = namer->name((const void *)object, type, namer->user);
    }
    if (name == NULL && type != NULL) {
        name = type->name;
    }
    if (name != NULL) {
        return gooi_snapshot_name(&s->names, name);
    }
    switch (*gooi_metadata_of(object) & GOO_GC_KIND_MASK) {
    case GOO_GC_KIND_LEAF:
        return GOOI_STRING_LEAF;
    case GOO_GC_KIND_CONSERVATIVE:
        return GOOI_STRING_CONSERVATIVE;
    case GOO_GC_KIND_EMBEDDER:
        return GOOI_STRING_EMBEDDER;
    default:
        return GOOI_STRING_TYPED;
    }
}

static uint64_t snapshot_record_name(Snapshot *s, const GooiOwnedRecord *record) {
    if (record->allocator == 0) {
        return GOOI_STRING_OWNED_BYTES;
    }
    const GooAllocator *a = gooi_owned_allocator(s->heap, record->allocator)->allocator;
    return a->name != NULL ? gooi_snapshot_name(&s->names, a->name) : GOOI_STRING_OWNED_BLOCK;
}

static void snapshot_node(Snapshot *s, uint64_t type, uint64_t name, uint64_t id, uint64_t size,
                          uint64_t edges, bool is_first) {
    uint64_t row[GOOI_NODE_FIELDS] = {type, name, id, size, edges, 0, 0};
    gooi_snapshot_put_row(&s->text, row, GOOI_NODE_FIELDS, is_first);
}

/* Odd numbers, as V8 gives to what lies in the heap. Readers keep 32 bits of them. */
static uint64_t snapshot_object_id(const Snapshot *s, uintptr_t object) {
    size_t granule = gooi_reach_granule(&s->reach, object);
    bool fits = s->reach.words <= (size_t)INT32_MAX / 64;
    return 2 * (fits ? (uint64_t)granule : snapshot_number_of(s, object)) + 1;
}

static void snapshot_write_object(Snapshot *s, uintptr_t object) {
    snapshot_object_edges(s, object);
    snapshot_node(s, GOOI_NODE_TYPE_OBJECT, snapshot_object_name(s, object, s->type),
                  snapshot_object_id(s, object), s->end - object, s->edge_count, false);
}

static void snapshot_write_groups(Snapshot *s) {
    snapshot_node(s, GOOI_NODE_TYPE_SYNTHETIC, GOOI_STRING_EMPTY, 1, 0, 1 + GOOI_SNAPSHOT_GROUPS,
                  true);
    snapshot_node(s, GOOI_NODE_TYPE_SYNTHETIC, GOOI_STRING_ROOTS, 3, 0, GOOI_SNAPSHOT_GROUPS,
                  false);
    for (unsigned g = 0; g < GOOI_SNAPSHOT_GROUPS; g++) {
        snapshot_node(s, GOOI_NODE_TYPE_NATIVE, GOOI_STRING_ROOT_KIND + g, 5 + 2 * g, 0,
                      s->group_edges[g], false);
    }
}

static void snapshot_write_external(Snapshot *s) {
    size_t external = atomic_load_explicit(&s->heap->external_bytes, memory_order_relaxed);
    for (uint32_t i = 1; i <= s->records; i++) {
        const GooiOwnedRecord *record = gooi_owned_record(s->heap, i);
        uint64_t name = snapshot_record_name(s, record), id = 2 + 2 * (uint64_t)i;
        snapshot_node(s, GOOI_NODE_TYPE_NATIVE, name, id, record->size, 0, false);
        external -= record->size < external ? record->size : external;
    }
    snapshot_node(s, GOOI_NODE_TYPE_NATIVE, GOOI_STRING_OTHER_BYTES, 2, external, 0, false);
}

/* --- passes --- */

static void snapshot_each(Snapshot *s, void (*fn)(Snapshot *s, uintptr_t object)) {
    for (size_t w = 0; w < s->reach.words && !s->text.failed; w++) {
        for (uint64_t bits = s->reach.bits[w]; bits != 0; bits &= bits - 1) {
            fn(s, gooi_reach_object(&s->reach, w * 64 + gooi_count_trailing_zeros(bits)));
        }
    }
}

static void snapshot_count_object(Snapshot *s, uintptr_t object) {
    snapshot_object_edges(s, object);
    s->edges += s->edge_count;
}

static void snapshot_count(Snapshot *s) {
    s->edges = 1 + 2 * GOOI_SNAPSHOT_GROUPS;
    for (unsigned g = 0; g < GOOI_SNAPSHOT_GROUPS; g++) {
        snapshot_group_edges(s, g);
        s->group_edges[g] = s->edge_count;
        s->edges += s->edge_count;
    }
    snapshot_each(s, snapshot_count_object);
}

static void snapshot_write_edges(Snapshot *s) {
    s->writing_edges = true;
    snapshot_write_root_edges(s);
    for (unsigned g = 0; g < GOOI_SNAPSHOT_GROUPS; g++) {
        snapshot_group_edges(s, g);
    }
    snapshot_each(s, snapshot_object_edges);
}

static void snapshot_write(Snapshot *s) {
    snapshot_count(s);
    gooi_snapshot_put(&s->text, snapshot_meta);
    gooi_snapshot_put(&s->text, ",\"node_count\":");
    gooi_snapshot_put_number(&s->text, snapshot_number_of_other(s) + 1);
    gooi_snapshot_put(&s->text, ",\"edge_count\":");
    gooi_snapshot_put_number(&s->text, s->edges);
    gooi_snapshot_put(&s->text, ",\"trace_function_count\":0},\n\"nodes\":[");
    snapshot_write_groups(s);
    snapshot_each(s, snapshot_write_object);
    snapshot_write_external(s);
    gooi_snapshot_put(&s->text, "],\n\"edges\":[");
    snapshot_write_edges(s);
    gooi_snapshot_put(&s->text, "],\n\"trace_function_infos\":[],\n\"trace_tree\":[],\n"
                                "\"samples\":[],\n\"locations\":[],\n\"strings\":[");
    gooi_snapshot_put_strings(&s->names, &s->text);
    gooi_snapshot_put(&s->text, "]}\n");
    gooi_snapshot_flush(&s->text);
}

/* --- the whole --- */

typedef struct SnapshotRun {
    Snapshot *snapshot;
    GooStatus status;
} SnapshotRun;

static void snapshot_run(const GooiGraphPlace *place, void *arg) {
    SnapshotRun *run = arg;
    Snapshot *s = run->snapshot;
    gooi_graph_init(&s->graph, s->heap, place, NULL, s);
    run->status = GOO_ERR_NO_MEMORY;
    if (gooi_reach_init(&s->reach, s->heap) && gooi_reach_all(&s->reach, place) &&
        snapshot_begin_counts(s)) {
        snapshot_write(s);
        bool sound = s->text.failed || s->edges_written == s->edges;
        run->status = s->names.out_of_memory ? GOO_ERR_NO_MEMORY
                      : sound                ? GOO_OK
                                             : GOO_ERR_CORRUPT;
    }
    if (s->before != NULL) {
        gooi_platform_release(s->before, s->before_bytes);
    }
    gooi_snapshot_names_deinit(&s->names);
    gooi_reach_deinit(&s->reach);
}

/* Nothing of it is on the stack, where it would be seen. */
static GooStatus snapshot_take(GooGcHeap *heap, FILE *out, const void *high) {
    GooAllocator *side = heap->side;
    Snapshot *s = side->alloc(side->context, sizeof *s, 16, GOO_ALLOC_ZERO);
    if (s == NULL) {
        return GOO_ERR_NO_MEMORY;
    }
    s->heap = s->names.heap = heap;
    s->text.out = out;
    s->records = heap->owned.records.count;
    gooi_sweep_finish(heap);
    SnapshotRun run = {.snapshot = s};
    gooi_graph_run(heap, high, snapshot_run, &run);
    if (s->text.failed || fflush(out) != 0) {
        run.status = GOO_ERR_IO;
    }
    side->free(side->context, s, sizeof *s, 16);
    return run.status;
}

GooStatus goo_gc_write_snapshot(GooGcHeap *heap, FILE *out) {
    if (heap == NULL || out == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (!gooi_world_enter(heap)) {
        return GOO_ERR_BUSY;
    }
    GooStatus status = snapshot_take(heap, out, __builtin_frame_address(0));
    gooi_world_leave(heap);
    return status;
}
