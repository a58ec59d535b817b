/* SPDX-License-Identifier: MIT */
/*
 * The doors to a target's memory, as the rest of the library makes and feeds them. The documented
 * functions themselves are declared by the public headers.
 */
#ifndef CORDBG_MEMORY_DOORS_H
#define CORDBG_MEMORY_DOORS_H

#include "cordbg/dbgeng.h"
#include "cordbg/dbghelp.h"
#include "cordbg/memory/target.h"
#include "cordbg/wdbgexts-types.h"

/*
 * ---- handles (handles.c) ----
 *
 * Handles that need no OpenProcess: ICorDebugProcess::GetHandle and ICorDebugThread::GetHandle.
 * The caller closes them with CloseHandle. A process handle stays bound to its process; a thread's
 * names the thread of that process and carries no right to memory.
 * Errors: HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), no such process or thread.
 */
HRESULT cordbg_handle_for_process(int pid, DWORD access, HANDLE *ret, cordbg_error *error);
HRESULT cordbg_handle_for_thread(int pid, int tid, HANDLE *ret, cordbg_error *error);
/* The pid, and a thread handle's tid, of a handle; 0 when it is none. */
DWORD cordbg_handle_process_id(HANDLE handle);
DWORD cordbg_handle_thread_id(HANDLE handle);
/* The session that a process handle's process is debugged in, with a reference, or NULL. */
cordbg_target *cordbg_handle_session(HANDLE handle);

/*
 * ---- dbghelp-read.c ----
 *
 * cordbg's PREAD_PROCESS_MEMORY_ROUTINE64: as much of the range as can be read, in the client view
 * (memory of a process without a session is shown as it is). TRUE with the count when at least one
 * byte came; else FALSE, *read == 0 and the last error as ReadProcessMemory sets it. Bytes of the
 * buffer behind the count are untouched. read may be NULL. Any thread.
 */
BOOL cordbg_ReadProcessMemoryProc64(HANDLE process, DWORD64 address, PVOID buffer, DWORD size,
                                    LPDWORD read);

/*
 * ---- dbgeng.c ----
 *
 * DbgEng's client object over a target, which it keeps a reference of: IDebugDataSpaces to
 * IDebugDataSpaces4, IDebugClient, IDebugControl, IDebugSystemObjects. E_NOINTERFACE for another
 * iid.
 */
HRESULT cordbg_data_spaces_create(cordbg_target *target, REFIID iid, void **ret);

/*
 * ---- wdbgexts.c ----
 *
 * Fill a table whose nSize the caller has set to the table's size (E_INVALIDARG otherwise), and
 * make the target the calling thread's current process. The table's routines are the same in every
 * table; each call concerns the current process of the thread that calls.
 */
HRESULT cordbg_wdbgexts_fill(cordbg_target *target, PWINDBG_EXTENSION_APIS apis);
HRESULT cordbg_wdbgexts_fill32(cordbg_target *target, PWINDBG_EXTENSION_APIS32 apis);
HRESULT cordbg_wdbgexts_fill64(cordbg_target *target, PWINDBG_EXTENSION_APIS64 apis);

/*
 * Changes the calling thread's current process (NULL: none) and thread (0: the main one). A
 * reference of the target is held until the next change or the end of the thread.
 */
void cordbg_wdbgexts_set_current(cordbg_target *target, int tid);

/* Where lpOutputRoutine's text goes on the calling thread; function NULL: stdout. */
typedef void (*cordbg_wdbgexts_output)(void *data, const char *text);
void cordbg_wdbgexts_set_output(cordbg_wdbgexts_output function, void *data);
void cordbg_wdbgexts_get_output(cordbg_wdbgexts_output *function, void **data);

/*
 * Extension libraries (wdbgexts-load.c), on a thread with a current process, which the library's
 * commands concern. load: path as dlopen takes it; S_OK, or HRESULT_FROM_WIN32 of
 * ERROR_MOD_NOT_FOUND (it cannot be loaded, the sentence is the dynamic linker's) or of
 * ERROR_PROC_NOT_FOUND (it is no extension). call: S_OK when the command was called;
 * ERROR_PROC_NOT_FOUND. arguments NULL: none. unload: NULL allowed; no command may be running.
 */
typedef struct cordbg_extension cordbg_extension;
HRESULT cordbg_wdbgexts_load(const char *path, cordbg_extension **ret, cordbg_error *error);
HRESULT cordbg_wdbgexts_call(cordbg_extension *extension, const char *command,
                             const char *arguments, cordbg_error *error);
void cordbg_wdbgexts_unload(cordbg_extension *extension);

/* Makes the next lpCheckControlCRoutine on this target answer TRUE, once. Any thread, signal-safe.
 */
void cordbg_wdbgexts_interrupt(cordbg_target *target);

#endif
