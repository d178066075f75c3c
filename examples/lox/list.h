/* list.h: the growable list, which Lox scripts use through natives. Its items are explicit memory
 * that its finalizer frees. */
#ifndef LOX_LIST_H
#define LOX_LIST_H

#include "object.h"

/* NULL when memory is short. May collect. */
LoxList *list_new(Vm *vm);
void list_free(LoxList *list);
bool list_define_natives(Vm *vm);

#endif
