/* SPDX-License-Identifier: MIT */
/* ICorDebugProcess and its successors: the session's first object. */
#include "cordbg/icordebug/private.h"

#include "cordbg/icordebug/unmanaged.h"

#include <stdio.h>
#include <string.h>

#include "cordbg/memory/doors.h"

static cordbg_process *
self_of(void *This)
{
  return CORDBG_SELF(cordbg_process, This);
}

static void
process_dispose(void *object)
{
  cordbg_process *self = object;
  pthread_mutex_lock(&self->session->lock);
  if (self->session->process == self)
    self->session->process = NULL;
  pthread_mutex_unlock(&self->session->lock);
  cordbg_object_unref(self->cordebug);
  cordbg_session_unref(self->session);
}

static HRESULT
process_get_id(ICorDebugProcess *This, DWORD *id)
{
  cordbg_process *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, id != NULL);
  if (SUCCEEDED(hr))
    *id = (DWORD)self->session->pid;
  return hr;
}

/* A handle of the process functions (winbase.h), with all rights; the caller closes it. */
static HRESULT
process_get_handle(ICorDebugProcess *This, HPROCESS *handle)
{
  cordbg_process *self = self_of(This);
  cordbg_error error;
  HRESULT hr = cordbg_check(&self->child, handle != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_handle_for_process(self->session->pid, PROCESS_ALL_ACCESS, handle, &error);
  return cordbg_answer(hr, &error);
}

static HRESULT
process_get_thread(ICorDebugProcess *This, DWORD id, ICorDebugThread **ret)
{
  cordbg_process *self = self_of(This);
  cordbg_session *session = self->session;
  cordbg_rt_id *ids = NULL;
  size_t count = 0;
  cordbg_thread *found = NULL;
  cordbg_error error;
  HRESULT hr = cordbg_enter(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = session->ops->threads(session->runtime, &ids, &count, &error);
  for (size_t i = 0; i < count && SUCCEEDED(hr) && found == NULL; i++) {
    cordbg_thread *thread;
    hr = cordbg_session_thread(session, ids[i], &thread, &error);
    if (SUCCEEDED(hr) && (DWORD)thread->tid == id)
      found = thread;
  }
  g_free(ids);
  if (SUCCEEDED(hr) && found == NULL)
    hr = cordbg_error_set(&error, E_INVALIDARG, 0, 0, "%u is no managed thread of process %d", id,
                          session->pid);
  return CORDBG_HAND_OUT(self, hr, &error, found, as_thread, ret);
}

/* Registers need a stop, but not a synchronised one: an out-of-band event will do. */
static HRESULT
enter_stopped(cordbg_process *self, bool arguments)
{
  HRESULT hr = cordbg_enter_attached(&self->child, arguments);
  if (FAILED(hr) || self->session->stop_count > 0 || self->session->out_of_band)
    return hr;
  cordbg_leave(&self->child);
  return cordbg_fail(CORDBG_E_PROCESS_NOT_SYNCHRONIZED,
                     "the process is running: call Stop, or wait for a callback");
}

static HRESULT
process_get_thread_context(ICorDebugProcess *This, DWORD id, ULONG32 size, BYTE *context)
{
  cordbg_process *self = self_of(This);
  cordbg_error error;
  HRESULT hr = enter_stopped(self, context != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_context_get(self->session, (int)id, size, context, &error);
  cordbg_leave(&self->child);
  return cordbg_answer(hr, &error);
}

static HRESULT
process_set_thread_context(ICorDebugProcess *This, DWORD id, ULONG32 size, BYTE *context)
{
  cordbg_process *self = self_of(This);
  cordbg_error error;
  HRESULT hr = enter_stopped(self, context != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_context_set(self->session, (int)id, size, context, &error);
  cordbg_leave(&self->child);
  return cordbg_answer(hr, &error);
}

/* What the thread's outstanding exception is a signal for does not reach the program; that of a
 * native breakpoint or a step is cordbg's own and does so in no case. */
static HRESULT
process_clear_current_exception(ICorDebugProcess *This, DWORD id)
{
  cordbg_process *self = self_of(This);
  cordbg_error error;
  HRESULT hr = cordbg_enter_attached(&self->child, true);
  if (FAILED(hr))
    return hr;
  hr = cordbg_natives_clear_exception(self->session, (int)id, &error);
  cordbg_leave(&self->child);
  return cordbg_answer(hr, &error);
}

static HRESULT
find_domain(cordbg_session *session, cordbg_rt_id id, void **iface, cordbg_error *error)
{
  cordbg_domain *domain;
  HRESULT hr = cordbg_session_domain(session, id, &domain, error);
  if (SUCCEEDED(hr))
    *iface = &domain->as_domain.iface;
  return hr;
}

static HRESULT
process_enumerate_domains(ICorDebugProcess *This, ICorDebugAppDomainEnum **ret)
{
  cordbg_process *self = self_of(This);
  cordbg_session *session = self->session;
  cordbg_rt_id *ids = NULL;
  size_t count = 0;
  cordbg_error error;
  HRESULT hr = cordbg_enter(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = session->ops->domains(session->runtime, &ids, &count, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_enumerate_ids(session, &IID_ICorDebugAppDomainEnum, ids, count, find_domain,
                              (void **)ret, &error);
  cordbg_leave(&self->child);
  return cordbg_answer(hr, &error);
}

/* The runtime's own version, not the one that its class library pretends to be. */
static HRESULT
process_get_version(ICorDebugProcess2 *This, COR_VERSION *version)
{
  cordbg_process *self = self_of(This);
  unsigned part[4] = {0};
  HRESULT hr = cordbg_check(&self->child, version != NULL);
  if (FAILED(hr))
    return hr;
  if (sscanf(self->session->info.version, "%u.%u.%u.%u", &part[0], &part[1], &part[2], &part[3]) <
      1)
    return cordbg_fail(CORDBG_E_NOTREADY, "the runtime's version is not known");
  *version = (COR_VERSION){part[0], part[1], part[2], part[3]};
  return S_OK;
}

CORDBG_VTBL(ICorDebugProcess, process_vtbl, CORDBG_CONTROLLER_SLOTS(ICorDebugProcess),
            .GetID = process_get_id, .GetHandle = process_get_handle,
            .GetThread = process_get_thread, .GetThreadContext = process_get_thread_context,
            .SetThreadContext = process_set_thread_context,
            .ReadMemory = cordbg_process_read_memory, .WriteMemory = cordbg_process_write_memory,
            .ClearCurrentException = process_clear_current_exception,
            .EnumerateAppDomains = process_enumerate_domains);
CORDBG_VTBL(ICorDebugProcess2, process2_vtbl, .GetVersion = process_get_version,
            .SetUnmanagedBreakpoint = cordbg_process_set_unmanaged,
            .ClearUnmanagedBreakpoint = cordbg_process_clear_unmanaged);
CORDBG_VTBL(ICorDebugProcess3, process3_vtbl);
CORDBG_VTBL(ICorDebugProcess4, process4_vtbl);
CORDBG_VTBL(ICorDebugProcess5, process5_vtbl);
CORDBG_VTBL(ICorDebugProcess8, process8_vtbl);

static const cordbg_interface process_interfaces[] = {
    CORDBG_INTERFACE(cordbg_process, as_process, ICorDebugProcess, process_vtbl),
    CORDBG_INTERFACE_BASE(cordbg_process, as_process, ICorDebugController, process_vtbl),
    CORDBG_INTERFACE(cordbg_process, as_process2, ICorDebugProcess2, process2_vtbl),
    CORDBG_INTERFACE(cordbg_process, as_process3, ICorDebugProcess3, process3_vtbl),
    CORDBG_INTERFACE(cordbg_process, as_process4, ICorDebugProcess4, process4_vtbl),
    CORDBG_INTERFACE(cordbg_process, as_process5, ICorDebugProcess5, process5_vtbl),
    CORDBG_INTERFACE(cordbg_process, as_process8, ICorDebugProcess8, process8_vtbl),
};

const cordbg_class cordbg_process_class =
    CORDBG_CLASS(cordbg_process, process_interfaces, process_dispose);

/* ---- For the rest of the library ---- */

HRESULT
cordbg_process_target(ICorDebugProcess *process, cordbg_target **ret, cordbg_error *error)
{
  cordbg_process *self = cordbg_object_from(process, &cordbg_process_class);
  if (self == NULL)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "the process is no process of cordbg's");
  *ret = cordbg_target_ref(self->session->target);
  return S_OK;
}

HRESULT
cordbg_process_alive(ICorDebugProcess *process, cordbg_error *error)
{
  cordbg_process *self = cordbg_object_from(process, &cordbg_process_class);
  if (self == NULL)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "the process is no process of cordbg's");
  HRESULT hr = cordbg_check(&self->child, true);
  if (FAILED(hr) && error != NULL)
    *error = *cordbg_error_last();
  return hr;
}
