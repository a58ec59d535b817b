/* SPDX-License-Identifier: MIT */
/*
 * A launched program, from the load of libcoreclr.so to the moment at which the runtime is up and
 * no user code has run.
 *
 * Every host goes through `coreclr_initialize`; when it has returned, the runtime is up, has only
 * its core library, and the DAC works. A trap at its entry tells where it will return to, on which
 * thread; a second trap there ends the wait. `coreclr_execute_assembly` and
 * `coreclr_create_delegate` are trapped too: whoever comes there is past the initialisation,
 * however it was made.
 */
#include "config.h"

#include "cordbg/native/symbols.h"
#include "runtime-shim/coreclr/coreclr-private.h"
#include "runtime-shim/run.h"

enum { INITIALIZE, EXECUTE, DELEGATE, RETURN, PLACES };
static const char *const names[] = {"coreclr_initialize", "coreclr_execute_assembly",
                                    "coreclr_create_delegate"};

typedef struct launch {
  cordbg_runtime *runtime;
  uint64_t places[PLACES]; /* trapped; 0: not */
  int32_t initializer;     /* the thread in coreclr_initialize */
  cordbg_coreclr_defer defer;
  void *data;
} launch;

static HRESULT
plant(launch *l, int place, uint64_t address, cordbg_error *error)
{
  HRESULT hr = cordbg_coreclr_plant(l->runtime, address, error);

  if (SUCCEEDED(hr))
    l->places[place] = address;
  return hr;
}

static void
lift_all(void *data)
{
  launch *l = data;

  for (int i = 0; i < PLACES; i++) {
    cordbg_coreclr_lift(l->runtime, l->places[i]);
    l->places[i] = 0;
  }
}

static HRESULT
arm(void *data, cordbg_error *error)
{
  launch *l = data;
  cordbg_modules *modules = NULL;
  cordbg_symbol symbol;
  HRESULT hr = cordbg_modules_create_for_target(l->runtime->target, &modules, error);

  if (FAILED(hr))
    return hr;
  const cordbg_module *module = cordbg_modules_at(modules, l->runtime->info.base);
  for (int i = 0; SUCCEEDED(hr) && module && i < RETURN; i++) {
    hr = cordbg_symbol_find_in(modules, module, names[i], CORDBG_SYMBOLS_EXPORTED, &symbol, error);
    if (hr == S_OK)
      hr = plant(l, i, symbol.address, error);
  }
  if (SUCCEEDED(hr) && !l->places[INITIALIZE] && !l->places[EXECUTE])
    hr = cordbg_error_set(error, CORDBG_E_UNSUPPORTED_DEBUGGING_MODEL, 0, 0,
                          "%.150s exports none of the entries by which .NET is started",
                          l->runtime->library);
  cordbg_modules_destroy(modules);
  return FAILED(hr) ? hr : S_FALSE;
}

/* S_OK: the runtime is up; S_FALSE: go on. */
static HRESULT
trapped(launch *l, const cordbg_event *event, cordbg_error *error)
{
  uint64_t back;
  HRESULT hr;

  if (event->address == l->places[EXECUTE] || event->address == l->places[DELEGATE])
    return S_OK;
  if (event->address == l->places[RETURN])
    return event->tid == l->initializer ? S_OK : S_FALSE;
  if (l->places[RETURN])
    return S_FALSE; /* a second thread initialises: it will be refused by the runtime */
  hr = cordbg_coreclr_read(l->runtime, event->registers.rsp, &back, sizeof(back), error);
  if (SUCCEEDED(hr))
    hr = plant(l, RETURN, back, error);
  l->initializer = event->tid;
  return FAILED(hr) ? hr : S_FALSE;
}

static bool
is_own(const launch *l, const cordbg_event *event)
{
  if (event->kind != CORDBG_EVENT_TRAP || !(event->layers & CORDBG_LAYER_INTERNAL))
    return false;
  for (int i = 0; i < PLACES; i++)
    if (l->places[i] && l->places[i] == event->address)
      return true;
  return false;
}

static HRESULT
take(void *data, const cordbg_event *event, cordbg_error *error)
{
  launch *l = data;

  if (event->kind == CORDBG_EVENT_EXEC)
    return cordbg_error_set(error, CORDBG_E_UNSUPPORTED_DEBUGGING_MODEL, 0, 0,
                            "the program loaded .NET and executed another one instead of "
                            "starting it");
  if (is_own(l, event))
    return trapped(l, event, error);
  if (l->defer)
    l->defer(l->data, event);
  return S_FALSE;
}

HRESULT
cordbg_coreclr_run_until_ready(cordbg_runtime *runtime, int timeout_ms, cordbg_coreclr_defer defer,
                               void *data, cordbg_error *error)
{
  static const cordbg_run_goal goal = {"start .NET", arm, take, lift_all};
  launch l = {.runtime = runtime, .defer = defer, .data = data};

  return cordbg_run_until(runtime->target, timeout_ms, &goal, &l, error);
}
