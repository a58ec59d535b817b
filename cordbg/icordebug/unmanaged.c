/* SPDX-License-Identifier: MIT */
/*
 * The unmanaged dispatcher, with win32Attach only: hits of native breakpoints as
 * ICorDebugUnmanagedCallback::DebugEvent with EXCEPTION_BREAKPOINT.
 *
 * In-band: the stop is a synchronised one and nothing else is outstanding; it counts like a managed
 * callback, all of ICorDebug may be used, and Continue(FALSE) ends it. Out-of-band otherwise (the
 * runtime is in the middle of something, or a managed stop is outstanding): memory, registers and
 * native breakpoints may be used, and Continue(TRUE) ends it.
 *
 * The thread's PC is the trap's own address (Windows has it behind the trap), and the exception is
 * cordbg's own: it is never passed on to the program, ClearCurrentException or not.
 */
#include "cordbg/icordebug/private.h"

#include <string.h>

static void
fill_debug_event(cordbg_session *session, const cordbg_event *event, DEBUG_EVENT *ret)
{
  EXCEPTION_RECORD *record = &ret->u.Exception.ExceptionRecord;
  memset(ret, 0, sizeof *ret);
  ret->dwDebugEventCode = EXCEPTION_DEBUG_EVENT;
  ret->dwProcessId = (DWORD)session->pid;
  ret->dwThreadId = (DWORD)event->tid;
  ret->u.Exception.dwFirstChance = 1;
  record->ExceptionCode = EXCEPTION_BREAKPOINT;
  record->ExceptionAddress = (PVOID)(uintptr_t)event->address;
  record->NumberParameters = 1;
}

/* Whether the event counts as a managed stop. Lock held. */
static bool
is_in_band(cordbg_session *session)
{
  return session->stop_count == 0 && session->queue_head == session->queue->len &&
         session->in_flight[CORDBG_CHANNEL_MANAGED] == 0 && session->runtime != NULL &&
         session->ops->synchronised(session->runtime, NULL) == S_OK;
}

static void
tell(cordbg_session *session, const cordbg_event *event)
{
  DEBUG_EVENT debug_event;
  pthread_mutex_lock(&session->lock);
  session->owed = true;
  session->in_flight[CORDBG_CHANNEL_UNMANAGED] = 0;
  bool telling = session->life == CORDBG_LIFE_ATTACHED && !session->terminating &&
                 !session->muted && event->kind == CORDBG_EVENT_TRAP && session->unmanaged != NULL;
  bool in_band = telling && is_in_band(session);
  if (in_band)
    session->stop_count = 1;
  else if (telling)
    session->out_of_band = true;
  else if (session->life == CORDBG_LIFE_ATTACHED)
    cordbg_session_go_on(session, NULL);
  if (telling)
    session->unmanaged_tid = event->tid;
  pthread_mutex_unlock(&session->lock);
  if (!telling)
    return;
  fill_debug_event(session, event, &debug_event);
  session->unmanaged->lpVtbl->DebugEvent(session->unmanaged, &debug_event, !in_band);
}

void *
cordbg_unmanaged_thread(void *argument)
{
  cordbg_session *session = argument;
  cordbg_event event;
  for (;;) {
    HRESULT hr =
        cordbg_tracer_next_event(session->tracer, CORDBG_CHANNEL_UNMANAGED, -1, &event, NULL);
    pthread_mutex_lock(&session->lock);
    bool over = session->life != CORDBG_LIFE_ATTACHED;
    pthread_mutex_unlock(&session->lock);
    if (over || FAILED(hr))
      break;
    if (hr == S_OK && (event.flags & CORDBG_EVENT_STOPS) != 0)
      tell(session, &event);
  }
  cordbg_session_thread_ends(session);
  return NULL;
}
