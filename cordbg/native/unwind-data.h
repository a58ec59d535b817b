/* SPDX-License-Identifier: MIT */
/*
 * Call-frame information of one ELF image (.eh_frame, else .debug_frame), read by libdw, kept in a
 * form that is evaluated without it. Private to the native room.
 *
 * Files are handed to libelf for reading, never for mapping: a mapped file that shrinks would end
 * the client with SIGBUS.
 */
#ifndef CORDBG_NATIVE_UNWIND_DATA_H
#define CORDBG_NATIVE_UNWIND_DATA_H

#include <elfutils/libdw.h>

#include "cordbg/native/walk-memory.h"

/* DWARF's numbers of the x86-64 registers. */
enum { CORDBG_DWARF_RBP = 6, CORDBG_DWARF_RSP = 7, CORDBG_DWARF_RIP = 16, CORDBG_DWARF_COUNT = 17 };

typedef enum cordbg_rule_kind {
  CORDBG_RULE_SAME,       /* the caller's value is this frame's */
  CORDBG_RULE_UNDEFINED,  /* it is lost; of the return address: there is no caller */
  CORDBG_RULE_SAVED,      /* in memory at CFA + offset */
  CORDBG_RULE_VALUE,      /* CFA + offset itself */
  CORDBG_RULE_REGISTER,   /* register + offset (for the CFA), or a register's value */
  CORDBG_RULE_EXPRESSION, /* expressions[offset] */
} cordbg_rule_kind;

typedef struct cordbg_unwind_rule {
  uint8_t kind;
  uint8_t reg;
  int32_t offset;
} cordbg_unwind_rule;

typedef struct cordbg_unwind_expression {
  size_t count;
  Dwarf_Op *ops;
} cordbg_unwind_expression;

/* How to find a frame's caller from one PC. */
typedef struct cordbg_unwind_rules {
  bool signal; /* the kernel's frame: its caller was interrupted */
  cordbg_unwind_rule cfa;
  cordbg_unwind_rule registers[CORDBG_DWARF_COUNT];
  uint32_t expression_count;
  cordbg_unwind_expression *expressions;
} cordbg_unwind_rules;

typedef struct cordbg_unwind_data cordbg_unwind_data;

/* fd and bytes (g_malloc'ed: an image of the file) are taken over. NULL: it is no ELF image. */
cordbg_unwind_data *cordbg_unwind_data_from_file(int fd);
cordbg_unwind_data *cordbg_unwind_data_from_bytes(void *bytes, size_t size);
void cordbg_unwind_data_free(cordbg_unwind_data *data); /* NULL allowed */

/* Whether it has no call-frame information for any address: .debug_frame is not looked at. */
bool cordbg_unwind_data_is_empty(const cordbg_unwind_data *data);

/*
 * The rules at an address of the file; NULL: it has none there. Valid until the data are freed or,
 * since the memory for them is bounded, the next call.
 * debug: of the same image with a .debug_frame, asked second; NULL: none.
 */
const cordbg_unwind_rules *cordbg_unwind_data_at(cordbg_unwind_data *data, Dwarf *debug,
                                                 uint64_t address);

/*
 * Applies rules: *caller gets the caller's registers (those that hold, the rest as they are in
 * *frame). S_FALSE: there is no caller. bias: of the image. An error: memory that cannot be read,
 * or an expression that cannot be evaluated.
 */
HRESULT cordbg_unwind_rules_apply(const cordbg_unwind_rules *rules, uint64_t bias,
                                  cordbg_walk_memory *memory, const struct user_regs_struct *frame,
                                  struct user_regs_struct *caller, uint64_t *cfa,
                                  cordbg_error *error);

/* The register of DWARF's number (< CORDBG_DWARF_COUNT). */
unsigned long long *cordbg_dwarf_register(struct user_regs_struct *registers, unsigned number);

#endif
