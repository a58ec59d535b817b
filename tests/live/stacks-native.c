/* SPDX-License-Identifier: MIT */
/*
 * Stacks of native code. The debuggee keeps its own account of who called whom, in memory that the
 * test sees: a walk at a random moment must tell the same.
 */
#include "config.h"

#include "tests/live/tracer-support.h"

#include <dlfcn.h>
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
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
/* Else the compiler may jump to leave, where the function is noted and has no frame any more. */
#define KEEPS_ITS_FRAME __asm__ volatile("")

#define FUNCTION(number)                                                                           \
  static void __attribute__((noinline)) function_##number(int depth)                               \
  {                                                                                                \
    volatile char room[16 + number * 40];                                                          \
    room[depth & 15] = (char)depth, (void)room[0];                                                 \
    enter(number);                                                                                 \
    next(depth + 1);                                                                               \
    leave();                                                                                       \
    KEEPS_ITS_FRAME;                                                                               \
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
  KEEPS_ITS_FRAME;
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

/* ---- every instruction ---- */

/*
 * The child runs a few calls; it is stepped through them, and what each instruction does to the
 * stack (call, return, a signal and the return from it) is noted: at every instruction, a walk must
 * tell the same return addresses up to the thread's start.
 */
#define STEPS_MAX 1000000
#define CHAIN_MAX 200

static volatile long stepped_result;
static volatile size_t stepped_size = 40;

static long __attribute__((noinline, noclone)) stepped_function(long a, long b)
{
  volatile char *room = __builtin_alloca(stepped_size); /* a frame pointer, and saved registers */

  room[0] = (char)a;
  stepped_result += a * b + room[0];
  return stepped_result;
}

static void __attribute__((noinline, noclone)) stepped_handler(int number)
{
  stepped_result = stepped_function(number, stepped_result);
}

static void __attribute__((noinline, noclone)) stepped_end(void)
{
  __asm__ volatile("");
}

static void __attribute__((noinline, noclone)) stepped(void)
{
  struct timespec time;

  if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
    _exit(1);
  raise(SIGSTOP);
  stepped_result += stepped_function(1, 2);
  stepped_result += getppid(); /* by a PLT stub, the linker's resolver behind it */
  stepped_result += getppid(); /* resolved */
  raise(SIGUSR1);
  clock_gettime(CLOCK_MONOTONIC, &time); /* in the vDSO */
  stepped_result += time.tv_sec;
  stepped_end();
}

static void *
stepped_thread(void *data)
{
  stage->tid = (int)gettid();
  stepped();
  return data;
}

typedef struct steps {
  pid_t pid, tid;
  cordbg_unwinder *unwinder;
  struct user_regs_struct now;
  uint64_t chain[CHAIN_MAX]; /* return addresses, the innermost last */
  size_t depth;
  unsigned steps, calls, returns, plt, vdso, signals, in_function, in_restorer;
} steps;

static pid_t
steps_fork(bool on_a_thread)
{
  pid_t pid = fork();
  pthread_t thread;

  assert_true(pid >= 0);
  if (pid != 0)
    return pid;
  signal(SIGUSR1, stepped_handler);
  if (!on_a_thread)
    stepped();
  else if (pthread_create(&thread, NULL, stepped_thread, NULL) == 0)
    pthread_join(thread, NULL);
  _exit(0);
}

static int
steps_await(const steps *s)
{
  int status = 0;

  while (waitpid(s->tid, &status, __WALL) < 0)
    assert_int_equal(errno, EINTR);
  if (!WIFSTOPPED(status))
    fail_msg("the child ended after %u steps: 0x%x", s->steps, status);
  return WSTOPSIG(status);
}

static uint64_t
steps_word(const steps *s, uint64_t address)
{
  errno = 0;
  return (uint64_t)ptrace(PTRACE_PEEKDATA, s->tid, (void *)address, NULL);
}

static void
steps_walk(const steps *s, cordbg_frame *frames, size_t *count)
{
  cordbg_stack_end how;
  cordbg_error error;

  if (FAILED(cordbg_stack_walk(s->unwinder, NULL, s->tid, &s->now, frames, FRAMES, count, &how,
                               &error)))
    fail_msg("step %u: %s", s->steps, error.sentence);
  if (how != CORDBG_STACK_WHOLE)
    fail_msg("step %u at 0x%llx ended after %zu frames: %s", s->steps, s->now.rip, *count,
             error.sentence);
}

/* The one known chain of calls. */
static void
steps_compare(steps *s)
{
  static cordbg_frame frames[FRAMES];
  size_t count;

  steps_walk(s, frames, &count);
  if (count != s->depth + 1)
    fail_msg("step %u at 0x%llx: %zu frames, %zu calls", s->steps, s->now.rip, count, s->depth);
  for (size_t i = 0; i < count; i++) {
    if (i > 0 && frames[i].registers.rip != s->chain[s->depth - i])
      fail_msg("step %u at 0x%llx: frame %zu is 0x%llx and not 0x%" PRIx64, s->steps, s->now.rip, i,
               frames[i].registers.rip, s->chain[s->depth - i]);
    assert_false(frames[i].guessed);
    s->signals += i == 1 && frames[i].kind == CORDBG_FRAME_SIGNAL;
  }
  s->in_restorer += frames[0].kind == CORDBG_FRAME_SIGNAL;
}

static void
steps_push(steps *s, uint64_t address)
{
  assert_true(s->depth < CHAIN_MAX);
  s->chain[s->depth++] = address;
}

static void
steps_pop(steps *s)
{
  assert_true(s->depth > 0);
  s->depth--;
  if (s->chain[s->depth] != s->now.rip)
    fail_msg("step %u returned to 0x%llx and not to 0x%" PRIx64, s->steps, s->now.rip,
             s->chain[s->depth]);
}

/* What the instruction at `before` did. */
static void
steps_note(steps *s, const struct user_regs_struct *before, const uint8_t *code)
{
  size_t prefix = 0;
  uint64_t top;

  while (code[prefix] == 0x3e || code[prefix] == 0xf2 || code[prefix] == 0xf3 ||
         (code[prefix] & 0xf0) == 0x40)
    prefix++;
  code += prefix;
  top = steps_word(s, s->now.rsp);
  s->plt += code[0] == 0xff && code[1] == 0x25; /* jmp *x(%rip) */
  if ((code[0] == 0xe8 || code[0] == 0xff) && s->now.rsp == before->rsp - 8 && top > before->rip &&
      top <= before->rip + 15) {
    steps_push(s, top);
    s->calls++;
  } else if (code[0] == 0xc3 || code[0] == 0xc2) {
    steps_pop(s);
    s->returns++;
  } else if (code[0] == 0x0f && code[1] == 0x05 && before->rax == 15) {
    steps_pop(s); /* rt_sigreturn */
  }
}

static void
steps_step(steps *s, int *pending)
{
  struct user_regs_struct before = s->now;
  uint64_t code[2] = {steps_word(s, before.rip), steps_word(s, before.rip + 8)};
  bool passed = *pending != 0;
  int number;

  assert_int_equal(ptrace(PTRACE_SINGLESTEP, s->tid, NULL, (void *)(uintptr_t)*pending), 0);
  number = steps_await(s);
  *pending = number == SIGTRAP ? 0 : number;
  assert_int_equal(ptrace(PTRACE_GETREGS, s->tid, NULL, &s->now), 0);
  s->steps++;
  if (passed && s->now.rip == at(stepped_handler)) {
    steps_push(s, before.rip);
    steps_push(s, steps_word(s, s->now.rsp));
  } else if (s->now.rip != before.rip || s->now.rsp != before.rsp) {
    steps_note(s, &before, (const uint8_t *)code);
  }
}

/* The chain at the beginning, which later returns verify, has the names that it must have. */
static void
steps_begin(steps *s, const char *start)
{
  cordbg_frame frames[FRAMES];
  cordbg_place place;
  cordbg_error error;
  bool found = false;
  size_t count;

  assert_int_equal(steps_await(s), SIGSTOP);
  assert_true(SUCCEEDED(cordbg_unwinder_create(s->pid, &s->unwinder, &error)));
  assert_int_equal(ptrace(PTRACE_GETREGS, s->tid, NULL, &s->now), 0);
  steps_walk(s, frames, &count);
  for (size_t i = count; i-- > 1;)
    steps_push(s, frames[i].registers.rip);
  for (size_t i = 0; i < count; i++)
    if (cordbg_stack_describe(s->unwinder, &frames[i], 0, &place, &error) == S_OK)
      found |= strcmp(place.symbol, "stepped") == 0;
  assert_true(found);
  assert_true(cordbg_stack_describe(s->unwinder, &frames[count - 1], 0, &place, &error) == S_OK);
  /* A C library without its debug symbols has no name for where a thread starts. */
  if (*place.symbol)
    assert_non_null(strstr(place.symbol, start));
  else
    assert_non_null(strstr(place.module, "/libc.so."));
}

static void
steps_reap(pid_t which)
{
  int status = 0;

  while (waitpid(which, &status, __WALL) >= 0 ? WIFSTOPPED(status) : errno == EINTR)
    ;
}

static void
step_through(bool on_a_thread)
{
  uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
  steps s = {0};
  int pending = 0;

  stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(stage, MAP_FAILED);
  s.pid = s.tid = steps_fork(on_a_thread);
  if (on_a_thread) {
    await_int(&stage->tid, 1);
    s.tid = stage->tid;
  }
  steps_begin(&s, on_a_thread ? "clone" : "_start");
  while (s.now.rip != at(stepped_end) && s.steps < STEPS_MAX) {
    steps_step(&s, &pending);
    steps_compare(&s);
    s.vdso += s.now.rip - vdso < 0x2000;
    s.in_function += s.now.rip - at(stepped_function) < 16; /* its prologue */
  }
  printf("%u steps: %u calls, %u returns, %u stubs, %u in the vDSO, %u in the handler, %u in its "
         "restorer\n",
         s.steps, s.calls, s.returns, s.plt, s.vdso, s.signals, s.in_restorer);
  assert_true(s.now.rip == at(stepped_end));
  assert_true(s.in_function > 3 && s.plt > 1 && s.signals > 1 && s.in_restorer > 1);
  assert_true(vdso == 0 || s.vdso > 3);
  cordbg_unwinder_destroy(s.unwinder);
  kill(s.pid, SIGKILL);
  steps_reap(s.tid); /* a traced thread is waited for by itself */
  if (s.tid != s.pid)
    steps_reap(s.pid);
  munmap(stage, sizeof(*stage));
  stage = NULL;
}

static void
at_each_instruction_the_walk_is_the_chain_of_calls_to_the_programs_start(void **state)
{
  (void)state;
  step_through(false);
}

static void
at_each_instruction_the_walk_is_the_chain_of_calls_to_a_threads_start(void **state)
{
  (void)state;
  step_through(true);
}

/* ---- libraries whose symbols lie elsewhere ---- */

static const char library_source[] =
    "#include <unistd.h>\n"
    "static volatile int goes_on = 1;\n"
    "static __attribute__((noinline)) int hidden_inner(int n)\n"
    "{ while (goes_on) pause(); return n + 1; }\n"
    "__attribute__((noinline)) int written(int n) __asm__(\"_ZN5house4roomEi\");\n"
    "__attribute__((noinline)) int written(int n) { return hidden_inner(n) * 3; }\n"
    "int library_entry(int n);\n"
    "int library_entry(int n) { return written(n) + 2; }\n";

/* The library's static function is in no table of its own file; only the entry is exported. */
static const char library_recipe[] =
    "set -e; cd \"$1\"; ${CC:-cc} -g -O1 -fPIC -shared -fno-optimize-sibling-calls"
    " -Wl,--build-id=none -o whole.so library.c;"
    " objcopy --strip-all whole.so library.so;"
    " case $2 in"
    " debuglink) objcopy --only-keep-debug whole.so library.debug;"
    "   objcopy --add-gnu-debuglink=library.debug library.so ;;"
    " debugdata) objcopy --strip-debug whole.so mini; xz -k mini;"
    "   objcopy --add-section .gnu_debugdata=mini.xz library.so ;;"
    " esac; rm whole.so";

static void
library_make(const char *folder, const char *way)
{
  g_autofree char *source = g_build_filename(folder, "library.c", NULL), *errors = NULL;
  char *argv[] = {"sh", "-c", (char *)library_recipe, "sh", (char *)folder, (char *)way, NULL};
  int status = -1;

  assert_true(g_file_set_contents(source, library_source, -1, NULL));
  assert_true(g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &errors,
                           &status, NULL));
  if (status != 0)
    fail_msg("%s", errors);
}

static pid_t
library_run(const char *path)
{
  pid_t pid = fork();

  assert_true(pid >= 0);
  if (pid == 0) {
    void *library = dlopen(path, RTLD_NOW);
    int (*entry)(int) = library ? (int (*)(int))dlsym(library, "library_entry") : NULL;

    if (!entry || ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
      _exit(1);
    alarm(300);
    raise(SIGSTOP);
    _exit(entry(1));
  }
  return pid;
}

/* Runs on until it stands in pause, which the library's innermost function calls. */
static void
library_await_pause(steps *s)
{
  assert_int_equal(steps_await(s), SIGSTOP);
  do {
    assert_int_equal(ptrace(PTRACE_SYSCALL, s->tid, NULL, NULL), 0);
    (void)steps_await(s);
    assert_int_equal(ptrace(PTRACE_GETREGS, s->tid, NULL, &s->now), 0);
  } while (s->now.orig_rax != SYS_pause);
}

static void
walk_through_a_library(const char *way)
{
  static const char *const names[] = {"hidden_inner", "house::room(int)", "library_entry"};
  g_autofree char *folder = g_dir_make_tmp("cordbg-XXXXXX", NULL);
  g_autofree char *path = g_build_filename(folder, "library.so", NULL);
  g_autofree char *remove = g_strdup_printf("rm -r '%s'", folder);
  cordbg_frame frames[FRAMES];
  cordbg_error error;
  steps s = {0};
  size_t count, found = 0;

  if (system("command -v objcopy >/dev/null && command -v xz >/dev/null") != 0) {
    rmdir(folder);
    printf("SKIP: objcopy or xz is not installed\n");
    skip();
  }
  library_make(folder, way);
  s.pid = s.tid = library_run(path);
  library_await_pause(&s);
  assert_true(SUCCEEDED(cordbg_unwinder_create(s.pid, &s.unwinder, &error)));
  steps_walk(&s, frames, &count);
  for (size_t i = 0; i < count; i++) {
    cordbg_place place;

    assert_false(frames[i].guessed);
    if (cordbg_stack_describe(s.unwinder, &frames[i], CORDBG_PLACE_LINE, &place, &error) != S_OK ||
        !strstr(place.module, "library.so"))
      continue;
    assert_true(found < G_N_ELEMENTS(names));
    assert_string_equal(place.symbol, names[found]);
    if (strcmp(way, "debuglink") == 0)
      assert_non_null(strstr(place.file, "library.c"));
    found++;
  }
  assert_int_equal(found, G_N_ELEMENTS(names));
  cordbg_unwinder_destroy(s.unwinder);
  kill(s.pid, SIGKILL);
  steps_reap(s.pid);
  assert_int_equal(system(remove), 0);
}

static void
names_come_by_debuglink_and_are_demangled(void **state)
{
  (void)state;
  walk_through_a_library("debuglink");
}

static void
names_come_by_debugdata_and_are_demangled(void **state)
{
  (void)state;
  walk_through_a_library("debugdata");
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(symbols_and_lines_are_named_by_address),
      cmocka_unit_test(row_002_a_walk_reads_through_any_callback),
      cmocka_unit_test(row_002_native_traps_do_not_disturb_a_walk),
      cmocka_unit_test(names_come_by_debuglink_and_are_demangled),
      cmocka_unit_test(names_come_by_debugdata_and_are_demangled),
      cmocka_unit_test(at_each_instruction_the_walk_is_the_chain_of_calls_to_the_programs_start),
      cmocka_unit_test(at_each_instruction_the_walk_is_the_chain_of_calls_to_a_threads_start),
      cmocka_unit_test(
          at_a_thousand_random_stops_the_walk_is_whole_and_agrees_with_the_shadow_stack),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
