/* SPDX-License-Identifier: MIT */
/*
 * The DbgHelp door: the callback through which StackWalk64 reads. Its document asks for as much of
 * the range as possible, unlike ReadProcessMemory's.
 */
#include "config.h"

#include "cordbg/com/hresult.h"
#include "cordbg/export.h"
#include "cordbg/memory/doors.h"
#include "cordbg/memory/handles.h"

static DWORD
read_error(HRESULT hr)
{
  switch (hr) {
  case CORDBG_E_READVIRTUAL_FAILURE:
    return ERROR_PARTIAL_COPY;
  case E_INVALIDARG:
    return ERROR_NOACCESS;
  case CORDBG_E_PROCESS_TERMINATED:
  case CORDBG_E_OBJECT_NEUTERED:
    return ERROR_ACCESS_DENIED;
  default:
    return cordbg_win32_from_hresult(hr);
  }
}

CORDBG_EXPORT BOOL
cordbg_ReadProcessMemoryProc64(HANDLE process, DWORD64 address, PVOID buffer, DWORD size,
                               LPDWORD read)
{
  cordbg_error error;
  DWORD code;
  size_t count = 0;
  if (read != NULL)
    *read = 0;
  cordbg_handle *handle = cordbg_handle_check(process, PROCESS_VM_READ, &code, &error);
  if (handle == NULL) {
    cordbg_error_remember(&error);
    SetLastError(code);
    return FALSE;
  }
  cordbg_target *target = cordbg_handle_target(handle);
  HRESULT hr = CORDBG_E_OBJECT_NEUTERED;
  if (target != NULL)
    hr = cordbg_target_read(target, CORDBG_VIEW_CLIENT, address, buffer, size, &count, &error);
  if (hr == CORDBG_E_OBJECT_NEUTERED) /* no session, or one that has just ended */
    hr = cordbg_reader_read(&handle->reader, CORDBG_VIEW_CLIENT, address, buffer, size, &count,
                            &error);
  cordbg_target_unref(target);
  cordbg_handle_drop(handle);
  if (read != NULL)
    *read = (DWORD)count;
  if (FAILED(hr)) {
    cordbg_error_remember(&error);
    SetLastError(read_error(hr));
  }
  return count > 0;
}
