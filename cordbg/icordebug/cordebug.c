/* SPDX-License-Identifier: MIT */
/*
 * ICorDebug: where a client begins. Holds the handlers, makes the sessions and lists them.
 *
 * States: new --Initialize--> initialized --Terminate--> terminated. Terminate gives up an attach
 * or a launch that is in progress on another thread; both hold this object meanwhile. The last
 * Release of the object and of every ICorDebugProcess (each holds it) detaches from what is still
 * under debug, also without Terminate, and also inside a callback.
 */
#include "cordbg/icordebug/private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cordbg/memory/doors.h"

/* How long Terminate waits for a callback that does not return, before it goes on without it. */
enum { DISPATCHERS_PATIENCE_S = 10 };

/* ---- The threads that make callbacks ---- */

static __thread const cordbg_dispatchers *mine; /* what the calling thread belongs to; compared */

static cordbg_dispatchers *
dispatchers_new(void)
{
  cordbg_dispatchers *self = g_new0(cordbg_dispatchers, 1);
  pthread_condattr_t clock;
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  atomic_init(&self->references, 1);
  pthread_mutex_init(&self->lock, NULL);
  pthread_cond_init(&self->ended, &clock);
  pthread_condattr_destroy(&clock);
  return self;
}

cordbg_dispatchers *
cordbg_dispatchers_ref(cordbg_dispatchers *dispatchers)
{
  atomic_fetch_add_explicit(&dispatchers->references, 1, memory_order_relaxed);
  return dispatchers;
}

void
cordbg_dispatchers_unref(cordbg_dispatchers *dispatchers)
{
  if (atomic_fetch_sub_explicit(&dispatchers->references, 1, memory_order_acq_rel) != 1)
    return;
  pthread_cond_destroy(&dispatchers->ended);
  pthread_mutex_destroy(&dispatchers->lock);
  g_free(dispatchers);
}

void
cordbg_dispatchers_add(cordbg_dispatchers *dispatchers)
{
  pthread_mutex_lock(&dispatchers->lock);
  dispatchers->alive++;
  pthread_mutex_unlock(&dispatchers->lock);
}

void
cordbg_dispatchers_enter(cordbg_dispatchers *dispatchers)
{
  mine = dispatchers;
}

void
cordbg_dispatchers_leave(cordbg_dispatchers *dispatchers)
{
  pthread_mutex_lock(&dispatchers->lock);
  dispatchers->alive--;
  pthread_cond_broadcast(&dispatchers->ended);
  pthread_mutex_unlock(&dispatchers->lock);
}

/* Until none of them can touch a handler any more. In a callback there is nothing to wait for. */
static void
dispatchers_await(cordbg_dispatchers *dispatchers)
{
  struct timespec end;
  int result = 0;
  if (mine == dispatchers)
    return;
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_sec += DISPATCHERS_PATIENCE_S;
  pthread_mutex_lock(&dispatchers->lock);
  while (dispatchers->alive > 0 && result == 0)
    result = pthread_cond_timedwait(&dispatchers->ended, &dispatchers->lock, &end);
  if (dispatchers->alive > 0)
    cordbg_log(CORDBG_LOG_WARNING, "ICorDebug::Terminate goes on while a callback is in progress");
  pthread_mutex_unlock(&dispatchers->lock);
}

/* ---- ICorDebug ---- */

static cordbg_cordebug *
self_of(ICorDebug *This)
{
  return CORDBG_SELF(cordbg_cordebug, This);
}

void
cordbg_cordebug_forget(cordbg_cordebug *cordebug, cordbg_session *session)
{
  pthread_mutex_lock(&cordebug->lock);
  bool listed = g_ptr_array_remove(cordebug->sessions, session);
  pthread_mutex_unlock(&cordebug->lock);
  if (listed)
    cordbg_session_unref(session);
}

static void
cordebug_dispose(void *object)
{
  cordbg_cordebug *self = object;
  /* A session that ends by itself right now has this object's address until it passed its own lock,
   * which detach takes, too: after the loop nobody has it. */
  for (guint i = 0; i < self->sessions->len; i++) {
    cordbg_session *session = self->sessions->pdata[i];
    cordbg_session_detach(session, NULL);
    pthread_mutex_lock(&session->lock);
    session->cordebug = NULL;
    pthread_mutex_unlock(&session->lock);
    cordbg_session_unref(session);
  }
  g_ptr_array_free(self->sessions, TRUE);
  g_ptr_array_free(self->starting, TRUE);
  cordbg_unknown_unref(self->managed);
  cordbg_unknown_unref(self->managed2);
  cordbg_unknown_unref(self->unmanaged);
  cordbg_dispatchers_unref(self->dispatchers);
  pthread_mutex_destroy(&self->lock);
}

static HRESULT
cordebug_initialize(ICorDebug *This)
{
  cordbg_cordebug *self = self_of(This);
  pthread_mutex_lock(&self->lock);
  bool terminated = self->terminated;
  self->initialized = !terminated;
  pthread_mutex_unlock(&self->lock);
  return terminated ? cordbg_fail(E_FAIL, "Initialize after Terminate: make a new ICorDebug")
                    : S_OK;
}

/*
 * What attaches or is launched on another thread right now is given up. Afterwards no handler is
 * called or released any more: clients (netcoredbg) free theirs then, whatever its count says.
 */
static HRESULT
cordebug_terminate(ICorDebug *This)
{
  cordbg_cordebug *self = self_of(This);
  void *gone[3] = {0};
  pthread_mutex_lock(&self->lock);
  guint left = self->sessions->len;
  int pid = left > 0 ? ((cordbg_session *)self->sessions->pdata[0])->pid : 0;
  if (left == 0) {
    self->terminated = true;
    self->initialized = false;
    for (guint i = 0; i < self->starting->len; i++)
      cordbg_tracer_interrupt(((cordbg_session *)self->starting->pdata[i])->tracer);
    gone[0] = self->managed;
    gone[1] = self->managed2;
    gone[2] = self->unmanaged;
    self->managed = NULL;
    self->managed2 = NULL;
    self->unmanaged = NULL;
  }
  pthread_mutex_unlock(&self->lock);
  for (size_t i = 0; i < G_N_ELEMENTS(gone); i++)
    cordbg_unknown_unref(gone[i]);
  if (left > 0)
    return cordbg_fail(CORDBG_E_ILLEGAL_SHUTDOWN_ORDER,
                       "%u processes are still under debug (%d is one): detach from them, or wait "
                       "for their ExitProcess",
                       left, pid);
  dispatchers_await(self->dispatchers);
  return S_OK;
}

static HRESULT
not_initialized(void)
{
  return cordbg_fail(E_FAIL, "ICorDebug::Initialize was not called");
}

static HRESULT
cordebug_set_managed_handler(ICorDebug *This, ICorDebugManagedCallback *callback)
{
  cordbg_cordebug *self = self_of(This);
  void *managed = NULL, *managed2 = NULL;
  if (callback == NULL)
    return cordbg_fail(E_INVALIDARG, "the managed handler is NULL");
  if (FAILED(callback->lpVtbl->QueryInterface(callback, &IID_ICorDebugManagedCallback, &managed)) ||
      FAILED(
          callback->lpVtbl->QueryInterface(callback, &IID_ICorDebugManagedCallback2, &managed2))) {
    cordbg_unknown_unref(managed);
    return cordbg_fail(E_NOINTERFACE, "the managed handler lacks ICorDebugManagedCallback%s",
                       managed ? "2" : "");
  }
  pthread_mutex_lock(&self->lock);
  bool initialized = self->initialized;
  if (initialized) {
    void *old = self->managed, *old2 = self->managed2;
    self->managed = managed;
    self->managed2 = managed2;
    managed = old;
    managed2 = old2;
  }
  pthread_mutex_unlock(&self->lock);
  cordbg_unknown_unref(managed);
  cordbg_unknown_unref(managed2);
  return initialized ? S_OK : not_initialized();
}

static HRESULT
cordebug_set_unmanaged_handler(ICorDebug *This, ICorDebugUnmanagedCallback *callback)
{
  cordbg_cordebug *self = self_of(This);
  void *unmanaged = NULL;
  if (callback == NULL)
    return cordbg_fail(E_INVALIDARG, "the unmanaged handler is NULL");
  if (FAILED(
          callback->lpVtbl->QueryInterface(callback, &IID_ICorDebugUnmanagedCallback, &unmanaged)))
    return cordbg_fail(E_NOINTERFACE, "the unmanaged handler lacks ICorDebugUnmanagedCallback");
  pthread_mutex_lock(&self->lock);
  bool initialized = self->initialized;
  if (initialized) {
    void *old = self->unmanaged;
    self->unmanaged = unmanaged;
    unmanaged = old;
  }
  pthread_mutex_unlock(&self->lock);
  cordbg_unknown_unref(unmanaged);
  return initialized ? S_OK : not_initialized();
}

/* What an attach or a launch needs beforehand. */
static HRESULT
check_ready(cordbg_cordebug *self, bool interop)
{
  pthread_mutex_lock(&self->lock);
  bool initialized = self->initialized, managed = self->managed != NULL;
  bool unmanaged = self->unmanaged != NULL;
  pthread_mutex_unlock(&self->lock);
  if (!initialized)
    return not_initialized();
  if (!managed)
    return cordbg_fail(E_FAIL, "no managed handler is set: call SetManagedHandler first");
  if (interop && !unmanaged)
    return cordbg_fail(E_FAIL, "interop debugging needs an unmanaged handler: call "
                               "SetUnmanagedHandler first");
  return S_OK;
}

/* Gives the client its process; consumes the reference on the session. */
static HRESULT
hand_out(cordbg_session *session, ICorDebugProcess **ret)
{
  cordbg_process *process = cordbg_session_process(session);
  cordbg_session_unref(session);
  if (process == NULL)
    return cordbg_fail(CORDBG_E_PROCESS_DETACHED,
                       "the session is over already: the process ended, or a callback detached");
  *ret = &process->as_process.iface;
  return S_OK;
}

static HRESULT
cordebug_debug_active_process(ICorDebug *This, DWORD id, BOOL win32_attach, ICorDebugProcess **ret)
{
  cordbg_cordebug *self = self_of(This);
  cordbg_session *session = NULL;
  cordbg_error error;
  if (ret == NULL || id == 0 || id > INT32_MAX)
    return cordbg_fail(E_INVALIDARG, "%u is no process id, or there is no room for the answer", id);
  HRESULT hr = check_ready(self, win32_attach);
  if (FAILED(hr))
    return hr;
  if ((int)id == getpid())
    return cordbg_fail(E_INVALIDARG, "process %u is the debugger itself", id);
  cordbg_object_ref(self);
  hr = cordbg_session_attach(self, (int)id, win32_attach, &session, &error);
  hr = FAILED(hr) ? cordbg_answer(hr, &error) : hand_out(session, ret);
  cordbg_object_unref(self);
  return hr;
}

/* Standard handles are file descriptors on Linux: STARTF_USESTDHANDLES takes their numbers. */
static void
take_startup_info(const STARTUPINFOW *startup, cordbg_launch *launch)
{
  for (int i = 0; i < 3; i++)
    launch->stdio[i] = -1;
  if (startup != NULL && (startup->dwFlags & STARTF_USESTDHANDLES) != 0) {
    launch->stdio[0] = (int)(intptr_t)startup->hStdInput;
    launch->stdio[1] = (int)(intptr_t)startup->hStdOutput;
    launch->stdio[2] = (int)(intptr_t)startup->hStdError;
  }
}

static HRESULT
launch_process(cordbg_cordebug *self, const WCHAR *application, const WCHAR *command_line,
               DWORD flags, const void *environment, const WCHAR *folder,
               const STARTUPINFOW *startup, cordbg_session **ret, cordbg_error *error)
{
  char *path = cordbg_utf8_new(application), *line = cordbg_utf8_new(command_line);
  char *where = cordbg_utf8_new(folder);
  char *alone[] = {path, NULL};
  char **arguments = NULL, **variables = NULL;
  HRESULT hr = S_OK;
  if (line != NULL)
    hr = cordbg_command_line_split(line, &arguments, error);
  if (SUCCEEDED(hr)) {
    cordbg_launch launch = {.folder = where};
    take_startup_info(startup, &launch);
    launch.argv = arguments ? arguments : alone;
    launch.path = path ? path : launch.argv[0];
    if (environment != NULL)
      variables = cordbg_environment_split(environment, (flags & CREATE_UNICODE_ENVIRONMENT) != 0);
    launch.envp = variables;
    hr = cordbg_session_launch(
        self, &launch, (flags & (DEBUG_PROCESS | DEBUG_ONLY_THIS_PROCESS)) != 0, ret, error);
  }
  g_strfreev(arguments);
  g_strfreev(variables);
  free(path);
  free(line);
  free(where);
  return hr;
}

static HRESULT
cordebug_create_process(ICorDebug *This, LPCWSTR application, LPWSTR command_line,
                        LPSECURITY_ATTRIBUTES process_attributes,
                        LPSECURITY_ATTRIBUTES thread_attributes, BOOL inherit_handles, DWORD flags,
                        PVOID environment, LPCWSTR folder, LPSTARTUPINFOW startup,
                        LPPROCESS_INFORMATION information,
                        CorDebugCreateProcessFlags debugging_flags, ICorDebugProcess **ret)
{
  cordbg_cordebug *self = self_of(This);
  cordbg_session *session = NULL;
  cordbg_error error;
  (void)process_attributes;
  (void)thread_attributes;
  (void)inherit_handles;
  (void)debugging_flags;
  if (ret == NULL || (application == NULL && command_line == NULL))
    return cordbg_fail(E_INVALIDARG, "no program is named, or there is no room for the answer");
  HRESULT hr = check_ready(self, (flags & (DEBUG_PROCESS | DEBUG_ONLY_THIS_PROCESS)) != 0);
  if (FAILED(hr))
    return hr;
  cordbg_object_ref(self);
  hr = launch_process(self, application, command_line, flags, environment, folder, startup,
                      &session, &error);
  if (SUCCEEDED(hr) && information != NULL) {
    memset(information, 0, sizeof *information);
    information->dwProcessId = (DWORD)session->pid;
    information->dwThreadId = (DWORD)session->pid;
    cordbg_handle_for_process(session->pid, PROCESS_ALL_ACCESS, &information->hProcess, NULL);
    cordbg_handle_for_thread(session->pid, session->pid, &information->hThread, NULL);
  }
  hr = FAILED(hr) ? cordbg_answer(hr, &error) : hand_out(session, ret);
  cordbg_object_unref(self);
  return hr;
}

/* References on the sessions, for work outside the lock. */
static GPtrArray *
sessions_of(cordbg_cordebug *self)
{
  GPtrArray *sessions = g_ptr_array_new_with_free_func((GDestroyNotify)cordbg_session_unref);
  pthread_mutex_lock(&self->lock);
  for (guint i = 0; i < self->sessions->len; i++)
    g_ptr_array_add(sessions, cordbg_session_ref(self->sessions->pdata[i]));
  pthread_mutex_unlock(&self->lock);
  return sessions;
}

static HRESULT
cordebug_enumerate_processes(ICorDebug *This, ICorDebugProcessEnum **ret)
{
  if (ret == NULL)
    return cordbg_fail(E_INVALIDARG, "there is no room for the answer");
  GPtrArray *sessions = sessions_of(self_of(This));
  GPtrArray *processes = g_ptr_array_new();
  for (guint i = 0; i < sessions->len; i++) {
    cordbg_process *process = cordbg_session_process(sessions->pdata[i]);
    if (process != NULL)
      g_ptr_array_add(processes, &process->as_process.iface);
  }
  HRESULT hr = cordbg_enumerator_new_objects(&IID_ICorDebugProcessEnum, processes->pdata,
                                             processes->len, (void **)ret);
  for (guint i = 0; i < processes->len; i++)
    cordbg_unknown_unref(processes->pdata[i]);
  g_ptr_array_free(processes, TRUE);
  g_ptr_array_free(sessions, TRUE);
  return FAILED(hr) ? cordbg_fail(hr, "the enumerator could not be made") : hr;
}

static HRESULT
cordebug_get_process(ICorDebug *This, DWORD id, ICorDebugProcess **ret)
{
  if (ret == NULL)
    return cordbg_fail(E_INVALIDARG, "there is no room for the answer");
  GPtrArray *sessions = sessions_of(self_of(This));
  cordbg_process *process = NULL;
  for (guint i = 0; i < sessions->len && process == NULL; i++)
    if ((DWORD)((cordbg_session *)sessions->pdata[i])->pid == id)
      process = cordbg_session_process(sessions->pdata[i]);
  g_ptr_array_free(sessions, TRUE);
  if (process == NULL)
    return cordbg_fail(E_INVALIDARG, "process %u is not under debug here", id);
  *ret = &process->as_process.iface;
  return S_OK;
}

static HRESULT
cordebug_can_launch_or_attach(ICorDebug *This, DWORD id, BOOL win32)
{
  (void)This;
  (void)win32;
  /* 0 asks about launching. */
  if (id != 0 && (id > INT32_MAX || (kill((int)id, 0) != 0 && errno == ESRCH)))
    return cordbg_fail(HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), "there is no process %u", id);
  return S_OK;
}

CORDBG_VTBL(ICorDebug, cordebug_vtbl, .Initialize = cordebug_initialize,
            .Terminate = cordebug_terminate, .SetManagedHandler = cordebug_set_managed_handler,
            .SetUnmanagedHandler = cordebug_set_unmanaged_handler,
            .CreateProcess = cordebug_create_process,
            .DebugActiveProcess = cordebug_debug_active_process,
            .EnumerateProcesses = cordebug_enumerate_processes, .GetProcess = cordebug_get_process,
            .CanLaunchOrAttach = cordebug_can_launch_or_attach);

static const cordbg_interface cordebug_interfaces[] = {
    CORDBG_INTERFACE(cordbg_cordebug, as_cordebug, ICorDebug, cordebug_vtbl),
};

const cordbg_class cordbg_cordebug_class =
    CORDBG_CLASS(cordbg_cordebug, cordebug_interfaces, cordebug_dispose);

HRESULT
cordbg_cordebug_create(const IID *iid, void **object)
{
  cordbg_cordebug *self = cordbg_object_new(&cordbg_cordebug_class);
  if (self == NULL)
    return E_OUTOFMEMORY;
  pthread_mutex_init(&self->lock, NULL);
  self->sessions = g_ptr_array_new();
  self->starting = g_ptr_array_new();
  self->dispatchers = dispatchers_new();
  HRESULT hr = cordbg_object_query(self, iid, object);
  cordbg_object_unref(self);
  return hr;
}
