/* property.c: looking properties up and filling the inline caches.
 *
 * Fields shadow methods; a method found through a shape means that the shape has no such field. A
 * site remembers two shapes. Where it sees more, the VM's table of lookups answers, and most of the
 * time the site is left alone: it learns what had to be searched for, and every eighth answer of
 * the table, so that sites with many shapes don't change all the time, and one whose shapes have
 * gone out of use soon knows the new ones. A dictionary changes in place and is never cached.
 *
 * What a site remembers hangs on the function that owns the site, which is the one that runs.
 */
#include "property.h"

#include "class.h"
#include "error.h"
#include "goo/gc/inline.h"

enum { PROPERTY_LEARN_INTERVAL = 8 };

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

static uintptr_t property_field_location(const LoxShape *shape, uint32_t index) {
    uint32_t start = shape_overflow_start(shape);
    return index < start ? (uintptr_t)shape_slot_offset(index) << LOCATION_SHIFT | LOCATION_INLINE
                         : (uintptr_t)(index - start) << LOCATION_SHIFT | LOCATION_OVERFLOW;
}

static unsigned property_tag(uintptr_t location) {
    return location & LOCATION_TAG_MASK;
}

static LoxClosure *property_method(uintptr_t location) {
    return (LoxClosure *)(location - LOCATION_METHOD);
}

/* What `name` is in instances of `shape`: a field or a method; 0 if nothing. */
static uintptr_t property_search(LoxShape *shape, const LoxString *name) {
    int64_t index = shape_find(shape, name);
    if (index != SHAPE_NOT_FOUND) {
        return property_field_location(shape, (uint32_t)index);
    }
    const LoxClosure *method = class_find_method(shape->klass, name);
    return method != NULL ? (uintptr_t)method | LOCATION_METHOD : 0;
}

/* The same, by way of the VM's lookups. *learn: the site should remember it. */
static uintptr_t property_locate(Vm *vm, LoxShape *shape, const LoxString *name, bool *learn) {
    *learn = false;
    if (shape->is_dictionary) {
        return property_search(shape, name);
    }
    size_t hash = ((uintptr_t)shape >> 4) ^ ((uintptr_t)name >> 4);
    Lookup *lookup = &vm->lookups[hash % VM_LOOKUPS];
    *learn = ++vm->lookup_count % PROPERTY_LEARN_INTERVAL == 0;
    if (lookup->shape != shape || lookup->name != name) {
        uintptr_t location = property_search(shape, name);
        *lookup = (Lookup){.shape = shape, .name = name, .location = location};
        *learn = true;
    }
    return lookup->location;
}

static Value property_load(const LoxInstance *instance, uintptr_t location) {
    uintptr_t place = location >> LOCATION_SHIFT;
    if (property_tag(location) == LOCATION_INLINE) {
        return *(const Value *)(const void *)((const char *)instance + place);
    }
    return instance_overflow(instance)->values[place];
}

static void property_store(Vm *vm, LoxInstance *instance, uintptr_t location, Value value) {
    uintptr_t place = location >> LOCATION_SHIFT;
    if (property_tag(location) == LOCATION_INLINE) {
        goo_gc_write(vm->mutator, instance, (char *)instance + place, value);
    } else {
        LoxOverflow *overflow = instance_overflow(instance);
        goo_gc_write(vm->mutator, overflow, &overflow->values[place], value);
    }
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

static void property_cache_get(Vm *vm, Site *site, const LoxShape *shape, uintptr_t location) {
    if (property_tag(location) != LOCATION_INLINE) {
        property_cache_back(vm, site, shape, location);
        return;
    }
    if (site->key0 != NULL) {
        property_cache_back(vm, site, site->key0, site->word0 << LOCATION_SHIFT | LOCATION_INLINE);
    }
    property_cache_front(vm, site, shape, location >> LOCATION_SHIFT);
}

bool property_get(Vm *vm, Site *site) {
    Value receiver = vm->sp[-1];
    if (!value_is_a(receiver, &lox_instance_type)) {
        return error_raise(vm, "Only instances have properties.");
    }
    LoxInstance *instance = value_as_object(receiver);
    uintptr_t location = site->word1;
    if (instance->shape != site->key1) {
        bool learn = false;
        location = property_locate(vm, instance->shape, value_as_string(site->constant), &learn);
        if (location == 0) {
            return property_undefined(vm, site);
        }
        if (learn) {
            property_cache_get(vm, site, instance->shape, location);
        }
    }
    if (property_tag(location) == LOCATION_METHOD) {
        return property_bind(vm, property_method(location));
    }
    vm->sp[-1] = property_load(instance, location);
    return true;
}

static void property_cache_set(Vm *vm, Site *site, const LoxShape *shape, uintptr_t location) {
    if (property_tag(location) == LOCATION_INLINE) {
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

static bool property_set_uncached(Vm *vm, Site *site, LoxInstance *instance, Value value) {
    bool learn = false;
    uintptr_t location =
        property_locate(vm, instance->shape, value_as_string(site->constant), &learn);
    if (location == 0 || property_tag(location) == LOCATION_METHOD) {
        return property_add(vm, site, instance, value);
    }
    property_store(vm, instance, location, value);
    if (learn) {
        property_cache_set(vm, site, instance->shape, location);
    }
    return true;
}

bool property_set(Vm *vm, Site *site) {
    Value receiver = vm->sp[-2], value = vm->sp[-1];
    if (!value_is_a(receiver, &lox_instance_type)) {
        return error_raise(vm, "Only instances have fields.");
    }
    LoxInstance *instance = value_as_object(receiver);
    if (instance->shape == site->key1 && property_tag(site->word1) == LOCATION_OVERFLOW) {
        property_store(vm, instance, site->word1, value);
    } else if (!property_set_uncached(vm, site, instance, value)) {
        return false;
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
    bool learn = false;
    uintptr_t location =
        property_locate(vm, instance->shape, value_as_string(site->constant), &learn);
    if (location == 0) {
        property_undefined(vm, site);
        return CALL_FAILED;
    }
    if (property_tag(location) != LOCATION_METHOD) {
        vm->sp[-1 - argument_count] = property_load(instance, location);
        return call_value(vm, argument_count, closure);
    }
    *closure = property_method(location);
    if (learn) {
        property_cache_back(vm, site, site->key0, site->word0);
        property_cache_front(vm, site, instance->shape, (uintptr_t)*closure);
    }
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
