/* SPDX-License-Identifier: MIT */
/*
 * The end of a session: the client asked for it, or is gone, or a signal ends the tracer.
 *
 * Order (design.md, The processes): the bytes first, at once, while threads still run: from then
 * on nobody can run into a trap. Then the threads are stopped, those that stand behind a trap get
 * their PC back, and all are let go.
 */
#include "config.h"

#include "cordbg/tracer/tracing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#define PATIENCE_NS 100000000ull

/* Every thread in a ptrace stop, also those that a stop otherwise leaves asleep. */
static void
wake_everyone(cordbg_tracing *tracing)
{
  for (cordbg_tracee *tracee = tracing->tracees; tracee != NULL; tracee = tracee->next) {
    if (tracee->state == CORDBG_TRACEE_ASLEEP || tracee->state == CORDBG_TRACEE_LISTENING ||
        (tracee->state == CORDBG_TRACEE_RUNNING && tracee->process != NULL))
      cordbg_tracee_interrupt(tracing, tracee);
  }
  for (cordbg_tracee *tracee = tracing->tracees, *next; tracee != NULL; tracee = next) {
    next = tracee->next;
    int following = next != NULL ? next->tid : 0;
    if (tracee->state == CORDBG_TRACEE_ASLEEP || tracee->state == CORDBG_TRACEE_LISTENING ||
        tracee->state == CORDBG_TRACEE_RUNNING)
      cordbg_tracee_await(tracing, tracee->tid);
    if (following != 0 && (next = cordbg_tracee_find(tracing, following)) == NULL)
      next = tracing->tracees;
  }
}

static void
write_words(cordbg_tracing *tracing)
{
  for (unsigned i = 0; i < tracing->cleanup_count; i++) {
    size_t written;
    cordbg_patches_write(&tracing->patches, &tracing->space, tracing->cleanup_words[i].address,
                         (const uint8_t *)&tracing->cleanup_words[i].value,
                         sizeof tracing->cleanup_words[i].value, &written);
  }
}

/* PTRACE_DETACH with the signal that its stop was about to deliver. false: it must stop first. */
static bool
let_go(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  if (tracee->state != CORDBG_TRACEE_STOPPED && tracee->state != CORDBG_TRACEE_EXITING)
    return false;
  if (tracee->state == CORDBG_TRACEE_STOPPED) {
    long signal = tracee->stop == CORDBG_STOP_SIGNAL ? tracee->signal : 0;
    cordbg_tracee_flush(tracee);
    ptrace(PTRACE_DETACH, tracee->tid, NULL, (void *)signal);
  }
  cordbg_tracee_remove(tracing, tracee);
  return true;
}

/* Threads in an uninterruptible sleep, and vfork parents, come when they come. */
static bool
let_all_go(cordbg_tracing *tracing)
{
  bool all = true;
  for (cordbg_tracee *tracee = tracing->tracees, *next; tracee != NULL; tracee = next) {
    next = tracee->next;
    all = let_go(tracing, tracee) && all;
  }
  return all;
}

void
cordbg_tracing_put_bytes_back(cordbg_tracing *tracing)
{
  if (tracing->target == NULL || tracing->session == CORDBG_SESSION_GONE || tracing->exited)
    return;
  cordbg_patches_restore_all(&tracing->patches, &tracing->space);
  cordbg_patch_publisher_set_gone(tracing->patches.publisher, CORDBG_GONE_DETACHED);
  write_words(tracing);
}

void
cordbg_tracing_cleanup(cordbg_tracing *tracing)
{
  if (tracing->target == NULL || tracing->session == CORDBG_SESSION_GONE)
    return;
  if (!tracing->exited) {
    cordbg_patches_restore_all(&tracing->patches, &tracing->space);
    cordbg_tracing_stop_all(tracing);
  }
  /* What began while the bytes went back: a plant cannot, this thread does those. Hits that are
     queued have their PC at the trap's address already. */
  cordbg_patch_publisher_set_gone(tracing->patches.publisher,
                                  tracing->exited ? CORDBG_GONE_EXITED : CORDBG_GONE_DETACHED);
  if (!tracing->exited)
    write_words(tracing);
  tracing->letting_go = true;
  wake_everyone(tracing);
  /* Those that sleep uninterruptibly, vfork parents among them, need not be waited for: when this
     process ends the kernel lets them go, and none of them stands at anything of ours. */
  uint64_t until = cordbg_tracing_now() + PATIENCE_NS;
  while (!let_all_go(tracing)) {
    if (cordbg_tracing_take_stops(tracing) || cordbg_tracing_take_exits(tracing))
      continue;
    if (cordbg_tracing_now() > until) {
      tracing->ending = true;
      break;
    }
    cordbg_tracing_wait_child(tracing, PATIENCE_NS / 10);
  }
  tracing->session = CORDBG_SESSION_GONE;
}
