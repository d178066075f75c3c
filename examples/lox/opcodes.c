/* opcodes.c: what opcodes.h says about each instruction, as a table. */
#include "opcodes.h"

/* Fused instructions take the row of the one that they replace, under their own name. */
enum {
#define OPCODE_ROW(name, operands, effect)                                                         \
    OPCODE_OPERANDS_##name = OPERANDS_##operands, OPCODE_EFFECT_##name = effect,
    LOX_OPCODES(OPCODE_ROW)
#undef OPCODE_ROW
};

const OpcodeInfo opcode_info[OPCODE_COUNT] = {
#define OPCODE_INFO(name, operands, effect) [OP_##name] = {#name, OPERANDS_##operands, effect},
#define OPCODE_FUSED_INFO(name, first)                                                             \
    [OP_##name] = {#name, (OpcodeOperands)OPCODE_OPERANDS_##first, OPCODE_EFFECT_##first},
    LOX_OPCODES(OPCODE_INFO) LOX_FUSED_OPCODES(OPCODE_FUSED_INFO)
#undef OPCODE_INFO
#undef OPCODE_FUSED_INFO
};
