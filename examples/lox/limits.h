/* limits.h: keeping memory back for the prompt. */
#ifndef LOX_LIMITS_H
#define LOX_LIMITS_H

#include "vm.h"

/* Both do nothing without a heap limit, or when no prompt goes on after the script. May collect. */
void limits_for_compiling(Vm *vm);
void limits_for_running(Vm *vm);

#endif
