/* SPDX-License-Identifier: MIT */
/*
 * All five doors, and every member of the extension tables, on programs of both runtimes that are
 * stopped at a managed breakpoint, with a native one beside it. By the public interface alone.
 */
#include "config.h"

#include "icordebug-client.h"

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define LOOK (DEBUG_ATTACH_NONINVASIVE | DEBUG_ATTACH_NONINVASIVE_NO_SUSPEND)
#define PARTIAL_COPY HRESULT_FROM_WIN32(ERROR_PARTIAL_COPY)
#define READ_FAULT HRESULT_FROM_WIN32(ERROR_READ_FAULT)

/* A program stopped at the first hit of Counter.Tick, with a native breakpoint on getppid. */
typedef struct stopped {
  program p;
  client c;
  breaking b;
  ICorDebugProcess2 *process2;
  CORDB_ADDRESS managed, native;
  BYTE managed_original, native_original;
  DWORD tid;
  HANDLE handle;
  IDebugDataSpaces4 *spaces; /* the session's */
  IDebugClient *looking;     /* DebugCreate's, attached to the same process */
  IDebugDataSpaces4 *looked;
  WINDBG_EXTENSION_APIS apis;
  WINDBG_EXTENSION_APIS32 apis32;
  WINDBG_EXTENSION_APIS64 apis64;
} stopped;

static then
stop_hook(client *c, const told *what)
{
  stopped *s = c->data;
  c->data = &s->b;
  then next = breaking_hook(c, what);
  c->data = s;
  if (next == STAY)
    breaking_place(what, &s->tid, &s->managed);
  return next;
}

static void
open_doors(stopped *s)
{
  SIZE_T read;
  ULONG32 length;
  assert_ok(
      cordbg_read(s->c.process, CordbgViewPristine, s->managed, 1, &s->managed_original, &read));
  assert_ok(cordbg_find_symbol(s->c.process, "libc!getppid", &s->native));
  assert_ok(ICorDebugProcess2_SetUnmanagedBreakpoint(s->process2, s->native, 1, &s->native_original,
                                                     &length));
  s->handle = OpenProcess(PROCESS_ALL_ACCESS, FALSE, (DWORD)s->p.pid);
  assert_non_null(s->handle);
  assert_ok(cordbg_data_spaces(s->c.process, &IID_IDebugDataSpaces4, (void **)&s->spaces));
  assert_ok(DebugCreate(&IID_IDebugClient, (void **)&s->looking));
  assert_ok(IDebugClient_AttachProcess(s->looking, 0, (ULONG)s->p.pid, LOOK));
  assert_ok(IDebugClient_QueryInterface(s->looking, &IID_IDebugDataSpaces4, (void **)&s->looked));
  s->apis.nSize = sizeof s->apis;
  s->apis32.nSize = sizeof s->apis32;
  s->apis64.nSize = sizeof s->apis64;
  assert_ok(cordbg_fill_extension_apis(s->c.process, &s->apis));
  assert_ok(cordbg_fill_extension_apis32(s->c.process, &s->apis32));
  assert_ok(cordbg_fill_extension_apis64(s->c.process, &s->apis64));
  assert_ok(cordbg_set_extension_process(s->c.process, s->tid));
}

static stopped *
stop_at_tick(void)
{
  static stopped s;
  memset(&s, 0, sizeof s);
  s.b = (breaking){.type = "Debuggees.Counter", .method = "Tick", .limit = 1};
  program_start_managed(&s.p, "Counter", "120", NULL);
  client_open(&s.c, stop_hook, &s);
  assert_ok(client_attach(&s.c, s.p.pid, TRUE));
  client_await(&s.c, "Breakpoint", 1);
  assert_ok(
      ICorDebugProcess_QueryInterface(s.c.process, &IID_ICorDebugProcess2, (void **)&s.process2));
  open_doors(&s);
  return &s;
}

static void
let_go(stopped *s)
{
  assert_ok(cordbg_set_extension_process(NULL, 0));
  assert_ok(IDebugClient_DetachProcesses(s->looking));
  IDebugDataSpaces4_Release(s->looked);
  IDebugClient_Release(s->looking);
  IDebugDataSpaces4_Release(s->spaces);
  assert_true(CloseHandle(s->handle));
  assert_ok(ICorDebugProcess2_ClearUnmanagedBreakpoint(s->process2, s->native));
  ICorDebugProcess2_Release(s->process2);
  breaking_drop(&s->b);
  client_close(&s->c);
  program_check_unharmed(&s->p);
  program_end(&s->p);
}

static BYTE
raw_byte(stopped *s, CORDB_ADDRESS address)
{
  BYTE byte = 0;
  struct iovec local = {&byte, 1}, remote = {(void *)(uintptr_t)address, 1};
  assert_int_equal(process_vm_readv(s->p.pid, &local, 1, &remote, 1, 0), 1);
  return byte;
}

/* ---- the doors ---- */

enum { DOORS = 6, MOST = 400 };

/* One range through every door: each contract's result, and the same bytes. Returns the count. */
static size_t
read_by_all(stopped *s, CORDB_ADDRESS address, DWORD size, BYTE *ret)
{
  BYTE bytes[DOORS][MOST];
  SIZE_T memory = 99, process = 99;
  ULONG extension = 99, spaces = 99, looked = 99;
  DWORD helper = 99;
  memset(bytes, 0xa5, sizeof bytes);
  HRESULT hr = ICorDebugProcess_ReadMemory(s->c.process, address, size, bytes[0], &memory);
  BOOL rpm = ReadProcessMemory(s->handle, (void *)(uintptr_t)address, bytes[1], size, &process);
  ULONG ext = s->apis64.lpReadProcessMemoryRoutine(address, bytes[2], size, &extension);
  BOOL help = cordbg_ReadProcessMemoryProc64(s->handle, address, bytes[3], size, &helper);
  HRESULT data = IDebugDataSpaces4_ReadVirtual(s->spaces, address, bytes[4], size, &spaces);
  HRESULT look = IDebugDataSpaces4_ReadVirtual(s->looked, address, bytes[5], size, &looked);
  assert_int_equal(hr, memory == size ? S_OK
                       : memory > 0   ? PARTIAL_COPY
                                      : CORDBG_E_READVIRTUAL_FAILURE);
  assert_true(rpm == (memory == size) && ext == (ULONG)rpm);
  assert_true(process == (rpm ? size : 0) && extension == (rpm ? size : 0));
  assert_true(helper == memory && spaces == memory && looked == memory);
  assert_int_equal(help, memory > 0);
  assert_int_equal(data, memory > 0 ? S_OK : READ_FAULT);
  assert_int_equal(look, data);
  for (int door = 1; door < DOORS; door++) {
    bool all_or_nothing = door <= 2;
    for (size_t i = 0; i < MOST; i++)
      assert_int_equal(bytes[door][i], all_or_nothing && !rpm ? 0xa5 : bytes[0][i]);
  }
  for (size_t i = memory; i < MOST; i++)
    assert_int_equal(bytes[0][i], 0xa5);
  memcpy(ret, bytes[0], memory);
  return memory;
}

static void
row_43_all_doors_show_a_managed_program_alike(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  BYTE bytes[MOST], pristine[MOST];
  SIZE_T read;
  assert_int_equal(raw_byte(s, s->managed), 0xcc);
  assert_int_equal(raw_byte(s, s->native), 0xcc);
  /* Around each trap: managed ones do not show, native ones do, nothing else differs. */
  const CORDB_ADDRESS sites[] = {s->managed, s->native};
  for (size_t i = 0; i < 2; i++) {
    for (CORDB_ADDRESS from = sites[i] - 20; from <= sites[i]; from++) {
      assert_int_equal(read_by_all(s, from, 60, bytes), 60);
      assert_ok(cordbg_read(s->c.process, CordbgViewPristine, from, 60, pristine, &read));
      if (s->native >= from && s->native < from + 60)
        pristine[s->native - from] = 0xcc;
      assert_memory_equal(bytes, pristine, 60);
    }
    assert_int_equal(read_by_all(s, sites[i], 1, bytes), 1);
    assert_int_equal(bytes[0], i == 0 ? s->managed_original : 0xcc);
  }
  let_go(s);
}

/* Ranges at the borders of the program's mappings: whole, partial, none. */
static void
contracts_000_to_004_agree_at_every_mapping(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  char path[64], line[4096];
  unsigned whole = 0, partial = 0, none = 0, skipped = 0;
  snprintf(path, sizeof path, "/proc/%d/maps", (int)s->p.pid);
  FILE *maps = fopen(path, "r");
  assert_non_null(maps);
  while (fgets(line, sizeof line, maps) != NULL) {
    unsigned long long start, end;
    BYTE bytes[MOST];
    assert_int_equal(sscanf(line, "%llx-%llx", &start, &end), 2);
    if (strstr(line, "[v") != NULL) { /* vvar, vdso, vsyscall: the kernel's, partly unreadable */
      skipped++;
      continue;
    }
    const CORDB_ADDRESS places[] = {start, end - MOST / 2};
    for (int i = 0; i < 2; i++) {
      size_t count = read_by_all(s, places[i], MOST, bytes);
      *(count == MOST ? &whole : count > 0 ? &partial : &none) += 1;
    }
  }
  fclose(maps);
  assert_true(whole > 50 && partial > 5 && none > 1 && skipped < 8);
  let_go(s);
}

/* ---- the extension tables, member by member ---- */

static void
keep_text(void *data, const char *text)
{
  g_string_append(data, text);
}

static void
contract_001_every_member_on_a_managed_program(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  const WINDBG_EXTENSION_APIS64 *apis = &s->apis64;
  g_autoptr(GString) output = g_string_new(NULL);
  char text[512];
  CONTEXT context, again;
  ULONG64 value = 0, displacement = 99, offset;
  ULONG count = 99;
  BYTE byte = 0;
  cordbg_set_extension_output(keep_text, output);

  apis->lpOutputRoutine("%d %s %I64x\n", 5, "five", (ULONG64)0x123456789a);
  assert_string_equal(output->str, "5 five 123456789a\n");
  g_string_truncate(output, 0);

  assert_true(apis->lpGetThreadContextRoutine(0, &context, sizeof context));
  assert_int_equal(context.Rip, s->managed);
  assert_true(apis->lpGetThreadContextRoutine(s->tid, &again, sizeof again));
  assert_int_equal(again.Rsp, context.Rsp);
  assert_int_equal(apis->lpGetExpressionRoutine("@rip"), s->managed);
  assert_int_equal(apis->lpGetExpressionRoutine("libc!getppid"), s->native);
  assert_true(apis->lpReadProcessMemoryRoutine(context.Rsp, &value, 8, &count));
  assert_int_equal(count, 8);
  assert_int_equal(apis->lpGetExpressionRoutine("poi(@rsp)"), value);
  /* The managed trap under the PC does not show, the native one does. */
  assert_int_equal(apis->lpGetExpressionRoutine("by(@rip)"), s->managed_original);
  assert_int_equal(apis->lpGetExpressionRoutine("by(libc!getppid)"), 0xcc);
  assert_string_equal(output->str, "");
  assert_int_equal(apis->lpGetExpressionRoutine("no_such_name"), 0);
  assert_non_null(strstr(output->str, "no_such_name"));
  g_string_truncate(output, 0);

  apis->lpGetSymbolRoutine(s->native + 1, text, &displacement);
  assert_true(g_str_has_prefix(text, "libc!") && displacement == 1);
  apis->lpGetSymbolRoutine(s->managed, text, &displacement);
  if (strstr(text, "Counter.Tick") == NULL)
    fail_msg("the managed code is called '%s'", text);

  /* Of the program's own bytes, wherever traps are. */
  const CORDB_ADDRESS sites[] = {s->managed, s->native};
  for (size_t i = 0; i < 2; i++) {
    char first[3];
    offset = sites[i];
    assert_true(apis->lpDisasmRoutine(&offset, text, FALSE));
    assert_true(offset > sites[i] && offset <= sites[i] + 15);
    snprintf(first, sizeof first, "%02x", i == 0 ? s->managed_original : s->native_original);
    assert_memory_equal(strchr(text, ' ') + 1, first, 2);
    assert_null(strstr(text, "int3"));
  }

  assert_false(apis->lpCheckControlCRoutine());
  assert_ok(cordbg_interrupt_extension(s->c.process));
  assert_true(apis->lpCheckControlCRoutine());
  assert_false(apis->lpCheckControlCRoutine());

  /* Written behind the trap, and put back. */
  assert_true(apis->lpWriteProcessMemoryRoutine(s->managed, "\x90", 1, &count));
  assert_int_equal(count, 1);
  assert_true(apis->lpReadProcessMemoryRoutine(s->managed, &byte, 1, NULL));
  assert_true(byte == 0x90 && raw_byte(s, s->managed) == 0xcc);
  assert_true(apis->lpWriteProcessMemoryRoutine(s->managed, &s->managed_original, 1, &count));

  context.R12 ^= 0x1234;
  assert_true(apis->lpSetThreadContextRoutine(0, &context, sizeof context));
  assert_true(apis->lpGetThreadContextRoutine(0, &again, sizeof again));
  assert_int_equal(again.R12, context.R12);
  context.R12 ^= 0x1234;
  assert_true(apis->lpSetThreadContextRoutine(0, &context, sizeof context));

  ULONG wide = 0;
  ULONG64 thread = s->tid;
  SEARCHMEMORY search = {.SearchAddress = s->managed - 8,
                         .SearchLength = 64,
                         .Pattern = &s->managed_original,
                         .PatternLength = 1};
  assert_true(apis->lpIoctlRoutine(IG_IS_PTR64, &wide, sizeof wide));
  assert_int_equal(wide, 1);
  assert_true(apis->lpIoctlRoutine(IG_SET_THREAD, &thread, sizeof thread));
  assert_true(apis->lpIoctlRoutine(IG_SEARCH_MEMORY, &search, sizeof search));
  assert_true(search.FoundAddress <= s->managed && search.FoundAddress >= s->managed - 8);
  assert_false(apis->lpIoctlRoutine(IG_READ_PHYSICAL, &search, sizeof search));

  /* Tick, its callers in the program, and the native code below them. */
  EXTSTACKTRACE64 frames[128] = {0};
  bool main_seen = false, native_seen = false;
  count = apis->lpStackTraceRoutine(0, 0, 0, frames, 128);
  assert_true(count >= 3 && count < 128);
  assert_int_equal(frames[0].ProgramCounter, s->managed);
  for (ULONG i = 0; i < count; i++) {
    apis->lpGetSymbolRoutine(frames[i].ProgramCounter, text, &displacement);
    main_seen = main_seen || strstr(text, "Counter.Main") != NULL;
    native_seen = native_seen || g_str_has_prefix(text, "libc!");
  }
  assert_true(main_seen && native_seen);

  /* The narrower tables are the same routines. */
  EXTSTACKTRACE narrow[128] = {0};
  assert_int_equal(s->apis.lpStackTraceRoutine(0, 0, 0, narrow, 128), count);
  assert_int_equal(narrow[1].ProgramCounter, (ULONG)frames[1].ProgramCounter);
  assert_int_equal(s->apis.lpGetExpressionRoutine("@rip"), s->managed);
  assert_int_equal(s->apis32.lpGetExpressionRoutine("@rip"), (ULONG)s->managed);
  assert_true(s->apis.lpReadProcessMemoryRoutine(s->managed, &byte, 1, NULL));
  assert_int_equal(byte, s->managed_original);
  cordbg_set_extension_output(NULL, NULL);
  let_go(s);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CASE_ON_ALL(row_43_all_doors_show_a_managed_program_alike),
      CASE_ON_BOTH(contracts_000_to_004_agree_at_every_mapping),
      CASE_ON_ALL(contract_001_every_member_on_a_managed_program),
  };
  return CLIENT_RUN(tests);
}
