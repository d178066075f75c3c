/* options.h: the command line. */
#ifndef LOX_OPTIONS_H
#define LOX_OPTIONS_H

#include <stdbool.h>

#include "goo/gc.h"

typedef enum OptionsAction {
    OPTIONS_RUN,
    OPTIONS_SHOW_HELP,
    OPTIONS_SHOW_VERSION,
    OPTIONS_BAD /* a message has been written to standard error */
} OptionsAction;

typedef struct Options {
    const char *path; /* NULL: the prompt */
    const char *snapshot, *why; /* a file; a global variable; NULL: not asked for */
    bool gc_stats, disassemble;
    GooGcOptions heap;
} Options;

OptionsAction options_parse(Options *options, int count, char **arguments);
extern const char options_help[];

#endif
