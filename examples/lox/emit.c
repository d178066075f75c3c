/* emit.c: writing code into the function being compiled.
 *
 * Every instruction says how many values it leaves on the stack, and each jump carries the height
 * to where it lands; so the greatest height of a frame is known when a function is complete, and
 * calls can promise that no push will overrun the stack (LOX-10).
 */
#include "compiler.h"

void emit_adjust_height(Compiler *c, int effect) {
    FunctionScope *scope = c->scope;
    scope->stack_height += effect;
    if (scope->stack_height > (int)scope->function->max_stack) {
        scope->function->max_stack = (uint32_t)scope->stack_height;
    }
}

void emit_byte(Compiler *c, uint8_t byte) {
    if (!chunk_write(c->scope->function, byte, c->previous.line)) {
        parser_out_of_memory(c);
    }
}

void emit(Compiler *c, Opcode opcode) {
    emit_byte(c, (uint8_t)opcode);
    emit_adjust_height(c, opcode_info[opcode].effect);
}

void emit_operand(Compiler *c, Opcode opcode, uint8_t operand) {
    emit(c, opcode);
    emit_byte(c, operand);
}

void emit_call(Compiler *c, int argument_count) {
    emit_operand(c, OP_CALL, (uint8_t)argument_count);
    emit_adjust_height(c, -argument_count);
}

void emit_invoke(Compiler *c, Opcode opcode, uint8_t name, int argument_count) {
    emit_operand(c, opcode, name);
    emit_byte(c, (uint8_t)argument_count);
    emit_adjust_height(c, -argument_count);
}

void emit_return(Compiler *c) {
    if (c->scope->kind == FUNCTION_INITIALIZER) {
        emit_operand(c, OP_GET_LOCAL, 0);
    } else {
        emit(c, OP_NIL);
    }
    emit(c, OP_RETURN);
}

static bool emit_reserve_constant(Compiler *c) {
    if (c->scope->function->site_count == CHUNK_SITES_MAX) {
        parser_error(c, "Too many constants in one chunk.");
        return false;
    }
    if (!chunk_reserve_site(c->scope->function)) {
        parser_out_of_memory(c);
        return false;
    }
    return true;
}

uint8_t emit_make_constant(Compiler *c, Value value) {
    return emit_reserve_constant(c) ? chunk_add_site(c->scope->function, value) : 0;
}

uint8_t emit_make_string(Compiler *c, const char *bytes, int length) {
    if (!emit_reserve_constant(c)) {
        return 0;
    }
    LoxString *string = string_intern(c->vm, bytes, (size_t)length);
    if (string == NULL) {
        parser_out_of_memory(c);
        return 0;
    }
    return chunk_add_site(c->scope->function, value_from_object(string));
}

uint8_t emit_make_name(Compiler *c, const Token *name) {
    return emit_make_string(c, name->start, name->length);
}

void emit_bind_global(Compiler *c, uint8_t site) {
    LoxFunction *function = c->scope->function;
    if (c->had_error || c->is_out_of_memory) {
        return;
    }
    Global *global = vm_global(c->vm, value_as_string(function->sites[site].constant));
    if (global == NULL) {
        parser_out_of_memory(c);
        return;
    }
    function->sites[site].word0 = (uintptr_t)global;
}

Jump emit_jump(Compiler *c, Opcode opcode) {
    emit(c, opcode);
    Jump jump = {.operand = emit_here(c), .stack_height = c->scope->stack_height};
    emit_byte(c, 0xff);
    emit_byte(c, 0xff);
    return jump;
}

void emit_land(Compiler *c, Jump jump) {
    LoxFunction *function = c->scope->function;
    c->scope->stack_height = jump.stack_height;
    uint32_t distance = emit_here(c) - jump.operand - 2;
    if (c->is_out_of_memory) {
        return;
    }
    if (distance > UINT16_MAX) {
        parser_error(c, "Too much code to jump over.");
    }
    function->code[jump.operand] = (uint8_t)(distance >> 8);
    function->code[jump.operand + 1] = (uint8_t)distance;
}

uint32_t emit_here(const Compiler *c) {
    return c->scope->function->code_count;
}

void emit_loop(Compiler *c, uint32_t start) {
    emit(c, OP_LOOP);
    uint32_t distance = emit_here(c) - start + 2;
    if (distance > UINT16_MAX) {
        parser_error(c, "Loop body too large.");
    }
    emit_byte(c, (uint8_t)(distance >> 8));
    emit_byte(c, (uint8_t)distance);
}
