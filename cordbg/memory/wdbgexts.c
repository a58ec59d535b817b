/* SPDX-License-Identifier: MIT */
/*
 * The WdbgExts door: tables of routines for extension libraries.
 *
 * A routine has no parameter for the process: it concerns the *current process* of the thread that
 * calls it, which filling a table sets and cordbg_wdbgexts_set_current changes. A thread without
 * one gets the failure that the routine's document has, and a sentence.
 *
 *   memory          as ReadProcessMemory: all or nothing, the client view, the buffer untouched on
 *                   failure; writing goes behind the traps
 *   output          to the thread's sink, stdout by default
 *   expressions     numbers and their sums; symbols are not resolved (a message says so, 0)
 *   GetSymbol       no symbols: an empty name, the displacement is the address itself
 *   Disasm          one instruction, as the program left it: no trap shows
 *   CheckControlC   TRUE once after cordbg_wdbgexts_interrupt
 *   Get/SetContext  of the current thread, or of the thread whose id is given as the processor;
 *                   the target must be stopped
 *   StackTrace      no unwinder here: a message, 0 frames
 *   Ioctl           IG_IS_PTR64, IG_GET_CURRENT_PROCESS_HANDLE, IG_SEARCH_MEMORY, IG_SET_THREAD;
 *                   FALSE for what needs a kernel target
 *
 * The three tables differ in the width of addresses only.
 */
#include "config.h"

#include "cordbg/memory/context.h"
#include "cordbg/memory/doors.h"
#include "cordbg/memory/target-private.h"
#include "cordbg/memory/wdbgexts-text.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

/* A thread's session. */
typedef struct extension_session {
  cordbg_target *target;
  int tid;
  HANDLE handle; /* of the target's process, made when first asked for */
  cordbg_wdbgexts_output output;
  void *output_data;
} extension_session;

static void
session_clear(extension_session *session)
{
  cordbg_target_unref(session->target);
  session->target = NULL;
  if (session->handle != NULL)
    CloseHandle(session->handle);
  session->handle = NULL;
}

static void
session_free(gpointer data)
{
  session_clear(data);
  g_free(data);
}

static GPrivate sessions = G_PRIVATE_INIT(session_free);

static extension_session *
current(void)
{
  extension_session *session = g_private_get(&sessions);
  if (session == NULL) {
    session = g_new0(extension_session, 1);
    g_private_set(&sessions, session);
  }
  return session;
}

void
cordbg_wdbgexts_set_current(cordbg_target *target, int tid)
{
  extension_session *session = current();
  if (target != NULL)
    cordbg_target_ref(target);
  session_clear(session);
  session->target = target;
  session->tid = tid;
}

void
cordbg_wdbgexts_set_output(cordbg_wdbgexts_output function, void *data)
{
  extension_session *session = current();
  session->output = function;
  session->output_data = data;
}

void
cordbg_wdbgexts_interrupt(cordbg_target *target)
{
  atomic_store(&target->control_c, 1);
}

/* FALSE, with the reason kept as the last error. */
static ULONG
failed(const cordbg_error *error)
{
  cordbg_error_remember(error);
  return FALSE;
}

/* The current process, or NULL with the reason kept. */
static cordbg_target *
current_target(void)
{
  cordbg_target *target = current()->target;
  if (target == NULL) {
    cordbg_error error;
    cordbg_error_set(&error, E_UNEXPECTED, 0, 0,
                     "this thread has no current process: fill an extension table on it first");
    failed(&error);
  }
  return target;
}

/* ---- output ---- */

static void
output_text(const char *text)
{
  extension_session *session = current();
  if (session->output != NULL)
    session->output(session->output_data, text);
  else
    fputs(text, stdout);
}

static void
output(PCSTR format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = cordbg_wdbgexts_format(format, arguments);
  va_end(arguments);
  output_text(text);
}

/* ---- memory ---- */

static ULONG
read64(ULONG64 offset, PVOID buffer, ULONG size, PULONG read)
{
  if (read != NULL)
    *read = 0;
  cordbg_target *target = current_target();
  if (target == NULL)
    return FALSE;
  cordbg_error error;
  if (cordbg_reader_read_whole(&target->reader, CORDBG_VIEW_CLIENT, offset, buffer, size, &error) !=
      S_OK)
    return failed(&error);
  if (read != NULL)
    *read = size;
  return TRUE;
}

static ULONG
write64(ULONG64 offset, LPCVOID buffer, ULONG size, PULONG written)
{
  if (written != NULL)
    *written = 0;
  cordbg_target *target = current_target();
  if (target == NULL)
    return FALSE;
  cordbg_error error = {0};
  size_t count = 0;
  HRESULT hr = cordbg_target_write(target, offset, buffer, size, &count, &error);
  if (written != NULL)
    *written = (ULONG)count;
  return hr == S_OK ? TRUE : failed(&error);
}

static ULONG
read_plain(ULONG_PTR offset, PVOID buffer, ULONG size, PULONG read)
{
  return read64(offset, buffer, size, read);
}

static ULONG
write_plain(ULONG_PTR offset, LPCVOID buffer, ULONG size, PULONG written)
{
  return write64(offset, buffer, size, written);
}

static ULONG
read32(ULONG offset, PVOID buffer, ULONG size, PULONG read)
{
  return read64(offset, buffer, size, read);
}

static ULONG
write32(ULONG offset, LPCVOID buffer, ULONG size, PULONG written)
{
  return write64(offset, buffer, size, written);
}

/* ---- expressions, symbols, instructions ---- */

static ULONG64
expression64(PCSTR text)
{
  uint64_t value;
  if (text != NULL && cordbg_wdbgexts_evaluate(text, &value))
    return value;
  output("Couldn't resolve error at '%s': there are no symbols here\n", text == NULL ? "" : text);
  return 0;
}

static ULONG_PTR
expression_plain(PCSTR text)
{
  return expression64(text);
}

static ULONG
expression32(PCSTR text)
{
  return (ULONG)expression64(text);
}

static void
symbol64(ULONG64 offset, PCHAR buffer, PULONG64 displacement)
{
  if (buffer != NULL)
    buffer[0] = '\0';
  if (displacement != NULL)
    *displacement = offset;
}

static void
symbol_plain(PVOID offset, PCHAR buffer, ULONG_PTR *displacement)
{
  symbol64((uintptr_t)offset, buffer, displacement);
}

static void
symbol32(ULONG offset, PCHAR buffer, PULONG displacement)
{
  if (buffer != NULL)
    buffer[0] = '\0';
  if (displacement != NULL)
    *displacement = offset;
}

static ULONG
disassemble64(ULONG64 *offset, PCSTR buffer, ULONG show_effective_address)
{
  (void)show_effective_address;
  cordbg_target *target = current_target();
  if (target == NULL || offset == NULL || buffer == NULL)
    return FALSE;
  cordbg_error error;
  uint8_t bytes[15];
  char line[256];
  size_t read;
  HRESULT hr =
      cordbg_target_read(target, CORDBG_VIEW_PRISTINE, *offset, bytes, sizeof bytes, &read, &error);
  if (FAILED(hr))
    return failed(&error);
  size_t length = cordbg_wdbgexts_disassemble(*offset, bytes, read, line, sizeof line);
  if (length == 0) {
    cordbg_error_set(&error, E_FAIL, 0, *offset, "the bytes at 0x%llx are no instruction",
                     (unsigned long long)*offset);
    return failed(&error);
  }
  *offset += length;
  strcpy((char *)(uintptr_t)buffer, line); /* const in Microsoft's header, yet the result */
  return TRUE;
}

static ULONG
disassemble_plain(ULONG_PTR *offset, PCSTR buffer, ULONG show_effective_address)
{
  return disassemble64(offset, buffer, show_effective_address);
}

static ULONG
disassemble32(ULONG *offset, PCSTR buffer, ULONG show_effective_address)
{
  ULONG64 wide = offset == NULL ? 0 : *offset;
  ULONG done = disassemble64(offset == NULL ? NULL : &wide, buffer, show_effective_address);
  if (done)
    *offset = (ULONG)wide;
  return done;
}

/* ---- control ---- */

static ULONG
check_control_c(void)
{
  cordbg_target *target = current()->target;
  return target != NULL && atomic_exchange(&target->control_c, 0) != 0;
}

/* ---- threads ---- */

static int
thread_of(const cordbg_target *target, ULONG processor)
{
  if (processor != 0)
    return (int)processor;
  int tid = current()->tid;
  return tid != 0 ? tid : target->reader.pid;
}

static HRESULT
check_context(const CONTEXT *context, ULONG size, cordbg_error *error)
{
  if (context == NULL || size < sizeof *context)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "a CONTEXT has %zu bytes, %u were given",
                            sizeof *context, size);
  return S_OK;
}

static ULONG
get_context(ULONG processor, PCONTEXT context, ULONG size)
{
  cordbg_target *target = current_target();
  cordbg_error error = {0};
  cordbg_registers registers;
  if (target == NULL)
    return FALSE;
  HRESULT hr = check_context(context, size, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_tracer_get_registers(target->tracer, thread_of(target, processor), &registers,
                                     &error);
  if (FAILED(hr))
    return failed(&error);
  /* WinDbg's routine has no flags: it gives all that there is. */
  memset(context, 0, sizeof *context);
  context->ContextFlags = CONTEXT_FULL | CONTEXT_SEGMENTS;
  cordbg_context_from_registers(context, &registers);
  return TRUE;
}

static ULONG
set_context(ULONG processor, PCONTEXT context, ULONG size)
{
  cordbg_target *target = current_target();
  cordbg_error error = {0};
  cordbg_registers registers;
  if (target == NULL)
    return FALSE;
  int tid = thread_of(target, processor);
  HRESULT hr = check_context(context, size, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_tracer_get_registers(target->tracer, tid, &registers, &error);
  if (SUCCEEDED(hr)) {
    cordbg_context_to_registers(context, &registers);
    hr = cordbg_tracer_set_registers(target->tracer, tid, &registers, &error);
  }
  return SUCCEEDED(hr) ? TRUE : failed(&error);
}

static ULONG
no_frames(void)
{
  output("There is no stack walker behind this routine: use StackWalk64\n");
  return 0;
}

static ULONG
stack_plain(ULONG_PTR frame, ULONG_PTR stack, ULONG_PTR pc, PEXTSTACKTRACE frames, ULONG count)
{
  (void)frame, (void)stack, (void)pc, (void)frames, (void)count;
  return no_frames();
}

static ULONG
stack32(ULONG frame, ULONG stack, ULONG pc, PEXTSTACKTRACE32 frames, ULONG count)
{
  (void)frame, (void)stack, (void)pc, (void)frames, (void)count;
  return no_frames();
}

static ULONG
stack64(ULONG64 frame, ULONG64 stack, ULONG64 pc, PEXTSTACKTRACE64 frames, ULONG count)
{
  (void)frame, (void)stack, (void)pc, (void)frames, (void)count;
  return no_frames();
}

/* ---- ioctl ---- */

static ULONG
search_memory(cordbg_target *target, SEARCHMEMORY *request)
{
  cordbg_search search = {
      .pattern = request->Pattern, .size = request->PatternLength, .granularity = 1};
  cordbg_error error = {0};
  uint64_t found;
  HRESULT hr = cordbg_target_search(target, request->SearchAddress, request->SearchLength, &search,
                                    &found, &error);
  if (FAILED(hr))
    return failed(&error);
  if (hr == S_OK)
    request->FoundAddress = found;
  return hr == S_OK;
}

static ULONG
current_process_handle(extension_session *session, HANDLE *ret)
{
  cordbg_error error;
  if (session->handle == NULL &&
      FAILED(cordbg_handle_for_process(session->target->reader.pid, PROCESS_ALL_ACCESS,
                                       &session->handle, &error)))
    return failed(&error);
  *ret = session->handle;
  return TRUE;
}

static ULONG
ioctl_routine(USHORT type, PVOID data, ULONG size)
{
  cordbg_target *target = current_target();
  if (target == NULL || data == NULL)
    return FALSE;
  switch (type) {
  case IG_IS_PTR64:
    if (size < sizeof(ULONG))
      return FALSE;
    memcpy(data, &(ULONG){1}, sizeof(ULONG));
    return TRUE;
  case IG_GET_CURRENT_PROCESS_HANDLE:
    return size < sizeof(HANDLE) ? FALSE : current_process_handle(current(), data);
  case IG_SEARCH_MEMORY:
    return size < sizeof(SEARCHMEMORY) ? FALSE : search_memory(target, data);
  case IG_SET_THREAD: {
    ULONG64 tid;
    if (size < sizeof tid)
      return FALSE;
    memcpy(&tid, data, sizeof tid);
    if (tid == 0 || tid > INT32_MAX)
      return FALSE;
    current()->tid = (int)tid;
    return TRUE;
  }
  default:
    return FALSE;
  }
}

/* ---- the tables ---- */

static HRESULT
check_table(const cordbg_target *target, const void *apis, ULONG size, size_t wanted)
{
  cordbg_error error;
  if (target != NULL && apis != NULL && size == wanted)
    return S_OK;
  cordbg_error_set(&error, E_INVALIDARG, 0, 0,
                   "an extension table's nSize must be %zu before it is filled", wanted);
  cordbg_error_remember(&error);
  return E_INVALIDARG;
}

HRESULT
cordbg_wdbgexts_fill(cordbg_target *target, PWINDBG_EXTENSION_APIS apis)
{
  HRESULT hr = check_table(target, apis, apis == NULL ? 0 : apis->nSize, sizeof *apis);
  if (FAILED(hr))
    return hr;
  *apis = (WINDBG_EXTENSION_APIS){
      .nSize = sizeof *apis,
      .lpOutputRoutine = output,
      .lpGetExpressionRoutine = expression_plain,
      .lpGetSymbolRoutine = symbol_plain,
      .lpDisasmRoutine = disassemble_plain,
      .lpCheckControlCRoutine = check_control_c,
      .lpReadProcessMemoryRoutine = read_plain,
      .lpWriteProcessMemoryRoutine = write_plain,
      .lpGetThreadContextRoutine = get_context,
      .lpSetThreadContextRoutine = set_context,
      .lpIoctlRoutine = ioctl_routine,
      .lpStackTraceRoutine = stack_plain,
  };
  cordbg_wdbgexts_set_current(target, 0);
  return S_OK;
}

HRESULT
cordbg_wdbgexts_fill32(cordbg_target *target, PWINDBG_EXTENSION_APIS32 apis)
{
  HRESULT hr = check_table(target, apis, apis == NULL ? 0 : apis->nSize, sizeof *apis);
  if (FAILED(hr))
    return hr;
  *apis = (WINDBG_EXTENSION_APIS32){
      .nSize = sizeof *apis,
      .lpOutputRoutine = output,
      .lpGetExpressionRoutine = expression32,
      .lpGetSymbolRoutine = symbol32,
      .lpDisasmRoutine = disassemble32,
      .lpCheckControlCRoutine = check_control_c,
      .lpReadProcessMemoryRoutine = read32,
      .lpWriteProcessMemoryRoutine = write32,
      .lpGetThreadContextRoutine = get_context,
      .lpSetThreadContextRoutine = set_context,
      .lpIoctlRoutine = ioctl_routine,
      .lpStackTraceRoutine = stack32,
  };
  cordbg_wdbgexts_set_current(target, 0);
  return S_OK;
}

HRESULT
cordbg_wdbgexts_fill64(cordbg_target *target, PWINDBG_EXTENSION_APIS64 apis)
{
  HRESULT hr = check_table(target, apis, apis == NULL ? 0 : apis->nSize, sizeof *apis);
  if (FAILED(hr))
    return hr;
  *apis = (WINDBG_EXTENSION_APIS64){
      .nSize = sizeof *apis,
      .lpOutputRoutine = output,
      .lpGetExpressionRoutine = expression64,
      .lpGetSymbolRoutine = symbol64,
      .lpDisasmRoutine = disassemble64,
      .lpCheckControlCRoutine = check_control_c,
      .lpReadProcessMemoryRoutine = read64,
      .lpWriteProcessMemoryRoutine = write64,
      .lpGetThreadContextRoutine = get_context,
      .lpSetThreadContextRoutine = set_context,
      .lpIoctlRoutine = ioctl_routine,
      .lpStackTraceRoutine = stack64,
  };
  cordbg_wdbgexts_set_current(target, 0);
  return S_OK;
}
