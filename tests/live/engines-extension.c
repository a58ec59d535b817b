/* SPDX-License-Identifier: MIT */
/* WdbgExts' routines that look at code and threads, over a target that stands still. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/live/memory-fixture.h"

int main(void);

static void
keep_text(void *data, const char *text)
{
  strcat(data, text);
}

/* The fixture's child, stopped. */
static int
setup_stopped(void **state)
{
  cordbg_reply_stop stopped;
  cordbg_error error = {0};
  int result = setup(state);
  fixture *made = *state;
  succeeded(cordbg_tracer_stop(cordbg_target_tracer(made->target), &stopped, &error), &error);
  return result;
}
#define STOPPED(name) cmocka_unit_test_setup_teardown(name, setup_stopped, teardown)

static void
contract_001_expressions_see_registers_and_memory(void **state)
{
  fixture *made = *state;
  PWINDBG_GET_EXPRESSION64 expression = made->apis64.lpGetExpressionRoutine;
  CONTEXT context;
  char text[200], output[500] = "";
  ULONG64 value = 0;
  assert_true(made->apis64.lpGetThreadContextRoutine(0, &context, sizeof context));
  assert_int_equal(expression("@rip"), context.Rip);
  assert_int_equal(expression("rsp"), context.Rsp);
  assert_int_equal(expression("@eax"), (uint32_t)context.Rax);
  assert_int_equal(expression("@ah"), (uint8_t)(context.Rax >> 8));
  assert_int_equal(expression("$tpid"), made->child->pid);
  assert_true(made->apis64.lpReadProcessMemoryRoutine(context.Rsp, &value, 8, NULL));
  assert_int_equal(expression("poi(@rsp)"), value);
  /* A managed trap is not seen, a native one is. */
  snprintf(text, sizeof text, "by(%llx)", (unsigned long long)at(made->managed));
  assert_int_equal(expression(text), shown(made, made->managed));
  snprintf(text, sizeof text, "by(%llx)", (unsigned long long)at(made->native));
  assert_int_equal(expression(text), 0xcc);
  cordbg_wdbgexts_set_output(keep_text, output);
  snprintf(text, sizeof text, "poi(%llx)", (unsigned long long)at(made->hole));
  assert_int_equal(expression(text), 0);
  assert_non_null(strstr(output, "Memory access error"));
  cordbg_wdbgexts_set_output(NULL, NULL);
  GET_EXPRESSION_EX more = {.Expression = "main+1 L5"};
  assert_true(made->apis64.lpIoctlRoutine(IG_GET_EXPRESSION_EX, &more, sizeof more));
  assert_true(more.Value == (uintptr_t)main + 1 && strcmp(more.Remainder, " L5") == 0);
}

static void
contract_001_symbols_go_both_ways(void **state)
{
  fixture *made = *state;
  char name[256];
  ULONG64 displacement = 99;
  made->apis64.lpGetSymbolRoutine((uintptr_t)main + 2, name, &displacement);
  assert_int_equal(displacement, 2);
  assert_non_null(strstr(name, "!main"));
  assert_int_equal(made->apis64.lpGetExpressionRoutine(name), (uintptr_t)main);
  ULONG64 getpid_at = made->apis64.lpGetExpressionRoutine("libc!getpid");
  assert_true(getpid_at != 0);
  made->apis64.lpGetSymbolRoutine(getpid_at, name, &displacement);
  assert_int_equal(displacement, 0);
  assert_memory_equal(name, "libc!", 5);
  assert_int_equal(made->apis64.lpGetExpressionRoutine(name), getpid_at);
  made->apis64.lpGetSymbolRoutine(at(made->child->region), name, &displacement);
  assert_string_equal(name, "");
  assert_int_equal(displacement, at(made->child->region));
  WDBGEXTS_MODULE_IN_RANGE range = {.Start = getpid_at, .End = getpid_at};
  assert_true(made->apis64.lpIoctlRoutine(IG_GET_ANY_MODULE_IN_RANGE, &range, sizeof range));
  assert_int_equal(range.FoundModBase, made->apis64.lpGetExpressionRoutine("libc"));
  assert_true(getpid_at - range.FoundModBase < range.FoundModSize);
}

static void
contract_001_instructions_are_the_programs_own(void **state)
{
  fixture *made = *state;
  /* call main; at a managed trap, in the fixture's region */
  uint8_t *place = made->child->region + 8 * PAGE;
  int32_t distance = 0x100 - 5;
  uint8_t code[5] = {0xe8};
  char line[512];
  memcpy(code + 1, &distance, 4);
  assert_true(made->apis64.lpWriteProcessMemoryRoutine(at(place), code, 5, NULL));
  plant(made->target, CORDBG_LAYER_MANAGED, place);
  plant(made->target, CORDBG_LAYER_NATIVE, place);
  ULONG64 offset = at(place);
  assert_true(made->apis64.lpDisasmRoutine(&offset, line, FALSE));
  assert_int_equal(offset, at(place) + 5);
  assert_non_null(strstr(line, "e8fb000000"));
  assert_non_null(strstr(line, "call"));
  offset = at(made->hole);
  assert_false(made->apis64.lpDisasmRoutine(&offset, line, FALSE));
  assert_int_equal(offset, at(made->hole));
  WCHAR wide[200];
  uint8_t nop = 0x90;
  WDBGEXTS_DISASSEMBLE_BUFFER request = {.InOffset = 0x1000,
                                         .DataBuffer = &nop,
                                         .DataBufferBytes = 1,
                                         .DisasmBuffer = wide,
                                         .DisasmBufferChars = 200};
  assert_true(made->apis64.lpIoctlRoutine(IG_DISASSEMBLE_BUFFER, &request, sizeof request));
  assert_int_equal(request.OutOffset, 0x1001);
  assert_true(wide[0] == 0x30 && wide[17] == 0x20);
}

static void
contract_001_stacks_reach_the_start(void **state)
{
  fixture *made = *state;
  EXTSTACKTRACE64 frames[64] = {0};
  EXTSTACKTRACE narrow[64] = {0};
  bool main_seen = false;
  ULONG count = made->apis64.lpStackTraceRoutine(0, 0, 0, frames, 64);
  assert_true(count > 2 && count < 64);
  for (ULONG i = 0; i < count; i++) {
    char name[256];
    ULONG64 displacement;
    assert_int_equal(frames[i].ReturnAddress, i + 1 < count ? frames[i + 1].ProgramCounter : 0);
    made->apis64.lpGetSymbolRoutine(frames[i].ProgramCounter, name, &displacement);
    main_seen = main_seen || g_str_has_suffix(name, "!main");
  }
  assert_true(main_seen);
  assert_int_equal(frames[0].ProgramCounter, made->apis64.lpGetExpressionRoutine("@rip"));
  assert_int_equal(made->apis.lpStackTraceRoutine(0, 0, 0, narrow, 64), count);
  assert_int_equal(narrow[1].ProgramCounter, (ULONG)frames[1].ProgramCounter);
  assert_int_equal(made->apis64.lpStackTraceRoutine(0, 0, 0, frames, 1), 1);
  assert_int_equal(made->apis64.lpStackTraceRoutine(0, 0, 0, NULL, 1), 0);
}

static void
contract_001_requests(void **state)
{
  fixture *made = *state;
  PWINDBG_IOCTL_ROUTINE ioctl_routine = made->apis64.lpIoctlRoutine;
  ULONG64 tid = (ULONG64)made->child->pid, cache = 5;
  GET_TEB_ADDRESS block = {0};
  WDBGEXTS_THREAD_OS_INFO info = {.ThreadId = (ULONG)made->child->pid};
  CONTEXT context = {0};
  GET_CONTEXT_EX request = {.ContextSize = sizeof context, .pContext = &context};
  assert_true(ioctl_routine(IG_SET_THREAD, &tid, sizeof tid));
  tid = 1;
  assert_false(ioctl_routine(IG_SET_THREAD, &tid, sizeof tid));
  assert_true(ioctl_routine(IG_GET_TEB_ADDRESS, &block, sizeof block));
  assert_int_equal(block.Address, made->apis64.lpGetExpressionRoutine("@fs_base"));
  assert_true(ioctl_routine(IG_GET_THREAD_OS_INFO, &info, sizeof info));
  assert_true(info.CreateTime > 0 && info.ExitStatus == 259);
  info.ThreadId = 1;
  assert_false(ioctl_routine(IG_GET_THREAD_OS_INFO, &info, sizeof info));
  assert_true(ioctl_routine(IG_GET_CONTEXT_EX, &request, sizeof request));
  assert_int_equal(context.Rip, made->apis64.lpGetExpressionRoutine("@rip"));
  assert_true(ioctl_routine(IG_GET_CACHE_SIZE, &cache, sizeof cache));
  assert_int_equal(cache, 0);
  assert_true(ioctl_routine(IG_RELOAD_SYMBOLS, NULL, 0));
  assert_false(ioctl_routine(IG_GET_TEB_ADDRESS, &block, sizeof block - 1));
  assert_false(ioctl_routine(IG_GET_TEB_ADDRESS, NULL, sizeof block));
  static const USHORT others[] = {IG_READ_PHYSICAL, IG_READ_MSR,        IG_GET_DEBUGGER_DATA,
                                  IG_GET_BUS_DATA,  IG_GET_PEB_ADDRESS, IG_TYPED_DATA,
                                  IG_GET_TYPE_SIZE, IG_KD_CONTEXT,      999};
  uint8_t space[256] = {0};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    assert_false(ioctl_routine(others[i], space, sizeof space));
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      STOPPED(contract_001_expressions_see_registers_and_memory),
      STOPPED(contract_001_symbols_go_both_ways),
      STOPPED(contract_001_instructions_are_the_programs_own),
      STOPPED(contract_001_stacks_reach_the_start),
      STOPPED(contract_001_requests),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
