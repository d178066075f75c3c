/* goo_gc_why_alive: the shortest path from a root to an object, found breadth first.
 *
 *   items   | granule, parent | granule, parent | …      in the order in which they were reached:
 *             └─ roots ─────┘   └─ what those refer to     queue and tree at once
 *
 * 8 bytes an object reached before the one that is asked about, and a bit for each granule: memory
 * of its own, taken in pieces as the search goes on. When it is reached, the parents lead back to
 * the root; the slots and the kind of root are then looked for again, so that nobody keeps them.
 *
 * A value that waits for its key is reached when both holder and key are; its parent is the holder.
 * Of roots that refer to the same object the first one visited counts; words that registers held
 * come last. The looking call has the object in registers and on the stack itself: there, words
 * that are just its address don't count.
 *
 * Threads: any; the world is stopped meanwhile.
 */
#include <errno.h>

#include "gc/lock.h"
#include "gc/reach.h"
#include "runtime/bits.h"
#include "runtime/platform/platform.h"

#define GOOI_PATH_ROOT UINT32_MAX              /* as a parent */
#define GOOI_PATH_COMMIT ((size_t)1 << 20)     /* bytes */

typedef struct PathItem {
    uint32_t granule, parent;
} PathItem;

typedef struct Path {
    GooGcHeap *heap;
    uintptr_t object;
    GooGcPathFn fn;
    void *user;
    GooiReach reach;
    GooiGraph graph;
    PathItem *items;
    size_t reserved, committed; /* bytes */
    uint32_t count, looked_at;
    uint32_t found;      /* item of the object; PATH_ROOT: not yet */
    bool registers_only; /* while roots are visited: the second time */
    bool out_of_memory;
    /* while a step is looked for again: */
    uintptr_t step_target;
    const void *step_slot;
    unsigned step_root_kind;
    size_t length;
} Path;

static const char *const path_root_names[GOOI_ROOT_KINDS] = {
    [GOOI_ROOT_SLOT] = "slot",
    [GOOI_ROOT_POINTER] = "pointer",
    [GOOI_ROOT_CALLBACK] = "callback",
    [GOOI_ROOT_HANDLE] = "handle",
    [GOOI_ROOT_FINALIZER] = "finalizer",
    [GOOI_ROOT_FRAME] = "frame",
    [GOOI_ROOT_TEMPORARY] = "temporary",
    [GOOI_ROOT_STACK] = "stack word",
    [GOOI_ROOT_REGISTER] = "register",
    [GOOI_ROOT_ADDED_STACK] = "added stack word",
};

/* --- the search --- */

static bool path_commit(Path *p) {
    size_t more = p->reserved - p->committed;
    more = more < GOOI_PATH_COMMIT ? more : GOOI_PATH_COMMIT;
    if (more == 0 || !gooi_platform_commit((char *)p->items + p->committed, more)) {
        p->out_of_memory = true;
        return false;
    }
    p->committed += more;
    return true;
}

static void path_reach(Path *p, uintptr_t target, uint32_t parent) {
    if (p->found != GOOI_PATH_ROOT || p->out_of_memory || !gooi_reach_add(&p->reach, target)) {
        return;
    }
    if ((p->count + (size_t)1) * sizeof(PathItem) > p->committed && !path_commit(p)) {
        return;
    }
    p->items[p->count] = (PathItem){(uint32_t)gooi_reach_granule(&p->reach, target), parent};
    if (target == p->object) {
        p->found = p->count;
    }
    p->count++;
}

static uintptr_t path_item_object(const Path *p, uint32_t item) {
    return gooi_reach_object(&p->reach, p->items[item].granule);
}

static void path_edge(void *ctx, const GooiEdge *edge) {
    Path *p = ctx;
    if (edge->kind == GOOI_EDGE_WEAK) {
        return;
    }
    if (edge->kind == GOOI_EDGE_VALUE && !gooi_reach_has(&p->reach, (uintptr_t)edge->pair->key)) {
        gooi_reach_wait(&p->reach, edge->pair, p->looked_at);
        return;
    }
    path_reach(p, edge->target, p->looked_at);
}

/* Whether a root counts: first all but registers, then those. */
static bool path_root_counts(const Path *p, const GooiEdge *edge) {
    bool in_register = edge->root_kind == GOOI_ROOT_REGISTER;
    bool ours = in_register && edge->slot >= p->graph.place.low &&
                edge->slot < p->graph.place.high &&
                *(const GooiPointer *)edge->slot == (void *)p->object;
    return in_register == p->registers_only && !ours;
}

static void path_root(void *ctx, const GooiEdge *edge) {
    Path *p = ctx;
    if (path_root_counts(p, edge)) {
        path_reach(p, edge->target, GOOI_PATH_ROOT);
    }
}

/* Of pairs that waited for `key`: their holders were reached before. */
static void path_reach_values(Path *p, uintptr_t key) {
    uintptr_t value;
    uint32_t holder;
    while (gooi_reach_take(&p->reach, key, &value, &holder)) {
        path_reach(p, value, holder);
    }
}

static void path_visit_roots(Path *p, GooiEdgeFn fn) {
    p->graph.fn = fn;
    p->registers_only = false;
    gooi_graph_roots(&p->graph);
    p->registers_only = true;
    gooi_graph_roots(&p->graph);
}

static void path_search(Path *p) {
    path_visit_roots(p, path_root);
    p->graph.fn = path_edge;
    for (p->looked_at = 0; p->looked_at < p->count && p->found == GOOI_PATH_ROOT; p->looked_at++) {
        uintptr_t object = path_item_object(p, p->looked_at);
        if (gooi_reach_is_awaited(&p->reach, object)) {
            path_reach_values(p, object);
        }
        gooi_graph_object(&p->graph, object);
    }
}

/* --- telling --- */

/* Turns the links round: from the root on, `parent` is the next item. Returns the first. */
static uint32_t path_turn_round(Path *p) {
    uint32_t item = p->found, next = GOOI_PATH_ROOT;
    for (;;) {
        uint32_t parent = p->items[item].parent;
        p->items[item].parent = next;
        p->length++;
        if (parent == GOOI_PATH_ROOT) {
            return item;
        }
        next = item;
        item = parent;
    }
}

static void path_find_slot(void *ctx, const GooiEdge *edge) {
    Path *p = ctx;
    if (edge->target == p->step_target && edge->kind != GOOI_EDGE_WEAK && p->step_slot == NULL) {
        p->step_slot = edge->slot;
    }
}

static void path_find_root(void *ctx, const GooiEdge *edge) {
    Path *p = ctx;
    if (edge->target == p->step_target && p->step_slot == NULL && path_root_counts(p, edge)) {
        p->step_slot = edge->slot;
        p->step_root_kind = edge->root_kind;
    }
}

/* Where in `object` the reference to `target` lies. */
static size_t path_offset(Path *p, uintptr_t object, uintptr_t target) {
    p->graph.fn = path_find_slot;
    p->step_target = target;
    p->step_slot = NULL;
    gooi_graph_object(&p->graph, object);
    uintptr_t slot = (uintptr_t)p->step_slot;
    bool inside = slot >= object && slot < gooi_graph_end(p->heap, object);
    return inside ? slot - object : GOO_GC_OFFSET_OUTSIDE;
}

static const char *path_root_name(Path *p, uintptr_t object) {
    p->step_target = object;
    p->step_slot = NULL;
    path_visit_roots(p, path_find_root);
    return path_root_names[p->step_root_kind];
}

static void path_tell(Path *p) {
    uint32_t item = path_turn_round(p);
    const char *root_kind = path_root_name(p, path_item_object(p, item));
    while (p->fn != NULL && item != GOOI_PATH_ROOT) {
        uintptr_t object = path_item_object(p, item);
        uint32_t next = p->items[item].parent;
        GooGcPathStep step = {.object = (void *)object, .type = gooi_graph_type(object),
                              .root_kind = root_kind};
        if (next != GOOI_PATH_ROOT) {
            step.offset = path_offset(p, object, path_item_object(p, next));
        }
        p->fn(&step, p->user);
        root_kind = NULL;
        item = next;
    }
}

/* --- the whole --- */

static bool path_begin(Path *p, const GooiGraphPlace *place) {
    size_t page = gooi_platform_page_size();
    size_t granules = p->heap->used_bytes >> GOOI_GRANULE_LOG2;
    p->reserved = gooi_align_up((granules + 1) * sizeof(PathItem), page);
    p->items = gooi_platform_reserve(p->reserved, page);
    gooi_graph_init(&p->graph, p->heap, place, path_edge, p);
    return p->items != NULL && gooi_reach_init(&p->reach, p->heap);
}

static void path_run(const GooiGraphPlace *place, void *arg) {
    Path *p = arg;
    if (!path_begin(p, place)) {
        p->out_of_memory = true;
    } else {
        path_search(p);
        if (p->found != GOOI_PATH_ROOT) {
            path_tell(p);
        } else {
            p->out_of_memory |= p->reach.out_of_memory;
        }
    }
    gooi_reach_deinit(&p->reach);
    if (p->items != NULL) {
        gooi_platform_release(p->items, p->reserved);
    }
}

/* 0, or why the search could not be made. The path is not on the stack: it would find itself. */
static int path_of(GooGcHeap *heap, const Path *asked, const void *high, size_t *out_length) {
    if (asked->object == 0 || gooi_object_base_of(heap, asked->object) != asked->object) {
        return EINVAL;
    }
    Path *p = heap->side->alloc(heap->side->context, sizeof *p, 16, 0);
    if (p == NULL) {
        return ENOMEM;
    }
    *p = *asked;
    gooi_graph_run(heap, high, path_run, p);
    int error = p->out_of_memory && p->length == 0 ? ENOMEM : 0;
    *out_length = p->length;
    heap->side->free(heap->side->context, p, sizeof *p, 16);
    return error;
}

/* Enters; another thread's collection on the way must not take the object away. */
static bool path_enter(GooGcHeap *heap, void *object) {
    GooGcMutator *self = gooi_heap_is_busy_here(heap) ? NULL : gooi_mutator_here(heap);
    if (self == NULL || self->state != GOOI_MUTATOR_RUNNING) {
        return gooi_world_enter(heap);
    }
    GooGcFrame frame;
    goo_gc_frame_begin(self, &frame, (void *[]){&object}, 1);
    bool entered = gooi_world_enter(heap);
    goo_gc_frame_end(self, &frame);
    return entered;
}

size_t goo_gc_why_alive(GooGcHeap *heap, void *object, GooGcPathFn fn, void *user) {
    if (heap == NULL || !path_enter(heap, gooi_in_heap(heap, (uintptr_t)object) ? object : NULL)) {
        errno = heap == NULL ? EINVAL : EBUSY;
        return 0;
    }
    Path asked = {.heap = heap, .object = (uintptr_t)object, .fn = fn, .user = user,
                  .found = GOOI_PATH_ROOT};
    size_t length = 0;
    gooi_sweep_finish(heap);
    int error = path_of(heap, &asked, __builtin_frame_address(0), &length);
    gooi_world_leave(heap);
    if (error != 0) {
        errno = error;
    }
    return length;
}
