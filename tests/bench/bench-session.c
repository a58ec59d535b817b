/* SPDX-License-Identifier: MIT */
/*
 * What a client of ICorDebug waits for, on real Mono and .NET programs: attaching, a hit with its
 * callback, Stop and Continue, the notice that a wanted method was compiled. Uses the public
 * headers only; where there is a bare counterpart it is bare.h's, on a program with as many
 * threads. Beside the rows of .NET, Microsoft's libmscordbi does the same through the same
 * functions, on the same program:
 *
 *   bench-session --libmscordbi LIBRARY PID JOB     one measurement, in a process of its own
 */
#include "config.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cordbg/cormeta.h"
#include "samples/driver.h"
#include "tests/bench/bare.h"
#include "tests/bench/bench.h"
#include "tests/bench/program.h"
#include "tests/live/mscordbi.h"

#define HITS 2000u
#define STOPS 100u
#define READS 200u
#define READ_MAX (1u << 20)
#define PATIENCE_S 60u

/* A runtime that programs are run with. */
typedef struct flavour {
  const char *name, *command;
  double attach_goal, many_goal, notice_goal; /* nanoseconds */
} flavour;

static const flavour mono = {"Mono", "mono", 5e6, 25e6, 100e3};
static const flavour net = {".NET", "dotnet", 12e6, 25e6, 300e3};
static const flavour *runtime = &mono;

/* One measured session. */
typedef struct measuring {
  program program;
  driver session;
  sample_hooks hooks;
  driver_break wanted;
  GPtrArray *breakpoints;
  hit_target bare;
  void *library;    /* Microsoft's, in the process that measures it */
  const char *job;  /* of that process */
  const char *name; /* of a program that each round starts anew */
  const char *const *arguments;
  DWORD size;               /* of a read */
  double reads, bare_reads; /* of the last session; 0: taken */

  pthread_mutex_t lock; /* guards what follows: the callback thread writes, main waits */
  pthread_cond_t changed;
  bool replayed;
  uint64_t replayed_at;
  unsigned hits;
  uint64_t first_hit, last_hit;
} measuring;

static void
start_managed(program *ret, const char *name, const char *const *arguments)
{
  const char *folder = g_getenv("CORDBG_DEBUGGEES");
  g_autofree char *file = g_strdup_printf(runtime == &mono ? "%s.exe" : "net/%s.dll", name);
  g_autofree char *path = g_build_filename(folder ? folder : "samples/debuggees", file, NULL);
  g_autoptr(GPtrArray) line = g_ptr_array_new();
  char text[64];
  g_ptr_array_add(line, (char *)(uintptr_t)runtime->command);
  g_ptr_array_add(line, path);
  for (; *arguments; arguments++)
    g_ptr_array_add(line, (char *)*arguments);
  g_ptr_array_add(line, NULL);
  program_start(ret, (char *const *)line->pdata);
  program_await(ret, "", text, sizeof text);
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

/* driver_set_break is for modules of cordbg's only. */
static void
break_by_metadata(const driver_break *wanted, ICorDebugModule *module)
{
  IMetaDataImport *import = NULL;
  ICorDebugFunction *function = NULL;
  ICorDebugFunctionBreakpoint *breakpoint = NULL;
  mdTypeDef type = 0;
  mdMethodDef method = 0;
  g_autofree gunichar2 *type_name = g_utf8_to_utf16(wanted->type, -1, NULL, NULL, NULL);
  g_autofree gunichar2 *name = g_utf8_to_utf16(wanted->method, -1, NULL, NULL, NULL);
  if (FAILED(
          ICorDebugModule_GetMetaDataInterface(module, &IID_IMetaDataImport, (IUnknown **)&import)))
    return;
  if (SUCCEEDED(IMetaDataImport_FindTypeDefByName(import, (LPCWSTR)type_name, 0, &type)) &&
      SUCCEEDED(IMetaDataImport_FindMethod(import, type, (LPCWSTR)name, NULL, 0, &method)) &&
      SUCCEEDED(ICorDebugModule_GetFunctionFromToken(module, method, &function))) {
    if (SUCCEEDED(ICorDebugFunction_CreateBreakpoint(function, &breakpoint)))
      ICorDebugFunctionBreakpoint_Release(breakpoint);
    ICorDebugFunction_Release(function);
  }
  IMetaDataImport_Release(import);
}

static bool
on_load_module(void *data, ICorDebugModule *module)
{
  measuring *work = data;
  if (work->wanted.text && work->library)
    break_by_metadata(&work->wanted, module);
  else if (work->wanted.text)
    driver_set_break(&work->wanted, module, work->breakpoints);
  return true;
}

static bool
on_breakpoint(void *data, ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint)
{
  measuring *work = data;
  (void)thread;
  if (work->hits++ == 0)
    work->first_hit = bench_now();
  if (work->hits != HITS + 1)
    return true;
  pthread_mutex_lock(&work->lock);
  work->last_hit = bench_now();
  if (work->library)
    ICorDebugBreakpoint_Activate(breakpoint, FALSE); /* else it does not detach */
  pthread_cond_signal(&work->changed);
  pthread_mutex_unlock(&work->lock);
  return true;
}

/* ---- Sessions ---- */

static void
start_microsofts(measuring *work, DWORD pid)
{
  IUnknown *unknown = NULL;
  work->session = (driver){.pid = pid};
  HRESULT hr = mscordbi_create(work->library, pid, &unknown);
  if (SUCCEEDED(hr))
    hr = unknown->lpVtbl->QueryInterface(unknown, &IID_ICorDebug, (void **)&work->session.cordebug);
  if (SUCCEEDED(hr))
    hr = ICorDebug_Initialize(work->session.cordebug);
  if (FAILED(hr))
    bench_die("libmscordbi does not begin: 0x%08x", (unsigned)hr);
  unknown->lpVtbl->Release(unknown);
  ICorDebugManagedCallback *managed = sample_managed_callback(&work->hooks);
  ICorDebug_SetManagedHandler(work->session.cordebug, managed);
  ICorDebugManagedCallback_Release(managed);
  hr = ICorDebug_DebugActiveProcess(work->session.cordebug, pid, FALSE, &work->session.process);
  if (FAILED(hr))
    bench_die("libmscordbi does not attach: 0x%08x", (unsigned)hr);
}

static void
attach(measuring *work)
{
  work->replayed = false;
  work->hits = 0;
  work->last_hit = 0;
  work->breakpoints = g_ptr_array_new();
  if (work->library)
    start_microsofts(work, (DWORD)work->program.pid);
  else
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
  if (work->library) {
    HRESULT hr = mscordbi_leave(work->session.process);
    if (FAILED(hr))
      bench_die("libmscordbi does not detach: 0x%08x", (unsigned)hr);
  } else {
    driver_end(&work->session);
  }
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

/* Of a program that no debugger has seen: Mono's then has no agent in it yet. */
static double
measure_first_attach(void *data)
{
  measuring *work = data;
  start_managed(&work->program, work->name, work->arguments);
  double took = measure_attach(work);
  program_end(&work->program);
  return took;
}

/* Both programs are busy: the one that is not measured must not take a CPU meanwhile. */
static void
take_turn(const measuring *work, pid_t measured)
{
  if (work->bare.pid == 0)
    return; /* Microsoft's turn: our parent took it */
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

/* One for all: how fast a copy is depends on where it begins in a page. */
static _Alignas(4096) BYTE buffer[READ_MAX];

static double
time_reads(measuring *work, CORDB_ADDRESS address, unsigned count)
{
  SIZE_T got = 0;
  uint64_t begun = bench_now();
  for (unsigned i = 0; i < count; i++)
    if (FAILED(ICorDebugProcess_ReadMemory(work->session.process, address, work->size, buffer,
                                           &got)) ||
        got != work->size)
      bench_die("ReadMemory: %s", cordbg_last_error(NULL, NULL, NULL));
  return (double)(bench_now() - begun) / count;
}

static double
time_bare_reads(const measuring *work, CORDB_ADDRESS address, unsigned count)
{
  struct iovec here = {buffer, work->size}, there = {(void *)(uintptr_t)address, work->size};
  uint64_t begun = bench_now();
  for (unsigned i = 0; i < count; i++)
    if (process_vm_readv(work->program.pid, &here, 1, &there, 1, 0) != (ssize_t)work->size)
      bench_die("process_vm_readv: %s", g_strerror(errno));
  return (double)(bench_now() - begun) / count;
}

/* Both ways by turns, in one stop: microseconds apart they find the same caches and processor. */
static void
measure_both_reads(measuring *work)
{
  CORDB_ADDRESS address = mscordbi_runtime((DWORD)work->program.pid, work->size);
  unsigned count = work->size < READ_MAX ? 16 : 1;
  double ours[READS], bare[READS];
  work->wanted = (driver_break){0};
  attach(work);
  await_running(work);
  if (FAILED(ICorDebugProcess_Stop(work->session.process, 5000)))
    bench_die("Stop: %s", cordbg_last_error(NULL, NULL, NULL));
  time_reads(work, address, count); /* touches the pages */
  for (unsigned i = 0; i < READS; i++) {
    ours[i] = time_reads(work, address, count);
    bare[i] = time_bare_reads(work, address, count);
  }
  work->reads = bench_median(ours, READS);
  work->bare_reads = bench_median(bare, READS);
  ICorDebugProcess_Continue(work->session.process, FALSE);
  detach(work);
}

/* What the last session measured of this, once. */
static double
measured_reads(measuring *work, double *figure)
{
  if (*figure <= 0)
    measure_both_reads(work);
  double took = *figure;
  *figure = 0;
  return took;
}

static double
measure_reads(void *data)
{
  measuring *work = data;
  return measured_reads(work, &work->reads);
}

static double
measure_bare_reads(void *data)
{
  measuring *work = data;
  return measured_reads(work, &work->bare_reads);
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

/* ---- Microsoft's debugger ---- */

static const struct {
  const char *job;
  bench_measure measure;
  DWORD size;
} microsofts[] = {
    {"attach", measure_attach, 0},
    {"hits", measure_hits, 0},
    {"stops", measure_stops, 0},
    {"read 4 KiB", measure_reads, 4096},
    {"read 1 MiB", measure_reads, READ_MAX},
};

/* The process of one measurement: prints the nanoseconds. */
static int
run_microsofts(measuring *work, char **argv)
{
  alarm(PATIENCE_S); /* it waits without an end when its side in the target does not answer */
  work->library = mscordbi_open(argv[2]);
  work->program.pid = (GPid)driver_parse_pid(argv[3]);
  for (size_t i = 0; work->library && i < G_N_ELEMENTS(microsofts); i++) {
    if (strcmp(microsofts[i].job, argv[4]) != 0)
      continue;
    work->size = microsofts[i].size;
    printf("%.1f\n", microsofts[i].measure(work));
    fflush(stdout);
    _exit(0); /* its threads are still there */
  }
  return 1;
}

static char *
find_microsofts(void)
{
  char path[4096];
  return mscordbi_find(path, sizeof path) ? g_strdup(path) : NULL;
}

static double
measure_microsofts(void *data)
{
  measuring *work = data;
  g_autofree char *library = find_microsofts();
  g_autofree char *pid = g_strdup_printf("%d", work->program.pid);
  g_autofree char *output = NULL;
  char *line[] = {(char *)(uintptr_t) "/proc/self/exe",
                  (char *)(uintptr_t) "--libmscordbi",
                  library,
                  pid,
                  (char *)(uintptr_t)work->job,
                  NULL};
  int status;
  take_turn(work, work->program.pid);
  if (!g_spawn_sync(NULL, line, NULL, G_SPAWN_DEFAULT, NULL, NULL, &output, NULL, &status, NULL) ||
      status != 0)
    return -1;
  return g_ascii_strtod(output, NULL);
}

/* Beside a row of cordbg's, on the program that is still at work. */
static void
microsofts_row(measuring *work, const char *row, const char *unit, unsigned threads,
               const char *job)
{
  g_autofree char *named = g_strdup_printf("libmscordbi: %s", row);
  g_autofree char *library = runtime == &net ? find_microsofts() : NULL;
  if (runtime != &net || !bench_wanted(named))
    return;
  work->job = job;
  if (library == NULL)
    bench_skip(named, "libmscordbi.so is not there");
  else if (measure_microsofts(work) < 0)
    bench_skip(named, "libmscordbi does not do it on this machine");
  else
    bench_compare(&(bench_job){.row = named,
                               .unit = unit,
                               .threads = threads,
                               .ratio = BENCH_ALONE,
                               .ours = measure_microsofts,
                               .data = work,
                               .rounds = 5});
}

/* ---- Rows ---- */

/* Whether the row, or Microsoft's beside it, is to be measured. */
static bool
wanted(const char *row)
{
  g_autofree char *named = g_strdup_printf("libmscordbi: %s", row);
  return bench_wanted(runtime == &net ? named : row);
}

static void
attach_row(measuring *work, const char *what, double goal, const char *name,
           const char *const *arguments)
{
  g_autofree char *row =
      g_strdup_printf("attach to the last replayed callback, %s%s", runtime->name, what);
  if (!wanted(row))
    return;
  work->wanted = (driver_break){0};
  start_managed(&work->program, name, arguments);
  unsigned threads = program_threads(&work->program);
  bench_compare(&(bench_job){.row = row,
                             .unit = "ms",
                             .threads = threads,
                             .ratio = BENCH_ALONE,
                             .goal = goal,
                             .ours = measure_attach,
                             .data = work});
  microsofts_row(work, row, "ms", threads, "attach");
  program_end(&work->program);
}

static void
first_attach_row(measuring *work, const char *what, const char *name, const char *const *arguments)
{
  g_autofree char *row = g_strdup_printf("first attach to a program, %s%s", runtime->name, what);
  if (!bench_wanted(row))
    return;
  work->wanted = (driver_break){0};
  work->name = name;
  work->arguments = arguments;
  start_managed(&work->program, name, arguments);
  unsigned threads = program_threads(&work->program);
  program_end(&work->program);
  bench_compare(&(bench_job){.row = row,
                             .unit = "ms",
                             .threads = threads,
                             .ratio = BENCH_ALONE,
                             .goal = runtime->many_goal,
                             .ours = measure_first_attach,
                             .data = work});
}

static void
hit_row(measuring *work)
{
  g_autofree char *row =
      g_strdup_printf("hit, callback, Continue by ICorDebug, %s, 1 busy", runtime->name);
  const char *const arguments[] = {"120", "0", NULL};
  if (!wanted(row))
    return;
  start_managed(&work->program, "Counter", arguments);
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
  microsofts_row(work, row, "us", threads, "hits");
  hit_target_end(&work->bare);
  work->bare = (hit_target){0};
  program_end(&work->program);
}

static void
stop_row(measuring *work)
{
  g_autofree char *row =
      g_strdup_printf("Stop and Continue by ICorDebug, %s, 8 busy", runtime->name);
  const char *const arguments[] = {"120", "8", NULL};
  if (!wanted(row))
    return;
  start_managed(&work->program, "ManyThreads", arguments);
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
  microsofts_row(work, row, "us", threads, "stops");
  hit_target_end(&work->bare);
  work->bare = (hit_target){0};
  program_end(&work->program);
}

static void
read_row(measuring *work, const char *what, DWORD size, double goal, const char *job)
{
  g_autofree char *row = g_strdup_printf("ReadMemory by ICorDebug, %s, %s", runtime->name, what);
  const char *const idle[] = {"120", "1000", NULL};
  if (runtime != &net || !wanted(row))
    return;
  start_managed(&work->program, "Counter", idle);
  work->size = size;
  unsigned threads = program_threads(&work->program);
  bench_compare(&(bench_job){.row = row,
                             .unit = "us",
                             .threads = threads,
                             .ratio = BENCH_AT_MOST,
                             .goal = goal,
                             .ours = measure_reads,
                             .bare = measure_bare_reads,
                             .data = work,
                             .rounds = 7});
  microsofts_row(work, row, "us", threads, job);
  program_end(&work->program);
}

static void
compile_row(measuring *work)
{
  g_autofree char *row =
      g_strdup_printf("notice of a wanted method's compilation, %s", runtime->name);
  const char *const none[] = {NULL};
  if (!wanted(row))
    return;
  start_managed(&work->program, "FreshMethods", none);
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
  if (argc == 5 && strcmp(argv[1], "--libmscordbi") == 0)
    return run_microsofts(&work, argv);
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
    first_attach_row(&work, " idle", "Counter", idle);
    first_attach_row(&work, ", 200 threads", "ManyThreads", many);
    hit_row(&work);
    stop_row(&work);
    read_row(&work, "4 KiB", 4096, 1.1, "read 4 KiB");
    read_row(&work, "1 MiB", READ_MAX, 1.03, "read 1 MiB");
    compile_row(&work);
  }
  return bench_end();
}
