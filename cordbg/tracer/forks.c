/* SPDX-License-Identifier: MIT */
/*
 * Births and execs: new threads, children, new images.
 *
 *   thread                        traced like its siblings
 *   fork, own memory              its copies of the traps are removed before it runs, then it is
 *                                 let go; unless code lies in shared memory, where traps planted
 *                                 later would show: then it stays traced, as below
 *   vfork, CLONE_VM               stays traced but is never held: its traps are stepped over
 *                                 silently until it execs or exits
 *   exec of the target            the patches are dropped without writing, descriptors reopened
 *   exec of a child               let go
 */
#include "config.h"

#include "cordbg/tracer/tracing.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The flags of the call that made the child; from the event where registers do not tell. */
static uint64_t
birth_flags(cordbg_tracing *tracing, cordbg_tracee *parent, int event)
{
  uint64_t flags = 0;
  if (cordbg_tracee_fetch(parent)) {
    switch ((long)parent->registers.orig_rax) {
    case SYS_fork:
      return 0;
    case SYS_vfork:
      return CLONE_VM | CLONE_VFORK;
    case SYS_clone:
      return parent->registers.rdi;
    case SYS_clone3:
      if (cordbg_space_load(&tracing->space, parent->registers.rdi, &flags, sizeof flags))
        return flags;
      break;
    default: /* int 0x80 and whatever else there is */
      break;
    }
  }
  if (event == PTRACE_EVENT_CLONE)
    return CLONE_VM | CLONE_THREAD;
  return event == PTRACE_EVENT_VFORK ? CLONE_VM | CLONE_VFORK : 0;
}

static void
join(cordbg_tracing *tracing, cordbg_tracee *tracee, cordbg_tracee_process *process)
{
  cordbg_tracee_state state = tracee->state;
  cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_EXITING);
  tracee->process = process;
  process->threads++;
  cordbg_tracee_set_state(tracing, tracee, state);
}

/* Code in shared memory (W^X): traps that are planted there later show in a fork child as well. */
static bool
has_shared_code(cordbg_space *space)
{
  static cordbg_maps_iterator iterator; /* large; one thread */
  cordbg_mapping mapping;
  cordbg_maps_begin(&iterator, &space->maps);
  while (cordbg_maps_next(&iterator, &mapping, NULL, NULL) == S_OK) {
    if (mapping.shared && (mapping.prot & PROT_EXEC) != 0)
      return true;
  }
  return false;
}

static void
let_go(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  cordbg_tracee_flush(tracee);
  ptrace(PTRACE_DETACH, tracee->tid, NULL, (void *)(long)tracee->signal);
  cordbg_tracee_remove(tracing, tracee);
}

void
cordbg_tracing_on_newborn(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  cordbg_tracee_process *process = tracee->process;
  bool keep = process->shares_memory;
  process->newborn = false;
  if (!keep) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", process->pid);
    process->mem = open(path, O_RDWR | O_CLOEXEC);
    if (process->mem >= 0)
      keep = cordbg_patches_heal_copy(&tracing->patches, process->mem);
    keep = keep || has_shared_code(&tracing->space);
  }
  tracee->stop = CORDBG_STOP_INTERRUPT;
  cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_STOPPED);
  if (keep && !tracing->letting_go)
    cordbg_tracee_resume(tracing, tracee);
  else
    let_go(tracing, tracee);
}

/* Children that stopped before the event that would have told of them. */
static void
release_strangers(cordbg_tracing *tracing)
{
  for (cordbg_tracee *tracee = tracing->tracees, *next; tracee != NULL; tracee = next) {
    next = tracee->next;
    if (tracee->process != NULL || tracee->state != CORDBG_TRACEE_STOPPED)
      continue;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", tracee->tid);
    int mem = open(path, O_RDWR | O_CLOEXEC);
    if (mem >= 0) {
      cordbg_patches_heal_copy(&tracing->patches, mem);
      close(mem);
    }
    let_go(tracing, tracee);
  }
}

void
cordbg_tracing_heal_survivors(cordbg_tracing *tracing)
{
  release_strangers(tracing);
  for (cordbg_tracee *tracee = tracing->tracees; tracee != NULL; tracee = tracee->next) {
    if (tracee->process == NULL || tracee->process->target ||
        tracee->state == CORDBG_TRACEE_EXITING)
      continue;
    /* The same memory, or the same shared pages, by way of one that still has them. */
    cordbg_space survivor;
    if (SUCCEEDED(cordbg_space_open(&survivor, tracee->tid, NULL))) {
      cordbg_space_close(&tracing->space);
      tracing->space = survivor;
      cordbg_patches_restore_all(&tracing->patches, &tracing->space);
      cordbg_tracing_step_waiting(tracing, false);
      return;
    }
  }
}

static void
on_thread(cordbg_tracing *tracing, cordbg_tracee *parent, cordbg_tracee *child)
{
  if (child->process == NULL)
    join(tracing, child, parent->process);
  if (child->process->target && !child->announced) {
    child->announced = true;
    child->unborn = cordbg_tracing_tells_threads(tracing);
    if ((tracing->wanted & CORDBG_WANT_THREADS) != 0) {
      cordbg_event event = {.kind = CORDBG_EVENT_THREAD_CREATED, .tid = child->tid};
      cordbg_tracing_send(tracing, &event, false, false);
    }
  }
}

static void
on_child(cordbg_tracing *tracing, cordbg_tracee *parent, cordbg_tracee *child, uint64_t flags)
{
  cordbg_tracee_process *process = cordbg_process_add(tracing, child->tid);
  if (process == NULL)
    return;
  process->shares_memory = (flags & CLONE_VM) != 0;
  process->newborn = true;
  join(tracing, child, process);
  if (parent->process->target) {
    cordbg_event event = {.kind = CORDBG_EVENT_FORK, .tid = parent->tid, .code = child->tid};
    cordbg_tracing_send(tracing, &event, false, false);
  }
}

void
cordbg_tracing_on_birth(cordbg_tracing *tracing, cordbg_tracee *parent, int event, int tid)
{
  uint64_t flags = birth_flags(tracing, parent, event);
  cordbg_tracee *child = cordbg_tracee_find(tracing, tid);
  bool waits = child != NULL && child->process == NULL; /* stopped as a stranger */

  if (child == NULL) {
    child = cordbg_tracee_add(tracing, tid, NULL);
    if (child != NULL)
      cordbg_tracee_set_state(tracing, child, CORDBG_TRACEE_NEW);
  }
  if (child != NULL && (flags & CLONE_THREAD) != 0)
    on_thread(tracing, parent, child);
  else if (child != NULL && child->process == NULL)
    on_child(tracing, parent, child, flags);
  if (child != NULL && waits && child->process != NULL) {
    if (child->process->newborn)
      cordbg_tracing_on_newborn(tracing, child);
    else if (child->unborn)
      cordbg_tracing_queue(tracing, child, CORDBG_REPORT_BIRTH);
    if (cordbg_tracee_find(tracing, tid) == child && !child->process->newborn &&
        child->state == CORDBG_TRACEE_STOPPED &&
        (!child->process->target || (child->unborn ? tracing->calling : !tracing->hold)))
      cordbg_tracee_resume(tracing, child);
  }
  parent->vforks = event == PTRACE_EVENT_VFORK;
  parent->stop = CORDBG_STOP_EVENT;
  cordbg_tracee_set_state(tracing, parent, CORDBG_TRACEE_STOPPED);
  if (!parent->process->target || !tracing->hold)
    cordbg_tracee_resume(tracing, parent);
}

/* Threads of the process other than the one that executed the new image are gone. */
static void
remove_others(cordbg_tracing *tracing, const cordbg_tracee *stays)
{
  for (cordbg_tracee *tracee = tracing->tracees, *next; tracee != NULL; tracee = next) {
    next = tracee->next;
    if (tracee != stays && tracee->process == stays->process)
      cordbg_tracee_remove(tracing, tracee);
  }
}

void
cordbg_tracing_on_exec(cordbg_tracing *tracing, cordbg_tracee *tracee, int former)
{
  (void)former;
  remove_others(tracing, tracee);
  cordbg_tracing_unqueue(tracing, tracee);
  tracee->over = tracee->silent = 0;
  tracee->own_trap = tracee->mended = tracee->restarts = false;
  tracee->stop = CORDBG_STOP_EVENT;
  cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_STOPPED);
  if (!tracee->process->target) {
    let_go(tracing, tracee);
    return;
  }
  cordbg_patches_forget(&tracing->patches);
  tracing->cleanup_count = 0;
  tracing->own_start = tracing->own_end = 0;
  tracing->pass_count = 0;
  tracing->cleanup_kick = 0;
  int pid = tracing->target->pid;
  cordbg_space_close(&tracing->space);
  cordbg_space_open(&tracing->space, pid, NULL);
  tracing->launching = false;
  tracing->exec_pending = true;
  tracing->exec_tid = tracee->tid;
}
