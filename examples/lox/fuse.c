/* fuse.c: gives common sequences of instructions one dispatch.
 *
 * Only the first byte of a sequence changes, so that code keeps its length and a jump into the
 * middle finds the instructions that were there (LOX-3). The interpreter reads the operands where
 * they have always been.
 *
 *     LESS, GREATER or EQUAL, JUMP_IF_FALSE, POP    a condition that compares
 *     JUMP_IF_FALSE POP                             any other
 *     GET_LOCAL GET_PROPERTY                        this.field
 *     CONSTANT ADD, CONSTANT SUBTRACT               n - 1
 *     SET_LOCAL, SET_GLOBAL or SET_PROPERTY, POP    an assignment as a statement
 *
 * A fused instruction that meets anything but its common case does what the first of its sequence
 * does, and leaves the rest to the instructions that are still there.
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

typedef struct FusePair {
    uint8_t first, second, fused;
} FusePair;

static const FusePair fuse_pairs[] = {
    {OP_JUMP_IF_FALSE, OP_POP, OP_JUMP_IF_FALSE_POP},
    {OP_GET_LOCAL, OP_GET_PROPERTY, OP_GET_LOCAL_PROPERTY},
    {OP_CONSTANT, OP_ADD, OP_CONSTANT_ADD},
    {OP_CONSTANT, OP_SUBTRACT, OP_CONSTANT_SUBTRACT},
    {OP_SET_LOCAL, OP_POP, OP_SET_LOCAL_POP},
    {OP_SET_GLOBAL, OP_POP, OP_SET_GLOBAL_POP},
    {OP_SET_PROPERTY, OP_POP, OP_SET_PROPERTY_POP},
};

static uint8_t fuse_condition(uint8_t comparison) {
    switch (comparison) {
    case OP_LESS:
        return OP_LESS_JUMP;
    case OP_GREATER:
        return OP_GREATER_JUMP;
    case OP_EQUAL:
        return OP_EQUAL_JUMP;
    default:
        return comparison;
    }
}

/* What the instruction at `code`, `length` bytes long, becomes; `left` bytes follow it. */
static uint8_t fuse_opcode(const uint8_t *code, uint32_t length, uint32_t left) {
    if (left == 0) {
        return code[0];
    }
    uint8_t second = code[length];
    for (size_t i = 0; i < sizeof fuse_pairs / sizeof *fuse_pairs; i++) {
        if (fuse_pairs[i].first == code[0] && fuse_pairs[i].second == second) {
            return fuse_pairs[i].fused;
        }
    }
    bool is_condition = left >= 4 && second == OP_JUMP_IF_FALSE && code[length + 3] == OP_POP;
    return is_condition ? fuse_condition(code[0]) : code[0];
}

/* Forwards, so that what follows an instruction is still as it was emitted. */
void fuse(LoxFunction *function) {
    uint32_t length = 0;
    for (uint32_t offset = 0; offset < function->code_count; offset += length) {
        uint8_t *code = function->code + offset;
        length = fuse_length(function, offset);
        *code = fuse_opcode(code, length, function->code_count - offset - length);
    }
}
