/* SPDX-License-Identifier: MIT */
/* Native breakpoints beside managed ones, on each runtime: steps of a thread, calls that go down
 * and up between managed and native code, crowds of threads under signals, exact counts. */
#include "config.h"

#include "interop-support.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static client c;
static program p;

static void
attach(client_hook hook, void *data)
{
  client_open(&c, hook, data);
  assert_ok(client_attach(&c, p.pid, TRUE));
  client_await(&c, "CreateThread", 1);
}

static void
leave_unharmed(void)
{
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

/* The end of a session that many threads hit breakpoints in: no hook may see what is gone. */
static void
stop_and_clear(const CORDB_ADDRESS *addresses, unsigned count)
{
  assert_ok(ICorDebugProcess_Stop(c.process, 0));
  for (unsigned i = 0; i < count; i++)
    interop_clear(&c, addresses[i]);
  ICorDebugProcess_Continue(c.process, FALSE);
}

/* ---- Steps ---- */

enum { STEPS = 20 };

typedef struct stepping {
  CORDB_ADDRESS start;
  DWORD tid;
  uint64_t from;
  unsigned left, steps, hits, others;
  unsigned limit; /* the thread steps until there were as many hits */
} stepping;

/* STEPS steps of one thread from each hit at `start`; other breakpoints are counted. */
static then
step_hook(client *of, const told *what)
{
  stepping *s = of->data;
  if (what->event == NULL || what->event->dwDebugEventCode != EXCEPTION_DEBUG_EVENT)
    return GO_ON;
  const EXCEPTION_RECORD *record = &what->event->u.Exception.ExceptionRecord;
  const DWORD tid = what->event->dwThreadId;
  CONTEXT context = interop_context(what->process, tid);
  if (record->ExceptionCode == EXCEPTION_SINGLE_STEP) {
    hook_true(tid == s->tid);
    hook_true(context.Rip != s->from);
    s->steps++;
  } else {
    hook_true(record->ExceptionCode == EXCEPTION_BREAKPOINT);
    hook_true(context.Rip == (uintptr_t)record->ExceptionAddress);
    if (context.Rip != s->start) {
      s->others++;
      return GO_ON;
    }
    hook_true(s->tid == 0 || s->tid == tid);
    hook_true(s->left == 0);
    s->tid = tid;
    s->left = STEPS;
    s->hits++;
  }
  s->from = context.Rip;
  if (s->left > 0) {
    s->left--;
    context.EFlags |= TRAP_FLAG;
    interop_set_context(what->process, tid, &context);
  }
  return GO_ON;
}

static void
row_34_a_thread_steps_from_a_native_breakpoint(void **state)
{
  (void)state;
  stepping s = {0};
  trouble_start(&p);
  attach(step_hook, &s);
  s.start = interop_break(&c, "libinterop-trouble!trouble_down");
  interop_command(&c, TROUBLE_TRANSIT, 5);
  interop_await_count(&c, TROUBLE_FINISHED, 1);
  interop_clear(&c, s.start);
  client_await_continued(&c);
  assert_int_equal(s.hits, 5);
  assert_int_equal(s.steps, 5 * STEPS);
  leave_unharmed();
}

/* One thread of four steps while the others run into a breakpoint of theirs. */
static then
crowd_step_hook(client *of, const told *what)
{
  stepping *s = of->data;
  if (what->event == NULL || what->event->dwDebugEventCode != EXCEPTION_DEBUG_EVENT)
    return GO_ON;
  const EXCEPTION_RECORD *record = &what->event->u.Exception.ExceptionRecord;
  const DWORD tid = what->event->dwThreadId;
  CONTEXT context = interop_context(what->process, tid);
  if (record->ExceptionCode == EXCEPTION_SINGLE_STEP) {
    hook_true(tid == s->tid);
    hook_true(context.Rip != s->from);
    s->steps++;
  } else {
    s->hits++;
    if (s->tid == 0)
      s->tid = tid;
    s->others += tid != s->tid;
  }
  if (tid == s->tid && s->hits < s->limit) {
    s->from = context.Rip;
    context.EFlags |= TRAP_FLAG;
    interop_set_context(what->process, tid, &context);
  }
  return GO_ON;
}

static void
row_34_other_threads_lose_no_hit_while_one_steps(void **state)
{
  (void)state;
  enum { ROUNDS = 15 };
  stepping s = {.limit = 4 * ROUNDS};
  trouble_start(&p);
  attach(crowd_step_hook, &s);
  CORDB_ADDRESS work = interop_break(&c, "libinterop-trouble!trouble_work");
  interop_command(&c, TROUBLE_CROWD, ROUNDS);
  interop_await_count(&c, TROUBLE_FINISHED, 1);
  client_await_continued(&c);
  assert_int_equal(interop_count(&c, TROUBLE_WORK), 4 * ROUNDS);
  assert_int_equal(s.hits, 4 * ROUNDS);
  assert_int_equal(s.others, 3 * ROUNDS);
  assert_true(s.steps >= ROUNDS);
  interop_clear(&c, work);
  leave_unharmed();
}

/* ---- Down and up ---- */

typedef struct ladder {
  breaking managed[2];
  CORDB_ADDRESS down, bottom;
  pthread_mutex_t lock;
  GString *steps;
  DWORD tid;
} ladder;

static void
note(ladder *l, char step)
{
  pthread_mutex_lock(&l->lock);
  g_string_append_c(l->steps, step);
  pthread_mutex_unlock(&l->lock);
}

static then
ladder_hook(client *of, const told *what)
{
  ladder *l = of->data;
  if (strcmp(what->name, "LoadModule") == 0) {
    breaking_set(&l->managed[0], what->module);
    breaking_set(&l->managed[1], what->module);
  } else if (strcmp(what->name, "Breakpoint") == 0) {
    bool first = what->breakpoint == (ICorDebugBreakpoint *)l->managed[0].breakpoints[0];
    note(l, first ? 'T' : 'U');
  } else if (what->event != NULL && what->event->dwDebugEventCode == EXCEPTION_DEBUG_EVENT) {
    CONTEXT context = interop_context(what->process, what->event->dwThreadId);
    hook_true(context.Rip == l->down || context.Rip == l->bottom);
    note(l, context.Rip == l->down ? 'd' : 'b');
  }
  return GO_ON;
}

/* Transit (managed) calls trouble_down (native), that Back (managed), that trouble_bottom. */
static void
calls_down_and_up_are_told_in_their_order(void **state)
{
  (void)state;
  enum { ROUNDS = 60 };
  ladder l = {.managed = {{.type = "Debuggees.Trouble", .method = "Transit"},
                          {.type = "Debuggees.Trouble", .method = "Back"}},
              .lock = PTHREAD_MUTEX_INITIALIZER,
              .steps = g_string_new(NULL)};
  trouble_start(&p);
  attach(ladder_hook, &l);
  assert_int_equal(l.managed[0].set, 1);
  assert_int_equal(l.managed[1].set, 1);
  assert_ok(ICorDebugProcess_Stop(c.process, 0));
  for (unsigned i = 0; i < 2; i++)
    assert_ok(ICorDebugFunctionBreakpoint_Activate(l.managed[i].breakpoints[0], TRUE));
  assert_ok(ICorDebugProcess_Continue(c.process, FALSE));
  l.down = interop_break(&c, "libinterop-trouble!trouble_down");
  l.bottom = interop_break(&c, "libinterop-trouble!trouble_bottom");
  interop_command(&c, TROUBLE_TRANSIT, ROUNDS);
  interop_await_count(&c, TROUBLE_FINISHED, 1);
  client_await_continued(&c);
  assert_int_equal(l.steps->len, 4 * ROUNDS);
  for (unsigned i = 0; i < ROUNDS; i++)
    assert_memory_equal(l.steps->str + (size_t)i * 4, "TdUb", 4);
  stop_and_clear((CORDB_ADDRESS[]){l.down, l.bottom}, 2);
  breaking_drop(&l.managed[0]);
  breaking_drop(&l.managed[1]);
  leave_unharmed();
  g_string_free(l.steps, TRUE);
}

/* ---- A crowd under signals ---- */

typedef struct storm {
  breaking managed;
  CORDB_ADDRESS work;
  unsigned native, told;
} storm;

static then
storm_hook(client *of, const told *what)
{
  storm *s = of->data;
  if (strcmp(what->name, "LoadModule") == 0)
    breaking_set(&s->managed, what->module);
  else if (strcmp(what->name, "Breakpoint") == 0)
    s->managed.hits++;
  else if (what->event != NULL && what->event->dwDebugEventCode == EXCEPTION_DEBUG_EVENT) {
    const EXCEPTION_RECORD *record = &what->event->u.Exception.ExceptionRecord;
    if (record->ExceptionCode == EXCEPTION_BREAKPOINT)
      s->native += (uintptr_t)record->ExceptionAddress == s->work;
    else
      s->told++;
  }
  return GO_ON;
}

/* Four threads run into a managed and a native breakpoint in turn, while signals come that pass (a
 * real-time one, which the kernel queues) and signals that are told (SIGINT, sent when the one
 * before was handled). */
static void
storms_under_both_kinds_of_breakpoints_are_counted_exactly(void **state)
{
  (void)state;
  enum { ROUNDS = 80, PASSING = 200, TOLD = 20 };
  const int passing = SIGRTMIN + 8;
  storm s = {.managed = {.type = "Debuggees.Trouble", .method = "Work"}};
  trouble_start(&p);
  attach(storm_hook, &s);
  s.work = interop_break(&c, "libinterop-trouble!trouble_work");
  interop_command(&c, TROUBLE_COUNT_SIGNAL, passing);
  interop_await_count(&c, TROUBLE_FINISHED, 1);
  interop_command(&c, TROUBLE_COUNT_SIGNAL, SIGINT);
  interop_await_count(&c, TROUBLE_FINISHED, 2);
  interop_command(&c, TROUBLE_CROWD, ROUNDS);
  for (int i = 0; i < PASSING; i++)
    assert_int_equal(sigqueue(p.pid, passing, (union sigval){.sival_int = i}), 0);
  interop_await_count(&c, TROUBLE_SIGNALS, PASSING);
  for (int i = 1; i <= TOLD; i++) {
    assert_int_equal(kill(p.pid, SIGINT), 0);
    interop_await_count(&c, TROUBLE_SIGNALS, PASSING + i);
  }
  interop_await_count(&c, TROUBLE_FINISHED, 3);
  client_await_continued(&c);
  assert_int_equal(interop_count(&c, TROUBLE_WORK), 4 * ROUNDS);
  assert_int_equal(s.native, 4 * ROUNDS);
  assert_int_equal(s.managed.hits, 4 * ROUNDS);
  assert_int_equal(s.told, TOLD);
  stop_and_clear(&s.work, 1);
  breaking_drop(&s.managed);
  leave_unharmed();
}

/* ---- In-band and out-of-band ---- */

typedef struct bands {
  unsigned in, out;
} bands;

static then
bands_hook(client *of, const told *what)
{
  bands *b = of->data;
  ICorDebugThreadEnum *threads = NULL;
  BYTE byte = 0;
  SIZE_T read = 0;
  if (what->event == NULL || what->event->dwDebugEventCode != EXCEPTION_DEBUG_EVENT)
    return GO_ON;
  CONTEXT context = interop_context(what->process, what->event->dwThreadId);
  hook_ok(ICorDebugProcess_ReadMemory(what->process, context.Rip, 1, &byte, &read));
  hook_true(byte == 0xcc);
  HRESULT hr = ICorDebugProcess_EnumerateThreads(what->process, &threads);
  if (what->out_of_band) {
    b->out++;
    hook_true(hr == CORDBG_E_PROCESS_NOT_SYNCHRONIZED);
  } else {
    b->in++;
    hook_ok(hr);
    ICorDebugThreadEnum_Release(threads);
  }
  hook_true(ICorDebugProcess_Continue(what->process, !what->out_of_band) ==
            CORDBG_E_SUPERFLOUS_CONTINUE);
  return GO_ON;
}

/* .NET lets native code run while it collects; Mono suspends the thread, wherever it is. */
static void
hits_during_a_collection_are_out_of_band(void **state)
{
  (void)state;
  enum { ROUNDS = 120 };
  bands b = {0};
  trouble_start(&p);
  attach(bands_hook, &b);
  CORDB_ADDRESS work = interop_break(&c, "libinterop-trouble!trouble_work");
  interop_command(&c, TROUBLE_COLLECT, ROUNDS);
  interop_await_count(&c, TROUBLE_FINISHED, 1);
  client_await_continued(&c);
  assert_int_equal(interop_count(&c, TROUBLE_WORK), ROUNDS);
  assert_int_equal(b.in + b.out, ROUNDS);
  if (on_mono())
    assert_int_equal(b.out, 0);
  else
    assert_in_range(b.out, 1, ROUNDS);
  printf("%u in-band, %u out-of-band\n", b.in, b.out);
  interop_clear(&c, work);
  leave_unharmed();
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CASE_ON_BOTH(row_34_a_thread_steps_from_a_native_breakpoint),
      CASE_ON_BOTH(row_34_other_threads_lose_no_hit_while_one_steps),
      CASE_ON_BOTH(calls_down_and_up_are_told_in_their_order),
      CASE_ON_BOTH(hits_during_a_collection_are_out_of_band),
      CASE_ON_BOTH(storms_under_both_kinds_of_breakpoints_are_counted_exactly),
  };
  return CLIENT_RUN(tests);
}
