/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "interop-support.h"

#include <string.h>
#include <unistd.h>

void
trouble_start(program *p)
{
  program_start_managed(p, "../../tests/live/Trouble", TROUBLE_LIBRARY, NULL);
}

/* ---- What the debugger sees ---- */

void
interop_log_init(interop_log *log)
{
  *log = (interop_log){.exit_code = ~(DWORD)0};
}

CONTEXT
interop_context(ICorDebugProcess *process, DWORD tid)
{
  CONTEXT context = {.ContextFlags = CONTEXT_FULL};
  hook_ok(ICorDebugProcess_GetThreadContext(process, tid, sizeof context, (BYTE *)&context));
  return context;
}

void
interop_set_context(ICorDebugProcess *process, DWORD tid, const CONTEXT *context)
{
  CONTEXT copy = *context;
  hook_ok(ICorDebugProcess_SetThreadContext(process, tid, sizeof copy, (BYTE *)&copy));
}

static void
note_exception(interop_log *log, const told *what)
{
  const EXCEPTION_RECORD *record = &what->event->u.Exception.ExceptionRecord;
  const DWORD tid = what->event->dwThreadId;
  CONTEXT context = interop_context(what->process, tid);
  noted *n = &log->exceptions[log->count % NOTED_MAX];
  *n = (noted){.code = record->ExceptionCode,
               .first_chance = what->event->u.Exception.dwFirstChance,
               .tid = tid,
               .parameters = record->NumberParameters,
               .address = (uintptr_t)record->ExceptionAddress,
               .out_of_band = what->out_of_band,
               .rip = context.Rip};
  memcpy(n->information, record->ExceptionInformation, sizeof n->information);
  if (n->first_chance ? log->clear : log->clear_second) {
    hook_ok(ICorDebugProcess_ClearCurrentException(what->process, tid));
    if (log->escape != 0) {
      context.Rip = log->escape;
      interop_set_context(what->process, tid, &context);
    }
  }
  log->count++;
}

then
interop_note(client *c, const told *what)
{
  interop_log *log = c->data;
  if (what->event == NULL) {
    if (strcmp(what->name, "ExitProcess") == 0)
      log->native_exit_first = log->exit_code != ~(DWORD)0;
  } else if (what->event->dwDebugEventCode == EXCEPTION_DEBUG_EVENT)
    note_exception(log, what);
  else if (what->event->dwDebugEventCode == EXIT_PROCESS_DEBUG_EVENT)
    log->exit_code = what->event->u.ExitProcess.dwExitCode;
  return GO_ON;
}

const noted *
interop_nth(const interop_log *log, unsigned n)
{
  assert_true(n < log->count && log->count - n <= NOTED_MAX);
  return &log->exceptions[n % NOTED_MAX];
}

void
interop_library_name(ICorDebugProcess *process, const DEBUG_EVENT *event, char *name, DWORD size)
{
  uint64_t at = 0;
  SIZE_T read = 0;
  memset(name, 0, size);
  if (event->u.LoadDll.lpImageName == NULL)
    return;
  hook_ok(ICorDebugProcess_ReadMemory(process,
                                      (CORDB_ADDRESS)(uintptr_t)event->u.LoadDll.lpImageName,
                                      sizeof at, (BYTE *)&at, &read));
  ICorDebugProcess_ReadMemory(process, at, size - 1, (BYTE *)name, &read);
}

/* ---- Doing ---- */

CORDB_ADDRESS
interop_symbol(client *c, const char *name)
{
  CORDB_ADDRESS address = 0;
  assert_ok(cordbg_find_symbol(c->process, name, &address));
  return address;
}

CORDB_ADDRESS
interop_break(client *c, const char *name)
{
  CORDB_ADDRESS address = interop_symbol(c, name);
  ICorDebugProcess2 *process2;
  BYTE original = 0;
  assert_ok(
      ICorDebugProcess_QueryInterface(c->process, &IID_ICorDebugProcess2, (void **)&process2));
  assert_ok(ICorDebugProcess2_SetUnmanagedBreakpoint(process2, address, 1, &original, NULL));
  assert_int_not_equal(original, 0xcc);
  ICorDebugProcess2_Release(process2);
  return address;
}

void
interop_clear(client *c, CORDB_ADDRESS address)
{
  ICorDebugProcess2 *process2;
  assert_ok(
      ICorDebugProcess_QueryInterface(c->process, &IID_ICorDebugProcess2, (void **)&process2));
  assert_ok(ICorDebugProcess2_ClearUnmanagedBreakpoint(process2, address));
  ICorDebugProcess2_Release(process2);
}

long
interop_count(client *c, unsigned which)
{
  long value = 0;
  SIZE_T read = 0;
  assert_ok(ICorDebugProcess_ReadMemory(
      c->process, interop_symbol(c, "libinterop-trouble!trouble_count") + which * sizeof value,
      sizeof value, (BYTE *)&value, &read));
  return value;
}

/* The program's own memory is what changes: nothing announces it. */
void
interop_await_count(client *c, unsigned which, long value)
{
  for (int tries = 0; tries < 30000 && interop_count(c, which) < value; tries++)
    usleep(1000);
  assert_int_equal(interop_count(c, which), value);
}

void
interop_command(client *c, int command, int argument)
{
  int word = command | argument << 8;
  SIZE_T written = 0;
  assert_ok(ICorDebugProcess_WriteMemory(c->process,
                                         interop_symbol(c, "libinterop-trouble!trouble_command"),
                                         sizeof word, (BYTE *)&word, &written));
}
