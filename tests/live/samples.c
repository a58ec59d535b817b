/* SPDX-License-Identifier: MIT */
/* The samples as a person runs them: their output, their errors, and what they leave behind. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <glib.h>
#include <json-glib/json-glib.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/live/samples-support.h"

static const char *const doors[] = {
    "ICorDebugProcess::ReadMemory",
    "ReadProcessMemory",
    "WdbgExts ReadMemory",
    "DbgHelp callback",
    "IDebugDataSpaces4::ReadVirtual",
};

static JsonObject *
member(JsonObject *object, const char *name)
{
  assert_true(json_object_has_member(object, name));
  return json_object_get_object_member(object, name);
}

static void
check_site(JsonObject *site)
{
  JsonObject *bytes = member(site, "bytes");
  const char *kind = json_object_get_string_member(site, "kind");
  const char *raw = json_object_get_string_member(bytes, "raw");
  const char *original = json_object_get_string_member(bytes, "original");
  bool native = strcmp(kind, "native") == 0;
  assert_int_equal(strlen(original), 24);
  assert_int_equal(strncmp(raw, "cc", 2), 0);
  assert_int_not_equal(strncmp(original, "cc", 2), 0);
  for (size_t i = 0; i < G_N_ELEMENTS(doors); i++) {
    const char *seen = json_object_get_string_member(bytes, doors[i]);
    assert_int_equal(strncmp(seen, native ? "cc" : original, 2), 0);
    assert_string_equal(seen + 2, original + 2);
  }
}

/* What the document of `readmem --json` has to say, whatever the program. */
static void
check_document(const char *text, unsigned managed, unsigned native)
{
  g_autoptr(JsonParser) parser = json_parser_new();
  g_autoptr(GError) error = NULL;
  if (!json_parser_load_from_data(parser, text, -1, &error))
    fail_msg("%s in:\n%s", error->message, text);
  JsonObject *root = json_node_get_object(json_parser_get_root(parser));
  JsonArray *sites = json_object_get_array_member(root, "sites");
  for (guint i = 0; i < json_array_get_length(sites); i++) {
    JsonObject *site = json_array_get_object_element(sites, i);
    check_site(site);
    if (strcmp(json_object_get_string_member(site, "kind"), "native") == 0)
      native--;
    else
      managed--;
  }
  assert_int_equal(managed, 0);
  assert_int_equal(native, 0);
  JsonObject *changed = member(root, "changed_from_outside");
  const char *written = json_object_get_string_member(changed, "written");
  assert_string_not_equal(written, json_object_get_string_member(changed, "before"));
  for (size_t i = 0; i < G_N_ELEMENTS(doors); i++)
    assert_string_equal(json_object_get_string_member(member(changed, "seen"), doors[i]), written);
}

static void
readmem_launches_a_program(void **state)
{
  g_autofree char *program = sample_debuggee(*state);
  g_autofree char *output = NULL, *errors = NULL;
  int code =
      sample_run_list(&output, &errors, "samples/readmem", "--json", "--break",
                      "Debuggees.Counter:Tick", "--native", "getppid", "--launch", program, NULL);
  if (code != 0)
    fail_msg("exit code %d: %s", code, errors);
  /* The program's own output may stand before the document. */
  check_document(strstr(output, "{"), 1, 1);
}

static void
readmem_attaches_to_a_running_program_which_lives(void **state)
{
  g_autofree char *program = sample_debuggee(*state);
  g_autofree char *output = NULL, *errors = NULL;
  int pipe;
  GPid pid = sample_start(program, &pipe);
  g_autofree char *number = g_strdup_printf("%d", pid);
  int code =
      sample_run_list(&output, &errors, "samples/readmem", "--json", "--break",
                      "Debuggees.Counter:Tick", "--native", "getppid", "--pid", number, NULL);
  if (code != 0)
    fail_msg("exit code %d: %s", code, errors);
  check_document(output, 1, 1);
  sample_stop(pid, pipe);
}

static void
readmem_prints_text_that_marks_what_differs(void **state)
{
  g_autofree char *program = sample_debuggee(*state);
  g_autofree char *output = NULL, *errors = NULL;
  assert_int_equal(sample_run_list(&output, &errors, "samples/readmem", "--break",
                                   "Debuggees.Counter:Tick", "--native", "getppid", "--launch",
                                   program, NULL),
                   0);
  assert_non_null(strstr(output, "managed breakpoint Debuggees.Counter:Tick at 0x"));
  assert_non_null(strstr(output, "native breakpoint getppid at 0x"));
  assert_non_null(strstr(output, "[cc]"));
  assert_null(strstr(output, "NOT SEEN"));
}

static void
attach_break_counts_and_detaches(void **state)
{
  g_autofree char *program = sample_debuggee(*state);
  int pipe;
  GPid pid = sample_start(program, &pipe);
  g_autofree char *number = g_strdup_printf("%d", pid);
  for (int i = 0; i < 2; i++) { /* a second attach finds the agent inert and wakes it */
    g_autofree char *output = NULL, *errors = NULL;
    int code = sample_run_list(&output, &errors, "samples/attach-break", "--pid", number, "--break",
                               "Debuggees.Counter:Tick", "--count", "200", NULL);
    if (code != 0)
      fail_msg("exit code %d: %s", code, errors);
    assert_non_null(strstr(output, "200 hits in"));
  }
  sample_stop(pid, pipe);
}

static void
a_net_program_is_attached_under_each_setting_of_its_runtime(void **state)
{
  static const char *const settings[] = {"EnableWriteXorExecute=0", "TieredCompilation=0",
                                         "ReadyToRun=0", "EnableDiagnostics=0", "gcServer=1"};
  g_autofree char *program = sample_debuggee("net/release/Counter.dll");
  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(settings); i++) {
    g_autofree char *name = g_strdup_printf("DOTNET_%s", settings[i]);
    g_autofree char *output = NULL, *errors = NULL;
    char *value = strchr(name, '=');
    int pipe;
    *value++ = '\0';
    g_setenv(name, value, TRUE);
    GPid pid = sample_start(program, &pipe);
    g_unsetenv(name);
    g_autofree char *number = g_strdup_printf("%d", pid);
    int code = sample_run_list(&output, &errors, "samples/attach-break", "--pid", number, "--break",
                               "Debuggees.Counter:Tick", "--count", "100", NULL);
    if (code != 0)
      fail_msg("%s: exit code %d: %s", settings[i], code, errors);
    assert_non_null(strstr(output, "100 hits in"));
    sample_stop(pid, pipe);
  }
}

/* One clear line on stderr, nothing on stdout, exit code 2. */
static void
assert_refused(int code, const char *output, const char *errors, const char *because)
{
  if (code != 2 || strstr(errors, because) == NULL)
    fail_msg("exit code %d, '%s' expected in: %s", code, because, errors);
  assert_string_equal(output, "");
  assert_ptr_equal(strchr(errors, '\n'), errors + strlen(errors) - 1);
}

/* ---- Breakpoints on source lines ---- */

static void
readmem_breaks_on_a_source_line(void **state)
{
  g_autofree char *program = sample_debuggee("Counter.exe");
  g_autofree char *line = sample_counter_line("if (next % 1000 == 0)");
  g_autofree char *output = NULL, *errors = NULL;
  (void)state;
  int code = sample_run_list(&output, &errors, "samples/readmem", "--json", "--break", line,
                             "--native", "getppid", "--launch", program, NULL);
  if (code != 0)
    fail_msg("exit code %d: %s", code, errors);
  check_document(strstr(output, "{"), 1, 1);
  assert_non_null(strstr(output, line));
}

static void
attach_break_counts_hits_of_a_source_line(void **state)
{
  g_autofree char *program = sample_debuggee("Counter.exe");
  g_autofree char *line = sample_counter_line("return next;");
  g_autofree char *path = g_strconcat("debuggees/", line, NULL);
  g_autofree char *output = NULL, *errors = NULL;
  int pipe;
  (void)state;
  GPid pid = sample_start(program, &pipe);
  g_autofree char *number = g_strdup_printf("%d", pid);
  int code = sample_run_list(&output, &errors, "samples/attach-break", "--pid", number, "--break",
                             path, "--count", "50", NULL);
  if (code != 0)
    fail_msg("exit code %d: %s", code, errors);
  assert_non_null(strstr(output, "50 hits in"));
  sample_stop(pid, pipe);
}

/* Both samples refuse the line, and the program lives on. */
static void
assert_line_refused(const char *program, const char *line, const char *because)
{
  static const char *const samples[] = {"samples/readmem", "samples/attach-break"};
  int pipe;
  GPid pid = sample_start(program, &pipe);
  g_autofree char *number = g_strdup_printf("%d", pid);
  for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
    g_autofree char *output = NULL, *errors = NULL;
    int code =
        sample_run_list(&output, &errors, samples[i], "--pid", number, "--break", line, NULL);
    assert_refused(code, output, errors, because);
  }
  sample_stop(pid, pipe);
}

static void
a_line_without_code_is_refused_and_the_nearest_named(void **state)
{
  g_autofree char *program = sample_debuggee("Counter.exe");
  g_autofree char *bare = sample_counter_line("static long count;");
  g_autofree char *nearest = sample_counter_line("public static long Tick(long value) {");
  g_autofree char *because =
      g_strdup_printf("the nearest line with code is %s", strchr(nearest, ':') + 1);
  (void)state;
  assert_line_refused(program, bare, because);
}

static void
a_file_that_no_module_has_is_refused(void **state)
{
  g_autofree char *program = sample_debuggee("Counter.exe");
  (void)state;
  assert_line_refused(program, "Nowhere.cs:3",
                      "--break Nowhere.cs:3: no module with symbols has such a source file");
}

static void
a_program_without_symbols_is_named(void **state)
{
  g_autofree char *program = sample_debuggee("Counter.exe");
  g_autofree char *folder = g_dir_make_tmp("cordbg-samples-XXXXXX", NULL);
  g_autofree char *copy = g_build_filename(folder, "Bare.exe", NULL);
  g_autofree char *bytes = NULL;
  gsize size;
  (void)state;
  assert_true(g_file_get_contents(program, &bytes, &size, NULL));
  assert_true(g_file_set_contents(copy, bytes, (gssize)size, NULL));
  assert_line_refused(copy, "Counter.cs:14", "Bare.exe");
  assert_int_equal(unlink(copy), 0);
  assert_int_equal(rmdir(folder), 0);
}

static void
a_launched_program_that_never_has_the_file_is_told_at_its_end(void **state)
{
  g_autofree char *program = sample_debuggee("Counter.exe");
  g_autofree char *output = NULL, *errors = NULL;
  (void)state;
  int code = sample_run_list(&output, &errors, "samples/readmem", "--break", "Nowhere.cs:3",
                             "--launch", program, "0", NULL);
  if (code != 2 || strstr(errors, "no module with symbols has such a source file") == NULL)
    fail_msg("exit code %d: %s", code, errors);
}

static void
a_name_of_two_source_files_is_refused_and_both_listed(void **state)
{
  g_autofree char *program = sample_debuggee("../../tests/live/Same.exe");
  (void)state;
  assert_line_refused(program, "Same.cs:8", "one/Same.cs");
  assert_line_refused(program, "Same.cs:8", "two/Same.cs");
}

static void
mistakes_in_the_arguments_get_one_line_and_exit_code_2(void **state)
{
  static const struct {
    const char *arguments[6];
    const char *because;
  } mistakes[] = {
      {{NULL}, "--pid PID or --launch"},
      {{"--pid", "12x", "--break", "A:B"}, "not a process id"},
      {{"--pid", "-1", "--break", "A:B"}, "not a process id"},
      {{"--pid", "1"}, "--break"},
      {{"--break", "nocolon", "--pid", "1"}, "names no method"},
      {{"--break", "A:B@x", "--pid", "1"}, "IL offset"},
      {{"--break", "A.cs:0", "--pid", "1"}, "lines count from 1"},
      {{"--break", "A.cs:1x", "--pid", "1"}, "not a number"},
      {{"--break", "A.cs:4294967296", "--pid", "1"}, "not a number"},
      {{"--break", "A:B", "--launch"}, "needs a program"},
      {{"--break", "A:B", "--pid"}, "needs a value"},
      {{"--no-such-option"}, "unknown option"},
      {{"--break", "A:B", "--pid", "1", "more"}, "is not an option"},
      {{"--break", "A:B", "--launch", "/nonexistent/x.exe"}, "No such file"},
      {{"--break", "A:B", "--pid", "2147483647"}, "2147483647"},
  };
  (void)state;
  for (size_t i = 0; i < G_N_ELEMENTS(mistakes); i++) {
    g_autofree char *output = NULL, *errors = NULL;
    const char *const *a = mistakes[i].arguments;
    int code = sample_run_list(&output, &errors, "samples/readmem", a[0], a[1], a[2], a[3], a[4],
                               a[5], NULL);
    assert_refused(code, output, errors, mistakes[i].because);
  }
}

/* A child that waits until its pipe closes. */
static pid_t
fork_waiting(int *release)
{
  int hold[2];
  char byte = 0;
  assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
  pid_t pid = fork();
  if (pid == 0) {
    close(hold[1]);
    _exit(read(hold[0], &byte, 1) != 0);
  }
  assert_true(pid > 0);
  close(hold[0]);
  *release = hold[1];
  return pid;
}

static void
assert_pid_refused(pid_t pid, const char *because)
{
  g_autofree char *number = g_strdup_printf("%d", pid);
  g_autofree char *output = NULL, *errors = NULL;
  int code =
      sample_run_list(&output, &errors, "samples/readmem", "--break", "A:B", "--pid", number, NULL);
  assert_refused(code, output, errors, because);
}

static void
a_process_that_is_not_managed_is_refused_and_lives(void **state)
{
  int release, status;
  (void)state;
  pid_t pid = fork_waiting(&release);
  assert_pid_refused(pid, "Mono");
  close(release);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
}

static void
row_37_a_program_that_is_traced_already_is_refused_and_its_tracer_named(void **state)
{
  g_autofree char *program = sample_debuggee("Counter.exe");
  g_autofree char *tracer = g_strdup_printf("%d", getpid());
  int pipe;
  (void)state;
  GPid pid = sample_start(program, &pipe);
  assert_int_equal(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
  assert_pid_refused(pid, tracer);
  sample_stop(pid, pipe);
}

static void
row_41_a_process_of_another_user_is_refused(void **state)
{
  (void)state;
  if (getuid() != 0) {
    assert_pid_refused(1, "1");
    return;
  }
  /* As root: run the sample as an ordinary user against a process of root's. */
  int release, status;
  pid_t pid = fork_waiting(&release);
  g_autofree char *number = g_strdup_printf("%d", pid);
  g_autofree char *output = NULL, *errors = NULL;
  g_autofree char *setpriv = g_find_program_in_path("setpriv");
  if (setpriv == NULL) {
    printf("SKIP: setpriv is missing\n");
    skip();
  }
  int code =
      sample_run_list(&output, &errors, setpriv, "--reuid=65534", "--regid=65534", "--clear-groups",
                      "samples/readmem", "--break", "A:B", "--pid", number, NULL);
  assert_refused(code, output, errors, number);
  close(release);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      {"readmem_launches_a_program_on_mono", readmem_launches_a_program, NULL, NULL,
       (char *)"Counter.exe"},
      {"readmem_launches_a_program_on_net", readmem_launches_a_program, NULL, NULL,
       (char *)"net/Counter.dll"},
      {"readmem_launches_a_program_on_net_release", readmem_launches_a_program, NULL, NULL,
       (char *)"net/release/Counter.dll"},
      {"readmem_attaches_to_a_running_program_which_lives_on_mono",
       readmem_attaches_to_a_running_program_which_lives, NULL, NULL, (char *)"Counter.exe"},
      {"readmem_attaches_to_a_running_program_which_lives_on_net",
       readmem_attaches_to_a_running_program_which_lives, NULL, NULL, (char *)"net/Counter.dll"},
      {"readmem_attaches_to_a_running_program_which_lives_on_net_release",
       readmem_attaches_to_a_running_program_which_lives, NULL, NULL,
       (char *)"net/release/Counter.dll"},
      {"readmem_prints_text_that_marks_what_differs_on_mono",
       readmem_prints_text_that_marks_what_differs, NULL, NULL, (char *)"Counter.exe"},
      {"readmem_prints_text_that_marks_what_differs_on_net",
       readmem_prints_text_that_marks_what_differs, NULL, NULL, (char *)"net/Counter.dll"},
      {"readmem_prints_text_that_marks_what_differs_on_net_release",
       readmem_prints_text_that_marks_what_differs, NULL, NULL, (char *)"net/release/Counter.dll"},
      {"attach_break_counts_and_detaches_on_mono", attach_break_counts_and_detaches, NULL, NULL,
       (char *)"Counter.exe"},
      {"attach_break_counts_and_detaches_on_net", attach_break_counts_and_detaches, NULL, NULL,
       (char *)"net/Counter.dll"},
      {"attach_break_counts_and_detaches_on_net_release", attach_break_counts_and_detaches, NULL,
       NULL, (char *)"net/release/Counter.dll"},
      cmocka_unit_test(a_net_program_is_attached_under_each_setting_of_its_runtime),
      cmocka_unit_test(readmem_breaks_on_a_source_line),
      cmocka_unit_test(attach_break_counts_hits_of_a_source_line),
      cmocka_unit_test(a_line_without_code_is_refused_and_the_nearest_named),
      cmocka_unit_test(a_file_that_no_module_has_is_refused),
      cmocka_unit_test(a_program_without_symbols_is_named),
      cmocka_unit_test(a_launched_program_that_never_has_the_file_is_told_at_its_end),
      cmocka_unit_test(a_name_of_two_source_files_is_refused_and_both_listed),
      cmocka_unit_test(mistakes_in_the_arguments_get_one_line_and_exit_code_2),
      cmocka_unit_test(a_process_that_is_not_managed_is_refused_and_lives),
      cmocka_unit_test(row_37_a_program_that_is_traced_already_is_refused_and_its_tracer_named),
      cmocka_unit_test(row_41_a_process_of_another_user_is_refused),
  };
  return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}
