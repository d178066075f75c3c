/* property.c: looking properties up and filling the inline caches.
 *
 * Fields shadow methods; a method found through a shape means that the shape has no such field. A
 * dictionary changes in place and is never cached. What a site remembers hangs on the function that
 * owns the site, which is the one that runs.
 */
#include "property.h"

#include "class.h"
#include "error.h"
#include "goo/gc/inline.h"

static void property_cached(Vm *vm) {
    goo_gc_barrier(vm->mutator, vm->frame->closure->function);
}

/* The most recent finding goes to entry 0, which the interpreter asks first. */
static void property_cache_front(Vm *vm, Site *site, const void *key, uintptr_t word) {
    site->key0 = key;
    site->word0 = word;
    property_cached(vm);
}

static void property_cache_back(Vm *vm, Site *site, const void *key, uintptr_t word) {
    site->key1 = key;
    site->word1 = word;
    property_cached(vm);
}

static bool property_undefined(Vm *vm, const Site *site) {
    return error_raise(vm, "Undefined property '%s'.", value_as_string(site->constant)->bytes);
}

/* Where field `index` of the instance lies. */
static Value *property_field(LoxInstance *instance, uint32_t index) {
    uint32_t start = shape_overflow_start(instance->shape);
    return index < start ? &instance->slots[index]
                         : &instance_overflow(instance)->values[index - start];
}

static uintptr_t property_location(const LoxShape *shape, uint32_t index) {
    uint32_t start = shape_overflow_start(shape);
    return index < start
               ? (uintptr_t)shape_slot_offset(index) << LOCATION_SHIFT | LOCATION_INLINE
               : (uintptr_t)(index - start) << LOCATION_SHIFT | LOCATION_OVERFLOW;
}

static bool property_bind(Vm *vm, LoxClosure *method) {
    LoxBoundMethod *bound = goo_gc_alloc(vm->mutator, &lox_bound_method_type, sizeof *bound);
    if (bound == NULL) {
        return error_out_of_memory(vm);
    }
    bound->receiver = vm->sp[-1];
    bound->method = value_from_object(method);
    vm->sp[-1] = value_from_object(bound);
    return true;
}

static void property_cache_field(Vm *vm, Site *site, const LoxShape *shape, uint32_t index) {
    uintptr_t location = property_location(shape, index);
    if ((location & LOCATION_TAG_MASK) == LOCATION_OVERFLOW) {
        property_cache_back(vm, site, shape, location);
        return;
    }
    if (site->key0 != NULL) {
        property_cache_back(vm, site, site->key0, site->word0 << LOCATION_SHIFT | LOCATION_INLINE);
    }
    property_cache_front(vm, site, shape, location >> LOCATION_SHIFT);
}

static bool property_get_uncached(Vm *vm, Site *site, LoxInstance *instance) {
    LoxString *name = value_as_string(site->constant);
    LoxShape *shape = instance->shape;
    int64_t index = shape_find(shape, name);
    if (index != SHAPE_NOT_FOUND) {
        vm->sp[-1] = *property_field(instance, (uint32_t)index);
        if (!shape->is_dictionary) {
            property_cache_field(vm, site, shape, (uint32_t)index);
        }
        return true;
    }
    LoxClosure *method = class_find_method(shape->klass, name);
    if (method == NULL) {
        return property_undefined(vm, site);
    }
    if (!shape->is_dictionary) {
        property_cache_back(vm, site, shape, (uintptr_t)method | LOCATION_METHOD);
    }
    return property_bind(vm, method);
}

bool property_get(Vm *vm, Site *site) {
    Value receiver = vm->sp[-1];
    if (!value_is_a(receiver, &lox_instance_type)) {
        return error_raise(vm, "Only instances have properties.");
    }
    LoxInstance *instance = value_as_object(receiver);
    if (instance->shape == site->key1) {
        uintptr_t location = site->word1;
        if ((location & LOCATION_TAG_MASK) == LOCATION_OVERFLOW) {
            vm->sp[-1] = instance_overflow(instance)->values[location >> LOCATION_SHIFT];
            return true;
        }
        if ((location & LOCATION_TAG_MASK) == LOCATION_METHOD) {
            return property_bind(vm, (LoxClosure *)(location - LOCATION_METHOD));
        }
    }
    return property_get_uncached(vm, site, instance);
}

/* The field exists: stores into it. */
static void property_store(Vm *vm, Site *site, LoxInstance *instance, uint32_t index, Value value) {
    LoxShape *shape = instance->shape;
    void *owner = index < shape_overflow_start(shape) ? (void *)instance
                                                      : (void *)instance_overflow(instance);
    goo_gc_write(vm->mutator, owner, property_field(instance, index), value);
    if (shape->is_dictionary) {
        return;
    }
    uintptr_t location = property_location(shape, index);
    if ((location & LOCATION_TAG_MASK) == LOCATION_INLINE) {
        property_cache_front(vm, site, shape, location >> LOCATION_SHIFT);
    } else {
        property_cache_back(vm, site, shape, location);
    }
}

static bool property_add(Vm *vm, Site *site, LoxInstance *instance, Value value) {
    const LoxShape *before = instance->shape;
    if (!instance_add_field(instance, value_as_string(site->constant), value)) {
        return error_out_of_memory(vm);
    }
    const LoxShape *after = instance->shape;
    if (!after->is_dictionary && after->last_offset != 0) {
        property_cache_back(vm, site, before, (uintptr_t)after);
    }
    return true;
}

bool property_set(Vm *vm, Site *site) {
    Value receiver = vm->sp[-2], value = vm->sp[-1];
    if (!value_is_a(receiver, &lox_instance_type)) {
        return error_raise(vm, "Only instances have fields.");
    }
    LoxInstance *instance = value_as_object(receiver);
    if (instance->shape == site->key1 &&
        (site->word1 & LOCATION_TAG_MASK) == LOCATION_OVERFLOW) {
        LoxOverflow *overflow = instance_overflow(instance);
        goo_gc_write(vm->mutator, overflow, &overflow->values[site->word1 >> LOCATION_SHIFT],
                     value);
    } else {
        int64_t index = shape_find(instance->shape, value_as_string(site->constant));
        if (index != SHAPE_NOT_FOUND) {
            property_store(vm, site, instance, (uint32_t)index, value);
        } else if (!property_add(vm, site, instance, value)) {
            return false;
        }
    }
    vm->sp[-2] = value;
    vm->sp--;
    return true;
}

CallOutcome property_invoke(Vm *vm, Site *site, int argument_count, LoxClosure **closure) {
    Value receiver = vm->sp[-1 - argument_count];
    if (!value_is_a(receiver, &lox_instance_type)) {
        error_raise(vm, "Only instances have methods.");
        return CALL_FAILED;
    }
    LoxInstance *instance = value_as_object(receiver);
    LoxShape *shape = instance->shape;
    LoxString *name = value_as_string(site->constant);
    int64_t index = shape_find(shape, name);
    if (index != SHAPE_NOT_FOUND) {
        vm->sp[-1 - argument_count] = *property_field(instance, (uint32_t)index);
        return call_value(vm, argument_count, closure);
    }
    LoxClosure *method = class_find_method(shape->klass, name);
    if (method == NULL) {
        property_undefined(vm, site);
        return CALL_FAILED;
    }
    if (!shape->is_dictionary) {
        property_cache_back(vm, site, site->key0, site->word0);
        property_cache_front(vm, site, shape, (uintptr_t)method);
    }
    *closure = method;
    return CALL_ENTER;
}

LoxClosure *property_find_super(Vm *vm, Site *site, LoxClass *superclass) {
    LoxClosure *method = class_find_method(superclass, value_as_string(site->constant));
    if (method == NULL) {
        property_undefined(vm, site);
        return NULL;
    }
    property_cache_front(vm, site, superclass, (uintptr_t)method);
    return method;
}

bool property_get_super(Vm *vm, Site *site) {
    LoxClass *superclass = value_as_object(vm->sp[-1]);
    LoxClosure *method = (LoxClosure *)site->word0;
    if (site->key0 != superclass) {
        method = property_find_super(vm, site, superclass);
        if (method == NULL) {
            return false;
        }
    }
    vm->sp--;
    return property_bind(vm, method);
}
