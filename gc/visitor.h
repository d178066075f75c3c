/* The visitor: what goes along references, and marks, or shows them to somebody (verify.c,
 * graph.c). Marking's loops are in mark.h and trace.h; gc/team.h shares their work.
 *
 *   roots ──▶ visitor ──▶ its stack ──▶ objects, each traced once, what they refer to pushed
 *
 * Threads: a visitor is its marker's; while there are several, the team says who has what.
 */
#ifndef GOO_GC_VISITOR_H
#define GOO_GC_VISITOR_H

#include "gc/metadata.h"
#include "goo/gc.h"

/* What the mark stack commits first. It is counted from the heap's beginning, so that a collection
 * at the hard limit has it; what it grows by is counted then. */
#define GOOI_MARK_STACK_MIN ((size_t)64 << 10)

#define GOOI_TEAM_HEAP_MIN ((size_t)4 << 20)

typedef void (*GooiObserveFn)(void *ctx, const void *slot, uintptr_t target);

/* Address space of which `committed` bytes can be used; tests make `reserved` less. */
typedef struct GooiMarkStack {
    uintptr_t *entries;
    size_t committed, reserved;
} GooiMarkStack;

typedef struct GooiMarkTeam GooiMarkTeam;

#define GOOI_SHAPE_WORDS 64

/* Where the slots of an object lie that has them in its first 64 words. */
typedef struct GooiShape {
    uint64_t bits; /* bit i: word i is a slot; 0: there is no such shape */
    bool pointers; /* slots are plain pointers */
} GooiShape;

/* What marking has found out of its two modes' costs (mark_mode.c). */
typedef struct GooiMarkModes {
    uint64_t window_began;             /* 0: not known */
    uint64_t usual_ns, trial_ns;       /* of a window in the present mode; of the trial so far */
    uint32_t windows_left, pause;      /* to the trial's beginning or end; between trials */
    bool on_trial;
    bool scattered, backwards;         /* as marking ended */
} GooiMarkModes;

struct GooGcVisitor {
    GooGcHeap *heap;
    uintptr_t base;             /* an address is in the heap iff address - base < size */
    size_t size;
    GooGcValueEncoding encoding; /* with plain pointers written as an address mask of all ones */
    size_t links;                /* embedder's objects begin with so many plain pointers, and hold
                                    no more; 0: that can't be said of them */
    uint8_t colour;              /* what marking sets */
    bool scattered; /* objects are popped far from each other: prefetch through a ring */
    GooiMarkStack *memory;
    uintptr_t *stack, *top, *end; /* entries from stack to top; end: as far as it is committed */
    uintptr_t room;              /* an address: up to there a shape finds room above the top */
    GooiMarkModes modes;
    GooiMarkTeam *team;          /* NULL: marks alone; the rest of this group is team.c's */
    uint64_t phase;
    uint32_t looks, chunks;      /* since the last chunk given; taken */
    uint32_t alone;              /* looks of a drain without a team */
    size_t objects_before;       /* marked when the last one was taken */
    bool helped;                 /* others marked too: `objects` may count some twice */
    bool backwards;              /* references lie ahead of their objects: visit the last one first,
                                    so that the first is popped first and addresses ascend */
    size_t objects;              /* marked so far */
    GooiObserveFn observe;       /* NULL: mark */
    void *observe_ctx;
    unsigned root_kind;          /* GOOI_ROOT_*, while roots are visited */
};

/* --- prototypes, by the file that defines them --- */

/* mark.c */
void gooi_visitor_init(GooGcVisitor *v, GooGcHeap *heap, GooiMarkStack *stack);
void gooi_mark_drain(GooGcVisitor *v); /* what is little; where it shows to be much, as all does */
void gooi_mark_drain_shared(GooGcVisitor *v); /* until its team has nothing left */
/* Before roots that refer to up to `count` objects: where the stack has no room for them and can't
 * grow, what is on it is traced first. Dropping them would cost more. */
void gooi_mark_make_room(GooGcVisitor *v, size_t count);
void gooi_mark_all(GooGcVisitor *v); /* the same as drain, with the help of others */
size_t gooi_mark_stack_release(GooGcHeap *heap); /* to its least; the bytes given back */
size_t gooi_mark_stack_shrink(GooGcHeap *heap, GooiMarkStack *stack);
void gooi_mark_conservative(GooGcVisitor *v, const void *low, const void *high);

/* mark_mode.c */
void gooi_mark_modes_take(GooGcVisitor *v);
void gooi_mark_modes_keep(GooGcVisitor *v);

/* layout.c */
const char *gooi_layout_fault(const GooGcType *type); /* NULL: none */
size_t gooi_layout_reach(const GooGcType *type); /* the bytes that an object of it must have */
size_t gooi_layout_links(const GooGcType *type); /* GooGcVisitor.links; NULL has none */

/* team.c */
void gooi_team_rouse(const GooGcHeap *heap);
bool gooi_team_join(GooGcVisitor *v);
void gooi_team_leave(GooGcVisitor *v);
bool gooi_team_init(void);
void gooi_team_disband(void);
void gooi_team_fork_begins(void);
void gooi_team_fork_ends(bool in_child);

#endif
