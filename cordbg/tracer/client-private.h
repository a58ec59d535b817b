/* SPDX-License-Identifier: MIT */
/* The client's end, shared by client.c and launch.c. */
#ifndef CORDBG_TRACER_CLIENT_PRIVATE_H
#define CORDBG_TRACER_CLIENT_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "cordbg/tracer/client.h"

/* One event socket and how fast it was lately. One thread at a time reads it. */
typedef struct cordbg_event_socket {
  int fd;
  int wake_fd;           /* eventfd: readable once cordbg_tracer_wake was called */
  bool events_come_fast; /* the reader looks before it sleeps */
} cordbg_event_socket;

struct cordbg_tracer {
  pthread_mutex_t lock; /* orders the requests: the protocol has one outstanding; guards packet */
  int request_fd;
  cordbg_event_socket events[2]; /* by cordbg_event_channel */
  int interrupt_fd;              /* eventfd: readable once cordbg_tracer_interrupt was called */
  _Atomic bool interrupted;
  _Atomic int mem_fd;
  _Atomic int pid;
  int tracer_pid;
  bool can_look; /* there is a second CPU */
  uint32_t next_id;
  _Atomic uint64_t changes;   /* counts */
  _Atomic uint64_t stillness; /* 0: a CONTINUE was sent since the last stop; else one of changes */
  bool gone;                  /* the request socket broke */
  cordbg_patch_table table;
  int table_fd;                                  /* of its file, for helpers that map it */
  _Alignas(8) uint8_t packet[CORDBG_PACKET_MAX]; /* replies are read in place */
};

/*
 * Sends a request and waits for its reply, which lands in tracer->packet; the lock must be held.
 * request begins with a cordbg_request_header, whose kind is set; the id is filled in. minimum: the
 * least size of the reply's body that its kind has. *fd (nullable) receives a descriptor or -1.
 * Returns the reply's own result.
 */
HRESULT cordbg_tracer_transact(cordbg_tracer *tracer, void *request, size_t size, size_t minimum,
                               size_t *length, int *fd, cordbg_error *error);

/* Makes mem the descriptor of the target's memory, under the number that it had before. */
void cordbg_tracer_set_mem(cordbg_tracer *tracer, int mem);

#endif
