/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/live/samples-support.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

char *
sample_debuggee(const char *name)
{
  const char *folder = g_getenv("CORDBG_DEBUGGEES");
  char *path = g_build_filename(folder ? folder : "samples/debuggees", name, NULL);
  bool net = g_str_has_suffix(name, ".dll");
  g_autofree char *runtime = g_find_program_in_path(net ? "dotnet" : "mono");
  if (runtime == NULL || !g_file_test(path, G_FILE_TEST_EXISTS)) {
    printf("SKIP: %s\n", runtime ? "no C# compiler built the debuggees"
                         : net   ? "dotnet is not installed"
                                 : "Mono is not installed");
    g_free(path);
    skip();
  }
  return path;
}

char *
sample_counter_line(const char *text)
{
  const char *folder = g_getenv("srcdir");
  g_autofree char *path =
      g_build_filename(folder ? folder : ".", "samples", "debuggees", "Counter.cs", NULL);
  g_autofree char *all = NULL;
  if (!g_file_get_contents(path, &all, NULL, NULL))
    fail_msg("%s cannot be read", path);
  g_auto(GStrv) lines = g_strsplit(all, "\n", -1);
  for (unsigned i = 0; lines[i] != NULL; i++)
    if (strstr(lines[i], text) != NULL)
      return g_strdup_printf("Counter.cs:%u", i + 1);
  fail_msg("no line has '%s'", text);
  return NULL;
}

int
sample_run(char *const *arguments, char **output, char **errors)
{
  g_autoptr(GError) error = NULL;
  int status = -1;
  if (!g_spawn_sync(NULL, (char **)(uintptr_t)arguments, NULL, G_SPAWN_DEFAULT, NULL, NULL, output,
                    errors, &status, &error))
    fail_msg("%s", error->message);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

int
sample_run_list(char **output, char **errors, ...)
{
  g_autoptr(GPtrArray) arguments = g_ptr_array_new();
  va_list list;
  va_start(list, errors);
  for (char *argument; (argument = va_arg(list, char *)) != NULL;)
    g_ptr_array_add(arguments, argument);
  va_end(list);
  g_ptr_array_add(arguments, NULL);
  return sample_run((char *const *)arguments->pdata, output, errors);
}

static void
end_with_the_test(gpointer data)
{
  (void)data;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

GPid
sample_start(const char *program, int *output)
{
  g_autoptr(GError) error = NULL;
  const char *runtime = g_str_has_suffix(program, ".dll") ? "dotnet" : "mono";
  char *arguments[] = {(char *)(uintptr_t)runtime, (char *)(uintptr_t)program, NULL};
  GPid pid = 0;
  char byte;
  if (!g_spawn_async_with_pipes(NULL, arguments, NULL,
                                G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, end_with_the_test,
                                NULL, &pid, NULL, output, NULL, &error))
    fail_msg("%s", error->message);
  do
    assert_int_equal(read(*output, &byte, 1), 1);
  while (byte != '\n');
  return pid;
}

void
sample_stop(GPid pid, int output)
{
  int status;
  assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
  kill(pid, SIGKILL);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  close(output);
}
