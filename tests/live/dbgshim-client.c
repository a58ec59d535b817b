/* SPDX-License-Identifier: MIT */
/* See dbgshim-client.h. */
#include "dbgshim-client.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 60 };

shim_functions shim;
char shim_path[4096];
atomic_int waited_pid, waited_status;

const test_runtime on_mono = {"mono", "", ".exe", "mono"};
const test_runtime on_net = {"dotnet", "net/", ".dll", "/libcoreclr.so"};

bool
open_shim(const char *path)
{
  const char *libexec = getenv("CORDBG_LIBEXEC");
  const char *installed = getenv("CORDBG_TEST_DBGSHIM");
  if (path == NULL && installed != NULL)
    path = installed;
  if (path == NULL)
    snprintf(shim_path, sizeof shim_path, "%s/../.libs/libdbgshim.so",
             libexec ? libexec : "libexec");
  else
    snprintf(shim_path, sizeof shim_path, "%s", path);
  void *library = dlopen(shim_path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return false;
  }
#define LOOK_UP(name) shim.name = (__typeof__(name) *)dlsym(library, #name);
  SHIM_FUNCTIONS(LOOK_UP)
#undef LOOK_UP
  return true;
}

void *
find_in_cordbg(const char *name)
{
  void *library = dlopen("libcordbg.so.0", RTLD_NOW | RTLD_NOLOAD);
  return library != NULL ? dlsym(library, name) : NULL;
}

const char *
last_sentence(void)
{
  __typeof__(cordbg_last_error) *last =
      (__typeof__(cordbg_last_error) *)find_in_cordbg("cordbg_last_error");
  return last != NULL ? last(NULL, NULL, NULL) : "libcordbg is not loaded";
}

/* ---- The adapter's own waitpid ---- */

static atomic_int unfit_waits;

/* What an adapter's waitpid cannot bear (Samsung's netcoredbg, 3.1.2): it reads *status after every
 * success, and built for interop it refuses to block. The library may call it in no other way. */
static bool
is_from_library(const void *caller)
{
  Dl_info info;
  return dladdr(caller, &info) != 0 && strstr(info.dli_fname, "libcordbg") != NULL;
}

__attribute__((visibility("default"))) pid_t waitpid(pid_t pid, int *status, int options);

pid_t
waitpid(pid_t pid, int *status, int options)
{
  pid_t (*next)(pid_t, int *, int) = (pid_t(*)(pid_t, int *, int))dlsym(RTLD_NEXT, "waitpid");
  int mine = 0;
  if (is_from_library(__builtin_return_address(0)) && (status == NULL || options != WNOHANG))
    atomic_fetch_add(&unfit_waits, 1);
  pid_t result = next(pid, &mine, options);
  if (status != NULL)
    *status = mine;
  if (result > 0) {
    atomic_store(&waited_status, mine);
    atomic_store(&waited_pid, result);
  }
  return result;
}

/* ---- Programs ---- */

static bool
is_in_path(const char *program)
{
  const char *path = getenv("PATH");
  char candidate[4096];
  while (path != NULL && *path != '\0') {
    size_t length = strcspn(path, ":");
    snprintf(candidate, sizeof candidate, "%.*s/%s", (int)length, path, program);
    if (access(candidate, X_OK) == 0)
      return true;
    path += length + (path[length] == ':');
  }
  return false;
}

void
debuggee_of(const test_runtime *runtime, bool live, const char *name, char *path, size_t size)
{
  const char *root = getenv("CORDBG_DEBUGGEES");
  snprintf(path, size, "%s/%s%s%s%s", root ? root : "samples/debuggees",
           live ? "../../tests/live/" : "", runtime->folder, name, runtime->ending);
  if (runtime == &on_net && !is_in_path("dotnet")) {
    print_message("SKIP: dotnet is not installed\n");
    skip();
  }
  if (!is_in_path(runtime->program) || access(path, R_OK) != 0) {
    print_message("SKIP: %s cannot be run: mono or the compiled debuggee is missing\n", name);
    skip();
  }
}

void
command_of(const test_runtime *runtime, bool live, const char *name, const char *arguments,
           char *line, size_t size)
{
  char path[4096];
  debuggee_of(runtime, live, name, path, sizeof path);
  snprintf(line, size, "%s \"%s\"%s%s", runtime->program, path, arguments ? " " : "",
           arguments ? arguments : "");
}

pid_t
start_program(char *const *argv, int *output)
{
  char byte;
  int ends[2];
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives a failed test */
    dup2(ends[1], 1);
    execvp(argv[0], argv);
    _exit(127);
  }
  close(ends[1]);
  *output = ends[0];
  do
    assert_int_equal(read(ends[0], &byte, 1), 1);
  while (byte != '\n');
  return pid;
}

pid_t
start_debuggee(const test_runtime *runtime, const char *name, int *output)
{
  char path[4096];
  debuggee_of(runtime, false, name, path, sizeof path);
  return start_program((char *[]){(char *)(uintptr_t)runtime->program, path, NULL}, output);
}

void
end_child(pid_t pid)
{
  int status;
  kill(pid, SIGKILL);
  assert_int_equal(waitpid(pid, &status, 0), pid);
}

void
to_wide(const char *text, WCHAR *out, size_t capacity)
{
  size_t i = 0;
  for (; text[i] != '\0' && i + 1 < capacity; i++)
    out[i] = (WCHAR)(unsigned char)text[i];
  out[i] = 0;
}

/* ---- Waiting ---- */

static bool
wait_until(adapter *a, const int *counter, int value)
{
  struct timespec end;
  bool there;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += PATIENCE_S;
  pthread_mutex_lock(&a->lock);
  while (!(there = counter != NULL ? *counter >= value : a->exited))
    if (pthread_cond_timedwait(&a->changed, &a->lock, &end) != 0)
      break;
  pthread_mutex_unlock(&a->lock);
  return there;
}

void
await_count(adapter *a, const int *counter, int value)
{
  assert_true(wait_until(a, counter, value));
}

void
await_exit(adapter *a)
{
  assert_true(wait_until(a, NULL, 0));
}

/* ---- What cordbg calls ---- */

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

static mdMethodDef
token_of(ICorDebugBreakpoint *breakpoint)
{
  ICorDebugFunctionBreakpoint *on_function = NULL;
  ICorDebugFunction *function = NULL;
  mdMethodDef token = 0;
  if (FAILED(ICorDebugBreakpoint_QueryInterface(breakpoint, &IID_ICorDebugFunctionBreakpoint,
                                                (void **)&on_function)))
    return 0;
  if (SUCCEEDED(ICorDebugFunctionBreakpoint_GetFunction(on_function, &function))) {
    ICorDebugFunction_GetToken(function, &token);
    ICorDebugFunction_Release(function);
  }
  ICorDebugFunctionBreakpoint_Release(on_function);
  return token;
}

static bool
on_breakpoint(void *data, ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint)
{
  adapter *a = data;
  mdMethodDef token = token_of(breakpoint);
  bool go_on = a->at_hit == NULL || a->at_hit(a, thread, breakpoint);
  pthread_mutex_lock(&a->lock);
  if (a->hits < (int)(sizeof a->hit_tokens / sizeof a->hit_tokens[0]))
    a->hit_tokens[a->hits] = token;
  a->hits++;
  pthread_cond_broadcast(&a->changed);
  pthread_mutex_unlock(&a->lock);
  return go_on;
}

static mdMethodDef
set_breakpoint(const char *type_name, const char *name, ICorDebugModule *module,
               IMetaDataImport *import, bool unbroken)
{
  WCHAR wide_type[256], wide[256];
  ICorDebugFunction *function = NULL;
  ICorDebugFunctionBreakpoint *breakpoint = NULL;
  mdTypeDef type = 0;
  mdMethodDef method = 0;
  to_wide(type_name, wide_type, 256);
  to_wide(name, wide, 256);
  if (FAILED(IMetaDataImport_FindTypeDefByName(import, wide_type, 0, &type)) ||
      FAILED(IMetaDataImport_FindMethod(import, type, wide, NULL, 0, &method)) ||
      FAILED(ICorDebugModule_GetFunctionFromToken(module, method, &function)))
    return 0;
  if (!unbroken && SUCCEEDED(ICorDebugFunction_CreateBreakpoint(function, &breakpoint)))
    ICorDebugFunctionBreakpoint_Release(breakpoint);
  ICorDebugFunction_Release(function);
  return method;
}

static bool
on_load_module(void *data, ICorDebugModule *module)
{
  adapter *a = data;
  IMetaDataImport *import = NULL;
  if (a->type != NULL && SUCCEEDED(ICorDebugModule_GetMetaDataInterface(
                             module, &IID_IMetaDataImport, (IUnknown **)&import))) {
    mdMethodDef token = set_breakpoint(a->type, a->method, module, import, a->unbroken);
    mdMethodDef also =
        a->also != NULL ? set_breakpoint(a->type, a->also, module, import, a->unbroken) : 0;
    if (token != 0 && a->module == NULL) {
      ICorDebugModule_AddRef(module);
      a->module = module;
    }
    a->method_token = token != 0 ? token : a->method_token;
    a->also_token = also != 0 ? also : a->also_token;
    IMetaDataImport_Release(import);
  }
  pthread_mutex_lock(&a->lock);
  a->modules++;
  pthread_cond_broadcast(&a->changed);
  pthread_mutex_unlock(&a->lock);
  return true;
}

HRESULT
attach(adapter *a, IUnknown *unknown)
{
  HRESULT hr = unknown->lpVtbl->QueryInterface(unknown, &IID_ICorDebug, (void **)&a->cordebug);
  unknown->lpVtbl->Release(unknown);
  if (FAILED(hr))
    return hr;
  a->hooks.data = a;
  a->hooks.load_module = on_load_module;
  a->hooks.breakpoint = on_breakpoint;
  a->hooks.ended = on_ended;
  a->hooks.ended_data = a;
  ICorDebug_Initialize(a->cordebug);
  ICorDebugManagedCallback *managed = sample_managed_callback(&a->hooks);
  ICorDebug_SetManagedHandler(a->cordebug, managed);
  ICorDebugManagedCallback_Release(managed);
  hr = ICorDebug_DebugActiveProcess(a->cordebug, a->pid, FALSE, &a->process);
  if (FAILED(hr))
    print_message("DebugActiveProcess: 0x%08x: %s\n", (unsigned)hr, last_sentence());
  return hr;
}

void
detach(adapter *a)
{
  assert_int_equal(ICorDebugProcess_Stop(a->process, 0), S_OK);
  assert_int_equal(ICorDebugProcess_Detach(a->process), S_OK);
}

/* netcoredbg looks for the runtime's path in the callback, and takes only what is ready. */
static int
count_runtimes(DWORD pid)
{
  HANDLE *handles = NULL;
  LPWSTR *paths = NULL;
  DWORD count = 0;
  int ready = 0;
  if (FAILED(shim.EnumerateCLRs(pid, &handles, &paths, &count)))
    return -1;
  for (DWORD i = 0; i < count; i++)
    ready += handles[i] != INVALID_HANDLE_VALUE && paths[i][0] == '/';
  shim.CloseCLREnumeration(handles, paths, count);
  return ready;
}

static void
on_startup(IUnknown *cordebug, PVOID parameter, HRESULT hr)
{
  adapter *a = parameter;
  HRESULT attached = E_UNEXPECTED;
  if (FAILED(hr))
    print_message("the callback got 0x%08x: %s\n", (unsigned)hr, last_sentence());
  if (cordebug != NULL)
    a->runtimes = count_runtimes(a->pid);
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

/* ---- The adapter's own calls ---- */

adapter *
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

void
adapter_free(adapter *a)
{
  if (a->module != NULL)
    ICorDebugModule_Release(a->module);
  if (a->process != NULL)
    ICorDebugProcess_Release(a->process);
  if (a->cordebug != NULL)
    ICorDebug_Release(a->cordebug);
  pthread_mutex_destroy(&a->lock);
  pthread_cond_destroy(&a->changed);
  free(a);
  assert_int_equal(atomic_load(&unfit_waits), 0);
}

HANDLE
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

HRESULT
enlist(adapter *a)
{
  pthread_mutex_lock(&a->lock);
  HRESULT hr = shim.RegisterForRuntimeStartup(a->pid, on_startup, a, &a->token);
  pthread_mutex_unlock(&a->lock);
  return hr;
}

void
launch_and_attach(adapter *a, const char *line)
{
  a->unregister_inside = true; /* as netcoredbg does */
  HANDLE resume = launch(a, line, true);
  assert_int_equal(enlist(a), S_OK);
  assert_int_equal(a->callbacks, 0);
  assert_int_equal(shim.ResumeProcess(resume), S_OK);
  assert_int_equal(shim.CloseResumeHandle(resume), S_OK);
  await_count(a, &a->callbacks, 1);
  assert_int_equal(a->result, S_OK);
  assert_int_equal(a->attached, S_OK);
  assert_int_equal(a->runtimes, 1);
  assert_false(pthread_equal(a->callback_thread, pthread_self()));
}

void
expect_exit_code(const adapter *a, int code)
{
  assert_int_equal(atomic_load(&waited_pid), a->pid);
  assert_true(WIFEXITED(atomic_load(&waited_status)));
  assert_int_equal(WEXITSTATUS(atomic_load(&waited_status)), code);
}
