/* SPDX-License-Identifier: MIT */
/* The sample `interop` as a person runs it, on each runtime. */
#include "config.h"

#include "interop-support.h"

#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/wait.h>

typedef struct output {
  char *text, *errors;
  int code;
} output;

static output
run(const char *const *arguments)
{
  output o = {0};
  int status = -1;
  g_autoptr(GError) error = NULL;
  if (!g_spawn_sync(NULL, (char **)(uintptr_t)arguments, NULL, G_SPAWN_DEFAULT, NULL, NULL, &o.text,
                    &o.errors, &status, &error))
    fail_msg("%s", error->message);
  assert_true(WIFEXITED(status));
  o.code = WEXITSTATUS(status);
  return o;
}

static void
output_free(output *o)
{
  g_free(o->text);
  g_free(o->errors);
}

/* The sample's lines of that kind and event, and of that detail where it is not NULL. */
static unsigned
count_lines(const output *o, const char *kind, const char *event, const char *detail)
{
  unsigned count = 0;
  g_auto(GStrv) lines = g_strsplit(o->text, "\n", -1);
  for (char **line = lines; *line != NULL; line++) {
    g_autoptr(JsonParser) parser = json_parser_new();
    if (**line == '\0')
      continue;
    /* The program's own line is between those of the sample. */
    if (**line != '{')
      continue;
    assert_true(json_parser_load_from_data(parser, *line, -1, NULL));
    JsonObject *object = json_node_get_object(json_parser_get_root(parser));
    const char *said = json_object_get_string_member_with_default(object, "detail", "");
    count += strcmp(json_object_get_string_member(object, "kind"), kind) == 0 &&
             strcmp(json_object_get_string_member(object, "event"), event) == 0 &&
             (detail == NULL || strcmp(said, detail) == 0);
  }
  return count;
}

#define COMPARE "Debuggees.NativeCalls:Compare"

/* Each round of the program sorts five numbers by Compare and calls abs: of thirty hits in a row
 * some are of each kind. */
static void
check_session(const output *o)
{
  if (o->code != 0)
    fail_msg("%d: %s", o->code, o->errors);
  assert_int_equal(count_lines(o, "native", "CREATE_PROCESS", NULL), 1);
  assert_int_equal(count_lines(o, "managed", "CreateProcess", NULL), 1);
  assert_in_range(count_lines(o, "native", "LOAD_DLL", NULL), 3, 200);
  assert_in_range(count_lines(o, "managed", "LoadModule", NULL), 2, 200);
  unsigned native = count_lines(o, "native", "BREAKPOINT", "libc!abs");
  unsigned managed = count_lines(o, "managed", "Breakpoint", COMPARE);
  assert_in_range(native, 1, 29);
  assert_in_range(managed, 1, 29);
  assert_int_equal(native + managed, 30);
}

static void
hits_of_both_kinds_in_a_program_that_runs(void **state)
{
  (void)state;
  program p;
  program_start_managed(&p, "NativeCalls", "120", "1", NULL);
  g_autofree char *pid = g_strdup_printf("%d", p.pid);
  output o = run((const char *const[]){"samples/interop", "--json", "--break", COMPARE, "--native",
                                       "libc!abs", "--count", "30", "--pid", pid, NULL});
  check_session(&o);
  output_free(&o);
  program_check_unharmed(&p);
  program_end(&p);
}

static void
hits_of_both_kinds_in_a_program_that_is_launched(void **state)
{
  (void)state;
  g_autofree char *path = debuggee("NativeCalls");
  output o = run((const char *const[]){"samples/interop", "--json", "--break", COMPARE, "--native",
                                       "libc!abs", "--count", "30", "--launch", path, "120", NULL});
  check_session(&o);
  output_free(&o);
}

static void
an_end_is_told_on_both_sides(void **state)
{
  (void)state;
  g_autofree char *path = debuggee("NativeCalls");
  output o = run((const char *const[]){"samples/interop", "--json", "--launch", path, "0", NULL});
  assert_int_equal(o.code, 0);
  assert_int_equal(count_lines(&o, "native", "EXIT_PROCESS", "exit code 0"), 1);
  assert_int_equal(count_lines(&o, "managed", "ExitProcess", NULL), 1);
  output_free(&o);
}

static void
a_symbol_that_nobody_has_is_refused(void **state)
{
  (void)state;
  program p;
  program_start_managed(&p, "Counter", "120", NULL);
  g_autofree char *pid = g_strdup_printf("%d", p.pid);
  output o = run((const char *const[]){"samples/interop", "--native", "libc!no_such_function",
                                       "--pid", pid, NULL});
  assert_int_equal(o.code, 2);
  assert_non_null(strstr(o.errors, "libc!no_such_function"));
  output_free(&o);
  program_check_unharmed(&p);
  program_end(&p);
  o = run((const char *const[]){"samples/interop", NULL});
  assert_int_equal(o.code, 2);
  output_free(&o);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CASE_ON_BOTH(hits_of_both_kinds_in_a_program_that_runs),
      CASE_ON_BOTH(hits_of_both_kinds_in_a_program_that_is_launched),
      CASE_ON_BOTH(an_end_is_told_on_both_sides),
      CASE_ON_BOTH(a_symbol_that_nobody_has_is_refused),
  };
  return CLIENT_RUN(tests);
}
