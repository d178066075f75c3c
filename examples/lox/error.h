/* error.h: runtime errors. */
#ifndef LOX_ERROR_H
#define LOX_ERROR_H

#include <stdbool.h>

#include "vm.h"

/* Tells the message and where each active call is, then empties the stack. False, so that natives
 * can return it. */
__attribute__((format(printf, 2, 3))) bool error_raise(Vm *vm, const char *format, ...);
bool error_out_of_memory(Vm *vm);

#endif
