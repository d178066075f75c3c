/* disassemble.c: a function's code in readable form, on standard error.
 *
 *     == area (parameters 2, upvalues 0, constants 3, bytes 14) ==
 *     0000   12  GET_LOCAL              1
 *     0002    |  CONSTANT               0  '10'
 *     0004    |  LESS_JUMP
 *     0005    |  JUMP_IF_FALSE          4  -> 12
 *
 * A fused instruction stands under its own name where the first of its sequence was, with that
 * one's operands; the others follow as they were.
 */
#include <stdio.h>

#include "compiler.h"
#include "print.h"

static void disassemble_value(Value value) {
    PrintTarget target = {.file = stderr};
    fputs("  '", stderr);
    print_value(&target, value);
    fputs("'", stderr);
}

static void disassemble_jump(const uint8_t *operands, uint32_t next, int direction) {
    int distance = operands[0] << 8 | operands[1];
    fprintf(stderr, "%6d  -> %d", distance, (int)next + direction * distance);
}

/* Where the upvalues of a new closure come from. The number of bytes read. */
static uint32_t disassemble_upvalues(const LoxFunction *function, const uint8_t *operands) {
    const LoxFunction *inner = value_as_object(function->sites[operands[0]].constant);
    for (int i = 0; i < inner->upvalue_count; i++) {
        const uint8_t *place = operands + 1 + 2 * i;
        fprintf(stderr, "\n        |      %s %d", place[0] != 0 ? "local" : "upvalue", place[1]);
    }
    return 2 * (uint32_t)inner->upvalue_count;
}

/* What follows the opcode at `offset`. The length of its operands. */
static uint32_t disassemble_operands(const LoxFunction *function, uint32_t offset,
                                     OpcodeOperands operands) {
    const uint8_t *bytes = function->code + offset + 1;
    switch (operands) {
    case OPERANDS_SIMPLE:
        return 0;
    case OPERANDS_SLOT:
        fprintf(stderr, "%6d", bytes[0]);
        return 1;
    case OPERANDS_CONSTANT:
        fprintf(stderr, "%6d", bytes[0]);
        disassemble_value(function->sites[bytes[0]].constant);
        return 1;
    case OPERANDS_INVOKE:
        fprintf(stderr, "%6d", bytes[0]);
        disassemble_value(function->sites[bytes[0]].constant);
        fprintf(stderr, "  arguments %d", bytes[1]);
        return 2;
    case OPERANDS_JUMP:
        disassemble_jump(bytes, offset + 3, 1);
        return 2;
    case OPERANDS_LOOP:
        disassemble_jump(bytes, offset + 3, -1);
        return 2;
    case OPERANDS_CLOSURE:
        fprintf(stderr, "%6d", bytes[0]);
        disassemble_value(function->sites[bytes[0]].constant);
        return 1 + disassemble_upvalues(function, bytes);
    }
    return 0;
}

static uint32_t disassemble_instruction(const LoxFunction *function, uint32_t offset) {
    int line = chunk_line_at(function, offset);
    uint8_t opcode = function->code[offset];
    fprintf(stderr, "%04u ", (unsigned)offset);
    if (offset > 0 && line == chunk_line_at(function, offset - 1)) {
        fputs("   |", stderr);
    } else {
        fprintf(stderr, "%4d", line);
    }
    OpcodeOperands operands = opcode_info[opcode].operands;
    fprintf(stderr, operands == OPERANDS_SIMPLE ? "  %s" : "  %-18s", opcode_info[opcode].name);
    uint32_t length = 1 + disassemble_operands(function, offset, operands);
    fputc('\n', stderr);
    return offset + length;
}

void disassemble(const LoxFunction *function) {
    fprintf(stderr, "== %s (parameters %d, upvalues %d, constants %u, bytes %u) ==\n",
            function->name != NULL ? function->name->bytes : "<script>", function->arity,
            function->upvalue_count, (unsigned)function->site_count,
            (unsigned)function->code_count);
    for (uint32_t offset = 0; offset < function->code_count;) {
        offset = disassemble_instruction(function, offset);
    }
}
