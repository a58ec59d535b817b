/* SPDX-License-Identifier: MIT */
/*
 * What a process object does to memory. Reading and writing take no lock and need no stop; the
 * results are those of the contract for ICorDebugProcess::ReadMemory, and the reader of the memory
 * room gives them.
 */
#include "cordbg/icordebug/private.h"

#include <errno.h>

static cordbg_process *
self_of(void *This)
{
  return CORDBG_SELF(cordbg_process, This);
}

HRESULT
cordbg_process_read_memory(ICorDebugProcess *This, CORDB_ADDRESS address, DWORD size, BYTE *buffer,
                           SIZE_T *read)
{
  cordbg_process *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, true);
  if (FAILED(hr)) {
    if (read != NULL)
      *read = 0;
    return hr;
  }
  return cordbg_icordebug_read_memory(self->session->target, address, size, buffer, read);
}

HRESULT
cordbg_process_write_memory(ICorDebugProcess *This, CORDB_ADDRESS address, DWORD size, BYTE *buffer,
                            SIZE_T *written)
{
  cordbg_process *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, true);
  if (FAILED(hr)) {
    if (written != NULL)
      *written = 0;
    return hr;
  }
  return cordbg_icordebug_write_memory(self->session->target, address, size, buffer, written);
}

static HRESULT
plant_native(cordbg_session *session, uint64_t address, BYTE *original, cordbg_error *error)
{
  cordbg_plant_result result = {0};
  HRESULT hr =
      cordbg_tracer_plant(session->tracer, CORDBG_LAYER_NATIVE, &address, 1, &result, error);
  if (FAILED(hr))
    return hr;
  switch (result.status) {
  case 0:
    *original = result.original;
    return S_OK;
  case EEXIST:
    return cordbg_error_set(error, CORDBG_E_NATIVE_PATCH_ALREADY_AT_ADDR, 0, address,
                            "there is a native breakpoint at 0x%llx already",
                            (unsigned long long)address);
  case EFAULT:
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_NOACCESS), EFAULT, address,
                            "nothing is mapped at 0x%llx", (unsigned long long)address);
  default:
    return cordbg_error_set_errno(error, result.status, address,
                                  "no native breakpoint can be set at 0x%llx: %s",
                                  (unsigned long long)address, g_strerror(result.status));
  }
}

/*
 * Running or stopped, also while an out-of-band event is outstanding. The byte that comes out is
 * the program's, also where a managed breakpoint stands. Inside the runtime's own image the call
 * is ignored, as documented: S_OK, the byte, nothing planted.
 */
HRESULT
cordbg_process_set_unmanaged(ICorDebugProcess2 *This, CORDB_ADDRESS address, ULONG32 bufsize,
                             BYTE *buffer, ULONG32 *length)
{
  cordbg_process *self = self_of(This);
  cordbg_session *session = self->session;
  cordbg_error error;
  BYTE original = 0;
  HRESULT hr = cordbg_check(&self->child, address != 0 && bufsize >= 1 && buffer != NULL);
  if (FAILED(hr))
    return hr;
  if (!session->interop)
    return cordbg_fail(CORDBG_E_MUST_BE_INTEROP_DEBUGGING,
                       "native breakpoints need win32Attach (or DEBUG_PROCESS in CreateProcess)");
  if (address - session->info.base < session->info.size)
    hr = cordbg_target_read_exact(session->target, CORDBG_VIEW_PRISTINE, address, &original, 1,
                                  &error);
  else
    hr = plant_native(session, address, &original, &error);
  if (FAILED(hr))
    return cordbg_answer(hr, &error);
  buffer[0] = original;
  if (length != NULL)
    *length = 1;
  return S_OK;
}

HRESULT
cordbg_process_clear_unmanaged(ICorDebugProcess2 *This, CORDB_ADDRESS address)
{
  cordbg_process *self = self_of(This);
  cordbg_plant_result result = {0};
  cordbg_error error;
  HRESULT hr = cordbg_check(&self->child, address != 0);
  if (FAILED(hr))
    return hr;
  hr = cordbg_tracer_remove(self->session->tracer, CORDBG_LAYER_NATIVE, &address, 1, &result,
                            &error);
  if (SUCCEEDED(hr) && result.status != 0)
    hr = cordbg_error_set(&error, CORDBG_E_NO_NATIVE_PATCH_AT_ADDR, result.status, address,
                          "there is no native breakpoint at 0x%llx", (unsigned long long)address);
  return cordbg_answer(hr, &error);
}

HRESULT
cordbg_process_force_unmanaged(ICorDebugProcess *process, CORDB_ADDRESS address, BYTE *original,
                               cordbg_error *error)
{
  BYTE byte = 0;
  HRESULT hr = cordbg_process_alive(process, error);
  if (FAILED(hr))
    return hr;
  cordbg_session *session = self_of(process)->session;
  if (address == 0)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "address 0 holds no code");
  if (!session->interop)
    return cordbg_error_set(error, CORDBG_E_MUST_BE_INTEROP_DEBUGGING, 0, 0,
                            "native breakpoints need win32Attach (or DEBUG_PROCESS in "
                            "CreateProcess)");
  hr = plant_native(session, address, &byte, error);
  if (SUCCEEDED(hr) && original != NULL)
    *original = byte;
  return hr;
}
