/* SPDX-License-Identifier: MIT */
/*
 * ICorDebug over real programs of both runtimes that are busy: attached to again and again, left at
 * any moment, in the middle of starting processes, and with clients that are killed.
 * CORDBG_KILLS: how many clients die in each case (20).
 */
#include "config.h"

#include "icordebug-client.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void
attach_to_a_busy_program_100_times(void **state)
{
  (void)state;
  program p;
  breaking b = {.type = "Debuggees.ManyThreads", .method = "Work"};
  program_start_managed(&p, "ManyThreads", "600", "8", "1", NULL);
  for (int i = 0; i < 100; i++) {
    static client c;
    b.set = 0;
    b.hits = 0;
    client_open(&c, breaking_hook, &b);
    assert_ok(client_attach(&c, p.pid, FALSE));
    client_await(&c, "Breakpoint", 3);
    breaking_drop(&b);
    client_close(&c);
    program_check_unharmed(&p);
  }
  program_end(&p);
}

/* Wherever the session is: in the replay, in a hit, in a step over one. */
static void
detach_at_any_moment_under_load(void **state)
{
  (void)state;
  program p;
  g_autoptr(GRand) random = g_rand_new_with_seed(client_seed());
  breaking b = {.type = "Debuggees.ManyThreads", .method = "Work", .left = true};
  program_start_managed(&p, "ManyThreads", "600", "4", NULL);
  for (int i = 0; i < 25; i++) {
    static client c;
    client_open(&c, breaking_hook, &b);
    assert_ok(client_attach(&c, p.pid, i % 2 == 0));
    g_usleep((gulong)g_rand_int_range(random, 0, 20000));
    assert_ok(ICorDebugProcess_Stop(c.process, 0));
    assert_ok(ICorDebugProcess_Detach(c.process));
    program_check_unharmed(&p);
    client_close(&c);
    breaking_drop(&b);
  }
  program_end(&p);
}

/* ---- The client's death ---- */

static unsigned
number_of_kills(void)
{
  const char *text = g_getenv("CORDBG_KILLS");
  return text != NULL ? (unsigned)strtoul(text, NULL, 10) : 20;
}

/* In a child of the test: attaches, says so when the callback has come, and waits for its death.
   limit: the hit at which the program stays stopped; 0: none. */
static void
be_a_client(int pid, const char *callback, unsigned limit, int report)
{
  static client c;
  breaking b = {.type = "Debuggees.ManyThreads", .method = "Work", .limit = limit};
  client_open(&c, breaking_hook, &b);
  if (client_attach(&c, pid, FALSE) != S_OK)
    _exit(1);
  client_await(&c, callback, 1);
  if (write(report, "x", 1) != 1)
    _exit(1);
  for (;;)
    pause();
}

/* Starts such a client and waits for its callback. *end: a descriptor of its tracer, whose pid is
   returned. */
static int
start_client(program *p, const char *callback, unsigned limit, pid_t *child, int *end)
{
  int ready[2];
  char byte;
  assert_int_equal(pipe(ready), 0);
  fflush(NULL);
  *child = fork();
  if (*child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives a failed test */
    be_a_client(p->pid, callback, limit, ready[1]);
  }
  close(ready[1]);
  assert_int_equal(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  int tracer = program_tracer(p);
  assert_true(tracer > 0);
  *end = (int)syscall(SYS_pidfd_open, tracer, 0);
  assert_true(*end >= 0);
  return tracer;
}

static void
await_end(int end)
{
  struct pollfd polled = {.fd = end, .events = POLLIN};
  assert_int_equal(poll(&polled, 1, 60000), 1);
  close(end);
}

static void
row_28_client_is_killed(void **state)
{
  (void)state;
  program p;
  g_autoptr(GRand) random = g_rand_new_with_seed(client_seed());
  unsigned kills = number_of_kills();
  program_start_managed(&p, "ManyThreads", "3600", "4", NULL);
  for (unsigned i = 0; i < kills; i++) {
    pid_t child;
    int end;
    start_client(&p, i % 2 == 0 ? "CreateProcess" : "Breakpoint", 0, &child, &end);
    g_usleep((gulong)g_rand_int_range(random, 0, 5000));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    /* The tracer lets go by itself, and ends. */
    await_end(end);
    program_check_unharmed(&p);
  }
  printf("%u of %u clients killed, the program unharmed\n", kills, kills);
  program_end(&p);
}

/* All threads are stopped then, and some stand at hits. */
static void
row_29_tracer_is_killed_while_the_program_is_stopped_at_a_hit(void **state)
{
  (void)state;
  program p;
  program_start_managed(&p, "ManyThreads", "3600", "4", NULL);
  for (unsigned i = 0; i < 10; i++) {
    pid_t child;
    int end;
    int tracer = start_client(&p, "Breakpoint", 1, &child, &end);
    kill(tracer, SIGKILL);
    await_end(end);
    program_check_unharmed(&p);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
  }
  program_end(&p);
}

/* ---- Processes that the program starts ---- */

/* The program ends at once when a child did not end as it was told to. */
static void
row_23_processes_are_started_under_traps(void **state)
{
  (void)state;
  program p;
  static client c;
  CORDB_ADDRESS address = 0;
  BYTE original;
  ICorDebugProcess2 *process2;
  breaking b = {.type = "Debuggees.Processes", .method = "Spawn"};
  program_start_managed(&p, "Processes", "600", "1", NULL);
  client_open(&c, breaking_hook, &b);
  assert_ok(client_attach(&c, p.pid, TRUE));
  assert_ok(ICorDebugProcess_QueryInterface(c.process, &IID_ICorDebugProcess2, (void **)&process2));
  /* Only the children come by here. */
  assert_ok(cordbg_find_symbol(c.process, "libc!execve", &address));
  assert_ok(ICorDebugProcess2_SetUnmanagedBreakpoint(process2, address, 1, &original, NULL));
  client_await(&c, "Breakpoint", 25);
  assert_int_equal(client_count(&c, "ExitProcess"), 0);
  ICorDebugProcess2_Release(process2);
  breaking_drop(&b);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

/* ---- A runtime that refuses its own debugger ---- */

static void
diagnostics_that_are_switched_off_are_not_needed(void **state)
{
  (void)state;
  program p;
  static client c;
  breaking b = {.type = "Debuggees.Counter", .method = "Tick"};
  g_setenv("DOTNET_EnableDiagnostics", "0", TRUE);
  program_start_managed(&p, "Counter", "600", NULL);
  client_open(&c, breaking_hook, &b);
  assert_ok(client_attach(&c, p.pid, TRUE));
  client_await(&c, "Breakpoint", 10);
  breaking_drop(&b);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);

  b = (breaking){.type = "Debuggees.Counter", .method = "Tick", .limit = 1};
  client_open(&c, breaking_hook, &b);
  client_launch_managed(&c, 0, -1, "Counter", "600", NULL);
  g_unsetenv("DOTNET_EnableDiagnostics");
  client_await(&c, "Breakpoint", 1);
  assert_ok(ICorDebugProcess_Terminate(c.process, 0));
  client_await(&c, "ExitProcess", 1);
  breaking_drop(&b);
  client_close(&c);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CASE_ON_BOTH(attach_to_a_busy_program_100_times),
      CASE_ON_BOTH(detach_at_any_moment_under_load),
      CASE_ON_BOTH(row_28_client_is_killed),
      CASE_ON_BOTH(row_29_tracer_is_killed_while_the_program_is_stopped_at_a_hit),
      CASE_ON_BOTH(row_23_processes_are_started_under_traps),
      CASE_ON(net, diagnostics_that_are_switched_off_are_not_needed),
  };
  printf("not on Mono, which has no such switch: EnableDiagnostics=0\n");
  return CLIENT_RUN(tests);
}
