/* print.h: Lox values as text. */
#ifndef LOX_PRINT_H
#define LOX_PRINT_H

#include <stdio.h>

#include "vm.h"

/* Where text goes: a file, or a growing buffer. */
typedef struct PrintTarget {
    FILE *file; /* NULL: text */
    Vm *vm;
    TextBuffer *text;
    bool failed; /* memory ran out */
} PrintTarget;

void print_value(PrintTarget *target, Value value);

#endif
