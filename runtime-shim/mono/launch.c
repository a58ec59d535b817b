/* SPDX-License-Identifier: MIT */
/*
 * A launched program, from its first instruction to the moment at which its runtime is up and no
 * user code has run.
 *
 *   first instruction -- the program itself is Mono -----------------> traps at the entries
 *        |                                                                  ^
 *        +-- trap at the dynamic linker's notification; Mono's library? ----+
 *
 * The entries are those functions of the embedding API by which a program, `mono` included, runs
 * its first managed method: at the first hit of one of them the runtime is initialised, and its
 * thread stands at a function's entry, where a call is sound. An exec on the way (a script, a
 * wrapper) begins anew. Neither environment nor command line are altered.
 */
#include "config.h"

#include <string.h>

#include "cordbg/native/linker.h"
#include "runtime-shim/mono/mono-private.h"

static const char *const entry_names[] = {
    "mono_jit_exec",       "mono_runtime_run_main",     "mono_runtime_exec_main",
    "mono_runtime_invoke", "mono_runtime_invoke_array", "mono_method_get_unmanaged_thunk",
    "mono_compile_method",
};

typedef struct launch {
  cordbg_runtime *runtime;
  uint64_t linker_trap;
  uint64_t entries[G_N_ELEMENTS(entry_names)];
  size_t entry_count;
} launch;

static HRESULT
plant(launch *l, const uint64_t *addresses, size_t count, cordbg_error *error)
{
  cordbg_plant_result results[G_N_ELEMENTS(entry_names)];
  HRESULT hr = cordbg_tracer_plant(l->runtime->tracer, CORDBG_LAYER_INTERNAL, addresses, count,
                                   results, error);

  for (size_t i = 0; SUCCEEDED(hr) && i < count; i++)
    if (results[i].status != 0)
      hr = cordbg_error_set_errno(error, results[i].status, addresses[i],
                                  "a trap for the runtime's start cannot be planted");
  return hr;
}

static void
lift(launch *l, const uint64_t *addresses, size_t count)
{
  cordbg_plant_result results[G_N_ELEMENTS(entry_names)];

  if (count)
    cordbg_tracer_remove(l->runtime->tracer, CORDBG_LAYER_INTERNAL, addresses, count, results,
                         NULL);
}

static void
lift_all(launch *l)
{
  lift(l, l->entries, l->entry_count);
  l->entry_count = 0;
  lift(l, &l->linker_trap, l->linker_trap ? 1 : 0);
  l->linker_trap = 0;
}

static HRESULT
plant_entries(launch *l, cordbg_error *error)
{
  for (size_t i = 0; i < G_N_ELEMENTS(entry_names); i++) {
    uint64_t address = cordbg_mono_export(cordbg_mono_peek_target, l->runtime->target,
                                          l->runtime->place.info.base, entry_names[i]);
    if (address)
      l->entries[l->entry_count++] = address;
  }
  if (l->entry_count == 0)
    return cordbg_error_set(error, CORDBG_E_UNSUPPORTED_DEBUGGING_MODEL, 0, 0,
                            "%s exports none of Mono's entries", l->runtime->place.info.library);
  return plant(l, l->entries, l->entry_count, error);
}

/* Traps what comes next: the runtime's entries when it is mapped, else the linker's word of a
 * library more. */
static HRESULT
arm(launch *l, cordbg_error *error)
{
  cordbg_runtime *runtime = l->runtime;
  cordbg_auxv auxv;
  HRESULT hr = cordbg_mono_detect(runtime->pid, &runtime->place, error);

  if (FAILED(hr))
    return hr;
  if (hr == S_OK) {
    lift(l, &l->linker_trap, l->linker_trap ? 1 : 0);
    l->linker_trap = 0;
    return plant_entries(l, error);
  }
  if (l->linker_trap)
    return S_OK;
  hr = cordbg_auxv_read(runtime->pid, &auxv, error);
  if (FAILED(hr))
    return hr;
  uint64_t address = cordbg_mono_export(cordbg_mono_peek_target, runtime->target, auxv.linker_base,
                                        "_dl_debug_state");
  if (!address)
    return cordbg_error_set(error, CORDBG_E_NOT_CLR, 0, 0,
                            "process %d neither is Mono nor can load it", runtime->pid);
  hr = plant(l, &address, 1, error);
  if (SUCCEEDED(hr))
    l->linker_trap = address;
  return hr;
}

static bool
is_entry(const launch *l, uint64_t address)
{
  for (size_t i = 0; i < l->entry_count; i++)
    if (l->entries[i] == address)
      return true;
  return false;
}

/* S_OK: the runtime is up, *tid stands there; S_FALSE: go on. */
static HRESULT
step(launch *l, const cordbg_event *event, cordbg_mono_defer defer, void *data, int *tid,
     cordbg_error *error)
{
  if (event->kind == CORDBG_EVENT_EXITED)
    return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, 0, 0,
                            "the program ended before it started Mono");
  if (event->kind == CORDBG_EVENT_EXEC) {
    l->entry_count = 0; /* exec dropped every trap */
    l->linker_trap = 0;
    HRESULT hr = arm(l, error);
    return FAILED(hr) ? hr : S_FALSE;
  }
  if (event->kind == CORDBG_EVENT_TRAP && is_entry(l, event->address)) {
    *tid = event->tid;
    return S_OK;
  }
  if (event->kind == CORDBG_EVENT_TRAP && event->address == l->linker_trap) {
    HRESULT hr = arm(l, error);
    return FAILED(hr) ? hr : S_FALSE;
  }
  if (defer)
    defer(data, event);
  return S_FALSE;
}

HRESULT
cordbg_mono_run_until_ready(cordbg_runtime *runtime, int timeout_ms, cordbg_mono_defer defer,
                            void *data, int *tid, cordbg_error *error)
{
  launch l = {.runtime = runtime};
  gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
  bool running = false;
  HRESULT hr = arm(&l, error);

  if (SUCCEEDED(hr))
    hr = S_FALSE;
  while (hr == S_FALSE) {
    cordbg_event event;
    gint64 left = (end - g_get_monotonic_time()) / 1000;
    if (!running)
      hr = cordbg_tracer_continue(runtime->tracer, error);
    running = true;
    if (FAILED(hr))
      break;
    hr = cordbg_tracer_next_event(runtime->tracer, CORDBG_CHANNEL_MANAGED,
                                  left > 0 ? (int)MIN(left, 100) : 0, &event, error);
    if (hr == S_OK) {
      running = !(event.flags & CORDBG_EVENT_STOPS);
      hr = step(&l, &event, defer, data, tid, error);
    } else if (hr == S_FALSE && atomic_load(&runtime->interrupted)) {
      hr = cordbg_error_set(error, E_ABORT, 0, 0, "the launch was interrupted");
    } else if (hr == S_FALSE && left <= 0) {
      hr = cordbg_error_set(error, CORDBG_E_TIMEOUT, 0, 0,
                            "the program did not start Mono within %d ms", timeout_ms);
    }
  }
  lift_all(&l);
  if (FAILED(hr) && !running)
    cordbg_tracer_continue(runtime->tracer, NULL);
  return hr;
}
