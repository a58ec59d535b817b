/* SPDX-License-Identifier: MIT */
/* emulate-templates.h */
#include "config.h"

#include "tests/unit/emulate-templates.h"

#include <stdbool.h>
#include <string.h>

#include "tests/unit/native-random.h"

enum { MODRM_NONE, MODRM_ANY, MODRM_REGISTER, MODRM_MEMORY };
enum { IMM_NONE, IMM_8, IMM_16, IMM_Z, IMM_FULL, IMM_REL8, IMM_REL32, IMM_ADDRESS };

#define OP1(...) {__VA_ARGS__}, 1
#define OP2(...) {__VA_ARGS__}, 2
#define OP3(...) {__VA_ARGS__}, 3
#define OP4(...) {__VA_ARGS__}, 4
#define ALU(text, n)                                                                               \
  {text " rm8,r8", OP1(n * 8), MODRM_ANY, -1, IMM_NONE, 0},                                        \
      {text " rm,r", OP1(n * 8 + 1), MODRM_ANY, -1, IMM_NONE, 0},                                  \
      {text " r8,rm8", OP1(n * 8 + 2), MODRM_ANY, -1, IMM_NONE, 0},                                \
      {text " r,rm", OP1(n * 8 + 3), MODRM_ANY, -1, IMM_NONE, 0},                                  \
      {text " al,imm8", OP1(n * 8 + 4), MODRM_NONE, -1, IMM_8, 0},                                 \
      {text " rax,imm", OP1(n * 8 + 5), MODRM_NONE, -1, IMM_Z, 0},                                 \
      {text " rm8,imm8", OP1(0x80), MODRM_ANY, n, IMM_8, 0},                                       \
      {text " rm,imm", OP1(0x81), MODRM_ANY, n, IMM_Z, 0},                                         \
  {                                                                                                \
    text " rm,imm8", OP1(0x83), MODRM_ANY, n, IMM_8, 0                                             \
  }
#define SHIFT(text, n)                                                                             \
  {text " rm8,1", OP1(0xd0), MODRM_ANY, n, IMM_NONE, 0},                                           \
      {text " rm,1", OP1(0xd1), MODRM_ANY, n, IMM_NONE, 0},                                        \
      {text " rm8,cl", OP1(0xd2), MODRM_ANY, n, IMM_NONE, RARE},                                   \
      {text " rm,cl", OP1(0xd3), MODRM_ANY, n, IMM_NONE, RARE},                                    \
      {text " rm8,imm8", OP1(0xc0), MODRM_ANY, n, IMM_8, RARE},                                    \
  {                                                                                                \
    text " rm,imm8", OP1(0xc1), MODRM_ANY, n, IMM_8, RARE                                          \
  }

const emulate_template emulate_templates[] = {
    ALU("add", 0),
    ALU("or", 1),
    ALU("adc", 2),
    ALU("sbb", 3),
    ALU("and", 4),
    ALU("sub", 5),
    ALU("xor", 6),
    ALU("cmp", 7),
    SHIFT("shl", 4),
    SHIFT("shr", 5),
    SHIFT("sal", 6),
    SHIFT("sar", 7),
    {"test rm8,r8", OP1(0x84), MODRM_ANY, -1, IMM_NONE, 0},
    {"test rm,r", OP1(0x85), MODRM_ANY, -1, IMM_NONE, 0},
    {"test al,imm8", OP1(0xa8), MODRM_NONE, -1, IMM_8, 0},
    {"test rax,imm", OP1(0xa9), MODRM_NONE, -1, IMM_Z, 0},
    {"test rm8,imm8", OP1(0xf6), MODRM_ANY, 0, IMM_8, 0},
    {"test rm,imm", OP1(0xf7), MODRM_ANY, 0, IMM_Z, 0},
    {"not rm8", OP1(0xf6), MODRM_ANY, 2, IMM_NONE, 0},
    {"not rm", OP1(0xf7), MODRM_ANY, 2, IMM_NONE, 0},
    {"neg rm8", OP1(0xf6), MODRM_ANY, 3, IMM_NONE, 0},
    {"neg rm", OP1(0xf7), MODRM_ANY, 3, IMM_NONE, 0},
    {"inc rm8", OP1(0xfe), MODRM_ANY, 0, IMM_NONE, 0},
    {"inc rm", OP1(0xff), MODRM_ANY, 0, IMM_NONE, 0},
    {"dec rm8", OP1(0xfe), MODRM_ANY, 1, IMM_NONE, 0},
    {"dec rm", OP1(0xff), MODRM_ANY, 1, IMM_NONE, 0},
    {"mov rm8,r8", OP1(0x88), MODRM_ANY, -1, IMM_NONE, 0},
    {"mov rm,r", OP1(0x89), MODRM_ANY, -1, IMM_NONE, 0},
    {"mov r8,rm8", OP1(0x8a), MODRM_ANY, -1, IMM_NONE, 0},
    {"mov r,rm", OP1(0x8b), MODRM_ANY, -1, IMM_NONE, 0},
    {"mov rm8,imm8", OP1(0xc6), MODRM_ANY, 0, IMM_8, 0},
    {"mov rm,imm", OP1(0xc7), MODRM_ANY, 0, IMM_Z, 0},
    {"mov r8,imm8", OP1(0xb0), MODRM_NONE, -1, IMM_8, PLUS_R},
    {"mov r,imm", OP1(0xb8), MODRM_NONE, -1, IMM_FULL, PLUS_R},
    {"mov al,moffs", OP1(0xa0), MODRM_NONE, -1, IMM_ADDRESS, 0},
    {"mov rax,moffs", OP1(0xa1), MODRM_NONE, -1, IMM_ADDRESS, 0},
    {"mov moffs,al", OP1(0xa2), MODRM_NONE, -1, IMM_ADDRESS, 0},
    {"mov moffs,rax", OP1(0xa3), MODRM_NONE, -1, IMM_ADDRESS, 0},
    {"movsxd", OP1(0x63), MODRM_ANY, -1, IMM_NONE, NO_66},
    {"movzx r,rm8", OP2(0x0f, 0xb6), MODRM_ANY, -1, IMM_NONE, 0},
    {"movzx r,rm16", OP2(0x0f, 0xb7), MODRM_ANY, -1, IMM_NONE, 0},
    {"movsx r,rm8", OP2(0x0f, 0xbe), MODRM_ANY, -1, IMM_NONE, 0},
    {"movsx r,rm16", OP2(0x0f, 0xbf), MODRM_ANY, -1, IMM_NONE, 0},
    {"lea", OP1(0x8d), MODRM_MEMORY, -1, IMM_NONE, 0},
    {"xchg rm8,r8", OP1(0x86), MODRM_REGISTER, -1, IMM_NONE, 0},
    {"xchg rm,r", OP1(0x87), MODRM_REGISTER, -1, IMM_NONE, 0},
    {"xchg rax,r", OP1(0x90), MODRM_NONE, -1, IMM_NONE, PLUS_R},
    {"imul r,rm", OP2(0x0f, 0xaf), MODRM_ANY, -1, IMM_NONE, 0},
    {"imul r,rm,imm8", OP1(0x6b), MODRM_ANY, -1, IMM_8, 0},
    {"imul r,rm,imm", OP1(0x69), MODRM_ANY, -1, IMM_Z, 0},
    {"bt r,r", OP2(0x0f, 0xa3), MODRM_REGISTER, -1, IMM_NONE, 0},
    {"bt r,imm8", OP2(0x0f, 0xba), MODRM_REGISTER, 4, IMM_8, 0},
    {"bswap", OP2(0x0f, 0xc8), MODRM_NONE, -1, IMM_NONE, PLUS_R | NO_66},
    {"setcc", OP2(0x0f, 0x90), MODRM_ANY, 0, IMM_NONE, PLUS_CC},
    {"cmovcc", OP2(0x0f, 0x40), MODRM_ANY, -1, IMM_NONE, PLUS_CC},
    {"cbw..cdqe", OP1(0x98), MODRM_NONE, -1, IMM_NONE, 0},
    {"cwd..cqo", OP1(0x99), MODRM_NONE, -1, IMM_NONE, 0},
    {"clc", OP1(0xf8), MODRM_NONE, -1, IMM_NONE, 0},
    {"stc", OP1(0xf9), MODRM_NONE, -1, IMM_NONE, 0},
    {"cmc", OP1(0xf5), MODRM_NONE, -1, IMM_NONE, 0},
    {"push r", OP1(0x50), MODRM_NONE, -1, IMM_NONE, PLUS_R | NO_66},
    {"push imm", OP1(0x68), MODRM_NONE, -1, IMM_Z, NO_66},
    {"push imm8", OP1(0x6a), MODRM_NONE, -1, IMM_8, NO_66},
    {"push rm", OP1(0xff), MODRM_ANY, 6, IMM_NONE, NO_66},
    {"pop r", OP1(0x58), MODRM_NONE, -1, IMM_NONE, PLUS_R | NO_66},
    {"pop rm", OP1(0x8f), MODRM_ANY, 0, IMM_NONE, NO_66},
    {"pushf", OP1(0x9c), MODRM_NONE, -1, IMM_NONE, NO_66},
    {"popf", OP1(0x9d), MODRM_NONE, -1, IMM_NONE, NO_66 | RARE},
    {"leave", OP1(0xc9), MODRM_NONE, -1, IMM_NONE, NO_66},
    {"call rel32", OP1(0xe8), MODRM_NONE, -1, IMM_REL32, NO_66},
    {"call rm", OP1(0xff), MODRM_ANY, 2, IMM_NONE, NO_66 | TARGET},
    {"ret", OP1(0xc3), MODRM_NONE, -1, IMM_NONE, NO_66 | TARGET},
    {"rep ret", OP2(0xf3, 0xc3), MODRM_NONE, -1, IMM_NONE, NO_LOW | TARGET},
    {"ret imm16", OP1(0xc2), MODRM_NONE, -1, IMM_16, NO_66 | TARGET},
    {"jmp rel8", OP1(0xeb), MODRM_NONE, -1, IMM_REL8, NO_66},
    {"jmp rel32", OP1(0xe9), MODRM_NONE, -1, IMM_REL32, NO_66},
    {"jmp rm", OP1(0xff), MODRM_ANY, 4, IMM_NONE, NO_66 | TARGET},
    {"notrack jmp r", OP2(0x3e, 0xff), MODRM_REGISTER, 4, IMM_NONE, NO_LOW | TARGET},
    {"bnd jmp rm", OP2(0xf2, 0xff), MODRM_ANY, 4, IMM_NONE, NO_LOW | TARGET},
    {"jcc rel8", OP1(0x70), MODRM_NONE, -1, IMM_REL8, PLUS_CC | NO_66},
    {"jcc rel32", OP2(0x0f, 0x80), MODRM_NONE, -1, IMM_REL32, PLUS_CC | NO_66},
    {"jrcxz", OP1(0xe3), MODRM_NONE, -1, IMM_REL8, NO_66},
    {"nop", OP1(0x90), MODRM_NONE, -1, IMM_NONE, NO_LOW},
    {"long nop", OP2(0x0f, 0x1f), MODRM_ANY, 0, IMM_NONE, 0},
    {"endbr64", OP4(0xf3, 0x0f, 0x1e, 0xfa), MODRM_NONE, -1, IMM_NONE, NO_LOW},
};
const size_t emulate_template_count = sizeof(emulate_templates) / sizeof(emulate_templates[0]);

static size_t
put_immediate(uint64_t *random, uint8_t *at, unsigned int kind, bool word, bool wide,
              bool address32)
{
  uint64_t value = random_value(random);
  size_t size = 0;

  switch (kind) {
  case IMM_8:
  case IMM_REL8:
    size = 1;
    break;
  case IMM_16:
    size = 2;
    value &= 0x1ff;
    break;
  case IMM_Z:
    size = word && !wide ? 2 : 4;
    break;
  case IMM_FULL:
    size = wide ? 8 : word ? 2 : 4;
    break;
  case IMM_REL32:
    size = 4;
    value &= 0x3fffffff;
    break;
  case IMM_ADDRESS:
    size = address32 ? 4 : 8;
    value = DATA_BASE + below(random, DATA_SIZE - 8);
    break;
  default:
    break;
  }
  memcpy(at, &value, size);
  return size;
}

static size_t
put_modrm(uint64_t *random, uint8_t *at, const emulate_template *t)
{
  uint8_t mod = (uint8_t)below(random, 4);
  uint8_t rm = (uint8_t)below(random, 8);
  uint8_t reg = t->digit >= 0 ? (uint8_t)t->digit : (uint8_t)below(random, 8);
  size_t size = 1;
  uint8_t sib = 0;
  uint64_t displacement = random_value(random);

  if (t->modrm == MODRM_REGISTER)
    mod = 3;
  else if (t->modrm == MODRM_MEMORY)
    mod = (uint8_t)below(random, 3);
  at[0] = (uint8_t)(mod << 6 | reg << 3 | rm);
  if (mod == 3)
    return 1;
  if (rm == 4)
    at[size++] = sib = (uint8_t)next_random(random);
  if (mod == 1) {
    at[size++] = (uint8_t)displacement;
  } else if (mod == 2 || (mod == 0 && (rm == 5 || (rm == 4 && (sib & 7) == 5)))) {
    memcpy(at + size, &displacement, 4);
    size += 4;
  }
  return size;
}

size_t
emulate_template_make(uint64_t *random, const emulate_template *t, uint8_t *code)
{
  size_t size = 0;
  bool word = false, address32 = false;
  uint8_t rex = 0;

  if (!(t->flags & NO_LOW)) {
    word = !(t->flags & NO_66) && below(random, 5) == 0;
    address32 = below(random, 16) == 0;
    if (word)
      code[size++] = 0x66;
    if (address32)
      code[size++] = 0x67;
    if (below(random, 8) == 0)
      code[size++] = below(random, 2) ? 0x64 : 0x65;
    if (below(random, 3) != 0)
      code[size++] = rex = (uint8_t)(0x40 | below(random, 16));
  }
  memcpy(code + size, t->opcode, t->opcode_size);
  size += t->opcode_size;
  if (t->flags & PLUS_R)
    code[size - 1] = (uint8_t)(code[size - 1] | below(random, 8));
  if (t->flags & PLUS_CC)
    code[size - 1] = (uint8_t)(code[size - 1] | below(random, 16));
  if (t->modrm != MODRM_NONE)
    size += put_modrm(random, code + size, t);
  size += put_immediate(random, code + size, t->immediate, word, rex & 8, address32);
  return size;
}
