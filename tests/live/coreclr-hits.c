/* SPDX-License-Identifier: MIT */
/*
 * Hits are counted exactly on .NET: a breakpoint that is there before the method's first call is
 * hit as often as the program itself counts executions, whatever code the runtime makes of the
 * method meanwhile (tier 0, replaced on the stack, tier 1).
 */
#include "config.h"

#include "icordebug-client.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES_MAX = 8 };

/* What is broken at: a method by name, or a line. */
typedef struct wish {
  breaking by_name;           /* first: breaking_hook's data */
  const char *const *methods; /* of by_name.type, up to a NULL; NULL: its one method */
  const char *file;
  ULONG32 line;
  unsigned set;
  unsigned bodies;     /* the program goes on until it was hit in so many, 0: never longer */
  char *folder, *stop; /* of the file that tells the program so */
  unsigned addresses;  /* at which it was hit: bodies */
  CORDB_REGISTER seen[64];
} wish;

static void
set_line(wish *w, ICorDebugModule *module)
{
  CordbgLine lines[LINES_MAX];
  ULONG32 count = 0;
  breaking *b = &w->by_name;
  if (cordbg_find_line(module, w->file, w->line, LINES_MAX, lines, &count) != S_OK)
    return;
  for (ULONG32 i = 0; i < count && b->set < BREAKING_MAX; i++) {
    ICorDebugFunction *function;
    ICorDebugCode *code;
    hook_ok(ICorDebugModule_GetFunctionFromToken(module, lines[i].method, &function));
    hook_ok(ICorDebugFunction_GetILCode(function, &code));
    hook_ok(ICorDebugCode_CreateBreakpoint(code, lines[i].ilOffset, &b->breakpoints[b->set++]));
    ICorDebugCode_Release(code);
    ICorDebugFunction_Release(function);
  }
}

/* The lock of the tests' client is not needed: hits come on one thread. */
static void
note_address(wish *w, ICorDebugThread *thread)
{
  ICorDebugRegisterSet *set;
  CORDB_REGISTER rip = 0;
  hook_ok(ICorDebugThread_GetRegisterSet(thread, &set));
  hook_ok(ICorDebugRegisterSet_GetRegisters(set, 1ull << REGISTER_INSTRUCTION_POINTER, 1, &rip));
  ICorDebugRegisterSet_Release(set);
  for (unsigned i = 0; i < w->addresses; i++)
    if (w->seen[i] == rip)
      return;
  if (w->addresses < G_N_ELEMENTS(w->seen))
    w->seen[w->addresses++] = rip;
  if (w->stop && w->addresses == w->bodies)
    hook_true(g_file_set_contents(w->stop, "", 0, NULL));
}

static then
wish_hook(client *c, const told *what)
{
  wish *w = c->data;
  if (strcmp(what->name, "LoadModule") == 0 && w->file)
    set_line(w, what->module);
  else if (strcmp(what->name, "LoadModule") == 0 && w->methods)
    for (const char *const *name = w->methods; *name; name++) {
      w->by_name.method = *name;
      breaking_set(&w->by_name, what->module);
    }
  else if (strcmp(what->name, "LoadModule") == 0)
    breaking_set(&w->by_name, what->module);
  if (strcmp(what->name, "Breakpoint") != 0)
    return GO_ON;
  note_address(w, what->thread);
  __atomic_add_fetch(&w->by_name.hits, 1, __ATOMIC_SEQ_CST);
  return GO_ON;
}

/* Runs the program to its end; what it counted. */
static long
count_of(client_hook hook, void *data, const char *build, const char *name, const char *a,
         const char *b, const char *c3, const char *d4)
{
  static client c;
  const char *folder = g_getenv("CORDBG_DEBUGGEES");
  g_autofree char *path = g_build_filename(folder ? folder : "samples/debuggees",
                                           "../../tests/live", build, name, NULL);
  const char *const argv[] = {"dotnet", path, a, b, c3, d4, NULL};
  int out[2];
  if (!g_file_test(path, G_FILE_TEST_EXISTS))
    skip();
  assert_int_equal(pipe2(out, O_CLOEXEC), 0);
  client_open(&c, hook, data);
  assert_ok(client_launch(&c, (char *const *)argv, 0, out[1]));
  close(out[1]);
  long counted = program_counted(out[0]);
  client_await(&c, "ExitProcess", 1);
  close(out[0]);
  client_close(&c);
  return counted;
}

/* The same under a wish. */
static long
count_under(wish *w, const char *build, const char *a, const char *b, const char *c, const char *d)
{
  long counted = count_of(wish_hook, w, build, "HotLoop.dll", a, b, c, d);
  if (w->stop)
    unlink(w->stop);
  if (w->folder)
    rmdir(w->folder);
  g_free(w->stop);
  g_free(w->folder);
  w->set = w->by_name.set;
  breaking_drop(&w->by_name);
  return counted;
}

/* When the next body comes is the runtime's affair: the program goes on until it was hit. */
static void
await_bodies(wish *w, unsigned bodies)
{
  w->bodies = bodies;
  w->folder = g_dir_make_tmp("cordbg-XXXXXX", NULL);
  w->stop = g_build_filename(w->folder, "stop", NULL);
}

/* A Debug build asks for code that is never optimised: one body a method. */
static void
every_call_is_hit(const char *build, unsigned bodies)
{
  wish w = {.by_name = {.type = "Debuggees.HotLoop", .method = "Hit"}};
  if (bodies > 1)
    await_bodies(&w, bodies);
  long counted = count_under(&w, build, "calls", "2000", w.stop, NULL);
  if (bodies > 1)
    assert_true(counted >= 2000);
  else
    assert_int_equal(counted, 2000);
  assert_int_equal(w.set, 1);
  assert_int_equal(w.by_name.hits, counted);
  assert_true(w.addresses >= bodies);
}

static void
every_call_of_a_debug_builds_method_is_hit(void **state)
{
  (void)state;
  every_call_is_hit("net", 1);
}

static void
every_call_of_a_release_builds_method_is_hit_while_it_climbs_the_tiers(void **state)
{
  (void)state;
  every_call_is_hit("net/release", 2);
}

static void
every_iteration_is_hit(const char *build, const char *calls, const char *iterations,
                       unsigned bodies, bool await)
{
  wish w = {.file = "HotLoop.cs", .line = 1000};
  long least = strtol(calls, NULL, 10) * strtol(iterations, NULL, 10);
  if (await)
    await_bodies(&w, bodies);
  long counted = count_under(&w, build, "loop", calls, iterations, w.stop);
  if (await)
    assert_true(counted >= least);
  else
    assert_int_equal(counted, least);
  assert_int_equal(w.set, 1);
  assert_int_equal(w.by_name.hits, counted);
  assert_true(w.addresses >= bodies);
}

static void
every_iteration_of_a_debug_builds_loop_is_hit(void **state)
{
  (void)state;
  every_iteration_is_hit("net", "40", "50", 1, false);
}

static void
every_iteration_is_hit_when_the_loop_is_replaced_on_the_stack(void **state)
{
  (void)state;
  /* Replaced after 2 * 256 iterations instead of 11,000. */
  g_setenv("DOTNET_TC_OnStackReplacement_InitialCounter", "100", TRUE);
  g_setenv("DOTNET_OSR_CounterBump", "100", TRUE);
  g_setenv("DOTNET_OSR_HitLimit", "1", TRUE);
  every_iteration_is_hit("net/release", "1", "2000", 2, false);
  g_unsetenv("DOTNET_TC_OnStackReplacement_InitialCounter");
  g_unsetenv("DOTNET_OSR_CounterBump");
  g_unsetenv("DOTNET_OSR_HitLimit");
}

static void
every_iteration_is_hit_from_tier_0_to_tier_1(void **state)
{
  (void)state;
  every_iteration_is_hit("net/release", "200", "10", 2, true);
}

static void
first_calls_hit(const char *build)
{
  static const char *const methods[] = {"A00", "A01", "A02", "A03", "A04", "A05", "A06",
                                        "A07", "A08", "A09", "A10", "A11", "A12", "A13",
                                        "A14", "A15", "A16", "A17", "A18", "A19", NULL};
  wish w = {.by_name = {.type = "Debuggees.HotLoop+Fresh"}, .methods = methods};
  long counted = count_under(&w, build, "first", "8", "20", NULL);
  assert_int_equal(counted, 160);
  assert_int_equal(w.set, 20);
  assert_int_equal(w.by_name.hits, counted);
}

static void
first_calls_by_many_threads_at_once_are_all_hit(void **state)
{
  (void)state;
  first_calls_hit("net");
}

/* ---- More methods than the runtime's own table of them holds (1,000) ---- */

enum { MANY = 5000 };

typedef struct many {
  ICorDebugFunctionBreakpoint *breakpoints[MANY];
  unsigned hits[MANY];
  unsigned set;
} many;

static then
many_hook(client *c, const told *what)
{
  many *m = c->data;
  mdMethodDef first;
  ULONG32 count = 0;
  if (strcmp(what->name, "LoadModule") == 0 && m->set == 0 &&
      cordbg_find_methods(what->module, "Debuggees.ManyMethods", "M0000", 1, &first, &count) ==
          S_OK) {
    for (; m->set < MANY; m->set++) { /* the compiler numbers them as they stand in the source */
      ICorDebugFunction *function;
      hook_ok(ICorDebugModule_GetFunctionFromToken(what->module, first + m->set, &function));
      hook_ok(ICorDebugFunction_CreateBreakpoint(function, &m->breakpoints[m->set]));
      ICorDebugFunction_Release(function);
    }
  }
  for (unsigned i = 0; strcmp(what->name, "Breakpoint") == 0 && i < MANY; i++)
    m->hits[i] += what->breakpoint == (ICorDebugBreakpoint *)m->breakpoints[i];
  return GO_ON;
}

static void
each_of_5000_wanted_methods_is_bound_before_its_first_call(void **state)
{
  (void)state;
  many *m = g_new0(many, 1);
  long counted = count_of(many_hook, m, "net", "ManyMethods.dll", NULL, NULL, NULL, NULL);
  assert_int_equal(counted, 2 * MANY);
  assert_int_equal(m->set, MANY);
  for (unsigned i = 0; i < MANY; i++) {
    if (m->hits[i] != 2)
      fail_msg("method %u was hit %u times", i, m->hits[i]);
    ICorDebugFunctionBreakpoint_Release(m->breakpoints[i]);
  }
  g_free(m);
}

int
main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      CLIENT_TEST(every_call_of_a_debug_builds_method_is_hit),
      CLIENT_TEST(every_call_of_a_release_builds_method_is_hit_while_it_climbs_the_tiers),
      CLIENT_TEST(every_iteration_of_a_debug_builds_loop_is_hit),
      CLIENT_TEST(every_iteration_is_hit_when_the_loop_is_replaced_on_the_stack),
      CLIENT_TEST(every_iteration_is_hit_from_tier_0_to_tier_1),
      CLIENT_TEST(first_calls_by_many_threads_at_once_are_all_hit),
      CLIENT_TEST(each_of_5000_wanted_methods_is_bound_before_its_first_call),
  };
  g_autofree char *dotnet = g_find_program_in_path("dotnet");
  g_setenv("DOTNET_TC_CallCountingDelayMs", "0", TRUE); /* methods climb at once */
  if (!dotnet) {
    printf("SKIP: dotnet is not installed\n");
    return 77;
  }
  if (argc > 1) /* one case, by hand */
    cmocka_set_test_filter(argv[1]);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
