/* SPDX-License-Identifier: MIT */
/*
 * From instruction bytes to the small form that emulate.c executes, by Zydis.
 *
 * The list of what is accepted is closed: a mnemonic, an operand or a prefix that is not named here
 * makes the instruction CORDBG_OP_REFUSED. The bytes may be hostile; Zydis checks their length.
 */
#include "config.h"

#include "cordbg/tracer/emulate-private.h"

#include <string.h>

#include <Zydis/Zydis.h>

typedef struct mnemonic_entry {
  uint16_t mnemonic;
  uint8_t operation;
  uint8_t condition; /* x86's: 0 o, 2 b, 4 z, 6 be, 8 s, 10 p, 12 l, 14 le; odd: negated */
} mnemonic_entry;

#define PLAIN(name, op)                                                                            \
  {                                                                                                \
    ZYDIS_MNEMONIC_##name, CORDBG_OP_##op, 0                                                       \
  }
#define CONDITIONAL(number, suffix)                                                                \
  {ZYDIS_MNEMONIC_J##suffix, CORDBG_OP_JCC, number},                                               \
      {ZYDIS_MNEMONIC_SET##suffix, CORDBG_OP_SET, number},                                         \
  {                                                                                                \
    ZYDIS_MNEMONIC_CMOV##suffix, CORDBG_OP_CMOV, number                                            \
  }

static const mnemonic_entry mnemonics[] = {
    PLAIN(NOP, NOP),     PLAIN(ENDBR64, NOP),  PLAIN(MOV, MOV),      PLAIN(MOVZX, MOVZX),
    PLAIN(MOVSX, MOVSX), PLAIN(MOVSXD, MOVSX), PLAIN(LEA, LEA),      PLAIN(XCHG, XCHG),
    PLAIN(ADD, ADD),     PLAIN(ADC, ADC),      PLAIN(SUB, SUB),      PLAIN(SBB, SBB),
    PLAIN(CMP, CMP),     PLAIN(AND, AND),      PLAIN(OR, OR),        PLAIN(XOR, XOR),
    PLAIN(TEST, TEST),   PLAIN(INC, INC),      PLAIN(DEC, DEC),      PLAIN(NEG, NEG),
    PLAIN(NOT, NOT),     PLAIN(SHL, SHL),      PLAIN(SHR, SHR),      PLAIN(SAR, SAR),
    PLAIN(IMUL, IMUL),   PLAIN(BT, BT),        PLAIN(BSWAP, BSWAP),  PLAIN(CBW, WIDEN),
    PLAIN(CWDE, WIDEN),  PLAIN(CDQE, WIDEN),   PLAIN(CWD, SPREAD),   PLAIN(CDQ, SPREAD),
    PLAIN(CQO, SPREAD),  PLAIN(CLC, CLC),      PLAIN(STC, STC),      PLAIN(CMC, CMC),
    PLAIN(PUSH, PUSH),   PLAIN(POP, POP),      PLAIN(PUSHFQ, PUSHF), PLAIN(POPFQ, POPF),
    PLAIN(LEAVE, LEAVE), PLAIN(CALL, CALL),    PLAIN(RET, RET),      PLAIN(JMP, JMP),
    PLAIN(JECXZ, JRCXZ), PLAIN(JRCXZ, JRCXZ),  CONDITIONAL(0, O),    CONDITIONAL(1, NO),
    CONDITIONAL(2, B),   CONDITIONAL(3, NB),   CONDITIONAL(4, Z),    CONDITIONAL(5, NZ),
    CONDITIONAL(6, BE),  CONDITIONAL(7, NBE),  CONDITIONAL(8, S),    CONDITIONAL(9, NS),
    CONDITIONAL(10, P),  CONDITIONAL(11, NP),  CONDITIONAL(12, L),   CONDITIONAL(13, NL),
    CONDITIONAL(14, LE), CONDITIONAL(15, NLE),
};

static bool
decode_full(const uint8_t *code, size_t size, ZydisDecodedInstruction *instruction,
            ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT])
{
  ZydisDecoder decoder;

  if (size > CORDBG_INSTRUCTION_MAX)
    size = CORDBG_INSTRUCTION_MAX;
  return ZYAN_SUCCESS(
             ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) &&
         ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, size, instruction, operands)) &&
         instruction->length > 0 && instruction->length <= size;
}

static const mnemonic_entry *
find_mnemonic(ZydisMnemonic mnemonic)
{
  for (size_t i = 0; i < sizeof(mnemonics) / sizeof(mnemonics[0]); i++)
    if (mnemonics[i].mnemonic == mnemonic)
      return &mnemonics[i];
  return NULL;
}

static bool
is_branch(cordbg_operation operation)
{
  return operation == CORDBG_OP_CALL || operation == CORDBG_OP_RET || operation == CORDBG_OP_JMP ||
         operation == CORDBG_OP_JCC || operation == CORDBG_OP_JRCXZ;
}

/*
 * Prefixes that change the meaning in a way that the small form cannot say. F2 and F3 before a
 * branch are hints (bnd, rep ret); 66 before one means different things to AMD and Intel.
 */
static bool
prefixes_are_plain(const ZydisDecodedInstruction *instruction, cordbg_operation operation)
{
  for (size_t i = 0; i < instruction->raw.prefix_count; i++) {
    switch (instruction->raw.prefixes[i].value) {
    case 0xf0:
      return false;
    case 0xf2:
    case 0xf3:
      if (operation != CORDBG_OP_NOP && !is_branch(operation))
        return false;
      break;
    case 0x66:
      if (is_branch(operation))
        return false;
      break;
    default:
      break;
    }
  }
  return true;
}

/* General registers only; false for any other. */
static bool
convert_register(ZydisRegister reg, uint8_t *number, uint8_t *high)
{
  *high = 0;
  if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15)
    *number = (uint8_t)(reg - ZYDIS_REGISTER_RAX);
  else if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D)
    *number = (uint8_t)(reg - ZYDIS_REGISTER_EAX);
  else if (reg >= ZYDIS_REGISTER_AX && reg <= ZYDIS_REGISTER_R15W)
    *number = (uint8_t)(reg - ZYDIS_REGISTER_AX);
  else if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL)
    *number = (uint8_t)(reg - ZYDIS_REGISTER_AL);
  else if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) {
    *number = (uint8_t)(reg - ZYDIS_REGISTER_AH);
    *high = 1;
  } else if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
    *number = (uint8_t)(reg - ZYDIS_REGISTER_SPL + 4);
  else
    return false;
  return true;
}

/* A register of an address: general, rip, or none. */
static bool
convert_address_register(ZydisRegister reg, uint8_t *number)
{
  uint8_t high;

  if (reg == ZYDIS_REGISTER_NONE)
    *number = CORDBG_REGISTER_NONE;
  else if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
    *number = CORDBG_REGISTER_RIP;
  else
    return convert_register(reg, number, &high);
  return true;
}

static bool
convert_memory(const ZydisDecodedInstruction *instruction, const ZydisDecodedOperandMem *memory,
               cordbg_instruction *ret)
{
  if (memory->type != ZYDIS_MEMOP_TYPE_MEM && memory->type != ZYDIS_MEMOP_TYPE_AGEN)
    return false;
  if (instruction->address_width != 64 && instruction->address_width != 32)
    return false;
  if (!convert_address_register(memory->base, &ret->base) ||
      !convert_address_register(memory->index, &ret->index))
    return false;
  ret->address_size = (uint8_t)(instruction->address_width / 8);
  ret->displacement = memory->disp.has_displacement ? memory->disp.value : 0;
  /*
   * A SIB byte without base has a displacement instead. Zydis 4.0 takes r13d for the base and drops
   * the displacement when REX.B and 67 come together.
   */
  if (instruction->raw.modrm.mod == 0 && instruction->raw.modrm.rm == 4 &&
      instruction->raw.sib.base == 5 && instruction->raw.modrm.offset != 0) {
    ret->base = CORDBG_REGISTER_NONE;
    ret->displacement = instruction->raw.disp.value;
  }
  ret->segment = CORDBG_SEGMENT_FLAT;
  if (memory->segment == ZYDIS_REGISTER_FS)
    ret->segment = CORDBG_SEGMENT_FS;
  else if (memory->segment == ZYDIS_REGISTER_GS)
    ret->segment = CORDBG_SEGMENT_GS;
  ret->scale = 0;
  if (memory->index != ZYDIS_REGISTER_NONE) {
    switch (memory->scale) {
    case 1:
      break;
    case 2:
      ret->scale = 1;
      break;
    case 4:
      ret->scale = 2;
      break;
    case 8:
      ret->scale = 3;
      break;
    default:
      return false;
    }
  }
  return true;
}

static bool
convert_operand(const ZydisDecodedInstruction *instruction, const ZydisDecodedOperand *operand,
                cordbg_instruction *instr, cordbg_emulate_operand *ret)
{
  ret->size = (uint8_t)(operand->size / 8);
  switch (operand->type) {
  case ZYDIS_OPERAND_TYPE_REGISTER:
    ret->kind = CORDBG_OPERAND_REGISTER;
    return convert_register(operand->reg.value, &ret->index, &ret->high);
  case ZYDIS_OPERAND_TYPE_MEMORY:
    ret->kind = CORDBG_OPERAND_MEMORY;
    return convert_memory(instruction, &operand->mem, instr);
  case ZYDIS_OPERAND_TYPE_IMMEDIATE:
    ret->kind = operand->imm.is_relative ? CORDBG_OPERAND_RELATIVE : CORDBG_OPERAND_IMMEDIATE;
    instr->immediate = operand->imm.value.s;
    return true;
  default:
    return false;
  }
}

/* What cannot be seen from one operand alone. */
static bool
is_well_formed(const cordbg_instruction *instr)
{
  const cordbg_emulate_operand *first = &instr->operands[0];
  bool stack = instr->operation == CORDBG_OP_PUSH || instr->operation == CORDBG_OP_POP;
  size_t memory_count = 0;

  for (size_t i = 0; i < instr->operand_count; i++) {
    const cordbg_emulate_operand *operand = &instr->operands[i];

    if (operand->kind == CORDBG_OPERAND_MEMORY)
      memory_count++;
    if ((operand->kind == CORDBG_OPERAND_REGISTER || operand->kind == CORDBG_OPERAND_MEMORY) &&
        operand->size != 1 && operand->size != 2 && operand->size != 4 && operand->size != 8)
      return instr->operation == CORDBG_OP_LEA || instr->operation == CORDBG_OP_NOP;
  }
  if (memory_count > 1)
    return false;
  if (stack && (instr->size != 8 || (first->kind != CORDBG_OPERAND_IMMEDIATE && first->size != 8)))
    return false;
  /* an implied lock, a bit far from its operand, a far jump */
  if (instr->operation == CORDBG_OP_XCHG || instr->operation == CORDBG_OP_BT)
    return memory_count == 0;
  if (instr->operation == CORDBG_OP_IMUL)
    return instr->operand_count >= 2;
  if (instr->operation == CORDBG_OP_BSWAP)
    return first->size >= 4;
  if (instr->operation == CORDBG_OP_JMP || instr->operation == CORDBG_OP_CALL)
    return first->kind == CORDBG_OPERAND_RELATIVE || first->size == 8;
  return true;
}

/*
 * Others of the reserved nops mean something to some processors, or are no instructions there. The
 * memory operand of a long nop is never accessed.
 */
static bool
is_documented_nop(const ZydisDecodedInstruction *instruction)
{
  if (instruction->mnemonic == ZYDIS_MNEMONIC_ENDBR64)
    return true;
  if (instruction->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
    return instruction->opcode == 0x90;
  return instruction->opcode_map == ZYDIS_OPCODE_MAP_0F && instruction->opcode == 0x1f &&
         instruction->raw.modrm.reg == 0;
}

static bool
convert(const ZydisDecodedInstruction *instruction, const ZydisDecodedOperand *operands,
        cordbg_instruction *ret)
{
  const mnemonic_entry *entry = find_mnemonic(instruction->mnemonic);

  if (!entry || instruction->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
    return false;
  ret->operation = entry->operation;
  ret->condition = entry->condition;
  ret->size = (uint8_t)(instruction->operand_width / 8);
  if (!prefixes_are_plain(instruction, (cordbg_operation)entry->operation))
    return false;
  if (entry->operation == CORDBG_OP_NOP)
    return is_documented_nop(instruction);
  if (instruction->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
    return false;
  if (entry->operation == CORDBG_OP_JRCXZ)
    ret->size = (uint8_t)(instruction->address_width / 8);
  if ((entry->operation == CORDBG_OP_PUSHF || entry->operation == CORDBG_OP_POPF ||
       entry->operation == CORDBG_OP_LEAVE || entry->operation == CORDBG_OP_RET) &&
      instruction->operand_width != 64)
    return false;
  for (size_t i = 0; i < instruction->operand_count_visible; i++) {
    if (i >= sizeof(ret->operands) / sizeof(ret->operands[0]) ||
        !convert_operand(instruction, &operands[i], ret, &ret->operands[i]))
      return false;
    ret->operand_count++;
  }
  return is_well_formed(ret);
}

bool
cordbg_instruction_decode(const uint8_t *code, size_t size, cordbg_instruction *ret)
{
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

  if (!decode_full(code, size, &instruction, operands))
    return false;
  memset(ret, 0, sizeof(*ret));
  ret->base = CORDBG_REGISTER_NONE;
  ret->index = CORDBG_REGISTER_NONE;
  if (!convert(&instruction, operands, ret))
    ret->operation = CORDBG_OP_REFUSED;
  memcpy(ret->bytes, code, instruction.length);
  ret->length = instruction.length;
  return true;
}

size_t
cordbg_instruction_length(const uint8_t *code, size_t size)
{
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

  return decode_full(code, size, &instruction, operands) ? instruction.length : 0;
}

cordbg_step_leak
cordbg_instruction_step_leak(const uint8_t *code, size_t size)
{
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

  if (!decode_full(code, size, &instruction, operands))
    return CORDBG_STEP_PLAIN;
  switch (instruction.mnemonic) {
  case ZYDIS_MNEMONIC_PUSHF:
  case ZYDIS_MNEMONIC_PUSHFD:
  case ZYDIS_MNEMONIC_PUSHFQ:
    return CORDBG_STEP_PUSHES_FLAGS;
  case ZYDIS_MNEMONIC_SYSCALL:
    return CORDBG_STEP_SYSCALL;
  case ZYDIS_MNEMONIC_POPF:
  case ZYDIS_MNEMONIC_POPFD:
  case ZYDIS_MNEMONIC_POPFQ:
  case ZYDIS_MNEMONIC_IRET:
  case ZYDIS_MNEMONIC_IRETD:
  case ZYDIS_MNEMONIC_IRETQ:
    return CORDBG_STEP_POPS_FLAGS;
  default:
    return CORDBG_STEP_PLAIN;
  }
}
