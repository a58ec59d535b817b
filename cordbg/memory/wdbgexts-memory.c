/* SPDX-License-Identifier: MIT */
/* WdbgExts' memory routines: the contract is ReadProcessMemory's, the process the current one. */
#include "config.h"

#include "cordbg/memory/wdbgexts-private.h"

ULONG
cordbg_extension_read(ULONG64 offset, PVOID buffer, ULONG size, PULONG read)
{
  if (read != NULL)
    *read = 0;
  cordbg_target *target = cordbg_extension_target();
  if (target == NULL)
    return FALSE;
  cordbg_error error;
  if (cordbg_reader_read_whole(&target->reader, CORDBG_VIEW_CLIENT, offset, buffer, size, &error) !=
      S_OK)
    return cordbg_extension_failed(&error);
  if (read != NULL)
    *read = size;
  return TRUE;
}

ULONG
cordbg_extension_write(ULONG64 offset, LPCVOID buffer, ULONG size, PULONG written)
{
  if (written != NULL)
    *written = 0;
  cordbg_target *target = cordbg_extension_target();
  if (target == NULL)
    return FALSE;
  cordbg_error error = {0};
  size_t count = 0;
  HRESULT hr = cordbg_target_write(target, offset, buffer, size, &count, &error);
  if (written != NULL)
    *written = (ULONG)count;
  return hr == S_OK ? TRUE : cordbg_extension_failed(&error);
}

ULONG
cordbg_extension_search(cordbg_target *target, SEARCHMEMORY *request)
{
  cordbg_search search = {
      .pattern = request->Pattern, .size = request->PatternLength, .granularity = 1};
  cordbg_error error = {0};
  uint64_t found;
  HRESULT hr = cordbg_reader_search(&target->reader, request->SearchAddress, request->SearchLength, &search,
                                    &found, &error);
  if (FAILED(hr))
    return cordbg_extension_failed(&error);
  if (hr == S_OK)
    request->FoundAddress = found;
  return hr == S_OK;
}
