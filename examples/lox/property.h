/* property.h: property access that the interpreter's inline caches did not answer.
 *
 * Each looks the name up, does what the instruction does to the stack, and leaves in the site what
 * will answer the next time. Each returns false after raising a runtime error.
 *
 * A location says in its two lowest bits what it is. In a site's word1 it so tells itself from the
 * address of a shape:
 *     offset << 2 | INLINE     the field is at this byte offset in the instance
 *     index << 2 | OVERFLOW    the field is in the overflow object
 *     closure | METHOD         there is no such field but this method
 *     shape address            set only: the shape after the addition of the field
 */
#ifndef LOX_PROPERTY_H
#define LOX_PROPERTY_H

#include "call.h"
#include "vm.h"

enum {
    LOCATION_SHAPE = 0,
    LOCATION_INLINE = 1,
    LOCATION_OVERFLOW = 2,
    LOCATION_METHOD = 3,
    LOCATION_TAG_MASK = 3,
    LOCATION_SHIFT = 2
};

/* instance -> value */
bool property_get(Vm *vm, Site *site);
/* instance value -> value */
bool property_set(Vm *vm, Site *site);
/* receiver arguments… -> as call_value */
CallOutcome property_invoke(Vm *vm, Site *site, int argument_count, LoxClosure **closure);
/* receiver superclass -> bound method */
bool property_get_super(Vm *vm, Site *site);
/* receiver arguments…: the method of `superclass`, or NULL after an error */
LoxClosure *property_find_super(Vm *vm, Site *site, LoxClass *superclass);

#endif
