/* SPDX-License-Identifier: MIT */
/* Sessions with .NET programs go on, whatever becomes of the DAC host, and whatever it is. */
#include "config.h"

#include "tests/live/mono-support.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime-shim/coreclr/coreclr.h"
#include "runtime-shim/coreclr/dac-private.h"
#include "tests/live/dac-resilience.h"

#define PATIENCE_MS 30000
enum { HITS = 120, HANGS = 3, NOBODY = 65534 };

static const cordbg_runtime_ops *const ops = &cordbg_coreclr_ops;
static GRand *chance;

static void
start_program(debuggee *d, const char *name, const char *folder)
{
  g_autofree char *path = g_strdup_printf("%s/%s.dll", folder, name);
  const char *const argv[] = {"dotnet", path, NULL};

  debuggee_start(d, argv, NULL);
}

static void
start_counter(debuggee *d)
{
  g_autofree char *folder = g_strdup_printf("%s/samples/debuggees/net", TEST_BUILD_FOLDER);

  start_program(d, "Counter", folder);
  debuggee_expect(d, "ready");
}

/* 0: it is not loaded. */
static cordbg_rt_id
find_module(session *s, const char *end)
{
  cordbg_rt_id *domains = NULL, *assemblies = NULL, found = 0;
  size_t count = 0, many = 0;

  assert_ok(ops->domains(s->runtime, &domains, &count, &test_error));
  assert_int_equal(count, 1);
  assert_ok(ops->assemblies(s->runtime, domains[0], &assemblies, &many, &test_error));
  for (size_t i = 0; i < many; i++) {
    cordbg_rt_id *modules = NULL;
    assert_ok(ops->modules(s->runtime, assemblies[i], &modules, &count, &test_error));
    for (size_t j = 0; j < count; j++) {
      cordbg_rt_module module;
      assert_ok(ops->module(s->runtime, modules[j], &module, &test_error));
      if (g_str_has_suffix(module.name, end))
        found = module.id;
    }
    g_free(modules);
  }
  g_free(assemblies);
  g_free(domains);
  return found;
}

/* ---- Under hits ---- */

typedef struct counting {
  session s;
  cordbg_rt_id module;
  uint32_t tick;
  guint seen; /* events looked at */
  GHashTable *planted;
} counting;

static void
plant_once(counting *c, uint64_t address)
{
  if (g_hash_table_add(c->planted, GSIZE_TO_POINTER(address)))
    session_plant(&c->s, address);
}

static void
begin_counting(counting *c, const debuggee *d)
{
  cordbg_rt_code *codes = NULL;
  size_t count = 0;

  session_ops = ops;
  session_attach(&c->s, d->pid);
  c->seen = 0;
  c->planted = g_hash_table_new(g_direct_hash, g_direct_equal);
  c->module = find_module(&c->s, "/Counter.dll");
  c->tick = session_method(&c->s, c->module, "Debuggees.Counter", "Tick");
  assert_ok(ops->want_method(c->s.runtime, c->module, c->tick, true, NULL, &test_error));
  assert_ok(ops->codes(c->s.runtime, c->module, c->tick, &codes, &count, &test_error));
  for (size_t i = 0; i < count; i++)
    plant_once(c, codes[i].start);
  g_free(codes);
}

/* Tells the shim; new bodies of Tick get their trap. */
static void
tell_shim(counting *c, const cordbg_event *event)
{
  cordbg_rt_event *events = NULL;
  size_t count = 0;

  assert_ok(ops->handle_event(c->s.runtime, event, &events, &count, &test_error));
  for (size_t i = 0; i < count; i++)
    if (events[i].kind == CORDBG_RT_EVENT_CODE_COMPILED)
      plant_once(c, events[i].code.start);
  g_free(events);
}

/* To the next call of Tick: its argument. */
static uint64_t
next_hit(counting *c)
{
  cordbg_event *event = &c->s.event;
  bool stopped = true;

  for (;;) {
    if (stopped)
      assert_ok(cordbg_tracer_continue(c->s.tracer, &test_error));
    assert_ok(cordbg_tracer_next_event(c->s.tracer, CORDBG_CHANNEL_MANAGED, PATIENCE_MS, event,
                                       &test_error));
    assert_int_not_equal(event->kind, CORDBG_EVENT_EXITED);
    stopped = event->flags & CORDBG_EVENT_STOPS;
    if (event->kind != CORDBG_EVENT_TRAP)
      continue;
    if (event->layers & CORDBG_LAYER_INTERNAL)
      tell_shim(c, event);
    if (event->layers & CORDBG_LAYER_MANAGED)
      return event->registers.rdi;
  }
}

static void
end_counting(counting *c, debuggee *d)
{
  g_hash_table_unref(c->planted);
  session_detach(&c->s);
  debuggee_check_alive(d);
  debuggee_end(d);
}

/* Every kind of question; all are answered, and rightly. */
static void
ask_everything(counting *c)
{
  cordbg_rt_code *codes = NULL, at;
  cordbg_rt_map *map = NULL;
  cordbg_rt_frame frame;
  size_t count = 0;

  tell_shim(c, NULL);
  assert_ok(ops->codes(c->s.runtime, c->module, c->tick, &codes, &count, &test_error));
  assert_true(count >= 1);
  assert_ok(ops->code_at(c->s.runtime, c->s.event.address, &at, &test_error));
  assert_int_equal(at.token, c->tick);
  assert_ok(ops->il_map(c->s.runtime, at.id, &map, &count, &test_error));
  assert_true(count >= 1);
  assert_ok(
      ops->unwind(c->s.runtime, c->s.event.tid, &c->s.event.registers, true, &frame, &test_error));
  assert_int_equal(frame.code.token, c->tick);
  g_free(map);
  g_free(codes);
}

typedef struct attacker {
  int pid, signal;
  unsigned microseconds;
} attacker;

/* A random moment: no event stands for it. */
static gpointer
attack(gpointer data)
{
  const attacker *a = data;

  g_usleep(a->microseconds);
  kill(a->pid, a->signal);
  return NULL;
}

/* Sends the host a signal at a random moment of the next hit and of the questions that follow. */
static uint64_t
hit_under_attack(counting *c, int signal, unsigned within)
{
  cordbg_dac *dac = dac_of_runtime(c->s.runtime);
  attacker a = {.pid = cordbg_dac_host_pid(dac),
                .signal = signal,
                .microseconds = (unsigned)g_rand_int_range(chance, 0, (gint32)within)};
  GThread *thread = a.pid > 0 ? g_thread_new("attacker", attack, &a) : NULL;
  uint64_t value = next_hit(c);

  ask_everything(c);
  if (thread)
    g_thread_join(thread); /* before another host can have this one's pid */
  return value;
}

static void
hits_go_on_while_the_host_is_killed_at_random_moments(void **state)
{
  debuggee d;
  counting c;

  (void)state;
  start_counter(&d);
  begin_counting(&c, &d);
  uint64_t first = next_hit(&c);
  for (unsigned i = 1; i <= HITS; i++)
    assert_int_equal(hit_under_attack(&c, SIGKILL, 20000), first + i);
  unsigned starts = cordbg_dac_starts(dac_of_runtime(c.s.runtime));
  printf("%d hits, %u hosts, %u bodies of code\n", HITS, starts, g_hash_table_size(c.planted));
  assert_true(starts > HITS / 4);
  end_counting(&c, &d);
}

static void
hits_go_on_while_the_host_is_stopped_at_random_moments(void **state)
{
  debuggee d;
  counting c;

  (void)state;
  setenv("CORDBG_DAC_TIMEOUT", "6000", 1);
  start_counter(&d);
  begin_counting(&c, &d);
  unsetenv("CORDBG_DAC_TIMEOUT");
  uint64_t first = next_hit(&c);
  for (unsigned i = 1; i <= HANGS; i++) {
    assert_int_equal(hit_under_attack(&c, SIGSTOP, 5000), first + 2 * i - 1);
    assert_int_equal(next_hit(&c),
                     first + 2 * i); /* also when it was stopped behind the last one */
    ask_everything(&c);
  }
  assert_true(cordbg_dac_starts(dac_of_runtime(c.s.runtime)) > HANGS);
  end_counting(&c, &d);
}

/* ---- What the target keeps ---- */

/* The first mapping of this kind. */
static uint64_t
find_place(int pid, const char *protection, const char *name)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/maps", pid);
  FILE *maps = fopen(path, "re");
  char line[4096];
  uint64_t found = 0;

  assert_non_null(maps);
  while (!found && fgets(line, sizeof line, maps)) {
    unsigned long long start;
    char prot[8];
    if (sscanf(line, "%llx-%*x %7s", &start, prot) == 2 && strcmp(prot, protection) == 0 &&
        strstr(line, name))
      found = start;
  }
  fclose(maps);
  if (!found)
    fail_msg("no mapping %s %s in process %d", protection, name, pid);
  return found;
}

/* The runtime's variables and its table of wanted methods, as they stand. */
static GByteArray *
runtimes_data(counting *c)
{
  GByteArray *ret = g_byte_array_new();
  const cordbg_dac *dac = dac_of_runtime(c->s.runtime);
  uint64_t at = find_place(c->s.pid, "rw-p", "/libcoreclr.so");
  cordbg_mapping mapping;

  for (int i = 0; i < 2; i++, at = mapping.end) { /* of the file, and the zero pages behind */
    assert_ok(cordbg_target_find_mapping(c->s.target, at, false, &mapping, NULL, 0, &test_error));
    guint begin = ret->len;
    g_byte_array_set_size(ret, begin + (guint)(mapping.end - at));
    assert_ok(cordbg_target_read_exact(c->s.target, CORDBG_VIEW_RAW, at, ret->data + begin,
                                       mapping.end - at, &test_error));
  }
  guint begin = ret->len;
  guint size = (guint)(dac->written_end - dac->written_start);
  assert_true(size > 0);
  g_byte_array_set_size(ret, begin + size);
  assert_ok(cordbg_target_read_exact(c->s.target, CORDBG_VIEW_RAW, dac->written_start,
                                     ret->data + begin, size, &test_error));
  return ret;
}

static bool
equal(const GByteArray *a, const GByteArray *b)
{
  return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* Another client of the runtime empties the table and clears the flags. */
static void
spoil(counting *c)
{
  cordbg_dac *second = NULL;
  cordbg_dac_module *modules = NULL;
  size_t count = 0;

  assert_ok(dac_second(c->s.runtime, &second, &test_error));
  assert_ok(cordbg_dac_modules(second, &modules, &count, &test_error));
  for (size_t i = 0; i < count; i++)
    if (g_str_has_suffix(modules[i].path, "/Counter.dll"))
      assert_ok(
          cordbg_dac_want_methods(second, modules[i].module, &c->tick, 1, false, &test_error));
  assert_ok(cordbg_dac_set_notifications(second, 0, &test_error));
  g_free(modules);
  cordbg_dac_destroy(second);
}

static void
a_new_host_writes_flags_and_wanted_methods_again(void **state)
{
  debuggee d;
  counting c;

  (void)state;
  start_counter(&d);
  begin_counting(&c, &d);
  g_autoptr(GByteArray) armed = runtimes_data(&c);
  spoil(&c);
  g_autoptr(GByteArray) spoilt = runtimes_data(&c);
  assert_false(equal(armed, spoilt));
  kill(cordbg_dac_host_pid(dac_of_runtime(c.s.runtime)), SIGKILL);
  tell_shim(&c, NULL);
  g_autoptr(GByteArray) again = runtimes_data(&c);
  assert_true(equal(armed, again));
  end_counting(&c, &d);
}

/* ---- A host that misbehaves ---- */

typedef struct impostor {
  debuggee d;
  session s;
  cordbg_dac *dac;
  uint64_t managed; /* an array on the collected heap */
  char *folder;
} impostor;

/* CORDBG_LIBEXEC with the impostor as cordbg-dac; the tracer is started already. */
static void
begin_impostor(impostor *i)
{
  g_autofree char *net = g_strdup_printf("%s/tests/live/net", TEST_BUILD_FOLDER);
  g_autofree char *real = g_strdup_printf("%s/tests/live/dac-impostor", TEST_BUILD_FOLDER);
  unsigned long long address = 0;
  int tid = 0;

  start_program(&i->d, "ShadowStack", net);
  debuggee_expect(&i->d, "shadow ");
  assert_int_equal(sscanf(i->d.line, "shadow %d %llu", &tid, &address), 2);
  i->managed = address;
  session_ops = ops;
  session_attach(&i->s, i->d.pid);
  i->folder = g_strdup("/tmp/cordbg-impostor-XXXXXX");
  assert_non_null(g_mkdtemp(i->folder));
  g_autofree char *link = g_build_filename(i->folder, "cordbg-dac", NULL);
  assert_int_equal(symlink(real, link), 0);
  setenv("CORDBG_LIBEXEC", i->folder, 1);
  setenv("CORDBG_DAC_TIMEOUT", "6000", 1);
  assert_ok(dac_second(i->s.runtime, &i->dac, &test_error));
  unsetenv("CORDBG_DAC_TIMEOUT");
}

static void
end_impostor(impostor *i, const char *before)
{
  g_autofree char *link = g_build_filename(i->folder, "cordbg-dac", NULL);

  cordbg_dac_destroy(i->dac);
  if (before)
    setenv("CORDBG_LIBEXEC", before, 1);
  else
    unsetenv("CORDBG_LIBEXEC");
  unlink(link);
  rmdir(i->folder);
  g_free(i->folder);
  session_detach(&i->s);
  debuggee_check_alive(&i->d);
  debuggee_end(&i->d);
}

static void
a_host_that_crashes_hangs_or_lies_each_time_is_an_error_code(void **state)
{
  g_autofree char *before = g_strdup(getenv("CORDBG_LIBEXEC"));
  impostor i;
  cordbg_dac_module *modules = NULL;
  cordbg_dac_thread *threads = NULL;
  cordbg_dac_domain *domain = NULL;
  cordbg_dac_state now;
  cordbg_dac_code code;
  cordbg_rt_map *map = NULL;
  size_t count = 0;

  (void)state;
  begin_impostor(&i);
  assert_int_equal(cordbg_dac_modules(i.dac, &modules, &count, &test_error), E_UNEXPECTED);
  assert_non_null(strstr(test_error.sentence, "crashed"));
  assert_int_equal(cordbg_dac_starts(i.dac), 2);
  assert_int_equal(cordbg_dac_code_at(i.dac, 1, &code, &test_error), CORDBG_E_TIMEOUT);
  assert_int_equal(cordbg_dac_threads(i.dac, &threads, &count, &test_error),
                   CORDBG_E_TARGET_INCONSISTENT);
  assert_int_equal(cordbg_dac_host_pid(i.dac), 0);
  assert_int_equal(cordbg_dac_get_domain(i.dac, &domain, &test_error),
                   CORDBG_E_TARGET_INCONSISTENT);
  assert_int_equal(cordbg_dac_get_state(i.dac, &now, &test_error), CORDBG_E_TARGET_INCONSISTENT);
  assert_int_equal(cordbg_dac_il_map(i.dac, 1, &map, &count, &test_error),
                   CORDBG_E_TARGET_INCONSISTENT);
  assert_null(modules);
  assert_null(threads);
  assert_null(domain);
  assert_null(map);
  end_impostor(&i, before);
}

/* ---- Where a host may write ---- */

static void
refused(impostor *i, uint64_t address, const char *why)
{
  cordbg_dac_method method;
  uint8_t before[8] = {0}, after[8] = {0};

  assert_ok(cordbg_target_read_exact(i->s.target, CORDBG_VIEW_RAW, address, before, sizeof before,
                                     &test_error));
  test_error.sentence[0] = '\0';
  HRESULT hr = cordbg_dac_method_at(i->dac, address, &method, NULL);
  if (hr != E_ACCESSDENIED)
    fail_msg("a write to 0x%llx: 0x%08x", (unsigned long long)address, (unsigned)hr);
  assert_ok(cordbg_target_read_exact(i->s.target, CORDBG_VIEW_RAW, address, after, sizeof after,
                                     &test_error));
  assert_memory_equal(before, after, sizeof before);
  cordbg_error error = {.sentence = ""};
  assert_int_equal(cordbg_dac_may_write(i->dac, address, sizeof before, &error), E_ACCESSDENIED);
  if (!strstr(error.sentence, why))
    fail_msg("0x%llx: \"%s\" does not say \"%s\"", (unsigned long long)address, error.sentence,
             why);
}

static void
a_write_to_anything_but_the_runtimes_own_data_is_refused(void **state)
{
  g_autofree char *before = g_strdup(getenv("CORDBG_LIBEXEC"));
  impostor i;
  cordbg_registers registers;
  cordbg_error error = {.sentence = ""};

  (void)state;
  begin_impostor(&i);
  assert_ok(cordbg_tracer_get_registers(i.s.tracer, i.d.pid, &registers, &test_error));
  refused(&i, registers.general.rsp & ~7ull, "stack");
  refused(&i, find_place(i.d.pid, "rw-p", "[stack]") + 8, "stack");
  refused(&i, i.managed, "globals point to");
  refused(&i, find_place(i.d.pid, "rw-p", "[heap]") + 64, "globals point to");
  refused(&i, find_place(i.d.pid, "r-xp", "/libcoreclr.so"), "not private writable data");
  refused(&i, find_place(i.d.pid, "r-xp", "/libc.so.6"), "not private writable data");
  refused(&i, find_place(i.d.pid, "rw-p", "/libc.so.6"), "another image's data");
  refused(&i, find_place(i.d.pid, "rw-p", "/libclrjit.so"), "another image's data");
  refused(&i, find_place(i.d.pid, "rw-s", "doublemapper"), "not private writable data");
  assert_int_equal(cordbg_dac_may_write(i.dac, 8, 8, &error), E_ACCESSDENIED);
  assert_int_equal(cordbg_dac_may_write(i.dac, i.managed, 0, &error), E_ACCESSDENIED);
  assert_int_equal(cordbg_dac_may_write(i.dac, UINT64_MAX - 3, 8, &error), E_ACCESSDENIED);
  uint64_t globals = find_place(i.d.pid, "rw-p", "/libcoreclr.so");
  assert_int_equal(cordbg_dac_may_write(i.dac, globals + 64, 8, &error), S_OK);
  assert_int_equal(cordbg_dac_may_write(i.dac, globals - 4, 8, &error), E_ACCESSDENIED);
  assert_int_equal(cordbg_dac_may_write(i.dac, globals, 1u << 20, &error), E_ACCESSDENIED);
  end_impostor(&i, before);
}

/* ---- Another user's program ---- */

static char *
status_line(int pid, const char *name)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/status", pid);
  g_autofree char *text = NULL;

  assert_true(g_file_get_contents(path, &text, NULL, NULL));
  const char *line = strstr(text, name);
  assert_non_null(line);
  return g_strstrip(g_strndup(line, strcspn(line, "\n")));
}

static bool
copy_for_all(const char *name, const char *folder)
{
  g_autofree char *from = g_strdup_printf("%s/samples/debuggees/net/%s", TEST_BUILD_FOLDER, name);
  g_autofree char *to = g_build_filename(folder, name, NULL);
  g_autofree char *bytes = NULL;
  gsize size = 0;

  return g_file_get_contents(from, &bytes, &size, NULL) &&
         g_file_set_contents(to, bytes, (gssize)size, NULL) && chmod(to, 0644) == 0;
}

static void
the_host_of_an_ordinary_users_program_runs_as_that_user(void **state)
{
  g_autofree char *folder = g_strdup("/tmp/cordbg-user-XXXXXX");
  debuggee d;
  session s;
  int out[2];
  static const char *const names[] = {"Uid:", "Gid:", "Groups:"};

  (void)state;
  if (geteuid() != 0) {
    puts("SKIP: only root can start a program as another user");
    skip();
  }
  assert_non_null(g_mkdtemp(folder));
  assert_int_equal(chmod(folder, 0755), 0);
  assert_true(copy_for_all("Counter.dll", folder));
  assert_true(copy_for_all("Counter.runtimeconfig.json", folder));
  g_autofree char *program = g_build_filename(folder, "Counter.dll", NULL);
  g_autofree char *config = g_build_filename(folder, "Counter.runtimeconfig.json", NULL);
  assert_int_equal(pipe2(out, O_CLOEXEC), 0);
  fflush(NULL);
  d.pid = fork();
  if (d.pid == 0) {
    const gid_t groups[] = {NOBODY, 12345};
    dup2(out[1], 1);
    if (setgroups(2, groups) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
      _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives a failed test */
    setenv("HOME", folder, 1);
    execlp("dotnet", "dotnet", program, (char *)NULL);
    _exit(127);
  }
  close(out[1]);
  d.out = out[0];
  debuggee_expect(&d, "ready");
  session_ops = ops;
  session_attach(&s, d.pid);
  assert_true(find_module(&s, "/Counter.dll") != 0);
  int host = cordbg_dac_host_pid(dac_of_runtime(s.runtime));
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *theirs = status_line(d.pid, names[i]), *its = status_line(host, names[i]);
    assert_string_equal(its, theirs);
  }
  g_autofree char *capabilities = status_line(host, "CapEff:");
  assert_non_null(strstr(capabilities, "0000000000000000"));
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
  unlink(program);
  unlink(config);
  rmdir(folder);
}

int
main(void)
{
  const char *text = getenv("CORDBG_SEED");
  guint32 seed = text ? (guint32)strtoul(text, NULL, 10) : g_random_int();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hits_go_on_while_the_host_is_killed_at_random_moments),
      cmocka_unit_test(hits_go_on_while_the_host_is_stopped_at_random_moments),
      cmocka_unit_test(a_new_host_writes_flags_and_wanted_methods_again),
      cmocka_unit_test(a_host_that_crashes_hangs_or_lies_each_time_is_an_error_code),
      cmocka_unit_test(a_write_to_anything_but_the_runtimes_own_data_is_refused),
      cmocka_unit_test(the_host_of_an_ordinary_users_program_runs_as_that_user),
  };
  g_autofree char *dotnet = g_find_program_in_path("dotnet");

  if (!dotnet) {
    puts("SKIP: dotnet is not installed");
    return 77;
  }
  printf("CORDBG_SEED=%u\n", seed);
  chance = g_rand_new_with_seed(seed);
  int failed = cmocka_run_group_tests_name("dac-resilience", tests, NULL, NULL);
  g_rand_free(chance);
  return failed;
}
