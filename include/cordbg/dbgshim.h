/* SPDX-License-Identifier: MIT */
/*
 * dbgshim.h - the entry points of libdbgshim.so, under their own names (existing debug adapters
 * load the library and look these names up).
 *
 * Strings are UTF-16. Errors are HRESULTs. Any thread. The library loads libcordbg.so at the first
 * call (docs/architecture.md says where from); CORDBG_E_DEBUG_COMPONENT_MISSING when there is none.
 * Follows Microsoft's dbgshim.h.
 */
#ifndef CORDBG_DBGSHIM_H
#define CORDBG_DBGSHIM_H

#include <cordbg/metahost.h>
#include <cordbg/winbase.h>

CORDBG_EXTERN_C_BEGIN

/* pCordb: an ICorDebug whose reference is the callback's; NULL with a failure in hr. */
typedef void (*PSTARTUP_CALLBACK)(IUnknown *pCordb, PVOID parameter, HRESULT hr);

/* Where the data access library comes from. */
typedef enum CDacLoadPolicy {
  CDacLoadPolicy_PreferCDac = 0,
  CDacLoadPolicy_CDacOnly = 1,
  CDacLoadPolicy_LegacyDacOnly = 2
} CDacLoadPolicy;

/*
 * Starts a program as a child of the caller. The command line is split by the rules of Windows; a
 * program without a slash is searched in PATH. lpEnvironment: strings of UTF-8 that end with an
 * empty one (NULL: the caller's). bSuspendProcess: it stands still before its first instruction
 * until ResumeProcess(*pResumeHandle). CloseResumeHandle frees the handle; a process that was not
 * resumed stays suspended, as Windows has it. A program that cannot be run is an error here:
 * HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND) and its like.
 *
 * ResumeProcess twice is S_OK. What is no handle: HRESULT_FROM_WIN32(ERROR_INVALID_HANDLE).
 */
HRESULT CreateProcessForLaunch(LPWSTR lpCommandLine, BOOL bSuspendProcess, LPVOID lpEnvironment,
                               LPCWSTR lpCurrentDirectory, PDWORD pProcessId,
                               HANDLE *pResumeHandle);
HRESULT ResumeProcess(HANDLE hResumeHandle);
HRESULT CloseResumeHandle(HANDLE hResumeHandle);

/*
 * Returns at once; pfnCallback is called once, on a thread of the library: when the process has
 * started its runtime (it stands still until the callback returns: DebugActiveProcess in the
 * callback misses nothing that the program does), at once when it runs already, or with a failure
 * (CORDBG_E_PROCESS_TERMINATED: the process ended and never started one).
 *
 * UnregisterForRuntimeStartup waits for a callback that is under way and lets the process go on; it
 * may be called in the callback, too. Afterwards there is no call any more. NULL is allowed. What is
 * no token: E_INVALIDARG.
 *
 * HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER): no such process. HRESULT_FROM_WIN32(
 * ERROR_ALREADY_EXISTS): somebody waits for this suspended process already. The group id and the
 * library provider are not needed and not asked.
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

/* E_NOTIMPL: there is no remote target. */
HRESULT RegisterForRuntimeStartupRemotePort(LPCWSTR szIp, DWORD dwPort, LPCWSTR szPlatform,
                                            BOOL bIsServer, LPCWSTR szMscordbiPath,
                                            LPCWSTR szAssemblyBasePath, IUnknown **ppCordb);

/* E_NOTIMPL and a NULL handle, as Microsoft's off Windows. */
HRESULT GetStartupNotificationEvent(DWORD debuggeePID, HANDLE *phStartupEvent);

/*
 * The runtime in a process (at most one): its file's path, and a handle that is always NULL, as
 * Microsoft's off Windows (INVALID_HANDLE_VALUE would mean that the runtime is not ready yet). Both
 * arrays are one piece of memory that CloseCLREnumeration frees. A process without a runtime is
 * S_OK and length 0.
 */
HRESULT EnumerateCLRs(DWORD debuggeePID, HANDLE **ppHandleArrayOut, LPWSTR **ppStringArrayOut,
                      DWORD *pdwArrayLengthOut);
HRESULT CloseCLREnumeration(HANDLE *pHandleArray, LPWSTR *pStringArray, DWORD dwArrayLength);

/*
 * A string that names one runtime of one process: "VERSION;PID;BASE" in hexadecimal, 8, 8 and 16
 * digits. *pdwLength: units with the NUL, also when the buffer is too small
 * (HRESULT_FROM_WIN32(ERROR_INSUFFICIENT_BUFFER)). HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND):
 * szModuleName is not this process' runtime.
 */
HRESULT CreateVersionStringFromModule(DWORD pidDebuggee, LPCWSTR szModuleName, LPWSTR pBuffer,
                                      DWORD cchBuffer, DWORD *pdwLength);

/*
 * An ICorDebug for it. E_INVALIDARG: no version string, or a debugger version outside of
 * CorDebugVersion_2_0 to CorDebugLatestVersion. CORDBG_E_DEBUG_COMPONENT_MISSING: that runtime is
 * not there (any more).
 */
HRESULT CreateDebuggingInterfaceFromVersion(LPCWSTR szDebuggeeVersion, IUnknown **ppCordb);
HRESULT CreateDebuggingInterfaceFromVersionEx(int iDebuggerVersion, LPCWSTR szDebuggeeVersion,
                                              IUnknown **ppCordb);
HRESULT CreateDebuggingInterfaceFromVersion2(int iDebuggerVersion, LPCWSTR szDebuggeeVersion,
                                             LPCWSTR szApplicationGroupId, IUnknown **ppCordb);
HRESULT CreateDebuggingInterfaceFromVersion3(int iDebuggerVersion, LPCWSTR szDebuggeeVersion,
                                             LPCWSTR szApplicationGroupId,
                                             ICLRDebuggingLibraryProvider3 *pLibraryProvider,
                                             IUnknown **ppCordb);

CORDBG_GUID(CLSID_CLRDebugging, 0xbacc578d, 0xfbdd, 0x48a4, 0x96, 0x9f, 0x02, 0xd9, 0x32, 0xb7, 0x46,
            0x34);

/* CLSID_CLRDebugging with IID_ICLRDebugging, whose methods answer E_NOTIMPL (there are no virtual
 * processes); anything else is E_NOINTERFACE. */
HRESULT CLRCreateInstance(REFCLSID clsid, REFIID riid, LPVOID *ppInterface);

/* The data access library beside the runtime is taken in any case: S_OK for the two policies that
 * allow it, E_NOTIMPL for CDacOnly, E_INVALIDARG for what is no policy. */
HRESULT SetCDacLoadPolicy(CDacLoadPolicy policy);

CORDBG_EXTERN_C_END

#endif /* CORDBG_DBGSHIM_H */
