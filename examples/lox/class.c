/* class.c: making classes and instances, and giving an instance one more field.
 *
 * A field that does not fit the slots goes to the overflow object. Its room is made before the
 * shape changes, so that a failure in between leaves the instance as it was.
 */
#include "class.h"

#include "vm.h"

enum { OVERFLOW_FIRST_CAPACITY = 6 };

LoxClass *class_new(Vm *vm, LoxString *name) {
    LoxClass *klass = goo_gc_alloc(vm->mutator, &lox_class_type, sizeof *klass);
    if (klass != NULL) {
        klass->name = name;
        klass->wanted_capacity = SHAPE_SLOTS_MIN;
        klass->vm = vm;
    }
    return klass;
}

bool class_inherit(LoxClass *subclass, const LoxClass *superclass) {
    if (!table_reserve(subclass->vm, &subclass->methods, superclass->methods.count)) {
        return false;
    }
    const Table *from = &superclass->methods;
    for (uint32_t i = 0; i < from->capacity; i++) {
        if (from->entries[i].key != NULL) {
            (void)table_set(subclass->vm, &subclass->methods, from->entries[i].key,
                            from->entries[i].value);
        }
    }
    subclass->initializer = superclass->initializer;
    goo_gc_barrier(subclass->vm->mutator, subclass);
    return true;
}

bool class_define_method(LoxClass *klass, LoxString *name, LoxClosure *method) {
    if (!table_set(klass->vm, &klass->methods, name, value_from_object(method))) {
        return false;
    }
    if (name == klass->vm->init_name) {
        klass->initializer = method;
    }
    goo_gc_barrier(klass->vm->mutator, klass);
    return true;
}

bool class_renew_root(LoxClass *klass) {
    LoxShape *root = shape_new_root(klass->vm, klass, klass->wanted_capacity);
    if (root == NULL) {
        return false;
    }
    GOO_GC_SET(klass->vm->mutator, klass, root, root);
    klass->instance_size = shape_slot_offset(klass->wanted_capacity);
    return true;
}

LoxInstance *instance_new(Vm *vm, LoxClass *klass) {
    if (klass->root == NULL && !class_renew_root(klass)) {
        return NULL;
    }
    LoxInstance *instance = goo_gc_alloc(vm->mutator, &lox_instance_type, klass->instance_size);
    if (instance != NULL) {
        instance->shape = klass->root;
    }
    return instance;
}

/* Remembers that an instance has `field_count` fields; slots come in pairs, since objects are
 * multiples of 16 bytes. */
static void class_want_capacity(LoxClass *klass, uint32_t field_count) {
    uint32_t capacity = (field_count + 1) & ~UINT32_C(1);
    if (capacity > SHAPE_SLOTS_MAX) {
        capacity = SHAPE_SLOTS_MAX;
    }
    if (capacity > klass->wanted_capacity) {
        klass->wanted_capacity = capacity;
        goo_gc_write_pointer(klass->vm->mutator, klass, &klass->root, NULL);
    }
}

static LoxOverflow *overflow_new(Vm *vm, uint64_t capacity, const Value *values, uint64_t count) {
    size_t size = sizeof(LoxOverflow) + (size_t)capacity * sizeof(Value);
    LoxOverflow *overflow = goo_gc_alloc(vm->mutator, &lox_overflow_type, size);
    if (overflow != NULL) {
        overflow->capacity = capacity;
        memcpy(overflow->values, values, (size_t)count * sizeof(Value));
    }
    return overflow;
}

/* The last slot has held a field so far and now refers to the overflow object, which begins with
 * that field. */
static bool instance_add_first_overflowing(LoxInstance *instance, LoxString *name, Value value) {
    Vm *vm = instance->shape->vm;
    Value *last = &instance->slots[instance->shape->capacity - 1];
    LoxOverflow *overflow = overflow_new(vm, OVERFLOW_FIRST_CAPACITY, last, 1);
    if (overflow == NULL) {
        return false;
    }
    overflow->values[1] = value;
    goo_gc_push(vm->mutator, overflow);
    LoxShape *shape = shape_add(instance->shape, name);
    goo_gc_pop(vm->mutator, 1);
    if (shape == NULL) {
        return false;
    }
    goo_gc_write(vm->mutator, instance, last, value_from_object(overflow));
    GOO_GC_SET(vm->mutator, instance, shape, shape);
    return true;
}

static bool instance_add_overflowing(LoxInstance *instance, LoxString *name, Value value) {
    Vm *vm = instance->shape->vm;
    LoxOverflow *overflow = instance_overflow(instance);
    uint64_t index = instance->shape->field_count - shape_overflow_start(instance->shape);
    if (index == overflow->capacity) {
        overflow = overflow_new(vm, index * 2, overflow->values, index);
        if (overflow == NULL) {
            return false;
        }
        goo_gc_write(vm->mutator, instance, &instance->slots[instance->shape->capacity - 1],
                     value_from_object(overflow));
    }
    LoxShape *shape = shape_add(instance->shape, name);
    if (shape == NULL) {
        return false;
    }
    goo_gc_write(vm->mutator, overflow, &overflow->values[index], value);
    GOO_GC_SET(vm->mutator, instance, shape, shape);
    return true;
}

bool instance_add_field(LoxInstance *instance, LoxString *name, Value value) {
    LoxShape *before = instance->shape;
    uint32_t index = before->field_count;
    if (index >= before->capacity) {
        class_want_capacity(before->klass, index + 1);
        return index == before->capacity ? instance_add_first_overflowing(instance, name, value)
                                         : instance_add_overflowing(instance, name, value);
    }
    LoxShape *shape = shape_add(before, name);
    if (shape == NULL) {
        return false;
    }
    goo_gc_write(before->vm->mutator, instance, &instance->slots[index], value);
    GOO_GC_SET(before->vm->mutator, instance, shape, shape);
    return true;
}

void class_trace(LoxClass *klass, GooGcVisitor *visitor) {
    goo_gc_visit_pointer(visitor, &klass->name);
    goo_gc_visit_pointer(visitor, &klass->root);
    goo_gc_visit_pointer(visitor, &klass->initializer);
    table_trace(&klass->methods, visitor, true);
}

void class_free(LoxClass *klass) {
    table_free(klass->vm, &klass->methods);
}
