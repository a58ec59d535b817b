/* SPDX-License-Identifier: MIT */
/*
 * Measuring: our way and the bare way of one job, in turns within one run, so that a machine that
 * slows down slows both; of the rounds, the medians. Rows are those of docs/performance.md.
 *
 *   bench_begin(&argc, argv, "bench-read");
 *   bench_compare(&(bench_job){.row = "ReadMemory 8 B", .unit = "ns", .threads = 1, .goal = 1.3,
 *                              .ours = read_ours, .bare = read_bare, .data = &fixture});
 *   return bench_end();
 *
 * Options of every program: --json (one JSON document on standard output), --rounds N,
 * --only TEXT (rows whose name contains it). A bench reports; it does not fail over a missed goal.
 */
#ifndef CORDBG_TESTS_BENCH_H
#define CORDBG_TESTS_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The time of one unit of work in nanoseconds, or bytes; negative: it failed (the program ends
 * then).
 */
typedef double (*bench_measure)(void *data);

typedef enum bench_ratio {
  BENCH_AT_MOST,  /* ours / bare, times: the goal is the most that is allowed */
  BENCH_AT_LEAST, /* bare / ours, throughputs: the goal is the least that is allowed */
  BENCH_BEYOND,   /* ours - bare in nanoseconds: the goal is the most that is allowed */
  BENCH_ALONE,    /* no bare counterpart; the goal is the most nanoseconds allowed */
} bench_ratio;

typedef struct bench_job {
  const char *row;
  const char *unit; /* "ns", "us", "ms": how times are shown; "/s": as throughput; "MiB": bytes */
  unsigned int threads; /* of the target, or that read */
  bench_ratio ratio;
  double goal; /* 0: none */
  bench_measure ours;
  bench_measure bare; /* NULL with BENCH_ALONE */
  void *data;
  unsigned int rounds; /* 0: the default of 15, or --rounds */
} bench_job;

/* Takes its own options out of argv; exits with 2 and one line when one is wrong. */
void bench_begin(int *argc, char **argv, const char *program);
/* Whether --only lets the row through: to skip a costly fixture. */
bool bench_wanted(const char *row);
void bench_compare(const bench_job *job);
/* A row that could not be measured, with the reason. */
void bench_skip(const char *row, const char *reason);
/* Writes what is left of the output; the exit status. */
int bench_end(void);

uint64_t bench_now(void);                          /* CLOCK_MONOTONIC, nanoseconds */
double bench_median(double *values, size_t count); /* sorts them */
/* Prints the message and ends the program with status 1. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
