/* SPDX-License-Identifier: MIT */
/*
 * Remote calls: a function of the target, run on one of its threads.
 *
 *   stopped --set up--> calling --return trap--> stopped, registers as before
 *                          +------time-out, client gone------^
 *
 * The return address is the program's entry point, where an internal trap waits: it is executable,
 * never unloaded, and never executed again. A thread that was in a system call is set back to
 * before its syscall instruction, in the way the kernel itself restarts calls, so that it enters
 * the call again afterwards.
 *
 * While the call lasts, hits of the calling thread are stepped over silently: nobody could answer
 * them, since the client waits for this reply. Hits of other threads are queued.
 */
#include "config.h"

#include "cordbg/tracer/tracing.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define RED_ZONE 128u
#define XSTATE_MAX 16384u
#define KERNEL_ERESTART_RESTARTBLOCK 516
#define FLAGS_CLEARED 0x500u /* direction and trap flag */

/* What is put back when the call is over. */
typedef struct saved_state {
  struct user_regs_struct registers;
  uint8_t xstate[XSTATE_MAX];
  size_t xstate_size;
  siginfo_t signal; /* that its stop was about to deliver; si_signo 0: none */
  bool restarts;
} saved_state;

/* AT_ENTRY of the auxiliary vector; 0: not found. */
static uint64_t
entry_point(int pid)
{
  char path[64];
  Elf64_auxv_t vector[64];
  snprintf(path, sizeof path, "/proc/%d/auxv", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return 0;
  ssize_t size = read(fd, vector, sizeof vector);
  close(fd);
  for (ssize_t i = 0; i < size / (ssize_t)sizeof vector[0]; i++) {
    if (vector[i].a_type == AT_ENTRY)
      return vector[i].a_un.a_val;
  }
  return 0;
}

/* The registers as they are when the interrupted call is about to be entered again. */
static void
rewind_call(struct user_regs_struct *registers, cordbg_tracee_stop stop)
{
  int64_t answer = (int64_t)registers->rax;
  registers->rip -= 2;
  registers->rax = registers->orig_rax;
  if (stop != CORDBG_STOP_SYSCALL_ENTRY && answer == -KERNEL_ERESTART_RESTARTBLOCK)
    registers->rax = SYS_restart_syscall;
  registers->orig_rax = UINT64_MAX;
}

static bool
save(cordbg_tracee *tracee, saved_state *saved)
{
  struct iovec xstate = {saved->xstate, sizeof saved->xstate};
  if (!cordbg_tracee_fetch(tracee) ||
      ptrace(PTRACE_GETREGSET, tracee->tid, (void *)NT_X86_XSTATE, &xstate) != 0)
    return false;
  saved->xstate_size = xstate.iov_len;
  saved->registers = tracee->registers;
  saved->signal.si_signo = 0;
  if (tracee->stop == CORDBG_STOP_SIGNAL && tracee->signal != 0)
    ptrace(PTRACE_GETSIGINFO, tracee->tid, NULL, &saved->signal);
  bool in_call = tracee->stop == CORDBG_STOP_SYSCALL_ENTRY ||
                 (tracee->restarts && (int64_t)saved->registers.orig_rax >= 0);
  saved->restarts = in_call || tracee->restarts;
  if (in_call)
    rewind_call(&saved->registers, tracee->stop);
  return true;
}

static void
put_back(cordbg_tracee *tracee, const saved_state *saved)
{
  struct iovec xstate = {(void *)(uintptr_t)saved->xstate, saved->xstate_size};
  ptrace(PTRACE_SETREGSET, tracee->tid, (void *)NT_X86_XSTATE, &xstate);
  tracee->registers = saved->registers;
  tracee->registers_valid = true;
  tracee->registers_dirty = true;
  cordbg_tracee_flush(tracee);
  tracee->signal = 0;
  tracee->restarts = saved->restarts;
  if (saved->signal.si_signo != 0 && tracee->stop == CORDBG_STOP_SIGNAL) {
    siginfo_t info = saved->signal;
    ptrace(PTRACE_SETSIGINFO, tracee->tid, NULL, &info);
    tracee->signal = info.si_signo;
  } else if (saved->signal.si_signo != 0) {
    syscall(SYS_tgkill, tracee->process->pid, tracee->tid, saved->signal.si_signo);
  } else if (tracee->stop != CORDBG_STOP_SYSCALL_ENTRY && saved->restarts) {
    tracee->stop = CORDBG_STOP_INTERRUPT;
  }
}

/* Data and return address on the stack, registers for the call. */
static bool
set_up(cordbg_tracing *tracing, cordbg_tracee *tracee, const cordbg_request_call *request,
       uint64_t back)
{
  struct user_regs_struct registers = tracee->registers;
  uint64_t arguments[6];
  uint64_t data = (registers.rsp - RED_ZONE - request->data_size) & ~(uint64_t)15;
  uint64_t stack = data - 8;
  for (int i = 0; i < 6; i++) {
    uint64_t offset = request->arguments[i] - CORDBG_CALL_DATA;
    bool points = request->data_size > 0 && offset < request->data_size;
    arguments[i] = points ? data + offset : request->arguments[i];
  }
  if (request->data_size > 0 &&
      !cordbg_space_store(&tracing->space, data, request->data, request->data_size))
    return false;
  if (!cordbg_space_store(&tracing->space, stack, &back, sizeof back))
    return false;
  registers.rsp = stack;
  registers.rip = request->function;
  registers.rax = 0; /* no vector arguments, for variadic functions */
  registers.orig_rax = UINT64_MAX;
  registers.eflags &= ~(unsigned long long)FLAGS_CLEARED;
  registers.rdi = arguments[0];
  registers.rsi = arguments[1];
  registers.rdx = arguments[2];
  registers.rcx = arguments[3];
  registers.r8 = arguments[4];
  registers.r9 = arguments[5];
  tracee->registers = registers;
  tracee->registers_dirty = true;
  return true;
}

/* Sleeps until a child or the client's end makes itself known, at most until the deadline. */
static void
wait_in_call(cordbg_tracing *tracing, uint64_t deadline)
{
  uint64_t now = cordbg_tracing_now();
  uint64_t left = deadline > now ? deadline - now : 0;
  struct timespec timeout = {.tv_sec = (time_t)(left / 1000000000u),
                             .tv_nsec = (long)(left % 1000000000u)};
  struct pollfd polled[] = {{.fd = tracing->client_fd, .events = POLLIN},
                            {.fd = tracing->request_fd, .events = 0},
                            {.fd = -1}};
  if (cordbg_tracing_sleep(tracing, polled, 3, &timeout) > 0)
    tracing->ending = true; /* the client died, or closed its end */
}

/* Other threads that stand on no trap go on while the call lasts. */
static void
let_others_run(cordbg_tracing *tracing)
{
  tracing->hold = false;
  tracing->calling = true;
  for (cordbg_tracee *tracee = tracing->tracees; tracee != NULL; tracee = tracee->next) {
    if (tracee->process == tracing->target && tracee->state == CORDBG_TRACEE_STOPPED &&
        !tracee->in_call && tracee->over == 0 && !tracee->queued)
      cordbg_tracee_resume(tracing, tracee);
  }
}

/* Until the call returned. 0, or an errno: ETIMEDOUT, ESRCH, ECANCELED. */
static int
await_return(cordbg_tracing *tracing, int tid, bool run_others, uint64_t deadline)
{
  for (;;) {
    cordbg_tracee *tracee = cordbg_tracee_find(tracing, tid);
    if (tracee == NULL || tracee->state == CORDBG_TRACEE_EXITING || tracing->exited ||
        tracing->exec_pending)
      return ESRCH;
    if (tracee->call_done)
      return 0;
    if (tracing->ending || cordbg_tracing_end_requested())
      return ECANCELED;
    if (cordbg_tracing_now() >= deadline)
      return ETIMEDOUT;
    if (tracing->needs_still) {
      bool held = tracing->hold;
      cordbg_tracing_stop_all(tracing);
      cordbg_tracing_step_waiting(tracing, false);
      tracing->hold = held;
      tracee = cordbg_tracee_find(tracing, tid);
      if (tracee != NULL && tracee->state == CORDBG_TRACEE_STOPPED && !tracee->call_done &&
          (tracee->over == 0 || cordbg_tracee_step_over(tracing, tracee)))
        cordbg_tracee_resume(tracing, tracee);
      if (run_others)
        let_others_run(tracing);
      continue;
    }
    if (!cordbg_tracing_take_stops(tracing) && !cordbg_tracing_take_exits(tracing))
      wait_in_call(tracing, deadline);
  }
}

/* The thread of a held target, ready to be sent elsewhere. */
static cordbg_tracee *
prepare(cordbg_tracing *tracing, int tid, cordbg_error *error)
{
  cordbg_tracee *tracee = cordbg_tracee_find(tracing, tid);
  if (tracee == NULL || tracee->process != tracing->target) {
    cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER), ESRCH, 0,
                     "process %d has no thread %d", tracing->target->pid, tid);
    return NULL;
  }
  if (!cordbg_tracee_wake(tracing, tracee) || (tracee = cordbg_tracee_find(tracing, tid)) == NULL ||
      tracee->stop == CORDBG_STOP_GROUP || tracee->stop == CORDBG_STOP_EXIT) {
    cordbg_error_set(error, CORDBG_E_THREAD_NOT_SCHEDULED, EAGAIN, 0,
                     "thread %d cannot make a call: it is in an uninterruptible wait or in a "
                     "group stop",
                     tid);
    return NULL;
  }
  return tracee;
}

static HRESULT
call_failed(const cordbg_request_call *request, int status, cordbg_error *error)
{
  if (status == ETIMEDOUT)
    return cordbg_error_set(error, HRESULT_FROM_WIN32(ERROR_TIMEOUT), ETIMEDOUT, request->function,
                            "the function at 0x%llx did not return within %u ms; the thread was "
                            "put back",
                            (unsigned long long)request->function, request->timeout_ms);
  if (status == ESRCH)
    return cordbg_error_set(error, CORDBG_E_PROCESS_TERMINATED, ESRCH, request->function,
                            "thread %d ended, or executed another program, in the call",
                            request->tid);
  return cordbg_error_set_errno(error, status, request->function, "the call was abandoned: %s",
                                strerror(status));
}

/* Runs the call on a prepared thread; leaves everything held. */
static int
run_call(cordbg_tracing *tracing, cordbg_tracee *tracee, const cordbg_request_call *request,
         const saved_state *saved, uint64_t back, uint64_t *result)
{
  bool run_others = (request->flags & CORDBG_CALL_RUN_OTHERS) != 0;
  uint64_t deadline = cordbg_tracing_now() + (uint64_t)request->timeout_ms * 1000000u;
  uint64_t over = tracee->over, silent = tracee->silent;
  int tid = tracee->tid;

  if (!set_up(tracing, tracee, request, back))
    return EFAULT;
  tracee->in_call = true;
  tracee->call_done = false;
  tracee->call_return = back;
  tracee->call_stack = tracee->registers.rsp + 8;
  tracee->over = tracee->silent = 0;
  tracee->restarts = false;
  if (tracee->stop == CORDBG_STOP_SIGNAL)
    tracee->signal = 0;
  else if (tracee->stop == CORDBG_STOP_SYSCALL_ENTRY)
    tracee->stop = CORDBG_STOP_SYSCALL_EXIT; /* orig_rax says: no call; go on past it */
  cordbg_tracee_resume(tracing, tracee);
  if (run_others)
    let_others_run(tracing);
  int status = await_return(tracing, tid, run_others, deadline);

  tracing->calling = false;
  if ((tracee = cordbg_tracee_find(tracing, tid)) != NULL)
    tracee->in_call = false;
  cordbg_tracing_stop_all(tracing);
  tracee = cordbg_tracee_find(tracing, tid);
  if (tracee == NULL || tracing->exec_pending || tracing->exited ||
      !cordbg_tracee_wake(tracing, tracee) || (tracee = cordbg_tracee_find(tracing, tid)) == NULL ||
      !cordbg_tracee_fetch(tracee))
    return ESRCH;
  *result = tracee->registers.rax;
  put_back(tracee, saved);
  tracee->over = over;
  tracee->silent = silent;
  return status;
}

HRESULT
cordbg_tracing_call(cordbg_tracing *tracing, const cordbg_request_call *request, uint64_t *result,
                    cordbg_error *error)
{
  static saved_state saved; /* large; one call at a time */
  cordbg_plant_result planted = {0};
  HRESULT hr = S_OK;
  uint64_t value = 0, back = entry_point(tracing->target->pid);
  if (back == 0)
    return cordbg_error_set(error, E_FAIL, ENOEXEC, 0,
                            "process %d has no entry point in its auxiliary vector",
                            tracing->target->pid);
  cordbg_tracing_stop_all(tracing);
  cordbg_tracee *tracee = prepare(tracing, request->tid, error);
  if (tracee == NULL) {
    hr = error->hr;
  } else if (!save(tracee, &saved)) {
    hr = call_failed(request, ESRCH, error);
  } else if (FAILED(hr = cordbg_patches_plant(&tracing->patches, &tracing->space,
                                              CORDBG_LAYER_INTERNAL, &back, 1, &planted, true,
                                              error)) ||
             planted.status != 0) {
    if (SUCCEEDED(hr))
      hr = cordbg_error_set_errno(error, planted.status, back,
                                  "no trap can be planted at the entry point 0x%llx",
                                  (unsigned long long)back);
  } else {
    int status = run_call(tracing, tracee, request, &saved, back, &value);
    cordbg_patches_remove(&tracing->patches, &tracing->space, CORDBG_LAYER_INTERNAL, &back, 1,
                          &planted, tracing->moving == 0, NULL);
    if (status == 0)
      *result = value;
    else
      hr = call_failed(request, status, error);
  }
  /* Hits of other threads that came up meanwhile are reported before anything goes on. */
  if (tracing->session == CORDBG_SESSION_RUNNING && !cordbg_tracing_has_report(tracing) &&
      !tracing->exited)
    cordbg_tracing_resume_all(tracing);
  return hr;
}
