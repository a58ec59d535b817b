/* SPDX-License-Identifier: MIT */
/*
 * Bodies of code and IL maps as runtime-shim/coreclr/bodies.c reads them, beside what the DAC says
 * of the same: the DAC's map, asked for each byte of code, is the naive model.
 */
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

#include "runtime-shim/coreclr/coreclr-private.h"
#include "runtime-shim/coreclr/coreclr.h"

enum {
  PATIENCE_MS = 60000,
  METHODS_MAX = 65536, /* of a module */
  STRIDE = 4,          /* of the core library's methods one in so many is looked at */
  BODIES_LEAST = 100,
  TIERS = 9,
  SHAPES = 2,
};

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
  GArray *told; /* cordbg_rt_code of each CODE_COMPILED */
  unsigned bodies, tiers[TIERS], shapes[SHAPES];
} session;

static char *
program(bool release)
{
  const char *folder = getenv("CORDBG_DEBUGGEES");
  return g_strdup_printf("%s/../../tests/live/net/%sHotLoop.dll",
                         folder ? folder : "samples/debuggees", release ? "release/" : "");
}

/* A loop that goes from tier 0 through OSR and instrumented code to tier 1; nothing that the core
 * library has compiled already is used. */
static int
start(const char *path, const char *until)
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
    setenv("DOTNET_ReadyToRun", "0", 1);
    execlp("dotnet", "dotnet", path, "loop", "1", "200000", until, NULL);
    _exit(127);
  }
  close(out[1]);
  while (c != '\n')
    assert_int_equal(read(out[0], &c, 1), 1);
  close(out[0]);
  return pid;
}

static void
attach(session *s, const char *path, const char *until)
{
  s->told = g_array_new(FALSE, FALSE, sizeof(cordbg_rt_code));
  s->pid = start(path, until);
  assert_ok(cordbg_tracer_start(&s->tracer, &why));
  assert_ok(cordbg_tracer_attach(s->tracer, s->pid, &why));
  assert_ok(cordbg_target_create(s->tracer, &s->target, &why));
  assert_ok(ops->prepare(s->target, 0, PATIENCE_MS, NULL, NULL, &s->runtime, &why));
}

static void
leave(session *s)
{
  ops->destroy(s->runtime, 1);
  assert_ok(cordbg_tracer_detach(s->tracer, &why));
  cordbg_target_retire(s->target);
  cordbg_target_unref(s->target);
  kill(s->pid, SIGKILL);
  waitpid(s->pid, NULL, 0);
  g_array_unref(s->told);
}

/* ---- The comparison ---- */

static void
compare_body(session *s, const cordbg_dac_code *asked)
{
  cordbg_coreclr_body body = {0};
  cordbg_rt_map *map = NULL;
  size_t count = 0;

  if (!cordbg_coreclr_read_body(s->runtime, asked->method_desc, asked->start, &body))
    fail_msg("method 0x%08x, tier %u: %u bytes of code at 0x%llx cannot be read", asked->token,
             asked->tier, asked->size, (unsigned long long)asked->start);
  assert_int_equal(body.code.kind, asked->kind);
  assert_int_equal(body.code.module, asked->module);
  assert_int_equal(body.code.token, asked->token);
  assert_int_equal(body.code.class_token, asked->class_token);
  assert_int_equal(body.code.instance, asked->instance);
  assert_int_equal(body.code.start, asked->start);
  assert_int_equal(body.code.size, asked->size);
  assert_int_equal(asked->cold_size, 0);
  HRESULT hr = cordbg_dac_il_map(s->runtime->dac, asked->start, &map, &count, &why);
  if (FAILED(hr))
    fail_msg("0x%08x %s", (unsigned)hr, why.sentence);
  if (body.count != count || (count && memcmp(body.map, map, count * sizeof *map) != 0))
    fail_msg("method 0x%08x, tier %u, %u bytes at 0x%llx, shape %u: %zu ranges read, %zu asked",
             asked->token, asked->tier, asked->size, (unsigned long long)asked->start, body.shape,
             body.count, count);
  s->bodies++;
  s->shapes[body.shape]++;
  s->tiers[asked->tier < TIERS ? asked->tier : 0]++;
  g_free(map);
  cordbg_coreclr_clear_body(&body);
}

/* Of the DAC's list: it knows no map of what is not published. */
static void
compare_method(session *s, uint64_t module, uint32_t token)
{
  cordbg_dac_code *codes = NULL;
  size_t count = 0;

  if (FAILED(cordbg_dac_codes(s->runtime->dac, module, token, &codes, &count, &why)))
    return; /* no such method */
  for (size_t i = 0; i < count; i++)
    if (codes[i].kind == CORDBG_DAC_CODE_METHOD && !codes[i].precompiled)
      compare_body(s, &codes[i]);
  g_free(codes);
}

static void
compare_module(session *s, cordbg_rt_id id)
{
  cordbg_rt_module module;
  cordbg_rt_method method;

  assert_ok(ops->module(s->runtime, id, &module, &why));
  uint32_t step = module.flags & CORDBG_RT_MODULE_CORE_LIBRARY ? STRIDE : 1;
  for (uint32_t rid = 1; rid < METHODS_MAX; rid += step) {
    if (FAILED(ops->method(s->runtime, id, 0x06000000u | rid, &method, NULL)))
      break;
    compare_method(s, cordbg_coreclr_module_by_id(s->runtime, id, NULL)->module, 0x06000000u | rid);
  }
}

static cordbg_rt_id
each_module(session *s, void (*look)(session *, cordbg_rt_id), const char *wanted)
{
  cordbg_rt_id *domains = NULL, *assemblies = NULL, *modules = NULL, found = 0;
  size_t count = 0, many = 0;

  assert_ok(ops->domains(s->runtime, &domains, &count, &why));
  assert_ok(ops->assemblies(s->runtime, domains[0], &assemblies, &many, &why));
  for (size_t i = 0; i < many; i++) {
    cordbg_rt_module module;
    assert_ok(ops->modules(s->runtime, assemblies[i], &modules, &count, &why));
    assert_ok(ops->module(s->runtime, modules[0], &module, &why));
    if (g_str_has_suffix(module.name, wanted))
      found = module.id;
    if (look)
      look(s, modules[0]);
    g_free(modules);
  }
  g_free(assemblies);
  g_free(domains);
  return found;
}

/* ---- Running on ---- */

static void
take(session *s, const cordbg_event *event)
{
  cordbg_rt_event *events = NULL;
  size_t count = 0;

  assert_ok(ops->handle_event(s->runtime, event, &events, &count, &why));
  for (size_t i = 0; i < count; i++) {
    if (events[i].kind != CORDBG_RT_EVENT_CODE_COMPILED)
      continue;
    g_array_append_val(s->told, events[i].code);
    /* As a breakpoint would: the first of a shape proves it. */
    cordbg_rt_map *map = NULL;
    size_t ranges = 0;
    assert_ok(ops->il_map(s->runtime, events[i].code.id, &map, &ranges, &why));
    g_free(map);
  }
  g_free(events);
}

static void
run_until_told(session *s, guint bodies)
{
  cordbg_event event;
  bool stopped = true;

  while (s->told->len < bodies) {
    if (stopped)
      assert_ok(cordbg_tracer_continue(s->tracer, &why));
    assert_ok(
        cordbg_tracer_next_event(s->tracer, CORDBG_CHANNEL_MANAGED, PATIENCE_MS, &event, &why));
    assert_int_not_equal(event.kind, CORDBG_EVENT_EXITED);
    stopped = event.flags & CORDBG_EVENT_STOPS;
    if (event.kind == CORDBG_EVENT_TRAP && (event.layers & CORDBG_LAYER_INTERNAL))
      take(s, &event);
  }
}

static void
want_all(session *s, cordbg_rt_id module)
{
  cordbg_rt_method method;
  cordbg_rt_want_status status;

  for (uint32_t rid = 1; rid < METHODS_MAX; rid++) {
    if (FAILED(ops->method(s->runtime, module, 0x06000000u | rid, &method, NULL)))
      break;
    assert_ok(ops->want_method(s->runtime, module, 0x06000000u | rid, true, &status, &why));
  }
}

static void
compare_told(session *s)
{
  for (guint i = 0; i < s->told->len; i++) {
    const cordbg_rt_code *code = &g_array_index(s->told, cordbg_rt_code, i);
    cordbg_rt_code now;
    assert_ok(ops->code_at(s->runtime, code->start, &now, &why));
    assert_int_equal(now.id, code->id); /* the DAC's account of it did not make another body */
  }
}

static void
compare_program(bool release)
{
  static session s;
  g_autofree char *path = program(release);
  g_autofree char *folder = g_dir_make_tmp("cordbg-XXXXXX", NULL);
  g_autofree char *until = g_build_filename(folder, "stop", NULL);

  s = (session){0};
  if (access(path, R_OK) != 0) {
    rmdir(folder);
    printf("SKIP: no C# compiler built the debuggees\n");
    skip();
  }
  attach(&s, path, until);
  want_all(&s, each_module(&s, NULL, "/HotLoop.dll"));
  if (release)
    run_until_told(&s, 4); /* of what the loop runs in */
  each_module(&s, compare_module, "");
  compare_told(&s);
  print_message("%u bodies: tiers", s.bodies);
  for (unsigned i = 0; i < TIERS; i++)
    print_message(" %u", s.tiers[i]);
  print_message(", shapes %u %u; told %u\n", s.shapes[0], s.shapes[1], s.told->len);
  assert_true(s.bodies >= BODIES_LEAST);
  assert_true(s.shapes[0] > 0 && s.shapes[1] > 0);
  leave(&s);
  rmdir(folder);
}

static void
each_body_read_is_as_the_dac_has_it_debug(void **state)
{
  (void)state;
  compare_program(false);
}

static void
each_body_read_is_as_the_dac_has_it_release(void **state)
{
  (void)state;
  compare_program(true);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_body_read_is_as_the_dac_has_it_debug),
      cmocka_unit_test(each_body_read_is_as_the_dac_has_it_release),
  };
  g_autofree char *dotnet = g_find_program_in_path("dotnet");

  if (!dotnet) {
    printf("SKIP: dotnet is not installed\n");
    return 77;
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}
