/* SPDX-License-Identifier: MIT */
/*
 * stack PID: the stacks of all threads of a process at once, native and managed frames mixed, like
 * pstack but seeing through the runtime.
 *
 * A managed program is attached to by ICorDebug and looked at while its CreateProcess callback is
 * outstanding: all of it stands still then. Any other program needs no session: its threads are
 * held by ptrace from here. StackWalk64 and SymFromAddr do the rest in both cases. The program runs
 * on as soon as its stacks are known; what is printed is printed afterwards.
 */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "driver.h"

#define FRAMES_MAX 1024

typedef struct seen_thread {
  pid_t tid;
  gboolean held; /* by ptrace, from here */
  char name[32];
  CONTEXT context;
  gboolean known; /* context is its */
  GArray *frames; /* DWORD64, the innermost first */
} seen_thread;

typedef struct stack_program {
  pid_t pid;
  gboolean timing;
  HANDLE process;
  GArray *threads;    /* seen_thread */
  GHashTable *places; /* program counter -> place */
  char *mappings;     /* /proc/PID/maps; NULL: not read yet */
  gint64 stopped_at;  /* us */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  gboolean ready, ended;
} stack_program;

/* ---- threads, by /proc ---- */

static void
read_name(pid_t pid, pid_t tid, char *name, size_t size)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/comm", (int)pid, (int)tid);
  FILE *file = fopen(path, "re");
  size_t length = file ? fread(name, 1, size - 1, file) : 0;

  if (file)
    fclose(file);
  name[length] = 0;
  g_strchomp(name);
}

static gboolean
is_seen(const stack_program *program, pid_t tid)
{
  for (guint i = 0; i < program->threads->len; i++)
    if (g_array_index(program->threads, seen_thread, i).tid == tid)
      return TRUE;
  return FALSE;
}

/* Appends the threads that were not seen before; how many. */
static guint
list_threads(stack_program *program)
{
  g_autofree char *folder = g_strdup_printf("/proc/%d/task", (int)program->pid);
  guint before = program->threads->len;
  DIR *listing = opendir(folder);
  const struct dirent *entry;

  if (listing == NULL)
    return 0;
  while ((entry = readdir(listing)) != NULL) {
    seen_thread thread = {.tid = (pid_t)atoi(entry->d_name)};

    if (thread.tid <= 0 || is_seen(program, thread.tid))
      continue;
    read_name(program->pid, thread.tid, thread.name, sizeof(thread.name));
    g_array_append_val(program->threads, thread);
  }
  closedir(listing);
  return program->threads->len - before;
}

/* "State: Z" and "TracerPid: 12" of a thread. */
static void
read_status(pid_t pid, pid_t tid, char *state, int *tracer)
{
  g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/status", (int)pid, (int)tid);
  g_autofree char *text = NULL;
  const char *line;

  *state = 0;
  *tracer = 0;
  if (!g_file_get_contents(path, &text, NULL, NULL))
    return;
  if ((line = strstr(text, "\nState:\t")) != NULL)
    *state = line[8];
  if ((line = strstr(text, "\nTracerPid:\t")) != NULL)
    *tracer = atoi(line + 12);
}

/* ---- a program without a runtime: held by ptrace ---- */

static void
refuse_thread(const stack_program *program, pid_t tid, int error)
{
  char state;
  int tracer;

  read_status(program->pid, tid, &state, &tracer);
  if (tracer != 0)
    driver_fail(DRIVER_USAGE, "process %d is being debugged already, by process %d",
                (int)program->pid, tracer);
  driver_fail(DRIVER_USAGE, "process %d cannot be looked at: %s", (int)program->pid,
              error == EPERM ? "permission denied (it is another user's, or ptrace is restricted)"
                             : g_strerror(error));
}

/* The kernel lets each thread go by itself if this program ends here. */
static void
hold_thread(const stack_program *program, seen_thread *thread)
{
  int error, tracer;
  char state;

  if (ptrace(PTRACE_SEIZE, thread->tid, NULL, NULL) == 0) {
    thread->held = TRUE;
    ptrace(PTRACE_INTERRUPT, thread->tid, NULL, NULL);
    return;
  }
  error = errno;
  read_status(program->pid, thread->tid, &state, &tracer);
  if (error == ESRCH || state == 'Z' || state == 'X' || state == 0)
    return; /* it has ended */
  refuse_thread(program, thread->tid, error);
}

static void
await_stop(seen_thread *thread)
{
  int status = 0;

  while (thread->held && waitpid(thread->tid, &status, __WALL) < 0)
    if (errno != EINTR)
      thread->held = FALSE;
  if (!WIFSTOPPED(status))
    thread->held = FALSE;
}

static void
read_registers(seen_thread *thread)
{
  struct user_regs_struct r;
  CONTEXT *c = &thread->context;

  if (!thread->held || ptrace(PTRACE_GETREGS, thread->tid, NULL, &r) != 0)
    return;
  c->ContextFlags = CONTEXT_FULL;
  c->Rip = r.rip, c->Rsp = r.rsp, c->Rbp = r.rbp, c->Rbx = r.rbx;
  c->R12 = r.r12, c->R13 = r.r13, c->R14 = r.r14, c->R15 = r.r15;
  c->Rax = r.rax, c->Rcx = r.rcx, c->Rdx = r.rdx, c->Rsi = r.rsi;
  c->Rdi = r.rdi, c->R8 = r.r8, c->R9 = r.r9, c->R10 = r.r10, c->R11 = r.r11;
  thread->known = TRUE;
}

/* Threads that start meanwhile are found by looking again, until a look finds none. */
static void
hold_all(stack_program *program)
{
  guint done = 0;

  program->stopped_at = g_get_monotonic_time();
  while (list_threads(program) > 0) {
    guint count = program->threads->len;

    for (guint i = done; i < count; i++)
      hold_thread(program, &g_array_index(program->threads, seen_thread, i));
    for (guint i = done; i < count; i++)
      await_stop(&g_array_index(program->threads, seen_thread, i));
    done = count;
  }
  for (guint i = 0; i < program->threads->len; i++)
    read_registers(&g_array_index(program->threads, seen_thread, i));
}

/* A signal that was on its way is passed on when the thread is let go. */
static void
let_go(const seen_thread *thread)
{
  siginfo_t signal;
  long number = 0;

  if (!thread->held)
    return;
  /* PTRACE_EVENT_STOP is ours; at any other stop a signal is to be delivered */
  if (ptrace(PTRACE_GETSIGINFO, thread->tid, NULL, &signal) == 0 && (signal.si_code >> 8) == 0)
    number = signal.si_signo;
  ptrace(PTRACE_DETACH, thread->tid, NULL, (void *)number);
}

/* ---- what was found ---- */

/* handle: of the thread, or NULL. */
static void
walk(const stack_program *program, seen_thread *thread, HANDLE handle)
{
  CONTEXT context = thread->context;
  STACKFRAME64 frame = {0};

  thread->frames = g_array_new(FALSE, FALSE, sizeof(DWORD64));
  while (thread->known && thread->frames->len < FRAMES_MAX &&
         StackWalk64(IMAGE_FILE_MACHINE_AMD64, program->process, handle, &frame, &context, NULL,
                     NULL, NULL, NULL))
    g_array_append_val(thread->frames, frame.AddrPC.Offset);
}

typedef struct place {
  DWORD64 pc; /* of the call where it is a return address */
  char *name; /* NULL: not known */
  DWORD64 offset;
  gboolean managed;
  gboolean line_sought;
  char *line; /* NULL: not known */
} place;

static void
free_place(gpointer data)
{
  place *one = data;

  g_free(one->name);
  g_free(one->line);
  g_free(one);
}

static void
seek_line(const stack_program *program, place *one)
{
  IMAGEHLP_LINE64 line = {.SizeOfStruct = sizeof(line)};

  if (!one->line_sought && SymGetLineFromAddr64(program->process, one->pc, NULL, &line))
    one->line = g_strdup_printf(" at %s:%u", line.FileName, line.LineNumber);
  one->line_sought = TRUE;
}

/* A return address names the call before it. */
static place *
place_of(const stack_program *program, DWORD64 pc, guint index)
{
  union {
    SYMBOL_INFO info;
    char room[sizeof(SYMBOL_INFO) + MAX_SYM_NAME];
  } symbol = {.info = {.SizeOfStruct = sizeof(SYMBOL_INFO), .MaxNameLen = MAX_SYM_NAME}};
  DWORD64 before = index > 0, key = pc - before;
  place *one = g_hash_table_lookup(program->places, &key);

  if (one != NULL)
    return one;
  one = g_new0(place, 1);
  one->pc = key;
  g_hash_table_insert(program->places, &one->pc, one);
  if (SymFromAddr(program->process, one->pc, &one->offset, &symbol.info)) {
    one->name = g_strdup(symbol.info.Name);
    one->managed = symbol.info.Index != 0; /* its token */
  }
  return one;
}

/* What the runtime is to be asked for, while it stands still; native lines are found in files. */
static void
name_all(const stack_program *program)
{
  for (guint i = 0; i < program->threads->len; i++) {
    const seen_thread *thread = &g_array_index(program->threads, seen_thread, i);

    for (guint k = 0; k < thread->frames->len; k++) {
      place *one = place_of(program, g_array_index(thread->frames, DWORD64, k), k);

      if (one->managed)
        seek_line(program, one);
    }
  }
}

/* A stripped library has no names: its own, and where in it. Memory without a file has none. */
static void
print_library(stack_program *program, DWORD64 pc)
{
  g_autofree char *base_path = NULL;
  guint64 base = 0;

  if (program->mappings == NULL) {
    g_autofree char *path = g_strdup_printf("/proc/%d/maps", (int)program->pid);

    if (!g_file_get_contents(path, &program->mappings, NULL, NULL))
      program->mappings = g_strdup("");
  }
  for (const char *line = program->mappings; *line != '\0';) {
    g_autofree char *text = g_strndup(line, strcspn(line, "\n"));
    const char *file = strchr(text, '/');
    guint64 start = 0, end = 0;

    line += strlen(text) + (line[strlen(text)] == '\n');
    if (sscanf(text, "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x", &start, &end) != 2)
      continue;
    if (file != NULL && g_strcmp0(file, base_path) != 0) {
      g_free(base_path);
      base_path = g_strdup(file);
      base = start;
    }
    if (pc < start || pc >= end)
      continue;
    if (file != NULL) {
      g_autofree char *name = g_path_get_basename(file);

      printf(" in %s+0x%llx", name, (unsigned long long)(pc - base));
    }
    return;
  }
}

static void
print_frame(stack_program *program, DWORD64 pc, guint index)
{
  place *one = place_of(program, pc, index);

  seek_line(program, one);
  printf("#%-3u 0x%016llx", index, (unsigned long long)pc);
  if (one->name)
    printf(" %s+0x%llx", one->name, (unsigned long long)(one->offset + (index > 0)));
  else
    print_library(program, pc);
  puts(one->line ? one->line : "");
}

static void
print_all(stack_program *program)
{
  for (guint i = 0; i < program->threads->len; i++) {
    const seen_thread *thread = &g_array_index(program->threads, seen_thread, i);

    if (!thread->known)
      continue;
    printf("%sthread %d \"%s\"\n", i > 0 ? "\n" : "", (int)thread->tid, thread->name);
    for (guint k = 0; k < thread->frames->len; k++)
      print_frame(program, g_array_index(thread->frames, DWORD64, k), k);
  }
}

static void
say_time(const stack_program *program)
{
  if (program->timing)
    fprintf(stderr, "%u threads, held for %.1f ms\n", program->threads->len,
            (double)(g_get_monotonic_time() - program->stopped_at) / 1e3);
}

/* ---- a managed program: a session ---- */

static void
tell(stack_program *program, gboolean *what)
{
  pthread_mutex_lock(&program->lock);
  *what = TRUE;
  pthread_cond_signal(&program->changed);
  pthread_mutex_unlock(&program->lock);
}

/* The process stays stopped: main goes on with it. */
static bool
on_create_process(void *data, ICorDebugProcess *process)
{
  stack_program *program = data;

  (void)process;
  tell(program, &program->ready);
  return false;
}

static void
on_exit_process(void *data, ICorDebugProcess *process)
{
  stack_program *program = data;

  (void)process;
  tell(program, &program->ended);
}

static HANDLE
handle_of(ICorDebugProcess *process, pid_t tid)
{
  ICorDebugThread *thread = NULL;
  HANDLE handle = NULL;

  if (FAILED(ICorDebugProcess_GetThread(process, (DWORD)tid, &thread)))
    return NULL; /* no managed code runs on it */
  if (FAILED(ICorDebugThread_GetHandle(thread, &handle)))
    handle = NULL;
  ICorDebugThread_Release(thread);
  return handle;
}

static void
look_at_session(stack_program *program, ICorDebugProcess *process)
{
  list_threads(program);
  for (guint i = 0; i < program->threads->len; i++) {
    seen_thread *thread = &g_array_index(program->threads, seen_thread, i);
    HANDLE handle = handle_of(process, thread->tid);

    /* cordbg's own thread in a program is no part of it */
    thread->context.ContextFlags = CONTEXT_FULL;
    thread->known =
        strcmp(thread->name, "cordbg") != 0 &&
        SUCCEEDED(ICorDebugProcess_GetThreadContext(
            process, (DWORD)thread->tid, sizeof(thread->context), (BYTE *)&thread->context));
    walk(program, thread, handle);
    if (handle != NULL)
      CloseHandle(handle);
  }
  name_all(program);
}

/* False: the process runs no runtime. */
static bool
look_by_session(stack_program *program)
{
  const sample_hooks hooks = {
      .data = program, .create_process = on_create_process, .exit_process = on_exit_process};
  ICorDebugManagedCallback *callback = sample_managed_callback(&hooks);
  ICorDebugProcess *process = NULL;
  ICorDebug *cordebug = NULL;
  HRESULT hr = CordbgCreate(&IID_ICorDebug, (void **)&cordebug);

  if (SUCCEEDED(hr))
    hr = ICorDebug_Initialize(cordebug);
  if (SUCCEEDED(hr))
    hr = ICorDebug_SetManagedHandler(cordebug, callback);
  if (FAILED(hr))
    driver_fail(DRIVER_FAILED, "%s", cordbg_last_error(NULL, NULL, NULL));
  program->stopped_at = g_get_monotonic_time();
  hr = ICorDebug_DebugActiveProcess(cordebug, (DWORD)program->pid, FALSE, &process);
  if (SUCCEEDED(hr)) {
    pthread_mutex_lock(&program->lock);
    while (!program->ready && !program->ended)
      pthread_cond_wait(&program->changed, &program->lock);
    pthread_mutex_unlock(&program->lock);
    if (!program->ended)
      look_at_session(program, process);
    ICorDebugProcess_Detach(process);
    ICorDebugProcess_Release(process);
    say_time(program);
  } else if (hr != CORDBG_E_NOT_CLR)
    driver_fail(DRIVER_USAGE, "%s", cordbg_last_error(NULL, NULL, NULL));
  ICorDebug_Terminate(cordebug);
  ICorDebug_Release(cordebug);
  ICorDebugManagedCallback_Release(callback);
  if (program->ended)
    driver_fail(DRIVER_FAILED, "process %d ended meanwhile", (int)program->pid);
  return SUCCEEDED(hr);
}

static void
look_by_ptrace(stack_program *program)
{
  hold_all(program);
  for (guint i = 0; i < program->threads->len; i++)
    walk(program, &g_array_index(program->threads, seen_thread, i), NULL);
  for (guint i = 0; i < program->threads->len; i++)
    let_go(&g_array_index(program->threads, seen_thread, i));
  say_time(program);
}

int
main(int argc, char **argv)
{
  stack_program program = {.lock = PTHREAD_MUTEX_INITIALIZER,
                           .changed = PTHREAD_COND_INITIALIZER,
                           .places =
                               g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_place),
                           .threads = g_array_new(FALSE, TRUE, sizeof(seen_thread))};
  guint known = 0;

  program.timing = argc == 3 && strcmp(argv[1], "--time") == 0;
  if (argc != 2 + program.timing)
    driver_fail(DRIVER_USAGE, "usage: stack [--time] PID");
  program.pid = (pid_t)driver_parse_pid(argv[argc - 1]);
  if (program.pid == getpid())
    driver_fail(DRIVER_USAGE, "%d is this program itself, which cannot hold its own threads",
                (int)program.pid);
  program.process = OpenProcess(PROCESS_VM_READ, FALSE, (DWORD)program.pid);
  if (program.process == NULL)
    driver_fail(DRIVER_USAGE, "%s", cordbg_last_error(NULL, NULL, NULL));
  if (!look_by_session(&program))
    look_by_ptrace(&program);
  print_all(&program);
  for (guint i = 0; i < program.threads->len; i++) {
    seen_thread *thread = &g_array_index(program.threads, seen_thread, i);

    known += thread->known;
    g_array_unref(thread->frames);
  }
  g_array_unref(program.threads);
  g_hash_table_unref(program.places);
  g_free(program.mappings);
  SymCleanup(program.process);
  CloseHandle(program.process);
  if (known == 0)
    driver_fail(DRIVER_FAILED, "process %d has no thread that runs", (int)program.pid);
  return DRIVER_OK;
}
