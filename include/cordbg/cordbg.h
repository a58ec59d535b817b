/* SPDX-License-Identifier: MIT */
/*
 * cordbg.h: what cordbg offers beside the documented interfaces.
 *
 * The entry point, reading by view, batch reads, the last error as a sentence, the log, the
 * version. Everything else is Microsoft's: cordebug.h, winbase.h, wdbgexts.h, dbghelp.h, dbgeng.h.
 */
#ifndef CORDBG_CORDBG_H
#define CORDBG_CORDBG_H

#include "cordbg/cordebug.h"
#include "cordbg/dbgeng.h"
#include "cordbg/dbghelp.h"
#include "cordbg/wdbgexts-types.h"
#include "cordbg/winbase.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define CORDBG_VERSION_MAJOR 0
#define CORDBG_VERSION_MINOR 1
#define CORDBG_VERSION_MICRO 0

/* "0.1.0": of the library that is loaded. */
const char *cordbg_version(void);

/*
 * Makes the object that stands at the beginning. iid: IID_ICorDebug or IID_IUnknown; the metadata
 * and symbol interfaces that need no process begin with IID_IMetaDataDispenser (cormeta.h) and
 * IID_ISymUnmanagedBinder or 2 (corsym.h). The caller owns the reference that comes back.
 * Errors: E_INVALIDARG (object NULL), E_NOINTERFACE.
 */
HRESULT CordbgCreate(REFIID iid, void **object);

/* How bytes under breakpoints are shown. */
typedef enum CordbgView {
  CordbgViewRaw = 0,    /* as the CPU fetches them: every trap shows */
  CordbgViewClient = 1, /* as ICorDebugProcess::ReadMemory: native breakpoints show, ours do not */
  CordbgViewPristine = 2, /* as the program left them: no trap shows */
} CordbgView;

/*
 * Reads [address, address + size) of the process in a view, uncached; running or stopped, on any
 * thread. Result and *read as ICorDebugProcess::ReadMemory gives them.
 */
HRESULT cordbg_read(ICorDebugProcess *process, CordbgView view, CORDB_ADDRESS address, DWORD size,
                    BYTE *buffer, SIZE_T *read);

/* One range of a batch; read and result are filled for each. */
typedef struct CordbgRange {
  CORDB_ADDRESS address;
  BYTE *buffer;
  DWORD size;
  HRESULT result; /* as ICorDebugProcess::ReadMemory would have answered for this range */
  SIZE_T read;
} CordbgRange;

/*
 * Reads many ranges in as few system calls as may be. S_OK: all were read whole; S_FALSE: see each
 * range; an error: nothing can be said about any (process gone, E_INVALIDARG).
 */
HRESULT cordbg_read_batch(ICorDebugProcess *process, CordbgView view, CordbgRange *ranges,
                          SIZE_T count);

/*
 * Tokens (mdMethodDef) of the methods of a name in a module. type: Namespace.Class, nested as
 * Outer+Inner; method: its name without parameters. *count receives how many there are; at most
 * capacity of them are stored, in metadata order. S_FALSE: none. The process must be stopped.
 */
HRESULT cordbg_find_methods(ICorDebugModule *module, const char *type, const char *method,
                            ULONG32 capacity, mdMethodDef *tokens, ULONG32 *count);

/* A place at which a source line begins in a method. Lines and columns count from 1. */
typedef struct CordbgLine {
  mdMethodDef method;
  ULONG32 ilOffset;
  ULONG32 line, column;
  ULONG32 endLine, endColumn; /* the column behind the last character */
} CordbgLine;

/*
 * The methods and IL offsets of a source line, by the module's symbols (Portable PDB, embedded or
 * beside the module's file, or Mono's .mdb). file: the path as the compiler saw it, or the end of
 * it: "Program.cs", "src/Program.cs". *count receives how many places there are, one a method (the
 * lowest offset); at most capacity of them are stored. Running or stopped.
 * S_FALSE: no code begins on that line; the places are those of the statement that covers it, else
 * of the next line that has code, else of the last one (see their line); *count is 0 when the file
 * has no code at all.
 * CORDBG_E_SYMBOLS_NOT_AVAILABLE: no symbols, or those of another build; CLDB_E_RECORD_NOTFOUND: no
 * such file in this module; CLDB_E_SMDUPLICATE: several, which cordbg_last_error lists.
 */
HRESULT cordbg_find_line(ICorDebugModule *module, const char *file, ULONG32 line, ULONG32 capacity,
                         CordbgLine *lines, ULONG32 *count);

/*
 * The module's symbols by Microsoft's interface: iid is IID_ISymUnmanagedReader or 2 (corsym.h).
 * The reader outlives the module. CORDBG_E_SYMBOLS_NOT_AVAILABLE as above.
 */
HRESULT cordbg_symbol_reader(ICorDebugModule *module, REFIID iid, void **reader);

/*
 * Address of a symbol of the program's native modules: "symbol", "library!symbol", "symbol+0x10".
 * CORDBG_E_SYMBOLS_NOT_AVAILABLE when there is none of that name.
 */
HRESULT cordbg_find_symbol(ICorDebugProcess *process, const char *name, CORDB_ADDRESS *address);

/* SetUnmanagedBreakpoint, but also inside the runtime's own image, where the documented method
 * ignores the call. The risk is the caller's. Undone by ClearUnmanagedBreakpoint. */
HRESULT cordbg_force_unmanaged_breakpoint(ICorDebugProcess *process, CORDB_ADDRESS address,
                                          BYTE *original);

/*
 * Other doors to the same process. iid: IID_IDebugDataSpaces to IID_IDebugDataSpaces4,
 * IID_IDebugClient and what else DebugCreate (dbgeng-client.h) makes. The object holds the
 * session's target, not the ICorDebugProcess: after a detach its methods answer E_UNEXPECTED.
 */
HRESULT cordbg_data_spaces(ICorDebugProcess *process, REFIID iid, void **object);

/* Fills a WdbgExts table (nSize set by the caller) and makes the process the calling thread's
 * current one for it. */
HRESULT cordbg_fill_extension_apis(ICorDebugProcess *process, PWINDBG_EXTENSION_APIS apis);
HRESULT cordbg_fill_extension_apis32(ICorDebugProcess *process, PWINDBG_EXTENSION_APIS32 apis);
HRESULT cordbg_fill_extension_apis64(ICorDebugProcess *process, PWINDBG_EXTENSION_APIS64 apis);

/*
 * The process and the thread (its system id, 0: the main one) that the table's routines concern
 * when the calling thread calls them. process NULL: none.
 */
HRESULT cordbg_set_extension_process(ICorDebugProcess *process, DWORD thread);

/* Where lpOutputRoutine's text goes on the calling thread; function NULL: stdout. */
typedef void (*cordbg_extension_output_function)(void *data, const char *text);
void cordbg_set_extension_output(cordbg_extension_output_function function, void *data);

/* Makes the next lpCheckControlCRoutine that concerns the process answer TRUE, once. Any thread. */
HRESULT cordbg_interrupt_extension(ICorDebugProcess *process);

/*
 * Extension libraries, written as for WinDbg: WinDbgExtensionDllInit, ExtensionApiVersion,
 * CheckVersion, commands by DECLARE_API. The calling thread needs a current process
 * (cordbg_set_extension_process, cordbg_fill_extension_apis); E_UNEXPECTED otherwise.
 *
 * load: path as dlopen takes it. HRESULT_FROM_WIN32(ERROR_MOD_NOT_FOUND): it cannot be loaded;
 * HRESULT_FROM_WIN32(ERROR_PROC_NOT_FOUND): it is no extension. call: S_OK when the command was
 * called and returned; HRESULT_FROM_WIN32(ERROR_PROC_NOT_FOUND): there is none of that name. The
 * command runs on the calling thread, with the client's rights. arguments may be NULL.
 * unload: no command may be running; NULL is allowed.
 */
typedef struct cordbg_extension CordbgExtension;
HRESULT cordbg_load_extension(const char *path, CordbgExtension **extension);
HRESULT cordbg_call_extension(CordbgExtension *extension, const char *command,
                              const char *arguments);
void cordbg_unload_extension(CordbgExtension *extension);

/*
 * cordbg's own PREAD_PROCESS_MEMORY_ROUTINE64, the read callback of StackWalk64: as much of the
 * range as can be read. TRUE with the count when at least one byte came. process: a HANDLE of
 * OpenProcess or of ICorDebugProcess::GetHandle. read may be NULL.
 */
BOOL cordbg_ReadProcessMemoryProc64(HANDLE process, DWORD64 base, PVOID buffer, DWORD size,
                                    LPDWORD read);

/* What the tracer did so far, for tests and curious people. */
typedef struct CordbgStatistics {
  ULONG64 hits, emulated, stepped, interrupts, signalsPassed, signalsSwallowed, lost, dropped;
} CordbgStatistics;
HRESULT cordbg_read_statistics(ICorDebugProcess *process, CordbgStatistics *statistics);

/*
 * The calling thread's last failure, of whatever door: a sentence that says what was refused, why
 * and what to do; its HRESULT, its errno (0: none) and the address in the target (0: none). Never
 * NULL; valid until the thread's next failing call.
 */
const char *cordbg_last_error(HRESULT *result, int *system_error, ULONG64 *address);

/*
 * Messages about what cordbg does. level: 0 errors, 1 warnings, 2 steps, 3 details. The environment
 * variable CORDBG_LOG=LEVEL sends them to stderr when no callback is set. The callback may be
 * called on any thread, and must not call cordbg.
 */
typedef void (*cordbg_log_function)(void *data, int level, const char *message);
void cordbg_set_log(cordbg_log_function function, void *data, int level);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
