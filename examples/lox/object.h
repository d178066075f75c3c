/* object.h: what Lox objects look like in the heap.
 *
 * Word 0 of each is its GooGcType, written by the allocation; comparing it is the kind test.
 *
 *     string    [type][length, hash][bytes… NUL]                         lox_string.h
 *     closure   [type][function][upvalue]…
 *     upvalue   [type][location][closed value][next open]
 *     bound     [type][receiver][method]
 *     native    [type][function pointer][arity, name]
 *     function  [type][name] code, lines, sites                          chunk.h
 *     class     [type][name] methods, the root of its shapes             class.h
 *     instance  [type][shape][slot]…                                     class.h
 *     shape     [type][class] which field lies where                     shape.h
 *     overflow  [type][capacity][value]…       fields beyond an instance's slots
 *     list      [type][VM][items][count, capacity]                       list.h
 *
 * LOX-6  Word 1 of an instance is its shape, and word 1 of nothing else that a value can refer to
 *        is ever a shape's address or NULL: it is a length and hash with the top bit set, another
 *        kind of object, a receiver with its tag, or memory outside the heap. So one comparison of
 *        word 1 with a cached shape tests both "is it an instance" and "is it laid out like that".
 * LOX-7  An object that owns explicit memory has a finalizer to free it, and keeps its VM for that.
 */
#ifndef LOX_OBJECT_H
#define LOX_OBJECT_H

#include "chunk.h"
#include "goo/gc.h"
#include "lox_string.h"
#include "table.h"
#include "value.h"

typedef struct LoxObject {
    const GooGcType *type;
    const void *word1;
} LoxObject;

typedef struct LoxUpvalue {
    const GooGcType *type;
    Value *location; /* the stack slot while open, else &closed */
    Value closed;
    struct LoxUpvalue *next; /* the next open one, further down the stack */
} LoxUpvalue;

typedef struct LoxClosure {
    const GooGcType *type;
    LoxFunction *function;
    LoxUpvalue *upvalues[];
} LoxClosure;

typedef struct LoxBoundMethod {
    const GooGcType *type;
    Value receiver;
    Value method; /* a closure */
} LoxBoundMethod;

/* Puts the result in *result, or raises a runtime error and returns false. args[0] is the first. */
typedef bool (*NativeFn)(Vm *vm, int argument_count, Value *args, Value *result);

enum { NATIVE_ANY_ARITY = -1 };

typedef struct LoxNative {
    const GooGcType *type;
    NativeFn function;
    int64_t arity;
} LoxNative;

typedef struct LoxShape LoxShape;

typedef struct LoxClass {
    const GooGcType *type;
    LoxString *name;
    LoxShape *root;           /* of new instances */
    LoxClosure *initializer;  /* NULL: none */
    uint32_t instance_size;   /* of new instances */
    uint32_t wanted_capacity; /* the most fields that an instance had so far, up to a bound */
    uint32_t shape_count;     /* made for this class */
    Table methods;            /* inherited ones too; complete when the class body has run */
    Vm *vm;
} LoxClass;

typedef struct LoxInstance {
    const GooGcType *type;
    LoxShape *shape;
    Value slots[];
} LoxInstance;

typedef struct LoxOverflow {
    const GooGcType *type;
    uint64_t capacity;
    Value values[];
} LoxOverflow;

typedef struct LoxList {
    const GooGcType *type;
    Vm *vm;
    Value *items;
    uint32_t count, capacity;
} LoxList;

extern const GooGcType lox_closure_type, lox_upvalue_type, lox_bound_method_type, lox_instance_type,
    lox_native_type, lox_function_type, lox_class_type, lox_shape_type, lox_overflow_type,
    lox_list_type;

static inline bool value_is_a(Value value, const GooGcType *type) {
    return value_is_object(value) && ((LoxObject *)value_as_object(value))->type == type;
}

static inline bool value_is_string(Value value) {
    return value_is_a(value, &lox_string_type);
}

static inline LoxString *value_as_string(Value value) {
    return value_as_object(value);
}

/* Each returns NULL when memory is short, and may collect. */
LoxFunction *function_new(Vm *vm);
LoxNative *native_new(Vm *vm, NativeFn function, int arity);
LoxClosure *closure_new(Vm *vm, LoxFunction *function); /* upvalues NULL */

#endif
