/* SPDX-License-Identifier: MIT */
/*
 * What the live tests of the tracer share. A debuggee is a forked child of the test that runs one
 * function: its code lies where the test's does, so that a test names a trap by a C symbol, and it
 * counts in a page that both see. It dies with the test, and by itself after five minutes.
 */
#ifndef TESTS_LIVE_TRACER_SUPPORT_H
#define TESTS_LIVE_TRACER_SUPPORT_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cordbg/tracer/client.h"

#define STAGE_THREADS 128

/* The page that a test and its debuggee share. */
typedef struct test_stage {
  _Atomic int ready; /* the debuggee's threads that reached their place */
  _Atomic int go;    /* set by the test */
  _Atomic int stop;  /* set by the test: leave the loops */
  _Atomic int tid;   /* of an interesting thread */
  _Atomic int pid;   /* of a child */
  _Atomic long result;
  _Atomic long count[STAGE_THREADS];
  _Atomic uint64_t address[8];
  char text[256];
} test_stage;

typedef void (*debuggee_body)(test_stage *stage);

typedef struct test_session {
  int pid;
  test_stage *stage;
  cordbg_tracer *tracer;
  cordbg_error error;
} test_session;

/* Forks a debuggee; the caller waits for stage->ready if the body says so. */
void session_fork(test_session *session, debuggee_body body);
/* Starts a tracer and attaches it. */
void session_attach(test_session *session);
/* Both, after stage->ready reached `ready`. */
void session_begin(test_session *session, debuggee_body body, int ready);
/* Ends the tracer; the debuggee stays. */
void session_detach(test_session *session);
/* Kills and reaps the debuggee, ends the tracer. */
void session_end(test_session *session);

/* Waits, at most some seconds, until the shared number is at least that. */
void await_int(_Atomic int *number, int least);
void await_long(_Atomic long *number, long least);
/* A moment that is an event: another process has begun, run and ended. */
void a_moment(void);
/* true when a condition came to hold within the time; checked with sched_yield between. */
bool await_until(bool (*holds)(void *data), void *data, int timeout_ms);

#define must(session, expression)                                                                  \
  do {                                                                                             \
    HRESULT must_hr = (expression);                                                                \
    if (FAILED(must_hr))                                                                           \
      fail_msg("%s: 0x%08x %s", #expression, (unsigned)must_hr, (session)->error.sentence);        \
  } while (0)

/* The code address of a function or label. */
#define at(symbol) ((uint64_t)(uintptr_t)(symbol))

uint8_t plant(test_session *session, cordbg_layer layer, uint64_t address);
int plant_status(test_session *session, cordbg_layer layer, uint64_t address);
uint8_t take_away(test_session *session, cordbg_layer layer, uint64_t address);
/* The next event of the managed channel; fails the test after a minute. */
cordbg_event next_event(test_session *session);
/* The same, and it must be a trap at address. */
cordbg_event next_hit(test_session *session, uint64_t address);
/* true: no event came within the time. */
bool no_event(test_session *session, int timeout_ms);
void go_on(test_session *session);
void halt(test_session *session);
/* Bytes as they stand in memory: traps shown. */
uint8_t raw_byte(const test_session *session, uint64_t address);
/* One byte through a view. */
uint8_t seen_byte(const test_session *session, cordbg_view view, uint64_t address);
cordbg_statistics statistics_of(test_session *session);

/* A field of /proc/PID/status as text; "" when there is none. */
void status_field_of(int pid, const char *name, char *text, size_t size);
int tracer_of(int pid);
/* Waits until the process is traced by nobody and its state is not one of stopped. */
bool is_free(int pid);
char state_of(int pid);
bool is_alive(int pid);

/* For the debuggee: a handler of signals, and the stage that it writes to. */
extern test_stage *handler_stage;
void handle_by(test_stage *stage, int number, void (*handler)(int, siginfo_t *, void *));
/* A handler: counts in count[2]. */
void count_signal(int number, siginfo_t *info, void *context);

/* The seed of a random test: CORDBG_SEED or the time; printed. */
unsigned test_seed(void);

#endif
