/* SPDX-License-Identifier: MIT */
/*
 * Breakpoints on statements of which the compiler made several copies: hits equal the program's own
 * count, through all tiers.
 */
#include "config.h"

#include "icordebug-client.h"

#include <string.h>
#include <unistd.h>

enum { STATEMENTS = 7, LINE_MAX_BYTES = 256, ROUNDS = 400 };

static const char *const names[STATEMENTS] = {"CLONED",   "NESTED", "FINALLY", "INLINED",
                                              "UNROLLED", "SWITCH", "WHILE"};

typedef struct copies {
  ICorDebugBreakpoint *breakpoints[STATEMENTS];
  unsigned hits[STATEMENTS];
} copies;

/* The line of the program's source that has the comment. */
static ULONG32
line_of(const char *name)
{
  char text[LINE_MAX_BYTES];
  g_autofree char *comment = g_strdup_printf("// %s\n", name);
  FILE *file = fopen(TEST_SOURCE_FOLDER "/tests/live/CopiedCode.cs", "re");
  ULONG32 line = 0;
  bool found = false;
  hook_true(file != NULL);
  while (!found && fgets(text, sizeof text, file) != NULL) {
    line++;
    found = g_str_has_suffix(text, comment);
  }
  fclose(file);
  hook_true(found);
  return line;
}

static ICorDebugBreakpoint *
break_at(ICorDebugModule *module, ULONG32 line)
{
  CordbgLine at;
  ULONG32 count = 0;
  ICorDebugFunction *function;
  ICorDebugFunctionBreakpoint *breakpoint;
  ICorDebugCode *code;
  hook_ok(cordbg_find_line(module, "CopiedCode.cs", line, 1, &at, &count));
  hook_true(count == 1);
  hook_ok(ICorDebugModule_GetFunctionFromToken(module, at.method, &function));
  hook_ok(ICorDebugFunction_GetILCode(function, &code));
  hook_ok(ICorDebugCode_CreateBreakpoint(code, at.ilOffset, &breakpoint));
  ICorDebugCode_Release(code);
  ICorDebugFunction_Release(function);
  return (ICorDebugBreakpoint *)breakpoint;
}

static then
copies_hook(client *c, const told *what)
{
  copies *all = c->data;
  mdMethodDef token;
  ULONG32 count = 0;
  if (strcmp(what->name, "LoadModule") == 0 &&
      cordbg_find_methods(what->module, "Debuggees.CopiedCode", "Cloned", 1, &token, &count) ==
          S_OK)
    for (unsigned i = 0; i < STATEMENTS; i++)
      all->breakpoints[i] = break_at(what->module, line_of(names[i]));
  for (unsigned i = 0; i < STATEMENTS && strcmp(what->name, "Breakpoint") == 0; i++)
    all->hits[i] += what->breakpoint == all->breakpoints[i];
  return GO_ON;
}

static void
compare(int out, const copies *all)
{
  unsigned wrong = 0;
  /* mcs has the jump to the condition on the line of a while. */
  for (unsigned i = 0; i < (on_mono() ? STATEMENTS - 1u : STATEMENTS); i++) {
    g_autofree char *text = g_strdup_printf("counted %s ", names[i]);
    g_autofree char *line = program_line(out, text);
    unsigned long counted = strtoul(line + strlen(text), NULL, 10);
    if (counted != all->hits[i])
      print_error("%s: %u hits of %lu\n", names[i], all->hits[i], counted);
    wrong += counted != all->hits[i];
  }
  assert_int_equal(wrong, 0);
}

static void
count_hits(void)
{
  static client c;
  copies all = {0};
  int out[2];
  g_autofree char *rounds = g_strdup_printf("%d", ROUNDS);
  assert_int_equal(pipe2(out, 0), 0);
  client_open(&c, copies_hook, &all);
  client_launch_managed(&c, 0, out[1], "../../tests/live/CopiedCode", rounds, NULL);
  close(out[1]);
  client_await(&c, "ExitProcess", 1);
  for (unsigned i = 0; i < STATEMENTS; i++)
    if (all.breakpoints[i] != NULL)
      ICorDebugBreakpoint_Release(all.breakpoints[i]);
  client_close(&c);
  compare(out[0], &all);
  close(out[0]);
}

static void
each_copy_of_a_statement_is_hit_through_all_tiers(void **state)
{
  (void)state;
  count_hits();
}

/* The first body is the optimised one. */
static void
each_copy_of_a_statement_is_hit_in_code_optimised_at_once(void **state)
{
  (void)state;
  g_setenv("DOTNET_TieredCompilation", "0", TRUE);
  count_hits();
  g_unsetenv("DOTNET_TieredCompilation");
}

/* Optimised by what the first tier counted. */
static void
each_copy_of_a_statement_is_hit_without_precompiled_code(void **state)
{
  (void)state;
  g_setenv("DOTNET_TC_BackgroundWorkerTimeoutMs", "0", TRUE);
  g_setenv("DOTNET_TC_CallCountingDelayMs", "0", TRUE);
  count_hits();
  g_unsetenv("DOTNET_TC_CallCountingDelayMs");
  g_unsetenv("DOTNET_TC_BackgroundWorkerTimeoutMs");
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CASE_ON_ALL(each_copy_of_a_statement_is_hit_through_all_tiers),
      CASE_ON(net_release, each_copy_of_a_statement_is_hit_in_code_optimised_at_once),
      CASE_ON(net_release, each_copy_of_a_statement_is_hit_without_precompiled_code),
  };
  return CLIENT_RUN(tests);
}
