/* SPDX-License-Identifier: MIT */
/*
 * Stacks that go from managed code to native code and back, at random stops of a session. The
 * program keeps its own account of who called whom, managed and native (Transitions.cs): a walk
 * tells the same, and reaches the thread's start.
 */
#include "config.h"

#include "icordebug-client.h"

#include <string.h>

#include "cordbg/icordebug/icordebug.h"
#include "cordbg/memory/context.h"
#include "cordbg/native/stack.h"

enum { STOPS = 1000 /* of a runtime */, THREADS = 2, FRAMES = 1024, SHADOW = 1024 };

static const char *const names[] = {
    [1] = "Debuggees.Transitions.Back",    [2] = "Debuggees.Transitions.Descend",
    [3] = "Debuggees.Transitions.Guarded", [4] = "Debuggees.Transitions.Call",
    [5] = "Debuggees.Transitions.Run",     [11] = "transitions_first",
    [12] = "transitions_second",           [13] = "transitions_leaf",
};

typedef struct truth {
  int tid;
  uint64_t address;
  HANDLE handle;
} truth;

typedef struct fixture {
  program p;
  client c;
  HANDLE process;
  cordbg_target *target;
  cordbg_unwinder *unwinder;
  truth threads[THREADS];
  GHashTable *numbers; /* PC of a call -> number of its function, -1: another */
  unsigned walks, frames, managed, stubs, gaps, guessed, deepest, transitions;
} fixture;

static void
begin(fixture *f)
{
  g_autofree char *library = g_build_filename(TEST_BUILD_FOLDER, "tests/live/.libs", NULL);
  cordbg_error error;

  memset(f, 0, sizeof(*f));
  g_setenv("LD_LIBRARY_PATH", library, TRUE);
  program_start_managed(&f->p, "../../tests/live/Transitions", NULL);
  for (size_t i = 0; i < THREADS; i++) {
    g_autofree char *line = program_line(f->p.out, "shadow ");
    unsigned long long address;

    assert_int_equal(sscanf(line, "shadow %d %llu", &f->threads[i].tid, &address), 2);
    f->threads[i].address = address;
  }
  client_open(&f->c, NULL, NULL);
  assert_ok(client_attach(&f->c, f->p.pid, FALSE));
  client_await(&f->c, "CreateThread", 2);
  client_await_continued(&f->c);
  assert_ok(ICorDebugProcess_GetHandle(f->c.process, &f->process));
  assert_ok(cordbg_process_target(f->c.process, &f->target, &error));
  assert_ok(cordbg_target_unwinder(f->target, &f->unwinder, &error));
  f->numbers = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
}

static void
end(fixture *f)
{
  for (size_t i = 0; i < THREADS; i++)
    CloseHandle(f->threads[i].handle);
  CloseHandle(f->process);
  g_hash_table_unref(f->numbers);
  cordbg_target_unref(f->target);
  client_close(&f->c);
  program_check_unharmed(&f->p);
  program_end(&f->p);
}

static void
open_threads(fixture *f) /* stopped */
{
  for (size_t i = 0; i < THREADS; i++) {
    ICorDebugThread *thread;

    assert_ok(ICorDebugProcess_GetThread(f->c.process, (DWORD)f->threads[i].tid, &thread));
    assert_ok(ICorDebugThread_GetHandle(thread, &f->threads[i].handle));
    ICorDebugThread_Release(thread);
  }
}

static CONTEXT
context_of(fixture *f, const truth *t)
{
  CONTEXT context = {.ContextFlags = CONTEXT_FULL};

  assert_ok(ICorDebugProcess_GetThreadContext(f->c.process, (DWORD)t->tid, sizeof(context),
                                              (BYTE *)&context));
  return context;
}

/* The function that runs in a frame, by its name; -1: none that the program notes. */
static int
ask_number(fixture *f, const cordbg_frame *frame)
{
  cordbg_place place;
  cordbg_error error;
  int number = -1;

  if (cordbg_stack_describe(f->unwinder, frame, 0, &place, &error) != S_OK)
    return -1;
  for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
    if (names[i] && strcmp(place.symbol, names[i]) == 0)
      number = (int)i;
  /* The walk and the name tell alike whose code it is. */
  if (number > 0)
    assert_int_equal(place.kind, number < 10 ? CORDBG_FRAME_MANAGED : CORDBG_FRAME_NATIVE);
  return number;
}

/* Neither runtime puts other code where code was, so a number is kept; at every ninth walk it is
   asked for anew and must be the same. */
static int
number_at(fixture *f, const cordbg_frame *frame)
{
  guint64 pc = frame->registers.rip - frame->returns;
  gpointer kept;
  bool known = g_hash_table_lookup_extended(f->numbers, &pc, NULL, &kept);
  int number = known ? GPOINTER_TO_INT(kept) : 0;

  if (!known || f->walks % 9 == 0) {
    number = ask_number(f, frame);
    if (known)
      assert_int_equal(number, GPOINTER_TO_INT(kept));
    g_hash_table_insert(f->numbers, g_memdup2(&pc, sizeof(pc)), GINT_TO_POINTER(number));
  }
  if (number > 0)
    assert_int_equal(frame->kind, number < 10 ? CORDBG_FRAME_MANAGED : CORDBG_FRAME_NATIVE);
  return number;
}

static void
print_walk(fixture *f, const cordbg_frame *frames, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    cordbg_place place = {.symbol = "", .module = ""};
    cordbg_error error;

    (void)cordbg_stack_describe(f->unwinder, &frames[i], 0, &place, &error);
    print_error("#%zu kind %d 0x%llx sp 0x%llx%s%s %s (%s)\n", i, frames[i].kind,
                frames[i].registers.rip, frames[i].registers.rsp,
                frames[i].guessed ? " guessed" : "", frames[i].after_gap ? " gap" : "",
                place.symbol, place.module);
  }
}

/*
 * The innermost function may have begun and not yet noted itself, or have noted its end and not yet
 * returned: it then shows on the walk only.
 */
static void
compare(fixture *f, const truth *t, const cordbg_frame *frames, size_t count)
{
  int walked[FRAMES];
  size_t found = 0;
  long shadow[SHADOW], depth;
  SIZE_T read;

  assert_ok(cordbg_read(f->c.process, CordbgViewClient, t->address, sizeof(shadow), (BYTE *)shadow,
                        &read));
  depth = shadow[1];
  assert_in_range(depth, 1, SHADOW - 2);
  for (size_t i = count; i-- > 0;) {
    int number = number_at(f, &frames[i]);

    if (number > 0)
      walked[found++] = number;
  }
  for (long i = 0; i < depth && (size_t)i < found; i++)
    if (walked[i] != shadow[2 + i]) {
      print_walk(f, frames, count);
      fail_msg("level %ld: %s on the walk, %s by the program", i, names[walked[i]],
               names[shadow[2 + i]]);
    }
  if (found != (size_t)depth && found != (size_t)depth + 1) {
    print_walk(f, frames, count);
    fail_msg("%zu functions on the walk, %ld by the program", found, depth);
  }
  for (size_t i = 1; i < found; i++)
    f->transitions += (walked[i] < 10) != (walked[i - 1] < 10);
}

static bool
is_start(fixture *f, const cordbg_frame *frame)
{
  cordbg_place place;
  cordbg_error error;

  if (cordbg_stack_describe(f->unwinder, frame, 0, &place, &error) != S_OK)
    return false;
  return strstr(place.symbol, "clone") || strcmp(place.symbol, "_start") == 0 ||
         (!*place.symbol && *place.module);
}

static size_t
walk(fixture *f, const truth *t, cordbg_frame *frames)
{
  CONTEXT context = context_of(f, t);
  cordbg_registers registers = {0};
  cordbg_stack_end how;
  cordbg_error error;
  size_t count;

  cordbg_context_to_registers(&context, &registers);
  assert_ok(cordbg_stack_walk(f->unwinder, NULL, t->tid, &registers.general, frames, FRAMES, &count,
                              &how, &error));
  if (how != CORDBG_STACK_WHOLE || !is_start(f, &frames[count - 1])) {
    print_walk(f, frames, count);
    fail_msg("walk %u ended (%d) before the thread's start: %s", f->walks, how,
             how == CORDBG_STACK_LOST ? error.sentence : "");
  }
  for (size_t i = 0; i < count; i++) {
    f->managed += frames[i].kind == CORDBG_FRAME_MANAGED;
    f->stubs += frames[i].kind == CORDBG_FRAME_STUB;
    f->gaps += frames[i].after_gap;
    f->guessed += frames[i].guessed;
  }
  f->walks++;
  f->frames += (unsigned)count;
  f->deepest = MAX(f->deepest, (unsigned)count);
  return count;
}

/* What the documented door says is the same walk. */
static void
compare_with_stack_walk(fixture *f, const truth *t, const cordbg_frame *frames, size_t count)
{
  CONTEXT context = context_of(f, t);
  STACKFRAME64 frame = {0};
  size_t at = 0;

  while (at < count && StackWalk64(IMAGE_FILE_MACHINE_AMD64, f->process, t->handle, &frame,
                                   &context, NULL, NULL, NULL, NULL)) {
    assert_int_equal(frame.AddrPC.Offset, frames[at].registers.rip);
    assert_int_equal(frame.AddrStack.Offset, frames[at].registers.rsp);
    at++;
  }
  assert_int_equal(at, count);
  assert_int_equal(frame.AddrReturn.Offset, 0);
}

static unsigned
stops_wanted(void)
{
  const char *text = g_getenv("CORDBG_STOPS");

  return text ? (unsigned)atoi(text) : on_mono() ? STOPS : STOPS / 2; /* two builds on .NET */
}

static void
at_random_stops_mixed_walks_are_whole_and_agree_with_the_program(void **state)
{
  static cordbg_frame frames[FRAMES];
  const char *text = g_getenv("CORDBG_SEED");
  unsigned seed = text ? (unsigned)strtoul(text, NULL, 0) : (unsigned)g_get_real_time();
  fixture f;

  (void)state;
  printf("seed %u (CORDBG_SEED=%u repeats)\n", seed, seed);
  begin(&f);
  for (unsigned stop = 0; stop < stops_wanted(); stop++) {
    g_usleep((gulong)(rand_r(&seed) % 1000)); /* any moment will do */
    assert_ok(ICorDebugProcess_Stop(f.c.process, 0));
    if (stop == 0)
      open_threads(&f);
    for (size_t i = 0; i < THREADS; i++) {
      size_t count = walk(&f, &f.threads[i], frames);

      compare(&f, &f.threads[i], frames, count);
      if (stop % 20 == 0)
        compare_with_stack_walk(&f, &f.threads[i], frames, count);
    }
    assert_ok(ICorDebugProcess_Continue(f.c.process, FALSE));
  }
  printf("%u walks, %u frames (at most %u): %u managed, %u of stubs, %u guessed, %u gaps; %u "
         "transitions\n",
         f.walks, f.frames, f.deepest, f.managed, f.stubs, f.guessed, f.gaps, f.transitions);
  assert_true(f.transitions > f.walks / 4);
  assert_true(f.managed > f.walks);
  end(&f);
}

/* ---- by the caller's routine ---- */

static struct {
  unsigned calls, fail_at; /* 0: never */
  GHashTable *pages;       /* that it was asked for */
} asked;

static bool
count_call(DWORD64 base, DWORD size, LPDWORD read)
{
  asked.calls++;
  for (DWORD64 page = base / 4096; page <= (base + size - 1) / 4096; page++)
    g_hash_table_add(asked.pages, (gpointer)(uintptr_t)page);
  *read = 0;
  return !asked.fail_at || asked.calls < asked.fail_at;
}

static BOOL CALLBACK
read_some(HANDLE process, DWORD64 base, PVOID buffer, DWORD size, LPDWORD read)
{
  return count_call(base, size, read) &&
         cordbg_ReadProcessMemoryProc64(process, base, buffer, size, read);
}

static BOOL CALLBACK
read_partly(HANDLE process, DWORD64 base, PVOID buffer, DWORD size, LPDWORD read)
{
  return count_call(base, size, read) &&
         cordbg_ReadProcessMemoryProc64(process, base, buffer, MIN(size, 24), read);
}

/* As the routine's document suggests: all or nothing. */
static BOOL CALLBACK
read_whole(HANDLE process, DWORD64 base, PVOID buffer, DWORD size, LPDWORD read)
{
  SIZE_T n = 0;
  BOOL ok = count_call(base, size, read) &&
            ReadProcessMemory(process, (LPCVOID)(uintptr_t)base, buffer, size, &n);

  *read = (DWORD)n;
  return ok;
}

static size_t
walk_by(fixture *f, const truth *t, PREAD_PROCESS_MEMORY_ROUTINE64 read, unsigned fail_at,
        DWORD64 *pcs, DWORD64 *stacks)
{
  CONTEXT context = context_of(f, t);
  STACKFRAME64 frame = {0};
  size_t count = 0;

  asked.calls = 0;
  asked.fail_at = fail_at;
  g_hash_table_remove_all(asked.pages);
  while (count < FRAMES && StackWalk64(IMAGE_FILE_MACHINE_AMD64, f->process, t->handle, &frame,
                                       &context, read, NULL, NULL, NULL)) {
    pcs[count] = frame.AddrPC.Offset;
    stacks[count++] = frame.AddrStack.Offset;
  }
  return count;
}

static void
row_002_mixed_walks_read_through_the_callers_routine(void **state)
{
  static const PREAD_PROCESS_MEMORY_ROUTINE64 routines[] = {read_some, read_partly, read_whole};
  static cordbg_frame frames[FRAMES];
  static DWORD64 pcs[FRAMES], stacks[FRAMES];
  const char *text = g_getenv("CORDBG_SEED");
  unsigned seed = text ? (unsigned)strtoul(text, NULL, 0) : (unsigned)g_get_real_time();
  unsigned managed = 0, cut = 0;
  fixture f;

  (void)state;
  printf("seed %u (CORDBG_SEED=%u repeats)\n", seed, seed);
  asked.pages = g_hash_table_new(g_direct_hash, g_direct_equal);
  begin(&f);
  for (unsigned stop = 0; stop < 30; stop++) {
    g_usleep((gulong)(rand_r(&seed) % 1000));
    assert_ok(ICorDebugProcess_Stop(f.c.process, 0));
    if (stop == 0)
      open_threads(&f);
    for (size_t i = 0; i < THREADS; i++) {
      const truth *t = &f.threads[i];
      size_t expected = walk(&f, t, frames), count;
      unsigned needed;

      for (size_t k = 0; k < G_N_ELEMENTS(routines); k++) {
        count = walk_by(&f, t, routines[k], 0, pcs, stacks);
        assert_int_equal(count, expected);
        for (size_t n = 0; n < count; n++)
          assert_int_equal(pcs[n], frames[n].registers.rip);
        /* Where a frame's return address is saved was asked of the routine. In .NET's frames the
           runtime's own unwinder reads, in another process. */
        for (size_t n = 0; n + 1 < count; n++) {
          bool own = frames[n].kind == CORDBG_FRAME_NATIVE || on_mono();

          if (own && frames[n].kind != CORDBG_FRAME_SIGNAL && frames[n].cfa)
            assert_true(g_hash_table_contains(asked.pages,
                                              (gpointer)(uintptr_t)((frames[n].cfa - 8) / 4096)));
          managed += own && frames[n].kind == CORDBG_FRAME_MANAGED;
        }
      }
      needed = asked.calls;
      assert_true(needed > 0);
      /* It fails for good: what was walked until then is right. */
      for (int turn = 0; turn < 3; turn++) {
        count = walk_by(&f, t, read_whole, 1 + (unsigned)rand_r(&seed) % needed, pcs, stacks);
        assert_true(count >= 1 && count <= expected);
        cut += count < expected;
        for (size_t n = 0; n < count; n++)
          assert_int_equal(pcs[n], frames[n].registers.rip);
      }
    }
    assert_ok(ICorDebugProcess_Continue(f.c.process, FALSE));
  }
  assert_true(!on_mono() || managed > 100);
  assert_true(cut > 10);
  end(&f);
  g_hash_table_unref(asked.pages);
}

/* ---- names by DbgHelp ---- */

static void
names_and_lines_by_dbghelp_are_those_of_native_and_managed_code_alike(void **state)
{
  static cordbg_frame frames[FRAMES];
  unsigned managed = 0, native = 0, native_lines = 0, managed_lines = 0;
  fixture f;

  (void)state;
  begin(&f);
  for (unsigned stop = 0; stop < 20; stop++) {
    g_usleep(500);
    assert_ok(ICorDebugProcess_Stop(f.c.process, 0));
    if (stop == 0)
      open_threads(&f);
    size_t count = walk(&f, &f.threads[stop % THREADS], frames);
    for (size_t i = 0; i < count; i++) {
      struct {
        SYMBOL_INFO info;
        char room[512];
      } symbol = {.info = {.SizeOfStruct = sizeof(SYMBOL_INFO), .MaxNameLen = 512}};
      IMAGEHLP_LINE64 line = {.SizeOfStruct = sizeof(line)};
      DWORD64 address = frames[i].registers.rip - frames[i].returns, offset = 0;
      int number = number_at(&f, &frames[i]);

      if (number < 1)
        continue;
      assert_true(SymFromAddr(f.process, address, &offset, &symbol.info));
      assert_string_equal(symbol.info.Name, names[number]);
      assert_int_equal(symbol.info.Address + offset, address);
      assert_true(offset < symbol.info.Size);
      assert_true(SymGetModuleBase64(f.process, address) == symbol.info.ModBase);
      if (number < 10) {
        managed++;
        assert_int_equal(symbol.info.Index >> 24, 6); /* mdtMethodDef */
      } else {
        native++;
        assert_int_equal(symbol.info.Index, 0);
        assert_true(symbol.info.ModBase != 0);
      }
      if (!SymGetLineFromAddr64(f.process, address, NULL, &line))
        continue;
      if (number < 10) {
        managed_lines++;
        assert_non_null(strstr(line.FileName, "Transitions.cs"));
        assert_in_range(line.LineNumber, 20, 120);
      } else {
        native_lines++;
        assert_non_null(strstr(line.FileName, "transitions-library.c"));
        assert_in_range(line.LineNumber, 20, 120);
      }
    }
    assert_ok(ICorDebugProcess_Continue(f.c.process, FALSE));
  }
  assert_true(managed > 20 && native > 5);
  assert_int_equal(native_lines, native);
  if (managed_lines * 10 < managed * 9)
    fail_msg("%u of %u managed frames have a line", managed_lines, managed);
  end(&f);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      CASE_ON_BOTH(names_and_lines_by_dbghelp_are_those_of_native_and_managed_code_alike),
      CASE_ON_ALL(row_002_mixed_walks_read_through_the_callers_routine),
      CASE_ON_ALL(at_random_stops_mixed_walks_are_whole_and_agree_with_the_program),
  };

  return CLIENT_RUN(tests);
}
