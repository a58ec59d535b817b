/* SPDX-License-Identifier: MIT */
/* Unwinding by what code usually looks like. Follows: System V ABI, x86-64, 3.2.2. */
#include "config.h"

#include "cordbg/native/guess.h"

#include <stddef.h>
#include <string.h>
#include <ucontext.h>

static bool
read_word(cordbg_unwinder *unwinder, uint64_t address, uint64_t *ret)
{
  return cordbg_walk_memory_read(&unwinder->memory, address, ret, sizeof(*ret));
}

/* mov $15,%rax; syscall: rt_sigreturn. At it, the stack pointer is at the ucontext. */
HRESULT
cordbg_guess_signal(cordbg_unwinder *unwinder, const cordbg_frame *frame,
                    struct user_regs_struct *caller)
{
  static const uint8_t trampoline[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
  const uint64_t *g;
  uint8_t code[sizeof(trampoline)];
  mcontext_t context;

  if (!cordbg_walk_memory_read(&unwinder->memory, frame->registers.rip, code, sizeof(code)) ||
      memcmp(code, trampoline, sizeof(code)) != 0 ||
      !cordbg_walk_memory_read(&unwinder->memory,
                               frame->registers.rsp + offsetof(ucontext_t, uc_mcontext), &context,
                               offsetof(mcontext_t, fpregs)))
    return S_FALSE;
  g = (const uint64_t *)context.gregs;
  *caller = frame->registers;
  caller->r8 = g[REG_R8];
  caller->r9 = g[REG_R9];
  caller->r10 = g[REG_R10];
  caller->r11 = g[REG_R11];
  caller->r12 = g[REG_R12];
  caller->r13 = g[REG_R13];
  caller->r14 = g[REG_R14];
  caller->r15 = g[REG_R15];
  caller->rdi = g[REG_RDI];
  caller->rsi = g[REG_RSI];
  caller->rbp = g[REG_RBP];
  caller->rbx = g[REG_RBX];
  caller->rdx = g[REG_RDX];
  caller->rax = g[REG_RAX];
  caller->rcx = g[REG_RCX];
  caller->rsp = g[REG_RSP];
  caller->rip = g[REG_RIP];
  return S_OK;
}

/* Whether the instruction before address is a call: e8 rel32, or ff /2 in one of its lengths. */
static bool
is_behind_call(cordbg_unwinder *unwinder, uint64_t address)
{
  uint8_t code[7];

  if (address < sizeof(code) || !cordbg_unwinder_is_code(unwinder, address - 1) ||
      !cordbg_walk_memory_read(&unwinder->memory, address - sizeof(code), code, sizeof(code)))
    return false;
  if (code[2] == 0xe8)
    return true;
  for (size_t i = 0; i <= 5; i++)
    if (i != 2 && code[i] == 0xff && (code[i + 1] & 0x38) == 0x10)
      return true;
  return code[2] == 0xff && (code[3] & 0x38) == 0x10;
}

/* A caller whose return address is saved at slot, with this value of rbp. */
static bool
try_slot(cordbg_unwinder *unwinder, const cordbg_frame *frame, uint64_t slot, uint64_t rbp,
         struct user_regs_struct *caller, uint64_t *cfa)
{
  uint64_t address;

  if (!read_word(unwinder, slot, &address) || !is_behind_call(unwinder, address))
    return false;
  *caller = frame->registers;
  caller->rip = address;
  caller->rsp = *cfa = slot + sizeof(address);
  caller->rbp = rbp;
  return true;
}

HRESULT
cordbg_guess_caller(cordbg_unwinder *unwinder, const cordbg_frame *frame,
                    struct user_regs_struct *caller, uint64_t *cfa)
{
  const struct user_regs_struct *r = &frame->registers;
  uint8_t code[4] = {0};
  uint64_t rbp;

  if (!frame->returns) {
    bool known = cordbg_walk_memory_read(&unwinder->memory, r->rip, code, sizeof(code));

    /* jumped to nowhere; ret; push %rbp; endbr64: nothing is on the stack yet, or any more */
    if ((!known || code[0] == 0xc3 || code[0] == 0xc2 || code[0] == 0x55 ||
         memcmp(code, "\xf3\x0f\x1e\xfa", 4) == 0) &&
        try_slot(unwinder, frame, r->rsp, r->rbp, caller, cfa))
      return S_OK;
    /* mov %rsp,%rbp behind push %rbp */
    if (memcmp(code, "\x48\x89\xe5", 3) == 0 && read_word(unwinder, r->rsp, &rbp) &&
        try_slot(unwinder, frame, r->rsp + 8, rbp, caller, cfa))
      return S_OK;
  }
  if (r->rbp >= r->rsp && (r->rbp & 7) == 0 && read_word(unwinder, r->rbp, &rbp) &&
      try_slot(unwinder, frame, r->rbp + 8, rbp, caller, cfa))
    return S_OK;
  if (!frame->returns && try_slot(unwinder, frame, r->rsp, r->rbp, caller, cfa))
    return S_OK;
  return S_FALSE;
}
