/* SPDX-License-Identifier: MIT */
/* Rounds, medians, rows (bench.h). */
#include "config.h"

#include "tests/bench/bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_DEFAULT 15u
#define ROUNDS_MAX 1000u

static struct {
  const char *program;
  const char *only;
  unsigned int rounds;
  bool json;
  unsigned int rows;
} bench = {.program = "bench"};

void
bench_die(const char *format, ...)
{
  va_list arguments;

  va_start(arguments, format);
  fprintf(stderr, "%s: ", bench.program);
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n");
  va_end(arguments);
  exit(1);
}

static _Noreturn void
usage(const char *argument)
{
  fprintf(stderr, "%s: %s: options are --json, --rounds N (1..%u), --only TEXT\n", bench.program,
          argument, ROUNDS_MAX);
  exit(2);
}

void
bench_begin(int *argc, char **argv, const char *program)
{
  double load;
  int kept = 1;

  bench.program = program;
  for (int i = 1; i < *argc; i++) {
    const char *value = i + 1 < *argc ? argv[i + 1] : NULL;

    if (strcmp(argv[i], "--json") == 0) {
      bench.json = true;
    } else if (strcmp(argv[i], "--only") == 0 && value) {
      bench.only = argv[++i];
    } else if (strcmp(argv[i], "--rounds") == 0 && value) {
      char *end;
      unsigned long n = strtoul(argv[++i], &end, 10);

      if (*end || n < 1 || n > ROUNDS_MAX)
        usage(argv[i]);
      bench.rounds = (unsigned int)n;
    } else if (argv[i][0] == '-') {
      usage(argv[i]);
    } else {
      argv[kept++] = argv[i];
    }
  }
  *argc = kept;
  if (getloadavg(&load, 1) != 1)
    load = -1;
  if (bench.json) {
    printf("{\"program\": \"%s\", \"processors\": %ld, \"load\": %.2f, \"rows\": [", program,
           sysconf(_SC_NPROCESSORS_ONLN), load);
    return;
  }
  printf("%s: %ld processors, load %.2f; figures of a busy machine say little\n", program,
         sysconf(_SC_NPROCESSORS_ONLN), load);
  printf("%-70s %3s %13s %13s %9s  %s\n", "row", "thr", "figure", "bare", "ratio", "goal");
}

bool
bench_wanted(const char *row)
{
  return !bench.only || strstr(row, bench.only) != NULL;
}

uint64_t
bench_now(void)
{
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int
compare_doubles(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

double
bench_median(double *values, size_t count)
{
  qsort(values, count, sizeof(values[0]), compare_doubles);
  return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void
show_time(char *text, size_t size, double ns, const char *unit)
{
  if (strcmp(unit, "/s") == 0)
    snprintf(text, size, "%.0f/s", 1e9 / ns);
  else if (strcmp(unit, "us") == 0)
    snprintf(text, size, "%.2f us", ns / 1e3);
  else if (strcmp(unit, "ms") == 0)
    snprintf(text, size, "%.3f ms", ns / 1e6);
  else if (strcmp(unit, "MiB") == 0)
    snprintf(text, size, "%.1f MiB", ns / (1 << 20));
  else
    snprintf(text, size, "%.1f ns", ns);
}

static void
print_row(const bench_job *job, double ours, double bare, unsigned int rounds)
{
  static const char *const kinds[] = {"at most", "at least", "beyond bare, at most", "at most"};
  double ratio = 0;
  bool met;
  char figure[32], other[32] = "-", shown[32] = "-", goal[64] = "-";

  switch (job->ratio) {
  case BENCH_AT_MOST:
    ratio = ours / bare;
    break;
  case BENCH_AT_LEAST:
    ratio = bare / ours;
    break;
  case BENCH_BEYOND:
    ratio = ours - bare;
    break;
  case BENCH_ALONE:
    ratio = ours;
    break;
  }
  met = job->ratio == BENCH_AT_LEAST ? ratio >= job->goal : ratio <= job->goal;
  if (bench.json) {
    printf("%s\n  {\"row\": \"%s\", \"threads\": %u, \"rounds\": %u, \"figure_%s\": %.1f, ",
           bench.rows ? "," : "", job->row, job->threads, rounds,
           strcmp(job->unit, "MiB") == 0 ? "bytes" : "ns", ours);
    if (job->ratio != BENCH_ALONE)
      printf("\"bare_ns\": %.1f, \"ratio\": %.3f, ", bare,
             job->ratio == BENCH_BEYOND ? ours / bare : ratio);
    if (job->goal > 0)
      printf("\"goal\": \"%s %g\", \"met\": %s}", kinds[job->ratio], job->goal,
             met ? "true" : "false");
    else
      printf("\"goal\": null, \"met\": null}");
    return;
  }
  show_time(figure, sizeof(figure), ours, job->unit);
  if (job->ratio != BENCH_ALONE)
    show_time(other, sizeof(other), bare, job->unit);
  if (job->ratio == BENCH_BEYOND)
    snprintf(shown, sizeof(shown), "%+.0f ns", ratio);
  else if (job->ratio != BENCH_ALONE)
    snprintf(shown, sizeof(shown), "%.2f", ratio);
  if (job->goal > 0 && job->ratio == BENCH_ALONE) {
    char most[32];

    show_time(most, sizeof(most), job->goal, job->unit);
    snprintf(goal, sizeof(goal), "%s %s: %s", kinds[job->ratio], most, met ? "met" : "MISSED");
  } else if (job->goal > 0) {
    snprintf(goal, sizeof(goal), "%s %g%s: %s", kinds[job->ratio], job->goal,
             job->ratio == BENCH_BEYOND ? " ns" : "", met ? "met" : "MISSED");
  }
  printf("%-70s %3u %13s %13s %9s  %s\n", job->row, job->threads, figure, other, shown, goal);
  fflush(stdout);
}

void
bench_compare(const bench_job *job)
{
  unsigned int rounds = bench.rounds ? bench.rounds : job->rounds ? job->rounds : ROUNDS_DEFAULT;
  double *ours, *bare;

  if (!bench_wanted(job->row))
    return;
  ours = calloc(rounds, sizeof(*ours));
  bare = calloc(rounds, sizeof(*bare));
  if (!ours || !bare)
    bench_die("no memory");
  for (unsigned int i = 0; i < rounds; i++) {
    /* who goes first changes from round to round */
    for (unsigned int turn = 0; turn < 2; turn++) {
      bool first = (turn ^ i) & 1;
      double *to = first ? &ours[i] : &bare[i];
      bench_measure measure = first ? job->ours : job->bare;

      if (measure && (*to = measure(job->data)) < 0)
        bench_die("%s: the %s way failed", job->row, first ? "measured" : "bare");
    }
  }
  print_row(job, bench_median(ours, rounds), bench_median(bare, rounds), rounds);
  bench.rows++;
  free(ours);
  free(bare);
}

void
bench_skip(const char *row, const char *reason)
{
  if (!bench_wanted(row))
    return;
  if (bench.json)
    printf("%s\n  {\"row\": \"%s\", \"skipped\": \"%s\"}", bench.rows ? "," : "", row, reason);
  else
    printf("%-70s SKIP: %s\n", row, reason);
  bench.rows++;
}

int
bench_end(void)
{
  if (bench.json)
    printf("\n]}\n");
  return 0;
}
