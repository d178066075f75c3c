/* object.c: the heap types of Lox objects, and the constructors of the plain ones.
 *
 * Layouts where they can say it, callbacks where the references lie in explicit memory. The types
 * whose objects the interpreter makes all the time are in interpreter.c, where the inline
 * allocation can see them.
 */
#include "object.h"

#include "class.h"
#include "list.h"
#include "vm.h"

static void function_trace(void *object, GooGcVisitor *visitor) {
    LoxFunction *function = object;
    goo_gc_visit_pointer(visitor, &function->name);
    chunk_trace(function, visitor);
}

static void function_finalize(void *object, void *user) {
    (void)user;
    chunk_free(object);
}

static void class_trace_object(void *object, GooGcVisitor *visitor) {
    class_trace(object, visitor);
}

static void class_finalize(void *object, void *user) {
    (void)user;
    class_free(object);
}

static void shape_trace_object(void *object, GooGcVisitor *visitor) {
    shape_trace(object, visitor);
}

static void shape_finalize(void *object, void *user) {
    (void)user;
    shape_free(object);
}

static void list_trace(void *object, GooGcVisitor *visitor) {
    LoxList *list = object;
    goo_gc_visit_range(visitor, list->items, list->count);
}

static void list_finalize(void *object, void *user) {
    (void)user;
    list_free(object);
}

const GooGcType lox_native_type = {
    .name = "native", .size = sizeof(LoxNative), .layout = GOO_GC_LAYOUT_LEAF};

const GooGcType lox_function_type = {.name = "function",
                                     .size = sizeof(LoxFunction),
                                     .layout = GOO_GC_LAYOUT_TRACE,
                                     .trace = function_trace,
                                     .finalize = function_finalize};

const GooGcType lox_class_type = {.name = "class",
                                  .size = sizeof(LoxClass),
                                  .layout = GOO_GC_LAYOUT_TRACE,
                                  .trace = class_trace_object,
                                  .finalize = class_finalize};

const GooGcType lox_shape_type = {.name = "shape",
                                  .size = sizeof(LoxShape),
                                  .layout = GOO_GC_LAYOUT_TRACE,
                                  .trace = shape_trace_object,
                                  .finalize = shape_finalize};

const GooGcType lox_list_type = {.name = "list",
                                 .size = sizeof(LoxList),
                                 .layout = GOO_GC_LAYOUT_TRACE,
                                 .trace = list_trace,
                                 .finalize = list_finalize};

const GooGcType lox_overflow_type = {.name = "overflow",
                                     .size = sizeof(LoxOverflow),
                                     .layout = GOO_GC_LAYOUT_ARRAY,
                                     .array_offset = offsetof(LoxOverflow, values)};

LoxFunction *function_new(Vm *vm) {
    LoxFunction *function = goo_gc_alloc(vm->mutator, &lox_function_type, sizeof *function);
    if (function != NULL) {
        function->vm = vm;
    }
    return function;
}

LoxNative *native_new(Vm *vm, NativeFn function, int arity) {
    LoxNative *native = goo_gc_alloc(vm->mutator, &lox_native_type, sizeof *native);
    if (native != NULL) {
        native->function = function;
        native->arity = arity;
    }
    return native;
}

LoxClosure *closure_new(Vm *vm, LoxFunction *function) {
    size_t size = sizeof(LoxClosure) + (size_t)function->upvalue_count * sizeof(LoxUpvalue *);
    LoxClosure *closure = goo_gc_alloc(vm->mutator, &lox_closure_type, size);
    if (closure != NULL) {
        closure->function = function;
    }
    return closure;
}
