/* SPDX-License-Identifier: MIT */
/* What .NET does to code and threads while there are traps: the program counts, and so do we. */
#include "config.h"

#include "icordebug-client.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* g_malloc'ed; skips the case when it was not compiled. */
static char *
path_of(const char *build, const char *name)
{
  const char *folder = g_getenv("CORDBG_DEBUGGEES");
  char *path = g_build_filename(folder ? folder : "samples/debuggees", "../../tests/live", build,
                                name, NULL);
  if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
    printf("SKIP: no C# compiler built the debuggees\n");
    g_free(path);
    skip();
  }
  return path;
}

/* Runs the program to its end; what it counted. */
static long
count_of(client *c, client_hook hook, void *data, const char *build, const char *a, const char *b,
         const char *d)
{
  g_autofree char *path = path_of(build, "Trials.dll");
  char *argv[] = {(char *)"dotnet",     path, (char *)(uintptr_t)a, (char *)(uintptr_t)b,
                  (char *)(uintptr_t)d, NULL};
  int out[2];
  DWORD pid = 0;
  assert_int_equal(pipe2(out, O_CLOEXEC), 0);
  client_open(c, hook, data);
  HRESULT hr = client_launch(c, argv, 0, out[1]);
  g_unsetenv("DOTNET_gcServer"); /* a case that fails does not leave them to the next one */
  g_unsetenv("DOTNET_EnableWriteXorExecute");
  assert_ok(hr);
  assert_ok(ICorDebugProcess_GetID(c->process, &pid));
  close(out[1]);
  long counted = program_counted(out[0]);
  client_await(c, "ExitProcess", 1);
  close(out[0]);
  return counted;
}

static void
visits_are_hit(const char *a, const char *b, const char *d, long expected)
{
  static client c;
  breaking wish = {.type = "Debuggees.Trials", .method = "Visit"};
  long counted = count_of(&c, breaking_hook, &wish, "net", a, b, d);
  assert_int_equal(counted, expected);
  assert_int_equal(wish.hits, counted);
  breaking_drop(&wish);
  client_close(&c);
}

/* ---- Collectible code ---- */

/* Each round loads a module, binds in its code, and frees both under the breakpoint. */
static void
row_25_collectible_code_is_freed_under_its_breakpoint(void **state)
{
  (void)state;
  static client c;
  breaking wish = {.type = "Debuggees.Trials", .method = "Visit"};
  long counted = count_of(&c, breaking_hook, &wish, "net", "collect", "5", NULL);
  assert_int_equal(counted, 100);
  assert_int_equal(wish.hits, counted);
  assert_int_equal(wish.set, 6); /* the program's own, and five copies */
  assert_int_equal(client_count(&c, "UnloadModule"), 5);
  assert_int_equal(client_count(&c, "UnloadAssembly"), 5);
  breaking_drop(&wish);
  client_close(&c);
}

/* ---- Signals and collections ---- */

static void
a_storm_of_null_references_passes_to_the_runtime_under_breakpoints(void **state)
{
  (void)state;
  visits_are_hit("storm", "4", "500", 2000);
}

static void
server_collections_and_20000_hits_in_all_threads_disturb_neither(void **state)
{
  (void)state;
  g_setenv("DOTNET_gcServer", "1", TRUE);
  visits_are_hit("collector", "4", "5000", 20000);
}

/* ---- Precompiled code ---- */

typedef struct core {
  breaking begin, end, parse;
  ICorDebugModule *library;
  unsigned bodies;
  const char *stop; /* the file that ends the program's calls */
  CORDB_REGISTER seen[16];
} core;

static void
note_body(core *k, ICorDebugThread *thread)
{
  ICorDebugRegisterSet *set;
  CORDB_REGISTER rip = 0;
  hook_ok(ICorDebugThread_GetRegisterSet(thread, &set));
  hook_ok(ICorDebugRegisterSet_GetRegisters(set, 1ull << REGISTER_INSTRUCTION_POINTER, 1, &rip));
  ICorDebugRegisterSet_Release(set);
  for (unsigned i = 0; i < k->bodies; i++)
    if (k->seen[i] == rip)
      return;
  if (k->bodies < G_N_ELEMENTS(k->seen))
    k->seen[k->bodies++] = rip;
  if (k->bodies == 2) /* when the second comes is the runtime's affair */
    hook_true(g_file_set_contents(k->stop, "", 0, NULL));
}

/* The library's method is broken at between the program's Begin and End. */
static then
core_hook(client *c, const told *what)
{
  core *k = c->data;
  if (strcmp(what->name, "LoadModule") == 0) {
    breaking_set(&k->begin, what->module);
    breaking_set(&k->end, what->module);
    ULONG32 count = 0;
    mdMethodDef token;
    if (!k->library && cordbg_find_methods(what->module, k->parse.type, k->parse.method, 1, &token,
                                           &count) == S_OK) {
      k->library = what->module;
      ICorDebugModule_AddRef(k->library);
    }
  }
  if (strcmp(what->name, "Breakpoint") != 0)
    return GO_ON;
  if (what->breakpoint == (ICorDebugBreakpoint *)k->begin.breakpoints[0]) {
    breaking_set(&k->parse, k->library);
  } else if (what->breakpoint == (ICorDebugBreakpoint *)k->end.breakpoints[0]) {
    for (unsigned i = 0; i < k->parse.set; i++)
      hook_ok(ICorDebugFunctionBreakpoint_Activate(k->parse.breakpoints[i], FALSE));
  } else {
    k->parse.hits++;
    note_body(k, what->thread);
  }
  return GO_ON;
}

static void
a_core_library_method_is_hit_in_its_precompiled_and_in_its_compiled_code(void **state)
{
  (void)state;
  static client c;
  g_autofree char *folder = g_dir_make_tmp("cordbg-XXXXXX", NULL);
  g_autofree char *stop = g_build_filename(folder, "stop", NULL);
  core k = {.stop = stop,
            .begin = {.type = "Debuggees.Trials", .method = "Begin"},
            .end = {.type = "Debuggees.Trials", .method = "End"},
            .parse = {.type = "System.Text.CompositeFormat", .method = "TryParseLiterals"}};
  long counted = count_of(&c, core_hook, &k, "net/release", "core", stop, NULL);
  assert_true(k.parse.set >= 1);
  assert_int_equal(k.parse.hits, counted);
  assert_true(k.bodies >= 2);
  unlink(stop);
  rmdir(folder);
  ICorDebugModule_Release(k.library);
  breaking_drop(&k.begin);
  breaking_drop(&k.end);
  breaking_drop(&k.parse);
  client_close(&c);
}

/* ---- Other processes ---- */

static void
programs_are_started_under_traps(void **state)
{
  (void)state;
  visits_are_hit("start", "10", NULL, 10);
}

/* They share the files of the code's memory, and so the trap. .NET shares what it allocates beside
 * its code too: children that count calls for the next tier were seen not to survive that, without
 * any debugger. */
static void
forked_children_that_share_the_codes_memory_live(void **state)
{
  (void)state;
  g_setenv("DOTNET_TieredCompilation", "0", TRUE);
  visits_are_hit("fork", "10", NULL, 10);
  g_unsetenv("DOTNET_TieredCompilation");
}

static void
forked_children_with_code_of_their_own_live(void **state)
{
  (void)state;
  g_setenv("DOTNET_EnableWriteXorExecute", "0", TRUE);
  visits_are_hit("fork", "10", NULL, 10);
  g_unsetenv("DOTNET_EnableWriteXorExecute");
}

/* ---- Who may write ---- */

enum { NOBODY = 65534, UNREACHABLE = 126 };

/* The code lies in a shared memory file, which is written through the program's own descriptor of
 * it: that needs no privilege. This program runs one of its cases as an ordinary user. */
static void
an_ordinary_user_breaks_in_code_under_w_xor_x(void **state)
{
  (void)state;
  int status = 0;
  if (geteuid() != 0) {
    visits_are_hit("start", "3", NULL, 3);
    return;
  }
  fflush(NULL);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    if (setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
        setresuid(NOBODY, NOBODY, NOBODY) == 0)
      execl("/proc/self/exe", "an-ordinary-user", "programs_are_started*", (char *)NULL);
    _exit(UNREACHABLE);
  }
  assert_int_equal(waitpid(pid, &status, 0), pid);
  if (status == UNREACHABLE << 8) {
    printf("SKIP: an ordinary user cannot reach this program\n");
    skip();
  }
  assert_int_equal(status, 0);
}

int
main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      CLIENT_TEST(row_25_collectible_code_is_freed_under_its_breakpoint),
      CLIENT_TEST(a_storm_of_null_references_passes_to_the_runtime_under_breakpoints),
      CLIENT_TEST(server_collections_and_20000_hits_in_all_threads_disturb_neither),
      CLIENT_TEST(a_core_library_method_is_hit_in_its_precompiled_and_in_its_compiled_code),
      CLIENT_TEST(programs_are_started_under_traps),
      CLIENT_TEST(forked_children_that_share_the_codes_memory_live),
      CLIENT_TEST(forked_children_with_code_of_their_own_live),
      CLIENT_TEST(an_ordinary_user_breaks_in_code_under_w_xor_x),
  };
  g_autofree char *dotnet = g_find_program_in_path("dotnet");
  if (!dotnet) {
    printf("SKIP: dotnet is not installed\n");
    return 77;
  }
  if (argc > 1) /* one case, by hand */
    cmocka_set_test_filter(argv[1]);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
