/* class.h: classes, instances, and the fields of instances.
 *
 * New instances have as many slots as the class's instances were seen to need, so that only the
 * first few of a class ever use an overflow object. When one of them outgrows its slots the class
 * drops its root shape and the next instantiation makes a larger one; older instances keep theirs.
 *
 * CLASS-1  Methods change only while the class body runs, and no instance can exist before that is
 *          over. So a method found for a shape stays right as long as the shape lives.
 */
#ifndef LOX_CLASS_H
#define LOX_CLASS_H

#include "object.h"
#include "shape.h"

/* Each returns NULL or false when memory is short, and then changes nothing; each may collect. */
LoxClass *class_new(Vm *vm, LoxString *name);
bool class_inherit(LoxClass *subclass, const LoxClass *superclass);
bool class_define_method(LoxClass *klass, LoxString *name, LoxClosure *method);
/* Makes the root shape of the next instances. */
bool class_renew_root(LoxClass *klass);

LoxInstance *instance_new(Vm *vm, LoxClass *klass);
/* Sets a field that the instance does not have yet. */
bool instance_add_field(LoxInstance *instance, LoxString *name, Value value);

static inline LoxClosure *class_find_method(const LoxClass *klass, const LoxString *name) {
    const Value *found = table_find(&klass->methods, name);
    return found != NULL ? value_as_object(*found) : NULL;
}

static inline LoxOverflow *instance_overflow(const LoxInstance *instance) {
    return value_as_object(instance->slots[instance->shape->capacity - 1]);
}

void class_trace(LoxClass *klass, GooGcVisitor *visitor);
void class_free(LoxClass *klass);

#endif
