/* SPDX-License-Identifier: MIT */
/*
 * For the tests of interop sessions. Most drive the program Trouble (Trouble.cs, interop-trouble.c)
 * by its variable trouble_command.
 */
#ifndef CORDBG_TESTS_LIVE_INTEROP_SUPPORT_H
#define CORDBG_TESTS_LIVE_INTEROP_SUPPORT_H

#include "icordebug-client.h"
#include "interop-trouble.h"

#define TRAP_FLAG 0x100u
#define CODE_SIGNAL 0xe0534700u /* + the number of the signal */

/* Starts Trouble for the case's runtime. */
void trouble_start(program *p);

/* ---- What the debugger sees, written down by interop_note ---- */

enum { NOTED_MAX = 64 };

typedef struct noted {
  DWORD code, first_chance, tid;
  DWORD parameters;
  uint64_t address;
  ULONG_PTR information[4];
  BOOL out_of_band;
  uint64_t rip;
} noted;

/* Begins with what interop_note needs: c->data of most tests. Exceptions are written down before
 * the client counts their "DebugEvent". */
typedef struct interop_log {
  unsigned count; /* of exceptions */
  noted exceptions[NOTED_MAX];
  bool clear; /* ClearCurrentException at each first chance */
  bool clear_second;
  uint64_t escape; /* where a thread whose exception is cleared goes on; 0: where it stands */
  DWORD exit_code; /* ~0: it was not told */
  bool native_exit_first;
} interop_log;

void interop_log_init(interop_log *log);
then interop_note(client *c, const told *what);
const noted *interop_nth(const interop_log *log, unsigned n);

CONTEXT interop_context(ICorDebugProcess *process, DWORD tid);
void interop_set_context(ICorDebugProcess *process, DWORD tid, const CONTEXT *context);

/* As a client on Windows reads it: lpImageName is the address of a pointer in the target. */
void interop_library_name(ICorDebugProcess *process, const DEBUG_EVENT *event, char *name,
                          DWORD size);

/* ---- Doing ---- */

CORDB_ADDRESS interop_symbol(client *c, const char *name);
/* Sets a native breakpoint on a symbol; its address. */
CORDB_ADDRESS interop_break(client *c, const char *name);
void interop_clear(client *c, CORDB_ADDRESS address);
/* Of trouble_count. */
long interop_count(client *c, unsigned which);
void interop_await_count(client *c, unsigned which, long value);
void interop_command(client *c, int command, int argument);

#endif
