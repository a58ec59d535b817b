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

#include "cordbg/native/linker.h"
#include "runtime-shim/run.h"

typedef struct awaiting {
  cordbg_target *target;
  cordbg_tracer *tracer;
  int pid;
  uint64_t trap; /* at the linker's notification; 0: none */
  const cordbg_runtime_ops *shim;
  void (*defer)(void *data, const cordbg_event *event);
  void *data;
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
lift(void *data)
{
  awaiting *a = data;
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
look(void *data, cordbg_error *error)
{
  awaiting *a = data;
  cordbg_runtime_info info;
  HRESULT hr = cordbg_runtime_find(a->pid, &a->shim, &info, error);
  if (hr == S_FALSE && a->trap == 0) {
    hr = trap_linker(a, error);
    hr = FAILED(hr) ? hr : S_FALSE;
  }
  return hr;
}

/* Every event is deferred, the shim's own stops too: a session with native events looks at them. */
static HRESULT
take(void *data, const cordbg_event *event, cordbg_error *error)
{
  awaiting *a = data;
  if (a->defer != NULL)
    a->defer(a->data, event);
  if (event->kind == CORDBG_EVENT_EXEC)
    a->trap = 0; /* gone with the old image */
  else if (event->kind != CORDBG_EVENT_TRAP || a->trap == 0 || event->address != a->trap)
    return S_FALSE;
  return look(a, error);
}

HRESULT
cordbg_runtime_await(cordbg_target *target, int timeout_ms,
                     void (*defer)(void *data, const cordbg_event *event), void *data,
                     const cordbg_runtime_ops **shim, cordbg_error *error)
{
  static const cordbg_run_goal goal = {"start a managed runtime", look, take, lift};
  awaiting a = {.target = target,
                .tracer = cordbg_target_tracer(target),
                .pid = cordbg_target_pid(target),
                .defer = defer,
                .data = data};
  HRESULT hr = cordbg_run_until(target, timeout_ms, &goal, &a, error);
  if (SUCCEEDED(hr))
    *shim = a.shim;
  return hr;
}
