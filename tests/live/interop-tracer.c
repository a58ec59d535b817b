/* SPDX-License-Identifier: MIT */
/* What the tracer tells an interop debugger besides hits: signals before they are delivered, steps
 * of one thread, births and ends of threads. Native debuggees, no runtime. */
#include "config.h"

#include "tests/live/tracer-support.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRAP_FLAG 0x100u
#define bit(signal) (1ull << ((signal)-1))

enum { STORM = 500 };

__asm__(".text\n"
        ".globl interop_steps, interop_count\n"
        "interop_steps: addq $1, %rdi\n"
        "interop_step_1: addq $2, %rdi\n"
        "interop_step_2: addq $3, %rdi\n"
        "interop_step_3: mov %rdi, %rax\n"
        "interop_step_4: ret\n"
        "interop_count: lea 1(%rdi), %rax\n"
        " ret\n"
        ".globl interop_step_1, interop_step_2, interop_step_3, interop_step_4\n");
extern long interop_steps(long), interop_count(long);
extern const char interop_step_1[], interop_step_2[], interop_step_3[], interop_step_4[];

static test_stage *stage_of_handler;

static void
note_signal(int number, siginfo_t *info, void *context)
{
  (void)context;
  stage_of_handler->count[10] = number;
  stage_of_handler->count[11] = info->si_code;
  stage_of_handler->count[12] = info->si_value.sival_int;
  stage_of_handler->count[13] = info->si_pid;
  stage_of_handler->count[14]++;
}

static void
catch_signal(test_stage *stage, int number)
{
  struct sigaction action = {.sa_sigaction = note_signal, .sa_flags = SA_SIGINFO};
  stage_of_handler = stage;
  sigaction(number, &action, NULL);
}

static void
waits_for_signals(test_stage *stage)
{
  catch_signal(stage, SIGUSR1);
  catch_signal(stage, SIGUSR2);
  stage->ready = 1;
  while (!stage->stop)
    stage->count[0] = interop_steps(stage->count[0]) - 5;
}

static cordbg_event
next_native(test_session *s)
{
  cordbg_event event;
  HRESULT hr;
  must(s, hr = cordbg_tracer_next_event(s->tracer, CORDBG_CHANNEL_UNMANAGED, 10000, &event,
                                        &s->error));
  if (hr != S_OK)
    fail_msg("no unmanaged event within ten seconds");
  return event;
}

static void
want(test_session *s, uint32_t also, uint64_t signals)
{
  must(s, cordbg_tracer_want_signals(s->tracer, CORDBG_WANT_UNMANAGED | also, signals, &s->error));
}

static cordbg_event
send_and_see(test_session *s, int number, int value)
{
  assert_int_equal(sigqueue(s->pid, number, (union sigval){.sival_int = value}), 0);
  cordbg_event event = next_native(s);
  assert_int_equal(event.kind, CORDBG_EVENT_SIGNAL);
  assert_int_equal(event.signal.number, number);
  assert_true((event.flags & CORDBG_EVENT_STOPS) != 0);
  return event;
}

static void
signal_is_told_first_and_reaches_its_handler_unchanged(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, waits_for_signals, 1);
  want(&s, 0, bit(SIGUSR1));
  cordbg_event event = send_and_see(&s, SIGUSR1, 77);
  assert_int_equal(event.signal.code, SI_QUEUE);
  assert_int_equal(event.signal.pid, getpid());
  assert_int_equal((int)event.signal.value, 77);
  assert_int_equal(event.signal.flags & CORDBG_SIGNAL_ENDS, 0);
  assert_int_equal(s.stage->count[14], 0); /* not delivered yet */
  go_on(&s);
  await_long(&s.stage->count[14], 1);
  assert_int_equal(s.stage->count[10], SIGUSR1);
  assert_int_equal(s.stage->count[11], SI_QUEUE);
  assert_int_equal(s.stage->count[12], 77);
  assert_int_equal(s.stage->count[13], getpid());
  /* One that nobody asked for passes without a word. */
  assert_int_equal(kill(s.pid, SIGUSR2), 0);
  await_long(&s.stage->count[14], 2);
  session_end(&s);
}

static void
signal_is_suppressed_or_replaced_on_request(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, waits_for_signals, 1);
  want(&s, 0, bit(SIGUSR1));
  cordbg_event event = send_and_see(&s, SIGUSR1, 1);
  must(&s, cordbg_tracer_set_signal(s.tracer, event.tid, 0, &s.error));
  go_on(&s);
  event = send_and_see(&s, SIGUSR1, 2);
  assert_int_equal(s.stage->count[14], 0); /* the first one never came */
  must(&s, cordbg_tracer_set_signal(s.tracer, event.tid, SIGUSR2, &s.error));
  go_on(&s);
  await_long(&s.stage->count[14], 1);
  assert_int_equal(s.stage->count[10], SIGUSR2);
  /* No signal waits any more. */
  halt(&s);
  assert_int_equal(cordbg_tracer_set_signal(s.tracer, s.pid, 0, &s.error), E_UNEXPECTED);
  session_end(&s);
}

static void
signal_that_was_told_is_delivered_when_the_session_ends(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, waits_for_signals, 1);
  want(&s, 0, bit(SIGUSR1));
  send_and_see(&s, SIGUSR1, 5);
  session_detach(&s);
  await_long(&s.stage->count[14], 1);
  assert_int_equal(s.stage->count[12], 5);
  assert_true(is_free(s.pid));
  session_end(&s);
}

/* ---- Steps ---- */

static void
set_trap_flag(test_session *s, int tid)
{
  cordbg_registers registers;
  must(s, cordbg_tracer_get_registers(s->tracer, tid, &registers, &s->error));
  registers.general.eflags |= TRAP_FLAG;
  must(s, cordbg_tracer_set_registers(s->tracer, tid, &registers, &s->error));
}

static uint64_t
step(test_session *s, int tid)
{
  set_trap_flag(s, tid);
  go_on(s);
  cordbg_event event = next_native(s);
  assert_int_equal(event.kind, CORDBG_EVENT_SIGNAL);
  assert_true((event.signal.flags & CORDBG_SIGNAL_STEP) != 0);
  assert_int_equal(event.tid, tid);
  assert_int_equal(event.registers.eflags & TRAP_FLAG, 0);
  return event.registers.rip;
}

static void
row_34_one_thread_steps_by_its_trap_flag(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, waits_for_signals, 1);
  want(&s, 0, 0);
  plant(&s, CORDBG_LAYER_NATIVE, at(interop_steps));
  cordbg_event event = next_native(&s);
  assert_int_equal(event.kind, CORDBG_EVENT_TRAP);
  assert_int_equal(event.address, at(interop_steps));
  assert_int_equal(step(&s, event.tid), at(interop_step_1)); /* over its own trap */
  assert_int_equal(step(&s, event.tid), at(interop_step_2));
  assert_int_equal(step(&s, event.tid), at(interop_step_3));
  assert_int_equal(step(&s, event.tid), at(interop_step_4));
  take_away(&s, CORDBG_LAYER_NATIVE, at(interop_steps));
  go_on(&s);
  s.stage->stop = 1;
  cordbg_event end;
  must(&s, cordbg_tracer_next_event(s.tracer, CORDBG_CHANNEL_MANAGED, 10000, &end, &s.error));
  assert_int_equal(end.kind, CORDBG_EVENT_EXITED);
  session_end(&s);
}

static void
row_34_a_signal_in_mid_step_is_told_and_takes_the_step_back(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, waits_for_signals, 1);
  want(&s, 0, bit(SIGUSR1));
  plant(&s, CORDBG_LAYER_NATIVE, at(interop_steps));
  cordbg_event event = next_native(&s);
  take_away(&s, CORDBG_LAYER_NATIVE, at(interop_steps));
  assert_int_equal(kill(s.pid, SIGUSR1), 0);
  set_trap_flag(&s, event.tid);
  go_on(&s);
  event = next_native(&s);
  if ((event.signal.flags & CORDBG_SIGNAL_STEP) != 0) { /* the step was first: the signal follows */
    assert_int_equal(event.registers.rip, at(interop_step_1));
    go_on(&s);
    event = next_native(&s);
  }
  assert_int_equal(event.signal.number, SIGUSR1);
  go_on(&s);
  await_long(&s.stage->count[14], 1);
  assert_int_equal(s.stage->count[10], SIGUSR1);
  session_end(&s);
}

static void *
counts_beside(void *argument)
{
  test_stage *stage = argument;
  stage->ready = 2;
  while (!stage->stop)
    stage->count[1] = interop_count(stage->count[1]);
  return NULL;
}

static void
two_threads(test_stage *stage)
{
  pthread_t thread;
  pthread_create(&thread, NULL, counts_beside, stage);
  while (stage->ready < 2)
    sched_yield();
  stage->ready = 3;
  while (!stage->stop)
    stage->count[0] = interop_steps(stage->count[0]) - 5;
  pthread_join(thread, NULL);
}

static void
row_34_other_threads_lose_no_trap_while_one_steps(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, two_threads, 3);
  want(&s, 0, 0);
  plant(&s, CORDBG_LAYER_NATIVE, at(interop_steps));
  plant(&s, CORDBG_LAYER_NATIVE, at(interop_count));
  int steps = 0;
  long hits = 0, before = -1;
  while (steps < 40 || hits < 40) {
    cordbg_event event = next_native(&s);
    if (event.kind == CORDBG_EVENT_TRAP && event.address == at(interop_count)) {
      if (before < 0)
        before = s.stage->count[1];
      assert_int_equal(s.stage->count[1], before + hits); /* each call was told, once */
      hits++;
    } else {
      if (event.kind == CORDBG_EVENT_SIGNAL) {
        assert_int_equal(event.registers.rip, at(interop_step_1));
        steps++;
      } else {
        assert_int_equal(event.address, at(interop_steps));
        set_trap_flag(&s, event.tid);
      }
    }
    go_on(&s);
  }
  session_end(&s);
}

/* ---- Ends ---- */

static void
crashes(test_stage *stage)
{
  signal(SIGSEGV, SIG_DFL); /* the test's framework has a handler */
  stage->ready = 1;
  while (!stage->go)
    sched_yield();
  volatile int *volatile nowhere = (volatile int *)0x30;
  *nowhere = 1;
}

static void
a_crash_is_told_before_it_ends_the_process(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, crashes, 1);
  want(&s, CORDBG_WANT_FATAL_SIGNALS, 0);
  s.stage->go = 1;
  cordbg_event event = next_native(&s);
  assert_int_equal(event.kind, CORDBG_EVENT_SIGNAL);
  assert_int_equal(event.signal.number, SIGSEGV);
  assert_int_equal(event.signal.code, SEGV_MAPERR);
  assert_int_equal(event.signal.address, 0x30);
  assert_true((event.signal.flags & CORDBG_SIGNAL_ENDS) != 0);
  go_on(&s);
  cordbg_event end;
  must(&s, cordbg_tracer_next_event(s.tracer, CORDBG_CHANNEL_MANAGED, 10000, &end, &s.error));
  assert_int_equal(end.kind, CORDBG_EVENT_EXITED);
  assert_true(WIFSIGNALED((int)end.code));
  assert_int_equal(WTERMSIG((int)end.code), SIGSEGV);
  session_end(&s);
}

static void *
ends_at_once(void *argument)
{
  test_stage *stage = argument;
  stage->count[2]++;
  return NULL;
}

static void
makes_threads(test_stage *stage)
{
  stage->ready = 1;
  while (!stage->go)
    sched_yield();
  for (int i = 0; i < 20; i++) {
    pthread_t thread;
    pthread_create(&thread, NULL, ends_at_once, stage);
    pthread_join(thread, NULL);
  }
  stage->ready = 2;
  pause();
}

static void
each_thread_is_told_before_its_first_instruction_and_after_its_last(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, makes_threads, 1);
  want(&s, CORDBG_WANT_THREAD_STOPS, 0);
  s.stage->go = 1;
  int last = 0;
  for (int i = 0; i < 40; i++) {
    cordbg_event event = next_native(&s);
    assert_true((event.flags & CORDBG_EVENT_STOPS) != 0);
    if (i % 2 == 0) {
      assert_int_equal(event.kind, CORDBG_EVENT_THREAD_CREATED);
      assert_int_equal(s.stage->count[2], i / 2); /* it has done nothing yet */
      assert_int_not_equal(event.registers.rip, 0);
      last = event.tid;
    } else {
      assert_int_equal(event.kind, CORDBG_EVENT_THREAD_EXITED);
      assert_int_equal(event.tid, last);
    }
    go_on(&s);
  }
  await_int(&s.stage->ready, 2);
  session_end(&s);
}

/* ---- Storms ---- */

static void
note_in_order(int number, siginfo_t *info, void *context)
{
  (void)number, (void)context;
  if (info->si_value.sival_int != stage_of_handler->count[20])
    stage_of_handler->count[21]++;
  stage_of_handler->count[20]++;
}

static void
weathers_a_storm(test_stage *stage)
{
  struct sigaction action = {.sa_sigaction = note_in_order, .sa_flags = SA_SIGINFO | SA_RESTART};
  stage_of_handler = stage;
  sigaction(SIGRTMIN + 3, &action, NULL);
  stage->ready = 1;
  while (!stage->stop)
    stage->count[0] = interop_steps(stage->count[0]) - 5;
}

static void
a_storm_of_told_signals_arrives_whole_and_in_order(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, weathers_a_storm, 1);
  want(&s, 0, bit(SIGRTMIN + 3));
  plant(&s, CORDBG_LAYER_NATIVE, at(interop_steps));
  for (int i = 0; i < STORM; i++)
    assert_int_equal(sigqueue(s.pid, SIGRTMIN + 3, (union sigval){.sival_int = i}), 0);
  for (int signals = 0, hits = 0; signals < STORM || hits < 100;) {
    cordbg_event event = next_native(&s);
    if (event.kind == CORDBG_EVENT_SIGNAL)
      assert_int_equal((int)event.signal.value, signals++);
    else
      hits++;
    go_on(&s);
  }
  await_long(&s.stage->count[20], STORM);
  assert_int_equal(s.stage->count[21], 0);
  session_end(&s);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(signal_is_told_first_and_reaches_its_handler_unchanged),
      cmocka_unit_test(signal_is_suppressed_or_replaced_on_request),
      cmocka_unit_test(signal_that_was_told_is_delivered_when_the_session_ends),
      cmocka_unit_test(row_34_one_thread_steps_by_its_trap_flag),
      cmocka_unit_test(row_34_a_signal_in_mid_step_is_told_and_takes_the_step_back),
      cmocka_unit_test(row_34_other_threads_lose_no_trap_while_one_steps),
      cmocka_unit_test(a_crash_is_told_before_it_ends_the_process),
      cmocka_unit_test(each_thread_is_told_before_its_first_instruction_and_after_its_last),
      cmocka_unit_test(a_storm_of_told_signals_arrives_whole_and_in_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
