/* SPDX-License-Identifier: MIT */
/*
 * The managed dispatcher: reads the managed event socket, asks the shim what the runtime's events
 * mean, queues callbacks and makes them, one at a time (the page of session.c).
 *
 * The hot path is hit -> callback -> Continue: one event read, one lookup by address, one callback,
 * one CONTINUE sent, no allocation (the queue keeps its memory).
 */
#include "cordbg/icordebug/private.h"

#include "cordbg/icordebug/unmanaged.h"
#include "cordbg/tracer/spawn.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { ENDS_TOGETHER_MAX = 256 };

/* ---- The queue ---- */

static void
release_callback(cordbg_callback *callback)
{
  cordbg_object_unref(callback->domain);
  cordbg_object_unref(callback->thread);
  cordbg_object_unref(callback->subject);
}

void
cordbg_dispatch_queue(cordbg_session *session, cordbg_callback_kind kind, cordbg_domain *domain,
                      cordbg_thread *thread, void *subject, HRESULT status)
{
  cordbg_callback callback = {kind, status, domain, thread, subject};
  if (domain != NULL)
    cordbg_object_ref(domain);
  if (thread != NULL)
    cordbg_object_ref(thread);
  if (subject != NULL)
    cordbg_object_ref(subject);
  g_array_append_val(session->queue, callback);
}

void
cordbg_dispatch_clear(cordbg_session *session)
{
  for (guint i = session->queue_head; i < session->queue->len; i++)
    release_callback(&g_array_index(session->queue, cordbg_callback, i));
  g_array_set_size(session->queue, 0);
  session->queue_head = 0;
}

static bool
take_callback(cordbg_session *session, cordbg_callback *ret)
{
  if (session->queue_head >= session->queue->len)
    return false;
  *ret = g_array_index(session->queue, cordbg_callback, session->queue_head);
  if (++session->queue_head == session->queue->len) {
    g_array_set_size(session->queue, 0);
    session->queue_head = 0;
  }
  return true;
}

/* ---- What is there is told once ---- */

HRESULT
cordbg_tell_domain(cordbg_session *session, cordbg_rt_id id, cordbg_domain **ret,
                   cordbg_error *error)
{
  HRESULT hr = cordbg_session_domain(session, id, ret, error);
  if (SUCCEEDED(hr) && !(*ret)->told) {
    (*ret)->told = true;
    cordbg_dispatch_queue(session, CORDBG_CALLBACK_CREATE_DOMAIN, *ret, NULL, NULL, S_OK);
  }
  return hr;
}

static HRESULT
tell_assembly(cordbg_session *session, cordbg_rt_id id, cordbg_error *error)
{
  cordbg_assembly *assembly;
  cordbg_domain *domain;
  HRESULT hr = cordbg_session_assembly(session, id, &assembly, error);
  if (FAILED(hr) || assembly->told)
    return hr;
  hr = cordbg_tell_domain(session, assembly->domain, &domain, error);
  if (SUCCEEDED(hr)) {
    assembly->told = true;
    cordbg_dispatch_queue(session, CORDBG_CALLBACK_LOAD_ASSEMBLY, domain, NULL, assembly, S_OK);
  }
  return hr;
}

HRESULT
cordbg_tell_module(cordbg_session *session, cordbg_rt_id id, cordbg_module **ret,
                   cordbg_error *error)
{
  cordbg_module *module;
  cordbg_domain *domain;
  HRESULT hr = cordbg_session_module(session, id, &module, error);
  if (SUCCEEDED(hr) && !module->told) {
    hr = tell_assembly(session, module->assembly, error);
    if (SUCCEEDED(hr))
      hr = cordbg_session_domain(session, module->domain, &domain, error);
    if (SUCCEEDED(hr)) {
      module->told = true;
      cordbg_breakpoints_module_loaded(session, module);
      cordbg_dispatch_queue(session, CORDBG_CALLBACK_LOAD_MODULE, domain, NULL, module, S_OK);
    }
  }
  if (SUCCEEDED(hr) && ret != NULL)
    *ret = module;
  return hr;
}

HRESULT
cordbg_tell_thread(cordbg_session *session, cordbg_thread *thread, cordbg_error *error)
{
  cordbg_domain *domain;
  if (thread->told)
    return S_OK;
  HRESULT hr = cordbg_tell_domain(session, thread->domain, &domain, error);
  if (SUCCEEDED(hr)) {
    thread->told = true;
    cordbg_dispatch_queue(session, CORDBG_CALLBACK_CREATE_THREAD, domain, thread, NULL, S_OK);
  }
  return hr;
}

static HRESULT
tell_thread_by_id(cordbg_session *session, cordbg_rt_id id, cordbg_error *error)
{
  cordbg_thread *thread;
  HRESULT hr = cordbg_session_thread(session, id, &thread, error);
  return SUCCEEDED(hr) ? cordbg_tell_thread(session, thread, error) : hr;
}

/* ---- The replay of an attach ---- */

static HRESULT
replay_assembly(cordbg_session *session, cordbg_rt_id id, cordbg_error *error)
{
  cordbg_rt_id *modules = NULL;
  size_t count = 0;
  HRESULT hr = tell_assembly(session, id, error);
  if (SUCCEEDED(hr))
    hr = session->ops->modules(session->runtime, id, &modules, &count, error);
  for (size_t i = 0; i < count && SUCCEEDED(hr); i++)
    hr = cordbg_tell_module(session, modules[i], NULL, error);
  g_free(modules);
  return hr;
}

static HRESULT
replay_domain(cordbg_session *session, cordbg_rt_id id, cordbg_error *error)
{
  cordbg_domain *domain;
  cordbg_rt_id *assemblies = NULL;
  size_t count = 0;
  HRESULT hr = cordbg_tell_domain(session, id, &domain, error);
  if (SUCCEEDED(hr))
    hr = session->ops->assemblies(session->runtime, id, &assemblies, &count, error);
  for (size_t i = 0; i < count && SUCCEEDED(hr); i++)
    hr = replay_assembly(session, assemblies[i], error);
  g_free(assemblies);
  return hr;
}

HRESULT
cordbg_dispatch_replay(cordbg_session *session, cordbg_error *error)
{
  cordbg_rt_id *domains = NULL, *threads = NULL;
  size_t domain_count = 0, thread_count = 0;
  cordbg_dispatch_queue(session, CORDBG_CALLBACK_CREATE_PROCESS, NULL, NULL, NULL, S_OK);
  HRESULT hr = session->ops->domains(session->runtime, &domains, &domain_count, error);
  for (size_t i = 0; i < domain_count && SUCCEEDED(hr); i++)
    hr = replay_domain(session, domains[i], error);
  if (SUCCEEDED(hr))
    hr = session->ops->threads(session->runtime, &threads, &thread_count, error);
  for (size_t i = 0; i < thread_count && SUCCEEDED(hr); i++)
    hr = tell_thread_by_id(session, threads[i], error);
  g_free(domains);
  g_free(threads);
  return hr;
}

/* ---- The runtime's events ---- */

static void *
lookup(GHashTable *table, cordbg_rt_id id)
{
  return g_hash_table_lookup(table, GSIZE_TO_POINTER(id));
}

static void
runtime_loaded(cordbg_session *session, const cordbg_rt_event *event)
{
  cordbg_domain *domain;
  cordbg_error error = {.sentence = ""};
  HRESULT hr = S_OK;
  switch (event->kind) {
  case CORDBG_RT_EVENT_DOMAIN_CREATED:
    hr = cordbg_tell_domain(session, event->id, &domain, &error);
    break;
  case CORDBG_RT_EVENT_ASSEMBLY_LOADED:
    hr = tell_assembly(session, event->id, &error);
    break;
  case CORDBG_RT_EVENT_MODULE_LOADED:
    hr = cordbg_tell_module(session, event->id, NULL, &error);
    break;
  case CORDBG_RT_EVENT_THREAD_STARTED:
    hr = tell_thread_by_id(session, event->id, &error);
    break;
  default:
    break;
  }
  if (FAILED(hr))
    cordbg_log(CORDBG_LOG_WARNING, "an event of the runtime (%d) could not be told: %s",
               (int)event->kind, error.sentence);
}

static void
runtime_unloaded(cordbg_session *session, const cordbg_rt_event *event)
{
  cordbg_domain *domain = NULL;
  switch (event->kind) {
  case CORDBG_RT_EVENT_DOMAIN_UNLOADED:
    domain = lookup(session->domains, event->id);
    if (domain != NULL)
      cordbg_dispatch_queue(session, CORDBG_CALLBACK_EXIT_DOMAIN, domain, NULL, NULL, S_OK);
    break;
  case CORDBG_RT_EVENT_ASSEMBLY_UNLOADED: {
    cordbg_assembly *assembly = lookup(session->assemblies, event->id);
    if (assembly != NULL && (domain = lookup(session->domains, assembly->domain)) != NULL)
      cordbg_dispatch_queue(session, CORDBG_CALLBACK_UNLOAD_ASSEMBLY, domain, NULL, assembly, S_OK);
    break;
  }
  case CORDBG_RT_EVENT_MODULE_UNLOADED: {
    cordbg_module *module = lookup(session->modules, event->id);
    if (module != NULL && (domain = lookup(session->domains, module->domain)) != NULL) {
      cordbg_breakpoints_module_gone(session, module, CORDBG_E_OBJECT_NEUTERED);
      cordbg_dispatch_queue(session, CORDBG_CALLBACK_UNLOAD_MODULE, domain, NULL, module, S_OK);
    }
    break;
  }
  case CORDBG_RT_EVENT_THREAD_EXITED: {
    cordbg_thread *thread = lookup(session->threads, event->id);
    if (thread != NULL && (domain = lookup(session->domains, thread->domain)) != NULL) {
      /* The kernel may give the number to another thread at once. */
      if (g_hash_table_lookup(session->tids, GINT_TO_POINTER(thread->tid)) == thread)
        g_hash_table_remove(session->tids, GINT_TO_POINTER(thread->tid));
      cordbg_dispatch_queue(session, CORDBG_CALLBACK_EXIT_THREAD, domain, thread, NULL, S_OK);
    }
    break;
  }
  default:
    break;
  }
}

/* The program asks for its debugger; a thread that no domain has asks in vain, and goes on. */
static void
runtime_break(cordbg_session *session, const cordbg_rt_event *event)
{
  cordbg_thread *thread = NULL;
  cordbg_domain *domain = NULL;
  cordbg_error error = {.sentence = ""};
  HRESULT hr = cordbg_session_thread_at(session, event->tid, 0, &thread, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_tell_domain(session, thread->domain, &domain, &error);
  if (SUCCEEDED(hr))
    hr = cordbg_tell_thread(session, thread, &error);
  if (SUCCEEDED(hr))
    cordbg_dispatch_queue(session, CORDBG_CALLBACK_BREAK, domain, thread, NULL, S_OK);
  else
    cordbg_log(CORDBG_LOG_WARNING, "a break of thread %d cannot be told: %s", event->tid,
               error.sentence);
}

static void
runtime_event(cordbg_session *session, const cordbg_rt_event *event)
{
  switch (event->kind) {
  case CORDBG_RT_EVENT_CODE_COMPILED:
    cordbg_breakpoints_code_compiled(session, &event->code, event->tid);
    break;
  case CORDBG_RT_EVENT_BREAK:
    runtime_break(session, event);
    break;
  case CORDBG_RT_EVENT_CODE_FREED: {
    cordbg_code *code = lookup(session->codes, event->code.id);
    cordbg_breakpoints_code_freed(session, &event->code);
    if (code != NULL)
      cordbg_code_neuter(code, CORDBG_E_CODE_NOT_AVAILABLE);
    break;
  }
  case CORDBG_RT_EVENT_DOMAIN_UNLOADED:
  case CORDBG_RT_EVENT_ASSEMBLY_UNLOADED:
  case CORDBG_RT_EVENT_MODULE_UNLOADED:
  case CORDBG_RT_EVENT_THREAD_EXITED:
    runtime_unloaded(session, event);
    break;
  default:
    runtime_loaded(session, event);
  }
}

/* S_FALSE: the event is not the shim's. */
static HRESULT
ask_runtime(cordbg_session *session, const cordbg_event *event, cordbg_error *error)
{
  cordbg_rt_event *events = NULL;
  size_t count = 0;
  if (session->runtime == NULL)
    return S_FALSE;
  HRESULT hr = session->ops->handle_event(session->runtime, event, &events, &count, error);
  for (size_t i = 0; i < count && hr == S_OK; i++)
    runtime_event(session, &events[i]);
  g_free(events);
  return hr;
}

HRESULT
cordbg_dispatch_accumulated(cordbg_session *session, cordbg_error *error)
{
  return ask_runtime(session, NULL, error);
}

/* ---- Threads that ended ---- */

static void
thread_ended(cordbg_session *session, int tid)
{
  const cordbg_event event = {.kind = CORDBG_EVENT_THREAD_EXITED, .tid = tid};
  cordbg_error error = {.sentence = ""};
  if (session->ops->thread_ends && FAILED(ask_runtime(session, &event, &error)))
    cordbg_log(CORDBG_LOG_WARNING, "the end of thread %d was lost: %s", tid, error.sentence);
}

/* The whole process ends: ExitProcess stands for its threads. Field 9 of its main thread's line in
 * /proc are the kernel's flags, field 31 the signals that wait. */
static bool
process_ends(int pid)
{
  const unsigned long exiting = 0x4;
  char path[32], text[1024];
  unsigned long flags = 0, pending = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *file = fopen(path, "re");
  size_t size = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
  if (file != NULL)
    fclose(file);
  text[size] = '\0';
  char *field = strrchr(text, ')');
  for (int i = 2; field != NULL && i <= 31; i++) {
    if (i == 9)
      flags = strtoul(field, NULL, 10);
    if (i == 31)
      pending = strtoul(field, NULL, 10);
    field = strchr(field + 1, ' ');
  }
  return size == 0 || (flags & exiting) != 0 || (pending >> (SIGKILL - 1) & 1) != 0;
}

static bool
knows_one_of(cordbg_session *session, const GArray *tids)
{
  for (guint i = 0; i < tids->len; i++) {
    const cordbg_thread *thread =
        g_hash_table_lookup(session->tids, GINT_TO_POINTER(g_array_index(tids, int, i)));
    if (thread != NULL && thread->id != 0)
      return true;
  }
  return false;
}

/* They stop nobody else by themselves: who is told of them has the process stopped meanwhile. */
static void
threads_ended(cordbg_session *session, const GArray *tids)
{
  pthread_mutex_lock(&session->lock);
  if (session->life == CORDBG_LIFE_ATTACHED && !session->terminating &&
      knows_one_of(session, tids) && !process_ends(session->pid) &&
      SUCCEEDED(cordbg_session_stop(session, false, NULL))) {
    for (guint i = 0; i < tids->len; i++)
      thread_ended(session, g_array_index(tids, int, i));
    session->stop_count--;
    cordbg_session_go_on(session, NULL);
  }
  pthread_mutex_unlock(&session->lock);
}

/* ---- Events of the tracer ---- */

void
cordbg_dispatch_event(cordbg_session *session, const cordbg_event *event)
{
  cordbg_error error = {.sentence = ""};
  if (event->kind == CORDBG_EVENT_THREAD_EXITED)
    thread_ended(session, event->tid);
  if (event->kind != CORDBG_EVENT_TRAP)
    return;
  if ((event->layers & CORDBG_LAYER_INTERNAL) != 0)
    cordbg_natives_trap(session, event);
  if ((event->layers & CORDBG_LAYER_INTERNAL) != 0 && FAILED(ask_runtime(session, event, &error)))
    cordbg_log(CORDBG_LOG_WARNING, "a notification of the runtime was lost: %s", error.sentence);
  /* Also where there was a trap of the runtime's shim only: a breakpoint may have been bound at this
     very place just now, and the thread goes on over it. */
  if ((event->layers & (CORDBG_LAYER_MANAGED | CORDBG_LAYER_INTERNAL)) != 0)
    cordbg_breakpoints_hit(session, event);
}

/* ---- Callbacks ---- */

/* What a callback says is over is so from the moment at which the client goes on. */
static void
note_dying(cordbg_session *session, const cordbg_callback *callback)
{
  void *object = callback->kind == CORDBG_CALLBACK_EXIT_DOMAIN   ? (void *)callback->domain
                 : callback->kind == CORDBG_CALLBACK_EXIT_THREAD ? (void *)callback->thread
                 : callback->kind == CORDBG_CALLBACK_UNLOAD_ASSEMBLY ||
                         callback->kind == CORDBG_CALLBACK_UNLOAD_MODULE
                     ? callback->subject
                     : NULL;
  if (object != NULL) {
    cordbg_object_ref(object);
    g_ptr_array_add(session->dying, object);
  }
}

static void
make_callback(cordbg_session *session, const cordbg_callback *callback)
{
  ICorDebugManagedCallback *managed = session->callback;
  ICorDebugAppDomain *domain = callback->domain ? &callback->domain->as_domain.iface : NULL;
  ICorDebugThread *thread = callback->thread ? &callback->thread->as_thread.iface : NULL;
  cordbg_process *process = NULL;
  if (callback->kind == CORDBG_CALLBACK_CREATE_PROCESS ||
      callback->kind == CORDBG_CALLBACK_CREATE_DOMAIN ||
      callback->kind == CORDBG_CALLBACK_EXIT_DOMAIN) {
    process = cordbg_session_process(session);
    if (process == NULL)
      return;
  }
  switch (callback->kind) {
  case CORDBG_CALLBACK_CREATE_PROCESS:
    managed->lpVtbl->CreateProcess(managed, &process->as_process.iface);
    break;
  case CORDBG_CALLBACK_CREATE_DOMAIN:
    managed->lpVtbl->CreateAppDomain(managed, &process->as_process.iface, domain);
    break;
  case CORDBG_CALLBACK_EXIT_DOMAIN:
    managed->lpVtbl->ExitAppDomain(managed, &process->as_process.iface, domain);
    break;
  case CORDBG_CALLBACK_LOAD_ASSEMBLY:
    managed->lpVtbl->LoadAssembly(managed, domain,
                                  &((cordbg_assembly *)callback->subject)->as_assembly.iface);
    break;
  case CORDBG_CALLBACK_UNLOAD_ASSEMBLY:
    managed->lpVtbl->UnloadAssembly(managed, domain,
                                    &((cordbg_assembly *)callback->subject)->as_assembly.iface);
    break;
  case CORDBG_CALLBACK_LOAD_MODULE:
    managed->lpVtbl->LoadModule(managed, domain,
                                &((cordbg_module *)callback->subject)->as_module.iface);
    break;
  case CORDBG_CALLBACK_UNLOAD_MODULE:
    managed->lpVtbl->UnloadModule(managed, domain,
                                  &((cordbg_module *)callback->subject)->as_module.iface);
    break;
  case CORDBG_CALLBACK_CREATE_THREAD:
    managed->lpVtbl->CreateThread(managed, domain, thread);
    break;
  case CORDBG_CALLBACK_EXIT_THREAD:
    managed->lpVtbl->ExitThread(managed, domain, thread);
    break;
  case CORDBG_CALLBACK_BREAKPOINT:
    managed->lpVtbl->Breakpoint(
        managed, domain, thread,
        (ICorDebugBreakpoint *)&((cordbg_breakpoint *)callback->subject)->as_breakpoint.iface);
    break;
  case CORDBG_CALLBACK_BREAKPOINT_ERROR:
    managed->lpVtbl->BreakpointSetError(
        managed, domain, thread,
        (ICorDebugBreakpoint *)&((cordbg_breakpoint *)callback->subject)->as_breakpoint.iface,
        (DWORD)callback->status);
    break;
  case CORDBG_CALLBACK_BREAK:
    managed->lpVtbl->Break(managed, domain, thread);
    break;
  }
  cordbg_object_unref(process);
}

/* A breakpoint that was switched off while its hit waited is not told any more. */
static bool
still_wanted(const cordbg_callback *callback)
{
  return callback->kind != CORDBG_CALLBACK_BREAKPOINT ||
         ((cordbg_breakpoint *)callback->subject)->active;
}

/* Makes one callback, if one may be made now. Lock held; dropped and taken during the callback. */
static bool
dispatch_one(cordbg_session *session)
{
  cordbg_callback callback;
  if (session->stop_count > 0 || cordbg_natives_wait(session) ||
      !take_callback(session, &callback))
    return false;
  if (still_wanted(&callback) && !session->muted) {
    session->stop_count = 1;
    note_dying(session, &callback);
    pthread_mutex_unlock(&session->lock);
    make_callback(session, &callback);
    pthread_mutex_lock(&session->lock);
  }
  release_callback(&callback);
  /* Nothing was told, or Continue left the rest to us: with an empty queue the target runs. */
  if (session->life == CORDBG_LIFE_ATTACHED && session->stop_count == 0)
    cordbg_session_go_on(session, NULL);
  return true;
}

/* ---- The end of the target ---- */

/* how: EXITED with the wait status, EXEC, or 0 when the tracer was lost. */
static void
target_ended(cordbg_session *session, uint32_t how, int status)
{
  pthread_mutex_lock(&session->lock);
  if (session->life != CORDBG_LIFE_ATTACHED) {
    pthread_mutex_unlock(&session->lock);
    return;
  }
  session->life = CORDBG_LIFE_LEAVING;
  cordbg_dispatch_clear(session);
  cordbg_natives_clear(session);
  session->out_of_band = false;
  cordbg_session_drop_runtime(session, false);
  pthread_mutex_unlock(&session->lock);

  if (how == CORDBG_EVENT_EXEC)
    cordbg_tracer_detach(session->tracer, NULL);
  if (how == CORDBG_EVENT_EXITED && session->launched)
    cordbg_child_collect(session->pid); /* a client learns the exit code by it */
  if (how != 0)
    cordbg_natives_ended(session, status);
  cordbg_process *process = cordbg_session_process(session);
  pthread_mutex_lock(&session->lock);
  bool tell = process != NULL && !session->muted;
  session->stop_count = 1;
  pthread_mutex_unlock(&session->lock);
  if (tell && how == 0)
    session->callback->lpVtbl->DebuggerError(session->callback, &process->as_process.iface,
                                             CORDBG_E_UNRECOVERABLE_ERROR, 0);
  else if (tell)
    session->callback->lpVtbl->ExitProcess(session->callback, &process->as_process.iface);
  cordbg_session_over(session, how == 0 ? CORDBG_E_OBJECT_NEUTERED : CORDBG_E_PROCESS_TERMINATED);
  cordbg_object_unref(process);
}

static bool
is_thread_end(HRESULT hr, const cordbg_event *event)
{
  return hr == S_OK && event->kind == CORDBG_EVENT_THREAD_EXITED &&
         (event->flags & CORDBG_EVENT_STOPS) == 0;
}

/* Takes ends of threads together, as many as have come; what follows them is the next event. */
static HRESULT
next_event(cordbg_session *session, cordbg_event *event)
{
  HRESULT hr = cordbg_tracer_next_event(session->tracer, CORDBG_CHANNEL_MANAGED, -1, event, NULL);
  if (!is_thread_end(hr, event))
    return hr;
  g_autoptr(GArray) tids = g_array_new(FALSE, FALSE, sizeof(int));
  while (is_thread_end(hr, event)) {
    g_array_append_val(tids, event->tid);
    hr = tids->len == ENDS_TOGETHER_MAX
             ? S_FALSE
             : cordbg_tracer_next_event(session->tracer, CORDBG_CHANNEL_MANAGED, 0, event, NULL);
  }
  threads_ended(session, tids);
  return hr;
}

/* Reads one event and queues what it means. false: the session is over. */
static bool
read_event(cordbg_session *session)
{
  cordbg_event event;
  HRESULT hr = next_event(session, &event);
  if (hr == S_FALSE)
    return true; /* woken: somebody changed something, the loop looks */
  if (FAILED(hr)) {
    target_ended(session, 0, 0);
    return false;
  }
  if (event.kind == CORDBG_EVENT_EXITED || event.kind == CORDBG_EVENT_EXEC) {
    target_ended(session, event.kind, event.kind == CORDBG_EVENT_EXITED ? (int)event.code : 0);
    return false;
  }
  if ((event.flags & CORDBG_EVENT_STOPS) == 0)
    return true;
  pthread_mutex_lock(&session->lock);
  session->owed = true;
  session->in_flight[CORDBG_CHANNEL_MANAGED] = 0;
  if (session->life == CORDBG_LIFE_ATTACHED && !session->terminating) {
    cordbg_dispatch_event(session, &event);
    cordbg_session_go_on(session, NULL);
  }
  pthread_mutex_unlock(&session->lock);
  return true;
}

void *
cordbg_dispatch_thread(void *argument)
{
  cordbg_session *session = argument;
  bool going = true;
  cordbg_dispatchers_enter(session->dispatchers);
  while (going) {
    pthread_mutex_lock(&session->lock);
    while (session->life == CORDBG_LIFE_ATTACHED && dispatch_one(session))
      ;
    going = session->life == CORDBG_LIFE_ATTACHED;
    pthread_mutex_unlock(&session->lock);
    if (going)
      going = read_event(session);
  }
  cordbg_session_thread_ends(session);
  return NULL;
}
