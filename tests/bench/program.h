/* SPDX-License-Identifier: MIT */
/* A program that a bench starts and measures. It ends with the bench, also when that is killed. */
#ifndef CORDBG_TESTS_BENCH_PROGRAM_H
#define CORDBG_TESTS_BENCH_PROGRAM_H

#include <glib.h>
#include <stdio.h>

typedef struct program {
  GPid pid;
  int input; /* its standard input */
  FILE *output;
} program;

/* argv[0] is searched in PATH. Ends the bench when it cannot be started. */
void program_start(program *ret, char *const *argv);
/* Its next line that begins with the text, whole; ends the bench when there is none. */
void program_await(program *running, const char *text, char *line, size_t size);
/* SIGKILL; reaps it. */
void program_end(program *ended);

/* For a child that the bench forks itself, in the child, at first. */
void program_ends_with_bench(void);

#endif
