/* roots.c: everything that a VM refers to.
 *
 * The stack up to sp, the closures of the frames, the open upvalues (closed ones hang on their
 * closures), the globals, the strings that the VM keeps, and the functions being compiled.
 *
 * The lookups keep nothing alive: what they refer to may die now and its memory be reused, so they
 * are forgotten.
 */
#include <string.h>

#include "compiler.h"
#include "vm.h"

static void roots_trace_running(GooGcVisitor *visitor, Vm *vm) {
    goo_gc_visit_range(visitor, vm->stack, (size_t)(vm->sp - vm->stack));
    for (CallFrame *frame = vm->frame; frame != NULL && frame >= vm->frames; frame--) {
        goo_gc_visit_pointer(visitor, &frame->closure);
    }
    if (vm->open_upvalues != NULL) {
        goo_gc_visit_pointer(visitor, &vm->open_upvalues);
        for (LoxUpvalue *open = vm->open_upvalues; open->next != NULL; open = open->next) {
            goo_gc_visit_pointer(visitor, &open->next);
        }
    }
}

static void roots_trace_globals(GooGcVisitor *visitor, Vm *vm) {
    for (Global *global = vm->globals; global != NULL; global = global->next) {
        goo_gc_visit_pointer(visitor, &global->name);
        goo_gc_visit(visitor, &global->value);
    }
}

static void roots_trace_compiler(GooGcVisitor *visitor, Compiler *compiler) {
    for (FunctionScope *s = compiler->scope; s != NULL; s = s->enclosing) {
        goo_gc_visit_pointer(visitor, &s->function);
    }
}

void roots_trace(GooGcVisitor *visitor, void *user) {
    Vm *vm = user;
    memset(vm->lookups, 0, sizeof vm->lookups);
    roots_trace_running(visitor, vm);
    roots_trace_globals(visitor, vm);
    goo_gc_visit_pointer(visitor, &vm->init_name);
    goo_gc_visit_pointers(visitor, vm->characters, 256);
    if (vm->compiler != NULL) {
        roots_trace_compiler(visitor, vm->compiler);
    }
}
