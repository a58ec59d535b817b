/* SPDX-License-Identifier: MIT */
/*
 * The Win32 door: OpenProcess, ReadProcessMemory, WriteProcessMemory, VirtualQueryEx and the
 * thread's last error. winbase.h has what callers may rely on; handles.c what a handle is.
 *
 * A process that is debugged by a session of this program is read through the session (the client
 * view) and written behind its traps; any other is read and written plainly, by what the kernel
 * allows the caller. OpenProcess itself asks the kernel nothing but whether the process exists:
 * permissions may change, and are settled at each use.
 */
#include "config.h"

#include "cordbg/com/hresult.h"
#include "cordbg/memory/doors.h"
#include "cordbg/memory/handles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static _Thread_local DWORD last_error;

DWORD
GetLastError(void)
{
  return last_error;
}

void
SetLastError(DWORD dwErrCode)
{
  last_error = dwErrCode;
}

static BOOL
fail(DWORD code, const cordbg_error *error)
{
  cordbg_error_remember(error);
  SetLastError(code);
  return FALSE;
}

HANDLE
OpenProcess(DWORD dwDesiredAccess, BOOL bInheritHandle, DWORD dwProcessId)
{
  (void)bInheritHandle;
  cordbg_error error;
  HANDLE handle = NULL;
  int pid = dwProcessId > INT32_MAX ? 0 : (int)dwProcessId;
  HRESULT hr = cordbg_handle_for_process(pid, dwDesiredAccess, &handle, &error);
  if (FAILED(hr)) {
    fail(cordbg_win32_from_hresult(hr), &error);
    return NULL;
  }
  return handle;
}

/* The Win32 error for what a reader or writer answered. */
static DWORD
transfer_error(HRESULT hr)
{
  switch (hr) {
  case S_FALSE:
  case CORDBG_E_READVIRTUAL_FAILURE:
  case CORDBG_E_WRITEVIRTUAL_FAILURE:
    return ERROR_PARTIAL_COPY;
  case E_INVALIDARG:
    return ERROR_NOACCESS;
  case E_ACCESSDENIED:
  case CORDBG_E_PROCESS_TERMINATED:
  case CORDBG_E_OBJECT_NEUTERED:
    return ERROR_ACCESS_DENIED;
  default:
    return cordbg_win32_from_hresult(hr);
  }
}

/* Another thread may end the session during the read: the process is then one like any other. */
static HRESULT
read_by_handle(cordbg_handle *handle, uint64_t address, void *buffer, size_t size,
               cordbg_error *error)
{
  cordbg_target *target = cordbg_handle_target(handle);
  HRESULT hr = CORDBG_E_OBJECT_NEUTERED;
  if (target != NULL) {
    hr =
        cordbg_reader_read_whole(&target->reader, CORDBG_VIEW_CLIENT, address, buffer, size, error);
    cordbg_target_unref(target);
  }
  if (hr == CORDBG_E_OBJECT_NEUTERED)
    hr =
        cordbg_reader_read_whole(&handle->reader, CORDBG_VIEW_CLIENT, address, buffer, size, error);
  return hr;
}

BOOL
ReadProcessMemory(HANDLE hProcess, LPCVOID lpBaseAddress, LPVOID lpBuffer, SIZE_T nSize,
                  SIZE_T *lpNumberOfBytesRead)
{
  cordbg_error error;
  DWORD code;
  if (lpNumberOfBytesRead != NULL)
    *lpNumberOfBytesRead = 0;
  cordbg_handle *handle = cordbg_handle_check(hProcess, PROCESS_VM_READ, &code, &error);
  if (handle == NULL)
    return fail(code, &error);
  HRESULT hr = read_by_handle(handle, (uintptr_t)lpBaseAddress, lpBuffer, nSize, &error);
  cordbg_handle_drop(handle);
  if (hr != S_OK)
    return fail(transfer_error(hr), &error);
  if (lpNumberOfBytesRead != NULL)
    *lpNumberOfBytesRead = nSize;
  return TRUE;
}

/* ---- writing ---- */

/* Every byte of the range is mapped, and not PROT_NONE. S_FALSE: one is not. */
static HRESULT
settle_write(cordbg_reader *reader, uint64_t address, size_t size, cordbg_error *error)
{
  size_t done = 0;
  while (done < size) {
    cordbg_mapping mapping;
    HRESULT hr =
        cordbg_reader_find_mapping(reader, address + done, false, &mapping, NULL, 0, error);
    if (FAILED(hr))
      return hr;
    if (hr == S_FALSE || mapping.prot == PROT_NONE)
      return cordbg_error_set(error, S_FALSE, EFAULT, address + done,
                              "nothing that can be written is mapped at 0x%llx",
                              (unsigned long long)(address + done));
    uint64_t rest = mapping.end - (address + done);
    done = rest >= size - done ? size : done + (size_t)rest;
  }
  return S_OK;
}

static HRESULT
check_range(uint64_t address, const void *data, size_t size, cordbg_error *error)
{
  if (size == 0 || (data != NULL && address + (size - 1) >= address))
    return S_OK;
  return cordbg_error_set(error, E_INVALIDARG, 0, address,
                          data == NULL ? "no bytes to write"
                                       : "the range wraps past the top of the address space");
}

/*
 * Without a session: /proc/PID/mem, which writes read-only private pages too, as a debugger on
 * Windows may.
 */
HRESULT
cordbg_handle_write(cordbg_handle *handle, uint64_t address, const void *data, size_t size,
                    size_t *written, cordbg_error *error)
{
  HRESULT hr = check_range(address, data, size, error);
  if (FAILED(hr))
    return hr;
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/mem", handle->pid);
  int fd = open(path, O_RDWR | O_CLOEXEC);
  int sys = fd < 0 ? errno : 0;
  /* The descriptor is bound to the process that had the pid when it was opened. */
  hr = cordbg_reader_state(&handle->reader);
  if (FAILED(hr)) {
    if (fd >= 0)
      close(fd);
    return cordbg_error_set(error, hr, ESRCH, 0, "process %d has ended", handle->pid);
  }
  while (fd >= 0 && *written < size) {
    ssize_t count =
        pwrite(fd, (const char *)data + *written, size - *written, (off_t)(address + *written));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0) {
      sys = count < 0 ? errno : ESRCH;
      break;
    }
    *written += (size_t)count;
  }
  if (fd >= 0)
    close(fd);
  if (*written == size)
    return S_OK;
  if (sys == EIO || sys == EFAULT)
    return cordbg_error_set(error, S_FALSE, sys, address + *written, "0x%llx cannot be written",
                            (unsigned long long)(address + *written));
  return cordbg_error_set(error, E_ACCESSDENIED, sys, address + *written,
                          "the kernel refuses to let this process write the memory of process %d",
                          handle->pid);
}

static HRESULT
write_by_handle(cordbg_handle *handle, uint64_t address, const void *data, size_t size,
                size_t *written, cordbg_error *error)
{
  HRESULT wrong = check_range(address, data, size, error);
  if (FAILED(wrong))
    return wrong;
  cordbg_target *target = cordbg_handle_target(handle);
  cordbg_reader *reader = target == NULL ? &handle->reader : &target->reader;
  HRESULT hr = settle_write(reader, address, size, error);
  if (hr == S_OK && target != NULL)
    hr = cordbg_target_write(target, address, data, size, written, error);
  else if (hr == S_OK && size > 0)
    hr = cordbg_handle_write(handle, address, data, size, written, error);
  cordbg_target_unref(target);
  return hr;
}

BOOL
WriteProcessMemory(HANDLE hProcess, LPVOID lpBaseAddress, LPCVOID lpBuffer, SIZE_T nSize,
                   SIZE_T *lpNumberOfBytesWritten)
{
  cordbg_error error = {0};
  DWORD code;
  size_t written = 0;
  if (lpNumberOfBytesWritten != NULL)
    *lpNumberOfBytesWritten = 0;
  cordbg_handle *handle =
      cordbg_handle_check(hProcess, PROCESS_VM_WRITE | PROCESS_VM_OPERATION, &code, &error);
  if (handle == NULL)
    return fail(code, &error);
  HRESULT hr = write_by_handle(handle, (uintptr_t)lpBaseAddress, lpBuffer, nSize, &written, &error);
  cordbg_handle_drop(handle);
  if (lpNumberOfBytesWritten != NULL)
    *lpNumberOfBytesWritten = written;
  return hr == S_OK ? TRUE : fail(transfer_error(hr), &error);
}

/* ---- mappings ---- */

SIZE_T
VirtualQueryEx(HANDLE hProcess, LPCVOID lpAddress, PMEMORY_BASIC_INFORMATION lpBuffer,
               SIZE_T dwLength)
{
  cordbg_error error;
  DWORD code;
  cordbg_handle *handle = cordbg_handle_check(hProcess, PROCESS_QUERY_INFORMATION, &code, &error);
  if (handle == NULL)
    return (SIZE_T)fail(code, &error);
  HRESULT hr = S_OK;
  MEMORY_BASIC_INFORMATION64 info;
  if (lpBuffer == NULL)
    hr = cordbg_error_set(&error, HRESULT_FROM_WIN32(ERROR_NOACCESS), 0, 0, "no buffer was given");
  else if (dwLength < sizeof *lpBuffer)
    hr = cordbg_error_set(&error, HRESULT_FROM_WIN32(ERROR_BAD_LENGTH), 0, 0,
                          "a buffer of %zu bytes holds no MEMORY_BASIC_INFORMATION", dwLength);
  if (SUCCEEDED(hr)) {
    cordbg_target *target = cordbg_handle_target(handle);
    cordbg_reader *reader = target == NULL ? &handle->reader : &target->reader;
    hr = cordbg_reader_query(reader, (uintptr_t)lpAddress, &info, &error);
    cordbg_target_unref(target);
  }
  cordbg_handle_drop(handle);
  if (FAILED(hr)) /* E_INVALIDARG is ERROR_INVALID_PARAMETER itself here */
    return (SIZE_T)fail(hr == E_INVALIDARG ? ERROR_INVALID_PARAMETER : transfer_error(hr), &error);
  *lpBuffer = (MEMORY_BASIC_INFORMATION){
      .BaseAddress = (PVOID)(uintptr_t)info.BaseAddress,
      .AllocationBase = (PVOID)(uintptr_t)info.AllocationBase,
      .AllocationProtect = info.AllocationProtect,
      .RegionSize = info.RegionSize,
      .State = info.State,
      .Protect = info.Protect,
      .Type = info.Type,
  };
  return sizeof *lpBuffer;
}
