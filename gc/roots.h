/* What roots are made of: slots, callbacks, handles, stacks that were added; and their kinds.
 *
 * Threads: a heap's under its lock; a mutator's stacks are its thread's.
 */
#ifndef GOO_GC_ROOTS_H
#define GOO_GC_ROOTS_H

#include "goo/gc.h"
#include "runtime/base.h"

typedef struct GooiRoot {
    void *address;
    bool is_pointer;
} GooiRoot;

typedef struct GooiRootCallback {
    void (*trace)(GooGcVisitor *v, void *user);
    void *user;
} GooiRootCallback;

typedef struct GooiHandleEntry {
    void *object; /* NULL: free */
    uint32_t generation, next_free;
} GooiHandleEntry;

typedef struct GooiStack {
    const void *low, *high;
} GooiStack;

/* What kind of root is being visited, for whoever looks (graph.h). */
enum {
    GOOI_ROOT_SLOT,
    GOOI_ROOT_POINTER,
    GOOI_ROOT_CALLBACK,
    GOOI_ROOT_HANDLE,
    GOOI_ROOT_FINALIZER, /* queued, or waiting for its order */
    GOOI_ROOT_FRAME,
    GOOI_ROOT_TEMPORARY,
    GOOI_ROOT_STACK,       /* words of threads' own stacks */
    GOOI_ROOT_REGISTER,
    GOOI_ROOT_ADDED_STACK, /* words of goo_gc_add_stack's */
    GOOI_ROOT_KINDS
};

/* --- prototypes, by the file that defines them --- */

/* roots.c */
void gooi_roots_visit(GooGcHeap *heap, GooGcVisitor *v);
void gooi_roots_deinit(GooGcHeap *heap);

#endif
