/* lox_string.h: interned strings.
 *
 * A string is one leaf object with its bytes inline and a NUL behind them that the length does not
 * count. Equal strings are one object: the heap's weak intern table sees to it, and an entry goes
 * when its string dies.
 *
 * LOX-5  The hash has its top bit set, so that word 1 of a string is no address (see object.h).
 */
#ifndef LOX_STRING_H
#define LOX_STRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "goo/gc.h"
#include "goo/gc/intern.h"
#include "memory.h"

typedef struct LoxString {
    const GooGcType *type;
    uint32_t length;
    uint32_t hash;
    char bytes[];
} LoxString;

#define STRING_LENGTH_MAX ((size_t)UINT32_MAX - 64)

extern const GooGcType lox_string_type;

GooGcInternTable *string_table_create(GooGcHeap *heap);

/* The string of these bytes, or NULL when memory is short. Bytes inside a heap object are fine as
 * long as something keeps that object alive. May collect. */
LoxString *string_intern(Vm *vm, const void *bytes, size_t length);
/* The concatenation; both must be reachable from a root. */
LoxString *string_concatenate(Vm *vm, LoxString *a, LoxString *b);
/* The string of one byte; these are kept once made. */
LoxString *string_of_character(Vm *vm, uint8_t character);

#endif
