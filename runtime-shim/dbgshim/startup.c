/* SPDX-License-Identifier: MIT */
/*
 * Launching a program, and being called when its runtime is there.
 *
 *   CreateProcessForLaunch -> a hold (libcordbg's, hold.h) and a resume handle
 *   RegisterForRuntimeStartup -> a registration with a thread, which
 *        waits for ResumeProcess when the process is a suspended one of ours,
 *        else looks for a runtime, and holds the process when there is none yet,
 *        awaits the runtime, calls back, and lets go what nobody took
 *   ResumeProcess -> wakes the registration; without one the process simply runs
 *
 * Invariants (lock held): a handle or a token that a client has is in its list, so that anything
 * else is told apart; a suspended process has at most one registration. The lock is never held
 * while libcordbg or a callback runs.
 */
#include "config.h"

#include "runtime-shim/dbgshim/library.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "cordbg/dbgshim.h"
#include "cordbg/cordebug.h"

typedef struct resume_handle {
  struct resume_handle *next;
  cordbg_hold *hold; /* NULL: it was never suspended, or has been resumed */
} resume_handle;

typedef struct registration {
  struct registration *next;
  const cordbg_hosting *library;
  int pid;
  PSTARTUP_CALLBACK callback;
  PVOID parameter;
  pthread_t thread;
  cordbg_hold *hold; /* a reference of the thread's; set under the lock */
  bool suspended;    /* waits for ResumeProcess */
  bool awaiting;     /* hold is being awaited: a cancellation is told to it */
  bool cancelled;
  bool orphaned; /* unregistered in its own callback: the thread frees it */
} registration;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static resume_handle *handles;
static registration *registrations;

/* ---- Launching ---- */

CORDBG_EXPORT HRESULT
CreateProcessForLaunch(LPWSTR lpCommandLine, BOOL bSuspendProcess, LPVOID lpEnvironment,
                       LPCWSTR lpCurrentDirectory, PDWORD pProcessId, HANDLE *pResumeHandle)
{
  cordbg_hold *hold = NULL;
  if (pProcessId == NULL || pResumeHandle == NULL)
    return E_INVALIDARG;
  *pProcessId = 0;
  *pResumeHandle = NULL;
  if (lpCommandLine == NULL)
    return E_INVALIDARG;
  CORDBG_DBGSHIM_LIBRARY(library);
  resume_handle *handle = calloc(1, sizeof *handle);
  if (handle == NULL)
    return library->fail(E_OUTOFMEMORY, "out of memory");
  HRESULT hr = library->launch(lpCommandLine, lpEnvironment, lpCurrentDirectory, &hold);
  if (FAILED(hr)) {
    free(handle);
    return hr;
  }
  *pProcessId = (DWORD)library->pid(hold);
  if (bSuspendProcess)
    handle->hold = hold;
  else
    library->unref(hold); /* the last reference lets it go */
  pthread_mutex_lock(&lock);
  handle->next = handles;
  handles = handle;
  pthread_mutex_unlock(&lock);
  *pResumeHandle = handle;
  return S_OK;
}

/* Where the handle is linked, or NULL. Lock held. */
static resume_handle **
find_handle(HANDLE wanted)
{
  for (resume_handle **link = &handles; *link != NULL; link = &(*link)->next)
    if (*link == wanted)
      return link;
  return NULL;
}

CORDBG_EXPORT HRESULT
ResumeProcess(HANDLE hResumeHandle)
{
  CORDBG_DBGSHIM_LIBRARY(library);
  pthread_mutex_lock(&lock);
  resume_handle **link = find_handle(hResumeHandle);
  cordbg_hold *hold = link != NULL ? (*link)->hold : NULL;
  bool waited_for = false;
  if (hold != NULL) {
    (*link)->hold = NULL;
    for (registration *r = registrations; r != NULL; r = r->next)
      if (r->hold == hold && r->suspended && !r->cancelled) {
        r->suspended = false;
        waited_for = true;
      }
    pthread_cond_broadcast(&changed);
  }
  pthread_mutex_unlock(&lock);
  if (link == NULL)
    return library->fail(HRESULT_FROM_WIN32(ERROR_INVALID_HANDLE), "that is no resume handle");
  if (hold != NULL && !waited_for)
    library->let_go(hold);
  if (hold != NULL)
    library->unref(hold);
  return S_OK;
}

CORDBG_EXPORT HRESULT
CloseResumeHandle(HANDLE hResumeHandle)
{
  CORDBG_DBGSHIM_LIBRARY(library);
  pthread_mutex_lock(&lock);
  resume_handle **link = find_handle(hResumeHandle);
  resume_handle *handle = link != NULL ? *link : NULL;
  if (handle != NULL)
    *link = handle->next;
  pthread_mutex_unlock(&lock);
  if (handle == NULL)
    return library->fail(HRESULT_FROM_WIN32(ERROR_INVALID_HANDLE), "that is no resume handle");
  /* A hold in it keeps its reference: nobody can resume that process any more, as on Windows. */
  free(handle);
  return S_OK;
}

/* ---- Waiting for a runtime: a registration's thread ---- */

static bool
is_cancelled(registration *r)
{
  pthread_mutex_lock(&lock);
  bool cancelled = r->cancelled;
  pthread_mutex_unlock(&lock);
  return cancelled;
}

/* Until ResumeProcess was called. false: cancelled. */
static bool
await_resume(registration *r)
{
  pthread_mutex_lock(&lock);
  while (r->suspended && !r->cancelled)
    pthread_cond_wait(&changed, &lock);
  bool go_on = !r->suspended;
  pthread_mutex_unlock(&lock);
  return go_on;
}

/* A process that was not launched here: S_OK with a hold when its runtime is still to come, without
 * one when it is there. */
static HRESULT
look_at(registration *r)
{
  cordbg_hosting_runtime runtime;
  cordbg_hold *hold = NULL;
  HRESULT hr = r->library->find(r->pid, &runtime);
  if (hr == S_FALSE)
    hr = r->library->attach(r->pid, &hold);
  if (FAILED(hr) || hold == NULL)
    return FAILED(hr) ? hr : S_OK;
  pthread_mutex_lock(&lock);
  r->hold = hold;
  pthread_mutex_unlock(&lock);
  return S_OK;
}

static HRESULT
await_runtime(registration *r)
{
  pthread_mutex_lock(&lock);
  bool cancelled = r->cancelled;
  r->awaiting = !cancelled;
  pthread_mutex_unlock(&lock);
  if (cancelled)
    return E_ABORT;
  HRESULT hr = r->library->await(r->hold);
  pthread_mutex_lock(&lock);
  r->awaiting = false;
  pthread_mutex_unlock(&lock);
  return hr;
}

static void
call_back(registration *r, HRESULT hr)
{
  IUnknown *cordebug = NULL;
  if (SUCCEEDED(hr))
    hr = r->library->create(&IID_ICorDebug, (void **)&cordebug);
  if (is_cancelled(r)) {
    if (cordebug != NULL)
      cordebug->lpVtbl->Release(cordebug);
    return;
  }
  r->callback(cordebug, r->parameter, hr);
}

static void *
wait_for_startup(void *argument)
{
  registration *r = argument;
  const cordbg_hosting *library = r->library;
  HRESULT hr = S_OK;
  bool suspended = r->hold != NULL;
  bool go_on = !suspended || await_resume(r);
  if (go_on && !suspended)
    hr = look_at(r);
  if (go_on && SUCCEEDED(hr) && r->hold != NULL)
    hr = await_runtime(r);
  if (go_on)
    call_back(r, hr);
  if (r->hold != NULL) {
    if (go_on) /* else it stays suspended: ResumeProcess may still come */
      library->let_go(r->hold);
    library->unref(r->hold);
  }
  pthread_mutex_lock(&lock);
  r->hold = NULL;
  bool orphaned = r->orphaned;
  pthread_mutex_unlock(&lock);
  if (orphaned)
    free(r);
  return NULL;
}

/* As the session's threads: the client's signals are not ours, faults of its callback are its. */
static int
start_thread(registration *r)
{
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
  sigset_t all, before;
  sigfillset(&all);
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
    sigdelset(&all, faults[i]);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int result = pthread_create(&r->thread, NULL, wait_for_startup, r);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return result;
}

/* Lock held. The suspended process' hold with a reference, NULL: not one of ours. S_FALSE: somebody
 * waits for it already. */
static HRESULT
find_suspended(registration *r)
{
  for (registration *other = registrations; other != NULL; other = other->next)
    if (other->suspended && !other->cancelled && other->pid == r->pid)
      return S_FALSE;
  for (resume_handle *handle = handles; handle != NULL; handle = handle->next)
    if (handle->hold != NULL && r->library->pid(handle->hold) == r->pid) {
      r->hold = r->library->ref(handle->hold);
      r->suspended = true;
    }
  return S_OK;
}

CORDBG_EXPORT HRESULT
RegisterForRuntimeStartup3(DWORD dwProcessId, LPCWSTR szApplicationGroupId,
                           ICLRDebuggingLibraryProvider3 *pLibraryProvider,
                           PSTARTUP_CALLBACK pfnCallback, PVOID parameter, PVOID *ppUnregisterToken)
{
  (void)szApplicationGroupId;
  (void)pLibraryProvider;
  if (pfnCallback == NULL || ppUnregisterToken == NULL)
    return E_INVALIDARG;
  *ppUnregisterToken = NULL;
  CORDBG_DBGSHIM_LIBRARY(library);
  if (dwProcessId == 0 || dwProcessId > INT32_MAX ||
      (kill((int)dwProcessId, 0) != 0 && errno == ESRCH))
    return library->fail(HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), "there is no such process");
  registration *r = calloc(1, sizeof *r);
  if (r == NULL)
    return library->fail(E_OUTOFMEMORY, "out of memory");
  r->library = library;
  r->pid = (int)dwProcessId;
  r->callback = pfnCallback;
  r->parameter = parameter;
  pthread_mutex_lock(&lock);
  HRESULT hr = find_suspended(r);
  if (hr == S_OK) {
    /* The token is there before the callback can be, which may unregister. */
    *ppUnregisterToken = r;
    if (start_thread(r) != 0) {
      *ppUnregisterToken = NULL;
      hr = E_OUTOFMEMORY;
    } else {
      r->next = registrations;
      registrations = r;
    }
  }
  pthread_mutex_unlock(&lock);
  if (hr == S_OK)
    return S_OK;
  if (r->hold != NULL)
    library->unref(r->hold);
  free(r);
  if (hr == S_FALSE)
    return library->fail(HRESULT_FROM_WIN32(ERROR_ALREADY_EXISTS),
                         "somebody waits for this suspended process already");
  return library->fail(hr, "no thread could be started for the callback");
}

CORDBG_EXPORT HRESULT
RegisterForRuntimeStartupEx(DWORD dwProcessId, LPCWSTR szApplicationGroupId,
                            PSTARTUP_CALLBACK pfnCallback, PVOID parameter,
                            PVOID *ppUnregisterToken)
{
  return RegisterForRuntimeStartup3(dwProcessId, szApplicationGroupId, NULL, pfnCallback, parameter,
                                    ppUnregisterToken);
}

CORDBG_EXPORT HRESULT
RegisterForRuntimeStartup(DWORD dwProcessId, PSTARTUP_CALLBACK pfnCallback, PVOID parameter,
                          PVOID *ppUnregisterToken)
{
  return RegisterForRuntimeStartup3(dwProcessId, NULL, NULL, pfnCallback, parameter,
                                    ppUnregisterToken);
}

CORDBG_EXPORT HRESULT
UnregisterForRuntimeStartup(PVOID pUnregisterToken)
{
  if (pUnregisterToken == NULL)
    return S_OK;
  CORDBG_DBGSHIM_LIBRARY(library);
  pthread_mutex_lock(&lock);
  registration **link = &registrations;
  while (*link != NULL && *link != pUnregisterToken)
    link = &(*link)->next;
  registration *r = *link;
  cordbg_hold *awaited = NULL;
  bool own = false;
  if (r != NULL) {
    *link = r->next;
    r->cancelled = true;
    own = pthread_equal(r->thread, pthread_self()) != 0;
    r->orphaned = own;
    if (r->awaiting)
      awaited = library->ref(r->hold);
    pthread_cond_broadcast(&changed);
  }
  pthread_mutex_unlock(&lock);
  if (r == NULL)
    return library->fail(E_INVALIDARG, "that is no token of a registration");
  if (awaited != NULL) {
    library->cancel(awaited);
    library->unref(awaited);
  }
  if (own)
    pthread_detach(pthread_self());
  else {
    pthread_join(r->thread, NULL);
    free(r);
  }
  return S_OK;
}
