/* SPDX-License-Identifier: MIT */
/*
 * What extensions ask by lpIoctlRoutine, and the Ctrl-C check. wdbgexts-types.h lists the requests;
 * of them these are answered, the others FALSE: they need a kernel target, types, or a console.
 *
 *   IG_IS_PTR64, IG_GET_CURRENT_PROCESS_HANDLE, IG_SEARCH_MEMORY, IG_GET_EXPRESSION_EX
 *   IG_SET_THREAD             ULONG64 thread id; one that is the target's
 *   IG_GET_TEB_ADDRESS, IG_GET_CURRENT_THREAD
 *                             the thread's own block, which is what fs points to here. Its layout
 *                             is the C library's, not a TEB's.
 *   IG_GET_THREAD_OS_INFO     times by /proc
 *   IG_GET_CONTEXT_EX         as GetContext
 *   IG_RELOAD_SYMBOLS         the modules are looked at anew
 *   IG_GET_CACHE_SIZE         0: nothing is cached
 *   IG_DISASSEMBLE_BUFFER     the caller's own bytes; also those at an address of the target
 *   IG_GET_ANY_MODULE_IN_RANGE
 *
 * A request of fewer bytes than its structure is FALSE.
 */
#include "config.h"

#include "cordbg/com/utf16.h"
#include "cordbg/memory/wdbgexts-private.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STILL_ACTIVE 259u

ULONG
cordbg_extension_check_control_c(void)
{
  cordbg_target *target = cordbg_extension_current()->target;
  return target != NULL && atomic_exchange(&target->control_c, 0) != 0;
}

static ULONG
process_handle(cordbg_extension_session *session, HANDLE *ret)
{
  cordbg_error error;
  if (session->handle == NULL &&
      FAILED(cordbg_handle_for_process(session->target->reader.pid, PROCESS_ALL_ACCESS,
                                       &session->handle, &error)))
    return cordbg_extension_failed(&error);
  *ret = session->handle;
  return TRUE;
}

static ULONG
set_thread(cordbg_extension_session *session, const ULONG64 *wanted)
{
  cordbg_error error = {0};
  HRESULT hr = S_FALSE;
  if (*wanted > 0 && *wanted <= INT32_MAX)
    hr = cordbg_extension_has_thread(session->target, (int)*wanted, &error);
  if (hr == S_FALSE)
    cordbg_error_set(&error, E_INVALIDARG, 0, 0, "%llu is no thread of the process",
                     (unsigned long long)*wanted);
  if (hr != S_OK)
    return cordbg_extension_failed(&error);
  session->tid = (int)*wanted;
  return TRUE;
}

static ULONG
thread_block(cordbg_extension_session *session, int tid, ULONG64 *ret)
{
  cordbg_error error = {0};
  cordbg_registers registers;
  if (FAILED(cordbg_extension_registers(session, tid, &registers, &error)))
    return cordbg_extension_failed(&error);
  *ret = registers.general.fs_base;
  return TRUE;
}

static ULONG
expression(cordbg_extension_session *session, GET_EXPRESSION_EX *request)
{
  cordbg_error error = {0};
  uint64_t value;
  size_t rest;
  if (request->Expression == NULL)
    return FALSE;
  if (FAILED(cordbg_extension_evaluate(session, request->Expression, &value, &rest, &error)))
    return cordbg_extension_failed(&error);
  request->Value = value;
  request->Remainder = request->Expression + rest;
  return TRUE;
}

/* The times of a thread in 100 ns: in the kernel, in its own code, and since when it runs. */
static ULONG
thread_times(cordbg_extension_session *session, WDBGEXTS_THREAD_OS_INFO *request)
{
  g_autofree char *path =
      g_strdup_printf("/proc/%d/task/%u/stat", session->target->reader.pid, request->ThreadId);
  g_autofree char *text = NULL;
  unsigned long user, kernel;
  unsigned long long start;
  if (cordbg_target_state(session->target) != S_OK || !g_file_get_contents(path, &text, NULL, NULL))
    return FALSE;
  const char *name_end = strrchr(text, ')'); /* the name may hold anything */
  if (name_end == NULL ||
      sscanf(name_end + 1,
             " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d "
             "%*d %*d %llu",
             &user, &kernel, &start) != 3)
    return FALSE;
  uint64_t tick = 10000000u / (uint64_t)sysconf(_SC_CLK_TCK);
  *request = (WDBGEXTS_THREAD_OS_INFO){.ThreadId = request->ThreadId,
                                       .ExitStatus = STILL_ACTIVE,
                                       .CreateTime = start * tick,
                                       .KernelTime = kernel * tick,
                                       .UserTime = user * tick};
  return TRUE;
}

static ULONG
disassemble_buffer(cordbg_extension_session *session, WDBGEXTS_DISASSEMBLE_BUFFER *request)
{
  cordbg_error error = {0};
  uint8_t bytes[16];
  size_t count = sizeof bytes;
  char line[CORDBG_EXTENSION_LINE_MAX];
  uint64_t next;
  if (request->AddrFlags != 0 || request->DisasmBuffer == NULL || request->DisasmBufferChars == 0)
    return FALSE;
  HRESULT hr = S_OK;
  if (request->DataBuffer != NULL) {
    count = MIN(request->DataBufferBytes, sizeof bytes);
    memcpy(bytes, request->DataBuffer, count);
  } else {
    hr = cordbg_target_read(session->target, CORDBG_VIEW_PRISTINE, request->InOffset, bytes,
                            sizeof bytes, &count, &error);
  }
  if (SUCCEEDED(hr))
    hr = cordbg_extension_disassemble(session, request->InOffset, bytes, count, false, line, &next,
                                      &error);
  if (FAILED(hr))
    return cordbg_extension_failed(&error);
  size_t room = request->DisasmBufferChars - 1;
  size_t units = cordbg_utf16_from_utf8(line, strlen(line), request->DisasmBuffer, room);
  request->DisasmBuffer[MIN(units, room)] = 0;
  request->OutOffset = next;
  return TRUE;
}

static ULONG
module_in_range(cordbg_extension_session *session, WDBGEXTS_MODULE_IN_RANGE *request)
{
  cordbg_error error = {0};
  uint64_t base, size;
  HRESULT hr =
      cordbg_extension_module_in(session, request->Start, request->End, &base, &size, &error);
  if (FAILED(hr))
    return cordbg_extension_failed(&error);
  if (hr == S_FALSE)
    return FALSE;
  request->FoundModBase = base;
  request->FoundModSize = size > UINT32_MAX ? UINT32_MAX : (ULONG)size;
  return TRUE;
}

/* Bytes that a request's structure has; 0: not answered. */
static size_t
request_size(USHORT type)
{
  switch (type) {
  case IG_IS_PTR64:
    return sizeof(ULONG);
  case IG_GET_CURRENT_PROCESS_HANDLE:
    return sizeof(HANDLE);
  case IG_SEARCH_MEMORY:
    return sizeof(SEARCHMEMORY);
  case IG_GET_EXPRESSION_EX:
    return sizeof(GET_EXPRESSION_EX);
  case IG_SET_THREAD:
  case IG_GET_CACHE_SIZE:
    return sizeof(ULONG64);
  case IG_GET_TEB_ADDRESS:
    return sizeof(GET_TEB_ADDRESS);
  case IG_GET_CURRENT_THREAD:
    return sizeof(GET_CURRENT_THREAD_ADDRESS);
  case IG_GET_THREAD_OS_INFO:
    return sizeof(WDBGEXTS_THREAD_OS_INFO);
  case IG_GET_CONTEXT_EX:
    return sizeof(GET_CONTEXT_EX);
  case IG_DISASSEMBLE_BUFFER:
    return sizeof(WDBGEXTS_DISASSEMBLE_BUFFER);
  case IG_GET_ANY_MODULE_IN_RANGE:
    return sizeof(WDBGEXTS_MODULE_IN_RANGE);
  case IG_RELOAD_SYMBOLS:
    return 1; /* a string: !reload's arguments */
  default:
    return 0;
  }
}

static ULONG
answer(cordbg_extension_session *session, USHORT type, PVOID data)
{
  switch (type) {
  case IG_IS_PTR64:
    memcpy(data, &(ULONG){1}, sizeof(ULONG));
    return TRUE;
  case IG_GET_CACHE_SIZE:
    memset(data, 0, sizeof(ULONG64));
    return TRUE;
  case IG_GET_CURRENT_PROCESS_HANDLE:
    return process_handle(session, data);
  case IG_SEARCH_MEMORY:
    return cordbg_extension_search(session->target, data);
  case IG_GET_EXPRESSION_EX:
    return expression(session, data);
  case IG_SET_THREAD:
    return set_thread(session, data);
  case IG_GET_TEB_ADDRESS:
    return thread_block(session, cordbg_extension_thread(session),
                        &((GET_TEB_ADDRESS *)data)->Address);
  case IG_GET_CURRENT_THREAD: {
    GET_CURRENT_THREAD_ADDRESS *request = data;
    int tid = request->Processor != 0 ? (int)request->Processor : cordbg_extension_thread(session);
    return thread_block(session, tid, &request->Address);
  }
  case IG_GET_THREAD_OS_INFO:
    return thread_times(session, data);
  case IG_GET_CONTEXT_EX: {
    GET_CONTEXT_EX *request = data;
    ULONG done = cordbg_extension_get_context(0, request->pContext, request->ContextSize);
    request->Status = done ? S_OK : (ULONG)E_FAIL;
    return done;
  }
  case IG_DISASSEMBLE_BUFFER:
    return disassemble_buffer(session, data);
  case IG_GET_ANY_MODULE_IN_RANGE:
    return module_in_range(session, data);
  case IG_RELOAD_SYMBOLS:
    cordbg_extension_reload(session);
    return TRUE;
  default:
    return FALSE;
  }
}

ULONG
cordbg_extension_ioctl(USHORT type, PVOID data, ULONG size)
{
  size_t wanted = request_size(type);
  if (cordbg_extension_target() == NULL || wanted == 0 ||
      (type != IG_RELOAD_SYMBOLS && (data == NULL || size < wanted)))
    return FALSE;
  return answer(cordbg_extension_current(), type, data);
}
