/* SPDX-License-Identifier: MIT */
/*
 * What the kernel reports about the traced threads, and what each report means.
 *
 * Stops and exits are taken separately: an exit is looked at before it is reaped, so that the
 * table says "gone" while the pid still belongs to the target.
 */
#include "config.h"

#include "cordbg/tracer/tracing.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Values of si_code that the C library names only in part. */
enum {
  TRAP_CODE_KERNEL = 0x80, /* int3 */
  TRAP_CODE_BRKPT = 1,
  TRAP_CODE_TRACE = 2,
};

uint64_t
cordbg_tracing_now(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void
cordbg_tracing_wait_child(const cordbg_tracing *tracing, uint64_t timeout_ns)
{
  struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000u),
                             .tv_nsec = (long)(timeout_ns % 1000000000u)};
  struct pollfd polled;
  cordbg_tracing_sleep(tracing, &polled, 1, &timeout);
}

/* ---- The queue of reports ---- */

void
cordbg_tracing_queue(cordbg_tracing *tracing, cordbg_tracee *tracee, cordbg_tracee_report report)
{
  if (tracee->queued)
    return;
  tracee->queued = true;
  tracee->report = report;
  tracee->next_in_queue = NULL;
  *tracing->reports_tail = tracee;
  tracing->reports_tail = &tracee->next_in_queue;
  tracing->report_count++;
}

void
cordbg_tracing_unqueue(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  if (!tracee->queued)
    return;
  tracee->queued = false;
  cordbg_tracee **link = &tracing->reports;
  while (*link != NULL && *link != tracee)
    link = &(*link)->next_in_queue;
  if (*link == tracee)
    *link = tracee->next_in_queue;
  if (tracing->reports_tail == &tracee->next_in_queue)
    tracing->reports_tail = link;
  tracee->next_in_queue = NULL;
  tracing->report_count--;
}

static void
queue_hit(cordbg_tracing *tracing, cordbg_tracee *tracee, const cordbg_patch *patch)
{
  if (tracee->queued)
    return;
  tracee->hit = patch->address;
  tracee->hit_serial = patch->serial;
  tracee->told_layers = 0;
  tracee->steps = false; /* the trap came first */
  /* At once: should this process be killed, the thread executes its own instruction (guard.c). */
  if (tracee->at_sigtrap && tracee->registers_dirty &&
      ptrace(PTRACE_POKEUSER, tracee->tid, offsetof(struct user, regs.rip), patch->address) == 0)
    tracee->registers_dirty = false;
  cordbg_tracing_queue(tracing, tracee, CORDBG_REPORT_HIT);
}

/* ---- Stops ---- */

static void
stay_or_go(cordbg_tracing *tracing, cordbg_tracee *tracee, cordbg_tracee_stop stop)
{
  tracee->stop = stop;
  cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_STOPPED);
  if (tracee->process == NULL || tracee->stepping || tracing->letting_go)
    return;
  if (tracee->process->target && tracing->hold && !tracee->in_call)
    return;
  /* On a trap that need not be reported (again): a child's, or a group stop came in between. */
  if (tracee->over != 0 && stop != CORDBG_STOP_GROUP && !cordbg_tracee_step_over(tracing, tracee))
    return;
  cordbg_tracee_resume(tracing, tracee);
}

/* A signal-delivery stop: reported first when the client wants to know, else passed on. */
static void
tell_or_pass(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  tracing->statistics.signals_passed++;
  if (!tracee->stepping && cordbg_tracing_tells_signal(tracing, tracee)) {
    tracee->stop = CORDBG_STOP_SIGNAL;
    cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_STOPPED);
    cordbg_tracing_queue(tracing, tracee, CORDBG_REPORT_SIGNAL);
    return;
  }
  stay_or_go(tracing, tracee, CORDBG_STOP_SIGNAL);
}

/* The trap at address is one of ours, or just was. NULL: it is the program's own. */
static cordbg_patch *
patch_behind(cordbg_tracing *tracing, uint64_t address)
{
  cordbg_patch *patch = cordbg_patches_find_any(&tracing->patches, address);
  if (patch == NULL || patch->layers != 0)
    return patch;
  /* Dead: a thread that ran into it just before it went. The program's own int3 there, written
     since, is seen by its byte. */
  uint8_t byte;
  if (patch->dead_since == 0 ||
      (cordbg_space_read(&tracing->space, address, &byte, 1) == 1 && byte == CORDBG_TRAP))
    return NULL;
  return patch;
}

static bool
words_match(cordbg_tracing *tracing, const cordbg_pass *pass)
{
  for (unsigned i = 0; i < 2; i++) {
    uint64_t word;
    if (pass->words[i] != 0 &&
        (cordbg_space_read(&tracing->space, pass->words[i], &word, sizeof word) != sizeof word ||
         word != pass->values[i]))
      return false;
  }
  return true;
}

/* The client asked not to hear of hits like this one (PASSES). */
static bool
passes(cordbg_tracing *tracing, const cordbg_patch *patch)
{
  for (uint32_t i = 0; i < tracing->pass_count && patch->layers == CORDBG_LAYER_INTERNAL; i++)
    if (tracing->passes[i].trap == patch->address && words_match(tracing, &tracing->passes[i]))
      return true;
  return false;
}

static void
on_hit(cordbg_tracing *tracing, cordbg_tracee *tracee, cordbg_patch *patch)
{
  tracee->registers.rip = patch->address;
  tracee->registers_dirty = true;
  tracee->signal = 0;
  tracee->at_sigtrap = true;
  tracing->statistics.signals_swallowed++;
  if (tracee->stepping && tracee->step_target == patch->address) {
    tracee->stepped = true;
    stay_or_go(tracing, tracee, CORDBG_STOP_SIGNAL);
    return;
  }
  if (tracee->in_call && patch->address == tracee->call_return &&
      tracee->registers.rsp == tracee->call_stack) {
    tracee->call_done = true;
    tracee->stop = CORDBG_STOP_SIGNAL;
    cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_STOPPED);
    return;
  }
  if (patch->layers == 0) { /* removed meanwhile: it just runs on */
    stay_or_go(tracing, tracee, CORDBG_STOP_SIGNAL);
    return;
  }
  if (!tracee->process->target || tracee->in_call || tracee->silent == patch->address ||
      passes(tracing, patch)) {
    /* Reported before, or not to be reported: a child that shares the code, or what passes. */
    tracee->silent = 0;
    tracee->over = patch->address;
    stay_or_go(tracing, tracee, CORDBG_STOP_SIGNAL);
    return;
  }
  tracing->statistics.hits++;
  tracee->stop = CORDBG_STOP_SIGNAL;
  cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_STOPPED);
  queue_hit(tracing, tracee, patch);
}

/* The SIGTRAP that ends a step of the client's. TRAP_BRKPT: behind a system call; SIGTRAP: at the
 * first instruction of a handler. */
static bool
ends_step(const siginfo_t *info)
{
  return info->si_code == TRAP_CODE_TRACE || info->si_code == TRAP_CODE_BRKPT ||
         info->si_code == SIGTRAP;
}

/* The program's own int3, which the client wants to hear of in place of a signal. */
static void
on_own_trap(cordbg_tracing *tracing, cordbg_tracee *tracee, uint64_t address)
{
  tracee->signal = 0;
  tracing->statistics.signals_swallowed++;
  if (tracee->queued || tracee->in_call || tracee->stepping) {
    stay_or_go(tracing, tracee, CORDBG_STOP_SIGNAL);
    return;
  }
  tracee->hit = address;
  tracee->steps = false;
  tracee->stop = CORDBG_STOP_SIGNAL;
  cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_STOPPED);
  cordbg_tracing_queue(tracing, tracee, CORDBG_REPORT_OWN_TRAP);
}

/* A SIGTRAP in a signal-delivery stop: ours, or the target's? */
static void
on_sigtrap(cordbg_tracing *tracing, cordbg_tracee *tracee, bool armed)
{
  siginfo_t info;
  tracee->signal = SIGTRAP;
  if (!cordbg_tracee_fetch(tracee) || ptrace(PTRACE_GETSIGINFO, tracee->tid, NULL, &info) != 0) {
    cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_EXITING);
    return;
  }
  if (tracee->stepping && info.si_code == TRAP_CODE_TRACE) {
    tracee->stepped = true;
    tracee->signal = 0;
    stay_or_go(tracing, tracee, CORDBG_STOP_SIGNAL);
    return;
  }
  if (info.si_code == TRAP_CODE_KERNEL || info.si_code == TRAP_CODE_BRKPT) {
    uint64_t address = tracee->registers.rip - 1;
    if (tracee->own_trap && tracee->over == address) {
      tracee->own_trap = false;
      tracee->over = 0;
      stay_or_go(tracing, tracee, CORDBG_STOP_SIGNAL);
      return;
    }
    cordbg_patch *patch = patch_behind(tracing, address);
    if (patch != NULL) {
      on_hit(tracing, tracee, patch);
      return;
    }
    if (info.si_code == TRAP_CODE_KERNEL && tracee->process->target &&
        address - tracing->own_start < tracing->own_end - tracing->own_start) {
      on_own_trap(tracing, tracee, address);
      return;
    }
  }
  if (armed && ends_step(&info)) {
    tracee->signal = 0;
    tracing->statistics.signals_swallowed++;
    tracee->stop = CORDBG_STOP_SIGNAL;
    cordbg_tracee_step_done(tracing, tracee);
    return;
  }
  tell_or_pass(tracing, tracee);
}

static void
on_signal(cordbg_tracing *tracing, cordbg_tracee *tracee, int signal, bool mended, bool armed)
{
  if (signal == SIGTRAP) {
    on_sigtrap(tracing, tracee, armed);
    return;
  }
  tracee->signal = signal;
  cordbg_tracee_on_signal(tracing, tracee, mended);
  tell_or_pass(tracing, tracee);
}

/* An int3 of ours was executed, or a step made, but the interrupt was reported first. */
static bool
trap_is_pending(cordbg_tracing *tracing, cordbg_tracee *tracee, bool armed)
{
  if (!armed && cordbg_patches_find_any(&tracing->patches, tracee->registers.rip - 1) == NULL)
    return false;
  siginfo_t infos[8];
  struct __ptrace_peeksiginfo_args arguments = {.off = 0, .flags = 0, .nr = 8};
  long count = ptrace(PTRACE_PEEKSIGINFO, tracee->tid, &arguments, infos);
  for (long i = 0; i < count; i++) {
    if (infos[i].si_signo == SIGTRAP &&
        (infos[i].si_code == TRAP_CODE_KERNEL || infos[i].si_code == TRAP_CODE_BRKPT ||
         (armed && infos[i].si_code == TRAP_CODE_TRACE)))
      return true;
  }
  return false;
}

/* Resumed, it takes that signal before any user code. */
static void
take_pending_trap(cordbg_tracing *tracing, cordbg_tracee *tracee, bool armed)
{
  bool steps = tracee->steps;
  tracee->steps = false;
  cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_STOPPED);
  cordbg_tracee_resume(tracing, tracee);
  tracee->steps = steps;
  tracee->step_armed = armed;
}

static void
on_interrupt_stop(cordbg_tracing *tracing, cordbg_tracee *tracee, bool ours, bool armed)
{
  tracee->stop = CORDBG_STOP_INTERRUPT;
  if (!cordbg_tracee_fetch(tracee)) {
    cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_EXITING);
    return;
  }
  if (tracee->process->newborn) {
    cordbg_tracing_on_newborn(tracing, tracee);
    return;
  }
  if (trap_is_pending(tracing, tracee, armed)) {
    take_pending_trap(tracing, tracee, armed);
    return;
  }
  if (tracee->unborn && !tracee->queued) {
    cordbg_tracing_queue(tracing, tracee, CORDBG_REPORT_BIRTH);
    if (!tracing->calling) {
      cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_STOPPED);
      return;
    }
  }
  tracee->restarts = (tracee->mended && cordbg_tracee_begins_again(tracee)) ||
                     cordbg_tracee_in_restart(tracing, tracee, ours);
  stay_or_go(tracing, tracee, CORDBG_STOP_INTERRUPT);
}

static void
on_syscall_stop(cordbg_tracing *tracing, cordbg_tracee *tracee, bool ours)
{
  bool entry = tracee->entering || tracee->state == CORDBG_TRACEE_RUNNING;
  tracee->entering = false;
  if (entry) {
    /* The interrupt is answered, but its wake-up is still felt: a call that looks for signals
       first ends at once. */
    tracee->felt_interrupt = ours;
    tracee->silent = 0; /* it came past the trap on the call, if there was one */
    if (tracee->process->target && tracing->hold && !tracee->in_call) {
      stay_or_go(tracing, tracee, CORDBG_STOP_SYSCALL_ENTRY);
      return;
    }
    tracee->stop = CORDBG_STOP_SYSCALL_ENTRY;
    cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_STOPPED);
    cordbg_tracee_resume(tracing, tracee);
    return;
  }
  ours = ours || tracee->felt_interrupt;
  tracee->felt_interrupt = false;
  if (ours && cordbg_tracee_fetch(tracee))
    tracee->restarts = cordbg_tracee_in_restart(tracing, tracee, true);
  if (tracee->steps && !tracee->restarts && tracee->process->target &&
      cordbg_tracee_fetch(tracee)) {
    tracee->stop = CORDBG_STOP_SYSCALL_EXIT;
    tracee->step_leak = CORDBG_STEP_PLAIN;
    cordbg_tracee_step_done(tracing, tracee);
    return;
  }
  stay_or_go(tracing, tracee, CORDBG_STOP_SYSCALL_EXIT);
}

/* A thread of the target besides those whose end is near. */
static bool
is_last_thread(const cordbg_tracing *tracing, const cordbg_tracee *self)
{
  for (const cordbg_tracee *tracee = tracing->tracees; tracee != NULL; tracee = tracee->next) {
    if (tracee != self && tracee->process == tracing->target &&
        tracee->state != CORDBG_TRACEE_EXITING &&
        !(tracee->state == CORDBG_TRACEE_STOPPED && tracee->stop == CORDBG_STOP_EXIT))
      return false;
  }
  return true;
}

/* Past its last user code: let go, whatever the session's state, unless its end is to be reported
 * first. The last one's is the process's. */
static void
on_near_end(cordbg_tracing *tracing, cordbg_tracee *tracee, unsigned long status)
{
  bool tells = tracee->process->target && cordbg_tracing_tells_threads(tracing) &&
               !tracee->unborn && !is_last_thread(tracing, tracee);
  cordbg_tracing_unqueue(tracing, tracee);
  tracee->over = 0;
  tracee->steps = false;
  tracee->exit_code = (int)status;
  tracee->stop = CORDBG_STOP_EXIT;
  if (tells && !tracing->calling) {
    cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_STOPPED);
    cordbg_tracing_queue(tracing, tracee, CORDBG_REPORT_EXIT);
    return;
  }
  if (tells) { /* the call may wait for this end */
    cordbg_event event = {
        .kind = CORDBG_EVENT_THREAD_EXITED, .tid = tracee->tid, .code = tracee->exit_code};
    cordbg_tracing_send(tracing, &event, true, false);
  }
  cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_EXITING);
  if (tracee->process->target && tracee->tid == tracing->space.tid)
    tracing->space.tid = cordbg_tracing_live_tid(tracing);
  ptrace(PTRACE_CONT, tracee->tid, NULL, NULL);
}

static void
on_event(cordbg_tracing *tracing, cordbg_tracee *tracee, int event)
{
  unsigned long message = 0;
  ptrace(PTRACE_GETEVENTMSG, tracee->tid, NULL, &message);
  switch (event) {
  case PTRACE_EVENT_CLONE:
  case PTRACE_EVENT_FORK:
  case PTRACE_EVENT_VFORK:
    cordbg_tracing_on_birth(tracing, tracee, event, (int)message);
    break;
  case PTRACE_EVENT_EXEC:
    cordbg_tracing_on_exec(tracing, tracee, (int)message);
    break;
  case PTRACE_EVENT_EXIT:
    on_near_end(tracing, tracee, message);
    break;
  default: /* VFORK_DONE */
    stay_or_go(tracing, tracee, CORDBG_STOP_EVENT);
    break;
  }
}

static bool
is_of_target(const cordbg_tracing *tracing, int tid)
{
  char path[64];
  if (tracing->target == NULL)
    return false;
  snprintf(path, sizeof path, "/proc/%d/task/%d", tracing->target->pid, tid);
  return access(path, F_OK) == 0;
}

static void
on_stop(cordbg_tracing *tracing, int tid, int status)
{
  cordbg_tracee *tracee = cordbg_tracee_find(tracing, tid);
  int signal = status & 0xff, event = status >> 8;
  /* Unknown: born, and stopped, before its parent's event told of it. */
  if (tracee == NULL && (tracee = cordbg_tracee_add(tracing, tid, NULL)) == NULL)
    return;
  bool ours = tracee->interrupted;
  bool mended = tracee->mended;
  bool armed = tracee->step_armed;
  bool mid_call = tracee->state == CORDBG_TRACEE_ASLEEP || tracee->entering;
  tracee->interrupted = false; /* any stop answers it */
  tracee->at_sigtrap = false;
  tracee->mended = false;
  tracee->step_armed = false;
  tracee->registers_valid = false;
  tracee->signal = 0;
  if (tracee->process == NULL && event == PTRACE_EVENT_EXIT && is_of_target(tracing, tid)) {
    /* Killed with its parent, whose event does not come any more: nobody else would let it go. */
    cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_EXITING);
    ptrace(PTRACE_CONT, tid, NULL, NULL);
    return;
  }
  if (tracee->process == NULL) { /* a stranger stays until its parent's event comes */
    tracee->stop = CORDBG_STOP_INTERRUPT;
    cordbg_tracee_set_state(tracing, tracee, CORDBG_TRACEE_STOPPED);
    return;
  }
  if (signal == (SIGTRAP | 0x80)) {
    on_syscall_stop(tracing, tracee, ours);
  } else if (event == PTRACE_EVENT_STOP) {
    tracee->entering = false;
    /* A stop before the call begins again changes nothing: a signal may still be on its way. */
    tracee->mended = mended;
    if (signal == SIGTRAP) {
      on_interrupt_stop(tracing, tracee, ours || mid_call, armed);
    } else {
      tracee->registers_valid = false;
      stay_or_go(tracing, tracee, CORDBG_STOP_GROUP);
    }
  } else if (event != 0) {
    on_event(tracing, tracee, event);
  } else {
    tracee->entering = false;
    on_signal(tracing, tracee, signal, mended, armed);
  }
}

bool
cordbg_tracing_take_stops(cordbg_tracing *tracing)
{
  bool any = false;
  for (;;) {
    siginfo_t info;
    info.si_pid = 0;
    if (waitid(P_ALL, 0, &info, WSTOPPED | WNOHANG | __WALL) != 0 || info.si_pid == 0)
      return any;
    on_stop(tracing, info.si_pid, info.si_status);
    any = true;
  }
}

/* ---- Exits ---- */

static int
wait_status(const siginfo_t *info)
{
  if (info->si_code == CLD_EXITED)
    return (info->si_status & 0xff) << 8;
  return info->si_status | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

static void
on_exit_of(cordbg_tracing *tracing, const siginfo_t *info)
{
  siginfo_t reaped;
  int tid = info->si_pid, status = wait_status(info);
  cordbg_tracee *tracee = cordbg_tracee_find(tracing, tid);
  bool target = tracee != NULL && tracee->process != NULL && tracee->process->target;
  bool leader = target && tid == tracing->target->pid;
  if (leader) /* before it is reaped: its pid is still its own */
    cordbg_patch_publisher_set_gone(tracing->patches.publisher, CORDBG_GONE_EXITED);
  waitid(P_PID, (id_t)tid, &reaped, WEXITED | __WALL);
  if (tracee == NULL)
    return;
  bool wants = (tracing->wanted & CORDBG_WANT_THREAD_ENDS) != 0 ||
               (tracee->announced && (tracing->wanted & CORDBG_WANT_THREADS) != 0);
  if (target && !leader && wants) {
    cordbg_event event = {.kind = CORDBG_EVENT_THREAD_EXITED, .tid = tid, .code = status};
    cordbg_tracing_send(tracing, &event, false, false);
  }
  cordbg_tracee_remove(tracing, tracee);
  if (leader || (target && tracing->target->threads == 0)) {
    cordbg_patch_publisher_set_gone(tracing->patches.publisher, CORDBG_GONE_EXITED);
    tracing->exited = true;
    tracing->exit_status = status;
    cordbg_tracing_heal_survivors(tracing);
  }
}

bool
cordbg_tracing_take_exits(cordbg_tracing *tracing)
{
  bool any = false;
  for (;;) {
    siginfo_t info;
    info.si_pid = 0;
    if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | WNOHANG | __WALL) != 0 || info.si_pid == 0)
      return any;
    /* The kernel shows ptrace stops to every wait: this one came just now, and goes first. */
    if (info.si_code != CLD_EXITED && info.si_code != CLD_KILLED && info.si_code != CLD_DUMPED)
      return true;
    on_exit_of(tracing, &info);
    any = true;
  }
}

bool
cordbg_tracing_take_changes(cordbg_tracing *tracing)
{
  bool any = false;
  for (;;) {
    siginfo_t info;
    info.si_pid = 0;
    if (waitid(P_ALL, 0, &info, WSTOPPED | WNOHANG | __WALL) == 0 && info.si_pid != 0) {
      on_stop(tracing, info.si_pid, info.si_status);
      any = true;
    }
    info.si_pid = 0;
    if (waitid(P_ALL, 0, &info, WSTOPPED | WEXITED | WNOWAIT | WNOHANG | __WALL) != 0 ||
        info.si_pid == 0)
      return any;
    any = cordbg_tracing_take_exits(tracing) || any;
  }
}
