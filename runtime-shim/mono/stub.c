/* SPDX-License-Identifier: MIT */
/*
 * Code without unwind information: the small stubs that Mono writes and records nowhere (entries
 * of specific trampolines, unboxing and interface thunks, the PLT of an AOT image). Where such
 * code stands, its caller is what it will return to: so it is followed, on paper, to its return or
 * to the jump that leaves it, with the stack pointer kept up to date. Stubs are short and leave
 * the stack alone or restore it plainly; whatever is not understood about the stack pointer ends
 * the attempt. Nothing is executed.
 */
#include "config.h"

#include <string.h>

#include <Zydis/Zydis.h>

#include "runtime-shim/mono/mono-private.h"

enum { STEPS_MAX = 256, INSTRUCTION_MAX = 15 };

typedef struct follower {
  cordbg_mono_peek peek;
  bool (*leaves)(void *data, uint64_t target);
  void *data;
  ZydisDecoder decoder;
  struct user_regs_struct registers;
} follower;

typedef enum outcome { NEXT, LEFT, LOST } outcome;

/* NULL: none that matters. */
static unsigned long long *
register_of(struct user_regs_struct *registers, ZydisRegister name)
{
  switch (name) {
  case ZYDIS_REGISTER_RBX:
    return &registers->rbx;
  case ZYDIS_REGISTER_RBP:
    return &registers->rbp;
  case ZYDIS_REGISTER_RSP:
    return &registers->rsp;
  case ZYDIS_REGISTER_R12:
    return &registers->r12;
  case ZYDIS_REGISTER_R13:
    return &registers->r13;
  case ZYDIS_REGISTER_R14:
    return &registers->r14;
  case ZYDIS_REGISTER_R15:
    return &registers->r15;
  default:
    return NULL;
  }
}

static bool
pop(follower *f, unsigned long long *ret)
{
  uint64_t value;

  if (!f->peek(f->data, f->registers.rsp, &value, sizeof(value)))
    return false;
  f->registers.rsp += 8;
  if (ret)
    *ret = value;
  return true;
}

/* The address that a memory operand of RSP or RBP names; false: another base. */
static bool
stack_address(follower *f, const ZydisDecodedOperand *operand, uint64_t *ret)
{
  if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY || operand->mem.index != ZYDIS_REGISTER_NONE ||
      (operand->mem.base != ZYDIS_REGISTER_RSP && operand->mem.base != ZYDIS_REGISTER_RBP))
    return false;
  *ret = *register_of(&f->registers, operand->mem.base) + (uint64_t)operand->mem.disp.value;
  return true;
}

/* Instructions that write a register which counts, other than by push, pop and leave. */
static outcome
write_register(follower *f, const ZydisDecodedInstruction *instruction,
               const ZydisDecodedOperand *operands, unsigned long long *to)
{
  bool is_stack_pointer = to == &f->registers.rsp;
  uint64_t address;

  switch (instruction->mnemonic) {
  case ZYDIS_MNEMONIC_ADD:
  case ZYDIS_MNEMONIC_SUB:
    if (operands[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
      return is_stack_pointer ? LOST : NEXT;
    if (instruction->mnemonic == ZYDIS_MNEMONIC_ADD)
      *to += operands[1].imm.value.u;
    else
      *to -= operands[1].imm.value.u;
    return NEXT;
  case ZYDIS_MNEMONIC_LEA:
    if (stack_address(f, &operands[1], &address))
      *to = address;
    else if (is_stack_pointer)
      return LOST;
    return NEXT;
  case ZYDIS_MNEMONIC_MOV:
    if (operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
        register_of(&f->registers, operands[1].reg.value))
      *to = *register_of(&f->registers, operands[1].reg.value);
    else if (stack_address(f, &operands[1], &address) && !is_stack_pointer)
      return f->peek(f->data, address, to, sizeof(*to)) ? NEXT : LOST;
    else if (is_stack_pointer)
      return LOST;
    return NEXT;
  case ZYDIS_MNEMONIC_CMP:
  case ZYDIS_MNEMONIC_TEST:
    return NEXT;
  default:
    return is_stack_pointer ? LOST : NEXT;
  }
}

static outcome
jump(follower *f, const ZydisDecodedOperand *operand, uint64_t next)
{
  /* Out of the stub, by a register or a slot: what runs there returns to the same caller. */
  if (operand->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
    return LEFT;
  f->registers.rip = next + operand->imm.value.u;
  return NEXT;
}

/* A call comes back with the same stack, or it takes the stub's place. */
static outcome
call(follower *f, const ZydisDecodedOperand *operand, uint64_t next)
{
  uint64_t target = 0;

  if (operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
    target = next + operand->imm.value.u;
  else if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY && operand->mem.base == ZYDIS_REGISTER_RIP)
    f->peek(f->data, next + (uint64_t)operand->mem.disp.value, &target, sizeof(target));
  return target && f->leaves && f->leaves(f->data, target) ? LEFT : NEXT;
}

static outcome
follow(follower *f, const ZydisDecodedInstruction *instruction, const ZydisDecodedOperand *operands)
{
  uint64_t next = f->registers.rip + instruction->length;
  unsigned long long *to;

  if (instruction->mnemonic == ZYDIS_MNEMONIC_JMP)
    return jump(f, &operands[0], next);
  f->registers.rip = next;
  switch (instruction->mnemonic) {
  case ZYDIS_MNEMONIC_RET:
    return LEFT;
  case ZYDIS_MNEMONIC_PUSH:
    f->registers.rsp -= 8;
    return NEXT;
  case ZYDIS_MNEMONIC_POP:
    to = operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER
             ? register_of(&f->registers, operands[0].reg.value)
             : NULL;
    return to != &f->registers.rsp && pop(f, to) ? NEXT : LOST;
  case ZYDIS_MNEMONIC_LEAVE:
    f->registers.rsp = f->registers.rbp;
    return pop(f, &f->registers.rbp) ? NEXT : LOST;
  case ZYDIS_MNEMONIC_CALL:
    return call(f, &operands[0], next);
  case ZYDIS_MNEMONIC_NOP:
    return NEXT;
  case ZYDIS_MNEMONIC_INT3:
  case ZYDIS_MNEMONIC_UD2:
  case ZYDIS_MNEMONIC_HLT:
    return LOST;
  default:
    break;
  }
  if (instruction->operand_count == 0 || operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
      !(to = register_of(&f->registers, operands[0].reg.value)))
    return NEXT;
  return write_register(f, instruction, operands, to);
}

static bool
decode(follower *f, ZydisDecodedInstruction *instruction, ZydisDecodedOperand *operands)
{
  uint8_t bytes[INSTRUCTION_MAX];
  size_t size = sizeof(bytes);

  /* Towards the end of a mapping there may be fewer. */
  while (size > 0 && !f->peek(f->data, f->registers.rip, bytes, size))
    size--;
  return size > 0 &&
         ZYAN_SUCCESS(ZydisDecoderDecodeFull(&f->decoder, bytes, size, instruction, operands));
}

bool
cordbg_mono_follow_stub(cordbg_mono_peek peek, bool (*leaves)(void *data, uint64_t target),
                        void *data, const struct user_regs_struct *registers,
                        struct user_regs_struct *ret)
{
  follower f = {.peek = peek, .leaves = leaves, .data = data, .registers = *registers};
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

  if (ZYAN_FAILED(ZydisDecoderInit(&f.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
    return false;
  for (unsigned i = 0; i < STEPS_MAX; i++) {
    if (!decode(&f, &instruction, operands))
      return false;
    outcome result = follow(&f, &instruction, operands);
    if (result == LOST)
      return false;
    if (result == LEFT) {
      uint64_t stack = f.registers.rsp;
      if (stack < registers->rsp || !pop(&f, &f.registers.rip))
        return false;
      *ret = f.registers;
      return true;
    }
  }
  return false;
}

uint32_t
cordbg_mono_find_epilog(const uint8_t *code, uint32_t size, uint32_t length)
{
  ZydisDecoder decoder;
  ZydisDecodedInstruction instruction;
  g_autofree uint8_t *starts = g_malloc0(size);
  uint32_t found = 0;

  if (ZYAN_FAILED(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
    return 0;
  for (uint32_t at = 0; at < size; at += instruction.length) {
    if (ZYAN_FAILED(
            ZydisDecoderDecodeInstruction(&decoder, NULL, code + at, size - at, &instruction)))
      return 0;
    starts[at] = 1;
    if (instruction.mnemonic == ZYDIS_MNEMONIC_RET && at >= length && starts[at - length])
      found = at - length;
  }
  return found;
}
