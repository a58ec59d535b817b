/* SPDX-License-Identifier: MIT */
/*
 * ICorDebugProcess::ReadMemory (and ReadProcessMemory, the batch read) against process_vm_readv.
 * The target is a forked child that sleeps; the traps are planted in its data by the real tracer,
 * so that their number is all that matters. Its pages are touched before.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cordbg/memory/doors.h"
#include "tests/bench/bench.h"

#define MIB ((size_t)1 << 20)
#define REGION_SIZE (64 * MIB)
#define TRAPS_DENSE 10000u /* in the first MiB of the trap region */
#define TRAPS_ALL 100000u
#define SCATTERED 1000u
#define READERS 8u

typedef struct fixture {
  pid_t pid;
  uint8_t *region; /* of 64 MiB, no trap in it */
  uint8_t *traps;  /* of 16 MiB, the traps are here */
  cordbg_target *target;
  HANDLE handle;
  uint8_t *buffer;
  /* of one row */
  uint8_t *from;
  size_t size;
  unsigned int count;
  cordbg_read_range *ranges;
  struct iovec *local, *remote;
} fixture;

static void
start_child(fixture *f)
{
  f->region = mmap(NULL, REGION_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  f->traps = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  f->buffer = mmap(NULL, REGION_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int ready[2];
  if (f->region == MAP_FAILED || f->traps == MAP_FAILED || f->buffer == MAP_FAILED ||
      pipe(ready) < 0 || (f->pid = fork()) < 0)
    bench_die("no target: %s", strerror(errno));
  if (f->pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(300);
    memset(f->region, 0x11, REGION_SIZE);
    memset(f->traps, 0x22, 16 * MIB);
    if (write(ready[1], "", 1) == 1)
      pause();
    _exit(0);
  }
  char byte;
  close(ready[1]);
  if (read(ready[0], &byte, 1) != 1)
    bench_die("the target did not start");
  close(ready[0]);
  memset(f->buffer, 0, REGION_SIZE);
}

static void
attach(fixture *f)
{
  cordbg_error error = {0};
  cordbg_tracer *tracer = NULL;
  if (FAILED(cordbg_tracer_start(&tracer, &error)) ||
      FAILED(cordbg_tracer_attach(tracer, f->pid, &error)) ||
      FAILED(cordbg_target_create(tracer, &f->target, &error)) ||
      FAILED(cordbg_handle_for_process(f->pid, PROCESS_ALL_ACCESS, &f->handle, &error)))
    bench_die("attach: %s", error.sentence);
}

/* Traps [from, to): the first TRAPS_DENSE lie in one MiB, the others behind it. */
static void
plant(fixture *f, unsigned int from, unsigned int to)
{
  uint64_t *addresses = calloc(to - from, sizeof *addresses);
  cordbg_plant_result *results = calloc(to - from, sizeof *results);
  cordbg_error error = {0};
  for (unsigned int i = from; i < to; i++)
    addresses[i - from] =
        (uintptr_t)f->traps +
        (i < TRAPS_DENSE ? (size_t)i * 104 : MIB + (size_t)(i - TRAPS_DENSE) * 150);
  if (FAILED(cordbg_tracer_plant(cordbg_target_tracer(f->target), CORDBG_LAYER_MANAGED, addresses,
                                 to - from, results, &error)))
    bench_die("plant: %s", error.sentence);
  for (unsigned int i = 0; i < to - from; i++) {
    if (results[i].status != 0)
      bench_die("plant: %s", strerror(results[i].status));
  }
  free(addresses);
  free(results);
}

/* ---- one read ---- */

static double
bare_read(void *data)
{
  fixture *f = data;
  uint64_t start = bench_now();
  for (unsigned int i = 0; i < f->count; i++) {
    struct iovec local = {f->buffer, f->size}, remote = {f->from, f->size};
    if (process_vm_readv(f->pid, &local, 1, &remote, 1, 0) != (ssize_t)f->size)
      return -1;
  }
  return (double)(bench_now() - start) / f->count;
}

static double
read_memory(void *data)
{
  fixture *f = data;
  uint64_t start = bench_now();
  for (unsigned int i = 0; i < f->count; i++) {
    SIZE_T read;
    if (cordbg_icordebug_read_memory(f->target, (uintptr_t)f->from, (DWORD)f->size, f->buffer,
                                     &read) != S_OK)
      return -1;
  }
  return (double)(bench_now() - start) / f->count;
}

static double
read_process_memory(void *data)
{
  fixture *f = data;
  uint64_t start = bench_now();
  for (unsigned int i = 0; i < f->count; i++) {
    if (!ReadProcessMemory(f->handle, f->from, f->buffer, f->size, NULL))
      return -1;
  }
  return (double)(bench_now() - start) / f->count;
}

static void
row(fixture *f, const char *name, double goal, bench_ratio ratio, bench_measure ours, uint8_t *from,
    size_t size)
{
  f->from = from;
  f->size = size;
  f->count = size <= 4096 ? 4000 : size <= MIB ? 60 : 2;
  bench_compare(&(bench_job){.row = name,
                             .unit = size <= 4096  ? "ns"
                                     : size <= MIB ? "us"
                                                   : "ms",
                             .threads = 1,
                             .ratio = ratio,
                             .goal = goal,
                             .ours = ours,
                             .bare = bare_read,
                             .data = f});
}

/* ---- many ranges ---- */

static void
scatter(fixture *f)
{
  f->ranges = calloc(SCATTERED, sizeof *f->ranges);
  f->local = calloc(SCATTERED, sizeof *f->local);
  f->remote = calloc(SCATTERED, sizeof *f->remote);
  for (unsigned int i = 0; i < SCATTERED; i++) {
    uint8_t *from = f->region + (size_t)i * 7919 * 8 % (4 * MIB);
    f->ranges[i] = (cordbg_read_range){
        .address = (uintptr_t)from, .buffer = f->buffer + (size_t)i * 8, .size = 8};
    f->local[i] = (struct iovec){f->buffer + (size_t)i * 8, 8};
    f->remote[i] = (struct iovec){from, 8};
  }
}

static double
bare_vector(void *data)
{
  fixture *f = data;
  uint64_t start = bench_now();
  for (unsigned int i = 0; i < 30; i++) {
    if (process_vm_readv(f->pid, f->local, SCATTERED, f->remote, SCATTERED, 0) != SCATTERED * 8)
      return -1;
  }
  return (double)(bench_now() - start) / 30;
}

static double
read_batch(void *data)
{
  fixture *f = data;
  uint64_t start = bench_now();
  for (unsigned int i = 0; i < 30; i++) {
    if (cordbg_target_read_batch(f->target, CORDBG_VIEW_CLIENT, f->ranges, SCATTERED, NULL) != S_OK)
      return -1;
  }
  return (double)(bench_now() - start) / 30;
}

/* ---- many threads ---- */

typedef struct reader {
  fixture *f;
  bool bare;
  pthread_barrier_t *barrier;
  bool failed;
} reader;

#define THREAD_READS 20000u

static void *
read_on(void *data)
{
  reader *self = data;
  uint8_t bytes[8];
  struct iovec local = {bytes, 8}, remote = {self->f->region + 4096, 8};
  pthread_barrier_wait(self->barrier);
  for (unsigned int i = 0; i < THREAD_READS; i++) {
    SIZE_T read;
    if (self->bare ? process_vm_readv(self->f->pid, &local, 1, &remote, 1, 0) != 8
                   : cordbg_icordebug_read_memory(self->f->target, (uintptr_t)remote.iov_base, 8,
                                                  bytes, &read) != S_OK)
      self->failed = true;
  }
  pthread_barrier_wait(self->barrier);
  return NULL;
}

static double
read_by_threads(fixture *f, bool bare)
{
  pthread_t threads[READERS];
  reader readers[READERS];
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, READERS + 1);
  for (unsigned int i = 0; i < READERS; i++) {
    readers[i] = (reader){.f = f, .bare = bare, .barrier = &barrier};
    if (pthread_create(&threads[i], NULL, read_on, &readers[i]) != 0)
      bench_die("no thread");
  }
  pthread_barrier_wait(&barrier);
  uint64_t start = bench_now();
  pthread_barrier_wait(&barrier);
  double time = (double)(bench_now() - start);
  for (unsigned int i = 0; i < READERS; i++) {
    pthread_join(threads[i], NULL);
    if (readers[i].failed)
      return -1;
  }
  pthread_barrier_destroy(&barrier);
  return time / (THREAD_READS * READERS);
}

static double
bare_threads(void *data)
{
  return read_by_threads(data, true);
}

static double
our_threads(void *data)
{
  return read_by_threads(data, false);
}

int
main(int argc, char **argv)
{
  static fixture f;
  bench_begin(&argc, argv, "bench-read");
  start_child(&f);
  attach(&f);
  scatter(&f);

  row(&f, "ReadMemory 8 B, no trap", 1.3, BENCH_AT_MOST, read_memory, f.region + 4096, 8);
  plant(&f, 0, 100);
  row(&f, "ReadMemory 8 B, 100 traps", 1.3, BENCH_AT_MOST, read_memory, f.traps + 104 * 50 - 4, 8);
  row(&f, "ReadMemory 4 KiB", 1.1, BENCH_AT_MOST, read_memory, f.region + 4096, 4096);
  row(&f, "ReadMemory 1 MiB", 1.03, BENCH_AT_MOST, read_memory, f.region, MIB);
  row(&f, "ReadMemory 64 MiB", 1.03, BENCH_AT_MOST, read_memory, f.region, REGION_SIZE);
  bench_compare(&(bench_job){.row = "batch of 1,000 reads of 8 B / one vectored call",
                             .unit = "us",
                             .threads = 1,
                             .ratio = BENCH_AT_MOST,
                             .goal = 1.2,
                             .ours = read_batch,
                             .bare = bare_vector,
                             .data = &f});
  bench_compare(&(bench_job){.row = "ReadMemory 8 B by 8 threads, throughput",
                             .unit = "ns",
                             .threads = READERS,
                             .ratio = BENCH_AT_LEAST,
                             .goal = 0.95,
                             .ours = our_threads,
                             .bare = bare_threads,
                             .data = &f});
  row(&f, "ReadProcessMemory 8 B", 0, BENCH_AT_MOST, read_process_memory, f.region + 4096, 8);
  row(&f, "ReadProcessMemory 1 MiB", 0, BENCH_AT_MOST, read_process_memory, f.region, MIB);
  row(&f, "ReadProcessMemory 64 MiB", 0, BENCH_AT_MOST, read_process_memory, f.region, REGION_SIZE);
  plant(&f, 100, TRAPS_ALL);
  row(&f, "ReadMemory 1 MiB, 10,000 of 100,000 traps in it", 1.3, BENCH_AT_MOST, read_memory,
      f.traps, MIB);
  row(&f, "ReadMemory 8 B, 100,000 traps elsewhere", 100, BENCH_BEYOND, read_memory,
      f.region + 4096, 8);
  bench_compare(&(bench_job){.row = "batch of 1,000 reads of 8 B, 100,000 traps elsewhere",
                             .unit = "us",
                             .threads = 1,
                             .ratio = BENCH_AT_MOST,
                             .goal = 1.2,
                             .ours = read_batch,
                             .bare = bare_vector,
                             .data = &f});

  CloseHandle(f.handle);
  cordbg_target_unref(f.target);
  kill(f.pid, SIGKILL);
  waitpid(f.pid, NULL, 0);
  return bench_end();
}
