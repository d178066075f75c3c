/* fuse.c: gives common sequences of instructions one dispatch.
 *
 * Only the first byte of a sequence changes, so that code keeps its length and a jump into the
 * middle finds the instructions that were there (LOX-3). The interpreter reads the operands where
 * they have always been.
 *
 *     LESS JUMP_IF_FALSE hi lo POP      a condition: compare and branch, nothing is pushed if true
 *     GREATER …, EQUAL …                likewise
 */
#include "compiler.h"

static uint32_t fuse_length(const LoxFunction *function, uint32_t offset) {
    const uint8_t *code = function->code + offset;
    switch (opcode_info[code[0]].operands) {
    case OPERANDS_SIMPLE:
        return 1;
    case OPERANDS_SLOT:
    case OPERANDS_CONSTANT:
        return 2;
    case OPERANDS_INVOKE:
    case OPERANDS_JUMP:
    case OPERANDS_LOOP:
        return 3;
    case OPERANDS_CLOSURE:
        break;
    }
    const LoxFunction *inner = value_as_object(function->sites[code[1]].constant);
    return 2 + 2 * (uint32_t)inner->upvalue_count;
}

static Opcode fuse_opcode(const uint8_t *code, uint32_t left) {
    if (left >= 5 && code[1] == OP_JUMP_IF_FALSE && code[4] == OP_POP) {
        switch (code[0]) {
        case OP_LESS:
            return OP_LESS_JUMP;
        case OP_GREATER:
            return OP_GREATER_JUMP;
        case OP_EQUAL:
            return OP_EQUAL_JUMP;
        default:
            break;
        }
    }
    return (Opcode)code[0];
}

void fuse(LoxFunction *function) {
    uint32_t length = 0;
    for (uint32_t offset = 0; offset < function->code_count; offset += length) {
        uint8_t *code = function->code + offset;
        length = fuse_length(function, offset);
        *code = (uint8_t)fuse_opcode(code, function->code_count - offset);
    }
}
