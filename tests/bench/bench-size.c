/* SPDX-License-Identifier: MIT */
/*
 * Memory of a session with 500 modules and 10,000 breakpoints, each on a method that has code: what
 * is resident of this program, which is the client and little else, and of the tracer. The DAC
 * host, which is mostly the runtime's own library, has a row of its own.
 */
#include "config.h"

#include <glib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "samples/driver.h"
#include "tests/bench/bench.h"
#include "tests/bench/program.h"

enum { METHODS = 20, BREAKPOINTS = 10000 };

typedef struct sized {
  program program;
  driver session;
  GPtrArray *breakpoints;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool replayed;
  double host; /* bytes; 0: there is none */
} sized;

static bool
on_load_module(void *data, ICorDebugModule *module)
{
  sized *of = data;
  for (int i = 0; i < METHODS; i++) {
    char name[64];
    driver_break wanted = {0};
    snprintf(name, sizeof name, "Debuggees.Twenty:M%02d", i);
    driver_parse_break(name, &wanted);
    unsigned set = driver_set_break(&wanted, module, of->breakpoints);
    driver_break_clear(&wanted);
    if (set == 0)
      break;
  }
  return true;
}

static bool
on_create_process(void *data, ICorDebugProcess *process)
{
  sized *of = data;
  if (of->session.process == NULL) {
    of->session.process = process;
    ICorDebugProcess_AddRef(process);
  }
  return true;
}

/* The replay ends with the threads. */
static bool
on_create_thread(void *data, ICorDebugThread *thread)
{
  sized *of = data;
  BOOL queued = TRUE;
  (void)thread;
  if (FAILED(ICorDebugProcess_HasQueuedCallbacks(of->session.process, NULL, &queued)) || queued)
    return true;
  pthread_mutex_lock(&of->lock);
  of->replayed = true;
  pthread_cond_signal(&of->changed);
  pthread_mutex_unlock(&of->lock);
  return true;
}

/* The number behind "name:" in its status. */
static long
status_number(long pid, const char *name)
{
  g_autofree char *path = g_strdup_printf("/proc/%ld/status", pid);
  g_autofree char *text = NULL;
  g_autofree char *line = g_strdup_printf("\n%s:", name);
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return 0;
  const char *at = strstr(text, line);
  return at ? strtol(at + strlen(line), NULL, 10) : 0;
}

static double
resident(long pid)
{
  return (double)status_number(pid, "VmRSS") * 1024;
}

/* Has it the target's memory open? */
static bool
looks_at(const char *pid, GPid target)
{
  g_autofree char *folder = g_strdup_printf("/proc/%s/fd", pid);
  g_autofree char *wanted = g_strdup_printf("/proc/%d/mem", target);
  g_autoptr(GDir) descriptors = g_dir_open(folder, 0, NULL);
  const char *name;
  while (descriptors && (name = g_dir_read_name(descriptors))) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *to = g_file_read_link(path, NULL);
    if (to && strcmp(to, wanted) == 0)
      return true;
  }
  return false;
}

/* The DAC host of the target: a process that nobody is told of. 0: none. */
static long
find_host(GPid target)
{
  g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
  const char *pid;
  while (processes && (pid = g_dir_read_name(processes))) {
    g_autofree char *path = g_strdup_printf("/proc/%s/comm", pid);
    g_autofree char *name = NULL;
    if (g_ascii_isdigit(*pid) && g_file_get_contents(path, &name, NULL, NULL) &&
        strcmp(name, "cordbg-dac\n") == 0 && looks_at(pid, target))
      return strtol(pid, NULL, 10);
  }
  return 0;
}

static double
measure_session(void *data)
{
  sized *of = data;
  const sample_hooks hooks = {.data = of,
                              .create_process = on_create_process,
                              .load_module = on_load_module,
                              .create_thread = on_create_thread};
  of->replayed = false;
  of->breakpoints = g_ptr_array_new();
  driver_start(&of->session, &hooks, (DWORD)of->program.pid, NULL);
  pthread_mutex_lock(&of->lock);
  while (!of->replayed)
    pthread_cond_wait(&of->changed, &of->lock);
  pthread_mutex_unlock(&of->lock);
  if (of->breakpoints->len != BREAKPOINTS)
    bench_die("%u breakpoints instead of %d", of->breakpoints->len, BREAKPOINTS);
  long host = find_host(of->program.pid);
  double size = resident(getpid()) + resident(status_number(of->program.pid, "TracerPid"));
  of->host = host ? resident(host) : 0;
  for (guint i = 0; i < of->breakpoints->len; i++) {
    ICorDebugFunctionBreakpoint *breakpoint = of->breakpoints->pdata[i];
    ICorDebugFunctionBreakpoint_Release(breakpoint);
  }
  g_ptr_array_free(of->breakpoints, TRUE);
  driver_end(&of->session);
  of->session = (driver){0};
  return size;
}

static double
host_of_last_session(void *data)
{
  return ((const sized *)data)->host;
}

static void
rows(const char *runtime, const char *host, const char *file, const char *twenty)
{
  sized of = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
  g_autofree char *row =
      g_strdup_printf("client and tracer, 10,000 breakpoints, 500 modules, %s", runtime);
  g_autofree char *second = g_strdup_printf("the DAC host of that session, %s", runtime);
  g_autofree char *found = g_find_program_in_path(host);
  char *argv[] = {(char *)(uintptr_t)host, (char *)(uintptr_t)file, NULL};
  char line[64];
  if (!bench_wanted(row))
    return;
  if (found == NULL || access(file, R_OK) != 0 || access(twenty, R_OK) != 0) {
    bench_skip(row, "the runtime or the compiled program is missing");
    return;
  }
  program_start(&of.program, argv);
  program_await(&of.program, "ready", line, sizeof line);
  dprintf(of.program.input, "load %s\n", twenty);
  program_await(&of.program, "took ", line, sizeof line);
  bench_job job = {.row = row,
                   .unit = "MiB",
                   .threads = 1,
                   .ratio = BENCH_ALONE,
                   .goal = 64 << 20,
                   .ours = measure_session,
                   .data = &of,
                   .rounds = 3};
  bench_compare(&job);
  if (of.host > 0) {
    job.row = second, job.goal = 0, job.ours = host_of_last_session, job.rounds = 1;
    bench_compare(&job);
  }
  program_end(&of.program);
}

int
main(int argc, char **argv)
{
  bench_begin(&argc, argv, "bench-size");
  rows("Mono", "mono", "tests/bench/Load.exe", "tests/bench/Twenty.exe");
  rows(".NET", "dotnet", "tests/bench/net/Load.dll", "tests/bench/net/Twenty.dll");
  return bench_end();
}
