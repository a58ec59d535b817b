/* SPDX-License-Identifier: MIT */
/*
 * Where a thread left managed code. Mono links a record (MonoLMF) into a chain of the thread at
 * each transition into native code that may need a stack walk; the youngest is found through two
 * thread-local variables, one of which points into what the other one points to. They have no
 * symbols: that relation tells them, beside the variable of the domain (layout.c).
 */
#include "config.h"

#include <string.h>

#include "runtime-shim/mono/mono-private.h"

enum {
  NEIGHBOURS_BELOW = 8, /* words beside the domain's variable */
  NEIGHBOURS_ABOVE = 2,
  LMF_OF_JIT_TLS = 16, /* MonoJitTlsData.lmf */
  RECORDS_MAX = 65536,
  RECORD_EXTENDED = 2,   /* low bits of the link: no frame of its own */
  RECORD_TRAMPOLINE = 4, /* with all registers of the interrupted code */
};

typedef struct record {
  uint64_t previous;
  uint64_t rbp;
  uint64_t rsp;
  uint64_t context; /* of RECORD_TRAMPOLINE only: MonoContext */
} record;

/* 0: the runtime does not know the thread. */
static uint64_t
youngest_record(cordbg_runtime *runtime, uint64_t thread)
{
  uint64_t words[NEIGHBOURS_BELOW + 1 + NEIGHBOURS_ABOVE] = {0};
  uint64_t first = thread + (uint64_t)(int64_t)runtime->layout.tls_domain - NEIGHBOURS_BELOW * 8;
  uint64_t ret = 0;

  if (!runtime->layout.has_tls ||
      cordbg_mono_read(runtime, first, words, sizeof(words), NULL) != S_OK)
    return 0;
  for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
    for (size_t k = 0; k < G_N_ELEMENTS(words); k++)
      if (words[k] > 0x1000 && words[i] == words[k] + LMF_OF_JIT_TLS)
        return cordbg_mono_read_word(runtime, words[i], &ret) ? ret & ~7ull : 0;
  return 0;
}

/* The registers that a record keeps. False: none. */
static bool
registers_of(cordbg_runtime *runtime, const record *r, struct user_regs_struct *ret)
{
  enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R12 = 12, R15 = 15, RIP, COUNT };
  uint64_t context[COUNT];

  if (r->previous & RECORD_EXTENDED)
    return false;
  if (!(r->previous & RECORD_TRAMPOLINE)) {
    uint64_t rip;
    if (!cordbg_mono_read_word(runtime, r->rsp - 8, &rip))
      return false;
    ret->rip = rip;
    ret->rsp = r->rsp;
    ret->rbp = r->rbp; /* the frame that made the record saved all others, and restores them */
    return true;
  }
  if (cordbg_mono_read(runtime, r->context, context, sizeof(context), NULL) != S_OK)
    return false;
  ret->rbx = context[RBX];
  ret->rsp = context[RSP];
  ret->rbp = context[RBP];
  ret->r12 = context[R12];
  ret->r13 = context[R12 + 1];
  ret->r14 = context[R12 + 2];
  ret->r15 = context[R15];
  ret->rip = context[RIP];
  return true;
}

HRESULT
cordbg_mono_next_managed(cordbg_runtime *runtime, int32_t tid,
                         const struct user_regs_struct *registers, struct user_regs_struct *ret,
                         cordbg_error *error)
{
  uint64_t at = youngest_record(runtime, registers->fs_base);

  (void)tid;
  (void)error;
  for (unsigned i = 0; at && i < RECORDS_MAX; i++) {
    struct user_regs_struct found = *registers;
    record r = {0};
    if (cordbg_mono_read(runtime, at, &r, offsetof(record, context), NULL) != S_OK)
      break;
    if (r.previous & RECORD_TRAMPOLINE)
      cordbg_mono_read_word(runtime, at + offsetof(record, context), &r.context);
    if (registers_of(runtime, &r, &found) && found.rsp > registers->rsp &&
        cordbg_mono_is_code(runtime, found.rip - 1)) {
      *ret = found;
      return S_OK;
    }
    /* The stack grows down: an older record lies above. */
    uint64_t previous = r.previous & ~7ull;
    if (previous <= at)
      break;
    at = previous;
  }
  return S_FALSE;
}
