/* SPDX-License-Identifier: MIT */
/*
 *   first instruction --+-- a shim detects its runtime ---------------------------> done
 *                       |                                                            ^
 *                       +-- trap at the dynamic linker's notification; again? -------+
 *                       '-- no dynamic linker: nothing can load a runtime; an exec may bring one
 *
 * The linker calls its notification before and after it changes its list: after a library was
 * mapped, and before any code of it runs.
 */
#include "config.h"

#include "runtime-shim/await.h"

#include <glib.h>
#include <string.h>
#include <sys/wait.h>

#include "cordbg/native/linker.h"

typedef struct awaiting {
  cordbg_target *target;
  cordbg_tracer *tracer;
  int pid;
  uint64_t trap; /* at the linker's notification; 0: none */
  const cordbg_runtime_ops *shim;
} awaiting;

HRESULT
cordbg_runtime_find(int pid, const cordbg_runtime_ops **shim, cordbg_runtime_info *info,
                    cordbg_error *error)
{
  for (size_t i = 0; cordbg_runtime_shims[i] != NULL; i++) {
    HRESULT hr = cordbg_runtime_shims[i]->detect(pid, info, error);
    if (hr == S_OK)
      *shim = cordbg_runtime_shims[i];
    if (hr == S_OK || FAILED(hr))
      return hr;
  }
  return S_FALSE;
}

static void
lift(awaiting *a)
{
  cordbg_plant_result result;
  if (a->trap != 0)
    cordbg_tracer_remove(a->tracer, CORDBG_LAYER_INTERNAL, &a->trap, 1, &result, NULL);
  a->trap = 0;
}

static HRESULT
trap_linker(awaiting *a, cordbg_error *error)
{
  cordbg_modules *modules = NULL;
  cordbg_linker linker = {.breakpoint = 0};
  cordbg_plant_result result = {0};
  HRESULT hr = cordbg_modules_create_for_target(a->target, &modules, error);
  if (SUCCEEDED(hr)) {
    hr = cordbg_linker_read(modules, &linker, error);
    cordbg_modules_destroy(modules);
  }
  if (hr != S_OK || linker.breakpoint == 0)
    return FAILED(hr) ? hr : S_OK;
  hr = cordbg_tracer_plant(a->tracer, CORDBG_LAYER_INTERNAL, &linker.breakpoint, 1, &result, error);
  if (SUCCEEDED(hr) && result.status != 0)
    hr = cordbg_error_set_errno(error, result.status, linker.breakpoint,
                                "the dynamic linker of process %d cannot be trapped", a->pid);
  if (SUCCEEDED(hr))
    a->trap = linker.breakpoint;
  return hr;
}

/* S_OK: a runtime is there. S_FALSE: go on, the linker is trapped where there is one. */
static HRESULT
look(awaiting *a, cordbg_error *error)
{
  cordbg_runtime_info info;
  HRESULT hr = cordbg_runtime_find(a->pid, &a->shim, &info, error);
  if (hr == S_FALSE && a->trap == 0) {
    hr = trap_linker(a, error);
    hr = FAILED(hr) ? hr : S_FALSE;
  }
  return hr;
}

static HRESULT
say_ended(const awaiting *a, int status, cordbg_error *error)
{
  if (WIFSIGNALED(status))
    return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, 0, 0,
                            "process %d was ended by signal %d before it started a managed runtime",
                            a->pid, WTERMSIG(status));
  return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, 0, 0,
                          "process %d ended with exit code %d and never started a managed runtime",
                          a->pid, WEXITSTATUS(status));
}

static HRESULT
take_event(awaiting *a, const cordbg_event *event,
           void (*defer)(void *data, const cordbg_event *event), void *data, cordbg_error *error)
{
  if (event->kind == CORDBG_EVENT_EXITED)
    return say_ended(a, (int)event->code, error);
  if (defer != NULL)
    defer(data, event);
  if (event->kind == CORDBG_EVENT_EXEC) {
    a->trap = 0; /* gone with the old image */
    return look(a, error);
  }
  return event->kind == CORDBG_EVENT_TRAP && a->trap != 0 && event->address == a->trap
             ? look(a, error)
             : S_FALSE;
}

HRESULT
cordbg_runtime_await(cordbg_target *target, int timeout_ms, const atomic_bool *cancelled,
                     void (*defer)(void *data, const cordbg_event *event), void *data,
                     const cordbg_runtime_ops **shim, cordbg_error *error)
{
  awaiting a = {
      .target = target, .tracer = cordbg_target_tracer(target), .pid = cordbg_target_pid(target)};
  gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
  bool running = false;
  HRESULT hr = look(&a, error);

  while (hr == S_FALSE) {
    cordbg_event event;
    gint64 left = (end - g_get_monotonic_time() + 999) / 1000;
    if (!running)
      hr = cordbg_tracer_continue(a.tracer, error);
    running = true;
    if (FAILED(hr))
      break;
    hr = cordbg_tracer_next_event(a.tracer, CORDBG_CHANNEL_MANAGED,
                                  timeout_ms < 0 ? -1 : (int)MAX(left, 0), &event, error);
    if (hr == S_OK) {
      running = (event.flags & CORDBG_EVENT_STOPS) == 0;
      hr = take_event(&a, &event, defer, data, error);
    } else if (hr == S_FALSE && cancelled != NULL && atomic_load(cancelled))
      hr = cordbg_error_set(error, E_ABORT, 0, 0, "waiting for a runtime was given up");
    else if (hr == S_FALSE && timeout_ms >= 0 && g_get_monotonic_time() >= end)
      hr = cordbg_error_set(error, CORDBG_E_TIMEOUT, 0, 0,
                            "process %d did not start a managed runtime within %d ms", a.pid,
                            timeout_ms);
  }
  lift(&a);
  if (FAILED(hr)) {
    if (!running && hr != CORDBG_E_PROCESS_TERMINATED)
      cordbg_tracer_continue(a.tracer, NULL);
    return hr;
  }
  *shim = a.shim;
  return S_OK;
}
