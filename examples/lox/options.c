/* options.c: the command line, and the environment variable GOO_GC.
 *
 * Heap settings come from three places, later ones winning: what suits a script runtime, GOO_GC,
 * the command line. The first collection comes at 1 MiB, so that a small script stays small.
 */
#include "options.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_INITIAL_BYTES = 1024 * 1024, OPTIONS_MARKERS_MAX = 8 };

const char options_help[] =
    "Usage: lox [options] [FILE]\n"
    "Runs a Lox script, or reads statements from a prompt when no FILE is given.\n"
    "\n"
    "  --gc-stats         at the end, tables of what the collector did and of its pauses, on\n"
    "                     standard error\n"
    "  --snapshot FILE    at the end, the heap as a .heapsnapshot for Chrome DevTools\n"
    "  --why NAME         at the end, why the value of the global variable NAME is alive: the\n"
    "                     shortest path to it, on standard error\n"
    "  --markers N        how many threads mark, 1 to 8; without it one for each core\n"
    "  --gc SETTINGS      heap settings, as in the environment variable GOO_GC, such as\n"
    "                     stress=1,verify,poison or initial=4M,growth=1.5\n"
    "  --heap-limit SIZE  the most memory that a script may use: bytes, or with K, M or G\n"
    "  --disassemble      the code of each function as it is compiled, on standard error\n"
    "  --version          the version\n"
    "  --help             this text\n"
    "  --                 what follows is no option\n"
    "\n"
    "Exit status: 0, 64 bad usage, 65 error in the script's text, 70 runtime error, 74 file "
    "error.\n";

static OptionsAction options_bad(const char *problem, const char *what) {
    fprintf(stderr, "lox: %s: %s\nTry 'lox --help'.\n", problem, what);
    return OPTIONS_BAD;
}

static bool options_size(const char *text, size_t *size) {
    static const char units[] = "KMG";
    char *end = NULL;
    if (*text < '0' || *text > '9') {
        return false;
    }
    unsigned long long number = strtoull(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end) : NULL;
    if (*end != '\0' && (unit == NULL || end[1] != '\0')) {
        return false;
    }
    unsigned shift = unit != NULL ? 10 * (unsigned)(unit - units + 1) : 0;
    if (number == 0 || number > (SIZE_MAX >> shift)) {
        return false;
    }
    *size = (size_t)number << shift;
    return true;
}

/* The value of an option that needs one: behind '=' or the next argument. NULL if `argument` is
 * another option; *index moves on where the next argument was taken. */
static const char *options_value(const char *name, int count, char **arguments, int *index) {
    const char *argument = arguments[*index];
    size_t length = strlen(name);
    if (strncmp(argument, name, length) != 0) {
        return NULL;
    }
    if (argument[length] == '=') {
        return argument + length + 1;
    }
    if (argument[length] != '\0') {
        return NULL;
    }
    return *index + 1 < count ? arguments[++*index] : "";
}

static bool options_markers(const char *text, uint32_t *markers) {
    bool known = text[0] >= '1' && text[0] <= '0' + OPTIONS_MARKERS_MAX && text[1] == '\0';
    *markers = known ? (uint32_t)(text[0] - '0') : *markers;
    return known;
}

/* An option that takes any text. False: it is none of these. */
static bool options_parse_text(Options *options, const char **value, int count, char **arguments,
                               int *index) {
    if ((*value = options_value("--snapshot", count, arguments, index)) != NULL) {
        options->snapshot = *value;
    } else if ((*value = options_value("--why", count, arguments, index)) != NULL) {
        options->why = *value;
    }
    return *value != NULL;
}

static OptionsAction options_parse_one(Options *options, int count, char **arguments, int *index) {
    const char *argument = arguments[*index];
    const char *value = NULL;
    if (strcmp(argument, "--help") == 0) {
        return OPTIONS_SHOW_HELP;
    }
    if (strcmp(argument, "--version") == 0) {
        return OPTIONS_SHOW_VERSION;
    }
    if (strcmp(argument, "--gc-stats") == 0) {
        options->gc_stats = true;
    } else if (strcmp(argument, "--disassemble") == 0) {
        options->disassemble = true;
    } else if ((value = options_value("--gc", count, arguments, index)) != NULL) {
        if (*value == '\0' || goo_gc_options_parse(&options->heap, value) != GOO_OK) {
            return options_bad("not heap settings", *value == '\0' ? argument : value);
        }
    } else if ((value = options_value("--heap-limit", count, arguments, index)) != NULL) {
        if (!options_size(value, &options->heap.hard_limit_bytes)) {
            return options_bad("not a size", *value == '\0' ? argument : value);
        }
    } else if ((value = options_value("--markers", count, arguments, index)) != NULL) {
        if (!options_markers(value, &options->heap.marker_threads)) {
            return options_bad("not a number of markers", *value == '\0' ? argument : value);
        }
    } else if (options_parse_text(options, &value, count, arguments, index)) {
        if (*value == '\0') {
            return options_bad("an option without its value", argument);
        }
    } else {
        return options_bad("unknown option", argument);
    }
    return OPTIONS_RUN;
}

OptionsAction options_parse(Options *options, int count, char **arguments) {
    *options = (Options){.heap = goo_gc_default_options()};
    options->heap.initial_bytes = OPTIONS_INITIAL_BYTES;
    const char *environment = getenv("GOO_GC");
    if (goo_gc_options_parse(&options->heap, environment) != GOO_OK) {
        return options_bad("not heap settings in GOO_GC", environment);
    }
    bool only_files = false;
    for (int i = 1; i < count; i++) {
        if (!only_files && strcmp(arguments[i], "--") == 0) {
            only_files = true;
        } else if (!only_files && arguments[i][0] == '-' && arguments[i][1] != '\0') {
            OptionsAction action = options_parse_one(options, count, arguments, &i);
            if (action != OPTIONS_RUN) {
                return action;
            }
        } else if (options->path != NULL) {
            return options_bad("more than one file", arguments[i]);
        } else {
            options->path = arguments[i];
        }
    }
    return OPTIONS_RUN;
}
