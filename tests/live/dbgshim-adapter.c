/* SPDX-License-Identifier: MIT */
/*
 * An adapter in small: libdbgshim.so by dlopen, and nothing of cordbg's that is not in a public
 * header. Like existing adapters it has a waitpid of its own, in which it looks for exit codes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "callback.h"
#include "cordbg/cormeta.h"
#include "cordbg/dbgshim.h"

#define SHIM_FUNCTIONS(X)                                                                          \
  X(CLRCreateInstance)                                                                             \
  X(CloseCLREnumeration)                                                                           \
  X(CloseResumeHandle)                                                                             \
  X(CreateDebuggingInterfaceFromVersion)                                                           \
  X(CreateDebuggingInterfaceFromVersion2)                                                          \
  X(CreateDebuggingInterfaceFromVersion3)                                                          \
  X(CreateDebuggingInterfaceFromVersionEx)                                                         \
  X(CreateProcessForLaunch)                                                                        \
  X(CreateVersionStringFromModule)                                                                 \
  X(EnumerateCLRs)                                                                                 \
  X(GetStartupNotificationEvent)                                                                   \
  X(RegisterForRuntimeStartup)                                                                     \
  X(RegisterForRuntimeStartup3)                                                                    \
  X(RegisterForRuntimeStartupEx)                                                                   \
  X(RegisterForRuntimeStartupRemotePort)                                                           \
  X(ResumeProcess)                                                                                 \
  X(SetCDacLoadPolicy)                                                                             \
  X(UnregisterForRuntimeStartup)

static struct {
#define MEMBER(name) __typeof__(name) *name;
  SHIM_FUNCTIONS(MEMBER)
#undef MEMBER
} shim;

static const char *const shim_names[] = {
#define NAME(name) #name,
    SHIM_FUNCTIONS(NAME)
#undef NAME
};

static char library_path[4096];

static bool
open_shim(const char *path)
{
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return false;
  }
#define LOOK_UP(name) shim.name = (__typeof__(name) *)dlsym(library, #name);
  SHIM_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
  return true;
}

/* ---- The adapter's own waitpid ---- */

static atomic_int waited_pid, waited_status;

__attribute__((visibility("default"))) pid_t waitpid(pid_t pid, int *status, int options);

pid_t
waitpid(pid_t pid, int *status, int options)
{
  pid_t (*next)(pid_t, int *, int) = (pid_t(*)(pid_t, int *, int))dlsym(RTLD_NEXT, "waitpid");
  int mine = 0;
  pid_t result = next(pid, &mine, options);
  if (status != NULL)
    *status = mine;
  if (result > 0) {
    atomic_store(&waited_status, mine);
    atomic_store(&waited_pid, result);
  }
  return result;
}

/* ---- What happens on cordbg's threads, and waiting for it ---- */

typedef struct adapter {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  PVOID token;
  DWORD pid;
  bool unregister_inside;
  bool attach;
  HRESULT attached;
  int callbacks;
  HRESULT result;
  pthread_t callback_thread;
  bool exited;
  int hits;
  ICorDebug *cordebug;
  ICorDebugProcess *process;
  sample_hooks hooks;
} adapter;

static void
await(adapter *a, const int *counter, int value)
{
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += 20;
  pthread_mutex_lock(&a->lock);
  while (*counter < value)
    if (pthread_cond_timedwait(&a->changed, &a->lock, &end) != 0)
      break;
  int seen = *counter;
  pthread_mutex_unlock(&a->lock);
  assert_true(seen >= value);
}

static void
await_exit(adapter *a)
{
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += 20;
  pthread_mutex_lock(&a->lock);
  while (!a->exited)
    if (pthread_cond_timedwait(&a->changed, &a->lock, &end) != 0)
      break;
  bool exited = a->exited;
  pthread_mutex_unlock(&a->lock);
  assert_true(exited);
}

/* Behind ExitProcess: nothing of the adapter is called any more. */
static void
on_ended(void *data)
{
  adapter *a = data;
  pthread_mutex_lock(&a->lock);
  a->exited = true;
  pthread_cond_broadcast(&a->changed);
  pthread_mutex_unlock(&a->lock);
}

static bool
on_breakpoint(void *data, ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint)
{
  adapter *a = data;
  (void)thread;
  (void)breakpoint;
  pthread_mutex_lock(&a->lock);
  a->hits++;
  pthread_cond_broadcast(&a->changed);
  pthread_mutex_unlock(&a->lock);
  return true;
}

static bool
on_load_module(void *data, ICorDebugModule *module)
{
  IMetaDataImport *import = NULL;
  ICorDebugFunction *function = NULL;
  ICorDebugFunctionBreakpoint *breakpoint = NULL;
  mdTypeDef type = 0;
  mdMethodDef method = 0;
  (void)data;
  if (FAILED(
          ICorDebugModule_GetMetaDataInterface(module, &IID_IMetaDataImport, (IUnknown **)&import)))
    return true;
  if (SUCCEEDED(
          IMetaDataImport_FindTypeDefByName(import, (LPCWSTR)u"Debuggees.ShimExit", 0, &type)) &&
      SUCCEEDED(IMetaDataImport_FindMethod(import, type, (LPCWSTR)u"Main", NULL, 0, &method)) &&
      SUCCEEDED(ICorDebugModule_GetFunctionFromToken(module, method, &function))) {
    if (SUCCEEDED(ICorDebugFunction_CreateBreakpoint(function, &breakpoint)))
      ICorDebugFunctionBreakpoint_Release(breakpoint);
    ICorDebugFunction_Release(function);
  }
  IMetaDataImport_Release(import);
  return true;
}

static HRESULT
attach(adapter *a, IUnknown *unknown)
{
  HRESULT hr = unknown->lpVtbl->QueryInterface(unknown, &IID_ICorDebug, (void **)&a->cordebug);
  unknown->lpVtbl->Release(unknown);
  if (FAILED(hr))
    return hr;
  a->hooks = (sample_hooks){.data = a,
                            .load_module = on_load_module,
                            .breakpoint = on_breakpoint,
                            .ended = on_ended,
                            .ended_data = a};
  ICorDebug_Initialize(a->cordebug);
  ICorDebugManagedCallback *managed = sample_managed_callback(&a->hooks);
  ICorDebug_SetManagedHandler(a->cordebug, managed);
  ICorDebugManagedCallback_Release(managed);
  return ICorDebug_DebugActiveProcess(a->cordebug, a->pid, FALSE, &a->process);
}

static void
on_startup(IUnknown *cordebug, PVOID parameter, HRESULT hr)
{
  adapter *a = parameter;
  HRESULT attached = E_UNEXPECTED;
  if (FAILED(hr)) { /* said, where the adapter knows whom to ask */
    void *library = dlopen("libcordbg.so.0", RTLD_NOW | RTLD_NOLOAD);
    __typeof__(cordbg_last_error) *last =
        (__typeof__(cordbg_last_error) *)dlsym(library, "cordbg_last_error");
    print_message("the callback got 0x%08x: %s\n", (unsigned)hr, last(NULL, NULL, NULL));
  }
  if (cordebug != NULL && a->attach)
    attached = attach(a, cordebug);
  else if (cordebug != NULL)
    cordebug->lpVtbl->Release(cordebug);
  pthread_mutex_lock(&a->lock);
  PVOID token = a->unregister_inside ? a->token : NULL;
  pthread_mutex_unlock(&a->lock);
  if (token != NULL)
    shim.UnregisterForRuntimeStartup(token);
  pthread_mutex_lock(&a->lock);
  a->callbacks++;
  a->result = hr;
  a->attached = attached;
  a->callback_thread = pthread_self();
  pthread_cond_broadcast(&a->changed);
  pthread_mutex_unlock(&a->lock);
}

static adapter *
adapter_new(bool to_attach)
{
  adapter *a = calloc(1, sizeof *a);
  pthread_mutex_init(&a->lock, NULL);
  pthread_cond_init(&a->changed, NULL);
  a->attach = to_attach;
  a->result = E_UNEXPECTED;
  atomic_store(&waited_pid, 0);
  return a;
}

static void
adapter_free(adapter *a)
{
  if (a->process != NULL)
    ICorDebugProcess_Release(a->process);
  if (a->cordebug != NULL)
    ICorDebug_Release(a->cordebug);
  pthread_mutex_destroy(&a->lock);
  pthread_cond_destroy(&a->changed);
  free(a);
}

/* ---- Programs ---- */

static void
to_wide(const char *text, WCHAR *out, size_t capacity)
{
  size_t i = 0;
  for (; text[i] != '\0' && i + 1 < capacity; i++)
    out[i] = (WCHAR)(unsigned char)text[i];
  out[i] = 0;
}

static void
debuggee(const char *folder, const char *name, char *path, size_t size)
{
  const char *root = getenv("CORDBG_DEBUGGEES");
  snprintf(path, size, "%s/%s%s", root ? root : "samples/debuggees", folder, name);
  if (access("/usr/bin/mono", X_OK) != 0 || access(path, R_OK) != 0) {
    print_message("SKIP: %s cannot be run: mono or the compiled debuggee is missing\n", name);
    skip();
  }
}

static HANDLE
launch(adapter *a, const char *line, bool suspended)
{
  WCHAR wide[4096];
  HANDLE resume = NULL;
  to_wide(line, wide, 4096);
  assert_int_equal(shim.CreateProcessForLaunch(wide, suspended, NULL, NULL, &a->pid, &resume),
                   S_OK);
  assert_int_not_equal(a->pid, 0);
  assert_non_null(resume);
  return resume;
}

static HRESULT
enlist(adapter *a)
{
  pthread_mutex_lock(&a->lock);
  HRESULT hr = shim.RegisterForRuntimeStartup(a->pid, on_startup, a, &a->token);
  pthread_mutex_unlock(&a->lock);
  return hr;
}

static pid_t
start_counter(int *output)
{
  char path[4096], byte;
  int ends[2];
  debuggee("", "Counter.exe", path, sizeof path);
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], 1);
    execlp("mono", "mono", path, (char *)NULL);
    _exit(127);
  }
  close(ends[1]);
  *output = ends[0];
  do
    assert_int_equal(read(ends[0], &byte, 1), 1);
  while (byte != '\n');
  return pid;
}

static void
end_child(pid_t pid)
{
  int status;
  kill(pid, SIGKILL);
  assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* ---- Tests ---- */

static int
compare_names(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
exactly_the_documented_names_are_exported(void **state)
{
  char command[4200], line[512], name[256];
  const char *expected[sizeof shim_names / sizeof shim_names[0]];
  size_t count = 0, total = sizeof shim_names / sizeof shim_names[0];
  (void)state;
  memcpy(expected, shim_names, sizeof shim_names);
  qsort(expected, total, sizeof expected[0], compare_names);
  snprintf(command, sizeof command, "nm -D --defined-only '%s' | sed 's/@.*//' | LC_ALL=C sort -k3",
           library_path);
  FILE *names = popen(command, "re");
  assert_non_null(names);
  while (fgets(line, sizeof line, names) != NULL) {
    char kind;
    if (sscanf(line, "%*s %c %255s", &kind, name) != 2 || kind != 'T')
      continue; /* the version's own name is absolute */
    assert_true(count < total);
    assert_string_equal(name, expected[count]);
    count++;
  }
  pclose(names);
  assert_int_equal(count, total);
}

static void
a_breakpoint_in_main_of_a_launched_program_is_hit_and_its_exit_code_seen(void **state)
{
  char path[4096], line[4200];
  (void)state;
  debuggee("../../tests/live/", "ShimExit.exe", path, sizeof path);
  snprintf(line, sizeof line, "mono \"%s\"", path);
  adapter *a = adapter_new(true);
  a->unregister_inside = true; /* as netcoredbg does */
  HANDLE resume = launch(a, line, true);
  assert_int_equal(enlist(a), S_OK);
  assert_int_equal(a->callbacks, 0);
  assert_int_equal(shim.ResumeProcess(resume), S_OK);
  assert_int_equal(shim.CloseResumeHandle(resume), S_OK);
  await(a, &a->callbacks, 1);
  assert_int_equal(a->result, S_OK);
  assert_int_equal(a->attached, S_OK);
  assert_false(pthread_equal(a->callback_thread, pthread_self()));
  await_exit(a);
  assert_int_equal(a->hits, 1);
  assert_int_equal(a->callbacks, 1);
  assert_int_equal(atomic_load(&waited_pid), a->pid);
  assert_true(WIFEXITED(atomic_load(&waited_status)));
  assert_int_equal(WEXITSTATUS(atomic_load(&waited_status)), 42);
  adapter_free(a);
}

static void
a_process_that_nobody_attaches_to_in_the_callback_runs_on(void **state)
{
  char path[4096], line[4200];
  int status;
  (void)state;
  debuggee("../../tests/live/", "ShimExit.exe", path, sizeof path);
  snprintf(line, sizeof line, "mono \"%s\"", path);
  adapter *a = adapter_new(false);
  HANDLE resume = launch(a, line, true);
  assert_int_equal(enlist(a), S_OK);
  assert_int_equal(shim.ResumeProcess(resume), S_OK);
  assert_int_equal(shim.ResumeProcess(resume), S_OK);
  assert_int_equal(shim.CloseResumeHandle(resume), S_OK);
  await(a, &a->callbacks, 1);
  assert_int_equal(a->result, S_OK);
  assert_int_equal(shim.UnregisterForRuntimeStartup(a->token), S_OK);
  assert_int_equal(waitpid((pid_t)a->pid, &status, 0), a->pid);
  assert_int_equal(WEXITSTATUS(status), 42);
  adapter_free(a);
}

static void
a_program_that_ends_without_a_runtime_is_told_and_reaped(void **state)
{
  (void)state;
  adapter *a = adapter_new(true);
  HANDLE resume = launch(a, "sh -c \"exit 7\"", true);
  assert_int_equal(enlist(a), S_OK);
  assert_int_equal(shim.ResumeProcess(resume), S_OK);
  await(a, &a->callbacks, 1);
  assert_int_equal(a->result, CORDBG_E_PROCESS_TERMINATED);
  assert_int_equal(shim.UnregisterForRuntimeStartup(a->token), S_OK);
  assert_int_equal(shim.CloseResumeHandle(resume), S_OK);
  assert_int_equal(atomic_load(&waited_pid), a->pid);
  assert_int_equal(WEXITSTATUS(atomic_load(&waited_status)), 7);
  adapter_free(a);
}

static void
unregistering_while_waiting_lets_the_program_run_on_without_a_call(void **state)
{
  int status;
  (void)state;
  adapter *a = adapter_new(true);
  HANDLE resume = launch(a, "sleep 1000", true);
  assert_int_equal(enlist(a), S_OK);
  /* Before it is resumed: it stays suspended, and can be waited for anew. */
  adapter *second = adapter_new(true);
  second->pid = a->pid;
  assert_int_equal(enlist(second), HRESULT_FROM_WIN32(ERROR_ALREADY_EXISTS));
  assert_int_equal(shim.UnregisterForRuntimeStartup(a->token), S_OK);
  assert_int_equal(enlist(second), S_OK);
  assert_int_equal(shim.ResumeProcess(resume), S_OK);
  assert_int_equal(shim.UnregisterForRuntimeStartup(second->token), S_OK);
  assert_int_equal(a->callbacks + second->callbacks, 0);
  assert_int_equal(waitpid((pid_t)a->pid, &status, WNOHANG), 0); /* it lives */
  assert_int_equal(shim.CloseResumeHandle(resume), S_OK);
  end_child((pid_t)a->pid);
  adapter_free(a);
  adapter_free(second);
}

static void
a_program_that_is_not_suspended_runs_at_once(void **state)
{
  int status;
  (void)state;
  adapter *a = adapter_new(false);
  HANDLE resume = launch(a, "sh -c \"exit 3\"", false);
  assert_int_equal(waitpid((pid_t)a->pid, &status, 0), a->pid);
  assert_int_equal(WEXITSTATUS(status), 3);
  assert_int_equal(shim.ResumeProcess(resume), S_OK);
  assert_int_equal(shim.CloseResumeHandle(resume), S_OK);
  adapter_free(a);
}

static void
a_running_program_is_enumerated_named_and_attached_to(void **state)
{
  HANDLE *handles = NULL;
  LPWSTR *paths = NULL;
  DWORD count = 0, length = 0;
  WCHAR version[100];
  IUnknown *unknown = NULL;
  int output;
  (void)state;
  adapter *a = adapter_new(true);
  a->pid = (DWORD)start_counter(&output);
  assert_int_equal(shim.EnumerateCLRs(a->pid, &handles, &paths, &count), S_OK);
  assert_int_equal(count, 1);
  assert_ptr_equal(handles[0], INVALID_HANDLE_VALUE);
  assert_int_equal(paths[0][0], '/');
  assert_int_equal(shim.CreateVersionStringFromModule(a->pid, paths[0], NULL, 0, &length),
                   HRESULT_FROM_WIN32(ERROR_INSUFFICIENT_BUFFER));
  assert_int_equal(length, 35);
  assert_int_equal(shim.CreateVersionStringFromModule(a->pid, paths[0], version, 100, &length),
                   S_OK);
  assert_int_equal(version[8], ';');
  assert_int_equal(version[17], ';');
  assert_int_equal(version[34], 0);
  assert_int_equal(
      shim.CreateVersionStringFromModule(a->pid, (LPCWSTR)u"/bin/true", version + 50, 40, NULL),
      HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND));
  assert_int_equal(shim.CloseCLREnumeration(handles, paths, count + 1), E_INVALIDARG);
  assert_int_equal(shim.CloseCLREnumeration(handles, paths, count), S_OK);

  assert_int_equal(
      shim.CreateDebuggingInterfaceFromVersionEx(CorDebugVersion_1_1, version, &unknown),
      E_INVALIDARG);
  assert_int_equal(
      shim.CreateDebuggingInterfaceFromVersionEx(CorDebugVersion_4_0, version, &unknown), S_OK);
  assert_int_equal(attach(a, unknown), S_OK);
  assert_int_equal(ICorDebugProcess_Stop(a->process, 0), S_OK);
  assert_int_equal(ICorDebugProcess_Detach(a->process), S_OK);
  version[20] = version[20] == 'f' ? 'e' : 'f'; /* another module */
  assert_int_equal(shim.CreateDebuggingInterfaceFromVersion(version, &unknown),
                   CORDBG_E_DEBUG_COMPONENT_MISSING);
  assert_null(unknown);
  version[8] = '.';
  assert_int_equal(shim.CreateDebuggingInterfaceFromVersion2(3, version, NULL, &unknown),
                   E_INVALIDARG);
  end_child((pid_t)a->pid);
  close(output);
  adapter_free(a);
}

static void
a_registration_for_a_running_program_calls_back_at_once(void **state)
{
  int output;
  (void)state;
  adapter *a = adapter_new(true);
  a->pid = (DWORD)start_counter(&output);
  assert_int_equal(enlist(a), S_OK);
  await(a, &a->callbacks, 1);
  assert_int_equal(a->result, S_OK);
  assert_int_equal(a->attached, S_OK);
  assert_int_equal(shim.UnregisterForRuntimeStartup(a->token), S_OK);
  assert_int_equal(ICorDebugProcess_Stop(a->process, 0), S_OK);
  assert_int_equal(ICorDebugProcess_Detach(a->process), S_OK);
  end_child((pid_t)a->pid);
  close(output);
  adapter_free(a);
}

/* Until somebody traces the process: nothing tells of it but the kernel's word. */
static void
await_tracer(pid_t pid)
{
  char path[64], line[256];
  int tracer = 0;
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  for (int i = 0; i < 10000 && tracer == 0; i++) {
    FILE *status = fopen(path, "re");
    assert_non_null(status);
    while (fgets(line, sizeof line, status) != NULL)
      sscanf(line, "TracerPid: %d", &tracer);
    fclose(status);
    if (tracer == 0)
      nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  assert_int_not_equal(tracer, 0);
}

static void
a_running_program_whose_runtime_comes_later_is_waited_for(void **state)
{
  char path[4096], line[4400];
  int ends[2], status;
  (void)state;
  debuggee("../../tests/live/", "ShimExit.exe", path, sizeof path);
  snprintf(line, sizeof line, "read x; exec mono '%s'", path);
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  adapter *a = adapter_new(true);
  pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[0], 0);
    execl("/bin/sh", "sh", "-c", line, (char *)NULL);
    _exit(127);
  }
  close(ends[0]);
  a->pid = (DWORD)pid;
  assert_int_equal(enlist(a), S_OK);
  await_tracer(pid);
  assert_int_equal(write(ends[1], "\n", 1), 1);
  close(ends[1]);
  await(a, &a->callbacks, 1);
  assert_int_equal(a->result, S_OK);
  assert_int_equal(a->attached, S_OK);
  assert_int_equal(shim.UnregisterForRuntimeStartup(a->token), S_OK);
  await_exit(a);
  assert_int_equal(waitpid(pid, &status, 0), pid); /* ours, not the library's, to collect */
  assert_int_equal(WEXITSTATUS(status), 42);
  adapter_free(a);
}

static void
what_cannot_be_is_refused_with_its_code(void **state)
{
  HANDLE handle = NULL, *handles;
  LPWSTR *paths;
  DWORD pid = 1, count = 1;
  PVOID token = NULL;
  WCHAR missing[64];
  void *object = NULL;
  (void)state;
  to_wide("/nonexistent/program", missing, 64);
  assert_int_equal(shim.CreateProcessForLaunch(missing, TRUE, NULL, NULL, &pid, &handle),
                   HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND));
  assert_int_equal(pid, 0);
  assert_null(handle);
  assert_int_equal(shim.CreateProcessForLaunch(NULL, TRUE, NULL, NULL, &pid, &handle),
                   E_INVALIDARG);
  assert_int_equal(shim.ResumeProcess(&pid), HRESULT_FROM_WIN32(ERROR_INVALID_HANDLE));
  assert_int_equal(shim.CloseResumeHandle(NULL), HRESULT_FROM_WIN32(ERROR_INVALID_HANDLE));
  assert_int_equal(shim.RegisterForRuntimeStartupEx(INT32_MAX, NULL, on_startup, NULL, &token),
                   HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER));
  assert_int_equal(shim.RegisterForRuntimeStartup3(1, NULL, NULL, NULL, NULL, &token),
                   E_INVALIDARG);
  assert_int_equal(shim.UnregisterForRuntimeStartup(&pid), E_INVALIDARG);
  assert_int_equal(shim.UnregisterForRuntimeStartup(NULL), S_OK);
  assert_int_equal(shim.EnumerateCLRs(INT32_MAX, &handles, &paths, &count),
                   HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER));
  assert_int_equal(shim.EnumerateCLRs((DWORD)getpid(), &handles, &paths, &count), S_OK);
  assert_int_equal(count, 0);
  assert_int_equal(shim.CloseCLREnumeration(NULL, NULL, 0), S_OK);
  assert_int_equal(shim.GetStartupNotificationEvent(1, &handle), E_NOTIMPL);
  assert_int_equal(shim.RegisterForRuntimeStartupRemotePort(NULL, 0, NULL, FALSE, NULL, NULL, NULL),
                   E_NOTIMPL);
  assert_int_equal(shim.SetCDacLoadPolicy(CDacLoadPolicy_PreferCDac), S_OK);
  assert_int_equal(shim.SetCDacLoadPolicy(CDacLoadPolicy_CDacOnly), E_NOTIMPL);
  assert_int_equal(shim.SetCDacLoadPolicy((CDacLoadPolicy)3), E_INVALIDARG);
  assert_int_equal(shim.CLRCreateInstance(&CLSID_CLRDebugging, &IID_ICLRMetaHost, &object),
                   E_NOINTERFACE);
  assert_int_equal(shim.CLRCreateInstance(&CLSID_CLRDebugging, &IID_ICLRDebugging, &object), S_OK);
  ICLRDebugging *debugging = object;
  assert_int_equal(debugging->lpVtbl->CanUnloadNow(debugging, NULL), E_NOTIMPL);
  assert_int_equal(debugging->lpVtbl->Release(debugging), 0);
}

/* Runs this program anew, `--enumerate LIBRARY`: its exit code says what the copy answered. */
static int
try_copy(const char *copy, const char *folders)
{
  int status;
  pid_t pid = fork();
  if (pid == 0) {
    if (folders != NULL)
      setenv("LD_LIBRARY_PATH", folders, 1);
    else
      unsetenv("LD_LIBRARY_PATH");
    execl("/proc/self/exe", "test-dbgshim", "--enumerate", copy, (char *)NULL);
    _exit(127);
  }
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static void
a_copy_alone_in_an_adapters_folder_finds_the_library(void **state)
{
  char folder[] = "/tmp/dbgshim-copy-XXXXXX", copy[128], command[8400], built[4096], beside[128];
  (void)state;
  assert_non_null(mkdtemp(folder));
  snprintf(copy, sizeof copy, "%s/libdbgshim.so", folder);
  snprintf(beside, sizeof beside, "%s/libcordbg.so.0", folder);
  assert_non_null(realpath(library_path, built));
  *strrchr(built, '/') = '\0';
  snprintf(command, sizeof command, "cp '%s' '%s'", library_path, copy);
  assert_int_equal(system(command), 0);
  assert_int_equal(try_copy(copy, built), 0); /* where the dynamic linker finds it */
  if (getenv("CORDBG_TEST_INSTALLED") == NULL)
    assert_int_equal(try_copy(copy, NULL), 3); /* nowhere: said so, no crash */
  snprintf(command, sizeof command, "%s/libcordbg.so.0", built);
  assert_int_equal(symlink(command, beside), 0);
  assert_int_equal(try_copy(copy, NULL), 0); /* beside it */
  unlink(beside);
  unlink(copy);
  assert_int_equal(rmdir(folder), 0);
}

/* 0: the copy works; 3: it says that libcordbg is missing. */
static int
enumerate_by(const char *path)
{
  HANDLE *handles;
  LPWSTR *paths;
  DWORD count = 1;
  if (!open_shim(path))
    return 2;
  HRESULT hr = shim.EnumerateCLRs((DWORD)getpid(), &handles, &paths, &count);
  return hr == S_OK && count == 0 ? 0 : hr == CORDBG_E_DEBUG_COMPONENT_MISSING ? 3 : 1;
}

int
main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(exactly_the_documented_names_are_exported),
      cmocka_unit_test(a_breakpoint_in_main_of_a_launched_program_is_hit_and_its_exit_code_seen),
      cmocka_unit_test(a_process_that_nobody_attaches_to_in_the_callback_runs_on),
      cmocka_unit_test(a_program_that_ends_without_a_runtime_is_told_and_reaped),
      cmocka_unit_test(unregistering_while_waiting_lets_the_program_run_on_without_a_call),
      cmocka_unit_test(a_program_that_is_not_suspended_runs_at_once),
      cmocka_unit_test(a_running_program_is_enumerated_named_and_attached_to),
      cmocka_unit_test(a_registration_for_a_running_program_calls_back_at_once),
      cmocka_unit_test(a_running_program_whose_runtime_comes_later_is_waited_for),
      cmocka_unit_test(what_cannot_be_is_refused_with_its_code),
      cmocka_unit_test(a_copy_alone_in_an_adapters_folder_finds_the_library),
  };
  if (argc == 3 && strcmp(argv[1], "--enumerate") == 0)
    return enumerate_by(argv[2]);
  const char *libexec = getenv("CORDBG_LIBEXEC");
  snprintf(library_path, sizeof library_path, "%s/../.libs/libdbgshim.so",
           libexec ? libexec : "libexec");
  if (!open_shim(library_path))
    return 1;
  return cmocka_run_group_tests_name("dbgshim", tests, NULL, NULL);
}
