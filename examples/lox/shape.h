/* shape.h: which field of an instance lies where.
 *
 * Instances that got the same fields in the same order share a shape. A shape adds one field to its
 * parent; the chain ends at a root without fields, which knows its class and how many slots its
 * instances have:
 *
 *     root(Point, 2 slots) --x--> shape{x} --y--> shape{x, y} --z--> shape{x, y, z}: one too many
 *
 * With `capacity` slots, a shape of at most `capacity` fields has field i in slot i. A larger one
 * has fields 0 … capacity-2 in slots and the rest in an overflow object, which the last slot refers
 * to. So an instance needs no word of its own for an overflow that hardly any has.
 *
 * Many fields, or many shapes in one class, make an instance leave the tree for a *dictionary*: a
 * shape of its own, with a table from names to indexes, that changes in place. Nobody caches it.
 *
 * SHAPE-1  A shape that is no dictionary never changes what its fields are or where they lie.
 * SHAPE-2  A parent refers to its children, a child to its parent, both strongly: a tree lives as
 *          long as its class uses it for new instances or one instance has a shape in it. Its size
 *          is bounded by SHAPE_CLASS_MAX shapes a class, its depth by SHAPE_DEPTH_MAX.
 */
#ifndef LOX_SHAPE_H
#define LOX_SHAPE_H

#include "object.h"

enum {
    SHAPE_SLOTS_MIN = 2,
    SHAPE_SLOTS_MAX = 62,   /* a class asks for no more slots than this */
    SHAPE_DEPTH_MAX = 128,  /* more fields make a dictionary */
    SHAPE_CLASS_MAX = 2048, /* more shapes in a class make dictionaries */
    SHAPE_NOT_FOUND = -1
};

struct LoxShape {
    const GooGcType *type;
    LoxClass *klass;
    LoxShape *parent; /* NULL: a root or a dictionary */
    LoxString *name;  /* the field that it adds; NULL where there is no parent */
    uint32_t field_count;
    uint32_t capacity;    /* slots in an instance */
    uint32_t last_offset; /* where in the instance its last field lies; 0: in the overflow object */
    uint16_t lookups;     /* long searches so far */
    bool is_dictionary;
    LoxString *next_name; /* the first child and the field that it adds; */
    LoxShape *next;
    Table others; /* further children, name to shape */
    Table index;  /* name to field index as a bare integer; empty until it pays */
    Vm *vm;
};

static inline uint32_t shape_slot_offset(uint32_t slot) {
    return (uint32_t)(offsetof(LoxInstance, slots) + slot * sizeof(Value));
}

/* Fields from this index on lie in the overflow object, if there is one. */
static inline uint32_t shape_overflow_start(const LoxShape *shape) {
    return shape->field_count <= shape->capacity ? shape->field_count : shape->capacity - 1;
}

/* Each returns NULL when memory is short; what it is given must be reachable. May collect. */
LoxShape *shape_new_root(Vm *vm, LoxClass *klass, uint32_t capacity);
/* The shape with one more field. For a dictionary that is itself. The field must be new. */
LoxShape *shape_add(LoxShape *shape, LoxString *name);

/* The index of a field, or SHAPE_NOT_FOUND. May build an index, and so may collect. */
int64_t shape_find(LoxShape *shape, const LoxString *name);

void shape_trace(LoxShape *shape, GooGcVisitor *visitor);
void shape_free(LoxShape *shape);

#endif
