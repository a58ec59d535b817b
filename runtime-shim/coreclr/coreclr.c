/* SPDX-License-Identifier: MIT */
/*
 * The CoreCLR shim: runtime.h for .NET (measured with 10.0).
 *
 * Why it is built so. Nothing is injected into a .NET target: the runtime comes with a library that
 * reads its structures from outside (the DAC), and when it sees that it is traced it raises
 * notifications that a debugger can wait for. The DAC is the target's own code, so it lives in a
 * process of its own, the DAC host; dac.h is what can be asked of it.
 *
 *   detect.c   is .NET there?               launch.c   until the runtime is up
 *   things.c   domain .. threads            code.c     bodies of code, IL maps, unwinding
 *   methods.c  names and tokens             notify.c   the runtime's notifications -> events
 *   expect.c   attaches about to come
 *   dac.c      the client of the DAC host   want.c     methods whose code is waited for
 *   dac-kept.c its answers that still hold  thread-list.c  the threads, without the DAC
 *   thread-starts.c  threads begin, end     publish.c  code before anybody can run it
 *   bodies.c   code and its IL map, read without the DAC
 *
 * How the runtime notifies. For a module loaded or unloaded (when flags in its data say so) and for
 * a body of code made of a method that stands in its notification table, the runtime looks whether
 * it is traced, fills a global array of arguments and throws a C++ exception which it swallows. An
 * internal trap on `__cxa_throw` stops the thread there; the DAC tells what the arguments mean. The
 * thread holds the lock of the array meanwhile, so notifications come one at a time. Everybody
 * else's C++ exceptions hit the trap too and go on.
 *
 * States of an instance:
 *
 *   expect: a DAC host is being started, while the session starts its tracer
 *   prepare (attach): stop -> structures sound? --no--> continue, wait a little, again
 *                          '-> the runtime is only starting: as for a launch
 *   prepare (launch): traps at the runtime's entries -> hit
 *                     -> DAC host -> flags and trap -> domain, modules, threads -> READY (stopped)
 *   READY: handle_event brings the picture up to date; queries answer from it and from the DAC
 *   destroy: flags and table cleared, trap removed
 *
 * Invariants
 *   - The tracer removes the trap, whatever happens to this process. Flags and table entries that
 *     are left behind then do nothing: the runtime raises no notification when nobody traces it.
 *   - No value from the target is used as a length, an index or a loop's end without a bound.
 */
#include "config.h"

#include "cordbg/native/exports.h"
#include "cordbg/native/symbols.h"
#include "runtime-shim/coreclr/coreclr-private.h"
#include "runtime-shim/coreclr/coreclr.h"

/* How often the DAC host may crash over a runtime that starts. */
#define CRASHES_MAX 5

/* What the runtime calls for each thread that it takes in (thread-starts.c). */
#define STARTS_EXPORT "__cxa_thread_atexit"
/* For an event that was sent already. */
#define CROSSED_MS 10000

HRESULT
cordbg_coreclr_read(cordbg_runtime *runtime, uint64_t address, void *buffer, size_t size,
                    cordbg_error *error)
{
  return cordbg_target_read_exact(runtime->target, CORDBG_VIEW_PRISTINE, address, buffer, size,
                                  error);
}

static bool
read_target(void *data, uint64_t address, void *buffer, size_t size)
{
  return SUCCEEDED(cordbg_coreclr_read(data, address, buffer, size, NULL));
}

uint64_t
cordbg_coreclr_export(cordbg_runtime *runtime, uint64_t library, const char *name)
{
  return cordbg_export_find(read_target, runtime, library, name);
}

/* ---- Traps ---- */

HRESULT
cordbg_coreclr_plant(cordbg_runtime *runtime, uint64_t address, cordbg_error *error)
{
  cordbg_plant_result result;
  HRESULT hr =
      cordbg_tracer_plant(runtime->tracer, CORDBG_LAYER_INTERNAL, &address, 1, &result, error);

  if (SUCCEEDED(hr) && result.status != 0)
    hr = cordbg_error_set_errno(error, result.status, address,
                                "a trap in the runtime cannot be planted");
  return hr;
}

void
cordbg_coreclr_lift(cordbg_runtime *runtime, uint64_t address)
{
  cordbg_plant_result result;

  if (address)
    cordbg_tracer_remove(runtime->tracer, CORDBG_LAYER_INTERNAL, &address, 1, &result, NULL);
}

/* ---- Making and ending ---- */

static cordbg_runtime *
create(cordbg_target *target)
{
  cordbg_runtime *runtime = g_new0(cordbg_runtime, 1);

  runtime->target = cordbg_target_ref(target);
  runtime->tracer = cordbg_target_tracer(target);
  runtime->pid = cordbg_target_pid(target);
  runtime->next_id = 1;
  runtime->pending = g_array_new(FALSE, TRUE, sizeof(cordbg_rt_event));
  runtime->told = g_hash_table_new(g_direct_hash, g_direct_equal);
  cordbg_coreclr_make_things(runtime);
  cordbg_coreclr_make_codes(runtime);
  cordbg_coreclr_make_wants(runtime);
  cordbg_coreclr_make_publish(runtime);
  cordbg_coreclr_make_thread_list(runtime);
  cordbg_coreclr_make_starts(runtime);
  cordbg_coreclr_make_bodies(runtime);
  return runtime;
}

static void
leave_target(cordbg_runtime *runtime)
{
  if (runtime->throw_planted)
    cordbg_coreclr_lift(runtime, runtime->throw_address);
  cordbg_coreclr_publish_leave(runtime);
  cordbg_coreclr_starts_leave(runtime);
  if (!runtime->dac)
    return;
  cordbg_dac_leave(runtime->dac);
  cordbg_coreclr_unwant_all(runtime);
  if (runtime->flags_set) {
    cordbg_dac_flush(runtime->dac);
    cordbg_dac_set_notifications(runtime->dac, 0, NULL);
  }
}

static void
destroy(cordbg_runtime *runtime, int alive)
{
  if (!runtime)
    return;
  if (alive)
    leave_target(runtime);
  cordbg_coreclr_free_wants(runtime);
  cordbg_coreclr_free_publish(runtime);
  cordbg_coreclr_free_thread_list(runtime);
  cordbg_coreclr_free_starts(runtime);
  cordbg_coreclr_free_bodies(runtime);
  cordbg_coreclr_free_codes(runtime);
  cordbg_coreclr_free_things(runtime);
  cordbg_dac_abandon(runtime->begun);
  cordbg_dac_destroy(runtime->dac);
  g_hash_table_unref(runtime->told);
  g_array_unref(runtime->pending);
  cordbg_target_unref(runtime->target);
  g_free(runtime->descriptor.text);
  g_free(runtime->library);
  g_free(runtime);
}

/* ---- Prepare ---- */

/* The C++ runtime that libcoreclr throws with: where there are several, the first one that the
 * dynamic linker has. */
static HRESULT
find_throw(cordbg_runtime *runtime, cordbg_error *error)
{
  runtime->throw_address = cordbg_coreclr_export(runtime, runtime->throw_library, "__cxa_throw");
  if (runtime->throw_address) {
    cordbg_coreclr_starts_at(runtime,
                             cordbg_coreclr_export(runtime, runtime->throw_library, STARTS_EXPORT));
    return S_OK;
  }
  cordbg_modules *modules = NULL;
  cordbg_symbol symbol;
  HRESULT hr = cordbg_modules_create_for_target(runtime->target, &modules, error);

  if (FAILED(hr))
    return hr;
  hr = cordbg_symbol_find(modules, "/libstdc++.so", "__cxa_throw", CORDBG_SYMBOLS_EXPORTED, &symbol,
                          NULL);
  if (hr != S_OK)
    hr = cordbg_symbol_find(modules, NULL, "__cxa_throw", CORDBG_SYMBOLS_EXPORTED, &symbol, error);
  if (hr == S_OK)
    runtime->throw_address = symbol.address;
  else if (hr == S_FALSE)
    hr = cordbg_error_set(error, CORDBG_E_UNSUPPORTED_DEBUGGING_MODEL, 0, 0,
                          "no library of process %d exports __cxa_throw: the runtime's "
                          "notifications cannot be seen",
                          runtime->pid);
  if (SUCCEEDED(hr) && cordbg_symbol_find(modules, "/libstdc++.so", STARTS_EXPORT,
                                          CORDBG_SYMBOLS_EXPORTED, &symbol, NULL) == S_OK)
    cordbg_coreclr_starts_at(runtime, symbol.address);
  cordbg_modules_destroy(modules);
  return hr;
}

static HRESULT
arm(cordbg_runtime *runtime, cordbg_error *error)
{
  HRESULT hr = find_throw(runtime, error);

  if (SUCCEEDED(hr) && !runtime->throw_planted)
    hr = cordbg_coreclr_plant(runtime, runtime->throw_address, error);
  if (FAILED(hr))
    return hr;
  runtime->throw_planted = true;
  cordbg_coreclr_starts_trap(runtime);
  /* Debugger.Break is an int3 of the runtime's as soon as somebody traces it. */
  hr = cordbg_tracer_own_traps(runtime->tracer, runtime->info.base,
                               runtime->info.base + runtime->info.size, error);
  if (FAILED(hr))
    return hr;
  hr = cordbg_dac_set_notifications(runtime->dac,
                                    CORDBG_DAC_ON_MODULE_LOAD | CORDBG_DAC_ON_MODULE_UNLOAD, error);
  runtime->flags_set = SUCCEEDED(hr);
  return hr;
}

/* A picture of everything; the target is stopped. What it lacks will be notified. */
static HRESULT
take_picture(cordbg_runtime *runtime, cordbg_error *error)
{
  HRESULT hr = cordbg_coreclr_scan_modules(runtime, NULL, error);

  if (SUCCEEDED(hr))
    hr = cordbg_coreclr_scan_threads(runtime, NULL, error);
  return hr;
}

typedef struct waiting {
  gint64 end; /* monotonic microseconds */
  cordbg_coreclr_defer defer;
  void *data;
} waiting;

/* What came on the event channel while the target ran for a moment. */
static HRESULT
take_moments_event(cordbg_runtime *runtime, const waiting *wait, const cordbg_event *event,
                   cordbg_error *error)
{
  if (event->kind == CORDBG_EVENT_EXITED)
    return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, 0, 0,
                            "process %d ended while it was attached to", runtime->pid);
  bool own = event->kind == CORDBG_EVENT_TRAP &&
             (event->address == runtime->throw_address || cordbg_coreclr_starts_is(runtime, event));
  if (!own && wait->defer)
    wait->defer(wait->data, event);
  return S_OK;
}

/*
 * Lets the stopped target run for a moment and stops it again. Nothing tells of the end of a
 * collection or of a load; what comes meanwhile on the event channel ends the moment early, and is
 * the caller's unless it is the shim's own. One that crosses with the stop is taken too: the next
 * CONTINUE is for it as well, and met later it would pass for a stop.
 */
static HRESULT
run_on(cordbg_runtime *runtime, const waiting *wait, int milliseconds, cordbg_error *error)
{
  cordbg_reply_stop state = {0};
  cordbg_event event;
  HRESULT hr = cordbg_tracer_continue(runtime->tracer, error);

  if (FAILED(hr))
    return hr;
  hr = cordbg_tracer_next_event(runtime->tracer, CORDBG_CHANNEL_MANAGED, milliseconds, &event,
                                error);
  bool came = hr == S_OK;
  if (hr == S_FALSE ||
      (came && event.kind != CORDBG_EVENT_EXITED && !(event.flags & CORDBG_EVENT_STOPS)))
    hr = cordbg_tracer_stop(runtime->tracer, &state, error);
  if (came && SUCCEEDED(hr))
    hr = take_moments_event(runtime, wait, &event, error);
  if (SUCCEEDED(hr) && state.outstanding_managed) {
    hr = cordbg_tracer_next_event(runtime->tracer, CORDBG_CHANNEL_MANAGED, CROSSED_MS, &event,
                                  error);
    if (hr == S_OK)
      hr = take_moments_event(runtime, wait, &event, error);
  }
  if (runtime->dac)
    cordbg_dac_flush(runtime->dac);
  return hr;
}

/* Stopped -> stopped at a moment at which the picture could be taken. */
static HRESULT
settle(cordbg_runtime *runtime, const waiting *wait, cordbg_error *error)
{
  for (int moment = 1;; moment = MIN(moment * 2, 20)) {
    cordbg_error why = {.hr = S_OK};
    HRESULT hr = cordbg_coreclr_synchronised(runtime, &why);
    if (hr == S_OK)
      hr = take_picture(runtime, &why);
    /* A structure that is being changed may look like nonsense: only time tells. */
    if (hr == S_OK || (FAILED(hr) && hr != CORDBG_E_TARGET_INCONSISTENT)) {
      if (FAILED(hr) && error)
        *error = why;
      return hr;
    }
    if (cordbg_tracer_interrupted(runtime->tracer))
      return cordbg_error_set(error, E_ABORT, 0, 0,
                              "waiting for the runtime of process %d to come to rest was given up",
                              runtime->pid);
    if (g_get_monotonic_time() > wait->end)
      return cordbg_error_set(error, CORDBG_E_TIMEOUT, 0, 0,
                              "the runtime of process %d did not come to rest: %.120s",
                              runtime->pid, why.sentence);
    hr = run_on(runtime, wait, moment, error);
    if (FAILED(hr))
      return hr;
  }
}

static HRESULT
start_dac(cordbg_runtime *runtime, cordbg_error *error)
{
  return cordbg_dac_start_begun(runtime->target, runtime->library, runtime->info.base,
                                g_steal_pointer(&runtime->begun), &runtime->dac, error);
}

/* A process that was attached to while its runtime starts is run on to where a launch would have
 * stopped. */
static HRESULT
make_dac(cordbg_runtime *runtime, const waiting *wait, cordbg_error *error)
{
  HRESULT hr = start_dac(runtime, error);

  if (hr == CORDBG_E_NOTREADY) {
    gint64 left = (wait->end - g_get_monotonic_time()) / 1000;
    hr = cordbg_coreclr_run_until_ready(runtime, (int)MAX(left, 0), wait->defer, wait->data, error);
    if (SUCCEEDED(hr))
      hr = start_dac(runtime, error);
  }
  return hr;
}

/* From a stopped target to a picture of everything. The DAC may crash over a runtime that is just
 * starting: then another moment is tried, with another host, and a few times only. */
static HRESULT
make_ready(cordbg_runtime *runtime, const waiting *wait, cordbg_error *error)
{
  for (int crashes = 0;; crashes++) {
    HRESULT hr = runtime->dac ? S_OK : make_dac(runtime, wait, error);
    if (SUCCEEDED(hr) && !runtime->flags_set)
      hr = arm(runtime, error);
    if (SUCCEEDED(hr))
      hr = settle(runtime, wait, error);
    if (hr != E_UNEXPECTED || crashes == CRASHES_MAX || cordbg_tracer_interrupted(runtime->tracer))
      return hr;
    hr = run_on(runtime, wait, 5 << crashes, error);
    if (FAILED(hr))
      return hr;
  }
}

static HRESULT
prepare(cordbg_target *target, int launched, int timeout_ms, cordbg_coreclr_defer defer, void *data,
        cordbg_runtime **ret, cordbg_error *error)
{
  cordbg_runtime *runtime = create(target);
  waiting wait = {g_get_monotonic_time() + (gint64)timeout_ms * 1000, defer, data};
  HRESULT hr = cordbg_coreclr_find(runtime->pid, &runtime->library, &runtime->throw_library,
                                   &runtime->info, error);

  if (hr == S_FALSE)
    hr = cordbg_error_set(error, CORDBG_E_NOT_CLR, 0, 0, "process %d does not run .NET",
                          runtime->pid);
  if (SUCCEEDED(hr) && launched) {
    hr = cordbg_coreclr_run_until_ready(runtime, timeout_ms, defer, data, error);
  } else if (SUCCEEDED(hr)) {
    cordbg_reply_stop state;
    runtime->begun = cordbg_coreclr_expected(runtime->pid);
    hr = cordbg_tracer_stop(runtime->tracer, &state, error);
  }
  if (FAILED(hr)) {
    destroy(runtime, 0);
    return hr;
  }
  hr = make_ready(runtime, &wait, error);
  if (FAILED(hr)) {
    destroy(runtime, 1);
    cordbg_tracer_continue(cordbg_target_tracer(target), NULL);
    return hr;
  }
  *ret = runtime;
  return S_OK;
}

const cordbg_runtime_ops cordbg_coreclr_ops = {
    .name = ".NET",
    .detect = cordbg_coreclr_detect,
    .prepare = prepare,
    .expect = cordbg_coreclr_expect,
    .dismiss = cordbg_coreclr_dismiss,
    .destroy = destroy,
    .handle_event = cordbg_coreclr_handle_event,
    .thread_ends = true,
    .domains = cordbg_coreclr_domains,
    .assemblies = cordbg_coreclr_assemblies,
    .modules = cordbg_coreclr_modules,
    .threads = cordbg_coreclr_threads,
    .domain = cordbg_coreclr_get_domain,
    .assembly = cordbg_coreclr_get_assembly,
    .module = cordbg_coreclr_get_module,
    .thread = cordbg_coreclr_get_thread,
    .find_methods = cordbg_coreclr_find_methods,
    .method = cordbg_coreclr_get_method,
    .method_name = cordbg_coreclr_method_name,
    .metadata = cordbg_coreclr_get_metadata,
    .codes = cordbg_coreclr_codes_of,
    .code_at = cordbg_coreclr_code_at,
    .il_map = cordbg_coreclr_il_map,
    .want_method = cordbg_coreclr_want_method,
    .synchronised = cordbg_coreclr_synchronised,
    .unwind = cordbg_coreclr_unwind,
    .next_managed = cordbg_coreclr_next_managed,
};
