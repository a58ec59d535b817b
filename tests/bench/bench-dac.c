/* SPDX-License-Identifier: MIT */
/*
 * What the DAC host costs on a real .NET program: its start, the first list of modules, bodies of
 * code, IL maps, and the walk of a managed stack.
 */
#include "config.h"

#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cordbg/memory/target.h"
#include "runtime-shim/coreclr/coreclr.h"
#include "runtime-shim/coreclr/dac.h"
#include "tests/bench/bench.h"
#include "tests/bench/program.h"

enum { TIMES = 50, FRAMES = 30, FRAMES_MAX = 256 };

typedef struct measuring {
  program program;
  int tid;
  cordbg_tracer *tracer;
  cordbg_target *target;
  cordbg_runtime_info runtime;
  cordbg_dac *dac;
  uint64_t module, start;
  uint32_t token;
  struct user_regs_struct registers; /* in managed code */
  cordbg_error error;
} measuring;

static void
must(measuring *work, HRESULT hr, const char *what)
{
  if (FAILED(hr))
    bench_die("%s: 0x%08x %s", what, (unsigned)hr, work->error.sentence);
}

static void
start_program(measuring *work, const char *folder)
{
  g_autofree char *path = g_build_filename(folder, "tests/live/net/ShadowStack.dll", NULL);
  char *line[] = {(char *)"dotnet", path, NULL};
  char text[128];

  program_start(&work->program, line);
  for (int i = 0; i < 2; i++) { /* both threads are at work */
    program_await(&work->program, "shadow ", text, sizeof text);
    work->tid = (int)strtol(text + strlen("shadow "), NULL, 10);
  }
}

static double
measure_start(void *data)
{
  measuring *work = data;
  cordbg_dac *dac = NULL;
  uint64_t begun = bench_now();

  must(work,
       cordbg_dac_start(work->target, work->runtime.library, work->runtime.base, 0, &dac,
                        &work->error),
       "the host's start");
  double took = (double)(bench_now() - begun);
  cordbg_dac_destroy(dac);
  return took;
}

static double
list_modules(measuring *work, cordbg_dac *dac)
{
  cordbg_dac_module *modules = NULL;
  size_t count = 0;
  uint64_t begun = bench_now();

  must(work, cordbg_dac_modules(dac, &modules, &count, &work->error), "the list of modules");
  double took = (double)(bench_now() - begun);
  for (size_t i = 0; i < count; i++)
    if (g_str_has_suffix(modules[i].path, "/ShadowStack.dll"))
      work->module = modules[i].module;
  g_free(modules);
  return took;
}

static double
measure_first_modules(void *data)
{
  measuring *work = data;
  cordbg_dac *dac = NULL;

  must(work,
       cordbg_dac_start(work->target, work->runtime.library, work->runtime.base, 0, &dac,
                        &work->error),
       "the host's start");
  double took = list_modules(work, dac);
  cordbg_dac_destroy(dac);
  return took;
}

static double
measure_modules_after_a_stop(void *data)
{
  measuring *work = data;

  cordbg_dac_flush(work->dac);
  return list_modules(work, work->dac);
}

static double
measure_codes(void *data)
{
  measuring *work = data;
  uint64_t begun = bench_now();

  for (int i = 0; i < TIMES; i++) {
    cordbg_dac_code *codes = NULL;
    size_t count = 0;
    must(work, cordbg_dac_codes(work->dac, work->module, work->token, &codes, &count, &work->error),
         "bodies of code");
    g_free(codes);
  }
  return (double)(bench_now() - begun) / TIMES;
}

static double
measure_map(void *data)
{
  measuring *work = data;
  uint64_t begun = bench_now();

  for (int i = 0; i < TIMES; i++) {
    cordbg_rt_map *map = NULL;
    size_t count = 0;
    must(work, cordbg_dac_il_map(work->dac, work->start, &map, &count, &work->error), "an IL map");
    g_free(map);
  }
  return (double)(bench_now() - begun) / TIMES;
}

/* The walk of the managed frames, scaled to 30 of them. */
static double
measure_walk(void *data)
{
  measuring *work = data;
  unsigned frames = 0;
  uint64_t begun = bench_now();

  for (int i = 0; i < TIMES; i++) {
    struct user_regs_struct at = work->registers;
    bool innermost = true;
    for (unsigned depth = 0; depth < FRAMES_MAX; depth++, innermost = false) {
      cordbg_rt_frame_kind kind;
      cordbg_dac_code code;
      HRESULT hr =
          cordbg_dac_unwind(work->dac, work->tid, &at, innermost, &kind, &code, &at, &work->error);
      must(work, hr, "a frame");
      if (hr == S_FALSE)
        break;
      frames++;
    }
  }
  return (double)(bench_now() - begun) / frames * FRAMES;
}

/* Stops the thread in managed code, some frames deep. */
static void
stop_in_managed_code(measuring *work)
{
  cordbg_reply_stop stop;

  for (int i = 0; i < 1000; i++) {
    cordbg_registers now;
    cordbg_dac_code code;
    must(work, cordbg_tracer_stop(work->tracer, &stop, &work->error), "a stop");
    if (!work->dac)
      must(work,
           cordbg_dac_start(work->target, work->runtime.library, work->runtime.base, 0, &work->dac,
                            &work->error),
           "the host's start");
    cordbg_dac_flush(work->dac);
    list_modules(work, work->dac);
    must(work, cordbg_tracer_get_registers(work->tracer, work->tid, &now, &work->error),
         "registers");
    HRESULT hr = cordbg_dac_code_at(work->dac, now.general.rip, &code, &work->error);
    must(work, hr, "a body of code");
    if (hr == S_OK && code.module == work->module) {
      work->registers = now.general;
      work->start = code.start;
      work->token = code.token;
      return;
    }
    must(work, cordbg_tracer_continue(work->tracer, &work->error), "continue");
  }
  bench_die("the program is never in its own code");
}

static void
row(measuring *work, const char *name, const char *unit, double goal, bench_measure measure)
{
  bench_compare(&(bench_job){.row = name,
                             .unit = unit,
                             .threads = 1,
                             .ratio = BENCH_ALONE,
                             .goal = goal,
                             .ours = measure,
                             .data = work});
}

int
main(int argc, char **argv)
{
  measuring work = {.tid = 0};
  g_autofree char *dotnet = g_find_program_in_path("dotnet");
  const char *libexec = g_getenv("CORDBG_LIBEXEC");
  g_autofree char *folder = g_path_get_dirname(libexec ? libexec : "./libexec");

  bench_begin(&argc, argv, "bench-dac");
  if (dotnet == NULL) {
    bench_skip("DAC host", "dotnet is not installed");
    return bench_end();
  }
  start_program(&work, folder);
  must(&work, cordbg_tracer_start(&work.tracer, &work.error), "the tracer's start");
  must(&work, cordbg_tracer_attach(work.tracer, work.program.pid, &work.error), "attach");
  must(&work, cordbg_target_create(work.tracer, &work.target, &work.error), "the target");
  must(&work, cordbg_coreclr_ops.detect(work.program.pid, &work.runtime, &work.error), "detection");
  stop_in_managed_code(&work);
  row(&work, "DAC host's start", "ms", 7e6, measure_start);
  row(&work, "first list of modules", "ms", 0, measure_first_modules);
  row(&work, "list of modules after the target ran", "ms", 0, measure_modules_after_a_stop);
  row(&work, "bodies of a method's code, warm", "us", 0, measure_codes);
  row(&work, "IL map of a body, warm", "us", 0, measure_map);
  row(&work, "30 managed frames, warm", "us", 1e6, measure_walk);
  cordbg_dac_destroy(work.dac);
  cordbg_tracer_detach(work.tracer, NULL);
  cordbg_target_unref(work.target);
  program_end(&work.program);
  return bench_end();
}
