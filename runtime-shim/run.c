/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "runtime-shim/run.h"

#include <glib.h>
#include <sys/wait.h>

#include "cordbg/log.h"

static HRESULT
say_ended(int pid, const char *what, int status, cordbg_error *error)
{
  if (WIFSIGNALED(status))
    return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, 0, 0,
                            "process %d was ended by signal %d and did not %s", pid,
                            WTERMSIG(status), what);
  return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, 0, 0,
                          "process %d ended with exit code %d and did not %s", pid,
                          WEXITSTATUS(status), what);
}

HRESULT
cordbg_run_until(cordbg_target *target, int timeout_ms, const cordbg_run_goal *goal, void *data,
                 cordbg_error *error)
{
  cordbg_tracer *tracer = cordbg_target_tracer(target);
  int pid = cordbg_target_pid(target);
  gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
  bool running = false;
  HRESULT hr = goal->arm(data, error);

  if (hr == S_FALSE)
    cordbg_log(CORDBG_LOG_STEP, "waiting for process %d to %s", pid, goal->what);
  while (hr == S_FALSE) {
    cordbg_event event;
    gint64 left = (end - g_get_monotonic_time() + 999) / 1000;
    if (!running)
      hr = cordbg_tracer_continue(tracer, error);
    running = true;
    if (FAILED(hr))
      break;
    hr = cordbg_tracer_next_event(tracer, CORDBG_CHANNEL_MANAGED,
                                  timeout_ms < 0 ? -1 : (int)MAX(left, 0), &event, error);
    if (hr == S_OK && event.kind == CORDBG_EVENT_EXITED) {
      hr = say_ended(pid, goal->what, (int)event.code, error);
    } else if (hr == S_OK) {
      running = (event.flags & CORDBG_EVENT_STOPS) == 0;
      hr = goal->take(data, &event, error);
    } else if (hr == S_FALSE && cordbg_tracer_interrupted(tracer)) {
      hr = cordbg_error_set(error, E_ABORT, 0, 0, "waiting for process %d to %s was given up", pid,
                            goal->what);
    } else if (hr == S_FALSE && timeout_ms >= 0 && g_get_monotonic_time() >= end) {
      hr = cordbg_error_set(error, CORDBG_E_TIMEOUT, 0, 0, "process %d did not %s within %d ms",
                            pid, goal->what, timeout_ms);
    }
  }
  goal->lift(data);
  if (FAILED(hr) && !running)
    cordbg_tracer_continue(tracer, NULL);
  return hr;
}
