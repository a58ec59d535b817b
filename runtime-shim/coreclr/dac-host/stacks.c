/* SPDX-License-Identifier: MIT */
/* One frame at a time, by the DAC's own unwinder: IXCLRDataStackWalk. */
#include "config.h"

#include <string.h>

#include "runtime-shim/coreclr/dac-host/host.h"

#define CONTEXT_ROOM 4096u /* more than any CONTEXT */
#define STEPS_MAX 256

typedef union context_room {
  CONTEXT context;
  uint8_t bytes[CONTEXT_ROOM];
} context_room;

void
host_forget_walk(dac_host *host)
{
  if (host->walk != NULL)
    host->walk->lpVtbl->Release(host->walk);
  host->walk = NULL;
}

/* S_FALSE: no managed thread. */
static HRESULT
walk_of(dac_host *host, int32_t tid, IXCLRDataStackWalk **ret, cordbg_error *error)
{
  IXCLRDataTask *task = NULL;

  if (host->walk != NULL && host->walk_tid != tid)
    host_forget_walk(host);
  if (host->walk == NULL) {
    if (FAILED(host->process->lpVtbl->GetTaskByOSThreadID(host->process, (ULONG32)tid, &task)) ||
        task == NULL)
      return S_FALSE;
    HRESULT hr = task->lpVtbl->CreateStackWalk(task, FRAMES_ALL, &host->walk);
    task->lpVtbl->Release(task);
    if (FAILED(hr) || host->walk == NULL) {
      host->walk = NULL;
      return host_set(error, hr, "CreateStackWalk");
    }
    host->walk_tid = tid;
  }
  *ret = host->walk;
  return S_OK;
}

static HRESULT
put_context(IXCLRDataStackWalk *walk, const struct user_regs_struct *registers, bool innermost)
{
  context_room room;

  memset(&room, 0, sizeof room);
  host_context_from(&room.context, registers);
  return walk->lpVtbl->SetContext2(walk,
                                   innermost ? STACK_SET_CURRENT_CONTEXT : STACK_SET_UNWIND_CONTEXT,
                                   sizeof room, room.bytes);
}

static HRESULT
get_context(IXCLRDataStackWalk *walk, struct user_regs_struct *registers)
{
  context_room room;
  ULONG32 size = 0;

  memset(&room, 0, sizeof room);
  HRESULT hr = walk->lpVtbl->GetContext(walk, CONTEXT_FULL, sizeof room, &size, room.bytes);
  if (hr == S_OK)
    host_context_to(&room.context, registers);
  return hr;
}

/* ---- Stubs ---- */

/*
 * A stub of the runtime's making jumps on and has no frame of its own: the return address is on top
 * of the stack, or below one word that the stub has pushed.
 */
static HRESULT
unwind_stub(dac_host *host, cordbg_dac_wire_frame *frame)
{
  uint64_t words[2] = {0};
  uint64_t top = frame->caller.rsp;

  if (host_read(host, top, words, sizeof words) < sizeof words[0] || words[0] == 0)
    return E_FAIL;
  frame->kind = CORDBG_RT_FRAME_STUB;
  frame->caller.rip = words[0];
  frame->caller.rsp = top + sizeof words[0];
  return S_OK;
}

static bool
is_stub(dac_host *host, uint64_t address)
{
  CLRDataAddressType type = 0;

  return SUCCEEDED(host->process->lpVtbl->GetAddressType(host->process, address, &type)) &&
         (type == ADDRESS_RUNTIME_MANAGED_STUB || type == ADDRESS_RUNTIME_UNMANAGED_STUB);
}

/* ---- The requests ---- */

HRESULT
host_unwind(dac_host *host, cordbg_error *error)
{
  const cordbg_dac_request *request = &host->request;
  bool innermost = request->token != 0;
  cordbg_dac_wire_frame frame = {.kind = CORDBG_RT_FRAME_MANAGED, .caller = request->registers};
  IXCLRDataStackWalk *walk = NULL;
  uint64_t pc = request->registers.rip;
  HRESULT hr = host_describe_code(host, innermost ? pc : pc - 1, true, &frame.code);

  if (FAILED(hr))
    return host_set(error, hr, "GetMethodDescData");
  if (hr == S_FALSE) {
    if (!innermost || !is_stub(host, pc))
      return S_FALSE;
    hr = unwind_stub(host, &frame);
    if (FAILED(hr))
      return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, request->registers.rsp,
                              "no return address on the stack of a stub");
    host_add_element(host, &frame, sizeof frame);
    return S_OK;
  }
  hr = walk_of(host, request->tid, &walk, error);
  if (hr == S_FALSE)
    return cordbg_error_set(error, CORDBG_E_TARGET_INCONSISTENT, 0, pc,
                            "thread %d runs managed code and is no managed thread", request->tid);
  if (FAILED(hr))
    return hr;
  hr = put_context(walk, &request->registers, innermost);
  if (SUCCEEDED(hr))
    hr = walk->lpVtbl->Next(walk);
  if (hr == S_OK)
    hr = get_context(walk, &frame.caller);
  if (hr != S_OK)
    return host_set(error, hr, "the stack walk");
  host_add_element(host, &frame, sizeof frame);
  return S_OK;
}

HRESULT
host_next_managed(dac_host *host, cordbg_error *error)
{
  const cordbg_dac_request *request = &host->request;
  IXCLRDataStackWalk *walk = NULL;
  HRESULT hr = walk_of(host, request->tid, &walk, error);

  if (hr != S_OK)
    return hr;
  hr = put_context(walk, &request->registers, false);
  for (int i = 0; hr == S_OK && i < STEPS_MAX; i++) {
    CLRDataSimpleFrameType simple = 0;
    CLRDataDetailedFrameType detailed = 0;
    struct user_regs_struct registers = request->registers;
    if (FAILED(walk->lpVtbl->GetFrameType(walk, &simple, &detailed)))
      break;
    if ((simple == FRAME_MANAGED_METHOD || simple == FRAME_RUNTIME_MANAGED_CODE) &&
        get_context(walk, &registers) == S_OK && registers.rsp > request->registers.rsp) {
      host_add_element(host, &registers, sizeof registers);
      return S_OK;
    }
    hr = walk->lpVtbl->Next(walk);
  }
  return FAILED(hr) ? host_set(error, hr, "the stack walk") : S_FALSE;
}
