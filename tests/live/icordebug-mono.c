/* SPDX-License-Identifier: MIT */
/* ICorDebug over real Mono programs. */
#include "config.h"

#include "icordebug-client.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cordbg/com/object.h"

static size_t objects_before;

static int
setup(void **state)
{
  (void)state;
  objects_before = cordbg_object_count();
  return 0;
}

static int
teardown(void **state)
{
  (void)state;
  client_await_objects(objects_before);
  return 0;
}

/* ---- What the tests share ---- */

typedef struct breaking {
  const char *type, *method;
  ULONG32 il;
  ICorDebugFunctionBreakpoint *breakpoints[8];
  unsigned set;
  unsigned limit; /* stay at this hit; 0: never */
  unsigned hits;
} breaking;

/* Sets the breakpoint in a module that has the method. */
static void
set_in_module(breaking *b, ICorDebugModule *module)
{
  mdMethodDef tokens[8];
  ULONG32 count = 0;
  HRESULT hr = cordbg_find_methods(module, b->type, b->method, 8, tokens, &count);
  if (hr == S_FALSE)
    return;
  assert_ok(hr);
  for (ULONG32 i = 0; i < count && i < 8; i++) {
    ICorDebugFunction *function;
    ICorDebugCode *code;
    assert_ok(ICorDebugModule_GetFunctionFromToken(module, tokens[i], &function));
    assert_ok(ICorDebugFunction_GetILCode(function, &code));
    assert_true(b->set < 8);
    assert_ok(ICorDebugCode_CreateBreakpoint(code, b->il, &b->breakpoints[b->set]));
    b->set++;
    ICorDebugCode_Release(code);
    ICorDebugFunction_Release(function);
  }
}

static then
break_hook(client *c, const told *what)
{
  breaking *b = c->data;
  if (what->module != NULL && strcmp(what->name, "LoadModule") == 0)
    set_in_module(b, what->module);
  if (what->breakpoint != NULL && strcmp(what->name, "Breakpoint") == 0) {
    unsigned hits = __atomic_add_fetch(&b->hits, 1, __ATOMIC_SEQ_CST);
    if (hits == b->limit)
      return STAY;
  }
  return GO_ON;
}

static void
drop(breaking *b)
{
  for (unsigned i = 0; i < b->set; i++)
    ICorDebugFunctionBreakpoint_Release(b->breakpoints[i]);
  b->set = 0;
}

/* ---- Attach ---- */

static void
attach_replays_in_order(void **state)
{
  (void)state;
  program p;
  client c;
  program_start_mono(&p, "Counter", "60", NULL);
  client_open(&c, NULL, NULL);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "CreateThread", 1);
  assert_ok(ICorDebugProcess_Stop(c.process, 0));
  g_autofree char *story = client_story(&c);
  assert_true(g_str_has_prefix(story, "CreateProcess CreateAppDomain LoadAssembly LoadModule "));
  /* Modules come behind their assembly, threads behind all modules. */
  const char *thread = strstr(story, "CreateThread");
  assert_null(strstr(thread, "LoadModule"));
  assert_null(strstr(thread, "LoadAssembly"));
  assert_true(client_count(&c, "LoadModule") >= 2);
  assert_int_equal(client_count(&c, "LoadAssembly"), client_count(&c, "LoadModule"));
  assert_int_equal(c.foreign, 0);
  assert_int_equal(c.most_inside_managed, 1);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

/* ---- Breakpoints ---- */

static void
breakpoint_on_compiled_method(void **state)
{
  (void)state;
  program p;
  client c;
  breaking b = {.type = "Debuggees.Counter", .method = "Tick", .limit = 100};
  program_start_mono(&p, "Counter", "60", NULL);
  client_open(&c, break_hook, &b);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "Breakpoint", 100);
  assert_int_equal(b.set, 1);
  drop(&b);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

static void
breakpoint_on_method_not_compiled_yet(void **state)
{
  (void)state;
  program p;
  client c;
  breaking b = {.type = "Debuggees.Counter", .method = "Tick", .limit = 1};
  g_autofree char *path = mono_debuggee("Counter");
  char *argv[] = {(char *)"mono", path, (char *)"60", NULL};
  int out[2];
  assert_int_equal(pipe2(out, O_CLOEXEC), 0);
  client_open(&c, break_hook, &b);
  assert_ok(client_launch(&c, argv, 0, out[1]));
  close(out[1]);
  client_await(&c, "Breakpoint", 1);
  assert_int_equal(b.set, 1);
  DWORD pid;
  assert_ok(ICorDebugProcess_GetID(c.process, &pid));
  p = (program){.pid = (GPid)pid, .out = out[0]};
  drop(&b);
  client_close(&c);
  g_free(program_line(out[0], "ready"));
  program_check_unharmed(&p);
  program_end(&p);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(attach_replays_in_order, setup, teardown),
      cmocka_unit_test_setup_teardown(breakpoint_on_compiled_method, setup, teardown),
      cmocka_unit_test_setup_teardown(breakpoint_on_method_not_compiled_yet, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
