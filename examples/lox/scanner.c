/* scanner.c: source text to tokens.
 *
 * The source ends at its first NUL. Letters are ASCII; any other byte outside a string or a comment
 * is an error of its own. A string's line is the one that it ends on.
 */
#include "scanner.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct ScannerKeyword {
    const char *text;
    TokenKind kind;
} ScannerKeyword;

static const ScannerKeyword scanner_keywords[] = {
    {"and", TOKEN_AND},   {"class", TOKEN_CLASS}, {"else", TOKEN_ELSE},     {"false", TOKEN_FALSE},
    {"for", TOKEN_FOR},   {"fun", TOKEN_FUN},     {"if", TOKEN_IF},         {"nil", TOKEN_NIL},
    {"or", TOKEN_OR},     {"print", TOKEN_PRINT}, {"return", TOKEN_RETURN}, {"super", TOKEN_SUPER},
    {"this", TOKEN_THIS}, {"true", TOKEN_TRUE},   {"var", TOKEN_VAR},       {"while", TOKEN_WHILE}};

void scanner_init(Scanner *scanner, const char *source) {
    *scanner = (Scanner){.start = source, .current = source, .line = 1};
}

static bool scanner_is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool scanner_is_digit(char c) {
    return c >= '0' && c <= '9';
}

static Token scanner_token(const Scanner *scanner, TokenKind kind) {
    return (Token){.kind = kind,
                   .length = (int)(scanner->current - scanner->start),
                   .start = scanner->start,
                   .line = scanner->line};
}

static Token scanner_error(const Scanner *scanner, const char *message) {
    return (Token){.kind = TOKEN_ERROR,
                   .length = (int)strlen(message),
                   .start = message,
                   .line = scanner->line};
}

static void scanner_skip_comment(Scanner *scanner) {
    while (*scanner->current != '\n' && *scanner->current != '\0') {
        scanner->current++;
    }
}

static void scanner_skip_space(Scanner *scanner) {
    for (;;) {
        switch (*scanner->current) {
        case '\n':
            scanner->line++;
            scanner->current++;
            break;
        case ' ':
        case '\r':
        case '\t':
            scanner->current++;
            break;
        case '/':
            if (scanner->current[1] != '/') {
                return;
            }
            scanner_skip_comment(scanner);
            break;
        default:
            return;
        }
    }
}

static Token scanner_identifier(Scanner *scanner) {
    while (scanner_is_letter(*scanner->current) || scanner_is_digit(*scanner->current)) {
        scanner->current++;
    }
    size_t length = (size_t)(scanner->current - scanner->start);
    for (size_t i = 0; i < sizeof scanner_keywords / sizeof *scanner_keywords; i++) {
        const char *text = scanner_keywords[i].text;
        if (strncmp(scanner->start, text, length) == 0 && text[length] == '\0') {
            return scanner_token(scanner, scanner_keywords[i].kind);
        }
    }
    return scanner_token(scanner, TOKEN_IDENTIFIER);
}

static Token scanner_number(Scanner *scanner) {
    while (scanner_is_digit(*scanner->current)) {
        scanner->current++;
    }
    if (scanner->current[0] == '.' && scanner_is_digit(scanner->current[1])) {
        scanner->current++;
        while (scanner_is_digit(*scanner->current)) {
            scanner->current++;
        }
    }
    return scanner_token(scanner, TOKEN_NUMBER);
}

static Token scanner_string(Scanner *scanner) {
    while (*scanner->current != '"') {
        if (*scanner->current == '\0') {
            return scanner_error(scanner, "Unterminated string.");
        }
        scanner->line += *scanner->current == '\n';
        scanner->current++;
    }
    scanner->current++;
    return scanner_token(scanner, TOKEN_STRING);
}

/* `with` if the next character is '=', which it takes, else `without`. */
static Token scanner_maybe_equal(Scanner *scanner, TokenKind with, TokenKind without) {
    if (*scanner->current != '=') {
        return scanner_token(scanner, without);
    }
    scanner->current++;
    return scanner_token(scanner, with);
}

static Token scanner_punctuation(Scanner *scanner, char c) {
    switch (c) {
    case '(':
        return scanner_token(scanner, TOKEN_LEFT_PAREN);
    case ')':
        return scanner_token(scanner, TOKEN_RIGHT_PAREN);
    case '{':
        return scanner_token(scanner, TOKEN_LEFT_BRACE);
    case '}':
        return scanner_token(scanner, TOKEN_RIGHT_BRACE);
    case ';':
        return scanner_token(scanner, TOKEN_SEMICOLON);
    case ',':
        return scanner_token(scanner, TOKEN_COMMA);
    case '.':
        return scanner_token(scanner, TOKEN_DOT);
    case '-':
        return scanner_token(scanner, TOKEN_MINUS);
    case '+':
        return scanner_token(scanner, TOKEN_PLUS);
    case '/':
        return scanner_token(scanner, TOKEN_SLASH);
    case '*':
        return scanner_token(scanner, TOKEN_STAR);
    case '!':
        return scanner_maybe_equal(scanner, TOKEN_BANG_EQUAL, TOKEN_BANG);
    case '=':
        return scanner_maybe_equal(scanner, TOKEN_EQUAL_EQUAL, TOKEN_EQUAL);
    case '<':
        return scanner_maybe_equal(scanner, TOKEN_LESS_EQUAL, TOKEN_LESS);
    case '>':
        return scanner_maybe_equal(scanner, TOKEN_GREATER_EQUAL, TOKEN_GREATER);
    case '"':
        return scanner_string(scanner);
    default:
        return scanner_error(scanner, "Unexpected character.");
    }
}

Token scanner_next(Scanner *scanner) {
    scanner_skip_space(scanner);
    scanner->start = scanner->current;
    char c = *scanner->current;
    if (c == '\0') {
        return scanner_token(scanner, TOKEN_END);
    }
    scanner->current++;
    if (scanner_is_letter(c)) {
        return scanner_identifier(scanner);
    }
    return scanner_is_digit(c) ? scanner_number(scanner) : scanner_punctuation(scanner, c);
}
