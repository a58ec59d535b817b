/* SPDX-License-Identifier: MIT */
/*
 * CONTEXT and user_regs_struct. Both floating-point parts are the CPU's own FXSAVE image, so these
 * 512 bytes are copied as they are.
 */
#include "config.h"

#include "cordbg/memory/context.h"

#include <string.h>

_Static_assert(sizeof(XMM_SAVE_AREA32) == sizeof(struct user_fpregs_struct), "both are FXSAVE's");

static bool
wants(const CONTEXT *context, DWORD part)
{
  return (context->ContextFlags & part & ~CONTEXT_AMD64) != 0;
}

void
cordbg_context_from_registers(CONTEXT *context, const cordbg_registers *registers)
{
  const struct user_regs_struct *general = &registers->general;
  if (wants(context, CONTEXT_CONTROL)) {
    context->Rip = general->rip;
    context->Rsp = general->rsp;
    context->EFlags = (DWORD)general->eflags;
    context->SegCs = (WORD)general->cs;
    context->SegSs = (WORD)general->ss;
  }
  if (wants(context, CONTEXT_INTEGER)) {
    context->Rax = general->rax;
    context->Rbx = general->rbx;
    context->Rcx = general->rcx;
    context->Rdx = general->rdx;
    context->Rsi = general->rsi;
    context->Rdi = general->rdi;
    context->Rbp = general->rbp;
    context->R8 = general->r8;
    context->R9 = general->r9;
    context->R10 = general->r10;
    context->R11 = general->r11;
    context->R12 = general->r12;
    context->R13 = general->r13;
    context->R14 = general->r14;
    context->R15 = general->r15;
  }
  if (wants(context, CONTEXT_SEGMENTS)) {
    context->SegDs = (WORD)general->ds;
    context->SegEs = (WORD)general->es;
    context->SegFs = (WORD)general->fs;
    context->SegGs = (WORD)general->gs;
  }
  if (wants(context, CONTEXT_FLOATING_POINT)) {
    memcpy(&context->FltSave, &registers->floating, sizeof context->FltSave);
    context->MxCsr = registers->floating.mxcsr;
  }
  if (wants(context, CONTEXT_DEBUG_REGISTERS)) {
    context->Dr0 = context->Dr1 = context->Dr2 = context->Dr3 = context->Dr6 = context->Dr7 = 0;
    context->ContextFlags &= ~(CONTEXT_DEBUG_REGISTERS & ~CONTEXT_AMD64);
  }
}

void
cordbg_context_to_registers(const CONTEXT *context, cordbg_registers *registers)
{
  struct user_regs_struct *general = &registers->general;
  if (wants(context, CONTEXT_CONTROL)) {
    general->rip = context->Rip;
    general->rsp = context->Rsp;
    general->eflags = context->EFlags;
    general->cs = context->SegCs;
    general->ss = context->SegSs;
  }
  if (wants(context, CONTEXT_INTEGER)) {
    general->rax = context->Rax;
    general->rbx = context->Rbx;
    general->rcx = context->Rcx;
    general->rdx = context->Rdx;
    general->rsi = context->Rsi;
    general->rdi = context->Rdi;
    general->rbp = context->Rbp;
    general->r8 = context->R8;
    general->r9 = context->R9;
    general->r10 = context->R10;
    general->r11 = context->R11;
    general->r12 = context->R12;
    general->r13 = context->R13;
    general->r14 = context->R14;
    general->r15 = context->R15;
  }
  if (wants(context, CONTEXT_SEGMENTS)) {
    general->ds = context->SegDs;
    general->es = context->SegEs;
    general->fs = context->SegFs;
    general->gs = context->SegGs;
  }
  if (wants(context, CONTEXT_FLOATING_POINT)) {
    memcpy(&registers->floating, &context->FltSave, sizeof registers->floating);
    registers->floating.mxcsr = context->MxCsr;
  }
}
