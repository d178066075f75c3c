/* statements.c: statements and declarations.
 *
 * What a statement leaves on the stack is what it declares as locals, and nothing else.
 */
#include <string.h>

#include "compiler.h"

static void statement(Compiler *c);

/* A variable's name, declared where it is a local. The site of its name where it is a global, which
 * variable_define needs. */
static uint8_t variable_parse(Compiler *c, const char *message) {
    parser_consume(c, TOKEN_IDENTIFIER, message);
    scope_declare_variable(c);
    return c->scope->block_depth > 0 ? 0 : emit_make_name(c, &c->previous);
}

static void variable_define(Compiler *c, uint8_t site) {
    if (c->scope->block_depth > 0) {
        scope_mark_initialized(c);
        return;
    }
    emit_bind_global(c, site);
    emit_operand(c, OP_DEFINE_GLOBAL, site);
}

static void statement_block(Compiler *c) {
    while (!parser_check(c, TOKEN_RIGHT_BRACE) && !parser_check(c, TOKEN_END)) {
        statement_declaration(c);
    }
    parser_consume(c, TOKEN_RIGHT_BRACE, "Expect '}' after block.");
}

/* --- declarations --- */

static void declaration_parameters(Compiler *c) {
    LoxFunction *function = c->scope->function;
    do {
        if (++function->arity > COMPILER_ARGUMENTS_MAX) {
            parser_error_at_current(c, "Can't have more than 255 parameters.");
        }
        emit_adjust_height(c, 1);
        variable_define(c, variable_parse(c, "Expect parameter name."));
    } while (parser_match(c, TOKEN_COMMA));
}

static void declaration_function_body(Compiler *c, FunctionKind kind) {
    if (!scope_begin_function(c, kind)) {
        return;
    }
    scope_begin_block(c);
    parser_consume(c, TOKEN_LEFT_PAREN, "Expect '(' after function name.");
    if (!parser_check(c, TOKEN_RIGHT_PAREN)) {
        declaration_parameters(c);
    }
    parser_consume(c, TOKEN_RIGHT_PAREN, "Expect ')' after parameters.");
    parser_consume(c, TOKEN_LEFT_BRACE, "Expect '{' before function body.");
    statement_block(c);
    scope_end_function(c);
}

static void declaration_function(Compiler *c) {
    uint8_t global = variable_parse(c, "Expect function name.");
    scope_mark_initialized(c);
    declaration_function_body(c, FUNCTION_PLAIN);
    variable_define(c, global);
}

static void declaration_variable(Compiler *c) {
    uint8_t global = variable_parse(c, "Expect variable name.");
    if (parser_match(c, TOKEN_EQUAL)) {
        expression(c);
    } else {
        emit(c, OP_NIL);
    }
    parser_consume(c, TOKEN_SEMICOLON, "Expect ';' after variable declaration.");
    variable_define(c, global);
}

static void declaration_method(Compiler *c) {
    parser_consume(c, TOKEN_IDENTIFIER, "Expect method name.");
    uint8_t name = emit_make_name(c, &c->previous);
    bool is_initializer = c->previous.length == 4 && memcmp(c->previous.start, "init", 4) == 0;
    declaration_function_body(c, is_initializer ? FUNCTION_INITIALIZER : FUNCTION_METHOD);
    emit_operand(c, OP_METHOD, name);
}

static void declaration_superclass(Compiler *c, const Token *class_name) {
    parser_consume(c, TOKEN_IDENTIFIER, "Expect superclass name.");
    expression_named_variable(c, c->previous, false);
    if (scope_same_name(class_name, &c->previous)) {
        parser_error(c, "A class can't inherit from itself.");
    }
    scope_begin_block(c);
    Token super = expression_synthetic_token("super");
    scope_add_local(c, &super);
    variable_define(c, 0);
    expression_named_variable(c, *class_name, false);
    emit(c, OP_INHERIT);
    c->class_scope->has_superclass = true;
}

static void declaration_class(Compiler *c) {
    parser_consume(c, TOKEN_IDENTIFIER, "Expect class name.");
    Token class_name = c->previous;
    uint8_t name = emit_make_name(c, &c->previous);
    scope_declare_variable(c);
    emit_operand(c, OP_CLASS, name);
    variable_define(c, name);

    ClassScope class_scope = {.enclosing = c->class_scope};
    c->class_scope = &class_scope;
    if (parser_match(c, TOKEN_LESS)) {
        declaration_superclass(c, &class_name);
    }
    expression_named_variable(c, class_name, false);
    parser_consume(c, TOKEN_LEFT_BRACE, "Expect '{' before class body.");
    while (!parser_check(c, TOKEN_RIGHT_BRACE) && !parser_check(c, TOKEN_END)) {
        declaration_method(c);
    }
    parser_consume(c, TOKEN_RIGHT_BRACE, "Expect '}' after class body.");
    emit(c, OP_POP);
    if (class_scope.has_superclass) {
        scope_end_block(c);
    }
    c->class_scope = class_scope.enclosing;
}

/* --- statements --- */

static void statement_expression(Compiler *c) {
    expression(c);
    parser_consume(c, TOKEN_SEMICOLON, "Expect ';' after expression.");
    emit(c, OP_POP);
}

static void statement_print(Compiler *c) {
    expression(c);
    parser_consume(c, TOKEN_SEMICOLON, "Expect ';' after value.");
    emit(c, OP_PRINT);
}

static void statement_return(Compiler *c) {
    if (c->scope->kind == FUNCTION_SCRIPT) {
        parser_error(c, "Can't return from top-level code.");
    }
    if (parser_match(c, TOKEN_SEMICOLON)) {
        emit_return(c);
        return;
    }
    if (c->scope->kind == FUNCTION_INITIALIZER) {
        parser_error(c, "Can't return a value from an initializer.");
    }
    expression(c);
    parser_consume(c, TOKEN_SEMICOLON, "Expect ';' after return value.");
    emit(c, OP_RETURN);
}

static void statement_if(Compiler *c) {
    parser_consume(c, TOKEN_LEFT_PAREN, "Expect '(' after 'if'.");
    expression(c);
    parser_consume(c, TOKEN_RIGHT_PAREN, "Expect ')' after condition.");
    Jump otherwise = emit_jump(c, OP_JUMP_IF_FALSE);
    emit(c, OP_POP);
    statement(c);
    Jump end = emit_jump(c, OP_JUMP);
    emit_land(c, otherwise);
    emit(c, OP_POP);
    if (parser_match(c, TOKEN_ELSE)) {
        statement(c);
    }
    emit_land(c, end);
}

static void statement_while(Compiler *c) {
    uint32_t start = emit_here(c);
    parser_consume(c, TOKEN_LEFT_PAREN, "Expect '(' after 'while'.");
    expression(c);
    parser_consume(c, TOKEN_RIGHT_PAREN, "Expect ')' after condition.");
    Jump exit = emit_jump(c, OP_JUMP_IF_FALSE);
    emit(c, OP_POP);
    statement(c);
    emit_loop(c, start);
    emit_land(c, exit);
    emit(c, OP_POP);
}

static void statement_for_initializer(Compiler *c) {
    if (parser_match(c, TOKEN_SEMICOLON)) {
        return;
    }
    if (parser_match(c, TOKEN_VAR)) {
        declaration_variable(c);
    } else {
        statement_expression(c);
    }
}

/* Code comes in source order: the increment stands before the body, which is jumped to over it.
 * Where the loop begins again: at the increment, if there is one. */
static uint32_t statement_for_increment(Compiler *c, uint32_t start) {
    if (parser_match(c, TOKEN_RIGHT_PAREN)) {
        return start;
    }
    Jump body = emit_jump(c, OP_JUMP);
    uint32_t increment = emit_here(c);
    expression(c);
    emit(c, OP_POP);
    parser_consume(c, TOKEN_RIGHT_PAREN, "Expect ')' after for clauses.");
    emit_loop(c, start);
    emit_land(c, body);
    return increment;
}

static void statement_for(Compiler *c) {
    scope_begin_block(c);
    parser_consume(c, TOKEN_LEFT_PAREN, "Expect '(' after 'for'.");
    statement_for_initializer(c);
    uint32_t start = emit_here(c);
    bool has_condition = !parser_match(c, TOKEN_SEMICOLON);
    Jump exit = {0};
    if (has_condition) {
        expression(c);
        parser_consume(c, TOKEN_SEMICOLON, "Expect ';' after loop condition.");
        exit = emit_jump(c, OP_JUMP_IF_FALSE);
        emit(c, OP_POP);
    }
    start = statement_for_increment(c, start);
    statement(c);
    emit_loop(c, start);
    if (has_condition) {
        emit_land(c, exit);
        emit(c, OP_POP);
    }
    scope_end_block(c);
}

static void statement_scoped_block(Compiler *c) {
    scope_begin_block(c);
    statement_block(c);
    scope_end_block(c);
}

static void statement(Compiler *c) {
    if (!parser_nest(c)) {
        return;
    }
    if (parser_match(c, TOKEN_PRINT)) {
        statement_print(c);
    } else if (parser_match(c, TOKEN_FOR)) {
        statement_for(c);
    } else if (parser_match(c, TOKEN_IF)) {
        statement_if(c);
    } else if (parser_match(c, TOKEN_RETURN)) {
        statement_return(c);
    } else if (parser_match(c, TOKEN_WHILE)) {
        statement_while(c);
    } else if (parser_match(c, TOKEN_LEFT_BRACE)) {
        statement_scoped_block(c);
    } else {
        statement_expression(c);
    }
    parser_unnest(c);
}

void statement_declaration(Compiler *c) {
    if (parser_nest(c)) {
        if (parser_match(c, TOKEN_CLASS)) {
            declaration_class(c);
        } else if (parser_match(c, TOKEN_FUN)) {
            declaration_function(c);
        } else if (parser_match(c, TOKEN_VAR)) {
            declaration_variable(c);
        } else {
            statement(c);
        }
        parser_unnest(c);
    }
    if (c->is_panicking) {
        parser_synchronize(c);
    }
}
