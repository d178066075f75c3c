/* inspect.h: looking into a VM's heap from outside of scripts: --snapshot and --why. */
#ifndef LOX_INSPECT_H
#define LOX_INSPECT_H

#include <stdio.h>

#include "vm.h"

/* Writes the heap to the file as Chrome DevTools reads it, instances called as their classes.
 * False: a message has been written to standard error. */
bool inspect_write_snapshot(Vm *vm, const char *path);

/* Tells what keeps the value of a global variable alive: the variable, and the shortest path from
 * what else the VM refers to. False: there is no such variable; a message has been written. */
bool inspect_why_alive(Vm *vm, const char *name, FILE *out);

#endif
