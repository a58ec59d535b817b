/* SPDX-License-Identifier: MIT */
/* The DAC host on a real .NET program: what dac.h answers, and what becomes of a host that dies. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib.h>

#include "cordbg/memory/target.h"
#include "runtime-shim/coreclr/dac.h"

typedef struct fixture {
  pid_t pid;
  cordbg_tracer *tracer;
  cordbg_target *target;
  cordbg_dac *dac;
  cordbg_error error;
  char library[512];
  uint64_t base;
} fixture;

static fixture f;

static void
must(HRESULT hr)
{
  if (FAILED(hr))
    fail_msg("0x%08x: %s", (unsigned)hr, f.error.sentence);
}

static double
now_us(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static bool
find_library(void)
{
  char path[64], line[1024];
  snprintf(path, sizeof path, "/proc/%d/maps", f.pid);
  FILE *maps = fopen(path, "re");
  bool found = false;
  while (maps && !found && fgets(line, sizeof line, maps)) {
    char *name = strchr(line, '/');
    if (name && strstr(name, "/libcoreclr.so\n")) {
      name[strcspn(name, "\n")] = 0;
      snprintf(f.library, sizeof f.library, "%s", name);
      f.base = strtoull(line, NULL, 16);
      found = true;
    }
  }
  if (maps)
    fclose(maps);
  return found;
}

/* Counter's methods run: it prints a line when it is ready. */
static int
setup(void **state)
{
  (void)state;
  const char *debuggees = getenv("CORDBG_DEBUGGEES");
  char program[1024], line[256];
  int out[2];
  if (!debuggees || pipe(out) != 0)
    return 1;
  snprintf(program, sizeof program, "%s/net/Counter.dll", debuggees);
  f.pid = fork();
  if (f.pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out[1], 1);
    close(out[0]);
    close(out[1]);
    execlp("dotnet", "dotnet", program, (char *)NULL);
    _exit(127);
  }
  close(out[1]);
  FILE *lines = fdopen(out[0], "r");
  if (!lines || !fgets(line, sizeof line, lines) || !find_library())
    return 1;
  must(cordbg_tracer_start(&f.tracer, &f.error));
  must(cordbg_tracer_attach(f.tracer, f.pid, &f.error));
  must(cordbg_target_create(f.tracer, &f.target, &f.error));
  cordbg_reply_stop stop;
  must(cordbg_tracer_stop(f.tracer, &stop, &f.error));
  double began = now_us();
  must(cordbg_dac_start(f.target, f.library, f.base, 0, &f.dac, &f.error));
  printf("host start: %.1f ms\n", (now_us() - began) / 1e3);
  return 0;
}

static int
teardown(void **state)
{
  (void)state;
  cordbg_dac_destroy(f.dac);
  cordbg_tracer_detach(f.tracer, NULL);
  cordbg_target_unref(f.target);
  kill(f.pid, SIGKILL);
  waitpid(f.pid, NULL, 0);
  return 0;
}

/* ---- Modules ---- */

static uint64_t
program_module(void)
{
  cordbg_dac_module *modules = NULL;
  size_t count = 0;
  uint64_t found = 0;
  must(cordbg_dac_modules(f.dac, &modules, &count, &f.error));
  for (size_t i = 0; i < count; i++)
    if (g_str_has_suffix(modules[i].path, "/Counter.dll"))
      found = modules[i].module;
  g_free(modules);
  return found;
}

static void
modules_have_paths_bases_and_metadata_and_one_is_the_core_library(void **state)
{
  (void)state;
  cordbg_dac_module *modules = NULL;
  size_t count = 0;
  unsigned core = 0, program = 0;
  double began = now_us();
  must(cordbg_dac_modules(f.dac, &modules, &count, &f.error));
  printf("%zu modules: %.0f us\n", count, now_us() - began);
  for (size_t i = 0; i < count; i++) {
    char magic[4] = "";
    print_message("%s base 0x%lx size 0x%lx flags %u flat %d metadata 0x%lx+0x%lx\n",
                  modules[i].path, modules[i].base, modules[i].size, modules[i].flags,
                  modules[i].flat, modules[i].metadata, modules[i].metadata_size);
    must(cordbg_target_read_exact(f.target, CORDBG_VIEW_PRISTINE, modules[i].metadata, magic, 4,
                                  &f.error));
    assert_memory_equal(magic, "BSJB", 4);
    must(cordbg_target_read_exact(f.target, CORDBG_VIEW_PRISTINE, modules[i].base, magic, 2,
                                  &f.error));
    assert_memory_equal(magic, "MZ", 2);
    if (modules[i].flags & CORDBG_RT_MODULE_CORE_LIBRARY) {
      core++;
      assert_true(g_str_has_suffix(modules[i].path, "System.Private.CoreLib.dll"));
    }
    program += g_str_has_suffix(modules[i].path, "/Counter.dll");
    cordbg_dac_module *one = NULL;
    must(cordbg_dac_module_at(f.dac, modules[i].module, &one, &f.error));
    assert_string_equal(one->path, modules[i].path);
    assert_int_equal(one->base, modules[i].base);
    g_free(one);
  }
  assert_int_equal(core, 1);
  assert_int_equal(program, 1);
  g_free(modules);
}

static void
threads_have_their_tids_and_the_main_thread_is_among_them(void **state)
{
  (void)state;
  cordbg_dac_thread *threads = NULL;
  size_t count = 0;
  unsigned mine = 0, finalizer = 0;
  must(cordbg_dac_threads(f.dac, &threads, &count, &f.error));
  for (size_t i = 0; i < count; i++) {
    mine += threads[i].tid == (uint32_t)f.pid;
    finalizer += (threads[i].flags & CORDBG_DAC_THREAD_FINALIZER) != 0;
  }
  assert_int_equal(mine, 1);
  assert_int_equal(finalizer, 1);
  g_free(threads);
}

static void
the_state_is_that_of_an_idle_workstation_collector(void **state)
{
  (void)state;
  cordbg_dac_state now;
  cordbg_dac_domain *domain = NULL;
  must(cordbg_dac_get_state(f.dac, &now, &f.error));
  assert_int_equal(now.server_gc, 0);
  assert_int_equal(now.max_generation, 2);
  assert_true(now.thread_count >= 2);
  must(cordbg_dac_get_domain(f.dac, &domain, &f.error));
  assert_int_equal(domain->number, 1);
  assert_true(domain->domain != 0);
  g_free(domain);
}

/* ---- Code ---- */

static void
every_body_of_the_programs_methods_is_found_again_by_its_address_and_has_an_il_map(void **state)
{
  (void)state;
  uint64_t module = program_module();
  size_t bodies = 0;
  assert_true(module != 0);
  for (uint32_t rid = 1; rid < 40; rid++) {
    cordbg_dac_code *codes = NULL;
    size_t count = 0;
    double began = now_us();
    if (FAILED(cordbg_dac_codes(f.dac, module, 0x06000000 | rid, &codes, &count, &f.error)))
      break;
    double took = now_us() - began;
    for (size_t i = 0; i < count; i++) {
      cordbg_dac_code again;
      cordbg_rt_map *map = NULL;
      size_t n = 0;
      assert_int_equal(
          cordbg_dac_code_at(f.dac, codes[i].start + codes[i].size - 1, &again, &f.error), S_OK);
      assert_int_equal(again.start, codes[i].start);
      assert_int_equal(again.tier, codes[i].tier);
      assert_int_equal(again.token, 0x06000000 | rid);
      assert_int_equal(again.class_token >> 24, 0x02);
      began = now_us();
      assert_int_equal(cordbg_dac_il_map(f.dac, codes[i].start, &map, &n, &f.error), S_OK);
      print_message("0x%08x tier %u size %u codes %.0f us, map of %zu in %.0f us\n", again.token,
                    again.tier, again.size, took, n, now_us() - began);
      assert_true(n >= 2);
      assert_int_equal(map[0].native_start, 0);
      assert_int_equal(map[n - 1].native_end, codes[i].size + codes[i].cold_size);
      g_free(map);
      bodies++;
    }
    g_free(codes);
  }
  assert_true(bodies >= 2);
  cordbg_dac_code none;
  assert_int_equal(cordbg_dac_code_at(f.dac, f.base, &none, &f.error), S_FALSE);
}

static void
wanted_methods_and_flags_are_written_and_nothing_is_thrown_yet(void **state)
{
  (void)state;
  uint64_t module = program_module();
  const uint32_t tokens[] = {0x06000001, 0x06000002};
  cordbg_dac_notification *notes = NULL;
  size_t count = 0;
  must(cordbg_dac_set_notifications(f.dac, CORDBG_DAC_ON_MODULE_LOAD | CORDBG_DAC_ON_MODULE_UNLOAD,
                                    &f.error));
  must(cordbg_dac_want_methods(f.dac, module, tokens, 2, true, &f.error));
  must(cordbg_dac_want_methods(f.dac, module, tokens, 2, false, &f.error));
  must(cordbg_dac_set_notifications(f.dac, 0, &f.error));
  assert_int_equal(cordbg_dac_decode(f.dac, &notes, &count, &f.error), S_FALSE);
}

/* ---- The host's life ---- */

static void
a_host_that_is_killed_is_followed_by_another_in_the_same_question(void **state)
{
  (void)state;
  unsigned before = cordbg_dac_starts(f.dac);
  cordbg_dac_state now;
  kill(cordbg_dac_host_pid(f.dac), SIGKILL);
  must(cordbg_dac_get_state(f.dac, &now, &f.error));
  assert_int_equal(cordbg_dac_starts(f.dac), before + 1);
}

static void
a_host_that_hangs_is_ended_and_followed_by_another_in_the_same_question(void **state)
{
  (void)state;
  cordbg_dac *impatient = NULL;
  cordbg_dac_state now;
  must(cordbg_dac_start(f.target, f.library, f.base, 2000, &impatient, &f.error));
  kill(cordbg_dac_host_pid(impatient), SIGSTOP);
  must(cordbg_dac_get_state(impatient, &now, &f.error));
  assert_int_equal(cordbg_dac_starts(impatient), 2);
  cordbg_dac_destroy(impatient);
}

static void *
ask_for_the_state(void *data)
{
  cordbg_dac_state now;
  *(HRESULT *)data = cordbg_dac_get_state(f.dac, &now, NULL);
  return NULL;
}

/* The last of all: the fixture's tracer is of no use to events afterwards. Whether the question is
 * on its way already or not, it is given up and does not wait for the host, which stands. */
static void
an_interruption_holds_until_the_target_is_left(void **state)
{
  (void)state;
  pthread_t thread;
  HRESULT answer = S_OK;
  cordbg_dac_state now;
  kill(cordbg_dac_host_pid(f.dac), SIGSTOP);
  assert_int_equal(pthread_create(&thread, NULL, ask_for_the_state, &answer), 0);
  cordbg_tracer_interrupt(cordbg_target_tracer(f.target));
  pthread_join(thread, NULL);
  assert_int_equal(answer, E_ABORT);
  assert_int_equal(cordbg_dac_get_state(f.dac, &now, &f.error), E_ABORT);
  cordbg_dac_leave(f.dac);
  must(cordbg_dac_get_state(f.dac, &now, &f.error));
}

static void
the_host_has_no_capabilities_no_new_privileges_and_a_filter(void **state)
{
  (void)state;
  char path[64], line[256];
  unsigned seen = 0;
  snprintf(path, sizeof path, "/proc/%d/status", cordbg_dac_host_pid(f.dac));
  FILE *status = fopen(path, "re");
  assert_non_null(status);
  while (fgets(line, sizeof line, status)) {
    unsigned long long value;
    if (sscanf(line, "CapEff: %llx", &value) == 1 || sscanf(line, "CapPrm: %llx", &value) == 1) {
      assert_int_equal(value, 0);
      seen++;
    }
    if (sscanf(line, "NoNewPrivs: %llu", &value) == 1 ||
        sscanf(line, "NoNewPrivs:\t%llu", &value) == 1) {
      assert_int_equal(value, 1);
      seen++;
    }
    if (sscanf(line, "Seccomp:\t%llu", &value) == 1) {
      assert_int_equal(value, 2);
      seen++;
    }
  }
  fclose(status);
  assert_int_equal(seen, 4);
}

static void
a_missing_dac_is_told_with_the_place_that_was_looked_at(void **state)
{
  (void)state;
  cordbg_error error = {0};
  assert_int_equal(cordbg_dac_look(f.pid, "/no/such/place/libcoreclr.so", &error),
                   CORDBG_E_DEBUG_COMPONENT_MISSING);
  assert_non_null(strstr(error.sentence, "/no/such/place/libmscordaccore.so"));
  assert_int_equal(cordbg_dac_look(f.pid, f.library, &error), S_OK);
}

int
main(void)
{
  if (system("dotnet --version >/dev/null 2>&1") != 0) {
    puts("SKIP: dotnet is not installed");
    return 77;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(modules_have_paths_bases_and_metadata_and_one_is_the_core_library),
      cmocka_unit_test(threads_have_their_tids_and_the_main_thread_is_among_them),
      cmocka_unit_test(the_state_is_that_of_an_idle_workstation_collector),
      cmocka_unit_test(
          every_body_of_the_programs_methods_is_found_again_by_its_address_and_has_an_il_map),
      cmocka_unit_test(wanted_methods_and_flags_are_written_and_nothing_is_thrown_yet),
      cmocka_unit_test(a_host_that_is_killed_is_followed_by_another_in_the_same_question),
      cmocka_unit_test(a_host_that_hangs_is_ended_and_followed_by_another_in_the_same_question),
      cmocka_unit_test(the_host_has_no_capabilities_no_new_privileges_and_a_filter),
      cmocka_unit_test(a_missing_dac_is_told_with_the_place_that_was_looked_at),
      cmocka_unit_test(an_interruption_holds_until_the_target_is_left),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
