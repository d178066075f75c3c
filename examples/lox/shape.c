/* shape.c: looking up fields, growing the tree of shapes, and leaving it.
 *
 * A short chain is searched link by link. A long one gets a table once it has been searched a few
 * times, so that the shapes an object only passes through while it is built don't each build one.
 */
#include "shape.h"

#include "vm.h"

enum { SHAPE_SHORT_CHAIN = 8, SHAPE_LOOKUPS_BEFORE_INDEX = 4 };

static LoxShape *shape_new(Vm *vm, LoxClass *klass, uint32_t capacity) {
    LoxShape *shape = goo_gc_alloc(vm->mutator, &lox_shape_type, sizeof *shape);
    if (shape != NULL) {
        shape->klass = klass;
        shape->capacity = capacity;
        shape->vm = vm;
    }
    return shape;
}

LoxShape *shape_new_root(Vm *vm, LoxClass *klass, uint32_t capacity) {
    LoxShape *shape = shape_new(vm, klass, capacity);
    if (shape != NULL) {
        klass->shape_count++;
    }
    return shape;
}

/* Sets name to index for every field of the chain. */
static bool shape_fill_index(const LoxShape *chain, Table *index) {
    if (!table_reserve(chain->vm, index, chain->field_count + 1)) {
        return false;
    }
    for (const LoxShape *s = chain; s->parent != NULL; s = s->parent) {
        (void)table_set(s->vm, index, s->name, s->field_count - 1);
    }
    return true;
}

static int64_t shape_search_chain(const LoxShape *shape, const LoxString *name) {
    for (const LoxShape *s = shape; s->parent != NULL; s = s->parent) {
        if (s->name == name) {
            return (int64_t)s->field_count - 1;
        }
    }
    return SHAPE_NOT_FOUND;
}

int64_t shape_find(LoxShape *shape, const LoxString *name) {
    bool indexed = shape->is_dictionary || shape->index.count != 0;
    if (!indexed && shape->field_count > SHAPE_SHORT_CHAIN &&
        ++shape->lookups > SHAPE_LOOKUPS_BEFORE_INDEX) {
        shape->lookups = 0;
        Table index = {0};
        indexed = shape_fill_index(shape, &index);
        shape->index = index;
        goo_gc_barrier(shape->vm->mutator, shape);
    }
    if (!indexed) {
        return shape_search_chain(shape, name);
    }
    const Value *found = table_find(&shape->index, name);
    return found != NULL ? (int64_t)*found : SHAPE_NOT_FOUND;
}

static LoxShape *shape_child(const LoxShape *shape, const LoxString *name) {
    if (shape->next_name == name) {
        return shape->next;
    }
    const Value *found = table_find(&shape->others, name);
    return found != NULL ? (LoxShape *)(uintptr_t)*found : NULL;
}

static void shape_link_child(LoxShape *shape, LoxString *name, LoxShape *child) {
    if (shape->next == NULL) {
        shape->next_name = name;
        shape->next = child;
    } else {
        (void)table_set(shape->vm, &shape->others, name, (Value)(uintptr_t)child);
    }
    goo_gc_barrier(shape->vm->mutator, shape);
}

static LoxShape *shape_new_child(LoxShape *shape, LoxString *name) {
    Vm *vm = shape->vm;
    if (shape->next != NULL && !table_reserve(vm, &shape->others, 1)) {
        return NULL;
    }
    LoxShape *child = shape_new(vm, shape->klass, shape->capacity);
    if (child == NULL) {
        return NULL;
    }
    child->parent = shape;
    child->name = name;
    child->field_count = shape->field_count + 1;
    child->last_offset =
        child->field_count <= child->capacity ? shape_slot_offset(shape->field_count) : 0;
    shape->klass->shape_count++;
    shape_link_child(shape, name, child);
    return child;
}

/* The index is filled before the shape is made, so that a collection finds no half-made table; the
 * names in it are kept alive by the chain. */
static LoxShape *shape_new_dictionary(LoxShape *chain, LoxString *name) {
    Vm *vm = chain->vm;
    Table index = {0};
    if (!shape_fill_index(chain, &index)) {
        return NULL;
    }
    LoxShape *shape = shape_new(vm, chain->klass, chain->capacity);
    if (shape == NULL) {
        table_free(vm, &index);
        return NULL;
    }
    (void)table_set(vm, &index, name, chain->field_count);
    shape->index = index;
    shape->field_count = chain->field_count + 1;
    shape->is_dictionary = true;
    return shape;
}

LoxShape *shape_add(LoxShape *shape, LoxString *name) {
    if (shape->is_dictionary) {
        if (!table_set(shape->vm, &shape->index, name, shape->field_count)) {
            return NULL;
        }
        shape->field_count++;
        goo_gc_barrier(shape->vm->mutator, shape);
        return shape;
    }
    LoxShape *child = shape_child(shape, name);
    if (child != NULL) {
        return child;
    }
    bool leave =
        shape->field_count >= SHAPE_DEPTH_MAX || shape->klass->shape_count >= SHAPE_CLASS_MAX;
    return leave ? shape_new_dictionary(shape, name) : shape_new_child(shape, name);
}

void shape_trace(LoxShape *shape, GooGcVisitor *visitor) {
    goo_gc_visit_pointer(visitor, &shape->klass);
    goo_gc_visit_pointer(visitor, &shape->parent);
    goo_gc_visit_pointer(visitor, &shape->name);
    goo_gc_visit_pointer(visitor, &shape->next_name);
    goo_gc_visit_pointer(visitor, &shape->next);
    table_trace(&shape->index, visitor, false);
    table_trace(&shape->others, visitor, false);
    for (uint32_t i = 0; i < shape->others.capacity; i++) {
        if (shape->others.entries[i].key != NULL) {
            goo_gc_visit_pointer(visitor, &shape->others.entries[i].value);
        }
    }
}

void shape_free(LoxShape *shape) {
    table_free(shape->vm, &shape->index);
    table_free(shape->vm, &shape->others);
}
