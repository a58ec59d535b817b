/* SPDX-License-Identifier: MIT */
/*
 * From the SIGKILL of a client to the moment at which the last of its traps is gone from the
 * running program. The client is a child that attaches and plants; its parent kills it and looks at
 * the program's memory until all bytes are its own again. The 99th per cent of many kills.
 */
#include "config.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cordbg/tracer/client.h"
#include "tests/bench/bench.h"
#include "tests/bench/hit-target.h"
#include "tests/bench/program.h"

enum { KILLS = 200, PATIENCE_S = 30, TRAP = 0xcc, LOOK_NS = 100000 };

typedef struct fixture {
  hit_target target;
  size_t traps; /* one each HIT_CODE_STRIDE bytes */
  uint8_t *code;
} fixture;

/* Attaches, plants, says so, and waits to be killed. */
static _Noreturn void
be_client(const fixture *f, int report)
{
  cordbg_tracer *tracer = NULL;
  cordbg_error error = {0};
  uint64_t *addresses = calloc(f->traps, sizeof *addresses);
  cordbg_plant_result *results = calloc(f->traps, sizeof *results);
  program_ends_with_bench();
  for (size_t i = 0; i < f->traps; i++)
    addresses[i] = f->target.code + i * HIT_CODE_STRIDE;
  if (FAILED(cordbg_tracer_start(&tracer, &error)) ||
      FAILED(cordbg_tracer_attach(tracer, f->target.pid, &error)) ||
      FAILED(cordbg_tracer_plant(tracer, CORDBG_LAYER_MANAGED, addresses, f->traps, results,
                                 &error))) {
    fprintf(stderr, "%s\n", error.sentence);
    _exit(1);
  }
  if (write(report, "", 1) != 1)
    _exit(1);
  for (;;)
    pause();
}

static size_t
traps_left(const fixture *f)
{
  size_t count = 0;
  const struct iovec local = {f->code, f->target.code_size};
  const struct iovec remote = {(void *)(uintptr_t)f->target.code, f->target.code_size};
  if (process_vm_readv(f->target.pid, &local, 1, &remote, 1, 0) != (ssize_t)f->target.code_size)
    bench_die("the target's memory cannot be read");
  for (size_t i = 0; i < f->traps; i++)
    count += f->code[i * HIT_CODE_STRIDE] == TRAP;
  return count;
}

/* The end of the process that traces the target now: readable when it is gone. */
static int
tracer_of(const fixture *f)
{
  char path[64], line[256];
  int tracer = 0;
  snprintf(path, sizeof path, "/proc/%d/status", (int)f->target.pid);
  FILE *status = fopen(path, "re");
  while (status && fgets(line, sizeof line, status) && sscanf(line, "TracerPid: %d", &tracer) != 1)
    continue;
  if (status)
    fclose(status);
  int fd = tracer > 0 ? (int)syscall(SYS_pidfd_open, tracer, 0) : -1;
  if (fd < 0)
    bench_die("the target is not traced");
  return fd;
}

static double
kill_one(fixture *f)
{
  int ready[2];
  char byte;
  int status;
  if (pipe(ready) != 0)
    bench_die("no pipe");
  fflush(NULL);
  pid_t client = fork();
  if (client == 0)
    be_client(f, ready[1]);
  close(ready[1]);
  if (client < 0 || read(ready[0], &byte, 1) != 1)
    bench_die("the client does not begin");
  close(ready[0]);
  if (traps_left(f) != f->traps)
    bench_die("only %zu of %zu traps are there", traps_left(f), f->traps);
  struct pollfd tracer = {.fd = tracer_of(f), .events = POLLIN};
  uint64_t begun = bench_now(), now;
  kill(client, SIGKILL);
  do { /* nothing tells of it; who looks without a pause takes a CPU from the tracer */
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
    if ((now = bench_now()) > begun + PATIENCE_S * 1000000000ull)
      bench_die("traps are left after %d s", PATIENCE_S);
  } while (traps_left(f) > 0);
  now = bench_now();
  waitpid(client, &status, 0);
  if (poll(&tracer, 1, PATIENCE_S * 1000) != 1) /* the next client attaches */
    bench_die("the tracer does not end");
  close(tracer.fd);
  return (double)(now - begun);
}

static int
compare(const void *a, const void *b)
{
  const double *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

static double
p99(void *data)
{
  static double times[KILLS];
  for (int i = 0; i < KILLS; i++)
    times[i] = kill_one(data);
  qsort(times, KILLS, sizeof times[0], compare);
  return times[KILLS * 99 / 100 - 1];
}

static void
row(const char *name, unsigned busy, unsigned asleep, size_t traps)
{
  fixture f = {.traps = traps};
  if (!bench_wanted(name))
    return;
  f.code = calloc(traps, HIT_CODE_STRIDE);
  hit_target_start(&f.target, busy, asleep, false, traps * HIT_CODE_STRIDE);
  bench_compare(&(bench_job){.row = name,
                             .unit = "ms",
                             .threads = busy + asleep,
                             .ratio = BENCH_ALONE,
                             .goal = 5e6,
                             .ours = p99,
                             .data = &f,
                             .rounds = 1});
  hit_target_end(&f.target);
  free(f.code);
}

int
main(int argc, char **argv)
{
  bench_begin(&argc, argv, "bench-gone");
  row("SIGKILL of the client to the last of 100 traps gone, p99 of 200", 1, 7, 100);
  row("SIGKILL of the client to the last of 10,000 traps gone, p99 of 200", 1, 7, 10000);
  return bench_end();
}
