/* expressions.c: operator precedence parsing.
 *
 * Each kind of token has a row: what it does at the start of an expression, what it does between
 * two operands, and how tightly it binds there. A rule is called with its token as the previous
 * one.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler.h"

typedef enum Precedence {
    PRECEDENCE_NONE,
    PRECEDENCE_ASSIGNMENT,
    PRECEDENCE_OR,
    PRECEDENCE_AND,
    PRECEDENCE_EQUALITY,
    PRECEDENCE_COMPARISON,
    PRECEDENCE_TERM,
    PRECEDENCE_FACTOR,
    PRECEDENCE_UNARY,
    PRECEDENCE_CALL
} Precedence;

typedef void (*ExpressionRuleFn)(Compiler *c, bool can_assign);

typedef struct ExpressionRule {
    ExpressionRuleFn prefix, infix;
    Precedence precedence; /* of infix */
} ExpressionRule;

static const ExpressionRule expression_rules[TOKEN_END + 1];

static void expression_at(Compiler *c, Precedence precedence) {
    if (!parser_nest(c)) {
        return;
    }
    parser_advance(c);
    ExpressionRuleFn prefix = expression_rules[c->previous.kind].prefix;
    bool can_assign = precedence <= PRECEDENCE_ASSIGNMENT;
    if (prefix == NULL) {
        parser_error(c, "Expect expression.");
        parser_unnest(c);
        return;
    }
    prefix(c, can_assign);
    while (precedence <= expression_rules[c->current.kind].precedence) {
        parser_advance(c);
        expression_rules[c->previous.kind].infix(c, can_assign);
    }
    if (can_assign && parser_match(c, TOKEN_EQUAL)) {
        parser_error(c, "Invalid assignment target.");
    }
    parser_unnest(c);
}

void expression(Compiler *c) {
    expression_at(c, PRECEDENCE_ASSIGNMENT);
}

/* --- operands --- */

static void expression_literal(Compiler *c, bool can_assign) {
    (void)can_assign;
    switch (c->previous.kind) {
    case TOKEN_NIL:
        emit(c, OP_NIL);
        break;
    case TOKEN_TRUE:
        emit(c, OP_TRUE);
        break;
    default:
        emit(c, OP_FALSE);
        break;
    }
}

static void expression_number(Compiler *c, bool can_assign) {
    (void)can_assign;
    Value number = value_from_number(strtod(c->previous.start, NULL));
    emit_operand(c, OP_CONSTANT, emit_make_constant(c, number));
}

static void expression_string(Compiler *c, bool can_assign) {
    (void)can_assign;
    uint8_t site = emit_make_string(c, c->previous.start + 1, c->previous.length - 2);
    emit_operand(c, OP_CONSTANT, site);
}

static void expression_grouping(Compiler *c, bool can_assign) {
    (void)can_assign;
    expression(c);
    parser_consume(c, TOKEN_RIGHT_PAREN, "Expect ')' after expression.");
}

void expression_named_variable(Compiler *c, Token name, bool can_assign) {
    Opcode get = OP_GET_LOCAL, set = OP_SET_LOCAL;
    int place = scope_resolve_local(c, c->scope, &name);
    if (place == COMPILER_NOT_FOUND) {
        get = OP_GET_UPVALUE;
        set = OP_SET_UPVALUE;
        place = scope_resolve_upvalue(c, c->scope, &name);
    }
    if (place == COMPILER_NOT_FOUND) {
        get = OP_GET_GLOBAL;
        set = OP_SET_GLOBAL;
        place = emit_make_name(c, &name);
        emit_bind_global(c, (uint8_t)place);
    }
    if (can_assign && parser_match(c, TOKEN_EQUAL)) {
        expression(c);
        emit_operand(c, set, (uint8_t)place);
    } else {
        emit_operand(c, get, (uint8_t)place);
    }
}

static void expression_variable(Compiler *c, bool can_assign) {
    expression_named_variable(c, c->previous, can_assign);
}

Token expression_synthetic_token(const char *text) {
    return (Token){.kind = TOKEN_IDENTIFIER, .start = text, .length = (int)strlen(text)};
}

static void expression_this(Compiler *c, bool can_assign) {
    (void)can_assign;
    if (c->class_scope == NULL) {
        parser_error(c, "Can't use 'this' outside of a class.");
        return;
    }
    expression_variable(c, false);
}

/* --- operators --- */

static void expression_unary(Compiler *c, bool can_assign) {
    (void)can_assign;
    TokenKind kind = c->previous.kind;
    expression_at(c, PRECEDENCE_UNARY);
    emit(c, kind == TOKEN_BANG ? OP_NOT : OP_NEGATE);
}

static void expression_binary(Compiler *c, bool can_assign) {
    (void)can_assign;
    TokenKind kind = c->previous.kind;
    expression_at(c, (Precedence)(expression_rules[kind].precedence + 1));
    switch (kind) {
    case TOKEN_BANG_EQUAL:
        emit(c, OP_EQUAL);
        emit(c, OP_NOT);
        break;
    case TOKEN_EQUAL_EQUAL:
        emit(c, OP_EQUAL);
        break;
    case TOKEN_GREATER:
        emit(c, OP_GREATER);
        break;
    case TOKEN_GREATER_EQUAL:
        emit(c, OP_LESS);
        emit(c, OP_NOT);
        break;
    case TOKEN_LESS:
        emit(c, OP_LESS);
        break;
    case TOKEN_LESS_EQUAL:
        emit(c, OP_GREATER);
        emit(c, OP_NOT);
        break;
    case TOKEN_PLUS:
        emit(c, OP_ADD);
        break;
    case TOKEN_MINUS:
        emit(c, OP_SUBTRACT);
        break;
    case TOKEN_STAR:
        emit(c, OP_MULTIPLY);
        break;
    default:
        emit(c, OP_DIVIDE);
        break;
    }
}

static void expression_and(Compiler *c, bool can_assign) {
    (void)can_assign;
    Jump end = emit_jump(c, OP_JUMP_IF_FALSE);
    emit(c, OP_POP);
    expression_at(c, PRECEDENCE_AND);
    emit_land(c, end);
}

static void expression_or(Compiler *c, bool can_assign) {
    (void)can_assign;
    Jump otherwise = emit_jump(c, OP_JUMP_IF_FALSE);
    Jump end = emit_jump(c, OP_JUMP);
    emit_land(c, otherwise);
    emit(c, OP_POP);
    expression_at(c, PRECEDENCE_OR);
    emit_land(c, end);
}

/* --- calls and properties --- */

static int expression_arguments(Compiler *c) {
    int count = 0;
    if (!parser_check(c, TOKEN_RIGHT_PAREN)) {
        do {
            expression(c);
            if (count == COMPILER_ARGUMENTS_MAX) {
                parser_error(c, "Can't have more than 255 arguments.");
            }
            count++;
        } while (parser_match(c, TOKEN_COMMA));
    }
    parser_consume(c, TOKEN_RIGHT_PAREN, "Expect ')' after arguments.");
    return count;
}

static void expression_call(Compiler *c, bool can_assign) {
    (void)can_assign;
    emit_call(c, expression_arguments(c));
}

static void expression_dot(Compiler *c, bool can_assign) {
    parser_consume(c, TOKEN_IDENTIFIER, "Expect property name after '.'.");
    uint8_t name = emit_make_name(c, &c->previous);
    if (can_assign && parser_match(c, TOKEN_EQUAL)) {
        expression(c);
        emit_operand(c, OP_SET_PROPERTY, name);
    } else if (parser_match(c, TOKEN_LEFT_PAREN)) {
        emit_invoke(c, OP_INVOKE, name, expression_arguments(c));
    } else {
        emit_operand(c, OP_GET_PROPERTY, name);
    }
}

static void expression_super(Compiler *c, bool can_assign) {
    (void)can_assign;
    if (c->class_scope == NULL) {
        parser_error(c, "Can't use 'super' outside of a class.");
    } else if (!c->class_scope->has_superclass) {
        parser_error(c, "Can't use 'super' in a class with no superclass.");
    }
    parser_consume(c, TOKEN_DOT, "Expect '.' after 'super'.");
    parser_consume(c, TOKEN_IDENTIFIER, "Expect superclass method name.");
    uint8_t name = emit_make_name(c, &c->previous);
    expression_named_variable(c, expression_synthetic_token("this"), false);
    if (parser_match(c, TOKEN_LEFT_PAREN)) {
        int count = expression_arguments(c);
        expression_named_variable(c, expression_synthetic_token("super"), false);
        emit_invoke(c, OP_SUPER_INVOKE, name, count);
    } else {
        expression_named_variable(c, expression_synthetic_token("super"), false);
        emit_operand(c, OP_GET_SUPER, name);
    }
}

static const ExpressionRule expression_rules[TOKEN_END + 1] = {
    [TOKEN_LEFT_PAREN] = {expression_grouping, expression_call, PRECEDENCE_CALL},
    [TOKEN_DOT] = {NULL, expression_dot, PRECEDENCE_CALL},
    [TOKEN_MINUS] = {expression_unary, expression_binary, PRECEDENCE_TERM},
    [TOKEN_PLUS] = {NULL, expression_binary, PRECEDENCE_TERM},
    [TOKEN_SLASH] = {NULL, expression_binary, PRECEDENCE_FACTOR},
    [TOKEN_STAR] = {NULL, expression_binary, PRECEDENCE_FACTOR},
    [TOKEN_BANG] = {expression_unary, NULL, PRECEDENCE_NONE},
    [TOKEN_BANG_EQUAL] = {NULL, expression_binary, PRECEDENCE_EQUALITY},
    [TOKEN_EQUAL_EQUAL] = {NULL, expression_binary, PRECEDENCE_EQUALITY},
    [TOKEN_GREATER] = {NULL, expression_binary, PRECEDENCE_COMPARISON},
    [TOKEN_GREATER_EQUAL] = {NULL, expression_binary, PRECEDENCE_COMPARISON},
    [TOKEN_LESS] = {NULL, expression_binary, PRECEDENCE_COMPARISON},
    [TOKEN_LESS_EQUAL] = {NULL, expression_binary, PRECEDENCE_COMPARISON},
    [TOKEN_IDENTIFIER] = {expression_variable, NULL, PRECEDENCE_NONE},
    [TOKEN_STRING] = {expression_string, NULL, PRECEDENCE_NONE},
    [TOKEN_NUMBER] = {expression_number, NULL, PRECEDENCE_NONE},
    [TOKEN_AND] = {NULL, expression_and, PRECEDENCE_AND},
    [TOKEN_OR] = {NULL, expression_or, PRECEDENCE_OR},
    [TOKEN_FALSE] = {expression_literal, NULL, PRECEDENCE_NONE},
    [TOKEN_NIL] = {expression_literal, NULL, PRECEDENCE_NONE},
    [TOKEN_TRUE] = {expression_literal, NULL, PRECEDENCE_NONE},
    [TOKEN_SUPER] = {expression_super, NULL, PRECEDENCE_NONE},
    [TOKEN_THIS] = {expression_this, NULL, PRECEDENCE_NONE},
    [TOKEN_END] = {NULL, NULL, PRECEDENCE_NONE},
};
