/* SPDX-License-Identifier: MIT */
/*
 * How a session stops and goes on (the page of session.c), and ICorDebugController's methods, which
 * a process and an application domain share: as in Microsoft's implementation since .NET 2.0, an
 * application domain's controller is its process's.
 */
#include "cordbg/icordebug/private.h"

#include "cordbg/icordebug/unmanaged.h"

#include <stdarg.h>
#include <stdio.h>

enum {
  SYNCHRONISE_TRIES = 200, /* of half a millisecond each: what Stop waits for a consistent moment */
  SYNCHRONISE_PAUSE_US = 500,
};

/* ---- Errors and the first lines of methods ---- */

HRESULT
cordbg_answer(HRESULT hr, const cordbg_error *error)
{
  if (FAILED(hr))
    cordbg_error_remember(error);
  return hr;
}

HRESULT
cordbg_fail(HRESULT hr, const char *format, ...)
{
  cordbg_error error;
  char sentence[sizeof error.sentence];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(sentence, sizeof sentence, format, arguments);
  va_end(arguments);
  cordbg_error_set(&error, hr, 0, 0, "%s", sentence);
  cordbg_error_remember(&error);
  return hr;
}

static HRESULT
say_over(HRESULT why)
{
  if (why == CORDBG_E_PROCESS_TERMINATED)
    return cordbg_fail(why, "the process has ended");
  return cordbg_fail(why, "the object stands for nothing any more: what it described was unloaded, "
                          "has ended, or the debugger detached");
}

HRESULT
cordbg_check(const cordbg_child *self, bool arguments)
{
  HRESULT hr = cordbg_object_alive(self);
  if (FAILED(hr))
    return say_over(hr);
  if (!arguments)
    return cordbg_fail(E_INVALIDARG, "an argument that must not be NULL or 0 is");
  return S_OK;
}

HRESULT
cordbg_enter_attached(const cordbg_child *self, bool arguments)
{
  HRESULT hr = cordbg_check(self, arguments);
  if (FAILED(hr))
    return hr;
  cordbg_session *session = self->session;
  pthread_mutex_lock(&session->lock);
  /* Asked again: it may have been neutered until the lock was ours. */
  hr = cordbg_object_alive(self);
  if (SUCCEEDED(hr) && session->life == CORDBG_LIFE_OVER)
    hr = session->over;
  if (SUCCEEDED(hr) && session->life == CORDBG_LIFE_LEAVING)
    hr = CORDBG_E_PROCESS_TERMINATED;
  if (SUCCEEDED(hr))
    return S_OK;
  pthread_mutex_unlock(&session->lock);
  return say_over(hr);
}

HRESULT
cordbg_enter(const cordbg_child *self, bool arguments)
{
  HRESULT hr = cordbg_enter_attached(self, arguments);
  if (FAILED(hr) || self->session->stop_count > 0)
    return hr;
  pthread_mutex_unlock(&self->session->lock);
  return cordbg_fail(CORDBG_E_PROCESS_NOT_SYNCHRONIZED,
                     "the process is running: call Stop, or wait for a callback");
}

HRESULT
cordbg_enter_stop(const cordbg_child *self, uint64_t runs, bool arguments)
{
  HRESULT hr = cordbg_enter_attached(self, arguments);
  if (FAILED(hr))
    return hr;
  bool same = self->session->runs == runs, stopped = self->session->stop_count > 0;
  if (same && stopped)
    return S_OK;
  cordbg_leave(self);
  return same ? cordbg_fail(CORDBG_E_PROCESS_NOT_SYNCHRONIZED, "the process is going on")
              : cordbg_fail(CORDBG_E_OBJECT_NEUTERED, "the process has run since this stop");
}

void
cordbg_leave(const cordbg_child *self)
{
  cordbg_session *session = self->session;
  if (session->brief) {
    session->brief = false;
    session->stop_count--;
    if (session->life == CORDBG_LIFE_ATTACHED)
      cordbg_session_go_on(session, NULL);
    cordbg_natives_wake(session);
  }
  pthread_mutex_unlock(&session->lock);
}

HRESULT
cordbg_get_process(const cordbg_child *self, ICorDebugProcess **ret)
{
  HRESULT hr = cordbg_check(self, ret != NULL);
  if (FAILED(hr))
    return hr;
  cordbg_process *process = cordbg_session_process(self->session);
  if (process == NULL)
    return cordbg_fail(CORDBG_E_OBJECT_NEUTERED, "the session is over");
  *ret = &process->as_process.iface;
  return S_OK;
}

/* ---- Stop and go ---- */

void
cordbg_session_flush_dying(cordbg_session *session)
{
  for (guint i = 0; i < session->dying->len; i++) {
    cordbg_object *object = session->dying->pdata[i];
    if (object->type == &cordbg_domain_class)
      cordbg_domain_neuter((cordbg_domain *)object, CORDBG_E_OBJECT_NEUTERED);
    else if (object->type == &cordbg_assembly_class)
      cordbg_assembly_neuter((cordbg_assembly *)object, CORDBG_E_OBJECT_NEUTERED);
    else if (object->type == &cordbg_module_class)
      cordbg_module_neuter((cordbg_module *)object, CORDBG_E_OBJECT_NEUTERED);
    else if (object->type == &cordbg_thread_class)
      cordbg_thread_neuter((cordbg_thread *)object, CORDBG_E_OBJECT_NEUTERED);
  }
  g_ptr_array_set_size(session->dying, 0);
}

HRESULT
cordbg_session_go_on(cordbg_session *session, cordbg_error *error)
{
  if (session->stop_count > 0)
    return S_OK;
  if (session->dying->len > 0)
    cordbg_session_flush_dying(session);
  if (cordbg_natives_wait(session)) {
    cordbg_tracer_wake(session->tracer, CORDBG_CHANNEL_UNMANAGED);
    return S_OK;
  }
  if (session->queue_head < session->queue->len) {
    /* The dispatcher itself looks at the queue when its callback returns. */
    if (!pthread_equal(session->dispatcher, pthread_self()))
      cordbg_tracer_wake(session->tracer, CORDBG_CHANNEL_MANAGED);
    return S_OK;
  }
  if (!session->owed || session->out_of_band || session->in_flight[CORDBG_CHANNEL_MANAGED] != 0 ||
      session->in_flight[CORDBG_CHANNEL_UNMANAGED] != 0)
    return S_OK;
  session->owed = false;
  session->runs++;
  HRESULT hr = cordbg_tracer_continue(session->tracer, error);
  /* A target that died meanwhile cannot be continued, and ExitProcess says so. */
  return hr == CORDBG_E_PROCESS_TERMINATED ? S_OK : hr;
}

/* One attempt: S_OK stopped and synchronised, S_FALSE not at a consistent moment. Lock held. */
static HRESULT
stop_once(cordbg_session *session, bool look, cordbg_error *error)
{
  cordbg_reply_stop reply;
  HRESULT hr = cordbg_tracer_stop(session->tracer, &reply, error);
  if (FAILED(hr))
    return hr;
  session->owed = true;
  session->in_flight[CORDBG_CHANNEL_MANAGED] = reply.outstanding_managed;
  session->in_flight[CORDBG_CHANNEL_UNMANAGED] = reply.outstanding_unmanaged;
  /* At a managed trap the runtime is consistent. */
  if (reply.outstanding_managed != 0)
    return S_OK;
  hr = session->ops->synchronised(session->runtime, error);
  if (hr == S_OK && look)
    cordbg_dispatch_accumulated(session, NULL);
  return hr;
}

HRESULT
cordbg_session_stop(cordbg_session *session, bool look, cordbg_error *error)
{
  if (session->runtime == NULL)
    return cordbg_error_set(error, CORDBG_E_PROCESS_NOT_SYNCHRONIZED, 0, 0,
                            "the process has not started its runtime yet");
  for (int tries = 0; tries < SYNCHRONISE_TRIES; tries++) {
    /* Held already: by another Stop, a callback, an event that came between two attempts. */
    bool native = session->out_of_band || cordbg_natives_wait(session);
    if (session->stop_count > 0 || (session->owed && !native)) {
      session->stop_count++;
      return S_OK;
    }
    /* An unmanaged event may have come at any moment. */
    HRESULT hr = session->owed ? session->ops->synchronised(session->runtime, error)
                               : stop_once(session, look, error);
    if (FAILED(hr))
      return hr;
    if (hr == S_OK) {
      session->stop_count++;
      return S_OK;
    }
    hr = cordbg_session_go_on(session, error);
    if (FAILED(hr))
      return hr;
    /* There is no event to wait for: the target has to run on a little. */
    pthread_mutex_unlock(&session->lock);
    g_usleep(SYNCHRONISE_PAUSE_US);
    pthread_mutex_lock(&session->lock);
    if (session->life != CORDBG_LIFE_ATTACHED)
      return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, 0, 0,
                              "the process ended while it was being stopped");
  }
  return cordbg_error_set(error, CORDBG_E_PROCESS_NOT_SYNCHRONIZED, 0, 0,
                          "the runtime came to no consistent moment within %d ms; it runs on",
                          SYNCHRONISE_TRIES * SYNCHRONISE_PAUSE_US / 1000);
}

HRESULT
cordbg_enter_stopping(const cordbg_child *self, bool arguments)
{
  cordbg_session *session = self->session;
  cordbg_error error;
  HRESULT hr = cordbg_enter_attached(self, arguments);
  if (FAILED(hr) || session->stop_count > 0)
    return hr;
  hr = cordbg_session_stop(session, true, &error);
  session->brief = SUCCEEDED(hr);
  if (SUCCEEDED(hr))
    hr = cordbg_object_alive(self); /* the lock was let go meanwhile */
  if (SUCCEEDED(hr))
    return S_OK;
  bool gone = session->brief;
  cordbg_leave(self);
  return gone ? say_over(hr) : cordbg_answer(hr, &error);
}

HRESULT
cordbg_controller_stop(ICorDebugController *This, DWORD timeout)
{
  cordbg_child *self = CORDBG_SELF(cordbg_child, This);
  cordbg_error error;
  (void)timeout; /* ignored, as its documentation says */
  HRESULT hr = cordbg_enter_attached(self, true);
  if (FAILED(hr))
    return hr;
  hr = cordbg_session_stop(self->session, true, &error);
  cordbg_leave(self);
  return cordbg_answer(hr, &error);
}

HRESULT
cordbg_controller_continue(ICorDebugController *This, BOOL out_of_band)
{
  cordbg_child *self = CORDBG_SELF(cordbg_child, This);
  cordbg_session *session = self->session;
  cordbg_error error;
  HRESULT hr = cordbg_object_alive(self);
  if (FAILED(hr))
    return say_over(hr);
  pthread_mutex_lock(&session->lock);
  if (session->life == CORDBG_LIFE_OVER)
    hr = session->over;
  else if (session->life == CORDBG_LIFE_LEAVING && session->stop_count == 0)
    hr = CORDBG_E_PROCESS_TERMINATED;
  else if (out_of_band ? !session->out_of_band : session->stop_count == 0)
    hr = CORDBG_E_SUPERFLOUS_CONTINUE;
  else {
    if (out_of_band)
      session->out_of_band = false;
    else
      session->stop_count--;
    if (out_of_band || session->stop_count == 0)
      session->unmanaged_tid = 0;
    if (session->life == CORDBG_LIFE_ATTACHED)
      hr = cordbg_session_go_on(session, &error);
    cordbg_natives_wake(session);
  }
  bool over = session->life == CORDBG_LIFE_OVER || session->life == CORDBG_LIFE_LEAVING;
  pthread_mutex_unlock(&session->lock);
  if (over && FAILED(hr))
    return say_over(hr);
  if (hr == CORDBG_E_SUPERFLOUS_CONTINUE)
    return cordbg_fail(hr, "%s",
                       out_of_band ? "no out-of-band event waits to be continued"
                                   : "the process is not stopped");
  return cordbg_answer(hr, &error);
}

HRESULT
cordbg_controller_is_running(ICorDebugController *This, BOOL *running)
{
  cordbg_child *self = CORDBG_SELF(cordbg_child, This);
  HRESULT hr = cordbg_enter_attached(self, running != NULL);
  if (FAILED(hr))
    return hr;
  *running = self->session->stop_count == 0;
  cordbg_leave(self);
  return S_OK;
}

/*
 * Counts what waits for a Continue: the callbacks in our queue and, asked for any thread, the
 * events that the tracer keeps. Those are not known by thread.
 */
HRESULT
cordbg_controller_has_queued(ICorDebugController *This, ICorDebugThread *thread, BOOL *queued)
{
  cordbg_child *self = CORDBG_SELF(cordbg_child, This);
  cordbg_session *session = self->session;
  cordbg_thread *wanted = cordbg_object_from(thread, &cordbg_thread_class);
  HRESULT hr = cordbg_enter(self, queued != NULL && (thread == NULL || wanted != NULL));
  if (FAILED(hr))
    return hr;
  BOOL any = FALSE;
  for (guint i = session->queue_head; i < session->queue->len && !any; i++)
    any = wanted == NULL || g_array_index(session->queue, cordbg_callback, i).thread == wanted;
  if (!any && wanted == NULL) {
    cordbg_reply_stop reply;
    any =
        session->in_flight[CORDBG_CHANNEL_MANAGED] != 0 ||
        (SUCCEEDED(cordbg_tracer_stop(session->tracer, &reply, NULL)) && reply.queued_managed > 0);
  }
  *queued = any;
  cordbg_leave(self);
  return S_OK;
}

HRESULT
cordbg_controller_detach(ICorDebugController *This)
{
  cordbg_child *self = CORDBG_SELF(cordbg_child, This);
  cordbg_error error;
  HRESULT hr = cordbg_enter(self, true);
  if (FAILED(hr))
    return hr;
  cordbg_leave(self);
  return cordbg_answer(cordbg_session_detach(self->session, &error), &error);
}

/* On Linux the end is a SIGKILL, and the exit code cannot be chosen. */
HRESULT
cordbg_controller_terminate(ICorDebugController *This, UINT exit_code)
{
  cordbg_child *self = CORDBG_SELF(cordbg_child, This);
  cordbg_session *session = self->session;
  cordbg_error error;
  (void)exit_code;
  HRESULT hr = cordbg_enter_attached(self, true);
  if (FAILED(hr))
    return hr;
  hr = cordbg_tracer_terminate(session->tracer, &error);
  if (SUCCEEDED(hr)) {
    session->terminating = true;
    cordbg_natives_clear(session);
    cordbg_natives_wake(session);
    cordbg_dispatch_clear(session); /* ExitProcess is all that is still to be told */
  }
  cordbg_leave(self);
  return cordbg_answer(hr, &error);
}

/* ---- Enumerations ---- */

HRESULT
cordbg_enumerate_ids(cordbg_session *session, const IID *iid, cordbg_rt_id *ids, size_t count,
                     cordbg_find_function find, void **out, cordbg_error *error)
{
  GPtrArray *objects = g_ptr_array_sized_new((guint)count);
  HRESULT hr = S_OK;
  for (size_t i = 0; i < count && SUCCEEDED(hr); i++) {
    void *iface = NULL;
    hr = find(session, ids[i], &iface, error);
    if (SUCCEEDED(hr))
      g_ptr_array_add(objects, iface);
  }
  if (SUCCEEDED(hr)) {
    hr = cordbg_enumerator_new_objects(iid, objects->pdata, objects->len, out);
    if (FAILED(hr))
      cordbg_error_set(error, hr, 0, 0, "the enumerator could not be made");
  }
  g_ptr_array_free(objects, TRUE);
  g_free(ids);
  return hr;
}

static HRESULT
find_thread(cordbg_session *session, cordbg_rt_id id, void **iface, cordbg_error *error)
{
  cordbg_thread *thread;
  HRESULT hr = cordbg_session_thread(session, id, &thread, error);
  if (SUCCEEDED(hr))
    *iface = &thread->as_thread.iface;
  return hr;
}

/* Of an application domain: the threads that are in it now. */
HRESULT
cordbg_controller_enumerate_threads(ICorDebugController *This, ICorDebugThreadEnum **threads)
{
  cordbg_child *self = CORDBG_SELF(cordbg_child, This);
  cordbg_session *session = self->session;
  cordbg_rt_id *ids = NULL, domain = 0;
  size_t count = 0;
  cordbg_error error;
  HRESULT hr = cordbg_enter(self, threads != NULL);
  if (FAILED(hr))
    return hr;
  if (self->object.type == &cordbg_domain_class)
    domain = ((cordbg_domain *)self)->id;
  hr = session->ops->threads(session->runtime, &ids, &count, &error);
  if (SUCCEEDED(hr)) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
      cordbg_rt_thread thread;
      if (domain == 0 ||
          (SUCCEEDED(session->ops->thread(session->runtime, ids[i], &thread, NULL)) &&
           thread.domain == domain))
        ids[kept++] = ids[i];
    }
    hr = cordbg_enumerate_ids(session, &IID_ICorDebugThreadEnum, ids, kept, find_thread,
                              (void **)threads, &error);
  }
  cordbg_leave(self);
  return cordbg_answer(hr, &error);
}
