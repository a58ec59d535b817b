/* SPDX-License-Identifier: MIT */
/* The Mono shim where things come and go: app domains, dynamic methods, emitted assemblies. */
#include "config.h"

#include "tests/live/mono-support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cordbg_runtime_ops *const ops = &cordbg_mono_ops;

#define DYNAMIC_METHOD 0x06000000u

static void
each_domain_has_its_own_assemblies_modules_and_code(void **state)
{
  debuggee d;
  session s;
  cordbg_rt_id *ids = NULL;
  size_t count = 0;
  cordbg_rt_domain domain;
  uint64_t start[2];

  (void)state;
  debuggee_start_mono(&d, "AppDomains", "60", "keep", NULL);
  session_attach(&s, d.pid);
  assert_ok(ops->domains(s.runtime, &ids, &count, &test_error));
  assert_int_equal(count, 2);
  assert_ok(ops->domain(s.runtime, ids[1], &domain, &test_error));
  assert_string_equal(domain.name, "second");
  assert_int_equal(domain.number, 2);
  for (size_t i = 0; i < 2; i++) {
    cordbg_rt_id *assemblies = NULL, *modules = NULL;
    cordbg_rt_code *codes = NULL;
    size_t assembly_count = 0, module_count = 0, code_count = 0;
    assert_ok(ops->assemblies(s.runtime, ids[i], &assemblies, &assembly_count, &test_error));
    assert_true(assembly_count >= 2);
    assert_ok(ops->modules(s.runtime, assemblies[0], &modules, &module_count, &test_error));
    assert_int_equal(module_count, 1);
    g_free(modules);
    g_free(assemblies);
    cordbg_rt_id module = session_module(&s, "/AppDomains.exe", ids[i]);
    uint32_t token = session_method(&s, module, "Debuggees.Resident", "Visit");
    assert_ok(ops->codes(s.runtime, module, token, &codes, &code_count, &test_error));
    assert_int_equal(code_count, 1);
    assert_int_equal(codes[0].domain, ids[i]);
    start[i] = codes[0].start;
    g_free(codes);
  }
  assert_int_not_equal(start[0], start[1]);
  /* Both are hit, each by a thread that is in its domain. */
  for (size_t i = 0; i < 2; i++) {
    session_plant(&s, start[i]);
    assert_true(session_run_until_hit(&s));
    assert_int_equal(s.event.address, start[i]);
    for (guint t = 0; t < s.runtime->threads->len; t++) {
      const cordbg_mono_thread *known = s.runtime->threads->pdata[t];
      cordbg_rt_thread thread;
      assert_ok(ops->thread(s.runtime, known->id, &thread, &test_error));
      if (thread.tid == s.event.tid)
        assert_int_equal(thread.domain, ids[i]);
    }
    session_unplant(&s, start[i]);
  }
  g_free(ids);
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

static void
row_25_domains_that_are_unloaded_are_told_with_what_is_in_them(void **state)
{
  debuggee d;
  session s;
  cordbg_rt_want_status status;

  (void)state;
  debuggee_start_mono(&d, "AppDomains", "60", "churn", "5", NULL);
  session_attach(&s, d.pid);
  for (unsigned round = 0; round < 8; round++) {
    cordbg_rt_domain domain;
    cordbg_rt_module module;
    cordbg_rt_code code;
    cordbg_rt_event created = session_run_until(&s, CORDBG_RT_EVENT_DOMAIN_CREATED);
    assert_ok(ops->domain(s.runtime, created.id, &domain, &test_error));
    assert_true(g_str_has_prefix(domain.name, "brief"));
    cordbg_rt_id loaded = 0;
    while (!loaded) {
      cordbg_rt_event event = session_run_until(&s, CORDBG_RT_EVENT_MODULE_LOADED);
      for (guint i = 0; i < s.runtime->modules->len; i++) {
        const cordbg_mono_module *known = s.runtime->modules->pdata[i];
        if (known->domain_id == created.id && g_str_has_suffix(known->name, "/AppDomains.exe"))
          loaded = known->id;
      }
      assert_int_equal(event.kind, CORDBG_RT_EVENT_MODULE_LOADED);
    }
    assert_ok(ops->module(s.runtime, loaded, &module, &test_error));
    assert_int_equal(module.domain, created.id);
    uint32_t token = session_method(&s, loaded, "Debuggees.Resident", "Visit");
    assert_ok(ops->want_method(s.runtime, loaded, token, true, &status, &test_error));
    cordbg_rt_event compiled = session_run_until(&s, CORDBG_RT_EVENT_CODE_COMPILED);
    assert_int_equal(compiled.code.domain, created.id);
    assert_ok(ops->want_method(s.runtime, loaded, token, false, &status, &test_error));

    guint before = s.events->len;
    cordbg_rt_event gone = session_run_until(&s, CORDBG_RT_EVENT_DOMAIN_UNLOADED);
    assert_int_equal(gone.id, created.id);
    bool freed = false, module_gone = false;
    for (guint i = before; i < s.events->len; i++) {
      const cordbg_rt_event *event = &g_array_index(s.events, cordbg_rt_event, i);
      freed |= event->kind == CORDBG_RT_EVENT_CODE_FREED && event->id == compiled.id;
      module_gone |= event->kind == CORDBG_RT_EVENT_MODULE_UNLOADED && event->id == loaded;
    }
    assert_true(freed && module_gone);
    /* Answerable until the next events are taken, not longer; the code's memory stands still. */
    assert_ok(ops->domain(s.runtime, gone.id, &domain, &test_error));
    assert_ok(ops->module(s.runtime, loaded, &module, &test_error));
    cordbg_rt_map *map = NULL;
    size_t count = 0;
    assert_int_equal(ops->il_map(s.runtime, compiled.id, &map, &count, NULL),
                     CORDBG_E_CODE_NOT_AVAILABLE);
    uint8_t byte;
    assert_ok(cordbg_target_read_exact(s.target, CORDBG_VIEW_CLIENT, compiled.code.start, &byte, 1,
                                       &test_error));
    session_drain(&s);
    assert_int_equal(ops->domain(s.runtime, gone.id, &domain, NULL), E_INVALIDARG);
    assert_int_equal(ops->code_at(s.runtime, compiled.code.start, &code, &test_error), S_FALSE);
  }
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

static void
row_25_a_dynamic_method_that_is_freed_is_told_while_its_memory_stands(void **state)
{
  debuggee d;
  session s;
  cordbg_rt_code *codes = NULL;
  size_t count = 0;

  (void)state;
  debuggee_start_mono(&d, "DynamicMethods", "60", "5", NULL);
  session_attach(&s, d.pid);
  /* Mono makes a DynamicMethod a method of System.Object, whatever its owner. */
  cordbg_rt_id owner = session_module(&s, "/mscorlib.dll", 0);
  for (unsigned i = 0; i < 200 && count == 0; i++) {
    session_run_for(&s, 5);
    g_free(codes);
    assert_ok(ops->codes(s.runtime, owner, DYNAMIC_METHOD, &codes, &count, &test_error));
  }
  assert_true(count > 0);
  session_plant(&s, codes[0].start); /* as a breakpoint would be */
  cordbg_rt_event event = session_run_until(&s, CORDBG_RT_EVENT_CODE_FREED);
  bool was_given = false;
  for (size_t i = 0; i < count; i++)
    was_given |= event.id == codes[i].id && event.code.start == codes[i].start;
  assert_true(was_given);
  uint8_t byte;
  assert_ok(
      cordbg_target_read_exact(s.target, CORDBG_VIEW_RAW, event.code.start, &byte, 1, &test_error));
  session_unplant(&s, codes[0].start);
  g_free(codes);
  session_run_for(&s, 200);
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

static void
an_emitted_assembly_is_a_dynamic_module_whose_methods_have_code(void **state)
{
  debuggee d;
  session s;
  cordbg_rt_module module;
  cordbg_rt_code *codes = NULL;
  uint32_t *tokens = NULL;
  size_t count = 0;

  (void)state;
  debuggee_start_mono(&d, "DynamicMethods", "60", "5", NULL);
  session_attach(&s, d.pid);
  cordbg_rt_code probe;
  cordbg_rt_id id = 0;
  /* The module with the emitted types becomes known by its first code. */
  assert_int_equal(ops->code_at(s.runtime, 1, &probe, &test_error), S_FALSE);
  for (guint i = 0; i < s.runtime->modules->len; i++) {
    const cordbg_mono_module *known = s.runtime->modules->pdata[i];
    if (known->extra)
      id = known->id;
  }
  assert_int_not_equal(id, 0);
  assert_ok(ops->module(s.runtime, id, &module, &test_error));
  assert_string_equal(module.name, "Emitted");
  session_drain(&s);
  assert_int_equal(session_count_events(&s, CORDBG_RT_EVENT_MODULE_LOADED), 1);
  assert_true(module.flags & CORDBG_RT_MODULE_DYNAMIC);
  assert_int_equal(module.base, 0);
  assert_ok(ops->codes(s.runtime, id, 0x06000001, &codes, &count, &test_error));
  assert_true(count >= 1); /* Mono may compile the target of a delegate a second time */
  for (size_t i = 0; i < count; i++)
    session_plant(&s, codes[i].start);
  assert_true(session_run_until_hit(&s));
  assert_int_equal(s.event.registers.rdi, 2);
  for (size_t i = 0; i < count; i++)
    session_unplant(&s, codes[i].start);
  g_free(codes);
  assert_ok(
      ops->find_methods(s.runtime, id, "EmittedType", "Twice", &tokens, &count, &test_error));
  assert_int_equal(count, 1);
  assert_int_equal(tokens[0], 0x06000001);
  g_free(tokens);
  session_detach(&s);
  debuggee_end(&d);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_domain_has_its_own_assemblies_modules_and_code),
      cmocka_unit_test(row_25_domains_that_are_unloaded_are_told_with_what_is_in_them),
      cmocka_unit_test(row_25_a_dynamic_method_that_is_freed_is_told_while_its_memory_stands),
      cmocka_unit_test(an_emitted_assembly_is_a_dynamic_module_whose_methods_have_code),
  };

  skip_without_mono();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
