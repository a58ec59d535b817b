/* SPDX-License-Identifier: MIT */
/* Traps wherever the map of a method's code has an IL offset, on .NET. */
#include "config.h"

#include "icordebug-client.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  METHODS = 200,
  LOCKS = METHODS / 4, /* in each of these one place of the compiler's making is never run */
  PLACES_MAX = 16384,
  MAP_MAX = 512,
  ALL_HIT_S = 120,
};

typedef struct offsets {
  ICorDebugModule *module;
  mdMethodDef first;
  ICorDebugFunctionBreakpoint *places[PLACES_MAX];
  unsigned hits[PLACES_MAX];
  unsigned set, hit, total;
} offsets;

static then
offsets_hook(client *c, const told *what)
{
  offsets *o = c->data;
  ULONG32 count = 0;
  if (strcmp(what->name, "LoadModule") == 0 && !o->module &&
      cordbg_find_methods(what->module, "Debuggees.Offsets", "M000", 1, &o->first, &count) ==
          S_OK) {
    o->module = what->module;
    ICorDebugModule_AddRef(o->module);
  }
  if (strcmp(what->name, "Breakpoint") != 0)
    return GO_ON;
  pthread_mutex_lock(&c->lock);
  o->total++;
  for (unsigned i = 0; i < o->set; i++)
    if (what->breakpoint == (ICorDebugBreakpoint *)o->places[i] && o->hits[i]++ == 0)
      o->hit++;
  pthread_mutex_unlock(&c->lock);
  return GO_ON;
}

/* Breakpoints at each IL offset that the map of the method's code has. */
static void
break_everywhere(offsets *o, mdMethodDef token)
{
  COR_DEBUG_IL_TO_NATIVE_MAP map[MAP_MAX];
  ULONG32 count = 0;
  ICorDebugFunction *function;
  ICorDebugCode *native, *il;
  assert_ok(ICorDebugModule_GetFunctionFromToken(o->module, token, &function));
  assert_ok(ICorDebugFunction_GetNativeCode(function, &native));
  assert_ok(ICorDebugFunction_GetILCode(function, &il));
  assert_ok(ICorDebugCode_GetILToNativeMapping(native, MAP_MAX, &count, map));
  assert_in_range(count, 1, MAP_MAX);
  for (ULONG32 i = 0; i < count; i++) {
    bool known = (int32_t)map[i].ilOffset < 0;
    for (ULONG32 j = 0; j < i && !known; j++)
      known = map[j].ilOffset == map[i].ilOffset;
    assert_true(o->set < PLACES_MAX);
    if (!known)
      assert_ok(ICorDebugCode_CreateBreakpoint(il, map[i].ilOffset, &o->places[o->set++]));
  }
  ICorDebugCode_Release(il);
  ICorDebugCode_Release(native);
  ICorDebugFunction_Release(function);
}

static void
await_all_hit(client *c, offsets *o)
{
  struct timespec end;
  int late = 0;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += ALL_HIT_S;
  pthread_mutex_lock(&c->lock);
  while (o->hit < o->set - LOCKS && late == 0)
    late = pthread_cond_timedwait(&c->changed, &c->lock, &end);
  pthread_mutex_unlock(&c->lock);
}

/* While one thread collects and two throw and catch in the methods, whose results must not change.
 */
static void
row_44_traps_at_every_mapped_il_offset_of_200_methods(void **state)
{
  (void)state;
  static client c;
  program p;
  offsets *o = g_new0(offsets, 1);
  g_autofree char *folder = g_dir_make_tmp("cordbg-XXXXXX", NULL);
  g_autofree char *stop = g_build_filename(folder, "stop", NULL);
  const char *samples = g_getenv("CORDBG_DEBUGGEES");
  g_autofree char *path = g_build_filename(samples ? samples : "samples/debuggees",
                                           "../../tests/live/net/Offsets.dll", NULL);
  if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
    rmdir(folder);
    g_free(o);
    printf("SKIP: no C# compiler built the debuggees\n");
    skip();
  }
  char *argv[] = {(char *)"dotnet", path, stop, NULL};
  program_start(&p, argv);
  client_open(&c, offsets_hook, o);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "CreateThread", 1);
  assert_ok(ICorDebugProcess_Stop(c.process, 0));
  assert_non_null(o->module);
  for (unsigned i = 0; i < METHODS; i++)
    break_everywhere(o, o->first + i);
  assert_ok(ICorDebugProcess_Continue(c.process, FALSE));
  await_all_hit(&c, o);
  assert_ok(ICorDebugProcess_Stop(c.process, 0));
  for (unsigned i = 0; i < o->set; i++) {
    assert_ok(ICorDebugFunctionBreakpoint_Activate(o->places[i], FALSE));
    ICorDebugFunctionBreakpoint_Release(o->places[i]);
  }
  print_message("%u of %u places hit, %u hits\n", o->hit, o->set, o->total);
  assert_true(o->hit >= o->set - LOCKS);
  ICorDebugModule_Release(o->module);
  client_close(&c);
  assert_true(g_file_set_contents(stop, "", 0, NULL));
  g_free(program_line(p.out, "same "));
  assert_int_equal(program_wait(&p), 0);
  unlink(stop);
  rmdir(folder);
  g_free(o);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CLIENT_TEST(row_44_traps_at_every_mapped_il_offset_of_200_methods),
  };
  g_autofree char *dotnet = g_find_program_in_path("dotnet");
  if (!dotnet) {
    printf("SKIP: dotnet is not installed\n");
    return 77;
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}
