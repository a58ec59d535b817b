/* SPDX-License-Identifier: MIT */
/* libdbgshim.so as an adapter uses it, on each runtime. */
#include "dbgshim-client.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const shim_names[] = {
#define NAME(name) #name,
    SHIM_FUNCTIONS(NAME)
#undef NAME
};

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
           shim_path);
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
  char line[4200];
  command_of(*state, true, "ShimExit", NULL, line, sizeof line);
  adapter *a = adapter_new(true);
  a->type = "Debuggees.ShimExit";
  a->method = "Main";
  launch_and_attach(a, line);
  await_exit(a);
  assert_int_equal(a->hits, 1);
  assert_int_equal(a->callbacks, 1);
  expect_exit_code(a, 42);
  adapter_free(a);
}

static void
a_process_that_nobody_attaches_to_in_the_callback_runs_on(void **state)
{
  char line[4200];
  int status;
  command_of(*state, true, "ShimExit", NULL, line, sizeof line);
  adapter *a = adapter_new(false);
  HANDLE resume = launch(a, line, true);
  assert_int_equal(enlist(a), S_OK);
  assert_int_equal(shim.ResumeProcess(resume), S_OK);
  assert_int_equal(shim.ResumeProcess(resume), S_OK);
  assert_int_equal(shim.CloseResumeHandle(resume), S_OK);
  await_count(a, &a->callbacks, 1);
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
  await_count(a, &a->callbacks, 1);
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
  adapter *a = adapter_new(true);
  a->pid = (DWORD)start_debuggee(*state, "Counter", &output);
  assert_int_equal(shim.EnumerateCLRs(a->pid, &handles, &paths, &count), S_OK);
  assert_int_equal(count, 1);
  assert_null(handles[0]);
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
  detach(a);
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

/* What a hit's method looks like: through the library, and as the CPU fetches it. */
typedef struct code_seen {
  HRESULT hr;
  CORDB_ADDRESS address;
  ULONG32 size;
  SIZE_T read;
  BYTE code[4096], memory[4096], raw[4096];
} code_seen;

static HRESULT
look_at_code(adapter *a, ICorDebugBreakpoint *breakpoint, code_seen *seen)
{
  ICorDebugFunctionBreakpoint *on_function = NULL;
  ICorDebugFunction *function = NULL;
  ICorDebugCode *code = NULL;
  ICorDebugProcess *process = NULL;
  char path[64];
  ULONG32 got = 0;
  HRESULT hr = ICorDebugBreakpoint_QueryInterface(breakpoint, &IID_ICorDebugFunctionBreakpoint,
                                                  (void **)&on_function);
  if (SUCCEEDED(hr))
    hr = ICorDebugFunctionBreakpoint_GetFunction(on_function, &function);
  if (SUCCEEDED(hr))
    hr = ICorDebugFunction_GetNativeCode(function, &code);
  if (SUCCEEDED(hr))
    hr = ICorDebugCode_GetAddress(code, &seen->address);
  if (SUCCEEDED(hr))
    hr = ICorDebugCode_GetSize(code, &seen->size);
  if (SUCCEEDED(hr) && seen->size > sizeof seen->code)
    hr = E_UNEXPECTED;
  if (SUCCEEDED(hr))
    hr = ICorDebugCode_GetCode(code, 0, seen->size, seen->size, seen->code, &got);
  if (SUCCEEDED(hr))
    hr = ICorDebug_GetProcess(a->cordebug, a->pid, &process);
  if (SUCCEEDED(hr))
    hr = ICorDebugProcess_ReadMemory(process, seen->address, seen->size, seen->memory, &seen->read);
  snprintf(path, sizeof path, "/proc/%u/mem", (unsigned)a->pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (SUCCEEDED(hr) &&
      pread(fd, seen->raw, seen->size, (off_t)seen->address) != (ssize_t)seen->size)
    hr = E_UNEXPECTED;
  close(fd);
  if (process != NULL)
    ICorDebugProcess_Release(process);
  if (code != NULL)
    ICorDebugCode_Release(code);
  if (function != NULL)
    ICorDebugFunction_Release(function);
  if (on_function != NULL)
    ICorDebugFunctionBreakpoint_Release(on_function);
  return hr;
}

static bool
look_at_first_hit(adapter *a, ICorDebugThread *thread, ICorDebugBreakpoint *breakpoint)
{
  code_seen *seen = a->data;
  (void)thread;
  if (seen->hr == E_PENDING)
    seen->hr = look_at_code(a, breakpoint, seen);
  return true;
}

static void
a_breakpoint_in_a_running_program_is_hit_and_invisible_in_its_memory(void **state)
{
  code_seen *seen = calloc(1, sizeof *seen);
  int output, traps = 0;
  adapter *a = adapter_new(true);
  a->pid = (DWORD)start_debuggee(*state, "Counter", &output);
  a->type = "Debuggees.Counter";
  a->method = "Tick";
  a->at_hit = look_at_first_hit;
  a->data = seen;
  seen->hr = E_PENDING;
  assert_int_equal(enlist(a), S_OK);
  await_count(a, &a->callbacks, 1);
  assert_int_equal(a->attached, S_OK);
  await_count(a, &a->hits, 100);
  assert_int_equal(shim.UnregisterForRuntimeStartup(a->token), S_OK);
  detach(a);
  assert_int_equal(seen->hr, S_OK);
  assert_true(seen->size > 0);
  assert_int_equal(seen->read, seen->size);
  assert_memory_equal(seen->memory, seen->code, seen->size);
  for (ULONG32 i = 0; i < seen->size; i++)
    if (seen->raw[i] != seen->memory[i]) {
      assert_int_equal(seen->raw[i], 0xCC);
      traps++;
    }
  assert_int_equal(traps, 1);
  assert_int_equal(kill((pid_t)a->pid, 0), 0);
  end_child((pid_t)a->pid);
  close(output);
  adapter_free(a);
  free(seen);
}

static void
a_registration_for_a_running_program_calls_back_at_once(void **state)
{
  int output;
  adapter *a = adapter_new(true);
  a->pid = (DWORD)start_debuggee(*state, "Counter", &output);
  assert_int_equal(enlist(a), S_OK);
  await_count(a, &a->callbacks, 1);
  assert_int_equal(a->result, S_OK);
  assert_int_equal(a->attached, S_OK);
  assert_int_equal(shim.UnregisterForRuntimeStartup(a->token), S_OK);
  detach(a);
  end_child((pid_t)a->pid);
  close(output);
  adapter_free(a);
}

/* libcordbg says when it holds a process that has no runtime yet: nothing else could. */
static int held_ends[2];

static void
on_message(void *data, int level, const char *message)
{
  (void)data;
  (void)level;
  if (strstr(message, "which has no runtime yet") != NULL)
    assert_int_equal(write(held_ends[1], "h", 1), 1);
}

static void
a_running_program_whose_runtime_comes_later_is_waited_for(void **state)
{
  const test_runtime *runtime = *state;
  char path[4096], line[4400], byte;
  int ends[2], status;
  debuggee_of(runtime, true, "ShimExit", path, sizeof path);
  snprintf(line, sizeof line, "read x; exec %s '%s'", runtime->program, path);
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  assert_int_equal(pipe2(held_ends, O_CLOEXEC), 0);
  adapter *a = adapter_new(true);
  a->type = "Debuggees.ShimExit";
  a->method = "Main";
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives a failed test */
    dup2(ends[0], 0);
    execl("/bin/sh", "sh", "-c", line, (char *)NULL);
    _exit(127);
  }
  close(ends[0]);
  a->pid = (DWORD)pid;
  assert_int_equal(shim.UnregisterForRuntimeStartup(&status), E_INVALIDARG); /* loads it */
  __typeof__(cordbg_set_log) *set_log =
      (__typeof__(cordbg_set_log) *)find_in_cordbg("cordbg_set_log");
  assert_non_null(set_log);
  set_log(on_message, NULL, 2);
  assert_int_equal(enlist(a), S_OK);
  assert_int_equal(read(held_ends[0], &byte, 1), 1);
  assert_int_equal(write(ends[1], "\n", 1), 1);
  close(ends[1]);
  await_count(a, &a->callbacks, 1);
  assert_int_equal(a->result, S_OK);
  assert_int_equal(a->attached, S_OK);
  assert_int_equal(shim.UnregisterForRuntimeStartup(a->token), S_OK);
  await_exit(a);
  set_log(NULL, NULL, 0);
  close(held_ends[0]);
  close(held_ends[1]);
  assert_int_equal(a->hits, 1);
  assert_int_equal(waitpid(pid, &status, 0), pid); /* ours, not the library's, to collect */
  assert_int_equal(WEXITSTATUS(status), 42);
  adapter_free(a);
}

static void
not_called(IUnknown *cordebug, PVOID parameter, HRESULT hr)
{
  (void)cordebug;
  (void)parameter;
  (void)hr;
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
  assert_int_equal(shim.RegisterForRuntimeStartupEx(INT32_MAX, NULL, not_called, NULL, &token),
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

/* Runs this program anew, `--enumerate LIBRARY` or `--launch LIBRARY LINE`: its exit code says what
 * the copy answered. */
static int
try_copy(const char *copy, const char *folders, const char *line)
{
  int status;
  pid_t pid = fork();
  if (pid == 0) {
    if (folders != NULL)
      setenv("LD_LIBRARY_PATH", folders, 1);
    else
      unsetenv("LD_LIBRARY_PATH");
    execl("/proc/self/exe", "test-dbgshim", line ? "--launch" : "--enumerate", copy, line, NULL);
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
  assert_non_null(realpath(shim_path, built));
  *strrchr(built, '/') = '\0';
  snprintf(command, sizeof command, "cp '%s' '%s'", shim_path, copy);
  assert_int_equal(system(command), 0);
  assert_int_equal(try_copy(copy, built, NULL), 0); /* where the dynamic linker finds it */
  if (getenv("CORDBG_TEST_INSTALLED") == NULL)
    assert_int_equal(try_copy(copy, NULL, NULL), 3); /* nowhere: said so, no crash */
  snprintf(command, sizeof command, "%s/libcordbg.so.0", built);
  assert_int_equal(symlink(command, beside), 0);
  assert_int_equal(try_copy(copy, NULL, NULL), 0); /* beside it */
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

static void
a_copy_alone_serves_a_launch(void **state)
{
  char folder[] = "/tmp/dbgshim-copy-XXXXXX", copy[128], command[8400], built[4096], line[4200];
  command_of(*state, true, "ShimExit", NULL, line, sizeof line);
  assert_non_null(mkdtemp(folder));
  snprintf(copy, sizeof copy, "%s/libdbgshim.so", folder);
  assert_non_null(realpath(shim_path, built));
  *strrchr(built, '/') = '\0';
  snprintf(command, sizeof command, "cp '%s' '%s'", shim_path, copy);
  assert_int_equal(system(command), 0);
  assert_int_equal(try_copy(copy, built, line), 0);
  unlink(copy);
  assert_int_equal(rmdir(folder), 0);
}

static int
launch_by(const char *path, const char *line)
{
  if (!open_shim(path))
    return 2;
  adapter *a = adapter_new(true);
  a->type = "Debuggees.ShimExit";
  a->method = "Main";
  launch_and_attach(a, line);
  await_exit(a);
  expect_exit_code(a, 42);
  return a->hits == 1 ? 0 : 1;
}

int
main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(exactly_the_documented_names_are_exported),
      ON_EACH(a_breakpoint_in_main_of_a_launched_program_is_hit_and_its_exit_code_seen),
      ON_EACH(a_process_that_nobody_attaches_to_in_the_callback_runs_on),
      cmocka_unit_test(a_program_that_ends_without_a_runtime_is_told_and_reaped),
      cmocka_unit_test(unregistering_while_waiting_lets_the_program_run_on_without_a_call),
      cmocka_unit_test(a_program_that_is_not_suspended_runs_at_once),
      ON_EACH(a_running_program_is_enumerated_named_and_attached_to),
      ON_EACH(a_breakpoint_in_a_running_program_is_hit_and_invisible_in_its_memory),
      ON_EACH(a_registration_for_a_running_program_calls_back_at_once),
      ON_EACH(a_running_program_whose_runtime_comes_later_is_waited_for),
      cmocka_unit_test(what_cannot_be_is_refused_with_its_code),
      cmocka_unit_test(a_copy_alone_in_an_adapters_folder_finds_the_library),
      ON_EACH(a_copy_alone_serves_a_launch),
  };
  if (argc == 3 && strcmp(argv[1], "--enumerate") == 0)
    return enumerate_by(argv[2]);
  if (argc == 4 && strcmp(argv[1], "--launch") == 0)
    return launch_by(argv[2], argv[3]);
  if (!open_shim(NULL))
    return 1;
  return cmocka_run_group_tests_name("dbgshim", tests, NULL, NULL);
}
