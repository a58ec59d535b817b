/* SPDX-License-Identifier: MIT */
/*
 * The guard: a process that outlives a tracer which is killed, and puts the target's bytes back.
 *
 * Why. When a tracer is SIGKILLed the kernel lets its target go on at once, with the traps in
 * place: a thread that meets one dies of SIGTRAP. Nobody who only watches is fast enough. So the
 * guard traces the tracer: one that is about to end stops first (PTRACE_EVENT_EXIT), also when
 * SIGKILL ends it, and what it traces stays as it is meanwhile. In that moment the guard does what
 * the tracer's own clean-up does to the target's memory, then lets it end.
 *
 *   tracer starts -> guard seizes it -> waits --tracer's event: exit--> heals -> lets it end, ends
 *                                        '----- tracer ends its session: guard killed by it
 *
 * Invariants
 *   - the guard shares memory and descriptors with the tracer, and touches neither before the
 *     tracer stands still for good. Then it calls nothing that would change the tracer's structures
 *     in a way that a torn one could not bear.
 *   - no signal reaches the tracer in its every-day work: each would be a stop of it. SIGCHLD stays
 *     blocked and is read from a descriptor.
 *   - the guard is nobody's but init's: the tracer, whose waits are for its tracees, never sees it.
 *   - without a guard (it was refused, or killed) the tracer works as with one.
 *
 * What it cannot do: registers belong to the tracer. A thread that stands at a reported hit has its
 * PC at the trap's address, as of the moment in which the hit was taken. One whose trap the tracer
 * did not take yet gets its SIGTRAP; one that is in the middle of a step in place or of a remote
 * call is lost too.
 */
#include "config.h"

#include "cordbg/tracer/tracing.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GUARD_STACK (256u << 10)
#define GUARD_PATIENCE_S 10

#ifndef PR_SET_PTRACER
#define PR_SET_PTRACER 0x59616d61
#endif

/* Its frames lie on a stack that AddressSanitizer knows nothing of, and it does not return. */
#define NO_MARKS __attribute__((no_sanitize("address")))

enum { GUARD_NONE, GUARD_ALLOWED, GUARD_ON, GUARD_REFUSED };

static struct {
  int pid, tracer;
  int pidfd; /* of the guard */
  _Atomic int state;
} guard;

/* errno is the tracer's too: it is left alone. */
NO_MARKS static long
call(long number, long a, long b, long c, long d)
{
  register long r10 __asm__("r10") = d;
  long result;

  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}

NO_MARKS static void
set_state(int state)
{
  atomic_store(&guard.state, state);
  call(SYS_futex, (long)&guard.state, FUTEX_WAKE_PRIVATE, 1, 0);
}

/* true: the tracer goes on. */
NO_MARKS static bool
take_stop(cordbg_tracing *tracing, int status)
{
  long signal = (status >> 8) & 0xff;
  int event = status >> 16;

  if (!WIFSTOPPED(status))
    return false;
  if (event == PTRACE_EVENT_EXIT) {
    cordbg_tracing_put_bytes_back(tracing);
    signal = 0;
  }
  if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
    call(SYS_ptrace, PTRACE_LISTEN, guard.tracer, 0, 0); /* until SIGCONT */
    return true;
  }
  if (event != 0)
    signal = 0;
  call(SYS_ptrace, PTRACE_CONT, guard.tracer, 0, signal);
  return true;
}

NO_MARKS static int
keep_guard(void *data)
{
  cordbg_tracing *tracing = data;
  int status;

  while (atomic_load(&guard.state) == GUARD_NONE)
    call(SYS_futex, (long)&guard.state, FUTEX_WAIT_PRIVATE, GUARD_NONE, 0);
  call(SYS_prctl, PR_SET_NAME, (long)"cordbg-guard", 0, 0);
  if (call(SYS_ptrace, PTRACE_SEIZE, guard.tracer, 0, PTRACE_O_TRACEEXIT) != 0) {
    set_state(GUARD_REFUSED);
  } else {
    set_state(GUARD_ON);
    while (call(SYS_wait4, guard.tracer, (long)&status, __WALL, 0) == guard.tracer &&
           take_stop(tracing, status))
      continue;
  }
  call(SYS_exit_group, 0, 0, 0, 0);
  return 0;
}

void
cordbg_guard_start(cordbg_tracing *tracing)
{
  const char *unguarded = getenv("CORDBG_UNGUARDED");
  char *stack = mmap(NULL, GUARD_STACK, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

  if (stack == MAP_FAILED || (unguarded != NULL && *unguarded != '\0'))
    return;
  guard.tracer = getpid();
  guard.pid = clone(keep_guard, stack + GUARD_STACK,
                    CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_PARENT, tracing);
  if (guard.pid < 0)
    return;
  guard.pidfd = (int)syscall(SYS_pidfd_open, guard.pid, 0);
  prctl(PR_SET_PTRACER, guard.pid, 0, 0, 0); /* for yama */
  set_state(GUARD_ALLOWED);
}

void
cordbg_guard_await(void)
{
  struct timespec limit = {.tv_sec = GUARD_PATIENCE_S};

  while (guard.pid > 0 && atomic_load(&guard.state) == GUARD_ALLOWED)
    if (call(SYS_futex, (long)&guard.state, FUTEX_WAIT_PRIVATE, GUARD_ALLOWED, (long)&limit) ==
        -ETIMEDOUT)
      break;
}

void
cordbg_guard_end(void)
{
  struct pollfd polled = {.fd = guard.pidfd, .events = POLLIN};

  if (guard.pid <= 0 || atomic_load(&guard.state) != GUARD_ON || guard.pidfd < 0)
    return;
  syscall(SYS_pidfd_send_signal, guard.pidfd, SIGKILL, NULL, 0);
  poll(&polled, 1, GUARD_PATIENCE_S * 1000);
}
