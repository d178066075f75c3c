/* main.c: the program `lox`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "goo/runtime/features.h"
#include "inspect.h"
#include "options.h"
#include "repl.h"
#include "source.h"
#include "stats_table.h"
#include "vm.h"

enum { EXIT_OK = 0, EXIT_USAGE = 64, EXIT_COMPILE = 65, EXIT_RUNTIME = 70, EXIT_FILE = 74 };

static int main_run_file(Vm *vm, const char *path) {
    TextBuffer text = {0};
    switch (source_read_file(vm, path, &text)) {
    case SOURCE_NOT_OPENED:
        fprintf(stderr, "Could not open file \"%s\".\n", path);
        return EXIT_FILE;
    case SOURCE_NOT_READ:
        fprintf(stderr, "Could not read file \"%s\".\n", path);
        return EXIT_FILE;
    case SOURCE_NO_MEMORY:
        fprintf(stderr, "Not enough memory to read \"%s\".\n", path);
        return EXIT_FILE;
    case SOURCE_OK:
        break;
    }
    InterpretResult result = vm_interpret(vm, text.bytes);
    text_free(vm, &text);
    switch (result) {
    case INTERPRET_COMPILE_ERROR:
        return EXIT_COMPILE;
    case INTERPRET_RUNTIME_ERROR:
        return EXIT_RUNTIME;
    default:
        return EXIT_OK;
    }
}

/* What the user asked to be told at the end. The first thing that went wrong is the exit status. */
static int main_report(Vm *vm, const Options *options, int status) {
    if (options->gc_stats) {
        stats_table_print(vm->heap, stderr);
    }
    if (options->why != NULL && !inspect_why_alive(vm, options->why, stderr)) {
        status = status == EXIT_OK ? EXIT_USAGE : status;
    }
    if (options->snapshot != NULL && !inspect_write_snapshot(vm, options->snapshot)) {
        status = status == EXIT_OK ? EXIT_FILE : status;
    }
    return status;
}

static int main_run(const Options *options) {
    Vm *vm = vm_create(&options->heap);
    if (vm == NULL) {
        int reason = errno;
        if (reason == ENOMEM) {
            fprintf(stderr, "Out of memory.\nlox: no room for the heap and the stack\n");
            return EXIT_RUNTIME;
        }
        fprintf(stderr, "lox: could not create the heap: %s\n", strerror(reason));
        return reason == ENOTSUP || reason == EINVAL ? EXIT_USAGE : EXIT_RUNTIME;
    }
    vm->disassemble = options->disassemble;
    int status = EXIT_OK;
    if (options->path != NULL) {
        status = main_run_file(vm, options->path);
    } else {
        repl(vm);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "lox: could not write the output: %s\n", strerror(errno));
        status = EXIT_FILE;
    }
    status = main_report(vm, options, status);
    vm_destroy(vm);
    return status;
}

int main(int count, char **arguments) {
    Options options;
    switch (options_parse(&options, count, arguments)) {
    case OPTIONS_SHOW_HELP:
        fputs(options_help, stdout);
        return EXIT_OK;
    case OPTIONS_SHOW_VERSION:
        printf("lox on Goo %s\n", goo_version());
        return EXIT_OK;
    case OPTIONS_BAD:
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }
    return main_run(&options);
}
