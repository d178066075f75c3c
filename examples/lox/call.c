/* call.c: calling values that are not closures, and the checks of calls that are. */
#include "call.h"

#include "class.h"
#include "error.h"

bool call_may_enter(Vm *vm, const LoxClosure *closure, int argument_count) {
    const LoxFunction *function = closure->function;
    if (argument_count != function->arity) {
        return error_raise(vm, "Expected %d arguments but got %d.", function->arity,
                           argument_count);
    }
    ptrdiff_t frames_left = &vm->frames[VM_FRAMES_MAX - 1] - vm->frame;
    if (frames_left == 0) {
        return error_raise(vm, "Stack overflow.");
    }
    /* The frames that may follow must find their slots behind this one. */
    Value *slots = vm->sp - argument_count - 1;
    ptrdiff_t room = vm->stack + VM_STACK_SIZE - slots;
    if (room < (ptrdiff_t)function->max_stack + (frames_left - 1) * VM_FRAME_SLOTS) {
        return error_raise(vm, "Stack overflow.");
    }
    return true;
}

static CallOutcome call_class(Vm *vm, LoxClass *klass, int argument_count, LoxClosure **closure) {
    LoxInstance *instance = instance_new(vm, klass);
    if (instance == NULL) {
        error_out_of_memory(vm);
        return CALL_FAILED;
    }
    vm->sp[-1 - argument_count] = value_from_object(instance);
    if (klass->initializer != NULL) {
        *closure = klass->initializer;
        return CALL_ENTER;
    }
    if (argument_count != 0) {
        error_raise(vm, "Expected 0 arguments but got %d.", argument_count);
        return CALL_FAILED;
    }
    return CALL_DONE;
}

static CallOutcome call_native(Vm *vm, const LoxNative *native, int argument_count) {
    if (native->arity != NATIVE_ANY_ARITY && native->arity != argument_count) {
        error_raise(vm, "Expected %d arguments but got %d.", (int)native->arity, argument_count);
        return CALL_FAILED;
    }
    Value result = VALUE_NIL;
    if (!native->function(vm, argument_count, vm->sp - argument_count, &result)) {
        return CALL_FAILED;
    }
    vm->sp -= argument_count;
    vm->sp[-1] = result;
    return CALL_DONE;
}

CallOutcome call_value(Vm *vm, int argument_count, LoxClosure **closure) {
    Value callee = vm->sp[-1 - argument_count];
    if (value_is_a(callee, &lox_closure_type)) {
        *closure = value_as_object(callee);
        return CALL_ENTER;
    }
    if (value_is_a(callee, &lox_native_type)) {
        return call_native(vm, value_as_object(callee), argument_count);
    }
    if (value_is_a(callee, &lox_class_type)) {
        return call_class(vm, value_as_object(callee), argument_count, closure);
    }
    if (value_is_a(callee, &lox_bound_method_type)) {
        const LoxBoundMethod *bound = value_as_object(callee);
        vm->sp[-1 - argument_count] = bound->receiver;
        *closure = value_as_object(bound->method);
        return CALL_ENTER;
    }
    error_raise(vm, "Can only call functions and classes.");
    return CALL_FAILED;
}
