/* SPDX-License-Identifier: MIT */
/*
 * The program's own int3 as a word to its debugger (protocol.h, OWN_TRAPS): how .NET's
 * Debugger.Break comes.
 */
#include "config.h"

#include "tests/live/tracer-support.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

__asm__(".text\n"
        ".globl spoken, spoken_end, silent\n"
        "spoken: int3\n ret\n"
        "spoken_end: nop\n"
        "silent: int3\n ret\n");
extern void spoken(void), spoken_end(void), silent(void);

enum { SPEAKERS = 4, WORDS = 50 };

static void
count_trap(int number, siginfo_t *info, void *context)
{
  (void)number;
  (void)info;
  (void)context;
  handler_stage->count[2]++;
}

/* Speaks when go was raised; count[0]: came back so often. */
static void
speak(test_stage *stage)
{
  handle_by(stage, SIGTRAP, count_trap);
  stage->ready = 1;
  for (int heard = 0; !stage->stop;) {
    if (stage->go == heard) {
      sched_yield();
      continue;
    }
    heard++;
    spoken();
    stage->count[0]++;
  }
  silent();
  stage->ready = 2;
  pause();
}

static void
hear(test_session *session, bool on)
{
  must(session, cordbg_tracer_own_traps(session->tracer, at(spoken),
                                        on ? at(spoken_end) : at(spoken), &session->error));
}

static void
an_int3_in_the_range_is_an_event_and_no_signal(void **state)
{
  test_session s;
  (void)state;
  session_begin(&s, speak, 1);
  hear(&s, true);
  for (long i = 1; i <= 5; i++) {
    s.stage->go = (int)i;
    cordbg_event event = next_event(&s);
    assert_int_equal(event.kind, CORDBG_EVENT_TRAP);
    assert_int_equal(event.flags & CORDBG_EVENT_STOPS, CORDBG_EVENT_STOPS);
    assert_int_equal(event.layers, CORDBG_LAYER_INTERNAL);
    assert_int_equal(event.address, at(spoken));
    assert_int_equal(event.registers.rip, at(spoken) + 1);
    assert_int_equal(s.stage->count[0], i - 1);
    go_on(&s);
    await_long(&s.stage->count[0], i);
  }
  assert_int_equal(s.stage->count[2], 0);
  s.stage->stop = 1; /* the one outside of the range is the program's own affair */
  await_int(&s.stage->ready, 2);
  assert_int_equal(s.stage->count[2], 1);
  session_end(&s);
}

static void
where_nobody_listens_the_signal_is_the_programs(void **state)
{
  test_session s;
  (void)state;
  session_begin(&s, speak, 1);
  hear(&s, true);
  hear(&s, false);
  s.stage->go = 1;
  await_long(&s.stage->count[0], 1);
  assert_int_equal(s.stage->count[2], 1);
  assert_int_equal(cordbg_tracer_own_traps(s.tracer, 2, 1, &s.error), E_INVALIDARG);
  session_end(&s);
}

static void
a_trap_planted_on_it_is_told_first(void **state)
{
  test_session s;
  (void)state;
  session_begin(&s, speak, 1);
  hear(&s, true);
  assert_int_equal(plant(&s, CORDBG_LAYER_MANAGED, at(spoken)), CORDBG_TRAP);
  s.stage->go = 1;
  cordbg_event event = next_hit(&s, at(spoken));
  assert_int_equal(event.layers, CORDBG_LAYER_MANAGED);
  assert_int_equal(event.registers.rip, at(spoken));
  go_on(&s);
  await_long(&s.stage->count[0], 1);
  assert_int_equal(s.stage->count[2], 1); /* a layered int3 is the program's, as anywhere */
  session_end(&s);
}

/* The client goes away while the event is outstanding: the program goes on without a signal. */
static void
a_client_that_goes_leaves_no_signal_behind(void **state)
{
  test_session s;
  (void)state;
  session_begin(&s, speak, 1);
  hear(&s, true);
  s.stage->go = 1;
  next_event(&s);
  session_detach(&s);
  await_long(&s.stage->count[0], 1);
  assert_int_equal(s.stage->count[2], 0);
  session_end(&s);
}

static void *
speak_often(void *data)
{
  test_stage *stage = data;
  stage->ready++;
  while (stage->go == 0)
    sched_yield();
  for (int i = 0; i < WORDS; i++) {
    spoken();
    stage->count[0]++;
  }
  return NULL;
}

static void
speak_together(test_stage *stage)
{
  pthread_t threads[SPEAKERS];
  handle_by(stage, SIGTRAP, count_trap);
  for (int i = 0; i < SPEAKERS; i++)
    pthread_create(&threads[i], NULL, speak_often, stage);
  for (int i = 0; i < SPEAKERS; i++)
    pthread_join(threads[i], NULL);
  stage->count[1] = 1;
  pause();
}

static void
of_many_threads_each_is_told_once(void **state)
{
  test_session s;
  (void)state;
  session_begin(&s, speak_together, SPEAKERS);
  hear(&s, true);
  s.stage->go = 1;
  for (int i = 0; i < SPEAKERS * WORDS; i++) {
    cordbg_event event = next_event(&s);
    assert_int_equal(event.address, at(spoken));
    go_on(&s);
  }
  await_long(&s.stage->count[1], 1);
  assert_int_equal(s.stage->count[0], SPEAKERS * WORDS);
  assert_int_equal(s.stage->count[2], 0);
  session_end(&s);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_int3_in_the_range_is_an_event_and_no_signal),
      cmocka_unit_test(where_nobody_listens_the_signal_is_the_programs),
      cmocka_unit_test(a_trap_planted_on_it_is_told_first),
      cmocka_unit_test(a_client_that_goes_leaves_no_signal_behind),
      cmocka_unit_test(of_many_threads_each_is_told_once),
  };
  return cmocka_run_group_tests_name("own traps", tests, NULL, NULL);
}
