/* SPDX-License-Identifier: MIT */
/* The forms of instructions that test-emulate compares with the CPU. */
#ifndef CORDBG_TESTS_EMULATE_TEMPLATES_H
#define CORDBG_TESTS_EMULATE_TEMPLATES_H

#include <stddef.h>
#include <stdint.h>

/* Where the test has its memory window, for operands that are absolute addresses. */
#define DATA_BASE UINT64_C(0x10010000)
#define DATA_SIZE 0x4000u

#define NO_66 0x1u   /* the operand-size prefix means something else, or two things */
#define PLUS_R 0x2u  /* the opcode's last byte holds a register */
#define PLUS_CC 0x4u /* ... a condition */
#define TARGET 0x8u  /* memory and registers hold code addresses */
#define NO_LOW 0x10u /* no prefix at all */
#define RARE 0x20u   /* refused often by rule (counts, sizes) */

typedef struct emulate_template {
  const char *name;
  uint8_t opcode[4];
  uint8_t opcode_size;
  uint8_t modrm;
  int8_t digit; /* -1: a register */
  uint8_t immediate;
  uint8_t flags;
} emulate_template;

extern const emulate_template emulate_templates[];
extern const size_t emulate_template_count;

/* Writes a random instruction of the template, at most 15 bytes; its length. */
size_t emulate_template_make(uint64_t *random, const emulate_template *t, uint8_t *code);

#endif
