/* SPDX-License-Identifier: MIT */
/*
 * stack PID: the stacks of all threads of a process at once, like pstack.
 *
 * The threads are held by ptrace for as long as their registers and stacks are read, then they go
 * on; names and lines are looked up afterwards. StackWalk64 does the walking: it needs a handle of
 * the process and a context, not a debugging session. Without a session the runtime is not asked:
 * frames of compiled managed code are found as far as frame pointers lead.
 */
#include <errno.h>
#include <dirent.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cordbg/cordbg.h>

#define FRAMES_MAX 1024

typedef struct stopped_thread {
  pid_t tid;
  gboolean held;
  GArray *frames; /* DWORD64, the innermost first */
} stopped_thread;

static void
fail(int code, const char *format, ...)
{
  va_list arguments;

  va_start(arguments, format);
  fputs("stack: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(code);
}

/* The kernel lets each thread go by itself if this program ends here. */
static GArray *
hold_threads(pid_t pid)
{
  GArray *threads = g_array_new(FALSE, TRUE, sizeof(stopped_thread));
  char *folder = g_strdup_printf("/proc/%d/task", (int)pid);
  DIR *listing = opendir(folder);
  const struct dirent *entry;

  if (listing == NULL)
    fail(2, "there is no process %d", (int)pid);
  while ((entry = readdir(listing)) != NULL) {
    stopped_thread thread = {.tid = (pid_t)atoi(entry->d_name)};

    if (thread.tid <= 0)
      continue;
    if (ptrace(PTRACE_SEIZE, thread.tid, NULL, NULL) != 0) {
      if (errno == ESRCH)
        continue;
      fail(2, "thread %d cannot be looked at: %s", (int)thread.tid, strerror(errno));
    }
    ptrace(PTRACE_INTERRUPT, thread.tid, NULL, NULL);
    g_array_append_val(threads, thread);
  }
  closedir(listing);
  g_free(folder);
  return threads;
}

/* A signal that was on its way is passed on when the thread is let go. */
static void
await_stop(stopped_thread *thread)
{
  int status;

  while (waitpid(thread->tid, &status, __WALL) < 0)
    if (errno != EINTR)
      return;
  if (!WIFSTOPPED(status))
    return;
  thread->held = TRUE;
}

static void
walk(HANDLE process, stopped_thread *thread)
{
  struct user_regs_struct r;
  CONTEXT context = {.ContextFlags = CONTEXT_FULL};
  STACKFRAME64 frame = {0};

  thread->frames = g_array_new(FALSE, FALSE, sizeof(DWORD64));
  if (!thread->held || ptrace(PTRACE_GETREGS, thread->tid, NULL, &r) != 0)
    return;
  context.Rip = r.rip, context.Rsp = r.rsp, context.Rbp = r.rbp, context.Rbx = r.rbx;
  context.R12 = r.r12, context.R13 = r.r13, context.R14 = r.r14, context.R15 = r.r15;
  context.Rax = r.rax, context.Rcx = r.rcx, context.Rdx = r.rdx, context.Rsi = r.rsi;
  context.Rdi = r.rdi, context.R8 = r.r8, context.R9 = r.r9, context.R10 = r.r10;
  context.R11 = r.r11;
  while (thread->frames->len < FRAMES_MAX && StackWalk64(IMAGE_FILE_MACHINE_AMD64, process, NULL,
                                                         &frame, &context, NULL, NULL, NULL, NULL))
    g_array_append_val(thread->frames, frame.AddrPC.Offset);
}

static void
let_go(const stopped_thread *thread)
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

static void
print_frame(HANDLE process, guint index, DWORD64 pc)
{
  union {
    SYMBOL_INFO info;
    char room[sizeof(SYMBOL_INFO) + MAX_SYM_NAME];
  } symbol = {.info = {.SizeOfStruct = sizeof(SYMBOL_INFO), .MaxNameLen = MAX_SYM_NAME}};
  IMAGEHLP_LINE64 line = {.SizeOfStruct = sizeof(line)};
  DWORD64 before = index > 0, offset = 0;

  printf("#%-3u 0x%016llx", index, (unsigned long long)pc);
  if (SymFromAddr(process, pc - before, &offset, &symbol.info))
    printf(" %s+0x%llx", symbol.info.Name, (unsigned long long)(offset + before));
  if (SymGetLineFromAddr64(process, pc - before, NULL, &line))
    printf(" at %s:%u", line.FileName, line.LineNumber);
  putchar('\n');
}

int
main(int argc, char **argv)
{
  char *end = NULL;
  long pid = argc == 2 ? strtol(argv[1], &end, 10) : 0;
  GArray *threads;
  HANDLE process;

  if (pid <= 0 || *end != 0)
    fail(2, "usage: stack PID");
  process = OpenProcess(PROCESS_VM_READ, FALSE, (DWORD)pid);
  if (process == NULL)
    fail(2, "%s", cordbg_last_error(NULL, NULL, NULL));
  threads = hold_threads((pid_t)pid);
  for (guint i = 0; i < threads->len; i++)
    await_stop(&g_array_index(threads, stopped_thread, i));
  for (guint i = 0; i < threads->len; i++)
    walk(process, &g_array_index(threads, stopped_thread, i));
  for (guint i = 0; i < threads->len; i++)
    let_go(&g_array_index(threads, stopped_thread, i));
  for (guint i = 0; i < threads->len; i++) {
    stopped_thread *thread = &g_array_index(threads, stopped_thread, i);

    printf("%sthread %d\n", i > 0 ? "\n" : "", (int)thread->tid);
    for (guint k = 0; k < thread->frames->len; k++)
      print_frame(process, k, g_array_index(thread->frames, DWORD64, k));
    g_array_unref(thread->frames);
  }
  g_array_unref(threads);
  SymCleanup(process);
  CloseHandle(process);
  return 0;
}
