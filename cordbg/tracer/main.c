/* SPDX-License-Identifier: MIT */
/*
 * cordbg-tracer: the process that traces.
 *
 * Why it exists: the client may die at any moment, and the target must then run on with its own
 * bytes. So every byte and register that cordbg changes belongs to this process, which has a
 * session of its own, waits for its client's end as for anything else, and undoes it all.
 *
 * States of the session (cordbg_session_state)
 *
 *   IDLE --attach--> RUNNING --stop, event--> STOPPED --continue--> RUNNING
 *                       |                        |
 *                       +--- exit, detach -------+--> GONE
 *
 * `hold` is the truth about the threads: while it is set no thread of the target is resumed. It
 * is set by each stop, also by the short silent ones that stepping in place needs; STOPPED means
 * that the client was told so.
 *
 * Invariants
 *   - one thread, no lock: whatever is waited for (signals, the socket, the client's pidfd, the
 *     tracees) is waited for in one place, here, or in the bounded waits for a thread's stop.
 *   - a change of the target is recorded before it is made (patches.h).
 *   - a thread that ran into a trap is rewound and queued when its stop is taken; it is reported
 *     once; its `over` then says that the trap under its PC was reported.
 *   - children that are not the target are never held.
 *   - nothing that the client sends is trusted; nothing that the target holds is.
 *
 * A second process, the guard, watches this one for a sudden end (guard.c).
 *
 * Waiting: it sleeps in one ppoll for all. Only while the target stands still does it look for the
 * next request for some microseconds first (looks_on).
 */
#include "config.h"

#include "cordbg/tracer/tracing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_NS 60000u

static volatile sig_atomic_t end_requested;
/* A SIGCHLD came. It stays blocked, and is read where the process sleeps: a signal that is
   delivered would be a stop for the guard to answer. */
static bool child_changed;

static void
on_end_signal(int number)
{
  (void)number;
  end_requested = 1;
}

bool
cordbg_tracing_end_requested(void)
{
  return end_requested != 0;
}

static void
set_handler(int number, void (*handler)(int))
{
  struct sigaction action = {.sa_handler = handler};
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

/* All signals that matter are blocked, but while ppoll sleeps; SIGCHLD then too. */
static void
set_signals(void)
{
  sigset_t blocked;
  set_handler(SIGTERM, on_end_signal);
  set_handler(SIGHUP, on_end_signal);
  set_handler(SIGINT, on_end_signal);
  set_handler(SIGPIPE, SIG_IGN);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGCHLD);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGHUP);
  sigaddset(&blocked, SIGINT);
  sigprocmask(SIG_SETMASK, &blocked, NULL);
}

int
cordbg_tracing_sleep(const cordbg_tracing *tracing, struct pollfd *polled, unsigned count,
                     const struct timespec *timeout)
{
  struct signalfd_siginfo told;
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  polled[count - 1] = (struct pollfd){.fd = tracing->child_fd, .events = POLLIN};
  int ready = ppoll(polled, count, timeout, &child);
  if (ready <= 0 || polled[count - 1].revents == 0)
    return ready;
  child_changed = true;
  (void)!read(tracing->child_fd, &told, sizeof told);
  return ready - 1;
}

static bool
set_up(cordbg_tracing *tracing)
{
  cordbg_error error = {0};
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  *tracing = (cordbg_tracing){.request_fd = CORDBG_TRACER_FD_REQUEST,
                              .managed_fd = CORDBG_TRACER_FD_MANAGED,
                              .unmanaged_fd = CORDBG_TRACER_FD_UNMANAGED,
                              .client_fd = CORDBG_TRACER_FD_CLIENT,
                              .child_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK),
                              .space = CORDBG_SPACE_NONE};
  tracing->outgoing_tail = &tracing->outgoing;
  tracing->reports_tail = &tracing->reports;
  tracing->packet = malloc(CORDBG_PACKET_MAX);
  tracing->answer = malloc(CORDBG_PACKET_MAX);
  cpu_set_t cpus;
  tracing->cpus = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
  tracing->emulate_cache = calloc(1, sizeof *tracing->emulate_cache);
  if (tracing->packet == NULL || tracing->answer == NULL || tracing->emulate_cache == NULL ||
      tracing->child_fd < 0)
    return false;
  if (FAILED(cordbg_patches_init(&tracing->patches, &tracing->statistics, &error))) {
    fprintf(stderr, "cordbg-tracer: %s\n", error.sentence);
    return false;
  }
  return true;
}

/* What follows from the stops that were taken. */
static void
progress(cordbg_tracing *tracing)
{
  if (tracing->exited && tracing->session != CORDBG_SESSION_GONE) {
    cordbg_event event = {
        .kind = CORDBG_EVENT_EXITED, .tid = tracing->target->pid, .code = tracing->exit_status};
    tracing->session = CORDBG_SESSION_GONE;
    cordbg_tracing_send(tracing, &event, false, false);
    return;
  }
  if (tracing->session == CORDBG_SESSION_STOPPED && tracing->needs_still)
    cordbg_tracing_step_waiting(tracing, false);
  if (tracing->session != CORDBG_SESSION_RUNNING)
    return;
  if (cordbg_tracing_has_report(tracing)) {
    cordbg_tracing_stop_all(tracing);
    if (tracing->exited)
      return;
    cordbg_patches_patrol(&tracing->patches, &tracing->space, cordbg_tracing_now());
    if (cordbg_tracing_report(tracing)) {
      tracing->session = CORDBG_SESSION_STOPPED;
    } else {
      cordbg_tracing_resume_all(tracing);
    }
  } else if (tracing->needs_still || tracing->hold) {
    cordbg_tracing_stop_all(tracing);
    if (!cordbg_tracing_has_report(tracing) && !tracing->exited)
      cordbg_tracing_resume_all(tracing);
  }
}

/* true: the client says something. */
static bool
sleep_until_something(cordbg_tracing *tracing)
{
  struct pollfd polled[] = {
      {.fd = tracing->client_fd, .events = POLLIN},
      {.fd = tracing->request_fd, .events = POLLIN},
      {.fd = tracing->managed_fd, .events = tracing->outgoing != NULL ? POLLOUT : 0},
      {.fd = tracing->unmanaged_fd, .events = tracing->outgoing != NULL ? POLLOUT : 0},
      {.fd = -1},
  };
  if (cordbg_tracing_sleep(tracing, polled, sizeof polled / sizeof polled[0], NULL) <= 0)
    return false;
  if (polled[0].revents != 0)
    tracing->ending = true; /* the client is dead, whoever else still holds its socket */
  if (tracing->outgoing != NULL)
    cordbg_tracing_flush(tracing);
  return polled[1].revents != 0;
}

/* progress() has more to do than one round of it. */
static bool
is_unfinished(const cordbg_tracing *tracing)
{
  return (tracing->session == CORDBG_SESSION_RUNNING &&
          (cordbg_tracing_has_report(tracing) || tracing->hold || tracing->needs_still)) ||
         (tracing->exited && tracing->session != CORDBG_SESSION_GONE);
}

/*
 * While the target stands still, an answer is worth looking for before sleeping: it comes within
 * microseconds, where waking from sleep on an idle CPU takes some fifty. Only then: looking for
 * stops would take the CPU from the thread that is to run into the next trap.
 */
static bool
looks_on(const cordbg_tracing *tracing, uint64_t *until)
{
  if (tracing->cpus < 2 || tracing->session != CORDBG_SESSION_STOPPED) {
    *until = 0;
    return false;
  }
  uint64_t now = cordbg_tracing_now();
  if (*until == 0)
    *until = now + LOOK_NS;
  return now < *until;
}

static void
run(cordbg_tracing *tracing)
{
  uint64_t look_until = 0;
  while (!tracing->ending && !end_requested) {
    if (child_changed) {
      child_changed = false;
      cordbg_tracing_take_changes(tracing);
    }
    progress(tracing);
    if (is_unfinished(tracing))
      continue;
    if (looks_on(tracing, &look_until)) {
      if (cordbg_tracing_take_request(tracing))
        look_until = 0;
    } else if (sleep_until_something(tracing) && !tracing->ending) {
      cordbg_tracing_take_request(tracing);
    }
  }
}

int
main(void)
{
  static cordbg_tracing tracing;
  prctl(PR_SET_NAME, "cordbg-tracer");
  set_signals();
  setsid();
  cordbg_guard_start(&tracing);
  bool ready = set_up(&tracing);
  cordbg_guard_await();
  /* A core file of the tracer would hold the target's memory. */
  prctl(PR_SET_DUMPABLE, 0);
  if (ready) {
    run(&tracing);
    cordbg_tracing_cleanup(&tracing);
  }
  cordbg_guard_end();
  if (!ready)
    return 1;
  return 0;
}
