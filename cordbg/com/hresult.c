/* SPDX-License-Identifier: MIT */
/*
 * Status codes, translated.
 *
 * Why: the kernel answers in errno, the doors in Win32 errors, ICorDebug in HRESULTs. Each
 * translation is a table here, so that a refusal has the same meaning at every door.
 *
 * Invariants: every errno maps to one Win32 error, the way back gives an errno of the same meaning
 * (not always the same one); 0 maps to 0 in every direction. Two names for one value (E_HANDLE and
 * HRESULT_FROM_WIN32(ERROR_INVALID_HANDLE)) give COM's.
 */
#include "cordbg/com/hresult.h"

#include <errno.h>
#include <stddef.h>

typedef struct errno_row {
  int sys;
  DWORD error;
} errno_row;

/* The first row of a Win32 error is the errno that stands for it on the way back. */
static const errno_row errno_rows[] = {
    {ENOENT, ERROR_FILE_NOT_FOUND},
    {ENOTDIR, ERROR_PATH_NOT_FOUND},
    {ENXIO, ERROR_FILE_NOT_FOUND},
    {ENODEV, ERROR_FILE_NOT_FOUND},
    {EMFILE, ERROR_TOO_MANY_OPEN_FILES},
    {ENFILE, ERROR_TOO_MANY_OPEN_FILES},
    {EPERM, ERROR_ACCESS_DENIED},
    {EACCES, ERROR_ACCESS_DENIED},
    {EROFS, ERROR_WRITE_PROTECT},
    {EBADF, ERROR_INVALID_HANDLE},
    {ENOMEM, ERROR_NOT_ENOUGH_MEMORY},
    {EINVAL, ERROR_INVALID_PARAMETER},
    {EFAULT, ERROR_NOACCESS},
    {ESRCH, ERROR_NOT_FOUND},
    {ECHILD, ERROR_NOT_FOUND},
    {EIO, ERROR_READ_FAULT},
    {ETXTBSY, ERROR_SHARING_VIOLATION},
    {ENOSYS, ERROR_CALL_NOT_IMPLEMENTED},
    {EOPNOTSUPP, ERROR_NOT_SUPPORTED},
    {EEXIST, ERROR_ALREADY_EXISTS},
    {EPIPE, ERROR_BROKEN_PIPE},
    {ECONNRESET, ERROR_BROKEN_PIPE},
    {ENOSPC, ERROR_DISK_FULL},
    {EBUSY, ERROR_BUSY},
    {ENOEXEC, ERROR_BAD_EXE_FORMAT},
    {ELIBBAD, ERROR_BAD_EXE_FORMAT},
    {ENAMETOOLONG, ERROR_FILENAME_EXCED_RANGE},
    {EISDIR, ERROR_DIRECTORY},
    {EOVERFLOW, ERROR_ARITHMETIC_OVERFLOW},
    {ERANGE, ERROR_INSUFFICIENT_BUFFER},
    {EINTR, ERROR_OPERATION_ABORTED},
    {ECANCELED, ERROR_CANCELLED},
    {EAGAIN, ERROR_RETRY},
    {ETIMEDOUT, ERROR_TIMEOUT},
    {E2BIG, ERROR_BAD_LENGTH},
    {ESPIPE, ERROR_INVALID_FUNCTION},
    {ENOTTY, ERROR_INVALID_FUNCTION},
    {EPROTO, ERROR_INVALID_DATA},
    {EBADMSG, ERROR_INVALID_DATA},
    {EILSEQ, ERROR_INVALID_DATA},
};

/* Win32 errors that arise without an errno, for the way back only. */
static const errno_row win32_rows[] = {
    {EFAULT, ERROR_PARTIAL_COPY},   {EFAULT, ERROR_INVALID_ADDRESS},
    {EIO, ERROR_WRITE_FAULT},       {ENOMEM, ERROR_OUTOFMEMORY},
    {EACCES, ERROR_INVALID_ACCESS}, {EPERM, ERROR_PRIVILEGE_NOT_HELD},
    {ENOEXEC, ERROR_BAD_FORMAT},    {ENOENT, ERROR_MOD_NOT_FOUND},
    {ENOENT, ERROR_PROC_NOT_FOUND}, {EINVAL, ERROR_BAD_ARGUMENTS},
    {EINVAL, ERROR_INVALID_NAME},   {EINVAL, ERROR_INVALID_FLAGS},
    {EEXIST, ERROR_FILE_EXISTS},    {ETIMEDOUT, ERROR_SEM_TIMEOUT},
    {EAGAIN, ERROR_NOT_READY},      {EINPROGRESS, ERROR_IO_PENDING},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

DWORD
cordbg_win32_from_errno(int sys)
{
  if (sys == 0)
    return ERROR_SUCCESS;
  for (size_t i = 0; i < COUNT(errno_rows); i++)
    if (errno_rows[i].sys == sys)
      return errno_rows[i].error;
  return ERROR_GEN_FAILURE;
}

HRESULT
cordbg_hresult_from_errno(int sys)
{
  if (sys == ENOMEM)
    return E_OUTOFMEMORY;
  return HRESULT_FROM_WIN32(cordbg_win32_from_errno(sys));
}

int
cordbg_errno_from_win32(DWORD error)
{
  if (error == ERROR_SUCCESS)
    return 0;
  for (size_t i = 0; i < COUNT(errno_rows); i++)
    if (errno_rows[i].error == error)
      return errno_rows[i].sys;
  for (size_t i = 0; i < COUNT(win32_rows); i++)
    if (win32_rows[i].error == error)
      return win32_rows[i].sys;
  return EIO;
}

DWORD
cordbg_win32_from_hresult(HRESULT hr)
{
  if (SUCCEEDED(hr))
    return ERROR_SUCCESS;
  if (HRESULT_FACILITY(hr) == FACILITY_WIN32)
    return (DWORD)HRESULT_CODE(hr);
  switch (hr) {
  case E_NOTIMPL:
    return ERROR_CALL_NOT_IMPLEMENTED;
  case E_NOINTERFACE:
    return ERROR_NOT_SUPPORTED;
  case E_POINTER:
    return ERROR_NOACCESS;
  case E_ABORT:
    return ERROR_OPERATION_ABORTED;
  case E_PENDING:
    return ERROR_IO_PENDING;
  case CORDBG_E_UNSUPPORTED:
    return ERROR_NOT_SUPPORTED;
  case CORDBG_E_PROCESS_TERMINATED:
  case CORDBG_E_PROCESS_DETACHED:
  case CORDBG_E_OBJECT_NEUTERED:
  case CORDBG_E_DEBUGGER_ALREADY_ATTACHED:
    return ERROR_ACCESS_DENIED;
  case CORDBG_E_READVIRTUAL_FAILURE:
    return ERROR_PARTIAL_COPY;
  case CORDBG_E_TIMEOUT:
    return ERROR_TIMEOUT;
  default:
    return ERROR_GEN_FAILURE;
  }
}

int
cordbg_errno_from_hresult(HRESULT hr)
{
  return cordbg_errno_from_win32(cordbg_win32_from_hresult(hr));
}
