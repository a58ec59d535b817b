/* SPDX-License-Identifier: MIT */
/*
 * dbgshim.h - the entry points of libdbgshim.so, under their own names (existing debug adapters
 * load the library and look these names up).
 *
 * Strings are UTF-16. Errors are HRESULTs. Any thread.
 */
#ifndef CORDBG_DBGSHIM_H
#define CORDBG_DBGSHIM_H

#include <cordbg/metahost.h>
#include <cordbg/winbase.h>

CORDBG_EXTERN_C_BEGIN

/* Called once, on a thread of the library, when the runtime is there, or with a failure. */
typedef void (*PSTARTUP_CALLBACK)(IUnknown *pCordb, PVOID parameter, HRESULT hr);

/*
 * Starts a program so that it can be debugged from its first managed instruction. The process is
 * held back when bSuspendProcess is true until ResumeProcess(*pResumeHandle); CloseResumeHandle
 * frees the handle.
 */
HRESULT CreateProcessForLaunch(LPWSTR lpCommandLine, BOOL bSuspendProcess, LPVOID lpEnvironment,
                               LPCWSTR lpCurrentDirectory, PDWORD pProcessId,
                               HANDLE *pResumeHandle);
HRESULT ResumeProcess(HANDLE hResumeHandle);
HRESULT CloseResumeHandle(HANDLE hResumeHandle);

/*
 * Calls pfnCallback with an ICorDebug for the runtime of the process as soon as there is one. The
 * token goes to UnregisterForRuntimeStartup, which waits for a callback that is under way.
 */
HRESULT RegisterForRuntimeStartup(DWORD dwProcessId, PSTARTUP_CALLBACK pfnCallback, PVOID parameter,
                                  PVOID *ppUnregisterToken);
HRESULT RegisterForRuntimeStartupEx(DWORD dwProcessId, LPCWSTR szApplicationGroupId,
                                    PSTARTUP_CALLBACK pfnCallback, PVOID parameter,
                                    PVOID *ppUnregisterToken);
HRESULT RegisterForRuntimeStartup3(DWORD dwProcessId, LPCWSTR szApplicationGroupId,
                                   ICLRDebuggingLibraryProvider3 *pLibraryProvider,
                                   PSTARTUP_CALLBACK pfnCallback, PVOID parameter,
                                   PVOID *ppUnregisterToken);
HRESULT UnregisterForRuntimeStartup(PVOID pUnregisterToken);
HRESULT GetStartupNotificationEvent(DWORD debuggeePID, HANDLE *phStartupEvent);

/* The runtimes in a process: handles and paths, freed together by CloseCLREnumeration. */
HRESULT EnumerateCLRs(DWORD debuggeePID, HANDLE **ppHandleArrayOut, LPWSTR **ppStringArrayOut,
                      DWORD *pdwArrayLengthOut);
HRESULT CloseCLREnumeration(HANDLE *pHandleArray, LPWSTR *pStringArray, DWORD dwArrayLength);

/* A string that names one runtime of one process, and an ICorDebug for it. */
HRESULT CreateVersionStringFromModule(DWORD pidDebuggee, LPCWSTR szModuleName, LPWSTR pBuffer,
                                      DWORD cchBuffer, DWORD *pdwLength);
HRESULT CreateDebuggingInterfaceFromVersion(LPCWSTR szDebuggeeVersion, IUnknown **ppCordb);
HRESULT CreateDebuggingInterfaceFromVersionEx(int iDebuggerVersion, LPCWSTR szDebuggeeVersion,
                                              IUnknown **ppCordb);
HRESULT CreateDebuggingInterfaceFromVersion2(int iDebuggerVersion, LPCWSTR szDebuggeeVersion,
                                             LPCWSTR szApplicationGroupId, IUnknown **ppCordb);
HRESULT CreateDebuggingInterfaceFromVersion3(int iDebuggerVersion, LPCWSTR szDebuggeeVersion,
                                             LPCWSTR szApplicationGroupId,
                                             ICLRDebuggingLibraryProvider3 *pLibraryProvider,
                                             IUnknown **ppCordb);

/* ICLRDebugging and ICLRMetaHost objects of <cordbg/metahost.h>. */
HRESULT CLRCreateInstance(REFCLSID clsid, REFIID riid, LPVOID *ppInterface);

CORDBG_EXTERN_C_END

#endif /* CORDBG_DBGSHIM_H */
