/* SPDX-License-Identifier: MIT */
/*
 * dbghelp.h - DbgHelp's stack walker and the symbol functions that go with it, in their Windows x64
 * layouts. Functions carry assembler labels as in <cordbg/winbase.h>.
 */
#ifndef CORDBG_DBGHELP_H
#define CORDBG_DBGHELP_H

#include <cordbg/winbase.h>

CORDBG_EXTERN_C_BEGIN

typedef enum { AddrMode1616, AddrMode1632, AddrModeReal, AddrModeFlat } ADDRESS_MODE;

typedef struct _tagADDRESS64 {
  DWORD64 Offset;
  WORD Segment;
  ADDRESS_MODE Mode;
} ADDRESS64, *LPADDRESS64;

typedef struct _KDHELP64 {
  DWORD64 Thread;
  DWORD ThCallbackStack;
  DWORD ThCallbackBStore;
  DWORD NextCallback;
  DWORD FramePointer;
  DWORD64 KiCallUserMode;
  DWORD64 KeUserCallbackDispatcher;
  DWORD64 SystemRangeStart;
  DWORD64 KiUserExceptionDispatcher;
  DWORD64 StackBase;
  DWORD64 StackLimit;
  DWORD BuildVersion;
  DWORD RetpolineStubFunctionTableSize;
  DWORD64 RetpolineStubFunctionTable;
  DWORD RetpolineStubOffset;
  DWORD RetpolineStubSize;
  DWORD64 Reserved0[2];
} KDHELP64, *PKDHELP64;

typedef struct _tagSTACKFRAME64 {
  ADDRESS64 AddrPC;
  ADDRESS64 AddrReturn;
  ADDRESS64 AddrFrame;
  ADDRESS64 AddrStack;
  ADDRESS64 AddrBStore;
  PVOID FuncTableEntry;
  DWORD64 Params[4];
  BOOL Far;
  BOOL Virtual;
  DWORD64 Reserved[3];
  KDHELP64 KdHelp;
} STACKFRAME64, *LPSTACKFRAME64;

#define INLINE_FRAME_CONTEXT_INIT 0u
#define INLINE_FRAME_CONTEXT_IGNORE 0xffffffffu

/* A STACKFRAME64 and more; StackFrameSize is set by the caller to sizeof(STACKFRAME_EX). */
typedef struct _tagSTACKFRAME_EX {
  ADDRESS64 AddrPC;
  ADDRESS64 AddrReturn;
  ADDRESS64 AddrFrame;
  ADDRESS64 AddrStack;
  ADDRESS64 AddrBStore;
  PVOID FuncTableEntry;
  DWORD64 Params[4];
  BOOL Far;
  BOOL Virtual;
  DWORD64 Reserved[3];
  KDHELP64 KdHelp;
  DWORD StackFrameSize;
  DWORD InlineFrameContext;
} STACKFRAME_EX, *LPSTACKFRAME_EX;

#define SYM_STKWALK_DEFAULT 0x00000000u
#define SYM_STKWALK_FORCE_FRAMEPTR 0x00000001u
#define SYM_STKWALK_ZEROEXTEND_PTRS 0x00000002u

/*
 * Reads nSize bytes at qwBaseAddress for the walk: as many as can be read, TRUE when at least one
 * came; a callback that reads all or nothing works too.
 */
typedef BOOL(CALLBACK *PREAD_PROCESS_MEMORY_ROUTINE64)(HANDLE hProcess, DWORD64 qwBaseAddress,
                                                       PVOID lpBuffer, DWORD nSize,
                                                       LPDWORD lpNumberOfBytesRead);
typedef PVOID(CALLBACK *PFUNCTION_TABLE_ACCESS_ROUTINE64)(HANDLE ahProcess, DWORD64 AddrBase);
typedef DWORD64(CALLBACK *PGET_MODULE_BASE_ROUTINE64)(HANDLE hProcess, DWORD64 Address);
typedef DWORD64(CALLBACK *PTRANSLATE_ADDRESS_ROUTINE64)(HANDLE hProcess, HANDLE hThread,
                                                        LPADDRESS64 lpaddr);

typedef struct _SYMBOL_INFO {
  ULONG SizeOfStruct;
  ULONG TypeIndex;
  ULONG64 Reserved[2];
  ULONG Index;
  ULONG Size;
  ULONG64 ModBase;
  ULONG Flags;
  ULONG64 Value;
  ULONG64 Address;
  ULONG Register;
  ULONG Scope;
  ULONG Tag;
  ULONG NameLen;
  ULONG MaxNameLen;
  CHAR Name[1];
} SYMBOL_INFO, *PSYMBOL_INFO;

#define MAX_SYM_NAME 2000
#define SYMFLAG_EXPORT 0x00000200u
#define SYMFLAG_FUNCTION 0x00000800u

typedef struct _IMAGEHLP_LINE64 {
  DWORD SizeOfStruct;
  PVOID Key;
  DWORD LineNumber;
  PCHAR FileName;
  DWORD64 Address;
} IMAGEHLP_LINE64, *PIMAGEHLP_LINE64;

/*
 * Moves StackFrame to the next frame up: the first call fills it for the frame that StackFrame and
 * ContextRecord (a CONTEXT, updated to the caller's registers) describe, each further call for its
 * caller. MachineType is IMAGE_FILE_MACHINE_AMD64. Any callback may be NULL: cordbg's own then.
 * FALSE: the walk has ended. Follows Microsoft's StackWalk64 (dbghelp.h). StackFrame is zeroed
 * before the first call (but for AddrPC, AddrStack, AddrFrame, when these are to be used instead of
 * the context's). The thread must stand still. ReadMemoryRoutine must not call Sym... functions.
 */
BOOL WINAPI StackWalk64(DWORD MachineType, HANDLE hProcess, HANDLE hThread,
                        LPSTACKFRAME64 StackFrame, PVOID ContextRecord,
                        PREAD_PROCESS_MEMORY_ROUTINE64 ReadMemoryRoutine,
                        PFUNCTION_TABLE_ACCESS_ROUTINE64 FunctionTableAccessRoutine,
                        PGET_MODULE_BASE_ROUTINE64 GetModuleBaseRoutine,
                        PTRANSLATE_ADDRESS_ROUTINE64 TranslateAddress) CORDBG_LABEL(StackWalk64);

/* The same with a STACKFRAME_EX and SYM_STKWALK_... flags. */
BOOL WINAPI StackWalkEx(DWORD MachineType, HANDLE hProcess, HANDLE hThread,
                        LPSTACKFRAME_EX StackFrame, PVOID ContextRecord,
                        PREAD_PROCESS_MEMORY_ROUTINE64 ReadMemoryRoutine,
                        PFUNCTION_TABLE_ACCESS_ROUTINE64 FunctionTableAccessRoutine,
                        PGET_MODULE_BASE_ROUTINE64 GetModuleBaseRoutine,
                        PTRANSLATE_ADDRESS_ROUTINE64 TranslateAddress, DWORD Flags)
    CORDBG_LABEL(StackWalkEx);

#define SYMOPT_UNDNAME 0x00000002u
#define SYMOPT_LOAD_LINES 0x00000010u

/*
 * Prepares symbols of a process; the other functions do so by themselves at their first call.
 * UserSearchPath must be NULL or "" (else ERROR_NOT_SUPPORTED). SymCleanup gives back what is kept
 * of a process without a session; call it before CloseHandle.
 */
BOOL WINAPI SymInitialize(HANDLE hProcess, PCSTR UserSearchPath, BOOL fInvadeProcess)
    CORDBG_LABEL(SymInitialize);
BOOL WINAPI SymCleanup(HANDLE hProcess) CORDBG_LABEL(SymCleanup);

/* SYMOPT_UNDNAME and SYMOPT_LOAD_LINES have effect, and are on at the start. */
DWORD WINAPI SymSetOptions(DWORD SymOptions) CORDBG_LABEL(SymSetOptions);
DWORD WINAPI SymGetOptions(void) CORDBG_LABEL(SymGetOptions);

/*
 * For PFUNCTION_TABLE_ACCESS_ROUTINE64: the begin and end of the function that covers AddrBase, as
 * offsets from its module's base, in an IMAGE_RUNTIME_FUNCTION_ENTRY whose UnwindData is 0; valid
 * until the thread's next call. NULL: none is known.
 */
PVOID WINAPI SymFunctionTableAccess64(HANDLE hProcess, DWORD64 AddrBase)
    CORDBG_LABEL(SymFunctionTableAccess64);

/* The base of the module that holds the address, or 0. */
DWORD64 WINAPI SymGetModuleBase64(HANDLE hProcess, DWORD64 qwAddr) CORDBG_LABEL(SymGetModuleBase64);

/* The symbol that holds the address; *Displacement (may be NULL) is the distance from its start. */
BOOL WINAPI SymFromAddr(HANDLE hProcess, DWORD64 Address, PDWORD64 Displacement,
                        PSYMBOL_INFO Symbol) CORDBG_LABEL(SymFromAddr);

/* The source line of the address. */
BOOL WINAPI SymGetLineFromAddr64(HANDLE hProcess, DWORD64 qwAddr, PDWORD pdwDisplacement,
                                 PIMAGEHLP_LINE64 Line) CORDBG_LABEL(SymGetLineFromAddr64);

CORDBG_EXTERN_C_END

#endif /* CORDBG_DBGHELP_H */
