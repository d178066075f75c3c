/* natives.c: the native functions for time, files, text and conversion. Those of lists: list.c.
 *
 *     clock()                  processor time in seconds
 *     readFile(path)           the file's bytes as a string
 *     len(x)                   bytes of a string, items of a list
 *     charAt(s, i)             the string of byte i, from 0
 *     substring(s, from, to)   bytes from … to-1
 *     ord(s)  chr(n)           the first byte of a string as a number, and back (0 … 255)
 *     parseNumber(s)           the number that the whole string denotes, or nil
 *     toString(v)              what `print` would print
 *
 * Strings are bytes: a character outside ASCII has several of them.
 */
#include "natives.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "list.h"
#include "print.h"
#include "source.h"

bool natives_index(Value value, uint32_t *index) {
    if (!value_is_number(value)) {
        return false;
    }
    double number = value_as_number(value);
    if (!(number > -1 && number < 4294967295.0) || number != (double)(uint32_t)number) {
        return false;
    }
    *index = (uint32_t)number;
    return true;
}

static LoxString *natives_string(Vm *vm, Value value) {
    if (!value_is_string(value)) {
        error_raise(vm, "Expected a string.");
        return NULL;
    }
    return value_as_string(value);
}

/* Makes the string the result, unless it could not be made. */
static bool natives_return_string(Vm *vm, LoxString *string, Value *result) {
    if (string == NULL) {
        return error_out_of_memory(vm);
    }
    *result = value_from_object(string);
    return true;
}

static bool native_clock(Vm *vm, int count, Value *args, Value *result) {
    (void)vm;
    (void)count;
    (void)args;
    *result = value_from_number((double)clock() / CLOCKS_PER_SEC);
    return true;
}

static bool native_read_file(Vm *vm, int count, Value *args, Value *result) {
    (void)count;
    LoxString *path = natives_string(vm, args[0]);
    if (path == NULL) {
        return false;
    }
    TextBuffer text = {0};
    SourceStatus status = source_read_file(vm, path->bytes, &text);
    if (status == SOURCE_NOT_OPENED) {
        return error_raise(vm, "Could not open file \"%s\".", path->bytes);
    }
    if (status == SOURCE_NOT_READ) {
        return error_raise(vm, "Could not read file \"%s\".", path->bytes);
    }
    if (status == SOURCE_NO_MEMORY) {
        return error_out_of_memory(vm);
    }
    LoxString *string = string_intern(vm, text.bytes, text.length - 1);
    text_free(vm, &text);
    return natives_return_string(vm, string, result);
}

static bool native_len(Vm *vm, int count, Value *args, Value *result) {
    (void)count;
    if (value_is_string(args[0])) {
        *result = value_from_number(value_as_string(args[0])->length);
    } else if (value_is_a(args[0], &lox_list_type)) {
        *result = value_from_number(((LoxList *)value_as_object(args[0]))->count);
    } else {
        return error_raise(vm, "Expected a string or a list.");
    }
    return true;
}

static bool native_char_at(Vm *vm, int count, Value *args, Value *result) {
    (void)count;
    LoxString *string = natives_string(vm, args[0]);
    uint32_t index = 0;
    if (string == NULL) {
        return false;
    }
    if (!natives_index(args[1], &index)) {
        return error_raise(vm, "String index must be a whole number.");
    }
    if (index >= string->length) {
        return error_raise(vm, "String index out of range.");
    }
    return natives_return_string(vm, string_of_character(vm, (uint8_t)string->bytes[index]),
                                 result);
}

static bool native_substring(Vm *vm, int count, Value *args, Value *result) {
    (void)count;
    LoxString *string = natives_string(vm, args[0]);
    uint32_t from = 0, to = 0;
    if (string == NULL) {
        return false;
    }
    if (!natives_index(args[1], &from) || !natives_index(args[2], &to)) {
        return error_raise(vm, "String index must be a whole number.");
    }
    if (from > to || to > string->length) {
        return error_raise(vm, "String index out of range.");
    }
    return natives_return_string(vm, string_intern(vm, string->bytes + from, to - from), result);
}

static bool native_ord(Vm *vm, int count, Value *args, Value *result) {
    (void)count;
    LoxString *string = natives_string(vm, args[0]);
    if (string == NULL) {
        return false;
    }
    if (string->length == 0) {
        return error_raise(vm, "Expected a string that is not empty.");
    }
    *result = value_from_number((uint8_t)string->bytes[0]);
    return true;
}

static bool native_chr(Vm *vm, int count, Value *args, Value *result) {
    (void)count;
    uint32_t code = 0;
    if (!natives_index(args[0], &code) || code > UINT8_MAX) {
        return error_raise(vm, "Expected a whole number from 0 to 255.");
    }
    return natives_return_string(vm, string_of_character(vm, (uint8_t)code), result);
}

/* Decimal digits, one point, one exponent, a sign: none of strtod's infinities and hexadecimals. */
static bool native_is_decimal(const LoxString *text) {
    static const char allowed[] = "0123456789+-.eE";
    return text->length > 0 && strspn(text->bytes, allowed) == text->length &&
           strpbrk(text->bytes, "0123456789") != NULL;
}

static bool native_parse_number(Vm *vm, int count, Value *args, Value *result) {
    (void)count;
    LoxString *text = natives_string(vm, args[0]);
    if (text == NULL) {
        return false;
    }
    char *end = text->bytes;
    double number = native_is_decimal(text) ? strtod(text->bytes, &end) : 0;
    bool is_number = text->length > 0 && end == text->bytes + text->length;
    *result = is_number ? value_from_number(number) : VALUE_NIL;
    return true;
}

static bool native_to_string(Vm *vm, int count, Value *args, Value *result) {
    (void)count;
    if (value_is_string(args[0])) {
        *result = args[0];
        return true;
    }
    TextBuffer text = {0};
    PrintTarget target = {.vm = vm, .text = &text};
    print_value(&target, args[0]);
    LoxString *string = target.failed ? NULL : string_intern(vm, text.bytes, text.length);
    text_free(vm, &text);
    return natives_return_string(vm, string, result);
}

bool natives_add(Vm *vm, const char *name, NativeFn function, int arity) {
    LoxString *string = string_intern(vm, name, strlen(name));
    if (string == NULL) {
        return false;
    }
    goo_gc_push(vm->mutator, string);
    Global *global = vm_global(vm, string);
    goo_gc_pop(vm->mutator, 1);
    LoxNative *native = global != NULL ? native_new(vm, function, arity) : NULL;
    if (native == NULL) {
        return false;
    }
    global->value = value_from_object(native);
    return true;
}

bool natives_define(Vm *vm) {
    return natives_add(vm, "clock", native_clock, NATIVE_ANY_ARITY) &&
           natives_add(vm, "readFile", native_read_file, 1) &&
           natives_add(vm, "len", native_len, 1) && natives_add(vm, "charAt", native_char_at, 2) &&
           natives_add(vm, "substring", native_substring, 3) &&
           natives_add(vm, "ord", native_ord, 1) && natives_add(vm, "chr", native_chr, 1) &&
           natives_add(vm, "parseNumber", native_parse_number, 1) &&
           natives_add(vm, "toString", native_to_string, 1) && list_define_natives(vm);
}
