/* SPDX-License-Identifier: MIT */
/*
 * The samples' breakpoints on source lines, on both runtimes: attached to and launched, and what is
 * said when a line cannot be had.
 */
#define _GNU_SOURCE 1
#include <glib.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/live/samples-support.h"

static void
attach_break_stops_at_a_line_of_a_running_program(void **state)
{
  g_autofree char *program = sample_debuggee(*state);
  g_autofree char *line = sample_counter_line("return next;");
  g_autofree char *path = g_strconcat("debuggees/", line, NULL);
  g_autofree char *output = NULL, *errors = NULL;
  int pipe;
  GPid pid = sample_start(program, &pipe);
  g_autofree char *number = g_strdup_printf("%d", pid);
  char *arguments[] = {(char *)"samples/attach-break",
                       (char *)"--pid",
                       number,
                       (char *)"--break",
                       path,
                       (char *)"--count",
                       (char *)"50",
                       NULL};
  int code = sample_run(arguments, &output, &errors);
  if (code != 0)
    fail_msg("exit code %d: %s", code, errors);
  assert_non_null(strstr(output, "50 hits in"));
  assert_non_null(strstr(output, "detached"));
  sample_stop(pid, pipe);
}

static void
attach_break_stops_at_a_line_of_a_program_that_it_launches(void **state)
{
  g_autofree char *program = sample_debuggee(*state);
  g_autofree char *line = sample_counter_line("value = Tick(value);");
  g_autofree char *output = NULL, *errors = NULL;
  char *arguments[] = {(char *)"samples/attach-break",
                       (char *)"--break",
                       line,
                       (char *)"--count",
                       (char *)"20",
                       (char *)"--launch",
                       program,
                       NULL};
  int code = sample_run(arguments, &output, &errors);
  if (code != 0)
    fail_msg("exit code %d: %s", code, errors);
  assert_non_null(strstr(output, "20 hits in"));
  assert_non_null(strstr(output, "ended"));
}

/* The first statement of Main: it is hit once, the program runs to its end. */
static void
a_line_at_the_start_of_main_is_hit_by_a_launch(void **state)
{
  g_autofree char *program = sample_debuggee(*state);
  g_autofree char *line = sample_counter_line("int seconds = args.Length");
  g_autofree char *output = NULL, *errors = NULL;
  char *arguments[] = {(char *)"samples/attach-break",
                       (char *)"--break",
                       line,
                       (char *)"--launch",
                       program,
                       (char *)"0",
                       NULL};
  int code = sample_run(arguments, &output, &errors);
  assert_int_equal(code, 1);
  assert_non_null(strstr(errors, "the program ended after 1 hits"));
}

static void
readmem_breaks_on_a_line(void **state)
{
  g_autofree char *program = sample_debuggee(*state);
  g_autofree char *line = sample_counter_line("if (next % 1000 == 0)");
  g_autofree char *output = NULL, *errors = NULL;
  char *arguments[] = {(char *)"samples/readmem",
                       (char *)"--json",
                       (char *)"--break",
                       line,
                       (char *)"--launch",
                       program,
                       NULL};
  int code = sample_run(arguments, &output, &errors);
  if (code != 0)
    fail_msg("exit code %d: %s", code, errors);
  assert_non_null(strstr(output, line));
}

static void
a_file_that_a_launched_program_never_has_is_refused(void **state)
{
  g_autofree char *program = sample_debuggee(*state);
  g_autofree char *output = NULL, *errors = NULL;
  char *arguments[] = {(char *)"samples/attach-break",
                       (char *)"--break",
                       (char *)"Nowhere.cs:3",
                       (char *)"--launch",
                       program,
                       (char *)"0",
                       NULL};
  assert_int_equal(sample_run(arguments, &output, &errors), 2);
  assert_non_null(strstr(errors, "no module with symbols has such a source file"));
}

static void
attach_break_tells_mistakes_in_one_line(void **state)
{
  static const struct {
    const char *arguments[6];
    const char *because;
  } mistakes[] = {
      {{"--break", "A:B"}, "give --break"},
      {{"--break", "A:B", "--pid", "1", "--launch", "x"}, "give --break"},
      {{"--break", "A:B", "--launch"}, "needs a program"},
      {{"--break", "A:B", "--pid", "1", "more"}, "give --break"},
      {{"--launch", "x"}, "give --break"},
      {{"--count", "1"}, "at least 2"},
      {{"--break", "A:B", "--launch", "/nonexistent/x.exe"}, "No such file"},
  };
  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(mistakes); i++) {
    char *arguments[8] = {(char *)"samples/attach-break"};
    g_autofree char *output = NULL, *errors = NULL;
    for (size_t a = 0; a < 6; a++)
      arguments[a + 1] = (char *)(uintptr_t)mistakes[i].arguments[a];
    int code = sample_run(arguments, &output, &errors);
    if (code != 2 || strstr(errors, mistakes[i].because) == NULL)
      fail_msg("exit code %d, '%s' expected in: %s", code, mistakes[i].because, errors);
    assert_string_equal(output, "");
    assert_ptr_equal(strchr(errors, '\n'), errors + strlen(errors) - 1);
  }
}

#define ON_BOTH(function)                                                                          \
  {#function "_on_mono", function, NULL, NULL, (char *)"Counter.exe"},                             \
  {                                                                                                \
#function "_on_net", function, NULL, NULL, (char *)"net/Counter.dll"                           \
  }

int
main(void)
{
  const struct CMUnitTest tests[] = {
      ON_BOTH(attach_break_stops_at_a_line_of_a_running_program),
      ON_BOTH(attach_break_stops_at_a_line_of_a_program_that_it_launches),
      ON_BOTH(a_line_at_the_start_of_main_is_hit_by_a_launch),
      ON_BOTH(readmem_breaks_on_a_line),
      ON_BOTH(a_file_that_a_launched_program_never_has_is_refused),
      cmocka_unit_test(attach_break_tells_mistakes_in_one_line),
  };
  return cmocka_run_group_tests_name("samples-lines", tests, NULL, NULL);
}
