/* opcodes.h: the instructions, each with the layout of its operands.
 *
 *     X(name, operands, stack effect)
 *
 * operands  SIMPLE none · SLOT one byte · CONSTANT one byte, a site · INVOKE a site and an argument
 *           count · JUMP and LOOP two bytes, big end first · CLOSURE a site, then two bytes for
 *           each upvalue: 1 = the enclosing function's local, 0 = its upvalue; and the index
 * effect    how many values an instruction leaves on the stack; calls also take their arguments,
 *           which the emitter adds
 *
 * LOX-3  Code is as long as the book's, byte for byte, so that the limits on jumps fall where they
 *        fall there. Fused instructions keep this: fuse.c replaces only the first byte of a common
 *        sequence, every other byte stays what it was, and a jump into the middle still works.
 *
 *     X(name, the instruction whose byte it replaces)
 */
#ifndef LOX_OPCODES_H
#define LOX_OPCODES_H

#include <stdint.h>

#define LOX_OPCODES(X)                                                                             \
    X(CONSTANT, CONSTANT, 1)                                                                       \
    X(NIL, SIMPLE, 1)                                                                              \
    X(TRUE, SIMPLE, 1)                                                                             \
    X(FALSE, SIMPLE, 1)                                                                            \
    X(POP, SIMPLE, -1)                                                                             \
    X(GET_LOCAL, SLOT, 1)                                                                          \
    X(SET_LOCAL, SLOT, 0)                                                                          \
    X(GET_GLOBAL, CONSTANT, 1)                                                                     \
    X(DEFINE_GLOBAL, CONSTANT, -1)                                                                 \
    X(SET_GLOBAL, CONSTANT, 0)                                                                     \
    X(GET_UPVALUE, SLOT, 1)                                                                        \
    X(SET_UPVALUE, SLOT, 0)                                                                        \
    X(GET_PROPERTY, CONSTANT, 0)                                                                   \
    X(SET_PROPERTY, CONSTANT, -1)                                                                  \
    X(GET_SUPER, CONSTANT, -1)                                                                     \
    X(EQUAL, SIMPLE, -1)                                                                           \
    X(GREATER, SIMPLE, -1)                                                                         \
    X(LESS, SIMPLE, -1)                                                                            \
    X(ADD, SIMPLE, -1)                                                                             \
    X(SUBTRACT, SIMPLE, -1)                                                                        \
    X(MULTIPLY, SIMPLE, -1)                                                                        \
    X(DIVIDE, SIMPLE, -1)                                                                          \
    X(NOT, SIMPLE, 0)                                                                              \
    X(NEGATE, SIMPLE, 0)                                                                           \
    X(PRINT, SIMPLE, -1)                                                                           \
    X(JUMP, JUMP, 0)                                                                               \
    X(JUMP_IF_FALSE, JUMP, 0)                                                                      \
    X(LOOP, LOOP, 0)                                                                               \
    X(CALL, SLOT, 0)                                                                               \
    X(INVOKE, INVOKE, 0)                                                                           \
    X(SUPER_INVOKE, INVOKE, -1)                                                                    \
    X(CLOSURE, CLOSURE, 1)                                                                         \
    X(CLOSE_UPVALUE, SIMPLE, -1)                                                                   \
    X(RETURN, SIMPLE, -1)                                                                          \
    X(CLASS, CONSTANT, 1)                                                                          \
    X(INHERIT, SIMPLE, -1)                                                                         \
    X(METHOD, CONSTANT, -1)

#define LOX_FUSED_OPCODES(X)                                                                       \
    X(LESS_JUMP, LESS)                                                                             \
    X(GREATER_JUMP, GREATER)                                                                       \
    X(EQUAL_JUMP, EQUAL)                                                                           \
    X(JUMP_IF_FALSE_POP, JUMP_IF_FALSE)                                                            \
    X(GET_LOCAL_PROPERTY, GET_LOCAL)                                                               \
    X(CONSTANT_ADD, CONSTANT)                                                                      \
    X(CONSTANT_SUBTRACT, CONSTANT)                                                                 \
    X(SET_LOCAL_POP, SET_LOCAL)                                                                    \
    X(SET_GLOBAL_POP, SET_GLOBAL)                                                                  \
    X(SET_PROPERTY_POP, SET_PROPERTY)

typedef enum OpcodeOperands {
    OPERANDS_SIMPLE,
    OPERANDS_SLOT,
    OPERANDS_CONSTANT,
    OPERANDS_INVOKE,
    OPERANDS_JUMP,
    OPERANDS_LOOP,
    OPERANDS_CLOSURE
} OpcodeOperands;

typedef enum Opcode {
#define OPCODE_ENUM(name, operands, effect) OP_##name,
#define OPCODE_FUSED_ENUM(name, first) OP_##name,
    LOX_OPCODES(OPCODE_ENUM) LOX_FUSED_OPCODES(OPCODE_FUSED_ENUM)
#undef OPCODE_ENUM
#undef OPCODE_FUSED_ENUM
        OPCODE_COUNT
} Opcode;

typedef struct OpcodeInfo {
    const char *name;
    OpcodeOperands operands; /* of a fused one: those of the instruction it replaces */
    int8_t effect;
} OpcodeInfo;

extern const OpcodeInfo opcode_info[OPCODE_COUNT];

#endif
