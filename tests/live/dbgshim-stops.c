/* SPDX-License-Identifier: MIT */
/*
 * What existing adapters do at their stops and between them, by libdbgshim.so and the public
 * headers: frames and stacks, breakpoints for a program that runs, and a handler that is freed
 * behind ICorDebug::Terminate. Found by running Samsung's netcoredbg.
 */
#include "dbgshim-client.h"

#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- Frames and stacks ---- */

/* One frame of a method, as its methods tell. */
typedef struct frame_seen {
  HRESULT hr; /* the first failure */
  mdMethodDef token, function_token;
  ULONG32 il, native;
  CorDebugMappingResult mapping;
  BOOL il_code, native_code;
  ULONG arguments, variables;
  HRESULT value; /* of asking for the first argument's value */
  CORDB_ADDRESS start, end;
} frame_seen;

typedef struct stack_seen {
  HRESULT hr;
  frame_seen active, methods[8];
  int method_count, native_count;
  bool native_between; /* native code lay between two methods */
  uint64_t last_sp;
  bool ascending; /* each place's stack pointer is above the one before */
  HRESULT end, behind, behind_frame;
  ICorDebugFrame *kept;
  ICorDebugStackWalk *kept_walk;
} stack_seen;

static HRESULT
is_il(HRESULT got, ICorDebugCode *const *code, BOOL *il)
{
  HRESULT hr = SUCCEEDED(got) ? ICorDebugCode_IsIL(*code, il) : got;
  if (SUCCEEDED(got))
    ICorDebugCode_Release(*code);
  return hr;
}

static HRESULT
count_of(HRESULT got, ICorDebugValueEnum *const *values, ULONG *count, HRESULT *value)
{
  ICorDebugValue *none = NULL;
  HRESULT hr = SUCCEEDED(got) ? ICorDebugValueEnum_GetCount(*values, count) : got;
  if (FAILED(got))
    return hr;
  *value = ICorDebugValueEnum_Next(*values, 1, &none, NULL);
  ICorDebugValueEnum_Release(*values);
  return hr;
}

static void
keep(HRESULT *first, HRESULT hr)
{
  if (SUCCEEDED(*first) && FAILED(hr))
    *first = hr;
}

static void
look_at_frame(ICorDebugFrame *frame, frame_seen *seen)
{
  ICorDebugILFrame *il = NULL;
  ICorDebugNativeFrame *native = NULL;
  ICorDebugFunction *function = NULL;
  ICorDebugCode *code = NULL;
  ICorDebugValueEnum *values = NULL;
  HRESULT ignored;
  memset(seen, 0, sizeof *seen);
  keep(&seen->hr, ICorDebugFrame_GetFunctionToken(frame, &seen->token));
  keep(&seen->hr, ICorDebugFrame_GetStackRange(frame, &seen->start, &seen->end));
  keep(&seen->hr, ICorDebugFrame_GetFunction(frame, &function));
  if (function != NULL) {
    keep(&seen->hr, ICorDebugFunction_GetToken(function, &seen->function_token));
    ICorDebugFunction_Release(function);
  }
  keep(&seen->hr, ICorDebugFrame_QueryInterface(frame, &IID_ICorDebugILFrame, (void **)&il));
  keep(&seen->hr,
       ICorDebugFrame_QueryInterface(frame, &IID_ICorDebugNativeFrame, (void **)&native));
  if (il != NULL && native != NULL) {
    keep(&seen->hr, ICorDebugILFrame_GetIP(il, &seen->il, &seen->mapping));
    keep(&seen->hr, ICorDebugNativeFrame_GetIP(native, &seen->native));
    keep(&seen->hr, is_il(ICorDebugILFrame_GetCode(il, &code), &code, &seen->il_code));
    keep(&seen->hr, is_il(ICorDebugNativeFrame_GetCode(native, &code), &code, &seen->native_code));
    keep(&seen->hr, count_of(ICorDebugILFrame_EnumerateArguments(il, &values), &values,
                             &seen->arguments, &seen->value));
    keep(&seen->hr, count_of(ICorDebugILFrame_EnumerateLocalVariables(il, &values), &values,
                             &seen->variables, &ignored));
  }
  if (il != NULL)
    ICorDebugILFrame_Release(il);
  if (native != NULL)
    ICorDebugNativeFrame_Release(native);
}

static void
look_at_place(ICorDebugStackWalk *walk, stack_seen *seen)
{
  ICorDebugFrame *frame = NULL;
  ULONG32 size = 0;
  CONTEXT context;
  HRESULT hr = ICorDebugStackWalk_GetFrame(walk, &frame);
  keep(&seen->hr, hr);
  memset(&context, 0, sizeof context);
  keep(&seen->hr, ICorDebugStackWalk_GetContext(walk, CONTEXT_CONTROL | CONTEXT_INTEGER,
                                                sizeof context, &size, (BYTE *)&context));
  seen->ascending = seen->ascending && size == sizeof context && context.Rsp > seen->last_sp;
  seen->last_sp = context.Rsp;
  if (frame == NULL) {
    keep(&seen->hr, hr == S_FALSE ? S_OK : E_UNEXPECTED);
    seen->native_count++;
    return;
  }
  seen->native_between = seen->native_between || seen->native_count > 0;
  if (seen->method_count < 8)
    look_at_frame(frame, &seen->methods[seen->method_count++]);
  ICorDebugFrame_Release(frame);
}

static bool
look_at_stack(adapter *a, ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint)
{
  stack_seen *seen = a->data;
  ICorDebugThread3 *thread3 = NULL;
  (void)breakpoint;
  if (seen->hr != E_PENDING)
    return true;
  seen->hr = ICorDebugThread_GetActiveFrame(thread, &seen->kept);
  if (seen->kept != NULL)
    look_at_frame(seen->kept, &seen->active);
  keep(&seen->hr, ICorDebugThread_QueryInterface(thread, &IID_ICorDebugThread3, (void **)&thread3));
  if (thread3 == NULL)
    return true;
  keep(&seen->hr, ICorDebugThread3_CreateStackWalk(thread3, &seen->kept_walk));
  ICorDebugThread3_Release(thread3);
  seen->ascending = true;
  for (int i = 0; SUCCEEDED(seen->hr) && i < 1000; i++) {
    look_at_place(seen->kept_walk, seen);
    seen->end = ICorDebugStackWalk_Next(seen->kept_walk);
    if (seen->end != S_OK)
      break;
  }
  if (seen->kept_walk != NULL) {
    ICorDebugFrame *none = NULL;
    seen->behind = ICorDebugStackWalk_Next(seen->kept_walk);
    seen->behind_frame = ICorDebugStackWalk_GetFrame(seen->kept_walk, &none);
  }
  return true;
}

static adapter *
attach_to_counter(const test_runtime *runtime, int *output)
{
  adapter *a = adapter_new(true);
  a->pid = (DWORD)start_debuggee(runtime, "Counter", output);
  a->type = "Debuggees.Counter";
  a->method = "Tick";
  return a;
}

static void
begin(adapter *a)
{
  assert_int_equal(enlist(a), S_OK);
  await_count(a, &a->callbacks, 1);
  assert_int_equal(a->attached, S_OK);
}

static void
finish(adapter *a, int output)
{
  assert_int_equal(shim.UnregisterForRuntimeStartup(a->token), S_OK);
  detach(a);
  end_child((pid_t)a->pid);
  close(output);
  adapter_free(a);
}

static void
a_hit_has_its_frame_and_its_stack(void **state)
{
  stack_seen *seen = calloc(1, sizeof *seen);
  mdMethodDef token = 0;
  int output;
  adapter *a = attach_to_counter(*state, &output);
  a->at_hit = look_at_stack;
  a->data = seen;
  seen->hr = E_PENDING;
  begin(a);
  await_count(a, &a->hits, 3);
  assert_int_equal(seen->hr, S_OK);
  const frame_seen *tick = &seen->active;
  assert_int_equal(tick->hr, S_OK);
  assert_int_equal(tick->token, a->method_token);
  assert_int_equal(tick->function_token, a->method_token);
  assert_int_equal(tick->il, 0); /* where the breakpoint is */
  assert_int_equal(tick->mapping, MAPPING_EXACT);
  assert_true(tick->il_code);
  assert_false(tick->native_code);
  assert_int_equal(tick->arguments, 1);
  assert_true(tick->variables >= 1);
  assert_int_equal(tick->value, E_NOTIMPL);
  assert_true(tick->start < tick->end);

  assert_int_equal(seen->end, CORDBG_S_AT_END_OF_STACK);
  assert_int_equal(seen->behind, CORDBG_E_PAST_END_OF_STACK);
  assert_int_equal(seen->behind_frame, CORDBG_E_PAST_END_OF_STACK);
  assert_true(seen->ascending);
  assert_true(seen->native_count >= 1);
  assert_int_equal(seen->method_count, 2);
  assert_false(seen->native_between);
  assert_memory_equal(&seen->methods[0], tick, sizeof *tick);
  const frame_seen *caller = &seen->methods[1];
  assert_int_equal(caller->hr, S_OK);
  assert_int_not_equal(caller->token, a->method_token);
  assert_true(caller->il > 0);
  assert_int_equal(caller->arguments, 1);
  assert_int_equal(caller->start, tick->end);
  assert_true(caller->mapping == MAPPING_EXACT || caller->mapping == MAPPING_APPROXIMATE);

  /* The program has run: what was of that stop is no more. */
  assert_int_equal(ICorDebugFrame_GetFunctionToken(seen->kept, &token), CORDBG_E_OBJECT_NEUTERED);
  assert_int_equal(ICorDebugStackWalk_Next(seen->kept_walk), CORDBG_E_OBJECT_NEUTERED);
  ICorDebugFrame_Release(seen->kept);
  ICorDebugStackWalk_Release(seen->kept_walk);
  finish(a, output);
  free(seen);
}

/* Whether the thread's stack begins with a method, and its active frame is that method's. */
static bool
begins_with_a_method(ICorDebugThread *thread)
{
  ICorDebugThread3 *thread3 = NULL;
  ICorDebugStackWalk *walk = NULL;
  ICorDebugFrame *active = NULL, *first = NULL;
  mdMethodDef one = 0, other = 0;
  assert_int_equal(ICorDebugThread_GetActiveFrame(thread, &active), S_OK);
  assert_int_equal(ICorDebugThread_QueryInterface(thread, &IID_ICorDebugThread3, (void **)&thread3),
                   S_OK);
  assert_int_equal(ICorDebugThread3_CreateStackWalk(thread3, &walk), S_OK);
  assert_int_equal(ICorDebugStackWalk_GetFrame(walk, &first), active != NULL ? S_OK : S_FALSE);
  if (active != NULL) {
    assert_int_equal(ICorDebugFrame_GetFunctionToken(active, &one), S_OK);
    assert_int_equal(ICorDebugFrame_GetFunctionToken(first, &other), S_OK);
    assert_int_equal(one, other);
    ICorDebugFrame_Release(active);
    ICorDebugFrame_Release(first);
  }
  ICorDebugStackWalk_Release(walk);
  ICorDebugThread3_Release(thread3);
  return active != NULL;
}

/* Wherever the program is stopped: mostly it sleeps, in the C library. */
static void
a_stack_begins_with_its_innermost_method(void **state)
{
  ICorDebugThreadEnum *threads = NULL;
  ICorDebugThread *thread = NULL;
  ULONG got = 0;
  DWORD tid = 0;
  int output, native_only = 0;
  bool main_has = false;
  adapter *a = attach_to_counter(*state, &output);
  a->unbroken = true;
  begin(a);
  await_count(a, &a->modules, 2);
  assert_int_equal(ICorDebugProcess_Stop(a->process, 0), S_OK);
  assert_int_equal(ICorDebugProcess_EnumerateThreads(a->process, &threads), S_OK);
  while (ICorDebugThreadEnum_Next(threads, 1, &thread, &got) == S_OK && got == 1) {
    bool has = begins_with_a_method(thread);
    assert_int_equal(ICorDebugThread_GetID(thread, &tid), S_OK);
    main_has = main_has || (tid == a->pid && has);
    native_only += !has;
    ICorDebugThread_Release(thread);
  }
  ICorDebugThreadEnum_Release(threads);
  assert_true(main_has);
  assert_true(native_only > 0); /* the runtime's own, waiting */
  assert_int_equal(ICorDebugProcess_Continue(a->process, FALSE), S_OK);
  finish(a, output);
}

/* ---- A program that runs ---- */

static void
a_running_program_is_given_a_breakpoint_and_relieved_of_it(void **state)
{
  ICorDebugFunction *function = NULL;
  ICorDebugCode *code = NULL;
  ICorDebugFunctionBreakpoint *breakpoint = NULL;
  int output;
  adapter *a = attach_to_counter(*state, &output);
  a->unbroken = true;
  begin(a);
  await_count(a, &a->modules, 2); /* the program's own is among them */
  assert_int_equal(ICorDebugModule_GetFunctionFromToken(a->module, a->method_token, &function),
                   S_OK);
  assert_int_equal(ICorDebugFunction_GetILCode(function, &code), S_OK);
  assert_int_equal(ICorDebugCode_CreateBreakpoint(code, 0, &breakpoint), S_OK);
  await_count(a, &a->hits, 10);
  assert_int_equal(ICorDebugFunctionBreakpoint_Activate(breakpoint, FALSE), S_OK);
  /* Hits that were queued before may still come; a stop that follows tells when there are none. */
  assert_int_equal(ICorDebugProcess_Stop(a->process, 0), S_OK);
  pthread_mutex_lock(&a->lock);
  int hits = a->hits;
  pthread_mutex_unlock(&a->lock);
  assert_int_equal(ICorDebugProcess_Continue(a->process, FALSE), S_OK);
  assert_int_equal(ICorDebugFunctionBreakpoint_Activate(breakpoint, TRUE), S_OK);
  await_count(a, &a->hits, hits + 10);
  ICorDebugFunctionBreakpoint_Release(breakpoint);
  ICorDebugCode_Release(code);
  ICorDebugFunction_Release(function);
  finish(a, output);
}

/* ---- A handler that is freed behind Terminate ---- */

static const ICorDebugManagedCallbackVtbl *plain;
static pthread_t client;
static sem_t terminated;
static atomic_int releases_in_progress;

/* On cordbg's threads slow: what Terminate does not wait for is caught in here. */
static ULONG
slow_release(ICorDebugManagedCallback *handler)
{
  if (pthread_equal(pthread_self(), client))
    return plain->Release(handler);
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_nsec += 300000000;
  end.tv_sec += end.tv_nsec / 1000000000;
  end.tv_nsec %= 1000000000;
  atomic_fetch_add(&releases_in_progress, 1);
  if (sem_timedwait(&terminated, &end) == 0)
    sem_post(&terminated);
  ULONG left = plain->Release(handler);
  atomic_fetch_sub(&releases_in_progress, 1);
  return left;
}

/* The attaching of netcoredbg. */
static ICorDebug *
debugger_of(DWORD pid)
{
  HANDLE *handles = NULL;
  LPWSTR *paths = NULL;
  DWORD count = 0, length = 0;
  WCHAR version[100];
  IUnknown *unknown = NULL;
  ICorDebug *cordebug = NULL;
  assert_int_equal(shim.EnumerateCLRs(pid, &handles, &paths, &count), S_OK);
  assert_int_equal(count, 1);
  assert_int_equal(shim.CreateVersionStringFromModule(pid, paths[0], version, 100, &length), S_OK);
  assert_int_equal(shim.CloseCLREnumeration(handles, paths, count), S_OK);
  assert_int_equal(
      shim.CreateDebuggingInterfaceFromVersionEx(CorDebugVersion_4_0, version, &unknown), S_OK);
  assert_int_equal(unknown->lpVtbl->QueryInterface(unknown, &IID_ICorDebug, (void **)&cordebug),
                   S_OK);
  unknown->lpVtbl->Release(unknown);
  assert_int_equal(ICorDebug_Initialize(cordebug), S_OK);
  return cordebug;
}

static void
after_terminate_no_handler_is_touched(void **state)
{
  sample_hooks hooks = {.data = NULL};
  ICorDebugProcess *process = NULL;
  int output;
  DWORD pid = (DWORD)start_debuggee(*state, "Counter", &output);
  ICorDebug *cordebug = debugger_of(pid);
  ICorDebugManagedCallback *handler = sample_managed_callback(&hooks);
  ICorDebugManagedCallbackVtbl table = *handler->lpVtbl;
  plain = handler->lpVtbl;
  table.Release = slow_release;
  handler->lpVtbl = &table;
  client = pthread_self();
  assert_int_equal(sem_init(&terminated, 0, 0), 0);
  assert_int_equal(ICorDebug_SetManagedHandler(cordebug, handler), S_OK);
  assert_int_equal(ICorDebug_DebugActiveProcess(cordebug, pid, FALSE, &process), S_OK);
  assert_int_equal(ICorDebugProcess_Stop(process, 0), S_OK);
  assert_int_equal(ICorDebugProcess_Detach(process), S_OK);
  assert_int_equal(ICorDebug_Terminate(cordebug), S_OK);
  int in_progress = atomic_load(&releases_in_progress);
  sem_post(&terminated);
  assert_int_equal(in_progress, 0);
  assert_int_equal(plain->Release(handler), 0); /* ours was the last reference */
  ICorDebugProcess_Release(process);
  ICorDebug_Release(cordebug);
  sem_destroy(&terminated);
  end_child((pid_t)pid);
  close(output);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      ON_EACH(a_hit_has_its_frame_and_its_stack),
      ON_EACH(a_stack_begins_with_its_innermost_method),
      ON_EACH(a_running_program_is_given_a_breakpoint_and_relieved_of_it),
      ON_EACH(after_terminate_no_handler_is_touched),
  };
  if (!open_shim(NULL))
    return 1;
  return cmocka_run_group_tests_name("dbgshim-stops", tests, NULL, NULL);
}
