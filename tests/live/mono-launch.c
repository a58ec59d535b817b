/* SPDX-License-Identifier: MIT */
/* The Mono shim on launched programs, on embedders, and where it has to refuse. */
#include "config.h"

#include "tests/live/mono-support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const cordbg_runtime_ops *const ops = &cordbg_mono_ops;

static const char *
runtime_library(void)
{
  static const char *const paths[] = {"/usr/lib/libmonosgen-2.0.so.1",
                                      "/usr/lib/libmonosgen-2.0.so",
                                      "/usr/lib/x86_64-linux-gnu/libmonosgen-2.0.so.1"};

  for (size_t i = 0; i < G_N_ELEMENTS(paths); i++)
    if (access(paths[i], R_OK) == 0)
      return paths[i];
  print_message("SKIP: libmonosgen-2.0 is not installed\n");
  skip();
  return NULL;
}

static const char *
embedder(void)
{
  static char path[4096];

  snprintf(path, sizeof(path), "%s/tests/live/mono-embedder", TEST_BUILD_FOLDER);
  return path;
}

/* From the launch to the first hit in a method that was not compiled when it was asked for. */
static void
break_at_first_tick(session *s)
{
  cordbg_rt_code *codes = NULL;
  size_t count = 1;
  cordbg_rt_want_status status;

  cordbg_rt_id module = session_module(s, "/Counter.exe", 0);
  uint32_t token = session_method(s, module, "Debuggees.Counter", "Tick");
  assert_ok(ops->codes(s->runtime, module, token, &codes, &count, &test_error));
  assert_int_equal(count, 0);
  g_free(codes);
  assert_ok(ops->want_method(s->runtime, module, token, true, &status, &test_error));
  assert_int_equal(status, CORDBG_RT_WANT_OK);
  cordbg_rt_event event = session_run_until(s, CORDBG_RT_EVENT_CODE_COMPILED);
  assert_int_equal(event.code.token, token);
  session_plant(s, event.code.start);
  for (uint64_t i = 0; i < 3; i++) {
    assert_true(session_run_until_hit(s));
    assert_int_equal(s->event.registers.rdi, i); /* the first calls: 0, 1, 2 */
  }
  session_unplant(s, event.code.start);
}

static void
a_launched_mono_stops_before_user_code_and_runs_to_its_end(void **state)
{
  debuggee d;
  session s;
  const char *const argv[] = {"mono", debuggee_path("Counter"), "1", NULL};

  (void)state;
  session_launch(&s, &d, argv);
  break_at_first_tick(&s);
  session_detach(&s);
  debuggee_expect(&d, "ready");
  int status = debuggee_wait(&d, 20);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 7);
}

static void
a_launched_embedder_stops_before_user_code(void **state)
{
  debuggee d;
  session s;
  const char *const argv[] = {embedder(), runtime_library(), debuggee_path("Counter"), "1", NULL};

  (void)state;
  session_launch(&s, &d, argv);
  break_at_first_tick(&s);
  session_detach(&s);
  debuggee_expect(&d, "ready");
  int status = debuggee_wait(&d, 20);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 7);
}

static void
an_embedder_with_a_private_runtime_is_attached(void **state)
{
  debuggee d;
  session s;
  cordbg_runtime_info info;
  const char *const argv[] = {embedder(), runtime_library(), debuggee_path("Counter"), "60", NULL};
  cordbg_rt_code *codes = NULL;
  size_t count = 0;

  (void)state;
  debuggee_start(&d, argv, NULL);
  debuggee_expect(&d, "ready");
  assert_ok(ops->detect(d.pid, &info, &test_error));
  assert_non_null(strstr(info.library, "libmonosgen"));
  session_attach(&s, d.pid);
  cordbg_rt_id module = session_module(&s, "/Counter.exe", 0);
  uint32_t token = session_method(&s, module, "Debuggees.Counter", "Tick");
  assert_ok(ops->codes(s.runtime, module, token, &codes, &count, &test_error));
  assert_int_equal(count, 1);
  session_plant(&s, codes[0].start);
  assert_true(session_run_until_hit(&s));
  session_unplant(&s, codes[0].start);
  g_free(codes);
  cordbg_rt_id *ids = NULL;
  assert_ok(ops->threads(s.runtime, &ids, &count, &test_error));
  assert_int_equal(count, 2);
  g_free(ids);
  session_detach(&s);
  assert_true(await_no_thread_named(d.pid, "cordbg"));
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

static void
a_runtime_without_a_finalizer_yet_is_refused_in_time(void **state)
{
  debuggee d;
  session s;
  cordbg_error error = {0};
  const char *const argv[] = {embedder(), runtime_library(), "idle", NULL};

  (void)state;
  debuggee_start(&d, argv, NULL);
  debuggee_expect(&d, "ready");
  gint64 begin = g_get_monotonic_time();
  assert_int_equal(session_try_attach(&s, d.pid, 300, &error), CORDBG_E_TIMEOUT);
  assert_true(g_get_monotonic_time() - begin < 3000000);
  assert_non_null(strstr(error.sentence, "Finalizer"));
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

static void
an_agent_loaded_by_the_command_line_is_used(void **state)
{
  debuggee d;
  session s;
  const char *const argv[] = {"mono", "--profile=cordbg", debuggee_path("Counter"), "60", NULL};
  const char *const env[] = {"LD_LIBRARY_PATH=" TEST_BUILD_FOLDER "/runtime-shim/mono/agent/.libs",
                             NULL};

  (void)state;
  debuggee_start(&d, argv, env);
  debuggee_expect(&d, "ready");
  char path[4096] = "";
  assert_true(cordbg_mono_find_base(d.pid, CORDBG_AGENT_LIBRARY, path, sizeof(path)) != 0);
  assert_null(strstr(path, "memfd"));
  assert_int_equal(count_threads_named(d.pid, "cordbg"), 0); /* inert when merely loaded */
  session_attach(&s, d.pid);
  assert_int_equal(s.runtime->block.sessions, 1);
  session_module(&s, "/Counter.exe", 0);
  /* Nothing was injected. */
  g_autofree char *maps_path = g_strdup_printf("/proc/%d/maps", d.pid);
  g_autofree char *maps = NULL;
  assert_true(g_file_get_contents(maps_path, &maps, NULL, NULL));
  assert_null(strstr(maps, "memfd:libmono"));
  session_detach(&s);
  assert_true(await_no_thread_named(d.pid, "cordbg"));
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

static void
a_launched_program_with_the_agent_loaded_works_too(void **state)
{
  debuggee d;
  session s;
  const char *const argv[] = {"env",
                              "LD_LIBRARY_PATH=" TEST_BUILD_FOLDER "/runtime-shim/mono/agent/.libs",
                              "mono",
                              "--profile=cordbg",
                              debuggee_path("Counter"),
                              "1",
                              NULL};

  (void)state;
  session_launch(&s, &d, argv); /* through an exec more */
  break_at_first_tick(&s);
  session_detach(&s);
  int status = debuggee_wait(&d, 20);
  assert_int_equal(WEXITSTATUS(status), 7);
}

static void
an_interpreted_method_says_that_there_is_nothing_to_trap(void **state)
{
  debuggee d;
  session s;
  cordbg_rt_want_status status = CORDBG_RT_WANT_OK;
  cordbg_rt_code *codes = NULL;
  size_t count = 0;
  const char *const argv[] = {"mono", "--interpreter", debuggee_path("Counter"), "60", NULL};

  (void)state;
  debuggee_start(&d, argv, NULL);
  debuggee_expect(&d, "ready");
  session_attach(&s, d.pid);
  cordbg_rt_id module = session_module(&s, "/Counter.exe", 0);
  uint32_t token = session_method(&s, module, "Debuggees.Counter", "Tick");
  assert_ok(ops->want_method(s.runtime, module, token, true, &status, &test_error));
  assert_int_equal(status, CORDBG_RT_WANT_INTERPRETED);
  assert_ok(ops->codes(s.runtime, module, token, &codes, &count, &test_error));
  for (size_t i = 0; i < count; i++)
    assert_int_equal(codes[i].kind, CORDBG_RT_CODE_INTERPRETED);
  g_free(codes);
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

static void
a_method_without_a_body_says_so(void **state)
{
  debuggee d;
  session s;
  cordbg_rt_want_status status = CORDBG_RT_WANT_OK;
  cordbg_rt_method method;

  (void)state;
  debuggee_start_mono(&d, "NativeCalls", "60", NULL);
  session_attach(&s, d.pid);
  cordbg_rt_id module = session_module(&s, "/NativeCalls.exe", 0);
  uint32_t token = session_method(&s, module, "Debuggees.NativeCalls", "qsort");
  assert_ok(ops->want_method(s.runtime, module, token, true, &status, &test_error));
  assert_int_equal(status, CORDBG_RT_WANT_NO_BODY);
  assert_ok(ops->method(s.runtime, module, token, &method, &test_error));
  assert_int_equal(method.il_size, 0);
  session_detach(&s);
  debuggee_end(&d);
}

/* Starts a Counter after `prepare` ran in the child. */
static void
start_prepared(debuggee *d, void (*prepare_child)(void))
{
  int out[2];

  assert_int_equal(pipe2(out, O_CLOEXEC), 0);
  fflush(NULL);
  d->pid = fork();
  if (d->pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out[1], 1);
    prepare_child();
    execlp("mono", "mono", debuggee_path("Counter"), "60", (char *)NULL);
    _exit(127);
  }
  close(out[1]);
  d->out = out[0];
  debuggee_expect(d, "ready");
}

/* In a mount namespace in which the agent's folder is empty. */
static void
hide_the_agent(void)
{
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount("none", TEST_BUILD_FOLDER "/runtime-shim", "tmpfs", 0, NULL) != 0)
    _exit(126);
}

static void
row_41_a_target_in_another_mount_namespace_is_attached(void **state)
{
  debuggee d;
  session s;

  (void)state;
  if (geteuid() != 0) {
    print_message("SKIP: only root can make a mount namespace\n");
    skip();
  }
  start_prepared(&d, hide_the_agent);
  g_autofree char *there =
      g_strdup_printf("/proc/%d/root%s/runtime-shim/mono", d.pid, TEST_BUILD_FOLDER);
  assert_false(g_file_test(there, G_FILE_TEST_EXISTS));
  session_attach(&s, d.pid);
  session_module(&s, "/Counter.exe", 0);
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

static void
allow_everything_by_a_filter(void)
{
  struct sock_filter instructions[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {.len = 1, .filter = instructions};

  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    _exit(126);
}

static void
row_41_a_seccomp_filter_of_its_own_refuses_unless_forced(void **state)
{
  debuggee d;
  session s;
  cordbg_error error = {0};

  (void)state;
  start_prepared(&d, allow_everything_by_a_filter);
  unsetenv("CORDBG_FORCE_INJECTION");
  assert_int_equal(session_try_attach(&s, d.pid, 2000, &error), E_ACCESSDENIED);
  assert_non_null(strstr(error.sentence, "seccomp"));
  debuggee_check_alive(&d);
  setenv("CORDBG_FORCE_INJECTION", "1", 1);
  session_attach(&s, d.pid);
  session_module(&s, "/Counter.exe", 0);
  session_detach(&s);
  unsetenv("CORDBG_FORCE_INJECTION");
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

static void
row_28_the_clients_death_leaves_the_target_inert(void **state)
{
  debuggee d;
  int ready[2];
  char byte;

  (void)state;
  debuggee_start_mono(&d, "ManyThreads", "60", "4", "1", NULL);
  for (unsigned round = 0; round < 5; round++) {
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    fflush(NULL);
    int client = fork();
    if (client == 0) {
      session s;
      session_attach(&s, d.pid);
      session_run_for(&s, 30);
      cordbg_rt_id module = session_module(&s, "/ManyThreads.exe", 0);
      uint32_t token = session_method(&s, module, "Debuggees.ManyThreads", "Work");
      cordbg_rt_code *codes = NULL;
      size_t count = 0;
      assert_ok(ops->codes(s.runtime, module, token, &codes, &count, &test_error));
      assert_true(count >= 1); /* two threads that compile it at once leave two bodies */
      for (size_t i = 0; i < count; i++)
        session_plant(&s, codes[i].start);
      assert_true(write(ready[1], "x", 1) == 1);
      for (;;)
        session_run_until_hit(&s);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    poll(NULL, 0, (int)(round * 7)); /* into the middle of its hits */
    kill(client, SIGKILL);
    assert_int_equal(waitpid(client, NULL, 0), client);
    close(ready[0]);
    assert_true(await_no_thread_named(d.pid, "cordbg"));
    debuggee_check_alive(&d);
  }
  debuggee_end(&d);
}

static void
the_agent_needs_no_symbol_of_glibc_newer_than_2_17(void **state)
{
  g_autofree char *out = NULL;
  g_autofree char *tool = g_find_program_in_path("objdump");
  char *argv[] = {tool, (char *)"-T",
                  (char *)TEST_BUILD_FOLDER "/runtime-shim/mono/agent/.libs/" CORDBG_AGENT_LIBRARY,
                  NULL};
  unsigned versions = 0;

  (void)state;
  if (!tool) {
    print_message("SKIP: objdump is not installed\n");
    skip();
  }
  assert_true(g_spawn_sync(NULL, argv, NULL, 0, NULL, NULL, &out, NULL, NULL, NULL));
  for (const char *at = out; (at = strstr(at, "GLIBC_")); at++) {
    unsigned major = 0, minor = 0;
    assert_true(sscanf(at, "GLIBC_%u.%u", &major, &minor) == 2);
    assert_int_equal(major, 2);
    assert_true(minor <= 17);
    versions++;
  }
  assert_true(versions > 5);
  /* The runtime's functions are looked up, not linked: a Mono that lacks one still loads it. */
  g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
  for (size_t i = 0; lines[i]; i++)
    assert_false(strstr(lines[i], "*UND*") && strstr(lines[i], "mono_"));
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_launched_mono_stops_before_user_code_and_runs_to_its_end),
      cmocka_unit_test(a_launched_embedder_stops_before_user_code),
      cmocka_unit_test(an_embedder_with_a_private_runtime_is_attached),
      cmocka_unit_test(a_runtime_without_a_finalizer_yet_is_refused_in_time),
      cmocka_unit_test(an_agent_loaded_by_the_command_line_is_used),
      cmocka_unit_test(a_launched_program_with_the_agent_loaded_works_too),
      cmocka_unit_test(an_interpreted_method_says_that_there_is_nothing_to_trap),
      cmocka_unit_test(a_method_without_a_body_says_so),
      cmocka_unit_test(row_41_a_target_in_another_mount_namespace_is_attached),
      cmocka_unit_test(row_41_a_seccomp_filter_of_its_own_refuses_unless_forced),
      cmocka_unit_test(row_28_the_clients_death_leaves_the_target_inert),
      cmocka_unit_test(the_agent_needs_no_symbol_of_glibc_newer_than_2_17),
  };

  skip_without_mono();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
