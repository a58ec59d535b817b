/* SPDX-License-Identifier: MIT */
/*
 * ICorDebug over real programs of both runtimes: what a client reads and writes. The rows of the
 * contract for ICorDebugProcess::ReadMemory with both kinds of breakpoints planted, code,
 * registers, names, native breakpoints and their unmanaged events.
 */
#include "config.h"

#include "icordebug-client.h"

#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cordbg/memory/target.h"

/* A program stopped at the first hit of Counter.Tick, attached with win32Attach. */
typedef struct stopped {
  program p;
  client c;
  breaking b;
  ICorDebugProcess2 *process2;
  ICorDebugFunction *function;
  ICorDebugCode *native;
  CORDB_ADDRESS address; /* of the managed trap */
  DWORD tid;
} stopped;

static then
memory_hook(client *c, const told *what)
{
  stopped *s = c->data;
  c->data = &s->b;
  then next = breaking_hook(c, what);
  c->data = s;
  if (next == STAY)
    breaking_place(what, &s->tid, &s->address);
  return next;
}

static stopped *
stop_at_tick(void)
{
  static stopped s;
  memset(&s, 0, sizeof s);
  s.b = (breaking){.type = "Debuggees.Counter", .method = "Tick", .limit = 1};
  program_start_managed(&s.p, "Counter", "60", NULL);
  client_open(&s.c, memory_hook, &s);
  assert_ok(client_attach(&s.c, s.p.pid, TRUE));
  client_await(&s.c, "Breakpoint", 1);
  assert_ok(
      ICorDebugProcess_QueryInterface(s.c.process, &IID_ICorDebugProcess2, (void **)&s.process2));
  assert_ok(ICorDebugFunctionBreakpoint_GetFunction(s.b.breakpoints[0], &s.function));
  assert_ok(ICorDebugFunction_GetNativeCode(s.function, &s.native));
  return &s;
}

static void
let_go(stopped *s)
{
  ICorDebugCode_Release(s->native);
  ICorDebugFunction_Release(s->function);
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

static BYTE
client_byte(stopped *s, CORDB_ADDRESS address)
{
  BYTE byte = 0;
  SIZE_T read = 0;
  assert_ok(ICorDebugProcess_ReadMemory(s->c.process, address, 1, &byte, &read));
  assert_int_equal(read, 1);
  return byte;
}

/* ---- ReadMemory ---- */

static void
contract_003_managed_breakpoint_shows_the_original(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  BYTE pristine = 0;
  SIZE_T read;
  assert_int_equal(raw_byte(s, s->address), 0xcc);
  assert_ok(cordbg_read(s->c.process, CordbgViewPristine, s->address, 1, &pristine, &read));
  assert_int_not_equal(pristine, 0xcc);
  assert_int_equal(client_byte(s, s->address), pristine);
  let_go(s);
}

static void
contract_003_native_breakpoint_stays_visible(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  CORDB_ADDRESS native = 0;
  BYTE original = 0, pristine = 0;
  ULONG32 length = 9;
  SIZE_T read;
  assert_ok(cordbg_find_symbol(s->c.process, "libc!getppid", &native));
  BYTE before = raw_byte(s, native);
  assert_ok(ICorDebugProcess2_SetUnmanagedBreakpoint(s->process2, native, 1, &original, &length));
  assert_int_equal(length, 1);
  assert_int_equal(original, before);
  assert_int_equal(client_byte(s, native), 0xcc);
  assert_ok(cordbg_read(s->c.process, CordbgViewPristine, native, 1, &pristine, &read));
  assert_int_equal(pristine, before);
  assert_hr(ICorDebugProcess2_SetUnmanagedBreakpoint(s->process2, native, 1, &original, &length),
            CORDBG_E_NATIVE_PATCH_ALREADY_AT_ADDR);
  assert_ok(ICorDebugProcess2_ClearUnmanagedBreakpoint(s->process2, native));
  assert_int_equal(raw_byte(s, native), before);
  assert_hr(ICorDebugProcess2_ClearUnmanagedBreakpoint(s->process2, native),
            CORDBG_E_NO_NATIVE_PATCH_AT_ADDR);
  let_go(s);
}

/* Both kinds at one address: what comes out of SetUnmanagedBreakpoint is the program's byte. */
static void
row_13_native_and_managed_at_one_address(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  BYTE pristine = 0, original = 0;
  SIZE_T read;
  assert_ok(cordbg_read(s->c.process, CordbgViewPristine, s->address, 1, &pristine, &read));
  assert_ok(ICorDebugProcess2_SetUnmanagedBreakpoint(s->process2, s->address, 1, &original, NULL));
  assert_int_equal(original, pristine);
  assert_int_equal(client_byte(s, s->address), 0xcc); /* the user's own */
  assert_ok(ICorDebugFunctionBreakpoint_Activate(s->b.breakpoints[0], FALSE));
  assert_int_equal(raw_byte(s, s->address), 0xcc);
  assert_ok(ICorDebugFunctionBreakpoint_Activate(s->b.breakpoints[0], TRUE));
  assert_ok(ICorDebugProcess2_ClearUnmanagedBreakpoint(s->process2, s->address));
  assert_int_equal(raw_byte(s, s->address), 0xcc);
  assert_int_equal(client_byte(s, s->address), pristine);
  assert_ok(ICorDebugFunctionBreakpoint_Activate(s->b.breakpoints[0], FALSE));
  assert_int_equal(raw_byte(s, s->address), pristine);
  let_go(s);
}

static void
contract_003_errors_and_counts(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  BYTE buffer[8192];
  SIZE_T read;
  CORDB_ADDRESS stack_end = 0;
  g_autofree char *path = g_strdup_printf("/proc/%d/maps", s->p.pid);
  g_autofree char *maps = NULL;
  assert_true(g_file_get_contents(path, &maps, NULL, NULL));
  /* The end of the program's heap of the C library is followed by a hole. */
  const char *line = strstr(maps, "[heap]");
  assert_non_null(line);
  while (line > maps && line[-1] != '\n')
    line--;
  assert_int_equal(sscanf(line, "%*x-%lx", &stack_end), 1);

  read = 1;
  assert_hr(ICorDebugProcess_ReadMemory(s->c.process, stack_end - 16, 4096, buffer, &read),
            HRESULT_FROM_WIN32(ERROR_PARTIAL_COPY));
  assert_int_equal(read, 16);
  read = 1;
  assert_hr(ICorDebugProcess_ReadMemory(s->c.process, 16, 8, buffer, &read),
            CORDBG_E_READVIRTUAL_FAILURE);
  assert_int_equal(read, 0);
  read = 1;
  assert_ok(ICorDebugProcess_ReadMemory(s->c.process, s->address, 0, buffer, &read));
  assert_int_equal(read, 0);
  read = 1;
  assert_hr(ICorDebugProcess_ReadMemory(s->c.process, 0, 8, buffer, &read), E_INVALIDARG);
  assert_int_equal(read, 0);
  read = 1;
  assert_hr(ICorDebugProcess_ReadMemory(s->c.process, UINT64_MAX - 2, 8, buffer, &read),
            E_INVALIDARG);
  assert_int_equal(read, 0);
  read = 1;
  assert_hr(ICorDebugProcess_ReadMemory(s->c.process, s->address, 8, NULL, &read), E_INVALIDARG);
  assert_int_equal(read, 0);
  assert_ok(ICorDebugProcess_ReadMemory(s->c.process, s->address, 8, buffer, NULL));
  read = 1;
  assert_hr(ICorDebugProcess_WriteMemory(s->c.process, 16, 8, buffer, &read),
            CORDBG_E_WRITEVIRTUAL_FAILURE);
  assert_int_equal(read, 0);
  let_go(s);
  /* The process object is gone with the session: neutered answers are tested in icordebug-life.c.
   */
}

static void
contract_003_nothing_is_cached(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  CONTEXT context = {.ContextFlags = CONTEXT_CONTROL};
  BYTE byte;
  assert_ok(
      ICorDebugProcess_GetThreadContext(s->c.process, s->tid, sizeof context, (BYTE *)&context));
  CORDB_ADDRESS below = context.Rsp - 4096;
  for (int i = 0; i < 100; i++) {
    byte = (BYTE)(i * 7);
    struct iovec local = {&byte, 1}, remote = {(void *)(uintptr_t)below, 1};
    assert_int_equal(process_vm_writev(s->p.pid, &local, 1, &remote, 1, 0), 1);
    assert_int_equal(client_byte(s, below), byte);
  }
  let_go(s);
}

/* Data goes behind the trap; the trap stays and the new byte is what is put back. */
static void
row_17_write_over_a_managed_breakpoint(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  SIZE_T written = 0;
  BYTE original = client_byte(s, s->address), changed = (BYTE)(original ^ 0x11);
  assert_ok(ICorDebugProcess_WriteMemory(s->c.process, s->address, 1, &changed, &written));
  assert_int_equal(written, 1);
  assert_int_equal(raw_byte(s, s->address), 0xcc);
  assert_int_equal(client_byte(s, s->address), changed);
  assert_ok(ICorDebugFunctionBreakpoint_Activate(s->b.breakpoints[0], FALSE));
  assert_int_equal(raw_byte(s, s->address), changed);
  assert_ok(ICorDebugProcess_WriteMemory(s->c.process, s->address, 1, &original, &written));
  assert_int_equal(raw_byte(s, s->address), original);
  let_go(s);
}

static void
batch_read_tells_each_range(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  BYTE a[8], b[8], c[8];
  CordbgRange ranges[] = {
      {.address = s->address, .buffer = a, .size = 8},
      {.address = 16, .buffer = b, .size = 8},
      {.address = s->address + 1, .buffer = c, .size = 7},
  };
  assert_int_equal(cordbg_read_batch(s->c.process, CordbgViewClient, ranges, 3), S_FALSE);
  assert_int_equal(ranges[0].result, S_OK);
  assert_int_equal(ranges[0].read, 8);
  assert_int_equal(ranges[1].result, CORDBG_E_READVIRTUAL_FAILURE);
  assert_int_equal(ranges[1].read, 0);
  assert_int_equal(ranges[2].result, S_OK);
  assert_memory_equal(a + 1, c, 7);
  assert_int_not_equal(a[0], 0xcc);
  assert_int_equal(cordbg_read_batch(s->c.process, CordbgViewClient, ranges, 1), S_OK);
  let_go(s);
}

/* ---- SetUnmanagedBreakpoint's own rows ---- */

static void
contract_003_set_unmanaged_in_the_runtime_is_ignored(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  CORDB_ADDRESS runtime = 0;
  BYTE original = 0;
  ULONG32 length = 0;
  assert_ok(cordbg_find_symbol(s->c.process, on_runtime()->own_symbol, &runtime));
  BYTE before = raw_byte(s, runtime);
  assert_ok(ICorDebugProcess2_SetUnmanagedBreakpoint(s->process2, runtime, 1, &original, &length));
  assert_int_equal(original, before);
  assert_int_equal(length, 1);
  assert_int_equal(raw_byte(s, runtime), before);
  /* Our own function does as it is told. */
  original = 0;
  assert_ok(cordbg_force_unmanaged_breakpoint(s->c.process, runtime, &original));
  assert_int_equal(original, before);
  assert_int_equal(raw_byte(s, runtime), 0xcc);
  assert_ok(ICorDebugProcess2_ClearUnmanagedBreakpoint(s->process2, runtime));
  assert_int_equal(raw_byte(s, runtime), before);
  let_go(s);
}

static void
contract_003_set_unmanaged_bad_arguments(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  BYTE original;
  ULONG32 length;
  assert_hr(ICorDebugProcess2_SetUnmanagedBreakpoint(s->process2, 0, 1, &original, &length),
            E_INVALIDARG);
  assert_hr(
      ICorDebugProcess2_SetUnmanagedBreakpoint(s->process2, s->address, 0, &original, &length),
      E_INVALIDARG);
  assert_hr(ICorDebugProcess2_SetUnmanagedBreakpoint(s->process2, s->address, 1, NULL, &length),
            E_INVALIDARG);
  assert_hr(ICorDebugProcess2_SetUnmanagedBreakpoint(s->process2, 16, 1, &original, &length),
            HRESULT_FROM_WIN32(ERROR_NOACCESS));
  assert_hr(ICorDebugProcess2_ClearUnmanagedBreakpoint(s->process2, s->address),
            CORDBG_E_NO_NATIVE_PATCH_AT_ADDR);
  let_go(s);
}

static then
native_hook(client *c, const told *what)
{
  DWORD *last = c->data;
  if (what->event != NULL && what->event->dwDebugEventCode == EXCEPTION_DEBUG_EVENT) {
    hook_true(what->event->dwDebugEventCode == EXCEPTION_DEBUG_EVENT);
    hook_true(what->event->u.Exception.ExceptionRecord.ExceptionCode == EXCEPTION_BREAKPOINT);
    CONTEXT context = {.ContextFlags = CONTEXT_FULL};
    hook_ok(ICorDebugProcess_GetThreadContext(c->process, what->event->dwThreadId, sizeof context,
                                              (BYTE *)&context));
    hook_true(context.Rip == (uintptr_t)what->event->u.Exception.ExceptionRecord.ExceptionAddress);
    hook_ok(ICorDebugProcess_ClearCurrentException(c->process, what->event->dwThreadId));
    *last = what->event->dwThreadId;
  }
  return GO_ON;
}

/* A native function that the program calls all the time: each call is an unmanaged event. */
static void
unmanaged_callback_tells_native_hits(void **state)
{
  (void)state;
  static client c;
  program p;
  DWORD last = 0;
  CORDB_ADDRESS address = 0;
  BYTE original;
  ICorDebugProcess2 *process2;
  program_start_managed(&p, "NativeCalls", "60", NULL);
  client_open(&c, native_hook, &last);
  assert_ok(client_attach(&c, p.pid, TRUE));
  client_await(&c, "CreateThread", 1);
  assert_ok(ICorDebugProcess_QueryInterface(c.process, &IID_ICorDebugProcess2, (void **)&process2));
  assert_ok(cordbg_find_symbol(c.process, "libc!qsort", &address));
  /* While it runs. */
  assert_ok(ICorDebugProcess2_SetUnmanagedBreakpoint(process2, address, 1, &original, NULL));
  client_await(&c, "DebugEvent", 50);
  assert_ok(ICorDebugProcess2_ClearUnmanagedBreakpoint(process2, address));
  assert_int_equal(last, (DWORD)p.pid);
  ICorDebugProcess2_Release(process2);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

/* One function with a breakpoint of each kind: each call is told twice, once on each thread. */
typedef struct both {
  breaking b;
  ICorDebugProcess2 *process2;
  CORDB_ADDRESS address;
} both;

static then
both_hook(client *c, const told *what)
{
  both *all = c->data;
  c->data = &all->b;
  then next = breaking_hook(c, what);
  c->data = all;
  if (what->event != NULL && what->event->dwDebugEventCode == EXCEPTION_DEBUG_EVENT)
    hook_true((uintptr_t)what->event->u.Exception.ExceptionRecord.ExceptionAddress == all->address);
  if (strcmp(what->name, "Breakpoint") == 0 && all->address == 0) {
    ICorDebugRegisterSet *set;
    BYTE original;
    hook_ok(ICorDebugThread_GetRegisterSet(what->thread, &set));
    hook_ok(ICorDebugRegisterSet_GetRegisters(set, 1, 1, &all->address));
    ICorDebugRegisterSet_Release(set);
    hook_ok(
        ICorDebugProcess2_SetUnmanagedBreakpoint(all->process2, all->address, 1, &original, NULL));
  }
  return next;
}

static void
row_13_both_kinds_at_one_address_are_both_told(void **state)
{
  (void)state;
  static client c;
  program p;
  both all = {.b = {.type = "Debuggees.Counter", .method = "Tick"}};
  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, both_hook, &all);
  assert_ok(client_attach(&c, p.pid, TRUE));
  /* The callbacks may come before this: a hit needs the module's breakpoint, which is set after. */
  assert_ok(
      ICorDebugProcess_QueryInterface(c.process, &IID_ICorDebugProcess2, (void **)&all.process2));
  client_await(&c, "DebugEvent", 30);
  assert_ok(ICorDebugProcess_Stop(c.process, 0));
  int managed = (int)client_count(&c, "Breakpoint"), native = (int)client_count(&c, "DebugEvent");
  /* The first managed hit planted the native one. */
  assert_in_range(managed - native, 0, 2);
  assert_ok(ICorDebugProcess2_ClearUnmanagedBreakpoint(all.process2, all.address));
  ICorDebugProcess2_Release(all.process2);
  breaking_drop(&all.b);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

/* Stops cross with unmanaged events, which come out-of-band then; none is lost, nothing hangs. */
static then
count_hook(client *c, const told *what)
{
  unsigned *out_of_band = c->data;
  if (what->event != NULL && what->out_of_band)
    ++*out_of_band;
  return GO_ON;
}

static void
stops_cross_with_unmanaged_events(void **state)
{
  (void)state;
  static client c;
  program p;
  CORDB_ADDRESS address = 0;
  BYTE original;
  unsigned out_of_band = 0;
  ICorDebugProcess2 *process2;
  program_start_managed(&p, "NativeCalls", "60", "0", NULL);
  client_open(&c, count_hook, &out_of_band);
  assert_ok(client_attach(&c, p.pid, TRUE));
  client_await(&c, "CreateThread", 1);
  assert_ok(ICorDebugProcess_QueryInterface(c.process, &IID_ICorDebugProcess2, (void **)&process2));
  assert_ok(cordbg_find_symbol(c.process, "libc!qsort", &address));
  assert_ok(ICorDebugProcess2_SetUnmanagedBreakpoint(process2, address, 1, &original, NULL));
  client_await(&c, "DebugEvent", 1);
  for (int i = 0; i < 200; i++) {
    ICorDebugAppDomainEnum *domains;
    assert_ok(ICorDebugProcess_Stop(c.process, 0));
    assert_ok(ICorDebugProcess_EnumerateAppDomains(c.process, &domains));
    ICorDebugAppDomainEnum_Release(domains);
    assert_ok(ICorDebugProcess_Continue(c.process, FALSE));
  }
  unsigned events = client_count(&c, "DebugEvent");
  client_await(&c, "DebugEvent", events + 20);
  assert_ok(ICorDebugProcess2_ClearUnmanagedBreakpoint(process2, address));
  ICorDebugProcess2_Release(process2);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

static void
native_breakpoints_need_interop(void **state)
{
  (void)state;
  static client c;
  program p;
  BYTE original;
  ICorDebugProcess2 *process2;
  program_start_managed(&p, "Counter", "60", NULL);
  client_open(&c, NULL, NULL);
  assert_ok(client_attach(&c, p.pid, FALSE));
  assert_ok(ICorDebugProcess_QueryInterface(c.process, &IID_ICorDebugProcess2, (void **)&process2));
  assert_hr(ICorDebugProcess2_SetUnmanagedBreakpoint(process2, 0x400000, 1, &original, NULL),
            CORDBG_E_MUST_BE_INTEROP_DEBUGGING);
  ICorDebugProcess2_Release(process2);
  client_close(&c);
  program_check_unharmed(&p);
  program_end(&p);
}

/* ---- Code ---- */

static void
code_is_shown_without_traps(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  ICorDebugCode2 *code2;
  CodeChunkInfo chunks[4];
  ULONG32 chunk_count = 0, size = 0, got = 0, map_count = 0;
  CORDB_ADDRESS start = 0;
  BYTE code[4096], raw[4096];
  COR_DEBUG_IL_TO_NATIVE_MAP map[64];
  BOOL il = TRUE;
  assert_ok(ICorDebugCode_IsIL(s->native, &il));
  assert_false(il);
  assert_ok(ICorDebugCode_GetAddress(s->native, &start));
  assert_ok(ICorDebugCode_GetSize(s->native, &size));
  assert_true(s->address >= start && s->address < start + size && size <= sizeof code);
  assert_ok(ICorDebugCode_QueryInterface(s->native, &IID_ICorDebugCode2, (void **)&code2));
  assert_ok(ICorDebugCode2_GetCodeChunks(code2, 4, &chunk_count, chunks));
  assert_int_equal(chunk_count, 1);
  assert_int_equal(chunks[0].startAddr, start);
  assert_int_equal(chunks[0].length, size);
  ICorDebugCode2_Release(code2);

  assert_ok(ICorDebugCode_GetCode(s->native, 0, size, sizeof code, code, &got));
  assert_int_equal(got, size);
  SIZE_T read;
  assert_ok(cordbg_read(s->c.process, CordbgViewRaw, start, size, raw, &read));
  ULONG32 at = (ULONG32)(s->address - start);
  assert_int_equal(raw[at], 0xcc);
  assert_int_not_equal(code[at], 0xcc);
  raw[at] = code[at];
  assert_memory_equal(code, raw, size);
  /* Part of it, into a short buffer. */
  memset(raw, 0x5a, 8);
  assert_ok(ICorDebugCode_GetCode(s->native, at, size, 4, raw, &got));
  assert_int_equal(got, 4);
  assert_memory_equal(raw, code + at, 4);
  assert_int_equal(raw[4], 0x5a);
  assert_hr(ICorDebugCode_GetCode(s->native, size + 1, size + 2, 4, raw, &got), E_INVALIDARG);

  assert_ok(ICorDebugCode_GetILToNativeMapping(s->native, 64, &map_count, map));
  assert_in_range(map_count, 2, 64);
  /* The runtime maps no instruction to IL offset 0: the method's first mapped one was taken. */
  ULONG32 first = size;
  for (ULONG32 i = 0; i < map_count; i++) {
    assert_true(map[i].nativeStartOffset <= map[i].nativeEndOffset);
    assert_true(map[i].nativeEndOffset <= size);
    if ((int32_t)map[i].ilOffset >= 0 && map[i].nativeStartOffset < first)
      first = map[i].nativeStartOffset;
  }
  assert_int_equal(first, at);
  let_go(s);
}

static void
il_code_is_the_method_s(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  ICorDebugCode *il, *again;
  ICorDebugFunction *function;
  CORDB_ADDRESS address = 0;
  ULONG32 size = 0, got = 0;
  BYTE code[256], memory[256];
  SIZE_T read;
  BOOL is_il = FALSE;
  assert_ok(ICorDebugFunction_GetILCode(s->function, &il));
  assert_ok(ICorDebugFunction_GetILCode(s->function, &again));
  assert_ptr_equal(il, again);
  assert_ok(ICorDebugCode_IsIL(il, &is_il));
  assert_true(is_il);
  assert_ok(ICorDebugCode_GetSize(il, &size));
  assert_in_range(size, 10, 256);
  assert_ok(ICorDebugCode_GetAddress(il, &address));
  assert_ok(ICorDebugCode_GetCode(il, 0, size, sizeof code, code, &got));
  assert_int_equal(got, size);
  assert_ok(ICorDebugProcess_ReadMemory(s->c.process, address, size, memory, &read));
  assert_memory_equal(code, memory, size);
  assert_true(code[0] == 0x00 || code[0] == 0x02); /* nop or ldarg.0 */
  assert_int_equal(code[size - 1], 0x2a);          /* ret */
  assert_ok(ICorDebugCode_GetFunction(il, &function));
  assert_ptr_equal(function, s->function);
  ICorDebugFunction_Release(function);
  ICorDebugCode_Release(il);
  ICorDebugCode_Release(again);
  let_go(s);
}

/* A breakpoint at a native offset, and one at an IL offset in the middle of the method. */
static void
breakpoints_at_offsets(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  COR_DEBUG_IL_TO_NATIVE_MAP map[64];
  ULONG32 count = 0, offset = 0;
  ICorDebugFunctionBreakpoint *native, *managed;
  ICorDebugCode *il;
  CORDB_ADDRESS start;
  assert_ok(ICorDebugCode_GetILToNativeMapping(s->native, 64, &count, map));
  ULONG32 last = 0;
  for (ULONG32 i = 0; i < count; i++)
    if ((int32_t)map[i].ilOffset > 0 && (last == 0 || map[i].ilOffset < map[last].ilOffset))
      last = i;
  assert_int_not_equal(last, 0);
  assert_ok(ICorDebugFunctionBreakpoint_Activate(s->b.breakpoints[0], FALSE));
  assert_ok(ICorDebugCode_GetAddress(s->native, &start));

  assert_ok(ICorDebugCode_CreateBreakpoint(s->native, map[last].nativeStartOffset, &native));
  assert_int_equal(raw_byte(s, start + map[last].nativeStartOffset), 0xcc);
  assert_ok(ICorDebugFunctionBreakpoint_GetOffset(native, &offset));
  assert_int_equal(offset, map[last].nativeStartOffset);
  s->b.limit = s->b.hits + 1;
  assert_ok(ICorDebugProcess_Continue(s->c.process, FALSE));
  client_await(&s->c, "Breakpoint", s->b.limit);
  assert_int_equal(s->address, start + map[last].nativeStartOffset);
  assert_ok(ICorDebugFunctionBreakpoint_Activate(native, FALSE));

  assert_ok(ICorDebugFunction_GetILCode(s->function, &il));
  assert_ok(ICorDebugCode_CreateBreakpoint(il, map[last].ilOffset, &managed));
  s->b.limit = s->b.hits + 1;
  assert_ok(ICorDebugProcess_Continue(s->c.process, FALSE));
  client_await(&s->c, "Breakpoint", s->b.limit);
  assert_int_equal(s->address, start + map[last].nativeStartOffset);

  ICorDebugFunctionBreakpoint *bad = NULL;
  assert_hr(ICorDebugCode_CreateBreakpoint(il, 100000, &bad), CORDBG_E_UNABLE_TO_SET_BREAKPOINT);
  assert_hr(ICorDebugCode_CreateBreakpoint(s->native, 100000, &bad),
            CORDBG_E_UNABLE_TO_SET_BREAKPOINT);
  assert_null(bad);
  ICorDebugCode_Release(il);
  ICorDebugFunctionBreakpoint_Release(native);
  ICorDebugFunctionBreakpoint_Release(managed);
  let_go(s);
}

/* ---- Registers ---- */

static void
registers_and_context_agree(void **state)
{
  (void)state;
  stopped *s = stop_at_tick();
  ICorDebugThread *thread;
  ICorDebugRegisterSet *set;
  CONTEXT context = {.ContextFlags = CONTEXT_FULL};
  CORDB_REGISTER all[33];
  ULONG64 available = 0;
  assert_ok(ICorDebugProcess_GetThread(s->c.process, s->tid, &thread));
  assert_ok(ICorDebugThread_GetRegisterSet(thread, &set));
  assert_ok(ICorDebugRegisterSet_GetRegistersAvailable(set, &available));
  assert_int_equal(available, (1ull << 33) - 1);
  assert_ok(ICorDebugRegisterSet_GetRegisters(set, available, 33, all));
  assert_ok(ICorDebugRegisterSet_GetThreadContext(set, sizeof context, (BYTE *)&context));
  assert_int_equal(context.Rip, s->address);
  assert_int_equal(all[REGISTER_INSTRUCTION_POINTER], context.Rip);
  assert_int_equal(all[REGISTER_AMD64_RSP], context.Rsp);
  assert_int_equal(all[REGISTER_AMD64_RDI], context.Rdi);
  assert_int_equal(all[REGISTER_AMD64_R15], context.R15);
  assert_int_equal(all[REGISTER_AMD64_XMM0], context.Xmm0.Low);
  assert_hr(ICorDebugRegisterSet_GetRegisters(set, available, 32, all), E_INVALIDARG);
  assert_hr(ICorDebugRegisterSet_GetThreadContext(set, 100, (BYTE *)&context), E_INVALIDARG);
  assert_hr(ICorDebugRegisterSet_SetRegisters(set, 1, 1, all), E_NOTIMPL);

  /* A changed register is the thread's, and is changed back. */
  CONTEXT changed = context;
  changed.R11 = 0x1122334455667788u;
  assert_ok(
      ICorDebugProcess_SetThreadContext(s->c.process, s->tid, sizeof changed, (BYTE *)&changed));
  memset(&changed, 0, sizeof changed);
  changed.ContextFlags = CONTEXT_INTEGER;
  assert_ok(
      ICorDebugProcess_GetThreadContext(s->c.process, s->tid, sizeof changed, (BYTE *)&changed));
  assert_int_equal(changed.R11, 0x1122334455667788u);
  assert_int_equal(changed.Rip, 0); /* CONTEXT_CONTROL was not asked for */
  assert_ok(
      ICorDebugProcess_SetThreadContext(s->c.process, s->tid, sizeof context, (BYTE *)&context));
  ICorDebugRegisterSet_Release(set);
  ICorDebugThread_Release(thread);
  let_go(s);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CASE_ON_BOTH(contract_003_managed_breakpoint_shows_the_original),
      CASE_ON_BOTH(contract_003_native_breakpoint_stays_visible),
      CASE_ON_BOTH(row_13_native_and_managed_at_one_address),
      CASE_ON_BOTH(contract_003_errors_and_counts),
      CASE_ON_BOTH(contract_003_nothing_is_cached),
      CASE_ON_BOTH(row_17_write_over_a_managed_breakpoint),
      CASE_ON_BOTH(batch_read_tells_each_range),
      CASE_ON_BOTH(contract_003_set_unmanaged_in_the_runtime_is_ignored),
      CASE_ON_BOTH(contract_003_set_unmanaged_bad_arguments),
      CASE_ON_BOTH(unmanaged_callback_tells_native_hits),
      CASE_ON_BOTH(row_13_both_kinds_at_one_address_are_both_told),
      CASE_ON_BOTH(stops_cross_with_unmanaged_events),
      CASE_ON_BOTH(native_breakpoints_need_interop),
      CASE_ON_BOTH(code_is_shown_without_traps),
      CASE_ON_BOTH(il_code_is_the_method_s),
      CASE_ON_BOTH(breakpoints_at_offsets),
      CASE_ON_BOTH(registers_and_context_agree),
  };
  return CLIENT_RUN(tests);
}
