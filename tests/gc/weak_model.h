/* A shadow of a heap full of weakness: the same objects in plain memory, settled by rules written
 * down as sets, so that after every collection a test can say what each object must hold.
 *
 *   node       strong references; perhaps a plain finalizer, perhaps a queued one
 *   weak       one target
 *   ephemeron  key, value
 *   map        pairs
 *
 * model_collect is the specification of goo/gc/weak.h, as slow as it is plain: reachability is
 * computed by going round until nothing changes.
 */
#ifndef GOO_TESTS_GC_WEAK_MODEL_H
#define GOO_TESTS_GC_WEAK_MODEL_H

#include "goo/gc/weak.h"
#include "tests/gc/support.h"

#define MODEL_FIELDS 3
#define MODEL_ROOTS 12
#define MODEL_PAIRS 24 /* of one map; grows its table twice */
#define MODEL_OBJECTS 4000
#define MODEL_HELD 4

typedef enum ModelKind {
    MODEL_NODE,
    MODEL_WEAK,
    MODEL_EPHEMERON,
    MODEL_MAP,
    MODEL_KINDS
} ModelKind;

typedef struct ModelPair {
    int key, value; /* ids; -1: none */
} ModelPair;

typedef struct ModelObject {
    ModelKind kind;
    void *address;
    bool dead, marked;
    bool early;  /* was marked before finalizers were queued */
    bool traced; /* keeps alive what it refers to, marked or not: an ordered finalizer's object */
    bool plain;               /* has a plain finalizer */
    int deaths;               /* how often it ran */
    int fields[MODEL_FIELDS]; /* of nodes */
    ModelPair pairs[MODEL_PAIRS]; /* of weak references and ephemerons the first; of maps */
    size_t pair_count;
    bool has_table;
} ModelObject;

typedef struct ModelFinalizer {
    int object;
    bool ordered, dead;
} ModelFinalizer;

typedef struct Model {
    GooGcHeap *heap;
    GooGcMutator *m;
    uint64_t random;
    ModelObject objects[MODEL_OBJECTS];
    int count;
    int roots[MODEL_ROOTS];
    void *root_pointers[MODEL_ROOTS];
    int held[MODEL_HELD]; /* kept alive by the call in progress */
    ModelFinalizer finalizers[MODEL_OBJECTS];
    int finalizer_count;
    int queue[MODEL_OBJECTS];
    int queue_head, queue_end;
    uint64_t collections; /* that the model has followed */
} Model;

void model_collect(Model *model);
size_t model_live_objects(const Model *model); /* tables of maps included */
ModelPair *model_pair_of(ModelObject *map, int key);
ModelFinalizer *model_finalizer_of(Model *model, int object);

#endif
