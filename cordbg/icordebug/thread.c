/* SPDX-License-Identifier: MIT */
/* ICorDebugThread: a managed thread. */
#include "cordbg/icordebug/frame.h"

#include "cordbg/memory/doors.h"

static cordbg_thread *
self_of(void *This)
{
  return CORDBG_SELF(cordbg_thread, This);
}

static void
thread_dispose(void *object)
{
  cordbg_session_unref(((cordbg_thread *)object)->session);
}

static HRESULT
thread_get_process(ICorDebugThread *This, ICorDebugProcess **ret)
{
  return cordbg_get_process(&self_of(This)->child, ret);
}

static HRESULT
thread_get_id(ICorDebugThread *This, DWORD *id)
{
  cordbg_thread *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, id != NULL);
  if (SUCCEEDED(hr))
    *id = (DWORD)self->tid;
  return hr;
}

static HRESULT
thread_get_handle(ICorDebugThread *This, HTHREAD *handle)
{
  cordbg_thread *self = self_of(This);
  cordbg_error error;
  HRESULT hr = cordbg_check(&self->child, handle != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_handle_for_thread(self->session->pid, self->tid, handle, &error);
  return cordbg_answer(hr, &error);
}

/* The domain in which the thread is now. */
static HRESULT
thread_get_domain(ICorDebugThread *This, ICorDebugAppDomain **ret)
{
  cordbg_thread *self = self_of(This);
  cordbg_session *session = self->session;
  cordbg_rt_thread now;
  cordbg_domain *domain;
  cordbg_error error;
  HRESULT hr = cordbg_enter(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  if (self->id != 0 && SUCCEEDED(session->ops->thread(session->runtime, self->id, &now, NULL)) &&
      now.domain != 0)
    self->domain = now.domain;
  hr = cordbg_session_domain(session, self->domain, &domain, &error);
  return CORDBG_HAND_OUT(self, hr, &error, domain, as_domain, ret);
}

/* Single threads cannot be kept suspended yet: every thread's state is to run. */
static HRESULT
thread_set_debug_state(ICorDebugThread *This, CorDebugThreadState state)
{
  cordbg_thread *self = self_of(This);
  HRESULT hr = cordbg_enter(&self->child, state == THREAD_RUN || state == THREAD_SUSPEND);
  if (FAILED(hr))
    return hr;
  cordbg_leave(&self->child);
  return state == THREAD_RUN
             ? S_OK
             : cordbg_fail(E_NOTIMPL, "a single thread cannot be kept suspended yet");
}

static HRESULT
thread_get_debug_state(ICorDebugThread *This, CorDebugThreadState *state)
{
  cordbg_thread *self = self_of(This);
  HRESULT hr = cordbg_enter(&self->child, state != NULL);
  if (FAILED(hr))
    return hr;
  *state = THREAD_RUN;
  cordbg_leave(&self->child);
  return S_OK;
}

static HRESULT
thread_get_register_set(ICorDebugThread *This, ICorDebugRegisterSet **ret)
{
  cordbg_thread *self = self_of(This);
  cordbg_error error;
  HRESULT hr = cordbg_enter(&self->child, ret != NULL);
  if (FAILED(hr))
    return hr;
  hr = cordbg_register_set_new(self, ret, &error);
  cordbg_leave(&self->child);
  return cordbg_answer(hr, &error);
}

static HRESULT
thread_get_active_frame(ICorDebugThread *This, ICorDebugFrame **ret)
{
  return cordbg_thread_active_frame(self_of(This), ret);
}

static HRESULT
thread_create_walk(ICorDebugThread3 *This, ICorDebugStackWalk **ret)
{
  return cordbg_thread_create_walk(self_of(This), ret);
}

/* A managed thread is an operating-system thread for all its life. */
static HRESULT
thread_get_volatile_id(ICorDebugThread2 *This, DWORD *id)
{
  cordbg_thread *self = self_of(This);
  HRESULT hr = cordbg_check(&self->child, id != NULL);
  if (SUCCEEDED(hr))
    *id = (DWORD)self->tid;
  return hr;
}

CORDBG_VTBL(ICorDebugThread, thread_vtbl, .GetProcess = thread_get_process, .GetID = thread_get_id,
            .GetHandle = thread_get_handle, .GetAppDomain = thread_get_domain,
            .SetDebugState = thread_set_debug_state, .GetDebugState = thread_get_debug_state,
            .GetActiveFrame = thread_get_active_frame, .GetRegisterSet = thread_get_register_set);
CORDBG_VTBL(ICorDebugThread2, thread2_vtbl, .GetVolatileOSThreadID = thread_get_volatile_id);
CORDBG_VTBL(ICorDebugThread3, thread3_vtbl, .CreateStackWalk = thread_create_walk);

static const cordbg_interface thread_interfaces[] = {
    CORDBG_INTERFACE(cordbg_thread, as_thread, ICorDebugThread, thread_vtbl),
    CORDBG_INTERFACE(cordbg_thread, as_thread2, ICorDebugThread2, thread2_vtbl),
    CORDBG_INTERFACE(cordbg_thread, as_thread3, ICorDebugThread3, thread3_vtbl),
};

const cordbg_class cordbg_thread_class =
    CORDBG_CLASS(cordbg_thread, thread_interfaces, thread_dispose);

/* ---- Identity ---- */

HRESULT
cordbg_session_thread(cordbg_session *session, cordbg_rt_id id, cordbg_thread **ret,
                      cordbg_error *error)
{
  cordbg_thread *self = g_hash_table_lookup(session->threads, GSIZE_TO_POINTER(id));
  cordbg_rt_thread thread;
  if (self != NULL) {
    *ret = self;
    return S_OK;
  }
  if (session->runtime == NULL)
    return cordbg_error_set(error, CORDBG_E_OBJECT_NEUTERED, 0, 0, "the runtime is gone");
  HRESULT hr = session->ops->thread(session->runtime, id, &thread, error);
  if (FAILED(hr))
    return hr;
  /* A stranger that the runtime tells of now keeps its object. */
  cordbg_thread *stranger = g_hash_table_lookup(session->tids, GINT_TO_POINTER(thread.tid));
  if (stranger != NULL && stranger->id == 0) {
    self = stranger;
    cordbg_object_ref(self);
    g_ptr_array_remove_fast(session->strangers, stranger);
  } else
    self = cordbg_child_new(session, &cordbg_thread_class);
  if (self == NULL)
    return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "out of memory");
  self->id = id;
  self->tid = thread.tid;
  self->domain = thread.domain;
  g_hash_table_insert(session->threads, GSIZE_TO_POINTER(id), self);
  g_hash_table_insert(session->tids, GINT_TO_POINTER(thread.tid), self);
  *ret = self;
  return S_OK;
}

/* Looks whether the runtime has the thread, without having told of it. */
static cordbg_thread *
search_runtime(cordbg_session *session, int tid)
{
  cordbg_rt_id *ids = NULL;
  size_t count = 0;
  cordbg_thread *found = NULL;
  if (FAILED(session->ops->threads(session->runtime, &ids, &count, NULL)))
    return NULL;
  for (size_t i = 0; i < count && found == NULL; i++) {
    cordbg_rt_thread thread;
    if (SUCCEEDED(session->ops->thread(session->runtime, ids[i], &thread, NULL)) &&
        thread.tid == tid)
      cordbg_session_thread(session, ids[i], &found, NULL);
  }
  g_free(ids);
  return found;
}

HRESULT
cordbg_session_thread_at(cordbg_session *session, int tid, cordbg_rt_id domain, cordbg_thread **ret,
                         cordbg_error *error)
{
  cordbg_thread *self = g_hash_table_lookup(session->tids, GINT_TO_POINTER(tid));
  if (self == NULL && session->runtime != NULL)
    self = search_runtime(session, tid);
  if (self == NULL) {
    self = cordbg_child_new(session, &cordbg_thread_class);
    if (self == NULL)
      return cordbg_error_set(error, E_OUTOFMEMORY, 0, 0, "out of memory");
    self->tid = tid;
    self->domain = domain;
    g_ptr_array_add(session->strangers, self);
    g_hash_table_insert(session->tids, GINT_TO_POINTER(tid), self);
  }
  *ret = self;
  return S_OK;
}

void
cordbg_thread_neuter(cordbg_thread *thread, HRESULT why)
{
  cordbg_session *session = thread->session;
  cordbg_object_neuter(thread, why);
  if (g_hash_table_lookup(session->tids, GINT_TO_POINTER(thread->tid)) == thread)
    g_hash_table_remove(session->tids, GINT_TO_POINTER(thread->tid));
  g_hash_table_remove(session->threads, GSIZE_TO_POINTER(thread->id));
}
