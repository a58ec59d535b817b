/* SPDX-License-Identifier: MIT */
/*
 * What a client of ICorDebug waits for, on real Mono and .NET programs: attaching, a hit with its
 * callback, Stop and Continue, the notice that a wanted method was compiled. Uses the public
 * headers only; where there is a bare counterpart it is bare.h's, on a program with as many
 * threads.
 */
#include "config.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "samples/driver.h"
#include "tests/bench/bare.h"
#include "tests/bench/bench.h"

#define HITS 2000u
#define STOPS 100u

/* A runtime that programs are run with. */
typedef struct flavour {
  const char *name, *command;
  double attach_goal, many_goal, notice_goal; /* nanoseconds */
} flavour;

static const flavour mono = {"Mono", "mono", 5e6, 25e6, 100e3};
static const flavour net = {".NET", "dotnet", 12e6, 25e6, 300e3};
static const flavour *runtime = &mono;

/* A managed program that is at work. */
typedef struct program {
  GPid pid;
  int input;
  FILE *output;
} program;

/* One measured session. */
typedef struct measuring {
  program program;
  driver session;
  sample_hooks hooks;
  driver_break wanted;
  GPtrArray *breakpoints;
  hit_target bare;

  pthread_mutex_t lock; /* guards what follows: the callback thread writes, main waits */
  pthread_cond_t changed;
  bool replayed;
  uint64_t replayed_at;
  unsigned hits;
  uint64_t first_hit, last_hit;
} measuring;

static void
program_start(program *ret, const char *name, const char *const *arguments)
{
  const char *folder = g_getenv("CORDBG_DEBUGGEES");
  g_autofree char *file = g_strdup_printf(runtime == &mono ? "%s.exe" : "net/%s.dll", name);
  g_autofree char *path = g_build_filename(folder ? folder : "samples/debuggees", file, NULL);
  g_autoptr(GPtrArray) line = g_ptr_array_new();
  g_autoptr(GError) error = NULL;
  int output;
  char text[64];
  g_ptr_array_add(line, (char *)(uintptr_t)runtime->command);
  g_ptr_array_add(line, path);
  for (; *arguments; arguments++)
    g_ptr_array_add(line, (char *)*arguments);
  g_ptr_array_add(line, NULL);
  if (!g_spawn_async_with_pipes(NULL, (char **)line->pdata, NULL,
                                G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                                &ret->pid, &ret->input, &output, NULL, &error))
    bench_die("%s", error->message);
  ret->output = fdopen(output, "r");
  if (ret->output == NULL || fgets(text, sizeof text, ret->output) == NULL)
    bench_die("%s ended early", name);
}

static void
program_end(program *ended)
{
  kill(ended->pid, SIGKILL);
  waitpid(ended->pid, NULL, 0);
  close(ended->input);
  fclose(ended->output);
}

static unsigned
program_threads(const program *running)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/task", running->pid);
  g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
  unsigned count = 0;
  while (folder && g_dir_read_name(folder))
    count++;
  return count;
}

/* ---- Callbacks ---- */

/* The replay ends with the threads: the last of them has nothing queued behind it. */
static bool
on_create_thread(void *data, ICorDebugThread *thread)
{
  measuring *work = data;
  BOOL queued = TRUE;
  (void)thread;
  uint64_t now = bench_now();
  if (FAILED(ICorDebugProcess_HasQueuedCallbacks(work->session.process, NULL, &queued)) || queued)
    return true;
  pthread_mutex_lock(&work->lock);
  if (!work->replayed)
    work->replayed_at = now;
  work->replayed = true;
  pthread_cond_signal(&work->changed);
  pthread_mutex_unlock(&work->lock);
  return true;
}

static bool
on_create_process(void *data, ICorDebugProcess *process)
{
  measuring *work = data;
  if (work->session.process == NULL) {
    work->session.process = process;
    ICorDebugProcess_AddRef(process);
  }
  return true;
}

static bool
on_load_module(void *data, ICorDebugModule *module)
{
  measuring *work = data;
  if (work->wanted.text)
    driver_set_break(&work->wanted, module, work->breakpoints);
  return true;
}

static bool
on_breakpoint(void *data, ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint)
{
  measuring *work = data;
  (void)thread;
  (void)breakpoint;
  if (work->hits++ == 0)
    work->first_hit = bench_now();
  if (work->hits != HITS + 1)
    return true;
  pthread_mutex_lock(&work->lock);
  work->last_hit = bench_now();
  pthread_cond_signal(&work->changed);
  pthread_mutex_unlock(&work->lock);
  return true;
}

/* ---- Sessions ---- */

static void
attach(measuring *work)
{
  work->replayed = false;
  work->hits = 0;
  work->last_hit = 0;
  work->breakpoints = g_ptr_array_new();
  driver_start(&work->session, &work->hooks, (DWORD)work->program.pid, NULL);
  pthread_mutex_lock(&work->lock);
  while (!work->replayed)
    pthread_cond_wait(&work->changed, &work->lock);
  pthread_mutex_unlock(&work->lock);
}

static void
detach(measuring *work)
{
  for (guint i = 0; i < work->breakpoints->len; i++) {
    ICorDebugFunctionBreakpoint *breakpoint = work->breakpoints->pdata[i];
    ICorDebugFunctionBreakpoint_Release(breakpoint);
  }
  g_ptr_array_free(work->breakpoints, TRUE);
  driver_end(&work->session);
  work->session = (driver){0};
}

static double
measure_attach(void *data)
{
  measuring *work = data;
  uint64_t begun = bench_now();
  attach(work);
  double took = (double)(work->replayed_at - begun);
  detach(work);
  return took;
}

/* Both programs are busy: the one that is not measured must not take a CPU meanwhile. */
static void
take_turn(const measuring *work, pid_t measured)
{
  kill(work->program.pid, measured == work->program.pid ? SIGCONT : SIGSTOP);
  kill(work->bare.pid, measured == work->bare.pid ? SIGCONT : SIGSTOP);
}

static double
measure_hits(void *data)
{
  measuring *work = data;
  take_turn(work, work->program.pid);
  driver_parse_break("Debuggees.Counter:Tick", &work->wanted);
  attach(work);
  pthread_mutex_lock(&work->lock);
  while (work->last_hit == 0)
    pthread_cond_wait(&work->changed, &work->lock);
  pthread_mutex_unlock(&work->lock);
  detach(work);
  return (double)(work->last_hit - work->first_hit) / HITS;
}

static double
measure_bare_hits(void *data)
{
  measuring *work = data;
  bare_session bare;
  take_turn(work, work->bare.pid);
  bare_attach(&bare, &work->bare);
  double took = bare_hits(&bare, (uint64_t)(uintptr_t)hit_emulated, true, HITS);
  bare_detach(&bare);
  return took;
}

/* The last callback of the replay has not continued yet: Stop would only count. */
static void
await_running(const measuring *work)
{
  BOOL running = FALSE;
  while (!running) {
    if (FAILED(ICorDebugProcess_IsRunning(work->session.process, &running)))
      bench_die("IsRunning: %s", cordbg_last_error(NULL, NULL, NULL));
    if (!running)
      g_usleep(100);
  }
}

static double
measure_stops(void *data)
{
  measuring *work = data;
  take_turn(work, work->program.pid);
  work->wanted = (driver_break){0};
  attach(work);
  await_running(work);
  uint64_t begun = bench_now();
  for (unsigned i = 0; i < STOPS; i++)
    if (FAILED(ICorDebugProcess_Stop(work->session.process, 5000)) ||
        FAILED(ICorDebugProcess_Continue(work->session.process, FALSE)))
      bench_die("Stop and Continue: %s", cordbg_last_error(NULL, NULL, NULL));
  double took = (double)(bench_now() - begun) / STOPS;
  detach(work);
  return took;
}

static double
measure_bare_stops(void *data)
{
  measuring *work = data;
  bare_session bare;
  take_turn(work, work->bare.pid);
  bare_attach(&bare, &work->bare);
  double took = bare_stops(&bare, STOPS);
  bare_detach(&bare);
  return took;
}

/* Asks the program to compile a batch; nanoseconds for one. */
static double
compile_batch(program *running)
{
  char text[64];
  if (write(running->input, "\n", 1) != 1 || fgets(text, sizeof text, running->output) == NULL)
    bench_die("FreshMethods ended early");
  return g_ascii_strtod(text, NULL) * 1000;
}

static double
measure_compile(measuring *work, const char *wanted)
{
  work->wanted = (driver_break){0};
  if (wanted)
    driver_parse_break(wanted, &work->wanted);
  attach(work);
  double took = compile_batch(&work->program);
  detach(work);
  return took;
}

static double
measure_wanted(void *data)
{
  return measure_compile(data, "Debuggees.FreshMethods:Fresh");
}

static double
measure_unwanted(void *data)
{
  return measure_compile(data, NULL);
}

/* ---- Rows ---- */

static void
attach_row(measuring *work, const char *what, double goal, const char *name,
           const char *const *arguments)
{
  g_autofree char *row =
      g_strdup_printf("attach to the last replayed callback, %s%s", runtime->name, what);
  if (!bench_wanted(row))
    return;
  work->wanted = (driver_break){0};
  program_start(&work->program, name, arguments);
  bench_compare(&(bench_job){.row = row,
                             .unit = "ms",
                             .threads = program_threads(&work->program),
                             .ratio = BENCH_ALONE,
                             .goal = goal,
                             .ours = measure_attach,
                             .data = work});
  program_end(&work->program);
}

static void
hit_row(measuring *work)
{
  g_autofree char *row =
      g_strdup_printf("hit, callback, Continue by ICorDebug, %s, 1 busy", runtime->name);
  const char *const arguments[] = {"120", "0", NULL};
  if (!bench_wanted(row))
    return;
  program_start(&work->program, "Counter", arguments);
  unsigned threads = program_threads(&work->program);
  hit_target_start(&work->bare, 1, threads - 1, false, 4096);
  bench_compare(&(bench_job){.row = row,
                             .unit = "us",
                             .threads = threads,
                             .ratio = BENCH_AT_LEAST,
                             .goal = 0.5,
                             .ours = measure_hits,
                             .bare = measure_bare_hits,
                             .data = work,
                             .rounds = 7});
  hit_target_end(&work->bare);
  program_end(&work->program);
}

static void
stop_row(measuring *work)
{
  g_autofree char *row =
      g_strdup_printf("Stop and Continue by ICorDebug, %s, 8 busy", runtime->name);
  const char *const arguments[] = {"120", "8", NULL};
  if (!bench_wanted(row))
    return;
  program_start(&work->program, "ManyThreads", arguments);
  unsigned threads = program_threads(&work->program);
  hit_target_start(&work->bare, 8, threads - 8, false, 4096);
  bench_compare(&(bench_job){.row = row,
                             .unit = "us",
                             .threads = threads,
                             .ratio = BENCH_AT_LEAST,
                             .goal = 0.5,
                             .ours = measure_stops,
                             .bare = measure_bare_stops,
                             .data = work,
                             .rounds = 7});
  hit_target_end(&work->bare);
  program_end(&work->program);
}

static void
compile_row(measuring *work)
{
  g_autofree char *row =
      g_strdup_printf("notice of a wanted method's compilation, %s", runtime->name);
  const char *const none[] = {NULL};
  if (!bench_wanted(row))
    return;
  program_start(&work->program, "FreshMethods", none);
  bench_compare(&(bench_job){.row = row,
                             .unit = "us",
                             .threads = program_threads(&work->program),
                             .ratio = BENCH_BEYOND,
                             .goal = runtime->notice_goal,
                             .ours = measure_wanted,
                             .bare = measure_unwanted,
                             .data = work,
                             .rounds = 9});
  program_end(&work->program);
}

int
main(int argc, char **argv)
{
  measuring work = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
  const char *const idle[] = {"120", "1000", NULL};
  const char *const busy[] = {"120", "8", NULL};
  const char *const many[] = {"120", "1", "0", "0", "195", NULL};
  const flavour *const both[] = {&mono, &net};

  work.hooks = (sample_hooks){.data = &work,
                              .create_process = on_create_process,
                              .load_module = on_load_module,
                              .create_thread = on_create_thread,
                              .breakpoint = on_breakpoint};
  bench_begin(&argc, argv, "bench-session");
  for (size_t i = 0; i < G_N_ELEMENTS(both); i++) {
    runtime = both[i];
    g_autofree char *command = g_find_program_in_path(runtime->command);
    if (command == NULL) {
      g_autofree char *reason = g_strdup_printf("%s is not installed", runtime->command);
      bench_skip(runtime->name, reason);
      continue;
    }
    attach_row(&work, " idle", runtime->attach_goal, "Counter", idle);
    attach_row(&work, ", 8 busy", runtime->attach_goal, "ManyThreads", busy);
    attach_row(&work, ", 200 threads", runtime->many_goal, "ManyThreads", many);
    hit_row(&work);
    stop_row(&work);
    compile_row(&work);
  }
  return bench_end();
}
