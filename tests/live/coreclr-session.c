/* SPDX-License-Identifier: MIT */
/* The CoreCLR shim on real .NET processes, at the level of runtime.h: attached to and launched. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime-shim/await.h"
#include "runtime-shim/coreclr/coreclr.h"

#define PATIENCE_MS 20000

static const cordbg_runtime_ops *const ops = &cordbg_coreclr_ops;
static cordbg_error why;

#define assert_ok(expression)                                                                      \
  do {                                                                                             \
    HRESULT assert_ok_hr = (expression);                                                           \
    if (assert_ok_hr != S_OK)                                                                      \
      fail_msg("%s: 0x%08x %s", #expression, (unsigned)assert_ok_hr, why.sentence);                \
  } while (0)

typedef struct session {
  int pid;
  cordbg_tracer *tracer;
  cordbg_target *target;
  cordbg_runtime *runtime;
  cordbg_event event;
  cordbg_rt_code compiled; /* by the last CODE_COMPILED; id 0: none */
} session;

static const char *
counter(void)
{
  static char path[4096];
  const char *folder = getenv("CORDBG_DEBUGGEES");

  snprintf(path, sizeof(path), "%s/net/Counter.dll", folder ? folder : "samples/debuggees");
  return path;
}

/* Starts it and waits for its first line. */
static int
start_counter(const char *seconds)
{
  int out[2];
  char c = 0;

  assert_int_equal(pipe(out), 0);
  fflush(NULL);
  int pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives a failed test */
    dup2(out[1], 1);
    execlp("dotnet", "dotnet", counter(), seconds, NULL);
    _exit(127);
  }
  close(out[1]);
  while (c != '\n')
    assert_int_equal(read(out[0], &c, 1), 1);
  close(out[0]);
  return pid;
}

static void
take(session *s, const cordbg_event *event)
{
  cordbg_rt_event *events = NULL;
  size_t count = 0;

  assert_ok(ops->handle_event(s->runtime, event, &events, &count, &why));
  for (size_t i = 0; i < count; i++)
    if (events[i].kind == CORDBG_RT_EVENT_CODE_COMPILED)
      s->compiled = events[i].code;
  g_free(events);
}

/* Until the next hit of a managed trap, or the code of a wanted method was made. */
static void
run(session *s)
{
  bool stopped = true;

  s->compiled.id = 0;
  for (;;) {
    if (stopped)
      assert_ok(cordbg_tracer_continue(s->tracer, &why));
    assert_ok(
        cordbg_tracer_next_event(s->tracer, CORDBG_CHANNEL_MANAGED, PATIENCE_MS, &s->event, &why));
    stopped = s->event.flags & CORDBG_EVENT_STOPS;
    assert_int_not_equal(s->event.kind, CORDBG_EVENT_EXITED);
    if (s->event.kind != CORDBG_EVENT_TRAP)
      continue;
    if (s->event.layers & CORDBG_LAYER_INTERNAL)
      take(s, &s->event);
    if ((s->event.layers & CORDBG_LAYER_MANAGED) || s->compiled.id)
      return;
  }
}

static void
plant(session *s, uint64_t address, bool on)
{
  cordbg_plant_result result;

  assert_ok((on ? cordbg_tracer_plant : cordbg_tracer_remove)(s->tracer, CORDBG_LAYER_MANAGED,
                                                              &address, 1, &result, &why));
  assert_int_equal(result.status, 0);
}

static cordbg_rt_id
find_module(session *s, const char *end)
{
  cordbg_rt_id *domains = NULL, *assemblies = NULL, *modules = NULL, found = 0;
  size_t count = 0, many = 0;

  assert_ok(ops->domains(s->runtime, &domains, &count, &why));
  assert_int_equal(count, 1);
  assert_ok(ops->assemblies(s->runtime, domains[0], &assemblies, &many, &why));
  for (size_t i = 0; i < many; i++) {
    cordbg_rt_module module;
    assert_ok(ops->modules(s->runtime, assemblies[i], &modules, &count, &why));
    assert_int_equal(count, 1);
    assert_ok(ops->module(s->runtime, modules[0], &module, &why));
    if (g_str_has_suffix(module.name, end))
      found = module.id;
    g_free(modules);
  }
  g_free(assemblies);
  g_free(domains);
  return found;
}

static uint32_t
find_tick(session *s, cordbg_rt_id module)
{
  uint32_t *tokens = NULL;
  size_t count = 0;

  assert_ok(
      ops->find_methods(s->runtime, module, "Debuggees.Counter", "Tick", &tokens, &count, &why));
  assert_int_equal(count, 1);
  uint32_t token = tokens[0];
  g_free(tokens);
  return token;
}

static void
leave(session *s)
{
  ops->destroy(s->runtime, 1);
  assert_ok(cordbg_tracer_detach(s->tracer, &why));
  cordbg_target_retire(s->target);
  cordbg_target_unref(s->target);
}

static void
expect_end(int pid)
{
  int status;

  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 7);
}

static void
a_running_program_is_attached_to_hit_and_left(void **state)
{
  session s = {.pid = start_counter("3")};
  cordbg_rt_code *codes = NULL, at;
  cordbg_rt_map *map = NULL;
  cordbg_rt_id *threads = NULL;
  size_t count = 0;

  (void)state;
  assert_ok(cordbg_tracer_start(&s.tracer, &why));
  assert_ok(cordbg_tracer_attach(s.tracer, s.pid, &why));
  assert_ok(cordbg_target_create(s.tracer, &s.target, &why));
  assert_ok(ops->prepare(s.target, 0, PATIENCE_MS, NULL, NULL, &s.runtime, &why));
  assert_true(find_module(&s, "/System.Private.CoreLib.dll") != 0);
  cordbg_rt_id module = find_module(&s, "/Counter.dll");
  uint32_t token = find_tick(&s, module);
  assert_ok(ops->threads(s.runtime, &threads, &count, &why));
  assert_true(count >= 2); /* main, finalizer */
  g_free(threads);
  assert_ok(ops->codes(s.runtime, module, token, &codes, &count, &why));
  assert_true(count >= 1);
  assert_ok(ops->code_at(s.runtime, codes[0].start + 1, &at, &why));
  assert_int_equal(at.id, codes[0].id);
  assert_ok(ops->il_map(s.runtime, codes[0].id, &map, &count, &why));
  assert_true(count >= 2);
  assert_true(map[count - 1].native_end <= codes[0].size);
  g_free(map);
  plant(&s, codes[0].start, true);
  run(&s);
  assert_int_equal(s.event.address, codes[0].start);
  uint64_t value = s.event.registers.rdi;
  run(&s);
  assert_int_equal(s.event.registers.rdi, value + 1);
  plant(&s, codes[0].start, false);
  g_free(codes);
  leave(&s);
  expect_end(s.pid);
}

static void
a_launched_program_stops_before_user_code_and_at_its_first_call(void **state)
{
  session s = {0};
  g_autofree char *dotnet = g_find_program_in_path("dotnet");
  char *argv[] = {dotnet, (char *)(uintptr_t)counter(), "1", NULL};
  cordbg_launch launch = {.path = dotnet, .argv = argv, .envp = environ, .stdio = {0, 1, 2}};
  cordbg_rt_want_status status;
  cordbg_rt_id *threads = NULL;
  size_t count = 0;

  (void)state;
  assert_ok(cordbg_tracer_start(&s.tracer, &why));
  assert_ok(cordbg_tracer_launch(s.tracer, &launch, &s.pid, &why));
  assert_ok(cordbg_target_create(s.tracer, &s.target, &why));
  const cordbg_runtime_ops *shim = NULL;
  assert_ok(cordbg_runtime_await(s.target, PATIENCE_MS, NULL, NULL, &shim, &why));
  assert_ptr_equal(shim, ops);
  assert_ok(ops->prepare(s.target, 1, PATIENCE_MS, NULL, NULL, &s.runtime, &why));
  assert_int_equal(find_module(&s, "/Counter.dll"), 0); /* not loaded: no user code has run */
  assert_ok(ops->threads(s.runtime, &threads, &count, &why));
  g_free(threads);
  cordbg_rt_id module = 0;
  while (!module) { /* the notification of its load comes at an internal trap */
    assert_ok(cordbg_tracer_continue(s.tracer, &why));
    assert_ok(
        cordbg_tracer_next_event(s.tracer, CORDBG_CHANNEL_MANAGED, PATIENCE_MS, &s.event, &why));
    assert_int_equal(s.event.kind, CORDBG_EVENT_TRAP);
    take(&s, &s.event);
    module = find_module(&s, "/Counter.dll");
  }
  uint32_t token = find_tick(&s, module);
  assert_ok(ops->want_method(s.runtime, module, token, true, &status, &why));
  assert_int_equal(status, CORDBG_RT_WANT_OK);
  run(&s);
  assert_true(s.compiled.id != 0);
  assert_int_equal(s.compiled.token, token);
  uint64_t start = s.compiled.start;
  plant(&s, start, true);
  for (uint64_t i = 0; i < 3; i++) {
    run(&s);
    assert_int_equal(s.event.address, start);
    assert_int_equal(s.event.registers.rdi, i);
  }
  plant(&s, start, false);
  leave(&s);
  expect_end(s.pid);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_running_program_is_attached_to_hit_and_left),
      cmocka_unit_test(a_launched_program_stops_before_user_code_and_at_its_first_call),
  };
  g_autofree char *dotnet = g_find_program_in_path("dotnet");

  if (!dotnet || access(counter(), R_OK) != 0) {
    printf("SKIP: dotnet is not installed\n");
    return 77;
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}
