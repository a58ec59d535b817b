/* SPDX-License-Identifier: MIT */
/*
 * What a program pays for a debugger that is attached and does nothing: no breakpoints, all
 * callbacks continued. The same program does the same piece of work with and without it, in turns;
 * it takes the time itself. Mono has cordbg's agent, which is inert without a session, from the
 * first round on.
 */
#include "config.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "samples/driver.h"
#include "tests/bench/bench.h"
#include "tests/bench/program.h"

#define GOAL 1.01 /* less than one per cent */
#define WARM_UP 3

typedef struct idling {
  program program;
  const char *load; /* a line of its input */
} idling;

static double
work(idling *of)
{
  char line[64];
  dprintf(of->program.input, "%s\n", of->load);
  program_await(&of->program, "took ", line, sizeof line);
  return strtod(line + strlen("took "), NULL);
}

/* The first piece pays for what an attach leaves behind (caches, a runtime that has looked up): it
 * is not counted, on neither side. */
static double
work_attached(void *data)
{
  idling *of = data;
  driver session;
  const sample_hooks hooks = {0};
  driver_start(&session, &hooks, (DWORD)of->program.pid, NULL);
  work(of);
  double took = work(of);
  driver_end(&session);
  return took;
}

static double
work_alone(void *data)
{
  idling *of = data;
  work(of);
  return work(of);
}

static void
row(idling *of, const char *runtime, const char *what, const char *load)
{
  g_autofree char *name = g_strdup_printf("beside an idle cordbg, %s: %s", runtime, what);
  if (!bench_wanted(name))
    return;
  of->load = load;
  for (int i = 0; i < WARM_UP; i++)
    work(of);
  bench_compare(&(bench_job){.row = name,
                             .unit = "ms",
                             .threads = 1,
                             .ratio = BENCH_AT_MOST,
                             .goal = GOAL,
                             .ours = work_attached,
                             .bare = work_alone,
                             .data = of});
}

static void
rows(const char *runtime, const char *host, const char *file)
{
  idling of = {.load = NULL};
  g_autofree char *found = g_find_program_in_path(host);
  char *argv[] = {(char *)(uintptr_t)host, (char *)(uintptr_t)file, NULL};
  char line[64];
  g_autofree char *all = g_strdup_printf("beside an idle cordbg, %s", runtime);
  if (found == NULL || access(file, R_OK) != 0) {
    bench_skip(all, "the runtime or the compiled program is missing");
    return;
  }
  program_start(&of.program, argv);
  program_await(&of.program, "ready", line, sizeof line);
  row(&of, runtime, "calls and arithmetic", "compute");
  row(&of, runtime, "20,000 exceptions thrown", "throw");
  row(&of, runtime, "1,000 null references (SIGSEGV)", "fault");
  row(&of, runtime, "500 threads started", "start");
  program_end(&of.program);
}

int
main(int argc, char **argv)
{
  bench_begin(&argc, argv, "bench-idle");
  rows("Mono", "mono", "tests/bench/Load.exe");
  rows(".NET", "dotnet", "tests/bench/net/Load.dll");
  return bench_end();
}
