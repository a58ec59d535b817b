/* SPDX-License-Identifier: MIT */
/*
 * ICorDebug over real programs of both runtimes: how sessions end, and what they leave behind.
 * Detach, Terminate and the last Release in and outside callbacks, exit codes, two programs at
 * once, objects that outlive what they stood for, and calls at the wrong time.
 */
#include "config.h"

#include "icordebug-client.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A client may put its own waitpid in front of the C library's: by it the exit code is learnt. */
static int seen_pid, seen_status;

pid_t
waitpid(pid_t pid, int *status, int options)
{
  int mine = 0;
  pid_t result = wait4(pid, &mine, options, NULL);
  if (result > 0) {
    seen_pid = result;
    seen_status = mine;
    if (status != NULL)
      *status = mine;
  }
  return result;
}

/* ---- Detach ---- */

static then
detach_hook(client *c, const told *what)
{
  then next = breaking_hook(c, what);
  if (next == STAY)
    hook_ok(ICorDebugProcess_Detach(c->process));
  return next;
}

static void
detach_inside_a_callback(void **state)
{
  (void)state;
  program p;
  static client c;
  breaking b = {.type = "Debuggees.Counter", .method = "Tick", .limit = 5};
  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, detach_hook, &b);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "Breakpoint", 5);
  program_check_unharmed(&p);
  BOOL running;
  assert_hr(ICorDebugProcess_IsRunning(c.process, &running), CORDBG_E_OBJECT_NEUTERED);
  assert_hr(ICorDebugFunctionBreakpoint_Activate(b.breakpoints[0], FALSE),
            CORDBG_E_OBJECT_NEUTERED);
  breaking_drop(&b);
  client_close(&c);
  program_end(&p);
}

static then
detach_at_once_hook(client *c, const told *what)
{
  /* DebugActiveProcess may not have returned yet: the process is the callback's. */
  (void)c;
  hook_true(strcmp(what->name, "CreateProcess") == 0);
  hook_ok(ICorDebugProcess_Detach(what->process));
  return STAY;
}

/* With the whole replay still queued. */
static void
detach_inside_create_process(void **state)
{
  (void)state;
  program p;
  static client c;
  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, detach_at_once_hook, NULL);
  HRESULT hr = client_attach(&c, p.pid, FALSE);
  assert_true(hr == S_OK || hr == CORDBG_E_PROCESS_TERMINATED || hr == CORDBG_E_PROCESS_DETACHED);
  client_await(&c, "CreateProcess", 1);
  program_check_unharmed(&p);
  client_close(&c);
  program_end(&p);
}

static then
release_hook(client *c, const told *what)
{
  then next = breaking_hook(c, what);
  if (next == STAY) {
    breaking_drop(c->data);
    ICorDebugProcess_Release(c->process);
    c->process = NULL;
    ICorDebug_Release(c->cordebug);
    c->cordebug = NULL;
  }
  return next;
}

static void
last_release_inside_a_callback_detaches(void **state)
{
  (void)state;
  program p;
  static client c;
  breaking b = {.type = "Debuggees.Counter", .method = "Tick", .limit = 5};
  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, release_hook, &b);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "Breakpoint", 5);
  program_check_unharmed(&p);
  client_close(&c);
  program_end(&p);
}

static void
last_release_detaches(void **state)
{
  (void)state;
  program p;
  static client c;
  breaking b = {.type = "Debuggees.Counter", .method = "Tick"};
  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, breaking_hook, &b);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "Breakpoint", 5);
  /* ICorDebug first: the process holds it, and the session goes on. */
  ICorDebug_Release(c.cordebug);
  c.cordebug = NULL;
  client_await(&c, "Breakpoint", 10);
  ICorDebugProcess_Release(c.process);
  c.process = NULL;
  program_check_unharmed(&p);
  breaking_drop(&b);
  client_close(&c);
  program_end(&p);
}

static void
detach_and_attach_again(void **state)
{
  (void)state;
  program p;
  static client c;
  breaking b = {.type = "Debuggees.Counter", .method = "Tick"};
  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, breaking_hook, &b);
  for (int i = 0; i < 5; i++) {
    unsigned hits = client_count(&c, "Breakpoint");
    assert_ok(client_attach(&c, p.pid, i % 2 == 0));
    client_await(&c, "Breakpoint", hits + 3);
    assert_ok(ICorDebugProcess_Stop(c.process, 0));
    assert_ok(ICorDebugProcess_Detach(c.process));
    program_check_unharmed(&p);
    ICorDebugProcess_Release(c.process);
    c.process = NULL;
    breaking_drop(&b);
  }
  client_close(&c);
  program_end(&p);
}

/* ---- The program's end ---- */

static void
launch_counter(client *c, const char *seconds, DWORD flags)
{
  client_launch_managed(c, flags, -1, "Counter", seconds, NULL);
}

static then
exit_hook(client *c, const told *what)
{
  if (strcmp(what->name, "ExitProcess") == 0) {
    int *in_callback = c->data;
    *in_callback = seen_pid;
  }
  return GO_ON;
}

static void
exit_code_is_collected_before_exit_process(void **state)
{
  (void)state;
  static client c;
  int in_callback = 0;
  DWORD pid;
  seen_pid = 0;
  client_open(&c, exit_hook, &in_callback);
  launch_counter(&c, "0", 0);
  assert_ok(ICorDebugProcess_GetID(c.process, &pid));
  client_await(&c, "ExitProcess", 1);
  assert_int_equal(in_callback, (int)pid);
  assert_true(WIFEXITED(seen_status));
  assert_int_equal(WEXITSTATUS(seen_status), 7);
  /* Nothing is left to be waited for, of the tracer neither. */
  assert_int_equal(wait4(-1, NULL, WNOHANG, NULL), -1);
  assert_int_equal(errno, ECHILD);
  client_close(&c);
}

static void
terminate_ends_the_program(void **state)
{
  (void)state;
  static client c;
  int in_callback = 0;
  DWORD pid;
  seen_pid = 0;
  client_open(&c, exit_hook, &in_callback);
  launch_counter(&c, "60", 0);
  client_await(&c, "CreateThread", 1);
  assert_ok(ICorDebugProcess_GetID(c.process, &pid));
  assert_ok(ICorDebugProcess_Stop(c.process, 0));
  assert_ok(ICorDebugProcess_Terminate(c.process, 3));
  client_await(&c, "ExitProcess", 1);
  assert_int_equal(in_callback, (int)pid);
  assert_true(WIFSIGNALED(seen_status));
  assert_int_equal(kill((pid_t)pid, 0), -1);
  client_close(&c);
}

static then
terminate_hook(client *c, const told *what)
{
  then next = breaking_hook(c, what);
  if (next == STAY)
    hook_ok(ICorDebugProcess_Terminate(c->process, 0));
  return next;
}

static void
terminate_inside_a_callback(void **state)
{
  (void)state;
  static client c;
  breaking b = {.type = "Debuggees.Counter", .method = "Tick", .limit = 3};
  client_open(&c, terminate_hook, &b);
  launch_counter(&c, "60", 0);
  client_await(&c, "ExitProcess", 1);
  assert_int_equal(b.hits, 3);
  breaking_drop(&b);
  client_close(&c);
}

/* Terminate and drop everything at once: nobody is left to hear, and no zombie either. */
static void
terminate_and_release(void **state)
{
  (void)state;
  static client c;
  DWORD pid;
  client_open(&c, NULL, NULL);
  launch_counter(&c, "60", 0);
  client_await(&c, "CreateThread", 1);
  assert_ok(ICorDebugProcess_GetID(c.process, &pid));
  assert_ok(ICorDebugProcess_Terminate(c.process, 0));
  ICorDebugProcess_Release(c.process);
  c.process = NULL;
  client_close(&c);
  for (int tries = 0; tries < 2000 && kill((pid_t)pid, 0) == 0; tries++)
    g_usleep(1000);
  assert_int_equal(kill((pid_t)pid, 0), -1);
}

static void
row_26_killed_from_outside(void **state)
{
  (void)state;
  program p;
  static client c;
  BYTE byte;
  SIZE_T read = 1;
  BOOL running;
  breaking b = {.type = "Debuggees.Counter", .method = "Tick", .limit = 1};
  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, breaking_hook, &b);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "Breakpoint", 1);
  kill(p.pid, SIGKILL);
  /* While it is stopped: the end is told without a Continue. */
  client_await(&c, "ExitProcess", 1);
  assert_hr(ICorDebugProcess_IsRunning(c.process, &running), CORDBG_E_PROCESS_TERMINATED);
  assert_hr(ICorDebugProcess_ReadMemory(c.process, 0x1000, 1, &byte, &read),
            CORDBG_E_PROCESS_TERMINATED);
  assert_int_equal(read, 0);
  /* The callback's own Continue may still be to come; there is nothing more to continue. */
  ICorDebugProcess_Continue(c.process, FALSE);
  assert_hr(ICorDebugProcess_Continue(c.process, FALSE), CORDBG_E_PROCESS_TERMINATED);
  assert_hr(ICorDebugFunctionBreakpoint_Activate(b.breakpoints[0], TRUE),
            CORDBG_E_PROCESS_TERMINATED);
  breaking_drop(&b);
  client_close(&c);
  program_end(&p);
}

/* ---- Two at once ---- */

static void
two_programs_from_one_client(void **state)
{
  (void)state;
  program p, q;
  static client c;
  ICorDebugProcess *first, *second, *found;
  ICorDebugProcessEnum *processes;
  ULONG count = 0;
  breaking b = {.type = "Debuggees.Counter", .method = "Tick"};
  program_start_managed(&p, "Counter", "60", NULL);
  program_start_managed(&q, "Counter", "60", NULL);
  client_open(&c, breaking_hook, &b);
  assert_ok(client_attach(&c, p.pid, FALSE));
  first = c.process;
  assert_ok(client_attach(&c, q.pid, FALSE));
  second = c.process;
  client_await(&c, "Breakpoint", 100);
  assert_int_equal(client_count(&c, "CreateProcess"), 2);
  assert_ok(ICorDebug_EnumerateProcesses(c.cordebug, &processes));
  assert_ok(ICorDebugProcessEnum_GetCount(processes, &count));
  assert_int_equal(count, 2);
  ICorDebugProcessEnum_Release(processes);
  assert_ok(ICorDebug_GetProcess(c.cordebug, (DWORD)p.pid, &found));
  assert_ptr_equal(found, first);
  ICorDebugProcess_Release(found);
  assert_hr(ICorDebug_Terminate(c.cordebug), CORDBG_E_ILLEGAL_SHUTDOWN_ORDER);
  assert_ok(ICorDebugProcess_Stop(first, 0));
  assert_ok(ICorDebugProcess_Detach(first));
  ICorDebugProcess_Release(first);
  program_check_unharmed(&p);
  /* The other goes on. */
  unsigned hits = client_count(&c, "Breakpoint");
  client_await(&c, "Breakpoint", hits + 10);
  c.process = second;
  breaking_drop(&b);
  client_close(&c);
  program_check_unharmed(&q);
  program_end(&p);
  program_end(&q);
}

/* ---- The tracer's death ---- */

/* The tracer is killed: the session is over, and the client hears of it. */
static void
row_29_tracer_is_killed(void **state)
{
  (void)state;
  program p;
  static client c;
  int tracer;
  BOOL running;
  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, NULL, NULL);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "CreateThread", 1);
  tracer = program_tracer(&p);
  assert_true(tracer > 1);
  assert_int_equal(kill(tracer, SIGKILL), 0);
  client_await(&c, "DebuggerError", 1);
  /* The mark is set behind the callback. */
  HRESULT hr = S_OK;
  for (int tries = 0; tries < 2000 && hr != CORDBG_E_OBJECT_NEUTERED; tries++) {
    hr = ICorDebugProcess_IsRunning(c.process, &running);
    g_usleep(1000);
  }
  assert_hr(hr, CORDBG_E_OBJECT_NEUTERED);
  client_close(&c);
  program_end(&p);
}

/* ---- Objects ---- */

typedef struct kept {
  breaking b;
  ICorDebugModule *module;
  ICorDebugAssembly *assembly;
  ICorDebugAppDomain *domain;
  ICorDebugThread *thread;
} kept;

static then
keep_hook(client *c, const told *what)
{
  kept *k = c->data;
  if (strcmp(what->name, "CreateProcess") == 0) {
    /* A domain is there already. */
    ICorDebugAppDomainEnum *domains;
    ULONG count = 0;
    hook_ok(ICorDebugProcess_EnumerateAppDomains(what->process, &domains));
    hook_ok(ICorDebugAppDomainEnum_Next(domains, 1, &k->domain, &count));
    hook_true(count == 1);
    ICorDebugAppDomainEnum_Release(domains);
  } else if (strcmp(what->name, "CreateAppDomain") == 0)
    hook_true(what->domain == k->domain);
  else if (strcmp(what->name, "LoadAssembly") == 0 && k->assembly == NULL) {
    k->assembly = what->assembly;
    ICorDebugAssembly_AddRef(k->assembly);
  } else if (strcmp(what->name, "LoadModule") == 0) {
    g_autofree char *name = CLIENT_NAME(ICorDebugModule, what->module);
    if (strstr(name, "/Counter.") != NULL) {
      k->module = what->module;
      ICorDebugModule_AddRef(k->module);
    }
  }
  c->data = &k->b;
  then next = breaking_hook(c, what);
  c->data = k;
  if (next == STAY) {
    k->thread = what->thread;
    ICorDebugThread_AddRef(k->thread);
  }
  return next;
}

static void
check_identity(client *c, kept *k)
{
  ICorDebugAppDomain *domain;
  ICorDebugAssembly *assembly;
  ICorDebugAssemblyEnum *assemblies;
  ICorDebugModuleEnum *modules;
  ICorDebugModule *module;
  ICorDebugProcess *process;
  ICorDebugThread *thread;
  ICorDebugThreadEnum *threads;
  ICorDebugFunction *function, *again;
  ICorDebugClass *class;
  mdMethodDef token;
  ULONG count = 0;
  DWORD tid = 0;
  BOOL yes = TRUE;

  assert_ok(ICorDebugModule_GetAssembly(k->module, &assembly));
  assert_ok(ICorDebugAssembly_GetAppDomain(assembly, &domain));
  assert_ptr_equal(domain, k->domain);
  assert_ok(ICorDebugAssembly_EnumerateModules(assembly, &modules));
  assert_ok(ICorDebugModuleEnum_Next(modules, 1, &module, &count));
  assert_ptr_equal(module, k->module);
  ICorDebugModule_Release(module);
  ICorDebugModuleEnum_Release(modules);
  ICorDebugAppDomain_Release(domain);
  ICorDebugAssembly_Release(assembly);

  assert_ok(ICorDebugAppDomain_EnumerateAssemblies(k->domain, &assemblies));
  assert_ok(ICorDebugAssemblyEnum_Next(assemblies, 1, &assembly, &count));
  assert_ptr_equal(assembly, k->assembly);
  ICorDebugAssembly_Release(assembly);
  ICorDebugAssemblyEnum_Release(assemblies);

  assert_ok(ICorDebugAppDomain_GetProcess(k->domain, &process));
  assert_ptr_equal(process, c->process);
  ICorDebugProcess_Release(process);
  assert_ok(ICorDebugThread_GetID(k->thread, &tid));
  assert_ok(ICorDebugProcess_GetThread(c->process, tid, &thread));
  assert_ptr_equal(thread, k->thread);
  ICorDebugThread_Release(thread);
  assert_ok(ICorDebugProcess_EnumerateThreads(c->process, &threads));
  assert_ok(ICorDebugThreadEnum_GetCount(threads, &count));
  assert_true(count >= 1);
  ICorDebugThreadEnum_Release(threads);

  assert_ok(ICorDebugFunctionBreakpoint_GetFunction(k->b.breakpoints[0], &function));
  assert_ok(ICorDebugFunction_GetToken(function, &token));
  assert_ok(ICorDebugModule_GetFunctionFromToken(k->module, token, &again));
  assert_ptr_equal(function, again);
  assert_ok(ICorDebugFunction_GetClass(function, &class));
  mdTypeDef type = 0;
  assert_ok(ICorDebugClass_GetToken(class, &type));
  assert_int_equal(TypeFromToken(type), mdtTypeDef);
  ICorDebugClass_Release(class);
  ICorDebugFunction_Release(again);
  ICorDebugFunction_Release(function);

  g_autofree char *name = CLIENT_NAME(ICorDebugModule, k->module);
  g_autofree char *file = g_strconcat("/Counter", on_runtime()->ending, NULL);
  assert_true(g_str_has_suffix(name, file));
  g_autofree char *domain_name = CLIENT_NAME(ICorDebugAppDomain, k->domain);
  assert_true(strlen(domain_name) > 0);
  assert_ok(ICorDebugModule_IsDynamic(k->module, &yes));
  assert_false(yes);
  assert_ok(ICorDebugModule_IsInMemory(k->module, &yes));
  assert_false(yes);
}

/* The image's bytes, by base and size, are those of the file: they begin with MZ. */
static void
check_image(client *c, kept *k)
{
  CORDB_ADDRESS base = 0;
  ULONG32 size = 0;
  BYTE start[2];
  SIZE_T read;
  assert_ok(ICorDebugModule_GetBaseAddress(k->module, &base));
  assert_ok(ICorDebugModule_GetSize(k->module, &size));
  assert_true(base != 0 && size > 512);
  assert_ok(ICorDebugProcess_ReadMemory(c->process, base, 2, start, &read));
  assert_memory_equal(start, "MZ", 2);
  BYTE last;
  assert_ok(ICorDebugProcess_ReadMemory(c->process, base + size - 1, 1, &last, &read));
}

static void
check_neutered(kept *k)
{
  ULONG32 number;
  DWORD tid;
  BOOL yes;
  CORDB_ADDRESS base;
  ICorDebugAssembly *assembly = NULL;
  assert_hr(ICorDebugAppDomain_GetID(k->domain, &number), CORDBG_E_OBJECT_NEUTERED);
  assert_hr(ICorDebugAppDomain_Continue(k->domain, FALSE), CORDBG_E_OBJECT_NEUTERED);
  assert_hr(ICorDebugModule_GetBaseAddress(k->module, &base), CORDBG_E_OBJECT_NEUTERED);
  assert_hr(ICorDebugModule_GetAssembly(k->module, &assembly), CORDBG_E_OBJECT_NEUTERED);
  assert_null(assembly);
  assert_hr(ICorDebugThread_GetID(k->thread, &tid), CORDBG_E_OBJECT_NEUTERED);
  assert_hr(ICorDebugFunctionBreakpoint_IsActive(k->b.breakpoints[0], &yes),
            CORDBG_E_OBJECT_NEUTERED);
}

static void
objects_are_the_same_and_outlive_the_session(void **state)
{
  (void)state;
  program p;
  static client c;
  kept k = {.b = {.type = "Debuggees.Counter", .method = "Tick", .limit = 1}};
  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, keep_hook, &k);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "Breakpoint", 1);
  check_identity(&c, &k);
  check_image(&c, &k);
  assert_ok(ICorDebugProcess_Detach(c.process));
  check_neutered(&k);
  program_check_unharmed(&p);
  client_close(&c);
  /* Everything but these is released; they still answer. */
  check_neutered(&k);
  ICorDebugAppDomain_Release(k.domain);
  ICorDebugModule_Release(k.module);
  ICorDebugAssembly_Release(k.assembly);
  ICorDebugThread_Release(k.thread);
  breaking_drop(&k.b);
  program_end(&p);
}

/* ---- Errors ---- */

static void
calls_at_the_wrong_time(void **state)
{
  (void)state;
  program p;
  static client c;
  ICorDebug *bare;
  ICorDebugProcess *process = NULL;
  ICorDebugAppDomainEnum *domains = NULL;
  void *object = &p;
  assert_hr(CordbgCreate(&IID_ICorDebugProcess, &object), E_NOINTERFACE);
  assert_null(object);
  assert_hr(CordbgCreate(&IID_ICorDebug, NULL), E_INVALIDARG);
  assert_ok(CordbgCreate(&IID_IUnknown, (void **)&bare));
  assert_hr(ICorDebug_DebugActiveProcess(bare, 1, FALSE, &process), E_FAIL);
  assert_hr(ICorDebug_SetManagedHandler(bare, NULL), E_INVALIDARG);
  assert_ok(ICorDebug_Initialize(bare));
  assert_hr(ICorDebug_DebugActiveProcess(bare, 1, FALSE, &process), E_FAIL); /* no handler */
  assert_ok(ICorDebug_Terminate(bare));
  ICorDebug_Release(bare);

  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, NULL, NULL);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "CreateThread", 1);
  /* It runs as soon as the last replayed callback is continued. */
  BOOL queued = TRUE, running = FALSE;
  for (int tries = 0; tries < 2000 && (queued || !running); tries++) {
    client_await_continued(&c);
    assert_ok(ICorDebugProcess_Stop(c.process, 0));
    assert_ok(ICorDebugProcess_HasQueuedCallbacks(c.process, NULL, &queued));
    assert_ok(ICorDebugProcess_Continue(c.process, FALSE));
    assert_ok(ICorDebugProcess_IsRunning(c.process, &running));
  }
  assert_hr(ICorDebugProcess_EnumerateAppDomains(c.process, &domains),
            CORDBG_E_PROCESS_NOT_SYNCHRONIZED);
  assert_null(domains);
  assert_hr(ICorDebugProcess_Detach(c.process), CORDBG_E_PROCESS_NOT_SYNCHRONIZED);
  assert_hr(ICorDebugProcess_Continue(c.process, FALSE), CORDBG_E_SUPERFLOUS_CONTINUE);
  assert_hr(ICorDebugProcess_Continue(c.process, TRUE), CORDBG_E_SUPERFLOUS_CONTINUE);
  /* Stops count. */
  assert_ok(ICorDebugProcess_Stop(c.process, 0));
  assert_ok(ICorDebugProcess_Stop(c.process, 0));
  running = TRUE;
  assert_ok(ICorDebugProcess_Continue(c.process, FALSE));
  assert_ok(ICorDebugProcess_IsRunning(c.process, &running));
  assert_false(running);
  assert_ok(ICorDebugProcess_Continue(c.process, FALSE));
  assert_ok(ICorDebugProcess_IsRunning(c.process, &running));
  assert_true(running);

  assert_hr(client_attach(&c, p.pid, FALSE), CORDBG_E_DEBUGGER_ALREADY_ATTACHED);
  assert_hr(ICorDebugProcess_IsRunning(c.process, NULL), E_INVALIDARG);
  assert_hr(ICorDebugProcess_SetAllThreadsDebugState(c.process, THREAD_RUN, NULL), E_NOTIMPL);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

static void
attach_to_what_cannot_be_debugged(void **state)
{
  (void)state;
  static client c;
  program sleeper;
  char *argv[] = {(char *)"sh", (char *)"-c", (char *)"echo ready; exec sleep 60", NULL};
  program_start(&sleeper, argv);
  client_open(&c, NULL, NULL);
  assert_hr(client_attach(&c, sleeper.pid, FALSE), CORDBG_E_NOT_CLR);
  g_autofree char *pid = g_strdup_printf("process %d (", sleeper.pid);
  assert_non_null(strstr(cordbg_last_error(NULL, NULL, NULL), pid));
  program_check_unharmed(&sleeper);
  assert_hr(client_attach(&c, 0, FALSE), E_INVALIDARG);
  assert_hr(client_attach(&c, getpid(), FALSE), E_INVALIDARG);
  /* A pid that is no process: larger than any. */
  assert_hr(client_attach(&c, 0x7fffffff, FALSE), HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER));
  assert_null(c.process);
  client_close(&c);
  program_end(&sleeper);
}

static void
launch_of_what_cannot_be_debugged(void **state)
{
  (void)state;
  static client c;
  client_open(&c, NULL, NULL);
  char *missing[] = {(char *)"/nonexistent/program", NULL};
  HRESULT hr = client_launch(&c, missing, 0, -1);
  assert_true(FAILED(hr));
  assert_non_null(strstr(cordbg_last_error(NULL, NULL, NULL), "/nonexistent/program"));
  /* It ends before a runtime comes up. */
  char *unmanaged[] = {(char *)"/bin/true", NULL};
  hr = client_launch(&c, unmanaged, 0, -1);
  assert_true(FAILED(hr));
  assert_null(c.process);
  assert_int_equal(wait4(-1, NULL, WNOHANG, NULL), -1);
  client_close(&c);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CASE_ON_BOTH(detach_inside_a_callback),
      CASE_ON_BOTH(detach_inside_create_process),
      CASE_ON_BOTH(last_release_inside_a_callback_detaches),
      CASE_ON_BOTH(last_release_detaches),
      CASE_ON_BOTH(detach_and_attach_again),
      CASE_ON_BOTH(exit_code_is_collected_before_exit_process),
      CASE_ON_BOTH(terminate_ends_the_program),
      CASE_ON_BOTH(terminate_inside_a_callback),
      CASE_ON_BOTH(terminate_and_release),
      CASE_ON_BOTH(row_26_killed_from_outside),
      CASE_ON_BOTH(two_programs_from_one_client),
      CASE_ON_BOTH(row_29_tracer_is_killed),
      CASE_ON_BOTH(objects_are_the_same_and_outlive_the_session),
      CASE_ON_BOTH(calls_at_the_wrong_time),
      CLIENT_TEST(attach_to_what_cannot_be_debugged),
      CLIENT_TEST(launch_of_what_cannot_be_debugged),
  };
  return CLIENT_RUN(tests);
}
