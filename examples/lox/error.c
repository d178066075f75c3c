/* error.c: runtime errors. Lox has no way to catch one: the script ends, with a trace. What it has
 * left in globals goes on living at the prompt, so captured variables leave the stack first. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

#include "upvalue.h"

static void error_trace(const Vm *vm) {
    for (const CallFrame *frame = vm->frame; frame != NULL && frame >= vm->frames; frame--) {
        const LoxFunction *function = frame->closure->function;
        size_t offset = (size_t)(frame->ip - function->code) - 1;
        fprintf(stderr, "[line %d] in ", chunk_line_at(function, offset));
        if (function->name == NULL) {
            fputs("script\n", stderr);
        } else {
            fprintf(stderr, "%s()\n", function->name->bytes);
        }
    }
}

bool error_raise(Vm *vm, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    error_trace(vm);
    upvalue_close(vm, vm->stack);
    vm->sp = vm->stack;
    vm->frame = NULL;
    return false;
}

bool error_out_of_memory(Vm *vm) {
    return error_raise(vm, "Out of memory.");
}
