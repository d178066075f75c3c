/* A random object graph and its shadow: the same graph kept in plain memory, so that after every
 * collection a test can say exactly which objects must live and what each must contain.
 *
 *   Model ── objects[id]   shape, size, address, and for each word the id that it refers to
 *         ── roots[i]      a holder of one of the kinds that a heap knows, and the id in it
 *
 * Every word of an object has a role that follows from its shape: header, id, slot, plain pointer,
 * conservative word, or data. Data is noise, some of it looking like addresses of this heap: a
 * collector that reads it as a reference keeps garbage alive and is found out. New edges lead only
 * to what is reachable by way of the roots, as in a real program.
 *
 * model_check demands (ids of gc/README.md): reachable objects intact (GC-1, GC-6), all others gone
 * and finalized exactly once, extents and addresses right (GC-3), live bytes exact (GC-5).
 */
#ifndef GOO_TESTS_GC_GRAPH_MODEL_H
#define GOO_TESTS_GC_GRAPH_MODEL_H

#include "goo/gc.h"
#include "goo/gc/inspect.h"

enum { MODEL_NONE = -1, MODEL_NOISE = -2 }; /* what a reference word holds instead of an id */

typedef struct ModelObject {
    uint32_t shape, finalized, reached, walked; /* the last two: number of the check */
    size_t size, rounded, words;                /* words: size / 8 */
    char *address;                              /* NULL: checked to be dead */
    int32_t *refs;                              /* one per word, NULL without references */
} ModelObject;

typedef enum ModelRootKind {
    MODEL_ROOT_SLOT,
    MODEL_ROOT_POINTER,
    MODEL_ROOT_CALLBACK,
    MODEL_ROOT_FRAME,
    MODEL_ROOT_PUSHED,
    MODEL_ROOT_HANDLE,
    MODEL_ROOT_STACK,
    MODEL_ROOT_KINDS
} ModelRootKind;

#define MODEL_ROOTS_PER_KIND 8
#define MODEL_ROOTS (MODEL_ROOTS_PER_KIND * MODEL_ROOT_KINDS)
#define MODEL_SHAPES 15

typedef struct ModelOptions {
    uint64_t seed;
    GooGcOptions heap;
    size_t size_max; /* of objects; above 8 KiB only some are that large */
    size_t live_max; /* objects, roughly: above it roots are dropped */
} ModelOptions;

typedef struct Model {
    ModelOptions options;
    GooGcHeap *heap;
    GooGcMutator *m;
    uint64_t random;
    GooGcType types[MODEL_SHAPES];
    ModelObject *objects;
    uint32_t object_count, object_capacity, first_live, check;
    uint32_t *work;
    size_t live_count;
    uintptr_t noise_base;

    int32_t root_ids[MODEL_ROOTS];
    uint64_t slots[MODEL_ROOTS_PER_KIND], callback_slots[MODEL_ROOTS_PER_KIND];
    void *pointers[MODEL_ROOTS_PER_KIND], *locals[MODEL_ROOTS_PER_KIND];
    void *frame_locals[MODEL_ROOTS_PER_KIND];
    GooGcFrame frame;
    GooGcHandle handles[MODEL_ROOTS_PER_KIND];
    uintptr_t stack[MODEL_ROOTS_PER_KIND];
} Model;

Model *model_create(const ModelOptions *options);
void model_destroy(Model *model); /* checks that the end of the heap finalizes the rest */

uint64_t model_random(Model *model);
/* One random step: an allocation, a store, or a change of a root. */
void model_step(Model *model);
/* An object of `shape` and `size` in a root of its own; its id. */
int32_t model_alloc(Model *model, uint32_t shape, size_t size);
uint32_t model_shape_of_size(Model *model, size_t size);
void model_set_root(Model *model, size_t root, int32_t id);
/* Collects and demands everything that the opening comment promises. */
void model_check(Model *model);

#endif
