/* SPDX-License-Identifier: MIT */
/* The Mono shim on running programs: late injection, what is seen, and what is left behind. */
#include "config.h"

#include "tests/live/mono-support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cordbg_runtime_ops *const ops = &cordbg_mono_ops;

static void
a_running_mono_is_detected_and_another_program_is_not(void **state)
{
  debuggee d, other;
  cordbg_runtime_info info;
  const char *const sleeper[] = {"sleep", "60", NULL};

  (void)state;
  debuggee_start_mono(&d, "Counter", "30", NULL);
  assert_ok(ops->detect(d.pid, &info, &test_error));
  assert_string_equal(info.name, "Mono");
  assert_non_null(strstr(info.library, "mono"));
  assert_true(info.base && info.size);
  debuggee_start(&other, sleeper, NULL);
  assert_int_equal(ops->detect(other.pid, &info, &test_error), S_FALSE);
  debuggee_end(&other);
  debuggee_end(&d);
}

static void
check_counter(session *s)
{
  cordbg_rt_id *ids = NULL;
  size_t count = 0;
  cordbg_rt_domain domain;
  cordbg_rt_module module;
  cordbg_rt_assembly assembly;

  assert_ok(ops->domains(s->runtime, &ids, &count, &test_error));
  assert_int_equal(count, 1);
  assert_ok(ops->domain(s->runtime, ids[0], &domain, &test_error));
  assert_int_equal(domain.number, 1);
  assert_string_equal(domain.name, "Counter.exe");
  cordbg_rt_id root = ids[0];
  g_free(ids);

  assert_ok(ops->assemblies(s->runtime, root, &ids, &count, &test_error));
  assert_true(count >= 2);
  assert_ok(ops->assembly(s->runtime, ids[0], &assembly, &test_error));
  assert_non_null(strstr(assembly.name, "mscorlib.dll"));
  assert_int_equal(assembly.domain, root);
  g_free(ids);

  assert_ok(ops->module(s->runtime, session_module(s, "/mscorlib.dll", 0), &module, &test_error));
  assert_true(module.flags & CORDBG_RT_MODULE_CORE_LIBRARY);
  assert_ok(ops->module(s->runtime, session_module(s, "/Counter.exe", 0), &module, &test_error));
  assert_int_equal(module.flags, 0);
  assert_string_equal(module.name, debuggee_path("Counter"));

  /* The image in memory is the file, and the mvid is the metadata's. */
  g_autofree char *file = NULL;
  gsize size = 0;
  assert_true(g_file_get_contents(module.name, &file, &size, NULL));
  assert_int_equal(module.size, size);
  g_autofree char *bytes = g_malloc(size);
  assert_ok(cordbg_target_read_exact(s->target, CORDBG_VIEW_CLIENT, module.base, bytes, size,
                                     &test_error));
  assert_memory_equal(bytes, file, size);
  cordbg_image *image = NULL;
  assert_ok(cordbg_image_open_file(module.name, &image, &test_error));
  assert_memory_equal(cordbg_image_mvid(image), module.mvid, 16);
  cordbg_image_unref(image);

  /* The main thread and the Finalizer; the agent's own is not there. */
  assert_ok(ops->threads(s->runtime, &ids, &count, &test_error));
  bool has_main = false;
  for (size_t i = 0; i < count; i++) {
    cordbg_rt_thread thread;
    assert_ok(ops->thread(s->runtime, ids[i], &thread, &test_error));
    assert_int_equal(thread.domain, root);
    has_main |= thread.tid == s->pid;
    assert_int_not_equal(thread.tid, s->runtime->block.service_tid);
  }
  assert_true(has_main);
  assert_int_equal(count, 2);
  g_free(ids);
}

static void
late_injection_shows_domains_modules_threads_and_methods(void **state)
{
  debuggee d;
  session s;
  uint32_t *tokens = NULL;
  size_t count = 1;
  char *type = NULL, *name = NULL;
  cordbg_rt_method method;

  (void)state;
  debuggee_start_mono(&d, "Counter", "60", NULL);
  session_attach(&s, d.pid);
  check_counter(&s);
  cordbg_rt_id module = session_module(&s, "/Counter.exe", 0);
  uint32_t token = session_method(&s, module, "Debuggees.Counter", "Tick");
  assert_int_equal(token >> 24, 0x06);
  assert_ok(ops->method_name(s.runtime, module, token, &type, &name, &test_error));
  assert_string_equal(type, "Debuggees.Counter");
  assert_string_equal(name, "Tick");
  g_free(type);
  g_free(name);
  assert_int_equal(ops->find_methods(s.runtime, module, "Debuggees.Counter", "Nothing", &tokens,
                                     &count, &test_error),
                   S_FALSE);
  assert_int_equal(count, 0);
  g_free(tokens);

  assert_ok(ops->method(s.runtime, module, token, &method, &test_error));
  assert_int_equal(method.class_token >> 24, 0x02);
  assert_true(method.il_size > 8 && method.il_size < 100);
  assert_int_not_equal(method.local_signature, 0);
  /* The body ends with ret. */
  uint8_t last = 0;
  assert_ok(cordbg_target_read_exact(
      s.target, CORDBG_VIEW_CLIENT, method.il_address + method.il_size - 1, &last, 1, &test_error));
  assert_int_equal(last, 0x2a);
  assert_int_equal(ops->method(s.runtime, module, 0x06ffffff, &method, NULL), E_INVALIDARG);
  assert_int_equal(ops->method(s.runtime, 0xdead, token, &method, NULL), E_INVALIDARG);
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

static void
code_compiled_before_the_injection_is_found_mapped_and_hit(void **state)
{
  debuggee d;
  session s;
  cordbg_rt_code *codes = NULL, at;
  cordbg_rt_map *map = NULL;
  size_t count = 0;

  (void)state;
  debuggee_start_mono(&d, "Counter", "60", NULL);
  session_attach(&s, d.pid);
  cordbg_rt_id module = session_module(&s, "/Counter.exe", 0);
  uint32_t token = session_method(&s, module, "Debuggees.Counter", "Tick");
  assert_ok(ops->codes(s.runtime, module, token, &codes, &count, &test_error));
  assert_int_equal(count, 1);
  assert_int_equal(codes[0].kind, CORDBG_RT_CODE_JIT);
  assert_int_equal(codes[0].token, token);
  assert_int_equal(codes[0].module, module);
  assert_int_equal(codes[0].instance, 0);
  assert_ok(ops->code_at(s.runtime, codes[0].start + codes[0].size - 1, &at, &test_error));
  assert_int_equal(at.id, codes[0].id);
  assert_int_equal(ops->code_at(s.runtime, 1, &at, &test_error), S_FALSE);

  assert_ok(ops->il_map(s.runtime, codes[0].id, &map, &count, &test_error));
  assert_true(count >= 3);
  assert_int_equal(map[0].il, CORDBG_RT_IL_PROLOG);
  assert_int_equal(map[0].native_start, 0);
  assert_int_equal(map[count - 1].native_end, codes[0].size);

  /* A trap at the entry: the argument is in its register, and grows by one with each hit. */
  session_plant(&s, codes[0].start);
  assert_true(session_run_until_hit(&s));
  assert_int_equal(s.event.address, codes[0].start);
  assert_int_equal(s.event.tid, d.pid);
  uint64_t value = s.event.registers.rdi;
  for (uint64_t i = 1; i <= 20; i++) {
    assert_true(session_run_until_hit(&s));
    assert_int_equal(s.event.registers.rdi, value + i);
  }
  session_unplant(&s, codes[0].start);
  g_free(codes);
  g_free(map);
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

static void
after_detach_the_agent_is_inert_and_a_second_attach_works(void **state)
{
  debuggee d;
  session s;

  (void)state;
  debuggee_start_mono(&d, "Counter", "60", NULL);
  for (unsigned round = 1; round <= 5; round++) {
    session_attach(&s, d.pid);
    assert_int_equal(count_threads_named(d.pid, "cordbg"), 1);
    assert_int_equal(s.runtime->block.sessions, round);
    check_counter(&s);
    uint64_t block_address = s.runtime->block_address, notify = s.runtime->block.notify;
    uint8_t original = 0, left = 0;
    assert_ok(cordbg_target_read_exact(s.target, CORDBG_VIEW_PRISTINE, notify, &original, 1,
                                       &test_error));
    session_run_for(&s, 20);
    session_detach(&s);
    assert_true(await_no_thread_named(d.pid, "cordbg"));
    debuggee_check_alive(&d);

    g_autofree char *path = g_strdup_printf("/proc/%d/mem", d.pid);
    FILE *memory = fopen(path, "re");
    assert_non_null(memory);
    cordbg_agent_block block;
    assert_int_equal(fseek(memory, (long)block_address, SEEK_SET), 0);
    assert_int_equal(fread(&block, sizeof(block), 1, memory), 1);
    assert_int_equal(fseek(memory, (long)notify, SEEK_SET), 0);
    assert_int_equal(fread(&left, 1, 1, memory), 1);
    fclose(memory);
    assert_int_equal(block.active, 0);
    assert_int_equal(block.state, CORDBG_AGENT_IDLE);
    assert_int_equal(left, original);
  }
  debuggee_end(&d);
}

static void
a_wanted_method_is_told_before_its_first_execution(void **state)
{
  debuggee d;
  session s;
  cordbg_rt_want_status status = CORDBG_RT_WANT_NO_BODY;
  cordbg_rt_code *codes = NULL;
  size_t count = 0;

  (void)state;
  debuggee_start_mono(&d, "Generics", "60", "1.5", NULL);
  session_attach(&s, d.pid);
  cordbg_rt_id module = session_module(&s, "/Generics.exe", 0);
  uint32_t token = session_method(&s, module, "Debuggees.Generics", "Show");
  assert_ok(ops->codes(s.runtime, module, token, &codes, &count, &test_error));
  assert_int_equal(count, 2); /* int, and one for all references */
  for (size_t i = 0; i < count; i++)
    assert_int_not_equal(codes[i].instance, 0);
  assert_int_not_equal(codes[0].instance, codes[1].instance);
  assert_ok(ops->want_method(s.runtime, module, token, true, &status, &test_error));
  assert_int_equal(status, CORDBG_RT_WANT_OK);

  cordbg_rt_event event = session_run_until(&s, CORDBG_RT_EVENT_CODE_COMPILED);
  assert_int_equal(event.code.token, token);
  assert_int_equal(event.code.module, module);
  assert_int_equal(event.tid, d.pid);
  for (size_t i = 0; i < count; i++)
    assert_int_not_equal(event.code.start, codes[i].start);
  session_plant(&s, event.code.start);
  assert_true(session_run_until_hit(&s));
  assert_int_equal(s.event.address, event.code.start);
  session_unplant(&s, event.code.start);
  g_free(codes);
  assert_ok(ops->codes(s.runtime, module, token, &codes, &count, &test_error));
  assert_int_equal(count, 3);
  g_free(codes);
  assert_ok(ops->want_method(s.runtime, module, token, false, NULL, &test_error));
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

static void
generic_types_nested_types_and_overloads_are_found(void **state)
{
  debuggee d;
  session s;
  uint32_t *tokens = NULL;
  cordbg_rt_code *codes = NULL;
  size_t count = 0;

  (void)state;
  debuggee_start_mono(&d, "Generics", "60", NULL);
  session_attach(&s, d.pid);
  cordbg_rt_id module = session_module(&s, "/Generics.exe", 0);
  assert_ok(ops->find_methods(s.runtime, module, "Debuggees.Generics", "Add", &tokens, &count,
                              &test_error));
  assert_int_equal(count, 2);
  assert_int_equal(tokens[1], tokens[0] + 1);
  g_free(tokens);
  uint32_t depth = session_method(&s, module, "Debuggees.Box`1+Inner", "Depth");
  assert_int_equal(session_method(&s, module, "Debuggees.Box`1/Inner", "Depth"), depth);
  char *type = NULL;
  assert_ok(ops->method_name(s.runtime, module, depth, &type, NULL, &test_error));
  assert_string_equal(type, "Debuggees.Box`1+Inner");
  g_free(type);
  uint32_t swap = session_method(&s, module, "Debuggees.Box`1", "Swap");
  assert_ok(ops->codes(s.runtime, module, swap, &codes, &count, &test_error));
  assert_int_equal(count, 3); /* int, Pair, and one for all references */
  g_free(codes);
  session_detach(&s);
  debuggee_end(&d);
}

static void
the_il_map_has_the_known_offsets(void **state)
{
  debuggee d;
  session s;
  uint32_t *tokens = NULL;
  cordbg_rt_code *codes = NULL;
  cordbg_rt_map *map = NULL;
  cordbg_rt_method method;
  size_t count = 0;

  (void)state;
  debuggee_start_mono(&d, "Generics", "60", NULL);
  session_attach(&s, d.pid);
  cordbg_rt_id module = session_module(&s, "/Generics.exe", 0);
  assert_ok(ops->find_methods(s.runtime, module, "Debuggees.Generics", "Add", &tokens, &count,
                              &test_error));
  assert_ok(ops->method(s.runtime, module, tokens[0], &method, &test_error));
  assert_ok(ops->codes(s.runtime, module, tokens[0], &codes, &count, &test_error));
  assert_int_equal(count, 1);
  assert_ok(ops->il_map(s.runtime, codes[0].id, &map, &count, &test_error));
  /* mcs -debug: nop, ldarg.0, ldarg.1, add, stloc.0, br (5 bytes), ldloc.0, ret: statements begin
     at 1 (behind the nop) and 11 (the return). */
  assert_int_equal(method.il_size, 12);
  assert_int_equal(count, 3);
  assert_int_equal(map[0].il, CORDBG_RT_IL_PROLOG);
  assert_int_equal(map[1].il, 1);
  assert_int_equal(map[2].il, 11);
  g_free(map);
  g_free(codes);
  g_free(tokens);
  session_detach(&s);
  debuggee_end(&d);
}

static void
aot_code_is_found_listed_or_not(void **state)
{
  debuggee d;
  session s;
  cordbg_rt_code *codes = NULL, at;
  cordbg_rt_map *map = NULL;
  size_t count = 0;

  (void)state;
  debuggee_start_mono(&d, "Counter", "60", NULL);
  session_attach(&s, d.pid);
  if (!cordbg_mono_find_base(d.pid, "mscorlib.dll.so", NULL, 0)) {
    session_detach(&s);
    debuggee_end(&d);
    print_message("SKIP: mscorlib is not compiled ahead of time here\n");
    skip();
  }
  cordbg_rt_id module = session_module(&s, "/mscorlib.dll", 0);
  /* DateTime.op_LessThan runs in Counter's loop all the time. */
  uint32_t token = session_method(&s, module, "System.DateTime", "op_LessThan");
  assert_ok(ops->codes(s.runtime, module, token, &codes, &count, &test_error));
  assert_int_equal(count, 1);
  assert_int_equal(codes[0].kind, CORDBG_RT_CODE_AOT);
  assert_ok(ops->code_at(s.runtime, codes[0].start + 1, &at, &test_error));
  assert_int_equal(at.id, codes[0].id);
  assert_int_equal(at.token, token);
  assert_ok(ops->il_map(s.runtime, codes[0].id, &map, &count, &test_error));
  assert_true(count > 0);
  g_free(map);
  session_plant(&s, codes[0].start);
  assert_true(session_run_until_hit(&s));
  assert_int_equal(s.event.address, codes[0].start);
  session_unplant(&s, codes[0].start);
  g_free(codes);

  /* Bodies that the runtime has listed: their maps are read from the AOT data. */
  unsigned listed = 0, maps = 0;
  for (guint i = 0; i < s.runtime->sorted->len; i++) {
    cordbg_mono_code *code = s.runtime->sorted->pdata[i];
    if (code->rt.kind != CORDBG_RT_CODE_AOT || !code->seq_points)
      continue;
    listed++;
    assert_ok(ops->il_map(s.runtime, code->rt.id, &map, &count, &test_error));
    assert_true(count > 0);
    maps += count > 1;
    g_free(map);
  }
  print_message("%u AOT bodies listed with points, %u maps of more than the prolog\n", listed,
                maps);
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

static void
a_busy_program_of_many_threads_is_attached_again_and_again(void **state)
{
  debuggee d;
  session s;

  (void)state;
  debuggee_start_mono(&d, "ManyThreads", "120", "8", "1", NULL);
  for (unsigned round = 0; round < 20; round++) {
    cordbg_rt_id *ids = NULL;
    size_t count = 0;
    session_attach(&s, d.pid);
    assert_ok(ops->threads(s.runtime, &ids, &count, &test_error));
    assert_true(count >= 10); /* main, Finalizer, 8 workers */
    g_free(ids);
    session_run_for(&s, 20);
    session_detach(&s);
    debuggee_check_alive(&d);
  }
  debuggee_end(&d);
}

static void
threads_that_come_and_go_are_told_in_pairs(void **state)
{
  debuggee d;
  session s;

  (void)state;
  debuggee_start_mono(&d, "ManyThreads", "60", "2", "1", NULL);
  session_attach(&s, d.pid);
  for (unsigned i = 0; i < 30; i++) {
    cordbg_rt_event start = session_run_until(&s, CORDBG_RT_EVENT_THREAD_STARTED);
    cordbg_rt_thread thread;
    assert_ok(ops->thread(s.runtime, start.id, &thread, &test_error));
    assert_int_equal(thread.tid, start.tid);
    cordbg_rt_event end = session_run_until(&s, CORDBG_RT_EVENT_THREAD_EXITED);
    assert_int_equal(end.id, start.id);
    assert_int_equal(end.tid, start.tid);
  }
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

static void
a_log_that_overflowed_is_reconciled(void **state)
{
  debuggee d;
  session s;
  cordbg_rt_id *ids = NULL;
  size_t count = 0;
  cordbg_agent_block block;

  (void)state;
  debuggee_start_mono(&d, "ManyThreads", "60", "2", "1", NULL);
  session_attach(&s, d.pid);
  /* Without notifications nothing reads the log while threads come and go. */
  assert_ok(
      cordbg_mono_write_word(s.runtime, offsetof(cordbg_agent_block, notify_mask), 0, &test_error));
  cordbg_reply_stop stop;
  do {
    assert_ok(cordbg_tracer_continue(s.tracer, &test_error));
    g_usleep(50000);
    assert_ok(cordbg_tracer_stop(s.tracer, &stop, &test_error));
    assert_ok(cordbg_target_read_exact(s.target, CORDBG_VIEW_RAW, s.runtime->block_address, &block,
                                       sizeof(block), &test_error));
  } while (block.log_head < s.runtime->cursor + 2 * CORDBG_AGENT_LOG);
  session_drain(&s);
  assert_true(s.runtime->lost > CORDBG_AGENT_LOG);
  assert_ok(ops->threads(s.runtime, &ids, &count, &test_error));
  for (size_t i = 0; i < count; i++) { /* they are there */
    cordbg_rt_thread thread;
    assert_ok(ops->thread(s.runtime, ids[i], &thread, &test_error));
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d", d.pid, thread.tid);
    assert_true(g_file_test(path, G_FILE_TEST_IS_DIR));
  }
  assert_true(count >= 4 && count <= 6);
  g_free(ids);
  session_detach(&s);
  debuggee_check_alive(&d);
  debuggee_end(&d);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_running_mono_is_detected_and_another_program_is_not),
      cmocka_unit_test(late_injection_shows_domains_modules_threads_and_methods),
      cmocka_unit_test(code_compiled_before_the_injection_is_found_mapped_and_hit),
      cmocka_unit_test(after_detach_the_agent_is_inert_and_a_second_attach_works),
      cmocka_unit_test(a_wanted_method_is_told_before_its_first_execution),
      cmocka_unit_test(generic_types_nested_types_and_overloads_are_found),
      cmocka_unit_test(the_il_map_has_the_known_offsets),
      cmocka_unit_test(aot_code_is_found_listed_or_not),
      cmocka_unit_test(a_busy_program_of_many_threads_is_attached_again_and_again),
      cmocka_unit_test(threads_that_come_and_go_are_told_in_pairs),
      cmocka_unit_test(a_log_that_overflowed_is_reconciled),
  };

  skip_without_mono();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
