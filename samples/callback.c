/* SPDX-License-Identifier: MIT */
#include "callback.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/*
 * One object, two interfaces: a COM object in C is a struct that begins with a pointer to a table
 * of functions. QueryInterface for ICorDebugManagedCallback2 answers with the second member, and
 * the functions of that table find their object at an offset.
 */
typedef struct managed_callback {
  ICorDebugManagedCallback callback;
  ICorDebugManagedCallback2 callback2;
  atomic_uint references;
  const sample_hooks *hooks;
} managed_callback;

typedef struct unmanaged_callback {
  ICorDebugUnmanagedCallback callback;
  atomic_uint references;
  const sample_hooks *hooks;
  ICorDebug *cordebug;
} unmanaged_callback;

static managed_callback *
from_callback2(ICorDebugManagedCallback2 *callback2)
{
  return (managed_callback *)(void *)((char *)callback2 - offsetof(managed_callback, callback2));
}

static HRESULT
go_on(void *controller)
{
  return ICorDebugController_Continue((ICorDebugController *)controller, FALSE);
}

static HRESULT
managed_query(ICorDebugManagedCallback *self, REFIID iid, void **object)
{
  managed_callback *callback = (managed_callback *)self;
  if (memcmp(iid, &IID_IUnknown, sizeof *iid) == 0 ||
      memcmp(iid, &IID_ICorDebugManagedCallback, sizeof *iid) == 0)
    *object = &callback->callback;
  else if (memcmp(iid, &IID_ICorDebugManagedCallback2, sizeof *iid) == 0)
    *object = &callback->callback2;
  else {
    *object = NULL;
    return E_NOINTERFACE;
  }
  atomic_fetch_add(&callback->references, 1);
  return S_OK;
}

static ULONG
managed_add_ref(ICorDebugManagedCallback *self)
{
  return atomic_fetch_add(&((managed_callback *)self)->references, 1) + 1;
}

static ULONG
managed_release(ICorDebugManagedCallback *self)
{
  ULONG left = atomic_fetch_sub(&((managed_callback *)self)->references, 1) - 1;
  if (left == 0)
    free(self);
  return left;
}

static HRESULT
query2(ICorDebugManagedCallback2 *self, REFIID iid, void **object)
{
  return managed_query(&from_callback2(self)->callback, iid, object);
}

static ULONG
add_ref2(ICorDebugManagedCallback2 *self)
{
  return managed_add_ref(&from_callback2(self)->callback);
}

static ULONG
release2(ICorDebugManagedCallback2 *self)
{
  return managed_release(&from_callback2(self)->callback);
}

/* ---- The events that samples look at ---- */

static HRESULT
on_breakpoint(ICorDebugManagedCallback *self, ICorDebugAppDomain *domain, ICorDebugThread *thread,
              ICorDebugBreakpoint *breakpoint)
{
  const sample_hooks *hooks = ((managed_callback *)self)->hooks;
  if (hooks->breakpoint && !hooks->breakpoint(hooks->data, thread, breakpoint))
    return S_OK;
  return go_on(domain);
}

static HRESULT
on_break(ICorDebugManagedCallback *self, ICorDebugAppDomain *domain, ICorDebugThread *thread)
{
  const sample_hooks *hooks = ((managed_callback *)self)->hooks;
  if (hooks->user_break && !hooks->user_break(hooks->data, thread))
    return S_OK;
  return go_on(domain);
}

static HRESULT
on_create_process(ICorDebugManagedCallback *self, ICorDebugProcess *process)
{
  const sample_hooks *hooks = ((managed_callback *)self)->hooks;
  if (hooks->create_process && !hooks->create_process(hooks->data, process))
    return S_OK;
  return go_on(process);
}

static HRESULT
on_exit_process(ICorDebugManagedCallback *self, ICorDebugProcess *process)
{
  const sample_hooks *hooks = ((managed_callback *)self)->hooks;
  if (hooks->exit_process)
    hooks->exit_process(hooks->data, process);
  if (hooks->ended)
    hooks->ended(hooks->ended_data);
  return S_OK;
}

static HRESULT
on_load_module(ICorDebugManagedCallback *self, ICorDebugAppDomain *domain, ICorDebugModule *module)
{
  const sample_hooks *hooks = ((managed_callback *)self)->hooks;
  if (hooks->load_module && !hooks->load_module(hooks->data, module))
    return S_OK;
  return go_on(domain);
}

static HRESULT
on_create_thread(ICorDebugManagedCallback *self, ICorDebugAppDomain *domain,
                 ICorDebugThread *thread)
{
  const sample_hooks *hooks = ((managed_callback *)self)->hooks;
  if (hooks->create_thread && !hooks->create_thread(hooks->data, thread))
    return S_OK;
  return go_on(domain);
}

/* ---- The others: noted, gone on. The first argument is the controller to continue. ---- */

#define GO_ON(name, ...)                                                                           \
  static HRESULT name(ICorDebugManagedCallback *self, __VA_ARGS__)                                 \
  {                                                                                                \
    (void)self;                                                                                    \
    return go_on(controller);                                                                      \
  }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
GO_ON(on_step_complete, ICorDebugAppDomain *controller, ICorDebugThread *t, ICorDebugStepper *s,
      CorDebugStepReason r)
GO_ON(on_exception, ICorDebugAppDomain *controller, ICorDebugThread *t, BOOL unhandled)
GO_ON(on_eval_complete, ICorDebugAppDomain *controller, ICorDebugThread *t, ICorDebugEval *e)
GO_ON(on_eval_exception, ICorDebugAppDomain *controller, ICorDebugThread *t, ICorDebugEval *e)
GO_ON(on_exit_thread, ICorDebugAppDomain *controller, ICorDebugThread *t)
GO_ON(on_unload_module, ICorDebugAppDomain *controller, ICorDebugModule *m)
GO_ON(on_load_class, ICorDebugAppDomain *controller, ICorDebugClass *c)
GO_ON(on_unload_class, ICorDebugAppDomain *controller, ICorDebugClass *c)
GO_ON(on_debugger_error, ICorDebugProcess *controller, HRESULT e, DWORD code)
GO_ON(on_log_message, ICorDebugAppDomain *controller, ICorDebugThread *t, LONG l, WCHAR *s,
      WCHAR *m)
GO_ON(on_log_switch, ICorDebugAppDomain *controller, ICorDebugThread *t, LONG l, ULONG r, WCHAR *s,
      WCHAR *p)
GO_ON(on_create_domain, ICorDebugProcess *controller, ICorDebugAppDomain *d)
GO_ON(on_exit_domain, ICorDebugProcess *controller, ICorDebugAppDomain *d)
GO_ON(on_load_assembly, ICorDebugAppDomain *controller, ICorDebugAssembly *a)
GO_ON(on_unload_assembly, ICorDebugAppDomain *controller, ICorDebugAssembly *a)
GO_ON(on_control_c, ICorDebugProcess *controller)
GO_ON(on_name_change, ICorDebugAppDomain *controller, ICorDebugThread *t)
GO_ON(on_update_symbols, ICorDebugAppDomain *controller, ICorDebugModule *m, IStream *s)
GO_ON(on_remap, ICorDebugAppDomain *controller, ICorDebugThread *t, ICorDebugFunction *f, BOOL a)
GO_ON(on_breakpoint_error, ICorDebugAppDomain *controller, ICorDebugThread *t,
      ICorDebugBreakpoint *b, DWORD e)
#undef GO_ON

#define GO_ON(name, ...)                                                                           \
  static HRESULT name(ICorDebugManagedCallback2 *self, __VA_ARGS__)                                \
  {                                                                                                \
    (void)self;                                                                                    \
    return go_on(controller);                                                                      \
  }
GO_ON(on_remap_opportunity, ICorDebugAppDomain *controller, ICorDebugThread *t,
      ICorDebugFunction *o, ICorDebugFunction *n, ULONG32 offset)
GO_ON(on_create_connection, ICorDebugProcess *controller, CONNID id, WCHAR *name)
GO_ON(on_change_connection, ICorDebugProcess *controller, CONNID id)
GO_ON(on_destroy_connection, ICorDebugProcess *controller, CONNID id)
GO_ON(on_exception2, ICorDebugAppDomain *controller, ICorDebugThread *t, ICorDebugFrame *f,
      ULONG32 offset, CorDebugExceptionCallbackType type, DWORD flags)
GO_ON(on_exception_unwind, ICorDebugAppDomain *controller, ICorDebugThread *t,
      CorDebugExceptionUnwindCallbackType type, DWORD flags)
GO_ON(on_remap_complete, ICorDebugAppDomain *controller, ICorDebugThread *t, ICorDebugFunction *f)
GO_ON(on_mda, ICorDebugController *controller, ICorDebugThread *t, ICorDebugMDA *m)
#undef GO_ON
#pragma GCC diagnostic pop

static const ICorDebugManagedCallbackVtbl managed_table = {
    .QueryInterface = managed_query,
    .AddRef = managed_add_ref,
    .Release = managed_release,
    .Breakpoint = on_breakpoint,
    .StepComplete = on_step_complete,
    .Break = on_break,
    .Exception = on_exception,
    .EvalComplete = on_eval_complete,
    .EvalException = on_eval_exception,
    .CreateProcess = on_create_process,
    .ExitProcess = on_exit_process,
    .CreateThread = on_create_thread,
    .ExitThread = on_exit_thread,
    .LoadModule = on_load_module,
    .UnloadModule = on_unload_module,
    .LoadClass = on_load_class,
    .UnloadClass = on_unload_class,
    .DebuggerError = on_debugger_error,
    .LogMessage = on_log_message,
    .LogSwitch = on_log_switch,
    .CreateAppDomain = on_create_domain,
    .ExitAppDomain = on_exit_domain,
    .LoadAssembly = on_load_assembly,
    .UnloadAssembly = on_unload_assembly,
    .ControlCTrap = on_control_c,
    .NameChange = on_name_change,
    .UpdateModuleSymbols = on_update_symbols,
    .EditAndContinueRemap = on_remap,
    .BreakpointSetError = on_breakpoint_error,
};

static const ICorDebugManagedCallback2Vtbl managed_table2 = {
    .QueryInterface = query2,
    .AddRef = add_ref2,
    .Release = release2,
    .FunctionRemapOpportunity = on_remap_opportunity,
    .CreateConnection = on_create_connection,
    .ChangeConnection = on_change_connection,
    .DestroyConnection = on_destroy_connection,
    .Exception = on_exception2,
    .ExceptionUnwind = on_exception_unwind,
    .FunctionRemapComplete = on_remap_complete,
    .MDANotification = on_mda,
};

ICorDebugManagedCallback *
sample_managed_callback(const sample_hooks *hooks)
{
  managed_callback *callback = calloc(1, sizeof *callback);
  if (callback == NULL)
    return NULL;
  callback->callback.lpVtbl = &managed_table;
  callback->callback2.lpVtbl = &managed_table2;
  callback->references = 1;
  callback->hooks = hooks;
  return &callback->callback;
}

/* ---- Unmanaged events ---- */

static HRESULT
unmanaged_query(ICorDebugUnmanagedCallback *self, REFIID iid, void **object)
{
  if (memcmp(iid, &IID_IUnknown, sizeof *iid) != 0 &&
      memcmp(iid, &IID_ICorDebugUnmanagedCallback, sizeof *iid) != 0) {
    *object = NULL;
    return E_NOINTERFACE;
  }
  atomic_fetch_add(&((unmanaged_callback *)self)->references, 1);
  *object = self;
  return S_OK;
}

static ULONG
unmanaged_add_ref(ICorDebugUnmanagedCallback *self)
{
  return atomic_fetch_add(&((unmanaged_callback *)self)->references, 1) + 1;
}

static ULONG
unmanaged_release(ICorDebugUnmanagedCallback *self)
{
  ULONG left = atomic_fetch_sub(&((unmanaged_callback *)self)->references, 1) - 1;
  if (left == 0)
    free(self);
  return left;
}

static HRESULT
on_debug_event(ICorDebugUnmanagedCallback *self, LPDEBUG_EVENT event, BOOL out_of_band)
{
  unmanaged_callback *callback = (unmanaged_callback *)self;
  ICorDebugProcess *process = NULL;
  if (callback->hooks->native_event)
    callback->hooks->native_event(callback->hooks->data, event);
  HRESULT hr = ICorDebug_GetProcess(callback->cordebug, event->dwProcessId, &process);
  if (FAILED(hr))
    return hr;
  /* A breakpoint's exception is the debugger's own: the program must not see it. Any other is the
     program's. */
  if (event->dwDebugEventCode == EXCEPTION_DEBUG_EVENT &&
      event->u.Exception.ExceptionRecord.ExceptionCode == EXCEPTION_BREAKPOINT)
    ICorDebugProcess_ClearCurrentException(process, event->dwThreadId);
  hr = ICorDebugProcess_Continue(process, out_of_band);
  ICorDebugProcess_Release(process);
  return hr;
}

static const ICorDebugUnmanagedCallbackVtbl unmanaged_table = {
    .QueryInterface = unmanaged_query,
    .AddRef = unmanaged_add_ref,
    .Release = unmanaged_release,
    .DebugEvent = on_debug_event,
};

ICorDebugUnmanagedCallback *
sample_unmanaged_callback(const sample_hooks *hooks, ICorDebug *cordebug)
{
  unmanaged_callback *callback = calloc(1, sizeof *callback);
  if (callback == NULL)
    return NULL;
  callback->callback.lpVtbl = &unmanaged_table;
  callback->references = 1;
  callback->hooks = hooks;
  callback->cordebug = cordebug;
  return &callback->callback;
}
