/* chunk.h: a compiled function: its code, its lines and its sites.
 *
 * A *site* is a constant and, since the compiler adds a constant for every use of a name, also the
 * place where one instruction remembers what it found last time. What the cache fields mean
 * depends on the instruction (interpreter.c):
 *
 *     global      word0: the Global
 *     get         key0: shape, word0: byte offset in the instance
 *                 key1: shape, word1: tagged location (inline offset, overflow index or method)
 *     set         key0: shape, word0: byte offset · key1: shape before, word1: shape after
 *     invoke      key0, key1: shapes, word0, word1: closures
 *     super call  key0: superclass, word0: closure
 *
 * LOX-8  Whatever a word refers to is kept alive by its key: a method by its class, which the shape
 *        holds; the shape after an addition by the shape before. So only constants and keys are
 *        traced. A key keeps its class alive until the site sees another: at most two a site.
 *
 * Lines are run-length encoded, since only error traces ask for them.
 */
#ifndef LOX_CHUNK_H
#define LOX_CHUNK_H

#include "goo/gc.h"
#include "lox_string.h"
#include "opcodes.h"
#include "value.h"

enum { CHUNK_SITES_MAX = 256, FUNCTION_CALL_SLOWLY = 0xffff };

typedef struct Site {
    Value constant;
    const void *key0;
    uintptr_t word0;
    const void *key1;
    uintptr_t word1;
} Site;

typedef struct LineRun {
    uint32_t start; /* offset of the first byte on this line */
    int line;
} LineRun;

typedef struct LoxFunction {
    const GooGcType *type;
    LoxString *name; /* NULL: the script */
    uint8_t *code;
    Site *sites;
    LineRun *lines;
    uint32_t code_count, code_capacity;
    uint32_t site_count, site_capacity;
    uint32_t line_count, line_capacity;
    int arity;
    int call_arity; /* arity, or FUNCTION_CALL_SLOWLY: its frame could overrun the stack */
    int upvalue_count;
    uint32_t max_stack; /* values that a frame can hold, callee and arguments included */
    Vm *vm;
} LoxFunction;

/* Each returns false (or -1) when memory is short. `function` must be reachable from a root. */
bool chunk_write(LoxFunction *function, uint8_t byte, int line);
bool chunk_reserve_site(LoxFunction *function);
/* Adds a constant; never fails or collects after chunk_reserve_site. */
uint8_t chunk_add_site(LoxFunction *function, Value constant);
/* Shrinks the arrays to what is used. */
void chunk_seal(LoxFunction *function);
void chunk_free(LoxFunction *function);
void chunk_trace(LoxFunction *function, GooGcVisitor *visitor);
int chunk_line_at(const LoxFunction *function, size_t offset);

#endif
