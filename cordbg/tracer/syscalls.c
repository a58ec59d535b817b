/* SPDX-License-Identifier: MIT */
/*
 * System calls that a stop interrupted.
 *
 * The kernel restarts most calls by itself after an interrupt that delivers no signal. A few
 * answer EINTR instead (signal(7), "Interruption of system calls"): the program would see an error
 * that only the tracer caused. Their call is started again: registers are set back to before the
 * syscall instruction. Exact for calls that wait without limit; with a time limit the wait begins
 * anew, which docs/limits.md says.
 *
 * When a signal of the target's own turns out to be on its way, EINTR was right, and is put back
 * before the handler runs.
 */
#include "config.h"

#include "cordbg/tracer/tracing.h"

#include <errno.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

/* The kernel's own restart codes (include/linux/errno.h): never seen by user code. */
enum {
  KERNEL_ERESTARTSYS = 512,
  KERNEL_ERESTARTNOINTR = 513,
  KERNEL_ERESTARTNOHAND = 514,
  KERNEL_ERESTART_RESTARTBLOCK = 516,
};

static bool
answers_eintr(uint64_t number)
{
  switch (number) {
  case SYS_epoll_wait:
  case SYS_epoll_pwait:
#ifdef SYS_epoll_pwait2
  case SYS_epoll_pwait2:
#endif
  case SYS_rt_sigtimedwait:
  case SYS_semop:
  case SYS_semtimedop:
  case SYS_io_getevents:
    return true;
  default:
    return false;
  }
}

/* The syscall instruction at rip - 2 lies under a trap: starting again is no new hit. */
static void
keep_silent(cordbg_tracing *tracing, cordbg_tracee *tracee, uint64_t instruction)
{
  if (cordbg_patches_find(&tracing->patches, instruction) != NULL)
    tracee->silent = instruction;
}

/* Registers as before the syscall instruction. */
static void
begin_again(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  struct user_regs_struct *registers = &tracee->registers;
  registers->rax = registers->orig_rax;
  registers->rip -= 2;
  registers->orig_rax = UINT64_MAX; /* the kernel must not restart it as well */
  tracee->registers_dirty = true;
  tracee->mended = true;
  tracee->mended_at = registers->rip;
  keep_silent(tracing, tracee, registers->rip);
}

bool
cordbg_tracee_in_restart(cordbg_tracing *tracing, cordbg_tracee *tracee, bool ours)
{
  struct user_regs_struct *registers = &tracee->registers;
  int64_t call = (int64_t)registers->orig_rax, answer = (int64_t)registers->rax;
  if (call < 0)
    return false;
  if (answer == -KERNEL_ERESTARTSYS || answer == -KERNEL_ERESTARTNOINTR ||
      answer == -KERNEL_ERESTARTNOHAND || answer == -KERNEL_ERESTART_RESTARTBLOCK) {
    keep_silent(tracing, tracee, registers->rip - 2);
    return true;
  }
  if (!ours || answer != -EINTR || !answers_eintr(registers->orig_rax))
    return false;
  begin_again(tracing, tracee);
  return true;
}

bool
cordbg_tracee_begins_again(const cordbg_tracee *tracee)
{
  const struct user_regs_struct *registers = &tracee->registers;
  return registers->rip == tracee->mended_at && (int64_t)registers->orig_rax < 0;
}

void
cordbg_tracee_on_signal(cordbg_tracing *tracing, cordbg_tracee *tracee, bool mended)
{
  tracee->silent = 0;
  if (!cordbg_tracee_fetch(tracee))
    return;
  struct user_regs_struct *registers = &tracee->registers;
  mended = mended && cordbg_tracee_begins_again(tracee);
  if (mended && cordbg_tracee_has_handler(tracee, tracee->signal)) {
    /* The signal would have ended the call: what it answered was right. */
    registers->rax = (unsigned long long)-(long long)EINTR;
    registers->rip += 2;
    tracee->registers_dirty = true;
    return;
  }
  /* A signal that is ignored wakes a thread only because it is traced. */
  if (!mended && (int64_t)registers->orig_rax >= 0 && (int64_t)registers->rax == -EINTR &&
      answers_eintr(registers->orig_rax) && !cordbg_tracee_has_handler(tracee, tracee->signal))
    begin_again(tracing, tracee);
}
