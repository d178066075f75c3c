/* print.c: Lox values as text, for `print`, toString() and the disassembler.
 *
 * Numbers are what "%g" makes of them; small integers, the common case, take a short way to the
 * same digits. A list is [a, b, c]. One that contains itself, or nests too deeply, shows as [...]
 * where it would begin again.
 */
#include "print.h"

#include <string.h>

#include "list.h"
#include "shape.h"

enum { PRINT_DEPTH_MAX = 64, PRINT_NUMBER_SIZE = 32, PRINT_SMALL_INTEGER = 1000000 };

/* The lists that are being printed, innermost first. */
typedef struct PrintNest {
    const struct PrintNest *outer;
    const LoxList *list;
    int depth;
} PrintNest;

static void print_bytes(PrintTarget *target, const char *bytes, size_t size) {
    if (target->file != NULL) {
        (void)fwrite(bytes, 1, size, target->file);
    } else if (!target->failed && !text_append(target->vm, target->text, bytes, size)) {
        target->failed = true;
    }
}

static void print_text(PrintTarget *target, const char *text) {
    print_bytes(target, text, strlen(text));
}

/* "%g" writes integers of up to six digits plainly. -0 is not among them. */
static void print_integer(PrintTarget *target, int32_t number) {
    char digits[PRINT_NUMBER_SIZE];
    char *end = digits + sizeof digits, *at = end;
    uint32_t left = (uint32_t)(number < 0 ? -number : number);
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left != 0);
    if (number < 0) {
        *--at = '-';
    }
    print_bytes(target, at, (size_t)(end - at));
}

static void print_number(PrintTarget *target, Value value) {
    double number = value_as_number(value);
    if (number > -PRINT_SMALL_INTEGER && number < PRINT_SMALL_INTEGER) {
        int32_t integer = (int32_t)number;
        if (value_from_number(integer) == value) {
            print_integer(target, integer);
            return;
        }
    }
    char text[PRINT_NUMBER_SIZE];
    int size = snprintf(text, sizeof text, "%g", number);
    print_bytes(target, text, (size_t)size);
}

static void print_function(PrintTarget *target, const LoxFunction *function) {
    if (function->name == NULL) {
        print_text(target, "<script>");
        return;
    }
    print_text(target, "<fn ");
    print_bytes(target, function->name->bytes, function->name->length);
    print_text(target, ">");
}

static void print_nested(PrintTarget *target, Value value, const PrintNest *outer);

static bool print_is_open(const PrintNest *nest, const LoxList *list) {
    for (; nest != NULL; nest = nest->outer) {
        if (nest->list == list) {
            return true;
        }
    }
    return false;
}

static void print_list(PrintTarget *target, const LoxList *list, const PrintNest *outer) {
    PrintNest nest = {.outer = outer, .list = list, .depth = outer == NULL ? 1 : outer->depth + 1};
    if (nest.depth > PRINT_DEPTH_MAX || print_is_open(outer, list)) {
        print_text(target, "[...]");
        return;
    }
    print_text(target, "[");
    for (uint32_t i = 0; i < list->count && !target->failed; i++) {
        if (i > 0) {
            print_text(target, ", ");
        }
        print_nested(target, list->items[i], &nest);
    }
    print_text(target, "]");
}

static void print_object(PrintTarget *target, Value value, const PrintNest *outer) {
    const LoxObject *object = value_as_object(value);
    const void *at = object;
    if (object->type == &lox_string_type) {
        const LoxString *string = at;
        print_bytes(target, string->bytes, string->length);
    } else if (object->type == &lox_closure_type) {
        print_function(target, ((const LoxClosure *)at)->function);
    } else if (object->type == &lox_bound_method_type) {
        const LoxClosure *method = value_as_object(((const LoxBoundMethod *)at)->method);
        print_function(target, method->function);
    } else if (object->type == &lox_function_type) {
        print_function(target, at);
    } else if (object->type == &lox_class_type) {
        const LoxString *name = ((const LoxClass *)at)->name;
        print_bytes(target, name->bytes, name->length);
    } else if (object->type == &lox_instance_type) {
        const LoxString *name = ((const LoxInstance *)at)->shape->klass->name;
        print_bytes(target, name->bytes, name->length);
        print_text(target, " instance");
    } else if (object->type == &lox_list_type) {
        print_list(target, at, outer);
    } else {
        print_text(target, "<native fn>");
    }
}

static void print_nested(PrintTarget *target, Value value, const PrintNest *outer) {
    if (value_is_object(value)) {
        print_object(target, value, outer);
    } else if (value_is_number(value)) {
        print_number(target, value);
    } else if (value_is_bool(value)) {
        print_text(target, value == VALUE_TRUE ? "true" : "false");
    } else {
        print_text(target, "nil");
    }
}

void print_value(PrintTarget *target, Value value) {
    print_nested(target, value, NULL);
}
