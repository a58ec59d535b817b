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
#include "runtime-shim/run.h"

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
  cordbg_mono_defer defer;
  void *data;
  int tid;
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
lift_all(void *data)
{
  launch *l = data;

  lift(l, l->entries, l->entry_count);
  l->entry_count = 0;
  lift(l, &l->linker_trap, l->linker_trap ? 1 : 0);
  l->linker_trap = 0;
}

static HRESULT
plant_entries(launch *l, cordbg_error *error)
{
  for (size_t i = 0; i < G_N_ELEMENTS(entry_names); i++) {
    uint64_t address = cordbg_export_find(cordbg_mono_peek_target, l->runtime->target,
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
 * library more. S_FALSE: something is to come. */
static HRESULT
arm(void *data, cordbg_error *error)
{
  launch *l = data;
  cordbg_runtime *runtime = l->runtime;
  cordbg_auxv auxv;
  HRESULT hr = cordbg_mono_detect(runtime->pid, &runtime->place, error);

  if (FAILED(hr))
    return hr;
  if (hr == S_OK) {
    lift(l, &l->linker_trap, l->linker_trap ? 1 : 0);
    l->linker_trap = 0;
    hr = plant_entries(l, error);
    return FAILED(hr) ? hr : S_FALSE;
  }
  if (l->linker_trap)
    return S_FALSE;
  hr = cordbg_auxv_read(runtime->pid, &auxv, error);
  if (FAILED(hr))
    return hr;
  uint64_t address = cordbg_export_find(cordbg_mono_peek_target, runtime->target, auxv.linker_base,
                                        "_dl_debug_state");
  if (!address)
    return cordbg_error_set(error, CORDBG_E_NOT_CLR, 0, 0,
                            "process %d neither is Mono nor can load it", runtime->pid);
  hr = plant(l, &address, 1, error);
  if (FAILED(hr))
    return hr;
  l->linker_trap = address;
  return S_FALSE;
}

static bool
is_entry(const launch *l, uint64_t address)
{
  for (size_t i = 0; i < l->entry_count; i++)
    if (l->entries[i] == address)
      return true;
  return false;
}

/* S_OK: the runtime is up, l->tid stands there. */
static HRESULT
take(void *data, const cordbg_event *event, cordbg_error *error)
{
  launch *l = data;

  if (event->kind == CORDBG_EVENT_EXEC) {
    l->entry_count = 0; /* exec dropped every trap */
    l->linker_trap = 0;
    return arm(l, error);
  }
  if (event->kind == CORDBG_EVENT_TRAP && is_entry(l, event->address)) {
    l->tid = event->tid;
    return S_OK;
  }
  if (event->kind == CORDBG_EVENT_TRAP && event->address == l->linker_trap)
    return arm(l, error);
  if (l->defer)
    l->defer(l->data, event);
  return S_FALSE;
}

HRESULT
cordbg_mono_run_until_ready(cordbg_runtime *runtime, int timeout_ms, cordbg_mono_defer defer,
                            void *data, int *tid, cordbg_error *error)
{
  static const cordbg_run_goal goal = {"start Mono", arm, take, lift_all};
  launch l = {.runtime = runtime, .defer = defer, .data = data};
  HRESULT hr = cordbg_run_until(runtime->target, timeout_ms, &goal, &l, error);

  if (SUCCEEDED(hr))
    *tid = l.tid;
  return hr;
}
