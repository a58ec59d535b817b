/* SPDX-License-Identifier: MIT */
/*
 * The DbgEng door: client objects and the process that each looks at.
 *
 * One object has all the interfaces: IDebugClient, IDebugControl (dbgeng-client.c),
 * IDebugSystemObjects (dbgeng-system.c), IDebugDataSpaces to 4 (dbgeng-data-spaces.c).
 *
 *             DebugCreate -> EMPTY <----------------------------------------------.
 *                              |                                                  |
 *   noninvasive, no suspend    +--> LOOKING   a handle, as of OpenProcess         |
 *   noninvasive                +--> STOPPING  a tracer of the client's own, which | detach
 *                              |              stops the threads at WaitForEvent   |
 *   cordbg_data_spaces --------+--> JOINED    an ICorDebug session's target ------'
 *
 * LOOKING does nothing to the process and serves one that anybody debugs. When a session of this
 * program debugs it, now or later, reads and writes go by that session: so all doors of the program
 * show the same bytes. STOPPING is refused there, since stopping and continuing is the session's.
 * JOINED stays with its session, and ends with it.
 *
 * Invariants
 *   - state, target and handle change with the lock held exclusively; a method that uses the
 * process holds it shared from enter to leave, so a detach waits for calls in progress.
 *   - in STOPPING the target is the client's alone but for the references of extension tables; it
 * is detached from by the client, whoever still has references.
 */
#include "config.h"

#include "cordbg/memory/dbgeng-private.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

HRESULT
cordbg_engine_finish(HRESULT hr, HRESULT none, cordbg_error *error)
{
  if (hr == S_OK)
    return S_OK;
  if (hr == CORDBG_E_READVIRTUAL_FAILURE || hr == CORDBG_E_WRITEVIRTUAL_FAILURE || hr == S_FALSE)
    hr = none;
  else if (hr == CORDBG_E_PROCESS_TERMINATED || hr == CORDBG_E_OBJECT_NEUTERED)
    hr = E_UNEXPECTED;
  error->hr = hr;
  cordbg_error_remember(error);
  return hr;
}

HRESULT
cordbg_engine_refuse(HRESULT hr, const char *sentence)
{
  cordbg_error error;
  cordbg_error_set(&error, hr, 0, 0, "%s", sentence);
  cordbg_error_remember(&error);
  return hr;
}

/* ---- using the process ---- */

HRESULT
cordbg_engine_enter(const void *This, cordbg_engine_use *use, cordbg_error *error)
{
  cordbg_engine *engine = CORDBG_SELF(cordbg_engine, This);
  g_mutex_lock(&engine->lock);
  bool has = engine->state != CORDBG_ENGINE_EMPTY && !engine->changing;
  engine->users += has;
  g_mutex_unlock(&engine->lock);
  if (!has)
    return cordbg_error_set(error, E_UNEXPECTED, 0, 0, "the client has no process");
  *use = (cordbg_engine_use){.engine = engine, .session = engine->target};
  if (engine->state == CORDBG_ENGINE_LOOKING)
    use->session = cordbg_handle_target(engine->opened);
  use->reader = use->session == NULL ? &engine->opened->reader : &use->session->reader;
  return S_OK;
}

void
cordbg_engine_leave(cordbg_engine_use *use)
{
  cordbg_engine *engine = use->engine;
  if (engine->state == CORDBG_ENGINE_LOOKING)
    cordbg_target_unref(use->session);
  g_mutex_lock(&engine->lock);
  if (--engine->users == 0 && engine->changing)
    g_cond_broadcast(&engine->changed);
  g_mutex_unlock(&engine->lock);
}

static void
begin_change(cordbg_engine *engine)
{
  g_mutex_lock(&engine->lock);
  while (engine->changing)
    g_cond_wait(&engine->changed, &engine->lock);
  engine->changing = true;
  while (engine->users > 0)
    g_cond_wait(&engine->changed, &engine->lock);
  g_mutex_unlock(&engine->lock);
}

static void
end_change(cordbg_engine *engine)
{
  g_mutex_lock(&engine->lock);
  engine->changing = false;
  g_cond_broadcast(&engine->changed);
  g_mutex_unlock(&engine->lock);
}

HRESULT
cordbg_engine_write(const cordbg_engine_use *use, uint64_t address, const void *data, size_t size,
                    size_t *written, cordbg_error *error)
{
  if (use->session != NULL)
    return cordbg_target_write(use->session, address, data, size, written, error);
  return cordbg_handle_write(use->engine->opened, address, data, size, written, error);
}

/* ---- attaching ---- */

/* By the ELF class of its program; one whose program cannot be looked at counts as 64-bit. */
static bool
is_narrow(int pid)
{
  char path[32];
  unsigned char ident[EI_NIDENT] = {0};
  snprintf(path, sizeof path, "/proc/%d/exe", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return false;
  bool narrow = pread(fd, ident, sizeof ident, 0) == sizeof ident && ident[EI_CLASS] == ELFCLASS32;
  close(fd);
  return narrow;
}

static HRESULT
open_process(cordbg_engine *engine, int pid, cordbg_error *error)
{
  HRESULT hr = cordbg_handle_for_process(pid, PROCESS_ALL_ACCESS, &engine->handle, error);
  if (FAILED(hr))
    return hr == HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER) ? E_INVALIDARG : hr;
  engine->opened = cordbg_handle_take(engine->handle);
  engine->narrow = is_narrow(pid);
  return S_OK;
}

static void
close_process(cordbg_engine *engine)
{
  if (engine->opened != NULL)
    cordbg_handle_drop(engine->opened);
  if (engine->handle != NULL)
    CloseHandle(engine->handle);
  engine->opened = NULL;
  engine->handle = NULL;
}

/* What can be settled of the right to read before the first read. */
static HRESULT
check_rights(cordbg_engine *engine, cordbg_error *error)
{
  cordbg_mapping mapping;
  HRESULT hr =
      cordbg_reader_find_mapping(&engine->opened->reader, 0, true, &mapping, NULL, 0, error);
  return FAILED(hr) ? hr : S_OK;
}

static HRESULT
start_tracer(cordbg_engine *engine, int pid, cordbg_error *error)
{
  if (pid == getpid())
    return cordbg_error_set(error, E_INVALIDARG, 0, 0, "a program cannot stop its own threads");
  cordbg_target *other = cordbg_handle_target(engine->opened);
  if (other != NULL) {
    cordbg_target_unref(other);
    return cordbg_error_set(
        error, CORDBG_E_DEBUGGER_ALREADY_ATTACHED, 0, 0,
        "a session of this program debugs process %d and alone stops it: attach "
        "with DEBUG_ATTACH_NONINVASIVE_NO_SUSPEND too",
        pid);
  }
  cordbg_tracer *tracer;
  HRESULT hr = cordbg_tracer_start(&tracer, error);
  if (FAILED(hr))
    return hr;
  hr = cordbg_tracer_attach(tracer, pid, error);
  if (SUCCEEDED(hr))
    hr = cordbg_target_create(tracer, &engine->target, error);
  if (FAILED(hr))
    cordbg_tracer_destroy(tracer);
  return hr;
}

HRESULT
cordbg_engine_attach(cordbg_engine *engine, int pid, ULONG flags)
{
  cordbg_error error = {0};
  bool stopping = (flags & DEBUG_ATTACH_NONINVASIVE_NO_SUSPEND) == 0;
  HRESULT hr = E_UNEXPECTED;
  begin_change(engine);
  if (engine->state != CORDBG_ENGINE_EMPTY)
    cordbg_error_set(&error, hr, 0, 0,
                     "the client has a process: detach it, or make another client");
  else
    hr = open_process(engine, pid, &error);
  if (SUCCEEDED(hr)) {
    hr = stopping ? start_tracer(engine, pid, &error) : check_rights(engine, &error);
    if (FAILED(hr))
      close_process(engine);
    else
      engine->state = stopping ? CORDBG_ENGINE_STOPPING : CORDBG_ENGINE_LOOKING;
  }
  end_change(engine);
  return cordbg_engine_finish(hr, hr, &error);
}

static HRESULT
complete_attach(const cordbg_engine_use *use, cordbg_error *error)
{
  cordbg_engine *engine = use->engine;
  cordbg_reply_stop stopped;
  if (engine->state == CORDBG_ENGINE_JOINED)
    return cordbg_error_set(error, E_UNEXPECTED, 0, 0,
                            "the session's events go to ICorDebug's callbacks");
  if (engine->complete)
    return cordbg_error_set(error, E_UNEXPECTED, 0, 0,
                            "a process attached to noninvasively makes no events");
  HRESULT hr = cordbg_reader_state(use->reader);
  if (FAILED(hr))
    return cordbg_error_set(error, hr, ESRCH, 0, "process %d has ended", use->reader->pid);
  if (engine->state == CORDBG_ENGINE_STOPPING)
    hr = cordbg_tracer_stop(cordbg_target_tracer(engine->target), &stopped, error);
  engine->complete = SUCCEEDED(hr);
  return hr;
}

HRESULT
cordbg_engine_wait(cordbg_engine *engine)
{
  cordbg_error error = {0};
  cordbg_engine_use use;
  HRESULT hr = cordbg_engine_enter(&engine->as_client.iface, &use, &error);
  if (SUCCEEDED(hr)) {
    g_mutex_lock(&engine->waiting);
    hr = complete_attach(&use, &error);
    g_mutex_unlock(&engine->waiting);
    cordbg_engine_leave(&use);
  }
  return cordbg_engine_finish(hr, hr, &error);
}

/* ---- parting ---- */

static HRESULT
kill_process(cordbg_engine *engine, cordbg_error *error)
{
  if (engine->state == CORDBG_ENGINE_STOPPING)
    return cordbg_tracer_terminate(cordbg_target_tracer(engine->target), error);
  if (syscall(SYS_pidfd_send_signal, engine->opened->reader.pidfd, SIGKILL, NULL, 0) == 0 ||
      errno == ESRCH)
    return S_OK;
  return cordbg_error_set_errno(error, errno, 0, "process %d cannot be ended", engine->opened->pid);
}

/* Between begin_change and end_change. */
static HRESULT
part(cordbg_engine *engine, cordbg_error *error)
{
  HRESULT hr = S_OK;
  if (engine->state == CORDBG_ENGINE_STOPPING) {
    hr = cordbg_tracer_detach(cordbg_target_tracer(engine->target), error);
    if (hr == CORDBG_E_PROCESS_TERMINATED)
      hr = S_OK;
    cordbg_target_retire(engine->target);
  }
  cordbg_target_unref(engine->target);
  engine->target = NULL;
  close_process(engine);
  engine->complete = false;
  engine->state = CORDBG_ENGINE_EMPTY;
  cordbg_engine_forget_threads(engine);
  return hr;
}

HRESULT
cordbg_engine_part(cordbg_engine *engine, bool terminate)
{
  cordbg_error error = {0};
  HRESULT hr = S_OK;
  begin_change(engine);
  if (engine->state == CORDBG_ENGINE_EMPTY)
    hr = cordbg_error_set(&error, E_UNEXPECTED, 0, 0, "the client has no process");
  else if (terminate && engine->state == CORDBG_ENGINE_JOINED)
    hr = cordbg_error_set(&error, E_UNEXPECTED, 0, 0,
                          "ICorDebug debugs the process: ICorDebugController::Terminate ends it");
  else if (terminate)
    hr = kill_process(engine, &error);
  if (SUCCEEDED(hr))
    hr = part(engine, &error);
  end_change(engine);
  return cordbg_engine_finish(hr, hr, &error);
}

/* ---- the object ---- */

static void
dispose(void *object)
{
  cordbg_engine *engine = object;
  if (engine->state != CORDBG_ENGINE_EMPTY)
    (void)part(engine, NULL);
  if (engine->threads != NULL)
    g_array_free(engine->threads, TRUE);
  g_mutex_clear(&engine->lock);
  g_cond_clear(&engine->changed);
  g_mutex_clear(&engine->waiting);
  g_mutex_clear(&engine->threads_lock);
}

static const cordbg_interface engine_interfaces[] = {
    CORDBG_INTERFACE(cordbg_engine, as_client, IDebugClient, cordbg_engine_client_vtbl),
    CORDBG_INTERFACE(cordbg_engine, as_control, IDebugControl, cordbg_engine_control_vtbl),
    CORDBG_INTERFACE(cordbg_engine, as_system, IDebugSystemObjects, cordbg_engine_system_vtbl),
    CORDBG_INTERFACE(cordbg_engine, as_data_spaces, IDebugDataSpaces4,
                     cordbg_engine_data_spaces_vtbl),
    CORDBG_INTERFACE_BASE(cordbg_engine, as_data_spaces, IDebugDataSpaces3,
                          cordbg_engine_data_spaces_vtbl),
    CORDBG_INTERFACE_BASE(cordbg_engine, as_data_spaces, IDebugDataSpaces2,
                          cordbg_engine_data_spaces_vtbl),
    CORDBG_INTERFACE_BASE(cordbg_engine, as_data_spaces, IDebugDataSpaces,
                          cordbg_engine_data_spaces_vtbl),
};

static const cordbg_class engine_class = CORDBG_CLASS(cordbg_engine, engine_interfaces, dispose);

static HRESULT
create(cordbg_target *target, REFIID iid, void **ret)
{
  if (ret == NULL)
    return E_POINTER;
  *ret = NULL;
  if (iid == NULL)
    return E_INVALIDARG;
  cordbg_engine *made = cordbg_object_new(&engine_class);
  if (made == NULL)
    return E_OUTOFMEMORY;
  g_mutex_init(&made->lock);
  g_cond_init(&made->changed);
  g_mutex_init(&made->waiting);
  g_mutex_init(&made->threads_lock);
  HRESULT hr = S_OK;
  if (target != NULL) {
    cordbg_error error = {0};
    hr = open_process(made, cordbg_target_pid(target), &error);
    if (SUCCEEDED(hr)) {
      made->target = cordbg_target_ref(target);
      made->state = CORDBG_ENGINE_JOINED;
      made->complete = true;
    }
  }
  if (SUCCEEDED(hr))
    hr = cordbg_object_query(made, iid, ret);
  cordbg_object_unref(made);
  return hr;
}

HRESULT
cordbg_data_spaces_create(cordbg_target *target, REFIID iid, void **ret)
{
  if (target == NULL && ret != NULL)
    *ret = NULL;
  return target == NULL ? E_INVALIDARG : create(target, iid, ret);
}

HRESULT
DebugCreate(REFIID InterfaceId, PVOID *Interface)
{
  HRESULT hr = create(NULL, InterfaceId, Interface);
  if (FAILED(hr))
    cordbg_engine_refuse(hr, "DebugCreate makes an IDebugClient, and what it answers for");
  return hr;
}
