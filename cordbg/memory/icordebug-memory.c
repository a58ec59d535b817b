/* SPDX-License-Identifier: MIT */
/*
 * ICorDebugProcess::ReadMemory and WriteMemory.
 *
 * The document says: managed breakpoints are removed from the data, native ones are not, nothing is
 * cached; data is written behind breakpoints of either kind. It is silent about errors. They are
 * those that Microsoft's own library was seen to give:
 *
 *   all                      S_OK
 *   starts readable, a hole  HRESULT_FROM_WIN32(ERROR_PARTIAL_COPY), the count before the hole
 *   first byte unreadable    CORDBG_E_READVIRTUAL_FAILURE (CORDBG_E_WRITEVIRTUAL_FAILURE)
 *   size 0                   S_OK, count 0 (there the original leaves the count unset)
 *   address 0, a wrap,       E_INVALIDARG, count 0
 *   no buffer
 *   process ended, detached  CORDBG_E_PROCESS_TERMINATED, CORDBG_E_OBJECT_NEUTERED
 */
#include "config.h"

#include "cordbg/memory/target.h"

#define PARTIAL_COPY HRESULT_FROM_WIN32(ERROR_PARTIAL_COPY)

/* Success leaves the thread's last error alone. */
static HRESULT
finish(HRESULT hr, cordbg_error *error)
{
  if (hr == S_OK)
    return S_OK;
  if (hr == S_FALSE)
    hr = error->hr = PARTIAL_COPY;
  cordbg_error_remember(error);
  return hr;
}

static HRESULT
check(uint64_t address, DWORD size, const void *buffer, cordbg_error *error)
{
  if (size == 0)
    return S_OK;
  if (address == 0)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "address 0 is no address");
  if (buffer == NULL)
    return cordbg_error_set(error, E_INVALIDARG, 0, address, "no buffer was given");
  return S_OK;
}

HRESULT
cordbg_icordebug_read_view(cordbg_target *target, cordbg_view view, uint64_t address, DWORD size,
                           BYTE *buffer, SIZE_T *read)
{
  cordbg_error error;
  size_t count = 0;
  if (read != NULL)
    *read = 0;
  HRESULT hr = check(address, size, buffer, &error);
  if (SUCCEEDED(hr) && (unsigned)view > CORDBG_VIEW_PRISTINE)
    hr = cordbg_error_set(&error, E_INVALIDARG, 0, 0, "there is no view %u", (unsigned)view);
  if (SUCCEEDED(hr))
    hr = cordbg_target_read(target, view, address, buffer, size, &count, &error);
  if (read != NULL)
    *read = count;
  return finish(hr, &error);
}

HRESULT
cordbg_icordebug_read_memory(cordbg_target *target, uint64_t address, DWORD size, BYTE *buffer,
                             SIZE_T *read)
{
  return cordbg_icordebug_read_view(target, CORDBG_VIEW_CLIENT, address, size, buffer, read);
}

HRESULT
cordbg_icordebug_write_memory(cordbg_target *target, uint64_t address, DWORD size,
                              const BYTE *buffer, SIZE_T *written)
{
  cordbg_error error = {0};
  size_t count = 0;
  if (written != NULL)
    *written = 0;
  HRESULT hr = check(address, size, buffer, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_target_write(target, address, buffer, size, &count, &error);
  if (written != NULL)
    *written = count;
  return finish(hr, &error);
}
