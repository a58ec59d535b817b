/* SPDX-License-Identifier: MIT */
/* .NET programs that cannot be debugged: each is refused with a sentence, and lives on. */
#include "config.h"

#include "tests/live/mono-support.h"

#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime-shim/coreclr/coreclr.h"

#define DAC "libmscordaccore.so"
#define MUSL "libc.musl-x86_64.so.1"
enum { STRANGER = 12345 };

static const cordbg_runtime_ops *const ops = &cordbg_coreclr_ops;

/* ---- A .NET of one's own: links to the installed one, but libcoreclr.so is a copy ---- */

typedef struct place {
  char *root;      /* of this .NET */
  char *real;      /* folder of the installed framework */
  char *framework; /* folder of this one's */
} place;

static void
copy_file(const char *from, const char *to, int mode)
{
  g_autofree char *bytes = NULL;
  gsize size = 0;

  assert_true(g_file_get_contents(from, &bytes, &size, NULL));
  assert_true(g_file_set_contents(to, bytes, (gssize)size, NULL));
  assert_int_equal(chmod(to, (mode_t)mode), 0);
}

static void
link_all(const char *from, const char *to)
{
  GDir *folder = g_dir_open(from, 0, NULL);
  const char *name;

  assert_non_null(folder);
  while ((name = g_dir_read_name(folder))) {
    g_autofree char *target = g_build_filename(from, name, NULL);
    g_autofree char *link = g_build_filename(to, name, NULL);
    if (strcmp(name, DAC) == 0)
      continue;
    if (strcmp(name, "libcoreclr.so") == 0)
      copy_file(target, link, 0755);
    else
      assert_int_equal(symlink(target, link), 0);
  }
  g_dir_close(folder);
}

static void
make_place(place *p)
{
  g_autofree char *dotnet = g_find_program_in_path("dotnet");
  g_autofree char *program = realpath(dotnet, NULL);
  g_autofree char *root = g_path_get_dirname(program);
  g_autofree char *versions = g_build_filename(root, "shared/Microsoft.NETCore.App", NULL);
  g_autofree char *config =
      g_strdup_printf("%s/samples/debuggees/net/Counter.runtimeconfig.json", TEST_BUILD_FOLDER);
  g_autofree char *text = NULL;

  assert_true(g_file_get_contents(config, &text, NULL, NULL));
  const char *at = strstr(text, "\"version\":\"");
  assert_non_null(at);
  at += strlen("\"version\":\"");
  g_autofree char *version = g_strndup(at, strcspn(at, "\""));
  p->root = g_strdup("/tmp/cordbg-dotnet-XXXXXX");
  assert_non_null(g_mkdtemp(p->root));
  p->real = g_build_filename(versions, version, NULL);
  p->framework = g_build_filename(p->root, "shared/Microsoft.NETCore.App", version, NULL);
  assert_int_equal(g_mkdir_with_parents(p->framework, 0755), 0);
  g_autofree char *copy = g_build_filename(p->root, "dotnet", NULL);
  g_autofree char *host = g_build_filename(root, "host", NULL);
  g_autofree char *host_link = g_build_filename(p->root, "host", NULL);
  copy_file(program, copy, 0755);
  assert_int_equal(symlink(host, host_link), 0);
  link_all(p->real, p->framework);
}

static void
remove_folder(const char *path)
{
  GDir *folder = g_dir_open(path, 0, NULL);
  const char *name;

  while (folder && (name = g_dir_read_name(folder))) {
    g_autofree char *below = g_build_filename(path, name, NULL);
    if (!g_file_test(below, G_FILE_TEST_IS_SYMLINK) && g_file_test(below, G_FILE_TEST_IS_DIR))
      remove_folder(below);
    else
      unlink(below);
  }
  if (folder)
    g_dir_close(folder);
  rmdir(path);
}

static void
end_place(place *p)
{
  remove_folder(p->root);
  g_free(p->root);
  g_free(p->real);
  g_free(p->framework);
}

static void
start_counter(debuggee *d, const place *p)
{
  g_autofree char *dotnet = g_build_filename(p->root, "dotnet", NULL);
  g_autofree char *program =
      g_strdup_printf("%s/samples/debuggees/net/Counter.dll", TEST_BUILD_FOLDER);
  g_autofree char *root = g_strconcat("DOTNET_ROOT=", p->root, NULL);
  const char *const argv[] = {dotnet, program, NULL};
  const char *const env[] = {root, NULL};

  debuggee_start(d, argv, env);
  debuggee_expect(d, "ready");
}

/* Attaching fails with this code and a sentence that says `what`; the program runs on. */
static void
expect_refusal(debuggee *d, HRESULT expected, const char *what)
{
  session s;
  cordbg_error error = {.sentence = ""};

  session_ops = ops;
  HRESULT hr = session_try_attach(&s, d->pid, 30000, &error);
  if (hr != expected || !strstr(error.sentence, what))
    fail_msg("0x%08x \"%s\", not 0x%08x \"%s\"", (unsigned)hr, error.sentence, (unsigned)expected,
             what);
  debuggee_check_alive(d);
}

typedef void (*make_dac)(const char *real, const char *path);

static void
with_dac(make_dac make, HRESULT expected, const char *what)
{
  place p;
  debuggee d;

  make_place(&p);
  g_autofree char *real = g_build_filename(p.real, DAC, NULL);
  g_autofree char *path = g_build_filename(p.framework, DAC, NULL);
  if (make)
    make(real, path);
  start_counter(&d, &p);
  expect_refusal(&d, expected, what ? what : path);
  debuggee_end(&d);
  end_place(&p);
}

/* ---- What stands beside libcoreclr ---- */

static void
a_runtime_without_a_dac_beside_it_is_refused_with_the_place(void **state)
{
  (void)state;
  with_dac(NULL, CORDBG_E_DEBUG_COMPONENT_MISSING, NULL);
}

/* The same length, another patch. */
static void
make_other_version(const char *real, const char *path)
{
  g_autofree char *bytes = NULL;
  gsize size = 0;
  static const char mark[] = "@(#)Version ";

  assert_true(g_file_get_contents(real, &bytes, &size, NULL));
  char *at = memmem(bytes, size, mark, strlen(mark));
  assert_non_null(at);
  at += strlen(mark);
  at[0] = at[0] == '9' ? '8' : '9';
  assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
  assert_int_equal(chmod(path, 0755), 0);
}

static void
a_dac_of_another_version_is_refused_with_both_versions(void **state)
{
  (void)state;
  with_dac(make_other_version, CORDBG_E_INCOMPATIBLE_PLATFORMS, " is of version ");
}

static void
make_other_library(const char *real, const char *path)
{
  g_autofree char *folder = g_path_get_dirname(real);
  g_autofree char *other = g_build_filename(folder, "libSystem.Native.so", NULL);

  copy_file(other, path, 0755);
}

static void
another_library_in_the_dacs_place_is_refused(void **state)
{
  (void)state;
  with_dac(make_other_library, CORDBG_E_INCOMPATIBLE_PLATFORMS, "no data access library");
}

static void
make_text(const char *real, const char *path)
{
  (void)real;
  assert_true(g_file_set_contents(path, "no library", -1, NULL));
  assert_int_equal(chmod(path, 0755), 0);
}

static void
a_file_that_is_no_library_is_refused(void **state)
{
  (void)state;
  with_dac(make_text, CORDBG_E_INCOMPATIBLE_PLATFORMS, "no 64-bit ELF library");
}

static void
make_cut(const char *real, const char *path)
{
  copy_file(real, path, 0755);
  assert_int_equal(truncate(path, 1 << 20), 0);
}

static void
a_dac_that_is_cut_is_refused(void **state)
{
  (void)state;
  with_dac(make_cut, CORDBG_E_INCOMPATIBLE_PLATFORMS, "is cut");
}

static void
make_writable(const char *real, const char *path)
{
  copy_file(real, path, 0757);
}

static void
a_dac_that_others_may_write_is_refused(void **state)
{
  (void)state;
  with_dac(make_writable, E_ACCESSDENIED, "may be written by others");
}

static void
make_strangers(const char *real, const char *path)
{
  copy_file(real, path, 0755);
  assert_int_equal(chown(path, STRANGER, STRANGER), 0);
}

static void
a_dac_of_a_stranger_is_refused(void **state)
{
  (void)state;
  if (geteuid() != 0) {
    puts("SKIP: only root can give a file away");
    skip();
  }
  with_dac(make_strangers, E_ACCESSDENIED, "belongs to user 12345");
}

/* What it needs first is musl's C library: its name is written over a long symbol's. */
static void
make_musl(const char *real, const char *path)
{
  g_autofree char *bytes = NULL;
  gsize size = 0;
  static const char name[] = "pthread_condattr_setclock";

  assert_true(g_file_get_contents(real, &bytes, &size, NULL));
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)(void *)bytes;
  const Elf64_Shdr *sections = (const Elf64_Shdr *)(void *)(bytes + header->e_shoff);
  for (unsigned i = 0; i < header->e_shnum; i++) {
    if (sections[i].sh_type != SHT_DYNAMIC)
      continue;
    const Elf64_Shdr *strings = &sections[sections[i].sh_link];
    char *at = memmem(bytes + strings->sh_offset, strings->sh_size, name, sizeof name);
    assert_non_null(at);
    memcpy(at, MUSL, sizeof MUSL);
    for (Elf64_Dyn *d = (Elf64_Dyn *)(void *)(bytes + sections[i].sh_offset); d->d_tag; d++) {
      if (d->d_tag != DT_NEEDED)
        continue;
      d->d_un.d_val = (Elf64_Xword)(at - bytes) - strings->sh_offset;
      break;
    }
  }
  assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
  assert_int_equal(chmod(path, 0755), 0);
}

static void
a_dac_that_needs_musl_is_refused_with_that(void **state)
{
  (void)state;
  with_dac(make_musl, CORDBG_E_INCOMPATIBLE_PLATFORMS, "built for musl");
}

static void
the_environment_may_name_a_dac(void **state)
{
  place p;
  debuggee d;
  session s;

  (void)state;
  make_place(&p);
  g_autofree char *real = g_build_filename(p.real, DAC, NULL);
  start_counter(&d, &p);
  setenv("CORDBG_DAC_PATH", real, 1);
  session_ops = ops;
  session_attach(&s, d.pid);
  unsetenv("CORDBG_DAC_PATH");
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
  end_place(&p);
}

/* ---- Programs that are their own runtime ---- */

static void
expect_detection(int pid, const char *what)
{
  cordbg_runtime_info info;
  cordbg_error error = {.sentence = ""};
  HRESULT hr = ops->detect(pid, &info, &error);

  if (hr != CORDBG_E_UNSUPPORTED_DEBUGGING_MODEL || !strstr(error.sentence, what))
    fail_msg("0x%08x \"%s\" does not say \"%s\"", (unsigned)hr, error.sentence, what);
}

/* At its first instruction: by itself the host would end at once, there is no program in it. */
static void
a_single_file_program_is_told(void **state)
{
  g_autofree char *dotnet = g_find_program_in_path("dotnet");
  g_autofree char *program = realpath(dotnet, NULL);
  g_autofree char *root = g_path_get_dirname(program);
  g_autofree char *packs =
      g_build_filename(root, "packs/Microsoft.NETCore.App.Host.linux-x64", NULL);
  GDir *folder = g_dir_open(packs, 0, NULL);
  const char *version = folder ? g_dir_read_name(folder) : NULL;
  g_autofree char *path =
      version ? g_build_filename(packs, version, "runtimes/linux-x64/native/singlefilehost", NULL)
              : NULL;
  cordbg_tracer *tracer = NULL;
  int pid = 0;

  (void)state;
  if (folder)
    g_dir_close(folder);
  if (!path || access(path, X_OK) != 0) {
    puts("SKIP: the SDK here has no single-file host");
    skip();
  }
  char *argv[] = {path, NULL};
  cordbg_launch launch = {.path = path, .argv = argv, .envp = environ, .stdio = {-1, -1, -1}};
  assert_ok(cordbg_tracer_start(&tracer, &test_error));
  assert_ok(cordbg_tracer_launch(tracer, &launch, &pid, &test_error));
  expect_detection(pid, "single-file");
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  cordbg_tracer_destroy(tracer);
}

static void
a_program_compiled_by_nativeaot_is_told(void **state)
{
  g_autofree char *path = g_strdup_printf("%s/tests/live/dac-aot", TEST_BUILD_FOLDER);
  char *argv[] = {path, NULL};
  cordbg_launch launch = {.path = path, .argv = argv, .envp = environ, .stdio = {-1, -1, -1}};
  cordbg_tracer *tracer = NULL;
  int pid = 0;

  (void)state;
  assert_ok(cordbg_tracer_start(&tracer, &test_error));
  assert_ok(cordbg_tracer_launch(tracer, &launch, &pid, &test_error));
  expect_detection(pid, "NativeAOT");
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  cordbg_tracer_destroy(tracer);
}

/* ---- Somebody else is there ---- */

static void
a_program_that_is_debugged_already_is_refused_with_the_tracers_number(void **state)
{
  g_autofree char *path =
      g_strdup_printf("%s/samples/debuggees/net/Counter.dll", TEST_BUILD_FOLDER);
  const char *const argv[] = {"dotnet", path, NULL};
  debuggee d;
  session s;
  cordbg_tracer *second = NULL;
  cordbg_error error = {.sentence = ""};

  (void)state;
  debuggee_start(&d, argv, NULL);
  debuggee_expect(&d, "ready");
  session_ops = ops;
  session_attach(&s, d.pid);
  assert_ok(cordbg_tracer_start(&second, &test_error));
  HRESULT hr = cordbg_tracer_attach(second, d.pid, &error);
  assert_int_equal(hr, CORDBG_E_DEBUGGER_ALREADY_ATTACHED);
  g_autofree char *tracer = g_strdup_printf("%d", cordbg_tracer_tracer_pid(s.tracer));
  assert_non_null(strstr(error.sentence, tracer));
  cordbg_tracer_destroy(second);
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_runtime_without_a_dac_beside_it_is_refused_with_the_place),
      cmocka_unit_test(a_dac_of_another_version_is_refused_with_both_versions),
      cmocka_unit_test(another_library_in_the_dacs_place_is_refused),
      cmocka_unit_test(a_file_that_is_no_library_is_refused),
      cmocka_unit_test(a_dac_that_is_cut_is_refused),
      cmocka_unit_test(a_dac_that_others_may_write_is_refused),
      cmocka_unit_test(a_dac_of_a_stranger_is_refused),
      cmocka_unit_test(a_dac_that_needs_musl_is_refused_with_that),
      cmocka_unit_test(the_environment_may_name_a_dac),
      cmocka_unit_test(a_single_file_program_is_told),
      cmocka_unit_test(a_program_compiled_by_nativeaot_is_told),
      cmocka_unit_test(a_program_that_is_debugged_already_is_refused_with_the_tracers_number),
  };
  g_autofree char *dotnet = g_find_program_in_path("dotnet");

  if (!dotnet) {
    puts("SKIP: dotnet is not installed");
    return 77;
  }
  return cmocka_run_group_tests_name("dac-errors", tests, NULL, NULL);
}
