/* SPDX-License-Identifier: MIT */
/*
 * Row 28: the client is SIGKILLed at a random moment. No trap is left in the target, no thread
 * stays stopped, it goes on, and it can be attached to again. CORDBG_KILLS: how often (50).
 * Row 29: the same of the tracer, whose guard puts the bytes back.
 */
#include "config.h"

#include "tests/live/tracer-support.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

__asm__(".text\n"
        ".globl kill_add, kill_sse\n"
        "kill_add: addq $1, %rdi\n mov %rdi, %rax\n ret\n"
        "kill_sse: cvtsi2sdq %rdi, %xmm0\n cvttsd2siq %xmm0, %rax\n ret\n");
extern long kill_add(long), kill_sse(long);

static test_stage *the_stage;

/* stage->count: the three threads', then what the client has done. */
enum { CLIENT_STEPS = 3, STEPS_OF_INTEREST = 60 };

static void *
work(void *data)
{
  long me = (long)(intptr_t)data;
  the_stage->ready++;
  for (long i = 0;; i++) {
    if (kill_add(i) != i + 1 || kill_sse(i) != i)
      the_stage->result++;
    the_stage->count[me]++;
  }
  return NULL;
}

static void *
doze(void *data)
{
  (void)data;
  for (;;)
    poll(NULL, 0, 1);
  return NULL;
}

static void
work_body(test_stage *stage)
{
  pthread_t thread;
  the_stage = stage;
  for (long i = 0; i < 3; i++)
    pthread_create(&thread, NULL, work, (void *)(intptr_t)i);
  for (int i = 0; i < 3; i++)
    pthread_create(&thread, NULL, doze, NULL);
  pause();
}

/* The client that is going to be killed: it does all that changes the target, over and over. */
static void
be_client(int target, test_stage *stage, int keeps_socket)
{
  cordbg_tracer *tracer;
  cordbg_event event;
  cordbg_error error;
  const uint64_t sites[2] = {at(kill_add), at(kill_sse)};
  cordbg_plant_result results[2];
  _Atomic long *steps = &stage->count[CLIENT_STEPS];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  ++*steps;
  HRESULT hr = cordbg_tracer_start(&tracer, &error);
  if (SUCCEEDED(hr)) {
    stage->tid = cordbg_tracer_tracer_pid(tracer);
    ++*steps;
    hr = cordbg_tracer_attach(tracer, target, &error);
  }
  if (FAILED(hr)) {
    fprintf(stderr, "%s\n", error.sentence);
    _exit(2);
  }
  if (keeps_socket && fork() == 0) { /* inherits all descriptors, and outlives its parent */
    prctl(PR_SET_PDEATHSIG, 0);
    alarm(2);
    pause();
    _exit(0);
  }
  for (;;) {
    ++*steps;
    cordbg_tracer_plant(tracer, CORDBG_LAYER_MANAGED, sites, 2, results, &error);
    for (int i = 0; i < 20; i++) {
      ++*steps;
      if (cordbg_tracer_next_event(tracer, CORDBG_CHANNEL_MANAGED, 60000, &event, &error) != S_OK)
        _exit(3);
      cordbg_tracer_continue(tracer, &error);
    }
    cordbg_tracer_stop(tracer, NULL, &error);
    ++*steps;
    cordbg_tracer_remove(tracer, CORDBG_LAYER_MANAGED, sites, 2, results, &error);
    cordbg_tracer_continue(tracer, &error);
    while (cordbg_tracer_next_event(tracer, CORDBG_CHANNEL_MANAGED, 0, &event, &error) == S_OK)
      cordbg_tracer_continue(tracer, &error);
  }
}

/* Forks a client and kills it at a random moment of what it does. */
static void
kill_a_client(test_session *s, int keeps_socket)
{
  s->stage->count[CLIENT_STEPS] = 0;
  s->stage->tid = 0;
  fflush(NULL);
  int client = fork();
  if (client == 0)
    be_client(s->pid, s->stage, keeps_socket);
  await_long(&s->stage->count[CLIENT_STEPS], rand() % STEPS_OF_INTEREST);
  for (int i = rand() % 100; i > 0; i--)
    sched_yield();
  kill(client, SIGKILL);
  while (waitpid(client, NULL, 0) < 0 && errno == EINTR)
    continue;
}

/* The dead client's tracer; one that had not begun to attach will not. */
static void
await_tracer(const test_session *s)
{
  int end = s->stage->tid != 0 ? (int)syscall(SYS_pidfd_open, s->stage->tid, 0) : -1;
  struct pollfd polled = {.fd = end, .events = POLLIN};
  if (end >= 0) {
    assert_int_equal(poll(&polled, 1, 60000), 1);
    close(end);
  }
}

static uint64_t
now_us(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static int
compare(const void *a, const void *b)
{
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return left < right ? -1 : left > right;
}

static void
row_28_the_client_is_killed_at_any_moment(void **state)
{
  (void)state;
  const char *wanted = getenv("CORDBG_KILLS");
  int kills = wanted != NULL ? atoi(wanted) : 50;
  uint64_t *times = calloc((size_t)kills + 1, sizeof *times);
  test_session s;
  srand(test_seed());
  session_fork(&s, work_body);
  await_int(&s.stage->ready, 3);
  for (int i = 0; i < kills; i++) {
    kill_a_client(&s, i % 5 == 4);
    uint64_t killed = now_us();
    await_tracer(&s);
    if (tracer_of(s.pid) != 0)
      fail_msg("kill %d: still traced by %d, state %c", i, tracer_of(s.pid), state_of(s.pid));
    times[i] = now_us() - killed;
    if (raw_byte(&s, at(kill_add)) == CORDBG_TRAP || raw_byte(&s, at(kill_sse)) == CORDBG_TRAP)
      fail_msg("kill %d: a trap is left", i);
    long before[3] = {s.stage->count[0], s.stage->count[1], s.stage->count[2]};
    for (int thread = 0; thread < 3; thread++)
      await_long(&s.stage->count[thread], before[thread] + 10);
    assert_int_equal(s.stage->result, 0);
  }
  session_attach(&s); /* and once more, properly */
  plant(&s, CORDBG_LAYER_MANAGED, at(kill_add));
  next_hit(&s, at(kill_add));
  session_detach(&s);
  qsort(times, (size_t)kills, sizeof *times, compare);
  printf("%d kills; target free, its tracer ended, after (us): median %llu, 99%% %llu, most %llu\n",
         kills, (unsigned long long)times[kills / 2], (unsigned long long)times[kills * 99 / 100],
         (unsigned long long)times[kills - 1]);
  free(times);
  session_end(&s);
}

static void
row_28_the_tracer_is_asked_to_end(void **state)
{
  (void)state;
  const int signals[] = {SIGTERM, SIGHUP};
  for (int i = 0; i < 2; i++) {
    test_session s;
    session_begin(&s, work_body, 3);
    plant(&s, CORDBG_LAYER_MANAGED, at(kill_add));
    next_hit(&s, at(kill_add));
    if (i == 1)
      go_on(&s);
    kill(cordbg_tracer_tracer_pid(s.tracer), signals[i]);
    assert_true(is_free(s.pid));
    assert_int_not_equal(raw_byte(&s, at(kill_add)), CORDBG_TRAP);
    long before = s.stage->count[0];
    await_long(&s.stage->count[0], before + 10);
    assert_int_equal(s.stage->result, 0);
    session_end(&s);
  }
}

/* ---- The tracer's death ---- */

static void
kill_the_tracer(test_session *s)
{
  int tracer = cordbg_tracer_tracer_pid(s->tracer);
  struct pollfd polled = {.fd = (int)syscall(SYS_pidfd_open, tracer, 0), .events = POLLIN};
  assert_true(polled.fd >= 0);
  kill(tracer, SIGKILL);
  assert_int_equal(poll(&polled, 1, 60000), 1);
  close(polled.fd);
}

static void
check_unharmed(test_session *s)
{
  assert_true(is_free(s->pid));
  assert_int_not_equal(raw_byte(s, at(kill_add)), CORDBG_TRAP);
  assert_int_not_equal(raw_byte(s, at(kill_sse)), CORDBG_TRAP);
  for (int thread = 0; thread < 3; thread++)
    await_long(&s->stage->count[thread], s->stage->count[thread] + 10);
  assert_int_equal(s->stage->result, 0);
}

static void
check_session_over(test_session *s)
{
  cordbg_event event;
  /* Events that were sent before it died come first. */
  HRESULT hr = S_OK;
  while (hr == S_OK)
    hr = cordbg_tracer_next_event(s->tracer, CORDBG_CHANNEL_MANAGED, 60000, &event, &s->error);
  assert_int_equal(hr, CORDBG_E_PROCESS_TERMINATED);
  assert_int_equal(cordbg_tracer_stop(s->tracer, NULL, &s->error), CORDBG_E_PROCESS_TERMINATED);
}

/* Emulated and stepped in place. */
static void
row_29_the_tracer_is_killed_while_threads_stand_at_hits(void **state)
{
  (void)state;
  const uint64_t sites[2] = {at(kill_add), at(kill_sse)};
  srand(test_seed());
  for (int i = 0; i < 30; i++) {
    test_session s;
    session_begin(&s, work_body, 3);
    plant(&s, CORDBG_LAYER_MANAGED, sites[0]);
    plant(&s, CORDBG_LAYER_NATIVE, sites[1]);
    for (int hits = rand() % 20; hits > 0; hits--) {
      next_event(&s);
      go_on(&s);
    }
    next_event(&s);
    kill_the_tracer(&s);
    check_unharmed(&s);
    check_session_over(&s);
    cordbg_tracer_destroy(s.tracer);
    session_attach(&s); /* another one is as good */
    plant(&s, CORDBG_LAYER_MANAGED, sites[0]);
    next_hit(&s, sites[0]);
    session_end(&s);
  }
}

/* Nothing was seen to be wrong with a session whose tracer was stopped and went on. */
static void
a_tracer_that_is_stopped_and_continued_works_on(void **state)
{
  (void)state;
  test_session s;
  session_begin(&s, work_body, 3);
  int tracer = cordbg_tracer_tracer_pid(s.tracer);
  plant(&s, CORDBG_LAYER_MANAGED, at(kill_add));
  for (int i = 0; i < 5; i++) {
    kill(tracer, SIGSTOP);
    while (state_of(tracer) != 'T' && state_of(tracer) != 't')
      sched_yield();
    kill(tracer, SIGCONT);
    next_hit(&s, at(kill_add));
    go_on(&s);
  }
  session_end(&s);
}

/* A program that nobody calls into the traps of, at the moment. */
static void *
wait_then_work(void *data)
{
  the_stage->ready++;
  while (!the_stage->go)
    poll(NULL, 0, 1);
  return work(data);
}

static void
late_body(test_stage *stage)
{
  pthread_t thread;
  the_stage = stage;
  for (long i = 0; i < 3; i++)
    pthread_create(&thread, NULL, wait_then_work, (void *)(intptr_t)i);
  pause();
}

static void
row_29_the_tracer_is_killed_over_traps_that_are_seldom_hit(void **state)
{
  (void)state;
  for (int i = 0; i < 30; i++) {
    test_session s;
    session_begin(&s, late_body, 3);
    plant(&s, CORDBG_LAYER_MANAGED, at(kill_add));
    plant(&s, CORDBG_LAYER_INTERNAL, at(kill_sse));
    if (i % 2 == 0) {
      halt(&s);
      s.stage->go = 1;
    }
    kill_the_tracer(&s);
    s.stage->go = 1;
    check_unharmed(&s);
    check_session_over(&s);
    session_end(&s);
  }
}

/*
 * Under traps that are hit all the time. A thread that ran into one a moment before, which the
 * tracer did not take yet, gets its SIGTRAP; nothing worse happens. CORDBG_KILLS: how often (50).
 */
static void
row_29_the_tracer_is_killed_at_any_moment(void **state)
{
  (void)state;
  const char *wanted = getenv("CORDBG_KILLS");
  int kills = wanted != NULL ? atoi(wanted) : 50, lived = 0;
  srand(test_seed());
  for (int i = 0; i < kills; i++) {
    test_session s;
    int status;
    session_fork(&s, work_body);
    await_int(&s.stage->ready, 3);
    fflush(NULL);
    int client = fork();
    if (client == 0)
      be_client(s.pid, s.stage, 0);
    await_long(&s.stage->count[CLIENT_STEPS], 3 + rand() % STEPS_OF_INTEREST);
    for (int j = rand() % 100; j > 0; j--)
      sched_yield();
    int end = (int)syscall(SYS_pidfd_open, s.stage->tid, 0);
    struct pollfd polled = {.fd = end, .events = POLLIN};
    assert_true(end >= 0);
    kill(s.stage->tid, SIGKILL);
    assert_int_equal(poll(&polled, 1, 60000), 1);
    close(end);
    kill(client, SIGKILL);
    assert_int_equal(waitpid(client, NULL, 0), client);
    /* It dies of the signal as the tracer lets go, or not at all. */
    bool lives = true;
    for (int thread = 0; lives && thread < 3; thread++) {
      long count = s.stage->count[thread];
      while (lives && s.stage->count[thread] < count + 10) {
        lives = waitpid(s.pid, &status, WNOHANG) == 0;
        sched_yield();
      }
    }
    if (lives) {
      check_unharmed(&s);
      lived++;
    } else {
      if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGTRAP)
        fail_msg("kill %d: the target ended with status 0x%x", i, status);
      s.pid = 0;
    }
    session_end(&s);
  }
  printf("%d of %d targets lived\n", lived, kills);
}

static void
row_30_the_target_is_killed_while_its_bytes_go_back(void **state)
{
  (void)state;
  for (int i = 0; i < 20; i++) {
    test_session s;
    int status;
    session_fork(&s, work_body);
    await_int(&s.stage->ready, 3);
    kill_a_client(&s, 0);
    kill(s.pid, SIGKILL);
    await_tracer(&s);
    assert_int_equal(waitpid(s.pid, &status, 0), s.pid);
    assert_int_equal(status, SIGKILL);
    s.pid = 0;
    session_end(&s);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(row_28_the_client_is_killed_at_any_moment),
      cmocka_unit_test(row_28_the_tracer_is_asked_to_end),
      cmocka_unit_test(row_29_the_tracer_is_killed_while_threads_stand_at_hits),
      cmocka_unit_test(row_29_the_tracer_is_killed_over_traps_that_are_seldom_hit),
      cmocka_unit_test(row_29_the_tracer_is_killed_at_any_moment),
      cmocka_unit_test(a_tracer_that_is_stopped_and_continued_works_on),
      cmocka_unit_test(row_30_the_target_is_killed_while_its_bytes_go_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
