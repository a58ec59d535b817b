/* SPDX-License-Identifier: MIT */
/*
 * One frame of code that the JIT compiler or ReadyToRun made: its unwind data (x64 exception
 * handling data of the PE format, which CoreCLR uses on Linux too) interpreted here.
 *
 * Why not by the DAC's stack walk: that one cannot be put in the middle of a stack without looking
 * at the thread's chain of Frames, and it has no answer for the last managed frame of a thread
 * whose chain is at its end. The data is where the code header says (JIT), or in the image's
 * exception directory (ReadyToRun).
 */
#include "config.h"

#include <string.h>

#include "runtime-shim/coreclr/dac-host/host.h"

#define HEADER_WORDS 12
#define FUNCTIONS_MAX 4096u /* of one method: itself and its funclets */
#define IMAGE_FUNCTIONS_MAX (4u << 20)
#define CODES_MAX 255
#define CHAIN_MAX 32
#define EPILOG_INSTRUCTIONS_MAX 24
#define EPILOG_BYTES 64

typedef struct function {
  uint32_t begin, end, data; /* RUNTIME_FUNCTION, relative to the base */
} function;

typedef struct unwind_info {
  uint8_t flags, prolog, count, frame_register;
  uint32_t frame_offset; /* bytes */
  uint16_t codes[CODES_MAX + 1];
} unwind_info;

enum { FLAG_CHAINED = 4 };
enum {
  PUSH_NONVOL = 0,
  ALLOC_LARGE = 1,
  ALLOC_SMALL = 2,
  SET_FPREG = 3,
  SAVE_NONVOL = 4,
  SAVE_NONVOL_FAR = 5,
  EPILOG = 6,
  SPARE = 7,
  SAVE_XMM128 = 8,
  SAVE_XMM128_FAR = 9,
  SET_FPREG_LARGE = 11, /* CoreCLR's own */
};

static bool
read_exactly(dac_host *host, uint64_t address, void *buffer, size_t size)
{
  return host_read(host, address, buffer, size) == size;
}

/* By the number that instructions and unwind codes use. */
static unsigned long long *
numbered(struct user_regs_struct *registers, unsigned number)
{
  unsigned long long *const all[16] = {
      &registers->rax, &registers->rcx, &registers->rdx, &registers->rbx,
      &registers->rsp, &registers->rbp, &registers->rsi, &registers->rdi,
      &registers->r8,  &registers->r9,  &registers->r10, &registers->r11,
      &registers->r12, &registers->r13, &registers->r14, &registers->r15,
  };

  return all[number & 15];
}

/* ---- Where the data is ---- */

/*
 * JIT: the word before the code points at its header, in which the unwind data's table follows the
 * pointers to the GC information and to the MethodDesc. Both are known from the DAC: they tell
 * where in the header of this runtime version the table begins.
 */
static bool
find_jitted(dac_host *host, const cordbg_dac_code *code, uint64_t gc_info, uint64_t pc,
            uint64_t *base, function *ret)
{
  uint64_t header = 0, words[HEADER_WORDS];
  unsigned at = 0;
  uint32_t count = 0;
  function first, one;

  if (!read_exactly(host, code->start - 8, &header, sizeof header) ||
      !read_exactly(host, header, words, sizeof words))
    return false;
  while (at + 2 < HEADER_WORDS && (words[at] != gc_info || words[at + 1] != code->method_desc))
    at++;
  if (at + 2 >= HEADER_WORDS)
    return false;
  count = (uint32_t)words[at + 2];
  uint64_t table = header + (at + 2) * 8 + sizeof count;
  if (count == 0 || count > FUNCTIONS_MAX || !read_exactly(host, table, &first, sizeof first))
    return false;
  *base = code->start - first.begin;
  for (uint32_t i = 0; i < count; i++) {
    if (!read_exactly(host, table + (uint64_t)i * sizeof one, &one, sizeof one))
      return false;
    if (pc - *base >= one.begin && pc - *base < one.end) {
      *ret = one;
      return true;
    }
  }
  return false;
}

/* ReadyToRun: sorted, in the exception directory of the image. */
static bool
find_precompiled(dac_host *host, uint64_t pc, uint64_t *base, function *ret)
{
  uint32_t offset = 0, directory[2] = {0};
  uint16_t magic = 0;

  if (host_image_of(host, pc, base) != S_OK ||
      !read_exactly(host, *base + 0x3c, &offset, sizeof offset) || offset > HOST_PAGE ||
      !read_exactly(host, *base + offset + 24, &magic, sizeof magic) || magic != 0x20b ||
      !read_exactly(host, *base + offset + 24 + 112 + 3 * 8, directory, sizeof directory))
    return false;
  uint32_t low = 0, high = directory[1] / (uint32_t)sizeof(function);
  uint64_t where = pc - *base;
  if (directory[0] == 0 || high > IMAGE_FUNCTIONS_MAX)
    return false;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    function one;
    if (!read_exactly(host, *base + directory[0] + (uint64_t)middle * sizeof one, &one, sizeof one))
      return false;
    if (where < one.begin) {
      high = middle;
    } else if (where >= one.end) {
      low = middle + 1;
    } else {
      *ret = one;
      return true;
    }
  }
  return false;
}

/* ---- The data ---- */

/* Slots of a code, itself included; 0: unknown. */
static unsigned
slots_of(uint16_t code)
{
  switch (code >> 8 & 15) {
  case PUSH_NONVOL:
  case ALLOC_SMALL:
  case SET_FPREG:
    return 1;
  case ALLOC_LARGE:
    return code >> 12 == 0 ? 2 : 3;
  case SAVE_NONVOL:
  case SAVE_XMM128:
  case EPILOG:
    return 2;
  case SAVE_NONVOL_FAR:
  case SAVE_XMM128_FAR:
  case SET_FPREG_LARGE:
  case SPARE:
    return 3;
  default:
    return 0;
  }
}

static uint32_t
operand(const unwind_info *info, unsigned at, unsigned slots)
{
  if (slots == 2)
    return info->codes[at + 1];
  return info->codes[at + 1] | (uint32_t)info->codes[at + 2] << 16;
}

static bool
read_info(dac_host *host, uint64_t address, unwind_info *ret)
{
  uint8_t head[4];

  memset(ret, 0, sizeof *ret);
  if (!read_exactly(host, address, head, sizeof head))
    return false;
  ret->flags = head[0] >> 3;
  ret->prolog = head[1];
  ret->count = head[2];
  ret->frame_register = head[3] & 15;
  ret->frame_offset = (uint32_t)(head[3] >> 4) * 16;
  if ((head[0] & 7) == 0 || (head[0] & 7) > 2 ||
      (ret->count != 0 && !read_exactly(host, address + 4, ret->codes, ret->count * 2u)))
    return false;
  for (unsigned i = 0, slots; i < ret->count; i += slots) {
    slots = slots_of(ret->codes[i]);
    if (slots == 0 || i + slots > ret->count)
      return false;
    if ((ret->codes[i] >> 8 & 15) == SET_FPREG_LARGE)
      ret->frame_offset = operand(ret, i, slots) * 16;
  }
  return true;
}

/* The address from which SAVE_NONVOL counts. */
static uint64_t
frame_base(const unwind_info *info, struct user_regs_struct *registers, uint64_t offset)
{
  bool set = info->frame_register != 0 && (offset >= info->prolog || info->flags & FLAG_CHAINED);

  for (unsigned i = 0; info->frame_register != 0 && !set && i < info->count;
       i += slots_of(info->codes[i])) {
    unsigned operation = info->codes[i] >> 8 & 15;
    set = (operation == SET_FPREG || operation == SET_FPREG_LARGE) &&
          offset >= (info->codes[i] & 255);
  }
  return set ? *numbered(registers, info->frame_register) - info->frame_offset : registers->rsp;
}

/* Undoes one code. */
static bool
undo(dac_host *host, const unwind_info *info, unsigned at, uint64_t frame,
     struct user_regs_struct *registers)
{
  uint16_t code = info->codes[at];
  unsigned operation = code >> 8 & 15, number = code >> 12, slots = slots_of(code);
  uint64_t word = 0;

  switch (operation) {
  case PUSH_NONVOL:
    if (!read_exactly(host, registers->rsp, &word, sizeof word))
      return false;
    *numbered(registers, number) = word;
    registers->rsp += 8;
    return true;
  case ALLOC_LARGE:
    registers->rsp += slots == 2 ? operand(info, at, slots) * 8 : operand(info, at, slots);
    return true;
  case ALLOC_SMALL:
    registers->rsp += number * 8 + 8;
    return true;
  case SET_FPREG:
  case SET_FPREG_LARGE:
    registers->rsp = *numbered(registers, info->frame_register) - info->frame_offset;
    return true;
  case SAVE_NONVOL:
  case SAVE_NONVOL_FAR:
    if (!read_exactly(host, frame + operand(info, at, slots) * (operation == SAVE_NONVOL ? 8u : 1u),
                      &word, sizeof word))
      return false;
    *numbered(registers, number) = word;
    return true;
  default: /* registers that are nobody's on Linux, epilogues */
    return true;
  }
}

static bool
undo_prolog(dac_host *host, uint64_t base, function part, uint64_t pc,
            struct user_regs_struct *registers)
{
  uint64_t offset = pc - base - part.begin;

  for (unsigned depth = 0; depth < CHAIN_MAX; depth++) {
    unwind_info info;
    if (part.data & 1) {
      if (!read_exactly(host, base + (part.data & ~1u), &part, sizeof part))
        return false;
      continue;
    }
    if (!read_info(host, base + part.data, &info))
      return false;
    uint64_t frame = frame_base(&info, registers, offset);
    for (unsigned i = 0; i < info.count; i += slots_of(info.codes[i]))
      if (offset >= (info.codes[i] & 255) && !undo(host, &info, i, frame, registers))
        return false;
    if (!(info.flags & FLAG_CHAINED))
      return true;
    uint64_t next = base + part.data + 4 + (info.count + 1u) / 2 * 4;
    if (!read_exactly(host, next, &part, sizeof part))
      return false;
    offset = UINT32_MAX; /* the prologue of what it is a part of is over */
  }
  return false;
}

/* ---- Epilogues ---- */

typedef struct bytes {
  uint8_t at[EPILOG_BYTES];
  size_t size, next;
} bytes;

static bool
has(const bytes *code, size_t more)
{
  return code->size - code->next >= more;
}

/* add rsp, N / lea rsp, [register + N]: where an epilogue begins. true: it was one. */
static bool
take_release(bytes *code, struct user_regs_struct *registers)
{
  const uint8_t *at = code->at + code->next;
  int32_t wide = 0;

  if (has(code, 4) && at[0] == 0x48 && at[1] == 0x83 && at[2] == 0xc4) {
    registers->rsp += (uint64_t)(int64_t)(int8_t)at[3];
    code->next += 4;
    return true;
  }
  if (has(code, 7) && at[0] == 0x48 && at[1] == 0x81 && at[2] == 0xc4) {
    memcpy(&wide, at + 3, sizeof wide);
    registers->rsp += (uint64_t)(int64_t)wide;
    code->next += 7;
    return true;
  }
  if (!has(code, 4) || (at[0] & 0xfe) != 0x48 || at[1] != 0x8d || (at[2] >> 3 & 7) != 4 ||
      (at[2] & 7) == 4)
    return false;
  unsigned number = (at[2] & 7u) + (at[0] & 1u) * 8;
  if (at[2] >> 6 == 1) {
    registers->rsp = *numbered(registers, number) + (uint64_t)(int64_t)(int8_t)at[3];
    code->next += 4;
    return true;
  }
  if (at[2] >> 6 == 2 && has(code, 7)) {
    memcpy(&wide, at + 3, sizeof wide);
    registers->rsp = *numbered(registers, number) + (uint64_t)(int64_t)wide;
    code->next += 7;
    return true;
  }
  return false;
}

/* ret, or a jump that leaves the function. */
static bool
is_end(const bytes *code, uint64_t pc, uint64_t begin, uint64_t end)
{
  const uint8_t *at = code->at + code->next;
  uint64_t target = pc + code->next;
  int32_t wide = 0;

  if (has(code, 1) && (at[0] == 0xc3 || at[0] == 0xc2))
    return true;
  if (has(code, 2) && at[0] == 0xf3 && at[1] == 0xc3)
    return true;
  if (has(code, 2) && at[0] == 0xff && at[1] == 0x25) /* jmp [rip + N] */
    return true;
  if (has(code, 3) && (at[0] & 0xf8) == 0x48 && at[1] == 0xff && (at[2] >> 3 & 7) == 4)
    return true; /* REX.W jmp: of tail calls only */
  if (has(code, 2) && at[0] == 0xeb)
    target += 2 + (uint64_t)(int64_t)(int8_t)at[1];
  else if (has(code, 5) && at[0] == 0xe9) {
    memcpy(&wide, at + 1, sizeof wide);
    target += 5 + (uint64_t)(int64_t)wide;
  } else
    return false;
  return target <= begin || target >= end;
}

/* The thread stands in an epilogue: what is left of it is done. false: it does not. */
static bool
finish_epilog(dac_host *host, uint64_t begin, uint64_t end, struct user_regs_struct *registers)
{
  struct user_regs_struct now = *registers;
  bytes code = {.size = 0};

  code.size = host_read(host, now.rip, code.at, sizeof code.at);
  if (code.size > end - now.rip)
    code.size = end - now.rip;
  take_release(&code, &now);
  for (unsigned i = 0; i < EPILOG_INSTRUCTIONS_MAX; i++) { /* pop */
    const uint8_t *at = code.at + code.next;
    bool high = has(&code, 2) && at[0] == 0x41 && (at[1] & 0xf8) == 0x58;
    if (!high && !(has(&code, 1) && (at[0] & 0xf8) == 0x58))
      break;
    uint64_t word = 0;
    if (!read_exactly(host, now.rsp, &word, sizeof word))
      return false;
    now.rsp += 8;
    *numbered(&now, high ? (at[1] & 7u) + 8 : at[0] & 7u) = word;
    code.next += high ? 2 : 1;
  }
  if (!is_end(&code, now.rip, begin, end))
    return false;
  *registers = now;
  return true;
}

/* ---- One frame ---- */

HRESULT
host_unwind_code(dac_host *host, const cordbg_dac_code *code, uint64_t gc_info, bool innermost,
                 struct user_regs_struct *registers, cordbg_error *error)
{
  struct user_regs_struct now = *registers;
  uint64_t pc = now.rip, base = 0, back = 0;
  function part = {0};

  if (!(code->precompiled
            ? find_precompiled(host, innermost ? pc : pc - 1, &base, &part)
            : find_jitted(host, code, gc_info, innermost ? pc : pc - 1, &base, &part)))
    return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, pc,
                            "no unwind data for the code at 0x%llx", (unsigned long long)pc);
  if (!(innermost && finish_epilog(host, base + part.begin, base + part.end, &now)) &&
      !undo_prolog(host, base, part, pc, &now))
    return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, pc,
                            "the unwind data for the code at 0x%llx makes no sense",
                            (unsigned long long)pc);
  if (!read_exactly(host, now.rsp, &back, sizeof back))
    return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, now.rsp,
                            "no return address at 0x%llx", (unsigned long long)now.rsp);
  now.rip = back;
  now.rsp += 8;
  *registers = now;
  return S_OK;
}
