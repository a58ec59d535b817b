/* SPDX-License-Identifier: MIT */
/*
 * The Mono shim: runtime.h for Mono 5.10 and newer (measured with 6.8).
 *
 * Why it is built so. Nothing need be prepared in the target, so what the runtime knows has to be
 * had from a live process. Two sources: the runtime's own structures, read from outside
 * (layout.c finds where things lie; things.c, code.c read them), and the agent, a small library
 * inside (agent/agent.c), which tells when they change and gives the first thread of a list. What
 * can be read from outside is: it works in a stopped target, takes no lock of the program's, and
 * costs the program nothing.
 *
 *   detect.c   is Mono there?             inject.c   the agent into a live process
 *   launch.c   until the runtime is up    layout.c   offsets into the runtime's structures
 *   things.c   domains .. threads         code.c     bodies of code, IL maps (seq-points.c)
 *   methods.c  names and tokens           events.c   the agent's log -> events
 *   aot.c      AOT code that the runtime has not listed
 *   publish.c  traps before code is published
 *
 * States of an instance:
 *
 *   prepare (attach): stop -> Finalizer waits? --no--> continue, wait a little, again
 *   prepare (launch): traps at the runtime's entries -> hit
 *                     -> agent loaded and started by remote calls -> trap at its notify function
 *                     -> layout, domains, modules, threads -> READY (stopped)
 *   READY: handle_event brings the picture up to date; queries answer from it and from memory
 *   destroy: agent told to leave (words and a kick, the same that the tracer writes when the
 *            client dies)
 *
 * Invariants
 *   - What the session changes in the target is undone by the tracer alone, whatever happens to
 *     this process: the clean-up words are armed before the first trap is planted.
 *   - Between two stops nothing of the picture is believed: handle_event is called at each, and a
 *     query reads the version counters first.
 *   - No value from the target is used as a length, an index or a loop's end without a bound.
 */
#include "config.h"

#include <poll.h>
#include <string.h>

#include "cordbg/log.h"
#include "runtime-shim/mono/emitted.h"
#include "runtime-shim/mono/mono-private.h"
#include "runtime-shim/mono/mono.h"

/* ---- Memory ---- */

bool
cordbg_mono_peek_target(void *target, uint64_t address, void *buffer, size_t size)
{
  return cordbg_target_read_exact(target, CORDBG_VIEW_PRISTINE, address, buffer, size, NULL) ==
         S_OK;
}

HRESULT
cordbg_mono_read(cordbg_runtime *runtime, uint64_t address, void *buffer, size_t size,
                 cordbg_error *error)
{
  return cordbg_target_read_exact(runtime->target, CORDBG_VIEW_PRISTINE, address, buffer, size,
                                  error);
}

bool
cordbg_mono_read_word(cordbg_runtime *runtime, uint64_t address, uint64_t *ret)
{
  return cordbg_mono_read(runtime, address, ret, sizeof(*ret), NULL) == S_OK;
}

char *
cordbg_mono_read_string(cordbg_runtime *runtime, uint64_t address)
{
  char *text = NULL;

  if (!address ||
      FAILED(cordbg_target_read_string(runtime->target, address, CORDBG_RT_NAME_MAX, &text, NULL)))
    return NULL;
  if (g_utf8_validate(text, -1, NULL))
    return text;
  char *valid = g_utf8_make_valid(text, -1);
  g_free(text);
  return valid;
}

HRESULT
cordbg_mono_write(cordbg_runtime *runtime, uint64_t address, const void *data, size_t size,
                  cordbg_error *error)
{
  size_t written = 0;
  HRESULT hr = cordbg_target_write(runtime->target, address, data, size, &written, error);

  if (hr == S_FALSE)
    return cordbg_error_set(error, CORDBG_E_WRITEVIRTUAL_FAILURE, 0, address + written,
                            "the agent's memory cannot be written");
  return hr;
}

HRESULT
cordbg_mono_write_word(cordbg_runtime *runtime, size_t offset, uint32_t value, cordbg_error *error)
{
  return cordbg_mono_write(runtime, runtime->block_address + offset, &value, sizeof(value), error);
}

HRESULT
cordbg_mono_read_block(cordbg_runtime *runtime, cordbg_error *error)
{
  return cordbg_mono_read(runtime, runtime->block_address, &runtime->block, sizeof(runtime->block),
                          error);
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
  runtime->next_instance = 1;
  runtime->pending = g_array_new(FALSE, TRUE, sizeof(cordbg_rt_event));
  runtime->wanted =
      g_hash_table_new_full(cordbg_mono_pair_hash, cordbg_mono_pair_equal, g_free, NULL);
  runtime->wanted_table = g_new0(cordbg_agent_wanted, CORDBG_AGENT_WANTED);
  cordbg_mono_make_things(runtime);
  cordbg_mono_make_codes(runtime);
  cordbg_mono_make_aot(runtime);
  cordbg_mono_make_entries(runtime);
  return runtime;
}

static void
leave_target(cordbg_runtime *runtime)
{
  cordbg_plant_result result;

  if (runtime->trap_planted)
    cordbg_tracer_remove(runtime->tracer, CORDBG_LAYER_INTERNAL, &runtime->block.notify, 1, &result,
                         NULL);
  cordbg_mono_lift_entries(runtime, 0);
  if (!runtime->started)
    return;
  cordbg_mono_write_word(runtime, offsetof(cordbg_agent_block, active), 0, NULL);
  cordbg_mono_write_word(runtime, offsetof(cordbg_agent_block, command), CORDBG_AGENT_COMMAND_EXIT,
                         NULL);
  cordbg_tracer_kick(runtime->tracer, runtime->block.service_tid, NULL);
}

static void
destroy(cordbg_runtime *runtime, int alive)
{
  if (!runtime)
    return;
  if (alive)
    leave_target(runtime);
  cordbg_mono_free_codes(runtime);
  cordbg_mono_free_things(runtime);
  cordbg_mono_free_aot(runtime);
  cordbg_mono_free_entries(runtime);
  g_array_unref(runtime->pending);
  g_hash_table_unref(runtime->wanted);
  g_free(runtime->wanted_table);
  cordbg_target_unref(runtime->target);
  g_free(runtime);
}

static HRESULT
detect(int pid, cordbg_runtime_info *ret, cordbg_error *error)
{
  cordbg_mono_place place;
  HRESULT hr = cordbg_mono_detect(pid, &place, error);

  if (hr == S_OK)
    *ret = place.info;
  return hr;
}

/* ---- Prepare ---- */

/* Stops the target at a moment at which its Finalizer thread can run our calls. On success it is
 * stopped, on failure running. */
static HRESULT
stop_at_finalizer(cordbg_runtime *runtime, int timeout_ms, int *tid, cordbg_error *error)
{
  gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
  struct pollfd interruption = {.fd = cordbg_tracer_interrupt_fd(runtime->tracer),
                                .events = POLLIN};
  bool exists = false;

  for (int wait = 1;; wait = MIN(wait * 2, 50)) {
    cordbg_reply_stop state;
    HRESULT hr = cordbg_tracer_stop(runtime->tracer, &state, error);
    if (FAILED(hr))
      return hr;
    *tid = cordbg_mono_find_finalizer(runtime->pid, &exists);
    if (*tid)
      return S_OK;
    hr = cordbg_tracer_continue(runtime->tracer, error);
    if (FAILED(hr))
      return hr;
    if (cordbg_tracer_interrupted(runtime->tracer))
      return cordbg_error_set(error, E_ABORT, 0, 0,
                              "waiting for the Finalizer thread of process %d was given up",
                              runtime->pid);
    if (g_get_monotonic_time() > end)
      return cordbg_error_set(error, CORDBG_E_TIMEOUT, 0, 0,
                              exists ? "the runtime's Finalizer thread of process %d is busy"
                                     : "the runtime of process %d has no Finalizer thread (yet)",
                              runtime->pid);
    if (wait == 1)
      cordbg_log(CORDBG_LOG_STEP, "waiting for process %d to have its Finalizer thread at rest",
                 runtime->pid);
    /* Nothing tells of a thread's rest: look again, a bounded time. */
    poll(&interruption, 1, wait);
  }
}

/* What the tracer does to the agent when the session ends, in whatever way. */
static HRESULT
arm_cleanup(cordbg_runtime *runtime, cordbg_error *error)
{
  const cordbg_cleanup_word words[] = {
      {.address = runtime->block_address + offsetof(cordbg_agent_block, active), .value = 0},
      {.address = runtime->block_address + offsetof(cordbg_agent_block, command),
       .value = CORDBG_AGENT_COMMAND_EXIT},
  };

  return cordbg_tracer_on_cleanup(runtime->tracer, words, G_N_ELEMENTS(words),
                                  runtime->block.service_tid, error);
}

static HRESULT
plant_notify(cordbg_runtime *runtime, cordbg_error *error)
{
  cordbg_plant_result result;
  HRESULT hr = cordbg_tracer_plant(runtime->tracer, CORDBG_LAYER_INTERNAL, &runtime->block.notify,
                                   1, &result, error);

  if (SUCCEEDED(hr) && result.status != 0)
    return cordbg_error_set_errno(error, result.status, runtime->block.notify,
                                  "the trap in the agent cannot be planted");
  if (FAILED(hr))
    return hr;
  runtime->trap_planted = true;
  return cordbg_mono_write_word(
      runtime, offsetof(cordbg_agent_block, notify_mask),
      1u << CORDBG_AGENT_DOMAIN_NAMED | 1u << CORDBG_AGENT_DOMAIN_UNLOADING |
          1u << CORDBG_AGENT_ASSEMBLY_LOADED | 1u << CORDBG_AGENT_THREAD_STARTED |
          1u << CORDBG_AGENT_THREAD_STOPPED | 1u << CORDBG_AGENT_CODE_COMPILED |
          1u << CORDBG_AGENT_CODE_FREED | 1u << CORDBG_AGENT_CODE_COMPLETE,
      error);
}

/* From the started agent to a picture of everything; the target is stopped. */
static HRESULT
make_ready(cordbg_runtime *runtime, cordbg_error *error)
{
  uint32_t interpreter = 0;
  HRESULT hr = arm_cleanup(runtime, error);

  if (SUCCEEDED(hr))
    hr = plant_notify(runtime, error);
  if (SUCCEEDED(hr))
    hr = cordbg_mono_discover(runtime, error);
  if (FAILED(hr))
    return hr;
  if (runtime->block.use_interpreter)
    cordbg_mono_read(runtime, runtime->block.use_interpreter, &interpreter, 4, NULL);
  runtime->interpreter = interpreter != 0;
  /* Records up to here tell of what the scans below read anyway. */
  hr = cordbg_mono_read_block(runtime, error);
  runtime->cursor = runtime->block.log_head;
  if (SUCCEEDED(hr))
    hr = cordbg_mono_scan_domains(runtime, NULL, error);
  if (SUCCEEDED(hr))
    hr = cordbg_mono_scan_modules(runtime, NULL, error);
  if (SUCCEEDED(hr))
    hr = cordbg_mono_scan_threads(runtime, NULL, error);
  return hr;
}

static HRESULT
prepare(cordbg_target *target, int launched, int timeout_ms, cordbg_mono_defer defer, void *data,
        cordbg_runtime **ret, cordbg_error *error)
{
  cordbg_runtime *runtime = create(target);
  int tid = 0;
  HRESULT hr;

  if (launched) {
    hr = cordbg_mono_run_until_ready(runtime, timeout_ms, defer, data, &tid, error);
  } else {
    hr = cordbg_mono_detect(runtime->pid, &runtime->place, error);
    if (hr == S_FALSE)
      hr = cordbg_error_set(error, CORDBG_E_NOT_CLR, 0, 0, "process %d does not run Mono",
                            runtime->pid);
    if (SUCCEEDED(hr))
      hr = stop_at_finalizer(runtime, timeout_ms, &tid, error);
  }
  if (FAILED(hr)) {
    destroy(runtime, 0);
    return hr;
  }
  hr = cordbg_mono_inject(runtime, tid, timeout_ms, error);
  if (SUCCEEDED(hr))
    hr = make_ready(runtime, error);
  if (FAILED(hr)) {
    destroy(runtime, 1);
    cordbg_tracer_continue(cordbg_target_tracer(target), NULL);
    return hr;
  }
  *ret = runtime;
  return S_OK;
}

const cordbg_runtime_ops cordbg_mono_ops = {
    .name = "Mono",
    .detect = detect,
    .prepare = prepare,
    .destroy = destroy,
    .handle_event = cordbg_mono_handle_event,
    .domains = cordbg_mono_domains,
    .assemblies = cordbg_mono_assemblies,
    .modules = cordbg_mono_modules,
    .threads = cordbg_mono_threads,
    .domain = cordbg_mono_get_domain,
    .assembly = cordbg_mono_get_assembly,
    .module = cordbg_mono_get_module,
    .thread = cordbg_mono_get_thread,
    .find_methods = cordbg_mono_find_methods,
    .method = cordbg_mono_get_method,
    .method_name = cordbg_mono_method_name,
    .metadata = cordbg_mono_get_metadata,
    .codes = cordbg_mono_codes,
    .code_at = cordbg_mono_code_at,
    .il_map = cordbg_mono_il_map,
    .want_method = cordbg_mono_want_method,
    .synchronised = cordbg_mono_synchronised,
    .unwind = cordbg_mono_unwind,
    .next_managed = cordbg_mono_next_managed,
};
