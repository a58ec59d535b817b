/* SPDX-License-Identifier: MIT */
/*
 * The unmanaged dispatcher, with win32Attach only: ICorDebugUnmanagedCallback::DebugEvent with
 * Windows' layouts. Hits of native breakpoints, steps and signals are exceptions
 * (unmanaged-signals.c); images, threads and the process come and go (unmanaged-state.c).
 *
 * In-band: the stop is a synchronised one and nothing else is outstanding; it counts like a managed
 * callback, all of ICorDebug may be used, and Continue(FALSE) ends it. Out-of-band otherwise (the
 * runtime is in the middle of something, or a managed stop is outstanding): memory, registers and
 * native breakpoints may be used, and Continue(TRUE) ends it.
 *
 * Two sources. The tracer's unmanaged socket: one event, told at once. What waits: the queue (what
 * an attach replays and what one stop of the dynamic linker changed, several events of one stop),
 * and before it the second chance of an exception whose first was told and continued; while
 * anything waits the target does not go on and no managed callback is made (cordbg_session_go_on
 * wakes this thread instead). Only this thread tells events.
 *
 *   signal that ends the process --> first chance --Continue--> second chance --Continue-->
 * delivered
 *                                        '-- ClearCurrentException --'--> taken back
 *
 * At the end EXIT_PROCESS is told here before ExitProcess is told there: the managed dispatcher
 * owes it to this thread (cordbg_natives_ended) and waits for `changed`.
 *
 * A launch is told of from its first instruction on: while the runtime is awaited and prepared, its
 * caller hands each stop of the dynamic linker to cordbg_natives_launching and goes on when that
 * has returned. These events are out-of-band: nothing is synchronised before there is a runtime.
 *
 * The thread's PC is the trap's own address (Windows has it behind the trap). The exceptions of
 * breakpoints and steps are cordbg's own: they are never passed on to the program. A signal is,
 * unless ClearCurrentException takes it back before Continue: until then it waits in the kernel
 * with all that belongs to it, so that it is not lost when the session or the client ends.
 */
#include "cordbg/icordebug/unmanaged.h"

#include <sys/wait.h>

enum { EXIT_OF_SIGNAL = 128 }; /* + its number, as a shell has it */

/* ---- Begin and end ---- */

static HRESULT
natives_new(cordbg_session *session, cordbg_error *error)
{
  cordbg_natives *natives = g_new0(cordbg_natives, 1);
  natives->queue = g_array_new(FALSE, FALSE, sizeof(DEBUG_EVENT));
  pthread_cond_init(&natives->changed, NULL);
  session->natives = natives;
  return cordbg_native_images_create(session->target, &natives->images, error);
}

void
cordbg_natives_free(cordbg_natives *natives)
{
  if (natives == NULL)
    return;
  cordbg_native_images_destroy(natives->images);
  g_array_free(natives->queue, TRUE);
  pthread_cond_destroy(&natives->changed);
  g_free(natives);
}

/* A library that cannot be told of is no reason to fail. */
static HRESULT
trap_linker(cordbg_session *session, cordbg_error *error)
{
  cordbg_natives *natives = session->natives;
  uint64_t address = cordbg_native_images_trap(natives->images);
  cordbg_plant_result result = {0};
  HRESULT hr = S_OK;
  if (address == 0 || address == natives->linker_trap)
    return S_OK;
  hr = cordbg_tracer_plant(session->tracer, CORDBG_LAYER_INTERNAL, &address, 1, &result, error);
  if (SUCCEEDED(hr) && result.status != 0)
    cordbg_log(CORDBG_LOG_WARNING, "libraries that are loaded from now on will not be told: %s",
               g_strerror(result.status));
  natives->linker_trap = SUCCEEDED(hr) && result.status == 0 ? address : 0;
  return hr;
}

HRESULT
cordbg_natives_begin(cordbg_session *session, cordbg_error *error)
{
  cordbg_thread_info *threads = NULL;
  size_t count = 0;
  HRESULT hr = S_OK;
  if (session->unmanaged == NULL)
    return S_OK;
  bool launched = session->natives != NULL;
  if (!launched)
    hr = natives_new(session, error);
  if (SUCCEEDED(hr))
    hr = cordbg_tracer_want_signals(session->tracer,
                                    cordbg_session_wants(session) | CORDBG_WANT_UNMANAGED |
                                        CORDBG_WANT_THREAD_STOPS | CORDBG_WANT_FATAL_SIGNALS,
                                    cordbg_native_signals(), error);
  if (SUCCEEDED(hr))
    hr = cordbg_tracer_threads(session->tracer, &threads, &count, error);
  if (FAILED(hr))
    return hr;
  if (launched)
    cordbg_natives_images(session, session->pid);
  else
    cordbg_natives_replay_images(session);
  cordbg_natives_replay_threads(session, threads, count);
  free(threads);
  return trap_linker(session, error);
}

/* ---- Launch ---- */

HRESULT
cordbg_natives_launch(cordbg_session *session, cordbg_error *error)
{
  HRESULT hr = natives_new(session, error);
  if (FAILED(hr))
    return hr;
  cordbg_natives_replay_images(session);
  return trap_linker(session, error);
}

/* The event that was told last is outstanding, or others wait. */
static bool
is_telling(const cordbg_session *session)
{
  return session->life == CORDBG_LIFE_ATTACHED && !session->terminating &&
         !session->natives->over && (session->out_of_band || cordbg_natives_wait(session));
}

void
cordbg_natives_launching(cordbg_session *session, const cordbg_event *event)
{
  cordbg_natives *natives = session->natives;
  cordbg_error error = {.sentence = ""};
  pthread_mutex_lock(&session->lock);
  if (event != NULL && event->kind == CORDBG_EVENT_EXEC) {
    natives->linker_trap = 0; /* it went with the old image */
    cordbg_natives_images(session, event->tid);
    if (FAILED(trap_linker(session, &error)))
      cordbg_log(CORDBG_LOG_WARNING, "the dynamic linker is not watched: %s", error.sentence);
  } else if (event != NULL && event->kind == CORDBG_EVENT_TRAP)
    cordbg_natives_trap(session, event);
  if (cordbg_natives_wait(session))
    cordbg_tracer_wake(session->tracer, CORDBG_CHANNEL_UNMANAGED);
  while (is_telling(session))
    pthread_cond_wait(&natives->changed, &session->lock);
  pthread_mutex_unlock(&session->lock);
}

bool
cordbg_natives_wait(const cordbg_session *session)
{
  const cordbg_natives *natives = session->natives;
  return natives != NULL && (natives->second_owed || natives->head < natives->queue->len);
}

void
cordbg_natives_clear(cordbg_session *session)
{
  if (session->natives == NULL)
    return;
  g_array_set_size(session->natives->queue, 0);
  session->natives->head = 0;
  session->natives->second_owed = false;
}

void
cordbg_natives_wake(cordbg_session *session)
{
  if (session->natives != NULL)
    pthread_cond_broadcast(&session->natives->changed);
}

void
cordbg_natives_trap(cordbg_session *session, const cordbg_event *event)
{
  if (session->natives != NULL && event->address == session->natives->linker_trap &&
      session->natives->linker_trap != 0)
    cordbg_natives_images(session, event->tid);
}

void
cordbg_natives_ended(cordbg_session *session, int status)
{
  cordbg_natives *natives = session->natives;
  if (natives == NULL)
    return;
  pthread_mutex_lock(&session->lock);
  natives->exit_event = cordbg_native_event(session, EXIT_PROCESS_DEBUG_EVENT, session->pid);
  natives->exit_event.u.ExitProcess.dwExitCode =
      (DWORD)(WIFSIGNALED(status) ? EXIT_OF_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status));
  natives->exit = CORDBG_NATIVE_EXIT_OWED;
  pthread_cond_broadcast(&natives->changed);
  cordbg_tracer_wake(session->tracer, CORDBG_CHANNEL_UNMANAGED);
  while (natives->exit == CORDBG_NATIVE_EXIT_OWED && !natives->over)
    pthread_cond_wait(&natives->changed, &session->lock);
  pthread_mutex_unlock(&session->lock);
}

HRESULT
cordbg_natives_clear_exception(cordbg_session *session, int tid, cordbg_error *error)
{
  if (session->unmanaged_tid == 0 || session->unmanaged_tid != tid)
    return cordbg_error_set(error, E_INVALIDARG, 0, 0,
                            "thread %u has no unmanaged exception outstanding", (unsigned)tid);
  if (session->natives == NULL || session->natives->signal == 0)
    return S_OK; /* cordbg's own: the program does not get it anyway */
  session->natives->signal = 0;
  session->natives->second_owed = false;
  session->natives->handed.tid = 0;
  return cordbg_tracer_set_signal(session->tracer, tid, 0, error);
}

/* ---- Telling ---- */

/* Whether the event counts as a managed stop. Lock held. */
static bool
is_in_band(cordbg_session *session)
{
  return session->stop_count == 0 && session->in_flight[CORDBG_CHANNEL_MANAGED] == 0 &&
         session->runtime != NULL && session->ops->synchronised(session->runtime, NULL) == S_OK;
}

static bool
may_tell(const cordbg_session *session)
{
  return session->life == CORDBG_LIFE_ATTACHED && !session->terminating && !session->muted &&
         session->natives != NULL;
}

/* Lock held; dropped and taken during the callback. */
static void
tell(cordbg_session *session, DEBUG_EVENT *event, int signal)
{
  bool in_band = is_in_band(session);
  if (in_band)
    session->stop_count = 1;
  else
    session->out_of_band = true;
  session->unmanaged_tid = (int)event->dwThreadId;
  session->natives->signal = signal;
  pthread_mutex_unlock(&session->lock);
  session->unmanaged->lpVtbl->DebugEvent(session->unmanaged, event, !in_band);
  pthread_mutex_lock(&session->lock);
}

/* The next event that waits: a second chance before all that is in the queue. */
static DEBUG_EVENT
take_waiting(cordbg_natives *natives, int *signal)
{
  *signal = 0;
  if (natives->second_owed) {
    natives->second_owed = false;
    *signal = natives->signal;
    return natives->second;
  }
  DEBUG_EVENT event = g_array_index(natives->queue, DEBUG_EVENT, natives->head);
  if (++natives->head == natives->queue->len) {
    g_array_set_size(natives->queue, 0);
    natives->head = 0;
  }
  return event;
}

static void
tell_queued(cordbg_session *session)
{
  bool skipped = false;
  while (cordbg_natives_wait(session) && session->stop_count == 0 && !session->out_of_band) {
    int signal;
    DEBUG_EVENT event = take_waiting(session->natives, &signal);
    skipped = !may_tell(session);
    if (!skipped)
      tell(session, &event, signal);
  }
  if (skipped && session->life == CORDBG_LIFE_ATTACHED)
    cordbg_session_go_on(session, NULL);
}

/* What a stop of the tracer is to the client. false: nothing. Lock held. */
static bool
translate(cordbg_session *session, const cordbg_event *event, DEBUG_EVENT *ret, int *signal)
{
  *signal = 0;
  switch (event->kind) {
  case CORDBG_EVENT_SIGNAL:
    if ((event->signal.flags & CORDBG_SIGNAL_STEP) == 0) {
      if (cordbg_native_is_the_runtimes(session, event))
        return false;
      *signal = event->signal.number;
    }
    cordbg_native_exception(session, event, ret);
    if (*signal != 0)
      cordbg_native_chance(session, event, ret);
    return true;
  case CORDBG_EVENT_TRAP:
    cordbg_native_exception(session, event, ret);
    return true;
  case CORDBG_EVENT_THREAD_CREATED:
    *ret = cordbg_native_event(session, CREATE_THREAD_DEBUG_EVENT, event->tid);
    ret->u.CreateThread.lpThreadLocalBase = (LPVOID)(uintptr_t)event->registers.fs_base;
    ret->u.CreateThread.lpStartAddress = (LPTHREAD_START_ROUTINE)(uintptr_t)event->registers.rip;
    return true;
  case CORDBG_EVENT_THREAD_EXITED:
    *ret = cordbg_native_event(session, EXIT_THREAD_DEBUG_EVENT, event->tid);
    ret->u.ExitThread.dwExitCode =
        (DWORD)(WIFEXITED(event->code) ? WEXITSTATUS(event->code)
                                       : EXIT_OF_SIGNAL + WTERMSIG(event->code));
    return true;
  default:
    return false;
  }
}

static void
handle(cordbg_session *session, const cordbg_event *event)
{
  DEBUG_EVENT debug_event;
  int signal;
  session->owed = true;
  session->in_flight[CORDBG_CHANNEL_UNMANAGED] = 0;
  if (may_tell(session) && translate(session, event, &debug_event, &signal))
    tell(session, &debug_event, signal);
  else if (session->life == CORDBG_LIFE_ATTACHED)
    cordbg_session_go_on(session, NULL);
}

/* The tracer has nothing more to say: what is left is the end of the process, or of the session. */
static void
finish(cordbg_session *session)
{
  cordbg_natives *natives = session->natives;
  if (natives == NULL)
    return;
  while (session->life != CORDBG_LIFE_OVER && natives->exit != CORDBG_NATIVE_EXIT_OWED)
    pthread_cond_wait(&natives->changed, &session->lock);
  if (natives->exit == CORDBG_NATIVE_EXIT_OWED && !session->muted) {
    session->stop_count = 1;
    pthread_mutex_unlock(&session->lock);
    session->unmanaged->lpVtbl->DebugEvent(session->unmanaged, &natives->exit_event, FALSE);
    pthread_mutex_lock(&session->lock);
  }
  natives->exit = CORDBG_NATIVE_EXIT_TOLD;
  natives->over = true;
  pthread_cond_broadcast(&natives->changed);
}

void *
cordbg_unmanaged_thread(void *argument)
{
  cordbg_session *session = argument;
  cordbg_event event;
  bool going = true;
  cordbg_dispatchers_enter(session->dispatchers);
  pthread_mutex_lock(&session->lock);
  while (going) {
    tell_queued(session);
    if (session->life != CORDBG_LIFE_ATTACHED)
      break;
    pthread_mutex_unlock(&session->lock);
    HRESULT hr =
        cordbg_tracer_next_event(session->tracer, CORDBG_CHANNEL_UNMANAGED, -1, &event, NULL);
    pthread_mutex_lock(&session->lock);
    going = session->life == CORDBG_LIFE_ATTACHED && SUCCEEDED(hr);
    if (going && hr == S_OK && (event.flags & CORDBG_EVENT_STOPS) != 0)
      handle(session, &event);
  }
  finish(session);
  pthread_mutex_unlock(&session->lock);
  cordbg_session_thread_ends(session);
  return NULL;
}
