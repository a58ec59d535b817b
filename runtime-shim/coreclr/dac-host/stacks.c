/* SPDX-License-Identifier: MIT */
/*
 * Stacks: one frame of managed code (by its unwind data, unwind.c), and the runtime's own record of
 * where a thread left managed code (by the DAC's stack walk, which knows every kind of Frame).
 *
 * The DAC copies a CONTEXT by the size that its caller gives, whatever it has room for: it must be
 * given exactly its own.
 */
#include "config.h"

#include <string.h>

#include "runtime-shim/coreclr/dac-host/host.h"

#define CONTEXT_ROOM 16384u
#define STEPS_MAX 4096
#define THREAD_WORDS 256 /* of a Thread that are looked at */

void
host_forget_stacks(dac_host *host)
{
  host->image_count = 0;
  memset(host->bodies, 0, sizeof host->bodies);
  memset(host->threads, 0, sizeof host->threads);
}

/* ---- Managed code ---- */

static bool
holds(const cordbg_dac_code *code, uint64_t address)
{
  return address - code->start < code->size || address - code->cold_start < code->cold_size;
}

/* S_FALSE: no code there. */
static HRESULT
body_at(dac_host *host, uint64_t address, const host_body **ret)
{
  host_body *body = &host->bodies[host->next_body % HOST_BODIES];

  for (unsigned i = 0; i < HOST_BODIES; i++) {
    if (holds(&host->bodies[i].code, address)) {
      *ret = &host->bodies[i];
      return S_OK;
    }
  }
  memset(body, 0, sizeof *body);
  HRESULT hr = host_describe_code(host, address, true, &body->code);
  if (hr != S_OK) {
    memset(body, 0, sizeof *body);
    return hr;
  }
  body->gc_info = host_gc_info(host, address);
  host->next_body++;
  *ret = body;
  return S_OK;
}

/* ---- Hijacked return addresses ---- */

/* The Thread of an OS thread; 0: none. */
static uint64_t
thread_of(dac_host *host, int32_t tid)
{
  host_thread *kept = &host->threads[(uint32_t)tid % HOST_THREADS];
  DacpThreadStoreData store = {0};
  DacpThreadData data = {0};

  if (kept->tid == tid)
    return kept->thread;
  if (FAILED(host->sos->lpVtbl->GetThreadStoreData(host->sos, &store)))
    return 0;
  uint64_t at = store.firstThread;
  for (uint32_t i = 0; at != 0 && i < CORDBG_DAC_THREADS_MAX; i++, at = data.nextThread) {
    if (FAILED(host->sos->lpVtbl->GetThreadData(host->sos, at, &data)))
      return 0;
    if (data.osThreadId == (uint32_t)tid) {
      *kept = (host_thread){.tid = tid, .thread = at};
      return at;
    }
  }
  return 0;
}

/*
 * To suspend a thread in managed code the runtime replaces the return address of its innermost
 * frame, and keeps in the Thread where that stands (the word behind it) and what it was.
 */
static void
undo_hijack(dac_host *host, int32_t tid, struct user_regs_struct *caller)
{
  uint64_t words[THREAD_WORDS];
  uint64_t slot = caller->rsp - sizeof *words;
  const host_body *body = NULL;

  if (body_at(host, caller->rip - 1, &body) == S_OK)
    return;
  uint64_t thread = thread_of(host, tid);
  if (thread == 0)
    return;
  size_t count = host_read(host, thread, words, sizeof words) / sizeof *words;
  for (size_t i = 1; i < count; i++) {
    if (words[i] == slot && body_at(host, words[i - 1] - 1, &body) == S_OK) {
      caller->rip = words[i - 1];
      return;
    }
  }
}

/* S_FALSE: the PC is in no managed code. */
static HRESULT
unwind_one(dac_host *host, const struct user_regs_struct *registers, bool innermost,
           cordbg_error *error)
{
  cordbg_dac_wire_frame frame = {.kind = CORDBG_RT_FRAME_MANAGED, .caller = *registers};
  const host_body *body = NULL;
  HRESULT hr = body_at(host, innermost ? registers->rip : registers->rip - 1, &body);

  if (FAILED(hr))
    return host_set(error, hr, "GetMethodDescData");
  if (hr == S_FALSE)
    return S_FALSE;
  frame.code = body->code;
  hr = host_unwind_code(host, &body->code, body->gc_info, innermost, &frame.caller, error);
  if (FAILED(hr))
    return hr;
  undo_hijack(host, host->request.tid, &frame.caller);
  host_add_element(host, &frame, sizeof frame);
  return S_OK;
}

/* The frame that is asked for, and those behind it: they are asked for next. */
HRESULT
host_unwind(dac_host *host, cordbg_error *error)
{
  struct user_regs_struct at = host->request.registers;
  HRESULT hr = unwind_one(host, &at, host->request.token != 0, error);

  for (unsigned i = 1; hr == S_OK && i < CORDBG_DAC_FRAMES_MAX; i++) {
    const uint8_t *last = host->answer + host->answer_size - sizeof(cordbg_dac_wire_frame);
    memcpy(&at, last + offsetof(cordbg_dac_wire_frame, caller), sizeof at);
    if (unwind_one(host, &at, false, NULL) != S_OK)
      break;
  }
  return hr;
}

/* ---- The chain of Frames ---- */

typedef union context_room {
  CONTEXT context;
  uint8_t bytes[CONTEXT_ROOM];
} context_room;

/* S_FALSE: the walk is at its end. */
static HRESULT
get_context(dac_host *host, IXCLRDataStackWalk *walk, struct user_regs_struct *registers)
{
  static context_room room;
  ULONG32 size = 0;

  if (host->context_size == 0) { /* refused, but not without telling */
    walk->lpVtbl->GetContext(walk, CONTEXT_FULL, 0, &size, room.bytes);
    if (size < sizeof room.context || size > sizeof room)
      return E_UNEXPECTED;
    host->context_size = size;
  }
  HRESULT hr = walk->lpVtbl->GetContext(walk, CONTEXT_FULL, host->context_size, &size, room.bytes);
  if (hr == S_OK)
    host_context_to(&room.context, registers);
  return hr;
}

static HRESULT
walk_on(dac_host *host, IXCLRDataStackWalk *walk, struct user_regs_struct *ret)
{
  const struct user_regs_struct *given = &host->request.registers;
  HRESULT hr = S_OK;

  for (int i = 0; hr == S_OK && i < STEPS_MAX; i++) {
    CLRDataSimpleFrameType simple = 0;
    CLRDataDetailedFrameType detailed = 0;
    struct user_regs_struct registers = *given;
    hr = walk->lpVtbl->GetFrameType(walk, &simple, &detailed);
    if (hr == S_OK && simple == FRAME_MANAGED_METHOD &&
        get_context(host, walk, &registers) == S_OK && registers.rsp > given->rsp) {
      *ret = registers;
      return S_OK;
    }
    if (hr == S_OK)
      hr = walk->lpVtbl->Next(walk);
  }
  return FAILED(hr) ? hr : S_FALSE;
}

HRESULT
host_next_managed(dac_host *host, cordbg_error *error)
{
  IXCLRDataTask *task = NULL;
  IXCLRDataStackWalk *walk = NULL;
  struct user_regs_struct found;

  if (FAILED(host->process->lpVtbl->GetTaskByOSThreadID(host->process, (ULONG32)host->request.tid,
                                                        &task)) ||
      task == NULL)
    return S_FALSE; /* no managed thread */
  /* It begins at the registers of the request (ICLRDataTarget::GetThreadContext). */
  HRESULT hr = task->lpVtbl->CreateStackWalk(task, FRAMES_ALL, &walk);
  task->lpVtbl->Release(task);
  if (FAILED(hr) || walk == NULL)
    return host_set(error, hr, "CreateStackWalk");
  hr = walk_on(host, walk, &found);
  walk->lpVtbl->Release(walk);
  if (hr == S_OK)
    host_add_element(host, &found, sizeof found);
  return FAILED(hr) ? host_set(error, hr, "the stack walk") : hr;
}
