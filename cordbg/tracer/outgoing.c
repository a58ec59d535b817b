/* SPDX-License-Identifier: MIT */
/*
 * Events on their way to the client. A socket that is full (the client does not read) never
 * blocks the tracer: events wait in a list, in their order.
 */
#include "config.h"

#include "cordbg/tracer/tracing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A client that reads nothing must not make the tracer grow without end. */
#define OUTGOING_MAX 65536u

/* 0: sent; EAGAIN: full; else it cannot be sent any more. */
static int
push(const cordbg_tracing *tracing, const cordbg_outgoing *item)
{
  int fd = item->unmanaged ? tracing->unmanaged_fd : tracing->managed_fd, mem = -1;
  struct iovec part = {(void *)(uintptr_t)&item->event, sizeof item->event};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (item->has_memory && tracing->target != NULL) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", tracing->target->pid);
    mem = open(path, O_RDONLY | O_CLOEXEC);
  }
  if (mem >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof mem);
    memcpy(CMSG_DATA(header), &mem, sizeof mem);
  }
  ssize_t sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  int status = sent < 0 ? errno : 0;
  if (mem >= 0)
    close(mem);
  return status == EWOULDBLOCK || status == ENOBUFS ? EAGAIN : status;
}

void
cordbg_tracing_flush(cordbg_tracing *tracing)
{
  while (tracing->outgoing != NULL) {
    cordbg_outgoing *item = tracing->outgoing;
    if (push(tracing, item) == EAGAIN)
      return;
    tracing->outgoing = item->next;
    tracing->outgoing_count--;
    free(item);
  }
  tracing->outgoing_tail = &tracing->outgoing;
}

void
cordbg_tracing_send(cordbg_tracing *tracing, const cordbg_event *event, bool unmanaged,
                    bool with_memory)
{
  cordbg_outgoing item = {.event = *event, .unmanaged = unmanaged, .has_memory = with_memory};
  item.event.sequence = ++tracing->sequence;
  if (tracing->outgoing == NULL && push(tracing, &item) != EAGAIN)
    return;
  bool essential = (event->flags & CORDBG_EVENT_STOPS) != 0 || event->kind == CORDBG_EVENT_EXITED;
  if (!essential && tracing->outgoing_count >= OUTGOING_MAX)
    return;
  cordbg_outgoing *kept = malloc(sizeof *kept);
  if (kept == NULL)
    return;
  *kept = item;
  kept->next = NULL;
  *tracing->outgoing_tail = kept;
  tracing->outgoing_tail = &kept->next;
  tracing->outgoing_count++;
}

bool
cordbg_tracing_has_report(const cordbg_tracing *tracing)
{
  return tracing->exec_pending || tracing->reports != NULL;
}

/* Reports the oldest hit, by layers. false: its patch went meanwhile, the thread just runs on. */
static bool
report_hit(cordbg_tracing *tracing, cordbg_tracee *tracee)
{
  const cordbg_patch *patch = cordbg_patches_find(&tracing->patches, tracee->hit);
  if (patch == NULL || patch->serial != tracee->hit_serial ||
      tracee->state != CORDBG_TRACEE_STOPPED || !cordbg_tracee_fetch(tracee) ||
      tracee->registers.rip != tracee->hit) {
    cordbg_tracing_unqueue(tracing, tracee);
    return false;
  }
  uint8_t layers = (uint8_t)(patch->layers & ~tracee->told_layers);
  bool split = (tracing->wanted & CORDBG_WANT_UNMANAGED) != 0;
  bool unmanaged = split && (layers & CORDBG_LAYER_NATIVE) != 0;
  uint8_t told = unmanaged ? CORDBG_LAYER_NATIVE : layers;
  cordbg_event event = {.kind = CORDBG_EVENT_TRAP,
                        .flags = CORDBG_EVENT_STOPS,
                        .tid = tracee->tid,
                        .layers = told,
                        .address = tracee->hit,
                        .registers = tracee->registers};
  tracee->over = tracee->hit;
  tracee->told_layers = (uint8_t)(tracee->told_layers | told);
  if ((patch->layers & ~tracee->told_layers) == 0 || !split)
    cordbg_tracing_unqueue(tracing, tracee);
  if (told == 0) /* the layer that was still to be told was removed */
    return false;
  cordbg_tracing_send(tracing, &event, unmanaged, false);
  tracing->outstanding[unmanaged ? 1 : 0] = tracing->sequence;
  return true;
}

bool
cordbg_tracing_report(cordbg_tracing *tracing)
{
  if (tracing->exec_pending) {
    cordbg_event event = {
        .kind = CORDBG_EVENT_EXEC, .flags = CORDBG_EVENT_STOPS, .tid = tracing->exec_tid};
    cordbg_tracee *tracee = cordbg_tracee_find(tracing, tracing->exec_tid);
    if (tracee != NULL && tracee->state == CORDBG_TRACEE_STOPPED && cordbg_tracee_fetch(tracee))
      event.registers = tracee->registers;
    tracing->exec_pending = false;
    cordbg_tracing_send(tracing, &event, false, true);
    tracing->outstanding[0] = tracing->sequence;
    return true;
  }
  while (tracing->reports != NULL) {
    cordbg_tracee *oldest = tracing->reports;
    if (oldest->report == CORDBG_REPORT_HIT ? report_hit(tracing, oldest)
                                            : cordbg_tracing_report_other(tracing, oldest))
      return true;
  }
  return false;
}
