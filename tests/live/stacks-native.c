/* SPDX-License-Identifier: MIT */
/*
 * Stacks of native code. The debuggee keeps its own account of who called whom, in memory that the
 * test sees: a walk at a random moment must tell the same.
 */
#include "config.h"

#include "tests/live/tracer-support.h"

#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>
#include <unistd.h>

#include "cordbg/dbghelp.h"
#include "cordbg/memory/context.h"
#include "cordbg/memory/doors.h"
#include "cordbg/native/stack.h"

#define DEPTH 24
#define STOPS 1000
#define FRAMES 128

/* ---- the debuggee: functions that call each other by chance ---- */

/* count[0] is the depth, count[1..] the function that runs at each. */
static test_stage *stage;
static unsigned chance;

static void __attribute__((noinline)) enter(int which)
{
  long depth = stage->count[0];

  stage->count[depth + 1] = which;
  stage->count[0] = depth + 1;
}

static void __attribute__((noinline)) leave(void)
{
  stage->count[0]--;
}

static void next(int depth);

#define FUNCTION(number)                                                                           \
  static void __attribute__((noinline)) function_##number(int depth)                               \
  {                                                                                                \
    volatile char room[16 + number * 40];                                                          \
    room[depth & 15] = (char)depth, (void)room[0];                                                 \
    enter(number);                                                                                 \
    next(depth + 1);                                                                               \
    leave();                                                                                       \
  }
FUNCTION(0)
FUNCTION(1)
FUNCTION(2)
FUNCTION(3)

static void __attribute__((noinline)) in_a_handler(int number)
{
  (void)number;
  enter(4);
  next(DEPTH - 3);
  leave();
}

static void __attribute__((noinline)) next(int depth)
{
  static void (*const all[])(int) = {function_0, function_1, function_2, function_3};

  chance = chance * 1664525 + 1013904223;
  if (depth >= DEPTH || (chance >> 28) == 0)
    return;
  if ((chance >> 24) == 77 && depth < DEPTH - 4)
    raise(SIGUSR1);
  all[(chance >> 16) & 3](depth);
}

static void __attribute__((noinline)) calls_by_chance(test_stage *shared)
{
  struct sigaction action = {.sa_handler = in_a_handler};

  stage = shared;
  chance = 12345;
  sigaction(SIGUSR1, &action, NULL);
  shared->ready = 1;
  while (!shared->stop)
    next(0);
}

/* ---- the test ---- */

/* Which of the functions an address is in; -1: another. */
static int
function_at(cordbg_unwinder *unwinder, const cordbg_frame *frame)
{
  cordbg_place place;
  cordbg_error error;

  if (cordbg_stack_describe(unwinder, frame, 0, &place, &error) != S_OK)
    return -1;
  if (strncmp(place.symbol, "function_", 9) == 0)
    return atoi(place.symbol + 9);
  return strcmp(place.symbol, "in_a_handler") == 0 ? 4 : -1;
}

typedef struct fixture {
  test_session session;
  cordbg_target *target;
  cordbg_unwinder *unwinder;
} fixture;

static void
begin(fixture *f)
{
  memset(f, 0, sizeof(*f));
  session_begin(&f->session, calls_by_chance, 1);
  must(&f->session, cordbg_target_create(f->session.tracer, &f->target, &f->session.error));
  must(&f->session, cordbg_target_unwinder(f->target, &f->unwinder, &f->session.error));
}

static void
end(fixture *f)
{
  kill(f->session.pid, SIGKILL);
  cordbg_target_unref(f->target); /* and the tracer with it */
  f->session.tracer = NULL;
  session_end(&f->session);
}

static struct user_regs_struct
registers_of(fixture *f)
{
  cordbg_registers registers;

  must(&f->session, cordbg_tracer_get_registers(f->session.tracer, f->session.pid, &registers,
                                                &f->session.error));
  return registers.general;
}

/* The shadow stack, innermost last; the moment may lie between a call and its note, or between the
   note's end and the return: the innermost function then shows on the walk only. */
static void
compare(fixture *f, const cordbg_frame *frames, size_t count)
{
  int walked[FRAMES];
  size_t found = 0;
  long depth = f->session.stage->count[0];

  for (size_t i = count; i-- > 0;) {
    int which = function_at(f->unwinder, &frames[i]);

    if (which >= 0)
      walked[found++] = which;
  }
  if (!(found == (size_t)depth || found == (size_t)depth + 1))
    fail_msg("%zu functions on the walk, %ld on the shadow stack", found, depth);
  for (long i = 0; i < depth; i++)
    if (walked[i] != f->session.stage->count[i + 1])
      fail_msg("level %ld: function_%d on the walk, %ld on the shadow stack", i, walked[i],
               f->session.stage->count[i + 1]);
}

static void
wait_a_little(unsigned *seed)
{
  for (int i = rand_r(seed) % 8; i >= 0; i--)
    sched_yield();
}

static void
at_a_thousand_random_stops_the_walk_is_whole_and_agrees_with_the_shadow_stack(void **state)
{
  unsigned seed = test_seed(), signals = 0, deepest = 0;
  cordbg_frame frames[FRAMES];
  fixture f;

  (void)state;
  begin(&f);
  for (int i = 0; i < STOPS; i++) {
    struct user_regs_struct registers;
    cordbg_stack_end how;
    size_t count;

    wait_a_little(&seed);
    halt(&f.session);
    registers = registers_of(&f);
    must(&f.session, cordbg_stack_walk(f.unwinder, NULL, f.session.pid, &registers, frames, FRAMES,
                                       &count, &how, &f.session.error));
    if (how != CORDBG_STACK_WHOLE)
      fail_msg("stop %d ended after %zu frames: %s", i, count, f.session.error.sentence);
    for (size_t k = 0; k < count; k++) {
      assert_false(frames[k].guessed);
      signals += frames[k].kind == CORDBG_FRAME_SIGNAL;
    }
    compare(&f, frames, count);
    deepest = count > deepest ? (unsigned)count : deepest;
    go_on(&f.session);
  }
  printf("%u signal frames, at most %u frames\n", signals, deepest);
  assert_true(deepest > 10);
  end(&f);
}

/* ---- StackWalk64 ---- */

typedef struct walk_result {
  size_t count;
  DWORD64 pc[FRAMES];
} walk_result;

static unsigned calls, fail_at; /* of the routines below; fail_at 0: never */

static BOOL CALLBACK
read_partly(HANDLE process, DWORD64 base, PVOID buffer, DWORD size, LPDWORD read)
{
  calls++;
  return cordbg_ReadProcessMemoryProc64(process, base, buffer, size > 24 ? 24 : size, read);
}

/* As the callback's document suggests. */
static BOOL CALLBACK
read_whole(HANDLE process, DWORD64 base, PVOID buffer, DWORD size, LPDWORD read)
{
  SIZE_T n = 0;
  BOOL ok;

  calls++;
  if (fail_at && calls >= fail_at) {
    *read = 0;
    return FALSE;
  }
  ok = ReadProcessMemory(process, (LPCVOID)(uintptr_t)base, buffer, size, &n);
  *read = (DWORD)n;
  return ok;
}

static void
walk_by(fixture *f, HANDLE process, const struct user_regs_struct *registers,
        PREAD_PROCESS_MEMORY_ROUTINE64 read, walk_result *ret)
{
  cordbg_registers all = {.general = *registers};
  CONTEXT context = {.ContextFlags = CONTEXT_FULL};
  STACKFRAME64 frame = {0};

  (void)f;
  cordbg_context_from_registers(&context, &all);
  ret->count = 0;
  while (ret->count < FRAMES && StackWalk64(IMAGE_FILE_MACHINE_AMD64, process, NULL, &frame,
                                            &context, read, NULL, NULL, NULL))
    ret->pc[ret->count++] = frame.AddrPC.Offset;
}

static void
row_002_a_walk_reads_through_any_callback(void **state)
{
  static const PREAD_PROCESS_MEMORY_ROUTINE64 routines[] = {cordbg_ReadProcessMemoryProc64,
                                                            read_partly, read_whole};
  walk_result expected, found;
  unsigned seed = test_seed();
  HANDLE process;
  fixture f;

  (void)state;
  begin(&f);
  process = OpenProcess(PROCESS_VM_READ, FALSE, (DWORD)f.session.pid);
  assert_non_null(process);
  for (int i = 0; i < 20; i++) {
    struct user_regs_struct registers;
    unsigned needed;

    wait_a_little(&seed);
    halt(&f.session);
    registers = registers_of(&f);
    walk_by(&f, process, &registers, NULL, &expected);
    assert_true(expected.count > 1);
    for (size_t k = 0; k < G_N_ELEMENTS(routines); k++) {
      calls = fail_at = 0;
      walk_by(&f, process, &registers, routines[k], &found);
      assert_int_equal(found.count, expected.count);
      assert_memory_equal(found.pc, expected.pc, found.count * sizeof(found.pc[0]));
    }
    /* one that fails for good at a random call: what was walked before is right */
    needed = calls;
    assert_true(needed >= expected.count - 1);
    calls = 0;
    fail_at = 1 + (unsigned)rand_r(&seed) % needed;
    walk_by(&f, process, &registers, read_whole, &found);
    assert_true(found.count >= 1 && found.count <= expected.count);
    assert_memory_equal(found.pc, expected.pc, found.count * sizeof(found.pc[0]));
    go_on(&f.session);
  }
  CloseHandle(process);
  end(&f);
}

/* The thread stands at the trap; what the callback gives of its code shows it. */
static void
row_002_native_traps_do_not_disturb_a_walk(void **state)
{
  fixture f;
  walk_result found;
  HANDLE process;
  cordbg_event hit;

  (void)state;
  begin(&f);
  calls = fail_at = 0;
  plant(&f.session, CORDBG_LAYER_NATIVE, at(leave));
  hit = next_hit(&f.session, at(leave));
  process = OpenProcess(PROCESS_VM_READ, FALSE, (DWORD)f.session.pid);
  {
    struct user_regs_struct registers = registers_of(&f);

    walk_by(&f, process, &registers, read_whole, &found);
  }
  assert_true(found.count > 2);
  assert_int_equal(found.pc[0], at(leave));
  (void)hit;
  CloseHandle(process);
  end(&f);
}

static void
symbols_and_lines_are_named_by_address(void **state)
{
  struct {
    SYMBOL_INFO info;
    char room[256];
  } symbol = {.info = {.SizeOfStruct = sizeof(SYMBOL_INFO), .MaxNameLen = 256}};
  IMAGEHLP_LINE64 line = {.SizeOfStruct = sizeof(line)};
  DWORD64 displacement = 0;
  DWORD behind = 0;
  HANDLE process;
  fixture f;

  (void)state;
  begin(&f);
  process = OpenProcess(PROCESS_VM_READ, FALSE, (DWORD)f.session.pid);
  assert_true(SymInitialize(process, NULL, TRUE));
  assert_true(SymFromAddr(process, at(function_2) + 3, &displacement, &symbol.info));
  assert_string_equal(symbol.info.Name, "function_2");
  assert_int_equal(displacement, 3);
  assert_int_equal(symbol.info.Address, at(function_2));
  assert_true(symbol.info.ModBase != 0);
  assert_int_equal(SymGetModuleBase64(process, at(function_2)), symbol.info.ModBase);
  assert_true(SymGetLineFromAddr64(process, at(function_2), &behind, &line));
  assert_non_null(strstr(line.FileName, "stacks-native.c"));
  assert_true(line.LineNumber > 40 && line.LineNumber < 90);
  assert_false(SymFromAddr(process, 16, NULL, &symbol.info));
  assert_int_equal(GetLastError(), ERROR_MOD_NOT_FOUND);
  assert_int_equal(SymGetModuleBase64(process, 16), 0);
  symbol.info.SizeOfStruct = 1;
  assert_false(SymFromAddr(process, at(function_2), NULL, &symbol.info));
  assert_int_equal(GetLastError(), ERROR_INVALID_PARAMETER);
  assert_false(SymFromAddr((HANDLE)(uintptr_t)12, 16, NULL, &symbol.info));
  CloseHandle(process);
  end(&f);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(symbols_and_lines_are_named_by_address),
      cmocka_unit_test(row_002_a_walk_reads_through_any_callback),
      cmocka_unit_test(row_002_native_traps_do_not_disturb_a_walk),
      cmocka_unit_test(
          at_a_thousand_random_stops_the_walk_is_whole_and_agrees_with_the_shadow_stack),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
