/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "icordebug-client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cordbg/com/object.h"

enum { PATIENCE_S = 60, COUNTED_S = 300, LAST_TOLD = 20 };

/* ---- Leaks ---- */

static size_t objects_before;
static client *open_client;
static bool poisoned; /* a failed test's session cannot be ended: what follows means nothing */
static GPid left_running[4]; /* programs that a failed test left behind */

static void
note_program(GPid pid, bool runs)
{
  for (size_t i = 0; i < G_N_ELEMENTS(left_running); i++)
    if (left_running[i] == (runs ? 0 : pid)) {
      left_running[i] = runs ? pid : 0;
      return;
    }
}

/* ---- Runtimes ---- */

const client_runtime runtime_mono = {
    .name = "mono",
    .host = "mono",
    .folder = "",
    .ending = ".exe",
    .own_symbol = "mono_domain_get",
    .missing = "Mono is not installed",
};
const client_runtime runtime_net = {
    .name = "net",
    .host = "dotnet",
    .folder = "net/",
    .ending = ".dll",
    .own_symbol = "libcoreclr!coreclr_execute_assembly",
    .missing = "dotnet is not installed",
};
const client_runtime runtime_net_release = {
    .name = "net_release",
    .host = "dotnet",
    .folder = "net/release/",
    .ending = ".dll",
    .own_symbol = "libcoreclr!coreclr_execute_assembly",
    .missing = "dotnet is not installed",
};

static const client_runtime *current = &runtime_mono;

const client_runtime *
on_runtime(void)
{
  return current;
}

bool
on_mono(void)
{
  return current == &runtime_mono;
}

/* ---- The handlers ---- */

typedef struct client_callback {
  ICorDebugManagedCallback managed;
  ICorDebugManagedCallback2 managed2;
  ICorDebugUnmanagedCallback unmanaged;
  atomic_uint references;
  client *owner;
} client_callback;

static client_callback *
from_managed(void *This)
{
  return This;
}

static client_callback *
from_managed2(void *This)
{
  return (client_callback *)(void *)((char *)This - offsetof(client_callback, managed2));
}

static client_callback *
from_unmanaged(void *This)
{
  return (client_callback *)(void *)((char *)This - offsetof(client_callback, unmanaged));
}

static HRESULT
query(client_callback *self, REFIID iid, void **object)
{
  if (IsEqualIID(iid, &IID_IUnknown) || IsEqualIID(iid, &IID_ICorDebugManagedCallback))
    *object = &self->managed;
  else if (IsEqualIID(iid, &IID_ICorDebugManagedCallback2))
    *object = &self->managed2;
  else if (IsEqualIID(iid, &IID_ICorDebugUnmanagedCallback))
    *object = &self->unmanaged;
  else {
    *object = NULL;
    return E_NOINTERFACE;
  }
  atomic_fetch_add(&self->references, 1);
  return S_OK;
}

static ULONG
release(client_callback *self)
{
  client *owner = self->owner;
  pthread_mutex_lock(&owner->lock);
  ULONG left = atomic_fetch_sub(&self->references, 1) - 1;
  pthread_cond_broadcast(&owner->changed);
  pthread_mutex_unlock(&owner->lock);
  if (left == 0)
    free(self);
  return left;
}

/* Who is not referenced any more is not called any more: until then, a callback may be on its way.
 */
static void
await_last_reference(client *c)
{
  struct timespec end;
  int late = 0;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += PATIENCE_S;
  pthread_mutex_lock(&c->lock);
  while (atomic_load(&c->callback->references) > 1 && late == 0)
    late = pthread_cond_timedwait(&c->changed, &c->lock, &end);
  pthread_mutex_unlock(&c->lock);
  assert_int_equal(late, 0);
}

#define UNKNOWN(prefix, I, from)                                                                   \
  static HRESULT prefix##_query(I *This, REFIID iid, void **object)                                \
  {                                                                                                \
    return query(from(This), iid, object);                                                         \
  }                                                                                                \
  static ULONG prefix##_add_ref(I *This)                                                           \
  {                                                                                                \
    return atomic_fetch_add(&from(This)->references, 1) + 1;                                       \
  }                                                                                                \
  static ULONG prefix##_release(I *This)                                                           \
  {                                                                                                \
    return release(from(This));                                                                    \
  }
UNKNOWN(managed, ICorDebugManagedCallback, from_managed)
UNKNOWN(managed2, ICorDebugManagedCallback2, from_managed2)
UNKNOWN(unmanaged, ICorDebugUnmanagedCallback, from_unmanaged)

static void
come_in(client *c)
{
  pthread_mutex_lock(&c->lock);
  if (!c->managed_thread_known) {
    c->managed_thread = pthread_self();
    c->managed_thread_known = true;
  }
  if (!pthread_equal(c->managed_thread, pthread_self()))
    c->foreign++;
  if (++c->inside > c->most_inside_managed)
    c->most_inside_managed = c->inside;
  pthread_mutex_unlock(&c->lock);
}

static HRESULT
happened(client *c, const told *what)
{
  bool unmanaged = what->event != NULL;
  ICorDebugController *controller =
      what->domain ? (ICorDebugController *)what->domain : (ICorDebugController *)what->process;
  /* What the hook or the main thread releases meanwhile must not be what is continued by. */
  if (controller != NULL)
    ICorDebugController_AddRef(controller);
  if (!unmanaged)
    come_in(c);
  pthread_mutex_lock(&c->lock);
  client_hook hook = c->hook;
  c->hooked++;
  pthread_mutex_unlock(&c->lock);
  then next = hook != NULL ? hook(c, what) : GO_ON;
  /* Written down behind the hook: who waits for the name finds the hook's work done. */
  pthread_mutex_lock(&c->lock);
  c->inside -= !unmanaged;
  c->hooked--;
  c->going_on += next == GO_ON;
  g_ptr_array_add(c->names, g_strdup(what->name));
  pthread_cond_broadcast(&c->changed);
  pthread_mutex_unlock(&c->lock);
  if (next == GO_ON && unmanaged)
    ICorDebugController_Continue(controller, what->out_of_band);
  else if (next == GO_ON)
    ICorDebugController_Continue(controller, FALSE);
  if (controller != NULL)
    ICorDebugController_Release(controller);
  pthread_mutex_lock(&c->lock);
  c->going_on -= next == GO_ON;
  pthread_cond_broadcast(&c->changed);
  pthread_mutex_unlock(&c->lock);
  return S_OK;
}

#define OWNER (from_managed(This)->owner)

static HRESULT
on_create_process(ICorDebugManagedCallback *This, ICorDebugProcess *process)
{
  return happened(OWNER, &(told){.name = "CreateProcess", .process = process});
}

static HRESULT
on_exit_process(ICorDebugManagedCallback *This, ICorDebugProcess *process)
{
  return happened(OWNER, &(told){.name = "ExitProcess", .process = process});
}

static HRESULT
on_debugger_error(ICorDebugManagedCallback *This, ICorDebugProcess *process, HRESULT hr, DWORD code)
{
  (void)code;
  return happened(OWNER, &(told){.name = "DebuggerError", .process = process, .status = (DWORD)hr});
}

#define DOMAIN_CALLBACK(function, text)                                                            \
  static HRESULT function(ICorDebugManagedCallback *This, ICorDebugProcess *process,               \
                          ICorDebugAppDomain *domain)                                              \
  {                                                                                                \
    return happened(OWNER, &(told){.name = text, .process = process, .domain = domain});           \
  }
#define THING_CALLBACK(function, text, type, member)                                               \
  static HRESULT function(ICorDebugManagedCallback *This, ICorDebugAppDomain *domain, type *thing) \
  {                                                                                                \
    return happened(OWNER, &(told){.name = text, .domain = domain, .member = thing});              \
  }
DOMAIN_CALLBACK(on_create_domain, "CreateAppDomain")
DOMAIN_CALLBACK(on_exit_domain, "ExitAppDomain")
THING_CALLBACK(on_load_assembly, "LoadAssembly", ICorDebugAssembly, assembly)
THING_CALLBACK(on_unload_assembly, "UnloadAssembly", ICorDebugAssembly, assembly)
THING_CALLBACK(on_load_module, "LoadModule", ICorDebugModule, module)
THING_CALLBACK(on_unload_module, "UnloadModule", ICorDebugModule, module)
THING_CALLBACK(on_create_thread, "CreateThread", ICorDebugThread, thread)
THING_CALLBACK(on_exit_thread, "ExitThread", ICorDebugThread, thread)

static HRESULT
on_breakpoint(ICorDebugManagedCallback *This, ICorDebugAppDomain *domain, ICorDebugThread *thread,
              ICorDebugBreakpoint *breakpoint)
{
  return happened(
      OWNER,
      &(told){.name = "Breakpoint", .domain = domain, .thread = thread, .breakpoint = breakpoint});
}

static HRESULT
on_breakpoint_error(ICorDebugManagedCallback *This, ICorDebugAppDomain *domain,
                    ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint, DWORD status)
{
  return happened(OWNER, &(told){.name = "BreakpointSetError",
                                 .domain = domain,
                                 .thread = thread,
                                 .breakpoint = breakpoint,
                                 .status = status});
}

static HRESULT
on_debug_event(ICorDebugUnmanagedCallback *This, LPDEBUG_EVENT event, BOOL out_of_band)
{
  static const char *const names[] = {
      [EXCEPTION_DEBUG_EVENT] = "DebugEvent",
      [CREATE_THREAD_DEBUG_EVENT] = "NativeCreateThread",
      [CREATE_PROCESS_DEBUG_EVENT] = "NativeCreateProcess",
      [EXIT_THREAD_DEBUG_EVENT] = "NativeExitThread",
      [EXIT_PROCESS_DEBUG_EVENT] = "NativeExitProcess",
      [LOAD_DLL_DEBUG_EVENT] = "NativeLoadDll",
      [UNLOAD_DLL_DEBUG_EVENT] = "NativeUnloadDll",
  };
  client *owner = from_unmanaged(This)->owner;
  ICorDebugProcess *process = NULL;
  pthread_mutex_lock(&owner->lock);
  ICorDebug *cordebug = owner->cordebug;
  if (cordebug != NULL)
    ICorDebug_AddRef(cordebug);
  pthread_mutex_unlock(&owner->lock);
  /* The first events come before the attach has returned. */
  HRESULT hr = cordebug != NULL ? ICorDebug_GetProcess(cordebug, event->dwProcessId, &process)
                                : E_INVALIDARG;
  if (cordebug != NULL)
    ICorDebug_Release(cordebug);
  if (hr == E_INVALIDARG)
    return S_OK; /* on its way when the session was left: nothing to continue */
  hook_true(hr == S_OK);
  hr = happened(owner, &(told){.name = names[event->dwDebugEventCode],
                               .process = process,
                               .event = event,
                               .out_of_band = out_of_band});
  ICorDebugProcess_Release(process);
  return hr;
}

/* A callback that cordbg does not make: a call would end the test program at address 0. */
static const ICorDebugManagedCallbackVtbl managed_table = {
    .QueryInterface = managed_query,
    .AddRef = managed_add_ref,
    .Release = managed_release,
    .Breakpoint = on_breakpoint,
    .CreateProcess = on_create_process,
    .ExitProcess = on_exit_process,
    .CreateThread = on_create_thread,
    .ExitThread = on_exit_thread,
    .LoadModule = on_load_module,
    .UnloadModule = on_unload_module,
    .DebuggerError = on_debugger_error,
    .CreateAppDomain = on_create_domain,
    .ExitAppDomain = on_exit_domain,
    .LoadAssembly = on_load_assembly,
    .UnloadAssembly = on_unload_assembly,
    .BreakpointSetError = on_breakpoint_error,
};
static const ICorDebugManagedCallback2Vtbl managed2_table = {
    .QueryInterface = managed2_query,
    .AddRef = managed2_add_ref,
    .Release = managed2_release,
};
static const ICorDebugUnmanagedCallbackVtbl unmanaged_table = {
    .QueryInterface = unmanaged_query,
    .AddRef = unmanaged_add_ref,
    .Release = unmanaged_release,
    .DebugEvent = on_debug_event,
};

/* ---- The client ---- */

/* cmocka answers a crash on another thread than the test's by exit(-1), without a word. */
static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS};
static struct sigaction on_crash[G_N_ELEMENTS(crashes)];

__attribute__((constructor)) static void
keep_crash_handlers(void)
{
  for (size_t i = 0; i < G_N_ELEMENTS(crashes); i++)
    sigaction(crashes[i], NULL, &on_crash[i]);
}

static void
let_crashes_be_seen(void)
{
  for (size_t i = 0; i < G_N_ELEMENTS(crashes); i++)
    sigaction(crashes[i], &on_crash[i], NULL);
}

void
client_open(client *c, client_hook hook, void *data)
{
  client_callback *callback = calloc(1, sizeof *callback);
  let_crashes_be_seen();
  *c = (client){.hook = hook, .data = data};
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->changed, NULL);
  c->names = g_ptr_array_new_with_free_func(g_free);
  callback->managed.lpVtbl = &managed_table;
  callback->managed2.lpVtbl = &managed2_table;
  callback->unmanaged.lpVtbl = &unmanaged_table;
  callback->references = 1;
  callback->owner = c;
  c->callback = callback;
  open_client = c;
  assert_ok(CordbgCreate(&IID_ICorDebug, (void **)&c->cordebug));
  assert_ok(ICorDebug_Initialize(c->cordebug));
  assert_ok(ICorDebug_SetManagedHandler(c->cordebug, &callback->managed));
  assert_ok(ICorDebug_SetUnmanagedHandler(c->cordebug, &callback->unmanaged));
}

HRESULT
client_attach(client *c, int pid, BOOL win32)
{
  return ICorDebug_DebugActiveProcess(c->cordebug, (DWORD)pid, win32, &c->process);
}

HRESULT
client_launch(client *c, char *const *argv, DWORD flags, int out)
{
  g_autoptr(GString) line = g_string_new(NULL);
  for (char *const *argument = argv; *argument != NULL; argument++)
    g_string_append_printf(line, "%s\"%s\"", line->len > 0 ? " " : "", *argument);
  g_autofree gunichar2 *command = g_utf8_to_utf16(line->str, -1, NULL, NULL, NULL);
  STARTUPINFOW startup = {.cb = sizeof startup};
  PROCESS_INFORMATION information = {0};
  if (out >= 0) {
    startup.dwFlags = STARTF_USESTDHANDLES;
    startup.hStdInput = (HANDLE)0;
    startup.hStdOutput = (HANDLE)(intptr_t)out;
    startup.hStdError = (HANDLE)2;
  }
  HRESULT hr =
      ICorDebug_CreateProcess(c->cordebug, NULL, (LPWSTR)command, NULL, NULL, TRUE, flags, NULL,
                              NULL, &startup, &information, DEBUG_NO_SPECIAL_OPTIONS, &c->process);
  if (SUCCEEDED(hr)) {
    CloseHandle(information.hProcess);
    CloseHandle(information.hThread);
  }
  return hr;
}

void
client_close(client *c)
{
  if (c->process != NULL) {
    /* Also when it is stopped now: a callback in progress may be about to continue. */
    if (SUCCEEDED(ICorDebugProcess_Stop(c->process, 0)))
      assert_ok(ICorDebugProcess_Detach(c->process));
    ICorDebugProcess_Release(c->process);
    c->process = NULL;
  }
  pthread_mutex_lock(&c->lock);
  ICorDebug *cordebug = c->cordebug;
  c->cordebug = NULL;
  pthread_mutex_unlock(&c->lock);
  if (cordebug != NULL) {
    ICorDebug_Terminate(cordebug);
    ICorDebug_Release(cordebug);
  }
  await_last_reference(c);
  release(c->callback);
  open_client = NULL;
  g_ptr_array_free(c->names, TRUE);
}

static unsigned
count_locked(client *c, const char *name)
{
  unsigned count = 0;
  for (guint i = 0; i < c->names->len; i++)
    count += strcmp(c->names->pdata[i], name) == 0;
  return count;
}

unsigned
client_count(client *c, const char *name)
{
  pthread_mutex_lock(&c->lock);
  unsigned count = count_locked(c, name);
  pthread_mutex_unlock(&c->lock);
  return count;
}

/* How many callbacks came, and the names of the last ones; to be freed. */
static char *
end_of_story(client *c)
{
  GString *story = g_string_new(NULL);
  pthread_mutex_lock(&c->lock);
  guint first = c->names->len > LAST_TOLD ? c->names->len - LAST_TOLD : 0;
  g_string_append_printf(story, "%u callbacks, at last:", c->names->len);
  for (guint i = first; i < c->names->len; i++)
    g_string_append_printf(story, " %s", (char *)c->names->pdata[i]);
  pthread_mutex_unlock(&c->lock);
  return g_string_free(story, FALSE);
}

void
client_await(client *c, const char *name, unsigned count)
{
  struct timespec end;
  int late = 0;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += PATIENCE_S;
  pthread_mutex_lock(&c->lock);
  while (count_locked(c, name) < count && late == 0)
    late = pthread_cond_timedwait(&c->changed, &c->lock, &end);
  unsigned came = count_locked(c, name);
  pthread_mutex_unlock(&c->lock);
  if (came < count) {
    g_autofree char *story = end_of_story(c);
    fail_msg("%u of %u %s came; %s", came, count, name, story);
  }
}

void
client_await_continued(client *c)
{
  pthread_mutex_lock(&c->lock);
  while (c->inside != 0 || c->going_on != 0)
    pthread_cond_wait(&c->changed, &c->lock);
  pthread_mutex_unlock(&c->lock);
}

char *
client_story(client *c)
{
  GString *story = g_string_new(NULL);
  pthread_mutex_lock(&c->lock);
  for (guint i = 0; i < c->names->len; i++)
    g_string_append_printf(story, "%s%s", i > 0 ? " " : "", (char *)c->names->pdata[i]);
  pthread_mutex_unlock(&c->lock);
  return g_string_free(story, FALSE);
}

/* The dispatchers drop their references on their own threads: nothing announces that. */
void
client_await_objects(size_t before)
{
  for (int tries = 0; tries < 2000 && cordbg_object_count() != before; tries++)
    g_usleep(1000);
  assert_int_equal(cordbg_object_count(), before);
}

/* No hook uses what the failed test had, from here on. */
static bool
forget_hook(client *c)
{
  struct timespec end;
  int late = 0;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += PATIENCE_S;
  pthread_mutex_lock(&c->lock);
  c->hook = NULL;
  while (c->hooked > 0 && late == 0)
    late = pthread_cond_timedwait(&c->changed, &c->lock, &end);
  pthread_mutex_unlock(&c->lock);
  return late == 0;
}

/* Ends the session and the program of a test that failed within them. */
static void
abandon(client *c)
{
  DWORD pid = 0;
  poisoned = true; /* unless all this succeeds */
  if (!forget_hook(c))
    return;
  if (c->process != NULL && FAILED(ICorDebugProcess_GetID(c->process, &pid)))
    pid = 0;
  client_close(c);
  if (pid != 0)
    kill((pid_t)pid, SIGKILL);
  poisoned = false;
}

int
client_test_setup(void **state)
{
  current = *state != NULL ? *state : &runtime_mono;
  objects_before = cordbg_object_count();
  return poisoned ? -1 : 0;
}

int
client_test_teardown(void **state)
{
  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(left_running); i++)
    if (left_running[i] != 0)
      kill(left_running[i], SIGKILL);
  if (open_client != NULL) {
    g_autofree char *story = end_of_story(open_client);
    fprintf(stderr, "the test failed with its session open; %s\n", story);
    abandon(open_client);
    return 0;
  }
  client_await_objects(objects_before);
  return 0;
}

unsigned
client_seed(void)
{
  const char *text = g_getenv("CORDBG_SEED");
  unsigned seed = text != NULL ? (unsigned)strtoul(text, NULL, 10) : (unsigned)time(NULL);
  printf("CORDBG_SEED=%u\n", seed);
  return seed;
}

/* ---- Debuggees ---- */

char *
program_line(int out, const char *text)
{
  GString *line = g_string_new(NULL);
  for (;;) {
    struct pollfd polled = {.fd = out, .events = POLLIN};
    char byte;
    if (poll(&polled, 1, PATIENCE_S * 1000) <= 0 || read(out, &byte, 1) != 1)
      fail_msg("the debuggee did not say '%s' (but '%s')", text, line->str);
    if (byte != '\n') {
      g_string_append_c(line, byte);
      continue;
    }
    if (g_str_has_prefix(line->str, text))
      return g_string_free(line, FALSE);
    g_string_truncate(line, 0);
  }
}

/* In the child: none outlives a test that failed. */
static void
die_with_the_test(gpointer data)
{
  (void)data;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void
program_start(program *p, char *const *argv)
{
  g_autoptr(GError) error = NULL;
  if (!g_spawn_async_with_pipes(NULL, (char **)argv, NULL,
                                G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, die_with_the_test,
                                NULL, &p->pid, NULL, &p->out, NULL, &error))
    fail_msg("%s", error->message);
  note_program(p->pid, true);
  g_free(program_line(p->out, "ready"));
}

char *
debuggee(const char *name)
{
  const char *samples = g_getenv("CORDBG_DEBUGGEES");
  g_autofree char *folder = g_path_get_dirname(name);
  g_autofree char *base = g_path_get_basename(name);
  g_autofree char *file = g_strconcat(current->folder, base, current->ending, NULL);
  char *path = g_build_filename(samples ? samples : "samples/debuggees", folder, file, NULL);
  g_autofree char *host = g_find_program_in_path(current->host);
  if (host == NULL || !g_file_test(path, G_FILE_TEST_EXISTS)) {
    printf("SKIP: %s\n", host == NULL ? current->missing : "no C# compiler built the debuggees");
    g_free(path);
    skip();
  }
  return path;
}

/* host, path, the list's strings up to a NULL, NULL. */
static GPtrArray *
command_line(char *path, va_list list)
{
  GPtrArray *argv = g_ptr_array_new();
  g_ptr_array_add(argv, (char *)(uintptr_t)current->host);
  g_ptr_array_add(argv, path);
  for (char *argument; (argument = va_arg(list, char *)) != NULL;)
    g_ptr_array_add(argv, argument);
  g_ptr_array_add(argv, NULL);
  return argv;
}

void
program_start_managed(program *p, const char *name, ...)
{
  g_autofree char *path = debuggee(name);
  va_list list;
  va_start(list, name);
  g_autoptr(GPtrArray) argv = command_line(path, list);
  va_end(list);
  program_start(p, (char *const *)argv->pdata);
}

void
client_launch_managed(client *c, DWORD flags, int out, const char *name, ...)
{
  g_autofree char *path = debuggee(name);
  va_list list;
  va_start(list, name);
  g_autoptr(GPtrArray) argv = command_line(path, list);
  va_end(list);
  assert_ok(client_launch(c, (char *const *)argv->pdata, flags, out));
}

static char *
program_status(const program *p)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/status", p->pid);
  char *status = NULL;
  assert_true(g_file_get_contents(path, &status, NULL, NULL));
  return status;
}

int
program_tracer(const program *p)
{
  int tracer = -1;
  g_autofree char *status = program_status(p);
  assert_int_equal(sscanf(strstr(status, "TracerPid:"), "TracerPid: %d", &tracer), 1);
  return tracer;
}

void
program_check_unharmed(const program *p)
{
  g_autofree char *status = program_status(p);
  assert_non_null(strstr(status, "TracerPid:\t0\n"));
  assert_null(strstr(status, "State:\tT"));
  assert_null(strstr(status, "State:\tt"));
  assert_null(strstr(status, "State:\tZ"));
}

void
program_end(program *p)
{
  note_program(p->pid, false);
  kill(p->pid, SIGKILL);
  waitpid(p->pid, NULL, 0);
  close(p->out);
}

/* Awaits the end of a process; pid 0: there is none. */
static bool
await_end(int pid)
{
  int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
  struct pollfd polled = {.fd = fd, .events = POLLIN};
  bool ended = fd < 0 || poll(&polled, 1, PATIENCE_S * 1000) == 1;
  if (fd >= 0)
    close(fd);
  return ended;
}

int
program_wait(program *p)
{
  int status = -1;
  if (!await_end(p->pid)) {
    program_end(p);
    fail_msg("the debuggee does not end");
  }
  note_program(p->pid, false);
  waitpid(p->pid, &status, 0);
  close(p->out);
  return status;
}

void
program_await_untraced(const program *p)
{
  if (!await_end(program_tracer(p)))
    fail_msg("the tracer of program %d does not end", p->pid);
  assert_int_equal(program_tracer(p), 0);
}

long
program_counted(int out)
{
  static const char text[] = "counted ";
  g_autoptr(GString) all = g_string_new(NULL);
  char bytes[256];
  for (;;) {
    struct pollfd polled = {.fd = out, .events = POLLIN};
    if (poll(&polled, 1, COUNTED_S * 1000) <= 0)
      fail_msg("the program neither ends nor speaks; it said: %s", all->str);
    ssize_t size = read(out, bytes, sizeof bytes);
    if (size <= 0)
      break;
    g_string_append_len(all, bytes, size);
  }
  const char *found = strstr(all->str, text);
  if (!found)
    fail_msg("the program ended and said: %s", all->str);
  return strtol(found + strlen(text), NULL, 10);
}
