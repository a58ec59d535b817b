/* SPDX-License-Identifier: MIT */
/* Bare stop and continue of the busy threads (bare.h). */
#include "config.h"

#include "tests/bench/bare.h"

#include <sys/ptrace.h>
#include <sys/wait.h>

#include "tests/bench/bench.h"

#define SPIN_NS 20000u

pid_t
bare_wait(int *status)
{
  uint64_t until = bench_now() + SPIN_NS;
  pid_t tid;

  do {
    tid = waitpid(-1, status, __WALL | WNOHANG);
  } while (tid == 0 && bench_now() < until);
  if (tid == 0)
    tid = waitpid(-1, status, __WALL);
  if (tid <= 0 || !WIFSTOPPED(*status))
    bench_die("bare: a thread is gone");
  return tid;
}

/* All are asked before any is waited for: they stop side by side, in any order. */
void
bare_stop_busy(bare_session *session, pid_t except)
{
  const hit_target *target = session->target;
  unsigned int asked = 0;
  int status;

  for (unsigned int i = 0; i < target->busy; i++) {
    if (target->busy_tids[i] == except)
      continue;
    if (ptrace(PTRACE_INTERRUPT, target->busy_tids[i], NULL, NULL) != 0)
      bench_die("bare: a thread cannot be interrupted");
    asked++;
  }
  for (unsigned int i = 0; i < asked; i++)
    bare_wait(&status);
}

void
bare_resume_busy(bare_session *session, pid_t except)
{
  const hit_target *target = session->target;

  for (unsigned int i = 0; i < target->busy; i++)
    if (target->busy_tids[i] != except &&
        ptrace(PTRACE_CONT, target->busy_tids[i], NULL, NULL) != 0)
      bench_die("bare: a thread cannot be resumed");
}

double
bare_stops(bare_session *session, unsigned int count)
{
  uint64_t start = bench_now();

  for (unsigned int i = 0; i < count; i++) {
    bare_stop_busy(session, 0);
    bare_resume_busy(session, 0);
  }
  return (double)(bench_now() - start) / count;
}
