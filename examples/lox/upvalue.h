/* upvalue.h: variables that outlive their frame. */
#ifndef LOX_UPVALUE_H
#define LOX_UPVALUE_H

#include "vm.h"

/* The open upvalue of a stack slot, shared by closures. NULL when memory is short. May collect. */
LoxUpvalue *upvalue_capture(Vm *vm, Value *local);
/* Moves the values of all captured slots from `last` up into their upvalues. */
void upvalue_close(Vm *vm, const Value *last);

#endif
