/* vm.c: creating and destroying a VM, its globals, and running a script from source to end.
 *
 * Creation builds from the bottom: allocator, heap, mutator, roots, strings, stack, natives. The
 * struct itself comes from the default allocator, since the VM's own must be empty when the heap
 * begins to count it.
 * Destruction takes it down in reverse; the heap's finalizers give the objects' explicit memory
 * back to the allocator, so that goes last.
 */
#include "vm.h"

#include <errno.h>

#include "compiler.h"
#include "error.h"
#include "goo/allocators.h"
#include "goo/runtime/memory.h"
#include "limits.h"
#include "natives.h"

Global *vm_global(Vm *vm, LoxString *name) {
    const Value *found = table_find(&vm->global_index, name);
    if (found != NULL) {
        return (Global *)(uintptr_t)*found;
    }
    Global *global = memory_alloc(vm, sizeof *global);
    if (global == NULL) {
        return NULL;
    }
    if (!table_set(vm, &vm->global_index, name, (Value)(uintptr_t)global)) {
        memory_free(vm, global, sizeof *global);
        return NULL;
    }
    *global = (Global){.value = VALUE_UNDEFINED, .name = name, .next = vm->globals};
    vm->globals = global;
    return global;
}

static bool vm_create_heap(Vm *vm, const GooGcOptions *options) {
    GooGcOptions heap_options = *options;
    heap_options.encoding = (GooGcValueEncoding)GOO_GC_ENCODING_NAN_BOX(VALUE_OBJECT_TAG);
    vm->soft_limit = options->soft_limit_bytes;
    vm->hard_limit = options->hard_limit_bytes;
    vm->heap = goo_gc_heap_create(&heap_options);
    if (vm->heap == NULL) {
        return false;
    }
    vm->mutator = goo_gc_attach(vm->heap);
    return vm->mutator != NULL && goo_gc_roots_add(vm->heap, roots_trace, vm) == GOO_OK &&
           goo_gc_attach_allocator(vm->heap, vm->allocator) == GOO_OK;
}

static bool vm_fill(Vm *vm) {
    vm->strings = string_table_create(vm->heap);
    vm->stack = memory_alloc(vm, VM_STACK_SIZE * sizeof(Value));
    vm->sp = vm->stack;
    if (vm->strings == NULL || vm->stack == NULL) {
        return false;
    }
    vm->init_name = string_intern(vm, "init", 4);
    return vm->init_name != NULL && natives_define(vm);
}

Vm *vm_create(const GooGcOptions *options) {
    GooAllocator *allocator = goo_system_allocator_create();
    if (allocator == NULL) {
        return NULL;
    }
    allocator->strategy = GOO_ALLOC_STRATEGY_GC;
    Vm *vm = goo_memory_alloc_zeroed(sizeof *vm);
    if (vm == NULL) {
        goo_allocator_destroy(allocator);
        return NULL;
    }
    vm->allocator = allocator;
    if (!vm_create_heap(vm, options) || !vm_fill(vm)) {
        int reason = errno;
        vm_destroy(vm);
        errno = reason;
        return NULL;
    }
    return vm;
}

static void vm_free_globals(Vm *vm) {
    for (Global *global = vm->globals, *next; global != NULL; global = next) {
        next = global->next;
        memory_free(vm, global, sizeof *global);
    }
    table_free(vm, &vm->global_index);
}

void vm_destroy(Vm *vm) {
    GooAllocator *allocator = vm->allocator;
    if (vm->heap != NULL) {
        goo_gc_heap_destroy(vm->heap);
    }
    vm_free_globals(vm);
    text_free(vm, &vm->scratch);
    memory_free(vm, vm->stack, VM_STACK_SIZE * sizeof(Value));
    goo_memory_free(vm, sizeof *vm);
    goo_allocator_destroy(allocator);
}

static bool vm_enter_script(Vm *vm, LoxFunction *function) {
    *vm->sp++ = value_from_object(function);
    LoxClosure *closure = closure_new(vm, function);
    vm->sp--;
    if (closure == NULL) {
        return error_out_of_memory(vm);
    }
    if (function->max_stack > VM_FRAME_SLOTS + VM_STACK_RESERVE) {
        return error_raise(vm, "Stack overflow.");
    }
    *vm->sp++ = value_from_object(closure);
    vm->frame = vm->frames;
    *vm->frame = (CallFrame){
        .ip = function->code, .slots = vm->stack, .closure = closure, .sites = function->sites};
    return true;
}

InterpretResult vm_interpret(Vm *vm, const char *source) {
    LoxFunction *function = NULL;
    InterpretResult result = compile(vm, source, &function);
    if (result != INTERPRET_OK) {
        return result;
    }
    if (!vm_enter_script(vm, function)) {
        return INTERPRET_RUNTIME_ERROR;
    }
    limits_for_running(vm);
    return interpreter_run(vm);
}
