/* SPDX-License-Identifier: MIT */
/* WdbgExts' thread contexts and stacks: of the current thread, the target being stopped. */
#include "config.h"

#include "cordbg/memory/context.h"
#include "cordbg/memory/wdbgexts-private.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

static HRESULT
check_context(const CONTEXT *context, ULONG size, cordbg_error *error)
{
  if (context == NULL || size < sizeof *context)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "a CONTEXT has %zu bytes, %u were given",
                            sizeof *context, size);
  return S_OK;
}

HRESULT
cordbg_extension_registers(cordbg_extension_session *session, int tid, cordbg_registers *ret,
                           cordbg_error *error)
{
  return cordbg_tracer_get_registers(session->target->tracer, tid, ret, error);
}

HRESULT
cordbg_extension_has_thread(cordbg_target *target, int tid, cordbg_error *error)
{
  cordbg_thread_info *threads;
  size_t count;
  HRESULT hr = cordbg_tracer_threads(target->tracer, &threads, &count, error);
  if (FAILED(hr))
    return hr;
  hr = S_FALSE;
  for (size_t i = 0; i < count && hr == S_FALSE; i++)
    hr = threads[i].tid == tid ? S_OK : S_FALSE;
  free(threads);
  return hr;
}

static int
thread_of(const cordbg_extension_session *session, ULONG processor)
{
  return processor != 0 ? (int)processor : cordbg_extension_thread(session);
}

ULONG
cordbg_extension_get_context(ULONG processor, PCONTEXT context, ULONG size)
{
  cordbg_error error = {0};
  cordbg_registers registers;
  if (cordbg_extension_target() == NULL)
    return FALSE;
  cordbg_extension_session *session = cordbg_extension_current();
  HRESULT hr = check_context(context, size, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_extension_registers(session, thread_of(session, processor), &registers, &error);
  if (FAILED(hr))
    return cordbg_extension_failed(&error);
  /* What flags it came with is not looked at: extensions hand in whatever they have, and get all
     there is. */
  memset(context, 0, sizeof *context);
  context->ContextFlags = CONTEXT_FULL | CONTEXT_SEGMENTS;
  cordbg_context_from_registers(context, &registers);
  return TRUE;
}

ULONG
cordbg_extension_set_context(ULONG processor, PCONTEXT context, ULONG size)
{
  cordbg_error error = {0};
  cordbg_registers registers;
  if (cordbg_extension_target() == NULL)
    return FALSE;
  cordbg_extension_session *session = cordbg_extension_current();
  int tid = thread_of(session, processor);
  HRESULT hr = check_context(context, size, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_extension_registers(session, tid, &registers, &error);
  if (SUCCEEDED(hr)) {
    cordbg_context_to_registers(context, &registers);
    hr = cordbg_tracer_set_registers(session->target->tracer, tid, &registers, &error);
  }
  return SUCCEEDED(hr) ? TRUE : cordbg_extension_failed(&error);
}

/*
 * The walk of the session's thread. base, stack, pc: where it begins, each 0 for what the thread's
 * own registers have. *frames is g_malloc'ed.
 */
HRESULT
cordbg_extension_walk(cordbg_extension_session *session, uint64_t base, uint64_t stack, uint64_t pc,
                      size_t capacity, cordbg_frame **ret, size_t *count, cordbg_error *error)
{
  int tid = cordbg_extension_thread(session);
  cordbg_registers registers;
  cordbg_unwinder *unwinder;
  cordbg_stack_end end;
  HRESULT hr = cordbg_extension_registers(session, tid, &registers, error);
  if (SUCCEEDED(hr))
    hr = cordbg_target_unwinder(session->target, &unwinder, error);
  if (FAILED(hr))
    return hr;
  if (base != 0)
    registers.general.rbp = base;
  if (stack != 0)
    registers.general.rsp = stack;
  if (pc != 0)
    registers.general.rip = pc;
  g_autofree cordbg_frame *frames = g_try_new(cordbg_frame, capacity);
  if (frames == NULL)
    return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "no memory for %zu frames", capacity);
  hr = cordbg_stack_walk(unwinder, NULL, tid, &registers.general, frames, capacity, count, &end,
                         error);
  if (SUCCEEDED(hr))
    *ret = g_steal_pointer(&frames);
  return hr;
}

ULONG
cordbg_extension_stack(ULONG64 base, ULONG64 stack, ULONG64 pc, PEXTSTACKTRACE64 frames,
                       ULONG count)
{
  cordbg_error error = {0};
  g_autofree cordbg_frame *walked = NULL;
  size_t done = 0;
  if (cordbg_extension_target() == NULL || frames == NULL || count == 0)
    return 0;
  if (count > CORDBG_EXTENSION_FRAMES_MAX)
    count = CORDBG_EXTENSION_FRAMES_MAX;
  HRESULT hr = cordbg_extension_walk(cordbg_extension_current(), base, stack, pc, count, &walked,
                                     &done, &error);
  if (FAILED(hr)) {
    cordbg_extension_failed(&error);
    return 0;
  }
  for (size_t i = 0; i < done; i++) {
    const cordbg_frame *frame = &walked[i];
    /* Arguments travel in registers here: what they were, a frame does not say. */
    frames[i] = (EXTSTACKTRACE64){
        .FramePointer = frame->cfa == 0 ? frame->registers.rbp : frame->cfa - 16,
        .ProgramCounter = frame->registers.rip,
        .ReturnAddress = i + 1 < done ? walked[i + 1].registers.rip : 0,
    };
  }
  return (ULONG)done;
}
