/* SPDX-License-Identifier: MIT */
/* System calls, signals and group stops under stops; remote calls, kicks, words at the end. */
#include "config.h"

#include "tests/live/tracer-support.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

__asm__(".text\n"
        ".globl calls_add\n"
        "calls_add: addq $1, %rdi\n mov %rdi, %rax\n ret\n");
extern long calls_add(long);

static uint64_t
now_ms(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static void
stop_and_go(test_session *session, int times)
{
  for (int i = 0; i < times; i++) {
    halt(session);
    a_moment();
    go_on(session);
    a_moment();
  }
}

static bool
is_blocked(void *data)
{
  return state_of(*(int *)data) == 'S';
}

/* ---- Row 45 ---- */

static void
eintr_body(test_stage *stage)
{
  struct epoll_event event;
  sigset_t set;
  siginfo_t info;
  int which = stage->go;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  sigprocmask(SIG_BLOCK, &set, NULL);
  int epoll = epoll_create1(0), semaphore = semget(IPC_PRIVATE, 1, 0600);
  struct sembuf take = {.sem_op = -1};
  stage->pid = semaphore;
  uint64_t begin = now_ms();
  stage->ready = 1;
  long got = 0;
  if (which == 1)
    got = epoll_wait(epoll, &event, 1, -1);
  else if (which == 2)
    got = sigtimedwait(&set, &info, NULL);
  else if (which == 3)
    got = semop(semaphore, &take, 1);
  else if (which == 4)
    got = epoll_wait(epoll, &event, 1, 400);
  stage->result = got < 0 ? -errno : got;
  stage->count[0] = (long)(now_ms() - begin);
  stage->ready = 2;
  pause();
}

/* Which call the next debuggee makes: read before it reports to be ready. */
static int eintr_which;

static void
eintr_chosen_body(test_stage *stage)
{
  stage->go = eintr_which;
  eintr_body(stage);
}

static void
row_45_calls_that_the_kernel_does_not_restart_see_no_eintr(void **state)
{
  (void)state;
  for (eintr_which = 1; eintr_which <= 4; eintr_which++) {
    test_session s;
    session_begin(&s, eintr_chosen_body, 1);
    assert_true(await_until(is_blocked, &s.pid, 60000));
    stop_and_go(&s, 20);
    cordbg_registers registers; /* waking it up is an interrupt too */
    halt(&s);
    must(&s, cordbg_tracer_get_registers(s.tracer, s.pid, &registers, &s.error));
    go_on(&s);
    must(&s, cordbg_tracer_kick(s.tracer, s.pid, &s.error));
    if (eintr_which == 4) {
      await_int(&s.stage->ready, 2);
      assert_int_equal(s.stage->result, 0); /* it timed out, and nothing else */
      assert_true(s.stage->count[0] >= 399);
    } else {
      assert_int_equal(s.stage->ready, 1);
      assert_int_equal(s.stage->result, 0);
    }
    if (eintr_which == 2) {
      kill(s.pid, SIGUSR2);
      await_int(&s.stage->ready, 2);
      assert_int_equal(s.stage->result, SIGUSR2);
    }
    if (eintr_which == 3) {
      struct sembuf give = {.sem_op = 1};
      assert_int_equal(semop(s.stage->pid, &give, 1), 0);
      await_int(&s.stage->ready, 2);
      assert_int_equal(s.stage->result, 0);
    }
    semctl(s.stage->pid, 0, IPC_RMID);
    session_end(&s);
  }
}

static void
on_usr1(int number)
{
  (void)number;
}

static void
eintr_signal_body(test_stage *stage)
{
  struct sigaction action = {.sa_handler = on_usr1};
  struct epoll_event event;
  sigaction(SIGUSR1, &action, NULL);
  int epoll = epoll_create1(0);
  stage->ready = 1;
  for (;;) {
    if (epoll_wait(epoll, &event, 1, -1) < 0 && errno == EINTR)
      stage->count[0]++;
    else
      stage->result++;
  }
}

static void
row_45_an_eintr_of_the_programs_own_signal_is_seen(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, eintr_signal_body, 1);
  for (long i = 1; i <= 50; i++) {
    assert_true(await_until(is_blocked, &s.pid, 60000)); /* a signal before the call ends no call */
    if (i % 2 == 0)
      stop_and_go(&s, 1);
    if (i % 3 == 0)
      halt(&s);
    kill(s.pid, SIGUSR1);
    kill(s.pid, SIGCHLD); /* ignored by default: must wake nobody */
    if (i % 3 == 0)
      go_on(&s);
    await_long(&s.stage->count[0], i);
    assert_int_equal(s.stage->count[0], i);
  }
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

static void
deadline_body(test_stage *stage)
{
  int word = 0;
  struct timespec time = {.tv_nsec = 300000000};
  uint64_t begin = now_ms();
  stage->ready = 1;
  stage->count[0] = poll(NULL, 0, 300);
  stage->count[1] = (long)(now_ms() - begin);
  begin = now_ms();
  stage->count[2] = nanosleep(&time, NULL);
  stage->count[3] = (long)(now_ms() - begin);
  begin = now_ms();
  long got = syscall(SYS_futex, &word, FUTEX_WAIT, 0, &time, NULL, 0);
  stage->count[4] = got < 0 ? errno : 0;
  stage->count[5] = (long)(now_ms() - begin);
  stage->ready = 2;
  pause();
}

static bool
ended_among_stops(void *data)
{
  test_session *session = data;
  stop_and_go(session, 1);
  return session->stage->ready == 2;
}

static void
row_45_poll_nanosleep_and_futex_keep_their_deadlines(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, deadline_body, 1);
  /* A wait that began anew at each stop would not end. */
  assert_true(await_until(ended_among_stops, &s, 60000));
  assert_int_equal(s.stage->count[0], 0);
  assert_int_equal(s.stage->count[2], 0);
  assert_int_equal(s.stage->count[4], ETIMEDOUT);
  for (int i = 1; i <= 5; i += 2)
    assert_true(s.stage->count[i] >= 299);
  session_end(&s);
}

/* ---- Row 46 ---- */

static int wake_pipe[2];

static void
asleep_body(test_stage *stage)
{
  char byte;
  stage->tid = (int)syscall(SYS_gettid);
  stage->ready = 1;
  for (;;) {
    if (read(wake_pipe[0], &byte, 1) == 1)
      stage->count[0]++;
  }
}

static bool
is_held(void *data)
{
  return state_of(*(int *)data) == 't';
}

/* A stop that interrupted nobody. */
static bool
is_left_alone(void *data)
{
  test_session *session = data;
  uint64_t before = statistics_of(session).interrupts;
  stop_and_go(session, 1);
  return is_blocked(&session->pid) && statistics_of(session).interrupts == before;
}

static void
row_46_an_asleep_thread_that_is_woken_runs_no_user_code(void **state)
{
  (void)state;
  test_session s;
  assert_int_equal(pipe(wake_pipe), 0);
  session_begin(&s, asleep_body, 1);
  assert_true(await_until(is_left_alone, &s, 60000));
  for (long i = 0; i < 50; i++) {
    halt(&s);
    if (i > 0)
      assert_int_equal(s.stage->count[0], i);
    assert_int_equal(write(wake_pipe[1], "x", 1), 1);
    /* The call is over, and that is as far as it comes. */
    assert_true(await_until(is_held, &s.pid, 60000));
    assert_int_equal(s.stage->count[0], i);
    go_on(&s);
    await_long(&s.stage->count[0], i + 1);
  }
  /* And costs nothing: found in its call once, it is not interrupted again. */
  assert_true(await_until(is_left_alone, &s, 60000));
  uint64_t interrupts = statistics_of(&s).interrupts;
  stop_and_go(&s, 50);
  assert_int_equal(statistics_of(&s).interrupts, interrupts);
  session_end(&s);
}

/* ---- Signals ---- */

enum { QUEUED_SIGNALS = 200 };
static test_stage *queue_stage;

static void
on_queued(int number, siginfo_t *info, void *context)
{
  (void)number;
  (void)context;
  if (info->si_code != SI_QUEUE || info->si_value.sival_int != (int)queue_stage->count[0])
    queue_stage->result++;
  queue_stage->count[0]++;
}

static void
queued_body(test_stage *stage)
{
  struct sigaction action = {.sa_sigaction = on_queued, .sa_flags = SA_SIGINFO};
  queue_stage = stage;
  sigaction(SIGRTMIN, &action, NULL);
  stage->ready = 1;
  for (;;)
    stage->count[1] = calls_add(stage->count[1]);
}

static void
signals_reach_the_target_unchanged_and_in_order(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, queued_body, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(calls_add));
  for (int i = 0; i < QUEUED_SIGNALS; i++) {
    union sigval value = {.sival_int = i};
    next_hit(&s, at(calls_add));
    assert_int_equal(sigqueue(s.pid, SIGRTMIN, value), 0);
    if (i % 4 != 0)
      go_on(&s);
    else { /* a few at once, while it stands */
      halt(&s);
      go_on(&s);
    }
  }
  next_hit(&s, at(calls_add));
  take_away(&s, CORDBG_LAYER_MANAGED, at(calls_add));
  go_on(&s);
  await_long(&s.stage->count[0], QUEUED_SIGNALS);
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

static void
counting_body(test_stage *stage)
{
  stage->ready = 1;
  for (;;)
    stage->count[0] = calls_add(stage->count[0]);
}

static bool
is_in_group_stop(void *data)
{
  char state = state_of(*(int *)data);
  return state == 'T' || state == 't';
}

static void
a_group_stop_works_under_the_tracer_and_outlives_it(void **state)
{
  (void)state;
  test_session s;
  int status;
  session_begin(&s, counting_body, 1);
  for (int i = 0; i < 10; i++) {
    kill(s.pid, SIGSTOP);
    assert_true(await_until(is_in_group_stop, &s.pid, 60000));
    long before = s.stage->count[0];
    if (i % 2 == 0)
      stop_and_go(&s, 2);
    a_moment();
    assert_int_equal(s.stage->count[0], before);
    kill(s.pid, SIGCONT);
    await_long(&s.stage->count[0], before + 10);
  }
  /* At a trap, with a stop in between. */
  plant(&s, CORDBG_LAYER_MANAGED, at(calls_add));
  next_hit(&s, at(calls_add));
  long before = s.stage->count[0];
  kill(s.pid, SIGSTOP);
  go_on(&s);
  kill(s.pid, SIGCONT);
  next_hit(&s, at(calls_add));
  assert_int_equal(s.stage->count[0], before + 1);
  take_away(&s, CORDBG_LAYER_MANAGED, at(calls_add));
  go_on(&s);
  /* Detached in a group stop, it stays in it. */
  kill(s.pid, SIGSTOP);
  assert_true(await_until(is_in_group_stop, &s.pid, 60000));
  session_detach(&s);
  assert_int_equal(waitpid(s.pid, &status, WUNTRACED), s.pid);
  assert_true(WIFSTOPPED(status));
  assert_int_equal(state_of(s.pid), 'T');
  before = s.stage->count[0];
  a_moment();
  assert_int_equal(s.stage->count[0], before);
  kill(s.pid, SIGCONT);
  await_long(&s.stage->count[0], before + 10);
  session_end(&s);
}

/* ---- Calls ---- */

static _Atomic int call_word;

long call_target(long a, long b, const char *text, double *none);
long
call_target(long a, long b, const char *text, double *none)
{
  (void)none;
  return a * 100 + b * 10 + text[0];
}

static test_stage *hanging_stage;

static void
call_hangs(void)
{
  hanging_stage->count[2]++;
  for (;;)
    pause();
}

static long
call_traps(long value)
{
  return calls_add(value) + 1;
}

static void *
call_thread(void *data)
{
  (void)data;
  call_word = 7;
  return NULL;
}

static long
call_starts_a_thread(void)
{
  pthread_t thread;
  call_word = 0;
  pthread_create(&thread, NULL, call_thread, NULL);
  pthread_join(thread, NULL);
  return call_word;
}

static void *
counting_thread(void *data)
{
  test_stage *stage = data;
  for (;;)
    stage->count[1]++;
  return NULL;
}

static void
call_body(test_stage *stage)
{
  struct timespec time = {.tv_sec = 1};
  pthread_t thread;
  hanging_stage = stage;
  pthread_create(&thread, NULL, counting_thread, stage);
  uint64_t begin = now_ms();
  stage->ready = 1;
  stage->result = nanosleep(&time, NULL);
  stage->count[0] = (long)(now_ms() - begin);
  stage->ready = 2;
  for (;;)
    pause();
}

static void
a_call_runs_and_leaves_no_trace(void **state)
{
  (void)state;
  test_session s;
  uint64_t result;
  session_begin(&s, call_body, 1);
  plant(&s, CORDBG_LAYER_MANAGED, at(calls_add));
  for (int i = 0; i < 40; i++) {
    cordbg_call call = {.tid = s.pid,
                        .flags = i & 1 ? CORDBG_CALL_RUN_OTHERS : 0,
                        .function = at(call_target),
                        .arguments = {1, 2, CORDBG_CALL_DATA + 3, 0, 0, 0},
                        .timeout_ms = 5000,
                        .data = "abcdef",
                        .data_size = 6};
    if (i & 2)
      halt(&s);
    must(&s, cordbg_tracer_call(s.tracer, &call, &result, &s.error));
    assert_int_equal(result, 120 + 'd');
    if (i & 2) {
      long before = s.stage->count[1];
      sched_yield();
      assert_int_equal(s.stage->count[1], before); /* stopped again, all of it */
      go_on(&s);
    }
    long before = s.stage->count[1];
    await_long(&s.stage->count[1], before + 1);
  }
  cordbg_call traps = {
      .tid = s.pid, .function = at(call_traps), .arguments = {5}, .timeout_ms = 5000};
  must(&s, cordbg_tracer_call(s.tracer, &traps, &result, &s.error));
  assert_int_equal(result, 7);
  assert_true(no_event(&s, 5)); /* a hit in the call is nobody's */
  cordbg_call starts = {.tid = s.pid,
                        .flags = CORDBG_CALL_RUN_OTHERS,
                        .function = at(call_starts_a_thread),
                        .timeout_ms = 5000};
  must(&s, cordbg_tracer_call(s.tracer, &starts, &result, &s.error));
  assert_int_equal(result, 7);
  await_int(&s.stage->ready, 2);
  assert_int_equal(s.stage->result, 0);
  assert_true(s.stage->count[0] >= 999);
  session_end(&s);
}

static void
a_call_that_does_not_return_is_put_back(void **state)
{
  (void)state;
  test_session s;
  uint64_t result;
  session_begin(&s, call_body, 1);
  for (int i = 0; i < 4; i++) {
    cordbg_call call = {.tid = s.pid,
                        .flags = i & 1 ? CORDBG_CALL_RUN_OTHERS : 0,
                        .function = at(call_hangs),
                        .timeout_ms = 20};
    assert_int_equal(cordbg_tracer_call(s.tracer, &call, &result, &s.error),
                     HRESULT_FROM_WIN32(ERROR_TIMEOUT));
  }
  await_int(&s.stage->ready, 2);
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

static void
row_27_detach_and_death_in_mid_call(void **state)
{
  (void)state;
  test_session s;
  session_fork(&s, call_body);
  await_int(&s.stage->ready, 1);
  int client = fork();
  if (client == 0) {
    uint64_t result;
    test_session mine = {.pid = s.pid, .stage = s.stage};
    session_attach(&mine);
    cordbg_call call = {.tid = mine.pid, .function = at(call_hangs), .timeout_ms = 60000};
    cordbg_tracer_call(mine.tracer, &call, &result, &mine.error);
    _exit(0);
  }
  await_long(&s.stage->count[2], 1);
  kill(client, SIGKILL);
  waitpid(client, NULL, 0);
  assert_true(is_free(s.pid));
  await_int(&s.stage->ready, 2); /* back in its sleep, which ended in time */
  assert_int_equal(s.stage->result, 0);
  session_end(&s);
}

/* ---- Kick, and what is written at the end ---- */

static _Atomic int futex_word;

static void
futex_body(test_stage *stage)
{
  int expected = 0;
  stage->tid = (int)syscall(SYS_gettid);
  stage->ready = 1;
  for (;;) {
    while (futex_word == expected)
      syscall(SYS_futex, &futex_word, FUTEX_WAIT, expected, NULL, NULL, 0);
    expected = futex_word;
    stage->count[0] = expected;
  }
}

static void
a_kicked_thread_compares_its_word_anew(void **state)
{
  (void)state;
  test_session s;
  size_t written;
  session_begin(&s, futex_body, 1);
  for (int value = 1; value <= 20; value++) {
    if (value % 2 == 0)
      stop_and_go(&s, 1);
    must(&s,
         cordbg_tracer_write(s.tracer, at(&futex_word), &value, sizeof value, &written, &s.error));
    must(&s, cordbg_tracer_kick(s.tracer, s.pid, &s.error));
    await_long(&s.stage->count[0], value);
  }
  session_end(&s);
}

static void
the_words_for_the_end_are_written_and_seen(void **state)
{
  (void)state;
  for (int killed = 0; killed < 2; killed++) {
    test_session s;
    session_fork(&s, futex_body);
    await_int(&s.stage->ready, 1);
    int client = fork();
    if (client == 0) {
      test_session mine = {.pid = s.pid, .stage = s.stage};
      const cordbg_cleanup_word word = {.address = at(&futex_word), .value = 99};
      session_attach(&mine);
      stop_and_go(&mine, 2);
      cordbg_tracer_on_cleanup(mine.tracer, &word, 1, mine.pid, &mine.error);
      s.stage->pid = 1;
      if (killed)
        pause();
      session_detach(&mine);
      _exit(0);
    }
    await_int(&s.stage->pid, 1);
    if (killed)
      kill(client, SIGKILL);
    waitpid(client, NULL, 0);
    await_long(&s.stage->count[0], 99);
    assert_true(is_free(s.pid));
    session_end(&s);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(row_45_calls_that_the_kernel_does_not_restart_see_no_eintr),
      cmocka_unit_test(row_45_an_eintr_of_the_programs_own_signal_is_seen),
      cmocka_unit_test(row_45_poll_nanosleep_and_futex_keep_their_deadlines),
      cmocka_unit_test(row_46_an_asleep_thread_that_is_woken_runs_no_user_code),
      cmocka_unit_test(signals_reach_the_target_unchanged_and_in_order),
      cmocka_unit_test(a_group_stop_works_under_the_tracer_and_outlives_it),
      cmocka_unit_test(a_call_runs_and_leaves_no_trace),
      cmocka_unit_test(a_call_that_does_not_return_is_put_back),
      cmocka_unit_test(row_27_detach_and_death_in_mid_call),
      cmocka_unit_test(a_kicked_thread_compares_its_word_anew),
      cmocka_unit_test(the_words_for_the_end_are_written_and_seen),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
