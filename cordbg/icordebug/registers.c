/* SPDX-License-Identifier: MIT */
/* Registers of a thread: as a CONTEXT (memory/context.h says which parts), and as
 * ICorDebugRegisterSet. */
#include "cordbg/icordebug/private.h"

#include <stddef.h>
#include <string.h>

#include "cordbg/memory/context.h"

/* Where each general register stands, in the order of CorDebugRegister: RIP, RSP, RBP, ... R15. */
static const size_t places[] = {
    offsetof(struct user_regs_struct, rip), offsetof(struct user_regs_struct, rsp),
    offsetof(struct user_regs_struct, rbp), offsetof(struct user_regs_struct, rax),
    offsetof(struct user_regs_struct, rcx), offsetof(struct user_regs_struct, rdx),
    offsetof(struct user_regs_struct, rbx), offsetof(struct user_regs_struct, rsi),
    offsetof(struct user_regs_struct, rdi), offsetof(struct user_regs_struct, r8),
    offsetof(struct user_regs_struct, r9),  offsetof(struct user_regs_struct, r10),
    offsetof(struct user_regs_struct, r11), offsetof(struct user_regs_struct, r12),
    offsetof(struct user_regs_struct, r13), offsetof(struct user_regs_struct, r14),
    offsetof(struct user_regs_struct, r15),
};

enum { FIRST_XMM = REGISTER_AMD64_XMM0, REGISTER_COUNT = REGISTER_AMD64_XMM15 + 1 };

_Static_assert(sizeof places / sizeof places[0] == FIRST_XMM, "one place a general register");

static HRESULT
check_size(ULONG32 size, cordbg_error *error)
{
  if (size >= sizeof(CONTEXT))
    return S_OK;
  return cordbg_error_set(error, E_INVALIDARG, 0, 0, "a CONTEXT has %zu bytes, not %u",
                          sizeof(CONTEXT), size);
}

HRESULT
cordbg_context_get(cordbg_session *session, int tid, ULONG32 size, BYTE *buffer,
                   cordbg_error *error)
{
  CONTEXT context;
  cordbg_registers registers;
  HRESULT hr = check_size(size, error);
  if (SUCCEEDED(hr))
    hr = cordbg_tracer_get_registers(session->tracer, tid, &registers, error);
  if (FAILED(hr))
    return hr;
  /* By way of a copy: the client's buffer need not be aligned. */
  memcpy(&context, buffer, sizeof context);
  cordbg_context_from_registers(&context, &registers);
  memcpy(buffer, &context, sizeof context);
  return S_OK;
}

HRESULT
cordbg_context_set(cordbg_session *session, int tid, ULONG32 size, const BYTE *buffer,
                   cordbg_error *error)
{
  CONTEXT context;
  cordbg_registers registers;
  HRESULT hr = check_size(size, error);
  if (SUCCEEDED(hr))
    hr = cordbg_tracer_get_registers(session->tracer, tid, &registers, error);
  if (FAILED(hr))
    return hr;
  memcpy(&context, buffer, sizeof context);
  cordbg_context_to_registers(&context, &registers);
  return cordbg_tracer_set_registers(session->tracer, tid, &registers, error);
}

/* ---- ICorDebugRegisterSet: of a thread's innermost frame, as it is at each call ---- */

typedef struct cordbg_register_set {
  CORDBG_CHILD;
  CORDBG_FACE(ICorDebugRegisterSet) as_set;
  CORDBG_FACE(ICorDebugRegisterSet2) as_set2;
  cordbg_thread *thread; /* owned */
} cordbg_register_set;

static cordbg_register_set *
self_of(void *This)
{
  return CORDBG_SELF(cordbg_register_set, This);
}

static void
set_dispose(void *object)
{
  cordbg_register_set *self = object;
  cordbg_object_unref(self->thread);
  cordbg_session_unref(self->session);
}

static ULONG64
available(void)
{
  return (1ull << REGISTER_COUNT) - 1;
}

static HRESULT
set_get_available(ICorDebugRegisterSet *This, ULONG64 *mask)
{
  cordbg_register_set *self = self_of(This);
  HRESULT hr = cordbg_check(&self->thread->child, mask != NULL);
  if (SUCCEEDED(hr))
    *mask = available();
  return hr;
}

/* The registers of the mask, ascending, packed. An XMM register gives its low half. */
static ULONG32
pack(const cordbg_registers *registers, ULONG64 mask, ULONG32 room, CORDB_REGISTER *buffer)
{
  ULONG32 count = 0;
  for (size_t i = 0; i < REGISTER_COUNT && count < room; i++)
    if ((mask >> i & 1) != 0) {
      if (i < FIRST_XMM)
        memcpy(&buffer[count], (const char *)&registers->general + places[i], sizeof buffer[count]);
      else
        memcpy(&buffer[count], &registers->floating.xmm_space[4 * (i - FIRST_XMM)],
               sizeof buffer[count]);
      count++;
    }
  return count;
}

static HRESULT
get_registers(cordbg_register_set *self, ULONG64 mask, ULONG32 room, CORDB_REGISTER *buffer)
{
  cordbg_registers registers;
  cordbg_error error;
  HRESULT hr = cordbg_enter(&self->thread->child, buffer != NULL && (mask & ~available()) == 0 &&
                                                      (ULONG32)__builtin_popcountll(mask) <= room);
  if (FAILED(hr))
    return hr;
  hr = cordbg_tracer_get_registers(self->session->tracer, self->thread->tid, &registers, &error);
  if (SUCCEEDED(hr))
    pack(&registers, mask, room, buffer);
  cordbg_leave(&self->thread->child);
  return cordbg_answer(hr, &error);
}

static HRESULT
set_get_registers(ICorDebugRegisterSet *This, ULONG64 mask, ULONG32 room, CORDB_REGISTER *buffer)
{
  return get_registers(self_of(This), mask, room, buffer);
}

static HRESULT
set_get_context(ICorDebugRegisterSet *This, ULONG32 size, BYTE *context)
{
  cordbg_register_set *self = self_of(This);
  cordbg_error error;
  HRESULT hr = cordbg_enter(&self->thread->child, context != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_context_get(self->session, self->thread->tid, size, context, &error);
  cordbg_leave(&self->thread->child);
  return cordbg_answer(hr, &error);
}

static HRESULT
set_set_context(ICorDebugRegisterSet *This, ULONG32 size, BYTE *context)
{
  cordbg_register_set *self = self_of(This);
  cordbg_error error;
  HRESULT hr = cordbg_enter(&self->thread->child, context != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_context_set(self->session, self->thread->tid, size, context, &error);
  cordbg_leave(&self->thread->child);
  return cordbg_answer(hr, &error);
}

static HRESULT
set2_get_available(ICorDebugRegisterSet2 *This, ULONG32 chunks, BYTE *mask)
{
  cordbg_register_set *self = self_of(This);
  HRESULT hr = cordbg_check(&self->thread->child, mask != NULL && chunks > 0);
  if (FAILED(hr))
    return hr;
  for (ULONG32 i = 0; i < chunks; i++)
    mask[i] = (BYTE)(i < 8 ? available() >> (8 * i) : 0);
  return S_OK;
}

static HRESULT
set2_get_registers(ICorDebugRegisterSet2 *This, ULONG32 chunks, BYTE *mask, ULONG32 room,
                   CORDB_REGISTER *buffer)
{
  ULONG64 wanted = 0;
  if (mask == NULL)
    return cordbg_fail(E_INVALIDARG, "the mask is NULL");
  for (ULONG32 i = 0; i < chunks; i++) {
    if (i >= 8 && mask[i] != 0)
      return cordbg_fail(E_INVALIDARG, "the mask names registers that do not exist");
    if (i < 8)
      wanted |= (ULONG64)mask[i] << (8 * i);
  }
  return get_registers(self_of(This), wanted, room, buffer);
}

CORDBG_VTBL(ICorDebugRegisterSet, set_vtbl, .GetRegistersAvailable = set_get_available,
            .GetRegisters = set_get_registers, .GetThreadContext = set_get_context,
            .SetThreadContext = set_set_context);
CORDBG_VTBL(ICorDebugRegisterSet2, set2_vtbl, .GetRegistersAvailable = set2_get_available,
            .GetRegisters = set2_get_registers);

static const cordbg_interface set_interfaces[] = {
    CORDBG_INTERFACE(cordbg_register_set, as_set, ICorDebugRegisterSet, set_vtbl),
    CORDBG_INTERFACE(cordbg_register_set, as_set2, ICorDebugRegisterSet2, set2_vtbl),
};

static const cordbg_class register_set_class =
    CORDBG_CLASS(cordbg_register_set, set_interfaces, set_dispose);

HRESULT
cordbg_register_set_new(cordbg_thread *thread, ICorDebugRegisterSet **ret, cordbg_error *error)
{
  cordbg_register_set *self = cordbg_child_new(thread->session, &register_set_class);
  if (self == NULL)
    return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "out of memory");
  cordbg_object_ref(thread);
  self->thread = thread;
  *ret = &self->as_set.iface;
  return S_OK;
}
