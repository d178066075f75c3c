/* natives.h: the functions that a script finds defined. */
#ifndef LOX_NATIVES_H
#define LOX_NATIVES_H

#include "object.h"

/* Each is false when memory is short. */
bool natives_define(Vm *vm);
bool natives_add(Vm *vm, const char *name, NativeFn function, int arity);

/* A whole number that an index can be. */
bool natives_index(Value value, uint32_t *index);

#endif
