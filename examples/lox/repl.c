/* repl.c: the prompt.
 *
 * Each input is compiled and run as a script of its own; globals stay from one to the next, also
 * after an error. A line that leaves a brace or parenthesis open is continued on the next, until
 * it is closed or an empty line says that it won't be.
 */
#include "repl.h"

#include <stdio.h>

#include "limits.h"
#include "scanner.h"
#include "source.h"

/* Whether the text leaves a brace or parenthesis open. */
static bool repl_is_open(const char *text) {
    Scanner scanner;
    scanner_init(&scanner, text);
    int depth = 0;
    for (;;) {
        Token token = scanner_next(&scanner);
        if (token.kind == TOKEN_END) {
            return depth > 0;
        }
        bool opens = token.kind == TOKEN_LEFT_BRACE || token.kind == TOKEN_LEFT_PAREN;
        bool closes = token.kind == TOKEN_RIGHT_BRACE || token.kind == TOKEN_RIGHT_PAREN;
        depth += (int)opens - (int)closes;
    }
}

static SourceStatus repl_prompt(Vm *vm, const char *prompt, TextBuffer *text) {
    fputs(prompt, stdout);
    fflush(stdout);
    return source_read_line(vm, stdin, text);
}

static SourceStatus repl_read(Vm *vm, TextBuffer *text) {
    SourceStatus status = repl_prompt(vm, "> ", text);
    while (status == SOURCE_OK && repl_is_open(text->bytes)) {
        uint32_t before = text->length;
        status = repl_prompt(vm, ". ", text);
        bool is_empty_line = text->length <= before + 1;
        if (status == SOURCE_NOT_READ || is_empty_line) {
            return SOURCE_OK;
        }
    }
    return status;
}

void repl(Vm *vm) {
    TextBuffer text = {0};
    SourceStatus status = SOURCE_OK;
    vm->is_prompt = true;
    while (status != SOURCE_NOT_READ) {
        limits_for_compiling(vm);
        text.length = 0;
        status = repl_read(vm, &text);
        if (status == SOURCE_OK) {
            (void)vm_interpret(vm, text.bytes);
        } else if (status == SOURCE_NO_MEMORY) {
            fputs("Out of memory.\n", stderr);
        }
    }
    fputs("\n", stdout);
    text_free(vm, &text);
}
