/* SPDX-License-Identifier: MIT */
/*
 * Frames of a runtime's code at random stops, against a stack that the program keeps by itself.
 * Built once for each runtime: UNWIND_ON_NET.
 */
#include "config.h"

#include "tests/live/mono-support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cordbg/tracer/client.h"

#ifdef UNWIND_ON_NET
#include "runtime-shim/coreclr/coreclr.h"
static const cordbg_runtime_ops *const ops = &cordbg_coreclr_ops;
#else
static const cordbg_runtime_ops *const ops = &cordbg_mono_ops;
#endif

#ifdef UNWIND_ON_NET
enum { WALKS = 500 }; /* of each build */
#else
enum { WALKS = 1000 };
#endif
enum { THREADS = 2, FRAMES_MAX = 512, SHADOW_MAX = 255, NATIVE = 10 };

static const char *const method_names[] = {NULL,      "Step",    "Choose",   "Wide",
                                           "Guarded", "Generic", "Floating", "Big",
                                           "Sum",     "Run",     "Native"};

typedef struct thread_truth {
  int tid;
  uint64_t shadow;
  bool has_base;
  struct user_regs_struct base; /* of the native frame that called the thread's first method */
} thread_truth;

typedef struct walk {
  unsigned count; /* of methods that the program counts too */
  unsigned methods[FRAMES_MAX];
  unsigned frames, stubs;
  struct user_regs_struct base;
} walk;

static unsigned
number_of(session *s, const cordbg_rt_code *code)
{
  g_autofree char *type = NULL, *method = NULL;
  unsigned ret = 0;

  assert_ok(ops->method_name(s->runtime, code->module, code->token, &type, &method, &test_error));
  if (type && (strcmp(type, "Debuggees.ShadowStack") == 0 || strcmp(type, "Debuggees.Boxed") == 0))
    for (unsigned i = 1; i < G_N_ELEMENTS(method_names); i++)
      if (strcmp(method, method_names[i]) == 0)
        ret = i;
  return ret;
}

/* From managed code to the native frame behind it. False: the thread stands in native code. */
static bool
walk_from(session *s, const thread_truth *t, struct user_regs_struct now, bool innermost, walk *ret)
{
  *ret = (walk){0};
  for (;; innermost = false) {
    cordbg_rt_frame frame;
    HRESULT hr = ops->unwind(s->runtime, t->tid, &now, innermost, &frame, &test_error);
    if (hr == S_FALSE)
      break;
    if (hr != S_OK)
      fail_msg("frame %u at 0x%llx: 0x%08x %s", ret->frames, now.rip, (unsigned)hr,
               test_error.sentence);
    assert_true(++ret->frames < FRAMES_MAX);
    assert_true(frame.caller.rsp > now.rsp || (innermost && frame.caller.rsp == now.rsp));
    if (frame.kind == CORDBG_RT_FRAME_STUB) {
      ret->stubs++;
    } else {
      assert_int_equal(frame.native_offset, now.rip - frame.code.start);
      unsigned number = number_of(s, &frame.code);
      if (number)
        ret->methods[ret->count++] = number;
    }
    now = frame.caller;
  }
  ret->base = now;
  return ret->frames > 0;
}

/* The thread stands in a function that Native called: the runtime has its frame on record. */
static bool
walk_from_native(session *s, const thread_truth *t, const struct user_regs_struct *now, walk *ret)
{
  struct user_regs_struct managed;
  int64_t shadow[SHADOW_MAX + 1];

  assert_ok(cordbg_target_read_exact(s->target, CORDBG_VIEW_CLIENT, t->shadow, shadow,
                                     sizeof(shadow), &test_error));
  assert_in_range(shadow[0], 1, SHADOW_MAX);
  if (shadow[shadow[0]] != NATIVE)
    return false;
  assert_ok(ops->next_managed(s->runtime, t->tid, now, &managed, &test_error));
  assert_true(managed.rsp > now->rsp);
  assert_true(walk_from(s, t, managed, false, ret));
  assert_int_equal(ret->count, shadow[0]);
  return true;
}

/*
 * The program's own stack: outermost first. It is right between Enter and Leave of each method;
 * the innermost method of the walk may stand before the one or behind the other.
 */
static void
compare(session *s, const thread_truth *t, const walk *w, unsigned index)
{
  int64_t shadow[SHADOW_MAX + 1];

  assert_ok(cordbg_target_read_exact(s->target, CORDBG_VIEW_CLIENT, t->shadow, shadow,
                                     sizeof(shadow), &test_error));
  assert_in_range(shadow[0], 1, SHADOW_MAX);
  unsigned depth = (unsigned)shadow[0];
  if (w->count != depth && w->count != depth + 1)
    fail_msg("walk %u of thread %d: %u methods, the program counts %u", index, t->tid, w->count,
             depth);
  const unsigned *methods = w->methods + (w->count - depth);
  for (unsigned i = 0; i < depth; i++)
    if (methods[i] != (unsigned)shadow[depth - i])
      fail_msg("walk %u of thread %d, frame %u: %s, the program says %s", index, t->tid, i,
               method_names[methods[i]],
               method_names[shadow[depth - i] % G_N_ELEMENTS(method_names)]);
}

/* What the thread's first method was called with has to come back, all callee-saved registers. */
static void
compare_base(thread_truth *t, const walk *w)
{
  if (!t->has_base)
    t->base = w->base;
  t->has_base = true;
  assert_int_equal(w->base.rip, t->base.rip);
  assert_int_equal(w->base.rsp, t->base.rsp);
  assert_int_equal(w->base.rbx, t->base.rbx);
  assert_int_equal(w->base.rbp, t->base.rbp);
  assert_int_equal(w->base.r12, t->base.r12);
  assert_int_equal(w->base.r13, t->base.r13);
  assert_int_equal(w->base.r14, t->base.r14);
  assert_int_equal(w->base.r15, t->base.r15);
}

/* A transition in the middle: the rest is behind native frames. */
static bool
is_cut(session *s, const thread_truth *t, const walk *w)
{
  int64_t depth = 0;

  if (t->has_base)
    return w->base.rsp < t->base.rsp;
  assert_ok(cordbg_target_read_exact(s->target, CORDBG_VIEW_CLIENT, t->shadow, &depth, sizeof depth,
                                     &test_error));
  return w->count < depth;
}

static void
agree(const char *const argv[])
{
  debuggee d;
  session s;
  thread_truth threads[THREADS] = {{0}};
  unsigned walks = 0, native = 0, cut = 0, transitions = 0, stubs = 0, frames = 0;

  session_ops = ops;
  debuggee_start(&d, argv, NULL);
  for (unsigned i = 0; i < THREADS; i++) {
    unsigned long long address;
    debuggee_expect(&d, "shadow ");
    assert_int_equal(sscanf(d.line, "shadow %d %llu", &threads[i].tid, &address), 2);
    threads[i].shadow = address;
  }
  session_attach(&s, d.pid);
  for (unsigned stop = 0; walks - transitions < WALKS || transitions < 20; stop++) {
    if (stop == 4 * WALKS)
      fail_msg("%u walks only; %u stops in native code", walks, native);
    session_run_for(&s, 1);
    for (unsigned i = 0; i < THREADS; i++) {
      walk w;
      cordbg_registers now;
      assert_ok(cordbg_tracer_get_registers(s.tracer, threads[i].tid, &now, &test_error));
      if (!walk_from(&s, &threads[i], now.general, true, &w)) {
        if (!walk_from_native(&s, &threads[i], &now.general, &w)) {
          native++;
          continue;
        }
        transitions++;
      }
      if (is_cut(&s, &threads[i], &w)) {
        cut++;
        continue;
      }
      compare(&s, &threads[i], &w, walks);
      compare_base(&threads[i], &w);
      walks++;
      frames += w.frames;
      stubs += w.stubs;
    }
  }
  printf("%u walks (%u from a transition), %u frames, %u of stubs; %u other stops in native code, "
         "%u above some\n",
         walks, transitions, frames, stubs, native, cut);
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

#ifdef UNWIND_ON_NET

static void
agree_with(const char *build, const char *argument)
{
  g_autofree char *path =
      g_strdup_printf("%s/tests/live/%s/ShadowStack.dll", TEST_BUILD_FOLDER, build);
  const char *const argv[] = {"dotnet", path, argument, NULL};

  agree(argv);
}

static void
frames_of_a_debug_build_agree_with_the_stack_that_the_program_keeps(void **state)
{
  (void)state;
  agree_with("net", NULL);
}

static void
frames_of_a_release_build_agree_with_the_stack_that_the_program_keeps(void **state)
{
  (void)state;
  agree_with("net/release", NULL);
}

/* A collection suspends threads by hijacking their return addresses. */
static void
frames_of_a_program_that_collects_all_the_time_agree_too(void **state)
{
  (void)state;
  agree_with("net/release", "collect");
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(frames_of_a_program_that_collects_all_the_time_agree_too),
      cmocka_unit_test(frames_of_a_debug_build_agree_with_the_stack_that_the_program_keeps),
      cmocka_unit_test(frames_of_a_release_build_agree_with_the_stack_that_the_program_keeps),
  };
  g_autofree char *dotnet = g_find_program_in_path("dotnet");

  if (!dotnet) {
    puts("SKIP: dotnet is not installed");
    return 77;
  }
  return cmocka_run_group_tests_name("coreclr-unwind", tests, NULL, NULL);
}

#else

static void
frames_at_random_stops_agree_with_the_stack_that_the_program_keeps(void **state)
{
  g_autofree char *path = g_strdup_printf("%s/tests/live/ShadowStack.exe", TEST_BUILD_FOLDER);
  const char *const argv[] = {"mono", path, NULL};

  (void)state;
  agree(argv);
}

static void
the_version_is_the_one_that_the_runtime_prints(void **state)
{
  debuggee d;
  session s;
  g_autofree char *text = NULL;

  (void)state;
  assert_true(g_spawn_command_line_sync("mono --version", &text, NULL, NULL, NULL));
  debuggee_start_mono(&d, "Counter", NULL);
  session_attach(&s, d.pid);
  g_autofree char *expected = g_strdup_printf(" version %s ", s.runtime->place.info.version);
  assert_non_null(strstr(text, expected));
  session_detach(&s);
  debuggee_end(&d);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(frames_at_random_stops_agree_with_the_stack_that_the_program_keeps),
      cmocka_unit_test(the_version_is_the_one_that_the_runtime_prints),
  };

  skip_without_mono();
  return cmocka_run_group_tests_name("mono-unwind", tests, NULL, NULL);
}

#endif
