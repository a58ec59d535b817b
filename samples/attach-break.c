/* SPDX-License-Identifier: MIT */
/*
 * attach-break: attaches to a running managed program, stops at a method or line N times, prints
 * how many hits a second that were, and is gone. The program runs on; one that it launched ends.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "driver.h"

typedef struct counting {
  driver session;
  driver_break wanted;
  GPtrArray *breakpoints;
  unsigned long limit;
  bool launched;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  unsigned long hits;
  bool exited;
  char *refusal; /* why the breakpoint will never be set */
  struct timespec first, last;
} counting;

/* Whether all is well so far; else main is told why not, and the process stays stopped. */
static bool
check_break(counting *count, bool complete)
{
  char *refusal = driver_break_problem(&count->wanted, complete);
  if (refusal == NULL)
    return true;
  pthread_mutex_lock(&count->lock);
  g_free(count->refusal);
  count->refusal = refusal;
  pthread_cond_signal(&count->changed);
  pthread_mutex_unlock(&count->lock);
  return false;
}

static bool
on_load_module(void *data, ICorDebugModule *module)
{
  counting *count = data;
  driver_set_break(&count->wanted, module, count->breakpoints);
  return check_break(count, false);
}

/* Threads are told behind all modules that are there; a launched program loads its own later. */
static bool
on_create_thread(void *data, ICorDebugThread *thread)
{
  counting *count = data;
  (void)thread;
  return count->launched || check_break(count, true);
}

/* The process is stopped while this runs; returning true lets it go on. */
static bool
on_breakpoint(void *data, ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint)
{
  counting *count = data;
  (void)thread;
  (void)breakpoint;
  count->hits++;
  if (count->hits == 1)
    clock_gettime(CLOCK_MONOTONIC, &count->first);
  if (count->hits != count->limit)
    return count->hits < count->limit;
  clock_gettime(CLOCK_MONOTONIC, &count->last);
  pthread_mutex_lock(&count->lock);
  count->exited = true;
  pthread_cond_signal(&count->changed);
  pthread_mutex_unlock(&count->lock);
  return false;
}

static void
on_exit_process(void *data, ICorDebugProcess *process)
{
  counting *count = data;
  (void)process;
  pthread_mutex_lock(&count->lock);
  count->exited = true;
  pthread_cond_signal(&count->changed);
  pthread_mutex_unlock(&count->lock);
}

static void
parse_arguments(counting *count, int argc, char **argv, DWORD *pid, char ***launch)
{
  static const struct option options[] = {
      {"pid", required_argument, NULL, 'p'},   {"break", required_argument, NULL, 'b'},
      {"count", required_argument, NULL, 'n'}, {"launch", no_argument, NULL, 'l'},
      {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
  int option;
  opterr = 0;
  count->limit = 1000;
  /* What stands behind --launch is the program's. */
  while (*launch == NULL && (option = getopt_long(argc, argv, "+:", options, NULL)) != -1)
    if (option == 'p')
      *pid = driver_parse_pid(optarg);
    else if (option == 'b')
      driver_parse_break(optarg, &count->wanted);
    else if (option == 'n') {
      char *end;
      count->limit = strtoul(optarg, &end, 10);
      if (end == optarg || *end != '\0' || count->limit < 2 || *optarg == '-')
        driver_fail(DRIVER_USAGE, "--count '%s': give a number of at least 2", optarg);
    } else if (option == 'l')
      *launch = argv + optind;
    else if (option == 'h') {
      puts("attach-break --break Namespace.Class:Method[@IL]|file.cs:LINE [--count N]\n"
           "             --pid PID | --launch PROGRAM [ARGUMENT...]");
      exit(DRIVER_OK);
    } else
      driver_fail(DRIVER_USAGE, "unknown option or missing value: %s; see --help",
                  argv[optind - 1]);
  if (*launch != NULL && **launch == NULL)
    driver_fail(DRIVER_USAGE, "--launch needs a program");
  if ((*pid == 0) == (*launch == NULL) || count->wanted.text == NULL ||
      (*launch == NULL && argv[optind] != NULL))
    driver_fail(DRIVER_USAGE, "give --break METHOD or LINE, and --pid PID or --launch PROGRAM; "
                              "see --help");
}

int
main(int argc, char **argv)
{
  counting count = {.breakpoints = g_ptr_array_new(),
                    .lock = PTHREAD_MUTEX_INITIALIZER,
                    .changed = PTHREAD_COND_INITIALIZER};
  const sample_hooks hooks = {.data = &count,
                              .load_module = on_load_module,
                              .create_thread = on_create_thread,
                              .breakpoint = on_breakpoint,
                              .exit_process = on_exit_process};
  DWORD pid = 0;
  char **launch = NULL;
  parse_arguments(&count, argc, argv, &pid, &launch);
  count.launched = launch != NULL;
  driver_start(&count.session, &hooks, pid, launch);

  pthread_mutex_lock(&count.lock);
  while (!count.exited && count.refusal == NULL)
    pthread_cond_wait(&count.changed, &count.lock);
  pthread_mutex_unlock(&count.lock);

  double seconds = (double)(count.last.tv_sec - count.first.tv_sec) +
                   (double)(count.last.tv_nsec - count.first.tv_nsec) / 1e9;
  bool complete = count.hits >= count.limit;
  for (guint i = 0; i < count.breakpoints->len; i++) {
    ICorDebugFunctionBreakpoint *breakpoint = count.breakpoints->pdata[i];
    if (complete)
      ICorDebugFunctionBreakpoint_Activate(breakpoint, FALSE);
    ICorDebugFunctionBreakpoint_Release(breakpoint);
  }
  g_ptr_array_free(count.breakpoints, TRUE);
  driver_end(&count.session);
  if (count.refusal == NULL && !complete)
    count.refusal = driver_break_problem(&count.wanted, true);
  if (count.refusal != NULL)
    driver_fail(DRIVER_USAGE, "%s", count.refusal);
  if (!complete)
    driver_fail(DRIVER_FAILED, "the program ended after %lu hits", count.hits);
  printf("%s: %lu hits in %.3f s, %.0f a second; %s\n", count.wanted.text, count.hits, seconds,
         (double)(count.hits - 1) / seconds, count.launched ? "ended" : "detached");
  driver_break_clear(&count.wanted);
  return DRIVER_OK;
}
