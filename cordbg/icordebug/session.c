/* SPDX-License-Identifier: MIT */
/*
 * The session: one process under debug, as ICorDebug's clients see it.
 *
 * Why. The tracer speaks of threads and traps, the runtime's shim of plain data, and the client
 * wants objects, callbacks one at a time, and a process that is stopped until it says Continue. The
 * session is where these meet. The COM objects are thin: each holds a reference on the session's
 * memory and the id of what it stands for.
 *
 * Lives (cordbg_life), one way only:
 *
 *   STARTING --(prepare succeeded)--> ATTACHED --(Detach)--------------------> OVER
 *                                        |--(exit, exec)--> LEAVING --(ExitProcess told)--> OVER
 *                                        '--(the tracer died)----------------> OVER
 *
 * The stop. `owed` says that the tracer holds the target and waits for one CONTINUE. Who wants it
 * held is counted apart: stop_count (each Stop and each managed or in-band callback adds one, each
 * Continue(FALSE) takes one), out_of_band (ended by Continue(TRUE)) and the queue of callbacks that
 * are still to be told. cordbg_session_go_on sends the CONTINUE when nobody is left:
 *
 *   stop_count == 0, queue empty, no out_of_band, nothing in flight, owed  -->  CONTINUE
 *   stop_count == 0, queue not empty                                       -->  next callback
 *
 * `in_flight`: a STOP may cross with an event that the tracer had sent before. The tracer's reply
 * names it, and until we read it no CONTINUE goes out, since it would answer the event unread.
 *
 * Threads. The *dispatcher* reads the managed event socket, turns events into callbacks and makes
 * them, all on one thread: a hit costs no further hop. While the client thinks about a callback the
 * dispatcher is back on the socket, so that it sees the target's death at any time; a Continue from
 * another thread that leaves callbacks in the queue wakes it there. With win32Attach the *unmanaged
 * dispatcher* does the same for the other socket (unmanaged.c, which has a queue of its own that goes
 * before the managed one). Each owns a reference on the session, blocks all
 * signals, and ends when the life is OVER; nobody joins them, because Detach and the last Release
 * are legal on them.
 *
 * Locks. session->lock is taken by every method that looks at the target through the shim (the
 * shim's rule: one call at a time) and never during a callback. cordebug->lock guards the list of
 * sessions; it is a leaf. Memory reads take neither.
 *
 * Ownership. The session owns the objects that stand for what exists in the target (so that the
 * same thing is always the same object); each object owns a reference on the session's memory. The
 * cycle is cut by neutering, which happens to each object once at the latest when the life becomes
 * OVER. The process object is the exception: clients' references alone keep it, and it owns a
 * reference on ICorDebug, so that the last Release of both ends the sessions.
 *
 * Invariants (lock held):
 * - stop_count > 0 or a callback in progress  =>  owed, unless the target is gone;
 * - life == OVER  <=>  all tables are empty and runtime == NULL;
 * - an active breakpoint is in `breakpoints`, and each of its bindings in `sites`.
 */
#include "cordbg/icordebug/private.h"

#include "cordbg/icordebug/hold.h"
#include "cordbg/icordebug/unmanaged.h"
#include "cordbg/tracer/spawn.h"
#include "runtime-shim/await.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PREPARE_ATTACH_MS = 10000, PREPARE_LAUNCH_MS = 30000 };

cordbg_session *
cordbg_session_ref(cordbg_session *session)
{
  atomic_fetch_add_explicit(&session->references, 1, memory_order_relaxed);
  return session;
}

void
cordbg_session_unref(cordbg_session *session)
{
  if (session == NULL ||
      atomic_fetch_sub_explicit(&session->references, 1, memory_order_acq_rel) != 1)
    return;
  cordbg_unknown_unref(session->callback);
  cordbg_unknown_unref(session->callback2);
  cordbg_unknown_unref(session->unmanaged);
  GHashTable *tables[] = {session->domains, session->assemblies, session->modules, session->threads,
                          session->tids,    session->codes,      session->methods, session->sites};
  for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
    g_hash_table_destroy(tables[i]);
  g_ptr_array_free(session->strangers, TRUE);
  g_ptr_array_free(session->images, TRUE);
  g_ptr_array_free(session->breakpoints, TRUE);
  g_ptr_array_free(session->dying, TRUE);
  g_array_free(session->queue, TRUE);
  cordbg_natives_free(session->natives);
  cordbg_target_unref(session->target);
  cordbg_dispatchers_unref(session->dispatchers);
  pthread_mutex_destroy(&session->lock);
  g_free(session);
}

static void
unref_object(void *object)
{
  cordbg_object_unref(object);
}

static GHashTable *
table_of_objects(void)
{
  return g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, unref_object);
}

static cordbg_session *
session_new(cordbg_cordebug *cordebug, bool interop)
{
  cordbg_session *session = g_new0(cordbg_session, 1);
  atomic_init(&session->references, 1);
  pthread_mutex_init(&session->lock, NULL);
  session->cordebug = cordebug;
  session->dispatchers = cordbg_dispatchers_ref(cordebug->dispatchers);
  session->interop = interop;
  session->queue = g_array_new(FALSE, FALSE, sizeof(cordbg_callback));
  session->dying = g_ptr_array_new_with_free_func(unref_object);
  session->domains = table_of_objects();
  session->assemblies = table_of_objects();
  session->modules = table_of_objects();
  session->threads = table_of_objects();
  session->codes = table_of_objects();
  session->tids = g_hash_table_new(g_direct_hash, g_direct_equal);
  session->strangers = g_ptr_array_new_with_free_func(unref_object);
  session->images = g_ptr_array_new_with_free_func(cordbg_loaded_image_free);
  session->methods =
      g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
  session->sites = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, cordbg_site_free);
  session->breakpoints = g_ptr_array_new_with_free_func(unref_object);
  pthread_mutex_lock(&cordebug->lock);
  session->callback = cordebug->managed;
  session->callback2 = cordebug->managed2;
  session->unmanaged = interop ? cordebug->unmanaged : NULL;
  cordbg_unknown_ref(session->callback);
  cordbg_unknown_ref(session->callback2);
  cordbg_unknown_ref(session->unmanaged);
  pthread_mutex_unlock(&cordebug->lock);
  return session;
}

void *
cordbg_child_new(cordbg_session *session, const cordbg_class *type)
{
  cordbg_child *child = cordbg_object_new(type);
  if (child != NULL)
    child->session = cordbg_session_ref(session);
  return child;
}

/* ---- Attach and launch ---- */

static void
process_name(int pid, char *name, size_t size)
{
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/comm", pid);
  FILE *file = fopen(path, "re");
  size_t length = file ? fread(name, 1, size - 1, file) : 0;
  if (file)
    fclose(file);
  while (length > 0 && name[length - 1] == '\n')
    length--;
  name[length] = '\0';
}

static HRESULT
say_not_managed(int pid, cordbg_error *error)
{
  char name[32];
  GString *names = g_string_new(NULL);
  process_name(pid, name, sizeof name);
  size_t count = 0;
  while (cordbg_runtime_shims[count] != NULL)
    count++;
  for (size_t i = 0; i < count; i++)
    g_string_append_printf(names, "%s%s",
                           i == 0           ? ""
                           : i + 1 == count ? " nor "
                                            : ", ",
                           cordbg_runtime_shims[i]->name);
  cordbg_error_set(error, CORDBG_E_NOT_CLR, 0, 0,
                   "process %d (%s) runs %s%s: there is no managed "
                   "code to debug",
                   pid, name, count > 1 ? "neither " : "no ", names->str);
  g_string_free(names, TRUE);
  return CORDBG_E_NOT_CLR;
}

/* The shim whose runtime the process runs. S_FALSE: none. */
static HRESULT
find_shim(cordbg_session *session, int pid, cordbg_error *error)
{
  return cordbg_runtime_find(pid, &session->ops, &session->info, error);
}

/* Events that reached the managed channel while the shim prepared. The dispatcher gets them as if
 * they came afterwards: no thread ran on since the last of them. */
typedef struct keeping {
  cordbg_session *session;
  GArray *events;
} keeping;

static void
keep_event(void *data, const cordbg_event *event)
{
  const keeping *keep = data;
  g_array_append_vals(keep->events, event, 1);
  if (keep->session->natives != NULL)
    cordbg_natives_launching(keep->session, event);
}

static HRESULT
start_thread(cordbg_session *session, void *(*body)(void *), const char *name, pthread_t *thread)
{
  sigset_t all, before;
  pthread_attr_t attributes;
  sigfillset(&all);
  /* Faults of the client's own callbacks must find the client's handlers. */
  const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
  for (size_t i = 0; i < G_N_ELEMENTS(faults); i++)
    sigdelset(&all, faults[i]);
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  cordbg_dispatchers_add(session->dispatchers);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int result = pthread_create(thread, &attributes, body, cordbg_session_ref(session));
  if (result == 0)
    pthread_setname_np(*thread, name);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  if (result == 0) {
    session->thread_count++; /* the caller holds the lock, which each thread takes to end */
    return S_OK;
  }
  cordbg_dispatchers_leave(session->dispatchers);
  cordbg_session_unref(session);
  return E_OUTOFMEMORY;
}

void
cordbg_session_thread_ends(cordbg_session *session)
{
  void *handlers[3] = {NULL, NULL, NULL};
  pthread_mutex_lock(&session->lock);
  if (--session->thread_count == 0) {
    handlers[0] = session->callback;
    handlers[1] = session->callback2;
    handlers[2] = session->unmanaged;
    session->callback = NULL;
    session->callback2 = NULL;
    session->unmanaged = NULL;
  }
  pthread_mutex_unlock(&session->lock);
  for (size_t i = 0; i < G_N_ELEMENTS(handlers); i++)
    cordbg_unknown_unref(handlers[i]);
  cordbg_dispatchers_leave(session->dispatchers);
  cordbg_session_unref(session);
}

uint32_t
cordbg_session_wants(const cordbg_session *session)
{
  return session->ops != NULL && session->ops->thread_ends ? CORDBG_WANT_THREAD_ENDS : 0;
}

/* From "the tracer has the target" to "the dispatchers are at work". events: what came before, in
 * order; more is added. */
static HRESULT
session_begin(cordbg_session *session, GArray *events, cordbg_error *error)
{
  keeping keep = {session, events};
  HRESULT hr = S_OK;
  uint32_t wanted = cordbg_session_wants(session) | (session->interop ? CORDBG_WANT_UNMANAGED : 0u);
  if (wanted != 0)
    hr = cordbg_tracer_want_events(session->tracer, wanted, error);
  if (SUCCEEDED(hr))
    hr = session->ops->prepare(session->target, session->early,
                               session->early ? PREPARE_LAUNCH_MS : PREPARE_ATTACH_MS, keep_event,
                               &keep, &session->runtime, error);
  if (SUCCEEDED(hr)) {
    if (session->early || session->info.version[0] == '\0') /* it may be known only now */
      session->ops->detect(session->pid, &session->info, NULL);
    session->owed = true;
    cordbg_session_provide_frames(session, true);
    pthread_mutex_lock(&session->lock);
    hr = cordbg_dispatch_replay(session, error);
    if (SUCCEEDED(hr))
      hr = cordbg_natives_begin(session, error);
    session->life = CORDBG_LIFE_ATTACHED;
    for (guint i = 0; SUCCEEDED(hr) && i < events->len; i++)
      cordbg_dispatch_event(session, &g_array_index(events, cordbg_event, i));
    pthread_mutex_unlock(&session->lock);
  }
  return hr;
}

static HRESULT
start_dispatcher(cordbg_session *session, bool unmanaged, cordbg_error *error)
{
  pthread_t thread;
  /* The lock keeps the dispatcher from asking who it is before that is written down. */
  pthread_mutex_lock(&session->lock);
  HRESULT hr = unmanaged ? start_thread(session, cordbg_unmanaged_thread, "cordbg-native", &thread)
                         : start_thread(session, cordbg_dispatch_thread, "cordbg-managed",
                                        &session->dispatcher);
  pthread_mutex_unlock(&session->lock);
  if (FAILED(hr))
    cordbg_error_set(error, hr, EAGAIN, 0, "no thread could be started for the callbacks");
  return hr;
}

static HRESULT
say_given_up(const cordbg_session *session, cordbg_error *error)
{
  return cordbg_error_set(error, E_ABORT, 0, 0,
                          "ICorDebug::Terminate was called while process %d was %s", session->pid,
                          session->launched ? "launched" : "attached to");
}

/* In the list before the first callback, which may ask for its process. From here on Terminate is
 * refused; before, it makes this fail. */
static HRESULT
enlist(cordbg_session *session, cordbg_error *error)
{
  cordbg_cordebug *cordebug = session->cordebug;
  pthread_mutex_lock(&cordebug->lock);
  bool given_up = cordebug->terminated;
  if (!given_up)
    g_ptr_array_remove(cordebug->starting, session);
  if (!given_up && !g_ptr_array_find(cordebug->sessions, session, NULL))
    g_ptr_array_add(cordebug->sessions, cordbg_session_ref(session));
  pthread_mutex_unlock(&cordebug->lock);
  return given_up ? say_given_up(session, error) : S_OK;
}

/* At the first instruction of a launch with win32Attach: its native events are told from here on. */
static HRESULT
begin_natives(cordbg_session *session, cordbg_error *error)
{
  pthread_mutex_lock(&session->lock);
  HRESULT hr = cordbg_natives_launch(session, error);
  session->life = CORDBG_LIFE_ATTACHED;
  pthread_mutex_unlock(&session->lock);
  if (FAILED(hr))
    return hr;
  hr = enlist(session, error);
  if (SUCCEEDED(hr))
    hr = start_dispatcher(session, true, error);
  if (SUCCEEDED(hr))
    cordbg_natives_launching(session, NULL);
  return hr;
}

/* The attach failed half way: the target goes on without us, one that this session launched ends.
 */
static void
session_abandon(cordbg_session *session, cordbg_cordebug *cordebug)
{
  pthread_mutex_lock(&cordebug->lock);
  g_ptr_array_remove(cordebug->starting, session);
  pthread_mutex_unlock(&cordebug->lock);
  pthread_mutex_lock(&session->lock);
  if (session->life == CORDBG_LIFE_STARTING)
    session->life = CORDBG_LIFE_ATTACHED;
  bool launched = session->launched && !session->held;
  if (launched) {
    cordbg_tracer_terminate(session->tracer, NULL);
    /* An event that came when nobody read any more holds it back from its end. */
    cordbg_tracer_continue(session->tracer, NULL);
  }
  cordbg_session_drop_runtime(session, !launched);
  pthread_mutex_unlock(&session->lock);
  /* Before the tracer lets go: it is the one that sees the process through its last stop. */
  if (launched)
    cordbg_child_collect(session->pid);
  cordbg_tracer_detach(session->tracer, NULL);
  cordbg_session_over(session, CORDBG_E_PROCESS_DETACHED);
}

static HRESULT
session_finish(cordbg_session *session, GArray *events, cordbg_session **ret, cordbg_error *error)
{
  bool told = session->natives != NULL;
  cordbg_cordebug *cordebug = session->cordebug; /* the caller's reference keeps it */
  HRESULT hr = session_begin(session, events, error);
  if (SUCCEEDED(hr))
    hr = enlist(session, error);
  if (SUCCEEDED(hr)) {
    hr = start_dispatcher(session, false, error);
    if (SUCCEEDED(hr) && session->interop && !told)
      hr = start_dispatcher(session, true, error);
    else if (SUCCEEDED(hr) && told) /* it is at work already, and may sleep */
      cordbg_tracer_wake(session->tracer, CORDBG_CHANNEL_UNMANAGED);
  }
  if (FAILED(hr)) {
    session_abandon(session, cordebug);
    cordbg_session_unref(session);
    return hr;
  }
  cordbg_log(CORDBG_LOG_STEP, "%s process %d (%s %s)",
             session->launched ? "launched" : "attached to", session->pid, session->ops->name,
             session->info.version);
  *ret = session;
  return S_OK;
}

/* The session has its process. Until it is in the list, or has failed, its waits end when ICorDebug is
 * terminated. */
static void
session_starts(cordbg_session *session, cordbg_target *target, int pid)
{
  cordbg_cordebug *cordebug = session->cordebug;
  session->target = target;
  session->tracer = cordbg_target_tracer(target);
  session->pid = pid;
  pthread_mutex_lock(&cordebug->lock);
  g_ptr_array_add(cordebug->starting, session);
  if (cordebug->terminated)
    cordbg_tracer_interrupt(session->tracer);
  pthread_mutex_unlock(&cordebug->lock);
}

/* Makes the target; the tracer is consumed, also by a failure. */
static HRESULT
session_take_tracer(cordbg_session *session, cordbg_tracer *tracer, int pid, cordbg_error *error)
{
  cordbg_target *target = NULL;
  HRESULT hr = cordbg_target_create(tracer, &target, error);
  if (FAILED(hr)) {
    cordbg_tracer_destroy(tracer);
    return hr;
  }
  session_starts(session, target, pid);
  return S_OK;
}

/*
 * The process is one that hold.c has: goes on from where it stands. S_FALSE: it is not; the session
 * is consumed by anything else.
 */
static HRESULT
session_take_hold(cordbg_session *session, int pid, cordbg_session **ret, cordbg_error *error)
{
  cordbg_held held;
  HRESULT hr = cordbg_hold_take(pid, &held, error);
  if (hr == S_FALSE)
    return hr;
  if (FAILED(hr)) {
    session->life = CORDBG_LIFE_OVER;
    cordbg_session_unref(session);
    return hr;
  }
  session->launched = held.child;
  session->early = true;
  session->held = true;
  session->ops = held.shim;
  session_starts(session, held.target, pid);
  hr = session_finish(session, held.events, ret, error);
  g_array_free(held.events, TRUE);
  return hr;
}

/* found: what find_shim said, with the error `refused`. */
static HRESULT
attach_tracer(cordbg_session *session, int pid, HRESULT found, const cordbg_error *refused,
              cordbg_error *error)
{
  cordbg_tracer *tracer = NULL;
  HRESULT hr = cordbg_tracer_start(&tracer, error);
  if (FAILED(hr))
    return hr;
  hr = cordbg_tracer_attach(tracer, pid, error);
  if (SUCCEEDED(hr) && found != S_OK) {
    cordbg_tracer_detach(tracer, NULL);
    hr = FAILED(found) ? refused->hr : CORDBG_E_NOT_CLR;
    if (error && FAILED(found))
      *error = *refused;
    else if (!FAILED(found))
      hr = say_not_managed(pid, error);
  }
  if (SUCCEEDED(hr))
    return session_take_tracer(session, tracer, pid, error);
  cordbg_tracer_destroy(tracer);
  return hr;
}

HRESULT
cordbg_session_attach(cordbg_cordebug *cordebug, int pid, bool interop, cordbg_session **ret,
                      cordbg_error *error)
{
  cordbg_session *session = session_new(cordebug, interop);
  cordbg_error refused = {.hr = S_OK};

  HRESULT held = session_take_hold(session, pid, ret, error);
  if (held != S_FALSE)
    return held;
  /* Who is not managed is left in peace. Where looking is not possible (no such process, no
   * permission) the tracer's own error says more than the shim's. */
  HRESULT found = find_shim(session, pid, &refused);
  const cordbg_runtime_ops *ops = found == S_OK ? session->ops : NULL;
  uint64_t expectation = 0;
  char path[32];
  snprintf(path, sizeof path, "/proc/%d", pid);
  HRESULT hr = found == S_FALSE && access(path, F_OK) == 0 ? say_not_managed(pid, error) : S_OK;
  if (ops != NULL && ops->expect != NULL)
    expectation = ops->expect(pid, &session->info);
  if (SUCCEEDED(hr))
    hr = attach_tracer(session, pid, found, &refused, error);
  if (SUCCEEDED(hr)) {
    GArray *events = g_array_new(FALSE, FALSE, sizeof(cordbg_event));
    hr = session_finish(session, events, ret, error);
    g_array_free(events, TRUE);
  } else {
    session->life = CORDBG_LIFE_OVER;
    cordbg_session_unref(session);
  }
  if (expectation != 0)
    ops->dismiss(expectation);
  return hr;
}

HRESULT
cordbg_session_launch(cordbg_cordebug *cordebug, const cordbg_launch *launch, bool interop,
                      cordbg_session **ret, cordbg_error *error)
{
  cordbg_session *session = session_new(cordebug, interop);
  cordbg_tracer *tracer = NULL;
  int pid = 0;
  session->launched = true;
  session->early = true;
  HRESULT hr = cordbg_tracer_start(&tracer, error);
  if (SUCCEEDED(hr)) {
    hr = cordbg_tracer_launch(tracer, launch, &pid, error);
    if (FAILED(hr))
      cordbg_tracer_destroy(tracer);
    else
      hr = session_take_tracer(session, tracer, pid, error);
  }
  GArray *events = g_array_new(FALSE, FALSE, sizeof(cordbg_event));
  if (SUCCEEDED(hr)) {
    keeping keep = {session, events};
    if (interop)
      hr = cordbg_tracer_want_events(session->tracer, CORDBG_WANT_UNMANAGED, error);
    if (SUCCEEDED(hr) && interop)
      hr = begin_natives(session, error);
    if (SUCCEEDED(hr))
      hr = cordbg_runtime_await(session->target, PREPARE_LAUNCH_MS, keep_event, &keep,
                                &session->ops, error);
    if (FAILED(hr))
      session_abandon(session, cordebug);
  }
  cordbg_session_ref(session);
  if (FAILED(hr)) {
    session->life = CORDBG_LIFE_OVER;
    cordbg_session_unref(session);
  } else
    hr = session_finish(session, events, ret, error);
  /* What the shims say of a process that dies under them depends on where they are. */
  if (FAILED(hr) && session->terminating)
    hr = cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, 0, 0,
                          "process %d was terminated while it was being launched", pid);
  cordbg_session_unref(session);
  g_array_free(events, TRUE);
  return hr;
}

/* ---- The end ---- */

void
cordbg_session_drop_runtime(cordbg_session *session, bool alive)
{
  cordbg_runtime *runtime = session->runtime;
  session->runtime = NULL;
  if (runtime == NULL)
    return;
  cordbg_session_provide_frames(session, false);
  session->ops->destroy(runtime, alive);
}

static void
neuter_all(GHashTable *table, HRESULT why)
{
  GHashTableIter iterator;
  void *object;
  g_hash_table_iter_init(&iterator, table);
  while (g_hash_table_iter_next(&iterator, NULL, &object)) {
    cordbg_object_neuter(object, why);
    if (((cordbg_object *)object)->type == &cordbg_module_class) {
      /* What hangs on a module is not in the session's tables. */
      cordbg_module *module = object;
      neuter_all(module->functions, why);
      neuter_all(module->classes, why);
    } else if (((cordbg_object *)object)->type == &cordbg_function_class &&
               ((cordbg_function *)object)->il != NULL)
      cordbg_object_neuter(((cordbg_function *)object)->il, why);
  }
}

void
cordbg_session_over(cordbg_session *session, HRESULT why)
{
  cordbg_process *process = NULL;
  cordbg_cordebug *cordebug = NULL;

  pthread_mutex_lock(&session->lock);
  if (session->life == CORDBG_LIFE_OVER) {
    pthread_mutex_unlock(&session->lock);
    return;
  }
  session->life = CORDBG_LIFE_OVER;
  session->over = why;
  cordbg_session_drop_runtime(session, false);
  if (session->process != NULL && cordbg_object_try_ref(session->process))
    process = session->process;
  if (session->cordebug != NULL && cordbg_object_try_ref(session->cordebug))
    cordebug = session->cordebug;
  session->cordebug = NULL;
  session->stop_count = 0;
  session->out_of_band = false;
  cordbg_dispatch_clear(session);
  cordbg_natives_clear(session);
  cordbg_natives_wake(session);

  for (guint i = 0; i < session->breakpoints->len; i++) {
    cordbg_breakpoint *breakpoint = session->breakpoints->pdata[i];
    breakpoint->active = false;
    cordbg_object_neuter(breakpoint, why);
  }
  for (guint i = 0; i < session->strangers->len; i++)
    cordbg_object_neuter(session->strangers->pdata[i], why);
  for (guint i = 0; i < session->dying->len; i++)
    cordbg_object_neuter(session->dying->pdata[i], why);
  GHashTable *tables[] = {session->domains, session->assemblies, session->modules, session->threads,
                          session->codes};
  for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
    neuter_all(tables[i], why);
    g_hash_table_remove_all(tables[i]);
  }
  g_hash_table_remove_all(session->tids);
  g_hash_table_remove_all(session->methods);
  g_hash_table_remove_all(session->sites);
  g_ptr_array_set_size(session->strangers, 0);
  g_ptr_array_set_size(session->dying, 0);
  g_ptr_array_set_size(session->breakpoints, 0);
  if (process != NULL)
    cordbg_object_neuter(process, why);
  pthread_mutex_unlock(&session->lock);

  if (session->target != NULL) {
    cordbg_target_retire(session->target);
    cordbg_tracer_interrupt(session->tracer);
  }
  if (cordebug != NULL) {
    cordbg_cordebug_forget(cordebug, session);
    cordbg_object_unref(cordebug);
  }
  cordbg_object_unref(process);
}

HRESULT
cordbg_session_detach(cordbg_session *session, cordbg_error *error)
{
  HRESULT hr = S_OK;
  pthread_mutex_lock(&session->lock);
  if (session->life == CORDBG_LIFE_OVER || session->terminating ||
      session->life == CORDBG_LIFE_LEAVING) {
    /* A dying process is not detached from: its dispatcher sees it to its end, for nobody. */
    session->muted = true;
    pthread_mutex_unlock(&session->lock);
    return S_OK;
  }
  if (!session->owed) {
    cordbg_reply_stop reply;
    if (SUCCEEDED(cordbg_tracer_stop(session->tracer, &reply, NULL)))
      session->owed = true;
  }
  cordbg_session_drop_runtime(session, session->owed);
  hr = cordbg_tracer_detach(session->tracer, error);
  if (hr == CORDBG_E_PROCESS_TERMINATED)
    hr = S_OK;
  pthread_mutex_unlock(&session->lock);
  cordbg_log(CORDBG_LOG_STEP, "detached from process %d", session->pid);
  cordbg_session_over(session, CORDBG_E_OBJECT_NEUTERED);
  return hr;
}

cordbg_process *
cordbg_session_process(cordbg_session *session)
{
  cordbg_process *process = NULL;
  cordbg_cordebug *unused = NULL;
  pthread_mutex_lock(&session->lock);
  if (session->process != NULL && cordbg_object_try_ref(session->process))
    process = session->process;
  else if (session->cordebug != NULL && cordbg_object_try_ref(session->cordebug)) {
    process = cordbg_child_new(session, &cordbg_process_class);
    if (process != NULL) {
      process->cordebug = session->cordebug;
      session->process = process;
    } else
      unused = session->cordebug;
  }
  pthread_mutex_unlock(&session->lock);
  cordbg_object_unref(unused); /* not under the lock: it may be the last, which ends sessions */
  return process;
}
