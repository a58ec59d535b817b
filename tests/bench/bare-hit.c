/* SPDX-License-Identifier: MIT */
/* Bare hits: attach, trap, registers, go on (bare.h). */
#include "config.h"

#include "tests/bench/bare.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"

/* No other thread can stop meanwhile where this is used. */
static int
wait_stop(pid_t tid)
{
  int status;

  if (bare_wait(&status) != tid)
    bench_die("bare: another thread than %d stopped", (int)tid);
  return status;
}

static void
trace(enum __ptrace_request request, pid_t tid, void *data)
{
  if (ptrace(request, tid, NULL, data) != 0)
    bench_die("bare: ptrace request %d on %d failed", (int)request, (int)tid);
}

void
bare_attach(bare_session *session, const hit_target *target)
{
  char path[64];

  session->target = target;
  snprintf(path, sizeof(path), "/proc/%d/mem", (int)target->pid);
  for (unsigned int i = 0; i < target->busy; i++)
    trace(PTRACE_SEIZE, target->busy_tids[i], (void *)PTRACE_O_TRACESYSGOOD);
  for (unsigned int i = 0; i < target->asleep; i++) {
    pid_t tid = target->asleep_tids[i];

    trace(PTRACE_SEIZE, tid, (void *)PTRACE_O_TRACESYSGOOD);
    trace(PTRACE_INTERRUPT, tid, NULL);
    wait_stop(tid);
    trace(PTRACE_SYSCALL, tid, NULL); /* to where the call is entered again */
    wait_stop(tid);
    trace(PTRACE_SYSCALL, tid, NULL); /* asleep: the next stop is the call's exit */
  }
  session->memory = open(path, O_RDWR | O_CLOEXEC);
  if (session->memory < 0)
    bench_die("bare: %s cannot be opened", path);
}

void
bare_detach(bare_session *session)
{
  const hit_target *target = session->target;

  bare_stop_busy(session, 0);
  for (unsigned int i = 0; i < target->asleep; i++) {
    trace(PTRACE_INTERRUPT, target->asleep_tids[i], NULL);
    wait_stop(target->asleep_tids[i]);
  }
  for (unsigned int i = 0; i < target->asleep; i++)
    trace(PTRACE_DETACH, target->asleep_tids[i], NULL);
  for (unsigned int i = 0; i < target->busy; i++)
    trace(PTRACE_DETACH, target->busy_tids[i], NULL);
  close(session->memory);
}

static void
write_byte(bare_session *session, uint64_t address, uint8_t value)
{
  if (pwrite(session->memory, &value, 1, (off_t)address) != 1)
    bench_die("bare: the trap cannot be written");
}

/* push rbp, on the registers and the stack of a thread that stands behind its trap. */
static void
emulate_push(pid_t pid, struct user_regs_struct *registers)
{
  uint64_t value = registers->rbp;
  struct iovec local = {&value, sizeof(value)};
  struct iovec remote = {(void *)(registers->rsp - 8), sizeof(value)};

  if (process_vm_writev(pid, &local, 1, &remote, 1, 0) != sizeof(value))
    bench_die("bare: the stack cannot be written");
  registers->rsp -= 8;
}

static void
go_on(bare_session *session, pid_t tid, uint64_t address, uint8_t original, bool emulated)
{
  struct user_regs_struct registers;

  trace(PTRACE_GETREGS, tid, &registers);
  if (registers.rip != address + 1)
    bench_die("bare: stopped elsewhere, at 0x%llx", registers.rip);
  if (emulated) {
    emulate_push(session->target->pid, &registers);
    trace(PTRACE_SETREGS, tid, &registers);
    return;
  }
  registers.rip = address;
  trace(PTRACE_SETREGS, tid, &registers);
  write_byte(session, address, original);
  trace(PTRACE_SINGLESTEP, tid, NULL);
  wait_stop(tid);
  write_byte(session, address, 0xcc);
}

double
bare_hits(bare_session *session, uint64_t address, bool emulated, unsigned int count)
{
  pid_t hitter = session->target->pid;
  struct user_regs_struct registers;
  uint8_t original;
  uint64_t start = 0, end;

  if (pread(session->memory, &original, 1, (off_t)address) != 1)
    bench_die("bare: the code cannot be read");
  write_byte(session, address, 0xcc);
  for (unsigned int i = 0; i <= count; i++) {
    if (WSTOPSIG(wait_stop(hitter)) != SIGTRAP)
      bench_die("bare: another signal");
    bare_stop_busy(session, hitter);
    if (i == 0)
      start = bench_now();
    if (i == count)
      break;
    go_on(session, hitter, address, original, emulated);
    bare_resume_busy(session, 0);
  }
  end = bench_now();
  write_byte(session, address, original);
  trace(PTRACE_GETREGS, hitter, &registers);
  registers.rip = address;
  trace(PTRACE_SETREGS, hitter, &registers);
  bare_resume_busy(session, 0);
  return (double)(end - start) / count;
}
