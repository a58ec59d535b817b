/* SPDX-License-Identifier: MIT */
/*
 * What the live tests of the Mono shim share: debuggees that are started, watched and ended, and a
 * session at the level of runtime.h. Every function that can fail ends the test.
 */
#ifndef CORDBG_TESTS_LIVE_MONO_SUPPORT_H
#define CORDBG_TESTS_LIVE_MONO_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glib.h>
#include "runtime-shim/mono/mono-private.h"
#include "runtime-shim/mono/mono.h"

/* ---- Debuggees ---- */

typedef struct debuggee {
  int pid;
  int out; /* its standard output */
  char line[256];
} debuggee;

/* The path of a C# debuggee of this build. */
const char *debuggee_path(const char *name);
/* Starts a program, searched in PATH; env (nullable): "NAME=value" strings to add. */
void debuggee_start(debuggee *d, const char *const argv[], const char *const env[]);
/* `mono NAME.exe arguments...`; NULL ends the arguments. Waits for its "ready". */
void debuggee_start_mono(debuggee *d, const char *name, ...);
/* Reads lines until one begins with text, at most 20 seconds. */
void debuggee_expect(debuggee *d, const char *text);
/* It lives, is not traced, runs. */
void debuggee_check_alive(const debuggee *d);
/* Waits for its end by itself, at most `seconds`; its wait status. */
int debuggee_wait(debuggee *d, int seconds);
void debuggee_end(debuggee *d);

/* Threads named `name` in a process. */
unsigned count_threads_named(int pid, const char *name);
/* True as soon as no thread of that name is left, within 5 seconds. */
bool await_no_thread_named(int pid, const char *name);

/* Prints "SKIP: reason" and ends the program with 77 when there is no Mono. */
void skip_without_mono(void);

/* ---- Sessions ---- */

/* The runtime that sessions are made with: Mono's, until a test says otherwise. */
extern const cordbg_runtime_ops *session_ops;

typedef struct session {
  int pid;
  cordbg_tracer *tracer;
  cordbg_target *target;
  cordbg_runtime *runtime;
  bool gone;          /* EXITED was seen */
  GArray *events;     /* of cordbg_rt_event: everything told so far */
  unsigned hits;      /* of managed traps */
  cordbg_event event; /* the last one */
} session;

void session_attach(session *s, int pid);
/* The same, with the result of prepare; nothing is left when it failed. */
HRESULT session_try_attach(session *s, int pid, int timeout_ms, cordbg_error *error);
void session_launch(session *s, debuggee *d, const char *const argv[]);
void session_detach(session *s);

/*
 * Continues the stopped target and takes events, telling the shim of each, until one of the kind
 * `until` was told (its copy is returned), the target is stopped then. Fails after 20 seconds.
 */
cordbg_rt_event session_run_until(session *s, cordbg_rt_event_kind until);
/* The same until a managed trap is hit (true) or the target ended (false). */
bool session_run_until_hit(session *s);
/* Continues and lets the target run for some time, serving the shim's traps; then stops it. */
void session_run_for(session *s, int milliseconds);
/* Takes what accumulated. */
void session_drain(session *s);

cordbg_rt_id session_module(session *s, const char *name_end, cordbg_rt_id domain);
uint32_t session_method(session *s, cordbg_rt_id module, const char *type, const char *method);
unsigned session_count_events(session *s, cordbg_rt_event_kind kind);
void session_plant(session *s, uint64_t address);
void session_unplant(session *s, uint64_t address);

#define assert_ok(expression)                                                                      \
  do {                                                                                             \
    HRESULT assert_ok_hr = (expression);                                                           \
    if (assert_ok_hr != S_OK)                                                                      \
      fail_msg("%s: 0x%08x %s", #expression, (unsigned)assert_ok_hr, test_error.sentence);         \
  } while (0)
extern cordbg_error test_error;

#endif
