/* SPDX-License-Identifier: MIT */
/*
 * Stacks: a mixed walk of 30 frames and lookups of names, warm, in a session on a real managed
 * program (tests/live/Transitions.cs); and samples/stack on a native program of 50 threads beside
 * gdb (and lldb where it is installed) doing the same, each started anew.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "samples/driver.h"
#include "tests/bench/bench.h"
#include "tests/bench/program.h"

enum { FRAMES = 30, LOOKUPS = 10000, SEEK_MAX = 20000, THREADS = 50, ROUNDS = 5 };

typedef struct work {
  program program;
  int tid;
  driver session;
  HANDLE process, thread;
  CONTEXT context; /* from which at least FRAMES frames lead outwards */
  DWORD64 managed[FRAMES], native[FRAMES];
  unsigned managed_count, native_count;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool ready;
} work;

/* ------------------------------------------------------------------ a managed program */

static bool
on_create_thread(void *data, ICorDebugThread *thread)
{
  work *w = data;

  (void)thread;
  pthread_mutex_lock(&w->lock);
  w->ready = true;
  pthread_cond_signal(&w->changed);
  pthread_mutex_unlock(&w->lock);
  return true;
}

static int
start_program(work *w, const char *host, const char *file)
{
  const char *folder = g_getenv("CORDBG_DEBUGGEES");
  g_autofree char *base =
      g_build_filename(folder ? folder : "samples/debuggees", "../../tests/live", NULL);
  g_autofree char *path = g_build_filename(base, file, NULL);
  g_autofree char *libraries = g_build_filename(base, ".libs", NULL);
  char *argv[] = {(char *)host, path, NULL};
  g_autofree char *found = g_find_program_in_path(host);
  char line[256];

  if (!found || !g_file_test(path, G_FILE_TEST_EXISTS))
    return -1;
  g_setenv("LD_LIBRARY_PATH", libraries, TRUE);
  program_start(&w->program, argv);
  g_unsetenv("LD_LIBRARY_PATH");
  program_await(&w->program, "shadow ", line, sizeof(line));
  w->tid = (int)strtol(line + strlen("shadow "), NULL, 10);
  return 0;
}

static unsigned
walk(const work *w, unsigned most, DWORD64 *pcs)
{
  CONTEXT context = w->context;
  STACKFRAME64 frame = {0};
  unsigned count = 0;

  while (count < most && StackWalk64(IMAGE_FILE_MACHINE_AMD64, w->process, w->thread, &frame,
                                     &context, NULL, NULL, NULL, NULL)) {
    pcs[count] = frame.AddrPC.Offset - (count > 0);
    count++;
  }
  return count;
}

static BOOL
name_of(const work *w, DWORD64 address, bool *managed)
{
  union {
    SYMBOL_INFO info;
    char room[sizeof(SYMBOL_INFO) + 512];
  } symbol = {.info = {.SizeOfStruct = sizeof(SYMBOL_INFO), .MaxNameLen = 512}};
  BOOL ok = SymFromAddr(w->process, address, NULL, &symbol.info);

  *managed = ok && symbol.info.Index != 0;
  return ok;
}

/* Stops where the stack is deep enough and has frames of both kinds. */
static void
seek_depth(work *w)
{
  ICorDebugProcess *process = w->session.process;

  for (unsigned i = 0; i < SEEK_MAX; i++) {
    DWORD64 pcs[FRAMES];

    g_usleep(200);
    if (FAILED(ICorDebugProcess_Stop(process, 0)))
      bench_die("%s", cordbg_last_error(NULL, NULL, NULL));
    w->context.ContextFlags = CONTEXT_FULL;
    if (FAILED(ICorDebugProcess_GetThreadContext(process, (DWORD)w->tid, sizeof(w->context),
                                                 (BYTE *)&w->context)))
      bench_die("%s", cordbg_last_error(NULL, NULL, NULL));
    w->managed_count = w->native_count = 0;
    if (walk(w, FRAMES, pcs) == FRAMES) {
      for (unsigned k = 0; k < FRAMES; k++) {
        bool managed;

        if (!name_of(w, pcs[k], &managed))
          continue;
        if (managed)
          w->managed[w->managed_count++] = pcs[k];
        else
          w->native[w->native_count++] = pcs[k];
      }
      if (w->managed_count >= 8 && w->native_count >= 4)
        return;
    }
    ICorDebugProcess_Continue(process, FALSE);
  }
  bench_die("no stack of %d frames was met", FRAMES);
}

static double
walk_30(void *data)
{
  const work *w = data;
  DWORD64 pcs[FRAMES];
  uint64_t start = bench_now();

  if (walk(w, FRAMES, pcs) != FRAMES)
    return -1;
  return (double)(bench_now() - start);
}

static double
look_up(const work *w, const DWORD64 *addresses, unsigned count)
{
  uint64_t start = bench_now();
  bool managed;

  for (unsigned i = 0; i < LOOKUPS; i++)
    if (!name_of(w, addresses[i % count], &managed))
      return -1;
  return (double)(bench_now() - start);
}

static double
look_up_native(void *data)
{
  const work *w = data;

  return look_up(w, w->native, w->native_count);
}

static double
look_up_managed(void *data)
{
  const work *w = data;

  return look_up(w, w->managed, w->managed_count);
}

static void
measure_session(const char *name, const char *host, const char *file)
{
  static work w;
  g_autofree char *stack = g_strdup_printf("mixed stack of 30 frames, warm, %s", name);
  g_autofree char *native = g_strdup_printf("10,000 SymFromAddr, native, warm, %s", name);
  g_autofree char *managed = g_strdup_printf("10,000 SymFromAddr, managed, warm, %s", name);
  const sample_hooks hooks = {.data = &w, .create_thread = on_create_thread};
  ICorDebugThread *thread = NULL;

  if (!bench_wanted(stack) && !bench_wanted(native) && !bench_wanted(managed))
    return;
  memset(&w, 0, sizeof(w));
  pthread_mutex_init(&w.lock, NULL);
  pthread_cond_init(&w.changed, NULL);
  if (start_program(&w, host, file) != 0) {
    bench_skip(stack, "the runtime or the compiled program is missing");
    return;
  }
  driver_start(&w.session, &hooks, (DWORD)w.program.pid, NULL);
  pthread_mutex_lock(&w.lock);
  while (!w.ready)
    pthread_cond_wait(&w.changed, &w.lock);
  pthread_mutex_unlock(&w.lock);
  ICorDebugProcess_Stop(w.session.process, 0);
  if (FAILED(ICorDebugProcess_GetHandle(w.session.process, &w.process)) ||
      FAILED(ICorDebugProcess_GetThread(w.session.process, (DWORD)w.tid, &thread)) ||
      FAILED(ICorDebugThread_GetHandle(thread, &w.thread)))
    bench_die("%s", cordbg_last_error(NULL, NULL, NULL));
  ICorDebugThread_Release(thread);
  ICorDebugProcess_Continue(w.session.process, FALSE);
  seek_depth(&w);
  bench_job job = {.row = stack,
                   .unit = "us",
                   .threads = 2,
                   .ratio = BENCH_ALONE,
                   .goal = 1e6,
                   .ours = walk_30,
                   .data = &w};
  bench_compare(&job);
  job.row = native, job.unit = "ms", job.goal = 20e6, job.ours = look_up_native;
  bench_compare(&job);
  job.row = managed, job.ours = look_up_managed;
  bench_compare(&job);
  CloseHandle(w.thread);
  CloseHandle(w.process);
  driver_end(&w.session);
  program_end(&w.program);
}

/* ------------------------------------------------------------------ beside gdb and lldb */

static volatile int enough;

static void __attribute__((noinline)) parked(int depth)
{
  if (depth > 0)
    parked(depth - 1);
  else
    while (!enough)
      pause();
  __asm__ volatile(""); /* no tail call */
}

static void *
park(void *data)
{
  parked(10);
  return data;
}

static pid_t
start_parked(void)
{
  int ready[2];
  char byte;
  pid_t pid;

  if (pipe(ready) != 0 || (pid = fork()) < 0)
    bench_die("fork");
  if (pid == 0) {
    pthread_t thread;

    program_ends_with_bench();
    for (int i = 1; i < THREADS; i++)
      if (pthread_create(&thread, NULL, park, NULL) != 0)
        _exit(1);
    if (write(ready[1], "", 1) != 1)
      _exit(1);
    park(NULL);
    _exit(0);
  }
  close(ready[1]);
  if (read(ready[0], &byte, 1) != 1)
    bench_die("a program of %d threads cannot be started", THREADS);
  close(ready[0]);
  return pid;
}

/* Runs a command that shows the stacks of all threads; its time, once it is seen to have done so.
 */
static double
time_command(const char *command)
{
  g_autofree char *output = NULL;
  unsigned frames = 0;
  int status = -1;
  uint64_t start = bench_now();

  if (!g_spawn_command_line_sync(command, &output, NULL, &status, NULL) || status != 0)
    return -1;
  double took = (double)(bench_now() - start);
  for (const char *at = output; (at = strstr(at, "parked")); at++)
    frames++;
  return frames >= THREADS * 10 ? took : -1;
}

typedef struct commands {
  char *ours, *theirs;
} commands;

static double
show_ours(void *data)
{
  return time_command(((commands *)data)->ours);
}

static double
show_theirs(void *data)
{
  return time_command(((commands *)data)->theirs);
}

static void
compare_with(const char *debugger, const char *format)
{
  g_autofree char *row = g_strdup_printf("samples/stack / %s, all stacks of a process", debugger);
  g_autofree char *found = g_find_program_in_path(debugger);
  commands both = {0};
  pid_t pid;

  if (!bench_wanted(row))
    return;
  if (!found) {
    g_autofree char *reason = g_strdup_printf("%s is not installed", debugger);

    bench_skip(row, reason);
    return;
  }
  pid = start_parked();
  /* The program itself, without the script that libtool puts before it in a build folder. */
  both.ours = g_file_test("samples/.libs/stack", G_FILE_TEST_IS_EXECUTABLE)
                  ? g_strdup_printf("env LD_LIBRARY_PATH=.libs samples/.libs/stack %d", (int)pid)
                  : g_strdup_printf("samples/stack %d", (int)pid);
  both.theirs = g_strdup_printf(format, (int)pid);
  bench_compare(&(bench_job){.row = row,
                             .unit = "ms",
                             .threads = THREADS,
                             .ratio = BENCH_AT_MOST,
                             .goal = 0.1,
                             .ours = show_ours,
                             .bare = show_theirs,
                             .data = &both,
                             .rounds = ROUNDS});
  g_free(both.ours);
  g_free(both.theirs);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

int
main(int argc, char **argv)
{
  bench_begin(&argc, argv, "bench-stack");
  compare_with("gdb", "gdb -batch -nx -ex 'thread apply all bt' -p %d");
  compare_with("lldb", "lldb -b -x -o 'thread backtrace all' -p %d");
  measure_session("Mono", "mono", "Transitions.exe");
  measure_session(".NET Debug", "dotnet", "net/Transitions.dll");
  measure_session(".NET Release", "dotnet", "net/release/Transitions.dll");
  return bench_end();
}
