/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/bench/program.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"

void
program_ends_with_bench(void)
{
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void
in_child(gpointer data)
{
  (void)data;
  program_ends_with_bench();
}

void
program_start(program *ret, char *const *argv)
{
  g_autoptr(GError) error = NULL;
  int output;
  if (!g_spawn_async_with_pipes(NULL, (char **)(uintptr_t)argv, NULL,
                                G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, in_child, NULL,
                                &ret->pid, &ret->input, &output, NULL, &error))
    bench_die("%s", error->message);
  ret->output = fdopen(output, "r");
  if (ret->output == NULL)
    bench_die("no stream for the output of %s", argv[0]);
}

void
program_await(program *running, const char *text, char *line, size_t size)
{
  do
    if (fgets(line, (int)size, running->output) == NULL)
      bench_die("program %d ended early", (int)running->pid);
  while (strncmp(line, text, strlen(text)) != 0);
}

void
program_end(program *ended)
{
  kill(ended->pid, SIGKILL);
  waitpid(ended->pid, NULL, 0);
  close(ended->input);
  fclose(ended->output);
}
