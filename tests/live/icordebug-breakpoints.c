/* SPDX-License-Identifier: MIT */
/*
 * ICorDebug over real programs of both runtimes: attaching, breakpoints in code that is there, that
 * is made later and that is made anew, domains, threads.
 */
#include "config.h"

#include "icordebug-client.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- Attach ---- */

static void
attach_replays_in_order(void **state)
{
  (void)state;
  program p;
  static client c;
  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, NULL, NULL);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "CreateThread", 1);
  assert_ok(ICorDebugProcess_Stop(c.process, 0));
  g_autofree char *story = client_story(&c);
  assert_true(g_str_has_prefix(story, "CreateProcess CreateAppDomain LoadAssembly LoadModule "));
  /* Modules come behind their assembly, threads behind all modules. */
  const char *thread = strstr(story, "CreateThread");
  assert_null(strstr(thread, "LoadModule"));
  assert_null(strstr(thread, "LoadAssembly"));
  assert_true(client_count(&c, "LoadModule") >= 2);
  assert_int_equal(client_count(&c, "LoadAssembly"), client_count(&c, "LoadModule"));
  assert_int_equal(c.foreign, 0);
  assert_int_equal(c.most_inside_managed, 1);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

/* ---- Breakpoints ---- */

static void
breakpoint_on_compiled_method(void **state)
{
  (void)state;
  program p;
  static client c;
  breaking b = {.type = "Debuggees.Counter", .method = "Tick", .limit = 100};
  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, breaking_hook, &b);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "Breakpoint", 100);
  assert_int_equal(b.set, 1);
  breaking_drop(&b);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

static void
breakpoint_on_method_not_compiled_yet(void **state)
{
  (void)state;
  program p;
  static client c;
  breaking b = {.type = "Debuggees.Counter", .method = "Tick", .limit = 1};
  int out[2];
  assert_int_equal(pipe2(out, O_CLOEXEC), 0);
  client_open(&c, breaking_hook, &b);
  client_launch_managed(&c, 0, out[1], "Counter", "60", NULL);
  close(out[1]);
  client_await(&c, "Breakpoint", 1);
  assert_int_equal(b.set, 1);
  DWORD pid;
  assert_ok(ICorDebugProcess_GetID(c.process, &pid));
  p = (program){.pid = (GPid)pid, .out = out[0]};
  breaking_drop(&b);
  client_close(&c);
  g_free(program_line(out[0], "ready"));
  program_check_unharmed(&p);
  program_end(&p);
}

/* No instruction begins the offset; that is known only when the method is compiled. */
static then
set_error_hook(client *c, const told *what)
{
  if (strcmp(what->name, "BreakpointSetError") == 0) {
    breaking *b = c->data;
    hook_true(what->breakpoint == (ICorDebugBreakpoint *)b->breakpoints[0]);
    hook_true(what->status == (DWORD)CORDBG_E_UNABLE_TO_SET_BREAKPOINT);
    hook_true(what->domain != NULL);
  }
  return breaking_hook(c, what);
}

static void
breakpoint_that_cannot_be_bound_is_told(void **state)
{
  (void)state;
  static client c;
  breaking b = {.type = "Debuggees.Counter", .method = "Tick", .il = 3};
  client_open(&c, set_error_hook, &b);
  client_launch_managed(&c, 0, -1, "Counter", "1", NULL);
  client_await(&c, "ExitProcess", 1);
  assert_int_equal(b.set, 1);
  assert_int_equal(client_count(&c, "BreakpointSetError"), 1);
  assert_int_equal(b.hits, 0);
  breaking_drop(&b);
  client_close(&c);
}

/* Every instance of a generic method has the breakpoint: those of reference types, which share
 * code, that of int, and that of a struct, which is compiled only later. */
static then
generic_hook(client *c, const told *what)
{
  then next = breaking_hook(c, what);
  if (strcmp(what->name, "Breakpoint") == 0) {
    ICorDebugRegisterSet *set;
    CORDB_REGISTER rip = 0;
    hook_ok(ICorDebugThread_GetRegisterSet(what->thread, &set));
    hook_ok(ICorDebugRegisterSet_GetRegisters(set, 1ull << REGISTER_INSTRUCTION_POINTER, 1, &rip));
    ICorDebugRegisterSet_Release(set);
    g_autofree char *name = g_strdup_printf("at %llx", (unsigned long long)rip);
    pthread_mutex_lock(&c->lock);
    bool known = false;
    for (guint i = 0; i < c->names->len; i++)
      known = known || strcmp(c->names->pdata[i], name) == 0;
    if (!known) {
      g_ptr_array_add(c->names, g_steal_pointer(&name));
      g_ptr_array_add(c->names, g_strdup("address"));
      pthread_cond_broadcast(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
  }
  return next;
}

static void
breakpoint_on_generic_method_reaches_all_instances(void **state)
{
  (void)state;
  program p;
  static client c;
  breaking b = {.type = "Debuggees.Generics", .method = "Show"};
  ICorDebugFunction *function;
  ICorDebugFunction2 *function2;
  ICorDebugCodeEnum *codes;
  ULONG count = 0;
  program_start_managed(&p, "Generics", "60", "1.5", NULL);
  client_open(&c, generic_hook, &b);
  assert_ok(client_attach(&c, p.pid, FALSE));
  /* int, the shared one of string and object, and later the struct's. */
  client_await(&c, "address", 3);
  assert_ok(ICorDebugProcess_Stop(c.process, 0));
  assert_ok(ICorDebugFunctionBreakpoint_GetFunction(b.breakpoints[0], &function));
  assert_ok(
      ICorDebugFunction_QueryInterface(function, &IID_ICorDebugFunction2, (void **)&function2));
  assert_ok(ICorDebugFunction2_EnumerateNativeCode(function2, &codes));
  assert_ok(ICorDebugCodeEnum_GetCount(codes, &count));
  assert_true(count >= 3);
  ICorDebugCodeEnum_Release(codes);
  ICorDebugFunction2_Release(function2);
  ICorDebugFunction_Release(function);
  breaking_drop(&b);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

/* ---- Domains ---- */

/* Notes in which domain each hit was. */
static then
domain_hook(client *c, const told *what)
{
  then next = breaking_hook(c, what);
  if (strcmp(what->name, "Breakpoint") == 0) {
    ULONG32 number = 0;
    ICorDebugAppDomain *domain;
    hook_ok(ICorDebugAppDomain_GetID(what->domain, &number));
    hook_ok(ICorDebugThread_GetAppDomain(what->thread, &domain));
    hook_true(domain == what->domain);
    ICorDebugAppDomain_Release(domain);
    pthread_mutex_lock(&c->lock);
    g_ptr_array_add(c->names, g_strdup_printf("in %u", number));
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
  }
  return next;
}

static void
one_breakpoint_misses_no_domain(void **state)
{
  (void)state;
  program p;
  static client c;
  breaking b = {.type = "Debuggees.Resident", .method = "Visit", .once = 1};
  program_start_managed(&p, "AppDomains", "60", "keep", NULL);
  client_open(&c, domain_hook, &b);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "in 1", 20);
  client_await(&c, "in 2", 20);
  assert_int_equal(b.set, 1);
  assert_int_equal(client_count(&c, "CreateAppDomain"), 2);
  breaking_drop(&b);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

/* A client that sets one in each module that it is told of hears of each hit once. */
static void
one_breakpoint_a_domain_tells_each_hit_once(void **state)
{
  (void)state;
  program p;
  static client c;
  breaking b = {.type = "Debuggees.Resident", .method = "Visit"};
  program_start_managed(&p, "AppDomains", "60", "keep", NULL);
  client_open(&c, domain_hook, &b);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "in 1", 30);
  client_await(&c, "in 2", 30);
  assert_int_equal(b.set, 2);
  assert_ok(ICorDebugProcess_Stop(c.process, 0));
  /* The program alternates between the two. */
  int difference = (int)client_count(&c, "in 1") - (int)client_count(&c, "in 2");
  assert_in_range(difference + 1, 0, 2);
  CordbgStatistics statistics;
  assert_ok(cordbg_read_statistics(c.process, &statistics));
  BOOL queued = FALSE;
  assert_ok(ICorDebugProcess_HasQueuedCallbacks(c.process, NULL, &queued));
  breaking_drop(&b);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

/* Domains come and go under a breakpoint. */
static void
domains_that_come_and_go_are_told(void **state)
{
  (void)state;
  program p;
  static client c;
  breaking b = {.type = "Debuggees.Resident", .method = "Visit", .once = 1};
  program_start_managed(&p, "AppDomains", "60", "churn", "1", NULL);
  client_open(&c, domain_hook, &b);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "ExitAppDomain", 8);
  assert_true(client_count(&c, "CreateAppDomain") >= client_count(&c, "ExitAppDomain"));
  assert_true(client_count(&c, "Breakpoint") >= 14);
  breaking_drop(&b);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

/* ---- Threads ---- */

static void
hits_of_many_threads_are_counted_exactly(void **state)
{
  (void)state;
  static client c;
  breaking b = {.type = "Debuggees.ExactHits", .method = "Hit"};
  client_open(&c, breaking_hook, &b);
  client_launch_managed(&c, 0, -1, "../../tests/live/ExactHits", "16", "200", NULL);
  client_await(&c, "ExitProcess", 1);
  assert_int_equal(b.hits, 1 + 16 * 200);
  assert_int_equal(c.foreign, 0);
  assert_int_equal(c.most_inside_managed, 1);
  assert_true(client_count(&c, "CreateThread") >= 17);
  breaking_drop(&b);
  client_close(&c);
}

/* ---- First calls ---- */

static then
first_calls_hook(client *c, const told *what)
{
  static const struct {
    const char *type, *method;
  } names[] = {{"Debuggees.FirstCalls", "Begin"},      {"Debuggees.FirstCalls", "Direct0"},
               {"Debuggees.FirstCalls", "Direct1"},    {"Debuggees.FirstCalls", "Direct2"},
               {"Debuggees.FirstCalls", "Direct3"},    {"Debuggees.FirstCalls", "Virtual"},
               {"Debuggees.FirstCalls", "Generic"},    {"Debuggees.FirstCalls", "ByDelegate"},
               {"Debuggees.FirstCalls+Made", ".ctor"}, {"Debuggees.FirstCalls", "Held"}};
  breaking *b = c->data;
  for (size_t i = 0; strcmp(what->name, "LoadModule") == 0 && i < G_N_ELEMENTS(names); i++) {
    b->type = names[i].type;
    b->method = names[i].method;
    breaking_set(b, what->module);
  }
  if (strcmp(what->name, "Breakpoint") == 0)
    __atomic_add_fetch(&b->hits, 1, __ATOMIC_SEQ_CST);
  return GO_ON;
}

/* CORDBG_LAUNCHES: how often. */
static void
first_calls_by_many_threads_at_once_are_all_hit(void **state)
{
  (void)state;
  static const char *const threads[] = {"16", "32", "3"};
  const char *text = g_getenv("CORDBG_LAUNCHES");
  unsigned launches = text ? (unsigned)strtoul(text, NULL, 10) : 3;
  for (unsigned i = 0; i < launches; i++) {
    static client c;
    breaking b = {0};
    const char *number = threads[i % G_N_ELEMENTS(threads)];
    client_open(&c, first_calls_hook, &b);
    client_launch_managed(&c, 0, -1, "../../tests/live/FirstCalls", number, NULL);
    client_await(&c, "ExitProcess", 1);
    assert_int_equal(b.set, 10);
    assert_int_equal(b.hits, 12 * strtoul(number, NULL, 10));
    breaking_drop(&b);
    client_close(&c);
  }
}

/* Several threads stop and continue while hits come. */
static void *
stopper(void *data)
{
  client *c = data;
  for (int i = 0; i < 50; i++) {
    ICorDebugAppDomainEnum *domains;
    ULONG count = 0;
    hook_ok(ICorDebugProcess_Stop(c->process, 0));
    hook_ok(ICorDebugProcess_EnumerateAppDomains(c->process, &domains));
    hook_ok(ICorDebugAppDomainEnum_GetCount(domains, &count));
    hook_true(count == 1);
    ICorDebugAppDomainEnum_Release(domains);
    hook_ok(ICorDebugProcess_Continue(c->process, FALSE));
  }
  return NULL;
}

static void
stop_and_continue_from_other_threads(void **state)
{
  (void)state;
  program p;
  static client c;
  pthread_t threads[3];
  breaking b = {.type = "Debuggees.ManyThreads", .method = "Work"};
  program_start_managed(&p, "ManyThreads", "60", "4", NULL);
  client_open(&c, breaking_hook, &b);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "Breakpoint", 1);
  for (int i = 0; i < 3; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, stopper, &c), 0);
  for (int i = 0; i < 3; i++)
    pthread_join(threads[i], NULL);
  unsigned hits = client_count(&c, "Breakpoint");
  client_await(&c, "Breakpoint", hits + 50);
  breaking_drop(&b);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

/* ---- Several breakpoints, on and off ---- */

static void
breakpoints_at_one_address_are_all_told(void **state)
{
  (void)state;
  program p;
  static client c;
  breaking b = {.type = "Debuggees.Counter", .method = "Tick", .limit = 1};
  ICorDebugFunctionBreakpoint *second;
  ICorDebugFunction *function;
  BOOL active = FALSE, queued = FALSE;
  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, breaking_hook, &b);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "Breakpoint", 1);

  assert_ok(ICorDebugFunctionBreakpoint_GetFunction(b.breakpoints[0], &function));
  assert_ok(ICorDebugFunction_CreateBreakpoint(function, &second));
  assert_ok(ICorDebugFunctionBreakpoint_IsActive(second, &active));
  assert_true(active);
  b.limit = b.hits + 1;
  assert_ok(ICorDebugProcess_Continue(c.process, FALSE));
  client_await(&c, "Breakpoint", 2);
  /* The first of two was told; the second waits for the Continue. */
  assert_ok(ICorDebugProcess_HasQueuedCallbacks(c.process, NULL, &queued));
  assert_true(queued);
  b.limit = b.hits + 1;
  assert_ok(ICorDebugProcess_Continue(c.process, FALSE));
  client_await(&c, "Breakpoint", 3);
  assert_ok(ICorDebugProcess_HasQueuedCallbacks(c.process, NULL, &queued));
  assert_false(queued);

  /* Switched off, both, they are heard of no more; the trap is gone. */
  assert_ok(ICorDebugFunctionBreakpoint_Activate(second, FALSE));
  assert_ok(ICorDebugFunctionBreakpoint_Activate(b.breakpoints[0], FALSE));
  assert_ok(ICorDebugFunctionBreakpoint_Activate(b.breakpoints[0], FALSE));
  b.limit = 0;
  unsigned hits = b.hits;
  assert_ok(ICorDebugProcess_Continue(c.process, FALSE));
  assert_ok(ICorDebugProcess_Stop(c.process, 0));
  assert_int_equal(b.hits, hits);
  ICorDebugFunctionBreakpoint_Release(second);
  ICorDebugFunction_Release(function);
  breaking_drop(&b);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

/* Switches the breakpoint off inside its own callback, and on again at a Stop. */
static void
breakpoint_toggled(void **state)
{
  (void)state;
  program p;
  static client c;
  breaking b = {.type = "Debuggees.Counter", .method = "Tick", .limit = 1};
  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, breaking_hook, &b);
  assert_ok(client_attach(&c, p.pid, FALSE));
  client_await(&c, "Breakpoint", 1);
  for (int i = 0; i < 20; i++) {
    unsigned hits = b.hits;
    assert_ok(ICorDebugFunctionBreakpoint_Activate(b.breakpoints[0], FALSE));
    assert_ok(ICorDebugProcess_Continue(c.process, FALSE));
    assert_ok(ICorDebugProcess_Stop(c.process, 0));
    assert_int_equal(b.hits, hits);
    assert_ok(ICorDebugFunctionBreakpoint_Activate(b.breakpoints[0], TRUE));
    b.limit = hits + 1;
    assert_ok(ICorDebugProcess_Continue(c.process, FALSE));
    client_await(&c, "Breakpoint", hits + 1);
  }
  breaking_drop(&b);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CASE_ON_BOTH(attach_replays_in_order),
      CASE_ON_ALL(breakpoint_on_compiled_method),
      CASE_ON_ALL(breakpoint_on_method_not_compiled_yet),
      CASE_ON_ALL(breakpoint_that_cannot_be_bound_is_told),
      CASE_ON_ALL(breakpoint_on_generic_method_reaches_all_instances),
      CASE_ON(mono, one_breakpoint_misses_no_domain),
      CASE_ON(mono, one_breakpoint_a_domain_tells_each_hit_once),
      CASE_ON(mono, domains_that_come_and_go_are_told),
      CASE_ON_ALL(hits_of_many_threads_are_counted_exactly),
      CASE_ON_BOTH(first_calls_by_many_threads_at_once_are_all_hit),
      CASE_ON_BOTH(stop_and_continue_from_other_threads),
      CASE_ON_ALL(breakpoints_at_one_address_are_all_told),
      CASE_ON_ALL(breakpoint_toggled),
  };
  printf("not on .NET, which has one application domain: the cases of several domains\n");
  return CLIENT_RUN(tests);
}
