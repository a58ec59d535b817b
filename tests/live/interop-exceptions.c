/* SPDX-License-Identifier: MIT */
/* Signals as exceptions, on each runtime: codes and parameters, first and second chance, what
 * reaches the program, and what happens to a signal whose debugger dies. */
#include "config.h"

#include "interop-support.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static client c;
static program p;
static interop_log log_;

static void
begin(void)
{
  interop_log_init(&log_);
  trouble_start(&p);
  client_open(&c, interop_note, &log_);
  assert_ok(client_attach(&c, p.pid, TRUE));
  client_await(&c, "CreateThread", 1);
}

static void
end_alive(void)
{
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

static void
end_killed_by(int number)
{
  client_await(&c, "ExitProcess", 1);
  assert_true(log_.native_exit_first);
  client_close(&c);
  int status = program_wait(&p);
  assert_true(WIFSIGNALED(status));
  if (number != 0)
    assert_int_equal(WTERMSIG(status), number);
}

/* Does a command of which one exception comes, which is cleared. */
static const noted *
one_exception(int command, int argument)
{
  unsigned before = log_.count;
  long done = interop_count(&c, TROUBLE_FINISHED);
  interop_command(&c, command, argument);
  interop_await_count(&c, TROUBLE_FINISHED, done + 1);
  client_await_continued(&c);
  assert_int_equal(log_.count, before + 1);
  return interop_nth(&log_, before);
}

typedef struct fault {
  int command;
  DWORD code, parameters;
  ULONG_PTR access, address;
  const char *symbol; /* of the instruction */
} fault;

static const fault faults[] = {
    {TROUBLE_READ, EXCEPTION_ACCESS_VIOLATION, 2, 0, 0x40, "trouble_read"},
    {TROUBLE_WRITE, EXCEPTION_ACCESS_VIOLATION, 2, 1, 0x48, "trouble_write"},
    {TROUBLE_EXECUTE, EXCEPTION_ACCESS_VIOLATION, 2, 8, 0x1230, NULL},
    {TROUBLE_NO_ADDRESS, EXCEPTION_ACCESS_VIOLATION, 2, 0, ~(ULONG_PTR)0, "trouble_read"},
    {TROUBLE_DIVIDE, STATUS_INTEGER_DIVIDE_BY_ZERO, 0, 0, 0, "trouble_divide+3"},
    {TROUBLE_FLOAT, STATUS_FLOAT_DIVIDE_BY_ZERO, 0, 0, 0, "trouble_float"},
    {TROUBLE_ILLEGAL, EXCEPTION_ILLEGAL_INSTRUCTION, 0, 0, 0, "trouble_illegal"},
};

static void
check_fault(const fault *f)
{
  const noted *n = one_exception(f->command, 0);
  assert_int_equal(n->code, f->code);
  assert_int_equal(n->first_chance, 1);
  assert_int_equal(n->parameters, f->parameters);
  assert_int_equal(n->information[0], f->access);
  assert_int_equal(n->information[1], f->address);
  assert_int_equal(n->rip, n->address);
  assert_int_equal(n->address, f->symbol ? interop_symbol(&c, f->symbol) : f->address);
}

static void
each_fault_has_its_code_place_and_parameters(void **state)
{
  (void)state;
  begin();
  log_.clear = true;
  log_.escape = interop_symbol(&c, "libinterop-trouble!trouble_done");
  for (size_t i = 0; i < G_N_ELEMENTS(faults); i++)
    check_fault(&faults[i]);
  const noted *n = one_exception(TROUBLE_PAGE, 0);
  assert_int_equal(n->code, STATUS_IN_PAGE_ERROR);
  assert_int_equal(n->parameters, 3);
  assert_int_equal(n->information[0], 0);
  assert_int_not_equal(n->information[1], 0);
  assert_int_equal(n->information[1] % 4096, 0);
  /* The runtime's own handling is unharmed, and not told. */
  long done = interop_count(&c, TROUBLE_FINISHED);
  unsigned before = log_.count;
  interop_command(&c, TROUBLE_NULL, 0);
  interop_await_count(&c, TROUBLE_FINISHED, done + 1);
  assert_int_equal(log_.count, before);
  end_alive();
}

static void
a_signal_that_was_sent_says_so(void **state)
{
  (void)state;
  begin();
  log_.clear = true;
  const noted *n = one_exception(TROUBLE_RAISE, SIGABRT);
  assert_int_equal(n->code, 0xc0000409); /* as abort ends a program on Windows */
  assert_int_equal(n->parameters, 1);
  assert_int_equal(n->information[0], 7);
  n = one_exception(TROUBLE_RAISE, SIGSEGV);
  assert_int_equal(n->code, CODE_SIGNAL + SIGSEGV);
  assert_int_equal(n->information[0], SIGSEGV);
  assert_int_equal((int)n->information[1], SI_TKILL);
  assert_int_equal(n->information[2], p.pid);
  n = one_exception(TROUBLE_RAISE, SIGBUS);
  assert_int_equal(n->code, CODE_SIGNAL + SIGBUS);
  n = one_exception(TROUBLE_RAISE, SIGINT);
  assert_int_equal(n->code, DBG_CONTROL_C);
  n = one_exception(TROUBLE_OWN_TRAP, 0);
  assert_int_equal(n->code, EXCEPTION_BREAKPOINT);
  assert_int_equal(n->address, interop_symbol(&c, "trouble_own"));
  assert_int_equal(n->rip, n->address + 1);
  end_alive();
}

/* ---- Second chance ---- */

static void
dies_after_two_chances(int command, int argument, int number, DWORD code)
{
  begin();
  long done = interop_count(&c, TROUBLE_FINISHED);
  interop_command(&c, TROUBLE_DEFAULT, number);
  interop_await_count(&c, TROUBLE_FINISHED, done + 1);
  interop_command(&c, command, argument);
  end_killed_by(number);
  assert_int_equal(log_.count, 2);
  const noted *first = interop_nth(&log_, 0), *second = interop_nth(&log_, 1);
  assert_int_equal(first->code, code);
  assert_int_equal(first->first_chance, 1);
  assert_int_equal(second->code, code);
  assert_int_equal(second->first_chance, 0);
  assert_int_equal(second->tid, first->tid);
  assert_int_equal(second->address, first->address);
  assert_memory_equal(second->information, first->information, sizeof first->information);
  assert_int_equal(log_.exit_code, 128 + number);
}

static void
what_nobody_handles_gets_a_second_chance_before_the_end(void **state)
{
  (void)state;
  dies_after_two_chances(TROUBLE_WRITE, 0, SIGSEGV, EXCEPTION_ACCESS_VIOLATION);
  dies_after_two_chances(TROUBLE_PAGE, 0, SIGBUS, STATUS_IN_PAGE_ERROR);
  dies_after_two_chances(TROUBLE_DIVIDE, 0, SIGFPE, STATUS_INTEGER_DIVIDE_BY_ZERO);
  dies_after_two_chances(TROUBLE_ILLEGAL, 0, SIGILL, EXCEPTION_ILLEGAL_INSTRUCTION);
  dies_after_two_chances(TROUBLE_RAISE, SIGABRT, SIGABRT, 0xc0000409);
  dies_after_two_chances(TROUBLE_RAISE, SIGUSR2, SIGUSR2, CODE_SIGNAL + SIGUSR2);
}

static void
a_second_chance_can_be_taken_back(void **state)
{
  (void)state;
  begin();
  log_.clear_second = true;
  log_.escape = interop_symbol(&c, "libinterop-trouble!trouble_done");
  interop_command(&c, TROUBLE_DEFAULT, SIGFPE);
  interop_await_count(&c, TROUBLE_FINISHED, 1);
  for (unsigned i = 0; i < 3; i++) {
    interop_command(&c, TROUBLE_DIVIDE, 0);
    interop_await_count(&c, TROUBLE_FINISHED, 2 + i);
    client_await_continued(&c);
    assert_int_equal(log_.count, 2 * (i + 1));
    assert_int_equal(interop_nth(&log_, 2 * i)->first_chance, 1);
    assert_int_equal(interop_nth(&log_, 2 * i + 1)->first_chance, 0);
  }
  end_alive();
}

static void
what_the_program_handles_gets_no_second_chance(void **state)
{
  (void)state;
  begin();
  for (int i = 1; i <= 5; i++) {
    interop_command(&c, TROUBLE_HANDLED, 0);
    interop_await_count(&c, TROUBLE_FINISHED, i);
  }
  assert_int_equal(interop_count(&c, TROUBLE_LAST_SIGNAL), SIGSEGV);
  client_await_continued(&c);
  assert_int_equal(log_.count, 5);
  for (unsigned i = 0; i < 5; i++)
    assert_int_equal(interop_nth(&log_, i)->first_chance, 1);
  end_alive();
}

/* Both runtimes have a handler that gives a native fault up: by abort, or by setting the default
 * and having the fault happen again. */
static void
a_native_crash_ends_with_a_second_chance(void **state)
{
  (void)state;
  begin();
  interop_command(&c, TROUBLE_WRITE, 0);
  end_killed_by(0);
  assert_in_range(log_.count, 2, NOTED_MAX);
  assert_int_equal(interop_nth(&log_, 0)->code, EXCEPTION_ACCESS_VIOLATION);
  assert_int_equal(interop_nth(&log_, 0)->first_chance, 1);
  assert_int_equal(interop_nth(&log_, log_.count - 1)->first_chance, 0);
  for (unsigned i = 0; i + 1 < log_.count; i++)
    assert_int_equal(interop_nth(&log_, i)->first_chance, 1);
}

static void
clearing_decides_whether_a_handler_runs(void **state)
{
  (void)state;
  begin();
  interop_command(&c, TROUBLE_COUNT_SIGNAL, SIGINT);
  interop_await_count(&c, TROUBLE_FINISHED, 1);
  for (unsigned i = 0; i < 10; i++) {
    log_.clear = i % 2 == 0;
    const noted *n = one_exception(TROUBLE_RAISE, SIGINT);
    assert_int_equal(n->first_chance, 1);
    assert_int_equal(interop_count(&c, TROUBLE_SIGNALS), (i + 1) / 2);
  }
  end_alive();
}

/* ---- A debugger that dies with a signal outstanding ---- */

typedef struct debugger {
  pid_t pid;
  int from; /* a byte for each exception that it holds */
  uint64_t counts;
} debugger;

static int exceptions_to;

static then
hold_exception(client *of, const told *what)
{
  (void)of;
  if (what->event == NULL || what->event->dwDebugEventCode != EXCEPTION_DEBUG_EVENT)
    return GO_ON;
  hook_true(write(exceptions_to, "e", 1) == 1);
  return STAY;
}

static void
debug_until_killed(int to, int command)
{
  uint64_t counts;
  exceptions_to = to;
  client_open(&c, hold_exception, NULL);
  if (client_attach(&c, p.pid, TRUE) != S_OK)
    _exit(1);
  client_await(&c, "CreateThread", 1);
  interop_command(&c, TROUBLE_COUNT_SIGNAL, SIGINT);
  interop_await_count(&c, TROUBLE_FINISHED, 1);
  counts = interop_symbol(&c, "libinterop-trouble!trouble_count");
  if (write(to, &counts, sizeof counts) != sizeof counts)
    _exit(1);
  if (command != 0)
    interop_command(&c, command, 0);
  for (;;)
    pause();
}

static void
debugger_start(debugger *d, int command)
{
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  fflush(NULL);
  d->pid = fork();
  assert_true(d->pid >= 0);
  if (d->pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives a failed test */
    debug_until_killed(ends[1], command);
  }
  close(ends[1]);
  d->from = ends[0];
  assert_int_equal(read(d->from, &d->counts, sizeof d->counts), sizeof d->counts);
}

static void
debugger_kill_at_exception(debugger *d)
{
  char byte;
  assert_int_equal(read(d->from, &byte, 1), 1);
  assert_int_equal(kill(d->pid, SIGKILL), 0);
  assert_int_equal(waitpid(d->pid, NULL, 0), d->pid);
  close(d->from);
}

/* Nobody is left to be told by. */
static void
await_word(const debugger *d, unsigned which, long value)
{
  long word = -1;
  struct iovec here = {&word, sizeof word};
  struct iovec there = {(void *)(uintptr_t)(d->counts + which * sizeof word), sizeof word};
  for (int tries = 0; tries < 30000 && word != value; tries++) {
    assert_int_equal(process_vm_readv(p.pid, &here, 1, &there, 1, 0), sizeof word);
    usleep(1000);
  }
  assert_int_equal(word, value);
}

static void
a_killed_debugger_takes_no_signal_with_it(void **state)
{
  (void)state;
  debugger d;
  trouble_start(&p);
  debugger_start(&d, 0);
  assert_int_equal(kill(p.pid, SIGINT), 0);
  debugger_kill_at_exception(&d);
  await_word(&d, TROUBLE_SIGNALS, 1);
  program_await_untraced(&p);
  program_check_unharmed(&p);
  program_end(&p);

  trouble_start(&p);
  debugger_start(&d, TROUBLE_HANDLED);
  debugger_kill_at_exception(&d);
  await_word(&d, TROUBLE_FINISHED, 2);
  await_word(&d, TROUBLE_LAST_SIGNAL, SIGSEGV);
  program_await_untraced(&p);
  program_check_unharmed(&p);
  program_end(&p);

  trouble_start(&p);
  debugger_start(&d, 0);
  assert_int_equal(kill(p.pid, SIGUSR1), 0);
  debugger_kill_at_exception(&d);
  int status = program_wait(&p);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CASE_ON_BOTH(each_fault_has_its_code_place_and_parameters),
      CASE_ON_BOTH(a_signal_that_was_sent_says_so),
      CASE_ON_BOTH(what_nobody_handles_gets_a_second_chance_before_the_end),
      CASE_ON_BOTH(a_second_chance_can_be_taken_back),
      CASE_ON_BOTH(what_the_program_handles_gets_no_second_chance),
      CASE_ON_BOTH(a_native_crash_ends_with_a_second_chance),
      CASE_ON_BOTH(clearing_decides_whether_a_handler_runs),
      CASE_ON_BOTH(a_killed_debugger_takes_no_signal_with_it),
  };
  /* Mono's own report of a crash would start gdb, which waits for a process that is traced. */
  g_setenv("MONO_DEBUG", "no-gdb-backtrace", TRUE);
  return CLIENT_RUN(tests);
}
