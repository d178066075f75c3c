/* The text of allocators by name, taken apart: for the registry, and for factories of programs.
 *
 *     "size=64k,shared=yes,parent=(arena:block=4k,keep=no)"
 *      name=value           value: up to the next ',' that stands in no parentheses
 *
 * What is wrong is noted once, where it was found: the innermost part is the one that tells most.
 *
 * Threads: any.
 */
#include "allocators/registry_text.h"

#include "goo/runtime/memory.h"
#include "runtime/registry.h"

#include <errno.h>
#include <stdio.h>

/* --- parts --- */

bool gooi_text_is_name(GooiText text) {
    if (text.length == 0 || text.length >= GOOI_REGISTRY_NAME_SIZE) {
        return false;
    }
    for (size_t i = 0; i < text.length; i++) {
        char c = text.start[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

bool gooi_text_split(GooiText *rest, char separator, GooiText *out_part) {
    size_t depth = 0, i = 0;
    *out_part = *rest;
    for (; i < rest->length && (depth != 0 || rest->start[i] != separator); i++) {
        depth += rest->start[i] == '(';
        if (rest->start[i] == ')' && depth-- == 0) {
            return false;
        }
    }
    *out_part = (GooiText){rest->start, i};
    i += i < rest->length;
    *rest = (GooiText){rest->start + i, rest->length - i};
    return depth == 0;
}

bool gooi_text_to_size(GooiText text, size_t *out_size) {
    size_t size = 0, i = 0;
    for (; i < text.length && text.start[i] >= '0' && text.start[i] <= '9'; i++) {
        size_t digit = (size_t)(text.start[i] - '0');
        if (size > (SIZE_MAX - digit) / 10) {
            return false;
        }
        size = size * 10 + digit;
    }
    unsigned shift = 0;
    if (i != 0 && i + 1 == text.length) {
        char unit = text.start[i++] | 0x20;
        shift = unit == 'k' ? 10 : unit == 'm' ? 20 : unit == 'g' ? 30 : 64;
    }
    if (i == 0 || i != text.length || shift == 64 || size > SIZE_MAX >> shift) {
        return false;
    }
    *out_size = size << shift;
    return true;
}

bool gooi_text_to_bool(GooiText text, bool *out_value) {
    *out_value = gooi_text_is(text, "yes") || gooi_text_is(text, "true") || gooi_text_is(text, "1");
    return *out_value || gooi_text_is(text, "no") || gooi_text_is(text, "false") ||
           gooi_text_is(text, "0");
}

/* --- what is wrong --- */

void gooi_open_note(GooiText where, const char *what) {
    enum { SHOWN_MAX = 80 };
    if (gooi_open_error[0] == '\0') {
        int shown = where.length < SHOWN_MAX ? (int)where.length : SHOWN_MAX;
        int saved_errno = errno;
        snprintf(gooi_open_error, GOOI_OPEN_ERROR_SIZE, "'%.*s' %s", shown, where.start, what);
        errno = saved_errno;
    }
}

bool gooi_open_refuse(GooiText where, const char *what) {
    gooi_open_note(where, what);
    errno = EINVAL;
    return false;
}

const char *goo_allocator_open_error(void) {
    return gooi_open_error;
}

/* --- options, for factories --- */

static bool options_store(const GooOption *option, GooiText value) {
    switch (option->kind) {
    case GOO_OPTION_SIZE:
        return gooi_text_to_size(value, option->value) || gooi_open_refuse(value, "is no size");
    case GOO_OPTION_SWITCH:
        return gooi_text_to_bool(value, option->value) ||
               gooi_open_refuse(value, "is neither yes nor no");
    case GOO_OPTION_TEXT:
        break;
    }
    char *out = option->value;
    if (value.length >= option->text_size) {
        return gooi_open_refuse(value, "is too long");
    }
    memcpy(out, value.start, value.length);
    out[value.length] = '\0';
    return true;
}

static bool options_take(const GooOption *table, size_t count, GooiText name, GooiText value) {
    for (size_t i = 0; i < count; i++) {
        if (gooi_text_is(name, table[i].name)) {
            return options_store(&table[i], value);
        }
    }
    return gooi_open_refuse(name, "is no option of this allocator");
}

GooStatus goo_allocator_parse_options(const char *options, const GooOption *table, size_t count) {
    if (options == NULL || (table == NULL && count != 0)) {
        errno = EINVAL;
        return GOO_ERR_INVALID_ARGUMENT;
    }
    GooiText rest = gooi_text(options);
    while (rest.length != 0) {
        GooiText option, name;
        if (!gooi_text_split(&rest, ',', &option) || !gooi_text_split(&option, '=', &name)) {
            gooi_open_refuse(option, "has parentheses that don't match");
            return GOO_ERR_INVALID_ARGUMENT;
        }
        if (!options_take(table, count, name, option)) {
            return GOO_ERR_INVALID_ARGUMENT;
        }
    }
    return GOO_OK;
}
