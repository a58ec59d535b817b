/* SPDX-License-Identifier: MIT */
/*
 * The main of a fuzz target without libFuzzer:
 *
 *   fuzz-TARGET [--runs N] [--seed N] FILE...
 *
 * gives the target each file as it is, then N mutations of them: the same N for the same seed
 * (CORDBG_SEED, else a fixed one), so that a run of fixed length in `make check` says the same
 * everywhere and a failure can be had again. Prints the seed; in a crash, the run's number is what
 * --only takes.
 */
#include "config.h"
#include "tests/fuzz/fuzz.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/*
 * A run may take that long and leave the process that large at most: inputs are a few kilobytes.
 * Sanitizers keep what was freed for a while.
 */
#if defined __SANITIZE_ADDRESS__
enum { FILES_MAX = 256, SLOW_MS = 3000, MEMORY_MIB = 1024 };
#else
enum { FILES_MAX = 256, SLOW_MS = 3000, MEMORY_MIB = 192 };
#endif

static struct {
  uint8_t *data;
  size_t size;
} files[FILES_MAX];
static unsigned file_count;
static unsigned long current_run;
static uint64_t state;

static uint64_t
next_random(void)
{
  state += UINT64_C(0x9e3779b97f4a7c15);
  uint64_t z = state;
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

static size_t
below(size_t limit)
{
  return limit ? next_random() % limit : 0;
}

static bool
load(const char *path)
{
  FILE *f = file_count < FILES_MAX ? fopen(path, "rb") : NULL;
  if (!f)
    return false;
  fseek(f, 0, SEEK_END);
  long size = ftell(f);
  rewind(f);
  uint8_t *data = malloc((size_t)size + 1);
  bool good = data && fread(data, 1, (size_t)size, f) == (size_t)size;
  fclose(f);
  files[file_count].data = data;
  files[file_count++].size = (size_t)size;
  return good;
}

static void
put(uint8_t *data, size_t size, size_t at, uint64_t value, unsigned bytes)
{
  for (unsigned i = 0; i < bytes && at + i < size; i++)
    data[at + i] = (uint8_t)(value >> (8 * i));
}

/* One change; most are small and near each other, as lies in a header are. */
static size_t
mutate(uint8_t *data, size_t size)
{
  static const uint64_t values[] = {
      0,       1,        2,         0x7f,       0x80,       0xff,       0x7fff,     0xffff,
      0x10000, 0xffffff, 0x1000000, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 0xfffffff0};
  if (size == 0)
    return size;
  /* A quarter of all changes fall in the first kilobyte, where the headers are. */
  size_t at = below(4) == 0 && size > 1024 ? below(1024) : below(size);
  switch (below(8)) {
  case 0:
    data[at] ^= (uint8_t)(1u << below(8));
    return size;
  case 1:
    data[at] = (uint8_t)next_random();
    return size;
  case 2:
    put(data, size, at, values[below(sizeof values / sizeof values[0])], 1u << below(3));
    return size;
  case 3: {
    uint32_t old = 0;
    memcpy(&old, data + at, size - at < 4 ? size - at : 4);
    put(data, size, at, old + below(33) - 16, 4);
    return size;
  }
  case 4: {
    size_t from = below(size), length = 1 + below(64);
    if (length > size - at)
      length = size - at;
    if (length > size - from)
      length = size - from;
    memmove(data + at, data + from, length);
    return size;
  }
  case 5:
    put(data, size, at & ~(size_t)3, (at & ~(size_t)3) + below(256), 4);
    return size;
  case 6:
    memset(data + at, (int)below(2) * 0xff, 1 + below(size - at < 32 ? size - at : 32));
    return size;
  default:
    return below(16) == 0 ? 1 + below(size) : size;
  }
}

static void
report_crash(int sig)
{
  char text[96];
  int length = snprintf(text, sizeof text, "signal %d in run %lu\n", sig, current_run);
  if (write(2, text, (size_t)length) < 0) {
  }
  signal(sig, SIG_DFL);
  raise(sig);
}

static bool
run_one(const uint8_t *data, size_t size)
{
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  LLVMFuzzerTestOneInput(data, size);
  clock_gettime(CLOCK_MONOTONIC, &end);
  long ms = (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000;
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  if (usage.ru_maxrss > MEMORY_MIB * 1024L) {
    fprintf(stderr, "run %lu made the process %ld MiB large\n", current_run,
            usage.ru_maxrss / 1024);
    exit(1);
  }
  if (ms <= SLOW_MS)
    return true;
  fprintf(stderr, "run %lu took %ld ms\n", current_run, ms);
  return false;
}

/* A mutation is a function of the seed and its number alone. */
static bool
run_mutation(uint64_t seed, unsigned long number, const char *keep)
{
  state = seed + number * UINT64_C(0xd1342543de82ef95);
  current_run = number;
  unsigned pick = (unsigned)below(file_count);
  size_t size = files[pick].size;
  /* Exactly as long as the input: a sanitizer sees one byte too far. */
  uint8_t *data = malloc(size + 1);
  memcpy(data, files[pick].data, size);
  for (size_t changes = 1 + below(below(4) == 0 ? 32 : 4); changes > 0; changes--)
    size = mutate(data, size);
  uint8_t *exact = malloc(size ? size : 1);
  memcpy(exact, data, size);
  free(data);
  if (keep) {
    FILE *f = fopen(keep, "wb");
    if (f) {
      fwrite(exact, 1, size, f);
      fclose(f);
    }
  }
  bool good = run_one(exact, size);
  free(exact);
  return good;
}

int
main(int argc, char **argv)
{
  unsigned long runs = 1000, only = 0;
  const char *keep = NULL;
  uint64_t seed = getenv("CORDBG_SEED") ? strtoull(getenv("CORDBG_SEED"), NULL, 0) : 1;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
      runs = strtoul(argv[++i], NULL, 0);
    else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
      seed = strtoull(argv[++i], NULL, 0);
    else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
      only = strtoul(argv[++i], NULL, 0);
    else if (strcmp(argv[i], "--keep") == 0 && i + 1 < argc)
      keep = argv[++i];
    else if (!load(argv[i])) {
      fprintf(stderr, "%s cannot be read\n", argv[i]);
      return 2;
    }
  }
  if (file_count == 0) {
    fprintf(stderr, "no seed files\n");
    return 2;
  }
  printf("seed %llu\n", (unsigned long long)seed);
  signal(SIGSEGV, report_crash);
  signal(SIGABRT, report_crash);
  signal(SIGFPE, report_crash);
  bool good = true;
  if (only)
    return run_mutation(seed, only, keep) ? 0 : 1;
  for (unsigned i = 0; i < file_count; i++)
    good = run_one(files[i].data, files[i].size) && good;
  for (unsigned long n = 1; n <= runs; n++)
    good = run_mutation(seed, n, NULL) && good;
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("%u files and %lu mutations, %ld MiB at most\n", file_count, runs, usage.ru_maxrss / 1024);
  return good ? 0 : 1;
}
