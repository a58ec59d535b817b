/* SPDX-License-Identifier: MIT */
/* Running a sample as a person does, beside a program that it debugs. */
#ifndef CORDBG_TESTS_LIVE_SAMPLES_SUPPORT_H
#define CORDBG_TESTS_LIVE_SAMPLES_SUPPORT_H

#include <glib.h>

/* The compiled debuggee, relative to their folder; to be freed. Skips the case when it, or its
 * runtime, is not there. */
char *sample_debuggee(const char *name);
/* "Counter.cs:LINE" of the first line with that text; to be freed. */
char *sample_counter_line(const char *text);
/* Runs a command line, which ends with NULL; its exit code. Outputs (NULL: not wanted) to be freed.
 */
int sample_run(char *const *arguments, char **output, char **errors);
/* The same, listed. */
int sample_run_list(char **output, char **errors, ...) G_GNUC_NULL_TERMINATED;

/* Starts a debuggee and returns when it said that it is at work. */
GPid sample_start(const char *program, int *output);
/* It lives, and is ended. */
void sample_stop(GPid pid, int output);

#endif
