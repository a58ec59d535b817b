/* SPDX-License-Identifier: MIT */
/* Between emulate-decode.c, which fills cordbg_instruction, and emulate.c, which executes it. */
#ifndef CORDBG_TRACER_EMULATE_PRIVATE_H
#define CORDBG_TRACER_EMULATE_PRIVATE_H

#include "cordbg/tracer/emulate.h"

typedef enum cordbg_operation {
  CORDBG_OP_REFUSED, /* decoded, but not one of ours */
  CORDBG_OP_NOP,
  CORDBG_OP_MOV,
  CORDBG_OP_MOVZX,
  CORDBG_OP_MOVSX,
  CORDBG_OP_LEA,
  CORDBG_OP_XCHG,
  CORDBG_OP_ADD,
  CORDBG_OP_ADC,
  CORDBG_OP_SUB,
  CORDBG_OP_SBB,
  CORDBG_OP_CMP,
  CORDBG_OP_AND,
  CORDBG_OP_OR,
  CORDBG_OP_XOR,
  CORDBG_OP_TEST,
  CORDBG_OP_INC,
  CORDBG_OP_DEC,
  CORDBG_OP_NEG,
  CORDBG_OP_NOT,
  CORDBG_OP_SHL,
  CORDBG_OP_SHR,
  CORDBG_OP_SAR,
  CORDBG_OP_IMUL,
  CORDBG_OP_BT,
  CORDBG_OP_BSWAP,
  CORDBG_OP_SET,
  CORDBG_OP_CMOV,
  CORDBG_OP_WIDEN,  /* cbw, cwde, cdqe: size is the result's */
  CORDBG_OP_SPREAD, /* cwd, cdq, cqo: size is rdx's part */
  CORDBG_OP_CLC,
  CORDBG_OP_STC,
  CORDBG_OP_CMC,
  CORDBG_OP_PUSH,
  CORDBG_OP_POP,
  CORDBG_OP_PUSHF,
  CORDBG_OP_POPF,
  CORDBG_OP_LEAVE,
  CORDBG_OP_CALL,
  CORDBG_OP_RET,
  CORDBG_OP_JMP,
  CORDBG_OP_JCC,
  CORDBG_OP_JRCXZ, /* size: 4 ecx, 8 rcx */
} cordbg_operation;

typedef enum cordbg_operand_kind {
  CORDBG_OPERAND_NONE,
  CORDBG_OPERAND_REGISTER,
  CORDBG_OPERAND_MEMORY,    /* cordbg_instruction's base, index, scale, displacement, segment */
  CORDBG_OPERAND_IMMEDIATE, /* cordbg_instruction's immediate, sign-extended */
  CORDBG_OPERAND_RELATIVE,  /* the immediate is relative to the next instruction */
} cordbg_operand_kind;

/* Beside the hardware numbers 0 (rax) .. 15 (r15). */
enum {
  CORDBG_REGISTER_RSP = 4,
  CORDBG_REGISTER_RBP = 5,
  CORDBG_REGISTER_RIP = 16,
  CORDBG_REGISTER_NONE = 17,
};

enum {
  CORDBG_SEGMENT_FLAT,
  CORDBG_SEGMENT_FS,
  CORDBG_SEGMENT_GS,
};

/*
 * Fills *ret, bytes and length included. False when code is no complete instruction; an
 * instruction that is not ours is CORDBG_OP_REFUSED and true.
 */
bool cordbg_instruction_decode(const uint8_t *code, size_t size, cordbg_instruction *ret);

#endif
