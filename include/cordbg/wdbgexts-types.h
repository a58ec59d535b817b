/* SPDX-License-Identifier: MIT */
/*
 * wdbgexts-types.h - the types of WdbgExts, without the macros (ReadMemory, dprintf, ...) that
 * <cordbg/wdbgexts.h> adds for extensions. A program that fills a table includes this.
 */
#ifndef CORDBG_WDBGEXTS_TYPES_H
#define CORDBG_WDBGEXTS_TYPES_H

#include <cordbg/winbase.h>

CORDBG_EXTERN_C_BEGIN

#ifndef WDBGAPI
#define WDBGAPI
#endif
#ifndef WDBGAPIV
#define WDBGAPIV
#endif

typedef struct _tagEXTSTACKTRACE {
  ULONG FramePointer;
  ULONG ProgramCounter;
  ULONG ReturnAddress;
  ULONG Args[4];
} EXTSTACKTRACE, *PEXTSTACKTRACE, EXTSTACKTRACE32, *PEXTSTACKTRACE32;

typedef struct _tagEXTSTACKTRACE64 {
  ULONG64 FramePointer;
  ULONG64 ProgramCounter;
  ULONG64 ReturnAddress;
  ULONG64 Args[4];
} EXTSTACKTRACE64, *PEXTSTACKTRACE64;

/*
 * The routines of an extension table. Addresses are ULONG_PTR in the plain table, ULONG in the
 * 32-bit one, ULONG64 in the 64-bit one.
 *
 * The memory routines read and write the thread's current process, all or nothing: TRUE or FALSE,
 * *lpcbBytesRead (may be NULL) the count, the buffer untouched on failure.
 */
typedef void(WDBGAPIV *PWINDBG_OUTPUT_ROUTINE)(PCSTR lpFormat, ...);

typedef ULONG_PTR(WDBGAPI *PWINDBG_GET_EXPRESSION)(PCSTR lpExpression);
typedef ULONG(WDBGAPI *PWINDBG_GET_EXPRESSION32)(PCSTR lpExpression);
typedef ULONG64(WDBGAPI *PWINDBG_GET_EXPRESSION64)(PCSTR lpExpression);

typedef void(WDBGAPI *PWINDBG_GET_SYMBOL)(PVOID offset, PCHAR pchBuffer, ULONG_PTR *pDisplacement);
typedef void(WDBGAPI *PWINDBG_GET_SYMBOL32)(ULONG offset, PCHAR pchBuffer, PULONG pDisplacement);
typedef void(WDBGAPI *PWINDBG_GET_SYMBOL64)(ULONG64 offset, PCHAR pchBuffer,
                                            PULONG64 pDisplacement);

typedef ULONG(WDBGAPI *PWINDBG_DISASM)(ULONG_PTR *lpOffset, PCSTR lpBuffer,
                                       ULONG fShowEffectiveAddress);
typedef ULONG(WDBGAPI *PWINDBG_DISASM32)(ULONG *lpOffset, PCSTR lpBuffer,
                                         ULONG fShowEffectiveAddress);
typedef ULONG(WDBGAPI *PWINDBG_DISASM64)(ULONG64 *lpOffset, PCSTR lpBuffer,
                                         ULONG fShowEffectiveAddress);

typedef ULONG(WDBGAPI *PWINDBG_CHECK_CONTROL_C)(void);

typedef ULONG(WDBGAPI *PWINDBG_READ_PROCESS_MEMORY_ROUTINE)(ULONG_PTR offset, PVOID lpBuffer,
                                                            ULONG cb, PULONG lpcbBytesRead);
typedef ULONG(WDBGAPI *PWINDBG_READ_PROCESS_MEMORY_ROUTINE32)(ULONG offset, PVOID lpBuffer,
                                                              ULONG cb, PULONG lpcbBytesRead);
typedef ULONG(WDBGAPI *PWINDBG_READ_PROCESS_MEMORY_ROUTINE64)(ULONG64 offset, PVOID lpBuffer,
                                                              ULONG cb, PULONG lpcbBytesRead);

typedef ULONG(WDBGAPI *PWINDBG_WRITE_PROCESS_MEMORY_ROUTINE)(ULONG_PTR offset, LPCVOID lpBuffer,
                                                             ULONG cb, PULONG lpcbBytesWritten);
typedef ULONG(WDBGAPI *PWINDBG_WRITE_PROCESS_MEMORY_ROUTINE32)(ULONG offset, LPCVOID lpBuffer,
                                                               ULONG cb, PULONG lpcbBytesWritten);
typedef ULONG(WDBGAPI *PWINDBG_WRITE_PROCESS_MEMORY_ROUTINE64)(ULONG64 offset, LPCVOID lpBuffer,
                                                               ULONG cb, PULONG lpcbBytesWritten);

typedef ULONG(WDBGAPI *PWINDBG_GET_THREAD_CONTEXT_ROUTINE)(ULONG Processor, PCONTEXT lpContext,
                                                           ULONG cbSizeOfContext);
typedef ULONG(WDBGAPI *PWINDBG_SET_THREAD_CONTEXT_ROUTINE)(ULONG Processor, PCONTEXT lpContext,
                                                           ULONG cbSizeOfContext);

typedef ULONG(WDBGAPI *PWINDBG_IOCTL_ROUTINE)(USHORT IoctlType, PVOID lpvData, ULONG cbSize);

typedef ULONG(WDBGAPI *PWINDBG_STACKTRACE_ROUTINE)(ULONG_PTR FramePointer, ULONG_PTR StackPointer,
                                                   ULONG_PTR ProgramCounter,
                                                   PEXTSTACKTRACE StackFrames, ULONG Frames);
typedef ULONG(WDBGAPI *PWINDBG_STACKTRACE_ROUTINE32)(ULONG FramePointer, ULONG StackPointer,
                                                     ULONG ProgramCounter,
                                                     PEXTSTACKTRACE32 StackFrames, ULONG Frames);
typedef ULONG(WDBGAPI *PWINDBG_STACKTRACE_ROUTINE64)(ULONG64 FramePointer, ULONG64 StackPointer,
                                                     ULONG64 ProgramCounter,
                                                     PEXTSTACKTRACE64 StackFrames, ULONG Frames);

typedef struct _WINDBG_EXTENSION_APIS {
  ULONG nSize;
  PWINDBG_OUTPUT_ROUTINE lpOutputRoutine;
  PWINDBG_GET_EXPRESSION lpGetExpressionRoutine;
  PWINDBG_GET_SYMBOL lpGetSymbolRoutine;
  PWINDBG_DISASM lpDisasmRoutine;
  PWINDBG_CHECK_CONTROL_C lpCheckControlCRoutine;
  PWINDBG_READ_PROCESS_MEMORY_ROUTINE lpReadProcessMemoryRoutine;
  PWINDBG_WRITE_PROCESS_MEMORY_ROUTINE lpWriteProcessMemoryRoutine;
  PWINDBG_GET_THREAD_CONTEXT_ROUTINE lpGetThreadContextRoutine;
  PWINDBG_SET_THREAD_CONTEXT_ROUTINE lpSetThreadContextRoutine;
  PWINDBG_IOCTL_ROUTINE lpIoctlRoutine;
  PWINDBG_STACKTRACE_ROUTINE lpStackTraceRoutine;
} WINDBG_EXTENSION_APIS, *PWINDBG_EXTENSION_APIS;

typedef struct _WINDBG_EXTENSION_APIS32 {
  ULONG nSize;
  PWINDBG_OUTPUT_ROUTINE lpOutputRoutine;
  PWINDBG_GET_EXPRESSION32 lpGetExpressionRoutine;
  PWINDBG_GET_SYMBOL32 lpGetSymbolRoutine;
  PWINDBG_DISASM32 lpDisasmRoutine;
  PWINDBG_CHECK_CONTROL_C lpCheckControlCRoutine;
  PWINDBG_READ_PROCESS_MEMORY_ROUTINE32 lpReadProcessMemoryRoutine;
  PWINDBG_WRITE_PROCESS_MEMORY_ROUTINE32 lpWriteProcessMemoryRoutine;
  PWINDBG_GET_THREAD_CONTEXT_ROUTINE lpGetThreadContextRoutine;
  PWINDBG_SET_THREAD_CONTEXT_ROUTINE lpSetThreadContextRoutine;
  PWINDBG_IOCTL_ROUTINE lpIoctlRoutine;
  PWINDBG_STACKTRACE_ROUTINE32 lpStackTraceRoutine;
} WINDBG_EXTENSION_APIS32, *PWINDBG_EXTENSION_APIS32;

typedef struct _WINDBG_EXTENSION_APIS64 {
  ULONG nSize;
  PWINDBG_OUTPUT_ROUTINE lpOutputRoutine;
  PWINDBG_GET_EXPRESSION64 lpGetExpressionRoutine;
  PWINDBG_GET_SYMBOL64 lpGetSymbolRoutine;
  PWINDBG_DISASM64 lpDisasmRoutine;
  PWINDBG_CHECK_CONTROL_C lpCheckControlCRoutine;
  PWINDBG_READ_PROCESS_MEMORY_ROUTINE64 lpReadProcessMemoryRoutine;
  PWINDBG_WRITE_PROCESS_MEMORY_ROUTINE64 lpWriteProcessMemoryRoutine;
  PWINDBG_GET_THREAD_CONTEXT_ROUTINE lpGetThreadContextRoutine;
  PWINDBG_SET_THREAD_CONTEXT_ROUTINE lpSetThreadContextRoutine;
  PWINDBG_IOCTL_ROUTINE lpIoctlRoutine;
  PWINDBG_STACKTRACE_ROUTINE64 lpStackTraceRoutine;
} WINDBG_EXTENSION_APIS64, *PWINDBG_EXTENSION_APIS64;

#define EXT_API_VERSION_NUMBER 5
#define EXT_API_VERSION_NUMBER32 5
#define EXT_API_VERSION_NUMBER64 6

typedef struct EXT_API_VERSION {
  USHORT MajorVersion;
  USHORT MinorVersion;
  USHORT Revision;
  USHORT Reserved;
} EXT_API_VERSION, *LPEXT_API_VERSION;

/* An extension's entry points: WinDbgExtensionDllInit, CheckVersion, ExtensionApiVersion. */
typedef void(WDBGAPI *PWINDBG_EXTENSION_DLL_INIT)(PWINDBG_EXTENSION_APIS lpExtensionApis,
                                                  USHORT MajorVersion, USHORT MinorVersion);
typedef void(WDBGAPI *PWINDBG_EXTENSION_DLL_INIT32)(PWINDBG_EXTENSION_APIS32 lpExtensionApis,
                                                    USHORT MajorVersion, USHORT MinorVersion);
typedef void(WDBGAPI *PWINDBG_EXTENSION_DLL_INIT64)(PWINDBG_EXTENSION_APIS64 lpExtensionApis,
                                                    USHORT MajorVersion, USHORT MinorVersion);
typedef ULONG(WDBGAPI *PWINDBG_CHECK_VERSION)(void);
typedef LPEXT_API_VERSION(WDBGAPI *PWINDBG_EXTENSION_API_VERSION)(void);

/* A command. dwCurrentPc has 64 bits in the 64-bit and the plain kind on this platform. */
typedef void(WDBGAPI *PWINDBG_EXTENSION_ROUTINE)(HANDLE hCurrentProcess, HANDLE hCurrentThread,
                                                 ULONG_PTR dwCurrentPc, ULONG dwProcessor,
                                                 PCSTR lpArgumentString);
typedef void(WDBGAPI *PWINDBG_EXTENSION_ROUTINE32)(HANDLE hCurrentProcess, HANDLE hCurrentThread,
                                                   ULONG dwCurrentPc, ULONG dwProcessor,
                                                   PCSTR lpArgumentString);
typedef void(WDBGAPI *PWINDBG_EXTENSION_ROUTINE64)(HANDLE hCurrentProcess, HANDLE hCurrentThread,
                                                   ULONG64 dwCurrentPc, ULONG dwProcessor,
                                                   PCSTR lpArgumentString);

/* What lpIoctlRoutine can be asked for. Those that need a kernel target answer FALSE. */
enum {
  IG_KD_CONTEXT = 1,
  IG_READ_CONTROL_SPACE = 2,
  IG_WRITE_CONTROL_SPACE = 3,
  IG_READ_IO_SPACE = 4,
  IG_WRITE_IO_SPACE = 5,
  IG_READ_PHYSICAL = 6,
  IG_WRITE_PHYSICAL = 7,
  IG_READ_IO_SPACE_EX = 8,
  IG_WRITE_IO_SPACE_EX = 9,
  IG_KSTACK_HELP = 10,
  IG_SET_THREAD = 11,
  IG_READ_MSR = 12,
  IG_WRITE_MSR = 13,
  IG_GET_DEBUGGER_DATA = 14,
  IG_GET_KERNEL_VERSION = 15,
  IG_RELOAD_SYMBOLS = 16,
  IG_GET_SET_SYMPATH = 17,
  IG_GET_EXCEPTION_RECORD = 18,
  IG_IS_PTR64 = 19,
  IG_GET_BUS_DATA = 20,
  IG_SET_BUS_DATA = 21,
  IG_DUMP_SYMBOL_INFO = 22,
  IG_LOWMEM_CHECK = 23,
  IG_SEARCH_MEMORY = 24,
  IG_GET_CURRENT_THREAD = 25,
  IG_GET_CURRENT_PROCESS = 26,
  IG_GET_TYPE_SIZE = 27,
  IG_GET_CURRENT_PROCESS_HANDLE = 28,
  IG_GET_INPUT_LINE = 29,
  IG_GET_EXPRESSION_EX = 30,
  IG_TRANSLATE_VIRTUAL_TO_PHYSICAL = 31,
  IG_GET_CACHE_SIZE = 32,
  IG_READ_PHYSICAL_WITH_FLAGS = 33,
  IG_WRITE_PHYSICAL_WITH_FLAGS = 34,
  IG_POINTER_SEARCH_PHYSICAL = 35,
  IG_GET_THREAD_OS_INFO = 37,
  IG_GET_CLR_DATA_INTERFACE = 38,
  IG_MATCH_PATTERN_A = 39,
  IG_FIND_FILE = 40,
  IG_QUERY_TARGET_INTERFACE = 42,
  IG_TYPED_DATA = 43,
  IG_DISASSEMBLE_BUFFER = 44,
  IG_GET_ANY_MODULE_IN_RANGE = 45,
  IG_VIRTUAL_TO_PHYSICAL = 46,
  IG_PHYSICAL_TO_VIRTUAL = 47,
  IG_GET_CONTEXT_EX = 48,
  IG_GET_TEB_ADDRESS = 128,
  IG_GET_PEB_ADDRESS = 129
};

/* IG_KD_CONTEXT */
typedef struct _PROCESSORINFO {
  USHORT Processor;
  USHORT NumberProcessors;
} PROCESSORINFO, *PPROCESSORINFO;

/* IG_SEARCH_MEMORY: FoundAddress is filled when the routine answers TRUE. */
typedef struct _SEARCHMEMORY {
  ULONG64 SearchAddress;
  ULONG64 SearchLength;
  ULONG64 FoundAddress;
  ULONG PatternLength;
  PVOID Pattern;
} SEARCHMEMORY, *PSEARCHMEMORY;

/* IG_GET_EXPRESSION_EX: Value, and where in Expression the rest begins. */
typedef struct _GET_EXPRESSION_EX {
  PCSTR Expression;
  PCSTR Remainder;
  ULONG64 Value;
} GET_EXPRESSION_EX, *PGET_EXPRESSION_EX;

/* IG_GET_TEB_ADDRESS: of the current thread. */
typedef struct _GET_TEB_ADDRESS {
  ULONGLONG Address;
} GET_TEB_ADDRESS, *PGET_TEB_ADDRESS;

/* IG_GET_CURRENT_THREAD: Processor is a thread id here, 0 the current one. */
typedef struct _GET_CURRENT_THREAD_ADDRESS {
  ULONG Processor;
  ULONG64 Address;
} GET_CURRENT_THREAD_ADDRESS, *PGET_CURRENT_THREAD_ADDRESS;

/* IG_GET_CONTEXT_EX: of the current thread. */
typedef struct _GET_CONTEXT_EX {
  ULONG Status;
  ULONG ContextSize;
  PVOID pContext;
} GET_CONTEXT_EX, *PGET_CONTEXT_EX;

/* IG_GET_THREAD_OS_INFO: ThreadId goes in. Times in 100 ns; CreateTime counts from the boot. */
typedef struct _WDBGEXTS_THREAD_OS_INFO {
  ULONG ThreadId;
  ULONG ExitStatus;
  ULONG PriorityClass;
  ULONG Priority;
  ULONG64 CreateTime;
  ULONG64 ExitTime;
  ULONG64 KernelTime;
  ULONG64 UserTime;
  ULONG64 StartOffset;
  ULONG64 Affinity;
} WDBGEXTS_THREAD_OS_INFO, *PWDBGEXTS_THREAD_OS_INFO;

/* IG_DISASSEMBLE_BUFFER: DataBuffer NULL: the target's bytes at InOffset. */
typedef struct _WDBGEXTS_DISASSEMBLE_BUFFER {
  ULONG64 InOffset;
  ULONG64 OutOffset;
  ULONG AddrFlags;
  ULONG FormatFlags;
  ULONG DataBufferBytes;
  ULONG DisasmBufferChars;
  PVOID DataBuffer;
  PWSTR DisasmBuffer;
  ULONG64 Reserved0[3];
} WDBGEXTS_DISASSEMBLE_BUFFER, *PWDBGEXTS_DISASSEMBLE_BUFFER;

/* IG_GET_ANY_MODULE_IN_RANGE: End is inclusive. */
typedef struct _WDBGEXTS_MODULE_IN_RANGE {
  ULONG64 Start;
  ULONG64 End;
  ULONG64 FoundModBase;
  ULONG FoundModSize;
} WDBGEXTS_MODULE_IN_RANGE, *PWDBGEXTS_MODULE_IN_RANGE;

CORDBG_EXTERN_C_END

#endif /* CORDBG_WDBGEXTS_TYPES_H */
