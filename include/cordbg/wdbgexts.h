/* SPDX-License-Identifier: MIT */
/*
 * wdbgexts.h - for extension libraries in the style of WinDbg's: the tables of routines that a
 * debugger hands to an extension, and the macros through which the extension calls them.
 *
 *   #define KDEXT_64BIT
 *   #include <cordbg/wdbgexts.h>
 *
 *   WINDBG_EXTENSION_APIS ExtensionApis;
 *   void WinDbgExtensionDllInit(PWINDBG_EXTENSION_APIS apis, USHORT major, USHORT minor)
 *   {
 *     ExtensionApis = *apis;
 *   }
 *   DECLARE_API(peek)
 *   {
 *     ULONG read;
 *     if (ReadMemory(GetExpression(args), buffer, sizeof(buffer), &read)) dprintf(...);
 *   }
 *
 * KDEXT_64BIT makes addresses ULONG64, KDEXT_32BIT makes them ULONG; without either they are
 * ULONG_PTR. NOEXTAPI leaves the macros out, which a source that also calls methods named
 * ReadMemory (ICorDebugProcess has one) needs.
 */
#ifndef CORDBG_WDBGEXTS_H
#define CORDBG_WDBGEXTS_H

#include <cordbg/wdbgexts-types.h>

#ifdef __cplusplus
#define CPPMOD extern "C"
#else
#define CPPMOD
#endif

#define DECLARE_API32(s)                                                                           \
  CPPMOD void s(HANDLE hCurrentProcess, HANDLE hCurrentThread, ULONG dwCurrentPc,                  \
                ULONG dwProcessor, PCSTR args)
#define DECLARE_API64(s)                                                                           \
  CPPMOD void s(HANDLE hCurrentProcess, HANDLE hCurrentThread, ULONG64 dwCurrentPc,                \
                ULONG dwProcessor, PCSTR args)

#if defined(KDEXT_32BIT)
#define DECLARE_API(s) DECLARE_API32(s)
#define WINDBG_EXTENSION_APIS WINDBG_EXTENSION_APIS32
#define PWINDBG_EXTENSION_APIS PWINDBG_EXTENSION_APIS32
#elif defined(KDEXT_64BIT)
#define DECLARE_API(s) DECLARE_API64(s)
#define WINDBG_EXTENSION_APIS WINDBG_EXTENSION_APIS64
#define PWINDBG_EXTENSION_APIS PWINDBG_EXTENSION_APIS64
#else
#define DECLARE_API(s) DECLARE_API64(s)
#endif

#ifndef NOEXTAPI

/* The extension defines it and fills it in WinDbgExtensionDllInit. */
CORDBG_EXTERN_C WINDBG_EXTENSION_APIS ExtensionApis;

#define dprintf (ExtensionApis.lpOutputRoutine)
#define GetExpression (ExtensionApis.lpGetExpressionRoutine)
#define GetSymbol (ExtensionApis.lpGetSymbolRoutine)
#define Disassm (ExtensionApis.lpDisasmRoutine)
#define Disasm (ExtensionApis.lpDisasmRoutine)
#define CheckControlC (ExtensionApis.lpCheckControlCRoutine)
#define ReadMemory (ExtensionApis.lpReadProcessMemoryRoutine)
#define WriteMemory (ExtensionApis.lpWriteProcessMemoryRoutine)
#define GetContext (ExtensionApis.lpGetThreadContextRoutine)
#define SetContext (ExtensionApis.lpSetThreadContextRoutine)
#define Ioctl (ExtensionApis.lpIoctlRoutine)
#define StackTrace (ExtensionApis.lpStackTraceRoutine)

/* TRUE: pointers of the target have 64 bits. */
static inline __attribute__((unused)) BOOL
IsPtr64(void)
{
  ULONG flag = 0;
  return Ioctl(IG_IS_PTR64, &flag, sizeof(flag)) && flag != 0;
}

/* The target's process, as a HANDLE for ReadProcessMemory. */
static inline __attribute__((unused)) void
GetCurrentProcessHandle(HANDLE *process)
{
  *process = NULL;
  Ioctl(IG_GET_CURRENT_PROCESS_HANDLE, process, sizeof(*process));
}

/* Searches [SearchAddress, SearchAddress + SearchLength) for a pattern. */
static inline __attribute__((unused)) ULONG
SearchMemory(ULONG64 SearchAddress, ULONG64 SearchLength, ULONG PatternLength, PVOID Pattern,
             PULONG64 FoundAddress)
{
  SEARCHMEMORY search = {SearchAddress, SearchLength, 0, PatternLength, Pattern};
  if (!Ioctl(IG_SEARCH_MEMORY, &search, sizeof(search)))
    return FALSE;
  *FoundAddress = search.FoundAddress;
  return TRUE;
}

/* As GetExpression, and where the rest of the text begins. FALSE: it could not be evaluated. */
static inline __attribute__((unused)) BOOL
GetExpressionEx(PCSTR Expression, ULONG64 *Value, PCSTR *Remainder)
{
  GET_EXPRESSION_EX request = {Expression, NULL, 0};
  if (!Ioctl(IG_GET_EXPRESSION_EX, &request, sizeof(request)))
    return FALSE;
  *Value = request.Value;
  if (Remainder)
    *Remainder = request.Remainder;
  return TRUE;
}

/* The current thread's own block. */
static inline __attribute__((unused)) void
GetTebAddress(PULONGLONG Address)
{
  GET_TEB_ADDRESS request = {0};
  *Address = Ioctl(IG_GET_TEB_ADDRESS, &request, sizeof(request)) ? request.Address : 0;
}

/* Makes a thread the one that GetContext, registers in expressions and StackTrace concern. */
static inline __attribute__((unused)) void
SetThreadForOperation64(PULONG64 Thread)
{
  Ioctl(IG_SET_THREAD, Thread, sizeof(*Thread));
}

static inline __attribute__((unused)) void
ReloadSymbols(PCSTR Arguments)
{
  Ioctl(IG_RELOAD_SYMBOLS, (PVOID)(uintptr_t)Arguments, 0);
}

#endif /* NOEXTAPI */

#endif /* CORDBG_WDBGEXTS_H */
