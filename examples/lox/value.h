/* value.h: what a Lox variable holds, in eight bytes.
 *
 *     number            any double that is not one of the NaNs below
 *     nil, true, false  0x7ffc000000000001, …03, …02
 *     (undefined)       0x7ffc000000000004: a global that no statement has defined yet
 *     object            0xfffc000000000000 | 48-bit address
 *
 * The heap is told the object pattern as its value encoding, so the collector reads stack slots,
 * fields and constants as they are.
 *
 * LOX-1  A value with the object pattern points to the first byte of a live heap object.
 * LOX-2  Arithmetic makes no NaN with the two bits below the quiet bit set, so a computed NaN is
 *        always a number. Every value that is not a number is a NaN to the processor: arithmetic on
 *        it gives a NaN, which is how the interpreter finds wrong operands without testing tags.
 */
#ifndef LOX_VALUE_H
#define LOX_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t Value;

#define VALUE_QUIET_NAN ((Value)0x7ffc000000000000)
#define VALUE_OBJECT_TAG ((Value)0xfffc000000000000)
#define VALUE_ADDRESS_MASK ((Value)0x0000ffffffffffff)

#define VALUE_NIL (VALUE_QUIET_NAN | 1)
#define VALUE_FALSE (VALUE_QUIET_NAN | 2)
#define VALUE_TRUE (VALUE_QUIET_NAN | 3)
#define VALUE_UNDEFINED (VALUE_QUIET_NAN | 4)

static inline bool value_is_number(Value value) {
    return (value & VALUE_QUIET_NAN) != VALUE_QUIET_NAN;
}

/* All bits of the tag are at the top, so that one comparison is enough. */
static inline bool value_is_object(Value value) {
    return value >= VALUE_OBJECT_TAG;
}

static inline bool value_is_bool(Value value) {
    return (value | 1) == VALUE_TRUE;
}

/* nil and false are neighbours. */
static inline bool value_is_falsey(Value value) {
    return value - VALUE_NIL <= VALUE_FALSE - VALUE_NIL;
}

static inline Value value_from_bool(bool b) {
    return VALUE_FALSE + (Value)b;
}

static inline double value_as_number(Value value) {
    double number;
    memcpy(&number, &value, sizeof number);
    return number;
}

static inline Value value_from_number(double number) {
    Value value;
    memcpy(&value, &number, sizeof value);
    return value;
}

static inline void *value_as_object(Value value) {
    return (void *)(uintptr_t)(value - VALUE_OBJECT_TAG);
}

static inline Value value_from_object(const void *object) {
    return VALUE_OBJECT_TAG | (Value)(uintptr_t)object;
}

/* Strings are interned, so identity is equality for everything but numbers: two equal bit patterns
 * differ only where they are a NaN, two different ones are equal only as 0 and -0. */
static inline bool value_equals(Value a, Value b) {
    if (a == b) {
        return !value_is_number(a) || value_as_number(a) == value_as_number(b);
    }
    return ((a | b) << 1) == 0;
}

#endif
