/* SPDX-License-Identifier: MIT */
/* Unmanaged events of real programs through ICorDebug, on each runtime: the replay of an attach, a
 * launch, libraries and threads, signals, the end. */
#include "config.h"

#include "interop-support.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static client c;

static void
attach(program *p, client_hook hook, void *data)
{
  client_open(&c, hook, data);
  assert_ok(client_attach(&c, p->pid, TRUE));
  client_await(&c, "CreateThread", 1);
}

static void
leave_unharmed(program *p)
{
  client_close(&c);
  program_check_unharmed(p);
  program_end(p);
}

/* ---- Replay ---- */

typedef struct replay {
  char first[128]; /* names of native events until the first managed callback */
  bool managed;
  unsigned libraries, threads;
  bool libc;
} replay;

static then
replay_hook(client *of, const told *what)
{
  replay *r = of->data;
  char name[256];
  if (what->event == NULL) {
    r->managed = true;
    return GO_ON;
  }
  if (!r->managed) {
    g_strlcat(r->first, what->name, sizeof r->first);
    g_strlcat(r->first, " ", sizeof r->first);
  }
  if (what->event->dwDebugEventCode == LOAD_DLL_DEBUG_EVENT) {
    hook_true(what->event->u.LoadDll.lpBaseOfDll != NULL);
    interop_library_name(what->process, what->event, name, sizeof name);
    r->libraries++;
    r->libc |= strstr(name, "libc.so") != NULL;
  }
  r->threads += what->event->dwDebugEventCode == CREATE_THREAD_DEBUG_EVENT;
  return GO_ON;
}

static void
an_attach_replays_the_process_its_images_and_threads(void **state)
{
  (void)state;
  program p;
  replay r = {.managed = false};
  program_start_managed(&p, "Counter", "60", NULL);
  attach(&p, replay_hook, &r);
  assert_true(g_str_has_prefix(r.first, "NativeCreateProcess NativeLoadDll "));
  assert_in_range(r.libraries, 3, 200);
  assert_true(r.libc);
  assert_in_range(r.threads, 1, 50); /* the finalizer's at least */
  assert_int_equal(client_count(&c, "NativeCreateProcess"), 1);
  leave_unharmed(&p);
}

/* ---- Launch ---- */

typedef struct launch_log {
  unsigned libraries, hits;
  CORDB_ADDRESS start;       /* of __libc_start_main, which the program's first code calls */
  bool terminate;            /* in the first event */
  bool managed, early, late; /* a managed callback came; a hit came before it, after it */
} launch_log;

/* Nothing but the program and its linker is there, and nothing of the runtime can be asked for. */
static void
check_first_instruction(const told *what)
{
  ICorDebugThreadEnum *threads = NULL;
  g_autofree char *path = g_strdup_printf("/proc/%u/maps", what->event->dwProcessId);
  g_autofree char *maps = NULL;
  CONTEXT context = interop_context(what->process, what->event->dwThreadId);
  hook_true(g_file_get_contents(path, &maps, NULL, NULL));
  hook_true(strstr(maps, "libc.so") == NULL);
  hook_true(context.Rip != 0);
  hook_true(what->out_of_band);
  hook_true(ICorDebugProcess_Continue(what->process, FALSE) == CORDBG_E_SUPERFLOUS_CONTINUE);
  hook_true(ICorDebugProcess_Stop(what->process, 0) == CORDBG_E_PROCESS_NOT_SYNCHRONIZED);
  hook_true(ICorDebugProcess_EnumerateThreads(what->process, &threads) ==
            CORDBG_E_PROCESS_NOT_SYNCHRONIZED);
}

static void
break_at_start(launch_log *l, const told *what)
{
  ICorDebugProcess2 *process2;
  BYTE original;
  hook_ok(cordbg_find_symbol(what->process, "libc!__libc_start_main", &l->start));
  hook_ok(
      ICorDebugProcess_QueryInterface(what->process, &IID_ICorDebugProcess2, (void **)&process2));
  hook_ok(ICorDebugProcess2_SetUnmanagedBreakpoint(process2, l->start, 1, &original, NULL));
  ICorDebugProcess2_Release(process2);
}

static then
launch_hook(client *of, const told *what)
{
  launch_log *l = of->data;
  char name[256];
  if (what->event == NULL) {
    l->managed = true;
    return GO_ON;
  }
  switch (what->event->dwDebugEventCode) {
  case CREATE_PROCESS_DEBUG_EVENT:
    check_first_instruction(what);
    if (l->terminate)
      hook_ok(ICorDebugProcess_Terminate(what->process, 0));
    break;
  case LOAD_DLL_DEBUG_EVENT:
    interop_library_name(what->process, what->event, name, sizeof name);
    l->libraries++;
    if (strstr(name, "libc.so") != NULL && l->start == 0) {
      hook_true(what->out_of_band);
      break_at_start(l, what);
    }
    break;
  case EXCEPTION_DEBUG_EVENT:
    hook_true((uintptr_t)what->event->u.Exception.ExceptionRecord.ExceptionAddress == l->start);
    l->hits++;
    *(l->managed ? &l->late : &l->early) = true;
    break;
  default:
    break;
  }
  return GO_ON;
}

static void
a_launch_is_told_from_its_first_instruction_on(void **state)
{
  (void)state;
  launch_log l = {.hits = 0};
  client_open(&c, launch_hook, &l);
  client_launch_managed(&c, DEBUG_PROCESS, -1, "Exceptions", "0", NULL);
  client_await(&c, "ExitProcess", 1);
  assert_int_equal(client_count(&c, "NativeCreateProcess"), 1);
  assert_int_equal(client_count(&c, "NativeExitProcess"), 1);
  assert_in_range(l.libraries, 4, 200);
  assert_int_equal(l.hits, 1);
  assert_true(l.early);
  assert_false(l.late);
  client_close(&c);
}

static void
a_launch_can_be_ended_in_its_first_event(void **state)
{
  (void)state;
  launch_log l = {.terminate = true};
  g_autofree char *path = debuggee("Counter");
  char *argv[] = {(char *)(uintptr_t)on_runtime()->host, path, NULL};
  client_open(&c, launch_hook, &l);
  assert_hr(client_launch(&c, argv, DEBUG_PROCESS, -1), CORDBG_E_PROCESS_TERMINATED);
  assert_false(l.managed);
  assert_int_equal(l.libraries, 0);
  client_close(&c);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* it was reaped */
}

/* What never becomes managed is told of natively until the launch is given up. */
static void
a_launch_of_a_native_program_fails_with_its_end(void **state)
{
  (void)state;
  launch_log l = {.hits = 0};
  char *argv[] = {(char *)"true", NULL};
  client_open(&c, launch_hook, &l);
  assert_hr(client_launch(&c, argv, DEBUG_PROCESS, -1), CORDBG_E_PROCESS_TERMINATED);
  assert_false(l.managed);
  assert_int_equal(l.hits, 1);
  client_close(&c);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- Libraries and threads ---- */

typedef struct changing {
  uint64_t base; /* of the library while it is loaded */
  unsigned loads, unloads, births, ends;
} changing;

static then
changing_hook(client *of, const told *what)
{
  changing *all = of->data;
  char name[256];
  if (what->event == NULL || !client_count(of, "CreateThread"))
    return GO_ON; /* the replay */
  switch (what->event->dwDebugEventCode) {
  case LOAD_DLL_DEBUG_EVENT:
    interop_library_name(what->process, what->event, name, sizeof name);
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
  program p;
  changing all = {0};
  program_start_managed(&p, "../../tests/live/Libraries", "120", NULL);
  attach(&p, changing_hook, &all);
  client_await(&c, "NativeUnloadDll", 12);
  client_await(&c, "NativeExitThread", 12);
  client_close(&c);
  assert_in_range(all.loads, 10, 1000);
  assert_in_range(all.births, 10, 1000);
  assert_in_range(all.ends, 10, 1000);
  program_check_unharmed(&p);
  program_end(&p);
}

/* ---- Signals of the runtime ---- */

/* NullReferenceException and DivideByZeroException are the runtime's signals. */
static void
managed_exceptions_are_no_crashes(void **state)
{
  (void)state;
  program p;
  interop_log log;
  interop_log_init(&log);
  program_start_managed(&p, "Exceptions", "3", "1", NULL);
  attach(&p, interop_note, &log);
  client_await(&c, "ExitProcess", 1); /* each Catch is checked by the program */
  assert_int_equal(log.count, 0);
  assert_int_equal(log.exit_code, 0);
  assert_true(log.native_exit_first);
  client_close(&c);
  int status = program_wait(&p);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- Signals of others ---- */

/* The default action of SIGUSR1 ends the program, which the debugger takes back each time. */
static void
a_signal_that_nobody_handles_can_be_taken_back(void **state)
{
  (void)state;
  program p;
  interop_log log;
  interop_log_init(&log);
  log.clear = true;
  program_start_managed(&p, "Counter", "60", NULL);
  attach(&p, interop_note, &log);
  for (unsigned i = 1; i <= 5; i++) {
    assert_int_equal(kill(p.pid, SIGUSR1), 0);
    client_await(&c, "DebugEvent", i);
    client_await_continued(&c);
    const noted *n = interop_nth(&log, i - 1);
    assert_int_equal(n->code, CODE_SIGNAL + SIGUSR1);
    assert_int_equal(n->information[0], SIGUSR1);
    assert_int_equal(n->information[2], getpid());
  }
  assert_int_equal(kill(p.pid, 0), 0);
  leave_unharmed(&p);
}

static void
a_signal_that_is_not_taken_back_ends_the_process(void **state)
{
  (void)state;
  program p;
  interop_log log;
  interop_log_init(&log);
  program_start_managed(&p, "Counter", "60", NULL);
  attach(&p, interop_note, &log);
  assert_int_equal(kill(p.pid, SIGUSR1), 0);
  client_await(&c, "ExitProcess", 1);
  assert_int_equal(interop_nth(&log, 0)->code, CODE_SIGNAL + SIGUSR1);
  assert_int_equal(log.exit_code, 128 + SIGUSR1);
  assert_true(log.native_exit_first);
  client_close(&c);
  int status = program_wait(&p);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
}

/* ---- The end ---- */

static void
the_exit_code_is_told_natively_first(void **state)
{
  (void)state;
  program p;
  interop_log log;
  interop_log_init(&log);
  trouble_start(&p);
  attach(&p, interop_note, &log);
  interop_command(&c, TROUBLE_EXIT, 42);
  client_await(&c, "ExitProcess", 1);
  assert_int_equal(log.exit_code, 42);
  assert_true(log.native_exit_first);
  client_close(&c);
  int status = program_wait(&p);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CASE_ON_BOTH(an_attach_replays_the_process_its_images_and_threads),
      CASE_ON_BOTH(a_launch_is_told_from_its_first_instruction_on),
      CASE_ON_BOTH(a_launch_can_be_ended_in_its_first_event),
      CLIENT_TEST(a_launch_of_a_native_program_fails_with_its_end),
      CASE_ON_BOTH(libraries_and_threads_are_told_as_they_come_and_go),
      CASE_ON_BOTH(managed_exceptions_are_no_crashes),
      CASE_ON_BOTH(a_signal_that_nobody_handles_can_be_taken_back),
      CASE_ON_BOTH(a_signal_that_is_not_taken_back_ends_the_process),
      CASE_ON_BOTH(the_exit_code_is_told_natively_first),
  };
  return CLIENT_RUN(tests);
}
