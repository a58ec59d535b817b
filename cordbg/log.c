/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cordbg/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "cordbg/cordbg.h"

/* Guards sink and sink_data as a pair: a log function must never meet another one's data. */
static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER;
static cordbg_log_function sink;
static void *sink_data;

/* What anybody listens to; -1: nothing. Read on every call, hence outside the lock. */
static atomic_int limit = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
read_environment(void)
{
  const char *text = getenv("CORDBG_LOG");
  if (text != NULL && *text >= '0' && *text <= '9')
    atomic_store(&limit, atoi(text));
}

void
cordbg_set_log(cordbg_log_function function, void *data, int level)
{
  pthread_once(&once, read_environment);
  pthread_mutex_lock(&sink_lock);
  sink = function;
  sink_data = data;
  pthread_mutex_unlock(&sink_lock);
  if (function != NULL)
    atomic_store(&limit, level);
  else {
    atomic_store(&limit, -1);
    read_environment();
  }
}

void
cordbg_log(int level, const char *format, ...)
{
  pthread_once(&once, read_environment);
  if (level > atomic_load_explicit(&limit, memory_order_relaxed))
    return;
  int saved = errno;
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  pthread_mutex_lock(&sink_lock);
  cordbg_log_function function = sink;
  void *data = sink_data;
  pthread_mutex_unlock(&sink_lock);
  if (function != NULL)
    function(data, level, message);
  else
    fprintf(stderr, "cordbg: %s\n", message);
  errno = saved;
}
