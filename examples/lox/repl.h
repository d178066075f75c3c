/* repl.h: the prompt. */
#ifndef LOX_REPL_H
#define LOX_REPL_H

#include "vm.h"

/* Reads and runs statements until the end of standard input. */
void repl(Vm *vm);

#endif
