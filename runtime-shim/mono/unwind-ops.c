/* SPDX-License-Identifier: MIT */
/*
 * Mono's own unwind information: for each body of code the compiler records, instruction by
 * instruction, where the caller's frame and registers are. The encoding is that of DWARF's call
 * frame instructions (DWARF 4, 6.4.2) with a data alignment of -8 and a code alignment of 1, the
 * initial rules in front, and one addition: DW_CFA_mono_advance_loc goes to the start of the
 * epilogue, whose place is stored elsewhere. Behind the epilogue the rules from before it hold
 * again (remember_state, restore_state), so that every instruction is described.
 *
 * The bytes are hostile: whatever they say, the interpreter ends after as many steps as there are
 * bytes, and reads nothing but the target's memory through the caller's function.
 */
#include "config.h"

#include <string.h>

#include "runtime-shim/mono/mono-private.h"

enum {
  OP_ADVANCE = 0x40, /* the low six bits are the distance */
  OP_OFFSET = 0x80,  /* the low six bits are the register */
  OP_ADVANCE_1 = 0x02,
  OP_ADVANCE_2 = 0x03,
  OP_ADVANCE_4 = 0x04,
  OP_OFFSET_EXTENDED = 0x05,
  OP_SAME_VALUE = 0x08,
  OP_REMEMBER = 0x0a,
  OP_RESTORE = 0x0b,
  OP_DEF_CFA = 0x0c,
  OP_DEF_CFA_REGISTER = 0x0d,
  OP_DEF_CFA_OFFSET = 0x0e,
  OP_OFFSET_EXTENDED_SF = 0x11,
  OP_EPILOG = 0x1c,
};

enum { REGISTERS = 17, RETURN_ADDRESS = 16, REMEMBERED_MAX = 8, WINDOW = 4096, FAR = 1 << 28 };

typedef struct rules {
  uint32_t cfa_register;
  int64_t cfa_offset;
  int64_t saved[REGISTERS]; /* where, relative to the CFA; 0: not saved */
} rules;

/* By DWARF's numbers. */
static unsigned long long *
register_of(struct user_regs_struct *registers, unsigned number)
{
  unsigned long long *const all[REGISTERS] = {
      &registers->rax, &registers->rdx, &registers->rcx, &registers->rbx, &registers->rsi,
      &registers->rdi, &registers->rbp, &registers->rsp, &registers->r8,  &registers->r9,
      &registers->r10, &registers->r11, &registers->r12, &registers->r13, &registers->r14,
      &registers->r15, &registers->rip};

  return all[number];
}

typedef struct reader {
  const uint8_t *ops;
  size_t size, at;
  bool failed;
} reader;

static uint32_t
number(reader *r)
{
  uint32_t value = 0;

  if (!cordbg_mono_leb128(r->ops, r->size, &r->at, &value))
    r->failed = true;
  return value;
}

static int32_t
signed_number(reader *r)
{
  uint64_t value = 0;
  unsigned shift = 0;

  while (r->at < r->size && shift < 35) {
    uint8_t byte = r->ops[r->at++];
    value |= (uint64_t)(byte & 0x7f) << shift;
    shift += 7;
    if (!(byte & 0x80)) {
      if (byte & 0x40)
        value |= ~0ull << shift;
      return (int32_t)value;
    }
  }
  r->failed = true;
  return 0;
}

static uint32_t
fixed(reader *r, size_t width)
{
  uint32_t value = 0;

  if (r->size - r->at < width) {
    r->failed = true;
    return 0;
  }
  memcpy(&value, r->ops + r->at, width);
  r->at += width;
  return value;
}

static void
save(reader *r, rules *now, uint32_t register_number, int64_t words)
{
  if (register_number >= REGISTERS || words == 0 || words > FAR / 8 || words < -(FAR / 8))
    r->failed = true;
  else
    now->saved[register_number] = words * -8;
}

static void
define_cfa(reader *r, rules *now, uint32_t register_number, uint32_t offset)
{
  if (register_number >= RETURN_ADDRESS || offset > FAR) {
    r->failed = true;
    return;
  }
  now->cfa_register = register_number;
  now->cfa_offset = offset;
}

/* An instruction that moves on: by how far. False: it is another one, and nothing was read. */
static bool
read_advance(reader *r, uint32_t epilog, uint32_t *position)
{
  uint8_t op = r->ops[r->at];
  uint64_t next = *position;

  if ((op & 0xc0) == OP_ADVANCE) {
    r->at++;
    next += op & 0x3f;
  } else if (op >= OP_ADVANCE_1 && op <= OP_ADVANCE_4) {
    r->at++;
    next += fixed(r, op == OP_ADVANCE_1 ? 1 : op == OP_ADVANCE_2 ? 2 : 4);
  } else if (op == OP_EPILOG) {
    r->at++;
    /* Of unknown place: what follows cannot be applied. */
    next = epilog ? epilog : UINT32_MAX;
  } else {
    return false;
  }
  *position = (uint32_t)MIN(next, UINT32_MAX);
  return true;
}

static void
execute(reader *r, rules *now, rules *remembered, unsigned *depth)
{
  uint8_t op = r->ops[r->at++];
  uint32_t which;

  if ((op & 0xc0) == OP_OFFSET) {
    save(r, now, op & 0x3f, number(r));
    return;
  }
  switch (op) {
  case 0: /* padding */
    break;
  case OP_OFFSET_EXTENDED:
    which = number(r);
    save(r, now, which, number(r));
    break;
  case OP_OFFSET_EXTENDED_SF:
    which = number(r);
    save(r, now, which, signed_number(r));
    break;
  case OP_SAME_VALUE:
    which = number(r);
    if (which < REGISTERS)
      now->saved[which] = 0;
    break;
  case OP_REMEMBER:
    if (*depth < REMEMBERED_MAX)
      remembered[(*depth)++] = *now;
    else
      r->failed = true;
    break;
  case OP_RESTORE:
    if (*depth > 0)
      *now = remembered[--*depth];
    else
      r->failed = true;
    break;
  case OP_DEF_CFA:
    which = number(r);
    define_cfa(r, now, which, number(r));
    break;
  case OP_DEF_CFA_REGISTER:
    define_cfa(r, now, number(r), (uint32_t)now->cfa_offset);
    break;
  case OP_DEF_CFA_OFFSET:
    define_cfa(r, now, now->cfa_register, number(r));
    break;
  default:
    r->failed = true;
  }
}

/* The rules that hold at offset. */
static bool
find_rules(const uint8_t *ops, size_t size, uint32_t offset, uint32_t epilog, rules *now)
{
  reader r = {.ops = ops, .size = size};
  rules remembered[REMEMBERED_MAX];
  unsigned depth = 0;
  uint32_t position = 0;

  *now = (rules){.cfa_register = RETURN_ADDRESS};
  while (r.at < r.size && !r.failed) {
    if (!read_advance(&r, epilog, &position))
      execute(&r, now, remembered, &depth);
    else if (position > offset)
      break;
  }
  return !r.failed && now->cfa_register != RETURN_ADDRESS && now->saved[RETURN_ADDRESS] != 0;
}

/* Most frames keep what they saved within a window below the CFA: one read for all. */
static bool
restore(const rules *now, uint64_t cfa, cordbg_mono_peek peek, void *data,
        struct user_regs_struct *ret)
{
  uint8_t window[WINDOW];
  int64_t lowest = 0;

  for (unsigned i = 0; i < REGISTERS; i++)
    if (now->saved[i] >= -WINDOW)
      lowest = MIN(lowest, now->saved[i]);
  if (lowest < 0 && !peek(data, cfa + (uint64_t)lowest, window, (size_t)-lowest))
    return false;
  for (unsigned i = 0; i < REGISTERS; i++) {
    uint64_t value;
    int64_t at = now->saved[i];
    if (at == 0)
      continue;
    if (at < 0 && at >= -WINDOW)
      memcpy(&value, window + (at - lowest), sizeof(value));
    else if (!peek(data, cfa + (uint64_t)at, &value, sizeof(value)))
      return false;
    *register_of(ret, i) = value;
  }
  return true;
}

HRESULT
cordbg_mono_apply_unwind_ops(const uint8_t *ops, size_t size, uint32_t offset, uint32_t epilog,
                             cordbg_mono_peek peek, void *data,
                             const struct user_regs_struct *registers, struct user_regs_struct *ret)
{
  struct user_regs_struct caller = *registers;
  rules now;

  if (!find_rules(ops, size, offset, epilog, &now))
    return E_INVALIDARG;
  uint64_t cfa = *register_of(&caller, now.cfa_register) + (uint64_t)now.cfa_offset;
  /* A caller's frame lies above. */
  if (cfa <= registers->rsp)
    return E_INVALIDARG;
  if (!restore(&now, cfa, peek, data, &caller))
    return CORDBG_E_READVIRTUAL_FAILURE;
  caller.rsp = cfa;
  *ret = caller;
  return S_OK;
}

bool
cordbg_mono_unwind_epilog_length(const uint8_t *ops, size_t size, uint32_t *ret)
{
  reader r = {.ops = ops, .size = size};
  rules now = {0}, remembered[REMEMBERED_MAX];
  unsigned depth = 0;
  uint32_t position = 0;
  bool inside = false;

  while (r.at < r.size && !r.failed) {
    bool epilog = r.ops[r.at] == OP_EPILOG;
    uint8_t op = r.ops[r.at];
    if (read_advance(&r, 1, &position)) {
      inside |= epilog;
      continue;
    }
    execute(&r, &now, remembered, &depth);
    if (inside && op == OP_DEF_CFA && now.cfa_register == 7 && now.cfa_offset == 8) {
      *ret = position - 1;
      return !r.failed;
    }
  }
  return false;
}
