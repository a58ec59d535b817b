/* SPDX-License-Identifier: MIT */
/* The threads that are traced: their list, their states, stopping and resuming them. */
#include "config.h"

#include "cordbg/tracer/tracing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How long a thread may take to answer an interrupt before its kernel state is looked at. */
#define STOP_PATIENCE_NS 2000000ull
#define SHORT_TURN_NS 100000u

cordbg_tracee *
cordbg_tracee_find(const cordbg_tracing *tracing, int tid)
{
  cordbg_tracee *tracee = tracing->buckets[(unsigned)tid % CORDBG_TRACEE_BUCKETS];
  while (tracee != NULL && tracee->tid != tid)
    tracee = tracee->next_in_bucket;
  return tracee;
}

cordbg_tracee *
cordbg_tracee_add(cordbg_tracing *tracing, int tid, cordbg_tracee_process *process)
{
  cordbg_tracee *tracee = calloc(1, sizeof *tracee);
  if (tracee == NULL)
    return NULL;
  tracee->tid = tid;
  tracee->process = process;
  tracee->state = CORDBG_TRACEE_EXITING; /* not counted until set_state */
  tracee->next = tracing->tracees;
  if (tracing->tracees != NULL)
    tracing->tracees->previous = tracee;
  tracing->tracees = tracee;
  cordbg_tracee **bucket = &tracing->buckets[(unsigned)tid % CORDBG_TRACEE_BUCKETS];
  tracee->next_in_bucket = *bucket;
  *bucket = tracee;
  if (process != NULL)
    process->threads++;
  return tracee;
}

void
cordbg_tracee_remove(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_EXITING);
  cordbg_tracing_unqueue(tracing, tracee);
  if (tracee->previous != NULL)
    tracee->previous->next = tracee->next;
  else
    tracing->tracees = tracee->next;
  if (tracee->next != NULL)
    tracee->next->previous = tracee->previous;
  cordbg_tracee **link = &tracing->buckets[(unsigned)tracee->tid % CORDBG_TRACEE_BUCKETS];
  while (*link != tracee)
    link = &(*link)->next_in_bucket;
  *link = tracee->next_in_bucket;
  if (tracee->process != NULL)
    cordbg_process_unref(tracing, tracee->process);
  free(tracee);
}

cordbg_tracee_process *
cordbg_process_add(cordbg_tracing *tracing, int pid)
{
  cordbg_tracee_process *process = calloc(1, sizeof *process);
  if (process == NULL)
    return NULL;
  process->pid = pid;
  process->mem = -1;
  process->next = tracing->processes;
  tracing->processes = process;
  return process;
}

void
cordbg_process_unref(cordbg_tracing *tracing, cordbg_tracee_process *process)
{
  if (--process->threads > 0 || process->target)
    return;
  cordbg_tracee_process **link = &tracing->processes;
  while (*link != process)
    link = &(*link)->next;
  *link = process->next;
  if (process->mem >= 0)
    close(process->mem);
  free(process);
}

static bool
is_moving(const cordbg_tracee *tracee, cordbg_tracee_state state)
{
  return tracee->process != NULL && tracee->process->target &&
         (state == CORDBG_TRACEE_NEW || state == CORDBG_TRACEE_RUNNING);
}

void
cordbg_tracee_set_state(cordbg_tracing *tracing, cordbg_tracee *tracee, cordbg_tracee_state state)
{
  if (is_moving(tracee, tracee->state))
    tracing->moving--;
  tracee->state = state;
  if (is_moving(tracee, state))
    tracing->moving++;
}

bool
cordbg_tracee_fetch(cordbg_tracee *tracee)
{
  if (tracee->registers_valid)
    return true;
  if (ptrace(PTRACE_GETREGS, tracee->tid, NULL, &tracee->registers) != 0)
    return false;
  tracee->registers_valid = true;
  return true;
}

void
cordbg_tracee_flush(cordbg_tracee *tracee)
{
  if (tracee->registers_dirty)
    ptrace(PTRACE_SETREGS, tracee->tid, NULL, &tracee->registers);
  tracee->registers_dirty = false;
}

void
cordbg_tracee_resume(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  enum __ptrace_request how = PTRACE_CONT;
  cordbg_tracee_state state = CORDBG_TRACEE_RUNNING;
  long signal = 0;

  cordbg_tracee_flush(tracee);
  tracee->entering = false;
  switch (tracee->stop) {
  case CORDBG_STOP_SIGNAL:
    signal = tracee->signal;
    break;
  case CORDBG_STOP_GROUP:
    how = PTRACE_LISTEN;
    state = CORDBG_TRACEE_LISTENING;
    break;
  case CORDBG_STOP_SYSCALL_ENTRY:
    how = PTRACE_SYSCALL;
    state = CORDBG_TRACEE_ASLEEP;
    break;
  case CORDBG_STOP_SYSCALL_EXIT:
  case CORDBG_STOP_INTERRUPT:
    if (tracee->restarts) {
      how = PTRACE_SYSCALL; /* the next stop is the call's entry */
      tracee->entering = true;
    }
    break;
  case CORDBG_STOP_EVENT:
    if (tracee->vforks)
      state = CORDBG_TRACEE_VFORKING;
    tracee->vforks = false;
    break;
  case CORDBG_STOP_EXIT:
    state = CORDBG_TRACEE_EXITING;
    break;
  }
  if (tracee->steps && how == PTRACE_CONT && state == CORDBG_TRACEE_RUNNING)
    how = (enum __ptrace_request)cordbg_tracee_step_request(tracing, tracee);
  tracee->restarts = false;
  tracee->signal = 0;
  tracee->registers_valid = false;
  if (ptrace(how, tracee->tid, NULL, (void *)signal) != 0) {
    /* ESRCH: SIGKILL took it out of its stop; the exit is on its way. */
    cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_EXITING);
    return;
  }
  cordbg_tracee_set_state(tracing, tracee, state);
}

bool
cordbg_tracee_is_uninterruptible(int pid, int tid)
{
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return true; /* gone: it will not run */
  ssize_t size = read(fd, text, sizeof text - 1);
  close(fd);
  if (size <= 0)
    return true;
  text[size] = '\0';
  const char *name_end = strrchr(text, ')');
  if (name_end == NULL || name_end[1] == '\0')
    return false;
  return name_end[2] == 'D' || name_end[2] == 'Z' || name_end[2] == 'X';
}

bool
cordbg_tracee_interrupt(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  if (tracee->interrupted)
    return true;
  if (ptrace(PTRACE_INTERRUPT, tracee->tid, NULL, NULL) != 0)
    return false; /* ESRCH: it is dying */
  tracee->interrupted = true;
  tracing->statistics.interrupts++;
  return true;
}

/* Threads that answer no interrupt because the kernel does not let them count as asleep. */
static void
look_at_the_late(cordbg_tracing *tracing)
{
  for (cordbg_tracee *tracee = tracing->tracees; tracee != NULL; tracee = tracee->next) {
    if (tracee->process == tracing->target && is_moving(tracee, tracee->state) &&
        cordbg_tracee_is_uninterruptible(tracing->target->pid, tracee->tid))
      cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_LATE);
  }
}

int
cordbg_tracing_live_tid(const cordbg_tracing *tracing)
{
  /* The leader lives longest as a rule; any other thread may end before its name is used. */
  const cordbg_tracee *leader = cordbg_tracee_find(tracing, tracing->target->pid);
  if (leader != NULL && leader->state != CORDBG_TRACEE_EXITING)
    return leader->tid;
  for (const cordbg_tracee *tracee = tracing->tracees; tracee != NULL; tracee = tracee->next) {
    if (tracee->process == tracing->target && tracee->state != CORDBG_TRACEE_EXITING)
      return tracee->tid;
  }
  return tracing->target->pid;
}

/*
 * Short turns on the CPU in exchange for early ones (Linux 6.12 and newer; ignored by others): a
 * stop of a target that keeps every CPU busy must not wait for the end of its threads' turns. Only
 * then: with a CPU to spare, short turns make each hit dearer (docs/performance.md).
 */
static void
ask_for_turns(cordbg_tracing *tracing, bool short_ones)
{
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes = {.size = sizeof attributes, .runtime = short_ones ? SHORT_TURN_NS : 0};
  if (short_ones == tracing->short_turns)
    return;
  tracing->short_turns = short_ones;
  errno = 0;
  attributes.nice = getpriority(PRIO_PROCESS, 0);
  if (errno == 0)
    syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void
cordbg_tracing_stop_all(cordbg_tracing *tracing)
{
  tracing->hold = true;
  ask_for_turns(tracing, tracing->moving > tracing->cpus);
  if (tracing->moving == 0)
    return;
  for (cordbg_tracee *tracee = tracing->tracees; tracee != NULL; tracee = tracee->next) {
    if (tracee->process == tracing->target && tracee->state == CORDBG_TRACEE_RUNNING)
      cordbg_tracee_interrupt(tracing, tracee);
  }
  uint64_t patience = cordbg_tracing_now() + STOP_PATIENCE_NS;
  while (tracing->moving > 0) {
    if (cordbg_tracing_take_stops(tracing) || cordbg_tracing_take_exits(tracing))
      continue;
    if (tracing->moving == 0)
      break;
    cordbg_tracing_wait_child(tracing, STOP_PATIENCE_NS);
    if (cordbg_tracing_now() > patience) {
      look_at_the_late(tracing);
      patience = cordbg_tracing_now() + STOP_PATIENCE_NS;
    }
  }
}

/* A thread that stands on a trap which it is to go on from. */
static bool
awaits_step(const cordbg_tracee *tracee)
{
  return tracee->over != 0 && tracee->state == CORDBG_TRACEE_STOPPED &&
         tracee->stop != CORDBG_STOP_GROUP && tracee->process != NULL && !tracee->stepping;
}

void
cordbg_tracing_step_waiting(cordbg_tracing *tracing, bool target_too)
{
  tracing->needs_still = false;
  for (cordbg_tracee *tracee = tracing->tracees, *next; tracee != NULL; tracee = next) {
    next = tracee->next;
    if (!awaits_step(tracee) || (tracee->process->target && !target_too))
      continue;
    int following = next != NULL ? next->tid : 0;
    bool ready = cordbg_tracee_step_over(tracing, tracee);
    if (ready && !tracee->process->target)
      cordbg_tracee_resume(tracing, tracee);
    /* Events taken meanwhile may have removed threads from the list: look the next one up, and
       when it went, begin again (those done do not await a step any more). */
    if (following != 0 && (next = cordbg_tracee_find(tracing, following)) == NULL)
      next = tracing->tracees;
  }
}

void
cordbg_tracing_resume_all(cordbg_tracing *tracing)
{
  if (tracing->target == NULL)
    return;
  cordbg_tracing_step_waiting(tracing, true);
  if (cordbg_tracing_has_report(tracing))
    return;
  tracing->hold = false;
  for (cordbg_tracee *tracee = tracing->tracees; tracee != NULL; tracee = tracee->next) {
    if (tracee->process == tracing->target && tracee->state == CORDBG_TRACEE_STOPPED)
      cordbg_tracee_resume(tracing, tracee);
  }
}

bool
cordbg_tracee_await(cordbg_tracing *tracing, int tid)
{
  uint64_t patience = cordbg_tracing_now() + STOP_PATIENCE_NS;
  for (;;) {
    cordbg_tracee *tracee = cordbg_tracee_find(tracing, tid);
    if (tracee == NULL || tracee->state == CORDBG_TRACEE_EXITING)
      return false;
    if (tracee->state == CORDBG_TRACEE_STOPPED)
      return true;
    if (cordbg_tracing_take_stops(tracing) || cordbg_tracing_take_exits(tracing))
      continue;
    cordbg_tracing_wait_child(tracing, STOP_PATIENCE_NS);
    if (cordbg_tracing_now() > patience) {
      if (tracee->process == NULL ||
          cordbg_tracee_is_uninterruptible(tracee->process->pid, tracee->tid))
        return false;
      patience = cordbg_tracing_now() + STOP_PATIENCE_NS;
    }
  }
}

bool
cordbg_tracee_wake(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  int tid = tracee->tid;
  if (tracee->state == CORDBG_TRACEE_STOPPED)
    return true;
  if (tracee->state != CORDBG_TRACEE_ASLEEP && tracee->state != CORDBG_TRACEE_LISTENING &&
      tracee->state != CORDBG_TRACEE_RUNNING)
    return false;
  return cordbg_tracee_interrupt(tracing, tracee) && cordbg_tracee_await(tracing, tid);
}
