/* SPDX-License-Identifier: MIT */
/*
 * .NET programs launched through libdbgshim.so in each way in which one can be started: nothing of
 * the program has run when the launch stops, so breakpoints in its module initializer (its first
 * code) and in what the host calls are hit, once each. And one whose files nobody else can see.
 */
#include "dbgshim-client.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The .NET installation, and its newest parts. */
static char root[4096], framework[4096], hostfxr[4096], apphost[4096];

static void put(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool
newest(const char *pattern, char *path, size_t size)
{
  char full[8192];
  glob_t found = {0};
  snprintf(full, sizeof full, "%s/%s", root, pattern);
  bool any = glob(full, 0, NULL, &found) == 0 && found.gl_pathc > 0;
  if (any)
    snprintf(path, size, "%s", found.gl_pathv[found.gl_pathc - 1]);
  globfree(&found);
  return any;
}

static void
put(char *text, size_t size, const char *format, ...)
{
  va_list list;
  va_start(list, format);
  int length = vsnprintf(text, size, format, list);
  va_end(list);
  assert_true(length >= 0 && (size_t)length < size);
}

#define RUN(...)                                                                                   \
  do {                                                                                             \
    char run_command[20000];                                                                       \
    put(run_command, sizeof run_command, __VA_ARGS__);                                             \
    assert_int_equal(system(run_command), 0);                                                      \
  } while (0)

/* Where `dotnet` is. false: there is none. */
static bool
find_dotnet(void)
{
  char line[4096];
  FILE *out = popen("readlink -f \"$(command -v dotnet)\"", "re");
  bool found = out != NULL && fgets(line, sizeof line, out) != NULL && line[0] == '/';
  if (out != NULL)
    pclose(out);
  if (!found)
    return false;
  line[strcspn(line, "\n")] = '\0';
  *strrchr(line, '/') = '\0';
  snprintf(root, sizeof root, "%s", line);
  setenv("DOTNET_ROOT", root, 1); /* where app hosts look */
  return newest("shared/Microsoft.NETCore.App/*", framework, sizeof framework) &&
         newest("host/fxr/*/libhostfxr.so", hostfxr, sizeof hostfxr) &&
         newest("sdk/*/AppHostTemplate/apphost", apphost, sizeof apphost);
}

/* What the SDK does: the template with the program's name where a known text stands. */
static void
bind_apphost(const char *path, const char *dll)
{
  /* In two parts, so that no tool ever binds this test. */
  static const char mark[2][33] = {"c3ab8ff13720e8ad9047dd39466b3c89",
                                   "74e592c2fa383d4a3960714caef0c4f2"};
  char text[65];
  struct stat info;
  int fd = open(apphost, O_RDONLY | O_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(fstat(fd, &info), 0);
  size_t size = (size_t)info.st_size;
  char *data = malloc(size);
  assert_non_null(data);
  assert_int_equal(read(fd, data, size), size);
  close(fd);
  snprintf(text, sizeof text, "%s%s", mark[0], mark[1]);
  char *place = memmem(data, size, text, 64);
  assert_non_null(place);
  assert_true(strlen(dll) < 64);
  memset(place, 0, 64);
  memcpy(place, dll, strlen(dll));
  fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, data, size), size);
  close(fd);
  free(data);
}

/* ---- A program's folder ---- */

typedef struct folder {
  char path[64], line[6000];
} folder;

static void
make_folder(folder *f)
{
  char dll[4096];
  debuggee_of(&on_net, true, "Hosted", dll, sizeof dll);
  strcpy(f->path, "/tmp/startup-net-XXXXXX");
  assert_non_null(mkdtemp(f->path));
  dll[strlen(dll) - strlen(".dll")] = '\0';
  RUN("cp '%s.dll' '%s.runtimeconfig.json' '%s'", dll, dll, f->path);
}

static void
remove_folder(const folder *f)
{
  RUN("rm -r '%s'", f->path);
}

/* The runtime's native part is copied, so that it is the folder's that is found. */
static void
add_runtime(const folder *f, const char *program)
{
  RUN("cp '%s' '%s'/*.so '%s' && ln -s '%s'/*.dll '%s' && cd '%s' && printf '%%s' "
      "'{\"runtimeOptions\":{\"includedFrameworks\":[{\"name\":\"Microsoft.NETCore.App\","
      "\"version\":\"%s\"}]}}' >%s.runtimeconfig.json",
      hostfxr, framework, f->path, framework, f->path, f->path, strrchr(framework, '/') + 1,
      program);
}

/* By whatever settings the runtime is started. */
static const char *const settings[][2] = {
    {"DOTNET_EnableDiagnostics", "0"},   {"DOTNET_EnableWriteXorExecute", "0"},
    {"DOTNET_TieredCompilation", "0"},   {"DOTNET_ReadyToRun", "0"},
    {"DOTNET_TC_QuickJitForLoops", "0"}, {"DOTNET_gcServer", "1"},
    {"DOTNET_gcConcurrent", "0"},
};

/* What every way of starting has to give. */
static void
expect_first_code_and(const char *method, const char *line, int exit_code)
{
  adapter *a = adapter_new(true);
  a->type = "Debuggees.Hosted";
  a->method = method;
  a->also = "Begin";
  launch_and_attach(a, line);
  await_exit(a);
  expect_exit_code(a, exit_code);
  assert_int_equal(a->hits, 2);
  assert_int_not_equal(a->method_token, 0);
  assert_int_equal(a->hit_tokens[0], a->also_token);
  assert_int_equal(a->hit_tokens[1], a->method_token);
  adapter_free(a);
}

/* ---- Tests ---- */

static void
launched_by_dotnet_it_stops_before_its_first_code(void **state)
{
  folder f;
  (void)state;
  make_folder(&f);
  put(f.line, sizeof f.line, "dotnet \"%s/Hosted.dll\"", f.path);
  expect_first_code_and("Main", f.line, 41);
  remove_folder(&f);
}

static void
launched_by_an_app_host_it_stops_before_its_first_code(void **state)
{
  folder f;
  char path[128];
  (void)state;
  make_folder(&f);
  put(path, sizeof path, "%s/Hosted", f.path);
  bind_apphost(path, "Hosted.dll");
  put(f.line, sizeof f.line, "\"%s\"", path);
  expect_first_code_and("Main", f.line, 41);
  remove_folder(&f);
}

static void
launched_by_an_app_host_with_a_runtime_of_its_own_it_stops_before_its_first_code(void **state)
{
  folder f;
  char path[128];
  (void)state;
  make_folder(&f);
  put(path, sizeof path, "%s/Hosted", f.path);
  bind_apphost(path, "Hosted.dll");
  add_runtime(&f, "Hosted");
  put(f.line, sizeof f.line, "\"%s\"", path);
  expect_first_code_and("Main", f.line, 41);
  remove_folder(&f);
}

static void
launched_by_a_host_that_only_creates_a_delegate_it_stops_before_its_first_code(void **state)
{
  folder f;
  (void)state;
  make_folder(&f);
  put(f.line, sizeof f.line, "tests/live/startup-host coreclr \"%s\" \"%s/Hosted.dll\"", framework,
      f.path);
  expect_first_code_and("Work", f.line, 42);
  remove_folder(&f);
}

static void
launched_by_a_host_that_uses_hostfxr_it_stops_before_its_first_code(void **state)
{
  folder f;
  (void)state;
  make_folder(&f);
  put(f.line, sizeof f.line, "tests/live/startup-host hostfxr \"%s\" \"%s/Hosted.dll\"", hostfxr,
      f.path);
  expect_first_code_and("Work", f.line, 42);
  remove_folder(&f);
}

static void
launched_with_each_setting_of_the_runtime_it_stops_before_its_first_code(void **state)
{
  folder f;
  (void)state;
  make_folder(&f);
  put(f.line, sizeof f.line, "dotnet \"%s/Hosted.dll\"", f.path);
  for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
    print_message("%s=%s\n", settings[i][0], settings[i][1]);
    setenv(settings[i][0], settings[i][1], 1);
    expect_first_code_and("Main", f.line, 41);
    unsetenv(settings[i][0]);
  }
  remove_folder(&f);
}

static void
a_startup_hook_is_code_of_the_program_too(void **state)
{
  folder f;
  char hook[128];
  (void)state;
  make_folder(&f);
  put(f.line, sizeof f.line, "dotnet \"%s/Hosted.dll\"", f.path);
  put(hook, sizeof hook, "%s/Hosted.dll", f.path);
  setenv("DOTNET_STARTUP_HOOKS", hook, 1);
  adapter *a = adapter_new(true);
  a->type = "StartupHook";
  a->method = "Initialize";
  launch_and_attach(a, f.line);
  await_exit(a);
  unsetenv("DOTNET_STARTUP_HOOKS");
  expect_exit_code(a, 41);
  assert_int_equal(a->hits, 1);
  adapter_free(a);
  remove_folder(&f);
}

/* The moment is what is tested: it is a time, not an event. */
static void
asked_for_at_any_moment_of_its_start_it_is_attached_to_and_hit(void **state)
{
  char path[4096];
  const char *given = getenv("CORDBG_SEED");
  unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
  (void)state;
  print_message("seed %u\n", seed);
  srand(seed);
  debuggee_of(&on_net, false, "Counter", path, sizeof path);
  for (int i = 0; i < 20; i++) {
    int delay = rand() % 80;
    adapter *a = adapter_new(true);
    a->type = "Debuggees.Counter";
    a->method = "Tick";
    a->pid = (DWORD)fork();
    if (a->pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(open("/dev/null", O_WRONLY), 1);
      execlp("dotnet", "dotnet", path, (char *)NULL);
      _exit(127);
    }
    poll(NULL, 0, delay);
    assert_int_equal(enlist(a), S_OK);
    await_count(a, &a->callbacks, 1);
    if (a->result != S_OK || a->attached != S_OK)
      fail_msg("after %d ms: 0x%08x, 0x%08x", delay, (unsigned)a->result, (unsigned)a->attached);
    await_count(a, &a->hits, 3);
    assert_int_equal(shim.UnregisterForRuntimeStartup(a->token), S_OK);
    detach(a);
    end_child((pid_t)a->pid);
    adapter_free(a);
  }
}

/* The child's part: a folder's copy where only it can see it, and the program run from there. */
static void
run_hidden(const char *visible, const char *hidden, const char *program)
{
  char command[600], path[256];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount("none", hidden, "tmpfs", 0, NULL) != 0)
    _exit(120);
  snprintf(command, sizeof command, "cp -P '%s'/*.* '%s'/%s '%s'", visible, visible, program,
           hidden);
  if (system(command) != 0)
    _exit(121);
  snprintf(path, sizeof path, "%s/%s", hidden, program);
  execl(path, path, (char *)NULL);
  _exit(122);
}

static void
a_program_with_a_runtime_that_only_it_can_see_is_attached_to(void **state)
{
  folder f;
  char dll[4096], path[128], hidden[128], byte = 0;
  int ends[2];
  (void)state;
  if (geteuid() != 0) {
    print_message("SKIP: only root can make a mount namespace\n");
    skip();
  }
  debuggee_of(&on_net, false, "Counter", dll, sizeof dll);
  make_folder(&f);
  RUN("cp '%s' '%s'", dll, f.path);
  put(path, sizeof path, "%s/Counter", f.path);
  bind_apphost(path, "Counter.dll");
  add_runtime(&f, "Counter");
  put(hidden, sizeof hidden, "%s/hidden", f.path);
  assert_int_equal(mkdir(hidden, 0755), 0);
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  adapter *a = adapter_new(true);
  a->type = "Debuggees.Counter";
  a->method = "Tick";
  a->pid = (DWORD)fork();
  if (a->pid == 0) {
    dup2(ends[1], 1);
    run_hidden(f.path, hidden, "Counter");
  }
  close(ends[1]);
  while (byte != '\n')
    assert_int_equal(read(ends[0], &byte, 1), 1);
  put(path, sizeof path, "%s/libcoreclr.so", hidden);
  assert_int_equal(access(path, F_OK), -1);
  assert_int_equal(errno, ENOENT);
  HANDLE *handles = NULL;
  LPWSTR *paths = NULL;
  DWORD count = 0;
  WCHAR wide[128];
  to_wide(path, wide, 128);
  assert_int_equal(shim.EnumerateCLRs(a->pid, &handles, &paths, &count), S_OK);
  assert_int_equal(count, 1);
  assert_memory_equal(paths[0], wide, 2 * (strlen(path) + 1));
  assert_int_equal(shim.CloseCLREnumeration(handles, paths, count), S_OK);
  assert_int_equal(enlist(a), S_OK);
  await_count(a, &a->callbacks, 1);
  assert_int_equal(a->attached, S_OK);
  await_count(a, &a->hits, 20);
  assert_int_equal(shim.UnregisterForRuntimeStartup(a->token), S_OK);
  detach(a);
  assert_int_equal(kill((pid_t)a->pid, 0), 0);
  end_child((pid_t)a->pid);
  close(ends[0]);
  adapter_free(a);
  remove_folder(&f);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(launched_by_dotnet_it_stops_before_its_first_code),
      cmocka_unit_test(launched_by_an_app_host_it_stops_before_its_first_code),
      cmocka_unit_test(
          launched_by_an_app_host_with_a_runtime_of_its_own_it_stops_before_its_first_code),
      cmocka_unit_test(
          launched_by_a_host_that_only_creates_a_delegate_it_stops_before_its_first_code),
      cmocka_unit_test(launched_by_a_host_that_uses_hostfxr_it_stops_before_its_first_code),
      cmocka_unit_test(launched_with_each_setting_of_the_runtime_it_stops_before_its_first_code),
      cmocka_unit_test(a_startup_hook_is_code_of_the_program_too),
      cmocka_unit_test(asked_for_at_any_moment_of_its_start_it_is_attached_to_and_hit),
      cmocka_unit_test(a_program_with_a_runtime_that_only_it_can_see_is_attached_to),
  };
  if (!find_dotnet()) {
    printf("SKIP: dotnet is not installed\n");
    return 77;
  }
  if (!open_shim(NULL))
    return 1;
  return cmocka_run_group_tests_name("startup-net", tests, NULL, NULL);
}
