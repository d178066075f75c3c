/* scope.c: which variable a name means, and the functions being compiled.
 *
 * Locals live in the frame in the order of their declaration, so a local's index is its slot. Slot
 * 0 is the callee, or `this` in a method. A variable of an enclosing function is an upvalue, added
 * to every function on the way in.
 */
#include <string.h>

#include "compiler.h"

static bool scope_name_is(const Local *local, const Token *name) {
    return local->length == name->length &&
           memcmp(local->name, name->start, (size_t)name->length) == 0;
}

bool scope_same_name(const Token *a, const Token *b) {
    return a->length == b->length && memcmp(a->start, b->start, (size_t)a->length) == 0;
}

static Local *scope_push_local(Compiler *c, const char *name, int length) {
    FunctionScope *scope = c->scope;
    void *locals = scope->locals;
    if (!memory_reserve(c->vm, &locals, &scope->local_capacity, (size_t)scope->local_count + 1,
                        sizeof(Local), COMPILER_LOCALS_MAX)) {
        parser_out_of_memory(c);
        return NULL;
    }
    scope->locals = locals;
    Local *local = &scope->locals[scope->local_count++];
    *local = (Local){.name = name, .length = length, .depth = 0};
    return local;
}

static bool scope_name_function(Compiler *c, LoxFunction *function) {
    LoxString *name = string_intern(c->vm, c->previous.start, (size_t)c->previous.length);
    if (name == NULL) {
        return false;
    }
    GOO_GC_SET(c->vm->mutator, function, name, name);
    return true;
}

static void scope_free(Compiler *c) {
    FunctionScope *scope = c->scope;
    c->scope = scope->enclosing;
    memory_free(c->vm, scope->locals, scope->local_capacity * sizeof(Local));
    memory_free(c->vm, scope->upvalues, scope->upvalue_capacity * sizeof(UpvaluePlace));
    memory_free(c->vm, scope, sizeof *scope);
}

static bool scope_fill(Compiler *c, FunctionScope *scope) {
    scope->function = function_new(c->vm);
    if (scope->function == NULL ||
        (scope->kind != FUNCTION_SCRIPT && !scope_name_function(c, scope->function))) {
        parser_out_of_memory(c);
        return false;
    }
    scope->function->max_stack = 1;
    bool has_this = scope->kind != FUNCTION_PLAIN;
    return scope_push_local(c, has_this ? "this" : "", has_this ? 4 : 0) != NULL;
}

bool scope_begin_function(Compiler *c, FunctionKind kind) {
    FunctionScope *scope = memory_alloc(c->vm, sizeof *scope);
    if (scope == NULL) {
        parser_out_of_memory(c);
        return false;
    }
    *scope = (FunctionScope){.enclosing = c->scope, .kind = kind, .stack_height = 1};
    c->scope = scope;
    if (!scope_fill(c, scope)) {
        scope_free(c);
        return false;
    }
    return true;
}

void scope_free_all(Compiler *c) {
    while (c->scope != NULL) {
        scope_free(c);
    }
}

/* What the enclosing function needs to make a closure of this one. */
static void scope_emit_closure(Compiler *c, const FunctionScope *inner) {
    const LoxFunction *function = inner->function;
    uint8_t site = emit_make_constant(c, value_from_object(function));
    emit_operand(c, OP_CLOSURE, site);
    for (int i = 0; i < function->upvalue_count; i++) {
        emit_byte(c, inner->upvalues[i].is_local ? 1 : 0);
        emit_byte(c, inner->upvalues[i].index);
    }
}

static void scope_seal(Compiler *c) {
    LoxFunction *function = c->scope->function;
    function->call_arity =
        function->max_stack > VM_FRAME_SLOTS ? FUNCTION_CALL_SLOWLY : function->arity;
    if (c->is_out_of_memory || c->had_error) {
        return;
    }
    chunk_seal(function);
    fuse(function);
    if (c->vm->disassemble) {
        disassemble(function);
    }
}

/* The inner scope stays in the chain, and so its function a root, until the enclosing function
 * holds it as a constant. */
void scope_end_function(Compiler *c) {
    emit_return(c);
    scope_seal(c);
    FunctionScope *inner = c->scope;
    if (inner->enclosing != NULL) {
        goo_gc_push(c->vm->mutator, inner->function);
        c->scope = inner->enclosing;
        scope_emit_closure(c, inner);
        c->scope = inner;
        goo_gc_pop(c->vm->mutator, 1);
    }
    scope_free(c);
}

void scope_begin_block(Compiler *c) {
    c->scope->block_depth++;
}

void scope_end_block(Compiler *c) {
    FunctionScope *scope = c->scope;
    scope->block_depth--;
    while (scope->local_count > 0 &&
           scope->locals[scope->local_count - 1].depth > scope->block_depth) {
        emit(c, scope->locals[scope->local_count - 1].is_captured ? OP_CLOSE_UPVALUE : OP_POP);
        scope->local_count--;
    }
}

void scope_add_local(Compiler *c, const Token *name) {
    if (c->scope->local_count == COMPILER_LOCALS_MAX) {
        parser_error(c, "Too many local variables in function.");
        return;
    }
    Local *local = scope_push_local(c, name->start, name->length);
    if (local != NULL) {
        local->depth = COMPILER_NO_DEPTH;
    }
}

void scope_declare_variable(Compiler *c) {
    FunctionScope *scope = c->scope;
    if (scope->block_depth == 0) {
        return;
    }
    for (uint32_t i = scope->local_count; i-- > 0;) {
        const Local *local = &scope->locals[i];
        if (local->depth != COMPILER_NO_DEPTH && local->depth < scope->block_depth) {
            break;
        }
        if (scope_name_is(local, &c->previous)) {
            parser_error(c, "Already a variable with this name in this scope.");
        }
    }
    scope_add_local(c, &c->previous);
}

void scope_mark_initialized(Compiler *c) {
    FunctionScope *scope = c->scope;
    if (scope->block_depth > 0 && scope->local_count > 0) {
        scope->locals[scope->local_count - 1].depth = scope->block_depth;
    }
}

int scope_resolve_local(Compiler *c, FunctionScope *scope, const Token *name) {
    for (uint32_t i = scope->local_count; i-- > 0;) {
        if (scope_name_is(&scope->locals[i], name)) {
            if (scope->locals[i].depth == COMPILER_NO_DEPTH) {
                parser_error(c, "Can't read local variable in its own initializer.");
            }
            return (int)i;
        }
    }
    return COMPILER_NOT_FOUND;
}

static int scope_add_upvalue(Compiler *c, FunctionScope *scope, uint8_t index, bool is_local) {
    int count = scope->function->upvalue_count;
    for (int i = 0; i < count; i++) {
        if (scope->upvalues[i].index == index && scope->upvalues[i].is_local == is_local) {
            return i;
        }
    }
    if (count == COMPILER_UPVALUES_MAX) {
        parser_error(c, "Too many closure variables in function.");
        return 0;
    }
    void *upvalues = scope->upvalues;
    if (!memory_reserve(c->vm, &upvalues, &scope->upvalue_capacity, (size_t)count + 1,
                        sizeof(UpvaluePlace), COMPILER_UPVALUES_MAX)) {
        parser_out_of_memory(c);
        return 0;
    }
    scope->upvalues = upvalues;
    scope->upvalues[count] = (UpvaluePlace){.index = index, .is_local = is_local};
    return scope->function->upvalue_count++;
}

/* Outwards to the function that has it as a local, then back in, adding an upvalue at each step. */
int scope_resolve_upvalue(Compiler *c, FunctionScope *scope, const Token *name) {
    if (scope->enclosing == NULL) {
        return COMPILER_NOT_FOUND;
    }
    int local = scope_resolve_local(c, scope->enclosing, name);
    if (local != COMPILER_NOT_FOUND) {
        scope->enclosing->locals[local].is_captured = true;
        return scope_add_upvalue(c, scope, (uint8_t)local, true);
    }
    int upvalue = scope_resolve_upvalue(c, scope->enclosing, name);
    return upvalue == COMPILER_NOT_FOUND ? upvalue
                                         : scope_add_upvalue(c, scope, (uint8_t)upvalue, false);
}
