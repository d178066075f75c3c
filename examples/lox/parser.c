/* parser.c: the token stream, errors and recovery, and the whole compilation. */
#include <stdio.h>

#include "compiler.h"
#include "error.h"

void parser_error_at(Compiler *c, const Token *token, const char *message) {
    if (c->is_panicking || c->is_abandoned) {
        return;
    }
    c->is_panicking = true;
    c->had_error = true;
    fprintf(stderr, "[line %d] Error", token->line);
    if (token->kind == TOKEN_END) {
        fputs(" at end", stderr);
    } else if (token->kind != TOKEN_ERROR) {
        fprintf(stderr, " at '%.*s'", token->length, token->start);
    }
    fprintf(stderr, ": %s\n", message);
}

void parser_error(Compiler *c, const char *message) {
    parser_error_at(c, &c->previous, message);
}

void parser_error_at_current(Compiler *c, const char *message) {
    parser_error_at(c, &c->current, message);
}

static void parser_abandon(Compiler *c) {
    c->is_abandoned = true;
    c->current.kind = TOKEN_END;
}

void parser_out_of_memory(Compiler *c) {
    c->is_out_of_memory = true;
    parser_abandon(c);
}

void parser_advance(Compiler *c) {
    c->previous = c->current;
    if (c->is_abandoned) {
        return;
    }
    for (;;) {
        c->current = scanner_next(&c->scanner);
        if (c->current.kind != TOKEN_ERROR) {
            return;
        }
        parser_error_at_current(c, c->current.start);
    }
}

bool parser_check(const Compiler *c, TokenKind kind) {
    return c->current.kind == kind;
}

bool parser_match(Compiler *c, TokenKind kind) {
    if (!parser_check(c, kind)) {
        return false;
    }
    parser_advance(c);
    return true;
}

void parser_consume(Compiler *c, TokenKind kind, const char *message) {
    if (!parser_match(c, kind)) {
        parser_error_at_current(c, message);
    }
}

static bool parser_starts_statement(TokenKind kind) {
    switch (kind) {
    case TOKEN_CLASS:
    case TOKEN_FUN:
    case TOKEN_VAR:
    case TOKEN_FOR:
    case TOKEN_IF:
    case TOKEN_WHILE:
    case TOKEN_PRINT:
    case TOKEN_RETURN:
        return true;
    default:
        return false;
    }
}

/* Skips to where a statement seems to begin, so that one mistake is one message. */
void parser_synchronize(Compiler *c) {
    c->is_panicking = false;
    while (c->current.kind != TOKEN_END && c->previous.kind != TOKEN_SEMICOLON &&
           !parser_starts_statement(c->current.kind)) {
        parser_advance(c);
    }
}

/* Where nesting goes too deep, nothing after it means what it seems to. */
bool parser_nest(Compiler *c) {
    if (c->nesting == COMPILER_NESTING_MAX) {
        parser_error_at_current(c, "Too much nesting.");
        c->had_error = true;
        parser_abandon(c);
        return false;
    }
    c->nesting++;
    return true;
}

void parser_unnest(Compiler *c) {
    c->nesting--;
}

static void parser_script(Compiler *c) {
    parser_advance(c);
    while (!parser_match(c, TOKEN_END)) {
        statement_declaration(c);
    }
}

static InterpretResult parser_tell_out_of_memory(const Compiler *c) {
    fprintf(stderr, "Out of memory.\n[line %d] in script\n", c->scanner.line);
    return INTERPRET_RUNTIME_ERROR;
}

InterpretResult compile(Vm *vm, const char *source, LoxFunction **out_function) {
    Compiler c = {.vm = vm};
    scanner_init(&c.scanner, source);
    vm->compiler = &c;
    if (scope_begin_function(&c, FUNCTION_SCRIPT)) {
        parser_script(&c);
        *out_function = c.scope->function;
        scope_end_function(&c);
    }
    scope_free_all(&c);
    vm->compiler = NULL;
    if (c.is_out_of_memory) {
        return parser_tell_out_of_memory(&c);
    }
    return c.had_error ? INTERPRET_COMPILE_ERROR : INTERPRET_OK;
}
