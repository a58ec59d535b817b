/* SPDX-License-Identifier: MIT */
/*
 * Holding a process until its debugger comes.
 *
 * Why. A debug adapter starts a program (CreateProcessForLaunch), asks to be called when its
 * runtime is there (RegisterForRuntimeStartup), and attaches in that call (DebugActiveProcess). No
 * managed code may run in between, or breakpoints in Main would be missed. Microsoft's runtime
 * waits for the debugger by itself; ours need not, since the tracer that starts the program also
 * holds it, and hands it on.
 *
 *   SUSPENDED --await--> RUNNING --runtime there--> READY --take--> GONE (a session has it)
 *       |                   |                         |
 *       '-----let go--------+--failed, ended----------+--let go--> GONE (it runs, or has ended)
 *
 * Invariants (lock held): a hold is in `holds` <=> its state is not GONE <=> it owns the target;
 * there is one hold a pid. The await runs without the lock: in RUNNING the target is its alone.
 */
#include "config.h"

#include "cordbg/icordebug/hold.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>

#include "cordbg/log.h"
#include "cordbg/tracer/spawn.h"
#include "runtime-shim/await.h"

typedef enum hold_state { HOLD_SUSPENDED, HOLD_RUNNING, HOLD_READY, HOLD_GONE } hold_state;

struct cordbg_hold {
  atomic_uint references;
  int pid;
  bool child;
  hold_state state;
  cordbg_target *target;
  const cordbg_runtime_ops *shim; /* READY */
  GArray *events;                 /* cordbg_event */
};

static pthread_mutex_t holds_lock = PTHREAD_MUTEX_INITIALIZER;
static GPtrArray *holds; /* borrowed: a hold takes itself out when it is GONE */

/* The target is the caller's when this says true. */
static bool
leave(cordbg_hold *hold)
{
  pthread_mutex_lock(&holds_lock);
  bool held = hold->state != HOLD_GONE;
  hold->state = HOLD_GONE;
  if (held)
    g_ptr_array_remove(holds, hold);
  pthread_mutex_unlock(&holds_lock);
  return held;
}

static void
release_target(cordbg_hold *hold)
{
  cordbg_tracer_detach(cordbg_target_tracer(hold->target), NULL);
  cordbg_target_retire(hold->target);
  cordbg_target_unref(hold->target);
  hold->target = NULL;
}

cordbg_hold *
cordbg_hold_ref(cordbg_hold *hold)
{
  atomic_fetch_add_explicit(&hold->references, 1, memory_order_relaxed);
  return hold;
}

void
cordbg_hold_unref(cordbg_hold *hold)
{
  if (hold == NULL || atomic_fetch_sub_explicit(&hold->references, 1, memory_order_acq_rel) != 1)
    return;
  cordbg_hold_let_go(hold);
  if (hold->events != NULL)
    g_array_free(hold->events, TRUE);
  g_free(hold);
}

int
cordbg_hold_pid(const cordbg_hold *hold)
{
  return hold->pid;
}

/* Takes over the tracer, which has the process. */
static HRESULT
hold_new(cordbg_tracer *tracer, int pid, bool child, cordbg_hold **ret, cordbg_error *error)
{
  cordbg_target *target = NULL;
  HRESULT hr = cordbg_target_create(tracer, &target, error);
  if (FAILED(hr)) {
    cordbg_tracer_destroy(tracer);
    return hr;
  }
  cordbg_hold *hold = g_new0(cordbg_hold, 1);
  atomic_init(&hold->references, 1);
  hold->pid = pid;
  hold->child = child;
  hold->target = target;
  hold->events = g_array_new(FALSE, FALSE, sizeof(cordbg_event));
  pthread_mutex_lock(&holds_lock);
  if (holds == NULL)
    holds = g_ptr_array_new();
  g_ptr_array_add(holds, hold);
  pthread_mutex_unlock(&holds_lock);
  *ret = hold;
  return S_OK;
}

HRESULT
cordbg_hold_launch(const cordbg_launch *launch, cordbg_hold **ret, cordbg_error *error)
{
  cordbg_tracer *tracer = NULL;
  int pid = 0;
  HRESULT hr = cordbg_tracer_start(&tracer, error);
  if (FAILED(hr))
    return hr;
  hr = cordbg_tracer_launch(tracer, launch, &pid, error);
  if (FAILED(hr)) {
    cordbg_tracer_destroy(tracer);
    return hr;
  }
  hr = hold_new(tracer, pid, true, ret, error);
  if (SUCCEEDED(hr))
    cordbg_log(CORDBG_LOG_STEP, "holding process %d (%s) at its first instruction", pid,
               launch->path);
  return hr;
}

/* Stops a process that runs. An event that crossed with the stop is read: the CONTINUE that follows
 * answers it, too. */
static HRESULT
stand_still(cordbg_hold *hold, cordbg_error *error)
{
  cordbg_tracer *tracer = cordbg_target_tracer(hold->target);
  cordbg_reply_stop stop;
  HRESULT hr = cordbg_tracer_stop(tracer, &stop, error);
  for (bool crossed = SUCCEEDED(hr) && stop.outstanding_managed != 0; crossed;) {
    cordbg_event event;
    hr = cordbg_tracer_next_event(tracer, CORDBG_CHANNEL_MANAGED, -1, &event, error);
    if (hr != S_OK)
      return hr;
    crossed = event.sequence != stop.outstanding_managed;
    if (event.kind != CORDBG_EVENT_EXEC)
      g_array_append_val(hold->events, event);
  }
  return hr;
}

HRESULT
cordbg_hold_attach(int pid, cordbg_hold **ret, cordbg_error *error)
{
  cordbg_tracer *tracer = NULL;
  cordbg_hold *hold = NULL;
  HRESULT hr = cordbg_tracer_start(&tracer, error);
  if (FAILED(hr))
    return hr;
  hr = cordbg_tracer_attach(tracer, pid, error);
  if (FAILED(hr)) {
    cordbg_tracer_destroy(tracer);
    return hr;
  }
  hr = hold_new(tracer, pid, false, &hold, error);
  if (FAILED(hr))
    return hr;
  hr = stand_still(hold, error);
  if (SUCCEEDED(hr)) {
    const cordbg_runtime_ops *shim;
    cordbg_runtime_info info;
    hr = cordbg_runtime_find(pid, &shim, &info, error);
  }
  if (hr == S_FALSE) {
    cordbg_log(CORDBG_LOG_STEP, "holding process %d, which has no runtime yet", pid);
    *ret = hold;
    return S_OK;
  }
  cordbg_hold_unref(hold);
  return hr == S_OK ? S_FALSE : hr;
}

static void
keep_event(void *data, const cordbg_event *event)
{
  g_array_append_vals(data, event, 1);
}

/* Collects the exit status of a child that has ended. */
static void
collect(const cordbg_hold *hold)
{
  siginfo_t info = {.si_pid = 0};
  if (waitid(P_PID, (id_t)hold->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
    return; /* it was the tracer that ended */
  cordbg_child_collect(hold->pid);
}

HRESULT
cordbg_hold_await(cordbg_hold *hold, cordbg_error *error)
{
  pthread_mutex_lock(&holds_lock);
  bool suspended = hold->state == HOLD_SUSPENDED;
  if (suspended)
    hold->state = HOLD_RUNNING;
  pthread_mutex_unlock(&holds_lock);
  if (!suspended)
    return cordbg_error_set(error, E_ABORT, 0, 0, "process %d is not held any more", hold->pid);
  HRESULT hr = cordbg_runtime_await(hold->target, -1, keep_event, hold->events, &hold->shim, error);
  if (SUCCEEDED(hr)) {
    pthread_mutex_lock(&holds_lock);
    if (!cordbg_tracer_interrupted(cordbg_target_tracer(hold->target)))
      hold->state = HOLD_READY;
    else
      hr = cordbg_error_set(error, E_ABORT, 0, 0, "process %d is not waited for any more",
                            hold->pid);
    pthread_mutex_unlock(&holds_lock);
  }
  if (SUCCEEDED(hr)) {
    cordbg_log(CORDBG_LOG_STEP, "process %d has started %s: waiting for its debugger", hold->pid,
               hold->shim->name);
    return S_OK;
  }
  leave(hold);
  release_target(hold);
  if (hr == CORDBG_E_PROCESS_TERMINATED && hold->child)
    collect(hold);
  return hr;
}

void
cordbg_hold_cancel(cordbg_hold *hold)
{
  /* The await owns the target outside the lock, but does not give it up while we hold the lock. */
  pthread_mutex_lock(&holds_lock);
  if (hold->state == HOLD_SUSPENDED || hold->state == HOLD_RUNNING)
    cordbg_tracer_interrupt(cordbg_target_tracer(hold->target));
  pthread_mutex_unlock(&holds_lock);
}

void
cordbg_hold_let_go(cordbg_hold *hold)
{
  if (leave(hold))
    release_target(hold);
}

HRESULT
cordbg_hold_take(int pid, cordbg_held *ret, cordbg_error *error)
{
  HRESULT hr = S_FALSE;
  pthread_mutex_lock(&holds_lock);
  for (guint i = 0; holds != NULL && i < holds->len && hr == S_FALSE; i++) {
    cordbg_hold *hold = holds->pdata[i];
    if (hold->pid != pid)
      continue;
    if (hold->state != HOLD_READY) {
      hr = cordbg_error_set(error, CORDBG_E_NOT_CLR, 0, 0,
                            "process %d has not started its runtime yet (%s): attach in "
                            "RegisterForRuntimeStartup's callback",
                            pid,
                            hold->state == HOLD_SUSPENDED ? "ResumeProcess lets it" : "it runs");
      break;
    }
    *ret = (cordbg_held){
        .target = hold->target, .shim = hold->shim, .events = hold->events, .child = hold->child};
    hold->target = NULL;
    hold->events = NULL;
    hold->state = HOLD_GONE;
    g_ptr_array_remove_index(holds, i);
    hr = S_OK;
  }
  pthread_mutex_unlock(&holds_lock);
  return hr;
}
