/* SPDX-License-Identifier: MIT */
/*
 * What an interop debugger wants to know besides hits: signals before they are delivered, steps of
 * a thread, births and ends of threads.
 *
 * A thread in such a stop is queued like one that ran into a trap, reported once, and goes on with
 * the next CONTINUE. Its signal stays where the kernel has it, in the signal-delivery stop, with
 * its siginfo untouched: passing it on is to resume with its number, and that is also what happens
 * when the session ends, however it ends. Signals that nobody asked for are passed at once, without
 * a stop of the others.
 *
 * A step that the client asked for (`steps`)
 *
 *   asked --resume--> armed --SIGTRAP of the trap flag--> reported
 *             |         '-- any other stop --> asked
 *             '-- stands on a reported trap: step_over executes the instruction --> reported
 *             '-- before a system call, or in one: run to its exit stop --> reported
 *
 * The trap flag itself is never in the thread's registers: PTRACE_SINGLESTEP sets it for one
 * resume, and a detached thread does not have it.
 */
#include "config.h"

#include "cordbg/tracer/tracing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#define CODE_BYTES 16u
#define TRAP_FLAG 0x100u
#define FIRST_REAL_TIME 32 /* the kernel's; the C library keeps some for itself */
#define SIGNALS 64

/* si_code of the SIGTRAP of a single step. */
enum { TRAP_CODE_TRACE = 2 };

/* ---- What a signal would do ---- */

typedef struct dispositions {
  uint64_t caught;
  uint64_t ignored;
} dispositions;

static uint64_t
mask_of(const char *status, const char *name)
{
  const char *line = strstr(status, name);
  return line != NULL ? strtoull(line + strlen(name), NULL, 16) : 0;
}

static bool
read_dispositions(const cordbg_tracee *tracee, dispositions *ret)
{
  char path[64], status[4096];
  snprintf(path, sizeof path, "/proc/%d/task/%d/status", tracee->process->pid, tracee->tid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return false;
  ssize_t size = read(fd, status, sizeof status - 1);
  close(fd);
  status[size > 0 ? size : 0] = '\0';
  ret->caught = mask_of(status, "\nSigCgt:");
  ret->ignored = mask_of(status, "\nSigIgn:");
  return true;
}

static bool
mask_has(uint64_t mask, int signal)
{
  return signal >= 1 && signal <= SIGNALS && (mask >> (signal - 1) & 1) != 0;
}

bool
cordbg_tracee_has_handler(const cordbg_tracee *tracee, int signal)
{
  dispositions is;
  return !read_dispositions(tracee, &is) || mask_has(is.caught, signal);
}

static bool
ends_by_default(int signal)
{
  switch (signal) {
  case SIGCHLD:
  case SIGCONT:
  case SIGURG:
  case SIGWINCH:
  case SIGSTOP:
  case SIGTSTP:
  case SIGTTIN:
  case SIGTTOU:
    return false;
  default:
    return true;
  }
}

/* Nobody handles it. A fault that is blocked or ignored has its default action already: the kernel
 * gives it that before the stop. */
static bool
would_end(const cordbg_tracee *tracee, int signal)
{
  dispositions is;
  return ends_by_default(signal) && read_dispositions(tracee, &is) &&
         !mask_has(is.caught, signal) && !mask_has(is.ignored, signal);
}

bool
cordbg_tracing_tells_signal(const cordbg_tracing *tracing, const cordbg_tracee *tracee)
{
  if ((tracing->wanted & CORDBG_WANT_UNMANAGED) == 0 || !tracee->process->target ||
      tracee->in_call || tracing->letting_go || tracee->signal == 0)
    return false;
  if (mask_has(tracing->wanted_signals, tracee->signal))
    return true;
  return (tracing->wanted & CORDBG_WANT_FATAL_SIGNALS) != 0 && tracee->signal < FIRST_REAL_TIME &&
         would_end(tracee, tracee->signal);
}

bool
cordbg_tracing_tells_threads(const cordbg_tracing *tracing)
{
  const uint32_t both = CORDBG_WANT_UNMANAGED | CORDBG_WANT_THREAD_STOPS;
  return (tracing->wanted & both) == both && !tracing->letting_go;
}

/* ---- Reports ---- */

static void
fill_signal(const cordbg_tracee *tracee, const siginfo_t *info, cordbg_signal *ret)
{
  *ret = (cordbg_signal){.number = info->si_signo, .code = info->si_code};
  if (info->si_code <= 0) {
    ret->pid = info->si_pid;
    ret->uid = info->si_uid;
    ret->value = (uint64_t)(uintptr_t)info->si_value.sival_ptr;
  } else if (info->si_signo == SIGSYS) {
    ret->address = (uint64_t)(uintptr_t)info->si_call_addr;
    ret->value = (uint64_t)(unsigned)info->si_syscall;
  } else {
    ret->address = (uint64_t)(uintptr_t)info->si_addr;
  }
  if (would_end(tracee, info->si_signo))
    ret->flags |= CORDBG_SIGNAL_ENDS;
}

static bool
fill_event(cordbg_tracee *tracee, cordbg_event *event)
{
  siginfo_t info;
  switch (tracee->report) {
  case CORDBG_REPORT_SIGNAL:
    if (tracee->state != CORDBG_TRACEE_STOPPED || tracee->stop != CORDBG_STOP_SIGNAL ||
        tracee->signal == 0 || ptrace(PTRACE_GETSIGINFO, tracee->tid, NULL, &info) != 0)
      return false; /* SIGKILL took it, or a call put the signal back into the kernel's queue */
    event->kind = CORDBG_EVENT_SIGNAL;
    fill_signal(tracee, &info, &event->signal);
    break;
  case CORDBG_REPORT_STEP:
    if (tracee->state != CORDBG_TRACEE_STOPPED)
      return false;
    event->kind = CORDBG_EVENT_SIGNAL;
    event->signal =
        (cordbg_signal){.number = SIGTRAP, .code = TRAP_CODE_TRACE, .flags = CORDBG_SIGNAL_STEP};
    break;
  case CORDBG_REPORT_BIRTH:
    tracee->unborn = false;
    event->kind = CORDBG_EVENT_THREAD_CREATED;
    break;
  case CORDBG_REPORT_EXIT:
    event->kind = CORDBG_EVENT_THREAD_EXITED;
    event->code = tracee->exit_code;
    break;
  case CORDBG_REPORT_OWN_TRAP:
    if (tracee->state != CORDBG_TRACEE_STOPPED)
      return false;
    event->kind = CORDBG_EVENT_TRAP;
    event->layers = CORDBG_LAYER_INTERNAL;
    event->address = tracee->hit;
    break;
  default:
    return false;
  }
  if (tracee->state == CORDBG_TRACEE_STOPPED && cordbg_tracee_fetch(tracee))
    event->registers = tracee->registers;
  return true;
}

bool
cordbg_tracing_report_other(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  cordbg_event event = {.flags = CORDBG_EVENT_STOPS, .tid = tracee->tid};
  bool real = fill_event(tracee, &event);
  bool unmanaged = tracee->report != CORDBG_REPORT_OWN_TRAP;
  cordbg_tracing_unqueue(tracing, tracee);
  if (!real)
    return false;
  tracee->steps = false;
  cordbg_tracing_send(tracing, &event, unmanaged, false);
  tracing->outstanding[unmanaged ? 1 : 0] = tracing->sequence;
  return true;
}

HRESULT
cordbg_tracing_set_signal(cordbg_tracing *tracing, int tid, int number, cordbg_error *error)
{
  cordbg_tracee *tracee = cordbg_tracee_find(tracing, tid);
  if (number < 0 || number > SIGNALS)
    return cordbg_error_set(error, E_INVALIDARG, EINVAL, 0, "%d is no signal", number);
  if (tracee == NULL || tracee->process != tracing->target)
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), ESRCH, 0,
                            "process %d has no thread %d", tracing->target->pid, tid);
  if (!tracing->hold || tracee->state != CORDBG_TRACEE_STOPPED ||
      tracee->stop != CORDBG_STOP_SIGNAL || tracee->signal == 0)
    return cordbg_error_set(error, E_UNEXPECTED, EBUSY, 0, "thread %d is not about to get a signal",
                            tid);
  tracee->signal = number;
  return S_OK;
}

/* ---- Steps ---- */

int
cordbg_tracee_step_request(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  uint8_t code[CODE_BYTES];
  uint64_t pushed;
  if (!cordbg_tracee_fetch(tracee))
    return PTRACE_CONT;
  uint64_t at = tracee->registers.rip;
  size_t size = cordbg_space_read(&tracing->space, at, code, sizeof code);
  cordbg_patches_strip(&tracing->patches, at, code, size);
  tracee->step_leak = (uint8_t)cordbg_instruction_step_leak(code, size);
  /* Before a signal the handler's first instruction is what comes next. */
  if (tracee->step_leak == CORDBG_STEP_SYSCALL && tracee->signal == 0) {
    tracee->entering = true;
    return PTRACE_SYSCALL;
  }
  /* The flag that the program itself pops must stay. */
  if (tracee->step_leak == CORDBG_STEP_POPS_FLAGS &&
      (!cordbg_space_load(&tracing->space, tracee->registers.rsp, &pushed, sizeof pushed) ||
       (pushed & TRAP_FLAG) != 0))
    tracee->step_leak = CORDBG_STEP_PLAIN;
  tracee->step_from = at;
  tracee->step_armed = true;
  return PTRACE_SINGLESTEP;
}

void
cordbg_tracee_step_done(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  bool executed = tracee->registers_valid && tracee->registers.rip != tracee->step_from;
  if (tracee->step_leak == CORDBG_STEP_PUSHES_FLAGS && executed)
    cordbg_tracee_mend_pushed_flags(tracee, &tracing->space);
  if (tracee->step_leak == CORDBG_STEP_POPS_FLAGS && executed) {
    tracee->registers.eflags &= ~(unsigned long long)TRAP_FLAG;
    tracee->registers_dirty = true;
  }
  tracee->step_leak = CORDBG_STEP_PLAIN;
  tracee->steps = false;
  cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_STOPPED);
  cordbg_tracing_queue(tracing, tracee, CORDBG_REPORT_STEP);
}
