/* SPDX-License-Identifier: MIT */
/* The sample's extension, loaded by the sample's host, over running programs of both runtimes. */
#include "config.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A program of one runtime, and why there is none. */
typedef struct program {
  const char *name, *host, *where, *ending, *missing;
  pid_t pid;
  bool runs;
} program;

static program programs[] = {
    {"mono", "/usr/bin/mono", "", ".exe", "SKIP: mono is not installed", 0, false},
    {"dotnet", DOTNET, "net/", ".dll", "SKIP: dotnet is not installed", 0, false},
};

/* Starts it; it prints when it is up. */
static int
setup_program(void **state)
{
  program *p = *state;
  int output[2];
  char path[4096], byte;
  const char *folder = getenv("CORDBG_DEBUGGEES");
  p->runs = false;
  snprintf(path, sizeof path, "%s/%sCounter%s", folder == NULL ? "" : folder, p->where, p->ending);
  if (p->host[0] == '\0' || access(p->host, X_OK) != 0 || access(path, R_OK) != 0)
    return 0;
  if (pipe(output) != 0 || (p->pid = fork()) < 0)
    return -1;
  if (p->pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives a failed test */
    dup2(output[1], STDOUT_FILENO);
    close(output[0]);
    execl(p->host, p->name, path, (char *)NULL);
    _exit(127);
  }
  close(output[1]);
  p->runs = read(output[0], &byte, 1) == 1;
  return p->runs ? 0 : -1;
}

static int
teardown_program(void **state)
{
  program *p = *state;
  if (p->runs) {
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
  }
  return 0;
}

static int
run_command(const program *p, const char *command, char *output, size_t size)
{
  char line[8192];
  snprintf(line, sizeof line, "'%s' %d '%s' %s 2>&1", HOST, (int)p->pid, EXTENSION, command);
  FILE *pipe = popen(line, "r");
  assert_non_null(pipe);
  size_t length = fread(output, 1, size - 1, pipe);
  output[length] = '\0';
  return WEXITSTATUS(pclose(pipe));
}

static void
a_windbg_extension_runs(void **state)
{
  const program *p = *state;
  char output[16384];
  if (!p->runs) {
    print_message("%s\n", p->missing);
    skip();
  }
  assert_int_equal(run_command(p, "k", output, sizeof output), 0);
  if (strstr(output, "Counter!Debuggees.Counter.Main") == NULL || strstr(output, "libc!") == NULL)
    fail_msg("%s", output);
  assert_int_equal(run_command(p, "near libc!getpid", output, sizeof output), 0);
  assert_non_null(strstr(output, "libc!"));
  assert_non_null(strstr(output, "+0x0"));
  assert_int_equal(run_command(p, "u @rip", output, sizeof output), 0);
  assert_non_null(strchr(output, '`'));
  assert_int_equal(run_command(p, "peek 0", output, sizeof output), 0);
  assert_non_null(strstr(output, "cannot be read"));
  assert_int_equal(run_command(p, "nothing", output, sizeof output), 1);
  assert_int_equal(kill(p->pid, 0), 0);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      {"contract_001_a_windbg_extension_runs_on_mono", a_windbg_extension_runs, setup_program,
       teardown_program, &programs[0]},
      {"contract_001_a_windbg_extension_runs_on_net", a_windbg_extension_runs, setup_program,
       teardown_program, &programs[1]},
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
