/* SPDX-License-Identifier: MIT */
/* The sample's extension, loaded by the sample's host, over a running Mono program. */
#include "config.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static pid_t program;

/* Starts a program that prints when it is up. */
static int
setup_program(void **state)
{
  int output[2];
  char path[4096], byte;
  const char *folder = getenv("CORDBG_DEBUGGEES");
  *state = NULL;
  if (access("/usr/bin/mono", X_OK) != 0 || folder == NULL)
    return 0;
  snprintf(path, sizeof path, "%s/Counter.exe", folder);
  if (pipe(output) != 0 || (program = fork()) < 0)
    return -1;
  if (program == 0) {
    dup2(output[1], STDOUT_FILENO);
    close(output[0]);
    alarm(60);
    execl("/usr/bin/mono", "mono", path, (char *)NULL);
    _exit(127);
  }
  close(output[1]);
  *state = read(output[0], &byte, 1) == 1 ? &program : NULL;
  return *state == NULL ? -1 : 0;
}

static int
teardown_program(void **state)
{
  if (*state != NULL) {
    kill(program, SIGKILL);
    waitpid(program, NULL, 0);
  }
  return 0;
}

static int
run_command(const char *command, char *output, size_t size)
{
  char line[8192];
  snprintf(line, sizeof line, "'%s' %d '%s' %s 2>&1", HOST, (int)program, EXTENSION, command);
  FILE *pipe = popen(line, "r");
  assert_non_null(pipe);
  size_t length = fread(output, 1, size - 1, pipe);
  output[length] = '\0';
  return WEXITSTATUS(pclose(pipe));
}

static void
contract_001_a_windbg_extension_runs_on_mono(void **state)
{
  char output[16384];
  if (*state == NULL) {
    print_message("SKIP: mono is not installed\n");
    skip();
  }
  assert_int_equal(run_command("k", output, sizeof output), 0);
  if (strstr(output, "Counter!Debuggees.Counter.Main") == NULL || strstr(output, "libc!") == NULL)
    fail_msg("%s", output);
  assert_int_equal(run_command("near libc!getpid", output, sizeof output), 0);
  assert_non_null(strstr(output, "libc!"));
  assert_non_null(strstr(output, "+0x0"));
  assert_int_equal(run_command("u @rip", output, sizeof output), 0);
  assert_non_null(strchr(output, '`'));
  assert_int_equal(run_command("peek 0", output, sizeof output), 0);
  assert_non_null(strstr(output, "cannot be read"));
  assert_int_equal(run_command("nothing", output, sizeof output), 1);
  assert_int_equal(kill(program, 0), 0);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
      contract_001_a_windbg_extension_runs_on_mono, setup_program, teardown_program)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
