/* SPDX-License-Identifier: MIT */
/*
 * IDebugClient and IDebugControl: what a program needs that attaches noninvasively, waits, looks
 * and parts. Everything else answers E_NOTIMPL: events, breakpoints, stepping and commands are
 * ICorDebug's, dumps and remote sessions nobody's.
 */
#include "config.h"

#include "cordbg/memory/dbgeng-private.h"

#include <unistd.h>

static cordbg_engine *
engine_of(const void *This)
{
  return CORDBG_SELF(cordbg_engine, This);
}

/* ---- IDebugClient ---- */

static HRESULT
attach_process(IDebugClient *This, ULONG64 server, ULONG pid, ULONG flags)
{
  const ULONG noninvasive = DEBUG_ATTACH_NONINVASIVE;
  const ULONG no_suspend = DEBUG_ATTACH_NONINVASIVE_NO_SUSPEND;
  const ULONG known = noninvasive | no_suspend | DEBUG_ATTACH_EXISTING |
                      DEBUG_ATTACH_INVASIVE_NO_INITIAL_BREAK | DEBUG_ATTACH_INVASIVE_RESUME_PROCESS;
  if (server != 0)
    return cordbg_engine_refuse(E_INVALIDARG, "there are no process servers: Server must be 0");
  if (pid == 0 || pid > INT32_MAX)
    return cordbg_engine_refuse(E_INVALIDARG, "no process has such an id");
  if ((flags & ~known) != 0)
    return cordbg_engine_refuse(E_INVALIDARG, "an attach flag that is not known");
  if ((flags & noninvasive) == 0 && (flags & no_suspend) == 0)
    return cordbg_engine_refuse(E_NOTIMPL, "only DEBUG_ATTACH_NONINVASIVE is there: ICorDebug's "
                                           "DebugActiveProcess attaches for debugging");
  if ((flags & noninvasive) == 0 || (flags & ~(noninvasive | no_suspend)) != 0)
    return cordbg_engine_refuse(E_INVALIDARG, "attach flags that exclude each other");
  return cordbg_engine_attach(engine_of(This), (int)pid, flags);
}

static HRESULT
detach_processes(IDebugClient *This)
{
  return cordbg_engine_part(engine_of(This), false);
}

static HRESULT
terminate_processes(IDebugClient *This)
{
  return cordbg_engine_part(engine_of(This), true);
}

static HRESULT
end_session(IDebugClient *This, ULONG flags)
{
  switch (flags) {
  case DEBUG_END_PASSIVE:
  case DEBUG_END_ACTIVE_DETACH:
    return cordbg_engine_part(engine_of(This), false);
  case DEBUG_END_ACTIVE_TERMINATE:
    return cordbg_engine_part(engine_of(This), true);
  case DEBUG_END_REENTRANT:
  case DEBUG_END_DISCONNECT:
    return cordbg_engine_refuse(E_NOTIMPL, "a session ends passively, by detaching or by "
                                           "terminating, and in no other way");
  default:
    return cordbg_engine_refuse(E_INVALIDARG, "no way to end a session has such a number");
  }
}

CORDBG_VTBL(IDebugClient, client_vtbl, .AttachProcess = attach_process,
            .DetachProcesses = detach_processes, .TerminateProcesses = terminate_processes,
            .EndSession = end_session);
CORDBG_ENGINE_VTBL(IDebugClient, client_vtbl, cordbg_engine_client_vtbl);

/* ---- IDebugControl ---- */

static HRESULT
wait_for_event(IDebugControl *This, ULONG flags, ULONG timeout)
{
  (void)timeout;
  if (flags != DEBUG_WAIT_DEFAULT)
    return cordbg_engine_refuse(E_INVALIDARG, "WaitForEvent knows no flags");
  return cordbg_engine_wait(engine_of(This));
}

/*
 * What the methods below ask of the process, under the lock; room: where the answer goes. False:
 * *hr is the method's answer.
 */
static bool
ask(IDebugControl *This, const void *room, cordbg_engine_use *use, HRESULT *hr)
{
  cordbg_error error = {0};
  if (room == NULL) {
    *hr = cordbg_engine_refuse(E_INVALIDARG, "there is no room for the answer");
    return false;
  }
  *hr = cordbg_engine_enter(This, use, &error);
  if (FAILED(*hr))
    (void)cordbg_engine_finish(*hr, *hr, &error);
  return SUCCEEDED(*hr);
}

/* Answers without a process too: there is none then. */
static HRESULT
get_execution_status(IDebugControl *This, PULONG status)
{
  cordbg_engine_use use;
  cordbg_error error;
  if (status == NULL)
    return cordbg_engine_refuse(E_INVALIDARG, "there is no room for the answer");
  if (FAILED(cordbg_engine_enter(This, &use, &error))) {
    *status = DEBUG_STATUS_NO_DEBUGGEE;
    return S_OK;
  }
  HRESULT hr = S_OK;
  if (FAILED(cordbg_reader_state(use.reader)))
    *status = DEBUG_STATUS_NO_DEBUGGEE;
  else if (use.engine->state == CORDBG_ENGINE_JOINED)
    hr = cordbg_engine_refuse(E_UNEXPECTED, "ICorDebugController::IsRunning tells whether a "
                                            "process that ICorDebug debugs runs");
  else
    *status = use.engine->complete ? DEBUG_STATUS_BREAK : DEBUG_STATUS_GO;
  cordbg_engine_leave(&use);
  return hr;
}

static HRESULT
get_debuggee_type(IDebugControl *This, PULONG class, PULONG qualifier)
{
  cordbg_engine_use use;
  cordbg_error error;
  if (class == NULL || qualifier == NULL)
    return cordbg_engine_refuse(E_INVALIDARG, "there is no room for the answer");
  bool has = SUCCEEDED(cordbg_engine_enter(This, &use, &error));
  if (has)
    cordbg_engine_leave(&use);
  *class = has ? DEBUG_CLASS_USER_WINDOWS : DEBUG_CLASS_UNINITIALIZED;
  *qualifier = DEBUG_USER_WINDOWS_PROCESS;
  return S_OK;
}

static HRESULT
get_actual_processor_type(IDebugControl *This, PULONG type)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (!ask(This, type, &use, &hr))
    return hr;
  *type = IMAGE_FILE_MACHINE_AMD64;
  cordbg_engine_leave(&use);
  return S_OK;
}

static HRESULT
get_effective_processor_type(IDebugControl *This, PULONG type)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (!ask(This, type, &use, &hr))
    return hr;
  *type = use.engine->narrow ? IMAGE_FILE_MACHINE_I386 : IMAGE_FILE_MACHINE_AMD64;
  cordbg_engine_leave(&use);
  return S_OK;
}

static HRESULT
get_number_processors(IDebugControl *This, PULONG number)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (!ask(This, number, &use, &hr))
    return hr;
  *number = (ULONG)sysconf(_SC_NPROCESSORS_ONLN);
  cordbg_engine_leave(&use);
  return S_OK;
}

static HRESULT
get_page_size(IDebugControl *This, PULONG size)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (!ask(This, size, &use, &hr))
    return hr;
  *size = 4096;
  cordbg_engine_leave(&use);
  return S_OK;
}

static HRESULT
is_pointer_64_bit(IDebugControl *This)
{
  HRESULT hr;
  cordbg_engine_use use;
  if (!ask(This, This, &use, &hr))
    return hr;
  hr = use.engine->narrow ? S_FALSE : S_OK;
  cordbg_engine_leave(&use);
  return hr;
}

/* The tables' routines concern the calling thread's current process, which this sets. */
static HRESULT
fill_table(IDebugControl *This, PWINDBG_EXTENSION_APIS32 narrow, PWINDBG_EXTENSION_APIS64 wide)
{
  HRESULT hr;
  cordbg_engine_use use;
  const void *room = wide == NULL ? (const void *)narrow : wide;
  if (!ask(This, room, &use, &hr))
    return hr;
  int thread = cordbg_engine_current_thread(&use);
  if (use.session == NULL) {
    hr = cordbg_engine_refuse(E_UNEXPECTED, "extensions need a session: attach without "
                                            "DEBUG_ATTACH_NONINVASIVE_NO_SUSPEND");
  } else {
    hr = wide == NULL ? cordbg_wdbgexts_fill32(use.session, narrow)
                      : cordbg_wdbgexts_fill64(use.session, wide);
    if (SUCCEEDED(hr))
      cordbg_wdbgexts_set_current(use.session, thread);
    else
      cordbg_engine_refuse(hr, "nSize is not the table's size");
  }
  cordbg_engine_leave(&use);
  return hr;
}

static HRESULT
get_windbg_extension_apis32(IDebugControl *This, PWINDBG_EXTENSION_APIS32 apis)
{
  return fill_table(This, apis, NULL);
}

static HRESULT
get_windbg_extension_apis64(IDebugControl *This, PWINDBG_EXTENSION_APIS64 apis)
{
  return fill_table(This, NULL, apis);
}

CORDBG_VTBL(IDebugControl, control_vtbl, .WaitForEvent = wait_for_event,
            .GetExecutionStatus = get_execution_status, .GetDebuggeeType = get_debuggee_type,
            .GetActualProcessorType = get_actual_processor_type,
            .GetExecutingProcessorType = get_effective_processor_type,
            .GetEffectiveProcessorType = get_effective_processor_type,
            .GetNumberProcessors = get_number_processors, .GetPageSize = get_page_size,
            .IsPointer64Bit = is_pointer_64_bit,
            .GetWindbgExtensionApis32 = get_windbg_extension_apis32,
            .GetWindbgExtensionApis64 = get_windbg_extension_apis64);
CORDBG_ENGINE_VTBL(IDebugControl, control_vtbl, cordbg_engine_control_vtbl);
