/* SPDX-License-Identifier: MIT */
/*
 * winbase.h - the Windows base types, COM's root interfaces and the process functions that
 * cordbg's doors are documented with.
 *
 * Sizes are those of Windows x64, not of Linux: LONG and DWORD have 32 bits, WCHAR has 16, so
 * structures here are byte for byte what a debugger written for Windows expects. Calls, however,
 * follow the System V convention of Linux x86-64: STDMETHODCALLTYPE and its like expand to nothing.
 *
 * Each function carries an assembler label: ReadProcessMemory in your source is the symbol
 * cordbg_ReadProcessMemory in libcordbg.so. A program that has a ReadProcessMemory of its own (a
 * Windows emulation, say) can link libcordbg without a clash.
 */
#ifndef CORDBG_WINBASE_H
#define CORDBG_WINBASE_H

#include <stddef.h>
#include <stdint.h>

#if !defined(__x86_64__) || !defined(__linux__)
#error "cordbg supports Linux on x86-64 only"
#endif

/* --- Language glue --------------------------------------------------------------------------- */

#ifdef __cplusplus
#define CORDBG_EXTERN_C extern "C"
#define CORDBG_EXTERN_C_BEGIN extern "C" {
#define CORDBG_EXTERN_C_END }
#else
#define CORDBG_EXTERN_C extern
#define CORDBG_EXTERN_C_BEGIN
#define CORDBG_EXTERN_C_END
#endif

/* A function or variable that libcordbg.so exports (its other symbols are hidden). */
#define CORDBG_API __attribute__((visibility("default")))

/* Attaches the assembler label cordbg_NAME to a function declared under its Windows name. */
#define CORDBG_LABEL(name) __asm__("cordbg_" #name) CORDBG_API

#ifndef WINAPI
#define WINAPI
#endif
#ifndef CALLBACK
#define CALLBACK
#endif
#ifndef STDMETHODCALLTYPE
#define STDMETHODCALLTYPE
#endif
#ifndef STDAPICALLTYPE
#define STDAPICALLTYPE
#endif

/* --- Scalars --------------------------------------------------------------------------------- */

CORDBG_EXTERN_C_BEGIN

typedef int32_t BOOL, *PBOOL, *LPBOOL;
typedef uint8_t BOOLEAN, *PBOOLEAN;
typedef uint8_t BYTE, *PBYTE, *LPBYTE;
typedef char CHAR, *PCHAR;
typedef unsigned char UCHAR, *PUCHAR;
typedef int16_t SHORT, *PSHORT;
typedef uint16_t USHORT, *PUSHORT;
typedef uint16_t WORD, *PWORD, *LPWORD;
typedef int32_t INT, *PINT, *LPINT;
typedef uint32_t UINT, *PUINT;
typedef int32_t LONG, *PLONG, *LPLONG;
typedef uint32_t ULONG, *PULONG;
typedef uint32_t DWORD, *PDWORD, *LPDWORD;
typedef int32_t INT32, LONG32, *PINT32, *PLONG32;
typedef uint32_t UINT32, ULONG32, DWORD32, *PUINT32, *PULONG32, *PDWORD32;
typedef int64_t INT64, LONG64, *PINT64, *PLONG64;
typedef uint64_t UINT64, ULONG64, DWORD64, *PUINT64, *PULONG64, *PDWORD64;
typedef int64_t LONGLONG, *PLONGLONG;
typedef uint64_t ULONGLONG, DWORDLONG, *PULONGLONG, *PDWORDLONG;
typedef float FLOAT;
typedef double DOUBLE;

typedef intptr_t INT_PTR, LONG_PTR, *PINT_PTR, *PLONG_PTR;
typedef uintptr_t UINT_PTR, ULONG_PTR, DWORD_PTR, *PUINT_PTR, *PULONG_PTR, *PDWORD_PTR;
typedef size_t SIZE_T, *PSIZE_T;
typedef ptrdiff_t SSIZE_T, *PSSIZE_T;

typedef void *PVOID, *LPVOID;
typedef const void *LPCVOID, *PCVOID;

/* UTF-16 code units. char16_t in C++, so that u"text" works in both languages; the same bits. */
#ifdef __cplusplus
typedef char16_t WCHAR;
#else
typedef uint16_t WCHAR;
#endif
typedef WCHAR *PWSTR, *LPWSTR, *PWCHAR;
typedef const WCHAR *PCWSTR, *LPCWSTR;
typedef WCHAR OLECHAR, *LPOLESTR;
typedef const OLECHAR *LPCOLESTR;
typedef OLECHAR *BSTR;
typedef char *PSTR, *LPSTR;
typedef const char *PCSTR, *LPCSTR;

typedef void *HANDLE, **PHANDLE, **LPHANDLE;
typedef HANDLE HMODULE, HINSTANCE;
typedef HANDLE HPROCESS, HTHREAD;

typedef INT_PTR (*FARPROC)(void);

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif
#define INFINITE 0xffffffffu
#define MAX_PATH 260
#define INVALID_HANDLE_VALUE ((HANDLE)(intptr_t)-1)

typedef union _LARGE_INTEGER {
  __extension__ struct {
    DWORD LowPart;
    LONG HighPart;
  };
  struct {
    DWORD LowPart;
    LONG HighPart;
  } u;
  LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
  __extension__ struct {
    DWORD LowPart;
    DWORD HighPart;
  };
  struct {
    DWORD LowPart;
    DWORD HighPart;
  } u;
  ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

typedef struct _FILETIME {
  DWORD dwLowDateTime;
  DWORD dwHighDateTime;
} FILETIME, *PFILETIME, *LPFILETIME;

/* --- GUIDs ----------------------------------------------------------------------------------- */

typedef struct _GUID {
  uint32_t Data1;
  uint16_t Data2;
  uint16_t Data3;
  uint8_t Data4[8];
} GUID, *LPGUID;
typedef const GUID *LPCGUID;
typedef GUID IID, *LPIID;
typedef GUID CLSID, *LPCLSID;

CORDBG_EXTERN_C_END

#ifdef __cplusplus
typedef const GUID &REFGUID;
typedef const IID &REFIID;
typedef const CLSID &REFCLSID;
#else
typedef const GUID *REFGUID;
typedef const IID *REFIID;
typedef const CLSID *REFCLSID;
#endif

/*
 * Defines the constant `name` in the header itself: no library need be linked to name an interface.
 * The attribute keeps the compiler quiet about the many that a source file does not use.
 */
#define CORDBG_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8)                               \
  static const GUID name __attribute__((unused)) = {l, w1, w2, {b1, b2, b3, b4, b5, b6, b7, b8}}

CORDBG_GUID(GUID_NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
#define IID_NULL GUID_NULL
#define CLSID_NULL GUID_NULL

#ifdef __cplusplus
static inline BOOL
IsEqualGUID(REFGUID a, REFGUID b)
{
  return __builtin_memcmp(&a, &b, sizeof(GUID)) == 0;
}
static inline bool
operator==(REFGUID a, REFGUID b)
{
  return IsEqualGUID(a, b) != 0;
}
static inline bool
operator!=(REFGUID a, REFGUID b)
{
  return !(a == b);
}
#else
static inline BOOL
IsEqualGUID(REFGUID a, REFGUID b)
{
  return __builtin_memcmp(a, b, sizeof(GUID)) == 0;
}
#endif
#define IsEqualIID(a, b) IsEqualGUID(a, b)
#define IsEqualCLSID(a, b) IsEqualGUID(a, b)

/* --- HRESULTs and Win32 errors: hresult.h has the runtime's own ------------------------------ */

CORDBG_EXTERN_C_BEGIN
typedef int32_t HRESULT;
CORDBG_EXTERN_C_END

#define SUCCEEDED(hr) ((HRESULT)(hr) >= 0)
#define FAILED(hr) ((HRESULT)(hr) < 0)
#define HRESULT_CODE(hr) ((hr)&0xffff)
#define HRESULT_FACILITY(hr) (((hr) >> 16) & 0x1fff)
#define HRESULT_SEVERITY(hr) (((hr) >> 31) & 1)
#define SEVERITY_SUCCESS 0
#define SEVERITY_ERROR 1
#define FACILITY_NULL 0
#define FACILITY_ITF 4
#define FACILITY_WIN32 7
#define FACILITY_URT 19
#define MAKE_HRESULT(severity, facility, code)                                                     \
  ((HRESULT)(((uint32_t)(severity) << 31) | ((uint32_t)(facility) << 16) | (uint32_t)(code)))

/* 0 stays S_OK and an HRESULT stays itself; a Win32 error code becomes 0x8007xxxx. */
#define HRESULT_FROM_WIN32(error)                                                                  \
  ((HRESULT)(error) <= 0                                                                           \
       ? (HRESULT)(error)                                                                          \
       : (HRESULT)(((uint32_t)(error)&0xffffu) | ((uint32_t)FACILITY_WIN32 << 16) | 0x80000000u))

#include <cordbg/hresult.h>

/*
 * No byte could be written. No header of Microsoft's has this name (reading has one, 0x80131c49):
 * the value is cordbg's choice, ERROR_WRITE_FAULT.
 */
#define CORDBG_E_WRITEVIRTUAL_FAILURE ((HRESULT)0x8007001du)

#define ERROR_SUCCESS 0u
#define NO_ERROR 0u
#define ERROR_INVALID_FUNCTION 1u
#define ERROR_FILE_NOT_FOUND 2u
#define ERROR_PATH_NOT_FOUND 3u
#define ERROR_TOO_MANY_OPEN_FILES 4u
#define ERROR_ACCESS_DENIED 5u
#define ERROR_INVALID_HANDLE 6u
#define ERROR_NOT_ENOUGH_MEMORY 8u
#define ERROR_BAD_FORMAT 11u
#define ERROR_INVALID_ACCESS 12u
#define ERROR_INVALID_DATA 13u
#define ERROR_OUTOFMEMORY 14u
#define ERROR_NO_MORE_FILES 18u
#define ERROR_WRITE_PROTECT 19u
#define ERROR_BAD_LENGTH 24u
#define ERROR_WRITE_FAULT 29u
#define ERROR_READ_FAULT 30u
#define ERROR_GEN_FAILURE 31u
#define ERROR_SHARING_VIOLATION 32u
#define ERROR_HANDLE_EOF 38u
#define ERROR_NOT_SUPPORTED 50u
#define ERROR_FILE_EXISTS 80u
#define ERROR_INVALID_PARAMETER 87u
#define ERROR_BROKEN_PIPE 109u
#define ERROR_DISK_FULL 112u
#define ERROR_CALL_NOT_IMPLEMENTED 120u
#define ERROR_SEM_TIMEOUT 121u
#define ERROR_INSUFFICIENT_BUFFER 122u
#define ERROR_INVALID_NAME 123u
#define ERROR_MOD_NOT_FOUND 126u
#define ERROR_PROC_NOT_FOUND 127u
#define ERROR_BAD_ARGUMENTS 160u
#define ERROR_BUSY 170u
#define ERROR_ALREADY_EXISTS 183u
#define ERROR_BAD_EXE_FORMAT 193u
#define ERROR_FILENAME_EXCED_RANGE 206u
#define ERROR_DIRECTORY 267u
#define ERROR_PARTIAL_COPY 299u
#define ERROR_INVALID_ADDRESS 487u
#define ERROR_ARITHMETIC_OVERFLOW 534u
#define ERROR_ELEVATION_REQUIRED 740u
#define ERROR_OPERATION_ABORTED 995u
#define ERROR_IO_PENDING 997u
#define ERROR_NOACCESS 998u
#define ERROR_STACK_OVERFLOW 1001u
#define ERROR_INVALID_FLAGS 1004u
#define ERROR_NO_TOKEN 1008u
#define ERROR_SERVICE_NOT_ACTIVE 1062u
#define ERROR_NOT_FOUND 1168u
#define ERROR_CANCELLED 1223u
#define ERROR_RETRY 1237u
#define ERROR_NOT_READY 21u
#define ERROR_PRIVILEGE_NOT_HELD 1314u
#define ERROR_NO_SYSTEM_RESOURCES 1450u
#define ERROR_TIMEOUT 1460u

/* --- COM: declaring interfaces that read the same in C and C++ ------------------------------- */

/*
 * An interface is written once:
 *
 *   #undef INTERFACE
 *   #define INTERFACE IThing
 *   DECLARE_INTERFACE_(IThing, IUnknown)
 *   {
 *     CORDBG_IUNKNOWN_METHODS;
 *     STDMETHOD(Act)(THIS_ DWORD what) PURE;
 *   };
 *
 * In C++ this is an abstract class. In C it is `struct IThing { const IThingVtbl *lpVtbl; }` and
 * `struct IThingVtbl` of function pointers whose first parameter is the object. Inherited methods
 * are repeated, in order: C needs them, C++ finds them overriding themselves.
 */
#ifdef __cplusplus
#define STDMETHOD(method) virtual HRESULT STDMETHODCALLTYPE method
#define STDMETHOD_(type, method) virtual type STDMETHODCALLTYPE method
#define PURE = 0
#define THIS_
#define THIS void
#define DECLARE_INTERFACE(iface) struct iface
#define DECLARE_INTERFACE_(iface, base) struct iface : public base
#define CORDBG_FORWARD(iface) struct iface
#else
#define STDMETHOD(method) HRESULT(STDMETHODCALLTYPE *method)
#define STDMETHOD_(type, method) type(STDMETHODCALLTYPE *method)
#define PURE
#define THIS_ INTERFACE *This,
#define THIS INTERFACE *This
#define DECLARE_INTERFACE(iface)                                                                   \
  struct iface {                                                                                   \
    const struct iface##Vtbl *lpVtbl;                                                              \
  };                                                                                               \
  struct iface##Vtbl
#define DECLARE_INTERFACE_(iface, base) DECLARE_INTERFACE(iface)
#define CORDBG_FORWARD(iface)                                                                      \
  typedef struct iface iface;                                                                      \
  typedef struct iface##Vtbl iface##Vtbl
#endif

/* The first three slots of every interface. */
#define CORDBG_IUNKNOWN_METHODS                                                                    \
  STDMETHOD(QueryInterface)(THIS_ REFIID riid, void **ppvObject) PURE;                             \
  STDMETHOD_(ULONG, AddRef)(THIS) PURE;                                                            \
  STDMETHOD_(ULONG, Release)(THIS) PURE

CORDBG_FORWARD(IUnknown);
CORDBG_FORWARD(ISequentialStream);
CORDBG_FORWARD(IStream);
CORDBG_FORWARD(IEnumUnknown);
typedef IUnknown *LPUNKNOWN;

/* clang-format off */

/*
 * Reference counts and identity. QueryInterface for IID_IUnknown answers the same pointer on every
 * interface of an object; on failure *ppvObject is NULL. AddRef and Release return the new count,
 * for diagnostics only. All three may be called on any thread.
 */
CORDBG_GUID(IID_IUnknown, 0x00000000, 0x0000, 0x0000, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46);
#undef INTERFACE
#define INTERFACE IUnknown
DECLARE_INTERFACE(IUnknown)
{
  STDMETHOD(QueryInterface)(THIS_ REFIID riid, void **ppvObject) PURE;
  STDMETHOD_(ULONG, AddRef)(THIS) PURE;
  STDMETHOD_(ULONG, Release)(THIS) PURE;
};

CORDBG_GUID(IID_ISequentialStream, 0x0c733a30, 0x2a1c, 0x11ce, 0xad, 0xe5, 0x00, 0xaa, 0x00, 0x44, 0x77, 0x3d);
#undef INTERFACE
#define INTERFACE ISequentialStream
DECLARE_INTERFACE_(ISequentialStream, IUnknown)
{
  CORDBG_IUNKNOWN_METHODS;

  STDMETHOD(Read)(THIS_ void *pv, ULONG cb, ULONG *pcbRead) PURE;
  STDMETHOD(Write)(THIS_ const void *pv, ULONG cb, ULONG *pcbWritten) PURE;
};

typedef struct tagSTATSTG {
  LPOLESTR pwcsName;
  DWORD type;
  ULARGE_INTEGER cbSize;
  FILETIME mtime;
  FILETIME ctime;
  FILETIME atime;
  DWORD grfMode;
  DWORD grfLocksSupported;
  CLSID clsid;
  DWORD grfStateBits;
  DWORD reserved;
} STATSTG;

typedef enum tagSTREAM_SEEK { STREAM_SEEK_SET = 0, STREAM_SEEK_CUR = 1, STREAM_SEEK_END = 2 } STREAM_SEEK;
typedef enum tagSTATFLAG { STATFLAG_DEFAULT = 0, STATFLAG_NONAME = 1, STATFLAG_NOOPEN = 2 } STATFLAG;
typedef enum tagSTGTY { STGTY_STORAGE = 1, STGTY_STREAM = 2, STGTY_LOCKBYTES = 3, STGTY_PROPERTY = 4 } STGTY;

CORDBG_GUID(IID_IStream, 0x0000000c, 0x0000, 0x0000, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46);
#undef INTERFACE
#define INTERFACE IStream
DECLARE_INTERFACE_(IStream, ISequentialStream)
{
  CORDBG_IUNKNOWN_METHODS;

  STDMETHOD(Read)(THIS_ void *pv, ULONG cb, ULONG *pcbRead) PURE;
  STDMETHOD(Write)(THIS_ const void *pv, ULONG cb, ULONG *pcbWritten) PURE;

  STDMETHOD(Seek)(THIS_ LARGE_INTEGER dlibMove, DWORD dwOrigin, ULARGE_INTEGER *plibNewPosition) PURE;
  STDMETHOD(SetSize)(THIS_ ULARGE_INTEGER libNewSize) PURE;
  STDMETHOD(CopyTo)(THIS_ IStream *pstm, ULARGE_INTEGER cb, ULARGE_INTEGER *pcbRead, ULARGE_INTEGER *pcbWritten) PURE;
  STDMETHOD(Commit)(THIS_ DWORD grfCommitFlags) PURE;
  STDMETHOD(Revert)(THIS) PURE;
  STDMETHOD(LockRegion)(THIS_ ULARGE_INTEGER libOffset, ULARGE_INTEGER cb, DWORD dwLockType) PURE;
  STDMETHOD(UnlockRegion)(THIS_ ULARGE_INTEGER libOffset, ULARGE_INTEGER cb, DWORD dwLockType) PURE;
  STDMETHOD(Stat)(THIS_ STATSTG *pstatstg, DWORD grfStatFlag) PURE;
  STDMETHOD(Clone)(THIS_ IStream **ppstm) PURE;
};

CORDBG_GUID(IID_IEnumUnknown, 0x00000100, 0x0000, 0x0000, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46);
#undef INTERFACE
#define INTERFACE IEnumUnknown
DECLARE_INTERFACE_(IEnumUnknown, IUnknown)
{
  CORDBG_IUNKNOWN_METHODS;

  STDMETHOD(Next)(THIS_ ULONG celt, IUnknown **rgelt, ULONG *pceltFetched) PURE;
  STDMETHOD(Skip)(THIS_ ULONG celt) PURE;
  STDMETHOD(Reset)(THIS) PURE;
  STDMETHOD(Clone)(THIS_ IEnumUnknown **ppenum) PURE;
};
#undef INTERFACE

#ifndef __cplusplus
#define IUnknown_QueryInterface(This, riid, ppvObject) ((This)->lpVtbl->QueryInterface(This, riid, ppvObject))
#define IUnknown_AddRef(This) ((This)->lpVtbl->AddRef(This))
#define IUnknown_Release(This) ((This)->lpVtbl->Release(This))

#define ISequentialStream_QueryInterface(This, riid, ppvObject) ((This)->lpVtbl->QueryInterface(This, riid, ppvObject))
#define ISequentialStream_AddRef(This) ((This)->lpVtbl->AddRef(This))
#define ISequentialStream_Release(This) ((This)->lpVtbl->Release(This))
#define ISequentialStream_Read(This, pv, cb, pcbRead) ((This)->lpVtbl->Read(This, pv, cb, pcbRead))
#define ISequentialStream_Write(This, pv, cb, pcbWritten) ((This)->lpVtbl->Write(This, pv, cb, pcbWritten))

#define IStream_QueryInterface(This, riid, ppvObject) ((This)->lpVtbl->QueryInterface(This, riid, ppvObject))
#define IStream_AddRef(This) ((This)->lpVtbl->AddRef(This))
#define IStream_Release(This) ((This)->lpVtbl->Release(This))
#define IStream_Read(This, pv, cb, pcbRead) ((This)->lpVtbl->Read(This, pv, cb, pcbRead))
#define IStream_Write(This, pv, cb, pcbWritten) ((This)->lpVtbl->Write(This, pv, cb, pcbWritten))
#define IStream_Seek(This, dlibMove, dwOrigin, plibNewPosition) ((This)->lpVtbl->Seek(This, dlibMove, dwOrigin, plibNewPosition))
#define IStream_SetSize(This, libNewSize) ((This)->lpVtbl->SetSize(This, libNewSize))
#define IStream_CopyTo(This, pstm, cb, pcbRead, pcbWritten) ((This)->lpVtbl->CopyTo(This, pstm, cb, pcbRead, pcbWritten))
#define IStream_Commit(This, grfCommitFlags) ((This)->lpVtbl->Commit(This, grfCommitFlags))
#define IStream_Revert(This) ((This)->lpVtbl->Revert(This))
#define IStream_LockRegion(This, libOffset, cb, dwLockType) ((This)->lpVtbl->LockRegion(This, libOffset, cb, dwLockType))
#define IStream_UnlockRegion(This, libOffset, cb, dwLockType) ((This)->lpVtbl->UnlockRegion(This, libOffset, cb, dwLockType))
#define IStream_Stat(This, pstatstg, grfStatFlag) ((This)->lpVtbl->Stat(This, pstatstg, grfStatFlag))
#define IStream_Clone(This, ppstm) ((This)->lpVtbl->Clone(This, ppstm))

#define IEnumUnknown_QueryInterface(This, riid, ppvObject) ((This)->lpVtbl->QueryInterface(This, riid, ppvObject))
#define IEnumUnknown_AddRef(This) ((This)->lpVtbl->AddRef(This))
#define IEnumUnknown_Release(This) ((This)->lpVtbl->Release(This))
#define IEnumUnknown_Next(This, celt, rgelt, pceltFetched) ((This)->lpVtbl->Next(This, celt, rgelt, pceltFetched))
#define IEnumUnknown_Skip(This, celt) ((This)->lpVtbl->Skip(This, celt))
#define IEnumUnknown_Reset(This) ((This)->lpVtbl->Reset(This))
#define IEnumUnknown_Clone(This, ppenum) ((This)->lpVtbl->Clone(This, ppenum))
#endif

/* clang-format on */

/* OLE's tagged value, as ISymUnmanagedConstant::GetValue fills it. 24 bytes. */
typedef USHORT VARTYPE;
typedef struct tagVARIANT {
  VARTYPE vt;
  WORD wReserved1;
  WORD wReserved2;
  WORD wReserved3;
  __extension__ union {
    LONGLONG llVal;
    ULONGLONG ullVal;
    LONG lVal;
    ULONG ulVal;
    INT intVal;
    UINT uintVal;
    SHORT iVal;
    USHORT uiVal;
    CHAR cVal;
    BYTE bVal;
    FLOAT fltVal;
    DOUBLE dblVal;
    SHORT boolVal;
    BSTR bstrVal;
    IUnknown *punkVal;
    void *byref;
    struct {
      void *pvRecord;
      void *pRecInfo;
    } record;
  };
} VARIANT;

enum {
  VT_EMPTY = 0,
  VT_NULL = 1,
  VT_I2 = 2,
  VT_I4 = 3,
  VT_R4 = 4,
  VT_R8 = 5,
  VT_BSTR = 8,
  VT_BOOL = 11,
  VT_VARIANT = 12,
  VT_UNKNOWN = 13,
  VT_DECIMAL = 14,
  VT_I1 = 16,
  VT_UI1 = 17,
  VT_UI2 = 18,
  VT_UI4 = 19,
  VT_I8 = 20,
  VT_UI8 = 21,
  VT_INT = 22,
  VT_UINT = 23
};

#include <cordbg/winnt.h>

/* --- Process functions ----------------------------------------------------------------------- */

CORDBG_EXTERN_C_BEGIN

/*
 * The calling thread's last error: set by the functions below when they fail, not cleared when they
 * succeed.
 */
DWORD WINAPI GetLastError(void) CORDBG_LABEL(GetLastError);
void WINAPI SetLastError(DWORD dwErrCode) CORDBG_LABEL(SetLastError);

/*
 * Opens a process, debugged by cordbg or not.
 *
 * dwDesiredAccess  PROCESS_... rights; they are kept with the handle and checked at each use.
 * bInheritHandle   ignored: a handle never reaches a child process.
 * dwProcessId      the pid. The handle stays bound to this process when the pid is used again.
 *
 * Returns NULL with ERROR_INVALID_PARAMETER when there is no such process. Any thread.
 * Follows Microsoft's OpenProcess (processthreadsapi.h).
 */
HANDLE WINAPI OpenProcess(DWORD dwDesiredAccess, BOOL bInheritHandle, DWORD dwProcessId)
    CORDBG_LABEL(OpenProcess);

/* Closes a handle. 0 with ERROR_INVALID_HANDLE when it is none, or closed already. Any thread. */
BOOL WINAPI CloseHandle(HANDLE hObject) CORDBG_LABEL(CloseHandle);

/*
 * Reads nSize bytes at lpBaseAddress: all or nothing.
 *
 * What is read is the client view: managed breakpoints and cordbg's internal traps are replaced by
 * the program's own bytes, native breakpoints stay visible. Nothing is cached; the target may run.
 *
 * Accessibility of the whole range is settled before any byte is moved. When a byte of it cannot be
 * read: 0, ERROR_PARTIAL_COPY, *lpNumberOfBytesRead == 0 and lpBuffer untouched. Up to 1 MiB the
 * data travels through a buffer of the library's own, so that lpBuffer is untouched whatever happens
 * meanwhile. For more, one byte of each page is read first, then all in place: a mapping that
 * vanishes in between gives the same answer, but may leave lpBuffer partly written.
 *
 * Errors: ERROR_INVALID_HANDLE (not a handle), ERROR_ACCESS_DENIED (the handle lacks
 * PROCESS_VM_READ, the kernel refuses, or the process is gone), ERROR_NOACCESS (lpBuffer NULL, or a
 * range that wraps past the top of the address space). lpNumberOfBytesRead may be NULL. Any thread.
 * Follows Microsoft's ReadProcessMemory (memoryapi.h).
 */
BOOL WINAPI ReadProcessMemory(HANDLE hProcess, LPCVOID lpBaseAddress, LPVOID lpBuffer, SIZE_T nSize,
                              SIZE_T *lpNumberOfBytesRead) CORDBG_LABEL(ReadProcessMemory);

/*
 * Writes nSize bytes at lpBaseAddress, behind any breakpoint in the range: the bytes become what
 * the program will have when the breakpoint goes. Errors as ReadProcessMemory, with
 * PROCESS_VM_WRITE and PROCESS_VM_OPERATION as the rights needed. Any thread.
 */
BOOL WINAPI WriteProcessMemory(HANDLE hProcess, LPVOID lpBaseAddress, LPCVOID lpBuffer,
                               SIZE_T nSize, SIZE_T *lpNumberOfBytesWritten)
    CORDBG_LABEL(WriteProcessMemory);

/*
 * Describes the range of pages with like attributes that starts at the page of lpAddress: mapped
 * (MEM_COMMIT) or not (MEM_FREE), its protection as PAGE_..., MEM_IMAGE, MEM_MAPPED or MEM_PRIVATE.
 * Needs PROCESS_QUERY_INFORMATION. Returns the bytes written to lpBuffer, or 0 with
 * ERROR_INVALID_PARAMETER (an address beyond user space), ERROR_BAD_LENGTH (dwLength too small),
 * ERROR_INVALID_HANDLE or ERROR_ACCESS_DENIED. Any thread.
 */
SIZE_T WINAPI VirtualQueryEx(HANDLE hProcess, LPCVOID lpAddress, PMEMORY_BASIC_INFORMATION lpBuffer,
                             SIZE_T dwLength) CORDBG_LABEL(VirtualQueryEx);

CORDBG_EXTERN_C_END

#endif /* CORDBG_WINBASE_H */
