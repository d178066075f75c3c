/* call.h: calls that the interpreter loop does not do by itself. */
#ifndef LOX_CALL_H
#define LOX_CALL_H

#include "vm.h"

typedef enum CallOutcome {
    CALL_FAILED, /* a runtime error has been raised */
    CALL_DONE,   /* callee and arguments have been replaced by the result */
    CALL_ENTER   /* *closure is to be entered with these arguments */
} CallOutcome;

/* Calls whatever vm->sp[-1 - argument_count] is. */
CallOutcome call_value(Vm *vm, int argument_count, LoxClosure **closure);

/* What is wrong with entering `closure`: arity, frames, stack. True if nothing is after all. */
bool call_may_enter(Vm *vm, const LoxClosure *closure, int argument_count);

#endif
