/* SPDX-License-Identifier: MIT */
/* What is said about the runtimes of running processes, and an ICorDebug for one of them. */
#include "config.h"

#include "runtime-shim/dbgshim/library.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cordbg/com/utf16.h"
#include "cordbg/cordebug.h"
#include "cordbg/dbgshim.h"

/* "VERSION;PID;BASE": 8, 8 and 16 digits. */
enum { PID_AT = 9, BASE_AT = 18, VERSION_LENGTH = 34 };

/* The two arrays, of one element each, and the path: one piece. */
typedef struct enumeration {
  HANDLE handle;
  LPWSTR string;
  WCHAR path[];
} enumeration;

CORDBG_EXPORT HRESULT
EnumerateCLRs(DWORD debuggeePID, HANDLE **ppHandleArrayOut, LPWSTR **ppStringArrayOut,
              DWORD *pdwArrayLengthOut)
{
  cordbg_hosting_runtime runtime;
  if (ppHandleArrayOut == NULL || ppStringArrayOut == NULL || pdwArrayLengthOut == NULL)
    return E_INVALIDARG;
  *pdwArrayLengthOut = 0;
  *ppHandleArrayOut = NULL;
  *ppStringArrayOut = NULL;
  CORDBG_DBGSHIM_LIBRARY(library);
  HRESULT hr = library->find((int)debuggeePID, &runtime);
  if (hr != S_OK)
    return FAILED(hr) ? hr : S_OK;
  size_t bytes = strlen(runtime.library);
  size_t units = cordbg_utf16_from_utf8(runtime.library, bytes, NULL, 0);
  enumeration *found = calloc(1, sizeof *found + (units + 1) * sizeof found->path[0]);
  if (found == NULL)
    return library->fail(E_OUTOFMEMORY, "out of memory");
  found->handle = NULL; /* adapters take INVALID_HANDLE_VALUE for "not yet", and ask again */
  found->string = found->path;
  cordbg_utf16_from_utf8(runtime.library, bytes, found->path, units);
  *ppHandleArrayOut = &found->handle;
  *ppStringArrayOut = &found->string;
  *pdwArrayLengthOut = 1;
  return S_OK;
}

CORDBG_EXPORT HRESULT
CloseCLREnumeration(HANDLE *pHandleArray, LPWSTR *pStringArray, DWORD dwArrayLength)
{
  if (pHandleArray == NULL)
    return S_OK;
  /* Microsoft's tells its own by their places, too. */
  if ((void *)(pHandleArray + dwArrayLength) != (void *)pStringArray)
    return E_INVALIDARG;
  free(pHandleArray);
  return S_OK;
}

CORDBG_EXPORT HRESULT
CreateVersionStringFromModule(DWORD pidDebuggee, LPCWSTR szModuleName, LPWSTR pBuffer,
                              DWORD cchBuffer, DWORD *pdwLength)
{
  cordbg_hosting_runtime runtime;
  if (szModuleName == NULL || (pBuffer == NULL) != (cchBuffer == 0))
    return E_INVALIDARG;
  if (pdwLength != NULL)
    *pdwLength = VERSION_LENGTH + 1;
  if (cchBuffer < VERSION_LENGTH + 1)
    return HRESULT_FROM_WIN32(ERROR_INSUFFICIENT_BUFFER);
  CORDBG_DBGSHIM_LIBRARY(library);
  HRESULT hr = library->find((int)pidDebuggee, &runtime);
  if (FAILED(hr))
    return hr;
  char *wanted = cordbg_utf8_new(szModuleName);
  bool same = hr == S_OK && wanted != NULL && strcmp(wanted, runtime.library) == 0;
  free(wanted);
  if (!same)
    return library->fail(HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND),
                         "the module is not the runtime of the process");
  char text[VERSION_LENGTH + 1];
  snprintf(text, sizeof text, "%08x;%08x;%016llx", (unsigned)CorDebugLatestVersion,
           (unsigned)pidDebuggee, (unsigned long long)runtime.base);
  cordbg_utf16_from_utf8(text, sizeof text, pBuffer, cchBuffer);
  return S_OK;
}

/* Hexadecimal digits [at, at + count) of a text; false when one is none. */
static bool
parse_hex(const WCHAR *text, size_t at, size_t count, ULONG64 *ret)
{
  ULONG64 value = 0;
  for (size_t i = at; i < at + count; i++) {
    unsigned c = text[i], lower = c | 0x20u;
    if (c >= '0' && c <= '9')
      value = value << 4 | (c - '0');
    else if (lower >= 'a' && lower <= 'f' && c < 0x80)
      value = value << 4 | (lower - 'a' + 10);
    else
      return false;
  }
  *ret = value;
  return true;
}

CORDBG_EXPORT HRESULT
CreateDebuggingInterfaceFromVersion3(int iDebuggerVersion, LPCWSTR szDebuggeeVersion,
                                     LPCWSTR szApplicationGroupId,
                                     ICLRDebuggingLibraryProvider3 *pLibraryProvider,
                                     IUnknown **ppCordb)
{
  ULONG64 version, pid, base;
  cordbg_hosting_runtime runtime;
  (void)szApplicationGroupId;
  (void)pLibraryProvider;
  if (ppCordb == NULL)
    return E_INVALIDARG;
  *ppCordb = NULL;
  if (szDebuggeeVersion == NULL || iDebuggerVersion < CorDebugVersion_2_0 ||
      iDebuggerVersion > CorDebugLatestVersion ||
      cordbg_utf16_length(szDebuggeeVersion, VERSION_LENGTH + 1) != VERSION_LENGTH ||
      szDebuggeeVersion[PID_AT - 1] != ';' || szDebuggeeVersion[BASE_AT - 1] != ';' ||
      !parse_hex(szDebuggeeVersion, 0, PID_AT - 1, &version) ||
      !parse_hex(szDebuggeeVersion, PID_AT, BASE_AT - PID_AT - 1, &pid) ||
      !parse_hex(szDebuggeeVersion, BASE_AT, VERSION_LENGTH - BASE_AT, &base))
    return E_INVALIDARG;
  CORDBG_DBGSHIM_LIBRARY(library);
  if (pid > INT32_MAX || library->find((int)pid, &runtime) != S_OK || runtime.base != base)
    return library->fail(CORDBG_E_DEBUG_COMPONENT_MISSING,
                         "the runtime that the version string names is not there any more");
  return library->create(&IID_ICorDebug, (void **)ppCordb);
}

CORDBG_EXPORT HRESULT
CreateDebuggingInterfaceFromVersion2(int iDebuggerVersion, LPCWSTR szDebuggeeVersion,
                                     LPCWSTR szApplicationGroupId, IUnknown **ppCordb)
{
  return CreateDebuggingInterfaceFromVersion3(iDebuggerVersion, szDebuggeeVersion,
                                              szApplicationGroupId, NULL, ppCordb);
}

CORDBG_EXPORT HRESULT
CreateDebuggingInterfaceFromVersionEx(int iDebuggerVersion, LPCWSTR szDebuggeeVersion,
                                      IUnknown **ppCordb)
{
  return CreateDebuggingInterfaceFromVersion3(iDebuggerVersion, szDebuggeeVersion, NULL, NULL,
                                              ppCordb);
}

CORDBG_EXPORT HRESULT
CreateDebuggingInterfaceFromVersion(LPCWSTR szDebuggeeVersion, IUnknown **ppCordb)
{
  return CreateDebuggingInterfaceFromVersion3(CorDebugVersion_2_0, szDebuggeeVersion, NULL, NULL,
                                              ppCordb);
}
