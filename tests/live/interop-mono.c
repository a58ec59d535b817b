/* SPDX-License-Identifier: MIT */
/* Unmanaged events of real Mono programs through ICorDebug: the replay of an attach, steps,
 * signals, libraries, the end. */
#include "config.h"

#include "icordebug-client.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRAP_FLAG 0x100u

typedef struct seen {
  GString *story; /* names of native events until the first managed callback */
  bool managed;
  unsigned libraries, threads;
  bool libc;
  DWORD code, first_chance, tid;
  ULONG_PTR information[4];
  unsigned exceptions;
  bool clear;
  uint64_t step_from, step_to, jump_to;
  unsigned steps;
  DWORD exit_code;
  bool native_exit_first;
} seen;

/* As a client on Windows reads it: lpImageName is the address of a pointer in the target. */
static void
library_name(client *c, ICorDebugProcess *process, const DEBUG_EVENT *event, char *name, DWORD size)
{
  uint64_t at = 0;
  SIZE_T read = 0;
  (void)c;
  memset(name, 0, size);
  if (event->u.LoadDll.lpImageName == NULL)
    return;
  hook_ok(ICorDebugProcess_ReadMemory(process,
                                      (CORDB_ADDRESS)(uintptr_t)event->u.LoadDll.lpImageName,
                                      sizeof at, (BYTE *)&at, &read));
  ICorDebugProcess_ReadMemory(process, at, size - 1, (BYTE *)name, &read);
}

static void
note_exception(client *c, seen *s, const told *what)
{
  const EXCEPTION_RECORD *record = &what->event->u.Exception.ExceptionRecord;
  s->exceptions++;
  s->code = record->ExceptionCode;
  s->first_chance = what->event->u.Exception.dwFirstChance;
  s->tid = what->event->dwThreadId;
  memcpy(s->information, record->ExceptionInformation, sizeof s->information);
  (void)c;
  if (s->clear)
    hook_ok(ICorDebugProcess_ClearCurrentException(what->process, what->event->dwThreadId));
}

static then
note_hook(client *c, const told *what)
{
  seen *s = c->data;
  char name[256];
  if (what->event == NULL) {
    s->managed = true;
    if (strcmp(what->name, "ExitProcess") == 0)
      s->native_exit_first = s->exit_code != 0xffffffff;
    return GO_ON;
  }
  if (!s->managed)
    g_string_append_printf(s->story, "%s ", what->name);
  switch (what->event->dwDebugEventCode) {
  case LOAD_DLL_DEBUG_EVENT:
    hook_true(what->event->u.LoadDll.lpBaseOfDll != NULL);
    library_name(c, what->process, what->event, name, sizeof name);
    s->libraries++;
    s->libc |= strstr(name, "libc.so") != NULL;
    break;
  case CREATE_THREAD_DEBUG_EVENT:
    s->threads++;
    break;
  case EXIT_PROCESS_DEBUG_EVENT:
    s->exit_code = what->event->u.ExitProcess.dwExitCode;
    break;
  case EXCEPTION_DEBUG_EVENT:
    note_exception(c, s, what);
    break;
  default:
    break;
  }
  return GO_ON;
}

static seen *
seen_new(void)
{
  static seen s;
  s = (seen){.story = g_string_new(NULL), .exit_code = 0xffffffff};
  return &s;
}

static void
an_attach_replays_the_process_its_images_and_threads(void **state)
{
  (void)state;
  static client c;
  program p;
  seen *s = seen_new();
  program_start_mono(&p, "Counter", "60", NULL);
  client_open(&c, note_hook, s);
  assert_ok(client_attach(&c, p.pid, TRUE));
  client_await(&c, "CreateThread", 1);
  assert_true(g_str_has_prefix(s->story->str, "NativeCreateProcess NativeLoadDll "));
  assert_in_range(s->libraries, 3, 200);
  assert_true(s->libc);
  assert_in_range(s->threads, 1, 50); /* the finalizer's at least */
  assert_int_equal(client_count(&c, "NativeCreateProcess"), 1);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
  g_string_free(s->story, TRUE);
}

typedef struct changing {
  uint64_t base; /* of the library while it is loaded */
  unsigned loads, unloads, births, ends;
} changing;

static then
changing_hook(client *c, const told *what)
{
  changing *all = c->data;
  char name[256];
  if (what->event == NULL || !client_count(c, "CreateThread"))
    return GO_ON; /* the replay */
  switch (what->event->dwDebugEventCode) {
  case LOAD_DLL_DEBUG_EVENT:
    library_name(c, what->process, what->event, name, sizeof name);
    if (strstr(name, "libutil") == NULL)
      break;
    all->base = (uintptr_t)what->event->u.LoadDll.lpBaseOfDll;
    all->loads++;
    break;
  case UNLOAD_DLL_DEBUG_EVENT:
    if (all->base == 0) /* loaded before the replay was over */
      break;
    hook_true((uintptr_t)what->event->u.UnloadDll.lpBaseOfDll == all->base);
    hook_true(++all->unloads == all->loads);
    break;
  case CREATE_THREAD_DEBUG_EVENT:
    hook_true(what->event->u.CreateThread.lpThreadLocalBase != NULL);
    all->births++;
    break;
  case EXIT_THREAD_DEBUG_EVENT:
    all->ends++;
    break;
  default:
    break;
  }
  return GO_ON;
}

static void
libraries_and_threads_are_told_as_they_come_and_go(void **state)
{
  (void)state;
  static client c;
  program p;
  changing all = {0};
  program_start_mono(&p, "../../tests/live/Libraries", "60", NULL);
  client_open(&c, changing_hook, &all);
  assert_ok(client_attach(&c, p.pid, TRUE));
  client_await(&c, "CreateThread", 1);
  client_await(&c, "NativeUnloadDll", 12);
  client_await(&c, "NativeExitThread", 12);
  client_close(&c);
  assert_in_range(all.loads, 10, 1000);
  assert_in_range(all.births, 10, 1000);
  assert_in_range(all.ends, 10, 1000);
  program_check_unharmed(&p);
  program_end(&p);
}

/* NullReferenceException and DivideByZeroException are the runtime's signals. */
static void
managed_exceptions_are_no_crashes(void **state)
{
  (void)state;
  static client c;
  program p;
  seen *s = seen_new();
  program_start_mono(&p, "Exceptions", "2", "1", NULL);
  client_open(&c, note_hook, s);
  assert_ok(client_attach(&c, p.pid, TRUE));
  client_await(&c, "ExitProcess", 1); /* each Catch is checked by the program */
  assert_int_equal(s->exceptions, 0);
  assert_int_equal(s->exit_code, 0);
  assert_true(s->native_exit_first);
  client_close(&c);
  int status = program_wait(&p);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  g_string_free(s->story, TRUE);
}

/* The default action of SIGUSR1 ends the program: told as a second chance, taken back. */
static void
a_signal_that_nobody_handles_can_be_taken_back(void **state)
{
  (void)state;
  static client c;
  program p;
  seen *s = seen_new();
  program_start_mono(&p, "Counter", "60", NULL);
  client_open(&c, note_hook, s);
  assert_ok(client_attach(&c, p.pid, TRUE));
  client_await(&c, "CreateThread", 1);
  s->clear = true;
  for (unsigned i = 1; i <= 5; i++) {
    assert_int_equal(kill(p.pid, SIGUSR1), 0);
    client_await(&c, "DebugEvent", i);
    client_await_continued(&c);
    assert_int_equal(s->code, 0xe0534700u + SIGUSR1);
    assert_int_equal(s->first_chance, 0);
    assert_int_equal(s->information[0], SIGUSR1);
    assert_int_equal(s->information[2], getpid());
  }
  assert_int_equal(kill(p.pid, 0), 0);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
  g_string_free(s->story, TRUE);
}

static void
a_signal_that_is_not_taken_back_ends_the_process(void **state)
{
  (void)state;
  static client c;
  program p;
  seen *s = seen_new();
  program_start_mono(&p, "Counter", "60", NULL);
  client_open(&c, note_hook, s);
  assert_ok(client_attach(&c, p.pid, TRUE));
  client_await(&c, "CreateThread", 1);
  assert_int_equal(kill(p.pid, SIGUSR1), 0);
  client_await(&c, "ExitProcess", 1);
  assert_int_equal(s->code, 0xe0534700u + SIGUSR1);
  assert_int_equal(s->exit_code, 128 + SIGUSR1);
  assert_true(s->native_exit_first);
  client_close(&c);
  int status = program_wait(&p);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
  g_string_free(s->story, TRUE);
}

/* ---- A native crash: a call of a native function becomes one with a bad address ---- */

static then
crash_hook(client *c, const told *what)
{
  seen *s = c->data;
  if (what->event != NULL && what->event->dwDebugEventCode == EXCEPTION_DEBUG_EVENT &&
      what->event->u.Exception.ExceptionRecord.ExceptionCode == EXCEPTION_BREAKPOINT) {
    CONTEXT context = {.ContextFlags = CONTEXT_FULL};
    hook_ok(ICorDebugProcess_GetThreadContext(what->process, what->event->dwThreadId,
                                              sizeof context, (BYTE *)&context));
    context.Rip = s->jump_to;
    context.Rdi = 0x40;
    hook_ok(ICorDebugProcess_SetThreadContext(what->process, what->event->dwThreadId,
                                              sizeof context, (BYTE *)&context));
    return GO_ON;
  }
  return note_hook(c, what);
}

/* The first exception of the crash. */
static then
first_hook(client *c, const told *what)
{
  seen *s = c->data;
  if (what->event != NULL && what->event->dwDebugEventCode == EXCEPTION_DEBUG_EVENT &&
      what->event->u.Exception.ExceptionRecord.ExceptionCode == EXCEPTION_ACCESS_VIOLATION &&
      s->steps++ == 0) {
    note_hook(c, what);
    return STAY;
  }
  return crash_hook(c, what);
}

/* How an access of the function to 0x40 is told; the process is then ended, or left to Mono's crash
 * handler. */
static void
crash_in(const char *function, ULONG_PTR access, bool terminate)
{
  static client c;
  program p;
  seen *s = seen_new();
  CORDB_ADDRESS address = 0;
  BYTE original;
  ICorDebugProcess2 *process2;
  program_start_mono(&p, "NativeCalls", "60", NULL);
  client_open(&c, terminate ? first_hook : crash_hook, s);
  assert_ok(client_attach(&c, p.pid, TRUE));
  client_await(&c, "CreateThread", 1);
  assert_ok(ICorDebugProcess_QueryInterface(c.process, &IID_ICorDebugProcess2, (void **)&process2));
  assert_ok(cordbg_find_symbol(c.process, function, &s->jump_to));
  assert_ok(cordbg_find_symbol(c.process, "libc!qsort", &address));
  assert_ok(ICorDebugProcess2_SetUnmanagedBreakpoint(process2, address, 1, &original, NULL));
  ICorDebugProcess2_Release(process2);
  client_await(&c, "DebugEvent", 2); /* the hit, the fault */
  if (terminate) {
    assert_int_equal(s->code, EXCEPTION_ACCESS_VIOLATION);
    assert_int_equal(s->first_chance, 1); /* Mono has a handler */
    assert_int_equal(s->information[0], access);
    assert_int_equal(s->information[1], 0x40);
    assert_ok(ICorDebugProcess_Terminate(c.process, 0));
  } else {
    client_await(&c, "ExitProcess", 1);
    assert_int_equal(s->first_chance, 0); /* the last one: Mono's handler aborts */
    assert_true(s->native_exit_first);
  }
  client_close(&c);
  int status = program_wait(&p);
  assert_true(WIFSIGNALED(status));
  g_string_free(s->story, TRUE);
}

static void
an_access_violation_says_where_and_that_it_was_a_read(void **state)
{
  (void)state;
  crash_in("libc!puts", 0, true);
}

static void
an_access_violation_says_where_and_that_it_was_a_write(void **state)
{
  (void)state;
  crash_in("libc!sigemptyset", 1, true);
}

static void
a_crash_ends_with_a_second_chance_and_the_process(void **state)
{
  (void)state;
  crash_in("libc!sigemptyset", 1, false);
}

/* ---- Steps ---- */

static then
step_hook(client *c, const told *what)
{
  seen *s = c->data;
  CONTEXT context = {.ContextFlags = CONTEXT_FULL};
  if (what->event == NULL || what->event->dwDebugEventCode != EXCEPTION_DEBUG_EVENT)
    return note_hook(c, what);
  hook_ok(ICorDebugProcess_GetThreadContext(what->process, what->event->dwThreadId, sizeof context,
                                            (BYTE *)&context));
  if (what->event->u.Exception.ExceptionRecord.ExceptionCode == EXCEPTION_SINGLE_STEP) {
    hook_true(what->event->dwThreadId == s->tid);
    hook_true(context.Rip != s->step_from);
    s->steps++;
  } else {
    hook_true(what->event->u.Exception.ExceptionRecord.ExceptionCode == EXCEPTION_BREAKPOINT);
    s->tid = what->event->dwThreadId;
    s->step_to = 0;
  }
  s->step_from = context.Rip;
  if (s->step_to++ < 20) { /* twenty steps from each hit */
    context.EFlags |= TRAP_FLAG;
    hook_ok(ICorDebugProcess_SetThreadContext(what->process, what->event->dwThreadId,
                                              sizeof context, (BYTE *)&context));
  }
  return GO_ON;
}

static void
row_34_a_thread_steps_from_a_native_breakpoint(void **state)
{
  (void)state;
  static client c;
  program p;
  seen *s = seen_new();
  CORDB_ADDRESS address = 0;
  BYTE original;
  ICorDebugProcess2 *process2;
  program_start_mono(&p, "NativeCalls", "60", NULL);
  client_open(&c, step_hook, s);
  assert_ok(client_attach(&c, p.pid, TRUE));
  client_await(&c, "CreateThread", 1);
  assert_ok(ICorDebugProcess_QueryInterface(c.process, &IID_ICorDebugProcess2, (void **)&process2));
  assert_ok(cordbg_find_symbol(c.process, "libc!qsort", &address));
  assert_ok(ICorDebugProcess2_SetUnmanagedBreakpoint(process2, address, 1, &original, NULL));
  client_await(&c, "DebugEvent", 21 * 5);
  assert_in_range(s->steps, 20 * 5 - 20, 20 * 6);
  assert_ok(ICorDebugProcess2_ClearUnmanagedBreakpoint(process2, address));
  ICorDebugProcess2_Release(process2);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
  g_string_free(s->story, TRUE);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CLIENT_TEST(an_attach_replays_the_process_its_images_and_threads),
      CLIENT_TEST(libraries_and_threads_are_told_as_they_come_and_go),
      CLIENT_TEST(managed_exceptions_are_no_crashes),
      CLIENT_TEST(a_signal_that_nobody_handles_can_be_taken_back),
      CLIENT_TEST(a_signal_that_is_not_taken_back_ends_the_process),
      CLIENT_TEST(an_access_violation_says_where_and_that_it_was_a_read),
      CLIENT_TEST(an_access_violation_says_where_and_that_it_was_a_write),
      CLIENT_TEST(a_crash_ends_with_a_second_chance_and_the_process),
      CLIENT_TEST(row_34_a_thread_steps_from_a_native_breakpoint),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
