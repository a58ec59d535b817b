/* SPDX-License-Identifier: MIT */
/*
 * .NET programs launched through libdbgshim.so in each way in which one can be started: nothing of
 * the program has run when the launch stops, so breakpoints in its module initializer (its first
 * code) and in what the host calls are hit, once each.
 */
#include "dbgshim-client.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
  const char *version = strrchr(framework, '/') + 1;
  (void)state;
  make_folder(&f);
  put(path, sizeof path, "%s/Hosted", f.path);
  bind_apphost(path, "Hosted.dll");
  /* The native part is copied, so that it is the folder's runtime that is found. */
  RUN("cp '%s' '%s'/*.so '%s' && ln -s '%s'/*.dll '%s' && cd '%s' && printf '%%s' "
      "'{\"runtimeOptions\":{\"includedFrameworks\":[{\"name\":\"Microsoft.NETCore.App\","
      "\"version\":\"%s\"}]}}' >Hosted.runtimeconfig.json",
      hostfxr, framework, f.path, framework, f.path, f.path, version);
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
  };
  if (!find_dotnet()) {
    printf("SKIP: dotnet is not installed\n");
    return 77;
  }
  if (!open_shim(NULL))
    return 1;
  return cmocka_run_group_tests_name("startup-net", tests, NULL, NULL);
}
